// tests/kernel/sched_model_calls.cpp — see sched_model.h: what threads ask for.
#include <algorithm>

#include "tests/kernel/sched_model.h"

namespace sched_model {

void Model::give(int node, int to) {
  const int from = nodes[node].holder;
  if (from >= 0) {
    if (threads[from].place != Thread::Nowhere || threads[from].core != here_) stop(from);
    threads[from].node = -1;
  }
  nodes[node].holder = to;
  threads[to].node = node;
  if (threads[to].core != nodes[node].home) {
    if (cores[threads[to].core].current == to) cores[threads[to].core].current = -1;
    threads[to].core = nodes[node].home;
  }
}

void Model::perform(int t, const Op& op) {
  Thread& thread = threads[t];
  bool complete = true;
  switch (op.kind) {
    case Op::Wait:
      if (thread.signalled) {
        thread.signalled = false;
      } else {
        stop(t);
        thread.life = Life::Waiting;
        complete = false;
      }
      break;
    case Op::Signal: {
      Thread& target = threads[op.target];
      if (target.life == Life::Waiting) {
        target.life = Life::Ready;
        target.pending.reset();
        wake(op.target);
      } else {
        target.signalled = true;
      }
      break;
    }
    case Op::Yield: {
      thread.pending.reset();
      Node& n = nodes[thread.node];
      end_grant(cores[here_]);
      if (n.limited()) {
        charge(n, ready(n), now_);
      } else {
        n.slice = n.budget;
      }
      cores[here_].current = -1;
      if (eligible(thread.node)) {
        queue(t, false);
      } else {
        go_broke(t);
      }
      return;
    }
    case Op::Call: {
      Thread& server = threads[op.target];
      stop(t);
      thread.server = op.target;
      if (server.life == Life::Receiving) {
        thread.life = Life::Called;
        server.caller = t;
        server.life = Life::Ready;
        server.pending.reset();
        partner_is_here_ = server.core == here_;
        give(thread.node, op.target);
        wake(op.target);
      } else {
        thread.life = Life::Sending;
        senders[op.target].push_back(t);
      }
      complete = false;
      break;
    }
    case Op::ReplyRecv: {
      const int caller = thread.caller;
      thread.caller = -1;
      partner_is_here_ = threads[caller].core == here_;
      give(thread.node, caller);
      threads[caller].life = Life::Ready;
      threads[caller].server = -1;
      threads[caller].pending.reset();
      wake(caller);
      std::vector<int>& waiting = senders[t];
      if (waiting.empty()) {
        stop(t);
        thread.life = Life::Receiving;
        complete = false;
        break;
      }
      const auto first = std::max_element(waiting.begin(), waiting.end(),
                                          [this](int a, int b) { return threads[a].priority < threads[b].priority; });
      const int next = *first;
      waiting.erase(first);
      threads[next].life = Life::Called;
      thread.caller = next;
      give(threads[next].node, t);
      break;
    }
    case Op::SetPriority: set_priority(op.target, static_cast<int>(op.a)); break;
    case Op::Consumed:
      for (Core& c : cores) {
        if (c.grant >= 0 && in_chain(c.grant, op.target)) settle(c, true);
      }
      last_consumed = nodes[op.target].consumed;
      nodes[op.target].consumed = 0;
      break;
    case Op::Configure: configure(op.target, op.a, op.b); break;
    case Op::Suspend: suspend(op.target); break;
    case Op::Resume: {
      Thread& target = threads[op.target];
      if (target.life != Life::Stopped && target.life != Life::Waiting) break;
      target.life = Life::Ready;
      wake(op.target);
      break;
    }
  }
  if (complete) thread.pending.reset();
  const bool ready_now = thread.life == Life::Ready && thread.place == Thread::Nowhere;
  if (ready_now && cores[thread.core].current != t) wake(t);
}

void Model::suspend(int t) {
  Thread& target = threads[t];
  if (target.life == Life::Ready) stop(t);
  target.life = Life::Stopped;
}

void Model::set_priority(int t, int priority) {
  Thread& target = threads[t];
  if (target.place == Thread::Queued) {
    unqueue(t);
    target.priority = priority;
    queue(t, false);
    const Core& c = cores[target.core];
    if (c.current < 0 || threads[c.current].priority < priority) poke(target.core);
  } else {
    target.priority = priority;
    if (cores[target.core].current == t) {
      for (const int other : cores[target.core].queue) {
        if (threads[other].priority > priority) {
          poke(target.core);
          break;
        }
      }
    }
  }
  if (target.life == Life::Sending) {
    std::erase(senders[target.server], t);
    senders[target.server].push_back(t);
  }
}

std::vector<int> Model::children(int node) const {  // the latest first
  std::vector<int> all;
  for (int i = static_cast<int>(nodes.size()) - 1; i >= 0; --i) {
    if (nodes[i].parent == node) all.push_back(i);
  }
  return all;
}

void Model::configure(int node, u64 budget, u64 period) {
  Node& n = nodes[node];
  commit(node);
  const int t = n.holder;
  const bool in_use = t >= 0 || !children(node).empty();
  u64 ready_now = budget;
  if (in_use && n.limited()) ready_now = ready(n);
  if (in_use && n.round_robin()) ready_now = n.slice;
  if (t >= 0 && cores[threads[t].core].current != t) stop(t);
  n.budget = budget;
  n.period = period;
  n.slice = n.round_robin() ? budget : 0;
  n.refills.clear();
  n.used.clear();
  if (!in_use) n.owed = 0;
  if (n.limited()) {
    const u64 first = std::min(ready_now, budget);
    if (first > 0) n.refills.push_back({now_, first});
    u64 rest = budget - first;
    // What several cores use comes back to each of them: in parts that grow side by side.
    u64 parts = n.shared() ? std::min<u64>(n.core_count, n.refill_max - n.refills.size()) : 1;
    for (; parts > 0; --parts) {
      const u64 part = rest / parts;
      if (part > 0) n.refills.push_back({now_ + period + (n.shared() ? part : 0), part});
      rest -= part;
    }
  }
  if (t >= 0 && threads[t].life == Life::Ready) wake(t);
  for (const int child : children(node)) look_below(child);
}

void Model::look_below(int node) {
  const int t = nodes[node].holder;
  if (t >= 0 && threads[t].place == Thread::OutOfBudget) {
    const bool can_run = eligible(node);
    if (can_run || wait_time(node) < nodes[node].wait_until) {
      unqueue(t);
      if (can_run) {
        queue(t, false);
        const Core& c = cores[threads[t].core];
        if (c.current < 0 || threads[c.current].priority < threads[t].priority) poke(threads[t].core);
      } else {
        go_broke(t);
      }
    }
  }
  for (const int child : children(node)) look_below(child);
}

}  // namespace sched_model
