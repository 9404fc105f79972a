// tests/sim/lab.h — a world of test programs, run to its end.
#pragma once
#include <string>
#include <vector>

#include "sim/host/machine_host.h"

namespace lab {

struct Result {
  sim::Outcome outcome = sim::Outcome::Running;
  u32 status = 0;
  u64 now = 0;
  u64 events = 0;
  bool tainted = false;
  std::string output;
  base::Digest root;
  std::vector<base::Event> trace;
  std::vector<sim::host::ForcedChoice> choices;
  u64 forced_used = 0;
  std::vector<i64> clock_errors;  // of each node at the end, ns
  std::vector<sim::LinkSettings> links;
  std::vector<std::string> faults;  // "cpu.steal 1/core0 @3 fired: time=5000ns"
  std::string broken;               // the first broken invariant
};

/// What holds of each core whatever a strategy answers: nobody waits above the thread that runs, and the threads and
/// queues are in order. Empty, or what is wrong.
inline std::string broken_rule(sim::World& world, const base::Event& event, std::vector<u8>& scratch) {
  if (event.node == 0 || event.kind != static_cast<u16>(base::EventKind::SchedRun) || event.b == 0) return {};
  const kernel::Kernel& kernel = world.nodes()[event.node - 1u].kernel();
  const kernel::CoreState& core = kernel.core(event.core);
  for (u32 level = kernel.at(core.current).priority + 1u; level < 256; ++level) {
    if (core.levels[level].head)
      return "level " + std::to_string(level) + " waits on core " + std::to_string(event.core);
  }
  scratch.resize(kernel.ram_bytes() / 16);
  return kernel::check_threads(kernel, scratch).name;
}

struct Options {
  u64 seed = 1;
  u32 cores = 1;
  u32 nodes = 1;
  std::string image;
  std::vector<sim::host::LinkShape> links;
  u64 healed_at = sim::kNever;  // virtual ns at which Healing begins, and Liveness at once behind it
  u64 ram_bytes = u64{16} << 20;
  u64 until = sim::kNever;
  sim::ConsoleKind console = sim::ConsoleKind::Absent;
  std::string script;
  bool keep_trace = false;
  bool check = false;  // the kernel's invariants, at each event that says who runs
  sim::host::Schedule schedule;
};

/// A schedule with lines of an overrides file about faults.
inline sim::host::Schedule faults_of(const std::string& lines) {
  sim::host::Schedule schedule;
  const std::string wrong = sim::host::parse_schedule("orrery-overrides 1\n" + lines, schedule);
  ASSERT(wrong.empty());
  schedule.on = false;
  return schedule;
}

/// A schedule of one strategy, as the command reads it.
inline sim::host::Schedule schedule_of(const std::string& strategy) {
  sim::host::Schedule schedule;
  schedule.on = true;
  const std::string wrong = sim::host::parse_strategy(strategy, schedule.first);
  ASSERT(wrong.empty());
  return schedule;
}

inline Result run(std::span<const machine::NativeEntry> entries, const Options& options) {
  Result result;
  sim::host::Machine machine({.seed = options.seed,
                              .cores = options.cores,
                              .ram_bytes = options.ram_bytes,
                              .nodes = options.nodes,
                              .image = options.image,
                              .console = options.console,
                              .script = options.script,
                              .entries = entries,
                              .schedule = options.schedule,
                              .links = options.links});
  std::vector<u8> scratch;
  machine.on_output = [&](u32, base::Bytes bytes) { result.output += base::text_of(bytes); };
  if (options.keep_trace) machine.on_event = [&](const base::Event& event) { result.trace.push_back(event); };
  machine.on_choice = [&](const sim::ChoiceRecord& record) {
    result.choices.push_back({record.kind, std::string(record.actor), record.ordinal, record.answer});
  };
  machine.on_fault = [&](const sim::InjectRecord& record) {
    const bool is_withheld = record.outcome == sim::InjectRecord::Outcome::Withheld;
    const std::string what = record.is_spared ? "spared" : is_withheld ? "withheld" : "fired";
    result.faults.push_back(std::string(name_of(record.fault)) + " " + std::string(record.target) + " @" +
                            std::to_string(record.opportunity) + " " + what + ": " +
                            sim::host::text_of_values(record.fault, record.values));
  };
  if (options.check) {
    machine.on_event = [&](const base::Event& event) {
      if (machine.started() && result.broken.empty()) result.broken = broken_rule(machine.world(), event, scratch);
    };
  }
  const std::string error = machine.start();
  if (!error.empty()) {
    result.output = error;
    return result;
  }
  if (options.healed_at < options.until) {
    machine.world().run(options.healed_at);
    machine.world().set_phase(sim::Phase::Healing);
    machine.world().set_phase(sim::Phase::Liveness);
  }
  result.outcome = machine.world().run(options.until);
  result.now = machine.world().now();
  result.status = machine.world().status();
  result.tainted = machine.world().tainted();
  for (u32 node = 1; node <= options.nodes; ++node) {
    result.clock_errors.push_back(machine.world().clock(node).error_at(result.now));
  }
  for (u32 link = 0; link < options.links.size(); ++link) {
    result.links.push_back(machine.world().links().at(link).effective);
  }
  result.root = machine.world().finish();
  result.forced_used = machine.forced_used();
  result.events = machine.world().trace().count();
  return result;
}

}  // namespace lab
