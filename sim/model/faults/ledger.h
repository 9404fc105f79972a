// sim/model/faults/ledger.h — decides whether a fault may happen: only if every promise can still be kept after it. It
// keeps what is damaged now; what it lessens or withholds is told with the reason.
#pragma once
#include "sim/model/faults/plan.h"

namespace sim {

constexpr u32 kServicesMax = 128;
/// A supervisor waits longer after each fault of a service and forgets them after a minute without one; more than this in
/// a minute and its clients see it stopped.
constexpr u32 kServiceKillsMax = 3;
constexpr u64 kServiceWindowNs = 60'000'000'000;

class Ledger {
 public:
  struct Admission {
    std::string_view reason;  // empty: as it was asked for
    bool withheld = false;    // else lessened
    std::string_view excuse;  // why no promise holds after it, which the plan asks for; empty: all hold
  };

  explicit Ledger(const FaultPlan& plan);

  // ── Services ─────────────────────────────────────────────────────────────────────────────────────────────
  /// A thread of this name on `node` dies, at `now`.
  Admission admit_kill(u32 node, std::string_view name, u64 now) const;
  /// It meets an error that it has to detect.
  Admission admit_error(u32 node, std::string_view name) const;
  /// It stops for ever.
  Admission admit_hang(std::string_view name) const;
  void killed(u32 node, std::string_view name, u64 now);
  /// A node starts, or starts again.
  void node_started(u32 node);
  /// A thread of this name enters the kernel.
  void note_entry(u32 node, std::string_view name) {
    if ((ready_ & bit(node)) == 0 && (last_started_.empty() || name == last_started_)) ready_ |= bit(node);
  }
  bool is_supervised(std::string_view name) const { return find(name) != kServicesMax; }

  // ── Nodes ────────────────────────────────────────────────────────────────────────────────────────────────
  /// `count` nodes go away, `node` the first of them; it is lowered to what the budget leaves.
  Admission admit_down(u32 node, u64& count, u64 now) const;
  /// The node is away until `until` as its clients see it.
  void down(u32 node, u64 until) { away_until_[node - 1] = until; }
  bool is_away(u32 node, u64 now) const { return away_until_[node - 1] > now; }
  /// It never returns, not even healed.
  bool is_lost(u32 node) const { return away_until_[node - 1] == ~u64{0}; }

  // ── Clocks ───────────────────────────────────────────────────────────────────────────────────────────────
  /// The wall clock, which is off by `error` ns, is moved by `step` more; the step is lowered to what the budget leaves.
  Admission admit_step(i64 error, i64& step) const;

 private:
  static constexpr u32 kNodes = 64;
  static u64 bit(u32 node) { return u64{1} << (node - 1); }
  struct Kills {
    u32 node = 0;
    u32 service = 0;
    u32 count = 0;  // all
    u64 times[kServiceKillsMax] = {};
  };
  u32 find(std::string_view name) const;
  u32 kills_of(u32 node, u32 service) const;

  std::span<const FaultService> services_;
  std::string_view last_started_;
  FaultBudget budget_;
  u64 ready_ = 0;  // nodes, by number
  u64 away_until_[kNodes] = {};
  u32 copies_lost_ = 0;
  static constexpr u32 kKillsMax = 256;
  Kills kills_[kKillsMax];  // of services that were killed at least once; more than that many are never killed
  u32 kills_count_ = 0;
};

}  // namespace sim
