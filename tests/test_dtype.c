#include <math.h>
#include <string.h>

#include "kernels/dtype.h"
#include "tests/harness.h"

static float convert(enum dtype dtype, const void *bytes) {
  float value;
  dtype_to_float(dtype, bytes, &value, 1);
  return value;
}

static float half(uint16_t bits) { return convert(DTYPE_F16, &bits); }

static uint16_t to_bf16(float value) {
  uint16_t bits;
  float_to_bf16(&value, &bits, 1);
  return bits;
}

TEST(dtype_names_and_sizes) {
  CHECK_STRING(dtype_name(DTYPE_BF16), "BF16");
  CHECK_STRING(dtype_name(DTYPE_BOOL), "BOOL");
  size_t total = 0;
  for (int d = 0; d < DTYPE_COUNT; d++) total += dtype_size((enum dtype)d);
  CHECK(total == 8 + 4 + 2 + 2 + 8 + 4 + 2 + 1 + 1 + 1 + 2 + 4 + 8);
}

/* Every half against the definition of binary16. */
TEST(dtype_every_half) {
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    float actual = half((uint16_t)bits);
    int exponent = bits >> 10 & 0x1F, fraction = bits & 0x3FF;
    double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == 0x1F && fraction) {
      CHECK_MSG(isnan(actual), "half %04x is no NaN", bits);
      continue;
    }
    double expected = exponent == 0x1F ? INFINITY
                      : exponent == 0  ? ldexp(fraction, -24)
                                       : ldexp(1024 + fraction, exponent - 25);
    if ((double)actual != sign * expected || !signbit(actual) != !(bits & 0x8000))
      CHECK_MSG(false, "half %04x is %g", bits, (double)actual);
  }
}

TEST(dtype_bf16_rounds_to_nearest_even) {
  CHECK(to_bf16(1.0f) == 0x3F80);
  CHECK(to_bf16(-2.5f) == 0xC020);
  CHECK(to_bf16(1.0f + 0x1p-8f) == 0x3F80);     /* a tie goes to the even */
  CHECK(to_bf16(1.0f + 3 * 0x1p-8f) == 0x3F82); /* also upwards */
  CHECK(to_bf16(1.0f + 0x1p-8f + 0x1p-20f) == 0x3F81);
  CHECK(to_bf16(3.4028234e38f) == 0x7F80); /* rounds over to infinity */
  CHECK(to_bf16(INFINITY) == 0x7F80);
  CHECK(to_bf16(-0.0f) == 0x8000);
  uint32_t quiet_bits_only_low = 0x7F800001; /* a NaN whose upper half would be an infinity */
  float nan;
  memcpy(&nan, &quiet_bits_only_low, sizeof nan);
  uint16_t bits = to_bf16(nan);
  CHECK(isnan(convert(DTYPE_BF16, &bits)));
}

TEST(dtype_bf16_round_trip) {
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    uint16_t source = (uint16_t)bits;
    float value = convert(DTYPE_BF16, &source);
    if (isnan(value)) continue;
    if (to_bf16(value) != source) CHECK_MSG(false, "%04x came back as %04x", bits, to_bf16(value));
  }
}

TEST(dtype_integers_and_doubles) {
  double d = 0.1;
  int64_t i64 = -16777217; /* 2^24 + 1: a tie, to even */
  int32_t i32 = -7;
  int16_t i16 = -300;
  int8_t i8 = -128;
  uint8_t u8 = 255, boolean = 1;
  uint16_t u16 = 65535;
  uint32_t u32 = 4294967295u;
  uint64_t u64 = UINT64_MAX;
  CHECK(convert(DTYPE_F64, &d) == 0.1f);
  CHECK(convert(DTYPE_I64, &i64) == -16777216.0f);
  CHECK(convert(DTYPE_I32, &i32) == -7);
  CHECK(convert(DTYPE_I16, &i16) == -300);
  CHECK(convert(DTYPE_I8, &i8) == -128);
  CHECK(convert(DTYPE_U8, &u8) == 255);
  CHECK(convert(DTYPE_BOOL, &boolean) == 1);
  CHECK(convert(DTYPE_U16, &u16) == 65535);
  CHECK(convert(DTYPE_U32, &u32) == 4294967296.0f);
  CHECK(convert(DTYPE_U64, &u64) == 18446744073709551616.0f);
}

TEST(dtype_reads_unaligned) {
  uint8_t bytes[1 + 3 * sizeof(float)];
  const float values[3] = {1.5f, -2, 1e-40f};
  float out[4] = {0, 0, 0, 42};
  memcpy(bytes + 1, values, sizeof values);
  dtype_to_float(DTYPE_F32, bytes + 1, out, 3);
  CHECK_ALL_NEAR(out, values, 3, 0);
  CHECK(out[3] == 42);
  dtype_to_float(DTYPE_F32, NULL, out, 0);
}
