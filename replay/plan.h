// replay/plan.h — the world a recording is of: the machine's options as canonical bytes, and back.
#pragma once
#include "replay/disks.h"

namespace replay {

/// Canonical bytes of a world; the seed is not part of it.
Buffer plan_of(const sim::host::MachineOptions& options);

/// What a recording asks for, checked against the ranges of the machine.
struct PlanRead {
  sim::host::MachineOptions options;  // without images and entries
  std::vector<Sha256> images;         // of each node
  std::vector<Sha256> disk_images;    // of each disk; all zero: blank
  std::string error;                  // empty, or what is wrong
};
PlanRead read_plan(const PlanFrame& plan);

/// The machine of a recording, with `image` (the one built in) or an attached one, and `entries`; images of disks that it
/// does not hold come from `files`. Errors: a text that names the hash of an image that is not at hand, or says that the
/// run is a scenario's, which makes its machine itself.
PlanRead machine_of(const Recording& recording, const std::string& built_in_image,
                    std::span<const machine::NativeEntry> entries, const DiskFiles& files = {});

}  // namespace replay
