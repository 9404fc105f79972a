#include "vm/lonala/process.h"

#include <algorithm>
#include <cstring>

#include "base/planted.h"
#include "vm/lonala/copy.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/files.h"
#include "vm/lonala/interpreter.h"
#include "vm/lonala/mailbox.h"
#include "vm/lonala/printer.h"
#include "vm/lonala/relations.h"
#include "vm/lonala/scheduler.h"
#include "vm/lonala/timers.h"
#include "vm/lonala/transactions.h"
#include "vm/lonala/tracing.h"
#include "vm/lonala/work.h"

#include "base/enforce.h"

namespace lonala {
namespace {

// ── Process table ────────────────────────────────────────────────────────────────────────────────────────────

bool grow_table(Vm& vm) {
  Root& root = *vm.root;
  const u64 capacity = root.process_capacity == 0 ? 512 : root.process_capacity * 2;
  const u64 table = block_acquire(vm, capacity * 8, PageUse::Table);
  if (table == 0) return false;
  memset(vm.words(table), 0, capacity * 8);
  if (root.processes != 0) {
    memcpy(vm.words(table), vm.words(root.processes), root.process_capacity * 8);
    block_release(vm, root.processes, root.process_capacity * 8, PageUse::Table);
  }
  root.processes = table;
  root.process_capacity = capacity;
  return true;
}

// A table word is the offset of a process, or for a free slot: next free slot + 1, shifted over 32 bits of its last generation, and a
// low 1. Freed slots are taken again in the order of a stack, lowest untouched slot otherwise.
constexpr u64 free_word(u64 next, u32 generation) { return next << 33 | u64{generation} << 1 | 1; }

bool take_slot(Vm& vm, u32& slot, u32& generation) {
  Root& root = *vm.root;
  if (root.process_free != 0) {
    slot = static_cast<u32>(root.process_free - 1);
    const u64 word = vm.words(root.processes)[slot];
    root.process_free = word >> 33;
    generation = static_cast<u32>(word >> 1) + 1;
    return true;
  }
  if (root.process_high == root.process_capacity && !grow_table(vm)) return false;
  slot = static_cast<u32>(root.process_high);
  root.process_high += 1;
  generation = 0;
  return true;
}

}  // namespace

bool processes_create(Vm& vm) { return grow_table(vm); }

Process* process_of(const Vm& vm, Term pid) {
  if (tag_of(pid) != Tag::Pid || slot_of(pid) >= vm.root->process_high) return nullptr;
  const u64 word = vm.words(vm.root->processes)[slot_of(pid)];
  if ((word & 1) != 0 || word == 0) return nullptr;
  Process* process = vm.at<Process>(word);
  return process->pid == pid ? process : nullptr;
}

Term process_spawn(Vm& vm, Term function, const SpawnOptions& options) {
  u32 slot = 0;
  u32 generation = 0;
  const u64 offset = block_acquire(vm, sizeof(Process), PageUse::Heap);
  if (offset == 0 || !take_slot(vm, slot, generation)) return raise_oom(vm, 32);
  Process& process = *vm.at<Process>(offset);
  memset(static_cast<void*>(&process), 0, sizeof(Process));
  process.pid = local_pid(slot, generation);
  process.priority = options.priority;
  process.pending = kNil;
  process.bindings = kNil;
  process.swept_epoch = vm.root->value_epoch;
  u64 block = 0;
  u64 used = 0;
  u64 bytes = 0;
  const Term start = make_tuple(vm, {function, vm.process == nullptr ? kNil : vm.process->bindings});
  const Term copy = copy_term(vm, start, Bytebufs::Copied, process.shared_first, [&](u64 words) -> u64 {
    bytes = heap_block_bytes(std::max<u64>(options.min_heap_bytes, words * 8 + 96));
    block = heap_acquire(vm, bytes, PageUse::Heap);
    used = words * 8;
    return block;
  });
  vm.words(vm.root->processes)[slot] = offset;
  if (copy == kNone || block == 0) {
    vm.words(vm.root->processes)[slot] = free_word(vm.root->process_free, generation);
    vm.root->process_free = slot + 1;
    block_release(vm, offset, sizeof(Process), PageUse::Heap);
    return raise_oom(vm, 64);
  }
  if (options.max_heap_bytes != 0 || options.fullsweep_after != kFullsweepAfter) {
    RareRecord* record = rare_record(vm, process);
    if (record != nullptr) {  // a limit that cannot be noted is the realm's
      record->max_heap_bytes = options.max_heap_bytes;
      record->fullsweep_after = options.fullsweep_after;
    }
  }
  process.heap_low = block;
  process.heap_end = block + bytes;
  process.hp = block + used;
  charge(vm, used / 8 / kWordsPerReduction);
  process.bindings = tuple_at(vm, copy, 1);
  process_start(vm, process, tuple_at(vm, copy, 0));
  vm.root->process_count += 1;
  trace(vm, kTraceSpawn, process.pid, tuple_at(vm, copy, 0));
  enqueue(vm, process);
  return process.pid;
}

void process_end(Vm& vm, Process& process, Term reason) {
  ASSERT(process.status != Status::Exiting);
  if (process.status == Status::Runnable && &process != vm.process) queue_remove(vm, process);
  process.status = Status::Exiting;
  call_cancel(vm, process);
  work_drop(vm, process);
  trace(vm, kTraceExit, process.pid, reason);
  // The reason may lie in the heap of this process or of the sender: it stays valid until the end of this function.
  vm.root->reserve_open += 1;
  transaction_abandon(vm, process);
  while (process.names != 0) {
    const u64 offset = process.names;
    const NameHeld held = *vm.at<NameHeld>(offset);
    table_put(vm, vm.root->names, held.name, kNone);
    process.names = held.next;
    block_release(vm, offset, sizeof(NameHeld), PageUse::Table);
  }
  if (process.deadline != 0) timer_remove(vm, process.deadline);
  while (process.relations_first != 0) {
    const Relation relation = *vm.at<Relation>(process.relations_first);
    relation_remove(vm, process, process.relations_first);
    Process* other = process_of(vm, relation.other);
    if (other == nullptr || other->status == Status::Exiting) continue;
    switch (relation.kind) {
      case Relation::Kind::Link: {
        const u64 back = relation_find(vm, *other, Relation::Kind::Link, process.pid);
        if (back != 0) relation_remove(vm, *other, back);
        signal_exit(vm, *other, process.pid, reason, true);
        break;
      }
      case Relation::Kind::MonitoredBy: {
        const u64 back = relation_find(vm, *other, Relation::Kind::Monitoring, relation.ref);
        if (back != 0) relation_remove(vm, *other, back);
        Process* running = vm.process;
        vm.process = &process;
        message_send(vm, *other, make_tuple(vm, {keyword(vm, Atom::Down), relation.ref, process.pid, reason}));
        if (PLANTED("lonala.down-overtakes") && other->mailbox_first != other->mailbox_last &&
            other->mailbox_count <= kMessagesInBlockMax) {
          u64 before = other->mailbox_first;
          while (vm.at<Message>(before)->next != other->mailbox_last) before = vm.at<Message>(before)->next;
          vm.at<Message>(before)->next = 0;
          vm.at<Message>(other->mailbox_last)->next = other->mailbox_first;
          other->mailbox_first = other->mailbox_last;
          other->mailbox_last = before;
        }
        vm.process = running;
        break;
      }
      case Relation::Kind::Monitoring: {
        const u64 back = relation_find(vm, *other, Relation::Kind::MonitoredBy, relation.ref);
        if (back != 0) relation_remove(vm, *other, back);
        break;
      }
    }
  }
  for (u64 at = process.mailbox_first; at != 0;) {
    const u64 next = vm.at<Message>(at)->next;
    message_free(vm, at);
    at = next;
  }
  heap_release(vm, process);
  vm.root->reserve_open -= 1;
  const u32 slot = slot_of(process.pid);
  vm.words(vm.root->processes)[slot] = free_word(vm.root->process_free, generation_of(process.pid));
  vm.root->process_free = slot + 1;
  vm.root->process_count -= 1;
  block_release(vm, vm.offset(&process), sizeof(Process), PageUse::Heap);
}

void call_cancel(Vm& vm, Process& process) {
  if ((process.marks & kParked) == 0) return;
  vm.ports->files()->cancel(process.pid);
  process_unpark(vm, process);
}

void process_end_oom(Vm& vm, Process& process) {
  Process* running = vm.process;
  vm.root->reserve_open += 1;
  vm.process = &process;
  raise_oom(vm, 16);
  vm.process = running;
  if (process.pid == vm.root->session) {
    signal_exit(vm, process, process.pid, process.pending, true);
  } else {
    crash_report(vm, process);
    process_end(vm, process, process.pending);
  }
  vm.root->reserve_open -= 1;
}

void crash_report(Vm& vm, Process& process) {
  const Term reason = process.pending;
  if ((process.marks & kQuiet) != 0 || reason == keyword(vm, Atom::Normal) || reason == keyword(vm, Atom::Shutdown))
    return;
  if (is_tuple(reason) && tuple_count(vm, reason) == 2 && tuple_at(vm, reason, 0) == keyword(vm, Atom::Shutdown))
    return;
  if (vm.ports == nullptr) return;
  Text out(vm);
  out.add("crash ");
  print(vm, out, process.pid);
  out.add(' ');
  print(vm, out, reason);
  out.add('\n');
  vm.ports->write(2, base::bytes_of(out.view()));
}

}  // namespace lonala
