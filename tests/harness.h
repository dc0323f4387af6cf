/* The test harness: tests register themselves by name, assertions count, a skip names its reason. */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TEST(name) { ... } defines and registers a test; name is unique in the whole program. */
#define TEST(name)                                                                                                \
  static void test_##name(void);                                                                                  \
  __attribute__((constructor)) static void register_##name(void) { test_register(#name, __FILE__, test_##name); } \
  static void test_##name(void)

void test_register(const char *name, const char *file, void (*body)(void));

/* A failed check is printed with its place and fails the test; the test goes on unless it uses REQUIRE. */
#define CHECK(condition) check_that((condition), __FILE__, __LINE__, "%s", #condition)
#define CHECK_MSG(condition, ...) check_that((condition), __FILE__, __LINE__, __VA_ARGS__)
#define REQUIRE(condition)                                                      \
  do {                                                                          \
    if (!check_that((condition), __FILE__, __LINE__, "%s", #condition)) return; \
  } while (0)
#define CHECK_STRING(actual, expected) check_string((actual), (expected), __FILE__, __LINE__)
#define CHECK_CONTAINS(text, part) check_contains((text), (part), __FILE__, __LINE__)
/* |actual - expected| <= tolerance, for every element of two float arrays. */
#define CHECK_NEAR(actual, expected, tolerance) check_near((actual), (expected), (tolerance), __FILE__, __LINE__)
#define CHECK_ALL_NEAR(actual, expected, n, tolerance) \
  check_all_near((actual), (expected), (n), (tolerance), __FILE__, __LINE__)
/* End the test as skipped. */
#define SKIP(...)           \
  do {                      \
    test_skip(__VA_ARGS__); \
    return;                 \
  } while (0)

bool check_that(bool condition, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool check_string(const char *actual, const char *expected, const char *file, int line);
bool check_contains(const char *text, const char *part, const char *file, int line);
bool check_near(double actual, double expected, double tolerance, const char *file, int line);
bool check_all_near(const float *actual, const float *expected, size_t n, double tolerance, const char *file, int line);
void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A seeded generator (splitmix64), the same on every machine: 64 bits, [0, 1), a range, standard normal. */
struct random {
  uint64_t state;
};
uint64_t random_bits(struct random *random);
double random_unit(struct random *random);
int random_between(struct random *random, int low, int high); /* both included */
double random_normal(struct random *random);
void random_fill(struct random *random, float *values, size_t n); /* uniform in [-1, 1) */

/* A fresh empty folder for this test, removed when it ends; the path is valid until then. */
const char *test_folder(void);
/* folder/name in a static ring of buffers (64 calls stay valid). */
const char *path_join(const char *folder, const char *name);
bool write_file(const char *path, const void *bytes, size_t size);
/* Whole file, terminated by an extra 0 byte; free() it. NULL when unreadable. */
char *read_file(const char *path, size_t *size);
/* Path of NAME in the optional data folder (../shared/data, or $BACKBONES_TEST_DATA), or NULL when it is not there. */
const char *shared_data(const char *name);
/* Path of NAME under tests/fixtures. */
const char *fixture(const char *name);

/* Whether an emulator runs these tests (make test-neon), which takes fifty times as long for arithmetic: a test whose
 * time goes into more of the same (rounds, sizes, instruction sets that are plain C everywhere) then does less of it.
 */
bool test_emulated(void);
/* The words that run a program by it, "" without one. */
const char *test_emulator(void);

/* Run the program under test (build/backbones) with these arguments (NULL-terminated); output is captured. */
struct run {
  int exit_code;
  char *out, *err; /* valid until the test ends */
};
struct run run_backbones(const char *const *arguments);
/* The same of build/simulated/backbones: the program with its CUDA back end on the simulated GPU of tests/cuda. */
struct run run_simulated_backbones(const char *const *arguments);
/* Start it without waiting, its output thrown away; the process id, to kill() and waitpid(). */
int start_backbones(const char *const *arguments);
#define RUN(...) run_backbones((const char *const[]){__VA_ARGS__, NULL})
#define RUN_SIMULATED(...) run_simulated_backbones((const char *const[]){__VA_ARGS__, NULL})

#endif
