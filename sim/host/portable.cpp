// sim/host/portable.cpp — see portable.h.
#include "sim/host/portable.h"

#include <memory>
#include <vector>

#include "sim/host/schedule.h"

namespace sim::host {
namespace {

std::string why_not(const WorldConfig& config) {
  if (config.nodes.size() != 1)
    return "it has " + std::to_string(config.nodes.size()) + " nodes, a bare machine runs one";
  const NodeConfig& node = config.nodes[0];
  if (!config.links.empty()) return "it has links";
  if (config.script.action != nullptr || config.script.puppet != nullptr)
    return "its plan has code that acts on the run";
  if (node.console != ConsoleKind::Script) return "its console is not scripted";
  if (node.boot_at_ns != 0) return "its node is off at the start";
  if (!node.name.empty()) return "its node has a name";
  if (!node.hardware.devices.empty()) return "its node has devices of the host";
  return {};
}

/// The disks of the plan, their content read from files into `contents`. Empty, or which is not portable.
std::string take_disks(const MachineOptions& options, std::vector<std::string>& contents,
                       std::vector<PlanDisk>& disks) {
  contents.reserve(options.disks.size());  // views of them are kept
  for (const DiskShape& shape : options.disks) {
    const u64 bytes = shape.image_bytes();
    if (bytes > kPortableImageBytesMax) {
      return "disk " + shape.name + " holds an image of " + std::to_string(bytes) + " bytes, and a plan takes " +
             std::to_string(kPortableImageBytesMax);
    }
    std::string& content = contents.emplace_back(bytes, '\0');
    if (shape.content) {
      content = *shape.content;
    } else if (bytes > 0 && !shape.file->read(0, {reinterpret_cast<u8*>(content.data()), bytes})) {
      return "disk " + shape.name + ": " + shape.file->path() + " cannot be read";
    }
    disks.push_back({{.name = shape.name,
                      .node = shape.node,
                      .bytes = shape.bytes,
                      .sector_bytes = shape.sector_bytes,
                      .atomic_bytes = shape.atomic_bytes,
                      .medium = {},
                      .image = {},
                      .settings = shape.settings},
                     base::bytes_of(content)});
  }
  return {};
}

std::string text_of(const PlanError& error) {
  char text[256];
  return std::string(describe(error, text));
}

}  // namespace

PortablePlan portable_plan(const MachineOptions& options, const World& world) {
  const WorldConfig& config = world.config();
  if (const std::string reason = why_not(config); !reason.empty()) return {{}, "not portable: " + reason};
  const NodeConfig& node = config.nodes[0];
  const std::string note = options.schedule.says_anything() ? text_of(options.schedule) : "";
  Plan plan;
  plan.seed = config.seed;
  plan.ram_bytes = node.ram.size();
  plan.cores = node.cores;
  plan.wall_start_ns = config.wall_start_ns;
  plan.root_stack_bytes = config.root_stack_bytes;
  plan.stealing = config.stealing;
  plan.framed = true;
  plan.epochs = true;
  plan.costs = config.costs;
  plan.script = node.script;
  plan.clock = node.clock;
  plan.schedule = config.schedule;
  plan.faults = config.faults;
  plan.note = note;
  std::vector<std::string> contents;
  std::vector<PlanDisk> disks;
  if (const std::string wrong = take_disks(options, contents, disks); !wrong.empty()) {
    return {{}, "not portable: " + wrong};
  }
  plan.disks = disks;
  if (const auto checked = check_plan(plan); !checked.ok()) return {{}, text_of(checked.error())};
  std::string bytes(plan_bytes(plan), '\0');
  encode_plan(plan, {reinterpret_cast<u8*>(bytes.data()), bytes.size()});
  return {std::move(bytes), {}};
}

std::string with_events(std::string plan, u64 from, u64 to) {
  set_plan_events({reinterpret_cast<u8*>(plan.data()), plan.size()}, from, to);
  return plan;
}

std::string read_portable(std::string_view bytes, MachineOptions& options) {
  const auto storage = std::make_unique<PlanStorage>();
  const auto plan = decode_plan(base::bytes_of(bytes), *storage);
  if (!plan.ok()) return text_of(plan.error());
  if (!plan->stealing || plan->root_stack_bytes != WorldConfig{}.root_stack_bytes) {
    return "the plan has a setting this build does not offer";
  }
  options.seed = plan->seed;
  options.cores = plan->cores;
  options.ram_bytes = plan->ram_bytes;
  options.console = ConsoleKind::Script;
  options.script = base::text_of(plan->script);
  options.costs = plan->costs;
  options.wall_start_ns = plan->wall_start_ns;
  options.clock = plan->clock;
  for (const PlanDisk& disk : plan->disks) {
    DiskShape& shape = options.disks.emplace_back();
    shape.name = disk.config.name;
    shape.bytes = disk.config.bytes;
    shape.sector_bytes = disk.config.sector_bytes;
    shape.atomic_bytes = disk.config.atomic_bytes;
    shape.settings = disk.config.settings;
    if (!disk.content.empty()) shape.content = std::make_shared<const std::string>(base::text_of(disk.content));
  }
  if (plan->note.empty()) return {};
  const std::string wrong = parse_schedule(plan->note, options.schedule);
  options.schedule.on = plan->schedule.on;  // a note may hold nothing but faults
  return wrong.empty() ? wrong : "the plan's note: " + wrong;
}

}  // namespace sim::host
