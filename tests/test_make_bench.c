/* The list of `make bench`: every name is an architecture, every family is there. */
#include <stdlib.h>
#include <string.h>

#include "models/architecture.h"
#include "tests/harness.h"
#include "weights-tools/families.h"

#define COUNT(name) +1
#define NAME(name) #name,

TEST(make_bench_has_every_family) {
  enum { FAMILIES_COUNT = FAMILIES(COUNT) };
  static const char *const families[] = {FAMILIES(NAME)};
  bool seen[FAMILIES_COUNT] = {false};
  char *makefile = read_file("Makefile", NULL);
  if (!makefile) SKIP("no Makefile in this folder");
  char *list = strstr(makefile, "\nBENCH_ARCH ?= ");
  if (list) {
    list += strlen("\nBENCH_ARCH ?= ");
    char *end = strchr(list, '\n');
    while (end && end[-1] == '\\') end = strchr(end + 1, '\n');
    if (end) *end = 0;
    /* A line that goes on ends in "$\". */
    for (char *name = strtok(list, ",$\\\n"); name; name = strtok(NULL, ",$\\\n")) {
      struct architecture found;
      error e = {""};
      CHECK_MSG(architecture_find(name, &found, &e) == OK, "%s: %s", name, e.message);
      for (int i = 0; i < FAMILIES_COUNT; i++) {
        if (*found.name && !strcmp(found.family->name, families[i])) seen[i] = true;
      }
    }
  }
  for (int i = 0; i < FAMILIES_COUNT; i++) CHECK_MSG(seen[i], "no %s", families[i]);
  free(makefile);
}
