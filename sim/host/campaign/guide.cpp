// sim/host/campaign/guide.cpp — see guide.h.
#include "sim/host/campaign/guide.h"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <tuple>

#include "sim/host/campaign/results.h"
#include "sim/host/watch.h"

namespace sim::host::campaign {
namespace {

namespace fs = std::filesystem;

constexpr u32 kLooks = 8;          // entries looked at for the rarest
constexpr u32 kTries = 8;          // for a run that was not made yet
constexpr u64 kDelayNsSteps = 10;  // new delays: 10 µs · 2^0…2^9
constexpr u64 kOpportunityShift = 8;
constexpr const char* kSuffix = ".overrides";

std::string head(u64 seed, const std::string& sched) {
  return "orrery-overrides 1 seed=" + std::to_string(seed) + (sched.empty() ? "" : " sched=" + sched) + "\n";
}

/// Property hits are features too: form and name, and how often by magnitude; and so is how a run failed.
std::vector<u32> features_of(const RunReport& report) {
  std::vector<u32> features = report.features;
  const auto add = [&features](const base::D128& hash) {
    features.push_back(static_cast<u32>(hash.out().high >> (64 - kFeatureBits)));
  };
  if (report.finding && is_failure(report.verdict)) {
    base::D128 hash;
    hash.fold_bytes(base::bytes_of("cluster " + cluster_id(*report.finding)));
    add(hash);
  }
  for (const Hit& hit : report.hits) {
    if (hit.count == 0) continue;
    base::D128 hash;
    hash.fold_bytes(base::bytes_of(hit.form + " " + hit.name));
    hash.fold(static_cast<u64>(std::bit_width(hit.count)));
    if (hit.form == "watermark") hash.fold(static_cast<u64>(std::bit_width(static_cast<u64>(hit.high))));
    add(hash);
  }
  std::sort(features.begin(), features.end());
  features.erase(std::unique(features.begin(), features.end()), features.end());
  return features;
}

}  // namespace

Guide::Guide(u64 seed, std::string folder) : dice_(seed), folder_(std::move(folder)) {}

std::vector<RunSetup> Guide::load() const {
  std::vector<RunSetup> setups;
  if (folder_.empty()) return setups;
  std::error_code error;
  std::set<fs::path> paths;  // in one order on every host
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    if (entry.path().extension() == kSuffix) paths.insert(entry.path());
  }
  for (const fs::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    Schedule schedule;
    if (!parse_schedule(text, schedule).empty() || !schedule.seed) continue;
    setups.push_back({.seed = *schedule.seed, .overrides = text});
  }
  return setups;
}

void Guide::save(const CorpusEntry& entry) const {
  if (folder_.empty()) return;
  const std::string text =
      entry.setup.overrides.empty() ? head(entry.setup.seed, entry.setup.sched) : entry.setup.overrides;
  const base::Digest digest = base::digest_of(base::bytes_of(text));
  std::error_code error;
  fs::create_directories(folder_, error);
  std::ofstream(fs::path(folder_) / (std::to_string(entry.setup.seed) + "-" + text_of(digest).substr(0, 8) + kSuffix),
                std::ios::binary)
      << text;
}

u64 Guide::rarity(const CorpusEntry& entry) const {
  u64 least = ~u64{0};
  for (const u32 feature : entry.fresh) {
    const auto found = features_.find(feature);
    if (found != features_.end()) least = std::min(least, found->second.all);
  }
  return least;
}

/// The rarest of a few: rare ones come often, and none is out of reach.
const CorpusEntry& Guide::pick() {
  const CorpusEntry* best = &corpus_[dice_.below(corpus_.size())];
  for (u32 i = 1; i < kLooks; ++i) {
    const CorpusEntry& other = corpus_[dice_.below(corpus_.size())];
    if (rarity(other) < rarity(*best)) best = &other;
  }
  return *best;
}

u64 Guide::learn(const Done& done, bool is_uniform) {
  CorpusEntry entry;
  for (const u32 feature : features_of(done.report)) {
    const auto [at, is_new] = features_.try_emplace(feature, FeatureCount{.first_seed = done.job.setup.seed});
    at->second.all += 1;
    at->second.uniform += is_uniform ? 1 : 0;
    changed_.insert(feature);
    if (is_new) entry.fresh.push_back(feature);
  }
  if (entry.fresh.empty()) return 0;
  entry.setup = done.job.setup;
  entry.choices = done.report.choices;
  entry.fired = done.report.fired;
  save(entry);
  const u64 fresh = entry.fresh.size();
  if (corpus_.size() < kCorpusMax) {
    corpus_.push_back(std::move(entry));
  } else {
    const auto commonest =
        std::max_element(corpus_.begin(), corpus_.end(),
                         [this](const auto& left, const auto& right) { return rarity(left) < rarity(right); });
    *commonest = std::move(entry);
  }
  return fresh;
}

Strategy Guide::any_strategy() {
  constexpr Strategy kAny[] = {Strategy::Random, Strategy::Sticky, Strategy::Perturb, Strategy::Starve};
  return kAny[dice_.below(std::size(kAny))];
}

/// At most kOverrideLinesMax choices, each point once, and `more` behind them.
std::string Guide::lines_of(std::vector<ForcedChoice> choices, const std::string& more) const {
  std::set<std::tuple<ChoiceKind, std::string, u64>> points;
  std::string text;
  u64 lines = 0;
  for (const ForcedChoice& choice : choices) {
    if (lines == kOverrideLinesMax) break;
    if (!points.insert({choice.kind, choice.actor, choice.ordinal}).second) continue;
    text += text_of(choice) + "\n";
    lines += 1;
  }
  return text + more;
}

bool Guide::propose(RunSetup& setup, std::string& arm) {
  if (corpus_.empty()) return false;
  for (u32 i = 0; i < kTries; ++i) {
    const RunSetup made = mutate(arm);
    if (!proposed_.insert({made.seed, text_of(base::digest_of(base::bytes_of(made.overrides)))}).second) continue;
    setup.seed = made.seed;
    setup.sched.clear();
    setup.overrides = made.overrides;
    return true;
  }
  return false;
}

RunSetup Guide::mutate(std::string& arm) {
  const CorpusEntry& entry = pick();
  enum Mutation : u64 { Branch, Splice, Drop, Delay, Reseed, Strategies, Fault, kMutations };
  u64 mutation = dice_.below(kMutations);
  if (mutation == Fault && entry.fired.empty()) mutation = Branch;
  if (entry.choices.empty() && (mutation == Splice || mutation == Drop || mutation == Delay || mutation == Reseed)) {
    mutation = Strategies;
  }
  std::vector<ForcedChoice> choices = entry.choices;
  u64 seed = entry.setup.seed;
  std::string sched = "fair";
  std::string more;
  switch (mutation) {
    case Branch: {  // the same up to a point, then something else
      arm = "branch";
      choices.resize(dice_.below(std::min<u64>(choices.size(), kOverrideLinesMax) + 1));
      if (choices.empty()) {
        sched = name_of(any_strategy());
      } else {
        more = "then " + std::string(name_of(any_strategy())) + "\n";
      }
      break;
    }
    case Splice: {  // some of one and some of another
      arm = "splice";
      const CorpusEntry& other = pick();
      std::erase_if(choices, [this](const ForcedChoice&) { return dice_.chance(1, 2); });
      for (const ForcedChoice& choice : other.choices) {
        if (dice_.chance(1, 2)) choices.push_back(choice);
      }
      break;
    }
    case Drop:
      arm = "drop";
      std::erase_if(choices, [this](const ForcedChoice&) { return dice_.chance(1, 4); });
      break;
    case Delay: {  // one thread is late where it was not, or later
      arm = "delay";
      const ForcedChoice near = choices[dice_.below(choices.size())];
      const u64 length = u64{10'000} << dice_.below(kDelayNsSteps);
      for (ForcedChoice choice : entry.choices) {
        if (choice.kind != ChoiceKind::Delay || choice.actor != near.actor) continue;
        choice.ordinal += dice_.below(kOpportunityShift);
        choice.answer = std::min<u64>(length, kDelayNsMax);
        choices.insert(choices.begin(), choice);
        break;
      }
      break;
    }
    case Reseed:  // the same schedule, other draws
      arm = "reseed";
      seed = dice_.next() >> 1;
      break;
    case Strategies:
      arm = "strategy";
      choices.clear();
      sched = name_of(any_strategy());
      break;
    case Fault: {  // one fault comes earlier or later, or not at all
      arm = "fault";
      const FiredFault& fired = entry.fired[dice_.below(entry.fired.size())];
      const std::string what = "fault " + fired.fault_class + " " + fired.target + " @";
      more = what + std::to_string(fired.opportunity) + " spare\n";
      const u64 moved = fired.opportunity + 1 + dice_.below(kOpportunityShift);
      if (dice_.chance(3, 4)) {
        more += what + std::to_string(moved) + " fire" + (fired.arguments.empty() ? "" : " " + fired.arguments) + "\n";
      }
      break;
    }
    default: break;
  }
  return {.seed = seed, .overrides = head(seed, sched) + lines_of(std::move(choices), more)};
}

}  // namespace sim::host::campaign
