#include "bench/images_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/machine.h"
#include "evaluate/dataset_parts.h"
#include "evaluate/pictures.h"
#include "images/preprocess.h"
#include "images/resize.h"

enum { LEAST_PASSES = 3, MOST_PASSES = 100 };

enum stage { ENTROPY, PIXELS, RESIZE, NORMALISE, TOTAL, DECODE, STAGES };
static const char *const stage_names[] = {"entropy", "pixels", "resize", "normalise", "total", "decode"};

/* A picture in memory and what it took. */
struct photo {
  const char *path;
  const uint8_t *bytes;
  size_t size;
  int width, height;
  struct rectangle source;           /* the part that the recipe reads */
  double times[STAGES][MOST_PASSES]; /* seconds */
  double medians[STAGES];
};

struct bench {
  const struct images_request *request;
  struct dataset dataset;
  struct photo *photos; /* that can be read */
  size_t count, passes;
  float *input;
};

/* ---- rows that nobody keeps ---------------------------------------------------------------------------------------*/

struct drain {
  struct row_sink sink;
  struct rectangle wanted;
  uint8_t *row;
};

static int drain_begin(struct row_sink *sink, int width, int height, struct rectangle *part, error *e) {
  struct drain *d = (struct drain *)sink;
  (void)width, (void)height;
  *part = d->wanted;
  d->row = allocate((size_t)part->width, 3, e);
  return d->row ? OK : FAILED;
}

static uint8_t *drain_room(struct row_sink *sink) { return ((struct drain *)sink)->row; }

static int drain_row(struct row_sink *sink, error *e) {
  (void)sink, (void)e;
  return OK;
}

static int run_drain(const struct photo *photo, struct rectangle wanted, error *e) {
  struct drain drain = {.sink = {drain_begin, drain_room, drain_row}, .wanted = wanted};
  struct image about;
  int status = image_stream(&drain.sink, &about, photo->bytes, photo->size, NULL, e);
  free(drain.row);
  return status;
}

static int start_resizer(struct resizer **resizer, const struct recipe *recipe, int width, int height, error *e) {
  struct layout l;
  if (preprocess_layout(width, height, recipe, &l, e) != OK) return FAILED;
  return resizer_start(resizer, width, height, l.width, l.height, recipe->filter, &l.part, e);
}

static int run_resize(const struct image *image, const struct recipe *recipe, error *e) {
  struct resizer *resizer = NULL;
  if (start_resizer(&resizer, recipe, image->width, image->height, e) != OK) return FAILED;
  struct rectangle source = resizer_source(resizer);
  for (int y = source.y; y < source.y + source.height; y++) {
    const uint8_t *row = image->rgb + 3 * ((size_t)y * (size_t)image->width + (size_t)source.x);
    memcpy(resizer_room(resizer), row, 3 * (size_t)source.width);
    resizer_put(resizer);
    while (resizer_take(resizer)) continue;
  }
  resizer_stop(resizer);
  return OK;
}

/* Of this thread: what other programs take of its core is not counted. */
static double cpu_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The time since *begin, which becomes now. */
static double lap(double *begin) {
  double end = cpu_time(), time = end - *begin;
  *begin = end;
  return time;
}

static int time_photo(const struct bench *b, const struct photo *photo, double times[static STAGES], error *e) {
  const struct recipe *recipe = &b->request->recipe;
  struct image image = {0};
  double begin = cpu_time();
  int status = preprocess_file(photo->bytes, photo->size, NULL, recipe, b->input, NULL, e);
  times[TOTAL] = lap(&begin);
  if (status == OK) status = run_drain(photo, (struct rectangle){0, 0, 1, 1}, e);
  times[ENTROPY] = lap(&begin);
  if (status == OK) status = run_drain(photo, photo->source, e);
  times[PIXELS] = lap(&begin) - times[ENTROPY];
  if (status == OK) status = image_decode(&image, photo->bytes, photo->size, NULL, e);
  times[DECODE] = lap(&begin);
  if (status == OK) status = run_resize(&image, recipe, e);
  times[RESIZE] = lap(&begin);
  if (status == OK) status = preprocess(&image, recipe, b->input, e);
  times[NORMALISE] = lap(&begin) - times[RESIZE];
  image_free(&image);
  return status;
}

static int run_pass(struct bench *b, error *e) {
  for (size_t i = 0; i < b->count; i++) {
    double times[STAGES];
    if (time_photo(b, &b->photos[i], times, e) != OK) return fail_within(e, "%s", b->photos[i].path);
    for (int s = 0; s < STAGES; s++) b->photos[i].times[s][b->passes] = times[s];
  }
  b->passes++;
  return OK;
}

static int measure(struct bench *b, error *e) {
  double begin = now();
  int status = OK;
  while (status == OK && b->passes < MOST_PASSES && (b->passes < LEAST_PASSES || now() - begin < b->request->seconds)) {
    status = run_pass(b, e);
  }
  for (size_t i = 0; status == OK && i < b->count; i++) {
    for (int s = 0; s < STAGES; s++) {
      b->photos[i].medians[s] = spread_of(b->photos[i].times[s], b->passes).median;
    }
  }
  return status;
}

/* ---- the pictures -------------------------------------------------------------------------------------------------*/

/* Fails where a pass would fail. */
static int take_photo(struct bench *b, size_t i, struct photo *photo, error *e) {
  const struct recipe *recipe = &b->request->recipe;
  struct sample *sample = &b->dataset.samples[i];
  struct resizer *resizer = NULL;
  struct image about;
  if (!sample->bytes) {
    struct file_view file;
    if (dataset_map(&b->dataset, sample->path, &file, e) != OK) return FAILED;
    sample->bytes = file.bytes;
    sample->size = file.size;
  }
  if (dataset_input(&b->dataset, i, &(struct input_request){.recipe = recipe}, b->input, &about, NULL, e) != OK)
    return FAILED;
  if (start_resizer(&resizer, recipe, about.width, about.height, e) != OK) return FAILED;
  *photo = (struct photo){.path = sample->path,
                          .bytes = sample->bytes,
                          .size = sample->size,
                          .width = about.width,
                          .height = about.height,
                          .source = resizer_source(resizer)};
  resizer_stop(resizer);
  return OK;
}

/* Take the pictures that can be read, which also brings everything into the caches of memory and code. */
static int take_photos(struct bench *b, error *e) {
  b->photos = allocate_zeroed(b->dataset.count, sizeof *b->photos, e);
  if (!b->photos) return FAILED;
  for (size_t i = 0; i < b->dataset.count; i++) {
    error reason = {""};
    if (take_photo(b, i, &b->photos[b->count], &reason) == OK) {
      b->count++;
    } else {
      fprintf(stderr, "backbones: %s\n", reason.message);
    }
  }
  return b->count ? OK : fail(e, "%s: no picture could be read", b->request->path);
}

static int prepare(struct bench *b, error *e) {
  const struct recipe *recipe = &b->request->recipe;
  b->input = allocate_aligned((size_t)recipe->height * (size_t)recipe->width * 3, sizeof *b->input, e);
  if (!b->input) return FAILED;
  if (pictures_add(&b->dataset, b->request->path, e) != OK) return FAILED;
  return take_photos(b, e);
}

/* ---- the report ---------------------------------------------------------------------------------------------------*/

/* Over the pictures, seconds; mean: what counts for the rate. */
struct summary {
  double median, low, high, mean;
};

static int summarise(const struct bench *b, struct summary summaries[static STAGES], error *e) {
  double *medians = allocate(b->count, sizeof *medians, e);
  if (!medians) return FAILED;
  for (int s = 0; s < STAGES; s++) {
    double sum = 0;
    for (size_t i = 0; i < b->count; i++) sum += medians[i] = b->photos[i].medians[s];
    summaries[s] = (struct summary){.median = spread_of(medians, b->count).median,
                                    .low = quantile(medians, b->count, 0.1),
                                    .high = quantile(medians, b->count, 0.9),
                                    .mean = sum / (double)b->count};
  }
  free(medians);
  return OK;
}

static void print_table(const struct bench *b, const struct summary *summaries, double megabytes, double megapixels) {
  const struct recipe *recipe = &b->request->recipe;
  double count = (double)b->count, seconds = summaries[TOTAL].mean * count;
  printf("\n%zu pictures, %.1f MB, %.1f megapixels to %d x %d, %s, %s; CPU time of one thread, %zu passes\n\n",
         b->count, megabytes, megapixels, recipe->width, recipe->height, filter_name(recipe->filter),
         crop_mode_name(recipe->crop_mode), b->passes);
  printf("%-10s %9s %9s %9s %9s\n", "stage", "ms", "10 %", "90 %", "mean");
  for (int s = 0; s < STAGES; s++) {
    const struct summary *summary = &summaries[s];
    printf("%-10s %9.3f %9.3f %9.3f %9.3f", stage_names[s], summary->median * 1e3, summary->low * 1e3,
           summary->high * 1e3, summary->mean * 1e3);
    if (s == TOTAL) {
      printf("   %.1f pictures/s, %.1f MB/s, %.1f megapixels/s", count / seconds, megabytes / seconds,
             megapixels / seconds);
    }
    printf("\n");
  }
}

static void write_photos(struct json_writer *w, const struct bench *b) {
  json_key(w, "photos"), json_begin_array(w);
  for (size_t i = 0; i < b->count; i++) {
    const struct photo *photo = &b->photos[i];
    json_begin_object(w);
    json_key(w, "path"), json_string(w, photo->path);
    json_key(w, "bytes"), json_integer(w, (int64_t)photo->size);
    json_key(w, "width"), json_integer(w, photo->width);
    json_key(w, "height"), json_integer(w, photo->height);
    json_key(w, "ms"), json_begin_object(w);
    for (int s = 0; s < STAGES; s++) json_key(w, stage_names[s]), json_number(w, photo->medians[s] * 1e3);
    json_end_object(w);
    json_end_object(w);
  }
  json_end_array(w);
}

static void write_json(struct json_writer *w, const struct bench *b, const struct summary *summaries, double megabytes,
                       double megapixels) {
  double count = (double)b->count, seconds = summaries[TOTAL].mean * count;
  json_begin_object(w);
  json_key(w, "data"), json_string(w, b->request->path);
  json_key(w, "recipe"), recipe_write(w, &b->request->recipe);
  json_key(w, "n"), json_integer(w, (int64_t)b->count);
  json_key(w, "threads"), json_integer(w, 1);
  json_key(w, "passes"), json_integer(w, (int64_t)b->passes);
  json_key(w, "images_per_s"), json_number(w, count / seconds);
  json_key(w, "mb_per_s"), json_number(w, megabytes / seconds);
  json_key(w, "megapixels_per_s"), json_number(w, megapixels / seconds);
  json_key(w, "stages"), json_begin_array(w);
  for (int s = 0; s < STAGES; s++) {
    json_begin_object(w);
    json_key(w, "stage"), json_string(w, stage_names[s]);
    json_key(w, "ms"), json_number(w, summaries[s].median * 1e3);
    json_key(w, "ms_p10"), json_number(w, summaries[s].low * 1e3);
    json_key(w, "ms_p90"), json_number(w, summaries[s].high * 1e3);
    json_key(w, "ms_mean"), json_number(w, summaries[s].mean * 1e3);
    json_end_object(w);
  }
  json_end_array(w);
  write_photos(w, b);
  json_end_object(w);
}

static int report(const struct bench *b, struct json_writer *w, error *e) {
  struct summary summaries[STAGES];
  double megabytes = 0, megapixels = 0;
  if (summarise(b, summaries, e) != OK) return FAILED;
  for (size_t i = 0; i < b->count; i++) {
    megabytes += (double)b->photos[i].size * 1e-6;
    megapixels += (double)b->photos[i].width * b->photos[i].height * 1e-6;
  }
  if (b->request->table) print_table(b, summaries, megabytes, megapixels);
  if (w) write_json(w, b, summaries, megabytes, megapixels);
  return OK;
}

int images_bench(const struct images_request *request, struct json_writer *w, error *e) {
  struct bench b = {.request = request};
  int status = prepare(&b, e);
  if (status == OK) status = measure(&b, e);
  if (status == OK) status = report(&b, w, e);
  free(b.photos);
  release_aligned(b.input);
  dataset_close(&b.dataset);
  return status;
}
