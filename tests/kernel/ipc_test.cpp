// Messages between threads: rendezvous, lengths, rights, order, capabilities.
#include "tests/kernel/lab.h"

using namespace lab;

TEST_CASE("Send and Recv meet in either order; words, label and badge arrive unchanged.",
          "[kernel][ipc][kernel.IP01]") {
  for (const bool receiver_first : {true, false}) {
    CAPTURE(receiver_first);
    Lab lab;
    const Cptr endpoint = lab.endpoint();
    const Cptr badged = lab.minted(endpoint, 0xFEDC'BA98'7654'3210);
    Thread& sender = lab.thread();
    Thread& receiver = lab.thread();
    const Action message_of = send(badged, message(0xABCD'1234'5678, {kNever, 0, 3, u64{1} << 63}));
    if (receiver_first) {
      CHECK(receiver.does(recv(endpoint)) == "pending");
      CHECK(sender.does(message_of) == "done");
    } else {
      CHECK(sender.does(message_of) == "pending");
      CHECK(sender.state() == ThreadState::BlockedOnSend);
      CHECK(receiver.does(recv(endpoint)).done);
      CHECK(sender.finished());
    }
    const Outcome got = receiver.outcome();
    CHECK(got.label == 0xABCD'1234'5678);
    CHECK(got.words == Words{kNever, 0, 3, u64{1} << 63});
    CHECK(got.badge == 0xFEDC'BA98'7654'3210);
    CHECK(!got.kernel);
    CHECK(got.extra_caps == 0);
    CHECK(lab.object<Endpoint>(endpoint).state == EndpointState::Idle);
  }
}

TEST_CASE("Every length 0…1008, with and without in_buffer, arrives whole; 1009 counts as 1008.",
          "[kernel][ipc][exhaustive][kernel.IP02]") {
  Options options;
  options.check_every = 101;
  Lab lab(options);
  lab.keep_events = false;
  const Cptr endpoint = lab.endpoint();
  Thread& sender = lab.thread();
  Thread& receiver = lab.thread();
  Words words;
  for (u64 i = 0; i <= 1'009; ++i) words.push_back(i * 0x9E37'79B9'7F4A'7C15);
  for (u32 length = 0; length <= 1'009; ++length) {
    for (const bool in_buffer : {false, true}) {
      CAPTURE(length, in_buffer);
      Message body = message(length, Words(words.begin(), words.begin() + length));
      body.in_buffer = in_buffer;
      receiver.later(recv(endpoint));
      REQUIRE(sender.does(send(endpoint, body)) == "done");
      const Outcome got = receiver.outcome();
      REQUIRE(got.done);
      const u32 arrives = std::min<u32>(length, 1'008);
      REQUIRE(got.length == arrives);
      REQUIRE(got.label == length);
      REQUIRE(got.words == Words(words.begin(), words.begin() + arrives));
      REQUIRE(got.in_buffer == in_buffer);
      if (in_buffer) {
        for (u32 i = 0; i < std::min(arrives, 4u); ++i) REQUIRE(got.mr[i] == words[i]);
      }
    }
  }
}

TEST_CASE("A side without buffer gets or gives four words and a truthful length.", "[kernel][ipc][kernel.IP03]") {
  for (const bool sender_has : {false, true}) {
    for (const bool receiver_has : {false, true}) {
      for (const u32 length : {0u, 3u, 4u, 5u, 40u}) {
        CAPTURE(sender_has, receiver_has, length);
        Lab lab;
        const Cptr endpoint = lab.endpoint();
        Thread& sender = lab.thread({.buffer = sender_has});
        Thread& receiver = lab.thread({.buffer = receiver_has});
        receiver.later(recv(endpoint));
        Words words;
        for (u64 i = 0; i < length; ++i) words.push_back(i + 100);
        REQUIRE(sender.does(send(endpoint, message(1, words, {endpoint}))) == "done");
        const u32 arrives = sender_has && receiver_has ? length : std::min(length, 4u);
        CHECK(receiver.outcome().length == arrives);
        CHECK(receiver.outcome().words == Words(words.begin(), words.begin() + arrives));
        CHECK(receiver.outcome().extra_caps == (sender_has && receiver_has ? 1 : 0));
      }
    }
  }
}

TEST_CASE("NBSend without receiver is dropped; with one it is delivered.", "[kernel][ipc][kernel.IP04]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  Thread& sender = lab.thread();
  Thread& receiver = lab.thread();
  CHECK(sender.does(nb_send(endpoint, message(1, {1}))) == "done");
  CHECK(lab.object<Endpoint>(endpoint).state == EndpointState::Idle);
  CHECK(lab.count_of(base::EventKind::IpcNbRefused) == 1);
  CHECK(receiver.does(recv(endpoint)) == "pending");
  CHECK(sender.does(nb_send(endpoint, message(2, {2}))) == "done");
  CHECK(receiver.outcome() == "2(2)");
}

TEST_CASE("NBRecv with nothing there is told Nothing; an empty unbadged message is not.",
          "[kernel][ipc][kernel.IP05]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  Thread& sender = lab.thread();
  Thread& receiver = lab.thread();
  const Outcome nothing = receiver.does(nb_recv(endpoint));
  CHECK(nothing == "nothing");
  CHECK(nothing.kernel);
  CHECK(nothing.badge == 0);
  CHECK(receiver.state() == ThreadState::BlockedOnNotification);  // parked: it went on
  REQUIRE(sender.does(send(endpoint)) == "pending");
  const Outcome empty = receiver.does(nb_recv(endpoint));
  CHECK(empty == "0()");
  CHECK(!empty.kernel);
  CHECK(sender.finished());
}

TEST_CASE("Call and ReplyRecv exchange 1,000 messages on the fast path and the slow path with equal results.",
          "[kernel][ipc][kernel.IP06]") {
  const auto exchange = [](bool fast) {
    Options options;
    options.check_every = 7;
    Lab lab(options);
    const Cptr endpoint = lab.endpoint();
    const Cptr reply = lab.reply();
    Thread& client = lab.thread({.budget = ms(500)});
    Thread& server = fast ? lab.passive_server(endpoint, reply) : lab.thread();
    if (!fast) server.does(recv(endpoint, reply));
    std::vector<std::string> told;
    const Cptr badged = lab.minted(endpoint, 3);
    for (u64 i = 0; i < 1'000; ++i) {
      CAPTURE(i);
      const u64 length = i % 9;
      Words words;
      for (u64 k = 0; k < length; ++k) words.push_back(i * k + 1);
      client.later(call(badged, message(i, words)));
      server.later(reply_recv(endpoint, reply, message(i + 1, words)));
      lab.settle();
      REQUIRE(client.outcome().done);
      told.push_back(client.outcome().text());
    }
    u64 fast_transfers = 0;
    for (const base::EventRecord& event : lab.events_of(base::EventKind::IpcTransfer))
      fast_transfers += event.flags >> 12 & 1;
    if (fast) CHECK(fast_transfers >= 1'998);
    if (!fast) CHECK(fast_transfers == 0);
    return told;
  };
  const auto fast = exchange(true);
  CHECK(fast == exchange(false));
  CHECK(fast.at(8) == "9(1, 9, 17, 25, 33, 41, 49, 57)");
}

TEST_CASE("Send needs Write, Recv needs Read, caps need Grant, Call needs Grant or GrantReply: all 16 right sets.",
          "[kernel][ipc][exhaustive][kernel.IP07]") {
  for (u8 rights = 0; rights < 16; ++rights) {
    CAPTURE(int(rights));
    Lab lab;
    const Cptr endpoint = lab.endpoint();
    const Cptr cap = lab.copied(endpoint, rights);
    const Cptr gift = lab.notification();
    const Cptr hand = lab.slot();
    const Cptr reply = lab.reply();
    Thread& client = lab.thread();
    Thread& server = lab.thread();
    server.receive_into(kRootCNode, hand, 64);
    const bool may_send = (rights & kRightWrite) != 0;
    const bool may_grant = (rights & kRightGrant) != 0;
    const bool may_call = may_grant || (rights & kRightGrantReply) != 0;

    server.later(recv(endpoint, reply));
    CHECK(client.does(send(cap, message(5, {6}, {gift}))) == "done");
    if (may_send) {
      CHECK(server.outcome() == "5(6)");
      CHECK(server.outcome().extra_caps == (may_grant ? 1 : 0));
      CHECK(lab.is_null(hand) == !may_grant);
      server.later(recv(endpoint, reply));
    } else {
      CHECK(server.outcome() == "pending");
    }
    const Outcome called = client.does(call(cap, message(7)));
    if (!may_send) {
      CHECK(called == "InvalidCapability(0)");
    } else if (!may_call) {
      CHECK(called == "ReplyLost");
      CHECK(server.outcome() == "7()");
    } else {
      CHECK(called == "pending");
      CHECK(client.state() == ThreadState::BlockedOnReply);
    }
    Thread& receiver = lab.thread();
    receiver.later(recv(cap, lab.reply()));
    lab.settle();
    if ((rights & kRightRead) == 0) {
      CHECK(receiver.state() == ThreadState::Inactive);  // a Cap fault without handler
    } else {
      CHECK(receiver.state() == ThreadState::BlockedOnReceive);
    }
  }
}

TEST_CASE("Queued senders are received in priority order, equals in arrival order.",
          "[kernel][ipc][property][kernel.IP08]") {
  for (u64 seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    Lab lab;
    base::Prng prng{seed, "test.senders"};
    const Cptr endpoint = lab.endpoint();
    std::vector<std::pair<int, u64>> expected;
    for (u64 i = 0; i < 12; ++i) {
      const u8 priority = static_cast<u8>(10 + prng.below(4));
      Thread& sender = lab.thread({.priority = priority});
      REQUIRE(sender.does(send(endpoint, message(i))) == "pending");
      expected.emplace_back(-priority, i);
    }
    std::stable_sort(expected.begin(), expected.end(), [](auto& a, auto& b) { return a.first < b.first; });
    Thread& receiver = lab.thread();
    for (const auto& [priority, label] : expected) CHECK(receiver.does(recv(endpoint)).label == label);
  }
}

TEST_CASE("Changing the priority of a queued sender moves it, to every position of a five-thread queue.",
          "[kernel][ipc][exhaustive][kernel.IP09]") {
  for (u64 who = 0; who < 5; ++who) {
    for (u64 position = 0; position < 5; ++position) {
      CAPTURE(who, position);
      Lab lab;
      const Cptr endpoint = lab.endpoint();
      std::vector<Thread*> senders;
      for (u64 i = 0; i < 5; ++i) {
        senders.push_back(&lab.thread({.priority = static_cast<u8>(50 - 10 * i)}));
        REQUIRE(senders.back()->does(send(endpoint, message(i))) == "pending");
      }
      std::vector<u64> order = {0, 1, 2, 3, 4};
      order.erase(order.begin() + static_cast<long>(who));
      order.insert(order.begin() + static_cast<long>(position), who);
      // between its new neighbours
      const u64 below = position == 4 ? 0 : 50 - 10 * order[position + 1];
      REQUIRE(lab.set_priority(*senders[who], below + 5) == "ok");
      Thread& receiver = lab.thread({.priority = 200});
      for (const u64 label : order) CHECK(receiver.does(recv(endpoint)).label == label);
    }
  }
}

TEST_CASE("a changed priority puts a queued thread behind its equals", "[kernel][ipc]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  std::vector<Thread*> senders;
  for (u64 i = 0; i < 3; ++i) {
    senders.push_back(&lab.thread());
    REQUIRE(senders.back()->does(send(endpoint, message(i))) == "pending");
  }
  REQUIRE(lab.set_priority(*senders[0], 100) == "ok");
  Thread& receiver = lab.thread({.priority = 200});
  for (const u64 label : {1, 2, 0}) CHECK(receiver.does(recv(endpoint)).label == label);
}

TEST_CASE("Receivers are served in priority order too, also through ReplyRecv.", "[kernel][ipc][kernel.IP10]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  std::vector<Thread*> receivers;
  const u8 priorities[] = {30, 50, 40, 50};
  for (const u8 priority : priorities) {
    receivers.push_back(&lab.thread({.priority = priority}));
    REQUIRE(receivers.back()->does(recv(endpoint, lab.reply())) == "pending");
  }
  Thread& client = lab.thread();
  const std::size_t order[] = {1, 3, 2, 0};
  for (u64 i = 0; i < 4; ++i) {
    client.does(send(endpoint, message(i)));
    CHECK(receivers[order[i]]->outcome().label == i);
  }
  // and again when they wait through ReplyRecv
  for (std::size_t i = 0; i < 4; ++i) {
    const Cptr reply = lab.reply();
    REQUIRE(receivers[i]->does(reply_recv(endpoint, reply)) == "pending");
  }
  for (u64 i = 0; i < 4; ++i) {
    client.does(send(endpoint, message(10 + i)));
    CHECK(receivers[order[i]]->outcome().label == 10 + i);
  }
}

TEST_CASE("A capability arrives in the receive slot as child of the sender's; revoking the sender's takes it back.",
          "[kernel][ipc][caps][kernel.IP11]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr gift = lab.minted(lab.notification(), 9, kRightWrite);
  const Cptr inner = lab.cnode(4);
  Thread& sender = lab.thread();
  Thread& receiver = lab.thread();
  receiver.receive_into(inner, 5, 4);
  receiver.later(recv(endpoint));
  REQUIRE(sender.does(send(endpoint, message(1, {}, {gift}))) == "done");
  CHECK(receiver.outcome().extra_caps == 1);
  CHECK(receiver.outcome().unwrapped == 0);
  Slot& hand = lab.slot_in(inner, 5);
  CHECK(hand.cap == lab.cap(gift));
  CHECK(lab.children_of(lab.slot_ref(gift).offset) == std::vector<u32>{lab.kernel().ref_of(hand).offset});
  CHECK(lab.count_of(base::EventKind::CapTransfer) == 1);
  REQUIRE(lab.revoke(gift) == "ok");
  CHECK(lab.slot_in(inner, 5).cap.is_null());
  CHECK(!lab.is_null(gift));
}

TEST_CASE("A capability to the same endpoint is unwrapped; its badge and bit arrive, the slot stays free for another.",
          "[kernel][ipc][caps][kernel.IP12]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr seven = lab.minted(endpoint, 7);
  const Cptr eight = lab.minted(endpoint, 8);
  const Cptr gift = lab.notification();
  const Cptr hand = lab.slot();
  Thread& sender = lab.thread();
  Thread& receiver = lab.thread();
  receiver.receive_into(kRootCNode, hand, 64);
  receiver.later(recv(endpoint));
  REQUIRE(sender.does(send(endpoint, message(1, {}, {seven, gift, eight}))) == "done");
  const Outcome got = receiver.outcome();
  CHECK(got.extra_caps == 3);
  CHECK(got.unwrapped == 0b101);
  CHECK(got.badges[0] == 7);
  CHECK(got.badges[2] == 8);
  CHECK(lab.cap(hand).type == CapType::Notification);
}

TEST_CASE("A full or missing receive slot stops the capabilities, not the words.", "[kernel][ipc][caps][kernel.IP13]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr seven = lab.minted(endpoint, 7);
  const Cptr one = lab.notification();
  const Cptr two = lab.notification();
  const Cptr hand = lab.slot();
  Thread& sender = lab.thread();
  Thread& receiver = lab.thread();
  const auto handled = [&](std::vector<Cptr> caps) {
    receiver.later(recv(endpoint));
    REQUIRE(sender.does(send(endpoint, message(4, {1, 2, 3, 4, 5}, std::move(caps)))) == "done");
    REQUIRE(receiver.outcome().words == Words{1, 2, 3, 4, 5});
    return receiver.outcome().extra_caps;
  };
  SECTION("two real capabilities: the first takes the slot") {
    receiver.receive_into(kRootCNode, hand, 64);
    CHECK(handled({seven, one, two}) == 2);
    CHECK(lab.cap(hand).object == lab.cap(one).object);
  }
  SECTION("the slot is full already") {
    receiver.receive_into(kRootCNode, one, 64);
    CHECK(handled({seven, two}) == 1);
    CHECK(handled({two, seven}) == 0);
  }
  SECTION("the receive root is no CNode") {
    receiver.receive_into(one, 0, 4);
    CHECK(handled({two}) == 0);
  }
  SECTION("no receive slot was named") {
    receiver.receive_into(0, 0, 0);
    CHECK(handled({seven, one}) == 1);
  }
  SECTION("a capability that cannot be derived") {
    receiver.receive_into(kRootCNode, hand, 64);
    CHECK(handled({kRootIrqControl}) == 0);
    CHECK(lab.is_null(hand));
  }
}

TEST_CASE("a message with a capability that cannot be looked up is a Cap fault and sends nothing",
          "[kernel][ipc][fault]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  Thread& sender = lab.thread();
  Thread& receiver = lab.thread();
  receiver.later(recv(endpoint));
  CHECK(sender.does(nb_send(endpoint, message(1, {}, {u64{1} << 40}))) == "done");
  CHECK(receiver.outcome() == "pending");
  CHECK(sender.does(send(endpoint, message(2, {}, {u64{1} << 40}))) == "pending");
  CHECK(sender.state() == ThreadState::Inactive);
  CHECK(receiver.outcome() == "pending");
}

TEST_CASE("A fault in the second phase leaves the first phase done; resuming repeats only the receive.",
          "[kernel][ipc][fault][kernel.IP14]") {
  Lab lab;
  const Cptr out = lab.endpoint();
  const Cptr in = lab.endpoint();
  const Cptr missing = lab.slot();
  const Cptr handler_endpoint = lab.endpoint();
  const Cptr handler_reply = lab.reply();
  Thread& handler = lab.thread({.priority = 150});
  Thread& thread = lab.thread({.fault_endpoint = handler_endpoint});
  Thread& first = lab.thread();
  Thread& second = lab.thread();
  handler.does(recv(handler_endpoint, handler_reply));
  first.does(recv(out, lab.reply()));
  second.does(recv(out, lab.reply()));
  const Cptr reply = lab.reply();
  CHECK(thread.does(nb_send_recv(out, message(1, {2}), missing, reply)) == "pending");
  CHECK(first.outcome() == "1(2)");
  CHECK(second.outcome() == "pending");
  const Outcome told = handler.outcome();
  CHECK(told.label == static_cast<u64>(FaultType::Cap));
  CHECK(told.words.at(1) == missing);
  CHECK(told.words.at(2) == 1);
  CHECK(thread.object().frame.phase == 1);
  REQUIRE(lab.copy(missing, in) == "ok");
  handler.does(send(handler_reply));
  CHECK(thread.state() == ThreadState::BlockedOnReceive);
  CHECK(second.outcome() == "pending");  // not sent again
  first.does(send(in, message(3)));
  CHECK(thread.outcome() == "3()");
}

TEST_CASE("Suspending, resuming and deleting a thread inside Call leaves no trace in endpoint or reply object.",
          "[kernel][ipc][kernel.IP15]") {
  for (const bool served : {false, true}) {
    for (const bool deleted : {false, true}) {
      CAPTURE(served, deleted);
      Lab lab;
      const Cptr endpoint = lab.endpoint();
      const Cptr reply = lab.reply();
      Thread& server = lab.thread();
      Thread& client = lab.thread();
      if (served) server.does(recv(endpoint, reply));
      REQUIRE(client.does(call(endpoint, message(1, {5}))) == "pending");
      REQUIRE(client.state() == (served ? ThreadState::BlockedOnReply : ThreadState::BlockedOnSend));
      REQUIRE((deleted ? lab.remove(client.tcb) : lab.suspend(client)) == "ok");
      CHECK(lab.object<Endpoint>(endpoint).state == EndpointState::Idle);
      CHECK(!lab.object<Endpoint>(endpoint).head);
      CHECK(!lab.object<Reply>(reply).tcb);
      if (deleted) continue;
      CHECK(client.state() == ThreadState::Inactive);
      if (served) server.does(recv(endpoint, reply));
      REQUIRE(lab.resume(client) == "ok");  // the call is made again
      lab.settle();
      if (!served) server.does(recv(endpoint, reply));
      CHECK(server.outcome() == "1(5)");
      server.does(send(reply, message(2)));
      CHECK(client.outcome() == "2()");
    }
  }
}

TEST_CASE("Sending to a passive receiver without donation delivers; it runs once it gets a scheduling context.",
          "[kernel][ipc][kernel.IP16]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  Thread& server = lab.passive_server(endpoint, lab.reply());
  Thread& client = lab.thread();
  const Cptr ntfn = lab.notification();
  server.later(signal(ntfn));
  CHECK(client.does(send(endpoint, message(1, {2}))) == "done");
  CHECK(server.outcome() == "1(2)");
  CHECK(server.state() == ThreadState::Running);
  CHECK(!server.has_sc());
  CHECK(lab.root_does(poll(ntfn)) == "nothing");
  REQUIRE(lab.bind(server.sc, server.tcb) == "ok");
  lab.settle();
  CHECK(lab.root_does(poll(ntfn)) == "signal 0");
}

TEST_CASE("Receiving from a sender whose scheduling context is gone delivers; the sender does not run.",
          "[kernel][ipc][kernel.IP17]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr ntfn = lab.notification();
  Thread& sender = lab.thread();
  Thread& receiver = lab.thread();
  sender.later({send(endpoint, message(1, {2})), signal(ntfn)});
  lab.settle();
  REQUIRE(lab.remove(sender.sc) == "ok");
  CHECK(receiver.does(recv(endpoint)) == "1(2)");
  CHECK(sender.state() == ThreadState::Running);
  CHECK(lab.root_does(poll(ntfn)) == "nothing");
}

TEST_CASE("NBSendRecv rings of threads pass one scheduling context round for 1,000 turns.",
          "[kernel][ipc][kernel.IP18]") {
  Options options;
  options.check_every = 3;
  Lab lab(options);
  constexpr u64 kRing = 5;
  constexpr u64 kTurns = 1'000;
  std::vector<Cptr> endpoints;
  std::vector<Thread*> ring;
  std::vector<Cptr> replies;
  for (u64 i = 0; i < kRing; ++i) {
    endpoints.push_back(lab.endpoint());
    replies.push_back(lab.reply());
  }
  for (u64 i = 0; i < kRing; ++i) ring.push_back(&lab.passive_server(endpoints[i], replies[i], {.budget = ms(900)}));
  for (u64 turn = 0; turn < kTurns; ++turn) {
    const u64 at = turn % kRing;
    ring[at]->later(nb_send_recv(endpoints[(at + 1) % kRing], message(turn), endpoints[at], replies[at]));
  }
  Thread& starter = lab.thread({.budget = ms(900)});
  starter.later(nb_send_recv(endpoints[0], message(7), lab.endpoint(), lab.reply()));
  const u32 sc = lab.cap(starter.sc).object;
  lab.settle();
  CHECK(!starter.has_sc());
  u64 holders = 0;
  for (Thread* thread : ring) holders += thread->object().sc.offset == sc ? 1 : 0;
  CHECK(holders == 1);
  CHECK(lab.count_of(base::EventKind::BudgetDonate) >= kTurns);
  CHECK(ring[0]->outcome().label == kTurns - 1);  // the last turn came home
}

TEST_CASE("No thread can make a message with the kernel bit.", "[kernel][ipc][kernel.IP19]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr reply = lab.reply();
  Thread& client = lab.thread();
  Thread& server = lab.thread();
  Message forged = message(static_cast<u64>(ResultLabel::ReplyLost), {1});
  forged.raw_info = MessageInfo::kKernel | 3 << 14;
  for (const Action& action : {send(endpoint, forged), nb_send(endpoint, forged),
                               nb_send_wait(endpoint, forged, client.park), call(endpoint, forged)}) {
    CAPTURE(action.frame.call);
    server.later(recv(endpoint, reply));
    lab.settle();
    client.does(action);
    REQUIRE(server.outcome().done);
    CHECK(!server.outcome().kernel);
    CHECK((server.object().frame.info >> 13 & 7) == 0);
    if (action.frame.call == static_cast<i32>(Syscall::NBSendWait)) lab.root_does(signal(client.park));
  }
  server.does(reply_recv(endpoint, reply, forged));
  CHECK(client.outcome() == "11(1)");
  CHECK(!client.outcome().kernel);
}

TEST_CASE("a Send or Signal to a missing capability tells nobody, a Call is told", "[kernel][ipc]") {
  Lab lab;
  Thread& thread = lab.thread();
  const Cptr empty = lab.slot();
  CHECK(thread.does(call(empty)) == "InvalidCapability(0)");
  CHECK(thread.does(send(empty)) == "done");
  CHECK(thread.does(nb_send(empty)) == "done");
  CHECK(thread.does(signal(empty)) == "done");
  CHECK(thread.does(nb_send(u64{1} << 50)) == "done");
  CHECK(thread.does(signal(lab.endpoint())) == "done");
}

TEST_CASE("a failed lookup in a blocking call is a Cap fault with its words", "[kernel][ipc][fault]") {
  Lab lab;
  const Cptr handler_endpoint = lab.endpoint();
  Thread& handler = lab.thread({.priority = 150});
  const u64 bad = u64{1} << 20;
  for (const Action& action : {send(bad), call(bad), recv(bad), wait(bad), nb_recv(bad)}) {
    CAPTURE(action.frame.call);
    Thread& thread = lab.thread({.fault_endpoint = handler_endpoint});
    handler.does(recv(handler_endpoint, lab.reply()));
    thread.does(action);
    const Outcome told = handler.outcome();
    REQUIRE(told.done);
    CHECK(told.kernel);
    CHECK(told.label == static_cast<u64>(FaultType::Cap));
    const u64 in_receive = action.frame.call <= static_cast<i32>(Syscall::Recv) ? 1 : 0;
    REQUIRE(told.words.size() == 7);
    CHECK(Words(told.words.begin() + 1, told.words.end()) == Words{bad, in_receive, 4, 64, 0, 52});
  }
}

TEST_CASE("Recv on an endpoint without a Reply capability is a Cap fault", "[kernel][ipc][fault]") {
  Lab lab;
  Thread& thread = lab.thread();
  const Cptr endpoint = lab.endpoint();
  thread.does(recv(endpoint, endpoint));
  CHECK(thread.state() == ThreadState::Inactive);
}

TEST_CASE("random programs of Send, Call, Recv and Reply keep all invariants", "[kernel][ipc][property]") {
  for (u64 seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    Lab lab;
    base::Prng prng{seed, "test.ipc-programs"};
    const Cptr endpoints[] = {lab.endpoint(), lab.endpoint()};
    const Cptr ntfn = lab.notification();
    std::vector<Thread*> threads;
    std::vector<Cptr> replies;
    for (u32 i = 0; i < 5; ++i) {
      threads.push_back(&lab.thread({.priority = static_cast<u8>(90 + prng.below(3)), .parks = i != 4}));
      replies.push_back(lab.reply());
    }
    for (u32 i = 0; i < 5; ++i) {
      for (u32 k = 0; k < 12; ++k) {
        const Cptr cap = endpoints[prng.below(2)];
        const Cptr reply = replies[prng.below(8) == 0 ? prng.below(5) : i];
        switch (prng.below(9)) {
          case 0: threads[i]->later(send(cap, message(k))); break;
          case 1:
          case 2: threads[i]->later(call(cap, message(k))); break;
          case 3: threads[i]->later(recv(cap, reply)); break;
          case 4:
          case 5: threads[i]->later(reply_recv(cap, reply, message(k))); break;
          case 6: threads[i]->later(nb_send_recv(cap, message(k), endpoints[0], reply)); break;
          case 7: threads[i]->later(nb_send_wait(endpoints[1], message(k), ntfn)); break;
          case 8: threads[i]->later(signal(ntfn)); break;
        }
      }
    }
    for (u32 round = 0; round < 30; ++round) {
      lab.run(us(20));
      Thread& victim = *threads[prng.below(5)];
      switch (prng.below(4)) {
        case 0: lab.suspend(victim); break;
        case 1:
        case 2: lab.resume(victim); break;
        case 3: lab.set_priority(victim, 90 + prng.below(3)); break;
      }
    }
    lab.check("the end");
  }
}
