#include "evaluate/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

struct given {
  const struct option *option;
  const char *value;
};

struct arguments {
  const struct command *command;
  int argc;
  char **argv; /* the caller's */
  struct given *given;
  size_t given_count;
  const char **positional;
  int positional_count;
  bool help;
};

static const struct option *find_option(const struct command *command, const char *name, size_t length) {
  for (const struct option *o = command->options; o && o->name; o++) {
    if (strlen(o->name) == length && !memcmp(o->name, name, length)) return o;
  }
  return NULL;
}

static const struct option *find_letter(const struct command *command, char letter) {
  for (const struct option *o = command->options; o && o->name; o++) {
    if (o->letter == letter) return o;
  }
  return NULL;
}

static const struct given *find_given(const struct arguments *arguments, const char *name) {
  for (size_t i = 0; i < arguments->given_count; i++) {
    if (!strcmp(arguments->given[i].option->name, name)) return &arguments->given[i];
  }
  return NULL;
}

static int see_help(const struct command *command, error *e) {
  size_t used = strlen(e->message);
  snprintf(e->message + used, sizeof e->message - used, " (see `backbones %s --help`)", command->name);
  return USAGE;
}

static bool repeats(const struct option *option) {
  size_t length = option->value ? strlen(option->value) : 0;
  return length > 3 && !strcmp(option->value + length - 3, "...");
}

/* Take argv[*i] (and its value) as an option. */
static int take_option(struct arguments *arguments, int argc, char **argv, int *i, error *e) {
  const struct command *command = arguments->command;
  const char *word = argv[*i], *value = NULL;
  const struct option *option;
  if (word[1] == '-') {
    const char *equals = strchr(word, '=');
    option = find_option(command, word, equals ? (size_t)(equals - word) : strlen(word));
    if (equals) value = equals + 1;
  } else {
    option = word[2] ? NULL : find_letter(command, word[1]);
  }
  if (!option) {
    usage_error(e, "unknown option %s", word);
    return see_help(command, e);
  }
  if (!repeats(option) && find_given(arguments, option->name)) return usage_error(e, "%s is given twice", option->name);
  if (!option->value && value) return usage_error(e, "%s takes no value", option->name);
  if (option->value && !value) {
    if (*i + 1 >= argc) return usage_error(e, "%s needs a value: %s", option->name, option->value);
    value = argv[++*i];
  }
  arguments->given[arguments->given_count++] = (struct given){option, value ? value : ""};
  return OK;
}

static int parse_into(struct arguments *arguments, int argc, char **argv, error *e) {
  const struct command *command = arguments->command;
  bool only_positional = false;
  for (int i = 0; i < argc; i++) {
    if (!only_positional && !strcmp(argv[i], "--")) {
      only_positional = true;
    } else if (!only_positional && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))) {
      arguments->help = true;
      return OK;
    } else if (!only_positional && argv[i][0] == '-' && argv[i][1]) {
      int status = take_option(arguments, argc, argv, &i, e);
      if (status != OK) return status;
    } else {
      arguments->positional[arguments->positional_count++] = argv[i];
    }
  }
  if (command->most >= 0 && arguments->positional_count > command->most) {
    usage_error(e, "unexpected argument %s", arguments->positional[command->most]);
    return see_help(command, e);
  }
  if (arguments->positional_count < command->least) {
    usage_error(e, "usage: backbones %s %s", command->name, command->usage);
    return see_help(command, e);
  }
  return OK;
}

int arguments_parse(struct arguments **result, const struct command *command, int argc, char **argv, error *e) {
  *result = NULL;
  struct arguments *arguments = allocate_zeroed(1, sizeof *arguments, e);
  if (!arguments) return FAILED;
  arguments->command = command;
  arguments->argc = argc;
  arguments->argv = argv;
  arguments->given = allocate((size_t)argc + 1, sizeof *arguments->given, e);
  arguments->positional = allocate((size_t)argc + 1, sizeof *arguments->positional, e);
  int status = FAILED;
  if (arguments->given && arguments->positional) status = parse_into(arguments, argc, argv, e);
  if (status == OK)
    *result = arguments;
  else
    arguments_free(arguments);
  return status;
}

void arguments_free(struct arguments *arguments) {
  if (!arguments) return;
  free(arguments->given);
  free((void *)arguments->positional);
  free(arguments);
}

/* Quoted where a shell would see more than a word. */
static void write_word(FILE *stream, const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (*word && strspn(word, plain) == strlen(word)) {
    fprintf(stream, " %s", word);
    return;
  }
  fputs(" '", stream);
  for (; *word; word++) {
    if (*word == '\'') {
      fputs("'\\''", stream);
    } else {
      fputc(*word, stream);
    }
  }
  fputc('\'', stream);
}

char *arguments_as_typed(const struct arguments *arguments, error *e) {
  char *text = NULL;
  size_t size;
  FILE *stream = open_memstream(&text, &size);
  if (stream) {
    fprintf(stream, "backbones %s", arguments->command->name);
    for (int i = 0; i < arguments->argc; i++) write_word(stream, arguments->argv[i]);
    if (fclose(stream) == 0) return text;
  }
  free(text);
  fail(e, "out of memory");
  return NULL;
}

bool arguments_want_help(const struct arguments *arguments) { return arguments->help; }
int positional_count(const struct arguments *arguments) { return arguments->positional_count; }
const char *positional(const struct arguments *arguments, int i) { return arguments->positional[i]; }

void command_print_help(const struct command *command) {
  printf("backbones %s - %s\n\nUsage: backbones %s %s\n", command->name, command->summary, command->name,
         command->usage);
  if (command->options && command->options->name) printf("\nOptions:\n");
  for (const struct option *o = command->options; o && o->name; o++) {
    char left[64];
    int used = o->letter ? snprintf(left, sizeof left, "-%c, %s", o->letter, o->name)
                         : snprintf(left, sizeof left, "    %s", o->name);
    if (o->value) snprintf(left + used, sizeof left - (size_t)used, " %s", o->value);
    printf("  %-28s", left);
    /* Help texts may hold several lines: they hang under the first. */
    for (const char *line = o->help; *line;) {
      size_t length = strcspn(line, "\n");
      printf("%s%.*s\n", line == o->help ? " " : "                               ", (int)length, line);
      line += length + (line[length] == '\n');
    }
  }
  if (command->details) printf("\n%s\n", command->details);
}

const char *option_text(const struct arguments *arguments, const char *name) {
  const struct given *given = find_given(arguments, name);
  return given ? given->value : NULL;
}

bool option_given(const struct arguments *arguments, const char *name) { return find_given(arguments, name) != NULL; }

const char *option_nth(const struct arguments *arguments, const char *name, int wanted) {
  for (size_t i = 0; i < arguments->given_count; i++) {
    if (!strcmp(arguments->given[i].option->name, name) && wanted-- == 0) return arguments->given[i].value;
  }
  return NULL;
}

int option_count(const struct arguments *arguments, const char *name) {
  int count = 0;
  for (size_t i = 0; i < arguments->given_count; i++) count += !strcmp(arguments->given[i].option->name, name);
  return count;
}

int option_required(const struct arguments *arguments, const char *name, const char **value, error *e) {
  *value = option_text(arguments, name);
  if (*value && **value) return OK;
  usage_error(e, *value ? "%s is empty" : "%s is needed", name);
  return see_help(arguments->command, e);
}

int option_integer(const struct arguments *arguments, const char *name, long long low, long long high, long long *value,
                   error *e) {
  const char *text = option_text(arguments, name);
  if (!text) return OK;
  char *end;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  if (end == text || *end) return usage_error(e, "%s %s: is not a whole number", name, text);
  if (errno || number < low || number > high) {
    return usage_error(e, "%s %s: must lie between %lld and %lld", name, text, low, high);
  }
  *value = number;
  return OK;
}

static int parse_real(const char *name, const char *text, size_t length, double low, double high, double *value,
                      error *e) {
  char copy[64];
  int shown = length > 60 ? 60 : (int)length;
  if (length == 0 || length >= sizeof copy) return usage_error(e, "%s %.*s: is not a number", name, shown, text);
  memcpy(copy, text, length);
  copy[length] = 0;
  char *end;
  double number = strtod(copy, &end);
  if (*end || !isfinite(number)) return usage_error(e, "%s %s: is not a number", name, copy);
  if (number < low || number > high) {
    return usage_error(e, "%s %s: must lie between %g and %g", name, copy, low, high);
  }
  *value = number;
  return OK;
}

int option_real(const struct arguments *arguments, const char *name, double low, double high, double *value, error *e) {
  const char *text = option_text(arguments, name);
  return text ? parse_real(name, text, strlen(text), low, high, value, e) : OK;
}

int option_reals(const struct arguments *arguments, const char *name, double low, double high, double **values,
                 size_t *count, error *e) {
  *values = NULL;
  *count = 0;
  const char *text = option_text(arguments, name);
  if (!text) return OK;
  size_t items = 1;
  for (const char *c = text; *c; c++) items += *c == ',';
  double *list = allocate(items, sizeof *list, e);
  if (!list) return FAILED;
  for (size_t i = 0; i < items; i++) {
    size_t length = strcspn(text, ",");
    int status = parse_real(name, text, length, low, high, &list[i], e);
    if (status != OK) {
      free(list);
      return status;
    }
    text += length + 1;
  }
  *values = list;
  *count = items;
  return OK;
}

static int by_size(const void *a, const void *b) {
  size_t x = *(const size_t *)a, y = *(const size_t *)b;
  return (x > y) - (x < y);
}

int option_counts(const struct arguments *arguments, const char *name, size_t low, size_t high, size_t **values,
                  size_t *count, error *e) {
  *values = NULL;
  double *numbers;
  int status = option_reals(arguments, name, (double)low, (double)high, &numbers, count, e);
  if (status != OK || *count == 0) return status;
  size_t *list = allocate(*count, sizeof *list, e), distinct = 0;
  if (!list) status = FAILED;
  for (size_t i = 0; status == OK && i < *count; i++) {
    list[i] = (size_t)numbers[i];
    if ((double)list[i] != numbers[i]) status = usage_error(e, "%s %g: is not a whole number", name, numbers[i]);
  }
  free(numbers);
  if (status != OK) {
    free(list);
    return status;
  }
  qsort(list, *count, sizeof *list, by_size);
  for (size_t i = 0; i < *count; i++) {
    if (i == 0 || list[i] != list[distinct - 1]) list[distinct++] = list[i];
  }
  *values = list;
  *count = distinct;
  return OK;
}
