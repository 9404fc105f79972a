// sim/model/faults/ledger.cpp — see ledger.h.
#include "sim/model/faults/ledger.h"

#include "base/assert.h"

#include "base/enforce.h"

namespace sim {

namespace {
Ledger::Admission withhold(std::string_view reason) { return {reason, true, {}}; }
Ledger::Admission excused(std::string_view why) { return {{}, false, why}; }
}  // namespace

Ledger::Ledger(const FaultPlan& plan)
    : services_(plan.services), last_started_(plan.last_started), budget_(plan.budget) {
  ASSERT(plan.services.size() <= kServicesMax);
}

// ── Services ─────────────────────────────────────────────────────────────────────────────────────────────────

u32 Ledger::find(std::string_view name) const {
  for (u32 i = 0; i < services_.size(); ++i) {
    if (services_[i].name == name) return i;
  }
  return kServicesMax;
}

u32 Ledger::kills_of(u32 node, u32 service) const {
  for (u32 i = 0; i < kills_count_; ++i) {
    if (kills_[i].service == service && kills_[i].node == node) return i;
  }
  return kKillsMax;
}

Ledger::Admission Ledger::admit_kill(u32 node, std::string_view name, u64 now) const {
  const u32 service = find(name);
  // Named by a rule: what nobody brings back is lost on purpose.
  if (service == kServicesMax) return excused("nobody brings it back, and it is named as a target");
  const u32 place = kills_of(node, service);
  const Admission usual = services_[service].only_copy
                              ? excused("it holds the only copy of what it serves, and copies may be lost")
                              : Admission{};
  if (place == kKillsMax) {
    if (services_[service].only_copy && copies_lost_ >= budget_.copies_lost) {
      return withhold("it holds the only copy of what it serves");
    }
    return kills_count_ < kKillsMax ? usual : withhold("too many services were killed");
  }
  const Kills& kills = kills_[place];
  if (kills.count < kServiceKillsMax) return usual;
  // The oldest of the last kServiceKillsMax kills.
  const u64 oldest = kills.times[kills.count % kServiceKillsMax];
  return now - oldest < kServiceWindowNs ? withhold("its supervisor would give it up") : usual;
}

Ledger::Admission Ledger::admit_error(u32 node, std::string_view name) const {
  const bool is_starting = find(name) != kServicesMax && (ready_ & bit(node)) == 0;
  return is_starting ? withhold("its node is still booting") : Admission{};
}

Ledger::Admission Ledger::admit_hang(std::string_view name) const {
  const u32 service = find(name);
  if (service == kServicesMax) return excused("nobody looks after it, and it is named as a target");
  if (services_[service].is_probed) return {};
  return withhold("nobody would notice");
}

void Ledger::killed(u32 node, std::string_view name, u64 now) {
  const u32 service = find(name);
  if (service == kServicesMax) return;
  u32 place = kills_of(node, service);
  if (place == kKillsMax) {
    ASSERT(kills_count_ < kKillsMax);
    place = kills_count_++;
    kills_[place] = {.node = node, .service = service};
    if (services_[service].only_copy) copies_lost_ += 1;
  }
  Kills& kills = kills_[place];
  kills.times[kills.count % kServiceKillsMax] = now;
  kills.count += 1;
}

void Ledger::node_started(u32 node) {
  ready_ &= ~bit(node);
  away_until_[node - 1] = 0;
}

// ── Nodes ────────────────────────────────────────────────────────────────────────────────────────────────────

Ledger::Admission Ledger::admit_down(u32 node, u64& count, u64 now) const {
  u32 away = 0;
  for (const u64 until : away_until_) away += until > now ? 1 : 0;
  if (is_away(node, now)) return withhold("it is down already");
  if (budget_.nodes_down <= away) return withhold("no more nodes may be down at one time");
  if (count <= budget_.nodes_down - away) return {};
  count = budget_.nodes_down - away;
  return {"no more nodes may be down at one time", false, {}};
}

// ── Clocks ───────────────────────────────────────────────────────────────────────────────────────────────────

Ledger::Admission Ledger::admit_step(i64 error, i64& step) const {
  const i64 most = static_cast<i64>(budget_.clock_error_ns);
  const i64 wanted = step;
  if (error + step > most) step = most - error;
  if (error + step < -most) step = -most - error;
  if (step == wanted) return {};
  const bool moves = wanted > 0 ? step > 0 : step < 0;
  return {"the clock may not be wrong by more", !moves, {}};
}

}  // namespace sim
