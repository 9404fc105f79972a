// sim/model/faults/catalogue.cpp — the catalogue as tables, and what an intensity means.
#include "sim/model/faults/plan.h"

#include "base/assert.h"

#include "base/enforce.h"

namespace sim {

namespace {

using enum KnobUnit;

constexpr FaultInfo kCatalogue[kFaultClasses] = {
#define FAULT(identifier, name, owes, coin, target, hook, about, ...) \
  {name, Owes::owes, Coin::coin, TargetKind::target, hook, about, {__VA_ARGS__}},
#include "sim/model/faults/catalogue.def"
};

constexpr bool ranges_hold() {
  for (const FaultInfo& info : kCatalogue) {
    for (const FaultKnob& knob : info.knobs) {
      if (knob.least > knob.low || knob.low > knob.high || knob.high > knob.most) return false;
    }
  }
  return true;
}
static_assert(ranges_hold());

constexpr base::Ratio kRatios[kIntensityMax + 1] = {{0, 1}, {1, 10'000}, {1, 1'000}, {1, 100}, {1, 10}};
constexpr u32 kPerMinute[kIntensityMax + 1] = {0, 1, 3, 10, 30};
constexpr std::string_view kOwes[] = {"mask", "detect", "loss", "outside"};
constexpr std::string_view kPhases[] = {"warmup", "safety", "healing", "liveness"};
constexpr std::string_view kTargets[] = {"core", "timer", "line", "console", "device", "thread",
                                         "node", "point", "link", "path",    "disk"};

}  // namespace

const FaultInfo& info_of(FaultClass fault) {
  ASSERT(static_cast<u32>(fault) < kFaultClasses);
  return kCatalogue[static_cast<u32>(fault)];
}
std::string_view name_of(Owes owes) { return kOwes[static_cast<u32>(owes)]; }
std::string_view name_of(TargetKind target) { return kTargets[static_cast<u32>(target)]; }

std::string_view name_of(Phase phase) { return kPhases[static_cast<u32>(phase)]; }

std::optional<FaultClass> fault_named(std::string_view name) {
  for (u32 i = 0; i < kFaultClasses; ++i) {
    if (kCatalogue[i].name == name) return static_cast<FaultClass>(i);
  }
  return {};
}

base::Ratio ratio_of(u32 intensity) {
  ASSERT(intensity <= kIntensityMax);
  return kRatios[intensity];
}
u32 per_minute_of(u32 intensity) {
  ASSERT(intensity <= kIntensityMax);
  return kPerMinute[intensity];
}

FaultRule rule_of(FaultClass fault, u32 intensity) {
  const FaultInfo& info = info_of(fault);
  FaultRule rule;
  rule.fault = fault;
  rule.ratio = ratio_of(intensity);
  if (intensity > 0 && fault == FaultClass::CodeNudge) rule.ratio = {1, 4};
  if (intensity > 0 && fault == FaultClass::CodeTunable) rule.ratio = {1, 1};
  rule.per_minute = per_minute_of(intensity);
  for (u32 i = 0; i < kFaultKnobs; ++i) {
    rule.low[i] = info.knobs[i].low;
    rule.high[i] = info.knobs[i].high;
  }
  return rule;
}

bool can_strike(const FaultPlan& plan) {
  if (plan.injects) return true;
  for (const FaultRule& rule : plan.rules) {
    const bool is_timed = info_of(rule.fault).coin == Coin::Minute;
    if (rule.at_most > 0 && (is_timed ? rule.per_minute : rule.ratio.numerator) > 0) return true;
  }
  for (const FaultOverride& entry : plan.overrides) {
    if (entry.fires) return true;
  }
  return false;
}

}  // namespace sim
