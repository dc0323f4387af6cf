#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"
#include "weights-tools/json.h"
#include "weights-tools/utf8.h"

struct json_writer json_writer_to(FILE *stream) {
  return (struct json_writer){.stream = stream};
}

static void write_bytes(struct json_writer *w, const char *bytes, size_t n) {
  if (w->failed) return;
  if (w->stream) {
    if (fwrite(bytes, 1, n, w->stream) != n) w->failed = true;
    return;
  }
  if (w->capacity - w->length <= n) { /* <=: room for the terminator */
    size_t wanted;
    if (!add_size(w->length, n + 1, &wanted)) wanted = SIZE_MAX;
    if (wanted < w->capacity * 2) wanted = w->capacity * 2;
    if (wanted < 256) wanted = 256;
    char *larger = realloc(w->text, wanted);
    if (!larger) {
      w->failed = true;
      return;
    }
    w->text = larger;
    w->capacity = wanted;
  }
  memcpy(w->text + w->length, bytes, n);
  w->length += n;
}

static void write_text(struct json_writer *w, const char *text) { write_bytes(w, text, strlen(text)); }

static void begin_value(struct json_writer *w) {
  if (w->needs_comma) write_text(w, ",");
  w->needs_comma = true;
}

static void begin_container(struct json_writer *w, const char *bracket) {
  begin_value(w);
  write_text(w, bracket);
  w->needs_comma = false;
}

static void end_container(struct json_writer *w, const char *bracket) {
  write_text(w, bracket);
  w->needs_comma = true;
}

void json_begin_object(struct json_writer *w) { begin_container(w, "{"); }
void json_end_object(struct json_writer *w) { end_container(w, "}"); }
void json_begin_array(struct json_writer *w) { begin_container(w, "["); }
void json_end_array(struct json_writer *w) { end_container(w, "]"); }

static void write_escaped(struct json_writer *w, unsigned char c) {
  static const char letters[] = "\"\\bfnrt", meanings[] = "\"\\\b\f\n\r\t";
  const char *found = c ? strchr(meanings, c) : NULL;
  char escape[8];
  if (found) {
    snprintf(escape, sizeof escape, "\\%c", letters[found - meanings]);
  } else {
    snprintf(escape, sizeof escape, "\\u%04x", c);
  }
  write_text(w, escape);
}

static void write_quoted(struct json_writer *w, const char *text) {
  size_t size = strlen(text), at = 0;
  write_text(w, "\"");
  while (at < size) {
    unsigned char c = (unsigned char)text[at];
    size_t bytes = utf8_sequence(text + at, size - at);
    if (bytes == 0) {
      write_text(w, "\xEF\xBF\xBD"); /* U+FFFD */
      bytes = 1;
    } else if (c < 0x20 || c == '"' || c == '\\') {
      write_escaped(w, c);
    } else {
      write_bytes(w, text + at, bytes);
    }
    at += bytes;
  }
  write_text(w, "\"");
}

void json_key(struct json_writer *w, const char *key) {
  begin_value(w);
  write_quoted(w, key);
  write_text(w, ":");
  w->needs_comma = false;
}

void json_string(struct json_writer *w, const char *text) {
  if (!text) {
    json_null(w);
    return;
  }
  begin_value(w);
  write_quoted(w, text);
}

void json_raw(struct json_writer *w, const char *json) {
  begin_value(w);
  write_text(w, json);
}

void json_null(struct json_writer *w) { json_raw(w, "null"); }
void json_boolean(struct json_writer *w, bool value) { json_raw(w, value ? "true" : "false"); }

void json_integer(struct json_writer *w, int64_t value) {
  char text[32];
  snprintf(text, sizeof text, "%lld", (long long)value);
  json_raw(w, text);
}

/* JSON's decimal point is a point in every locale, even one that writes it with several bytes. */
static void write_decimal(struct json_writer *w, char *text) {
  char *out = text;
  for (const char *c = text; *c; c++) {
    if (strchr("+-0123456789e", *c)) {
      *out++ = *c;
    } else if (out == text || out[-1] != '.') {
      *out++ = '.';
    }
  }
  *out = 0;
  json_raw(w, text);
}

void json_number(struct json_writer *w, double value) {
  if (!isfinite(value)) {
    json_null(w);
    return;
  }
  char text[40];
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  write_decimal(w, text);
}

void json_float(struct json_writer *w, float value) {
  if (!isfinite(value)) {
    json_null(w);
    return;
  }
  char text[40];
  for (int digits = 6; digits <= 9; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, (double)value);
    if (strtof(text, NULL) == value) break;
  }
  write_decimal(w, text);
}

int json_writer_finish(struct json_writer *w, error *e) {
  if (w->stream) write_text(w, "\n");
  if (!w->failed && !w->stream) {
    write_bytes(w, "", 1);
    w->length--;
  }
  if (!w->failed) return OK;
  free(w->text);
  w->text = NULL;
  return fail(e, w->stream ? "the output cannot be written" : "out of memory");
}
