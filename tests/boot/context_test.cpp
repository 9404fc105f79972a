// The x86_64 bare machine's context switch, run on the host: only preserved registers and the stack are involved.
#include <catch2/catch.hpp>

#include <vector>

#include "kernel-model/machine.h"

using machine::Transfer;

namespace {

std::vector<u64> seen;

void generator(Transfer transfer) {
  for (u64 value = 0;; value += 10) {
    seen.push_back(*static_cast<u64*>(transfer.data) + value);
    transfer = machine::context_switch(transfer.from, &seen.back());
  }
}

}  // namespace

TEST_CASE("a bare context carries data both ways and keeps its own stack", "[boot][context]") {
  seen.clear();
  seen.reserve(64);
  alignas(16) static u8 stacks[2][64 * 1024];
  machine::Context contexts[2];
  for (u32 i = 0; i < 2; ++i) contexts[i] = machine::context_make({stacks[i], sizeof stacks[i]}, generator);
  std::vector<u64> expected;
  for (u64 round = 0; round < 10; ++round) {
    for (u64 i = 0; i < 2; ++i) {
      u64 input = round + 1000 * i;
      const Transfer back = machine::context_switch(contexts[i], &input);
      contexts[i] = back.from;
      expected.push_back(input + 10 * round);
      REQUIRE(*static_cast<u64*>(back.data) == expected.back());
    }
  }
  REQUIRE(seen == expected);
}
