/* PNM: PBM, PGM and PPM, plain and binary (P1 to P6; netpbm.sourceforge.net/doc/pnm.html), and PAM (P7).
 *
 * P1 to P6 are read as Pillow reads them: a comment runs from '#' to the end of its line and joins what stands before
 * and after it; samples are scaled by round-half-even(value / maxval * 255); gray of more than 8 bits is scaled to
 * 65535 and then clipped to 255; binary samples beyond maxval are white. Pillow knows no PAM: alpha is dropped, and
 * samples of any width are scaled to 255. Only the first picture of a file is read. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "images/image.h"
#include "kernels/memory.h"

enum { MAX_TOKEN = 10, MAX_SAMPLE = 65535, MAX_CHANNELS = 4 };

struct pnm {
  const uint8_t *bytes;
  size_t size, at;
  int kind; /* the digit after 'P' */
  int64_t width, height;
  int channels; /* samples of a pixel in the file */
  int maxval;
  uint8_t *levels; /* [maxval + 1, or of binary samples 256 or 65536]: what a sample becomes */
};

static bool is_space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static int next_byte(struct pnm *pnm) { return pnm->at < pnm->size ? pnm->bytes[pnm->at++] : -1; }

static void skip_comment(struct pnm *pnm) {
  for (int c = '#'; c != '\n' && c != '\r' && c >= 0;) c = next_byte(pnm);
}

/* A token, without the one white space character after it. */
static int read_token(struct pnm *pnm, char token[MAX_TOKEN + 1], error *e) {
  int length = 0;
  for (;;) {
    int c = next_byte(pnm);
    if (c == '#') {
      skip_comment(pnm);
    } else if (c < 0 || is_space(c)) {
      if (length > 0) break;
      if (c < 0) return fail(e, "truncated: the file ends at byte %zu", pnm->at);
    } else if (length == MAX_TOKEN) {
      return fail(e, "a number of more than %d digits before byte %zu", MAX_TOKEN, pnm->at);
    } else {
      token[length++] = (char)c;
    }
  }
  token[length] = 0;
  return OK;
}

static int read_number(struct pnm *pnm, int64_t *number, error *e) {
  char token[MAX_TOKEN + 1];
  if (read_token(pnm, token, e)) return FAILED;
  *number = 0;
  for (const char *c = token; *c; c++) {
    if (*c < '0' || *c > '9') return fail(e, "not a number before byte %zu", pnm->at);
    *number = *number * 10 + (*c - '0');
  }
  return OK;
}

static int set_maxval(struct pnm *pnm, int64_t maxval, error *e) {
  if (maxval < 1 || maxval > MAX_SAMPLE) {
    return fail(e, "the largest sample (before byte %zu) is not in 1..%d", pnm->at, MAX_SAMPLE);
  }
  pnm->maxval = (int)maxval;
  return OK;
}

/* Lines "KEY value" up to ENDHDR; TUPLTYPE only names what DEPTH already tells. */
static int read_pam_header(struct pnm *pnm, error *e) {
  int64_t depth = 0, maxval = 0;
  for (;;) {
    char key[MAX_TOKEN + 1];
    if (read_token(pnm, key, e)) return FAILED;
    if (strcmp(key, "ENDHDR") == 0) break;
    if (strcmp(key, "TUPLTYPE") == 0) {
      while (pnm->at < pnm->size && pnm->bytes[pnm->at] != '\n') pnm->at++;
      continue;
    }
    int64_t *value = strcmp(key, "WIDTH") == 0    ? &pnm->width
                     : strcmp(key, "HEIGHT") == 0 ? &pnm->height
                     : strcmp(key, "DEPTH") == 0  ? &depth
                     : strcmp(key, "MAXVAL") == 0 ? &maxval
                                                  : NULL;
    if (!value) return fail(e, "an unknown header line before byte %zu", pnm->at);
    if (read_number(pnm, value, e)) return FAILED;
  }
  if (depth < 1 || depth > MAX_CHANNELS) {
    return fail(e, "%lld samples a pixel (DEPTH): only 1 to %d are pictures", (long long)depth, MAX_CHANNELS);
  }
  pnm->channels = (int)depth;
  return set_maxval(pnm, maxval, e);
}

static int read_header(struct pnm *pnm, error *e) {
  pnm->kind = pnm->bytes[1] - '0';
  pnm->at = 3;
  if (pnm->kind == 7) return read_pam_header(pnm, e);
  pnm->channels = pnm->kind == 3 || pnm->kind == 6 ? 3 : 1;
  pnm->maxval = 1;
  int64_t maxval;
  if (read_number(pnm, &pnm->width, e) || read_number(pnm, &pnm->height, e)) return FAILED;
  if (pnm->kind == 1 || pnm->kind == 4) return OK;
  return read_number(pnm, &maxval, e) ? FAILED : set_maxval(pnm, maxval, e);
}

/* ---- samples ------------------------------------------------------------------------------------------------- */

static bool is_bitmap(const struct pnm *pnm) { return pnm->kind == 1 || pnm->kind == 4; }
static bool is_plain(const struct pnm *pnm) { return pnm->kind <= 3; }

static int fill_levels(struct pnm *pnm, error *e) {
  size_t count = pnm->maxval > 255 ? MAX_SAMPLE + 1 : 256;
  pnm->levels = allocate(count, 1, e);
  if (!pnm->levels) return FAILED;
  memset(pnm->levels, 255, count);
  double scale = (pnm->kind == 2 || pnm->kind == 5) && pnm->maxval > 255 ? MAX_SAMPLE : 255;
  for (int value = 0; value <= pnm->maxval; value++) {
    double level = rint((double)value / pnm->maxval * scale);
    pnm->levels[value] = (uint8_t)(level < 255 ? level : 255);
  }
  return OK;
}

static void put_pixel(uint8_t *rgb, const uint8_t *samples, int channels) {
  rgb[0] = samples[0];
  rgb[1] = samples[channels >= 3 ? 1 : 0];
  rgb[2] = samples[channels >= 3 ? 2 : 0];
}

static int read_plain(struct pnm *pnm, struct image *image, error *e) {
  uint8_t samples[MAX_CHANNELS], *end = image->rgb + (size_t)image->width * (size_t)image->height * 3;
  for (uint8_t *rgb = image->rgb; rgb < end; rgb += 3) {
    for (int c = 0; c < pnm->channels; c++) {
      int64_t value;
      if (read_number(pnm, &value, e)) return FAILED;
      if (value > pnm->maxval) return fail(e, "the sample before byte %zu passes %d", pnm->at, pnm->maxval);
      samples[c] = pnm->levels[value];
    }
    put_pixel(rgb, samples, pnm->channels);
  }
  return OK;
}

/* Digits need no space between them. 1 is black. */
static int read_plain_bitmap(struct pnm *pnm, struct image *image, error *e) {
  uint8_t *end = image->rgb + (size_t)image->width * (size_t)image->height * 3;
  for (uint8_t *rgb = image->rgb; rgb < end;) {
    int c = next_byte(pnm);
    if (c < 0) return fail(e, "truncated: the file ends at byte %zu", pnm->at);
    if (c == '#') {
      skip_comment(pnm);
    } else if (c == '0' || c == '1') {
      memset(rgb, c == '0' ? 255 : 0, 3);
      rgb += 3;
    } else if (!is_space(c)) {
      return fail(e, "neither 0 nor 1 at byte %zu", pnm->at - 1);
    }
  }
  return OK;
}

static size_t binary_row_bytes(const struct pnm *pnm) {
  if (is_bitmap(pnm)) return ((size_t)pnm->width + 7) / 8;
  return (size_t)pnm->width * (size_t)pnm->channels * (pnm->maxval > 255 ? 2 : 1);
}

static void read_binary(struct pnm *pnm, struct image *image) {
  const uint8_t *in = pnm->bytes + pnm->at;
  uint8_t *rgb = image->rgb, samples[MAX_CHANNELS];
  for (int y = 0; y < image->height; y++) {
    const uint8_t *row = in + (size_t)y * binary_row_bytes(pnm);
    for (int x = 0; x < image->width; x++, rgb += 3) {
      if (is_bitmap(pnm)) {
        memset(rgb, row[x / 8] >> (7 - x % 8) & 1 ? 0 : 255, 3);
        continue;
      }
      for (int c = 0; c < pnm->channels; c++) {
        int value = *row++;
        if (pnm->maxval > 255) value = value * 256 + *row++;
        samples[c] = pnm->levels[value];
      }
      put_pixel(rgb, samples, pnm->channels);
    }
  }
}

static const char *mode_name(const struct pnm *pnm) {
  static const char *const by_channels[] = {"L", "LA", "RGB", "RGBA"};
  if (is_bitmap(pnm)) return "1";
  if (pnm->kind != 7 && pnm->channels == 1 && pnm->maxval > 255) return "I";
  return by_channels[pnm->channels - 1];
}

static int decode(struct pnm *pnm, struct image *image, const struct decode_options *options, error *e) {
  if (read_header(pnm, e) || image_check_size(pnm->width, pnm->height, options, e)) return FAILED;
  /* No allocation for what the file cannot hold: a plain sample takes a digit and, but for bits, a space. */
  size_t samples = (size_t)pnm->width * (size_t)pnm->height * (size_t)pnm->channels, left = pnm->size - pnm->at;
  size_t needed = pnm->kind == 1  ? samples
                  : is_plain(pnm) ? 2 * samples - 1
                                  : binary_row_bytes(pnm) * (size_t)pnm->height;
  if (needed > left) {
    return fail(e, "truncated: %zu bytes of pixels from byte %zu at least, the file has %zu", needed, pnm->at, left);
  }
  if (fill_levels(pnm, e) || image_allocate(image, pnm->width, pnm->height, options, e)) return FAILED;
  image->mode = mode_name(pnm);
  if (pnm->kind == 1) return read_plain_bitmap(pnm, image, e);
  if (is_plain(pnm)) return read_plain(pnm, image, e);
  read_binary(pnm, image);
  return OK;
}

int pnm_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options, error *e) {
  *image = (struct image){0};
  if (size < 3 || bytes[0] != 'P' || bytes[1] < '1' || bytes[1] > '7' || !is_space(bytes[2])) {
    return fail(e, "no PNM signature at byte 0");
  }
  struct pnm pnm = {.bytes = bytes, .size = size};
  int status = decode(&pnm, image, options, e);
  free(pnm.levels);
  if (status) image_free(image);
  return status;
}
