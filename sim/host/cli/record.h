// sim/host/cli/record.h — recording a run or a session: the flags, and where sessions are kept when none is given.
#pragma once
#include "replay/edit.h"
#include "sim/host/cli/cli.h"

namespace sim::host::cli {

struct RecordFlags {
  std::string file;
  std::string digests = "sparse";
  std::string state;
  bool embed = false;   // images of disks, whatever their size
  bool always = false;  // without --record: into the state folder, where sessions are kept for 7 days

  void add_to(CLI::App& app);
  void add_state_to(CLI::App& app);
  /// Empty, or what is wrong.
  std::string check() const;
};

/// Opens the recording of `machine`, which is not started yet, and observes it. −1 to go on, or the exit code when the
/// file asked for cannot be made. A session that was not asked to be recorded goes on with a notice.
int start_recording(replay::Recorder& recorder, Machine& machine, const RecordFlags& flags, const ScriptRun& run);
/// Writes the end; says so on stderr when the recording is not whole.
void finish_recording(replay::Recorder& recorder, Outcome outcome, World& world, base::Digest root);

/// Whether a file begins as recordings do; `-` is none.
bool is_recording(const std::string& path);
/// Where the files are that a recording names: those of `named`, its own folder, the working directory.
replay::DiskFiles files_for(const std::string& recording, std::vector<std::string> named = {});
/// Loads a recording for `verb`: −1 to go on, 8 when nothing of it can be used, 12 when another version or model made it.
/// A damaged end is told on stderr, and what is before it is used.
int load_recording(const Verb& verb, const std::string& path, replay::Recording& recording);

}  // namespace sim::host::cli
