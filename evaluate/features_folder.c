#include "evaluate/features_folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "evaluate/dataset_parts.h"
#include "evaluate/output.h"

bool features_folder_has(const char *folder, const char *name) {
  char *path = join_path(folder, name, NULL);
  bool found = path && access(path, F_OK) == 0;
  free(path);
  return found;
}

int features_folder_write(const char *folder, const char *name, const char *text, error *e) {
  char *path = join_path(folder, name, e);
  if (!path) return FAILED;
  struct output output;
  int status = output_open(&output, path, e);
  if (status == OK) {
    fputs(text, output.stream);
    status = output_commit(&output, e);
  }
  free(path);
  return status;
}

void features_folder_sync(const char *path) {
  int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  /* Some file systems refuse; the results are whole nevertheless, only a lost node may take them back. */
  (void)!fsync(descriptor);
  close(descriptor);
}

/* ---- the lock -----------------------------------------------------------------------------------------------------
 * flock() of partial/lock: gone with its process, however that ends. Network file systems turn it into a lock that
 * other nodes see. */

/* "host process" of the holder, for the message; empty when unknown. */
static void read_holder(int descriptor, char *text, size_t size) {
  ssize_t length = pread(descriptor, text, size - 1, 0);
  text[length > 0 ? length : 0] = 0;
  text[strcspn(text, "\n")] = 0;
}

static void write_holder(int descriptor) {
  char host[128] = "unknown", text[192];
  (void)!gethostname(host, sizeof host - 1);
  int length = snprintf(text, sizeof text, "process %ld on %s\n", (long)getpid(), host);
  /* Only a help for people: a full disk must not keep the run from saying so itself. */
  if (!ftruncate(descriptor, 0)) (void)!pwrite(descriptor, text, (size_t)length, 0);
}

/* *lock is -1 when the lock file vanished between opening and locking: its holder has just finished. */
static int take_lock(struct features_folder *folder, error *e) {
  char *path = join_path(folder->partial, "lock", e);
  if (!path) return FAILED;
  int status = OK;
  folder->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (folder->lock < 0) {
    if (errno != ENOENT) status = fail(e, "%s: %s", path, strerror(errno));
  } else if (flock(folder->lock, LOCK_EX | LOCK_NB) == 0) {
    struct stat held;
    if (fstat(folder->lock, &held) || held.st_nlink == 0) {
      close(folder->lock);
      folder->lock = -1;
    } else {
      write_holder(folder->lock);
    }
  } else if (errno == EWOULDBLOCK) {
    char holder[192];
    read_holder(folder->lock, holder, sizeof holder);
    status = fail(e, "%s: is being written by another process%s%s%s", folder->path, *holder ? " (" : "", holder,
                  *holder ? ")" : "");
    close(folder->lock);
    folder->lock = -1;
  } else {
    snprintf(folder->note, sizeof folder->note, "cannot be locked (%s): nothing keeps a second process out",
             strerror(errno));
  }
  free(path);
  return status;
}

/* ---- what killed processes leave ----------------------------------------------------------------------------------
 */

/* Whether this is the temporary name of one of our files: NAME.PROCESS.partial, by output_open(). */
static bool is_temporary(const char *name) {
  static const char *const names[] = {"features.npy", "labels.npy", "paths.txt",   "hashes.txt",
                                      "classes.txt",  "meta.json",  "skipped.tsv", "identity.json"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    size_t length = strlen(names[i]);
    if (strncmp(name, names[i], length) != 0 || name[length] != '.') continue;
    const char *end = name + length + 1;
    if (!isdigit((unsigned char)*end)) return false;
    while (isdigit((unsigned char)*end)) end++;
    return !strcmp(end, ".partial");
  }
  return false;
}

static void remove_file(const char *folder, const char *name) {
  char *path = join_path(folder, name, NULL);
  if (path) unlink(path);
  free(path);
}

static void remove_temporaries(const char *path) {
  DIR *directory = opendir(path);
  if (!directory) return;
  for (const struct dirent *entry; (entry = readdir(directory));) {
    if (is_temporary(entry->d_name)) remove_file(path, entry->d_name);
  }
  closedir(directory);
}

/* The lock goes last: who finds none of the others cannot continue anything. */
static void remove_partial(const struct features_folder *folder) {
  static const char *const names[] = {"identity.json", "journal.tsv", "features.npy", "lock"};
  remove_temporaries(folder->partial);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) remove_file(folder->partial, names[i]);
  rmdir(folder->partial);
}

/* ---- opening ------------------------------------------------------------------------------------------------------
 */

static int open_once(struct features_folder *folder, bool *again, error *e) {
  *again = false;
  bool interrupted = access(folder->partial, F_OK) == 0;
  bool finished = features_folder_has(folder->path, "meta.json");
  if (finished) folder->state = FOLDER_FINISHED;
  if (finished && !interrupted) return OK;
  if (!interrupted && features_folder_has(folder->path, "features.npy")) {
    return fail(e, "%s: holds features already; choose another folder or remove it", folder->path);
  }
  if (!interrupted && (output_make_folder(folder->path, e) != OK || output_make_folder(folder->partial, e) != OK)) {
    return FAILED;
  }
  error locking = {""};
  int status = take_lock(folder, &locking);
  if (finished) { /* a process was killed while it tidied up, or is at it */
    if (status == OK) remove_partial(folder);
    return OK;
  }
  if (status != OK) return fail(e, "%s", locking.message);
  /* Another process may have finished before the lock was ours. */
  *again = folder->lock < 0 || features_folder_has(folder->path, "meta.json");
  if (*again) return OK;
  folder->state = interrupted ? FOLDER_INTERRUPTED : FOLDER_FRESH;
  remove_temporaries(folder->path);
  remove_temporaries(folder->partial);
  return OK;
}

int features_folder_open(struct features_folder *folder, const char *path, error *e) {
  *folder = (struct features_folder){.lock = -1};
  folder->path = copy_string(path, e);
  folder->partial = join_path(path, "partial", e);
  int status = folder->path && folder->partial ? OK : FAILED;
  for (bool again = true; status == OK && again;) {
    if (folder->lock >= 0) close(folder->lock);
    folder->lock = -1;
    status = open_once(folder, &again, e);
  }
  if (status != OK) features_folder_close(folder);
  return status;
}

void features_folder_finish(struct features_folder *folder) {
  features_folder_sync(folder->path);
  remove_partial(folder);
}

void features_folder_abandon(struct features_folder *folder) {
  remove_partial(folder);
  rmdir(folder->path);
}

void features_folder_close(struct features_folder *folder) {
  if (folder->lock >= 0) close(folder->lock);
  free(folder->path);
  free(folder->partial);
  *folder = (struct features_folder){.lock = -1};
}
