/* What a listing of files means: class folders, images without labels, or splits of which one must be chosen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "evaluate/dataset_parts.h"

/* ---- names --------------------------------------------------------------------------------------------------------
 */

bool path_is_image(const char *path) {
  static const char *const extensions[] = {"jpg", "jpeg", "png", "webp", "gif", "bmp", "dib",
                                           "tif", "tiff", "ppm", "pgm",  "pbm", "pnm"};
  const char *dot = strrchr(base_name(path), '.');
  for (size_t i = 0; dot && i < sizeof extensions / sizeof extensions[0]; i++) {
    if (!strcasecmp(dot + 1, extensions[i])) return true;
  }
  return false;
}

/* Hidden: a part of the path starts with a dot, or is the shadow tree that macOS puts into archives. */
bool path_is_shown(const char *path) {
  for (const char *part = path; part; part = strchr(part, '/')) {
    if (*part == '/') part++;
    if (*part == '.' || !strncmp(part, "__MACOSX", 8)) return false;
  }
  return !strpbrk(path, "\r\n");
}

static bool is_split(const char *name, size_t length) {
  static const char *const splits[] = {"train", "training", "test", "testing", "val", "valid", "validation"};
  for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
    if (strlen(splits[i]) == length && !strncasecmp(name, splits[i], length)) return true;
  }
  return false;
}

/* ---- sorting ------------------------------------------------------------------------------------------------------
 */

static size_t first_part(const char *path) { return strcspn(path, "/"); }

/* By the first folder's name, then by the rest of the path, both as bytes: strcmp() alone would put "a-b/x" before
 * "a/x". Files at the top come before all folders. */
static int by_class_and_path(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  size_t m = first_part(x->path), n = first_part(y->path);
  bool x_deep = x->path[m], y_deep = y->path[n];
  if (x_deep != y_deep) return x_deep ? 1 : -1;
  int order = memcmp(x->path, y->path, m < n ? m : n);
  if (order == 0 && m != n) order = m < n ? -1 : 1;
  if (order == 0) order = strcmp(x->path + m, y->path + n);
  if (order == 0) order = x->order < y->order ? -1 : 1;
  return order;
}

/* ---- the level at which the classes lie ---------------------------------------------------------------------------
 */

/* Images (and separately the folders) that are left after filtering, sorted. */
struct level {
  struct entry *images, *folders;
  size_t images_count, folders_count;
};

/* Keep only what lies under folder/ and shorten the paths by it; false (and nothing done) when no image would stay. */
static bool descend(struct level *level, const char *folder, size_t length) {
  struct entry *lists[2] = {level->images, level->folders};
  size_t counts[2] = {level->images_count, level->folders_count}, kept[2] = {0, 0};
  for (size_t i = 0; i < counts[0]; i++) {
    const char *path = lists[0][i].path;
    kept[0] += !strncmp(path, folder, length) && path[length] == '/';
  }
  if (kept[0] == 0) return false;
  for (int l = 0; l < 2; l++) {
    size_t used = 0;
    for (size_t i = 0; i < counts[l]; i++) {
      char *path = lists[l][i].path;
      if (strncmp(path, folder, length) != 0 || path[length] != '/') continue;
      memmove(path, path + length + 1, strlen(path + length + 1) + 1);
      /* A swap, not a copy: every path stays in the array, which owns it. */
      struct entry moved = lists[l][i];
      lists[l][i] = lists[l][used];
      lists[l][used++] = moved;
    }
    kept[l] = used;
  }
  level->images_count = kept[0];
  level->folders_count = kept[1];
  qsort(level->images, level->images_count, sizeof *level->images, by_class_and_path);
  return true;
}

/* The number of images at the top, of folders with images, and whether any image lies deeper than in these. */
struct summary {
  size_t top, folders;
  bool deeper, all_splits;
};

static struct summary summarise(const struct level *level) {
  struct summary s = {.all_splits = true};
  const char *last = NULL;
  size_t last_length = 0;
  for (size_t i = 0; i < level->images_count; i++) {
    const char *path = level->images[i].path;
    size_t length = first_part(path);
    if (!path[length]) {
      s.top++;
      continue;
    }
    s.deeper |= strchr(path + length + 1, '/') != NULL;
    if (last && length == last_length && !memcmp(path, last, length)) continue;
    last = path;
    last_length = length;
    s.folders++;
    s.all_splits &= is_split(path, length);
  }
  return s;
}

static int name_splits(const struct level *level, error *e) {
  char names[256] = "";
  const char *first = NULL;
  for (size_t i = 0, used = 0; i < level->images_count; i++) {
    const char *path = level->images[i].path;
    size_t length = first_part(path);
    if (i > 0 && first_part(level->images[i - 1].path) == length && !memcmp(path, level->images[i - 1].path, length)) {
      continue;
    }
    if (!first) first = path;
    int wrote = snprintf(names + used, sizeof names - used, "%s%.*s", used ? ", " : "", (int)length, path);
    used += wrote > 0 && (size_t)wrote < sizeof names - used ? (size_t)wrote : 0;
  }
  return fail(e, "holds the splits %s: choose one, as in DATA:%.*s", names, (int)first_part(first), first);
}

/* descend() into the one folder that there is; files on disk are then found from there. */
static int descend_only(struct dataset *dataset, struct level *level, error *e) {
  char *only = copy_bytes_as_string(level->images[0].path, first_part(level->images[0].path), e);
  char *root = NULL;
  int status = only ? OK : FAILED;
  if (status == OK && dataset->root) {
    root = join_path(dataset->root, only, e);
    if (!root) status = FAILED;
  }
  if (status == OK) {
    descend(level, only, strlen(only));
    if (root) {
      free(dataset->root);
      dataset->root = root;
    }
  }
  free(only);
  return status;
}

/* Walk down to the folder whose entries are classes or images. */
static int find_level(struct dataset *dataset, struct level *level, const char *inner, bool unwrap, error *e) {
  if (inner && !descend(level, inner, strlen(inner))) {
    struct summary s = summarise(level);
    if (s.top == 0 && s.folders == 1 && descend_only(dataset, level, e) != OK) return FAILED;
    if (!descend(level, inner, strlen(inner))) return fail(e, "holds no image in a folder %s", inner);
  }
  unwrap = unwrap && !inner;
  for (;;) {
    struct summary s = summarise(level);
    if (s.top || s.folders == 0) return OK;
    if (s.folders > 1 && s.all_splits) return name_splits(level, e);
    /* One folder around everything is no class when it holds folders itself, or when it only wraps a tar. */
    if (s.folders != 1 || !(s.deeper || unwrap)) return OK;
    if (descend_only(dataset, level, e) != OK) return FAILED;
    unwrap = false;
  }
}

/* ---- samples ------------------------------------------------------------------------------------------------------
 */

static int check_empty_classes(const struct level *level, error *e) {
  for (size_t i = 0; i < level->folders_count; i++) {
    const char *name = level->folders[i].path;
    if (strchr(name, '/')) continue;
    size_t length = strlen(name), low = 0, high = level->images_count;
    /* The first image that does not sort before everything in this folder. */
    while (low < high) {
      size_t middle = low + (high - low) / 2;
      const char *path = level->images[middle].path;
      size_t part = first_part(path);
      int order = path[part] ? memcmp(path, name, part < length ? part : length) : -1;
      if (order == 0 && part != length) order = part < length ? -1 : 1;
      if (order < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    bool found = low < level->images_count && first_part(level->images[low].path) == length &&
                 !memcmp(level->images[low].path, name, length);
    if (!found) return fail(e, "the class folder %s holds no image", name);
  }
  return OK;
}

static int take_samples(struct dataset *dataset, struct level *level, bool labelled, error *e) {
  size_t class_capacity = 0;
  const char *last = NULL;
  size_t last_length = 0;
  for (size_t i = 0; i < level->images_count; i++) {
    struct entry *image = &level->images[i];
    size_t length = first_part(image->path);
    if (labelled && !image->path[length]) continue; /* a stray image beside the class folders */
    /* A tar may hold a member twice: the later one counts, as when it is unpacked. */
    if (i + 1 < level->images_count && !strcmp(image->path, level->images[i + 1].path)) continue;
    if (labelled && (!last || length != last_length || memcmp(last, image->path, length) != 0)) {
      int status = grow((void **)&dataset->classes, &class_capacity, dataset->class_count, sizeof *dataset->classes, e);
      if (status != OK) return status;
      char *name = copy_bytes_as_string(image->path, length, e);
      if (!name) return FAILED;
      dataset->classes[dataset->class_count++] = name;
      if (dataset->class_count > INT32_MAX) return fail(e, "holds too many classes");
      last = name;
      last_length = length;
    }
    char *path = image->path;
    image->path = NULL;
    if (dataset_add(dataset, path, labelled ? (int)dataset->class_count - 1 : -1, image->bytes, image->size, e) != OK) {
      return FAILED;
    }
    if (labelled) last = dataset->classes[dataset->class_count - 1];
  }
  return OK;
}

static int write_note(struct dataset *dataset, size_t others, size_t special, size_t strays, error *e) {
  if (others + special + strays == 0) return OK;
  char text[256];
  int used = snprintf(text, sizeof text, "files left out:");
  const char *comma = "";
  const struct {
    size_t count;
    const char *what;
  } parts[] = {{others, "without an image's extension (jpg jpeg png webp gif bmp dib tif tiff ppm pgm pbm pnm)"},
               {special, "special (links that lead nowhere or back, devices)"},
               {strays, "beside the class folders"}};
  for (size_t i = 0; i < 3; i++) {
    if (!parts[i].count) continue;
    used += snprintf(text + used, sizeof text - (size_t)used, "%s %zu %s", comma, parts[i].count, parts[i].what);
    comma = ",";
  }
  dataset->note = copy_string(text, e);
  return dataset->note ? OK : FAILED;
}

int dataset_arrange(struct dataset *dataset, struct listing *listing, const char *inner, bool unwrap, error *e) {
  /* Images to the front of the array, folders behind them, the rest last: the listing keeps owning every path. */
  struct entry *entries = listing->entries;
  size_t images = 0, folders = 0, others = 0;
  for (size_t i = 0; i < listing->count; i++) {
    struct entry entry = entries[i];
    bool shown = path_is_shown(entry.path);
    bool image = shown && !entry.folder && path_is_image(entry.path);
    if (shown && !entry.folder && !image) others++;
    if (!shown || (!entry.folder && !image)) continue;
    size_t place = images + folders;
    entries[i] = entries[place];
    entries[place] = entry;
    if (image) {
      entries[place] = entries[images];
      entries[images++] = entry;
    } else {
      folders++;
    }
  }
  if (images) qsort(entries, images, sizeof *entries, by_class_and_path);
  struct level level = {entries, images ? entries + images : entries, images, folders};
  int status = find_level(dataset, &level, inner, unwrap, e);
  if (status != OK) return status;
  struct summary s = summarise(&level);
  bool labelled = s.folders > 0 && (s.top == 0 || s.folders > 1);
  if (s.folders == 1 && s.top == 0) {
    size_t length = first_part(level.images[0].path);
    return fail(e,
                "holds one class only (%.*s): a classifier needs two or more; for images without labels name the "
                "folder that holds them",
                (int)length, level.images[0].path);
  }
  if (s.folders == 1 && s.top > 0) {
    const char *path = level.images[level.images_count - 1].path;
    return fail(e, "holds images and a folder of images (%.*s): name one of them, or a folder of class folders",
                (int)first_part(path), path);
  }
  if (labelled) status = check_empty_classes(&level, e);
  if (status == OK) status = take_samples(dataset, &level, labelled, e);
  if (status == OK) status = write_note(dataset, others, listing->special, labelled ? s.top : 0, e);
  return status;
}
