// kernel-model/untyped.cpp — Untyped_Retype: plan (all that can fail), reset in units where needed, then create.
#include "kernel-model/untyped.h"

#include "base/planted.h"
#include "kernel-model/cspace.h"
#include "kernel-model/invoke.h"

#include "base/enforce.h"

namespace kernel {

namespace untyped {

namespace {

constexpr u64 kRetypeTypeMax = static_cast<u64>(ObjectType::VSpace);  // pools are made by ASIDControl

bool is_zero(const u8* at, u64 bytes) {
  u64 seen = 0;
  u64 i = 0;
  for (; i + 8 <= bytes && seen == 0; i += 8) seen = base::load_le64(at + i);
  for (; i < bytes && seen == 0; ++i) seen = at[i];
  return seen == 0;
}

struct RetypePlan {
  ObjectType type = ObjectType::Untyped;
  u32 size_bits = 0;
  u32 bits = 0;      // of one object
  Ref<Slot> window;  // first destination slot
  u32 count = 0;
};

Result<RetypePlan> plan_retype(Kernel& kernel, const Invocation& call) {
  if (call.label != static_cast<u64>(Invoke::UntypedRetype)) return illegal_operation();
  if (call.length < 6 || call.extra_count < 1) return truncated_message();
  const u64 type_word = argument(kernel, call, 0);
  const u64 size_bits = argument(kernel, call, 1);
  const u64 index = argument(kernel, call, 2);
  const u64 depth = argument(kernel, call, 3);
  const u64 offset = argument(kernel, call, 4);
  const u64 count = argument(kernel, call, 5);
  if (type_word > kRetypeTypeMax) return invalid_argument(0);
  const ObjectType type = static_cast<ObjectType>(type_word);
  if (size_bits >= 64) return range_error(0, kMaxUntypedBits);
  const u32 size = static_cast<u32>(size_bits);
  const u32 bits = object_bits(type, size);
  if (bits > kMaxUntypedBits) return range_error(0, kMaxUntypedBits);
  if (type == ObjectType::CNode && size == 0) return invalid_argument(1);
  if (type == ObjectType::Untyped && size < kMinUntypedBits) return invalid_argument(1);
  if (type == ObjectType::SchedContext && (size < kSchedContextMinBits || size > kSchedContextMaxBits)) {
    return invalid_argument(1);
  }
  if (type == ObjectType::Frame && size != 12 && size != 13 && size != 21 && size != 30) return invalid_argument(1);

  Cap node = kernel.at(call.extra[0]).cap;
  if (depth != 0) {
    const Ref<Slot> slot = TRY(cspace::lookup_exact(kernel, node, index, depth, false));
    node = kernel.at(slot).cap;
  }
  if (node.type != CapType::CNode) {
    return cspace::failed_lookup(false, cspace::LookupError{LookupFailure::MissingCapability, {depth}});
  }
  const u64 slot_count = u64{1} << node.bits;
  if (offset >= slot_count) return range_error(0, slot_count - 1);
  if (count < 1 || count > kRetypeFanOutMax) return range_error(1, kRetypeFanOutMax);
  if (count > slot_count - offset) return range_error(1, slot_count - offset);
  const Ref<Slot> window{node.object + static_cast<u32>(offset << kSlotBits)};
  for (u32 i = 0; i < count; ++i) {
    if (!kernel.at(Ref<Slot>{window.offset + (i << kSlotBits)}).cap.is_null()) return error(ResultLabel::DeleteFirst);
  }
  const Slot& source = kernel.at(call.slot);
  const u64 start = source.first_child == 0 ? 0 : source.cap.data;
  const u64 left = (u64{1} << source.cap.bits) - start;
  if (left >> bits < count || kernel.entry().is_struck(Weakness::Retype, call.caller)) {
    if (PLANTED("untyped.failed-retype")) kernel.at(call.slot).cap.data = start + (count << bits);
    return error(ResultLabel::NotEnoughMemory, left);
  }
  const bool device = (source.cap.flags & 1) != 0;
  if (device && type != ObjectType::Untyped && type != ObjectType::Frame) return invalid_argument(0);
  return RetypePlan{.type = type, .size_bits = size, .bits = bits, .window = window, .count = static_cast<u32>(count)};
}

void create(Kernel& kernel, Ref<Slot> slot, const RetypePlan& plan) {
  const Cap source = kernel.at(slot).cap;
  const bool device = (source.flags & 1) != 0;
  const u64 start = base::align_up(source.data, u64{1} << plan.bits);
  const u64 end = start + (u64{plan.count} << plan.bits);
  ASSERT(end <= u64{1} << source.bits);
  kernel.at(slot).cap.data = end;
  for (u32 i = 0; i < plan.count; ++i) {  // count ≤ kRetypeFanOutMax
    const u32 offset = static_cast<u32>(source.object + start + (u64{i} << plan.bits));
    initialise_object(kernel, plan.type, plan.size_bits, offset);
    kernel.charge(kernel.costs().object_create + kernel.costs().insert_or_move);
    cspace::insert_child(kernel, slot, Ref<Slot>{plan.window.offset + (i << kSlotBits)},
                         full_cap(plan.type, plan.size_bits, offset, device));
  }
  kernel.emit(base::EventKind::CapRetype, source.object, static_cast<u64>(plan.type), plan.count, plan.window.offset);
  kernel.emit(base::EventKind::MemUntypedMark, source.object, end);
}

}  // namespace

u32 object_bits(ObjectType type, u32 size_bits) {
  switch (type) {
    case ObjectType::Untyped:
    case ObjectType::SchedContext:
    case ObjectType::Frame: return size_bits;
    case ObjectType::CNode: return size_bits + kSlotBits;
    case ObjectType::Tcb: return kTcbBits;
    case ObjectType::Endpoint:
    case ObjectType::Notification:
    case ObjectType::Reply: return 6;
    case ObjectType::PageTable:
    case ObjectType::VSpace: return kTableBits;
    case ObjectType::AsidPool: return kAsidPoolBits;
  }
  UNREACHABLE("an object of unknown type");
}

Cap full_cap(ObjectType type, u32 size_bits, u32 offset, bool device) {
  Cap cap{.type = static_cast<CapType>(static_cast<u8>(type) + 1), .object = offset};
  switch (type) {
    case ObjectType::Untyped:
      cap.bits = static_cast<u8>(size_bits);
      cap.flags = device ? 1 : 0;
      break;
    case ObjectType::Frame:
      cap.bits = static_cast<u8>(size_bits);
      cap.flags = device ? 1 : 0;
      cap.rights = kRightWrite | kRightRead;
      break;
    case ObjectType::CNode: cap.bits = static_cast<u8>(size_bits); break;
    case ObjectType::Endpoint: cap.rights = kRightsAll; break;
    case ObjectType::Notification: cap.rights = kRightWrite | kRightRead; break;
    case ObjectType::Reply: cap.rights = kRightGrant; break;
    case ObjectType::Tcb:
    case ObjectType::SchedContext:
    case ObjectType::PageTable:
    case ObjectType::VSpace:
    case ObjectType::AsidPool: break;
  }
  return cap;
}

void initialise_object(Kernel& kernel, ObjectType type, u32 size_bits, u32 offset) {
  if (type == ObjectType::Untyped || type == ObjectType::Frame || type == ObjectType::CNode) return;  // nothing inside
  ObjectHeader& header = kernel.at(Ref<ObjectHeader>{offset});
  ASSERT(header.type == 0 && header.cap_count == 0 && header.flags == 0);  // M4: new memory is zero
  header.type = static_cast<u8>(type);
  header.size_bits = static_cast<u8>(object_bits(type, size_bits));
  if (type != ObjectType::Tcb) return;
  // Bits 0–20: offset ÷ 2048, never 0 because page 0 is never used; bits 21–31: a generation.
  const u64 generation = kernel.header().tcb_counter++ & 0x7FF;
  kernel.at(Ref<Tcb>{offset}).thread_id = static_cast<u32>(generation << 21) | offset >> kTcbBits;
}

Step reset(Kernel& kernel, Ref<Slot> slot) {
  Cap& cap = kernel.at(slot).cap;
  ASSERT(cap.type == CapType::Untyped && kernel.at(slot).first_child == 0);
  if ((cap.flags & 1) != 0) {  // device memory is never cleared
    cap.data = 0;
    return Step::Done;
  }
  const u64 before = cap.data;
  MARK_IN(kernel, "untyped.reset");
  while (cap.data > 0) {  // ≤ size / kResetChunkBytes rounds
    if (kernel.entry().units > 0 && cspace::must_stop(kernel)) {
      kernel.emit(base::EventKind::MemZero, cap.object, before - cap.data);
      return Step::Preempted;
    }
    const u64 target = base::align_down(cap.data - 1, kResetChunkBytes);
    u8* from = kernel.ram() + cap.object + target;
    const u64 bytes = cap.data - target;
    // Untouched memory stays untouched: a node's RAM costs the host only what was ever written.
    if (!is_zero(from, bytes)) __builtin_memset(from, 0, bytes);
    cap.data = target;
    kernel.charge(kernel.costs().unit_zero);
    kernel.entry().units += 1;
  }
  kernel.emit(base::EventKind::MemZero, cap.object, before);
  return Step::Done;
}

}  // namespace untyped

Result<Step> invoke_untyped(Kernel& kernel, Invocation& call) {
  const untyped::RetypePlan plan = TRY(untyped::plan_retype(kernel, call));
  // ── point of no return ──
  const Slot& source = kernel.at(call.slot);
  if (source.first_child == 0 && source.cap.data > 0) {
    if (untyped::reset(kernel, call.slot) == Step::Preempted) return Step::Preempted;
  }
  untyped::create(kernel, call.slot, plan);
  return Step::Done;
}

}  // namespace kernel
