/* Everything but products on the simulated GPU against the reference: norms, depthwise convolutions, pooling, gates,
 * tokens. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/kernels.h"
#include "kernels/pool.h"
#include "kernels/reference/reference.h"
#include "tests/cuda/kernel_check.h"
#include "tests/cuda/machine.h"
#include "tests/harness.h"

static const double tolerance = 3e-6;

#define LAUNCHER(name) \
  static void launch_##name(const void *context) { cuda_##name(NULL, context); }
LAUNCHER(depthwise)
LAUNCHER(layer_norm)
LAUNCHER(response_norm)
LAUNCHER(gate)
LAUNCHER(max_pool)
LAUNCHER(average_pool)
LAUNCHER(mean)
LAUNCHER(pad_shortcut)
LAUNCHER(tokens)
LAUNCHER(copy_rows)

static size_t product(int a, int b, int c, int d) { return (size_t)a * (size_t)b * (size_t)c * (size_t)d; }

static void check_depthwise(struct random *random, int batch, int height, int width, int channels, int kernel) {
  size_t n = product(batch, height, width, channels);
  int taps = kernel * kernel;
  float *in = machine_random(random, n), *weight = machine_random(random, product(channels, taps, 1, 1));
  float *arranged = machine_allocate(product(channels, taps, 1, 1));
  float *bias = machine_random(random, (size_t)channels), *out = machine_allocate(n);
  float *expected = malloc(n * sizeof *expected);
  for (int c = 0; c < channels; c++) {
    for (int t = 0; t < taps; t++) arranged[t * channels + c] = weight[c * taps + t];
  }
  reference_depthwise(in, batch, height, width, channels, kernel, 1, kernel / 2, weight, bias, expected);
  struct cuda_depthwise p = {in, arranged, bias, out, batch, height, width, channels, kernel};
  check_kernel("depthwise", launch_depthwise, &p, out, n, expected, 2e-5);
  machine_release(in);
  machine_release(weight);
  machine_release(arranged);
  machine_release(bias);
  machine_release(out);
  free(expected);
}

TEST(cuda_depthwise_equals_the_reference) {
  struct random random = {5};
  check_depthwise(&random, 2, 9, 11, 40, 7);
  check_depthwise(&random, 1, 3, 2, 5, 7);
  check_depthwise(&random, 1, 8, 8, 33, 3);
  check_depthwise(&random, 1, 7, 10, 4, 5);
}

/* Rows as they lie, in place, and gathered from windows. */
static void check_layer_norm(struct random *random, int batch, int height, int width, int channels, int kernel,
                             bool plain, bool in_place) {
  int oh = height / kernel, ow = width / kernel, row = kernel * kernel * channels;
  size_t rows = product(batch, oh, ow, 1), n = rows * (size_t)row;
  float *in = machine_random(random, product(batch, height, width, channels)), *out = machine_allocate(n);
  float *gamma = machine_random(random, (size_t)row), *beta = machine_random(random, (size_t)row);
  float *residual = plain ? NULL : machine_random(random, n);
  float *gathered = malloc(n * sizeof *gathered), *expected = malloc(n * sizeof *expected), *to = gathered;
  for (size_t r = 0; r < rows; r++) {
    size_t y = r / (size_t)ow % (size_t)oh, x = r % (size_t)ow, image = r / (size_t)(oh * ow);
    for (int k = 0; k < kernel * kernel; k++, to += channels) {
      size_t py = y * (size_t)kernel + (size_t)(k / kernel), px = x * (size_t)kernel + (size_t)(k % kernel);
      memcpy(to, in + ((image * (size_t)height + py) * (size_t)width + px) * (size_t)channels,
             (size_t)channels * sizeof *to);
    }
  }
  reference_layer_norm(gathered, rows, row, plain ? NULL : gamma, plain ? NULL : beta, 1e-5f, residual, expected);
  if (in_place) memcpy(out, in, n * sizeof *out);
  struct cuda_layer_norm p = {in_place ? out : in,
                              plain ? NULL : gamma,
                              plain ? NULL : beta,
                              residual,
                              out,
                              batch,
                              height,
                              width,
                              oh,
                              ow,
                              channels,
                              kernel,
                              kernel,
                              1e-5f};
  check_kernel("layer norm", launch_layer_norm, &p, out, n, expected, tolerance);
  machine_release(in);
  machine_release(out);
  machine_release(gamma);
  machine_release(beta);
  machine_release(residual);
  free(gathered);
  free(expected);
}

TEST(cuda_layer_norm_equals_the_reference) {
  struct random random = {6};
  check_layer_norm(&random, 1, 1, 19, 96, 1, false, false);
  check_layer_norm(&random, 2, 3, 2, 33, 1, false, true);
  check_layer_norm(&random, 1, 1, 3, 5, 1, true, false);
  check_layer_norm(&random, 2, 4, 6, 12, 2, false, false);
}

TEST(cuda_global_response_norm_equals_the_reference) {
  static const int shapes[][3] = {{2, 9, 40}, {1, 25, 300}, {1, 1, 5}};
  struct random random = {7};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    int batch = shapes[i][0], pixels = shapes[i][1], channels = shapes[i][2];
    size_t n = product(batch, pixels, channels, 1);
    float *in = machine_random(&random, n), *gamma = machine_random(&random, (size_t)channels);
    float *beta = machine_random(&random, (size_t)channels), *out = machine_allocate(n);
    float *norms = machine_allocate(product(batch, channels, 1, 1)), *expected = malloc(n * sizeof *expected);
    reference_global_response_norm(in, batch, pixels, channels, gamma, beta, expected);
    memcpy(out, in, n * sizeof *out);
    struct cuda_response_norm p = {out, gamma, beta, out, norms, batch, pixels, channels};
    check_kernel("global response norm", launch_response_norm, &p, out, n, expected, tolerance);
    machine_release(in);
    machine_release(gamma);
    machine_release(beta);
    machine_release(out);
    machine_release(norms);
    free(expected);
  }
}

TEST(cuda_pooling_equals_the_reference) {
  struct random random = {8};
  enum { BATCH = 2, HEIGHT = 9, WIDTH = 7, CHANNELS = 37 };
  float *in = machine_random(&random, product(BATCH, HEIGHT, WIDTH, CHANNELS)), *expected = malloc(1 << 16);
  struct cuda_pool p = {in, NULL, BATCH, HEIGHT, WIDTH, 5, 4, CHANNELS, 3, 2, 1};
  size_t n = product(BATCH, p.out_height, p.out_width, CHANNELS);
  p.out = machine_allocate(n);
  reference_max_pool(in, BATCH, HEIGHT, WIDTH, CHANNELS, 3, 2, 1, expected);
  check_kernel("max pool", launch_max_pool, &p, p.out, n, expected, 0);
  machine_release(p.out);
  p = (struct cuda_pool){in, NULL, BATCH, HEIGHT, WIDTH, 5, 4, CHANNELS, 2, 2, 0};
  p.out = machine_allocate(n);
  reference_average_pool(in, BATCH, HEIGHT, WIDTH, CHANNELS, 2, 2, true, expected);
  check_kernel("average pool", launch_average_pool, &p, p.out, n, expected, tolerance);
  machine_release(p.out);
  struct cuda_mean mean = {in, machine_allocate(BATCH * CHANNELS), BATCH, HEIGHT * WIDTH, 0, HEIGHT * WIDTH, CHANNELS};
  reference_mean(in, BATCH, HEIGHT * WIDTH, CHANNELS, expected);
  check_kernel("mean", launch_mean, &mean, mean.out, BATCH * CHANNELS, expected, tolerance);
  mean.first = 3;
  mean.count = 6;
  for (size_t image = 0; image < BATCH; image++) {
    reference_mean(in + (image * HEIGHT * WIDTH + 3) * CHANNELS, 1, 6, CHANNELS, expected + image * CHANNELS);
  }
  check_kernel("mean of some", launch_mean, &mean, mean.out, BATCH * CHANNELS, expected, tolerance);
  machine_release(mean.out);
  machine_release(in);
  free(expected);
}

TEST(cuda_elementwise_kernels_equal_their_definition) {
  struct random random = {9};
  enum { ROWS = 6, CHANNELS = 45 };
  float *in = machine_random(&random, 4096), *expected = malloc(4096 * sizeof(float));
  float *out = machine_allocate(ROWS * CHANNELS);
  struct cuda_gate gate = {in, out, ROWS, CHANNELS};
  reference_gate_silu(in, ROWS, CHANNELS, expected);
  check_kernel("gate", launch_gate, &gate, out, ROWS * CHANNELS, expected, tolerance);
  machine_release(out);

  struct threads *pool = threads_start(1, NULL);
  out = machine_allocate(2 * 3 * 2 * 12);
  struct cuda_shortcut shortcut = {in, out, 2, 5, 4, 7, 2, 3, 2, 12};
  pad_shortcut(pool, in, 2, 5, 4, 7, 2, 12, expected);
  check_kernel("padded shortcut", launch_pad_shortcut, &shortcut, out, 2 * 3 * 2 * 12, expected, 0);
  machine_release(out);
  threads_stop(pool);

  enum { BATCH = 2, FIRST = 1, PIXELS = 5 };
  float *token = machine_random(&random, BATCH * CHANNELS), *prefix = machine_random(&random, CHANNELS);
  float *position = machine_random(&random, PIXELS * CHANNELS);
  out = machine_allocate(BATCH * (FIRST + PIXELS) * CHANNELS);
  for (int image = 0; image < BATCH; image++) {
    float *to = expected + image * (FIRST + PIXELS) * CHANNELS;
    for (int c = 0; c < CHANNELS; c++) to[c] = token[image * CHANNELS + c] + prefix[c];
    for (int i = 0; i < PIXELS * CHANNELS; i++) to[CHANNELS + i] = in[image * PIXELS * CHANNELS + i] + position[i];
  }
  struct cuda_tokens tokens = {in, token, prefix, position, out, BATCH, FIRST, PIXELS, CHANNELS};
  check_kernel("tokens", launch_tokens, &tokens, out, BATCH * (FIRST + PIXELS) * CHANNELS, expected, 0);
  machine_release(out);
  out = machine_allocate(BATCH * CHANNELS); /* the prefix alone: SigLIP's query */
  for (int i = 0; i < BATCH * CHANNELS; i++) expected[i] = prefix[i % CHANNELS];
  tokens = (struct cuda_tokens){NULL, NULL, prefix, NULL, out, BATCH, FIRST, 0, CHANNELS};
  check_kernel("a prefix", launch_tokens, &tokens, out, BATCH * CHANNELS, expected, 0);
  machine_release(out);
  machine_release(token);
  machine_release(prefix);
  machine_release(position);

  out = machine_allocate(ROWS * 10);
  memset(out, 0, ROWS * 10 * sizeof *out);
  struct cuda_copy copy = {in, out, ROWS, 13, 10, 7};
  for (int i = 0; i < ROWS * 10; i++) expected[i] = i % 10 < 7 ? in[i / 10 * 13 + i % 10] : 0;
  check_kernel("copied rows", launch_copy_rows, &copy, out, ROWS * 10, expected, 0);
  machine_release(out);
  machine_release(in);
  free(expected);
}
