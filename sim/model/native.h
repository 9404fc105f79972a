// sim/model/native.h — the native engine: C++ programs on fibers. A fiber leaves its program only by a trap, at the end
// of its run (a charge is a preemption point) or by a crash; the world then continues after `run_fiber`.
#pragma once
#include "kernel-model/kernel.h"
#include "kernel-model/machine.h"

namespace sim {

class Node;

enum class FiberState : u8 {
  None,     // the thread has no engine context; the next dispatch starts it
  Ready,    // stopped in a charge, or a trap that is completed: resuming runs user code
  Trapped,  // waits in machine::trap for its call to be completed
  Crashed,  // abandoned; its fault is pending
  Ended,    // its entry returned
};

/// One native thread. Lies in a table indexed by TCB slot, so finding it costs no search.
struct Fiber {
  machine::NativeThread thread;
  machine::Context context = nullptr;
  machine::Stack stack;
  u64 charge_left = 0;  // of a charge cut by the end of a run, ns
  u64 crash_code = 0;
  u32 thread_id = 0;  // 0: this slot holds no thread
  FiberState state = FiberState::None;
  kernel::CrashKind crash_kind = kernel::CrashKind::NullAccess;
};

/// One address space's arena, in a table indexed by VSpace slot.
struct Arena {
  u8* base = nullptr;
  u64 bytes = 0;  // committed
};

/// Why a fiber gave the processor back.
enum class Stop : u8 { Trap, Quantum, Crash, End };

/// The native thread that runs just now, and what its way out needs. There is one per process, because the functions of
/// machine.h take no handle and one host thread runs all worlds; it holds nothing between two runs.
struct Running {
  Fiber* fiber = nullptr;  // null: the world runs, not a program
  Node* node = nullptr;
  kernel::Ref<kernel::Tcb> tcb;
  machine::Context scheduler = nullptr;
  u64 time = 0;             // of the core, ns
  u64 limit = 0;            // the run ends here
  u64 heartbeat = 0;        // counts charges and traps; only a watchdog outside reads it
  u64 silent_at = ~u64{0};  // replay: the heartbeat after which a recorded watchdog fault comes
  u32 silent_thread = 0;    // and whose
  Stop stop = Stop::Trap;
  bool stepping = false;  // World::run is under way: what enters now would enter unrecorded
};
extern Running running;

/// Marks a World::run. The guards of sim/host refuse clocks, entropy and the environment meanwhile.
struct Stepping {
  Stepping() { running.stepping = true; }
  ~Stepping() { running.stepping = false; }
};

/// Runs the fiber until it stops; `running` says why and when. The caller has set node, tcb, time and limit.
inline void run_fiber(Fiber& fiber) {
  running.fiber = &fiber;
  if (running.heartbeat == running.silent_at && fiber.thread_id == running.silent_thread) [[unlikely]] {
    // Replay: here the thread fell silent when it was recorded.
    fiber.crash_kind = kernel::CrashKind::Watchdog;
    fiber.crash_code = 0;
    running.stop = Stop::Crash;
  } else {
    machine::context_switch(running.scheduler, fiber.context);
  }
  running.fiber = nullptr;
}
/// Gives the fiber a stack; its thread's registers say where it begins. False when no stack is left.
bool start_fiber(Fiber& fiber, u64 stack_bytes);
/// Drops the context and the stack; nothing is unwound.
void drop_fiber(Fiber& fiber);

/// True while a program's own code runs; what a host signal handler asks.
inline bool in_native_program() { return running.fiber != nullptr; }
/// Ends the running fiber with a crash. Callable on any stack: the fiber's own or a signal's landing stack.
[[noreturn]] void abandon_fiber(kernel::CrashKind kind, u64 code);

/// Whether what follows the crash depends on the build and the host: undefined behaviour does, exact ends do not.
constexpr bool taints(kernel::CrashKind kind) {
  using enum kernel::CrashKind;
  switch (kind) {
    case NullAccess:
    case Assertion:
    case ArenaSpent:
    case Killed: return false;
    case Segment:
    case Bus:
    case Arithmetic:
    case IllegalInstruction:
    case StackOverflow:
    case Watchdog: return true;
  }
  return true;
}

}  // namespace sim
