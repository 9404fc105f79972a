// kernel-model/invoke.cpp — where an invocation's arguments lie, where its results go, and which module it is for.
#include "kernel-model/invoke.h"

#include "kernel-model/ipc.h"

#include "base/enforce.h"

namespace kernel {

u64 argument(Kernel& kernel, const Invocation& call, u32 index) {
  ASSERT(index < call.length);
  Tcb& caller = kernel.at(call.caller);
  if (!call.in_buffer && index < kMessageRegisters) return caller.frame.mr[index];
  const IpcBuffer* buffer = ipc::buffer_of(kernel, caller, false);
  // Without a buffer only `mr` travels: the length was cut to it when the message was read.
  if (buffer == nullptr) return index < kMessageRegisters ? caller.frame.mr[index] : 0;
  return buffer->msg[index];
}

void put_result(Kernel& kernel, const Invocation& call, u32 index, u64 value) {
  ASSERT(index < kMessageWordsMax);
  Tcb& caller = kernel.at(call.caller);
  if (index < kMessageRegisters) caller.frame.mr[index] = value;
  if (call.in_buffer || index >= kMessageRegisters) {
    IpcBuffer* buffer = ipc::buffer_of(kernel, caller, true);
    if (buffer != nullptr) buffer->msg[index] = value;
    if (buffer == nullptr && index >= kMessageRegisters) return;
  }
  if (kernel.entry().result_words < index + 1) kernel.entry().result_words = index + 1;
}

Result<Step> invoke(Kernel& kernel, Invocation& call) {
  switch (call.cap.type) {
    case CapType::Untyped: return invoke_untyped(kernel, call);
    case CapType::Tcb: return invoke_tcb(kernel, call);
    case CapType::CNode: return invoke_cnode(kernel, call);
    case CapType::SchedContext: return invoke_sched_context(kernel, call);
    case CapType::Frame: return invoke_frame(kernel, call);
    case CapType::PageTable: return invoke_page_table(kernel, call);
    case CapType::AsidPool: return invoke_asid_pool(kernel, call);
    case CapType::IrqHandler: return invoke_irq_handler(kernel, call);
    case CapType::SchedControl: return invoke_sched_control(kernel, call);
    case CapType::IrqControl: return invoke_irq_control(kernel, call);
    case CapType::AsidControl: return invoke_asid_control(kernel, call);
    case CapType::VSpace: return illegal_operation();  // a VSpace has no operation of its own
    case CapType::Null:
    case CapType::Zombie: return invalid_capability(0);
    case CapType::Endpoint:
    case CapType::Notification:
    case CapType::Reply:
    case CapType::Anchor: break;
  }
  UNREACHABLE("a message to an object that receives messages is not an invocation");
}

}  // namespace kernel
