/* ViT, DeiT (Touvron et al. 2021) with its distilled and third versions, DINO, MAE, MoCo v3, DINOv2 with and without
 * registers, DINOv3: one network with options, as timm's VisionTransformer and Eva. */
#include "models/vit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/plan_internal.h"
#include "models/position.h"

/* ---- the network ---- */

static int prefix_tokens(const struct vit *v) { return v->class_token + v->distilled + v->registers; }

/* Tokens before the patches, [prefix_tokens, width], their positions not yet added; NULL when there are none or
 * something is missing. */
static float *take_prefix(struct plan *plan, const struct vit *v) {
  int64_t width = v->transformer.width, one[3] = {1, 1, width}, registers[3] = {1, v->registers, width};
  error reason;
  float *prefix = allocate((size_t)prefix_tokens(v) + 1, (size_t)width * sizeof *prefix, &reason), *to = prefix;
  if (!prefix) {
    plan_give_up(plan, &reason);
    return NULL;
  }
  const struct {
    const char *name;
    int count;
    const int64_t *shape;
  } tokens[] = {
      {"cls_token", v->class_token, one}, {"dist_token", v->distilled, one}, {"reg_token", v->registers, registers}};
  for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
    if (tokens[i].count == 0) continue;
    float *values = weights_take(plan->weights, tokens[i].name, 3, tokens[i].shape);
    size_t floats = (size_t)tokens[i].count * (size_t)width;
    if (values) {
      weights_observe(plan->weights, tokens[i].name, 3, tokens[i].shape, values);
      memcpy(to, values, floats * sizeof *to);
    }
    to += floats;
    free(values);
  }
  return prefix;
}

/* Add the table's first rows to the prefix tokens, and return the others on the grid, or NULL. */
static float *take_positions(struct plan *plan, const struct vit *v, struct grid grid, float *prefix) {
  int side = square_side(v->table_tokens - v->table_prefix);
  if (side == 0) {
    plan_refuse(plan, "pos_embed: %d positions (and %d before them) do not form a square",
                v->table_tokens - v->table_prefix, v->table_prefix);
    return NULL;
  }
  int64_t width = v->transformer.width, shape[3] = {1, v->table_tokens, width};
  float *table = weights_take(plan->weights, "pos_embed", 3, shape);
  if (!table) return NULL;
  weights_observe(plan->weights, "pos_embed", 3, shape, table);
  int64_t first = v->table_prefix * width;
  for (int64_t i = 0; prefix && i < first; i++) prefix[i] += table[i];
  error reason;
  float *positions = position_resample(table + first, (struct grid){side, side}, grid, (int)width,
                                       v->plain_resampling ? RESAMPLE_PLAIN : RESAMPLE_ANTIALIASED, &reason);
  if (!positions) plan_give_up(plan, &reason);
  free(table);
  return positions;
}

static value embed(struct plan *plan, const struct vit *v, const struct recipe *recipe, struct grid *grid) {
  int width = v->transformer.width;
  if (recipe->height % v->patch || recipe->width % v->patch)
    plan_refuse(plan, "an input of %d x %d pixels is not cut evenly into patches of %d", recipe->height, recipe->width,
                v->patch);
  struct conv_shape patches = {
      .in_channels = 3, .out_channels = width, .kernel = v->patch, .stride = v->patch, .dilation = 1, .groups = 1};
  value x = plan_input(plan, recipe->height, recipe->width, 3);
  x = plan_conv(plan, x, "patch_embed.proj", patches, (struct fusion){.no_bias = !v->patch_bias});
  struct value_shape map = plan_shape(plan, x);
  *grid = (struct grid){map.height, map.width};
  float *prefix = take_prefix(plan, v);
  float *positions = v->table_tokens ? take_positions(plan, v, *grid, prefix) : NULL;
  x = plan_tokens(plan, x, "tokens", prefix, prefix ? prefix_tokens(v) : 0, width, positions);
  free(prefix);
  free(positions);
  return x;
}

/* Rows [from, from + rows) of the fused projection of an attention pool, when the checkpoint has it fused. */
static value pool_projection(struct plan *plan, value x, const char *name, int from, int rows) {
  char tensor[64];
  int64_t width = plan_shape(plan, x).channels, fused[2] = {3 * width, width}, shape[2] = {rows, width};
  snprintf(tensor, sizeof tensor, "%s.weight", name);
  if (weights_have(plan->weights, tensor)) return plan_linear(plan, x, name, rows, (struct fusion){0});
  float *weight = weights_take(plan->weights, "attn_pool.qkv.weight", 2, fused);
  float *bias = weights_take(plan->weights, "attn_pool.qkv.bias", 1, fused);
  value y = NO_VALUE;
  if (weight && bias) {
    struct fusion part = {.weight = weight + from * width, .bias = bias + from};
    weights_observe(plan->weights, tensor, 2, shape, part.weight);
    snprintf(tensor, sizeof tensor, "%s.bias", name);
    weights_observe(plan->weights, tensor, 1, shape, part.bias);
    y = plan_linear(plan, x, name, rows, part);
    plan->weights->parameters -= (fused[0] - rows) * (width + 1); /* both parts take the whole */
  }
  free(weight);
  free(bias);
  return y;
}

/* SigLIP's head (Zhai et al. 2023; timm's AttentionPoolLatent): a learned query looks at all tokens, then an MLP. */
static value attention_pool(struct plan *plan, const struct vit *v, value tokens) {
  const struct transformer *t = &v->transformer;
  int64_t shape[3] = {1, 1, t->width};
  float *latent = weights_take(plan->weights, "attn_pool.latent", 3, shape);
  if (latent) weights_observe(plan->weights, "attn_pool.latent", 3, shape, latent);
  value q = plan_tokens(plan, NO_VALUE, "attn_pool.latent", latent, latent != NULL, t->width, NULL);
  free(latent);
  q = pool_projection(plan, q, "attn_pool.q", 0, t->width);
  value kv = pool_projection(plan, tokens, "attn_pool.kv", t->width, 2 * t->width);
  int size = t->width / t->heads;
  struct attention_shape attention = {.heads = t->heads, .head_size = size, .scale = (float)(1 / sqrt(size))};
  value x = plan_attention(plan, "attn_pool", (struct attention_inputs){q, kv, kv, 0, 0, t->width}, attention);
  x = plan_linear(plan, x, "attn_pool.proj", t->width, (struct fusion){0});
  return transformer_mlp(plan, x, "attn_pool", "attn_pool.norm", NULL, t);
}

static value pool(struct plan *plan, const struct vit *v, value tokens) {
  value token = v->class_token ? plan_select(plan, tokens, "class", 0) : NO_VALUE;
  value mean = plan_mean(plan, tokens, "mean", prefix_tokens(v), 0);
  if (v->class_token) plan_offer(plan, "class", token);
  plan_offer(plan, "mean", mean);
  if (v->class_token) plan_offer(plan, "class+mean", plan_concatenate(plan, token, mean, "class+mean"));
  switch (v->pooling) {
    case POOL_ATTENTION:
      return attention_pool(plan, v, tokens);
    case POOL_TOKEN_AND_MEAN:
      return plan_concatenate(plan, token, mean, "pool");
    case POOL_MEAN:
      return mean;
    default:
      return v->distilled ? plan_mean(plan, tokens, "pool", 0, 2) : token;
  }
}

/* A distilled DeiT answers with the mean of its two heads. */
static value head(struct plan *plan, const struct vit *v, value tokens, value pooled, int classes) {
  if (!v->distilled) return plan_linear(plan, pooled, "head", classes, (struct fusion){.no_bias = !v->head_bias});
  value token = plan_select(plan, tokens, "class", 0), distilled = plan_select(plan, tokens, "distilled", 1);
  value half = plan_linear(plan, token, "head", classes, (struct fusion){.factor = 0.5});
  return plan_linear(plan, distilled, "head_dist", classes, (struct fusion){.factor = 0.5, .residual = half});
}

/* The rotary tables; cos is NULL when there are none. free() both. */
static struct rotary make_rotary(struct plan *plan, const struct vit *v, struct grid grid) {
  int size = v->transformer.width / v->transformer.heads;
  if (!v->rotary) return (struct rotary){0};
  if (size % 4) plan_refuse(plan, "rotary positions need heads of a multiple of 4 channels, not %d", size);
  error reason;
  size_t floats = (size_t)grid.height * (size_t)grid.width * (size_t)size;
  float *cosines = allocate(floats, sizeof *cosines, &reason), *sines = allocate(floats, sizeof *sines, &reason);
  if (!cosines || !sines) {
    plan_give_up(plan, &reason);
    free(cosines);
    free(sines);
    return (struct rotary){0};
  }
  if (size % 4 == 0) position_rotary(grid, size, 100, cosines, sines);
  return (struct rotary){cosines, sines, floats, prefix_tokens(v)};
}

void vit_build(struct plan *plan, const struct vit *v, int classes, const struct recipe *recipe) {
  struct grid grid;
  value x = embed(plan, v, recipe, &grid);
  struct rotary rotary = make_rotary(plan, v, grid);
  if (v->norm_pre) x = plan_layer_norm(plan, x, "norm_pre", v->transformer.epsilon, NO_VALUE);
  for (int i = 0; i < v->transformer.depth; i++) {
    char name[32];
    snprintf(name, sizeof name, "blocks.%d", i);
    x = transformer_block(plan, x, name, &v->transformer, &rotary);
    plan_offer_block(plan, x, v->class_token && v->pooling != POOL_MEAN ? 0 : -1, prefix_tokens(v));
  }
  free((float *)rotary.cos);
  free((float *)rotary.sin);
  if (v->norm) x = plan_layer_norm(plan, x, "norm", v->transformer.epsilon, NO_VALUE);
  plan_offer(plan, "tokens", x);
  value pooled = pool(plan, v, x);
  if (v->fc_norm) pooled = plan_layer_norm(plan, pooled, "fc_norm", v->transformer.epsilon, NO_VALUE);
  plan_offer(plan, "pooled", pooled);
  if (classes == 0) return;
  value answer = head(plan, v, x, pooled, classes);
  if (v->projection)
    plan_offer(plan, "projected", answer);
  else
    plan_output(plan, OUTPUT_LOGITS, answer);
}

/* ---- sizes ---- */

const struct vit_size vit_sizes[] = {
    [VIT_TINY] = {"tiny", 192, 12, 3, 768},
    [VIT_SMALL] = {"small", 384, 12, 6, 1536},
    [VIT_MEDIUM] = {"medium", 512, 12, 8, 2048},
    [VIT_BASE] = {"base", 768, 12, 12, 3072},
    [VIT_LARGE] = {"large", 1024, 24, 16, 4096},
    [VIT_SO400M] = {"so400m", 1152, 27, 16, 4304},
    [VIT_HUGE] = {"huge", 1280, 32, 16, 5120},
    [VIT_GIANT] = {"giant", 1408, 40, 16, 6144},
    [VIT_GIGANTIC] = {"gigantic", 1664, 48, 16, 8192},
    [VIT_GIANT2] = {"giant", 1536, 40, 24, 8192},
};
enum { SIZES = sizeof vit_sizes / sizeof *vit_sizes };

struct vit vit_of_size(int size, int patch, int image) {
  const struct vit_size *s = &vit_sizes[size];
  int side = image / patch;
  return (struct vit){.transformer = {.width = s->width,
                                      .depth = s->depth,
                                      .heads = s->heads,
                                      .hidden = s->hidden,
                                      .activation = ACTIVATION_GELU,
                                      .epsilon = 1e-6},
                      .patch = patch,
                      .image = image,
                      .table_tokens = side * side + 1,
                      .table_prefix = 1,
                      .class_token = true,
                      .patch_bias = true,
                      .norm = true,
                      .head_bias = true,
                      .pooling = POOL_TOKEN};
}

bool vit_same(const struct vit *a, const struct vit *b) {
  const struct transformer *s = &a->transformer, *t = &b->transformer;
  return s->width == t->width && s->depth == t->depth && s->heads == t->heads && s->hidden == t->hidden &&
         s->gated == t->gated && s->scale == t->scale && s->qkv_bias == t->qkv_bias && s->activation == t->activation &&
         a->patch == b->patch && a->image == b->image && a->table_prefix == b->table_prefix &&
         a->registers == b->registers && a->class_token == b->class_token && a->distilled == b->distilled &&
         a->norm_pre == b->norm_pre && a->rotary == b->rotary &&
         (a->pooling == POOL_ATTENTION) == (b->pooling == POOL_ATTENTION);
}

/* ---- reading a checkpoint ---- */

static const struct tensor *find_shaped(const struct checkpoint *checkpoint, const char *name, int dimensions) {
  const struct tensor *t = checkpoint_find(checkpoint, name);
  if (!t || t->dimensions < dimensions || t->elements == 0) return NULL;
  for (int i = 0; i < t->dimensions; i++) {
    if (t->shape[i] > 1 << 20) return NULL;
  }
  return t;
}

static bool have(const struct checkpoint *checkpoint, const char *name) {
  char part[128];
  snprintf(part, sizeof part, "%s#0", name);
  return checkpoint_find(checkpoint, name) || checkpoint_find(checkpoint, part);
}

/* Tokens of a [1, tokens, width] or [tokens, width] tensor, 0 when it is not there. */
static int token_count(const struct checkpoint *checkpoint, const char *name) {
  const struct tensor *t = find_shaped(checkpoint, name, 2);
  return t ? (int)t->shape[t->dimensions - 2] : 0;
}

static int usual_heads(int width, int depth) {
  for (int i = 0; i < SIZES; i++) {
    if (vit_sizes[i].width == width && vit_sizes[i].depth == depth) return vit_sizes[i].heads;
  }
  return width % 64 == 0 ? width / 64 : 1;
}

static const struct {
  const char *name;
  enum activation activation;
} activations[] = {{"gelu", ACTIVATION_GELU},
                   {"gelu_tanh", ACTIVATION_GELU_TANH},
                   {"quick_gelu", ACTIVATION_QUICK_GELU},
                   {"silu", ACTIVATION_SILU},
                   {"relu", ACTIVATION_RELU}};
enum { ACTIVATIONS = sizeof activations / sizeof *activations };

static enum activation activation_named(const char *name) {
  for (int i = 0; i < ACTIVATIONS; i++) {
    if (!strcmp(activations[i].name, name)) return activations[i].activation;
  }
  return ACTIVATION_GELU;
}

static const char *const poolings[] = {
    [POOL_TOKEN] = "token", [POOL_MEAN] = "avg", [POOL_TOKEN_AND_MEAN] = "token+avg", [POOL_ATTENTION] = "map"};

static enum pooling pooling_named(const char *name, enum pooling usual) {
  for (int i = 0; i < POOL_ATTENTION; i++) {
    if (!strcmp(name, poolings[i])) return (enum pooling)i;
  }
  return usual;
}

void vit_describe(const struct vit *v, struct hints *hints) {
  hints->heads = v->transformer.heads;
  hints->norm_epsilon = v->transformer.epsilon;
  hints->plain_resampling = v->plain_resampling;
  for (int i = 0; i < ACTIVATIONS; i++) {
    if (activations[i].activation == v->transformer.activation)
      snprintf(hints->activation, sizeof hints->activation, "%s", activations[i].name);
  }
  snprintf(hints->pooling, sizeof hints->pooling, "%s", poolings[v->pooling]);
}

static void read_tokens(const struct checkpoint *checkpoint, struct vit *v) {
  v->class_token = have(checkpoint, "cls_token");
  v->distilled = have(checkpoint, "dist_token");
  v->registers = token_count(checkpoint, "reg_token");
  v->table_tokens = token_count(checkpoint, "pos_embed");
  /* A table either has rows for the class (and distillation) token or not: whichever leaves a square. */
  int most = v->class_token + v->distilled;
  v->table_prefix = v->table_tokens && square_side(v->table_tokens) == 0 ? most : 0;
  if (v->registers && square_side(v->table_tokens - most - v->registers) > 0 &&
      square_side(v->table_tokens - most) == 0 && v->table_prefix)
    v->table_prefix = most + v->registers;
  v->plain_resampling = checkpoint->hints.plain_resampling;
  v->image = v->table_tokens ? square_side(v->table_tokens - v->table_prefix) * v->patch : 0;
}

static void read_transformer(const struct checkpoint *checkpoint, struct transformer *t) {
  const struct tensor *fc2 = find_shaped(checkpoint, "blocks.0.mlp.fc2.weight", 2);
  const struct tensor *fc1 = find_shaped(checkpoint, "blocks.0.mlp.fc1.weight", 2);
  t->depth = count_modules(checkpoint, "blocks", "norm1.weight");
  t->heads = checkpoint->hints.heads ? checkpoint->hints.heads : usual_heads(t->width, t->depth);
  int inner = fc2 ? (int)fc2->shape[1] : 4 * t->width;
  bool halves = checkpoint_find(checkpoint, "blocks.0.mlp.fc1.weight#0") != NULL;
  t->split_gate = have(checkpoint, "blocks.0.mlp.fc1_g.weight");
  t->gated = halves || t->split_gate || (fc1 && fc1->shape[0] == 2 * (int64_t)inner);
  t->hidden = t->gated ? 2 * inner : inner;
  t->scale = have(checkpoint, "blocks.0.ls1.gamma") ? SCALE_LS
             : have(checkpoint, "blocks.0.gamma_1") ? SCALE_GAMMA
                                                    : SCALE_NONE;
  t->qkv_bias = have(checkpoint, "blocks.0.attn.qkv.bias") ? QKV_BIAS
                : have(checkpoint, "blocks.0.attn.q_bias") ? QKV_KEYLESS_BIAS
                                                           : QKV_NO_BIAS;
  t->activation = activation_named(checkpoint->hints.activation);
}

bool vit_read(const struct checkpoint *checkpoint, struct vit *v) {
  const struct tensor *patches = find_shaped(checkpoint, "patch_embed.proj.weight", 4);
  bool blocks = have(checkpoint, "blocks.0.attn.qkv.weight") && have(checkpoint, "blocks.0.norm1.weight");
  if (!patches || !blocks || patches->shape[1] != 3 || patches->shape[2] > 64) return false;
  *v = (struct vit){.patch = (int)patches->shape[2]};
  v->transformer.width = (int)patches->shape[0];
  read_transformer(checkpoint, &v->transformer);
  if (v->transformer.width % v->transformer.heads) return false;
  read_tokens(checkpoint, v);
  v->rotary = v->table_tokens == 0;
  /* DINOv3's keys have no bias: where its file stores one a mask takes it away. */
  if (v->rotary && v->transformer.qkv_bias == QKV_BIAS) v->transformer.qkv_bias = QKV_KEYLESS_BIAS;
  if (v->rotary && !checkpoint->hints.heads && v->transformer.width % 64 == 0)
    v->transformer.heads = v->transformer.width / 64;
  v->patch_bias = have(checkpoint, "patch_embed.proj.bias");
  v->norm_pre = have(checkpoint, "norm_pre.weight");
  v->fc_norm = have(checkpoint, "fc_norm.weight");
  v->norm = have(checkpoint, "norm.weight");
  v->head_bias = have(checkpoint, "head.bias");
  bool timm_rotary = v->rotary && checkpoint->scheme && !strcmp(checkpoint->scheme, "timm");
  enum pooling usual = have(checkpoint, "attn_pool.latent")           ? POOL_ATTENTION
                       : v->fc_norm || timm_rotary || !v->class_token ? POOL_MEAN
                                                                      : POOL_TOKEN;
  v->pooling = pooling_named(checkpoint->hints.pooling, usual);
  if (!v->class_token && v->pooling != POOL_ATTENTION) v->pooling = POOL_MEAN;
  v->transformer.epsilon = checkpoint->hints.norm_epsilon > 0 ? checkpoint->hints.norm_epsilon
                           : v->norm_pre || v->rotary         ? 1e-5
                                                              : 1e-6;
  return true;
}

bool vit_adopt(const struct checkpoint *checkpoint, const struct vit *named, struct vit *seen) {
  struct vit v = *seen;
  if (!checkpoint->hints.heads) v.transformer.heads = named->transformer.heads;
  if (!checkpoint->hints.activation[0]) v.transformer.activation = named->transformer.activation;
  if (v.image == 0) v.image = named->image;
  /* A fine-tuned checkpoint may see another size, and a converted table may lack the class token's row. */
  struct vit alike = v;
  alike.image = named->image;
  alike.table_prefix = named->table_prefix;
  alike.transformer.heads = named->transformer.heads;
  alike.transformer.activation = named->transformer.activation;
  alike.transformer.qkv_bias = named->transformer.qkv_bias;
  if (!vit_same(&alike, named) || v.transformer.width % v.transformer.heads) return false;
  *seen = v;
  return true;
}

/* ---- members ---- */

enum variant { PLAIN, DISTILLED, DEIT3, DINOV2, DINOV2_REGISTERS, DINOV3, DINOV3_BIAS, DINOV3_PLUS };

static const struct member {
  const char *name;
  int size, patch, image;
  enum variant variant;
} members[] = {
    {"vit_tiny_patch16_224", VIT_TINY, 16, 224, PLAIN},
    {"vit_tiny_patch16_384", VIT_TINY, 16, 384, PLAIN},
    {"vit_small_patch32_224", VIT_SMALL, 32, 224, PLAIN},
    {"vit_small_patch32_384", VIT_SMALL, 32, 384, PLAIN},
    {"vit_small_patch16_224", VIT_SMALL, 16, 224, PLAIN},
    {"vit_small_patch16_384", VIT_SMALL, 16, 384, PLAIN},
    {"vit_small_patch8_224", VIT_SMALL, 8, 224, PLAIN},
    {"vit_base_patch32_224", VIT_BASE, 32, 224, PLAIN},
    {"vit_base_patch32_384", VIT_BASE, 32, 384, PLAIN},
    {"vit_base_patch16_224", VIT_BASE, 16, 224, PLAIN},
    {"vit_base_patch16_384", VIT_BASE, 16, 384, PLAIN},
    {"vit_base_patch8_224", VIT_BASE, 8, 224, PLAIN},
    {"vit_large_patch32_224", VIT_LARGE, 32, 224, PLAIN},
    {"vit_large_patch32_384", VIT_LARGE, 32, 384, PLAIN},
    {"vit_large_patch16_224", VIT_LARGE, 16, 224, PLAIN},
    {"vit_large_patch16_384", VIT_LARGE, 16, 384, PLAIN},
    {"vit_large_patch14_224", VIT_LARGE, 14, 224, PLAIN},
    {"vit_huge_patch14_224", VIT_HUGE, 14, 224, PLAIN},
    {"vit_giant_patch14_224", VIT_GIANT, 14, 224, PLAIN},
    {"deit_tiny_patch16_224", VIT_TINY, 16, 224, PLAIN},
    {"deit_small_patch16_224", VIT_SMALL, 16, 224, PLAIN},
    {"deit_base_patch16_224", VIT_BASE, 16, 224, PLAIN},
    {"deit_base_patch16_384", VIT_BASE, 16, 384, PLAIN},
    {"deit_tiny_distilled_patch16_224", VIT_TINY, 16, 224, DISTILLED},
    {"deit_small_distilled_patch16_224", VIT_SMALL, 16, 224, DISTILLED},
    {"deit_base_distilled_patch16_224", VIT_BASE, 16, 224, DISTILLED},
    {"deit_base_distilled_patch16_384", VIT_BASE, 16, 384, DISTILLED},
    {"deit3_small_patch16_224", VIT_SMALL, 16, 224, DEIT3},
    {"deit3_small_patch16_384", VIT_SMALL, 16, 384, DEIT3},
    {"deit3_medium_patch16_224", VIT_MEDIUM, 16, 224, DEIT3},
    {"deit3_base_patch16_224", VIT_BASE, 16, 224, DEIT3},
    {"deit3_base_patch16_384", VIT_BASE, 16, 384, DEIT3},
    {"deit3_large_patch16_224", VIT_LARGE, 16, 224, DEIT3},
    {"deit3_large_patch16_384", VIT_LARGE, 16, 384, DEIT3},
    {"deit3_huge_patch14_224", VIT_HUGE, 14, 224, DEIT3},
    {"vit_small_patch14_dinov2", VIT_SMALL, 14, 518, DINOV2},
    {"vit_base_patch14_dinov2", VIT_BASE, 14, 518, DINOV2},
    {"vit_large_patch14_dinov2", VIT_LARGE, 14, 518, DINOV2},
    {"vit_giant_patch14_dinov2", VIT_GIANT2, 14, 518, DINOV2},
    {"vit_small_patch14_reg4_dinov2", VIT_SMALL, 14, 518, DINOV2_REGISTERS},
    {"vit_base_patch14_reg4_dinov2", VIT_BASE, 14, 518, DINOV2_REGISTERS},
    {"vit_large_patch14_reg4_dinov2", VIT_LARGE, 14, 518, DINOV2_REGISTERS},
    {"vit_giant_patch14_reg4_dinov2", VIT_GIANT2, 14, 518, DINOV2_REGISTERS},
    {"vit_small_patch16_dinov3", VIT_SMALL, 16, 256, DINOV3},
    {"vit_base_patch16_dinov3", VIT_BASE, 16, 256, DINOV3},
    {"vit_large_patch16_dinov3", VIT_LARGE, 16, 256, DINOV3},
    {"vit_small_plus_patch16_dinov3", VIT_SMALL, 16, 256, DINOV3_PLUS},
    {"vit_huge_plus_patch16_dinov3", VIT_HUGE, 16, 256, DINOV3_PLUS},
    {"vit_small_patch16_dinov3_qkvb", VIT_SMALL, 16, 256, DINOV3_BIAS},
    {"vit_base_patch16_dinov3_qkvb", VIT_BASE, 16, 256, DINOV3_BIAS},
    {"vit_large_patch16_dinov3_qkvb", VIT_LARGE, 16, 256, DINOV3_BIAS},
};
enum { MEMBERS = sizeof members / sizeof *members };

static struct vit vit_of(const struct member *m) {
  struct vit v = vit_of_size(m->size, m->patch, m->image);
  struct transformer *t = &v.transformer;
  int patches = v.table_tokens - 1;
  switch (m->variant) {
    case DISTILLED:
      v.distilled = true;
      v.table_tokens = patches + 2;
      v.table_prefix = 2;
      break;
    case DEIT3:
      t->scale = SCALE_LS;
      v.table_tokens = patches;
      v.table_prefix = 0;
      break;
    case DINOV2_REGISTERS:
      v.registers = 4;
      v.table_tokens = patches;
      v.table_prefix = 0;
      t->scale = SCALE_LS;
      t->gated = m->size == VIT_GIANT2;
      break;
    case DINOV2:
      t->scale = SCALE_LS;
      t->gated = m->size == VIT_GIANT2;
      break;
    case DINOV3:
    case DINOV3_BIAS:
    case DINOV3_PLUS:
      t->gated = t->split_gate = m->variant == DINOV3_PLUS;
      if (t->gated) t->hidden *= 2;
      if (m->size == VIT_HUGE) t->heads = 20;
      t->scale = SCALE_GAMMA;
      t->qkv_bias = m->variant == DINOV3_BIAS ? QKV_KEYLESS_BIAS : QKV_NO_BIAS;
      t->epsilon = 1e-5;
      v.table_tokens = v.table_prefix = 0;
      v.registers = 4;
      v.rotary = true;
      v.pooling = POOL_MEAN;
      break;
    case PLAIN:
      break;
  }
  return v;
}

static const struct vit *config(const struct architecture *a) { return (const struct vit *)(const void *)&a->config; }

static void set_config(struct architecture *a, const char *name, const struct vit *v) {
  _Static_assert(sizeof *v <= sizeof a->config, "struct architecture has room for it");
  snprintf(a->name, sizeof a->name, "%s", name);
  memcpy(&a->config, v, sizeof *v);
}

static bool find(const char *name, struct architecture *found) {
  for (int i = 0; i < MEMBERS; i++) {
    if (strcmp(members[i].name, name) != 0) continue;
    struct vit v = vit_of(&members[i]);
    set_config(found, name, &v);
    found->classes = members[i].variant >= DINOV2 ? 0 : 1000;
    return true;
  }
  return false;
}

static bool recognise(const struct checkpoint *checkpoint, struct architecture *a) {
  struct vit v;
  if (!vit_read(checkpoint, &v)) return false;
  const char *name = "vit";
  for (int i = MEMBERS - 1; i >= 0; i--) {
    struct vit member = vit_of(&members[i]);
    if (v.rotary) member.image = v.image; /* no table tells the size */
    if (vit_same(&member, &v)) name = members[i].name;
  }
  set_config(a, name, &v);
  a->classes = count_classes(checkpoint, "head.weight");
  return true;
}

static bool adopt(const struct checkpoint *checkpoint, const struct architecture *named, struct architecture *seen) {
  return vit_adopt(checkpoint, config(named), (struct vit *)(void *)&seen->config);
}

static void describe(const struct architecture *a, struct hints *hints) { vit_describe(config(a), hints); }

static const char *member(int i) { return i < MEMBERS ? members[i].name : NULL; }

static void build(struct plan *plan, const struct architecture *a, const struct recipe *recipe) {
  vit_build(plan, config(a), a->classes, recipe);
}

/* AugReg's and the original's pixels lie in [-1, 1]; the others' are ImageNet's. */
static void default_recipe(const struct architecture *a, struct recipe *recipe) {
  const struct vit *v = config(a);
  int size = v->image > 0 ? v->image : 256;
  bool augreg = !strncmp(a->name, "vit_", 4) && v->transformer.scale == SCALE_NONE && !v->rotary;
  *recipe = (struct recipe){.height = size,
                            .width = size,
                            .crop_fraction = augreg && size < 384 ? 0.9 : 1.0,
                            .filter = FILTER_BICUBIC,
                            .crop_mode = CROP_CENTER,
                            .mean = {0.485f, 0.456f, 0.406f},
                            .std = {0.229f, 0.224f, 0.225f}};
  for (int i = 0; augreg && i < 3; i++) recipe->mean[i] = recipe->std[i] = 0.5f;
}

const struct family family_vit = {.name = "vit",
                                  .find = find,
                                  .recognise = recognise,
                                  .adopt = adopt,
                                  .describe = describe,
                                  .build = build,
                                  .default_recipe = default_recipe,
                                  .member = member};
