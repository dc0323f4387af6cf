#include "evaluate/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "evaluate/csv_rows.h"
#include "evaluate/csv_writer.h"
#include "kernels/memory.h"

/* ---- building -----------------------------------------------------------------------------------------------------
 */

int scores_backbone(struct score_table *table, const char *name, size_t *index, error *e) {
  for (*index = 0; *index < table->backbone_count; ++*index) {
    if (!strcmp(table->backbones[*index], name)) return OK;
  }
  if (*index == SCORES_MAX_BACKBONES) return fail(e, "more than %d backbones", SCORES_MAX_BACKBONES);
  int status = grow((void **)&table->backbones, &table->backbone_capacity, *index, sizeof *table->backbones, e);
  if (status != OK) return status;
  table->backbones[*index] = copy_string(name, e);
  if (!table->backbones[*index]) return FAILED;
  table->backbone_count++;
  return OK;
}

static int find_column(struct score_column **columns, size_t *count, size_t *capacity, const char *name,
                       enum better better, size_t *index, error *e) {
  for (*index = 0; *index < *count; ++*index) {
    if (!strcmp((*columns)[*index].name, name)) return OK;
  }
  if (*index == SCORES_MAX_TASKS) return fail(e, "more than %d tasks or kinds of cost", SCORES_MAX_TASKS);
  if (grow((void **)columns, capacity, *index, sizeof **columns, e) != OK) return FAILED;
  struct score_column column = {.name = copy_string(name, e), .better = better};
  column.scores = column.name ? allocate(SCORES_MAX_BACKBONES, sizeof *column.scores, e) : NULL;
  if (!column.scores) {
    free(column.name);
    return FAILED;
  }
  for (size_t b = 0; b < SCORES_MAX_BACKBONES; b++) column.scores[b] = (struct score){NAN, NAN, NAN};
  (*columns)[(*count)++] = column;
  return OK;
}

int scores_task(struct score_table *table, const char *name, enum better better, size_t *index, error *e) {
  return find_column(&table->tasks, &table->task_count, &table->task_capacity, name, better, index, e);
}

int scores_cost(struct score_table *table, const char *name, size_t *index, error *e) {
  return find_column(&table->costs, &table->cost_count, &table->cost_capacity, name, BETTER_LOWER, index, e);
}

static void free_columns(struct score_column *columns, size_t count) {
  for (size_t i = 0; i < count; i++) {
    free(columns[i].name);
    free(columns[i].scores);
  }
  free(columns);
}

void scores_free(struct score_table *table) {
  for (size_t i = 0; i < table->backbone_count; i++) free(table->backbones[i]);
  free((void *)table->backbones);
  free_columns(table->tasks, table->task_count);
  free_columns(table->costs, table->cost_count);
  *table = (struct score_table){0};
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

enum field { BACKBONE, TASK, SCORE, BETTER, LOW, HIGH, FIELDS };

/* place[f]: the column of a field; NOWHERE when the file has none. */
struct layout {
  size_t place[FIELDS];
};
static const size_t NOWHERE = (size_t)-1;

static size_t find_field(const struct csv_rows *rows, enum field field) {
  static const char *const names[FIELDS][4] = {{"backbone", "model", "network", NULL},
                                               {"task", "benchmark", "dataset", NULL},
                                               {"score", "value", NULL},
                                               {"better", "direction", NULL},
                                               {"low", NULL},
                                               {"high", NULL}};
  for (size_t j = 0; names[field][j]; j++) {
    for (size_t i = 0; i < rows->field_count; i++) {
      if (!strcasecmp(rows->fields[i], names[field][j])) return i;
    }
  }
  return NOWHERE;
}

/* Whether the first row is a header; else the columns come in their usual order. */
static int read_layout(const struct csv_rows *rows, struct layout *layout, bool *header, error *e) {
  size_t found = 0;
  for (int f = 0; f < FIELDS; f++) {
    layout->place[f] = find_field(rows, (enum field)f);
    found += f <= SCORE && layout->place[f] != NOWHERE;
  }
  *header = found > 1;
  if (found == SCORE + 1) return OK;
  if (found > 1) return fail(e, "line %zu: the header lacks one of backbone, task and score", rows->line);
  if (rows->field_count <= SCORE) {
    return fail(e, "line %zu: %zu fields where backbone, task and score are expected", rows->line, rows->field_count);
  }
  for (size_t f = 0; f < FIELDS; f++) layout->place[f] = f < rows->field_count ? f : NOWHERE;
  return OK;
}

static const char *field_text(const struct csv_rows *rows, const struct layout *layout, enum field field) {
  size_t place = layout->place[field];
  return place < rows->field_count ? rows->fields[place] : "";
}

static bool is_missing(const char *text) {
  return !*text || !strcmp(text, "-") || !strcasecmp(text, "na") || !strcasecmp(text, "nan");
}

static int read_number(const char *text, double *value, error *e) {
  *value = NAN;
  if (is_missing(text)) return OK;
  char *end;
  *value = strtod(text, &end);
  if (*end || !isfinite(*value)) return fail(e, "%.40s is not a number", text);
  return OK;
}

static int take_cell(struct score_table *table, const struct csv_rows *rows, const struct layout *layout, error *e) {
  const char *backbone = field_text(rows, layout, BACKBONE), *task = field_text(rows, layout, TASK);
  const char *better = field_text(rows, layout, BETTER);
  bool cost = !strcasecmp(better, "cost"), lower = !strcasecmp(better, "lower");
  if (!*backbone || !*task) return fail(e, "no %s", *backbone ? "task" : "backbone");
  if (*better && !cost && !lower && strcasecmp(better, "higher") != 0) {
    return fail(e, "%.40s is not higher, lower or cost", better);
  }
  struct score score;
  int status = read_number(field_text(rows, layout, SCORE), &score.value, e);
  if (status == OK) status = read_number(field_text(rows, layout, LOW), &score.low, e);
  if (status == OK) status = read_number(field_text(rows, layout, HIGH), &score.high, e);
  if (status == OK && (score.low > score.value || score.high < score.value)) {
    status = fail(e, "the score %g lies outside of %g to %g", score.value, score.low, score.high);
  }
  size_t row, column;
  if (status == OK) status = scores_backbone(table, backbone, &row, e);
  if (status == OK && cost) status = scores_cost(table, task, &column, e);
  if (status == OK && !cost) status = scores_task(table, task, lower ? BETTER_LOWER : BETTER_HIGHER, &column, e);
  if (status != OK) return status;
  struct score_column *c = cost ? &table->costs[column] : &table->tasks[column];
  if (!cost && c->better != (lower ? BETTER_LOWER : BETTER_HIGHER)) {
    return fail(e, "%.80s is better %s here, but not in a row before", task, lower ? "lower" : "higher");
  }
  if (!isnan(c->scores[row].value)) return fail(e, "%.80s on %.80s was told before", backbone, task);
  c->scores[row] = score;
  return OK;
}

int scores_parse(struct score_table *table, const unsigned char *bytes, size_t size, char separator, error *e) {
  *table = (struct score_table){0};
  struct csv_rows rows;
  struct layout layout;
  bool header = false;
  int status = csv_rows_begin(&rows, bytes, size, separator, e);
  if (status == OK) status = csv_rows_next(&rows, e);
  if (status == OK && rows.field_count == 0) status = fail(e, "is empty");
  if (status == OK) status = read_layout(&rows, &layout, &header, e);
  size_t expected = rows.field_count;
  if (status == OK && header) status = csv_rows_next(&rows, e);
  while (status == OK && rows.field_count) {
    if (rows.field_count != expected) {
      status = fail(e, "line %zu: %zu fields where %zu are expected", rows.line, rows.field_count, expected);
    }
    if (status == OK && take_cell(table, &rows, &layout, e) != OK) status = fail_within(e, "line %zu", rows.line);
    if (status == OK) status = csv_rows_next(&rows, e);
  }
  csv_rows_end(&rows);
  if (status == OK && table->task_count == 0) status = fail(e, "holds no score of a task");
  if (status != OK) scores_free(table);
  return status;
}

int scores_read(struct score_table *table, const char *path, error *e) {
  struct file_view file;
  int status = file_open(&file, path, e);
  if (status != OK) return status;
  status = scores_parse(table, file.bytes, file.size, csv_separator(path), e);
  file_close(&file);
  return status == OK ? OK : fail_within(e, "%s", path);
}

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

/* The fewest digits that read back as the same double; nothing for NaN. */
static void write_number(FILE *stream, double value) {
  fputc(',', stream);
  if (isnan(value)) return;
  char text[40];
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  fputs(text, stream);
}

static void write_column(const struct score_table *table, const struct score_column *column, const char *better,
                         FILE *stream) {
  for (size_t b = 0; b < table->backbone_count; b++) {
    struct score score = column->scores[b];
    if (isnan(score.value)) continue;
    csv_write_field(stream, table->backbones[b]);
    fputc(',', stream);
    csv_write_field(stream, column->name);
    write_number(stream, score.value);
    fprintf(stream, ",%s", better);
    write_number(stream, score.low);
    write_number(stream, score.high);
    fputc('\n', stream);
  }
}

void scores_write(const struct score_table *table, FILE *stream) {
  fprintf(stream, "backbone,task,score,better,low,high\n");
  for (size_t t = 0; t < table->task_count; t++) {
    write_column(table, &table->tasks[t], table->tasks[t].better == BETTER_LOWER ? "lower" : "higher", stream);
  }
  for (size_t c = 0; c < table->cost_count; c++) write_column(table, &table->costs[c], "cost", stream);
}
