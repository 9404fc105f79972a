// sim/model/faults/hooks.cpp — what a fault does to the world. Each is called from one place of the step, and only in a
// world with faults.
#include "sim/model/faults/faults.h"
#include "sim/model/world.h"

#include "base/enforce.h"

namespace sim {

using kernel::CrashKind;
using kernel::Syscall;

namespace {

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

}  // namespace

// ── Cores ────────────────────────────────────────────────────────────────────────────────────────────────────

/// A thread got the core. Time that its core stands is charged to it and so ends with the grant: no budget is overdrawn.
void World::fault_dispatched(Node& node, Core& core) {
  if (!core.current) return;
  u64 until = core.stopped_until > core.time ? core.stopped_until : core.time;
  if (core.phase == CorePhase::Run && faults_->on(FaultClass::CpuSteal)) {
    const auto hit = faults_->opportunity(FaultClass::CpuSteal, core_target(node, core), core.time);
    if (hit && core.time + hit->values[0] > until) until = core.time + hit->values[0];
  }
  if (until > core.run_end) until = core.run_end;
  if (until > core.time) set_core_time(core, until);
}

void World::stop_core(Core& core, u64 until) {
  if (until > core.stopped_until) core.stopped_until = until;
  if (core.phase != CorePhase::Run && core.phase != CorePhase::Trap) return;
  u64 time = core.stopped_until < core.run_end ? core.stopped_until : core.run_end;
  if (time > core.time) set_core_time(core, time);
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

void World::fault_strike(Node& node, u32 index, u64 now) {
  const auto hit = faults_->strike(index, now);
  if (!hit) return;
  const Faults::Stream& stream = faults_->stream(index);
  const FaultTarget& target = stream.target;
  Devices& devices = node.devices();
  switch (stream.fault) {
    case FaultClass::CpuOffline: return stop_core(node.cores()[target.index], now + hit->values[0]);
    case FaultClass::CpuThrottle: {
      Core& core = node.cores()[target.index];
      core.slow_factor = hit->values[0];
      core.slow_until = now + hit->values[1];
      return;
    }
    case FaultClass::IrqSpurious: return devices.spurious(target.index, now);
    case FaultClass::IrqStorm: return devices.storm(target.index, now, hit->values[0], hit->values[1]);
    case FaultClass::ConsoleBurst: return devices.paste({.left = hit->values[0], .byte = 'x'}, now);
    case FaultClass::ConsoleGarbage:
      return devices.paste({.left = hit->values[0], .noise = hit->stream, .opportunity = hit->opportunity}, now);
    case FaultClass::ConsoleInterrupt: return devices.paste({.left = 0, .last = kInterrupt}, now);
    case FaultClass::ConsoleHangup: return devices.deliver_hangup(now);
    case FaultClass::ConsoleResize:
      return devices.deliver_size(static_cast<u16>(hit->values[0]), static_cast<u16>(hit->values[1]), now);
    default: UNREACHABLE("no class by the minute");
  }
}

}  // namespace sim
