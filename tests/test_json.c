#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"
#include "weights-tools/json.h"

static bool parses(const char *text) {
  struct json_document document;
  error e = {""};
  int status = json_parse(&document, text, strlen(text), true, &e);
  json_free(&document);
  CHECK((status == OK) == (*e.message == 0));
  return status == OK;
}

/* The message of a text that must be refused. */
static const char *refusal(const char *text, size_t size) {
  static error e;
  struct json_document document;
  strcpy(e.message, "accepted");
  if (json_parse(&document, text, size, true, &e) == OK) json_free(&document);
  return e.message;
}

TEST(json_accepts_what_the_rfc_allows) {
  const char *const texts[] = {"null",
                               " true\n",
                               "false",
                               "0",
                               "-0",
                               "12.5e-3",
                               "1E+2",
                               "\"\"",
                               "[]",
                               "{}",
                               "[1,[2,[]]]",
                               "\t[ 1 , 2 ]\r\n",
                               "{\"a\":{\"a\":1}}",
                               "{\"\":0}",
                               "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                               "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"",
                               "\"\x7F\""};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) CHECK_MSG(parses(texts[i]), "refused: %s", texts[i]);
}

TEST(json_refuses_everything_else) {
  const char *const texts[] = {"",
                               " ",
                               "nul",
                               "True",
                               "01",
                               "-",
                               "+1",
                               "1.",
                               ".5",
                               "1e",
                               "1e+",
                               "0x1",
                               "NaN",
                               "Infinity",
                               "1e999",
                               "-1e999",
                               "[1,]",
                               "[,1]",
                               "[1 2]",
                               "[",
                               "]",
                               "{",
                               "{\"a\"}",
                               "{\"a\":}",
                               "{\"a\":1,}",
                               "{a:1}",
                               "{\"a\":1 \"b\":2}",
                               "'a'",
                               "\"a",
                               "\"\\\"",
                               "\"\\x\"",
                               "\"\\u12\"",
                               "\"\\u12G4\"",
                               "\"\\uD800\"",
                               "\"\\uD800\\u0041\"",
                               "\"\\uDC00\"",
                               "\"\n\"",
                               "\"\x01\"",
                               "1 2",
                               "{}{}",
                               "// a",
                               "\"\xC0\x80\"",
                               "\"\xED\xA0\x80\"",
                               "\"\xF4\x90\x80\x80\"",
                               "\"\xE2\x82\"",
                               "\"\xFF\"",
                               "\"\x80\"",
                               "\"\xF8\x88\x80\x80\x80\"",
                               "{\"a\":1,\"b\":2,\"a\":3}",
                               "{\"a\":1,\"\\u0061\":2}"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) CHECK_MSG(!parses(texts[i]), "accepted: %s", texts[i]);
}

TEST(json_errors_name_the_byte_and_the_reason) {
  CHECK_STRING(refusal("[1,\n x]", 7), "byte 5: a value was expected");
  CHECK_STRING(refusal("{\"k\" 1}", 7), "byte 5: a colon was expected after a key");
  CHECK_CONTAINS(refusal("{\"k\":1,\"k\":2}", 13), "the key \"k\" stands twice");
  CHECK_CONTAINS(refusal("\"\\uD83D\"", 8), "a high surrogate without its low one");
}

TEST(json_refuses_every_truncation) {
  const char text[] = "{\"a\": [1.5e3, true, null, \"\\uD83D\\uDE00\\n\xC3\xA4\"], \"b\": {\"c\": -12}}";
  for (size_t size = 0; size < sizeof text - 1; size++) {
    CHECK_MSG(strcmp(refusal(text, size), "accepted") != 0, "%zu bytes accepted", size);
  }
  CHECK_STRING(refusal(text, sizeof text - 1), "accepted");
}

TEST(json_depth_is_limited) {
  char text[2 * JSON_MAX_DEPTH + 3];
  memset(text, '[', JSON_MAX_DEPTH);
  memset(text + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
  CHECK_STRING(refusal(text, 2 * JSON_MAX_DEPTH), "accepted");
  memset(text, '[', JSON_MAX_DEPTH + 1);
  memset(text + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
  CHECK_CONTAINS(refusal(text, 2 * JSON_MAX_DEPTH + 2), "nested too deeply");
}

TEST(json_number_length_is_limited) {
  char text[JSON_MAX_NUMBER_LENGTH + 2];
  memset(text, '1', sizeof text);
  text[0] = '0';
  text[1] = '.';
  CHECK_STRING(refusal(text, JSON_MAX_NUMBER_LENGTH), "accepted");
  CHECK_CONTAINS(refusal(text, JSON_MAX_NUMBER_LENGTH + 1), "too many digits");
}

TEST(json_values_are_limited) {
  static char text[2 * JSON_MAX_VALUES + 1];
  for (size_t i = 0; i < sizeof text; i++) text[i] = i % 2 ? '1' : ',';
  text[0] = '[';
  text[sizeof text - 1] = ']';
  CHECK_CONTAINS(refusal(text, sizeof text), "more values than are allowed");
}

TEST(json_lookups) {
  const char text[] =
      "{\"s\": \"a\\u0000b\", \"t\": \"\\u00e4\\ud83d\\ude00\", \"i\": 9223372036854775807, \"j\": "
      "-9223372036854775808,"
      " \"big\": 9223372036854775808, \"f\": 1e3, \"h\": 0.5, \"b\": true, \"n\": [1, 2.5, -3], \"dup\": 1, \"dup\": "
      "2}";
  struct json_document document;
  error e = {""};
  REQUIRE(json_parse(&document, text, sizeof text - 1, false, &e) == OK);
  const struct json *root = document.root;
  CHECK(root->length == 11);
  CHECK(json_get(root, "s")->length == 3);
  CHECK(json_get_string(root, "s") == NULL); /* a NUL inside is no C string */
  CHECK_STRING(json_get_string(root, "t"), "\xC3\xA4\xF0\x9F\x98\x80");
  int64_t integer = 0;
  CHECK(json_get_integer(root, "i", &integer) && integer == INT64_MAX);
  CHECK(json_get_integer(root, "j", &integer) && integer == INT64_MIN);
  CHECK(!json_get_integer(root, "big", &integer));
  CHECK(json_get_integer(root, "f", &integer) && integer == 1000);
  CHECK(!json_get_integer(root, "h", &integer));
  CHECK(json_get_integer(root, "dup", &integer) && integer == 2);
  double number = 0, numbers[3];
  CHECK(json_get_number(root, "big", &number) && number == 9223372036854775808.0);
  bool boolean = false;
  CHECK(json_get_boolean(root, "b", &boolean) && boolean);
  CHECK(!json_get_boolean(root, "i", &boolean));
  CHECK(json_read_numbers(json_get(root, "n"), numbers, 3) && numbers[1] == 2.5 && numbers[2] == -3);
  CHECK(!json_read_numbers(json_get(root, "n"), numbers, 2));
  CHECK(json_get(root, "absent") == NULL && json_get(NULL, "a") == NULL && json_get(json_get(root, "n"), "a") == NULL);
  json_free(&document);
}

TEST(json_writer_escapes_and_separates) {
  struct json_writer w = {0};
  error e = {""};
  json_begin_object(&w);
  json_key(&w, "a\"\\");
  json_begin_array(&w);
  json_string(&w, "\n\t\x01 \xC3\xA4 \xFF");
  json_string(&w, NULL);
  json_integer(&w, INT64_MIN);
  json_boolean(&w, true);
  json_end_array(&w);
  json_key(&w, "empty");
  json_begin_object(&w);
  json_end_object(&w);
  json_key(&w, "last");
  json_null(&w);
  json_end_object(&w);
  REQUIRE(json_writer_finish(&w, &e) == OK);
  CHECK_STRING(w.text,
               "{\"a\\\"\\\\\":[\"\\n\\t\\u0001 \xC3\xA4 \xEF\xBF\xBD\",null,-9223372036854775808,true],"
               "\"empty\":{},\"last\":null}");
  CHECK(parses(w.text));
  free(w.text);
}

TEST(json_writer_numbers_read_back_the_same) {
  const double values[] = {0, -0.0, 0.1, 1.0 / 3, 1e300, 5e-324, 123456789, 0.48031, 1e21, -2.5};
  struct json_writer w = {0};
  error e = {""};
  json_begin_array(&w);
  for (size_t i = 0; i < 10; i++) json_number(&w, values[i]);
  json_number(&w, NAN);
  json_number(&w, INFINITY);
  json_float(&w, 0.485f);
  json_float(&w, 1.0f / 3);
  json_end_array(&w);
  REQUIRE(json_writer_finish(&w, &e) == OK);
  CHECK_CONTAINS(w.text, "[0,-0,0.1,0.3333333333333333,1e+300,");
  CHECK_CONTAINS(w.text, ",null,null,0.485,0.33333334]");
  struct json_document document;
  REQUIRE(json_parse(&document, w.text, w.length, true, &e) == OK);
  const struct json *item = document.root->first;
  for (size_t i = 0; i < 10; i++, item = item->next) CHECK(item->number == values[i]);
  json_free(&document);
  free(w.text);
}

TEST(json_writer_tells_a_full_disk) {
  FILE *full = fopen("/dev/full", "w");
  if (!full) SKIP("there is no /dev/full");
  setvbuf(full, NULL, _IONBF, 0);
  struct json_writer w = json_writer_to(full);
  error e = {""};
  json_string(&w, "a");
  CHECK(json_writer_finish(&w, &e) == FAILED);
  CHECK_CONTAINS(e.message, "cannot be written");
  fclose(full);
}
