// boot/x86_64/halt.cpp — how this machine stops: it says why on the serial port, tells QEMU if that is what it runs on,
// and stays in a halted loop.
#include "base/format.h"
#include "boot/x86_64/port.h"
#include "boot/x86_64/serial.h"
#include "kernel-model/machine.h"

#include "base/enforce.h"

namespace {

constexpr u16 kDebugExitPort = 0xF4;  // QEMU's `-device isa-debug-exit,iobase=0xf4,iosize=0x04`
constexpr u32 kExitAssertion = 5;     // exit code of the `orrery` command: its own assertion

}  // namespace

void machine::halt(u32 code) {
  boot::port_out32(kDebugExitPort, code);  // QEMU ends with status 2 × code + 1; elsewhere nothing listens
  for (;;) asm volatile("cli; hlt");
}

void base::assertion_failed(const char* expression, const char* file, int line) {
  char text[256];
  boot::serial_write(base::format(text, "assertion failed: {} ({}:{})\n", expression, file, line));
  machine::halt(kExitAssertion);
}
