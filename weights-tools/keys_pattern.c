/* The pattern language of keys.h. */
#include <stdio.h>
#include <string.h>

#include "weights-tools/keys.h"

struct captures {
  int numbers[26]; /* by letter */
  const char *rest;
};

/* Up to four digits without a leading zero. */
static bool take_number(const char **text, int *number) {
  const char *start = *text, *at = start;
  *number = 0;
  while (*at >= '0' && *at <= '9' && at - start < 4) *number = *number * 10 + (*at++ - '0');
  if (at == start || (*start == '0' && at - start > 1)) return false;
  *text = at;
  return true;
}

static bool matches(const char *pattern, const char *name, struct captures *captures);

/* `pattern` begins behind a **: it must match some end of the name. */
static bool matches_an_end(const char *pattern, const char *name, struct captures *captures) {
  captures->rest = name;
  if (!*pattern) return true;
  for (; *name; name++) {
    if (matches(pattern, name, captures)) return true;
  }
  return false;
}

static bool matches(const char *pattern, const char *name, struct captures *captures) {
  while (*pattern) {
    if (*pattern == '*') {
      if (pattern[1] == '*') return matches_an_end(pattern + 2, name, captures);
      captures->rest = name;
      return *name && !strchr(name, '.');
    }
    if (*pattern == '{') {
      if (!take_number(&name, &captures->numbers[pattern[1] - 'a'])) return false;
      pattern += 3;
    } else if (*pattern++ != *name++) {
      return false;
    }
  }
  return !*name;
}

/* {x}, {x+1}, {x-1}, {x/2}: `text` is what follows the letter. */
static int compute(int number, const char *text) {
  int operand = text[1] - '0';
  if (*text == '+') return number + operand;
  if (*text == '-') return number - operand;
  return *text == '/' ? number / operand : number;
}

/* false when the canonical name would not fit. */
static bool expand(const char *canonical, const struct captures *captures, char out[static MAX_KEY]) {
  size_t used = 0;
  while (*canonical && used < MAX_KEY) {
    if (*canonical == '*') {
      used += (size_t)snprintf(out + used, MAX_KEY - used, "%s", captures->rest);
      while (*canonical == '*') canonical++;
    } else if (*canonical == '{') {
      int number = compute(captures->numbers[canonical[1] - 'a'], canonical + 2);
      used += (size_t)snprintf(out + used, MAX_KEY - used, "%d", number);
      canonical = strchr(canonical, '}') + 1;
    } else {
      out[used++] = *canonical++;
    }
  }
  if (used >= MAX_KEY) return false;
  out[used] = 0;
  return true;
}

bool key_rename_by_rules(const struct key_rule *rules, const char *name, struct key *key) {
  for (const struct key_rule *rule = rules; rule && rule->pattern; rule++) {
    struct captures captures = {.rest = ""};
    if (!matches(rule->pattern, name, &captures)) continue;
    bool is_reason = *rule->canonical == '!';
    key->harmless = is_reason ? rule->canonical + 1 : NULL;
    if (!is_reason) return expand(rule->canonical, &captures, key->name);
    return snprintf(key->name, MAX_KEY, "%s", name) < MAX_KEY;
  }
  return false;
}

bool key_rename(const struct key_scheme *scheme, const char *name, struct key *key) {
  for (int i = 0; scheme->optional[i]; i++) {
    size_t length = strlen(scheme->optional[i]);
    if (strncmp(name, scheme->optional[i], length) != 0) continue;
    name += length;
    break;
  }
  return key_rename_by_rules(scheme->rules, name, key) || key_rename_by_rules(scheme->more, name, key);
}
