// Crashes of native programs: each becomes a fault of its thread, and the world goes on.
#include <catch2/catch.hpp>

#include "sim/host/contain.h"
#include "tests/sim/guest.h"
#include "tests/sim/lab.h"

using namespace guest;
using sim::Outcome;

namespace {

enum : u64 { kNull, kWild, kOverflow, kDivide, kIllegal, kAssert, kEnd, kArena, kLoop };

__attribute__((noinline)) u64 recurse(u64 depth) {
  volatile u8 page[512];
  page[depth % sizeof page] = static_cast<u8>(depth);
  return depth == ~u64{0} ? 0 : recurse(depth + 1) + page[0];
}

void victim(const u64 (&arguments)[8]) {
  volatile u64 zero = 0;
  switch (arguments[0]) {
    case kNull: *reinterpret_cast<volatile u64*>(0x18 + zero) = 1; break;
    case kWild: *reinterpret_cast<volatile u64*>(0xDEAD'0000'0000 + zero) = 1; break;
    case kOverflow: recurse(zero); break;
    case kDivide:
#if defined(__x86_64__)
      __asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; mov $1, %%eax; div %%ecx" ::: "rax", "rcx", "rdx", "cc");
#endif
      break;
    case kIllegal: __builtin_trap();
    case kAssert: ASSERT(zero == 1); break;
    case kArena: machine::crash(CrashKind::ArenaSpent);
    case kLoop:
      for (;;) zero = zero + 1;
    default: break;
  }
}

// Spawns the victim named by the script, tells its fault, and lives on.
void handler_root(const u64 (&)[8]) {
  Root root;
  const u64 endpoint = root.make(ObjectType::Endpoint);
  const u64 reply = root.make(ObjectType::Reply);
  sys::frame().mr[0] = 1;
  port::call(kConsole, port::Console::Read);
  const u64 kind = *reinterpret_cast<const u8*>(sys::buffer().msg) - '0';
  root.spawn(1, {kind}, 100, endpoint);
  const sys::Received fault = sys::recv(endpoint, reply);
  print("label ");
  print_number(fault.info.label());
  print(" number ");
  print_number(sys::frame().mr[2]);
  print(" code ");
  print_number(sys::frame().mr[3]);
  halt(0);
}

constexpr machine::NativeEntry kHandler[] = {{"root", handler_root}, {"victim", victim}};

lab::Result crash(u64 kind, sim::host::Silence silence = sim::host::Silence::EndRun) {
  lab::Result result;
  sim::host::Machine machine({.seed = 1,
                              .ram_bytes = u64{16} << 20,
                              .console = sim::ConsoleKind::Script,
                              .script = std::string(1, static_cast<char>('0' + kind)),
                              .entries = kHandler});
  machine.on_output = [&](u32, base::Bytes bytes) { result.output += base::text_of(bytes); };
  REQUIRE(machine.start() == "");
  sim::host::contain(machine.world(), {.silence = silence, .silence_ms = 200, .report_assertions = false});
  result.outcome = machine.world().run(sim::kNever);
  result.tainted = machine.world().tainted();
  result.root = machine.world().finish();
  sim::host::release_containment();
  return result;
}

}  // namespace

TEST_CASE("a null access is a fault with its address and does not taint", "[sim][contain]") {
  const lab::Result result = crash(kNull);
  CHECK(result.output == "label 3 number 256 code 24");
  CHECK(result.outcome == Outcome::Ended);
  CHECK_FALSE(result.tainted);
}

TEST_CASE("a wild pointer taints and is contained", "[sim][contain][simulation.T12]") {
  const lab::Result result = crash(kWild);
  CHECK(result.output == "label 3 number 257 code 0");
  CHECK(result.outcome == Outcome::Ended);
  CHECK(result.tainted);
}

TEST_CASE("an overflowed stack is named as such", "[sim][contain]") {
  const lab::Result result = crash(kOverflow);
  CHECK(result.output == "label 3 number 261 code 0");
  CHECK(result.tainted);
}

TEST_CASE("division by zero and illegal instructions are contained", "[sim][contain]") {
  CHECK(crash(kDivide).output == "label 3 number 259 code 0");
  CHECK(crash(kIllegal).output == "label 3 number 260 code 0");
}

TEST_CASE("a failed assertion and a spent arena end the thread exactly", "[sim][contain]") {
  const lab::Result assertion = crash(kAssert);
  CHECK(assertion.output == "label 3 number 262 code 0");
  CHECK_FALSE(assertion.tainted);
  const lab::Result arena = crash(kArena);
  CHECK(arena.output == "label 3 number 263 code 0");
  CHECK_FALSE(arena.tainted);
  CHECK(crash(kAssert).root == assertion.root);
}

TEST_CASE("an entry that returns stops its thread", "[sim][contain]") {
  const lab::Result result = crash(kEnd);
  CHECK(result.output == "label 3 number 511 code 0");
  CHECK_FALSE(result.tainted);
}

TEST_CASE("crashing a hundred times leaves a world that works", "[sim][contain]") {
  for (u32 round = 0; round < 100; ++round)
    REQUIRE(crash(round % 2 == 0 ? kWild : kOverflow).outcome == Outcome::Ended);
}

TEST_CASE("live, a loop without charge is faulted by the watchdog within its time", "[sim][contain][watchdog]") {
  const lab::Result result = crash(kLoop, sim::host::Silence::FaultThread);
  CHECK(result.output == "label 3 number 264 code 0");
  CHECK(result.tainted);
}
