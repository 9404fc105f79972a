// kernel-model/sched_shared.cpp — the refills of a shared node: an inner scheduling context that several cores use at
// once. What a core used over [t, t + u) comes back over [t + period, t + period + u), as fast as it was used; so a
// refill (time, amount) of a shared node grows from time − amount on and is whole at `time`. A grant takes its amount
// out of the refills, and a core may begin on a refill that still grows, for it uses no faster than that.
// Invariants  S1: refills + reserved = budget. Every nanosecond of budget is used at most once in any period, because
//             it is in one refill or one grant and comes back a period after the moment it was used.
#include "base/planted.h"
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel::sched {
namespace {

u64 minus(u64 a, u64 b) { return a > b ? a - b : 0; }
u64 larger(u64 a, u64 b) { return a > b ? a : b; }

/// When a refill begins to grow.
u64 begin_of(const Refill& refill) { return minus(refill.time, refill.amount); }

void remove_at(SchedContext& sc, u32 index) {
  for (u32 i = index; i + 1 < sc.refill_count; ++i) refill_at(sc, i) = refill_at(sc, i + 1);
  sc.refill_count -= 1;
}

void insert(SchedContext& sc, Refill refill) {
  ASSERT(sc.refill_count < sc.refill_max);
  u32 place = sc.refill_count;
  sc.refill_count += 1;
  for (; place > 0 && refill_at(sc, place - 1).time > refill.time; --place) {
    refill_at(sc, place) = refill_at(sc, place - 1);
  }
  refill_at(sc, place) = refill;
}

/// Two refills as one that is at no time more than both: it begins with the first of them and grows as one core uses.
Refill join(const Refill& a, const Refill& b) {
  const u64 amount = a.amount + b.amount;
  const u64 first = begin_of(a) < begin_of(b) ? begin_of(a) : begin_of(b);
  return {larger(larger(a.time, b.time), first + amount), amount};
}

/// Makes room for `refill`: the two neighbours whose times are closest, it included, become one.
void insert_joining(SchedContext& sc, Refill refill) {
  u32 place = sc.refill_count;
  while (place > 0 && refill_at(sc, place - 1).time > refill.time) --place;
  const auto seen = [&](u32 i) { return i < place ? refill_at(sc, i) : i == place ? refill : refill_at(sc, i - 1); };
  u32 closest = 0;
  for (u32 i = 1; i < sc.refill_count; ++i) {
    if (seen(i + 1).time - seen(i).time < seen(closest + 1).time - seen(closest).time) closest = i;
  }
  const Refill joined = join(seen(closest), seen(closest + 1));
  if (closest == place || closest + 1 == place) {
    remove_at(sc, closest == place ? place : place - 1);
    insert(sc, joined);
    return;
  }
  const u32 first = closest < place ? closest : closest - 1;
  remove_at(sc, first + 1);
  remove_at(sc, first);
  insert(sc, refill);
  insert(sc, joined);
}

void put_back(SchedContext& sc, Refill refill, u64 now) {
  if (PLANTED("kernel.early-join") && sc.refill_count > 0) {
    Refill& last = refill_at(sc, sc.refill_count - 1u);
    if (refill.time <= last.time + last.amount) {
      last.amount += refill.amount;
      return;
    }
  }
  // Stretches that follow one another are one, and so is all that is there already: nothing comes later by it.
  for (u32 i = 0; i < sc.refill_count;) {
    const Refill& other = refill_at(sc, i);
    const bool both_whole = other.time <= now && refill.time <= now;
    const bool follows = other.time == begin_of(refill) || refill.time == begin_of(other);
    if (both_whole || follows) {
      refill = {larger(other.time, refill.time), other.amount + refill.amount};
      if (PLANTED("budget.refill-twice") && sc.refill_count < sc.refill_max) break;
      remove_at(sc, i);
    } else {
      ++i;
    }
  }
  if (sc.refill_count < sc.refill_max) {
    insert(sc, refill);
  } else {
    insert_joining(sc, refill);
  }
}

void give_back(SchedContext& sc, Refill refill, u64 now) {
  // What was used beyond all refills comes back a period after what should have been there for it.
  const u64 late = sc.owed < refill.amount ? sc.owed : refill.amount;
  if (late > 0) {
    sc.owed -= late;
    refill.amount -= late;
    put_back(sc, {refill.time - refill.amount + sc.period, late}, now);
  }
  if (refill.amount > 0) put_back(sc, refill, now);
}

}  // namespace

u64 shared_ready(const SchedContext& sc, u64 now) {
  u64 sum = 0;
  for (u32 i = 0; i < sc.refill_count; ++i) {
    const Refill& refill = refill_at(sc, i);
    sum += minus(refill.amount, minus(refill.time, now));
  }
  return sum;
}

u64 shared_reach(const SchedContext& sc, u64 now, u64 head_start) {
  u64 reach = head_start;
  for (u32 i = 0; i < sc.refill_count && reach < kSharedGrant; ++i) {
    const Refill& refill = refill_at(sc, i);
    if (begin_of(refill) <= now + reach) reach += refill.amount;
  }
  return reach < kSharedGrant ? reach : kSharedGrant;
}

u64 shared_wait_time(const SchedContext& sc, u64 now) {
  u64 earliest = sc.reserved > 0 || sc.refill_count == 0 ? now + kSharedGrant : ~u64{0};
  u64 sum = 0;
  for (u32 i = 0; i < sc.refill_count; ++i) {
    const Refill& refill = refill_at(sc, i);
    sum += refill.amount;
    const u64 time = refill.amount >= kMinBudget ? begin_of(refill) : sum >= kMinBudget ? refill.time : ~u64{0};
    if (time < earliest) earliest = time;
  }
  ASSERT(earliest > now);
  return earliest;
}

void take_shared(SchedContext& sc, u64 now, u64 amount) {
  u64 taken = 0;
  for (u32 i = 0; taken < amount;) {
    ASSERT(i < sc.refill_count);
    Refill& refill = refill_at(sc, i);
    if (begin_of(refill) > now + taken) {
      ++i;
      continue;
    }
    const u64 part = refill.amount < amount - taken ? refill.amount : amount - taken;
    taken += part;
    refill.amount -= part;
    if (refill.amount == 0) remove_at(sc, i);
  }
}

void charge_shared(SchedContext& sc, const SharedUse& use, u64 now) {
  const u64 from_grant = use.used < use.granted ? use.used : use.granted;
  const u64 unused = use.granted - from_grant;
  if (from_grant > 0) give_back(sc, {use.start + from_grant + sc.period, from_grant}, now);
  if (unused > 0 && !use.keeps_rest) give_back(sc, {use.start + use.granted, unused}, now);
  // An overrun takes what there is or will be; its end is where it came back otherwise.
  u64 end = use.start + from_grant;
  for (u64 over = use.used - from_grant; over > 0;) {
    if (sc.refill_count == 0) {
      sc.owed += over;
      return;
    }
    Refill& first = refill_at(sc, 0);
    const u64 part = over < first.amount ? over : first.amount;
    first.amount -= part;
    const u64 there = minus(first.time, first.amount);
    if (first.amount == 0) remove_at(sc, 0);
    end += part;
    give_back(sc, {larger(end, there) + sc.period, part}, now);
    over -= part;
  }
}

void refill_shared(SchedContext& sc, u64 now, u64 first) {
  ASSERT(first <= sc.budget);
  if (first > 0) insert(sc, {now, first});
  u64 rest = sc.budget - first;
  // In as many parts as cores: together they grow as fast as all cores can use them.
  for (u32 parts = sc.core_count < sc.refill_max - sc.refill_count ? sc.core_count : sc.refill_max - sc.refill_count;
       parts > 0; --parts) {
    const u64 part = rest / parts;
    if (part > 0) insert(sc, {now + sc.period + part, part});
    rest -= part;
  }
  ASSERT(rest == 0);
}

}  // namespace kernel::sched
