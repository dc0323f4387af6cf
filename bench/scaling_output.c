#include "bench/scaling_output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/other_load.h"

static void end_line(double others) {
  if (others > disturbing_load) printf("  others used %.1f cores", others);
  printf("\n");
  fflush(stdout);
}

void scaling_print_barriers(const int *threads, const double *us, size_t count, double others) {
  if (count == 1) {
    printf("\nbarrier: not measured on one thread; what is expected of more leaves it out\n");
    return;
  }
  printf("\nbarrier, what an op takes beyond its tasks:");
  for (size_t i = 0; i < count; i++)
    printf("%s %d thread%s %.2f us", i ? "," : "", threads[i], threads[i] > 1 ? "s" : "", us[i]);
  end_line(others);
}

void scaling_print_model(const struct scaling_result *r) {
  printf("\n%s: %zu ops with %zu barriers an image; packed weights %.1f MB, activations %.1f MB an image\n", r->arch,
         r->ops, r->jobs, r->weight_bytes * 1e-6, r->activation_bytes * 1e-6);
}

/* Efficiency as a bar of 40 cells for 100 %: '#' measured, '=' expected. */
static void print_bar(const struct scaling_point *point) {
  enum { CELLS = 40 };
  char bar[CELLS];
  int filled = (int)(fmin(point->efficiency, 1) * CELLS + 0.5);
  memset(bar, '.', CELLS);
  memset(bar, point->measured ? '#' : '=', (size_t)filled);
  printf(" |%.*s|", CELLS, bar);
}

static void print_figures(const struct scaling_point *point) {
  char ms[32] = "";
  if (point->measured) snprintf(ms, sizeof ms, "%.2f", point->ms);
  printf("%-8s %7d %9s %9.1f %8.2f %8.1f %%", point->measured ? "measured" : "expected", point->threads, ms,
         point->images_per_s, point->speedup, 100 * point->efficiency);
  print_bar(point);
}

void scaling_print_latency(const struct scaling_result *r, size_t i) {
  const struct scaling_point *point = &r->latency.points[i];
  const struct latency_terms *t = &point->terms;
  if (i == 0) {
    printf("\nlatency: batch 1, every op split over the threads; where the model sees the time go\n");
    printf("%8s %7s %9s %9s %8s %10s %-42s %7s %6s %7s %8s\n", "", "threads", "ms", "images/s", "speedup", "efficiency",
           "", "model", "tail", "memory", "barriers");
  }
  print_figures(point);
  printf(" %5.1f %% %4.1f %% %5.1f %% %6.1f %%", 100 * point->model_efficiency, 100 * t->tail / t->total,
         100 * t->memory / t->total, 100 * t->barriers / t->total);
  end_line(point->others);
}

void scaling_print_tails(const struct scaling_result *r) {
  if (!r->tail_count) return;
  printf("longest tails on %d threads:", r->latency.points[r->latency.count - 1].threads);
  for (size_t i = 0; i < r->tail_count; i++)
    printf("%s %s %.0f us", i ? "," : "", r->tails[i].name, r->tails[i].seconds * 1e6);
  printf("\n");
}

void scaling_print_throughput(const struct scaling_result *r, size_t i) {
  const struct scaling_point *point = &r->throughput.points[i];
  if (i == 0) {
    printf("\nthroughput: every thread its own batches of %d, %.3g images together, %.1f MB an image\n", r->batch,
           r->together, r->bytes * 1e-6);
    printf("%8s %7s %9s %9s %8s %10s %-42s %7s %17s\n", "", "threads", "ms", "images/s", "speedup", "efficiency", "",
           "model", "GB/s, of at most");
  }
  print_figures(point);
  printf(" %5.1f %% %8.1f %8.1f", 100 * point->model_efficiency, point->images_per_s * r->bytes * 1e-9,
         point->bandwidth);
  end_line(point->others);
}

void scaling_print_check(const struct scaling_request *request) {
  printf(
      "\nexpected: by the model of bench/scaling_model.h; to check it on a machine with more cores:\n  backbones bench "
      "--scaling");
  if (request->weights) printf(" --weights %s", request->weights);
  if (request->archs) printf(" --arch %s", request->archs);
  if (strcmp(request->device, "cpu") != 0) printf(" --device %s", request->device);
  printf(" --batch %d\n", request->batch);
}

void scaling_write_barriers(const int *threads, const double *us, size_t count, struct json_writer *w) {
  json_key(w, "barriers"), json_begin_array(w);
  for (size_t i = 0; i < count; i++) {
    json_begin_object(w);
    json_key(w, "threads"), json_integer(w, threads[i]);
    json_key(w, "us"), json_number(w, us[i]);
    json_end_object(w);
  }
  json_end_array(w);
}

static void write_point(const struct scaling_point *point, bool latency, struct json_writer *w) {
  json_begin_object(w);
  json_key(w, "threads"), json_integer(w, point->threads);
  json_key(w, "measured"), json_boolean(w, point->measured);
  if (point->measured) {
    json_key(w, "ms"), json_number(w, point->ms);
    json_key(w, "ms_q1"), json_number(w, point->q1);
    json_key(w, "ms_q3"), json_number(w, point->q3);
    json_key(w, "other_cores"), json_number(w, point->others);
  }
  json_key(w, "images_per_s"), json_number(w, point->images_per_s);
  json_key(w, "speedup"), json_number(w, point->speedup);
  json_key(w, "efficiency"), json_number(w, point->efficiency);
  json_key(w, "model_images_per_s"), json_number(w, point->model_images_per_s);
  json_key(w, "model_efficiency"), json_number(w, point->model_efficiency);
  json_key(w, "bandwidth_gbs"), json_number(w, point->bandwidth);
  if (latency) {
    const struct latency_terms *t = &point->terms;
    json_key(w, "barrier_us"), json_number(w, point->barrier_us);
    json_key(w, "model_ms"), json_begin_object(w);
    json_key(w, "work"), json_number(w, t->work * 1e3);
    json_key(w, "tail"), json_number(w, t->tail * 1e3);
    json_key(w, "memory"), json_number(w, t->memory * 1e3);
    json_key(w, "barriers"), json_number(w, t->barriers * 1e3);
    json_key(w, "serial"), json_number(w, t->serial * 1e3);
    json_key(w, "total"), json_number(w, t->total * 1e3);
    json_end_object(w);
  }
  json_end_object(w);
}

static void write_curve(const struct scaling_curve *curve, bool latency, struct json_writer *w) {
  json_begin_array(w);
  for (size_t i = 0; i < curve->count; i++) write_point(&curve->points[i], latency, w);
  json_end_array(w);
}

void scaling_write(const struct scaling_result *r, struct json_writer *w) {
  json_begin_object(w);
  json_key(w, "arch"), json_string(w, r->arch);
  json_key(w, "dtype"), json_string(w, r->dtype);
  json_key(w, "ops"), json_integer(w, (int64_t)r->ops);
  json_key(w, "barriers"), json_integer(w, (int64_t)r->jobs);
  json_key(w, "weight_mb"), json_number(w, r->weight_bytes * 1e-6);
  json_key(w, "activation_mb"), json_number(w, r->activation_bytes * 1e-6);
  json_key(w, "socket_bandwidth_gbs"), json_number(w, r->socket_bandwidth);
  json_key(w, "latency"), write_curve(&r->latency, true, w);
  json_key(w, "tails"), json_begin_array(w);
  for (size_t i = 0; i < r->tail_count; i++) {
    json_begin_object(w);
    json_key(w, "op"), json_string(w, r->tails[i].name);
    json_key(w, "us"), json_number(w, r->tails[i].seconds * 1e6);
    json_end_object(w);
  }
  json_end_array(w);
  json_key(w, "batch"), json_integer(w, r->batch);
  json_key(w, "images_together"), json_number(w, r->together);
  json_key(w, "throughput_mb"), json_number(w, r->bytes * 1e-6);
  json_key(w, "throughput"), write_curve(&r->throughput, false, w);
  json_end_object(w);
}
