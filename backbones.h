/* backbones - pretrained image backbones on the CPU: the public C API.
 *
 *     struct backbones_options options = {.threads = 0, .max_batch = 8};
 *     struct backbones_error error;
 *     backbones *model = backbones_load("resnet50.safetensors", &options, &error);
 *     if (!model) { fprintf(stderr, "%s\n", error.message); return 1; }
 *     backbones_features(model, images, n, features, &error);
 *     backbones_free(model);
 *
 * A model is used by one thread at a time; several models may be used by several threads.
 * No function prints, exits or aborts. Link with -lbackbones -lm -lpthread. */
#ifndef BACKBONES_H
#define BACKBONES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BACKBONES_API __attribute__((visibility("default")))
#else
#define BACKBONES_API
#endif

#define BACKBONES_VERSION "0.1.0"

/* What a function returns, and what the command line exits with. */
enum {
  BACKBONES_OK = 0,
  BACKBONES_FAILED = 1, /* the data or the run failed: `message` names file, place and reason */
  BACKBONES_USAGE = 2,  /* the caller's arguments make no sense together */
};

struct backbones_error {
  char message[2048];
};

typedef struct backbones backbones;

struct backbones_options {
  int threads;      /* 0: every core that the affinity mask and the cgroup quota allow */
  int max_batch;    /* images per call of the engine; 0: 16. Memory grows with it, results do not change */
  const char *arch; /* NULL: found from the checkpoint */
  /* What backbones_features() gives: "pooled" (NULL), "projected", "class", "mean", "tokens", "block:N" ... */
  const char *features;
  /* Where it runs: "cpu" (NULL); "cpu:bf16", with products of bfloat16 factors; and in a build with CUDA "cuda",
   * "cuda:tf32", "cuda:bf16", or "auto", which is a GPU where one works. */
  const char *device;
};

/* What backbones_describe() tells; the strings belong to the model. */
struct backbones_info {
  const char *arch;   /* timm's name, e.g. "resnet50" */
  const char *scheme; /* whose key names the checkpoint used, e.g. "timm", "transformers" */
  const char *isa;    /* the kernels in use, e.g. "avx512", "avx512_bf16", "cuda" */
  int64_t parameters; /* trainable numbers of the published model, batch norms unfolded */
  double gflops;      /* of one image, a multiply-add counted as two */
  int features;       /* floats that backbones_features() writes for an image */
  int classes;        /* floats that backbones_logits() writes for an image; 0: no head */
  int input_height, input_width;
};

/* An image in memory: 8-bit RGB, rows `stride` bytes apart (0: width * 3). */
struct backbones_image {
  const uint8_t *rgb;
  int width, height;
  ptrdiff_t stride;
};

/* Load a checkpoint (a .safetensors or .pth file, or a folder with config.json and either) and prepare it to run.
 * `options` may be NULL. Returns NULL with error->message set on failure. */
BACKBONES_API backbones *backbones_load(const char *path, const struct backbones_options *options,
                                        struct backbones_error *error);
BACKBONES_API void backbones_free(backbones *model);
BACKBONES_API struct backbones_info backbones_describe(const backbones *model);

/* Resize, crop and normalise each image by the checkpoint's recipe, run the backbone, and write its features:
 * features is [n, info.features] row-major. The result of an image does not depend on the others, nor on threads. */
BACKBONES_API int backbones_features(backbones *model, const struct backbones_image *images, size_t n, float *features,
                                     struct backbones_error *error);
/* The same through the checkpoint's own head: logits is [n, info.classes]. */
BACKBONES_API int backbones_logits(backbones *model, const struct backbones_image *images, size_t n, float *logits,
                                   struct backbones_error *error);
/* Decode an image file's bytes (JPEG, PNG, WebP, GIF, BMP, TIFF, PNM) to RGB. image->rgb is released by
 * backbones_image_free(). */
BACKBONES_API int backbones_image_decode(const void *bytes, size_t size, struct backbones_image *image,
                                         struct backbones_error *error);
BACKBONES_API void backbones_image_free(struct backbones_image *image);

#ifdef __cplusplus
}
#endif
#endif
