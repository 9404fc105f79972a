// kernel-model/sched_steal.cpp — work moves between cores only in two ways: a core about to idle takes every second
// thread it may take from the first of the others, most loaded first, that has any; and a thread that has to queue
// while a core of its range idles makes that core look.
#include "base/planted.h"
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel::sched {
namespace {

bool in_range(const SchedContext& sc, u32 core) {
  return core >= sc.first_core && core < u32{sc.first_core} + sc.core_count;
}

bool is_movable(const SchedContext& sc) { return (sc.config_flags & kSchedPinned) == 0 && !sc.yield_from; }

// Visits the queued threads of a core in pick order, at most kStealScanMax; `visit` may take the thread away.
template <class F>
void scan(Kernel& kernel, const CoreState& core, F&& visit) {
  u32 seen = 0;
  for (i32 word = 3; word >= 0; --word) {
    u64 bits = core.level_map[word];
    while (bits != 0) {
      const u32 bit = 63u - static_cast<u32>(std::countl_zero(bits));
      bits &= ~(u64{1} << bit);
      for (Ref<Tcb> at = core.levels[word * 64 + bit].head; at;) {
        if (seen++ == kStealScanMax) return;
        const Ref<Tcb> next = kernel.at(at).queue_next;
        if (!visit(at)) return;
        at = next;
      }
    }
  }
}

void migrate(Kernel& kernel, Ref<Tcb> thread, u32 to) {
  Tcb& tcb = kernel.at(thread);
  dequeue(kernel, thread);
  kernel.emit(base::EventKind::SchedMigrate, tcb.sc.offset, tcb.core, to, 0, 0, tcb.thread_id);
  tcb.core = static_cast<u8>(to);
  kernel.at(tcb.sc).home = static_cast<u8>(to);
  enqueue(kernel, thread, End::Tail);
}

u32 steal_from(Kernel& kernel, u32 victim, u32 thief) {
  u32 candidates = 0;
  u32 moved = 0;
  scan(kernel, kernel.core(victim), [&](Ref<Tcb> thread) {
    const SchedContext& sc = kernel.at(kernel.at(thread).sc);
    if (!in_range(sc, thief) || !is_movable(sc)) return true;
    if (candidates++ % 2 == (PLANTED("pull.half-of-one") ? 1 : 0)) {
      migrate(kernel, thread, thief);
      ++moved;
    }
    return moved < kStealMax;
  });
  return moved;
}

}  // namespace

bool steal(Kernel& kernel) {
  if (kernel.header().stealing == 0) return false;
  const u32 thief = kernel.current_core();
  const u32 cores = kernel.core_count();
  // Victims by queued count, most first; ties: next index after the thief, cyclically.
  u8 order[kCoresMax];
  u32 count = 0;
  for (u32 step = 1; step < cores; ++step) {
    const u32 core = (thief + step) % cores;
    const u32 queued = kernel.core(core).queued_count;
    if (queued == 0) continue;
    u32 place = count++;
    for (; place > 0 && kernel.core(order[place - 1]).queued_count < queued; --place) order[place] = order[place - 1];
    order[place] = static_cast<u8>(core);
  }
  if (count == 0) return false;
  const u32 first = kernel.entry().choices(Choice::Pull, count);
  ASSERT(first < count);
  for (u32 i = 0; i < count; ++i) {
    const u32 victim = order[(first + i) % count];
    const u32 queued = kernel.core(victim).queued_count;
    const u32 moved = steal_from(kernel, victim, thief);
    if (moved == 0) continue;
    SOMETIMES_IN(kernel, "sched.pulled-last", queued == 1);
    kernel.charge(kernel.costs().steal * moved);
    kernel.core(thief).steals += moved;
    kernel.emit(base::EventKind::SchedPull, 0, victim, thief, moved);
    return true;
  }
  return false;
}

void offer_work(Kernel& kernel) {
  u32 idle = kernel.header().idle_count;
  for (u32 i = 0; i < kernel.core_count() && idle > 0; ++i) {
    if (kernel.core(i).queued_count == 0) continue;
    scan(kernel, kernel.core(i), [&](Ref<Tcb> thread) {
      const SchedContext& sc = kernel.at(kernel.at(thread).sc);
      if (!is_movable(sc)) return true;
      for (u32 core = sc.first_core; core < u32{sc.first_core} + sc.core_count; ++core) {
        if (core == i || kernel.core(core).idle == 0 || kernel.entry().poke.test(core)) continue;
        poke(kernel, core);
        --idle;
        break;
      }
      return idle > 0;
    });
  }
}

}  // namespace kernel::sched
