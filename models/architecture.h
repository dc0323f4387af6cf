/* The registry of architectures: a family knows its named members, recognises itself in a checkpoint's names and
 * shapes, and appends itself to a plan. Adding a family is one file here, one key table in weights-tools/ and one line
 * of weights-tools/families.h. */
#ifndef MODELS_ARCHITECTURE_H
#define MODELS_ARCHITECTURE_H

#include "models/plan.h"

enum { MAX_ARCH_NAME = 64 };

struct architecture {
  char name[MAX_ARCH_NAME]; /* timm's */
  const struct family *family;
  int classes; /* of the head, 0: none */
  /* The family's own struct. */
  union {
    char bytes[256];
    double alignment;
  } config;
};

struct family {
  const char *name;
  /* The member called `name` as timm publishes it, with its usual head. */
  bool (*find)(const char *name, struct architecture *found);
  /* The network whose canonical tensors these are: read off names, shapes and hints. found->name is a member's where
   * one has this network. False when it is not this family. */
  bool (*recognise)(const struct checkpoint *checkpoint, struct architecture *found);
  /* Whether a checkpoint's network can be the named one, and if so, what its tensors and hints do not tell: heads,
   * activation, window ... */
  bool (*adopt)(const struct checkpoint *checkpoint, const struct architecture *named, struct architecture *seen);
  /* The hints that a converted file must keep so that recognise() sees the same network; NULL: none. */
  void (*describe)(const struct architecture *architecture, struct hints *hints);
  void (*build)(struct plan *plan, const struct architecture *architecture, const struct recipe *recipe);
  /* The recipe when nothing else says one. */
  void (*default_recipe)(const struct architecture *architecture, struct recipe *recipe);
  /* Member i's name, NULL behind the last: for lists and help. */
  const char *(*member)(int i);
};

/* For recognise(): how many modules PARENT.0, PARENT.1, ... there are in a row that have a tensor; at most 1000. */
int count_modules(const struct checkpoint *checkpoint, const char *parent, const char *tensor);
/* Rows of the head's matrix, 0 where it is not there. */
int count_classes(const struct checkpoint *checkpoint, const char *head);

int architecture_find(const char *name, struct architecture *found, error *e);
/* FAILED names some of the tensors that were seen. */
int architecture_recognise(const struct checkpoint *checkpoint, struct architecture *found, error *e);
/* Name i of all named architectures, NULL behind the last. */
const char *architecture_name(int i);

#endif
