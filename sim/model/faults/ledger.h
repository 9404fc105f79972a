// sim/model/faults/ledger.h — decides whether a fault may happen: only if every promise can still be kept after it. It
// keeps what is damaged now; what it withholds is told with the reason.
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
  explicit Ledger(const FaultPlan& plan);

  /// The reason why the fault may not happen to a thread of this name on `node`; empty when it may.
  std::string_view refuse_kill(u32 node, std::string_view name, u64 now) const;
  /// It has happened.
  void killed(u32 node, std::string_view name, u64 now);

  bool is_supervised(std::string_view name) const { return find(name) != kServicesMax; }

 private:
  struct Kills {
    u32 node = 0;
    u32 count = 0;  // all
    u64 times[kServiceKillsMax] = {};
  };
  u32 find(std::string_view name) const;
  const Kills* kills_of(u32 node, u32 service) const;

  std::span<const FaultService> services_;
  FaultBudget budget_;
  u32 copies_lost_ = 0;
  static constexpr u32 kKillsMax = 256;
  Kills kills_[kKillsMax];  // of services that were killed at least once; more than that many are never killed
  u32 service_of_[kKillsMax] = {};
  u32 kills_count_ = 0;
};

}  // namespace sim
