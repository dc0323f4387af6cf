/* A result file that is never seen half-written: bytes go to a temporary name beside it, which is renamed when whole.
 */
#ifndef EVALUATE_OUTPUT_H
#define EVALUATE_OUTPUT_H

#include <stdio.h>

#include "kernels/error.h"

struct output {
  FILE *stream; /* write here; errors are noticed by output_commit() */
  char *path, *temporary;
};

/* Errors read "PATH: reason". */
int output_open(struct output *output, const char *path, error *e);
/* Everything has arrived on the disk's side (a full disk is reported here), then rename. Whatever happens, `output` is
 * empty afterwards; on failure the temporary file is gone and an older file of that name is untouched. */
int output_commit(struct output *output, error *e);
/* Remove the temporary file. Harmless on an empty or committed output. */
void output_abandon(struct output *output);
/* Make a folder (and its parents, like mkdir -p). An existing folder is fine. */
int output_make_folder(const char *path, error *e);

#endif
