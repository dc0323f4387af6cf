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

void seeded_values(const char *name, uint64_t seed, int dimensions, const int64_t *shape, float *values) {
  uint64_t state = 0xcbf29ce484222325u;
  for (const char *c = name; *c; c++) state = (state ^ (uint8_t)*c) * 0x100000001b3u;
  state ^= seed;
  int64_t count = 1;
  for (int i = 0; i < dimensions; i++) count *= shape[i];
  double low = -0.2, high = 0.2;
  if (dimensions >= 2) {
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

bool weights_have(const struct weights *w, const char *name) {
  return !w->checkpoint || checkpoint_find(w->checkpoint, name) != NULL;
}

static void note_failure(struct weights *w, const error *reason) {
  if (!w->failed) w->reason = *reason;
  w->failed = true;
}

float *weights_take(struct weights *w, const char *name, int dimensions, const int64_t *shape) {
  size_t count = 1;
  error reason = {""};
  for (int i = 0; i < dimensions; i++) {
    if (!multiply_size(count, (size_t)shape[i], &count)) {
      fail(&reason, "%s: too large", name);
      note_failure(w, &reason);
      return NULL;
    }
  }
  struct tensor *tensor = NULL;
  if (w->checkpoint) {
    char wanted[128], found[128];
    format_shape(wanted, sizeof wanted, dimensions, shape);
    tensor = checkpoint_find(w->checkpoint, name);
    if (!tensor) {
      weights_note(w, "%s %s is missing", name, wanted);
      return NULL;
    }
    tensor->used = true;
    bool same = tensor->dimensions == dimensions;
    for (int i = 0; same && i < dimensions; i++) same = tensor->shape[i] == shape[i];
    if (!same) {
      format_shape(found, sizeof found, tensor->dimensions, tensor->shape);
      weights_note(w, "%s is %s instead of %s", name, found, wanted);
      return NULL;
    }
  }
  float *values = allocate(count, sizeof *values, &reason);
  if (values && tensor && tensor_to_float(tensor, values, &reason) != OK) {
    free(values);
    values = NULL;
  }
  if (!values) {
    note_failure(w, &reason);
    return NULL;
  }
  if (!tensor) seeded_values(name, w->seed, dimensions, shape, values);
  if (!is_statistic(name)) w->parameters += (int64_t)count;
  return values;
}

void weights_observe(struct weights *w, const char *name, int dimensions, const int64_t *shape, const float *values) {
  if (w->observe) w->observe(w->observe_context, name, dimensions, shape, values);
}
