// sim/host/case.cpp — names and texts of runs.
#include "sim/host/case.h"

#include <algorithm>

#include "sim/host/text.h"

namespace sim::host {
namespace {

constexpr std::string_view kBlind = "blind";

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::Held: return "held";
    case Verdict::Failed: return "failed";
    case Verdict::LivenessFailed: return "liveness-failed";
    case Verdict::Broken: return "broken";
    case Verdict::Excused: return "excused";
    case Verdict::Silent: return "silent";
    case Verdict::Stalled: return "stalled";
    case Verdict::Limit: return "limit";
  }
  return "?";
}

std::string read_schedule(const RunSetup& setup, Schedule& schedule) {
  schedule.on = schedule.on || !setup.sched.empty() || !setup.overrides.empty() || setup.keep_lists;
  if (!setup.overrides.empty()) {
    if (std::string wrong = parse_schedule(setup.overrides, schedule); !wrong.empty()) return "overrides: " + wrong;
    if (schedule.seed && *schedule.seed != setup.seed) {
      return "the overrides are for seed " + std::to_string(*schedule.seed);
    }
  }
  if (!setup.sched.empty()) {
    if (std::string wrong = parse_strategy(setup.sched, schedule.first); !wrong.empty()) return "--sched: " + wrong;
  }
  schedule.blind = schedule.blind || setup.blind;
  for (const FiredFault& fault : setup.spared) {
    if (const auto known = fault_named(fault.fault_class)) {
      spare(*known, fault.target, fault.opportunity, schedule.faults);
    }
  }
  return find_doubled(schedule);
}

bool is_blind(const RunSetup& setup) {
  if (setup.blind) return true;
  std::string_view rest = setup.overrides;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, std::min(rest.find('#'), end));
    const auto first = line.find_first_not_of(" \t\r");
    const auto last = line.find_last_not_of(" \t\r");
    if (first != std::string_view::npos && line.substr(first, last + 1 - first) == kBlind) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

void label_blind(Finding& finding) {
  const std::string label = " | " + std::string(kBlind);
  if (finding.signature.ends_with(label)) return;
  finding.signature += label;
  finding.details =
      "blind: with one priority for all threads" + (finding.details.empty() ? "" : "; " + finding.details);
}

std::string schedule_flags(const RunSetup& setup) {
  std::string flags;
  if (setup.blind) flags += " --blind";
  Schedule schedule;
  if (!setup.sched.empty()) {
    flags += " --sched " + quote(setup.sched);
  } else if (parse_schedule(setup.overrides, schedule).empty() && schedule.first.strategy != Strategy::Fair) {
    flags += " --sched " + quote(text_of(schedule.first));
  }
  bool is_head = true;
  std::string_view rest = setup.overrides;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!is_head && line.find_first_not_of(" \t\r") != std::string_view::npos) flags += " --override " + quote(line);
    is_head = false;
  }
  return flags;
}

}  // namespace sim::host
