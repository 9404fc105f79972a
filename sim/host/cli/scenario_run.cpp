// sim/host/cli/scenario_run.cpp — see scenario_run.h.
#include "sim/host/cli/scenario_run.h"

#include <cstdio>

#include "sim/host/excuse.h"
#include "sim/host/judge/judge.h"

namespace sim::host::cli {
namespace {

/// The texts of a setup from flags; −1, or the exit code.
int read_setup(const Verb& verb, const ScenarioRunFlags& flags, RunSetup& setup) {
  setup.seed = parse_seed(flags.seed);
  setup.until = flags.until;
  setup.checks = flags.checks;
  setup.keep_lists = !flags.sched.choices.empty();
  Schedule schedule;
  SparedLines spared;
  if (const int code = flags.sched.read(verb, setup.seed, schedule, spared); code >= 0) return code;
  if (const int code = flags.sched.read_setup(setup); code >= 0) return code;
  if (setup.overrides.empty() && !flags.sched.faults.rules.empty()) setup.overrides = "orrery-overrides 1\n";
  for (const std::string& rule : flags.sched.faults.rules) setup.overrides += "arm " + rule + "\n";
  return -1;
}

std::string json_of(const RunReport& report, const RunSetup& setup) {
  std::string text = "{\"digest\":" + json_string(text_of(report.root)) + ",\"drawn\":" + json_string(report.drawn) +
                     ",\"events\":" + std::to_string(report.events) +
                     ",\"exit\":" + std::to_string(static_cast<int>(report.verdict));
  if (report.finding) {
    const Finding& finding = *report.finding;
    text += ",\"finding\":{\"details\":" + json_string(finding.details) + ",\"kind\":" + json_string(finding.kind) +
            ",\"moment\":" + std::to_string(finding.moment) + ",\"property\":" + json_string(finding.property) +
            ",\"role\":" + json_string(finding.role) + ",\"signature\":" + json_string(finding.signature) +
            ",\"time_ns\":" + std::to_string(finding.time_ns) + "}";
  }
  text += ",\"hits\":[";
  for (u64 i = 0; i < report.hits.size(); ++i) {
    const Hit& hit = report.hits[i];
    text += std::string(i == 0 ? "" : ",") + "{\"count\":" + std::to_string(hit.count) +
            ",\"form\":" + json_string(hit.form) + ",\"name\":" + json_string(hit.name) + "}";
  }
  return text + "],\"schema\":\"orrery.run/1\",\"seed\":" + std::to_string(setup.seed) +
         ",\"tainted\":" + (report.tainted ? "true" : "false") +
         ",\"verdict\":" + json_string(name_of(report.verdict)) +
         ",\"virtual_ns\":" + std::to_string(report.virtual_ns) + "}";
}

}  // namespace

int open_subject(const Context& context, const ScenarioSubject& subject, scenario::Recorded& out) {
  if (subject.recording != nullptr) {
    out = scenario::case_of(*subject.recording, context.guest.entries, context.guest.image);
    if (out.error.empty()) return -1;
    std::fprintf(stderr, "orrery: %s: %s\n", subject.path.c_str(), out.error.c_str());
    return kUnreadable;
  }
  out.which = std::make_unique<scenario::ScenarioCase>(subject.path, context.guest.entries, context.guest.image);
  out.setup.seed = subject.seed;
  for (const std::string& line : out.which->mistakes()) std::fprintf(stderr, "%s\n", line.c_str());
  return out.which->mistakes().empty() ? -1 : kUnreadable;
}

void print_finding(const RunReport& report) {
  const Finding& finding = *report.finding;
  std::fprintf(stderr, "%s  %s %s%s%s   at %s #%llu\n", report.verdict == Verdict::Excused ? "excused" : "FAILED",
               finding.kind.c_str(), finding.property.c_str(), finding.role.empty() ? "" : "   ", finding.role.c_str(),
               seconds(finding.time_ns).c_str(), static_cast<unsigned long long>(finding.moment));
  if (!finding.details.empty()) std::fprintf(stderr, "  %s\n", finding.details.c_str());
}

void show_events(const Verb& verb, const std::string& text, scenario::ScenarioCase& which, Filter& filter, int& code) {
  if (text.empty()) return;
  which.observer.starting = [&verb, &text, &filter, &code](Machine& machine) {
    code = read_filter(verb, "--trace", text, machine, filter);
    if (code >= 0) return;
    machine.on_event = [&filter, before = machine.on_event](const base::Event& event) {
      if (before) before(event);
      if (filter.matches(event)) std::fprintf(stderr, "%s\n", describe(event).c_str());
    };
  };
}

int run_scenario(const Context& context, const Verb& verb, const ScenarioRunFlags& flags) {
  scenario::Recorded subject;
  if (const int code = open_subject(context, {.path = flags.path}, subject); code >= 0) return code;
  const std::unique_ptr<scenario::ScenarioCase>& opened = subject.which;
  RunSetup setup;
  if (const int code = read_setup(verb, flags, setup); code >= 0) return code;
  setup.keep_console = flags.console;
  setup.record = flags.record;
  opened->digests = flags.digests;
  if (flags.bless && !opened->has_goldens())
    return usage_error(verb, "--bless: " + flags.path + " has no s:golden that could be written");
  opened->blesses = flags.bless;
  if (flags.header) {
    std::fprintf(stderr, "orrery %s  scenario %s  seed %llu  plan %s\n%s", std::string(kVersion).c_str(),
                 opened->name().c_str(), static_cast<unsigned long long>(setup.seed), opened->plan_id().c_str(),
                 opened->plan_text().c_str());
  }
  Filter filter;
  int wrong = -1;
  show_events(verb, flags.filter, *opened, filter, wrong);
  RunReport report = opened->run(setup);
  if (wrong >= 0) return wrong;
  if (report.finding && report.finding->kind == "setup") {  // no run was made
    std::fprintf(stderr, "orrery: %s: %s\n", flags.path.c_str(), report.finding->details.c_str());
    return kUnreadable;
  }
  std::FILE* out = flags.json ? stderr : stdout;
  if (!report.console.empty()) std::fwrite(report.console.data(), 1, report.console.size(), out);
  for (const std::string& note : opened->notes()) std::fprintf(stderr, "note  %s\n", note.c_str());
  if (flags.header && !report.drawn.empty()) std::fprintf(stderr, "drawn %s\n", report.drawn.c_str());
  for (const FaultTally& tally : report.faults) {
    std::fprintf(stderr, "fault %s %s: %llu fired, %llu withheld, %llu lessened\n", tally.fault_class.c_str(),
                 tally.target.c_str(), static_cast<unsigned long long>(tally.fired),
                 static_cast<unsigned long long>(tally.withheld), static_cast<unsigned long long>(tally.lessened));
  }
  for (const std::string& line : report.unused) std::fprintf(stderr, "unused  %s\n", line.c_str());
  if (!flags.sched.choices.empty() && !write_choices(flags.sched.choices, setup, report.choices)) {
    std::fprintf(stderr, "orrery: %s: cannot be written\n", flags.sched.choices.c_str());
    if (report.verdict == Verdict::Held) return kUnreadable;
  }
  opened->observer = {};
  opened->blesses = false;
  if (const std::optional<RunSetup> dense = judge::exact_setup(setup, report)) {
    judge::take_exact(opened->run(*dense), report);
  }
  look_for_excuse(*opened, setup, report);
  if (report.finding) print_finding(report);
  std::fprintf(stderr, "orrery: %s: %s, %llu events, %s virtual; reproduce with: orrery %s\n", opened->name().c_str(),
               std::string(name_of(report.verdict)).c_str(), static_cast<unsigned long long>(report.events),
               seconds(report.virtual_ns).c_str(), opened->reproduction(setup).c_str());
  if (flags.json) std::printf("%s\n", json_of(report, setup).c_str());
  if (flags.digest && !flags.json) std::printf("digest %s\n", text_of(report.root).c_str());
  std::fflush(stdout);
  return static_cast<int>(report.verdict);
}

int check_scenario(const Context& context, const std::string& path) {
  scenario::Recorded subject;
  return open_subject(context, {.path = path}, subject);
}

int run_variant(const Context& context, const ScenarioSubject& subject, bool again,
                const std::function<void(Machine&)>& starting, const std::function<void()>& finishing,
                const std::function<void(Machine&, base::Digest root, u64 code)>& finished) {
  scenario::Recorded opened;
  if (const int code = open_subject(context, subject, opened); code >= 0) return code;
  if (again) opened.which->run({.seed = opened.setup.seed + 1});
  opened.which->observer.starting = starting;
  opened.which->observer.finishing = finishing;
  opened.which->observer.finished = [&](Machine& machine, const RunReport& report) {
    finished(machine, report.root, static_cast<u64>(report.verdict));
  };
  const RunReport report = opened.which->run(opened.setup);
  return report.verdict == Verdict::Broken ? kOwnFailure : kHeld;
}

int digest_scenario(const Context& context, const ScenarioSubject& subject,
                    const std::function<void(u64 epoch, u64 events, base::Digest root)>& epoch) {
  scenario::Recorded opened;
  if (const int code = open_subject(context, subject, opened); code >= 0) return code;
  opened.which->observer.starting = [&epoch](Machine& machine) {
    machine.on_epoch = [&epoch, &machine, before = machine.on_epoch](u64 number, base::Digest root) {
      if (before) before(number, root);
      epoch(number, machine.started() ? machine.world().trace().count() : number * kEpochEvents, root);
    };
  };
  if (subject.recording == nullptr) {
    return opened.which->run(opened.setup).verdict == Verdict::Broken ? kOwnFailure : -1;
  }
  const scenario::Rerun rerun = scenario::run_again(opened, *subject.recording);
  if (rerun.replayed.error.empty() && !rerun.replayed.divergence) return -1;
  const std::string what =
      rerun.replayed.divergence ? replay::describe(*rerun.replayed.divergence) : rerun.replayed.error;
  std::fprintf(stderr, "orrery digest: %s: %s\n", subject.path.c_str(), what.c_str());
  return rerun.replayed.divergence ? kNotDeterministic : kUnreadable;
}

}  // namespace sim::host::cli
