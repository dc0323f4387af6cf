/* One way to fail: a status code and a message that names the file, the place and the reason. */
#ifndef KERNELS_ERROR_H
#define KERNELS_ERROR_H

#include "backbones.h"

#ifdef __cplusplus /* kernels/cuda/device.cu */
extern "C" {
#endif

typedef struct backbones_error error;

enum status { OK = BACKBONES_OK, FAILED = BACKBONES_FAILED, USAGE = BACKBONES_USAGE };

/* Write the message (printf style) and return FAILED, so that a caller can `return fail(e, ...)`. `e` may be NULL. */
int fail(error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, returning USAGE. */
int usage_error(error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Put "prefix: " (printf style) before the message already in `e`; returns FAILED. */
int fail_within(error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The message for a failed allocation. */
int out_of_memory(error *e, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
