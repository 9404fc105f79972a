// sim/model/faults/plan.h — what may go wrong in a run: the classes of the catalogue, the rules that let some of them
// happen, what the run can survive, and single opportunities set otherwise.
#pragma once
#include <optional>

#include "base/types.h"

namespace sim {

/// What the system owes under a fault.
enum class Owes : u8 {
  Mask,     // nobody notices but by time, or by `server restarted` where a request may not be repeated
  Detect,   // a clear error; never wrong data, never a lost acknowledged write
  Loss,     // loss is legitimate where there is no good copy
  Outside,  // no promise
};
/// How often a class strikes: by a ratio of its opportunities, or so many times a virtual minute.
enum class Coin : u8 { Opportunity, Minute };
/// What a class strikes, as its target is written: `1/core0`, `1/core0` or `1/irq2`, `1/irq1`, `1/console`, `1/dev`, `1`, `heap.dirty`, `lan`, `lan:1→2`, `d0`.
enum class TargetKind : u8 { Core, Timer, Line, Console, Device, Thread, Node, Point, Link, Path, Disk };
enum class KnobUnit : u8 { Time, Bytes, Count };

struct FaultKnob {
  std::string_view name;
  KnobUnit unit = KnobUnit::Count;
  u64 least = 0;
  u64 most = 0;
  u64 low = 0;  // drawn from low to high unless a rule says otherwise
  u64 high = 0;
};

constexpr u32 kFaultKnobs = 3;
struct FaultInfo {
  std::string_view name;
  Owes owes = Owes::Mask;
  Coin coin = Coin::Opportunity;
  TargetKind target = TargetKind::Core;
  std::string_view hook;
  std::string_view about;
  FaultKnob knobs[kFaultKnobs] = {};  // those without a name are not there
};

enum class FaultClass : u8 {
#define FAULT(identifier, ...) identifier,
#include "sim/model/faults/catalogue.def"
};
// clang-format off
constexpr u32 kFaultClasses = 0
#define FAULT(...) +1
#include "sim/model/faults/catalogue.def"
    ;
// clang-format on

/// A set of classes: bit i for class i.
using FaultSet = unsigned __int128;
static_assert(kFaultClasses < 128);
constexpr FaultSet kAllFaults = (FaultSet{1} << kFaultClasses) - 1;
constexpr FaultSet set_of(FaultClass fault) { return FaultSet{1} << static_cast<u32>(fault); }
constexpr bool has(FaultSet set, FaultClass fault) { return (set >> static_cast<u32>(fault) & 1) != 0; }

const FaultInfo& info_of(FaultClass fault);
inline std::string_view name_of(FaultClass fault) { return info_of(fault).name; }
std::string_view name_of(Owes owes);          // "mask", …
std::string_view name_of(TargetKind target);  // "core", …
std::optional<FaultClass> fault_named(std::string_view name);

// Under each class a knob's place, for those that the ledger lessens.
constexpr u32 kClockKnob = 0;  // time or length
constexpr u32 kRackCountKnob = 1;
constexpr u32 kLoopDeathsKnob = 1;

/// Intensity 0 to 4: 0, 1/10⁴, 1/10³, 1/10², 1/10 of the opportunities; 0, 1, 3, 10, 30 times a virtual minute.
constexpr u32 kIntensityMax = 4;
base::Ratio ratio_of(u32 intensity);
u32 per_minute_of(u32 intensity);

constexpr u32 kAlways = ~u32{0};
constexpr u32 kFaultRulesMax = 256;
constexpr u32 kPerMinuteMax = 6000;

/// A class that may strike the targets that match. Of two rules for one class and target the first counts.
struct FaultRule {
  FaultClass fault = FaultClass::CpuSteal;
  std::string_view target = "*";  // pattern (base/glob.h); outlives the world
  bool any_process = false;       // a target was named: processes that nobody restarts are struck too
  base::Ratio ratio;              // Coin::Opportunity
  u32 per_minute = 0;             // Coin::Minute
  u64 from = 0;                   // virtual ns
  u64 to = ~u64{0};
  u32 at_most = kAlways;  // of one target; opportunities that were spared or withheld count
  u64 low[kFaultKnobs] = {};
  u64 high[kFaultKnobs] = {};
};
/// A rule with the ranges and the intensity that the catalogue gives.
FaultRule rule_of(FaultClass fault, u32 intensity);

/// One opportunity set otherwise. `target` is actor_key of its text.
struct FaultOverride {
  FaultClass fault = FaultClass::CpuSteal;
  u64 target = 0;
  u64 opportunity = 0;
  bool fires = false;
  u8 set = 0;  // bit k: knob k is values[k], not drawn
  u64 values[kFaultKnobs] = {};
};

/// A process that its supervisor brings back, by the name of its threads.
struct FaultService {
  std::string_view name;
  bool only_copy = false;  // what clients gave it is nowhere else: it does not survive a kill
  bool is_probed = false;  // somebody notices when it does not answer
};

/// How much may be damaged at one time.
struct FaultBudget {
  u32 nodes_down = 0;
  u32 copies_lost = 0;  // services with the only copy of something that may be killed
  u64 clock_error_ns = 1'000'000'000;
};

/// Spans outlive the world.
struct FaultPlan {
  std::span<const FaultRule> rules;
  std::span<const FaultOverride> overrides;  // sorted by fault, target, opportunity; no two of one opportunity
  std::span<const FaultService> services;
  /// Processes without which a node is nothing: what is only to be detected does not strike them unless a rule names them.
  std::span<const std::string_view> vital;
  bool injects = false;           // World::inject may be called
  std::string_view last_started;  // by a node that boots: services are not killed before; empty: they may at once
  FaultBudget budget;
};

/// Parts of a run. Faults strike in Safety only.
enum class Phase : u8 {
  Warmup,    // until all is started
  Safety,    // what must hold always is judged under faults
  Healing,   // what was damaged in a core of nodes is undone; elsewhere it stays
  Liveness,  // what must hold eventually is awaited
};
std::string_view name_of(Phase phase);

/// Whether anything of the plan can strike. A world whose plan cannot has no faults at all, and pays nothing for them.
bool can_strike(const FaultPlan& plan);

/// What became of an opportunity that was to fire, as it is told outside.
struct InjectRecord {
  enum class Outcome : u8 { Fired, Lessened, Withheld } outcome = Outcome::Fired;
  FaultClass fault = FaultClass::CpuSteal;
  std::string_view target;
  u64 opportunity = 0;
  u64 time = 0;  // virtual ns
  u64 values[kFaultKnobs] = {};
  std::string_view reason;  // of the ledger, when it did not simply fire
  std::string_view excuse;  // of the ledger: why no promise can be kept after it; empty: all can
  u32 forced = ~u32{0};     // index in FaultPlan::overrides of the one that spoke; ~0: none
  bool is_spared = false;   // an override kept it from firing; the outcome is Withheld
};

}  // namespace sim
