/* Folders of pictures and of features, made and compared. */
#ifndef TESTS_FOLDERS_H
#define TESTS_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A fresh copy of folder/name: path_join()'s buffers are few. */
char *path_in(const char *folder, const char *name);
bool exists(const char *folder, const char *name);
/* Draw a small labelled set into the test's folder; its path: 10 classes, `per_class` pictures each under train/. */
char *draw_photos(const char *per_class);
/* NAME in the test's folder with features [n, d] and their labels, as path_join() gives it. classes: the lines of
 * classes.txt; NULL: none is written. */
const char *write_features(const char *name, const float *x, size_t d, const int64_t *labels, size_t n,
                           const char *classes);
/* Both folders hold the same files, byte for byte, and no others; what differs is named. */
bool check_same_folders(const char *a, const char *b);
/* Copy the files of a folder into a new one. */
bool copy_folder(const char *from, const char *to);

#endif
