/* What the readers of the single kinds of data sets (folder.c, tar.c, csv.c, cifar.c, idx.c) share with dataset.c. */
#ifndef EVALUATE_DATASET_PARTS_H
#define EVALUATE_DATASET_PARTS_H

#include <sys/stat.h>

#include "evaluate/dataset.h"

/* Names found in a folder or a tar, before it is known what they mean. */
struct entry {
  char *path; /* relative to the root, without "./", trailing or doubled slashes */
  bool folder;
  const uint8_t *bytes; /* a tar's member; NULL: a file */
  size_t size, order;   /* order: place in the listing */
};

struct listing {
  struct entry *entries;
  size_t count, capacity;
  size_t special; /* devices, links in a tar and the like: counted as left out */
};

/* Adds an entry and takes over `path`, also on failure. */
int listing_add(struct listing *listing, char *path, bool folder, const uint8_t *bytes, size_t size, error *e);
void listing_free(struct listing *listing);

/* Readers: messages without the data set's name. */
int folder_list(struct listing *listing, const char *path, error *e);
int tar_list(struct listing *listing, const uint8_t *bytes, size_t size, error *e);
bool tar_is_name(const char *path);
/* Decide what a listing means (class folders, flat, splits) and make samples of it. inner: the folder asked for, or
 * NULL. unwrap: look through a single folder around everything (tars are packed so). Paths move to the samples. */
int dataset_arrange(struct dataset *dataset, struct listing *listing, const char *inner, bool unwrap, error *e);

/* What is taken of a listing: no part of the path is hidden and it fits on a line; it ends as pictures' names do. */
bool path_is_shown(const char *path);
bool path_is_image(const char *path);

int csv_read(struct dataset *dataset, const char *path, error *e);
/* The same from bytes, `separator` ',' or '\t'. */
int csv_parse(struct dataset *dataset, const uint8_t *bytes, size_t size, char separator, error *e);

/* path: a .bin file or a folder of them; split: "train", "test" or NULL. */
bool cifar_is_folder(const char *path);
int cifar_read(struct dataset *dataset, const char *path, const char *split, error *e);
/* path: an images file or a folder of pairs. */
bool idx_is_folder(const char *path);
bool idx_is_name(const char *path);
int idx_read(struct dataset *dataset, const char *path, const char *split, error *e);

/* Building blocks. */
int dataset_add(struct dataset *dataset, char *path /* taken over */, int label, const uint8_t *bytes, size_t size,
                error *e);
/* Split "PATH:INNER" at its last colon when the whole is no file: *path is a copy to free (NULL when memory is short),
 * *inner points into it or is NULL, *found is what lies at *path. FAILED when nothing does. */
int dataset_split(const char *data, char **path, char **inner, struct stat *found, error *e);
/* Map a file for the life of the set. */
int dataset_map(struct dataset *dataset, const char *path, struct file_view *view, error *e);
/* Keep malloc'ed bytes for the life of the set (taken over, also on failure). */
int dataset_keep(struct dataset *dataset, uint8_t *bytes, error *e);
/* Make classes "0" ... "count - 1", or copies of the names. */
int dataset_number_classes(struct dataset *dataset, size_t count, error *e);
int dataset_name_classes(struct dataset *dataset, const char *const *names, size_t count, error *e);
/* "folder/name" (or name itself when it is absolute), malloc'ed. */
char *join_path(const char *folder, const char *name, error *e);
/* The part after the last slash. */
const char *base_name(const char *path);

#endif
