// boot/shared/run_live.cpp — live mode: the world's virtual time follows the machine's clock, what is typed on the serial
// line enters as console input, and between two things to do the processor sleeps.
#include "base/format.h"
#include "boot/shared/channel.h"
#include "boot/shared/contain.h"
#include "boot/shared/run.h"
#include "boot/shared/status.h"
#include "boot/shared/world.h"

#include "base/enforce.h"

namespace boot {
namespace {

constexpr u64 kRamBytes = u64{64} << 20;
constexpr u64 kSliceNs = 5'000'000;  // virtual time between two looks at the serial line when there is much to do
constexpr u64 kLagNs = 200'000'000;  // further behind the clock than this is forgotten, not caught up
constexpr u32 kNode = 1;
constexpr u16 kColumns = 80;
constexpr u16 kRows = 24;

void on_console(void*, u32, base::Bytes bytes) { channel().console(bytes, false); }

u64 seed_of(const MachineInfo& info) {
  u64 word = 0;
  if (arch::entropy(word)) return word;
  return info.boot_entropy != 0 ? info.boot_entropy : arch::monotonic_ns();
}

/// Virtual time that corresponds to now; both clocks at one moment.
struct Pace {
  u64 base_real_ns = 0;
  u64 base_virtual_ns = 0;
  u64 at(u64 real_ns) const { return base_virtual_ns + (real_ns - base_real_ns); }
  u64 real(u64 virtual_ns) const { return base_real_ns + (virtual_ns - base_virtual_ns); }
};

void type(sim::World& world, u64 now) {
  u8 bytes[256];
  u64 count = 0;
  while (count < sizeof bytes && input_take(bytes[count])) count += 1;
  // 64 KiB typed ahead and not yet read: what is beyond is lost, as on a terminal line.
  if (count > 0) world.console_input(kNode, {bytes, count}, world.input_time(now));
}

/// Runs the world in slices until it ends. Interrupts are enabled only while the world runs and while the machine sleeps.
sim::Outcome follow_clock(sim::World& world) {
  Pace pace{arch::monotonic_ns(), world.now()};
  for (;;) {
    arch::interrupts_disable();
    const u64 real = arch::monotonic_ns();
    u64 target = pace.at(real);
    if (target > world.now() + kLagNs && world.next_time() < target - kLagNs) {
      pace = {real, world.now()};  // the machine is too slow: go on from here
      target = pace.base_virtual_ns + kSliceNs;
    }
    type(world, target);
    for (u32 bits = device_interrupts_take(); bits != 0; bits &= bits - 1) {
      world.hardware_interrupt(kNode, static_cast<u32>(__builtin_ctz(bits)));
    }
    const u64 next = world.next_time();
    if (next >= target) {
      wake_at(next == sim::kNever ? arch::kTimerNever : pace.real(next));
      arch::wait();
      continue;
    }
    const u64 from = next > world.now() ? next : world.now();
    arch::interrupts_enable();
    const sim::Outcome outcome = world.run(target < from + kSliceNs ? target : from + kSliceNs);
    if (outcome == sim::Outcome::Ended || outcome == sim::Outcome::Stalled) return outcome;
  }
}

}  // namespace

void run_live(const MachineInfo& info) {
  char line[128];
  channel().text(base::format(line, "orrery on {}\n", info.name));
  sim::WorldConfig config;
  config.seed = seed_of(info);
  config.sinks.console_output = on_console;
  sim::NodeConfig node;
  node.console = sim::ConsoleKind::Terminal;
  node.columns = kColumns;
  node.rows = kRows;
  sim::HardwareDevice devices[kHardwareMax];
  for (u32 i = 0; i < info.virtio_count; ++i) {
    const VirtioWindow& window = info.virtio[i];
    devices[i] = {reinterpret_cast<volatile u8*>(window.registers), window.bytes, window.line};
  }
  node.hardware = {{devices, info.virtio_count}, arch::line_enable};
  watch_devices({info.virtio, info.virtio_count});
  sim::World& world = make_world(config, node, kRamBytes);
  contain(world, {.silence = Silence::FaultThread});
  const sim::Outcome outcome = follow_clock(world);
  release_containment();
  if (outcome == sim::Outcome::Stalled) fail(kStatusStalled, "orrery: stalled: nothing can wake any thread\n");
  arch::power_off(world.status());
}

}  // namespace boot
