#include "tests/folders.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evaluate/npy.h"
#include "tests/harness.h"

char *path_in(const char *folder, const char *name) { return strdup(path_join(folder, name)); }

bool exists(const char *folder, const char *name) { return access(path_join(folder, name), F_OK) == 0; }

char *draw_photos(const char *per_class) {
  char *photos = path_in(test_folder(), "photos");
  struct run run = RUN("demo-data", photos, "--per-class", per_class, "--size", "32", "--quiet");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  return photos;
}

static bool write_array(const char *path, enum dtype dtype, size_t columns, const void *values, size_t rows) {
  struct npy_writer *writer;
  error e;
  return npy_create(&writer, path, dtype, columns, &e) == OK && npy_append(writer, values, rows, &e) == OK &&
         npy_commit(writer, &e) == OK;
}

const char *write_features(const char *name, const float *x, size_t d, const int64_t *labels, size_t n,
                           const char *classes) {
  const char *folder = path_join(test_folder(), name);
  mkdir(folder, 0700);
  bool written = write_array(path_join(folder, "features.npy"), DTYPE_F32, d, x, n) &&
                 write_array(path_join(folder, "labels.npy"), DTYPE_I64, 0, labels, n);
  if (classes) written &= write_file(path_join(folder, "classes.txt"), classes, strlen(classes));
  CHECK_MSG(written, "%s cannot be written", folder);
  return folder;
}

/* Every file of `a` is in `b`; counts them. */
static bool check_holds(const char *a, const char *b, int *count) {
  DIR *directory = opendir(a);
  if (!CHECK_MSG(directory != NULL, "%s is no folder", a)) return false;
  bool same = true;
  for (const struct dirent *entry; (entry = readdir(directory));) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    size_t x_size = 0, y_size = 0;
    char *x = read_file(path_join(a, entry->d_name), &x_size), *y = read_file(path_join(b, entry->d_name), &y_size);
    same &=
        CHECK_MSG(x && y && x_size == y_size && !memcmp(x, y, x_size), "%s differs in %s and %s", entry->d_name, a, b);
    free(x);
    free(y);
    ++*count;
  }
  closedir(directory);
  return same;
}

bool check_same_folders(const char *a, const char *b) {
  int in_a = 0, in_b = 0;
  if (!check_holds(a, b, &in_a)) return false;
  return check_holds(b, a, &in_b) && CHECK(in_a > 0 && in_a == in_b);
}

bool copy_folder(const char *from, const char *to) {
  DIR *directory = opendir(from);
  if (!directory || mkdir(to, 0700)) return false;
  bool copied = true;
  for (const struct dirent *entry; (entry = readdir(directory));) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    size_t size = 0;
    char *bytes = read_file(path_join(from, entry->d_name), &size);
    copied &= bytes && write_file(path_join(to, entry->d_name), bytes, size);
    free(bytes);
  }
  closedir(directory);
  return copied;
}
