// sim/host/cli/faults.cpp — `orrery faults`: the catalogue of what may go wrong.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <cstdio>

#include "base/glob.h"
#include "base/points.h"
#include "sim/host/cli/cli.h"

namespace sim::host::cli {
namespace {

std::string value_text(KnobUnit unit, u64 value) {
  if (unit == KnobUnit::Bytes) return std::to_string(value) + "B";
  if (unit == KnobUnit::Count) return std::to_string(value);
  constexpr struct {
    u64 ns;
    const char* name;
  } kUnits[] = {{1'000'000'000, "s"}, {1'000'000, "ms"}, {1'000, "us"}};
  for (const auto& known : kUnits) {
    if (value >= known.ns && value % known.ns == 0) return std::to_string(value / known.ns) + known.name;
  }
  return std::to_string(value) + "ns";
}

std::string range_text(const FaultKnob& knob) {
  return value_text(knob.unit, knob.low) + (knob.low == knob.high ? "" : ".." + value_text(knob.unit, knob.high));
}

std::string knobs_text(const FaultInfo& info) {
  std::string text;
  for (const FaultKnob& knob : info.knobs) {
    if (!knob.name.empty()) text += (text.empty() ? "" : " ") + std::string(knob.name) + "=" + range_text(knob);
  }
  return text.empty() ? "-" : text;
}

void print_class(const FaultInfo& info) {
  std::printf("%s\n  %s\n  owes    %s\n  strikes %s, %s\n  hook    %s\n", std::string(info.name).c_str(),
              std::string(info.about).c_str(), std::string(name_of(info.owes)).c_str(),
              std::string(name_of(info.target)).c_str(),
              info.coin == Coin::Minute ? "so many times a virtual minute" : "a ratio of its opportunities",
              std::string(info.hook).c_str());
  for (const FaultKnob& knob : info.knobs) {
    if (knob.name.empty()) continue;
    std::printf("  knob    %s=%s, allowed %s to %s\n", std::string(knob.name).c_str(), range_text(knob).c_str(),
                value_text(knob.unit, knob.least).c_str(), value_text(knob.unit, knob.most).c_str());
  }
}

void print_points(bool json) {
  std::string list;
  if (!json) std::printf("%-20s %-8s %s\n", "POINT", "FORM", "WHAT");
  for (const base::Point& point : base::kPoints) {
    const char* form = point.form == base::PointForm::Nudge ? "nudge" : "tunable";
    if (json) {
      list += (list.empty() ? "" : ",") + ("{\"about\":" + json_string(point.about)) + ",\"form\":\"" + form +
              "\",\"name\":" + json_string(point.name) + "}";
    } else {
      std::printf("%-20s %-8s %s\n", std::string(point.name).c_str(), form, std::string(point.about).c_str());
    }
  }
  if (json) std::printf("{\"points\":[%s],\"schema\":\"orrery.points/1\"}\n", list.c_str());
}

std::string json_of(const FaultInfo& info) {
  std::string knobs;
  for (const FaultKnob& knob : info.knobs) {
    if (knob.name.empty()) continue;
    knobs += (knobs.empty() ? "" : ",") + std::string("{\"high\":") + std::to_string(knob.high) +
             ",\"least\":" + std::to_string(knob.least) + ",\"low\":" + std::to_string(knob.low) +
             ",\"most\":" + std::to_string(knob.most) + ",\"name\":" + json_string(knob.name) + ",\"unit\":" +
             (knob.unit == KnobUnit::Time    ? "\"ns\""
              : knob.unit == KnobUnit::Bytes ? "\"bytes\""
                                             : "\"count\"") +
             "}";
  }
  return "{\"about\":" + json_string(info.about) +
         ",\"by\":" + (info.coin == Coin::Minute ? "\"minute\"" : "\"opportunity\"") +
         ",\"hook\":" + json_string(info.hook) + ",\"knobs\":[" + knobs + "],\"name\":" + json_string(info.name) +
         ",\"owes\":" + json_string(name_of(info.owes)) + ",\"target\":" + json_string(name_of(info.target)) + "}";
}

}  // namespace

const Verb kFaultsVerb = {"faults", "list the classes of faults a run can have",
                          "usage: orrery faults [--class PATTERN | --points] [--json]\n"
                          "  --class P   only these, with all there is to say: cpu.steal, or process.*\n"
                          "  --points    the points in code that code.nudge and code.tunable strike\n"
                          "  --json      one document on stdout, schema orrery.faults/1\n"
                          "example: orrery faults --class 'timer.*'\n"
                          "exit:    0   2 usage: no class is named so\n",
                          faults_verb};

int faults_verb(Context& context) {
  CLI::App app;
  std::string pattern = "*";
  bool json = false;
  bool points = false;
  app.add_option("--class", pattern);
  app.add_flag("--points", points);
  app.add_flag("--json", json);
  if (const int code = parse_flags(app, context, kFaultsVerb); code >= 0) return code;
  if (points) {
    print_points(json);
    return kHeld;
  }
  std::vector<const FaultInfo*> found;
  for (u32 i = 0; i < kFaultClasses; ++i) {
    const FaultInfo& info = info_of(static_cast<FaultClass>(i));
    if (base::glob_matches(pattern, info.name)) found.push_back(&info);
  }
  if (found.empty()) return usage_error(kFaultsVerb, "--class " + pattern + ": there is no such class");
  if (json) {
    std::string list;
    for (const FaultInfo* info : found) list += (list.empty() ? "" : ",") + json_of(*info);
    std::printf("{\"classes\":[%s],\"schema\":\"orrery.faults/1\"}\n", list.c_str());
    return kHeld;
  }
  if (pattern != "*") {
    for (const FaultInfo* info : found) print_class(*info);
    return kHeld;
  }
  std::printf("%-20s %-7s %-8s %-12s %s\n", "CLASS", "OWES", "TARGET", "BY", "KNOBS");
  for (const FaultInfo* info : found) {
    std::printf("%-20s %-7s %-8s %-12s %s\n", std::string(info->name).c_str(), std::string(name_of(info->owes)).c_str(),
                std::string(name_of(info->target)).c_str(), info->coin == Coin::Minute ? "minute" : "opportunity",
                knobs_text(*info).c_str());
  }
  return kHeld;
}

}  // namespace sim::host::cli
