// Notifications bound to threads.
#include "tests/kernel/lab.h"

using namespace lab;

TEST_CASE("A thread receiving on an endpoint gets signals of its bound notification and messages, each counted once.",
          "[kernel][bound][property][kernel.BN01]") {
  for (u64 seed = 0; seed < 5; ++seed) {
    CAPTURE(seed);
    Lab lab;
    base::Prng prng{seed, "test.bound"};
    const Cptr endpoint = lab.endpoint();
    const Cptr ntfn = lab.notification();
    Thread& receiver = lab.thread();
    Thread& sender = lab.thread({.priority = 90});
    REQUIRE(lab.bind_notification(receiver, ntfn) == "ok");
    u64 messages = 0;
    u64 signals = 0;
    u64 sent_messages = 0;
    u64 sent_signals = 0;
    for (u64 i = 0; i < 40; ++i) {
      receiver.later(recv(endpoint));
      lab.settle();
      if (prng.below(2) == 0) {
        sender.does(send(endpoint, message(i, {i})));
        sent_messages += 1;
        CHECK(receiver.outcome() == std::to_string(i) + "(" + std::to_string(i) + ")");
      } else {
        lab.root_does(signal(lab.minted(ntfn, i + 1)));
        lab.settle();
        sent_signals += 1;
        CHECK(receiver.outcome() == "signal " + std::to_string(i + 1));
      }
      signals += receiver.outcome().kernel ? 1 : 0;
      messages += receiver.outcome().kernel ? 0 : 1;
    }
    CHECK(messages == sent_messages);
    CHECK(signals == sent_signals);
    CHECK(lab.object<Notification>(ntfn).state == NotificationState::Idle);
  }
}

TEST_CASE("A pending signal wins over a queued sender.", "[kernel][bound][kernel.BN02]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr ntfn = lab.notification();
  Thread& receiver = lab.thread();
  Thread& sender = lab.thread();
  REQUIRE(lab.bind_notification(receiver, ntfn) == "ok");
  REQUIRE(sender.does(send(endpoint, message(3))) == "pending");
  lab.root_does(signal(lab.minted(ntfn, 8)));
  CHECK(receiver.does(recv(endpoint)) == "signal 8");
  CHECK(sender.state() == ThreadState::BlockedOnSend);
  CHECK(receiver.does(recv(endpoint)) == "3()");
}

TEST_CASE("A bound thread may also wait on the notification itself; any other thread gets a Cap fault.",
          "[kernel][bound][kernel.BN03]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  Thread& owner = lab.thread();
  Thread& stranger = lab.thread();
  REQUIRE(lab.bind_notification(owner, ntfn) == "ok");
  REQUIRE(owner.does(wait(ntfn)) == "pending");
  lab.root_does(signal(lab.minted(ntfn, 4)));
  lab.settle();
  CHECK(owner.outcome() == "signal 4");
  stranger.does(wait(ntfn));
  CHECK(stranger.state() == ThreadState::Inactive);
  Thread& poller = lab.thread();
  poller.does(poll(ntfn));
  CHECK(poller.state() == ThreadState::Inactive);
}

TEST_CASE("A bound thread inside Call is not woken; the signal waits.", "[kernel][bound][kernel.BN04]") {
  for (const bool served : {false, true}) {
    CAPTURE(served);
    Lab lab;
    const Cptr endpoint = lab.endpoint();
    const Cptr ntfn = lab.notification();
    const Cptr reply = lab.reply();
    Thread& client = lab.thread();
    Thread& server = lab.thread();
    REQUIRE(lab.bind_notification(client, ntfn) == "ok");
    if (served) server.does(recv(endpoint, reply));
    REQUIRE(client.does(call(endpoint)) == "pending");
    lab.root_does(signal(lab.minted(ntfn, 2)));
    lab.settle();
    CHECK(client.outcome() == "pending");
    CHECK(lab.object<Notification>(ntfn).state == NotificationState::Active);
    if (!served) server.does(recv(endpoint, reply));
    server.does(send(reply, message(5)));
    CHECK(client.outcome() == "5()");
    CHECK(client.does(recv(lab.endpoint())) == "signal 2");
  }
}

TEST_CASE(
    "A bound thread without scheduling context is woken but runs only when it gets one, or at once if the notification "
    "has one.",
    "[kernel][bound][kernel.BN05]") {
  for (const bool has_sc : {false, true}) {
    CAPTURE(has_sc);
    Lab lab;
    const Cptr endpoint = lab.endpoint();
    const Cptr ntfn = lab.notification();
    const Cptr seen = lab.notification();
    Thread& server = lab.passive_server(endpoint, lab.reply());
    REQUIRE(lab.bind_notification(server, ntfn) == "ok");
    const Cptr sc = lab.configured_sc(ms(1), ms(1));
    if (has_sc) REQUIRE(lab.bind(sc, ntfn) == "ok");
    server.later({signal(seen), recv(endpoint, lab.reply())});
    lab.root_does(signal(lab.minted(ntfn, 3)));
    CHECK(server.outcome() == "signal 3");
    CHECK(server.state() == ThreadState::Running);
    CHECK(server.has_sc() == has_sc);
    lab.settle();
    CHECK(lab.root_does(poll(seen)) == (has_sc ? "signal 0" : "nothing"));
    if (has_sc) {
      CHECK(!server.has_sc());  // given back when it blocked
    } else {
      REQUIRE(lab.bind(server.sc, server.tcb) == "ok");
      lab.settle();
      CHECK(lab.root_does(poll(seen)) == "signal 0");
    }
  }
}

TEST_CASE("Binding twice, binding a waited-on notification and unbinding an unbound thread are IllegalOperation.",
          "[kernel][bound][kernel.BN06]") {
  Lab lab;
  Thread& one = lab.thread();
  Thread& two = lab.thread();
  const Cptr ntfn = lab.notification();
  const Cptr other = lab.notification();
  CHECK(lab.invoke(one.tcb, Invoke::TcbUnbindNotification) == "IllegalOperation");
  REQUIRE(lab.bind_notification(one, ntfn) == "ok");
  CHECK(lab.bind_notification(one, ntfn) == "IllegalOperation");
  CHECK(lab.bind_notification(one, other) == "IllegalOperation");
  CHECK(lab.bind_notification(two, ntfn) == "IllegalOperation");
  REQUIRE(two.does(wait(other)) == "pending");
  Thread& three = lab.thread();
  CHECK(lab.bind_notification(three, other) == "IllegalOperation");
  CHECK(lab.bind_notification(three, lab.copied(lab.notification(), kRightWrite)) == "IllegalOperation");
  CHECK(one.object().bound_notification == lab.ref<Notification>(ntfn));
  CHECK(lab.invoke(one.tcb, Invoke::TcbUnbindNotification) == "ok");
  CHECK(!one.object().bound_notification);
  CHECK(!lab.object<Notification>(ntfn).bound_tcb);
}

TEST_CASE("deleting a bound thread or a bound notification unbinds the other", "[kernel][bound]") {
  Lab lab;
  Thread& one = lab.thread();
  Thread& two = lab.thread();
  const Cptr first = lab.notification();
  const Cptr second = lab.notification();
  REQUIRE(lab.bind_notification(one, first) == "ok");
  REQUIRE(lab.bind_notification(two, second) == "ok");
  REQUIRE(lab.remove(one.tcb) == "ok");
  CHECK(!lab.object<Notification>(first).bound_tcb);
  REQUIRE(lab.remove(second) == "ok");
  CHECK(!two.object().bound_notification);
}

TEST_CASE("an active bound notification is taken by NBRecv, ReplyRecv and NBSendRecv too", "[kernel][bound]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr ntfn = lab.notification();
  Thread& thread = lab.thread();
  REQUIRE(lab.bind_notification(thread, ntfn) == "ok");
  const Cptr reply = lab.reply();
  for (const Action& action :
       {nb_recv(endpoint, reply), reply_recv(endpoint, reply), nb_send_recv(endpoint, message(1), endpoint, reply),
        nb_send_wait(endpoint, message(1), endpoint), wait(endpoint)}) {
    CAPTURE(action.frame.call);
    lab.root_does(signal(lab.minted(ntfn, 9)));
    CHECK(thread.does(action) == "signal 9");
  }
}
