// Input from outside: it is a function of its stamp, so pacing does not matter and queueing it again repeats the run.
#include <catch2/catch.hpp>

#include "base/prng.h"
#include "tests/sim/guest.h"
#include "tests/sim/lab.h"

using namespace guest;
using sim::Outcome;

namespace {

/// Echoes with a little work for each byte; ends at an 'x'.
void typist_root(const u64 (&)[8]) {
  Root root;
  const u64 notification = root.make(ObjectType::Notification);
  const u64 handler = root.next_slot++;
  ASSERT(sys::invoke(kRootIrqControl, Invoke::IrqControlGet, {root.device(DeviceKind::Console).irq, 0, handler, 64},
                     {kRootCNode})
             .ok());
  ASSERT(sys::invoke(handler, Invoke::IrqHandlerSetNotification, {}, {notification}).ok());
  for (;;) {
    sys::invoke(handler, Invoke::IrqHandlerAck, {});
    sys::wait(notification);
    sys::frame().mr[0] = 16;
    port::call(kConsole, port::Console::Read);
    const u64 count = sys::frame().mr[0];
    char text[16];
    __builtin_memcpy(text, sys::buffer().msg, count);
    for (u64 i = 0; i < count; ++i) machine::charge(5000 + static_cast<u8>(text[i]));
    print({text, count});
    for (u64 i = 0; i < count; ++i) {
      if (text[i] == 'x') halt(1);
    }
  }
}

/// Makes and revokes many objects, over and over, and reads a key in between; ends at an 'x'. Its core is inside one long
/// operation nearly always.
void reviser_root(const u64 (&)[8]) {
  Root root;
  const u64 shelf = root.make(ObjectType::Untyped, 16);
  const u64 first = root.next_slot;
  constexpr u64 kCount = 200;
  for (;;) {
    ASSERT(sys::invoke(shelf, Invoke::UntypedRetype,
                       {static_cast<u64>(ObjectType::Notification), 0, 0, 0, first, kCount}, {kRootCNode})
               .ok());
    sys::invoke(kRootCNode, Invoke::CNodeRevoke, {shelf, 64});
    sys::frame().mr[0] = 1;
    port::call(kConsole, port::Console::Read);
    if (sys::frame().mr[0] == 1 && (sys::buffer().msg[0] & 0xFF) == 'x') halt(1);
  }
}

/// Reboots once, 2 ms after power-on; the clock goes on.
void reboot_root(const u64 (&)[8]) {
  Root root;
  print("up ");
  if (now() > 1'000'000) halt(9);
  machine::charge(2'000'000);
  port::call(kPower, port::Power::Reboot);
  UNREACHABLE("the node restarts");
}

constexpr machine::NativeEntry kTypist[] = {{"root", typist_root}};
constexpr machine::NativeEntry kReviser[] = {{"root", reviser_root}};
constexpr machine::NativeEntry kReboot[] = {{"root", reboot_root}};

struct Typed {
  u64 time;
  std::string text;
};

struct LiveRun {
  std::string output;
  base::Digest root;
  std::vector<Typed> typed;
};

/// Types `keys` while the world is run in steps of `pace` ns, as a host loop would.
LiveRun type_live(const std::string& keys, u64 pace, std::span<const machine::NativeEntry> entries = kTypist) {
  LiveRun live;
  sim::host::Machine machine(
      {.seed = 5, .cores = 2, .ram_bytes = u64{16} << 20, .console = sim::ConsoleKind::Terminal, .entries = entries});
  machine.on_output = [&](u32, base::Bytes bytes) { live.output += base::text_of(bytes); };
  REQUIRE(machine.start() == "");
  sim::World& world = machine.world();
  u64 at = 0;
  for (u64 until = pace;; until += pace) {
    const Outcome outcome = world.run(until);
    if (outcome == Outcome::Ended) break;
    if (at < keys.size()) {
      const u64 time = world.input_time(until);
      REQUIRE(time % sim::kInputTickNs == 0);
      const std::string text = keys.substr(at, 3);
      REQUIRE(world.console_input(1, base::bytes_of(text), time) == text.size());
      live.typed.push_back({time, text});
      at += text.size();
    }
  }
  live.root = world.finish();
  return live;
}

enum class Queueing { AtOnce, AtTheLastMoment };

LiveRun replay(const std::vector<Typed>& typed, std::span<const machine::NativeEntry> entries = kTypist,
               Queueing queueing = Queueing::AtOnce) {
  LiveRun run;
  sim::host::Machine machine(
      {.seed = 5, .cores = 2, .ram_bytes = u64{16} << 20, .console = sim::ConsoleKind::Terminal, .entries = entries});
  machine.on_output = [&](u32, base::Bytes bytes) { run.output += base::text_of(bytes); };
  REQUIRE(machine.start() == "");
  for (const Typed& input : typed) {
    if (queueing == Queueing::AtTheLastMoment) machine.world().run(input.time);
    machine.world().console_input(1, base::bytes_of(input.text), input.time);
  }
  REQUIRE(machine.world().run(sim::kNever) == Outcome::Ended);
  run.root = machine.world().finish();
  return run;
}

}  // namespace

TEST_CASE("live input replays to the same root", "[sim][input][simulation.T20]") {
  for (const u64 pace : {u64{70'000}, u64{999'999}, u64{12'345'678}}) {
    CAPTURE(pace);
    const LiveRun live = type_live("hello, world; this is typed x", pace);
    CHECK(live.output == "hello, world; this is typed x");
    const LiveRun again = replay(live.typed);
    CHECK(again.output == live.output);
    CHECK(again.root == live.root);
  }
}

TEST_CASE("input that comes inside a long operation of the kernel replays to the same root", "[sim][input]") {
  for (const u64 pace : {u64{70'000}, u64{330'000}, u64{1'234'567}}) {
    CAPTURE(pace);
    const LiveRun live = type_live("abcdefghijklmnopqrstuvw x", pace, kReviser);
    CHECK(replay(live.typed, kReviser).root == live.root);
    CHECK(replay(live.typed, kReviser, Queueing::AtTheLastMoment).root == live.root);
  }
}

TEST_CASE("running in pieces of any size gives one root", "[sim][input][simulation.T24]") {
  const std::vector<Typed> typed = type_live("some keys x", 300'000).typed;
  const base::Digest whole = replay(typed).root;
  for (u64 seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.pieces"};
    sim::host::Machine machine(
        {.seed = 5, .cores = 2, .ram_bytes = u64{16} << 20, .console = sim::ConsoleKind::Terminal, .entries = kTypist});
    REQUIRE(machine.start() == "");
    for (const Typed& input : typed) machine.world().console_input(1, base::bytes_of(input.text), input.time);
    u64 until = 0;
    Outcome outcome = Outcome::Running;
    while (outcome != Outcome::Ended) {
      until += prng.below(200'000) + 1;
      outcome = machine.world().run(until);
    }
    CHECK(machine.world().finish() == whole);
  }
}

TEST_CASE("a terminal without input waits, and a hang-up ends its input", "[sim][input]") {
  sim::host::Machine machine(
      {.seed = 5, .ram_bytes = u64{16} << 20, .console = sim::ConsoleKind::Terminal, .entries = kTypist});
  REQUIRE(machine.start() == "");
  sim::World& world = machine.world();
  CHECK(world.run(sim::kNever) == Outcome::Waiting);
  CHECK(world.next_time() == sim::kNever);
  world.console_hangup(1, world.input_time(world.now()));
  CHECK(world.run(sim::kNever) == Outcome::Stalled);  // this guest does not care, and nothing else can come
}

TEST_CASE("a reboot starts the node afresh while the world's clock goes on", "[sim][power]") {
  const lab::Result result = lab::run(kReboot, {.cores = 2, .keep_trace = true});
  CHECK(result.output == "up up ");
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.status == 9);
  CHECK(lab::run(kReboot, {.cores = 2}).root == result.root);
}
