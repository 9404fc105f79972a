// sim/host/excuse.cpp — see excuse.h.
#include "sim/host/excuse.h"

#include <algorithm>

#include "base/glob.h"
#include "sim/host/text.h"

namespace sim::host {
namespace {

constexpr u64 kShown = 5;

bool is_failed(Verdict verdict) {
  return verdict == Verdict::Failed || verdict == Verdict::LivenessFailed || verdict == Verdict::Stalled;
}

/// What let the fault happen: the override or the first rule for it, and the budget where it is not the usual one.
std::string origin_of(const FaultSetup& setup, const InjectRecord& record) {
  std::string text;
  for (const ForcedFault& forced : setup.forced) {
    const FaultOverride& entry = forced.entry;
    if (entry.fires && entry.fault == record.fault && entry.opportunity == record.opportunity &&
        forced.target == record.target) {
      text = "fault " + text_of(forced);
    }
  }
  for (const ArmedFault& armed : setup.rules) {
    if (!text.empty()) break;
    if (armed.rule.fault == record.fault && base::glob_matches(armed.target, record.target)) {
      text = "arm " + text_of(armed);
    }
  }
  FaultSetup budget;
  budget.budget = setup.budget;
  const std::string line = text_of(budget);
  return line.empty() ? text : text + " with " + line.substr(0, line.size() - 1);
}

}  // namespace

void note_excuse(const Machine& machine, const InjectRecord& record, std::vector<Excuse>& excuses) {
  if (record.excuse.empty() || record.outcome == InjectRecord::Outcome::Withheld || excuses.size() == kExcusesMax)
    return;
  excuses.push_back({.fault_class = std::string(name_of(record.fault)),
                     .target = std::string(record.target),
                     .opportunity = record.opportunity,
                     .time_ns = record.time,
                     .reason = std::string(record.excuse),
                     .origin = origin_of(machine.options().schedule.faults, record)});
}

namespace {

void prove(Case& which, const RunSetup& setup, RunReport& report) {
  if (!is_failed(report.verdict) || report.excuses.empty() || !report.finding) return;
  RunSetup without = setup;
  without.record.clear();
  without.keep_console = without.keep_lists = without.keep_features = false;
  std::vector<Excuse> spared = report.excuses;
  for (u32 round = 0; round < kExcuseRounds; ++round) {
    without.spared.clear();
    for (const Excuse& excuse : spared) {
      without.spared.push_back({excuse.fault_class, excuse.target, excuse.opportunity, excuse.time_ns, {}});
    }
    const RunReport other = which.run(without);
    if (other.verdict == Verdict::Held) {
      std::string& text = report.finding->details;
      if (!text.empty()) text += "\n  ";
      text += "excused: no system keeps this under what the plan asks for";
      for (u64 i = 0; i < spared.size() && i < kShown; ++i) {
        text += "\n    " + spared[i].origin + ": " + spared[i].fault_class + " " + spared[i].target + " @" +
                std::to_string(spared[i].opportunity) + " at " + seconds(spared[i].time_ns) + ": " + spared[i].reason;
      }
      if (spared.size() > kShown) text += "\n    and " + std::to_string(spared.size() - kShown) + " more";
      text += "\n  proof: without " + std::string(spared.size() == 1 ? "it" : "them") + " the run holds, digest " +
              text_of(other.root);
      report.verdict = Verdict::Excused;
      return;
    }
    if (other.excuses.empty()) return;
    spared.insert(spared.end(), other.excuses.begin(), other.excuses.end());
  }
}

}  // namespace

void look_for_excuse(Case& which, const RunSetup& setup, RunReport& report) {
  prove(which, setup, report);
  which.expect(report);
}

}  // namespace sim::host
