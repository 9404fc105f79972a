// kernel-model/invoke.h — an invocation: a message sent to a capability that is neither Endpoint, Notification nor
// Reply. Each module decodes its own labels: all that can fail first, then the change.
#pragma once
#include "kernel-model/kernel.h"

namespace kernel {

struct Invocation {
  Ref<Tcb> caller;
  Ref<Slot> slot;  // the invoked capability's slot
  Cap cap;
  u64 label = 0;
  u32 length = 0;  // words
  u32 extra_count = 0;
  Ref<Slot> extra[kMessageCapsMax];  // the caps that came with it, looked up already
  bool in_buffer = false;
};

/// Argument word i (< length): from `mr`, or from the buffer as the in_buffer flag and i say.
u64 argument(Kernel& kernel, const Invocation& invocation, u32 index);
/// Result word i; raises the result's length. Words beyond `mr` need a buffer; without one they are dropped.
void put_result(Kernel& kernel, const Invocation& invocation, u32 index, u64 value);

/// Finds the module by cap type. Done: the result is label 0 with the words put. Errors as told to the caller.
Result<Step> invoke(Kernel& kernel, Invocation& invocation);

Result<Step> invoke_untyped(Kernel& kernel, Invocation& invocation);        // untyped.cpp
Result<Step> invoke_cnode(Kernel& kernel, Invocation& invocation);          // cnode.cpp
Result<Step> invoke_tcb(Kernel& kernel, Invocation& invocation);            // tcb.cpp
Result<Step> invoke_frame(Kernel& kernel, Invocation& invocation);          // vspace.cpp
Result<Step> invoke_page_table(Kernel& kernel, Invocation& invocation);     // vspace.cpp
Result<Step> invoke_asid_control(Kernel& kernel, Invocation& invocation);   // vspace.cpp
Result<Step> invoke_asid_pool(Kernel& kernel, Invocation& invocation);      // vspace.cpp
Result<Step> invoke_irq_control(Kernel& kernel, Invocation& invocation);    // irq.cpp
Result<Step> invoke_irq_handler(Kernel& kernel, Invocation& invocation);    // irq.cpp
Result<Step> invoke_sched_control(Kernel& kernel, Invocation& invocation);  // sched_invoke.cpp
Result<Step> invoke_sched_context(Kernel& kernel, Invocation& invocation);  // sched_invoke.cpp

}  // namespace kernel
