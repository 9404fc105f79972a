// Reply objects: call stacks, and the scheduling contexts that travel along them.
#include "tests/kernel/lab.h"

using namespace lab;

namespace {

/// client → servers[0] → servers[1] → …: each passive, with an endpoint and a Reply object.
struct Chain {
  Lab& lab;
  Thread& client;
  std::vector<Cptr> endpoints;
  std::vector<Cptr> replies;
  std::vector<Thread*> servers;
  u32 sc;

  Chain(
      Lab& in, u32 count, const std::function<u8(u32)>& priority = [](u32) -> u8 { return 100; })
      : lab(in), client(in.thread()) {
    for (u32 i = 0; i < count; ++i) {
      endpoints.push_back(lab.endpoint());
      replies.push_back(lab.reply());
      servers.push_back(&lab.passive_server(endpoints[i], replies[i], {.priority = priority(i)}));
    }
    sc = lab.cap(client.sc).object;
  }
  /// Everybody but the last server calls on.
  void call_down() {
    for (u32 i = 0; i + 1 < servers.size(); ++i) servers[i]->later(call(endpoints[i + 1], message(i + 2)));
    client.later(call(endpoints[0], message(1)));
    lab.settle();
  }
  Thread* holder() const {
    if (client.object().sc.offset == sc) return &client;
    for (Thread* server : servers) {
      if (server->object().sc.offset == sc) return server;
    }
    return nullptr;
  }
};

}  // namespace

TEST_CASE(
    "A passive server gets the client's scheduling context on Call and returns it with the reply, over six nested "
    "servers, at lower, equal and higher priority.",
    "[kernel][reply][kernel.RP01]") {
  for (const int slope : {-5, 0, 5}) {
    CAPTURE(slope);
    Lab lab;
    Chain chain(lab, 6, [slope](u32 i) { return static_cast<u8>(100 + slope * (static_cast<int>(i) + 1)); });
    for (u32 i = 0; i < 6; ++i) {
      if (i + 1 < 6) chain.servers[i]->later(call(chain.endpoints[i + 1], message(10 + i)));
      chain.servers[i]->later(reply_recv(chain.endpoints[i], chain.replies[i], message(20 + i)));
    }
    std::vector<Thread*> seen;
    lab.after_entry = [&] {
      Thread* holder = chain.holder();
      if (holder != nullptr && (seen.empty() || seen.back() != holder)) seen.push_back(holder);
    };
    CHECK(chain.client.does(call(chain.endpoints[0], message(1))) == "20()");
    CHECK(chain.holder() == &chain.client);
    for (Thread* server : chain.servers) {
      CHECK(!server->has_sc());
      CHECK(server->state() == ThreadState::BlockedOnReceive);
    }
    std::vector<Thread*> expected = {&chain.client};
    for (u32 i = 0; i < 6; ++i) expected.push_back(chain.servers[i]);
    for (u32 i = 5; i-- > 0;) expected.push_back(chain.servers[i]);
    expected.push_back(&chain.client);
    CHECK(seen == expected);
    CHECK(chain.servers[5]->outcome() == "pending");
  }
}

TEST_CASE("Replying with Send instead of ReplyRecv also returns it; the server stops.",
          "[kernel][reply][kernel.RP02]") {
  Lab lab;
  Chain chain(lab, 1);
  const Cptr ntfn = lab.notification();
  chain.servers[0]->later({send(chain.replies[0], message(5, {6})), signal(ntfn)});
  CHECK(chain.client.does(call(chain.endpoints[0])) == "5(6)");
  CHECK(chain.holder() == &chain.client);
  CHECK(chain.servers[0]->state() == ThreadState::Running);
  CHECK(lab.root_does(poll(ntfn)) == "nothing");
}

TEST_CASE("Deleting the reply object while the client waits gives the client its scheduling context and ReplyLost.",
          "[kernel][reply][kernel.RP03]") {
  Lab lab;
  Chain chain(lab, 1);
  chain.servers[0]->later(spin());
  chain.client.later(call(chain.endpoints[0]));
  lab.run(us(50));
  REQUIRE(chain.holder() == chain.servers[0]);
  REQUIRE(lab.remove(chain.replies[0]) == "ok");
  CHECK(chain.holder() == &chain.client);
  lab.settle();
  CHECK(chain.client.outcome() == "ReplyLost");
  CHECK(!chain.servers[0]->has_sc());
  CHECK(lab.count_of(base::EventKind::IpcReplyLost) == 1);
}

TEST_CASE(
    "Deleting the reply objects of a chain from the last call to the first hands the scheduling context back step by "
    "step.",
    "[kernel][reply][kernel.RP04]") {
  Lab lab;
  Chain chain(lab, 4);
  chain.servers[3]->later(spin());
  for (u32 i = 0; i < 3; ++i) chain.servers[i]->later({call(chain.endpoints[i + 1]), spin()});
  chain.client.later({call(chain.endpoints[0]), spin()});
  lab.run(us(50));
  REQUIRE(chain.holder() == chain.servers[3]);
  for (u32 i = 4; i-- > 0;) {
    CAPTURE(i);
    REQUIRE(lab.remove(chain.replies[i]) == "ok");
    Thread* expected = i == 0 ? &chain.client : chain.servers[i - 1];
    CHECK(chain.holder() == expected);
    CHECK(expected->outcome() == "ReplyLost");
    lab.run(us(5));
    CHECK(lab.running_on(0) == expected);
  }
}

TEST_CASE("Deleting one in the middle cuts the chain: its caller and those below get no scheduling context.",
          "[kernel][reply][kernel.RP05]") {
  for (u32 cut = 0; cut < 3; ++cut) {
    CAPTURE(cut);
    Lab lab;
    Chain chain(lab, 4);
    chain.call_down();
    REQUIRE(chain.holder() == chain.servers[3]);
    REQUIRE(lab.remove(chain.replies[cut]) == "ok");
    CHECK(chain.holder() == chain.servers[3]);
    Thread& caller = cut == 0 ? chain.client : *chain.servers[cut - 1];
    CHECK(caller.outcome() == "ReplyLost");
    CHECK(!caller.has_sc());
    // the callers above the cut still get it back, down to the cut and no further
    for (u32 i = 4; i-- > cut + 1;) {
      chain.servers[i]->does(send(chain.replies[i], message(i)));
      CHECK(chain.servers[i - 1]->has_sc());
    }
    lab.settle();
    CHECK(chain.holder() == chain.servers[cut]);
    CHECK(!caller.has_sc());
  }
}

TEST_CASE("Deleting the scheduling context while it is lent stops the server; a later reply leaves the client passive.",
          "[kernel][reply][kernel.RP06]") {
  Lab lab;
  Chain chain(lab, 1);
  chain.servers[0]->later({compute(us(100)), send(chain.replies[0], message(9))});
  chain.client.later(call(chain.endpoints[0]));
  lab.run(us(50));
  REQUIRE(chain.holder() == chain.servers[0]);
  REQUIRE(lab.remove(chain.client.sc) == "ok");
  lab.settle();
  CHECK(!chain.servers[0]->finished());
  CHECK(!chain.servers[0]->has_sc());
  REQUIRE(lab.bind(chain.servers[0]->sc, chain.servers[0]->tcb) == "ok");
  lab.settle();
  CHECK(chain.servers[0]->finished());
  CHECK(chain.client.outcome() == "9()");
  CHECK(chain.client.state() == ThreadState::Running);
  CHECK(!chain.client.has_sc());
}

TEST_CASE("Receiving again with a used reply object gives the first caller ReplyLost.",
          "[kernel][reply][kernel.RP07]") {
  for (const bool passive : {false, true}) {
    CAPTURE(passive);
    Lab lab;
    const Cptr endpoint = lab.endpoint();
    const Cptr reply = lab.reply();
    Thread& server = passive ? lab.passive_server(endpoint, reply) : lab.thread();
    if (!passive) server.does(recv(endpoint, reply));
    Thread& first = lab.thread();
    Thread& second = lab.thread({.priority = 90});
    server.later(recv(endpoint, reply));
    CHECK(first.does(call(endpoint, message(1))) == "ReplyLost");
    CHECK(first.has_sc());
    CHECK(server.state() == ThreadState::BlockedOnReceive);
    server.later(reply_recv(endpoint, reply, message(3)));
    CHECK(second.does(call(endpoint, message(2))) == "3()");
  }
}

TEST_CASE("a Reply object taken by another receiver cancels the first receiver", "[kernel][reply]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr reply = lab.reply();
  Thread& first = lab.thread();
  Thread& second = lab.thread();
  REQUIRE(first.does(recv(endpoint, reply)) == "pending");
  REQUIRE(second.does(recv(endpoint, reply)) == "pending");
  CHECK(first.state() == ThreadState::Inactive);
  CHECK(second.state() == ThreadState::BlockedOnReceive);
  CHECK(lab.object<Reply>(reply).tcb == second.ref);
}

TEST_CASE("A reply object no caller waits on ignores replies.", "[kernel][reply][kernel.RP08]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr reply = lab.reply();
  Thread& server = lab.thread();
  Thread& client = lab.thread();
  CHECK(server.does(send(reply, message(1))) == "done");
  CHECK(server.does(nb_send(reply, message(1))) == "done");
  server.does(recv(endpoint, reply));
  CHECK(client.does(send(reply, message(2))) == "done");  // only a receiver holds it
  CHECK(server.state() == ThreadState::BlockedOnReceive);
  client.does(call(endpoint));
  server.does(send(reply, message(3)));
  CHECK(client.outcome() == "3()");
  CHECK(server.does(send(reply, message(4))) == "done");
  CHECK(client.outcome() == "3()");
}

TEST_CASE("A Call received with Wait, or without grant rights, is delivered and answered ReplyLost.",
          "[kernel][reply][kernel.RP09]") {
  for (const bool receiver_first : {true, false}) {
    for (const bool by_wait : {true, false}) {
      CAPTURE(receiver_first, by_wait);
      Lab lab;
      const Cptr endpoint = lab.endpoint();
      const Cptr cap = by_wait ? endpoint : lab.copied(endpoint, kRightWrite | kRightRead);
      Thread& server = lab.thread();
      Thread& client = lab.thread();
      const Action receive = by_wait ? wait(endpoint) : recv(endpoint, lab.reply());
      if (receiver_first) server.does(receive);
      client.later(call(cap, message(4, {5})));
      if (!receiver_first) server.later(receive);
      lab.settle();
      CHECK(server.outcome() == "4(5)");
      CHECK(client.outcome() == "ReplyLost");
    }
  }
}

TEST_CASE("A stack-spawning server serves ten waiting clients, each with its own thread and reply object.",
          "[kernel][reply][kernel.RP10]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr later_notification = lab.notification();
  std::vector<Thread*> clients;
  for (u64 i = 0; i < 10; ++i) {
    clients.push_back(&lab.thread());
    REQUIRE(clients.back()->does(call(lab.minted(endpoint, i + 1), message(i))) == "pending");
  }
  std::vector<Thread*> workers;
  for (u64 i = 0; i < 10; ++i) {
    const Cptr reply = lab.reply();
    workers.push_back(&lab.thread());
    REQUIRE(workers.back()->does(recv(endpoint, reply)).label == i);
    workers.back()->later({wait(later_notification), send(reply, message(100 + i))});
    lab.settle();
  }
  for (Thread* client : clients) CHECK(client->state() == ThreadState::BlockedOnReply);
  for (u64 i = 0; i < 10; ++i) {
    lab.root_does(signal(later_notification));
    lab.settle();
    for (u64 k = 0; k < 10; ++k) CHECK(clients[k]->finished() == (k <= i));
    CHECK(clients[i]->outcome().label == 100 + i);
  }
}

TEST_CASE("a reply travels through a copy of the Reply capability, caps only with Grant", "[kernel][reply][caps]") {
  for (const bool grant : {false, true}) {
    CAPTURE(grant);
    Lab lab;
    const Cptr endpoint = lab.endpoint();
    const Cptr reply = lab.reply();
    const Cptr twin = lab.copied(reply, grant ? kRightsAll : kRightWrite);
    const Cptr hand = lab.slot();
    Thread& server = lab.thread();
    Thread& client = lab.thread();
    client.receive_into(kRootCNode, hand, 64);
    server.does(recv(endpoint, reply));
    client.does(call(endpoint));
    server.does(send(twin, message(1, {2}, {endpoint})));
    CHECK(client.outcome() == "1(2)");
    CHECK(client.outcome().extra_caps == (grant ? 1 : 0));
    CHECK(lab.is_null(hand) == !grant);
  }
}

TEST_CASE("deleting one of two Reply capabilities keeps the caller waiting", "[kernel][reply]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr reply = lab.reply();
  const Cptr twin = lab.copied(reply);
  Thread& server = lab.thread();
  Thread& client = lab.thread();
  server.does(recv(endpoint, reply));
  client.does(call(endpoint));
  REQUIRE(lab.remove(reply) == "ok");
  CHECK(client.state() == ThreadState::BlockedOnReply);
  lab.root_does(send(twin, message(8)));
  lab.settle();
  CHECK(client.outcome() == "8()");
}

TEST_CASE("suspending the callers of a chain in any order leaves no trace", "[kernel][reply][exhaustive]") {
  std::vector<u32> order = {0, 1, 2, 3};
  do {
    CAPTURE(order[0], order[1], order[2], order[3]);
    Lab lab;
    Chain chain(lab, 4);
    chain.call_down();
    for (const u32 who : order) {
      REQUIRE(lab.suspend(who == 0 ? chain.client : *chain.servers[who - 1]) == "ok");
      CHECK(chain.holder() == chain.servers[3]);  // it stays with its holder
    }
    for (const Cptr reply : chain.replies) CHECK(!lab.object<Reply>(reply).tcb);
    CHECK(!lab.object<SchedContext>(chain.client.sc).reply);
  } while (std::next_permutation(order.begin(), order.end()));
}
