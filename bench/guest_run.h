// bench/guest_run.h — a world whose root task measures itself. Programs of a benchmark read the host's clock, which no
// program of the system may: what they measure is how much processor time a stretch of virtual time takes.
#pragma once
#include <cstdio>
#include <cstdlib>

#include "bench/bench.h"
#include "sim/host/machine_host.h"
#include "tests/sim/guest.h"

namespace bench {

/// What the programs of the world under measurement share with the host side. One world runs at a time.
struct Probe {
  u64 rounds = 0;  // given: how often
  u64 counter = 0;
  double start_ns = 0;
  double end_ns = 0;
  u64 start_events = 0;
  u64 events = 0;
  sim::World* world = nullptr;

  void start() {
    start_events = world->trace().count();
    start_ns = used_ns();
  }
  void stop() {
    end_ns = used_ns();
    events = world->trace().count() - start_events;
  }
  double ns_each() const { return (end_ns - start_ns) / static_cast<double>(rounds); }
};
inline Probe probe;

struct WorldOptions {
  u64 rounds = 1;
  u64 ram_bytes = u64{16} << 20;
  u32 nodes = 1;
  u32 cores = 1;
  bool digest = true;
  u64 until = sim::kNever;
};

[[noreturn]] inline void failed(const char* what) {
  std::fprintf(stderr, "benchmark failed: %s\n", what);
  std::exit(5);
}

/// Runs a world of `entries` to its end and leaves its figures in `probe`. `after` sees the world before it is gone.
template <class After>
void run_world(std::span<const machine::NativeEntry> entries, const WorldOptions& options, After after) {
  sim::host::Machine machine(
      {.seed = 1, .cores = options.cores, .ram_bytes = options.ram_bytes, .nodes = options.nodes, .entries = entries});
  const std::string error = machine.start();
  if (!error.empty()) failed(error.c_str());
  probe = {.rounds = options.rounds, .world = &machine.world()};
  machine.world().trace().set_folding(options.digest);
  const sim::Outcome outcome = machine.world().run(options.until);
  const bool reached = options.until != sim::kNever && outcome == sim::Outcome::Running;
  if (!reached && (outcome != sim::Outcome::Ended || machine.world().status() != 0))
    failed("the world did not end well");
  after(machine.world());
  probe.world = nullptr;
}
inline void run_world(std::span<const machine::NativeEntry> entries, const WorldOptions& options) {
  run_world(entries, options, [](sim::World&) {});
}

}  // namespace bench
