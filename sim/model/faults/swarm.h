// sim/model/faults/swarm.h — which classes a seed has: each that is allowed with 1/2, at an intensity of its own, so that a
// campaign meets faults alone, in pairs and in crowds. One seed in 16 has none, one in 16 a single class.
#pragma once
#include "sim/model/faults/plan.h"

namespace sim {

struct Swarm {
  u8 intensity[kFaultClasses] = {};  // 0: off
  bool is_calm = false;              // the seed has no faults
  bool is_single = false;
};

/// `allowed`: bit i for class i. A function of the seed and the names of the classes: one that is added, or not allowed,
/// changes no other's draw (the single class apart).
Swarm draw_swarm(u64 seed, FaultSet allowed);

}  // namespace sim
