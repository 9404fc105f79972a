// boot/shared/main.cpp — from a machine that has just started to a world that runs: by the plan that lies in memory, or,
// when there is none, live.
#include "base/bytes.h"
#include "base/format.h"
#include "boot/arch.h"
#include "boot/shared/channel.h"
#include "boot/shared/contain.h"
#include "boot/shared/pages.h"
#include "boot/shared/run.h"
#include "boot/shared/status.h"

#include "base/enforce.h"

namespace boot {
namespace {

/// The bytes where a plan would lie, as far as there is RAM; empty when that place is no RAM.
base::Bytes plan_place(const MachineInfo& info) {
  for (u32 i = 0; i < info.ram_count; ++i) {
    const Range& range = info.ram[i];
    if (info.plan_address < range.base || info.plan_address >= range.base + range.bytes) continue;
    const u64 left = range.base + range.bytes - info.plan_address;
    return {reinterpret_cast<const u8*>(info.plan_address), left < sim::kPlanBytesMax ? left : sim::kPlanBytesMax};
  }
  return {};
}

bool holds_something(base::Bytes place) {
  // Memory nothing was loaded to reads as zero; whatever does not is meant to be a plan.
  return place.size() >= sizeof(u64) && base::load_le64(place.data()) != 0;
}

}  // namespace

void boot_main(const MachineInfo& found) {
  MachineInfo info = found;
  const base::Bytes place = plan_place(info);
  const bool has_plan = holds_something(place);
  if (has_plan) ram_cut(info, info.plan_address, place.size());
  pages_start(info);
  arch::mmu_start(found);
  if (!has_plan) run_live(info);
  static constinit sim::PlanStorage storage;  // the machine runs one plan in its life
  const auto plan = sim::decode_plan(place, storage);
  if (!plan.ok()) {
    char what[256];
    char line[320];
    fail(kStatusUnreadable, base::format(line, "orrery: {}\n", sim::describe(plan.error(), what)));
  }
  run_plan(*plan);
}

}  // namespace boot
