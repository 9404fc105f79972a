// sim/host/cli/sched_flags.h — how a run's choices are answered, as flags; and the file of the choices it made.
#pragma once
#include <map>

#include "sim/host/case.h"
#include "sim/host/cli/cli.h"
#include "sim/host/script_lines.h"

namespace sim::host::cli {

struct SchedFlags {
  std::string sched;                // NAME[:knobs], or replay:FILE
  std::string overrides;            // FILE
  std::vector<std::string> single;  // lines
  FaultFlags faults;
  std::string choices;  // FILE to write
  bool blind = false;

  void add_to(CLI::App& app);
  /// Reads all of them into `schedule` for a run with `seed`, and what they say about a script's lines into `spared`: −1
  /// to go on, or the exit code after saying what is wrong.
  int read(const Verb& verb, u64 seed, Schedule& schedule, SparedLines& spared) const;
  /// The same, but for faults, as texts of a setup: −1, or the exit code where a file cannot be read.
  int read_setup(RunSetup& setup) const;
  /// As they are written in a reproduction line.
  std::string text() const;
};

/// What `--choices` writes: each choice that was not the model's own, as an overrides file that repeats the run.
class ChoiceLog {
 public:
  /// Observes `machine`, which is not started yet; its own observer is called too.
  void attach(Machine& machine);
  /// False when the file cannot be written.
  bool write(const std::string& path, World& world) const;

 private:
  std::vector<ForcedChoice> made_;
  FaultSetup faults_;
  bool blind_ = false;
};

/// The same for a run that told its choices; what `setup` says of faults stays. False when the file cannot be written.
bool write_choices(const std::string& path, const RunSetup& setup, const std::vector<ForcedChoice>& made);

/// What `orrery run` tells of faults at its end: how many of each class on each target.
class FaultTallies {
 public:
  /// Observes `machine`, which is not started yet; its own observer is called too.
  void attach(Machine& machine);
  /// `fault process.kill 1/dev: 2 fired, 1 withheld (it holds the only copy …)`, a line each, on stderr.
  void print() const;
  const std::vector<Excuse>& excuses() const { return excuses_; }

 private:
  struct Tally {
    u64 fired = 0;
    u64 lessened = 0;
    u64 withheld = 0;
    u64 spared = 0;
    std::string reason;  // of the last one withheld
  };
  std::map<std::pair<std::string, std::string>, Tally> tallies_;
  std::vector<Excuse> excuses_;
};

/// Tells on stderr which overrides never came up, and a file that was made for another plan.
void report_overrides(const Machine& machine, World& world);

}  // namespace sim::host::cli
