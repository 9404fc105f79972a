// user/root/objects.h — the root manager's kernel invocations, by name. Slots are addresses in its own capability space
// unless a `Window` says otherwise. A refusal of the kernel comes back as false; most callers know there can be none.
#pragma once
#include "base/assert.h"
#include "kernel-model/objects.h"
#include "kernel-model/sys.h"

/// A kernel call that can only fail if we are wrong.
#define MUST_OK(expression)            \
  do {                                 \
    const bool must_ok = (expression); \
    ASSERT(must_ok);                   \
  } while (false)

namespace user::root {

using Cptr = u32;

/// A slot of some CNode: of the manager's own, or of a process's. The manager's capability to its own CNode has a guard
/// that takes all 64 bits; those it keeps of processes' CNodes have none, so that the depth is the radix.
struct Window {
  Cptr node = 0;
  u32 slot = 0;
  u32 depth = 64;
};
constexpr Window own(u32 slot) { return {kernel::kRootCNode, slot, 64}; }

/// `count` objects into consecutive slots of `into.node`.
bool retype(Cptr untyped, kernel::ObjectType type, u32 size_bits, Window into, u32 count = 1);

bool copy(Window to, Window from, u8 rights);
bool mint(Window to, Window from, u8 rights, u64 data);
bool move(Window to, Window from);
/// Repeats until the whole tree below is gone; the kernel does it in units.
void remove(Window slot);
void revoke(Window slot);

struct FrameMapping {
  Cptr frame = 0;
  Cptr vspace = 0;
  u64 address = 0;
  u8 rights = kernel::kRightRead | kernel::kRightWrite;
  u64 attributes = 0;
};
/// None, or FailedLookup when a table is missing, or what else the kernel says.
kernel::ResultLabel map_frame(const FrameMapping& mapping);
bool map_table(Cptr table, Cptr vspace, u64 address);

struct BudgetNode {
  u64 budget = 0;
  u64 period = 0;
  u64 extra_refills = 0;
  u64 badge = 0;
  u64 flags = 0;
  u64 home = 0;
};
bool configure_root_budget(Cptr control, Cptr context, const BudgetNode& node);
bool configure_child_budget(Cptr parent, Cptr context, const BudgetNode& node);
/// What the kernel knows of a thread (TcbInspect); all 0 if there is none.
struct ThreadFacts {
  u64 state = 0;  // kernel::ThreadState
  u64 place = 0;  // kernel::ThreadPlace
  u64 core = 0;
  u64 waits_at = 0;  // the object
};
ThreadFacts inspect_thread(Cptr tcb);
/// How far a thread had come when it was suspended (TcbSuspend).
struct SuspendedThread {
  u64 state = 0;         // kernel::ThreadState
  bool in_call = false;  // its last system call is not completed
  bool faulted = false;
  /// Whether the request of its last system call, a call of a server, has been received, answered or not.
  bool has_delivered() const {
    return !faulted && (!in_call || static_cast<kernel::ThreadState>(state) == kernel::ThreadState::BlockedOnReply);
  }
};
SuspendedThread suspend_thread(Cptr tcb);
/// What is in a slot (CNodeInspect); all 0 if nothing is.
struct SlotFacts {
  u64 type = 0;  // kernel::CapType
  u64 rights = 0;
  u64 badge = 0;
  u64 object = 0;
};
SlotFacts inspect_slot(Window slot);

/// Nanoseconds used since the last question.
u64 take_consumed(Cptr context);

}  // namespace user::root
