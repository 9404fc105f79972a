// What a plan does to a world: nodes that differ, power, consoles, clocks, stolen time, killed threads, driven programs.
#include <catch2/catch.hpp>

#include "tests/sim/guest.h"
#include "tests/sim/lab.h"

using namespace guest;
using sim::ActionError;
using sim::Outcome;
using sim::World;
using sim::host::Machine;
using sim::host::MachineOptions;
using sim::host::NodeShape;

namespace {

constexpr u64 kMillisecond = 1'000'000;
constexpr u64 kRam = u64{16} << 20;

/// The line of a device, bound to a new notification and armed.
struct LineOf {
  u64 notification;
  u64 handler;
  LineOf(Root& root, DeviceKind kind) : notification(root.make(ObjectType::Notification)), handler(root.next_slot++) {
    ASSERT(sys::invoke(kRootIrqControl, Invoke::IrqControlGet, {root.device(kind).irq, 0, handler, 64}, {kRootCNode})
               .ok());
    ASSERT(sys::invoke(handler, Invoke::IrqHandlerSetNotification, {}, {notification}).ok());
    ack();
  }
  void ack() const { ASSERT(sys::invoke(handler, Invoke::IrqHandlerAck, {}).ok()); }
};

void sleep_until(const LineOf& timer, u64 monotonic_ns) {
  sys::frame().mr[0] = monotonic_ns;
  port::call(kTimer, port::Timer::Arm);
  sys::wait(timer.notification);
  timer.ack();
}

// Prints a dot each millisecond, `rounds` of them.
void ticker_root(const u64 (&)[8]) {
  Root root;
  const LineOf timer(root, DeviceKind::Timer);
  const u64 start = now();
  for (u64 round = 1; round <= 20; ++round) {
    sleep_until(timer, start + round * kMillisecond);
    print(".");
  }
  halt(5);
}

void echo_root(const u64 (&)[8]) {
  Root root;
  const LineOf console(root, DeviceKind::Console);
  port::call(kConsole, port::Console::Kind);
  print(sys::frame().mr[0] == 2 ? "script:" : "other:");
  for (;;) {
    sys::wait(console.notification);
    for (;;) {
      sys::frame().mr[0] = 100;
      port::call(kConsole, port::Console::Read);
      const u64 count = sys::frame().mr[0];
      const bool ended = sys::frame().mr[1] != 0;
      if (count > 0) {
        sys::frame().mr[0] = count;
        port::call(kConsole, port::Console::Write);
      }
      if (ended) return halt(3);
      if (count == 0) break;
    }
    console.ack();
  }
}

// Reads the clock at each of its own milliseconds, and says what it read.
void clock_root(const u64 (&)[8]) {
  Root root;
  const LineOf timer(root, DeviceKind::Timer);
  u64 last = 0;
  for (u64 round = 1; round <= 10; ++round) {
    sleep_until(timer, round * kMillisecond);
    const u64 monotonic = now();
    const u64 wall = sys::frame().mr[1];
    ASSERT(monotonic >= last);
    last = monotonic;
    print_number(monotonic / 1000);
    print("/");
    print_number((wall - sim::kWallStartNs) / 1000);
    print(" ");
  }
  halt(0);
}

// A server that adds, called for ever; the root handles its fault and prints what it says.
void adding_server(const u64 (&arguments)[8]) {
  sys::recv(arguments[0], arguments[1]);
  for (;;) {
    sys::frame().mr[0] += 1;
    sys::reply_recv(arguments[0], arguments[1], MessageInfo::make(0, 1));
  }
}
void endless_client(const u64 (&arguments)[8]) {
  for (;;) {
    sys::frame().mr[0] = 1;
    sys::call(arguments[0], MessageInfo::make(0, 1));
    machine::charge(5'000);
  }
}
void victim_root(const u64 (&)[8]) {
  Root root;
  const u64 endpoint = root.make(ObjectType::Endpoint);
  const u64 reply = root.make(ObjectType::Reply);
  const u64 faults = root.make(ObjectType::Endpoint);
  const u64 fault_reply = root.make(ObjectType::Reply);
  root.spawn(1, {endpoint, reply}, 200, faults);
  root.spawn(2, {endpoint}, 100, faults);
  sys::recv(faults, fault_reply);
  print_number(sys::frame().mr[2] - kCrashNumberBase);
  halt(0);
}

// Burns its processor and says every millisecond of it how late it is.
void busy_root(const u64 (&)[8]) {
  Root root;
  u64 worst = 0;
  for (u32 round = 0; round < 20; ++round) {
    const u64 before = now();
    machine::charge(kMillisecond);
    const u64 took = now() - before;
    if (took > worst) worst = took;
  }
  print_number(worst / kMillisecond);
  halt(0);
}

// Does what it is told: prints its order, answers with its length.
void puppet_root(const u64 (&)[8]) {
  Root root;
  u64 result_bytes = 0;
  for (;;) {
    sys::frame().mr[0] = 7;
    sys::frame().mr[1] = result_bytes;
    port::call(kWorld, port::World::Puppet);
    const u64 count = sys::frame().mr[0];
    if (sys::frame().mr[1] != 0) return halt(4);
    sys::frame().mr[0] = count;
    port::call(kConsole, port::Console::Write);
    sys::buffer().msg[0] = count;
    result_bytes = 8;
  }
}

constexpr machine::NativeEntry kTicker[] = {{"root", ticker_root}};
constexpr machine::NativeEntry kEcho[] = {{"root", echo_root}};
constexpr machine::NativeEntry kClock[] = {{"root", clock_root}};
constexpr machine::NativeEntry kVictim[] = {
    {"root", victim_root}, {"server", adding_server}, {"client", endless_client}};
constexpr machine::NativeEntry kBusy[] = {{"root", busy_root}};
constexpr machine::NativeEntry kPuppet[] = {{"root", puppet_root}};

struct Run {
  Outcome outcome = Outcome::Running;
  u32 status = 0;
  u64 now = 0;
  std::string output;  // of all nodes: a node's number where it changes
  base::Digest root;
  std::vector<base::Event> events;
};

Run run(const MachineOptions& options, const Machine::Action& act = {}, const std::vector<u64>& times = {},
        const Machine::Puppet& puppet = {}, u64 until = sim::kNever) {
  Run result;
  u32 last_node = 0;
  Machine machine(options);
  machine.on_output = [&](u32 node, base::Bytes bytes) {
    if (node != last_node) result.output += std::to_string(node) + ":";
    last_node = node;
    result.output += base::text_of(bytes);
  };
  machine.on_event = [&](const base::Event& event) { result.events.push_back(event); };
  machine.on_action = act;
  machine.on_puppet = puppet;
  REQUIRE(machine.start() == "");
  for (u64 i = 0; i < times.size(); ++i) REQUIRE(machine.world().at(times[i], i).ok());
  result.outcome = machine.world().run(until);
  result.status = machine.world().status();
  result.now = machine.world().now();
  result.root = machine.world().finish();
  return result;
}

u64 count_of(const Run& run, base::EventKind kind, u16 node) {
  u64 count = 0;
  for (const base::Event& event : run.events) {
    if (event.kind == static_cast<u16>(kind) && event.node == node) count += 1;
  }
  return count;
}

MachineOptions with(std::vector<NodeShape> shapes, std::span<const machine::NativeEntry> entries, u64 seed = 1) {
  return {.seed = seed, .entries = entries, .shapes = std::move(shapes)};
}

template <class T>
ActionError::Code code_of(const sim::ActionResult<T>& result) {
  REQUIRE_FALSE(result.ok());
  return result.error().code;
}

}  // namespace

TEST_CASE("nodes of one world differ in cores, memory, console and clock", "[sim][world]") {
  const Run result =
      run(with({{.name = "a", .cores = 2, .ram_bytes = kRam, .console = sim::ConsoleKind::Script, .script = "x"},
                {.name = "b", .ram_bytes = 2 * kRam, .console = sim::ConsoleKind::Script, .script = "yz"}},
               kEcho));
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.output.find("x") != std::string::npos);
  CHECK(result.output.find("yz") != std::string::npos);
  REQUIRE(result.events[0].a == 2);
  CHECK(result.events[0].b == 3);
}

TEST_CASE("equal nodes give the root that they give as shapes", "[sim][world][determinism]") {
  const Run flat = run({.seed = 3, .cores = 2, .ram_bytes = kRam, .nodes = 2, .entries = kTicker});
  const NodeShape shape{.cores = 2, .ram_bytes = kRam};
  const Run shaped = run(with({shape, shape}, kTicker, 3));
  CHECK(flat.root == shaped.root);
}

TEST_CASE("a node is off until its time while another runs", "[sim][world]") {
  const Run result = run(with({{.ram_bytes = kRam}, {.ram_bytes = kRam, .boot_at_ns = 10 * kMillisecond}}, kTicker));
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.status == 5);
  CHECK(count_of(result, base::EventKind::HostConsoleOut, 1) == 20);
  CHECK(count_of(result, base::EventKind::HostConsoleOut, 2) == 20);
  for (const base::Event& event : result.events) {
    if (event.node == 2) REQUIRE(event.time_ns >= 10 * kMillisecond);
  }
  CHECK(result.now > 30 * kMillisecond);
}

TEST_CASE("a node that is never booted does not hold up the end", "[sim][world]") {
  const Run result = run(with({{.ram_bytes = kRam}, {.ram_bytes = kRam, .boot_at_ns = sim::kNever}}, kTicker));
  CHECK(result.outcome == Outcome::Ended);
  CHECK(count_of(result, base::EventKind::WorldNodeUp, 2) == 0);
}

TEST_CASE("a power cut drops all of a node, and booting starts it again from nothing", "[sim][world]") {
  const auto act = [](World& world, u64 id) {
    if (id == 0) REQUIRE(world.power_cut(2).ok());
    if (id == 1) REQUIRE(world.boot(2).ok());
  };
  const std::vector<u64> times = {5 * kMillisecond + 500'000, 30 * kMillisecond};
  const MachineOptions options = with({{.ram_bytes = kRam}, {.cores = 2, .ram_bytes = kRam}}, kTicker);
  const Run result = run(options, act, times);
  CHECK(result.outcome == Outcome::Ended);
  CHECK(count_of(result, base::EventKind::HostConsoleOut, 1) == 20);
  CHECK(count_of(result, base::EventKind::HostConsoleOut, 2) == 25);
  CHECK(count_of(result, base::EventKind::WorldNodeUp, 2) == 2);
  CHECK(result.now > 50 * kMillisecond);
  for (const base::Event& event : result.events) {
    if (event.node != 2 || event.time_ns <= times[0]) continue;
    REQUIRE(event.time_ns >= times[1]);
  }
  CHECK(run(options, act, times).root == result.root);
}

TEST_CASE("the plan goes on while all nodes are off, and no longer than it can boot one", "[sim][world]") {
  const auto act = [](World& world, u64 id) {
    if (id == 0) REQUIRE(world.power_cut(1).ok());
    if (id == 1) REQUIRE(world.boot(1).ok());
  };
  const Run result =
      run(with({{.ram_bytes = kRam}}, kTicker), act, {3 * kMillisecond, 1000 * kMillisecond, 5000 * kMillisecond});
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.status == 5);
  CHECK(result.now > 1000 * kMillisecond);
  CHECK(result.now < 1100 * kMillisecond);
}

TEST_CASE("power fails at any moment of a node's life", "[sim][world]") {
  for (u64 at = 0; at < 40; ++at) {
    CAPTURE(at);
    const auto act = [](World& world, u64 id) {
      if (id == 0) REQUIRE(world.power_cut(1).ok());
      if (id == 1) REQUIRE(world.boot(1).ok());
    };
    const u64 cut = at * 7'919;
    const Run result = run(with({{.cores = 2, .ram_bytes = kRam}}, kVictim), act, {cut, cut + 1'000}, {}, kMillisecond);
    REQUIRE(count_of(result, base::EventKind::WorldNodeUp, 1) == 2);
    REQUIRE(result.outcome == Outcome::Running);
  }
}

TEST_CASE("a plan types on a console and ends it", "[sim][console]") {
  std::string text;
  for (u32 i = 0; i < 2000; ++i) text += std::to_string(i) + "\n";  // longer than the FIFO
  const auto act = [&](World& world, u64 id) {
    if (id == 0) REQUIRE(world.console_type(1, base::bytes_of(text)).value() == text.size());
    if (id == 1) REQUIRE(world.console_end(1).ok());
    if (id == 1) REQUIRE(code_of(world.console_type(1, base::bytes_of(text))) == ActionError::Code::ConsoleEnded);
  };
  const Run result = run(with({{.ram_bytes = kRam, .console = sim::ConsoleKind::Typed}}, kEcho), act,
                         {5 * kMillisecond, 5 * kMillisecond});
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.status == 3);
  CHECK(result.output == "1:script:" + text);
}

TEST_CASE("what was typed before a power cut is gone after it", "[sim][console]") {
  const auto act = [&](World& world, u64 id) {
    if (id == 0) REQUIRE(world.console_type(1, base::bytes_of("lost")).ok());
    if (id == 0) REQUIRE(world.power_cut(1).ok());
    if (id == 1) REQUIRE(world.boot(1).ok());
    if (id == 2) REQUIRE(world.console_type(1, base::bytes_of("kept")).ok());
    if (id == 2) REQUIRE(world.console_end(1).ok());
  };
  const Run result = run(with({{.ram_bytes = kRam, .console = sim::ConsoleKind::Typed}}, kEcho), act,
                         {5 * kMillisecond, 6 * kMillisecond, 10 * kMillisecond});
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.output == "1:script:script:kept");
}

TEST_CASE("a clock is skewed, drifts, steps and changes its rate, and its timers follow",
          "[sim][clock][simulation.T21][simulation.T22]") {
  SECTION("skew moves the wall only") {
    const Run result = run(with({{.ram_bytes = kRam, .clock = {.skew_ns = 50 * kMillisecond}}}, kClock));
    CHECK(result.output.find("1000/51000 ") != std::string::npos);
    CHECK(result.now / kMillisecond == 10);
  }
  SECTION("a fast clock's timers come early in world time") {
    const Run result = run(with({{.ram_bytes = kRam, .clock = {.drift_ppm = 1'000'000}}}, kClock));
    CHECK(std::stoull(result.output.substr(2)) / 10 == 100);  // µs of its own
    CHECK(result.now / kMillisecond == 5);
  }
  SECTION("a step moves the wall and no timer") {
    const auto act = [](World& world, u64) {
      REQUIRE(world.step_wall(1, -500'000).ok());
      REQUIRE(world.clock(1).error_at(world.now()) == -500'000);
    };
    const Run result = run(with({{.ram_bytes = kRam}}, kClock), act, {5 * kMillisecond + 1});
    CHECK(result.output.find("6000/5500 ") != std::string::npos);
    CHECK(result.now / kMillisecond == 10);
    CHECK(count_of(result, base::EventKind::WorldClockSet, 0) == 1);
  }
  SECTION("an armed timer goes by the new rate") {
    // At 4.5 ms the clock stops for 3 ms of world time, then runs at half speed: 5 ms comes at 7.5 + 1 ms.
    const auto act = [](World& world, u64 id) { REQUIRE(world.set_rate(1, id == 0 ? -1'000'000 : -500'000).ok()); };
    const Run result =
        run(with({{.ram_bytes = kRam}}, kClock), act, {4 * kMillisecond + 500'000, 7 * kMillisecond + 500'000});
    u64 fifth = 0;
    u32 seen = 0;
    for (const base::Event& event : result.events) {
      if (event.kind == static_cast<u16>(base::EventKind::IrqRaise) && ++seen == 5) fifth = event.time_ns;
    }
    CHECK(fifth / 1000 == 8'500);
    CHECK(result.now / kMillisecond == 18);  // 8.5 ms and five more at half speed, and a bit
  }
}

TEST_CASE("a clock's two directions agree at every rate", "[sim][clock][property]") {
  base::Prng draws{11, "test.clock"};
  for (u32 round = 0; round < 200; ++round) {
    const i32 first = static_cast<i32>(draws.below(2'000'001)) - 1'000'000;
    const i32 second = static_cast<i32>(draws.below(2'000'000)) - 999'999;  // not standing
    sim::NodeClock clock(0, {.drift_ppm = first});
    const u64 change = draws.below(1'000'000'000'000);
    const u64 before = clock.monotonic_at(change);
    clock.set_rate(change, second);
    CAPTURE(round, first, second, change);
    REQUIRE(clock.monotonic_at(change) == before);
    const u64 local = before + 1 + draws.below(1'000'000'000'000);
    const u64 at = clock.world_time_of(local);
    REQUIRE(clock.monotonic_at(at) >= local);
    REQUIRE(clock.monotonic_at(at - 1) < local);
  }
}

TEST_CASE("a killed thread faults at its next kernel entry and its handler sees a kill", "[sim][world]") {
  for (const std::string name : {"server", "client"}) {
    for (u64 offset = 0; offset < 12; ++offset) {
      CAPTURE(name, offset);
      const auto act = [&](World& world, u64) {
        // Threads have no names here: the server was made first.
        u32 ids[3] = {};
        u32 count = 0;
        for (const sim::Fiber& fiber : world.nodes()[0].fibers()) {
          if (fiber.thread_id != 0 && count < 3) ids[count++] = fiber.thread_id;
        }
        REQUIRE(count == 3);
        REQUIRE(world.kill(1, ids[name == "server" ? 1 : 2]).ok());
      };
      const Run result = run(with({{.ram_bytes = kRam}}, kVictim), act, {kMillisecond + offset * 431});
      REQUIRE(result.outcome == Outcome::Ended);
      REQUIRE(result.output == "1:" + std::to_string(static_cast<u64>(CrashKind::Killed)));
      REQUIRE(result.events.back().kind == static_cast<u16>(base::EventKind::WorldEnd));
    }
  }
}

TEST_CASE("a paused node loses time and nobody is charged for it", "[sim][world]") {
  const auto act = [](World& world, u64) { REQUIRE(world.pause(1, 50 * kMillisecond).ok()); };
  const MachineOptions options = with({{.ram_bytes = kRam}, {.ram_bytes = kRam}}, kBusy);
  const Run plain = run(options);
  const Run paused = run(options, act, {7 * kMillisecond + 300'000});
  CHECK(plain.output.find("51") == std::string::npos);
  CHECK(paused.output.find("1:51") != std::string::npos);
  CHECK(paused.output.find("2:1") != std::string::npos);
  const auto charged = [](const Run& result) {
    u64 sum = 0;
    for (const base::Event& event : result.events) {
      if (event.kind == static_cast<u16>(base::EventKind::BudgetCharge) && event.node == 1) sum += event.a;
    }
    return sum;
  };
  CHECK(charged(paused) < charged(plain) + kMillisecond);
}

TEST_CASE("an idle core that is paused starts what wakes it when the pause ends", "[sim][world]") {
  const auto act = [](World& world, u64) { REQUIRE(world.steal(1, 0, 10 * kMillisecond).ok()); };
  const Run result = run(with({{.ram_bytes = kRam}}, kClock), act, {2 * kMillisecond + 500'000});
  CHECK(result.output.find("2000/2000 12500/12500 12") != std::string::npos);
}

TEST_CASE("a driven program gives its results and does as it is told", "[sim][world]") {
  std::vector<u64> results;
  const auto puppet = [&](World& world, const sim::PuppetCall& call, base::MutableBytes order) -> u64 {
    REQUIRE(call.node == 1);
    REQUIRE(call.client == 7);
    REQUIRE(code_of(world.power_cut(1)) == ActionError::Code::InPuppet);
    results.push_back(call.result.empty() ? 0 : base::load_le64(call.result.data()));
    if (results.size() == 4) return sim::kPuppetEnd;
    const std::string text(results.size(), 'x');
    std::copy(text.begin(), text.end(), order.begin());
    return text.size();
  };
  const Run result = run(with({{.ram_bytes = kRam}}, kPuppet), {}, {}, puppet);
  CHECK(result.status == 4);
  CHECK(result.output == "1:xxxxxx");
  CHECK(results == std::vector<u64>{0, 1, 2, 3});
  CHECK(count_of(result, base::EventKind::HostCommand, 1) == 4);
}

TEST_CASE("without a script a driven program has nothing to do", "[sim][world]") {
  const Run result = run(with({{.ram_bytes = kRam}}, kPuppet));
  CHECK(result.status == 4);
  CHECK(result.output.empty());
}

TEST_CASE("an action that cannot be done says why and changes nothing", "[sim][world]") {
  const auto act = [](World& world, u64) {
    using Code = ActionError::Code;
    const u64 events = world.trace().count();
    CHECK(code_of(world.power_cut(0)) == Code::NoSuchNode);
    CHECK(code_of(world.power_cut(4)) == Code::NoSuchNode);
    CHECK(code_of(world.power_cut(3)) == Code::NodeIsDown);
    CHECK(code_of(world.boot(1)) == Code::NodeIsUp);
    CHECK(code_of(world.console_type(1, {})) == Code::NoConsole);
    CHECK(code_of(world.console_end(2)) == Code::NoConsole);
    CHECK(code_of(world.pause(1, sim::kPauseNsMax + 1)) == Code::OutOfRange);
    CHECK(code_of(world.steal(1, 1, 5)) == Code::NoSuchCore);
    CHECK(code_of(world.kill(1, 0)) == Code::NoSuchThread);
    CHECK(code_of(world.kill(1, 0x1FFFFF)) == Code::NoSuchThread);
    CHECK(code_of(world.set_rate(1, 1'000'001)) == Code::OutOfRange);
    CHECK(code_of(world.at(world.now() - 1, 0)) == Code::InThePast);
    CHECK(world.trace().count() == events);
    char text[128];
    CHECK(describe(world.power_cut(4).error(), text) == "there is no node 4; allowed is 1 to 3");
  };
  const Run result = run(with({{.ram_bytes = kRam},
                               {.ram_bytes = kRam, .console = sim::ConsoleKind::Script},
                               {.ram_bytes = kRam, .boot_at_ns = sim::kNever}},
                              kTicker),
                         act, {kMillisecond});
  CHECK(result.status == 5);
}

TEST_CASE("a plan has so many calls ahead and no more", "[sim][world]") {
  u64 called = 0;
  Machine machine(with({{.ram_bytes = kRam}}, kTicker));
  machine.on_action = [&](World&, u64 id) { CHECK(id == called++); };
  REQUIRE(machine.start() == "");
  for (u64 i = 0; i < sim::kPlanEntriesMax; ++i) REQUIRE(machine.world().at(kMillisecond, i).ok());
  CHECK(code_of(machine.world().at(kMillisecond, 0)) == ActionError::Code::PlanFull);
  CHECK(machine.world().run(sim::kNever) == Outcome::Ended);
  CHECK(called == sim::kPlanEntriesMax);
}
