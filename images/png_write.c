#include "images/png_write.h"

#include <stdlib.h>
#include <string.h>

#include "images/checksum.h"
#include "images/deflate.h"
#include "kernels/memory.h"

enum { BPP = 3, FILTERS = 5 };

static int paeth(int left, int above, int corner) {
  int estimate = left + above - corner;
  int to_left = abs(estimate - left), to_above = abs(estimate - above), to_corner = abs(estimate - corner);
  if (to_left <= to_above && to_left <= to_corner) return left;
  return to_above <= to_corner ? above : corner;
}

/* out [bytes]: the line minus its prediction by filter type 0..4; previous NULL: the first line. Returns the cost. */
static unsigned long filter_line(int type, const uint8_t *line, const uint8_t *previous, size_t bytes, uint8_t *out) {
  unsigned long cost = 0;
  for (size_t i = 0; i < bytes; i++) {
    int left = i >= BPP ? line[i - BPP] : 0, above = previous ? previous[i] : 0;
    int corner = previous && i >= BPP ? previous[i - BPP] : 0, prediction = 0;
    if (type == 1) prediction = left;
    if (type == 2) prediction = above;
    if (type == 3) prediction = (left + above) / 2;
    if (type == 4) prediction = paeth(left, above, corner);
    out[i] = (uint8_t)(line[i] - prediction);
    cost += (unsigned long)abs((int8_t)out[i]);
  }
  return cost;
}

static uint8_t *filter_all(const struct image *image, size_t *size, error *e) {
  size_t bytes = (size_t)image->width * BPP, total;
  if (!multiply_size(bytes + 1, (size_t)image->height, &total)) {
    fail(e, "the picture is too large");
    return NULL;
  }
  uint8_t *filtered = allocate(total, 1, e), *trial = allocate(bytes, 1, e);
  if (!filtered || !trial) {
    free(filtered);
    free(trial);
    return NULL;
  }
  for (int y = 0; y < image->height; y++) {
    const uint8_t *line = image->rgb + (size_t)y * bytes, *previous = y ? line - bytes : NULL;
    uint8_t *out = filtered + (size_t)y * (bytes + 1);
    unsigned long best = 0;
    for (int type = 0; type < FILTERS; type++) {
      unsigned long cost = filter_line(type, line, previous, bytes, trial);
      if (type && cost >= best) continue;
      best = cost;
      out[0] = (uint8_t)type;
      memcpy(out + 1, trial, bytes);
    }
  }
  free(trial);
  *size = total;
  return filtered;
}

static uint8_t *put_be32(uint8_t *to, uint32_t value) {
  for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> (24 - 8 * i));
  return to + 4;
}

static uint8_t *put_chunk(uint8_t *to, const char type[4], const uint8_t *bytes, size_t size) {
  to = put_be32(to, (uint32_t)size);
  uint8_t *checked = to;
  memcpy(to, type, 4);
  if (size) memcpy(to + 4, bytes, size);
  return put_be32(to + 4 + size, checksum_crc32(0, checked, size + 4));
}

int png_encode(const struct image *image, uint8_t **out, size_t *out_size, error *e) {
  static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  enum { CHUNK = 12, HEADER = 13 };
  *out = NULL;
  *out_size = 0;
  size_t filtered_size = 0, packed_size;
  uint8_t *filtered = filter_all(image, &filtered_size, e), *packed = NULL;
  int status = filtered ? zlib_deflate(filtered, filtered_size, &packed, &packed_size, e) : FAILED;
  free(filtered);
  if (status != OK) return status;
  size_t size = sizeof signature + CHUNK + HEADER + CHUNK + packed_size + CHUNK;
  uint8_t *bytes = allocate(size, 1, e);
  if (bytes) {
    uint8_t header[HEADER] = {[8] = 8, [9] = 2}; /* 8 bits, RGB, not interlaced */
    put_be32(put_be32(header, (uint32_t)image->width), (uint32_t)image->height);
    memcpy(bytes, signature, sizeof signature);
    uint8_t *to = put_chunk(bytes + sizeof signature, "IHDR", header, HEADER);
    to = put_chunk(to, "IDAT", packed, packed_size);
    put_chunk(to, "IEND", NULL, 0);
    *out = bytes;
    *out_size = size;
  }
  free(packed);
  return bytes ? OK : FAILED;
}
