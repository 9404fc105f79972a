// sim/host/judge/judge.h — judges a run while it goes: declared properties, those of the core (base/check.h), invariants at
// a cadence. It sees events and memory and changes neither; the first thing that went wrong is its finding.
//
//   Judge judge;                      declare; then attach(machine) before Machine::start
//   judge.never("no-orphan", filter)  … run …  judge.begin_liveness(now)  … run …  judge.finish(now)
//   judge.finding()                   the first Finding, with role and signature
//
// What it costs   a table look an event, and what the declared filters ask for.
// Tested by       tests/judge/judge_test.cpp
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/host/case.h"
#include "sim/host/filter.h"
#include "sim/host/judge/invariants.h"
#include "sim/model/config.h"

namespace sim::host {
class Machine;
}

namespace sim::host::judge {

constexpr u64 kWithinNs = 30'000'000'000;  // T of `eventually` and of hot monitors, where none is said
constexpr u64 kLookEveryNs = 10'000'000;   // how often an `eventually` is evaluated
constexpr u64 kKeysMax = 1'000'000;        // of one at-most-once, one leads-to, one monitor; more are not judged

/// Whether it holds; where not, `details` may say more.
using Holds = std::function<bool(std::string& details)>;
/// What an event is about, for properties that are meant per something. Empty: all of it is one.
using Key = std::function<std::string(const base::Event& event)>;

class Judge {
 public:
  Judge();

  // ── Declaring; before the run ────────────────────────────────────────────────────────────────────────────
  /// Evaluated at each event that passes; the default is each event that is not a draw.
  void always(std::string name, Holds holds, Filter on);
  void never(std::string name, Filter pattern);
  void sometimes(std::string name, Filter pattern, Holds holds = {});
  void at_most_once(std::string name, Filter pattern, Key key);
  /// True at some look within this time after begin_liveness; without liveness at the end.
  void eventually(std::string name, Holds holds, u64 within_ns = kWithinNs);
  /// Each event of `cause` is followed by one of `effect` with the same key.
  void leads_to(std::string name, Filter cause, Filter effect, u64 within_ns, Key key = {});
  /// Once liveness has begun, not hot for longer than this.
  void monitor(std::string name, Filter hot, Filter cold, u64 within_ns = kWithinNs, Key key = {});
  void watermark(std::string name, Filter on, std::function<std::optional<i64>(const base::Event&)> level);
  /// How long the core's own `eventually` and hot properties may take (default kWithinNs).
  void set_within(u64 ns) { within_ns_ = ns; }
  Invariants& invariants() { return invariants_; }

  /// Listens to a machine that is not started yet; what listens already goes on listening. The machine outlives it.
  void attach(Machine& machine);

  // ── The run, told by the machine ─────────────────────────────────────────────────────────────────────────
  void event(const base::Event& event);
  void checked(const CheckRecord& record, u64 sequence);
  /// A node's kernel is between two entries.
  void entered(World& world, u32 node);
  /// How threads are called; attach sets it.
  void set_names(std::function<std::string_view(u32 node, u32 thread_id)> names) { names_ = std::move(names); }

  // ── The run, told by whoever makes it ────────────────────────────────────────────────────────────────────
  /// Faults have ended: from now on things must come right.
  void begin_liveness(u64 now_ns);
  /// A phase of the run begins: invariants with that cadence are checked.
  void phase(World& world);
  /// Nothing more will happen. `reached_ns` is how far the run got; deadlines after it are not judged.
  void finish(World& world, u64 reached_ns);
  void finish(u64 reached_ns);
  /// Something that another judge found (a history, an expectation) at the last event; the first finding stays.
  void report(std::string kind, std::string property, std::string details, bool is_liveness = false);

  const std::optional<Finding>& finding() const { return finding_; }
  /// All declared properties by name, those that were never reached too.
  std::vector<Hit> hits() const;
  /// Properties that a program may not have judged because they had too many keys.
  const std::set<std::string>& overfull() const { return overfull_; }

 private:
  struct Tally {
    std::string form;
    u64 count = 0;
    i64 low = 0;
    i64 high = 0;
  };
  struct Property {
    enum class Form : u8 { Always, Never, Sometimes, AtMostOnce, LeadsTo, Monitor, Watermark } form;
    std::string name;
    Filter on;
    Filter until;  // LeadsTo: the effect; Monitor: cold
    Holds holds;
    Key key;
    std::function<std::optional<i64>(const base::Event&)> level;
    u64 within_ns = 0;
    std::map<std::string, u64> keys;  // since when: of causes not followed yet, of hot keys, of keys seen
    Tally* tally = nullptr;           // found at the first event that passes
  };
  struct Eventually {
    std::string name;
    Holds holds;
    u64 within_ns = 0;
    bool held = false;
  };
  /// The last three kinds of a thread, newest last.
  struct Recent {
    u32 thread = 0;
    u16 kinds[3] = {};
  };

  void look(Property& property, const base::Event& event);
  void expire(u64 now_ns);
  void look_eventually(u64 now_ns);
  void plan_deadline(u64 deadline_ns) { next_deadline_ = deadline_ns < next_deadline_ ? deadline_ns : next_deadline_; }
  Tally& tally(const std::string& name, std::string_view form);
  bool has_room(const std::map<std::string, u64>& keys, const std::string& name);
  void judge_invariants(World& world, std::optional<u32> node);
  struct Found {
    std::string kind;
    std::string property;
    std::string details;
    bool is_liveness = false;
    std::optional<u64> time_ns;  // otherwise that of the last event
    u64 held_at = 0;
  };
  void find(Found found);
  std::string kinds_of(u32 node, u32 thread) const;

  std::vector<Property> properties_;
  std::vector<Eventually> eventually_;
  std::map<std::string, Tally> tallies_;
  std::set<std::string> overfull_;
  /// Properties that the code reports by number: the core's own, then those that programs declared.
  struct Reported {
    base::CheckForm form;
    std::string name;
    Tally* tally;
    std::map<std::string, u64> keys;
    bool held = false;
  };
  void add_reported(std::string_view name, base::CheckForm form);
  std::vector<Reported> reported_;
  Invariants invariants_;
  std::function<std::string_view(u32, u32)> names_;
  std::vector<std::vector<Recent>> recent_;  // by node and thread slot
  base::Event last_;
  std::optional<u64> liveness_ns_;
  u64 within_ns_ = kWithinNs;
  u64 next_deadline_ = ~u64{0};
  u64 next_look_ = ~u64{0};
  std::optional<Finding> finding_;
};

/// Where a sparse check found a broken invariant: the same run with dense checks over the interval since it last held, so
/// that its finding names the first bad event. None when the finding is exact already.
std::optional<RunSetup> exact_setup(const RunSetup& setup, const RunReport& report);
/// Takes over the finding of that run.
void take_exact(const RunReport& exact, RunReport& report);
/// Runs the case, and again where its finding is not exact.
RunReport run_exactly(Case& run, const RunSetup& setup);

}  // namespace sim::host::judge
