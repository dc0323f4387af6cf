/* Winograd's F(2x2, 3x3) and F(4x4, 3x3): 3x3 convolutions of stride 1 with 2.25 and 4 times fewer multiplications, and
 * weights that are 1.8 and 4 times larger (Lavin and Gray 2015). */
#ifndef KERNELS_WINOGRAD_H
#define KERNELS_WINOGRAD_H

#include <stdbool.h>

#include "kernels/conv.h"

struct packed_winograd;

/* Whether one of the forms is a faster way than the direct sum for this layer on these kernels, and which: by a model
 * of products, transforms and weights to be read. A matter of shapes alone, never of the batch, so that bits do not
 * depend on it. */
bool winograd_pays(const struct kernels *kernels, const struct conv_shape *shape, int height, int width,
                   enum winograd_form *best);

/* weight: [out, in, 3, 3], bias: [out] or NULL; the shape one for which winograd_pays() with some form. */
struct packed_winograd *winograd_pack(const struct kernels *kernels, const struct conv_shape *shape,
                                      enum winograd_form form, const float *weight, const float *bias, error *e);
void winograd_release(struct packed_winograd *packed);
/* The side of a tile of outputs: 2 or 4. */
int winograd_tile(const struct packed_winograd *packed);
size_t winograd_packed_bytes(const struct packed_winograd *packed);
/* weight [out, in, 3, 3] as it was packed, but for the rounding of its transform (exact at the corners of the kernel,
 * elsewhere about a unit in the last place of its largest neighbour). winograd_bias: [out] or NULL. */
void winograd_unpack(const struct packed_winograd *packed, float *weight);
const float *winograd_bias(const struct packed_winograd *packed);
size_t winograd_scratch_bytes(const struct packed_winograd *packed);

/* As conv_run(): in [batch, height, width, in], residual (or NULL) and out [batch, height, width, out]. Errors of
 * F(4x4) are some 10 times those of the direct sum, about 1e-5 of the largest output; those of F(2x2) are like the
 * direct sum's. */
void winograd_run(struct threads *pool, const struct packed_winograd *packed, int batch, int height, int width,
                  const float *in, const float *residual, float *out, enum activation activation);

#endif
