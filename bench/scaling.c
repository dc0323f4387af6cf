/* Measures and expects; scaling_output.c prints and writes. The model and its formulas are in scaling_model.h. */
#include "bench/scaling.h"

#include <stdlib.h>

#include "bench/op_splits.h"
#include "bench/other_load.h"
#include "bench/scaling_measure.h"
#include "bench/scaling_output.h"
#include "kernels/memory.h"
#include "models/architecture.h"
#include "models/plan.h"

enum { MOST_EXPECTED = 64 };
static const double assumed_bandwidth = 200;

/* One model under way. */
struct scaling {
  const struct scaling_request *request;
  struct subject subject;
  struct scaling_result result;
  const double *barriers; /* us, of request->threads */
  struct op_cost *costs;
  struct op_split *splits;
  size_t ops;
  double serial;
};

/* As many threads as were measured, then twice as many, to 64. */
static void list_threads(const struct scaling_request *request, struct scaling_curve *curve) {
  size_t n = request->thread_count;
  for (size_t i = 0; i < n; i++)
    curve->points[i] = (struct scaling_point){.threads = request->threads[i], .measured = true};
  for (int t = 2 * request->threads[n - 1]; t < MOST_EXPECTED && n < MOST_POINTS - 1; t *= 2)
    curve->points[n++] = (struct scaling_point){.threads = t};
  if (request->threads[request->thread_count - 1] < MOST_EXPECTED)
    curve->points[n++] = (struct scaling_point){.threads = MOST_EXPECTED};
  curve->count = n;
}

static double socket_bandwidth(const struct scaling_request *request) {
  double most = request->bandwidth > 0 ? request->bandwidth : assumed_bandwidth;
  for (size_t i = 0; i < request->thread_count; i++) {
    if (request->bandwidths[i] > most) most = request->bandwidths[i];
  }
  return most;
}

static double bandwidth_at(const struct scaling_request *request, int threads) {
  for (size_t i = 0; i < request->thread_count; i++) {
    if (request->threads[i] == threads) return request->bandwidths[i];
  }
  return bandwidth_of(request->bandwidths[0], socket_bandwidth(request), threads);
}

static double barrier_at(const struct scaling *s, int threads) {
  const struct scaling_request *request = s->request;
  for (size_t i = 0; i < request->thread_count; i++) {
    if (request->threads[i] == threads) return s->barriers[i];
  }
  size_t last = request->thread_count - 1;
  return barrier_of(s->barriers[last], request->threads[last], threads);
}

static void finish_point(struct scaling_point *point, const struct scaling_point *one) {
  double model_speedup = point->model_images_per_s / one->model_images_per_s;
  if (!point->measured) point->images_per_s = one->images_per_s * model_speedup;
  point->speedup = point->images_per_s / one->images_per_s;
  point->efficiency = point->speedup / point->threads;
  point->model_efficiency = model_speedup / point->threads;
}

static int measure_point(const struct scaling *s, struct scaling_point *point, bool latency, int batch, error *e) {
  const struct scaling_request *request = s->request;
  struct spread spread;
  int status;
  struct load_watch watch = load_watch_start();
  if (latency) {
    struct threads *pool = threads_start(point->threads, e);
    status = pool ? measure_latency(&s->subject, pool, 1, request->seconds, &spread, e) : FAILED;
    threads_stop(pool);
  } else {
    status = measure_throughput(&s->subject, point->threads, batch, request->seconds, &spread, e);
  }
  if (status != OK) return status;
  point->others = load_watch_others(&watch);
  point->ms = spread.median * 1e3;
  point->q1 = spread.q1 * 1e3;
  point->q3 = spread.q3 * 1e3;
  point->images_per_s = batch * (latency ? 1 : point->threads) / spread.median;
  return OK;
}

/* Keep the op among the longest tails when it is one of them. */
static void note_tail(struct scaling_result *result, struct op_tail tail) {
  if (!(tail.seconds > 0)) return;
  if (result->tail_count < MOST_TAILS) result->tails[result->tail_count++].seconds = 0;
  size_t i = result->tail_count - 1;
  if (tail.seconds <= result->tails[i].seconds) return;
  for (; i > 0 && result->tails[i - 1].seconds < tail.seconds; i--) result->tails[i] = result->tails[i - 1];
  result->tails[i] = tail;
}

/* Of the last point, whose split is the last that was counted. */
static void find_tails(struct scaling *s, int threads) {
  const struct plan *plan = model_plan(s->subject.model);
  for (size_t i = 0; i < s->ops; i++) {
    double seconds = s->costs[i].seconds / threads * (s->splits[i].tail - 1);
    note_tail(&s->result, (struct op_tail){plan_op_info(plan, (int)i, false).name, seconds});
  }
}

static int latency_curve(struct scaling *s, error *e) {
  struct scaling_curve *curve = &s->result.latency;
  size_t jobs;
  list_threads(s->request, curve);
  for (size_t i = 0; i < curve->count; i++) {
    struct scaling_point *point = &curve->points[i];
    if (point->measured && measure_point(s, point, true, 1, e) != OK) return FAILED;
    if (op_splits_count(&s->subject, point->threads, s->splits, &jobs, e) != OK) return FAILED;
    point->barrier_us = barrier_at(s, point->threads);
    point->bandwidth = bandwidth_at(s->request, point->threads);
    point->terms =
        latency_of(s->costs, s->splits, s->ops, s->serial, point->threads, point->bandwidth, point->barrier_us);
    point->model_images_per_s = 1 / point->terms.total;
    finish_point(point, &curve->points[0]);
    if (s->request->table) scaling_print_latency(&s->result, i);
  }
  find_tails(s, curve->points[curve->count - 1].threads);
  if (s->request->table) scaling_print_tails(&s->result);
  return OK;
}

static int throughput_curve(struct scaling *s, error *e) {
  struct scaling_curve *curve = &s->result.throughput;
  list_threads(s->request, curve);
  for (size_t i = 0; i < curve->count; i++) {
    struct scaling_point *point = &curve->points[i];
    if (point->measured && measure_point(s, point, false, s->request->batch, e) != OK) return FAILED;
    point->bandwidth = bandwidth_at(s->request, point->threads);
    point->model_images_per_s =
        throughput_of(curve->points[0].images_per_s, point->threads, s->result.bytes, point->bandwidth);
    finish_point(point, &curve->points[0]);
    if (s->request->table) scaling_print_throughput(&s->result, i);
  }
  return OK;
}

/* What an image costs on one thread: seconds of ops, bytes. */
static int measure_costs(struct scaling *s, error *e) {
  const struct plan *plan = model_plan(s->subject.model);
  struct scaling_result *result = &s->result;
  s->ops = (size_t)plan_op_count(plan);
  s->costs = allocate_zeroed(s->ops, sizeof *s->costs, e);
  s->splits = allocate_zeroed(s->ops, sizeof *s->splits, e);
  if (!s->costs || !s->splits) return FAILED;
  if (measure_ops(&s->subject, s->request->seconds, s->costs, &s->serial, e) != OK) return FAILED;
  for (size_t i = 0; i < s->ops; i++) {
    if (!(s->costs[i].seconds > 0)) continue;
    result->ops++;
    result->weight_bytes += s->costs[i].weight_bytes;
    result->activation_bytes += plan_op_info(plan, (int)i, false).activation_bytes;
  }
  size_t image, batch;
  if (jobs_of_batch(&s->subject, 1, &image, e) != OK) return FAILED;
  if (jobs_of_batch(&s->subject, s->request->batch, &batch, e) != OK) return FAILED;
  result->jobs = image;
  result->together = image && batch ? (double)s->request->batch * (double)image / (double)batch : 1;
  result->bytes = result->weight_bytes / result->together + result->activation_bytes;
  return OK;
}

static int scale_subject(const struct scaling_request *request, const char *arch, const double *barriers,
                         struct json_writer *w, error *e) {
  struct scaling s = {.request = request, .barriers = barriers};
  int status = subject_load(&s.subject, arch, request->weights, request->device, e);
  if (status == OK) {
    s.result.arch = s.subject.info.arch;
    s.result.dtype = model_dtype(s.subject.model);
    s.result.batch = request->batch;
    s.result.socket_bandwidth = socket_bandwidth(request);
    status = measure_costs(&s, e);
  }
  if (status == OK && request->table) scaling_print_model(&s.result);
  if (status == OK) status = latency_curve(&s, e);
  if (status == OK) status = throughput_curve(&s, e);
  if (status == OK && w) scaling_write(&s.result, w);
  free(s.costs);
  free(s.splits);
  subject_free(&s.subject);
  return status;
}

int scaling_bench(const struct scaling_request *request, struct json_writer *w, error *e) {
  double barriers[MOST_POINTS] = {0};
  struct load_watch watch = load_watch_start();
  for (size_t i = 0; i < request->thread_count; i++) {
    struct threads *pool = threads_start(request->threads[i], e);
    if (!pool) return FAILED;
    barriers[i] = measure_barrier(pool);
    threads_stop(pool);
  }
  double others = load_watch_others(&watch);
  if (request->table) scaling_print_barriers(request->threads, barriers, request->thread_count, others);
  if (w) scaling_write_barriers(request->threads, barriers, request->thread_count, w);
  if (w) json_key(w, "scaling"), json_begin_array(w);
  int status = OK;
  if (request->weights) status = scale_subject(request, request->archs, barriers, w, e);
  char name[MAX_ARCH_NAME];
  for (const char *list = request->archs; status == OK && !request->weights && next_name(&list, name, sizeof name);) {
    status = scale_subject(request, name, barriers, w, e);
  }
  if (w) json_end_array(w);
  if (status == OK && request->table) scaling_print_check(request);
  return status;
}
