/* How fast pictures become the model's input, stage by stage, on one thread. */
#ifndef BENCH_IMAGES_BENCH_H
#define BENCH_IMAGES_BENCH_H

#include <stdbool.h>

#include "weights-tools/json.h"
#include "weights-tools/recipe.h"

struct images_request {
  const char *path;     /* a picture, a folder or a tar: pictures_add() */
  struct recipe recipe; /* of the input */
  double seconds;       /* passes over all pictures end when they are up; three at least */
  bool table;           /* on standard output */
};

/* All files are in memory before anything is timed, and times are the thread's CPU time. Of each picture and stage the
 * median of the passes counts; the table and the JSON (an object, when w is not NULL) hold median and deciles over the
 * pictures. The stages:
 *
 *   entropy    the whole file read, with nothing made of it but one pixel: entropy coding, or inflating
 *   pixels     the part that the recipe needs as RGB rows, less `entropy`: inverse transform, upsampling, colour
 *   resize     rows of a decoded picture to rows of the crop
 *   normalise  from a decoded picture to the input, less `resize`
 *   total      from the file's bytes to the input, as `features` does it, measured by itself
 *   decode     the whole picture as RGB, which `total` does not need
 *
 * Pictures that cannot be read are named on standard error and left out; FAILED when none is left. */
int images_bench(const struct images_request *request, struct json_writer *w, error *e);

#endif
