#include "weights-tools/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int config_read_triple(const struct json *config, const char *key, float triple[static 3], error *e) {
  double values[3];
  if (!json_read_numbers(json_get(config, key), values, 3)) return fail(e, "%s is not three numbers", key);
  for (int c = 0; c < 3; c++) triple[c] = (float)values[c];
  return OK;
}

int config_take_class_names(struct checkpoint *checkpoint, const struct json *names, error *e) {
  if (names->type != JSON_ARRAY) return fail(e, "the class names are not an array");
  if (names->length == 0 || checkpoint->class_names) return OK;
  checkpoint->class_names = allocate_zeroed(names->length, sizeof *checkpoint->class_names, e);
  if (!checkpoint->class_names) return FAILED;
  for (const struct json *name = names->first; name; name = name->next) {
    if (!json_is_plain_string(name)) return fail(e, "a class name is not a plain string");
    char *copy = copy_string(name->string, e);
    if (!copy) return FAILED;
    checkpoint->class_names[checkpoint->class_count++] = copy;
  }
  return OK;
}

int config_set_arch(struct checkpoint *checkpoint, error *e, const char *format, ...) {
  char name[128];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(name, sizeof name, format, arguments);
  va_end(arguments);
  free(checkpoint->arch);
  checkpoint->arch = copy_string(name, e);
  return checkpoint->arch ? OK : FAILED;
}

typedef int reader(struct checkpoint *checkpoint, const struct json *config, error *e);

static int read_model_config(struct checkpoint *checkpoint, const struct json *config, error *e) {
  if (config->type != JSON_OBJECT) return fail(e, "not a JSON object");
  if (json_get_string(config, "architecture")) return config_read_timm(checkpoint, config, e);
  if (json_get_string(config, "model_type")) return config_read_transformers(checkpoint, config, e);
  return OK; /* some other tool's configuration: names and shapes will tell */
}

/* Hand the parsed file to a reader; a file that is not there is none. */
static int read_file(struct checkpoint *checkpoint, const char *folder, const char *name, reader *read, error *e) {
  size_t size = strlen(folder) + strlen(name) + 2;
  char *path = allocate(size, 1, e);
  if (!path) return FAILED;
  snprintf(path, size, "%s/%s", folder, name);
  int status = OK;
  if (access(path, F_OK) == 0) {
    struct file_view file;
    struct json_document document = {0};
    status = file_open(&file, path, e);
    if (status == OK) {
      status = json_parse(&document, (const char *)file.bytes, file.size, false, e);
      if (status == OK) status = read(checkpoint, document.root, e);
      if (status != OK) fail_within(e, "%s", path);
      json_free(&document);
      file_close(&file);
    }
  }
  free(path);
  return status;
}

int config_read_folder(struct checkpoint *checkpoint, const char *folder, error *e) {
  if (read_file(checkpoint, folder, "config.json", read_model_config, e) != OK) return FAILED;
  if (!checkpoint->has_recipe &&
      read_file(checkpoint, folder, "preprocessor_config.json", config_read_preprocessor, e) != OK)
    return FAILED;
  if (checkpoint->has_recipe && (checkpoint->arch || checkpoint->hints.activation[0])) return OK;
  return read_file(checkpoint, folder, "open_clip_config.json", config_read_open_clip, e);
}

static int read_recipe(struct checkpoint *checkpoint, const struct json *config, error *e) {
  if (recipe_read(&checkpoint->recipe, config, e) != OK) return FAILED;
  checkpoint->has_recipe = true;
  return OK;
}

/* Hand a metadata value, which is JSON text, to a reader. */
static int read_value(struct checkpoint *checkpoint, const struct safetensors *file, const char *key, reader *read,
                      error *e) {
  const char *text = safetensors_metadata(file, key);
  if (!text) return OK;
  struct json_document document;
  int status = json_parse(&document, text, strlen(text), false, e);
  if (status == OK) {
    status = read(checkpoint, document.root, e);
    json_free(&document);
  }
  return status == OK ? OK : fail_within(e, "metadata %s", key);
}

static int read_hints(struct checkpoint *checkpoint, const struct json *config, error *e) {
  return hints_read(&checkpoint->hints, config, e);
}

int config_read_metadata(struct checkpoint *checkpoint, const struct safetensors *file, error *e) {
  if (read_value(checkpoint, file, METADATA_RECIPE, read_recipe, e) != OK) return FAILED;
  if (read_value(checkpoint, file, METADATA_CLASS_NAMES, config_take_class_names, e) != OK) return FAILED;
  if (read_value(checkpoint, file, METADATA_CONFIG, read_hints, e) != OK) return FAILED;
  const char *config = safetensors_metadata(file, METADATA_CONFIG), *arch = safetensors_metadata(file, METADATA_ARCH);
  if (config && !(checkpoint->config_json = copy_string(config, e))) return FAILED;
  if (!arch) return OK;
  checkpoint->arch = copy_string(arch, e);
  checkpoint->scheme = copy_string("canonical", e);
  return checkpoint->arch && checkpoint->scheme ? OK : FAILED;
}
