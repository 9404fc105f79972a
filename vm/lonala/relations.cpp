#include "vm/lonala/relations.h"

#include "vm/lonala/mailbox.h"
#include "vm/lonala/process.h"
#include "vm/lonala/scheduler.h"

#include "base/enforce.h"

namespace lonala {

bool relation_add(Vm& vm, Process& process, Relation::Kind kind, Term other, Term ref) {
  const u64 offset = block_acquire(vm, sizeof(Relation), PageUse::Table);
  if (offset == 0) return false;
  *vm.at<Relation>(offset) = {0, process.relations_last, kind, other, ref, 0};
  if (process.relations_last != 0) {
    vm.at<Relation>(process.relations_last)->next = offset;
  } else {
    process.relations_first = offset;
  }
  process.relations_last = offset;
  return true;
}

u64 relation_find(const Vm& vm, const Process& process, Relation::Kind kind, Term other, Term ref) {
  for (u64 at = process.relations_first; at != 0; at = vm.at<Relation>(at)->next) {
    const Relation& relation = *vm.at<Relation>(at);
    if (relation.kind == kind && (other == kNone || relation.other == other) && (ref == kNone || relation.ref == ref))
      return at;
  }
  return 0;
}

void relation_remove(Vm& vm, Process& process, u64 offset) {
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
