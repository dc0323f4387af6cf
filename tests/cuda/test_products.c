/* Products and convolutions on the simulated GPU against the reference. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/conv.h"
#include "kernels/cuda/kernels.h"
#include "kernels/reference/reference.h"
#include "tests/cuda/kernel_check.h"
#include "tests/cuda/machine.h"
#include "tests/harness.h"

struct launch {
  struct cuda_product product;
  enum cuda_precision precision;
};

static void launch_product(const void *context) {
  const struct launch *l = context;
  cuda_product(NULL, &l->product, l->precision);
}

/* weight [out, in / groups, kernel, kernel] as struct cuda_product wants it. */
static float *arrange(const struct conv_shape *s, const float *weight, int columns) {
  int in = s->in_channels / s->groups, out = s->out_channels / s->groups, taps = s->kernel * s->kernel;
  float *to = machine_allocate((size_t)(s->groups * taps * in * columns));
  if (!to) return NULL;
  memset(to, 0, (size_t)(s->groups * taps * in * columns) * sizeof *to);
  for (int o = 0; o < s->out_channels; o++) {
    for (int c = 0; c < in; c++) {
      for (int t = 0; t < taps; t++) {
        to[((o / out * taps + t) * in + c) * columns + o % out] = weight[(o * in + c) * taps + t];
      }
    }
  }
  return to;
}

static double tolerance_for(enum cuda_precision precision, int terms) {
  double relative = precision == CUDA_FLOAT32 ? 3e-6 : precision == CUDA_TF32 ? 1.5e-3 : 6e-3;
  return relative * sqrt((double)terms) + 2e-6;
}

static void check_product(struct random *random, struct conv_shape s, int batch, int height, int width,
                          enum cuda_precision precision, const char *what) {
  int oh = conv_output_size(&s, height), ow = conv_output_size(&s, width), in = s.in_channels / s.groups;
  int out = s.out_channels / s.groups, columns = (out + 3) / 4 * 4, terms = in * s.kernel * s.kernel;
  size_t out_floats = (size_t)(batch * oh * ow * s.out_channels);
  float *input = machine_random(random, (size_t)(batch * height * width * s.in_channels));
  float *weight = machine_random(random, (size_t)(s.out_channels * terms)), *arranged = arrange(&s, weight, columns);
  float *bias = random_bits(random) & 1 ? machine_random(random, (size_t)s.out_channels) : NULL;
  bool has_residual = random_bits(random) & 1;
  float *residual = machine_random(random, out_floats), *result = machine_allocate(out_floats);
  float *expected = malloc(out_floats * sizeof *expected);
  enum activation activation = (enum activation)random_between(random, ACTIVATION_NONE, ACTIVATION_SILU);
  reference_conv(&s, input, batch, height, width, weight, bias, has_residual ? residual : NULL, activation, expected);
  if (has_residual) memcpy(result, residual, out_floats * sizeof *result); /* in place */
  struct launch launch = {{.in = input,
                           .weight = arranged,
                           .bias = bias,
                           .residual = has_residual ? result : NULL,
                           .out = result,
                           .batch = batch,
                           .height = height,
                           .width = width,
                           .out_height = oh,
                           .out_width = ow,
                           .groups = s.groups,
                           .group_in = in,
                           .group_out = out,
                           .columns = columns,
                           .kernel = s.kernel,
                           .stride = s.stride,
                           .padding = s.padding,
                           .dilation = s.dilation,
                           .activation = activation},
                          precision};
  check_kernel(what, launch_product, &launch, result, out_floats, expected, tolerance_for(precision, terms));
  machine_release(input);
  machine_release(weight);
  machine_release(arranged);
  machine_release(bias);
  machine_release(residual);
  machine_release(result);
  free(expected);
}

static const struct product_case {
  const char *what;
  struct conv_shape shape;
  int batch, height, width;
} cases[] = {
    {"3x3", {8, 12, 3, 1, 1, 1, 1}, 2, 6, 5},
    {"7x7 stem of three channels", {3, 17, 7, 2, 3, 1, 1}, 1, 13, 11},
    {"1x1 of stride 2", {20, 70, 1, 2, 0, 1, 1}, 2, 5, 7},
    {"3x3, dilated", {5, 4, 3, 1, 2, 2, 1}, 1, 9, 9},
    {"groups", {16, 24, 3, 2, 1, 1, 4}, 2, 7, 6},
    {"groups of odd widths", {9, 15, 3, 1, 1, 1, 3}, 1, 5, 4},
    {"2x2 patches", {12, 33, 2, 2, 0, 1, 1}, 3, 4, 6},
    {"a row", {40, 10, 1, 1, 0, 1, 1}, 1, 1, 1},
    {"rows", {36, 130, 1, 1, 0, 1, 1}, 70, 1, 1},
};

TEST(cuda_products_equal_the_reference) {
  static const char *const names[] = {"float32", "TF32", "bfloat16"};
  struct random random = {3};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct product_case *c = &cases[i];
    for (int p = CUDA_FLOAT32; p <= CUDA_BFLOAT16; p++) {
      char what[128];
      snprintf(what, sizeof what, "%s, %s", c->what, names[p]);
      check_product(&random, c->shape, c->batch, c->height, c->width, (enum cuda_precision)p, what);
    }
  }
}

/* Enough blocks for the large tile. */
TEST(cuda_large_products_equal_the_reference) {
  struct random random = {4};
  struct conv_shape shape = {8, 132, 1, 1, 0, 1, 1};
  check_product(&random, shape, 6300, 1, 1, CUDA_FLOAT32, "large tiles");
}
