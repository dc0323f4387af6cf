#include "kernels/dtype.h"

#include <string.h>

static const struct {
  const char *name;
  size_t size;
} dtypes[DTYPE_COUNT] = {
    [DTYPE_F64] = {"F64", 8}, [DTYPE_F32] = {"F32", 4},   [DTYPE_F16] = {"F16", 2}, [DTYPE_BF16] = {"BF16", 2},
    [DTYPE_I64] = {"I64", 8}, [DTYPE_I32] = {"I32", 4},   [DTYPE_I16] = {"I16", 2}, [DTYPE_I8] = {"I8", 1},
    [DTYPE_U8] = {"U8", 1},   [DTYPE_BOOL] = {"BOOL", 1}, [DTYPE_U16] = {"U16", 2}, [DTYPE_U32] = {"U32", 4},
    [DTYPE_U64] = {"U64", 8},
};

const char *dtype_name(enum dtype dtype) { return dtypes[dtype].name; }
size_t dtype_size(enum dtype dtype) { return dtypes[dtype].size; }

static float float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits; every value is a float exactly. */
static float float_of_half(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 0x1F, fraction = half & 0x3FF;
  if (exponent == 0x1F) return float_of_bits(sign | 0x7F800000 | fraction << 13);
  if (exponent) return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
  float magnitude = (float)fraction * 0x1p-24f; /* zero and subnormals */
  return sign ? -magnitude : magnitude;
}

static float float_of_bf16(uint16_t bits) { return float_of_bits((uint32_t)bits << 16); }

/* The loop of one source type: memcpy reads at any alignment. */
#define CONVERT(type, expression)                                 \
  for (size_t i = 0; i < n; i++) {                                \
    type x;                                                       \
    memcpy(&x, (const uint8_t *)source + i * sizeof x, sizeof x); \
    destination[i] = (expression);                                \
  }                                                               \
  return

void dtype_to_float(enum dtype dtype, const void *source, float *destination, size_t n) {
  switch (dtype) {
    case DTYPE_F32:
      if (n) memcpy(destination, source, n * sizeof *destination);
      return;
    case DTYPE_F64:
      CONVERT(double, (float)x);
    case DTYPE_F16:
      CONVERT(uint16_t, float_of_half(x));
    case DTYPE_BF16:
      CONVERT(uint16_t, float_of_bf16(x));
    case DTYPE_I64:
      CONVERT(int64_t, (float)x);
    case DTYPE_I32:
      CONVERT(int32_t, (float)x);
    case DTYPE_I16:
      CONVERT(int16_t, (float)x);
    case DTYPE_I8:
      CONVERT(int8_t, (float)x);
    case DTYPE_U64:
      CONVERT(uint64_t, (float)x);
    case DTYPE_U32:
      CONVERT(uint32_t, (float)x);
    case DTYPE_U16:
      CONVERT(uint16_t, (float)x);
    case DTYPE_U8:
      CONVERT(uint8_t, (float)x);
    case DTYPE_BOOL:
      CONVERT(uint8_t, x ? 1.0f : 0.0f);
    case DTYPE_COUNT:
      return;
  }
}

void float_to_bf16(const float *source, uint16_t *destination, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &source[i], sizeof bits);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) {
      destination[i] = (uint16_t)(bits >> 16 | 0x40); /* NaN: keep it one, made quiet */
    } else {
      destination[i] = (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    }
  }
}
