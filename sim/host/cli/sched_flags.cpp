// sim/host/cli/sched_flags.cpp — see sched_flags.h.
#include "sim/host/cli/sched_flags.h"

#include <CLI/App.hpp>

#include <cstdio>
#include <fstream>

#include "sim/host/excuse.h"

namespace sim::host::cli {
namespace {

constexpr std::string_view kReplay = "replay:";

int read_overrides(const Verb& verb, const std::string& path, u64 seed, Schedule& schedule, SparedLines& spared) {
  const std::string name(verb.name);
  std::string text;
  if (!read_file(path, text)) {
    std::fprintf(stderr, "orrery %s: %s: cannot be read\n", name.c_str(), path.c_str());
    return kUnreadable;
  }
  std::string wrong = parse_schedule(spared.take_all(text), schedule);
  if (wrong.empty() && schedule.seed && *schedule.seed != seed) {
    wrong = "it is for seed " + std::to_string(*schedule.seed) + ", the run has seed " + std::to_string(seed);
  }
  if (wrong.empty()) return -1;
  std::fprintf(stderr, "orrery %s: %s: %s\n", name.c_str(), path.c_str(), wrong.c_str());
  return kUnreadable;
}

}  // namespace

void SchedFlags::add_to(CLI::App& app) {
  app.add_option("--sched", sched);
  app.add_option("--overrides", overrides);
  app.add_option("--override", single)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--choices", choices);
  app.add_flag("--blind", blind);
  faults.add_to(app);
}

void FaultFlags::add_to(CLI::App& app) {
  app.add_option("--swarm", swarm);
  app.add_option("--fault", rules)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

std::string FaultFlags::read(u64 seed, FaultSetup& faults) const {
  for (const std::string& rule : rules) {
    if (const std::string wrong = parse_rule(rule, faults); !wrong.empty())
      return "--fault " + quote(rule) + ": " + wrong;
  }
  if (swarm.empty()) return {};
  std::vector<std::string> allow;
  std::vector<std::string> forbid;
  std::string_view rest = swarm;
  while (!rest.empty()) {
    const auto comma = std::min(rest.find(','), rest.size());
    const std::string_view word = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    (word.starts_with("-") ? forbid : allow).emplace_back(word.substr(word.starts_with("-") ? 1 : 0));
  }
  if (allow.empty()) allow.emplace_back("*");
  const std::string wrong = add_swarm(seed, allow, forbid, faults);
  return wrong.empty() ? std::string() : "--swarm " + quote(swarm) + ": " + wrong;
}

std::string FaultFlags::text() const {
  std::string line;
  if (!swarm.empty()) line += " --swarm " + quote(swarm);
  for (const std::string& rule : rules) line += " --fault " + quote(rule);
  return line;
}

int SchedFlags::read(const Verb& verb, u64 seed, Schedule& schedule, SparedLines& spared) const {
  schedule.on = !sched.empty() || !overrides.empty() || !single.empty() || !choices.empty();
  schedule.blind = blind;
  const bool is_replay = sched.starts_with(kReplay);
  if (is_replay && !overrides.empty())
    return usage_error(verb, "--sched replay:FILE and --overrides FILE are the same");
  const std::string file = is_replay ? sched.substr(kReplay.size()) : overrides;
  if (!file.empty()) {
    if (const int code = read_overrides(verb, file, seed, schedule, spared); code >= 0) return code;
  }
  if (!sched.empty() && !is_replay) {
    if (const std::string wrong = parse_strategy(sched, schedule.first); !wrong.empty()) {
      return usage_error(verb, "--sched " + sched + ": " + wrong);
    }
  }
  for (const std::string& line : single) {
    if (spared.take(line)) continue;
    if (const std::string wrong = parse_choice(line, schedule); !wrong.empty()) {
      return usage_error(verb, "--override " + quote(line) + ": " + wrong);
    }
  }
  if (const std::string wrong = faults.read(seed, schedule.faults); !wrong.empty()) return usage_error(verb, wrong);
  if (const std::string twice = find_doubled(schedule); !twice.empty()) return usage_error(verb, twice);
  return -1;
}

int SchedFlags::read_setup(RunSetup& setup) const {
  const bool is_replay = sched.starts_with(kReplay);
  const std::string file = is_replay ? sched.substr(kReplay.size()) : overrides;
  if (!file.empty() && !read_file(file, setup.overrides)) return kUnreadable;
  if (!is_replay) setup.sched = sched;
  setup.blind = blind;
  if (setup.overrides.empty() && !single.empty()) setup.overrides = "orrery-overrides 1\n";
  for (const std::string& line : single) setup.overrides += line + "\n";
  return -1;
}

std::string SchedFlags::text() const {
  std::string line;
  if (!sched.empty()) line += " --sched " + quote(sched);
  if (blind) line += " --blind";
  if (!overrides.empty()) line += " --overrides " + quote(overrides);
  for (const std::string& one : single) line += " --override " + quote(one);
  return line + faults.text();
}

void ChoiceLog::attach(Machine& machine) {
  faults_ = machine.options().schedule.faults;
  blind_ = machine.options().schedule.blind;
  machine.on_choice = [this, before = machine.on_choice](const ChoiceRecord& record) {
    if (made_.size() < kForcedMax)
      made_.push_back({record.kind, std::string(record.actor), record.ordinal, record.answer});
    if (before) before(record);
  };
}

bool ChoiceLog::write(const std::string& path, World& world) const {
  Schedule schedule;
  schedule.plan = text_of(world.config_digest());
  schedule.seed = world.seed();
  schedule.blind = blind_;
  schedule.forced = made_;
  schedule.faults = faults_;
  std::ofstream file(path, std::ios::binary);
  file << text_of(schedule);
  file.flush();
  return file.good();
}

bool write_choices(const std::string& path, const RunSetup& setup, const std::vector<ForcedChoice>& made) {
  Schedule asked;
  if (!read_schedule(setup, asked).empty()) return false;
  Schedule schedule;
  schedule.on = true;
  schedule.seed = setup.seed;
  schedule.blind = asked.blind;
  schedule.forced = made;
  schedule.faults = asked.faults;
  std::ofstream file(path, std::ios::binary);
  file << text_of(schedule);
  file.flush();
  return file.good();
}

void FaultTallies::attach(Machine& machine) {
  machine.on_fault = [this, which = &machine, before = machine.on_fault](const InjectRecord& record) {
    note_excuse(*which, record, excuses_);
    using enum InjectRecord::Outcome;
    Tally& tally = tallies_[{std::string(name_of(record.fault)), std::string(record.target)}];
    if (record.is_spared) {
      tally.spared += 1;
    } else if (record.outcome == Withheld) {
      tally.withheld += 1;
      tally.reason = record.reason;
    } else {
      (record.outcome == Fired ? tally.fired : tally.lessened) += 1;
    }
    if (before) before(record);
  };
}

void FaultTallies::print() const {
  for (const auto& [key, tally] : tallies_) {
    std::string text;
    const auto add = [&text](u64 count, const char* what) {
      if (count != 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what;
    };
    add(tally.fired, "fired");
    add(tally.lessened, "lessened");
    add(tally.withheld, "withheld");
    if (!tally.reason.empty()) text += " (" + tally.reason + ")";
    add(tally.spared, "spared");
    std::fprintf(stderr, "fault %s %s: %s\n", key.first.c_str(), key.second.c_str(), text.c_str());
  }
}

void report_overrides(const Machine& machine, World& world) {
  const Schedule& schedule = machine.options().schedule;
  if (!schedule.plan.empty() && schedule.plan != text_of(world.config_digest())) {
    std::fprintf(stderr, "orrery: the overrides were made for another plan\n");
  }
  const u64 all = schedule.forced.size() + schedule.faults.forced.size();
  if (machine.forced_used() < all) {
    std::fprintf(stderr, "unused: %llu of %llu\n", static_cast<unsigned long long>(all - machine.forced_used()),
                 static_cast<unsigned long long>(all));
  }
}

}  // namespace sim::host::cli
