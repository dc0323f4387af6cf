/* Reading a command line. */
#include "evaluate/options.h"

#include "tests/harness.h"

static const struct option known[] = {{"--weights", 'w', "FILE...", "may be repeated"},
                                      {"--out", 'o', "DIR", "may not"},
                                      {"--json", 0, NULL, "a flag"},
                                      {0}};
static const struct command command = {
    .name = "try", .usage = "[options] WORD", .options = known, .least = 0, .most = 1};

static int parse(struct arguments **arguments, int argc, const char **argv, error *e) {
  return arguments_parse(arguments, &command, argc, (char **)argv, e);
}

TEST(options_that_repeat) {
  const char *argv[] = {"-w", "a", "--out=x", "--weights=b", "word", "--weights", "c"};
  struct arguments *arguments;
  error e = {""};
  REQUIRE(parse(&arguments, 7, argv, &e) == OK);
  CHECK(option_count(arguments, "--weights") == 3 && option_count(arguments, "--out") == 1 &&
        option_count(arguments, "--json") == 0);
  CHECK_STRING(option_nth(arguments, "--weights", 0), "a");
  CHECK_STRING(option_nth(arguments, "--weights", 1), "b");
  CHECK_STRING(option_nth(arguments, "--weights", 2), "c");
  CHECK_STRING(option_text(arguments, "--weights"), "a");
  CHECK(!option_nth(arguments, "--weights", 3) && !option_nth(arguments, "--json", 0));
  CHECK_STRING(positional(arguments, 0), "word");
  arguments_free(arguments);
}

TEST(options_that_do_not_repeat) {
  const char *twice[] = {"--out", "a", "-o", "b"}, *flags[] = {"--json", "--json"}, *cut[] = {"--weights"};
  struct arguments *arguments;
  error e = {""};
  CHECK(parse(&arguments, 4, twice, &e) == USAGE);
  CHECK_STRING(e.message, "--out is given twice");
  CHECK(parse(&arguments, 2, flags, &e) == USAGE);
  CHECK_STRING(e.message, "--json is given twice");
  CHECK(parse(&arguments, 1, cut, &e) == USAGE);
  CHECK_STRING(e.message, "--weights needs a value: FILE...");
}
