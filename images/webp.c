/* WebP (RFC 9649): the container, simple and extended, and of an animation the first frame on its canvas.
 *
 * What is refused is what libwebp refuses, through whose animation decoder Pillow reads every file: the frames behind
 * the first must have good headers too. Pillow drops alpha and keeps the colours below it, so an alpha plane is only
 * read for its errors; the canvas around a frame is transparent black, whatever background the file names. Chunks that
 * say something about the picture (ICCP, EXIF, XMP) are skipped, and what follows the RIFF is not looked at. */
#include <string.h>

#include "images/byte_order.h"
#include "images/image.h"
#include "images/webp_internal.h"

enum { RIFF_HEADER = 12, CHUNK_HEADER = 8, VP8X_SIZE = 10, ANIM_SIZE = 6, ANMF_SIZE = 16 };
enum { FLAG_ANIMATION = 2, FLAG_ALPHA = 16, KNOWN_FLAGS = 0x3e };

struct frame {
  int x, y, width, height;
  struct webp_chunk image, alpha; /* bytes NULL: none */
  bool lossless, has_alpha;
};

struct webp {
  const uint8_t *bytes;
  size_t end, at; /* of the RIFF; the next chunk */
  bool is_animation;
  const char *mode;      /* as Pillow says */
  int64_t width, height; /* of the canvas */
  struct frame first;
  size_t frames;
};

/* ---- chunks ----------------------------------------------------------------------------------------------------- */

struct chunk {
  const char *tag; /* four letters, in the file */
  struct webp_chunk data;
};

static bool is(const struct chunk *chunk, const char *tag) { return memcmp(chunk->tag, tag, 4) == 0; }

/* The chunk at `at`, without going on behind it. */
static int peek_chunk(const struct webp *webp, struct chunk *chunk, error *e) {
  *chunk = (struct chunk){.tag = ""};
  size_t left = webp->end - webp->at;
  if (left < CHUNK_HEADER) {
    return fail(e, "truncated: %zu bytes at byte %zu are no chunk", left, webp->at);
  }
  const uint8_t *header = webp->bytes + webp->at;
  size_t size = little_endian_32(header + 4), padded_size = size + (size & 1);
  if (padded_size > left - CHUNK_HEADER) {
    return fail(e, "truncated: the chunk at byte %zu promises %zu bytes, the RIFF has %zu bytes more", webp->at,
                padded_size, left - CHUNK_HEADER);
  }
  *chunk = (struct chunk){
      (const char *)header,
      {.bytes = header + CHUNK_HEADER, .size = size, .padded_size = padded_size, .position = webp->at + CHUNK_HEADER}};
  return OK;
}

static void skip_chunk(struct webp *webp, const struct chunk *chunk) {
  webp->at += CHUNK_HEADER + chunk->data.padded_size;
}

static bool is_image(const struct chunk *chunk) { return is(chunk, "VP8 ") || is(chunk, "VP8L"); }

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static int read_image_header(struct frame *frame, const struct chunk *chunk, error *e) {
  frame->image = chunk->data;
  frame->lossless = is(chunk, "VP8L");
  frame->has_alpha = frame->alpha.bytes != NULL;
  if (!frame->lossless) return vp8_read_size(&frame->image, &frame->width, &frame->height, e);
  return vp8l_read_size(&frame->image, &frame->width, &frame->height, &frame->has_alpha, e);
}

/* The chunks of a frame, in any order, up to the first that is not its. */
static int read_frame(struct webp *webp, struct frame *frame, error *e) {
  do {
    struct chunk chunk;
    if (peek_chunk(webp, &chunk, e)) return FAILED;
    if (is(&chunk, "ALPH") && !frame->alpha.bytes) {
      frame->alpha = chunk.data;
    } else if (is(&chunk, "VP8L") && frame->alpha.bytes) {
      return fail(e, "chunk VP8L at byte %zu has an alpha plane beside it", webp->at);
    } else if (is_image(&chunk) && !frame->image.bytes) {
      if (read_image_header(frame, &chunk, e)) return FAILED;
    } else {
      return OK;
    }
    skip_chunk(webp, &chunk);
  } while (webp->at < webp->end);
  return OK;
}

/* The frame must be whole and in its place: within an animation's canvas, or all of a still picture's. */
static int add_frame(struct webp *webp, struct frame *frame, error *e) {
  if (!frame->image.bytes) return fail(e, "the frame before byte %zu has no image", webp->at);
  if (frame->alpha.bytes && frame->alpha.position > frame->image.position) {
    return fail(e, "chunk ALPH at byte %zu follows its image", frame->alpha.position - CHUNK_HEADER);
  }
  bool outside = (int64_t)frame->x + frame->width > webp->width || (int64_t)frame->y + frame->height > webp->height;
  bool covers = frame->width == webp->width && frame->height == webp->height;
  if (outside || (!webp->is_animation && !covers)) {
    return fail(e, "the image at byte %zu of %d x %d pixels at (%d, %d) does not fit the canvas of %lld x %lld",
                frame->image.position, frame->width, frame->height, frame->x, frame->y, (long long)webp->width,
                (long long)webp->height);
  }
  if (webp->frames++ == 0) webp->first = *frame;
  return OK;
}

/* The chunk ANMF holds a frame's place, then its chunks; what follows those there is read as if it were outside. */
static int read_animation_frame(struct webp *webp, const struct chunk *chunk, error *e) {
  const uint8_t *p = chunk->data.bytes;
  if (chunk->data.padded_size < ANMF_SIZE) {
    return fail(e, "chunk ANMF at byte %zu has %zu bytes, fewer than its header", webp->at, chunk->data.size);
  }
  struct frame frame = {.x = 2 * (int)little_endian_24(p), .y = 2 * (int)little_endian_24(p + 3)};
  uint64_t width = 1 + (uint64_t)little_endian_24(p + 6), height = 1 + (uint64_t)little_endian_24(p + 9);
  if (width * height > UINT32_MAX) {
    return fail(e, "chunk ANMF at byte %zu: a frame of %llu x %llu pixels", webp->at, (unsigned long long)width,
                (unsigned long long)height);
  }
  size_t end = webp->at + CHUNK_HEADER + chunk->data.padded_size;
  webp->at += CHUNK_HEADER + ANMF_SIZE;
  if (read_frame(webp, &frame, e)) return FAILED;
  if (webp->at > end) return fail(e, "the frame's chunks pass the end of chunk ANMF at byte %zu", end);
  bool is_empty = !frame.image.bytes && !frame.alpha.bytes;
  return webp->is_animation && !is_empty ? add_frame(webp, &frame, e) : OK;
}

static int read_still(struct webp *webp, bool alpha_counts, error *e) {
  struct frame frame = {0};
  if (webp->frames > 0) return fail(e, "a second image at byte %zu", webp->at);
  if (read_frame(webp, &frame, e)) return FAILED;
  if (!alpha_counts) frame.alpha = (struct webp_chunk){0};
  return add_frame(webp, &frame, e);
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static int read_extended(struct webp *webp, const struct chunk *vp8x, error *e) {
  const uint8_t *p = vp8x->data.bytes;
  if (vp8x->data.size != VP8X_SIZE) {
    return fail(e, "chunk VP8X at byte %zu has %zu bytes, not %d", webp->at, vp8x->data.size, VP8X_SIZE);
  }
  if (p[0] & ~KNOWN_FLAGS) return fail(e, "chunk VP8X at byte %zu has unknown flags (0x%02x)", webp->at, p[0]);
  webp->is_animation = p[0] & FLAG_ANIMATION;
  webp->width = 1 + (int64_t)little_endian_24(p + 4);
  webp->height = 1 + (int64_t)little_endian_24(p + 7);
  skip_chunk(webp, vp8x);
  bool has_anim = false;
  do {
    struct chunk chunk;
    if (peek_chunk(webp, &chunk, e)) return FAILED;
    if (is(&chunk, "VP8X")) return fail(e, "a second chunk VP8X at byte %zu", webp->at);
    if (is_image(&chunk) || is(&chunk, "ALPH")) {
      if (webp->is_animation || has_anim) return fail(e, "an image outside of frames at byte %zu", webp->at);
      if (read_still(webp, p[0] & FLAG_ALPHA, e)) return FAILED;
    } else if (is(&chunk, "ANMF")) {
      if (!has_anim) return fail(e, "chunk ANMF at byte %zu before ANIM", webp->at);
      if (read_animation_frame(webp, &chunk, e)) return FAILED;
    } else {
      if (is(&chunk, "ANIM") && chunk.data.padded_size < ANIM_SIZE) {
        return fail(e, "chunk ANIM at byte %zu has %zu bytes, fewer than %d", webp->at, chunk.data.size, ANIM_SIZE);
      }
      has_anim |= is(&chunk, "ANIM");
      skip_chunk(webp, &chunk);
    }
  } while (webp->at < webp->end);
  return webp->frames > 0 ? OK : fail(e, "no image up to byte %zu", webp->end);
}

static int read_simple(struct webp *webp, error *e) {
  struct frame frame = {0};
  if (read_frame(webp, &frame, e)) return FAILED;
  frame.alpha = (struct webp_chunk){0};
  webp->width = frame.width;
  webp->height = frame.height;
  return add_frame(webp, &frame, e);
}

static int read_container(struct webp *webp, const uint8_t *bytes, size_t size, error *e) {
  *webp = (struct webp){.bytes = bytes, .at = RIFF_HEADER};
  if (size < RIFF_HEADER || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WEBP", 4) != 0) {
    return fail(e, "no RIFF header of a WebP file at byte 0");
  }
  size_t riff = little_endian_32(bytes + 4);
  if (riff > size - 8) return fail(e, "truncated: the RIFF promises %zu bytes, the file has %zu", riff, size - 8);
  if (riff < RIFF_HEADER - 8) return fail(e, "the RIFF at byte 0 has %zu bytes", riff);
  webp->end = 8 + riff;
  struct chunk chunk;
  if (peek_chunk(webp, &chunk, e)) return FAILED;
  if (is_image(&chunk)) {
    if (read_simple(webp, e)) return FAILED;
    webp->mode = webp->first.has_alpha ? "RGBA" : "RGB";
    return OK;
  }
  if (!is(&chunk, "VP8X")) return fail(e, "no chunk of an image at byte %zu", webp->at);
  if (read_extended(webp, &chunk, e)) return FAILED;
  bool has_alpha = chunk.data.bytes[0] & FLAG_ALPHA;
  if (!webp->is_animation && (webp->first.lossless || !has_alpha)) has_alpha = webp->first.has_alpha;
  webp->mode = has_alpha ? "RGBA" : "RGB";
  return OK;
}

/* ---- the picture ------------------------------------------------------------------------------------------------ */

/* Section 2.7.1.2: a byte of methods, then the plane. */
static int check_alpha(const struct frame *frame, error *e) {
  const struct webp_chunk *alpha = &frame->alpha;
  if (alpha->size < 2) return fail(e, "chunk ALPH at byte %zu is empty", alpha->position - CHUNK_HEADER);
  int compression = alpha->bytes[0] & 3, preprocessing = alpha->bytes[0] >> 4 & 3, reserved = alpha->bytes[0] >> 6;
  if (compression > 1 || preprocessing > 1 || reserved) {
    return fail(e, "the alpha plane at byte %zu has unknown methods (0x%02x)", alpha->position, alpha->bytes[0]);
  }
  if (compression == 1) return vp8l_check_alpha(alpha, 1, frame->width, frame->height, e);
  size_t wanted = (size_t)frame->width * (size_t)frame->height;
  if (alpha->size - 1 < wanted) {
    return fail(e, "truncated: the alpha plane at byte %zu has %zu bytes, not %zu", alpha->position, alpha->size - 1,
                wanted);
  }
  return OK;
}

/* Rows of the canvas, [from, to), as far as they are wanted, all black. */
static int put_black_rows(const struct webp_rows *rows, int from, int to, error *e) {
  if (from < rows->part.y) from = rows->part.y;
  if (to > rows->part.y + rows->part.height) to = rows->part.y + rows->part.height;
  for (int y = from; y < to; y++) {
    memset(rows->sink->room(rows->sink), 0, 3 * (size_t)rows->part.width);
    if (rows->sink->row(rows->sink, e)) return FAILED;
  }
  return OK;
}

int webp_begin_rows(struct webp_rows *rows, error *e) {
  rows->part = (struct rectangle){0, 0, rows->canvas_width, rows->canvas_height};
  if (rows->sink->begin(rows->sink, rows->canvas_width, rows->canvas_height, &rows->part, e)) return FAILED;
  int from = rows->part.x - rows->x, to = from + rows->part.width;
  rows->from = from < 0 ? 0 : from < rows->width ? from : rows->width;
  rows->to = to > rows->width ? rows->width : to > rows->from ? to : rows->from;
  return put_black_rows(rows, 0, rows->y, e);
}

uint8_t *webp_begin_row(struct webp_rows *rows, int y) {
  int line = rows->y + y - rows->part.y;
  if (line < 0 || line >= rows->part.height) return NULL;
  uint8_t *room = rows->sink->room(rows->sink);
  if (rows->to - rows->from < rows->part.width) memset(room, 0, 3 * (size_t)rows->part.width);
  return rows->from < rows->to ? room + 3 * (ptrdiff_t)(rows->x + rows->from - rows->part.x) : room;
}

int webp_end_row(struct webp_rows *rows, error *e) { return rows->sink->row(rows->sink, e); }

int webp_stream(struct row_sink *sink, struct image *about, const uint8_t *bytes, size_t size,
                const struct decode_options *options, error *e) {
  struct webp webp;
  if (read_container(&webp, bytes, size, e) || image_check_size(webp.width, webp.height, options, e)) return FAILED;
  const struct frame *frame = &webp.first;
  *about = (struct image){.width = (int)webp.width, .height = (int)webp.height, .mode = webp.mode};
  struct webp_rows rows = {.sink = sink,
                           .canvas_width = about->width,
                           .canvas_height = about->height,
                           .x = frame->x,
                           .y = frame->y,
                           .width = frame->width,
                           .height = frame->height};
  if (frame->alpha.bytes && check_alpha(frame, e)) return FAILED;
  if ((frame->lossless ? vp8l_decode : vp8_decode)(&frame->image, &rows, e)) return FAILED;
  return put_black_rows(&rows, frame->y + frame->height, about->height, e);
}

int webp_decode(struct image *image, const uint8_t *bytes, size_t size, const struct decode_options *options,
                error *e) {
  return image_collect(webp_stream, image, bytes, size, options, e);
}
