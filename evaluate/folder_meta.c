#include "evaluate/folder_meta.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/dataset_parts.h"
#include "weights-tools/json.h"

static const char *skip_blanks(const char *at) { return at + strspn(at, " \t\r\n"); }

/* Behind a string that begins at its quote. */
static const char *skip_string(const char *at) {
  for (at++; *at != '"'; at++) at += *at == '\\';
  return at + 1;
}

/* Behind a value of valid JSON. */
static const char *skip_value(const char *at) {
  if (*at == '"') return skip_string(at);
  if (*at != '{' && *at != '[') return at + strcspn(at, ",}] \t\r\n");
  int depth = 0;
  do {
    if (*at == '"') {
      at = skip_string(at);
      continue;
    }
    depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
    at++;
  } while (depth > 0);
  return at;
}

/* The text is valid JSON, which is what keeps these steps inside of it. */
static void find_members(struct folder_meta *meta, size_t count) {
  const char *at = skip_blanks(meta->text) + 1;
  for (; meta->count < count; meta->count++) {
    struct meta_member *member = &meta->members[meta->count];
    at = skip_blanks(at);
    member->key = at + 1;
    at = skip_string(at);
    member->key_length = (size_t)(at - member->key) - 1;
    at = skip_blanks(skip_blanks(at) + 1); /* the colon */
    member->value = at;
    at = skip_value(at);
    member->value_length = (size_t)(at - member->value);
    at = skip_blanks(at) + 1; /* the comma, or the end */
  }
}

int folder_meta_parse(struct folder_meta *meta, const char *text, size_t size, error *e) {
  *meta = (struct folder_meta){0};
  struct json_document document;
  if (json_parse(&document, text, size, true, e) != OK) return FAILED;
  int status = document.root->type == JSON_OBJECT ? OK : fail(e, "is not a JSON object");
  if (status == OK) {
    meta->text = copy_bytes_as_string(text, size, e);
    meta->members = allocate(document.root->length, sizeof *meta->members, e);
    if (meta->text && meta->members) {
      find_members(meta, document.root->length);
    } else {
      folder_meta_free(meta);
      status = FAILED;
    }
  }
  json_free(&document);
  return status;
}

int folder_meta_open(struct folder_meta *meta, const char *folder, const char *name, error *e) {
  *meta = (struct folder_meta){0};
  char *path = join_path(folder, name, e);
  if (!path) return FAILED;
  struct file_view file;
  int status = file_open(&file, path, e);
  if (status == OK) {
    status = folder_meta_parse(meta, (const char *)file.bytes, file.size, e);
    if (status != OK) fail_within(e, "%s", path);
  }
  file_close(&file);
  free(path);
  return status;
}

void folder_meta_free(struct folder_meta *meta) {
  free(meta->text);
  free(meta->members);
  *meta = (struct folder_meta){0};
}

static const struct meta_member *find(const struct folder_meta *meta, const char *key, size_t length) {
  for (size_t i = 0; i < meta->count; i++) {
    const struct meta_member *member = &meta->members[i];
    if (member->key_length == length && !memcmp(member->key, key, length)) return member;
  }
  return NULL;
}

const struct meta_member *folder_meta_find(const struct folder_meta *meta, const char *key) {
  return find(meta, key, strlen(key));
}

int folder_meta_count(const struct folder_meta *meta, const char *key, size_t *value, error *e) {
  const struct meta_member *member = folder_meta_find(meta, key);
  if (member && member->value_length < 20) {
    char *end;
    errno = 0;
    unsigned long long number = strtoull(member->value, &end, 10);
    if (*member->value >= '0' && *member->value <= '9' && end == member->value + member->value_length && !errno &&
        number <= SIZE_MAX) {
      *value = (size_t)number;
      return OK;
    }
  }
  return fail(e, member ? "has a wrong %s" : "has no %s", key);
}

static bool is_key(const struct meta_member *member, const char *key) {
  return strlen(key) == member->key_length && !memcmp(key, member->key, member->key_length);
}

static bool may_differ(const struct folder_meta *meta, const struct meta_member *member, const char *const *except) {
  for (size_t i = 0; except[i]; i++) {
    if (is_key(member, except[i])) return true;
  }
  if (!is_key(member, "weights")) return false;
  const struct meta_member *hash = folder_meta_find(meta, "weights_sha256");
  return hash && hash->value_length > 2; /* more than the quotes */
}

const struct meta_member *folder_meta_difference(const struct folder_meta *a, const struct folder_meta *b,
                                                 const char *const *except, bool both_ways) {
  for (size_t i = 0; i < a->count; i++) {
    const struct meta_member *x = &a->members[i], *y = find(b, x->key, x->key_length);
    bool same = y && x->value_length == y->value_length && !memcmp(x->value, y->value, x->value_length);
    if (!same && !(y && may_differ(a, x, except))) return x;
  }
  for (size_t i = 0; both_ways && i < b->count; i++) {
    if (!find(a, b->members[i].key, b->members[i].key_length)) return &b->members[i];
  }
  return NULL;
}

const char *folder_meta_show(const struct folder_meta *meta, const struct meta_member *key, char buffer[static 64]) {
  const struct meta_member *member = find(meta, key->key, key->key_length);
  if (!member) return "nothing";
  bool whole = member->value_length < 64;
  snprintf(buffer, 64, "%.*s%s", whole ? (int)member->value_length : 60, member->value, whole ? "" : "...");
  return buffer;
}
