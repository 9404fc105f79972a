// sim/host/cli/open_case.h — from a path on the command line to what is run once per seed.
#pragma once
#include "sim/host/case.h"
#include "sim/host/cli/cli.h"

namespace sim::host::cli {

/// A case, or the exit code after what is wrong with it was told on stderr.
struct OpenedCase {
  std::unique_ptr<Case> which;
  int code = kHeld;
};

/// Reads what `path` names (- is standard input): a console script in a world of one node that `flags` shape.
OpenedCase open_case(const std::string& path, const MachineFlags& flags, const Guest& guest, const Verb& verb);

}  // namespace sim::host::cli
