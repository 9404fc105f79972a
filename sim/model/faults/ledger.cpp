// sim/model/faults/ledger.cpp — see ledger.h.
#include "sim/model/faults/ledger.h"

#include "base/assert.h"

#include "base/enforce.h"

namespace sim {

Ledger::Ledger(const FaultPlan& plan) : services_(plan.services), budget_(plan.budget) {
  ASSERT(plan.services.size() <= kServicesMax);
}

u32 Ledger::find(std::string_view name) const {
  for (u32 i = 0; i < services_.size(); ++i) {
    if (services_[i].name == name) return i;
  }
  return kServicesMax;
}

const Ledger::Kills* Ledger::kills_of(u32 node, u32 service) const {
  for (u32 i = 0; i < kills_count_; ++i) {
    if (service_of_[i] == service && kills_[i].node == node) return &kills_[i];
  }
  return nullptr;
}

std::string_view Ledger::refuse_kill(u32 node, std::string_view name, u64 now) const {
  const u32 service = find(name);
  if (service == kServicesMax) return {};  // named by a rule: what nobody brings back is lost on purpose
  const Kills* kills = kills_of(node, service);
  if (services_[service].only_copy && kills == nullptr && copies_lost_ >= budget_.copies_lost) {
    return "it holds the only copy of what it serves";
  }
  if (kills == nullptr) return kills_count_ < kKillsMax ? std::string_view{} : "too many services were killed";
  if (kills->count < kServiceKillsMax) return {};
  // The oldest of the last kServiceKillsMax kills.
  const u64 oldest = kills->times[kills->count % kServiceKillsMax];
  return now - oldest < kServiceWindowNs ? "its supervisor would give it up" : std::string_view{};
}

void Ledger::killed(u32 node, std::string_view name, u64 now) {
  const u32 service = find(name);
  if (service == kServicesMax) return;
  Kills* kills = const_cast<Kills*>(kills_of(node, service));
  if (kills == nullptr) {
    ASSERT(kills_count_ < kKillsMax);
    service_of_[kills_count_] = service;
    kills = &kills_[kills_count_++];
    kills->node = node;
    if (services_[service].only_copy) copies_lost_ += 1;
  }
  kills->times[kills->count % kServiceKillsMax] = now;
  kills->count += 1;
}

}  // namespace sim
