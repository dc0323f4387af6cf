/* VP8: from lines of samples to lines of RGB, as libwebp does it: chroma by its "fancy upsampling", which is a triangle
 * filter in both directions, rounded once; colour in 14-bit fixed point. The loops are written for the compiler's
 * vectoriser: 16-bit arithmetic, no tables. */
#include <string.h>

#include "images/vp8_internal.h"

enum { RUN = 64 }; /* pixels that are converted at a time */

void vp8_upsample(const uint8_t *restrict near, const uint8_t *restrict far, int width, uint16_t *restrict sums,
                  uint8_t *restrict out) {
  int n = (width + 1) / 2;
  uint16_t *sum = sums + 1;
  for (int x = 0; x < n; x++) sum[x] = (uint16_t)(3 * near[x] + far[x]);
  sum[-1] = sum[0];
  sum[n] = sum[n - 1];
  for (int x = 0; x < n; x++) {
    out[2 * x] = (uint8_t)((uint16_t)(3 * sum[x] + sum[x - 1] + 8) >> 4);
    out[2 * x + 1] = (uint8_t)((uint16_t)(3 * sum[x] + sum[x + 1] + 8) >> 4);
  }
}

/* sample * factor / 256, rounded down. */
static inline uint16_t product(uint8_t sample, uint16_t factor) {
  uint16_t shifted = (uint16_t)(sample << 8);
  return (uint16_t)((uint32_t)shifted * factor >> 16);
}

static inline uint8_t clamp(int16_t value) {
  int16_t at_least = value < 0 ? 0 : value;
  return (uint8_t)(at_least > 255 ? 255 : at_least);
}

/* ITU-R BT.601 with luma from 16 to 235, in units of 1/64: 1.164 = 19077 / 2^14, 1.596 = 26149, 0.391 = 6419,
 * 0.813 = 13320, 2.018 = 33050. */
static void to_planes(const uint8_t *restrict y, const uint8_t *restrict u, const uint8_t *restrict v,
                      uint8_t *restrict red, uint8_t *restrict green, uint8_t *restrict blue) {
  for (int i = 0; i < RUN; i++) {
    uint16_t luma = product(y[i], 19077);
    int16_t r = (int16_t)(luma + product(v[i], 26149) - 14234);
    int16_t g = (int16_t)(luma - product(u[i], 6419) - product(v[i], 13320) + 8708);
    uint16_t b = (uint16_t)(luma + product(u[i], 33050)); /* beyond 15 bits */
    b = (uint16_t)((b > 17685 ? b : 17685) - 17685);
    red[i] = clamp((int16_t)(r >> 6));
    green[i] = clamp((int16_t)(g >> 6));
    blue[i] = clamp((int16_t)(b >> 6));
  }
}

static void interleave(const uint8_t *red, const uint8_t *green, const uint8_t *blue, int n, uint8_t *rgb) {
  uint32_t pixels[RUN];
  for (int i = 0; i < RUN; i++) pixels[i] = red[i] | (uint32_t)green[i] << 8 | (uint32_t)blue[i] << 16;
  int i = 0;
  for (; i + 3 <= n; i += 2) { /* six bytes of a store of eight, so not the last three pixels */
    uint64_t pair = pixels[i] | (uint64_t)pixels[i + 1] << 24;
    memcpy(rgb + 3 * (size_t)i, &pair, sizeof pair);
  }
  for (; i < n; i++) {
    rgb[3 * i] = red[i];
    rgb[3 * i + 1] = green[i];
    rgb[3 * i + 2] = blue[i];
  }
}

void vp8_convert(const uint8_t *y, const uint8_t *u, const uint8_t *v, int width, uint8_t *rgb) {
  uint8_t red[RUN], green[RUN], blue[RUN];
  for (int x = 0; x < width; x += RUN) {
    to_planes(y + x, u + x, v + x, red, green, blue);
    interleave(red, green, blue, width - x < RUN ? width - x : RUN, rgb + 3 * (size_t)x);
  }
}
