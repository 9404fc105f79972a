// sim/host/cli/open_case.h — from a path on the command line to what is run once per seed.
#pragma once
#include "sim/host/case.h"
#include "sim/host/cli/cli.h"

namespace sim::host::cli {

/// A case, or the exit code after what is wrong with it was told on stderr.
struct OpenedCase {
  std::unique_ptr<Case> which;
  int code = kHeld;
  RunSetup setup;  // of a recording: the seed and the overrides it was made with
};

/// Reads what `path` names (- is standard input): a scenario (*.lua), a console script in a world of one node that `flags`
/// shape, or a recording of one (*.orrery), which needs no other file.
/// `faults` strike in a script's runs besides what overrides say; a scenario says itself which may.
OpenedCase open_case(const std::string& path, const MachineFlags& flags, const Guest& guest, const Verb& verb,
                     const FaultFlags& faults = {});

/// A run whose outcome is known before, in a world of the same shape: a script that ends with status 0, or with 1.
/// Null when `flags` are wrong.
std::unique_ptr<Case> canary_case(bool fails, const MachineFlags& flags, const Guest& guest);

}  // namespace sim::host::cli
