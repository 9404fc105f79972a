// sim/host/cli/replay.cpp — `orrery replay`: a recorded run again, its digests checked on the way.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <time.h>

#include <cstdio>

#include "base/parse.h"
#include "sim/host/cli/record.h"
#include "sim/host/cli/scenario_run.h"
#include "sim/host/contain.h"

namespace sim::host::cli {
namespace {

/// Holds a replay back to `speed` virtual seconds a second; runs of any pace give one trace.
class Pace {
 public:
  explicit Pace(double speed) : speed_(speed) {}
  void wait(u64 virtual_ns) const {
    if (speed_ <= 0) return;
    const double wanted = static_cast<double>(virtual_ns) / speed_ - static_cast<double>(now_ns() - start_);
    if (wanted <= 0) return;
    const u64 ns = static_cast<u64>(wanted);
    timespec left{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
    while (nanosleep(&left, &left) != 0) {
    }
  }

 private:
  static u64 now_ns() {
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<u64>(now.tv_sec) * 1'000'000'000 + static_cast<u64>(now.tv_nsec);
  }
  double speed_;
  u64 start_ = now_ns();
};

void print_end(const replay::Replayed& replayed, const replay::Recording& recording, World& world) {
  const std::string root = text_of(replayed.root);
  const unsigned long long events = world.trace().count();
  if (replayed.ended) {
    std::fprintf(stderr, "orrery: equal: %llu events, %llu inputs, %llu milestones, end and state\n", events,
                 static_cast<unsigned long long>(replayed.inputs),
                 static_cast<unsigned long long>(replayed.milestones));
  } else {
    std::fprintf(stderr, "orrery: equal as far as it goes: %llu events, %llu inputs, %llu milestones; %s\n", events,
                 static_cast<unsigned long long>(replayed.inputs), static_cast<unsigned long long>(replayed.milestones),
                 recording.end() == nullptr ? "the recording has no end" : "stopped before its end");
  }
  if (world.tainted()) std::fprintf(stderr, "orrery: tainted: a program's undefined behaviour was recorded\n");
}

}  // namespace

const Verb kReplayVerb = {
    "replay", "run a recording again and check its digests",
    "usage: orrery replay FILE [--until TIME] [--speed X] [--digests] [--digest] [--trace FILTER] [--file FILE]...\n"
    "  --until TIME    stop at this virtual time, for example 30s (default: the recording's end)\n"
    "  --speed X       virtual seconds a second (default: as fast as it goes)\n"
    "  --digests       the recording's milestones on stderr, as they are met\n"
    "  --digest        the trace digest as the last line: digest <32 hexadecimal digits>\n"
    "  --trace FILTER  events on stderr, as for `orrery run`\n"
    "  --file FILE     the image of a disk that the recording has only the hash of (default: by its name, beside the\n"
    "                  recording or here)\n"
    "  --quiet         no console output\n"
    "  --console       of a scenario: what its nodes print\n"
    "  --json          one document on stdout, schema orrery.replay/1; the console moves to stderr\n"
    "example: orrery replay session.orrery --until 12.4s\n"
    "exit:    0 equal   2 usage   4 different (the interval is named)   5 Orrery's own failure   7 watchdog\n"
    "         8 unreadable recording   11 the host failed: a disk's image   12 another version or model\n",
    replay_verb};

int replay_verb(Context& context) {
  CLI::App app;
  std::string path;
  std::string until;
  std::string filter;
  std::vector<std::string> files;
  double speed = 0;
  bool digests = false;
  bool digest = false;
  bool quiet = false;
  bool json = false;
  bool console_shown = false;
  app.add_option("file", path);
  app.add_option("--until", until);
  app.add_option("--speed", speed);
  app.add_option("--trace", filter);
  app.add_option("--file", files)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--digests", digests);
  app.add_flag("--digest", digest);
  app.add_flag("--quiet,-q", quiet);
  app.add_flag("--console", console_shown);
  app.add_flag("--json", json);
  if (const int code = parse_flags(app, context, kReplayVerb); code >= 0) return code;
  if (path.empty()) return usage_error(kReplayVerb, "a recording is needed");
  if (speed != 0 && !(speed >= 0.01 && speed <= 1000)) {
    return usage_error(kReplayVerb, "--speed: allowed is 0.01 to 1000");
  }
  replay::Player::Options options;
  if (!until.empty()) {
    const auto limit = base::parse_duration_ns(until);
    if (!limit.ok()) return usage_error(kReplayVerb, "--until " + until + ": not a time, for example 30s or 250ms");
    options.until = *limit;
  }
  replay::Recording recording;
  if (const int code = load_recording(kReplayVerb, path, recording); code >= 0) return code;
  if (recording.header().build != replay::build_id()) {
    std::fprintf(stderr, "orrery: recorded by another build of this model\n");
  }
  if (recording.scenario() != nullptr) {
    if (speed != 0)
      return usage_error(kReplayVerb, "--speed is for sessions and scripts: a scenario's run is not held back");
    return replay_scenario(context, kReplayVerb, {.path = path, .recording = &recording},
                           {.until = options.until,
                            .filter = filter,
                            .milestones = digests,
                            .digest = digest,
                            .json = json,
                            .console = console_shown && !quiet});
  }
  if (console_shown) {
    return usage_error(kReplayVerb, "--console is for scenarios: a script's or session's console is always shown");
  }
  replay::PlanRead plan =
      replay::machine_of(recording, context.guest.image, context.guest.entries, files_for(path, files));
  if (!plan.error.empty()) {
    std::fprintf(stderr, "orrery replay: %s: %s\n", path.c_str(), plan.error.c_str());
    return kUnreadable;
  }

  Machine machine(std::move(plan.options));
  std::FILE* console = json ? stderr : stdout;
  if (!quiet) {
    machine.on_output = [console](u32, base::Bytes bytes) {
      std::fwrite(bytes.data(), 1, bytes.size(), console);
      std::fflush(console);
    };
  }
  Filter events;
  if (!filter.empty()) {
    if (const int code = read_filter(kReplayVerb, "--trace", filter, machine, events); code >= 0) return code;
    machine.on_event = [&events](const base::Event& event) {
      if (events.matches(event)) std::fprintf(stderr, "%s\n", describe(event).c_str());
    };
  }
  if (digests) {
    machine.on_epoch = [&machine, milestones = recording.all<replay::Milestone>(), next = u64{0}](
                           u64, base::Digest root) mutable {
      if (!machine.started() || next == milestones.size()) return;
      if (machine.world().trace().count() != milestones[next]->sequence) return;
      std::fprintf(stderr, "#%-12llu %s  %s\n", static_cast<unsigned long long>(milestones[next]->sequence),
                   seconds(machine.world().now()).c_str(), text_of(root).c_str());
      next += 1;
    };
  }
  replay::Player player(recording, machine, options);
  const Pace pace(speed);
  player.between = [&] {
    pace.wait(machine.world().now());
    return true;
  };
  if (const std::string error = machine.start(); !error.empty()) return usage_error(kReplayVerb, error);
  contain(machine.world(), {.report_assertions = false});
  const replay::Replayed replayed = player.play();
  release_containment();

  int code = kHeld;
  std::string report;
  if (const int failed = finish_disks(machine, false); failed >= 0) return failed;
  if (!replayed.error.empty()) {
    code = kUnreadable;
    report = replayed.error;
  } else if (replayed.divergence) {
    code = kNotDeterministic;
    report = replay::describe(*replayed.divergence);
  }
  if (code != kHeld) {
    std::fprintf(stderr, "orrery replay: %s: %s\n", path.c_str(), report.c_str());
  } else {
    print_end(replayed, recording, machine.world());
  }
  if (json) {
    std::printf(
        "{\"digest\":\"%s\",\"ended\":%s,\"events\":%llu,\"exit\":%d,\"inputs\":%llu,\"milestones\":%llu,\"report\":%s,"
        "\"schema\":\"orrery.replay/1\",\"tainted\":%s,\"virtual_ns\":%llu}\n",
        text_of(replayed.root).c_str(), replayed.ended ? "true" : "false",
        static_cast<unsigned long long>(machine.world().trace().count()), code,
        static_cast<unsigned long long>(replayed.inputs), static_cast<unsigned long long>(replayed.milestones),
        json_string(report).c_str(), machine.world().tainted() ? "true" : "false",
        static_cast<unsigned long long>(machine.world().now()));
  } else if (digest) {
    std::printf("digest %s\n", text_of(replayed.root).c_str());
  }
  return code;
}

}  // namespace sim::host::cli
