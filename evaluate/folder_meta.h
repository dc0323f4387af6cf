/* meta.json of a features folder as members whose values stay the text that they are: what is copied stays the same
 * bytes, and two runs are compared member by member. */
#ifndef EVALUATE_FOLDER_META_H
#define EVALUATE_FOLDER_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/error.h"

struct meta_member {
  const char *key, *value; /* value: JSON text */
  size_t key_length, value_length;
};

struct folder_meta {
  char *text;
  struct meta_member *members;
  size_t count;
};

/* One JSON object. Errors without a name. */
int folder_meta_parse(struct folder_meta *meta, const char *text, size_t size, error *e);
/* folder/name; errors read "PATH: reason". */
int folder_meta_open(struct folder_meta *meta, const char *folder, const char *name, error *e);
void folder_meta_free(struct folder_meta *meta);

const struct meta_member *folder_meta_find(const struct folder_meta *meta, const char *key);
/* A whole number that is not negative; FAILED ("has no KEY") when there is none. */
int folder_meta_count(const struct folder_meta *meta, const char *key, size_t *value, error *e);

/* Find the first member of `a` that `b` lacks or has with another value; without `both_ways` what only `b` has does not
 * count. `except`: keys, ended by NULL, that may differ. The path of the weights may, too, where their hash is known.
 * Returns the key's member in `a` or `b`, NULL when there is no difference. */
const struct meta_member *folder_meta_difference(const struct folder_meta *a, const struct folder_meta *b,
                                                 const char *const *except, bool both_ways);
/* The member's value for a message: its text, cut when it is long, or "nothing" when the key is missing. */
const char *folder_meta_show(const struct folder_meta *meta, const struct meta_member *key, char buffer[static 64]);

#endif
