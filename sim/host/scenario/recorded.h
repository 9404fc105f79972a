// sim/host/scenario/recorded.h — the scenario that a recording holds, and its run again. Nothing is read from the disk:
// the files are those in the recording.
#pragma once
#include "replay/player.h"
#include "sim/host/scenario/case.h"

namespace sim::host::scenario {

/// A scenario out of a recording, and how its run was asked for.
struct Recorded {
  std::unique_ptr<ScenarioCase> which;
  RunSetup setup;
  std::string error;  // not empty: what is wrong with what the recording holds
};
/// `recording` has a scenario. Errors: a file that is kept as a hash only or has another one, mistakes in the files, files
/// that make another plan than the recorded one.
Recorded case_of(const replay::Recording& recording, std::span<const machine::NativeEntry> entries,
                 const std::string& image);

/// What came of running it again.
struct Rerun {
  RunReport report;
  replay::Replayed replayed;
};
/// Runs `recorded` and holds it against its recording: each milestone, the end, the state there and the verdict. `until`
/// (virtual ns) stops it before; there is no end to compare then. Its observers are called too.
Rerun run_again(Recorded& recorded, const replay::Recording& recording, u64 until = kNever);

}  // namespace sim::host::scenario
