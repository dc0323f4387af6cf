/* `backbones pixels`: what the decoder and the preprocessing make of pictures, as hashes that anybody can compare. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/decode_options.h"
#include "evaluate/engine.h"
#include "evaluate/output.h"
#include "evaluate/pictures.h"
#include "images/png_write.h"
#include "kernels/threads.h"
#include "weights-tools/json.h"
#include "weights-tools/sha256.h"

/* What is said of one picture. */
struct row {
  struct image about; /* without its pixels */
  char rgb[SHA256_TEXT], input[SHA256_TEXT];
  bool is_read;
  error reason; /* when it is not; begins with the path */
};

struct run {
  struct engine_request request;
  struct recipe recipe;
  struct decode_options decode;
  const char *folder; /* where to write PNGs; NULL: nowhere */
  bool json;
  struct dataset dataset;
  struct json_writer writer;
  int threads;

  pthread_mutex_t lock;
  pthread_cond_t shown;
  size_t next, turn; /* the next picture to take, and to show */
  size_t unread;
  bool failed; /* not a picture, but the run */
  error failure;
};

static size_t input_floats(const struct run *run) { return (size_t)run->recipe.height * (size_t)run->recipe.width * 3; }

static void hash(const void *bytes, size_t size, char text[static SHA256_TEXT]) {
  struct sha256 state;
  sha256_begin(&state);
  sha256_add(&state, bytes, size);
  sha256_finish(&state, text);
}

/* ---- pictures to look at ------------------------------------------------------------------------------------------*/

/* FOLDER/0001-name.KIND.png: the number is the row's, so that pictures of one name do not meet. */
static int write_picture(const struct run *run, size_t i, const char *kind, const struct image *image, error *e) {
  enum { NAME = 100, ROOM = NAME + 64 };
  const char *path = run->dataset.samples[i].path, *slash = strrchr(path, '/');
  size_t room = strlen(run->folder) + ROOM, size;
  char *name = allocate(room, 1, e);
  uint8_t *bytes = NULL;
  struct output output = {0};
  if (!name) return FAILED;
  snprintf(name, room, "%s/%04zu-%.*s.%s.png", run->folder, i + 1, NAME, slash ? slash + 1 : path, kind);
  int status = png_encode(image, &bytes, &size, e);
  if (status == OK) status = output_open(&output, name, e);
  if (status == OK) {
    fwrite(bytes, 1, size, output.stream);
    status = output_commit(&output, e);
  }
  free(bytes);
  free(name);
  return status;
}

/* The model's input before it is normalised: without mean and deviation it is byte / 255, from which the byte is read
 * back exactly. floats: room for the input. */
static int write_input(const struct run *run, size_t i, float *floats, error *e) {
  struct recipe recipe = run->recipe;
  for (int c = 0; c < 3; c++) {
    recipe.mean[c] = 0;
    recipe.std[c] = 1;
  }
  struct image crop;
  int status =
      dataset_input(&run->dataset, i, &(struct input_request){&run->decode, &recipe, NULL}, floats, NULL, NULL, e);
  if (status == OK) status = image_allocate(&crop, recipe.width, recipe.height, NULL, e);
  if (status != OK) return status;
  for (size_t k = 0; k < input_floats(run); k++) crop.rgb[k] = (uint8_t)lrintf(floats[k] * 255);
  status = write_picture(run, i, "input", &crop, e);
  image_free(&crop);
  return status;
}

/* ---- one picture --------------------------------------------------------------------------------------------------*/

/* The input is made as `features` makes it, from the file and not from the decoded picture, so that its hash covers
 * that way, too. FAILED is a failure of the run, not of the picture. */
static int look(const struct run *run, size_t i, float *input, struct row *row, error *e) {
  *row = (struct row){0};
  int status = OK;
  struct image *image = &row->about;
  if (dataset_image(&run->dataset, i, &run->decode, image, &row->reason) != OK) return OK;
  struct input_request request = {&run->decode, &run->recipe, NULL};
  row->is_read = dataset_input(&run->dataset, i, &request, input, NULL, NULL, &row->reason) == OK;
  if (row->is_read) {
    hash(image->rgb, (size_t)image->width * (size_t)image->height * 3, row->rgb);
    hash(input, input_floats(run) * sizeof *input, row->input);
  }
  if (row->is_read && run->folder) {
    status = write_picture(run, i, "decoded", image, e);
    if (status == OK) status = write_input(run, i, input, e);
  }
  free(image->rgb);
  image->rgb = NULL;
  return status;
}

static void show_json(struct json_writer *w, const char *path, const struct row *row) {
  json_begin_object(w);
  json_key(w, "path"), json_string(w, path);
  if (row->is_read) {
    json_key(w, "width"), json_integer(w, row->about.width);
    json_key(w, "height"), json_integer(w, row->about.height);
    json_key(w, "format"), json_string(w, row->about.format);
    json_key(w, "mode"), json_string(w, row->about.mode);
    json_key(w, "partial"), json_boolean(w, row->about.partial);
    json_key(w, "rgb_sha256"), json_string(w, row->rgb);
    json_key(w, "input_sha256"), json_string(w, row->input);
  } else {
    size_t length = strlen(path);
    bool named = !strncmp(row->reason.message, path, length) && !strncmp(row->reason.message + length, ": ", 2);
    json_key(w, "error"), json_string(w, row->reason.message + (named ? length + 2 : 0));
  }
  json_end_object(w);
}

#define ROW "%-16.16s  %-16.16s  %-13s %-5s %-6s %s%s\n"

static void show_text(const char *path, const struct row *row) {
  const struct image *about = &row->about;
  char size[32];
  snprintf(size, sizeof size, "%d x %d", about->width, about->height);
  printf(ROW, row->rgb, row->input, size, about->format ? about->format : "-", about->mode ? about->mode : "-", path,
         about->partial ? " (partial)" : "");
}

static void show(struct run *run, size_t i, const struct row *row) {
  const char *path = run->dataset.samples[i].path;
  if (!row->is_read) {
    run->unread++;
    fprintf(stderr, "backbones: %s\n", row->reason.message);
  }
  if (run->json) {
    show_json(&run->writer, path, row);
  } else if (row->is_read) {
    show_text(path, row);
  }
  if (ferror(stdout)) run->failed = true; /* main tells that */
}

/* ---- all of them --------------------------------------------------------------------------------------------------*/

static void fail_run(struct run *run, const error *e) {
  if (!run->failed) run->failure = *e;
  run->failed = true;
}

/* Take the next picture, and wait for its turn to be shown: workers are never more than a picture ahead. */
static void look_at_next(struct run *run, float *input, struct row *row) {
  error e = {""};
  size_t i = run->next++;
  pthread_mutex_unlock(&run->lock);
  int status = look(run, i, input, row, &e);
  pthread_mutex_lock(&run->lock);
  while (run->turn != i) pthread_cond_wait(&run->shown, &run->lock);
  if (status != OK) fail_run(run, &e);
  if (!run->failed) show(run, i, row);
  run->turn++;
  pthread_cond_broadcast(&run->shown);
}

static void work(void *context, size_t index, int thread) {
  (void)index, (void)thread;
  struct run *run = context;
  struct row row;
  error e = {""};
  float *input = allocate_aligned(input_floats(run), sizeof *input, &e);
  pthread_mutex_lock(&run->lock);
  if (!input) fail_run(run, &e);
  while (!run->failed && run->next < run->dataset.count) look_at_next(run, input, &row);
  pthread_mutex_unlock(&run->lock);
  release_aligned(input);
}

static int look_at_all(struct run *run, error *e) {
  struct threads *pool = threads_start(run->threads, e);
  if (!pool) return FAILED;
  pthread_mutex_init(&run->lock, NULL);
  pthread_cond_init(&run->shown, NULL);
  threads_run(pool, (size_t)threads_count(pool), work, run);
  pthread_cond_destroy(&run->shown);
  pthread_mutex_destroy(&run->lock);
  threads_stop(pool);
  if (!run->failed) return OK;
  *e = run->failure;
  return FAILED;
}

static int report(struct run *run, error *e) {
  if (run->json) {
    run->writer = json_writer_to(stdout);
    json_begin_object(&run->writer);
    json_key(&run->writer, "recipe"), recipe_write(&run->writer, &run->recipe);
    json_key(&run->writer, "images"), json_begin_array(&run->writer);
  } else {
    printf(ROW, "decoded RGB", "model input", "size", "file", "mode", "path", "");
  }
  if (look_at_all(run, e) != OK) return FAILED;
  if (run->json) {
    json_end_array(&run->writer);
    json_end_object(&run->writer);
    if (json_writer_finish(&run->writer, e) != OK) return FAILED;
  }
  if (!run->unread) return OK;
  return fail(e, "%zu of %zu pictures could not be read", run->unread, run->dataset.count);
}

static int collect(const struct arguments *arguments, struct run *run, error *e) {
  for (int i = 0; i < positional_count(arguments); i++) {
    if (pictures_add(&run->dataset, positional(arguments, i), e) != OK) return FAILED;
  }
  return OK;
}

static int settle_recipe(struct run *run, error *e) {
  if (run->request.path) return engine_recipe(&run->request, &run->recipe, e);
  run->recipe = recipe_default;
  return recipe_change(&run->recipe, &run->request.changes, e);
}

static int run_command(const struct arguments *arguments, error *e) {
  struct run run = {.request = {.path = option_text(arguments, "--weights")},
                    .folder = option_text(arguments, "--write"),
                    .json = option_given(arguments, "--json")};
  long long threads = 0;
  int status = recipe_options_read(arguments, &run.request.changes, e);
  if (status == OK) status = decode_options_read(arguments, &run.decode, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  if (status != OK) return status;
  run.threads = (int)threads;
  status = settle_recipe(&run, e);
  if (status == OK) status = collect(arguments, &run, e);
  if (status == OK && run.folder) status = output_make_folder(run.folder, e);
  if (status == OK) status = report(&run, e);
  dataset_close(&run.dataset);
  return status;
}

static const struct option options[] = {
    {"--weights", 'w', "WEIGHTS",
     "prepare pictures as this checkpoint wants them (default: side 224, crop\n"
     "0.875, bicubic, center, ImageNet's mean and deviation)"},
    RECIPE_OPTIONS,
    DECODE_OPTIONS,
    {"--write", 0, "DIR", "write each decoded picture and its resized crop as PNG into DIR"},
    ENGINE_THREADS,
    {"--json", 0, NULL, "print one JSON object, with whole hashes"},
    {0},
};

extern const struct command command_pixels;
const struct command command_pixels = {
    .name = "pixels",
    .usage = "PATH... [options]",
    .summary = "hashes of decoded pictures and of the model's input",
    .details =
        "PATH is a picture, a folder or a tar (TAR:INNER: what it holds there). Prints for every picture its size, "
        "format\n"
        "and mode as Pillow names them, and two SHA-256 hashes (their first 16 digits; --json has all 64):\n"
        "  decoded RGB   of the bytes of Image.open(f).convert(\"RGB\").tobytes()\n"
        "  model input   of float32 numbers, little-endian, [height, width, 3]: of torchvision's\n"
        "                Normalize(mean, std)(to_tensor(resized crop)).permute(1, 2, 0).numpy().tobytes()\n"
        "A picture that cannot be read is named on standard error, the others go on, and the exit status is 1.",
    .options = options,
    .least = 1,
    .most = -1,
    .run = run_command,
};
