#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/harness.h"
#include "weights-tools/config.h"
#include "weights-tools/fold.h"
#include "weights-tools/keys.h"

/* A safetensors file with a vector of two floats under each of the names (ended by NULL). */
static bool write_names(const char *path, const char *const *names) {
  struct tensor_description tensors[64] = {{0}};
  size_t count = 0;
  for (; names[count]; count++)
    tensors[count] =
        (struct tensor_description){.name = names[count], .dtype = DTYPE_F32, .dimensions = 1, .shape = {2}};
  error e;
  struct safetensors_writer *w = safetensors_create(path, tensors, count, NULL, 0, &e);
  bool good = w != NULL;
  for (size_t i = 0; good && i < count; i++) {
    const float values[2] = {(float)i, 0.5f};
    good = safetensors_write(w, values, sizeof values, &e) == OK;
  }
  return good && safetensors_finish(w, &e) == OK;
}
#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool write_text(const char *path, const char *text) { return write_file(path, text, strlen(text)); }

static const char *in_folder(const char *name) { return path_join(test_folder(), name); }

/* The message of a checkpoint that must be refused. */
static const char *refusal(const char *path) {
  static error e;
  struct checkpoint checkpoint;
  strcpy(e.message, "accepted");
  if (checkpoint_open(&checkpoint, path, &e) == OK) checkpoint_close(&checkpoint);
  return e.message;
}

/* ---- files and folders ---- */

TEST(checkpoint_one_file) {
  const char *path = in_folder("a.safetensors");
  REQUIRE(write_names(path, NAMES("z", "a", "m")));
  struct checkpoint c;
  error e = {""};
  REQUIRE(checkpoint_open(&c, path, &e) == OK);
  CHECK(c.count == 3 && !c.arch && !c.scheme && !c.has_recipe && !c.class_names);
  CHECK_STRING(c.path, path);
  struct tensor *t = checkpoint_find(&c, "m");
  REQUIRE(t);
  float values[2];
  CHECK(tensor_to_float(t, values, &e) == OK && values[0] == 2 && values[1] == 0.5f);
  CHECK_STRING(t->source_name, "m");
  CHECK(!checkpoint_find(&c, "b") && !checkpoint_find(&c, ""));
  t->dtype = DTYPE_BOOL;
  CHECK(tensor_to_float(t, values, &e) == FAILED);
  char hash[65];
  CHECK(checkpoint_sha256(&c, hash, &e) == OK && strlen(hash) == 64);
  checkpoint_close(&c);
}

TEST(checkpoint_in_a_folder) {
  CHECK_CONTAINS(refusal(test_folder()), "holds no .safetensors file");
  REQUIRE(write_names(in_folder("open_clip_model.safetensors"), NAMES("a")));
  CHECK_STRING(refusal(test_folder()), "accepted");
  REQUIRE(write_names(in_folder("another.safetensors"), NAMES("a")));
  CHECK_CONTAINS(refusal(test_folder()), "name the one to use");
  REQUIRE(write_names(in_folder("model.safetensors"), NAMES("b")));
  CHECK_STRING(refusal(test_folder()), "accepted");
  CHECK_CONTAINS(refusal(in_folder("absent")), "absent: No such file");
}

static const char two_shards[] =
    "{\"metadata\": {\"total_size\": 24}, \"weight_map\": {\"a\": \"m-1.safetensors\", \"b\": \"m-2.safetensors\", "
    "\"c\": \"m-1.safetensors\"}}";

TEST(checkpoint_of_shards) {
  REQUIRE(write_text(in_folder("model.safetensors.index.json"), two_shards));
  CHECK_CONTAINS(refusal(test_folder()), "m-1.safetensors: No such file");
  REQUIRE(write_names(in_folder("m-1.safetensors"), NAMES("c", "a")));
  CHECK_CONTAINS(refusal(test_folder()), "m-2.safetensors: No such file");
  REQUIRE(write_names(in_folder("m-2.safetensors"), NAMES("b")));
  struct checkpoint c;
  error e = {""};
  REQUIRE(checkpoint_open(&c, test_folder(), &e) == OK);
  CHECK(c.count == 3 && checkpoint_find(&c, "a") && checkpoint_find(&c, "b") && checkpoint_find(&c, "c"));
  checkpoint_close(&c);
  CHECK_STRING(refusal(in_folder("model.safetensors.index.json")), "accepted");
}

TEST(checkpoint_index_must_tell_the_truth) {
  REQUIRE(write_text(in_folder("model.safetensors.index.json"), two_shards));
  REQUIRE(write_names(in_folder("m-2.safetensors"), NAMES("b")));
  REQUIRE(write_names(in_folder("m-1.safetensors"), NAMES("a")));
  CHECK_CONTAINS(refusal(test_folder()), "\"c\" is not in m-1.safetensors, where the index places it");
  REQUIRE(write_names(in_folder("m-1.safetensors"), NAMES("a", "b", "c")));
  CHECK_CONTAINS(refusal(test_folder()), "\"b\" is in m-1.safetensors, but the index places it in m-2.safetensors");
  REQUIRE(write_names(in_folder("m-1.safetensors"), NAMES("a", "c", "d")));
  CHECK_CONTAINS(refusal(test_folder()), "\"d\" is in m-1.safetensors, but the index does not list it");
}

TEST(checkpoint_index_stays_in_its_folder) {
  const char *const maps[] = {"{\"a\": \"../m.safetensors\"}",
                              "{\"a\": \"/etc/m.safetensors\"}",
                              "{\"a\": \"..\"}",
                              "{\"a\": \"\"}",
                              "{\"a\": \"m.bin\"}",
                              "{\"a\": 1}",
                              "{\"a\": \"m.safetensors\\u0000\"}",
                              "{\"a\": \"x/m.safetensors\"}",
                              "{\"a\\u0000\": \"m.safetensors\"}"};
  for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
    char text[200];
    snprintf(text, sizeof text, "{\"weight_map\": %s}", maps[i]);
    REQUIRE(write_text(in_folder("model.safetensors.index.json"), text));
    CHECK_CONTAINS(refusal(test_folder()), "is not placed in a .safetensors file of the same folder");
  }
  const char *const indices[] = {"{}", "[]", "{\"weight_map\": []}", "{\"weight_map\": {}}"};
  for (size_t i = 0; i < sizeof indices / sizeof *indices; i++) {
    REQUIRE(write_text(in_folder("model.safetensors.index.json"), indices[i]));
    CHECK_CONTAINS(refusal(test_folder()), "index.json: it has no weight_map");
  }
  REQUIRE(write_text(in_folder("model.safetensors.index.json"),
                     "{\"weight_map\": {\"a\": \"m.safetensors\", \"a\": \"n.safetensors\"}}"));
  CHECK_CONTAINS(refusal(test_folder()), "stands twice");
}

/* ---- configurations ---- */

/* Open the test's folder with this config.json and preprocessor_config.json (NULL: none). */
static int open_with(struct checkpoint *c, const char *config, const char *preprocessor, error *e) {
  write_names(in_folder("model.safetensors"), NAMES("conv1.weight"));
  remove(in_folder("config.json"));
  remove(in_folder("preprocessor_config.json"));
  if (config) write_text(in_folder("config.json"), config);
  if (preprocessor) write_text(in_folder("preprocessor_config.json"), preprocessor);
  return checkpoint_open(c, test_folder(), e);
}

static const char *config_refusal(const char *config, const char *preprocessor) {
  static error e;
  struct checkpoint c;
  strcpy(e.message, "accepted");
  if (open_with(&c, config, preprocessor, &e) == OK) checkpoint_close(&c);
  return e.message;
}

TEST(config_of_timm) {
  struct checkpoint c;
  error e = {""};
  REQUIRE(
      open_with(&c,
                "{\"architecture\": \"resnet50\", \"num_classes\": 2, \"label_names\": [\"cat\", \"d\\u00f6g\"],"
                "\"pretrained_cfg\": {\"input_size\": [3, 224, 160], \"test_input_size\": [3, 288, 288], \"crop_pct\": "
                "0.95, \"test_crop_pct\": 1.0, \"crop_mode\": \"center\", \"interpolation\": \"bicubic\", \"mean\": "
                "[0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225]}}",
                NULL, &e) == OK);
  CHECK_STRING(c.arch, "resnet50");
  CHECK(c.has_recipe && c.recipe.height == 224 && c.recipe.width == 160 && c.recipe.resize == 0);
  CHECK(c.recipe.filter == FILTER_BICUBIC && c.recipe.crop_mode == CROP_CENTER && c.recipe.std[2] == 0.225f);
  CHECK_NEAR(c.recipe.crop_fraction, 0.95, 0);
  CHECK(c.class_count == 2);
  CHECK_STRING(c.class_names[1], "d\xC3\xB6g");
  checkpoint_close(&c);
  /* An older one, flat, with holes. */
  REQUIRE(open_with(&c, "{\"architecture\": \"resnet18\", \"input_size\": [3, 64, 64], \"crop_pct\": null}", NULL,
                    &e) == OK);
  CHECK(c.has_recipe && c.recipe.height == 64 && c.recipe.filter == FILTER_BICUBIC && c.recipe.mean[0] == 0.485f);
  checkpoint_close(&c);
}

TEST(config_of_timm_is_checked) {
#define TIMM(members) "{\"architecture\": \"a\", \"pretrained_cfg\": {\"input_size\": [3, 224, 224]," members "}}"
  CHECK_CONTAINS(config_refusal(TIMM("\"interpolation\": \"catrom\""), NULL), "\"catrom\" is not supported");
  CHECK_CONTAINS(config_refusal(TIMM("\"crop_mode\": \"border\""), NULL), "\"border\" is not supported");
  CHECK_CONTAINS(config_refusal(TIMM("\"crop_mode\": \"border\""), NULL), "config.json: ");
  CHECK_CONTAINS(config_refusal(TIMM("\"crop_pct\": 0"), NULL), "crop fraction");
  CHECK_CONTAINS(config_refusal(TIMM("\"crop_pct\": \"1\""), NULL), "crop_pct is not a number");
  CHECK_CONTAINS(config_refusal(TIMM("\"std\": [1, 0, 1]"), NULL), "std above 0");
  CHECK_CONTAINS(config_refusal(TIMM("\"mean\": [1, 1]"), NULL), "mean is not three numbers");
  CHECK_CONTAINS(config_refusal("{\"architecture\": \"a\", \"input_size\": [3, 99999, 1]}", NULL), "99999 x 1");
  CHECK_CONTAINS(config_refusal("{\"architecture\": \"a\", \"input_size\": [1, 9, 9]}", NULL), "input_size");
  CHECK_CONTAINS(config_refusal("{\"architecture\": \"a\", \"label_names\": {}}", NULL), "not an array");
  CHECK_CONTAINS(config_refusal("{\"architecture\": \"a\", \"label_names\": [1]}", NULL), "not a plain string");
  CHECK_CONTAINS(config_refusal("[]", NULL), "not a JSON object");
  CHECK_CONTAINS(config_refusal("{\"a\": ", NULL), "config.json: byte 6");
}

static const char transformers_config[] =
    "{\"architectures\": [\"ResNetForImageClassification\"], \"model_type\": \"resnet\", \"depths\": [3, 4, 6, 3], "
    "\"hidden_sizes\": [256, 512, 1024, 2048], \"embedding_size\": 64, \"layer_type\": \"bottleneck\", \"hidden_act\": "
    "\"relu\", \"downsample_in_first_stage\": false, \"downsample_in_bottleneck\": false, \"id2label\": {\"1\": "
    "\"dog\", "
    "\"0\": \"cat\"}}";

TEST(config_of_transformers) {
  struct checkpoint c;
  error e = {""};
  REQUIRE(
      open_with(&c, transformers_config,
                "{\"crop_pct\": 0.875, \"do_normalize\": true, \"do_resize\": true, \"feature_extractor_type\": "
                "\"ConvNextFeatureExtractor\", \"image_mean\": [0.485, 0.456, 0.406], \"image_std\": [0.229, 0.224, "
                "0.225], \"resample\": 3, \"size\": 224}",
                &e) == OK);
  CHECK_STRING(c.arch, "resnet50");
  CHECK(c.has_recipe && c.recipe.height == 224 && c.recipe.width == 224 && c.recipe.crop_mode == CROP_CENTER);
  CHECK(c.recipe.filter == FILTER_BICUBIC && c.recipe.mean[1] == 0.456f);
  CHECK_NEAR(c.recipe.crop_fraction, 0.875, 0);
  CHECK(c.class_count == 2);
  CHECK_STRING(c.class_names[0], "cat");
  checkpoint_close(&c);
}

TEST(config_of_transformers_is_checked) {
#define RESNET(members) "{\"model_type\": \"resnet\"," members "}"
  CHECK_CONTAINS(config_refusal(RESNET("\"downsample_in_bottleneck\": true"), NULL), "downsample_in_bottleneck");
  CHECK_CONTAINS(config_refusal(RESNET("\"hidden_act\": \"gelu\""), NULL), "\"gelu\" is not supported");
  CHECK_CONTAINS(config_refusal(RESNET("\"layer_type\": \"odd\""), NULL), "\"odd\" is not supported");
  CHECK_CONTAINS(config_refusal(RESNET("\"id2label\": {\"0\": \"a\", \"2\": \"b\"}"), NULL), "id2label");
  CHECK_CONTAINS(config_refusal(RESNET("\"id2label\": {\"0\": \"a\", \"00\": \"b\"}"), NULL), "id2label");
  CHECK_CONTAINS(config_refusal(RESNET("\"id2label\": {\"-1\": \"a\"}"), NULL), "id2label");
  CHECK_STRING(config_refusal(RESNET("\"depths\": [1, 1, 1, 1]"), NULL), "accepted"); /* shapes will tell */
  CHECK_STRING(config_refusal("{\"model_type\": \"vit\"}", NULL), "accepted");
}

static struct recipe read_preprocessor(const char *preprocessor) {
  struct checkpoint c;
  error e = {""};
  struct recipe recipe = {0};
  CHECK_MSG(open_with(&c, NULL, preprocessor, &e) == OK, "%s: %s", preprocessor, e.message);
  if (*e.message) return recipe;
  recipe = c.recipe;
  checkpoint_close(&c);
  return recipe;
}

#define MEAN_STD "\"image_mean\": [0.5, 0.5, 0.5], \"image_std\": [0.25, 0.25, 0.25], "

TEST(preprocessor_kinds) {
  struct recipe r = read_preprocessor(
      "{" MEAN_STD
      "\"image_processor_type\": \"CLIPImageProcessor\", \"do_center_crop\": true, \"crop_size\": {\"height\": 224, "
      "\"width\": 224}, \"size\": {\"shortest_edge\": 256}, \"resample\": 2, \"rescale_factor\": 0.00392156862745098}");
  CHECK(r.height == 224 && r.resize == 256 && r.crop_mode == CROP_CENTER && r.filter == FILTER_BILINEAR);
  CHECK(r.mean[0] == 0.5f && r.std[2] == 0.25f);
  CHECK_NEAR(r.crop_fraction, 0.875, 1e-12);
  r = read_preprocessor("{" MEAN_STD
                        "\"image_processor_type\": \"ViTImageProcessor\", \"size\": {\"height\": 224, "
                        "\"width\": 192}, \"resample\": 0}");
  CHECK(r.height == 224 && r.width == 192 && r.crop_mode == CROP_SQUASH && r.filter == FILTER_NEAREST);
  r = read_preprocessor("{" MEAN_STD
                        "\"image_processor_type\": \"ConvNextImageProcessor\", \"size\": "
                        "{\"shortest_edge\": 384}, \"resample\": 3}");
  CHECK(r.height == 384 && r.crop_mode == CROP_SQUASH);
  r = read_preprocessor(
      "{\"do_normalize\": false, \"do_resize\": false, \"image_processor_type\": "
      "\"ViTImageProcessor\", \"size\": 32}");
  CHECK(r.height == 32 && r.crop_mode == CROP_NONE && r.mean[0] == 0 && r.std[0] == 1);
}

TEST(preprocessor_is_checked) {
#define PROCESSOR(members) "{" MEAN_STD members "}"
#define CLIP "\"image_processor_type\": \"CLIPImageProcessor\", "
  static const struct {
    const char *text, *reason;
  } cases[] = {
      {"[]", "not a JSON object"},
      {PROCESSOR("\"size\": 224"), "does not say its image_processor_type"},
      {PROCESSOR("\"image_processor_type\": \"PixtralImageProcessor\""), "\"PixtralImageProcessor\" is not supported"},
      {PROCESSOR(CLIP "\"size\": 224, \"crop_size\": 224"), "does not say its resample"},
      {PROCESSOR(CLIP "\"size\": 224, \"crop_size\": 224, \"resample\": 6"), "resample 6 is not supported"},
      {PROCESSOR(CLIP "\"size\": 224, \"resample\": 2"), "crop_size is not"},
      {PROCESSOR(CLIP "\"size\": -1, \"crop_size\": 224, \"resample\": 2"), "size is not"},
      {PROCESSOR(CLIP "\"size\": 224, \"crop_size\": 256, \"resample\": 2"), "crop_size above the size"},
      {PROCESSOR(CLIP "\"size\": 224, \"do_center_crop\": false, \"resample\": 2"), "no fixed size"},
      {PROCESSOR(CLIP "\"size\": {\"height\": 256, \"width\": 240}, \"crop_size\": 224, \"resample\": 2"),
       "centre crop out of pictures that are not square"},
      {PROCESSOR(CLIP "\"size\": 224, \"crop_size\": 224, \"resample\": 2, \"do_rescale\": false"), "not scaled"},
      {PROCESSOR(CLIP "\"size\": 224, \"crop_size\": 224, \"resample\": 2, \"rescale_factor\": 1"), "not scaled"},
      {"{" CLIP "\"size\": 224, \"crop_size\": 224, \"resample\": 2}", "image_mean is not three numbers"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    CHECK_CONTAINS(config_refusal(NULL, cases[i].text), cases[i].reason);
  CHECK_CONTAINS(config_refusal(NULL, "{"), "preprocessor_config.json: ");
}

/* ---- recipes ---- */

TEST(recipe_by_the_name_of_a_checkpoint) {
  struct recipe r;
  CHECK(recipe_lookup("resnet50.a1_in1k", &r) && r.height == 224 && r.filter == FILTER_BICUBIC && r.resize == 0);
  CHECK_NEAR(r.crop_fraction, 0.95, 0);
  CHECK(recipe_lookup("resnet50.a1h_in1k", &r) && r.height == 176);
  CHECK(recipe_lookup("resnet101.a1h_in1k", &r) && r.height == 224);
  CHECK(recipe_lookup("wide_resnet50_2.tv_in1k", &r) && r.filter == FILTER_BILINEAR && r.crop_fraction == 0.875);
  CHECK(recipe_lookup("resnext101_32x8d.fb_wsl_ig1b_ft_in1k", &r) && r.filter == FILTER_BILINEAR);
  CHECK(recipe_lookup("resnet34.ra4_e3600_r224_in1k", &r) && r.mean[0] == 0.5f && r.crop_fraction == 0.9);
  CHECK(recipe_lookup("resnet50-11ad3fa6", &r) && r.resize == 232 && r.height == 224);
  CHECK(recipe_lookup("resnet50-0676ba61", &r) && r.resize == 256 && r.mean[2] == 0.406f);
  const char *const unknown[] = {"resnet50",
                                 "",
                                 ".",
                                 "resnet50.",
                                 "resnet50t.a1_in1k",
                                 "resnet.a1_in1k",
                                 "resnext50.a1_in1k_",
                                 "vit_base_patch16_224.a1_in1k",
                                 "resnext50_32x4.a1_in1k"};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
    CHECK_MSG(!recipe_lookup(unknown[i], &r), "found %s", unknown[i]);
}

TEST(recipe_from_the_file_name) {
  struct checkpoint c;
  error e = {""};
  REQUIRE(write_names(in_folder("resnet50.tv2_in1k.safetensors"), NAMES("a")));
  REQUIRE(checkpoint_open(&c, in_folder("resnet50.tv2_in1k.safetensors"), &e) == OK);
  CHECK(c.has_recipe && c.recipe.height == 176 && c.arch_is_guess);
  CHECK_STRING(c.arch, "resnet50");
  checkpoint_close(&c);
  mkdir(in_folder("resnet18.a3_in1k"), 0777);
  REQUIRE(write_names(in_folder("resnet18.a3_in1k/model.safetensors"), NAMES("a")));
  REQUIRE(checkpoint_open(&c, in_folder("resnet18.a3_in1k/"), &e) == OK);
  CHECK(c.has_recipe && c.recipe.height == 160);
  checkpoint_close(&c);
}

TEST(recipe_as_json_reads_back) {
  struct recipe r = {.height = 224,
                     .width = 160,
                     .crop_fraction = 0.95,
                     .resize = 232,
                     .filter = FILTER_BILINEAR,
                     .crop_mode = CROP_CENTER,
                     .mean = {0.485f, 0.456f, 0.406f},
                     .std = {0.229f, 0.224f, 0.225f}};
  struct recipe again;
  struct json_writer w = {0};
  struct json_document document;
  error e = {""};
  recipe_write(&w, &r);
  REQUIRE(json_writer_finish(&w, &e) == OK);
  CHECK_CONTAINS(w.text, "\"input\":[3,224,160],\"crop\":0.95,\"resize\":232,\"interpolation\":\"bilinear\"");
  REQUIRE(json_parse(&document, w.text, w.length, true, &e) == OK);
  REQUIRE(recipe_read(&again, document.root, &e) == OK);
  CHECK(again.height == 224 && again.width == 160 && again.resize == 232 && again.filter == r.filter);
  CHECK(again.crop_fraction == r.crop_fraction);
  CHECK_ALL_NEAR(again.mean, r.mean, 3, 0);
  CHECK_ALL_NEAR(again.std, r.std, 3, 0);
  CHECK(recipe_read(&again, document.root->first, &e) == FAILED);
  json_free(&document);
  free(w.text);
}

/* ---- a converted file ---- */

TEST(metadata_of_a_converted_file) {
  struct tensor_description tensor = {"conv1.weight", DTYPE_U8, 0, {0}};
  struct metadata_entry metadata[] = {
      {(char[]){METADATA_ARCH}, (char[]){"resnet18"}},
      {(char[]){METADATA_CONFIG}, (char[]){"{}"}},
      {(char[]){METADATA_CLASS_NAMES}, (char[]){"[\"a\",\"b\"]"}},
      {(char[]){METADATA_RECIPE},
       (char[]){"{\"input\":[3,32,32],\"crop\":1,\"resize\":0,\"interpolation\":\"bicubic\",\"crop_mode\":\"none\","
                "\"mean\":[0,0,0],\"std\":[1,1,1]}"}}};
  const char *path = in_folder("c.safetensors");
  error e = {""};
  struct safetensors_writer *w = safetensors_create(path, &tensor, 1, metadata, 4, &e);
  REQUIRE(w && safetensors_write(w, "", 1, &e) == OK && safetensors_finish(w, &e) == OK);
  struct checkpoint c;
  REQUIRE(checkpoint_open(&c, path, &e) == OK);
  CHECK_STRING(c.arch, "resnet18");
  CHECK_STRING(c.scheme, "canonical");
  CHECK_STRING(c.config_json, "{}");
  CHECK(c.class_count == 2 && c.has_recipe && c.recipe.height == 32 && c.recipe.crop_mode == CROP_NONE);
  checkpoint_close(&c);
  metadata[3].value = (char[]){"{\"input\":[3,32]}"};
  w = safetensors_create(path, &tensor, 1, metadata, 4, &e);
  REQUIRE(w && safetensors_write(w, "", 1, &e) == OK && safetensors_finish(w, &e) == OK);
  CHECK_CONTAINS(refusal(path), "c.safetensors: metadata backbones.recipe: the recipe's input");
}

/* ---- batch norms ---- */

/* y = (conv(x) - mean) / sqrt(variance + epsilon) * gamma + beta is what the folded convolution must give. */
TEST(fold_batch_norm_is_the_same_function) {
  enum { OUT = 5, IN = 7 };
  struct random random = {7};
  float weight[OUT * IN], folded[OUT * IN], gamma[OUT], beta[OUT], mean[OUT], variance[OUT], bias[OUT], out[OUT], x[IN];
  random_fill(&random, weight, OUT * IN);
  random_fill(&random, gamma, OUT);
  random_fill(&random, beta, OUT);
  random_fill(&random, mean, OUT);
  random_fill(&random, bias, OUT);
  random_fill(&random, x, IN);
  for (int o = 0; o < OUT; o++) variance[o] = (float)random_unit(&random);
  variance[0] = 0; /* epsilon alone */
  struct batch_norm norm = {gamma, beta, mean, variance, 1e-5};
  for (int with_bias = 0; with_bias < 2; with_bias++) {
    memcpy(folded, weight, sizeof weight);
    fold_batch_norm(OUT, IN, folded, with_bias ? bias : NULL, &norm, out);
    for (int o = 0; o < OUT; o++) {
      double plain = with_bias ? (double)bias[o] : 0, actual = (double)out[o];
      for (int i = 0; i < IN; i++) {
        plain += (double)weight[o * IN + i] * (double)x[i];
        actual += (double)folded[o * IN + i] * (double)x[i];
      }
      double scale = (double)gamma[o] / sqrt((double)variance[o] + 1e-5);
      double expected = (plain - (double)mean[o]) * scale + (double)beta[o];
      CHECK_NEAR(actual, expected, 1e-6 * (1 + fabs(scale)));
    }
  }
}
