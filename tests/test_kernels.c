/* Every instruction set against the double-precision reference: random shapes with odd sizes and tails, guard bytes
 * around outputs, poisoned memory before a kernel writes it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/conv.h"
#include "kernels/pool.h"
#include "kernels/reference/reference.h"
#include "kernels/winograd.h"
#include "tests/guarded.h"
#include "tests/harness.h"

/* Rounding grows at most with the number of terms, each of size one or less. */
static double tolerance_for(int terms) { return 3e-6 * sqrt((double)terms) + 1e-6; }

static void check_conv(const struct kernels *kernels, struct threads *pool, struct random *random,
                       struct conv_shape shape, int batch, int height, int width) {
  int oh = conv_output_size(&shape, height), ow = conv_output_size(&shape, width);
  if (oh < 1 || ow < 1) return;
  int group_in = shape.in_channels / shape.groups, terms = group_in * shape.kernel * shape.kernel;
  size_t in_floats = (size_t)(batch * height * width * shape.in_channels);
  size_t out_floats = (size_t)(batch * oh * ow * shape.out_channels);
  float *in = random_floats(random, in_floats), *weight = random_floats(random, (size_t)(shape.out_channels * terms));
  float *bias = random_bits(random) & 1 ? random_floats(random, (size_t)shape.out_channels) : NULL;
  float *residual = random_bits(random) & 1 ? random_floats(random, out_floats) : NULL;
  enum activation activation = random_bits(random) & 1 ? ACTIVATION_RELU : ACTIVATION_NONE;
  struct guarded out = guarded_new(out_floats);
  float *expected = malloc(out_floats * sizeof(float));
  reference_conv(&shape, in, batch, height, width, weight, bias, residual, activation, expected);

  error e = {""};
  struct packed_conv *packed = conv_pack(kernels, &shape, weight, bias, &e);
  CHECK_MSG(packed != NULL, "%s", e.message);
  if (packed && threads_reserve_scratch(pool, conv_scratch_bytes(packed), &e) == OK) {
    struct conv_run run = {.packed = packed,
                           .batch = batch,
                           .height = height,
                           .width = width,
                           .in = in,
                           .residual = residual,
                           .out = out.data,
                           .activation = activation};
    conv_run(pool, &run);
    bool near = CHECK_ALL_NEAR(out.data, expected, out_floats, tolerance_for(terms));
    bool guarded = CHECK(guards_hold(&out));
    if (residual) { /* in place */
      memcpy(out.data, residual, out_floats * sizeof(float));
      run.residual = out.data;
      conv_run(pool, &run);
      near &= CHECK_ALL_NEAR(out.data, expected, out_floats, tolerance_for(terms));
    }
    CHECK_MSG(near && guarded,
              "%s: %d to %d channels, kernel %d, stride %d, padding %d, dilation %d, groups %d, %dx%dx%d", kernels->isa,
              shape.in_channels, shape.out_channels, shape.kernel, shape.stride, shape.padding, shape.dilation,
              shape.groups, batch, height, width);
  }
  conv_release(packed);
  free(in);
  free(weight);
  free(bias);
  free(residual);
  free(out.memory);
  free(expected);
}

static struct conv_shape random_shape(struct random *random) {
  static const int kernels[] = {1, 1, 3, 3, 5, 7}, channels[] = {1, 2, 3, 4, 5, 8, 16, 17, 24, 33};
  struct conv_shape s = {.kernel = kernels[random_between(random, 0, 5)],
                         .stride = random_between(random, 1, 3),
                         .dilation = random_between(random, 1, 2),
                         .groups = random_between(random, 1, 3)};
  if (random_between(random, 0, 3) == 0)
    s.groups = 1 << random_between(random, 2, 5);
  else if (random_bits(random) & 1)
    s.groups = 1;
  s.in_channels = channels[random_between(random, 0, 9)];
  s.out_channels = channels[random_between(random, 0, 9)];
  if (s.groups > 8) {
    s.in_channels = random_between(random, 1, 4);
    s.out_channels = random_between(random, 1, 5);
  }
  s.in_channels *= s.groups;
  s.out_channels *= s.groups;
  s.padding = random_between(random, 0, (s.kernel - 1) * s.dilation / 2 + 1);
  if (s.padding >= s.kernel * s.dilation) s.padding = 0;
  return s;
}

TEST(convolutions_equal_the_reference) {
  error e = {""};
  struct threads *pools[] = {threads_start(1, &e), threads_start(3, &e)};
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    struct random random = {42};
    for (int i = 0; i < 150; i++) {
      struct conv_shape shape = random_shape(&random);
      int batch = random_between(&random, 1, 3), height = random_between(&random, 1, 14);
      int width = random_between(&random, 1, 14);
      check_conv(kernels_find(*isa), pools[i & 1], &random, shape, batch, height, width);
    }
  }
  threads_stop(pools[0]);
  threads_stop(pools[1]);
}

/* Shapes that take the special ways: rows 4 kB apart, few channels under a large kernel, many panels, sums in parts. */
TEST(convolutions_of_real_layers_equal_the_reference) {
  static const struct conv_shape shapes[] = {
      {.in_channels = 1024, .out_channels = 40, .kernel = 1, .stride = 1, .padding = 0, .dilation = 1, .groups = 1},
      {.in_channels = 3072, .out_channels = 40, .kernel = 1, .stride = 1, .padding = 0, .dilation = 1, .groups = 1},
      {.in_channels = 4100, .out_channels = 33, .kernel = 1, .stride = 1, .padding = 0, .dilation = 1, .groups = 1},
      {.in_channels = 400, .out_channels = 35, .kernel = 3, .stride = 2, .padding = 1, .dilation = 1, .groups = 1},
      {.in_channels = 512, .out_channels = 70, .kernel = 1, .stride = 2, .padding = 0, .dilation = 1, .groups = 1},
      {.in_channels = 3, .out_channels = 64, .kernel = 7, .stride = 2, .padding = 3, .dilation = 1, .groups = 1},
      {.in_channels = 64, .out_channels = 200, .kernel = 3, .stride = 1, .padding = 1, .dilation = 1, .groups = 1},
      {.in_channels = 128, .out_channels = 128, .kernel = 3, .stride = 2, .padding = 1, .dilation = 1, .groups = 32},
  };
  error e = {""};
  struct threads *pool = threads_start(2, &e);
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    struct random random = {7};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
      check_conv(kernels_find(*isa), pool, &random, shapes[i], 2, 15, 17);
    }
  }
  threads_stop(pool);
}

/* Winograd's sums cancel: its error is measured against the largest output, not against one element. */
TEST(winograd_equals_the_reference) {
  error e = {""};
  /* Nine are more than a small image's tasks. */
  struct threads *pools[2] = {threads_start(2, &e), threads_start(9, &e)};
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    const struct kernels *kernels = kernels_find(*isa);
    struct random random = {21};
    for (int i = 0; i < 32 && kernels->winograd_input[0]; i++) {
      struct threads *pool = pools[i / 4 % 2];
      enum winograd_form form = i % 4 < 2 ? WINOGRAD_4 : WINOGRAD_2;
      struct conv_shape shape = {.in_channels = random_between(&random, 32, 80),
                                 .out_channels = random_between(&random, 32, 90),
                                 .kernel = 3,
                                 .stride = 1,
                                 .padding = 1,
                                 .dilation = 1,
                                 .groups = 1};
      int batch = random_between(&random, 1, 2), height = random_between(&random, 2, 24);
      int width = random_between(&random, 2, 24);
      size_t in_floats = (size_t)(batch * height * width * shape.in_channels);
      size_t out_floats = (size_t)(batch * height * width * shape.out_channels);
      float *in = random_floats(&random, in_floats), *bias = random_floats(&random, (size_t)shape.out_channels);
      float *weight = random_floats(&random, (size_t)(shape.out_channels * shape.in_channels * 9));
      float *residual = i & 1 ? random_floats(&random, out_floats) : NULL, *expected = malloc(out_floats * 4);
      enum activation activation = i & 2 ? ACTIVATION_RELU : ACTIVATION_NONE;
      struct guarded out = guarded_new(out_floats);
      reference_conv(&shape, in, batch, height, width, weight, bias, residual, activation, expected);
      struct packed_winograd *packed = winograd_pack(kernels, &shape, form, weight, bias, &e);
      REQUIRE(packed && threads_reserve_scratch(pool, winograd_scratch_bytes(packed), &e) == OK);
      winograd_run(pool, packed, batch, height, width, in, residual, out.data, activation);
      double most = 0;
      for (size_t j = 0; j < out_floats; j++) most = fmax(most, fabs((double)expected[j]));
      CHECK_ALL_NEAR(out.data, expected, out_floats, (form == WINOGRAD_4 ? 1e-5 : 2e-6) * most);
      CHECK(guards_hold(&out));
      winograd_release(packed);
      free(in);
      free(bias);
      free(weight);
      free(residual);
      free(expected);
      free(out.memory);
    }
  }
  threads_stop(pools[0]);
  threads_stop(pools[1]);
}

/* The layers of ResNet, and what is no such layer. */
TEST(winograd_is_chosen_by_shape) {
  const struct kernels *kernels = kernels_select(NULL);
  if (!kernels->winograd_input[0]) SKIP("%s kernels sum directly", kernels->isa);
  struct conv_shape shape = {64, 64, 3, 1, 1, 1, 1};
  enum winograd_form form;
  CHECK(winograd_pays(kernels, &shape, 56, 56, &form) && form == WINOGRAD_4);
  shape.in_channels = shape.out_channels = 256;
  CHECK(winograd_pays(kernels, &shape, 14, 14, &form) && form == WINOGRAD_4);
  shape.in_channels = shape.out_channels = 512;
  CHECK(winograd_pays(kernels, &shape, 7, 7, &form) && form == WINOGRAD_2);
  CHECK(!winograd_pays(kernels, &shape, 1, 1, &form));
  shape.stride = 2;
  CHECK(!winograd_pays(kernels, &shape, 56, 56, &form));
  shape.stride = 1, shape.in_channels = 8;
  CHECK(!winograd_pays(kernels, &shape, 56, 56, &form));
}

TEST(matrix_products_equal_the_reference) {
  error e = {""};
  struct threads *pool = threads_start(2, &e);
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    const struct kernels *kernels = kernels_find(*isa);
    struct random random = {3};
    for (int i = 0; i < 60; i++) {
      int m = random_between(&random, 1, 40), n = random_between(&random, 1, 100), k = random_between(&random, 1, 300);
      int stride = k + random_between(&random, 0, 9);
      float *a = random_floats(&random, (size_t)(m * stride)), *b = random_floats(&random, (size_t)(n * k));
      float *tight = malloc((size_t)(m * k) * sizeof(float)), *expected = malloc((size_t)(m * n) * sizeof(float));
      for (int r = 0; r < m; r++) memcpy(tight + r * k, a + r * stride, (size_t)k * sizeof(float));
      reference_gemm(m, n, k, tight, b, NULL, NULL, ACTIVATION_NONE, expected);
      struct conv_shape shape = {
          .in_channels = k, .out_channels = n, .kernel = 1, .stride = 1, .dilation = 1, .groups = 1};
      struct packed_conv *packed = conv_pack(kernels, &shape, b, NULL, &e);
      struct guarded c = guarded_new((size_t)(m * n));
      REQUIRE(packed && threads_reserve_scratch(pool, conv_scratch_bytes(packed), &e) == OK);
      gemm_run(pool, packed, m, a, stride, NULL, c.data, ACTIVATION_NONE);
      CHECK_ALL_NEAR(c.data, expected, (size_t)(m * n), tolerance_for(k));
      CHECK(guards_hold(&c));
      conv_release(packed);
      free(a);
      free(b);
      free(tight);
      free(expected);
      free(c.memory);
    }
  }
  threads_stop(pool);
}

/* Some columns of a product, of rows that lie far apart: the bits of the whole product, and nothing beside them. */
TEST(columns_of_a_product_are_those_of_the_whole) {
  enum { M = 23, K = 70, N = 128, FIRST = 32, COLUMNS = 64, APART = 3 };
  error e = {""};
  struct threads *pool = threads_start(2, &e);
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    const struct kernels *kernels = kernels_find(*isa);
    struct random random = {37};
    float *a = random_floats(&random, M * K * APART), *b = random_floats(&random, N * K);
    float *bias = random_floats(&random, N);
    struct conv_shape shape = {
        .in_channels = K, .out_channels = N, .kernel = 1, .stride = 1, .dilation = 1, .groups = 1};
    struct packed_conv *packed = conv_pack(kernels, &shape, b, bias, &e);
    REQUIRE(packed && threads_reserve_scratch(pool, conv_scratch_bytes(packed), &e) == OK);
    struct guarded whole = guarded_new(M * N), part = guarded_new(M * N * APART);
    gemm_run(pool, packed, M, a, K * APART, NULL, whole.data, ACTIVATION_RELU);
    struct conv_run run = {.packed = packed,
                           .batch = M,
                           .height = 1,
                           .width = 1,
                           .in = a,
                           .in_stride = K * APART,
                           .out = part.data,
                           .out_stride = N * APART,
                           .activation = ACTIVATION_RELU,
                           .first_column = FIRST,
                           .columns = COLUMNS};
    conv_run(pool, &run);
    bool right = guards_hold(&part);
    for (int i = 0; i < M * N * APART; i++) {
      int row = i / (N * APART), column = i % (N * APART);
      bool inside = column >= FIRST && column < FIRST + COLUMNS;
      right &= inside ? part.data[i] == whole.data[row * N + column] : isnan(part.data[i]);
    }
    CHECK_MSG(right, "%s", *isa);
    conv_release(packed);
    free(a);
    free(b);
    free(bias);
    free(whole.memory);
    free(part.memory);
  }
  threads_stop(pool);
}

/* A hidden layer whose pixels lie a line further apart than dense, so that its rows do not collide in L1: written, read
 * in place, and read densely, the same bits; what lies between the pixels is left alone. */
TEST(products_of_pixels_that_lie_apart_are_the_same) {
  enum { M = 31, K = 1024, N = 45, GAP = 16 };
  error e = {""};
  struct threads *pool = threads_start(2, &e);
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    struct random random = {31};
    float *in = random_floats(&random, M * N), *up = random_floats(&random, K * N),
          *down = random_floats(&random, N * K);
    struct conv_shape wider = {N, K, 1, 1, 0, 1, 1}, narrower = {K, N, 1, 1, 0, 1, 1};
    struct packed_conv *first = conv_pack(kernels_find(*isa), &wider, up, NULL, &e),
                       *second = conv_pack(kernels_find(*isa), &narrower, down, NULL, &e);
    REQUIRE(first && second && threads_reserve_scratch(pool, conv_scratch_bytes(first), &e) == OK &&
            threads_reserve_scratch(pool, conv_scratch_bytes(second), &e) == OK);
    struct guarded hidden = guarded_new(M * K), apart = guarded_new(M * (K + GAP)), out[2];
    struct guarded before = guarded_new(M * (K + GAP));
    for (int i = 0; i < 2; i++) out[i] = guarded_new(M * (N + 3));
    struct conv_run run = {.packed = first, .batch = 1, .height = 1, .width = M, .in = in, .out = hidden.data};
    conv_run(pool, &run);
    run.out = apart.data, run.out_stride = K + GAP;
    conv_run(pool, &run);
    for (int r = 0; r < M; r++) {
      CHECK(!memcmp(apart.data + r * (K + GAP), hidden.data + r * K, K * sizeof(float)));
      CHECK(!memcmp(apart.data + r * (K + GAP) + K, before.data + r * (K + GAP) + K, GAP * sizeof(float)));
    }
    for (int i = 0; i < 2; i++) {
      run = (struct conv_run){.packed = second,
                              .batch = 1,
                              .height = 1,
                              .width = M,
                              .in = i ? apart.data : hidden.data,
                              .in_stride = i ? K + GAP : K,
                              .residual = in,
                              .out = out[i].data};
      conv_run(pool, &run);
    }
    CHECK(!memcmp(out[0].data, out[1].data, M * N * sizeof(float)));
    float *residual = out[1].data;
    for (int r = M - 1; r >= 0; r--) memmove(residual + r * (N + 3), in + r * N, N * sizeof(float));
    run.residual = run.out = residual, run.out_stride = N + 3;
    conv_run(pool, &run);
    for (int r = 0; r < M; r++) CHECK(!memcmp(residual + r * (N + 3), out[0].data + r * N, N * sizeof(float)));
    CHECK(guards_hold(&hidden) && guards_hold(&apart) && guards_hold(&out[0]) && guards_hold(&out[1]));
    struct guarded *all[] = {&hidden, &apart, &before, &out[0], &out[1]};
    for (int i = 0; i < 5; i++) free(all[i]->memory);
    conv_release(first);
    conv_release(second);
    free(in);
    free(up);
    free(down);
  }
  threads_stop(pool);
}

TEST(nan_passes_through_relu) {
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    error e = {""};
    struct threads *pool = threads_start(1, &e);
    float in[3] = {NAN, -1, 1}, weight[20], out[60];
    for (int i = 0; i < 20; i++) weight[i] = 1;
    struct conv_shape shape = {
        .in_channels = 1, .out_channels = 20, .kernel = 1, .stride = 1, .dilation = 1, .groups = 1};
    struct packed_conv *packed = conv_pack(kernels_find(*isa), &shape, weight, NULL, &e);
    REQUIRE(packed && threads_reserve_scratch(pool, conv_scratch_bytes(packed), &e) == OK);
    gemm_run(pool, packed, 3, in, 0, NULL, out, ACTIVATION_RELU);
    for (int i = 0; i < 20; i++) CHECK(isnan(out[i]) && out[20 + i] == 0 && out[40 + i] == 1);
    conv_release(packed);
    threads_stop(pool);
  }
}

TEST(pooling_equals_the_reference) {
  error e = {""};
  struct threads *pool = threads_start(2, &e);
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    const struct kernels *kernels = kernels_find(*isa);
    struct random random = {9};
    for (int i = 0; i < 60; i++) {
      int batch = random_between(&random, 1, 3), height = random_between(&random, 3, 20);
      int width = random_between(&random, 3, 20), channels = random_between(&random, 1, 90);
      int kernel = random_between(&random, 1, 3), stride = random_between(&random, 1, 3);
      int padding = kernel > 1 ? random_between(&random, 0, kernel / 2) : 0;
      size_t pixels = (size_t)(height * width);
      float *in = random_floats(&random, (size_t)(batch * channels) * pixels);
      int oh = (height + 2 * padding - kernel) / stride + 1, ow = (width + 2 * padding - kernel) / stride + 1;
      size_t pooled = (size_t)(batch * oh * ow * channels);
      struct guarded out = guarded_new(pooled), mean = guarded_new((size_t)(batch * channels));
      float *expected = malloc((pooled + (size_t)(batch * channels)) * sizeof(float));
      reference_max_pool(in, batch, height, width, channels, kernel, stride, padding, expected);
      max_pool(kernels, pool, in, batch, height, width, channels, kernel, stride, padding, out.data);
      CHECK_ALL_NEAR(out.data, expected, pooled, 0);
      reference_mean(in, batch, (int)pixels, channels, expected);
      global_average_pool(kernels, pool, in, batch, (int)pixels, channels, mean.data);
      CHECK_ALL_NEAR(mean.data, expected, (size_t)(batch * channels), 1e-6);
      CHECK(guards_hold(&out) && guards_hold(&mean));
      free(in);
      free(expected);
      free(out.memory);
      free(mean.memory);
    }
  }
  threads_stop(pool);
}

TEST(pad_shortcut_subsamples_and_pads) {
  /* 3x3 pixels of 2 channels, stride 2, to 5 channels: (5 - 2) / 2 = 1 zero before, 2 behind. */
  float in[18], out[20];
  for (int i = 0; i < 18; i++) in[i] = (float)(i + 1);
  pad_shortcut(NULL, in, 1, 3, 3, 2, 2, 5, out);
  static const float expected[20] = {0, 1, 2, 0, 0, 0, 5, 6, 0, 0, 0, 13, 14, 0, 0, 0, 17, 18, 0, 0};
  CHECK_ALL_NEAR(out, expected, 20, 0);
}

TEST(impossible_convolutions_are_refused) {
  float weight[64] = {0};
  static const struct conv_shape bad[] = {
      {.in_channels = 0, .out_channels = 1, .kernel = 1, .stride = 1, .dilation = 1, .groups = 1},
      {.in_channels = 3, .out_channels = 4, .kernel = 1, .stride = 1, .dilation = 1, .groups = 2},
      {.in_channels = 1, .out_channels = 1, .kernel = 1, .stride = 0, .dilation = 1, .groups = 1},
      {.in_channels = 1, .out_channels = 1, .kernel = 3, .stride = 1, .padding = 3, .dilation = 1, .groups = 1},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    error e = {""};
    CHECK(conv_pack(kernels_find("plain"), &bad[i], weight, NULL, &e) == NULL);
    CHECK_CONTAINS(e.message, "convolution");
  }
}
