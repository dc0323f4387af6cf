/* What configurations say of transformers, ConvNeXts and CLIPs: timm's name, hints and the recipe. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"
#include "weights-tools/config.h"

typedef int reader(struct checkpoint *checkpoint, const struct json *config, error *e);

/* The reader's message, "" when it accepts the text. The checkpoint holds what it read; close it. */
static const char *read_text(struct checkpoint *c, reader *read, const char *text) {
  static error e;
  struct json_document document;
  *e.message = 0;
  *c = (struct checkpoint){0};
  if (json_parse(&document, text, strlen(text), true, &e) != OK) return e.message;
  if (read(c, document.root, &e) == OK) *e.message = 0;
  json_free(&document);
  return e.message;
}

static const char *refusal(reader *read, const char *text) {
  struct checkpoint c;
  const char *message = read_text(&c, read, text);
  checkpoint_close(&c);
  return *message ? message : "accepted";
}

TEST(config_of_transformers) {
  static const struct {
    const char *text, *arch; /* arch NULL: no published size */
    int heads;
    double epsilon;
    const char *activation, *pooling;
  } cases[] = {
      {"{\"model_type\": \"vit\"}", "vit_base_patch16_224", 12, 1e-12, "gelu", ""},
      {"{\"model_type\": \"vit\", \"hidden_size\": 1024, \"num_hidden_layers\": 24, \"num_attention_heads\": 16, "
       "\"image_size\": [384, 384], \"patch_size\": 32, \"layer_norm_eps\": 1e-6, \"hidden_act\": \"gelu_new\"}",
       "vit_large_patch32_384", 16, 1e-6, "gelu_tanh", ""},
      {"{\"model_type\": \"vit\", \"hidden_size\": 100}", NULL, 12, 1e-12, "gelu", ""},
      {"{\"model_type\": \"vit_mae\"}", "vit_base_patch16_224", 12, 1e-12, "gelu", ""},
      {"{\"model_type\": \"deit\", \"hidden_size\": 192, \"num_attention_heads\": 3}",
       "deit_tiny_distilled_patch16_224", 3, 1e-12, "gelu", ""},
      {"{\"model_type\": \"dinov2\", \"hidden_size\": 1536, \"num_hidden_layers\": 40, \"num_attention_heads\": 24, "
       "\"image_size\": 518, \"architectures\": [\"Dinov2Model\"]}",
       "vit_giant_patch14_dinov2", 24, 1e-6, "gelu", "token"},
      {"{\"model_type\": \"dinov2_with_registers\", \"patch_size\": 14, \"architectures\": "
       "[\"Dinov2WithRegistersForImageClassification\"]}",
       "vit_base_patch14_reg4_dinov2", 12, 1e-6, "gelu", "token+avg"},
      {"{\"model_type\": \"dinov3_vit\"}", "vit_small_patch16_dinov3_qkvb", 6, 1e-5, "gelu", "token"},
      {"{\"model_type\": \"dinov3_vit\", \"use_gated_mlp\": true, \"query_bias\": false, \"rope_theta\": 100.0}",
       "vit_small_plus_patch16_dinov3", 6, 1e-5, "gelu", "token"},
      {"{\"model_type\": \"clip\"}", "vit_base_patch32_clip_quickgelu_224", 12, 1e-5, "quick_gelu", ""},
      {"{\"model_type\": \"clip\", \"hidden_size\": 7, \"vision_config\": {\"hidden_size\": 1280, "
       "\"num_hidden_layers\": 32, \"num_attention_heads\": 16, \"patch_size\": 14, \"hidden_act\": \"gelu\"}}",
       "vit_huge_patch14_clip_224", 16, 1e-5, "gelu", ""},
      {"{\"model_type\": \"clip_vision_model\", \"hidden_size\": 1024, \"num_hidden_layers\": 24, "
       "\"num_attention_heads\": 16, \"patch_size\": 14, \"image_size\": 336}",
       "vit_large_patch14_clip_quickgelu_336", 16, 1e-5, "quick_gelu", ""},
      {"{\"model_type\": \"siglip\", \"vision_config\": {\"hidden_size\": 1152, \"num_hidden_layers\": 27, "
       "\"num_attention_heads\": 16, \"patch_size\": 14, \"image_size\": 384}}",
       "vit_so400m_patch14_siglip_384", 16, 1e-6, "gelu_tanh", ""},
      {"{\"model_type\": \"siglip_vision_model\"}", "vit_base_patch16_siglip_224", 12, 1e-6, "gelu_tanh", ""},
      {"{\"model_type\": \"swin\"}", "swin_tiny_patch4_window7_224", 0, 1e-5, "", ""},
      {"{\"model_type\": \"convnext\"}", "convnext_tiny", 0, 0, "", ""},
      {"{\"model_type\": \"convnextv2\", \"depths\": [2, 2, 6, 2], \"hidden_sizes\": [40, 80, 160, 320]}",
       "convnextv2_atto", 0, 0, "", ""},
      {"{\"model_type\": \"convnext\", \"depths\": [1, 1, 1, 1]}", NULL, 0, 0, "", ""},
      {"{\"model_type\": \"bert\"}", NULL, 0, 0, "", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct checkpoint c;
    CHECK_STRING(read_text(&c, config_read_transformers, cases[i].text), "");
    CHECK_STRING(c.arch ? c.arch : "none", cases[i].arch ? cases[i].arch : "none");
    CHECK_MSG(c.hints.heads == cases[i].heads, "%s: %d heads", cases[i].text, c.hints.heads);
    CHECK_NEAR(c.hints.norm_epsilon, cases[i].epsilon, 1e-3 * cases[i].epsilon);
    CHECK_STRING(c.hints.activation, cases[i].activation);
    CHECK_STRING(c.hints.pooling, cases[i].pooling);
    checkpoint_close(&c);
  }
}

TEST(config_of_swin_windows) {
  struct checkpoint c;
  CHECK_STRING(
      read_text(&c, config_read_transformers,
                "{\"model_type\": \"swinv2\", \"embed_dim\": 128, \"depths\": [2, 2, 18, 2], \"image_size\": 384, "
                "\"window_size\": 24, \"pretrained_window_sizes\": [12, 12, 12, 6]}"),
      "");
  CHECK_STRING(c.arch, "swinv2_base_window12to24_192to384");
  CHECK(c.hints.window == 24 && c.hints.trained_window[0] == 12 && c.hints.trained_window[3] == 6);
  checkpoint_close(&c);
  CHECK_STRING(
      read_text(&c, config_read_transformers,
                "{\"model_type\": \"swinv2\", \"image_size\": 256, \"pretrained_window_sizes\": [0, 0, 0, 0]}"),
      "");
  CHECK_STRING(c.arch, "swinv2_tiny_window8_256");
  CHECK(c.hints.window == 8 && c.hints.trained_window[0] == 0);
  checkpoint_close(&c);
}

TEST(config_of_transformers_is_checked) {
  static const struct {
    const char *text, *reason;
  } cases[] = {
      {"{\"model_type\": \"vit\", \"hidden_act\": \"mish\"}", "\"mish\" is not supported"},
      {"{\"model_type\": \"vit\", \"layer_norm_eps\": 0}", "layer_norm_eps"},
      {"{\"model_type\": \"vit\", \"num_attention_heads\": 0}", "num_attention_heads is out of range"},
      {"{\"model_type\": \"vit\", \"image_size\": [224, 192]}", "two different sides"},
      {"{\"model_type\": \"vit\", \"patch_size\": \"16\"}", "patch_size is not a size"},
      {"{\"model_type\": \"dinov3_vit\", \"rope_theta\": 10000}", "rope_theta 10000 is not supported"},
      {"{\"model_type\": \"swin\", \"hidden_act\": \"relu\"}", "\"relu\" is not supported"},
      {"{\"model_type\": \"swinv2\", \"pretrained_window_sizes\": [1, 2]}", "pretrained_window_sizes"},
      {"{\"model_type\": \"convnext\", \"hidden_act\": \"relu\"}", "\"relu\" is not supported"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    CHECK_CONTAINS(refusal(config_read_transformers, cases[i].text), cases[i].reason);
}

TEST(config_names_classes_of_classifiers_only) {
  struct checkpoint c;
  CHECK_STRING(
      read_text(&c, config_read_transformers,
                "{\"model_type\": \"vit\", \"architectures\": [\"ViTModel\"], \"id2label\": {\"0\": \"LABEL_0\"}}"),
      "");
  CHECK(c.class_count == 0);
  checkpoint_close(&c);
  CHECK_STRING(read_text(&c, config_read_transformers,
                         "{\"model_type\": \"vit\", \"architectures\": [\"ViTForImageClassification\"], \"id2label\": "
                         "{\"0\": \"a\"}}"),
               "");
  CHECK(c.class_count == 1);
  checkpoint_close(&c);
}

TEST(config_of_timm_pools_and_activates) {
  struct checkpoint c;
  CHECK_STRING(
      read_text(&c, config_read_timm,
                "{\"architecture\": \"vit_base_patch16_siglip_224\", \"global_pool\": \"avg\", \"model_args\": "
                "{\"global_pool\": \"map\", \"act_layer\": \"gelu_tanh\"}}"),
      "");
  CHECK_STRING(c.hints.pooling, "map");
  CHECK_STRING(c.hints.activation, "gelu_tanh");
  checkpoint_close(&c);
  CHECK_CONTAINS(refusal(config_read_timm, "{\"architecture\": \"x\", \"global_pool\": \"catavgmax\"}"), "catavgmax");
}

#define OPEN_CLIP(vision, preprocess)                                                   \
  "{\"model_cfg\": {\"embed_dim\": 512, \"quick_gelu\": true, \"vision_cfg\": {" vision \
  "}}, \"preprocess_cfg\": {" preprocess "}}"

TEST(config_of_open_clip) {
  struct checkpoint c;
  CHECK_STRING(read_text(&c, config_read_open_clip,
                         OPEN_CLIP("\"image_size\": 224, \"layers\": 12, \"width\": 768, \"patch_size\": 32", "")),
               "");
  CHECK_STRING(c.arch, "vit_base_patch32_clip_quickgelu_224");
  CHECK_STRING(c.hints.activation, "quick_gelu");
  CHECK(c.hints.heads == 12 && c.recipe.height == 224 && c.recipe.crop_mode == CROP_CENTER);
  CHECK(c.recipe.filter == FILTER_BICUBIC && c.recipe.crop_fraction == 1 && c.recipe.mean[0] == 0.48145466f);
  checkpoint_close(&c);
  CHECK_STRING(read_text(&c, config_read_open_clip,
                         "{\"model_cfg\": {\"vision_cfg\": {\"image_size\": 224, \"layers\": 32, \"width\": 1280, "
                         "\"head_width\": 80, \"patch_size\": 14}}}"),
               "");
  CHECK_STRING(c.arch, "vit_huge_patch14_clip_224");
  CHECK(c.hints.heads == 16 && c.has_recipe);
  checkpoint_close(&c);
  CHECK_STRING(
      read_text(&c, config_read_open_clip,
                OPEN_CLIP("\"image_size\": 256, \"timm_model_name\": \"vit_base_patch16_siglip_256\"",
                          "\"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, 0.5, 0.5], \"interpolation\": \"bicubic\", "
                          "\"resize_mode\": \"squash\"")),
      "");
  CHECK_STRING(c.arch, "vit_base_patch16_siglip_256");
  CHECK(c.recipe.crop_mode == CROP_SQUASH && c.recipe.height == 256 && c.recipe.std[1] == 0.5f);
  checkpoint_close(&c);
  CHECK_STRING(
      read_text(&c, config_read_open_clip,
                OPEN_CLIP("\"image_size\": 224, \"layers\": [3, 4, 6, 3], \"width\": 64", "\"size\": [224, 224]")),
      "");
  CHECK(!c.arch && c.recipe.width == 224);
  checkpoint_close(&c);
#define TOWER "\"layers\": 12, \"width\": 768"
  CHECK_CONTAINS(refusal(config_read_open_clip, "{}"), "no model_cfg");
  CHECK_CONTAINS(refusal(config_read_open_clip, OPEN_CLIP(TOWER, "\"resize_mode\": \"longest\"")), "\"longest\"");
  CHECK_CONTAINS(refusal(config_read_open_clip, OPEN_CLIP(TOWER, "\"interpolation\": \"random\"")), "\"random\"");
  CHECK_CONTAINS(refusal(config_read_open_clip, OPEN_CLIP(TOWER, "\"size\": [224, 192]")), "side of a square");
  CHECK_CONTAINS(refusal(config_read_open_clip, OPEN_CLIP(TOWER ", \"pool_type\": \"none\"", "")), "pool_type");
  CHECK_CONTAINS(refusal(config_read_open_clip, OPEN_CLIP(TOWER ", \"attentional_pool\": true", "")), "attentional");
  CHECK_CONTAINS(refusal(config_read_open_clip, OPEN_CLIP(TOWER ", \"head_width\": 7", "")), "out of range");
}

TEST(preprocessors_of_vision_transformers) {
#define HALVES "\"image_mean\": [0.5, 0.5, 0.5], \"image_std\": [0.5, 0.5, 0.5], \"resample\": 3, "
  struct checkpoint c;
  CHECK_STRING(
      read_text(&c, config_read_preprocessor,
                "{" HALVES
                "\"image_processor_type\": \"SiglipImageProcessor\", \"size\": {\"height\": 256, \"width\": 256}}"),
      "");
  CHECK(c.recipe.height == 256 && c.recipe.crop_mode == CROP_SQUASH && c.recipe.crop_fraction == 1);
  CHECK_STRING(
      read_text(&c, config_read_preprocessor,
                "{" HALVES "\"image_processor_type\": \"DINOv3ViTImageProcessorFast\", \"size\": {\"height\": 224, "
                "\"width\": 224}}"),
      "");
  CHECK(c.recipe.height == 224 && c.recipe.crop_mode == CROP_SQUASH);
  CHECK_STRING(read_text(&c, config_read_preprocessor,
                         "{" HALVES "\"feature_extractor_type\": \"DeiTFeatureExtractor\", \"size\": 256, "
                         "\"do_center_crop\": true, \"crop_size\": 224}"),
               "");
  CHECK(c.recipe.height == 224 && c.recipe.resize == 256 && c.recipe.crop_mode == CROP_SQUASH);
  CHECK_STRING(
      read_text(&c, config_read_preprocessor,
                "{" HALVES "\"image_processor_type\": \"BitImageProcessor\", \"size\": {\"shortest_edge\": 256}, "
                "\"crop_size\": {\"height\": 224, \"width\": 224}}"),
      "");
  CHECK(c.recipe.height == 224 && c.recipe.resize == 256 && c.recipe.crop_mode == CROP_CENTER);
}
