/* `backbones profile`: its contract, and the counters that it reads. */
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/perf_counters.h"
#include "kernels/threads.h"
#include "tests/folders.h"
#include "tests/harness.h"
#include "weights-tools/json.h"

/* ---- counters ---------------------------------------------------------------------------------------------------- */

enum { THREADS = 3, PAGE = 4096, PAGES = 100 };

struct touching {
  char *pages[THREADS];
};

static void touch(void *context, size_t index, int thread) {
  (void)thread;
  const struct touching *touching = context;
  for (size_t i = 0; i < PAGES; i++) touching->pages[index][i * PAGE] = 1;
}

/* Page faults are counted by the kernel, so also where the processor has no counters to offer. */
TEST(perf_counters_see_the_threads_of_the_pool) {
  static const struct perf_event faults[] = {{PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, "page-faults"},
                                             {PERF_TYPE_SOFTWARE, 1000, "no-such-event"}};
  struct perf_counters counters;
  perf_counters_start(&counters, faults, 2);
  CHECK(counters.count == 2 && counters.descriptors[1] < 0);
  CHECK_CONTAINS(counters.reason, "no-such-event: ");
  if (counters.descriptors[0] < 0) {
    char reason[sizeof counters.reason];
    memcpy(reason, counters.reason, sizeof reason);
    perf_counters_stop(&counters);
    SKIP("%s", reason);
  }
  error e = {""};
  struct touching touching;
  for (int t = 0; t < THREADS; t++) {
    touching.pages[t] = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(touching.pages[t] != MAP_FAILED);
    madvise(touching.pages[t], PAGES * PAGE, MADV_NOHUGEPAGE);
  }
  struct threads *pool = threads_start(THREADS, &e);
  REQUIRE(pool != NULL);
  double counts[2 * 2] = {0};
  struct perf_watch watch = {.counters = &counters, .counts = counts};
  perf_watch_operation(&watch, -1);
  threads_run(pool, THREADS, touch, &touching);
  perf_watch_operation(&watch, 1);
  CHECK_MSG(counts[2] >= THREADS * PAGES && counts[2] < 2 * THREADS * PAGES, "%g faults", counts[2]);
  CHECK(counts[0] == 0 && counts[1] == 0 && counts[3] == 0);
  CHECK(perf_watch_seen(&watch, 0) > 0.99 && perf_watch_seen(&watch, 1) == 0);
  /* What lies between two runs belongs to no operation. */
  madvise(touching.pages[0], PAGES * PAGE, MADV_DONTNEED);
  touch(&touching, 0, 0);
  perf_watch_operation(&watch, -1);
  perf_watch_operation(&watch, 0);
  CHECK_MSG(counts[0] < 0.5 * PAGES, "%g faults", counts[0]);
  threads_stop(pool);
  perf_counters_stop(&counters);
  for (int t = 0; t < THREADS; t++) munmap(touching.pages[t], PAGES * PAGE);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static double member(const struct json *object, const char *key) {
  double number = -1;
  CHECK_MSG(json_get_number(object, key, &number), "no %s", key);
  return number;
}

TEST(profile_tells_intensity_and_what_is_counted) {
  struct run run = RUN("profile", "--arch", "resnet8_cifar", "--seconds", "0.01", "--json", "--threads", "2");
  REQUIRE(run.exit_code == 0);
  struct json_document document;
  error e = {""};
  REQUIRE(json_parse(&document, run.out, strlen(run.out), true, &e) == OK);
  bool refused = json_get_string(document.root, "not_counted") != NULL;
  static const char *const lists[] = {"ops", "kinds"};
  for (size_t l = 0; l < 2; l++) {
    const struct json *list = json_get(document.root, lists[l]);
    REQUIRE(list && list->first);
    for (const struct json *row = list->first; row; row = row->next) {
      double flops = member(row, "gflops") * 1e6 * member(row, "ms");
      CHECK_NEAR(member(row, "intensity"), flops / member(row, "bytes"), 1e-5);
      if (!refused) CHECK(member(row, "cache_misses") >= 0 && member(row, "instructions") > 0);
    }
  }
  json_free(&document);
  run = RUN("profile", "--arch", "resnet8_cifar", "--seconds", "0.01");
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.out, "FLOP/B");
  CHECK(!strstr(run.out, "not counted: ") == !refused);
}
