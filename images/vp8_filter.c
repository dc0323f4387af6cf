/* VP8: the loop filter (RFC 6386, section 15), 16 places along an edge at once: of a macroblock's luma, or of both its
 * chroma planes. */
#include "images/vp8_internal.h"
#include "images/vp8_simd.h"

/* The samples across an edge: p3 p2 p1 p0 before it, q0 q1 q2 q3 behind it. */
enum { P3, P2, P1, P0, Q0, Q1, Q2, Q3, ACROSS };
struct edge {
  bytes16 s[ACROSS];
};

enum kind { SIMPLE, BETWEEN_BLOCKS, BETWEEN_MACROBLOCKS };

struct limits {
  bytes16 across, interior, high_edge;
};

/* ---- arithmetic: bytes with their top bit flipped are signed ---------------------------------------------------- */

static inline bytes16 flip(bytes16 a) { return bytes_xor(a, bytes_repeat(128)); }

/* Where the edge is weak enough to be an artefact. */
static inline bytes16 filtered(const bytes16 s[ACROSS], const struct limits *limits, enum kind kind) {
  bytes16 twice = bytes_distance(s[P0], s[Q0]);
  twice = bytes_add(twice, twice);
  bytes16 mask = bytes_at_most(bytes_add(twice, bytes_half(bytes_distance(s[P1], s[Q1]))), limits->across);
  if (kind == SIMPLE) return mask;
  bytes16 most = bytes_distance(s[P3], s[P2]);
  most = bytes_max(most, bytes_distance(s[P2], s[P1]));
  most = bytes_max(most, bytes_distance(s[P1], s[P0]));
  most = bytes_max(most, bytes_distance(s[Q1], s[Q0]));
  most = bytes_max(most, bytes_distance(s[Q2], s[Q1]));
  most = bytes_max(most, bytes_distance(s[Q3], s[Q2]));
  return bytes_and(mask, bytes_at_most(most, limits->interior));
}

/* Where it has a low variance. */
static inline bytes16 low_edge(const bytes16 s[ACROSS], const struct limits *limits) {
  return bytes_at_most(bytes_max(bytes_distance(s[P1], s[P0]), bytes_distance(s[Q1], s[Q0])), limits->high_edge);
}

/* outer + 3 * (q0 - p0) */
static inline bytes16 step(bytes16 outer, const bytes16 s[ACROSS]) {
  bytes16 difference = bytes_subtract_signed(s[Q0], s[P0]);
  return bytes_add_signed(bytes_add_signed(bytes_add_signed(outer, difference), difference), difference);
}

/* Move p and q towards each other. */
static inline void move(bytes16 *p, bytes16 *q, bytes16 by) {
  *p = bytes_add_signed(*p, by);
  *q = bytes_subtract_signed(*q, by);
}

/* Move the innermost two by an eighth of the step; returns by how much q0 went. */
static inline bytes16 move_inner(bytes16 s[ACROSS], bytes16 a) {
  bytes16 q = bytes_shift_right_signed(bytes_add_signed(a, bytes_repeat(4)), 3);
  bytes16 p = bytes_shift_right_signed(bytes_add_signed(a, bytes_repeat(3)), 3);
  s[Q0] = bytes_subtract_signed(s[Q0], q);
  s[P0] = bytes_add_signed(s[P0], p);
  return q;
}

/* Move three on each side by 27, 18 and 9 of 128 parts of the step. */
static inline void move_three(bytes16 s[ACROSS], bytes16 a) {
  words8 low = words_from_low(a), high = words_from_high(a), round = words_repeat(63);
  words8 low_9 = words_add(words_add(low, low), words_add(low, low));
  words8 high_9 = words_add(words_add(high, high), words_add(high, high));
  low_9 = words_add(words_add(low_9, low_9), low);
  high_9 = words_add(words_add(high_9, high_9), high);
  low = high = round;
  for (int i = 2; i >= 0; i--) {
    low = words_add(low, low_9);
    high = words_add(high, high_9);
    move(&s[P0 - i], &s[Q0 + i], bytes_from_words(words_shift_right_7(low), words_shift_right_7(high)));
  }
}

static inline __attribute__((always_inline)) void filter(struct edge *edge, const struct limits *limits,
                                                         enum kind kind) {
  bytes16 *s = edge->s, mask = filtered(s, limits, kind), low = mask;
  if (kind != SIMPLE) low = low_edge(s, limits);
  for (int i = P2; i <= Q2; i++) s[i] = flip(s[i]);
  bytes16 outer = bytes_subtract_signed(s[P1], s[Q1]);
  if (kind == SIMPLE) {
    move_inner(s, bytes_and(step(outer, s), mask));
  } else if (kind == BETWEEN_BLOCKS) {
    bytes16 moved = move_inner(s, bytes_and(step(bytes_and_not(outer, low), s), mask));
    moved = bytes_shift_right_signed(bytes_add_signed(moved, bytes_repeat(1)), 1);
    move(&s[P1], &s[Q1], bytes_and(moved, low));
  } else {
    bytes16 a = bytes_and(step(outer, s), mask);
    move_inner(s, bytes_and_not(a, low));
    move_three(s, bytes_and(a, low));
  }
  for (int i = P2; i <= Q2; i++) s[i] = flip(s[i]);
}

/* ---- samples ---------------------------------------------------------------------------------------------------- */

/* Eight samples of a line (or of a column) each begin at `a` and at `b`. */
struct places {
  uint8_t *a, *b;
  size_t stride;
};

/* An edge between the lines above and those from the places on. */
static inline __attribute__((always_inline)) void filter_lines(struct places at, const struct limits *limits,
                                                               enum kind kind) {
  struct edge edge;
  for (int i = 0; i < ACROSS; i++) {
    ptrdiff_t line = (i - 4) * (ptrdiff_t)at.stride;
    edge.s[i] = bytes_load_8_8(at.a + line, at.b + line);
  }
  filter(&edge, limits, kind);
  for (int i = P2; i <= Q2; i++) {
    ptrdiff_t line = (i - 4) * (ptrdiff_t)at.stride;
    bytes_store_8_8(at.a + line, at.b + line, edge.s[i]);
  }
}

/* Each round interleaves the first four registers with the last four: the number of a byte among all 128 goes round by
 * one bit. */
static inline void zip_rounds(bytes16 x[8], int rounds) {
  for (int round = 0; round < rounds; round++) {
    bytes16 y[8];
    for (int i = 0; i < 4; i++) {
      y[2 * i] = bytes_zip_low(x[i], x[i + 4]);
      y[2 * i + 1] = bytes_zip_high(x[i], x[i + 4]);
    }
    for (int i = 0; i < 8; i++) x[i] = y[i];
  }
}

/* An edge between the columns to the left and those from the places on. */
static inline __attribute__((always_inline)) void filter_columns(struct places at, const struct limits *limits,
                                                                 enum kind kind) {
  struct edge edge;
  uint8_t *lines[16];
  for (size_t i = 0; i < 8; i++) {
    lines[i] = at.a + i * at.stride - 4;
    lines[8 + i] = at.b + i * at.stride - 4;
  }
  for (int i = 0; i < 8; i++) edge.s[i] = bytes_load_8_8(lines[2 * i], lines[2 * i + 1]);
  zip_rounds(edge.s, 4); /* from 4 bits of line and 3 of column to 3 of column and 4 of line */
  filter(&edge, limits, kind);
  zip_rounds(edge.s, 3);
  for (int i = 0; i < 8; i++) bytes_store_8_8(lines[2 * i], lines[2 * i + 1], edge.s[i]);
}

/* ---- macroblocks ------------------------------------------------------------------------------------------------ */

static struct limits limits_of(const struct vp8_filter *f, int across) {
  return (struct limits){bytes_repeat(across), bytes_repeat(f->interior), bytes_repeat(f->high_edge)};
}

static void filter_simple(struct places columns, struct places lines, const struct vp8_filter *f, bool has_left,
                          bool has_above) {
  struct limits outer = limits_of(f, f->limit + 4), inner = limits_of(f, f->limit);
  if (has_left) filter_columns(columns, &outer, SIMPLE);
  for (int i = 4; i < 16 && f->inner; i += 4) {
    filter_columns((struct places){columns.a + i, columns.b + i, columns.stride}, &inner, SIMPLE);
  }
  if (has_above) filter_lines(lines, &outer, SIMPLE);
  for (size_t i = 4; i < 16 && f->inner; i += 4) {
    size_t down = i * lines.stride;
    filter_lines((struct places){lines.a + down, lines.b + down, lines.stride}, &inner, SIMPLE);
  }
}

/* size: 16 for luma, 8 for chroma. */
static inline __attribute__((always_inline)) void filter_normal(struct places columns, struct places lines, int size,
                                                                const struct vp8_filter *f, bool has_left,
                                                                bool has_above) {
  struct limits outer = limits_of(f, f->limit + 4), inner = limits_of(f, f->limit);
  if (has_left) filter_columns(columns, &outer, BETWEEN_MACROBLOCKS);
  for (int i = 4; i < size && f->inner; i += 4) {
    filter_columns((struct places){columns.a + i, columns.b + i, columns.stride}, &inner, BETWEEN_BLOCKS);
  }
  if (has_above) filter_lines(lines, &outer, BETWEEN_MACROBLOCKS);
  for (size_t i = 4; i < (size_t)size && f->inner; i += 4) {
    size_t down = i * lines.stride;
    filter_lines((struct places){lines.a + down, lines.b + down, lines.stride}, &inner, BETWEEN_BLOCKS);
  }
}

void vp8_filter_row(const struct vp8 *v, const struct vp8_filter *edges, uint8_t *y, uint8_t *u, uint8_t *v_plane,
                    bool has_above) {
  for (int i = 0; i < v->columns; i++, y += 16, u += 8, v_plane += 8) {
    if (edges[i].limit == 0) continue;
    struct places luma_columns = {y, y + 8 * v->y_stride, v->y_stride}, luma_lines = {y, y + 8, v->y_stride};
    struct places chroma = {u, v_plane, v->uv_stride};
    if (v->simple_filter) {
      filter_simple(luma_columns, luma_lines, &edges[i], i > 0, has_above);
    } else {
      filter_normal(luma_columns, luma_lines, 16, &edges[i], i > 0, has_above);
      filter_normal(chroma, chroma, 8, &edges[i], i > 0, has_above);
    }
  }
}
