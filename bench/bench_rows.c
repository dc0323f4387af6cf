/* The rows of an earlier run, read back from its JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/against.h"
#include "kernels/memory.h"

void bench_rows_free(struct bench_rows *rows) {
  free(rows->rows);
  *rows = (struct bench_rows){0};
}

int bench_rows_add(struct bench_rows *rows, const struct bench_row *row, error *e) {
  if (grow((void **)&rows->rows, &rows->capacity, rows->count, sizeof *rows->rows, e) != OK) return FAILED;
  rows->rows[rows->count++] = *row;
  return OK;
}

static int read_text(const struct json *object, const char *key, char *text, size_t size, error *e) {
  const char *found = json_get_string(object, key);
  if (!found || !*found) return fail(e, "%s: %s", key, json_get(object, key) ? "is no name" : "is missing");
  if (strlen(found) >= size) return fail(e, "%s: is too long", key);
  memcpy(text, found, strlen(found) + 1);
  return OK;
}

static int read_count(const struct json *object, const char *key, int *count, error *e) {
  int64_t found;
  if (!json_get(object, key)) return fail(e, "%s: is missing", key);
  if (!json_get_integer(object, key, &found) || found < 1 || found > 1 << 20) return fail(e, "%s: is no count", key);
  *count = (int)found;
  return OK;
}

static int read_positive(const struct json *object, const char *key, double *number, error *e) {
  if (!json_get(object, key)) return fail(e, "%s: is missing", key);
  if (!json_get_number(object, key, number) || !(*number > 0)) return fail(e, "%s: is no number above 0", key);
  return OK;
}

static int read_row(struct bench_row *row, const struct json *object, error *e) {
  *row = (struct bench_row){0};
  int status = object->type == JSON_OBJECT ? OK : fail(e, "is no object");
  if (status == OK) status = read_text(object, "arch", row->arch, sizeof row->arch, e);
  if (status == OK) status = read_text(object, "dtype", row->dtype, sizeof row->dtype, e);
  if (status == OK) status = read_count(object, "batch", &row->batch, e);
  if (status == OK) status = read_count(object, "threads", &row->threads, e);
  if (status == OK) status = read_positive(object, "images_per_s", &row->images_per_s, e);
  if (status == OK) status = read_positive(object, "ms", &row->ms, e);
  if (status == OK) status = read_positive(object, "ms_q1", &row->q1, e);
  if (status == OK) status = read_positive(object, "ms_q3", &row->q3, e);
  if (status == OK && json_get(object, "other_cores") && !json_get_number(object, "other_cores", &row->others))
    status = fail(e, "other_cores: is no number");
  if (status == OK && (row->q1 > row->ms || row->ms > row->q3)) status = fail(e, "ms: lies outside its quartiles");
  return status;
}

static int read_machine(struct bench_rows *rows, const struct json *machine, error *e) {
  if (!machine || machine->type != JSON_OBJECT) return fail(e, "machine: is missing: not written by bench");
  int status = read_text(machine, "cpu", rows->cpu, sizeof rows->cpu, e);
  if (status == OK) status = read_count(machine, "cores", &rows->cores, e);
  if (status == OK) status = read_text(machine, "isa", rows->isa, sizeof rows->isa, e);
  if (status == OK) status = read_text(machine, "version", rows->version, sizeof rows->version, e);
  if (status == OK && json_get(machine, "gpu")) status = read_text(machine, "gpu", rows->gpu, sizeof rows->gpu, e);
  return status == OK ? OK : fail_within(e, "machine");
}

static int read_document(struct bench_rows *rows, const struct json *root, error *e) {
  if (root->type != JSON_OBJECT) return fail(e, "is no JSON object: not written by bench");
  if (read_machine(rows, json_get(root, "machine"), e) != OK) return FAILED;
  const struct json *list = json_get(root, "rows");
  if (!list || list->type != JSON_ARRAY) return fail(e, "rows: is missing: not a bench of models");
  size_t index = 0;
  for (const struct json *object = list->first; object; object = object->next, index++) {
    struct bench_row row;
    if (read_row(&row, object, e) != OK) return fail_within(e, "rows[%zu]", index);
    if (bench_rows_add(rows, &row, e) != OK) return FAILED;
  }
  return OK;
}

int bench_rows_read(struct bench_rows *rows, const char *path, error *e) {
  *rows = (struct bench_rows){0};
  struct file_view file;
  if (file_open(&file, path, e) != OK) return FAILED;
  struct json_document document;
  int status = json_parse(&document, (const char *)file.bytes, file.size, true, e);
  file_close(&file);
  if (status == OK) {
    status = read_document(rows, document.root, e);
    json_free(&document);
  }
  if (status == OK) return OK;
  bench_rows_free(rows);
  return fail_within(e, "%s", path);
}
