// vm/lonala/natives/processes.cpp — spawning, messages, links, monitors, names, timers.
#include "vm/lonala/process.h"

#include "vm/lonala/binaries.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/mailbox.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"
#include "vm/lonala/relations.h"
#include "vm/lonala/timers.h"
#include "vm/lonala/usage.h"

#include "base/enforce.h"

namespace lonala {
namespace {

bool pid_argument(Vm& vm, Args args, u32 i) {
  if (tag_of(args[i]) == Tag::Pid) return true;
  raise_args(vm, Atom::Badarg, args);
  return false;
}

bool register_name(Vm& vm, Process& process, Term name) {
  const Term taken = table_get(vm, vm.root->names, name);
  if (taken != kNone && process_of(vm, taken) != nullptr) return false;
  return table_put(vm, vm.root->names, name, process.pid);
}

bool names_add(Vm& vm, Process& process, Term name) {
  const u64 offset = block_acquire(vm, sizeof(NameHeld), PageUse::Table);
  if (offset == 0) return false;
  *vm.at<NameHeld>(offset) = {process.names, name};
  process.names = offset;
  return true;
}

void names_remove(Vm& vm, Process& process, Term name) {
  for (u64* link = &process.names; *link != 0; link = &vm.at<NameHeld>(*link)->next) {
    const u64 offset = *link;
    if (vm.at<NameHeld>(offset)->name != name) continue;
    *link = vm.at<NameHeld>(offset)->next;
    block_release(vm, offset, sizeof(NameHeld), PageUse::Table);
    return;
  }
}

/// A size in bytes or a count of an option map; nil is `none`.
bool size_option(Vm& vm, Term value, u64 none, u64& out) {
  out = none;
  if (value == kNil) return true;
  if (!number::is_integer_like(vm, value)) return false;
  const number::Integer size(vm, value);
  if (size.negative) return false;
  out = size.count > 1 ? ~u64{0} : size.low();
  return true;
}

bool spawn_option(Vm& vm, Term key, Term value, SpawnOptions& options, Term& name) {
  if (key == keyword(vm, Atom::MinHeapSize)) return size_option(vm, value, 0, options.min_heap_bytes);
  if (key == keyword(vm, Atom::MaxHeapSize)) return size_option(vm, value, 0, options.max_heap_bytes);
  if (key == keyword(vm, Atom::FullsweepAfter)) return size_option(vm, value, kFullsweepAfter, options.fullsweep_after);
  if (key == keyword(vm, Atom::Priority)) {
    if (!is_small(value) || small_value(value) < 0 || small_value(value) >= kPrioritiesMax) return false;
    options.priority = static_cast<u8>(small_value(value));
    return true;
  }
  if (key != keyword(vm, Atom::Name) || !is_symbol(vm, value)) return false;
  name = plain_symbol(vm, value);
  return true;
}

}  // namespace

/// (spawn* f how options): how is nil, :link or :monitor.
Term native_Spawn(Vm& vm, Args args) {
  const bool callable =
      is_boxed(vm, args[0], Type::Function) || is_immediate(args[0], Immediate::Native) || is_var(args[0]);
  if (!callable) return raise_type(vm, args, Atom::Fn);
  SpawnOptions options;
  Term name = kNil;
  if (args[2] != kNil) {
    if (!is_map(vm, args[2])) return raise_type(vm, args, Atom::Map);
    bool known = true;
    map_each(vm, args[2], [&](Term key, Term value) { known = known && spawn_option(vm, key, value, options, name); });
    if (!known) return raise_args(vm, Atom::Badarg, args);
  }
  if (name != kNil) {
    const Term taken = table_get(vm, vm.root->names, name);
    if (taken != kNone && process_of(vm, taken) != nullptr) return raise_args(vm, Atom::Badarg, args);
  }
  const Term pid = process_spawn(vm, args[0], options);
  if (pid == kRaised) return pid;
  Process& child = *process_of(vm, pid);
  if (name != kNil && (!register_name(vm, child, name) || !names_add(vm, child, name))) return raise_oom(vm, 8);
  if (args[1] == keyword(vm, Atom::Links)) {
    if (!relation_add(vm, *vm.process, Relation::Kind::Link, pid, kNone) ||
        !relation_add(vm, child, Relation::Kind::Link, vm.process->pid, kNone)) {
      return raise_oom(vm, 8);
    }
  }
  if (args[1] == keyword(vm, Atom::Monitors)) {
    const Term ref = native_MakeRef(vm, Args{});
    if (!relation_add(vm, *vm.process, Relation::Kind::Monitoring, pid, ref) ||
        !relation_add(vm, child, Relation::Kind::MonitoredBy, vm.process->pid, ref)) {
      return raise_oom(vm, 8);
    }
    return make_tuple(vm, {pid, ref});
  }
  return pid;
}

Term native_Self(Vm& vm, Args) { return vm.process->pid; }
Term native_Alive(Vm& vm, Args args) {
  return pid_argument(vm, args, 0) ? boolean(process_of(vm, args[0]) != nullptr) : kRaised;
}
namespace {
/// A message of the program. When there is no memory for it, the receiver ends.
Term send_message(Vm& vm, Process* to, Term message, Acknowledge acknowledge = {}) {
  if (to != nullptr) {
    switch (message_send(vm, *to, message, Bytebufs::Refused, acknowledge)) {
      case Sent::Done: break;
      case Sent::Refused: return raise(vm, Atom::NotSendable, {{Atom::Value, message}});
      case Sent::NoMemory:
        if (to == vm.process) return raise_oom(vm, 16);
        process_end_oom(vm, *to);
        break;
    }
  }
  return keyword(vm, Atom::Ok);
}
}  // namespace

Term native_Send(Vm& vm, Args args) {
  return pid_argument(vm, args, 0) ? send_message(vm, process_of(vm, args[0]), args[1]) : kRaised;
}
/// (send-acknowledged* pid ref m): when it has been taken, the caller gets [:taken ref], if it still monitors by that ref.
Term native_SendAcknowledged(Vm& vm, Args args) {
  if (!pid_argument(vm, args, 0)) return kRaised;
  return send_message(vm, process_of(vm, args[0]), args[2], {args[1], vm.process->pid});
}
/// (send-reply* pid ref m): sent only while the receiver still waits, that is, monitors by that ref.
Term native_SendReply(Vm& vm, Args args) {
  if (!pid_argument(vm, args, 0)) return kRaised;
  Process* to = process_of(vm, args[0]);
  const bool waits = to != nullptr && relation_find(vm, *to, Relation::Kind::Monitoring, args[1]) != 0;
  return waits ? send_message(vm, to, args[2]) : keyword(vm, Atom::Ok);
}
Term native_SendAfter(Vm& vm, Args args) {
  if (!pid_argument(vm, args, 0) || !number::is_integer_like(vm, args[1])) return raise_args(vm, Atom::Badarg, args);
  const number::Integer ms(vm, args[1]);
  if (ms.negative || ms.count > 1 || ms.low() > ~u64{0} / 1'000'000 - vm.root->now_ns)
    return raise_args(vm, Atom::Badarg, args);
  u64 fragments = 0;
  const Term copy = copy_to_fragment(vm, args[2], fragments, Bytebufs::Refused);
  if (copy == kUnbound) return raise(vm, Atom::NotSendable, {{Atom::Value, args[2]}});
  const u64 timer = copy == kNone ? 0 : timer_add(vm, vm.root->now_ns + ms.low() * 1'000'000, args[0], copy, fragments);
  if (timer == 0) return raise_oom(vm, 16);
  return immediate(Immediate::Timer, vm.root->timers_made);
}
Term native_CancelTimer(Vm& vm, Args args) {
  if (!is_immediate(args[0], Immediate::Timer)) return raise_type(vm, args, Atom::Timer);
  const u64 offset = timer_find(vm, payload_of(args[0]));
  if (offset == 0) return kNil;
  const Timer timer = *vm.at<Timer>(offset);
  timer_remove(vm, offset);
  fragments_release(vm, timer.fragments);
  return small(static_cast<i64>((timer.deadline_ns - vm.root->now_ns) / 1'000'000));
}
Term native_LinkTo(Vm& vm, Args args) {
  if (!pid_argument(vm, args, 0)) return kRaised;
  Process& own = *vm.process;
  const Term ok = keyword(vm, Atom::Ok);
  if (args[0] == own.pid || relation_find(vm, own, Relation::Kind::Link, args[0]) != 0) return ok;
  Process* other = process_of(vm, args[0]);
  if (other == nullptr) {
    signal_exit(vm, own, args[0], keyword(vm, Atom::Noproc), true);
    return (own.flags & kExiting) != 0 ? kRaised : ok;
  }
  if (!relation_add(vm, own, Relation::Kind::Link, args[0], kNone) ||
      !relation_add(vm, *other, Relation::Kind::Link, own.pid, kNone)) {
    return raise_oom(vm, 8);
  }
  return ok;
}
Term native_Unlink(Vm& vm, Args args) {
  if (!pid_argument(vm, args, 0)) return kRaised;
  const u64 link = relation_find(vm, *vm.process, Relation::Kind::Link, args[0]);
  if (link != 0) relation_remove(vm, *vm.process, link);
  Process* other = process_of(vm, args[0]);
  const u64 back = other == nullptr ? 0 : relation_find(vm, *other, Relation::Kind::Link, vm.process->pid);
  if (back != 0) relation_remove(vm, *other, back);
  return keyword(vm, Atom::Ok);
}
Term native_MonitorOf(Vm& vm, Args args) {
  if (!pid_argument(vm, args, 0)) return kRaised;
  const Term ref = native_MakeRef(vm, Args{});
  if (ref == kRaised) return kRaised;
  Process* other = process_of(vm, args[0]);
  if (other == nullptr) {
    const Term down = make_tuple(vm, {keyword(vm, Atom::Down), ref, args[0], keyword(vm, Atom::Noproc)});
    return message_send(vm, *vm.process, down) == Sent::Done ? ref : raise_oom(vm, 8);
  }
  if (!relation_add(vm, *vm.process, Relation::Kind::Monitoring, args[0], ref) ||
      !relation_add(vm, *other, Relation::Kind::MonitoredBy, vm.process->pid, ref)) {
    return raise_oom(vm, 8);
  }
  return ref;
}
Term native_Demonitor(Vm& vm, Args args) {
  if (!is_immediate(args[0], Immediate::Ref)) return raise_type(vm, args, Atom::Ref);
  Process& own = *vm.process;
  const u64 held = relation_find(vm, own, Relation::Kind::Monitoring, args[0]);
  if (held != 0) {
    Process* other = process_of(vm, vm.at<Relation>(held)->other);
    relation_remove(vm, own, held);
    const u64 back = other == nullptr ? 0 : relation_find(vm, *other, Relation::Kind::MonitoredBy, args[0]);
    if (back != 0) relation_remove(vm, *other, back);
  }
  if (args.count == 2 && args[1] == keyword(vm, Atom::Flush)) {
    u64 before = 0;
    for (u64 at = own.mailbox_first; at != 0;) {
      const Message message = *vm.at<Message>(at);
      const bool down = is_tuple(message.term) && tuple_count(vm, message.term) == 4 &&
                        tuple_at(vm, message.term, 0) == keyword(vm, Atom::Down) &&
                        tuple_at(vm, message.term, 1) == args[0];
      if (down) {
        mailbox_unlink(vm, own, at, before);
        message_free(vm, at);
      } else {
        before = at;
      }
      at = message.next;
    }
  }
  return keyword(vm, Atom::Ok);
}
Term native_TrapExit(Vm& vm, Args args) {
  if (is_falsy(args[0])) {
    vm.process->marks &= static_cast<u16>(~kTrapExit);
  } else {
    vm.process->marks |= kTrapExit;
  }
  return keyword(vm, Atom::Ok);
}
Term native_Exit(Vm& vm, Args args) {
  if (args.count == 1) {
    vm.process->pending = args[0];
    vm.process->flags |= kExiting;
    return kRaised;
  }
  if (!pid_argument(vm, args, 0)) return kRaised;
  Process* to = process_of(vm, args[0]);
  if (to == nullptr) return keyword(vm, Atom::Ok);
  const bool own = to == vm.process;
  if (own && args[1] == keyword(vm, Atom::Normal) && (to->marks & kTrapExit) == 0) {
    to->pending = args[1];
    to->flags |= kExiting;
    return kRaised;
  }
  signal_exit(vm, *to, vm.process->pid, args[1], false);
  return own && (to->flags & kExiting) != 0 ? kRaised : keyword(vm, Atom::Ok);
}
Term native_Register(Vm& vm, Args args) {
  if (!is_symbol(vm, args[0])) return raise_type(vm, args, Atom::Symbol);
  if (args.count == 2 && !pid_argument(vm, args, 1)) return kRaised;
  Process* process = args.count == 2 ? process_of(vm, args[1]) : vm.process;
  const Term name = plain_symbol(vm, args[0]);
  if (process == nullptr || !register_name(vm, *process, name)) return raise_args(vm, Atom::Badarg, args);
  return names_add(vm, *process, name) ? keyword(vm, Atom::Ok) : raise_oom(vm, 8);
}
Term native_Unregister(Vm& vm, Args args) {
  if (!is_symbol(vm, args[0])) return raise_type(vm, args, Atom::Symbol);
  const Term name = plain_symbol(vm, args[0]);
  const Term pid = table_get(vm, vm.root->names, name);
  if (pid == kNone) return keyword(vm, Atom::Ok);
  table_put(vm, vm.root->names, name, kNone);
  Process* process = process_of(vm, pid);
  if (process != nullptr) names_remove(vm, *process, name);
  return keyword(vm, Atom::Ok);
}
Term native_Whereis(Vm& vm, Args args) {
  if (!is_symbol(vm, args[0])) return raise_type(vm, args, Atom::Symbol);
  const Term pid = table_get(vm, vm.root->names, plain_symbol(vm, args[0]));
  return pid == kNone || process_of(vm, pid) == nullptr ? kNil : pid;
}
Term native_ProcessInfo(Vm& vm, Args args) {
  if (args.count == 1 && !pid_argument(vm, args, 0)) return kRaised;
  const Process* process = args.count == 1 ? process_of(vm, args[0]) : vm.process;
  if (process == nullptr) return kNil;
  Term links = kEmptySet;
  Term monitors = kEmptySet;
  for (u64 at = process->relations_first; at != 0; at = vm.at<Relation>(at)->next) {
    const Relation& relation = *vm.at<Relation>(at);
    if (relation.kind == Relation::Kind::Link) links = map_put(vm, links, relation.other, kNil);
    if (relation.kind == Relation::Kind::Monitoring) monitors = map_put(vm, monitors, relation.ref, kNil);
  }
  const Atom status = process->status == Status::Running    ? Atom::Running
                      : process->status == Status::Runnable ? Atom::Runnable
                      : process->status == Status::Waiting  ? Atom::Waiting
                      : process->status == Status::Parked   ? Atom::Waiting
                                                            : Atom::Suspended;
  const RareRecord record = process->rare == 0 ? RareRecord{} : *vm.at<RareRecord>(process->rare);
  u64 message_bytes = 0;
  for (u64 at = process->mailbox_first; at != 0; at = vm.at<Message>(at)->next) {
    message_bytes += sizeof(Message);
    const u64 fragment = vm.at<Message>(at)->fragments;
    if (fragment != 0) message_bytes += vm.at<Fragment>(fragment)->bytes;
  }
  u64 binary_bytes = 0;
  for (u64 at = process->shared_first; at != 0; at = vm.at<SharedObject>(at)->next) {
    binary_bytes += vm.at<SharedObject>(at)->count;
  }
  Term names = kEmptyList;
  for (u64 at = process->names; at != 0; at = vm.at<NameHeld>(at)->next) {
    names = make_pair(vm, vm.at<NameHeld>(at)->name, names);
  }
  const u64 block_bytes = process->heap_end - process->heap_low;
  const i64 used = static_cast<i64>(vm.root->slice) - process->fuel - process->fuel_held;
  const u64 slice = process == vm.process && used > 0 ? static_cast<u64>(used) : 0;
  const auto bytes = [&](u64 count) { return number::make_unsigned(vm, count); };
  return make_info(vm, {{Atom::Status, keyword(vm, status)},
                        {Atom::HeapSize, bytes(block_bytes)},
                        {Atom::HeapUsed, bytes(process->hp - process->heap_low)},
                        {Atom::OldHeapSize, bytes(record.old_end - record.old_low)},
                        {Atom::OldHeapUsed, bytes(record.old_top - record.old_low)},
                        {Atom::StackSize, bytes(process->heap_end - process->frame + 8)},
                        {Atom::MinorGcCount, bytes(record.minor_count)},
                        {Atom::MajorGcCount, bytes(process->gc_count)},
                        {Atom::TotalReclaimed, bytes(process->reclaimed_words * 8)},
                        {Atom::MailboxLen, bytes(process->mailbox_count)},
                        {Atom::MessageBytes, bytes(message_bytes)},
                        {Atom::BinaryBytes, bytes(binary_bytes)},
                        {Atom::Memory, bytes(process_bytes(vm, *process))},
                        {Atom::Name, is_pair(names) ? head(vm, names) : kNil},
                        {Atom::Priority, small(process->priority)},
                        {Atom::Links, links},
                        {Atom::Monitors, monitors},
                        {Atom::Reductions, bytes(process->reductions + slice)},
                        {Atom::TrapExit, boolean((process->marks & kTrapExit) != 0)}});
}
/// The process may use the memory that is kept back: a supervisor, which must be able to restart what ran out of it.
Term native_UseReserve(Vm& vm, Args) {
  vm.process->marks |= kUsesReserve;
  return keyword(vm, Atom::Ok);
}
Term native_YieldNow(Vm& vm, Args) {
  Process& process = *vm.process;
  process.flags |= kYield;
  if (process.fuel > 0) {
    process.fuel_held += process.fuel;
    process.fuel = 0;
  }
  return keyword(vm, Atom::Ok);
}
Term native_MonotonicTime(Vm& vm, Args) { return number::make_unsigned(vm, vm.root->now_ns); }
/// [realm-id number] of a pid, or nil.
Term native_PidParts(Vm& vm, Args args) {
  if (tag_of(args[0]) != Tag::Pid) return kNil;
  const Term realm = make_object(vm, Type::RealmId, 1);
  if (realm == kRaised) return realm;
  vm.object(realm)[1] = small(0);
  return make_tuple(vm, {realm, small(static_cast<i64>(u64{generation_of(args[0])} << 30 | slot_of(args[0])))});
}

}  // namespace lonala
