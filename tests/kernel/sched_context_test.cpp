// Scheduling contexts: configuring, binding, lending, consumed time, YieldTo.
#include "tests/kernel/lab.h"

using namespace lab;

TEST_CASE("Configure checks budget, period, order, refills, home and type, each bound exactly.",
          "[kernel][sched-context][kernel.SC01]") {
  Options options;
  options.cores = 4;
  Lab lab(options);
  const Cptr sc = lab.sched_context(8);
  const std::string bounds = "RangeError(20000, 3600000000000)";
  const auto before = lab.object<SchedContext>(sc).refill_max;
  CHECK(lab.configure_sc(sc, kMinBudget - 1, ms(1)) == bounds);
  CHECK(lab.configure_sc(sc, kPeriodMax + 1, kPeriodMax) == bounds);
  CHECK(lab.configure_sc(sc, kMinBudget, kMinBudget - 1) == bounds);
  CHECK(lab.configure_sc(sc, ms(1), kPeriodMax + 1) == bounds);
  CHECK(lab.configure_sc(sc, kNever, kNever) == bounds);
  CHECK(lab.configure_sc(sc, ms(2) + 1, ms(2)) == "RangeError(20000, 2000000)");
  CHECK(lab.configure_sc(sc, ms(8) + 1, ms(2), 0, 0, kSchedInner) == "RangeError(20000, 8000000)");
  CHECK(lab.configure_sc(sc, ms(1), ms(2), 6) == "RangeError(0, 5)");  // room for 7
  CHECK(lab.configure_sc(sc, ms(1), ms(2), kNever) == "RangeError(0, 5)");
  CHECK(lab.configure_sc(lab.sched_context(9), ms(1), ms(2), 22) == "RangeError(0, 21)");
  CHECK(lab.configure_sc(sc, ms(1), ms(2), 0, 0, 0, 4) == "RangeError(0, 3)");
  const Cptr part = lab.slot();
  REQUIRE(lab.mint(part, kRootSchedControl, 1 | 2 << 16) == "ok");
  CHECK(lab.configure_sc(sc, ms(1), ms(2), 0, 0, 0, 0, part) == "RangeError(1, 2)");
  CHECK(lab.configure_sc(sc, ms(1), ms(2), 0, 0, 0, 3, part) == "RangeError(1, 2)");
  CHECK(lab.configure_sc(kRootReply, ms(1), ms(2)) == "InvalidCapability(1)");
  CHECK(lab.object<SchedContext>(sc).refill_max == before);
  CHECK(lab.configure_sc(sc, kMinBudget, kMinBudget, 0, 0, 0, 2, part) == "ok");
  CHECK(lab.configure_sc(sc, kPeriodMax, kPeriodMax, 5) == "ok");
  CHECK(lab.configure_sc(sc, ms(8), ms(2), 0, 0, kSchedInner) == "ok");
}

TEST_CASE("an inner node cannot have a thread, a leaf no children", "[kernel][sched-context]") {
  Lab lab;
  Thread& thread = lab.thread();
  CHECK(lab.configure_sc(thread.sc, ms(1), ms(2), 0, 0, kSchedInner) == "IllegalOperation");
  const Cptr parent = lab.configured_sc(ms(1), ms(2), 0, 0, kSchedInner);
  const Cptr child = lab.sched_context();
  REQUIRE(lab.configure_child(parent, child, ms(1), ms(2)) == "ok");
  CHECK(lab.configure_sc(parent, ms(1), ms(2)) == "IllegalOperation");
  CHECK(lab.object<SchedContext>(parent).first_child == lab.ref<SchedContext>(child));
}

TEST_CASE("Bind and Unbind refuse wrong types, double binding, inner nodes and the caller's own.",
          "[kernel][sched-context][kernel.SC02]") {
  Lab lab;
  Thread& thread = lab.thread({.scheduled = false});
  Thread& other = lab.thread();
  const Cptr sc = lab.configured_sc(ms(1), ms(1));
  const Cptr ntfn = lab.notification();
  CHECK(lab.bind(sc, lab.endpoint()) == "InvalidCapability(1)");
  CHECK(lab.bind(sc, kRootCNode) == "InvalidCapability(1)");
  CHECK(lab.invoke(sc, Invoke::SchedContextUnbindObject, {}, {lab.endpoint()}) == "InvalidCapability(1)");
  CHECK(lab.bind(sc, other.tcb) == "IllegalOperation");         // the thread has one
  CHECK(lab.bind(other.sc, thread.tcb) == "IllegalOperation");  // the SC has one
  const Cptr inner = lab.configured_sc(ms(1), ms(1), 0, 0, kSchedInner);
  CHECK(lab.bind(inner, thread.tcb) == "IllegalOperation");
  CHECK(lab.bind(inner, ntfn) == "IllegalOperation");
  REQUIRE(lab.bind(sc, thread.tcb) == "ok");
  CHECK(lab.bind(sc, thread.tcb) == "IllegalOperation");
  REQUIRE(lab.bind(sc, ntfn) == "ok");
  CHECK(lab.bind(sc, ntfn) == "IllegalOperation");
  CHECK(lab.bind(sc, lab.notification()) == "IllegalOperation");
  CHECK(lab.bind(other.sc, ntfn) == "IllegalOperation");
  CHECK(lab.unbind(kRootSchedContext) == "IllegalOperation");
  CHECK(lab.invoke(kRootSchedContext, Invoke::SchedContextUnbindObject, {}, {kRootTcb}) == "IllegalOperation");
  CHECK(lab.invoke(sc, Invoke::SchedContextUnbindObject, {}, {other.tcb}) == "IllegalOperation");
  CHECK(lab.invoke(sc, Invoke::SchedContextUnbindObject, {}, {lab.notification()}) == "IllegalOperation");
  CHECK(lab.invoke(sc, Invoke::SchedContextUnbindObject, {}, {ntfn}) == "ok");
  CHECK(lab.invoke(sc, Invoke::SchedContextUnbindObject, {}, {thread.tcb}) == "ok");
  CHECK(!thread.has_sc());
  CHECK(!lab.object<Notification>(ntfn).sc);
}

TEST_CASE("A thread with no, unconfigured or deleted scheduling context is runnable but never runs; binding starts it.",
          "[kernel][sched-context][kernel.SC03]") {
  Lab lab;
  const Cptr seen = lab.notification();
  Thread& thread = lab.thread({.scheduled = false});
  thread.later({signal(seen), spin()});
  lab.run(ms(1));
  CHECK(thread.state() == ThreadState::Restart);
  CHECK(lab.ran(thread) == 0);
  const Cptr sc = lab.sched_context();
  REQUIRE(lab.bind(sc, thread.tcb) == "ok");
  lab.run(ms(1));
  CHECK(lab.ran(thread) == 0);
  REQUIRE(lab.configure_sc(sc, ms(1), ms(1)) == "ok");
  lab.run(ms(1));
  CHECK(lab.ran(thread) > 0);
  CHECK(lab.root_does(poll(seen)) == "signal 0");
  REQUIRE(lab.remove(sc) == "ok");
  const u64 before = lab.ran(thread);
  lab.run(ms(5));
  CHECK(lab.ran(thread) == before);
  CHECK(thread.state() == ThreadState::Running);
  REQUIRE(lab.bind(lab.configured_sc(ms(1), ms(1)), thread.tcb) == "ok");
  lab.run(ms(1));
  CHECK(lab.ran(thread) > before);
}

TEST_CASE("Bind and Resume work in either order.", "[kernel][sched-context][kernel.SC04]") {
  for (const bool bind_first : {true, false}) {
    CAPTURE(bind_first);
    Lab lab;
    Thread& thread = lab.thread({.scheduled = false, .started = false});
    const Cptr sc = lab.configured_sc(ms(1), ms(1));
    const Cptr seen = lab.notification();
    thread.later(signal(seen));
    if (bind_first) REQUIRE(lab.bind(sc, thread.tcb) == "ok");
    REQUIRE(lab.resume(thread) == "ok");
    if (!bind_first) REQUIRE(lab.bind(sc, thread.tcb) == "ok");
    lab.settle();
    CHECK(lab.root_does(poll(seen)) == "signal 0");
  }
}

TEST_CASE("One bound to a thread and a notification leaves the thread when that waits.",
          "[kernel][sched-context][kernel.SC05]") {
  Lab lab;
  Thread& thread = lab.thread();
  const Cptr ntfn = lab.notification();
  REQUIRE(lab.bind(thread.sc, ntfn) == "ok");
  REQUIRE(thread.has_sc());
  REQUIRE(thread.does(wait(ntfn)) == "pending");
  CHECK(!thread.has_sc());
  CHECK(!lab.object<SchedContext>(thread.sc).tcb);
  CHECK(lab.object<SchedContext>(thread.sc).notification == lab.ref<Notification>(ntfn));
  const Cptr seen = lab.notification();
  thread.later(signal(seen));
  lab.root_does(signal(ntfn));
  lab.settle();
  CHECK(lab.root_does(poll(seen)) == "signal 0");
}

TEST_CASE("Reconfiguring under a running thread, up and down, never exceeds either bandwidth.",
          "[kernel][sched-context][property][kernel.SC06]") {
  for (u64 seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    Lab lab(free_options());
    base::Prng prng{seed, "test.reconfigure"};
    u64 budget = ms(2);
    u64 period = ms(10);
    Thread& thread = lab.thread({.budget = budget, .period = period});
    thread.later(spin());
    for (u32 round = 0; round < 6; ++round) {
      const u64 start = lab.now();
      lab.stretches.clear();
      lab.run(us(500 + prng.below(30'000)));
      CAPTURE(round, budget, period, start);
      CHECK(lab.most_in_window({&thread}, period) <= budget);
      period = us(2'000 + prng.below(10'000));
      budget = us(100 + prng.below(period / 1'000 - 100));
      REQUIRE(lab.configure_sc(thread.sc, budget, period) == "ok");
    }
  }
}

TEST_CASE("Deleting a lent one, a thread on a lent one, or unbinding it from the server stops exactly that work.",
          "[kernel][sched-context][kernel.SC07]") {
  for (const u32 how : {0u, 1u, 2u}) {
    CAPTURE(how);
    Lab lab;
    const Cptr endpoint = lab.endpoint();
    Thread& server = lab.passive_server(endpoint, lab.reply());
    Thread& client = lab.thread();
    Thread& bystander = lab.thread();
    server.later(spin());
    client.later(call(endpoint));
    bystander.later(spin());
    lab.run(ms(20));
    REQUIRE(lab.ran(server) > ms(4));
    switch (how) {
      case 0: REQUIRE(lab.remove(client.sc) == "ok"); break;
      case 1: REQUIRE(lab.remove(server.tcb) == "ok"); break;
      case 2: REQUIRE(lab.unbind(client.sc) == "ok"); break;
    }
    const u64 before = lab.ran(server);
    const u64 bystander_before = lab.ran(bystander);
    lab.run(ms(20));
    CHECK(lab.ran(server) == before);
    CHECK(lab.ran(bystander) > bystander_before + ms(19));
    if (how == 1) CHECK(client.outcome() == "pending");
  }
}

TEST_CASE("Consumed counts real use, resets, and is right across donation.", "[kernel][sched-context][kernel.SC08]") {
  Lab lab(free_options());
  const Cptr endpoint = lab.endpoint();
  const Cptr reply = lab.reply();
  Thread& server = lab.passive_server(endpoint, reply);
  Thread& client = lab.thread();
  lab.settle();
  lab.invoke(client.sc, Invoke::SchedContextConsumed);
  client.does(compute(us(50)));
  CHECK(lab.invoke(client.sc, Invoke::SchedContextConsumed) == "ok(50000)");
  CHECK(lab.invoke(client.sc, Invoke::SchedContextConsumed) == "ok(0)");
  server.later({compute(us(70)), reply_recv(endpoint, reply)});
  client.later({compute(us(20)), call(endpoint), compute(us(10))});
  lab.settle();
  CHECK(lab.invoke(client.sc, Invoke::SchedContextConsumed) == "ok(100000)");
  CHECK(lab.invoke(server.sc, Invoke::SchedContextConsumed).words.at(0) == 0);
}

TEST_CASE("YieldTo runs the target, returns its consumed time, refuses self, unbound and too high priority.",
          "[kernel][sched-context][kernel.SC09]") {
  Lab lab(free_options());
  Thread& caller = lab.thread({.mcp = 120});
  Thread& target = lab.thread({.priority = 100});
  Thread& rival = lab.thread({.priority = 100});
  Thread& high = lab.thread({.priority = 121});
  Thread& low = lab.thread({.priority = 99});
  lab.settle();
  CHECK(caller.does(invoke(caller.sc, Invoke::SchedContextYieldTo)) == "IllegalOperation");
  CHECK(caller.does(invoke(lab.configured_sc(ms(1), ms(1)), Invoke::SchedContextYieldTo)) == "IllegalOperation");
  CHECK(caller.does(invoke(high.sc, Invoke::SchedContextYieldTo)) == "IllegalOperation");
  lab.invoke(target.sc, Invoke::SchedContextConsumed);
  lab.stretches.clear();
  caller.later({compute(us(1)), invoke(target.sc, Invoke::SchedContextYieldTo), compute(us(2))});
  target.later(compute(us(30)));
  rival.later(compute(us(5)));
  lab.settle();
  CHECK(caller.outcome() == "ok(30000)");
  std::vector<Ref<Tcb>> order;
  for (const Stretch& stretch : lab.stretches) order.push_back(stretch.thread);
  CHECK(order == std::vector<Ref<Tcb>>{caller.ref, target.ref, caller.ref, rival.ref});
  low.later(compute(us(30)));
  caller.later(invoke(low.sc, Invoke::SchedContextYieldTo));
  lab.settle();
  CHECK(caller.outcome().ok());  // at once: a lower target is not run before its time
}

TEST_CASE("A YieldTo ends when the target blocks, is suspended, or either thread is deleted.",
          "[kernel][sched-context][kernel.SC10]") {
  for (const u32 how : {0u, 1u, 2u, 3u}) {
    CAPTURE(how);
    Lab lab(free_options());
    Thread& caller = lab.thread();
    Thread& target = lab.thread();
    lab.settle();
    lab.invoke(target.sc, Invoke::SchedContextConsumed);
    caller.later(invoke(target.sc, Invoke::SchedContextYieldTo));
    target.later(how == 0 ? compute(us(30)) : spin());
    lab.run(us(40));
    switch (how) {
      case 0: break;
      case 1: REQUIRE(lab.suspend(target) == "ok"); break;
      case 2: REQUIRE(lab.remove(target.tcb) == "ok"); break;
      case 3: REQUIRE(lab.remove(caller.tcb) == "ok"); break;
    }
    lab.run(us(40));
    CHECK(!lab.object<SchedContext>(target.sc).yield_from);
    if (how == 3) {
      CHECK(lab.ran(target) == us(80));
    } else {
      CHECK(caller.outcome() == (how == 0 ? "ok(30000)" : "ok(40000)"));
      CHECK(!caller.object().yield_to);
    }
  }
}

TEST_CASE("Suspend and Resume cannot gain budget.", "[kernel][sched-context][property][kernel.SC11]") {
  for (u64 seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    Lab lab(free_options());
    base::Prng prng{seed, "test.suspend"};
    Thread& thread = lab.thread({.budget = ms(2), .period = ms(10), .extra_refills = prng.below(4)});
    thread.later(spin());
    for (u32 round = 0; round < 40; ++round) {
      lab.run(us(100 + prng.below(2'500)));
      REQUIRE(lab.suspend(thread) == "ok");
      lab.run(us(prng.below(1'000)));
      REQUIRE(lab.resume(thread) == "ok");
    }
    CHECK(lab.most_in_window({&thread}, ms(10)) <= ms(2));
    CHECK(lab.ran(thread) > 0);
  }
}

TEST_CASE("unbinding and binding again cannot gain budget either", "[kernel][sched-context][property]") {
  Lab lab(free_options());
  Thread& one = lab.thread({.budget = ms(1), .period = ms(5)});
  Thread& two = lab.thread({.scheduled = false});
  one.later(spin());
  two.later(spin());
  Thread* holder = &one;
  for (u32 round = 0; round < 60; ++round) {
    lab.run(us(300 + 37 * round));
    Thread* next = holder == &one ? &two : &one;
    REQUIRE(lab.unbind(one.sc) == "ok");
    REQUIRE(lab.bind(one.sc, next->tcb) == "ok");
    holder = next;
  }
  CHECK(lab.most_in_window({&one, &two}, ms(5)) <= ms(1));
  CHECK(lab.ran(one) > 0);
  CHECK(lab.ran(two) > 0);
}
