/* Tables of positions: learned ones resampled to another grid, and rotary ones. */
#ifndef MODELS_POSITION_H
#define MODELS_POSITION_H

#include "kernels/error.h"

struct grid {
  int height, width;
};

/* Side of the square whose area is n, 0 when n is no square. */
int square_side(int n);

/* table [from.height, from.width, channels] -> [to.height, to.width, channels] (free() it): a copy when the grids
 * agree, else bicubic (a = -0.5) with antialiasing as torch.nn.functional.interpolate(mode="bicubic", antialias=True,
 * align_corners=False), which timm uses. NULL when memory runs short. */
float *position_resample(const float *table, struct grid from, struct grid to, int channels, error *e);

/* DINOv3's rotary tables, cosines and sines [height * width, head_size] each: coordinates of the patches' centres in
 * [-1, 1] along both axes, periods temperature^(2 i / (head_size / 2)), angles 2 pi x / period, first those of y then
 * of x, and all of it twice (Simeoni et al. 2025; timm's RotaryEmbeddingDinoV3). head_size is a multiple of 4. */
void position_rotary(struct grid grid, int head_size, double temperature, float *cosines, float *sines);

#endif
