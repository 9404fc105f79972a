// sim/host/case.h — what is run once per seed and judged: a scenario or a console script, read once. `orrery run`,
// campaigns and the minimiser see only this; what a run needs beside its seed is in RunSetup, all it says is in RunReport.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/events.h"
#include "sim/host/schedule.h"

namespace sim {
class World;
}

namespace sim::host {

/// How a run came out, with the exit code of `orrery` for each.
enum class Verdict : u8 {
  Held = 0,
  Failed = 1,          // a safety property or an invariant
  LivenessFailed = 3,  // an `eventually` or `leads to`, or a monitor that stayed hot
  Broken = 5,          // an assertion of the simulator itself, or a crash of its process
  Excused = 6,         // failed, and holds once the faults outside the promise are spared
  Silent = 7,          // a native thread neither charged nor trapped
  Stalled = 10,        // every thread is blocked and nothing can wake one
  Limit = 11,          // a limit was reached before there was a verdict
};
std::string_view name_of(Verdict verdict);

/// One thing that went wrong, at one event.
struct Finding {
  std::string property;  // "fs.ack-durable"; of an assertion its text, of a stall "stalled"
  std::string
      kind;  // always never at-most-once eventually leads-to hot invariant history expect assert stalled silent status
  std::string role;     // of the thread at the event: its name without its number; empty for the world
  std::string details;  // for a person; no part of the signature
  std::string
      signature;    // property, kind, role, kinds of the role's last three events: no number, address, seed or time
  u64 moment = 0;   // sequence of the event
  u64 time_ns = 0;  // virtual
  u64 held_at = 0;  // of an invariant that is checked now and then: it held after this event; 0: `moment` is exact
  bool is_liveness = false;
};

/// A declared property, point or watermark and what came of it in one run.
struct Hit {
  std::string name;
  std::string form;  // always never sometimes at-most-once eventually leads-to hot watermark mark nudge tunable
  u64 count = 0;     // evaluations that were true, or hits
  i64 low = 0;       // watermark only
  i64 high = 0;
};

/// Faults of one class on one target in one run.
struct FaultTally {
  std::string fault_class;
  std::string target;
  u64 fired = 0;
  u64 withheld = 0;
  u64 lessened = 0;
};

/// One fired opportunity: what a list of faults for the minimiser is made of.
struct FiredFault {
  std::string fault_class;
  std::string target;
  u64 opportunity = 0;
  u64 time_ns = 0;
  std::string arguments;
};

/// A fault after which no promise could be kept, because the plan asks for it: what may excuse a failure (excuse.h).
struct Excuse {
  std::string fault_class;
  std::string target;
  u64 opportunity = 0;
  u64 time_ns = 0;
  std::string reason;  // of the ledger
  std::string origin;  // the rule, and the budget: "arm node.lost target=b with budget nodes-down=1"
};

/// How one run is to be made. Text is as the flags of `orrery run` take it.
struct RunSetup {
  u64 seed = 1;
  std::string sched;      // strategy with its knobs; empty: the case's own
  std::string overrides;  // text of an overrides file (schedule.h); empty: none
  std::string checks;     // cadence of invariants; empty: the case's own
  std::string record;     // path of a recording to write; empty: none
  u64 until = ~u64{0};    // virtual ns
  u64 events_max = ~u64{0};
  bool blind = false;              // nodes boot with one priority for all threads; overrides can say it too
  bool keep_console = false;       // RunReport::console
  bool keep_lists = false;         // RunReport::choices and fired
  bool keep_features = false;      // RunReport::features
  std::vector<FiredFault> spared;  // that do not fire, whatever rules and overrides say
};

/// How choices are answered in a run of `setup`. Empty, or what is wrong with its texts.
std::string read_schedule(const RunSetup& setup, Schedule& schedule);
/// Whether the setup or its overrides flatten all priorities to one level.
bool is_blind(const RunSetup& setup);
/// Says in a finding, its signature included, that it was found so: it may be right as long as priorities hold.
void label_blind(Finding& finding);
/// The schedule of a setup as flags of `orrery run`, quoted for a shell, with a blank before each: ` --sched pct --override '…'`.
std::string schedule_flags(const RunSetup& setup);

struct RunReport {
  Verdict verdict = Verdict::Held;
  std::optional<Finding> finding;  // the first; empty when held
  base::Digest root;
  u64 events = 0;
  u64 virtual_ns = 0;
  u32 status = 0;  // of the guest
  bool tainted = false;
  std::string strategy;  // in force, with its knobs
  std::string drawn;     // "cores=2 memory=64M net.loss=1/100 …": what the seed chose
  std::vector<Hit> hits;
  std::vector<FaultTally> faults;
  std::vector<u32> features;          // sorted, each below 2^22
  std::vector<ForcedChoice> choices;  // answers that were not 0
  std::vector<FiredFault> fired;
  std::vector<Excuse> excuses;
  std::vector<std::string> operations;  // names of client operations done, in order, as overrides name them
  std::vector<std::string> unused;      // overrides that never came up
  std::string console;
};

class Case {
 public:
  virtual ~Case() = default;
  /// As its author calls it: `shared-notes`, or the script's name.
  virtual std::string name() const = 0;
  /// SHA-256 of what defines a run beside seed and overrides, 64 hexadecimal digits.
  virtual std::string plan_id() const = 0;
  /// The command line that repeats a run, without `orrery`.
  virtual std::string reproduction(const RunSetup& setup) const = 0;
  /// Makes a world, runs and judges it. Once per process at a time; a crash of the process is the caller's to see.
  virtual RunReport run(const RunSetup& setup) = 0;
  /// Runs whose setups have one key begin alike, whatever their seeds: once `boot` has done this beginning, forks of the
  /// process make the rest, each by one call of `run`. Empty: the run shares nothing.
  virtual std::string boot_key(const RunSetup&) const { return {}; }
  virtual void boot(const RunSetup&) {}
  /// What the case expects of a report for which an excuse was looked for; it may make another verdict of it.
  virtual void expect(RunReport&) const {}
};

}  // namespace sim::host
