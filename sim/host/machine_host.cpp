// sim/host/machine_host.cpp — mapping a world's memory.
#include "sim/host/machine_host.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>

#include "sim/host/contain.h"

namespace sim::host {
namespace {

std::string describe(const ConfigError& error) {
  using enum ConfigError::Code;
  const std::string value = std::to_string(error.value);
  switch (error.code) {
    case NodeCount: return "number of nodes " + value + " is not in 1..64";
    case CoreCount: return "number of cores " + value + " is not in 1..128";
    case RamSize: return "memory of " + value + " bytes is not a multiple of 2M in 16M..3584M";
    case Memory: return "work memory of " + value + " bytes is needed";
    case ImageTooLarge: return "the boot image (" + value + " bytes) does not fit into the node's memory";
    case Boot: return "the kernel refuses to boot (" + value + ")";
    case ClockRate: {
      const std::string ppm = std::to_string(static_cast<i64>(error.value));
      return "node " + std::to_string(error.node) + ": a clock drift of " + ppm + " ppm is not in -1000000..1000000";
    }
    case NodeName: return "the name of node " + std::to_string(error.node) + " has " + value + " bytes; allowed is 63";
    case LinkName:
      return "the name of link " + std::to_string(error.node) + " has " + value + " bytes; allowed is 1..63";
    case LinkCount: return "number of links " + value + " is not in 0..64";
    case LinkNodes: return "link " + std::to_string(error.node) + " joins fewer than two nodes of the world";
    case LinkSettings:
      return "link " + std::to_string(error.node) +
             ": allowed is latency and jitter up to 1h, 1..10^12 bits/s, queue up to 64M, mtu 68..8000";
    case DiskCount: return "number of disks " + value + " is not in 0..64";
    case DiskName:
      return "the name of disk " + std::to_string(error.node) + " has " + value +
             " bytes, or is another disk's; allowed is 1..63";
    case DiskNode: return "disk " + std::to_string(error.node) + " belongs to node " + value + ", which is not there";
    case DiskSize:
      return "disk " + std::to_string(error.node) + " has " + value +
             " bytes; allowed are multiples of 4096 up to 256G";
    case DiskSettings:
      return "disk " + std::to_string(error.node) +
             ": allowed is sector and unit 512 or 4096, latency up to 1h, 1..10^12 bytes/s, depth 1..64, channels "
             "1..16, "
             "cache up to 64M";
    case NodeDisks: return "node " + std::to_string(error.node) + " has " + value + " disks; allowed is 4";
    case NodeLinks: return "at node " + std::to_string(error.node) + " end " + value + " links; allowed is 8";
  }
  return "unknown configuration error";
}

}  // namespace

std::string text_of(base::Digest digest) {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(digest.high),
                static_cast<unsigned long long>(digest.low));
  return text;
}

Machine::~Machine() {
  if (world_ != nullptr) world_->destroy();
  for (const base::MutableBytes ram : ram_) unmap_memory(ram.data(), ram.size());
  if (memory_.data() != nullptr) unmap_memory(memory_.data(), memory_.size());
  for (const base::MutableBytes medium : media_) {
    forget_mapping(medium.data());
    unmap_memory(medium.data(), medium.size());
  }
}

Outcome Machine::run(u64 until) {
  if (until > ran_until_) ran_until_ = until;
  return world_->run(until);
}

namespace {

constexpr u64 kPilotNsMax = 600'000'000'000;  // longer runs are explored in their first ten virtual minutes

bool needs_pilot(const StrategyConfig& config, u64 seed) {
  switch (Explorer::in_force(config, seed)) {
    case Strategy::Walk: return true;
    case Strategy::Pct:
    case Strategy::Few: return config.steps == 0;
    default: return false;
  }
}

}  // namespace

void Machine::make_pilot() {
  MachineOptions plain = options_;
  plain.schedule = Schedule{};
  plain.schedule.on = true;
  plain.schedule.blind = options_.schedule.blind;
  plain.is_shared = false;
  Machine pilot(std::move(plain));
  std::map<u64, u64> counts;
  u64 steps = 0;
  pilot.on_step_ = [&](u64 actor) {
    counts[actor] += 1;
    steps += 1;
  };
  if (!pilot.start().empty()) return;  // as this machine will say itself
  contain(pilot.world(), {.report_assertions = false});
  pilot.run(kPilotNsMax);
  release_containment();
  for (const auto& [actor, count] : counts) pilot_.push_back({actor, count});
  const auto set = [steps](StrategyConfig& config) {
    if (config.steps == 0) config.steps = steps;
  };
  set(options_.schedule.first);
  if (options_.schedule.then) set(*options_.schedule.then);
}

void Machine::set_schedule(WorldConfig& config) {
  Schedule& schedule = options_.schedule;
  config.schedule.blind = schedule.blind;
  if (!schedule.on) return;
  if (needs_pilot(schedule.first, options_.seed) || (schedule.then && needs_pilot(*schedule.then, options_.seed))) {
    make_pilot();
  }
  struct Named {
    Override entry;
    bool is_last;
  };
  std::vector<Named> named;
  for (const ForcedChoice& choice : schedule.forced) {
    named.push_back(
        {{choice.kind, actor_key(choice.actor), choice.ordinal, choice.answer}, &choice == &schedule.forced.back()});
  }
  std::sort(named.begin(), named.end(), [](const Named& left, const Named& right) {
    return std::tie(left.entry.kind, left.entry.actor, left.entry.ordinal) <
           std::tie(right.entry.kind, right.entry.actor, right.entry.ordinal);
  });
  config.schedule.on = true;
  config.schedule.first = schedule.first;
  for (const Named& choice : named) {
    if (choice.is_last && schedule.then) config.schedule.then_after = static_cast<u32>(overrides_.size());
    overrides_.push_back(choice.entry);
  }
  if (schedule.then) {
    config.schedule.then = *schedule.then;
    if (named.empty()) config.schedule.first = *schedule.then;
  }
  config.schedule.overrides = overrides_;
  config.schedule.pilot = pilot_;
  if (on_step_) {
    config.sinks.step = [](void* self, u64 actor) { static_cast<Machine*>(self)->on_step_(actor); };
  }
}

NodeShape MachineOptions::shape(u32 index) const {
  if (!shapes.empty()) return shapes[index];
  return {.cores = cores,
          .ram_bytes = ram_bytes,
          .console = console,
          .script = script,
          .columns = columns,
          .rows = rows,
          .clock = clock};
}

const std::string& MachineOptions::image_of(u32 index) const {
  return shapes.empty() || shapes[index].image.empty() ? image : shapes[index].image;
}

/// Once: a machine that is booted for many runs has read them when the first of these begins.
void Machine::read_services() {
  if (has_services_) return;
  std::vector<std::string_view> images = {options_.image};
  for (const NodeShape& shape : options_.shapes) images.push_back(shape.image);
  services_ = services_of(images);
  has_services_ = true;
}

void Machine::set_faults(WorldConfig& config) {
  const FaultSetup& setup = options_.schedule.faults;
  if (setup.empty()) return;
  for (const ArmedFault& armed : setup.rules) {
    fault_rules_.push_back(armed.rule);
    fault_rules_.back().target = armed.target;
  }
  for (const ForcedFault& forced : setup.forced) {
    fault_overrides_.push_back(forced.entry);
    fault_overrides_.back().target = actor_key(forced.target);
  }
  std::sort(fault_overrides_.begin(), fault_overrides_.end(),
            [](const FaultOverride& left, const FaultOverride& right) {
              return std::tie(left.fault, left.target, left.opportunity) <
                     std::tie(right.fault, right.target, right.opportunity);
            });
  read_services();
  config.faults = {.rules = fault_rules_,
                   .overrides = fault_overrides_,
                   .services = services_.services,
                   .vital = kVitalProcesses,
                   .injects = setup.injects,
                   .last_started = kLastStarted,
                   .budget = setup.budget};
}

void Machine::set_observers(WorldConfig& config) {
  config.sinks.context = this;
  config.script.context = this;
  config.sinks.choice = [](void* self, const ChoiceRecord& record) {
    Machine& machine = *static_cast<Machine*>(self);
    if (record.forced != ~u32{0}) machine.forced_used_ += 1;
    if (machine.on_choice) machine.on_choice(record);
  };
  config.sinks.fault = [](void* self, const InjectRecord& record) {
    Machine& machine = *static_cast<Machine*>(self);
    if (record.forced != ~u32{0}) machine.forced_used_ += 1;
    if (machine.on_fault) machine.on_fault(record);
  };
  if (on_output) {
    config.sinks.console_output = [](void* self, u32 node, base::Bytes bytes) {
      static_cast<Machine*>(self)->on_output(node, bytes);
    };
  }
  if (on_epoch) {
    config.sinks.epoch = [](void* self, u64 epoch, base::Digest root) {
      static_cast<Machine*>(self)->on_epoch(epoch, root);
    };
  }
  if (on_event) {
    config.sinks.event = [](void* self, const base::Event& event) { static_cast<Machine*>(self)->on_event(event); };
  }
  if (on_input) {
    config.sinks.input = [](void* self, const InputRecord& record) { static_cast<Machine*>(self)->on_input(record); };
  }
  if (on_check) {
    config.sinks.checked = [](void* self, const CheckRecord& record) { static_cast<Machine*>(self)->on_check(record); };
  }
  if (on_entered) {
    config.sinks.entered = [](void* self, u32 node) { static_cast<Machine*>(self)->on_entered(node); };
  }
  if (on_action) {
    config.script.action = [](void* self, World& world, u64 id) { static_cast<Machine*>(self)->on_action(world, id); };
  }
  if (on_puppet) {
    config.script.puppet = [](void* self, World& world, const PuppetCall& call, base::MutableBytes order) {
      return static_cast<Machine*>(self)->on_puppet(world, call, order);
    };
  }
}

void Machine::rekey(u64 seed, const Schedule& schedule) {
  options_.seed = seed;
  options_.schedule = schedule;
  WorldConfig config;
  set_schedule(config);
  set_faults(config);
  world_->rekey(seed, config.schedule, config.faults);
}

base::Digest DiskShape::image_digest() const {
  if (!content) return file ? file->digest() : base::Digest{};
  return content->empty() ? base::Digest{} : base::digest_of(base::bytes_of(*content));
}

/// The disks with their memory: pages of nobody that read as zero, and over the first of them what is given.
std::string Machine::make_disks(std::vector<DiskConfig>& configs) {
  for (DiskShape& disk : options_.disks) {
    const std::string name = "disk " + disk.name + ": ";
    if (!disk.content && !disk.file && !disk.image.empty()) {
      std::string error;
      disk.file = DiskImage::open(disk.image, DiskImage::Use::Read, error);
      if (!disk.file) return name + error;
    }
    if (disk.image_bytes() > disk.bytes) {
      return name + disk.image + " has " + std::to_string(disk.image_bytes()) + " bytes, the disk only " +
             std::to_string(disk.bytes);
    }
    u8* medium = disk.bytes == 0 ? nullptr : map_pages(disk.bytes);
    if (medium == nullptr) return name + "no memory for " + std::to_string(disk.bytes) + " bytes";
    media_.push_back({medium, disk.bytes});
    if (disk.content) {
      std::memcpy(medium, disk.content->data(), disk.content->size());
    } else if (disk.file) {
      if (!disk.file->map_over(medium)) return name + disk.image + " cannot be mapped";
      remember_mapping(medium, disk.file->bytes(), *disk.file);
    }
    configs.push_back({.name = disk.name,
                       .node = disk.node,
                       .bytes = disk.bytes,
                       .sector_bytes = disk.sector_bytes,
                       .atomic_bytes = disk.atomic_bytes,
                       .medium = media_.back(),
                       .image = disk.image_digest(),
                       .settings = disk.settings});
  }
  return {};
}

namespace {

/// Puts what its cache still holds on the medium, as a disk does that keeps its power: what a read would give, but for
/// damage, which is the model's and not the file's.
void settle(const DiskModel& model, base::MutableBytes medium) {
  for (u64 unit = 0; unit < model.units(); ++unit) {
    const base::Bytes kept = model.truth(unit);
    if (kept.data() == model.on_medium(unit).data()) continue;
    std::memcpy(medium.data() + unit * model.unit_bytes(), kept.data(), kept.size());
  }
}

}  // namespace

std::string Machine::write_back() {
  for (u32 i = 0; i < options_.disks.size(); ++i) {
    const DiskShape& disk = options_.disks[i];
    if (disk.content || !disk.file || disk.file->use() != DiskImage::Use::WriteBack) continue;
    settle(world_->disks().at(i).model, media_[i]);
    if (std::string what = disk.file->write_back(media_[i]); !what.empty()) return "disk " + disk.name + ": " + what;
  }
  return {};
}

std::string Machine::changed_image() const {
  for (const DiskShape& disk : options_.disks) {
    if (disk.content || !disk.file) continue;
    if (std::string what = disk.file->changed(); !what.empty()) return "disk " + disk.name + ": " + what;
  }
  return {};
}

std::string Machine::start() {
  if (options_.is_shared) read_services();
  std::vector<NodeConfig> nodes;
  for (u32 i = 0; i < options_.node_count(); ++i) shapes_.push_back(options_.shape(i));
  for (u32 i = 0; i < shapes_.size(); ++i) {
    const NodeShape& shape = shapes_[i];
    u8* ram = map_memory(shape.ram_bytes);
    if (ram == nullptr) return "no memory for a node of " + std::to_string(shape.ram_bytes) + " bytes";
    ram_.push_back({ram, shape.ram_bytes});
    nodes.push_back({.cores = shape.cores,
                     .ram = ram_.back(),
                     .image = base::bytes_of(options_.image_of(i)),
                     .console = shape.console,
                     .script = base::bytes_of(shape.script),
                     .columns = shape.columns,
                     .rows = shape.rows,
                     .hardware = i == 0 ? options_.hardware : Hardware{},
                     .name = shape.name,
                     .clock = shape.clock,
                     .boot_at_ns = shape.boot_at_ns});
  }
  std::vector<LinkConfig> links;
  for (const LinkShape& link : options_.links) {
    LinkConfig& made = links.emplace_back(LinkConfig{.name = link.name, .settings = link.settings});
    for (const u32 node : link.joins) {
      if (node < 1 || node > nodes.size()) return "link " + link.name + " joins node " + std::to_string(node);
      made.joins |= u64{1} << (node - 1);
    }
  }
  std::vector<DiskConfig> disks;
  if (std::string wrong = make_disks(disks); !wrong.empty()) return wrong;
  WorldConfig config;
  config.links = links;
  config.disks = disks;
  config.seed = options_.seed;
  config.nodes = nodes;
  config.entries = options_.entries;
  config.costs = options_.costs;
  config.wall_start_ns = options_.wall_start_ns;
  config.is_shared = options_.is_shared;
  set_observers(config);
  if (!options_.is_shared) {
    set_schedule(config);
    set_faults(config);
  }
  const u64 bytes = World::memory_bytes(config);
  u8* memory = map_memory(bytes);
  if (memory == nullptr) return "no work memory";
  memory_ = {memory, bytes};
  if (poison().on) std::memset(memory, poison().fill, bytes);
  const auto made = World::create(config, memory_);
  if (!made.ok()) return describe(made.error());
  world_ = made.value();
  return {};
}

}  // namespace sim::host
