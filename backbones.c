/* The command line: a table of sub-commands, each implemented in the folder that does its work. */
#include "backbones.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "evaluate/options.h"

/* One line a command, in the order of the overview: NAME is command_NAME of a file command_NAME.c. */
#define EVERY_COMMAND(X) \
  X(convert)             \
  X(inspect)             \
  X(features)            \
  X(merge)               \
  X(classify)            \
  X(probe)               \
  X(knn)                 \
  X(retrieve)            \
  X(fewshot)             \
  X(calibrate)           \
  X(shift)               \
  X(zeroshot)            \
  X(battle)              \
  X(pixels)              \
  X(bench)               \
  X(profile)             \
  X(demo_data)

#define DECLARE(name) extern const struct command command_##name;
EVERY_COMMAND(DECLARE)
#define ADDRESS(name) &command_##name,
static const struct command *const commands[] = {EVERY_COMMAND(ADDRESS)};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct command *find_command(const char *name) {
  for (int i = 0; i < COMMANDS; i++) {
    if (!strcmp(commands[i]->name, name)) return commands[i];
  }
  return NULL;
}

static void print_overview(FILE *stream) {
  fprintf(stream,
          "backbones %s - pretrained image backbones on the CPU: features, accuracy, speed\n\n"
          "Usage: backbones COMMAND ...\n\nCommands:\n",
          BACKBONES_VERSION);
  for (int i = 0; i < COMMANDS; i++) fprintf(stream, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
  fprintf(stream,
          "  %-10s %s\n  %-10s %s\n\n`backbones COMMAND --help` tells all about one.\n"
          "Exit status: 0 done, 1 the data or the run failed, 2 wrong usage.\n",
          "help", "this text, or that of a command", "version", "the version");
}

/* What was printed must have arrived: a full disk behind stdout is a failure. */
static int flush_output(int status) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return status;
  fprintf(stderr, "backbones: standard output: cannot be written\n");
  return status == BACKBONES_OK ? BACKBONES_FAILED : status;
}

int main(int argc, char **argv) {
  /* A closed pipe and a file size limit are write errors, reported like any other. */
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  if (argc < 2) {
    print_overview(stderr);
    return BACKBONES_USAGE;
  }
  const char *name = argv[1];
  bool help = !strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h");
  if (help && argc == 2) {
    print_overview(stdout);
    return flush_output(BACKBONES_OK);
  }
  if (!strcmp(name, "version") || !strcmp(name, "--version")) {
    printf("backbones %s\n", BACKBONES_VERSION);
    return flush_output(BACKBONES_OK);
  }
  if (help) name = argv[2];
  const struct command *command = find_command(name);
  if (!command) {
    fprintf(stderr, "backbones: unknown command %s (see `backbones help`)\n", name);
    return BACKBONES_USAGE;
  }
  if (help) {
    command_print_help(command);
    return flush_output(BACKBONES_OK);
  }
  error e = {""};
  struct arguments *arguments;
  int status = arguments_parse(&arguments, command, argc - 2, argv + 2, &e);
  if (status == OK && arguments_want_help(arguments))
    command_print_help(command);
  else if (status == OK)
    status = command->run(arguments, &e);
  arguments_free(arguments);
  status = flush_output(status);
  if (status != OK && *e.message) fprintf(stderr, "backbones: %s\n", e.message);
  return status;
}
