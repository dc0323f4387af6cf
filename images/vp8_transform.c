/* VP8: inverse transforms (RFC 6386, section 14).
 *
 * Where coefficients are absurdly large, words of 16 bits wrap around as in libwebp's vector code, and the shortcuts
 * for few coefficients, which have 32 bits, do not. */
#include "images/vp8_internal.h"
#include "images/vp8_simd.h"

enum { COS = 20091 /* sqrt(2) cos(pi / 8) - 1, of 65536 */, SIN = 35468 /* sqrt(2) sin(pi / 8) */ };

static inline uint8_t clamp(int value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

void vp8_inverse_walsh(const int16_t input[16], int16_t blocks[][16]) {
  int columns[16];
  for (int i = 0; i < 4; i++) {
    int a = input[i] + input[12 + i], b = input[4 + i] + input[8 + i];
    int c = input[4 + i] - input[8 + i], d = input[i] - input[12 + i];
    columns[i] = a + b;
    columns[4 + i] = c + d;
    columns[8 + i] = a - b;
    columns[12 + i] = d - c;
  }
  for (int i = 0; i < 16; i += 4) {
    int a = columns[i] + 3 + columns[i + 3], b = columns[i + 1] + columns[i + 2];
    int c = columns[i + 1] - columns[i + 2], d = columns[i] + 3 - columns[i + 3];
    blocks[i][0] = (int16_t)((a + b) >> 3);
    blocks[i + 1][0] = (int16_t)((c + d) >> 3);
    blocks[i + 2][0] = (int16_t)((a - b) >> 3);
    blocks[i + 3][0] = (int16_t)((d - c) >> 3);
  }
}

static void add_dc(int dc, uint8_t *samples, size_t stride) {
  int value = (dc + 4) >> 3;
  for (int y = 0; y < 4; y++, samples += stride) {
    for (int x = 0; x < 4; x++) samples[x] = clamp(samples[x] + value);
  }
}

static inline int times_cos(int x) { return ((x * COS) >> 16) + x; }
static inline int times_sin(int x) { return (x * SIN) >> 16; }

/* Only the first coefficient, its right and its lower neighbour are not zero. */
static void add_first_three(const int16_t *coefficients, uint8_t *samples, size_t stride) {
  int dc = coefficients[0] + 4;
  int down[4] = {times_cos(coefficients[4]), times_sin(coefficients[4])};
  int across[4] = {times_cos(coefficients[1]), times_sin(coefficients[1])};
  down[2] = -down[1], down[3] = -down[0];
  across[2] = -across[1], across[3] = -across[0];
  for (int y = 0; y < 4; y++, samples += stride) {
    for (int x = 0; x < 4; x++) samples[x] = clamp(samples[x] + ((dc + down[y] + across[x]) >> 3));
  }
}

/* Four transforms at once; x[i] holds value i of each. */
static inline void transform(words8 x[4]) {
  /* Beyond 15 bits SIN is SIN - 65536, and the product lacks the other factor. */
  words8 cos = words_repeat(COS), sin = words_repeat((int16_t)(SIN - 65536));
  words8 a = words_add(x[0], x[2]), b = words_subtract(x[0], x[2]);
  words8 c = words_add(words_subtract(words_multiply_high(x[1], sin), words_multiply_high(x[3], cos)),
                       words_subtract(x[1], x[3]));
  words8 d =
      words_add(words_add(words_multiply_high(x[1], cos), words_multiply_high(x[3], sin)), words_add(x[1], x[3]));
  x[0] = words_add(a, d);
  x[1] = words_add(b, c);
  x[2] = words_subtract(b, c);
  x[3] = words_subtract(a, d);
}

static void add_full(const int16_t *coefficients, uint8_t *samples, size_t stride) {
  words8 x[4];
  for (int i = 0; i < 4; i++) x[i] = words_load_4(coefficients + 4 * i);
  transform(x);
  words_transpose_4(x);
  x[0] = words_add(x[0], words_repeat(4));
  transform(x);
  for (int i = 0; i < 4; i++) x[i] = words_shift_right_3(x[i]);
  words_transpose_4(x);
  for (int y = 0; y < 4; y++, samples += stride) words_add_to_bytes_4(x[y], samples);
}

void vp8_add_residual(const int16_t coefficients[16], enum vp8_extent extent, uint8_t *samples, size_t stride) {
  switch (extent) {
    case VP8_NOTHING:
      break;
    case VP8_DC_ONLY:
      add_dc(coefficients[0], samples, stride);
      break;
    case VP8_FIRST_THREE:
      add_first_three(coefficients, samples, stride);
      break;
    case VP8_FULL:
      add_full(coefficients, samples, stride);
      break;
  }
}
