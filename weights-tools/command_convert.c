/* backbones convert: any known scheme in, canonical names with folded batch norms out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/options.h"
#include "kernels/memory.h"
#include "models/model.h"
#include "weights-tools/config.h"
#include "weights-tools/keys.h"

/* The model's tensors, collected while it is built. */
struct collection {
  struct collected {
    struct tensor_description description;
    char *name;
    void *data;
    size_t bytes;
  } * tensors;
  size_t count, capacity;
  bool bf16; /* store matrices and kernels so; vectors stay float: they are few, and biases want the precision */
  int status;
  error reason;
};

static void free_collection(struct collection *collection) {
  for (size_t i = 0; i < collection->count; i++) {
    free(collection->tensors[i].name);
    free(collection->tensors[i].data);
  }
  free(collection->tensors);
}

static int collect(struct collection *collection, const char *name, int dimensions, const int64_t *shape,
                   const float *values, error *e) {
  if (grow((void **)&collection->tensors, &collection->capacity, collection->count, sizeof *collection->tensors, e) !=
      OK)
    return FAILED;
  struct collected *t = &collection->tensors[collection->count++];
  *t = (struct collected){.name = copy_string(name, e)};
  if (!t->name) return FAILED;
  size_t elements = 1;
  for (int i = 0; i < dimensions; i++) elements *= (size_t)shape[i]; /* of values in memory: fits */
  t->description.name = t->name;
  t->description.dtype = collection->bf16 && dimensions >= 2 ? DTYPE_BF16 : DTYPE_F32;
  t->description.dimensions = dimensions;
  memcpy(t->description.shape, shape, (size_t)dimensions * sizeof *shape);
  t->bytes = elements * dtype_size(t->description.dtype);
  t->data = allocate(t->bytes, 1, e);
  if (!t->data) return FAILED;
  if (t->description.dtype == DTYPE_BF16) {
    float_to_bf16(values, t->data, elements);
  } else {
    memcpy(t->data, values, t->bytes);
  }
  return OK;
}

static void observe(void *context, const char *name, int dimensions, const int64_t *shape, const float *values) {
  struct collection *collection = context;
  if (collection->status == OK)
    collection->status = collect(collection, name, dimensions, shape, values, &collection->reason);
}

/* Wide dtypes first, so that every tensor is aligned; then by name. */
static int compare_tensors(const void *a, const void *b) {
  const struct collected *x = a, *y = b;
  size_t x_size = dtype_size(x->description.dtype), y_size = dtype_size(y->description.dtype);
  if (x_size != y_size) return x_size > y_size ? -1 : 1;
  return strcmp(x->name, y->name);
}

/* ---- metadata ---- */

enum { METADATA_ENTRIES = 8 };

struct metadata {
  struct metadata_entry entries[METADATA_ENTRIES]; /* values are owned, keys are constants */
  size_t count;
};

static void free_metadata(struct metadata *metadata) {
  for (size_t i = 0; i < metadata->count; i++) free(metadata->entries[i].value);
}

/* Takes over `value`; NULL is a failed allocation. */
static int add(struct metadata *metadata, const char *key, char *value) {
  if (!value) return FAILED;
  metadata->entries[metadata->count++] = (struct metadata_entry){(char *)(uintptr_t)key, value};
  return OK;
}

static int add_json(struct metadata *metadata, const char *key, struct json_writer *w, error *e) {
  return json_writer_finish(w, e) == OK ? add(metadata, key, w->text) : FAILED;
}

static int add_config(struct metadata *metadata, const struct model_info *info, error *e) {
  struct json_writer w = {0};
  json_begin_object(&w);
  json_key(&w, "family");
  json_string(&w, info->family);
  json_key(&w, "features");
  json_integer(&w, info->features);
  json_key(&w, "classes");
  json_integer(&w, info->classes);
  json_key(&w, "parameters");
  json_integer(&w, info->parameters);
  hints_write_members(&w, &info->hints);
  json_end_object(&w);
  return add_json(metadata, METADATA_CONFIG, &w, e);
}

static int add_class_names(struct metadata *metadata, const struct checkpoint *checkpoint, error *e) {
  if (checkpoint->class_count == 0) return OK;
  struct json_writer w = {0};
  json_begin_array(&w);
  for (size_t i = 0; i < checkpoint->class_count; i++) json_string(&w, checkpoint->class_names[i]);
  json_end_array(&w);
  return add_json(metadata, METADATA_CLASS_NAMES, &w, e);
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash && slash[1] ? slash + 1 : path;
}

static int describe(struct metadata *metadata, const struct checkpoint *checkpoint, const struct model_info *info,
                    error *e) {
  char hash[65];
  struct json_writer recipe = {0};
  recipe_write(&recipe, &info->recipe);
  if (add_json(metadata, METADATA_RECIPE, &recipe, e) != OK) return FAILED;
  if (checkpoint_sha256(checkpoint, hash, e) != OK) return FAILED;
  if (add_config(metadata, info, e) != OK || add_class_names(metadata, checkpoint, e) != OK) return FAILED;
  if (add(metadata, METADATA_ARCH, copy_string(info->arch, e)) != OK) return FAILED;
  if (add(metadata, METADATA_SCHEME, copy_string(info->scheme, e)) != OK) return FAILED;
  if (add(metadata, METADATA_SOURCE, copy_string(base_name(checkpoint->path), e)) != OK) return FAILED;
  return add(metadata, METADATA_SOURCE_SHA256, copy_string(hash, e));
}

/* ---- the command ---- */

static int write_file(const char *path, struct collection *collection, const struct metadata *metadata, error *e) {
  qsort(collection->tensors, collection->count, sizeof *collection->tensors, compare_tensors);
  struct tensor_description *descriptions = allocate(collection->count, sizeof *descriptions, e);
  if (!descriptions) return FAILED;
  for (size_t i = 0; i < collection->count; i++) descriptions[i] = collection->tensors[i].description;
  struct safetensors_writer *w =
      safetensors_create(path, descriptions, collection->count, metadata->entries, metadata->count, e);
  free(descriptions);
  if (!w) return FAILED;
  for (size_t i = 0; i < collection->count; i++) {
    if (safetensors_write(w, collection->tensors[i].data, collection->tensors[i].bytes, e) == OK) continue;
    safetensors_abandon(w);
    return FAILED;
  }
  return safetensors_finish(w, e);
}

/* A line for tensor i where it was not used: alone, or as the first of those that share its reason. */
static void report_unused(const struct checkpoint *checkpoint, size_t i) {
  const struct tensor *t = &checkpoint->tensors[i];
  if (t->used) return;
  if (!t->harmless) {
    printf("not used: %s, for which this architecture has no place\n", t->source_name);
    return;
  }
  size_t alike = 0;
  for (size_t j = 0; j < checkpoint->count; j++) {
    const struct tensor *other = &checkpoint->tensors[j];
    if (other->used || !other->harmless || strcmp(other->harmless, t->harmless) != 0) continue;
    if (j < i) return;
    alike++;
  }
  printf("not used: %s", t->source_name);
  if (alike > 1) printf(" and %zu more", alike - 1);
  printf(": %s\n", t->harmless);
}

static void report(const char *path, const struct checkpoint *checkpoint, const struct model_info *info,
                   const struct collection *collection) {
  size_t bytes = 0;
  for (size_t i = 0; i < collection->count; i++) bytes += collection->tensors[i].bytes;
  printf("%s: %s from %s names, %zu tensors, %.1f MB\n", path, info->arch, info->scheme, collection->count,
         (double)bytes / 1e6);
  for (size_t i = 0; i < checkpoint->count; i++) report_unused(checkpoint, i);
}

static int convert(struct checkpoint *checkpoint, const char *arch, const char *out, bool bf16, error *e) {
  struct collection collection = {.bf16 = bf16};
  struct model_options options = {
      .arch = arch, .observe = observe, .observe_context = &collection, .allow_unused = true};
  struct metadata metadata = {0};
  struct model *model = NULL;
  int status = keys_canonicalize(checkpoint, e);
  if (status == OK) status = model_load(&model, checkpoint, &options, e);
  if (status == OK && collection.status != OK) {
    *e = collection.reason;
    status = FAILED;
  }
  if (status == OK) {
    struct model_info info = model_info(model);
    status = describe(&metadata, checkpoint, &info, e);
    if (status == OK) status = write_file(out, &collection, &metadata, e);
    if (status == OK) report(out, checkpoint, &info, &collection);
  }
  model_free(model);
  free_metadata(&metadata);
  free_collection(&collection);
  return status;
}

static int run(const struct arguments *arguments, error *e) {
  const char *out, *dtype = option_text(arguments, "--dtype");
  int status = option_required(arguments, "--out", &out, e);
  if (status != OK) return status;
  if (!*out) return usage_error(e, "--out needs a file name");
  if (dtype && strcmp(dtype, "f32") != 0 && strcmp(dtype, "bf16") != 0)
    return usage_error(e, "--dtype is f32 or bf16, not \"%.40s\"", dtype);
  struct checkpoint checkpoint;
  const char *part = option_text(arguments, "--state-dict");
  if (checkpoint_open(&checkpoint, positional(arguments, 0), e) != OK) return FAILED;
  if (part) status = checkpoint_select(&checkpoint, part, e);
  if (status == OK)
    status = convert(&checkpoint, option_text(arguments, "--arch"), out, dtype && !strcmp(dtype, "bf16"), e);
  checkpoint_close(&checkpoint);
  return status;
}

static const struct option options[] = {
    {"--out", 'o', "FILE", "the safetensors file to write"},
    {"--arch", 0, "NAME", "the architecture, when the checkpoint does not tell"},
    {"--state-dict", 0, "NAME", "which of several networks in one .pth file: teacher, model_ema, ..."},
    {"--dtype", 0, "f32|bf16", "how weights are stored (default f32); biases always are f32"},
    {0},
};

const struct command command_convert = {
    .name = "convert",
    .usage = "WEIGHTS -o FILE",
    .summary = "checkpoint to canonical names and folded batch norms",
    .details =
        "Reads a .safetensors or .pth file or a folder as hubs lay it out, in the names of timm, torchvision,\n"
        "transformers, open_clip or the authors, and writes one safetensors file with timm's names. Batch norms are\n"
        "folded into the convolutions; architecture, preprocessing and class names go into the file's metadata. "
        "Tensors that the\n"
        "architecture has no place for are listed and left out; a missing one is an error.",
    .options = options,
    .least = 1,
    .most = 1,
    .run = run,
};
