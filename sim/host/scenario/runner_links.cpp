// sim/host/scenario/runner_links.cpp — links between nodes and disks in them, as callbacks see and change them.
#include "sim/host/scenario/runner.h"

namespace sim::host::scenario {
namespace {

std::string refusal(const ActionResult<>& done) {
  if (done.ok()) return {};
  char room[128];
  return std::string(describe(done.error(), room));
}

}  // namespace

bool Runner::link_is_up(u32 link) { return machine_->world().links().at(link).settings.is_up; }

Stage::LinkState Runner::link_state(u32 link) {
  const LinkSettings& settings = machine_->world().links().at(link).settings;
  return {settings.is_up,           settings.latency_ns,  settings.jitter_ns,
          settings.bits_per_second, settings.queue_bytes, settings.mtu};
}

std::string Runner::set_link(u32 link, bool up) {
  LinkSettings settings = machine_->world().links().at(link).settings;
  settings.is_up = up;
  return refusal(machine_->world().set_link(link, settings));
}

std::string Runner::set_latency(u32 link, u64 ns) {
  LinkSettings settings = machine_->world().links().at(link).settings;
  settings.latency_ns = ns;
  return refusal(machine_->world().set_link(link, settings));
}

/// Nodes in no list are a group of their own.
std::string Runner::partition(const std::vector<std::vector<u32>>& groups) {
  std::vector<u8> numbers(program_->plan.nodes.size(), 0);
  u8 number = 1;
  for (const std::vector<u32>& group : groups) {
    for (const u32 node : group) {
      if (numbers[node] != 0) return "partition: node " + program_->plan.nodes[node].name + " stands there twice";
      numbers[node] = number;
    }
    number += 1;
  }
  return refusal(machine_->world().partition(numbers));
}

std::string Runner::heal() { return refusal(machine_->world().heal()); }

// ── Disks ────────────────────────────────────────────────────────────────────────────────────────────────────

Stage::DiskState Runner::disk_state(u32 disk) {
  const Disk& now = machine_->world().disks().at(disk);
  return {.is_plugged = now.is_plugged,
          .is_read_only = now.is_read_only,
          .epoch = now.media_epoch,
          .latency_ns = now.settings.latency_ns,
          .bits_per_second = now.settings.bytes_per_second * 8,
          .cached = now.model.cached(),
          .in_flight = now.model.flying(),
          .reads = now.reads,
          .writes = now.writes,
          .flushes = now.flushes};
}

std::string Runner::set_plugged(u32 disk, bool plugged) {
  World& world = machine_->world();
  return refusal(plugged ? world.plug(disk) : world.unplug(disk));
}

std::string Runner::slow_disk(u32 disk, std::optional<u64> latency_ns, std::optional<u64> bits_per_second) {
  DiskSettings settings = machine_->world().disks().at(disk).settings;
  settings.latency_ns = latency_ns.value_or(settings.latency_ns);
  if (bits_per_second) settings.bytes_per_second = *bits_per_second / 8;
  return refusal(machine_->world().set_disk(disk, settings));
}

}  // namespace sim::host::scenario
