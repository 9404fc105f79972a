// sim/host/judge/judge.cpp — see judge.h.
#include "sim/host/judge/judge.h"

#include <algorithm>

#include "sim/host/machine_host.h"
#include "sim/host/watch.h"

namespace sim::host::judge {
namespace {

constexpr u32 kThreadsMax = kernel::kThreadSlotMask + 1;

}  // namespace

Judge::Judge() {
  for (const base::Property& property : base::kProperties) add_reported(property.name, property.form);
}

void Judge::add_reported(std::string_view name, base::CheckForm form) {
  std::string text(name);
  Tally* const counted = &tally(text, base::name_of(form));
  reported_.push_back({.form = form, .name = std::move(text), .tally = counted, .keys = {}});
}

// ── Declaring ────────────────────────────────────────────────────────────────────────────────────────────────

Judge::Tally& Judge::tally(const std::string& name, std::string_view form) {
  Tally& tally = tallies_[name];
  if (tally.form.empty()) tally.form = form;
  return tally;
}

void Judge::always(std::string name, Holds holds, Filter on) {
  tally(name, "always");
  properties_.push_back({Property::Form::Always, std::move(name), std::move(on), {}, std::move(holds), {}, {}, 0, {}});
}
void Judge::never(std::string name, Filter pattern) {
  tally(name, "never");
  properties_.push_back({Property::Form::Never, std::move(name), std::move(pattern), {}, {}, {}, {}, 0, {}});
}
void Judge::sometimes(std::string name, Filter pattern, Holds holds) {
  tally(name, "sometimes");
  properties_.push_back(
      {Property::Form::Sometimes, std::move(name), std::move(pattern), {}, std::move(holds), {}, {}, 0, {}});
}
void Judge::at_most_once(std::string name, Filter pattern, Key key) {
  tally(name, "at-most-once");
  properties_.push_back(
      {Property::Form::AtMostOnce, std::move(name), std::move(pattern), {}, {}, std::move(key), {}, 0, {}});
}
void Judge::eventually(std::string name, Holds holds, u64 within_ns) {
  tally(name, "eventually");
  eventually_.push_back({std::move(name), std::move(holds), within_ns});
}
void Judge::leads_to(std::string name, Filter cause, Filter effect, u64 within_ns, Key key) {
  tally(name, "leads-to");
  properties_.push_back({Property::Form::LeadsTo,
                         std::move(name),
                         std::move(cause),
                         std::move(effect),
                         {},
                         std::move(key),
                         {},
                         within_ns,
                         {}});
}
void Judge::monitor(std::string name, Filter hot, Filter cold, u64 within_ns, Key key) {
  tally(name, "hot");
  properties_.push_back({Property::Form::Monitor,
                         std::move(name),
                         std::move(hot),
                         std::move(cold),
                         {},
                         std::move(key),
                         {},
                         within_ns,
                         {}});
}
void Judge::watermark(std::string name, Filter on, std::function<std::optional<i64>(const base::Event&)> level) {
  tally(name, "watermark");
  properties_.push_back(
      {Property::Form::Watermark, std::move(name), std::move(on), {}, {}, {}, std::move(level), 0, {}});
}

void Judge::attach(Machine& machine) {
  set_names([&machine](u32 node, u32 thread_id) {
    return machine.started() ? thread_name(machine.world(), node, thread_id) : std::string_view{};
  });
  machine.on_event = [this, &machine, before = std::move(machine.on_event)](const base::Event& seen) {
    if (before) before(seen);
    event(seen);
    // A node that goes down is forgotten next.
    const bool goes_down = static_cast<base::EventKind>(seen.kind) == base::EventKind::WorldNodeDown;
    if (goes_down && invariants_.on() && machine.started()) judge_invariants(machine.world(), {});
  };
  machine.on_check = [this, before = std::move(machine.on_check)](const CheckRecord& record) {
    if (before) before(record);
    checked(record, last_.sequence);
  };
  if (!invariants_.on()) return;
  machine.on_entered = [this, &machine, before = std::move(machine.on_entered)](u32 node) {
    if (before) before(node);
    if (machine.started()) entered(machine.world(), node);
  };
}

// ── The run ──────────────────────────────────────────────────────────────────────────────────────────────────

void Judge::event(const base::Event& event) {
  last_ = event;
  const u32 slot = event.thread & kernel::kThreadSlotMask;
  const auto lane = static_cast<base::Lane>(event.lane);
  // What judges and faults say is no part of what a thread did.
  if (event.thread != 0 && lane != base::Lane::Check && lane != base::Lane::Inject && slot < kThreadsMax) {
    if (recent_.size() <= event.node) recent_.resize(event.node + 1u);
    std::vector<Recent>& threads = recent_[event.node];
    if (threads.size() <= slot) threads.resize(slot + 1u);
    Recent& recent = threads[slot];
    if (recent.thread != event.thread) recent = {event.thread, {}};
    recent.kinds[0] = recent.kinds[1];
    recent.kinds[1] = recent.kinds[2];
    recent.kinds[2] = event.kind;
  }
  if (event.time_ns > next_deadline_) expire(event.time_ns);
  if (event.time_ns >= next_look_) look_eventually(event.time_ns);
  for (Property& property : properties_) look(property, event);
  if (const auto broken = invariants_.event(event)) {
    find({.kind = "invariant", .property = broken->name, .details = broken->details, .held_at = broken->held_at});
  }
}

bool Judge::has_room(const std::map<std::string, u64>& keys, const std::string& name) {
  if (keys.size() < kKeysMax) return true;
  overfull_.insert(name);
  return false;
}

void Judge::look(Property& property, const base::Event& event) {
  const auto key = [&] { return property.key ? property.key(event) : std::string(); };
  using enum Property::Form;
  const bool ends = (property.form == LeadsTo || property.form == Monitor) && property.until.matches(event);
  const bool begins = property.on.matches(event);
  if (ends) property.keys.erase(key());
  if (!begins) return;
  if (property.tally == nullptr) property.tally = &tallies_[property.name];
  Tally& tally = *property.tally;
  std::string details;
  switch (property.form) {
    case Always:
      tally.count += 1;
      if (!property.holds(details)) find({.kind = "always", .property = property.name, .details = details});
      return;
    case Never:
      tally.count += 1;
      find({.kind = "never", .property = property.name, .details = ""});
      return;
    case Sometimes: tally.count += !property.holds || property.holds(details) ? 1 : 0; return;
    case AtMostOnce: {
      tally.count += 1;
      const std::string what = key();
      if (!has_room(property.keys, property.name)) return;
      const auto [seen, is_new] = property.keys.emplace(what, event.sequence);
      if (is_new) return;
      find({.kind = "at-most-once",
            .property = property.name,
            .details = what + " is here again, first at #" + std::to_string(seen->second)});
      return;
    }
    case LeadsTo:
    case Monitor:
      tally.count += 1;
      if (!has_room(property.keys, property.name)) return;
      property.keys.emplace(key(), event.time_ns);
      if (property.form == LeadsTo || liveness_ns_) plan_deadline(event.time_ns + property.within_ns);
      return;
    case Watermark:
      if (const auto level = property.level(event)) {
        tally.low = tally.count == 0 ? *level : std::min(tally.low, *level);
        tally.high = tally.count == 0 ? *level : std::max(tally.high, *level);
        tally.count += 1;
      }
      return;
  }
}

void Judge::checked(const CheckRecord& record, u64) {
  if (record.declares) return add_reported(record.name, record.form);
  Reported& property = reported_[record.property];
  Tally& tally = *property.tally;
  if (record.says == base::CheckSays::Hit) {
    tally.count += 1;
    if (property.form == base::CheckForm::Eventually && liveness_ns_) property.held = true;
    return;
  }
  const std::string& name = property.name;
  std::map<std::string, u64>& keys = property.keys;
  const std::string value = std::to_string(record.value);
  switch (record.says) {
    case base::CheckSays::Hit: return;
    case base::CheckSays::Failed:
      find({.kind = std::string(base::name_of(property.form)), .property = name, .details = "value " + value});
      return;
    case base::CheckSays::Key: {
      tally.count += 1;
      if (!has_room(keys, name)) return;
      const auto [seen, is_new] = keys.emplace(std::to_string(record.node) + "/" + value, last_.sequence);
      if (!is_new) {
        find({.kind = "at-most-once",
              .property = name,
              .details = "key " + value + " is here again, first at #" + std::to_string(seen->second)});
      }
      return;
    }
    case base::CheckSays::Hot:
      tally.count += 1;
      if (!has_room(keys, name)) return;
      keys.emplace(std::to_string(record.node) + "/" + value, record.time);
      if (liveness_ns_) plan_deadline(record.time + within_ns_);
      return;
    case base::CheckSays::Cold: keys.erase(std::to_string(record.node) + "/" + value); return;
    case base::CheckSays::Level: {
      const i64 level = static_cast<i64>(record.value);
      tally.low = tally.count == 0 ? level : std::min(tally.low, level);
      tally.high = tally.count == 0 ? level : std::max(tally.high, level);
      tally.count += 1;
      return;
    }
  }
}

// ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────

void Judge::begin_liveness(u64 now_ns) {
  liveness_ns_ = now_ns;
  next_look_ = now_ns;
  plan_deadline(now_ns + within_ns_);
  for (const Property& property : properties_) {
    if (property.form == Property::Form::Monitor) plan_deadline(now_ns + property.within_ns);
  }
  for (const Eventually& wanted : eventually_) plan_deadline(now_ns + wanted.within_ns);
}

void Judge::look_eventually(u64 now_ns) {
  next_look_ = now_ns + kLookEveryNs;
  for (Eventually& wanted : eventually_) {
    if (wanted.held) continue;
    std::string details;
    wanted.held = wanted.holds(details);
    tallies_[wanted.name].count += wanted.held ? 1 : 0;
  }
}

/// Finds what has not come by `now_ns`, the one with the earliest deadline; plans the next deadline.
void Judge::expire(u64 now_ns) {
  if (next_look_ != ~u64{0}) look_eventually(now_ns);
  next_deadline_ = ~u64{0};
  std::optional<Found> worst;
  const auto due = [&](u64 deadline, Found found) {
    if (deadline >= now_ns) return plan_deadline(deadline);
    if (worst && *worst->time_ns <= deadline) return;
    found.time_ns = deadline;
    found.is_liveness = true;
    worst = std::move(found);
  };
  const auto text_of = [](const std::string& key) { return key.empty() ? std::string() : " of " + key; };
  for (const Property& property : properties_) {
    const bool is_monitor = property.form == Property::Form::Monitor;
    if (property.form != Property::Form::LeadsTo && !(is_monitor && liveness_ns_)) continue;
    for (const auto& [key, since] : property.keys) {
      const u64 start = is_monitor ? std::max(since, *liveness_ns_) : since;
      due(start + property.within_ns,
          {.kind = is_monitor ? "hot" : "leads-to",
           .property = property.name,
           .details = (is_monitor ? "hot" + text_of(key) + " since " : "no answer" + text_of(key) + " since ") +
                      std::to_string(since) + "ns"});
    }
  }
  if (liveness_ns_) {
    for (const Eventually& wanted : eventually_) {
      if (!wanted.held)
        due(*liveness_ns_ + wanted.within_ns, {.kind = "eventually", .property = wanted.name, .details = ""});
    }
    for (const Reported& property : reported_) {
      const std::string& name = property.name;
      if (property.form == base::CheckForm::Hot) {
        for (const auto& [key, since] : property.keys) {
          due(std::max(since, *liveness_ns_) + within_ns_,
              {.kind = "hot", .property = name, .details = "hot of " + key + " since " + std::to_string(since) + "ns"});
        }
      }
      // One that no program of this run ever evaluated says nothing about it.
      if (property.form == base::CheckForm::Eventually && !property.held && property.tally->count != 0) {
        due(*liveness_ns_ + within_ns_, {.kind = "eventually", .property = name, .details = ""});
      }
    }
  }
  if (worst) find(std::move(*worst));
}

void Judge::entered(World& world, u32 node) { judge_invariants(world, node); }
void Judge::phase(World& world) {
  if (const auto broken = invariants_.phase(world)) {
    find({.kind = "invariant", .property = broken->name, .details = broken->details, .held_at = broken->held_at});
  }
}
void Judge::judge_invariants(World& world, std::optional<u32> node) {
  if (finding_) return;  // memory that is wrong stays wrong, and only the first time is told
  const auto broken = node ? invariants_.entered(world, *node) : invariants_.end(world);
  if (!broken) return;
  find({.kind = "invariant", .property = broken->name, .details = broken->details, .held_at = broken->held_at});
}

void Judge::finish(World& world, u64 reached_ns) {
  judge_invariants(world, {});
  finish(reached_ns);
}

void Judge::finish(u64 reached_ns) {
  if (!liveness_ns_) {
    // There was no time of its own for liveness: it has to hold where the run ends.
    for (Eventually& wanted : eventually_) {
      std::string details;
      wanted.held = wanted.held || wanted.holds(details);
      tallies_[wanted.name].count += wanted.held ? 1 : 0;
      if (!wanted.held) {
        find({.kind = "eventually", .property = wanted.name, .details = details, .is_liveness = true});
      }
    }
  }
  if (reached_ns > next_deadline_) expire(reached_ns);
}

// ── Findings ─────────────────────────────────────────────────────────────────────────────────────────────────

std::string Judge::kinds_of(u32 node, u32 thread) const {
  const u32 slot = thread & kernel::kThreadSlotMask;
  if (thread == 0 || node >= recent_.size() || slot >= recent_[node].size()) return {};
  const Recent& recent = recent_[node][slot];
  std::string text;
  for (const u16 kind : recent.kinds) {
    if (recent.thread != thread || kind == 0) continue;
    text += (text.empty() ? "" : " ") + std::string(base::name_of(static_cast<base::EventKind>(kind)));
  }
  return text;
}

void Judge::find(Found found) {
  if (finding_) return;
  Finding finding;
  finding.property = std::move(found.property);
  finding.kind = std::move(found.kind);
  finding.details = std::move(found.details);
  finding.is_liveness = found.is_liveness;
  finding.moment = last_.sequence;
  finding.time_ns = found.time_ns.value_or(last_.time_ns);
  finding.held_at = found.held_at;
  finding.signature = finding.property + " " + finding.kind;
  if (!found.is_liveness) {
    // What did not happen was not done by whoever acted last.
    finding.role = names_ ? role_of(names_(last_.node, last_.thread)) : std::string();
    const std::string kinds = kinds_of(last_.node, last_.thread);
    finding.signature += " | " + finding.role + " | " + kinds;
  }
  finding_ = std::move(finding);
}

void Judge::report(std::string kind, std::string property, std::string details, bool is_liveness) {
  find({.kind = std::move(kind),
        .property = std::move(property),
        .details = std::move(details),
        .is_liveness = is_liveness,
        .time_ns = last_.time_ns});
}

std::vector<Hit> Judge::hits() const {
  std::vector<Hit> hits;
  for (const auto& [name, tally] : tallies_) {
    hits.push_back({.name = name, .form = tally.form, .count = tally.count, .low = tally.low, .high = tally.high});
  }
  return hits;
}

std::optional<RunSetup> exact_setup(const RunSetup& setup, const RunReport& report) {
  if (!report.finding || report.finding->kind != "invariant" || report.finding->held_at == 0) return {};
  RunSetup dense = setup;
  dense.checks = "kernel-exit from #" + std::to_string(report.finding->held_at);
  dense.record.clear();
  return dense;
}

void take_exact(const RunReport& exact, RunReport& report) {
  // The run is the same, so the violation is there; an event before it was only late to be seen.
  if (exact.finding && exact.finding->kind == "invariant") report.finding = exact.finding;
}

RunReport run_exactly(Case& run, const RunSetup& setup) {
  RunReport report = run.run(setup);
  if (const std::optional<RunSetup> dense = exact_setup(setup, report)) take_exact(run.run(*dense), report);
  return report;
}

}  // namespace sim::host::judge
