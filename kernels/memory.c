#include "kernels/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
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

/* In front of every aligned block: how it is given back. */
struct block_header {
  void *start;
  size_t mapped; /* bytes, or 0 when it came from malloc() */
};
enum { LINE = 64, HUGE_PAGE = 2 << 20 };

static void *place_block(char *start, size_t mapped, size_t alignment) {
  char *block = start + sizeof(struct block_header);
  block += (alignment - (uintptr_t)block % alignment) % alignment;
  struct block_header header = {start, mapped};
  memcpy(block - sizeof header, &header, sizeof header);
  return block;
}

/* A mapping of its own: what others free beside it goes back to the system, and pages may be huge. The sanitizers watch
 * malloc()'s blocks only. */
static void *map_block(size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  (void)bytes;
  return NULL;
#else
  size_t mapped = bytes + sizeof(struct block_header) + HUGE_PAGE;
  char *start = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return NULL;
  void *block = place_block(start, mapped, HUGE_PAGE);
#ifdef MADV_HUGEPAGE
  madvise(block, bytes & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE);
#endif
  return block;
#endif
}

void *allocate_aligned(size_t count, size_t size, error *e) {
  size_t bytes;
  if (!multiply_size(count, size, &bytes) || bytes > SIZE_MAX / 2) {
    fail(e, "out of memory (%zu elements of %zu bytes asked for)", count, size);
    return NULL;
  }
  void *block = bytes >= HUGE_PAGE ? map_block(bytes) : NULL;
  if (block) return block;
  char *start = malloc(bytes + sizeof(struct block_header) + LINE);
  if (start) return place_block(start, 0, LINE);
  out_of_memory(e, bytes);
  return NULL;
}

void release_aligned(void *memory) {
  if (!memory) return;
  struct block_header header;
  memcpy(&header, (char *)memory - sizeof header, sizeof header);
  if (header.mapped)
    munmap(header.start, header.mapped);
  else
    free(header.start);
}

void memory_trim(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

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
