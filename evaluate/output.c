#include "evaluate/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/memory.h"

int output_open(struct output *output, const char *path, error *e) {
  *output = (struct output){0};
  size_t size = strlen(path) + 32;
  output->path = copy_string(path, e);
  output->temporary = allocate(size, 1, e);
  if (!output->path || !output->temporary) {
    output_abandon(output);
    return FAILED;
  }
  /* The process id keeps two runs that write the same file apart. */
  snprintf(output->temporary, size, "%s.%ld.partial", path, (long)getpid());
  int descriptor = open(output->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor >= 0) output->stream = fdopen(descriptor, "w+b");
  if (output->stream) return OK;
  int reason = errno;
  if (descriptor >= 0) {
    close(descriptor);
    unlink(output->temporary);
  }
  fail(e, "%s: %s", path, strerror(reason));
  output_abandon(output);
  return FAILED;
}

int output_commit(struct output *output, error *e) {
  int status = OK, reason = 0;
  errno = 0;
  /* Some file systems report a full disk only when the data is forced out, or at close. */
  bool whole = fflush(output->stream) == 0;
  if (!whole) reason = errno;
  if (ferror(output->stream)) whole = false;
  if (whole && fsync(fileno(output->stream)) && errno != EINVAL && errno != EROFS) {
    whole = false;
    reason = errno;
  }
  if (fclose(output->stream) && whole) {
    whole = false;
    reason = errno;
  }
  output->stream = NULL;
  if (whole && rename(output->temporary, output->path)) {
    whole = false;
    reason = errno;
  }
  if (!whole) {
    unlink(output->temporary);
    status = fail(e, "%s: %s", output->path, reason ? strerror(reason) : "cannot be written");
  }
  output_abandon(output);
  return status;
}

void output_abandon(struct output *output) {
  if (output->stream) {
    fclose(output->stream);
    unlink(output->temporary);
  }
  free(output->path);
  free(output->temporary);
  *output = (struct output){0};
}

int output_make_folder(const char *path, error *e) {
  char *copy = copy_string(path, e);
  if (!copy) return FAILED;
  int status = OK;
  for (char *end = copy; status == OK && *end; end++) {
    bool last = end[1] == 0;
    if ((*end != '/' || end == copy) && !last) continue;
    char kept = *end;
    if (kept == '/') *end = 0;
    struct stat found;
    if (*copy && mkdir(copy, 0777) && (errno != EEXIST || (last && !stat(copy, &found) && !S_ISDIR(found.st_mode)))) {
      status = fail(e, "%s: %s", path, errno == EEXIST ? "is a file, not a folder" : strerror(errno));
    }
    *end = kept;
  }
  free(copy);
  return status;
}
