// bench/campaign_bench.cpp — runs a second of a campaign: boot, a script, its checks, in a process of its own each, with one
// worker and with two. Other processes do the work, so the clock is the wall's.
#include <cstdio>

#include "bench/bench.h"
#include "bench/peers.h"

namespace bench {
namespace {

double runs_per_second(const std::string& script, u64 seeds, u32 jobs, const std::string& sched = "fair") {
  const double start = now_ns();
  const double used =
      run_command_used_ns({command_path("orrery"), "campaign", script, "--seeds", "2.." + std::to_string(seeds + 1),
                           "--jobs", std::to_string(jobs), "--sched", sched, "-q"},
                          "");
  return used < 0 ? -1 : static_cast<double>(seeds) * 1e9 / (now_ns() - start);
}

/// One node, two clients; 200 ms until faults may strike, and 50 ms of them.
std::string scenario_text(bool shares_boot) {
  const std::string head =
      R"(local s = scenario("shared", { about = "what a run costs", lasts = "50ms", warmup = "200ms",
  liveness = "50ms", shared_boot = )";
  const std::string rest = R"( })
local a = s:node("a", { cores = range(1, 2) })
s:client("writer", a, function(me)
  while me:running() do
    me:write("/tmp/x", me:unique())
    me:read("/tmp/x")
    me:sleep(range("1ms", "5ms"))
  end
end, { count = 2 })
s:faults { allow = { "cpu.steal", "timer.late" } }
s:finally(function(w) end)
)";
  return head + (shares_boot ? "true" : "false") + rest;
}

}  // namespace

void campaign_group(Session& session) {
  if (!session.group("campaign")) return;
  const HostFile script(".fsh", "i=0\nwhile [ $i -lt 200 ]; do true; i=$((i+1)); done\n[ $i -eq 200 ] || exit 1\n");
  const u64 seeds = session.scaled(60, 2);
  if (runs_per_second(script.path(), 1, 1) < 0) {
    std::fprintf(stderr, "campaign: left out, %s campaign does not run\n", command_path("orrery").c_str());
    return;
  }
  session.measure({.name = "boot and 200 commands, two workers",
                   .unit = "runs/s",
                   .run = [&] { return runs_per_second(script.path(), seeds, 2); },
                   .better = Better::Higher,
                   .bar = 200},
                  {{"one worker", [&] { return runs_per_second(script.path(), seeds, 1); }, 1.8}});
  const HostFile shared(".shared.lua", scenario_text(true));
  const HostFile alone(".alone.lua", scenario_text(false));
  const u64 runs = session.scaled(400, 2);  // eight of them boot
  for (const std::string sched : {"fair", "mix"}) {
    session.measure({.name = "a scenario with shared_boot, " + sched,
                     .unit = "runs/s",
                     .run = [&] { return runs_per_second(shared.path(), runs, 1, sched); },
                     .better = Better::Higher,
                     .rounds = 3},
                    {{"without", [&] { return runs_per_second(alone.path(), runs, 1, sched); }, 3}});
  }
}

}  // namespace bench
