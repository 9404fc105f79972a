// sim/host/cli/script_run.cpp — what run, digest and verify share: a script, a world for it, and how it ended.
#include <CLI/App.hpp>

#include <cstdio>

#include "sim/host/cli/cli.h"
#include "sim/host/waits.h"

namespace sim::host::cli {
namespace {

constexpr u64 kPieceNs = 100'000'000;

}  // namespace

const char* state_name(kernel::ThreadState state) {
  using enum kernel::ThreadState;
  switch (state) {
    case Inactive: return "inactive";
    case Running: return "ready";
    case Restart: return "ready";
    case BlockedOnReceive: return "receiving";
    case BlockedOnSend: return "sending";
    case BlockedOnReply: return "waiting for a reply";
    case BlockedOnNotification: return "waiting";
  }
  return "?";
}

MachineOptions options_of(const ScriptRun& run, const Guest& guest) {
  return {.seed = run.flags.seed_value,
          .cores = run.flags.cores_value,
          .ram_bytes = run.flags.memory_value,
          .image = guest.image,
          .console = ConsoleKind::Script,
          .script = run.script,
          .entries = guest.entries,
          .clock = run.flags.clock_value,
          .disks = run.flags.disks.disks};
}

int prepare(ScriptRun& run, Guest& guest, const Verb& verb) {
  if (const std::string mistake = run.flags.check(); !mistake.empty()) return usage_error(verb, mistake);
  if (const int code = load_image(run.flags.image, guest.image); code >= 0) return code;
  if (const int code = run.flags.disks.open(); code >= 0) return code;
  if (!read_script(run.script_name, run.script)) {
    std::fprintf(stderr, "orrery: %s: cannot be read\n", run.script_name.c_str());
    return kUnreadable;
  }
  return -1;
}

void list_blocked(World& world) {
  std::vector<ThreadInfo> threads(64);
  const u32 count = world.blocked_threads(threads);
  std::fprintf(stderr, "orrery: stalled at %s: every thread waits and nothing can wake one\n",
               seconds(world.now()).c_str());
  for (u32 i = 0; i < count; ++i) {
    const ThreadInfo& thread = threads[i];
    const std::string name(thread.name.empty() ? "?" : thread.name);
    std::fprintf(stderr, "  node %u  %-24s  %-20s on 0x%x\n", thread.node, name.c_str(), state_name(thread.state),
                 thread.blocked_on);
  }
  if (const std::string cycle = wait_cycle(world); !cycle.empty()) {
    std::fprintf(stderr, "  a circle: %s\n", cycle.c_str());
  }
}

Outcome run_pieces(Machine& machine, u64 until, const std::function<bool()>& go_on) {
  World& world = machine.world();
  for (;;) {
    const u64 next = world.next_time();
    const u64 from = next == kNever ? world.now() : next;
    const u64 stop = from < until && until - from > kPieceNs ? from + kPieceNs : until;
    const Outcome outcome = machine.run(stop);
    if (outcome != Outcome::Running || stop == until || !go_on()) return outcome;
  }
}

int exit_code(Outcome outcome, World& world) {
  switch (outcome) {
    case Outcome::Ended: return static_cast<int>(world.status());
    case Outcome::Stalled: list_blocked(world); return kStalled;
    case Outcome::Running:
    case Outcome::Waiting: return kLimit;
  }
  return kOwnFailure;
}

int read_filter(const Verb& verb, std::string_view flag, const std::string& text, Machine& machine, Filter& filter) {
  FilterNames names;
  names.thread = [&machine](u32 node, u32 thread_id) {
    return machine.started() ? thread_name(machine.world(), node, thread_id) : std::string_view{};
  };
  const std::string wrong = parse_filter(text, std::move(names), filter);
  return wrong.empty() ? -1 : usage_error(verb, std::string(flag) + " " + quote(text) + ": " + wrong);
}

}  // namespace sim::host::cli
