/* A checkpoint as its publisher left it: named tensors, whatever container they came in, and what is said about them.
 */
#ifndef WEIGHTS_TOOLS_CHECKPOINT_H
#define WEIGHTS_TOOLS_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/dtype.h"
#include "kernels/error.h"
#include "weights-tools/recipe.h"

enum { MAX_DIMENSIONS = 8 };

struct tensor {
  char *name;        /* as in the file; after keys_canonicalize() the canonical (timm's) name */
  char *source_name; /* as in the file, always */
  enum dtype dtype;
  int dimensions;
  int64_t shape[MAX_DIMENSIONS];
  int64_t elements;    /* product of shape */
  const uint8_t *data; /* little-endian, contiguous, row-major, inside a mapped file or owned memory; maybe unaligned */
  size_t bytes;
  bool used;            /* set when a model takes the tensor */
  const char *harmless; /* why inference never needs it ("a batch norm's step counter"), NULL: it might */
};

/* What a config says about a network that names and shapes do not show: 0 or "" where it says nothing. */
struct hints {
  int heads;             /* of attention, in every block */
  double norm_epsilon;   /* of layer norms */
  char activation[16];   /* "gelu", "gelu_tanh", "quick_gelu", "silu", "relu" */
  bool plain_resampling; /* position tables are resampled without antialiasing (transformers' DINOv2) */
  char pooling[16];      /* of the features: "token", "avg", "token+avg", "map" (attention pooling) */
  int window;            /* Swin: tokens along a window's side */
  int trained_window[4]; /* Swin v2: each stage's window when the position bias was trained; 0: window */
};

struct checkpoint {
  char *path; /* as the user gave it: used in every message */
  struct tensor *tensors;
  size_t count;
  char *arch;         /* timm's architecture name when metadata, a config or the file's name says it, else NULL */
  bool arch_is_guess; /* only the file's name says it */
  char *scheme; /* "canonical" (a converted file), "timm", "transformers", "cifar" ...; set by keys_canonicalize() */
  bool has_recipe;
  struct recipe recipe; /* valid when has_recipe */
  char **class_names;   /* from id2label, label_names or metadata; NULL when none */
  size_t class_count;
  struct hints hints;
  char *config_json; /* the architecture's configuration as written by convert, or NULL */
  void *storage;     /* mapped files and owned memory; private to checkpoint.c */
};

/* Open a safetensors file, what torch.save() or TorchScript wrote (known by their content, whatever their names), or a
 * folder as a model hub lays it out: model.safetensors, or a *.safetensors.index.json with its shards, or one other
 * .safetensors file; without any, the same of pytorch_model.bin, *.bin.index.json and .pth, .pt or .bin; beside an
 * optional config.json and preprocessor_config.json (read as well when the path is that of a model.safetensors, a
 * pytorch_model.bin or an index). A recipe and an architecture that neither they nor the metadata give come from
 * recipe_lookup() and arch_lookup() of the file's or folder's name. Every rule of the format is enforced before a
 * tensor is visible. Names are those of the file until keys_canonicalize(). On failure the checkpoint is empty. */
int checkpoint_open(struct checkpoint *checkpoint, const char *path, error *e);
/* Keep only the tensors of one part of a file that holds several networks or a trainer's state, those called PART.NAME,
 * as NAME ("teacher", "state_dict.ema"): before keys_canonicalize(). FAILED, listing the parts that there are, when
 * none is called so; the checkpoint is then as it was. */
int checkpoint_select(struct checkpoint *checkpoint, const char *part, error *e);
void checkpoint_close(struct checkpoint *checkpoint);
/* By current (canonical) name; NULL when absent. Binary search: O(log n). */
struct tensor *checkpoint_find(const struct checkpoint *checkpoint, const char *name);
/* A hint that the tensor's data will not be read again: its pages need not stay in this process. */
void checkpoint_release(const struct checkpoint *checkpoint, const struct tensor *tensor);
/* SHA-256 over the bytes of its file, or of its shards in the order of their names, as hexadecimal digits. FAILED when
 * the checkpoint is not open. */
int checkpoint_sha256(const struct checkpoint *checkpoint, char text[static 65], error *e);
/* Convert to float; destination holds tensor->elements floats. FAILED for dtypes that hold no real numbers. */
int tensor_to_float(const struct tensor *tensor, float *destination, error *e);

#endif
