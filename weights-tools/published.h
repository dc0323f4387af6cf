/* Published checkpoints by their files' names. */
#ifndef WEIGHTS_TOOLS_PUBLISHED_H
#define WEIGHTS_TOOLS_PUBLISHED_H

#include <stdbool.h>

/* Timm's name for a checkpoint, "vit_base_patch16_224.dino", the architecture and behind the dot the training. */
enum { MAX_PUBLISHED = 96 };

/* Timm's name of the checkpoint that its authors published in a file (or folder) called `file`, with or without suffix:
 * "dino_vitbase16_pretrain.pth", "swin_tiny_patch4_window7_224.pth", "ViT-B-32.pt". Trainings that timm does not have
 * get names of their own. False when the name is in no table. */
bool published_name(const char *file, char name[static MAX_PUBLISHED]);

/* Whether all of `text` fits a pattern: * stands for any text, # for a number, ~ for a word of letters and digits. */
bool name_fits(const char *pattern, const char *text);

/* A copy of `file` without ".safetensors", ".pth.tar", ".pth", ".pt" or ".bin"; false when it is too long. */
bool strip_suffix(const char *file, char name[static MAX_PUBLISHED]);

#endif
