/* ResNet (He et al. 2015), wide ResNet (Zagoruyko and Komodakis 2016), ResNeXt (Xie et al. 2017), and the CIFAR ResNets
 * of He et al. section 4.2. The stride sits on the 3x3 convolution of a bottleneck, as in torchvision and timm (v1.5).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/architecture.h"

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
  char conv1[64], conv2[64], conv3[64], bn1[64], bn2[64], bn3[64], shortcut[64], shortcut_bn[64];
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
  return n;
}

/* The identity where shapes agree, else a projection (or, in the CIFAR nets, subsampling and zero channels). */
static value shortcut(struct plan *plan, const struct architecture *a, const struct block_names *n, value x, int out,
                      int stride) {
  int in = plan_shape(plan, x).channels;
  if (in == out && stride == 1) return x;
  if (a->resnet.small_stem) return plan_pad_shortcut(plan, x, n->shortcut, stride, out);
  return plan_conv(plan, x, n->shortcut, n->shortcut_bn, conv(in, out, 1, stride, 1), NO_VALUE, ACTIVATION_NONE);
}

static value basic_block(struct plan *plan, const struct architecture *a, const struct block_names *n, value x,
                         int planes, int stride) {
  int in = plan_shape(plan, x).channels;
  value identity = shortcut(plan, a, n, x, planes, stride);
  value y = plan_conv(plan, x, n->conv1, n->bn1, conv(in, planes, 3, stride, 1), NO_VALUE, ACTIVATION_RELU);
  return plan_conv(plan, y, n->conv2, n->bn2, conv(planes, planes, 3, 1, 1), identity, ACTIVATION_RELU);
}

static value bottleneck_block(struct plan *plan, const struct architecture *a, const struct block_names *n, value x,
                              int planes, int stride) {
  int in = plan_shape(plan, x).channels, out = planes * 4;
  int groups = a->resnet.groups, width = planes * a->resnet.group_width / 64 * groups;
  value identity = shortcut(plan, a, n, x, out, stride);
  value y = plan_conv(plan, x, n->conv1, n->bn1, conv(in, width, 1, 1, 1), NO_VALUE, ACTIVATION_RELU);
  y = plan_conv(plan, y, n->conv2, n->bn2, conv(width, width, 3, stride, groups), NO_VALUE, ACTIVATION_RELU);
  return plan_conv(plan, y, n->conv3, n->bn3, conv(width, out, 1, 1, 1), identity, ACTIVATION_RELU);
}

static void build(struct plan *plan, const struct architecture *a, const struct recipe *recipe) {
  int width = a->resnet.width;
  value x = plan_input(plan, recipe->height, recipe->width, 3);
  if (a->resnet.small_stem) {
    x = plan_conv(plan, x, "conv1", "bn1", conv(3, width, 3, 1, 1), NO_VALUE, ACTIVATION_RELU);
  } else {
    x = plan_conv(plan, x, "conv1", "bn1", conv(3, width, 7, 2, 1), NO_VALUE, ACTIVATION_RELU);
    x = plan_max_pool(plan, x, "maxpool", 3, 2, 1);
  }
  for (int stage = 0; stage < 4; stage++) {
    for (int block = 0; block < a->stages[stage]; block++) {
      struct block_names n = names_of(stage, block);
      int planes = width << stage, stride = stage > 0 && block == 0 ? 2 : 1;
      if (a->resnet.bottleneck)
        x = bottleneck_block(plan, a, &n, x, planes, stride);
      else
        x = basic_block(plan, a, &n, x, planes, stride);
    }
  }
  value features = plan_global_average_pool(plan, x, "global_pool");
  plan_output(plan, OUTPUT_FEATURES, features);
  if (a->classes > 0) plan_output(plan, OUTPUT_LOGITS, plan_linear(plan, features, "fc", a->classes));
}

/* ---- its members --------------------------------------------------------------------------------------------------
 */

static const struct member {
  const char *name;
  int stages[4];
  bool bottleneck, small_stem;
  int width, groups, group_width;
} members[] = {
    {"resnet18", {2, 2, 2, 2}, false, false, 64, 1, 64},
    {"resnet34", {3, 4, 6, 3}, false, false, 64, 1, 64},
    {"resnet50", {3, 4, 6, 3}, true, false, 64, 1, 64},
    {"resnet101", {3, 4, 23, 3}, true, false, 64, 1, 64},
    {"resnet152", {3, 8, 36, 3}, true, false, 64, 1, 64},
    {"wide_resnet50_2", {3, 4, 6, 3}, true, false, 64, 1, 128},
    {"wide_resnet101_2", {3, 4, 23, 3}, true, false, 64, 1, 128},
    {"resnext50_32x4d", {3, 4, 6, 3}, true, false, 64, 32, 4},
    {"resnext101_32x4d", {3, 4, 23, 3}, true, false, 64, 32, 4},
    {"resnext101_32x8d", {3, 4, 23, 3}, true, false, 64, 32, 8},
    {"resnext101_32x16d", {3, 4, 23, 3}, true, false, 64, 32, 16},
    {"resnext101_32x32d", {3, 4, 23, 3}, true, false, 64, 32, 32},
    {"resnext101_64x4d", {3, 4, 23, 3}, true, false, 64, 64, 4},
    {"resnet26", {2, 2, 2, 2}, true, false, 64, 1, 64},
    {"resnet8_cifar", {1, 1, 1, 0}, false, true, 16, 1, 64},
    {"resnet14_cifar", {2, 2, 2, 0}, false, true, 16, 1, 64},
    {"resnet20_cifar", {3, 3, 3, 0}, false, true, 16, 1, 64},
    {"resnet32_cifar", {5, 5, 5, 0}, false, true, 16, 1, 64},
    {"resnet44_cifar", {7, 7, 7, 0}, false, true, 16, 1, 64},
    {"resnet56_cifar", {9, 9, 9, 0}, false, true, 16, 1, 64},
    {"resnet110_cifar", {18, 18, 18, 0}, false, true, 16, 1, 64},
};
enum { MEMBERS = sizeof members / sizeof members[0] };

static void fill(struct architecture *a, const struct member *m) {
  snprintf(a->name, sizeof a->name, "%s", m->name);
  memcpy(a->stages, m->stages, sizeof a->stages);
  a->classes = m->small_stem ? 10 : 1000;
  a->resnet.bottleneck = m->bottleneck;
  a->resnet.small_stem = m->small_stem;
  a->resnet.width = m->width;
  a->resnet.groups = m->groups;
  a->resnet.group_width = m->group_width;
}

static bool find(const char *name, struct architecture *found) {
  for (int i = 0; i < MEMBERS; i++) {
    if (strcmp(members[i].name, name) != 0) continue;
    fill(found, &members[i]);
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

static int count_blocks(const struct checkpoint *checkpoint, int stage) {
  enum { MOST = 1000 };
  for (int block = 0; block < MOST; block++) {
    char name[64];
    snprintf(name, sizeof name, "layer%d.%d.conv1.weight", stage + 1, block);
    if (!checkpoint_find(checkpoint, name)) return block;
  }
  return MOST;
}

static bool same_network(const struct architecture *a, const struct member *m) {
  return !memcmp(a->stages, m->stages, sizeof a->stages) && a->resnet.bottleneck == m->bottleneck &&
         a->resnet.small_stem == m->small_stem && a->resnet.width == m->width && a->resnet.groups == m->groups &&
         a->resnet.group_width == m->group_width;
}

/* Everything can be read off: blocks by counting, widths and groups from the first block's kernels. */
static bool recognise(const struct checkpoint *checkpoint, struct architecture *a) {
  const struct tensor *stem = find_conv(checkpoint, "conv1.weight");
  const struct tensor *conv1 = find_conv(checkpoint, "layer1.0.conv1.weight");
  const struct tensor *conv2 = find_conv(checkpoint, "layer1.0.conv2.weight");
  if (!stem || !conv1 || !conv2 || stem->shape[1] != 3 || (stem->shape[2] != 7 && stem->shape[2] != 3)) return false;
  for (int stage = 0; stage < 4; stage++) a->stages[stage] = count_blocks(checkpoint, stage);
  a->resnet.width = (int)stem->shape[0];
  a->resnet.small_stem = stem->shape[2] == 3;
  a->resnet.bottleneck = checkpoint_find(checkpoint, "layer1.0.conv3.weight") != NULL;
  a->resnet.groups = 1;
  a->resnet.group_width = 64;
  if (a->resnet.bottleneck) {
    int width = (int)conv1->shape[0];
    if (conv2->shape[1] > width || width % conv2->shape[1]) return false;
    a->resnet.groups = width / (int)conv2->shape[1];
    /* width = planes * group_width / 64 * groups, and the first stage's planes are the stem's width. */
    int64_t scaled = (int64_t)width * 64, unit = (int64_t)a->resnet.width * a->resnet.groups;
    if (scaled % unit) return false;
    a->resnet.group_width = (int)(scaled / unit);
  }
  const struct tensor *head = checkpoint_find(checkpoint, "fc.weight");
  a->classes = head && head->dimensions == 2 && head->shape[0] <= 1 << 20 ? (int)head->shape[0] : 0;
  snprintf(a->name, sizeof a->name, "resnet");
  for (int i = 0; i < MEMBERS; i++) {
    if (same_network(a, &members[i])) snprintf(a->name, sizeof a->name, "%s", members[i].name);
  }
  return true;
}

static void default_recipe(const struct architecture *a, struct recipe *recipe) {
  int size = a->resnet.small_stem ? 32 : 224;
  *recipe = (struct recipe){.height = size,
                            .width = size,
                            .crop_fraction = a->resnet.small_stem ? 1.0 : 0.875,
                            .filter = FILTER_BILINEAR,
                            .crop_mode = a->resnet.small_stem ? CROP_NONE : CROP_CENTER,
                            .mean = {0.485f, 0.456f, 0.406f},
                            .std = {0.229f, 0.224f, 0.225f}};
}

const struct family family_resnet = {.name = "resnet",
                                     .find = find,
                                     .recognise = recognise,
                                     .build = build,
                                     .default_recipe = default_recipe,
                                     .member = member};
