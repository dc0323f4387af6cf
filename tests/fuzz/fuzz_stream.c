/* Any bytes, in whatever format they pass for: the rows of a part must be those of the whole picture, and both must be
 * given or refused; the same with damage forgiven. */
#include <stdlib.h>
#include <string.h>

#include "images/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct checker {
  struct row_sink sink;
  const struct image *whole; /* rgb NULL: refused */
  uint32_t choice;
  struct rectangle part;
  uint8_t *row;
  int rows;
};

/* A number below n, and the next choice. */
static int choose(uint32_t *choice, int n) {
  *choice = *choice * 1664525u + 1013904223u;
  return (int)((*choice >> 8) % (uint32_t)n);
}

static int begin(struct row_sink *sink, int width, int height, struct rectangle *part, error *e) {
  struct checker *c = (struct checker *)sink;
  (void)e;
  part->x = choose(&c->choice, width);
  part->y = choose(&c->choice, height);
  part->width = 1 + choose(&c->choice, width - part->x);
  part->height = 1 + choose(&c->choice, height - part->y);
  c->part = *part;
  c->row = malloc(3 * (size_t)part->width);
  return c->row ? OK : FAILED;
}

static uint8_t *room(struct row_sink *sink) { return ((struct checker *)sink)->row; }

static int row(struct row_sink *sink, error *e) {
  struct checker *c = (struct checker *)sink;
  (void)e;
  int y = c->part.y + c->rows++;
  if (!c->whole->rgb) return OK; /* the rows before the damage */
  size_t pixel = (size_t)y * (size_t)c->whole->width + (size_t)c->part.x;
  if (memcmp(c->row, c->whole->rgb + 3 * pixel, 3 * (size_t)c->part.width)) __builtin_trap();
  return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  for (int lenient = 0; lenient < 2; lenient++) {
    struct decode_options options = {.max_pixels = 1 << 16, .lenient = lenient};
    struct image whole, about;
    error e;
    int status = image_decode(&whole, data, size, &options, &e);
    struct checker checker = {.sink = {begin, room, row}, .whole = &whole, .choice = size ? data[size - 1] : 0};
    if (image_stream(&checker.sink, &about, data, size, &options, &e) != status) __builtin_trap();
    if (status == OK && checker.rows != checker.part.height) __builtin_trap();
    free(checker.row);
    image_free(&whole);
  }
  return 0;
}
