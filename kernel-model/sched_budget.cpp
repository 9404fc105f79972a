// kernel-model/sched_budget.cpp — refills, eligibility, grants and commits over the chain of a scheduling context.
// A node that is not Sporadic uses at most its budget in every window of one period, across cores too: a charge comes
// back a period after the moment it was used, never earlier, and what a core may still use is reserved meanwhile.
#include "base/planted.h"
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel::sched {
namespace {

u64 minus(u64 a, u64 b) { return a > b ? a - b : 0; }

void drop_first(SchedContext& sc) {
  sc.refill_head = static_cast<u16>(sc.refill_head + 1 == sc.refill_max ? 0 : sc.refill_head + 1);
  sc.refill_count -= 1;
}

// The first refill of a Sporadic leaf moves on as it is used; those it passes become one with it, at its later time.
void join_passed(SchedContext& sc) {
  while (sc.refill_count > 1 && refill_at(sc, 1).time < refill_at(sc, 0).time) {
    const Refill first = refill_at(sc, 0);
    drop_first(sc);
    Refill& next = refill_at(sc, 0);
    next = {first.time, first.amount + next.amount};
  }
}

void append(SchedContext& sc, Refill refill) {
  ASSERT(sc.refill_count < sc.refill_max);
  sc.refill_count += 1;
  refill_at(sc, sc.refill_count - 1) = refill;
}

void give_back(SchedContext& sc, u64 time, u64 amount) {
  if (sc.refill_count == 0) {
    append(sc, {time, amount});
    return;
  }
  Refill& last = refill_at(sc, sc.refill_count - 1u);
  if (time <= last.time + last.amount) {
    last.amount += amount;
  } else if (sc.refill_count < sc.refill_max) {
    append(sc, {time, amount});
  } else {
    last = {time - last.amount, last.amount + amount};
  }
}

// Charges what a grant was used for to every node of its chain and gives `unreserved` back to the reservations.
void charge_chain(Kernel& kernel, Ref<SchedContext> leaf, const SharedUse& use, u64 unreserved) {
  const u64 used = use.used;
  const u64 start = use.start;
  u32 depth = 0;
  for (Ref<SchedContext> at = leaf; at; at = kernel.at(at).parent) {
    SchedContext& node = kernel.at(at);
    node.consumed += used;
    depth += 1;
    if (is_limited(node)) {
      if (!PLANTED("kernel.no-reservation")) {
        ASSERT(node.reserved >= unreserved);  // S4
        node.reserved -= unreserved;
      }
      if (is_shared(node)) {
        charge_shared(node, use, kernel.now());
      } else {
        charge_refills(node, used, start);
      }
    } else if (!is_inner(node)) {
      node.slice_left = minus(node.slice_left, used);
    }
  }
  if (used > 0) kernel.emit(base::EventKind::BudgetCharge, leaf.offset, used, start, depth);
}

// Charges what a core's grant has used so far. The rest stays granted, or is given up.
enum class Rest : u8 { Keep, GiveUp };
void settle(Kernel& kernel, CoreState& core, Rest rest) {
  const u64 now = kernel.now();
  const u64 used = minus(now, core.grant_start);
  const u64 from_grant = used < core.grant_amount ? used : core.grant_amount;
  const u64 unreserved = rest == Rest::Keep ? from_grant : core.grant_amount;
  charge_chain(kernel, core.grant_sc,
               {.start = core.grant_start,
                .used = used,
                .granted = !PLANTED("kernel.no-reservation") ? core.grant_amount : 0,
                .keeps_rest = rest == Rest::Keep},
               unreserved);
  core.grant_amount -= unreserved;
  core.grant_start += used;
}

template <class F>
void for_each_grant_below(Kernel& kernel, Ref<SchedContext> sc, F&& act) {
  for (u32 i = 0; i < kernel.core_count(); ++i) {
    CoreState& core = kernel.core(i);
    if (core.grant_sc && chain_contains(kernel, core.grant_sc, sc)) act(i, core);
  }
}

// What a node could give to a thread that displaces the running one of core `home`, whose grant would be given back.
u64 available(const Kernel& kernel, Ref<SchedContext> ref, const CoreState& home) {
  const SchedContext& node = kernel.at(ref);
  const u64 now = kernel.now();
  if (is_shared(node)) {
    const bool below = home.grant_sc && chain_contains(kernel, home.grant_sc, ref);
    return shared_reach(node, now, below ? minus(home.grant_amount, minus(now, home.grant_start)) : 0);
  }
  u64 amount = ready(node, now);
  u64 reserved = node.reserved;
  if (reserved > 0 && home.grant_sc && chain_contains(kernel, home.grant_sc, ref)) {
    amount = minus(amount, minus(now, home.grant_start));
    reserved = minus(reserved, home.grant_amount);
  }
  return minus(amount, reserved);
}

// The earliest time at which one limited node has kMinBudget.
u64 node_wait_time(const SchedContext& node, u64 now) {
  if (is_shared(node)) return shared_wait_time(node, now);
  if (ready(node, now) >= kMinBudget) return now + kSharedGrant;  // blocked by the reservation only
  u64 sum = 0;
  u64 without_reservations = now + kSharedGrant;
  bool found = false;
  for (u32 i = 0; i < node.refill_count; ++i) {
    const Refill& refill = refill_at(node, i);
    sum += refill.amount;
    if (sum >= kMinBudget && !found) {
      found = true;
      without_reservations = refill.time;
    }
    if (minus(sum, node.reserved) >= kMinBudget) return refill.time;
  }
  return without_reservations;
}

}  // namespace

u64 ready(const SchedContext& sc, u64 now) {
  if (is_shared(sc)) return shared_ready(sc, now);
  u64 sum = 0;
  for (u32 i = 0; i < sc.refill_count; ++i) {
    const Refill& refill = refill_at(sc, i);
    if (refill.time > now) break;
    sum += refill.amount;
  }
  return sum;
}

void advance(SchedContext& sc, u64 now) {
  u64 sum = 0;
  while (sc.refill_count > 0 && refill_at(sc, 0).time <= now) {
    sum += refill_at(sc, 0).amount;
    drop_first(sc);
  }
  if (sum == 0) return;
  sc.refill_head = static_cast<u16>(sc.refill_head == 0 ? sc.refill_max - 1 : sc.refill_head - 1);
  sc.refill_count += 1;
  refill_at(sc, 0) = {now, sum};
}

void charge_refills(SchedContext& sc, u64 used, u64 start) {
  // One core cannot spend what comes back faster than it was used, so here it comes back at once, a period after it was
  // begun. Several cores can: shared nodes have rules of their own.
  ASSERT(!is_shared(sc));
  u64 at = start;
  while (used > 0) {
    Refill& first = refill_at(sc, 0);
    const u64 part = used < first.amount ? used : first.amount;
    ASSERT(part > 0);
    u64 base = first.time;
    if (!is_sporadic(sc) && at > base) base = at;
    first.amount -= part;
    if (is_sporadic(sc)) first.time += part;
    if (first.amount == 0) {
      drop_first(sc);
    } else if (is_sporadic(sc)) {
      join_passed(sc);
    }
    give_back(sc, base + sc.period, part);
    used -= part;
    at += part;
  }
}

bool chain_contains(const Kernel& kernel, Ref<SchedContext> sc, Ref<SchedContext> node) {
  for (; sc; sc = kernel.at(sc).parent) {
    if (sc == node) return true;
  }
  return false;
}

Exhausted first_exhausted(Kernel& kernel, Ref<SchedContext> sc) {
  const CoreState& home = kernel.core(kernel.at(sc).home);
  // What is granted can be used: an SC that changes hands while it runs needs no new look at its chain.
  if (home.grant_sc == sc && grant_left_of(kernel, home) >= kMinBudget) return {};
  u32 level = 0;
  for (Ref<SchedContext> at = sc; at; at = kernel.at(at).parent, ++level) {
    const SchedContext& node = kernel.at(at);
    if (!is_configured(node)) return {at, level};
    if (is_limited(node) && available(kernel, at, home) < kMinBudget) return {at, level};
  }
  return {};
}

bool eligible(Kernel& kernel, Ref<SchedContext> sc) { return !first_exhausted(kernel, sc).node; }

u64 wait_time(Kernel& kernel, Ref<SchedContext> sc) {
  const u64 now = kernel.now();
  const CoreState& home = kernel.core(kernel.at(sc).home);
  u64 latest = 0;
  for (Ref<SchedContext> at = sc; at; at = kernel.at(at).parent) {
    const SchedContext& node = kernel.at(at);
    u64 time = now;
    if (!is_configured(node)) {
      time = now + kSharedGrant;
    } else if (is_limited(node) && available(kernel, at, home) < kMinBudget) {
      time = node_wait_time(node, now);
    }
    if (time > latest) latest = time;
  }
  return latest;
}

void grant(Kernel& kernel, CoreState& core, Ref<SchedContext> sc) {
  ASSERT(!core.grant_sc);
  const u64 now = kernel.now();
  u64 amount = ~u64{0};
  for (Ref<SchedContext> at = sc; at; at = kernel.at(at).parent) {
    SchedContext& node = kernel.at(at);
    u64 limit = ~u64{0};
    if (is_limited(node)) {
      if (!is_sporadic(node)) advance(node, now);
      limit = is_shared(node) ? shared_reach(node, now, 0) : minus(ready(node, now), node.reserved);
    } else if (!is_inner(node)) {
      if (node.slice_left < kMinBudget) node.slice_left = node.budget;
      limit = node.slice_left;
    }
    if (limit < amount) amount = limit;
  }
  ASSERT(amount >= kMinBudget && amount <= kPeriodMax);
  for (Ref<SchedContext> at = sc; at; at = kernel.at(at).parent) {
    SchedContext& node = kernel.at(at);
    if (!is_limited(node) || !!PLANTED("kernel.no-reservation")) continue;
    node.reserved += amount;
    if (is_shared(node)) take_shared(node, now, amount);
  }
  core.grant_sc = sc;
  core.grant_start = now;
  core.grant_amount = amount;
  kernel.at(sc).last_dispatch = ++kernel.header().dispatch_counter;
}

void end_grant(Kernel& kernel, CoreState& core) {
  if (!core.grant_sc) return;
  settle(kernel, core, Rest::GiveUp);
  core.grant_sc = {};
}

void commit(Kernel& kernel, Ref<SchedContext> sc) {
  for_each_grant_below(kernel, sc, [&](u32 index, CoreState& core) {
    settle(kernel, core, Rest::GiveUp);
    poke(kernel, index);
  });
}

u64 take_consumed(Kernel& kernel, Ref<SchedContext> sc) {
  for_each_grant_below(kernel, sc, [&](u32, CoreState& core) { settle(kernel, core, Rest::Keep); });
  SchedContext& node = kernel.at(sc);
  const u64 consumed = node.consumed;
  node.consumed = 0;
  return consumed;
}

}  // namespace kernel::sched
