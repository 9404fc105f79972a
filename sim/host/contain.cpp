// sim/host/contain.cpp — signal handlers and the watchdog.
//
// A handler never unwinds and never jumps: it rewrites the interrupted registers so that returning from the signal lands
// in `land`, on a stack of its own. The kernel thus restores the signal mask, and an overflowed stack is not used again.
#include "sim/host/contain.h"

#include "sim/host/disk_image.h"

#include <execinfo.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace sim::host {
namespace {

constexpr u64 kSignalStackBytes = 256 << 10;  // backtrace() wants room
constexpr u64 kLandingStackBytes = 256 << 10;
constexpr u32 kTicksToSilence = 4;
constexpr int kWatchdogSignal = SIGVTALRM;
constexpr int kFaultSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

struct Containment {
  World* world = nullptr;
  ContainOptions options;
  u8* signal_stack = nullptr;
  u8* landing_stack = nullptr;
  timer_t timer = nullptr;
  bool timer_made = false;
  u64 last_heartbeat = 0;
  u32 silent_ticks = 0;
};
Containment state;
void (*last_will)() = nullptr;

/// printf to stderr without a heap; usable in a handler.
__attribute__((format(printf, 1, 2))) void report(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  const u64 bytes = length < 0                               ? 0
                    : static_cast<u64>(length) < sizeof text ? static_cast<u64>(length)
                                                             : sizeof text - 1;
  if (write(STDERR_FILENO, text, bytes) < 0) return;
}

struct Where {
  char name[33] = {};
  u32 thread_id = 0;
  u32 node = 0;
};

Where running_thread() {
  Where where;
  if (!in_native_program() || state.world == nullptr) return where;
  const ThreadInfo info = state.world->thread_info(*running.node, running.tcb);
  std::memcpy(where.name, info.name.data(), info.name.size());
  where.thread_id = info.thread_id;
  where.node = info.node;
  return where;
}

void print_stack() {
  void* frames[64];
  const int count = backtrace(frames, 64);
  backtrace_symbols_fd(frames, count, STDERR_FILENO);
}

void land(u64 kind, u64 code) { abandon_fiber(static_cast<kernel::CrashKind>(kind), code); }

/// Makes the interrupted context continue in `land` on the landing stack.
void redirect(ucontext_t& context, kernel::CrashKind kind, u64 code) {
  const u64 top = reinterpret_cast<u64>(state.landing_stack) + kLandingStackBytes;
#if defined(__x86_64__)
  context.uc_mcontext.gregs[REG_RSP] = static_cast<greg_t>(top - 8);  // as after a call: 16n + 8
  context.uc_mcontext.gregs[REG_RIP] = reinterpret_cast<greg_t>(&land);
  context.uc_mcontext.gregs[REG_RDI] = static_cast<greg_t>(kind);
  context.uc_mcontext.gregs[REG_RSI] = static_cast<greg_t>(code);
#elif defined(__aarch64__)
  context.uc_mcontext.sp = top;
  context.uc_mcontext.pc = reinterpret_cast<u64>(&land);
  context.uc_mcontext.regs[0] = static_cast<u64>(kind);
  context.uc_mcontext.regs[1] = code;
#else
#error "containment knows the registers of x86_64 and aarch64"
#endif
}

kernel::CrashKind kind_of(int signal, const siginfo_t& info) {
  using enum kernel::CrashKind;
  switch (signal) {
    case SIGBUS: return Bus;
    case SIGFPE: return Arithmetic;
    case SIGILL: return IllegalInstruction;
    default: break;
  }
  // An address that is not canonical comes as SI_KERNEL with address 0; it is no null access.
  if (info.si_code == SI_KERNEL) return Segment;
  if (reinterpret_cast<u64>(info.si_addr) < 4096) return NullAccess;
  return stack_use(info.si_addr) == StackUse::Guard ? StackOverflow : Segment;
}

void on_fault(int signal, siginfo_t* info, void* context) {
  if (const char* image = signal == SIGBUS ? image_mapped_at(info->si_addr) : nullptr; image != nullptr) {
    // A page of the file cannot be read: the host's failure, which is never passed off as one of the simulated disk.
    run_last_will();
    report("orrery: limit: host failure: %s cannot be read, or became shorter\n", image);
    _exit(kLimit);
  }
  if (in_native_program()) {
    const kernel::CrashKind kind = kind_of(signal, *info);
    const u64 code = kind == kernel::CrashKind::NullAccess ? reinterpret_cast<u64>(info->si_addr) : 0;
    return redirect(*static_cast<ucontext_t*>(context), kind, code);
  }
  run_last_will();
  report("orrery: internal error: signal %d (%s) at %p\n", signal, strsignal(signal), info->si_addr);
  if (state.world != nullptr) {
    report("orrery: last event #%llu at %llu ns, seed %llu\n",
           static_cast<unsigned long long>(state.world->trace().count()),
           static_cast<unsigned long long>(state.world->now()), static_cast<unsigned long long>(state.world->seed()));
  }
  print_stack();
  _exit(kOwnFailure);
}

void on_watchdog(int, siginfo_t*, void* context) {
  const u64 heartbeat = running.heartbeat;
  if (!in_native_program() || heartbeat != state.last_heartbeat) {
    state.last_heartbeat = heartbeat;
    state.silent_ticks = 0;
    return;
  }
  state.silent_ticks += 1;
  if (state.silent_ticks < kTicksToSilence) return;
  state.silent_ticks = 0;
  if (state.options.silence == Silence::FaultThread) {
    return redirect(*static_cast<ucontext_t*>(context), kernel::CrashKind::Watchdog, 0);
  }
  const Where where = running_thread();
  run_last_will();
  report("orrery: watchdog: thread %s (node %u, id %u) neither charges nor traps; last event #%llu at %llu ns\n",
         where.name[0] != 0 ? where.name : "?", where.node, where.thread_id,
         static_cast<unsigned long long>(state.world->trace().count()), static_cast<unsigned long long>(running.time));
  print_stack();
  _exit(kWatchdog);
}

void install(int signal, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

void start_watchdog() {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = kWatchdogSignal;
  // Processor time, not wall time: a stopped process or a busy machine is no silent loop, and an idle one has no wake-ups.
  if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &state.timer) != 0) return;
  state.timer_made = true;
  const u32 tick_ms = state.options.silence_ms / kTicksToSilence;
  itimerspec interval = {};
  interval.it_interval.tv_sec = tick_ms / 1000;
  interval.it_interval.tv_nsec = static_cast<long>(tick_ms % 1000) * 1'000'000;
  interval.it_value = interval.it_interval;
  timer_settime(state.timer, 0, &interval, nullptr);
}

}  // namespace

void set_last_will(void (*restore)()) { last_will = restore; }

void run_last_will() {
  if (last_will == nullptr) return;
  void (*const restore)() = last_will;
  last_will = nullptr;
  restore();
}

void contain(World& world, const ContainOptions& options) {
  state.world = &world;
  state.options = options;
  state.silent_ticks = 0;
  if (state.signal_stack == nullptr) {
    state.signal_stack = map_memory(kSignalStackBytes);
    state.landing_stack = map_memory(kLandingStackBytes);
    void* warm_up[2];
    backtrace(warm_up, 2);  // loads the unwinder now, not in a handler
  }
  stack_t stack = {};
  stack.ss_sp = state.signal_stack;
  stack.ss_size = kSignalStackBytes;
  sigaltstack(&stack, nullptr);
  for (const int signal : kFaultSignals) install(signal, on_fault);
  install(kWatchdogSignal, on_watchdog);
  start_watchdog();
}

void release_containment() {
  if (state.timer_made) timer_delete(state.timer);
  state.timer_made = false;
  signal(kWatchdogSignal, SIG_IGN);
  for (const int fault : kFaultSignals) signal(fault, SIG_DFL);
  stack_t stack = {};
  stack.ss_flags = SS_DISABLE;
  sigaltstack(&stack, nullptr);
  state.world = nullptr;
}

void assertion_failed(const char* expression, const char* file, int line) {
  if (in_native_program()) {
    if (state.options.report_assertions) {
      const Where where = running_thread();
      report("orrery: thread %s (id %u): assertion failed: %s (%s:%d)\n", where.name, where.thread_id, expression, file,
             line);
    }
    abandon_fiber(kernel::CrashKind::Assertion, 0);
  }
  run_last_will();
  report("orrery: assertion failed: %s (%s:%d)\n", expression, file, line);
  if (state.world != nullptr) {
    report("orrery: last event #%llu at %llu ns, seed %llu\n",
           static_cast<unsigned long long>(state.world->trace().count()),
           static_cast<unsigned long long>(state.world->now()), static_cast<unsigned long long>(state.world->seed()));
  }
  print_stack();
  _exit(kOwnFailure);
}

const char* name_of(kernel::CrashKind kind) {
  using enum kernel::CrashKind;
  switch (kind) {
    case NullAccess: return "null access";
    case Segment: return "segment violation";
    case Bus: return "bus error";
    case Arithmetic: return "arithmetic";
    case IllegalInstruction: return "illegal instruction";
    case StackOverflow: return "stack overflow";
    case Assertion: return "failed assertion";
    case ArenaSpent: return "arena spent";
    case Watchdog: return "watchdog";
    case Killed: return "killed";
  }
  return "?";
}

}  // namespace sim::host
