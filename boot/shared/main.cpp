// boot/shared/main.cpp — from a machine that has just started to a world that runs.
#include "boot/arch.h"
#include "boot/shared/pages.h"
#include "boot/shared/text.h"
#include "kernel-model/machine.h"

#include "base/enforce.h"

namespace boot {

void on_trap(Trap& trap) {
  say("orrery: trap {} at {}, address {}\n", trap.number, trap.pc, trap.address);
  arch::power_off(5);
}

void boot_main(const MachineInfo& info) {
  pages_start(info);
  arch::mmu_start(info);
  say("orrery {}: {} KiB of memory\n", info.name, pages_free_bytes() >> 10);
  machine::halt(0);
}

}  // namespace boot

void machine::halt(u32 code) { boot::arch::power_off(code); }

void base::assertion_failed(const char* expression, const char* file, int line) {
  boot::say("orrery: assertion failed: {} ({}:{})\n", expression, file, line);
  machine::halt(5);
}
