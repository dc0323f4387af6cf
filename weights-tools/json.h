/* JSON (RFC 8259): a strict parser into a tree, and a small writer. */
#ifndef WEIGHTS_TOOLS_JSON_H
#define WEIGHTS_TOOLS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kernels/error.h"

enum json_type { JSON_NULL, JSON_BOOLEAN, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* A value of the tree. Strings are UTF-8, terminated, and may hold a NUL inside (\u0000): `length` tells. */
struct json {
  enum json_type type;
  bool boolean;       /* JSON_BOOLEAN */
  bool is_integer;    /* JSON_NUMBER: its value is an integer that fits int64 */
  int64_t integer;    /* JSON_NUMBER when is_integer: exact */
  double number;      /* JSON_NUMBER: the nearest double, always finite */
  const char *string; /* JSON_STRING */
  size_t length;      /* JSON_STRING: bytes of string; JSON_ARRAY, JSON_OBJECT: number of children */
  const char *key;    /* of a child of an object, else NULL */
  size_t key_length;  /* bytes of key */
  const struct json *first /* JSON_ARRAY, JSON_OBJECT: the children, in the order of the text */, *next;
};

enum {
  JSON_MAX_DEPTH = 64,         /* arrays and objects inside each other */
  JSON_MAX_VALUES = 1 << 22,   /* values in a document: bounds the tree's memory to some hundred MB */
  JSON_MAX_NUMBER_LENGTH = 512 /* characters of one number */
};

struct json_document {
  const struct json *root;
  void *arena; /* private to json.c */
};

/* Parse text[0, size), which must be one JSON value and white space. `reject_duplicates`: two equal keys in one object
 * are an error (otherwise json_get() finds the last). Errors read "byte N: reason" and leave the document empty. */
int json_parse(struct json_document *document, const char *text, size_t size, bool reject_duplicates, error *e);
void json_free(struct json_document *document);

/* The value of a key, or NULL when `object` is NULL, no object, or lacks the key; of two equal keys the last. */
const struct json *json_get(const struct json *object, const char *key);
/* The string of a key, or NULL when there is none, it is of another type or has a NUL inside. */
const char *json_get_string(const struct json *object, const char *key);
/* Put the number, integer or boolean of a key into *value; false (and *value kept) when it has none of that type. */
bool json_get_number(const struct json *object, const char *key, double *value);
bool json_get_integer(const struct json *object, const char *key, int64_t *value);
bool json_get_boolean(const struct json *object, const char *key, bool *value);
/* An array of exactly n numbers; false otherwise. */
bool json_read_numbers(const struct json *array, double *values, size_t n);
/* Whether a string value has no NUL inside, so that it is the same as a C string. */
bool json_is_plain_string(const struct json *value);

/* A writer: compact JSON into a stream or into memory. Commas and colons are its business; the caller keeps the order
 * key, value inside objects. A failed write or allocation is remembered and told by json_writer_finish(). */
struct json_writer {
  FILE *stream; /* NULL: into `text` */
  char *text;   /* terminated after json_writer_finish(); the caller frees it */
  size_t length, capacity;
  bool needs_comma, failed;
};

/* struct json_writer w = json_writer_to(stdout); or = {0} to write into memory. */
struct json_writer json_writer_to(FILE *stream);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
/* NULL becomes null; bytes that are not UTF-8 become U+FFFD. */
void json_string(struct json_writer *w, const char *text);
void json_integer(struct json_writer *w, int64_t value);
/* The fewest digits that read back as the same double; NaN and infinities become null. */
void json_number(struct json_writer *w, double value);
/* The fewest digits that read back as the same float. */
void json_float(struct json_writer *w, float value);
void json_boolean(struct json_writer *w, bool value);
void json_null(struct json_writer *w);
/* A value that is JSON text already. */
void json_raw(struct json_writer *w, const char *json);
/* Ends the text (a line feed into a stream). FAILED when something could not be written; `text` is then freed. */
int json_writer_finish(struct json_writer *w, error *e);

#endif
