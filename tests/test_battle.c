/* `backbones battle` on scores measured elsewhere: its contract, and a page that holds hostile names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/folders.h"
#include "tests/harness.h"
#include "tests/html.h"

static const char scores[] =
    "backbone,task,score,better\n"
    "resnet,probe,0.70,higher\nresnet,retrieval,0.30,higher\nresnet,ms an image,20,cost\n"
    "\"swin <script>alert('x & y')</script>\",probe,0.80,higher\n"
    "\"swin <script>alert('x & y')</script>\",retrieval,0.50,higher\n"
    "\"swin <script>alert('x & y')</script>\",ms an image,30,cost\n"
    "vit,probe,0.75,higher\nvit,retrieval,0.45,higher\nvit,ms an image,40,cost\n";

TEST(battle_writes_a_ranking_and_a_report) {
  const char *file = path_join(test_folder(), "scores.csv"), *out = path_join(test_folder(), "out");
  REQUIRE(write_file(file, scores, strlen(scores)));
  struct run run = RUN("battle", "--results", file, "--out", out);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  const char *first = strstr(run.out, "    1  swin "), *second = strstr(run.out, "    2  vit ");
  CHECK(first && second && first < second && strstr(run.out, "    3  resnet "));
  char *html = read_file(path_join(out, "report.html"), NULL), problem[64];
  REQUIRE(html != NULL);
  CHECK_MSG(is_well_formed(html, problem, sizeof problem), "%s", problem);
  CHECK_CONTAINS(html, "swin &lt;script&gt;alert(");
  CHECK(!strstr(html, "<script>alert") && !strstr(html, "http://") && !strstr(html, "https://"));
  free(html);
  CHECK(exists(out, "results.csv") && exists(out, "results.json"));
  char *again = read_file(path_join(out, "results.json"), NULL);
  run = RUN("battle", "--results", file, "--out", path_join(test_folder(), "second"), "--json", "--threads", "1");
  CHECK(run.exit_code == 0 && again && run.out[0] == '{');
  free(again);
}

TEST(battle_refuses_bad_scores) {
  const char *file = path_join(test_folder(), "scores.csv"), *out = path_join(test_folder(), "out");
  CHECK(RUN("battle", "--out", out).exit_code == 2);
  CHECK(RUN("battle", "--results", file, "--out", out).exit_code == 1);
  static const char bad[] = "backbone,task,score\nresnet,probe,much\n";
  REQUIRE(write_file(file, bad, strlen(bad)));
  struct run run = RUN("battle", "--results", file, "--out", out);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "scores.csv");
  CHECK(!exists(out, "report.html"));
}
