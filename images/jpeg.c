/* JPEG: the order of work. Markers up to the first scan; then either one scan that holds all, decoded and put out MCU
 * row by MCU row, or all scans into coefficients, put out at the end. */
#include <stdlib.h>
#include <string.h>

#include "images/jpeg_internal.h"
#include "kernels/memory.h"

/* What putting out lines needs. */
struct output {
  enum jpeg_color color;
  bool neighbours; /* some component's upsampling looks at the lines above and below */
  int next_line;   /* of the picture */
  uint8_t *upsampled[JPEG_COMPONENTS];
  uint16_t *sums;
  int16_t *smoothed; /* a line of blocks */
  struct image *image;
};

/* ---- memory ------------------------------------------------------------------------------------------------------*/

static int allocate_coefficients(struct jpeg *j, error *e) {
  for (int i = 0; i < j->component_count; i++) {
    struct jpeg_component *c = &j->components[i];
    size_t blocks = (size_t)c->stored_wide * (size_t)c->stored_high;
    c->coefficients = allocate_zeroed(blocks, JPEG_BLOCK * sizeof *c->coefficients, e);
    if (!c->coefficients) return FAILED;
  }
  return OK;
}

static int allocate_output(struct jpeg *j, struct output *out, error *e) {
  size_t widest = 0;
  for (int i = 0; i < j->component_count; i++) {
    struct jpeg_component *c = &j->components[i];
    if (jpeg_needs_neighbours(j, c)) out->neighbours = true;
    if ((size_t)c->stored_wide > widest) widest = (size_t)c->stored_wide;
  }
  for (int i = 0; i < j->component_count; i++) {
    struct jpeg_component *c = &j->components[i];
    c->line_bytes = (size_t)c->stored_wide * 8;
    /* The last group of lines of the row above waits for the first line of this one, and needs the one before it. */
    c->lines_kept = out->neighbours ? c->v + 1 : 0;
    c->lines = allocate_zeroed((size_t)c->lines_kept + 8 * (size_t)c->v, c->line_bytes, e);
    out->upsampled[i] = allocate_zeroed(widest * 8 + 16, 1, e);
    if (!c->lines || !out->upsampled[i]) return FAILED;
  }
  out->sums = allocate(widest * 8 + 2, sizeof *out->sums, e);
  if (jpeg_can_smooth(j)) out->smoothed = allocate(widest, JPEG_BLOCK * sizeof *out->smoothed, e);
  if (!out->sums || (jpeg_can_smooth(j) && !out->smoothed)) return FAILED;
  out->color = jpeg_color_of(j);
  return image_allocate(out->image, j->width, j->height, j->options, e);
}

static void release(struct jpeg *j, struct output *out) {
  for (int i = 0; i < JPEG_COMPONENTS; i++) {
    free(j->components[i].coefficients);
    free(j->components[i].lines);
    free(out->upsampled[i]);
  }
  free(out->sums);
  free(out->smoothed);
  free(j);
}

/* ---- output ------------------------------------------------------------------------------------------------------*/

/* Line y of a component (beyond the picture: the nearest), which must lie in MCU row `row` or be kept from the last. */
static const uint8_t *component_line(const struct jpeg_component *c, int row, int y) {
  y = y < 0 ? 0 : y >= c->height ? c->height - 1 : y;
  return c->lines + (size_t)(y - row * 8 * c->v + c->lines_kept) * c->line_bytes;
}

static void put_line(const struct jpeg *j, struct output *out, int row, int y) {
  const uint8_t *lines[JPEG_COMPONENTS] = {NULL};
  for (int i = 0; i < j->component_count; i++) {
    const struct jpeg_component *c = &j->components[i];
    int down = j->v_max / c->v, own = y / down, beside = 2 * (y % down) < down ? own - 1 : own + 1;
    const uint8_t *near = component_line(c, row, own);
    const uint8_t *far = jpeg_needs_neighbours(j, c) ? component_line(c, row, beside) : near;
    lines[i] = jpeg_upsample(j, c, y, near, far, out->upsampled[i], out->sums);
  }
  jpeg_convert(out->color, lines, j->width, out->image->rgb + (size_t)y * (size_t)j->width * 3);
}

/* MCU row `row` is in the components' lines: put out what it makes possible. */
static void put_row(const struct jpeg *j, struct output *out, int row) {
  int end = (row + 1) * 8 * j->v_max;
  if (out->neighbours) end -= j->v_max; /* the lines below the last group are still to come */
  if (row == j->mcus_high - 1) end = j->height;
  for (; out->next_line < end; out->next_line++) put_line(j, out, row, out->next_line);
  for (int i = 0; i < j->component_count; i++) {
    const struct jpeg_component *c = &j->components[i];
    memcpy(c->lines, c->lines + (size_t)(8 * c->v) * c->line_bytes, (size_t)c->lines_kept * c->line_bytes);
  }
}

/* MCU row `row` from coefficients to samples. */
static void transform_row(const struct jpeg *j, const struct output *out, int row) {
  for (int i = 0; i < j->component_count; i++) {
    const struct jpeg_component *c = &j->components[i];
    for (int line = 0; line < c->v && row * c->v + line < c->blocks_high; line++) {
      const int16_t *blocks = c->coefficients + (size_t)(row * c->v + line) * (size_t)c->stored_wide * JPEG_BLOCK;
      if (out->smoothed) {
        jpeg_smooth_blocks(j, c, row, line, out->smoothed);
        blocks = out->smoothed;
      }
      uint8_t *samples = c->lines + (size_t)(c->lines_kept + 8 * line) * c->line_bytes;
      for (int x = 0; x < c->blocks_wide; x++, blocks += JPEG_BLOCK, samples += 8) {
        if (jpeg_is_flat(blocks)) {
          jpeg_inverse_dct_flat(blocks[0], c->quantisation[0], samples, c->line_bytes);
        } else {
          jpeg_inverse_dct(blocks, c->quantisation, samples, c->line_bytes);
        }
      }
    }
  }
}

/* ---- decoding ----------------------------------------------------------------------------------------------------*/

static int read_up_to_scan(struct jpeg *j, error *e) {
  struct jpeg_input *in = &j->in;
  for (;;) {
    if (in->end - in->next < 2 || in->next[0] != 0xff || in->next[1] != 0xd8) {
      return fail(e, "byte %zu: no JPEG starts here", jpeg_position(in));
    }
    in->next += 2;
    j->restart_interval = 0;
    j->jfif = j->adobe = false;
    for (int i = 0; i < JPEG_TABLES; i++) { /* T.81 F.1.4.4.1.5 and .2 */
      j->dc_low[i] = 0;
      j->dc_high[i] = 1;
      j->ac_border[i] = 5;
    }
    enum jpeg_event event = jpeg_read_markers(j, e);
    if (event == JPEG_SCAN) return OK;
    if (event != JPEG_END) return FAILED;
    if (j->has_frame) return fail(e, "byte %zu: the picture has no data", jpeg_position(in));
    /* Only tables so far (T.81 B.5): the picture follows. */
  }
}

/* The rest of a file whose picture is complete. Pillow reads files in pieces of 64 kB and lets libjpeg check what
 * follows the picture as far as the piece goes; a file that ends there is good. */
static int check_rest(struct jpeg *j, error *e) {
  enum { PIECE = 65536 };
  struct jpeg_input *in = &j->in;
  size_t left = (size_t)(in->end - in->next), seen = PIECE - jpeg_position(in) % PIECE;
  if (seen < left) in->end = in->next + seen;
  enum jpeg_event event = jpeg_read_markers(j, e);
  if (event == JPEG_SCAN) return fail(e, "byte %zu: a scan after the picture's only one", jpeg_position(in));
  return event == JPEG_FAILED ? FAILED : OK;
}

static int decode_one_scan(struct jpeg *j, struct output *out, error *e) {
  if (jpeg_start_scan(j, e) != OK || allocate_output(j, out, e) != OK) return FAILED;
  for (int row = 0; row < j->mcus_high; row++) {
    int rows = j->scan_count == 1 ? j->scan[0]->v : 1; /* a single component's MCU is one block */
    for (int i = 0; i < rows; i++) {
      if (row * rows + i < j->scan_mcus_high && jpeg_decode_row(j, i, e) != OK) return FAILED;
    }
    put_row(j, out, row);
  }
  bool is_cut = !j->in.marker && j->in.next == j->in.end; /* all blocks may be there, but nobody knows */
  return is_cut ? jpeg_truncated(j, e) : check_rest(j, e);
}

static int decode_all_scans(struct jpeg *j, struct output *out, error *e) {
  if (allocate_coefficients(j, e) != OK) return FAILED;
  enum jpeg_event event = JPEG_SCAN;
  while (event == JPEG_SCAN) {
    if (jpeg_start_scan(j, e) != OK || jpeg_decode_scan(j, e) != OK) return FAILED;
    event = jpeg_read_markers(j, e);
  }
  if (event != JPEG_END || allocate_output(j, out, e) != OK) return FAILED;
  for (int row = 0; row < j->mcus_high; row++) {
    transform_row(j, out, row);
    put_row(j, out, row);
  }
  return OK;
}

static int decode(struct jpeg *j, struct output *out, error *e) {
  if (read_up_to_scan(j, e) != OK) return FAILED;
  for (int i = 0; i < 2 && !j->progressive; i++) { /* motion JPEG leaves out the usual codes */
    if (!j->dc_lengths[i].defined) jpeg_standard_code(&j->dc_lengths[i], true, i);
    if (!j->ac_lengths[i].defined) jpeg_standard_code(&j->ac_lengths[i], false, i);
  }
  if (j->progressive || j->scan_count < j->component_count) return decode_all_scans(j, out, e);
  return decode_one_scan(j, out, e);
}

int jpeg_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options,
                error *e) {
  *image = (struct image){0};
  if (size < 3 || bytes[0] != 0xff || bytes[1] != 0xd8 || bytes[2] != 0xff) return fail(e, "byte 0: not a JPEG");
  struct jpeg *j = allocate_zeroed(1, sizeof *j, e);
  if (!j) return FAILED;
  j->in = (struct jpeg_input){.bytes = bytes, .next = bytes, .end = bytes + size};
  j->options = options;
  struct output out = {.image = image};
  int status = decode(j, &out, e);
  release(j, &out);
  if (status != OK) image_free(image);
  return status;
}
