// sim/model/step.cpp — the order of a run: the head of the queue, or the core that is furthest behind.
#include "base/points.h"
#include "kernel-model/ipc.h"
#include "sim/model/world.h"

#include "base/enforce.h"

namespace sim {

using base::EventKind;
using kernel::CrashKind;
using kernel::EntryKind;
using kernel::FaultRecord;
using kernel::Ref;
using kernel::Tcb;

namespace {

constexpr u32 kSourceCores = u32{1} << 19;
constexpr u32 kSourceCuts = kSourceCores + kNodesMax * kCoresMax;  // one entry at a time each
static_assert(kSourceCuts + kNodesMax * kCoresMax <= u32{1} << kSourceBits);
constexpr u64 kCrashEnded = 0xFF;  // as a crash kind: the entry returned, or there is no such entry

FaultRecord crash_fault(u64 entry_number, u64 kind, u64 code) {
  FaultRecord fault;
  fault.type = static_cast<u16>(kernel::FaultType::UserException);
  fault.words[0] = entry_number;  // the pc of a native thread; no host address enters a message
  fault.words[2] = kernel::kCrashNumberBase + kind;
  fault.words[3] = code;
  return fault;
}

/// The points of programs are this world's for as long as it runs.
struct ArmedPoints {
  explicit ArmedPoints(const base::PointPort& port) { base::points = port; }
  ~ArmedPoints() { base::points = {}; }
};

u32 lowest_bit(u64 word) { return static_cast<u32>(__builtin_ctzll(word)); }

}  // namespace

// ── The loop ─────────────────────────────────────────────────────────────────────────────────────────────────

World::Pick World::pick_core() {
  Pick pick;
  u32 ties = 0;
  for (u32 i = 0; i < busy_times_.size(); ++i) {
    const u64 time = busy_times_[i];
    if (time > pick.time) {
      if (time < pick.next_time) pick.next_time = time;
    } else if (time < pick.time) {
      pick.next_time = pick.time;
      pick.time = time;
      pick.core = i;
      ties = 1;
    } else if (time != kNever) {
      ties += 1;
    }
  }
  if (ties > 1) {
    pick.core = break_tie(pick.time, ties);
    pick.next_time = pick.time;
  }
  return pick;
}

u32 World::break_tie(u64 time, u32 count) {
  const u64 index = ties_.index();
  const u64 draw = ties_.below(count);
  const u64 chosen = explorer_ == nullptr ? 0 : explorer_->tie(index, time, count);
  if (chosen == 0) trace_.fold_draw(0, kStreamTie, index, draw);
  u64 left = chosen == 0 ? draw : chosen - 1;
  for (u32 i = 0; i < busy_times_.size(); ++i) {
    if (busy_times_[i] != time) continue;
    if (left == 0) return i;
    left -= 1;
  }
  UNREACHABLE("the draw is below the number of equal cores");
}

u64 World::next_time() const {
  u64 time = queue_.head_time();
  for (const u64 core_time : busy_times_) time = core_time < time ? core_time : time;
  return time;
}

u64 World::next_tick(u64 time) {
  // Cores are taken in non-decreasing time (W2), so the tick only moves forward.
  if (time >= tick_) tick_ = (time / kInputTickNs + 1) * kInputTickNs;
  return tick_;
}

Outcome World::run(u64 until) {
  const Stepping stepping;
  const ArmedPoints armed(faults_ == nullptr ? base::PointPort{}
                                             : base::PointPort{faults_->armed_points(), ask_point, this});
  while (up_count_ > 0 || may_go_on()) {
    const u64 head_time = queue_.head_time();
    const Pick pick = pick_core();
    const u64 time = head_time <= pick.time ? head_time : pick.time;
    if (time == kNever || (pick.time == kNever && only_faults_wait())) {
      for (Node& node : nodes_) {
        if (node.is_up() && node.devices().is_live()) return Outcome::Waiting;
      }
      stalled();
      return Outcome::Stalled;
    }
    if (time >= until) return Outcome::Running;
    ASSERT(time >= now_);  // W2
    if (head_time <= pick.time) {
      if (pick.time == kNever && head_time > now_) {
        emit(0, head_time, {.kind = EventKind::WorldIdleSkip, .a = now_, .b = head_time});
      }
      now_ = time;
      deliver(explorer_ == nullptr ? queue_.pop() : explorer_->take(queue_));
    } else {
      run_ahead(pick, until);
    }
  }
  return Outcome::Ended;
}

/// Steps of one core for as long as it stays strictly furthest behind: the same steps in the same order as picking it anew
/// each time, for only the queue and this core move meanwhile. What a running thread needs at each trap is inlined here:
/// returns behind a switch of stacks are mispredicted, so there should be none.
void World::run_ahead(const Pick& pick, u64 until) {
  Core& core = cores_[pick.core];
  Node& node = nodes_[core.node];
  const u64 in_hand_until = pick.next_time < until ? pick.next_time : until;
  const u64 slice_end = pick.next_time == kNever ? kNever : pick.next_time + kSliceNs;
  // Dispatched by the step before: nothing can have happened to the thread since.
  bool is_fresh = false;
  u64 time = pick.time;
  do {
    ASSERT(time >= now_);  // W2
    now_ = time;
    if (core.has_interrupt) [[unlikely]] {
      enter_interrupt(node, core);
      is_fresh = false;
    } else if (core.phase == CorePhase::Run) [[likely]] {
      u64 limit = core.run_end < slice_end ? core.run_end : slice_end;
      const u64 head_time = queue_.head_time();
      if (head_time < limit) limit = head_time;
      const u64 tick = next_tick(time);
      if (tick < limit) limit = tick;
      if (!is_fresh && is_gone(node, core)) {
        core.phase = CorePhase::Expiry;
      } else {
        run_thread(node, core, limit);
      }
      is_fresh = false;
      // A trap lies before the limit, and while a program runs neither queue nor interrupts change: its entry is next,
      // unless another core is as far behind.
      if (core.phase == CorePhase::Trap && core.time < in_hand_until) {
        now_ = core.time;
        enter_trap(node, core);
        is_fresh = true;
      }
    } else {
      is_fresh = false;
      switch (core.phase) {
        case CorePhase::Trap:
          if (is_gone(node, core)) {
            core.phase = CorePhase::Expiry;
          } else {
            enter_trap(node, core);
          }
          break;
        case CorePhase::Fault: enter_fault(node, core); break;
        case CorePhase::Boot:
        case CorePhase::Expiry: {
          kernel::Entry entry;
          entry.kind = core.phase == CorePhase::Boot ? EntryKind::Boot : EntryKind::Expiry;
          enter(node, core, entry, core.cause);
          break;
        }
        case CorePhase::Run:
        case CorePhase::Idle: UNREACHABLE("an idle core was picked");
      }
    }
    time = busy_times_[core.global];
  } while (time < in_hand_until && time < queue_.head_time());
}

void World::stalled() {
  if (stalled_) return;
  stalled_ = true;
  u64 blocked = 0;
  for (Node& node : nodes_) {
    for (const Fiber& fiber : node.fibers()) blocked += fiber.thread_id != 0 ? 1 : 0;
  }
  emit(0, now_, {.kind = EventKind::WorldStalled, .a = blocked});
}

// ── Deliveries ───────────────────────────────────────────────────────────────────────────────────────────────

void World::raise(Node& node, u32 line, u64 time, u64 counter) {
  if (time < now_) time = now_;
  if (explorer_ != nullptr) time += explorer_->irq_latency(node, line);
  push({.time = time,
        .order = order_of(EntryClass::Interrupt, node.index() * 64 + line, counter),
        .argument = line,
        .cause = trace_.count(),
        .node = static_cast<u16>(node.index()),
        .core = node.kernel().irq(line).core,
        .action = Action::Irq});
}

void World::deliver(const QueueEntry& entry) {
  if (entry.action >= Action::Frame) [[unlikely]]
    return entry.action == Action::Frame  ? links_.deliver(entry)
           : entry.action == Action::Disk ? disks_.deliver(entry)
                                          : deliver_plan(entry);
  Node& node = nodes_[entry.node];
  if (entry.action == Action::FaultStrike) return fault_strike(node, entry);
  if (entry.action == Action::FaultUndo) return fault_undo(entry);
  const bool from_host = entry.action == Action::ConsoleInput || entry.action == Action::ConsoleHangup ||
                         entry.action == Action::ConsoleSize;
  if (from_host) host_entries_ -= 1;
  if (!node.is_up()) return node.devices().deliver_off(entry);
  switch (entry.action) {
    case Action::ConsoleInput: return node.devices().deliver_input(entry.argument, entry.time);
    case Action::ConsoleHangup: return node.devices().deliver_hangup(entry.time);
    case Action::ConsoleSize:
      return node.devices().deliver_size(static_cast<u16>(entry.argument >> 16), static_cast<u16>(entry.argument),
                                         entry.time);
    case Action::ConsoleRefill: return node.devices().deliver_refill(entry.time);
    case Action::DeviceTimer: return node.devices().deliver_timer(entry.time);
    case Action::CoreTimer:
    case Action::Poke:
    case Action::Irq: return deliver_to_core(node, node.cores()[entry.core], entry);
    case Action::FaultStrike:
    case Action::FaultUndo:
    case Action::Frame:
    case Action::Disk:
    case Action::PlanCall:
    case Action::NodeBoot: break;
  }
  UNREACHABLE("an entry of a link or the plan was taken for a node's");
}

void World::deliver_plan(const QueueEntry& entry) {
  plan_entries_ -= 1;
  if (entry.action == Action::PlanCall) return config_.script.action(config_.script.context, *this, entry.argument);
  Node& node = nodes_[entry.node];
  if (node.is_up()) return;
  const auto booted = power_up(node, now_);
  ASSERT(booted.ok());  // `start` has looked
}

void World::deliver_to_core(Node& node, Core& core, const QueueEntry& entry) {
  switch (entry.action) {
    case Action::CoreTimer:
      core.timer_entry = kNoEntry;
      if (faults_ != nullptr) [[unlikely]] {
        if (const u64 again = fault_expiry(node, core.number, entry.time); again != 0)
          return queue_timer(node, core, again);
      }
      core.timer = 0;
      core.timer_due = true;
      break;
    case Action::Poke: core.poke = true; break;
    default:
      if (faults_ != nullptr) [[unlikely]] {
        if (fault_interrupt(node, entry)) return;
      }
      if (!node.devices().take_line(static_cast<u32>(entry.argument))) return;
      core.irqs[entry.argument / 64] |= u64{1} << entry.argument % 64;
      if (faults_ != nullptr) [[unlikely]]
        fault_repeat(node, static_cast<u32>(entry.argument), entry.time);
      break;
  }
  core.note_interrupts();
  if (core.phase != CorePhase::Idle) return;  // entered at the end of the run already made
  core.cause = entry.cause;
  // W5: an idle core starts at what woke it, or when its last entry's cost is spent, whichever is later.
  core.phase = CorePhase::Expiry;
  set_core_time(core, core.time > entry.time ? core.time : entry.time);
}

// ── Cores ────────────────────────────────────────────────────────────────────────────────────────────────────

/// Whether another core took the thread away while it was current here: deleted, or suspended. Its poke is under way; until
/// then nothing of the thread may be executed, for its memory may be something else already.
[[gnu::always_inline]] inline bool World::is_gone(Node& node, const Core& core) {
  if (node.fiber_of(core.current).thread_id != core.current_id) return true;
  const kernel::ThreadState state = node.kernel().at(core.current).state;
  return state != kernel::ThreadState::Running && state != kernel::ThreadState::Restart;
}

[[gnu::always_inline]] inline void World::enter_trap(Node& node, Core& core) {
  if (faults_ != nullptr) [[unlikely]] {
    if (fault_trap(node, core)) return;
  }
  kernel::UserFrame& frame = node.kernel().at(core.current).frame;
  if (frame.call == static_cast<i32>(kernel::Syscall::Port)) [[unlikely]] {
    if (!port_call(node, core)) return;  // the node is gone
    frame.pending = 0;
    core.phase = CorePhase::Run;
    return;
  }
  enter(node, core, trap_entry_, core.cause);
}

void World::enter_interrupt(Node& node, Core& core) {
  kernel::Entry entry;
  if (core.timer_due) {
    core.timer_due = false;
    entry.kind = EntryKind::Expiry;
  } else if (core.poke) {
    core.poke = false;
    entry.kind = EntryKind::Poke;
  } else {
    u32 word = 0;
    while (core.irqs[word] == 0) ++word;
    entry.kind = EntryKind::Irq;
    entry.irq = word * 64 + lowest_bit(core.irqs[word]);
    core.irqs[word] &= core.irqs[word] - 1;
  }
  core.note_interrupts();
  enter(node, core, entry, core.cause);
}

void World::enter_fault(Node& node, Core& core) {
  const Fiber& fiber = node.fiber_of(core.current);
  const u64 number = node.kernel().at(core.current).context[kRegisterPc];
  kernel::Entry entry;
  entry.kind = EntryKind::Fault;
  entry.fault = fiber.state == FiberState::Ended
                    ? crash_fault(number, kCrashEnded, 0)
                    : crash_fault(number, static_cast<u64>(fiber.crash_kind), fiber.crash_code);
  enter(node, core, entry, core.cause);
}

[[gnu::always_inline]] inline void World::enter(Node& node, Core& core, kernel::Entry& entry, u64 cause) {
  entry.core = core.number;
  entry.now = core.time;
  // Cut at the next input tick even when nothing is queued: live input that comes for that tick while the entry's slice
  // of the run is under way must find the horizon that its replay, which queues it earlier or later, finds too.
  const u64 tick = next_tick(core.time);
  const u64 head_time = queue_.head_time();
  entry.horizon = head_time < tick ? head_time : tick;
  if (explorer_ != nullptr) [[unlikely]]
    entry.choices = explorer_->port(node, core);
  if (faults_ != nullptr) [[unlikely]]
    fault_entry(node, core, entry);
  trace_.log().cause = cause;
  in_entry_ = true;
  const kernel::Exit exit = node.kernel().enter(entry);
  in_entry_ = false;
  trace_.log().cause = 0;
  if (exit.next) core.cause = trace_.count();  // `sched.run`, the last of every entry that has a thread to run
  apply(node, core, exit);
  if (config_.sinks.entered != nullptr) [[unlikely]]
    config_.sinks.entered(config_.sinks.context, node.number());
  if (explorer_ != nullptr) [[unlikely]]
    disturb(node, core);
  if (faults_ != nullptr) [[unlikely]]
    fault_dispatched(node, core);
}

/// What the explorer does to the thread that got the core: steals time from the core before it, pokes it for nothing.
void World::disturb(Node& node, Core& core) {
  EntryHandle& cut = explorer_->cut_of(core);
  if (cut != kNoEntry) queue_.remove(cut);
  cut = kNoEntry;
  if (!core.current) return;
  const Explorer::Disturbance found = explorer_->dispatched(node, core);
  // Stolen time is charged to the thread, so it ends with the grant: no budget is overdrawn.
  const u64 left = core.run_end - core.time;
  if (found.delay != 0) set_core_time(core, core.time + (found.delay < left ? found.delay : left));
  if (found.cut == 0 || found.cut >= core.run_end - core.time) return;
  cut = push({.time = core.time + found.cut,
              .order = order_of(EntryClass::Interrupt, kSourceCuts + core.global, 0),
              .argument = u64{core.global} + 1,
              .cause = core.cause,
              .node = static_cast<u16>(node.index()),
              .core = core.number,
              .action = Action::Poke});
}

[[gnu::always_inline]] inline void World::apply(Node& node, Core& core, const kernel::Exit& exit) {
  set_core_time(core, core.time + exit.cost);  // W4
  if (exit.poke.any()) send_pokes(node, core, exit.poke);
  if (exit.timer != core.timer) set_timer(node, core, exit.timer);
  core.current = exit.next;
  if (!exit.next) {
    core.phase = CorePhase::Idle;
    if (core.has_interrupt) {
      core.phase = CorePhase::Expiry;
    } else {
      busy_times_[core.global] = kNever;
    }
    return;
  }
  dispatch(node, core, exit);
}

[[gnu::always_inline]] inline void World::dispatch(Node& node, Core& core, const kernel::Exit& exit) {
  core.run_end = core.time + exit.run_for < core.time ? kNever : core.time + exit.run_for;
  const Tcb& tcb = node.kernel().at(exit.next);
  Fiber& fiber = node.fiber_of(exit.next);
  fiber.thread_id = tcb.thread_id;
  core.current_id = tcb.thread_id;
  if (exit.run_for == 0) {
    core.phase = CorePhase::Expiry;
  } else if (exit.restart || tcb.frame.pending != 0) {
    core.phase = CorePhase::Trap;
  } else if (fiber.state == FiberState::Crashed || fiber.state == FiberState::Ended) {
    core.phase = CorePhase::Fault;
  } else {
    core.phase = CorePhase::Run;
  }
}

void World::set_timer(Node& node, Core& core, u64 timer) {
  if (core.timer_entry != kNoEntry) queue_.remove(core.timer_entry);
  core.timer_entry = kNoEntry;
  core.timer = timer;
  if (timer == 0) return;
  u64 time = timer > now_ ? timer : now_;
  if (faults_ != nullptr) [[unlikely]]
    time = fault_timer(node, core.number, time);
  queue_timer(node, core, time);
}

void World::queue_timer(Node& node, Core& core, u64 time) {
  const u32 source = kSourceCores + first_cores_[node.index()] + core.number;
  core.counter += 1;
  core.timer_entry = push({.time = time,
                           .order = order_of(EntryClass::Timer, source, core.counter),
                           .cause = trace_.count(),
                           .node = static_cast<u16>(node.index()),
                           .core = core.number,
                           .action = Action::CoreTimer});
}

void World::send_pokes(Node& node, Core& core, const kernel::CoreMask& cores) {
  const u32 source = kSourceCores + first_cores_[node.index()] + core.number;
  for (u32 word = 0; word < 2; ++word) {
    for (u64 left = cores.words[word]; left != 0; left &= left - 1) {
      const u32 target = word * 64 + lowest_bit(left);
      if (node.cores()[target].poke) continue;  // not entered since the last one: it will see both
      u64 late = 0;
      if (faults_ != nullptr) [[unlikely]]
        late = fault_poke(node, target, core.time);
      core.counter += 1;
      push({.time = core.time + config_.costs.ipi_latency + late,
            .order = order_of(EntryClass::Interrupt, source, core.counter),
            .cause = trace_.count(),
            .node = static_cast<u16>(node.index()),
            .core = static_cast<u16>(target),
            .action = Action::Poke});
    }
  }
}

// ── Running programs ─────────────────────────────────────────────────────────────────────────────────────────

[[gnu::always_inline]] inline void World::run_thread(Node& node, Core& core, u64 limit) {
  if (limit <= core.time) {
    ASSERT(core.run_end <= core.time);  // every other limit lies ahead of the core that is furthest behind
    core.phase = CorePhase::Expiry;
    return;
  }
  Fiber& fiber = node.fiber_of(core.current);
  if (!prepare_fiber(node, core, fiber)) return;
  const u64 started = core.time;
  u64 slow = 1;
  if (core.slow_factor > 1) [[unlikely]] {
    if (started >= core.slow_until) {
      core.slow_factor = 1;
    } else {
      if (core.slow_until < limit) limit = core.slow_until;
      if (limit - started >= core.slow_factor) {
        slow = core.slow_factor;
        limit = started + (limit - started) / slow;
      }
    }
  }
  if (fiber.charge_left >= limit - started) {
    fiber.charge_left -= limit - started;
    set_core_time(core, started + (limit - started) * slow);
  } else {
    running.node = &node;
    running.tcb = core.current;
    running.time = started + fiber.charge_left;
    running.limit = limit;
    fiber.charge_left = 0;
    run_fiber(fiber);
    ASSERT(running.time <= limit);  // W3
    set_core_time(core, started + (running.time - started) * slow);
    fiber_stopped(node, core, fiber);
  }
  core.busy_ns += core.time - started;
  if (core.phase == CorePhase::Run && core.time >= core.run_end) core.phase = CorePhase::Expiry;
}

[[gnu::always_inline]] inline bool World::prepare_fiber(Node& node, Core& core, Fiber& fiber) {
  Tcb& tcb = node.kernel().at(core.current);
  if (fiber.state == FiberState::None) {
    if (tcb.engine != static_cast<u8>(kernel::EngineKind::Native) || !node.has_entry(tcb.context[kRegisterPc])) {
      fiber.state = FiberState::Ended;
      core.phase = CorePhase::Fault;
      return false;
    }
    if (!start_fiber(fiber, tcb.context[kRegisterSp])) {
      crash(node, core, fiber, CrashKind::ArenaSpent, 0);
      return false;
    }
  }
  fiber.thread.frame = &tcb.frame;
  fiber.thread.buffer = kernel::ipc::buffer_of(node.kernel(), tcb, true);
  return true;
}

[[gnu::always_inline]] inline void World::fiber_stopped(Node& node, Core& core, Fiber& fiber) {
  switch (running.stop) {
    case Stop::Trap:
      node.kernel().at(core.current).frame.pending = 1;
      core.phase = CorePhase::Trap;
      return;
    case Stop::Quantum: return;
    case Stop::Crash: return crash(node, core, fiber, fiber.crash_kind, fiber.crash_code);
    case Stop::End:
      drop_fiber(fiber);
      fiber.state = FiberState::Ended;
      core.phase = CorePhase::Fault;
      return;
  }
}

void World::crash(Node& node, Core& core, Fiber& fiber, CrashKind kind, u64 code) {
  drop_fiber(fiber);
  fiber.state = FiberState::Crashed;
  fiber.crash_kind = kind;
  fiber.crash_code = code;
  core.phase = CorePhase::Fault;
  if (!taints(kind)) return;
  if (kind == CrashKind::Watchdog) {
    tell_input({.kind = InputRecord::Kind::WatchdogFault,
                .node = node.number(),
                .time = core.time,
                .value = fiber.thread_id,
                .heartbeat = running.heartbeat});
  }
  tainted_ = true;
  emit(node.number(), core.time,
       {.kind = EventKind::WorldTainted, .thread = fiber.thread_id, .a = static_cast<u64>(kind)}, core.cause);
}

bool World::port_call(Node& node, Core& core) {
  kernel::UserFrame& frame = node.kernel().at(core.current).frame;
  const u32 device = node.device_at(core.current, frame.cap);
  if (device == ~u32{0}) {
    frame.info = kernel::MessageInfo::make(static_cast<u64>(kernel::ResultLabel::InvalidCapability), 0, 0,
                                           kernel::MessageInfo::kKernel)
                     .word();
    frame.cap = 0;
    return true;
  }
  if (faults_ != nullptr) [[unlikely]]
    fault_port(node, core, device);
  return node.devices().port_call(device, core.current, frame, core.time) == PortEffect::None;
}

// ── Power ────────────────────────────────────────────────────────────────────────────────────────────────────

void World::node_stopped(Node& node, u64 now, u32 status, Stopped how) {
  emit(node.number(), now,
       {.kind = EventKind::WorldNodeDown, .a = node.number(), .b = status, .c = static_cast<u64>(how)});
  if (how == Stopped::Halt && !has_status_) {  // the first node to halt names the run's status
    status_ = status;
    has_status_ = true;
  }
  // Before the entries go: an interrupt that this raises goes with them.
  how == Stopped::PowerCut ? disks_.power_cut(node.index(), now) : disks_.node_reset(node.index(), now);
  queue_.remove_if([index = node.index()](const QueueEntry& entry) {
    const bool is_input = entry.action == Action::ConsoleInput || entry.action == Action::ConsoleHangup ||
                          entry.action == Action::ConsoleSize;
    return entry.node == index && !is_input && entry.action < Action::FaultStrike;
  });
  for (Core& core : node.cores()) {
    set_busy(core.global, kNever);
    if (explorer_ != nullptr) explorer_->cut_of(core) = kNoEntry;
  }
  node.power_off();
  up_count_ -= 1;
  node.set_halted(how == Stopped::Halt);
  halted_count_ += how == Stopped::Halt ? 1 : 0;
  if (how != Stopped::Reboot) return;
  const auto booted = power_up(node, now);
  ASSERT(booted.ok());  // it has booted before with the same configuration
}

base::Result<void, kernel::BootError> World::power_up(Node& node, u64 now) {
  ASSERT(!node.is_up());
  TRY(node.boot(now));
  if (node.has_halted()) halted_count_ -= 1;
  node.set_halted(false);
  up_count_ += 1;
  emit(node.number(), now, {.kind = EventKind::WorldNodeUp, .a = node.number()});
  disks_.power_on(node.index(), now);
  if (faults_ != nullptr) faults_->node_started(node.number());
  for (Core& core : node.cores()) {
    if (core.number == 0) core.phase = CorePhase::Boot;
    set_busy(core.global, core.number == 0 ? now : kNever);
  }
  return {};
}

}  // namespace sim
