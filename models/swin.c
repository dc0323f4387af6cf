/* Swin (Liu et al. 2021) and Swin V2 (Liu et al. 2022), as timm's SwinTransformer and SwinTransformerV2. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/architecture.h"
#include "models/plan_internal.h"
#include "models/transformer.h"

struct config {
  bool v2;
  int depths[4], width, heads; /* of the first stage: each later one has twice as many channels and heads */
  int hidden; /* channels of the first stage's MLP within; doubles likewise. 4 * width in all members */
  int patch, window, image;
  int trained_window[4]; /* V2: each stage's window when its position bias was trained, 0: the window itself */
  double epsilon;
};

static const struct config *config(const struct architecture *a) {
  return (const struct config *)(const void *)&a->config;
}

enum { HIDDEN_BIAS = 512 /* channels of V2's position network */ };

/* ---- position bias ---- */

/* A table [(2w - 1)^2, heads] of relative positions has row dy + w - 1, column dx + w - 1 for the query's offset from
 * the key; attention wants [heads] of them, and the key's offset from the query. */
static float *turn_table(const float *table, int window, int heads, error *e) {
  size_t offsets = (size_t)(2 * window - 1) * (size_t)(2 * window - 1);
  float *turned = allocate((size_t)heads, offsets * sizeof *turned, e);
  for (size_t h = 0; turned && h < (size_t)heads; h++) {
    for (size_t i = 0; i < offsets; i++) turned[h * offsets + i] = table[(offsets - 1 - i) * (size_t)heads + h];
  }
  return turned;
}

/* The same for every pair of a window's tokens, [heads, n, n]. */
static float *spread_table(const float *table, int window, int heads, error *e) {
  int n = window * window, side = 2 * window - 1;
  float *bias = allocate((size_t)heads * (size_t)n, (size_t)n * sizeof *bias, e), *to = bias;
  for (int h = 0; bias && h < heads; h++) {
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        int dy = i / window - j / window + window - 1, dx = i % window - j % window + window - 1;
        *to++ = table[(dy * side + dx) * heads + h];
      }
    }
  }
  return bias;
}

/* Pairs are faster to add for the usual windows of 7 and 8; for those of 24 they would outweigh the network. */
static void set_bias(struct plan *plan, struct attention_shape *shape, const float *table, int window, int heads) {
  enum { LARGEST_SPREAD = 8 };
  error reason = {""};
  if (window <= LARGEST_SPREAD)
    shape->bias = spread_table(table, window, heads, &reason);
  else
    shape->relative_bias = turn_table(table, window, heads, &reason);
  if (!shape->bias && !shape->relative_bias) plan_give_up(plan, &reason);
}

static double log_spaced(int offset, int window) {
  double x = 8.0 * offset / (window > 1 ? window - 1 : 1);
  return copysign(log2(fabs(x) + 1) / 3, x);
}

/* V2's continuous position bias: 16 sigmoid(linear(relu(linear(log-spaced offsets)))), [(2w - 1)^2, heads]. */
static void continuous_bias(const float *w1, const float *b1, const float *w2, int window, int trained, int heads,
                            float *table) {
  int side = 2 * window - 1;
  for (int i = 0; i < side * side; i++, table += heads) {
    double y = log_spaced(i / side - window + 1, trained), x = log_spaced(i % side - window + 1, trained);
    double hidden[HIDDEN_BIAS];
    for (int k = 0; k < HIDDEN_BIAS; k++) {
      double sum = (double)w1[2 * k] * y + (double)w1[2 * k + 1] * x + (double)b1[k];
      hidden[k] = sum > 0 ? sum : 0;
    }
    for (int h = 0; h < heads; h++) {
      double sum = 0;
      for (int k = 0; k < HIDDEN_BIAS; k++) sum += (double)w2[h * HIDDEN_BIAS + k] * hidden[k];
      table[h] = (float)(16 / (1 + exp(-sum)));
    }
  }
}

/* The table of a block whose attention is called `attn`; NULL when something is missing. */
static float *bias_table(struct plan *plan, const struct config *c, const char *attn, int stage, int window,
                         int heads) {
  int64_t rows = (int64_t)(2 * window - 1) * (2 * window - 1), shape[2] = {rows, heads};
  if (!c->v2) return plan_take(plan, attn, "relative_position_bias_table", 2, shape);
  int64_t first[2] = {HIDDEN_BIAS, 2}, second[2] = {heads, HIDDEN_BIAS};
  float *w1 = plan_take(plan, attn, "cpb_mlp.0.weight", 2, first);
  float *b1 = plan_take(plan, attn, "cpb_mlp.0.bias", 1, first);
  float *w2 = plan_take(plan, attn, "cpb_mlp.2.weight", 2, second);
  error reason = {""};
  float *table = w1 && b1 && w2 ? allocate((size_t)rows, (size_t)heads * sizeof *table, &reason) : NULL;
  int trained = c->trained_window[stage] ? c->trained_window[stage] : window;
  if (table)
    continuous_bias(w1, b1, w2, window, trained, heads, table);
  else if (w1 && b1 && w2)
    plan_give_up(plan, &reason);
  free(w1);
  free(b1);
  free(w2);
  return table;
}

/* V2's factors of the logits: exp(min(logit_scale, ln 100)). */
static float *head_scale(struct plan *plan, const char *attn, int heads) {
  int64_t shape[3] = {heads, 1, 1};
  float *scale = plan_take(plan, attn, "logit_scale", 3, shape);
  for (int h = 0; scale && h < heads; h++) scale[h] = (float)exp(fmin((double)scale[h], log(100)));
  return scale;
}

/* ---- the network ---- */

static value window_attention(struct plan *plan, const struct config *c, value x, const char *prefix, int stage,
                              bool shifted) {
  char attn[MAX_NAME], qkv[MAX_NAME], norm[MAX_NAME];
  struct value_shape map = plan_shape(plan, x);
  int width = map.channels, heads = c->heads << stage, head_size = width / heads;
  int window = map.height < c->window ? map.height : c->window;
  if (map.height != map.width && window < c->window) window = c->window; /* refused below */
  if (map.height % window || map.width % window)
    plan_refuse(plan, "%s: windows of %d x %d do not divide a map of %d x %d: choose another input size", prefix,
                window, window, map.height, map.width);
  int shift = shifted && map.height > window ? window / 2 : 0;
  plan_tensor_name(attn, prefix, "attn");
  struct fusion fusion = {.layer_norm = c->v2 ? NULL : plan_tensor_name(norm, prefix, "norm1"), .epsilon = c->epsilon};
  /* V2 has no bias of the keys; torchvision stores one and never uses it. */
  float *bias = c->v2 ? transformer_keyless_bias(plan, attn, width) : NULL;
  fusion.bias = bias;
  value projected = plan_linear(plan, x, plan_tensor_name(qkv, attn, "qkv"), 3 * width, fusion);
  free(bias);
  struct attention_shape shape = {.heads = heads,
                                  .head_size = head_size,
                                  .window_height = window,
                                  .window_width = window,
                                  .map_height = map.height,
                                  .map_width = map.width,
                                  .shift_y = shift,
                                  .shift_x = shift,
                                  .scale = (float)(1 / sqrt(head_size)),
                                  .cosine = c->v2};
  float *table = bias_table(plan, c, attn, stage, window, heads);
  if (table) set_bias(plan, &shape, table, window, heads);
  free(table);
  if (c->v2) shape.head_scale = head_scale(plan, attn, heads);
  return plan_attention(plan, attn, (struct attention_inputs){projected, projected, projected, 0, width, 2 * width},
                        shape);
}

/* V1 normalises before each branch, V2 behind it: x + norm(branch(x)). */
static value block(struct plan *plan, const struct config *c, value x, int stage, int index) {
  char prefix[MAX_NAME], proj[MAX_NAME], norm1[MAX_NAME], norm2[MAX_NAME], fc1[MAX_NAME], fc2[MAX_NAME];
  snprintf(prefix, sizeof prefix, "layers.%d.blocks.%d", stage, index);
  int width = c->width << stage;
  value y = window_attention(plan, c, x, prefix, stage, index % 2 == 1);
  plan_tensor_name(norm1, prefix, "norm1");
  plan_tensor_name(norm2, prefix, "norm2");
  y = plan_linear(plan, y, plan_tensor_name(proj, prefix, "attn.proj"), width,
                  (struct fusion){.residual = c->v2 ? NO_VALUE : x});
  x = c->v2 ? plan_layer_norm(plan, y, norm1, c->epsilon, x) : y;
  y = plan_linear(
      plan, x, plan_tensor_name(fc1, prefix, "mlp.fc1"), c->hidden << stage,
      (struct fusion){.layer_norm = c->v2 ? NULL : norm2, .epsilon = c->epsilon, .activation = ACTIVATION_GELU});
  y = plan_linear(plan, y, plan_tensor_name(fc2, prefix, "mlp.fc2"), width,
                  (struct fusion){.residual = c->v2 ? NO_VALUE : x});
  return c->v2 ? plan_layer_norm(plan, y, norm2, c->epsilon, x) : y;
}

static value merge(struct plan *plan, const struct config *c, value x, int stage) {
  char reduction[MAX_NAME], norm[MAX_NAME];
  snprintf(reduction, sizeof reduction, "layers.%d.downsample.reduction", stage);
  snprintf(norm, sizeof norm, "layers.%d.downsample.norm", stage);
  int width = c->width << stage;
  if (!c->v2)
    return plan_patch_merging(plan, x, reduction, width, (struct fusion){.layer_norm = norm, .epsilon = c->epsilon});
  x = plan_patch_merging(plan, x, reduction, width, (struct fusion){0});
  return plan_layer_norm(plan, x, norm, c->epsilon, NO_VALUE);
}

static void build(struct plan *plan, const struct architecture *a, const struct recipe *recipe) {
  const struct config *c = config(a);
  if (c->window == 0) {
    plan_refuse(plan, "the window of a Swin V2 is not in its tensors: name the architecture (--arch)");
    return;
  }
  struct conv_shape patches = {
      .in_channels = 3, .out_channels = c->width, .kernel = c->patch, .stride = c->patch, .dilation = 1, .groups = 1};
  value x = plan_input(plan, recipe->height, recipe->width, 3);
  x = plan_conv(plan, x, "patch_embed.proj", patches, (struct fusion){0});
  x = plan_layer_norm(plan, x, "patch_embed.norm", c->epsilon, NO_VALUE);
  for (int stage = 0; stage < 4; stage++) {
    if (stage > 0) x = merge(plan, c, x, stage);
    for (int i = 0; i < c->depths[stage]; i++) {
      x = block(plan, c, x, stage, i);
      plan_offer_block(plan, x, -1, 0);
    }
  }
  x = plan_layer_norm(plan, x, "norm", c->epsilon, NO_VALUE);
  plan_offer(plan, "tokens", x);
  value pooled = plan_mean(plan, x, "head.global_pool", 0, 0);
  plan_offer(plan, "pooled", pooled);
  if (a->classes > 0)
    plan_output(plan, OUTPUT_LOGITS, plan_linear(plan, pooled, "head.fc", a->classes, (struct fusion){0}));
}

/* ---- its members ---- */

static const struct member {
  const char *name;
  int depth, width;           /* blocks of the third stage; the others have 2 */
  int window, image, trained; /* trained: V2's window at its first training, where it grew afterwards */
  bool v2;
} members[] = {
    {"swin_tiny_patch4_window7_224", 6, 96, 7, 224, 0, false},
    {"swin_small_patch4_window7_224", 18, 96, 7, 224, 0, false},
    {"swin_base_patch4_window7_224", 18, 128, 7, 224, 0, false},
    {"swin_base_patch4_window12_384", 18, 128, 12, 384, 0, false},
    {"swin_large_patch4_window7_224", 18, 192, 7, 224, 0, false},
    {"swin_large_patch4_window12_384", 18, 192, 12, 384, 0, false},
    {"swinv2_tiny_window8_256", 6, 96, 8, 256, 0, true},
    {"swinv2_tiny_window16_256", 6, 96, 16, 256, 0, true},
    {"swinv2_small_window8_256", 18, 96, 8, 256, 0, true},
    {"swinv2_small_window16_256", 18, 96, 16, 256, 0, true},
    {"swinv2_base_window8_256", 18, 128, 8, 256, 0, true},
    {"swinv2_base_window16_256", 18, 128, 16, 256, 0, true},
    {"swinv2_base_window12_192", 18, 128, 12, 192, 0, true},
    {"swinv2_base_window12to16_192to256", 18, 128, 16, 256, 12, true},
    {"swinv2_base_window12to24_192to384", 18, 128, 24, 384, 12, true},
    {"swinv2_large_window12_192", 18, 192, 12, 192, 0, true},
    {"swinv2_large_window12to16_192to256", 18, 192, 16, 256, 12, true},
    {"swinv2_large_window12to24_192to384", 18, 192, 24, 384, 12, true},
};
enum { MEMBERS = sizeof members / sizeof *members };

static struct config config_of(const struct member *m) {
  int t = m->trained;
  return (struct config){.v2 = m->v2,
                         .depths = {2, 2, m->depth, 2},
                         .width = m->width,
                         .heads = m->width / 32,
                         .hidden = 4 * m->width,
                         .patch = 4,
                         .window = m->window,
                         .image = m->image,
                         .trained_window = {t, t, t, t / 2},
                         .epsilon = 1e-5};
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

/* Side of the window whose table has `rows` = (2 side - 1)^2 relative positions; 0 when there is none. */
static int window_of_table(int64_t rows) {
  for (int side = 1; side <= 64; side++) {
    if ((int64_t)(2 * side - 1) * (2 * side - 1) == rows) return side;
  }
  return 0;
}

/* V1's window is in its tables. V2's is told by a config; else a checkpoint's buffer of coordinates may show it. */
static int find_window(const struct checkpoint *checkpoint, bool v2) {
  const char *name =
      v2 ? "layers.0.blocks.0.attn.relative_coords_table" : "layers.0.blocks.0.attn.relative_position_bias_table";
  const struct tensor *t = checkpoint_find(checkpoint, name);
  if (v2 && checkpoint->hints.window > 0) return checkpoint->hints.window;
  if (!t) return 0;
  return window_of_table(v2 ? t->elements / 2 : t->dimensions == 2 ? t->shape[0] : 0);
}

/* The window at which a stage's position bias was trained, from its buffer of coordinates [1, 2w - 1, 2w - 1, 2], whose
 * last is log_spaced(w - 1, trained): 0 where it is the window itself or there is no such buffer. */
static int find_trained_window(const struct checkpoint *checkpoint, int stage) {
  char name[64];
  snprintf(name, sizeof name, "layers.%d.blocks.0.attn.relative_coords_table", stage);
  const struct tensor *t = checkpoint_find(checkpoint, name);
  int window = t && t->elements > 0 && t->elements < 1 << 16 ? window_of_table(t->elements / 2) : 0;
  error ignored;
  float *table = window > 1 ? allocate((size_t)t->elements, sizeof *table, &ignored) : NULL;
  double last = table && tensor_to_float(t, table, &ignored) == OK ? (double)table[t->elements - 1] : 0;
  free(table);
  double trained = last > 0 ? 8 * (window - 1) / (exp2(3 * last) - 1) + 1 : 0;
  int rounded = trained > 0 && trained < 4096 ? (int)lround(trained) : 0;
  return rounded == window ? 0 : rounded;
}

/* Of the first block; one that differs is told as misshapen. */
static int find_hidden(const struct checkpoint *checkpoint, int width) {
  const struct tensor *hidden = checkpoint_find(checkpoint, "layers.0.blocks.0.mlp.fc1.weight");
  bool sound = hidden && hidden->dimensions == 2 && hidden->shape[0] >= 1 && hidden->shape[0] <= 64 * (int64_t)width;
  return sound ? (int)hidden->shape[0] : 4 * width;
}

static bool recognise(const struct checkpoint *checkpoint, struct architecture *a) {
  const struct tensor *patches = checkpoint_find(checkpoint, "patch_embed.proj.weight");
  if (!patches || patches->dimensions != 4 || patches->shape[1] != 3 || patches->shape[0] > 1 << 16) return false;
  if (patches->shape[0] < 1 || patches->shape[2] < 1 || patches->shape[2] > 64) return false;
  const struct tensor *scale = checkpoint_find(checkpoint, "layers.0.blocks.0.attn.logit_scale");
  const struct tensor *table = checkpoint_find(checkpoint, "layers.0.blocks.0.attn.relative_position_bias_table");
  if (!scale && (!table || table->dimensions != 2)) return false;
  struct config c = {.v2 = scale != NULL,
                     .width = (int)patches->shape[0],
                     .patch = (int)patches->shape[2],
                     .window = find_window(checkpoint, scale != NULL),
                     .epsilon = checkpoint->hints.norm_epsilon > 0 ? checkpoint->hints.norm_epsilon : 1e-5};
  int64_t heads = scale ? scale->elements : table->shape[1];
  if (heads < 1 || heads > c.width || c.width % heads || (!c.v2 && !c.window)) return false;
  c.heads = (int)heads;
  c.hidden = find_hidden(checkpoint, c.width);
  memcpy(c.trained_window, checkpoint->hints.trained_window, sizeof c.trained_window);
  for (int stage = 0; stage < 4; stage++) {
    if (c.v2 && !checkpoint->hints.window) c.trained_window[stage] = find_trained_window(checkpoint, stage);
    char parent[32];
    snprintf(parent, sizeof parent, "layers.%d.blocks", stage);
    c.depths[stage] = count_modules(checkpoint, parent, "norm1.weight");
  }
  c.image = c.patch * 8 * c.window;
  const char *name = c.v2 ? "swinv2" : "swin";
  for (int i = MEMBERS - 1; i >= 0; i--) {
    struct config m = config_of(&members[i]);
    if (m.v2 == c.v2 && m.width == c.width && m.hidden == c.hidden && m.window == c.window &&
        !memcmp(m.depths, c.depths, sizeof m.depths) &&
        !memcmp(m.trained_window, c.trained_window, sizeof m.trained_window)) {
      name = members[i].name;
      c.image = m.image;
    }
  }
  set_config(a, name, &c);
  a->classes = count_classes(checkpoint, "head.fc.weight");
  return true;
}

/* The window of a V2 is the name's where no config says it. */
static bool adopt(const struct checkpoint *checkpoint, const struct architecture *named, struct architecture *seen) {
  (void)checkpoint;
  const struct config *n = config(named);
  struct config c = *config(seen);
  if (n->v2 != c.v2 || n->width != c.width || n->hidden != c.hidden ||
      memcmp(n->depths, c.depths, sizeof c.depths) != 0)
    return false;
  if (c.window == 0) {
    c.window = n->window;
    memcpy(c.trained_window, n->trained_window, sizeof c.trained_window);
  }
  if (c.window != n->window) return false;
  c.image = n->image;
  set_config(seen, named->name, &c);
  return true;
}

static void describe(const struct architecture *a, struct hints *hints) {
  hints->norm_epsilon = config(a)->epsilon;
  hints->window = config(a)->window;
  memcpy(hints->trained_window, config(a)->trained_window, sizeof hints->trained_window);
}

static void default_recipe(const struct architecture *a, struct recipe *recipe) {
  int size = config(a)->image > 0 ? config(a)->image : 256;
  *recipe = (struct recipe){.height = size,
                            .width = size,
                            .crop_fraction = size >= 384 ? 1.0 : 0.9,
                            .filter = FILTER_BICUBIC,
                            .crop_mode = CROP_CENTER,
                            .mean = {0.485f, 0.456f, 0.406f},
                            .std = {0.229f, 0.224f, 0.225f}};
}

const struct family family_swin = {.name = "swin",
                                   .find = find,
                                   .recognise = recognise,
                                   .adopt = adopt,
                                   .describe = describe,
                                   .build = build,
                                   .default_recipe = default_recipe,
                                   .member = member};
