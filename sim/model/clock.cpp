// sim/model/clock.cpp — see clock.h.
#include "sim/model/clock.h"

#include "base/enforce.h"

namespace sim {

u64 NodeClock::world_time_of(u64 local_ns) const {
  if (local_ns <= local_start_ns_) return start_ns_;
  if (rate_ == 0) return kNever;
  const u128 wanted = static_cast<u128>(local_ns - local_start_ns_) << kRateBits;
  const u128 delta = (wanted + rate_ - 1) / rate_;
  return delta >= kNever - start_ns_ ? kNever : start_ns_ + static_cast<u64>(delta);
}

void NodeClock::set_rate(u64 world_ns, i32 ppm) {
  ASSERT(ppm >= -kRatePpmMax && ppm <= kRatePpmMax);
  local_start_ns_ = monotonic_at(world_ns);
  start_ns_ = world_ns;
  const i64 change = static_cast<i64>(ppm) * (i64{1} << kRateBits) / 1'000'000;
  rate_ = static_cast<u64>((i64{1} << kRateBits) + change);
  ppm_ = ppm;
}

}  // namespace sim
