/* What is said about a checkpoint beside its tensors: the config.json of timm and of transformers, transformers'
 * preprocessor_config.json, open_clip's open_clip_config.json, and the metadata of a converted file. */
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

/* Fill in arch, hints, recipe and class_names from the folder's config.json and preprocessor_config.json, and what they
 * leave open from its open_clip_config.json, where they are. */
int config_read_folder(struct checkpoint *checkpoint, const char *folder, error *e);
/* The same from metadata; one that names the architecture marks a converted file, whose scheme is "canonical". */
int config_read_metadata(struct checkpoint *checkpoint, const struct safetensors *file, error *e);

/* The parts, each over a parsed file; errors without its path. */
int config_read_timm(struct checkpoint *checkpoint, const struct json *config, error *e);
int config_read_transformers(struct checkpoint *checkpoint, const struct json *config, error *e);
int config_read_preprocessor(struct checkpoint *checkpoint, const struct json *preprocessor, error *e);
int config_read_open_clip(struct checkpoint *checkpoint, const struct json *config, error *e);
/* The activation that a config calls `name` as a hint; FAILED when it is not known. */
int config_read_activation(struct hints *hints, const char *name, error *e);
/* checkpoint->arch instead of what it was. */
int config_set_arch(struct checkpoint *checkpoint, error *e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with timm's name for a vision transformer, out of a pattern in which SIZE, PATCH, IMAGE and QUICK (OpenAI's
 * GELU, by the hint) stand for what is known: "vit_SIZE_patchPATCH_clip_QUICKIMAGE". Unusual sizes leave it as it was.
 */
int config_name_vit(struct checkpoint *checkpoint, const char *pattern, int width, int depth, int patch, int image,
                    error *e);
/* Hints as members of a converted file's configuration, and back. */
void hints_write_members(struct json_writer *w, const struct hints *hints);
int hints_read(struct hints *hints, const struct json *config, error *e);
/* Three numbers into floats. */
int config_read_triple(const struct json *config, const char *key, float triple[static 3], error *e);
/* An array of strings as the class names. */
int config_take_class_names(struct checkpoint *checkpoint, const struct json *names, error *e);

#endif
