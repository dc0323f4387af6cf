/* `backbones retrieve`: how well features find pictures of the same class. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/csv_writer.h"
#include "evaluate/dataset_parts.h"
#include "evaluate/duplicates.h"
#include "evaluate/options.h"
#include "evaluate/output.h"
#include "evaluate/predictions.h"
#include "evaluate/results.h"
#include "evaluate/retrieval.h"
#include "evaluate/sample_paths.h"

struct run {
  const char *gallery_folder, *query_folder, *out;
  size_t *k;
  struct retrieval_options options;
  int threads;
  bool json;
  struct feature_set gallery, query;
  struct retrieval_result result;
  size_t duplicates; /* of --query in the gallery */
  double seconds;
};

static const struct feature_set *queries_of(const struct run *run) {
  return run->query_folder ? &run->query : &run->gallery;
}

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  static const size_t usual[] = {1, 5, 10};
  long long threads = 0;
  const char *empty = option_text(arguments, "--empty");
  int status = option_required(arguments, "--gallery", &run->gallery_folder, e);
  if (status == OK) status = option_counts(arguments, "--k", 1, UINT32_MAX, &run->k, &run->options.k_count, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  run->options.k = run->k;
  if (!run->k) {
    run->options.k = usual;
    run->options.k_count = sizeof usual / sizeof usual[0];
  }
  run->query_folder = option_text(arguments, "--query");
  run->out = option_text(arguments, "--out");
  if (run->out) run->options.nearest = run->options.k[run->options.k_count - 1];
  run->options.empty_as_zero = empty && !strcmp(empty, "zero");
  run->threads = (int)threads;
  run->json = option_given(arguments, "--json");
  if (status == OK && empty && !run->options.empty_as_zero && strcmp(empty, "skip") != 0) {
    status = usage_error(e, "--empty %s: must be skip or zero", empty);
  }
  if (status == OK && run->out && !*run->out) status = usage_error(e, "--out is empty");
  return status;
}

/* ---- results ------------------------------------------------------------------------------------------------------
 */

/* The mean of the classes' mean average precisions, over the classes that have queries. */
static double mean_of_classes(const struct run *run) {
  const struct retrieval_result *r = &run->result;
  double sum = 0;
  size_t classes = 0;
  for (size_t k = 0; k < (size_t)run->gallery.classes; k++) {
    if (r->class_n[k] == 0) continue;
    sum += r->class_means[k * r->measures + RETRIEVAL_AP];
    classes++;
  }
  return sum / (double)classes;
}

static void write_json(struct json_writer *w, const void *context) {
  const struct run *run = context;
  const struct retrieval_result *r = &run->result;
  json_begin_object(w);
  json_key(w, "n_queries"), json_integer(w, (int64_t)r->queries);
  json_key(w, "without_relevant"), json_integer(w, (int64_t)r->without);
  json_key(w, "map"), json_number(w, r->means[RETRIEVAL_AP]);
  json_key(w, "map_at_r"), json_number(w, r->means[RETRIEVAL_AP_AT_R]);
  json_key(w, "mrr"), json_number(w, r->means[RETRIEVAL_RR]);
  json_key(w, "map_mean_per_class"), json_number(w, mean_of_classes(run));
  json_key(w, "at_k"), json_begin_array(w);
  for (size_t i = 0; i < run->options.k_count; i++) {
    json_begin_object(w);
    json_key(w, "k"), json_integer(w, (int64_t)run->options.k[i]);
    json_key(w, "precision"), json_number(w, r->means[retrieval_precision(i)]);
    json_key(w, "recall"), json_number(w, r->means[retrieval_recall(i)]);
    json_end_object(w);
  }
  json_end_array(w);
  json_key(w, "metric"), json_string(w, "cosine");
  json_key(w, "leave_one_out"), json_boolean(w, !run->query_folder);
  json_key(w, "empty"), json_string(w, run->options.empty_as_zero ? "zero" : "skip");
  json_key(w, "n_gallery"), json_integer(w, (int64_t)run->gallery.n);
  if (run->query_folder) json_key(w, "duplicates"), json_integer(w, (int64_t)run->duplicates);
  json_key(w, "d"), json_integer(w, (int64_t)run->gallery.d);
  json_key(w, "classes"), json_integer(w, run->gallery.classes);
  json_key(w, "seconds"), json_number(w, run->seconds);
  json_end_object(w);
}

static void print_text(const struct run *run) {
  const struct retrieval_result *r = &run->result;
  printf("gallery %s: %zu rows of %zu features, %d classes\n", run->gallery_folder, run->gallery.n, run->gallery.d,
         run->gallery.classes);
  if (run->query_folder)
    printf("queries %s: %zu rows; %.1f s\n", run->query_folder, r->queries, run->seconds);
  else
    printf("queries: every row of the gallery, left out of its own ranking; %.1f s\n", run->seconds);
  printf("mAP %.4f  mAP@R %.4f  MRR %.4f  mAP, mean per class %.4f\n", r->means[RETRIEVAL_AP],
         r->means[RETRIEVAL_AP_AT_R], r->means[RETRIEVAL_RR], mean_of_classes(run));
  printf("%6s  precision  recall\n", "k");
  for (size_t i = 0; i < run->options.k_count; i++) {
    printf("%6zu  %9.4f  %.4f\n", run->options.k[i], r->means[retrieval_precision(i)], r->means[retrieval_recall(i)]);
  }
}

/* The first columns' names, then precision@1,recall@1, ... */
static void write_header(const struct run *run, const char *first, FILE *stream) {
  fputs(first, stream);
  for (size_t i = 0; i < run->options.k_count; i++) {
    fprintf(stream, ",precision@%zu,recall@%zu", run->options.k[i], run->options.k[i]);
  }
  fputc('\n', stream);
}

/* A field a measure; all empty where there is nothing to measure. */
static void write_measures(const struct run *run, const double *values, bool measured, FILE *stream) {
  for (size_t m = 0; m < run->result.measures; m++) {
    fputc(',', stream);
    if (measured) fprintf(stream, "%.8g", values[m]);
  }
  fputc('\n', stream);
}

static void write_classes(const struct run *run, FILE *stream) {
  const struct retrieval_result *r = &run->result;
  write_header(run, "class,n,map,map_at_r,mrr", stream);
  for (size_t k = 0; k < (size_t)run->gallery.classes; k++) {
    predictions_write_class(&run->gallery, (int)k, stream);
    fprintf(stream, ",%zu", r->class_n[k]);
    write_measures(run, r->class_means + k * r->measures, r->class_n[k] > 0, stream);
  }
}

static void write_queries(const struct run *run, const struct sample_paths *paths, FILE *stream) {
  const struct retrieval_result *r = &run->result;
  const struct feature_set *queries = queries_of(run);
  write_header(run, "path,label,ap,ap_at_r,rr", stream);
  for (size_t i = 0; i < r->queries; i++) {
    const double *values = r->values + i * r->measures;
    sample_paths_write(paths, i, stream);
    fputc(',', stream);
    predictions_write_class(queries, queries->labels[i], stream);
    write_measures(run, values, values[RETRIEVAL_AP] >= 0, stream); /* NaN is not */
  }
}

static void write_neighbours(const struct run *run, const struct sample_paths *query_paths,
                             const struct sample_paths *gallery_paths, FILE *stream) {
  const struct retrieval_result *r = &run->result;
  const struct feature_set *queries = queries_of(run);
  fputs("query,rank,neighbour,score,relevant\n", stream);
  for (size_t i = 0; i < r->queries; i++) {
    for (size_t j = 0; j < r->nearest_count; j++) {
      const struct neighbour *neighbour = &r->nearest[i * r->nearest_count + j];
      sample_paths_write(query_paths, i, stream);
      fprintf(stream, ",%zu,", j + 1);
      sample_paths_write(gallery_paths, neighbour->index, stream);
      fprintf(stream, ",%.8g,%d\n", (double)neighbour->score,
              run->gallery.labels[neighbour->index] == queries->labels[i]);
    }
  }
}

enum table { PER_CLASS, PER_QUERY, NEIGHBOURS };
static const char *const table_names[] = {"per_class.csv", "per_query.csv", "neighbours.csv", NULL};

static int write_table(const struct run *run, enum table table, const struct sample_paths *query_paths,
                       const struct sample_paths *gallery_paths, error *e) {
  char *path = join_path(run->out, table_names[table], e);
  struct output output;
  int status = path ? output_open(&output, path, e) : FAILED;
  if (status == OK) {
    if (table == PER_CLASS) write_classes(run, output.stream);
    if (table == PER_QUERY) write_queries(run, query_paths, output.stream);
    if (table == NEIGHBOURS) write_neighbours(run, query_paths, gallery_paths, output.stream);
    status = output_commit(&output, e);
  }
  free(path);
  return status;
}

static int write_folder(const struct run *run, error *e) {
  struct sample_paths query_paths = {0}, gallery_paths = {0};
  int status = sample_paths_open(&query_paths, queries_of(run), e);
  if (status == OK) status = sample_paths_open(&gallery_paths, &run->gallery, e);
  for (enum table table = PER_CLASS; status == OK && table <= NEIGHBOURS; table++) {
    status = write_table(run, table, &query_paths, &gallery_paths, e);
  }
  if (status == OK) status = results_write_json(run->out, write_json, run, e);
  if (status != OK) results_remove(run->out, table_names);
  sample_paths_close(&query_paths);
  sample_paths_close(&gallery_paths);
  return status;
}

static int search(struct run *run, error *e) {
  struct threads *pool = threads_start(run->threads, e);
  if (!pool) return FAILED;
  double begin = results_now();
  int status =
      retrieval_run(&run->result, &run->gallery, run->query_folder ? &run->query : NULL, &run->options, pool, e);
  run->seconds = results_now() - begin;
  threads_stop(pool);
  if (status == OK && run->result.n == 0) {
    status = fail(e, "%s: no query has another image of its class to find", run->gallery_folder);
  }
  return status;
}

static int run_command(const struct arguments *arguments, error *e) {
  struct run run = {0};
  int status = read_options(arguments, &run, e);
  if (status == OK) status = feature_set_open(&run.gallery, run.gallery_folder, e);
  if (status == OK && run.query_folder) status = feature_set_open(&run.query, run.query_folder, e);
  if (status == OK && run.out) status = results_prepare_folder(run.out, e);
  if (status == OK && run.query_folder) {
    status = duplicates_warn(&run.gallery, &run.query, stderr, &run.duplicates, e);
  }
  if (status == OK) status = search(&run, e);
  if (status == OK && run.out) status = write_folder(&run, e);
  if (status == OK && run.result.without) {
    fprintf(stderr, "warning: %zu of %zu queries have no image of their class to find and %s\n", run.result.without,
            run.result.queries, run.options.empty_as_zero ? "score 0" : "are left out (--empty zero counts them)");
  }
  if (status == OK && run.json) status = results_print_json(write_json, &run, e);
  if (status == OK && !run.json) print_text(&run);
  retrieval_free(&run.result);
  feature_set_close(&run.gallery);
  feature_set_close(&run.query);
  free(run.k);
  return status;
}

static const struct option options[] = {
    {"--gallery", 0, "DIR", "features to search, as `features` writes them"},
    {"--query", 0, "DIR",
     "features to search for (default: every row of the gallery, left out of its own\n"
     "ranking)"},
    {"--k", 0, "LIST", "cut-offs of precision and recall (default 1,5,10)"},
    {"--empty", 0, "skip|zero",
     "queries without an image of their class in the gallery are left out of the means\n"
     "(default) or score 0"},
    {"--out", 'o', "DIR",
     "write result.json, per_class.csv, per_query.csv and neighbours.csv (each query's first\n"
     "ones, up to the largest k) there"},
    {"--threads", 't', "N", "threads (default: every usable core); no effect on results"},
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_retrieve;
const struct command command_retrieve = {
    .name = "retrieve",
    .usage = "--gallery DIR [--query DIR] [options]",
    .summary = "how well features find images of the same class",
    .details =
        "Every query ranks the whole gallery by cosine similarity, exactly; ties go to the smaller index. Images of\n"
        "the query's class are relevant. Reports the mean average precision over the whole ranking, and over the\n"
        "first R of a query with R relevant images (mAP@R), the mean reciprocal rank, and mean precision and recall\n"
        "at each k, as torchmetrics defines them.",
    .options = options,
    .run = run_command,
};
