// boot/shared/contain.h — what a trap means: a stack that grows, a program that crashed and is contained, a timer tick, a
// key, or the end of the machine. The bare twin of sim/host/contain.
#pragma once
#include "boot/arch.h"
#include "sim/model/world.h"

namespace boot {

enum class Silence : u8 {
  EndMachine,  // a program that neither charges nor traps: say which, power off with status 7
  FaultThread  // it gets UserException watchdog; the world goes on, tainted
};

struct ContainOptions {
  Silence silence = Silence::EndMachine;
  u64 silence_ns = 5'000'000'000;  // real time; generous, for an emulator on a busy computer
};

/// From now on reports name this world's place, and a silent program is noticed. Interrupts are enabled by this.
void contain(sim::World& world, const ContainOptions& options);
/// The world is over: nothing is watched any more, interrupts are disabled.
void release_containment();

/// Input bytes that Serial traps have collected; false: none. Interrupts may be on.
bool input_take(u8& byte);
/// Bit i: VirtioWindow i has interrupted since the last call. Interrupts are disabled.
u32 device_interrupts_take();
/// The windows whose interrupts device_interrupts_take tells of.
void watch_devices(std::span<const VirtioWindow> windows);
/// Another time at which live mode wants to wake; kTimerNever none.
void wake_at(u64 ns);

/// The last words of a machine that fails: `text` whole, then power-off with `status`.
[[noreturn]] void fail(u32 status, std::string_view text);

}  // namespace boot
