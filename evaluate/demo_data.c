#include "evaluate/demo_data.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evaluate/demo_texture.h"
#include "evaluate/output.h"
#include "images/png_write.h"
#include "kernels/memory.h"

enum { MAX_PATH_BYTES = 4096, SPLITS = 2 };
static const char *const split_names[SPLITS] = {"train", "test"};
static const char hidden_prefix[] = ".drawing-"; /* and the process id: a set that is not whole yet */

int demo_test_per_class(const struct demo_data *data) { return (data->per_class + 1) / 2; }

size_t demo_picture_count(const struct demo_data *data) {
  size_t classes = 0;
  for (int i = 0; i < DEMO_CLASSES; i++) classes += data->classes[i];
  return classes * (size_t)(data->per_class + demo_test_per_class(data));
}

static int join(char path[MAX_PATH_BYTES], const char *folder, const char *name, error *e) {
  int length = snprintf(path, MAX_PATH_BYTES, "%s/%s", folder, name);
  return length < MAX_PATH_BYTES ? OK : fail(e, "%s: the path is too long", folder);
}

/* ---- what lies in the folder already --------------------------------------------------------------------------- */
/* The levels of a set's folders; what an entry may be called, and what it is, follows from the level. */
enum level { FOREIGN, TOP, HIDDEN, SPLIT, CLASS, PICTURE };

static bool is_split(const char *name) { return !strcmp(name, split_names[0]) || !strcmp(name, split_names[1]); }

static bool is_class(const char *name) {
  for (int i = 0; i < DEMO_CLASSES; i++) {
    if (!strcmp(name, demo_class_names[i])) return true;
  }
  return false;
}

static bool is_picture(const char *name) { return strspn(name, "0123456789") == 4 && !strcmp(name + 4, ".png"); }

static enum level entry_level(enum level folder, const char *name) {
  switch (folder) {
    case TOP:
      if (!strncmp(name, hidden_prefix, strlen(hidden_prefix))) return HIDDEN;
      return is_split(name) ? SPLIT : FOREIGN;
    case HIDDEN:
      return is_split(name) ? SPLIT : FOREIGN;
    case SPLIT:
      return is_class(name) ? CLASS : FOREIGN;
    case CLASS:
      return is_picture(name) ? PICTURE : FOREIGN;
    case FOREIGN:
    case PICTURE:
      break;
  }
  return FOREIGN;
}

enum deed { LOOK, REMOVE };

/* Look through a folder of this level, or remove all of it. Meeting anything that we do not write is an error. At most
 * four folders deep: entry_level() has no other. */
static int visit(const char *folder, enum level level, enum deed deed, error *e) {
  DIR *stream = opendir(folder);
  if (!stream) return fail(e, "%s: cannot be read: %s", folder, strerror(errno));
  int status = OK;
  for (const struct dirent *entry; status == OK && (errno = 0, entry = readdir(stream));) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    char path[MAX_PATH_BYTES];
    struct stat information;
    status = join(path, folder, entry->d_name, e);
    if (status != OK) break;
    enum level inner = entry_level(level, entry->d_name);
    bool known = inner != FOREIGN && lstat(path, &information) == 0 &&
                 (inner == PICTURE ? S_ISREG(information.st_mode) : S_ISDIR(information.st_mode));
    if (!known)
      status = fail(e, "%s: is no part of a demo set: give a new or an empty folder", path);
    else if (inner != PICTURE)
      status = visit(path, inner, deed, e);
    else if (deed == REMOVE && unlink(path) != 0)
      status = fail(e, "%s: cannot be removed: %s", path, strerror(errno));
  }
  if (status == OK && errno) status = fail(e, "%s: cannot be read: %s", folder, strerror(errno));
  closedir(stream);
  if (status == OK && deed == REMOVE && rmdir(folder) != 0) {
    status = fail(e, "%s: cannot be removed: %s", folder, strerror(errno));
  }
  return status;
}

/* Remove what an interrupted run left. */
static int remove_hidden(const char *folder, error *e) {
  DIR *stream = opendir(folder);
  if (!stream) return fail(e, "%s: cannot be read: %s", folder, strerror(errno));
  int status = OK;
  for (const struct dirent *entry; status == OK && (entry = readdir(stream));) {
    if (entry_level(TOP, entry->d_name) != HIDDEN) continue;
    char path[MAX_PATH_BYTES];
    status = join(path, folder, entry->d_name, e);
    if (status == OK) status = visit(path, HIDDEN, REMOVE, e);
  }
  closedir(stream);
  return status;
}

/* ---- drawing --------------------------------------------------------------------------------------------------- */
struct work {
  const struct demo_data *data;
  const char *folder;
  int classes[DEMO_CLASSES], class_count;
  uint8_t *pictures; /* one for each thread */
  pthread_mutex_t lock;
  bool failed; /* under the lock, with *e and *progress */
  error *e;
  struct progress *progress;
};

static int make_folder(const char *path, error *e) {
  return mkdir(path, 0777) == 0 ? OK : fail(e, "%s: cannot be made: %s", path, strerror(errno));
}

static int make_class_folders(const struct work *work, error *e) {
  int status = make_folder(work->folder, e);
  for (int split = 0; split < SPLITS && status == OK; split++) {
    char path[MAX_PATH_BYTES], inner[MAX_PATH_BYTES];
    status = join(path, work->folder, split_names[split], e);
    if (status == OK) status = make_folder(path, e);
    for (int i = 0; i < work->class_count && status == OK; i++) {
      status = join(inner, path, demo_class_names[work->classes[i]], e);
      if (status == OK) status = make_folder(inner, e);
    }
  }
  return status;
}

static uint64_t picture_seed(uint64_t seed, int split, int class_index, int number) {
  struct generator generator = {seed};
  const int keys[] = {split, class_index, number};
  for (int i = 0; i < 3; i++) generator.state = generator_bits(&generator) + (uint64_t)keys[i];
  return generator_bits(&generator);
}

static int write_picture(const char *path, uint8_t *rgb, int size, error *e) {
  struct image image = {.rgb = rgb, .width = size, .height = size};
  uint8_t *bytes;
  size_t count;
  if (png_encode(&image, &bytes, &count, e) != OK) return FAILED;
  FILE *file = fopen(path, "wbe");
  bool whole = file && fwrite(bytes, 1, count, file) == count;
  int reason = errno;
  if (file && fclose(file) != 0 && whole) {
    whole = false;
    reason = errno;
  }
  free(bytes);
  return whole ? OK : fail(e, "%s: %s", path, strerror(reason));
}

static int draw_one(const struct work *work, size_t index, int thread, error *e) {
  const struct demo_data *data = work->data;
  const size_t per_class[SPLITS] = {(size_t)data->per_class, (size_t)demo_test_per_class(data)};
  int split = 0;
  if (index >= per_class[0] * (size_t)work->class_count) {
    index -= per_class[0] * (size_t)work->class_count;
    split = 1;
  }
  int class_index = work->classes[index / per_class[split]], number = (int)(index % per_class[split]);
  char name[64], path[MAX_PATH_BYTES];
  snprintf(name, sizeof name, "%s/%s/%04d.png", split_names[split], demo_class_names[class_index], number);
  if (join(path, work->folder, name, e) != OK) return FAILED;
  uint8_t *rgb = work->pictures + (size_t)thread * (size_t)data->size * (size_t)data->size * 3;
  demo_draw(rgb, data->size, class_index, picture_seed(data->seed, split, class_index, number));
  return write_picture(path, rgb, data->size, e);
}

static void draw_task(void *context, size_t index, int thread) {
  struct work *work = context;
  pthread_mutex_lock(&work->lock);
  bool stop = work->failed;
  pthread_mutex_unlock(&work->lock);
  if (stop) return;
  error e;
  int status = draw_one(work, index, thread, &e);
  pthread_mutex_lock(&work->lock);
  if (status == OK && work->progress) progress_add(work->progress, 1);
  if (status != OK && !work->failed) { /* the first error is the one to report */
    work->failed = true;
    if (work->e) *work->e = e;
  }
  pthread_mutex_unlock(&work->lock);
}

static int draw_all(struct work *work, struct threads *pool, error *e) {
  size_t picture = (size_t)work->data->size * (size_t)work->data->size * 3;
  work->pictures = allocate((size_t)threads_count(pool), picture, e);
  if (!work->pictures) return FAILED;
  int status = make_class_folders(work, e);
  if (status == OK) {
    threads_run(pool, demo_picture_count(work->data), draw_task, work);
    if (work->failed) status = FAILED;
  }
  free(work->pictures);
  return status;
}

/* Put the whole set in the place of an earlier one. */
static int install(const char *hidden, const char *folder, error *e) {
  char from[MAX_PATH_BYTES], to[MAX_PATH_BYTES];
  for (int split = 0; split < SPLITS; split++) {
    if (join(to, folder, split_names[split], e) != OK) return FAILED;
    if (access(to, F_OK) == 0 && visit(to, SPLIT, REMOVE, e) != OK) return FAILED;
  }
  for (int split = 0; split < SPLITS; split++) {
    if (join(from, hidden, split_names[split], e) != OK || join(to, folder, split_names[split], e) != OK) return FAILED;
    if (rename(from, to) != 0) return fail(e, "%s: cannot be renamed to %s: %s", from, to, strerror(errno));
  }
  return rmdir(hidden) == 0 ? OK : fail(e, "%s: cannot be removed: %s", hidden, strerror(errno));
}

int demo_data_write(const struct demo_data *data, const char *folder, struct threads *pool, struct progress *progress,
                    error *e) {
  char name[64], hidden[MAX_PATH_BYTES];
  snprintf(name, sizeof name, "%s%ld", hidden_prefix, (long)getpid());
  if (join(hidden, folder, name, e) != OK) return FAILED;
  bool existed = access(folder, F_OK) == 0;
  if (output_make_folder(folder, e) != OK) return FAILED;
  if (existed && (visit(folder, TOP, LOOK, e) != OK || remove_hidden(folder, e) != OK)) return FAILED;

  struct work work = {.data = data, .folder = hidden, .lock = PTHREAD_MUTEX_INITIALIZER, .e = e, .progress = progress};
  for (int i = 0; i < DEMO_CLASSES; i++) {
    if (data->classes[i]) work.classes[work.class_count++] = i;
  }
  int status = draw_all(&work, pool, e);
  pthread_mutex_destroy(&work.lock);
  if (status == OK) status = install(hidden, folder, e);
  if (status != OK) {
    visit(hidden, HIDDEN, REMOVE, NULL); /* the error that brought us here stays the one to report */
    if (!existed) rmdir(folder);
  }
  return status;
}
