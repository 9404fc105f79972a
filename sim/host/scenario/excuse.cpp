// sim/host/scenario/excuse.cpp — failures that a run may have: faults struck under which no promise is left. Such an excuse is
// proved by a second run, in which they are spared.
#include "sim/host/scenario/case.h"
#include "sim/host/scenario/runner.h"
#include "sim/host/text.h"

namespace sim::host::scenario {
namespace {

/// The same run without these faults.
RunSetup spared(const RunSetup& setup, const std::vector<FiredFault>& faults) {
  RunSetup without = setup;
  without.keep_console = false;
  without.keep_lists = false;
  without.keep_features = false;
  without.record.clear();
  if (without.overrides.empty())
    without.overrides = "orrery-overrides 1 seed=" + std::to_string(setup.seed) + " sched=fair\n";
  for (const FiredFault& fault : faults) {
    without.overrides +=
        "fault " + fault.fault_class + " " + fault.target + " @" + std::to_string(fault.opportunity) + " spare\n";
  }
  return without;
}

}  // namespace

/// A failure is excused if faults beyond the promise struck and the run holds once they are spared.
void ScenarioCase::excuse(const RunSetup& setup, const std::vector<FiredFault>& outside, RunReport& report) {
  if (report.verdict != Verdict::Failed && report.verdict != Verdict::LivenessFailed) return;
  if (outside.empty() || report.finding->kind == "script") return;
  const RunObserver nobody;
  const RunSetup without = spared(setup, outside);
  Runner again({sources_, entries_, image_, images_, nobody}, without);
  if (again.run().verdict != Verdict::Held) return;
  std::string proof;
  for (const FiredFault& fault : outside) {
    proof += (proof.empty() ? "" : ", ") + fault.fault_class + " " + fault.target + " @" +
             std::to_string(fault.opportunity) + " at " + seconds(fault.time_ns);
  }
  report.verdict = Verdict::Excused;
  report.finding->details = "excused: without " + proof + " the run holds" +
                            (report.finding->details.empty() ? "" : "\n  " + report.finding->details);
}

/// What the file expects: that the run failed, was excused, and why.
void ScenarioCase::judge_excuse(const std::string& expected, RunReport& report) {
  const bool is_judged = report.verdict == Verdict::Held || report.verdict == Verdict::Excused;
  if (expected.empty() || !is_judged) return;
  const std::string what = report.finding ? report.finding->details : "the run held";
  if (report.verdict == Verdict::Excused && what.find(expected) != std::string::npos) return;
  report.verdict = Verdict::Failed;
  report.finding = Finding{};
  report.finding->property = "expect_excuse";
  report.finding->kind = "expect";
  report.finding->details = "no excuse with \"" + expected + "\": " + what;
  report.finding->signature = "expect_excuse";
  report.finding->moment = report.events;
  report.finding->time_ns = report.virtual_ns;
}

}  // namespace sim::host::scenario
