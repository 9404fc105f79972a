// sim/model/native.cpp — fibers, and machine.h as native programs see it on the deterministic machine.
#include "sim/model/native.h"

#include "kernel-model/vspace.h"
#include "sim/model/node.h"

#include "base/enforce.h"

namespace sim {

constinit Running running;  // det-ok: machine.h's functions take no handle; empty between two runs

namespace {

constexpr u64 kStackBytesMin = u64{16} << 10;
constexpr u64 kStackBytesMax = u64{8} << 20;

/// Out of line: replays the fault of a thread that fell silent here when it was recorded.
[[gnu::noinline, gnu::cold]] void meet_recorded_silence() {
  if (running.fiber->thread_id == running.silent_thread) abandon_fiber(kernel::CrashKind::Watchdog, 0);
}
void check_silence() {
  if (running.heartbeat == running.silent_at) [[unlikely]]
    meet_recorded_silence();
}

/// Back to the world; comes back when the world resumes this fiber. Nothing is left to do then: the switch, the last call,
/// returns to whoever stopped, without a return that the processor would mispredict.
inline void leave(Stop stop) {
  running.stop = stop;
  machine::context_switch(running.fiber->context, running.scheduler);
}

/// First frame of every fiber.
void fiber_main() {
  const kernel::Tcb& tcb = running.node->kernel().at(running.tcb);
  const machine::NativeEntry& entry = running.node->entry(tcb.context[kRegisterPc]);
  u64 arguments[8];
  for (u32 i = 0; i < 8; ++i) arguments[i] = tcb.context[kRegisterA0 + i];
  entry.run(arguments);
  leave(Stop::End);
  UNREACHABLE("an ended fiber was resumed");
}

}  // namespace

bool start_fiber(Fiber& fiber, u64 stack_bytes) {
  ASSERT(fiber.context == nullptr && fiber.stack.base == nullptr);
  u64 bytes = base::align_up(stack_bytes < kStackBytesMax ? stack_bytes : kStackBytesMax, 4096);
  if (bytes < kStackBytesMin) bytes = kStackBytesMin;
  fiber.stack = machine::stack_acquire(bytes);
  if (fiber.stack.base == nullptr) return false;
  fiber.context = machine::context_make(fiber.stack, fiber_main);
  fiber.state = FiberState::Ready;
  return true;
}

void drop_fiber(Fiber& fiber) {
  if (fiber.stack.base != nullptr) machine::stack_release(fiber.stack);
  fiber.stack = {};
  fiber.context = nullptr;
  fiber.charge_left = 0;
  fiber.state = FiberState::None;
  fiber.thread.runtime = nullptr;
  fiber.thread.checks = nullptr;
}

void abandon_fiber(kernel::CrashKind kind, u64 code) {
  Fiber& fiber = *running.fiber;
  fiber.crash_kind = kind;
  fiber.crash_code = code;
  leave(Stop::Crash);
  UNREACHABLE("a crashed fiber was resumed");
}

}  // namespace sim

// ── machine.h ────────────────────────────────────────────────────────────────────────────────────────────────
namespace machine {

using sim::running;

NativeThread& self() { return running.fiber->thread; }
bool is_native_thread() { return running.fiber != nullptr; }

void trap() {
  running.heartbeat += 1;
  sim::leave(sim::Stop::Trap);
}

void charge(u64 ns) {
  running.heartbeat += 1;
  const u64 room = running.limit - running.time;
  if (ns < room) {
    running.time += ns;
    sim::check_silence();
    return;
  }
  running.time = running.limit;
  running.fiber->charge_left = ns - room;  // the world spends it before it resumes user code
  sim::leave(sim::Stop::Quantum);
}

void crash(kernel::CrashKind kind, u64 code) {
  sim::abandon_fiber(kind, kind == kernel::CrashKind::NullAccess ? code : 0);
}

void* pointer(u64 vaddr, u64 bytes, bool for_write) {
  return running.node->host_pointer(running.tcb, vaddr, bytes, for_write);
}

u8* arena_base() { return running.node->arena_of(running.tcb).base; }

}  // namespace machine
