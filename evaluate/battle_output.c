/* What a battle leaves: results.csv, results.json, report.html, and a table on the terminal. */
#include <math.h>
#include <stdlib.h>

#include "evaluate/battle.h"
#include "evaluate/dataset_parts.h"
#include "evaluate/output.h"

/* ---- json ---------------------------------------------------------------------------------------------------------
 */

static void write_interval(struct json_writer *w, const char *key, double low, double high) {
  if (isnan(low) || isnan(high)) return;
  json_key(w, key), json_begin_array(w);
  json_number(w, low);
  json_number(w, high);
  json_end_array(w);
}

static void write_columns(struct json_writer *w, const struct score_column *columns, size_t count, size_t backbone) {
  json_begin_object(w);
  for (size_t i = 0; i < count; i++) {
    if (isnan(columns[i].scores[backbone].value)) continue;
    json_key(w, columns[i].name), json_number(w, columns[i].scores[backbone].value);
  }
  json_end_object(w);
}

static void write_task_values(struct json_writer *w, const struct battle *battle, const double *values,
                              size_t backbone) {
  json_begin_object(w);
  for (size_t t = 0; t < battle->comparison.tasks; t++) {
    double value = values[t * battle->comparison.backbones + backbone];
    if (isnan(value)) continue;
    json_key(w, battle->scores.tasks[t].name), json_number(w, value);
  }
  json_end_object(w);
}

static void write_intervals(struct json_writer *w, const struct battle *battle, size_t b) {
  json_begin_object(w);
  for (size_t t = 0; t < battle->scores.task_count; t++) {
    struct score score = battle->scores.tasks[t].scores[b];
    write_interval(w, battle->scores.tasks[t].name, score.low, score.high);
  }
  json_end_object(w);
}

static void write_backbones(struct json_writer *w, const struct battle *battle) {
  const struct comparison *c = &battle->comparison;
  json_begin_array(w);
  for (size_t i = 0; i < c->backbones; i++) {
    size_t b = c->order[i];
    json_begin_object(w);
    json_key(w, "name"), json_string(w, battle->scores.backbones[b]);
    if (c->covered[b]) json_key(w, "place"), json_integer(w, (int64_t)i + 1);
    json_key(w, "mean_z"), json_number(w, c->mean_z[b]);
    write_interval(w, "mean_z_interval", battle->standings.mean_z[b].low, battle->standings.mean_z[b].high);
    write_interval(w, "behind_first_interval", battle->standings.behind[b].low, battle->standings.behind[b].high);
    json_key(w, "mean_rank"), json_number(w, c->mean_rank[b]);
    json_key(w, "tasks"), json_integer(w, (int64_t)c->covered[b]);
    json_key(w, "scores"), write_columns(w, battle->scores.tasks, battle->scores.task_count, b);
    json_key(w, "intervals"), write_intervals(w, battle, b);
    json_key(w, "z"), write_task_values(w, battle, c->z, b);
    json_key(w, "ranks"), write_task_values(w, battle, c->ranks, b);
    json_key(w, "cost"), write_columns(w, battle->scores.costs, battle->scores.cost_count, b);
    json_end_object(w);
  }
  json_end_array(w);
}

static void write_matrix(struct json_writer *w, const double *values, size_t n) {
  json_begin_array(w);
  for (size_t i = 0; i < n; i++) {
    json_begin_array(w);
    for (size_t j = 0; j < n; j++) json_number(w, values[i * n + j]);
    json_end_array(w);
  }
  json_end_array(w);
}

static void write_tests(struct json_writer *w, const struct battle *battle) {
  json_begin_array(w);
  for (size_t i = 0; i < battle->test_count; i++) {
    const struct report_test *test = &battle->tests[i];
    json_begin_object(w);
    json_key(w, "first"), json_string(w, battle->scores.backbones[battle->comparison.order[0]]);
    json_key(w, "other"), json_string(w, battle->scores.backbones[test->other]);
    json_key(w, "task"), json_string(w, battle->scores.tasks[test->task].name);
    json_key(w, "n"), json_integer(w, (int64_t)test->n);
    json_key(w, "only_first"), json_integer(w, (int64_t)test->only_first);
    json_key(w, "only_other"), json_integer(w, (int64_t)test->only_other);
    json_key(w, "difference"), json_number(w, test->difference);
    write_interval(w, "interval", test->low, test->high);
    json_key(w, "p"), json_number(w, test->p);
    json_key(w, "p_adjusted"), json_number(w, test->adjusted);
    json_end_object(w);
  }
  json_end_array(w);
}

static void write_notes(struct json_writer *w, const struct battle *battle) {
  json_key(w, "failures"), json_begin_array(w);
  for (size_t i = 0; i < battle->failure_count; i++) {
    json_begin_object(w);
    json_key(w, "subject"), json_string(w, battle->failures[i].subject);
    json_key(w, "message"), json_string(w, battle->failures[i].message);
    json_end_object(w);
  }
  json_end_array(w);
  json_key(w, "method"), json_begin_array(w);
  for (size_t i = 0; i < battle->fact_count; i++) {
    json_begin_object(w);
    json_key(w, "subject"), json_string(w, battle->facts[i].subject);
    json_key(w, "what"), json_string(w, battle->facts[i].what);
    json_key(w, "value"), json_string(w, battle->facts[i].value);
    json_end_object(w);
  }
  json_end_array(w);
}

void battle_write_json(struct json_writer *w, const void *context) {
  const struct battle *battle = context;
  json_begin_object(w);
  json_key(w, "program"), json_string(w, "backbones " BACKBONES_VERSION);
  json_key(w, "tasks"), json_begin_array(w);
  for (size_t t = 0; t < battle->scores.task_count; t++) {
    json_begin_object(w);
    json_key(w, "name"), json_string(w, battle->scores.tasks[t].name);
    json_key(w, "better"), json_string(w, battle->scores.tasks[t].better == BETTER_LOWER ? "lower" : "higher");
    json_key(w, "counts"), json_boolean(w, battle->comparison.counts[t]);
    json_end_object(w);
  }
  json_end_array(w);
  json_key(w, "backbones"), write_backbones(w, battle);
  json_key(w, "spearman"), write_matrix(w, battle->comparison.spearman, battle->comparison.tasks);
  json_key(w, "kendall"), write_matrix(w, battle->comparison.kendall, battle->comparison.tasks);
  json_key(w, "tests"), write_tests(w, battle);
  write_notes(w, battle);
  json_end_object(w);
}

/* ---- files --------------------------------------------------------------------------------------------------------
 */

static int write_json_file(const struct battle *battle, const char *path, error *e) {
  struct output output;
  if (output_open(&output, path, e) != OK) return FAILED;
  struct json_writer w = json_writer_to(output.stream);
  battle_write_json(&w, battle);
  if (json_writer_finish(&w, e) == OK) return output_commit(&output, e);
  output_abandon(&output);
  return FAILED;
}

static int write_csv_file(const struct battle *battle, const char *path, error *e) {
  struct output output;
  if (output_open(&output, path, e) != OK) return FAILED;
  scores_write(&battle->scores, output.stream);
  return output_commit(&output, e);
}

int battle_write(const struct battle *battle, const struct report_set *sets, size_t set_count, const char *title,
                 const char *folder, error *e) {
  struct report report = {.title = title,
                          .scores = &battle->scores,
                          .comparison = &battle->comparison,
                          .standings = &battle->standings,
                          .headline = battle->headline,
                          .headline_scores = battle->headline_scores,
                          .sets = sets,
                          .set_count = set_count,
                          .tests = battle->tests,
                          .test_count = battle->test_count,
                          .facts = battle->facts,
                          .fact_count = battle->fact_count,
                          .failures = battle->failures,
                          .failure_count = battle->failure_count};
  char *csv = join_path(folder, "results.csv", e), *json = join_path(folder, "results.json", e);
  char *html = join_path(folder, "report.html", e);
  int status = csv && json && html ? OK : FAILED;
  if (status == OK) status = write_csv_file(battle, csv, e);
  if (status == OK) status = write_json_file(battle, json, e);
  if (status == OK) status = report_write(&report, html, e);
  free(csv);
  free(json);
  free(html);
  return status;
}

/* ---- terminal -----------------------------------------------------------------------------------------------------
 */

void battle_print(const struct battle *battle) {
  const struct comparison *c = &battle->comparison;
  printf("%5s  %-32s %7s  %-15s %9s  %s\n", "place", "backbone", "mean z", "95 % interval", "mean rank", "tasks");
  for (size_t i = 0; i < c->backbones; i++) {
    size_t b = c->order[i];
    char interval[40] = "";
    struct interval z = battle->standings.mean_z[b];
    if (c->covered[b] == 0) continue;
    if (!isnan(z.low)) snprintf(interval, sizeof interval, "%+.2f to %+.2f", z.low, z.high);
    printf("%5zu  %-32s %+7.2f  %-15s %9.2f  %zu of %zu\n", i + 1, battle->scores.backbones[b], c->mean_z[b], interval,
           c->mean_rank[b], c->covered[b], c->counted);
  }
}
