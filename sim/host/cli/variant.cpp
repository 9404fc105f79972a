// sim/host/cli/variant.cpp — a child of `verify`: one run under a changed host, told to the parent epoch by epoch.
#include "sim/host/cli/variant.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "sim/host/cli/guard.h"
#include "sim/host/cli/record.h"
#include "sim/host/cli/scenario_run.h"
#include "sim/host/contain.h"
#include "sim/host/shuffle.h"

namespace sim::host::cli {
namespace {

constexpr u64 kEarlierRunNs = 2'000'000'000;  // how long the `again` variant's first world runs, virtual
constexpr u32 kForks = 100;                   // of the `restore` variant

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
  void tell(Root root) {
    const Breach& breach = guard().breach;
    if (breach.call != nullptr) {
      root.breach_sequence = breach.sequence;
      std::strncpy(root.breach_call, breach.call, sizeof root.breach_call - 1);
    }
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

void run_earlier(const replay::PlanRead& plan) {
  MachineOptions options = plan.options;
  options.seed += 1;
  Machine machine(std::move(options));
  if (!machine.start().empty()) return;
  contain(machine.world(), {.report_assertions = false});
  machine.run(kEarlierRunNs);
  release_containment();
}

/// The `restore` variant: at about a hundred events of the run, in the middle of whatever happens there, the process is
/// forked, the parent goes away and the child goes on. What a fork does not carry over shows.
class Forker {
 public:
  void at_event(u64 sequence) {
    if (sequence < next_ || forks_ == kForks) return;
    forks_ += 1;
    next_ = sequence + 1 + dice_.below(2 * (kGapMin + sequence / kForks));
    const pid_t child = fork();
    if (child > 0) _exit(kHeld);
  }

 private:
  static constexpr u64 kGapMin = 128;
  Shuffle dice_{.state = 0x9E37'79B9'7F4A'7C15u};
  u64 next_ = 1;
  u32 forks_ = 0;
};

/// Changes this process as the variant says, before anything runs.
void become(const std::string& variant) {
  if (variant == "poison-a5") poison() = {true, 0xA5};
  if (variant == "poison-5a") poison() = {true, 0x5A};
  if (poison().on) mallopt(M_PERTURB, poison().fill);
  if (variant == "alloc") {
    shuffle_allocations();
    shuffle() = {.on = true, .state = 0xD1B5'4A32'D192'ED03u};
  }
  if (variant == "clock-frozen") guard().clock = HostClock::Frozen;
  if (variant == "clock-fast") guard().clock = HostClock::Fast;
  if (variant == "clock-back") guard().clock = HostClock::Backwards;
  guard().observe = true;
}

int scenario_variant(const Context& context, const std::string& variant, const ScenarioSubject& subject) {
  become(variant);
  std::unique_ptr<Reporter> reporter;
  Forker forker;
  bool ended = false;
  const auto starting = [&](Machine& machine) {
    reporter = std::make_unique<Reporter>(machine);
    machine.on_epoch = [&, which = &machine](u64 epoch, base::Digest root) {
      if (!ended && which->started()) reporter->epoch(epoch, root);
    };
    if (variant != "restore") return;
    machine.on_event = [&forker, before = machine.on_event](const base::Event& event) {
      if (before) before(event);
      forker.at_event(event.sequence);
    };
  };
  return run_variant(
      context, subject, variant == "again", starting, [&ended] { ended = true; },
      [&](Machine&, base::Digest root, u64 code) { reporter->end(root, code); });
}

}  // namespace

int variant_verb(Context& context) {
  CLI::App app;
  std::string variant;
  std::string image_path;
  std::vector<std::string> files;
  app.add_option("--variant", variant);
  app.add_option("--file", files)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--image", image_path);
  std::string path_of_scenario;
  std::string seed;
  app.add_option("--scenario", path_of_scenario);
  app.add_option("--seed", seed);
  if (const int code = parse_flags(app, context, kVerifyVerb); code >= 0) return code;
  if (!path_of_scenario.empty()) {
    return scenario_variant(context, variant, {.path = path_of_scenario, .seed = parse_seed(seed)});
  }
  replay::Recording recording;
  const std::string path = "/proc/self/fd/" + std::to_string(kRecordingFd);
  if (const int code = load_recording(kVerifyVerb, path, recording); code >= 0) return code;
  if (recording.scenario() != nullptr) {
    return scenario_variant(context, variant, {.path = path, .recording = &recording});
  }
  std::string image = context.guest.image;
  if (const int code = load_image(image_path, image); code >= 0) return code;
  become(variant);
  replay::PlanRead plan = replay::machine_of(recording, image, context.guest.entries, {.named = files});
  if (!plan.error.empty()) return usage_error(kVerifyVerb, plan.error);
  if (variant == "again") run_earlier(plan);

  Machine machine(std::move(plan.options));
  Reporter reporter(machine);
  bool ended = false;
  machine.on_epoch = [&](u64 epoch, base::Digest root) {
    if (!ended && machine.started()) reporter.epoch(epoch, root);
  };
  Forker forker;
  if (variant == "restore") {
    machine.on_event = [&forker](const base::Event& event) { forker.at_event(event.sequence); };
  }
  replay::Player player(recording, machine, {.stop_at_divergence = false, .open_end = true});
  player.before_finish = [&ended] { ended = true; };
  if (const std::string error = machine.start(); !error.empty()) return usage_error(kVerifyVerb, error);
  contain(machine.world(), {.report_assertions = false});
  const replay::Replayed replayed = player.play();
  release_containment();
  if (!replayed.error.empty()) return usage_error(kVerifyVerb, replayed.error);
  const u64 code = replayed.outcome == Outcome::Ended ? machine.world().status() : u64{kStalled};
  reporter.end(replayed.root, code);
  return kHeld;
}

}  // namespace sim::host::cli
