/* VP8L, the lossless pictures of WebP (RFC 9649). */
#include <stdlib.h>
#include <string.h>

#include "images/byte_order.h"
#include "images/vp8l_internal.h"
#include "kernels/memory.h"

enum { HEADER_SIZE = 5, SIGNATURE = 0x2f };

struct vp8l {
  const struct webp_chunk *chunk;
  int width, height;
  struct vp8l_bits bits;
  struct vp8l_transform transforms[VP8L_TRANSFORMS];
  int transform_count;
  struct vp8l_picture picture;
};

int vp8l_read_size(const struct webp_chunk *chunk, int *width, int *height, bool *has_alpha, error *e) {
  const uint8_t *p = chunk->bytes;
  if (chunk->padded_size < HEADER_SIZE) {
    return fail(e, "the VP8L picture at byte %zu has %zu bytes, fewer than its header", chunk->position, chunk->size);
  }
  if (p[0] != SIGNATURE) return fail(e, "no VP8L signature at byte %zu", chunk->position);
  if (p[4] >> 5) {
    return fail(e, "the VP8L picture at byte %zu has the unknown version %d", chunk->position, p[4] >> 5);
  }
  uint32_t bits = little_endian_32(p + 1);
  *width = 1 + (int)(bits & 0x3fff);
  *height = 1 + (int)(bits >> 14 & 0x3fff);
  *has_alpha = bits >> 28 & 1;
  return OK;
}

/* Before an error's message: where in the file it was met. */
static int fail_at(const struct vp8l *v, error *e) {
  size_t read = (size_t)(v->bits.next - v->chunk->bytes) - (size_t)v->bits.count / 8;
  return fail_within(e, "VP8L data (from byte %zu), at byte %zu", v->chunk->position, v->chunk->position + read);
}

/* Everything before the pixels. */
static int read_headers(struct vp8l *v, error *e) {
  int width = v->width;
  while (vp8l_read(&v->bits, 1)) {
    struct vp8l_transform *t = &v->transforms[v->transform_count];
    enum vp8l_transform_type type = vp8l_read(&v->bits, 2);
    for (int i = 0; i < v->transform_count; i++) {
      if (v->transforms[i].type == type) return fail(e, "the transform %d comes twice", (int)type);
    }
    t->type = type;
    v->transform_count++;
    if (vp8l_read_transform(t, &v->bits, &width, v->height, e)) return FAILED;
  }
  return vp8l_open_picture(&v->picture, &v->bits, width, v->height, true, e);
}

static int open_picture(struct vp8l *v, error *e) { return read_headers(v, e) ? fail_at(v, e) : OK; }

static void close_picture(struct vp8l *v) {
  for (int i = 0; i < v->transform_count; i++) vp8l_free_transform(&v->transforms[i]);
  vp8l_close_picture(&v->picture);
}

static void to_rgb(const uint32_t *pixels, int width, uint8_t *rgb) {
  int x = 0;
  for (; x + 3 <= width; x += 2) { /* six bytes of a store of eight, so not the last three pixels */
    uint32_t a = __builtin_bswap32(pixels[x]) >> 8, b = __builtin_bswap32(pixels[x + 1]) >> 8;
    uint64_t pair = a | (uint64_t)b << 24;
    memcpy(rgb + 3 * (size_t)x, &pair, sizeof pair);
  }
  for (; x < width; x++) {
    rgb[3 * x] = (uint8_t)(pixels[x] >> 16);
    rgb[3 * x + 1] = (uint8_t)(pixels[x] >> 8);
    rgb[3 * x + 2] = (uint8_t)pixels[x];
  }
}

/* The rows from y on that are decoded together. */
static int read_rows_from(struct vp8l *v, int y, error *e) {
  int end = y + VP8L_ROWS < v->height ? y + VP8L_ROWS : v->height;
  return vp8l_read_rows(&v->picture, &v->bits, end, e) ? fail_at(v, e) : OK;
}

static int decode_rows(struct vp8l *v, struct webp_rows *rows, error *e) {
  uint32_t *row = allocate((size_t)v->width, sizeof *row, e);
  if (!row) return FAILED;
  int status = OK;
  for (int y = 0; y < v->height && status == OK; y++) {
    if (y % VP8L_ROWS == 0) status = read_rows_from(v, y, e);
    if (status) break;
    size_t width = (size_t)v->picture.width;
    memcpy(row, vp8l_row(&v->picture, y), width * sizeof *row);
    for (int i = v->transform_count - 1; i >= 0; i--) vp8l_undo_transform(&v->transforms[i], y, row);
    uint8_t *rgb = webp_begin_row(rows, y);
    if (!rgb) continue;
    to_rgb(row + rows->from, rows->to - rows->from, rgb);
    status = webp_end_row(rows, e);
  }
  free(row);
  return status;
}

int vp8l_decode(const struct webp_chunk *chunk, struct webp_rows *rows, error *e) {
  struct vp8l v = {.chunk = chunk};
  bool has_alpha;
  if (vp8l_read_size(chunk, &v.width, &v.height, &has_alpha, e)) return FAILED;
  v.bits = vp8l_bits_open(chunk->bytes, chunk->padded_size);
  vp8l_read(&v.bits, 8);
  vp8l_read(&v.bits, 32);
  int status = open_picture(&v, e);
  if (status == OK) status = webp_begin_rows(rows, e);
  if (status == OK) status = decode_rows(&v, rows, e);
  close_picture(&v);
  return status;
}

int vp8l_check_alpha(const struct webp_chunk *chunk, size_t offset, int width, int height, error *e) {
  struct vp8l v = {.chunk = chunk, .width = width, .height = height};
  v.bits = vp8l_bits_open(chunk->bytes + offset, chunk->size - offset);
  int status = open_picture(&v, e);
  for (int y = 0; y < height && status == OK; y += VP8L_ROWS) status = read_rows_from(&v, y, e);
  close_picture(&v);
  return status;
}
