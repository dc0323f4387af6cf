/* Which of the many kinds of TIFF pixels these are: those that Pillow opens, but for floats,
 * YCbCr and L*a*b*. */
#include <string.h>

#include "images/byte_order.h"
#include "images/tiff.h"

enum photometric { WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, SEPARATED, YCBCR, CIELAB = 8 };

/* ---- tags ---------------------------------------------------------------------------------------------------- */

int tiff_get(const struct tiff_directory *directory, int tag, int64_t otherwise, int64_t *value, error *e) {
  struct tiff_field field;
  *value = otherwise;
  if (!tiff_find(directory, tag, &field) || tiff_integer(directory, &field, 0, value)) return OK;
  return fail(e, "tag %d is no whole number", tag);
}

struct numbers {
  int64_t values[TIFF_MOST_SAMPLES];
  int count;
};

/* All values; more than TIFF_MOST_SAMPLES of them are told by the count only. */
static int get_numbers(const struct tiff_directory *directory, int tag, struct numbers *numbers, error *e) {
  struct tiff_field field;
  if (!tiff_find(directory, tag, &field)) return OK;
  numbers->count = field.count > TIFF_MOST_SAMPLES ? TIFF_MOST_SAMPLES + 1 : (int)field.count;
  for (int i = 0; i < numbers->count && i < TIFF_MOST_SAMPLES; i++) {
    if (!tiff_integer(directory, &field, (uint64_t)i, &numbers->values[i])) {
      return fail(e, "tag %d is no whole number", tag);
    }
  }
  return OK;
}

struct description {
  int64_t photometric, fill_order, planar;
  int64_t format;       /* 1: unsigned, 2: signed, 3: float; 0: not the same for all samples */
  struct numbers extra; /* samples beyond the colour's */
  int samples;
  int64_t bits; /* of each sample; 0: not the same for all */
};

/* Samples a pixel, and their common bits. One number for several samples stands for all of them; numbers beyond the
 * samples do not matter. */
static int describe_samples(const struct tiff_directory *directory, struct description *d, error *e) {
  struct numbers bits = {{1}, 1};
  int64_t samples;
  if (get_numbers(directory, TIFF_BITS, &bits, e) || tiff_get(directory, TIFF_SAMPLES, 1, &samples, e)) return FAILED;
  /* Unused samples in planes of their own do not matter. */
  int64_t most_extra = 1;
  for (int i = 0; i < d->extra.count && i < TIFF_MOST_SAMPLES; i++) {
    if (i == 0 || d->extra.values[i] > most_extra) most_extra = d->extra.values[i];
  }
  if (d->planar == 2 && most_extra == 0) {
    bits.count = bits.count > d->extra.count ? bits.count - d->extra.count : 0;
    samples -= d->extra.count;
    d->extra.count = 0;
  }
  if (samples < 1 || samples > TIFF_MOST_SAMPLES || (bits.count < samples && bits.count != 1)) {
    return fail(e, "%lld samples a pixel, of %d depths, are not supported", (long long)samples, bits.count);
  }
  d->samples = (int)samples;
  d->bits = bits.values[0];
  for (int i = 1; i < samples && i < bits.count; i++) {
    if (bits.values[i] != d->bits) d->bits = 0;
  }
  return OK;
}

static int describe(const struct tiff_directory *directory, struct description *d, error *e) {
  struct numbers format = {{1}, 1};
  *d = (struct description){0};
  if (tiff_get(directory, TIFF_PHOTOMETRIC, WHITE_IS_ZERO, &d->photometric, e) ||
      tiff_get(directory, TIFF_FILL_ORDER, 1, &d->fill_order, e) ||
      tiff_get(directory, TIFF_PLANAR, 1, &d->planar, e) || get_numbers(directory, TIFF_EXTRA_SAMPLES, &d->extra, e) ||
      get_numbers(directory, TIFF_SAMPLE_FORMAT, &format, e)) {
    return FAILED;
  }
  d->format = format.count > TIFF_MOST_SAMPLES ? 0 : format.values[0];
  for (int i = 1; i < format.count && i < TIFF_MOST_SAMPLES; i++) {
    if (format.values[i] != d->format) d->format = 0;
  }
  return describe_samples(directory, d, e);
}

/* ---- the kinds ----------------------------------------------------------------------------------------------- */

/* Samples beyond the colour's: none, or the first is `first` and the others are 0. */
static bool extra_is(const struct description *d, int colour_samples, int64_t first) {
  if (d->extra.count == 0 || d->samples != colour_samples + d->extra.count || d->extra.values[0] != first) return false;
  for (int i = 1; i < d->extra.count; i++) {
    if (d->extra.values[i] != 0) return false;
  }
  return true;
}

static bool no_extra(const struct description *d, int samples) { return d->extra.count == 0 && d->samples == samples; }

enum { UNUSED = 0, PREMULTIPLIED = 1, ALPHA = 2, COREL_ALPHA = 999 };

/* Gray of up to 8 bits. */
static bool choose_gray(struct tiff_layout *layout, const struct description *d) {
  bool alone = no_extra(d, 1) && (d->bits == 1 || d->bits == 2 || d->bits == 4 || d->bits == 8);
  bool with_alpha = d->samples == 2 && d->bits == 8 && extra_is(d, 1, ALPHA) && d->photometric == BLACK_IS_ZERO;
  if (!alone && !with_alpha) return false;
  if (with_alpha && (d->fill_order != 1 || d->format != 1)) return false;
  bool is_signed = d->format == 2 && d->bits == 8 && d->photometric == BLACK_IS_ZERO && d->fill_order == 1;
  if (d->format != 1 && !is_signed) return false;
  layout->kind = TIFF_INDEX;
  layout->mode = with_alpha ? "LA" : d->bits == 1 ? "1" : "L";
  int most = (1 << d->bits) - 1;
  for (int i = 0; i <= most; i++) {
    int level = (d->photometric == WHITE_IS_ZERO ? most - i : i) * 255 / most;
    memset(layout->palette.rgb[i], level, 4);
  }
  return true;
}

/* Gray of 12, 16 and 32 bits, which Pillow never inverts. */
static bool choose_levels(struct tiff_layout *layout, const struct description *d, bool big_endian) {
  if (!no_extra(d, 1)) return false;
  bool black = d->photometric == BLACK_IS_ZERO, plain = d->fill_order == 1;
  bool known = false;
  if (d->bits == 12) {
    known = black && plain && d->format == 1 && !big_endian;
  } else if (d->bits == 16) {
    known = black && plain && (d->format == 1 || d->format == 2);
    known |= !big_endian && d->format == 1 && (plain || black);
  } else if (d->bits == 32) {
    known = black && plain && (d->format == 2 || (d->format == 1 && !big_endian));
  }
  layout->kind = TIFF_LEVEL;
  layout->big_endian = big_endian;
  layout->is_signed = d->format == 2;
  layout->mode = layout->is_signed || d->bits == 32 ? "I" : big_endian ? "I;16B" : "I;16";
  return known;
}

static bool choose_colour(struct tiff_layout *layout, const struct description *d) {
  if (d->format != 1 || (d->bits != 8 && d->bits != 16)) return false;
  bool plain = d->fill_order == 1, most_16 = d->bits == 8 || d->samples <= 4;
  layout->kind = TIFF_COLOUR;
  layout->mode = "RGB";
  if (no_extra(d, 3)) return plain || d->bits == 8;
  if (!plain || !most_16) return false;
  if (extra_is(d, 3, UNUSED)) return true;
  layout->mode = "RGBA";
  layout->premultiplied = extra_is(d, 3, PREMULTIPLIED);
  layout->unexplained = no_extra(d, 4);
  return layout->premultiplied || layout->unexplained || extra_is(d, 3, ALPHA) ||
         (d->bits == 8 && d->samples == 4 && extra_is(d, 3, COREL_ALPHA));
}

static bool choose_ink(struct tiff_layout *layout, const struct description *d) {
  if (d->format != 1 || d->fill_order != 1) return false;
  layout->kind = TIFF_INK;
  layout->mode = "CMYK";
  if (no_extra(d, 4)) return d->bits == 8 || d->bits == 16;
  return d->bits == 8 && extra_is(d, 4, UNUSED);
}

/* The tag's map is all reds, all greens, all blues, of 16 bits. */
static int choose_palette(struct tiff_layout *layout, const struct description *d,
                          const struct tiff_directory *directory, bool *known, error *e) {
  bool alone = no_extra(d, 1) && (d->bits == 1 || d->bits == 2 || d->bits == 4 || d->bits == 8);
  bool unused = d->fill_order == 1 && d->bits == 8 && d->samples == 2 && extra_is(d, 1, UNUSED);
  bool alpha = d->fill_order == 1 && d->bits == 8 && d->samples == 2 && extra_is(d, 1, ALPHA);
  *known = d->format == 1 && (alone || unused || alpha);
  if (!*known) return OK;
  layout->kind = TIFF_INDEX;
  layout->mode = alpha ? "PA" : "P";
  struct tiff_field field;
  if (!tiff_find(directory, TIFF_COLOUR_MAP, &field)) return fail(e, "a palette without its colours (tag 320)");
  uint64_t colours = field.count / 3;
  if (colours > 256) return fail(e, "a palette of %llu colours", (unsigned long long)colours);
  for (uint64_t i = 0; i < 3 * colours; i++) {
    int64_t value;
    if (!tiff_integer(directory, &field, i, &value)) return fail(e, "tag 320 is no whole number");
    layout->palette.rgb[i % colours][i / colours] = (uint8_t)(value >> 8);
  }
  return OK;
}

static int unsupported(const struct description *d, error *e) {
  static const char *const photometric[] = {"gray", "gray", "RGB", "palette", "mask", "CMYK", "YCbCr", "?", "L*a*b*"};
  const char *name = d->photometric >= 0 && d->photometric <= CIELAB ? photometric[d->photometric] : "?";
  const char *format = d->format == 1 ? "unsigned" : d->format == 2 ? "signed" : d->format == 3 ? "float" : "mixed";
  return fail(e,
              "photometric interpretation %lld (%s), %d %s samples of %lld bits, %d of them extra, fill order %lld: "
              "not supported",
              (long long)d->photometric, name, d->samples, format, (long long)d->bits, d->extra.count,
              (long long)d->fill_order);
}

int tiff_choose_layout(struct tiff_layout *layout, const struct tiff_directory *directory, error *e) {
  struct description d;
  *layout = (struct tiff_layout){.planes = 1};
  if (describe(directory, &d, e)) return FAILED;
  bool known = false;
  if (d.fill_order == 1 || d.fill_order == 2) {
    switch (d.photometric) {
      case WHITE_IS_ZERO:
      case BLACK_IS_ZERO:
        known = choose_gray(layout, &d) || choose_levels(layout, &d, directory->big_endian);
        break;
      case RGB:
        known = choose_colour(layout, &d);
        break;
      case PALETTE:
        if (choose_palette(layout, &d, directory, &known, e)) return FAILED;
        break;
      case SEPARATED:
        known = choose_ink(layout, &d);
        break;
      default:
        break;
    }
  }
  if (!known) return unsupported(&d, e);
  layout->samples = d.samples;
  layout->bits = (int)d.bits;
  layout->reversed = d.fill_order == 2;
  layout->big_endian = directory->big_endian;
  layout->planar = d.planar == 2;
  if (layout->planar) layout->planes = d.samples < TIFF_MOST_PLANES ? d.samples : TIFF_MOST_PLANES;
  return OK;
}

/* ---- pixels -------------------------------------------------------------------------------------------------- */

static uint8_t unmultiplied(unsigned value, unsigned alpha) {
  if (alpha == 0) return 0;
  value = value * 255 / alpha;
  return (uint8_t)(value < 255 ? value : 255);
}

/* round(a * b / 255) */
static unsigned multiplied(unsigned a, unsigned b) {
  unsigned product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/* Of samples `step` bytes apart. */
static void expand_colour(const uint8_t *in, size_t n, size_t pixel, size_t step, bool premultiplied, uint8_t *rgb) {
  if (premultiplied) {
    for (size_t i = 0; i < n; i++, in += pixel, rgb += 3) {
      for (size_t c = 0; c < 3; c++) rgb[c] = unmultiplied(in[c * step], in[3 * step]);
    }
  } else if (pixel == 3) {
    memcpy(rgb, in, 3 * n);
  } else {
    for (size_t i = 0; i < n; i++, in += pixel, rgb += 3) {
      rgb[0] = in[0], rgb[1] = in[step], rgb[2] = in[2 * step];
    }
  }
}

static void expand_ink(const uint8_t *in, size_t n, size_t pixel, size_t step, uint8_t *rgb) {
  for (size_t i = 0; i < n; i++, in += pixel, rgb += 3) {
    unsigned light = 255U - in[3 * step];
    for (size_t c = 0; c < 3; c++) rgb[c] = (uint8_t)(light - multiplied(in[c * step], light));
  }
}

static int64_t level(const struct tiff_layout *layout, const uint8_t *in, size_t i) {
  bool big = layout->big_endian;
  if (layout->bits == 12) {
    const uint8_t *at = in + i / 2 * 3;
    return i % 2 == 0 ? at[0] << 4 | at[1] >> 4 : (at[1] & 15) << 8 | at[2];
  }
  if (layout->bits == 16) {
    uint32_t value = big ? big_endian_16(in + 2 * i) : little_endian_16(in + 2 * i);
    return layout->is_signed ? (int16_t)value : (int64_t)value;
  }
  return (int32_t)(big ? big_endian_32(in + 4 * i) : little_endian_32(in + 4 * i));
}

/* Levels above 255 are white, as Pillow has it. */
static void expand_levels(const struct tiff_layout *layout, const uint8_t *in, size_t n, uint8_t *rgb) {
  for (size_t i = 0; i < n; i++, rgb += 3) {
    int64_t value = level(layout, in, i);
    memset(rgb, value < 0 ? 0 : value < 255 ? (int)value : 255, 3);
  }
}

/* The byte of a sample that counts. */
static const uint8_t *high_byte(const struct tiff_layout *layout, const uint8_t *samples) {
  return samples + (layout->bits == 16 && !layout->big_endian);
}

void tiff_expand_row(const struct tiff_layout *layout, const uint8_t *packed, size_t n, uint8_t *scratch,
                     uint8_t *rgb) {
  if (layout->reversed) {
    tiff_reverse_bits(packed, (n * (size_t)tiff_pixel_bits(layout) + 7) / 8, scratch);
    packed = scratch;
  }
  size_t step = (size_t)layout->bits / 8, pixel = (size_t)layout->samples * step;
  switch (layout->kind) {
    case TIFF_INDEX:
      if (layout->samples > 1) {
        for (size_t i = 0; i < n; i++) scratch[i] = packed[i * pixel];
        packed = scratch;
      }
      palette_expand_packed(&layout->palette, packed, layout->bits, n, rgb);
      break;
    case TIFF_COLOUR:
      expand_colour(high_byte(layout, packed), n, pixel, step, layout->premultiplied, rgb);
      break;
    case TIFF_INK:
      expand_ink(high_byte(layout, packed), n, pixel, step, rgb);
      break;
    case TIFF_LEVEL:
      expand_levels(layout, packed, n, rgb);
      break;
  }
}

void tiff_expand_plane(const struct tiff_layout *layout, const uint8_t *packed, size_t n, int plane, uint8_t *pixels) {
  const uint8_t *in = high_byte(layout, packed);
  size_t step = (size_t)layout->bits / 8;
  for (size_t i = 0; i < n; i++) pixels[4 * i + (size_t)plane] = in[i * step];
}

void tiff_expand_planes(const struct tiff_layout *layout, const uint8_t *pixels, size_t n, uint8_t *rgb) {
  switch (layout->kind) {
    case TIFF_COLOUR:
      expand_colour(pixels, n, 4, 1, layout->premultiplied, rgb);
      break;
    case TIFF_INK:
      expand_ink(pixels, n, 4, 1, rgb);
      break;
    case TIFF_INDEX:
    case TIFF_LEVEL: /* has one sample, so never lies in planes */
      for (size_t i = 0; i < n; i++) memcpy(rgb + 3 * i, layout->palette.rgb[pixels[4 * i]], 3);
      break;
  }
}
