// sim/model/faults/swarm.cpp — see swarm.h. Source: Groce, Zhang, Eide, Chen, Regehr, "Swarm Testing", ISSTA 2012.
#include "sim/model/faults/swarm.h"

#include "base/prng.h"

#include "base/enforce.h"

namespace sim {

namespace {
constexpr u32 kKinds = 16;  // of seeds: 0 calm, 1 a single class
constexpr u64 kKindOf = 0;  // instances of the stream: the seed as a whole; a class has the key of its name
u64 key_of(FaultClass fault) { return base::digest_of(base::bytes_of(name_of(fault))).high; }
u64 size_of(FaultSet set) {
  return static_cast<u64>(__builtin_popcountll(static_cast<u64>(set)) +
                          __builtin_popcountll(static_cast<u64>(set >> 64)));
}
}  // namespace

Swarm draw_swarm(u64 seed, FaultSet allowed) {
  Swarm swarm;
  const auto stream = [seed](u64 instance) { return base::Prng(seed, "faults.swarm", instance); };
  base::Prng whole = stream(kKindOf);
  const u64 kind = whole.below(kKinds);
  swarm.is_calm = kind == 0 || allowed == 0;
  swarm.is_single = kind == 1 && allowed != 0;
  if (swarm.is_calm) return swarm;
  u64 single = whole.below(size_of(allowed) + (allowed == 0 ? 1 : 0));
  for (u32 i = 0; i < kFaultClasses; ++i) {
    if (!has(allowed, static_cast<FaultClass>(i))) continue;
    base::Prng own = stream(key_of(static_cast<FaultClass>(i)));
    bool is_on = own.chance({1, 2});
    const u64 intensity = 1 + own.below(kIntensityMax);
    if (swarm.is_single) {
      is_on = single == 0;
      single -= 1;
    }
    if (is_on) swarm.intensity[i] = static_cast<u8>(intensity);
  }
  return swarm;
}

}  // namespace sim
