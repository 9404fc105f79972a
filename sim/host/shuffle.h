// sim/host/shuffle.h — `verify`'s alloc variant: whoever hands out host addresses does so in random order.
#pragma once
#include "base/types.h"

namespace sim::host {

struct Shuffle {
  bool on = false;
  u64 state = 1;

  /// xorshift64 (Marsaglia 2003): the host's own numbers, no part of any run.
  u64 below(u64 bound) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % bound;
  }
};
Shuffle& shuffle();

}  // namespace sim::host
