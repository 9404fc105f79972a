// tests/kernel/sched_model.cpp — see sched_model.h: an entry from its begin to its end, and the queues in between.
#include <algorithm>

#include "tests/kernel/sched_model.h"

namespace sched_model {

Leaving Model::enter(u32 core, u64 now, const std::optional<Op>& op, bool poked) {
  here_ = core;
  poked_ = poked;
  partner_is_here_ = false;
  now_ = now;
  leaving_ = {};
  woken_ = -1;
  grew_ = false;
  Core& c = cores[core];
  if (op && c.current >= 0) threads[c.current].pending = op;
  bool traps = op.has_value() && c.current >= 0;
  if (c.current >= 0 && left(c) < kMinBudget) {
    traps = false;
    expire();
  }
  if (traps) perform(c.current, *op);
  release();
  leave();
  return leaving_;
}

u64 Model::ready(const Node& n) const {
  u64 sum = 0;
  if (n.shared()) {  // a refill grows to its whole amount until its time
    for (const Piece& piece : n.refills) sum += minus(piece.amount, minus(piece.time, now_));
    return sum;
  }
  for (const Piece& piece : n.refills) sum += piece.time <= now_ ? piece.amount : 0;
  return sum;
}

u64 Model::minus(u64 a, u64 b) { return a > b ? a - b : 0; }

std::vector<int> Model::chain(int node) const {
  std::vector<int> all;
  for (; node >= 0; node = nodes[node].parent) all.push_back(node);
  return all;
}

bool Model::in_chain(int leaf, int node) const {
  const std::vector<int> all = chain(leaf);
  return std::count(all.begin(), all.end(), node) > 0;
}

u64 Model::left(const Core& c) const { return c.grant >= 0 ? minus(c.start + c.amount, now_) : 0; }

// ── Queues ───────────────────────────────────────────────────────────────────────────────────────────────────────────

void Model::poke(u32 core) {
  if (core != here_ && std::count(leaving_.pokes.begin(), leaving_.pokes.end(), core) == 0)
    leaving_.pokes.push_back(core);
}

void Model::queue(int t, bool head) {
  Thread& thread = threads[t];
  thread.place = Thread::Queued;
  std::vector<int>& all = cores[thread.core].queue;
  all.insert(head ? all.begin() : all.end(), t);
  grew_ = true;
}

void Model::unqueue(int t) {
  Core& c = cores[threads[t].core];
  std::erase(threads[t].place == Thread::Queued ? c.queue : c.broke, t);
  threads[t].place = Thread::Nowhere;
}

std::vector<int> Model::in_pick_order(const Core& c) const {
  std::vector<int> all = c.queue;
  std::stable_sort(all.begin(), all.end(), [this](int a, int b) { return threads[a].priority > threads[b].priority; });
  return all;
}

int Model::first_broke(const Core& c) const {
  int best = -1;
  for (const int t : c.broke) {
    const auto key = [this](int i) {
      const int n = threads[i].node;
      return std::tuple(nodes[n].wait_until, nodes[n].last_dispatch, node_refs[n]);
    };
    if (best < 0 || key(t) < key(best)) best = t;
  }
  return best;
}

void Model::go_broke(int t) {
  Thread& thread = threads[t];
  nodes[thread.node].wait_until = wait_time(thread.node);
  thread.place = Thread::OutOfBudget;
  cores[thread.core].broke.push_back(t);
  if (first_broke(cores[thread.core]) == t) poke(thread.core);
}

void Model::wake(int t) {
  Thread& thread = threads[t];
  if (thread.node < 0 || cores[thread.core].current == t) return;
  woken_ = t;
  if (!eligible(thread.node)) {
    go_broke(t);
    return;
  }
  const bool runs = cores[thread.core].grant == thread.node;
  if (nodes[thread.node].measured_from_wake() && nodes[thread.node].limited() && !runs) advance(nodes[thread.node]);
  queue(t, false);
  const Core& c = cores[thread.core];
  if (c.current < 0 || threads[c.current].priority < thread.priority) poke(thread.core);
}

void Model::stop(int t) {
  Thread& thread = threads[t];
  Core& c = cores[thread.core];
  if (thread.place != Thread::Nowhere) {
    unqueue(t);
  } else if (c.current == t) {
    c.current = -1;
    if (thread.core != here_) {
      end_grant(c);
      poke(thread.core);
    }
  }
}

void Model::expire() {
  Core& c = cores[here_];
  const int t = c.current;
  Node& n = nodes[threads[t].node];
  const u64 used = minus(now_, c.start);
  u64 had = 0;
  for (const Piece& piece : n.refills) had += piece.time <= c.start ? piece.amount : 0;
  bool own_out = n.limited() && minus(had, used) < kMinBudget;
  end_grant(c);
  if (n.round_robin() && n.slice < kMinBudget) {
    n.slice = n.budget;
    own_out = true;
  }
  if (eligible(threads[t].node)) {
    if (!own_out) return;
    c.current = -1;
    queue(t, false);
  } else {
    c.current = -1;
    go_broke(t);
  }
}

// ── The end of an entry ──────────────────────────────────────────────────────────────────────────────────────────────

void Model::release() {
  Core& c = cores[here_];
  for (;;) {
    const int t = first_broke(c);
    if (t < 0 || nodes[threads[t].node].wait_until > now_) return;
    unqueue(t);
    if (eligible(threads[t].node)) {
      queue(t, false);
    } else {
      go_broke(t);
    }
  }
}

void Model::make_grant(Core& c, int leaf) {
  u64 amount = ~u64{0};
  for (const int i : chain(leaf)) {
    Node& n = nodes[i];
    if (n.limited()) {
      if (!n.measured_from_wake()) advance(n);
      amount = std::min(amount, n.shared() ? reach(n, 0) : minus(ready(n), n.reserved));
    } else if (!n.inner) {
      if (n.slice < kMinBudget) n.slice = n.budget;
      amount = std::min(amount, n.slice);
    }
  }
  for (const int i : chain(leaf)) {
    if (nodes[i].limited()) nodes[i].reserved += amount;
    if (nodes[i].limited() && nodes[i].shared()) take(nodes[i], amount);
  }
  c.grant = leaf;
  c.start = now_;
  c.amount = amount;
  nodes[leaf].last_dispatch = ++dispatches;
}

bool Model::movable(int t, u32 to) const {
  const Node& n = nodes[threads[t].node];
  return !n.pinned && to >= n.first_core && to < n.first_core + n.core_count;
}

bool Model::steal() {
  if (!stealing) return false;
  std::vector<u32> victims;
  for (u32 step = 1; step < cores.size(); ++step) {
    const u32 core = static_cast<u32>((here_ + step) % cores.size());
    if (!cores[core].queue.empty()) victims.push_back(core);
  }
  std::stable_sort(victims.begin(), victims.end(),
                   [this](u32 a, u32 b) { return cores[a].queue.size() > cores[b].queue.size(); });
  const u32 first = answer(static_cast<u32>(victims.size()));
  std::rotate(victims.begin(), victims.begin() + first, victims.end());
  for (const u32 victim : victims) {
    u32 seen = 0;
    bool any = false;
    for (const int t : in_pick_order(cores[victim])) {
      if (!movable(t, here_) || seen++ % 2 != 0) continue;
      unqueue(t);
      threads[t].core = here_;
      nodes[threads[t].node].home = here_;
      queue(t, false);
      any = true;
    }
    if (any) return true;
  }
  return false;
}

u32 Model::answer(u32 count) const { return choose && count > 1 ? choose(count) : 0; }

std::vector<int> Model::equals_of(const Core& c, int priority) const {
  std::vector<int> all = c.queue;
  std::erase_if(all, [&](int t) { return threads[t].priority != priority; });
  return all;
}

void Model::offer() {
  for (u32 i = 0; i < cores.size(); ++i) {
    for (const int t : in_pick_order(cores[i])) {
      for (u32 other = 0; other < cores.size(); ++other) {
        const bool poked = std::count(leaving_.pokes.begin(), leaving_.pokes.end(), other) > 0;
        if (other == i || !idle_[other] || poked || other == here_ || !movable(t, other)) continue;
        poke(other);
        break;
      }
    }
  }
}

void Model::leave() {
  idle_.resize(cores.size(), true);
  Core& c = cores[here_];
  if (c.current >= 0) {
    const int t = c.current;
    if (threads[t].node < 0) {
      c.current = -1;
    } else if (c.grant == threads[t].node) {
      if (left(c) < kMinBudget) expire();
    } else {
      end_grant(c);
      if (!eligible(threads[t].node)) {
        c.current = -1;
        go_broke(t);
      }
    }
  }
  bool decided = false;
  if (c.current < 0 && woken_ >= 0 && threads[woken_].place == Thread::Queued) {
    unqueue(woken_);
    queue(woken_, true);
    // The partner of a call that goes on in its caller's grant is handed the core: nothing is picked.
    decided = partner_is_here_ && c.grant >= 0 && c.grant == threads[woken_].node && in_pick_order(c)[0] == woken_;
  }
  for (bool done = c.current < 0; !done;) {
    const std::vector<int> all = in_pick_order(c);
    done = all.empty() || threads[all[0]].priority <= threads[c.current].priority;
    if (done) break;
    if (eligible(threads[all[0]].node)) {
      const int displaced = c.current;
      c.current = -1;
      queue(displaced, true);
      done = true;
    } else {
      unqueue(all[0]);
      go_broke(all[0]);
    }
  }
  if (poked_ && c.current >= 0) {
    const std::vector<int> equals = equals_of(c, threads[c.current].priority);
    const u32 place = answer(static_cast<u32>(equals.size()) + 1);
    if (place > 0) {
      const int displaced = c.current;
      c.current = -1;
      queue(displaced, false);
      unqueue(equals[place - 1]);
      queue(equals[place - 1], true);
      decided = true;
    }
  }
  while (c.current < 0) {
    const std::vector<int> all = in_pick_order(c);
    if (all.empty()) {
      if (!steal()) break;
      continue;
    }
    const std::vector<int> equals = equals_of(c, threads[all[0]].priority);
    const int t = decided ? all[0] : equals[answer(static_cast<u32>(equals.size()))];
    const bool goes_on = c.grant == threads[t].node && left(c) >= kMinBudget;
    if (!goes_on) end_grant(c);
    unqueue(t);
    if (goes_on || eligible(threads[t].node)) {
      c.current = t;
    } else {
      go_broke(t);
    }
  }
  if (c.current >= 0 && c.grant != threads[c.current].node) {
    end_grant(c);
    make_grant(c, threads[c.current].node);
  }
  if (c.current < 0) end_grant(c);
  idle_[here_] = c.current < 0;
  if (grew_ && stealing) offer();
  leaving_.next = c.current;
  const int first = first_broke(c);
  if (first >= 0) leaving_.timer = nodes[threads[first].node].wait_until;
  if (c.current >= 0) {
    leaving_.run_for = left(c);
    if (leaving_.timer != 0) leaving_.run_for = std::min(leaving_.run_for, minus(leaving_.timer, now_));
    leaving_.restart = threads[c.current].pending.has_value();
  }
}

void Model::set_idle(u32 core, bool idle) {
  idle_.resize(cores.size(), true);
  idle_[core] = idle;
}

}  // namespace sched_model
