// Priorities: who runs first.
#include "tests/kernel/lab.h"

using namespace lab;

namespace {

/// Who ran, in order.
std::vector<u32> order_of(const Lab& lab) {
  std::vector<u32> order;
  for (const Stretch& stretch : lab.stretches) order.push_back(stretch.thread.offset);
  return order;
}

}  // namespace

TEST_CASE("Threads on all 256 levels run in order.", "[kernel][priority][exhaustive][kernel.PR01]") {
  Options options = free_options();
  options.ram_bytes = u64{32} << 20;
  options.check_every = 16;
  Lab lab(options);
  std::vector<u32> expected(256);
  base::Prng prng{1, "test.levels"};
  std::vector<u8> levels;
  for (u32 i = 0; i < 256; ++i) levels.push_back(static_cast<u8>(i));
  for (u32 i = 255; i > 0; --i) std::swap(levels[i], levels[prng.below(i + 1)]);
  for (const u8 level : levels) {
    Thread& thread = lab.thread({.priority = level, .budget = ms(100), .buffer = false, .started = false});
    expected[255 - level] = thread.ref.offset;
    thread.later(compute(us(1)));
    REQUIRE(lab.resume(thread) == "ok");
  }
  lab.stretches.clear();
  lab.settle();
  CHECK(order_of(lab) == expected);
}

TEST_CASE("Raising a thread above the caller runs it at once; lowering oneself lets others run.",
          "[kernel][priority][kernel.PR02]") {
  Lab lab(free_options());
  Thread& caller = lab.thread();
  Thread& other = lab.thread({.priority = 50});
  lab.settle();
  lab.stretches.clear();
  SECTION("raising another") {
    other.later(compute(us(5)));
    caller.later({compute(us(1)), invoke(other.tcb, Invoke::TcbSetPriority, {150}, {kRootTcb}), compute(us(2))});
    lab.settle();
    CHECK(order_of(lab) == std::vector<u32>{caller.ref.offset, other.ref.offset, caller.ref.offset});
  }
  SECTION("lowering oneself") {
    other.later(compute(us(5)));
    caller.later({compute(us(1)), invoke(caller.tcb, Invoke::TcbSetPriority, {40}, {kRootTcb}), compute(us(2))});
    lab.settle();
    CHECK(order_of(lab) == std::vector<u32>{caller.ref.offset, other.ref.offset, caller.ref.offset});
  }
  SECTION("lowering oneself to an equal keeps the place") {
    other.later(compute(us(5)));
    caller.later({compute(us(1)), invoke(caller.tcb, Invoke::TcbSetPriority, {50}, {kRootTcb}), compute(us(2))});
    lab.settle();
    CHECK(order_of(lab) == std::vector<u32>{caller.ref.offset, other.ref.offset});
  }
}

TEST_CASE("Priority and MCP above the authority's MCP are RangeError(0, mcp).", "[kernel][priority][kernel.PR03]") {
  Lab lab;
  Thread& thread = lab.thread();
  for (const u8 mcp : {0, 1, 100, 254, 255}) {
    Thread& authority = lab.thread({.priority = 255, .mcp = mcp});
    const std::string range = "RangeError(0, " + std::to_string(mcp) + ")";
    for (const u64 value : {u64{0}, u64{1}, u64{100}, u64{101}, u64{255}, u64{256}, u64{1} << 32, kNever}) {
      CAPTURE(int(mcp), value);
      const std::string expected = value <= mcp ? "ok" : range;
      CHECK(lab.set_priority(thread, value, authority.tcb) == expected);
      CHECK(lab.invoke(thread.tcb, Invoke::TcbSetMcp, {value}, {authority.tcb}) == expected);
    }
    lab.suspend(authority);
  }
  CHECK(lab.set_priority(thread, 1, kRootCNode) == "InvalidCapability(1)");
}

TEST_CASE("The IPC partner goes first among equals; a thread woken by a running one goes last.",
          "[kernel][priority][kernel.PR04]") {
  Lab lab(free_options());
  const Cptr endpoint = lab.endpoint();
  const Cptr ntfn = lab.notification();
  Thread& caller = lab.thread();
  Thread& server = lab.thread();
  Thread& woken = lab.thread();
  Thread& rival = lab.thread();
  const Cptr begin = lab.notification();
  server.later({recv(endpoint, lab.reply()), compute(us(2))});
  woken.later({wait(ntfn), compute(us(3))});
  rival.later({wait(begin), compute(us(4))});
  caller.later(
      {wait(begin), compute(us(1)), signal(begin), compute(us(1)), signal(ntfn), compute(us(1)), call(endpoint)});
  lab.settle();
  lab.stretches.clear();
  // whoever waits first gets the first signal and is the caller or the rival; both orders end alike
  lab.root_does(signal(begin));
  lab.settle();
  if (!caller.finished() && caller.state() == ThreadState::BlockedOnNotification) {
    lab.root_does(signal(begin));
    lab.settle();
  }
  std::vector<u32> order = order_of(lab);
  const auto place = [&](const Thread& thread) {
    return std::find(order.begin(), order.end(), thread.ref.offset) - order.begin();
  };
  const auto last_of_caller = order.rend() - std::find(order.rbegin(), order.rend(), caller.ref.offset);
  CHECK(place(server) == last_of_caller);  // at once after the caller's last stretch
  CHECK(place(woken) > place(server));     // woken before the server, by one that went on: last
  if (place(rival) > place(caller)) CHECK(place(rival) > place(server));
}

TEST_CASE("A preempted thread continues before its equals; one whose slice ended after them.",
          "[kernel][priority][kernel.PR05]") {
  Lab lab(free_options());
  Thread& first = lab.thread({.budget = ms(2)});
  Thread& second = lab.thread({.budget = ms(2)});
  Thread& bully = lab.thread({.priority = 150});
  const Cptr go = lab.notification();
  bully.later({wait(go), compute(us(10))});
  lab.settle();
  lab.stretches.clear();
  first.later(compute(ms(3)));
  second.later(compute(ms(1)));
  lab.run(ms(1));
  REQUIRE(order_of(lab).size() == 1);
  const u32 running = order_of(lab)[0];
  const u32 waiting = running == first.ref.offset ? second.ref.offset : first.ref.offset;
  lab.root_does(signal(go));
  lab.settle();
  const auto order = order_of(lab);
  REQUIRE(order.size() >= 4);
  CHECK(order[1] == bully.ref.offset);
  CHECK(order[2] == running);  // preempted: before its equal
  CHECK(order[3] == waiting);  // its slice over, or done
  if (running == first.ref.offset) CHECK(order.at(4) == running);
}

TEST_CASE("With ten thousand ready threads picking is O(1) and fair.", "[kernel][priority][kernel.PR06]") {
  const auto run = [](u32 count) {
    Options options;
    options.ram_bytes = u64{128} << 20;
    options.check_every = 0;
    Lab lab(options);
    lab.keep_events = false;
    const Cptr keep = lab.cnode(15);
    const Cptr tcb = lab.slot();
    const Cptr sc = lab.slot();
    std::map<u32, u32> index_of;
    lab.keep_stretches = false;
    for (u32 i = 0; i < count; ++i) {
      REQUIRE(lab.retype(lab.general_untyped, ObjectType::Tcb, 0, tcb) == "ok");
      REQUIRE(lab.retype(lab.general_untyped, ObjectType::SchedContext, 8, sc) == "ok");
      REQUIRE(lab.configure_sc(sc, us(100), us(100)) == "ok");
      REQUIRE(lab.invoke(tcb, Invoke::TcbConfigure, {0, 0}, {kRootCNode, kRootVSpace, 0}) == "ok");
      REQUIRE(lab.invoke(tcb, Invoke::TcbSetSchedParams, {0, 100}, {kRootTcb, sc, 0}) == "ok");
      REQUIRE(lab.invoke(tcb, Invoke::TcbResume) == "ok");
      index_of[lab.cap(tcb).object] = i;
      REQUIRE(lab.move(Place(keep, 2 * i, 15), tcb) == "ok");
      REQUIRE(lab.move(Place(keep, 2 * i + 1, 15), sc) == "ok");
    }
    lab.check("building");
    lab.keep_stretches = true;
    lab.run(us(1));
    const u64 from = lab.now();
    const u64 entries = lab.entries;
    lab.run(us(100) * count * 2);
    std::vector<u32> order;
    for (const Stretch& stretch : lab.stretches) order.push_back(index_of.at(stretch.thread.offset));
    // everybody in turn, twice, in the same order
    REQUIRE(order.size() >= 2 * count - count / 50 - 2);  // the kernel took its part of the time
    for (u32 i = 0; i < count; ++i) REQUIRE(order[i] == i);
    for (u32 i = count; i < order.size(); ++i) REQUIRE(order[i] == order[i - count]);
    lab.check("running");
    u64 used = 0;
    for (const Stretch& stretch : lab.stretches) used += stretch.to - stretch.from;
    return (lab.now() - from - used) / (lab.entries - entries);  // kernel time of an entry
  };
  const u64 few = run(100);
  const u64 many = run(10'000);
  CHECK(many <= few + few / 20);
}

TEST_CASE("a thread made ready on a higher level preempts at once, on a lower one waits", "[kernel][priority]") {
  Lab lab(free_options());
  const Cptr up = lab.notification();
  const Cptr down = lab.notification();
  Thread& high = lab.thread({.priority = 101});
  Thread& low = lab.thread({.priority = 99});
  Thread& middle = lab.thread();
  high.later({wait(up), compute(us(1))});
  low.later({wait(down), compute(us(1))});
  lab.settle();
  lab.stretches.clear();
  middle.later({signal(down), compute(us(1)), signal(up), compute(us(1))});
  lab.settle();
  CHECK(order_of(lab) == std::vector<u32>{middle.ref.offset, high.ref.offset, middle.ref.offset, low.ref.offset});
}
