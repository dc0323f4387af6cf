/* Sub-commands and their options: one description serves parsing, --help and the man page. */
#ifndef EVALUATE_OPTIONS_H
#define EVALUATE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/error.h"

struct option {
  const char *name;  /* "--out" */
  char letter;       /* 'o' for -o, or 0 */
  const char *value; /* how help calls the value ("DIR"); NULL: a flag; "DIR..." may be given any number of times */
  const char *help;
};

struct arguments;

struct command {
  const char *name, *usage /* after the name: "WEIGHTS -o FILE" */, *summary /* one line */, *details /* or NULL */;
  const struct option *options; /* ended by {0}; --help is everywhere */
  int least, most;              /* positional arguments; most < 0: any number */
  /* Returns OK, FAILED or USAGE with the message in *e: main prints "backbones: message" and exits with the status. */
  int (*run)(const struct arguments *arguments, error *e);
};

/* Parse argv[0..argc) (after the command's name). Accepts "--name value", "--name=value", "-n value", "--" and options
 * between positional arguments. USAGE with a message for what is unknown, lacks its
 * value, or is given twice and does not repeat. */
int arguments_parse(struct arguments **arguments, const struct command *command, int argc, char **argv, error *e);
void arguments_free(struct arguments *arguments);
/* The command line as a shell would take it, to tell how a result was made; free() it. */
char *arguments_as_typed(const struct arguments *arguments, error *e);
bool arguments_want_help(const struct arguments *arguments);
void command_print_help(const struct command *command);

int positional_count(const struct arguments *arguments);
const char *positional(const struct arguments *arguments, int i);

/* The (first) value given for an option of the command ("--out"), "" for a flag that was given, NULL when it was not.
 */
const char *option_text(const struct arguments *arguments, const char *name);
bool option_given(const struct arguments *arguments, const char *name);
/* Of an option that repeats: how often it was given, and its i-th value in the order of the command line. */
int option_count(const struct arguments *arguments, const char *name);
const char *option_nth(const struct arguments *arguments, const char *name, int i);
/* USAGE: "--out is needed (see `backbones features --help`)". */
int option_required(const struct arguments *arguments, const char *name, const char **value, error *e);
/* Numbers within [low, high]; *value keeps its default when the option was not given. */
int option_integer(const struct arguments *arguments, const char *name, long long low, long long high, long long *value,
                   error *e);
int option_real(const struct arguments *arguments, const char *name, double low, double high, double *value, error *e);
/* A comma-separated list of numbers; *count is 0 when the option was not given; free(*values). */
int option_reals(const struct arguments *arguments, const char *name, double low, double high, double **values,
                 size_t *count, error *e);
/* A list of whole numbers within [low, high], at most 2^53: each once, in rising order; free(*values). */
int option_counts(const struct arguments *arguments, const char *name, size_t low, size_t high, size_t **values,
                  size_t *count, error *e);

#endif
