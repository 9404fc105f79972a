// tests/kernel/sched_model.h — the scheduler's naive twin: queues and refills are lists, picking looks at everybody,
// waiting threads are a list searched from the front. It knows threads that wait, signal, yield, call passive servers,
// change priorities, configurations and one another's lives; nothing takes time but running.
#pragma once
#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "kernel-model/abi.h"
#include "kernel-model/kernel.h"

namespace sched_model {

using kernel::kMinBudget;
using kernel::kSharedGrant;

struct Piece {
  u64 time = 0;
  u64 amount = 0;
  friend bool operator==(const Piece&, const Piece&) = default;
};

struct Node {
  int parent = -1;
  bool inner = false;
  bool sporadic = false;
  bool pinned = false;
  u64 budget = 0;
  u64 period = 0;
  u32 refill_max = 2;
  u32 first_core = 0;
  u32 core_count = 1;
  u32 home = 0;
  std::vector<Piece> refills;
  u64 reserved = 0;
  u64 owed = 0;
  u64 consumed = 0;
  u64 slice = 0;
  u64 last_dispatch = 0;
  u64 wait_until = 0;
  int holder = -1;                        // thread
  std::vector<std::pair<u64, u64>> used;  // [from, to) of every charge, for the window property
  bool limited() const { return inner ? budget != period * core_count : budget != period; }
  bool shared() const { return inner && core_count > 1; }
  bool round_robin() const { return !inner && budget == period; }
  bool measured_from_wake() const { return sporadic && !inner; }
};

enum class Life { Ready, Waiting, Sending, Called, Receiving, Stopped };
struct Op {
  enum Kind { Wait, Signal, Yield, Call, ReplyRecv, SetPriority, Consumed, Configure, Suspend, Resume } kind = Wait;
  int target = 0;
  u64 a = 0;
  u64 b = 0;
};
struct Thread {
  int priority = 0;
  int node = -1;
  u32 core = 0;
  u32 id = 0;  // for ties by ref: the SC's offset is in `Model::order`
  Life life = Life::Stopped;
  bool signalled = false;
  bool is_server = false;
  int caller = -1;  // of a server that works on a call
  int server = -1;  // called or queued at
  enum { Nowhere, Queued, OutOfBudget } place = Nowhere;
  std::optional<Op> pending;
};
struct Core {
  int current = -1;
  int grant = -1;
  u64 start = 0;
  u64 amount = 0;
  std::vector<int> queue;  // all levels; equals in their order
  std::vector<int> broke;  // threads that wait for budget
};
struct Leaving {
  int next = -1;
  u64 run_for = 0;
  u64 timer = 0;
  bool restart = false;
  std::vector<u32> pokes;
};

class Model {
 public:
  std::vector<Node> nodes;
  std::vector<Thread> threads;
  std::vector<Core> cores;
  std::vector<std::vector<int>> senders;  // by server, in order
  std::vector<u32> node_refs;             // the last tie of the release order
  u64 dispatches = 0;
  bool stealing = false;
  u64 last_consumed = 0;  // what Consumed answered
  /// Answers a choice among n, 2 or more; none: always 0.
  std::function<u32(u32 count)> choose;

  /// One entry: `op` is what the core's thread asks, if it traps.
  Leaving enter(u32 core, u64 now, const std::optional<Op>& op, bool poked = false) {
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

  u64 ready(const Node& n) const {
    u64 sum = 0;
    if (n.shared()) {  // a refill grows to its whole amount until its time
      for (const Piece& piece : n.refills) sum += minus(piece.amount, minus(piece.time, now_));
      return sum;
    }
    for (const Piece& piece : n.refills) sum += piece.time <= now_ ? piece.amount : 0;
    return sum;
  }

 private:
  static u64 minus(u64 a, u64 b) { return a > b ? a - b : 0; }
  std::vector<int> chain(int node) const {
    std::vector<int> all;
    for (; node >= 0; node = nodes[node].parent) all.push_back(node);
    return all;
  }
  bool in_chain(int leaf, int node) const {
    const std::vector<int> all = chain(leaf);
    return std::count(all.begin(), all.end(), node) > 0;
  }
  u64 left(const Core& c) const { return c.grant >= 0 ? minus(c.start + c.amount, now_) : 0; }

  // ── Refills ──
  void give_back(Node& n, u64 time, u64 amount) {
    if (n.refills.empty()) {
      n.refills.push_back({time, amount});
      return;
    }
    Piece& last = n.refills.back();
    if (time <= last.time + last.amount) {
      last.amount += amount;
    } else if (n.refills.size() < n.refill_max) {
      n.refills.push_back({time, amount});
    } else {
      last = {time - last.amount, last.amount + amount};
    }
  }
  // A shared node: all pieces that are whole are one, pieces of which one ends where the other begins are one, and when
  // there are too many the two closest become one that begins where the first of them did.
  static u64 begin_of(const Piece& piece) { return minus(piece.time, piece.amount); }
  static void put_in_order(Node& n, Piece piece) {
    const auto later = [](const Piece& a, const Piece& b) { return a.time < b.time; };
    n.refills.insert(std::upper_bound(n.refills.begin(), n.refills.end(), piece, later), piece);
  }
  void put_back(Node& n, Piece piece) {
    for (std::size_t i = 0; i < n.refills.size();) {
      const Piece other = n.refills[i];
      const bool whole = std::max(other.time, piece.time) <= now_;
      if (whole || other.time == begin_of(piece) || begin_of(other) == piece.time) {
        piece = {std::max(other.time, piece.time), other.amount + piece.amount};
        n.refills.erase(n.refills.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
    put_in_order(n, piece);
    if (n.refills.size() <= n.refill_max) return;
    const auto gap = [&](std::size_t k) { return n.refills[k + 1].time - n.refills[k].time; };
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < n.refills.size(); ++i) {
      if (gap(i) < gap(best)) best = i;
    }
    const Piece a = n.refills[best];
    const Piece b = n.refills[best + 1];
    const auto at = n.refills.begin() + static_cast<std::ptrdiff_t>(best);
    n.refills.erase(at, at + 2);
    const u64 sum = a.amount + b.amount;
    put_in_order(n, {std::max({a.time, b.time, std::min(begin_of(a), begin_of(b)) + sum}), sum});
  }
  void put_back_late(Node& n, Piece piece) {
    const u64 late = std::min(n.owed, piece.amount);
    n.owed -= late;
    piece.amount -= late;
    if (late > 0) put_back(n, {piece.time - piece.amount + n.period, late});
    if (piece.amount > 0) put_back(n, piece);
  }
  void charge_shared(Node& n, u64 used, u64 start, u64 granted, bool keeps_rest) {
    const u64 from_grant = std::min(used, granted);
    if (from_grant > 0) put_back_late(n, {start + from_grant + n.period, from_grant});
    if (granted > from_grant && !keeps_rest) put_back_late(n, {start + granted, granted - from_grant});
    u64 over = used - from_grant;
    for (u64 end = start + from_grant; over > 0;) {
      if (n.refills.empty()) {
        n.owed += over;
        return;
      }
      const Piece first = n.refills.front();
      n.refills.erase(n.refills.begin());
      const u64 part = std::min(over, first.amount);
      if (part < first.amount) n.refills.insert(n.refills.begin(), {first.time, first.amount - part});
      end += part;
      put_back_late(n, {std::max(end, minus(first.time, first.amount - part)) + n.period, part});
      over -= part;
    }
  }
  /// The longest grant: walk through the pieces that begin before what is had so far is used up.
  u64 reach(const Node& n, u64 head_start) const {
    u64 had = head_start;
    for (const Piece& piece : n.refills) {
      if (had < kSharedGrant && begin_of(piece) <= now_ + had) had += piece.amount;
    }
    return std::min(had, kSharedGrant);
  }
  void take(Node& n, u64 amount) {
    u64 taken = 0;
    for (Piece& piece : n.refills) {
      if (begin_of(piece) > now_ + taken) continue;
      const u64 part = std::min(piece.amount, amount - taken);
      piece.amount -= part;
      taken += part;
    }
    std::erase_if(n.refills, [](const Piece& piece) { return piece.amount == 0; });
  }
  void charge(Node& n, u64 used, u64 at) {
    while (used > 0) {
      Piece& first = n.refills.front();
      const u64 part = std::min(used, first.amount);
      const u64 base = n.measured_from_wake() ? first.time : std::max(at, first.time);
      first.amount -= part;
      if (n.measured_from_wake()) first.time += part;
      const bool spent = first.amount == 0;
      if (spent) n.refills.erase(n.refills.begin());
      while (!spent && n.measured_from_wake() && n.refills.size() > 1 && n.refills[1].time < n.refills[0].time) {
        n.refills[0].amount += n.refills[1].amount;
        n.refills.erase(n.refills.begin() + 1);
      }
      give_back(n, base + n.period, part);
      used -= part;
      at += part;
    }
  }
  void advance(Node& n) {
    u64 sum = 0;
    for (const Piece& piece : n.refills) sum += piece.time <= now_ ? piece.amount : 0;
    if (sum == 0) return;
    std::erase_if(n.refills, [this](const Piece& piece) { return piece.time <= now_; });
    n.refills.insert(n.refills.begin(), {now_, sum});
  }

  // ── Grants ──
  void settle(Core& c, bool keep_rest) {
    const u64 used = minus(now_, c.start);
    const u64 back = keep_rest ? std::min(used, c.amount) : c.amount;
    for (const int i : chain(c.grant)) {
      Node& n = nodes[i];
      n.consumed += used;
      if (used > 0) n.used.emplace_back(c.start, c.start + used);
      if (n.limited()) {
        n.reserved -= back;
        if (n.shared()) {
          charge_shared(n, used, c.start, c.amount, keep_rest);
        } else {
          charge(n, used, c.start);
        }
      } else if (!n.inner) {
        n.slice = minus(n.slice, used);
      }
    }
    c.amount -= back;
    c.start += used;
  }
  void end_grant(Core& c) {
    if (c.grant < 0) return;
    settle(c, false);
    c.grant = -1;
  }
  void commit(int node) {
    for (u32 i = 0; i < cores.size(); ++i) {
      if (cores[i].grant < 0 || !in_chain(cores[i].grant, node)) continue;
      settle(cores[i], false);
      poke(i);
    }
  }
  u64 available(int node, const Core& home) const {
    const Node& n = nodes[node];
    if (n.shared()) {
      const bool below = home.grant >= 0 && in_chain(home.grant, node);
      return reach(n, below ? minus(home.amount, minus(now_, home.start)) : 0);
    }
    u64 amount = ready(n);
    u64 reserved = n.reserved;
    if (home.grant >= 0 && in_chain(home.grant, node) && reserved > 0) {
      amount = minus(amount, minus(now_, home.start));
      reserved = minus(reserved, home.amount);
    }
    return minus(amount, reserved);
  }
  bool eligible(int leaf) const {
    const Core& home = cores[nodes[leaf].home];
    if (home.grant == leaf && left(home) >= kMinBudget) return true;
    for (const int i : chain(leaf)) {
      if (nodes[i].limited() && available(i, home) < kMinBudget) return false;
    }
    return true;
  }
  u64 wait_time(int leaf) const {
    u64 latest = now_;
    for (const int i : chain(leaf)) {
      const Node& n = nodes[i];
      if (!n.limited() || available(i, cores[nodes[leaf].home]) >= kMinBudget) continue;
      u64 time = now_ + kSharedGrant;
      if (n.shared()) {
        if (n.reserved == 0 && !n.refills.empty()) time = ~u64{0};
        u64 sum = 0;
        for (const Piece& piece : n.refills) {
          sum += piece.amount;
          if (piece.amount >= kMinBudget) {
            time = std::min(time, begin_of(piece));
          } else if (sum >= kMinBudget) {
            time = std::min(time, piece.time);
          }
        }
      } else if (ready(n) < kMinBudget) {
        u64 sum = 0;
        u64 without = 0;
        u64 with = 0;
        for (const Piece& piece : n.refills) {
          sum += piece.amount;
          if (without == 0 && sum >= kMinBudget) without = piece.time;
          if (with == 0 && minus(sum, n.reserved) >= kMinBudget) with = piece.time;
        }
        time = with != 0 ? with : without;
      }
      latest = std::max(latest, time);
    }
    return latest;
  }

  // ── Queues ──
  void poke(u32 core) {
    if (core != here_ && std::count(leaving_.pokes.begin(), leaving_.pokes.end(), core) == 0)
      leaving_.pokes.push_back(core);
  }
  void queue(int t, bool head) {
    Thread& thread = threads[t];
    thread.place = Thread::Queued;
    std::vector<int>& all = cores[thread.core].queue;
    all.insert(head ? all.begin() : all.end(), t);
    grew_ = true;
  }
  void unqueue(int t) {
    Core& c = cores[threads[t].core];
    std::erase(threads[t].place == Thread::Queued ? c.queue : c.broke, t);
    threads[t].place = Thread::Nowhere;
  }
  std::vector<int> in_pick_order(const Core& c) const {
    std::vector<int> all = c.queue;
    std::stable_sort(all.begin(), all.end(),
                     [this](int a, int b) { return threads[a].priority > threads[b].priority; });
    return all;
  }
  int first_broke(const Core& c) const {
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
  void go_broke(int t) {
    Thread& thread = threads[t];
    nodes[thread.node].wait_until = wait_time(thread.node);
    thread.place = Thread::OutOfBudget;
    cores[thread.core].broke.push_back(t);
    if (first_broke(cores[thread.core]) == t) poke(thread.core);
  }
  void wake(int t) {
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
  void stop(int t) {
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
  void expire() {
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

  // ── Calls ──
  void give(int node, int to) {
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
  void perform(int t, const Op& op) {
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
  void suspend(int t) {
    Thread& target = threads[t];
    if (target.life == Life::Ready) stop(t);
    target.life = Life::Stopped;
  }
  void set_priority(int t, int priority) {
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
  std::vector<int> children(int node) const {  // the latest first
    std::vector<int> all;
    for (int i = static_cast<int>(nodes.size()) - 1; i >= 0; --i) {
      if (nodes[i].parent == node) all.push_back(i);
    }
    return all;
  }
  void configure(int node, u64 budget, u64 period) {
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
  void look_below(int node) {
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

  // ── The end of an entry ──
  void release() {
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
  void make_grant(Core& c, int leaf) {
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
  bool movable(int t, u32 to) const {
    const Node& n = nodes[threads[t].node];
    return !n.pinned && to >= n.first_core && to < n.first_core + n.core_count;
  }
  bool steal() {
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
  u32 answer(u32 count) const { return choose && count > 1 ? choose(count) : 0; }
  std::vector<int> equals_of(const Core& c, int priority) const {
    std::vector<int> all = c.queue;
    std::erase_if(all, [&](int t) { return threads[t].priority != priority; });
    return all;
  }
  void offer() {
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
  void leave() {
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

  u32 here_ = 0;
  bool poked_ = false;
  bool partner_is_here_ = false;  // the partner of the call or reply was on this core before it got its context
  u64 now_ = 0;
  int woken_ = -1;
  bool grew_ = false;
  Leaving leaving_;
  std::vector<bool> idle_;

 public:
  void set_idle(u32 core, bool idle) {
    idle_.resize(cores.size(), true);
    idle_[core] = idle;
  }
};

}  // namespace sched_model
