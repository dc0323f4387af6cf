/* NumPy's .npy arrays, in and out (format: numpy/lib/format.py, versions 1.0 to 3.0). */
#ifndef EVALUATE_NPY_H
#define EVALUATE_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/dtype.h"
#include "kernels/memory.h"

enum { NPY_MAX_DIMENSIONS = 32 };

/* A read-only array: little-endian, C order, inside a mapped file. */
struct npy {
  struct file_view file;
  enum dtype dtype;
  int dimensions;
  size_t shape[NPY_MAX_DIMENSIONS];
  size_t elements; /* product of shape */
  const uint8_t *data;
};

/* Errors read "PATH: reason". Big-endian and Fortran-order arrays, Python objects, and files whose size is not exactly
 * what their header promises are refused. */
int npy_open(struct npy *array, const char *path, error *e);
void npy_close(struct npy *array);
/* The same from bytes in memory (which must outlive the array); messages without a file name. */
int npy_parse(struct npy *array, const uint8_t *bytes, size_t size, error *e);

/* All elements as float. *values points into the array when it holds aligned float32 (*owned is then NULL), else to a
 * converted copy: free(*owned). */
int npy_floats(const struct npy *array, const float **values, void **owned, error *e);
/* All elements of an integer array as int64, free() it. Real dtypes and values beyond int64 are refused. */
int npy_integers(const struct npy *array, int64_t **values, error *e);

/* The bytes before the data of an array that is written here: room for the largest shape, so that it can be written
 * again when the number of rows is known. columns and tokens as of npy_create() and npy_split_rows(). */
enum { NPY_HEADER = 128 };
void npy_header(uint8_t bytes[static NPY_HEADER], enum dtype dtype, size_t rows, size_t columns, size_t tokens);

/* Writes float32 [rows, columns] or int64 (columns = 0: [rows]), row by row, the number of rows known only at the end.
 * The file gets its name when it is whole (evaluate/output.h). */
struct npy_writer;
int npy_create(struct npy_writer **writer, const char *path, enum dtype dtype, size_t columns, error *e);
/* Before any row is appended: the array becomes [rows, tokens, columns / tokens]. */
void npy_split_rows(struct npy_writer *writer, size_t tokens);
int npy_append(struct npy_writer *writer, const void *values, size_t rows, error *e);
/* Both end the writer. */
int npy_commit(struct npy_writer *writer, error *e);
void npy_abandon(struct npy_writer *writer);

#endif
