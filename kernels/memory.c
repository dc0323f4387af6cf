#include "kernels/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void *allocate(size_t count, size_t size, error *e) {
  size_t bytes;
  if (!multiply_size(count, size, &bytes)) {
    fail(e, "out of memory (%zu elements of %zu bytes asked for)", count, size);
    return NULL;
  }
  void *memory = malloc(bytes ? bytes : 1);
  if (!memory) out_of_memory(e, bytes);
  return memory;
}

void *allocate_zeroed(size_t count, size_t size, error *e) {
  void *memory = calloc(count ? count : 1, size ? size : 1);
  if (!memory) fail(e, "out of memory (%zu elements of %zu bytes asked for)", count, size);
  return memory;
}

void *allocate_aligned(size_t count, size_t size, error *e) {
  enum { huge = 2 << 20 };
  size_t bytes;
  if (!multiply_size(count, size, &bytes) || bytes > SIZE_MAX - huge) {
    fail(e, "out of memory (%zu elements of %zu bytes asked for)", count, size);
    return NULL;
  }
  size_t alignment = bytes >= huge ? huge : 64;
  void *memory = NULL;
  if (posix_memalign(&memory, alignment, bytes ? bytes : 1)) {
    out_of_memory(e, bytes);
    return NULL;
  }
#ifdef MADV_HUGEPAGE
  if (bytes >= huge) madvise(memory, bytes & ~(size_t)(huge - 1), MADV_HUGEPAGE);
#endif
  return memory;
}

void release_aligned(void *memory) { free(memory); }

char *copy_bytes_as_string(const char *text, size_t n, error *e) {
  char *copy = allocate(n + 1, 1, e);
  if (!copy) return NULL;
  memcpy(copy, text, n);
  copy[n] = 0;
  return copy;
}

char *copy_string(const char *text, error *e) { return copy_bytes_as_string(text, strlen(text), e); }

int grow(void **items, size_t *capacity, size_t count, size_t element, error *e) {
  if (count < *capacity) return OK;
  size_t wanted = *capacity ? *capacity * 2 : 16, bytes;
  if (wanted <= *capacity || !multiply_size(wanted, element, &bytes)) return fail(e, "out of memory");
  void *larger = realloc(*items, bytes);
  if (!larger) return out_of_memory(e, bytes);
  *items = larger;
  *capacity = wanted;
  return OK;
}

int file_open(struct file_view *view, const char *path, error *e) {
  *view = (struct file_view){0};
  /* O_NONBLOCK: opening a pipe that nobody writes to must not hang. */
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return fail(e, "%s: %s", path, strerror(errno));
  struct stat status;
  int result = OK;
  if (fstat(descriptor, &status)) {
    result = fail(e, "%s: %s", path, strerror(errno));
  } else if (!S_ISREG(status.st_mode)) {
    result = fail(e, "%s: %s", path, S_ISDIR(status.st_mode) ? "is a folder, not a file" : "is not a regular file");
  } else if (status.st_size > 0) {
    void *mapping = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (mapping == MAP_FAILED) {
      result = fail(e, "%s: %s", path, strerror(errno));
    } else {
      *view = (struct file_view){mapping, (size_t)status.st_size, true};
    }
  }
  close(descriptor);
  return result;
}

void file_release(const struct file_view *view, const void *from, size_t size) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)from, end = begin + size;
  uintptr_t first = (uintptr_t)view->bytes, last = first + view->size;
  if (!view->mapped || begin < first || end > last || end < begin) return;
  begin = (begin + page - 1) / page * page;
  end = end / page * page;
  if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
}

void file_close(struct file_view *view) {
  if (view->mapped) munmap((void *)(uintptr_t)view->bytes, view->size);
  *view = (struct file_view){0};
}
