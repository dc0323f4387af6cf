/* The registry of architectures: a family knows its named members, recognises itself in a checkpoint's names and
 * shapes, and appends itself to a plan. Adding a family is one file and one line in architecture.c. */
#ifndef MODELS_ARCHITECTURE_H
#define MODELS_ARCHITECTURE_H

#include "models/plan.h"

enum { MAX_ARCH_NAME = 64 };

/* Room for any family's configuration; each family casts it to its own struct. */
struct architecture {
  char name[MAX_ARCH_NAME]; /* timm's */
  const struct family *family;
  int classes;   /* of the head, 0: none */
  int stages[4]; /* blocks per stage, 0 behind the last */
  struct {
    bool bottleneck, small_stem; /* small_stem: the CIFAR ResNets */
    int width;                   /* channels of the stem */
    int groups, group_width;
  } resnet;
};

struct family {
  const char *name;
  /* The member called `name`, with ImageNet's head. */
  bool (*find)(const char *name, struct architecture *found);
  /* The member whose tensors these are: read off names and shapes. False when it is not this family. */
  bool (*recognise)(const struct checkpoint *checkpoint, struct architecture *found);
  void (*build)(struct plan *plan, const struct architecture *architecture, const struct recipe *recipe);
  /* The recipe when nothing else says one. */
  void (*default_recipe)(const struct architecture *architecture, struct recipe *recipe);
  /* Member i's name, NULL behind the last: for lists and help. */
  const char *(*member)(int i);
};

extern const struct family family_resnet;

int architecture_find(const char *name, struct architecture *found, error *e);
/* FAILED names some of the tensors that were seen. */
int architecture_recognise(const struct checkpoint *checkpoint, struct architecture *found, error *e);
/* Name i of all named architectures, NULL behind the last. */
const char *architecture_name(int i);

#endif
