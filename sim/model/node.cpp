// sim/model/node.cpp — a node's answers to its kernel and to its programs: fibers, arenas, address translation.
#include "sim/model/node.h"

#include "base/format.h"
#include "kernel-model/vspace.h"
#include "sim/model/world.h"

#include "base/enforce.h"

namespace sim {

using kernel::Ref;
using kernel::Tcb;
using kernel::VSpace;

namespace {

base::EventRecord arena_record(base::EventKind kind, u32 vspace, u64 bytes, u64 total) {
  return {.kind = kind, .object = vspace, .a = bytes, .b = total};
}

}  // namespace

Node::Node(World& world, u32 index, const NodeConfig& config, std::span<Core> cores, std::span<Fiber> fibers,
           std::span<Arena> arenas, std::span<u64> woken_by)
    : world_(world),
      index_(index),
      config_(config),
      cores_(cores),
      fibers_(fibers),
      arenas_(arenas),
      woken_by_(woken_by),
      kernel_(config.ram, world.config().costs,
              base::EventSink{&Node::emit, this, &world.trace().log(), world.trace().leaves_of(index + 1),
                              woken_by.data(), static_cast<u16>(index + 1)},
              *this),
      devices_(world, *this, config, world.seed()) {
  static_assert(kNodesMax < 1000);
  if (config_.name.empty()) config_.name = base::format(number_text_, "{}", number());
}

kernel::BootConfig Node::boot_config(std::span<kernel::DeviceConfig> devices) const {
  u32 count = 0;
  for (const kernel::DeviceConfig& device : kDeviceTable) devices[count++] = device;
  ASSERT(config_.hardware.devices.size() <= kHardwareMax);
  for (u32 i = 0; i < config_.hardware.devices.size(); ++i) devices[count++] = hardware_window(i);
  for (u32 port = 0; port < world_.links().port_count(index_); ++port) devices[count++] = network_window(port);
  for (u32 port = 0; port < world_.disks().port_count(index_); ++port) devices[count++] = disk_window(port);
  return {.node_id = number(),
          .core_count = static_cast<u32>(cores_.size()),
          .stealing = world_.config().stealing,
          .one_level = world_.config().schedule.blind,
          .image = config_.image,
          .devices = devices.first(count),
          .root_stack_bytes = world_.config().root_stack_bytes};
}

base::Result<void, kernel::BootError> Node::check() const {
  kernel::DeviceConfig devices[kDevicesMax];
  return kernel_.check(boot_config(devices));
}

base::Result<void, kernel::BootError> Node::boot(u64 now) {
  for (u16 number = 0; number < cores_.size(); ++number) {
    Core& core = cores_[number];
    core = Core{};
    core.time = now;
    core.global = world_.first_core(index_) + number;
    core.node = static_cast<u16>(index_);
    core.number = number;
  }
  if (has_booted_) __builtin_memset(config_.ram.data(), 0, config_.ram.size());
  has_booted_ = true;
  devices_.reset();
  kernel::DeviceConfig devices[kDevicesMax];
  TRY(kernel_.boot(boot_config(devices)));
  up_ = true;
  return {};
}

void Node::power_off() {
  for (Core& core : cores_) core.timer_entry = kNoEntry;
  devices_.power_off();
  world_.links().power_off(index_);
  for (u64 slot = 0; slot < fibers_.size(); ++slot) {
    if (fibers_[slot].thread_id == 0) continue;
    drop_fiber(fibers_[slot]);
    fibers_[slot] = Fiber{};
    woken_by_[slot] = 0;
  }
  for (Arena& arena : arenas_) {
    if (arena.base != nullptr) machine::arena_release(arena.base, machine::kArenaBytesMax);
    arena = Arena{};
  }
  up_ = false;
}

bool Node::has_entry(u64 number) const { return number < world_.config().entries.size(); }

const machine::NativeEntry& Node::entry(u64 number) const {
  ASSERT(has_entry(number));
  return world_.config().entries[number];
}

void Node::emit(void* context, const base::EventRecord& record) {
  Node& node = *static_cast<Node*>(context);
  node.world_.emit_kernel(node, record);
}

// ── Address spaces ───────────────────────────────────────────────────────────────────────────────────────────

const VSpace* Node::vspace_of(Ref<Tcb> tcb) const {
  const kernel::Cap& cap = kernel_.at(tcb).slots[kernel::kTcbVSpace].cap;
  return cap.type == kernel::CapType::VSpace ? &kernel_.at(Ref<VSpace>{cap.object}) : nullptr;
}

Arena& Node::arena_of(Ref<Tcb> tcb) {
  return arenas_[kernel_.at(tcb).slots[kernel::kTcbVSpace].cap.object >> kernel::kTableBits];
}

u8* Node::arena_pointer(u32 vspace_offset, u64 vaddr, u64 bytes) {
  const Arena& arena = arenas_[vspace_offset >> kernel::kTableBits];
  if (arena.base == nullptr || vaddr < machine::kArenaAddress) return nullptr;
  const u64 offset = vaddr - machine::kArenaAddress;
  if (offset > machine::kArenaBytesMax || bytes > machine::kArenaBytesMax - offset) return nullptr;
  return arena.base + offset;
}

void* Node::host_pointer(Ref<Tcb> tcb, u64 vaddr, u64 bytes, bool for_write) {
  const VSpace* space = vspace_of(tcb);
  if (space == nullptr || bytes == 0 || vaddr + bytes < vaddr) return nullptr;
  const auto access = for_write ? kernel::vspace::Access::Write : kernel::vspace::Access::Read;
  u8* first = nullptr;
  for (u64 done = 0; done < bytes;) {  // one round a page
    const auto found = kernel::vspace::translate(kernel_, *space, vaddr + done, access);
    if (!found.ok() || found->offset >= kernel::kDeviceWindowsStart) return nullptr;
    const bool in_arena = (found->entry & kernel::kEntryArena) != 0;
    u8* at = in_arena ? arena_pointer(kernel_.ref_of(*space).offset, vaddr + done, 1) : kernel_.ram() + found->offset;
    if (at == nullptr) return nullptr;
    if (done == 0) first = at;
    if (at != first + done) return nullptr;
    done += found->bytes_left;
  }
  return first;
}

u32 Node::device_at(Ref<Tcb> tcb, u64 vaddr) {
  const VSpace* space = vspace_of(tcb);
  if (space == nullptr) return ~u32{0};
  const auto found = kernel::vspace::translate(kernel_, *space, vaddr, kernel::vspace::Access::Read);
  if (!found.ok() || (found->entry & kernel::kEntryDevice) == 0) return ~u32{0};
  for (u32 i = 0; i < std::size(kDeviceTable); ++i) {
    const u64 first = kDeviceTable[i].window_offset;
    if (found->offset >= first && found->offset - first < u64{1} << kDeviceTable[i].window_bits) return i;
  }
  for (u32 i = 0; i < config_.hardware.devices.size(); ++i) {
    const kernel::DeviceConfig window = hardware_window(i);
    if (found->offset >= window.window_offset && found->offset - window.window_offset < u64{1} << window.window_bits) {
      return kDeviceCount + i;
    }
  }
  for (u32 port = 0; port < world_.links().port_count(index_); ++port) {
    const kernel::DeviceConfig window = network_window(port);
    if (found->offset >= window.window_offset && found->offset - window.window_offset < u64{1} << window.window_bits) {
      return kNetworkDevices + port;
    }
  }
  for (u32 port = 0; port < world_.disks().port_count(index_); ++port) {
    const kernel::DeviceConfig window = disk_window(port);
    if (found->offset >= window.window_offset && found->offset - window.window_offset < u64{1} << window.window_bits) {
      return kDiskDevices + port;
    }
  }
  return ~u32{0};
}

// ── kernel::MachinePort ──────────────────────────────────────────────────────────────────────────────────────

void Node::mmu_write(u32, u32, u32) {}  // the host has no hardware tables: engines walk the model's

void Node::arena_changed(Ref<VSpace> vspace, u64 vaddr, u64 bytes, bool mapped) {
  Arena& arena = arenas_[vspace.offset >> kernel::kTableBits];
  if (arena.base == nullptr) {
    if (!mapped) return;
    arena.base = machine::arena_reserve(machine::kArenaBytesMax);
    ASSERT(arena.base != nullptr);  // the host's address space holds more arenas than a node holds VSpaces
  }
  u8* at = arena_pointer(vspace.offset, vaddr, bytes);
  if (at == nullptr) return;  // an arena frame outside the arena's range: accounted, never reached
  if (mapped) {
    const bool committed = machine::arena_commit(at, bytes);
    ASSERT(committed);
    arena.bytes += bytes;
    world_.emit_kernel(*this, arena_record(base::EventKind::MemArenaGrow, vspace.offset, bytes, arena.bytes));
  } else {
    // A page table that goes reports its whole span, of which less may have been committed.
    const u64 freed = bytes < arena.bytes ? bytes : arena.bytes;
    machine::arena_decommit(at, bytes);
    arena.bytes -= freed;
    world_.emit_kernel(*this, arena_record(base::EventKind::MemArenaFree, vspace.offset, freed, arena.bytes));
  }
}

void Node::thread_reset(Ref<Tcb> thread) {
  Fiber& fiber = fiber_of(thread);
  drop_fiber(fiber);
  fiber.thread_id = kernel_.at(thread).thread_id;
  woken_by_[thread.offset >> kernel::kTcbBits] = 0;
}

void Node::thread_gone(Ref<Tcb> thread) {
  Fiber& fiber = fiber_of(thread);
  drop_fiber(fiber);
  fiber = Fiber{};
  woken_by_[thread.offset >> kernel::kTcbBits] = 0;
}

void Node::vspace_gone(Ref<VSpace> vspace) {
  Arena& arena = arenas_[vspace.offset >> kernel::kTableBits];
  if (arena.base != nullptr) machine::arena_release(arena.base, machine::kArenaBytesMax);
  arena = Arena{};
}

void Node::checked(u32 property, base::CheckSays says, u64 value) {
  const Ref<Tcb> current = kernel_.core(kernel_.current_core()).current;
  const bool taken = world_.report_check({.node = number(),
                                          .thread = current ? kernel_.at(current).thread_id : 0,
                                          .property = property,
                                          .says = says,
                                          .value = value,
                                          .time = world_.kernel_time(*this)});
  ASSERT(taken);  // the kernel's own macros do not compile for others
}

void Node::irq_armed(u32 line, bool armed) { devices_.line_armed(line, armed, world_.kernel_time(*this)); }

}  // namespace sim
