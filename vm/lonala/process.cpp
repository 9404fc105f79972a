#include "vm/lonala/process.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "vm/lonala/collections/map.h"
#include "vm/lonala/copy.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/interpreter.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"
#include "vm/lonala/printer.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kFirstBlockBytes = 256;
constexpr u32 kPassedOverMax = 64;  // slices in a row that may pass over a waiting lower priority

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

// ── Run queues ───────────────────────────────────────────────────────────────────────────────────────────────

Process* dequeue_at(Vm& vm, u32 priority) {
  Root& root = *vm.root;
  RunQueue& queue = root.ready[priority];
  Process* process = vm.at<Process>(queue.first);
  queue.first = process->queue_next;
  if (queue.first == 0) {
    queue.last = 0;
    root.ready_bits[priority / 64] &= ~(u64{1} << priority % 64);
  }
  root.ready_count -= 1;
  return process;
}

i32 highest_below(const Root& root, i32 limit) {
  for (i32 priority = limit - 1; priority >= 0; --priority) {
    if ((root.ready_bits[priority / 64] >> (priority % 64) & 1) != 0) return priority;
  }
  return -1;
}

Process* dequeue(Vm& vm) {
  Root& root = *vm.root;
  i32 best = -1;
  for (i32 word = kPrioritiesMax / 64 - 1; word >= 0 && best < 0; --word) {
    if (root.ready_bits[word] != 0) best = word * 64 + 63 - std::countl_zero(root.ready_bits[word]);
  }
  if (best < 0) return nullptr;
  const i32 lower = highest_below(root, best);
  if (lower < 0) {
    root.slices_passing_over = 0;
    return dequeue_at(vm, static_cast<u32>(best));
  }
  root.slices_passing_over += 1;
  if (root.slices_passing_over <= kPassedOverMax) return dequeue_at(vm, static_cast<u32>(best));
  root.slices_passing_over = 0;
  return dequeue_at(vm, static_cast<u32>(lower));
}

// ── Timers: a binary heap by (deadline, number) ──────────────────────────────────────────────────────────────

Timer& timer_at(const Vm& vm, u64 index) { return *vm.at<Timer>(vm.words(vm.root->timers)[index]); }

bool earlier(const Timer& a, const Timer& b) {
  return a.deadline_ns != b.deadline_ns ? a.deadline_ns < b.deadline_ns : a.number < b.number;
}

void timer_swap(Vm& vm, u64 i, u64 j) {
  u64* heap = vm.words(vm.root->timers);
  std::swap(heap[i], heap[j]);
  timer_at(vm, i).heap_index = i;
  timer_at(vm, j).heap_index = j;
}

void timer_sift(Vm& vm, u64 i) {
  while (i > 0 && earlier(timer_at(vm, i), timer_at(vm, (i - 1) / 2))) {
    timer_swap(vm, i, (i - 1) / 2);
    i = (i - 1) / 2;
  }
  for (;;) {
    u64 least = i;
    for (u64 child = 2 * i + 1; child <= 2 * i + 2 && child < vm.root->timer_count; ++child) {
      if (earlier(timer_at(vm, child), timer_at(vm, least))) least = child;
    }
    if (least == i) return;
    timer_swap(vm, i, least);
    i = least;
  }
}

/// Offset of the new timer, or 0.
u64 timer_add(Vm& vm, u64 deadline_ns, Term pid, Term message, u64 fragments) {
  Root& root = *vm.root;
  if (root.timer_count == root.timer_capacity) {
    const u64 capacity = root.timer_capacity == 0 ? 64 : root.timer_capacity * 2;
    const u64 heap = block_acquire(vm, capacity * 8, PageUse::Table);
    if (heap == 0) return 0;
    if (root.timers != 0) {
      memcpy(vm.words(heap), vm.words(root.timers), root.timer_count * 8);
      block_release(vm, root.timers, root.timer_capacity * 8, PageUse::Table);
    }
    root.timers = heap;
    root.timer_capacity = capacity;
  }
  const u64 offset = block_acquire(vm, sizeof(Timer), PageUse::Table);
  if (offset == 0) return 0;
  root.timers_made += 1;
  *vm.at<Timer>(offset) = {deadline_ns, root.timers_made, pid, message, fragments, root.timer_count, 0, 0};
  vm.words(root.timers)[root.timer_count] = offset;
  root.timer_count += 1;
  timer_sift(vm, root.timer_count - 1);
  return offset;
}

void timer_remove(Vm& vm, u64 offset) {
  Root& root = *vm.root;
  const u64 index = vm.at<Timer>(offset)->heap_index;
  root.timer_count -= 1;
  if (index != root.timer_count) {
    timer_swap(vm, index, root.timer_count);
    timer_sift(vm, index);
  }
  block_release(vm, offset, sizeof(Timer), PageUse::Table);
}

// ── Links and monitors ───────────────────────────────────────────────────────────────────────────────────────

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

void message_free(Vm& vm, u64 offset) {
  fragments_release(vm, vm.at<Message>(offset)->fragments);
  block_release(vm, offset, sizeof(Message), PageUse::Table);
}

/// An exit signal with a reason arrives.
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
    if (fragments != 0) {
      vm.at<Fragment>(fragments)->next = to.fragments;
      to.fragments = fragments;
    }
    to.pending = copy == kNone ? keyword(vm, Atom::Kill) : copy;
    to.flags |= kExiting | kSignalled;
    process_wake(vm, to);
    return;
  }
  process_end(vm, to, final_reason);
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

Term process_spawn(Vm& vm, Term function, u8 priority) {
  u32 slot = 0;
  u32 generation = 0;
  const u64 offset = block_acquire(vm, sizeof(Process), PageUse::Heap);
  if (offset == 0 || !take_slot(vm, slot, generation)) return raise_oom(vm, 32);
  Process& process = *vm.at<Process>(offset);
  memset(static_cast<void*>(&process), 0, sizeof(Process));
  process.pid = local_pid(slot, generation);
  process.priority = priority;
  process.pending = kNil;
  process.bindings = kNil;
  process.names = kEmptyList;
  u64 block = 0;
  u64 used = 0;
  u64 bytes = kFirstBlockBytes;
  const Term start = make_tuple(vm, {function, vm.process == nullptr ? kNil : vm.process->bindings});
  const Term copy = copy_term(vm, start, [&](u64 words) -> u64 {
    bytes = heap_block_bytes(std::max<u64>(kFirstBlockBytes, words * 8 + 96));
    block = block_acquire(vm, bytes, PageUse::Heap);
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
  process.heap_low = block;
  process.heap_end = block + bytes;
  process.hp = block + used;
  process.bindings = tuple_at(vm, copy, 1);
  process_start(vm, process, tuple_at(vm, copy, 0));
  vm.root->process_count += 1;
  enqueue(vm, process);
  return process.pid;
}

void enqueue(Vm& vm, Process& process) {
  Root& root = *vm.root;
  const u64 offset = vm.offset(&process);
  RunQueue& queue = root.ready[process.priority];
  process.status = Status::Runnable;
  process.queue_next = 0;
  if (queue.last != 0) {
    vm.at<Process>(queue.last)->queue_next = offset;
  } else {
    queue.first = offset;
  }
  queue.last = offset;
  root.ready_bits[process.priority / 64] |= u64{1} << process.priority % 64;
  root.ready_count += 1;
}

void run_queue_clear(Vm& vm) {
  while (dequeue(vm) != nullptr) {
  }
}

void process_wake(Vm& vm, Process& process) {
  if (process.status == Status::Waiting) enqueue(vm, process);
}

// ── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────

bool message_send(Vm& vm, Process& to, Term term) {
  u64 fragments = 0;
  const Term copy = copy_to_fragment(vm, term, fragments);
  const u64 offset = block_acquire(vm, sizeof(Message), PageUse::Table);
  if (copy == kNone || offset == 0) {
    if (fragments != 0) fragments_release(vm, fragments);
    return false;
  }
  *vm.at<Message>(offset) = {0, copy, fragments, 0, 0, 0};
  if (to.mailbox_last != 0) {
    vm.at<Message>(to.mailbox_last)->next = offset;
  } else {
    to.mailbox_first = offset;
  }
  to.mailbox_last = offset;
  to.mailbox_count += 1;
  process_wake(vm, to);
  return true;
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
  Message& message = *vm.at<Message>(taken);
  if (before == 0) {
    process.mailbox_first = message.next;
  } else {
    vm.at<Message>(before)->next = message.next;
  }
  if (process.mailbox_last == taken) process.mailbox_last = before;
  process.mailbox_count -= 1;
  process.mailbox_save = 0;
  if (message.fragments != 0) {  // what was bound lies in it: it belongs to the heap from now on
    Fragment& fragment = *vm.at<Fragment>(message.fragments);
    process.fragment_words += (fragment.hp - message.fragments) / 8;
    const u64 own = process.fragments;
    if (own != 0) {  // behind the first one, which may still have room
      fragment.next = vm.at<Fragment>(own)->next;
      vm.at<Fragment>(own)->next = message.fragments;
    } else {
      process.fragments = message.fragments;
    }
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

// ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────

void process_end(Vm& vm, Process& process, Term reason) {
  ASSERT(process.status != Status::Exiting);
  if (process.status == Status::Runnable && &process != vm.process) {  // out of its run queue
    RunQueue& queue = vm.root->ready[process.priority];
    u64 before = 0;
    for (u64 at = queue.first; at != vm.offset(&process); at = vm.at<Process>(at)->queue_next) before = at;
    if (before == 0) {
      queue.first = process.queue_next;
    } else {
      vm.at<Process>(before)->queue_next = process.queue_next;
    }
    if (queue.last == vm.offset(&process)) queue.last = before;
    if (queue.first == 0) vm.root->ready_bits[process.priority / 64] &= ~(u64{1} << process.priority % 64);
    vm.root->ready_count -= 1;
  }
  process.status = Status::Exiting;
  // The reason may lie in the heap of this process or of the sender: it stays valid until the end of this function.
  for (Term names = process.names; is_pair(names); names = tail(vm, names)) {
    table_put(vm, vm.root->names, head(vm, names), kNone);
  }
  if (process.deadline != 0) timer_remove(vm, process.deadline);
  while (process.relations_first != 0) {
    const Relation relation = *vm.at<Relation>(process.relations_first);
    relation_remove(vm, process, process.relations_first);
    Process* other = process_of(vm, relation.other);
    if (other == nullptr || other->status == Status::Exiting) continue;
    switch (relation.kind) {
      case Relation::Kind::Link: {
        const u64 back = relation_find(vm, *other, Relation::Kind::Link, process.pid, kNone);
        if (back != 0) relation_remove(vm, *other, back);
        signal_exit(vm, *other, process.pid, reason, true);
        break;
      }
      case Relation::Kind::MonitoredBy: {
        const u64 back = relation_find(vm, *other, Relation::Kind::Monitoring, process.pid, relation.ref);
        if (back != 0) relation_remove(vm, *other, back);
        Process* running = vm.process;
        vm.process = &process;
        message_send(vm, *other, make_tuple(vm, {keyword(vm, Atom::Down), relation.ref, process.pid, reason}));
        vm.process = running;
        break;
      }
      case Relation::Kind::Monitoring: {
        const u64 back = relation_find(vm, *other, Relation::Kind::MonitoredBy, process.pid, relation.ref);
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
  fragments_release(vm, process.fragments);
  block_release(vm, process.heap_low - process.block_prefix, process.heap_end - process.heap_low + process.block_prefix,
                process.block_prefix != 0 ? PageUse::Fragment : PageUse::Heap);
  if (process.extra_low != 0) {
    block_release(vm, process.extra_low, process.extra_end - process.extra_low, PageUse::Heap);
  }
  const u32 slot = slot_of(process.pid);
  vm.words(vm.root->processes)[slot] = free_word(vm.root->process_free, generation_of(process.pid));
  vm.root->process_free = slot + 1;
  vm.root->process_count -= 1;
  block_release(vm, vm.offset(&process), sizeof(Process), PageUse::Heap);
}

// ── Running ──────────────────────────────────────────────────────────────────────────────────────────────────

u64 next_timer_ns(const Vm& vm) { return vm.root->timer_count == 0 ? ~u64{0} : timer_at(vm, 0).deadline_ns; }

void advance_clock(Vm& vm, u64 now_ns) {
  vm.root->now_ns = std::max(vm.root->now_ns, now_ns);
  while (vm.root->timer_count != 0 && timer_at(vm, 0).deadline_ns <= vm.root->now_ns) {
    const u64 offset = vm.words(vm.root->timers)[0];
    const Timer timer = *vm.at<Timer>(offset);
    timer_remove(vm, offset);
    Process* process = process_of(vm, timer.pid);
    if (timer.message == kNone) {
      if (process == nullptr || process->deadline != offset) continue;
      process->deadline = 0;
      process->flags |= kDeadlineOver;
      process_wake(vm, *process);
    } else {
      if (process != nullptr) message_send(vm, *process, timer.message);
      if (timer.fragments != 0) fragments_release(vm, timer.fragments);
    }
  }
}

Pause run(Vm& vm, u64 reductions) {
  Root& root = *vm.root;
  u64 used = 0;
  for (;;) {
    advance_clock(vm, root.now_ns);
    if (used >= reductions) return Pause::Budget;
    Process* process = dequeue(vm);
    if (process == nullptr) return Pause::Idle;
    vm.process = process;
    process->status = Status::Running;
    process->fuel = static_cast<i64>(kSliceReductions);
    process->fuel_held = 0;
    Stop stop = Stop::Ended;
    if ((process->flags & kSignalled) == 0) stop = interpret(vm);
    process->flags &= static_cast<u8>(~kSignalled);
    const i64 left = process->fuel + process->fuel_held;
    const u64 spent =
        left >= static_cast<i64>(kSliceReductions) ? 1 : static_cast<u64>(static_cast<i64>(kSliceReductions) - left);
    used += spent;
    process->reductions += spent;
    root.now_ns += spent * root.reduction_ns;
    const bool session = process->pid == root.session;
    switch (stop) {
      case Stop::Slice: enqueue(vm, *process); break;
      case Stop::Waiting: process->status = Status::Waiting; break;
      case Stop::Done:
        if (session) {
          process->status = Status::Suspended;
          return Pause::SessionDone;
        }
        process_end(vm, *process, keyword(vm, Atom::Normal));
        break;
      case Stop::Ended:
        process_stop_waiting(vm, *process);
        if (session) {
          process->status = Status::Suspended;
          process->marks |= kFormFailed;
          return Pause::SessionDone;
        }
        crash_report(vm, *process);
        process_end(vm, *process, process->pending);
        break;
    }
    vm.process = nullptr;
  }
}

void crash_report(Vm& vm, Process& process) {
  const Term reason = process.pending;
  if (reason == keyword(vm, Atom::Normal) || reason == keyword(vm, Atom::Shutdown)) return;
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

// ── Natives ──────────────────────────────────────────────────────────────────────────────────────────────────

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

/// The list of a process's names lives in literals: it is written by others than its owner.
bool names_add(Vm& vm, Process& process, Term name) {
  const u64 pair = literal_acquire(vm, 16);
  if (pair == 0) return false;
  vm.words(pair)[0] = name;
  vm.words(pair)[1] = process.names;
  process.names = refer(pair, Tag::Pair);
  return true;
}

}  // namespace

/// (spawn* f how options): how is nil, :link or :monitor.
Term native_Spawn(Vm& vm, Args args) {
  const bool callable =
      is_boxed(vm, args[0], Type::Function) || is_immediate(args[0], Immediate::Native) || is_var(args[0]);
  if (!callable) return raise_type(vm, args, Atom::Fn);
  u8 priority = kPriorityDefault;
  Term name = kNil;
  if (args[2] != kNil) {
    if (!is_map(vm, args[2])) return raise_type(vm, args, Atom::Map);
    bool known = true;
    map_each(vm, args[2], [&](Term key, Term value) {
      if (key == keyword(vm, Atom::Priority)) {
        known = known && is_small(value) && small_value(value) >= 0 && small_value(value) < kPrioritiesMax;
        if (known) priority = static_cast<u8>(small_value(value));
      } else if (key == keyword(vm, Atom::Name)) {
        known = known && is_symbol(vm, value);
        if (known) name = plain_symbol(vm, value);
      } else {
        const bool sizes = key == keyword(vm, Atom::MinHeapSize) || key == keyword(vm, Atom::MaxHeapSize) ||
                           key == keyword(vm, Atom::FullsweepAfter);
        known = known && sizes && (value == kNil || number::is_integer_like(vm, value));
      }
    });
    if (!known) return raise_args(vm, Atom::Badarg, args);
  }
  if (name != kNil) {
    const Term taken = table_get(vm, vm.root->names, name);
    if (taken != kNone && process_of(vm, taken) != nullptr) return raise_args(vm, Atom::Badarg, args);
  }
  const Term pid = process_spawn(vm, args[0], priority);
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
Term native_Send(Vm& vm, Args args) {
  if (!pid_argument(vm, args, 0)) return kRaised;
  Process* to = process_of(vm, args[0]);
  if (to != nullptr && !message_send(vm, *to, args[1])) return raise_oom(vm, 16);
  return keyword(vm, Atom::Ok);
}
/// (send-reply* pid ref m): sent only while the receiver still waits, that is, monitors by that ref.
Term native_SendReply(Vm& vm, Args args) {
  if (!pid_argument(vm, args, 0)) return kRaised;
  Process* to = process_of(vm, args[0]);
  const bool waits = to != nullptr && relation_find(vm, *to, Relation::Kind::Monitoring, kNone, args[1]) != 0;
  if (waits && !message_send(vm, *to, args[2])) return raise_oom(vm, 16);
  return keyword(vm, Atom::Ok);
}
Term native_SendAfter(Vm& vm, Args args) {
  if (!pid_argument(vm, args, 0) || !number::is_integer_like(vm, args[1])) return raise_args(vm, Atom::Badarg, args);
  const number::Integer ms(vm, args[1]);
  if (ms.negative || ms.count > 1 || ms.low() > ~u64{0} / 1'000'000 - vm.root->now_ns)
    return raise_args(vm, Atom::Badarg, args);
  u64 fragments = 0;
  const Term copy = copy_to_fragment(vm, args[2], fragments);
  const u64 timer = copy == kNone ? 0 : timer_add(vm, vm.root->now_ns + ms.low() * 1'000'000, args[0], copy, fragments);
  if (timer == 0) return raise_oom(vm, 16);
  return immediate(Immediate::Timer, vm.root->timers_made);
}
Term native_CancelTimer(Vm& vm, Args args) {
  if (!is_immediate(args[0], Immediate::Timer)) return raise_type(vm, args, Atom::Timer);
  for (u64 i = 0; i < vm.root->timer_count; ++i) {
    const Timer timer = timer_at(vm, i);
    if (timer.number != payload_of(args[0]) || timer.message == kNone) continue;
    timer_remove(vm, vm.words(vm.root->timers)[i]);
    fragments_release(vm, timer.fragments);
    return small(static_cast<i64>((timer.deadline_ns - vm.root->now_ns) / 1'000'000));
  }
  return kNil;
}
Term native_LinkTo(Vm& vm, Args args) {
  if (!pid_argument(vm, args, 0)) return kRaised;
  Process& own = *vm.process;
  const Term ok = keyword(vm, Atom::Ok);
  if (args[0] == own.pid || relation_find(vm, own, Relation::Kind::Link, args[0], kNone) != 0) return ok;
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
  const u64 link = relation_find(vm, *vm.process, Relation::Kind::Link, args[0], kNone);
  if (link != 0) relation_remove(vm, *vm.process, link);
  Process* other = process_of(vm, args[0]);
  const u64 back = other == nullptr ? 0 : relation_find(vm, *other, Relation::Kind::Link, vm.process->pid, kNone);
  if (back != 0) relation_remove(vm, *other, back);
  return keyword(vm, Atom::Ok);
}
Term native_MonitorOf(Vm& vm, Args args) {
  if (!pid_argument(vm, args, 0)) return kRaised;
  const Term ref = native_MakeRef(vm, Args{});
  Process* other = process_of(vm, args[0]);
  if (other == nullptr) {
    const Term down = make_tuple(vm, {keyword(vm, Atom::Down), ref, args[0], keyword(vm, Atom::Noproc)});
    return message_send(vm, *vm.process, down) ? ref : raise_oom(vm, 8);
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
  const u64 held = relation_find(vm, own, Relation::Kind::Monitoring, kNone, args[0]);
  if (held != 0) {
    Process* other = process_of(vm, vm.at<Relation>(held)->other);
    relation_remove(vm, own, held);
    const u64 back = other == nullptr ? 0 : relation_find(vm, *other, Relation::Kind::MonitoredBy, own.pid, args[0]);
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
        if (before == 0) {
          own.mailbox_first = message.next;
        } else {
          vm.at<Message>(before)->next = message.next;
        }
        if (own.mailbox_last == at) own.mailbox_last = before;
        own.mailbox_count -= 1;
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
                                                            : Atom::Suspended;
  const u64 stack = process->heap_end - process->frame + 8;
  return make_info(vm, {{Atom::Status, keyword(vm, status)},
                        {Atom::HeapSize, small(static_cast<i64>(process->heap_end - process->heap_low))},
                        {Atom::HeapUsed, small(static_cast<i64>(process->hp - process->heap_low))},
                        {Atom::StackSize, small(static_cast<i64>(stack))},
                        {Atom::MajorGcCount, small(process->gc_count)},
                        {Atom::MailboxLen, small(static_cast<i64>(process->mailbox_count))},
                        {Atom::Priority, small(process->priority)},
                        {Atom::Links, links},
                        {Atom::Monitors, monitors},
                        {Atom::Reductions, small(static_cast<i64>(process->reductions))},
                        {Atom::TrapExit, boolean((process->marks & kTrapExit) != 0)}});
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
