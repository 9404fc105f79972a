// sim/host/machine.h — the Linux machine under the deterministic one: what sim/host's own files share about stacks,
// memory and the ways a process ends.
#pragma once
#include <string>

#include "base/types.h"

namespace sim::host {

enum class StackUse : u8 { None, Stack, Guard };
/// Whether an address lies in a native thread's stack or in the guard below one.
StackUse stack_use(const void* address);
/// Whether an address lies in the reservation of the arenas.
bool in_arenas(const void* address);

/// `verify`'s poison variant: stacks and work memory are filled before use.
struct Poison {
  bool on = false;
  u8 fill = 0;
};
Poison& poison();

/// AddressSanitizer keeps marks of frames that were dropped without returning; a stack is handed out without them.
void forget_stack_shadow(u8* base, u64 bytes);

/// Whether the host is asked for pages of 2 MiB: fewer faults for a world that lives for milliseconds, more memory for one
/// that stays. Set before memory is mapped.
bool& large_pages();

/// Zeroed pages for node memory and worlds; pages come when touched. Null: none left.
u8* map_memory(u64 bytes);
/// The same in pages of the host's own size, whatever `large_pages` says: for what is mostly never touched.
u8* map_pages(u64 bytes);
void unmap_memory(u8* base, u64 bytes);

/// Exit codes of the `orrery` command.
enum ExitCode : int {
  kHeld = 0,
  kPropertyFailed = 1,
  kUsage = 2,
  kLivenessFailed = 3,
  kNotDeterministic = 4,
  kOwnFailure = 5,
  kExcused = 6,
  kWatchdog = 7,
  kUnreadable = 8,
  kBelowBar = 9,
  kStalled = 10,
  kLimit = 11,
  kUnsupported = 12,
  kInterrupted = 130,
  kTerminated = 143,
};

/// Runs before the process ends for any reason it can still act on: the terminal is restored here.
void set_last_will(void (*restore)());
void run_last_will();

/// A failed assertion: of a native program it ends its thread and does not return; otherwise prints and exits 5.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace sim::host
