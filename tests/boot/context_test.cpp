// The x86_64 bare machine's context switch, run on the host: only preserved registers and the stack are involved.
#include <catch2/catch.hpp>

#include <vector>

#include "kernel-model/machine.h"

namespace {

constexpr u32 kCount = 2;
machine::Context home;
machine::Context contexts[kCount];
u32 running = 0;
u64 given = 0;
u64 answer = 0;
std::vector<u64> seen;

void generator() {
  const u32 self = running;
  for (u64 value = 0;; value += 10) {
    seen.push_back(given + value);
    answer = seen.back();
    machine::context_switch(contexts[self], home);
  }
}

}  // namespace

TEST_CASE("a bare context is left and entered, and keeps its own stack", "[boot][context]") {
  seen.clear();
  alignas(16) static u8 stacks[kCount][64 * 1024];
  for (u32 i = 0; i < kCount; ++i) contexts[i] = machine::context_make({stacks[i], sizeof stacks[i]}, generator);
  std::vector<u64> expected;
  for (u64 round = 0; round < 10; ++round) {
    for (running = 0; running < kCount; ++running) {
      given = round + 1000 * running;
      machine::context_switch(home, contexts[running]);
      expected.push_back(given + 10 * round);
      REQUIRE(answer == expected.back());
    }
  }
  REQUIRE(seen == expected);
}
