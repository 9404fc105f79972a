// sim/host/leak_float.cpp — planted: round-trip times are summed as doubles.
#include <bit>

#include "sim/host/leaks.h"

namespace sim::leaks {

// Without the sanitizers' checks, which would keep the additions in the order they are written in.
__attribute__((no_sanitize("address"), no_sanitize("undefined"))) u64 sum_of_round_trips() {
  volatile double given[16] = {1e16, 1, -1e16, 3, 1e15, 5, -1e15, 7, 1e16, 11, -1e16, 13, 1e15, 17, -1e15, 19};
  double times[16];
  for (u32 i = 0; i < 16; ++i) times[i] = given[i];
  double sum = 0;
  for (const double time : times) sum += time;
  return std::bit_cast<u64>(sum);
}

}  // namespace sim::leaks
