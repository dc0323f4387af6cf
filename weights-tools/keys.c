#include "weights-tools/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

static const struct key_scheme *const schemes[] = {&keys_timm, &keys_transformers, &keys_cifar};
enum { SCHEMES = sizeof schemes / sizeof *schemes };

/* What training frameworks wrap around a backbone's names; several may follow each other. Of two networks in one file
 * that are equally complete the earlier listed is taken: a teacher or a query encoder rather than its counterpart. */
static const char *const wrappers[] = {
    "module.",           "model.",     "state_dict.",   "backbone.",
    "encoder.",          "encoder_q.", "base_encoder.", "online_encoder.",
    "online_network.",   "teacher.",   "student.",      "encoder_k.",
    "momentum_encoder.", "network.",   "net.",          "_orig_mod.",
};
enum { WRAPPERS = sizeof wrappers / sizeof *wrappers, MAX_WRAPPERS = 4 /* around each other */ };

/* ---- patterns ---- */

struct captures {
  int numbers[26]; /* by letter */
  const char *rest;
};

/* Up to four digits without a leading zero. */
static bool take_number(const char **text, int *number) {
  const char *start = *text, *at = start;
  *number = 0;
  while (*at >= '0' && *at <= '9' && at - start < 4) *number = *number * 10 + (*at++ - '0');
  if (at == start || (*start == '0' && at - start > 1)) return false;
  *text = at;
  return true;
}

static bool matches_here(const char *pattern, const char *name, struct captures *captures) {
  while (*pattern) {
    if (*pattern == '*') {
      captures->rest = name;
      return *name && !strchr(name, '.');
    }
    if (*pattern == '{') {
      if (!take_number(&name, &captures->numbers[pattern[1] - 'a'])) return false;
      pattern += 3;
    } else if (*pattern++ != *name++) {
      return false;
    }
  }
  return !*name;
}

static bool matches(const char *pattern, const char *name, struct captures *captures) {
  if (*pattern != '[') return matches_here(pattern, name, captures);
  const char *optional = pattern + 1, *end = strchr(pattern, ']');
  size_t length = (size_t)(end - optional);
  if (!strncmp(optional, name, length)) name += length;
  return matches_here(end + 1, name, captures);
}

/* false when the canonical name would not fit. */
static bool expand(const char *canonical, const struct captures *captures, char out[static MAX_KEY]) {
  size_t used = 0;
  while (*canonical && used < MAX_KEY) {
    if (*canonical == '*') {
      used += (size_t)snprintf(out + used, MAX_KEY - used, "%s", captures->rest);
      canonical++;
    } else if (*canonical == '{') {
      int number = captures->numbers[canonical[1] - 'a'];
      if (canonical[2] == '+') number += canonical[3] - '0';
      used += (size_t)snprintf(out + used, MAX_KEY - used, "%d", number);
      canonical = strchr(canonical, '}') + 1;
    } else {
      out[used++] = *canonical++;
    }
  }
  if (used >= MAX_KEY) return false;
  out[used] = 0;
  return true;
}

bool key_rename(const struct key_scheme *scheme, const char *name, char canonical[static MAX_KEY]) {
  for (const struct key_rule *rule = scheme->rules; rule->pattern; rule++) {
    struct captures captures = {.rest = ""};
    if (matches(rule->pattern, name, &captures)) return expand(rule->canonical, &captures, canonical);
  }
  return false;
}

/* ---- the scheme and the prefix ---- */

/* How many tensors have known names under a scheme behind a prefix. */
struct vote {
  const struct key_scheme *scheme;
  char prefix[MAX_KEY];
  int rank; /* of the innermost wrapper, smaller is better */
  size_t count;
};
enum { MAX_VOTES = 64 };

struct ballot {
  struct vote votes[MAX_VOTES];
  int count;
};

static void cast_vote(struct ballot *ballot, const struct key_scheme *scheme, const char *name, size_t prefix,
                      int rank) {
  for (int i = 0; i < ballot->count; i++) {
    struct vote *vote = &ballot->votes[i];
    if (vote->scheme == scheme && strlen(vote->prefix) == prefix && !memcmp(vote->prefix, name, prefix)) {
      vote->count++;
      return;
    }
  }
  if (ballot->count == MAX_VOTES || prefix >= MAX_KEY) return;
  struct vote *vote = &ballot->votes[ballot->count++];
  *vote = (struct vote){.scheme = scheme, .rank = rank, .count = 1};
  memcpy(vote->prefix, name, prefix);
}

/* The name itself, and what is left behind each wrapper that it wears, vote under every scheme that knows them. */
static void vote_for_name(struct ballot *ballot, const char *name) {
  size_t prefix = 0;
  int rank = -1;
  for (int depth = 0; depth <= MAX_WRAPPERS; depth++) {
    char canonical[MAX_KEY];
    for (int i = 0; i < SCHEMES; i++) {
      if (key_rename(schemes[i], name + prefix, canonical)) cast_vote(ballot, schemes[i], name, prefix, rank);
    }
    int worn = 0;
    while (worn < WRAPPERS && strncmp(name + prefix, wrappers[worn], strlen(wrappers[worn])) != 0) worn++;
    if (worn == WRAPPERS) return;
    prefix += strlen(wrappers[worn]);
    rank = worn;
  }
}

/* More names first, then the plainer prefix, then the order of the tables. */
static bool is_better(const struct vote *a, const struct vote *b) {
  if (a->count != b->count) return a->count > b->count;
  if (a->rank != b->rank) return a->rank < b->rank;
  return strlen(a->prefix) < strlen(b->prefix);
}

static const struct vote *elect(const struct ballot *ballot) {
  const struct vote *best = NULL;
  for (int i = 0; i < SCHEMES; i++) {
    for (int j = 0; j < ballot->count; j++) {
      const struct vote *vote = &ballot->votes[j];
      if (vote->scheme == schemes[i] && (!best || is_better(vote, best))) best = vote;
    }
  }
  return best;
}

static int unknown_names(const struct checkpoint *checkpoint, error *e) {
  char seen[600] = "", known[200] = "";
  size_t used = 0;
  for (size_t i = 0; i < checkpoint->count && i < 6; i++)
    used += (size_t)snprintf(seen + used, sizeof seen - used, "%s%.80s", i ? ", " : "", checkpoint->tensors[i].name);
  used = 0;
  for (int i = 0; i < SCHEMES; i++)
    used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", schemes[i]->name);
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
    char canonical[MAX_KEY];
    if (strncmp(t->name, chosen->prefix, prefix) != 0) continue;
    if (!key_rename(chosen->scheme, t->name + prefix, canonical)) continue;
    char *name = copy_string(canonical, e);
    if (!name) return FAILED;
    free(t->name);
    t->name = name;
  }
  return OK;
}

static int adopt(struct checkpoint *checkpoint, const struct vote *chosen, error *e) {
  if (rename_tensors(checkpoint, chosen, e) != OK || sort_by_name(checkpoint, e) != OK) return FAILED;
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
