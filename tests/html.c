#include "tests/html.h"

#include <stdio.h>
#include <string.h>

bool is_well_formed(const char *html, char *problem, size_t size) {
  char open[64][16];
  int depth = 0;
  snprintf(problem, size, "no problem");
  for (const char *at = strchr(html, '<'); at; at = strchr(at + 1, '<')) {
    char name[16] = "";
    bool closes = at[1] == '/';
    if (at[1] == '!' || sscanf(at + 1 + closes, "%15[a-z0-9]", name) != 1) continue;
    const char *end = strchr(at, '>');
    if (!end) return false;
    bool is_void = !strcmp(name, "meta") || !strcmp(name, "br") || !strcmp(name, "img") || !strcmp(name, "link");
    if (is_void || end[-1] == '/') continue;
    if (!closes && depth < 64) {
      memcpy(open[depth++], name, sizeof name);
    } else if (depth == 0 || strcmp(open[--depth], name) != 0) {
      snprintf(problem, size, "</%s> at byte %zu", name, (size_t)(at - html));
      return false;
    }
  }
  if (depth) snprintf(problem, size, "<%s> is not closed", open[depth - 1]);
  return depth == 0;
}
