#include "models/architecture.h"

#include <stdio.h>
#include <string.h>

#include "weights-tools/families.h"

#define DECLARE(name) extern const struct family family_##name;
#define ADDRESS(name) &family_##name,
FAMILIES(DECLARE)
static const struct family *const families[] = {FAMILIES(ADDRESS)};
enum { FAMILIES = sizeof families / sizeof families[0] };

const char *architecture_name(int i) {
  for (int f = 0; f < FAMILIES; f++) {
    for (int j = 0; families[f]->member(j); j++) {
      if (i-- == 0) return families[f]->member(j);
    }
  }
  return NULL;
}

static size_t common_beginning(const char *a, const char *b) {
  size_t n = 0;
  while (a[n] && a[n] == b[n]) n++;
  return n;
}

/* The names that begin like `name` for longest. */
static void list_alike(const char *name, char *list, size_t size) {
  size_t longest = 0, used = 0;
  for (int i = 0; architecture_name(i); i++) {
    size_t n = common_beginning(name, architecture_name(i));
    if (n > longest) longest = n;
  }
  for (int i = 0; architecture_name(i) && used + MAX_ARCH_NAME + 2 < size; i++) {
    if (common_beginning(name, architecture_name(i)) < longest) continue;
    used += (size_t)snprintf(list + used, size - used, used ? ", %s" : "%s", architecture_name(i));
  }
}

int architecture_find(const char *name, struct architecture *found, error *e) {
  for (int f = 0; f < FAMILIES; f++) {
    *found = (struct architecture){.family = families[f]};
    if (families[f]->find(name, found)) return OK;
  }
  char alike[600] = "";
  list_alike(name, alike, sizeof alike);
  return fail(e, "unknown architecture %.60s (like it: %s; `backbones bench --list` names all)", name, alike);
}

int architecture_recognise(const struct checkpoint *checkpoint, struct architecture *found, error *e) {
  for (int f = 0; f < FAMILIES; f++) {
    *found = (struct architecture){.family = families[f]};
    if (families[f]->recognise(checkpoint, found)) return OK;
  }
  char seen[512] = "";
  size_t used = 0;
  for (size_t i = 0; i < checkpoint->count && used < sizeof seen - 128 && i < 8; i++) {
    used += (size_t)snprintf(seen + used, sizeof seen - used, i ? ", %.100s" : "%.100s", checkpoint->tensors[i].name);
  }
  return fail(e, "the architecture is not known; its %zu tensors are called %s%s", checkpoint->count, seen,
              checkpoint->count > 8 ? ", ..." : "");
}

int count_modules(const struct checkpoint *checkpoint, const char *parent, const char *tensor) {
  enum { MOST = 1000 };
  int count = 0;
  for (; count < MOST; count++) {
    char name[128], part[130];
    snprintf(name, sizeof name, "%s.%d.%s", parent, count, tensor);
    snprintf(part, sizeof part, "%s#0", name);
    if (!checkpoint_find(checkpoint, name) && !checkpoint_find(checkpoint, part)) break;
  }
  return count;
}

int count_classes(const struct checkpoint *checkpoint, const char *head) {
  char transposed[128];
  snprintf(transposed, sizeof transposed, "%s^T", head);
  const struct tensor *t = checkpoint_find(checkpoint, head), *flipped = checkpoint_find(checkpoint, transposed);
  int rows = 0;
  if (!t && flipped) {
    t = flipped;
    rows = 1;
  }
  return t && t->dimensions == 2 && t->shape[rows] <= 1 << 20 ? (int)t->shape[rows] : 0;
}
