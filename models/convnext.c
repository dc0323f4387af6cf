/* ConvNeXt (Liu et al. 2022) and ConvNeXt V2 (Woo et al. 2023), as timm's ConvNeXt. */
#include <stdio.h>
#include <string.h>

#include "models/architecture.h"

struct config {
  int depths[4], widths[4];
  bool response_norm; /* V2: global response normalisation inside the MLP, no layer scale */
  bool head_norm;     /* a layer norm behind the pooling */
  int image;          /* pixels along the side that the published checkpoint sees */
  double epsilon;
};

static const struct config *config(const struct architecture *a) {
  return (const struct config *)(const void *)&a->config;
}

/* ---- the network ---- */

enum { NAME = 64 };

static struct conv_shape cut(int in, int out, int size) {
  return (struct conv_shape){
      .in_channels = in, .out_channels = out, .kernel = size, .stride = size, .dilation = 1, .groups = 1};
}

/* x + gamma * fc2(gelu(fc1(norm(depthwise(x))))): the norm is part of fc1, gamma of fc2, the sum of its epilogue. */
static value block(struct plan *plan, const struct config *c, value x, int stage, int index) {
  char prefix[NAME], name[8][NAME + 16];
  static const char *const parts[] = {"conv_dw", "norm", "mlp.fc1", "mlp.fc2", "gamma", "mlp.grn"};
  snprintf(prefix, sizeof prefix, "stages.%d.blocks.%d", stage, index);
  for (int i = 0; i < 6; i++) snprintf(name[i], sizeof name[i], "%s.%s", prefix, parts[i]);
  int width = c->widths[stage];
  value y = plan_depthwise(plan, x, name[0], 7);
  y = plan_linear(plan, y, name[2], 4 * width,
                  (struct fusion){.layer_norm = name[1], .epsilon = c->epsilon, .activation = ACTIVATION_GELU});
  if (c->response_norm) y = plan_global_response_norm(plan, y, name[5]);
  return plan_linear(plan, y, name[3], width,
                     (struct fusion){.scale = c->response_norm ? NULL : name[4], .residual = x});
}

static void build(struct plan *plan, const struct architecture *a, const struct recipe *recipe) {
  const struct config *c = config(a);
  value x = plan_input(plan, recipe->height, recipe->width, 3);
  x = plan_conv(plan, x, "stem.0", cut(3, c->widths[0], 4), (struct fusion){0});
  x = plan_layer_norm(plan, x, "stem.1", c->epsilon, NO_VALUE);
  for (int stage = 0; stage < 4; stage++) {
    char norm[NAME], conv[NAME];
    snprintf(norm, sizeof norm, "stages.%d.downsample.0", stage);
    snprintf(conv, sizeof conv, "stages.%d.downsample.1", stage);
    if (stage > 0)
      x = plan_conv(plan, x, conv, cut(c->widths[stage - 1], c->widths[stage], 2),
                    (struct fusion){.layer_norm = norm, .epsilon = c->epsilon});
    for (int i = 0; i < c->depths[stage]; i++) {
      x = block(plan, c, x, stage, i);
      plan_offer_block(plan, x, -1, 0);
    }
  }
  plan_offer(plan, "tokens", x);
  value pooled = plan_mean(plan, x, "head.global_pool", 0, 0);
  plan_offer(plan, "mean", pooled);
  if (c->head_norm) pooled = plan_layer_norm(plan, pooled, "head.norm", c->epsilon, NO_VALUE);
  plan_offer(plan, "pooled", pooled);
  if (a->classes > 0)
    plan_output(plan, OUTPUT_LOGITS, plan_linear(plan, pooled, "head.fc", a->classes, (struct fusion){0}));
}

/* ---- its members ---- */

static const struct member {
  const char *name;
  int depths[4], width; /* of the first stage: each later one has twice as many channels */
  bool response_norm;
  int image;
} members[] = {
    {"convnext_atto", {2, 2, 6, 2}, 40, false, 224},     {"convnext_femto", {2, 2, 6, 2}, 48, false, 224},
    {"convnext_pico", {2, 2, 6, 2}, 64, false, 224},     {"convnext_nano", {2, 2, 8, 2}, 80, false, 224},
    {"convnext_tiny", {3, 3, 9, 3}, 96, false, 224},     {"convnext_small", {3, 3, 27, 3}, 96, false, 224},
    {"convnext_base", {3, 3, 27, 3}, 128, false, 224},   {"convnext_large", {3, 3, 27, 3}, 192, false, 224},
    {"convnext_xlarge", {3, 3, 27, 3}, 256, false, 224}, {"convnextv2_atto", {2, 2, 6, 2}, 40, true, 224},
    {"convnextv2_femto", {2, 2, 6, 2}, 48, true, 224},   {"convnextv2_pico", {2, 2, 6, 2}, 64, true, 224},
    {"convnextv2_nano", {2, 2, 8, 2}, 80, true, 224},    {"convnextv2_tiny", {3, 3, 9, 3}, 96, true, 224},
    {"convnextv2_small", {3, 3, 27, 3}, 96, true, 224},  {"convnextv2_base", {3, 3, 27, 3}, 128, true, 224},
    {"convnextv2_large", {3, 3, 27, 3}, 192, true, 224}, {"convnextv2_huge", {3, 3, 27, 3}, 352, true, 224},
};
enum { MEMBERS = sizeof members / sizeof *members };

static struct config config_of(const struct member *m) {
  struct config c = {.response_norm = m->response_norm, .head_norm = true, .image = m->image, .epsilon = 1e-6};
  for (int stage = 0; stage < 4; stage++) {
    c.depths[stage] = m->depths[stage];
    c.widths[stage] = m->width << stage;
  }
  return c;
}

static void set_config(struct architecture *a, const char *name, const struct config *c) {
  _Static_assert(sizeof *c <= sizeof a->config, "struct architecture has room for it");
  snprintf(a->name, sizeof a->name, "%s", name);
  memcpy(&a->config, c, sizeof *c);
}

static bool find(const char *name, struct architecture *found) {
  for (int i = 0; i < MEMBERS; i++) {
    if (strcmp(members[i].name, name) != 0) continue;
    struct config c = config_of(&members[i]);
    set_config(found, name, &c);
    found->classes = 1000;
    return true;
  }
  return false;
}

static const char *member(int i) { return i < MEMBERS ? members[i].name : NULL; }

static const struct tensor *find_conv(const struct checkpoint *checkpoint, const char *name) {
  const struct tensor *t = checkpoint_find(checkpoint, name);
  return t && t->dimensions == 4 && t->shape[0] > 0 && t->shape[0] <= 1 << 16 ? t : NULL;
}

static bool same_network(const struct config *a, const struct config *b) {
  return !memcmp(a->depths, b->depths, sizeof a->depths) && !memcmp(a->widths, b->widths, sizeof a->widths) &&
         a->response_norm == b->response_norm;
}

static bool recognise(const struct checkpoint *checkpoint, struct architecture *a) {
  const struct tensor *stem = find_conv(checkpoint, "stem.0.weight");
  if (!stem || stem->shape[1] != 3 || !find_conv(checkpoint, "stages.0.blocks.0.conv_dw.weight")) return false;
  struct config c = {.widths = {(int)stem->shape[0]},
                     .response_norm = checkpoint_find(checkpoint, "stages.0.blocks.0.mlp.grn.weight") != NULL,
                     .head_norm = checkpoint_find(checkpoint, "head.norm.weight") != NULL,
                     .image = 224,
                     .epsilon = 1e-6};
  for (int stage = 0; stage < 4; stage++) {
    char name[NAME];
    snprintf(name, sizeof name, "stages.%d.blocks", stage);
    c.depths[stage] = count_modules(checkpoint, name, "conv_dw.weight");
    snprintf(name, sizeof name, "stages.%d.downsample.1.weight", stage);
    const struct tensor *down = find_conv(checkpoint, name);
    if (stage > 0 && !down) return false;
    if (stage > 0) c.widths[stage] = (int)down->shape[0];
  }
  const char *name = c.response_norm ? "convnextv2" : "convnext";
  for (int i = 0; i < MEMBERS; i++) {
    struct config m = config_of(&members[i]);
    if (same_network(&m, &c)) name = members[i].name;
  }
  set_config(a, name, &c);
  a->classes = count_classes(checkpoint, "head.fc.weight");
  return true;
}

static bool adopt(const struct checkpoint *checkpoint, const struct architecture *named, struct architecture *seen) {
  (void)checkpoint;
  return same_network(config(named), config(seen));
}

static void default_recipe(const struct architecture *a, struct recipe *recipe) {
  int size = config(a)->image;
  *recipe = (struct recipe){.height = size,
                            .width = size,
                            .crop_fraction = 0.875,
                            .filter = FILTER_BICUBIC,
                            .crop_mode = CROP_CENTER,
                            .mean = {0.485f, 0.456f, 0.406f},
                            .std = {0.229f, 0.224f, 0.225f}};
}

const struct family family_convnext = {.name = "convnext",
                                       .find = find,
                                       .recognise = recognise,
                                       .adopt = adopt,
                                       .build = build,
                                       .default_recipe = default_recipe,
                                       .member = member};
