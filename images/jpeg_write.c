#include "images/jpeg_write.h"

#include <stdlib.h>
#include <string.h>

#include "images/jpeg_dct.h"
#include "images/jpeg_internal.h"
#include "kernels/memory.h"

enum { COMPONENTS = 3, MCU = 16 /* pixels a side */, MOST_SIDE = 65500 };

/* One colour, at its own resolution, padded to whole MCUs. */
struct plane {
  uint8_t *samples; /* [height, width] */
  int width, height;
  int blocks_wide, blocks_high; /* that hold samples of the picture; the others repeat the last DC */
};

/* Codes by symbol. */
struct code {
  uint16_t bits[256];
  uint8_t lengths[256];
};

struct encoder {
  struct plane planes[COMPONENTS];
  uint16_t quantisation[2][JPEG_BLOCK]; /* luma, chroma; natural order */
  struct code dc[2], ac[2];
  uint8_t *bytes;
  size_t size, capacity;
  uint64_t buffer; /* bits not yet written, the latest lowest */
  int count;
  bool failed; /* out of memory */
};

/* ---- planes -------------------------------------------------------------------------------------------------------*/

static void to_ycc(const uint8_t *rgb, uint8_t ycc[3]) {
  int r = rgb[0], g = rgb[1], b = rgb[2], half = 1 << 15, middle = (128 << 16) + half - 1;
  ycc[0] = (uint8_t)((19595 * r + 38470 * g + 7471 * b + half) >> 16);
  ycc[1] = (uint8_t)((-11059 * r - 21709 * g + 32768 * b + middle) >> 16);
  ycc[2] = (uint8_t)((32768 * r - 27439 * g - 5329 * b + middle) >> 16);
}

static int nearest(int x, int count) { return x < count ? x : count - 1; }

/* Luma as it is; the last column and row go on. */
static void fill_luma(const struct image *in, struct plane *luma) {
  for (int y = 0; y < luma->height; y++) {
    const uint8_t *line = in->rgb + 3 * (size_t)nearest(y, in->height) * (size_t)in->width;
    uint8_t ycc[3], *to = luma->samples + (size_t)y * (size_t)luma->width;
    for (int x = 0; x < luma->width; x++) {
      to_ycc(line + 3 * (size_t)nearest(x, in->width), ycc);
      to[x] = ycc[0];
    }
  }
}

/* Means of two by two pixels, halves rounded down and up in turn. To the right the picture's last column goes on, below
 * it the last line of means, as in libjpeg. */
static void fill_chroma(const struct image *in, struct plane *planes) {
  int width = planes[1].width, lines = (in->height + 1) / 2;
  for (int y = 0; y < planes[1].height; y++) {
    for (int x = 0; x < width; x++) {
      int sums[3] = {0}, round = x % 2 ? 2 : 1;
      for (int i = 0; i < 4 && y < lines; i++) {
        uint8_t ycc[3];
        size_t row = (size_t)nearest(2 * y + i / 2, in->height), column = (size_t)nearest(2 * x + i % 2, in->width);
        to_ycc(in->rgb + 3 * (row * (size_t)in->width + column), ycc);
        for (int c = 1; c < 3; c++) sums[c] += ycc[c];
      }
      for (int c = 1; c < 3; c++) {
        uint8_t *to = planes[c].samples + (size_t)y * (size_t)width + (size_t)x;
        *to = y < lines ? (uint8_t)((sums[c] + round) >> 2) : to[-(ptrdiff_t)width];
      }
    }
  }
}

static int make_planes(struct encoder *j, const struct image *in, error *e) {
  int mcus_wide = (in->width + MCU - 1) / MCU, mcus_high = (in->height + MCU - 1) / MCU;
  for (int c = 0; c < COMPONENTS; c++) {
    struct plane *p = &j->planes[c];
    int scale = c ? 2 : 1, width = (in->width + scale - 1) / scale, height = (in->height + scale - 1) / scale;
    p->width = mcus_wide * MCU / scale;
    p->height = mcus_high * MCU / scale;
    p->blocks_wide = (width + 7) / 8;
    p->blocks_high = (height + 7) / 8;
    p->samples = allocate((size_t)p->width, (size_t)p->height, e);
    if (!p->samples) return FAILED;
  }
  fill_luma(in, &j->planes[0]);
  fill_chroma(in, j->planes);
  return OK;
}

/* ---- the forward transform ----------------------------------------------------------------------------------------*/

static int32_t descale(int32_t x, int bits) { return (x + (1 << (bits - 1))) >> bits; }

/* One pass over eight values `step` apart (Loeffler, Ligtenberg and Moschytz 1989); the even sums, which have no
 * fraction, are shifted left by `up` or, if that is negative, rounded away; the others lose `down` bits. */
static void forward_pass(int32_t *v, int step, int up, int down) {
  int32_t s[4], d[4];
  for (int i = 0; i < 4; i++) {
    s[i] = v[i * step] + v[(7 - i) * step];
    d[3 - i] = v[i * step] - v[(7 - i) * step]; /* d[0] is that of the middle pair */
  }
  int32_t t0 = s[0] + s[3], t3 = s[0] - s[3], t1 = s[1] + s[2], t2 = s[1] - s[2];
  v[0] = up >= 0 ? (t0 + t1) * (1 << up) : descale(t0 + t1, -up);
  v[4 * step] = up >= 0 ? (t0 - t1) * (1 << up) : descale(t0 - t1, -up);
  int32_t z = (t2 + t3) * F_0_541;
  v[2 * step] = descale(z + t3 * F_0_765, down);
  v[6 * step] = descale(z - t2 * F_1_847, down);
  int32_t z1 = -(d[0] + d[3]) * F_0_899, z2 = -(d[1] + d[2]) * F_2_562;
  int32_t z3 = -(d[0] + d[2]) * F_1_961, z4 = -(d[1] + d[3]) * F_0_390;
  int32_t z5 = (d[0] + d[2] + d[1] + d[3]) * F_1_175;
  v[7 * step] = descale(d[0] * F_0_298 + z1 + z3 + z5, down);
  v[5 * step] = descale(d[1] * F_2_053 + z2 + z4 + z5, down);
  v[3 * step] = descale(d[2] * F_3_072 + z2 + z3 + z5, down);
  v[1 * step] = descale(d[3] * F_1_501 + z1 + z4 + z5, down);
}

/* Quantised coefficients, natural order. */
static void transform(const uint8_t *samples, size_t stride, const uint16_t *quantisation, int *block) {
  int32_t v[JPEG_BLOCK];
  for (size_t i = 0; i < JPEG_BLOCK; i++) v[i] = samples[i / 8 * stride + i % 8] - 128;
  for (int y = 0; y < 8; y++) forward_pass(v + 8 * y, 1, DCT_PASS1_BITS, DCT_CONST_BITS - DCT_PASS1_BITS);
  for (int x = 0; x < 8; x++) forward_pass(v + x, 8, -DCT_PASS1_BITS, DCT_CONST_BITS + DCT_PASS1_BITS);
  for (int i = 0; i < JPEG_BLOCK; i++) {
    int divisor = quantisation[i] * 8, size = v[i] < 0 ? -v[i] : v[i]; /* the transform is scaled by 8 */
    int quotient = (size + divisor / 2) / divisor;
    block[i] = v[i] < 0 ? -quotient : quotient;
  }
}

/* ---- bytes and bits -----------------------------------------------------------------------------------------------*/

static void put_byte(struct encoder *j, int byte) {
  error ignored;
  if (j->failed || grow((void **)&j->bytes, &j->capacity, j->size, 1, &ignored) != OK) {
    j->failed = true;
    return;
  }
  j->bytes[j->size++] = (uint8_t)byte;
}

static void put_two(struct encoder *j, int value) {
  put_byte(j, value >> 8);
  put_byte(j, value & 255);
}

static void put_marker(struct encoder *j, int marker, int length) {
  put_two(j, 0xff00 | marker);
  if (length) put_two(j, length);
}

static void put_bits(struct encoder *j, unsigned bits, int count) {
  j->buffer = j->buffer << count | bits;
  j->count += count;
  while (j->count >= 8) {
    int byte = (int)(j->buffer >> (j->count - 8) & 255);
    put_byte(j, byte);
    if (byte == 255) put_byte(j, 0);
    j->count -= 8;
  }
}

static void put_symbol(struct encoder *j, const struct code *code, int symbol) {
  put_bits(j, code->bits[symbol], code->lengths[symbol]);
}

/* The size of a value and its bits (T.81 tables F.1 and F.2). */
static int size_of(int value) {
  int size = 0;
  for (int rest = value < 0 ? -value : value; rest; rest >>= 1) size++;
  return size;
}

static void put_value(struct encoder *j, int value, int size) {
  if (size) put_bits(j, (unsigned)(value < 0 ? value - 1 : value) & ((1u << size) - 1), size);
}

static void put_block(struct encoder *j, const int *block, int *prediction, const struct code *dc,
                      const struct code *ac) {
  int difference = block[0] - *prediction, size = size_of(difference), run = 0;
  *prediction = block[0];
  put_symbol(j, dc, size);
  put_value(j, difference, size);
  for (int k = 1; k < JPEG_BLOCK; k++) {
    int value = block[jpeg_natural_order[k]];
    if (!value) {
      run++;
      continue;
    }
    for (; run > 15; run -= 16) put_symbol(j, ac, 0xf0);
    size = size_of(value);
    put_symbol(j, ac, run << 4 | size);
    put_value(j, value, size);
    run = 0;
  }
  if (run) put_symbol(j, ac, 0);
}

/* ---- the file -----------------------------------------------------------------------------------------------------*/

/* T.81 annex K.1, natural order. */
static const uint8_t base_tables[2][JPEG_BLOCK] = {
    {16, 11,  10,  16, 24, 40, 51, 61, 12,  12,  14,  19,  26, 58, 60, 55,  14,  13,  16,  24, 40, 57,
     69, 56,  14,  17, 22, 29, 51, 87, 80,  62,  18,  22,  37, 56, 68, 109, 103, 77,  24,  35, 55, 64,
     81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98,  112, 100, 103, 99},
    {17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99,
     99, 99, 47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
     99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99}};

static void scale_tables(struct encoder *j, int quality) {
  int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
  for (int t = 0; t < 2; t++) {
    for (int i = 0; i < JPEG_BLOCK; i++) {
      int value = (base_tables[t][i] * scale + 50) / 100;
      j->quantisation[t][i] = (uint16_t)(value < 1 ? 1 : value > 255 ? 255 : value);
    }
  }
}

static void put_code(struct encoder *j, struct code *code, bool is_dc, int table) {
  struct jpeg_code_lengths lengths;
  jpeg_standard_code(&lengths, is_dc, table);
  int total = 0, next = 0, index = 0;
  for (int i = 0; i < 16; i++) total += lengths.counts[i];
  put_marker(j, 0xc4, 2 + 1 + 16 + total);
  put_byte(j, (is_dc ? 0 : 0x10) | table);
  for (int i = 0; i < 16; i++) put_byte(j, lengths.counts[i]);
  for (int i = 0; i < total; i++) put_byte(j, lengths.symbols[i]);
  for (int length = 1; length <= 16; length++, next <<= 1) {
    for (int i = 0; i < lengths.counts[length - 1]; i++, next++, index++) {
      code->bits[lengths.symbols[index]] = (uint16_t)next;
      code->lengths[lengths.symbols[index]] = (uint8_t)length;
    }
  }
}

static void put_headers(struct encoder *j, const struct image *in) {
  static const uint8_t jfif[14] = {'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0};
  put_marker(j, 0xd8, 0);
  put_marker(j, 0xe0, 2 + (int)sizeof jfif);
  for (size_t i = 0; i < sizeof jfif; i++) put_byte(j, jfif[i]);
  for (int t = 0; t < 2; t++) {
    put_marker(j, 0xdb, 2 + 1 + JPEG_BLOCK);
    put_byte(j, t);
    for (int k = 0; k < JPEG_BLOCK; k++) put_byte(j, j->quantisation[t][jpeg_natural_order[k]]);
  }
  put_marker(j, 0xc0, 8 + 3 * COMPONENTS);
  put_byte(j, 8);
  put_two(j, in->height);
  put_two(j, in->width);
  put_byte(j, COMPONENTS);
  for (int c = 0; c < COMPONENTS; c++) {
    put_byte(j, c + 1);
    put_byte(j, c ? 0x11 : 0x22);
    put_byte(j, c ? 1 : 0);
  }
  for (int t = 0; t < 2; t++) {
    put_code(j, &j->dc[t], true, t);
    put_code(j, &j->ac[t], false, t);
  }
  put_marker(j, 0xda, 6 + 2 * COMPONENTS);
  put_byte(j, COMPONENTS);
  for (int c = 0; c < COMPONENTS; c++) {
    put_byte(j, c + 1);
    put_byte(j, c ? 0x11 : 0x00);
  }
  put_byte(j, 0);
  put_byte(j, JPEG_BLOCK - 1);
  put_byte(j, 0);
}

static void put_scan(struct encoder *j) {
  int predictions[COMPONENTS] = {0}, block[JPEG_BLOCK];
  for (int y = 0; y < j->planes[1].height / 8; y++) {
    for (int x = 0; x < j->planes[1].width / 8; x++) {
      for (int c = 0; c < COMPONENTS; c++) {
        const struct plane *p = &j->planes[c];
        int side = c ? 1 : 2, table = c ? 1 : 0;
        for (int b = 0; b < side * side; b++) {
          int row = y * side + b / side, column = x * side + b % side;
          memset(block, 0, sizeof block);
          block[0] = predictions[c];
          if (row < p->blocks_high && column < p->blocks_wide) {
            const uint8_t *samples = p->samples + (size_t)row * 8 * (size_t)p->width + (size_t)column * 8;
            transform(samples, (size_t)p->width, j->quantisation[table], block);
          }
          put_block(j, block, &predictions[c], &j->dc[table], &j->ac[table]);
        }
      }
    }
  }
  if (j->count) put_bits(j, (1u << (8 - j->count)) - 1, 8 - j->count); /* ones fill the last byte */
  put_marker(j, 0xd9, 0);
}

int jpeg_encode(const struct image *image, int quality, uint8_t **bytes, size_t *size, error *e) {
  *bytes = NULL;
  *size = 0;
  if (image->width < 1 || image->height < 1 || image->width > MOST_SIDE || image->height > MOST_SIDE) {
    return fail(e, "a picture of %dx%d cannot be written as JPEG", image->width, image->height);
  }
  if (quality < 1 || quality > 100) return fail(e, "a JPEG quality of %d is not within 1 to 100", quality);
  struct encoder *j = allocate_zeroed(1, sizeof *j, e);
  if (!j) return FAILED;
  int status = make_planes(j, image, e);
  if (status == OK) {
    scale_tables(j, quality);
    put_headers(j, image);
    put_scan(j);
    if (j->failed) status = fail(e, "out of memory (a JPEG of %zu bytes so far)", j->size);
  }
  if (status == OK) {
    *bytes = j->bytes;
    *size = j->size;
  } else {
    free(j->bytes);
  }
  for (int c = 0; c < COMPONENTS; c++) free(j->planes[c].samples);
  free(j);
  return status;
}
