// tests/kernel/sched_model.h — the scheduler's naive twin: queues and refills are lists, picking looks at everybody,
// waiting threads are a list searched from the front. It knows threads that wait, signal, yield, call passive servers,
// change priorities, configurations and one another's lives; nothing takes time but running.
#pragma once
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
  Leaving enter(u32 core, u64 now, const std::optional<Op>& op, bool poked = false);
  u64 ready(const Node& n) const;
  void set_idle(u32 core, bool idle);

 private:
  static u64 minus(u64 a, u64 b);
  std::vector<int> chain(int node) const;
  bool in_chain(int leaf, int node) const;
  u64 left(const Core& c) const;

  // ── Refills ──
  void give_back(Node& n, u64 time, u64 amount);
  /// A shared node: all pieces that are whole are one, pieces of which one ends where the other begins are one, and when
  /// there are too many the two closest become one that begins where the first of them did.
  static u64 begin_of(const Piece& piece);
  static void put_in_order(Node& n, Piece piece);
  void put_back(Node& n, Piece piece);
  void put_back_late(Node& n, Piece piece);
  void charge_shared(Node& n, u64 used, u64 start, u64 granted, bool keeps_rest);
  /// The longest grant: walk through the pieces that begin before what is had so far is used up.
  u64 reach(const Node& n, u64 head_start) const;
  void take(Node& n, u64 amount);
  void charge(Node& n, u64 used, u64 at);
  void advance(Node& n);

  // ── Grants ──
  void settle(Core& c, bool keep_rest);
  void end_grant(Core& c);
  void commit(int node);
  u64 available(int node, const Core& home) const;
  bool eligible(int leaf) const;
  u64 wait_time(int leaf) const;

  // ── Queues ──
  void poke(u32 core);
  void queue(int t, bool head);
  void unqueue(int t);
  std::vector<int> in_pick_order(const Core& c) const;
  int first_broke(const Core& c) const;
  void go_broke(int t);
  void wake(int t);
  void stop(int t);
  void expire();

  // ── Calls ──
  void give(int node, int to);
  void perform(int t, const Op& op);
  void suspend(int t);
  void set_priority(int t, int priority);
  std::vector<int> children(int node) const;
  void configure(int node, u64 budget, u64 period);
  void look_below(int node);

  // ── The end of an entry ──
  void release();
  void make_grant(Core& c, int leaf);
  bool movable(int t, u32 to) const;
  bool steal();
  u32 answer(u32 count) const;
  std::vector<int> equals_of(const Core& c, int priority) const;
  void offer();
  void leave();

  u32 here_ = 0;
  bool poked_ = false;
  bool partner_is_here_ = false;  // the partner of the call or reply was on this core before it got its context
  u64 now_ = 0;
  int woken_ = -1;
  bool grew_ = false;
  Leaving leaving_;
  std::vector<bool> idle_;
};

}  // namespace sched_model
