// tests/replay/session.h — a small guest that is typed at, recorded, and replayed.
#pragma once
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/prng.h"
#include "replay/edit.h"
#include "sim/host/contain.h"
#include "tests/sim/guest.h"

namespace session {

using namespace guest;

/// A thread that neither charges nor traps.
inline void silent_thread(const u64 (&)[8]) {
  for (volatile u64 zero = 0;;) zero = zero + 1;
}

/// Echoes what is typed with some work for each byte; `l` starts a silent thread below it, `w` works long, `x` halts.
inline void typist_root(const u64 (&)[8]) {
  Root root;
  const u64 notification = root.make(ObjectType::Notification);
  const u64 faults = root.make(ObjectType::Endpoint);
  const u64 handler = root.next_slot++;
  ASSERT(sys::invoke(kRootIrqControl, Invoke::IrqControlGet, {root.device(DeviceKind::Console).irq, 0, handler, 64},
                     {kRootCNode})
             .ok());
  ASSERT(sys::invoke(handler, Invoke::IrqHandlerSetNotification, {}, {notification}).ok());
  for (;;) {
    sys::invoke(handler, Invoke::IrqHandlerAck, {});
    sys::wait(notification);
    sys::frame().mr[0] = 16;
    port::call(kConsole, port::Console::Read);
    const u64 count = sys::frame().mr[0];
    if (count == 0 && sys::frame().mr[1] != 0) halt(7);
    char text[16];
    __builtin_memcpy(text, sys::buffer().msg, count);
    for (u64 i = 0; i < count; ++i) machine::charge(5000 + static_cast<u8>(text[i]));
    print({text, count});
    for (u64 i = 0; i < count; ++i) {
      if (text[i] == 'x') halt(1);
      if (text[i] == 'l') {
        const u64 reply = root.make(ObjectType::Reply);
        root.spawn(1, {}, 200, faults);
        sys::recv(faults, reply);
        print("(silent)");
      }
      if (text[i] == 'w') {
        for (u32 round = 0; round < 4000; ++round) {
          machine::charge(100);
          sys::yield();
        }
      }
    }
  }
}

inline constexpr machine::NativeEntry kTypist[] = {{"root", typist_root}, {"silent", silent_thread}};

struct Options {
  std::string keys;
  u64 seed = 5;
  u32 cores = 2;
  u64 pace_ns = 3'300'000;
  replay::Digests digests = replay::Digests::Sparse;
  bool resize = false;
  bool hang_up = false;
  bool stop_early = false;  // no end is awaited: what Ctrl-] q does
  std::string image;
};

inline std::string temporary(const std::string& name) {
  return "/tmp/orrery-replay-test-" + std::to_string(getpid()) + "-" + name;
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void write_file(const std::string& path, base::Bytes bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
}

struct Recorded {
  std::string path;
  std::string file;  // its bytes
  std::string output;
  base::Digest root;
  sim::Outcome outcome = sim::Outcome::Running;
};

inline sim::host::MachineOptions machine_options(const Options& options) {
  return {.seed = options.seed,
          .cores = options.cores,
          .ram_bytes = u64{16} << 20,
          .image = options.image,
          .console = sim::ConsoleKind::Terminal,
          .columns = 80,
          .rows = 25,
          .entries = kTypist};
}

/// Types `keys` three at a time as the world is run in steps of `pace_ns`, and records it to `name`.
inline Recorded record(const std::string& name, const Options& options) {
  Recorded recorded{.path = temporary(name)};
  sim::host::Machine machine(machine_options(options));
  machine.on_output = [&](u32, base::Bytes bytes) { recorded.output += base::text_of(bytes); };
  replay::Recorder recorder;
  const std::string error = recorder.open({.path = recorded.path,
                                           .sources = {"typed"},
                                           .image_name = options.image.empty() ? "" : "image",
                                           .digests = options.digests},
                                          machine.options());
  if (!error.empty()) {
    recorded.output = error;
    return recorded;
  }
  recorder.attach(machine);
  machine.start();
  sim::World& world = machine.world();
  sim::host::contain(world, {.silence = sim::host::Silence::FaultThread, .silence_ms = 40, .report_assertions = false});
  u64 at = 0;
  bool resized = !options.resize;
  bool hung_up = !options.hang_up;
  for (u64 until = options.pace_ns;; until += options.pace_ns) {
    recorded.outcome = machine.run(until);
    if (recorded.outcome == sim::Outcome::Ended || recorded.outcome == sim::Outcome::Stalled) break;
    const u64 time = world.input_time(until);
    if (!resized) {
      world.console_size(1, 132, 50, time);
      resized = true;
    } else if (at < options.keys.size()) {
      const std::string text = options.keys.substr(at, 3);
      at += world.console_input(1, base::bytes_of(text), time);
    } else if (!hung_up) {
      world.console_hangup(1, time);
      hung_up = true;
    } else if (options.stop_early) {
      break;
    }
  }
  sim::host::release_containment();
  recorded.root = world.finish();
  recorder.finish(replay::result_text(recorded.outcome, world), recorded.root);
  recorded.file = read_file(recorded.path);
  return recorded;
}

struct Played {
  replay::Replayed result;
  std::string output;
  std::string error;
};

inline Played play(const replay::Recording& recording, const std::string& image = {}, u64 until = sim::kNever) {
  Played played;
  replay::PlanRead plan = replay::machine_of(recording, image, kTypist);
  if (!plan.error.empty()) {
    played.error = plan.error;
    return played;
  }
  sim::host::Machine machine(std::move(plan.options));
  machine.on_output = [&](u32, base::Bytes bytes) { played.output += base::text_of(bytes); };
  replay::Player player(recording, machine, {.until = until});
  played.error = machine.start();
  if (!played.error.empty()) return played;
  sim::host::contain(machine.world(), {.report_assertions = false});
  played.result = player.play();
  sim::host::release_containment();
  played.error = played.result.error;
  return played;
}

}  // namespace session
