/* Allocation with checked sizes, growing arrays, and files as bytes. */
#ifndef KERNELS_MEMORY_H
#define KERNELS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

/* a * b, or false when it does not fit. */
static inline bool multiply_size(size_t a, size_t b, size_t *product) { return !__builtin_mul_overflow(a, b, product); }
static inline bool add_size(size_t a, size_t b, size_t *sum) { return !__builtin_add_overflow(a, b, sum); }

/* malloc of count * size, zeroed or not; NULL with a message on overflow or when memory is short. Never NULL for 0. */
void *allocate(size_t count, size_t size, error *e);
void *allocate_zeroed(size_t count, size_t size, error *e);
/* `count * size` bytes on a 64-byte boundary, on huge pages where the system grants them; free with release_aligned().
 */
void *allocate_aligned(size_t count, size_t size, error *e);
void release_aligned(void *memory);
/* After much that was short-lived: what allocate() holds in reserve goes back to the system. */
void memory_trim(void);
/* A copy of a string (or of its first n bytes, terminated). */
char *copy_string(const char *text, error *e);
char *copy_bytes_as_string(const char *text, size_t n, error *e);
/* Make room for one more element in *items (capacity doubles); FAILED when memory is short. */
int grow(void **items, size_t *capacity, size_t count, size_t element, error *e);

/* A read-only file as bytes: mapped where possible. */
struct file_view {
  const uint8_t *bytes;
  size_t size;
  bool mapped;
};
/* Errors read "PATH: reason". A folder, a device or a pipe is an error. An empty file gives size 0. */
int file_open(struct file_view *view, const char *path, error *e);
/* A hint that `size` bytes of the view at `from` will not be read again soon: their pages leave this process (not the
 * page cache). Whatever lies outside the view is let be. */
void file_release(const struct file_view *view, const void *from, size_t size);
void file_close(struct file_view *view);

#endif
