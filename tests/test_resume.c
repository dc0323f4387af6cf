/* Runs that are killed, run out of disk or lose their last writes: `features --resume` ends at the same bytes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/folders.h"
#include "tests/harness.h"

#define WEIGHTS "seeded:resnet8_cifar"

struct place {
  char *photos, *train, *whole, *out, *partial;
};

/* Pictures, a folder `whole` with the features of an undisturbed run, and the name of another one. */
static struct place prepare(void) {
  struct place p = {.photos = draw_photos("4")};
  p.train = path_in(p.photos, "train");
  p.whole = path_in(test_folder(), "whole");
  p.out = path_in(test_folder(), "out");
  p.partial = path_in(p.out, "partial");
  /* Two that are skipped, so that rows and samples differ. */
  CHECK(write_file(path_join(p.train, "spotted-fish/0001a.png"), "nonsense", 8));
  CHECK(write_file(path_join(p.train, "striped-mug/zzz.png"), "", 0));
  struct run run = RUN("features", "-w", WEIGHTS, "-d", p.train, "-o", p.whole, "--quiet");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  return p;
}

static void release(struct place *p) {
  free(p->photos);
  free(p->train);
  free(p->whole);
  free(p->out);
  free(p->partial);
}

static struct run extract(const struct place *p, const char *resume) {
  return RUN("features", "-w", WEIGHTS, "-d", p->train, "-o", p->out, "--quiet", "--batch", "3", "--threads", "2",
             resume);
}

/* The same while no file may grow beyond `bytes`: stands in for a full disk. */
static struct run extract_with_limit(const struct place *p, size_t bytes, const char *resume) {
  struct rlimit before, small;
  getrlimit(RLIMIT_FSIZE, &before);
  small = (struct rlimit){bytes, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  struct run run = extract(p, resume);
  setrlimit(RLIMIT_FSIZE, &before);
  return run;
}

/* A run that stopped after about 20 of its 40 rows of 256 bytes. */
static void interrupt(const struct place *p) {
  struct run run = extract_with_limit(p, 128 + 20 * 256, NULL);
  CHECK(run.exit_code == 1);
  CHECK(exists(p->out, "partial") && !exists(p->out, "features.npy") && !exists(p->out, "meta.json"));
}

static void check_resumed(const struct place *p) {
  struct run run = extract(p, "--resume");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  check_same_folders(p->whole, p->out);
}

TEST(an_interrupted_run_resumes_to_the_same_bytes) {
  struct place p = prepare();
  struct run run = extract_with_limit(&p, 128 + 20 * 256, NULL);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "backbones: ");
  CHECK_CONTAINS(run.err, "partial/features.npy: File too large");
  run = extract(&p, NULL);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "--resume continues it");
  run = RUN("features", "-w", "seeded:resnet14_cifar", "-d", p.train, "-o", p.out, "--quiet", "--resume");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "cannot be continued");
  CHECK_CONTAINS(run.err, "arch \"resnet8_cifar\", not \"resnet14_cifar\"");
  run = extract(&p, "--resume");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.err, "continuing after ");
  check_same_folders(p.whole, p.out);
  run = extract(&p, "--resume");
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.err, "is finished already");
  run = RUN("features", "-w", WEIGHTS, "-d", p.train, "-o", p.out, "--quiet", "--resume", "--shard", "1/2");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "holds the features of something else");
  release(&p);
}

TEST(a_disk_that_is_full_again_and_again_loses_nothing) {
  struct place p = prepare();
  int failures = 0;
  for (size_t rows = 2; rows < 38; rows += 7) {
    failures += extract_with_limit(&p, 128 + rows * 256, "--resume").exit_code == 1;
    CHECK(!exists(p.out, "meta.json"));
  }
  CHECK(failures == 6);
  check_resumed(&p);
  release(&p);
}

/* ---- data that was torn or changed after it was written -----------------------------------------------------------
 */

enum damage { CUT, FLIP, APPEND };

static void damage(const char *path, enum damage how, size_t place) {
  size_t size = 0;
  char *bytes = read_file(path, &size);
  REQUIRE(bytes && place < size);
  if (how == FLIP) bytes[place] ^= 1;
  CHECK(write_file(path, bytes, how == CUT ? place : size));
  free(bytes);
  if (how == APPEND) {
    FILE *file = fopen(path, "ab");
    fputs("1\tabc\n=\t99\t00000000\t00000000\n", file);
    fclose(file);
  }
}

TEST(torn_and_corrupted_progress_is_found_and_done_again) {
  static const struct {
    const char *file;
    enum damage how;
    size_t place;
    bool lost; /* something is left to be lost of 18 rows */
  } cases[] = {{"journal.tsv", CUT, 0, false},      {"journal.tsv", CUT, 1000, true},
               {"journal.tsv", FLIP, 500, true},    {"journal.tsv", APPEND, 0, true},
               {"features.npy", CUT, 0, true},      {"features.npy", CUT, 2000, true},
               {"features.npy", FLIP, 128, true},   {"features.npy", FLIP, 3000, true},
               {"features.npy", APPEND, 10, false}, {"features.npy", FLIP, 5, false}};
  struct place p = prepare();
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    p.out[strlen(p.out) - 1] = (char)('a' + i); /* another folder each */
    p.partial[strlen(p.out) - 1] = (char)('a' + i);
    interrupt(&p);
    damage(path_join(p.partial, cases[i].file), cases[i].how, cases[i].place);
    struct run run = extract(&p, "--resume");
    CHECK_MSG(run.exit_code == 0, "case %zu: %s", i, run.err);
    CHECK_MSG(!!strstr(run.err, "is done again") == cases[i].lost, "case %zu: %s", i, run.err);
    CHECK_MSG(check_same_folders(p.whole, p.out), "case %zu", i);
  }
  release(&p);
}

TEST(a_run_that_ended_while_its_results_got_their_names_resumes) {
  struct place p = prepare();
  /* The results cannot get their names while a folder has one of them. */
  REQUIRE(mkdir(p.out, 0700) == 0 && mkdir(path_join(p.out, "classes.txt"), 0700) == 0);
  struct run run = extract(&p, NULL);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "classes.txt: ");
  CHECK(exists(p.out, "labels.npy") && !exists(p.out, "meta.json"));
  /* As if killed after the rows had moved, with a temporary file left. */
  REQUIRE(rmdir(path_join(p.out, "classes.txt")) == 0);
  REQUIRE(rename(path_join(p.partial, "features.npy"), path_join(p.out, "features.npy")) == 0);
  REQUIRE(write_file(path_join(p.out, "meta.json.12345.partial"), "{", 1));
  REQUIRE(write_file(path_join(p.partial, "identity.json.12345.partial"), "{", 1));
  check_resumed(&p);
  /* As if killed while it tidied up. */
  REQUIRE(mkdir(p.partial, 0700) == 0 && write_file(path_join(p.partial, "journal.tsv"), "", 0));
  run = extract(&p, "--resume");
  CHECK(run.exit_code == 0);
  check_same_folders(p.whole, p.out);
  release(&p);
}

TEST(two_processes_cannot_write_one_folder) {
  struct place p = prepare();
  interrupt(&p);
  char *path = path_in(p.partial, "lock");
  int lock = open(path, O_RDWR | O_CREAT, 0600);
  REQUIRE(lock >= 0 && flock(lock, LOCK_EX) == 0);
  struct run run = extract(&p, "--resume");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "is being written by another process (process ");
  run = extract(&p, NULL);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "is being written by another process");
  run = RUN("merge", p.whole, "--out", p.out);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "is being written by another process");
  close(lock);
  check_resumed(&p);
  free(path);
  release(&p);
}

/* ---- kills --------------------------------------------------------------------------------------------------------
 */

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* tests/reference/kill_test.py does this for hundreds of kills. */
TEST(a_run_that_is_killed_at_any_moment_resumes) {
  struct place p = prepare();
  struct random random = {.state = 20};
  const char *const arguments[] = {"features", "-w",      WEIGHTS,   "-d", p.train,     "-o", p.out,
                                   "--resume", "--quiet", "--batch", "1",  "--threads", "1",  NULL};
  double begin = seconds();
  int child = start_backbones(arguments), status = 0, killed = 0;
  waitpid(child, &status, 0);
  double whole_run = seconds() - begin;
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  check_same_folders(p.whole, p.out);
  for (int i = 0; i < 10; i++) {
    if (exists(p.out, "meta.json")) p.out[strlen(p.out) - 1]++; /* finished: another folder */
    child = start_backbones(arguments);
    double wait = whole_run * random_unit(&random);
    nanosleep(&(struct timespec){.tv_nsec = (long)(wait < 0.9 ? wait * 1e9 : 9e8)}, NULL);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    killed += WIFSIGNALED(status);
  }
  CHECK(killed > 0);
  check_resumed(&p);
  release(&p);
}
