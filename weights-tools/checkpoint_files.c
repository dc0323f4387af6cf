#include "weights-tools/checkpoint_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernels/memory.h"

/* What hubs call a checkpoint that is one file, the preferred first, and the endings of others' names. */
static const char *const whole_names[] = {"model.safetensors", "pytorch_model.bin", NULL};
static const char *const safetensors_suffixes[] = {".safetensors", NULL};
static const char *const torch_suffixes[] = {".pth", ".pt", ".bin", NULL};
/* An index is called as its shards end, and this. */
static const char index_suffix[] = ".index.json";
static const char *const safetensors_indices[] = {".safetensors.index.json", NULL};
static const char *const torch_indices[] = {".bin.index.json", NULL};

enum { MAX_SHARDS = 4096, MAX_INDEX = 256 << 20 /* bytes */ };

void checkpoint_free_files(struct checkpoint_files *files) {
  for (size_t i = 0; i < files->count; i++) free(files->paths[i]);
  free(files->paths);
  free(files->folder);
  free(files->index_path);
  free(files->entries);
  json_free(&files->index);
  *files = (struct checkpoint_files){0};
}

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && !strcmp(text + length - tail, end);
}

/* Whether one of a list of endings fits. */
static bool ends_with_any(const char *text, const char *const *ends) {
  while (*ends && !ends_with(text, *ends)) ends++;
  return *ends != NULL;
}

static char *join(const char *folder, const char *name, error *e) {
  size_t size = strlen(folder) + strlen(name) + 2;
  char *path = allocate(size, 1, e);
  if (path) snprintf(path, size, "%s/%s", folder, name);
  return path;
}

/* ---- a sharded checkpoint ---- */

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static int compare_keys(const void *a, const void *b) {
  return strcmp((*(const struct json *const *)a)->key, (*(const struct json *const *)b)->key);
}

static int compare_strings(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static const char *shard_suffix(const struct checkpoint_files *files) {
  return ends_with_any(files->index_path, safetensors_indices) ? ".safetensors" : ".bin";
}

/* A shard's name must be that of a file beside the index: no path leads elsewhere. */
static bool is_shard_name(const struct json *value, const char *suffix) {
  return json_is_plain_string(value) && !strchr(value->string, '/') && !strstr(value->string, "..") &&
         ends_with(value->string, suffix);
}

/* The different shards' paths, sorted: the values of the map, each once. */
static int collect_shards(struct checkpoint_files *files, error *e) {
  const char **names = allocate(files->entry_count, sizeof *names, e);
  if (!names) return FAILED;
  for (size_t i = 0; i < files->entry_count; i++) names[i] = files->entries[i]->string;
  qsort(names, files->entry_count, sizeof *names, compare_strings);
  size_t different = 0;
  for (size_t i = 0; i < files->entry_count; i++) {
    if (i == 0 || strcmp(names[i], names[i - 1]) != 0) names[different++] = names[i];
  }
  int status = different <= MAX_SHARDS ? OK : fail(e, "%zu shards are too many", different);
  if (status == OK && !(files->paths = allocate(different, sizeof *files->paths, e))) status = FAILED;
  for (size_t i = 0; i < different && status == OK; i++) {
    files->paths[i] = join(files->folder, names[i], e);
    if (files->paths[i]) {
      files->count++;
    } else {
      status = FAILED;
    }
  }
  free(names);
  return status;
}

static int take_weight_map(struct checkpoint_files *files, error *e) {
  const struct json *map = json_get(files->index.root, "weight_map");
  if (!map || map->type != JSON_OBJECT || map->length == 0) return fail(e, "it has no weight_map");
  files->entries = allocate(map->length, sizeof *files->entries, e);
  if (!files->entries) return FAILED;
  const char *suffix = shard_suffix(files);
  for (const struct json *entry = map->first; entry; entry = entry->next) {
    if (strlen(entry->key) != entry->key_length || !is_shard_name(entry, suffix)) {
      return fail(e, "weight_map: \"%.200s\" is not placed in a %s file of the same folder", entry->key, suffix);
    }
    files->entries[files->entry_count++] = entry;
  }
  qsort(files->entries, files->entry_count, sizeof *files->entries, compare_keys);
  return collect_shards(files, e);
}

/* Takes over `path`. */
static int read_index(struct checkpoint_files *files, char *path, error *e) {
  files->index_path = path;
  struct file_view view;
  if (file_open(&view, path, e) != OK) return FAILED;
  int status = view.size <= MAX_INDEX ? OK : fail(e, "too long for an index");
  if (status == OK) status = json_parse(&files->index, (const char *)view.bytes, view.size, true, e);
  if (status == OK) status = take_weight_map(files, e);
  file_close(&view);
  return status == OK ? OK : fail_within(e, "%s", path);
}

static const struct json *find_entry(const struct checkpoint_files *files, const char *name) {
  struct json wanted = {.key = name};
  const struct json *key = &wanted;
  const struct json *const *found =
      bsearch(&key, files->entries, files->entry_count, sizeof *files->entries, compare_keys);
  return found ? *found : NULL;
}

/* The first tensor that the index places in the shard and that is not there. */
static const char *find_missing(const struct checkpoint_files *files, const char *shard_name,
                                const struct tensor *tensors, size_t count) {
  const char **names = malloc((count + 1) * sizeof *names);
  if (!names) return "?";
  for (size_t i = 0; i < count; i++) names[i] = tensors[i].name;
  qsort(names, count, sizeof *names, compare_strings);
  const char *missing = "?";
  for (size_t i = 0; i < files->entry_count; i++) {
    const struct json *entry = files->entries[i];
    if (strcmp(entry->string, shard_name) != 0) continue;
    if (bsearch(&entry->key, names, count, sizeof *names, compare_strings)) continue;
    missing = entry->key;
    break;
  }
  free(names);
  return missing;
}

int checkpoint_check_shard(const struct checkpoint_files *files, size_t i, const struct tensor *tensors, size_t count,
                           error *e) {
  const char *name = base_name(files->paths[i]);
  for (size_t t = 0; t < count; t++) {
    const struct json *entry = find_entry(files, tensors[t].name);
    if (!entry || strcmp(entry->string, name) != 0) {
      return fail(e, "%s: tensor \"%.200s\" is in %s, but the index %s%s", files->index_path, tensors[t].name, name,
                  entry ? "places it in " : "does not list it", entry ? entry->string : "");
    }
  }
  size_t listed = 0;
  for (size_t k = 0; k < files->entry_count; k++) listed += !strcmp(files->entries[k]->string, name);
  if (listed == count) return OK;
  return fail(e, "%s: tensor \"%.200s\" is not in %s, where the index places it", files->index_path,
              find_missing(files, name, tensors, count), name);
}

/* ---- a folder ---- */

/* The one name in the folder that ends in one of these ways: FAILED when several do, *found NULL when none does. */
static int find_single(const char *folder, const char *const *endings, char **found, error *e) {
  *found = NULL;
  DIR *directory = opendir(folder);
  if (!directory) return fail(e, "%s: %s", folder, strerror(errno));
  int status = OK;
  struct dirent *entry;
  while (status == OK && (entry = readdir(directory))) {
    if (entry->d_name[0] == '.' || !ends_with_any(entry->d_name, endings)) continue;
    if (*found) {
      status = fail(e, "%s: both %s and %s are there: name the one to use", folder, *found, entry->d_name);
    } else if (!(*found = copy_string(entry->d_name, e))) {
      status = FAILED;
    }
  }
  closedir(directory);
  if (status != OK) {
    free(*found);
    *found = NULL;
  }
  return status;
}

static bool exists(const char *path) {
  struct stat status;
  return stat(path, &status) == 0;
}

/* Takes over `path`. */
static int take_single(struct checkpoint_files *files, char *path, error *e) {
  files->paths = allocate(1, sizeof *files->paths, e);
  if (!files->paths) {
    free(path);
    return FAILED;
  }
  files->paths[files->count++] = path;
  return OK;
}

/* The folder's checkpoint in one of the two formats: the file that hubs write, an index, or one other file. *path is
 * NULL when there is none. */
static int find_format(const char *folder, const char *whole, const char *const *indices, const char *const *suffixes,
                       char **path, error *e) {
  *path = join(folder, whole, e);
  if (!*path) return FAILED;
  if (exists(*path)) return OK;
  free(*path);
  *path = NULL;
  char *name;
  if (find_single(folder, indices, &name, e) != OK) return FAILED;
  if (!name && find_single(folder, suffixes, &name, e) != OK) return FAILED;
  if (!name) return OK;
  *path = join(folder, name, e);
  free(name);
  return *path ? OK : FAILED;
}

static int find_in_folder(struct checkpoint_files *files, const char *folder, error *e) {
  files->folder = copy_string(folder, e);
  if (!files->folder) return FAILED;
  char *path;
  if (find_format(folder, whole_names[0], safetensors_indices, safetensors_suffixes, &path, e) != OK) return FAILED;
  if (!path && find_format(folder, whole_names[1], torch_indices, torch_suffixes, &path, e) != OK) return FAILED;
  if (!path) return fail(e, "%s: holds no .safetensors file, nor a .pth, .pt or .bin", folder);
  return ends_with(path, index_suffix) ? read_index(files, path, e) : take_single(files, path, e);
}

static bool is_whole_name(const char *name) {
  const char *const *whole = whole_names;
  while (*whole && strcmp(name, *whole) != 0) whole++;
  return *whole != NULL;
}

static int find_file(struct checkpoint_files *files, const char *path, error *e) {
  bool is_index = ends_with_any(path, safetensors_indices) || ends_with_any(path, torch_indices);
  if (is_index || is_whole_name(base_name(path))) {
    size_t length = (size_t)(base_name(path) - path);
    files->folder = length ? copy_bytes_as_string(path, length, e) : copy_string(".", e);
    if (!files->folder) return FAILED;
  }
  char *copy = copy_string(path, e);
  if (!copy) return FAILED;
  return is_index ? read_index(files, copy, e) : take_single(files, copy, e);
}

int checkpoint_find_files(struct checkpoint_files *files, const char *path, error *e) {
  *files = (struct checkpoint_files){0};
  struct stat status;
  bool is_folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
  int result = is_folder ? find_in_folder(files, path, e) : find_file(files, path, e);
  if (result != OK) checkpoint_free_files(files);
  return result;
}
