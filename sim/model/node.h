// sim/model/node.h — one node: its memory and kernel, its cores, its native threads and arenas, its devices.
#pragma once
#include "kernel-model/kernel.h"
#include "sim/model/devices.h"
#include "sim/model/native.h"

namespace sim {

constexpr u32 kRegisterPc = 0;  // registers as the kernel stores them: pc, x1–x31, …
constexpr u32 kRegisterSp = 2;
constexpr u32 kRegisterA0 = 10;

enum class CorePhase : u8 {
  Idle,
  Boot,    // its first entry
  Run,     // its thread runs user code next
  Trap,    // its thread's call is pending at the core's time
  Fault,   // its thread's fault is pending
  Expiry,  // its run time is used up
};

struct Core {
  u64 time = 0;        // local time, ns; of an idle core: when it went idle
  u64 run_end = 0;     // end of the grant
  u64 timer = 0;       // own timer as the kernel last said; 0 none
  u64 counter = 0;     // of queue entries made by this core
  u64 cause = 0;       // sequence of the event that brought the core where it is
  u64 busy_ns = 0;     // spent in programs
  u64 irqs[4] = {};    // lines whose interrupts arrived and were not entered yet
  u64 slow_until = 0;  // faults: programs take slow_factor times as long before
  u64 slow_factor = 1;
  u64 cut_percent = 0;    // faults: the next entry cuts the running thread's budget to it
  u32 resumes_id = 0;     // faults: a thread that the next entry resumes
  bool suspends = false;  // faults: the next call stops its thread
  kernel::Ref<kernel::Tcb> current;
  u32 current_id = 0;  // thread_id of `current` when it was dispatched: another core may have deleted it since
  u32 timer_entry = ~u32{0};
  u32 global = 0;  // index among the cores of all nodes
  u16 node = 0;    // index of its node
  u16 number = 0;  // within the node
  CorePhase phase = CorePhase::Idle;
  bool poke = false;
  bool timer_due = false;
  bool has_interrupt = false;  // any of poke, timer_due and irqs
  void note_interrupts() { has_interrupt = poke || timer_due || (irqs[0] | irqs[1] | irqs[2] | irqs[3]) != 0; }
};

class World;

class Node final : public kernel::MachinePort {
 public:
  Node(World& world, u32 index, const NodeConfig& config, std::span<Core> cores, std::span<Fiber> fibers,
       std::span<Arena> arenas, std::span<u64> woken_by);

  /// Whether `boot` can work.
  base::Result<void, kernel::BootError> check() const;
  /// Lays out the kernel on memory, which is zeroed first unless this is the first time.
  base::Result<void, kernel::BootError> boot(u64 now);
  /// Power off: every fiber and arena is dropped. Its entries have been taken out of the queue.
  void power_off();

  u32 index() const { return index_; }
  u32 number() const { return index_ + 1; }  // as events write it; 0 is the world itself
  bool is_up() const { return up_; }
  /// Down because it halted, not because the plan keeps it off.
  bool has_halted() const { return halted_; }
  void set_halted(bool halted) { halted_ = halted; }
  /// As the plan calls it, or its number.
  std::string_view name() const { return config_.name; }
  World& world() { return world_; }
  kernel::Kernel& kernel() { return kernel_; }
  Devices& devices() { return devices_; }
  std::span<Core> cores() { return cores_; }
  const machine::NativeEntry& entry(u64 number) const;
  bool has_entry(u64 number) const;

  Fiber& fiber_of(kernel::Ref<kernel::Tcb> tcb) { return fibers_[tcb.offset >> kernel::kTcbBits]; }
  Arena& arena_of(kernel::Ref<kernel::Tcb> tcb);
  std::span<Fiber> fibers() { return fibers_; }

  /// machine::pointer for `tcb`'s address space.
  void* host_pointer(kernel::Ref<kernel::Tcb> tcb, u64 vaddr, u64 bytes, bool for_write);
  /// The device whose mapped window holds `vaddr` in `tcb`'s address space: its index in kDeviceTable, or ~0.
  u32 device_at(kernel::Ref<kernel::Tcb> tcb, u64 vaddr);

  // ── kernel::MachinePort ──────────────────────────────────────────────────────────────────────────────────
  void mmu_write(u32 table, u32 index, u32 entry) override;
  void arena_changed(kernel::Ref<kernel::VSpace> vspace, u64 vaddr, u64 bytes, bool mapped) override;
  void thread_reset(kernel::Ref<kernel::Tcb> thread) override;
  void thread_gone(kernel::Ref<kernel::Tcb> thread) override;
  void vspace_gone(kernel::Ref<kernel::VSpace> vspace) override;
  void irq_armed(u32 line, bool armed) override;
  void checked(u32 property, base::CheckSays says, u64 value) override;

 private:
  /// What the kernel is told; its list of devices lies in `devices`.
  kernel::BootConfig boot_config(std::span<kernel::DeviceConfig> devices) const;
  static void emit(void* context, const base::EventRecord& record);
  const kernel::VSpace* vspace_of(kernel::Ref<kernel::Tcb> tcb) const;
  u8* arena_pointer(u32 vspace_offset, u64 vaddr, u64 bytes);

  World& world_;
  u32 index_;
  static constexpr u32 kDevicesMax = kDiskDevices + kNodeDisksMax;

  bool up_ = false;
  bool halted_ = false;
  bool has_booted_ = false;
  char number_text_[4] = {};
  NodeConfig config_;
  std::span<Core> cores_;
  std::span<Fiber> fibers_;
  std::span<Arena> arenas_;
  std::span<u64> woken_by_;  // sequence of the event that last woke each thread, by TCB slot
  kernel::Kernel kernel_;
  Devices devices_;
};

}  // namespace sim
