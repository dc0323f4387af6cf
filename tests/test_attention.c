/* Attention on every instruction set against the reference in double: random shapes with odd sizes and tails, windows,
 * shifts, biases, unit length, rotary positions; guard bytes around the result, poisoned scratch. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/attention.h"
#include "kernels/reference/reference.h"
#include "tests/harness.h"

enum { GUARD = 64 };

/* A run, its inputs and its guarded output. */
struct problem {
  struct attention_shape shape;
  struct attention_run run;
  float *q, *kv, *bias, *head_scale, *cos, *sin;
  float *memory, *expected;
  size_t out_floats;
  bool fused; /* q, k and v are slices of one array */
};

static float *random_floats(struct random *random, size_t n, float size) {
  float *values = malloc((n ? n : 1) * sizeof(float));
  random_fill(random, values, n);
  for (size_t i = 0; i < n; i++) values[i] *= size;
  return values;
}

static void problem_free(struct problem *p) {
  free(p->q);
  free(p->kv);
  free(p->bias);
  free(p->head_scale);
  free(p->cos);
  free(p->sin);
  free(p->memory);
  free(p->expected);
  free(p);
}

enum variant { BIAS = 1, COSINE = 2, ROPE = 4, HEAD_SCALE = 8, APART = 16, ONE_Q = 32 };

/* Values of size `size`; q apart from k and v (APART), the same for all images (ONE_Q). */
static struct problem *problem_new(struct random *random, const struct attention_shape *shape, int batch, int variants,
                                   float size) {
  struct problem *p = calloc(1, sizeof *p);
  struct attention_shape *s = &p->shape;
  *s = *shape;
  size_t width = (size_t)(s->heads * s->head_size), keys = (size_t)s->keys, queries = (size_t)s->queries;
  size_t images = (size_t)batch, gap = (size_t)random_between(random, 0, 3);
  size_t n = s->window_height ? (size_t)(s->window_height * s->window_width) : keys;
  if (!(variants & HEAD_SCALE)) s->scale = 1 / sqrtf((float)s->head_size);
  if (variants & HEAD_SCALE) s->head_scale = p->head_scale = random_floats(random, (size_t)s->heads, 5);
  size_t offsets = s->window_height ? (size_t)((2 * s->window_height - 1) * (2 * s->window_width - 1)) : 0;
  bool relative = offsets > 0 && random_between(random, 0, 1);
  if (variants & BIAS) p->bias = random_floats(random, (size_t)s->heads * (relative ? offsets : n * n), 2);
  if (relative)
    s->relative_bias = p->bias;
  else
    s->bias = p->bias;
  s->cosine = variants & COSINE;
  if (variants & ROPE) {
    s->rope_first = random_between(random, 0, s->keys < 5 ? s->keys : 5);
    size_t floats = (keys - (size_t)s->rope_first) * (size_t)s->head_size;
    s->rope_cos = p->cos = random_floats(random, floats, 1);
    s->rope_sin = p->sin = random_floats(random, floats, 1);
  }
  p->run = (struct attention_run){.shape = s, .batch = batch};
  if (variants & (APART | ONE_Q) || queries != keys) {
    size_t q_images = variants & ONE_Q ? 1 : images;
    p->q = random_floats(random, q_images * queries * (width + gap), size);
    p->kv = random_floats(random, images * keys * (2 * width + gap), size);
    p->run.q = p->q;
    p->run.k = p->kv;
    p->run.v = p->kv + width;
    p->run.q_stride = (ptrdiff_t)(width + gap);
    p->run.kv_stride = (ptrdiff_t)(2 * width + gap);
    p->run.q_image_stride = variants & ONE_Q ? 0 : (ptrdiff_t)(queries * (width + gap));
    p->run.kv_image_stride = (ptrdiff_t)(keys * (2 * width + gap));
  } else {
    p->kv = random_floats(random, images * keys * (3 * width + gap), size);
    p->run.q = p->kv;
    p->run.k = p->kv + width;
    p->run.v = p->kv + 2 * width;
    p->run.q_stride = p->run.kv_stride = (ptrdiff_t)(3 * width + gap);
    p->run.q_image_stride = p->run.kv_image_stride = (ptrdiff_t)(keys * (3 * width + gap));
  }
  p->out_floats = images * queries * width;
  p->memory = malloc((p->out_floats + 2 * GUARD) * sizeof(float));
  p->expected = malloc(p->out_floats * sizeof(float));
  p->run.out = p->expected;
  error e = {""};
  CHECK_MSG(attention_check(s, &e) == OK, "%s", e.message);
  CHECK_MSG(reference_attention(&p->run, &e) == OK, "%s", e.message);
  p->run.out = p->memory + GUARD;
  return p;
}

/* Run into an output of NaN with scratch of NaN, and see that nothing beyond that scratch was written. */
static void run_poisoned(const struct kernels *kernels, struct threads *pool, struct problem *p) {
  error e = {""};
  size_t bytes = attention_scratch_bytes(kernels, &p->shape);
  CHECK_MSG(threads_reserve_scratch(pool, bytes + GUARD, &e) == OK, "%s", e.message);
  for (int t = 0; t < threads_count(pool); t++) memset(threads_scratch(pool, t), 0xFF, bytes + GUARD);
  for (size_t i = 0; i < p->out_floats + 2 * GUARD; i++) p->memory[i] = NAN;
  attention_run(kernels, pool, &p->run);
  for (int t = 0; t < threads_count(pool); t++) {
    const unsigned char *beyond = (const unsigned char *)threads_scratch(pool, t) + bytes;
    for (size_t i = 0; i < GUARD; i++) CHECK(beyond[i] == 0xFF);
  }
}

static void check_problem(const struct kernels *kernels, struct threads *pool, struct problem *p) {
  run_poisoned(kernels, pool, p);
  double tolerance = p->head_scale ? 1e-5 : 3e-6; /* a probability is as wrong as its logit, and those grow */
  bool good = CHECK_ALL_NEAR(p->run.out, p->expected, p->out_floats, tolerance);
  for (size_t i = 0; i < GUARD; i++) {
    good &= isnan(p->memory[i]) && isnan(p->memory[GUARD + p->out_floats + i]);
  }
  const struct attention_shape *s = &p->shape;
  CHECK_MSG(good,
            "%s, %d threads: batch %d, %d heads of %d, %d queries, %d keys, windows %dx%d on %dx%d shifted %dx%d, bias "
            "%d, cosine %d, rope %d",
            kernels->isa, threads_count(pool), p->run.batch, s->heads, s->head_size, s->queries, s->keys,
            s->window_height, s->window_width, s->map_height, s->map_width, s->shift_y, s->shift_x, s->bias != NULL,
            s->cosine, s->rope_cos != NULL);
}

static struct attention_shape random_shape(struct random *random) {
  static const int head_sizes[] = {1, 2, 3, 8, 17, 20, 32, 64, 72, 80, 88};
  struct attention_shape s = {.heads = random_between(random, 1, 4),
                              .head_size = head_sizes[random_between(random, 0, 10)]};
  s.queries = random_between(random, 1, random_bits(random) & 1 ? 9 : 75);
  s.keys = random_bits(random) & 1 ? s.queries : random_between(random, 1, 75);
  return s;
}

static struct attention_shape random_windows(struct random *random) {
  static const int head_sizes[] = {4, 6, 16, 32};
  struct attention_shape s = {.heads = random_between(random, 1, 3),
                              .head_size = head_sizes[random_between(random, 0, 3)]};
  s.window_height = random_between(random, 1, 8);
  s.window_width = random_between(random, 1, 8);
  s.map_height = s.window_height * random_between(random, 1, 3);
  s.map_width = s.window_width * random_between(random, 1, 3);
  s.shift_y = random_bits(random) & 1 ? random_between(random, 0, s.window_height - 1) : 0;
  s.shift_x = random_bits(random) & 1 ? random_between(random, 0, s.window_width - 1) : 0;
  s.queries = s.keys = s.map_height * s.map_width;
  return s;
}

static void check_random(struct attention_shape (*shape_of)(struct random *), int rounds) {
  error e = {""};
  struct threads *pools[] = {threads_start(1, &e), threads_start(3, &e)};
  struct random random = {7};
  for (int i = 0; i < rounds; i++) {
    struct attention_shape shape = shape_of(&random);
    int variants = random_between(&random, 0, 63);
    if (shape.queries != shape.keys) variants &= ~(BIAS | ROPE);
    if (shape.head_size % 2) variants &= ~ROPE;
    struct problem *p = problem_new(&random, &shape, random_between(&random, 1, 3), variants, 1);
    for (const char *const *isa = kernels_available(); *isa; isa++) {
      check_problem(kernels_find(*isa), pools[i & 1], p);
    }
    problem_free(p);
  }
  threads_stop(pools[0]);
  threads_stop(pools[1]);
}

TEST(attention_equals_the_reference) { check_random(random_shape, 120); }

TEST(attention_in_windows_equals_the_reference) { check_random(random_windows, 100); }

static const struct attention_shape real_shapes[] = {
    {.heads = 2, .head_size = 64, .queries = 197, .keys = 197},
    {.heads = 1, .head_size = 80, .queries = 257, .keys = 257},
    {.heads = 1, .head_size = 88, .queries = 50, .keys = 50},
    {.heads = 2, .head_size = 64, .queries = 1, .keys = 50},
    {.heads = 3,
     .head_size = 32,
     .queries = 196,
     .keys = 196,
     .window_height = 7,
     .window_width = 7,
     .map_height = 14,
     .map_width = 14,
     .shift_y = 3,
     .shift_x = 3},
    {.heads = 1,
     .head_size = 32,
     .queries = 49,
     .keys = 49,
     .window_height = 7,
     .window_width = 7,
     .map_height = 7,
     .map_width = 7},
    {.heads = 1,
     .head_size = 32,
     .queries = 288,
     .keys = 288,
     .window_height = 12,
     .window_width = 12,
     .map_height = 24,
     .map_width = 12,
     .shift_y = 6},
};
enum { REAL_SHAPES = sizeof real_shapes / sizeof real_shapes[0] };

TEST(attention_of_real_layers_equals_the_reference) {
  error e = {""};
  struct threads *pool = threads_start(2, &e);
  struct random random = {11};
  for (int i = 0; i < REAL_SHAPES; i++) {
    struct problem *p = problem_new(&random, &real_shapes[i], 2, real_shapes[i].queries == 1 ? ONE_Q : BIAS, 1);
    for (const char *const *isa = kernels_available(); *isa; isa++) check_problem(kernels_find(*isa), pool, p);
    problem_free(p);
  }
  threads_stop(pool);
}

/* One image after the other on one thread, then all at once on 1, 2 and 3: the same bits. */
TEST(attention_gives_the_same_bits_for_any_batch_and_threads) {
  error e = {""};
  struct threads *pools[] = {threads_start(1, &e), threads_start(2, &e), threads_start(3, &e)};
  struct random random = {5};
  for (int i = 0; i < REAL_SHAPES; i++) {
    struct problem *p = problem_new(&random, &real_shapes[i], 3, 0, 1);
    float *alone = malloc(p->out_floats * sizeof(float));
    size_t image_floats = p->out_floats / 3;
    for (const char *const *isa = kernels_available(); *isa; isa++) {
      const struct kernels *kernels = kernels_find(*isa);
      run_poisoned(kernels, pools[0], p);
      for (int image = 0; image < 3; image++) {
        struct attention_run run = p->run;
        run.batch = 1;
        run.q += image * run.q_image_stride;
        run.k += image * run.kv_image_stride;
        run.v += image * run.kv_image_stride;
        run.out = alone + (size_t)image * image_floats;
        attention_run(kernels, pools[0], &run);
      }
      for (int t = 0; t < 3; t++) {
        run_poisoned(kernels, pools[t], p);
        CHECK_MSG(!memcmp(p->run.out, alone, p->out_floats * sizeof(float)), "%s, shape %d, %d threads", *isa, i,
                  t + 1);
      }
    }
    free(alone);
    problem_free(p);
  }
  for (int t = 0; t < 3; t++) threads_stop(pools[t]);
}

/* Logits of some 1e4 would overflow without the largest one subtracted; here one key takes all. */
TEST(attention_with_large_logits_does_not_overflow) {
  error e = {""};
  struct threads *pool = threads_start(1, &e);
  struct attention_shape shape = {.heads = 2, .head_size = 16, .queries = 37, .keys = 37};
  struct random random = {3};
  struct problem *p = problem_new(&random, &shape, 1, 0, 100);
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    run_poisoned(kernels_find(*isa), pool, p);
    for (size_t i = 0; i < p->out_floats; i++) CHECK(fabsf(p->run.out[i]) <= 100.001f);
    CHECK_ALL_NEAR(p->run.out, p->expected, p->out_floats, 1);
  }
  problem_free(p);
  float scale[] = {1e4f, -1e4f}, bias[2 * 3 * 3] = {0, 1e4f, -1e4f, -1e4f, -1e4f, -1e4f};
  float qkv[3 * 6] = {1, 1, 1, 1, 3, 4, -1, 1, -1, 1, 5, 6, 0, -1, 0, -1, 7, 8}, out[6], expected[6];
  struct attention_shape extreme = {
      .heads = 2, .head_size = 1, .queries = 3, .keys = 3, .head_scale = scale, .bias = bias};
  struct attention_run run = {&extreme, 1, qkv, qkv + 2, qkv + 4, 6, 6, 18, 18, expected, 0};
  CHECK(reference_attention(&run, &e) == OK);
  run.out = out;
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    const struct kernels *kernels = kernels_find(*isa);
    REQUIRE(threads_reserve_scratch(pool, attention_scratch_bytes(kernels, &extreme), &e) == OK);
    attention_run(kernels, pool, &run);
    CHECK_ALL_NEAR(out, expected, 6, 1e-6);
  }
  threads_stop(pool);
}

/* One late key outweighs those that the softmax looks at first, by e^10 and by more than floats can hold. */
TEST(attention_to_a_late_key_of_any_weight_equals_the_reference) {
  error e = {""};
  struct threads *pool = threads_start(2, &e);
  struct attention_shape shape = {.heads = 2, .head_size = 4, .queries = 90, .keys = 90};
  static const float logits[] = {10, 40, 44, 45, 60, 87, 89, 130, 1e4f, 1e9f, -1e9f};
  struct random random = {17};
  for (size_t i = 0; i < sizeof logits / sizeof logits[0]; i++) {
    struct problem *p = problem_new(&random, &shape, 1, APART, 1);
    for (int query = 0; query < 90; query += 2) p->q[query * p->run.q_stride + 1] = 1;
    p->kv[77 * p->run.kv_stride + 1] = 2 * logits[i];
    p->run.out = p->expected;
    REQUIRE(reference_attention(&p->run, &e) == OK);
    p->run.out = p->memory + GUARD;
    for (const char *const *isa = kernels_available(); *isa; isa++) {
      run_poisoned(kernels_find(*isa), pool, p);
      CHECK_MSG(CHECK_ALL_NEAR(p->run.out, p->expected, p->out_floats, 2e-5), "%s, a logit of %g", *isa,
                (double)logits[i]);
    }
    problem_free(p);
  }
  threads_stop(pool);
}

/* A bias of -infinity forbids a key; a logit that is not a number spoils its own row alone. */
TEST(attention_with_infinite_bias_and_nan) {
  error e = {""};
  struct threads *pool = threads_start(1, &e);
  struct attention_shape shape = {.heads = 1, .head_size = 3, .queries = 41, .keys = 41};
  struct random random = {19};
  struct problem *p = problem_new(&random, &shape, 1, BIAS, 1), *unbiased = problem_new(&random, &shape, 1, 0, 1);
  for (int i = 0; i < 41 * 41; i++) {
    if (i % 41 < 35) p->bias[i] = -INFINITY;
  }
  p->run.out = p->expected;
  REQUIRE(reference_attention(&p->run, &e) == OK);
  p->run.out = p->memory + GUARD;
  unbiased->kv[5 * unbiased->run.q_stride] = NAN; /* query 5 */
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    run_poisoned(kernels_find(*isa), pool, p);
    CHECK_ALL_NEAR(p->run.out, p->expected, p->out_floats, 1e-5);
    run_poisoned(kernels_find(*isa), pool, unbiased);
    for (int i = 0; i < 41 * 3; i++) CHECK(isnan(unbiased->run.out[i]) == (i / 3 == 5));
    CHECK_ALL_NEAR(unbiased->run.out, unbiased->expected, 5 * 3, 1e-5);
  }
  problem_free(p);
  problem_free(unbiased);
  threads_stop(pool);
}

/* A 4x4 map in windows of 2x2, shifted by one: by hand, with values that tell where they come from. */
TEST(attention_keeps_apart_what_the_shift_joined) {
  error e = {""};
  struct threads *pool = threads_start(1, &e);
  float qk[16] = {0}, v[16], out[16];
  for (int i = 0; i < 16; i++) v[i] = (float)i;
  struct attention_shape s = {.heads = 1,
                              .head_size = 1,
                              .queries = 16,
                              .keys = 16,
                              .window_height = 2,
                              .window_width = 2,
                              .map_height = 4,
                              .map_width = 4,
                              .scale = 1};
  struct attention_run run = {&s, 1, qk, qk, v, 1, 1, 16, 16, out, 0};
  /* Means over windows; over the pieces of windows that lie together; with only rows, only columns shifted. */
  static const float whole[] = {2.5f,  2.5f,  4.5f,  4.5f,  2.5f,  2.5f,  4.5f,  4.5f,
                                10.5f, 10.5f, 12.5f, 12.5f, 10.5f, 10.5f, 12.5f, 12.5f};
  static const float both[] = {0, 1.5f, 1.5f, 3, 6, 7.5f, 7.5f, 9, 6, 7.5f, 7.5f, 9, 12, 13.5f, 13.5f, 15};
  static const float rows[] = {0.5f, 0.5f, 2.5f, 2.5f, 6.5f,  6.5f,  8.5f,  8.5f,
                               6.5f, 6.5f, 8.5f, 8.5f, 12.5f, 12.5f, 14.5f, 14.5f};
  static const float columns[] = {2, 3.5f, 3.5f, 5, 2, 3.5f, 3.5f, 5, 10, 11.5f, 11.5f, 13, 10, 11.5f, 11.5f, 13};
  static const struct {
    int shift_y, shift_x;
    const float *expected;
  } cases[] = {{0, 0, whole}, {1, 1, both}, {1, 0, rows}, {0, 1, columns}};
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    const struct kernels *kernels = kernels_find(*isa);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
      s.shift_y = cases[i].shift_y;
      s.shift_x = cases[i].shift_x;
      REQUIRE(threads_reserve_scratch(pool, attention_scratch_bytes(kernels, &s), &e) == OK);
      attention_run(kernels, pool, &run);
      CHECK_ALL_NEAR(out, cases[i].expected, 16, 1e-5);
    }
  }
  threads_stop(pool);
}

static void refuse(struct attention_shape shape, const char *reason) {
  error e = {""};
  CHECK(attention_check(&shape, &e) == FAILED);
  CHECK_CONTAINS(e.message, reason);
}

TEST(attention_of_senseless_shapes_is_refused) {
  const struct attention_shape good = {.heads = 2,
                                       .head_size = 4,
                                       .queries = 16,
                                       .keys = 16,
                                       .window_height = 2,
                                       .window_width = 4,
                                       .map_height = 4,
                                       .map_width = 4,
                                       .shift_y = 1};
  static const float some[1] = {0};
  error e = {""};
  CHECK(attention_check(&good, &e) == OK);
  struct attention_shape s = good;
  s.heads = 0;
  refuse(s, "0 heads");
  s = good;
  s.head_size = 1 << 20;
  refuse(s, "1048576 channels");
  s = good;
  s.queries = -1;
  refuse(s, "-1 queries");
  s.queries = s.keys = 1 << 20;
  refuse(s, "1048576 keys");
  s = good;
  s.keys = s.queries = 12;
  refuse(s, "12 queries and 12 keys on a map of 4x4");
  s = good;
  s.window_height = 3;
  refuse(s, "3x4 do not divide a map of 4x4");
  s.window_height = 0;
  refuse(s, "0x4 do not divide");
  s = good;
  s.map_height = 1 << 30;
  refuse(s, "do not divide a map of 1073741824x4");
  s = good;
  s.shift_y = 2;
  refuse(s, "shifted by 2x0");
  s = good;
  s.shift_x = -1;
  refuse(s, "shifted by 1x-1");
  s = (struct attention_shape){.heads = 1, .head_size = 4, .queries = 1, .keys = 5, .bias = some};
  refuse(s, "a bias for 1 queries and 5 keys");
  s = (struct attention_shape){.heads = 1, .head_size = 4, .queries = 5, .keys = 5, .relative_bias = some};
  refuse(s, "a relative bias beside another or without windows");
  s = (struct attention_shape){.heads = 1, .head_size = 4, .queries = 5, .keys = 5, .rope_cos = some};
  refuse(s, "both a cosine and a sine");
  s.rope_sin = some;
  s.rope_first = 6;
  refuse(s, "from token 6");
  s.rope_first = 1;
  CHECK(attention_check(&s, &e) == OK);
  s.head_size = 3;
  refuse(s, "heads of 3 channels");
}
