// boot/x86_64/clock.cpp — time: the time stamp counter, measured once against the 8254 timer; the timer interrupt is that
// one's channel 0, the only channel microvm can be trusted to have, in one-shot mode. Both machines of QEMU (q35, microvm) have them. Source: Intel 8254 data sheet.
#include "base/assert.h"
#include "boot/arch.h"
#include "boot/x86_64/machine.h"
#include "boot/x86_64/port.h"

#include "base/enforce.h"

namespace boot {
namespace {

using namespace x86_64;

constexpr u16 kChannel0 = 0x40;
constexpr u16 kControl = 0x43;
constexpr u64 kTimerHz = 1'193'182;
constexpr u64 kNsInSecond = 1'000'000'000;
constexpr u64 kMeasureTicks = kTimerHz / 100;  // 10 ms
constexpr u64 kStepTicksMax = 0xFFFF;          // 54.9 ms a shot
constexpr u64 kStepNsMax = kStepTicksMax * kNsInSecond / kTimerHz;

struct Clock {
  u64 start = 0;          // counter at the first call
  u64 ticks_in_10ms = 0;  // 0: not measured yet
  u64 last_ns = 0;        // what was told last: time never decreases
  u64 due_ns = arch::kTimerNever;
};
constinit Clock state;

u64 counter() {
  u32 low;
  u32 high;
  asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
  return u64{high} << 32 | low;
}

u64 count_of_channel0() {
  port_out8(kControl, 0x00);  // latch channel 0
  const u8 low = port_in8(kChannel0);
  return u64{port_in8(kChannel0)} << 8 | low;
}

void measure() {
  port_out8(kControl, 0x30);  // channel 0, both bytes, mode 0: counts down once
  port_out8(kChannel0, 0xFF);
  port_out8(kChannel0, 0xFF);
  const u64 from = counter();
  const u64 count_from = count_of_channel0();
  constexpr u64 kRoundsMax = 10'000'000;
  for (u64 round = 0; count_from - count_of_channel0() < kMeasureTicks; ++round) ASSERT(round < kRoundsMax);
  state.ticks_in_10ms = counter() - from;
  state.start = from;
  ASSERT(state.ticks_in_10ms > 0);
}

void shoot(u64 delay_ns) {
  const u64 step = delay_ns < kStepNsMax ? delay_ns : kStepNsMax;
  u64 ticks = step * kTimerHz / kNsInSecond;
  if (ticks == 0) ticks = 1;
  port_out8(kControl, 0x30);  // channel 0, both bytes, mode 0: one interrupt
  port_out8(kChannel0, static_cast<u8>(ticks));
  port_out8(kChannel0, static_cast<u8>(ticks >> 8));
}

}  // namespace

u64 arch::monotonic_ns() {
  if (state.ticks_in_10ms == 0) measure();
  const u64 passed = counter() - state.start;
  constexpr u64 k10Ms = kNsInSecond / 100;
  const u64 now = passed / state.ticks_in_10ms * k10Ms + passed % state.ticks_in_10ms * k10Ms / state.ticks_in_10ms;
  if (now > state.last_ns) state.last_ns = now;
  return state.last_ns;
}

void arch::timer_set(u64 at_ns) {
  state.due_ns = at_ns;
  if (at_ns == kTimerNever) return;
  const u64 now = monotonic_ns();
  shoot(at_ns > now ? at_ns - now : 0);
}

bool x86_64::timer_interrupt() {
  if (state.due_ns == arch::kTimerNever) return false;
  const u64 now = arch::monotonic_ns();
  if (now >= state.due_ns) {
    state.due_ns = arch::kTimerNever;
    return true;
  }
  shoot(state.due_ns - now);
  return false;
}

}  // namespace boot
