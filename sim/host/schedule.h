// sim/host/schedule.h — schedules as text: a strategy with its knobs (`pct:depth=2`), single choices set otherwise, and
// both in one file, which is also what a run writes of the choices it made.
//
//     orrery-overrides 1   plan=9f2c… seed=4711 sched=fair
//     delay  1/fxfs.2      @118    12us               # the 118th `delay` point of that thread, from 0
//     tie    world         @40     2
//     then   pct:depth=3                              # after the last entry
//     blind                                           # one priority for all threads
//     arm, budget, fault                              # faults.h
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "sim/host/faults.h"
#include "sim/model/explore/choice.h"

namespace sim::host {

/// One line: a choice answered so whatever the strategy says.
struct ForcedChoice {
  ChoiceKind kind = ChoiceKind::Tie;
  std::string actor;
  u64 ordinal = 0;
  u64 answer = 0;
};

struct Schedule {
  bool on = false;
  StrategyConfig first;
  std::optional<StrategyConfig> then;
  std::vector<ForcedChoice> forced;  // as they came; `then` goes on after the last
  FaultSetup faults;                 // also where `on` is not set
  bool blind = false;                // the same: nodes boot with one priority for all threads
  /// What a file says about where it comes from; empty when it does not.
  std::string plan;
  std::optional<u64> seed;

  /// Whether it changes anything, and so has to be written down.
  bool says_anything() const { return on || blind || !faults.empty(); }
};

/// Most lines in a file; a run that makes more choices is told by its strategy.
constexpr u64 kForcedMax = 4'000'000;

/// `NAME` or `NAME:knob=value,…`. Empty, or what is wrong with what is allowed.
std::string parse_strategy(std::string_view text, StrategyConfig& out);
/// The same strategy as text; knobs that have their default are left out.
std::string text_of(const StrategyConfig& config);

/// One line of a file without its comment, other than the first. Empty, or what is wrong.
std::string parse_choice(std::string_view line, Schedule& schedule);
/// A whole file; what it says is added to `schedule`. Empty, or "line 4: what is wrong".
std::string parse_schedule(std::string_view file, Schedule& schedule);
/// Whether a point or an opportunity is set twice; which one as text.
std::string find_doubled(const Schedule& schedule);
/// A whole file. `plan` and `seed` as given in the schedule.
std::string text_of(const Schedule& schedule);
std::string text_of(const ForcedChoice& choice);

}  // namespace sim::host
