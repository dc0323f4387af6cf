/* From blocks to rows of RGB, of no more than the part that the sink wants: only the blocks are transformed whose
 * samples that part, or the upsampling's filters around it, read. */
#include <stdlib.h>
#include <string.h>

#include "images/jpeg_internal.h"
#include "images/pixel_kernels.h"
#include "kernels/memory.h"

struct jpeg_output {
  enum jpeg_color color;
  bool neighbours; /* some component's upsampling looks at the lines above and below */
  int next_line;   /* of the picture */
  uint8_t *upsampled[JPEG_COMPONENTS];
  int16_t *smoothed; /* a line of blocks; NULL: nothing to estimate */
  struct row_sink *sink;
};

/* ---- preparation --------------------------------------------------------------------------------------------------*/

static int at_most(int a, int b) { return a < b ? a : b; }
static int divide_up(int a, int b) { return (a + b - 1) / b; }

/* Which columns of a component the part needs: filters read one sample beside it. */
static void choose_columns(const struct jpeg *j, struct jpeg_component *c) {
  int across = j->h_max / c->h, last = c->width - 1;
  c->first_sample = j->part.x / across;
  c->end_sample = at_most(divide_up(j->part.x + j->part.width, across), c->width);
  c->first_block = (c->first_sample > 0 ? c->first_sample - 1 : 0) / 8;
  c->end_block = at_most(c->end_sample, last) / 8 + 1;
  c->block_room = divide_up(c->end_block - c->first_block, PIXEL_BLOCKS) * PIXEL_BLOCKS;
}

static void choose_rows(struct jpeg *j, bool neighbours) {
  int around = neighbours ? j->v_max : 0, unit = 8 * j->v_max;
  int top = j->part.y - around, bottom = at_most(j->part.y + j->part.height + around, j->height);
  j->first_row = top > 0 ? top / unit : 0;
  j->end_row = divide_up(bottom, unit);
}

static int allocate_component(struct jpeg *j, struct jpeg_component *c, struct jpeg_output *out, int i, error *e) {
  choose_columns(j, c);
  c->line_bytes = JPEG_MARGIN + (size_t)c->block_room * 8 + PIXEL_SLACK;
  /* The last group of lines of the row above waits for the first line of this one, and needs the one before it. */
  c->lines_kept = out->neighbours ? c->v + 1 : 0;
  c->lines = allocate_zeroed((size_t)c->lines_kept + 8 * (size_t)c->v, c->line_bytes, e);
  if (!c->coefficients) {
    c->row_blocks = allocate_zeroed((size_t)c->v * (size_t)c->block_room, JPEG_BLOCK * sizeof *c->row_blocks, e);
    if (!c->row_blocks) return FAILED;
  }
  out->upsampled[i] = allocate_zeroed((size_t)j->part.width + JPEG_LINE_SLACK, 1, e);
  return c->lines && out->upsampled[i] ? OK : FAILED;
}

static int prepare(struct jpeg *j, struct jpeg_output *out, error *e) {
  j->part = (struct rectangle){0, 0, j->width, j->height};
  if (out->sink->begin(out->sink, j->width, j->height, &j->part, e) != OK) return FAILED;
  int widest = 0;
  for (int i = 0; i < j->component_count; i++) {
    struct jpeg_component *c = &j->components[i];
    if (jpeg_needs_neighbours(j, c)) out->neighbours = true;
    if (c->stored_wide > widest) widest = c->stored_wide;
  }
  choose_rows(j, out->neighbours);
  for (int i = 0; i < j->component_count; i++) {
    if (allocate_component(j, &j->components[i], out, i, e) != OK) return FAILED;
  }
  if (jpeg_can_smooth(j)) {
    out->smoothed = allocate_zeroed((size_t)widest + PIXEL_BLOCKS, JPEG_BLOCK * sizeof *out->smoothed, e);
    if (!out->smoothed) return FAILED;
  }
  out->color = jpeg_color_of(j);
  out->next_line = j->part.y;
  return OK;
}

int jpeg_start_output(struct jpeg *j, struct jpeg_output **output, struct row_sink *sink, error *e) {
  *output = allocate_zeroed(1, sizeof **output, e);
  if (!*output) return FAILED;
  (*output)->sink = sink;
  return prepare(j, *output, e);
}

void jpeg_stop_output(struct jpeg_output *out) {
  if (!out) return;
  for (int i = 0; i < JPEG_COMPONENTS; i++) free(out->upsampled[i]);
  free(out->smoothed);
  free(out);
}

/* ---- blocks to samples --------------------------------------------------------------------------------------------*/

/* The sample at column first_block * 8 of line `line` in the MCU row at work; lines of the row before are negative. */
static uint8_t *line_at(const struct jpeg_component *c, int line) {
  return c->lines + (size_t)(line + c->lines_kept) * c->line_bytes + JPEG_MARGIN;
}

/* The blocks of a line of blocks of MCU row `row`, from column first_block on. */
static const int16_t *blocks_at(const struct jpeg *j, const struct jpeg_output *out, const struct jpeg_component *c,
                                int row, int line) {
  if (!c->coefficients) return c->row_blocks + (size_t)line * (size_t)c->block_room * JPEG_BLOCK;
  const int16_t *blocks = c->coefficients + (size_t)(row * c->v + line) * (size_t)c->stored_wide * JPEG_BLOCK;
  if (out->smoothed) {
    jpeg_smooth_blocks(j, c, row, line, out->smoothed);
    blocks = out->smoothed;
  }
  return blocks + (size_t)c->first_block * JPEG_BLOCK;
}

/* Upsampling takes the first and last samples of a line for their missing neighbours. */
static void extend_line(const struct jpeg_component *c, uint8_t *line) {
  int last = c->width - 1 - 8 * c->first_block;
  if (c->first_block == 0) line[-1] = line[0];
  if (last < 8 * c->block_room) line[last + 1] = line[last];
}

static void transform_row(const struct jpeg *j, const struct jpeg_output *out, int row) {
  const struct pixel_kernels *kernels = pixel_kernels();
  for (int i = 0; i < j->component_count; i++) {
    const struct jpeg_component *c = &j->components[i];
    for (int line = 0; line < c->v && row * c->v + line < c->blocks_high; line++) {
      kernels->inverse_dct(blocks_at(j, out, c, row, line), c->end_block - c->first_block, c->quantisation,
                           line_at(c, 8 * line), c->line_bytes);
      for (int y = 0; y < 8; y++) extend_line(c, line_at(c, 8 * line + y));
    }
  }
}

/* ---- samples to pixels --------------------------------------------------------------------------------------------*/

/* Line y of a component (beyond the picture: the nearest) from first_sample on; it must lie in MCU row `row` or be kept
 * from the last. */
static const uint8_t *component_line(const struct jpeg_component *c, int row, int y) {
  y = y < 0 ? 0 : y >= c->height ? c->height - 1 : y;
  return line_at(c, y - row * 8 * c->v) + (c->first_sample - 8 * c->first_block);
}

static int put_line(const struct jpeg *j, struct jpeg_output *out, int row, int y, error *e) {
  const uint8_t *lines[JPEG_COMPONENTS] = {NULL};
  for (int i = 0; i < j->component_count; i++) {
    const struct jpeg_component *c = &j->components[i];
    int down = j->v_max / c->v, own = y / down, beside = 2 * (y % down) < down ? own - 1 : own + 1;
    const uint8_t *near = component_line(c, row, own);
    const uint8_t *far = jpeg_needs_neighbours(j, c) ? component_line(c, row, beside) : near;
    lines[i] = jpeg_upsample(j, c, y, near, far, out->upsampled[i]);
  }
  jpeg_convert(out->color, lines, j->part.width, out->sink->room(out->sink));
  return out->sink->row(out->sink, e);
}

int jpeg_put_row(struct jpeg *j, struct jpeg_output *out, int row, error *e) {
  if (row < j->first_row || row >= j->end_row) return OK;
  transform_row(j, out, row);
  int end = (row + 1) * 8 * j->v_max;
  if (out->neighbours && row < j->mcus_high - 1) end -= j->v_max; /* the lines below the last group are still to come */
  end = at_most(end, j->part.y + j->part.height);
  for (; out->next_line < end; out->next_line++) {
    if (put_line(j, out, row, out->next_line, e) != OK) return FAILED;
  }
  for (int i = 0; i < j->component_count; i++) {
    const struct jpeg_component *c = &j->components[i];
    memcpy(c->lines, c->lines + (size_t)(8 * c->v) * c->line_bytes, (size_t)c->lines_kept * c->line_bytes);
    if (c->row_blocks) {
      memset(c->row_blocks, 0, (size_t)c->v * (size_t)c->block_room * JPEG_BLOCK * sizeof *c->row_blocks);
    }
  }
  return OK;
}

int jpeg_put_rest(struct jpeg *j, struct jpeg_output *out, error *e) {
  int nothing = out->color == JPEG_CMYK || out->color == JPEG_YCCK ? 255 : 0; /* no ink is white */
  for (; out->next_line < j->part.y + j->part.height; out->next_line++) {
    memset(out->sink->room(out->sink), nothing, 3 * (size_t)j->part.width);
    if (out->sink->row(out->sink, e) != OK) return FAILED;
  }
  return OK;
}
