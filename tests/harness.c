#include "tests/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TESTS = 1024, MAX_RUNS = 256 };

static struct test {
  const char *name, *file;
  void (*body)(void);
} tests[MAX_TESTS];
static int test_count;

/* State of the test that runs now. */
static bool failed, skipped;
static char skip_reason[512];
static char folder[64];
static char *outputs[MAX_RUNS * 2];
static int output_count;
static const char *program = "build/backbones";
/* What runs it where this machine cannot: the words of --emulator. */
enum { MAX_EMULATOR = 8, MAX_ARGUMENTS = 64 };
static const char *emulator[MAX_EMULATOR];
static int emulator_words;
static const char *emulator_command = "";

void test_register(const char *name, const char *file, void (*body)(void)) {
  if (test_count == MAX_TESTS) {
    fprintf(stderr, "more than %d tests\n", MAX_TESTS);
    _exit(1);
  }
  tests[test_count++] = (struct test){name, file, body};
}

bool check_that(bool condition, const char *file, int line, const char *format, ...) {
  if (condition) return true;
  failed = true;
  printf("  %s:%d: ", file, line);
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  printf("\n");
  return false;
}

bool check_string(const char *actual, const char *expected, const char *file, int line) {
  bool equal = actual && expected && !strcmp(actual, expected);
  return check_that(equal, file, line, "is \"%s\"\n    instead of \"%s\"", actual ? actual : "(null)",
                    expected ? expected : "(null)");
}

bool check_contains(const char *text, const char *part, const char *file, int line) {
  return check_that(text && strstr(text, part), file, line, "\"%s\"\n    does not contain \"%s\"",
                    text ? text : "(null)", part);
}

bool check_near(double actual, double expected, double tolerance, const char *file, int line) {
  return check_that(fabs(actual - expected) <= tolerance, file, line, "%.9g is not within %.3g of %.9g", actual,
                    tolerance, expected);
}

bool check_all_near(const float *actual, const float *expected, size_t n, double tolerance, const char *file,
                    int line) {
  size_t worst = 0, wrong = 0;
  double distance = -1;
  for (size_t i = 0; i < n; i++) {
    double d = fabs((double)actual[i] - (double)expected[i]);
    if (!(d <= tolerance)) wrong++;
    if (!(d <= distance)) {
      distance = d;
      worst = i;
    }
  }
  return check_that(wrong == 0, file, line, "%zu of %zu differ by more than %.3g; the worst is [%zu]: %.9g for %.9g",
                    wrong, n, tolerance, worst, n ? (double)actual[worst] : 0.0, n ? (double)expected[worst] : 0.0);
}

void test_skip(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(skip_reason, sizeof skip_reason, format, arguments);
  va_end(arguments);
  skipped = true;
}

uint64_t random_bits(struct random *random) {
  uint64_t z = random->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

double random_unit(struct random *random) { return (double)(random_bits(random) >> 11) * 0x1p-53; }

int random_between(struct random *random, int low, int high) {
  return low + (int)(random_bits(random) % (uint64_t)((int64_t)high - low + 1));
}

double random_normal(struct random *random) {
  double u = 1.0 - random_unit(random), v = random_unit(random);
  return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void random_fill(struct random *random, float *values, size_t n) {
  for (size_t i = 0; i < n; i++) values[i] = (float)(2.0 * random_unit(random) - 1.0);
}

const char *test_folder(void) {
  if (!*folder) {
    snprintf(folder, sizeof folder, "/tmp/backbones-test-XXXXXX");
    if (!mkdtemp(folder)) {
      perror("mkdtemp");
      exit(1);
    }
  }
  return folder;
}

const char *path_join(const char *parent, const char *name) {
  static char ring[64][1024];
  static int next;
  char *path = ring[next++ % 64];
  snprintf(path, sizeof ring[0], "%s/%s", parent, name);
  return path;
}

bool write_file(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  if (!file) return false;
  bool whole = fwrite(bytes, 1, size, file) == size;
  return fclose(file) == 0 && whole;
}

char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  size_t used = 0, capacity = 1 << 16;
  char *bytes = malloc(capacity);
  size_t got;
  while (bytes && (got = fread(bytes + used, 1, capacity - used - 1, file)) > 0) {
    used += got;
    if (used + 1 == capacity) bytes = realloc(bytes, capacity *= 2);
  }
  fclose(file);
  if (!bytes) return NULL;
  bytes[used] = 0;
  if (size) *size = used;
  return bytes;
}

const char *shared_data(const char *name) {
  const char *root = getenv("BACKBONES_TEST_DATA");
  const char *path = path_join(root ? root : "../shared/data", name);
  return access(path, R_OK) == 0 ? path : NULL;
}

const char *fixture(const char *name) { return path_join("tests/fixtures", name); }

static char *keep(char *text) {
  if (output_count == MAX_RUNS * 2) {
    fprintf(stderr, "more than %d runs in one test\n", MAX_RUNS);
    exit(1);
  }
  return outputs[output_count++] = text;
}

/* Read both pipes as they fill, so that neither can block the program. */
static void drain(int descriptors[2], char *texts[2]) {
  size_t used[2] = {0, 0}, capacity[2] = {1 << 12, 1 << 12};
  for (int i = 0; i < 2; i++) texts[i] = malloc(capacity[i]);
  struct pollfd polls[2] = {{.fd = descriptors[0], .events = POLLIN}, {.fd = descriptors[1], .events = POLLIN}};
  while (polls[0].fd >= 0 || polls[1].fd >= 0) {
    if (poll(polls, 2, -1) < 0) continue;
    for (int i = 0; i < 2; i++) {
      if (polls[i].fd < 0 || !polls[i].revents) continue;
      if (used[i] + 1 >= capacity[i]) texts[i] = realloc(texts[i], capacity[i] *= 2);
      ssize_t got = read(descriptors[i], texts[i] + used[i], capacity[i] - used[i] - 1);
      if (got > 0)
        used[i] += (size_t)got;
      else if (got == 0 || errno != EINTR)
        polls[i].fd = -1;
    }
  }
  for (int i = 0; i < 2; i++) texts[i][used[i]] = 0;
}

/* A child that runs the program with these descriptors as its standard output and error. */
static pid_t spawn(const char *const *arguments, int out, int err) {
  const char *argv[MAX_EMULATOR + MAX_ARGUMENTS] = {NULL};
  int argc = 0;
  for (; argc < emulator_words; argc++) argv[argc] = emulator[argc];
  argv[argc++] = program;
  for (int i = 0; arguments[i] && i < MAX_ARGUMENTS - 2; i++) argv[argc++] = arguments[i];
  fflush(stdout);
  pid_t child = fork();
  if (child < 0) {
    perror("fork");
    exit(1);
  }
  if (child == 0) {
    int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, 0);
    dup2(out, 1);
    dup2(err, 2);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
  }
  return child;
}

int start_backbones(const char *const *arguments) {
  int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
  pid_t child = spawn(arguments, nothing, nothing);
  close(nothing);
  return child;
}

struct run run_backbones(const char *const *arguments) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
    perror("pipe");
    exit(1);
  }
  pid_t child = spawn(arguments, out[1], err[1]);
  close(out[1]);
  close(err[1]);
  char *texts[2];
  drain((int[2]){out[0], err[0]}, texts);
  close(out[0]);
  close(err[0]);
  int status = 0;
  waitpid(child, &status, 0);
  struct run run = {.out = keep(texts[0]), .err = keep(texts[1])};
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return run;
}

struct run run_simulated_backbones(const char *const *arguments) {
  const char *usual = program, *name = strrchr(program, '/');
  char simulated[1024];
  snprintf(simulated, sizeof simulated, "%.*s/simulated/backbones", (int)(name ? name - program : 1),
           name ? program : ".");
  program = simulated;
  struct run run = run_backbones(arguments);
  program = usual;
  return run;
}

static void remove_tree(const char *path) {
  DIR *directory = opendir(path);
  if (directory) {
    struct dirent *entry;
    while ((entry = readdir(directory))) {
      if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
      char child[2048];
      snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
      struct stat status;
      if (!lstat(child, &status) && S_ISDIR(status.st_mode)) {
        chmod(child, 0700);
        remove_tree(child);
      } else {
        unlink(child);
      }
    }
    closedir(directory);
  }
  rmdir(path);
}

static int by_place(const void *a, const void *b) {
  const struct test *x = a, *y = b;
  int order = strcmp(x->file, y->file);
  return order ? order : strcmp(x->name, y->name);
}

static void split_emulator(char *words) {
  emulator_command = strdup(words);
  for (char *word = strtok(words, " "); word && emulator_words < MAX_EMULATOR; word = strtok(NULL, " "))
    emulator[emulator_words++] = word;
}

bool test_emulated(void) { return emulator_words > 0; }

const char *test_emulator(void) { return emulator_command; }

/* Whether this process is the first of those that share the folder to come to the test: they make a file for it. By its
 * number, since tests of different files may have the same name. */
static bool first_to_take(const char *shared, int test) {
  char name[16];
  snprintf(name, sizeof name, "%d", test);
  int file = open(path_join(shared, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return false;
  close(file);
  return true;
}

/* run-tests [--program PATH] [--emulator "COMMAND OPTION..."] [--share FOLDER] [PART...]: runs the tests whose file or
 * name contains one of the parts; with --share, those of them that no other process with this FOLDER has taken. */
int main(int argc, char **argv) {
  const char *shared = NULL;
  int parts = 0;
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] != '-') {
      argv[parts++] = argv[i];
    } else if (!strcmp(argv[i], "--program") && i + 1 < argc) {
      program = argv[++i];
    } else if (!strcmp(argv[i], "--emulator") && i + 1 < argc) {
      split_emulator(argv[++i]);
    } else if (!strcmp(argv[i], "--share") && i + 1 < argc) {
      shared = argv[++i];
    } else {
      fprintf(stderr, "%s: --program PATH, --emulator COMMAND or --share FOLDER\n", argv[i]);
      return 2;
    }
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  qsort(tests, (size_t)test_count, sizeof tests[0], by_place);
  int passed_count = 0, failed_count = 0, skipped_count = 0;
  for (int i = 0; i < test_count; i++) {
    bool wanted = parts == 0;
    for (int j = 0; j < parts; j++) wanted |= strstr(tests[i].name, argv[j]) || strstr(tests[i].file, argv[j]);
    if (!wanted || (shared && !first_to_take(shared, i))) continue;
    failed = skipped = false;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    tests[i].body();
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    if (*folder) remove_tree(folder);
    *folder = 0;
    while (output_count) free(outputs[--output_count]);
    if (failed) {
      failed_count++;
      printf("FAIL %s (%s)\n", tests[i].name, tests[i].file);
    } else if (skipped) {
      skipped_count++;
      printf("skip %s: %s\n", tests[i].name, skip_reason);
    } else {
      passed_count++;
      printf("ok   %s (%.2f s)\n", tests[i].name, seconds);
    }
  }
  if (skipped_count)
    printf("%d passed, %d failed, %d skipped\n", passed_count, failed_count, skipped_count);
  else
    printf("%d passed, %d failed\n", passed_count, failed_count);
  return failed_count || passed_count == 0 ? 1 : 0;
}
