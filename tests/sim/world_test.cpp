// Worlds of native test programs: booting, devices, order, determinism.
#include <catch2/catch.hpp>

#include "tests/sim/guest.h"
#include "tests/sim/lab.h"

using namespace guest;
using sim::Outcome;

namespace {

void hello_root(const u64 (&)[8]) {
  Root root;
  print("hello\n");
  halt(7);
}

// Two threads hand a counter to and fro by Call and ReplyRecv.
void pong_server(const u64 (&arguments)[8]) {
  const u64 endpoint = arguments[0];
  const u64 reply = arguments[1];
  sys::recv(endpoint, reply);
  for (;;) {
    sys::frame().mr[0] += 1;
    sys::reply_recv(endpoint, reply, MessageInfo::make(0, 1));
  }
}
void ping_root(const u64 (&)[8]) {
  Root root;
  const u64 endpoint = root.make(ObjectType::Endpoint);
  const u64 reply = root.make(ObjectType::Reply);
  root.spawn(1, {endpoint, reply}, 255);
  u64 value = 0;
  for (u32 i = 0; i < 1000; ++i) {
    sys::frame().mr[0] = value;
    sys::call(endpoint, MessageInfo::make(0, 1));
    value = sys::frame().mr[0];
    machine::charge(100);
  }
  print_number(value);
  halt(0);
}

// Threads on all cores add to a shared word between charges; the root prints when all are done.
void adder(const u64 (&arguments)[8]) {
  u64* words = reinterpret_cast<u64*>(machine::pointer(0x20000, 4096, true));
  for (u32 i = 0; i < 200; ++i) {
    words[0] = words[0] * 31 + arguments[1];  // not commutative: the order shows
    machine::charge(70 + arguments[1] * 13);
  }
  sys::frame().mr[0] = arguments[1];
  sys::send(arguments[0], MessageInfo::make(0, 1));
  for (;;) sys::wait(arguments[2]);
}
void adder_root(const u64 (&)[8]) {
  Root root;
  root.map(root.make(ObjectType::Frame, 12), 0x20000);
  const u64 endpoint = root.make(ObjectType::Endpoint);
  const u64 never = root.make(ObjectType::Notification);
  const u64 reply = root.make(ObjectType::Reply);
  const u32 cores = boot_info().core_count;
  for (u64 i = 0; i < 2 * cores; ++i) root.spawn(1, {endpoint, i, never}, 100, 0, i % cores);
  for (u32 i = 0; i < 2 * cores; ++i) sys::recv(endpoint, reply);
  print_number(*reinterpret_cast<u64*>(machine::pointer(0x20000, 8, true)));
  halt(0);
}

void echo_root(const u64 (&)[8]) {
  Root root;
  const u64 notification = root.make(ObjectType::Notification);
  const u64 handler = root.next_slot++;
  ASSERT(sys::invoke(kRootIrqControl, Invoke::IrqControlGet, {root.device(DeviceKind::Console).irq, 0, handler, 64},
                     {kRootCNode})
             .ok());
  ASSERT(sys::invoke(handler, Invoke::IrqHandlerSetNotification, {}, {notification}).ok());
  ASSERT(sys::invoke(handler, Invoke::IrqHandlerAck, {}).ok());
  for (;;) {
    sys::wait(notification);
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
    sys::invoke(handler, Invoke::IrqHandlerAck, {});
  }
}

// Polls a word that the timer's driver sets: the loop pays for each round, so it ends at one nanosecond.
void flag_setter(const u64 (&arguments)[8]) {
  sys::wait(arguments[0]);
  *static_cast<u64*>(machine::pointer(0x20000, 8, true)) = 1;
  for (;;) sys::wait(arguments[0]);
}
void flag_root(const u64 (&)[8]) {
  Root root;
  root.map(root.make(ObjectType::Frame, 12), 0x20000);
  const u64 notification = root.make(ObjectType::Notification);
  const u64 handler = root.next_slot++;
  ASSERT(sys::invoke(kRootIrqControl, Invoke::IrqControlGet, {root.device(DeviceKind::Timer).irq, 0, handler, 64},
                     {kRootCNode})
             .ok());
  ASSERT(sys::invoke(handler, Invoke::IrqHandlerSetNotification, {}, {notification}).ok());
  ASSERT(sys::invoke(handler, Invoke::IrqHandlerAck, {}).ok());
  root.spawn(1, {notification}, 255, 0, boot_info().core_count - 1);
  sys::frame().mr[0] = now() + 1'234'567;
  port::call(kTimer, port::Timer::Arm);
  volatile u64* flag = static_cast<u64*>(machine::pointer(0x20000, 8, true));
  while (*flag == 0) machine::charge(37);
  print_number(now());
  halt(0);
}

void stuck_root(const u64 (&)[8]) {
  Root root;
  const u64 endpoint = root.make(ObjectType::Endpoint);
  sys::recv(endpoint, root.make(ObjectType::Reply));
  UNREACHABLE("nobody sends");
}

void stranger_root(const u64 (&)[8]) {
  Root root;
  sys::frame().mr[0] = 1;
  const sys::Answer unmapped = port::call(0x90000, port::Console::Write);
  const u64 endpoint = root.make(ObjectType::Frame, 12);
  root.map(endpoint, 0x30000);
  const sys::Answer memory = port::call(0x30000, port::Console::Write);
  const sys::Answer unknown = port::call(kConsole, static_cast<port::Console>(99));
  halt(unmapped.label == ResultLabel::InvalidCapability && unmapped.info.from_kernel() &&
               memory.label == ResultLabel::InvalidCapability && unknown.label == ResultLabel::IllegalOperation
           ? 0
           : 1);
}

void entropy_root(const u64 (&)[8]) {
  Root root;
  for (u32 round = 0; round < 3; ++round) {
    sys::frame().mr[0] = 8;
    port::call(kEntropy, port::Entropy::Read);
    print_number(sys::buffer().msg[0]);
    print(" ");
  }
  halt(0);
}

constexpr machine::NativeEntry kHello[] = {{"root", hello_root}};
constexpr machine::NativeEntry kPing[] = {{"root", ping_root}, {"server", pong_server}};
constexpr machine::NativeEntry kAdders[] = {{"root", adder_root}, {"adder", adder}};
constexpr machine::NativeEntry kEcho[] = {{"root", echo_root}};
constexpr machine::NativeEntry kFlag[] = {{"root", flag_root}, {"setter", flag_setter}};
constexpr machine::NativeEntry kStuck[] = {{"root", stuck_root}};
constexpr machine::NativeEntry kStranger[] = {{"root", stranger_root}};
constexpr machine::NativeEntry kEntropyRoot[] = {{"root", entropy_root}};

}  // namespace

TEST_CASE("a root task prints through the console port and halts with its status", "[sim][world]") {
  const lab::Result result = lab::run(kHello, {});
  CHECK(result.output == "hello\n");
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.status == 7);
  CHECK(result.events > 5);
}

TEST_CASE("calls and replies cross the kernel and come back", "[sim][world]") {
  const lab::Result result = lab::run(kPing, {});
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.output == "1000");
}

TEST_CASE("one run key gives one root, also a second time in one process",
          "[sim][determinism][simulation.T1][simulation.T2]") {
  for (const u32 cores : {1u, 2u, 4u}) {
    for (u64 seed = 0; seed < 20; ++seed) {
      CAPTURE(cores, seed);
      const lab::Result first = lab::run(kAdders, {.seed = seed, .cores = cores});
      lab::run(kPing, {.seed = seed + 1});
      const lab::Result second = lab::run(kAdders, {.seed = seed, .cores = cores});
      REQUIRE(first.outcome == Outcome::Ended);
      REQUIRE(first.output == second.output);
      REQUIRE(first.root == second.root);
      REQUIRE(first.events == second.events);
      REQUIRE(first.now == second.now);
    }
  }
}

TEST_CASE("the trace of events is what the digest says: observing leaves the root",
          "[sim][determinism][simulation.T13]") {
  const lab::Result plain = lab::run(kAdders, {.cores = 3});
  const lab::Result watched = lab::run(kAdders, {.cores = 3, .keep_trace = true});
  CHECK(plain.root == watched.root);
  CHECK(watched.trace.size() == watched.events);
}

TEST_CASE("events are in order and time never decreases on one core", "[sim][world][simulation.T16]") {
  for (u64 seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    const lab::Result result = lab::run(kAdders, {.seed = seed, .cores = 4, .keep_trace = true});
    u64 last[sim::kCoresMax] = {};
    u64 sequence = 0;
    for (const base::Event& event : result.trace) {
      REQUIRE(event.sequence == ++sequence);
      REQUIRE(event.cause < event.sequence);
      if (event.lane == static_cast<u8>(base::Lane::World) || event.lane == static_cast<u8>(base::Lane::Host)) continue;
      CAPTURE(event.sequence, base::name_of(static_cast<base::EventKind>(event.kind)), u32{event.core});
      REQUIRE(event.time_ns >= last[event.core]);
      last[event.core] = event.time_ns;
    }
  }
}

TEST_CASE("a scripted console is read by interrupt to its end", "[sim][console]") {
  std::string script;
  for (u32 i = 0; i < 3000; ++i) script += std::to_string(i) + "\n";  // longer than the device's FIFO
  const lab::Result result = lab::run(kEcho, {.console = sim::ConsoleKind::Script, .script = script});
  CHECK(result.output == script);
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.status == 3);
}

TEST_CASE("an empty script is an end of input, too", "[sim][console]") {
  const lab::Result result = lab::run(kEcho, {.console = sim::ConsoleKind::Script});
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.status == 3);
}

TEST_CASE("a flag-wait loop released by a timer ends at one nanosecond in 100 runs", "[sim][world][simulation.T17]") {
  const lab::Result first = lab::run(kFlag, {.cores = 2});
  REQUIRE(first.outcome == Outcome::Ended);
  for (u32 run = 0; run < 100; ++run) {
    const lab::Result again = lab::run(kFlag, {.cores = 2});
    REQUIRE(again.output == first.output);
    REQUIRE(again.now == first.now);
  }
}

TEST_CASE("a world in which every thread waits for nobody is stalled", "[sim][world]") {
  const lab::Result result = lab::run(kStuck, {.keep_trace = true});
  CHECK(result.outcome == Outcome::Stalled);
  CHECK(result.trace[result.trace.size() - 2].kind == static_cast<u16>(base::EventKind::WorldStalled));
}

TEST_CASE("a port call needs the device's window mapped at that address", "[sim][ports]") {
  const lab::Result result = lab::run(kStranger, {});
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.status == 0);
}

TEST_CASE("entropy follows the seed", "[sim][ports]") {
  const std::string one = lab::run(kEntropyRoot, {.seed = 1}).output;
  CHECK(lab::run(kEntropyRoot, {.seed = 1}).output == one);
  CHECK(lab::run(kEntropyRoot, {.seed = 2}).output != one);
}

TEST_CASE("a time limit stops a run and its events are a prefix of the whole", "[sim][world][simulation.T11]") {
  const lab::Result whole = lab::run(kPing, {.keep_trace = true});
  const lab::Result part = lab::run(kPing, {.until = whole.now / 2, .keep_trace = true});
  CHECK(part.outcome == Outcome::Running);
  REQUIRE(part.trace.size() > 100);
  REQUIRE(part.trace.size() < whole.trace.size());
  for (u64 i = 0; i + 1 < part.trace.size(); ++i) {  // the last one is world.end
    REQUIRE(__builtin_memcmp(&part.trace[i], &whole.trace[i], sizeof(base::Event)) == 0);
  }
}

TEST_CASE("nodes of one world run beside each other and the run ends with the last", "[sim][world]") {
  base::Digest roots[2];
  for (base::Digest& root : roots) {
    std::string output;
    sim::host::Machine machine({.seed = 3, .ram_bytes = u64{16} << 20, .nodes = 3, .entries = kPing});
    machine.on_output = [&](u32 node, base::Bytes bytes) {
      output += std::to_string(node) + ":" + std::string(base::text_of(bytes)) + " ";
    };
    REQUIRE(machine.start() == "");
    CHECK(machine.world().run(sim::kNever) == Outcome::Ended);
    CHECK(output.size() == std::string("1:1000 2:1000 3:1000 ").size());
    root = machine.world().finish();
  }
  CHECK(roots[0] == roots[1]);
}

TEST_CASE("a node of 64 cores repeats its root", "[sim][world]") {
  const lab::Result first = lab::run(kAdders, {.cores = 64, .ram_bytes = u64{64} << 20});
  CHECK(first.outcome == Outcome::Ended);
  CHECK(lab::run(kAdders, {.cores = 64, .ram_bytes = u64{64} << 20}).root == first.root);
}
