// sim/host/waits.h — who waits for whom in a world that stalled: what its report is for.
#pragma once
#include <string>
#include <vector>

#include "sim/model/world.h"

namespace sim::host {

/// A thread that waits, and the one it waits for: who took its call and has not answered, who received last where it sends,
/// who signalled last what it waits for. Threads that wait for work wait for nobody.
struct Wait {
  ThreadInfo thread;
  u32 on = 0;            // thread_id on the same node; 0: the last events do not tell
  std::string_view how;  // "for the reply of", "to send to", "for a signal of"
};
/// All that wait, by node and slot, as far as the events still kept tell.
std::vector<Wait> waits_of(World& world);

/// Threads that wait for each other in a circle, as "a waits for the reply of b, b waits to send to a"; empty when there is none.
std::string wait_cycle(World& world);

}  // namespace sim::host
