/* Published checkpoints and their recipes. timm's depend on the training run, which the tag after the dot names; they
 * are the `pretrained_cfg` of timm 1.0 (input_size and crop_pct, not the larger test_input_size: what timm's
 * resolve_model_data_config() gives by default). torchvision's are `weights.transforms()` by the file's name. */
#include <ctype.h>
#include <string.h>

#include "weights-tools/recipe.h"

static const float imagenet_mean[3] = {0.485f, 0.456f, 0.406f}, imagenet_std[3] = {0.229f, 0.224f, 0.225f};
static const float half[3] = {0.5f, 0.5f, 0.5f};

static const struct timm_row {
  const char *arch; /* NULL: every plain ResNet, wide ResNet and ResNeXt */
  const char *tag;
  int size;
  double crop;
  enum filter filter;
  bool half; /* mean and std 0.5 instead of ImageNet's */
} timm_rows[] = {
    /* Exceptions first: the first row that fits counts. */
    {"resnet50", "a1h_in1k", 176, 0.9, FILTER_BICUBIC, false},
    {"resnet50", "bamboo", 224, 1.0, FILTER_BICUBIC, false},
    {"resnet34", "ra4_e3600_r224_in1k", 224, 0.9, FILTER_BICUBIC, true},
    {NULL, "a1_in1k", 224, 0.95, FILTER_BICUBIC, false},
    {NULL, "a1h_in1k", 224, 0.95, FILTER_BICUBIC, false},
    {NULL, "a2_in1k", 224, 0.95, FILTER_BICUBIC, false},
    {NULL, "a3_in1k", 160, 0.95, FILTER_BICUBIC, false},
    {NULL, "b1k_in1k", 224, 0.95, FILTER_BICUBIC, false},
    {NULL, "b2k_in1k", 224, 0.95, FILTER_BICUBIC, false},
    {NULL, "c1_in1k", 224, 0.95, FILTER_BICUBIC, false},
    {NULL, "c2_in1k", 224, 0.95, FILTER_BICUBIC, false},
    {NULL, "d_in1k", 224, 0.95, FILTER_BICUBIC, false},
    {NULL, "am_in1k", 224, 0.875, FILTER_BICUBIC, false},
    {NULL, "bt_in1k", 224, 0.875, FILTER_BICUBIC, false},
    {NULL, "ra_in1k", 224, 0.875, FILTER_BICUBIC, false},
    {NULL, "ram_in1k", 224, 0.875, FILTER_BICUBIC, false},
    {NULL, "racm_in1k", 224, 0.875, FILTER_BICUBIC, false},
    {NULL, "gluon_in1k", 224, 0.875, FILTER_BICUBIC, false},
    {NULL, "tv_in1k", 224, 0.875, FILTER_BILINEAR, false},
    {NULL, "tv2_in1k", 176, 0.875, FILTER_BILINEAR, false},
    {NULL, "fb_ssl_yfcc100m_ft_in1k", 224, 0.875, FILTER_BILINEAR, false},
    {NULL, "fb_swsl_ig1b_ft_in1k", 224, 0.875, FILTER_BILINEAR, false},
    {NULL, "fb_wsl_ig1b_ft_in1k", 224, 0.875, FILTER_BILINEAR, false},
};

static const struct torchvision_row {
  const char *file;
  int resize; /* the shorter side; the crop is 224, the filter bilinear */
} torchvision_rows[] = {
    {"resnet18-f37072fd", 256},         {"resnet34-b627a593", 256},         {"resnet50-0676ba61", 256},
    {"resnet50-11ad3fa6", 232},         {"resnet101-63fe2227", 256},        {"resnet101-cd907fc2", 232},
    {"resnet152-394f9c45", 256},        {"resnet152-f82ba261", 232},        {"resnext50_32x4d-7cdf4587", 256},
    {"resnext50_32x4d-1a0047aa", 232},  {"resnext101_32x8d-8ba56ff5", 256}, {"resnext101_32x8d-110c445d", 232},
    {"resnext101_64x4d-173b62eb", 232}, {"wide_resnet50_2-95faca4d", 256},  {"wide_resnet50_2-9ba9bcbe", 232},
    {"wide_resnet101_2-32ee1156", 256}, {"wide_resnet101_2-d733dc28", 232},
};

enum {
  TIMM_ROWS = sizeof timm_rows / sizeof *timm_rows,
  TORCHVISION_ROWS = sizeof torchvision_rows / sizeof *torchvision_rows,
};

static const char *after_digits(const char *text) {
  while (isdigit((unsigned char)*text)) text++;
  return text;
}

/* arch[0, length) is resnetN, wide_resnetN_2 or resnextN_GxWd, without a letter that names a variant. */
static bool is_plain_resnet(const char *arch, size_t length) {
  static const char *const stems[] = {"resnet", "wide_resnet", "resnext"};
  for (size_t i = 0; i < sizeof stems / sizeof *stems; i++) {
    size_t stem = strlen(stems[i]);
    if (strncmp(arch, stems[i], stem) != 0 || !isdigit((unsigned char)arch[stem])) continue;
    const char *end = after_digits(arch + stem);
    if (i == 1 && !strncmp(end, "_2", 2)) end += 2;
    if (i == 2 && *end == '_') {
      end = after_digits(end + 1);
      if (*end != 'x') return false;
      end = after_digits(end + 1);
      if (*end++ != 'd') return false;
    }
    return end == arch + length;
  }
  return false;
}

static void fill(struct recipe *recipe, int size, double crop, enum filter filter, bool is_half) {
  *recipe = (struct recipe){.height = size, .width = size, .crop_fraction = crop, .filter = filter};
  recipe->crop_mode = CROP_CENTER;
  memcpy(recipe->mean, is_half ? half : imagenet_mean, sizeof recipe->mean);
  memcpy(recipe->std, is_half ? half : imagenet_std, sizeof recipe->std);
}

bool recipe_lookup(const char *name, struct recipe *recipe) {
  for (int i = 0; i < TORCHVISION_ROWS; i++) {
    const struct torchvision_row *row = &torchvision_rows[i];
    if (strcmp(row->file, name) != 0) continue;
    fill(recipe, 224, 224.0 / row->resize, FILTER_BILINEAR, false);
    recipe->resize = row->resize;
    return true;
  }
  const char *dot = strchr(name, '.');
  size_t length = dot ? (size_t)(dot - name) : 0;
  for (int i = 0; dot && i < TIMM_ROWS; i++) {
    const struct timm_row *row = &timm_rows[i];
    bool same_arch =
        row->arch ? strlen(row->arch) == length && !memcmp(row->arch, name, length) : is_plain_resnet(name, length);
    if (!same_arch || strcmp(row->tag, dot + 1) != 0) continue;
    fill(recipe, row->size, row->crop, row->filter, row->half);
    return true;
  }
  return false;
}
