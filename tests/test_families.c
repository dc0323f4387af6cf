/* Every family from a file: recognised by its tensors, the same bits as from the seed, its outputs, and what is
 * refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/architecture.h"
#include "models/model.h"
#include "tests/harness.h"
#include "weights-tools/keys.h"
#include "weights-tools/safetensors.h"

/* ---- a checkpoint of seeded weights ---- */

struct collected {
  struct tensor_description *tensors;
  float **values;
  size_t count, capacity;
};

static void collect(void *context, const char *name, int dimensions, const int64_t *shape, const float *values) {
  struct collected *c = context;
  if (c->count == c->capacity) {
    c->capacity = c->capacity ? 2 * c->capacity : 256;
    c->tensors = realloc(c->tensors, c->capacity * sizeof *c->tensors);
    c->values = realloc(c->values, c->capacity * sizeof *c->values);
  }
  size_t elements = 1;
  struct tensor_description *t = &c->tensors[c->count];
  *t = (struct tensor_description){.name = strdup(name), .dtype = DTYPE_F32, .dimensions = dimensions};
  for (int i = 0; i < dimensions; i++) elements *= (size_t)(t->shape[i] = shape[i]);
  c->values[c->count] = malloc(elements * sizeof(float));
  memcpy(c->values[c->count++], values, elements * sizeof(float));
}

static size_t elements_of(const struct tensor_description *t) {
  size_t elements = 1;
  for (int i = 0; i < t->dimensions; i++) elements *= (size_t)t->shape[i];
  return elements;
}

/* All that a seeded model takes, batch norms folded. */
static struct collected collect_seeded(const char *arch) {
  struct collected c = {0};
  struct architecture architecture;
  struct recipe recipe;
  error e = {""};
  struct weights weights = {.seed = 1, .observe = collect, .observe_context = &c};
  if (!CHECK_MSG(architecture_find(arch, &architecture, &e) == OK, "%s", e.message)) return c;
  architecture.family->default_recipe(&architecture, &recipe);
  struct plan *plan = plan_start(kernels_select(&e), &weights, &e);
  architecture.family->build(plan, &architecture, &recipe);
  CHECK_MSG(plan_finish(plan, &e) == OK, "%s", e.message);
  plan_free(plan);
  return c;
}

static void free_collected(struct collected *c) {
  for (size_t i = 0; i < c->count; i++) {
    free((char *)c->tensors[i].name);
    free(c->values[i]);
  }
  free(c->tensors);
  free(c->values);
}

static struct tensor_description *find_tensor(const struct collected *c, const char *name, float **values) {
  for (size_t i = 0; i < c->count; i++) {
    if (strcmp(c->tensors[i].name, name) != 0) continue;
    *values = c->values[i];
    return &c->tensors[i];
  }
  CHECK_MSG(false, "no tensor %s", name);
  return NULL;
}

static bool write_collected(const char *path, const struct collected *c) {
  error e = {""};
  struct safetensors_writer *w = safetensors_create(path, c->tensors, c->count, NULL, 0, &e);
  bool good = w != NULL;
  for (size_t i = 0; good && i < c->count; i++) {
    good = safetensors_write(w, c->values[i], elements_of(&c->tensors[i]) * dtype_size(c->tensors[i].dtype), &e) == OK;
  }
  return CHECK_MSG(good && safetensors_finish(w, &e) == OK, "%s", e.message);
}

static const char *in_folder(const char *name) { return path_join(test_folder(), name); }

/* ---- running ---- */

static float *picture_of(const struct model_info *info) {
  size_t n = (size_t)info->recipe.height * (size_t)info->recipe.width * 3;
  float *picture = malloc(n * sizeof *picture);
  struct random random = {7};
  random_fill(&random, picture, n);
  return picture;
}

/* The features of a fixed picture, free() them. */
static float *features_of(const struct model *model) {
  struct model_info info = model_info(model);
  error e = {""};
  struct session *session = NULL;
  struct threads *pool = threads_start(1, &e);
  float *picture = picture_of(&info), *features = calloc((size_t)info.features, sizeof *features);
  if (pool && session_start(&session, model, pool, 1, &e) == OK) session_run(session, picture, 1, features, NULL, NULL);
  CHECK_MSG(session != NULL, "%s", e.message);
  session_end(session);
  threads_stop(pool);
  free(picture);
  return features;
}

static struct model *load(const char *path, const char *arch, const struct recipe *recipe, error *e) {
  struct checkpoint checkpoint;
  struct model *model = NULL;
  struct model_options options = {.arch = arch, .recipe = recipe};
  if (checkpoint_open(&checkpoint, path, e) != OK) return NULL;
  if (keys_canonicalize(&checkpoint, e) == OK) model_load(&model, &checkpoint, &options, e);
  checkpoint_close(&checkpoint);
  return model;
}

/* Where only bits are compared, a few patches will do: four by four. Windows of 7 divide no smaller maps than usual. */
static void smaller_recipe(const char *arch, struct recipe *recipe) {
  error e = {""};
  CHECK_MSG(architecture_recipe(arch, recipe, &e) == OK, "%s", e.message);
  if (!strstr(arch, "window7")) recipe->height = recipe->width = strstr(arch, "patch14") ? 56 : 64;
}

TEST(every_family_is_recognised_by_its_tensors) {
  static const char *const archs[] = {"resnet18d",
                                      "convnext_atto",
                                      "convnextv2_atto",
                                      "vit_tiny_patch16_224",
                                      "deit_tiny_distilled_patch16_224",
                                      "deit3_small_patch16_224",
                                      "vit_small_patch14_reg4_dinov2",
                                      "vit_small_patch16_dinov3_qkvb",
                                      "vit_small_plus_patch16_dinov3",
                                      "swin_tiny_patch4_window7_224",
                                      "resnet50_clip"};
  for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
    struct collected c = collect_seeded(archs[i]);
    const char *path = in_folder("checkpoint.safetensors");
    REQUIRE(write_collected(path, &c));
    free_collected(&c);
    error e = {""};
    struct recipe recipe;
    smaller_recipe(archs[i], &recipe);
    struct model *loaded = load(path, NULL, &recipe, &e), *seeded = NULL;
    if (!CHECK_MSG(loaded != NULL, "%s: %s", archs[i], e.message)) continue;
    struct model_info info = model_info(loaded);
    CHECK_STRING(info.arch, archs[i]);
    REQUIRE(model_seeded(&seeded, archs[i], 1, &recipe, &e) == OK);
    CHECK(info.parameters == model_info(seeded).parameters && info.features == model_info(seeded).features);
    float *from_file = features_of(loaded), *from_seed = features_of(seeded);
    CHECK_MSG(!memcmp(from_file, from_seed, (size_t)info.features * sizeof *from_file), "%s: other bits", archs[i]);
    free(from_file);
    free(from_seed);
    model_free(loaded);
    model_free(seeded);
  }
}

TEST(a_converted_file_is_the_same_network) {
  static const char *const archs[] = {"vit_small_patch16_dinov3_qkvb", "deit_tiny_distilled_patch16_224",
                                      "convnextv2_atto", "swinv2_tiny_window8_256"};
  for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
    struct collected c = collect_seeded(archs[i]);
    const char *path = in_folder("checkpoint.safetensors"), *out = in_folder("converted.safetensors");
    REQUIRE(write_collected(path, &c));
    free_collected(&c);
    struct run run = RUN("convert", path, "-o", out, "--arch", archs[i]);
    CHECK_MSG(run.exit_code == 0, "%s", run.err);
    error e = {""};
    struct recipe recipe;
    smaller_recipe(archs[i], &recipe);
    struct model *source = load(path, archs[i], &recipe, &e), *converted = load(out, NULL, &recipe, &e);
    if (!CHECK_MSG(source && converted, "%s: %s", archs[i], e.message)) continue;
    CHECK_STRING(model_info(converted).arch, archs[i]);
    float *a = features_of(source), *b = features_of(converted);
    CHECK_MSG(!memcmp(a, b, (size_t)model_info(source).features * sizeof *a), "%s: other bits", archs[i]);
    free(a);
    free(b);
    model_free(source);
    model_free(converted);
  }
}

TEST(a_window_that_no_tensor_tells_must_be_named) {
  struct collected c = collect_seeded("swinv2_tiny_window8_256");
  const char *path = in_folder("checkpoint.safetensors");
  REQUIRE(write_collected(path, &c));
  free_collected(&c);
  struct run run = RUN("inspect", path);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "the window of a Swin V2 is not in its tensors: name the architecture (--arch)");
}

/* transformers keeps queries, keys and values apart: #0 to #2 are what its table makes of them. */
TEST(a_split_projection_is_the_fused_one) {
  struct collected c = collect_seeded("vit_tiny_patch16_224"), split = {0};
  for (size_t i = 0; i < c.count; i++) {
    const struct tensor_description *t = &c.tensors[i];
    const char *part = strstr(t->name, ".attn.qkv.");
    int block;
    char name[128];
    if (!part || sscanf(t->name, "blocks.%d.", &block) != 1) {
      collect(&split, t->name, t->dimensions, t->shape, c.values[i]);
      continue;
    }
    for (int k = 0; k < 3; k++) {
      int64_t shape[2] = {t->shape[0] / 3, t->shape[1]};
      snprintf(name, sizeof name, "blocks.%d.attn.qkv.%s#%d", block, part + 10, k);
      collect(&split, name, t->dimensions, shape, c.values[i] + (size_t)k * elements_of(t) / 3);
    }
  }
  const char *whole_path = in_folder("whole.safetensors"), *split_path = in_folder("split.safetensors");
  REQUIRE(write_collected(whole_path, &c) && write_collected(split_path, &split));
  free_collected(&c);
  free_collected(&split);
  error e = {""};
  struct checkpoint checkpoint;
  struct model *whole = load(whole_path, NULL, NULL, &e), *parts = NULL;
  REQUIRE(checkpoint_open(&checkpoint, split_path, &e) == OK); /* its names are canonical already */
  CHECK_MSG(model_load(&parts, &checkpoint, NULL, &e) == OK, "%s", e.message);
  checkpoint_close(&checkpoint);
  REQUIRE(whole && parts);
  CHECK_STRING(model_info(parts).arch, "vit_tiny_patch16_224");
  float *a = features_of(whole), *b = features_of(parts);
  CHECK(!memcmp(a, b, 192 * sizeof *a));
  free(a);
  free(b);
  model_free(whole);
  model_free(parts);
}

TEST(every_output_has_its_shape) {
  static const struct {
    const char *arch, *features;
    int tokens, width;
  } outputs[] = {
      {"vit_tiny_patch16_224", "pooled", 1, 192},
      {"vit_tiny_patch16_224", "class", 1, 192},
      {"vit_tiny_patch16_224", "mean", 1, 192},
      {"vit_tiny_patch16_224", "class+mean", 1, 384},
      {"vit_tiny_patch16_224", "tokens", 197, 192},
      {"vit_tiny_patch16_224", "block:0", 1, 192},
      {"vit_tiny_patch16_224", "block:11:tokens", 197, 192},
      {"convnext_atto", "block:2", 1, 80},
      {"convnext_atto", "block:2:tokens", 28 * 28, 80},
      {"convnext_atto", "tokens", 49, 320},
      {"swin_tiny_patch4_window7_224", "block:11", 1, 768},
      {"resnet50_clip", "projected", 1, 1024},
      {"resnet50_clip", "tokens", 49, 2048},
  };
  struct model *model = NULL;
  error e = {""};
  for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
    if (!model || strcmp(model_info(model).arch, outputs[i].arch) != 0) {
      model_free(model);
      REQUIRE(model_seeded(&model, outputs[i].arch, 1, NULL, &e) == OK);
    }
    CHECK_MSG(model_choose_features(model, outputs[i].features, &e) == OK, "%s", e.message);
    struct model_info info = model_info(model);
    CHECK_MSG(info.tokens == outputs[i].tokens && info.features == outputs[i].tokens * outputs[i].width,
              "%s of %s: %d tokens, %d values", outputs[i].features, outputs[i].arch, info.tokens, info.features);
  }
  CHECK(model_choose_features(model, "block:99", &e) == FAILED);
  CHECK_CONTAINS(e.message, "no \"block:99\" features (it has tokens, mean, pooled, projected, block:0 to block:15");
  model_free(model);
}

/* The parts of the same run: what is selected, averaged and joined must come from the tokens. */
TEST(outputs_agree_with_each_other) {
  struct model *model = NULL;
  error e = {""};
  struct recipe recipe = {.height = 64, .width = 64, .crop_fraction = 1, .std = {1, 1, 1}};
  REQUIRE(model_seeded(&model, "vit_tiny_patch16_224", 1, &recipe, &e) == OK);
  enum { WIDTH = 192, TOKENS = 17 };
  REQUIRE(model_choose_features(model, "tokens", &e) == OK);
  float *tokens = features_of(model);
  REQUIRE(model_choose_features(model, "class+mean", &e) == OK);
  float *both = features_of(model);
  CHECK(!memcmp(tokens, both, WIDTH * sizeof *tokens));
  for (int c = 0; c < WIDTH; c++) {
    double sum = 0;
    for (int t = 1; t < TOKENS; t++) sum += (double)tokens[t * WIDTH + c];
    CHECK_NEAR((double)both[WIDTH + c], sum / (TOKENS - 1), 1e-5);
  }
  free(tokens);
  free(both);
  model_free(model);
}

/* One token is computed alone where nothing reads the others: for less work the same bits as among all. */
TEST(a_token_alone_has_the_bits_that_it_has_among_all) {
  static const struct {
    const char *arch;
    int size;
    const char *alone, *all;
  } cases[] = {{"vit_tiny_patch16_224", 64, "class", "tokens"},
               {"vit_tiny_patch16_224", 64, "block:3", "block:3:tokens"},
               {"vit_small_patch14_reg4_dinov2", 56, "class", "tokens"},
               {"vit_small_patch16_dinov3", 64, "class", "tokens"},
               {"vit_small_plus_patch16_dinov3", 64, "class", "tokens"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct model *model = NULL;
    error e = {""};
    struct recipe recipe = {.height = cases[i].size, .width = cases[i].size, .crop_fraction = 1, .std = {1, 1, 1}};
    CHECK_MSG(model_seeded(&model, cases[i].arch, 1, &recipe, &e) == OK, "%s", e.message);
    if (!model) continue;
    REQUIRE(model_choose_features(model, cases[i].alone, &e) == OK);
    struct model_info info = model_info(model);
    CHECK_MSG(info.computed_gflops < 0.99 * info.gflops, "%s: %g of %g GFLOP", cases[i].arch, info.computed_gflops,
              info.gflops);
    float *alone = features_of(model);
    REQUIRE(model_choose_features(model, cases[i].all, &e) == OK);
    float *all = features_of(model);
    CHECK_MSG(!memcmp(alone, all, (size_t)info.features * sizeof *all), "%s, %s", cases[i].arch, cases[i].alone);
    free(alone);
    free(all);
    model_free(model);
  }
}

/* ---- what is refused ---- */

TEST(another_familys_name_is_refused) {
  struct collected c = collect_seeded("convnext_atto");
  const char *path = in_folder("checkpoint.safetensors");
  REQUIRE(write_collected(path, &c));
  free_collected(&c);
  struct run run = RUN("inspect", path, "--arch", "resnet50");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "its tensors are those of the convnext family (convnext_atto), not of resnet50");
  run = RUN("inspect", path, "--arch", "convnext_tiny");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "instead of");
  CHECK(RUN("inspect", path, "--arch", "convnext_atto").exit_code == 0);
}

TEST(a_position_table_that_is_not_square_is_refused) {
  struct collected c = collect_seeded("vit_tiny_patch16_224");
  float *values;
  struct tensor_description *table = find_tensor(&c, "pos_embed", &values);
  REQUIRE(table != NULL);
  table->shape[1] = 190;
  const char *path = in_folder("checkpoint.safetensors");
  REQUIRE(write_collected(path, &c));
  free_collected(&c);
  struct run run = RUN("inspect", path);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "do not form a square");
}

TEST(weights_that_overflowed_are_refused) {
  struct collected c = collect_seeded("convnext_atto");
  float *values;
  struct tensor_description *bias = find_tensor(&c, "head.fc.bias", &values);
  REQUIRE(bias != NULL);
  uint16_t *halves = (uint16_t *)(void *)values;
  memset(halves, 0, 1000 * sizeof *halves);
  halves[17] = 0x7c00; /* infinity */
  bias->dtype = DTYPE_F16;
  const char *path = in_folder("checkpoint.safetensors"), *out = in_folder("out.safetensors");
  REQUIRE(write_collected(path, &c));
  free_collected(&c);
  struct run run = RUN("convert", path, "-o", out);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "tensor \"head.fc.bias\": value 17 of 1000 is inf (weights that overflowed in F16?)");
  CHECK(read_file(out, &(size_t){0}) == NULL);
}

TEST(a_window_that_does_not_divide_the_map_is_refused) {
  struct recipe recipe = {.height = 192, .width = 192, .crop_fraction = 1, .std = {1, 1, 1}};
  struct model *model = NULL;
  error e = {""};
  CHECK(model_seeded(&model, "swin_tiny_patch4_window7_224", 1, &recipe, &e) == FAILED);
  CHECK_CONTAINS(e.message, "windows of 7 x 7 do not divide a map of 48 x 48");
  recipe.height = 100;
  CHECK(model_seeded(&model, "vit_tiny_patch16_224", 1, &recipe, &e) == FAILED);
  CHECK_CONTAINS(e.message, "100 x 192 pixels is not cut evenly into patches of 16");
}
