/* Published checkpoints and their recipes. timm's depend on the training run, which the tag after the dot names; they
 * are the `pretrained_cfg` of timm 1.0 (input_size and crop_pct, not the larger test_input_size: what timm's
 * resolve_model_data_config() gives by default). torchvision's are `weights.transforms()` by the file's name. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "weights-tools/published.h"
#include "weights-tools/recipe.h"

enum norm { IMAGENET, HALF, CLIP };
static const float norms[][2][3] = {
    [IMAGENET] = {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}},
    [HALF] = {{0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}},
    [CLIP] = {{0.48145466f, 0.4578275f, 0.40821073f}, {0.26862954f, 0.26130258f, 0.27577711f}},
};

static const struct timm_row {
  const char *arch; /* patterns as name_fits() reads them; NULL: every ResNet, wide ResNet and ResNeXt */
  const char *tag;
  double crop;
  int size; /* 0: the last number of the architecture's name */
  enum filter filter;
  enum norm norm;
  enum crop_mode mode;
} timm_rows[] = {
    /* Exceptions first: the first row that fits counts. */
    {"resnet50", "a1h_in1k", 0.9, 176, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"resnet50", "bamboo", 1.0, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"resnet50", "dino", 0.875, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"resnet50", "swav", 0.875, 224, FILTER_BILINEAR, IMAGENET, CROP_CENTER},
    {"resnet50", "moco*", 0.875, 224, FILTER_BILINEAR, IMAGENET, CROP_CENTER},
    {"resnet50", "vicregl", 0.875, 224, FILTER_BILINEAR, IMAGENET, CROP_CENTER},
    {"resnet50d", "ra4_e3600_r224_in1k", 0.95, 224, FILTER_BICUBIC, HALF, CROP_CENTER},
    {NULL, "ra4_e3600_r224_in1k", 0.9, 224, FILTER_BICUBIC, HALF, CROP_CENTER},
    {"resnet101d", "ra2_in1k", 0.95, 256, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"resnet152d", "ra2_in1k", 0.95, 256, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"resnet200d", "ra2_in1k", 0.95, 256, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "a1_in1k", 0.95, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "a1h_in1k", 0.95, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "a2_in1k", 0.95, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "a3_in1k", 0.95, 160, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "b#k_in1k", 0.95, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "c#_in1k", 0.95, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "d_in1k", 0.95, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "am_in1k", 0.875, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "bt_in1k", 0.875, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "ra_in1k", 0.875, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "ra2_in1k", 0.875, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "ram_in1k", 0.875, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "racm_in1k", 0.875, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "gluon_in1k", 0.875, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {NULL, "tv_in1k", 0.875, 224, FILTER_BILINEAR, IMAGENET, CROP_CENTER},
    {NULL, "tv2_in1k", 0.875, 176, FILTER_BILINEAR, IMAGENET, CROP_CENTER},
    {NULL, "fb_*_ft_in1k", 0.875, 224, FILTER_BILINEAR, IMAGENET, CROP_CENTER},
    {"resnet*_clip", "openai_original", 1.0, 0, FILTER_BICUBIC, CLIP, CROP_CENTER},
    {"resnet50x4_clip", "openai", 0.9, 288, FILTER_BICUBIC, CLIP, CROP_CENTER},
    {"resnet50x16_clip", "openai", 0.9, 384, FILTER_BICUBIC, CLIP, CROP_CENTER},
    {"resnet50x64_clip", "openai", 0.9, 448, FILTER_BICUBIC, CLIP, CROP_CENTER},
    {"resnet#_clip", "*", 0.9, 224, FILTER_BICUBIC, CLIP, CROP_CENTER},
    {"convnext*", "*_384", 1.0, 384, FILTER_BICUBIC, IMAGENET, CROP_SQUASH},
    {"convnext*", "*_512", 1.0, 512, FILTER_BICUBIC, IMAGENET, CROP_SQUASH},
    {"convnext_~", "vicregl", 0.875, 224, FILTER_BILINEAR, IMAGENET, CROP_CENTER},
    {"convnext_~", "fb_*", 0.875, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"convnextv2_~", "fcmae*", 0.875, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"convnext_~", "d1h_in1k", 0.95, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"convnext_~", "d#_in1k", 0.875, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"convnext_~", "in12k*", 0.95, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"convnext_~", "dinov3_*", 1.0, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"vit_*_dinov2", "lvd142m", 1.0, 518, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"vit_*_dinov3", "lvd1689m", 1.0, 256, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"vit_*_dinov3_qkvb", "lvd1689m", 1.0, 256, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"vit_large_patch14_clip_224", "laion2b*", 1.0, 224, FILTER_BICUBIC, HALF, CROP_CENTER},
    {"vit_large_patch14_clip_336", "laion2b_ft_*", 1.0, 336, FILTER_BICUBIC, HALF, CROP_SQUASH},
    {"vit_large_patch14_clip_336", "openai_ft_*", 1.0, 336, FILTER_BICUBIC, CLIP, CROP_SQUASH},
    {"vit_huge_patch14_clip_336", "*", 1.0, 336, FILTER_BICUBIC, CLIP, CROP_SQUASH},
    {"vit_*_clip_378", "metaclip2*", 1.0, 378, FILTER_BICUBIC, CLIP, CROP_SQUASH},
    {"vit_base_patch16_clip_224", "*_ft_in12k_in1k", 0.95, 224, FILTER_BICUBIC, CLIP, CROP_CENTER},
    {"vit_base_patch#_clip_384", "openai_ft_in12k_in1k", 0.95, 384, FILTER_BICUBIC, CLIP, CROP_SQUASH},
    {"vit_base_patch16_clip_384", "*", 1.0, 384, FILTER_BICUBIC, CLIP, CROP_SQUASH},
    {"vit_*_clip_*", "*_original", 1.0, 0, FILTER_BICUBIC, CLIP, CROP_CENTER},
    {"vit_base_patch#_clip_*224", "openai*", 0.9, 224, FILTER_BICUBIC, CLIP, CROP_CENTER},
    {"vit_base_patch16_clip_224", "laion2b_ft_in12k", 0.9, 224, FILTER_BICUBIC, CLIP, CROP_CENTER},
    {"vit_base_patch32_clip_*224", "laion*", 0.9, 224, FILTER_BICUBIC, CLIP, CROP_CENTER},
    {"vit_*_clip_*", "*", 1.0, 0, FILTER_BICUBIC, CLIP, CROP_CENTER},
    {"vit_*_siglip_*", "webli_ft_in1k", 1.0, 0, FILTER_BICUBIC, HALF, CROP_SQUASH},
    {"vit_*_siglip_#", "*webli*", 0.9, 0, FILTER_BICUBIC, HALF, CROP_CENTER},
    {"vit_~_patch#_224", "dino", 0.9, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"vit_~_patch#_224", "mae", 0.9, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"vit_~_patch#_224", "mocov3", 0.875, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"vit_base_patch16_224", "bamboo", 1.0, 224, FILTER_BICUBIC, CLIP, CROP_CENTER},
    {"vit_~_patch#_384", "augreg*", 1.0, 384, FILTER_BICUBIC, HALF, CROP_CENTER},
    {"vit_~_patch#_384", "orig_*", 1.0, 384, FILTER_BICUBIC, HALF, CROP_CENTER},
    {"vit_~_patch#_224", "augreg*", 0.9, 224, FILTER_BICUBIC, HALF, CROP_CENTER},
    {"vit_~_patch#_224", "orig_*", 0.9, 224, FILTER_BICUBIC, HALF, CROP_CENTER},
    {"deit3_*_224", "fb_in22k_ft_in1k", 1.0, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"deit*_384", "fb_*", 1.0, 384, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"deit*_224", "fb_*", 0.9, 224, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"swinv2_*", "midas", 1.0, 0, FILTER_BICUBIC, HALF, CROP_SQUASH},
    {"swin*384", "ms_*", 1.0, 384, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
    {"swin*", "ms_*", 0.9, 0, FILTER_BICUBIC, IMAGENET, CROP_CENTER},
};

static const struct torchvision_row {
  const char *file;
  int resize; /* the shorter side */
  int crop;
  enum filter filter;
} torchvision_rows[] = {
    {"resnet18-f37072fd", 256, 224, FILTER_BILINEAR},
    {"resnet34-b627a593", 256, 224, FILTER_BILINEAR},
    {"resnet50-0676ba61", 256, 224, FILTER_BILINEAR},
    {"resnet50-11ad3fa6", 232, 224, FILTER_BILINEAR},
    {"resnet101-63fe2227", 256, 224, FILTER_BILINEAR},
    {"resnet101-cd907fc2", 232, 224, FILTER_BILINEAR},
    {"resnet152-394f9c45", 256, 224, FILTER_BILINEAR},
    {"resnet152-f82ba261", 232, 224, FILTER_BILINEAR},
    {"resnext50_32x4d-7cdf4587", 256, 224, FILTER_BILINEAR},
    {"resnext50_32x4d-1a0047aa", 232, 224, FILTER_BILINEAR},
    {"resnext101_32x8d-8ba56ff5", 256, 224, FILTER_BILINEAR},
    {"resnext101_32x8d-110c445d", 232, 224, FILTER_BILINEAR},
    {"resnext101_64x4d-173b62eb", 232, 224, FILTER_BILINEAR},
    {"wide_resnet50_2-95faca4d", 256, 224, FILTER_BILINEAR},
    {"wide_resnet50_2-9ba9bcbe", 232, 224, FILTER_BILINEAR},
    {"wide_resnet101_2-32ee1156", 256, 224, FILTER_BILINEAR},
    {"wide_resnet101_2-d733dc28", 232, 224, FILTER_BILINEAR},
    {"convnext_tiny-983f1562", 236, 224, FILTER_BILINEAR},
    {"convnext_small-0c510722", 230, 224, FILTER_BILINEAR},
    {"convnext_base-6075fbad", 232, 224, FILTER_BILINEAR},
    {"convnext_large-ea097f82", 232, 224, FILTER_BILINEAR},
    {"vit_b_16-c867db91", 256, 224, FILTER_BILINEAR},
    {"vit_b_32-d86f8d99", 256, 224, FILTER_BILINEAR},
    {"vit_l_16-852ce7e3", 242, 224, FILTER_BILINEAR},
    {"vit_l_32-c7638314", 256, 224, FILTER_BILINEAR},
    {"vit_b_16_swag-9ac1b537", 384, 384, FILTER_BICUBIC},
    {"vit_l_16_swag-4f3808c9", 512, 512, FILTER_BICUBIC},
    {"vit_h_14_swag-80465313", 518, 518, FILTER_BICUBIC},
    {"vit_b_16_lc_swag-4e70ced5", 224, 224, FILTER_BICUBIC},
    {"vit_l_16_lc_swag-4d563306", 224, 224, FILTER_BICUBIC},
    {"vit_h_14_lc_swag-c1eb923e", 224, 224, FILTER_BICUBIC},
    {"swin_t-704ceda3", 232, 224, FILTER_BICUBIC},
    {"swin_s-5e29d889", 246, 224, FILTER_BICUBIC},
    {"swin_b-68c6b09e", 238, 224, FILTER_BICUBIC},
    {"swin_v2_t-b137f0e2", 260, 256, FILTER_BICUBIC},
    {"swin_v2_s-637d8ceb", 260, 256, FILTER_BICUBIC},
    {"swin_v2_b-781e5279", 272, 256, FILTER_BICUBIC},
};

enum {
  TIMM_ROWS = sizeof timm_rows / sizeof *timm_rows,
  TORCHVISION_ROWS = sizeof torchvision_rows / sizeof *torchvision_rows,
};

static bool is_resnet(const char *arch) {
  return name_fits("resnet#", arch) || name_fits("resnet#d", arch) || name_fits("wide_resnet#_2", arch) ||
         name_fits("resnext#_#x#d", arch);
}

/* The last number of "swinv2_base_window12to16_192to256"; of CLIP's ResNets, which have none, by their width. */
static int size_of(const char *arch) {
  static const struct {
    const char *arch;
    int size;
  } clips[] = {{"resnet50_clip", 224},
               {"resnet101_clip", 224},
               {"resnet50x4_clip", 288},
               {"resnet50x16_clip", 384},
               {"resnet50x64_clip", 448}};
  for (size_t i = 0; i < sizeof clips / sizeof *clips; i++) {
    if (!strcmp(arch, clips[i].arch)) return clips[i].size;
  }
  size_t start = strlen(arch);
  while (start > 0 && isdigit((unsigned char)arch[start - 1])) start--;
  return strlen(arch + start) <= 4 ? atoi(arch + start) : 0;
}

static void fill(struct recipe *recipe, int size, double crop, enum filter filter, enum norm norm,
                 enum crop_mode mode) {
  *recipe = (struct recipe){.height = size, .width = size, .crop_fraction = crop, .filter = filter, .crop_mode = mode};
  memcpy(recipe->mean, norms[norm][0], sizeof recipe->mean);
  memcpy(recipe->std, norms[norm][1], sizeof recipe->std);
}

static bool look_up_torchvision(const char *name, struct recipe *recipe) {
  for (int i = 0; i < TORCHVISION_ROWS; i++) {
    const struct torchvision_row *row = &torchvision_rows[i];
    if (strcmp(row->file, name) != 0) continue;
    fill(recipe, row->crop, (double)row->crop / row->resize, row->filter, IMAGENET, CROP_CENTER);
    recipe->resize = row->resize;
    return true;
  }
  return false;
}

/* "ARCH.TAG" */
static bool look_up_timm(const char *name, struct recipe *recipe) {
  char arch[MAX_PUBLISHED];
  size_t length = strcspn(name, ".");
  if (!name[length] || length >= sizeof arch) return false;
  memcpy(arch, name, length);
  arch[length] = 0;
  for (int i = 0; i < TIMM_ROWS; i++) {
    const struct timm_row *row = &timm_rows[i];
    if (!(row->arch ? name_fits(row->arch, arch) : is_resnet(arch)) || !name_fits(row->tag, name + length + 1))
      continue;
    fill(recipe, row->size ? row->size : size_of(arch), row->crop, row->filter, row->norm, row->mode);
    error ignored;
    return recipe_check(recipe, &ignored) == OK;
  }
  return false;
}

bool recipe_lookup(const char *name, struct recipe *recipe) {
  char plain[MAX_PUBLISHED], published[MAX_PUBLISHED];
  if (!strip_suffix(name, plain)) return false;
  return look_up_torchvision(plain, recipe) || look_up_timm(plain, recipe) ||
         (published_name(name, published) && look_up_timm(published, recipe));
}
