// bench/points_bench.cpp — what points in code (base/points.h) cost a run in which none is armed: the same script in the
// command as it is and in one from which all of them are compiled out.
#include <cstdio>

#include "bench/bench.h"
#include "bench/peers.h"

namespace bench {
namespace {

double milliseconds(const std::string& command, const std::string& script) {
  return run_command_used_ns({command_path(command), "run", "-"}, script) / 1e6;
}

}  // namespace

void points_group(Session& session) {
  if (!session.group("points")) return;
  // Allocation, pipes, reading and writing, lists of names, here-documents, the console, timers: where points are.
  std::string script = "i=0\nwhile [ $i -lt " + std::to_string(session.scaled(300, 2)) +
                       " ]; do echo $i > /tmp/f; cat /tmp/f > /dev/null; ls /bin > /dev/null; i=$((i+1)); done\n";
  script += "seq " + std::to_string(session.scaled(200000, 10)) + " | wc -l > /dev/null\n";
  for (const char* command : {"orrery", "orrery_points_out"}) {
    if (milliseconds(command, "true\n") >= 0) continue;
    std::fprintf(stderr, "points: left out, %s does not run\n", command_path(command).c_str());
    return;
  }
  session.measure({.name = "files, pipes and lists with unarmed points",
                   .unit = "ms",
                   .run = [&] { return milliseconds("orrery", script); },
                   .rounds = 21},
                  {{"compiled out", [&] { return milliseconds("orrery_points_out", script); }, 1.01}});
}

}  // namespace bench
