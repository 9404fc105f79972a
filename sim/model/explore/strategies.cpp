// sim/model/explore/strategies.cpp — what each strategy answers. Sources: Burckhardt, Kothari, Musuvathi, Nagarakatte,
// "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010 (pct).
#include "sim/model/explore/explorer.h"

#include "base/enforce.h"

namespace sim {
namespace {

constexpr u64 kMicrosecond = 1000;
constexpr u64 kMillisecond = 1000 * kMicrosecond;
constexpr u64 kDelays[] = {kMicrosecond,       2 * kMicrosecond,  5 * kMicrosecond,   10 * kMicrosecond,
                           20 * kMicrosecond,  50 * kMicrosecond, 100 * kMicrosecond, 200 * kMicrosecond,
                           500 * kMicrosecond, kMillisecond,      2 * kMillisecond,   5 * kMillisecond,
                           10 * kMillisecond};
constexpr u32 kDelayCount = sizeof kDelays / sizeof kDelays[0];
constexpr u32 kDelayOfSlice = 3;  // the first that is at least a slice of the world's order
constexpr u32 kCutBits = 17;      // cuts come 1 ns to 131 µs after a thread got its core, evenly by magnitude
constexpr u64 kAtOnce = 1;        // ns: before the thread does anything
constexpr u64 kBehindNs = 10 * kMicrosecond;  // pct: by how much a core with a lower rank is held back, at least
constexpr u64 kRankMiddle = u64{1} << 62;     // above it ranks as drawn, below it those of threads that gave way
constexpr base::Ratio kVictims{1, 4};
constexpr u64 kIdleWindows = 4;  // between two windows, in lengths of the one before: at most 20 % of the time
static_assert(kDelays[kDelayCount - 1] <= kDelayNsMax && (u64{2} << kCutBits) <= kCutNsMax);

}  // namespace

Strategy Explorer::in_force(const StrategyConfig& config, u64 seed) {
  if (config.strategy != Strategy::Mix) return config.strategy;
  u64 sum = 0;
  for (const u8 weight : config.weights) sum += weight;
  if (sum == 0) return Strategy::Fair;
  u64 left = base::Prng(seed, "sched.mix").below(sum);
  for (u32 i = 0; i < kStrategies; ++i) {
    if (left < config.weights[i]) return static_cast<Strategy>(i);
    left -= config.weights[i];
  }
  UNREACHABLE("the draw is below the sum");
}

void Explorer::begin(const StrategyConfig& config, bool is_then) {
  now_ = config;
  is_then_ = is_then;
  now_.strategy = in_force(config, view_.seed);
  place_count_ = now_.strategy == Strategy::Pct ? now_.depth - 1 : now_.strategy == Strategy::Few ? now_.delays : 0;
  ASSERT(place_count_ <= kDelaysMax);
  const base::Prng places(view_.seed, "sched.places", is_then ? 1 : 0);
  const u64 steps = now_.steps == 0 ? 1 : now_.steps;
  for (u32 i = 0; i < place_count_; ++i) {
    places_[i] = steps_ + static_cast<u64>((static_cast<unsigned __int128>(places.at(i)) * steps) >> 64);
  }
}

u64 Explorer::propose_uniform(const Point& point, u64 bound) {
  return now_.strategy == Strategy::Random || (now_.strategy == Strategy::Sticky && point.kind == ChoiceKind::Pull)
             ? below(point, bound)
             : 0;
}

/// A thread gets a core: the step of pct and few.
void Explorer::begin_step(Thread& thread) {
  const u64 step = steps_;
  steps_ += 1;
  at_place_ = false;
  for (u32 i = 0; i < place_count_; ++i) {
    if (places_[i] != step) continue;
    at_place_ = true;
    if (now_.strategy == Strategy::Pct) go_below(thread);
  }
}

u64 Explorer::propose_pick(const Point& point, const Candidates& among, u32 count) {
  const bool with_current = among.with_current;
  const u32 seen = count < among.count ? count : among.count;
  switch (now_.strategy) {
    case Strategy::Fair: return with_current && now_.quantum_ns != 0 ? 1 : 0;
    case Strategy::Random: return below(point, count);
    case Strategy::Sticky:
      // Asked with the running thread only after a cut, so it is to go; without one, the thread that ran may be there.
      if (with_current) return 1 + below(point, count - 1);
      for (u32 i = 0; i < seen; ++i) {
        if (among.threads[i]->thread_id == core_->current_id && chance(point, now_.stay, 1)) return i;
      }
      return below(point, count);
    case Strategy::Pct: return pick_ranked(among);
    case Strategy::Perturb:
    case Strategy::Few: return with_current ? 1 + below(point, count - 1) : 0;
    case Strategy::Starve: return pick_starved(among);
    case Strategy::Walk: return pick_weighted(point, among);
    case Strategy::Mix: break;
  }
  UNREACHABLE("mix stands for one of the others");
}

u64 Explorer::propose_cut(const Point& point, Thread& thread, bool has_rivals) {
  switch (now_.strategy) {
    case Strategy::Fair: return has_rivals ? now_.quantum_ns : 0;
    case Strategy::Random:
      if (!chance(point, now_.cut)) return 0;
      break;
    case Strategy::Sticky:
      if (!has_rivals || chance(point, now_.stay)) return 0;
      break;
    case Strategy::Pct:
      if (!has_rivals || pick_ranked(among_) == 0) return 0;
      if (!at_place_) return kAtOnce;
      break;  // its rank drops in this step: anywhere in it
    case Strategy::Perturb:
      if (!has_rivals || !chance(point, now_.ratio)) return 0;
      break;
    case Strategy::Few: return has_rivals && at_place_ ? kAtOnce : 0;
    case Strategy::Starve:
      return has_rivals && is_victim(thread, core_->time) && pick_starved(among_) != 0 ? kAtOnce : 0;
    case Strategy::Walk: return has_rivals && pick_weighted(point, among_) != 0 ? kAtOnce : 0;
    case Strategy::Mix: UNREACHABLE("mix stands for one of the others");
  }
  const u64 magnitude = u64{1} << below(point, kCutBits, 1);
  return magnitude + below(point, magnitude, 2);
}

/// Where another thread can run instead, giving way is a cut; stolen time delays the last one of a core.
u64 Explorer::propose_delay(const Point& point, Thread& thread, bool has_rivals) {
  switch (now_.strategy) {
    case Strategy::Random: return chance(point, now_.delay) ? kDelays[below(point, kDelayCount, 1)] : 0;
    case Strategy::Perturb:
      if (has_rivals || !chance(point, now_.ratio)) return 0;
      break;
    case Strategy::Few:
      if (has_rivals || !at_place_) return 0;
      break;
    case Strategy::Pct: return runs_below_another(thread) ? kBehindNs << below(point, 4) : 0;
    case Strategy::Starve: {
      if (!is_victim(thread, core_->time) || pick_starved(among_) != 0) return 0;
      const u64 left = window_.end - core_->time;
      return left < kDelayNsMax ? left : kDelayNsMax;
    }
    case Strategy::Fair:
    case Strategy::Sticky:
    case Strategy::Walk: return 0;
    case Strategy::Mix: UNREACHABLE("mix stands for one of the others");
  }
  return kDelays[kDelayOfSlice + below(point, kDelayCount - kDelayOfSlice, 1)];
}

// ── pct ──────────────────────────────────────────────────────────────────────────────────────────────────────

u64 Explorer::rank(Thread& thread) {
  if (thread.rank == 0) {
    thread.rank = kRankMiddle | base::Prng(view_.seed, "sched.rank", thread.key).at(is_then_ ? 1 : 0) >> 1;
  }
  return thread.rank;
}

/// The lowest rank so far. One that was lowered earlier stays above, so nobody is kept from running for ever.
void Explorer::go_below(Thread& thread) {
  demoted_ += 1;
  thread.rank = kRankMiddle - demoted_;
}

u64 Explorer::pick_ranked(const Candidates& among) {
  u32 best = 0;
  for (u32 i = 0; i < among.count; ++i) {
    Thread& thread = *among.threads[i];
    // One that had the core and is in the queue again has used up its slice or yielded: it may be waiting for another in
    // a loop, so it goes below all that have not.
    if (!among.with_current && among.count > 1 && thread.thread_id == core_->current_id) {
      go_below(thread);
    }
    if (rank(thread) > rank(*among.threads[best])) best = i;
  }
  return best;
}

/// Whether a thread of a higher rank has another core of this world now.
bool Explorer::runs_below_another(Thread& thread) {
  const u64 own = rank(thread);
  for (const Core& core : view_.cores) {
    Thread* other = &core == core_ ? nullptr : running_on(core);
    if (other != nullptr && rank(*other) > own) return true;
  }
  return false;
}

// ── walk ─────────────────────────────────────────────────────────────────────────────────────────────────────

/// Steps that are left of a thread, by the pilot; at least 1.
u64 Explorer::weight(const Thread& thread) const {
  u64 first = 0;
  u64 last = config_.pilot.size();
  while (first < last) {
    const u64 middle = first + (last - first) / 2;
    if (config_.pilot[middle].actor < thread.key) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  if (first == config_.pilot.size() || config_.pilot[first].actor != thread.key) return 1;
  const u64 steps = config_.pilot[first].steps;
  return steps > thread.ordinal ? steps - thread.ordinal : 1;
}

/// Each next thread by the steps it has left: then all interleavings of the rest are equally likely.
u64 Explorer::pick_weighted(const Point& point, const Candidates& among) {
  const bool after_cut = among.with_current && point.kind == ChoiceKind::Pick;  // the cut's draw was against it
  u64 sum = 0;
  for (u32 i = after_cut ? 1 : 0; i < among.count; ++i) sum += weight(*among.threads[i]);
  u64 left = below(point, sum);
  for (u32 i = after_cut ? 1 : 0; i < among.count; ++i) {
    const u64 own = weight(*among.threads[i]);
    if (left < own) return i;
    left -= own;
  }
  UNREACHABLE("the draw is below the sum");
}

// ── starve ───────────────────────────────────────────────────────────────────────────────────────────────────

/// Moves on to the window that has not ended at `now`: window n is 1 ms · 2^draw long, but no longer than a quarter of the
/// time before it, so that a run which has just begun gets on too; and four times that after its end nothing is starved.
void Explorer::find_window(u64 now) {
  const base::Prng lengths(view_.seed, "sched.window");
  while (window_.end <= now) {
    const u64 length = window_.end - window_.start;
    window_.number += 1;
    u64 bits = (static_cast<unsigned __int128>(lengths.at(window_.number)) * (now_.windows + 1)) >> 64;
    window_.start = window_.end + kIdleWindows * (length == 0 ? kMillisecond / kIdleWindows : length);
    while (bits > 0 && kMillisecond << bits > window_.start / kIdleWindows) bits -= 1;
    window_.end = window_.start + (kMillisecond << bits);
  }
}

bool Explorer::is_victim(const Thread& thread, u64 now) {
  find_window(now);
  if (now < window_.start) return false;
  const base::Prng victims(view_.seed, "sched.victim", thread.key);
  const u64 draw = (static_cast<unsigned __int128>(victims.at(window_.number)) * kVictims.denominator) >> 64;
  return draw < kVictims.numerator;
}

u64 Explorer::pick_starved(const Candidates& among) {
  for (u32 i = 0; i < among.count; ++i) {
    if (!is_victim(*among.threads[i], core_->time)) return i;
  }
  return 0;
}

}  // namespace sim
