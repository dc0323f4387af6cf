/* What the commands that evaluate features share: the seven figures of a classifier, and the folder of --out. */
#ifndef EVALUATE_RESULTS_H
#define EVALUATE_RESULTS_H

#include "evaluate/metrics.h"
#include "weights-tools/json.h"

/* n_test, correct, top1, top5, mean_per_class, nll and ece, as keys of the object that is open. */
void results_write_metrics(struct json_writer *w, const struct metrics *metrics);
/* "top-1 0.8420  top-5 0.9925  mean per class 0.8420  NLL 0.48033  ECE 0.04684" and a line feed, on standard output. */
void results_print_metrics(const struct metrics *metrics);

/* Make the folder; one that holds a result.json already is an error. Call it before the work, so that a wrong name
 * costs no time. */
int results_prepare_folder(const char *folder, error *e);
/* Write result.json by `write(w, context)`: last of all files, so that where it is, all is. */
int results_write_json(const char *folder, void (*write)(struct json_writer *w, const void *context),
                       const void *context, error *e);
/* The same object on standard output. */
int results_print_json(void (*write)(struct json_writer *w, const void *context), const void *context, error *e);
/* A run that failed leaves no part of a result: remove result.json and these files (names end with NULL). */
void results_remove(const char *folder, const char *const *names);

/* Seconds on a clock that never jumps. */
double results_now(void);

#endif
