#include "models/weights.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_PROBLEMS = 1500 }; /* characters: the rest is counted, not listed */

void weights_note(struct weights *w, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  w->problem_count++;
  size_t used = w->problems ? strlen(w->problems) : 0, length = strlen(text);
  if (used + length + 3 > LONGEST_PROBLEMS) return;
  char *longer = realloc(w->problems, used + length + 3);
  if (!longer) return;
  w->problems = longer;
  snprintf(longer + used, length + 3, "%s%s", used ? "; " : "", text);
}

static void format_shape(char *text, size_t size, int dimensions, const int64_t *shape) {
  size_t used = (size_t)snprintf(text, size, "[");
  for (int i = 0; i < dimensions && used < size; i++) {
    used += (size_t)snprintf(text + used, size - used, i ? ", %lld" : "%lld", (long long)shape[i]);
  }
  if (used < size) snprintf(text + used, size - used, "]");
}

static bool is_statistic(const char *name) { return strstr(name, "running_") != NULL; }

static bool ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && !strcmp(text + a - b, end);
}

/* What is added to tokens or logits rather than multiplied. */
static bool is_table(const char *name) {
  static const char *const tables[] = {"_token", "pos_embed", "bias_table", "latent"};
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (strstr(name, tables[i])) return true;
  }
  return false;
}

void seeded_values(const char *name, uint64_t seed, int dimensions, const int64_t *shape, float *values) {
  uint64_t state = 0xcbf29ce484222325u;
  for (const char *c = name; *c; c++) state = (state ^ (uint8_t)*c) * 0x100000001b3u;
  state ^= seed;
  int64_t count = 1;
  for (int i = 0; i < dimensions; i++) count *= shape[i];
  double low = -0.2, high = 0.2;
  if (ends_with(name, "gamma") || ends_with(name, "gamma_1") || ends_with(name, "gamma_2")) {
    low = 0.5;
    high = 1.5;
  } else if (is_table(name)) {
    low = -0.5;
    high = 0.5;
  } else if (ends_with(name, "logit_scale")) {
    low = 1;
    high = 5;
  } else if (dimensions >= 2) {
    int64_t fan_in = count / shape[0];
    high = sqrt(3.0 / (double)fan_in);
    low = -high;
  } else if (ends_with(name, ".weight") || ends_with(name, "running_var")) {
    low = 0.5;
    high = 1.5;
  }
  for (int64_t i = 0; i < count; i++) {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    values[i] = (float)(low + (high - low) * ((double)(z >> 40) * 0x1p-24));
  }
}

static void note_failure(struct weights *w, const error *reason) {
  if (!w->failed) w->reason = *reason;
  w->failed = true;
}

/* The same shape, axes of length 1 not counted: a class token may be [1, 1, c] or [c]. */
static bool same_shape(const struct tensor *tensor, int dimensions, const int64_t *shape) {
  int i = 0, j = 0;
  for (;;) {
    while (i < tensor->dimensions && tensor->shape[i] == 1) i++;
    while (j < dimensions && shape[j] == 1) j++;
    if (i == tensor->dimensions || j == dimensions) return i == tensor->dimensions && j == dimensions;
    if (tensor->shape[i++] != shape[j++]) return false;
  }
}

/* The tensor when it is there and has the shape; what is wrong is noted. */
static struct tensor *find_shaped(struct weights *w, const char *name, int dimensions, const int64_t *shape) {
  struct tensor *tensor = checkpoint_find(w->checkpoint, name);
  char wanted[128], found[128];
  format_shape(wanted, sizeof wanted, dimensions, shape);
  if (!tensor) {
    weights_note(w, "%s %s is missing", name, wanted);
    return NULL;
  }
  tensor->used = true;
  if (same_shape(tensor, dimensions, shape)) return tensor;
  format_shape(found, sizeof found, tensor->dimensions, tensor->shape);
  weights_note(w, "%s is %s instead of %s", name, found, wanted);
  return NULL;
}

/* Index of the first value that is not finite, count when all are. */
static int64_t first_not_finite(const float *values, int64_t count) {
  /* x - x is 0 for every finite x: sums of it show whole blocks at once. */
  enum { BLOCK = 1024 };
  for (int64_t begin = 0; begin < count; begin += BLOCK) {
    int64_t end = begin + BLOCK < count ? begin + BLOCK : count;
    float sum = 0;
    for (int64_t i = begin; i < end; i++) sum += values[i] - values[i];
    if (sum == 0) continue;
    while (begin < end && isfinite(values[begin])) begin++;
    return begin;
  }
  return count;
}

static bool read_tensor(struct weights *w, const struct tensor *tensor, float *values) {
  error reason;
  int status = tensor_to_float(tensor, values, &reason);
  int64_t bad = status == OK ? first_not_finite(values, tensor->elements) : tensor->elements;
  if (bad < tensor->elements) {
    status =
        fail(&reason, "tensor \"%s\": value %lld of %lld is %f (weights that overflowed in %s?)", tensor->source_name,
             (long long)bad, (long long)tensor->elements, (double)values[bad], dtype_name(tensor->dtype));
  }
  checkpoint_release(w->checkpoint, tensor); /* the file's pages and the packed weights need not both stay */
  if (status != OK) note_failure(w, &reason);
  return status == OK;
}

/* NAME#0, NAME#1, ... one behind the other along the first axis; their rows must add up to the whole's. */
static bool read_parts(struct weights *w, const char *name, int dimensions, const int64_t *shape, float *values) {
  int64_t rows = 0;
  for (int part = 0; rows < shape[0]; part++) {
    char full[256];
    snprintf(full, sizeof full, "%s#%d", name, part);
    struct tensor *tensor = checkpoint_find(w->checkpoint, full);
    int64_t part_shape[MAX_DIMENSIONS];
    memcpy(part_shape, shape, (size_t)dimensions * sizeof *shape);
    part_shape[0] =
        tensor && tensor->dimensions > 0 && tensor->shape[0] <= shape[0] - rows ? tensor->shape[0] : shape[0] - rows;
    tensor = find_shaped(w, full, dimensions, part_shape);
    if (!tensor || !read_tensor(w, tensor, values) || part_shape[0] == 0) return false;
    values += tensor->elements;
    rows += part_shape[0];
  }
  return true;
}

/* NAME^T holds the matrix transposed. */
static bool read_transposed(struct weights *w, const char *name, const int64_t *shape, float *values) {
  int64_t transposed[2] = {shape[1], shape[0]};
  struct tensor *tensor = find_shaped(w, name, 2, transposed);
  error reason;
  float *matrix = tensor ? allocate((size_t)tensor->elements, sizeof *matrix, &reason) : NULL;
  bool read = matrix && read_tensor(w, tensor, matrix);
  for (int64_t r = 0; read && r < shape[0]; r++) {
    for (int64_t c = 0; c < shape[1]; c++) values[r * shape[1] + c] = matrix[c * shape[0] + r];
  }
  if (tensor && !matrix) note_failure(w, &reason);
  free(matrix);
  return read;
}

static bool has(const struct weights *w, const char *name, const char *suffix) {
  char full[256];
  snprintf(full, sizeof full, "%s%s", name, suffix);
  return checkpoint_find(w->checkpoint, full) != NULL;
}

bool weights_have(const struct weights *w, const char *name) {
  return !w->checkpoint || has(w, name, "") || has(w, name, "#0") || has(w, name, "^T");
}

static bool read_values(struct weights *w, const char *name, int dimensions, const int64_t *shape, float *values) {
  if (!w->checkpoint) {
    seeded_values(name, w->seed, dimensions, shape, values);
    return true;
  }
  if (has(w, name, "#0")) return read_parts(w, name, dimensions, shape, values);
  if (dimensions == 2 && has(w, name, "^T")) {
    char full[256];
    snprintf(full, sizeof full, "%s^T", name);
    return read_transposed(w, full, shape, values);
  }
  struct tensor *tensor = find_shaped(w, name, dimensions, shape);
  return tensor && read_tensor(w, tensor, values);
}

float *weights_take(struct weights *w, const char *name, int dimensions, const int64_t *shape) {
  size_t count = 1;
  error reason = {""};
  for (int i = 0; i < dimensions; i++) {
    if (shape[i] < 0 || !multiply_size(count, (size_t)shape[i], &count) || count > PTRDIFF_MAX / sizeof(float)) {
      fail(&reason, "%s: too large", name);
      note_failure(w, &reason);
      return NULL;
    }
  }
  /* Nothing is allocated for a tensor that is not there. */
  if (w->checkpoint && !weights_have(w, name)) {
    find_shaped(w, name, dimensions, shape);
    return NULL;
  }
  float *values = allocate(count, sizeof *values, &reason);
  if (!values) note_failure(w, &reason);
  if (values && !read_values(w, name, dimensions, shape, values)) {
    free(values);
    values = NULL;
  }
  if (values && !is_statistic(name)) w->parameters += (int64_t)count;
  return values;
}

void weights_observe(struct weights *w, const char *name, int dimensions, const int64_t *shape, const float *values) {
  if (w->observe) w->observe(w->observe_context, name, dimensions, shape, values);
}
