// sim/model/world.cpp — making a world in given memory, its input, its trace and what reports ask.
#include "sim/model/world.h"

#include "base/enforce.h"

namespace sim {

using base::EventKind;
using kernel::Ref;
using kernel::Tcb;

namespace {

constexpr u32 kSourcePlan = u32{1} << 17;  // the plan, and behind it the power of node i; below it the devices
constexpr u32 kSourceHost = u32{1} << 18;  // host input of node i; above it the cores
constexpr u32 kLinesPerNode = 64;
// Entries at one time and node: each line, the device timer and the console's refill; host input, refused beyond this;
// per core its timer, and pokes under way: a sender makes one an entry (≥ 47 ns) and they travel 1 µs, so at most 22 of
// each other core, and the kernel sends one only where something changed.
constexpr u32 kEntriesPerNode = kLinesPerNode + 4;
constexpr u32 kHostEntriesPerNode = 1024;  // of all nodes together, so that one node's share always suffices
constexpr u32 kEntriesPerCore = 256 + 1;   // and a poke for nothing

u64 round_up(u64 bytes) { return base::align_up(bytes, 64); }

u32 entries_max(const WorldConfig& config) {
  u32 count = static_cast<u32>(config.nodes.size()) + (config.script.action != nullptr ? kPlanEntriesMax : 0);
  for (const NodeConfig& node : config.nodes)
    count += kEntriesPerNode + kHostEntriesPerNode + node.cores * kEntriesPerCore;
  if (config.is_shared || can_strike(config.faults)) count += 2 * kFaultTimedMax + kNodesMax;
  return count + Links::Need(config.links).entries + Disks::entries(config.disks.size());
}

u32 core_total(const WorldConfig& config) {
  u32 count = 0;
  for (const NodeConfig& node : config.nodes) count += node.cores;
  return count;
}

base::Result<void, ConfigError> check(const WorldConfig& config) {
  using Code = ConfigError::Code;
  if (config.nodes.empty() || config.nodes.size() > kNodesMax) {
    return ConfigError{Code::NodeCount, 0, config.nodes.size()};
  }
  for (u32 i = 0; i < config.nodes.size(); ++i) {
    const NodeConfig& node = config.nodes[i];
    if (node.cores < 1 || node.cores > kCoresMax) return ConfigError{Code::CoreCount, i + 1, node.cores};
    const u64 bytes = node.ram.size();
    if (bytes < kernel::kRamBytesMin || bytes > kernel::kRamBytesMax || bytes % kernel::kRamBytesMultiple != 0) {
      return ConfigError{Code::RamSize, i + 1, bytes};
    }
    if (node.name.size() > kNameBytesMax) return ConfigError{Code::NodeName, i + 1, node.name.size()};
    const i64 ppm = node.clock.drift_ppm;
    if (ppm < -kRatePpmMax || ppm > kRatePpmMax) return ConfigError{Code::ClockRate, i + 1, static_cast<u64>(ppm)};
  }
  TRY(Links::check(config));
  return Disks::check(config);
}

base::Digest digest_of_config(const WorldConfig& config) {
  base::D128 digest;
  digest.fold(config.seed);
  digest.fold(config.wall_start_ns);
  digest.fold(config.root_stack_bytes);
  digest.fold(config.stealing ? 1 : 0);
  static_assert(sizeof(kernel::CostTable) % 8 == 0 && std::has_unique_object_representations_v<kernel::CostTable>);
  digest.fold_bytes({reinterpret_cast<const u8*>(&config.costs), sizeof config.costs});
  for (const NodeConfig& node : config.nodes) {
    digest.fold(node.cores);
    digest.fold(node.ram.size());
    digest.fold(static_cast<u64>(node.console));
    digest.fold(u64{node.columns} << 16 | node.rows);
    digest.fold_bytes(node.image);
    digest.fold_bytes(node.script);
    // What a world of plain nodes has not is not folded, so that its digest is what it was without.
    const bool is_plain = node.name.empty() && node.clock == ClockConfig{} && node.boot_at_ns == 0;
    if (is_plain) continue;
    digest.fold_bytes(base::bytes_of(node.name));
    digest.fold(static_cast<u64>(node.clock.skew_ns));
    digest.fold(static_cast<u64>(static_cast<i64>(node.clock.drift_ppm)));
    digest.fold(node.boot_at_ns);
  }
  for (const LinkConfig& link : config.links) {
    digest.fold_bytes(base::bytes_of(link.name));
    const LinkSettings& settings = link.settings;
    digest.fold(link.joins, settings.latency_ns, settings.jitter_ns, settings.bits_per_second,
                u64{settings.queue_bytes} << 32 | settings.mtu, settings.is_up ? 1 : 0);
  }
  for (const DiskConfig& disk : config.disks) {
    digest.fold_bytes(base::bytes_of(disk.name));
    const DiskSettings& settings = disk.settings;
    digest.fold(disk.node, disk.bytes, u64{disk.sector_bytes} << 32 | disk.atomic_bytes, disk.image.high,
                disk.image.low, settings.latency_ns, settings.bytes_per_second,
                u64{settings.queue_depth} << 32 | settings.channels,
                static_cast<u64>(settings.cache) << 32 | settings.cache_bytes);
  }
  return digest.out();
}

base::Prng ties_of(u64 seed) { return {seed, "sched.tie"}; }

/// Hands out pieces of one block; counting first and carving later share this one description.
class Carver {
 public:
  explicit Carver(u8* base) : base_(base) {}
  template <class T>
  std::span<T> take(u64 count) {
    T* first = reinterpret_cast<T*>(base_ + used_);
    used_ += round_up(count * sizeof(T));
    return {first, count};
  }
  u64 used() const { return used_; }

 private:
  u8* base_;
  u64 used_ = 0;
};

}  // namespace

struct World::Memory {
  std::span<World> world;
  std::span<NodeConfig> configs;
  std::span<Node> nodes;
  std::span<Core> cores;
  std::span<u64> busy_times;
  std::span<EventQueue::HeapNode> heap;
  std::span<EventQueue::Slot> slots;
  std::span<base::Event> ring;
  std::span<Trace::Leaf> leaves;
  std::span<Fiber> fibers;  // of all nodes, one after the other
  std::span<Arena> arenas;
  std::span<u64> woken_by;  // as the fibers, by TCB slot
  Links::Memory linked;
  Disks::Memory stored;
  Room room;
  u64 bytes = 0;

  Memory(const WorldConfig& config, u8* base) {
    Carver carver(base);
    u64 ram = 0;
    for (const NodeConfig& node : config.nodes) ram += node.ram.size();
    world = carver.take<World>(1);
    configs = carver.take<NodeConfig>(config.nodes.size());
    nodes = carver.take<Node>(config.nodes.size());
    cores = carver.take<Core>(core_total(config));
    busy_times = carver.take<u64>(core_total(config));
    heap = carver.take<EventQueue::HeapNode>(entries_max(config));
    slots = carver.take<EventQueue::Slot>(entries_max(config));
    ring = carver.take<base::Event>(kRingEvents);
    leaves = carver.take<Trace::Leaf>((config.nodes.size() + 1) * base::kLaneCount);
    fibers = carver.take<Fiber>(ram >> kernel::kTcbBits);
    arenas = carver.take<Arena>(ram >> kernel::kTableBits);
    woken_by = carver.take<u64>(ram >> kernel::kTcbBits);
    const Links::Need need(config.links);
    linked.links = carver.take<Link>(config.links.size());
    linked.ends = carver.take<LinkEnd>(need.ends);
    linked.paths = carver.take<LinkPath>(need.paths);
    linked.frames = carver.take<Frame>(need.frames);
    linked.bytes = carver.take<u8>(u64{need.frames} * need.frame_bytes);
    stored.disks = carver.take<Disk>(config.disks.size());
    const bool has_damage = config.is_shared || can_strike(config.faults);
    for (u32 i = 0; i < config.disks.size() && i < kDisksMax; ++i) {
      const DiskModel::Need model(Disks::shape_of(config.disks[i], has_damage));
      const u64 unit = config.disks[i].atomic_bytes;
      stored.models[i] = {.medium = {},
                          .values = carver.take<DiskValue>(model.values),
                          .table = carver.take<u32>(model.table),
                          .bytes = carver.take<u8>(model.values * unit),
                          .touched = carver.take<u64>(model.touched),
                          .damages = carver.take<DiskDamage>(model.damages),
                          .shadows = carver.take<u8>(model.damages * unit),
                          .history = carver.take<u64>(model.history),
                          .past = carver.take<u8>(model.history * unit)};
    }
    if (config.is_shared || config.schedule.on) {
      room.explorer = carver.take<Explorer>(1);
      room.explored.threads = carver.take<Explorer::Thread>(ram >> kernel::kTcbBits);
      room.explored.cores = carver.take<Explorer::CorePoints>(core_total(config));
      room.explored.lines = carver.take<u64>(config.nodes.size() * kLinesEnd);
      room.explored.names = carver.take<u32>(kNameCounters);
    }
    if (config.is_shared || can_strike(config.faults)) {
      room.faults = carver.take<Faults>(1);
      room.struck.streams = carver.take<Faults::Stream>(kFaultStreamsMax);
      room.struck.table = carver.take<u16>(kFaultTableSize);
    }
    bytes = carver.used();
  }
};

u64 World::memory_bytes(const WorldConfig& config) { return Memory(config, nullptr).bytes; }

World::World(const WorldConfig& config, const Memory& memory)
    : config_(config),
      config_digest_(digest_of_config(config)),
      node_configs_(memory.configs),
      nodes_(memory.nodes),
      cores_(memory.cores),
      busy_times_(memory.busy_times),
      queue_(memory.heap, memory.slots),
      links_(*this, config, memory.linked),
      disks_(*this, config, memory.stored),
      trace_(memory.ring, memory.leaves),
      ties_(ties_of(config.seed)),
      room_(memory.room) {
  trace_.observe(config.sinks.context, config.sinks.event, config.sinks.epoch);
}

base::Result<World*, ConfigError> World::create(const WorldConfig& config, base::MutableBytes memory) {
  TRY(check(config));
  ASSERT(base::is_aligned(reinterpret_cast<u64>(memory.data()), 64));
  const Memory parts(config, memory.data());
  if (memory.size() < parts.bytes) return ConfigError{ConfigError::Code::Memory, 0, parts.bytes};
  // The memory may hold anything, so every element is made.
  for (Trace::Leaf& leaf : parts.leaves) new (&leaf) Trace::Leaf;
  for (Fiber& fiber : parts.fibers) new (&fiber) Fiber;
  for (Arena& arena : parts.arenas) new (&arena) Arena;
  for (u64& sequence : parts.woken_by) sequence = 0;
  for (Core& core : parts.cores) new (&core) Core;
  for (u64& time : parts.busy_times) time = kNever;
  for (EventQueue::Slot& slot : parts.slots) new (&slot) EventQueue::Slot{};
  for (u32 i = 0; i < config.nodes.size(); ++i) new (&parts.configs[i]) NodeConfig(config.nodes[i]);
  for (Explorer::Thread& thread : parts.room.explored.threads) new (&thread) Explorer::Thread;
  for (Explorer::CorePoints& points : parts.room.explored.cores) new (&points) Explorer::CorePoints;
  for (u64& ordinal : parts.room.explored.lines) ordinal = 0;
  for (u32& seen : parts.room.explored.names) seen = 0;
  for (Faults::Stream& stream : parts.room.struck.streams) new (&stream) Faults::Stream;
  for (u16& place : parts.room.struck.table) place = 0;
  World* world = new (parts.world.data()) World(config, parts);
  world->config_.nodes = parts.configs;
  u64 fiber_at = 0;
  u64 arena_at = 0;
  u32 core_at = 0;
  for (u32 i = 0; i < config.nodes.size(); ++i) {
    const NodeConfig& node = config.nodes[i];
    const u64 fiber_count = node.ram.size() >> kernel::kTcbBits;
    const u64 arena_count = node.ram.size() >> kernel::kTableBits;
    world->first_cores_[i] = core_at;
    new (&parts.nodes[i])
        Node(*world, i, node, parts.cores.subspan(core_at, node.cores), parts.fibers.subspan(fiber_at, fiber_count),
             parts.arenas.subspan(arena_at, arena_count), parts.woken_by.subspan(fiber_at, fiber_count));
    fiber_at += fiber_count;
    arena_at += arena_count;
    core_at += node.cores;
  }
  if (!config.is_shared) {
    if (config.schedule.on) world->explore(config.schedule);
    if (can_strike(config.faults)) world->arm(config.faults);
  }
  const auto booted = world->start();
  if (!booted.ok()) {
    const ConfigError error = booted.error();
    world->destroy();
    return error;
  }
  return world;
}

void World::explore(const ScheduleConfig& schedule) {
  explorer_ = new (room_.explorer.data()) Explorer(schedule, room_.explored,
                                                   {.nodes = nodes_,
                                                    .cores = cores_,
                                                    .busy_times = busy_times_,
                                                    .fibers = nodes_[0].fibers().data(),
                                                    .trace = &trace_,
                                                    .sinks = &config_.sinks,
                                                    .seed = config_.seed});
}

void World::arm(const FaultPlan& plan) {
  faults_ = new (room_.faults.data()) Faults(plan, room_.struck, *this);
  for (Node& node : nodes_) node.kernel().set_fast_path(!faults_->strikes_kernel());
}

void World::rekey(u64 seed, const ScheduleConfig& schedule, const FaultPlan& faults) {
  ASSERT(config_.is_shared && explorer_ == nullptr && faults_ == nullptr && !finished_);
  config_.is_shared = false;  // once
  config_.seed = seed;
  emit(0, now_, {.kind = EventKind::WorldRekey, .a = seed});
  ties_ = ties_of(seed);
  links_.rekey(seed);
  disks_.rekey(seed);
  for (Node& node : nodes_) node.devices().rekey(seed);
  if (schedule.on) explore(schedule);
  if (!can_strike(faults)) return;
  arm(faults);
  for (Node& node : nodes_) {
    if (node.is_up()) faults_->ledger().note_entry(node.number(), faults.last_started);
  }
  faults_->begin();
}

base::Result<void, ConfigError> World::start() {
  emit(0, 0, {.kind = EventKind::WorldStart, .a = nodes_.size(), .b = cores_.size(), .c = config_.seed});
  for (Node& node : nodes_) {
    const u64 boot_at_ns = node_configs_[node.index()].boot_at_ns;
    const auto booted = boot_at_ns == 0 ? power_up(node, now_) : node.check();
    if (!booted.ok()) {
      const bool image = booted.error().code == kernel::BootError::Code::ImageTooLarge;
      return ConfigError{image ? ConfigError::Code::ImageTooLarge : ConfigError::Code::Boot, node.number(),
                         booted.error().value};
    }
    if (boot_at_ns == 0 || boot_at_ns == kNever) continue;
    push_plan({.order = order_of(EntryClass::Plan, kSourcePlan + 1 + node.index(), 1),
               .node = static_cast<u16>(node.index()),
               .action = Action::NodeBoot},
              boot_at_ns);
  }
  if (faults_ != nullptr) faults_->begin();
  return {};
}

void World::destroy() {
  for (Node& node : nodes_) node.power_off();
  running = Running{};
}

// ── Events ───────────────────────────────────────────────────────────────────────────────────────────────────

u64 World::emit(u32 node, u64 time, const base::EventRecord& record, u64 cause) {
  const u32 lane = static_cast<u32>(base::kLanes.of(record.kind));
  return trace_.log().append({.time_ns = time,
                              .word1 = base::place_word(node, record.core) + base::kind_word(record.kind, record.flags),
                              .word2 = base::subject_word(record.thread, record.object),
                              .a = record.a,
                              .b = record.b,
                              .c = record.c,
                              .cause = cause},
                             trace_.leaves_of(node)[lane]);
}

void World::emit_kernel(Node& node, const base::EventRecord& record) {
  emit(node.number(), kernel_time(node), record, trace_.log().cause);
}

u32 World::declare_check(CheckRecord record) {
  for (const char c : record.name) {
    if (c <= ' ' || c > '~') return kNoProperty;
  }
  if (record.name.empty() || record.name.size() > base::kPropertyNameMax) return kNoProperty;
  for (u32 i = 0; i < base::kPropertyCount; ++i) {
    if (base::kProperties[i].name == record.name) return base::kProperties[i].form == record.form ? i : kNoProperty;
  }
  for (u32 i = 0; i < declared_count_; ++i) {
    const DeclaredProperty& known = declared_[i];
    if (std::string_view(known.name, known.length) != record.name) continue;
    return known.form == record.form ? base::kPropertyCount + i : kNoProperty;
  }
  if (declared_count_ == base::kDeclaredPropertiesMax) return kNoProperty;
  DeclaredProperty& made = declared_[declared_count_];
  made.form = record.form;
  made.length = static_cast<u8>(record.name.size());
  record.name.copy(made.name, record.name.size());
  record.property = base::kPropertyCount + declared_count_;
  record.declares = true;
  declared_count_ += 1;
  if (config_.sinks.checked != nullptr) config_.sinks.checked(config_.sinks.context, record);
  return record.property;
}

bool World::report_check(CheckRecord record) {
  if (record.property < base::kPropertyCount) {
    record.form = base::kProperties[record.property].form;
    record.name = base::kProperties[record.property].name;
  } else {
    if (record.property >= base::kPropertyCount + declared_count_) return false;
    const DeclaredProperty& declared = declared_[record.property - base::kPropertyCount];
    record.form = declared.form;
    record.name = {declared.name, declared.length};
  }
  if (!base::fits(record.form, record.says)) return false;
  u64& word = checks_hit_[record.property / 64];
  const u64 bit = u64{1} << record.property % 64;
  const bool failed = record.says == base::CheckSays::Failed;
  if (failed || (word & bit) == 0) {
    emit(record.node, record.time,
         {.kind = failed ? EventKind::CheckFailed : EventKind::CheckHit,
          .thread = record.thread,
          .a = record.property,
          .b = record.value});
  }
  if (!failed) word |= bit;
  if (config_.sinks.checked != nullptr) config_.sinks.checked(config_.sinks.context, record);
  return true;
}

// ── Input ────────────────────────────────────────────────────────────────────────────────────────────────────

u64 World::input_time(u64 wanted) const {
  u64 reached = now_ > wanted ? now_ : wanted;
  for (const u64 time : busy_times_) {
    if (time != kNever && time > reached) reached = time;
  }
  return (reached / kInputTickNs + 1) * kInputTickNs;
}

u64 World::console_input(u32 node_number, base::Bytes bytes, u64 time) {
  Node& node = nodes_[node_number - 1];
  if (host_entries_ >= kHostEntriesPerNode) return 0;
  const u64 taken = node.devices().stage_input(bytes);
  if (taken == 0) return 0;
  push_host({.time = time, .argument = taken, .action = Action::ConsoleInput}, node);
  tell_input({.kind = InputRecord::Kind::ConsoleBytes,
              .node = node_number,
              .time = time,
              .bytes = bytes.first(taken),
              .secret = node.devices().input_is_hidden()});
  return taken;
}

void World::console_hangup(u32 node_number, u64 time) {
  if (host_entries_ >= kHostEntriesPerNode) return;
  push_host({.time = time, .action = Action::ConsoleHangup}, nodes_[node_number - 1]);
  tell_input({.kind = InputRecord::Kind::ConsoleHangup, .node = node_number, .time = time});
}

void World::console_size(u32 node_number, u16 columns, u16 rows, u64 time) {
  if (host_entries_ >= kHostEntriesPerNode) return;
  const u64 size = u64{columns} << 16 | rows;
  push_host({.time = time, .argument = size, .action = Action::ConsoleSize}, nodes_[node_number - 1]);
  tell_input({.kind = InputRecord::Kind::ConsoleSize, .node = node_number, .time = time, .value = size});
}

void World::expect_silence(u64 heartbeat, u32 thread_id) {
  running.silent_at = heartbeat;
  running.silent_thread = thread_id;
}

void World::push_plan(QueueEntry entry, u64 time) {
  plan_entries_ += 1;
  entry.time = time;
  push(entry);
}

ActionResult<> World::at(u64 time, u64 id) {
  ASSERT(config_.script.action != nullptr);
  if (time < now_) return ActionError{ActionError::Code::InThePast, 0, time, now_};
  if (time == kNever) return ActionError{ActionError::Code::OutOfRange, 0, time, kNever - 1};
  if (plan_entries_ >= kPlanEntriesMax)
    return ActionError{ActionError::Code::PlanFull, 0, plan_entries_, kPlanEntriesMax};
  plan_counter_ += 1;
  push_plan(
      {.order = order_of(EntryClass::Plan, kSourcePlan, plan_counter_), .argument = id, .action = Action::PlanCall},
      time);
  return {};
}

void World::push_host(QueueEntry entry, Node& node) {
  host_counter_ += 1;
  host_entries_ += 1;
  entry.order = order_of(EntryClass::Input, kSourceHost + node.index(), host_counter_);
  entry.node = static_cast<u16>(node.index());
  push(entry);
}

// ── Reports ──────────────────────────────────────────────────────────────────────────────────────────────────

ThreadInfo World::thread_info(Node& node, Ref<Tcb> tcb) {
  const Tcb& thread = node.kernel().at(tcb);
  u64 length = 0;
  while (length < sizeof thread.name && thread.name[length] != 0) ++length;
  return {node.number(), thread.thread_id, {thread.name, length}, thread.state, thread.blocked_on};
}

u32 World::blocked_threads(std::span<ThreadInfo> out) {
  u32 count = 0;
  for (Node& node : nodes_) {
    for (u32 slot = 0; slot < node.fibers().size() && count < out.size(); ++slot) {
      if (node.fibers()[slot].thread_id == 0) continue;
      const ThreadInfo info = thread_info(node, Ref<Tcb>{slot << kernel::kTcbBits});
      if (info.state == kernel::ThreadState::Inactive) continue;
      out[count] = info;
      count += 1;
    }
  }
  return count;
}

base::Digest World::finish() {
  ASSERT(!finished_);
  finished_ = true;
  emit(0, now_, {.kind = EventKind::WorldEnd, .a = status_, .b = stalled_ ? 1u : 0u});
  return trace_.finish();
}

}  // namespace sim
