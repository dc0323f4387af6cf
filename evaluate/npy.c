#include "evaluate/npy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/output.h"

/* ---- header: a Python dictionary literal with exactly the keys descr, fortran_order and shape ------------------- */

struct cursor {
  const char *at, *end;
};

static void skip_blanks(struct cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
}

static bool take(struct cursor *c, const char *text) {
  skip_blanks(c);
  size_t length = strlen(text);
  if ((size_t)(c->end - c->at) < length || memcmp(c->at, text, length) != 0) return false;
  c->at += length;
  return true;
}

/* 'text' or "text" without escapes, into a buffer; false when it is no such string or too long. */
static bool take_string(struct cursor *c, char *text, size_t capacity) {
  skip_blanks(c);
  if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
  char quote = *c->at++;
  size_t length = 0;
  while (c->at < c->end && *c->at != quote) {
    char letter = *c->at++;
    if (letter < ' ' || letter == '\\' || length + 1 >= capacity) return false;
    text[length++] = letter;
  }
  if (c->at == c->end) return false;
  c->at++;
  text[length] = 0;
  return true;
}

static bool take_size(struct cursor *c, size_t *value) {
  skip_blanks(c);
  const char *begin = c->at;
  size_t number = 0;
  while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
    size_t digit = (size_t)(*c->at++ - '0');
    if (!multiply_size(number, 10, &number) || !add_size(number, digit, &number)) return false;
  }
  *value = number;
  return c->at > begin;
}

static int take_shape(struct npy *array, struct cursor *c, error *e) {
  if (!take(c, "(")) return fail(e, "the header's shape is not a tuple");
  array->dimensions = 0;
  while (!take(c, ")")) {
    if (array->dimensions == NPY_MAX_DIMENSIONS) return fail(e, "has more than %d dimensions", NPY_MAX_DIMENSIONS);
    if (!take_size(c, &array->shape[array->dimensions++])) return fail(e, "the header's shape holds no valid sizes");
    if (take(c, ",")) continue;
    /* A tuple of one needs its comma: (3) is a number in Python. */
    if (array->dimensions == 1 || !take(c, ")")) return fail(e, "the header's shape is not a tuple");
    break;
  }
  return OK;
}

static const struct {
  const char *descr;
  enum dtype dtype;
} descriptions[] = {{"<f8", DTYPE_F64}, {"<f4", DTYPE_F32}, {"<f2", DTYPE_F16}, {"<i8", DTYPE_I64},
                    {"<i4", DTYPE_I32}, {"<i2", DTYPE_I16}, {"|i1", DTYPE_I8},  {"|u1", DTYPE_U8},
                    {"<u2", DTYPE_U16}, {"<u4", DTYPE_U32}, {"<u8", DTYPE_U64}, {"|b1", DTYPE_BOOL}};
enum { DESCRIPTIONS = sizeof descriptions / sizeof descriptions[0] };

static int find_dtype(struct npy *array, const char *descr, error *e) {
  for (int i = 0; i < DESCRIPTIONS; i++) {
    if (!strcmp(descr, descriptions[i].descr)) {
      array->dtype = descriptions[i].dtype;
      return OK;
    }
  }
  if (*descr == '>') return fail(e, "holds big-endian numbers (%s); only little-endian ones are read", descr);
  if (strchr(descr, 'O')) return fail(e, "holds Python objects, not numbers");
  return fail(e, "holds elements of the unsupported type '%s'", descr);
}

static int parse_header(struct npy *array, struct cursor c, error *e) {
  bool have_descr = false, have_order = false, have_shape = false;
  char text[64];
  int status = OK;
  if (!take(&c, "{")) return fail(e, "the header is not a dictionary");
  while (!take(&c, "}")) {
    if (!take_string(&c, text, sizeof text) || !take(&c, ":")) return fail(e, "the header is not a valid dictionary");
    bool *have = !strcmp(text, "descr")           ? &have_descr
                 : !strcmp(text, "fortran_order") ? &have_order
                 : !strcmp(text, "shape")         ? &have_shape
                                                  : NULL;
    if (!have) return fail(e, "the header has the unknown key '%s'", text);
    if (*have) return fail(e, "the header has the key '%s' twice", text);
    *have = true;
    if (have == &have_descr) {
      if (!take_string(&c, text, sizeof text)) return fail(e, "the elements are not plain numbers");
      status = find_dtype(array, text, e);
    } else if (have == &have_order) {
      if (take(&c, "True")) {
        status = fail(e, "is in Fortran order; save numpy.ascontiguousarray(x) instead");
      } else if (!take(&c, "False")) {
        status = fail(e, "the header's fortran_order is neither True nor False");
      }
    } else {
      status = take_shape(array, &c, e);
    }
    if (status != OK) return status;
    if (take(&c, ",")) continue;
    if (!take(&c, "}")) return fail(e, "the header is not a valid dictionary");
    break;
  }
  skip_blanks(&c);
  if (c.at != c.end) return fail(e, "the header has something after its dictionary");
  if (!have_descr || !have_order || !have_shape) {
    return fail(e, "the header lacks the key '%s'", !have_descr ? "descr" : !have_order ? "fortran_order" : "shape");
  }
  return OK;
}

int npy_parse(struct npy *array, const uint8_t *bytes, size_t size, error *e) {
  *array = (struct npy){0};
  static const uint8_t magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
  if (size < 10 || memcmp(bytes, magic, sizeof magic) != 0) return fail(e, "is not an .npy file");
  unsigned major = bytes[6], minor = bytes[7];
  if (major < 1 || major > 3 || minor != 0) return fail(e, "has the unknown .npy version %u.%u", major, minor);
  size_t begin = major == 1 ? 10 : 12, length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
  if (major > 1) {
    if (size < begin) return fail(e, "is truncated inside its header");
    length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  }
  if (length > size - begin) return fail(e, "is truncated inside its header");
  const char *header = (const char *)bytes + begin;
  int status = parse_header(array, (struct cursor){header, header + length}, e);
  if (status != OK) return status;

  array->data = bytes + begin + length;
  size_t left = size - begin - length, wanted = dtype_size(array->dtype);
  array->elements = 1;
  bool fits = true;
  for (int i = 0; i < array->dimensions; i++) {
    if (array->shape[i] == 0) array->elements = 0;
  }
  for (int i = 0; array->elements && fits && i < array->dimensions; i++) {
    fits = multiply_size(array->elements, array->shape[i], &array->elements);
  }
  fits = fits && multiply_size(array->elements, wanted, &wanted);
  if (!fits || wanted > left) {
    return fail(e, "is truncated: its header promises more data than the %zu bytes that follow", left);
  }
  if (wanted < left) return fail(e, "has %zu bytes after its data", left - wanted);
  return OK;
}

int npy_open(struct npy *array, const char *path, error *e) {
  struct file_view file;
  *array = (struct npy){0};
  int status = file_open(&file, path, e);
  if (status != OK) return status;
  status = npy_parse(array, file.bytes, file.size, e);
  if (status != OK) {
    file_close(&file);
    *array = (struct npy){0};
    return fail_within(e, "%s", path);
  }
  array->file = file;
  return OK;
}

void npy_close(struct npy *array) {
  file_close(&array->file);
  *array = (struct npy){0};
}

int npy_floats(const struct npy *array, const float **values, void **owned, error *e) {
  *owned = NULL;
  if (array->dtype == DTYPE_F32 && (uintptr_t)array->data % _Alignof(float) == 0) {
    *values = (const float *)(const void *)array->data;
    return OK;
  }
  float *copy = allocate(array->elements, sizeof *copy, e);
  if (!copy) return FAILED;
  dtype_to_float(array->dtype, array->data, copy, array->elements);
  *values = *owned = copy;
  return OK;
}

int npy_integers(const struct npy *array, int64_t **values, error *e) {
  *values = NULL;
  bool is_signed =
      array->dtype == DTYPE_I64 || array->dtype == DTYPE_I32 || array->dtype == DTYPE_I16 || array->dtype == DTYPE_I8;
  if (!is_signed && array->dtype != DTYPE_U8 && array->dtype != DTYPE_U16 && array->dtype != DTYPE_U32 &&
      array->dtype != DTYPE_U64 && array->dtype != DTYPE_BOOL) {
    return fail(e, "holds %s elements where integers are wanted", dtype_name(array->dtype));
  }
  int64_t *copy = allocate(array->elements, sizeof *copy, e);
  if (!copy) return FAILED;
  unsigned width = (unsigned)dtype_size(array->dtype);
  for (size_t i = 0; i < array->elements; i++) {
    uint64_t bits = 0;
    for (unsigned b = 0; b < width; b++) bits |= (uint64_t)array->data[i * width + b] << (8 * b);
    if (is_signed) {
      unsigned unused = 64 - 8 * width;
      copy[i] = (int64_t)(bits << unused) >> unused; /* arithmetic shift: the sign moves down */
    } else if (bits > INT64_MAX) {
      free(copy);
      return fail(e, "element %zu is too large for a signed integer", i);
    } else {
      copy[i] = (int64_t)bits;
    }
  }
  *values = copy;
  return OK;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

struct npy_writer {
  struct output output;
  enum dtype dtype;
  size_t columns, row_bytes, rows;
  size_t tokens; /* more than 1: rows are [tokens, columns / tokens] */
};

void npy_header(uint8_t bytes[static NPY_HEADER], enum dtype dtype, size_t rows, size_t columns, size_t tokens) {
  const char *descr = "";
  for (int i = 0; i < DESCRIPTIONS; i++) {
    if (descriptions[i].dtype == dtype) descr = descriptions[i].descr;
  }
  char header[NPY_HEADER + 1], shape[80];
  if (tokens > 1) {
    snprintf(shape, sizeof shape, "(%zu, %zu, %zu)", rows, tokens, columns / tokens);
  } else if (columns) {
    snprintf(shape, sizeof shape, "(%zu, %zu)", rows, columns);
  } else {
    snprintf(shape, sizeof shape, "(%zu,)", rows);
  }
  /* Version 1.0, two bytes of length; spaces up to the newline that ends it, so that the data is 64-byte aligned. */
  memcpy(header, "\x93NUMPY\x01\x00", 8);
  header[8] = NPY_HEADER - 10;
  header[9] = 0;
  int used =
      snprintf(header + 10, sizeof header - 10, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape);
  memset(header + 10 + used, ' ', (size_t)(NPY_HEADER - 10 - used));
  header[NPY_HEADER - 1] = '\n';
  memcpy(bytes, header, NPY_HEADER);
}

static bool write_header(struct npy_writer *writer) {
  uint8_t header[NPY_HEADER];
  npy_header(header, writer->dtype, writer->rows, writer->columns, writer->tokens);
  return fwrite(header, 1, sizeof header, writer->output.stream) == sizeof header;
}

int npy_create(struct npy_writer **result, const char *path, enum dtype dtype, size_t columns, error *e) {
  *result = NULL;
  struct npy_writer *writer = allocate_zeroed(1, sizeof *writer, e);
  if (!writer) return FAILED;
  writer->dtype = dtype;
  writer->columns = columns;
  int status = OK;
  if (!multiply_size(columns ? columns : 1, dtype_size(dtype), &writer->row_bytes)) {
    status = fail(e, "%s: rows of %zu elements are too large", path, columns);
  }
  if (status == OK) status = output_open(&writer->output, path, e);
  if (status == OK && !write_header(writer)) status = fail(e, "%s: %s", path, strerror(errno));
  if (status == OK) {
    *result = writer;
  } else {
    npy_abandon(writer);
  }
  return status;
}

void npy_split_rows(struct npy_writer *writer, size_t tokens) { writer->tokens = tokens; }

int npy_append(struct npy_writer *writer, const void *values, size_t rows, error *e) {
  if (rows && fwrite(values, writer->row_bytes, rows, writer->output.stream) != rows) {
    return fail(e, "%s: %s", writer->output.path, strerror(errno));
  }
  writer->rows += rows;
  return OK;
}

int npy_commit(struct npy_writer *writer, error *e) {
  int status = OK;
  if (fseek(writer->output.stream, 0, SEEK_SET) || !write_header(writer)) {
    status = fail(e, "%s: %s", writer->output.path, strerror(errno));
  } else {
    status = output_commit(&writer->output, e);
  }
  npy_abandon(writer);
  return status;
}

void npy_abandon(struct npy_writer *writer) {
  if (!writer) return;
  output_abandon(&writer->output);
  free(writer);
}
