/* The image towers of CLIP (Radford et al. 2021), OpenAI's and open_clip's, and of SigLIP (Zhai et al. 2023): vision
 * transformers with a norm before the blocks or an attention pool behind them, and ResNets with an attention pool. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/plan_internal.h"
#include "models/position.h"
#include "models/vit.h"

/* CLIP's ResNets: antialiased, three convolutions in the stem, channels of the stem's end and blocks per stage. */
struct clip_resnet {
  int stages[4], width, head_size, image;
};

struct config {
  bool is_resnet;
  union {
    struct vit vit;
    struct clip_resnet resnet;
  };
};

static const struct config *config(const struct architecture *a) {
  return (const struct config *)(const void *)&a->config;
}

/* ---- the ResNet ---- */

enum { NAME = 96 };

static struct conv_shape conv(int in, int out, int kernel, int stride) {
  return (struct conv_shape){.in_channels = in,
                             .out_channels = out,
                             .kernel = kernel,
                             .stride = stride,
                             .padding = kernel / 2,
                             .dilation = 1,
                             .groups = 1};
}

/* PREFIX.conv and its norm PREFIX.bn, as timm's ByobNet names them. */
static value conv_norm(struct plan *plan, value x, const char *prefix, struct conv_shape shape,
                       enum activation activation, value residual) {
  char weight[NAME + 8], norm[NAME + 8];
  snprintf(weight, sizeof weight, "%s.conv", prefix);
  snprintf(norm, sizeof norm, "%s.bn", prefix);
  return plan_conv(plan, x, weight, shape,
                   (struct fusion){.batch_norm = norm, .activation = activation, .residual = residual});
}

/* Every stride is an average pool before a convolution of stride 1. */
static value bottleneck(struct plan *plan, value x, int stage, int block, int planes) {
  char name[4][NAME];
  static const char *const parts[] = {"shortcut.conv", "conv1_1x1", "conv2_kxk", "conv3_1x1"};
  for (int i = 0; i < 4; i++) snprintf(name[i], NAME, "stages.%d.%d.%s", stage, block, parts[i]);
  int in = plan_shape(plan, x).channels, out = 4 * planes;
  bool strided = stage > 0 && block == 0;
  value identity = x;
  if (block == 0) {
    if (strided) identity = plan_average_pool(plan, x, "shortcut.pool", 2, 2, false);
    identity = conv_norm(plan, identity, name[0], conv(in, out, 1, 1), ACTIVATION_NONE, NO_VALUE);
  }
  value y = conv_norm(plan, x, name[1], conv(in, planes, 1, 1), ACTIVATION_RELU, NO_VALUE);
  y = conv_norm(plan, y, name[2], conv(planes, planes, 3, 1), ACTIVATION_RELU, NO_VALUE);
  if (strided) y = plan_average_pool(plan, y, "conv2_kxk.pool", 2, 2, false);
  return conv_norm(plan, y, name[3], conv(planes, out, 1, 1), ACTIVATION_RELU, identity);
}

/* The mean of the map asks all pixels and itself; its answer is projected into the space of texts. */
static void attention_pool(struct plan *plan, const struct clip_resnet *c, value x, int classes) {
  struct value_shape map = plan_shape(plan, x);
  int side = c->image / 32, width = map.channels, heads = width / c->head_size;
  int64_t shape[2] = {side * side + 1, width};
  float *table = plan_take(plan, "head", "pos_embed", 2, shape), *positions = NULL;
  error reason;
  float *resampled = table
                         ? position_resample(table + width, (struct grid){side, side},
                                             (struct grid){map.height, map.width}, width, RESAMPLE_ANTIALIASED, &reason)
                         : NULL;
  size_t pixels = (size_t)map.height * (size_t)map.width;
  if (resampled) positions = allocate(pixels + 1, (size_t)width * sizeof *positions, &reason);
  if (positions) {
    memcpy(positions, table, (size_t)width * sizeof *positions);
    memcpy(positions + width, resampled, pixels * (size_t)width * sizeof *positions);
    value tokens = plan_prepend(plan, plan_mean(plan, x, "head.mean", 0, 0), x, "head.tokens", positions);
    value q = plan_linear(plan, plan_select(plan, tokens, "head.token", 0), "head.q", width, (struct fusion){0});
    value k = plan_linear(plan, tokens, "head.k", width, (struct fusion){0});
    value v = plan_linear(plan, tokens, "head.v", width, (struct fusion){0});
    struct attention_shape attention = {
        .heads = heads, .head_size = c->head_size, .scale = (float)(1 / sqrt(c->head_size))};
    value pooled = plan_attention(plan, "head", (struct attention_inputs){.q = q, .k = k, .v = v}, attention);
    plan_offer(plan, "pooled", pooled);
    plan_offer(plan, "projected", plan_linear(plan, pooled, "head.proj", classes, (struct fusion){0}));
  } else if (table) {
    plan_give_up(plan, &reason);
  }
  free(table);
  free(resampled);
  free(positions);
}

static void build_resnet(struct plan *plan, const struct clip_resnet *c, int classes, const struct recipe *recipe) {
  int width = c->width;
  value x = plan_input(plan, recipe->height, recipe->width, 3);
  x = conv_norm(plan, x, "stem.conv1", conv(3, width / 2, 3, 2), ACTIVATION_RELU, NO_VALUE);
  x = conv_norm(plan, x, "stem.conv2", conv(width / 2, width / 2, 3, 1), ACTIVATION_RELU, NO_VALUE);
  x = conv_norm(plan, x, "stem.conv3", conv(width / 2, width, 3, 1), ACTIVATION_RELU, NO_VALUE);
  x = plan_average_pool(plan, x, "stem.pool", 2, 2, false);
  for (int stage = 0; stage < 4; stage++) {
    for (int block = 0; block < c->stages[stage]; block++) {
      x = bottleneck(plan, x, stage, block, width << stage);
      plan_offer_block(plan, x, -1, 0);
    }
  }
  plan_offer(plan, "tokens", x);
  plan_offer(plan, "mean", plan_mean(plan, x, "mean", 0, 0));
  attention_pool(plan, c, x, classes);
}

static void build(struct plan *plan, const struct architecture *a, const struct recipe *recipe) {
  const struct config *c = config(a);
  if (c->is_resnet)
    build_resnet(plan, &c->resnet, a->classes, recipe);
  else
    vit_build(plan, &c->vit, a->classes, recipe);
}

/* ---- members ---- */

enum { GELU, QUICK, SIGLIP };

static const struct vit_member {
  const char *name;
  int size, patch, image, kind, projection;
} vits[] = {
    {"vit_base_patch32_clip_224", VIT_BASE, 32, 224, GELU, 512},
    {"vit_base_patch32_clip_256", VIT_BASE, 32, 256, GELU, 512},
    {"vit_base_patch16_clip_224", VIT_BASE, 16, 224, GELU, 512},
    {"vit_large_patch14_clip_224", VIT_LARGE, 14, 224, GELU, 768},
    {"vit_large_patch14_clip_336", VIT_LARGE, 14, 336, GELU, 768},
    {"vit_huge_patch14_clip_224", VIT_HUGE, 14, 224, GELU, 1024},
    {"vit_huge_patch14_clip_336", VIT_HUGE, 14, 336, GELU, 1024},
    {"vit_huge_patch14_clip_378", VIT_HUGE, 14, 378, GELU, 1024},
    {"vit_giant_patch14_clip_224", VIT_GIANT, 14, 224, GELU, 1024},
    {"vit_gigantic_patch14_clip_224", VIT_GIGANTIC, 14, 224, GELU, 1280},
    {"vit_base_patch32_clip_quickgelu_224", VIT_BASE, 32, 224, QUICK, 512},
    {"vit_base_patch16_clip_quickgelu_224", VIT_BASE, 16, 224, QUICK, 512},
    {"vit_large_patch14_clip_quickgelu_224", VIT_LARGE, 14, 224, QUICK, 768},
    {"vit_large_patch14_clip_quickgelu_336", VIT_LARGE, 14, 336, QUICK, 768},
    {"vit_huge_patch14_clip_quickgelu_224", VIT_HUGE, 14, 224, QUICK, 1024},
    {"vit_huge_patch14_clip_quickgelu_378", VIT_HUGE, 14, 378, QUICK, 1024},
    {"vit_base_patch16_siglip_224", VIT_BASE, 16, 224, SIGLIP, 0},
    {"vit_base_patch16_siglip_256", VIT_BASE, 16, 256, SIGLIP, 0},
    {"vit_base_patch16_siglip_384", VIT_BASE, 16, 384, SIGLIP, 0},
    {"vit_base_patch16_siglip_512", VIT_BASE, 16, 512, SIGLIP, 0},
    {"vit_large_patch16_siglip_256", VIT_LARGE, 16, 256, SIGLIP, 0},
    {"vit_large_patch16_siglip_384", VIT_LARGE, 16, 384, SIGLIP, 0},
    {"vit_so400m_patch14_siglip_224", VIT_SO400M, 14, 224, SIGLIP, 0},
    {"vit_so400m_patch14_siglip_378", VIT_SO400M, 14, 378, SIGLIP, 0},
};
enum { VITS = sizeof vits / sizeof *vits };

static const struct resnet_member {
  const char *name;
  struct clip_resnet resnet;
  int projection;
} resnets[] = {
    {"resnet50_clip", {{3, 4, 6, 3}, 64, 64, 224}, 1024},
    {"resnet101_clip", {{3, 4, 23, 3}, 64, 64, 224}, 512},
    {"resnet50x4_clip", {{4, 6, 10, 6}, 80, 64, 288}, 640},
    {"resnet50x16_clip", {{6, 8, 18, 8}, 96, 64, 384}, 768},
    {"resnet50x64_clip", {{3, 15, 36, 10}, 128, 64, 448}, 1024},
};
enum { RESNETS = sizeof resnets / sizeof *resnets };

static struct config config_of(const struct vit_member *m) {
  struct config c = {.vit = vit_of_size(m->size, m->patch, m->image)};
  struct vit *v = &c.vit;
  if (m->kind == SIGLIP) {
    v->class_token = false;
    v->table_prefix = 0;
    v->table_tokens -= 1;
    v->pooling = POOL_ATTENTION;
    return c;
  }
  v->norm_pre = true;
  v->patch_bias = false;
  v->projection = true;
  v->transformer.epsilon = 1e-5;
  if (m->kind == QUICK) v->transformer.activation = ACTIVATION_QUICK_GELU;
  return c;
}

static void set_config(struct architecture *a, const char *name, const struct config *c) {
  _Static_assert(sizeof *c <= sizeof a->config, "struct architecture has room for it");
  snprintf(a->name, sizeof a->name, "%s", name);
  memcpy(&a->config, c, sizeof *c);
}

static bool find(const char *name, struct architecture *found) {
  for (int i = 0; i < VITS; i++) {
    if (strcmp(vits[i].name, name) != 0) continue;
    struct config c = config_of(&vits[i]);
    set_config(found, name, &c);
    found->classes = vits[i].projection;
    return true;
  }
  for (int i = 0; i < RESNETS; i++) {
    if (strcmp(resnets[i].name, name) != 0) continue;
    struct config c = {.is_resnet = true, .resnet = resnets[i].resnet};
    set_config(found, name, &c);
    found->classes = resnets[i].projection;
    return true;
  }
  return false;
}

static const char *member(int i) {
  if (i < VITS) return vits[i].name;
  return i < VITS + RESNETS ? resnets[i - VITS].name : NULL;
}

/* ---- recognising ---- */

static bool recognise_resnet(const struct checkpoint *checkpoint, struct architecture *a) {
  const struct tensor *stem = checkpoint_find(checkpoint, "stem.conv3.conv.weight");
  const struct tensor *table = checkpoint_find(checkpoint, "head.pos_embed");
  if (!stem || !table || stem->dimensions != 4 || table->dimensions != 2) return false;
  if (stem->shape[0] < 2 || stem->shape[0] > 1 << 12 || table->shape[0] < 2 || table->shape[0] > 1 << 16) return false;
  struct config c = {.is_resnet = true, .resnet = {.width = (int)stem->shape[0], .head_size = 64}};
  c.resnet.image = 32 * square_side((int)table->shape[0] - 1);
  if (c.resnet.image == 0) return false;
  for (int stage = 0; stage < 4; stage++) {
    char parent[16];
    snprintf(parent, sizeof parent, "stages.%d", stage);
    c.resnet.stages[stage] = count_modules(checkpoint, parent, "conv1_1x1.conv.weight");
  }
  const char *name = "resnet_clip";
  for (int i = 0; i < RESNETS; i++) {
    if (!memcmp(&resnets[i].resnet, &c.resnet, sizeof c.resnet)) name = resnets[i].name;
  }
  set_config(a, name, &c);
  a->classes = count_classes(checkpoint, "head.proj.weight");
  return true;
}

/* CLIP's spaces of texts have these widths; a head of another width classifies. */
static bool is_projection(const struct vit *v, int rows) {
  static const int widths[] = {512, 640, 768, 1024, 1280};
  for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
    if (rows == widths[i]) return true;
  }
  return !v->head_bias;
}

/* OpenAI's own files say their input's resolution in a tensor: they use the quick GELU, which no shape shows. */
static bool is_openai(const struct checkpoint *checkpoint) {
  for (size_t i = 0; i < checkpoint->count; i++) {
    if (!strcmp(checkpoint->tensors[i].source_name, "input_resolution")) return true;
  }
  return false;
}

static bool recognise(const struct checkpoint *checkpoint, struct architecture *a) {
  struct config c = {0};
  if (recognise_resnet(checkpoint, a)) return true;
  if (!vit_read(checkpoint, &c.vit) || (!c.vit.norm_pre && c.vit.pooling != POOL_ATTENTION)) return false;
  int rows = count_classes(checkpoint, "head.weight");
  c.vit.projection = c.vit.norm_pre && rows > 0 && is_projection(&c.vit, rows);
  if (is_openai(checkpoint) && !checkpoint->hints.activation[0]) c.vit.transformer.activation = ACTIVATION_QUICK_GELU;
  const char *name = "vit_clip";
  for (int i = VITS - 1; i >= 0; i--) {
    struct config m = config_of(&vits[i]);
    if (c.vit.transformer.activation == ACTIVATION_GELU_TANH) m.vit.transformer.activation = ACTIVATION_GELU_TANH;
    if (vit_same(&m.vit, &c.vit)) name = vits[i].name;
  }
  set_config(a, name, &c);
  a->classes = rows;
  return true;
}

static bool adopt(const struct checkpoint *checkpoint, const struct architecture *named, struct architecture *seen) {
  const struct config *n = config(named);
  struct config *c = (struct config *)(void *)&seen->config;
  if (n->is_resnet != c->is_resnet) return false;
  if (!n->is_resnet) return vit_adopt(checkpoint, &n->vit, &c->vit);
  return !memcmp(n->resnet.stages, c->resnet.stages, sizeof n->resnet.stages) && n->resnet.width == c->resnet.width;
}

static void describe(const struct architecture *a, struct hints *hints) {
  if (!config(a)->is_resnet) vit_describe(&config(a)->vit, hints);
}

static void default_recipe(const struct architecture *a, struct recipe *recipe) {
  const struct config *c = config(a);
  int size = c->is_resnet ? c->resnet.image : c->vit.image;
  bool siglip = !c->is_resnet && c->vit.pooling == POOL_ATTENTION;
  *recipe = (struct recipe){.height = size,
                            .width = size,
                            .crop_fraction = 1.0,
                            .filter = FILTER_BICUBIC,
                            .crop_mode = siglip ? CROP_SQUASH : CROP_CENTER,
                            .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                            .std = {0.26862954f, 0.26130258f, 0.27577711f}};
  for (int i = 0; siglip && i < 3; i++) recipe->mean[i] = recipe->std[i] = 0.5f;
}

const struct family family_clip = {.name = "clip",
                                   .find = find,
                                   .recognise = recognise,
                                   .adopt = adopt,
                                   .describe = describe,
                                   .build = build,
                                   .default_recipe = default_recipe,
                                   .member = member};
