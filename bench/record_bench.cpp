// bench/record_bench.cpp — what recording a run costs, in time and in bytes.
#include <unistd.h>

#include <cstdio>
#include <string>

#include "bench/bench.h"
#include "replay/recorder.h"
#include "user/image.h"
#include "user/native.h"

namespace bench {
namespace {

struct Cost {
  double ns = 0;
  u64 events = 0;
  u64 bytes = 0;
};

/// A whole run of a script, in this process; recorded to `path` when it is not empty.
Cost run_script(const std::string& script, const std::string& path) {
  sim::host::Machine machine({.seed = 1,
                              .image = std::string(base::text_of(user::boot_image())),
                              .console = sim::ConsoleKind::Script,
                              .script = script,
                              .entries = user::native_entries()});
  replay::Recorder recorder;
  if (!path.empty()) {
    if (!recorder.open({.path = path}, machine.options()).empty()) return {};
    recorder.attach(machine);
  }
  const double start = used_ns();
  machine.start();
  machine.run(sim::kNever);
  const base::Digest root = machine.world().finish();
  if (recorder.is_open()) recorder.finish("halted", root);
  return {used_ns() - start, machine.world().trace().count(), recorder.bytes()};
}

/// Bytes of the recording of a session: `minutes` of virtual time, in which a line of a shell is typed each second.
double bytes_typed(u64 minutes, const std::string& path) {
  sim::host::Machine machine({.seed = 1,
                              .image = std::string(base::text_of(user::boot_image())),
                              .console = sim::ConsoleKind::Terminal,
                              .columns = 80,
                              .rows = 25,
                              .entries = user::native_entries()});
  replay::Recorder recorder;
  if (!recorder.open({.path = path}, machine.options()).empty()) return 0;
  recorder.attach(machine);
  if (!machine.start().empty()) return 0;
  sim::World& world = machine.world();
  for (u64 second = 1; second <= 60 * minutes; ++second) {
    machine.run(second * 1'000'000'000);
    const std::string line = "echo $((" + std::to_string(second) + " * 2)) | wc -c\r";
    for (const char key : line) world.console_input(1, base::bytes_of(std::string_view(&key, 1)), world.input_time(0));
  }
  machine.run((60 * minutes + 1) * 1'000'000'000);
  recorder.finish("stopped", world.finish());
  return static_cast<double>(recorder.bytes());
}

}  // namespace

void record_group(Session& session) {
  if (!session.group("record")) return;
  const std::string path = "/tmp/orrery-bench-" + std::to_string(getpid()) + ".orrery";
  const u64 lines = session.scaled(2000, 2);
  const std::string script = "i=0; while [ $i -lt " + std::to_string(lines) + " ]; do /bin/true; i=$((i+1)); done\n";
  session.measure(
      {.name = "a script, recorded", .unit = "ms", .run = [&] { return run_script(script, path).ns / 1e6; }},
      {{"not recorded", [&] { return run_script(script, "").ns / 1e6; }, 1.03}});
  session.measure({.name = "bytes of its recording",
                   .unit = "B",
                   .run = [&] { return static_cast<double>(run_script(script, path).bytes); },
                   .bar = 4096,
                   .rounds = 1});
  session.measure({.name = "bytes of ten minutes typed, key by key",
                   .unit = "B",
                   .run = [&] { return bytes_typed(session.scaled(10, 1), path); },
                   .bar = 1 << 20,
                   .rounds = 1});
  std::remove(path.c_str());
}

}  // namespace bench
