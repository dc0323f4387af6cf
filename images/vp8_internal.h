/* What the files of the VP8 decoder share. Sections named in comments are those of RFC 6386. */
#ifndef IMAGES_VP8_INTERNAL_H
#define IMAGES_VP8_INTERNAL_H

#include "images/pixel_kernels.h"
#include "images/vp8_bits.h"
#include "images/webp_internal.h"

enum {
  VP8_PARTITIONS = 8,
  VP8_SEGMENTS = 4,
  VP8_BLOCKS = 24, /* of 4x4 in a macroblock: 16 of luma, 4 of each chroma plane */
  VP8_LUMA_BLOCKS = 16,
  VP8_PLANES = 4, /* kinds of coefficients: see enum vp8_plane */
  VP8_BANDS = 8,
  VP8_CONTEXTS = 3,
  VP8_PROBABILITIES = 11,
  VP8_SUBMODES = 10,
};

/* Section 13.3. */
enum vp8_plane { VP8_LUMA_AFTER_DC, VP8_LUMA_DC, VP8_CHROMA, VP8_LUMA_WITH_DC };

/* Section 8.1: of a macroblock, luma or chroma. VP8_BY_BLOCK: each luma block has a mode of its own. */
enum vp8_mode { VP8_DC_PRED, VP8_V_PRED, VP8_H_PRED, VP8_TM_PRED, VP8_BY_BLOCK };
enum vp8_submode {
  VP8_B_DC_PRED,
  VP8_B_TM_PRED,
  VP8_B_VE_PRED,
  VP8_B_HE_PRED,
  VP8_B_LD_PRED,
  VP8_B_RD_PRED,
  VP8_B_VR_PRED,
  VP8_B_VL_PRED,
  VP8_B_HD_PRED,
  VP8_B_HU_PRED
};

/* How far a block's coefficients reach, in zigzag order. */
enum vp8_extent { VP8_NOTHING, VP8_DC_ONLY, VP8_FIRST_THREE, VP8_FULL };

/* Coefficient probabilities by position in the block (16: what follows the last one, never used), section 13.4. */
typedef uint8_t vp8_probabilities[16 + 1][VP8_CONTEXTS][VP8_PROBABILITIES];

struct vp8_quantiser {
  int luma[2], luma_dc[2], chroma[2]; /* the DC's factor and the others' */
};

/* Of the loop filter around and in a macroblock, section 15.2; limit 0: no filter. */
struct vp8_filter {
  uint8_t limit;     /* of the difference across an edge between blocks; 4 more between macroblocks */
  uint8_t interior;  /* of differences between neighbours on one side */
  uint8_t high_edge; /* above this, an edge has high variance */
  bool inner;        /* the edges between the blocks too */
};

struct vp8_macroblock {
  uint8_t segment;
  bool skip; /* no coefficients are coded */
  uint8_t luma_mode, chroma_mode;
  uint8_t submodes[VP8_LUMA_BLOCKS];
  /* [block][place, row by row], times their quantisers */
  int16_t coefficients[VP8_BLOCKS][16];
  uint8_t extents[VP8_BLOCKS];
};

/* What a macroblock leaves to its right and lower neighbours as context: which blocks along the border had coefficients
 * (luma 0..3, U 4 and 5, V 6 and 7, luma's DC 8), and the luma modes there. */
struct vp8_border {
  uint8_t coded[9];
  uint8_t submodes[4];
};

struct vp8 {
  int width, height;
  int columns, rows; /* in macroblocks */
  size_t position;   /* of the frame in the file, for messages */
  struct vp8_bits header, partitions[VP8_PARTITIONS];
  int partition_count;

  bool segmented, segment_map;
  uint8_t segment_probabilities[3];
  struct vp8_quantiser quantisers[VP8_SEGMENTS];
  bool simple_filter, filtered;
  struct vp8_filter filters[VP8_SEGMENTS][2]; /* [segment][luma_mode == VP8_BY_BLOCK] */
  vp8_probabilities probabilities[VP8_PLANES];
  bool skips; /* macroblocks say whether they have coefficients */
  int skip_probability;

  struct vp8_border *above; /* [columns] */
  struct vp8_border left;
  struct vp8_filter *edges; /* [2][columns]: of the last row of macroblocks, and of this one */

  /* A window on the planes that slides down by macroblocks: `y`, `u`, `v` point to the first sample of the current row
   * of macroblocks; VP8_HISTORY lines above them (half as many of chroma) and the borders beside them can be read. */
  uint8_t *window;
  uint8_t *y, *u, *v;
  size_t y_stride, uv_stride;

  const struct pixel_kernels *kernels;
  uint8_t *lines;           /* memory of these: */
  uint8_t *u_line, *v_line; /* a line of chroma at luma's width */
  uint8_t *chroma;          /* two lines of chroma */
};

enum {
  VP8_BORDER = 16,      /* bytes on each side of a line */
  VP8_HISTORY = 16 + 8, /* the row of macroblocks above, and what the filter and chroma's upsampling still need */
};

/* ---- vp8_header.c: everything before the first macroblock ---- */
int vp8_read_header(struct vp8 *v, const struct webp_chunk *chunk, error *e);

/* ---- vp8_modes.c ---- */
void vp8_read_modes(struct vp8 *v, struct vp8_border *above, struct vp8_macroblock *m);

/* ---- vp8_tokens.c ---- */
/* The coefficients; false if all are zero. */
bool vp8_read_coefficients(struct vp8 *v, struct vp8_bits *bits, struct vp8_border *above, struct vp8_macroblock *m);

/* ---- vp8_predict.c: samples from their neighbours above and to the left, which lie around them in the plane ---- */
/* size: 16 (luma) or 8 (chroma). In the first row and column there is nothing above or to the left to take a mean of.
 */
void vp8_predict(uint8_t *samples, size_t stride, int size, enum vp8_mode mode, bool has_above, bool has_left);
/* A 4x4 block; reads four samples above to the right, too. */
void vp8_predict_block(uint8_t *samples, size_t stride, enum vp8_submode mode);

/* ---- vp8_transform.c ---- */
/* The DCs of 16 luma blocks from their transform: to the first coefficient of each block. */
void vp8_inverse_walsh(const int16_t input[16], int16_t blocks[][16]);
/* Add the inverse transform of a block's coefficients to the samples. */
void vp8_add_residual(const int16_t coefficients[16], enum vp8_extent extent, uint8_t *samples, size_t stride);

/* ---- vp8_filter.c ---- */
/* The loop filter over a row of macroblocks; y, u, v: its first samples. */
void vp8_filter_row(const struct vp8 *v, const struct vp8_filter *edges, uint8_t *y, uint8_t *u, uint8_t *v_plane,
                    bool has_above);

/* ---- vp8_tables.c ---- */
extern const uint8_t vp8_default_probabilities[VP8_PLANES][VP8_BANDS][VP8_CONTEXTS][VP8_PROBABILITIES];
extern const uint8_t vp8_update_probabilities[VP8_PLANES][VP8_BANDS][VP8_CONTEXTS][VP8_PROBABILITIES];
extern const uint8_t vp8_submode_probabilities[VP8_SUBMODES][VP8_SUBMODES][VP8_SUBMODES - 1]; /* [above][left] */
extern const uint8_t vp8_dc_quantisers[128];
extern const uint16_t vp8_ac_quantisers[128];

#endif
