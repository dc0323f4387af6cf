#include "evaluate/decode_options.h"

int decode_options_read(const struct arguments *arguments, struct decode_options *options, error *e) {
  long long max_pixels = DEFAULT_MAX_PIXELS;
  int status = option_integer(arguments, "--max-pixels", 1, 1LL << 40, &max_pixels, e);
  *options = (struct decode_options){.max_pixels = max_pixels,
                                     .lenient = option_given(arguments, "--lenient"),
                                     .exif_orientation = option_given(arguments, "--exif-orientation")};
  return status;
}

void decode_options_write(struct json_writer *w, const struct decode_options *options) {
  json_begin_object(w);
  json_key(w, "max_pixels"), json_integer(w, options->max_pixels);
  json_key(w, "lenient"), json_boolean(w, options->lenient);
  json_key(w, "exif_orientation"), json_boolean(w, options->exif_orientation);
  json_end_object(w);
}
