// tests/kernel/lab.h — a laboratory for the kernel: one node with K cores in a small deterministic world, where tests
// write down what threads do and look at what came of it. The root task makes every object by real invocations; a
// thread with nothing to do waits on a notification of its own ("parked"), so that every priority and core behaves as
// in the real world. All invariants are checked after every entry.
#pragma once
#include <catch2/catch.hpp>

#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "kernel-model/cspace.h"
#include "kernel-model/kernel.h"
#include "kernel-model/vspace.h"

namespace lab {

using namespace kernel;  // NOLINT: the tests' own vocabulary is the kernel's
using Cptr = u64;
using Words = std::vector<u64>;

constexpr u64 us(u64 n) { return n * 1'000; }
constexpr u64 ms(u64 n) { return n * 1'000'000; }
constexpr u64 kNever = ~u64{0};
constexpr u32 kRootLine = 255;  // the interrupt line that wakes the root task

/// A cost table in which nothing takes time: for tests of exact moments.
CostTable free_of_charge();

// ── What a thread can do ─────────────────────────────────────────────────────────────────────────────────────
struct Message {
  u64 label = 0;
  Words words;
  std::vector<Cptr> caps;
  bool in_buffer = false;
  u64 raw_info = 0;  // flags forged into the info word
};
Message message(u64 label, Words words = {}, std::vector<Cptr> caps = {});

struct Action {
  enum class Kind : u8 { Call, Compute, Spin, Fault } kind = Kind::Call;
  UserFrame frame;
  Message message;
  u64 ns = 0;
  FaultRecord fault;
};
Action send(Cptr cap, Message message = {});
Action nb_send(Cptr cap, Message message = {});
Action call(Cptr cap, Message message = {});
Action recv(Cptr cap, Cptr reply = kRootReply);
Action nb_recv(Cptr cap, Cptr reply = kRootReply);
Action reply_recv(Cptr cap, Cptr reply, Message message = {});
Action nb_send_recv(Cptr dest, Message message, Cptr cap, Cptr reply = kRootReply);
Action nb_send_wait(Cptr dest, Message message, Cptr cap);
Action wait(Cptr cap);
Action nb_wait(Cptr cap);
Action signal(Cptr cap);
Action poll(Cptr cap);
Action yield();
Action system_call(i32 number, Message message = {}, Cptr cap = 0);
Action invoke(Cptr cap, Invoke label, Words words = {}, std::vector<Cptr> caps = {});
Action compute(u64 ns);
Action spin();
Action fault(FaultType type, Words words);

// ── What a thread was told ───────────────────────────────────────────────────────────────────────────────────
struct Outcome {
  bool done = false;
  bool kernel = false;
  bool received = false;  // by a call that receives messages
  bool is_reply = false;  // to a Call
  bool in_buffer = false;
  i32 call = 0;
  u64 label = 0;
  u32 length = 0;
  Words words;
  u64 badge = 0;
  u32 extra_caps = 0;
  u64 unwrapped = 0;
  u64 badges[3] = {};
  u64 mr[4] = {};

  bool ok() const { return done && kernel && label == 0; }
  /// "pending", "ok", "ok(5)", "RangeError(1, 64)", "signal 6", "nothing", "fault 6(…) badge 1", "9(1, 2) badge 77".
  std::string text() const;
  friend bool operator==(const Outcome& outcome, const std::string& expected) { return outcome.text() == expected; }
};
std::ostream& operator<<(std::ostream& out, const Outcome& outcome);

struct ThreadOptions {
  u8 priority = 100;
  u8 mcp = 255;
  u32 core = 0;
  u64 budget = ms(5);
  u64 period = 0;  // 0: as long as the budget, round robin
  u64 extra_refills = 0;
  u64 badge = 0;
  u64 flags = 0;
  bool scheduled = true;  // false: no SC, a passive thread
  Cptr sc = 0;            // instead of one of its own
  bool buffer = true;
  bool started = true;
  Cptr cspace = kRootCNode;
  Cptr vspace = kRootVSpace;
  Cptr fault_endpoint = 0;
  Cptr timeout_endpoint = 0;
  bool parks = true;  // false: with nothing to do it spins
  u32 sc_bits = 8;
};

class Lab;

class Thread {
 public:
  /// Does this as soon as it runs; then the world goes on until nothing more happens. What the thread was told.
  Outcome does(Action action);
  /// The same, to be done when its turn comes; nothing happens yet.
  Thread& later(Action action);
  Thread& later(std::initializer_list<Action> actions);
  /// The answer to the last call that was issued.
  Outcome outcome();
  bool finished() const;  // nothing left to do, nothing pending
  ThreadState state() const;
  Tcb& object() const;
  SchedContext& sc_object() const;
  u32 id() const { return object().thread_id; }
  bool has_sc() const { return bool(object().sc); }
  /// Where received caps go.
  void receive_into(Cptr cnode, u64 index, u64 depth);
  IpcBuffer* buffer() const;
  void forget() { script_.clear(); }

  Cptr tcb = 0;
  Cptr sc = 0;
  Cptr park = 0;
  Ref<Tcb> ref;
  std::string name;
  /// Time spent in user mode.
  u64 ran_ns = 0;
  bool gone = false;  // destroyed
  void capture();

 private:
  friend class Lab;
  Lab* lab_ = nullptr;
  std::deque<Action> script_;
  bool issued_ = false;  // the call of the frame belongs to the front of the script, or to parking
  bool parking_ = false;
  bool parks_ = true;
  Outcome last_;
  bool parked() const;
};

/// A slot as CNode operations name it.
struct Place {
  Cptr cnode = kRootCNode;
  u64 index = 0;
  u64 depth = 64;
  Place(Cptr slot) : index(slot) {}  // NOLINT: a slot of the root CNode is a place
  Place(Cptr in, u64 at, u64 bits) : cnode(in), index(at), depth(bits) {}
};

struct Options {
  u32 cores = 1;
  u64 ram_bytes = u64{16} << 20;
  bool stealing = false;
  CostTable costs;
  std::vector<DeviceConfig> devices;
  std::vector<u8> image;
  u32 check_every = 1;  // long runs check only every n-th entry
};
Options free_options(u32 cores = 1);

/// One stretch of user time.
struct Stretch {
  Ref<Tcb> thread;
  u32 core = 0;
  u64 from = 0;
  u64 to = 0;
};

class Lab final : private MachinePort {
 public:
  explicit Lab(Options options = {});
  ~Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;
  /// The same world over a copy of the memory at another address.
  std::unique_ptr<Lab> fork() const;

  // ── Objects, made by the root task; each must succeed ────────────────────────────────────────────────────
  Cptr slot() { return next_slot_++; }
  Cptr slots(u32 count);
  /// A slot holding a new object. `from`: the Untyped; 0 is the lab's own.
  Cptr make(ObjectType type, u32 size_bits = 0, Cptr from = 0);
  Cptr endpoint() { return make(ObjectType::Endpoint); }
  Cptr notification() { return make(ObjectType::Notification); }
  Cptr reply() { return make(ObjectType::Reply); }
  Cptr cnode(u32 radix) { return make(ObjectType::CNode, radix); }
  Cptr untyped(u32 bits) { return make(ObjectType::Untyped, bits); }
  Cptr tcb() { return make(ObjectType::Tcb); }
  Cptr sched_context(u32 bits = 8) { return make(ObjectType::SchedContext, bits); }
  Cptr configured_sc(u64 budget, u64 period, u64 extra = 0, u64 badge = 0, u64 flags = 0, u32 home = 0, u32 bits = 8);
  Cptr frame(u32 bits = 12) { return make(ObjectType::Frame, bits); }
  Cptr page_table() { return make(ObjectType::PageTable); }
  /// A VSpace with an ASID.
  Cptr vspace(u64 kind = 0);
  Cptr minted(Cptr source, u64 badge, u8 rights = kRightsAll);
  Cptr copied(Cptr source, u8 rights = kRightsAll);
  /// A handler of an interrupt line, with the (possibly badged) notification set.
  Cptr irq_handler(u32 line, Cptr notification, u32 core = 0);
  Thread& thread(ThreadOptions options = {});
  /// A thread with a Reply object that waits in Recv on the endpoint and has given up its SC.
  Thread& passive_server(Cptr endpoint, Cptr reply, ThreadOptions options = {});
  /// The lab's view of a thread made by hand.
  Thread& adopt(Cptr tcb, bool parks = false);

  // ── Invocations by the root task, at once; the other threads do not run meanwhile ────────────────────────
  Outcome invoke(Cptr cap, Invoke label, Words words = {}, std::vector<Cptr> caps = {});
  Outcome root_does(Action action);
  Outcome retype(Cptr untyped, ObjectType type, u64 size_bits, Cptr first, u64 count = 1);
  Outcome copy(Place to, Place from, u64 rights = kRightsAll);
  Outcome mint(Place to, Place from, u64 data, u64 rights = kRightsAll);
  Outcome move(Place to, Place from);
  Outcome mutate(Place to, Place from, u64 data);
  Outcome rotate(Place to, Place pivot, Place from, u64 pivot_data = 0, u64 source_data = 0);
  Outcome revoke(Place at);
  Outcome remove(Place at);
  Outcome cancel_badged_sends(Place at);
  Outcome suspend(const Thread& thread) { return invoke(thread.tcb, Invoke::TcbSuspend); }
  Outcome resume(const Thread& thread) { return invoke(thread.tcb, Invoke::TcbResume); }
  Outcome set_priority(const Thread& thread, u64 priority, Cptr authority = kRootTcb);
  Outcome bind(Cptr sc, Cptr object) { return invoke(sc, Invoke::SchedContextBind, {}, {object}); }
  Outcome unbind(Cptr sc) { return invoke(sc, Invoke::SchedContextUnbind); }
  Outcome bind_notification(const Thread& thread, Cptr notification);
  Outcome configure_sc(Cptr sc, u64 budget, u64 period, u64 extra = 0, u64 badge = 0, u64 flags = 0, u64 home = 0,
                       Cptr control = kRootSchedControl);
  Outcome configure_child(Cptr parent, Cptr child, u64 budget, u64 period, u64 extra = 0, u64 badge = 0, u64 flags = 0,
                          u64 home = 0);
  Outcome map(Cptr frame, Cptr vspace, u64 vaddr, u64 rights = kRightRead | kRightWrite, u64 attributes = 0);
  Outcome map_table(Cptr table, Cptr vspace, u64 vaddr);

  // ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────
  /// The world goes on until nothing happens any more (or, with spinning threads, nothing new for a while).
  void settle();
  void run_until(u64 time);
  void run(u64 ns) { run_until(now() + ns); }
  /// The latest moment of the world.
  u64 now() const { return now_; }
  void raise_irq(u32 line) { raise_irq_at(line, now_); }
  void raise_irq_at(u32 line, u64 time);
  /// Horizon of each entry; unset: the next outside event of the core.
  std::function<u64(u32 core, u64 now)> horizon;
  /// Called after each entry, invariants checked.
  std::function<void()> after_entry;

  // ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────
  Kernel& kernel() { return *kernel_; }
  const BootInfo& boot_info() const;
  Slot& slot_of(Cptr slot);
  Cap& cap(Cptr slot) { return slot_of(slot).cap; }
  Slot& slot_in(Cptr cnode, u64 index);
  bool is_null(Cptr slot) { return cap(slot).is_null(); }
  template <class T>
  T& object(Cptr slot) {
    return kernel_->at(Ref<T>{cap(slot).object});
  }
  template <class T>
  Ref<T> ref(Cptr slot) {
    return Ref<T>{cap(slot).object};
  }
  Ref<Slot> slot_ref(Cptr slot) { return kernel_->ref_of(slot_of(slot)); }
  /// Offset of the parent slot in the derivation tree; 0 for the anchor.
  u32 parent_of(Cptr slot);
  bool is_child(Cptr child, Cptr parent) { return parent_of(child) == slot_ref(parent).offset; }
  std::vector<u32> children_of(u32 slot_offset) const;
  /// Every slot in canonical order: offset and 32 bytes. Equal pictures: no capability changed.
  struct SeenSlot {
    u32 offset;
    Slot slot;
    bool operator==(const SeenSlot& other) const;
  };
  std::vector<SeenSlot> caps() const;
  /// The refills of an SC as "(time,amount) …", times since `start`, in units of `unit`.
  std::string refills(Cptr sc, u64 start, u64 unit = ms(1));
  u32 zombies() const;
  /// Free bytes of an Untyped by its watermark.
  u64 bytes_left(Cptr untyped);
  bool all_zero(u64 offset, u64 bytes) const;
  base::Digest digest() const { return kernel_->state_digest(); }
  Thread& root() { return threads_.front(); }
  Thread* running_on(u32 core);
  std::vector<base::EventRecord> events_of(base::EventKind kind) const;
  u64 count_of(base::EventKind kind) const { return events_of(kind).size(); }
  std::vector<base::EventRecord> events;
  std::vector<Stretch> stretches;
  u64 ran(const Thread& thread, u64 from = 0, u64 to = kNever) const;
  /// The most user time of these threads in any window of this length.
  u64 most_in_window(const std::vector<const Thread*>& threads, u64 window) const;
  u64 entries = 0;
  u64 longest_overrun = 0;  // of an entry beyond its horizon, ns
  u32 check_every = 1;
  bool keep_events = true;
  bool keep_stretches = true;
  void check(const std::string& after);

  // What the kernel asked of the machine.
  std::vector<u32> threads_gone;
  std::vector<u32> spaces_gone;
  std::vector<std::pair<u32, bool>> lines_armed;
  Cptr general_untyped = 0;

 private:
  friend class Thread;
  struct Core {
    u64 time = 0;
    Thread* thread = nullptr;
    u64 run_end = 0;
    u64 timer = 0;
    bool restart = false;
    bool again = false;  // to be entered at once
  };
  struct Outside {
    u64 time;
    u64 sequence;
    u32 core;
    EntryKind kind;
    u32 irq;
  };
  struct Next {
    u64 time = kNever;
    u32 core = 0;
    int outside = -1;
    EntryKind kind = EntryKind::Expiry;
  };
  explicit Lab(const Lab& other, int);
  void mmu_write(u32, u32, u32) override {}
  void arena_changed(Ref<VSpace>, u64, u64, bool) override {}
  void thread_reset(Ref<Tcb>) override {}
  void thread_gone(Ref<Tcb> thread) override;
  void vspace_gone(Ref<VSpace> space) override { spaces_gone.push_back(space.offset); }
  void irq_armed(u32 line, bool armed) override { lines_armed.emplace_back(line, armed); }

  // The kernel writes its events here; they are moved to `events` after each entry.
  struct Log : base::EventLog {
    base::Event places[64];
    Lab* lab = nullptr;
  };
  void drain();
  Log log_;
  base::D128 leaves_[base::kLaneCount];
  std::vector<u64> woken_by_;

  void map_memory();
  void enter(const Entry& entry, const std::string& what);
  Thread* thread_of(Ref<Tcb> ref);
  Next next_entry();
  void perform(const Next& next);
  void pass_user_time(u32 core, u64 until);
  void issue(Thread& thread);
  void wake_root();
  /// Wakes the parked threads that have something to do; then the root task lets go.
  void unpark_all();
  bool progress_ = false;
  bool root_holds_ = true;  // the root task is awake and does only what it is told

  Options options_;
  u8* ram_ = nullptr;
  std::vector<u8> scratch_;
  std::unique_ptr<Kernel> kernel_;
  std::deque<Thread> threads_;
  std::map<u32, Thread*> by_ref_;
  std::vector<Core> cores_;
  std::vector<Outside> outside_;
  u64 sequence_ = 0;
  u64 now_ = 0;
  u64 next_slot_ = 0;
  Cptr root_irq_ = 0;
  u32 root_cnode_ = 0;
  std::vector<Thread*> to_unpark_;
};

/// Runs `lab.settle()` after the root task's invocation, for one-line expectations.
Outcome settled(Lab& lab, Outcome outcome);

}  // namespace lab
