/* Any bytes: parsed or refused; what is parsed is written and parsed again. */
#include <stdlib.h>

#include "weights-tools/json.h"

static void write_value(struct json_writer *w, const struct json *value) {
  switch (value->type) {
    case JSON_NULL:
      json_null(w);
      break;
    case JSON_BOOLEAN:
      json_boolean(w, value->boolean);
      break;
    case JSON_NUMBER:
      if (value->is_integer) {
        json_integer(w, value->integer);
      } else {
        json_number(w, value->number);
      }
      break;
    case JSON_STRING:
      json_string(w, value->string);
      break;
    case JSON_ARRAY:
      json_begin_array(w);
      for (const struct json *child = value->first; child; child = child->next) write_value(w, child);
      json_end_array(w);
      break;
    case JSON_OBJECT:
      json_begin_object(w);
      for (const struct json *child = value->first; child; child = child->next) {
        json_key(w, child->key);
        write_value(w, child);
      }
      json_end_object(w);
      break;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  struct json_document document, again;
  error e;
  if (json_parse(&document, (const char *)data + 1, size - 1, data[0] & 1, &e) != OK) return 0;
  struct json_writer w = {0};
  write_value(&w, document.root);
  if (json_writer_finish(&w, &e) == OK) {
    if (json_parse(&again, w.text, w.length, false, &e) != OK) abort();
    if (again.root->type != document.root->type || again.root->length > document.root->length) abort();
    json_free(&again);
    free(w.text);
  }
  json_free(&document);
  return 0;
}
