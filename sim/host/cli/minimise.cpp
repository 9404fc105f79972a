// sim/host/cli/minimise.cpp — `orrery minimise`: from a run that fails to the least that fails in the same way.
#include "sim/host/campaign/minimise.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/parse.h"
#include "sim/host/campaign/results.h"
#include "sim/host/campaign/summary.h"
#include "sim/host/cli/cli.h"
#include "sim/host/cli/open_case.h"
#include "sim/host/cli/record.h"

namespace sim::host::cli {
namespace {

using namespace campaign;

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int signal) { interrupted = signal; }

constexpr u64 kLinesShown = 40;
constexpr u64 kRunsMost = 1'000'000;

struct MinimiseFlags {
  MachineFlags machine;
  FaultFlags faults;
  std::string file;
  std::string sched;
  bool blind = false;
  std::string overrides;
  std::vector<std::string> lines;
  std::string runs = "500";
  std::string time = "60s";
  std::string jobs;
  std::string out;
  bool json = false;
  bool quiet = false;

  void add_to(CLI::App& app) {
    machine.add_to(app);
    faults.add_to(app);
    app.add_option("file", file);
    app.add_option("--sched", sched);
    app.add_flag("--blind", blind);
    app.add_option("--overrides", overrides);
    app.add_option("--override", lines)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_option("--runs", runs);
    app.add_option("--time", time);
    app.add_option("--jobs", jobs);
    app.add_option("--out", out);
    app.add_flag("--json", json);
    app.add_flag("-q,--quiet", quiet);
  }
};

/// What is left of how many, as people read it: `2 of 1187 choices`.
std::string counts_text(const Minimal& minimal) {
  std::string text;
  const auto add = [&text](u64 after, u64 before, const char* what) {
    if (before == 0) return;
    text += (text.empty() ? "" : ", ") + grouped(after) + " of " + grouped(before) + " " + what;
  };
  add(minimal.after.operations, minimal.before.operations, "operations");
  add(minimal.after.faults, minimal.before.faults, "faults");
  add(minimal.after.choices, minimal.before.choices, "choices");
  return text.empty() ? "nothing of it can go" : text + " left";
}

/// The script that a recording holds; empty when it is of something else.
std::string script_in(const std::string& path, const Guest& guest) {
  const replay::Recording recording = replay::load(path);
  if (!recording.usable()) return {};
  return replay::machine_of(recording, guest.image, guest.entries, files_for(path)).options.script;
}

void print_lines(const char* title, const std::string& text) {
  if (text.empty()) return;
  std::printf("%s\n", title);
  u64 shown = 0;
  for (std::size_t at = 0; at < text.size() && shown < kLinesShown; ++shown) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::printf("    %s\n", text.substr(at, end - at).c_str());
    at = end + 1;
  }
}

/// The overrides without their head and without what was taken away: what the failure needs.
std::string needed_lines(const std::string& overrides) {
  std::string needed;
  for (std::size_t at = overrides.find('\n'); at != std::string::npos && at + 1 < overrides.size();) {
    const std::size_t end = std::min(overrides.find('\n', at + 1), overrides.size());
    const std::string line = overrides.substr(at + 1, end - at - 1);
    if (!line.ends_with(" spare")) needed += line + "\n";
    at = end;
  }
  return needed;
}

void print_json(const Minimal& minimal, const std::string& path) {
  const auto counts = [](const ItemCounts& items) {
    return nlohmann::json{{"choices", items.choices},
                          {"fault_classes", items.fault_classes},
                          {"faults", items.faults},
                          {"operations", items.operations}};
  };
  const Finding& finding = *minimal.report.finding;
  const nlohmann::json document = {{"after", counts(minimal.after)},
                                   {"before", counts(minimal.before)},
                                   {"cluster", cluster_id(finding)},
                                   {"digest", sim::host::text_of(minimal.report.root)},
                                   {"is_minimal", minimal.is_minimal},
                                   {"overrides", minimal.overrides},
                                   {"property", finding.property},
                                   {"recording", path},
                                   {"runs", minimal.runs},
                                   {"schema", "orrery.minimise/1"},
                                   {"signature", finding.signature}};
  std::printf("%s\n", document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

/// Seed, schedule and overrides of the run that fails: of the recording, or as given. −1 to go on.
int read_setup(const MinimiseFlags& flags, RunSetup& setup) {
  if (!flags.file.ends_with(".orrery")) setup.seed = flags.machine.seed_value;
  if (!flags.sched.empty()) setup.sched = flags.sched;
  setup.blind = flags.blind;
  if (!flags.overrides.empty() && !read_file(flags.overrides, setup.overrides)) {
    std::fprintf(stderr, "orrery minimise: %s: cannot be read\n", flags.overrides.c_str());
    return kUnreadable;
  }
  if (!flags.lines.empty() && setup.overrides.empty()) setup.overrides = "orrery-overrides 1\n";
  for (const std::string& line : flags.lines) setup.overrides += line + "\n";
  return -1;
}

}  // namespace

const Verb kMinimiseVerb = {
    "minimise", "from a run that fails to the least that still fails in the same way",
    "usage: orrery minimise RECORDING|SCENARIO|SCRIPT [--seed N] [--sched S] [--overrides FILE] [--out FILE.orrery]\n"
    "  --seed N --cores N --memory SIZE --image FILE --disk NAME=SIZE[,...]   of the run, as in `orrery run` (a\n"
    "                      recording knows them)\n"
    "  --sched S           how choices of the schedule are answered in the run that fails\n"
    "  --blind             one priority for all threads, as in `orrery run`\n"
    "  --fault RULE        a class of faults that may strike in it; --swarm P,-Q what its seed draws\n"
    "  --overrides F       a file of choices set otherwise; --override LINE sets one\n"
    "  --runs N            try at most so many runs (default 500)\n"
    "  --time TIME         or so long (default 60s)\n"
    "  --jobs N            worker processes (default: one a processor)\n"
    "  --out FILE.orrery   the result, a recording that needs no other file (default: named after what failed)\n"
    "  --json              one document on stdout, schema orrery.minimise/1\n"
    "  -q, --quiet         no progress\n"
    "Lines of a script, faults that fired and choices of the schedule are taken away as long as the same property "
    "fails\n"
    "in the same way; three runs prove the result.\n"
    "example: orrery minimise test.fsh --seed 4711 --sched pct:steps=2467 --out shortest.orrery\n"
    "exit:    0 a shorter run that fails, recorded   2 usage   4 equal runs came out differently   8 unreadable file\n"
    "         11 the run does not fail   12 not a recording of a script   130 143 interrupted\n",
    minimise_verb};

int minimise_verb(Context& context) {
  CLI::App app;
  MinimiseFlags flags;
  flags.add_to(app);
  if (const int code = parse_flags(app, context, kMinimiseVerb); code >= 0) return code;
  if (flags.file.empty()) return usage_error(kMinimiseVerb, "a recording, a scenario or a script is needed");
  if (const std::string wrong = flags.machine.check(); !wrong.empty()) return usage_error(kMinimiseVerb, wrong);
  MinimiseOptions options;
  const auto runs = base::parse_u64(flags.runs);
  if (!runs.ok() || *runs < 1 || *runs > kRunsMost) {
    return usage_error(kMinimiseVerb, "--runs " + flags.runs + ": allowed is 1 to " + std::to_string(kRunsMost));
  }
  const auto time = base::parse_duration_ns(flags.time);
  if (!time.ok()) return usage_error(kMinimiseVerb, "--time " + flags.time + ": not a time, for example 60s");
  const auto jobs = base::parse_u64(flags.jobs.empty() ? "1" : flags.jobs);
  if (!jobs.ok() || *jobs < 1 || *jobs > 1024) {
    return usage_error(kMinimiseVerb, "--jobs " + flags.jobs + ": allowed is 1 to 1024");
  }
  options.runs_max = *runs;
  options.time_ms = *time / 1'000'000;
  OpenedCase opened = open_case(flags.file, flags.machine, context.guest, kMinimiseVerb, flags.faults);
  if (opened.which == nullptr) return opened.code;
  RunSetup setup = opened.setup;
  if (const int code = read_setup(flags, setup); code >= 0) return code;
  const u32 workers = flags.jobs.empty() ? std::max(1u, std::thread::hardware_concurrency()) : static_cast<u32>(*jobs);
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  std::signal(SIGPIPE, SIG_IGN);
  Pool pool({opened.which.get()}, workers, {});
  options.record = flags.out;
  Minimiser minimiser(pool, 0, options);
  if (flags.out.empty()) minimiser.name_recording = [](const Finding& finding) { return recording_name(finding); };
  const bool shows = !flags.quiet && isatty(STDERR_FILENO) == 1;
  minimiser.on_progress = [shows](u64 done, const ItemCounts& left) {
    if (shows) {
      std::fprintf(stderr, "\r\033[K%llu runs  %llu operations  %llu faults  %llu choices",
                   static_cast<unsigned long long>(done), static_cast<unsigned long long>(left.operations),
                   static_cast<unsigned long long>(left.faults), static_cast<unsigned long long>(left.choices));
    }
    return interrupted == 0;
  };
  const Minimal minimal = minimiser.minimise(setup);
  if (shows) std::fprintf(stderr, "\r\033[K");
  if (!minimal.error.empty()) {
    std::fprintf(stderr, "orrery minimise: %s\n", minimal.error.c_str());
    return minimal.is_split ? kNotDeterministic : kLimit;
  }
  if (flags.json) {
    print_json(minimal, minimal.recording);
  } else {
    const Finding& finding = *minimal.report.finding;
    std::printf("FAILED  %s %s   %s   at %s #%llu\n", finding.kind.c_str(), finding.property.c_str(),
                finding.role.c_str(), seconds(finding.time_ns).c_str(),
                static_cast<unsigned long long>(finding.moment));
    std::printf("  %s   %s   %llu runs in %s\n", counts_text(minimal).c_str(),
                minimal.is_minimal ? "1-minimal" : "budget spent", static_cast<unsigned long long>(minimal.runs),
                length_of(minimal.wall_us * 1000).c_str());
    print_lines("  script:", script_in(minimal.recording, context.guest));
    print_lines("  with:", needed_lines(minimal.overrides));
    std::printf("  orrery replay %s\n", quote(minimal.recording).c_str());
  }
  if (interrupted != 0) return interrupted == SIGINT ? kInterrupted : kTerminated;
  return kHeld;
}

}  // namespace sim::host::cli
