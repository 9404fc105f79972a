// sim/host/scenario/recorded.cpp — see recorded.h.
#include "sim/host/scenario/recorded.h"

namespace sim::host::scenario {
namespace {

/// The files of a recording, the one that was named first; or what is wrong with one.
std::string files_of(const replay::Recording& recording, Sources& sources) {
  sources.is_whole = true;
  for (const replay::Attachment* attachment : recording.all<replay::Attachment>()) {
    if (attachment->kind != replay::Attachment::Kind::Source) continue;
    const std::string hash = replay::hex(attachment->sha256);
    if (attachment->external) {
      return "the file " + attachment->name +
             " of its scenario is kept as a hash only: `orrery recording attach` puts " + "the one with SHA-256 " +
             hash + " back";
    }
    if (replay::sha256_of(attachment->bytes) != attachment->sha256) {
      return "the file " + attachment->name + " of its scenario does not have the hash it is kept under, " + hash;
    }
    sources.files.push_back({attachment->name, {attachment->bytes.begin(), attachment->bytes.end()}});
  }
  return sources.files.empty() ? "it names the scenario " + recording.scenario()->name + " and holds none of its files"
                               : std::string();
}

/// "failed, eventually-heard at event 812", as two verdicts are compared.
std::string text_of(const replay::Verdict& verdict) {
  if (verdict.property.empty()) return verdict.result;
  return verdict.result + ", " + verdict.property + " at event " + std::to_string(verdict.moment);
}

void compare_verdicts(const replay::Recording& recording, const RunReport& report, replay::Checker& checker) {
  const auto verdicts = recording.all<replay::Verdict>();
  if (verdicts.empty()) return;
  const replay::Verdict was = *verdicts.back();
  const replay::Verdict is = verdict_of(report);
  if (was.result == is.result && was.property == is.property && was.moment == is.moment &&
      was.signature == is.signature) {
    return;
  }
  checker.diverge(report.events, report.root, report.root,
                  "equal events, but the verdict was " + text_of(was) + " and is " + text_of(is));
}

}  // namespace

Recorded case_of(const replay::Recording& recording, std::span<const machine::NativeEntry> entries,
                 const std::string& image) {
  Recorded recorded;
  const replay::Scenario& scenario = *recording.scenario();
  Sources sources;
  recorded.error = files_of(recording, sources);
  if (!recorded.error.empty()) return recorded;
  const std::string path = sources.files.front().name;
  recorded.which = std::make_unique<ScenarioCase>(std::move(sources), path, entries, image);
  if (!recorded.which->mistakes().empty()) {
    recorded.error = "its scenario has mistakes: " + recorded.which->mistakes().front();
  } else if (recorded.which->plan_hash() != scenario.plan) {
    recorded.error = "its scenario makes the plan " + recorded.which->plan_id() + ", not the recorded one, " +
                     replay::hex(scenario.plan);
  }
  recorded.setup.seed = recording.header().seed;
  recorded.setup.checks = scenario.checks;
  recorded.setup.until = scenario.limit_ns;
  recorded.setup.events_max = scenario.events_max;
  for (const replay::Overrides* overrides : recording.all<replay::Overrides>()) {
    recorded.setup.overrides = overrides->text;
  }
  return recorded;
}

Rerun run_again(Recorded& recorded, const replay::Recording& recording, u64 until) {
  Rerun rerun;
  std::optional<replay::Checker> checker;
  RunSetup setup = recorded.setup;
  const bool is_whole = recording.end() != nullptr && until >= recording.end()->until;
  if (!is_whole) setup.until = std::min(until, setup.until);
  const RunObserver asked = recorded.which->observer;
  recorded.which->observer.starting = [&](Machine& machine) {
    checker.emplace(recording, machine);
    machine.on_epoch = [&checker, before = machine.on_epoch](u64 epoch, base::Digest root) {
      checker->epoch_closed(root);
      if (before) before(epoch, root);
    };
    if (asked.starting) asked.starting(machine);
  };
  recorded.which->observer.finished = [&](Machine& machine, const RunReport& report) {
    rerun.replayed.ended = is_whole;
    if (is_whole) {
      checker->ended(report.root);
      compare_verdicts(recording, report, *checker);
    }
    if (asked.finished) asked.finished(machine, report);
  };
  rerun.report = recorded.which->run(setup);
  recorded.which->observer = asked;
  if (!checker) {
    rerun.replayed.error = rerun.report.finding ? rerun.report.finding->details : "the run cannot be made";
    return rerun;
  }
  rerun.replayed.root = rerun.report.root;
  rerun.replayed.milestones = checker->equal();
  rerun.replayed.divergence = checker->divergence();
  return rerun;
}

}  // namespace sim::host::scenario
