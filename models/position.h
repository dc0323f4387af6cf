/* Tables of positions: learned ones resampled to another grid, and rotary ones. */
#ifndef MODELS_POSITION_H
#define MODELS_POSITION_H

#include "kernels/error.h"

struct grid {
  int height, width;
};

/* Side of the square whose area is n, 0 when n is no square. */
int square_side(int n);

/* Bicubic as torch.nn.functional.interpolate(align_corners=False) has it: with antialias=True (a = -0.5, stretched when
 * the grid shrinks: timm), or without (a = -0.75, four neighbours, the border repeated). */
enum resampling { RESAMPLE_ANTIALIASED, RESAMPLE_PLAIN };

/* table [from.height, from.width, channels] -> [to.height, to.width, channels] (free() it): a copy when the grids
 * agree. NULL when memory runs short. */
float *position_resample(const float *table, struct grid from, struct grid to, int channels, enum resampling resampling,
                         error *e);

/* DINOv3's rotary tables, cosines and sines [height * width, head_size] each: coordinates of the patches' centres in
 * [-1, 1] along both axes, periods temperature^(2 i / (head_size / 2)), angles 2 pi x / period, first those of y then
 * of x, and all of it twice (Simeoni et al. 2025; timm's RotaryEmbeddingDinoV3). head_size is a multiple of 4. */
void position_rotary(struct grid grid, int head_size, double temperature, float *cosines, float *sines);

#endif
