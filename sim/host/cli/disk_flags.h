// sim/host/cli/disk_flags.h — disks of a script's world on the command line: `--disk NAME=SIZE[,KEY=VALUE]...`.
#pragma once
#include <string>
#include <vector>

#include "sim/host/machine_host.h"

namespace CLI {
class App;
}

namespace sim::host::cli {

/// A line of a verb's help, as the text of a macro: help texts are literals.
#define ORRERY_DISK_HELP                                                                                           \
  "  --disk NAME=SIZE[,KEY=VALUE]...  a disk of the node, blank or with image=FILE, a file that no run changes;\n" \
  "                  cache=none|ordered|volatile, latency=TIME, bandwidth=SIZE (a second), queue=N, channels=N,\n" \
  "                  buffer=SIZE (of its cache), sector=512|4096, unit=512|4096, node=1\n"

/// Reads one `--disk`. Empty, or what is wrong, with the flag in front.
std::string parse_disk(const std::string& text, DiskShape& disk);
/// The same as text for `--disk`; what is as by default is left out.
std::string disk_text(const DiskShape& disk);

struct DiskFlags {
  std::vector<std::string> texts;
  std::string write_back;
  std::vector<DiskShape> disks;

  void add_to(CLI::App& app);
  /// Reads the texts into `disks`. Empty, or what is wrong with which.
  std::string check();
  bool writes_back() const { return !write_back.empty(); }
  /// Opens the files that disks hold: −1 to go on, or the exit code after saying which cannot be opened or is too large.
  int open();
  /// As they are written in a reproduction line.
  std::string text() const;
};

/// After a run: −1, or the exit code after saying that a file of a disk was changed by others meanwhile, or, with
/// `writes_back`, which could not be written back.
int finish_disks(Machine& machine, bool writes_back);

}  // namespace sim::host::cli
