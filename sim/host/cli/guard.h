// sim/host/cli/guard.h — calls that no step of a world may make: host clocks, entropy, the environment, directories,
// threads. The linker sends them here (`--wrap`, see sim/host/CMakeLists.txt); outside World::run they pass through.
//
// What is reached: calls from the objects of the executable. A call inside a shared library is not, but the core calls
// none: its freestanding link would fail.
#pragma once
#include <string>
#include <vector>

#include "base/types.h"

namespace sim::host::cli {

/// The first forbidden call of this process.
struct Breach {
  const char* call = nullptr;  // null: none
  u64 sequence = 0;            // the event after which it came
};

/// What host clocks tell. The false ones begin in other decades, so that a leak of years shows as well as one of ticks;
/// under them host entropy is all zero.
enum class HostClock : u8 { True, Frozen, Fast, Backwards };

struct Guard {
  bool observe = false;  // note the first breach and go on; else print it with its stack and exit 5
  HostClock clock = HostClock::True;
  Breach breach;
};
Guard& guard();

/// Names of the symbols that are wrapped.
const std::vector<std::string>& guarded_calls();

}  // namespace sim::host::cli
