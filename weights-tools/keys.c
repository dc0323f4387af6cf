#include "weights-tools/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

#define ADDRESS(family) keys_##family,
static const struct key_scheme *const families[] = {FAMILIES(ADDRESS)};
enum { FAMILY_COUNT = sizeof families / sizeof *families };

/* What training frameworks wrap around a backbone's names; several may follow each other. Of two networks in one file
 * that are equally complete the one with the earlier wrappers is taken: an average, a teacher or a query encoder rather
 * than its counterpart. */
static const char *const wrappers[] = {
    "model_ema.",      "state_dict_ema.",   "ema.",
    "teacher.",        "encoder_q.",        "base_encoder.",
    "online_encoder.", "online_network.",   "module.",
    "model.",          "backbone.",         "state_dict.",
    "encoder.",        "network.",          "net.",
    "pretrained.",     "_orig_mod.",        "student.",
    "encoder_k.",      "momentum_encoder.", "target_encoder.",
    "target_network.",
};
enum { WRAPPERS = sizeof wrappers / sizeof *wrappers, MAX_WRAPPERS = 5 /* around each other */ };

/* Which wrapper `name` wears outside, or WRAPPERS. */
static int find_wrapper(const char *name) {
  int i = 0;
  while (i < WRAPPERS && strncmp(name, wrappers[i], strlen(wrappers[i])) != 0) i++;
  return i;
}

/* What lies in files beside a network that can compute features, under every scheme and behind any wrapper. */
static const struct key_rule leftovers[] = {
    {"**num_batches_tracked", "!a batch norm's step counter"},
    {"**relative_position_index", "!an index that the window's size gives"},
    {"**relative_coords_table", "!offsets that the window's size gives"},
    {"**attn_mask", "!the mask of shifted windows, which the map's size gives"},
    {"**position_ids", "!positions counted from 0"},
    {"**mask_token", "!the token that stood for masked patches in the pre-training"},
    {"**masked_embed", "!the token that stood for masked patches in the pre-training"},
    {"text.**", "!the text tower"},
    {"text_model.**", "!the text tower"},
    {"text_projection**", "!the text tower"},
    {"transformer.resblocks.**", "!the text tower"},
    {"token_embedding.weight", "!the text tower"},
    {"positional_embedding", "!the text tower"},
    {"ln_final.*", "!the text tower"},
    {"logit_scale", "!the scale of similarities between pictures and texts"},
    {"logit_bias", "!the offset of similarities between pictures and texts"},
    {"input_resolution", "!a size that other tensors show"},
    {"context_length", "!the text tower"},
    {"vocab_size", "!the text tower"},
    {"decoder.**", "!the decoder of the pre-training"},
    {"scratch.**", "!the decoder of a depth estimator"},
    {"act_postprocess{k}.**", "!the decoder of a depth estimator"},
    {"head.mlp.**", "!a projector of the pre-training"},
    {"head.last_layer.*", "!a projector of the pre-training"},
    {"dino_head.**", "!a projector of the pre-training"},
    {"ibot_head.**", "!a projector of the pre-training"},
    {"**projector.**", "!a projector of the pre-training"},
    {"**projection_head.**", "!a projector of the pre-training"},
    {"**predictor.**", "!a predictor of the pre-training"},
    {"**prototypes.**", "!prototypes of the pre-training"},
    {"queue**", "!a queue of the pre-training"},
    {"**dino_loss.**", "!the loss of the pre-training"},
    {"**ibot_patch_loss.**", "!the loss of the pre-training"},
    {"**criterion.**", "!the loss of the pre-training"},
    {"optimizer**", "!the optimizer's state"},
    {"lr_scheduler**", "!the schedule's state"},
    {"scaler**", "!the loss scaler's state"},
    {"loss_scaler**", "!the loss scaler's state"},
    {NULL, NULL},
};

/* ---- the scheme and the prefix ---- */

/* How many tensors have known names under a scheme behind a prefix. */
struct vote {
  const struct key_scheme *scheme;
  char prefix[MAX_KEY];
  int64_t rank; /* of the wrappers, the outermost first; smaller is better */
  size_t named; /* with a canonical name */
  size_t known; /* these and the harmless ones */
};
enum { MAX_VOTES = 512 };

struct ballot {
  struct vote votes[MAX_VOTES]; /* one scheme's beside each other, in no order of schemes */
  int count;
};

static void cast_vote(struct ballot *ballot, const struct key_scheme *scheme, const char *name, size_t prefix,
                      int64_t rank, bool named) {
  struct vote *vote = ballot->votes, *end = vote + ballot->count;
  while (vote < end &&
         (vote->scheme != scheme || strlen(vote->prefix) != prefix || memcmp(vote->prefix, name, prefix) != 0))
    vote++;
  if (vote == end) {
    if (ballot->count == MAX_VOTES || prefix >= MAX_KEY) return;
    ballot->count++;
    *vote = (struct vote){.scheme = scheme, .rank = rank};
    memcpy(vote->prefix, name, prefix);
  }
  vote->named += named;
  vote->known++;
}

static void vote_for_rest(struct ballot *ballot, const char *name, size_t prefix, int64_t rank) {
  struct key key;
  for (int f = 0; f < FAMILY_COUNT; f++) {
    for (const struct key_scheme *scheme = families[f]; scheme->name; scheme++) {
      if (key_rename(scheme, name + prefix, &key)) cast_vote(ballot, scheme, name, prefix, rank, !key.harmless);
    }
  }
}

/* The name itself, and what is left behind each wrapper that it wears, vote under every scheme that knows them. */
static void vote_for_name(struct ballot *ballot, const char *name) {
  size_t prefix = 0;
  int64_t rank = 0, digit = 1;
  for (int depth = 0; depth < MAX_WRAPPERS; depth++) digit *= WRAPPERS + 1;
  for (int depth = 0; depth <= MAX_WRAPPERS; depth++) {
    vote_for_rest(ballot, name, prefix, rank);
    int worn = find_wrapper(name + prefix);
    if (worn == WRAPPERS) return;
    prefix += strlen(wrappers[worn]);
    rank += (worn + 1) * digit;
    digit /= WRAPPERS + 1;
  }
}

/* More names first, then the plainer prefix, then the scheme that explains more of the rest. */
static bool is_better(const struct vote *a, const struct vote *b) {
  if (a->named != b->named) return a->named > b->named;
  if (a->rank != b->rank) return a->rank < b->rank;
  return a->known > b->known;
}

/* NULL when no tensor has a canonical name. Of equals the first in the order of the tables. */
static const struct vote *elect(const struct ballot *ballot) {
  const struct vote *best = NULL;
  for (int f = 0; f < FAMILY_COUNT; f++) {
    for (const struct key_scheme *scheme = families[f]; scheme->name; scheme++) {
      for (const struct vote *vote = ballot->votes; vote < ballot->votes + ballot->count; vote++) {
        if (vote->scheme == scheme && vote->named && (!best || is_better(vote, best))) best = vote;
      }
    }
  }
  return best;
}

static void list_schemes(char *list, size_t size) {
  size_t used = 0;
  *list = 0;
  for (int f = 0; f < FAMILY_COUNT; f++) {
    for (const struct key_scheme *scheme = families[f]; scheme->name && used < size; scheme++) {
      if (!strstr(list, scheme->name))
        used += (size_t)snprintf(list + used, size - used, used ? ", %s" : "%s", scheme->name);
    }
  }
}

static int unknown_names(const struct checkpoint *checkpoint, error *e) {
  char seen[600] = "", known[200];
  size_t used = 0;
  for (size_t i = 0; i < checkpoint->count && i < 6; i++)
    used += (size_t)snprintf(seen + used, sizeof seen - used, "%s%.80s", i ? ", " : "", checkpoint->tensors[i].name);
  list_schemes(known, sizeof known);
  return fail(e, "%s: the names of its %zu tensors belong to no known scheme (%s): %s%s", checkpoint->path,
              checkpoint->count, known, seen, checkpoint->count > 6 ? ", ..." : "");
}

static int compare_names(const void *a, const void *b) {
  return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

static int sort_by_name(struct checkpoint *checkpoint, error *e) {
  qsort(checkpoint->tensors, checkpoint->count, sizeof *checkpoint->tensors, compare_names);
  for (size_t i = 1; i < checkpoint->count; i++) {
    const struct tensor *a = &checkpoint->tensors[i - 1], *b = &checkpoint->tensors[i];
    if (strcmp(a->name, b->name) != 0) continue;
    return fail(e, "%s: the tensors \"%.200s\" and \"%.200s\" are both %.200s", checkpoint->path, a->source_name,
                b->source_name, a->name);
  }
  return OK;
}

static int rename_tensors(struct checkpoint *checkpoint, const struct vote *chosen, error *e) {
  size_t prefix = strlen(chosen->prefix);
  for (size_t i = 0; i < checkpoint->count; i++) {
    struct tensor *t = &checkpoint->tensors[i];
    struct key key;
    if (strncmp(t->name, chosen->prefix, prefix) != 0 || !key_rename(chosen->scheme, t->name + prefix, &key)) continue;
    t->harmless = key.harmless;
    if (key.harmless) continue;
    char *name = copy_string(key.name, e);
    if (!name) return FAILED;
    free(t->name);
    t->name = name;
  }
  return OK;
}

/* Why a tensor that the scheme left alone is not needed, or NULL. */
static const char *explain(const struct checkpoint *checkpoint, const struct key_scheme *scheme, const char *name) {
  struct key key;
  for (int depth = 0;; depth++) {
    if (key_rename(scheme, name, &key)) {
      if (key.harmless) return key.harmless;
      if (depth > 0 && checkpoint_find(checkpoint, key.name)) return "another network of the file";
    }
    if (key_rename_by_rules(leftovers, name, &key)) return key.harmless;
    int worn = find_wrapper(name);
    if (worn == WRAPPERS || depth == MAX_WRAPPERS) return NULL;
    name += strlen(wrappers[worn]);
  }
}

static void explain_all(struct checkpoint *checkpoint, const struct vote *chosen) {
  size_t prefix = strlen(chosen->prefix);
  for (size_t i = 0; i < checkpoint->count; i++) {
    struct tensor *t = &checkpoint->tensors[i];
    struct key key;
    if (t->harmless) continue;
    bool is_named =
        !strncmp(t->source_name, chosen->prefix, prefix) && key_rename(chosen->scheme, t->source_name + prefix, &key);
    if (!is_named) {
      t->harmless = explain(checkpoint, chosen->scheme, t->source_name);
    } else if (key_rename_by_rules(leftovers, t->name, &key)) {
      t->harmless = key.harmless; /* a buffer of a part that has names */
    }
  }
}

/* MoCo v3's small vision transformer has 12 heads where every other of its width has 6: only its wrapper shows it. */
static void note_heads(struct checkpoint *checkpoint, const struct vote *chosen) {
  const struct tensor *token = checkpoint_find(checkpoint, "cls_token");
  bool is_moco = strstr(chosen->prefix, "base_encoder.") || strstr(chosen->prefix, "momentum_encoder.");
  if (is_moco && token && token->elements == 384 && !checkpoint->hints.heads) checkpoint->hints.heads = 12;
}

static int adopt(struct checkpoint *checkpoint, const struct vote *chosen, error *e) {
  if (rename_tensors(checkpoint, chosen, e) != OK || sort_by_name(checkpoint, e) != OK) return FAILED;
  explain_all(checkpoint, chosen);
  note_heads(checkpoint, chosen);
  checkpoint->scheme = copy_string(chosen->scheme->name, e);
  return checkpoint->scheme ? OK : FAILED;
}

int keys_canonicalize(struct checkpoint *checkpoint, error *e) {
  if (checkpoint->scheme) return OK;
  struct ballot *ballot = allocate_zeroed(1, sizeof *ballot, e);
  if (!ballot) return FAILED;
  for (size_t i = 0; i < checkpoint->count; i++) vote_for_name(ballot, checkpoint->tensors[i].name);
  const struct vote *chosen = elect(ballot);
  int status = chosen ? adopt(checkpoint, chosen, e) : unknown_names(checkpoint, e);
  free(ballot);
  return status;
}
