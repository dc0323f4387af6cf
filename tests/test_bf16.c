/* Products whose factors are rounded to bfloat16: every instruction set's tile against the sums in double of the same
 * rounded factors, whole models against themselves in single precision, and the option that asks for it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backbones.h"
#include "kernels/conv.h"
#include "kernels/dtype.h"
#include "kernels/reference/reference.h"
#include "models/model.h"
#include "tests/amx_emulator.h"
#include "tests/guarded.h"
#include "tests/harness.h"

/* The nearest bfloat16 of each value, as a float. */
static float *rounded(const float *values, size_t n) {
  float *result = malloc(n * sizeof *result);
  for (size_t i = 0; i < n; i++) {
    uint16_t bits;
    float_to_bf16(&values[i], &bits, 1);
    dtype_to_float(DTYPE_BF16, &bits, &result[i], 1);
  }
  return result;
}

enum { MOST_WAYS = 3 };

/* The ways of a table, as far as they run here, AMX's emulated where the CPU has none; ended by NULL. */
static void ways_of(const struct kernels *kernels, const struct bf16_kernels *ways[MOST_WAYS + 1]) {
  const struct bf16_kernels **way = ways;
  *way++ = kernels->bf16_widened;
  if (kernels_bf16(kernels) != kernels->bf16_widened) {
    *way++ = kernels->bf16_pairs;
    if (kernels->bf16_tiles) *way++ = kernels->bf16_tiles;
    if (kernels->bf16_tiles && kernels_bf16(kernels) != kernels->bf16_tiles) amx_emulate();
  }
  *way = NULL;
}

static void check_conv(const struct kernels *kernels, const struct bf16_kernels *bf16, struct threads *pool,
                       struct random *random, struct conv_shape shape, int height, int width) {
  int oh = conv_output_size(&shape, height), ow = conv_output_size(&shape, width);
  if (oh < 1 || ow < 1) return;
  enum { BATCH = 2 };
  int terms = shape.in_channels / shape.groups * shape.kernel * shape.kernel;
  size_t in_floats = (size_t)(BATCH * height * width * shape.in_channels);
  size_t out_floats = (size_t)(BATCH * oh * ow * shape.out_channels);
  size_t weight_floats = (size_t)(shape.out_channels * terms);
  float *in = random_floats(random, in_floats), *weight = random_floats(random, weight_floats);
  float *in_rounded = rounded(in, in_floats), *weight_rounded = rounded(weight, weight_floats);
  float *bias = random_floats(random, (size_t)shape.out_channels), *residual = random_floats(random, out_floats);
  float *expected = malloc(out_floats * sizeof *expected);
  struct guarded out = guarded_new(out_floats);
  reference_conv(&shape, in_rounded, BATCH, height, width, weight_rounded, bias, residual, ACTIVATION_RELU, expected);
  error e = {""};
  struct packed_conv *packed = conv_pack(kernels, &shape, weight, bias, &e);
  if (CHECK_MSG(packed && conv_round_to_bf16(packed, bf16, &e) == OK, "%s", e.message) &&
      CHECK(threads_reserve_scratch(pool, conv_scratch_bytes(packed), &e) == OK)) {
    struct conv_run run = {.packed = packed,
                           .batch = BATCH,
                           .height = height,
                           .width = width,
                           .in = in,
                           .residual = residual,
                           .out = out.data,
                           .activation = ACTIVATION_RELU};
    conv_run(pool, &run);
    bool near = CHECK_ALL_NEAR(out.data, expected, out_floats, 3e-6 * sqrt((double)terms) + 1e-6);
    CHECK_MSG(near && guards_hold(&out), "%s: %d to %d channels, kernel %d, stride %d, padding %d, groups %d, %dx%d",
              bf16->name, shape.in_channels, shape.out_channels, shape.kernel, shape.stride, shape.padding,
              shape.groups, height, width);
  }
  conv_release(packed);
  free(in);
  free(weight);
  free(in_rounded);
  free(weight_rounded);
  free(bias);
  free(residual);
  free(expected);
  free(out.memory);
}

TEST(bf16_convolutions_equal_the_reference) {
  error e = {""};
  struct threads *pool = threads_start(2, &e);
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    const struct kernels *kernels = kernels_find(*isa);
    const struct bf16_kernels *ways[MOST_WAYS + 1];
    ways_of(kernels, ways);
    for (int way = 0; ways[way]; way++) {
      struct random random = {17};
      for (int i = 0; i < 60; i++) {
        int groups = i % 5 == 4 ? 4 : 1, kernel = 1 + 2 * random_between(&random, 0, i % 3 == 2 ? 3 : 0);
        struct conv_shape shape = {.in_channels = groups * random_between(&random, 1, 70),
                                   .out_channels = groups * random_between(&random, 1, 70),
                                   .kernel = kernel,
                                   .stride = random_between(&random, 1, 2),
                                   .padding = kernel / 2,
                                   .dilation = 1,
                                   .groups = groups};
        check_conv(kernels, ways[way], pool, &random, shape, random_between(&random, 1, 9),
                   random_between(&random, 1, 9));
      }
      struct conv_shape long_rows = {
          .in_channels = 1024, .out_channels = 40, .kernel = 1, .stride = 1, .dilation = 1, .groups = 1};
      check_conv(kernels, ways[way], pool, &random, long_rows, 7, 9);
      struct conv_shape patches = {
          .in_channels = 3, .out_channels = 48, .kernel = 7, .stride = 2, .padding = 3, .dilation = 1, .groups = 1};
      check_conv(kernels, ways[way], pool, &random, patches, 15, 17);
      struct conv_shape wide = {
          .in_channels = 192, .out_channels = 100, .kernel = 1, .stride = 1, .dilation = 1, .groups = 1};
      check_conv(kernels, ways[way], pool, &random, wide, 14, 14);
    }
  }
  threads_stop(pool);
}

/* A layer norm in front, of pixels and of windows: its results round to neighbours now and then, so the tolerance is a
 * bfloat16's. */
TEST(bf16_products_of_normalised_rows_equal_the_reference) {
  enum { SIDE = 6, CHANNELS = 21, OUT = 35 };
  error e = {""};
  struct threads *pool = threads_start(1, &e);
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    const struct kernels *kernels = kernels_find(*isa);
    const struct bf16_kernels *ways[MOST_WAYS + 1];
    ways_of(kernels, ways);
    for (int way = 0; ways[way]; way++) {
      for (int window = 0; window < 2; window++) {
        int kernel = window ? 2 : 1, row = CHANNELS * kernel * kernel, pixels = SIDE * SIDE / (kernel * kernel);
        struct conv_shape shape = {.in_channels = CHANNELS,
                                   .out_channels = OUT,
                                   .kernel = kernel,
                                   .stride = kernel,
                                   .dilation = 1,
                                   .groups = 1};
        struct random random = {(uint64_t)window};
        float *in = random_floats(&random, SIDE * SIDE * CHANNELS), *gamma = random_floats(&random, (size_t)row);
        float *beta = random_floats(&random, (size_t)row), *weight = random_floats(&random, (size_t)(OUT * row));
        float *out[2] = {malloc((size_t)(pixels * OUT) * 4), malloc((size_t)(pixels * OUT) * 4)};
        for (int round = 0; round < 2; round++) {
          struct packed_conv *packed = conv_pack(kernels, &shape, weight, NULL, &e);
          REQUIRE(packed && conv_normalize_input(packed, gamma, beta, 1e-6f, window, &e) == OK);
          REQUIRE(!round || conv_round_to_bf16(packed, ways[way], &e) == OK);
          REQUIRE(threads_reserve_scratch(pool, conv_scratch_bytes(packed), &e) == OK);
          struct conv_run run = {
              .packed = packed, .batch = 1, .height = SIDE, .width = SIDE, .in = in, .out = out[round]};
          conv_run(pool, &run);
          conv_release(packed);
        }
        CHECK_ALL_NEAR(out[1], out[0], (size_t)(pixels * OUT), 0.006 * sqrt((double)row));
        free(in);
        free(gamma);
        free(beta);
        free(weight);
        free(out[0]);
        free(out[1]);
      }
    }
  }
  threads_stop(pool);
}

TEST(bf16_rows_round_to_nearest_even) {
  enum { N = 4099 };
  static float in[N];
  static uint16_t out[N], expected[N];
  struct random random = {5};
  for (int i = 0; i < N; i++) {
    uint32_t bits = (uint32_t)random_bits(&random);
    if (i % 3 == 0) bits &= 0xFFFF8000; /* ties */
    memcpy(&in[i], &bits, sizeof bits);
  }
  in[0] = INFINITY, in[1] = -INFINITY, in[2] = NAN, in[3] = -0.0f, in[4] = 3.4e38f;
  float_to_bf16(in, expected, N);
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    const struct bf16_kernels *ways[MOST_WAYS + 1];
    ways_of(kernels_find(*isa), ways);
    for (int way = 0; ways[way]; way++) {
      ways[way]->round_row(in, N, out);
      for (int i = 0; i < N; i++) {
        bool nan = isnan(in[i]), tiny = !nan && fabsf(in[i]) < 0x1p-126f;
        bool right = nan ? (out[i] & 0x7FFF) > 0x7F80 : tiny && !(out[i] & 0x7FFF) ? true : out[i] == expected[i];
        if (!CHECK_MSG(right, "%s: %a becomes %04x, not %04x", ways[way]->name, (double)in[i], out[i], expected[i]))
          return;
      }
    }
  }
}

/* Features of `batch` random images in one session. */
static void features_of(const struct model *model, struct threads *pool, int batch, float *features) {
  struct model_info info = model_info(model);
  struct random random = {23};
  float *input = random_floats(&random, (size_t)(batch * info.recipe.height * info.recipe.width * 3));
  struct session *session;
  error e = {""};
  if (CHECK_MSG(session_start(&session, model, pool, batch, &e) == OK, "%s", e.message)) {
    session_run(session, input, batch, features, NULL, NULL);
    session_end(session);
  }
  free(input);
}

static double cosine(const float *a, const float *b, int n) {
  double ab = 0, aa = 0, bb = 0;
  for (int i = 0; i < n; i++) {
    ab += (double)a[i] * (double)b[i];
    aa += (double)a[i] * (double)a[i];
    bb += (double)b[i] * (double)b[i];
  }
  return ab / sqrt(aa * bb);
}

TEST(bf16_models_keep_their_features) {
  static const char *const archs[] = {"resnet18", "convnext_atto", "vit_tiny_patch16_224", "swinv2_tiny_window8_256"};
  error e = {""};
  struct threads *one = threads_start(1, &e), *two = threads_start(2, &e);
  for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
    struct model *model;
    struct recipe recipe;
    REQUIRE(architecture_recipe(archs[i], &recipe, &e) == OK);
    recipe.height = recipe.width = 64;
    REQUIRE(model_seeded(&model, archs[i], 1, &recipe, &e) == OK);
    CHECK_STRING(model_dtype(model), "f32");
    int n = model_info(model).features;
    float *exact = malloc((size_t)n * 4), *near = malloc((size_t)n * 4), *both = malloc((size_t)n * 8);
    features_of(model, one, 1, exact);
    CHECK(model_place(model, "cpu:bf16", &e) == OK);
    CHECK_STRING(model_dtype(model), "bf16");
    features_of(model, one, 1, near);
    CHECK_MSG(cosine(exact, near, n) > 0.9995, "%s: cosine %.6f", archs[i], cosine(exact, near, n));
    CHECK_MSG(memcmp(exact, near, (size_t)n * 4) != 0, "%s: nothing was rounded", archs[i]);
    features_of(model, two, 2, both);
    CHECK_MSG(!memcmp(near, both, (size_t)n * 4), "%s: other bits with two threads and images", archs[i]);
    free(exact);
    free(near);
    free(both);
    model_free(model);
  }
  threads_stop(one);
  threads_stop(two);
}

TEST(bf16_is_a_device_of_every_command) {
  error e = {""};
  const char *out = path_join(test_folder(), "features");
  struct run run = RUN("features", "--weights", "seeded:resnet20_cifar", "--data", fixture("jpeg"), "--out", out,
                       "--device", "cpu:bf16", "--crop-mode", "squash", "--json");
  if (CHECK_MSG(run.exit_code == 0, "%s", run.err)) {
    char *meta = read_file(path_join(out, "meta.json"), NULL);
    CHECK_CONTAINS(meta, "bf16\"");
    free(meta);
  }
  run = RUN("bench", "--arch", "resnet20_cifar", "--batch", "1", "--threads", "1", "--seconds", "0.01", "--device",
            "cpu:bf16", "--json");
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.out, "\"dtype\":\"bf16\"");
  struct backbones_options options = {.device = "cpu:bf16"};
  backbones *model = backbones_load("seeded:resnet20_cifar", &options, &e);
  if (CHECK_MSG(model != NULL, "%s", e.message)) CHECK(strstr(backbones_describe(model).isa, "bf16") != NULL);
  backbones_free(model);
  run = RUN("battle", "--weights", "seeded:resnet20_cifar", "--data", test_folder(), "--out", out, "--device", "cuda");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "--device cuda: ");
  run = RUN("bench", "--arch", "resnet20_cifar", "--device", "cpu:f8");
  CHECK(run.exit_code == 2);
  CHECK_CONTAINS(run.err, "cpu:bf16");
}
