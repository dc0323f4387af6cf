/* `backbones classify`: the checkpoint's own head over images or a labelled data set. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/csv_writer.h"
#include "evaluate/decode_options.h"
#include "evaluate/extract.h"
#include "evaluate/output.h"
#include "weights-tools/json.h"

struct run {
  struct engine_request request;
  const char *predictions; /* CSV file to write, or NULL */
  bool json, quiet, per_image;
  int top, batch;
  struct decode_options decode;
  struct engine engine;
  struct dataset dataset;
  int *class_of_label; /* the head's class for each class of the data; NULL: not comparable */
  struct json_writer writer;
  struct output csv;
  size_t n, skipped, correct, correct5;
};

/* ---- ranking one image --------------------------------------------------------------------------------------------
 */

enum { MOST_TOP = 1000 };

/* The k largest logits, ties to the lower index. best: [k]. */
static void rank(const float *logits, int classes, int k, int *best) {
  int kept = 0;
  for (int c = 0; c < classes; c++) {
    if (kept == k && logits[c] <= logits[best[kept - 1]]) continue;
    int at = kept < k ? kept++ : k - 1;
    while (at > 0 && logits[best[at - 1]] < logits[c]) {
      best[at] = best[at - 1];
      at--;
    }
    best[at] = c;
  }
}

static double log_sum_exp(const float *logits, int classes) {
  double largest = -INFINITY, sum = 0;
  for (int c = 0; c < classes; c++) largest = fmax(largest, (double)logits[c]);
  for (int c = 0; c < classes; c++) sum += exp((double)logits[c] - largest);
  return largest + log(sum);
}

static const char *class_name(const struct run *run, int c, char buffer[static 32]) {
  if (run->engine.class_names && (size_t)c < run->engine.class_count) return run->engine.class_names[c];
  for (size_t i = 0; run->class_of_label && i < run->dataset.class_count; i++) {
    if (run->class_of_label[i] == c) return run->dataset.classes[i];
  }
  snprintf(buffer, 32, "class %d", c);
  return buffer;
}

static void show(struct run *run, const struct sample *sample, const float *logits, const int *best, int k) {
  double normaliser = log_sum_exp(logits, run->engine.info.classes);
  char buffer[32];
  if (run->json) {
    struct json_writer *w = &run->writer;
    json_begin_object(w);
    json_key(w, "path"), json_string(w, sample->path);
    json_key(w, "top"), json_begin_array(w);
    for (int i = 0; i < k; i++) {
      json_begin_object(w);
      json_key(w, "index"), json_integer(w, best[i]);
      json_key(w, "class"), json_string(w, class_name(run, best[i], buffer));
      json_key(w, "probability"), json_number(w, exp((double)logits[best[i]] - normaliser));
      json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
    return;
  }
  printf("%s\n", sample->path);
  for (int i = 0; i < k; i++) {
    printf("  %6.2f %%  %s\n", 100 * exp((double)logits[best[i]] - normaliser), class_name(run, best[i], buffer));
  }
}

static void take(struct run *run, const struct sample *sample, const float *logits) {
  int classes = run->engine.info.classes, best[MOST_TOP];
  int wanted = run->top > 5 ? run->top : 5, k = wanted < classes ? wanted : classes;
  rank(logits, classes, k, best);
  run->n++;
  if (run->class_of_label && sample->label >= 0) {
    int truth = run->class_of_label[sample->label];
    run->correct += best[0] == truth;
    for (int i = 0; i < k && i < 5; i++) run->correct5 += best[i] == truth;
  }
  if (run->csv.stream) {
    char buffer[32];
    csv_write_field(run->csv.stream, sample->path);
    fprintf(run->csv.stream, ",%d,%d,", sample->label, best[0]);
    csv_write_field(run->csv.stream, class_name(run, best[0], buffer));
    fprintf(run->csv.stream, ",%.9g\n", exp((double)logits[best[0]] - log_sum_exp(logits, classes)));
  }
  if (run->per_image) show(run, sample, logits, best, run->top < k ? run->top : k);
}

static int receive(void *context, const struct extracted *results, size_t n, error *e) {
  (void)e;
  struct run *run = context;
  for (size_t i = 0; i < n; i++) {
    if (results[i].row) {
      take(run, &run->dataset.samples[results[i].index], results[i].row);
    } else {
      run->skipped++;
      fprintf(stderr, "backbones: %s: %s\n", run->dataset.samples[results[i].index].path, results[i].reason);
    }
  }
  return OK;
}

/* ---- the data -----------------------------------------------------------------------------------------------------
 */

/* Images named on the command line, as a data set. One that cannot be opened is reported and left out. */
static int collect_images(const struct arguments *arguments, struct run *run, error *e) {
  struct dataset *d = &run->dataset;
  size_t n = (size_t)positional_count(arguments);
  d->name = copy_string("images", e);
  d->samples = allocate_zeroed(n, sizeof *d->samples, e);
  d->files = allocate_zeroed(n, sizeof *d->files, e);
  if (!d->name || !d->samples || !d->files) return FAILED;
  d->capacity = d->file_capacity = n;
  for (size_t i = 0; i < n; i++) {
    const char *path = positional(arguments, (int)i);
    struct file_view *view = &d->files[d->file_count];
    error reason;
    if (file_open(view, path, &reason) != OK) {
      fprintf(stderr, "backbones: %s\n", reason.message);
      run->skipped++;
      continue;
    }
    d->file_count++;
    struct sample *sample = &d->samples[d->count++];
    sample->label = -1;
    sample->bytes = view->bytes ? view->bytes : (const uint8_t *)"";
    sample->size = view->size;
    sample->path = copy_string(path, e);
    if (!sample->path) return FAILED;
  }
  return OK;
}

/* Classes of the data are the head's by name, or by order when there are as many. */
static int match_classes(struct run *run, error *e) {
  const struct dataset *d = &run->dataset;
  size_t n = d->class_count;
  if (!n) return OK;
  int *map = allocate(n, sizeof *map, e);
  if (!map) return FAILED;
  size_t named = 0;
  for (size_t i = 0; i < n; i++) {
    map[i] = -1;
    for (size_t c = 0; c < run->engine.class_count && map[i] < 0; c++) {
      if (!strcmp(d->classes[i], run->engine.class_names[c])) map[i] = (int)c;
    }
    named += map[i] >= 0;
  }
  if (named < n && n == (size_t)run->engine.info.classes) {
    for (size_t i = 0; i < n; i++) map[i] = (int)i;
  } else if (named < n) {
    fprintf(stderr, "%s: its %zu classes are not the head's %d: no accuracy\n", d->name, n, run->engine.info.classes);
    free(map);
    return OK;
  }
  run->class_of_label = map;
  return OK;
}

/* ---- the command --------------------------------------------------------------------------------------------------
 */

static void report(struct run *run) {
  bool labelled = run->class_of_label != NULL && run->n > 0;
  double n = (double)run->n;
  if (run->json) {
    struct json_writer *w = &run->writer;
    if (run->per_image) json_end_array(w);
    json_key(w, "n"), json_integer(w, (int64_t)run->n);
    json_key(w, "skipped"), json_integer(w, (int64_t)run->skipped);
    if (labelled) {
      json_key(w, "correct"), json_integer(w, (int64_t)run->correct);
      json_key(w, "top1"), json_number(w, (double)run->correct / n);
      json_key(w, "top5"), json_number(w, (double)run->correct5 / n);
    }
    json_end_object(w);
    return;
  }
  if (!labelled) return;
  printf("%s: %zu of %zu correct, top-1 %.2f %%, top-5 %.2f %%", run->dataset.name, run->correct, run->n,
         100 * (double)run->correct / n, 100 * (double)run->correct5 / n);
  if (run->skipped) printf(", %zu skipped", run->skipped);
  printf("\n");
}

static int classify_all(struct run *run, error *e) {
  size_t *indices = allocate(run->dataset.count, sizeof *indices, e);
  if (!indices) return FAILED;
  for (size_t i = 0; i < run->dataset.count; i++) indices[i] = i;
  if (run->json) {
    run->writer = json_writer_to(stdout);
    json_begin_object(&run->writer);
    if (run->per_image) json_key(&run->writer, "images"), json_begin_array(&run->writer);
  }
  struct extraction extraction = {.engine = &run->engine,
                                  .dataset = &run->dataset,
                                  .indices = indices,
                                  .count = run->dataset.count,
                                  .batch = run->batch,
                                  .logits = true,
                                  .decode = run->decode,
                                  .progress = !run->quiet && run->dataset.count > 100,
                                  .receive = receive,
                                  .context = run};
  int status = extract(&extraction, e);
  free(indices);
  if (status == OK && run->n == 0) status = fail(e, "%s: no image could be read", run->dataset.name);
  if (status != OK) {
    free(run->writer.text);
    return status;
  }
  report(run);
  return run->json ? json_writer_finish(&run->writer, e) : OK;
}

static int read_options(const struct arguments *arguments, struct run *run, error *e) {
  long long top = 5, batch = 16;
  int status = engine_read_options(arguments, &run->request, e);
  if (status == OK) status = option_integer(arguments, "--top", 1, MOST_TOP, &top, e);
  if (status == OK) status = option_integer(arguments, "--batch", 1, 4096, &batch, e);
  if (status == OK) status = decode_options_read(arguments, &run->decode, e);
  if (status != OK) return status;
  run->top = (int)top;
  run->batch = (int)batch;
  run->json = option_given(arguments, "--json");
  run->quiet = option_given(arguments, "--quiet");
  run->predictions = option_text(arguments, "--predictions");
  bool data = option_given(arguments, "--data");
  if (data == (positional_count(arguments) > 0)) {
    return usage_error(e, data ? "either --data or images, not both" : "images or --data DATA are needed");
  }
  return OK;
}

static int open_predictions(struct run *run, error *e) {
  if (!run->predictions) return OK;
  if (output_open(&run->csv, run->predictions, e) != OK) return FAILED;
  fputs("path,label,prediction,class,probability\n", run->csv.stream);
  return OK;
}

static int run_command(const struct arguments *arguments, error *e) {
  struct run run = {0};
  int status = read_options(arguments, &run, e);
  if (status != OK) return status;
  const char *data = option_text(arguments, "--data");
  status = data ? dataset_open(&run.dataset, data, e) : collect_images(arguments, &run, e);
  if (status == OK) status = engine_load(&run.engine, &run.request, e);
  if (status == OK && run.engine.info.classes == 0) {
    status = fail(e, "%s: has no head (its features can be probed: `backbones features`)", run.request.path);
  }
  if (status == OK) status = match_classes(&run, e);
  run.per_image = !data || !run.dataset.class_count;
  if (status == OK) status = open_predictions(&run, e);
  if (status == OK) status = classify_all(&run, e);
  if (status == OK && run.csv.stream) status = output_commit(&run.csv, e);
  output_abandon(&run.csv);
  /* Some of the images named on the command line could not be read: each has its line already. */
  if (status == OK && !data && run.skipped) {
    status = fail(e, "%zu of %d images could not be read", run.skipped, positional_count(arguments));
  }
  engine_free(&run.engine);
  dataset_close(&run.dataset);
  free(run.class_of_label);
  return status;
}

static const struct option options[] = {
    ENGINE_OPTIONS,
    {"--data", 'd', "DATA", "a data set (see `backbones features --help`) instead of images"},
    {"--top", 'k', "K", "classes to show per image (default 5)"},
    {"--predictions", 0, "FILE", "write a CSV file: path, label, prediction, class, probability"},
    {"--batch", 'b', "N", "images that a thread takes at a time (default 16)"},
    DECODE_OPTIONS,
    {"--quiet", 'q', NULL, "no progress"},
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_classify;
const struct command command_classify = {
    .name = "classify",
    .usage = "--weights WEIGHTS (IMAGE... | --data DATA) [options]",
    .summary = "what the checkpoint's own head says of images",
    .details =
        "Images get their top classes each. A labelled data set gets its top-1 and top-5 accuracy: its classes are\n"
        "matched with the head's by name, or by order when there are as many.",
    .options = options,
    .most = -1,
    .run = run_command,
};
