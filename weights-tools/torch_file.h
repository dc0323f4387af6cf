/* What torch.save() and TorchScript's save() write, without Python: the zip archives of torch 1.6 and later (one
 * pickle, and one entry for each storage) and the older file of pickles followed by raw storages.
 *
 * Layout of the archive: PREFIX/data.pkl, PREFIX/data/KEY for each storage, PREFIX/byteorder; the rest is not needed.
 * Layout of the older file: pickles of a magic number, the protocol (1001), facts about the writer, the object and the
 * list of its storages' keys; then for each key the number of elements (8 bytes) and the elements.
 * Source: torch/serialization.py. */
#ifndef WEIGHTS_TOOLS_TORCH_FILE_H
#define WEIGHTS_TOOLS_TORCH_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/memory.h"
#include "weights-tools/checkpoint.h"

struct torch_file {
  struct file_view file; /* empty after torch_file_parse() */
  struct tensor *tensors;
  size_t count;
  void *owned; /* memory of tensors that are strided in the file; private to torch_tensors.c */
};

/* Whether bytes begin as such a file does, whatever its name. */
bool torch_file_recognises(const uint8_t *bytes, size_t size);
/* Map a file and find its tensors; errors read "PATH: reason". Containers inside each other join their keys by dots,
 * list elements by index; tensors are sorted by name. What is no tensor is left out. Data points into the mapping, but
 * for tensors that are not contiguous there (views, transposes): those are copied, to at most 64 MB or four times the
 * file's size together. */
int torch_file_open(struct torch_file *t, const char *path, error *e);
/* The same over bytes that the caller keeps; errors without a path. */
int torch_file_parse(struct torch_file *t, const uint8_t *bytes, size_t size, error *e);
void torch_file_close(struct torch_file *t);

#endif
