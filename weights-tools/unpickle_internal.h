/* What the parts of the pickle reader share: values in an arena (unpickle_values.c), the stack machine (unpickle.c),
 * and the names that it knows (unpickle_objects.c). */
#ifndef WEIGHTS_TOOLS_UNPICKLE_INTERNAL_H
#define WEIGHTS_TOOLS_UNPICKLE_INTERNAL_H

#include "weights-tools/unpickle.h"

/* Zeroed memory that lives as long as the pickle. */
void *pickle_allocate(struct pickle *pickle, size_t bytes, error *e);
struct pickled *pickle_value(struct pickle *pickle, enum pickled_type type, error *e);
/* Put n values at the end of a sequence or dict. */
int pickle_append(struct pickle *pickle, struct pickled *container, struct pickled *const *values, size_t n, error *e);

/* The class or function MODULE.NAME; NULL, with its name in the message, when it is none of those that are known. */
struct pickled *pickle_find_global(struct pickle *pickle, const char *module, size_t module_length, const char *name,
                                   size_t name_length, error *e);
/* What calling a known function or class with these arguments gives; nothing is run. *steps counts copied elements. */
struct pickled *pickle_call(struct pickle *pickle, const struct pickled *function, const struct pickled *arguments,
                            size_t *steps, error *e);
/* Give an object its attributes. */
int pickle_build(struct pickle *pickle, struct pickled *object, const struct pickled *state, size_t *steps, error *e);
/* The storage that a persistent identifier names. */
struct pickled *pickle_find_storage(struct pickle *pickle, const struct pickled *identifier, error *e);

#endif
