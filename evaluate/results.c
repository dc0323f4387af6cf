#include "evaluate/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "evaluate/dataset_parts.h"
#include "evaluate/output.h"

void results_write_metrics(struct json_writer *w, const struct metrics *metrics) {
  json_key(w, "n_test"), json_integer(w, (int64_t)metrics->n);
  json_key(w, "correct"), json_integer(w, (int64_t)metrics->correct);
  json_key(w, "top1"), json_number(w, metrics->top1);
  json_key(w, "top5"), json_number(w, metrics->top5);
  json_key(w, "mean_per_class"), json_number(w, metrics->mean_per_class);
  json_key(w, "nll"), json_number(w, metrics->nll);
  json_key(w, "ece"), json_number(w, metrics->ece);
}

void results_print_metrics(const struct metrics *metrics) {
  printf("top-1 %.4f  top-5 %.4f  mean per class %.4f  NLL %.5f  ECE %.5f\n", metrics->top1, metrics->top5,
         metrics->mean_per_class, metrics->nll, metrics->ece);
}

int results_prepare_folder(const char *folder, error *e) {
  char *path = join_path(folder, "result.json", e);
  if (!path) return FAILED;
  int status = OK;
  if (access(path, F_OK) == 0) {
    status = fail(e, "%s: holds a result already; choose another folder or remove it", folder);
  }
  free(path);
  return status == OK ? output_make_folder(folder, e) : status;
}

int results_write_json(const char *folder, void (*write)(struct json_writer *w, const void *context),
                       const void *context, error *e) {
  char *path = join_path(folder, "result.json", e);
  struct output output;
  int status = path ? output_open(&output, path, e) : FAILED;
  if (status == OK) {
    struct json_writer w = json_writer_to(output.stream);
    write(&w, context);
    status = json_writer_finish(&w, e);
    if (status == OK) {
      status = output_commit(&output, e);
    } else {
      output_abandon(&output);
    }
  }
  free(path);
  return status;
}

int results_print_json(void (*write)(struct json_writer *w, const void *context), const void *context, error *e) {
  struct json_writer w = json_writer_to(stdout);
  write(&w, context);
  return json_writer_finish(&w, e);
}

static void remove_file(const char *folder, const char *name) {
  char *path = join_path(folder, name, NULL);
  if (path) unlink(path);
  free(path);
}

void results_remove(const char *folder, const char *const *names) {
  for (; *names; names++) remove_file(folder, *names);
  remove_file(folder, "result.json");
}

double results_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
