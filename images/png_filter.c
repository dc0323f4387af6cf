#include "images/png_filter.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* A pixel is one vector of up to eight samples, in 16 bits: pixels of a row wait for each other, their samples do not.
 */
typedef int16_t samples __attribute__((vector_size(16)));

/* 4 or 8 bytes are loaded and stored; those beyond a pixel do not matter, as the next one overwrites them. */
static inline samples load_pixel(const uint8_t *p, int pixel) {
#if defined(__SSE2__)
  uint64_t bytes = 0;
  memcpy(&bytes, p, pixel <= 4 ? 4 : 8);
  return (samples)_mm_unpacklo_epi8(_mm_cvtsi64_si128((long long)bytes), _mm_setzero_si128());
#else
  typedef uint8_t bytes __attribute__((vector_size(8)));
  uint64_t loaded = 0;
  memcpy(&loaded, p, pixel <= 4 ? 4 : 8);
  return __builtin_convertvector((bytes)loaded, samples);
#endif
}

static inline void store_pixel(uint8_t *p, samples v, int pixel) {
#if defined(__SSE2__)
  uint64_t bytes = (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16((__m128i)v, (__m128i)v));
#else
  typedef uint8_t bytes_of_8 __attribute__((vector_size(8)));
  uint64_t bytes = (uint64_t) __builtin_convertvector(v, bytes_of_8);
#endif
  memcpy(p, &bytes, pixel <= 4 ? 4 : 8);
}

static inline samples choose(samples mask, samples a, samples b) { return (mask & a) | (~mask & b); }

static inline samples smaller(samples a, samples b) {
#if defined(__SSE2__)
  return (samples)_mm_min_epi16((__m128i)a, (__m128i)b);
#else
  return choose(a < b, a, b);
#endif
}

static inline samples larger(samples a, samples b) {
#if defined(__SSE2__)
  return (samples)_mm_max_epi16((__m128i)a, (__m128i)b);
#else
  return choose(a > b, a, b);
#endif
}

/* Whichever of the neighbours is nearest to left + above - corner, the first of them at a tie. With low <= corner <=
 * high the estimate lies corner - low below `high`, which therefore is nearer than the corner where 3 corner - left -
 * above
 * <= low; likewise at the other end; and a corner outside is beyond both borders. */
static inline samples paeth(samples left, samples above, samples corner) {
  samples border = corner + corner + corner - above - left;
  samples low = smaller(left, above), high = larger(left, above);
  return choose(low < border, choose(border < high, corner, low), high);
}

static inline __attribute__((always_inline)) void unfilter_pixels(enum png_filter filter, const uint8_t *filtered,
                                                                  const uint8_t *above, uint8_t *row, size_t n,
                                                                  int pixel) {
  samples left = {0}, corner = {0};
  for (size_t i = 0; i < n; i += (size_t)pixel) {
    samples up = load_pixel(above + i, pixel);
    samples predicted = filter == PNG_PAETH ? paeth(left, up, corner) : filter == PNG_AVERAGE ? (left + up) >> 1 : left;
    left = (load_pixel(filtered + i, pixel) + predicted) & 0xff;
    corner = up;
    store_pixel(row + i, left, pixel);
  }
}

/* Once for each distance and filter. */
static inline __attribute__((always_inline)) void unfilter_row(enum png_filter filter, const uint8_t *filtered,
                                                               const uint8_t *above, uint8_t *row, size_t n,
                                                               int pixel) {
  switch (pixel) {
    case 1:
      unfilter_pixels(filter, filtered, above, row, n, 1);
      break;
    case 2:
      unfilter_pixels(filter, filtered, above, row, n, 2);
      break;
    case 3:
      unfilter_pixels(filter, filtered, above, row, n, 3);
      break;
    case 4:
      unfilter_pixels(filter, filtered, above, row, n, 4);
      break;
    case 6:
      unfilter_pixels(filter, filtered, above, row, n, 6);
      break;
    default:
      unfilter_pixels(filter, filtered, above, row, n, 8);
      break;
  }
}

void png_unfilter(enum png_filter filter, const uint8_t *filtered, const uint8_t *above, uint8_t *row, size_t n,
                  int pixel) {
  switch (filter) {
    case PNG_SUB:
      unfilter_row(PNG_SUB, filtered, above, row, n, pixel);
      break;
    case PNG_UP:
      for (size_t i = 0; i < n; i++) row[i] = (uint8_t)(filtered[i] + above[i]);
      break;
    case PNG_AVERAGE:
      unfilter_row(PNG_AVERAGE, filtered, above, row, n, pixel);
      break;
    case PNG_PAETH:
      unfilter_row(PNG_PAETH, filtered, above, row, n, pixel);
      break;
    default:
      memcpy(row, filtered, n);
      break;
  }
}
