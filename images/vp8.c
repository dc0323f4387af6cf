/* VP8 key frames, the lossy pictures of WebP (RFC 6386), to the bytes that libwebp gives.
 *
 * A row of macroblocks is decoded into the window; then the row above it, on which no prediction depends any more, is
 * filtered, and the lines that nothing will change again become RGB. */
#include <stdlib.h>
#include <string.h>

#include "images/vp8_internal.h"
#include "kernels/memory.h"

enum {
  WINDOW_LINES = VP8_HISTORY + 16,
  ABOVE_PICTURE = 127,
  LEFT_OF_PICTURE = 129,
};

/* ---- the window ------------------------------------------------------------------------------------------------ */

/* A plane of the window: `lines` lines at `at`. Returns its line 0, behind `history` lines. */
static uint8_t *open_plane(uint8_t *at, size_t stride, size_t lines, size_t history) {
  for (size_t i = 0; i < lines; i++) memset(at + i * stride, LEFT_OF_PICTURE, VP8_BORDER);
  uint8_t *first = at + history * stride + VP8_BORDER;
  memset(first - stride - 1, ABOVE_PICTURE, stride - VP8_BORDER + 1);
  return first;
}

static int allocate_buffers(struct vp8 *v, error *e) {
  /* Modes alone take more than a bit a macroblock: no allocation for what the file cannot hold. */
  size_t macroblocks = (size_t)v->columns * (size_t)v->rows, bytes = (size_t)(v->header.end - v->header.next) + 8;
  if (macroblocks / 8 > bytes) {
    return fail(e, "truncated: the VP8 frame at byte %zu has %zu macroblocks, which its first partition cannot hold",
                v->position, macroblocks);
  }
  size_t width = 16 * (size_t)v->columns;
  v->y_stride = width + 2 * VP8_BORDER;
  v->uv_stride = width / 2 + 2 * VP8_BORDER;
  size_t y_size = WINDOW_LINES * v->y_stride, uv_size = WINDOW_LINES / 2 * v->uv_stride;
  v->window = allocate_zeroed(y_size + 2 * uv_size + PIXEL_SLACK, 1, e);
  if (!v->window) return FAILED;
  v->y = open_plane(v->window, v->y_stride, WINDOW_LINES, VP8_HISTORY);
  v->u = open_plane(v->window + y_size, v->uv_stride, WINDOW_LINES / 2, VP8_HISTORY / 2);
  v->v = open_plane(v->window + y_size + uv_size, v->uv_stride, WINDOW_LINES / 2, VP8_HISTORY / 2);
  size_t line = width + PIXEL_SLACK, chroma = width / 2 + 2 + PIXEL_SLACK;
  v->lines = allocate_zeroed(2 * (line + chroma), 1, e);
  if (!v->lines) return FAILED;
  v->u_line = v->lines;
  v->v_line = v->u_line + line;
  v->chroma = v->v_line + line;
  v->above = allocate_zeroed((size_t)v->columns, sizeof *v->above, e);
  if (!v->above) return FAILED;
  v->edges = allocate_zeroed((size_t)v->columns, 2 * sizeof *v->edges, e);
  return v->edges ? OK : FAILED;
}

static void slide_plane(uint8_t *first, size_t stride, size_t rows, size_t history) {
  uint8_t *top = first - history * stride - VP8_BORDER;
  memmove(top, top + rows * stride, history * stride);
}

static void slide_window(struct vp8 *v) {
  slide_plane(v->y, v->y_stride, 16, VP8_HISTORY);
  slide_plane(v->u, v->uv_stride, 8, VP8_HISTORY / 2);
  slide_plane(v->v, v->uv_stride, 8, VP8_HISTORY / 2);
}

/* ---- macroblocks ----------------------------------------------------------------------------------------------- */

static void reconstruct_by_block(const struct vp8 *v, const struct vp8_macroblock *m, bool has_residual, uint8_t *y) {
  for (size_t i = 0; i < VP8_LUMA_BLOCKS; i++) {
    uint8_t *block = y + i / 4 * 4 * v->y_stride + i % 4 * 4;
    vp8_predict_block(block, v->y_stride, m->submodes[i]);
    if (has_residual) vp8_add_residual(m->coefficients[i], m->extents[i], block, v->y_stride);
  }
}

/* What is above to the right of a macroblock is what the blocks in its last column see there, also the lower ones:
 * the next macroblock does not exist yet. Its place holds the samples until it does. */
static void lend_samples_to_the_right(const struct vp8 *v, int column, int row, uint8_t *y) {
  uint8_t *right = y - v->y_stride + 16;
  if (row > 0 && column == v->columns - 1) memset(right, right[-1], 4);
  for (size_t i = 1; i < 4; i++) memcpy(right + 4 * i * v->y_stride, right, 4);
}

/* Chroma has no shortcut for few coefficients, but if all blocks of a plane have a DC only. */
static void add_chroma(const struct vp8 *v, const struct vp8_macroblock *m, int first, uint8_t *plane) {
  bool dc_only = true;
  for (int i = first; i < first + 4; i++) dc_only = dc_only && m->extents[i] <= VP8_DC_ONLY;
  for (int i = first; i < first + 4; i++) {
    size_t x = (size_t)(i - first) % 2 * 4, y = (size_t)(i - first) / 2 * 4;
    enum vp8_extent extent = dc_only || m->extents[i] == VP8_NOTHING ? m->extents[i] : VP8_FULL;
    vp8_add_residual(m->coefficients[i], extent, plane + y * v->uv_stride + x, v->uv_stride);
  }
}

static void reconstruct(const struct vp8 *v, const struct vp8_macroblock *m, bool has_residual, int column, int row) {
  uint8_t *y = v->y + 16 * (ptrdiff_t)column, *u = v->u + 8 * (ptrdiff_t)column,
          *v_plane = v->v + 8 * (ptrdiff_t)column;
  if (m->luma_mode == VP8_BY_BLOCK) {
    lend_samples_to_the_right(v, column, row, y);
    reconstruct_by_block(v, m, has_residual, y);
  } else {
    vp8_predict(y, v->y_stride, 16, m->luma_mode, row > 0, column > 0);
    for (size_t i = 0; i < VP8_LUMA_BLOCKS && has_residual; i++) {
      uint8_t *block = y + i / 4 * 4 * v->y_stride + i % 4 * 4;
      vp8_add_residual(m->coefficients[i], m->extents[i], block, v->y_stride);
    }
  }
  vp8_predict(u, v->uv_stride, 8, m->chroma_mode, row > 0, column > 0);
  vp8_predict(v_plane, v->uv_stride, 8, m->chroma_mode, row > 0, column > 0);
  if (has_residual) {
    add_chroma(v, m, VP8_LUMA_BLOCKS, u);
    add_chroma(v, m, VP8_LUMA_BLOCKS + 4, v_plane);
  }
}

static struct vp8_filter *edges_of_row(const struct vp8 *v, int row) { return v->edges + row % 2 * v->columns; }

static int decode_row(struct vp8 *v, int row, error *e) {
  struct vp8_bits *bits = &v->partitions[row % v->partition_count];
  struct vp8_filter *edges = edges_of_row(v, row);
  memset(&v->left, 0, sizeof v->left);
  for (int column = 0; column < v->columns; column++) {
    struct vp8_macroblock m;
    vp8_read_modes(v, &v->above[column], &m);
    bool has_residual = vp8_read_coefficients(v, bits, &v->above[column], &m);
    reconstruct(v, &m, has_residual, column, row);
    edges[column] = v->filters[m.segment][m.luma_mode == VP8_BY_BLOCK];
    edges[column].inner |= has_residual;
  }
  if (v->header.ended || bits->ended) {
    return fail(e, "truncated: the %s of the VP8 frame at byte %zu end in row %d of %d of macroblocks",
                v->header.ended ? "modes" : "coefficients", v->position, row + 1, v->rows);
  }
  return OK;
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* Filter row `row` of macroblocks; it lies `up` lines above line 0 of the window. */
static void filter_row(const struct vp8 *v, int row, size_t up) {
  if (!v->filtered) return;
  vp8_filter_row(v, edges_of_row(v, row), v->y - up * v->y_stride, v->u - up / 2 * v->uv_stride,
                 v->v - up / 2 * v->uv_stride, row > 0);
}

/* A line of a chroma plane, with its first and last sample repeated beside it. */
static const uint8_t *widened(const uint8_t *line, int n, uint8_t *room) {
  room[0] = line[0];
  memcpy(room + 1, line, (size_t)n);
  room[1 + n] = line[n - 1];
  return room + 1;
}

/* A line of chroma at luma's width from the two lines that surround it. */
static void upsample(const struct vp8 *v, const uint8_t *near, const uint8_t *far, uint8_t *out) {
  int n = (v->width + 1) / 2;
  size_t room = (size_t)n + 2 + PIXEL_SLACK;
  v->kernels->vp8_upsample(widened(near, n, v->chroma), widened(far, n, v->chroma + room), n, out);
}

/* Lines of the picture, [from, to), to RGB; line 0 of the window is line `origin`. */
static int emit_lines(const struct vp8 *v, int from, int to, int origin, struct webp_rows *rows, error *e) {
  int last = (v->height + 1) / 2 - 1;
  for (int y = from; y < to; y++) {
    uint8_t *rgb = webp_begin_row(rows, y);
    if (!rgb) continue;
    int near = y / 2, far = y % 2 ? near + 1 : near - 1;
    far = far < 0 ? 0 : far > last ? last : far;
    ptrdiff_t near_at = (near - origin / 2) * (ptrdiff_t)v->uv_stride;
    ptrdiff_t far_at = (far - origin / 2) * (ptrdiff_t)v->uv_stride;
    upsample(v, v->u + near_at, v->u + far_at, v->u_line);
    upsample(v, v->v + near_at, v->v + far_at, v->v_line);
    const uint8_t *y_line = v->y + (y - origin) * (ptrdiff_t)v->y_stride;
    v->kernels->vp8_to_rgb(y_line + rows->from, v->u_line + rows->from, v->v_line + rows->from, rows->to - rows->from,
                           rgb);
    if (webp_end_row(rows, e)) return FAILED;
  }
  return OK;
}

static int decode_rows(struct vp8 *v, struct webp_rows *rows, error *e) {
  int emitted = 0;
  for (int row = 0; row < v->rows; row++) {
    if (row > 0) slide_window(v);
    if (decode_row(v, row, e)) return FAILED;
    if (row == 0) continue;
    filter_row(v, row - 1, 16);
    /* The edge below changes three lines of luma and of chroma; a line of luma needs chroma of the line below it. */
    int final = 16 * row - 7;
    if (emit_lines(v, emitted, final, 16 * row, rows, e)) return FAILED;
    emitted = final;
  }
  filter_row(v, v->rows - 1, 0);
  return emit_lines(v, emitted, v->height, 16 * (v->rows - 1), rows, e);
}

int vp8_decode(const struct webp_chunk *chunk, struct webp_rows *rows, error *e) {
  struct vp8 *v = allocate_zeroed(1, sizeof *v, e);
  if (!v) return FAILED;
  v->kernels = pixel_kernels();
  int status = vp8_read_header(v, chunk, e);
  if (status == OK) status = allocate_buffers(v, e);
  if (status == OK) status = webp_begin_rows(rows, e);
  if (status == OK) status = decode_rows(v, rows, e);
  free(v->window);
  free(v->lines);
  free(v->above);
  free(v->edges);
  free(v);
  return status;
}
