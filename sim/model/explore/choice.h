// sim/model/explore/choice.h — what may go either way in a run without anything being wrong: the choice points, how a
// single answer is set from outside, and the strategies that give all others. Answer 0 is always the model's own rule.
#pragma once
#include <span>
#include <string_view>

#include "base/types.h"

namespace sim {

/// Each point is named by its kind, its actor and the actor's own ordinal, from 0, so that a choice keeps its name when
/// something unrelated is added to the run.
enum class ChoiceKind : u8 {
  Tie,    // of equal cores; actor `world`; answer k: the k-th of them, 0: a draw of the seed
  Pick,   // among n ready threads of one level, the running one first if it may stay; actor a core, `1/core0`
  Pull,   // among n cores to steal from; actor the thief
  Cut,    // ns after a thread got its core at which it is poked for nothing; actor the thread, `1/fsh.1`
  Delay,  // ns that its core loses before a thread runs, never past the end of its grant; actor the thread
  Irq,    // ns by which an interrupt of a line is late; actor the line, `1/irq2`
  Order,  // among n entries of the queue equal in time and class; actor `world`
};
constexpr u32 kChoiceKinds = 7;

constexpr u64 kDelayNsMax = 10'000'000;
constexpr u64 kCutNsMax = 10'000'000;
constexpr u64 kIrqLatencyNsMax = 1'000'000;  // what a single `irq` may be set to
constexpr u32 kActorTextMax = 64;
constexpr std::string_view kWorldActor = "world";

/// One answer set otherwise. `actor` is actor_key of its text.
struct Override {
  ChoiceKind kind = ChoiceKind::Tie;
  u64 actor = 0;
  u64 ordinal = 0;
  u64 answer = 0;
};

/// A choice that was not answered by the model's own rule, as it is told outside.
struct ChoiceRecord {
  ChoiceKind kind = ChoiceKind::Tie;
  std::string_view actor;
  u64 ordinal = 0;
  u64 answer = 0;
  u32 forced = ~u32{0};  // index in ScheduleConfig::overrides when one of them answered; ~0: a strategy did
};

enum class Strategy : u8 { Fair, Random, Sticky, Pct, Perturb, Few, Starve, Walk, Mix };
constexpr u32 kStrategies = 9;

constexpr u32 kDepthMax = 16;   // pct: priorities drop at up to 15 points
constexpr u32 kDelaysMax = 64;  // few
constexpr u32 kWindowBitsMax = 11;

/// A strategy and its knobs; each has only some of them.
struct StrategyConfig {
  Strategy strategy = Strategy::Fair;
  u64 quantum_ns = 0;               // fair: a running thread gives way this long after it got its core; 0 never
  base::Ratio cut{1, 50};           // random
  base::Ratio delay{1, 500};        // random
  base::Ratio stay{9, 10};          // sticky
  u32 depth = 3;                    // pct
  base::Ratio ratio{1, 100};        // perturb
  u32 delays = 3;                   // few
  u32 windows = kWindowBitsMax;     // starve: the longest is 1 ms · 2^windows
  u64 irq_latency_ns_max = 10'000;  // all but fair: the range of `irq`
  u64 steps = 0;                    // pct, few: how often a thread gets a core in the run; 0: a pilot counts
  u8 weights[kStrategies] = {0, 20, 10, 40, 15, 0, 10, 5, 0};  // mix, by strategy, of any sum
};

/// How often the thread `actor` got a core in the pilot.
struct PilotCount {
  u64 actor = 0;
  u64 steps = 0;
};

/// How the choices of a run are answered. Spans outlive the world.
struct ScheduleConfig {
  bool on = false;     // off: there are no choice points, and no cost
  bool blind = false;  // nodes boot with one priority for all threads; also where `on` is not set
  StrategyConfig first;
  StrategyConfig then;                  // goes on once override `then_after` was used
  u32 then_after = ~u32{0};             // index in `overrides`; ~0: `first` to the end
  std::span<const Override> overrides;  // sorted by kind, actor, ordinal; no two of one point
  std::span<const PilotCount> pilot;    // walk: sorted by actor
};

/// Names an actor in overrides and streams.
u64 actor_key(std::string_view text);
/// "tie", "pick", …; and "fair", "random", ….
std::string_view name_of(ChoiceKind kind);
std::string_view name_of(Strategy strategy);

}  // namespace sim
