/* JPEG: the order of work. Markers up to the first scan; then either one scan that holds all, decoded and put out MCU
 * row by MCU row, or all scans into coefficients, put out at the end. */
#include <stdlib.h>
#include <string.h>

#include "images/jpeg_internal.h"
#include "images/pixel_kernels.h"
#include "kernels/memory.h"

/* ---- memory ------------------------------------------------------------------------------------------------------*/

static int allocate_coefficients(struct jpeg *j, error *e) {
  for (int i = 0; i < j->component_count; i++) {
    struct jpeg_component *c = &j->components[i];
    size_t blocks = (size_t)c->stored_wide * (size_t)c->stored_high;
    c->coefficients = allocate_zeroed(blocks + PIXEL_BLOCKS, JPEG_BLOCK * sizeof *c->coefficients, e);
    if (!c->coefficients) return FAILED;
  }
  return OK;
}

static void release(struct jpeg *j) {
  for (int i = 0; i < JPEG_COMPONENTS; i++) {
    free(j->components[i].coefficients);
    free(j->components[i].row_blocks);
    free(j->components[i].lines);
  }
  free(j);
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
    for (int i = 0; i < JPEG_CONDITIONS; i++) { /* T.81 F.1.4.4.1.5 and .2 */
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

static int decode_one_scan(struct jpeg *j, struct jpeg_output *out, error *e) {
  for (int row = 0; row < j->mcus_high; row++) {
    int rows = j->scan_count == 1 ? j->scan[0]->v : 1; /* a single component's MCU is one block */
    bool wanted = row >= j->first_row && row < j->end_row;
    for (int i = 0; i < rows; i++) {
      if (row * rows + i < j->scan_mcus_high && jpeg_decode_row(j, i, wanted, e) != OK) return FAILED;
    }
    if (jpeg_put_row(j, out, row, e) != OK) return FAILED;
    j->finished_rows++;
  }
  bool is_cut = !j->in.marker && j->in.next == j->in.end; /* all blocks may be there, but nobody knows */
  return is_cut ? jpeg_truncated(j, e) : check_rest(j, e);
}

static int decode_all_scans(struct jpeg *j, error *e) {
  if (allocate_coefficients(j, e) != OK) return FAILED;
  enum jpeg_event event = JPEG_SCAN;
  while (event == JPEG_SCAN) {
    if (jpeg_start_scan(j, e) != OK || jpeg_decode_scan(j, e) != OK) return FAILED;
    event = jpeg_read_markers(j, e);
  }
  return event == JPEG_END ? OK : FAILED;
}

static int decode(struct jpeg *j, struct row_sink *sink, struct jpeg_output **out, error *e) {
  if (read_up_to_scan(j, e) != OK) return FAILED;
  for (int i = 0; i < 2 && !j->progressive; i++) { /* motion JPEG leaves out the usual codes */
    if (!j->dc_lengths[i].defined) jpeg_standard_code(&j->dc_lengths[i], true, i);
    if (!j->ac_lengths[i].defined) jpeg_standard_code(&j->ac_lengths[i], false, i);
  }
  if (!j->progressive && j->scan_count == j->component_count) {
    if (jpeg_start_scan(j, e) != OK || jpeg_start_output(j, out, sink, e) != OK) return FAILED;
    return decode_one_scan(j, *out, e);
  }
  if (decode_all_scans(j, e) != OK || jpeg_start_output(j, out, sink, e) != OK) return FAILED;
  for (int row = j->first_row; row < j->end_row; row++) {
    if (jpeg_put_row(j, *out, row, e) != OK) return FAILED;
  }
  return OK;
}

/* The picture of a damaged file: the rows so far, and nothing where the others were. Pillow's would be all black where
 * there are none; such a picture is of no use. */
static int give_up(struct jpeg *j, struct jpeg_output *out, error *e) {
  return j->finished_rows > 0 ? jpeg_put_rest(j, out, e) : FAILED;
}

static int stream(struct row_sink *sink, struct image *about, const uint8_t *bytes, size_t size, size_t true_size,
                  const struct decode_options *options, error *e) {
  struct jpeg *j = allocate_zeroed(1, sizeof *j, e);
  if (!j) return FAILED;
  j->in = (struct jpeg_input){.bytes = bytes, .next = bytes, .end = bytes + size, .file_end = bytes + true_size};
  j->options = options;
  struct jpeg_output *out = NULL;
  int status = decode(j, sink, &out, e);
  bool partial = status != OK || j->in.next > j->in.file_end;
  if (status != OK && options && options->lenient) status = give_up(j, out, e);
  const char *mode = j->component_count == 1 ? "L" : j->component_count == 3 ? "RGB" : "CMYK";
  *about = (struct image){.width = j->width, .height = j->height, .mode = mode, .partial = partial};
  jpeg_stop_output(out);
  release(j);
  return status;
}

int jpeg_stream(struct row_sink *sink, struct image *about, const uint8_t *bytes, size_t size,
                const struct decode_options *options, error *e) {
  *about = (struct image){0};
  if (size < 3 || bytes[0] != 0xff || bytes[1] != 0xd8 || bytes[2] != 0xff) return fail(e, "byte 0: not a JPEG");
  if (!options || !options->lenient) return stream(sink, about, bytes, size, size, options, e);
  /* Pillow lets libjpeg see an end marker where the file ends. */
  static const uint8_t end_marker[2] = {0xff, 0xd9};
  uint8_t *longer = size < SIZE_MAX - sizeof end_marker ? allocate(size + sizeof end_marker, 1, e) : NULL;
  if (!longer) return FAILED;
  memcpy(longer, bytes, size);
  memcpy(longer + size, end_marker, sizeof end_marker);
  int status = stream(sink, about, longer, size + sizeof end_marker, size, options, e);
  free(longer);
  return status;
}

int jpeg_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options,
                error *e) {
  return image_collect(jpeg_stream, image, bytes, size, options, e);
}
