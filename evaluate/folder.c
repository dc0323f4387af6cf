/* List a folder and everything below it, through symbolic links, without following loops. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "evaluate/dataset_parts.h"

/* Links to folders inside linked folders: enough for any real set, few enough that folders which all link to one
 * another end soon. */
enum { MAX_DEPTH = 64, MAX_LINKS = 3 };

/* The folders between the root and where the walk stands: one of them met again is a loop. */
struct walk {
  struct listing *listing;
  const char *root;
  struct {
    dev_t device;
    ino_t inode;
  } parents[MAX_DEPTH];
  int depth, links; /* links: folders on the way that were reached through one */
};

static int walk_folder(struct walk *walk, const char *inside, error *e);

static int visit(struct walk *walk, const char *inside, const char *name, error *e) {
  char *relative = join_path(inside, name, e);
  char *path = relative ? join_path(walk->root, relative, e) : NULL;
  if (!path) {
    free(relative);
    return FAILED;
  }
  struct stat found, link;
  int status = OK;
  bool linked = lstat(path, &link) == 0 && S_ISLNK(link.st_mode);
  /* A link that leads nowhere, or a file that has just gone, is no image. */
  bool there = stat(path, &found) == 0;
  free(path);
  if (there && S_ISDIR(found.st_mode)) {
    for (int i = 0; i < walk->depth; i++) {
      if (walk->parents[i].device == found.st_dev && walk->parents[i].inode == found.st_ino) there = false;
    }
    if (linked && walk->links == MAX_LINKS) there = false;
    if (there && walk->depth == MAX_DEPTH) {
      status = fail(e, "%s/%s: folders are nested more than %d deep", walk->root, relative, MAX_DEPTH);
      there = false;
    }
    char *copy = there ? copy_string(relative, e) : NULL;
    if (there) status = copy ? listing_add(walk->listing, copy, true, NULL, 0, e) : FAILED;
    if (there && status == OK) {
      walk->parents[walk->depth].device = found.st_dev;
      walk->parents[walk->depth++].inode = found.st_ino;
      walk->links += linked;
      status = walk_folder(walk, relative, e);
      walk->links -= linked;
      walk->depth--;
    }
    if (!there && status == OK) walk->listing->special++;
  } else if (there && S_ISREG(found.st_mode)) {
    status = listing_add(walk->listing, relative, false, NULL, 0, e);
    relative = NULL;
  } else {
    walk->listing->special++;
  }
  free(relative);
  return status;
}

static int walk_folder(struct walk *walk, const char *inside, error *e) {
  char *path = *inside ? join_path(walk->root, inside, e) : copy_string(walk->root, e);
  if (!path) return FAILED;
  DIR *folder = opendir(path);
  int status = OK;
  if (!folder) {
    status = fail(e, "%s: %s", path, strerror(errno));
  } else {
    struct dirent *found;
    while (status == OK && (errno = 0, found = readdir(folder))) {
      /* Hidden folders (.git, .cache) are not entered. */
      if (found->d_name[0] != '.') status = visit(walk, inside, found->d_name, e);
    }
    if (status == OK && errno) status = fail(e, "%s: %s", path, strerror(errno));
    closedir(folder);
  }
  free(path);
  return status;
}

int folder_list(struct listing *listing, const char *path, error *e) {
  struct walk walk = {.listing = listing, .root = path};
  struct stat root;
  if (stat(path, &root)) return fail(e, "%s: %s", path, strerror(errno));
  if (!S_ISDIR(root.st_mode)) return fail(e, "%s: is not a folder", path);
  walk.parents[walk.depth].device = root.st_dev;
  walk.parents[walk.depth++].inode = root.st_ino;
  return walk_folder(&walk, "", e);
}
