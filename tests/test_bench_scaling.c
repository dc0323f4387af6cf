/* `backbones bench --scaling`: the model by hand, the tasks of ops counted, the command's contract. */
#include <stdlib.h>
#include <string.h>

#include "bench/op_splits.h"
#include "bench/scaling_measure.h"
#include "models/plan.h"
#include "tests/harness.h"
#include "weights-tools/json.h"

TEST(tails_of_uneven_tasks) {
  CHECK_NEAR(tail_of(8, 4), 1, 0);
  CHECK_NEAR(tail_of(9, 4), 12.0 / 9, 1e-15);
  CHECK_NEAR(tail_of(1, 64), 64, 0);
  CHECK_NEAR(tail_of(65, 64), 128.0 / 65, 1e-15);
  CHECK_NEAR(tail_of(7, 1), 1, 0);
  CHECK_NEAR(tail_of(0, 8), 1, 0);
}

TEST(scaling_model_adds_its_terms) {
  const struct op_cost costs[] = {{8e-3, 1e6}, {4e-3, 400e6}};
  const struct op_split splits[] = {{1, 1.5}, {2, 1}};
  struct latency_terms one = latency_of(costs, (const struct op_split[]){{1, 1}, {2, 1}}, 2, 1e-4, 1, 1000, 5);
  CHECK_NEAR(one.total, 12.1e-3, 1e-15);
  CHECK(one.tail == 0 && one.memory == 0 && one.barriers == 0);
  struct latency_terms four = latency_of(costs, splits, 2, 1e-4, 4, 200, 5);
  CHECK_NEAR(four.work, 3e-3, 1e-15);
  CHECK_NEAR(four.tail, 1e-3, 1e-15);
  CHECK_NEAR(four.memory, 1e-3, 1e-15); /* 400 MB at 200 GB/s are 2 ms, of which the op computes 1 */
  CHECK_NEAR(four.barriers, 15e-6, 1e-15);
  CHECK_NEAR(four.total, 3e-3 + 1e-3 + 1e-3 + 15e-6 + 1e-4, 1e-15);
  CHECK_NEAR(bandwidth_of(20, 200, 4), 80, 0);
  CHECK_NEAR(bandwidth_of(20, 200, 64), 200, 0);
  CHECK_NEAR(barrier_of(0.5, 2, 64), 16, 1e-12);
  CHECK_NEAR(throughput_of(10, 8, 1e8, 200), 80, 0);
  CHECK_NEAR(throughput_of(10, 64, 1e9, 200), 200, 1e-9);
}

TEST(ops_are_split_as_they_are_counted) {
  struct subject subject;
  error e = {""};
  REQUIRE(subject_load(&subject, "resnet20_cifar", NULL, "cpu", &e) == OK);
  const struct plan *plan = model_plan(subject.model);
  size_t ops = (size_t)plan_op_count(plan), jobs[3];
  struct op_split *splits[3];
  static const int threads[] = {1, 3, 64}; /* more than there are cores */
  for (int i = 0; i < 3; i++) {
    splits[i] = calloc(ops, sizeof *splits[i]);
    CHECK_MSG(op_splits_count(&subject, threads[i], splits[i], &jobs[i], &e) == OK, "%s", e.message);
    double sum = 0;
    for (size_t op = 0; op < ops; op++) {
      sum += splits[i][op].jobs;
      CHECK(splits[i][op].tail >= 1 && splits[i][op].tail <= threads[i]);
      CHECK(splits[i][op].jobs == splits[0][op].jobs);
      if (plan_op_info(plan, (int)op, false).kernel == 3) CHECK(splits[i][op].jobs == 1);
    }
    CHECK(sum == (double)jobs[i] && jobs[i] == jobs[0] && jobs[i] >= 20);
  }
  size_t batch;
  CHECK(jobs_of_batch(&subject, 1, &batch, &e) == OK && batch == jobs[0]);
  for (int i = 0; i < 3; i++) free(splits[i]);
  subject_free(&subject);
}

static double get(const struct json *object, const char *key) {
  double number = -1;
  CHECK_MSG(json_get_number(object, key, &number), "no %s", key);
  return number;
}

static void check_curve(const struct json *curve, int measured, int last) {
  REQUIRE(curve && curve->length > (size_t)measured);
  const struct json *one = curve->first;
  double before = 0;
  int i = 0;
  for (const struct json *point = one; point; point = point->next, i++) {
    double threads = get(point, "threads");
    bool was_measured = i >= measured;
    CHECK(json_get_boolean(point, "measured", &was_measured) && was_measured == (i < measured));
    CHECK(threads > before);
    CHECK_NEAR(get(point, "speedup"), get(point, "images_per_s") / get(one, "images_per_s"), 1e-9);
    CHECK_NEAR(get(point, "efficiency"), get(point, "speedup") / threads, 1e-9);
    CHECK(get(point, "model_efficiency") > 0 && get(point, "model_efficiency") < 1 + 1e-9);
    if (was_measured) CHECK(get(point, "ms_q1") <= get(point, "ms") && get(point, "ms") <= get(point, "ms_q3"));
    before = threads;
  }
  CHECK(before == last);
}

TEST(bench_scaling_measures_and_expects) {
  struct run run = RUN("bench", "--scaling", "--arch", "resnet20_cifar", "--seconds", "0.01", "--threads", "2",
                       "--batch", "2", "--json");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  struct json_document document;
  error e = {""};
  REQUIRE(json_parse(&document, run.out, strlen(run.out), true, &e) == OK);
  const struct json *scaling = json_get(document.root, "scaling"), *barriers = json_get(document.root, "barriers");
  CHECK(json_get(document.root, "machine") && json_get(document.root, "peaks") && !json_get(document.root, "rows"));
  REQUIRE(scaling && scaling->length == 1 && barriers && barriers->length == 2);
  CHECK(get(barriers->first, "us") == 0 && get(barriers->first->next, "us") >= 0);
  const struct json *model = scaling->first;
  CHECK_STRING(json_get_string(model, "arch"), "resnet20_cifar");
  CHECK(get(model, "ops") >= 20 && get(model, "barriers") >= get(model, "ops") && get(model, "batch") == 2);
  CHECK(get(model, "images_together") == 2);
  CHECK_NEAR(get(model, "throughput_mb"), get(model, "weight_mb") / 2 + get(model, "activation_mb"), 1e-9);
  check_curve(json_get(model, "latency"), 2, 64);
  check_curve(json_get(model, "throughput"), 2, 64);
  const struct json *tails = json_get(model, "tails"); /* falling */
  REQUIRE(tails && tails->length == 3);
  CHECK(get(tails->first, "us") >= get(tails->first->next, "us"));
  CHECK(get(tails->first->next, "us") >= get(tails->first->next->next, "us"));
  const struct json *terms = json_get(json_get(model, "latency")->first->next, "model_ms");
  CHECK_NEAR(
      get(terms, "work") + get(terms, "tail") + get(terms, "memory") + get(terms, "barriers") + get(terms, "serial"),
      get(terms, "total"), 1e-9);
  json_free(&document);

  char *file = strdup(path_join(test_folder(), "scaling.json"));
  run = RUN("bench", "--scaling", "--arch", "resnet20_cifar", "--seconds", "0.01", "--threads", "1,2", "--bandwidth",
            "50", "--out", file);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  CHECK_CONTAINS(run.out, "\nbarrier, what an op takes beyond its tasks: 1 thread 0.00 us, 2 threads ");
  CHECK_CONTAINS(run.out, "\nmeasured       2 ");
  CHECK_CONTAINS(run.out, "\nexpected       4 ");
  CHECK_CONTAINS(run.out, "\nexpected      64 ");
  CHECK_CONTAINS(run.out, " 100.0 % |########################################| ");
  CHECK_CONTAINS(run.out, "\n  backbones bench --scaling --arch resnet20_cifar --batch 16\n");
  char *text = read_file(file, NULL);
  CHECK_CONTAINS(text, "\"socket_bandwidth_gbs\":");
  run = RUN("bench", "--against", file); /* a scaling holds no rows */
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "scaling.json: rows: is missing: not a bench of models");
  free(text);
  free(file);
}

TEST(bench_scaling_wrong_usage) {
  CHECK(RUN("bench", "--scaling", "--gemm").exit_code == 2);
  CHECK(RUN("bench", "--scaling", "--images", "x").exit_code == 2);
  CHECK(RUN("bench", "--scaling", "--against", "x").exit_code == 2);
  CHECK(RUN("bench", "--scaling", "--batch", "1,2").exit_code == 2);
  CHECK(RUN("bench", "--scaling", "--bandwidth", "0").exit_code == 2);
  CHECK(RUN("bench", "--bandwidth", "100").exit_code == 2);
  CHECK(RUN("bench", "--scaling", "--threads", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17").exit_code == 2);
}
