// sim/host/cli/digest.cpp — `orrery digest`: the chain of epoch roots of a run, as text two machines can compare.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <cstdio>

#include "sim/host/cli/record.h"
#include "sim/host/cli/scenario_run.h"
#include "sim/host/contain.h"

namespace sim::host::cli {

const Verb kDigestVerb = {
    "digest", "the digest after each 4096 events of a run, as a table",
    "usage: orrery digest SCENARIO.lua|SCRIPT|RECORDING|- [--seed N] [--cores N] [--memory SIZE] [--from K] [--to K] "
    "[--every N] "
    "[--lanes]\n"
    "                     [--only FILTER]\n"
    "  --seed --cores --memory --image --disk   as for `orrery run`; a recording has its own\n"
    "  --from K        first epoch shown (default 1)\n"
    "  --to K          last epoch shown (default: the last)\n"
    "  --every N       only each N-th (default 1); the last is always shown\n"
    "  --lanes         also one digest a lane at the end\n"
    "  --only FILTER   also how many events pass, and one digest of those (filters: `orrery run --help`)\n"
    "  --json          one line an epoch, schema orrery.digest/1\n"
    "example: orrery digest script.fsh --seed 42 > here.txt\n"
    "exit:    0   2 usage   4 the recording's digests are others (the interval is named)   5 Orrery's own failure\n"
    "         7 watchdog   8 unreadable file   10 stalled   12 another version or model\n",
    digest_verb};

namespace {

/// What is run: a script, or what a recording has.
struct Subject {
  std::optional<replay::Recording> recording;
  MachineOptions options;
};

int read_recording(const ScriptRun& run, Subject& subject) {
  if (run.flags.text() != MachineFlags{}.text()) {
    return usage_error(kDigestVerb, "a recording has its seed and its machine");
  }
  return load_recording(kDigestVerb, run.script_name, subject.recording.emplace());
}

/// The machine of a script or of a recording that was read.
int read_subject(const Context& context, ScriptRun& run, Subject& subject) {
  Guest guest = context.guest;
  if (!subject.recording) {
    if (const int code = prepare(run, guest, kDigestVerb); code >= 0) return code;
    subject.options = options_of(run, guest);
    return -1;
  }
  replay::PlanRead plan =
      replay::machine_of(*subject.recording, guest.image, guest.entries, files_for(run.script_name));
  if (!plan.error.empty()) {
    std::fprintf(stderr, "orrery digest: %s: %s\n", run.script_name.c_str(), plan.error.c_str());
    return kUnreadable;
  }
  subject.options = std::move(plan.options);
  return -1;
}

int play(replay::Player& player, const std::string& name, World& world, base::Digest& root) {
  contain(world, {.report_assertions = false});
  const replay::Replayed replayed = player.play();
  release_containment();
  root = replayed.root;
  if (!replayed.divergence && replayed.error.empty()) return kHeld;
  const std::string what = replayed.divergence ? replay::describe(*replayed.divergence) : replayed.error;
  std::fprintf(stderr, "orrery digest: %s: %s\n", name.c_str(), what.c_str());
  return replayed.divergence ? kNotDeterministic : kUnreadable;
}

int run_whole(World& world, base::Digest& root) {
  contain(world, {});
  const Outcome outcome = world.run(kNever);
  release_containment();
  if (outcome == Outcome::Stalled) list_blocked(world);
  root = world.finish();
  return outcome == Outcome::Stalled ? kStalled : kHeld;
}

}  // namespace

int digest_verb(Context& context) {
  CLI::App app;
  ScriptRun run;
  u64 from = 1;
  u64 to = kNever;
  u64 every = 1;
  bool lanes = false;
  bool json = false;
  std::string only;
  run.flags.add_to(app);
  app.add_option("script", run.script_name);
  app.add_option("--from", from);
  app.add_option("--to", to);
  app.add_option("--every", every);
  app.add_flag("--lanes", lanes);
  app.add_option("--only", only);
  app.add_flag("--json", json);
  if (const int code = parse_flags(app, context, kDigestVerb); code >= 0) return code;
  if (run.script_name.empty()) return usage_error(kDigestVerb, "a script is needed (- is standard input)");
  if (every == 0) return usage_error(kDigestVerb, "--every 0: allowed is 1 or more");
  const auto print = [json](u64 epoch, u64 events, base::Digest root) {
    std::printf(json ? "{\"epoch\":%llu,\"events\":%llu,\"root\":\"%s\",\"schema\":\"orrery.digest/1\"}\n"
                     : "%8llu %12llu  %s\n",
                static_cast<unsigned long long>(epoch), static_cast<unsigned long long>(events), text_of(root).c_str());
  };
  Subject subject;
  ScenarioSubject scenario{.path = run.script_name, .seed = parse_seed(run.flags.seed)};
  if (is_recording(run.script_name)) {
    if (const int code = read_recording(run, subject); code >= 0) return code;
    if (subject.recording->scenario() != nullptr) scenario.recording = &*subject.recording;
  }
  if (is_scenario(run.script_name) || scenario.recording != nullptr) {
    if (lanes || !only.empty()) return usage_error(kDigestVerb, "--lanes and --only are for console scripts");
    const int code = digest_scenario(context, scenario, [&](u64 epoch, u64 events, base::Digest root) {
      if (epoch >= from && epoch <= to && epoch % every == 0) print(epoch, events, root);
    });
    return code >= 0 ? code : static_cast<int>(kHeld);
  }
  if (const int code = read_subject(context, run, subject); code >= 0) return code;

  Machine machine(std::move(subject.options));
  u64 last_shown = 0;
  machine.on_epoch = [&](u64 epoch, base::Digest root) {
    if (epoch < from || epoch > to || epoch % every != 0) return;
    print(epoch, machine.started() ? machine.world().trace().count() : epoch * kEpochEvents, root);
    last_shown = epoch;
  };
  Filter filter;
  base::D128 passed;
  u64 passed_count = 0;
  if (!only.empty()) {
    if (const int code = read_filter(kDigestVerb, "--only", only, machine, filter); code >= 0) return code;
    machine.on_event = [&](const base::Event& event) {
      if (!filter.matches(event)) return;
      passed.fold(event.time_ns);
      passed.fold(u64{event.kind} | u64{event.core} << 16 | u64{event.node} << 32 | u64{event.flags} << 48);
      passed.fold(u64{event.thread} | u64{event.object} << 32);
      passed.fold(event.a);
      passed.fold(event.b);
      passed.fold(event.c);
      passed_count += 1;
    };
  }
  std::optional<replay::Player> player;
  if (subject.recording) player.emplace(*subject.recording, machine, replay::Player::Options{});
  if (const std::string error = machine.start(); !error.empty()) return usage_error(kDigestVerb, error);
  World& world = machine.world();
  base::Digest root;
  const int code = player ? play(*player, run.script_name, world, root) : run_whole(world, root);
  if (code == kUnreadable) return code;
  const u64 epochs = world.trace().epochs();
  if (last_shown != epochs && epochs <= to && epochs >= from) print(epochs, world.trace().count(), root);
  if (lanes) {
    for (u32 node = 0; node <= world.nodes().size(); ++node) {
      for (u32 lane = 0; lane < base::kLaneCount; ++lane) {
        std::printf("node %u lane %2u  %s\n", node, lane,
                    text_of(world.trace().leaf(node, static_cast<base::Lane>(lane))).c_str());
      }
    }
  }
  if (!only.empty()) {
    std::printf(
        json ? "{\"digest\":\"%s\",\"events\":%llu,\"schema\":\"orrery.digest-only/1\"}\n" : "only %s  %llu events\n",
        text_of(passed.out()).c_str(), static_cast<unsigned long long>(passed_count));
  }
  return code;
}

}  // namespace sim::host::cli
