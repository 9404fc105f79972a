// tests/kernel/sched_model_test.cpp — the scheduler against its naive twin (sched_model.h): random threads, budget trees,
// priorities, calls, blocks and cores; after each entry both must agree who runs, for how long, what is queued, and on
// every refill, reservation and consumed nanosecond. Nothing costs time here, so every moment is exact.
#include "tests/kernel/lab.h"
#include "tests/kernel/sched_model.h"
#include "tests/kernel/shrink.h"
#include "tests/rounds.h"

using namespace lab;
using sched_model::Life;
using sched_model::Model;
using sched_model::Op;

namespace {

class Twins {
 public:
  explicit Twins(u64 seed, bool exploring = false)
      : prng_(seed, "test.sched-shape"),
        lab_(options(prng_, seed)),
        exploring_(exploring),
        answers_(seed, "test.answers") {
    lab_.check_every = 0;
    scratch_.resize(lab_.kernel().ram_bytes() / 16);
    model_.stealing = lab_.kernel().header().stealing != 0;
    build();
    import_state();
    start();
  }

  /// Empty while both agree.
  std::string run(const RawSteps& steps) {
    for (std::size_t i = 0; i < steps.size() && trouble_.empty() && !finished_; ++i) step(steps[i]);
    if (trouble_.empty()) check_windows();
    return trouble_;
  }

 private:
  static constexpr int kRoot = 0;
  static constexpr int kTicker = 1;  // always ready, below everybody: the world never stops

  static Options options(base::Prng& prng, u64 seed) {
    Options options = free_options(1 + static_cast<u32>(seed % 3));
    options.costs.ipi_latency = 0;
    options.stealing = prng.below(2) == 0;
    return options;
  }

  // ── Building: all by the root task; then the model is given what the kernel made of it ──
  int add_node(Cptr sc, int parent) {
    model_.nodes.emplace_back();
    model_.nodes.back().parent = parent;
    scs_.push_back(sc);
    return static_cast<int>(scs_.size()) - 1;
  }
  void build() {
    const u32 cores = lab_.kernel().core_count();
    add_node(kRootSchedContext, -1);
    add_thread(kRootTcb, 0, false);
    const u64 period = ms(2 + prng_.below(8));
    for (u32 i = 0; i < 3; ++i) {
      const bool unlimited = prng_.below(4) == 0;
      const u64 budget = unlimited ? period * cores : ms(1) + us(prng_.below(period * cores / 1'000 - 1'000));
      const u64 extra = prng_.below(5);
      if (i < 2) {
        add_node(lab_.configured_sc(budget, period, extra, 0, kSchedInner), -1);
      } else {  // the third is below the second
        const Cptr sc = lab_.sched_context();
        REQUIRE(lab_.configure_child(scs_[2], sc, budget, period, extra, 0, kSchedInner) == "ok");
        add_node(sc, 2);
      }
    }
    const u32 workers = 4 + static_cast<u32>(prng_.below(4));
    for (u32 i = 0; i < workers; ++i) add_worker(i == 0);
    for (u32 i = 0; i < 2; ++i) {
      endpoints_.push_back(lab_.endpoint());
      replies_.push_back(lab_.reply());
      lab::Thread& server = lab_.passive_server(endpoints_[i], replies_[i],
                                                {.priority = static_cast<u8>(89 + prng_.below(6)), .parks = false});
      add_thread(server.tcb, -1, true);
    }
  }
  void add_worker(bool ticker) {
    const u32 cores = lab_.kernel().core_count();
    const u64 period = us(500 + prng_.below(8'000));
    const bool round_robin = ticker || prng_.below(3) == 0;
    const u64 budget = round_robin ? period : us(20 + prng_.below(period / 1'000 - 21));
    const int parent = ticker || prng_.below(3) == 0 ? -1 : 1 + static_cast<int>(prng_.below(3));
    const u64 flags = (prng_.below(4) == 0 ? kSchedSporadic : 0) | (ticker || prng_.below(4) == 0 ? kSchedPinned : 0);
    const u64 home = ticker ? 0 : prng_.below(cores);
    const u64 extra = prng_.below(6);
    const Cptr sc = lab_.sched_context();
    if (parent < 0) {
      REQUIRE(lab_.configure_sc(sc, budget, period, extra, 0, flags, home) == "ok");
    } else {
      REQUIRE(lab_.configure_child(scs_[static_cast<std::size_t>(parent)], sc, budget, period, extra, 0, flags, home) ==
              "ok");
    }
    const int node = add_node(sc, parent);
    ThreadOptions options{.sc = sc, .started = false, .parks = false};
    options.priority = static_cast<u8>(ticker ? 10 : 90 + prng_.below(4));
    add_thread(lab_.thread(options).tcb, node, false);
  }
  void add_thread(Cptr tcb, int node, bool server) {
    tcbs_.push_back(tcb);
    notifications_.push_back(lab_.notification());
    model_.threads.emplace_back();
    model_.threads.back().node = node;
    model_.threads.back().is_server = server;
    model_.senders.emplace_back();
  }

  Tcb& tcb(int t) { return lab_.object<Tcb>(tcbs_[static_cast<std::size_t>(t)]); }
  SchedContext& sc(int n) { return lab_.object<SchedContext>(scs_[static_cast<std::size_t>(n)]); }
  int thread_of(Ref<Tcb> ref) {
    for (std::size_t t = 0; t < tcbs_.size(); ++t) {
      if (lab_.ref<Tcb>(tcbs_[t]) == ref) return static_cast<int>(t);
    }
    return -1;
  }
  static std::vector<sched_model::Piece> refills_of(const SchedContext& sc) {
    std::vector<sched_model::Piece> pieces;
    for (u32 i = 0; i < sc.refill_count; ++i) {
      const Refill& refill = sc.refills[(sc.refill_head + i) % sc.refill_max];
      pieces.push_back({refill.time, refill.amount});
    }
    return pieces;
  }

  void import_state() {
    for (int n = 0; n < static_cast<int>(scs_.size()); ++n) {
      const SchedContext& from = sc(n);
      sched_model::Node& to = model_.nodes[static_cast<std::size_t>(n)];
      to.inner = (from.config_flags & kSchedInner) != 0;
      to.sporadic = (from.config_flags & kSchedSporadic) != 0;
      to.pinned = (from.config_flags & kSchedPinned) != 0;
      to.budget = from.budget;
      to.period = from.period;
      to.refill_max = from.refill_max;
      to.first_core = from.first_core;
      to.core_count = from.core_count;
      to.home = from.home;
      to.refills = refills_of(from);
      to.reserved = from.reserved;
      to.consumed = from.consumed;
      to.slice = from.slice_left;
      to.last_dispatch = from.last_dispatch;
      to.holder = from.tcb ? thread_of(from.tcb) : -1;
      model_.node_refs.push_back(lab_.ref<SchedContext>(scs_[static_cast<std::size_t>(n)]).offset);
    }
    for (int t = 0; t < static_cast<int>(tcbs_.size()); ++t) {
      sched_model::Thread& to = model_.threads[static_cast<std::size_t>(t)];
      to.priority = tcb(t).priority;
      to.core = tcb(t).core;
      to.life = to.is_server ? Life::Receiving : t == kRoot ? Life::Ready : Life::Stopped;
      if (to.is_server) to.pending = Op{Op::ReplyRecv};
    }
    model_.dispatches = lab_.kernel().header().dispatch_counter;
    for (u32 i = 0; i < lab_.kernel().core_count(); ++i) {
      const CoreState& from = lab_.kernel().core(i);
      sched_model::Core to;
      to.current = from.current ? thread_of(from.current) : -1;
      to.grant = from.grant_sc ? 0 : -1;  // only the root task runs yet
      to.start = from.grant_start;
      to.amount = from.grant_amount;
      model_.cores.push_back(to);
      model_.set_idle(i, !from.current);
      deadlines_.push_back(kNever);
      restart_.push_back(false);
      now_ = std::max(now_, from.local_time);
    }
  }

  void start() {
    for (int t = kTicker; t < static_cast<int>(tcbs_.size()); ++t) {
      if (!model_.threads[static_cast<std::size_t>(t)].is_server) trap(0, Op{Op::Resume, t});
    }
    trap(0, Op{Op::Wait, kRoot});
  }

  // ── Steps ──
  void step(const RawStep& raw) {
    const u32 cores = lab_.kernel().core_count();
    if (!poked_.empty()) {
      const std::size_t which = raw.raw[0] % poked_.size();
      const u32 core = poked_[which];
      poked_.erase(poked_.begin() + static_cast<std::ptrdiff_t>(which));
      enter(core, EntryKind::Poke, std::nullopt);
      return;
    }
    for (u32 i = 0; i < cores; ++i) {
      const u32 core = static_cast<u32>((raw.raw[0] + i) % cores);
      if (!restart_[core]) continue;
      const std::optional<Op> again = model_.threads[static_cast<std::size_t>(model_.cores[core].current)].pending;
      // Suspending and resuming callers is the IPC model's affair; a call put off may have come to mean that.
      const bool about_life = again->kind == Op::Suspend || again->kind == Op::Resume;
      const Life target = model_.threads[static_cast<std::size_t>(about_life ? again->target : kRoot)].life;
      finished_ = target == Life::Called || target == Life::Sending;
      if (!finished_) enter(core, EntryKind::Syscall, again);
      return;
    }
    const u64 limit = *std::min_element(deadlines_.begin(), deadlines_.end());
    if (raw.raw[0] % 4 == 0 && limit != kNever) {
      now_ = limit;
    } else {
      now_ = std::min(limit, now_ + 1 + raw.raw[1] % 900'000);
    }
    for (u32 i = 0; i < cores; ++i) {
      const u32 core = static_cast<u32>((raw.raw[2] + i) % cores);
      if (deadlines_[core] != now_) continue;
      enter(core, EntryKind::Expiry, std::nullopt);
      return;
    }
    for (u32 i = 0; i < cores; ++i) {
      const u32 core = static_cast<u32>((raw.raw[2] + i) % cores);
      const int t = model_.cores[core].current;
      if (t < 0) continue;
      if (raw.raw[3] % 16 == 0) {
        enter(core, EntryKind::Poke, std::nullopt);
      } else {
        trap(core, choose(t, raw));
      }
      return;
    }
  }

  Op choose(int t, const RawStep& raw) {
    const auto pick = [&](bool servers) {
      std::vector<int> all;
      for (int i = kTicker; i < static_cast<int>(tcbs_.size()); ++i) {
        if (model_.threads[static_cast<std::size_t>(i)].is_server == servers) all.push_back(i);
      }
      return all[raw.raw[1] % all.size()];
    };
    const sched_model::Thread& self = model_.threads[static_cast<std::size_t>(t)];
    const int worker = pick(false);
    const sched_model::Thread& target = model_.threads[static_cast<std::size_t>(worker)];
    const u64 kind = raw.raw[3] / 16 % 100;
    const Op wake_up{Op::Signal, worker};
    if (self.is_server && kind < 60) return {Op::ReplyRecv};
    if (t == kTicker && kind < 40) return wake_up;
    if (kind < 12) return {Op::Yield};
    if (kind < 22) {
      const int any = raw.raw[0] % 3 == 0 ? pick(true) : worker;
      return any == kTicker ? wake_up : Op{Op::SetPriority, any, 90 + raw.raw[2] % 4};
    }
    if (kind < 28) return {Op::Consumed, static_cast<int>(raw.raw[1] % scs_.size())};
    if (kind < 34) {
      const u64 period = us(500 + raw.raw[1] % 8'000);
      if (raw.raw[2] % 4 == 0) {  // an inner node, which is not the caller's: then waking would be cut short
        const int inner = static_cast<int>(1 + raw.raw[2] / 4 % 3);
        for (int at = self.node; at >= 0; at = model_.nodes[static_cast<std::size_t>(at)].parent) {
          if (at == inner) return wake_up;
        }
        const u64 most = period / 1'000 * lab_.kernel().core_count();
        return Op{Op::Configure, inner, raw.raw[0] % 5 == 0 ? us(most) : us(20 + raw.raw[0] % (most - 20)), period};
      }
      const int node = static_cast<int>(4 + raw.raw[2] % (scs_.size() - 4));
      const u64 budget = raw.raw[0] % 5 == 0 ? period : us(20 + raw.raw[0] % (period / 1'000 - 20));
      return node == 4 ? wake_up : Op{Op::Configure, node, budget, period};  // node 4 is the ticker's
    }
    if (kind < 46) {
      const bool can = target.life == Life::Stopped || target.life == Life::Waiting;
      return can ? Op{Op::Resume, worker} : wake_up;
    }
    if (kind < 52) {
      const bool can =
          worker != kTicker && (target.life == Life::Ready || target.life == Life::Waiting) && !self.is_server;
      return can ? Op{Op::Suspend, worker} : wake_up;
    }
    if (kind < 64 || t == kTicker || self.is_server) return wake_up;
    if (kind < 82) return {Op::Call, pick(true)};
    return {Op::Wait, t};
  }

  void trap(u32 core, const Op& op) {
    write(model_.cores[core].current, op);
    enter(core, EntryKind::Syscall, op);
  }

  void write(int t, const Op& op) {
    const std::size_t target = static_cast<std::size_t>(op.target);
    UserFrame& frame = tcb(t).frame;
    IpcBuffer* buffer = reinterpret_cast<IpcBuffer*>(lab_.kernel().ram() + tcb(t).slots[kTcbBuffer].cap.object);
    const auto call = [&](Cptr cap, Invoke label, Words words, Cptr extra) {
      frame.call = static_cast<i32>(Syscall::Call);
      frame.cap = cap;
      frame.info =
          MessageInfo::make(static_cast<u64>(label), static_cast<u32>(words.size()), extra != 0 ? 1 : 0).word();
      for (std::size_t i = 0; i < words.size(); ++i) (i < 4 ? frame.mr[i] : buffer->msg[i]) = words[i];
      buffer->caps_or_badges[0] = extra;
    };
    frame = {};
    switch (op.kind) {
      case Op::Wait:
        frame.call = static_cast<i32>(Syscall::Wait);
        frame.cap = notifications_[static_cast<std::size_t>(t)];
        break;
      case Op::Signal:
        frame.call = static_cast<i32>(Syscall::Signal);
        frame.cap = notifications_[target];
        break;
      case Op::Yield: frame.call = static_cast<i32>(Syscall::Yield); break;
      case Op::Call: call(endpoints_[target - first_server()], static_cast<Invoke>(7), {1, 2}, 0); break;
      case Op::ReplyRecv:
        frame.call = static_cast<i32>(Syscall::ReplyRecv);
        frame.cap = endpoints_[static_cast<std::size_t>(t) - first_server()];
        frame.reply = replies_[static_cast<std::size_t>(t) - first_server()];
        break;
      case Op::SetPriority: call(tcbs_[target], Invoke::TcbSetPriority, {op.a}, kRootTcb); break;
      case Op::Consumed: call(scs_[target], Invoke::SchedContextConsumed, {}, 0); break;
      case Op::Suspend: call(tcbs_[target], Invoke::TcbSuspend, {}, 0); break;
      case Op::Resume: call(tcbs_[target], Invoke::TcbResume, {}, 0); break;
      case Op::Configure: {
        const SchedContext& node = sc(op.target);
        const Words words{op.a, op.b, node.refill_max - 2u, 0, node.config_flags, node.home};
        const int parent = model_.nodes[target].parent;
        if (parent < 0) {
          call(kRootSchedControl, Invoke::SchedControlConfigure, words, scs_[target]);
        } else {
          call(scs_[static_cast<std::size_t>(parent)], Invoke::SchedContextConfigureChild, words, scs_[target]);
        }
        break;
      }
    }
    frame.pending = 1;
  }
  std::size_t first_server() const { return tcbs_.size() - 2; }

  void enter(u32 core, EntryKind kind, const std::optional<Op>& op) {
    Entry entry;
    entry.core = static_cast<u16>(core);
    entry.kind = kind;
    entry.now = now_;
    entry.horizon = kNever;
    const int trapped = model_.cores[core].current;
    if (exploring_) {
      // Both sides ask in the same order, or they differ.
      entries_ += 1;
      asked_ = 0;
      model_.choose = [this](u32 count) { return next_answer(count); };
    }
    const sched_model::Leaving wanted = model_.enter(core, now_, op, kind == EntryKind::Poke);
    if (exploring_) {
      asked_ = 0;
      entry.choices = {[](void* self, Choice, u32 count) { return static_cast<Twins*>(self)->next_answer(count); },
                       this};
    }
    const Exit exit = lab_.kernel().enter(entry);
    compare(core, exit, wanted);
    if (op && op->kind == Op::Consumed && !model_.threads[static_cast<std::size_t>(trapped)].pending) {
      expect("consumed answer", tcb(trapped).frame.mr[0], model_.last_consumed);
    }
    restart_[core] = exit.restart;
    deadlines_[core] = exit.next ? now_ + exit.run_for : exit.timer != 0 ? exit.timer : kNever;
    for (u32 i = 0; i < lab_.kernel().core_count(); ++i) {
      if (exit.poke.test(i) && std::count(poked_.begin(), poked_.end(), i) == 0) poked_.push_back(i);
    }
    std::erase(poked_, core);  // it has just looked
    if (trouble_.empty()) check_no_higher_waits();
  }

  u32 next_answer(u32 count) {
    asked_ += 1;
    return static_cast<u32>(answers_.at(entries_, asked_) % count);
  }

  template <class A, class B>
  void expect(const std::string& what, const A& is, const B& should) {
    if (!trouble_.empty() || is == static_cast<A>(should)) return;
    std::ostringstream text;
    text << what << " is " << is << ", the model says " << should << " at " << now_;
    trouble_ = text.str();
  }

  void compare(u32 core, const Exit& exit, const sched_model::Leaving& wanted) {
    const std::string where = " of core " + std::to_string(core);
    expect("next" + where, exit.next ? thread_of(exit.next) : -1, wanted.next);
    expect("run_for" + where, exit.run_for, wanted.run_for);
    expect("timer" + where, exit.timer, wanted.timer);
    expect("restart" + where, exit.restart, wanted.restart);
    for (u32 i = 0; i < lab_.kernel().core_count(); ++i) {
      const bool poked = std::count(wanted.pokes.begin(), wanted.pokes.end(), i) > 0;
      expect("poke" + where + " for " + std::to_string(i), exit.poke.test(i), poked);
    }
    for (std::size_t n = 0; n < scs_.size(); ++n) {
      const std::string name = " of node " + std::to_string(n);
      const SchedContext& is = sc(static_cast<int>(n));
      const sched_model::Node& should = model_.nodes[n];
      expect("refills" + name, text_of(refills_of(is)), text_of(should.refills));
      expect("reserved" + name, is.reserved, should.reserved);
      expect("owed" + name, is.owed, should.owed);
      expect("consumed" + name, is.consumed, should.consumed);
      expect("slice" + name, is.slice_left, should.slice);
      expect("home" + name, u32{is.home}, should.home);
      expect("holder" + name, is.tcb ? thread_of(is.tcb) : -1, should.holder);
    }
    for (u32 i = 0; i < lab_.kernel().core_count(); ++i) {
      for (int priority = 0; priority < 256; ++priority) {
        std::string is;
        std::string should;
        for (Ref<Tcb> at = lab_.kernel().core(i).levels[priority].head; at; at = lab_.kernel().at(at).queue_next) {
          is += " " + std::to_string(thread_of(at));
        }
        for (const int t : model_.cores[i].queue) {
          if (model_.threads[static_cast<std::size_t>(t)].priority == priority) should += " " + std::to_string(t);
        }
        expect("queue " + std::to_string(priority) + " of core " + std::to_string(i), is, should);
      }
    }
    for (std::size_t t = 0; t < tcbs_.size(); ++t) {
      const std::string name = " of thread " + std::to_string(t);
      const Tcb& is = tcb(static_cast<int>(t));
      const sched_model::Thread& should = model_.threads[t];
      expect("core" + name, u32{is.core}, should.core);
      const bool broke = is.sc && lab_.kernel().at(is.sc).in_tree != 0;
      expect("waiting for budget" + name, broke, should.place == sched_model::Thread::OutOfBudget);
      if (broke)
        expect("wait_until" + name, lab_.kernel().at(is.sc).wait_until,
               model_.nodes[static_cast<std::size_t>(should.node)].wait_until);
    }
    if (!trouble_.empty()) return;
    const Violation broken = check_threads(lab_.kernel(), {scratch_.data(), scratch_.size()});
    expect("invariant", std::string(broken.name), std::string());
  }
  static std::string text_of(const std::vector<sched_model::Piece>& pieces) {
    std::string text;
    for (const sched_model::Piece& piece : pieces)
      text += " (" + std::to_string(piece.time) + ", " + std::to_string(piece.amount) + ")";
    return text;
  }

  // What the priorities promise, without the model: only a core that is still to be poked may be behind.
  void check_no_higher_waits() {
    for (u32 i = 0; i < lab_.kernel().core_count(); ++i) {
      if (std::count(poked_.begin(), poked_.end(), i) > 0) continue;
      const CoreState& core = lab_.kernel().core(i);
      for (int priority = 255; priority >= 0 && core.current && priority > lab_.kernel().at(core.current).priority;
           --priority) {
        if (core.levels[priority].head) expect("a higher thread waits on core " + std::to_string(i), priority, -1);
      }
    }
  }

  // Exact window sums: no window of one period holds more than the budget, over all cores. A fullest window begins
  // where a charge begins, or ends where one ends.
  void check_windows() {
    for (std::size_t n = 0; n < scs_.size(); ++n) {
      const sched_model::Node& node = model_.nodes[n];
      if (!node.limited() || node.measured_from_wake()) continue;
      for (const auto& [start, end] : node.used) {
        for (const u64 from : {start, end < node.period ? u64{0} : end - node.period}) {
          u64 sum = 0;
          for (const auto& [a, b] : node.used) {
            const u64 first = std::max(a, from);
            const u64 last = std::min(b, from + node.period);
            sum += first < last ? last - first : 0;
          }
          if (sum > node.budget) expect("use of node " + std::to_string(n) + " in a window", sum, node.budget);
        }
      }
    }
  }

  base::Prng prng_;
  Lab lab_;
  Model model_;
  std::vector<u8> scratch_;
  std::vector<Cptr> scs_;
  std::vector<Cptr> tcbs_;
  std::vector<Cptr> notifications_;
  std::vector<Cptr> endpoints_;
  std::vector<Cptr> replies_;
  std::vector<u64> deadlines_;
  std::vector<bool> restart_;
  std::vector<u32> poked_;
  u64 now_ = 0;
  bool finished_ = false;
  bool exploring_ = false;  // choices are answered at random, the same for both
  base::Prng answers_;
  u64 entries_ = 0;
  u64 asked_ = 0;
  std::string trouble_;
};

}  // namespace

TEST_CASE("who runs when, refills, reservations and consumed time are those of the naive model, on one to three cores",
          "[kernel][sched][model]") {
  for (u64 seed = 0; seed < rounds(300); ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.sched-steps"};
    const RawSteps steps = random_steps(prng, 300);
    const RunSteps run = [seed](const RawSteps& sequence) { return Twins(seed).run(sequence); };
    if (const std::string trouble = run(steps); !trouble.empty()) FAIL(report(steps, run));
  }
}

TEST_CASE("whatever the choice port answers, the kernel goes where the naive model goes", "[kernel][sched][model]") {
  for (u64 seed = 0; seed < rounds(200); ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.sched-steps"};
    const RawSteps steps = random_steps(prng, 300);
    const RunSteps run = [seed](const RawSteps& sequence) { return Twins(seed, true).run(sequence); };
    if (const std::string trouble = run(steps); !trouble.empty()) FAIL(report(steps, run));
  }
}
