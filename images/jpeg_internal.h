/* What the files of the JPEG decoder share: the state of one picture (ITU-T T.81).
 *
 *   jpeg_markers.c      marker segments: tables, frame and scan headers
 *   jpeg_huffman.c      codes and their tables, blocks of sequential scans; the bits are in jpeg_bits.h
 *   jpeg_progressive.c  blocks of progressive scans
 *   jpeg_arithmetic.c   blocks of files with arithmetic coding, of all kinds
 *   jpeg_scan.c         the order of the blocks in a scan, restart intervals
 *   jpeg_smoothing.c    estimates for coefficients that a progressive file has not sent
 *   jpeg_output.c       the part that is wanted: inverse transform, upsampling, rows to the sink
 *   jpeg_color.c        upsampling and colour of one line
 *   jpeg.c              the order of work
 *
 * Where the standard leaves something open (broken data, missing pieces, rounding), the behaviour is libjpeg-turbo's,
 * as Pillow uses it. */
#ifndef IMAGES_JPEG_INTERNAL_H
#define IMAGES_JPEG_INTERNAL_H

#include <stdbool.h>

#include "images/image.h"

enum {
  JPEG_BLOCK = 64,      /* coefficients of a block */
  JPEG_COMPONENTS = 4,  /* at most */
  JPEG_TABLES = 4,      /* of each kind */
  JPEG_CONDITIONS = 16, /* of each kind, of arithmetic coding */
  JPEG_LOOKAHEAD = 10,  /* bits that index a code's tables */
  JPEG_SMOOTHED = 10,   /* coefficients, in zigzag order, that smoothing may estimate */
  JPEG_MCU_BLOCKS = 10, /* at most */
};

/* Coefficient k of the zigzag sequence lies at this place of the natural (row-major) block; runs that broken data
 * takes beyond the block end in its last place. */
extern const uint8_t jpeg_natural_order[JPEG_BLOCK + 16];

/* A Huffman code as a DHT segment gives it: how many codes of each length, the symbols in the order of their codes. */
struct jpeg_code_lengths {
  bool defined;
  uint8_t counts[16], symbols[256];
};

/* The same, made ready for decoding (T.81 annex C and F.2.2.3). */
struct jpeg_code {
  /* By the next JPEG_LOOKAHEAD bits: what a coefficient takes and means, all zero where the code is longer. */
  struct jpeg_entry {
    uint8_t symbol;
    uint8_t length; /* bits of the code */
    uint8_t total;  /* and of the value behind it */
    uint8_t run;    /* zeros before the value, JPEG_END_OF_BLOCK: no more values; 0 for DC */
  } lookahead[1 << JPEG_LOOKAHEAD];
  int32_t max_code[18];     /* the largest code of each length, -1: none; [17] ends every search */
  int32_t value_offset[18]; /* index of the symbol = code + offset */
  uint8_t symbols[256];
  bool is_dc, is_sequential;
};
enum { JPEG_END_OF_BLOCK = 128 }; /* beyond every block */

struct jpeg_component {
  int id, h, v, quantiser;           /* h, v: sampling factors */
  int width, height;                 /* samples: the picture's, scaled by h / h_max and v / v_max, rounded up */
  int blocks_wide, blocks_high;      /* that hold samples: what a scan of this component alone codes */
  int stored_wide, stored_high;      /* rounded up to whole MCUs */
  int dc_table, ac_table;            /* of the current scan */
  int dc_prediction;                 /* of the current scan */
  int dc_context;                    /* arithmetic coding: the bins that the last DC difference chose */
  uint16_t quantisation[JPEG_BLOCK]; /* natural order; as it was at the component's first scan */
  bool has_quantisation;

  /* Columns of blocks that the wanted part of the picture needs, and the samples (also wanted) that it covers. */
  int first_block, end_block, first_sample, end_sample;
  /* Only if the file has one scan: the blocks of an MCU row in those columns, [v][block_room][64]. */
  int16_t *row_blocks;
  int block_room;

  /* Only if the file has several scans. */
  int16_t *coefficients;                /* [stored_high][stored_wide][64], natural order, not dequantised */
  int known_bits[JPEG_BLOCK];           /* progressive: the lowest bit sent of each coefficient (zigzag), -1: none */
  int known_bits_before[JPEG_SMOOTHED]; /* the same before the component's latest scan */

  /* Samples of the MCU row at work, below the lines of the row before that are still needed; of the columns from
   * first_block on, behind a margin. */
  uint8_t *lines;
  size_t line_bytes;
  int lines_kept;
};
enum { JPEG_MARGIN = 16 };

/* The file, and the bits of an entropy-coded segment: see jpeg_bits.h. */
struct jpeg_input {
  const uint8_t *bytes, *next, *end;
  const uint8_t *file_end; /* before `end` where an end marker was added */
  int marker;              /* the marker on whose 0xff `next` stands, 0: on none that is known */
  uint64_t buffer;
  int count;        /* of valid bits at the top of buffer */
  int padding;      /* of these, how many are zeros that follow the data */
  bool starved;     /* the file ended in entropy-coded data */
  bool out_of_data; /* a marker came too early: the rest of the interval is left as it is */
  bool overflow;    /* a DC coefficient beyond all bounds */
};

/* The arithmetic decoder of an interval (T.81 annex D). */
struct jpeg_arithmetic {
  bool is_started, is_broken;
  uint32_t code, interval;                                   /* registers C and A */
  int bits;                                                  /* CT: shifts before the next byte */
  uint8_t dc[JPEG_CONDITIONS][64], ac[JPEG_CONDITIONS][256]; /* bins */
};

struct jpeg {
  struct jpeg_input in;
  const struct decode_options *options;
  int width, height;
  bool has_frame, progressive, is_arithmetic, jfif, adobe;
  int adobe_transform;
  int component_count, h_max, v_max, mcus_wide, mcus_high;
  struct rectangle part;  /* of the picture: all that is put out */
  int first_row, end_row; /* rows of MCUs that it needs */
  int finished_rows;      /* of a file with one scan, that were decoded and put out without an error */
  struct jpeg_component components[JPEG_COMPONENTS];
  uint16_t quantisation[JPEG_TABLES][JPEG_BLOCK]; /* natural order */
  bool quantisation_defined[JPEG_TABLES];
  struct jpeg_code_lengths dc_lengths[JPEG_TABLES], ac_lengths[JPEG_TABLES];
  /* Conditioning of arithmetic coding: bounds L and U of small DC differences, place K between low and high AC. */
  uint8_t dc_low[JPEG_CONDITIONS], dc_high[JPEG_CONDITIONS], ac_border[JPEG_CONDITIONS];
  int restart_interval; /* in MCUs, 0: none */

  /* The current scan. */
  int scans; /* up to and with this one */
  struct jpeg_component *scan[JPEG_COMPONENTS];
  int scan_count, spectral_start, spectral_end, high, low;
  struct jpeg_code dc[JPEG_TABLES], ac[JPEG_TABLES];
  struct jpeg_arithmetic arithmetic;
  int scan_mcus_wide, scan_mcus_high;
  int restart_left, next_restart, eob_run;
  int last_good_row;            /* the last row of MCUs (of the frame) whose data was there */
  int64_t visits;               /* blocks visited by all scans so far */
  int16_t unwanted[JPEG_BLOCK]; /* where a block goes of which no sample is wanted */
};

/* ---- jpeg_markers.c ---- */
enum jpeg_event { JPEG_FAILED, JPEG_SCAN, JPEG_END, JPEG_TRUNCATED };
/* Read segments up to and with the next scan header (JPEG_SCAN), the end marker (JPEG_END), or the end of the file
 * between segments or in one that does not matter (JPEG_TRUNCATED, with a message, too: the caller may accept it). */
enum jpeg_event jpeg_read_markers(struct jpeg *j, error *e);
/* The next marker's code, on whose 0xff in->next then stands; 0 at the end of the file. */
int jpeg_find_marker(struct jpeg_input *in);
/* Go on behind the marker that was found. */
void jpeg_take_marker(struct jpeg_input *in);
size_t jpeg_position(const struct jpeg_input *in);
/* "byte N: the file is truncated"; returns FAILED. */
int jpeg_truncated(const struct jpeg *j, error *e);

/* ---- jpeg_huffman.c ---- */
/* Prepare a code for a scan. is_dc: symbols are sizes of DC differences; sequential: an AC symbol of size 0 ends the
 * block. FAILED where the lengths form no code. */
int jpeg_prepare_code(struct jpeg_code *code, const struct jpeg_code_lengths *lengths, bool is_dc, bool sequential,
                      error *e);
/* The code that a motion JPEG frame may leave out (T.81 annex K.3); table: 0 luma, 1 chroma. */
void jpeg_standard_code(struct jpeg_code_lengths *lengths, bool is_dc, int table);
/* One block of a sequential scan into `block` (zeroed by the caller, natural order). Returns the zigzag place behind
 * its last coefficient, 1: only DC. */
int jpeg_decode_block(struct jpeg_input *in, const struct jpeg_code *dc, const struct jpeg_code *ac, int *prediction,
                      int16_t *block);

/* ---- jpeg_progressive.c: the four kinds of progressive scan, one block each ---- */
typedef void jpeg_block_decoder(struct jpeg *j, struct jpeg_component *c, int16_t *block);
jpeg_block_decoder jpeg_first_dc, jpeg_refine_dc, jpeg_first_ac, jpeg_refine_ac;

/* ---- jpeg_arithmetic.c: a sequential block, and the four kinds of progressive scan ---- */
jpeg_block_decoder jpeg_arithmetic_block, jpeg_arithmetic_first_dc, jpeg_arithmetic_refine_dc, jpeg_arithmetic_first_ac,
    jpeg_arithmetic_refine_ac;
/* At the start of every interval. */
void jpeg_start_arithmetic(struct jpeg *j);

/* ---- jpeg_scan.c ---- */
/* Check the scan header that was read last and prepare its tables. */
int jpeg_start_scan(struct jpeg *j, error *e);
/* Decode the next row of the scan's MCUs, of a file with one scan, into the components' row_blocks; those that are not
 * wanted are only read. block_line: where the row stands in the frame's MCU row, for a scan of one component, whose MCU
 * is one block; else 0. */
int jpeg_decode_row(struct jpeg *j, int block_line, bool wanted, error *e);
/* Decode the whole scan into the components' coefficients. */
int jpeg_decode_scan(struct jpeg *j, error *e);

/* ---- jpeg_smoothing.c ---- */
/* Whether estimates are possible and useful. */
bool jpeg_can_smooth(const struct jpeg *j);
/* Copy MCU row `row`, line `line` of c's blocks in it, into blocks[c->blocks_wide][64], with estimates filled in. */
void jpeg_smooth_blocks(const struct jpeg *j, const struct jpeg_component *c, int row, int line, int16_t *blocks);

/* Whether all coefficients but the first are zero. */
bool jpeg_is_flat(const int16_t *block);

/* ---- jpeg_output.c ---- */
/* Tell the sink the size, and prepare the part that it wants. */
struct jpeg_output;
int jpeg_start_output(struct jpeg *j, struct jpeg_output **output, struct row_sink *sink, error *e);
/* The components' blocks of MCU row `row` are there: put out the lines that it makes possible. */
int jpeg_put_row(struct jpeg *j, struct jpeg_output *output, int row, error *e);
/* Black, or white where colours are inks, for what was not put out. */
int jpeg_put_rest(struct jpeg *j, struct jpeg_output *output, error *e);
void jpeg_stop_output(struct jpeg_output *output);

/* ---- jpeg_color.c ---- */
/* What the components are. */
enum jpeg_color { JPEG_GRAY, JPEG_YCC, JPEG_RGB, JPEG_CMYK, JPEG_YCCK };
enum jpeg_color jpeg_color_of(const struct jpeg *j);
/* Whether upsampling the component looks at the lines above and below. */
bool jpeg_needs_neighbours(const struct jpeg *j, const struct jpeg_component *c);
/* Line y of the picture of a component, from column j->part.x on. near, far: the component's line there and the one
 * above or below it that is nearer to y, from the component's first_sample on; line: room for the part's width and
 * JPEG_LINE_SLACK. Returns a pointer into `near` where nothing is to be done, else into `line`. */
enum { JPEG_LINE_SLACK = 128 };
const uint8_t *jpeg_upsample(const struct jpeg *j, const struct jpeg_component *c, int y, const uint8_t *near,
                             const uint8_t *far, uint8_t *line);
/* One line of `width` pixels to RGB, from a line of each component; PIXEL_SLACK bytes behind them may be read. */
void jpeg_convert(enum jpeg_color color, const uint8_t *const lines[JPEG_COMPONENTS], int width, uint8_t *rgb);

#endif
