// sim/host/portable.h — worlds that a bare machine can run: one node without a name, with a scripted console and the
// built-in image, no links, disks that are blank or have small images, and no code of a plan that runs while the world does.
#pragma once
#include <string>

#include "sim/host/machine_host.h"
#include "sim/model/plan.h"

namespace sim::host {

/// What a disk may hold at the start, for a plan to carry it: half of what a plan can be.
constexpr u64 kPortableImageBytesMax = kPlanBytesMax / 2;

/// A plan that did not become bytes, or bytes that did not become a plan.
struct PortablePlan {
  std::string bytes;
  std::string error;  // empty, or why not
};
/// The plan of a world that has been made of `options`, in frames and with epochs (plan.h).
PortablePlan portable_plan(const MachineOptions& options, const World& world);
/// The same plan with the events from `from` to `to` asked for.
std::string with_events(std::string plan, u64 from, u64 to);

/// Options of the machine that a plan describes; without image and entries. Empty, or why it cannot be run here.
std::string read_portable(std::string_view plan, MachineOptions& options);

}  // namespace sim::host
