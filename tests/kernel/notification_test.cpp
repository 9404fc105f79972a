// Notifications: signals, waiters, and their scheduling contexts.
#include "tests/kernel/lab.h"

using namespace lab;

TEST_CASE("Signal before Wait is kept; several signals OR their badges; Wait clears.",
          "[kernel][notification][kernel.NT01]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  const Cptr one = lab.minted(ntfn, 0b0011);
  const Cptr two = lab.minted(ntfn, 0b0110);
  Thread& thread = lab.thread();
  lab.root_does(signal(one));
  lab.root_does(signal(two));
  CHECK(lab.object<Notification>(ntfn).word == 0b0111);
  const Outcome got = thread.does(wait(ntfn));
  CHECK(got == "signal 7");
  CHECK(got.kernel);
  CHECK(got.length == 0);
  CHECK(lab.object<Notification>(ntfn).state == NotificationState::Idle);
  CHECK(thread.does(wait(ntfn)) == "pending");
}

TEST_CASE("Poll returns the word or Nothing and never blocks.", "[kernel][notification][kernel.NT02]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  Thread& thread = lab.thread();
  for (const bool by_poll : {true, false}) {
    CAPTURE(by_poll);
    const Action look = by_poll ? poll(ntfn) : nb_wait(ntfn);
    CHECK(thread.does(look) == "nothing");
    lab.root_does(signal(lab.minted(ntfn, 5)));
    CHECK(thread.does(look) == "signal 5");
    CHECK(thread.does(look) == "nothing");
  }
}

TEST_CASE("One Signal wakes one waiter, highest priority first.", "[kernel][notification][kernel.NT03]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  std::vector<Thread*> waiters;
  for (const u8 priority : {30, 50, 40, 50}) {
    waiters.push_back(&lab.thread({.priority = priority}));
    REQUIRE(waiters.back()->does(wait(ntfn)) == "pending");
  }
  const std::size_t order[] = {1, 3, 2, 0};
  for (u32 i = 0; i < 4; ++i) {
    lab.root_does(signal(ntfn));
    lab.settle();
    for (u32 k = 0; k < 4; ++k) CHECK(waiters[order[k]]->finished() == (k <= i));
  }
  lab.root_does(signal(ntfn));
  CHECK(lab.object<Notification>(ntfn).state == NotificationState::Active);
}

TEST_CASE("Signal needs Write, Wait needs Read.", "[kernel][notification][exhaustive][kernel.NT04]") {
  for (u8 rights = 0; rights < 16; ++rights) {
    CAPTURE(int(rights));
    Lab lab;
    const Cptr ntfn = lab.notification();
    const Cptr cap = lab.copied(ntfn, rights);
    Thread& thread = lab.thread();
    CHECK(thread.does(signal(cap)) == "done");
    CHECK(lab.root_does(poll(ntfn)).label ==
          static_cast<u64>((rights & kRightWrite) != 0 ? ResultLabel::Signal : ResultLabel::Nothing));
    lab.root_does(signal(ntfn));
    thread.does(wait(cap));
    CHECK((thread.state() == ThreadState::Inactive) == ((rights & kRightRead) == 0));
  }
}

TEST_CASE("A passive waiter takes the notification's scheduling context and gives it back when it waits again.",
          "[kernel][notification][kernel.NT05]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  const Cptr sc = lab.configured_sc(ms(1), ms(1));
  REQUIRE(lab.bind(sc, ntfn) == "ok");
  Thread& thread = lab.thread();
  REQUIRE(thread.does(wait(ntfn)) == "pending");
  REQUIRE(lab.unbind(thread.sc) == "ok");
  const Cptr seen = lab.notification();
  thread.later({signal(seen), wait(ntfn)});
  for (u32 round = 0; round < 3; ++round) {
    CAPTURE(round);
    lab.root_does(signal(ntfn));
    CHECK(thread.object().sc == lab.ref<SchedContext>(sc));
    lab.settle();
    CHECK(lab.root_does(poll(seen)) == "signal 0");
    CHECK(!thread.has_sc());
    CHECK(!lab.object<SchedContext>(sc).tcb);
    CHECK(thread.state() == ThreadState::BlockedOnNotification);
    thread.later({signal(seen), wait(ntfn)});
  }
}

TEST_CASE("The notification's scheduling context is never lent twice; a second waiter stays passive.",
          "[kernel][notification][kernel.NT06]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  const Cptr sc = lab.configured_sc(ms(1), ms(1));
  REQUIRE(lab.bind(sc, ntfn) == "ok");
  Thread& first = lab.thread();
  Thread& second = lab.thread();
  for (Thread* thread : {&first, &second}) {
    REQUIRE(thread->does(wait(ntfn)) == "pending");
    REQUIRE(lab.unbind(thread->sc) == "ok");
    thread->later(spin());
  }
  lab.root_does(signal(ntfn));
  lab.run(us(10));
  lab.root_does(signal(ntfn));
  lab.run(us(10));
  CHECK(first.object().sc == lab.ref<SchedContext>(sc));
  CHECK(second.state() == ThreadState::Running);
  CHECK(!second.has_sc());
  CHECK(lab.ran(second) == 0);
}

TEST_CASE("Deleting the thread that holds it frees it for the next.", "[kernel][notification][kernel.NT07]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  const Cptr sc = lab.configured_sc(ms(1), ms(1));
  REQUIRE(lab.bind(sc, ntfn) == "ok");
  Thread& first = lab.thread();
  Thread& second = lab.thread();
  for (Thread* thread : {&first, &second}) {
    REQUIRE(thread->does(wait(ntfn)) == "pending");
    REQUIRE(lab.unbind(thread->sc) == "ok");
  }
  const Cptr seen = lab.notification();
  first.later(spin());
  second.later(signal(seen));
  lab.root_does(signal(ntfn));
  lab.run(us(10));
  REQUIRE(lab.remove(first.tcb) == "ok");
  CHECK(!lab.object<SchedContext>(sc).tcb);
  lab.root_does(signal(ntfn));
  lab.settle();
  CHECK(lab.root_does(poll(seen)) == "signal 0");
}

TEST_CASE("every subset of signals is one OR of badges", "[kernel][notification][exhaustive]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  std::vector<Cptr> badged;
  for (u32 i = 0; i < 4; ++i) badged.push_back(lab.minted(ntfn, u64{1} << (i * 21)));
  for (u32 subset = 1; subset < 16; ++subset) {
    u64 expected = 0;
    for (u32 i = 0; i < 4; ++i) {
      if ((subset >> i & 1) == 0) continue;
      lab.root_does(signal(badged[i]));
      expected |= u64{1} << (i * 21);
    }
    CHECK(lab.root_does(poll(ntfn)) == "signal " + std::to_string(expected));
  }
}

TEST_CASE("Send, NBSend and Call on a notification signal its badge and carry no words", "[kernel][notification]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  const Cptr badged = lab.minted(ntfn, 6);
  Thread& thread = lab.thread();
  Thread& waiter = lab.thread();
  for (const Action& action : {send(badged, message(1, {2, 3})), nb_send(badged, message(1, {2, 3}))}) {
    CHECK(thread.does(action) == "done");
    CHECK(waiter.does(wait(ntfn)) == "signal 6");
  }
}

TEST_CASE("a changed priority moves a waiter in the queue of a notification", "[kernel][notification][exhaustive]") {
  for (u32 who = 0; who < 4; ++who) {
    CAPTURE(who);
    Lab lab;
    const Cptr ntfn = lab.notification();
    std::vector<Thread*> waiters;
    for (u32 i = 0; i < 4; ++i) {
      waiters.push_back(&lab.thread({.priority = static_cast<u8>(50 - i)}));
      REQUIRE(waiters.back()->does(wait(ntfn)) == "pending");
    }
    REQUIRE(lab.set_priority(*waiters[who], 60) == "ok");
    lab.root_does(signal(ntfn));
    lab.settle();
    for (u32 i = 0; i < 4; ++i) CHECK(waiters[i]->finished() == (i == who));
  }
}
