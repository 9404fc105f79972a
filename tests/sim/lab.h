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
};

struct Options {
  u64 seed = 1;
  u32 cores = 1;
  u64 ram_bytes = u64{16} << 20;
  u64 until = sim::kNever;
  sim::ConsoleKind console = sim::ConsoleKind::Absent;
  std::string script;
  bool keep_trace = false;
};

inline Result run(std::span<const machine::NativeEntry> entries, const Options& options) {
  Result result;
  sim::host::Machine machine({.seed = options.seed,
                              .cores = options.cores,
                              .ram_bytes = options.ram_bytes,
                              .console = options.console,
                              .script = options.script,
                              .entries = entries});
  machine.on_output = [&](u32, base::Bytes bytes) { result.output += base::text_of(bytes); };
  if (options.keep_trace) machine.on_event = [&](const base::Event& event) { result.trace.push_back(event); };
  const std::string error = machine.start();
  if (!error.empty()) {
    result.output = error;
    return result;
  }
  result.outcome = machine.world().run(options.until);
  result.now = machine.world().now();
  result.status = machine.world().status();
  result.tainted = machine.world().tainted();
  result.root = machine.world().finish();
  result.events = machine.world().trace().count();
  return result;
}

}  // namespace lab
