/* ResNet (He et al. 2015), wide ResNet (Zagoruyko and Komodakis 2016), ResNeXt (Xie et al. 2017), and the CIFAR ResNets
 * of He et al. section 4.2. The stride sits on the 3x3 convolution of a bottleneck, as in torchvision and timm (v1.5).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/architecture.h"

struct config {
  int stages[4]; /* blocks per stage, 0 behind the last */
  bool bottleneck;
  bool small_stem;                 /* the CIFAR ResNets */
  bool deep_stem, pooled_shortcut; /* the -D variants of He et al. 2018: three 3x3 convolutions, average pooling */
  int width;                       /* channels of the stem */
  int groups, group_width;
};

static const struct config *config(const struct architecture *a) {
  return (const struct config *)(const void *)&a->config;
}

/* ---- the network --------------------------------------------------------------------------------------------------
 */

static struct conv_shape conv(int in, int out, int kernel, int stride, int groups) {
  return (struct conv_shape){.in_channels = in,
                             .out_channels = out,
                             .kernel = kernel,
                             .stride = stride,
                             .padding = kernel / 2,
                             .dilation = 1,
                             .groups = groups};
}

struct block_names {
  char conv1[64], conv2[64], conv3[64], bn1[64], bn2[64], bn3[64], shortcut[64], shortcut_bn[64], pooled_shortcut[64],
      pooled_bn[64];
};

static struct block_names names_of(int stage, int block) {
  struct block_names n;
  snprintf(n.conv1, sizeof n.conv1, "layer%d.%d.conv1", stage + 1, block);
  snprintf(n.conv2, sizeof n.conv2, "layer%d.%d.conv2", stage + 1, block);
  snprintf(n.conv3, sizeof n.conv3, "layer%d.%d.conv3", stage + 1, block);
  snprintf(n.bn1, sizeof n.bn1, "layer%d.%d.bn1", stage + 1, block);
  snprintf(n.bn2, sizeof n.bn2, "layer%d.%d.bn2", stage + 1, block);
  snprintf(n.bn3, sizeof n.bn3, "layer%d.%d.bn3", stage + 1, block);
  snprintf(n.shortcut, sizeof n.shortcut, "layer%d.%d.downsample.0", stage + 1, block);
  snprintf(n.shortcut_bn, sizeof n.shortcut_bn, "layer%d.%d.downsample.1", stage + 1, block);
  snprintf(n.pooled_shortcut, sizeof n.pooled_shortcut, "layer%d.%d.downsample.1", stage + 1, block);
  snprintf(n.pooled_bn, sizeof n.pooled_bn, "layer%d.%d.downsample.2", stage + 1, block);
  return n;
}

/* The identity where shapes agree, else a projection (or, in the CIFAR nets, subsampling and zero channels). */
static value shortcut(struct plan *plan, const struct architecture *a, const struct block_names *n, value x, int out,
                      int stride) {
  int in = plan_shape(plan, x).channels;
  if (in == out && stride == 1) return x;
  if (config(a)->small_stem) return plan_pad_shortcut(plan, x, n->shortcut, stride, out);
  if (config(a)->pooled_shortcut) {
    if (stride > 1) x = plan_average_pool(plan, x, n->shortcut, stride, stride, true);
    return plan_conv(plan, x, n->pooled_shortcut, conv(in, out, 1, 1, 1), (struct fusion){.batch_norm = n->pooled_bn});
  }
  return plan_conv(plan, x, n->shortcut, conv(in, out, 1, stride, 1), (struct fusion){.batch_norm = n->shortcut_bn});
}

static value basic_block(struct plan *plan, const struct architecture *a, const struct block_names *n, value x,
                         int planes, int stride) {
  int in = plan_shape(plan, x).channels;
  value identity = shortcut(plan, a, n, x, planes, stride);
  value y = plan_conv(plan, x, n->conv1, conv(in, planes, 3, stride, 1),
                      (struct fusion){.batch_norm = n->bn1, .activation = ACTIVATION_RELU});
  return plan_conv(plan, y, n->conv2, conv(planes, planes, 3, 1, 1),
                   (struct fusion){.batch_norm = n->bn2, .activation = ACTIVATION_RELU, .residual = identity});
}

static value bottleneck_block(struct plan *plan, const struct architecture *a, const struct block_names *n, value x,
                              int planes, int stride) {
  int in = plan_shape(plan, x).channels, out = planes * 4;
  int groups = config(a)->groups, width = planes * config(a)->group_width / 64 * groups;
  value identity = shortcut(plan, a, n, x, out, stride);
  value y = plan_conv(plan, x, n->conv1, conv(in, width, 1, 1, 1),
                      (struct fusion){.batch_norm = n->bn1, .activation = ACTIVATION_RELU});
  y = plan_conv(plan, y, n->conv2, conv(width, width, 3, stride, groups),
                (struct fusion){.batch_norm = n->bn2, .activation = ACTIVATION_RELU});
  return plan_conv(plan, y, n->conv3, conv(width, out, 1, 1, 1),
                   (struct fusion){.batch_norm = n->bn3, .activation = ACTIVATION_RELU, .residual = identity});
}

static struct fusion relu_after(const char *batch_norm) {
  return (struct fusion){.batch_norm = batch_norm, .activation = ACTIVATION_RELU};
}

static value stem(struct plan *plan, const struct config *c, value x) {
  int width = c->width;
  if (c->small_stem) return plan_conv(plan, x, "conv1", conv(3, width, 3, 1, 1), relu_after("bn1"));
  if (c->deep_stem) {
    x = plan_conv(plan, x, "conv1.0", conv(3, width / 2, 3, 2, 1), relu_after("conv1.1"));
    x = plan_conv(plan, x, "conv1.3", conv(width / 2, width / 2, 3, 1, 1), relu_after("conv1.4"));
    x = plan_conv(plan, x, "conv1.6", conv(width / 2, width, 3, 1, 1), relu_after("bn1"));
  } else {
    x = plan_conv(plan, x, "conv1", conv(3, width, 7, 2, 1), relu_after("bn1"));
  }
  return plan_max_pool(plan, x, "maxpool", 3, 2, 1);
}

static void build(struct plan *plan, const struct architecture *a, const struct recipe *recipe) {
  int width = config(a)->width;
  value x = stem(plan, config(a), plan_input(plan, recipe->height, recipe->width, 3));
  for (int stage = 0; stage < 4; stage++) {
    for (int block = 0; block < config(a)->stages[stage]; block++) {
      struct block_names n = names_of(stage, block);
      int planes = width << stage, stride = stage > 0 && block == 0 ? 2 : 1;
      if (config(a)->bottleneck)
        x = bottleneck_block(plan, a, &n, x, planes, stride);
      else
        x = basic_block(plan, a, &n, x, planes, stride);
      plan_offer_block(plan, x, -1, 0);
    }
  }
  value features = plan_mean(plan, x, "global_pool", 0, 0);
  plan_offer(plan, "tokens", x);
  plan_offer(plan, "pooled", features);
  if (a->classes > 0)
    plan_output(plan, OUTPUT_LOGITS, plan_linear(plan, features, "fc", a->classes, (struct fusion){0}));
}

/* ---- its members --------------------------------------------------------------------------------------------------
 */

static const struct member {
  const char *name;
  struct config config;
} members[] = {
#define BASIC(name, a, b, c, d)                                         \
  {                                                                     \
    name, { {a, b, c, d}, .width = 64, .groups = 1, .group_width = 64 } \
  }
#define BOTTLENECK(name, a, b, c, d, groups, width)                      \
  {                                                                      \
    name, { {a, b, c, d}, true, false, false, false, 64, groups, width } \
  }
#define DEEP(name, a, b, c, d, bottleneck)                           \
  {                                                                  \
    name, { {a, b, c, d}, bottleneck, false, true, true, 64, 1, 64 } \
  }
#define CIFAR(name, n)                                           \
  {                                                              \
    name, { {n, n, n, 0}, false, true, false, false, 16, 1, 64 } \
  }
    BASIC("resnet18", 2, 2, 2, 2),
    BASIC("resnet34", 3, 4, 6, 3),
    BOTTLENECK("resnet26", 2, 2, 2, 2, 1, 64),
    BOTTLENECK("resnet50", 3, 4, 6, 3, 1, 64),
    BOTTLENECK("resnet101", 3, 4, 23, 3, 1, 64),
    BOTTLENECK("resnet152", 3, 8, 36, 3, 1, 64),
    BOTTLENECK("wide_resnet50_2", 3, 4, 6, 3, 1, 128),
    BOTTLENECK("wide_resnet101_2", 3, 4, 23, 3, 1, 128),
    BOTTLENECK("resnext50_32x4d", 3, 4, 6, 3, 32, 4),
    BOTTLENECK("resnext101_32x4d", 3, 4, 23, 3, 32, 4),
    BOTTLENECK("resnext101_32x8d", 3, 4, 23, 3, 32, 8),
    BOTTLENECK("resnext101_32x16d", 3, 4, 23, 3, 32, 16),
    BOTTLENECK("resnext101_32x32d", 3, 4, 23, 3, 32, 32),
    BOTTLENECK("resnext101_64x4d", 3, 4, 23, 3, 64, 4),
    DEEP("resnet18d", 2, 2, 2, 2, false),
    DEEP("resnet34d", 3, 4, 6, 3, false),
    DEEP("resnet26d", 2, 2, 2, 2, true),
    DEEP("resnet50d", 3, 4, 6, 3, true),
    DEEP("resnet101d", 3, 4, 23, 3, true),
    DEEP("resnet152d", 3, 8, 36, 3, true),
    DEEP("resnet200d", 3, 24, 36, 3, true),
    CIFAR("resnet8_cifar", 1),
    CIFAR("resnet14_cifar", 2),
    CIFAR("resnet20_cifar", 3),
    CIFAR("resnet32_cifar", 5),
    CIFAR("resnet44_cifar", 7),
    CIFAR("resnet56_cifar", 9),
    CIFAR("resnet110_cifar", 18),
};
enum { MEMBERS = sizeof members / sizeof members[0] };

static void set_config(struct architecture *a, const char *name, const struct config *config) {
  _Static_assert(sizeof *config <= sizeof a->config, "struct architecture has room for it");
  snprintf(a->name, sizeof a->name, "%s", name);
  memcpy(&a->config, config, sizeof *config);
}

static bool find(const char *name, struct architecture *found) {
  for (int i = 0; i < MEMBERS; i++) {
    if (strcmp(members[i].name, name) != 0) continue;
    set_config(found, name, &members[i].config);
    found->classes = members[i].config.small_stem ? 10 : 1000;
    return true;
  }
  return false;
}

static const char *member(int i) { return i < MEMBERS ? members[i].name : NULL; }

static const struct tensor *find_conv(const struct checkpoint *checkpoint, const char *name) {
  const struct tensor *t = checkpoint_find(checkpoint, name);
  if (!t || t->dimensions != 4 || t->elements == 0) return NULL;
  for (int i = 0; i < 4; i++) {
    if (t->shape[i] > 1 << 16) return NULL;
  }
  return t;
}

static bool same_network(const struct config *a, const struct config *b) {
  return !memcmp(a->stages, b->stages, sizeof a->stages) && a->bottleneck == b->bottleneck &&
         a->small_stem == b->small_stem && a->deep_stem == b->deep_stem && a->pooled_shortcut == b->pooled_shortcut &&
         a->width == b->width && a->groups == b->groups && a->group_width == b->group_width;
}

/* Everything can be read off: blocks by counting, widths and groups from the first block's kernels. */
static bool recognise(const struct checkpoint *checkpoint, struct architecture *a) {
  struct config c = {.groups = 1, .group_width = 64};
  const struct tensor *deep = find_conv(checkpoint, "conv1.0.weight");
  const struct tensor *stem = find_conv(checkpoint, deep ? "conv1.6.weight" : "conv1.weight");
  const struct tensor *conv1 = find_conv(checkpoint, "layer1.0.conv1.weight");
  const struct tensor *conv2 = find_conv(checkpoint, "layer1.0.conv2.weight");
  if (!stem || !conv1 || !conv2 || (deep ? deep : stem)->shape[1] != 3) return false;
  if (!deep && stem->shape[2] != 7 && stem->shape[2] != 3) return false;
  for (int stage = 0; stage < 4; stage++) {
    char parent[16];
    snprintf(parent, sizeof parent, "layer%d", stage + 1);
    c.stages[stage] = count_modules(checkpoint, parent, "conv1.weight");
  }
  c.width = (int)stem->shape[0];
  c.deep_stem = deep != NULL;
  c.small_stem = !deep && stem->shape[2] == 3;
  c.bottleneck = checkpoint_find(checkpoint, "layer1.0.conv3.weight") != NULL;
  c.pooled_shortcut = find_conv(checkpoint, "layer2.0.downsample.1.weight") != NULL;
  if (c.bottleneck) {
    int width = (int)conv1->shape[0];
    if (conv2->shape[1] > width || width % conv2->shape[1]) return false;
    c.groups = width / (int)conv2->shape[1];
    /* width = planes * group_width / 64 * groups, and the first stage's planes are the stem's width. */
    int64_t scaled = (int64_t)width * 64, unit = (int64_t)c.width * c.groups;
    if (scaled % unit) return false;
    c.group_width = (int)(scaled / unit);
  }
  const char *name = "resnet";
  for (int i = 0; i < MEMBERS; i++) {
    if (same_network(&c, &members[i].config)) name = members[i].name;
  }
  set_config(a, name, &c);
  a->classes = count_classes(checkpoint, "fc.weight");
  return true;
}

static bool adopt(const struct checkpoint *checkpoint, const struct architecture *named, struct architecture *seen) {
  (void)checkpoint;
  return same_network(config(named), config(seen));
}

static void default_recipe(const struct architecture *a, struct recipe *recipe) {
  bool small = config(a)->small_stem;
  *recipe = (struct recipe){.height = small ? 32 : 224,
                            .width = small ? 32 : 224,
                            .crop_fraction = small ? 1.0 : 0.875,
                            .filter = config(a)->deep_stem ? FILTER_BICUBIC : FILTER_BILINEAR,
                            .crop_mode = small ? CROP_NONE : CROP_CENTER,
                            .mean = {0.485f, 0.456f, 0.406f},
                            .std = {0.229f, 0.224f, 0.225f}};
}

const struct family family_resnet = {.name = "resnet",
                                     .find = find,
                                     .recognise = recognise,
                                     .adopt = adopt,
                                     .build = build,
                                     .default_recipe = default_recipe,
                                     .member = member};
