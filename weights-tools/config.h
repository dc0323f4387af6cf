/* What is said about a checkpoint beside its tensors: the config.json of timm and of transformers, transformers'
 * preprocessor_config.json, and the metadata of a converted file. */
#ifndef WEIGHTS_TOOLS_CONFIG_H
#define WEIGHTS_TOOLS_CONFIG_H

#include "weights-tools/checkpoint.h"
#include "weights-tools/json.h"
#include "weights-tools/safetensors.h"

/* The metadata keys of a converted file. CONFIG, RECIPE and CLASS_NAMES are JSON text. */
#define METADATA_ARCH "backbones.arch"
#define METADATA_CONFIG "backbones.config"
#define METADATA_RECIPE "backbones.recipe"
#define METADATA_CLASS_NAMES "backbones.class_names"
#define METADATA_SOURCE "backbones.source"               /* the source's file name */
#define METADATA_SOURCE_SHA256 "backbones.source_sha256" /* checkpoint_sha256() of it */
#define METADATA_SCHEME "backbones.scheme"               /* whose names the source used */

/* Fill in arch, recipe and class_names from the folder's config.json and preprocessor_config.json, where they are. */
int config_read_folder(struct checkpoint *checkpoint, const char *folder, error *e);
/* The same from metadata; one that names the architecture marks a converted file, whose scheme is "canonical". */
int config_read_metadata(struct checkpoint *checkpoint, const struct safetensors *file, error *e);

/* The parts, each over a parsed file; errors without its path. */
int config_read_timm(struct checkpoint *checkpoint, const struct json *config, error *e);
int config_read_transformers(struct checkpoint *checkpoint, const struct json *config, error *e);
int config_read_preprocessor(struct checkpoint *checkpoint, const struct json *preprocessor, error *e);
/* Three numbers into floats. */
int config_read_triple(const struct json *config, const char *key, float triple[static 3], error *e);
/* An array of strings as the class names. */
int config_take_class_names(struct checkpoint *checkpoint, const struct json *names, error *e);

#endif
