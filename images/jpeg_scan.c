/* A scan: its tables, the order of its blocks (T.81 A.2), its restart intervals (E.2.4). */
#include <string.h>

#include "images/jpeg_internal.h"

enum {
  /* A scan of few bytes can make the decoder visit every block. Encoders need some ten visits to a block, so this many
   * are enough for all, and the time stays in proportion to the picture. */
  VISITS_PER_BLOCK = 64,
  FREE_VISITS = 1 << 20,
};

/* ---- start -------------------------------------------------------------------------------------------------------*/

/* Write down which bits of which coefficients this progressive scan brings; smoothing asks for it. */
static void note_progress(const struct jpeg *j, struct jpeg_component *c) {
  int first = j->spectral_start < 1 ? j->spectral_start : 1;
  for (int k = first; k < JPEG_SMOOTHED; k++) c->known_bits_before[k] = j->scans > 1 ? c->known_bits[k] : 0;
  for (int k = j->spectral_start; k <= j->spectral_end; k++) c->known_bits[k] = j->low;
}

static int check_progression(const struct jpeg *j, error *e) {
  bool dc = j->spectral_start == 0;
  bool band = dc ? j->spectral_end == 0
                 : j->spectral_start <= j->spectral_end && j->spectral_end < JPEG_BLOCK && j->scan_count == 1;
  if (band && j->low <= 13 && (j->high == 0 || j->high == j->low + 1)) return OK;
  return fail(e, "byte %zu: an impossible progressive scan: coefficients %d to %d, bits %d to %d",
              jpeg_position(&j->in), j->spectral_start, j->spectral_end, j->high, j->low);
}

static int prepare(struct jpeg *j, int table, bool is_dc, error *e) {
  if (j->is_arithmetic) return OK; /* it needs no table */
  if (table >= JPEG_TABLES || !(is_dc ? j->dc_lengths : j->ac_lengths)[table].defined) {
    return fail(e, "byte %zu: the scan has no Huffman table", jpeg_position(&j->in));
  }
  const struct jpeg_code_lengths *lengths = is_dc ? &j->dc_lengths[table] : &j->ac_lengths[table];
  if (jpeg_prepare_code(is_dc ? &j->dc[table] : &j->ac[table], lengths, is_dc, !j->progressive, e) == OK) return OK;
  return fail_within(e, "byte %zu", jpeg_position(&j->in));
}

static int start_component(struct jpeg *j, struct jpeg_component *c, error *e) {
  if (!c->has_quantisation) {
    if (c->quantiser >= JPEG_TABLES || !j->quantisation_defined[c->quantiser]) {
      return fail(e, "byte %zu: the scan has no quantisation table", jpeg_position(&j->in));
    }
    memcpy(c->quantisation, j->quantisation[c->quantiser], sizeof c->quantisation);
    c->has_quantisation = true;
  }
  if (j->progressive) note_progress(j, c);
  bool needs_dc = !j->progressive || (j->spectral_start == 0 && j->high == 0); /* bits of DC are sent without a code */
  bool needs_ac = !j->progressive || j->spectral_start > 0;
  if (needs_dc && prepare(j, c->dc_table, true, e) != OK) return FAILED;
  return needs_ac ? prepare(j, c->ac_table, false, e) : OK;
}

static void start_interval(struct jpeg *j) {
  for (int i = 0; i < j->scan_count; i++) j->scan[i]->dc_prediction = 0;
  j->eob_run = 0;
  j->restart_left = j->restart_interval;
  j->in.buffer = 0;
  j->in.count = 0;
  j->in.padding = 0;
  if (j->is_arithmetic) jpeg_start_arithmetic(j);
}

int jpeg_start_scan(struct jpeg *j, error *e) {
  if (j->progressive && check_progression(j, e) != OK) return FAILED;
  int blocks = 0;
  for (int i = 0; i < j->scan_count; i++) {
    blocks += j->scan[i]->h * j->scan[i]->v;
    if (start_component(j, j->scan[i], e) != OK) return FAILED;
  }
  bool alone = j->scan_count == 1;
  if (!alone && blocks > JPEG_MCU_BLOCKS) {
    return fail(e, "byte %zu: a scan of %d blocks in each unit", jpeg_position(&j->in), blocks);
  }
  j->scan_mcus_wide = alone ? j->scan[0]->blocks_wide : j->mcus_wide;
  j->scan_mcus_high = alone ? j->scan[0]->blocks_high : j->mcus_high;
  j->next_restart = 0;
  j->in.out_of_data = false;
  start_interval(j);
  return OK;
}

/* ---- restart intervals -------------------------------------------------------------------------------------------*/

/* Go to the restart marker that should come now. One that was lost or doubled is handled as libjpeg does: a marker that
 * is not yet due, or no restart marker, is left for its turn, and this interval is empty; one that is late is skipped;
 * one that is far away is taken for the one that was due. */
static int restart(struct jpeg *j, error *e) {
  struct jpeg_input *in = &j->in;
  for (;;) {
    int marker = jpeg_find_marker(in);
    if (!marker) return jpeg_truncated(j, e);
    bool is_restart = marker >= 0xd0 && marker <= 0xd7;
    int ahead = (marker - 0xd0 - j->next_restart) & 7;
    if (is_restart ? ahead == 1 || ahead == 2 : marker >= 0xc0) break; /* left */
    jpeg_take_marker(in);
    if (is_restart && ahead != 6 && ahead != 7) break;
  }
  j->next_restart = (j->next_restart + 1) & 7;
  if (!in->marker) in->out_of_data = false;
  start_interval(j);
  return OK;
}

/* Whether no data will come any more in this scan: none is left, and no marker that a restart would pass is ahead. */
static bool is_exhausted(const struct jpeg *j) {
  if (!j->in.out_of_data) return false;
  return !j->restart_interval || (j->in.marker >= 0xc0 && (j->in.marker & 0xf8) != 0xd0);
}

/* After an MCU: what the bits behind the data mean, if they were used. */
static int check_data(struct jpeg *j, error *e) {
  if (j->in.starved) return jpeg_truncated(j, e);
  if (j->in.overflow) return fail(e, "byte %zu: DC coefficients without bounds", jpeg_position(&j->in));
  if (j->in.count < j->in.padding) j->in.out_of_data = true;
  return OK;
}

/* ---- sequential, one scan ----------------------------------------------------------------------------------------*/

static inline void decode_block(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  if (j->is_arithmetic) {
    jpeg_arithmetic_block(j, c, block);
  } else if (!j->in.out_of_data) {
    jpeg_decode_block(&j->in, &j->dc[c->dc_table], &j->ac[c->ac_table], &c->dc_prediction, block);
  }
}

/* The blocks of a component in MCU number x of the row; h, v: how many they are. */
static inline void decode_unit(struct jpeg *j, struct jpeg_component *c, int x, int h, int v, int block_line,
                               bool wanted) {
  for (int by = 0; by < v; by++) {
    int16_t *line = c->row_blocks + (size_t)(block_line + by) * (size_t)c->block_room * JPEG_BLOCK;
    for (int bx = 0; bx < h; bx++) {
      int column = x * h + bx;
      bool inside = wanted && column >= c->first_block && column < c->end_block;
      decode_block(j, c, inside ? line + (size_t)(column - c->first_block) * JPEG_BLOCK : j->unwanted);
    }
  }
}

int jpeg_decode_row(struct jpeg *j, int block_line, bool wanted, error *e) {
  bool alone = j->scan_count == 1;
  for (int x = 0; x < j->scan_mcus_wide; x++) {
    if (j->restart_interval && j->restart_left == 0 && restart(j, e) != OK) return FAILED;
    for (int i = 0; i < j->scan_count; i++) {
      struct jpeg_component *c = j->scan[i];
      decode_unit(j, c, x, alone ? 1 : c->h, alone ? 1 : c->v, block_line, wanted);
    }
    if ((j->in.padding || j->in.starved) && check_data(j, e) != OK) return FAILED;
    j->restart_left--;
  }
  return OK;
}

/* ---- several scans -----------------------------------------------------------------------------------------------*/

/* A second scan of a component writes over the first, as in libjpeg. */
static void sequential_block(struct jpeg *j, struct jpeg_component *c, int16_t *block) {
  if (j->is_arithmetic) {
    jpeg_arithmetic_block(j, c, block);
  } else {
    jpeg_decode_block(&j->in, &j->dc[c->dc_table], &j->ac[c->ac_table], &c->dc_prediction, block);
  }
}

static jpeg_block_decoder *choose_decoder(const struct jpeg *j) {
  static jpeg_block_decoder *const huffman[2][2] = {{jpeg_first_ac, jpeg_refine_ac}, {jpeg_first_dc, jpeg_refine_dc}};
  static jpeg_block_decoder *const arithmetic[2][2] = {{jpeg_arithmetic_first_ac, jpeg_arithmetic_refine_ac},
                                                       {jpeg_arithmetic_first_dc, jpeg_arithmetic_refine_dc}};
  if (!j->progressive) return sequential_block;
  return (j->is_arithmetic ? arithmetic : huffman)[j->spectral_start == 0][j->high > 0];
}

static int16_t *block_at(const struct jpeg_component *c, int y, int x) {
  return c->coefficients + ((size_t)y * (size_t)c->stored_wide + (size_t)x) * JPEG_BLOCK;
}

static void decode_mcu(struct jpeg *j, jpeg_block_decoder *decode, int y, int x) {
  if (j->scan_count == 1) {
    decode(j, j->scan[0], block_at(j->scan[0], y, x));
    return;
  }
  for (int i = 0; i < j->scan_count; i++) {
    struct jpeg_component *c = j->scan[i];
    for (int by = 0; by < c->v; by++) {
      for (int bx = 0; bx < c->h; bx++) decode(j, c, block_at(c, y * c->v + by, x * c->h + bx));
    }
  }
}

/* How many of the next MCUs, up to the row's or the interval's end, the run of ended blocks covers. */
static int covered_mcus(const struct jpeg *j, int x) {
  int n = j->scan_mcus_wide - x;
  if (j->restart_interval && j->restart_left < n) n = j->restart_left;
  return j->eob_run < n ? j->eob_run : n;
}

int jpeg_decode_scan(struct jpeg *j, error *e) {
  jpeg_block_decoder *decode = choose_decoder(j);
  int rows_per_mcu = j->scan_count == 1 ? j->scan[0]->v : 1; /* of this scan's rows in a row of the frame's MCUs */
  int64_t most_visits = FREE_VISITS;
  for (int i = 0; i < j->component_count; i++) {
    most_visits += (int64_t)VISITS_PER_BLOCK * j->components[i].stored_wide * j->components[i].stored_high;
  }
  for (int y = 0; y < j->scan_mcus_high; y++) {
    if (j->visits > most_visits) return fail(e, "byte %zu: too many scans", jpeg_position(&j->in));
    for (int x = 0; x < j->scan_mcus_wide; x++) {
      if (is_exhausted(j)) return OK;
      if (!j->in.out_of_data) j->last_good_row = y / rows_per_mcu;
      if (j->restart_interval && j->restart_left == 0 && restart(j, e) != OK) return FAILED;
      j->visits++;
      if (!j->in.out_of_data) {
        if (decode == jpeg_first_ac && j->eob_run > 0) {
          int n = covered_mcus(j, x);
          x += n - 1;
          j->eob_run -= n;
          j->restart_left -= n - 1;
        } else {
          decode_mcu(j, decode, y, x);
          if ((j->in.padding || j->in.starved) && check_data(j, e) != OK) return FAILED;
        }
      }
      j->restart_left--;
    }
  }
  return OK;
}
