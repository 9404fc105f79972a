// tests/kernel/ipc_model_test.cpp — IPC against its naive twin (ipc_model.h): random blocking programs of two to six
// threads over endpoints, notifications and reply objects, with faults and with the root task suspending, resuming and
// rebinding them; after each step states, messages, queues and the owners of scheduling contexts must agree.
#include "tests/kernel/ipc_model.h"
#include "tests/kernel/lab.h"
#include "tests/kernel/shrink.h"

using namespace lab;
using ipc_model::Model;
using ipc_model::Op;

namespace {

constexpr u32 kAlarm = 9;

class Twins {
 public:
  explicit Twins(u64 seed) : prng_(seed, "test.ipc-shape"), lab_(free_options()) {
    lab_.check_every = 0;
    lab_.keep_events = false;
    scratch_.resize(lab_.kernel().ram_bytes() / 16);
    build();
  }

  std::string run(const RawSteps& steps) {
    for (std::size_t i = 0; i < steps.size() && trouble_.empty(); ++i) step(steps[i]);
    return trouble_;
  }

 private:
  using Kind = ipc_model::Cap;

 public:
  /// The deepest call stack that was met.
  std::size_t deepest() const { return deepest_; }

 private:
  void add_cap(Kind::Kind kind, int object, u64 badge, bool grants, Cptr cptr) {
    model_.caps.push_back({kind, object, badge, grants});
    cptrs_.push_back(cptr);
  }

  void build() {
    for (int i = 0; i < 2; ++i) {
      endpoints_.push_back(lab_.endpoint());
      model_.endpoints.emplace_back();
      add_cap(Kind::Endpoint, i, 0, true, endpoints_.back());
      add_cap(Kind::Endpoint, i, 10u + static_cast<u64>(i), true,
              lab_.minted(endpoints_.back(), 10u + static_cast<u64>(i)));
      add_cap(Kind::Endpoint, i, 20, false, lab_.minted(endpoints_.back(), 20, kRightRead | kRightWrite));
    }
    for (int i = 0; i < 2; ++i) {
      notifications_.push_back(lab_.notification());
      model_.notifications.emplace_back();
      add_cap(Kind::Notification, i, u64{1} << i, true, lab_.minted(notifications_.back(), u64{1} << i));
    }
    for (int i = 0; i < 4; ++i) {
      replies_.push_back(lab_.reply());
      model_.replies.push_back(-1);
      add_cap(Kind::Reply, i, 0, true, replies_.back());
    }
    const u64 count = 2 + prng_.below(5);
    for (u64 i = 0; i < count; ++i) add_thread(static_cast<int>(i));
    if (prng_.below(2) == 0) {  // a notification that lends
      const Cptr sc = lab_.configured_sc(ms(5), ms(5));
      REQUIRE(lab_.bind(sc, notifications_[0]) == "ok");
      model_.notifications[0].sc = add_sc(sc, -1);
      model_.scs.back().notification = 0;
    }
    if (prng_.below(2) == 0) {
      const int bound = static_cast<int>(prng_.below(2));
      REQUIRE(lab_.invoke(tcbs_[0], Invoke::TcbBindNotification, {},
                          {notifications_[static_cast<std::size_t>(bound)]}) == "ok");
      model_.threads[0].bound = bound;
      model_.notifications[static_cast<std::size_t>(bound)].bound = 0;
    }
    park_ = lab_.notification();
    alarm_ = lab_.irq_handler(kAlarm, park_);
    // Some begin as passive servers, so that calls nest.
    const std::size_t servers = prng_.below(tcbs_.size());
    for (std::size_t i = tcbs_.size(); i-- > 0;) {
      root_calls(lab::invoke(tcbs_[i], Invoke::TcbResume));
      model_.resume(static_cast<int>(i));
      if (i < tcbs_.size() - servers) continue;
      root_calls(lab::wait(park_));
      const Op receive{
          .call = Syscall::Recv, .cap = static_cast<int>(i % 2) * 3, .reply = static_cast<int>(i % replies_.size())};
      model_.act(static_cast<int>(i), receive, false);
      perform(static_cast<int>(i), receive);
      const int sc = model_.threads[i].sc;
      root_calls(lab::invoke(scs_[static_cast<std::size_t>(sc)], Invoke::SchedContextUnbindObject, {}, {tcbs_[i]}));
      model_.unbind(sc, static_cast<int>(i));
    }
    root_calls(lab::wait(park_));
  }
  int add_sc(Cptr sc, int owner) {
    scs_.push_back(sc);
    model_.scs.emplace_back();
    model_.scs.back().owner = owner;
    return static_cast<int>(scs_.size()) - 1;
  }
  void add_thread(int index) {
    ThreadOptions options{.started = false, .parks = false};
    options.priority = static_cast<u8>(90 + prng_.below(3));
    const bool handled = prng_.below(2) == 0;
    options.fault_endpoint = handled ? cptrs_[1] : 0;
    lab::Thread& thread = lab_.thread(options);
    tcbs_.push_back(thread.tcb);
    model_.threads.emplace_back();
    model_.threads.back().priority = options.priority;
    model_.threads.back().fault_cap = handled ? 1 : -1;
    model_.threads.back().sc = add_sc(thread.sc, index);
  }

  Tcb& tcb(int t) { return lab_.object<Tcb>(tcbs_[static_cast<std::size_t>(t)]); }
  template <class T>
  int index_of(const std::vector<Cptr>& all, Ref<T> ref) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (ref && lab_.ref<T>(all[i]) == ref) return static_cast<int>(i);
    }
    return -1;
  }
  int current() { return index_of(tcbs_, lab_.kernel().core(0).current); }

  Exit enter(EntryKind kind, const FaultRecord& fault = {}) {
    Entry entry;
    entry.kind = kind;
    entry.irq = kAlarm;
    entry.now = lab_.kernel().core(0).local_time;  // nothing takes time
    entry.horizon = kNever;
    entry.fault = fault;
    return lab_.kernel().enter(entry);
  }
  // The root task, which is above everybody, makes one call.
  std::string root_calls(const Action& action) {
    Tcb& root = lab_.kernel().at(lab_.root().ref);
    if (!(lab_.kernel().core(0).current == lab_.root().ref)) {
      enter(EntryKind::Irq);
      root_calls(lab::invoke(alarm_, Invoke::IrqHandlerAck));
    }
    REQUIRE(lab_.kernel().core(0).current == lab_.root().ref);
    IpcBuffer& buffer = *lab_.root().buffer();
    const Message& body = action.message;
    root.frame = action.frame;
    root.frame.info =
        MessageInfo::make(body.label, static_cast<u32>(body.words.size()), static_cast<u32>(body.caps.size())).word();
    for (std::size_t i = 0; i < body.words.size(); ++i) (i < 4 ? root.frame.mr[i] : buffer.msg[i]) = body.words[i];
    for (std::size_t i = 0; i < body.caps.size(); ++i) buffer.caps_or_badges[i] = body.caps[i];
    root.frame.pending = 1;
    enter(EntryKind::Syscall);
    return std::to_string(MessageInfo{root.frame.info}.label());
  }

  void step(const RawStep& raw) {
    const int t = current();
    if (t < 0 || raw.raw[0] % 8 == 0) {
      interfere(raw);
    } else if (tcb(t).frame.pending != 0) {
      model_.act(t, model_.threads[static_cast<std::size_t>(t)].op, true);
      enter(EntryKind::Syscall);
    } else {
      const Op op = choose(t, raw);
      model_.act(t, op, false);
      perform(t, op);
    }
    compare();
    for (const ipc_model::Sc& sc : model_.scs) deepest_ = std::max(deepest_, sc.stack.size());
  }

  Op choose(int t, const RawStep& raw) {
    constexpr Syscall kCalls[] = {Syscall::Call,      Syscall::Call,       Syscall::Call,       Syscall::Send,
                                  Syscall::NBSend,    Syscall::Recv,       Syscall::Recv,       Syscall::ReplyRecv,
                                  Syscall::ReplyRecv, Syscall::NBSendRecv, Syscall::NBSendWait, Syscall::NBRecv,
                                  Syscall::Wait,      Syscall::NBWait};
    Op op;
    op.call = kCalls[raw.raw[1] % std::size(kCalls)];
    op.is_fault = raw.raw[1] / 64 % 16 == 0;
    const bool receives = op.call != Syscall::Call && op.call != Syscall::Send && op.call != Syscall::NBSend;
    // Reply caps are not received from; a bound notification is left to its thread.
    op.cap = static_cast<int>(raw.raw[2] % (receives ? 8u : cptrs_.size()));
    const ipc_model::Cap& cap = model_.caps[static_cast<std::size_t>(op.cap)];
    if (receives && cap.kind == Kind::Notification) {
      const int bound = model_.notifications[static_cast<std::size_t>(cap.object)].bound;
      if (bound >= 0 && bound != t) op.cap = 0;
    }
    op.reply = static_cast<int>(raw.raw[2] / 64 % replies_.size());
    op.dest = static_cast<int>(raw.raw[3] % cptrs_.size());
    op.label = raw.raw[3] / 64 % 3;
    op.word = ++words_;
    return op;
  }

  void perform(int t, const Op& op) {
    if (op.is_fault) {
      FaultRecord fault;
      fault.type = static_cast<u16>(FaultType::UserException);
      for (u64 i = 0; i < 3; ++i) fault.words[i] = i + 1;
      fault.words[3] = op.word;
      enter(EntryKind::Fault, fault);
      return;
    }
    UserFrame& frame = tcb(t).frame;
    frame = {};
    frame.call = static_cast<i32>(op.call);
    frame.cap = cptrs_[static_cast<std::size_t>(op.cap)];
    frame.reply = replies_[static_cast<std::size_t>(op.reply)];
    frame.dest = cptrs_[static_cast<std::size_t>(op.dest)];
    // A forged kernel bit does not arrive.
    frame.info = MessageInfo::make(op.label, 2, 0, op.word % 5 == 0 ? MessageInfo::kKernel : 0).word();
    frame.mr[0] = op.word;
    frame.mr[1] = op.label;
    frame.pending = 1;
    enter(EntryKind::Syscall);
  }

  void interfere(const RawStep& raw) {
    const int t = static_cast<int>(raw.raw[1] % tcbs_.size());
    const std::size_t at = static_cast<std::size_t>(t);
    const std::size_t sc = raw.raw[2] % scs_.size();
    const std::string refused = std::to_string(static_cast<u64>(ResultLabel::IllegalOperation));
    switch (raw.raw[3] % 12) {
      case 0:
      case 1:
      case 2:
        root_calls(lab::invoke(tcbs_[at], Invoke::TcbResume));
        model_.resume(t);
        break;
      case 3:
        root_calls(lab::invoke(tcbs_[at], Invoke::TcbSuspend));
        model_.suspend(t);
        break;
      case 4:
      case 5:
        root_calls(lab::signal(cptrs_[6 + raw.raw[2] % 2]));
        model_.signal(static_cast<int>(raw.raw[2] % 2), u64{1} << raw.raw[2] % 2);
        break;
      case 6:
      case 7: {  // mostly one that is free, to one that has none
        std::size_t wanted = sc;
        for (std::size_t i = 0; i < scs_.size() && model_.scs[wanted].owner >= 0; ++i)
          wanted = (wanted + 1) % scs_.size();
        const std::string said = root_calls(lab::invoke(scs_[wanted], Invoke::SchedContextBind, {}, {tcbs_[at]}));
        expect("bind", said, model_.bind(static_cast<int>(wanted), t) ? "0" : refused);
        break;
      }
      case 8:
      case 9: {  // a receiver becomes passive, as servers are
        const int own = model_.threads[at].sc;
        const std::size_t wanted = own >= 0 && raw.raw[2] % 4 != 0 ? static_cast<std::size_t>(own) : sc;
        if (model_.threads[at].state != ThreadState::BlockedOnReceive && raw.raw[2] % 4 != 0) break;
        const std::string said =
            root_calls(lab::invoke(scs_[wanted], Invoke::SchedContextUnbindObject, {}, {tcbs_[at]}));
        expect("unbind", said, model_.unbind(static_cast<int>(wanted), t) ? "0" : refused);
        break;
      }
      case 10: {
        const int priority = 90 + static_cast<int>(raw.raw[2] % 3);
        root_calls(lab::invoke(tcbs_[at], Invoke::TcbSetPriority, {static_cast<u64>(priority)}, {kRootTcb}));
        model_.set_priority(t, priority);
        break;
      }
      case 11: {
        const std::size_t r = raw.raw[2] % replies_.size();
        root_calls(lab::invoke(kRootCNode, Invoke::CNodeDelete, {replies_[r], 64}));
        model_.destroy_reply(static_cast<int>(r));
        const Words words{static_cast<u64>(ObjectType::Reply), 0, 0, 0, replies_[r], 1};
        expect("retype", root_calls(lab::invoke(lab_.general_untyped, Invoke::UntypedRetype, words, {kRootCNode})),
               "0");
        break;
      }
    }
    root_calls(lab::wait(park_));
  }

  template <class A, class B>
  void expect(const std::string& what, const A& is, const B& should) {
    if (!trouble_.empty() || is == static_cast<A>(should)) return;
    std::ostringstream text;
    text << what << " is " << is << ", the model says " << should;
    trouble_ = text.str();
  }
  std::string waiters(Ref<Tcb> head) {
    std::string text;
    for (Ref<Tcb> at = head; at; at = lab_.kernel().at(at).queue_next)
      text += " " + std::to_string(index_of(tcbs_, at));
    return text;
  }
  static std::string text_of(const std::vector<int>& all) {
    std::string text;
    for (const int one : all) text += " " + std::to_string(one);
    return text;
  }

  void compare() {
    for (int t = 0; t < static_cast<int>(tcbs_.size()); ++t) compare_thread(t);
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      expect("queue of endpoint " + std::to_string(i), waiters(lab_.object<::kernel::Endpoint>(endpoints_[i]).head),
             text_of(model_.endpoints[i].waiting));
    }
    for (std::size_t i = 0; i < notifications_.size(); ++i) {
      const auto& is = lab_.object<::kernel::Notification>(notifications_[i]);
      const std::string name = " of notification " + std::to_string(i);
      expect("queue" + name, waiters(is.head), text_of(model_.notifications[i].waiting));
      expect("active" + name, is.state == NotificationState::Active, model_.notifications[i].active);
      expect("word" + name, is.word, model_.notifications[i].word);
    }
    for (std::size_t i = 0; i < replies_.size(); ++i) {
      expect("thread of reply " + std::to_string(i), index_of(tcbs_, lab_.object<::kernel::Reply>(replies_[i]).tcb),
             model_.replies[i]);
    }
    for (std::size_t i = 0; i < scs_.size(); ++i) {
      const SchedContext& is = lab_.object<SchedContext>(scs_[i]);
      expect("owner of SC " + std::to_string(i), index_of(tcbs_, is.tcb), model_.scs[i].owner);
      std::string stack;
      for (Ref<::kernel::Reply> at = is.reply; at; at = lab_.kernel().at(at).prev) {
        stack = " " + std::to_string(index_of(replies_, at)) + stack;
      }
      expect("call stack of SC " + std::to_string(i), stack, text_of(model_.scs[i].stack));
    }
    const int t = current();
    if (t >= 0)
      expect("may the current thread run", model_.is_runnable(t) && model_.threads[static_cast<std::size_t>(t)].sc >= 0,
             true);
    if (!trouble_.empty()) return;
    const Violation broken = check_threads(lab_.kernel(), {scratch_.data(), scratch_.size()});
    expect("invariant", std::string(broken.name), std::string());
  }

  void compare_thread(int t) {
    const Tcb& is = tcb(t);
    const ipc_model::Thread& should = model_.threads[static_cast<std::size_t>(t)];
    const std::string name = " of thread " + std::to_string(t);
    // A thread that was picked has left Restart behind, unless its call is still to be repeated.
    const bool picked = is.state == ThreadState::Running && should.state == ThreadState::Restart;
    if (!picked) expect("state" + name, static_cast<u32>(is.state), static_cast<u32>(should.state));
    expect("pending" + name, is.frame.pending != 0, should.pending);
    expect("SC" + name, index_of(scs_, is.sc), should.sc);
    expect("reply" + name, index_of(replies_, is.reply), should.reply);
    expect("fault" + name, is.fault.type != 0, should.faulted);
    if (!should.told.any || should.pending) return;
    const MessageInfo info{is.frame.info};
    expect("kernel bit" + name, info.from_kernel(), should.told.kernel);
    expect("label" + name, info.label(), should.told.label);
    expect("badge" + name, is.frame.cap, should.told.badge);
    expect("length" + name, std::size_t{info.length()}, should.told.words.size());
    for (std::size_t i = 0; i < should.told.words.size(); ++i)
      expect("word" + name, is.frame.mr[i], should.told.words[i]);
  }

  base::Prng prng_;
  Lab lab_;
  Model model_;
  std::vector<u8> scratch_;
  std::vector<Cptr> cptrs_;
  std::vector<Cptr> endpoints_;
  std::vector<Cptr> notifications_;
  std::vector<Cptr> replies_;
  std::vector<Cptr> tcbs_;
  std::vector<Cptr> scs_;
  Cptr park_ = 0;
  Cptr alarm_ = 0;
  u64 words_ = 100;
  std::size_t deepest_ = 0;
  std::string trouble_;
};

}  // namespace

TEST_CASE("states, messages and owners of scheduling contexts are those of the naive model, for random programs",
          "[kernel][ipc][model]") {
  std::size_t deepest = 0;
  for (u64 seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.ipc-steps"};
    const RawSteps steps = random_steps(prng, 250);
    const RunSteps run = [seed, &deepest](const RawSteps& sequence) {
      Twins twins(seed);
      const std::string trouble = twins.run(sequence);
      deepest = std::max(deepest, twins.deepest());
      return trouble;
    };
    if (const std::string trouble = run(steps); !trouble.empty()) FAIL(report(steps, run));
  }
  CHECK(deepest >= 3);  // the programs do nest their calls
}
