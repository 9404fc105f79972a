// sim/host/cli/boot_compare.h — one plan on the host and on a bare machine: equal, or the first event that differs.
#pragma once
#include "sim/host/cli/boot_machine.h"
#include "sim/host/cli/cli.h"
#include "sim/host/portable.h"

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
  std::string plan;   // for a machine
  std::string error;  // no world could be made, or none that a machine can run
};
HostRun run_on_host(const MachineOptions& options);
/// Makes the world only, for its plan.
PortablePlan plan_of(const MachineOptions& options);

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
/// What is compared: how reports call it, the host's world and its plan.
struct Compared {
  std::string title;
  const MachineOptions& options;
  const std::string& plan;
};
/// Runs the plan on the machine. With `host`, each epoch's root is compared as it comes; at the first that differs both runs
/// are repeated with that epoch's events told, and the first different event is named.
Comparison run_on_machine(const BootMachine& machine, const std::string& image, const Compared& what,
                          const HostRun* host, const CompareOptions& options);

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
