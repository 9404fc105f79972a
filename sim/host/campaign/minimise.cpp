// sim/host/campaign/minimise.cpp — see minimise.h.
#include "sim/host/campaign/minimise.h"

#include <algorithm>
#include <set>

#include "sim/host/campaign/results.h"
#include "sim/host/campaign/wire.h"
#include "sim/host/machine_host.h"

namespace sim::host::campaign {
namespace {

constexpr int kWaitMs = 100;
constexpr u32 kProofs = 3;
constexpr u64 kSmallestNs = 1000;  // delays are halved down to a microsecond

bool is_time(ChoiceKind kind) {
  return kind == ChoiceKind::Cut || kind == ChoiceKind::Delay || kind == ChoiceKind::Irq;
}

std::string spare_line(const FiredFault& fault) {
  return "fault " + fault.fault_class + " " + fault.target + " @" + std::to_string(fault.opportunity) + " spare\n";
}

/// Lines of an overrides file that set no choice of the schedule: faults, inputs, draws. The head is not among them.
std::string other_lines(std::string_view overrides) {
  std::string lines;
  bool is_head = true;
  while (!overrides.empty()) {
    const auto end = std::min(overrides.find('\n'), overrides.size());
    const std::string line(overrides.substr(0, end));
    overrides.remove_prefix(std::min(end + 1, overrides.size()));
    Schedule schedule;
    const bool is_choice = parse_choice(line, schedule).empty() && (!schedule.forced.empty() || schedule.then);
    if (!is_head && !is_choice && line.find_first_not_of(" \t\r") != std::string::npos) lines += line + "\n";
    is_head = false;
  }
  return lines;
}

template <class Item>
std::vector<Item> without(const std::vector<Item>& list, u64 from, u64 count) {
  std::vector<Item> rest(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(from));
  rest.insert(rest.end(), list.begin() + static_cast<std::ptrdiff_t>(std::min<u64>(from + count, list.size())),
              list.end());
  return rest;
}

}  // namespace

std::string recording_name(const Finding& finding) {
  constexpr u64 kNameMax = 40;
  std::string name;
  for (const char character : finding.property) {
    const bool is_plain = (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
                          (character >= '0' && character <= '9') || character == '.';
    if (is_plain) {
      name += character;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
    if (name.size() == kNameMax) break;
  }
  if (!name.empty() && name.back() != '-') name += '-';
  return name + cluster_id(finding).substr(0, 4) + ".orrery";
}

Minimiser::Minimiser(Pool& pool, u32 which, const MinimiseOptions& options)
    : pool_(pool), which_(which), options_(options) {}

/// The overrides that leave exactly `state`.
std::string Minimiser::text_of_state(const State& state) const {
  Schedule schedule;
  schedule.on = true;
  schedule.blind = base_.blind;
  schedule.forced = state.choices;
  if (!base_.sched.empty()) parse_strategy(base_.sched, schedule.first);
  std::string text = text_of(schedule) + fixed_lines_;
  std::set<std::string> kept;
  for (const FiredFault& fault : state.faults) kept.insert(spare_line(fault));
  for (const FiredFault& fault : all_.faults) {
    if (std::string line = spare_line(fault); !kept.contains(line)) text += line;
  }
  const std::set<std::string> operations(state.operations.begin(), state.operations.end());
  for (const std::string& operation : all_.operations) {
    if (!operations.contains(operation)) text += operation + " spare\n";
  }
  return text;
}

ItemCounts Minimiser::counts_of(const State& state) const {
  std::set<std::string> classes;
  for (const FiredFault& fault : state.faults) classes.insert(fault.fault_class);
  return {classes.size(), state.faults.size(), state.operations.size(), state.choices.size()};
}

bool Minimiser::is_spent() {
  return stopped_ || runs_ >= options_.runs_max || now_us() - started_us_ >= options_.time_ms * 1000;
}

RunReport Minimiser::run_once(RunSetup setup) {
  pool_.give({.number = 0, .which = which_, .setup = std::move(setup)});
  runs_ += 1;
  for (;;) {
    if (std::optional<Done> done = pool_.wait(kWaitMs)) return std::move(done->report);
  }
}

/// Notes what became of a candidate.
void Minimiser::take(Done done) {
  seen_[keys_[done.job.number]] =
      is_failure(done.report.verdict) && done.report.finding && cluster_id(*done.report.finding) == cluster_;
  if (on_progress && !on_progress(runs_, counts_of(state_))) stopped_ = true;
}

std::optional<u64> Minimiser::first_failing(u64 count, const MakeCandidate& make) {
  keys_.clear();
  std::set<Key> given;
  u64 settled = 0;  // all before it pass
  for (;;) {
    bool found = false;
    for (; settled < keys_.size(); ++settled) {
      const auto known = seen_.find(keys_[settled]);
      if (known == seen_.end()) break;
      found = known->second;
      if (found) break;
    }
    while (!found && keys_.size() < count && pool_.has_room() && !is_spent()) {
      RunSetup setup = base_;
      setup.sched.clear();
      setup.overrides = text_of_state(make(keys_.size()));
      const base::Digest digest = base::digest_of(base::bytes_of(setup.overrides));
      keys_.emplace_back(digest.high, digest.low);
      if (seen_.contains(keys_.back()) || !given.insert(keys_.back()).second) continue;
      pool_.give({.number = keys_.size() - 1, .which = which_, .setup = std::move(setup)});
      runs_ += 1;
    }
    if (pool_.pending() == 0) {
      if (found) return settled;
      if (settled == count || is_spent()) return {};
      continue;  // all that was asked for was known already
    }
    if (std::optional<Done> done = pool_.wait(kWaitMs)) take(std::move(*done));
  }
}

std::optional<u64> Minimiser::first_caused(u64 count, const MakeCandidate& make) {
  for (;;) {
    const std::optional<u64> found = first_failing(count, make);
    if (!found || !has_cause_) return found;
    const Key key = keys_[*found];
    State undisturbed = make(*found);
    undisturbed.choices.clear();
    undisturbed.faults.clear();
    if (!still_fails(undisturbed)) return is_spent() ? std::nullopt : found;
    seen_[key] = false;  // it fails for another reason
  }
}

bool Minimiser::still_fails(const State& state) {
  return first_failing(1, [&state](u64) { return state; }).has_value();
}

bool Minimiser::drop_classes() {
  bool changed = false;
  for (;;) {
    std::set<std::string> names;
    for (const FiredFault& fault : state_.faults) names.insert(fault.fault_class);
    const std::vector<std::string> classes(names.begin(), names.end());
    const auto make = [&](u64 index) {
      State candidate = state_;
      std::erase_if(candidate.faults, [&](const FiredFault& fault) { return fault.fault_class == classes[index]; });
      return candidate;
    };
    const std::optional<u64> found = first_failing(classes.size(), make);
    if (!found) return changed;
    state_ = make(*found);
    changed = true;
  }
}

/// What comes late is often not needed, nor is what comes early: none of the choices, a quarter, half, three quarters.
bool Minimiser::keep_prefix() {
  bool changed = false;
  while (!state_.choices.empty()) {
    const auto make = [&](u64 quarters) {
      State candidate = state_;
      candidate.choices.resize(candidate.choices.size() * quarters / 4);
      return candidate;
    };
    const std::optional<u64> found = first_failing(4, make);
    if (!found) return changed;
    state_ = make(*found);
    changed = true;
  }
  return changed;
}

template <class Item>
bool Minimiser::drop_items(std::vector<Item> State::*list) {
  bool changed = false;
  u64 chunk = (state_.*list).size();
  while (chunk > 0) {
    bool again = false;
    u64 from = 0;
    while (from < (state_.*list).size()) {
      const auto make = [&](u64 index) {
        State candidate = state_;
        candidate.*list = without(state_.*list, from + index * chunk, chunk);
        return candidate;
      };
      const std::optional<u64> found = first_caused(((state_.*list).size() - from + chunk - 1) / chunk, make);
      if (!found) break;
      state_ = make(*found);
      changed = true;
      again = true;
      from += *found * chunk;
    }
    if (is_spent()) return changed;
    // At the last size it goes on until nothing can go: then no single item can.
    if (chunk > 1 || !again) chunk /= 2;
  }
  return changed;
}

/// Shorter delays, first candidates: what is left is easier to read.
bool Minimiser::soften_answers() {
  bool changed = false;
  for (u64 i = 0; i < state_.choices.size(); ++i) {
    for (;;) {
      const ForcedChoice& choice = state_.choices[i];
      const u64 softer = is_time(choice.kind) ? choice.answer / 2 : 1;
      if (is_time(choice.kind) ? softer < kSmallestNs : choice.answer <= 1) break;
      State candidate = state_;
      candidate.choices[i].answer = softer;
      if (is_spent() || !still_fails(candidate)) break;
      state_ = std::move(candidate);
      changed = true;
    }
  }
  return changed;
}

/// The result again, three times, the first of them recorded: it fails as it should, and always in one way.
void Minimiser::prove(Minimal& minimal) {
  for (u32 i = 0; i < kProofs; ++i) {
    RunSetup setup = base_;
    setup.sched.clear();
    setup.overrides = minimal.overrides;
    if (i == 0) setup.record = minimal.recording;
    RunReport report = run_once(setup);
    if (!is_failure(report.verdict) || !report.finding || cluster_id(*report.finding) != cluster_) {
      minimal.is_split = true;
      minimal.error = "the same overrides failed once and then not";
    } else if (i > 0 && report.root != minimal.report.root && !report.tainted) {
      minimal.is_split = true;
      minimal.error = "equal runs had the roots " + text_of(minimal.report.root) + " and " + text_of(report.root);
    }
    minimal.report = std::move(report);
    if (minimal.is_split) return;
  }
}

/// What the run consists of. A run that died could not tell: the same is run up to the moment before.
bool Minimiser::read_lists(const RunReport& first) {
  const bool died = first.verdict == Verdict::Silent || first.verdict == Verdict::Broken;
  RunReport until_then;
  if (died && first.finding->time_ns != 0) {
    RunSetup setup = base_;
    setup.until = first.finding->time_ns;
    until_then = run_once(setup);
  }
  const RunReport& told = died ? until_then : first;
  all_ = {told.choices, told.fired, told.operations};
  const std::string strategy = !told.strategy.empty() ? told.strategy : base_.sched;
  base_.keep_lists = false;
  base_.overrides.clear();
  // Made explicit, the model's own rule answers what is not listed.
  base_.sched.clear();
  state_ = all_;
  if (still_fails(state_)) return true;
  base_.sched = strategy;
  state_.choices.clear();
  return still_fails(state_);
}

Minimal Minimiser::minimise(const RunSetup& failing) {
  started_us_ = now_us();
  Minimal minimal;
  base_ = failing;
  base_.keep_lists = true;
  base_.record.clear();
  minimal.report = run_once(base_);
  const RunReport& first = minimal.report;
  if (!is_failure(first.verdict) || !first.finding) {
    minimal.error = "the run does not fail: " + std::string(name_of(first.verdict));
    return minimal;
  }
  cluster_ = cluster_id(*first.finding);
  minimal.recording = options_.record;
  if (minimal.recording.empty() && name_recording) minimal.recording = name_recording(*first.finding);
  fixed_lines_ = other_lines(failing.overrides);
  if (!read_lists(first)) {
    minimal.error = "the run does not fail in the same way when what it consists of is written down";
    return minimal;
  }
  minimal.before = counts_of(all_);
  State undisturbed = state_;
  undisturbed.choices.clear();
  undisturbed.faults.clear();
  has_cause_ = base_.sched.empty() && !still_fails(undisturbed);
  bool changed = true;
  while (changed && !is_spent()) {
    changed = drop_classes();
    changed = keep_prefix() || changed;
    // Few choices are soon found, and operations can go faster when few choices lean on them.
    changed = drop_items(&State::choices) || changed;
    changed = drop_items(&State::operations) || changed;
    changed = drop_items(&State::faults) || changed;
    changed = soften_answers() || changed;
  }
  minimal.is_minimal = !changed && !is_spent();
  minimal.overrides = text_of_state(state_);
  minimal.after = counts_of(state_);
  std::set<std::string> classes;
  for (const FiredFault& fault : state_.faults) classes.insert(fault.fault_class);
  minimal.fault_classes.assign(classes.begin(), classes.end());
  prove(minimal);
  minimal.runs = runs_;
  minimal.wall_us = now_us() - started_us_;
  return minimal;
}

}  // namespace sim::host::campaign
