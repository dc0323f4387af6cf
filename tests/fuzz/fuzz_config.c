/* Any bytes as a configuration: the first chooses whose. What is accepted is a recipe that its own check accepts. */
#include <stdlib.h>

#include "weights-tools/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  struct json_document document;
  error e;
  if (json_parse(&document, (const char *)data + 1, size - 1, false, &e) != OK) return 0;
  struct checkpoint checkpoint = {0};
  const struct json *root = document.root;
  int status = FAILED;
  if (data[0] % 5 == 0 && json_get_string(root, "architecture")) status = config_read_timm(&checkpoint, root, &e);
  if (data[0] % 5 == 1 && json_get_string(root, "model_type")) status = config_read_transformers(&checkpoint, root, &e);
  if (data[0] % 5 == 2) status = config_read_preprocessor(&checkpoint, root, &e);
  if (data[0] % 5 == 3) {
    status = recipe_read(&checkpoint.recipe, root, &e);
    checkpoint.has_recipe = status == OK;
  }
  if (data[0] % 5 == 4) status = config_read_open_clip(&checkpoint, root, &e);
  if (status == OK && checkpoint.has_recipe && recipe_check(&checkpoint.recipe, &e) != OK) abort();
  for (size_t i = 0; i < checkpoint.class_count; i++) free(checkpoint.class_names[i]);
  free(checkpoint.class_names);
  free(checkpoint.arch);
  json_free(&document);
  return 0;
}
