/* Multi-head attention (Vaswani et al. 2017) over tokens as rows, whole or in (shifted) windows of a map (Liu et al.
 * 2021), with the variants that image backbones use. Nothing is moved: heads, windows and shifts are addresses. */
#ifndef KERNELS_ATTENTION_H
#define KERNELS_ATTENTION_H

#include <stdbool.h>

#include "kernels/kernels.h"
#include "kernels/threads.h"

/* What stays the same from run to run. Pointers are the caller's and must outlive the runs. */
struct attention_shape {
  int heads, head_size;
  int queries, keys; /* tokens of an image (of all its windows together) */
  /* Windows: of window_height * window_width tokens of a map_height x map_width map, rows of tokens as they lie in the
   * map, the map rolled up and left by shift (cyclic): then queries = keys = map_height * map_width. 0: all tokens see
   * each other. Windows divide the map. A shift keeps tokens apart that were no neighbours before it: their logits get
   * -100 (Swin). */
  int window_height, window_width, map_height, map_width, shift_y, shift_x;
  float scale;             /* of logits, where head_scale is NULL */
  const float *head_scale; /* [heads] */
  bool cosine;             /* q and k are divided by max(their 2-norm, 1e-12) first (Swin v2) */
  const float *bias;       /* [heads, n, n] added to logits, n: tokens of a window; or NULL */
  /* The same by the key's offset from the query, [heads, 2 window_height - 1, 2 window_width - 1], the offset of no
   * step in the middle: much smaller for large windows, a little slower for small ones. Or NULL. */
  const float *relative_bias;
  /* Rotary positions (Su et al. 2021, by halves as DINOv3): of tokens [rope_first, keys), [tokens, head_size] each:
   * x * cos + rotate_half(x) * sin, where rotate_half(x) = (-x[d/2..d), x[0..d/2)); NULL: none. q, k alike. */
  const float *rope_cos, *rope_sin;
  int rope_first;
};

/* q: [batch, queries, heads * head_size], tokens q_stride floats apart; k and v likewise [batch, keys, ...],
 * kv_stride apart (slices of one fused projection). out: [batch, queries, heads * head_size], packed, apart from q, k,
 * v. q_image_stride: floats from an image's q to the next one's; 0 with one set of queries for all images.
 * out_image_stride: likewise; 0: packed. */
struct attention_run {
  const struct attention_shape *shape;
  int batch;
  const float *q, *k, *v;
  ptrdiff_t q_stride, kv_stride, q_image_stride, kv_image_stride;
  float *out;
  ptrdiff_t out_image_stride;
};

/* FAILED names what makes no sense: sizes out of range, a window that does not divide the map ... */
int attention_check(const struct attention_shape *shape, error *e);
/* Scratch that attention_run() wants of every thread: threads_reserve_scratch() before. */
size_t attention_scratch_bytes(const struct kernels *kernels, const struct attention_shape *shape);
/* The result of an image depends on nothing but its own tokens: not on batch, threads or place in the batch. */
void attention_run(const struct kernels *kernels, struct threads *pool, const struct attention_run *run);

#endif
