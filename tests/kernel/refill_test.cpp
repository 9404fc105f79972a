// Budgets and refills: sporadic servers to the nanosecond.
#include "tests/kernel/lab.h"

using namespace lab;

namespace {

u64 first_run_after(const Lab& lab, const Thread& thread, u64 time) {
  for (const Stretch& stretch : lab.stretches) {
    if (stretch.thread == thread.ref && stretch.from >= time) return stretch.from;
  }
  return kNever;
}

}  // namespace

TEST_CASE("The example of §5.4, entry by entry, with 3 and with 2 refills.", "[kernel][refill][kernel.RF01]") {
  for (const u64 extra : {1, 0}) {
    CAPTURE(extra);
    Lab lab(free_options());
    const Cptr go = lab.notification();
    Thread& thread = lab.thread({.budget = ms(4), .period = ms(10), .extra_refills = extra});
    thread.later({wait(go), compute(ms(1)), wait(go), compute(ms(2)), wait(go), compute(ms(4)), wait(go)});
    lab.run(ms(3));
    const u64 start = lab.now();
    const auto at = [&](u64 time) { lab.run_until(start + ms(time)); };
    lab.root_does(signal(go));
    at(2);
    CHECK(lab.refills(thread.sc, start) == "(0,3) (10,1)");
    at(5);
    lab.root_does(signal(go));
    at(7);
    if (extra == 0) {
      CHECK(lab.refills(thread.sc, start) == "(5,1) (14,3)");
      continue;
    }
    CHECK(lab.refills(thread.sc, start) == "(5,1) (10,1) (15,2)");
    at(8);
    lab.root_does(signal(go));
    lab.run_until(start + ms(9) + 1);
    CHECK(lab.refills(thread.sc, start) == "(10,1) (15,2) (18,1)");
    at(18);
    CHECK(lab.refills(thread.sc, start) == "(18,1) (20,1) (25,2)");
    CHECK(lab.ran(thread, start + ms(8), start + ms(9)) == ms(1));
    CHECK(lab.ran(thread, start + ms(10), start + ms(11)) == ms(1));
    CHECK(lab.ran(thread, start + ms(15), start + ms(17)) == ms(2));
    CHECK(lab.ran(thread, start) == ms(7));
    for (const u64 from : {0, 5, 7}) CHECK(lab.ran(thread, start + ms(from), start + ms(from + 10)) == ms(4));
  }
}

TEST_CASE("In every window of one period a thread uses at most its budget, for 200 seeds of blocking and preemption.",
          "[kernel][refill][property][kernel.RF02]") {
  for (u64 seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    Options options = free_options();
    options.check_every = 5;
    Lab lab(options);
    base::Prng prng{seed, "test.window"};
    const u64 period = us(1'000 + prng.below(9'000));
    const u64 budget = us(50 + prng.below(period / 1'000 - 60));
    Thread& thread = lab.thread({.budget = budget, .period = period, .extra_refills = prng.below(6)});
    Thread& bully = lab.thread({.priority = 150});
    const Cptr go = lab.notification();
    for (u32 i = 0; i < 25; ++i) {
      thread.later(compute(us(1 + prng.below(budget / 500))));
      if (prng.below(3) != 0) thread.later(wait(go));
    }
    for (u32 i = 0; i < 40; ++i) {
      lab.run(us(prng.below(period / 2'000)));
      switch (prng.below(3)) {
        case 0: bully.later(compute(us(prng.below(300)))); break;
        default: lab.root_does(signal(go)); break;
      }
    }
    CHECK(lab.most_in_window({&thread}, period) <= budget);
    CHECK(lab.ran(thread) > 0);
  }
}

TEST_CASE("Two and three periodic threads get their shares in proportion.", "[kernel][refill][kernel.RF03]") {
  for (const std::vector<u64>& budgets : {std::vector<u64>{3, 6}, std::vector<u64>{2, 3, 5}}) {
    Lab lab(free_options());
    std::vector<Thread*> threads;
    for (const u64 budget : budgets) {
      threads.push_back(&lab.thread({.budget = ms(budget), .period = ms(10)}));
      threads.back()->later(spin());
    }
    lab.run(ms(20));
    const u64 from = lab.now();
    lab.run(ms(200));
    for (std::size_t i = 0; i < budgets.size(); ++i) {
      CAPTURE(i);
      CHECK(lab.ran(*threads[i], from, from + ms(200)) <= ms(20 * budgets[i]));
      CHECK(lab.ran(*threads[i], from, from + ms(200)) >= ms(20 * budgets[i]) - ms(budgets[i]));
    }
  }
}

TEST_CASE("Round robin threads rotate every slice to within one kernel entry.", "[kernel][refill][kernel.RF04]") {
  Lab lab;
  std::vector<Thread*> threads;
  for (u32 i = 0; i < 3; ++i) {
    threads.push_back(&lab.thread({.budget = ms(2)}));
    threads.back()->later(spin());
  }
  lab.settle();
  lab.stretches.clear();
  lab.run(ms(60));
  const auto& all = lab.stretches;
  REQUIRE(all.size() >= 28);
  for (std::size_t i = 2; i + 2 < all.size(); ++i) {
    CAPTURE(i);
    CHECK(!(all[i].thread == all[i + 1].thread));
    CHECK(!(all[i].thread == all[i - 2].thread));
    if (i >= 3) CHECK(all[i].thread == all[i - 3].thread);
    CHECK(all[i].to - all[i].from <= ms(2));
    CHECK(all[i].to - all[i].from >= ms(2) - us(1));
  }
}

TEST_CASE("Yield waits for the next refill; ancestors are charged only real use.", "[kernel][refill][kernel.RF05]") {
  Lab lab(free_options());
  const Cptr parent = lab.configured_sc(ms(8), ms(20), 2, 0, kSchedInner);
  Thread& thread = lab.thread({.scheduled = false});
  const Cptr sc = lab.sched_context();
  REQUIRE(lab.configure_child(parent, sc, ms(4), ms(10), 2) == "ok");
  const Cptr go = lab.notification();
  thread.later({wait(go), compute(ms(1)), yield(), compute(ms(1)), wait(go)});
  REQUIRE(lab.bind(sc, thread.tcb) == "ok");
  lab.run(ms(1));
  lab.invoke(sc, Invoke::SchedContextConsumed);
  const u64 start = lab.now();
  lab.root_does(signal(go));
  lab.run(ms(5));
  CHECK(lab.ran(thread, start) == ms(1));
  CHECK(lab.refills(parent, start) == "(0,7) (20,1)");
  CHECK(lab.invoke(sc, Invoke::SchedContextConsumed) == "ok(1000000)");
  lab.run(ms(10));
  CHECK(first_run_after(lab, thread, start + ms(1)) == start + ms(10));
}

TEST_CASE("Yield of a round robin thread lets its equals run", "[kernel][refill]") {
  Lab lab(free_options());
  Thread& one = lab.thread();
  Thread& two = lab.thread();
  lab.settle();
  lab.stretches.clear();
  one.later({compute(us(1)), yield(), compute(us(1))});
  two.later({compute(us(1)), yield(), compute(us(1))});
  lab.settle();
  REQUIRE(lab.stretches.size() == 4);
  for (u32 i = 1; i < 4; ++i) CHECK(!(lab.stretches[i].thread == lab.stretches[i - 1].thread));
}

TEST_CASE("An overrun by a long kernel operation is taken from the future.", "[kernel][refill][kernel.RF06]") {
  Options options = free_options();
  options.costs.object_create = ms(1);
  Lab lab(options);
  const Cptr memory = lab.untyped(12);
  Thread& thread = lab.thread({.budget = us(100), .period = ms(1), .extra_refills = 3});
  lab.settle();
  lab.run(ms(20));
  const u64 start = lab.now();
  thread.later({invoke(memory, Invoke::UntypedRetype, {2, 0, 0, 0, lab.slot(), 1}, {kRootCNode}), spin()});
  lab.run(ms(30));
  // 1 ms was used at once: ten periods of 100 µs
  u64 resumed = kNever;
  for (const Stretch& stretch : lab.stretches) {
    if (stretch.thread == thread.ref && stretch.from > start + us(200)) {
      resumed = stretch.from;
      break;
    }
  }
  CHECK(resumed >= start + ms(9));
  CHECK(resumed <= start + ms(12));
  CHECK(lab.ran(thread, start + ms(12), start + ms(22)) <= ms(1) + us(100));
}

TEST_CASE("A Sporadic thread is measured from its wake-up, another from its dispatch.",
          "[kernel][refill][kernel.RF07]") {
  for (const bool sporadic : {true, false}) {
    CAPTURE(sporadic);
    Lab lab(free_options());
    const Cptr go = lab.notification();
    Thread& thread =
        lab.thread({.budget = ms(2), .period = ms(10), .extra_refills = 2, .flags = sporadic ? kSchedSporadic : 0});
    Thread& bully = lab.thread({.priority = 150, .budget = ms(50)});
    const Cptr bully_go = lab.notification();
    bully.later({wait(bully_go), compute(ms(3))});
    thread.later({wait(go), compute(ms(2)), wait(go)});
    lab.run(ms(15));
    const u64 start = lab.now();
    lab.root_does(signal(bully_go));
    lab.root_does(signal(go));
    lab.run(ms(7));
    CHECK(lab.ran(thread, start + ms(3), start + ms(5)) == ms(2));
    CHECK(lab.refills(thread.sc, start) == (sporadic ? "(10,2)" : "(13,2)"));
  }
}

TEST_CASE("Fragments below kMinBudget are kept and become usable with the next refill.",
          "[kernel][refill][kernel.RF08]") {
  Lab lab(free_options());
  const Cptr go = lab.notification();
  Thread& thread = lab.thread({.budget = ms(1), .period = ms(10), .extra_refills = 2});
  thread.later({wait(go), compute(us(990)), wait(go), compute(us(1'000)), wait(go)});
  lab.run(ms(15));
  const u64 start = lab.now();
  lab.root_does(signal(go));
  lab.run(ms(2));
  CHECK(lab.refills(thread.sc, start, us(10)) == "(0,1) (1000,99)");
  lab.root_does(signal(go));
  lab.run(ms(6));
  CHECK(lab.ran(thread, start) == us(990));
  lab.run(ms(4));
  CHECK(first_run_after(lab, thread, start + us(995)) == start + ms(10));
  CHECK(lab.ran(thread, start + ms(10), start + ms(11)) == ms(1));
}

TEST_CASE("the sum of the refills stays the budget whatever the thread does", "[kernel][refill][property]") {
  for (u64 seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    Lab lab;
    base::Prng prng{seed, "test.sum"};
    Thread& thread = lab.thread({.budget = us(500), .period = ms(2), .extra_refills = prng.below(6)});
    for (u32 i = 0; i < 30; ++i) {
      thread.later(compute(us(prng.below(400))));
      if (prng.below(3) == 0) thread.later(yield());
      lab.run(us(prng.below(1'500)));
      u64 sum = 0;
      const SchedContext& sc = lab.object<SchedContext>(thread.sc);
      for (u32 k = 0; k < sc.refill_count; ++k) sum += sc.refills[(sc.refill_head + k) % sc.refill_max].amount;
      CHECK(sum == us(500));
    }
  }
}
