// kernel-model/ipc.h — endpoints, reply objects, notifications, faults, and the states of threads that wait on them.
#pragma once
#include "kernel-model/cspace.h"
#include "kernel-model/kernel.h"

namespace kernel::ipc {

/// Clears a fault and takes the thread out of whatever it waits on; it becomes Inactive. The SC stays with its holder.
void cancel(Kernel& kernel, Ref<Tcb> thread);
/// cancel + leave run queue or release tree + drop its YieldTo. The SC stays bound.
void suspend(Kernel& kernel, Ref<Tcb> thread);
/// For Inactive and blocked threads: cancel, Restart, wake.
void resume(Kernel& kernel, Ref<Tcb> thread);
/// Completes a thread's pending call with a kernel-made result (kernel bit set) and makes it Running; no wake.
void complete(Kernel& kernel, Ref<Tcb> thread, ResultLabel label, std::span<const u64> words = {}, u64 badge = 0);
/// Puts a queued thread at its place again after a priority change: behind its equals.
void requeue(Kernel& kernel, Ref<Tcb> thread);
void signal(Kernel& kernel, Ref<Notification> notification, u64 badge);
Result<void> bind_notification(Kernel& kernel, Ref<Tcb> thread, const Cap& notification);
void unbind_notification(Kernel& kernel, Ref<Tcb> thread);

/// Sends the fault to the thread's handler like a blocking Call; without one it stays Inactive and `unhandled` is
/// emitted. A Timeout without handler returns false and changes nothing.
bool send_fault(Kernel& kernel, Ref<Tcb> thread, const FaultRecord& fault);
/// A Timeout: SC badge, consumed ns (set to 0), level of the exhausted node.
bool send_timeout(Kernel& kernel, Ref<Tcb> thread, u64 level);
bool has_timeout_handler(const Kernel& kernel, const Tcb& thread);

// Finalisation on deletion of the last cap; each returns true when the object is gone, false when units are left.
bool finalise_endpoint_unit(Kernel& kernel, Ref<Endpoint> endpoint);
bool finalise_notification_unit(Kernel& kernel, Ref<Notification> notification);
void finalise_reply(Kernel& kernel, Ref<Reply> reply);
/// Unbind notification and SC, cancel, drop the engine context. The slots are the caller's affair (reap list).
void finalise_tcb(Kernel& kernel, Ref<Tcb> thread);
/// One sender per unit with that badge leaves the queue; Done when the cursor reached the end.
Step cancel_badged_sends(Kernel& kernel, Ref<Endpoint> endpoint, u64 badge);

/// Executes the pending system call of the current thread of this core.
void handle_syscall(Kernel& kernel);

/// Where the thread's IPC buffer lies in RAM; null when it has none (or the frame's rights do not reach).
inline IpcBuffer* buffer_of(Kernel& kernel, const Tcb& thread, bool for_write) {
  if (thread.buffer_vaddr == 0) return nullptr;
  const Cap& frame = thread.slots[kTcbBuffer].cap;
  if (frame.type != CapType::Frame) return nullptr;
  const u8 needed = for_write ? kRightRead | kRightWrite : kRightRead;
  if ((frame.rights & needed) != needed) return nullptr;
  const u64 offset = thread.buffer_vaddr & ((u64{1} << frame.bits) - 1);
  return reinterpret_cast<IpcBuffer*>(kernel.ram() + frame.object + offset);
}

}  // namespace kernel::ipc
