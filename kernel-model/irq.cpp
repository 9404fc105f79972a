// kernel-model/irq.cpp — interrupt lines and their handlers. An interrupt on an Armed line signals the notification of
// the line and masks it; Ack arms it again, and level-triggered devices then raise again.
#include "kernel-model/irq.h"

#include "base/planted.h"
#include "kernel-model/cspace.h"
#include "kernel-model/invoke.h"
#include "kernel-model/ipc.h"

#include "base/enforce.h"

namespace kernel::irq {
namespace {

void mask(Kernel& kernel, u32 number) {
  IrqLine& line = kernel.irq(number);
  if (line.state == IrqState::Armed) {
    kernel.emit(base::EventKind::IrqMask, line.notification.cap.object, number);
    kernel.machine().irq_armed(number, false);
  }
  line.state = IrqState::Masked;
}

}  // namespace

void deliver(Kernel& kernel, u32 number) {
  ASSERT(number < kIrqMax);
  IrqLine& line = kernel.irq(number);
  const Cap cap = line.notification.cap;
  kernel.emit(base::EventKind::IrqRaise, cap.object, number);
  if (line.state == IrqState::Masked) return;  // stays pending in the device
  if (line.state == IrqState::Free) {
    kernel.emit(base::EventKind::IrqLost, 0, number);
    return;
  }
  mask(kernel, number);
  if (cap.type != CapType::Notification || !cspace::is_usable(kernel, cap)) {
    kernel.emit(base::EventKind::IrqLost, 0, number);
    return;
  }
  kernel.emit(base::EventKind::IrqDeliver, cap.object, number);
  ipc::signal(kernel, Ref<Notification>{cap.object}, cap.data);
}

bool finalise_handler_unit(Kernel& kernel, u32 number) {
  IrqLine& line = kernel.irq(number);
  mask(kernel, number);
  if (!line.notification.cap.is_null() && !cspace::delete_unit(kernel, kernel.ref_of(line.notification))) return false;
  line.state = IrqState::Free;
  line.core = 0;
  return true;
}

}  // namespace kernel::irq

namespace kernel {
namespace {

Result<Step> get_handler(Kernel& kernel, Invocation& invocation) {
  if (invocation.length < 4 || invocation.extra_count < 1) return truncated_message();
  const u64 number = argument(kernel, invocation, 0);
  const u64 core = argument(kernel, invocation, 1);
  const u64 index = argument(kernel, invocation, 2);
  const u64 depth = argument(kernel, invocation, 3);
  if (number >= kIrqMax) return range_error(0, kIrqMax - 1);
  if (core >= kernel.core_count()) return range_error(0, kernel.core_count() - 1);
  IrqLine& line = kernel.irq(static_cast<u32>(number));
  if (line.state != IrqState::Free) return error(ResultLabel::RevokeFirst);
  const Cap root = kernel.at(invocation.extra[0]).cap;
  const Ref<Slot> slot = TRY(cspace::lookup_exact(kernel, root, index, depth, false));
  if (!kernel.at(slot).cap.is_null()) return error(ResultLabel::DeleteFirst);

  line.state = IrqState::Masked;
  line.core = static_cast<u8>(core);
  cspace::insert_child(kernel, invocation.slot, slot,
                       Cap{.type = CapType::IrqHandler, .object = static_cast<u32>(number)});
  kernel.charge(kernel.costs().insert_or_move);
  return Step::Done;
}

}  // namespace

Result<Step> invoke_irq_control(Kernel& kernel, Invocation& invocation) {
  if (static_cast<Invoke>(invocation.label) != Invoke::IrqControlGet) return illegal_operation();
  return get_handler(kernel, invocation);
}

Result<Step> invoke_irq_handler(Kernel& kernel, Invocation& invocation) {
  const u32 number = invocation.cap.object;
  IrqLine& line = kernel.irq(number);
  const Ref<Slot> place = kernel.ref_of(line.notification);
  switch (static_cast<Invoke>(invocation.label)) {
    case Invoke::IrqHandlerAck:
      line.state = IrqState::Armed;
      kernel.emit(base::EventKind::IrqAck, line.notification.cap.object, number);
      if (PLANTED("irq.ack-elsewhere") && kernel.current_core() != line.core) return Step::Done;
      kernel.machine().irq_armed(number, true);
      return Step::Done;
    case Invoke::IrqHandlerSetNotification: {
      if (invocation.extra_count < 1) return truncated_message();
      const Cap cap = kernel.at(invocation.extra[0]).cap;
      const bool usable = cap.type == CapType::Notification && cspace::is_usable(kernel, cap);
      if (!usable || (cap.rights & kRightWrite) == 0) return invalid_capability(1);
      if (cspace::delete_slot(kernel, place) == Step::Preempted) return Step::Preempted;
      MUST(cspace::copy_cap(kernel, invocation.extra[0], place, kRightsAll, base::EventKind::CapCopy));
      return Step::Done;
    }
    case Invoke::IrqHandlerClear: return cspace::delete_slot(kernel, place);
    default: return illegal_operation();
  }
}

}  // namespace kernel
