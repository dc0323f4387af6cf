/* Any bytes as a file: refused, or every tensor readable. The first two give the header's length, so that mutations
 * need not keep it right. */
#include <stdlib.h>
#include <string.h>

#include "weights-tools/config.h"
#include "weights-tools/keys.h"

static void read_everything(struct safetensors *s) {
  struct checkpoint checkpoint = {.path = (char[]){"fuzz"}, .tensors = s->tensors, .count = s->count};
  error e;
  double sum = 0;
  for (size_t i = 0; i < s->count; i++) {
    float *values = malloc(s->tensors[i].bytes * 4 + 1); /* a byte may become a float */
    if (values && tensor_to_float(&s->tensors[i], values, &e) == OK && s->tensors[i].elements > 0)
      sum += (double)values[0];
    free(values);
  }
  if (config_read_metadata(&checkpoint, s, &e) == OK && keys_canonicalize(&checkpoint, &e) == OK) {
    for (size_t i = 0; i < checkpoint.count; i++) {
      if (checkpoint_find(&checkpoint, checkpoint.tensors[i].name) != &checkpoint.tensors[i] && !checkpoint.arch)
        abort();
    }
  }
  for (size_t i = 0; i < checkpoint.class_count; i++) free(checkpoint.class_names[i]);
  free(checkpoint.class_names);
  free(checkpoint.arch);
  free(checkpoint.scheme);
  free(checkpoint.config_json);
  if (sum == 0.123) abort(); /* the values are used */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  uint64_t length = (uint64_t)data[0] | (uint64_t)data[1] << 8;
  uint8_t *file = malloc(size + 6);
  if (!file) return 0;
  for (int i = 0; i < 8; i++) file[i] = (uint8_t)(length >> (8 * i));
  memcpy(file + 8, data + 2, size - 2);
  struct safetensors s;
  error e;
  if (safetensors_parse(&s, file, size + 6, &e) == OK) {
    read_everything(&s);
    safetensors_close(&s);
  }
  free(file);
  return 0;
}
