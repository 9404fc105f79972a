// sim/host/cli/scenario_replay.cpp — `orrery replay` of a scenario's run: the files, the seed and the schedule are in the
// recording, so the run is made anew from them and held against the recorded digests.
#include <cstdio>

#include "sim/host/cli/scenario_run.h"

namespace sim::host::cli {
namespace {

void print_milestones(scenario::ScenarioCase& which, const replay::Recording& recording) {
  which.observer.starting = [before = which.observer.starting,
                             milestones = recording.all<replay::Milestone>()](Machine& machine) {
    if (before) before(machine);
    machine.on_epoch = [&machine, milestones, next = u64{0}, then = machine.on_epoch](u64 epoch,
                                                                                      base::Digest root) mutable {
      if (then) then(epoch, root);
      if (!machine.started() || next == milestones.size()) return;
      if (machine.world().trace().count() != milestones[next]->sequence) return;
      std::fprintf(stderr, "#%-12llu %s  %s\n", static_cast<unsigned long long>(milestones[next]->sequence),
                   seconds(machine.world().now()).c_str(), text_of(root).c_str());
      next += 1;
    };
  };
}

void print_end(const scenario::Rerun& rerun, const replay::Recording& recording) {
  const RunReport& report = rerun.report;
  const unsigned long long events = report.events;
  const unsigned long long milestones = rerun.replayed.milestones;
  if (rerun.replayed.ended) {
    std::fprintf(stderr, "orrery: equal: %llu events, %llu milestones, end, state and verdict: %s\n", events,
                 milestones, std::string(name_of(report.verdict)).c_str());
  } else {
    std::fprintf(stderr, "orrery: equal as far as it goes: %llu events, %llu milestones; %s\n", events, milestones,
                 recording.end() == nullptr ? "the recording has no end" : "stopped before its end");
  }
  if (report.tainted) std::fprintf(stderr, "orrery: tainted: a program's undefined behaviour was recorded\n");
}

}  // namespace

int replay_scenario(const Context& context, const Verb& verb, const ScenarioSubject& subject,
                    const ScenarioReplayFlags& flags) {
  scenario::Recorded opened;
  if (const int code = open_subject(context, subject, opened); code >= 0) return code;
  opened.setup.keep_console = flags.console;
  Filter filter;
  int wrong = -1;
  show_events(verb, flags.filter, *opened.which, filter, wrong);
  if (flags.milestones) print_milestones(*opened.which, *subject.recording);
  const scenario::Rerun rerun = scenario::run_again(opened, *subject.recording, flags.until);
  if (wrong >= 0) return wrong;
  const RunReport& report = rerun.report;
  std::FILE* out = flags.json ? stderr : stdout;
  std::fwrite(report.console.data(), 1, report.console.size(), out);
  for (const std::string& note : opened.which->notes()) std::fprintf(stderr, "note  %s\n", note.c_str());
  int code = kHeld;
  std::string text;
  if (!rerun.replayed.error.empty()) {
    code = kUnreadable;
    text = rerun.replayed.error;
  } else if (rerun.replayed.divergence) {
    code = kNotDeterministic;
    text = replay::describe(*rerun.replayed.divergence);
  }
  if (code != kHeld) {
    std::fprintf(stderr, "orrery replay: %s: %s\n", subject.path.c_str(), text.c_str());
  } else {
    if (report.finding) print_finding(report);
    print_end(rerun, *subject.recording);
  }
  if (flags.json) {
    std::printf(
        "{\"digest\":\"%s\",\"ended\":%s,\"events\":%llu,\"exit\":%d,\"inputs\":0,\"milestones\":%llu,"
        "\"report\":%s,\"schema\":\"orrery.replay/1\",\"tainted\":%s,\"verdict\":%s,\"virtual_ns\":%llu}\n",
        text_of(report.root).c_str(), rerun.replayed.ended ? "true" : "false",
        static_cast<unsigned long long>(report.events), code,
        static_cast<unsigned long long>(rerun.replayed.milestones), json_string(text).c_str(),
        report.tainted ? "true" : "false", json_string(name_of(report.verdict)).c_str(),
        static_cast<unsigned long long>(report.virtual_ns));
  } else if (flags.digest) {
    std::printf("digest %s\n", text_of(report.root).c_str());
  }
  return code;
}

}  // namespace sim::host::cli
