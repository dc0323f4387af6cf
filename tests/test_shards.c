/* `features --shard` and `merge`: many machines' work is one machine's, or it is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/folders.h"
#include "tests/harness.h"
#include "weights-tools/json.h"

#define WEIGHTS "seeded:resnet8_cifar"

static const char *const variables[] = {"SLURM_ARRAY_TASK_ID",   "SLURM_ARRAY_TASK_MIN",   "SLURM_ARRAY_TASK_MAX",
                                        "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT", "JOB_COMPLETION_INDEX",
                                        "BACKBONES_SHARDS"};
enum { VARIABLES = sizeof variables / sizeof variables[0] };

/* The tests themselves may run under a scheduler. */
static void clear_environment(void) {
  for (int i = 0; i < VARIABLES; i++) unsetenv(variables[i]);
}

struct parts {
  char *photos, *train, *one, *shards[3];
};

static struct run take(const struct parts *p, const char *out, const char *shard, const char *option) {
  return RUN("features", "-w", WEIGHTS, "-d", p->train, "-o", out, "--quiet", "--shard", shard, option);
}

/* Pictures with two unreadable ones among them; features by one run and by three. */
static struct parts prepare(void) {
  static const char *const numbers[] = {"1/3", "2/3", "3/3"};
  clear_environment();
  struct parts p = {.photos = draw_photos("2"), .one = path_in(test_folder(), "one")};
  p.train = path_in(p.photos, "train");
  CHECK(write_file(path_join(p.train, "spotted-fish/a\tb.png"), "nonsense", 8));
  CHECK(write_file(path_join(p.train, "striped-mug/zzz.png"), "", 0));
  struct run run = take(&p, p.one, "1/1", NULL);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  for (int i = 0; i < 3; i++) {
    char name[8] = {'s', (char)('1' + i), 0};
    p.shards[i] = path_in(test_folder(), name);
    run = take(&p, p.shards[i], numbers[i], NULL);
    CHECK_MSG(run.exit_code == 0, "%s", run.err);
  }
  return p;
}

static void release(struct parts *p) {
  for (int i = 0; i < 3; i++) free(p->shards[i]);
  free(p->photos);
  free(p->train);
  free(p->one);
}

/* An empty shard holds arrays of no rows, and is a shard like others. */
TEST(merged_shards_are_the_single_run) {
  struct parts p = prepare();
  char *all = path_in(test_folder(), "all"), *again = path_in(test_folder(), "again");
  struct run run = RUN("merge", p.shards[2], p.shards[0], p.shards[1], "--out", all, "--json");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "{\"n\":20,\"d\":64,\"skipped\":2,\"shards\":3,\"out\":");
  check_same_folders(p.one, all);
  run = RUN("merge", all, "-o", again);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "20 x 64 features from 1 shard, 2 images skipped");
  check_same_folders(p.one, again);
  run = RUN("merge", p.shards[2], p.shards[0], p.shards[1], "--out", all);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "holds features already");
  run = RUN("merge", p.shards[2], p.shards[0], p.shards[1], "--out", all, "--resume");
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.err, "is finished already");
  CHECK_CONTAINS(run.out, "20 x 64 features from 3 shards");
  run = RUN("merge", all, "--out", p.shards[0], "--resume");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "holds the features of something else");
  check_same_folders(p.one, all);
  run = RUN("probe", "--train", all, "--test", p.shards[1]);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "s2: holds only shard 2 of 3: `backbones merge` joins them");
  free(again);
  free(all);
  release(&p);
}

TEST(merged_shards_of_tokens_and_of_nothing) {
  clear_environment();
  struct parts p = {.photos = draw_photos("1")};
  p.train = path_in(p.photos, "train");
  /* Ten pictures in twelve parts, one part's only picture unreadable. */
  char *one = path_in(test_folder(), "one"), *all = path_in(test_folder(), "all"), *shards[12];
  CHECK(write_file(path_join(p.train, "spotted-fish/0000.png"), "nonsense", 8));
  struct run run = RUN("features", "-w", WEIGHTS, "-d", p.train, "-o", one, "--quiet", "--features", "tokens");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  const char *arguments[16] = {"merge", "--out", all};
  for (int i = 0; i < 12; i++) {
    char name[16], number[16];
    snprintf(name, sizeof name, "s%d", i);
    snprintf(number, sizeof number, "%d/12", i + 1);
    arguments[3 + i] = shards[i] = path_in(test_folder(), name);
    run = RUN("features", "-w", WEIGHTS, "-d", p.train, "-o", shards[i], "--quiet", "--features", "tokens", "--shard",
              number);
    CHECK_MSG(run.exit_code == 0, "%s", run.err);
  }
  run = run_backbones(arguments);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  check_same_folders(one, all);
  for (int i = 0; i < 12; i++) free(shards[i]);
  free(one);
  free(all);
  free(p.train);
  free(p.photos);
}

/* ---- what is refused ----------------------------------------------------------------------------------------------
 */

static void check_refused(struct run run, const char *out, const char *reason) {
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, reason);
  CHECK_MSG(!exists(out, "."), "%s was left behind by: %s", out, run.err);
}

TEST(missing_doubled_and_unfinished_shards_are_refused) {
  struct parts p = prepare();
  char *const *s = p.shards, *out = path_in(test_folder(), "all"), *part = path_in(test_folder(), "part");
  check_refused(RUN("merge", s[0], s[2], "-o", out), out, "shard 2 of 3 is missing");
  check_refused(RUN("merge", s[0], s[1], "-o", out), out, "shard 3 of 3 is missing");
  check_refused(RUN("merge", s[0], s[1], s[2], s[1], "-o", out), out, "are both shard 2 of 3");
  REQUIRE(mkdir(part, 0700) == 0);
  check_refused(RUN("merge", s[0], part, "-o", out), out, "part: holds no features (no meta.json)");
  REQUIRE(mkdir(path_join(part, "partial"), 0700) == 0);
  check_refused(RUN("merge", s[0], part, "-o", out), out, "part: is unfinished: run its shard again with --resume");
  CHECK(RUN("merge", "-o", out).exit_code == 2);
  CHECK(RUN("merge", s[0]).exit_code == 2);
  free(part);
  free(out);
  release(&p);
}

TEST(foreign_shards_are_refused) {
  struct parts p = prepare();
  char *const *s = p.shards, *out = path_in(test_folder(), "all"), *other = path_in(test_folder(), "a");
  static const char *const changes[][4] = {
      {"--mean", "0.5,0.5,0.5", "recipe"},   {"--max-pixels", "5000", "decode"},
      {"--features", "block:0", "features"}, {"--weights", "seeded:resnet14_cifar", "arch"},
      {"--shard", "2/4", "shards"},          {"--data", NULL, "data"}};
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
    const char *arguments[] = {"features", "--weights", WEIGHTS, "--data", p.train, "--out", other,
                               "--quiet",  "--shard",   "2/3",   NULL,     NULL,    NULL};
    bool replaced = false;
    for (int k = 1; k < 10; k++) {
      if (strcmp(arguments[k], changes[i][0]) != 0) continue;
      arguments[k + 1] = changes[i][1] ? changes[i][1] : path_join(p.photos, "test");
      replaced = true;
    }
    if (!replaced) memcpy(arguments + 10, changes[i], 2 * sizeof arguments[0]);
    struct run run = run_backbones(arguments);
    REQUIRE(run.exit_code == 0);
    run = RUN("merge", s[0], other, s[2], "-o", out);
    char reason[64];
    snprintf(reason, sizeof reason, " are not of one run: %s is ", changes[i][2]);
    check_refused(run, out, reason);
    CHECK_CONTAINS(run.err, s[0]);
    CHECK_CONTAINS(run.err, other);
    other[strlen(other) - 1]++; /* a fresh folder for each */
  }
  /* A picture more while the shards were at work. */
  CHECK(write_file(path_join(p.train, "striped-mug/zzzz.png"), "", 0));
  REQUIRE(take(&p, other, "2/3", NULL).exit_code == 0);
  check_refused(RUN("merge", s[0], other, s[2], "-o", out), out, " are not of one run: data_sha256 is ");
  free(other);
  free(out);
  release(&p);
}

/* Replace `from` by `to` in a file; both of one length or not. */
static void edit(const char *folder, const char *name, const char *from, const char *to) {
  char *text = read_file(path_join(folder, name), NULL), *place = text ? strstr(text, from) : NULL;
  REQUIRE(place != NULL);
  FILE *file = fopen(path_join(folder, name), "wb");
  fprintf(file, "%.*s%s%s", (int)(place - text), text, to, place + strlen(from));
  fclose(file);
  free(text);
}

TEST(shards_whose_files_do_not_fit_are_refused) {
  static const struct {
    const char *file, *from, *to, *reason;
  } cases[] = {
      {"paths.txt", "striped-fish", "striped-mug", "paths.txt: its paths are not those of shard 2 of 3"},
      {"paths.txt", "striped-fish", "a.png\nb", "paths.txt: has more than 6 lines"},
      {"paths.txt", "\n", " ", "paths.txt: ends after 5 of 6 lines"},
      {"hashes.txt", "\n", "", "hashes.txt: ends after 5 of 6 lines"},
      {"skipped.tsv", "\t4\n", "\t5\n", "skipped.tsv: does not tell of image 19, which has no row"},
      {"skipped.tsv", "\t4\n", "\t4", "skipped.tsv: its last line is not whole"},
      {"skipped.tsv", "\t4\n", "\t4\na.png\twhy\t7\n", "skipped.tsv: tells of more images than meta.json"},
      {"skipped.tsv", "\t4\n", "\t4\na.png\twhy\t6\n", "skipped.tsv: tells of images that are not of shard 2 of 3"},
      {"meta.json", "\"images\":7", "\"images\":8", "its counts do not fit together"},
      {"meta.json", "\"n\":6", "\"n\":5", "its counts do not fit together"},
      {"meta.json", "\"images\":7,", "", "has no images"},
      {"meta.json", "\"shard\":2", "\"shard\":4", "is shard 4 of 3"},
      {"meta.json", "\"shard\":2", "\"shard\":-2", "has a wrong shard"},
      {"meta.json", "\"d\":64", "\"d\":32", "features.npy: does not hold the 6 rows of 32 numbers"},
      {"meta.json", "\"n\":6,\"skipped\":1", "\"n\":5,\"skipped\":2", "features.npy: does not hold the 5 rows"},
      {"meta.json", "{", "{{", "meta.json: byte "},
      {"classes.txt", "spotted", "dotted", "have different classes.txt"},
  };
  struct parts p = prepare();
  char *const *s = p.shards, *out = path_in(test_folder(), "all"), *other = path_in(test_folder(), "a");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++, other[strlen(other) - 1]++) {
    REQUIRE(copy_folder(s[1], other));
    edit(other, cases[i].file, cases[i].from, cases[i].to);
    check_refused(RUN("merge", s[0], other, s[2], "-o", out), out, cases[i].reason);
  }
  /* A shard that counts more images than its part of the whole. */
  REQUIRE(copy_folder(s[1], other));
  edit(other, "meta.json", "\"images\":7", "\"images\":9");
  edit(other, "meta.json", "\"skipped\":1", "\"skipped\":3");
  check_refused(RUN("merge", s[0], other, s[2], "-o", out), out, "has 9 images, but of 24 in all shard 2 of 3 has 8");
  other[strlen(other) - 1]++;
  /* Two paths of one shard lie in another, too: an overlap, and a gap. */
  REQUIRE(copy_folder(s[1], other));
  unlink(path_join(other, "paths.txt"));
  REQUIRE(link(path_join(s[2], "paths.txt"), path_join(other, "paths.txt")) == 0);
  check_refused(RUN("merge", s[0], other, s[2], "-o", out), out, "paths.txt: ");
  free(other);
  free(out);
  release(&p);
}

TEST(merge_on_a_full_disk_leaves_nothing) {
  struct parts p = prepare();
  char *out = path_in(test_folder(), "all");
  struct rlimit before, small = {3000, 0};
  getrlimit(RLIMIT_FSIZE, &before);
  small.rlim_max = before.rlim_max;
  setrlimit(RLIMIT_FSIZE, &small);
  struct run run = RUN("merge", p.shards[0], p.shards[1], p.shards[2], "-o", out);
  setrlimit(RLIMIT_FSIZE, &before);
  check_refused(run, out, "features.npy: File too large");
  /* What a killed merge leaves does not stand in the way of the next. */
  REQUIRE(mkdir(out, 0700) == 0 && mkdir(path_join(out, "partial"), 0700) == 0);
  REQUIRE(write_file(path_join(out, "features.npy.1.partial"), "", 0) &&
          write_file(path_join(out, "labels.npy"), "", 0));
  run = RUN("merge", p.shards[0], p.shards[1], p.shards[2], "-o", out);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  check_same_folders(p.one, out);
  free(out);
  release(&p);
}

/* ---- the scheduler's numbers --------------------------------------------------------------------------------------
 */

/* variables: of the table above, in its order, NULL where not set. */
struct environment {
  const char *values[VARIABLES], *shards /* --shards, or NULL */, *shard /* --shard, or NULL */;
  const char *told; /* by the log, or the reason of the refusal; NULL: nothing, everything is taken */
  bool refused;
};

TEST(the_scheduler_tells_the_shard) {
  static const struct environment cases[] = {
      {{NULL}, NULL, NULL, NULL, false},
      {{"3", "1", "4", "1", "4"}, NULL, NULL, "shard 3/4: SLURM_ARRAY_TASK_ID=3 of an array from 1 to 4\n", false},
      {{"0", "0", "3", "1", "4"}, NULL, NULL, "shard 1/4: SLURM_ARRAY_TASK_ID=0 of an array from 0 to 3\n", false},
      {{"3", "0", "3", NULL, "4"}, NULL, NULL, "shard 4/4: ", false},
      {{"3", "3", "3", "1", "1"}, NULL, NULL, "does not tell the number of parts: give --shards N", true},
      {{"3", "1", "7", "2", "4"}, NULL, NULL, "does not tell the number of parts", true},
      {{"3", "1", "9", "1", "4"}, NULL, NULL, "does not tell the number of parts", true},
      {{"3"}, NULL, NULL, "does not tell the number of parts", true},
      {{"3", "3", "3", "1", "1"}, "4", NULL, "shard 3/4: SLURM_ARRAY_TASK_ID=3, --shards 4\n", false},
      {{"3", "3", "3", "1", "1", NULL, "5"},
       NULL,
       NULL,
       "shard 3/5: SLURM_ARRAY_TASK_ID=3, BACKBONES_SHARDS 5\n",
       false},
      {{"3", "3", "3", "1", "1", NULL, "5"}, "4", NULL, "shard 3/4: ", false},
      {{"0", "0", "3", "1", "4"}, "4", NULL, "must be numbered from 1 to 4", true},
      {{"5", "1", "5", "1", "5"}, "4", NULL, "must be numbered from 1 to 4", true},
      {{"x", "1", "5", "1", "5"}, NULL, NULL, "SLURM_ARRAY_TASK_ID=x: is not a whole number", true},
      {{"1", "1", "-5", "1", "5"}, NULL, NULL, "SLURM_ARRAY_TASK_MAX=-5: is not a whole number", true},
      {{"3", "1", "4", "1", "4"}, NULL, "1/1", NULL, false},
      {{NULL, NULL, NULL, NULL, NULL, "0", NULL}, "3", NULL, "shard 1/3: JOB_COMPLETION_INDEX=0, --shards 3\n", false},
      {{NULL, NULL, NULL, NULL, NULL, "2", "3"},
       NULL,
       NULL,
       "shard 3/3: JOB_COMPLETION_INDEX=2, BACKBONES_SHARDS 3\n",
       0},
      {{NULL, NULL, NULL, NULL, NULL, "3", "3"}, NULL, NULL, "must be from 0 to 2", true},
      {{NULL, NULL, NULL, NULL, NULL, "3", NULL}, NULL, NULL, "give --shards N or set BACKBONES_SHARDS", true},
      {{NULL, NULL, NULL, NULL, NULL, "3", NULL}, NULL, "1/1", NULL, false},
      {{NULL, NULL, NULL, NULL, NULL, NULL, "3"}, NULL, NULL, "which part is not told", true},
      {{NULL}, "3", NULL, "which part is not told", true},
      {{NULL}, "3", "1/3", "--shard I/N tells the number already", true},
      {{NULL}, NULL, "4/3", "is not I/N", true},
      {{NULL}, NULL, "0/3", "is not I/N", true},
      {{NULL}, NULL, "1/3x", "is not I/N", true},
  };
  char *photos = draw_photos("1"), *train = path_in(photos, "train"), *out = path_in(test_folder(), "a");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const struct environment *c = &cases[i];
    const char *arguments[16] = {"features", "-w", "/no/such/weights", "-d", train, "-o", out, "--quiet", NULL};
    int used = 8;
    if (c->shards) arguments[used++] = "--shards", arguments[used++] = c->shards;
    if (c->shard) arguments[used++] = "--shard", arguments[used++] = c->shard;
    clear_environment();
    for (int v = 0; v < VARIABLES; v++) {
      if (c->values[v]) setenv(variables[v], c->values[v], 1);
    }
    struct run run = run_backbones(arguments);
    /* The shard is told, then the weights are not there: quick. */
    CHECK_MSG(run.exit_code == (c->refused ? 2 : 1), "case %zu: %s", i, run.err);
    if (c->told) {
      CHECK_MSG(strstr(run.err, c->told) != NULL, "case %zu: %s", i, run.err);
    } else {
      CHECK_MSG(!strstr(run.err, "shard"), "case %zu: %s", i, run.err);
    }
  }
  setenv("JOB_COMPLETION_INDEX", "1", 1);
  struct run run = RUN("features", "-w", WEIGHTS, "-d", train, "-o", out, "--quiet", "--shards", "4");
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.out, "3 x 64 features");
  clear_environment();
  free(out);
  free(train);
  free(photos);
}
