#include "vm/lonala/mailbox.h"

#include "base/planted.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"
#include "vm/lonala/process.h"
#include "vm/lonala/relations.h"
#include "vm/lonala/scheduler.h"
#include "vm/lonala/timers.h"
#include "vm/lonala/tracing.h"

#include "base/enforce.h"

namespace lonala {

void message_free(Vm& vm, u64 offset) {
  fragments_release(vm, vm.at<Message>(offset)->fragments);
  block_release(vm, offset, sizeof(Message), PageUse::Table);
}

Sent message_send(Vm& vm, Process& to, Term term, Bytebufs bytebufs, Acknowledge acknowledge) {
  // What lies in the receiver's own block needs no fragment, and is there when the receiver looks at it.
  const bool waits = to.status == Status::Waiting && to.mailbox_count < kMessagesInBlockMax &&
                     !PLANTED("lonala.fragment-missed");  // which needs fragments
  const u64 hp = to.hp;
  u64 fragments = 0;
  const Term copy = copy_to_fragment(vm, term, fragments, bytebufs, waits ? &to : nullptr);
  if (copy == kUnbound) return Sent::Refused;
  const u64 offset = block_acquire(vm, sizeof(Message), PageUse::Table);
  if (copy == kNone || offset == 0) {
    if (fragments != 0) fragments_release(vm, fragments);
    return Sent::NoMemory;
  }
  const u64 bytes = fragments == 0 ? to.hp - hp : vm.at<Fragment>(fragments)->hp - fragments - sizeof(Fragment);
  charge(vm, bytes / 8 / kWordsPerReduction);
  *vm.at<Message>(offset) = {0, copy, fragments, acknowledge.ref, acknowledge.from, 0};
  if (to.mailbox_last != 0) {
    vm.at<Message>(to.mailbox_last)->next = offset;
  } else {
    to.mailbox_first = offset;
  }
  to.mailbox_last = offset;
  to.mailbox_count += 1;
  trace_send(vm, to.pid, copy);
  process_wake(vm, to);
  return Sent::Done;
}

Term receive_start(Vm& vm, Process& process, Term timeout) {
  process.mailbox_save = 0;
  process.flags &= static_cast<u8>(~kDeadlineOver);
  if (timeout == keyword(vm, Atom::Infinity)) return kNil;
  const Term window[1] = {timeout};
  vm.native = static_cast<u32>(NativeId::Equal);
  if (!number::is_integer_like(vm, timeout)) return raise(vm, Atom::Badarg, {{Atom::Value, timeout}});
  const number::Integer ms(vm, window[0]);
  if (ms.negative) return raise(vm, Atom::Badarg, {{Atom::Value, timeout}});
  if (ms.count == 0) {
    process.flags |= kDeadlineOver;
    return kNil;
  }
  if (ms.count > 1 || ms.low() > ~u64{0} / 1'000'000 - vm.root->now_ns) return kNil;  // later than any clock
  process.deadline = timer_add(vm, vm.root->now_ns + ms.low() * 1'000'000, process.pid, kNone, 0);
  return process.deadline == 0 ? raise_oom(vm, 8) : kNil;
}

bool ref_made(Vm& vm, Process& process, Term ref) {
  if (process.mailbox_last == 0 && process.rare == 0) return true;  // a scan from the start meets nothing older
  RareRecord* record = rare_record(vm, process);
  if (record == nullptr) return false;
  record->marked_ref = ref;
  record->marked_after = process.mailbox_last;
  return true;
}

void receive_mark(const Vm& vm, Process& process, Term ref, bool none) {
  if (none) {
    process.mailbox_save = process.mailbox_last;
    return;
  }
  if (process.rare == 0) return;
  const RareRecord& record = *vm.at<RareRecord>(process.rare);
  if (record.marked_ref == ref) process.mailbox_save = record.marked_after;
}

void mailbox_unlink(Vm& vm, Process& process, u64 offset, u64 before) {
  const u64 next = vm.at<Message>(offset)->next;
  if (before == 0) {
    process.mailbox_first = next;
  } else {
    vm.at<Message>(before)->next = next;
  }
  if (process.mailbox_last == offset) process.mailbox_last = before;
  process.mailbox_count -= 1;
  if (process.rare == 0) return;
  RareRecord& record = *vm.at<RareRecord>(process.rare);
  if (record.marked_after == offset) record.marked_after = before;
}

Term receive_next(Vm& vm, Process& process) {
  const u64 next = process.mailbox_save == 0 ? process.mailbox_first : vm.at<Message>(process.mailbox_save)->next;
  if (next != 0) return vm.at<Message>(next)->term;
  if ((process.flags & kDeadlineOver) != 0) {
    process.mailbox_save = 0;
    process.flags &= static_cast<u8>(~kDeadlineOver);
    return kUnbound;
  }
  return kNone;
}

void receive_skip(Vm& vm, Process& process) {
  process.mailbox_save = process.mailbox_save == 0 ? process.mailbox_first : vm.at<Message>(process.mailbox_save)->next;
}

void receive_take(Vm& vm, Process& process) {
  const u64 before = process.mailbox_save;
  const u64 taken = before == 0 ? process.mailbox_first : vm.at<Message>(before)->next;
  if (taken == 0) return;
  const Message message = *vm.at<Message>(taken);
  mailbox_unlink(vm, process, taken, before);
  process.mailbox_save = 0;
  if (PLANTED("lonala.fragment-missed")) {
    fragments_release(vm, message.fragments);
  } else {
    fragments_adopt(vm, process, message.fragments);  // what was bound lies in it
  }
  if (message.acknowledge != 0) {
    Process* from = process_of(vm, message.from);
    const bool waits =
        from != nullptr && relation_find(vm, *from, Relation::Kind::Monitoring, message.acknowledge) != 0;
    if (waits) message_send(vm, *from, make_tuple(vm, {keyword(vm, Atom::Taken), message.acknowledge}));
  }
  block_release(vm, taken, sizeof(Message), PageUse::Table);
  if (process.deadline != 0) {
    timer_remove(vm, process.deadline);
    process.deadline = 0;
  }
  process.flags &= static_cast<u8>(~kDeadlineOver);
}

void process_stop_waiting(Vm& vm, Process& process) {
  if (process.deadline != 0) {
    timer_remove(vm, process.deadline);
    process.deadline = 0;
  }
  process.mailbox_save = 0;
  process.flags &= static_cast<u8>(~(kDeadlineOver | kAtReceive));
}

}  // namespace lonala
