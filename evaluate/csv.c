/* Lists of path,label: the data set that a .csv or .tsv describes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "evaluate/csv_rows.h"
#include "evaluate/dataset_parts.h"

/* ---- columns and labels -------------------------------------------------------------------------------------------
 */

static bool is_one_of(const char *text, const char *const *names) {
  for (; *names; names++) {
    if (!strcasecmp(text, *names)) return true;
  }
  return false;
}

struct columns {
  size_t path, label, count; /* label == count: there is none */
};

/* Whether the first row is a header, and which columns it names. */
static bool read_header(const struct csv_rows *csv, struct columns *columns) {
  static const char *const paths[] = {"path", "file", "filename", "file_name", "filepath", "image", "image_path", NULL};
  static const char *const labels[] = {"label", "class", "target", "category", "class_name", NULL};
  *columns = (struct columns){0, csv->field_count > 1 ? 1 : csv->field_count, csv->field_count};
  bool have_path = false, have_label = false;
  for (size_t i = csv->field_count; i-- > 0;) {
    if (is_one_of(csv->fields[i], paths)) {
      columns->path = i;
      have_path = true;
    }
  }
  for (size_t i = csv->field_count; i-- > 0;) {
    if (is_one_of(csv->fields[i], labels)) {
      columns->label = i;
      have_label = true;
    }
  }
  if (have_path && !have_label && csv->field_count > 2) columns->label = csv->field_count;
  if (have_path && columns->label == columns->path) columns->label = csv->field_count;
  return have_path;
}

static bool parse_integer(const char *text, long long *value) {
  char *end;
  errno = 0;
  *value = strtoll(text, &end, 10);
  return end != text && !*end && !errno && (*text == '-' || (*text >= '0' && *text <= '9'));
}

struct labelled {
  char *text;
  long long number;
  size_t row;
};

static int by_text(const void *a, const void *b) {
  const struct labelled *x = a, *y = b;
  return strcmp(x->text, y->text);
}

static int by_number(const void *a, const void *b) {
  const struct labelled *x = a, *y = b;
  return (x->number > y->number) - (x->number < y->number);
}

/* Classes are the distinct labels, sorted: by value when all are whole numbers, else by bytes. */
static int make_classes(struct dataset *dataset, struct labelled *labels, error *e) {
  bool numbers = true;
  for (size_t i = 0; i < dataset->count; i++) numbers &= parse_integer(labels[i].text, &labels[i].number);
  qsort(labels, dataset->count, sizeof *labels, numbers ? by_number : by_text);
  size_t capacity = 0;
  for (size_t i = 0; i < dataset->count; i++) {
    bool same = i > 0 && (numbers ? by_number : by_text)(&labels[i], &labels[i - 1]) == 0;
    if (!same) {
      int status = grow((void **)&dataset->classes, &capacity, dataset->class_count, sizeof *dataset->classes, e);
      char *name = status == OK ? copy_string(labels[i].text, e) : NULL;
      if (!name) return FAILED;
      if (dataset->class_count == INT32_MAX) {
        free(name);
        return fail(e, "too many classes");
      }
      dataset->classes[dataset->class_count++] = name;
    }
    dataset->samples[labels[i].row].label = (int)dataset->class_count - 1;
  }
  return OK;
}

static int take_row(struct dataset *dataset, const struct csv_rows *csv, const struct columns *columns, error *e) {
  if (csv->field_count != columns->count) {
    return fail(e, "line %zu: %zu fields where %zu are expected", csv->line, csv->field_count, columns->count);
  }
  if (!*csv->fields[columns->path]) return fail(e, "line %zu: no path", csv->line);
  char *path = copy_string(csv->fields[columns->path], e);
  return path ? dataset_add(dataset, path, -1, NULL, 0, e) : FAILED;
}

int csv_parse(struct dataset *dataset, const uint8_t *bytes, size_t size, char separator, error *e) {
  struct csv_rows csv;
  struct labelled *labels = NULL;
  size_t capacity = 0, label_count = 0;
  int status = csv_rows_begin(&csv, bytes, size, separator, e);
  if (status == OK) status = csv_rows_next(&csv, e);
  struct columns columns = {0};
  if (status == OK && csv.field_count && read_header(&csv, &columns)) status = csv_rows_next(&csv, e);
  while (status == OK && csv.field_count) {
    status = take_row(dataset, &csv, &columns, e);
    if (status == OK && columns.label < columns.count) {
      const char *label = csv.fields[columns.label];
      if (!*label) status = fail(e, "line %zu: no label", csv.line);
      if (status == OK) status = grow((void **)&labels, &capacity, label_count, sizeof *labels, e);
      char *text = status == OK ? copy_string(label, e) : NULL;
      if (text) {
        labels[label_count] = (struct labelled){text, 0, label_count};
        label_count++;
      } else {
        status = FAILED;
      }
    }
    if (status == OK) status = csv_rows_next(&csv, e);
  }
  if (status == OK && label_count) status = make_classes(dataset, labels, e);
  for (size_t i = 0; i < label_count; i++) free(labels[i].text);
  free(labels);
  csv_rows_end(&csv);
  return status;
}

int csv_read(struct dataset *dataset, const char *path, error *e) {
  dataset->kind = "csv";
  struct file_view file;
  int status = file_open(&file, path, e);
  if (status != OK) return status;
  size_t folder = (size_t)(base_name(path) - path);
  dataset->root = copy_bytes_as_string(folder ? path : ".", folder ? folder : 1, e);
  status = dataset->root ? csv_parse(dataset, file.bytes, file.size, csv_separator(path), e) : FAILED;
  file_close(&file);
  return status;
}
