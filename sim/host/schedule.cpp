// sim/host/schedule.cpp — see schedule.h.
#include "sim/host/schedule.h"

#include <algorithm>
#include <tuple>

#include "base/parse.h"

namespace sim::host {
namespace {

constexpr std::string_view kHead = "orrery-overrides 1";
constexpr u64 kQuantumMin = 1000;
constexpr u64 kStepsMax = u64{1} << 40;
constexpr u64 kDenominatorMax = 1'000'000;

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const auto start = line.find_first_not_of(" \t\r");
    if (start == std::string_view::npos) return words;
    const auto end = std::min(line.find_first_of(" \t\r", start), line.size());
    words.push_back(line.substr(start, end - start));
    line.remove_prefix(end);
  }
}

// ── Knobs ────────────────────────────────────────────────────────────────────────────────────────────────────

enum class KnobType : u8 { Number, Time, Ratio };
struct Knob {
  Strategy strategy;
  std::string_view name;
  KnobType type;
  u64 least;
  u64 most;
  u64 StrategyConfig::*number = nullptr;
  u32 StrategyConfig::*small = nullptr;
  base::Ratio StrategyConfig::*ratio = nullptr;
};
constexpr auto kTime = KnobType::Time;
constexpr auto kNumber = KnobType::Number;
constexpr auto kRatio = KnobType::Ratio;
using Config = StrategyConfig;

const Knob kKnobs[] = {
    {Strategy::Fair, "quantum", kTime, kQuantumMin, kCutNsMax, &Config::quantum_ns},
    {Strategy::Random, "cut", kRatio, 0, kDenominatorMax, nullptr, nullptr, &Config::cut},
    {Strategy::Random, "delay", kRatio, 0, kDenominatorMax, nullptr, nullptr, &Config::delay},
    {Strategy::Random, "irq", kTime, 0, kIrqLatencyNsMax, &Config::irq_latency_ns_max},
    {Strategy::Sticky, "stay", kRatio, 0, kDenominatorMax, nullptr, nullptr, &Config::stay},
    {Strategy::Pct, "depth", kNumber, 1, kDepthMax, nullptr, &Config::depth},
    {Strategy::Pct, "steps", kNumber, 1, kStepsMax, &Config::steps},
    {Strategy::Perturb, "ratio", kRatio, 0, kDenominatorMax, nullptr, nullptr, &Config::ratio},
    {Strategy::Few, "delays", kNumber, 1, kDelaysMax, nullptr, &Config::delays},
    {Strategy::Few, "steps", kNumber, 1, kStepsMax, &Config::steps},
    {Strategy::Starve, "windows", kNumber, 0, kWindowBitsMax, nullptr, &Config::windows},
};

std::string range_of(const Knob& knob) {
  switch (knob.type) {
    case KnobType::Time:
      return "a time from " + std::to_string(knob.least) + "ns to " + std::to_string(knob.most) + "ns";
    case KnobType::Ratio: return "a ratio A/B from 0/1 to 1/1, B at most " + std::to_string(knob.most);
    case KnobType::Number: break;
  }
  return std::to_string(knob.least) + " to " + std::to_string(knob.most);
}

bool set_ratio(std::string_view text, base::Ratio& out, u64 most) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const auto numerator = base::parse_u64(text.substr(0, slash));
  const auto denominator = base::parse_u64(text.substr(slash + 1));
  if (!numerator.ok() || !denominator.ok() || *denominator < 1 || *denominator > most || *numerator > *denominator) {
    return false;
  }
  out = {static_cast<u32>(*numerator), static_cast<u32>(*denominator)};
  return true;
}

bool set_knob(const Knob& knob, std::string_view text, StrategyConfig& out) {
  if (knob.type == KnobType::Ratio) return set_ratio(text, out.*knob.ratio, knob.most);
  const auto value = knob.type == KnobType::Time ? base::parse_duration_ns(text) : base::parse_u64(text);
  if (!value.ok() || *value < knob.least || *value > knob.most) return false;
  if (knob.number != nullptr) {
    out.*knob.number = *value;
  } else {
    out.*knob.small = static_cast<u32>(*value);
  }
  return true;
}

std::string text_of_knob(const Knob& knob, const StrategyConfig& config) {
  if (knob.type == KnobType::Ratio) {
    const base::Ratio ratio = config.*knob.ratio;
    return std::to_string(ratio.numerator) + "/" + std::to_string(ratio.denominator);
  }
  const u64 value = knob.number != nullptr ? config.*knob.number : config.*knob.small;
  return std::to_string(value) + (knob.type == KnobType::Time ? "ns" : "");
}

std::optional<Strategy> strategy_named(std::string_view name) {
  for (u32 i = 0; i < kStrategies; ++i) {
    if (name_of(static_cast<Strategy>(i)) == name) return static_cast<Strategy>(i);
  }
  return {};
}

/// The weights of mix are its knobs, by the name of the strategy.
std::string set_weight(std::string_view name, std::string_view text, StrategyConfig& out) {
  const auto strategy = strategy_named(name);
  if (!strategy || *strategy == Strategy::Mix) return "mix has no strategy " + quoted(name);
  const auto value = base::parse_u64(text);
  if (!value.ok() || *value > 100) return std::string(name) + "=" + std::string(text) + ": allowed is 0 to 100";
  out.weights[static_cast<u32>(*strategy)] = static_cast<u8>(*value);
  return {};
}

}  // namespace

std::string parse_strategy(std::string_view text, StrategyConfig& out) {
  const auto colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const auto strategy = strategy_named(name);
  if (!strategy) {
    std::string all;
    for (u32 i = 0; i < kStrategies; ++i) all += (i == 0 ? "" : ", ") + std::string(name_of(static_cast<Strategy>(i)));
    return "there is no strategy " + quoted(name) + "; there are " + all;
  }
  out = StrategyConfig{};
  out.strategy = *strategy;
  if (colon == std::string_view::npos) return {};
  std::string_view rest = text.substr(colon + 1);
  do {
    const auto comma = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const auto equal = item.find('=');
    if (equal == std::string_view::npos) return quoted(item) + ": a knob is written name=value";
    const std::string_view knob_name = item.substr(0, equal);
    const std::string_view value = item.substr(equal + 1);
    if (*strategy == Strategy::Mix) {
      if (std::string wrong = set_weight(knob_name, value, out); !wrong.empty()) return wrong;
      continue;
    }
    const auto knob = std::find_if(std::begin(kKnobs), std::end(kKnobs),
                                   [&](const Knob& k) { return k.strategy == *strategy && k.name == knob_name; });
    if (knob == std::end(kKnobs)) {
      std::string all;
      for (const Knob& known : kKnobs) {
        if (known.strategy == *strategy) all += (all.empty() ? "" : ", ") + std::string(known.name);
      }
      return std::string(name) + " has no knob " + quoted(knob_name) + (all.empty() ? "" : "; it has " + all);
    }
    if (!set_knob(*knob, value, out)) return std::string(item) + ": allowed is " + range_of(*knob);
  } while (!rest.empty());
  if (*strategy == Strategy::Mix &&
      std::all_of(std::begin(out.weights), std::end(out.weights), [](u8 weight) { return weight == 0; })) {
    return "mix: one weight must be more than 0";
  }
  return {};
}

std::string text_of(const StrategyConfig& config) {
  std::string text(name_of(config.strategy));
  const StrategyConfig usual;
  char separator = ':';
  const auto add = [&](std::string_view name, const std::string& value) {
    text += separator + std::string(name) + "=" + value;
    separator = ',';
  };
  for (const Knob& knob : kKnobs) {
    if (knob.strategy != config.strategy) continue;
    const std::string value = text_of_knob(knob, config);
    if (value != text_of_knob(knob, usual)) add(knob.name, value);
  }
  if (config.strategy != Strategy::Mix) return text;
  for (u32 i = 0; i < kStrategies; ++i) {
    if (config.weights[i] != usual.weights[i]) {
      add(name_of(static_cast<Strategy>(i)), std::to_string(config.weights[i]));
    }
  }
  return text;
}

// ── Lines ────────────────────────────────────────────────────────────────────────────────────────────────────

std::string parse_choice(std::string_view line, Schedule& schedule) {
  const auto words = words_of(line.substr(0, line.find('#')));
  if (words.empty()) return {};
  if (words[0] == "then") {
    if (words.size() != 2) return "`then` is followed by one strategy";
    if (schedule.then) return "`then` is there twice";
    StrategyConfig config;
    if (std::string wrong = parse_strategy(words[1], config); !wrong.empty()) return wrong;
    schedule.then = config;
    return {};
  }
  const std::string_view rest = line.substr(0, line.find('#')).substr(line.find(words[0]) + words[0].size());
  if (words[0] == "arm") return parse_rule(rest, schedule.faults);
  if (words[0] == "blind") {
    schedule.blind = true;
    return words.size() == 1 ? std::string() : "nothing stands behind `blind`";
  }
  if (words[0] == "budget") return parse_budget(rest, schedule.faults);
  if (words[0] == "fault") return parse_forced(rest, schedule.faults);
  ForcedChoice choice;
  u32 kind = 0;
  while (kind < kChoiceKinds && name_of(static_cast<ChoiceKind>(kind)) != words[0]) ++kind;
  if (kind == kChoiceKinds) {
    return "there is no choice " + quoted(words[0]) +
           "; there are tie, pick, pull, cut, delay, irq, order, then, blind, arm, budget and fault";
  }
  choice.kind = static_cast<ChoiceKind>(kind);
  if (words.size() != 4) return std::string(words[0]) + " is followed by an actor, @ordinal and an answer";
  choice.actor = words[1];
  if (choice.actor.size() >= kActorTextMax) return "an actor has less than " + std::to_string(kActorTextMax) + " bytes";
  if (words[2][0] != '@') return quoted(words[2]) + ": an ordinal is written @118";
  const auto ordinal = base::parse_u64(words[2].substr(1));
  if (!ordinal.ok()) return quoted(words[2]) + ": an ordinal is written @118";
  choice.ordinal = *ordinal;
  const bool is_time =
      choice.kind == ChoiceKind::Cut || choice.kind == ChoiceKind::Delay || choice.kind == ChoiceKind::Irq;
  const u64 most = choice.kind == ChoiceKind::Cut     ? kCutNsMax
                   : choice.kind == ChoiceKind::Delay ? kDelayNsMax
                   : choice.kind == ChoiceKind::Irq   ? kIrqLatencyNsMax
                                                      : ~u32{0};
  const auto answer = is_time ? base::parse_duration_ns(words[3]) : base::parse_u64(words[3]);
  if (!answer.ok() || *answer > most) {
    return quoted(words[3]) + ": allowed is " + (is_time ? "a time up to " : "a number up to ") + std::to_string(most) +
           (is_time ? "ns" : "");
  }
  choice.answer = *answer;
  if (schedule.forced.size() == kForcedMax) return "more than " + std::to_string(kForcedMax) + " choices";
  schedule.forced.push_back(std::move(choice));
  return {};
}

std::string parse_schedule(std::string_view file, Schedule& schedule) {
  if (file.empty()) return "it is empty";
  schedule.on = true;
  for (u64 number = 1; !file.empty(); ++number) {
    const auto end = std::min(file.find('\n'), file.size());
    const std::string_view line = file.substr(0, end);
    file.remove_prefix(std::min(end + 1, file.size()));
    const auto refuse = [number](const std::string& what) { return "line " + std::to_string(number) + ": " + what; };
    if (number > 1) {
      if (std::string wrong = parse_choice(line, schedule); !wrong.empty()) return refuse(wrong);
      continue;
    }
    if (!line.starts_with(kHead) || (line.size() > kHead.size() && line[kHead.size()] != ' ')) {
      return refuse("it does not begin with " + quoted(kHead));
    }
    for (const std::string_view word : words_of(line.substr(kHead.size()))) {
      const auto equal = std::min(word.find('='), word.size());
      const std::string_view name = word.substr(0, equal);
      const std::string_view value = word.substr(std::min(equal + 1, word.size()));
      if (name == "plan") {
        schedule.plan = value;
      } else if (name == "seed") {
        const auto seed = base::parse_u64(value, base::kRadixAuto);
        if (!seed.ok()) return refuse(quoted(word) + ": not a number");
        schedule.seed = *seed;
      } else if (name == "sched") {
        if (std::string wrong = parse_strategy(value, schedule.first); !wrong.empty()) return refuse(wrong);
      } else {
        return refuse(quoted(word) + ": plan, seed and sched can stand here");
      }
    }
  }
  return {};
}

std::string find_doubled(const Schedule& schedule) {
  const auto key = [](const ForcedChoice* choice) { return std::tie(choice->kind, choice->actor, choice->ordinal); };
  std::vector<const ForcedChoice*> sorted;
  for (const ForcedChoice& choice : schedule.forced) sorted.push_back(&choice);
  std::sort(sorted.begin(), sorted.end(), [&](auto left, auto right) { return key(left) < key(right); });
  const auto twice =
      std::adjacent_find(sorted.begin(), sorted.end(), [&](auto left, auto right) { return key(left) == key(right); });
  return twice == sorted.end() ? find_doubled(schedule.faults) : "set twice: " + text_of(**twice);
}

std::string text_of(const ForcedChoice& choice) {
  const bool is_time =
      choice.kind == ChoiceKind::Cut || choice.kind == ChoiceKind::Delay || choice.kind == ChoiceKind::Irq;
  return std::string(name_of(choice.kind)) + " " + choice.actor + " @" + std::to_string(choice.ordinal) + " " +
         std::to_string(choice.answer) + (is_time ? "ns" : "");
}

std::string text_of(const Schedule& schedule) {
  std::string text(kHead);
  if (!schedule.plan.empty()) text += " plan=" + schedule.plan;
  if (schedule.seed) text += " seed=" + std::to_string(*schedule.seed);
  text += " sched=" + text_of(schedule.first) + "\n";
  if (schedule.blind) text += "blind\n";
  for (const ForcedChoice& choice : schedule.forced) text += text_of(choice) + "\n";
  text += text_of(schedule.faults);
  if (schedule.then) text += "then " + text_of(*schedule.then) + "\n";
  return text;
}

}  // namespace sim::host
