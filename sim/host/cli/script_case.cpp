// sim/host/cli/script_case.cpp — see script_case.h.
#include "sim/host/cli/script_case.h"

#include <filesystem>
#include <map>
#include <set>

#include "replay/edit.h"
#include "sim/host/contain.h"
#include "sim/host/excuse.h"
#include "sim/host/judge/judge.h"
#include "sim/host/script_lines.h"
#include "sim/host/waits.h"
#include "sim/host/watch.h"

namespace sim::host::cli {
namespace {

Finding status_finding(const Watch& watch, World& world) {
  Finding finding;
  finding.property = "exit " + std::to_string(world.status());
  finding.kind = "status";
  finding.role = watch.last_role();
  finding.details = "the guest ended with status " + std::to_string(world.status());
  finding.signature = watch.last_kinds(finding.role);
  return finding;
}

/// One stall differs from another by who waits for what: each thread that does not simply wait for work takes part.
Finding stall_finding(World& world) {
  Finding finding;
  finding.property = "stalled";
  finding.kind = "stalled";
  std::vector<ThreadInfo> threads(256);
  threads.resize(world.blocked_threads(threads));
  std::set<std::string> shape;
  for (const ThreadInfo& thread : threads) {
    if (thread.state == kernel::ThreadState::BlockedOnReceive) continue;
    const std::string role = role_of(thread.name);
    if (finding.role.empty()) finding.role = role;
    shape.insert(role + " " + state_name(thread.state));
  }
  for (const std::string& line : shape) finding.signature += (finding.signature.empty() ? "" : ", ") + line;
  finding.details = "every thread waits and nothing can wake one: " + finding.signature;
  if (const std::string cycle = wait_cycle(world); !cycle.empty()) finding.details += "\n  a circle: " + cycle;
  return finding;
}

/// The strategy that answered, with the figures its pilot gave it; empty when nothing was asked.
std::string strategy_of(const Machine& machine) {
  const Schedule& schedule = machine.options().schedule;
  if (!schedule.on) return {};
  StrategyConfig config = schedule.first;
  config.strategy = Explorer::in_force(config, machine.options().seed);
  return text_of(config);
}

using FaultTable = std::map<std::pair<std::string, std::string>, FaultTally>;

void note_fault(const Machine& machine, const InjectRecord& record, bool keep_lists, FaultTable& faults,
                RunReport& report) {
  if (record.is_spared) return;
  note_excuse(machine, record, report.excuses);
  const std::string fault_class(name_of(record.fault));
  const std::string target(record.target);
  FaultTally& tally = faults[{fault_class, target}];
  tally.fault_class = fault_class;
  tally.target = target;
  switch (record.outcome) {
    case InjectRecord::Outcome::Fired: tally.fired += 1; break;
    case InjectRecord::Outcome::Lessened: tally.lessened += 1; break;
    case InjectRecord::Outcome::Withheld: tally.withheld += 1; return;
  }
  if (!keep_lists || report.fired.size() == kForcedMax) return;
  report.fired.push_back(
      {fault_class, target, record.opportunity, record.time, text_of_values(record.fault, record.values)});
}

RunReport refused(const std::string& why) {
  RunReport report;
  report.verdict = Verdict::Broken;
  report.finding = Finding{.property = "the run cannot be made", .kind = "setup", .details = why};
  return report;
}

}  // namespace

std::string ScriptCase::name() const { return std::filesystem::path(run_.script_name).filename().string(); }

std::string ScriptCase::plan_id() const {
  replay::Buffer bytes = replay::plan_of(options_of(run_, guest_));
  const std::string faults = run_.faults.text();
  bytes.insert(bytes.end(), faults.begin(), faults.end());
  return replay::hex(replay::sha256_of(bytes));
}

std::string ScriptCase::reproduction(const RunSetup& setup) const {
  MachineFlags flags = run_.flags;
  flags.seed = std::to_string(setup.seed);
  std::string line = "run " + quote(run_.script_name) + flags.text() + run_.faults.text();
  if (setup.until != kNever) line += " --until " + std::to_string(setup.until) + "ns";
  line += schedule_flags(setup);
  if (!setup.record.empty()) line += " --record " + quote(setup.record);
  return line;
}

RunReport ScriptCase::run(const RunSetup& setup) {
  RunReport report;
  MachineOptions options = options_of(run_, guest_);
  options.seed = setup.seed;
  SparedLines spared;
  RunSetup schedule = setup;
  schedule.overrides = spared.take_all(setup.overrides);
  if (const std::string wrong = run_.faults.read(setup.seed, options.schedule.faults); !wrong.empty()) {
    return refused(wrong);
  }
  if (const std::string wrong = read_schedule(schedule, options.schedule); !wrong.empty()) return refused(wrong);
  if (setup.keep_lists) report.operations = operations_of(options.script);
  if (!spared.empty()) options.script = spared.apply(options.script, report.unused);
  Machine machine(std::move(options));
  if (setup.keep_console) {
    machine.on_output = [&report](u32, base::Bytes bytes) {
      report.console.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
  }
  std::set<std::string> unused;
  for (const ForcedChoice& choice : machine.options().schedule.forced) unused.insert(text_of(choice));
  if (setup.keep_lists || !unused.empty()) {
    machine.on_choice = [&](const ChoiceRecord& record) {
      const ForcedChoice choice{record.kind, std::string(record.actor), record.ordinal, record.answer};
      if (record.forced != ~u32{0}) unused.erase(text_of(choice));
      if (setup.keep_lists && record.answer != 0 && report.choices.size() < kForcedMax) {
        report.choices.push_back(choice);
      }
    };
  }
  FaultTable faults;
  machine.on_fault = [&](const InjectRecord& record) { note_fault(machine, record, setup.keep_lists, faults, report); };
  Watch watch;
  watch.attach(machine, setup.keep_features);
  judge::Judge judge;
  const std::string checks = setup.checks.empty() ? "off" : setup.checks;
  if (const std::string wrong = judge.invariants().set({}, checks); !wrong.empty()) return refused("checks: " + wrong);
  judge.attach(machine);
  replay::Recorder recorder;
  if (!setup.record.empty()) {
    const std::string error = recorder.open({.path = setup.record, .sources = {name()}}, machine.options());
    if (!error.empty()) return refused(error);
    recorder.attach(machine);
  }
  if (const std::string error = machine.start(); !error.empty()) return refused(error);
  World& world = machine.world();
  contain(world, {.report_assertions = false});
  const Outcome outcome = run_pieces(machine, setup.until, [&] { return world.trace().count() < setup.events_max; });
  release_containment();
  judge.finish(world, world.now());
  report.hits = judge.hits();
  switch (outcome) {
    case Outcome::Ended:
      if (world.status() == 0) break;
      report.verdict = Verdict::Failed;
      report.finding = status_finding(watch, world);
      break;
    case Outcome::Stalled:
      report.verdict = Verdict::Stalled;
      report.finding = stall_finding(world);
      break;
    case Outcome::Running:
    case Outcome::Waiting: report.verdict = Verdict::Limit; break;
  }
  if (report.finding) {
    report.finding->moment = world.trace().count();
    report.finding->time_ns = world.now();
  }
  // What was found wrong on the way comes before how the run ended.
  if (judge.finding()) {
    report.finding = judge.finding();
    report.verdict = report.finding->is_liveness ? Verdict::LivenessFailed : Verdict::Failed;
  }
  const bool blind = machine.options().schedule.blind;
  if (blind && report.finding) label_blind(*report.finding);
  report.features = watch.features();
  report.events = world.trace().count();
  report.virtual_ns = world.now();
  report.status = world.status();
  report.tainted = world.tainted();
  report.strategy = strategy_of(machine);
  report.drawn = "cores=" + std::to_string(run_.flags.cores_value) + " memory=" + run_.flags.memory;
  if (blind) report.drawn += " blind";
  for (auto& [key, tally] : faults) report.faults.push_back(std::move(tally));
  report.drawn += text_of_drawn(machine.options().schedule.faults, world.armed_points());
  report.unused.insert(report.unused.end(), unused.begin(), unused.end());
  report.root = world.finish();
  if (recorder.is_open()) {
    replay::Verdict verdict{.result = replay::result_text(outcome, world), .moment = report.events};
    if (report.finding) {
      verdict.property = report.finding->property;
      verdict.signature = report.finding->signature;
    }
    recorder.finish(verdict, report.root);
  }
  return report;
}

}  // namespace sim::host::cli
