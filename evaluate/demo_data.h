/* The drawn demo set as a folder of pictures. */
#ifndef EVALUATE_DEMO_DATA_H
#define EVALUATE_DEMO_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "evaluate/demo_drawing.h"
#include "evaluate/progress.h"
#include "kernels/error.h"
#include "kernels/threads.h"

enum { DEMO_MAX_PER_CLASS = 9999, DEMO_MIN_SIZE = 16, DEMO_MAX_SIZE = 1024 };

struct demo_data {
  uint64_t seed;
  int per_class; /* pictures of a class for training, 1..DEMO_MAX_PER_CLASS; half as many, rounded up, for testing */
  int size;      /* width and height, DEMO_MIN_SIZE..DEMO_MAX_SIZE */
  bool classes[DEMO_CLASSES]; /* which ones; at least one */
};

/* Write FOLDER/train/CLASS/NNNN.png and FOLDER/test/CLASS/NNNN.png. A picture depends on its seed, set, class, number
 * and size only. The folder may be new, empty, or hold an earlier demo set, which is replaced; anything else in it is
 * an error and is left alone. Everything is drawn under a hidden name in the folder and renamed when whole; a failure
 * leaves nothing new behind. The pool may be NULL; the progress, started by the caller, too. */
int demo_data_write(const struct demo_data *data, const char *folder, struct threads *pool, struct progress *progress,
                    error *e);
int demo_test_per_class(const struct demo_data *data);
size_t demo_picture_count(const struct demo_data *data); /* of both sets and all chosen classes */

#endif
