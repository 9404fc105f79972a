// sim/host/cli/boot_compare.h — one plan on the host and on a bare machine: equal, or the first event that differs.
#pragma once
#include "sim/host/cli/boot_machine.h"
#include "sim/host/cli/cli.h"

namespace sim::host::cli {

/// The host's own run of a plan.
struct HostRun {
  std::vector<BareRoot> roots;
  Outcome outcome = Outcome::Ended;
  u32 status = 0;
  u64 events = 0;
  u64 virtual_ns = 0;
  bool tainted = false;
  base::Digest root;
  std::string error;  // no world could be made
};
HostRun run_on_host(const ScriptRun& run, const Guest& guest);

/// A plan as bytes, as `boot` sends it: framed, with epochs; with all events from `from` to `to` when `from` is not 0.
std::string encode(const ScriptRun& run, u64 from = 0, u64 to = 0);

struct Comparison {
  int code = kHeld;    // 0 equal; 4 different; else why there is no answer
  std::string report;  // what to print when the code is not 0
  BareEnd end;
  bool compared = false;  // the machine's roots were held against the host's
};
struct CompareOptions {
  u32 context = 1;
  u64 limit_s = 600;
  std::function<void(base::Bytes)> console;  // what the guest writes, as it comes
};
/// Runs `plan` on the machine. With `host`, each epoch's root is compared as it comes; at the first that differs both runs
/// are repeated with that epoch's events told, and the first different event is named.
Comparison run_on_machine(const BootMachine& machine, const std::string& image, const ScriptRun& run,
                          const std::string& plan, const HostRun* host, const Guest& guest,
                          const CompareOptions& options);

/// `verify --bare`: host and all bare machines that can run here, seed by seed, one line each.
struct BareOptions {
  u64 first_seed = 1;
  u64 last_seed = 1;
  u32 context = 1;
  bool json = false;
};
int verify_bare(ScriptRun& run, const Guest& guest, const BareOptions& options);

/// Whether `machine` can run here: its QEMU and its image. Empty, or what to do about it.
std::string missing_for(const BootMachine& machine, const std::string& image);

}  // namespace sim::host::cli
