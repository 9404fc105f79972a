// sim/host/judge/invariants.cpp — see invariants.h.
#include "sim/host/judge/invariants.h"

#include <algorithm>
#include <cstdio>

#include "base/parse.h"
#include "sim/host/nearest.h"
#include "sim/model/world.h"

namespace sim::host::judge {
namespace {

constexpr InvariantInfo kInvariants[] = {
    {"kernel.cdt", "the derivation tree: every capability reached once, links inverse, children of their parents"},
    {"kernel.rights", "rights and badges only shrink from parent to child"},
    {"kernel.untyped", "objects are aligned, disjoint, below the watermark of their Untyped; above it is zero"},
    {"kernel.refs", "counts of capabilities and references between objects agree"},
    {"kernel.queues", "a thread is in the queue its state says, and in one"},
    {"kernel.budgets", "refills ascend and sum to the budget; shares add up; the tree is whole"},
    {"kernel.vspace", "mapped pages are recorded by capabilities with their rights; lines in use have capabilities"},
    {"arena.ledger", "an arena's total is what was added less what was given back"},
};

/// The name an invariant of kernel-model/check_*.cpp (M1 … I1) is judged under.
std::string_view name_of(std::string_view rule) {
  if (rule == "T4") return "kernel.rights";
  if (rule == "T5" || rule == "Q7" || rule == "Q8") return "kernel.refs";
  switch (rule[0]) {
    case 'T': return "kernel.cdt";
    case 'M': return "kernel.untyped";
    case 'Q': return "kernel.queues";
    case 'S': return "kernel.budgets";
    default: return "kernel.vspace";
  }
}

bool is_of_threads(std::string_view name) {
  return name == "kernel.queues" || name == "kernel.budgets" || name == "kernel.refs";
}

}  // namespace

std::span<const InvariantInfo> invariants() { return kInvariants; }

std::string parse_cadence(std::string_view text, Cadence& out) {
  Cadence cadence;
  const auto from = text.find(" from #");
  if (from != std::string_view::npos) {
    const auto number = base::parse_u64(text.substr(from + 7));
    if (!number.ok()) return "'" + std::string(text) + "': behind `from #` stands the number of an event";
    cadence.from = *number;
    text = text.substr(0, from);
  }
  using enum Cadence::Kind;
  if (text == "off") {
    cadence.kind = Off;
  } else if (text == "kernel-exit") {
    cadence.kind = KernelExit;
  } else if (text == "phase") {
    cadence.kind = Phase;
  } else if (text == "end") {
    cadence.kind = End;
  } else if (text.starts_with("event ")) {
    cadence.kind = Pattern;
    if (std::string wrong = parse_filter(text.substr(6), {}, cadence.pattern); !wrong.empty()) return wrong;
  } else if (text.starts_with("every ")) {
    const std::string_view step = text.substr(6);
    const auto events = base::parse_u64(step);
    const auto time = base::parse_duration_ns(step);
    if ((!events.ok() && !time.ok()) || (events.ok() ? *events : *time) == 0) {
      return "'" + std::string(step) + "' is no number of events (1000) and no time (10ms)";
    }
    cadence.kind = events.ok() ? Events : Time;
    cadence.every = events.ok() ? *events : *time;
  } else {
    return "there is no cadence '" + std::string(text) +
           "'; there are off, kernel-exit, every 1000 (events), every 10ms, event FILTER, phase and end";
  }
  out = std::move(cadence);
  return {};
}

std::string Invariants::set(const std::vector<std::string>& names, std::string_view cadence) {
  for (const std::string& name : names) {
    std::vector<std::string> known;
    for (const InvariantInfo& info : kInvariants) known.emplace_back(info.name);
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return "there is no invariant '" + name + "'" + did_you_mean(name, known);
    }
  }
  if (std::string wrong = parse_cadence(cadence, cadence_); !wrong.empty()) return wrong;
  names_ = names;
  ledger_ = cadence_.kind != Cadence::Kind::Off && wants("arena.ledger");
  return {};
}

bool Invariants::wants(std::string_view name) const {
  return names_.empty() || std::find(names_.begin(), names_.end(), name) != names_.end();
}

std::optional<Broken> Invariants::event(const base::Event& event) {
  sequence_ = event.sequence;
  time_ns_ = std::max(time_ns_, event.time_ns);
  events_ += 1;
  switch (cadence_.kind) {
    case Cadence::Kind::Events: due_ = due_ || events_ >= cadence_.every; break;
    case Cadence::Kind::Time: due_ = due_ || time_ns_ >= next_ns_; break;
    case Cadence::Kind::Pattern: due_ = cadence_.pattern.matches(event) || due_; break;
    case Cadence::Kind::Off:
    case Cadence::Kind::KernelExit:
    case Cadence::Kind::Phase:
    case Cadence::Kind::End: break;
  }
  const auto kind = static_cast<base::EventKind>(event.kind);
  if (kind == base::EventKind::WorldNodeDown && event.a < arenas_.size()) arenas_[event.a].clear();
  const bool grows = kind == base::EventKind::MemArenaGrow;
  if (!ledger_ || (!grows && kind != base::EventKind::MemArenaFree)) return {};
  if (arenas_.size() <= event.node) arenas_.resize(event.node + 1u);
  u64& total = arenas_[event.node][event.object];
  const u64 expected = grows ? total + event.a : total - event.a;
  total = event.b;
  if (expected == event.b || event.sequence < cadence_.from) return {};
  char details[120];
  std::snprintf(details, sizeof details, "address space 0x%x holds %llu bytes, by its grants and returns %llu",
                event.object, static_cast<unsigned long long>(event.b), static_cast<unsigned long long>(expected));
  return Broken{"arena.ledger", details, 0};
}

std::optional<Broken> Invariants::entered(World& world, u32 node) {
  if (cadence_.kind == Cadence::Kind::KernelExit) {
    if (sequence_ < cadence_.from) return {};
    return check_node(world, node);
  }
  if (!due_) return {};
  due_ = false;
  events_ = 0;
  next_ns_ = time_ns_ + cadence_.every;
  return sequence_ < cadence_.from ? std::nullopt : check(world);
}

std::optional<Broken> Invariants::phase(World& world) {
  return cadence_.kind == Cadence::Kind::Phase ? check(world) : std::nullopt;
}

std::optional<Broken> Invariants::end(World& world) {
  const bool wanted = cadence_.kind != Cadence::Kind::Off && cadence_.kind != Cadence::Kind::KernelExit;
  return wanted ? check(world) : std::nullopt;
}

std::optional<Broken> Invariants::check(World& world) {
  for (u32 node = 1; node <= world.nodes().size(); ++node) {
    if (auto broken = check_node(world, node)) {
      broken->held_at = held_at_;
      if (held_at_ == 0) broken->held_at = 1;  // nothing before it was checked: it may have been wrong at any event
      return broken;
    }
  }
  held_at_ = sequence_;
  return {};
}

std::optional<Broken> Invariants::check_node(World& world, u32 node) {
  Node& place = world.nodes()[node - 1];
  if (!place.is_up()) return {};
  const kernel::Kernel& kernel = place.kernel();
  const u64 scratch_bytes = kernel.ram_bytes() / 16;
  if (scratch_.size() < scratch_bytes) scratch_.resize(scratch_bytes);
  checks_ += 1;
  const base::MutableBytes scratch{scratch_.data(), scratch_bytes};
  bool of_threads = false;
  bool of_memory = false;
  for (const InvariantInfo& info : kInvariants) {
    if (info.name == "arena.ledger" || !wants(info.name)) continue;
    of_threads = of_threads || is_of_threads(info.name);
    of_memory = of_memory || !is_of_threads(info.name) || info.name == "kernel.refs";
  }
  kernel::Violation violation;
  if (of_memory) violation = kernel::check_memory(kernel, scratch);
  if (!violation && of_threads) violation = kernel::check_threads(kernel, scratch);
  if (!violation) return {};
  char details[120];
  std::snprintf(details, sizeof details, "%s at object 0x%x of node %u (%llu)", violation.name, violation.object, node,
                static_cast<unsigned long long>(violation.detail));
  return Broken{std::string(name_of(violation.name)), details, 0};
}

}  // namespace sim::host::judge
