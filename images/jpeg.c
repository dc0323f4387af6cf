/* JPEG: markers, the frame, and the order of work (ITU-T T.81; JFIF; Adobe's APP14). */
#include <stdlib.h>
#include <string.h>

#include "images/jpeg_internal.h"
#include "kernels/memory.h"

enum {
  SOF0 = 0xc0,
  SOF1 = 0xc1,
  SOF2 = 0xc2,
  DHT = 0xc4,
  SOF15 = 0xcf,
  JPG = 0xc8,
  DAC = 0xcc,
  RST0 = 0xd0,
  RST7 = 0xd7,
  SOI = 0xd8,
  EOI = 0xd9,
  SOS = 0xda,
  DQT = 0xdb,
  DRI = 0xdd,
  APP0 = 0xe0,
  APP14 = 0xee,
  TEM = 0x01,
  MOST_SCANS = 500, /* each costs time for the whole picture, however few its bytes */
};

/* A marker segment's contents. */
struct segment {
  const uint8_t *bytes;
  size_t size, at; /* at: of its first byte in the file, for messages */
};

static int broken(const struct segment *s, const char *what, error *e) { return fail(e, "byte %zu: %s", s->at, what); }

static int read_quantisation(struct jpeg *j, const struct segment *s, error *e) {
  for (size_t i = 0; i < s->size;) {
    int wide = s->bytes[i] >> 4, table = s->bytes[i] & 15;
    size_t bytes = wide ? 128 : 64;
    i++;
    if (wide > 1 || table > 3) return broken(s, "an impossible quantisation table", e);
    if (s->size - i < bytes) return broken(s, "a quantisation table is cut short", e);
    for (int k = 0; k < JPEG_BLOCK; k++) {
      const uint8_t *p = s->bytes + i + (wide ? 2 * k : k);
      j->quantisation[table][jpeg_natural_order[k]] = (uint16_t)(wide ? p[0] << 8 | p[1] : p[0]);
    }
    j->quantisation_defined[table] = true;
    i += bytes;
  }
  return OK;
}

/* Build the decoding tables from the number of codes of each length and the symbols in order (T.81 annex C). */
static bool build_code(struct jpeg_huffman *h, const uint8_t counts[16], const uint8_t *symbols, int total) {
  memset(h, 0, sizeof *h);
  memcpy(h->symbols, symbols, (size_t)total);
  int32_t code = 0, index = 0;
  for (int length = 1; length <= 16; length++) {
    h->value_offset[length] = index - code;
    for (int i = 0; i < counts[length - 1]; i++, code++, index++) {
      if (length > JPEG_LOOKAHEAD) continue;
      int first = code << (JPEG_LOOKAHEAD - length), n = 1 << (JPEG_LOOKAHEAD - length);
      if (first + n > 1 << JPEG_LOOKAHEAD) return false;
      for (int k = 0; k < n; k++) h->lookahead[first + k] = (uint16_t)(length << 8 | h->symbols[index]);
    }
    h->max_code[length] = counts[length - 1] ? code - 1 : -1;
    if (code > 1 << length) return false; /* more codes than the length has room for */
    code <<= 1;
  }
  h->max_code[17] = INT32_MAX;
  h->defined = true;
  return true;
}

static int read_huffman(struct jpeg *j, const struct segment *s, error *e) {
  for (size_t i = 0; i < s->size;) {
    if (s->size - i < 17) return broken(s, "a Huffman table is cut short", e);
    int is_ac = s->bytes[i] >> 4, table = s->bytes[i] & 15, total = 0;
    const uint8_t *counts = s->bytes + i + 1;
    for (int k = 0; k < 16; k++) total += counts[k];
    i += 17;
    if (is_ac > 1 || table > 3) return broken(s, "an impossible Huffman table", e);
    if (total > 256 || s->size - i < (size_t)total) return broken(s, "a Huffman table is cut short", e);
    if (!build_code(is_ac ? &j->ac[table] : &j->dc[table], counts, s->bytes + i, total)) {
      return broken(s, "an impossible Huffman code", e);
    }
    i += (size_t)total;
  }
  return OK;
}

static void read_application(struct jpeg *j, int marker, const struct segment *s) {
  if (marker == APP0 && s->size >= 5 && !memcmp(s->bytes, "JFIF\0", 5)) j->jfif = true;
  if (marker == APP14 && s->size >= 12 && !memcmp(s->bytes, "Adobe", 5)) {
    j->adobe = true;
    j->adobe_transform = s->bytes[11];
  }
}

static int divide_up(int a, int b) { return (a + b - 1) / b; }

static int allocate_component(const struct jpeg *j, struct jpeg_component *c, error *e) {
  c->width = (int)(((int64_t)j->width * c->h + j->h_max - 1) / j->h_max);
  c->height = (int)(((int64_t)j->height * c->v + j->v_max - 1) / j->v_max);
  c->blocks_wide = divide_up(c->width, 8);
  c->blocks_high = divide_up(c->height, 8);
  c->stored_wide = j->mcus_wide * c->h;
  c->stored_high = j->mcus_high * c->v;
  size_t blocks = (size_t)c->stored_wide * (size_t)c->stored_high;
  c->coefficients = allocate_zeroed(blocks, JPEG_BLOCK * sizeof *c->coefficients, e);
  c->samples = allocate(blocks, JPEG_BLOCK, e);
  return c->coefficients && c->samples ? OK : FAILED;
}

static int read_frame(struct jpeg *j, const struct segment *s, struct image *image, const struct decode_limits *limits,
                      error *e) {
  if (j->has_frame) return broken(s, "a second frame", e);
  if (s->size < 6) return broken(s, "the frame header is cut short", e);
  int precision = s->bytes[0], count = s->bytes[5];
  j->height = s->bytes[1] << 8 | s->bytes[2];
  j->width = s->bytes[3] << 8 | s->bytes[4];
  if (precision != 8) return fail(e, "byte %zu: %d-bit samples are not supported", s->at, precision);
  if (j->width == 0 || j->height == 0) return broken(s, "the picture has no size", e);
  if (count != 1 && count != 3 && count != 4) return fail(e, "byte %zu: %d components", s->at, count);
  if (s->size < 6 + 3 * (size_t)count) return broken(s, "the frame header is cut short", e);
  j->component_count = count;
  for (int i = 0; i < count; i++) {
    const uint8_t *p = s->bytes + 6 + 3 * i;
    struct jpeg_component *c = &j->components[i];
    c->id = p[0];
    c->h = p[1] >> 4;
    c->v = p[1] & 15;
    c->quantiser = p[2];
    if (c->h < 1 || c->h > 4 || c->v < 1 || c->v > 4 || c->quantiser > 3) return broken(s, "impossible sampling", e);
    if (c->h > j->h_max) j->h_max = c->h;
    if (c->v > j->v_max) j->v_max = c->v;
  }
  for (int i = 0; i < count; i++) {
    if (j->h_max % j->components[i].h || j->v_max % j->components[i].v) return broken(s, "fractional sampling", e);
  }
  if (image_allocate(image, j->width, j->height, limits, e) != OK) return FAILED;
  j->mcus_wide = divide_up(j->width, 8 * j->h_max);
  j->mcus_high = divide_up(j->height, 8 * j->v_max);
  for (int i = 0; i < count; i++) {
    if (allocate_component(j, &j->components[i], e) != OK) return FAILED;
  }
  j->has_frame = true;
  return OK;
}

static bool scan_is_possible(const struct jpeg *j) {
  if (!j->progressive) return true; /* libjpeg ignores the rest of a sequential scan's header */
  bool dc = j->spectral_start == 0;
  if (dc ? j->spectral_end != 0 : j->spectral_end < j->spectral_start || j->spectral_end > 63 || j->scan_count != 1) {
    return false;
  }
  return j->low <= 13 && (j->high == 0 || j->high == j->low + 1);
}

static int read_scan(struct jpeg *j, const struct segment *s, error *e) {
  if (!j->has_frame) return broken(s, "a scan before the frame", e);
  if (++j->scans > MOST_SCANS) return broken(s, "too many scans", e);
  int count = s->size ? s->bytes[0] : 0;
  if (count < 1 || count > j->component_count || s->size < 4 + 2 * (size_t)count) {
    return broken(s, "an impossible scan header", e);
  }
  const uint8_t *tail = s->bytes + 1 + 2 * count;
  j->scan_count = count;
  j->spectral_start = tail[0];
  j->spectral_end = tail[1];
  j->high = tail[2] >> 4;
  j->low = j->progressive ? tail[2] & 15 : 0;
  if (!scan_is_possible(j)) return broken(s, "an impossible progressive scan", e);
  int blocks = 0;
  for (int i = 0; i < count; i++) {
    const uint8_t *p = s->bytes + 1 + 2 * i;
    struct jpeg_component *c = NULL;
    for (int k = 0; k < j->component_count; k++) {
      if (j->components[k].id == p[0]) c = &j->components[k];
    }
    for (int k = 0; k < i; k++) {
      if (j->scan[k] == c) c = NULL;
    }
    if (!c) return broken(s, "a scan of an unknown component", e);
    j->scan[i] = c;
    c->dc_table = p[1] >> 4;
    c->ac_table = p[1] & 15;
    if (c->dc_table > 3 || c->ac_table > 3) return broken(s, "an impossible Huffman table", e);
    bool needs_dc = !j->progressive || (j->spectral_start == 0 && j->high == 0);
    bool needs_ac = !j->progressive || j->spectral_start > 0;
    if ((needs_dc && !j->dc[c->dc_table].defined) || (needs_ac && !j->ac[c->ac_table].defined)) {
      return broken(s, "a scan without its Huffman table", e);
    }
    if (!c->has_quantisation) {
      if (!j->quantisation_defined[c->quantiser]) return broken(s, "a scan without its quantisation table", e);
      memcpy(c->quantisation, j->quantisation[c->quantiser], sizeof c->quantisation);
      c->has_quantisation = true;
    }
    blocks += c->h * c->v;
  }
  if (count > 1 && blocks > 10) return broken(s, "an impossible scan header", e);
  return jpeg_decode_scan(j, e);
}

/* The next marker from j->at on, skipping what is none; 0 at the end of the data. */
static int next_marker(struct jpeg *j) {
  while (j->at + 1 < j->size) {
    if (j->bytes[j->at] == 0xff && j->bytes[j->at + 1] != 0 && j->bytes[j->at + 1] != 0xff) {
      j->at += 2;
      return j->bytes[j->at - 1];
    }
    j->at++;
  }
  return 0;
}

static int read_segment(struct jpeg *j, int marker, struct segment *s, error *e) {
  size_t left = j->size - j->at;
  size_t length = left >= 2 ? (size_t)(j->bytes[j->at] << 8 | j->bytes[j->at + 1]) : 0;
  if (length < 2 || length > left) {
    return fail(e, "byte %zu: the segment of marker 0x%02x is cut short", j->at, (unsigned)marker);
  }
  *s = (struct segment){j->bytes + j->at + 2, length - 2, j->at + 2};
  j->at += length;
  return OK;
}

static int read_markers(struct jpeg *j, struct image *image, const struct decode_limits *limits, error *e) {
  for (;;) {
    int marker = next_marker(j);
    if (marker == 0) return fail(e, "byte %zu: the file ends without an end marker", j->size);
    if (marker == EOI) return OK;
    if (marker == SOI || marker == TEM || (marker >= RST0 && marker <= RST7)) continue;
    struct segment s = {0};
    int status = read_segment(j, marker, &s, e);
    if (status != OK) return status;
    if (marker == DQT) {
      status = read_quantisation(j, &s, e);
    } else if (marker == DHT) {
      status = read_huffman(j, &s, e);
    } else if (marker == DRI) {
      if (s.size < 2) return broken(&s, "the restart interval is cut short", e);
      j->restart_interval = s.bytes[0] << 8 | s.bytes[1];
    } else if (marker == SOS) {
      status = read_scan(j, &s, e);
    } else if (marker >= SOF0 && marker <= SOF2) {
      j->progressive = marker == SOF2;
      status = read_frame(j, &s, image, limits, e);
    } else if (marker > SOF2 && marker <= SOF15 && marker != JPG && marker != DAC) {
      status = fail(e, "byte %zu: this kind of JPEG (marker 0x%02x) is not supported", s.at, (unsigned)marker);
    } else {
      read_application(j, marker, &s);
    }
    if (status != OK) return status;
  }
}

static int decode(struct jpeg *j, struct image *image, const struct decode_limits *limits, error *e) {
  if (j->size < 3 || j->bytes[0] != 0xff || j->bytes[1] != SOI || j->bytes[2] != 0xff) return fail(e, "not a JPEG");
  j->at = 2;
  if (read_markers(j, image, limits, e) != OK) return FAILED;
  if (!j->has_frame) return fail(e, "byte %zu: there is no picture", j->at);
  if (!j->scans) return fail(e, "byte %zu: there is no picture data", j->at);
  for (int i = 0; i < j->component_count; i++) jpeg_inverse_transform(&j->components[i]);
  return jpeg_to_rgb(j, image, e);
}

int jpeg_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_limits *limits, error *e) {
  *image = (struct image){0};
  struct jpeg *j = allocate_zeroed(1, sizeof *j, e);
  if (!j) return FAILED;
  j->bytes = bytes;
  j->size = size;
  int status = decode(j, image, limits, e);
  for (int i = 0; i < JPEG_COMPONENTS; i++) {
    free(j->components[i].coefficients);
    free(j->components[i].samples);
  }
  free(j);
  if (status != OK) image_free(image);
  return status;
}
