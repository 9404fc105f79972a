// sim/host/cli/open_case.cpp — see open_case.h.
#include "sim/host/cli/open_case.h"

#include <cstdio>

#include "sim/host/cli/record.h"
#include "sim/host/cli/scenario_run.h"
#include "sim/host/cli/script_case.h"

namespace sim::host::cli {
namespace {

constexpr std::string_view kRecordingSuffix = ".orrery";

std::string size_text(u64 bytes) {
  return bytes % (u64{1} << 20) == 0 ? std::to_string(bytes >> 20) + "M" : std::to_string(bytes);
}

OpenedCase open_recording(const std::string& path, const Guest& guest, const Verb& verb) {
  replay::Recording recording;
  if (const int code = load_recording(verb, path, recording); code >= 0) return {nullptr, code, {}};
  const auto refuse = [&path](const std::string& why, int code) {
    std::fprintf(stderr, "orrery: %s: %s\n", path.c_str(), why.c_str());
    return OpenedCase{nullptr, code, {}};
  };
  if (recording.scenario() != nullptr) {
    scenario::Recorded recorded = scenario::case_of(recording, guest.entries, guest.image);
    if (!recorded.error.empty()) return refuse(recorded.error, kUnreadable);
    return {std::move(recorded.which), kHeld, std::move(recorded.setup)};
  }
  replay::PlanRead plan = replay::machine_of(recording, guest.image, guest.entries, files_for(path));
  if (!plan.error.empty()) return refuse(plan.error, kUnreadable);
  if (plan.options.nodes != 1 || plan.options.console != ConsoleKind::Script ||
      !recording.all<replay::Input>().empty()) {
    return refuse("it is no recording of a scenario or a console script", kUnsupported);
  }
  ScriptRun run;
  run.flags.cores = std::to_string(plan.options.cores);
  run.flags.memory = size_text(plan.options.ram_bytes);
  run.flags.seed = std::to_string(recording.header().seed);
  for (const DiskShape& disk : plan.options.disks) run.flags.disks.texts.push_back(disk_text(disk));
  if (const std::string wrong = run.flags.check(); !wrong.empty()) return refuse(wrong, kUnreadable);
  run.flags.disks.disks = plan.options.disks;  // with what they hold
  run.script = plan.options.script;
  run.script_name = recording.header().sources.empty() ? path : recording.header().sources.front();
  Guest own = guest;
  own.image = plan.options.image;
  OpenedCase opened{std::make_unique<ScriptCase>(std::move(run), std::move(own)), kHeld, {}};
  opened.setup.seed = recording.header().seed;
  for (const replay::Overrides* overrides : recording.all<replay::Overrides>())
    opened.setup.overrides = overrides->text;
  return opened;
}

}  // namespace

OpenedCase open_case(const std::string& path, const MachineFlags& flags, const Guest& guest, const Verb& verb,
                     const FaultFlags& faults) {
  if (path.ends_with(kRecordingSuffix)) return open_recording(path, guest, verb);
  if (is_scenario(path)) {
    if (!faults.rules.empty() || !faults.swarm.empty()) {
      return {nullptr,
              usage_error(verb, "--fault and --swarm are for scripts: " + path + " says itself what may strike"),
              {}};
    }
    if (!flags.disks.texts.empty()) {
      return {nullptr, usage_error(verb, "--disk is for scripts: " + path + " says itself which disks there are"), {}};
    }
    auto opened = std::make_unique<scenario::ScenarioCase>(path, guest.entries, guest.image);
    for (const std::string& line : opened->mistakes()) std::fprintf(stderr, "%s\n", line.c_str());
    if (!opened->mistakes().empty()) return {nullptr, kUnreadable, {}};
    return {std::move(opened), kHeld, {}};
  }
  ScriptRun run;
  run.flags = flags;
  run.script_name = path;
  run.faults = faults;
  FaultSetup setup;
  if (const std::string wrong = faults.read(0, setup); !wrong.empty()) return {nullptr, usage_error(verb, wrong), {}};
  Guest own = guest;
  if (const int code = prepare(run, own, verb); code >= 0) return {nullptr, code, {}};
  return {std::make_unique<ScriptCase>(std::move(run), std::move(own)), kHeld, {}};
}

std::unique_ptr<Case> canary_case(bool fails, const MachineFlags& flags, const Guest& guest) {
  ScriptRun run;
  run.flags = flags;
  run.script = fails ? "exit 1\n" : "exit 0\n";
  run.script_name = "canary";
  Guest own = guest;
  // Flags and image are those of the case, which were found good.
  if (!run.flags.check().empty() || load_image(run.flags.image, own.image) >= 0) return nullptr;
  return std::make_unique<ScriptCase>(std::move(run), std::move(own));
}

}  // namespace sim::host::cli
