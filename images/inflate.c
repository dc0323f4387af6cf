/* Wrappers and checksums around the blocks, and where their output goes. */
#include "images/inflate.h"

#include <stdlib.h>
#include <string.h>

#include "images/checksum.h"
#include "images/inflate_internal.h"
#include "kernels/memory.h"

/* Output is checked while the cache holds it. */
enum { WINDOW = 32768, ADVANCE = 1 << 17 };

struct stream {
  enum deflate_wrapper wrapper;
  uint32_t checksum; /* of the output up to `checked` */
  uint8_t *checked;
  size_t produced; /* likewise */
  struct blocks blocks;
};

/* ---- wrappers ------------------------------------------------------------------------------------------------ */

static unsigned take_byte(struct bit_reader *r) {
  refill(r);
  return take(r, 8);
}

static uint32_t take_32_big_endian(struct bit_reader *r) {
  uint32_t value = 0;
  for (int i = 0; i < 4; i++) value = value << 8 | take_byte(r);
  return value;
}

static uint32_t take_32_little_endian(struct bit_reader *r) {
  uint32_t value = 0;
  for (int i = 0; i < 4; i++) value |= take_byte(r) << 8 * i;
  return value;
}

/* RFC 1952, section 2.3. */
static int gzip_header(struct bit_reader *r, error *e) {
  enum { check_flag = 2, extra_flag = 4, name_flag = 8, comment_flag = 16, reserved_flags = 0xe0 };
  static const uint8_t magic[3] = {0x1f, 0x8b, 8};
  for (int i = 0; i < 3; i++) {
    if (take_byte(r) != magic[i] && !ran_out(r)) return fail(e, "not a gzip stream");
  }
  unsigned flags = take_byte(r);
  if (flags & reserved_flags) return fail(e, "not a gzip stream");
  for (int i = 0; i < 6; i++) take_byte(r); /* time, level, system */
  if (flags & extra_flag) {
    unsigned low = take_byte(r), extra = low | take_byte(r) << 8;
    for (; extra > 0 && !ran_out(r); extra--) take_byte(r);
  }
  for (unsigned text = name_flag; text <= comment_flag; text *= 2) {
    while (flags & text && take_byte(r) && !ran_out(r)) continue;
  }
  for (int i = 0; i < 2 && flags & check_flag; i++) take_byte(r);
  return OK;
}

static int zlib_header(struct bit_reader *r, error *e) {
  unsigned method = take_byte(r);
  if (!ran_out(r) && ((method & 15) != 8 || method >> 4 > 7)) return fail(e, "not a zlib stream");
  unsigned flags = take_byte(r);
  if (ran_out(r)) return OK;
  if ((method * 256 + flags) % 31 != 0) return fail(e, "the zlib header is damaged");
  if (flags & 32) return fail(e, "the zlib stream wants a preset dictionary");
  return OK;
}

/* The reader tells afterwards whether it ran out. */
static int read_header(struct stream *s, error *e) {
  s->checksum = s->wrapper == WRAPPER_ZLIB;
  struct bit_reader *r = &s->blocks.reader;
  if (s->wrapper == WRAPPER_ZLIB) return zlib_header(r, e);
  return s->wrapper == WRAPPER_GZIP ? gzip_header(r, e) : OK;
}

/* What was written since the last time. */
static void check_output(struct stream *s) {
  size_t n = (size_t)(s->blocks.out.next - s->checked);
  if (s->wrapper == WRAPPER_ZLIB) s->checksum = checksum_adler32(s->checksum, s->checked, n);
  if (s->wrapper == WRAPPER_GZIP) s->checksum = checksum_crc32(s->checksum, s->checked, n);
  s->checked += n;
  s->produced += n;
}

static int check_trailer(struct stream *s, enum inflate_end *end, error *e) {
  struct bit_reader *r = &s->blocks.reader;
  drop(r, r->count % 8);
  size_t at = byte_position(r);
  bool matches = true;
  const char *what = "Adler-32 checksum";
  if (s->wrapper == WRAPPER_ZLIB) matches = take_32_big_endian(r) == s->checksum;
  if (s->wrapper == WRAPPER_GZIP) {
    what = "CRC-32 or length";
    matches = take_32_little_endian(r) == s->checksum;
    matches = take_32_little_endian(r) == (uint32_t)s->produced && matches;
  }
  if (ran_out(r)) {
    *end = INFLATE_CUT;
  } else if (!matches) {
    return fail(e, "the data's %s at byte %zu of the compressed data does not match", what, at);
  }
  return OK;
}

/* Up to the end of the output, or of the stream. */
static int inflate_more(struct stream *s, enum inflate_end *end, error *e) {
  int status = inflate_blocks(&s->blocks, end, e);
  check_output(s);
  return status == OK && *end == INFLATE_COMPLETE ? check_trailer(s, end, e) : status;
}

/* ---- from memory to memory ----------------------------------------------------------------------------------- */

static void start_in_memory(struct stream *s, enum deflate_wrapper wrapper, const uint8_t *in, size_t size) {
  *s = (struct stream){.wrapper = wrapper};
  s->blocks.reader = (struct bit_reader){.next = in, .end = in + size, .before_end = size};
}

static void set_output(struct stream *s, uint8_t *begin, size_t filled, size_t capacity) {
  s->blocks.out = (struct output){.begin = begin, .next = begin + filled, .end = begin + capacity};
  s->checked = s->blocks.out.next;
}

/* Up to the end of out[0, capacity), from s->produced on. */
static int fill(struct stream *s, uint8_t *out, size_t capacity, enum inflate_end *end, error *e) {
  int status;
  do {
    set_output(s, out, s->produced, capacity);
    if (capacity - s->produced > ADVANCE + OUTPUT_MARGIN) s->blocks.out.enough = s->checked + ADVANCE;
    status = inflate_more(s, end, e);
  } while (status == OK && *end == INFLATE_FULL && s->blocks.out.enough);
  return status;
}

int inflate_into(enum deflate_wrapper wrapper, const uint8_t *in, size_t size, uint8_t *out, size_t capacity,
                 struct inflated *result, error *e) {
  *result = (struct inflated){.end = INFLATE_CUT, .consumed = size};
  struct stream s;
  start_in_memory(&s, wrapper, in, size);
  if (read_header(&s, e) != OK) return FAILED;
  int status = fill(&s, out, capacity, &result->end, e);
  result->produced = s.produced;
  result->consumed = byte_position(&s.blocks.reader);
  return status;
}

struct growing {
  uint8_t *bytes;
  size_t filled, capacity, most;
};

static int more_room(struct growing *out, error *e) {
  if (out->capacity >= out->most) return fail(e, "the decompressed data pass the limit of %zu bytes", out->most);
  size_t wanted = out->capacity > out->most / 2 ? out->most : out->capacity * 2;
  uint8_t *larger = realloc(out->bytes, wanted);
  if (!larger) return out_of_memory(e, wanted);
  out->bytes = larger;
  out->capacity = wanted;
  return OK;
}

/* One stream of in[0, size) behind what is there already. */
static int append_stream(struct growing *out, enum deflate_wrapper wrapper, const uint8_t *in, size_t size,
                         size_t *consumed, error *e) {
  struct stream s;
  start_in_memory(&s, wrapper, in, size);
  if (read_header(&s, e) != OK) return FAILED;
  enum inflate_end end;
  do {
    if (fill(&s, out->bytes + out->filled, out->capacity - out->filled, &end, e) != OK) return FAILED;
    if (end == INFLATE_CUT) {
      return fail(e, "the compressed data are cut off (after %zu bytes of output)", out->filled + s.produced);
    }
    if (end == INFLATE_FULL && more_room(out, e) != OK) return FAILED;
  } while (end == INFLATE_FULL);
  out->filled += s.produced;
  *consumed = byte_position(&s.blocks.reader);
  return OK;
}

int inflate_all(enum deflate_wrapper wrapper, const uint8_t *in, size_t size, size_t max_output, uint8_t **out,
                size_t *out_size, error *e) {
  *out = NULL;
  *out_size = 0;
  /* Streams often shrink to a quarter. */
  struct growing grown = {.capacity = size < max_output / 4 ? size * 4 + 64 : max_output, .most = max_output};
  if (grown.capacity > max_output) grown.capacity = max_output;
  grown.bytes = allocate(grown.capacity, 1, e);
  if (!grown.bytes) return FAILED;
  size_t at = 0;
  do {
    size_t consumed;
    if (append_stream(&grown, wrapper, in + at, size - at, &consumed, e) != OK) {
      free(grown.bytes);
      return FAILED;
    }
    at += consumed;
    while (wrapper == WRAPPER_GZIP && at < size && in[at] == 0) at++;
  } while (wrapper == WRAPPER_GZIP && at < size);
  *out = grown.bytes;
  *out_size = grown.filled;
  return OK;
}

/* ---- a sliding window ---------------------------------------------------------------------------------------- */

struct inflater {
  struct stream stream;
  uint8_t *taken; /* the next byte to be taken */
  bool ended;
  int status;
  error failure;
  uint8_t window[];
};

struct inflater *inflater_new(enum deflate_wrapper wrapper, struct inflate_source *source, size_t most, size_t total,
                              error *e) {
  /* One byte more than is taken is looked for: what follows tells whether it was right. */
  size_t capacity = (most < WINDOW ? WINDOW : most) + ADVANCE;
  if (total < capacity) capacity = total + 1;
  capacity += OUTPUT_MARGIN;
  struct inflater *z = allocate(sizeof *z + capacity + INFLATER_SLACK, 1, e);
  if (!z) return NULL;
  z->stream = (struct stream){.wrapper = wrapper};
  z->stream.blocks.reader.source = source;
  z->taken = z->window;
  set_output(&z->stream, z->window, 0, capacity);
  z->stream.blocks.out.enough = z->window + capacity - OUTPUT_MARGIN;
  z->status = read_header(&z->stream, &z->failure);
  z->ended = z->status != OK;
  return z;
}

/* Move what is still needed to the window's beginning. */
static void slide(struct inflater *z) {
  struct output *out = &z->stream.blocks.out;
  size_t filled = (size_t)(out->next - z->window), taken = (size_t)(z->taken - z->window);
  size_t forgotten = filled < WINDOW ? 0 : filled - WINDOW;
  if (forgotten > taken) forgotten = taken;
  memmove(z->window, z->window + forgotten, filled - forgotten);
  z->taken -= forgotten;
  z->stream.checked -= forgotten;
  out->next -= forgotten;
}

int inflater_take(struct inflater *z, size_t n, const uint8_t **bytes, size_t *got, error *e) {
  struct output *out = &z->stream.blocks.out;
  while (!z->ended && (size_t)(out->next - z->taken) <= n) {
    if (out->next >= out->enough) slide(z);
    enum inflate_end end;
    z->status = inflate_more(&z->stream, &end, &z->failure);
    z->ended = z->status != OK || end != INFLATE_FULL;
  }
  size_t available = (size_t)(out->next - z->taken);
  *bytes = z->taken;
  *got = available < n ? available : n;
  z->taken += *got;
  if (z->status == OK || available > n) return OK;
  return fail(e, "%s", z->failure.message);
}

void inflater_free(struct inflater *z) { free(z); }
