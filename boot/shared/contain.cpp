// boot/shared/contain.cpp — see contain.h.
//
// A trap never unwinds: it sends the interrupted program to `land` on a stack of its own, so an overflowed one is not used
// again, and the machine's return from the trap restores the interrupt state.
#include "boot/shared/contain.h"

#include "base/format.h"
#include "boot/arch.h"
#include "boot/shared/channel.h"
#include "boot/shared/status.h"
#include "boot/shared/windows.h"

#include "base/enforce.h"

namespace boot {
namespace {

constexpr u64 kLandingStackBytes = 64 << 10;
constexpr u64 kTickNs = 250'000'000;
constexpr u32 kInputBytes = 4096;
constexpr u64 kNullBytes = 4096;  // an access below is a null access

struct Containment {
  alignas(16) u8 landing_stack[kLandingStackBytes] = {};
  sim::World* world = nullptr;
  ContainOptions options;
  u64 last_heartbeat = 0;
  u64 silent_since_ns = 0;
  u64 wake_ns = arch::kTimerNever;
  u64 tick_ns = arch::kTimerNever;
  u8 input[kInputBytes] = {};  // filled by Serial traps, emptied by input_take
  volatile u32 input_head = 0;
  volatile u32 input_tail = 0;
  std::span<const VirtioWindow> devices;
  u32 device_interrupts = 0;
};
constinit Containment state;

void land(u64 kind, u64 code) { sim::abandon_fiber(static_cast<kernel::CrashKind>(kind), code); }

void redirect(Trap& trap, kernel::CrashKind kind, u64 code) {
  trap.land = land;
  trap.land_stack = reinterpret_cast<u64>(state.landing_stack) + kLandingStackBytes;
  trap.land_arguments[0] = static_cast<u64>(kind);
  trap.land_arguments[1] = code;
}

std::string_view text_of(Cause cause) {
  switch (cause) {
    case Cause::Memory: return "memory access";
    case Cause::WildAddress: return "wild address";
    case Cause::IllegalInstruction: return "illegal instruction";
    case Cause::Arithmetic: return "arithmetic";
    case Cause::Bus: return "bus";
    case Cause::Timer: return "timer";
    case Cause::Serial: return "serial";
    case Cause::Device: return "device";
    case Cause::Other: break;
  }
  return "unexpected trap";
}

/// Where the world stood, for the last line of a report.
void place_of_world(base::Writer& text) {
  if (state.world == nullptr) return;
  base::format_to(text, "orrery: last event #{} at {} ns, seed {}\n", state.world->trace().count(), state.world->now(),
                  state.world->seed());
}

kernel::CrashKind kind_of(const Trap& trap) {
  using enum kernel::CrashKind;
  switch (trap.cause) {
    case Cause::Bus: return Bus;
    case Cause::Arithmetic: return Arithmetic;
    case Cause::IllegalInstruction: return IllegalInstruction;
    case Cause::Memory: break;
    default: return Segment;
  }
  if (trap.address < kNullBytes) return NullAccess;
  return address_use(trap.address) == AddressUse::Guard ? StackOverflow : Segment;
}

void set_timer() { arch::timer_set(state.wake_ns < state.tick_ns ? state.wake_ns : state.tick_ns); }

/// A program that has neither charged nor trapped for long is silent.
void watch(Trap& trap, u64 now) {
  const u64 heartbeat = sim::running.heartbeat;
  if (!sim::in_native_program() || heartbeat != state.last_heartbeat) {
    state.last_heartbeat = heartbeat;
    state.silent_since_ns = now;
    return;
  }
  if (now - state.silent_since_ns < state.options.silence_ns) return;
  state.silent_since_ns = now;
  if (state.options.silence == Silence::FaultThread) return redirect(trap, kernel::CrashKind::Watchdog, 0);
  const sim::ThreadInfo thread = state.world->thread_info(*sim::running.node, sim::running.tcb);
  char text[256];
  fail(kStatusWatchdog, base::format(text, "orrery: watchdog: thread {} (id {}) neither charges nor traps\n",
                                     thread.name, thread.thread_id));
}

void on_timer(Trap& trap) {
  const u64 now = arch::monotonic_ns();
  if (now >= state.wake_ns) state.wake_ns = arch::kTimerNever;
  if (now >= state.tick_ns) {
    state.tick_ns = now + kTickNs;
    watch(trap, now);
  }
  set_timer();
}

void on_serial() {
  u8 byte;
  while (arch::serial_read(byte)) {
    const u32 next = (state.input_head + 1) % kInputBytes;
    if (next == state.input_tail) continue;  // typed ahead and not yet read: lost, as on any line
    state.input[state.input_head] = byte;
    state.input_head = next;
  }
}

void on_device(u64 line) {
  for (u32 i = 0; i < state.devices.size(); ++i) {
    if (state.devices[i].line == line) state.device_interrupts |= 1u << i;
  }
}

[[noreturn]] void report(const Trap& trap) {
  char text[512];
  base::Writer writer(text);
  base::format_to(writer, "orrery: internal error: {} ({}) at {:x}, address {:x}, stack {:x}\n", text_of(trap.cause),
                  trap.number, trap.pc, trap.address, trap.sp);
  place_of_world(writer);
  fail(kStatusOwnFailure, writer.view());
}

}  // namespace

void on_trap(Trap& trap) {
  if (trap.cause == Cause::Timer) return on_timer(trap);
  if (trap.cause == Cause::Serial) return on_serial();
  if (trap.cause == Cause::Device) return on_device(trap.number);
  if (trap.cause == Cause::Memory && address_use(trap.address) == AddressUse::Stack) {
    if (stack_page_in(trap.address)) return;
    fail(kStatusUnsupported, "orrery: the machine has no memory left for stacks; give it more\n");
  }
  if (!sim::in_native_program() || trap.cause == Cause::Other) report(trap);
  const kernel::CrashKind kind = kind_of(trap);
  redirect(trap, kind, kind == kernel::CrashKind::NullAccess ? trap.address : 0);
}

void contain(sim::World& world, const ContainOptions& options) {
  state.world = &world;
  state.options = options;
  state.silent_since_ns = arch::monotonic_ns();
  state.tick_ns = state.silent_since_ns + kTickNs;
  set_timer();
  arch::interrupts_enable();
}

void release_containment() {
  arch::interrupts_disable();
  arch::timer_set(arch::kTimerNever);
  state.world = nullptr;
}

bool input_take(u8& byte) {
  const u32 tail = state.input_tail;
  if (tail == state.input_head) return false;
  byte = state.input[tail];
  state.input_tail = (tail + 1) % kInputBytes;
  return true;
}

u32 device_interrupts_take() {
  const u32 bits = state.device_interrupts;
  state.device_interrupts = 0;
  return bits;
}

void watch_devices(std::span<const VirtioWindow> windows) { state.devices = windows; }

void wake_at(u64 ns) {
  state.wake_ns = ns;
  set_timer();
}

void fail(u32 status, std::string_view text) {
  arch::interrupts_disable();
  channel().text(text);
  channel().failed(status);
  arch::power_off(status);
}

}  // namespace boot

void machine::halt(u32 code) { boot::arch::power_off(code); }

void base::assertion_failed(const char* expression, const char* file, int line) {
  char text[512];
  base::Writer writer(text);
  if (sim::in_native_program()) {
    base::format_to(writer, "orrery: a program's assertion failed: {} ({}:{})\n", expression, file, line);
    boot::channel().text(writer.view());
    sim::abandon_fiber(kernel::CrashKind::Assertion, 0);
  }
  base::format_to(writer, "orrery: assertion failed: {} ({}:{})\n", expression, file, line);
  boot::place_of_world(writer);
  boot::fail(boot::kStatusOwnFailure, writer.view());
}
