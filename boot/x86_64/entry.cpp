// boot/x86_64/entry.cpp — where the x86_64 image begins. It is not yet bootable: nothing sets up long mode, paging or a
// stack before it. The image exists to be linked, which proves that the core needs no operating system.
#include "boot/x86_64/serial.h"
#include "kernel-model/machine.h"

#include "base/enforce.h"

extern "C" [[noreturn]] void boot_entry() {
  constexpr u32 kExitNotSupported = 12;  // exit code of the `orrery` command: not supported here
  boot::serial_open();
  boot::serial_write("orrery: this image holds no world yet\n");
  machine::halt(kExitNotSupported);
}
