// Smaller facts about the kernel that no named behaviour states: costs, events, entries, system calls.
#include <algorithm>

#include "tests/kernel/lab.h"

using namespace lab;

namespace {

/// Kernel time of what the world did since the last look, with nobody computing.
u64 time_of(Lab& lab, const std::function<void()>& act) {
  const u64 before = lab.now();
  act();
  return lab.now() - before;
}

}  // namespace

TEST_CASE("a notification is signalled and taken at the published cost", "[kernel][world][costs]") {
  Lab lab;
  const Cptr ntfn = lab.notification();
  const CostTable costs;
  const u64 signal_time = time_of(lab, [&] { lab.root_does(signal(ntfn)); });
  CHECK(signal_time >= costs.syscall + costs.signal);
  CHECK(signal_time <= costs.syscall + costs.signal + costs.schedule);
}

TEST_CASE("Call to a passive server on the fast path costs 219 ns, its reply 188 ns", "[kernel][world][costs]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr reply = lab.reply();
  Thread& server = lab.passive_server(endpoint, reply);
  Thread& client = lab.thread();
  lab.settle();
  std::vector<u64> times;
  u64 last = 0;
  lab.after_entry = [&] {
    times.push_back(lab.now() - last);
    last = lab.now();
  };
  server.later(reply_recv(endpoint, reply));
  client.later({compute(us(1)), call(endpoint), compute(us(1))});
  last = lab.now();
  lab.settle();
  lab.after_entry = nullptr;
  const CostTable costs;
  CHECK(costs.syscall + costs.fast_call + costs.thread_switch == 219);
  CHECK(costs.syscall + costs.fast_reply + costs.thread_switch == 188);
  CHECK(std::count(times.begin(), times.end(), us(1) + 219) == 1);
  CHECK(std::count(times.begin(), times.end(), u64{188}) == 1);
}

TEST_CASE("words beyond the registers are charged each", "[kernel][world][costs]") {
  const auto time_for = [](u64 words) {
    Lab lab;
    const Cptr endpoint = lab.endpoint();
    Thread& receiver = lab.thread();
    Thread& sender = lab.thread();
    receiver.does(recv(endpoint));
    lab.settle();
    const u64 before = lab.now();
    sender.does(send(endpoint, message(1, Words(words, 7))));
    return lab.now() - before;
  };
  const u64 four = time_for(4);
  CHECK(time_for(0) == four);
  CHECK(time_for(5) == four + 1);
  CHECK(time_for(1'008) == four + 1'004);
}

TEST_CASE("a copy costs the same among ten and among a thousand capabilities", "[kernel][world][costs]") {
  const auto time_for = [](u32 count) {
    Options options;
    options.check_every = 50;
    Lab lab(options);
    const Cptr endpoint = lab.endpoint();
    for (u32 i = 0; i < count; ++i) lab.copied(endpoint);
    const Cptr to = lab.slot();
    return time_of(lab, [&] { REQUIRE(lab.copy(to, endpoint) == "ok"); });
  };
  CHECK(time_for(10) == time_for(1'000));
}

TEST_CASE("sending to an endpoint costs the same with ten and with three hundred equal waiters",
          "[kernel][world][costs]") {
  const auto time_for = [](u32 count) {
    Options options;
    options.check_every = 50;
    Lab lab(options);
    const Cptr endpoint = lab.endpoint();
    for (u32 i = 0; i < count; ++i) lab.thread({.buffer = false, .parks = false}).later(send(endpoint));
    Thread& last = lab.thread();
    lab.settle();
    return time_of(lab, [&] { last.does(send(endpoint)); });
  };
  CHECK(time_for(10) == time_for(300));
}

TEST_CASE("a node with zero costs stands still in time while threads only call", "[kernel][world][costs]") {
  Lab lab(free_options());
  Thread& thread = lab.thread();
  const Cptr ntfn = lab.notification();
  for (u32 i = 0; i < 20; ++i) thread.later({signal(ntfn), poll(ntfn)});
  lab.settle();
  CHECK(lab.now() == 0);
}

TEST_CASE("every event names a kind of its table, its core and an existing thread", "[kernel][world][events]") {
  Options options;
  options.cores = 2;
  Lab lab(options);
  const Cptr endpoint = lab.endpoint();
  Thread& client = lab.thread({.core = 1});
  Thread& server = lab.thread();
  server.later(recv(endpoint, lab.reply()));
  client.later(call(endpoint, message(1, {2})));
  lab.settle();
  REQUIRE(!lab.events.empty());
  for (const base::EventRecord& event : lab.events) {
    CHECK(base::name_of(event.kind) != "?");
    CHECK(base::lane_of(event.kind) >= base::Lane::Sched);
    CHECK(base::lane_of(event.kind) <= base::Lane::Irq);
    CHECK(event.core < 2);
    CHECK(event.reserved == 0);
    CHECK(event.reserved1 == 0);
    if (event.thread != 0) {
      const bool known = event.thread == client.id() || event.thread == server.id() || event.thread == lab.root().id();
      CHECK(known);
    }
  }
}

TEST_CASE("a transfer is recorded with sender, badge and length", "[kernel][world][events]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr badged = lab.minted(endpoint, 5);
  Thread& receiver = lab.thread();
  Thread& sender = lab.thread();
  receiver.does(recv(endpoint));
  lab.events.clear();
  sender.does(send(badged, message(1, {1, 2, 3})));
  const auto transfers = lab.events_of(base::EventKind::IpcTransfer);
  REQUIRE(transfers.size() == 1);
  CHECK(transfers[0].object == lab.cap(endpoint).object);
  CHECK(transfers[0].a == sender.id());
  CHECK(transfers[0].b == 5);
  CHECK((transfers[0].flags & 0x3FF) == 3);
}

TEST_CASE("the digest in a transfer event depends on the words only", "[kernel][world][events]") {
  std::vector<u64> digests;
  for (const Words& words : {Words{1, 2}, Words{1, 2}, Words{1, 3}, Words{1, 2, 0}}) {
    Lab lab;
    const Cptr endpoint = lab.endpoint();
    Thread& receiver = lab.thread();
    Thread& sender = lab.thread();
    receiver.does(recv(endpoint));
    sender.does(send(endpoint, message(1, words)));
    digests.push_back(lab.events_of(base::EventKind::IpcTransfer).at(0).c);
  }
  CHECK(digests[0] == digests[1]);
  CHECK(digests[0] != digests[2]);
  CHECK(digests[0] != digests[3]);
}

TEST_CASE("an invocation is recorded with its label and result", "[kernel][world][events]") {
  Lab lab;
  lab.events.clear();
  const Cptr endpoint = lab.endpoint();
  CHECK(lab.copy(endpoint, endpoint) == "DeleteFirst");
  const auto invoked = lab.events_of(base::EventKind::IpcInvoke);
  REQUIRE(invoked.size() == 2);
  CHECK(invoked[0].a == static_cast<u64>(Invoke::UntypedRetype));
  CHECK(invoked[0].b == 0);
  CHECK(invoked[1].a == static_cast<u64>(Invoke::CNodeCopy));
  CHECK(invoked[1].b == static_cast<u64>(ResultLabel::DeleteFirst));
}

TEST_CASE("two runs of one program give the same events, entry for entry", "[kernel][world][determinism]") {
  const auto run = [] {
    Lab lab;
    const Cptr endpoint = lab.endpoint();
    const Cptr reply = lab.reply();
    Thread& server = lab.thread();
    Thread& client = lab.thread();
    for (u64 i = 0; i < 20; ++i) {
      server.later(reply_recv(endpoint, reply, message(i)));
      client.later({compute(us(i)), call(endpoint, message(i, {i}))});
    }
    lab.settle();
    return lab.events;
  };
  const auto first = run();
  const auto second = run();
  REQUIRE(first.size() == second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    const auto bytes = [](const base::EventRecord& event) {
      return std::string(reinterpret_cast<const char*>(&event), sizeof event);
    };
    REQUIRE(bytes(first[i]) == bytes(second[i]));
  }
}

TEST_CASE("an idle core has no timer when nobody waits for budget, and one when somebody does",
          "[kernel][world][time]") {
  Lab lab(free_options());
  Thread& thread = lab.thread({.budget = ms(1), .period = ms(10)});
  lab.settle();
  const u64 entries = lab.entries;
  lab.run(ms(100));
  CHECK(lab.entries == entries);
  thread.later(spin());
  const u64 start = lab.now();
  lab.run(ms(15));
  CHECK(lab.ran(thread, start, start + ms(1)) == ms(1));
  CHECK(lab.ran(thread, start + ms(1), start + ms(10)) == 0);
  CHECK(lab.ran(thread, start + ms(10), start + ms(11)) == ms(1));
}

TEST_CASE("more than 128 scheduling contexts due at once are released in batches and all run",
          "[kernel][world][time]") {
  Options options = free_options();
  options.ram_bytes = u64{32} << 20;
  options.check_every = 20;
  Lab lab(options);
  lab.keep_events = false;
  std::vector<Thread*> threads;
  for (u32 i = 0; i < 300; ++i) {
    Thread& thread =
        lab.thread({.budget = us(100), .period = ms(100), .buffer = false, .started = false, .parks = false});
    thread.later(spin());
    threads.push_back(&thread);
    REQUIRE(lab.resume(thread) == "ok");
  }
  lab.run(ms(40));
  for (const Thread* thread : threads) REQUIRE(lab.ran(*thread) == us(100));
  // They waited until their own refills; suspending and resuming all of them puts them on the same moment.
  lab.run(ms(80));
  const u64 from = lab.now();
  lab.run(ms(100));
  for (const Thread* thread : threads) CHECK(lab.ran(*thread, from, from + ms(100)) <= us(200));
  u64 total = 0;
  for (const Thread* thread : threads) total += lab.ran(*thread, from, from + ms(100));
  CHECK(total >= us(100) * 290);
}

TEST_CASE("an unknown negative call and every call from 0 up is an UnknownSyscall fault", "[kernel][world][fault]") {
  for (const i32 number : {0, 1, 93, 0x7FFF'FFFF, -14, -20, -31, -63, -0x7FFF'FFFF}) {
    CAPTURE(number);
    Lab lab;
    const Cptr endpoint = lab.endpoint();
    Thread& handler = lab.thread({.priority = 150});
    Thread& thread = lab.thread({.fault_endpoint = endpoint});
    handler.does(recv(endpoint));
    thread.does(system_call(number));
    REQUIRE(handler.outcome().done);
    CHECK(handler.outcome().label == static_cast<u64>(FaultType::UnknownSyscall));
    CHECK(handler.outcome().words.size() == 11);
    CHECK(handler.outcome().words.at(10) == static_cast<u64>(static_cast<i64>(number)));
  }
}

TEST_CASE("Yield with nobody else ready goes on at once", "[kernel][world]") {
  Lab lab(free_options());
  Thread& thread = lab.thread();
  lab.settle();
  const u64 start = lab.now();
  thread.later({compute(us(1)), yield(), yield(), compute(us(1))});
  lab.settle();
  CHECK(thread.finished());
  CHECK(lab.ran(thread, start, start + us(2)) == us(2));
}

TEST_CASE("Signal on anything but a notification does nothing", "[kernel][world]") {
  Lab lab;
  Thread& thread = lab.thread();
  Thread& receiver = lab.thread();
  const Cptr endpoint = lab.endpoint();
  receiver.does(recv(endpoint));
  const auto before = lab.caps();
  for (const Cptr cap : {endpoint, lab.reply(), Cptr{kRootTcb}, Cptr{kRootCNode}, Cptr{0}}) {
    CAPTURE(cap);
    CHECK(thread.does(signal(cap)) == "done");
  }
  CHECK(receiver.state() == ThreadState::BlockedOnReceive);
  CHECK(lab.caps().size() >= before.size());
}

TEST_CASE("Send and NBSend to an object invoke it and drop the result", "[kernel][world]") {
  Lab lab;
  Thread& target = lab.thread();
  Thread& thread = lab.thread();
  lab.settle();
  const Message suspend = message(static_cast<u64>(Invoke::TcbSuspend));
  CHECK(thread.does(send(target.tcb, suspend)) == "done");
  CHECK(target.state() == ThreadState::Inactive);
  REQUIRE(lab.resume(target) == "ok");
  CHECK(thread.does(nb_send(target.tcb, suspend)) == "done");
  CHECK(target.state() == ThreadState::Inactive);
  CHECK(thread.does(nb_send(target.tcb, message(0x999))) == "done");
}

TEST_CASE("two-phase calls send only to endpoints, notifications and Reply objects", "[kernel][world]") {
  Lab lab;
  Thread& target = lab.thread();
  Thread& thread = lab.thread();
  const Cptr ntfn = lab.notification();
  lab.settle();
  lab.root_does(signal(ntfn));
  const Message suspend = message(static_cast<u64>(Invoke::TcbSuspend));
  CHECK(thread.does(nb_send_wait(target.tcb, suspend, ntfn)) == "signal 0");
  CHECK(target.state() != ThreadState::Inactive);
}

TEST_CASE("invocation arguments and results travel in the buffer when the flag says so", "[kernel][world][invoke]") {
  Lab lab;
  Thread& target = lab.thread({.started = false});
  Words write = {0, 8};
  for (u64 i = 0; i < 8; ++i) write.push_back(50 + i);
  Message in_buffer = message(static_cast<u64>(Invoke::TcbWriteRegisters), write);
  in_buffer.in_buffer = true;
  REQUIRE(lab.root_does(call(target.tcb, in_buffer)) == "ok");
  Message read = message(static_cast<u64>(Invoke::TcbReadRegisters), {0, 8});
  read.in_buffer = true;
  CHECK(lab.root_does(call(target.tcb, read)) == "ok(50, 51, 52, 53, 54, 55, 56, 57)");
}

TEST_CASE("a caller without a buffer gets at most four result words", "[kernel][world][invoke]") {
  Lab lab;
  Thread& target = lab.thread({.started = false});
  Thread& caller = lab.thread({.buffer = false});
  const Outcome read = caller.does(invoke(target.tcb, Invoke::TcbReadRegisters, {0, 10}));
  CHECK(read.ok());
  CHECK(read.words.size() == 4);
}

TEST_CASE("a read-only IPC buffer sends but does not receive", "[kernel][world][ipc]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  Thread& reader = lab.thread({.buffer = false});
  Thread& writer = lab.thread();
  const Cptr frame = lab.frame(13);
  const Cptr narrow = lab.copied(frame, kRightRead);
  REQUIRE(lab.invoke(reader.tcb, Invoke::TcbSetIpcBuffer, {0x8000}, {narrow}) == "ok");
  writer.later(recv(endpoint));
  CHECK(reader.does(send(endpoint, message(1, {1, 2, 3, 4, 5, 6}))) == "done");
  CHECK(writer.outcome().words == Words{1, 2, 3, 4, 5, 6});
  reader.later(recv(endpoint));
  CHECK(writer.does(send(endpoint, message(1, {1, 2, 3, 4, 5, 6}))) == "done");
  CHECK(reader.outcome().words == Words{1, 2, 3, 4});
}

TEST_CASE("two threads may share one buffer frame", "[kernel][world][ipc]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr frame = lab.frame(13);
  Thread& one = lab.thread({.buffer = false});
  Thread& two = lab.thread({.buffer = false});
  for (const Thread* thread : {&one, &two}) {
    REQUIRE(lab.invoke(thread->tcb, Invoke::TcbSetIpcBuffer, {0x8000}, {frame}) == "ok");
  }
  two.later(recv(endpoint));
  Words words;
  for (u64 i = 0; i < 100; ++i) words.push_back(i);
  CHECK(one.does(send(endpoint, message(3, words))) == "done");
  CHECK(two.outcome().words == words);
}

TEST_CASE("a buffer inside a large frame lies at its address", "[kernel][world][ipc]") {
  Lab lab;
  const Cptr endpoint = lab.endpoint();
  const Cptr frame = lab.frame(21);
  Thread& one = lab.thread({.buffer = false});
  Thread& two = lab.thread();
  REQUIRE(lab.invoke(one.tcb, Invoke::TcbSetIpcBuffer, {0x20'0000 + 0x1'2000}, {frame}) == "ok");
  one.later(recv(endpoint));
  two.does(send(endpoint, message(3, {1, 2, 3, 4, 5})));
  CHECK(one.outcome().words == Words{1, 2, 3, 4, 5});
  const u64* word =
      reinterpret_cast<const u64*>(lab.kernel().ram() + lab.cap(frame).object + 0x1'2000 + 16 * 8 + 4 * 8);
  CHECK(*word == 5);
}

TEST_CASE("deleting the buffer frame leaves the thread its own capability", "[kernel][world][ipc]") {
  Lab lab;
  const Cptr frame = lab.frame(13);
  Thread& thread = lab.thread({.buffer = false, .started = false});
  REQUIRE(lab.invoke(thread.tcb, Invoke::TcbSetIpcBuffer, {0x8000}, {frame}) == "ok");
  REQUIRE(lab.revoke(frame) == "ok");
  CHECK(thread.object().slots[kTcbBuffer].cap.is_null());
  CHECK(thread.buffer() == nullptr);
}
