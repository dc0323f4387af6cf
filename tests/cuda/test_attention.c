/* Attention in all its variants on the simulated GPU against the reference. */
#include <math.h>
#include <stdlib.h>

#include "kernels/attention.h"
#include "kernels/cuda/kernels.h"
#include "kernels/reference/reference.h"
#include "tests/cuda/kernel_check.h"
#include "tests/cuda/machine.h"
#include "tests/harness.h"

static void launch_attention(const void *context) { cuda_attention(NULL, context); }

static const struct attention_case {
  const char *what;
  struct attention_shape shape;
  bool head_scale, bias, relative_bias, rope, one_query_set;
} cases[] = {
    {"whole", {.heads = 2, .head_size = 64, .queries = 67, .keys = 67, .scale = 0.125f}, .one_query_set = false},
    {"one query", {.heads = 3, .head_size = 24, .queries = 1, .keys = 50, .scale = 0.2f}, .one_query_set = true},
    {"wide heads", {.heads = 1, .head_size = 88, .queries = 35, .keys = 18, .scale = 0.1f}, .bias = false},
    {"odd heads", {.heads = 2, .head_size = 7, .queries = 5, .keys = 5, .scale = 0.3f}, .bias = true},
    {"rotary", {.heads = 2, .head_size = 20, .queries = 40, .keys = 40, .scale = 0.3f, .rope_first = 3}, .rope = true},
    {"cosine, rotary",
     {.heads = 1, .head_size = 12, .queries = 9, .keys = 9, .cosine = true},
     .head_scale = true,
     .rope = true},
    {"windows",
     {.heads = 2,
      .head_size = 32,
      .queries = 56,
      .keys = 56,
      .window_height = 4,
      .window_width = 7,
      .map_height = 8,
      .map_width = 7,
      .scale = 0.2f},
     .bias = true},
    {"shifted windows",
     {.heads = 2,
      .head_size = 16,
      .queries = 64,
      .keys = 64,
      .window_height = 4,
      .window_width = 4,
      .map_height = 8,
      .map_width = 8,
      .shift_y = 2,
      .shift_x = 1,
      .scale = 0.2f},
     .bias = true},
    {"shifted cosine windows",
     {.heads = 2,
      .head_size = 16,
      .queries = 96,
      .keys = 96,
      .window_height = 6,
      .window_width = 8,
      .map_height = 12,
      .map_width = 8,
      .shift_y = 3,
      .cosine = true},
     .head_scale = true,
     .relative_bias = true},
};

static void check_attention(struct random *random, const struct attention_case *c) {
  enum { BATCH = 2 };
  struct attention_shape s = c->shape;
  size_t channels = (size_t)(s.heads * s.head_size), q = (size_t)s.queries, k = (size_t)s.keys;
  size_t window = s.window_height ? (size_t)(s.window_height * s.window_width) : k, heads = (size_t)s.heads;
  size_t relative = (size_t)((2 * s.window_height - 1) * (2 * s.window_width - 1));
  float *queries = machine_random(random, BATCH * q * channels), *out = machine_allocate(BATCH * q * channels);
  float *both = machine_random(random, BATCH * k * 2 * channels), *expected = malloc(BATCH * q * channels * 4);
  float *scales = machine_random(random, heads), *bias = machine_random(random, heads * window * window);
  float *relative_bias = c->relative_bias ? machine_random(random, heads * relative) : NULL;
  size_t turned = (k - (size_t)s.rope_first) * (size_t)s.head_size;
  float *cosines = machine_random(random, turned), *sines = machine_random(random, turned);
  for (size_t h = 0; h < heads; h++) scales[h] = 5 + 3 * scales[h];
  s.head_scale = c->head_scale ? scales : NULL;
  s.bias = c->bias ? bias : NULL;
  s.relative_bias = relative_bias;
  s.rope_cos = c->rope ? cosines : NULL;
  s.rope_sin = c->rope ? sines : NULL;
  struct attention_run run = {.shape = &s,
                              .batch = BATCH,
                              .q = queries,
                              .k = both,
                              .v = both + channels,
                              .q_stride = (ptrdiff_t)channels,
                              .kv_stride = (ptrdiff_t)(2 * channels),
                              .q_image_stride = c->one_query_set ? 0 : (ptrdiff_t)(q * channels),
                              .kv_image_stride = (ptrdiff_t)(2 * k * channels),
                              .out = expected};
  error e;
  REQUIRE(reference_attention(&run, &e) == OK);
  struct cuda_attention p = {.q = run.q,
                             .k = run.k,
                             .v = run.v,
                             .out = out,
                             .q_stride = (size_t)run.q_stride,
                             .kv_stride = (size_t)run.kv_stride,
                             .q_image_stride = (size_t)run.q_image_stride,
                             .kv_image_stride = (size_t)run.kv_image_stride,
                             .batch = BATCH,
                             .heads = s.heads,
                             .head_size = s.head_size,
                             .queries = s.queries,
                             .keys = s.keys,
                             .window_height = s.window_height,
                             .window_width = s.window_width,
                             .map_height = s.map_height,
                             .map_width = s.map_width,
                             .shift_y = s.shift_y,
                             .shift_x = s.shift_x,
                             .scale = s.scale,
                             .cosine = s.cosine,
                             .head_scale = s.head_scale,
                             .bias = s.bias,
                             .relative_bias = s.relative_bias,
                             .rope_cos = s.rope_cos,
                             .rope_sin = s.rope_sin,
                             .rope_first = s.rope_first};
  check_kernel(c->what, launch_attention, &p, out, BATCH * q * channels, expected, 5e-6);
  machine_release(queries);
  machine_release(both);
  machine_release(out);
  machine_release(scales);
  machine_release(bias);
  machine_release(relative_bias);
  machine_release(cosines);
  machine_release(sines);
  free(expected);
}

TEST(cuda_attention_equals_the_reference) {
  struct random random = {10};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_attention(&random, &cases[i]);
}
