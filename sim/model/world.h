// sim/model/world.h — the deterministic machine: nodes, one event queue, one clock. `run` does the next things in virtual
// time, in an order that is a function of the configuration, the seed and the inputs alone.
//
// Invariants, asserted always:
//   W1 a queue entry is never earlier than its maker.
//   W2 kernel entries and deliveries happen in non-decreasing world time.
//   W3 a thread never passes the end of its run: a charge is split there.
//   W4 an entry is atomic at its start; its cost is spent after it.
//   W5 an idle core never runs before what woke it.
//   W6 an unfaulted link delivers in sending order (link.h).
#pragma once
#include "sim/model/disk.h"
#include "sim/model/event_queue.h"
#include "sim/model/explore/explorer.h"
#include "sim/model/faults/faults.h"
#include "sim/model/link.h"
#include "sim/model/node.h"
#include "sim/model/trace.h"

namespace sim {

enum class Outcome : u8 {
  Running,  // the time asked for is reached; there is more to do
  Waiting,  // nothing to do until input comes
  Ended,    // every node has halted, or is off with nothing left in the plan that could boot it
  Stalled,  // every thread is blocked and nothing can wake one
};

/// A thread as reports name it.
struct ThreadInfo {
  u32 node = 0;  // number, from 1
  u32 thread_id = 0;
  std::string_view name;
  kernel::ThreadState state = kernel::ThreadState::Inactive;
  u32 blocked_on = 0;
};

/// Why an action of a plan cannot be done; nothing has changed then.
struct ActionError {
  enum class Code : u8 {
    NoSuchNode,    // `value`; `allowed`: the greatest number
    NoSuchCore,    // `value`; `allowed`: how many the node has
    NoSuchLink,    // `value`, from 0; `allowed`: how many there are
    NoSuchDisk,    // `value`, from 0; `allowed`: how many there are
    NoSuchThread,  // `value`: its id
    NodeIsUp,
    NodeIsDown,
    NoConsole,
    ConsoleEnded,
    InThePast,   // `value`, ns; `allowed`: now
    OutOfRange,  // `value`, of `allowed` at most
    BadLink,     // `value`: a setting of link.h's ranges is out of its own
    BadDisk,     // `value`: the same of disk.h's
    DiskIsIn,    // `value`: the disk
    DiskIsOut,
    PlanFull,      // `allowed`: kPlanEntriesMax
    InPuppet,      // an order is being made: World::at can have it done right after
    NoFaults,      // the world was made without faults
    NoSuchTarget,  // the class strikes nothing of this name
  } code = Code::NoSuchNode;
  u32 node = 0;
  u64 value = 0;
  u64 allowed = 0;
};
/// What is wrong, for a person.
std::string_view describe(const ActionError& error, std::span<char> out);
template <class T = void>
using ActionResult = base::Result<T, ActionError>;

/// Operand `a` of the event host.command: what a plan did that has no event of its own.
enum class PlanCommand : u8 {
  Pause = 1,     // b: ns, c: core + 1, 0 all
  Kill = 2,      // of the event's thread
  Type = 3,      // b: bytes taken, c: their digest
  EndInput = 4,  // of the console
  Puppet = 5,    // b: digest of client, result and order, c: bytes of the order
  SetDisk = 7,   // of the event's object: b: latency ns, c: bytes/s
  Block = 6,     // of the world: b: pairs of nodes that do not hear each other, one direction each, c: their digest
};

class World {
 public:
  /// Work memory for `config`, in bytes; node memory is not in it.
  static u64 memory_bytes(const WorldConfig& config);
  /// A booted world inside `memory` (zeroed, 64-byte aligned, at least memory_bytes). It is not destroyed by the memory
  /// going away: call `destroy` first.
  static base::Result<World*, ConfigError> create(const WorldConfig& config, base::MutableBytes memory);
  /// Drops every fiber and arena. The memory may be used for another world afterwards.
  void destroy();

  /// Does everything that happens before `until` (ns).
  Outcome run(u64 until);

  /// Makes a world that was booted for many runs (WorldConfig::is_shared) one of them, between two `run`s and once: all
  /// streams begin anew under `seed`, choices are answered by `schedule` and `faults` may strike from now on. Services that
  /// run count as started. What the spans hold outlives the world.
  void rekey(u64 seed, const ScheduleConfig& schedule, const FaultPlan& faults);

  // ── Input from outside, on the record ────────────────────────────────────────────────────────────────────
  /// When input that arrives at `wanted` enters: the next multiple of 1 ms that no core has reached.
  u64 input_time(u64 wanted) const;
  /// Queues console bytes for `node` at `time` (from `input_time`); returns how many were taken.
  u64 console_input(u32 node, base::Bytes bytes, u64 time);
  void console_hangup(u32 node, u64 time);
  void console_size(u32 node, u16 columns, u16 rows, u64 time);
  /// Replay of a recorded watchdog fault: the thread is faulted once `heartbeat` charges and traps have been made and it
  /// runs on after the last of them. One at a time; kNever as heartbeat expects none.
  void expect_silence(u64 heartbeat, u32 thread_id);

  // ── What a plan does: from its `action`, or between two `run`s. Part of what defines the run ─────────────
  /// Has `script.action` called with `id` at `time` ≥ now; calls of one time come in the order in which they were asked for.
  /// This one is also allowed while an order is made.
  ActionResult<> at(u64 time, u64 id);
  /// Types on a console; returns how many bytes were taken. A Typed one takes 64 KiB ahead of its reader, a terminal what its
  /// FIFO holds.
  ActionResult<u64> console_type(u32 node, base::Bytes bytes);
  /// The input ends behind what was typed.
  ActionResult<> console_end(u32 node);
  /// The node loses its power: all that is not on a disk is gone.
  ActionResult<> power_cut(u32 node);
  /// Power for a node that is off, was cut or has halted.
  ActionResult<> boot(u32 node);
  /// Cores stop for `ns` while time goes on; no thread is charged for it. `core` counts within the node.
  ActionResult<> pause(u32 node, u64 ns);
  ActionResult<> steal(u32 node, u32 core, u64 ns);
  /// The thread's next kernel entry becomes a fault, CrashKind::Killed. One that waits dies of what wakes it.
  ActionResult<> kill(u32 node, u32 thread_id);
  /// Steps the wall clock; monotonic time and timers stay.
  ActionResult<> step_wall(u32 node, i64 ns);
  /// The node's clock runs `ppm` millionths fast from now on (±kRatePpmMax); armed timers go by it.
  ActionResult<> set_rate(u32 node, i32 ppm);

  /// Other settings for a link, whole; frames on their way keep their times. A link that goes down loses what arrives.
  ActionResult<> set_link(u32 link, const LinkSettings& settings);
  /// Nodes of different groups do not hear each other, whatever the link; groups[i] is of node i + 1. What is on its way
  /// is lost where it arrives.
  ActionResult<> partition(std::span<const u8> groups);
  /// `to` does not hear `from`, or does again.
  ActionResult<> block(u32 from, u32 to, bool blocked);
  /// Everybody hears everybody.
  ActionResult<> heal();
  /// A disk goes away, in the middle of what it does, or comes back as another epoch of its medium; from 0.
  ActionResult<> unplug(u32 disk);
  ActionResult<> plug(u32 disk);
  /// Other settings for a disk, whole; what it has begun keeps its times. Its cache stays what it was made as.
  ActionResult<> set_disk(u32 disk, const DiskSettings& settings);
  /// A fault strikes now, or at the next opportunity of its target, if the ledger admits it; in Safety only. The plan says
  /// that there may be some (FaultPlan::injects).
  ActionResult<> inject(const Injection& injection);
  /// Another part of the run begins; it begins with Safety. In Healing the nodes of `core` (bit i: number i + 1) are rid of
  /// what faults left, and boot if a fault has them down; elsewhere it stays as it is.
  void set_phase(Phase phase, u64 core = ~u64{0});

  /// Hardware device `index` of a node has interrupted (config.h); between two `run`s, on no record.
  void hardware_interrupt(u32 node, u32 index) { nodes_[node - 1].devices().hardware_interrupt(index, now_); }

  // ── Looking; changes nothing ─────────────────────────────────────────────────────────────────────────────
  u64 now() const { return now_; }
  /// When the next thing happens; kNever when nothing is queued and all cores are idle.
  u64 next_time() const;
  bool tainted() const { return tainted_; }
  u32 status() const { return status_; }
  u64 seed() const { return config_.seed; }
  Trace& trace() { return trace_; }
  std::span<Node> nodes() { return nodes_; }
  Links& links() { return links_; }
  Disks& disks() { return disks_; }
  const EventQueue& queue() const { return queue_; }
  u64 draws() const { return ties_.index(); }
  base::Digest config_digest() const { return config_digest_; }
  const WorldConfig& config() const { return config_; }
  const NodeClock& clock(u32 node) const { return nodes_[node - 1].devices().clock(); }
  /// The thread of this name, or the lowest `NAME.number`; its id, 0 none.
  u32 find_thread(u32 node, std::string_view name);
  /// Threads that wait, by node and slot; the report of a stalled world.
  u32 blocked_threads(std::span<ThreadInfo> out);
  ThreadInfo thread_info(Node& node, kernel::Ref<kernel::Tcb> tcb);
  /// Emits `world.end`, closes the last epoch: the run's trace digest.
  base::Digest finish();

  // ── For nodes and devices ────────────────────────────────────────────────────────────────────────────────
  /// Appends an event of `node` (0 the world) at `time`; returns its sequence.
  u64 emit(u32 node, u64 time, const base::EventRecord& record, u64 cause = 0);
  /// The time at which the kernel of `node` acts: inside an entry what it has charged so far counts, at boot nothing.
  u64 kernel_time(Node& node) const { return in_entry_ ? node.kernel().now() : now_; }
  /// An event from inside a kernel entry, or its boot.
  void emit_kernel(Node& node, const base::EventRecord& record);
  /// A property was evaluated (base/check.h): an event if it failed or is hit for the first time in this world. Its name
  /// and form are filled in. False: there is no such property, or its form does not fit.
  bool report_check(CheckRecord record);
  /// A program declares `record.name`: its number, the same for all that declare it. kNoProperty: no printable ASCII of at
  /// most kPropertyNameMax bytes, declared with another form, or there are too many.
  static constexpr u32 kNoProperty = ~u32{0};
  u32 declare_check(CheckRecord record);
  EntryHandle push(const QueueEntry& entry) {
    ASSERT(entry.time >= now_);  // W1
    return queue_.push(entry);
  }
  void cancel(EntryHandle handle) { queue_.remove(handle); }
  /// Index of a node's core 0 among the cores of all nodes.
  u32 first_core(u32 node_index) const { return first_cores_[node_index]; }
  /// Raises an interrupt entry for a line of `node`.
  void raise(Node& node, u32 line, u64 time, u64 counter);
  enum class Stopped : u8 { Halt = 0, Reboot = 1, PowerCut = 2 };
  void node_stopped(Node& node, u64 now, u32 status, Stopped how);
  /// The next order of a program that asks for one; kPuppetEnd without a script.
  u64 puppet(const PuppetCall& call, base::MutableBytes order);
  bool has_faults() const { return faults_ != nullptr; }
  Faults& faults() { return *faults_; }
  /// Points of programs that are armed in this run, by their place in base::kPoints.
  u64 armed_points() const;
  /// When a timer that was set for `time` expires; `timer` is a core's number or kDeviceTimer.
  u64 fault_timer(Node& node, u32 timer, u64 time);
  /// When a timer that expires now is noticed; 0: now.
  u64 fault_expiry(Node& node, u32 timer, u64 now);

 private:
  struct Memory;
  struct Room {
    std::span<Explorer> explorer;
    Explorer::Memory explored;
    std::span<Faults> faults;
    Faults::Memory struck;
  };
  void explore(const ScheduleConfig& schedule);
  void arm(const FaultPlan& plan);
  World(const WorldConfig& config, const Memory& memory);
  base::Result<void, ConfigError> start();
  base::Result<void, kernel::BootError> power_up(Node& node, u64 now);
  /// Whether the plan could still boot a node.
  bool may_go_on() const { return plan_entries_ > 0 && up_count_ + halted_count_ < nodes_.size(); }
  ActionResult<Node*> node_for_action(u32 number);
  ActionResult<Node*> running_node(u32 number);
  ActionResult<> disk_for_action(u32 disk);
  void tell_blocked();
  void hold(Node& node, Core& core, u64 ns);
  void emit_command(const Node& node, PlanCommand command, u32 thread, u64 b, u64 c);
  void push_plan(QueueEntry entry, u64 time);

  struct Pick {
    u32 core = 0;  // global index
    u64 time = kNever;
    u64 next_time = kNever;  // the least time of the other busy cores
  };
  Pick pick_core();
  void run_ahead(const Pick& pick, u64 until);
  u32 break_tie(u64 time, u32 count);
  void disturb(Node& node, Core& core);
  // Hooks of faults (faults/hooks.cpp), called only where `faults_` is set.
  void fault_dispatched(Node& node, Core& core);
  void fault_entry(Node& node, Core& core, kernel::Entry& entry);
  static bool strikes(void* context, kernel::Weakness weakness, kernel::Ref<kernel::Tcb> thread);
  static u32 ask_point(void* context, u32 point, u32 choices);
  void poke_by_fault(Core& core);
  void slow_down(Core& core, u64 factor, u64 until);
  void fault_cut(Node& node, u32 index, u64 until);
  void fault_undo(const QueueEntry& entry);
  void fault_link(u32 index, const FaultHit& hit);
  void undo_link(Faults::Stream& stream);
  void settle_link(const Faults::Stream& stream);
  void part_nodes();
  void distort_link(u32 link);
  void tell_link(u32 link);
  void heal_links();
  void fault_disk(u32 index, const FaultHit& hit);
  void undo_disk(const Faults::Stream& stream);
  void distort_disk(u32 disk);
  void heal_disks();
  bool is_healed(const Node& node) const { return (healed_ >> node.index() & 1) != 0; }
  void heal(Node& node);
  u64 fault_poke(Node& node, u32 target, u64 now);
  bool fault_interrupt(Node& node, const QueueEntry& entry);
  void fault_repeat(Node& node, u32 line, u64 now);
  bool fault_trap(Node& node, Core& core);
  void fault_port(Node& node, Core& core, u32 device);
  void fault_strike(Node& node, const QueueEntry& entry);
  bool only_faults_wait() const { return faults_ != nullptr && queue_.size() == faults_->queued(); }
  void deliver(const QueueEntry& entry);
  void deliver_plan(const QueueEntry& entry);
  void deliver_to_core(Node& node, Core& core, const QueueEntry& entry);
  void enter_trap(Node& node, Core& core);
  void enter(Node& node, Core& core, kernel::Entry& entry, u64 cause);
  void enter_interrupt(Node& node, Core& core);
  void enter_fault(Node& node, Core& core);
  void run_thread(Node& node, Core& core, u64 limit);
  bool is_gone(Node& node, const Core& core);
  bool prepare_fiber(Node& node, Core& core, Fiber& fiber);
  void fiber_stopped(Node& node, Core& core, Fiber& fiber);
  void crash(Node& node, Core& core, Fiber& fiber, kernel::CrashKind kind, u64 code);
  bool port_call(Node& node, Core& core);
  void apply(Node& node, Core& core, const kernel::Exit& exit);
  void dispatch(Node& node, Core& core, const kernel::Exit& exit);
  void set_timer(Node& node, Core& core, u64 timer);
  void queue_timer(Node& node, Core& core, u64 time);
  void send_pokes(Node& node, Core& core, const kernel::CoreMask& cores);
  void set_core_time(Core& core, u64 time) {
    core.time = time;
    busy_times_[core.global] = time;
  }
  void stalled();
  u64 next_tick(u64 time);
  void push_host(QueueEntry entry, Node& node);
  void tell_input(const InputRecord& record) {
    if (config_.sinks.input != nullptr) config_.sinks.input(config_.sinks.context, record);
  }
  void set_busy(u32 global_core, u64 time) { busy_times_[global_core] = time; }

  WorldConfig config_;
  base::Digest config_digest_;
  std::span<NodeConfig> node_configs_;
  std::span<Node> nodes_;
  std::span<Core> cores_;
  std::span<u64> busy_times_;        // local time of each busy core; kNever for idle ones
  u32 first_cores_[kNodesMax] = {};  // global index of each node's core 0
  EventQueue queue_;
  Links links_;
  Disks disks_;
  Trace trace_;
  kernel::Entry trap_entry_{.kind = kernel::EntryKind::Syscall};  // of a system call; the rest is set at each
  base::Prng ties_;
  Room room_;                     // for the two below
  Explorer* explorer_ = nullptr;  // null unless choices are answered by a strategy or by overrides
  Faults* faults_ = nullptr;      // null unless a fault can strike
  u64 healed_ = 0;                // nodes, by index
  bool in_point_ = false;         // a point of a program is answered
  u64 now_ = 0;
  u64 tick_ = kInputTickNs;  // the next multiple of 1 ms after the last core looked at
  u64 host_counter_ = 0;
  struct DeclaredProperty {
    base::CheckForm form;
    u8 length;
    char name[base::kPropertyNameMax];
  };
  u64 checks_hit_[(base::kPropertyCount + base::kDeclaredPropertiesMax) / 64 + 1] = {};  // bit: hit in this world
  DeclaredProperty declared_[base::kDeclaredPropertiesMax] = {};
  u32 declared_count_ = 0;
  u32 host_entries_ = 0;  // of host input, in the queue
  u64 plan_counter_ = 0;
  u32 plan_entries_ = 0;  // in the queue
  u32 up_count_ = 0;
  u32 halted_count_ = 0;  // nodes that are down by their own wish
  u32 status_ = 0;
  bool has_status_ = false;
  bool in_puppet_ = false;
  bool in_entry_ = false;
  bool tainted_ = false;
  bool stalled_ = false;
  bool finished_ = false;
};

}  // namespace sim
