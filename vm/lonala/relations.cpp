#include "vm/lonala/relations.h"

#include <cstring>

#include "vm/lonala/mailbox.h"
#include "vm/lonala/process.h"
#include "vm/lonala/scheduler.h"

#include "base/enforce.h"

namespace lonala {
namespace {

// ── By owner, kind and key ───────────────────────────────────────────────────────────────────────────────────

u64 index_home(const Vm& vm, Term owner, Relation::Kind kind, Term key) {
  u64 mixed = (owner * 0x9E3779B97F4A7C15 + key + static_cast<u64>(kind)) * 0xC2B2AE3D27D4EB4F;
  mixed ^= mixed >> 32;
  return mixed & (vm.root->relation_index_capacity - 1);
}
u64 index_home(const Vm& vm, u64 offset) {
  const Relation& relation = *vm.at<Relation>(offset);
  return index_home(vm, relation.owner, relation.kind, relation.key());
}

/// Enters a relation where the first place is free; there is one.
void index_enter(Vm& vm, u64 offset) {
  const u64 mask = vm.root->relation_index_capacity - 1;
  u64* index = vm.words(vm.root->relation_index);
  u64 at = index_home(vm, offset);
  while (index[at] != 0) at = (at + 1) & mask;
  index[at] = offset;
}

/// Room for one more, so that half of the table stays free.
bool index_reserve(Vm& vm) {
  Root& root = *vm.root;
  if (root.relation_index_count * 2 < root.relation_index_capacity) return true;
  const u64 old = root.relation_index;
  const u64 old_capacity = root.relation_index_capacity;
  const u64 capacity = old_capacity == 0 ? 64 : old_capacity * 2;
  const u64 index = block_acquire(vm, capacity * 8, PageUse::Table);
  if (index == 0) return false;
  memset(vm.words(index), 0, capacity * 8);
  root.relation_index = index;
  root.relation_index_capacity = capacity;
  for (u64 i = 0; i < old_capacity; ++i) {
    if (vm.words(old)[i] != 0) index_enter(vm, vm.words(old)[i]);
  }
  if (old != 0) block_release(vm, old, old_capacity * 8, PageUse::Table);
  return true;
}

/// Those behind that would lie here move up, so that no search ends too early.
void index_remove(Vm& vm, u64 offset) {
  const u64 mask = vm.root->relation_index_capacity - 1;
  u64* index = vm.words(vm.root->relation_index);
  u64 hole = index_home(vm, offset);
  while (index[hole] != offset) hole = (hole + 1) & mask;
  index[hole] = 0;
  vm.root->relation_index_count -= 1;
  for (u64 at = (hole + 1) & mask; index[at] != 0; at = (at + 1) & mask) {
    if (((at - index_home(vm, index[at])) & mask) < ((at - hole) & mask)) continue;
    index[hole] = index[at];
    index[at] = 0;
    hole = at;
  }
}

}  // namespace

bool relation_add(Vm& vm, Process& process, Relation::Kind kind, Term other, Term ref) {
  if (!index_reserve(vm)) return false;
  const u64 offset = block_acquire(vm, sizeof(Relation), PageUse::Table);
  if (offset == 0) return false;
  *vm.at<Relation>(offset) = {0, process.relations_last, kind, other, ref, process.pid};
  if (process.relations_last != 0) {
    vm.at<Relation>(process.relations_last)->next = offset;
  } else {
    process.relations_first = offset;
  }
  process.relations_last = offset;
  index_enter(vm, offset);
  vm.root->relation_index_count += 1;
  return true;
}

u64 relation_find(const Vm& vm, const Process& process, Relation::Kind kind, Term key) {
  if (process.relations_first == 0) return 0;
  const u64 mask = vm.root->relation_index_capacity - 1;
  const u64* index = vm.words(vm.root->relation_index);
  for (u64 at = index_home(vm, process.pid, kind, key); index[at] != 0; at = (at + 1) & mask) {
    const Relation& relation = *vm.at<Relation>(index[at]);
    if (relation.owner == process.pid && relation.kind == kind && relation.key() == key) return index[at];
  }
  return 0;
}

void relation_remove(Vm& vm, Process& process, u64 offset) {
  index_remove(vm, offset);
  const Relation relation = *vm.at<Relation>(offset);
  if (relation.previous != 0) {
    vm.at<Relation>(relation.previous)->next = relation.next;
  } else {
    process.relations_first = relation.next;
  }
  if (relation.next != 0) {
    vm.at<Relation>(relation.next)->previous = relation.previous;
  } else {
    process.relations_last = relation.previous;
  }
  block_release(vm, offset, sizeof(Relation), PageUse::Table);
}

void signal_exit(Vm& vm, Process& to, Term from, Term reason, bool linked) {
  const bool kill = reason == keyword(vm, Atom::Kill) && !linked;
  if (!kill && (to.marks & kTrapExit) != 0) {
    Process* running = vm.process;
    vm.process = running == nullptr ? &to : running;
    const Term message = make_tuple(vm, {keyword(vm, Atom::Exit), from, reason});
    message_send(vm, to, message);
    vm.process = running;
    return;
  }
  if (!kill && reason == keyword(vm, Atom::Normal)) return;
  const Term final_reason = kill ? keyword(vm, Atom::Killed) : reason;
  if (&to == vm.process) {
    to.pending = final_reason;
    to.flags |= kExiting;
    return;
  }
  if (to.pid == vm.root->session) {  // a form of the session ends; the session stays
    u64 fragments = 0;
    const Term copy = copy_to_fragment(vm, final_reason, fragments);
    fragments_adopt(vm, to, fragments);
    to.pending = copy == kNone ? keyword(vm, Atom::Kill) : copy;
    to.flags |= kExiting | kSignalled;
    call_cancel(vm, to);
    process_wake(vm, to);
    return;
  }
  process_end(vm, to, final_reason);
}

}  // namespace lonala
