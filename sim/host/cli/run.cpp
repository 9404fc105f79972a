// sim/host/cli/run.cpp — `orrery run`: a console script in a default world, as fast as it goes.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <csignal>
#include <cstdio>

#include "base/parse.h"
#include "sim/host/cli/cli.h"
#include "sim/host/cli/record.h"
#include "sim/host/cli/scenario_run.h"
#include "sim/host/cli/sched_flags.h"
#include "sim/host/cli/script_case.h"
#include "sim/host/contain.h"
#include "sim/host/excuse.h"
#include "sim/host/judge/judge.h"

namespace sim::host::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int signal) { interrupted = signal; }

void print_header(const ScriptRun& run, const Schedule& schedule, World& world) {
  const std::string config = text_of(world.config_digest());
  std::fprintf(stderr, "orrery %s  script %s  seed %llu  cores %u  memory %llu  config %s\n",
               std::string(kVersion).c_str(), run.script_name.c_str(),
               static_cast<unsigned long long>(run.flags.seed_value), run.flags.cores_value,
               static_cast<unsigned long long>(run.flags.memory_value), config.c_str());
  StrategyConfig strategy = schedule.first;
  strategy.strategy = Explorer::in_force(strategy, run.flags.seed_value);
  const std::string answers = schedule.on ? text_of(strategy) : "model";
  std::fprintf(stderr, "drawn sched=%s%s%s\n", answers.c_str(), schedule.blind ? " blind" : "",
               text_of_drawn(schedule.faults, world.armed_points()).c_str());
}

/// What was found between two looks at the invariants, named by the first bad event: the run is made again for that.
Finding exact(const ScriptRun& run, const Guest& guest, const SchedFlags& sched, const std::string& checks,
              const Finding& found) {
  RunReport report;
  report.finding = found;
  RunSetup setup{.seed = run.flags.seed_value, .checks = checks, .until = run.until};
  const std::optional<RunSetup> dense = judge::exact_setup(setup, report);
  if (!dense) return found;
  RunSetup again = *dense;
  if (sched.read_setup(again) >= 0) return found;
  ScriptRun same = run;
  same.faults = sched.faults;
  judge::take_exact(ScriptCase(std::move(same), guest).run(again), report);
  return *report.finding;
}

/// A failed run for which the ledger has excuses is made again without these faults; kExcused if it holds then.
int excuse(const ScriptRun& run, const Guest& guest, const SchedFlags& sched, const RunReport& failed, int code) {
  RunReport report = failed;
  report.verdict = code == kStalled          ? Verdict::Stalled
                   : code == kLivenessFailed ? Verdict::LivenessFailed
                                             : Verdict::Failed;
  if (!report.finding) report.finding.emplace();
  report.finding->details.clear();
  ScriptRun again = run;
  again.faults = sched.faults;
  RunSetup setup{.seed = run.flags.seed_value, .until = run.until};
  if (sched.read_setup(setup) >= 0) return code;
  ScriptCase which(std::move(again), guest);
  look_for_excuse(which, setup, report);
  if (report.verdict != Verdict::Excused) return code;
  std::fprintf(stderr, "  %s\n", report.finding->details.c_str());
  return kExcused;
}

}  // namespace

const Verb kRunVerb = {
    "run", "a scenario, or a console script in a world of one node, as fast as it goes",
    "usage: orrery run SCENARIO.lua|SCRIPT|- [--seed N] [--cores N] [--memory SIZE] [--until TIME] [--record FILE]\n"
    "                  [--sched S] [--overrides FILE] [--override LINE]... [--choices FILE]\n"
    "                  [--fault RULE]... [--swarm CLASSES] [--checks C] [--disk NAME=SIZE[,...]]... [--write-back "
    "exit]\n"
    "                  [--digest] [--trace FILTER]\n"
    "  --seed N        decimal, 0x..., or any text, hashed (default 1)\n"
    "  --cores N       virtual cores, 1 to 128 (default 1)\n"
    "  --memory SIZE   memory of the node, 16M to 3584M (default 64M)\n"
    "  --clock SPEC    of the node's clock, for example skew=-50ms,drift=300 (ppm; default: none)\n"
    "  --image FILE    another boot image, a ustar archive (default: built in)\n" ORRERY_DISK_HELP
    "  --write-back exit  at the end the images of disks hold what the disks do (default: a run changes no file)\n"
    "  --until TIME    stop at this virtual time, for example 30s (default: when the guest halts)\n"
    "  --record FILE   what defines the run and its digests, for `orrery replay`\n"
    "  --digests D     sparse or dense: how many digests are recorded (default sparse)\n"
    "  --embed         the recording holds the images of disks whatever their size (default: up to 1M, else a hash)\n"
    "  --sched S       how the choices of the schedule are answered: fair, random, sticky, pct, perturb, few, starve,\n"
    "                  walk or mix, with knobs as in pct:depth=2; or replay:FILE (default: the model's own rule)\n"
    "  --overrides F   a file of choices set otherwise; --override LINE sets one\n"
    "  --blind         boot with one priority for all threads: finds what is right only thanks to priorities, and says "
    "so\n"
    "  --choices FILE  write the choices that were made, as a file for --overrides\n"
    "  --fault RULE    a class of faults may strike, as in 'process.kill target=1/dev at-most=2'; `orrery faults` "
    "lists them\n"
    "  --swarm P,-Q    the classes that the seed draws of those that match P and not Q, as in "
    "'cpu.*,process.*,-cpu.offline'\n"
    "  --checks C      judge the run by the kernel's invariants too, at a cadence: off (default), kernel-exit,\n"
    "                  'every 10ms', 'every 1000' (events), 'event FILTER', end\n"
    "  --digest        the trace digest as the last line: digest <32 hexadecimal digits>\n"
    "  --trace FILTER  events on stderr: kinds and lanes (ipc.transfer, sched, fs.*, all), fields (thread=fsh core=1\n"
    "                  badge=7 time>=1.5s), with and, or, not, ( ), `within 5ms after ( … )`; a comma is `or`\n"
    "  --header        what defines the run and what its seed drew, on stderr first\n"
    "  --console       of a scenario: what its nodes print\n"
    "  --bless         of a scenario: write the files of s:golden instead of comparing\n"
    "  --json          one document on stdout, schema orrery.run/1; the console moves to stderr\n"
    "example: orrery run script.fsh --seed 42 --cores 4 --digest\n"
    "exit:    0 held: the guest ended with status 0   1 it ended with another   2 usage   5 Orrery's own failure\n"
    "         6 excused: it failed, and holds without faults that the plan asks for and nothing can survive\n"
    "         7 watchdog: silent loop   8 unreadable file   10 stalled   11 limit reached, or the host failed\n"
    "         130 interrupted\n",
    run_verb};

int run_verb(Context& context) {
  CLI::App app;
  ScriptRun run;
  std::string until;
  std::string filter;
  std::string checks;
  RecordFlags record;
  SchedFlags sched;
  bool digest = false;
  bool header = false;
  bool json = false;
  bool console_shown = false;
  bool bless = false;
  run.flags.add_to(app);
  app.add_option("--write-back", run.flags.disks.write_back);
  app.add_option("script", run.script_name);
  app.add_option("--until", until);
  record.add_to(app);
  sched.add_to(app);
  app.add_option("--trace", filter);
  app.add_option("--checks", checks);
  app.add_flag("--digest", digest);
  app.add_flag("--header", header);
  app.add_flag("--console", console_shown);
  app.add_flag("--bless", bless);
  app.add_flag("--json", json);
  if (const int code = parse_flags(app, context, kRunVerb); code >= 0) return code;
  if (run.script_name.empty()) return usage_error(kRunVerb, "a script is needed (- is standard input)");
  if (!until.empty()) {
    const auto limit = base::parse_duration_ns(until);
    if (!limit.ok()) return usage_error(kRunVerb, "--until " + until + ": not a time, for example 30s or 250ms");
    run.until = *limit;
  }
  if (const std::string mistake = record.check(); !mistake.empty()) return usage_error(kRunVerb, mistake);
  if (is_scenario(run.script_name)) {
    if (!run.flags.disks.texts.empty() || run.flags.disks.writes_back()) {
      return usage_error(kRunVerb,
                         "--disk and --write-back are for scripts: a scenario says itself which disks there are");
    }
    return run_scenario(context, kRunVerb,
                        {.path = run.script_name,
                         .seed = run.flags.seed,
                         .until = run.until,
                         .checks = checks,
                         .filter = filter,
                         .record = record.file,
                         .digests = record.digests == "dense" ? replay::Digests::Dense : replay::Digests::Sparse,
                         .sched = sched,
                         .digest = digest,
                         .header = header,
                         .json = json,
                         .console = console_shown,
                         .bless = bless});
  }
  if (bless) return usage_error(kRunVerb, "--bless is for scenarios with s:golden");
  if (console_shown) return usage_error(kRunVerb, "--console is for scenarios: a script's console is always shown");
  Guest guest = context.guest;
  if (const int code = prepare(run, guest, kRunVerb); code >= 0) return code;

  MachineOptions options = options_of(run, guest);
  SparedLines spared;
  if (const int code = sched.read(kRunVerb, run.flags.seed_value, options.schedule, spared); code >= 0) return code;
  std::vector<std::string> unused_lines;
  if (!spared.empty()) options.script = spared.apply(options.script, unused_lines);
  for (const std::string& line : unused_lines) std::fprintf(stderr, "unused: %s\n", line.c_str());
  Machine machine(std::move(options));
  ChoiceLog choices;
  if (!sched.choices.empty()) choices.attach(machine);
  FaultTallies faults;
  faults.attach(machine);
  std::FILE* console = json ? stderr : stdout;
  machine.on_output = [console](u32, base::Bytes bytes) { std::fwrite(bytes.data(), 1, bytes.size(), console); };
  Filter events;
  if (!filter.empty()) {
    if (const int code = read_filter(kRunVerb, "--trace", filter, machine, events); code >= 0) return code;
    machine.on_event = [&events](const base::Event& event) {
      if (events.matches(event)) std::fprintf(stderr, "%s\n", describe(event).c_str());
    };
  }
  judge::Judge judge;
  if (!checks.empty()) {
    if (const std::string wrong = judge.invariants().set({}, checks); !wrong.empty()) {
      return usage_error(kRunVerb, "--checks " + checks + ": " + wrong);
    }
  }
  judge.attach(machine);  // a campaign judges too: what it prints must fail here as well
  replay::Recorder recorder;
  if (const int code = start_recording(recorder, machine, record, run); code >= 0) return code;
  if (const std::string error = machine.start(); !error.empty()) return usage_error(kRunVerb, error);
  World& world = machine.world();
  if (header) print_header(run, machine.options().schedule, world);
  contain(world, {});
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  const Outcome outcome = run_pieces(machine, run.until, [&recorder] {
    recorder.sync();
    return interrupted == 0;
  });
  release_containment();
  int code = exit_code(outcome, world);
  if (outcome == Outcome::Ended && code != 0) code = kPropertyFailed;  // a status is the guest's own
  if (interrupted != 0) code = interrupted == SIGINT ? kInterrupted : kTerminated;
  judge.finish(world, world.now());
  const bool blind = machine.options().schedule.blind;
  if (judge.finding()) {
    Finding finding = exact(run, guest, sched, checks, *judge.finding());
    if (blind) label_blind(finding);
    code = print_finding(finding);
  } else if (blind && code != kHeld) {
    std::fprintf(stderr, "blind: with one priority for all threads\n");
  }
  const bool has_failed = code == kPropertyFailed || code == kLivenessFailed || code == kStalled;
  if (has_failed && !faults.excuses().empty()) {
    RunReport failed;
    failed.excuses = faults.excuses();
    failed.finding = judge.finding();
    code = excuse(run, guest, sched, failed, code);
  }
  const base::Digest root = world.finish();
  finish_recording(recorder, outcome, world, root);
  if (const int failed = finish_disks(machine, run.flags.disks.writes_back()); failed >= 0) code = failed;
  report_overrides(machine, world);
  faults.print();
  if (!sched.choices.empty() && !choices.write(sched.choices, world)) {
    std::fprintf(stderr, "orrery: %s: cannot be written\n", sched.choices.c_str());
    if (code == kHeld) code = kUnreadable;
  }
  const std::string limit = until.empty() ? "" : " --until " + until;
  std::fprintf(stderr, "orrery: guest status %u; reproduce with: orrery run %s%s%s%s\n", world.status(),
               quote(run.script_name).c_str(), run.flags.text().c_str(), limit.c_str(), sched.text().c_str());
  if (json) {
    std::printf(
        "{\"digest\":\"%s\",\"events\":%llu,\"exit\":%d,\"schema\":\"orrery.run/1\",\"seed\":%llu,"
        "\"status\":%u,\"tainted\":%s,\"virtual_ns\":%llu}\n",
        text_of(root).c_str(), static_cast<unsigned long long>(world.trace().count()), code,
        static_cast<unsigned long long>(run.flags.seed_value), world.status(), world.tainted() ? "true" : "false",
        static_cast<unsigned long long>(world.now()));
  } else if (digest) {
    std::printf("digest %s\n", text_of(root).c_str());
  }
  if (world.tainted())
    std::fprintf(stderr, "orrery: tainted: a program's undefined behaviour; no digest is promised\n");
  std::fflush(stdout);
  return code;
}

}  // namespace sim::host::cli
