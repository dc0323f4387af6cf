#include "weights-tools/json.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"
#include "weights-tools/utf8.h"

/* The tree lives in blocks that are only freed together. */
struct block {
  struct block *previous;
  size_t used, size;
  _Alignas(16) unsigned char bytes[];
};

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

struct parser {
  const char *text;
  size_t size, at;
  bool reject_duplicates;
  size_t values;
  struct block *arena;
  error *e;
};

static void *arena_allocate(struct parser *p, size_t bytes) {
  size_t rounded;
  if (!add_size(bytes, 15, &rounded)) {
    out_of_memory(p->e, bytes);
    return NULL;
  }
  rounded &= ~(size_t)15;
  if (!p->arena || p->arena->size - p->arena->used < rounded) {
    size_t size = p->arena ? p->arena->size * 2 : FIRST_BLOCK;
    if (size > LARGEST_BLOCK) size = LARGEST_BLOCK;
    if (size < rounded) size = rounded;
    struct block *block = allocate(1, sizeof *block + size, p->e);
    if (!block) return NULL;
    *block = (struct block){.previous = p->arena, .size = size};
    p->arena = block;
  }
  void *memory = p->arena->bytes + p->arena->used;
  p->arena->used += rounded;
  return memory;
}

static void free_arena(struct block *block) {
  while (block) {
    struct block *previous = block->previous;
    free(block);
    block = previous;
  }
}

static int syntax_error(struct parser *p, const char *reason) { return fail(p->e, "byte %zu: %s", p->at, reason); }

static void skip_space(struct parser *p) {
  while (p->at < p->size) {
    char c = p->text[p->at];
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') break;
    p->at++;
  }
}

static bool take(struct parser *p, char wanted) {
  if (p->at >= p->size || p->text[p->at] != wanted) return false;
  p->at++;
  return true;
}

static bool take_word(struct parser *p, const char *word) {
  size_t length = strlen(word);
  if (p->size - p->at < length || memcmp(p->text + p->at, word, length) != 0) return false;
  p->at += length;
  return true;
}

/* ---- strings (RFC 8259, section 7) ---- */

static int parse_hex4(struct parser *p, uint32_t *code) {
  *code = 0;
  for (int i = 0; i < 4; i++) {
    if (p->at >= p->size) return syntax_error(p, "the text ends inside a string");
    char c = p->text[p->at];
    uint32_t digit;
    if (c >= '0' && c <= '9') {
      digit = (uint32_t)(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = (uint32_t)(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = (uint32_t)(c - 'A') + 10;
    } else {
      return syntax_error(p, "\\u needs four hexadecimal digits");
    }
    *code = *code * 16 + digit;
    p->at++;
  }
  return OK;
}

/* After "\u": one code point, maybe of a surrogate pair, appended to *out as UTF-8. */
static int parse_unicode_escape(struct parser *p, char **out) {
  uint32_t code;
  if (parse_hex4(p, &code) != OK) return FAILED;
  if (code >= 0xDC00 && code <= 0xDFFF) return syntax_error(p, "a low surrogate without its high one");
  if (code >= 0xD800 && code <= 0xDBFF) {
    uint32_t low;
    if (!take_word(p, "\\u")) return syntax_error(p, "a high surrogate without its low one");
    if (parse_hex4(p, &low) != OK) return FAILED;
    if (low < 0xDC00 || low > 0xDFFF) return syntax_error(p, "a high surrogate without its low one");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  *out += utf8_encode(code, *out);
  return OK;
}

static int parse_escape(struct parser *p, char **out) {
  if (p->at >= p->size) return syntax_error(p, "the text ends inside a string");
  static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  char c = p->text[p->at];
  if (c == 'u') {
    p->at++;
    return parse_unicode_escape(p, out);
  }
  const char *found = c ? strchr(letters, c) : NULL;
  if (!found) return syntax_error(p, "an unknown escape in a string");
  p->at++;
  *(*out)++ = meanings[found - letters];
  return OK;
}

/* At the opening quote. The decoded form is never longer than the source, so the closing quote bounds the room. */
static int parse_string(struct parser *p, const char **string, size_t *length) {
  size_t end = p->at + 1;
  while (end < p->size && p->text[end] != '"') end += p->text[end] == '\\' ? 2 : 1;
  if (end >= p->size) return syntax_error(p, "a string without its closing quote");
  char *out = arena_allocate(p, end - p->at);
  if (!out) return FAILED;
  *string = out;
  p->at++;
  while (p->at < end) {
    unsigned char c = (unsigned char)p->text[p->at];
    if (c == '\\') {
      p->at++;
      if (parse_escape(p, &out) != OK) return FAILED;
    } else if (c < 0x20) {
      return syntax_error(p, "a control character in a string");
    } else if (c < 0x80) {
      *out++ = (char)c;
      p->at++;
    } else {
      size_t bytes = utf8_sequence(p->text + p->at, end - p->at);
      if (bytes == 0) return syntax_error(p, "not UTF-8");
      memcpy(out, p->text + p->at, bytes);
      out += bytes;
      p->at += bytes;
    }
  }
  p->at++;
  *length = (size_t)(out - *string);
  *out = 0;
  return OK;
}

/* ---- numbers (RFC 8259, section 6) ---- */

static size_t take_digits(struct parser *p) {
  size_t start = p->at;
  while (p->at < p->size && p->text[p->at] >= '0' && p->text[p->at] <= '9') p->at++;
  return p->at - start;
}

/* An integer's digits as int64; false when it does not fit. */
static bool digits_to_integer(const char *text, size_t length, int64_t *value) {
  bool negative = *text == '-';
  *value = 0;
  for (size_t i = negative; i < length; i++) {
    int digit = text[i] - '0';
    if (__builtin_mul_overflow(*value, 10, value)) return false;
    if (__builtin_add_overflow(*value, negative ? -digit : digit, value)) return false;
  }
  return true;
}

/* strtod() of a token without a terminator, whatever decimal point the program's locale wants. */
static double token_to_double(const char *text, size_t length) {
  char copy[JSON_MAX_NUMBER_LENGTH + 16];
  const char *point = localeconv()->decimal_point;
  size_t used = 0, point_length = strlen(point);
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '.' && point_length < 8) {
      memcpy(copy + used, point, point_length);
      used += point_length;
    } else {
      copy[used++] = text[i];
    }
  }
  copy[used] = 0;
  return strtod(copy, NULL);
}

static int parse_number(struct parser *p, struct json *value) {
  size_t start = p->at;
  bool integral = true;
  take(p, '-');
  size_t integer_start = p->at, digits = take_digits(p);
  if (digits == 0) return syntax_error(p, "a value was expected");
  if (digits > 1 && p->text[integer_start] == '0') return syntax_error(p, "a number with a leading zero");
  if (take(p, '.')) {
    integral = false;
    if (take_digits(p) == 0) return syntax_error(p, "a number without digits after its point");
  }
  if (take(p, 'e') || take(p, 'E')) {
    integral = false;
    if (!take(p, '+')) take(p, '-');
    if (take_digits(p) == 0) return syntax_error(p, "a number without digits in its exponent");
  }
  size_t length = p->at - start;
  if (length > JSON_MAX_NUMBER_LENGTH) return syntax_error(p, "a number of too many digits");
  value->type = JSON_NUMBER;
  value->number = token_to_double(p->text + start, length);
  if (!isfinite(value->number)) return syntax_error(p, "a number out of range");
  if (integral) {
    value->is_integer = digits_to_integer(p->text + start, length, &value->integer);
  } else if (fabs(value->number) < 9007199254740992.0 && value->number == floor(value->number)) {
    value->is_integer = true; /* 1.0 and 1e3: exact below 2^53 */
    value->integer = (int64_t)value->number;
  }
  return OK;
}

/* ---- arrays, objects, values ---- */

static int compare_keys(const void *a, const void *b) {
  const struct json *x = *(const struct json *const *)a, *y = *(const struct json *const *)b;
  size_t shorter = x->key_length < y->key_length ? x->key_length : y->key_length;
  int order = memcmp(x->key, y->key, shorter);
  if (order) return order;
  return (x->key_length > y->key_length) - (x->key_length < y->key_length);
}

static int check_duplicates(struct parser *p, const struct json *object) {
  if (object->length < 2) return OK;
  const struct json **sorted = allocate(object->length, sizeof *sorted, p->e);
  if (!sorted) return FAILED;
  size_t n = 0;
  for (const struct json *child = object->first; child; child = child->next) sorted[n++] = child;
  qsort(sorted, n, sizeof *sorted, compare_keys);
  int status = OK;
  for (size_t i = 1; i < n && status == OK; i++) {
    if (compare_keys(&sorted[i - 1], &sorted[i]) == 0)
      status = fail(p->e, "byte %zu: the key \"%.200s\" stands twice in one object", p->at, sorted[i]->key);
  }
  free(sorted);
  return status;
}

static int parse_value(struct parser *p, int depth, struct json *value);

/* Append a child to a container (an object's begins with its key); *last is where the chain ends. */
static int parse_child(struct parser *p, int depth, struct json *parent, struct json **last) {
  struct json *child = arena_allocate(p, sizeof *child);
  if (!child) return FAILED;
  *child = (struct json){0};
  if (parent->type == JSON_OBJECT) {
    if (p->at >= p->size || p->text[p->at] != '"') return syntax_error(p, "a key in quotes was expected");
    if (parse_string(p, &child->key, &child->key_length) != OK) return FAILED;
    skip_space(p);
    if (!take(p, ':')) return syntax_error(p, "a colon was expected after a key");
    skip_space(p);
  }
  if (parse_value(p, depth, child) != OK) return FAILED;
  if (*last) {
    (*last)->next = child;
  } else {
    parent->first = child;
  }
  *last = child;
  parent->length++;
  return OK;
}

/* After the opening bracket. */
static int parse_container(struct parser *p, int depth, struct json *value, char closing) {
  if (depth >= JSON_MAX_DEPTH) return syntax_error(p, "nested too deeply");
  struct json *last = NULL;
  skip_space(p);
  if (take(p, closing)) return OK;
  do {
    skip_space(p);
    if (parse_child(p, depth + 1, value, &last) != OK) return FAILED;
    skip_space(p);
  } while (take(p, ','));
  if (!take(p, closing)) {
    return syntax_error(p, closing == '}' ? "a comma or } was expected" : "a comma or ] was expected");
  }
  if (value->type == JSON_OBJECT && p->reject_duplicates) return check_duplicates(p, value);
  return OK;
}

static int parse_value(struct parser *p, int depth, struct json *value) {
  if (++p->values > JSON_MAX_VALUES) return syntax_error(p, "more values than are allowed");
  if (take(p, '{')) {
    value->type = JSON_OBJECT;
    return parse_container(p, depth, value, '}');
  }
  if (take(p, '[')) {
    value->type = JSON_ARRAY;
    return parse_container(p, depth, value, ']');
  }
  if (p->at < p->size && p->text[p->at] == '"') {
    value->type = JSON_STRING;
    return parse_string(p, &value->string, &value->length);
  }
  if (take_word(p, "null")) return OK; /* a zeroed value is null */
  value->boolean = take_word(p, "true");
  if (value->boolean || take_word(p, "false")) {
    value->type = JSON_BOOLEAN;
    return OK;
  }
  return parse_number(p, value);
}

int json_parse(struct json_document *document, const char *text, size_t size, bool reject_duplicates, error *e) {
  struct parser p = {.text = text, .size = size, .reject_duplicates = reject_duplicates, .e = e};
  *document = (struct json_document){0};
  struct json *root = arena_allocate(&p, sizeof *root);
  if (!root) return FAILED;
  *root = (struct json){0};
  skip_space(&p);
  int status = parse_value(&p, 0, root);
  if (status == OK) {
    skip_space(&p);
    if (p.at < size) status = syntax_error(&p, "something follows the value");
  }
  if (status != OK) {
    free_arena(p.arena);
    return status;
  }
  *document = (struct json_document){root, p.arena};
  return OK;
}

void json_free(struct json_document *document) {
  free_arena(document->arena);
  *document = (struct json_document){0};
}

/* ---- lookup ---- */

const struct json *json_get(const struct json *object, const char *key) {
  if (!object || object->type != JSON_OBJECT) return NULL;
  const struct json *found = NULL;
  size_t length = strlen(key);
  for (const struct json *child = object->first; child; child = child->next) {
    if (child->key_length == length && memcmp(child->key, key, length) == 0) found = child;
  }
  return found;
}

bool json_is_plain_string(const struct json *value) {
  return value && value->type == JSON_STRING && strlen(value->string) == value->length;
}

const char *json_get_string(const struct json *object, const char *key) {
  const struct json *value = json_get(object, key);
  return json_is_plain_string(value) ? value->string : NULL;
}

bool json_get_number(const struct json *object, const char *key, double *value) {
  const struct json *found = json_get(object, key);
  if (!found || found->type != JSON_NUMBER) return false;
  *value = found->number;
  return true;
}

bool json_get_integer(const struct json *object, const char *key, int64_t *value) {
  const struct json *found = json_get(object, key);
  if (!found || found->type != JSON_NUMBER || !found->is_integer) return false;
  *value = found->integer;
  return true;
}

bool json_get_boolean(const struct json *object, const char *key, bool *value) {
  const struct json *found = json_get(object, key);
  if (!found || found->type != JSON_BOOLEAN) return false;
  *value = found->boolean;
  return true;
}

bool json_read_numbers(const struct json *array, double *values, size_t n) {
  if (!array || array->type != JSON_ARRAY || array->length != n) return false;
  for (const struct json *child = array->first; child; child = child->next) {
    if (child->type != JSON_NUMBER) return false;
    *values++ = child->number;
  }
  return true;
}
