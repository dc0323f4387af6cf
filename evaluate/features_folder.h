/* A folder of features while it is made: one process at a time writes it, and whatever kills that process, a later one
 * can tell what it finds.
 *
 * The results lie in the folder itself, each under its name only when it is whole, meta.json last: a folder with
 * meta.json is finished. Until then there is a folder partial/ inside, which holds a lock and the work so far. */
#ifndef EVALUATE_FEATURES_FOLDER_H
#define EVALUATE_FEATURES_FOLDER_H

#include <stdbool.h>

#include "kernels/error.h"

enum folder_state {
  FOLDER_FRESH,       /* nothing was there */
  FOLDER_INTERRUPTED, /* partial/ is left from a process that ended before its results were whole */
  FOLDER_FINISHED     /* meta.json is there */
};

struct features_folder {
  char *path, *partial;
  enum folder_state state;
  int lock;       /* descriptor, -1: none */
  char note[160]; /* for the log, empty when there is nothing to say: the file system knows no locks */
};

/* Make the folder and partial/ and lock them, unless it is finished. Refused: a folder that another process writes (the
 * message names it), and features.npy without meta.json that no run of ours left. Temporary files that a killed
 * process left behind are removed. Errors read "PATH: reason". */
int features_folder_open(struct features_folder *folder, const char *path, error *e);
/* The results are whole: make the names durable, then remove partial/ with the work files in it. */
void features_folder_finish(struct features_folder *folder);
/* Nothing of the work is worth continuing: partial/ goes, and the folder itself when it is empty. */
void features_folder_abandon(struct features_folder *folder);
/* Unlock. Without features_folder_finish() partial/ stays. */
void features_folder_close(struct features_folder *folder);

/* Whether folder/name exists. */
bool features_folder_has(const char *folder, const char *name);
/* Write text as folder/name, whole or not at all. */
int features_folder_write(const char *folder, const char *name, const char *text, error *e);
/* Make names and renames in a folder durable, where the file system can. */
void features_folder_sync(const char *path);

#endif
