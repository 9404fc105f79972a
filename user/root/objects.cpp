// user/root/objects.cpp — see objects.h.
#include "user/root/objects.h"

#include "base/assert.h"

#include "base/enforce.h"

namespace user::root {

using kernel::Invoke;

bool retype(Cptr untyped, kernel::ObjectType type, u32 size_bits, Window into, u32 count) {
  return sys::invoke(untyped, Invoke::UntypedRetype, {static_cast<u64>(type), size_bits, 0, 0, into.slot, count},
                     {into.node})
      .ok();
}

bool copy(Window to, Window from, u8 rights) {
  return sys::invoke(to.node, Invoke::CNodeCopy, {to.slot, to.depth, from.slot, from.depth, rights}, {from.node}).ok();
}

bool mint(Window to, Window from, u8 rights, u64 data) {
  return sys::invoke(to.node, Invoke::CNodeMint, {to.slot, to.depth, from.slot, from.depth, rights, data}, {from.node})
      .ok();
}

bool move(Window to, Window from) {
  return sys::invoke(to.node, Invoke::CNodeMove, {to.slot, to.depth, from.slot, from.depth}, {from.node}).ok();
}

void remove(Window slot) {
  const sys::Answer answer = sys::invoke(slot.node, Invoke::CNodeDelete, {slot.slot, slot.depth});
  ASSERT(answer.ok());
}

void revoke(Window slot) {
  const sys::Answer answer = sys::invoke(slot.node, Invoke::CNodeRevoke, {slot.slot, slot.depth});
  ASSERT(answer.ok());
}

kernel::ResultLabel map_frame(const FrameMapping& mapping) {
  return sys::invoke(mapping.frame, Invoke::FrameMap, {mapping.address, mapping.rights, mapping.attributes},
                     {mapping.vspace})
      .label;
}

bool map_table(Cptr table, Cptr vspace, u64 address) {
  return sys::invoke(table, Invoke::PageTableMap, {address}, {vspace}).ok();
}

bool configure_root_budget(Cptr control, Cptr context, const BudgetNode& node) {
  return sys::invoke(control, Invoke::SchedControlConfigure,
                     {node.budget, node.period, node.extra_refills, node.badge, node.flags, node.home}, {context})
      .ok();
}

bool configure_child_budget(Cptr parent, Cptr context, const BudgetNode& node) {
  return sys::invoke(parent, Invoke::SchedContextConfigureChild,
                     {node.budget, node.period, node.extra_refills, node.badge, node.flags, node.home}, {context})
      .ok();
}

ThreadFacts inspect_thread(Cptr tcb) {
  if (!sys::invoke(tcb, Invoke::TcbInspect, {}).ok()) return {};
  const u64* const words = sys::frame().mr;
  return {.state = words[0], .place = words[1], .core = words[2], .waits_at = words[3]};
}

SuspendedThread suspend_thread(Cptr tcb) {
  MUST_OK(sys::invoke(tcb, Invoke::TcbSuspend, {1}).ok());
  const u64* const words = sys::frame().mr;
  return {.state = words[0], .in_call = words[1] != 0, .faulted = words[2] != 0};
}

SlotFacts inspect_slot(Window slot) {
  if (!sys::invoke(slot.node, Invoke::CNodeInspect, {slot.slot, slot.depth}).ok()) return {};
  const u64* const words = sys::frame().mr;
  return {.type = words[0], .rights = words[1], .badge = words[2], .object = words[3]};
}

u64 take_consumed(Cptr context) {
  const sys::Answer answer = sys::invoke(context, Invoke::SchedContextConsumed, {});
  return answer.ok() ? sys::frame().mr[0] : 0;
}

}  // namespace user::root
