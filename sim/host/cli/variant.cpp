// sim/host/cli/variant.cpp — a child of `verify`: one run under a changed host, told to the parent epoch by epoch.
#include "sim/host/cli/variant.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>

#include "sim/host/cli/cli.h"
#include "sim/host/contain.h"

namespace sim::host::cli {
namespace {

constexpr u64 kEarlierRunNs = 2'000'000'000;  // how long the `again` variant's first world runs, virtual

bool write_all(const void* data, u64 bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = write(kRootsFd, at, bytes);
    if (written <= 0) return false;
    at += written;
    bytes -= static_cast<u64>(written);
  }
  return true;
}

/// The child's end of the protocol.
class Reporter {
 public:
  explicit Reporter(Machine& machine) : machine_(machine) {}

  void epoch(u64 number, base::Digest root) {
    tell({number, machine_.world().trace().count(), root, 0, 0});
    while (ahead_ >= kWindow) listen();
  }
  void end(base::Digest root, u64 exit_code) {
    Trace& trace = machine_.world().trace();
    tell({trace.epochs(), trace.count(), root, 1, exit_code});
    while (ahead_ > 0) listen();
  }

 private:
  void tell(const Root& root) {
    if (!write_all(&root, sizeof root)) _exit(kHeld);
    ahead_ += 1;
  }
  void listen() {
    char answer = 0;
    if (read(kAnswersFd, &answer, 1) != 1) _exit(kHeld);
    ahead_ -= 1;
    if (answer == static_cast<char>(Answer::GoOn)) return;
    if (answer == static_cast<char>(Answer::HandOver)) hand_over();
    _exit(kHeld);
  }
  void hand_over() {
    Trace& trace = machine_.world().trace();
    const u64 nodes = machine_.world().nodes().size() + 1;
    const Dump dump{trace.oldest(), trace.count(), nodes * base::kLaneCount};
    write_all(&dump, sizeof dump);
    for (u64 sequence = dump.oldest; sequence <= dump.newest; ++sequence) {
      write_all(&trace.at(sequence), sizeof(base::Event));
    }
    for (u32 node = 0; node < nodes; ++node) {
      for (u32 lane = 0; lane < base::kLaneCount; ++lane) {
        const base::Digest leaf = trace.leaf(node, static_cast<base::Lane>(lane));
        write_all(&leaf, sizeof leaf);
      }
    }
  }

  Machine& machine_;
  u32 ahead_ = 0;
};

/// Moves everything the heap and the mapper will hand out: gaps of odd sizes, some given back.
void shuffle_allocations() {
  std::vector<void*> held;
  for (u32 i = 1; i < 400; ++i) {
    void* block = std::malloc(i * 37 % 5000 + 1);
    if (i % 3 == 0) {
      std::free(block);
    } else {
      held.push_back(block);
    }
    if (i % 16 == 0) map_memory((i * 13 % 50 + 1) * 4096);
  }
  static std::vector<void*> kept;
  kept.swap(held);
}

void run_earlier(const ScriptRun& run, const Guest& guest) {
  ScriptRun other = run;
  other.flags.seed_value += 1;
  Machine machine(options_of(other, guest));
  if (!machine.start().empty()) return;
  contain(machine.world(), {.report_assertions = false});
  machine.world().run(kEarlierRunNs);
  release_containment();
}

}  // namespace

int variant_verb(Context& context) {
  CLI::App app;
  ScriptRun run;
  std::string variant;
  run.flags.add_to(app);
  app.add_option("--variant", variant);
  if (const int code = parse_flags(app, context, kVerifyVerb); code >= 0) return code;
  run.script_name = "/proc/self/fd/" + std::to_string(kScriptFd);
  Guest guest = context.guest;
  if (const int code = prepare(run, guest, kVerifyVerb); code >= 0) return code;
  if (variant == "poison-a5") poison() = {true, 0xA5};
  if (variant == "poison-5a") poison() = {true, 0x5A};
  if (poison().on) mallopt(M_PERTURB, poison().fill);
  if (variant == "alloc") shuffle_allocations();
  if (variant == "again") run_earlier(run, guest);

  Machine machine(options_of(run, guest));
  Reporter reporter(machine);
  bool ended = false;
  machine.on_epoch = [&](u64 epoch, base::Digest root) {
    if (!ended && machine.started()) reporter.epoch(epoch, root);
  };
  if (const std::string error = machine.start(); !error.empty()) return usage_error(kVerifyVerb, error);
  contain(machine.world(), {.report_assertions = false});
  const Outcome outcome = machine.world().run(kNever);
  release_containment();
  const int code = outcome == Outcome::Ended ? static_cast<int>(machine.world().status()) : kStalled;
  ended = true;
  const base::Digest root = machine.world().finish();
  reporter.end(root, static_cast<u64>(code));
  return kHeld;
}

}  // namespace sim::host::cli
