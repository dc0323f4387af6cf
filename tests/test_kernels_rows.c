/* The kernels that work along rows of channels, on every instruction set, against the double-precision reference. */
#include <math.h>
#include <string.h>

#include "kernels/conv.h"
#include "kernels/depthwise.h"
#include "kernels/elementwise.h"
#include "kernels/layer_norm.h"
#include "kernels/pool.h"
#include "kernels/reference/reference.h"
#include "tests/guarded.h"

/* The number of threads must not show in a single bit: every kernel here runs on each of these pools. */
enum { POOLS = 3 };
struct pools {
  struct threads *pool[POOLS];
};

static struct pools pools_start(void) {
  struct pools pools;
  for (int i = 0; i < POOLS; i++) pools.pool[i] = threads_start(i + 1, NULL);
  return pools;
}

static void pools_stop(struct pools *pools) {
  for (int i = 0; i < POOLS; i++) threads_stop(pools->pool[i]);
}

/* Whether `out` is near what is expected, has whole guards, and is bit for bit what one thread gave. */
static bool check_output(const struct guarded *out, const float *expected, double tolerance, int pool, float *first) {
  bool right = CHECK_ALL_NEAR(out->data, expected, out->n, tolerance);
  right &= CHECK(guards_hold(out));
  if (pool == 0) memcpy(first, out->data, out->n * sizeof(float));
  return right & CHECK(!memcmp(first, out->data, out->n * sizeof(float)));
}

/* Each activation behind a product with the 1x1 identity, so that the inputs reach it unrounded. */
TEST(activations_equal_the_reference) {
  enum { ROWS = 1500, COLUMNS = 37 };
  static float in[ROWS], ones[COLUMNS], out[ROWS * COLUMNS];
  for (int i = 0; i < COLUMNS; i++) ones[i] = 1;
  for (int i = 0; i < ROWS; i++) in[i] = (float)(i - ROWS / 2) * 0.016f;
  in[0] = -1e30f;
  in[1] = 1e30f;
  in[2] = -1e-30f;
  in[3] = NAN;
  error e = {""};
  struct threads *pool = threads_start(1, &e);
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    struct conv_shape shape = {
        .in_channels = 1, .out_channels = COLUMNS, .kernel = 1, .stride = 1, .dilation = 1, .groups = 1};
    struct packed_conv *packed = conv_pack(kernels_find(*isa), &shape, ones, NULL, &e);
    REQUIRE(packed && threads_reserve_scratch(pool, conv_scratch_bytes(packed), &e) == OK);
    for (int a = ACTIVATION_NONE; a <= ACTIVATION_SILU; a++) {
      gemm_run(pool, packed, ROWS, in, 0, NULL, out, (enum activation)a);
      double worst = 0;
      bool kept_nan = true, same_lanes = true;
      for (int r = 0; r < ROWS; r++) {
        const float *row = out + r * COLUMNS;
        if (isnan(in[r])) kept_nan = isnan(row[0]) && isnan(row[COLUMNS - 1]);
        if (isnan(in[r])) continue;
        for (int c = 1; c < COLUMNS; c++) same_lanes &= row[c] == row[0];
        double expected = reference_activate((double)in[r], (enum activation)a);
        worst = fmax(worst, fabs((double)row[0] - expected) / fmax(1, fabs((double)in[r])));
      }
      CHECK_MSG(worst < 3e-7 && kept_nan && same_lanes, "%s: activation %d is off by %g", *isa, a, worst);
    }
    conv_release(packed);
  }
  threads_stop(pool);
}

static void check_layer_norm(const struct kernels *kernels, struct pools *pools, struct random *random, size_t rows,
                             int channels, float mean) {
  size_t n = rows * (size_t)channels;
  float *in = random_floats(random, n), *residual = random_floats(random, n);
  float *gamma = random_floats(random, (size_t)channels), *beta = random_floats(random, (size_t)channels);
  float *expected = malloc(n * sizeof(float)), *first = malloc(n * sizeof(float));
  for (size_t i = 0; i < n; i++) in[i] += mean;
  bool right = true;
  for (int with_residual = 0; with_residual < 2; with_residual++) {
    const float *add = with_residual ? residual : NULL;
    reference_layer_norm(in, rows, channels, gamma, beta, 1e-5f, add, expected);
    for (int i = 0; i < POOLS; i++) {
      struct guarded out = guarded_new(n);
      layer_norm(kernels, pools->pool[i], in, rows, channels, gamma, beta, 1e-5f, add, out.data);
      right &= check_output(&out, expected, 2e-6, i, first);
      memcpy(out.data, in, n * sizeof(float)); /* in place */
      layer_norm(kernels, pools->pool[i], out.data, rows, channels, gamma, beta, 1e-5f, add, out.data);
      right &= CHECK(!memcmp(first, out.data, n * sizeof(float)));
      if (add) memcpy(out.data, add, n * sizeof(float)); /* onto the residual */
      if (add) layer_norm(kernels, pools->pool[i], in, rows, channels, gamma, beta, 1e-5f, out.data, out.data);
      right &= CHECK(!memcmp(first, out.data, n * sizeof(float)) && guards_hold(&out));
      free(out.memory);
    }
  }
  struct guarded plain = guarded_new((size_t)channels);
  kernels->layer_norm_row(in, channels, NULL, NULL, 1e-5f, NULL, plain.data);
  reference_layer_norm(in, 1, channels, NULL, NULL, 1e-5f, NULL, expected);
  right &= CHECK_ALL_NEAR(plain.data, expected, plain.n, 2e-6) && CHECK(guards_hold(&plain));
  kernels->layer_norm_row(in, channels, NULL, NULL, 1e-5f, residual, plain.data);
  reference_layer_norm(in, 1, channels, NULL, NULL, 1e-5f, residual, expected);
  right &= CHECK_ALL_NEAR(plain.data, expected, plain.n, 2e-6) && CHECK(guards_hold(&plain));
  CHECK_MSG(right, "%s: %zu rows of %d channels, mean %g", kernels->isa, rows, channels, (double)mean);
  free(plain.memory);
  free(in);
  free(residual);
  free(gamma);
  free(beta);
  free(expected);
  free(first);
}

TEST(layer_norms_equal_the_reference) {
  static const int channels[] = {1, 2, 7, 15, 16, 17, 40, 63, 96, 100, 192, 384, 768, 1023, 3072};
  struct pools pools = pools_start();
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    struct random random = {5};
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++) {
      /* Uniform values in [-1, 1) have a deviation of 0.58: means of none, some and a hundred of it. */
      check_layer_norm(kernels_find(*isa), &pools, &random, (size_t)random_between(&random, 1, 40), channels[i], 0);
      check_layer_norm(kernels_find(*isa), &pools, &random, 3, channels[i], -2.5f);
      check_layer_norm(kernels_find(*isa), &pools, &random, 3, channels[i], 58);
    }
  }
  pools_stop(&pools);
}

TEST(layer_norm_of_equal_values_is_beta) {
  float in[20], gamma[20], beta[20], out[20];
  for (int i = 0; i < 20; i++) {
    in[i] = 0.1f;
    gamma[i] = 3;
    beta[i] = (float)i;
  }
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    layer_norm(kernels_find(*isa), NULL, in, 1, 20, gamma, beta, 1e-6f, NULL, out);
    CHECK_ALL_NEAR(out, beta, 20, 2e-4); /* the last bit of 0.1 over sqrt(epsilon) */
  }
}

static void check_depthwise(const struct kernels *kernels, struct pools *pools, struct random *random, int batch,
                            int height, int width, int channels, int kernel, int stride, int padding) {
  int oh = (height + 2 * padding - kernel) / stride + 1, ow = (width + 2 * padding - kernel) / stride + 1;
  if (height + 2 * padding < kernel || width + 2 * padding < kernel) return;
  size_t n = (size_t)(batch * oh * ow * channels);
  float *in = random_floats(random, (size_t)(batch * height * width * channels));
  float *weight = random_floats(random, (size_t)(channels * kernel * kernel));
  float *bias = random_bits(random) & 1 ? random_floats(random, (size_t)channels) : NULL;
  float *expected = malloc(n * sizeof(float)), *first = malloc(n * sizeof(float));
  reference_depthwise(in, batch, height, width, channels, kernel, stride, padding, weight, bias, expected);
  error e = {""};
  struct packed_depthwise *packed = depthwise_pack(kernels, channels, kernel, stride, padding, weight, bias, &e);
  bool right = CHECK_MSG(packed != NULL, "%s", e.message);
  for (int i = 0; packed && i < POOLS; i++) {
    struct guarded out = guarded_new(n);
    depthwise_run(pools->pool[i], packed, batch, height, width, in, out.data);
    right &= check_output(&out, expected, 5e-6, i, first);
    free(out.memory);
  }
  CHECK_MSG(right, "%s: %dx%dx%dx%d, kernel %d, stride %d, padding %d", kernels->isa, batch, height, width, channels,
            kernel, stride, padding);
  depthwise_release(packed);
  free(in);
  free(weight);
  free(bias);
  free(expected);
  free(first);
}

TEST(depthwise_convolutions_equal_the_reference) {
  struct pools pools = pools_start();
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    const struct kernels *kernels = kernels_find(*isa);
    struct random random = {11};
    for (int i = 0; i < 60; i++) { /* ConvNeXt's: every width of a block of outputs, maps smaller than the kernel */
      check_depthwise(kernels, &pools, &random, random_between(&random, 1, 2), random_between(&random, 1, 12),
                      1 + i % 30, random_between(&random, 1, 40), 7, 1, i < 50 ? 3 : random_between(&random, 0, 6));
    }
    for (int i = 0; i < 60; i++) {
      int kernel = random_between(&random, 1, 8);
      check_depthwise(kernels, &pools, &random, random_between(&random, 1, 2), random_between(&random, 1, 12),
                      random_between(&random, 1, 12), random_between(&random, 1, 40), kernel,
                      random_between(&random, 1, 3), random_between(&random, 0, kernel - 1));
    }
    check_depthwise(kernels, &pools, &random, 1, 60, 9, 18, 7, 1, 3); /* several blocks of rows */
    for (int i = 0; i < 8; i++) { /* pixels 1 kB apart, in maps that are gathered first and in larger ones */
      check_depthwise(kernels, &pools, &random, 1, random_between(&random, 1, 25), random_between(&random, 1, 25), 256,
                      7, 1, i < 6 ? 3 : random_between(&random, 0, 6));
    }
  }
  pools_stop(&pools);
}

TEST(impossible_depthwise_convolutions_are_refused) {
  static const int bad[][4] = {{0, 3, 1, 1}, {4, 0, 1, 0}, {4, 3, 0, 1}, {4, 3, 1, 3}, {4, 3, 1, -1}, {4, 1000, 1, 1}};
  float weight[36] = {0};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    error e = {""};
    CHECK(!depthwise_pack(kernels_find("plain"), bad[i][0], bad[i][1], bad[i][2], bad[i][3], weight, NULL, &e));
    CHECK_CONTAINS(e.message, "depthwise");
  }
}

static void check_response_norm(const struct kernels *kernels, struct pools *pools, struct random *random, int batch,
                                int pixels, int channels) {
  size_t n = (size_t)(batch * pixels * channels);
  float *in = random_floats(random, n), *expected = malloc(n * sizeof(float)), *first = malloc(n * sizeof(float));
  float *gamma = random_floats(random, (size_t)channels), *beta = random_floats(random, (size_t)channels);
  reference_global_response_norm(in, batch, pixels, channels, gamma, beta, expected);
  bool right = true;
  for (int i = 0; i < POOLS; i++) {
    struct guarded out = guarded_new(n);
    global_response_norm(kernels, pools->pool[i], in, batch, pixels, channels, gamma, beta, out.data);
    right &= check_output(&out, expected, 5e-6, i, first);
    memcpy(out.data, in, n * sizeof(float)); /* in place */
    global_response_norm(kernels, pools->pool[i], out.data, batch, pixels, channels, gamma, beta, out.data);
    right &= CHECK(!memcmp(first, out.data, n * sizeof(float)) && guards_hold(&out));
    free(out.memory);
  }
  CHECK_MSG(right, "%s: %d images of %d pixels and %d channels", kernels->isa, batch, pixels, channels);
  free(in);
  free(gamma);
  free(beta);
  free(expected);
  free(first);
}

TEST(global_response_norms_equal_the_reference) {
  struct pools pools = pools_start();
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    struct random random = {13};
    for (int i = 0; i < 20; i++) {
      check_response_norm(kernels_find(*isa), &pools, &random, random_between(&random, 1, 3),
                          random_between(&random, 1, 50), random_between(&random, 1, 200));
    }
    check_response_norm(kernels_find(*isa), &pools, &random, 2, 3, 30001); /* more norms than are kept at a time */
  }
  pools_stop(&pools);
}

TEST(gates_equal_the_reference) {
  struct pools pools = pools_start();
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    struct random random = {17};
    for (int i = 0; i < 12; i++) {
      int rows = random_between(&random, 1, 90), channels = random_between(&random, 1, 300);
      size_t n = (size_t)(rows * channels);
      float *in = random_floats(&random, 2 * n), *expected = malloc(n * sizeof(float)),
            *first = malloc(n * sizeof(float));
      for (size_t j = 0; j < 2 * n; j++) in[j] *= 8;
      reference_gate_silu(in, (size_t)rows, channels, expected);
      for (int j = 0; j < POOLS; j++) {
        struct guarded out = guarded_new(n);
        gate_silu(kernels_find(*isa), pools.pool[j], in, (size_t)rows, channels, out.data);
        CHECK_MSG(check_output(&out, expected, 1e-5, j, first), "%s: %d rows of %d", *isa, rows, channels);
        free(out.memory);
      }
      free(in);
      free(expected);
      free(first);
    }
  }
  pools_stop(&pools);
}

TEST(average_pools_equal_the_reference) {
  struct pools pools = pools_start();
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    struct random random = {19};
    for (int i = 0; i < 60; i++) {
      int batch = random_between(&random, 1, 2), height = random_between(&random, 1, 12);
      int width = random_between(&random, 1, 12), channels = random_between(&random, 1, 40);
      int kernel = random_between(&random, 1, 4), stride = random_between(&random, 1, 4);
      bool ceil = random_bits(&random) & 1;
      int oh = average_pool_size(height, kernel, stride, ceil), ow = average_pool_size(width, kernel, stride, ceil);
      size_t n = (size_t)(batch * oh * ow * channels);
      float *in = random_floats(&random, (size_t)(batch * height * width * channels));
      float *expected = malloc((n + 1) * sizeof(float)), *first = malloc((n + 1) * sizeof(float));
      reference_average_pool(in, batch, height, width, channels, kernel, stride, ceil, expected);
      for (int j = 0; j < POOLS; j++) {
        struct guarded out = guarded_new(n);
        average_pool(kernels_find(*isa), pools.pool[j], in, batch, height, width, channels, kernel, stride, ceil,
                     out.data);
        CHECK_MSG(check_output(&out, expected, 1e-6, j, first), "%s: %dx%d, kernel %d, stride %d, ceil %d", *isa,
                  height, width, kernel, stride, ceil);
        free(out.memory);
      }
      free(in);
      free(expected);
      free(first);
    }
  }
  pools_stop(&pools);
}

/* As torch.nn.AvgPool2d(kernel, stride, ceil_mode=ceil) counts. */
TEST(average_pool_sizes_are_pytorchs) {
  static const int cases[][5] = {{7, 2, 2, 0, 3}, {7, 2, 2, 1, 4}, {8, 2, 2, 1, 4}, {1, 2, 2, 1, 1}, {1, 2, 2, 0, 0},
                                 {5, 1, 3, 1, 2}, {5, 3, 2, 1, 2}, {6, 3, 2, 1, 3}, {6, 3, 2, 0, 2}, {2, 4, 1, 1, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const int *c = cases[i];
    CHECK_MSG(average_pool_size(c[0], c[1], c[2], c[3]) == c[4], "%d pixels, kernel %d, stride %d: %d", c[0], c[1],
              c[2], average_pool_size(c[0], c[1], c[2], c[3]));
  }
}

/* Losses and derivatives of a linear classifier: near ties, clear and hopeless rows, and classes that are no multiple
 * of the lanes. */
TEST(cross_entropies_equal_the_reference) {
  const struct kernels *reference = kernels_find("reference");
  struct random random = {77};
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    const struct kernels *kernels = kernels_find(*isa);
    for (int classes = 2; classes < 70; classes += 13) {
      for (int round = 0; round < 30; round++) {
        float x[80] = {0}, expected[80] = {0}, bias[80];
        int label = round % classes;
        for (int k = 0; k < 80; k++) bias[k] = k < classes ? (float)random_unit(&random) : -INFINITY;
        for (int k = 0; k < classes; k++) x[k] = expected[k] = (float)(random_unit(&random) * (1 << round % 9));
        if (round % 3 == 0) x[label] = expected[label] = 30;
        double loss = kernels->cross_entropy_row(x, bias, classes, label);
        double right = reference->cross_entropy_row(expected, bias, classes, label);
        CHECK_MSG(fabs(loss - right) <= 1e-6 * fmax(right, 1e-6) + 4e-5 * right, "%s: %g for %g", *isa, loss, right);
        CHECK_ALL_NEAR(x, expected, (size_t)classes, 1e-5);
        for (int k = classes; k % kernels->lanes; k++) CHECK(x[k] == 0);
      }
    }
  }
}
