/* backbones demo-data: draw the demo set. */
#include <stdio.h>
#include <string.h>

#include "evaluate/demo_data.h"
#include "evaluate/options.h"

/* Set the classes that a comma-separated list names. */
static int choose_classes(bool classes[DEMO_CLASSES], const char *list, error *e) {
  for (int i = 0; i < DEMO_CLASSES; i++) classes[i] = false;
  for (const char *name = list;;) {
    size_t length = strcspn(name, ",");
    int found = -1;
    for (int i = 0; i < DEMO_CLASSES; i++) {
      if (strlen(demo_class_names[i]) == length && !memcmp(demo_class_names[i], name, length)) found = i;
    }
    if (found < 0) {
      return usage_error(e, "--classes: unknown class \"%.*s\" (see `backbones demo-data --help`)",
                         length > 60 ? 60 : (int)length, name);
    }
    if (classes[found]) return usage_error(e, "--classes: %s is named twice", demo_class_names[found]);
    classes[found] = true;
    if (!name[length]) return OK;
    name += length + 1;
  }
}

static int run(const struct arguments *arguments, error *e) {
  long long seed = 0, per_class = 60, size = 64, threads = 0;
  int status = option_integer(arguments, "--seed", 0, INT64_MAX, &seed, e);
  if (status == OK) status = option_integer(arguments, "--per-class", 1, DEMO_MAX_PER_CLASS, &per_class, e);
  if (status == OK) status = option_integer(arguments, "--size", DEMO_MIN_SIZE, DEMO_MAX_SIZE, &size, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  struct demo_data data = {.seed = (uint64_t)seed, .per_class = (int)per_class, .size = (int)size};
  for (int i = 0; i < DEMO_CLASSES; i++) data.classes[i] = true;
  const char *classes = option_text(arguments, "--classes");
  if (status == OK && classes) status = choose_classes(data.classes, classes, e);
  if (status != OK) return status;

  struct threads *pool = threads_start((int)threads, e);
  if (!pool) return FAILED;
  const char *folder = positional(arguments, 0);
  struct progress progress;
  progress_start(&progress, demo_picture_count(&data), "pictures", !option_given(arguments, "--quiet"));
  status = demo_data_write(&data, folder, pool, &progress, e);
  if (status == OK || progress.done > 0) progress_end(&progress);
  threads_stop(pool);
  if (status != OK) return status;
  int class_count = 0;
  for (int i = 0; i < DEMO_CLASSES; i++) class_count += data.classes[i];
  printf("%s: %d training and %d test pictures of %d classes, %dx%d, seed %lld\n", folder, data.per_class * class_count,
         demo_test_per_class(&data) * class_count, class_count, data.size, data.size, seed);
  return OK;
}

static const struct option options[] = {
    {"--seed", 0, "N", "another set for each number (default 0)"},
    {"--per-class", 0, "N", "training pictures of a class, half as many for testing (default 60)"},
    {"--size", 0, "N", "width and height in pixels (default 64)"},
    {"--classes", 0, "A,B,...", "only these classes (default: all ten)"},
    {"--threads", 't', "N", "threads (default: every usable core)"},
    {"--quiet", 'q', NULL, "no progress"},
    {0},
};

const struct command command_demo_data = {
    .name = "demo-data",
    .usage = "DIR [--seed N] [--per-class N] [--size N] [--classes A,B,...]",
    .summary = "draw a small labelled image set",
    .details =
        "Writes DIR/train/CLASS/NNNN.png and DIR/test/CLASS/NNNN.png: photo-like pictures of five shapes with two\n"
        "patterns, among clutter of random colours, under random light. The same options give the same bytes on every\n"
        "machine. An earlier demo set in DIR is replaced; any other file there is an error.\n"
        "Classes: spotted-butterfly, spotted-fish, spotted-mug, spotted-shirt, spotted-star,\n"
        "striped-butterfly, striped-fish, striped-mug, striped-shirt, striped-star.",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
