/* Parameter names: the pattern language, the election of a scheme and a prefix, and every publisher's names against
 * lists made with the publishers' own code (tests/reference/make_key_fixtures.py). */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"
#include "tests/harness.h"
#include "weights-tools/keys.h"

/* ---- patterns ---- */

TEST(key_patterns) {
  static const struct key_rule rules[] = {
      {"conv1.*", "conv1.*"},
      {"features.{f}.{k}.*", "stages.{f/2}.downsample.{k}.*"},
      {"encoder.stages.{s}.layers.{b}.layer.{k}.norm.*", "layer{s+1}.{b}.bn{k-1}.*"},
      {"trunk.**", "**"},
      {"visual.proj", "head.weight^T"},
      {"a.{b}.key.*", "a.{b}.qkv.*#1"},
      {"**_token", "!a token"},
      {"decoder**", "!the decoder"},
      {NULL, NULL},
  };
  static const struct {
    const char *name, *canonical, *harmless; /* canonical NULL: unknown */
  } cases[] = {
      {"conv1.weight", "conv1.weight", NULL},
      {"conv1.", NULL, NULL},
      {"conv1.a.b", NULL, NULL},
      {"xconv1.weight", NULL, NULL},
      {"", NULL, NULL},
      {"features.7.1.bias", "stages.3.downsample.1.bias", NULL},
      {"features.07.1.bias", NULL, NULL},
      {"features..1.bias", NULL, NULL},
      {"features.12345.1.bias", NULL, NULL},
      {"encoder.stages.3.layers.12.layer.2.norm.running_var", "layer4.12.bn1.running_var", NULL},
      {"trunk.blocks.0.x.weight", "blocks.0.x.weight", NULL},
      {"visual.proj", "head.weight^T", NULL},
      {"a.11.key.bias", "a.11.qkv.bias#1", NULL},
      {"x.y.mask_token", "x.y.mask_token", "a token"},
      {"mask_tokens", NULL, NULL},
      {"decoder", "decoder", "the decoder"},
      {"decoder_blocks.0.x", "decoder_blocks.0.x", "the decoder"},
  };
  struct key key;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bool known = key_rename_by_rules(rules, cases[i].name, &key);
    CHECK_MSG(known == (cases[i].canonical != NULL), "%s is %sknown", cases[i].name, known ? "" : "un");
    if (!known || !cases[i].canonical) continue;
    CHECK_STRING(key.name, cases[i].canonical);
    CHECK_STRING(key.harmless ? key.harmless : "needed", cases[i].harmless ? cases[i].harmless : "needed");
  }
  char longest[2 * MAX_KEY];
  memset(longest, 'x', sizeof longest);
  longest[sizeof longest - 1] = 0;
  for (int i = 0; i < 3; i++) {
    memcpy(longest, i == 0 ? "conv1." : i == 1 ? "trunk." : "decode", 6);
    if (i == 2) longest[6] = 'r';
    CHECK(!key_rename_by_rules(rules, longest, &key));
  }
}

TEST(key_schemes_with_optional_beginnings) {
  static const struct key_rule own[] = {{"b.*", "own.*"}, {NULL, NULL}}, more[] = {{"**", "**"}, {NULL, NULL}};
  static const struct key_scheme scheme = {.rules = own, .more = more, .optional = {"vit.", "deit."}};
  static const char *const cases[][2] = {
      {"b.x", "own.x"}, {"vit.b.x", "own.x"}, {"deit.b.x", "own.x"}, {"vit.deit.b.x", "deit.b.x"}, {"vit.c", "c"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct key key;
    CHECK(key_rename(&scheme, cases[i][0], &key) && !key.harmless);
    CHECK_STRING(key.name, cases[i][1]);
  }
}

/* ---- schemes and prefixes ---- */

/* A checkpoint of nothing but names. */
static bool make_checkpoint(struct checkpoint *c, const char *const *names, size_t count) {
  error e;
  *c = (struct checkpoint){.path = copy_string("n.pth", &e)};
  c->tensors = allocate_zeroed(count, sizeof *c->tensors, &e);
  for (; c->tensors && c->count < count; c->count++) {
    c->tensors[c->count].name = copy_string(names[c->count], &e);
    c->tensors[c->count].source_name = copy_string(names[c->count], &e);
  }
  return c->path && c->tensors;
}

static const struct tensor *find_source(const struct checkpoint *c, const char *source) {
  for (size_t i = 0; i < c->count; i++) {
    if (!strcmp(c->tensors[i].source_name, source)) return &c->tensors[i];
  }
  return NULL;
}

static size_t count_names(const char *const *names, size_t most) {
  size_t count = 0;
  while (count < most && names[count]) count++;
  return count;
}

TEST(keys_schemes_and_prefixes) {
  static const struct {
    const char *names[6], *scheme, *canonical, *source;
  } cases[] = {
      {{"conv1.weight", "fc.bias"}, "timm", "fc.bias", "fc.bias"},
      {{"module.conv1.weight", "module.fc.bias"}, "timm", "fc.bias", "module.fc.bias"},
      {{"state_dict.module.backbone.conv1.weight"}, "timm", "conv1.weight", "state_dict.module.backbone.conv1.weight"},
      {{"conv1.weight", "linear.weight"}, "cifar", "fc.weight", "linear.weight"},
      {{"module.conv1.weight", "module.linear.weight"}, "cifar", "fc.weight", "module.linear.weight"},
      {{"embedder.embedder.convolution.weight"},
       "transformers",
       "conv1.weight",
       "embedder.embedder.convolution.weight"},
      {{"encoder.stages.0.layers.0.layer.0.convolution.weight"},
       "transformers",
       "layer1.0.conv1.weight",
       "encoder.stages.0.layers.0.layer.0.convolution.weight"},
      {{"backbone.conv1.weight", "backbone.bn1.bias", "fc.x.weight"}, "timm", "fc.x.weight", "fc.x.weight"},
      {{"cls_token", "pos_embed", "blocks.0.gamma_1"}, "facebook", "blocks.0.ls1.gamma", "blocks.0.gamma_1"},
      {{"cls_token", "reg_token", "blocks.0.gamma_1"}, "timm", "blocks.0.gamma_1", "blocks.0.gamma_1"},
      {{"pretrained.model.patch_embed.proj.weight", "pretrained.model.layers.0.downsample.norm.weight",
        "pretrained.model.layers.0.blocks.0.attn.q_bias", "scratch.layer1_rn.weight"},
       "microsoft",
       "layers.1.downsample.norm.weight",
       "pretrained.model.layers.0.downsample.norm.weight"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct checkpoint c;
    error e = {""};
    REQUIRE(make_checkpoint(&c, cases[i].names, count_names(cases[i].names, 6)));
    CHECK_MSG(keys_canonicalize(&c, &e) == OK, "case %zu: %s", i, e.message);
    CHECK_STRING(c.scheme ? c.scheme : "none", cases[i].scheme);
    const struct tensor *t = checkpoint_find(&c, cases[i].canonical);
    CHECK_MSG(t != NULL, "case %zu: no %s", i, cases[i].canonical);
    if (t) CHECK_STRING(t->source_name, cases[i].source);
    for (size_t k = 1; k < c.count; k++) CHECK(strcmp(c.tensors[k - 1].name, c.tensors[k].name) < 0);
    CHECK(keys_canonicalize(&c, &e) == OK); /* once more changes nothing */
    checkpoint_close(&c);
  }
}

/* Which tensors of a file are passed over, and why: an asterisk marks the one that is taken, NULL what nobody knows. */
TEST(keys_of_what_is_not_needed) {
  static const struct {
    const char *names[6], *reasons[6];
  } cases[] = {
      {{"module.encoder_q.conv1.weight", "module.encoder_k.conv1.weight", "module.encoder_q.fc.0.weight",
        "module.encoder_k.fc.2.bias", "module.queue", "module.queue_ptr"},
       {"*", "another network", "projector", "projector", "queue", "queue"}},
      {{"student.module.backbone.cls_token", "teacher.backbone.cls_token", "student.module.backbone.masked_embed",
        "teacher.head.mlp.0.weight", "student.module.head.last_layer.weight_g", "dino_loss.center"},
       {"another network", "*", "masked patches", "projector", "projector", "loss"}},
      {{"model.blocks.0.attn.qkv.bias", "model_ema.blocks.0.attn.qkv.bias", "optimizer.state.0.exp_avg"},
       {"another network", "*", "optimizer"}},
      {{"state_dict.module.conv1.weight", "state_dict.module.projection_head.0.weight",
        "state_dict.module.prototypes.weight", "optimizer.state.3.momentum_buffer"},
       {"*", "projector", "prototypes", "optimizer"}},
      {{"model.cls_token", "model.mask_token", "model.decoder_blocks.0.attn.qkv.weight", "model.decoder_pos_embed"},
       {"*", "masked patches", "decoder", "decoder"}},
      {{"module.base_encoder.cls_token", "module.momentum_encoder.cls_token", "module.base_encoder.head.0.weight",
        "module.base_encoder.head.1.num_batches_tracked", "module.predictor.0.weight"},
       {"*", "another network", "projector", "projector", "predictor"}},
      {{"vision_model.pre_layrnorm.weight", "text_model.final_layer_norm.weight", "logit_scale",
        "text_projection.weight", "vision_model.embeddings.position_ids", "vision_model.adapter.weight"},
       {"*", "text tower", "similarities", "text tower", "positions", NULL}},
      {{"visual.class_embedding", "positional_embedding", "transformer.resblocks.0.ln_1.weight", "text_projection",
        "input_resolution", "logit_bias"},
       {"*", "text tower", "text tower", "text tower", "size", "similarities"}},
      {{"bn1.weight", "bn1.num_batches_tracked", "layer1.0.se.fc1.weight"}, {"*", "step counter", NULL}},
      {{"layers.0.blocks.1.attn.qkv.weight", "layers.0.blocks.1.attn_mask",
        "layers.0.blocks.1.attn.relative_position_index", "layers.0.blocks.1.attn.relative_coords_table"},
       {"*", "mask", "index", "offsets"}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct checkpoint c;
    error e = {""};
    REQUIRE(make_checkpoint(&c, cases[i].names, count_names(cases[i].names, 6)));
    CHECK_MSG(keys_canonicalize(&c, &e) == OK, "case %zu: %s", i, e.message);
    for (size_t k = 0; k < c.count; k++) {
      const char *reason = cases[i].reasons[k], *name = cases[i].names[k];
      const struct tensor *t = find_source(&c, name);
      REQUIRE(t);
      if (!reason || *reason == '*') {
        CHECK_MSG(!t->harmless, "%s is called %s", name, t->harmless);
      } else {
        CHECK_MSG(t->harmless && strstr(t->harmless, reason), "%s is called %s", name,
                  t->harmless ? t->harmless : "needed");
      }
    }
    checkpoint_close(&c);
  }
}

TEST(keys_of_moco_v3_tell_its_heads) {
  static const char *const names[] = {"module.base_encoder.cls_token", "module.cls_token"};
  for (int i = 0; i < 2; i++) {
    struct checkpoint c;
    error e = {""};
    REQUIRE(make_checkpoint(&c, &names[i], 1));
    c.tensors[0].elements = 384;
    CHECK(keys_canonicalize(&c, &e) == OK && c.hints.heads == (i ? 0 : 12));
    checkpoint_close(&c);
  }
}

TEST(keys_that_nobody_knows) {
  struct checkpoint c;
  error e = {""};
  REQUIRE(make_checkpoint(&c, (const char *const[]){"stem.x.weight", "queue"}, 2));
  CHECK(keys_canonicalize(&c, &e) == FAILED);
  CHECK_CONTAINS(e.message, "n.pth: the names of its 2 tensors belong to no known scheme");
  CHECK_CONTAINS(e.message, "timm, transformers, cifar");
  CHECK_CONTAINS(e.message, "stem.x.weight, queue");
  checkpoint_close(&c);
}

TEST(keys_two_tensors_with_one_name) {
  struct checkpoint c;
  error e = {""};
  REQUIRE(make_checkpoint(&c, (const char *const[]){"backbone.conv1.weight", "backbone.fc.bias", "fc.bias"}, 3));
  CHECK(keys_canonicalize(&c, &e) == FAILED);
  CHECK_CONTAINS(e.message, "\"backbone.fc.bias\" and \"fc.bias\" are both fc.bias");
  checkpoint_close(&c);
}

/* ---- every publisher's names ---- */

/* "SOURCE CANONICAL" or "SOURCE !": what became of a tensor. */
static void check_line(const struct checkpoint *c, const char *file, const char *source, const char *canonical) {
  const struct tensor *t = find_source(c, source);
  if (*canonical == '!') {
    CHECK_MSG(t->harmless != NULL, "%s: %s is needed, as %s", file, source, t->name);
  } else {
    CHECK_MSG(!t->harmless && !strcmp(t->name, canonical), "%s: %s is %s, not %s", file, source, t->name, canonical);
  }
}

static void check_list(const char *file, const char *path) {
  enum { MAX_LINES = 400 };
  const char *sources[MAX_LINES], *canonical[MAX_LINES];
  size_t size, count = 0;
  char *text = read_file(path, &size);
  struct checkpoint c;
  error e = {""};
  REQUIRE(text);
  for (char *at = text; *at && count < MAX_LINES; count++) {
    char *blank = strchr(at, ' '), *end = strchr(at, '\n');
    REQUIRE(blank && end && blank < end);
    *blank = *end = 0;
    sources[count] = at;
    canonical[count] = blank + 1;
    at = end + 1;
  }
  REQUIRE(count > 0 && count < MAX_LINES && make_checkpoint(&c, sources, count));
  CHECK_MSG(keys_canonicalize(&c, &e) == OK, "%s: %s", file, e.message);
  const char *scheme = c.scheme ? c.scheme : "none";
  CHECK_MSG(!strncmp(file, scheme, strlen(scheme)), "%s: scheme %s", file, scheme);
  for (size_t i = 0; i < count; i++) check_line(&c, file, sources[i], canonical[i]);
  checkpoint_close(&c);
  free(text);
}

TEST(keys_of_every_publisher) {
  DIR *folder = opendir(fixture("keys"));
  REQUIRE(folder);
  int files = 0;
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (entry->d_name[0] == '.') continue;
    check_list(entry->d_name, path_join(fixture("keys"), entry->d_name));
    files++;
  }
  closedir(folder);
  CHECK(files >= 40);
}
