// sim/host/machine_host.cpp — mapping a world's memory.
#include "sim/host/machine_host.h"

#include <cstring>

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
}

Outcome Machine::run(u64 until) {
  if (until > ran_until_) ran_until_ = until;
  return world_->run(until);
}

std::string Machine::start() {
  std::vector<NodeConfig> nodes;
  for (u32 i = 0; i < options_.nodes; ++i) {
    u8* ram = map_memory(options_.ram_bytes);
    if (ram == nullptr) return "no memory for a node of " + std::to_string(options_.ram_bytes) + " bytes";
    ram_.push_back({ram, options_.ram_bytes});
    nodes.push_back({.cores = options_.cores,
                     .ram = ram_.back(),
                     .image = base::bytes_of(options_.image),
                     .console = options_.console,
                     .script = base::bytes_of(options_.script),
                     .columns = options_.columns,
                     .rows = options_.rows,
                     .hardware = i == 0 ? options_.hardware : Hardware{}});
  }
  WorldConfig config;
  config.seed = options_.seed;
  config.nodes = nodes;
  config.entries = options_.entries;
  config.costs = options_.costs;
  config.sinks.context = this;
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
