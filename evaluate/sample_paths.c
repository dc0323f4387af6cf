#include "evaluate/sample_paths.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evaluate/csv_writer.h"
#include "evaluate/dataset_parts.h"

static int split_lines(struct sample_paths *paths, const struct file_view *file, size_t n, error *e) {
  paths->text = copy_bytes_as_string(file->size ? (const char *)file->bytes : "", file->size, e);
  paths->paths = allocate(n, sizeof *paths->paths, e);
  if (!paths->text || !paths->paths) return FAILED;
  size_t lines = 0;
  char *end = paths->text + file->size;
  for (char *at = paths->text; at < end; lines++) {
    char *stop = memchr(at, '\n', (size_t)(end - at));
    if (!stop) stop = end;
    if (lines < n) paths->paths[lines] = at;
    *stop = 0;
    if (stop > at && stop[-1] == '\r') stop[-1] = 0;
    at = stop + 1;
  }
  if (lines == n) return OK;
  return fail(e, "has %zu lines; features.npy has %zu rows", lines, n);
}

int sample_paths_open(struct sample_paths *paths, const struct feature_set *set, error *e) {
  *paths = (struct sample_paths){0};
  char *path = join_path(set->folder, "paths.txt", e);
  if (!path) return FAILED;
  int status = OK;
  if (access(path, F_OK) == 0) {
    struct file_view file;
    status = file_open(&file, path, e);
    if (status == OK) {
      status = split_lines(paths, &file, set->n, e);
      if (status != OK) fail_within(e, "%s", path);
      file_close(&file);
    }
  }
  free(path);
  if (status != OK) sample_paths_close(paths);
  return status;
}

void sample_paths_close(struct sample_paths *paths) {
  free(paths->text);
  free((void *)paths->paths);
  *paths = (struct sample_paths){0};
}

void sample_paths_write(const struct sample_paths *paths, size_t i, FILE *stream) {
  if (paths->paths)
    csv_write_field(stream, paths->paths[i]);
  else
    fprintf(stream, "%zu", i);
}
