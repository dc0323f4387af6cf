/* `backbones profile`: its contract, and the counters that it reads. */
#include <dirent.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/perf_counters.h"
#include "kernels/threads.h"
#include "tests/harness.h"
#include "tests/html.h"
#include "weights-tools/json.h"

/* ---- counters ---------------------------------------------------------------------------------------------------- */

enum { THREADS = 3, PAGES = 100 };

struct touching {
  char *pages[THREADS];
  size_t page;
};

static void touch(void *context, size_t index, int thread) {
  (void)thread;
  const struct touching *touching = context;
  for (size_t i = 0; i < PAGES; i++) touching->pages[index][i * touching->page] = 1;
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
  struct touching touching = {.page = (size_t)sysconf(_SC_PAGESIZE)};
  size_t bytes = PAGES * touching.page;
  for (int t = 0; t < THREADS; t++) {
    touching.pages[t] = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(touching.pages[t] != MAP_FAILED);
    madvise(touching.pages[t], bytes, MADV_NOHUGEPAGE);
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
  madvise(touching.pages[0], bytes, MADV_DONTNEED);
  touch(&touching, 0, 0);
  perf_watch_operation(&watch, -1);
  perf_watch_operation(&watch, 0);
  CHECK_MSG(counts[0] < 0.5 * PAGES, "%g faults", counts[0]);
  threads_stop(pool);
  perf_counters_stop(&counters);
  for (int t = 0; t < THREADS; t++) munmap(touching.pages[t], bytes);
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

/* What its roofline leaves of an operation's time: products at the peak, and functions of values beside them. */
TEST(profile_counts_activations_and_softmax) {
  if (test_emulated()) SKIP("an emulator's times tell nothing");
  struct run run = RUN("profile", "--arch", "vit_tiny_patch16_224", "--seconds", "0.01", "--json");
  REQUIRE(run.exit_code == 0);
  struct json_document document;
  error e = {""};
  REQUIRE(json_parse(&document, run.out, strlen(run.out), true, &e) == OK);
  const struct json *ops = json_get(document.root, "ops");
  double peak = member(document.root, "peak_gflops"), bandwidth = member(document.root, "bandwidth_gbs"), least = 0;
  int functions = 0;
  REQUIRE(ops && ops->first);
  for (const struct json *op = ops->first; op; op = op->next) {
    const char *name = json_get_string(op, "name");
    bool expected = strstr(name, ".attn") == name + strlen(name) - 5 || strstr(name, ".fc1");
    double ms = member(op, "ms"), function_ms = expected ? member(op, "function_ms") : 0;
    double products = fmax(member(op, "gflops") * ms / peak, member(op, "bytes") * 1e-6 / bandwidth);
    CHECK(!json_get(op, "function_ms") == !expected && (!expected || function_ms > 0));
    CHECK_NEAR(member(op, "roofline_share") * ms, products + function_ms, 1e-9 + 1e-6 * products);
    least += fmin(products + function_ms, ms);
    functions += expected;
  }
  CHECK(functions == 2 * 12);
  CHECK_NEAR(member(document.root, "least_ms"), least, 1e-6 * least);
  json_free(&document);
}

/* ---- the report -------------------------------------------------------------------------------------------------- */

static size_t count_of(const char *text, const char *part) {
  size_t count = 0;
  for (const char *at = strstr(text, part); at; at = strstr(at + 1, part)) count++;
  return count;
}

static size_t entries(const char *folder) {
  size_t count = 0;
  DIR *stream = opendir(folder);
  if (!stream) return 0;
  for (const struct dirent *entry; (entry = readdir(stream));) count += entry->d_name[0] != '.';
  closedir(stream);
  return count;
}

TEST(profile_report_has_a_mark_for_each_operation) {
  /* The command line is told in the page: the file's name is hostile. */
  const char *path = path_join(test_folder(), "<script>alert('x & \"y\"')<b>.html");
  char problem[64];
  struct run run = RUN("profile", "--arch", "resnet20_cifar", "--seconds", "0.05", "--json", "--report", path);
  REQUIRE(CHECK_MSG(run.exit_code == 0, "%s", run.err));
  struct json_document document;
  error e = {""};
  REQUIRE(json_parse(&document, run.out, strlen(run.out), true, &e) == OK);
  size_t operations = json_get(document.root, "ops")->length, kinds = json_get(document.root, "kinds")->length;
  json_free(&document);
  CHECK(entries(test_folder()) == 1);
  char *html = read_file(path, NULL);
  REQUIRE(html != NULL);
  CHECK_MSG(is_well_formed(html, problem, sizeof problem), "%s", problem);
  CHECK_CONTAINS(html, "&lt;script&gt;alert(");
  CHECK(!strstr(html, "<script>alert") && !strstr(html, "<b>") && !strstr(html, "://") && !strstr(html, "nan"));
  /* Each drawing is there for wide and for narrow pages; rows: of operations, kinds and facts. */
  CHECK_MSG(operations > 20 && count_of(html, "<path class=\"op") == 2 * operations, "%zu operations, %zu marks",
            operations, count_of(html, "<path class=\"op"));
  CHECK(count_of(html, "<th scope=\"row\">") >= operations + kinds + 5);
  CHECK(count_of(html, "role=\"img\"") == 8 && count_of(html, "<desc ") == 8);
  CHECK_CONTAINS(html, "layer3.2.conv2: conv 3x3");
  CHECK_CONTAINS(html, "FMA peak ");
  CHECK_CONTAINS(html, "prefers-color-scheme: dark");
  free(html);
}

TEST(profile_report_that_cannot_be_written) {
  CHECK(RUN("profile", "--arch", "resnet8_cifar", "--report").exit_code == 2);
  struct run run = RUN("profile", "--arch", "resnet8_cifar", "--seconds", "0.01", "--report", "/no/such/folder/x.html");
  CHECK(run.exit_code == 1 && !run.out[0]);
  CHECK_CONTAINS(run.err, "backbones: /no/such/folder/x.html: No such file");
  /* A folder of that name: the page is whole before that shows. */
  const char *path = path_join(test_folder(), "x.html");
  REQUIRE(mkdir(path, 0777) == 0);
  run = RUN("profile", "--arch", "resnet8_cifar", "--seconds", "0.01", "--report", path);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "x.html: ");
  CHECK(entries(test_folder()) == 1 && entries(path) == 0);
}
