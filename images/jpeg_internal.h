/* What the files of the JPEG decoder share: the state of one picture (ITU-T T.81). */
#ifndef IMAGES_JPEG_INTERNAL_H
#define IMAGES_JPEG_INTERNAL_H

#include <stdbool.h>

#include "images/image.h"

enum { JPEG_BLOCK = 64, JPEG_COMPONENTS = 4, JPEG_LOOKAHEAD = 9 };

/* Coefficient k of the zigzag sequence lies at this place of the natural (row-major) block. */
extern const uint8_t jpeg_natural_order[JPEG_BLOCK];

/* A Huffman code (T.81 annex C), with a table for codes of up to JPEG_LOOKAHEAD bits. */
struct jpeg_huffman {
  bool defined;
  uint16_t lookahead[1 << JPEG_LOOKAHEAD]; /* bits << 8 | symbol; 0: the code is longer */
  int32_t max_code[18];                    /* largest code of each length, -1: none; [17] ends every search */
  int32_t value_offset[17];                /* index of the symbol = code + offset */
  uint8_t symbols[256];
};

struct jpeg_component {
  int id, h, v, quantiser;
  int width, height;            /* samples: the picture's, scaled by h / h_max and v / v_max, rounded up */
  int blocks_wide, blocks_high; /* that hold samples: what a scan of this component alone codes */
  int stored_wide, stored_high; /* rounded up to whole MCUs */
  int dc_table, ac_table;       /* of the current scan */
  int previous_dc;
  int16_t *coefficients;             /* [stored_high][stored_wide][64], natural order, not dequantised */
  uint8_t *samples;                  /* [stored_high * 8][stored_wide * 8] */
  uint16_t quantisation[JPEG_BLOCK]; /* natural order; the table as it was at the component's first scan */
  bool has_quantisation;
};

/* Bits of an entropy-coded segment. At a marker or the end of the data zeros follow. */
struct jpeg_bits {
  const uint8_t *next, *end;
  uint64_t buffer;
  int count;         /* valid bits at the top of buffer */
  bool at_marker;    /* `next` stands on a marker, or on the end */
  int phantom;       /* of `count`, how many are zeros that follow the data */
  bool insufficient; /* more bits were asked for than there were: the rest of the interval is left as it is */
};

struct jpeg {
  const uint8_t *bytes;
  size_t size, at;
  int width, height;
  bool progressive, jfif, adobe, has_frame;
  int adobe_transform;
  int component_count, h_max, v_max, mcus_wide, mcus_high;
  struct jpeg_component components[JPEG_COMPONENTS];
  uint16_t quantisation[4][JPEG_BLOCK];
  bool quantisation_defined[4];
  struct jpeg_huffman dc[4], ac[4];
  int restart_interval;
  int scans;
  /* The current scan. */
  struct jpeg_component *scan[JPEG_COMPONENTS];
  int scan_count, spectral_start, spectral_end, high, low;
  struct jpeg_bits bits;
  int eob_run;
};

/* Decode the entropy-coded data of the scan that j describes, from j->at on; leaves j->at on the marker behind it. */
int jpeg_decode_scan(struct jpeg *j, error *e);
/* All blocks of a component to samples: dequantisation and the accurate integer inverse DCT. */
void jpeg_inverse_transform(struct jpeg_component *component);
/* Upsample and convert to RGB. */
int jpeg_to_rgb(const struct jpeg *j, struct image *image, error *e);

#endif
