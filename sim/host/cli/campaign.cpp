// sim/host/cli/campaign.cpp — `orrery campaign`: a case over many seeds; merging and reporting what was found.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/parse.h"
#include "sim/host/campaign/campaign.h"
#include "sim/host/campaign/refuse.h"
#include "sim/host/campaign/summary.h"
#include "sim/host/cli/cli.h"
#include "sim/host/cli/open_case.h"
#include "sim/host/cli/scenario_run.h"
#include "sim/host/judge/invariants.h"
#include "sim/host/planted.h"

namespace sim::host::cli {
namespace {

using namespace campaign;

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int signal) { interrupted = signal; }

constexpr u64 kTerminalUs = 1'000'000;
constexpr u64 kElsewhereUs = 60'000'000;
constexpr u64 kSeedMax = ~u64{0} >> 1;
constexpr u32 kJobsMax = 1024;
constexpr u32 kShardsMax = 1'000'000;

struct CampaignFlags {
  MachineFlags machine;
  FaultFlags faults;
  std::vector<std::string> cases;
  std::string seeds;
  std::string jobs;
  std::string shard;
  std::string time;
  std::string sched = "mix";
  std::string checks;
  std::string until;
  std::string events_max;
  std::string out;
  std::string clusters_max;
  std::string memory_max;
  std::string run_time_max;
  std::string junit;
  std::string html;
  bool until_failure = false;
  bool minimise = false;
  bool guided = false;
  std::string corpus;
  bool blind = false;
  bool slow = false;
  bool json = false;
  bool quiet = false;

  void add_to(CLI::App& app);
  /// Empty, or what is wrong.
  std::string read(CampaignOptions& options) const;
};

void CampaignFlags::add_to(CLI::App& app) {
  app.add_option("--cores", machine.cores);
  app.add_option("--memory", machine.memory);
  app.add_option("--image", machine.image);
  machine.disks.add_to(app);
  app.add_option("cases", cases)->expected(1, 1000);
  faults.add_to(app);
  app.add_option("--seeds", seeds);
  app.add_option("--jobs", jobs);
  app.add_option("--shard", shard);
  app.add_option("--time", time);
  app.add_option("--sched", sched);
  app.add_option("--checks", checks);
  app.add_option("--until", until);
  app.add_option("--events-max", events_max);
  app.add_option("--out", out);
  app.add_option("--clusters-max", clusters_max);
  app.add_option("--memory-max", memory_max);
  app.add_option("--run-time-max", run_time_max);
  app.add_option("--junit", junit);
  app.add_option("--html", html);
  app.add_flag("--until-failure", until_failure);
  app.add_flag("--minimise", minimise);
  app.add_flag("--guided", guided);
  app.add_option("--corpus", corpus);
  app.add_flag("--blind", blind);
  app.add_flag("--slow", slow);
  app.add_flag("--json", json);
  app.add_flag("-q,--quiet", quiet);
}

/// `text` as a number in least…most; otherwise `wrong` names the flag and the range.
u64 number_in(const char* flag, const std::string& text, u64 least, u64 most, std::string& wrong) {
  const auto number = base::parse_u64(text);
  if (number.ok() && *number >= least && *number <= most) return *number;
  if (wrong.empty()) {
    wrong = std::string(flag) + " " + text + ": allowed is " + std::to_string(least) + " to " + std::to_string(most);
  }
  return least;
}

std::string read_seeds(const std::string& text, SeedRange& range) {
  const auto dots = text.find("..");
  const auto first = base::parse_u64(text.substr(0, dots), base::kRadixAuto);
  const auto last = dots == std::string::npos ? first : base::parse_u64(text.substr(dots + 2), base::kRadixAuto);
  if (!first.ok() || !last.ok() || *first > *last || *last > kSeedMax) {
    return "--seeds " + text + ": A..B with A not above B, both up to " + std::to_string(kSeedMax);
  }
  range.first = *first;
  range.last = *last;
  return {};
}

/// `i/n` from what the job engine of a cluster tells its tasks; empty when it told nothing.
std::string automatic_shard() {
  const auto number = [](const char* name) -> std::optional<u64> {
    const char* text = std::getenv(name);
    if (text == nullptr) return {};
    const auto value = base::parse_u64(text);
    return value.ok() ? std::optional<u64>(*value) : std::nullopt;
  };
  const auto task = number("SLURM_ARRAY_TASK_ID");
  const auto tasks = number("SLURM_ARRAY_TASK_COUNT");
  const u64 least = number("SLURM_ARRAY_TASK_MIN").value_or(1);
  if (task && tasks && *task >= least) return std::to_string(*task - least + 1) + "/" + std::to_string(*tasks);
  const auto index = number("JOB_COMPLETION_INDEX");
  const auto shards = number("ORRERY_SHARDS");
  if (index && shards) return std::to_string(*index + 1) + "/" + std::to_string(*shards);
  return {};
}

std::string read_shard(std::string text, SeedRange& range) {
  if (text == "auto") {
    text = automatic_shard();
    if (text.empty()) {
      return "--shard auto: neither SLURM_ARRAY_TASK_ID with SLURM_ARRAY_TASK_COUNT nor JOB_COMPLETION_INDEX with "
             "ORRERY_SHARDS is set";
    }
  }
  const auto slash = text.find('/');
  const auto shard = base::parse_u64(text.substr(0, slash));
  const auto shards = slash == std::string::npos ? shard : base::parse_u64(text.substr(slash + 1));
  if (slash == std::string::npos || !shard.ok() || !shards.ok() || *shard < 1 || *shard > *shards ||
      *shards > kShardsMax) {
    return "--shard " + text + ": i/n with i from 1 to n, n up to " + std::to_string(kShardsMax);
  }
  range.shard = static_cast<u32>(*shard);
  range.shards = static_cast<u32>(*shards);
  return {};
}

std::string CampaignFlags::read(CampaignOptions& options) const {
  std::string wrong;
  if (!seeds.empty()) {
    wrong = read_seeds(seeds, options.seeds);
  } else if (!time.empty()) {
    options.seeds.last = kSeedMax;  // as many as the time allows
  }
  if (wrong.empty() && !shard.empty()) wrong = read_shard(shard, options.seeds);
  if (!wrong.empty()) return wrong;
  options.jobs = std::max(1u, std::thread::hardware_concurrency());
  if (!jobs.empty()) options.jobs = static_cast<u32>(number_in("--jobs", jobs, 1, kJobsMax, wrong));
  if (!clusters_max.empty()) options.clusters_max = number_in("--clusters-max", clusters_max, 1, 1'000'000, wrong);
  if (!events_max.empty()) options.events_max = number_in("--events-max", events_max, 1, ~u64{0} >> 1, wrong);
  const auto duration = [&wrong](const char* flag, const std::string& text, u64& ns) {
    if (text.empty()) return;
    const auto length = base::parse_duration_ns(text);
    if (length.ok() && *length > 0) {
      ns = *length;
    } else if (wrong.empty()) {
      wrong = std::string(flag) + " " + text + ": not a time, for example 60s or 250ms";
    }
  };
  u64 time_ns = 0;
  u64 run_ns = options.limits.wall_ms * 1'000'000;
  duration("--time", time, time_ns);
  duration("--until", until, options.until);
  duration("--run-time-max", run_time_max, run_ns);
  options.time_ms = (time_ns + 999'999) / 1'000'000;
  options.limits.wall_ms = (run_ns + 999'999) / 1'000'000;
  if (!memory_max.empty()) {
    const auto bytes = base::parse_size(memory_max);
    if (bytes.ok() && *bytes > 0) {
      options.limits.memory_bytes = *bytes;
    } else if (wrong.empty()) {
      wrong = "--memory-max " + memory_max + ": not a size, for example 512M";
    }
  }
  if (wrong.empty() && (time.empty() || !seeds.empty())) {
    const u64 runs = options.seeds.count();
    wrong = refusal(traits_of_this_build(), guided || !corpus.empty() ? runs * kGuidedOf : runs, slow);
  }
  options.until_failure = until_failure;
  options.minimise = minimise;
  options.guided = guided || !corpus.empty();
  options.corpus = corpus;
  std::error_code error;
  if (wrong.empty() && !corpus.empty()) std::filesystem::create_directories(corpus, error);
  if (wrong.empty() && !corpus.empty() && !std::filesystem::is_directory(corpus)) {
    wrong = "--corpus " + corpus + ": it is no folder, and none can be made there";
  }
  const std::filesystem::path folder = std::filesystem::path(out).parent_path();
  options.recordings = folder.empty() ? "." : folder.string();
  options.checks = checks;
  judge::Cadence cadence;
  if (const std::string bad = checks.empty() ? "" : judge::parse_cadence(checks, cadence);
      wrong.empty() && !bad.empty()) {
    wrong = "--checks " + checks + ": " + bad;
  }
  options.sched = sched;
  options.blind = blind;
  StrategyConfig config;
  if (const std::string bad = parse_strategy(sched, config); wrong.empty() && !bad.empty()) {
    wrong = "--sched " + sched + ": " + bad;
  }
  return wrong;
}

// ── Progress ─────────────────────────────────────────────────────────────────────────────────────────────────

std::string clock_text(u64 seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%02llu:%02llu", static_cast<unsigned long long>(seconds / 60),
                static_cast<unsigned long long>(seconds % 60));
  return text;
}

std::string progress_line(const Progress& progress, u64 time_ms) {
  const u64 elapsed_us = std::max<u64>(progress.elapsed_us, 1);
  const u64 rate = progress.runs * 1'000'000 / elapsed_us;
  std::string line = grouped(progress.runs) + " runs  " + std::to_string(rate) + "/s  virtual " +
                     length_of(progress.virtual_ns) + " (" + grouped(progress.virtual_ns / 1000 / elapsed_us) + "×)  " +
                     std::to_string(progress.clusters.size()) + " cluster" + (progress.clusters.size() == 1 ? "" : "s");
  if (progress.features > 0) {
    line += "  features " + grouped(progress.features) + ", +" + grouped(progress.features_fresh) + " in last " +
            grouped(std::min(progress.runs, kFreshRuns));
  }
  if (progress.skipped > 0) line += "  " + grouped(progress.skipped) + " were there";
  const u64 left = progress.features > 0 ? progress.left * kGuidedOf : progress.left;
  u64 left_s = rate == 0 ? 0 : left / rate;
  if (time_ms != 0) {
    const u64 time_left_s = time_ms * 1000 > elapsed_us ? (time_ms * 1000 - elapsed_us) / 1'000'000 : 0;
    if (rate == 0 || time_left_s < left_s) left_s = time_left_s;
  }
  return line + "  left " + clock_text(left_s);
}

/// The progress line of one campaign: on a terminal it is written over each second, elsewhere one a minute.
class Reporter {
 public:
  Reporter(const CampaignFlags& flags, const Campaign& campaign, const CampaignOptions& options)
      : quiet_(flags.quiet),
        terminal_(isatty(STDERR_FILENO) == 1),
        options_(options),
        scenario_(campaign.key().scenario) {}

  bool see(const Progress& progress, const Found* found) {
    if (found != nullptr && !quiet_) announce(*found);
    const u64 every = terminal_ ? kTerminalUs : kElsewhereUs;
    if (!quiet_ && progress.elapsed_us - shown_us_ >= every) {
      shown_us_ = progress.elapsed_us;
      const std::string line = progress_line(progress, options_.time_ms);
      std::fprintf(stderr, terminal_ ? "\r\033[K%s" : "%s\n", line.c_str());
      is_line_open_ = terminal_;
    }
    return interrupted == 0;
  }
  void see_minimal(const Minimal& minimal) {
    if (quiet_) return;
    close_line();
    if (!minimal.error.empty()) {
      std::fprintf(stderr, "orrery campaign: not minimised: %s\n", minimal.error.c_str());
      return;
    }
    const Finding& finding = *minimal.report.finding;
    std::fprintf(stderr, "shrunk  %s %s   %s of %s operations, %s of %s faults, %s of %s choices   recording: %s\n",
                 finding.kind.c_str(), finding.property.c_str(), grouped(minimal.after.operations).c_str(),
                 grouped(minimal.before.operations).c_str(), grouped(minimal.after.faults).c_str(),
                 grouped(minimal.before.faults).c_str(), grouped(minimal.after.choices).c_str(),
                 grouped(minimal.before.choices).c_str(), minimal.recording.c_str());
  }
  void finish(const Progress& progress) {
    close_line();
    if (!quiet_) std::fprintf(stderr, "%s\n", progress_line(progress, options_.time_ms).c_str());
  }

 private:
  void close_line() {
    if (is_line_open_) std::fprintf(stderr, "\r\033[K");
    is_line_open_ = false;
  }
  void announce(const Found& found) {
    close_line();
    std::fprintf(stderr, "FAILED  %s %s   %s   seed %llu   at %s #%llu\n  %s\n", found.finding.kind.c_str(),
                 found.finding.property.c_str(), found.finding.role.c_str(),
                 static_cast<unsigned long long>(found.first.seed), seconds(found.finding.time_ns).c_str(),
                 static_cast<unsigned long long>(found.finding.moment),
                 reproduction_of(scenario_, found.first, planted_bug()).c_str());
  }

  bool quiet_;
  bool terminal_;
  bool is_line_open_ = false;
  u64 shown_us_ = 0;
  const CampaignOptions& options_;
  std::string scenario_;
};

// ── The verb and its sub-verbs ───────────────────────────────────────────────────────────────────────────────

bool write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.flush();
  if (file.good()) return true;
  std::fprintf(stderr, "orrery campaign: %s: cannot be written\n", path.c_str());
  return false;
}

/// Of several campaigns the worst decides; how bad an exit code is.
int worse(int left, int right) {
  constexpr int kOrder[] = {kHeld, kLimit, kBelowBar, kLivenessFailed, kPropertyFailed, kOwnFailure, kNotDeterministic};
  const auto rank = [&](int code) {
    return std::find(std::begin(kOrder), std::end(kOrder), code) - std::begin(kOrder);
  };
  return rank(left) > rank(right) ? left : right;
}

int merge_verb(Context& context) {
  CLI::App app;
  std::vector<std::string> files;
  app.add_option("files", files)->expected(1, 100'000);
  if (const int code = parse_flags(app, context, kCampaignVerb); code >= 0) return code;
  if (files.size() < 2) return usage_error(kCampaignVerb, "merge OUT IN...: two files at least");
  Results into(files[0]);
  for (u64 i = 1; i < files.size(); ++i) {
    const Merged merged = merge(into, files[i]);
    if (!merged.error.empty()) {
      std::fprintf(stderr, "orrery campaign merge: %s\n", merged.error.c_str());
      return kUnreadable;
    }
    if (!merged.split.empty()) {
      std::fprintf(stderr, "orrery campaign merge: determinism is broken: %s\n", merged.split.c_str());
      return kNotDeterministic;
    }
    std::fprintf(stderr, "%s: %s new runs\n", files[i].c_str(), grouped(merged.runs).c_str());
  }
  return kHeld;
}

int report_verb(Context& context) {
  CLI::App app;
  std::string file;
  std::string junit;
  std::string html;
  bool json = false;
  app.add_option("file", file);
  app.add_option("--junit", junit);
  app.add_option("--html", html);
  app.add_flag("--json", json);
  if (const int code = parse_flags(app, context, kCampaignVerb); code >= 0) return code;
  if (file.empty()) return usage_error(kCampaignVerb, "report FILE.db: a file is needed");
  { const Database exists(file, Database::Open::Existing); }
  Results results(file);
  const std::vector<CampaignSummary> summaries = summarize(results.database());
  int code = kHeld;
  for (const CampaignSummary& summary : summaries) {
    code = worse(code, exit_code(summary));
    if (!json) std::fputs(text_of(summary).c_str(), stdout);
  }
  if (json) std::fputs(json_of(summaries).c_str(), stdout);
  if (!junit.empty() && !write_file(junit, junit_of(summaries))) return kUnreadable;
  if (!html.empty() && !write_file(html, html_of(summaries))) return kUnreadable;
  if (summaries.empty()) std::fprintf(stderr, "orrery campaign report: %s: there is no campaign in it\n", file.c_str());
  return code;
}

int run_campaigns(Context& context) {
  CLI::App app;
  CampaignFlags flags;
  flags.add_to(app);
  if (const int code = parse_flags(app, context, kCampaignVerb); code >= 0) return code;
  if (flags.cases.empty()) return usage_error(kCampaignVerb, "a scenario or a script is needed");
  CampaignOptions options;
  if (const std::string wrong = flags.read(options); !wrong.empty()) return usage_error(kCampaignVerb, wrong);
  options.time_ms /= flags.cases.size();
  std::string path = flags.out;
  if (path.empty()) path = ":memory:";
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  std::signal(SIGPIPE, SIG_IGN);
  int code = kHeld;
  std::vector<CampaignSummary> summaries;
  std::vector<Minimal> shrunk;
  for (const std::string& name : flags.cases) {
    const OpenedCase opened = open_case(name, flags.machine, context.guest, kCampaignVerb, flags.faults);
    if (opened.which == nullptr) return opened.code;
    const std::unique_ptr<Case> holds = canary_case(false, flags.machine, context.guest);
    const std::unique_ptr<Case> fails = canary_case(true, flags.machine, context.guest);
    options.must_look = is_scenario(name);
    Campaign campaign(*opened.which, {holds.get(), fails.get()}, options);
    Reporter reporter(flags, campaign, options);
    campaign.on_progress = [&](const Progress& progress, const Found* found) { return reporter.see(progress, found); };
    campaign.on_minimal = [&](const std::string&, const Minimal& minimal) {
      reporter.see_minimal(minimal);
      shrunk.push_back(minimal);
    };
    campaign.on_results = [&](Database& database) {
      for (CampaignSummary& summary : summarize(database, campaign.key().id())) summaries.push_back(std::move(summary));
    };
    if (const std::string wrong = campaign.run(path); !wrong.empty()) {
      std::fprintf(stderr, "orrery campaign: %s\n", wrong.c_str());
      return campaign.is_unwatched() ? kBelowBar : kUnreadable;
    }
    reporter.finish(campaign.progress());
    if (campaign.progress().splits > 0) code = kNotDeterministic;
    if (interrupted != 0) break;
  }
  for (const CampaignSummary& summary : summaries) {
    code = worse(code, exit_code(summary));
    if (!flags.json) std::fputs(text_of(summary).c_str(), stdout);
  }
  if (const std::string medians = medians_text(shrunk); !medians.empty()) {
    std::fprintf(flags.json ? stderr : stdout, "%s\n", medians.c_str());
  }
  if (flags.json) std::fputs(json_of(summaries).c_str(), stdout);
  if (!flags.junit.empty() && !write_file(flags.junit, junit_of(summaries))) return kUnreadable;
  if (!flags.html.empty() && !write_file(flags.html, html_of(summaries))) return kUnreadable;
  if (interrupted != 0) return interrupted == SIGINT ? kInterrupted : kTerminated;
  return code;
}

}  // namespace

const Verb kCampaignVerb = {
    "campaign", "a scenario or script over many seeds; what fails, sorted by what failed",
    "usage: orrery campaign SCENARIO|SCRIPT... [--seeds A..B] [--jobs N] [--time TIME] [--out FILE.db]\n"
    "       orrery campaign merge OUT.db IN.db...\n"
    "       orrery campaign report FILE.db [--html FILE] [--json] [--junit FILE]\n"
    "  --seeds A..B        which seeds (default 1..1000; with --time as many as it allows)\n"
    "  --jobs N            worker processes (default: one a processor)\n"
    "  --shard i/n         only the seeds with (seed - A) mod n = i - 1; auto: as Slurm or a Kubernetes job says\n"
    "  --guided            beside each seed three runs made from those that went somewhere new\n"
    "  --corpus DIR        keep those runs there, and begin with what is there\n"
    "  --slow              more than 1000 runs even of a build without optimisation\n"
    "  --time TIME         stop after this time of the host, for example 60s\n"
    "  --until-failure     stop at the first failure\n"
    "  --minimise          then shrink the first run of each different failure, into recordings beside FILE.db\n"
    "  --clusters-max N    stop after so many different failures (default 20)\n"
    "  --sched S           how choices of the schedule are answered, as in `orrery run` (default mix)\n"
    "  --blind             one priority for all threads, as in `orrery run`\n"
    "  --fault RULE        a class of faults may strike, as in `orrery run`; --swarm P,-Q draws classes by seed\n"
    "  --checks CADENCE    when invariants are checked: off, kernel-exit, every 1000, every 10ms, end (default off)\n"
    "  --until TIME        virtual time after which a run has no verdict (default 600s)\n"
    "  --events-max N      events after which a run has no verdict (default 50000000)\n"
    "  --run-time-max T    the same in time of the host (default 120s)\n"
    "  --memory-max SIZE   the same in memory of the host (default: no limit)\n"
    "  --cores N --memory SIZE --image FILE --disk NAME=SIZE[,...]   the world of a script, as in `orrery run`\n"
    "  --out FILE.db       keep the results; runs that are there are not made again (default: not kept)\n"
    "  --html FILE         the result as one page that needs nothing else\n"
    "  --junit FILE        the result for a build server\n"
    "  --json              one document on stdout, schema orrery.campaign/1\n"
    "  -q, --quiet         no progress\n"
    "example: orrery campaign tests/determinism/shell.fsh --seeds 1..500 --jobs 2 --out results.db\n"
    "exit:    0 all runs held   1 a run failed   2 usage   3 a liveness property failed   4 one run, two outcomes\n"
    "         5 Orrery's own failure   8 unreadable file, or results of another model   9 a `sometimes` was never "
    "hit,\n"
    "         a canary came out wrong, or nothing a scenario declares is ever looked at   11 a run reached a limit   "
    "130 143 interrupted; what was run is kept\n",
    campaign_verb};

int campaign_verb(Context& context) {
  try {
    const std::string first = context.arguments.empty() ? "" : context.arguments.front();
    if (first == "merge" || first == "report") {
      context.arguments.erase(context.arguments.begin());
      return first == "merge" ? merge_verb(context) : report_verb(context);
    }
    return run_campaigns(context);
  } catch (const DatabaseError& error) {
    std::fprintf(stderr, "orrery campaign: %s\n", error.what());
    return kUnreadable;
  }
}

}  // namespace sim::host::cli
