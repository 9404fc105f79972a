// sim/host/cli/bugs.cpp — `orrery bugs`: the corpus of planted bugs, and the choice of one.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <cstdio>
#include <cstdlib>

#include "base/planted.h"
#include "sim/host/cli/cli.h"
#include "sim/host/planted.h"

namespace sim::host::cli {

int choose_planted_bug() {
  const char* const wanted = std::getenv("ORRERY_BUG");
  if (!has_planted_bugs() || wanted == nullptr || sim::host::choose_planted_bug(wanted)) return -1;
  std::vector<std::string> names;
  for (const base::PlantedBug& bug : base::kPlantedBugs) names.emplace_back(bug.name);
  std::fprintf(stderr, "orrery: ORRERY_BUG=%s: there is no such bug%s\n", wanted, did_you_mean(wanted, names).c_str());
  return kUsage;
}

const Verb kBugsVerb = {
    "bugs", "the planted bugs that show what finds them",
    "usage: orrery bugs [--json]\n"
    "In a build made with `cmake --preset planted` the environment variable ORRERY_BUG=NAME makes one of them real;\n"
    "tools/planted.py measures which strategy finds which.\n"
    "  --json          one document, schema orrery.bugs/1\n"
    "example: ORRERY_BUG=pipe.close-race build/planted/orrery campaign s.fsh --seeds 1..500\n"
    "exit:    0   2 usage\n",
    bugs_verb};

int bugs_verb(Context& context) {
  CLI::App app;
  bool json = false;
  app.add_flag("--json", json);
  if (const int code = parse_flags(app, context, kBugsVerb); code >= 0) return code;
  if (json) std::printf("{\"bugs\":[");
  for (const base::PlantedBug& bug : base::kPlantedBugs) {
    if (json) {
      std::printf("%s{\"name\":%s,\"shows_as\":%s}", &bug == base::kPlantedBugs ? "" : ",",
                  json_string(bug.name).c_str(), json_string(bug.shows_as).c_str());
    } else {
      std::printf("%-30s %s\n", std::string(bug.name).c_str(), std::string(bug.shows_as).c_str());
    }
  }
  if (json) {
    std::printf("],\"built_in\":%s,\"schema\":\"orrery.bugs/1\"}\n", has_planted_bugs() ? "true" : "false");
  } else if (!has_planted_bugs()) {
    std::fprintf(stderr, "orrery: none is in this build; `cmake --preset planted` makes one that has them\n");
  }
  return kHeld;
}

}  // namespace sim::host::cli
