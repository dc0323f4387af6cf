/* How pictures are decoded: what every command that reads images offers. */
#ifndef EVALUATE_DECODE_OPTIONS_H
#define EVALUATE_DECODE_OPTIONS_H

#include "evaluate/options.h"
#include "images/image.h"
#include "weights-tools/json.h"

/* Entries of a command's table of options, and their reading. */
#define DECODE_OPTIONS                                                                        \
  {"--max-pixels", 0, "N", "refuse images with more pixels (default 178956970)"},             \
      {"--lenient", 0, NULL,                                                                  \
       "of a damaged image take what can be decoded, as Pillow does with\n"                   \
       "ImageFile.LOAD_TRUNCATED_IMAGES"},                                                    \
  {                                                                                           \
    "--exif-orientation", 0, NULL,                                                            \
        "turn images as their EXIF orientation says (by default it is ignored, as timm does)" \
  }
int decode_options_read(const struct arguments *arguments, struct decode_options *options, error *e);

/* As an object: {"max_pixels": 178956970, "lenient": false, "exif_orientation": false}. */
void decode_options_write(struct json_writer *w, const struct decode_options *options);

#endif
