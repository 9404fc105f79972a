// boot/x86_64/native.cpp — the native-thread side of machine.h for an image without the deterministic machine (sim/model),
// which is what runs native threads. Such an image has none, so a call here cannot come from one and stops the machine.
// The linker takes this file from its archive only when nothing else defines these.
#include "base/assert.h"
#include "kernel-model/machine.h"

#include "base/enforce.h"

namespace machine {

NativeThread& self() { UNREACHABLE("self: this image runs no native threads"); }
void trap() { UNREACHABLE("trap: this image runs no native threads"); }
void charge(u64) { UNREACHABLE("charge: this image runs no native threads"); }
void crash(kernel::CrashKind, u64) { UNREACHABLE("crash: this image runs no native threads"); }
void* pointer(u64, u64, bool) { UNREACHABLE("pointer: this image runs no native threads"); }
u8* arena_base() { UNREACHABLE("arena_base: this image runs no native threads"); }

}  // namespace machine
