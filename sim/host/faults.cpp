// sim/host/faults.cpp — see faults.h.
#include "sim/host/faults.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/glob.h"
#include "base/parse.h"
#include "base/points.h"
#include "base/ustar.h"
#include "sim/model/faults/swarm.h"

namespace sim::host {
namespace {

constexpr u32 kIntensityUsual = 2;
constexpr u32 kDenominatorMax = 1'000'000'000;
constexpr u64 kForcedFaultsMax = 1'000'000;
/// Programs that keep what nobody else has: a file of a ram disk, a line typed ahead, what is in a pipe.
constexpr std::string_view kOnlyCopies[] = {"ramfs", "console", "pipe"};

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> words;
  while (true) {
    const auto start = text.find_first_not_of(separators);
    if (start == std::string_view::npos) return words;
    const auto end = std::min(text.find_first_of(separators, start), text.size());
    words.push_back(text.substr(start, end - start));
    text.remove_prefix(end);
  }
}

std::string unit_text(KnobUnit unit, u64 value) { return std::to_string(value) + (unit == KnobUnit::Time ? "ns" : ""); }

base::Result<u64, base::ParseError> parse_value(KnobUnit unit, std::string_view text) {
  switch (unit) {
    case KnobUnit::Time: return base::parse_duration_ns(text);
    case KnobUnit::Bytes: return base::parse_size(text);
    case KnobUnit::Count: break;
  }
  return base::parse_u64(text);
}

std::string allowed(const FaultKnob& knob) {
  return ": allowed is " + unit_text(knob.unit, knob.least) + " to " + unit_text(knob.unit, knob.most);
}

const FaultKnob* knob_named(FaultClass fault, std::string_view name, u32& index) {
  const FaultInfo& info = info_of(fault);
  for (index = 0; index < kFaultKnobs; ++index) {
    if (!info.knobs[index].name.empty() && info.knobs[index].name == name) return &info.knobs[index];
  }
  return nullptr;
}

std::string knob_names(FaultClass fault) {
  std::string all;
  for (const FaultKnob& knob : info_of(fault).knobs) {
    if (!knob.name.empty()) all += ", " + std::string(knob.name);
  }
  return all;
}

std::vector<FaultClass> classes_like(std::string_view pattern) {
  std::vector<FaultClass> found;
  for (u32 i = 0; i < kFaultClasses; ++i) {
    if (base::glob_matches(pattern, name_of(static_cast<FaultClass>(i)))) found.push_back(static_cast<FaultClass>(i));
  }
  return found;
}

std::string no_class(std::string_view name) {
  std::string near;
  const std::string_view layer = name.substr(0, name.find('.'));
  for (u32 i = 0; i < kFaultClasses; ++i) {
    const std::string_view known = name_of(static_cast<FaultClass>(i));
    if (known.substr(0, known.find('.')) == layer) near += (near.empty() ? "; there are " : ", ") + std::string(known);
  }
  return "there is no fault class " + quoted(name) + (near.empty() ? "; `orrery faults` lists them" : near);
}

/// One `name=value` of a rule.
std::string set_knob(std::string_view name, std::string_view value, ArmedFault& armed) {
  FaultRule& rule = armed.rule;
  const bool is_timed = info_of(rule.fault).coin == Coin::Minute;
  const std::string text = std::string(name) + "=" + std::string(value);
  const auto count = [&](u64 most) -> std::optional<u64> {
    const auto number = base::parse_u64(value);
    return number.ok() && *number <= most ? std::optional<u64>(*number) : std::nullopt;
  };
  const auto time = [&]() -> std::optional<u64> {
    const auto found = base::parse_duration_ns(value);
    return found.ok() ? std::optional<u64>(*found) : std::nullopt;
  };
  if (name == "target") {
    if (value.empty() || value.size() >= 64)
      return text + ": allowed is a pattern of 1 to 63 bytes, as in 1/dev or */core0";
    armed.target = value;
    rule.any_process = value != "*";
    return {};
  }
  if (name == "intensity") {
    const auto level = count(kIntensityMax);
    if (!level) return text + ": allowed is 0 to 4";
    const FaultRule usual = rule_of(rule.fault, static_cast<u32>(*level));
    rule.ratio = usual.ratio;
    rule.per_minute = usual.per_minute;
    return {};
  }
  if (name == "at-most") {
    const auto most = count(kAlways - 1);
    if (!most) return text + ": allowed is a number";
    rule.at_most = static_cast<u32>(*most);
    return {};
  }
  if (name == "from" || name == "to") {
    const auto at = time();
    if (!at) return text + ": allowed is a virtual time, as in 10s";
    (name == "from" ? rule.from : rule.to) = *at;
    return {};
  }
  if (name == "ratio" && !is_timed) {
    const auto slash = value.find('/');
    const auto numerator = base::parse_u64(value.substr(0, slash));
    const auto denominator = base::parse_u64(slash == std::string_view::npos ? "" : value.substr(slash + 1));
    if (!numerator.ok() || !denominator.ok() || *denominator < 1 || *denominator > kDenominatorMax ||
        *numerator > *denominator) {
      return text + ": allowed is a ratio A/B from 0/1 to 1/1, B at most " + std::to_string(kDenominatorMax);
    }
    rule.ratio = {static_cast<u32>(*numerator), static_cast<u32>(*denominator)};
    return {};
  }
  if (name == "per-minute" && is_timed) {
    const auto rate = count(kPerMinuteMax);
    if (!rate) return text + ": allowed is 0 to " + std::to_string(kPerMinuteMax);
    rule.per_minute = static_cast<u32>(*rate);
    return {};
  }
  u32 index = 0;
  const FaultKnob* knob = knob_named(rule.fault, name, index);
  if (knob == nullptr) {
    return std::string(name_of(rule.fault)) + " has no knob " + quoted(name) + "; it has target, intensity, " +
           (is_timed ? "per-minute" : "ratio") + ", from, to, at-most" + knob_names(rule.fault);
  }
  const auto dots = value.find("..");
  const auto low = parse_value(knob->unit, value.substr(0, dots));
  const auto high = dots == std::string_view::npos ? low : parse_value(knob->unit, value.substr(dots + 2));
  if (!low.ok() || !high.ok() || *low < knob->least || *high > knob->most || *low > *high) {
    return text + allowed(*knob) + ", or a range of them";
  }
  rule.low[index] = *low;
  rule.high[index] = *high;
  return {};
}

}  // namespace

std::string parse_rule(std::string_view text, FaultSetup& setup) {
  const auto words = split(text, " \t\r");
  if (words.empty()) return "a fault class is needed, as in cpu.steal or net.*";
  const auto colon = words[0].find(':');
  const std::string_view name = words[0].substr(0, colon);
  const auto classes = classes_like(name);
  if (classes.empty()) return no_class(name);
  std::vector<std::string_view> settings;
  if (colon != std::string_view::npos) settings = split(words[0].substr(colon + 1), ",");
  settings.insert(settings.end(), words.begin() + 1, words.end());
  if (setup.rules.size() + classes.size() > kFaultRulesMax)
    return "more than " + std::to_string(kFaultRulesMax) + " rules";
  for (const FaultClass fault : classes) {
    ArmedFault armed{.rule = rule_of(fault, kIntensityUsual)};
    for (const std::string_view setting : settings) {
      const auto equal = setting.find('=');
      if (equal == std::string_view::npos) return quoted(setting) + ": a knob is written name=value";
      const std::string wrong = set_knob(setting.substr(0, equal), setting.substr(equal + 1), armed);
      if (!wrong.empty()) return wrong;
    }
    if (armed.rule.from > armed.rule.to) return "from is later than to";
    setup.rules.push_back(std::move(armed));
  }
  return {};
}

std::string parse_budget(std::string_view text, FaultSetup& setup) {
  for (const std::string_view word : split(text, " \t\r")) {
    const auto equal = std::min(word.find('='), word.size());
    const std::string_view name = word.substr(0, equal);
    const std::string_view value = word.substr(std::min(equal + 1, word.size()));
    if (name == "clock-error") {
      const auto time = base::parse_duration_ns(value);
      if (!time.ok()) return quoted(word) + ": allowed is a time";
      setup.budget.clock_error_ns = *time;
      continue;
    }
    const auto number = base::parse_u64(value);
    if (name != "nodes-down" && name != "copies-lost") {
      return quoted(word) + ": nodes-down, copies-lost and clock-error can stand here";
    }
    if (!number.ok() || *number > 1'000'000) return quoted(word) + ": allowed is 0 to 1000000";
    (name == "nodes-down" ? setup.budget.nodes_down : setup.budget.copies_lost) = static_cast<u32>(*number);
  }
  return {};
}

std::string parse_forced(std::string_view text, FaultSetup& setup) {
  const auto words = split(text, " \t\r");
  if (words.size() < 4) return "fault is followed by a class, a target, @ordinal, and spare or fire";
  const auto fault = fault_named(words[0]);
  if (!fault) return no_class(words[0]);
  ForcedFault forced;
  forced.entry.fault = *fault;
  forced.target = words[1];
  const auto ordinal = words[2][0] == '@' ? base::parse_u64(words[2].substr(1)) : base::parse_u64("");
  if (!ordinal.ok()) return quoted(words[2]) + ": an ordinal is written @118";
  forced.entry.opportunity = *ordinal;
  if (words[3] != "spare" && words[3] != "fire") return quoted(words[3]) + ": allowed is spare or fire";
  forced.entry.fires = words[3] == "fire";
  if (!forced.entry.fires && words.size() > 4) return "spare stands alone";
  for (u32 i = 4; i < words.size(); ++i) {
    const auto equal = std::min(words[i].find('='), words[i].size());
    u32 index = 0;
    const FaultKnob* knob = knob_named(*fault, words[i].substr(0, equal), index);
    if (knob == nullptr) {
      const std::string names = knob_names(*fault);
      return std::string(words[0]) + " has no knob " + quoted(words[i].substr(0, equal)) +
             (names.empty() ? "" : "; it has " + names.substr(2));
    }
    const auto value = parse_value(knob->unit, words[i].substr(std::min(equal + 1, words[i].size())));
    if (!value.ok() || *value < knob->least || *value > knob->most) return std::string(words[i]) + allowed(*knob);
    forced.entry.set |= static_cast<u8>(1u << index);
    forced.entry.values[index] = *value;
  }
  if (setup.forced.size() == kForcedFaultsMax) return "more than " + std::to_string(kForcedFaultsMax) + " faults";
  setup.forced.push_back(std::move(forced));
  return {};
}

void spare(FaultClass fault, const std::string& target, u64 opportunity, FaultSetup& setup) {
  std::erase_if(setup.forced, [&](const ForcedFault& forced) {
    return forced.entry.fault == fault && forced.target == target && forced.entry.opportunity == opportunity;
  });
  setup.forced.push_back({.entry = {.fault = fault, .opportunity = opportunity}, .target = target});
}

// ── Swarm ────────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

FaultSet classes_of(const std::vector<std::string>& patterns) {
  FaultSet classes = 0;
  for (const std::string& pattern : patterns) {
    for (const FaultClass fault : classes_like(pattern)) classes |= set_of(fault);
  }
  return classes;
}

}  // namespace

std::string add_swarm(u64 seed, const std::vector<std::string>& allow, const std::vector<std::string>& forbid,
                      FaultSetup& setup) {
  for (const auto* patterns : {&allow, &forbid}) {
    for (const std::string& pattern : *patterns) {
      if (classes_like(pattern).empty()) return no_class(pattern);
    }
  }
  const Swarm swarm = draw_swarm(seed, classes_of(allow) & ~classes_of(forbid));
  for (u32 i = 0; i < kFaultClasses; ++i) {
    if (swarm.intensity[i] != 0) setup.rules.push_back({rule_of(static_cast<FaultClass>(i), swarm.intensity[i]), "*"});
  }
  return {};
}

std::string text_of_swarm(u64 seed, const std::vector<std::string>& allow, const std::vector<std::string>& forbid) {
  const FaultSet allowed = classes_of(allow) & ~classes_of(forbid);
  const Swarm swarm = draw_swarm(seed, allowed);
  std::string text;
  for (u32 i = 0; i < kFaultClasses; ++i) {
    if (!has(allowed, static_cast<FaultClass>(i))) continue;
    const u32 intensity = swarm.intensity[i];
    text += (text.empty() ? "" : " ") + std::string(name_of(static_cast<FaultClass>(i))) + "=" +
            (intensity == 0 ? "off" : std::to_string(intensity));
  }
  return text;
}

std::string text_of_drawn(const FaultSetup& setup, u64 armed_points) {
  if (setup.rules.empty()) return {};
  std::string text;
  for (u32 i = 0; i < kFaultClasses; ++i) {
    const FaultClass fault = static_cast<FaultClass>(i);
    std::string how = "off";
    for (const ArmedFault& armed : setup.rules) {
      const FaultRule& rule = armed.rule;
      const bool is_timed = info_of(fault).coin == Coin::Minute;
      if (rule.fault != fault || rule.at_most == 0 || (is_timed ? rule.per_minute : rule.ratio.numerator) == 0)
        continue;
      how = is_timed ? std::to_string(rule.per_minute) + "/min"
                     : std::to_string(rule.ratio.numerator) + "/" + std::to_string(rule.ratio.denominator);
      break;
    }
    text += " " + std::string(name_of(fault)) + "=" + how;
  }
  for (u32 i = 0; i < base::kPointCount; ++i) {
    text += " " + std::string(base::kPoints[i].name) + "=" + ((armed_points >> i & 1) != 0 ? "armed" : "off");
  }
  return text;
}

// ── Back to text ─────────────────────────────────────────────────────────────────────────────────────────────

std::string text_of(const ArmedFault& armed) {
  const FaultRule& rule = armed.rule;
  const FaultInfo& info = info_of(rule.fault);
  std::string text(info.name);
  if (armed.target != "*") text += " target=" + armed.target;
  if (info.coin == Coin::Minute) {
    text += " per-minute=" + std::to_string(rule.per_minute);
  } else {
    text += " ratio=" + std::to_string(rule.ratio.numerator) + "/" + std::to_string(rule.ratio.denominator);
  }
  if (rule.from != 0) text += " from=" + std::to_string(rule.from) + "ns";
  if (rule.to != ~u64{0}) text += " to=" + std::to_string(rule.to) + "ns";
  if (rule.at_most != kAlways) text += " at-most=" + std::to_string(rule.at_most);
  for (u32 i = 0; i < kFaultKnobs; ++i) {
    const FaultKnob& knob = info.knobs[i];
    if (knob.name.empty() || (rule.low[i] == knob.low && rule.high[i] == knob.high)) continue;
    text += " " + std::string(knob.name) + "=" + unit_text(knob.unit, rule.low[i]);
    if (rule.low[i] != rule.high[i]) text += ".." + unit_text(knob.unit, rule.high[i]);
  }
  return text;
}

std::string text_of_values(FaultClass fault, const u64 (&values)[kFaultKnobs]) {
  std::string text;
  for (u32 i = 0; i < kFaultKnobs; ++i) {
    const FaultKnob& knob = info_of(fault).knobs[i];
    if (!knob.name.empty()) {
      text += (text.empty() ? "" : " ") + std::string(knob.name) + "=" + unit_text(knob.unit, values[i]);
    }
  }
  return text;
}

std::string text_of(const ForcedFault& forced) {
  const FaultOverride& entry = forced.entry;
  std::string text = std::string(name_of(entry.fault)) + " " + forced.target + " @" +
                     std::to_string(entry.opportunity) + (entry.fires ? " fire" : " spare");
  for (u32 i = 0; i < kFaultKnobs; ++i) {
    if ((entry.set >> i & 1) == 0) continue;
    const FaultKnob& knob = info_of(entry.fault).knobs[i];
    text += " " + std::string(knob.name) + "=" + unit_text(knob.unit, entry.values[i]);
  }
  return text;
}

std::string text_of(const FaultSetup& setup) {
  std::string text;
  const FaultBudget usual;
  const FaultBudget& budget = setup.budget;
  std::string limits;
  if (budget.nodes_down != usual.nodes_down) limits += " nodes-down=" + std::to_string(budget.nodes_down);
  if (budget.copies_lost != usual.copies_lost) limits += " copies-lost=" + std::to_string(budget.copies_lost);
  if (budget.clock_error_ns != usual.clock_error_ns)
    limits += " clock-error=" + std::to_string(budget.clock_error_ns) + "ns";
  if (!limits.empty()) text += "budget" + limits + "\n";
  for (const ArmedFault& rule : setup.rules) text += "arm " + text_of(rule) + "\n";
  for (const ForcedFault& forced : setup.forced) text += "fault " + text_of(forced) + "\n";
  return text;
}

std::string find_doubled(const FaultSetup& setup) {
  const auto key = [](const ForcedFault* forced) {
    return std::tie(forced->entry.fault, forced->target, forced->entry.opportunity);
  };
  std::vector<const ForcedFault*> sorted;
  for (const ForcedFault& forced : setup.forced) sorted.push_back(&forced);
  std::sort(sorted.begin(), sorted.end(), [&](auto left, auto right) { return key(left) < key(right); });
  const auto twice =
      std::adjacent_find(sorted.begin(), sorted.end(), [&](auto left, auto right) { return key(left) == key(right); });
  return twice == sorted.end() ? std::string() : "set twice: fault " + text_of(**twice);
}

// ── Services ─────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

struct ServiceFacts {
  bool only_copy = false;
  bool is_probed = false;
};

void collect_services(std::string_view image, std::map<std::string, ServiceFacts>& services) {
  base::UstarReader reader(base::bytes_of(image));
  for (;;) {
    const auto next = reader.next();
    if (!next.ok() || !*next) break;
    const base::UstarEntry& entry = **next;
    const auto at = entry.name().find("boot/service/");
    if (entry.type != base::UstarType::Regular || at == std::string_view::npos || at > 1) continue;
    ServiceFacts facts;
    std::string program;
    for (const std::string_view line : split(base::text_of(entry.data), "\n")) {
      const auto words = split(line, " \t\r");
      if (words.size() == 2 && words[0] == "probe") facts.is_probed = words[1] != "none";
      if (words.size() >= 2 && words[0] == "program") program = words[1].substr(words[1].rfind('/') + 1);
    }
    if (program.empty()) continue;
    facts.only_copy = std::find(std::begin(kOnlyCopies), std::end(kOnlyCopies), program) != std::end(kOnlyCopies);
    // A thread may have either name; of several services with one program all have to be probed.
    const std::string service(entry.name().substr(entry.name().rfind('/') + 1));
    for (const std::string& name : {service, program}) {
      const auto [known, is_new] = services.try_emplace(name, facts);
      if (!is_new) known->second.is_probed = known->second.is_probed && facts.is_probed;
    }
  }
}

}  // namespace

ServiceNames services_of(const std::vector<std::string_view>& images) {
  std::map<std::string, ServiceFacts> services;
  for (const std::string_view image : images) collect_services(image, services);
  ServiceNames found;
  for (const auto& [name, facts] : services) found.names.push_back(name);
  for (const std::string& name : found.names) {
    const ServiceFacts& facts = services[name];
    found.services.push_back({.name = name, .only_copy = facts.only_copy, .is_probed = facts.is_probed});
  }
  return found;
}

}  // namespace sim::host
