#include "evaluate/pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "evaluate/dataset_parts.h"

static int by_path(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  int order = strcmp(x->path, y->path);
  if (order == 0) order = x->order < y->order ? -1 : 1;
  return order;
}

/* "TAR:MEMBER", as it can be given on the command line. */
static char *member_path(const char *tar, const char *member, error *e) {
  size_t size = strlen(tar) + 1 + strlen(member) + 1;
  char *path = allocate(size, 1, e);
  if (path) snprintf(path, size, "%s:%s", tar, member);
  return path;
}

/* Whether a listed file was asked for: it is `inner`, or a picture below it. unwrap: without its first folder. */
static bool is_wanted(const struct entry *entry, const char *inner, bool unwrap) {
  const char *path = entry->path, *slash = strchr(path, '/');
  if (entry->folder || (unwrap && !slash)) return false;
  if (unwrap) path = slash + 1;
  size_t length = inner ? strlen(inner) : 0;
  if (inner && !strcmp(path, inner)) return true;
  if (inner && (strncmp(path, inner, length) != 0 || path[length] != '/')) return false;
  return path_is_shown(entry->path) && path_is_image(path);
}

static int add_entries(struct dataset *dataset, const struct listing *listing, const char *path, bool is_tar,
                       const char *inner, bool unwrap, error *e) {
  for (size_t i = 0; i < listing->count; i++) {
    const struct entry *entry = &listing->entries[i];
    if (!is_wanted(entry, inner, unwrap)) continue;
    /* A tar may hold a member twice: the later one counts, as when it is unpacked. */
    if (i + 1 < listing->count && !strcmp(entry->path, entry[1].path)) continue;
    char *name = is_tar ? member_path(path, entry->path, e) : join_path(path, entry->path, e);
    if (!name) return FAILED;
    const uint8_t *bytes = is_tar && !entry->bytes ? (const uint8_t *)"" : entry->bytes;
    if (dataset_add(dataset, name, -1, bytes, entry->size, e) != OK) return FAILED;
  }
  return OK;
}

/* The pictures of a folder's or a tar's listing; `inner` may leave out the one folder that tars are often packed in. */
static int add_listing(struct dataset *dataset, struct listing *listing, const char *path, bool is_tar,
                       const char *inner, error *e) {
  size_t before = dataset->count;
  if (listing->count) qsort(listing->entries, listing->count, sizeof *listing->entries, by_path);
  int status = add_entries(dataset, listing, path, is_tar, inner, false, e);
  if (status == OK && dataset->count == before && inner) {
    status = add_entries(dataset, listing, path, is_tar, inner, true, e);
  }
  if (status != OK || dataset->count > before) return status;
  return inner ? fail(e, "%s: holds no picture %s", path, inner) : fail(e, "%s: holds no picture", path);
}

static int add_folder(struct dataset *dataset, const char *path, error *e) {
  struct listing listing = {0};
  int status = folder_list(&listing, path, e); /* names the folder in its messages */
  if (status == OK) status = add_listing(dataset, &listing, path, false, NULL, e);
  listing_free(&listing);
  return status;
}

static int add_tar(struct dataset *dataset, const char *path, const char *inner, error *e) {
  struct file_view file;
  struct listing listing = {0};
  if (dataset_map(dataset, path, &file, e) != OK) return FAILED;
  int status = tar_list(&listing, file.bytes, file.size, e) == OK ? OK : fail_within(e, "%s", path);
  if (status == OK) status = add_listing(dataset, &listing, path, true, inner, e);
  listing_free(&listing);
  return status;
}

static int add_file(struct dataset *dataset, const char *path, error *e) {
  char *name = copy_string(path, e);
  return name ? dataset_add(dataset, name, -1, NULL, 0, e) : FAILED;
}

int pictures_add(struct dataset *dataset, const char *path, error *e) {
  /* The root that paths are relative to is the working folder. */
  if (!dataset->root && !(dataset->root = copy_string("", e))) return FAILED;
  if (!dataset->name && !(dataset->name = copy_string("pictures", e))) return FAILED;
  struct stat found;
  char *outer, *inner;
  error reason;
  int status = dataset_split(path, &outer, &inner, &found, &reason);
  if (status != OK) {
    status = outer ? add_file(dataset, path, e) : fail(e, "%s", reason.message);
  } else if (S_ISDIR(found.st_mode)) {
    char *folder = inner ? join_path(outer, inner, e) : outer;
    status = folder ? add_folder(dataset, folder, e) : FAILED;
    if (folder != outer) free(folder);
  } else if (inner || tar_is_name(path)) {
    status = add_tar(dataset, outer, inner, e);
  } else {
    status = add_file(dataset, path, e);
  }
  free(outer);
  return status;
}
