// sim/host/cli/scenario_run.h — a scenario, or a recording of one, where a verb also takes a console script.
#pragma once
#include "sim/host/cli/cli.h"
#include "sim/host/cli/sched_flags.h"
#include "sim/host/scenario/recorded.h"

namespace sim::host::cli {

/// Whether a path names a scenario file.
inline bool is_scenario(std::string_view path) { return path.ends_with(".lua"); }

/// A run of a scenario: of a file and a seed, or the one that a recording holds.
struct ScenarioSubject {
  std::string path;
  u64 seed = 1;
  const replay::Recording* recording = nullptr;
};
/// Reads it: −1, or the exit code after saying on stderr what is wrong.
int open_subject(const Context& context, const ScenarioSubject& subject, scenario::Recorded& out);

struct ScenarioRunFlags {
  std::string path;
  std::string seed = "1";
  u64 until = kNever;
  std::string checks;
  std::string filter;  // events shown
  std::string record;  // a file; empty: none
  replay::Digests digests = replay::Digests::Sparse;
  SchedFlags sched;
  bool digest = false;
  bool header = false;
  bool json = false;
  bool console = false;  // show what the nodes print
  bool bless = false;    // write the files of s:golden
};
/// `orrery run S.lua`: one run, its verdict, and the line that repeats it.
int run_scenario(const Context& context, const Verb& verb, const ScenarioRunFlags& flags);

/// Its mistakes on stderr: −1 when there are none, or the exit code.
int check_scenario(const Context& context, const std::string& path);
/// The child of `verify` with a scenario: `starting` may listen, `finished` is told before the machine goes.
int run_variant(const Context& context, const ScenarioSubject& subject, bool again,
                const std::function<void(Machine&)>& starting, const std::function<void()>& finishing,
                const std::function<void(Machine&, base::Digest root, u64 code)>& finished);

/// `orrery digest` of a scenario: calls `epoch` after each 4096 events and at the end. −1, or the exit code after saying what
/// is wrong with the file, or where the run leaves its recording.
int digest_scenario(const Context& context, const ScenarioSubject& subject,
                    const std::function<void(u64 epoch, u64 events, base::Digest root)>& epoch);

struct ScenarioReplayFlags {
  u64 until = kNever;
  std::string filter;  // events shown
  bool milestones = false;
  bool digest = false;
  bool json = false;
  bool console = false;
};
/// `orrery replay` of a recording that holds a scenario.
int replay_scenario(const Context& context, const Verb& verb, const ScenarioSubject& subject,
                    const ScenarioReplayFlags& flags);

/// Has `filter` show events of the next run of `which` on stderr. `code` becomes an exit code when the text is wrong.
void show_events(const Verb& verb, const std::string& text, scenario::ScenarioCase& which, Filter& filter, int& code);
/// What a run found wrong, on stderr.
void print_finding(const RunReport& report);

}  // namespace sim::host::cli
