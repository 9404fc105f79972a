// kernel-model/ipc_transfer.cpp — how words and capabilities get from one thread to another: four words in the frame,
// the rest, up to 1008, in 8 KiB buffers; up to three capabilities.
#include "kernel-model/ipc_parts.h"

#include "base/enforce.h"

namespace kernel::ipc {
namespace {

u64 first_word_of_digest(const MessageView& view) {
  base::D128 digest;
  if (view.in_buffer) {
    for (u32 i = 0; i < view.length; ++i) digest.fold(view.msg[i]);
  } else {
    const u32 in_registers = view.length < kMessageRegisters ? view.length : kMessageRegisters;
    for (u32 i = 0; i < in_registers; ++i) digest.fold(view.mr[i]);
    for (u32 i = kMessageRegisters; i < view.length; ++i) digest.fold(view.msg[i]);
  }
  digest.fold(u64{view.length} * 8);
  return digest.out().high;
}

// The receiver's empty slot for one cap; null when it names none.
Ref<Slot> receive_slot(Kernel& kernel, const Tcb& receiver, const IpcBuffer& buffer) {
  const auto root = cspace::lookup(kernel, receiver, buffer.receive_root);
  if (!root.ok()) return {};
  const Cap cap = kernel.at(root.value()).cap;
  if (cap.type != CapType::CNode || !cspace::is_usable(kernel, cap)) return {};
  const auto slot = cspace::lookup_exact(kernel, cap, buffer.receive_index, buffer.receive_depth, false);
  if (!slot.ok() || !kernel.at(slot.value()).cap.is_null()) return {};
  return slot.value();
}

// Returns how many caps were handled. Errors only end the transfer.
u32 transfer_caps(Kernel& kernel, Tcb& sender, Tcb& receiver, u32 count, const TransferOptions& options) {
  const IpcBuffer* from = buffer_of(kernel, sender, false);
  IpcBuffer* to = buffer_of(kernel, receiver, true);
  if (from == nullptr || to == nullptr) return 0;
  // Both may share one buffer: read the slots before badges are written over them.
  u64 cptrs[kMessageCapsMax];
  for (u32 i = 0; i < count; ++i) cptrs[i] = from->caps_or_badges[i];
  u64 unwrapped = 0;
  bool slot_taken = false;
  u32 done = 0;
  for (; done < count; ++done) {
    const auto source = cspace::lookup(kernel, sender, cptrs[done]);
    if (!source.ok()) break;
    const Cap cap = kernel.at(source.value()).cap;
    if (cap.is_null() || !cspace::is_usable(kernel, cap)) break;
    if (options.endpoint && cap.type == CapType::Endpoint && cap.object == options.endpoint.offset) {
      to->caps_or_badges[done] = cap.data;
      unwrapped |= u64{1} << done;
    } else {
      if (slot_taken) break;
      const Ref<Slot> slot = receive_slot(kernel, receiver, *to);
      if (!slot) break;
      if (!cspace::copy_cap(kernel, source.value(), slot, kRightsAll, base::EventKind::CapTransfer).ok()) break;
      slot_taken = true;
    }
    kernel.charge(kernel.costs().cap_transfer);
  }
  to->caps_unwrapped = unwrapped;
  return done;
}

}  // namespace

MessageView view_of(Kernel& kernel, Tcb& sender) {
  const MessageInfo info{sender.frame.info};
  MessageView view{.mr = sender.frame.mr, .length = info.length()};
  if (view.length <= kMessageRegisters && !info.in_buffer()) return view;
  const IpcBuffer* buffer = buffer_of(kernel, sender, false);
  if (buffer == nullptr) {
    if (view.length > kMessageRegisters) view.length = kMessageRegisters;
    return view;
  }
  view.msg = buffer->msg;
  view.in_buffer = info.in_buffer();
  return view;
}

void transfer(Kernel& kernel, Ref<Tcb> sender_ref, Ref<Tcb> receiver_ref, const TransferOptions& options) {
  Tcb& sender = kernel.at(sender_ref);
  Tcb& receiver = kernel.at(receiver_ref);
  const MessageInfo info{sender.frame.info};
  MessageView view = view_of(kernel, sender);
  IpcBuffer* to = nullptr;
  if (view.length > kMessageRegisters || view.in_buffer) {
    to = buffer_of(kernel, receiver, true);
    if (to == nullptr && view.length > kMessageRegisters) view.length = kMessageRegisters;
  }
  const u64 digest = kernel.has_listener() ? first_word_of_digest(view) : 0;
  const u32 in_registers = view.length < kMessageRegisters ? view.length : kMessageRegisters;
  const u64* first_words = view.in_buffer ? view.msg : view.mr;
  u64 registers[kMessageRegisters];
  for (u32 i = 0; i < in_registers; ++i) registers[i] = first_words[i];
  if (to != nullptr) {
    const u32 from = view.in_buffer ? 0 : kMessageRegisters;
    __builtin_memmove(to->msg + from, view.msg + from, u64{view.length - from} * sizeof(u64));
  }
  if (view.length > kMessageRegisters) kernel.charge((view.length - kMessageRegisters) * kernel.costs().message_word);

  u32 caps = 0;
  if (info.extra_caps() != 0 && options.may_grant) {
    caps = transfer_caps(kernel, sender, receiver, info.extra_caps(), options);
  }
  UserFrame& frame = receiver.frame;
  for (u32 i = 0; i < in_registers; ++i) frame.mr[i] = registers[i];
  frame.cap = options.badge;
  const u64 in_buffer = view.in_buffer && to != nullptr ? MessageInfo::kInBuffer : 0;
  frame.info = MessageInfo::make(info.label(), view.length, caps, in_buffer).word();
  finish_call(receiver);
  const u32 fast = options.path == Path::Fast ? 1u << 12 : 0;
  kernel.emit(base::EventKind::IpcTransfer, options.object, sender.thread_id, options.badge, digest,
              static_cast<u16>(view.length | caps << 10 | fast), receiver.thread_id);
}

void deliver(Kernel& kernel, Ref<Tcb> receiver, u64 label, std::span<const u64> words, u64 badge) {
  Tcb& tcb = kernel.at(receiver);
  u32 length = static_cast<u32>(words.size());
  if (length > kMessageRegisters) {
    IpcBuffer* buffer = buffer_of(kernel, tcb, true);
    if (buffer == nullptr) {
      length = kMessageRegisters;
    } else {
      for (u32 i = kMessageRegisters; i < length; ++i) buffer->msg[i] = words[i];
      kernel.charge((length - kMessageRegisters) * kernel.costs().message_word);
    }
  }
  for (u32 i = 0; i < length && i < kMessageRegisters; ++i) tcb.frame.mr[i] = words[i];
  tcb.frame.cap = badge;
  tcb.frame.info = MessageInfo::make(label, length, 0, MessageInfo::kKernel).word();
  finish_call(tcb);
}

void complete(Kernel& kernel, Ref<Tcb> thread, ResultLabel label, std::span<const u64> words, u64 badge) {
  deliver(kernel, thread, static_cast<u64>(label), words, badge);
  kernel.at(thread).state = ThreadState::Running;
}

base::Result<ExtraCaps, CapLookupFailure> look_up_extra_caps(Kernel& kernel, Tcb& sender) {
  ExtraCaps caps;
  const u32 count = MessageInfo{sender.frame.info}.extra_caps();
  if (count == 0) return caps;
  const IpcBuffer* buffer = buffer_of(kernel, sender, false);
  if (buffer == nullptr) return caps;
  for (u32 i = 0; i < count; ++i) {
    const auto slot = cspace::lookup(kernel, sender, buffer->caps_or_badges[i]);
    if (!slot.ok()) return CapLookupFailure{buffer->caps_or_badges[i], slot.error()};
    caps.slots[caps.count++] = slot.value();
  }
  return caps;
}

}  // namespace kernel::ipc
