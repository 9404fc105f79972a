// kernel-model/machine.h — the one seam between the core and the machine. The declarations are fixed here; which file
// defines them is the build's choice: the deterministic machine (sim/model over sim/host or boot/) or a live bare one.
#pragma once
#include "kernel-model/abi.h"

namespace machine {

// ── What a native program sees ───────────────────────────────────────────────────────────────────────────────
/// The calling native thread. Valid for the thread's life; never shared between threads.
struct NativeThread {
  kernel::UserFrame* frame = nullptr;   // arguments and results of `trap`
  kernel::IpcBuffer* buffer = nullptr;  // null: the thread has no IPC buffer
  void* runtime = nullptr;              // the program's own word: its runtime keeps its state here
  void* checks = nullptr;               // likewise: where it keeps what it has reported (base/check.h)
};
NativeThread& self();
/// Whether a native thread is calling: what programs are made of also runs in tests on the host.
bool is_native_thread();

/// Executes the system call in `self().frame` and returns when the kernel has completed it.
void trap();

/// Charges explicit work, in virtual ns; a preemption point. Every loop of a native program charges or traps.
void charge(u64 ns);

/// Ends this thread with a fault of its own; `code` is the address for a null access, else 0.
[[noreturn]] void crash(kernel::CrashKind kind, u64 code = 0);

/// The host address of [vaddr, vaddr + bytes) in the calling thread's address space; null when it is not mapped with
/// those rights, or not contiguous in node memory. Not to be kept across a change of the mapping.
void* pointer(u64 vaddr, u64 bytes, bool for_write);

/// Where the arena of the calling thread's address space begins, for `pointer`-free access to arena pages.
constexpr u64 kArenaAddress = u64{1} << 32;
constexpr u64 kArenaBytesMax = u64{1} << 30;
u8* arena_base();

/// A native entry point. A TCB's pc is the number of one; a0–a7 are its arguments. `run` returning means the thread is
/// done: it makes no further trap and stays stopped.
struct NativeEntry {
  std::string_view name;
  void (*run)(const u64 (&arguments)[8]);
};

// ── What the deterministic machine (sim/model) needs of the machine below it ─────────────────────────────────
/// A stack with a guard page below it. `base` is the lowest usable byte.
struct Stack {
  u8* base = nullptr;
  u64 bytes = 0;
};
Stack stack_acquire(u64 bytes);  // base null: none left
void stack_release(Stack stack);

/// A suspended execution. Made on a fresh stack, left and entered by `context_switch`.
using Context = void*;
/// A context that begins with `entry`, which must not return.
Context context_make(Stack stack, void (*entry)());
/// Leaves the running execution, which `from` names until it is entered again, and enters `to`.
void context_switch(Context& from, Context to);

/// Address space for one arena: reserved whole, committed (zeroed) and returned by pages.
u8* arena_reserve(u64 bytes);  // null: none left
bool arena_commit(u8* at, u64 bytes);
void arena_decommit(u8* at, u64 bytes);
void arena_release(u8* base, u64 bytes);

/// The machine stops; `code` as of the `orrery` command.
[[noreturn]] void halt(u32 code);

}  // namespace machine
