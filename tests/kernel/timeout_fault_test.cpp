// Timeouts and faults: what handlers are told and how threads go on.
#include "tests/kernel/lab.h"

using namespace lab;

namespace {

struct Handled {
  Lab& lab;
  Cptr endpoint;
  Cptr reply;
  Thread& handler;
  explicit Handled(Lab& in)
      : lab(in), endpoint(in.endpoint()), reply(in.reply()), handler(in.thread({.priority = 200, .budget = ms(100)})) {}
  void listen() { handler.later(recv(endpoint, reply)); }
  void answer(u64 label = 0, Words words = {}) { handler.later(send(reply, message(label, std::move(words)))); }
};

}  // namespace

TEST_CASE("A spinning thread with handler faults at every exhaustion, with badge and consumed time.",
          "[kernel][timeout][kernel.TO01]") {
  Lab lab(free_options());
  Handled handled(lab);
  handled.listen();
  Thread& thread =
      lab.thread({.budget = ms(1), .period = ms(10), .badge = 42, .timeout_endpoint = lab.minted(handled.endpoint, 5)});
  thread.later(spin());
  for (u32 round = 0; round < 5; ++round) {
    CAPTURE(round);
    lab.run(ms(10));
    CHECK(handled.handler.outcome() == "fault 5(42, 1000000, 0) badge 5");
    CHECK(thread.state() == ThreadState::BlockedOnReply);
    handled.answer();
    handled.listen();
  }
  CHECK(lab.count_of(base::EventKind::TrapTimeout) == 5);
}

TEST_CASE(
    "A server out of its client's time is reset by its handler, which answers the client; five rounds, also nested.",
    "[kernel][timeout][kernel.TO02]") {
  for (const bool nested : {false, true}) {
    CAPTURE(nested);
    Lab lab(free_options());
    Handled handled(lab);
    const Cptr outer_endpoint = lab.endpoint();
    const Cptr outer_reply = lab.reply();
    const Cptr endpoint = nested ? lab.endpoint() : outer_endpoint;
    const Cptr reply = nested ? lab.reply() : outer_reply;
    Thread& server = lab.passive_server(endpoint, reply, {.timeout_endpoint = handled.endpoint});
    Thread* middle = nested ? &lab.passive_server(outer_endpoint, outer_reply) : nullptr;
    Thread& client = lab.thread({.budget = ms(1), .period = ms(10), .badge = 9});
    for (u32 round = 0; round < 5; ++round) {
      CAPTURE(round);
      handled.listen();
      server.later(compute(ms(100)));
      if (nested) middle->later({call(endpoint), reply_recv(outer_endpoint, outer_reply, message(66))});
      client.later(call(outer_endpoint, message(1)));
      lab.run(ms(15));
      REQUIRE(handled.handler.outcome().label == static_cast<u64>(FaultType::Timeout));
      CHECK(handled.handler.outcome().words.at(0) == 9);
      CHECK(handled.handler.outcome().words.at(2) == 0);
      // the handler answers the client in the server's place, then resets the server
      handled.handler.later(send(reply, message(77)));
      lab.run(ms(20));
      CHECK(client.outcome().label == (nested ? 66 : 77));
      CHECK(!server.has_sc());
      server.forget();
      server.later(recv(endpoint, reply));
      REQUIRE(lab.bind(server.sc, server.tcb) == "ok");
      handled.answer();
      lab.run(ms(5));
      REQUIRE(server.state() == ThreadState::BlockedOnReceive);
      REQUIRE(lab.unbind(server.sc) == "ok");
    }
  }
}

TEST_CASE("A reply that returns an exhausted scheduling context to a server with handler raises the next timeout.",
          "[kernel][timeout][kernel.TO03]") {
  Lab lab(free_options());
  Handled inner(lab);
  Handled outer(lab);
  const Cptr first_endpoint = lab.endpoint();
  const Cptr second_endpoint = lab.endpoint();
  const Cptr first_reply = lab.reply();
  const Cptr second_reply = lab.reply();
  Thread& first = lab.passive_server(first_endpoint, first_reply, {.timeout_endpoint = outer.endpoint});
  Thread& second = lab.passive_server(second_endpoint, second_reply, {.timeout_endpoint = inner.endpoint});
  Thread& client = lab.thread({.budget = ms(1), .period = ms(10), .badge = 3});
  inner.listen();
  outer.listen();
  first.later(call(second_endpoint));
  second.later(spin());
  client.later(call(first_endpoint));
  lab.run(ms(5));
  REQUIRE(inner.handler.outcome().label == static_cast<u64>(FaultType::Timeout));
  REQUIRE(!outer.handler.outcome().done);
  inner.handler.later(send(second_reply, message(1)));
  lab.run(ms(1));
  CHECK(outer.handler.outcome().label == static_cast<u64>(FaultType::Timeout));
  CHECK(outer.handler.outcome().words.at(0) == 3);
  CHECK(first.state() == ThreadState::BlockedOnReply);
}

TEST_CASE("Without handler the thread waits; round robin threads never time out on their own slice.",
          "[kernel][timeout][kernel.TO04]") {
  Lab lab(free_options());
  Handled handled(lab);
  handled.listen();
  Thread& waiting = lab.thread({.budget = ms(1), .period = ms(10)});
  Thread& robin = lab.thread({.budget = ms(1), .timeout_endpoint = handled.endpoint});
  waiting.later(spin());
  robin.later(spin());
  lab.run(ms(100));
  CHECK(!handled.handler.outcome().done);
  CHECK(lab.count_of(base::EventKind::TrapTimeout) == 0);
  CHECK(lab.ran(waiting) >= ms(9));
  CHECK(lab.ran(waiting) <= ms(11));
  CHECK(lab.ran(robin) >= ms(88));
}

TEST_CASE(
    "Read, write and fetch of unmapped memory report address and access; mapping and replying continues the thread.",
    "[kernel][fault][kernel.FA01]") {
  using vspace::Access;
  for (const Access access : {Access::Read, Access::Write, Access::Fetch}) {
    CAPTURE(static_cast<int>(access));
    Lab lab;
    Handled handled(lab);
    handled.listen();
    const Cptr space = lab.vspace();
    Thread& thread = lab.thread({.vspace = space, .fault_endpoint = handled.endpoint});
    const u64 address = 0x12'3456'7008;
    const auto missed = vspace::translate(lab.kernel(), lab.object<VSpace>(space), address, access);
    REQUIRE(!missed.ok());
    const FaultRecord record = missed.error();
    thread.does(fault(FaultType::Vm, {0x1000, record.words[1], record.words[2], record.words[3]}));
    const u64 bits = access == Access::Read ? 1 : access == Access::Write ? 2 : 4;
    CHECK(handled.handler.outcome() == "fault 6(4096, " + std::to_string(address) + ", " +
                                           (access == Access::Fetch ? "1, " : "0, ") + std::to_string(bits) + ")");
    REQUIRE(lab.map_table(lab.page_table(), space, address) == "ok");
    REQUIRE(lab.map_table(lab.page_table(), space, address) == "ok");
    REQUIRE(lab.map(lab.frame(), space, address & ~u64{0xFFF}, 3, kMapExecute) == "ok");
    const Cptr seen = lab.notification();
    thread.later(signal(seen));
    handled.answer(55);  // any label restarts a VM fault
    lab.settle();
    CHECK(vspace::translate(lab.kernel(), lab.object<VSpace>(space), address, access).ok());
    CHECK(thread.finished());
    CHECK(lab.root_does(poll(seen)) == "signal 0");
  }
}

TEST_CASE("Unknown calls and exceptions report registers; the reply's words replace them.",
          "[kernel][fault][kernel.FA02]") {
  Lab lab;
  Handled handled(lab);
  Thread& thread = lab.thread({.started = false, .fault_endpoint = handled.endpoint});
  Words registers;
  for (u64 i = 0; i < kRegisterCount; ++i) registers.push_back(1'000 + i);
  Words write = {0, kRegisterCount};
  write.insert(write.end(), registers.begin(), registers.end());
  const auto read = [&] { return lab.invoke(thread.tcb, Invoke::TcbReadRegisters, {0, kRegisterCount}).words; };
  SECTION("UnknownSyscall") {
    REQUIRE(lab.invoke(thread.tcb, Invoke::TcbWriteRegisters, write) == "ok");
    REQUIRE(lab.resume(thread) == "ok");
    handled.listen();
    // the engine stores a7, a0… of the trap; they are the registers' own values
    Action trap = system_call(93);
    trap.frame.cap = 1'010;
    trap.message.raw_info = 1'011;
    for (u64 i = 0; i < 4; ++i) trap.frame.mr[i] = 1'012 + i;
    trap.frame.reply = 1'016;
    thread.later({trap, spin()});
    lab.run(ms(1));
    CHECK(handled.handler.outcome() == "fault 2(1000, 1002, 1001, 1010, 1011, 1012, 1013, 1014, 1015, 1016, 93)");
    handled.answer(0, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
    lab.run(ms(1));
    REQUIRE(lab.suspend(thread) == "ok");
    const Words now = read();
    CHECK(now.at(0) == 1);
    CHECK(now.at(2) == 2);
    CHECK(now.at(1) == 3);
    for (u64 i = 0; i < 7; ++i) CHECK(now.at(10 + i) == 4 + i);
    CHECK(now.at(20) == 1'020);
    CHECK(lab.ran(thread) > 0);
  }
  SECTION("UserException") {
    REQUIRE(lab.invoke(thread.tcb, Invoke::TcbWriteRegisters, write) == "ok");
    REQUIRE(lab.resume(thread) == "ok");
    handled.listen();
    thread.later({fault(FaultType::UserException, {1'000, 1'002, 3, 4}), spin()});
    lab.run(ms(1));
    CHECK(handled.handler.outcome() == "fault 3(1000, 1002, 3, 4)");
    handled.answer(0, {71, 72});
    lab.run(ms(1));
    REQUIRE(lab.suspend(thread) == "ok");
    CHECK(read().at(0) == 71);
    CHECK(read().at(2) == 72);
    CHECK(read().at(1) == 1'001);
  }
}

TEST_CASE("A reply with label 1 leaves the thread Inactive.", "[kernel][fault][kernel.FA03]") {
  for (const u32 kind : {0u, 1u, 2u}) {
    CAPTURE(kind);
    Lab lab;
    Handled handled(lab);
    handled.listen();
    Thread& thread = lab.thread(
        {.budget = ms(1), .period = ms(10), .fault_endpoint = handled.endpoint, .timeout_endpoint = handled.endpoint});
    switch (kind) {
      case 0: thread.later(system_call(17)); break;
      case 1: thread.later(fault(FaultType::UserException, {1, 2, 3, 4})); break;
      case 2: thread.later(spin()); break;
    }
    lab.run(ms(5));
    REQUIRE(handled.handler.outcome().done);
    REQUIRE(thread.state() == ThreadState::BlockedOnReply);
    handled.answer(1);
    lab.run(ms(30));
    CHECK(thread.state() == ThreadState::Inactive);
  }
}

TEST_CASE("A fault without handler stops only that thread and is reported as an event.",
          "[kernel][fault][kernel.FA04]") {
  Lab lab;
  Thread& bystander = lab.thread();
  bystander.later(spin());
  const Action faults[] = {fault(FaultType::UserException, {0, 0, 1, 0}), fault(FaultType::Vm, {0, 0x5000, 0, 1}),
                           system_call(1'234), recv(u64{1} << 60)};
  u64 reported = 0;
  for (const Action& action : faults) {
    Thread& thread = lab.thread({.priority = 120});
    thread.later(action);
    lab.run(ms(1));
    CHECK(thread.state() == ThreadState::Inactive);
    reported += 1;
    const auto events = lab.events_of(base::EventKind::TrapUnhandled);
    REQUIRE(events.size() == reported);
    CHECK(events.back().thread == thread.id());
  }
  const u64 before = lab.ran(bystander);
  lab.run(ms(5));
  CHECK(lab.ran(bystander) > before + ms(4));
}

TEST_CASE("Setting a handler without Write and a grant right is refused.", "[kernel][fault][exhaustive][kernel.FA05]") {
  Lab lab;
  Thread& thread = lab.thread({.started = false});
  const Cptr endpoint = lab.endpoint();
  for (u8 rights = 0; rights < 16; ++rights) {
    CAPTURE(int(rights));
    const Cptr cap = lab.copied(endpoint, rights);
    const bool good = (rights & kRightWrite) != 0 && (rights & (kRightGrant | kRightGrantReply)) != 0;
    CHECK(lab.invoke(thread.tcb, Invoke::TcbSetTimeoutEndpoint, {}, {cap}) == (good ? "ok" : "InvalidCapability(1)"));
    CHECK(lab.invoke(thread.tcb, Invoke::TcbSetSchedParams, {1, 1}, {kRootTcb, thread.sc, cap}) ==
          (good ? "ok" : "InvalidCapability(3)"));
    CHECK(lab.invoke(thread.tcb, Invoke::TcbSetSpace, {0}, {cap, kRootCNode, kRootVSpace}) ==
          (good ? "ok" : "InvalidCapability(1)"));
  }
  CHECK(lab.invoke(thread.tcb, Invoke::TcbSetTimeoutEndpoint, {}, {lab.notification()}) == "InvalidCapability(1)");
  CHECK(lab.invoke(thread.tcb, Invoke::TcbSetTimeoutEndpoint, {}, {0}) == "ok");
  CHECK(thread.object().slots[kTcbTimeoutEndpoint].cap.is_null());
}

TEST_CASE("A passive handler runs on the faulting thread's scheduling context.", "[kernel][fault][kernel.FA06]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr reply = lab.reply();
  Thread& handler = lab.passive_server(endpoint, reply);
  Thread& thread = lab.thread({.fault_endpoint = endpoint});
  lab.settle();
  const auto sc = thread.object().sc;
  handler.later({compute(us(20)), reply_recv(endpoint, reply)});
  thread.later({fault(FaultType::UserException, {0, 0, 1, 1}), compute(us(5))});
  lab.run(us(15));
  CHECK(handler.object().sc == sc);
  CHECK(!thread.has_sc());
  lab.settle();
  CHECK(thread.object().sc == sc);
  CHECK(!handler.has_sc());
  CHECK(thread.finished());
  CHECK(lab.ran(handler) == us(20));
}

TEST_CASE(
    "A native crash of every kind becomes UserException; neighbours and kernel go on; the message is equal on every "
    "machine.",
    "[kernel][fault][kernel.FA07]") {
  Lab lab;
  Handled handled(lab);
  Thread& bystander = lab.thread({.priority = 50});
  bystander.later(spin());
  for (u64 kind = 0; kind <= static_cast<u64>(CrashKind::Killed); ++kind) {
    CAPTURE(kind);
    handled.listen();
    Thread& thread = lab.thread({.fault_endpoint = lab.minted(handled.endpoint, kind + 1)});
    const u64 code = kind == static_cast<u64>(CrashKind::NullAccess) ? 0x18 : 0;
    thread.later(fault(FaultType::UserException, {0, 0, kCrashNumberBase + kind, code}));
    const u64 before = lab.ran(bystander);
    lab.run(ms(1));
    CHECK(handled.handler.outcome() == "fault 3(0, 0, " + std::to_string(256 + kind) + ", " + std::to_string(code) +
                                           ") badge " + std::to_string(kind + 1));
    CHECK(lab.ran(bystander) > before);
    handled.answer(1);
    lab.run(ms(1));
    CHECK(thread.state() == ThreadState::Inactive);
  }
}

TEST_CASE("a fault waits in the queue of a busy handler, with the badge of the handler slot", "[kernel][fault]") {
  Lab lab;
  Handled handled(lab);
  Thread& one = lab.thread({.fault_endpoint = lab.minted(handled.endpoint, 11)});
  Thread& two = lab.thread({.fault_endpoint = lab.minted(handled.endpoint, 22)});
  one.does(fault(FaultType::Vm, {1, 2, 0, 1}));
  two.does(fault(FaultType::Vm, {3, 4, 0, 2}));
  CHECK(one.state() == ThreadState::BlockedOnSend);
  handled.listen();
  lab.settle();
  CHECK(handled.handler.outcome() == "fault 6(1, 2, 0, 1) badge 11");
  handled.answer();
  handled.listen();
  lab.settle();
  CHECK(handled.handler.outcome() == "fault 6(3, 4, 0, 2) badge 22");
  CHECK(one.state() == ThreadState::BlockedOnNotification);  // parked: it went on
}

TEST_CASE("a suspended faulter takes its fault out of the handler's queue", "[kernel][fault]") {
  Lab lab;
  Handled handled(lab);
  Thread& thread = lab.thread({.fault_endpoint = handled.endpoint});
  thread.does(fault(FaultType::Vm, {1, 2, 0, 1}));
  REQUIRE(lab.suspend(thread) == "ok");
  CHECK(lab.object<Endpoint>(handled.endpoint).state == EndpointState::Idle);
  CHECK(thread.object().fault.type == 0);
}
