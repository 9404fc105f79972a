// Deleting and revoking: what goes, what stays, and that it can be interrupted anywhere.
#include <pthread.h>

#include "tests/kernel/lab.h"

using namespace lab;

namespace {

/// Runs on a stack of 512 KiB: recursion along a chain of 10,000 would not fit.
void on_small_stack(std::function<void()> act) {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, 512 << 10) == 0);
  pthread_t thread;
  const auto run = [](void* argument) -> void* {
    (*static_cast<std::function<void()>*>(argument))();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, run, &act) == 0);
  REQUIRE(pthread_join(thread, nullptr) == 0);
  pthread_attr_destroy(&attributes);
}

u64 cnodes(const Lab& lab) {
  u64 count = 0;
  for (const Lab::SeenSlot& seen : lab.caps()) count += seen.slot.cap.type == CapType::CNode ? 1 : 0;
  return count;
}

/// A horizon that is always now: every preemptible operation stops after each unit.
void stop_after_every_unit(Lab& lab) {
  lab.horizon = [](u32, u64 now) { return now; };
}

/// A family of copies under an endpoint, shape by seed; all in `cnode`.
void random_family(Lab& lab, Cptr endpoint, Cptr cnode, u32 count, u64 seed) {
  base::Prng prng{seed, "test.family"};
  REQUIRE(lab.copy(Place(cnode, 0, 8), endpoint) == "ok");
  for (u32 i = 1; i < count; ++i) {
    const u64 from = prng.below(i);
    REQUIRE(lab.copy(Place(cnode, i, 8), Place(cnode, from, 8)) == "ok");
  }
}

}  // namespace

TEST_CASE("Delete of an empty slot succeeds.", "[kernel][revoke][kernel.RV01]") {
  Lab lab;
  const auto before = lab.caps();
  CHECK(lab.remove(lab.slot()) == "ok");
  CHECK(lab.revoke(lab.slot()) == "ok");
  CHECK(lab.caps() == before);
}

TEST_CASE("Deleting a middle capability gives its children to its parent; the previous sibling cannot revoke them.",
          "[kernel][revoke][kernel.RV02]") {
  Lab lab;
  const Cptr root = lab.endpoint();
  const Cptr after = lab.minted(root, 1);
  const Cptr middle = lab.minted(root, 2);
  const Cptr before = lab.minted(root, 3);  // the first child: the middle one's previous sibling
  const Cptr one = lab.copied(middle);
  const Cptr two = lab.copied(middle);
  REQUIRE(lab.remove(middle) == "ok");
  CHECK(lab.is_child(one, root));
  CHECK(lab.is_child(two, root));
  const auto offset = [&lab](Cptr at) { return lab.slot_ref(at).offset; };
  CHECK(lab.children_of(offset(root)) == std::vector<u32>{offset(before), offset(two), offset(one), offset(after)});
  REQUIRE(lab.revoke(before) == "ok");
  CHECK(!lab.is_null(one));
  CHECK(!lab.is_null(two));
  REQUIRE(lab.revoke(root) == "ok");
  CHECK(lab.is_null(one));
  CHECK(lab.is_null(two));
}

TEST_CASE("Revoke removes all descendants at any depth, and nothing else.", "[kernel][revoke][property][kernel.RV03]") {
  for (u64 seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    Lab lab;
    const Cptr endpoint = lab.endpoint();
    const Cptr cnode = lab.cnode(8);
    random_family(lab, endpoint, cnode, 60, seed);
    std::map<u32, u32> parents;  // slot offset → parent's, for the family
    const std::function<void(u32)> note = [&](u32 at) {
      for (const u32 child : lab.children_of(at)) {
        parents[child] = at;
        note(child);
      }
    };
    note(lab.slot_ref(endpoint).offset);
    base::Prng prng{seed, "test.victim"};
    const u64 victim = prng.below(60);
    const u32 victim_slot = lab.kernel().ref_of(lab.slot_in(cnode, victim)).offset;
    REQUIRE(lab.revoke(Place(cnode, victim, 8)) == "ok");
    for (u32 i = 0; i < 60; ++i) {
      CAPTURE(i, victim);
      const u32 offset = lab.kernel().ref_of(lab.slot_in(cnode, i)).offset;
      bool below = false;
      for (u32 at = offset; parents.count(at) != 0; at = parents[at]) below = below || parents[at] == victim_slot;
      CHECK(lab.slot_in(cnode, i).cap.is_null() == below);
    }
    CHECK(!lab.is_null(endpoint));
  }
}

TEST_CASE("Revoke of a copy removes what was derived from it and leaves its siblings.",
          "[kernel][revoke][kernel.RV04]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr one = lab.copied(endpoint);
  const Cptr two = lab.copied(endpoint);
  const Cptr under_one = lab.minted(one, 5);
  const Cptr deep = lab.copied(under_one);
  const Cptr under_two = lab.copied(two);
  REQUIRE(lab.revoke(one) == "ok");
  CHECK(lab.is_null(under_one));
  CHECK(lab.is_null(deep));
  CHECK(!lab.is_null(one));
  CHECK(!lab.is_null(two));
  CHECK(lab.is_child(under_two, two));
  CHECK(lab.object<Endpoint>(endpoint).header.cap_count == 4);
}

TEST_CASE(
    "Deleting the last capability of an endpoint restarts all waiters, whose calls then end in InvalidCapability.",
    "[kernel][revoke][kernel.RV05]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  std::vector<Thread*> callers;
  for (u32 i = 0; i < 5; ++i) callers.push_back(&lab.thread());
  for (Thread* caller : callers) REQUIRE(caller->does(call(endpoint, message(1))) == "pending");
  Thread& sender = lab.thread();
  REQUIRE(sender.does(send(endpoint)) == "pending");
  REQUIRE(lab.remove(endpoint) == "ok");
  for (Thread* caller : callers) CHECK(caller->state() == ThreadState::Restart);
  lab.settle();
  for (Thread* caller : callers) CHECK(caller->outcome() == "InvalidCapability(0)");
  CHECK(sender.outcome() == "done");  // only a Call is told
}

TEST_CASE("receivers of a deleted endpoint get a Cap fault when they try again", "[kernel][revoke][fault]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr handler_endpoint = lab.endpoint();
  Thread& handler = lab.thread({.priority = 120});
  Thread& receiver = lab.thread({.fault_endpoint = handler_endpoint});
  handler.does(recv(handler_endpoint));
  const Cptr reply = lab.reply();
  REQUIRE(receiver.does(recv(endpoint, reply)) == "pending");
  REQUIRE(lab.remove(endpoint) == "ok");
  lab.settle();
  CHECK(receiver.state() == ThreadState::BlockedOnReply);
  REQUIRE(handler.outcome().done);
  CHECK(handler.outcome().label == static_cast<u64>(FaultType::Cap));
  CHECK(handler.outcome().words.at(1) == endpoint);
  CHECK(handler.outcome().words.at(2) == 1);
}

TEST_CASE("Deleting the last capability of a notification unbinds thread and scheduling context and restarts waiters.",
          "[kernel][revoke][kernel.RV06]") {
  Lab lab;
  const Cptr bound = lab.notification();
  Thread& thread = lab.thread();
  const Cptr sc = lab.configured_sc(ms(1), ms(1));
  REQUIRE(lab.bind_notification(thread, bound) == "ok");
  REQUIRE(lab.bind(sc, bound) == "ok");
  REQUIRE(lab.remove(bound) == "ok");
  CHECK(!thread.object().bound_notification);
  CHECK(!lab.object<SchedContext>(sc).notification);
  const Cptr waited = lab.notification();
  Thread& one = lab.thread();
  Thread& two = lab.thread();
  REQUIRE(one.does(wait(waited)) == "pending");
  REQUIRE(two.does(wait(waited)) == "pending");
  REQUIRE(lab.remove(waited) == "ok");
  CHECK(one.state() == ThreadState::Restart);
  CHECK(two.state() == ThreadState::Restart);
  lab.settle();
  CHECK(one.state() == ThreadState::Inactive);  // waits on Null: a Cap fault without handler
  CHECK(lab.count_of(base::EventKind::TrapUnhandled) == 2);
}

TEST_CASE("Deleting a CNode destroys a chain of 10,000 nested CNodes in linear work and constant stack.",
          "[kernel][revoke][kernel.RV07]") {
  const auto entries_and_cost = [](u32 count) {
    Options options;
    options.check_every = 4099;
    Lab lab(options);
    lab.keep_events = false;
    const u64 before = cnodes(lab);
    // A chain grown at its end: the next CNode's cap goes into slot 1 of the last one.
    const Cptr outer = lab.cnode(1);
    const Cptr inner = lab.slot();
    const Cptr last = lab.copied(outer);
    for (u32 i = 1; i < count; ++i) {
      REQUIRE(lab.retype(lab.general_untyped, ObjectType::CNode, 1, inner) == "ok");
      REQUIRE(lab.move(Place(last, 1, 1), inner) == "ok");
      const Cptr next = inner;
      REQUIRE(lab.copy(next, Place(last, 1, 1)) == "ok");
      REQUIRE(lab.remove(last) == "ok");
      REQUIRE(lab.move(last, next) == "ok");
    }
    REQUIRE(lab.remove(last) == "ok");
    lab.check("building");
    const u64 start = lab.now();
    Outcome removed;
    on_small_stack([&] { removed = lab.remove(outer); });
    CHECK(removed == "ok");
    lab.check("deleting");
    CHECK(lab.zombies() == 0);
    CHECK(cnodes(lab) == before);
    return lab.now() - start;
  };
  const u64 small = entries_and_cost(1'000);
  const u64 large = entries_and_cost(10'000);
  CHECK(large <= 12 * small);
  CHECK(large >= 8 * small);
}

TEST_CASE("A CNode holding its own only capability is destroyed by Revoke of its Untyped.",
          "[kernel][revoke][kernel.RV08]") {
  Lab lab;
  const Cptr memory = lab.untyped(12);
  for (const u64 own_slot : {0, 1, 3}) {
    CAPTURE(own_slot);
    const Cptr cnode = lab.make(ObjectType::CNode, 2, memory);
    REQUIRE(lab.copy(Place(cnode, 2, 2), kRootReply) == "ok");
    REQUIRE(lab.move(Place(cnode, own_slot, 2), cnode) == "ok");
    REQUIRE(lab.revoke(memory) == "ok");
    CHECK(lab.children_of(lab.slot_ref(memory).offset).empty());
    CHECK(lab.zombies() == 0);
  }
}

TEST_CASE("two CNodes that hold each other are destroyed together by Revoke of their Untyped", "[kernel][revoke]") {
  for (const u64 a_slot : {0, 1}) {
    for (const u64 b_slot : {0, 1}) {
      CAPTURE(a_slot, b_slot);
      Lab lab;
      const Cptr memory = lab.untyped(12);
      const Cptr a = lab.make(ObjectType::CNode, 1, memory);
      const Cptr b = lab.make(ObjectType::CNode, 1, memory);
      REQUIRE(lab.move(Place(b, b_slot, 1), a) == "ok");
      REQUIRE(lab.copy(Place(b, b_slot << 1 | a_slot, 2), b) == "ok");  // through b into a
      REQUIRE(lab.remove(b) == "ok");
      REQUIRE(lab.children_of(lab.slot_ref(memory).offset).size() == 2);
      CHECK(lab.revoke(memory) == "ok");
      CHECK(lab.children_of(lab.slot_ref(memory).offset).empty());
      CHECK(lab.zombies() == 0);
    }
  }
}

TEST_CASE(
    "A Revoke interrupted after every unit, other threads running in between, ends in the same state as an "
    "uninterrupted one.",
    "[kernel][revoke][property][kernel.RV09]") {
  for (u64 seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    const auto run = [seed](bool interrupted) {
      Lab lab;
      const Cptr memory = lab.untyped(16);
      const Cptr endpoint = lab.make(ObjectType::Endpoint, 0, memory);
      const Cptr cnode = lab.make(ObjectType::CNode, 8, memory);
      random_family(lab, endpoint, cnode, 40, seed);
      Thread& victim = lab.thread();
      Thread& worker = lab.thread({.priority = 50});
      Thread& busy = lab.thread({.priority = 60});
      const Cptr ping = lab.notification();
      REQUIRE(victim.does(send(endpoint)) == "pending");
      busy.does(wait(ping));
      if (interrupted) {
        stop_after_every_unit(lab);
        worker.later(invoke(kRootCNode, Invoke::CNodeRevoke, {memory, 64}));
        for (u32 i = 0; i < 8; ++i) busy.later(wait(ping));
        for (u32 i = 0; i < 8; ++i) {
          lab.run(150);
          lab.root_does(signal(ping));
        }
        lab.settle();
        CHECK(worker.outcome() == "ok");
        CHECK(lab.count_of(base::EventKind::IpcAbort) > 0);
      } else {
        CHECK(worker.does(invoke(kRootCNode, Invoke::CNodeRevoke, {memory, 64})) == "ok");
      }
      lab.settle();
      CHECK(lab.zombies() == 0);
      return lab.caps();
    };
    const auto whole = run(false);
    const auto pieces = run(true);
    CHECK(whole == pieces);
  }
}

TEST_CASE("Revoking one's own container or thread stops safely.", "[kernel][revoke][kernel.RV10]") {
  Lab lab;
  const Cptr memory = lab.untyped(18);
  SECTION("its own thread") {
    const Cptr tcb = lab.make(ObjectType::Tcb, 0, memory);
    const Cptr sc = lab.configured_sc(ms(5), ms(5));
    Thread& self = lab.adopt(tcb);
    REQUIRE(lab.invoke(tcb, Invoke::TcbConfigure, {0, 0}, {kRootCNode, kRootVSpace, 0}) == "ok");
    REQUIRE(lab.invoke(tcb, Invoke::TcbSetSchedParams, {255, 100}, {kRootTcb, sc, 0}) == "ok");
    REQUIRE(lab.resume(self) == "ok");
    self.later(invoke(kRootCNode, Invoke::CNodeRevoke, {memory, 64}));
    lab.settle();
    CHECK(self.gone);
    CHECK(lab.revoke(memory) == "ok");
    CHECK(lab.zombies() == 0);
    CHECK(lab.children_of(lab.slot_ref(memory).offset).empty());
  }
  SECTION("its own CSpace") {
    const Cptr cnode = lab.make(ObjectType::CNode, 4, memory);
    REQUIRE(lab.copy(Place(cnode, 1, 4), kRootCNode) == "ok");
    const Cptr guarded = lab.slot();
    REQUIRE(lab.mint(guarded, cnode, 60) == "ok");
    Thread& self = lab.thread({.cspace = guarded, .parks = false});
    self.later(invoke(1, Invoke::CNodeRevoke, {memory, 64}));
    lab.run(ms(1));
    CHECK(lab.revoke(memory) == "ok");
    CHECK(lab.zombies() == 0);
    CHECK(self.object().slots[kTcbCSpace].cap.is_null());
  }
}

TEST_CASE(
    "The destroyer of a thread finishes the thread's unfinished deletions; after the last Revoke there is no Zombie.",
    "[kernel][revoke][kernel.RV11]") {
  Lab lab;
  const Cptr memory = lab.untyped(18);
  Thread& worker = lab.thread();
  const Cptr cnode = lab.make(ObjectType::CNode, 8, memory);
  for (u32 i = 0; i < 200; ++i) REQUIRE(lab.copy(Place(cnode, i, 8), kRootReply) == "ok");
  stop_after_every_unit(lab);
  worker.later(invoke(kRootCNode, Invoke::CNodeDelete, {cnode, 64}));
  lab.horizon = [](u32, u64 now) { return now + 700; };
  lab.run(us(2));
  REQUIRE(worker.object().reap_head);
  REQUIRE(lab.zombies() == 1);
  lab.horizon = nullptr;
  REQUIRE(lab.suspend(worker) == "ok");
  REQUIRE(lab.remove(worker.tcb) == "ok");
  CHECK(worker.gone);
  CHECK(lab.zombies() == 0);
  CHECK(lab.revoke(memory) == "ok");
  CHECK(lab.children_of(lab.slot_ref(memory).offset).empty());
}

TEST_CASE("CancelBadgedSends restarts exactly the senders with that badge and needs all four rights.",
          "[kernel][revoke][kernel.RV12]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr seven = lab.minted(endpoint, 7);
  const Cptr eight = lab.minted(endpoint, 8);
  std::vector<Thread*> senders;
  for (u32 i = 0; i < 6; ++i) {
    senders.push_back(&lab.thread());
    REQUIRE(senders.back()->does(send(i % 2 == 0 ? seven : eight)) == "pending");
  }
  for (u8 rights = 0; rights < 15; ++rights) {
    const Cptr weak = lab.minted(endpoint, 7, rights);
    CAPTURE(int(rights));
    CHECK(lab.cancel_badged_sends(weak) == "IllegalOperation");
  }
  CHECK(lab.cancel_badged_sends(endpoint) == "ok");  // badge 0: no effect
  CHECK(lab.cancel_badged_sends(kRootReply) == "IllegalOperation");
  for (Thread* sender : senders) CHECK(sender->state() == ThreadState::BlockedOnSend);
  REQUIRE(lab.cancel_badged_sends(seven) == "ok");
  for (u32 i = 0; i < 6; ++i) {
    CAPTURE(i);
    CHECK(senders[i]->state() == (i % 2 == 0 ? ThreadState::Restart : ThreadState::BlockedOnSend));
  }
}

TEST_CASE("CancelBadgedSends leaves a sender of a fault Inactive", "[kernel][revoke][fault]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr seven = lab.minted(endpoint, 7);
  Thread& faulty = lab.thread({.fault_endpoint = seven});
  faulty.does(fault(FaultType::UserException, {0, 0, 1, 2}));
  REQUIRE(faulty.state() == ThreadState::BlockedOnSend);
  REQUIRE(lab.cancel_badged_sends(seven) == "ok");
  CHECK(faulty.state() == ThreadState::Inactive);
}

TEST_CASE("CancelBadgedSends interrupted anywhere misses no sender that was queued when it began.",
          "[kernel][revoke][property][kernel.RV13]") {
  for (u64 seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    Lab lab;
    base::Prng prng{seed, "test.cancel"};
    const Cptr endpoint = lab.endpoint();
    const Cptr seven = lab.minted(endpoint, 7);
    const Cptr eight = lab.minted(endpoint, 8);
    std::vector<Thread*> senders;
    std::vector<bool> is_seven;
    for (u32 i = 0; i < 10; ++i) {
      senders.push_back(&lab.thread({.priority = static_cast<u8>(50 + prng.below(3))}));
      is_seven.push_back(prng.below(2) == 0);
      REQUIRE(senders.back()->does(send(is_seven.back() ? seven : eight)) == "pending");
    }
    Thread& canceller = lab.thread({.priority = 40});
    std::vector<bool> left(10);
    lab.after_entry = [&] {
      for (u32 i = 0; i < 10; ++i) left[i] = left[i] || senders[i]->state() != ThreadState::BlockedOnSend;
    };
    stop_after_every_unit(lab);
    canceller.later(invoke(kRootCNode, Invoke::CNodeCancelBadgedSends, {seven, 64}));
    // between the units, queued threads leave and change their places
    for (u32 i = 0; i < 6 && !canceller.finished(); ++i) {
      lab.run(120 + prng.below(200));
      const u64 who = prng.below(10);
      if (prng.below(2) == 0) {
        REQUIRE(lab.set_priority(*senders[who], 50 + prng.below(3)) == "ok");
      } else if (!is_seven[who]) {
        REQUIRE(lab.suspend(*senders[who]) == "ok");
      }
    }
    lab.horizon = nullptr;
    for (u32 i = 0; i < 1'000 && !canceller.finished(); ++i) lab.run(us(1));
    lab.after_entry = nullptr;
    CHECK(canceller.outcome() == "ok");
    for (u32 i = 0; i < 10; ++i) {
      CAPTURE(i);
      if (is_seven[i]) CHECK(left[i]);
    }
  }
}

TEST_CASE("A capability to a dying object is Null for everyone else.", "[kernel][revoke][kernel.RV14]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  std::vector<Thread*> waiters;
  for (u32 i = 0; i < 20; ++i) {
    waiters.push_back(&lab.thread({.priority = 30}));
    REQUIRE(waiters.back()->does(send(endpoint)) == "pending");
  }
  Thread& killer = lab.thread({.priority = 40});
  Thread& user = lab.thread({.priority = 90});
  const Cptr go = lab.notification();
  user.later({wait(go), call(endpoint, message(1))});
  lab.settle();
  lab.horizon = [](u32, u64 now) { return now; };
  killer.later(invoke(kRootCNode, Invoke::CNodeDelete, {endpoint, 64}));
  lab.run(1500);
  lab.horizon = nullptr;
  REQUIRE(!killer.finished());
  REQUIRE((lab.object<Endpoint>(endpoint).header.flags & kObjectDying) != 0);
  CHECK(lab.copy(lab.slot(), endpoint) == "FailedLookup(1, 2, 64)");
  CHECK(lab.copy(endpoint, kRootReply) == "DeleteFirst");  // its slot still counts as occupied
  CHECK(lab.root_does(call(endpoint)) == "InvalidCapability(0)");
  CHECK(lab.invoke(user.tcb, Invoke::TcbSetTimeoutEndpoint, {}, {endpoint}) == "ok");  // as an empty slot
  CHECK(user.object().slots[kTcbTimeoutEndpoint].cap.is_null());
  lab.root_does(signal(go));
  lab.settle();
  CHECK(user.outcome() == "InvalidCapability(0)");
  CHECK(killer.outcome() == "ok");
}

TEST_CASE("No entry goes more than one unit beyond its horizon.", "[kernel][revoke][property][kernel.RV15]") {
  const CostTable costs;
  for (u64 seed = 0; seed < 8; ++seed) {
    CAPTURE(seed);
    Lab lab;
    base::Prng prng{seed, "test.horizon"};
    const Cptr memory = lab.untyped(18);
    const Cptr endpoint = lab.make(ObjectType::Endpoint, 0, memory);
    const Cptr cnode = lab.make(ObjectType::CNode, 8, memory);
    random_family(lab, endpoint, cnode, 80, seed);
    u64 worst = 0;
    u64 horizon = 0;
    Thread& worker = lab.thread({.priority = 200});
    lab.horizon = [&](u32, u64 now) {
      horizon = now + prng.below(500);
      return horizon;
    };
    lab.after_entry = [&] {
      if (lab.now() > horizon) worst = std::max(worst, lab.now() - horizon);
    };
    worker.later(invoke(kRootCNode, Invoke::CNodeRevoke, {memory, 64}));
    lab.run(ms(1));
    lab.horizon = nullptr;
    lab.after_entry = nullptr;
    CHECK(worker.outcome() == "ok");
    // system call, lookups, one unit (≤ 1 µs), switching and scheduling
    CHECK(worst <=
          1'000 + costs.syscall + costs.thread_switch + costs.sc_switch + costs.schedule + 8 * costs.lookup_level);
  }
}
