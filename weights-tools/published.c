#include "weights-tools/published.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "weights-tools/recipe.h"

/* The authors' file names. The words that ~ and # stand for come again, in their order, in timm's name; a hash behind
 * the name ("-b5f2ef4d") has been taken off. */
static const struct file_row {
  const char *file, *name;
} file_rows[] = {
    /* facebookresearch/ConvNeXt, ConvNeXt-V2, VICRegL */
    {"convnext_~_1k_384", "convnext_~.fb_in22k_ft_in1k_384"},
    {"convnext_~_1k_224*", "convnext_~.fb_in1k"},
    {"convnext_~_22k_1k_384*", "convnext_~.fb_in22k_ft_in1k_384"},
    {"convnext_~_22k_1k_224*", "convnext_~.fb_in22k_ft_in1k"},
    {"convnext_~_22k_224", "convnext_~.fb_in22k"},
    {"convnextv2_~_1k_224_fcmae", "convnextv2_~.fcmae"},
    {"convnextv2_~_1k_224_ema", "convnextv2_~.fcmae_ft_in1k"},
    {"convnextv2_~_22k_224_ema", "convnextv2_~.fcmae_ft_in22k_in1k"},
    {"convnextv2_~_22k_384_ema", "convnextv2_~.fcmae_ft_in22k_in1k_384"},
    {"convnextv2_~_22k_512_ema", "convnextv2_~.fcmae_ft_in22k_in1k_512"},
    {"convnext_~_alpha*", "convnext_~.vicregl"},
    {"resnet50_alpha*", "resnet50.vicregl"},
    /* facebookresearch/dino, dinov2, dinov3, mae, deit, moco-v3, moco, swav */
    {"dino_deitsmall#_pretrain*", "vit_small_patch#_224.dino"},
    {"dino_vitbase#_pretrain*", "vit_base_patch#_224.dino"},
    {"dino_resnet50_pretrain*", "resnet50.dino"},
    {"dinov2_vits#_reg4_pretrain", "vit_small_patch#_reg4_dinov2.lvd142m"},
    {"dinov2_vitb#_reg4_pretrain", "vit_base_patch#_reg4_dinov2.lvd142m"},
    {"dinov2_vitl#_reg4_pretrain", "vit_large_patch#_reg4_dinov2.lvd142m"},
    {"dinov2_vitg#_reg4_pretrain", "vit_giant_patch#_reg4_dinov2.lvd142m"},
    {"dinov2_vits#_pretrain", "vit_small_patch#_dinov2.lvd142m"},
    {"dinov2_vitb#_pretrain", "vit_base_patch#_dinov2.lvd142m"},
    {"dinov2_vitl#_pretrain", "vit_large_patch#_dinov2.lvd142m"},
    {"dinov2_vitg#_pretrain", "vit_giant_patch#_dinov2.lvd142m"},
    {"dinov3_vits#_pretrain_lvd*", "vit_small_patch#_dinov3_qkvb.lvd1689m"},
    {"dinov3_vits#plus_pretrain_lvd*", "vit_small_plus_patch#_dinov3_qkvb.lvd1689m"},
    {"dinov3_vitb#_pretrain_lvd*", "vit_base_patch#_dinov3_qkvb.lvd1689m"},
    {"dinov3_vitl#_pretrain_lvd*", "vit_large_patch#_dinov3_qkvb.lvd1689m"},
    {"dinov3_vith#plus_pretrain_lvd*", "vit_huge_plus_patch#_dinov3_qkvb.lvd1689m"},
    {"mae_pretrain_vit_huge*", "vit_huge_patch14_224.mae"},
    {"mae_finetuned_vit_huge*", "vit_huge_patch14_224.mae"},
    {"mae_pretrain_vit_~", "vit_~_patch16_224.mae"},
    {"mae_pretrain_vit_~_full", "vit_~_patch16_224.mae"},
    {"mae_finetuned_vit_~", "vit_~_patch16_224.mae"},
    {"deit_3_huge_#_1k", "deit3_huge_patch14_#.fb_in1k"},
    {"deit_3_huge_#_21k*", "deit3_huge_patch14_#.fb_in22k_ft_in1k"},
    {"deit_3_~_#_1k", "deit3_~_patch16_#.fb_in1k"},
    {"deit_3_~_#_21k*", "deit3_~_patch16_#.fb_in22k_ft_in1k"},
    {"deit_~_patch16_#", "deit_~_patch16_#.fb_in1k"},
    {"deit_~_distilled_patch16_#", "deit_~_distilled_patch16_#.fb_in1k"},
    {"vit-s-*ep", "vit_small_patch16_224.mocov3"},
    {"vit-b-*ep", "vit_base_patch16_224.mocov3"},
    {"r-50-*ep", "resnet50.mocov3"},
    {"moco_v*_pretrain", "resnet50.moco"},
    {"swav_*_pretrain*", "resnet50.swav"},
    /* microsoft/Swin-Transformer, and MiDaS's encoders */
    {"swin_~_patch4_window#_#_22kto1k*", "swin_~_patch4_window#_#.ms_in22k_ft_in1k"},
    {"swin_~_patch4_window#_#_22k", "swin_~_patch4_window#_#.ms_in22k"},
    {"swin_~_patch4_window#_#", "swin_~_patch4_window#_#.ms_in1k"},
    {"swinv2_~_patch4_window#to#_#to#_22kto1k_ft", "swinv2_~_window#to#_#to#.ms_in22k_ft_in1k"},
    {"swinv2_~_patch4_window#_#_22k", "swinv2_~_window#_#.ms_in22k"},
    {"swinv2_~_patch4_window#_#", "swinv2_~_window#_#.ms_in1k"},
    {"dpt_swin2_tiny_256", "swinv2_tiny_window16_256.midas"},
    {"dpt_swin2_base_384", "swinv2_base_window12to24_192to384.midas"},
    {"dpt_swin2_large_384", "swinv2_large_window12to24_192to384.midas"},
    /* openai/CLIP, open_clip */
    {"ViT-B-#", "vit_base_patch#_clip_quickgelu_224.openai_original"},
    {"ViT-L-14", "vit_large_patch14_clip_quickgelu_224.openai_original"},
    {"ViT-L-14-336px", "vit_large_patch14_clip_quickgelu_336.openai_original"},
    {"RN50", "resnet50_clip.openai_original"},
    {"RN101", "resnet101_clip.openai_original"},
    {"RN50x#", "resnet50x#_clip.openai_original"},
    {"vit_b_#-quickgelu-*", "vit_base_patch#_clip_quickgelu_224.laion_original"},
    {"vit_b_#-laion*", "vit_base_patch#_clip_224.laion_original"},
    {"vit_l_#-laion*", "vit_large_patch#_clip_224.laion_original"},
    {"CLIP-ViT-B-#-laion*", "vit_base_patch#_clip_224.laion_original"},
    {"CLIP-ViT-L-#-laion*", "vit_large_patch#_clip_224.laion2b"},
    {"CLIP-ViT-H-#-laion*", "vit_huge_patch#_clip_224.laion_original"},
    {"CLIP-ViT-g-#-laion*", "vit_giant_patch#_clip_224.laion_original"},
    {"CLIP-ViT-bigG-#-laion*", "vit_gigantic_patch#_clip_224.laion_original"},
};

/* timm's own names, and torchvision's files, whose hash tells two trainings apart. */
static const struct file_row architectures[] = {
    {"vit_b_#-~", "vit_base_patch#_224"},
    {"vit_l_#-~", "vit_large_patch#_224"},
    {"vit_b_#_lc_swag-~", "vit_base_patch#_224"},
    {"vit_l_#_lc_swag-~", "vit_large_patch#_224"},
    {"vit_h_#_lc_swag-~", "vit_huge_patch#_224"},
    {"swin_t-~", "swin_tiny_patch4_window7_224"},
    {"swin_s-~", "swin_small_patch4_window7_224"},
    {"swin_b-~", "swin_base_patch4_window7_224"},
    {"swin_v2_t-~", "swinv2_tiny_window8_256"},
    {"swin_v2_s-~", "swinv2_small_window8_256"},
    {"swin_v2_b-~", "swinv2_base_window8_256"},
    {"resnet#", "resnet#"},
    {"resnet#d", "resnet#d"},
    {"wide_resnet#_2", "wide_resnet#_2"},
    {"resnext#_#x#d", "resnext#_#x#d"},
    {"resnet#_clip", "resnet#_clip"},
    {"resnet#x#_clip", "resnet#x#_clip"},
    {"convnext_~", "convnext_~"},
    {"convnextv2_~", "convnextv2_~"},
    {"vit_*_patch#_*", NULL},
    {"deit*_patch#_#", NULL},
    {"swin_~_patch4_window#_#", NULL},
    {"swinv2_~_window*", NULL},
};

/* ---- patterns ---- */

struct words {
  const char *text[8];
  int length[8], count;
};

static bool fits(const char *pattern, const char *text, struct words *words) {
  for (; *pattern; pattern++) {
    if (*pattern == '*') {
      for (;; text++) {
        struct words before = *words;
        if (fits(pattern + 1, text, words)) return true;
        *words = before;
        if (!*text) return false;
      }
    }
    if (*pattern != '#' && *pattern != '~') {
      if (*pattern != *text++) return false;
      continue;
    }
    const char *start = text;
    while (*pattern == '#' ? isdigit((unsigned char)*text) : isalnum((unsigned char)*text)) text++;
    if (text == start || words->count == 8) return false;
    words->text[words->count] = start;
    words->length[words->count++] = (int)(text - start);
  }
  return !*text;
}

bool name_fits(const char *pattern, const char *text) {
  struct words words = {.count = 0};
  return fits(pattern, text, &words);
}

/* `pattern` with the words in place of its ~ and #. */
static bool fill_in(const char *pattern, const struct words *words, char name[static MAX_PUBLISHED]) {
  size_t used = 0;
  for (int next = 0; *pattern && used < MAX_PUBLISHED; pattern++) {
    if (*pattern == '#' || *pattern == '~') {
      used += (size_t)snprintf(name + used, MAX_PUBLISHED - used, "%.*s", words->length[next], words->text[next]);
      next++;
    } else {
      name[used++] = *pattern;
    }
  }
  if (used >= MAX_PUBLISHED) return false;
  name[used] = 0;
  return true;
}

static bool find_name(const struct file_row *rows, size_t count, const char *file, char name[static MAX_PUBLISHED]) {
  for (size_t i = 0; i < count; i++) {
    struct words words = {.count = 0};
    if (!fits(rows[i].file, file, &words)) continue;
    if (rows[i].name) return fill_in(rows[i].name, &words, name);
    return snprintf(name, MAX_PUBLISHED, "%s", file) < MAX_PUBLISHED;
  }
  return false;
}

/* ---- names ---- */

bool strip_suffix(const char *file, char name[static MAX_PUBLISHED]) {
  static const char *const suffixes[] = {".safetensors", ".pth.tar", ".pth", ".pt", ".bin"};
  size_t length = strlen(file);
  if (length >= MAX_PUBLISHED) return false;
  memcpy(name, file, length + 1);
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
    size_t tail = strlen(suffixes[i]);
    if (length <= tail || strcmp(name + length - tail, suffixes[i]) != 0) continue;
    name[length - tail] = 0;
    break;
  }
  return true;
}

/* "-b5f2ef4d" at the end, which download tools put there, taken off. */
static void strip_hash(char *name) {
  enum { HASH = 8 };
  size_t length = strlen(name);
  if (length > HASH + 1 && name[length - HASH - 1] == '-' && strspn(name + length - HASH, "0123456789abcdef") == HASH)
    name[length - HASH - 1] = 0;
}

bool published_name(const char *file, char name[static MAX_PUBLISHED]) {
  char plain[MAX_PUBLISHED];
  if (!strip_suffix(file, plain)) return false;
  strip_hash(plain);
  return find_name(file_rows, sizeof file_rows / sizeof *file_rows, plain, name);
}

bool arch_lookup(const char *file, char arch[static MAX_ARCH]) {
  char name[MAX_PUBLISHED], plain[MAX_PUBLISHED];
  bool found = published_name(file, name);
  for (int with_hash = 1; !found && with_hash >= 0; with_hash--) {
    if (!strip_suffix(file, plain)) return false;
    if (!with_hash) strip_hash(plain);
    plain[strcspn(plain, ".")] = 0;
    found = find_name(architectures, sizeof architectures / sizeof *architectures, plain, name);
  }
  return found && snprintf(arch, MAX_ARCH, "%.*s", (int)strcspn(name, "."), name) < MAX_ARCH;
}
