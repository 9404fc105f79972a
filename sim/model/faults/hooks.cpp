// sim/model/faults/hooks.cpp — what a fault does to the world. Each is called from one place of the step, and only in a
// world with faults.
#include "sim/model/faults/faults.h"
#include "sim/model/world.h"

#include "base/enforce.h"

namespace sim {

using base::EventKind;
using kernel::CrashKind;
using kernel::Syscall;
using Code = ActionError::Code;

namespace {

constexpr u64 kRetryNs = 1000;
constexpr u8 kInterrupt = 0x03;  // Ctrl-C

FaultTarget core_target(const Node& node, const Core& core) { return {TargetKind::Core, node.number(), core.number}; }

/// Whether the call waits for a message, and so ends the work on the last one.
bool takes_message(i32 call) {
  switch (static_cast<Syscall>(call)) {
    case Syscall::ReplyRecv:
    case Syscall::NBSendRecv:
    case Syscall::Recv:
    case Syscall::NBRecv: return true;
    default: return false;
  }
}

/// Whether the call is an operation that the kernel does in steps.
bool is_long(const kernel::UserFrame& frame) {
  if (frame.call != static_cast<i32>(Syscall::Call)) return false;
  switch (static_cast<kernel::Invoke>(kernel::MessageInfo{frame.info}.label())) {
    case kernel::Invoke::UntypedRetype:
    case kernel::Invoke::CNodeRevoke:
    case kernel::Invoke::CNodeDelete:
    case kernel::Invoke::CNodeCancelBadgedSends: return true;
    default: return false;
  }
}

}  // namespace

// ── Cores ────────────────────────────────────────────────────────────────────────────────────────────────────

/// A thread got the core. Time that its core stands is charged to it and so ends with the grant: no budget is overdrawn.
void World::fault_dispatched(Node& node, Core& core) {
  if (!core.current) return;
  if (core.phase != CorePhase::Run || !faults_->on(FaultClass::CpuSteal)) return;
  const auto hit = faults_->opportunity(FaultClass::CpuSteal, core_target(node, core), core.time);
  if (!hit) return;
  const u64 left = core.run_end - core.time;
  set_core_time(core, core.time + (hit->values[0] < left ? hit->values[0] : left));
}

/// An entry is about to be made: what a fault does in it, and whom the kernel asks.
void World::fault_entry(Node& node, Core& core, kernel::Entry& entry) {
  kernel::EntryFaults& faults = faults_->entry_faults();
  faults = {};
  if (faults_->strikes_kernel()) faults = {.strikes = strikes, .context = &node};
  kernel::Kernel& kernel = node.kernel();
  const kernel::Ref<kernel::Tcb> current = kernel.core(core.number).current;
  if (entry.kind == kernel::EntryKind::Syscall) {
    if (core.suspends && current == core.current) faults.suspend = current;
    if (faults_->on(FaultClass::IpcPreemptLong) && is_long(kernel.at(core.current).frame)) {
      // What was cut and goes on is cut again: it is one operation.
      const kernel::Tcb& tcb = kernel.at(core.current);
      const FaultTarget target{TargetKind::Thread, node.number(), 0, &tcb};
      Faults::Stream* const stream = faults_->find(FaultClass::IpcPreemptLong, target);
      const bool goes_on =
          tcb.state == kernel::ThreadState::Restart && stream != nullptr && stream->loop.thread_id == tcb.thread_id;
      if (goes_on || faults_->opportunity(FaultClass::IpcPreemptLong, target, core.time)) {
        entry.horizon = core.time;
        if (stream != nullptr) stream->loop.thread_id = tcb.thread_id;
      } else if (stream != nullptr && stream->loop.thread_id == tcb.thread_id) {
        stream->loop.thread_id = 0;
      }
    }
  }
  core.suspends = false;
  if (core.resumes_id != 0) {
    const kernel::Ref<kernel::Tcb> tcb{(core.resumes_id & kernel::kThreadSlotMask) << kernel::kTcbBits};
    const bool is_there = node.fiber_of(tcb).thread_id == core.resumes_id;
    if (is_there && kernel.at(tcb).state == kernel::ThreadState::Inactive) faults.resume = tcb;
    core.resumes_id = 0;
  }
  if (core.cut_percent != 0 && current && kernel.at(current).sc) {
    faults.cut = kernel.at(current).sc;
    faults.cut_budget = kernel.at(kernel.at(current).sc).budget * core.cut_percent / 100;
  }
  core.cut_percent = 0;
  const bool has_any = faults.strikes != nullptr || faults.suspend || faults.resume || faults.cut;
  entry.faults = has_any ? &faults : nullptr;
}

bool World::strikes(void* context, kernel::Weakness weakness, kernel::Ref<kernel::Tcb> thread) {
  Node& node = *static_cast<Node*>(context);
  Faults& faults = *node.world().faults_;
  constexpr FaultClass kClasses[] = {FaultClass::MemRefuse, FaultClass::IpcSpuriousWake, FaultClass::IpcReplyGone,
                                     FaultClass::IpcRevokeMidway};
  const FaultClass fault = kClasses[static_cast<u32>(weakness)];
  if (!faults.on(fault)) return false;
  const kernel::Tcb& tcb = node.kernel().at(thread);
  return faults.opportunity(fault, {TargetKind::Thread, node.number(), 0, &tcb}, node.kernel().now()).has_value();
}

/// Has the core enter its kernel at once.
void World::poke_by_fault(Core& core) {
  core.poke = true;
  core.note_interrupts();
  if (core.phase != CorePhase::Idle) return;
  core.phase = CorePhase::Expiry;
  set_core_time(core, core.time > now_ ? core.time : now_);
}

u64 World::armed_points() const { return faults_ == nullptr ? 0 : faults_->armed_points(); }

u32 World::ask_point(void* context, u32 point, u32 choices) {
  World& world = *static_cast<World*>(context);
  if (running.fiber == nullptr || world.in_point_) return 0;  // only programs have points, not who watches them
  world.in_point_ = true;
  const u32 answer =
      world.faults_->point(point, choices, *running.node, running.node->kernel().at(running.tcb), running.time);
  world.in_point_ = false;
  return answer;
}

u64 World::fault_poke(Node& node, u32 target, u64 now) {
  if (!faults_->on(FaultClass::CpuIpiLate)) return 0;
  const auto hit = faults_->opportunity(FaultClass::CpuIpiLate, {TargetKind::Core, node.number(), target}, now);
  return hit ? hit->values[0] : 0;
}

// ── Timers and lines ─────────────────────────────────────────────────────────────────────────────────────────

u64 World::fault_timer(Node& node, u32 timer, u64 time) {
  const FaultTarget target{TargetKind::Timer, node.number(), timer};
  if (faults_->on(FaultClass::TimerLate)) {
    if (const auto hit = faults_->opportunity(FaultClass::TimerLate, target, now_)) time += hit->values[0];
  }
  if (faults_->on(FaultClass::TimerMerge)) {
    if (const auto hit = faults_->opportunity(FaultClass::TimerMerge, target, now_)) {
      time = (time + hit->values[0] - 1) / hit->values[0] * hit->values[0];
    }
  }
  if (timer != kDeviceTimer && faults_->on(FaultClass::BudgetRefillLate)) {
    const auto hit = faults_->opportunity(FaultClass::BudgetRefillLate, {TargetKind::Core, node.number(), timer}, now_);
    if (hit) time += hit->values[0];
  }
  return time;
}

u64 World::fault_expiry(Node& node, u32 timer, u64 now) {
  if (!faults_->on(FaultClass::TimerLostIrq)) return 0;
  const auto hit = faults_->opportunity(FaultClass::TimerLostIrq, {TargetKind::Timer, node.number(), timer}, now);
  return hit ? now + hit->values[0] : 0;
}

/// True: the interrupt does not arrive now.
bool World::fault_interrupt(Node& node, const QueueEntry& entry) {
  if (!faults_->on(FaultClass::IrqLost)) return false;
  const FaultTarget target{TargetKind::Line, node.number(), static_cast<u32>(entry.argument)};
  const auto hit = faults_->opportunity(FaultClass::IrqLost, target, entry.time);
  if (!hit) return false;
  QueueEntry again = entry;
  again.time += hit->values[0];
  again.cause = hit->event;
  push(again);
  return true;
}

/// An interrupt has arrived.
void World::fault_repeat(Node& node, u32 line, u64 now) {
  if (!faults_->on(FaultClass::IrqDouble)) return;
  if (faults_->opportunity(FaultClass::IrqDouble, {TargetKind::Line, node.number(), line}, now)) {
    node.devices().repeat(line);
  }
}

// ── Threads ──────────────────────────────────────────────────────────────────────────────────────────────────

/// True: the thread whose call is pending dies of it instead.
bool World::fault_trap(Node& node, Core& core) {
  kernel::Tcb& tcb = node.kernel().at(core.current);
  Fiber& fiber = node.fiber_of(core.current);
  // Only at its own entry: a call that waited and is repeated belongs to the kernel.
  if (tcb.state != kernel::ThreadState::Running || tcb.frame.phase != 0 || fiber.state == FiberState::Crashed)
    return false;
  faults_->note_entry(node.number(), tcb);
  const FaultTarget target{TargetKind::Thread, node.number(), 0, &tcb};
  const auto die = [&](CrashKind kind, u64 cause) {
    tcb.frame.pending = 0;
    core.cause = cause;
    crash(node, core, fiber, kind, 0);
    return true;
  };
  if (faults_->on(FaultClass::ProcessKill)) {
    if (const auto hit = faults_->opportunity(FaultClass::ProcessKill, target, core.time)) {
      return die(CrashKind::Killed, hit->event);
    }
  }
  if (faults_->on(FaultClass::ProcessTrap)) {
    if (const auto hit = faults_->opportunity(FaultClass::ProcessTrap, target, core.time)) {
      constexpr CrashKind kKinds[] = {CrashKind::NullAccess, CrashKind::Assertion, CrashKind::ArenaSpent};
      return die(kKinds[hit->values[0] % std::size(kKinds)], hit->event);
    }
  }
  if (faults_->on(FaultClass::ProcessDropReply) && tcb.frame.call == static_cast<i32>(Syscall::ReplyRecv)) {
    if (const auto hit = faults_->opportunity(FaultClass::ProcessDropReply, target, core.time)) {
      return die(CrashKind::Killed, hit->event);
    }
  }
  if (tcb.frame.call != static_cast<i32>(Syscall::Port)) {
    if (faults_->on(FaultClass::ProcessHang)) {
      core.suspends = faults_->opportunity(FaultClass::ProcessHang, target, core.time).has_value();
    }
    if (faults_->on(FaultClass::ProcessPause)) {
      if (const auto hit = faults_->opportunity(FaultClass::ProcessPause, target, core.time)) {
        core.suspends = true;
        Faults::Stream* const stream = faults_->find(FaultClass::ProcessPause, target);
        stream->busy_until = core.time + hit->values[0];
        stream->loop.thread_id = tcb.thread_id;
        faults_->queue_undo(*stream, node.number(), stream->busy_until);
      }
    }
  }
  if (!faults_->on(FaultClass::ProcessCrashLoop) || !takes_message(tcb.frame.call)) return false;
  Faults::Stream* const stream = faults_->find(FaultClass::ProcessCrashLoop, target);
  if (stream == nullptr) return false;
  CrashLoop& loop = stream->loop;
  if (loop.deaths_left > 0 && loop.thread_id != tcb.thread_id) {
    loop.messages = 0;
    loop.thread_id = tcb.thread_id;
  }
  if (loop.deaths_left > 0) {
    loop.messages += 1;
    if (loop.messages <= loop.messages_each) return false;
    loop.deaths_left -= 1;
    return die(CrashKind::Killed, loop.event);
  }
  const auto hit = faults_->opportunity(FaultClass::ProcessCrashLoop, target, core.time);
  if (!hit) return false;
  loop = {.event = hit->event,
          .messages_each = static_cast<u32>(hit->values[0]),
          .deaths_left = static_cast<u32>(hit->values[1]),
          .thread_id = tcb.thread_id};
  return die(CrashKind::Killed, hit->event);
}

// ── Devices ──────────────────────────────────────────────────────────────────────────────────────────────────

/// A device lets its driver wait; the time is the driver's own, as far as its grant goes.
void World::fault_port(Node& node, Core& core, u32 device) {
  if (!faults_->on(FaultClass::DeviceBusy) || device >= kDeviceCount) return;
  const auto hit = faults_->opportunity(FaultClass::DeviceBusy, {TargetKind::Device, node.number(), device}, core.time);
  if (!hit) return;
  const u64 left = core.run_end - core.time;
  set_core_time(core, core.time + (hit->values[0] < left ? hit->values[0] : left));
}

void World::fault_strike(Node& node, const QueueEntry& entry) {
  const u64 now = entry.time;
  const u32 index = static_cast<u32>(entry.argument);
  const auto hit = faults_->strike(index, (entry.argument & kInjectedStrike) != 0, now);
  if (!hit) return;
  Faults::Stream& stream = faults_->stream(index);
  const FaultTarget& target = stream.target;
  Devices& devices = node.devices();
  switch (stream.fault) {
    case FaultClass::CpuOffline: {
      Core& core = node.cores()[target.index];
      hold(node, core, hit->values[0]);
      stream.busy_until = core.time > now ? core.time : now;
      return;
    }
    case FaultClass::CpuThrottle: return slow_down(node.cores()[target.index], hit->values[0], now + hit->values[1]);
    case FaultClass::BudgetCut: {
      Core& core = node.cores()[target.index];
      core.cut_percent = hit->values[0];
      if (core.phase != CorePhase::Idle) poke_by_fault(core);
      return;
    }
    case FaultClass::NodeSlow:
      for (Core& core : node.cores()) slow_down(core, hit->values[0], now + hit->values[1]);
      return;
    case FaultClass::NodePause:
    case FaultClass::NodeZombie:
      if (stream.fault == FaultClass::NodeZombie) faults_->ledger().down(node.number(), now + hit->values[0]);
      stream.busy_until = now + hit->values[0];
      for (Core& core : node.cores()) hold(node, core, hit->values[0]);
      return;
    case FaultClass::NodeReboot: return node_stopped(node, now, 0, Stopped::Reboot);
    case FaultClass::NodeLost: return fault_cut(node, index, kNever);
    case FaultClass::NodeCrash: return fault_cut(node, index, now + hit->values[0]);
    case FaultClass::NodeRack: {
      u64 left = hit->values[kRackCountKnob];
      for (u32 i = 0; i < nodes_.size() && left > 0; ++i) {
        Node& next = nodes_[(node.index() + i) % nodes_.size()];
        if (!next.is_up() || faults_->ledger().is_away(next.number(), now)) continue;
        fault_cut(next, index, now + hit->values[0]);
        left -= 1;
      }
      return;
    }
    case FaultClass::ClockSkew:
    case FaultClass::ClockStep: {
      const i64 amount = static_cast<i64>(hit->values[0]);
      MUST(step_wall(node.number(), hit->backward ? -amount : amount));
      return;
    }
    case FaultClass::ClockDrift: {
      const i32 ppm = static_cast<i32>(hit->values[0]);
      MUST(set_rate(node.number(), hit->backward ? -ppm : ppm));
      return;
    }
    case FaultClass::ClockFreeze:
      stream.busy_until = now + hit->values[0];
      stream.wobble.moved = devices.clock().ppm();
      MUST(set_rate(node.number(), -kRatePpmMax));
      return faults_->queue_undo(stream, node.number(), stream.busy_until);
    case FaultClass::ClockStrobe:
    case FaultClass::ClockNoise:
      stream.wobble = {.most = hit->values[0],
                       .period = hit->values[1],
                       .left = 2 * hit->values[2],
                       .opportunity = hit->opportunity};
      if (hit->backward) stream.wobble.most = ~stream.wobble.most + 1;
      stream.busy_until = now + stream.wobble.period * stream.wobble.left;
      return fault_undo({.time = now, .argument = index, .node = static_cast<u16>(node.index())});
    case FaultClass::IrqSpurious: return devices.spurious(target.index, now);
    case FaultClass::IrqStorm: return devices.storm(target.index, now, hit->values[0], hit->values[1]);
    case FaultClass::ConsoleBurst: return devices.paste({.left = hit->values[0], .byte = 'x'}, now);
    case FaultClass::ConsoleGarbage:
      return devices.paste({.left = hit->values[0], .noise = hit->stream, .opportunity = hit->opportunity}, now);
    case FaultClass::ConsoleInterrupt: return devices.paste({.left = 0, .last = kInterrupt}, now);
    case FaultClass::ConsoleHangup: return devices.deliver_hangup(now);
    case FaultClass::ConsoleResize:
      return devices.deliver_size(static_cast<u16>(hit->values[0]), static_cast<u16>(hit->values[1]), now);
    case FaultClass::NetClog:
    case FaultClass::NetSwizzle:
    case FaultClass::NetPartition:
    case FaultClass::NetRate:
    case FaultClass::NetQueue:
    case FaultClass::NetMtu:
    case FaultClass::NetFlap: return fault_link(index, *hit);
    case FaultClass::DiskSlow:
    case FaultClass::DiskFull:
    case FaultClass::DiskWriteProtect:
    case FaultClass::DiskGarbage:
    case FaultClass::DiskCapacityLie:
    case FaultClass::DiskCutImage:
    case FaultClass::DiskUnplug: return fault_disk(index, *hit);
    default: UNREACHABLE("no class by the minute");
  }
}

// ── What lasts, and its end ──────────────────────────────────────────────────────────────────────────────────

void World::slow_down(Core& core, u64 factor, u64 until) {
  core.slow_factor = factor;
  core.slow_until = until;
}

/// The node loses its power, and gets it back at `until`.
void World::fault_cut(Node& node, u32 index, u64 until) {
  faults_->ledger().down(node.number(), until);
  node_stopped(node, now_, 0, Stopped::PowerCut);
  if (until == kNever) return;
  plan_entries_ += 1;  // a node that may come back keeps the world going
  faults_->queue_undo(faults_->stream(index), node.number(), until);
}

void World::fault_undo(const QueueEntry& entry) {
  Node& node = nodes_[entry.node];
  Faults::Stream& stream = faults_->stream(static_cast<u32>(entry.argument));
  switch (stream.fault) {
    case FaultClass::NodeCrash:
    case FaultClass::NodeRack: {
      plan_entries_ -= 1;
      if (node.is_up() || (faults_->phase() > Phase::Safety && !is_healed(node))) return;
      const auto booted = power_up(node, now_);
      ASSERT(booted.ok());  // it has booted before with the same configuration
      return;
    }
    case FaultClass::ClockFreeze:
      if (stream.busy_until == 0) return;  // healed meanwhile
      MUST(set_rate(node.number(), static_cast<i32>(stream.wobble.moved)));
      return;
    case FaultClass::ClockStrobe:
    case FaultClass::ClockNoise: {
      Wobble& wobble = stream.wobble;
      if (wobble.left == 0) return;
      wobble.left -= 1;
      i64 step = -wobble.moved;  // back, each second time
      if (wobble.moved == 0) {
        const i64 most = static_cast<i64>(wobble.most);
        step = most;
        if (stream.fault == FaultClass::ClockNoise) {
          const u64 word = stream.prng.at(wobble.opportunity, 16 + wobble.left);
          step =
              most / 2 + static_cast<i64>(word % (static_cast<u64>(most < 0 ? -most : most) / 2)) * (most < 0 ? -1 : 1);
        }
      }
      wobble.moved += step;
      MUST(step_wall(node.number(), step));
      if (wobble.left != 0) faults_->queue_undo(stream, node.number(), now_ + wobble.period);
      return;
    }
    case FaultClass::ProcessPause: {
      const u32 id = stream.loop.thread_id;
      if (!node.is_up() || id == 0) return;
      const kernel::Ref<kernel::Tcb> tcb{(id & kernel::kThreadSlotMask) << kernel::kTcbBits};
      Core& core = node.cores()[node.kernel().at(tcb).core % node.cores().size()];
      if (core.resumes_id != 0) return faults_->queue_undo(stream, node.number(), now_ + kRetryNs);
      core.resumes_id = id;
      stream.loop.thread_id = 0;
      return poke_by_fault(core);
    }
    case FaultClass::NetPartition:
    case FaultClass::NetRate:
    case FaultClass::NetQueue:
    case FaultClass::NetMtu:
    case FaultClass::NetFlap: return undo_link(stream);
    case FaultClass::DiskSlow:
    case FaultClass::DiskFull:
    case FaultClass::DiskUnplug: return undo_disk(stream);
    default: UNREACHABLE("a class that ends by itself");
  }
}

void World::set_phase(Phase phase, u64 core) {
  emit(0, now_, {.kind = EventKind::WorldPhase, .a = static_cast<u64>(phase), .b = core});
  if (faults_ == nullptr) return;
  faults_->set_phase(phase);
  if (phase != Phase::Healing) return;
  healed_ = core;
  heal_links();
  heal_disks();
  for (Node& node : nodes_) {
    if (is_healed(node)) heal(node);
  }
}

ActionResult<> World::inject(const Injection& injection) {
  if (in_puppet_) return ActionError{Code::InPuppet};
  if (faults_ == nullptr) return ActionError{Code::NoFaults};
  const TargetKind kind = info_of(injection.fault).target;
  if (kind == TargetKind::Point) return ActionError{Code::NoSuchTarget};  // armed for a whole run, or not
  if (!faults_->inject(injection, now_)) return ActionError{Code::NoSuchTarget};
  for (Node& node : nodes_) node.kernel().set_fast_path(!faults_->strikes_kernel());
  return {};
}

/// Undoes what faults left behind. A core that stands goes on when its time has come.
void World::heal(Node& node) {
  const auto tell = [&](FaultClass fault) {
    emit(node.number(), now_, {.kind = EventKind::InjectHealed, .object = static_cast<u32>(fault), .a = node.number()});
  };
  faults_->forget(node.number());
  for (Core& core : node.cores()) {
    if (core.slow_factor > 1 && core.slow_until > now_) tell(FaultClass::CpuThrottle);
    core.slow_factor = 1;
  }
  if (node.devices().end_storms(now_)) tell(FaultClass::IrqStorm);
  const ClockConfig& clock = node_configs_[node.index()].clock;
  const bool is_clock_struck = faults_->on(FaultClass::ClockSkew) || faults_->on(FaultClass::ClockDrift) ||
                               faults_->on(FaultClass::ClockStep) || faults_->on(FaultClass::ClockStrobe) ||
                               faults_->on(FaultClass::ClockFreeze) || faults_->on(FaultClass::ClockNoise);
  if (is_clock_struck) {
    tell(FaultClass::ClockStep);
    MUST(set_rate(node.number(), clock.drift_ppm));
    MUST(step_wall(node.number(), clock.skew_ns - node.devices().clock().error_at(now_)));
  }
  const Ledger& ledger = faults_->ledger();
  if (!node.is_up() && ledger.is_away(node.number(), now_) && !ledger.is_lost(node.number())) {
    tell(FaultClass::NodeCrash);
    const auto booted = power_up(node, now_);
    ASSERT(booted.ok());  // it has booted before with the same configuration
  }
}

}  // namespace sim
