#include "evaluate/predictions.h"

#include <stdio.h>
#include <stdlib.h>

#include "evaluate/csv_writer.h"
#include "evaluate/dataset_parts.h"
#include "evaluate/output.h"
#include "evaluate/sample_paths.h"

void predictions_write_class(const struct feature_set *set, int k, FILE *stream) {
  if (set->names && k < set->classes)
    csv_write_field(stream, set->names[k]);
  else
    fprintf(stream, "%d", k);
}

static void write_row(const struct predictions *p, const struct sample_paths *paths, size_t i, FILE *stream) {
  int label = p->set->labels[i], choice = p->choices[i];
  sample_paths_write(paths, i, stream);
  fputc(',', stream);
  predictions_write_class(p->set, label, stream);
  fputc(',', stream);
  predictions_write_class(p->set, choice, stream);
  fprintf(stream, ",%.8g,%d", p->confidences[i], choice == label);
  for (size_t c = 0; c < p->column_count; c++) fprintf(stream, ",%.8g", p->columns[c].values[i]);
  fputc('\n', stream);
}

int predictions_write(const struct predictions *p, const char *path, error *e) {
  struct sample_paths paths;
  if (sample_paths_open(&paths, p->set, e) != OK) return FAILED;
  struct output output;
  int status = output_open(&output, path, e);
  if (status == OK) {
    fputs("path,label,prediction,confidence,correct", output.stream);
    for (size_t c = 0; c < p->column_count; c++) {
      fputc(',', output.stream);
      csv_write_field(output.stream, p->columns[c].name);
    }
    fputc('\n', output.stream);
    for (size_t i = 0; i < p->set->n; i++) write_row(p, &paths, i, output.stream);
    status = output_commit(&output, e);
  }
  sample_paths_close(&paths);
  return status;
}

int predictions_write_classes(const struct predictions *p, const char *path, error *e) {
  size_t classes = (size_t)p->set->classes;
  size_t *n = allocate_zeroed(2 * classes, sizeof *n, e);
  if (!n) return FAILED;
  size_t *correct = n + classes;
  for (size_t i = 0; i < p->set->n; i++) {
    n[p->set->labels[i]]++;
    correct[p->set->labels[i]] += p->choices[i] == p->set->labels[i];
  }
  struct output output;
  int status = output_open(&output, path, e);
  if (status == OK) {
    fputs("class,n,correct,recall\n", output.stream);
    for (size_t k = 0; k < classes; k++) {
      predictions_write_class(p->set, (int)k, output.stream);
      fprintf(output.stream, ",%zu,%zu,", n[k], correct[k]);
      if (n[k]) fprintf(output.stream, "%.8g", (double)correct[k] / (double)n[k]);
      fputc('\n', output.stream);
    }
    status = output_commit(&output, e);
  }
  free(n);
  return status;
}

int predictions_write_folder(const struct predictions *p, const char *folder, error *e) {
  char *images = join_path(folder, "predictions.csv", e), *classes = join_path(folder, "per_class.csv", e);
  int status = images && classes ? predictions_write(p, images, e) : FAILED;
  if (status == OK) status = predictions_write_classes(p, classes, e);
  free(images);
  free(classes);
  return status;
}
