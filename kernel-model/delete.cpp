// kernel-model/delete.cpp — deletion in units of bounded work. Containers (CNode, TCB) are not emptied by recursion: the
// last cap to one becomes a Zombie in the container's own slot 0, and the container joins the caller's reap list.
// Invariants  T6 a Zombie sits in its container's slot 0, on exactly one reap list; slots beyond "slots left" are Null.
//             T7 no cap refers to a container that has a Zombie.
#include "base/planted.h"
#include "kernel-model/cspace.h"
#include "kernel-model/ipc.h"
#include "kernel-model/irq.h"
#include "kernel-model/sched.h"
#include "kernel-model/vspace.h"

#include "base/enforce.h"

namespace kernel::cspace {

namespace {

constexpr u32 kScanSlotsMax = 64;  // this many Null slots are one unit
constexpr u32 kOwnerMark = 1;      // in `reap prev` of the head: it names the owner TCB

// ── Reap lists: doubly linked through the data of the Zombie caps ────────────────────────────────────────────
u32 reap_next(const Slot& zombie) { return static_cast<u32>(zombie.cap.data); }
u32 reap_prev(const Slot& zombie) { return static_cast<u32>(zombie.cap.data >> 32); }
void set_reap_links(Slot& zombie, u32 next, u32 prev) { zombie.cap.data = u64{prev} << 32 | next; }

void push_reap(Kernel& kernel, Ref<Tcb> owner, Ref<Slot> ref) {
  Slot& zombie = kernel.at(ref);
  ASSERT(zombie.cap.type == CapType::Zombie);
  Ref<Slot>& head = kernel.at(owner).reap_head;
  if (head) {
    Slot& old = kernel.at(head);
    ASSERT(reap_prev(old) == (owner.offset | kOwnerMark));
    set_reap_links(old, reap_next(old), ref.offset);
  }
  set_reap_links(zombie, head.offset, owner.offset | kOwnerMark);
  head = ref;
}

void remove_reap(Kernel& kernel, Ref<Slot> ref) {
  Slot& zombie = kernel.at(ref);
  ASSERT(zombie.cap.type == CapType::Zombie);
  const u32 next = reap_next(zombie);
  const u32 prev = reap_prev(zombie);
  ASSERT(prev != 0);
  if ((prev & kOwnerMark) != 0) {
    kernel.at(Ref<Tcb>{prev & ~kOwnerMark}).reap_head = Ref<Slot>{next};
  } else {
    Slot& before = kernel.at(Ref<Slot>{prev});
    set_reap_links(before, next, reap_prev(before));
  }
  if (next != 0) {
    Slot& after = kernel.at(Ref<Slot>{next});
    set_reap_links(after, reap_next(after), prev);
  }
  zombie.cap.data = 0;
}

/// The thread that runs the operation. It deletes, so it is current; it may destroy itself while doing so.
Ref<Tcb> caller_of(const Kernel& kernel, u32 core) { return kernel.core(core).current; }

bool is_container(const Cap& cap) { return cap.type == CapType::CNode || cap.type == CapType::Tcb; }
bool is_final(Kernel& kernel, const Cap& cap) {
  const u32* count = cap_count_of(kernel, cap);
  if (count != nullptr) ASSERT(*count > 0);  // T5
  return count != nullptr && *count == 1;
}
Ref<Slot> own_slot(Kernel& kernel, const Cap& container) {
  if (container.type == CapType::CNode) return Ref<Slot>{container.object};
  return kernel.ref_of(kernel.at(Ref<Tcb>{container.object}).slots[kTcbSelf]);
}
/// The container's offset, from its Zombie: a CNode starts with slot 0, a TCB has it at a fixed place.
u32 container_of(const Slot& zombie, Ref<Slot> ref) {
  return zombie.cap.bits != 0 ? ref.offset : ref.offset - static_cast<u32>(offsetof(Tcb, slots));
}

/// The last cap of container X lies in `ref`: X becomes a Zombie in its own slot 0, at the head of the caller's list,
/// and `ref` holds what slot 0 held.
void orphan(Kernel& kernel, Ref<Tcb> owner, Ref<Slot> ref) {
  const Cap cap = kernel.at(ref).cap;
  const Ref<Slot> own = own_slot(kernel, cap);
  u32 slots_left = kTcbSlotCount - 1;
  u8 radix = 0;  // of a TCB: none
  if (cap.type == CapType::CNode) {
    slots_left = (u32{1} << cap.bits) - 1;
    radix = cap.bits;
  } else {
    ASSERT(kernel.at(own).cap.is_null());
    ipc::finalise_tcb(kernel, Ref<Tcb>{cap.object});
  }
  kernel.emit(base::EventKind::CapDelete, cap.object, ref.offset, 1);
  *cap_count_of(kernel, cap) = 0;
  kernel.at(ref).cap = Cap{.type = CapType::Zombie, .bits = radix, .object = slots_left};
  if (ref != own) swap_slots(kernel, ref, own);
  push_reap(kernel, owner, own);
  kernel.emit(base::EventKind::CapOrphan, cap.object, slots_left);
}

/// The object's own end when its last cap goes; one unit of it. True when nothing is left to do.
bool finalise_unit(Kernel& kernel, const Cap& cap) {
  switch (cap.type) {
    case CapType::Endpoint: return ipc::finalise_endpoint_unit(kernel, Ref<Endpoint>{cap.object});
    case CapType::Notification: return ipc::finalise_notification_unit(kernel, Ref<Notification>{cap.object});
    case CapType::Reply: ipc::finalise_reply(kernel, Ref<Reply>{cap.object}); return true;
    case CapType::SchedContext: return sched::finalise_unit(kernel, Ref<SchedContext>{cap.object});
    case CapType::PageTable: vspace::finalise_page_table(kernel, Ref<PageTable>{cap.object}); return true;
    case CapType::VSpace: vspace::finalise_vspace(kernel, Ref<VSpace>{cap.object}); return true;
    case CapType::AsidPool: return vspace::finalise_asid_pool_unit(kernel, Ref<AsidPool>{cap.object});
    case CapType::IrqHandler: return irq::finalise_handler_unit(kernel, cap.object);
    case CapType::Null:
    case CapType::Untyped:
    case CapType::Tcb:
    case CapType::CNode:
    case CapType::Frame:
    case CapType::SchedControl:
    case CapType::IrqControl:
    case CapType::AsidControl:
    case CapType::Zombie:
    case CapType::Anchor: break;
  }
  UNREACHABLE("an object without an end of its own was finalised");
}

bool delete_unit_for(Kernel& kernel, Ref<Tcb> owner, Ref<Slot> ref) {
  const Cap cap = kernel.at(ref).cap;
  if (cap.is_null()) return true;
  ASSERT(cap.type != CapType::Anchor);
  kernel.entry().units += 1;
  if (cap.type == CapType::Zombie) {  // met by a Revoke of a covering Untyped: it is the caller's to reap now
    kernel.charge(kernel.costs().unit_delete);
    remove_reap(kernel, ref);
    push_reap(kernel, owner, ref);
    return false;
  }
  const bool last = is_final(kernel, cap);
  if (last && is_container(cap)) {
    kernel.charge(kernel.costs().unit_delete);
    orphan(kernel, owner, ref);
    return kernel.at(ref).cap.is_null();
  }
  if (last && !finalise_unit(kernel, cap)) return false;
  kernel.charge(kernel.costs().unit_delete);
  if (cap.type == CapType::Frame) vspace::unmap_frame_cap(kernel, ref);
  if (u32* count = cap_count_of(kernel, cap); count != nullptr && !PLANTED("kernel.count-not-lowered")) *count -= 1;
  kernel.emit(base::EventKind::CapDelete, cap.object, ref.offset, last ? 1 : 0);
  unlink_slot(kernel, ref);
  return true;
}

/// One unit of work on the container at the head of the owner's reap list.
void reap_unit(Kernel& kernel, Ref<Tcb> owner) {
  const Ref<Slot> ref = kernel.at(owner).reap_head;
  Slot& zombie = kernel.at(ref);
  ASSERT(zombie.cap.type == CapType::Zombie);
  if (zombie.cap.object > 0) {
    const Ref<Slot> victim{ref.offset + (zombie.cap.object << kSlotBits)};
    if (!kernel.at(victim).cap.is_null()) {
      if (delete_unit_for(kernel, owner, victim)) zombie.cap.object -= 1;
      return;
    }
    u32 scanned = 0;
    while (zombie.cap.object > 0 && scanned < kScanSlotsMax &&
           kernel.at(Ref<Slot>{ref.offset + (zombie.cap.object << kSlotBits)}).cap.is_null()) {
      zombie.cap.object -= 1;
      scanned += 1;
    }
    kernel.charge(kernel.costs().unit_scan);
    kernel.entry().units += 1;
    return;
  }
  kernel.charge(kernel.costs().unit_delete);
  kernel.entry().units += 1;
  const u32 container = container_of(zombie, ref);
  if (zombie.cap.bits == 0) {  // a TCB: the destroyer inherits what it left unfinished, one entry a unit
    const Ref<Slot> inherited = kernel.at(Ref<Tcb>{container}).reap_head;
    if (inherited) {
      remove_reap(kernel, inherited);
      push_reap(kernel, owner, inherited);
      return;
    }
  }
  remove_reap(kernel, ref);
  unlink_slot(kernel, ref);
  kernel.emit(base::EventKind::CapReaped, container, 0);
}

/// Asked before each unit: whether the operation ends here because of the units this entry has done already, or
/// because the caller destroyed itself.
bool ends_here(Kernel& kernel, Ref<Tcb> owner) {
  if (kernel.at(owner).state == ThreadState::Inactive) return true;
  return kernel.entry().units > 0 && must_stop(kernel);
}

}  // namespace

bool must_stop(Kernel& kernel) {
  return kernel.now() >= kernel.entry().horizon || sched::grant_left(kernel) < kMinBudget;
}

bool delete_unit(Kernel& kernel, Ref<Slot> slot) {
  return delete_unit_for(kernel, caller_of(kernel, kernel.current_core()), slot);
}

Step delete_slot(Kernel& kernel, Ref<Slot> slot) {
  const Ref<Tcb> owner = caller_of(kernel, kernel.current_core());
  ASSERT(owner);
  // Each round removes a cap, a Zombie or up to 64 empty slots: at most as many rounds as the node has slots, and more.
  while (kernel.at(owner).reap_head || !kernel.at(slot).cap.is_null()) {
    if (ends_here(kernel, owner)) {
      MARK_IN(kernel, "cdt.delete-cut");
      return Step::Preempted;
    }
    if (kernel.at(owner).reap_head) {
      reap_unit(kernel, owner);
    } else {
      delete_unit_for(kernel, owner, slot);
    }
  }
  return kernel.at(owner).state == ThreadState::Inactive ? Step::Preempted : Step::Done;
}

Step revoke(Kernel& kernel, Ref<Slot> slot) {
  const Ref<Tcb> owner = caller_of(kernel, kernel.current_core());
  ASSERT(owner);
  const u32 object = kernel.at(slot).cap.object;
  u64 deleted = 0;
  while (kernel.at(owner).reap_head || kernel.at(slot).first_child != 0) {
    if (ends_here(kernel, owner)) {
      MARK_IN(kernel, "cdt.revoke-cut");
      const u32 left = kernel.at(slot).first_child;
      const bool is_last = left != 0 && (kernel.at(Ref<Slot>{left}).next & kLastMark) != 0;
      if (PLANTED("cdt.revoke-skips") && is_last && !kernel.at(owner).reap_head) return Step::Done;
      return Step::Preempted;
    }
    if (kernel.at(owner).reap_head) {
      reap_unit(kernel, owner);
      continue;
    }
    Ref<Slot> child{kernel.at(slot).first_child};
    const Cap cap = kernel.at(child).cap;
    if (cap.type == CapType::CNode && is_final(kernel, cap)) {
      // What slot 0 of a dying CNode holds changes places with its Zombie, and would stay behind in `child` if the
      // operation stopped there and `child` is no descendant any more. So slot 0 is emptied first.
      const Ref<Slot> own{cap.object};
      if (own == slot) {
        // The revoked cap itself lies in the CNode made from it: both end in this unit.
        ASSERT(kernel.at(own).cap.type == CapType::Untyped);
        kernel.emit(base::EventKind::CapDelete, kernel.at(own).cap.object, own.offset, 0);
        unlink_slot(kernel, own);
      } else if (own != child && !kernel.at(own).cap.is_null()) {
        child = own;
      }
    }
    kernel.emit(base::EventKind::CapRevokeStep, object, slot.offset, child.offset);
    if (delete_unit_for(kernel, owner, child)) deleted += 1;
  }
  if (kernel.at(owner).state == ThreadState::Inactive) return Step::Preempted;
  kernel.emit(base::EventKind::CapRevokeDone, object, slot.offset, deleted);
  return Step::Done;
}

}  // namespace kernel::cspace
