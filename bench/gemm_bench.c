#include "bench/gemm_bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/machine.h"
#include "kernels/conv.h"
#include "kernels/memory.h"

static const struct layer {
  const char *set, *name;
  int rows, columns, depth; /* C is [rows, columns] */
} layers[] = {
    {"ResNet-50", "56x56 64->64", 3136, 64, 64},
    {"ResNet-50", "56x56 64->256", 3136, 256, 64},
    {"ResNet-50", "56x56 256->64", 3136, 64, 256},
    {"ResNet-50", "56x56 3x3 64", 3136, 64, 576},
    {"ResNet-50", "28x28 512->128", 784, 128, 512},
    {"ResNet-50", "28x28 128->512", 784, 512, 128},
    {"ResNet-50", "28x28 3x3 128", 784, 128, 1152},
    {"ResNet-50", "14x14 1024->256", 196, 256, 1024},
    {"ResNet-50", "14x14 256->1024", 196, 1024, 256},
    {"ResNet-50", "14x14 3x3 256", 196, 256, 2304},
    {"ResNet-50", "7x7 2048->512", 49, 512, 2048},
    {"ResNet-50", "7x7 512->2048", 49, 2048, 512},
    {"ResNet-50", "7x7 3x3 512", 49, 512, 4608},
    {"ViT-B/16", "patch embedding", 196, 768, 768},
    {"ViT-B/16", "qkv", 197, 2304, 768},
    {"ViT-B/16", "projection", 197, 768, 768},
    {"ViT-B/16", "mlp up", 197, 3072, 768},
    {"ViT-B/16", "mlp down", 197, 768, 3072},
};
enum { LAYERS = sizeof layers / sizeof layers[0], MOST_RUNS = 10000 };

struct operands {
  float *a, *c;
  struct packed_conv *b;
};

static void operands_free(struct operands *o) {
  release_aligned(o->a);
  release_aligned(o->c);
  conv_release(o->b);
}

static int operands_make(struct operands *o, const struct layer *layer, const struct kernels *kernels, error *e) {
  size_t m = (size_t)layer->rows, n = (size_t)layer->columns, k = (size_t)layer->depth;
  struct conv_shape shape = {.in_channels = layer->depth,
                             .out_channels = layer->columns,
                             .kernel = 1,
                             .stride = 1,
                             .dilation = 1,
                             .groups = 1};
  o->a = allocate_aligned(m * k, sizeof(float), e);
  o->c = allocate_aligned(m * n, sizeof(float), e);
  float *weight = allocate(n * k, sizeof(float), e);
  if (!o->a || !o->c || !weight) {
    free(weight);
    return FAILED;
  }
  for (size_t i = 0; i < m * k; i++) o->a[i] = (float)(i % 17) - 8;
  for (size_t i = 0; i < n * k; i++) weight[i] = (float)(i % 13) - 6;
  o->b = conv_pack(kernels, &shape, weight, NULL, e);
  free(weight);
  return o->b ? OK : FAILED;
}

/* GFLOP/s of the fastest of the runs that fit into `seconds`: the kernel's, not the neighbours' on the machine. */
static int time_layer(const struct layer *layer, const struct kernels *kernels, struct threads *pool, double seconds,
                      double *gflops, error *e) {
  struct operands o = {0};
  int status = operands_make(&o, layer, kernels, e);
  if (status == OK) status = threads_reserve_scratch(pool, conv_scratch_bytes(o.b), e);
  if (status == OK) {
    double begin = now(), best = INFINITY;
    for (int run = 0; run < MOST_RUNS && (run < 3 || now() - begin < seconds); run++) {
      double start = now();
      gemm_run(pool, o.b, layer->rows, o.a, 0, NULL, o.c, ACTIVATION_RELU);
      double elapsed = now() - start;
      if (elapsed < best) best = elapsed;
    }
    *gflops = 2.0 * layer->rows * layer->columns * layer->depth / best * 1e-9;
  }
  operands_free(&o);
  return status;
}

static void write_row(struct json_writer *json, const struct layer *layer, int threads, double gflops, double share) {
  if (!json) {
    printf("%-10s %-16s %5d x %4d x %4d  %2d %8.1f %6.1f %%\n", layer->set, layer->name, layer->rows, layer->columns,
           layer->depth, threads, gflops, 100 * share);
    return;
  }
  json_begin_object(json);
  json_key(json, "set"), json_string(json, layer->set);
  json_key(json, "layer"), json_string(json, layer->name);
  json_key(json, "m"), json_integer(json, layer->rows);
  json_key(json, "n"), json_integer(json, layer->columns);
  json_key(json, "k"), json_integer(json, layer->depth);
  json_key(json, "threads"), json_integer(json, threads);
  json_key(json, "gflops"), json_number(json, gflops);
  json_key(json, "peak_share"), json_number(json, share);
  json_end_object(json);
}

static void print_mean(const char *set, int threads, const double *shares, struct json_writer *json) {
  double logs = 0;
  int n = 0;
  for (int i = 0; i < LAYERS; i++) {
    if (strcmp(layers[i].set, set) != 0) continue;
    logs += log(shares[i]);
    n++;
  }
  if (!json)
    printf("%-10s geometric mean, %d thread%s: %.1f %% of peak\n", set, threads, threads == 1 ? "" : "s",
           100 * exp(logs / n));
}

int gemm_bench(const struct kernels *kernels, const int *threads, size_t thread_counts, double seconds,
               struct json_writer *json, error *e) {
  if (!json)
    printf("%-10s %-16s %5s   %4s   %4s  %2s %8s %8s\n", "layers of", "layer", "m", "n", "k", "t", "GFLOP/s",
           "of peak");
  else
    json_begin_array(json);
  int status = OK;
  for (size_t t = 0; status == OK && t < thread_counts; t++) {
    struct threads *pool = threads_start(threads[t], e);
    if (!pool) return FAILED;
    double shares[LAYERS];
    for (int i = 0; status == OK && i < LAYERS; i++) {
      /* The peak is measured beside each layer, so that a clock that drifts drifts for both. */
      double peak = measure_peak(kernels, pool), gflops = 0;
      status = time_layer(&layers[i], kernels, pool, seconds, &gflops, e);
      shares[i] = gflops / peak;
      if (status == OK) write_row(json, &layers[i], threads[t], gflops, shares[i]);
    }
    for (int i = 0; status == OK && i < LAYERS; i++) {
      if (i == 0 || strcmp(layers[i].set, layers[i - 1].set) != 0) print_mean(layers[i].set, threads[t], shares, json);
    }
    threads_stop(pool);
  }
  if (json) json_end_array(json);
  return status;
}
