#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"
#include "weights-tools/checkpoint.h"

/* What follows PART. in a name, or NULL when it is not of that part; every name follows "". */
static const char *behind(const char *name, const char *part, size_t length) {
  if (length == 0) return name;
  return !strncmp(name, part, length) && name[length] == '.' ? name + length + 1 : NULL;
}

/* Bytes of the longest beginning of `part`, cut at a dot, that tensors are behind; 0: only that of all. */
static size_t known_length(const struct checkpoint *checkpoint, const char *part) {
  size_t known = 0;
  for (size_t length = 1; part[length]; length++) {
    if (part[length] != '.') continue;
    for (size_t i = 0; i < checkpoint->count; i++) {
      if (!behind(checkpoint->tensors[i].name, part, length)) continue;
      known = length;
      break;
    }
  }
  return known;
}

/* The parts that there are where the wanted one was looked for. Names are sorted, so that equal parts meet. */
static int fail_with_parts(const struct checkpoint *checkpoint, const char *part, error *e) {
  enum { MAX_SHOWN = 800 };
  char shown[MAX_SHOWN + 300] = "";
  size_t used = 0, known = *part ? known_length(checkpoint, part) : 0, last_length = 0;
  const char *last = NULL;
  for (size_t i = 0; i < checkpoint->count && used < MAX_SHOWN; i++) {
    const char *rest = behind(checkpoint->tensors[i].name, part, known), *dot = rest ? strchr(rest, '.') : NULL;
    if (!dot) continue;
    size_t length = (size_t)(dot - rest);
    if (last && length == last_length && !strncmp(rest, last, length)) continue;
    used += (size_t)snprintf(shown + used, sizeof shown - used, "%s%.*s%s%.*s", used ? ", " : "", (int)known, part,
                             known ? "." : "", (int)(length < 200 ? length : 200), rest);
    if (used >= sizeof shown) used = sizeof shown - 1;
    last = rest;
    last_length = length;
  }
  return fail(e, "%s: no part is called \"%.200s\"; there are: %s%s", checkpoint->path, part, used ? shown : "none",
              used >= MAX_SHOWN ? ", ..." : "");
}

int checkpoint_select(struct checkpoint *checkpoint, const char *part, error *e) {
  size_t length = strlen(part), kept = 0;
  for (size_t i = 0; i < checkpoint->count; i++) kept += length && behind(checkpoint->tensors[i].name, part, length);
  if (kept == 0) return fail_with_parts(checkpoint, part, e);
  kept = 0;
  for (size_t i = 0; i < checkpoint->count; i++) {
    struct tensor *t = &checkpoint->tensors[i];
    const char *name = behind(t->name, part, length);
    if (!name) {
      free(t->name);
      free(t->source_name);
      continue;
    }
    memmove(t->name, name, strlen(name) + 1);
    checkpoint->tensors[kept++] = *t;
  }
  checkpoint->count = kept;
  return OK;
}
