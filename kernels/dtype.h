/* Number formats of stored tensors and their conversion to float. */
#ifndef KERNELS_DTYPE_H
#define KERNELS_DTYPE_H

#include <stddef.h>
#include <stdint.h>

enum dtype {
  DTYPE_F64,
  DTYPE_F32,
  DTYPE_F16,
  DTYPE_BF16,
  DTYPE_I64,
  DTYPE_I32,
  DTYPE_I16,
  DTYPE_I8,
  DTYPE_U8,
  DTYPE_BOOL,
  DTYPE_U16,
  DTYPE_U32,
  DTYPE_U64,
  DTYPE_COUNT
};

/* Safetensors' name ("F32") and bytes of one element. */
const char *dtype_name(enum dtype dtype);
size_t dtype_size(enum dtype dtype);
/* n little-endian elements, maybe unaligned, to float (round to nearest even). */
void dtype_to_float(enum dtype dtype, const void *source, float *destination, size_t n);
/* And to bfloat16, round to nearest even, NaN kept. */
void float_to_bf16(const float *source, uint16_t *destination, size_t n);

#endif
