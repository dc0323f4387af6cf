/* Published checkpoints by their names: recipes and architectures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"
#include "weights-tools/published.h"
#include "weights-tools/recipe.h"

TEST(published_names_fit_patterns) {
  static const struct {
    const char *pattern, *text;
    bool fits;
  } cases[] = {
      {"resnet#", "resnet50", true},
      {"resnet#", "resnet50d", false},
      {"resnet#", "resnet", false},
      {"a_~_b", "a_x1_b", true},
      {"a_~_b", "a_x_1_b", false},
      {"a*b", "ab", true},
      {"*_224", "vit_224_224", true},
      {"*", "", true},
      {"~", "", false},
      {"vit_*_#", "vit_base_patch_16", true},
      {"vit_*_#", "vit_base_patch", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    CHECK_MSG(name_fits(cases[i].pattern, cases[i].text) == cases[i].fits, "%s on %s", cases[i].pattern, cases[i].text);
}

/* As timm and torchvision say them (tests/reference/make_recipe_fixtures.py). */
TEST(recipes_of_published_checkpoints) {
  size_t size;
  char *text = read_file(fixture("recipes.txt"), &size), *rest = text;
  int count = 0;
  REQUIRE(text);
  for (char *line; (line = strtok_r(rest, "\n", &rest)); count++) {
    char name[100], arch[100], filter[20], mode[20], found[MAX_ARCH];
    int side, resize;
    double crop, mean;
    struct recipe r;
    REQUIRE(sscanf(line, "%99s %99s %d %lf %19s %lf %19s %d", name, arch, &side, &crop, filter, &mean, mode, &resize) ==
            8);
    CHECK_MSG(arch_lookup(name, found) && !strcmp(found, arch), "%s is %s, not %s", name, found, arch);
    if (!recipe_lookup(name, &r)) {
      CHECK_MSG(false, "%s has no recipe", name);
      continue;
    }
    CHECK_MSG(r.height == side && r.width == side && r.resize == resize, "%s: %d", name, r.height);
    CHECK_MSG(r.crop_fraction > crop - 1e-5 && r.crop_fraction < crop + 1e-5, "%s: crop %g", name, r.crop_fraction);
    CHECK_MSG(!strcmp(filter_name(r.filter), filter), "%s: %s", name, filter_name(r.filter));
    CHECK_MSG(!strcmp(crop_mode_name(r.crop_mode), mode), "%s: %s", name, crop_mode_name(r.crop_mode));
    CHECK_MSG(r.mean[0] > (float)mean - 1e-5f && r.mean[0] < (float)mean + 1e-5f, "%s: mean", name);
  }
  CHECK(count > 400);
  free(text);
}

TEST(architectures_of_files_that_timm_does_not_point_to) {
  static const struct {
    const char *file, *arch;
    double crop; /* 0: no recipe */
    enum filter filter;
  } cases[] = {
      {"ViT-B-32.pt", "vit_base_patch32_clip_quickgelu_224", 1, FILTER_BICUBIC},
      {"ViT-L-14-336px.pt", "vit_large_patch14_clip_quickgelu_336", 1, FILTER_BICUBIC},
      {"RN50x4.pt", "resnet50x4_clip", 1, FILTER_BICUBIC},
      {"vit_b_32-laion2b_e16-af8dbd0c.pth", "vit_base_patch32_clip_224", 1, FILTER_BICUBIC},
      {"vit_b_32-quickgelu-laion400m_e32-46683a32.pt", "vit_base_patch32_clip_quickgelu_224", 1, FILTER_BICUBIC},
      {"CLIP-ViT-H-14-laion2B-s32B-b79K", "vit_huge_patch14_clip_224", 1, FILTER_BICUBIC},
      {"vit-b-300ep.pth.tar", "vit_base_patch16_224", 0.875, FILTER_BICUBIC},
      {"r-50-1000ep.pth.tar", "resnet50", 0.875, FILTER_BILINEAR},
      {"swav_800ep_pretrain.pth.tar", "resnet50", 0.875, FILTER_BILINEAR},
      {"dino_resnet50_pretrain.pth", "resnet50", 0.875, FILTER_BICUBIC},
      {"convnext_small_alpha0.9.pth", "convnext_small", 0.875, FILTER_BILINEAR},
      {"mae_pretrain_vit_large_full.pth", "vit_large_patch16_224", 0.9, FILTER_BICUBIC},
      {"dinov3_vits16_pretrain_lvd1689m-08c60483.pth", "vit_small_patch16_dinov3_qkvb", 1, FILTER_BICUBIC},
      {"dpt_swin2_tiny_256.pt", "swinv2_tiny_window16_256", 1, FILTER_BICUBIC},
      {"vit_base_patch16_224", "vit_base_patch16_224", 0, FILTER_BICUBIC},
      {"resnet50.pth", "resnet50", 0, FILTER_BICUBIC},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char arch[MAX_ARCH] = "";
    struct recipe r;
    CHECK(arch_lookup(cases[i].file, arch));
    CHECK_STRING(arch, cases[i].arch);
    bool found = recipe_lookup(cases[i].file, &r);
    CHECK_MSG(found == (cases[i].crop > 0), "%s", cases[i].file);
    if (found) CHECK_MSG(r.crop_fraction == cases[i].crop && r.filter == cases[i].filter, "%s", cases[i].file);
  }
  static const char *const unknown[] = {
      "",
      ".",
      "model.safetensors",
      "checkpoint.pth",
      "resnet",
      "pytorch_model.bin",
      "a_very_long_name_that_is_longer_than_any_published_file_has_been_called_so_far_and_still_goes_on.pth"};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
    char arch[MAX_ARCH];
    CHECK_MSG(!arch_lookup(unknown[i], arch), "%s is %s", unknown[i], arch);
  }
}
