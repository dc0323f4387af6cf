/* Marker segments (T.81 annex B): tables, the frame header, scan headers, JFIF's and Adobe's application segments. */
#include <string.h>

#include "images/jpeg_internal.h"

enum {
  TEM = 0x01,
  SOF0 = 0xc0,
  SOF1 = 0xc1,
  SOF2 = 0xc2,
  SOF9 = 0xc9,
  SOF10 = 0xca,
  DHT = 0xc4,
  DAC = 0xcc,
  SOF15 = 0xcf,
  RST0 = 0xd0,
  RST7 = 0xd7,
  SOI = 0xd8,
  EOI = 0xd9,
  SOS = 0xda,
  DQT = 0xdb,
  DNL = 0xdc,
  DRI = 0xdd,
  APP0 = 0xe0,
  APP14 = 0xee,
  APP15 = 0xef,
  COM = 0xfe,
  MOST_SAMPLES = 65500, /* libjpeg's largest width and height */
};

/* A marker segment's contents. */
struct segment {
  const uint8_t *bytes;
  size_t size, at; /* at: of its first byte in the file, for messages */
};

size_t jpeg_position(const struct jpeg_input *in) { return (size_t)(in->next - in->bytes); }

int jpeg_truncated(const struct jpeg *j, error *e) {
  return fail(e, "byte %zu: the file is truncated", (size_t)(j->in.end - j->in.bytes));
}

static int broken(const struct segment *s, const char *what, error *e) { return fail(e, "byte %zu: %s", s->at, what); }

/* ---- tables ------------------------------------------------------------------------------------------------------*/

static int read_quantisation(struct jpeg *j, const struct segment *s, error *e) {
  for (size_t i = 0; i < s->size;) {
    int wide = s->bytes[i] >> 4, table = s->bytes[i] & 15;
    size_t bytes = wide ? 2 * JPEG_BLOCK : JPEG_BLOCK;
    i++;
    if (table >= JPEG_TABLES) return broken(s, "an impossible quantisation table", e);
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

static int read_huffman(struct jpeg *j, const struct segment *s, error *e) {
  for (size_t i = 0; i < s->size;) {
    if (s->size - i < 17) return broken(s, "a Huffman table is cut short", e);
    int is_ac = s->bytes[i] >> 4, table = s->bytes[i] & 15;
    if (is_ac > 1 || table >= JPEG_TABLES) return broken(s, "an impossible Huffman table", e);
    struct jpeg_code_lengths *lengths = is_ac ? &j->ac_lengths[table] : &j->dc_lengths[table];
    *lengths = (struct jpeg_code_lengths){.defined = true};
    memcpy(lengths->counts, s->bytes + i + 1, sizeof lengths->counts);
    size_t total = 0;
    for (int k = 0; k < 16; k++) total += lengths->counts[k];
    i += 17;
    if (total > sizeof lengths->symbols || s->size - i < total) return broken(s, "a Huffman table is cut short", e);
    memcpy(lengths->symbols, s->bytes + i, total);
    i += total;
  }
  return OK;
}

static int read_conditioning(struct jpeg *j, const struct segment *s, error *e) {
  if (s->size % 2) return broken(s, "arithmetic conditioning of a wrong length", e);
  for (size_t i = 0; i < s->size; i += 2) {
    int is_ac = s->bytes[i] >> 4, table = s->bytes[i] & 15, value = s->bytes[i + 1];
    if (is_ac > 1 || (!is_ac && (value & 15) > value >> 4)) { /* `table` has four bits */
      return broken(s, "impossible arithmetic conditioning", e);
    }
    if (is_ac) {
      j->ac_border[table] = (uint8_t)value;
    } else {
      j->dc_low[table] = value & 15;
      j->dc_high[table] = (uint8_t)(value >> 4);
    }
  }
  return OK;
}

static int read_restart_interval(struct jpeg *j, const struct segment *s, error *e) {
  if (s->size != 2) return broken(s, "a restart interval of a wrong length", e);
  j->restart_interval = s->bytes[0] << 8 | s->bytes[1];
  return OK;
}

static void read_application(struct jpeg *j, int marker, const struct segment *s) {
  if (marker == APP0 && s->size >= 14 && !memcmp(s->bytes, "JFIF\0", 5)) j->jfif = true;
  if (marker == APP14 && s->size >= 12 && !memcmp(s->bytes, "Adobe", 5)) {
    j->adobe = true;
    j->adobe_transform = s->bytes[11];
  }
}

/* ---- headers -----------------------------------------------------------------------------------------------------*/

static int divide_up(int a, int b) { return (a + b - 1) / b; }

static int read_sampling(struct jpeg *j, const struct segment *s, error *e) {
  j->h_max = j->v_max = 1;
  for (int i = 0; i < j->component_count; i++) {
    const uint8_t *p = s->bytes + 6 + 3 * i;
    struct jpeg_component *c = &j->components[i];
    c->id = p[0];
    c->h = p[1] >> 4;
    c->v = p[1] & 15;
    c->quantiser = p[2];
    if (c->h < 1 || c->h > 4 || c->v < 1 || c->v > 4) return broken(s, "impossible sampling factors", e);
    if (c->h > j->h_max) j->h_max = c->h;
    if (c->v > j->v_max) j->v_max = c->v;
    for (int k = 0; k < JPEG_BLOCK; k++) c->known_bits[k] = -1;
  }
  j->mcus_wide = divide_up(j->width, 8 * j->h_max);
  j->mcus_high = divide_up(j->height, 8 * j->v_max);
  for (int i = 0; i < j->component_count; i++) {
    struct jpeg_component *c = &j->components[i];
    if (j->h_max % c->h || j->v_max % c->v) return broken(s, "fractional sampling is not supported", e);
    c->width = divide_up(j->width * c->h, j->h_max);
    c->height = divide_up(j->height * c->v, j->v_max);
    c->blocks_wide = divide_up(c->width, 8);
    c->blocks_high = divide_up(c->height, 8);
    c->stored_wide = j->mcus_wide * c->h;
    c->stored_high = j->mcus_high * c->v;
  }
  return OK;
}

static int read_frame(struct jpeg *j, const struct segment *s, error *e) {
  if (j->has_frame) return broken(s, "a second frame", e);
  if (s->size < 6) return broken(s, "the frame header is cut short", e);
  int precision = s->bytes[0], count = s->bytes[5];
  j->height = s->bytes[1] << 8 | s->bytes[2];
  j->width = s->bytes[3] << 8 | s->bytes[4];
  if (precision != 8) return fail(e, "byte %zu: samples of %d bits are not supported", s->at, precision);
  if (image_check_size(j->width, j->height, j->options, e) != OK) return fail_within(e, "byte %zu", s->at);
  if (j->width > MOST_SAMPLES || j->height > MOST_SAMPLES) return broken(s, "more than 65500 samples in a line", e);
  if (count != 1 && count != 3 && count != 4) {
    return fail(e, "byte %zu: pictures of %d components are not supported", s->at, count);
  }
  if (s->size != 6 + 3 * (size_t)count) return broken(s, "a frame header of a wrong length", e);
  j->component_count = count;
  j->has_frame = true;
  return read_sampling(j, s, e);
}

static int read_scan(struct jpeg *j, const struct segment *s, error *e) {
  if (!j->has_frame) return broken(s, "a scan before the frame", e);
  int count = s->size ? s->bytes[0] : 0;
  if (count < 1 || count > JPEG_COMPONENTS || s->size != 4 + 2 * (size_t)count) {
    return broken(s, "a scan header of a wrong length", e);
  }
  struct jpeg_component *used[JPEG_COMPONENTS] = {NULL};
  for (int i = 0; i < count; i++) {
    const uint8_t *p = s->bytes + 1 + 2 * i;
    /* The frame's order holds (T.81 B.2.3); like libjpeg, look for the i-th at the frame's i-th or later. */
    struct jpeg_component *c = NULL;
    for (int k = i; k < j->component_count && !c; k++) {
      if (j->components[k].id == p[0]) c = &j->components[k];
    }
    for (int k = 0; k < i; k++) {
      if (used[k] == c) c = NULL;
    }
    if (!c) return broken(s, "a scan of an unknown component", e);
    used[i] = c;
    c->dc_table = p[1] >> 4;
    c->ac_table = p[1] & 15;
  }
  memcpy(j->scan, used, sizeof used);
  const uint8_t *tail = s->bytes + 1 + 2 * count;
  j->scan_count = count;
  j->spectral_start = tail[0];
  j->spectral_end = tail[1];
  j->high = tail[2] >> 4;
  j->low = tail[2] & 15;
  j->scans++;
  return OK;
}

/* ---- markers -----------------------------------------------------------------------------------------------------*/

int jpeg_find_marker(struct jpeg_input *in) {
  while (!in->marker && in->end - in->next >= 2) {
    const uint8_t *ff = memchr(in->next, 0xff, (size_t)(in->end - in->next - 1));
    if (!ff) break;
    in->next = ff[1] == 0xff ? ff + 1 : ff + 2;
    if (ff[1] == 0x00 || ff[1] == 0xff) continue; /* stuffed, or a fill byte */
    in->next = ff;
    in->marker = ff[1];
  }
  if (!in->marker) in->next = in->end;
  return in->marker;
}

void jpeg_take_marker(struct jpeg_input *in) {
  in->next += 2;
  in->marker = 0;
}

static bool has_segment(int marker) {
  bool is_frame = marker >= SOF0 && marker <= SOF15; /* or DHT, JPG, DAC */
  return is_frame || (marker >= SOS && marker <= DRI) || (marker >= APP0 && marker <= APP15) || marker == COM;
}

/* Handle one segment; *event becomes JPEG_SCAN after a scan header. */
static int read_segment(struct jpeg *j, int marker, enum jpeg_event *event, error *e) {
  struct jpeg_input *in = &j->in;
  size_t left = (size_t)(in->end - in->next), length = left >= 2 ? (size_t)(in->next[0] << 8 | in->next[1]) : 0;
  if (left < 2 || length > left) {
    if (marker >= APP0) *event = JPEG_TRUNCATED;
    return jpeg_truncated(j, e);
  }
  if (length < 2 && (marker == DQT || marker == DHT || marker == DAC))
    return fail(e, "byte %zu: a table without a length", jpeg_position(in));
  if (length < 2) length = 2; /* what libjpeg makes of it, and headers fail as too short */
  struct segment s = {in->next + 2, length - 2, jpeg_position(in) + 2};
  in->next += length;
  switch (marker) {
    case DQT:
      return read_quantisation(j, &s, e);
    case DHT:
      return read_huffman(j, &s, e);
    case DRI:
      return read_restart_interval(j, &s, e);
    case SOS:
      *event = JPEG_SCAN;
      return read_scan(j, &s, e);
    case SOF0:
    case SOF1:
    case SOF2:
    case SOF9:
    case SOF10:
      j->progressive = marker == SOF2 || marker == SOF10;
      j->is_arithmetic = marker >= SOF9;
      return read_frame(j, &s, e);
    case DAC:
      return read_conditioning(j, &s, e);
    case DNL:
    case COM:
      return OK;
    default:
      if (marker < APP0) {
        return fail(e, "byte %zu: this kind of JPEG (marker 0x%02x) is not supported", s.at, (unsigned)marker);
      }
      read_application(j, marker, &s);
      return OK;
  }
}

enum jpeg_event jpeg_read_markers(struct jpeg *j, error *e) {
  for (;;) {
    int marker = jpeg_find_marker(&j->in);
    if (!marker) {
      jpeg_truncated(j, e);
      return JPEG_TRUNCATED;
    }
    jpeg_take_marker(&j->in);
    if (marker == EOI) return JPEG_END;
    if (marker >= RST0 && marker <= RST7) continue;
    if (marker == TEM && j->scans > 0) continue; /* before the first scan it is Pillow that refuses it */
    if (!has_segment(marker)) {
      fail(e, "byte %zu: marker 0x%02x does not belong here", jpeg_position(&j->in), (unsigned)marker);
      return JPEG_FAILED;
    }
    enum jpeg_event event = JPEG_FAILED;
    if (read_segment(j, marker, &event, e) != OK) return event == JPEG_TRUNCATED ? JPEG_TRUNCATED : JPEG_FAILED;
    if (event == JPEG_SCAN) return event;
  }
}
