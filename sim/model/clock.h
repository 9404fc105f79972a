// sim/model/clock.h — a node's clock, as its timer device shows it. Monotonic time is world time through linear segments;
// the wall is monotonic time plus an offset, and only the wall steps. Timers are armed in monotonic time of the node. What
// the kernel schedules by, and what events carry, is world time: a wrong clock does not make a core faster.
//
// Invariants  C1 monotonic time never decreases, and stands still only at rate 0.
//             C2 monotonic_at(world_time_of(local)) ≥ local, and one world nanosecond earlier it is less.
#pragma once
#include "base/assert.h"
#include "sim/model/config.h"

namespace sim {

class NodeClock {
 public:
  NodeClock(u64 wall_start_ns, const ClockConfig& config) : wall_start_ns_(wall_start_ns) {
    wall_offset_ns_ = wall_start_ns + static_cast<u64>(config.skew_ns);
    set_rate(0, config.drift_ppm);
  }

  /// Nanoseconds since the world's start, as this clock counts them.
  u64 monotonic_at(u64 world_ns) const {
    ASSERT(world_ns >= start_ns_);
    return local_start_ns_ + static_cast<u64>((static_cast<u128>(world_ns - start_ns_) * rate_) >> kRateBits);
  }
  /// Nanoseconds since 1970, as this clock has them; wraps.
  u64 wall_at(u64 world_ns) const { return monotonic_at(world_ns) + wall_offset_ns_; }
  /// How far the wall is ahead of the world's own, ns.
  i64 error_at(u64 world_ns) const { return static_cast<i64>(wall_at(world_ns) - (wall_start_ns_ + world_ns)); }
  /// The first world time at which monotonic time is at least `local_ns`; kNever when the clock never gets there.
  u64 world_time_of(u64 local_ns) const;

  /// From `world_ns` on the clock runs `ppm` millionths fast; in ±kRatePpmMax.
  void set_rate(u64 world_ns, i32 ppm);
  void step_wall(i64 ns) { wall_offset_ns_ += static_cast<u64>(ns); }
  void set_wall(u64 world_ns, u64 wall_ns) { wall_offset_ns_ = wall_ns - monotonic_at(world_ns); }
  i32 ppm() const { return ppm_; }

 private:
  using u128 = unsigned __int128;
  static constexpr u32 kRateBits = 32;

  u64 wall_start_ns_;
  u64 wall_offset_ns_ = 0;          // wall − monotonic; wraps
  u64 start_ns_ = 0;                // of the segment, world time
  u64 local_start_ns_ = 0;          // monotonic time there
  u64 rate_ = u64{1} << kRateBits;  // monotonic ns per world ns, Q32.32
  i32 ppm_ = 0;
};

}  // namespace sim
