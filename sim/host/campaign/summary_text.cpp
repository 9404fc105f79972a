// sim/host/campaign/summary_text.cpp — reports for terminals and for other programs.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "sim/host/campaign/minimise.h"
#include "sim/host/campaign/summary.h"
#include "sim/host/text.h"

namespace sim::host::campaign {
namespace {

constexpr u64 kNeverHitShown = 40;
constexpr u64 kNeededShown = 12;

std::string decimal(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// " (+6)": how many more runs of a cluster there are.
std::string more(const ClusterSummary& cluster) {
  return cluster.runs > 1 ? " (+" + grouped(cluster.runs - 1) + ")" : std::string();
}

nlohmann::json json_of(const CampaignSummary& summary) {
  nlohmann::json document = {
      {"build", summary.build},
      {"campaign", summary.id},
      {"events", summary.events},
      {"first_seed", summary.first_seed},
      {"last_seed", summary.last_seed},
      {"model", summary.model},
      {"options", summary.options},
      {"plan", summary.plan},
      {"runs", summary.runs},
      {"scenario", summary.scenario},
      {"statements", summary.statements},
      {"uniform_runs", summary.uniform_runs},
      {"verdicts", summary.verdicts},
      {"virtual_ns", summary.virtual_ns},
      {"canaries", summary.canaries},
      {"wrong_canaries", summary.wrong_canaries},
      {"wall_us", summary.wall_us},
      {"features", summary.features},
  };
  document["clusters"] = nlohmann::json::array();
  for (const ClusterSummary& cluster : summary.clusters) {
    document["clusters"].push_back({{"events", cluster.events},
                                    {"first_seed", cluster.first_seed},
                                    {"id", cluster.id},
                                    {"kind", cluster.kind},
                                    {"minimal", cluster.minimal},
                                    {"property", cluster.property},
                                    {"reproduction", cluster.reproduction},
                                    {"role", cluster.role},
                                    {"runs", cluster.runs},
                                    {"signature", cluster.signature},
                                    {"state", cluster.state},
                                    {"verdict", cluster.verdict},
                                    {"virtual_ns", cluster.virtual_ns}});
  }
  document["coverage"] = nlohmann::json::array();
  for (const CoverageRow& row : summary.coverage) {
    document["coverage"].push_back({{"first_seed", row.first_seed},
                                    {"form", row.form},
                                    {"high", row.high},
                                    {"hits", row.hits},
                                    {"low", row.low},
                                    {"name", row.name},
                                    {"seeds", row.seeds}});
  }
  document["faults"] = nlohmann::json::array();
  for (const FaultRow& row : summary.faults) {
    document["faults"].push_back({{"class", row.fault_class},
                                  {"fired", row.fired},
                                  {"lessened", row.lessened},
                                  {"runs", row.runs},
                                  {"withheld", row.withheld}});
  }
  document["strategies"] = nlohmann::json::array();
  for (const StrategyRow& row : summary.strategies) {
    document["strategies"].push_back({{"clusters", row.clusters},
                                      {"events", row.events},
                                      {"failures", row.failures},
                                      {"name", row.name},
                                      {"runs", row.runs},
                                      {"wall_us", row.wall_us}});
  }
  return document;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char character : text) {
    switch (character) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '"': safe += "&quot;"; break;
      default: safe += static_cast<u8>(character) < 0x20 && character != '\n' ? ' ' : character;
    }
  }
  return safe;
}

Needed needed_of(const std::string& overrides) {
  Needed needed;
  for (std::size_t at = overrides.find('\n'); at != std::string::npos && at + 1 < overrides.size();) {
    const std::size_t end = std::min(overrides.find('\n', at + 1), overrides.size());
    const std::string line = overrides.substr(at + 1, end - at - 1);
    if (line.ends_with(" spare")) {
      needed.spared += 1;
    } else {
      needed.lines.push_back(line);
    }
    at = end;
  }
  return needed;
}

std::string minimal_text(const ClusterSummary& cluster) {
  const Needed needed = needed_of(cluster.minimal);
  std::string text = "after shrinking: ";
  text +=
      needed.lines.empty() ? "no choice and no fault" : std::to_string(needed.lines.size()) + " of choices and faults";
  text += needed.lines.size() > 1 ? " are needed" : " is needed";
  if (needed.spared > 0) text += ", " + grouped(needed.spared) + " operations or faults can go";
  if (cluster.state != "minimal") text += "   (budget spent)";
  for (u64 i = 0; i < needed.lines.size() && i < kNeededShown; ++i) text += "\n    " + needed.lines[i];
  if (needed.lines.size() > kNeededShown) text += "\n    …";
  return text;
}

std::string medians_text(const std::vector<Minimal>& all) {
  std::vector<u64> faults;
  std::vector<u64> choices;
  std::vector<u64> fewer;  // operations, in %
  std::vector<u64> times_ns;
  for (const Minimal& minimal : all) {
    if (!minimal.error.empty()) continue;
    faults.push_back(minimal.after.faults);
    choices.push_back(minimal.after.choices);
    times_ns.push_back(minimal.wall_us * 1000);
    if (minimal.before.operations > 0)
      fewer.push_back(100 - minimal.after.operations * 100 / minimal.before.operations);
  }
  if (faults.empty()) return {};
  const auto median = [](std::vector<u64>& values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  };
  std::string text = "shrunk " + grouped(faults.size()) + (faults.size() == 1 ? " failure" : " failures") +
                     ": median " + grouped(median(faults)) + " faults, " + grouped(median(choices)) + " choices";
  if (!fewer.empty()) text += ", " + grouped(median(fewer)) + " % fewer operations";
  return text + ", " + length_of(median(times_ns));
}

std::string grouped(u64 number) {
  std::string digits = std::to_string(number);
  for (u64 at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ' ');
  return digits;
}

std::string length_of(u64 ns) {
  const u64 seconds = ns / 1'000'000'000;
  if (seconds < 60) return decimal(static_cast<double>(ns) / 1e9, 3) + " s";
  if (seconds < 3600) return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
  if (seconds < 86'400) return std::to_string(seconds / 3600) + " h " + std::to_string(seconds % 3600 / 60) + " min";
  return std::to_string(seconds / 86'400) + " d " + std::to_string(seconds % 86'400 / 3600) + " h";
}

std::string text_of(const CampaignSummary& summary) {
  std::string text = summary.scenario + "   campaign " + summary.id + "   seeds " + std::to_string(summary.first_seed) +
                     ".." + std::to_string(summary.last_seed) + "\n";
  text += "  " + grouped(summary.runs) + " runs";
  for (const auto& [verdict, runs] : summary.verdicts) text += "   " + verdict + " " + grouped(runs);
  text += "\n  virtual " + length_of(summary.virtual_ns) + "   events " + grouped(summary.events);
  if (summary.wall_us > 0) {
    text += "   " + decimal(static_cast<double>(summary.runs) * 1e6 / static_cast<double>(summary.wall_us), 0) +
            " runs/s a worker";
  }
  if (summary.features > 0) text += "   features " + grouped(summary.features);
  text += "\n";
  if (summary.wrong_canaries > 0) {
    text += "VOID    " + grouped(summary.wrong_canaries) + " of " + grouped(summary.canaries) +
            " canaries came out otherwise than their seeds say: nothing below can be believed\n";
  }
  for (const ClusterSummary& cluster : summary.clusters) {
    text += "FAILED  " + cluster.kind + " " + cluster.property;
    if (!cluster.role.empty()) text += "   " + cluster.role;
    text += "   seed " + std::to_string(cluster.first_seed) + more(cluster) + "   at " + seconds(cluster.virtual_ns) +
            " #" + std::to_string(cluster.events) + "   cluster " + cluster.id + "\n";
    text += "  " + cluster.reproduction + "\n";
    if (!cluster.minimal.empty()) text += "  " + minimal_text(cluster) + "\n";
  }
  const u64 sometimes = summary.declared("sometimes");
  if (sometimes > 0) {
    text += "sometimes " + grouped(summary.hit("sometimes")) + "/" + grouped(sometimes) + "\n";
  }
  // In few runs much is not reached; from so many on it is a finding.
  u64 shown = 0;
  for (const CoverageRow& row : summary.coverage) {
    if (summary.runs < kRunsForCoverage || row.hits > 0 || shown == kNeverHitShown) break;
    if (row.form != "sometimes") continue;
    text += "  never hit: " + row.name + "\n";
    shown += 1;
  }
  for (const std::string& statement : summary.statements) text += "  " + statement + "\n";
  return text;
}

std::string json_of(const std::vector<CampaignSummary>& summaries) {
  nlohmann::json document = {{"schema", "orrery.campaign/1"}, {"campaigns", nlohmann::json::array()}};
  for (const CampaignSummary& summary : summaries) document["campaigns"].push_back(json_of(summary));
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string junit_of(const std::vector<CampaignSummary>& summaries) {
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  for (const CampaignSummary& summary : summaries) {
    const u64 tests = summary.clusters.size() + (summary.verdicts.contains("held") ? 1 : 0);
    const std::string name = escaped(summary.scenario);
    text += "  <testsuite name=\"" + name + "\" tests=\"" + std::to_string(tests) + "\" failures=\"" +
            std::to_string(summary.clusters.size()) + "\" time=\"" +
            decimal(static_cast<double>(summary.wall_us) / 1e6, 3) + "\">\n";
    if (const auto held = summary.verdicts.find("held"); held != summary.verdicts.end()) {
      text += "    <testcase classname=\"" + name + "\" name=\"" + std::to_string(held->second) + " of " +
              std::to_string(summary.runs) + " runs held\"/>\n";
    }
    for (const ClusterSummary& cluster : summary.clusters) {
      text += "    <testcase classname=\"" + name + "\" name=\"" + escaped(cluster.kind + " " + cluster.property) +
              "\">\n      <failure type=\"" + escaped(cluster.verdict) + "\" message=\"" +
              escaped(cluster.property + " in " + std::to_string(cluster.runs) + " runs") + "\">" +
              escaped(cluster.reproduction + "\n" + cluster.signature) + "</failure>\n    </testcase>\n";
    }
    text += "  </testsuite>\n";
  }
  return text + "</testsuites>\n";
}

}  // namespace sim::host::campaign
