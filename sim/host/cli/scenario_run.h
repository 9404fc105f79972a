// sim/host/cli/scenario_run.h — a scenario where a verb also takes a console script.
#pragma once
#include "sim/host/cli/cli.h"
#include "sim/host/cli/sched_flags.h"

namespace sim::host::cli {

/// Whether a path names a scenario file.
inline bool is_scenario(std::string_view path) { return path.ends_with(".lua"); }

struct ScenarioRunFlags {
  std::string path;
  std::string seed = "1";
  u64 until = kNever;
  std::string checks;
  std::string filter;  // events shown
  SchedFlags sched;
  bool digest = false;
  bool header = false;
  bool json = false;
  bool console = false;  // show what the nodes print
};
/// `orrery run S.lua`: one run, its verdict, and the line that repeats it.
int run_scenario(const Context& context, const Verb& verb, const ScenarioRunFlags& flags);

/// Its mistakes on stderr: −1 when there are none, or the exit code.
int check_scenario(const Context& context, const std::string& path);
/// The child of `verify S.lua`: `starting` may listen, `finished` is told before the machine goes.
int run_variant(const Context& context, const std::string& path, u64 seed, bool again,
                const std::function<void(Machine&)>& starting, const std::function<void()>& finishing,
                const std::function<void(Machine&, base::Digest root, u64 code)>& finished);

/// `orrery digest S.lua`: calls `epoch` after each 4096 events and at the end. −1, or the exit code after saying what is
/// wrong with the file.
int digest_scenario(const Context& context, const std::string& path, const std::string& seed,
                    const std::function<void(u64 epoch, u64 events, base::Digest root)>& epoch);

}  // namespace sim::host::cli
