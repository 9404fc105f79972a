// sim/host/campaign/summary_html.cpp — a results file as one page: what failed and how to repeat it first, then where it was
// found, what was covered, and what the figures say.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "sim/host/campaign/page.h"
#include "sim/host/campaign/summary.h"
#include "sim/host/text.h"

namespace sim::host::campaign {
namespace {

constexpr u64 kNeededShown = 24;
constexpr u64 kCoverageShown = 400;

std::string fixed(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

double share(u64 part, u64 whole) { return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole); }

std::string percent(u64 part, u64 whole) {
  const double value = share(part, whole) * 100;
  return fixed(value, value != 0 && value < 1 ? 2 : 1) + " %";
}

/// A number for a tile: 14 200, 3.1 M, 2.4 G.
std::string large(u64 number) {
  if (number < 1'000'000) return grouped(number);
  const double value = static_cast<double>(number);
  return number < 1'000'000'000 ? fixed(value / 1e6, 1) + " M" : fixed(value / 1e9, 1) + " G";
}

std::string counted(u64 number, const std::string& one, const std::string& many) {
  return grouped(number) + " " + (number == 1 ? one : many);
}

std::string command(const std::string& line) {
  return "<div class=\"command\"><code>" + escaped(line) + "</code><button type=\"button\">copy</button></div>\n";
}

std::string tile(const std::string& label, const std::string& value, const std::string& below) {
  return "<div class=\"tile\"><p class=\"label\">" + label + "</p><strong>" + value + "</strong><span>" + below +
         "</span></div>\n";
}

std::string meter(double filled, const char* kind = "") {
  return "<div class=\"meter\"><b class=\"" + std::string(kind) +
         "\" style=\"width:" + fixed(std::clamp(filled, 0.0, 1.0) * 100, 1) + "%\"></b></div>";
}

std::string headline(const CampaignSummary& summary) {
  const std::string runs = counted(summary.runs, "run", "runs");
  if (summary.wrong_canaries > 0) {
    return "<b class=\"bad\">Void.</b> " + counted(summary.wrong_canaries, "canary", "canaries") +
           " came out otherwise than the seed says; nothing here can be believed.";
  }
  if (summary.runs == 0) return "Nothing was run yet.";
  if (!summary.clusters.empty()) {
    return "<b class=\"bad\">" + counted(summary.clusters.size(), "kind", "kinds") + " of failure</b> in <b>" + runs +
           "</b>, " + percent(summary.failures(), summary.runs) + " of them.";
  }
  const auto limits = summary.verdicts.find("limit");
  if (limits != summary.verdicts.end()) {
    return "<b class=\"warn\">" + grouped(limits->second) + " of " + runs + " reached a limit</b>; none failed.";
  }
  return "<b class=\"good\">All " + runs + " held.</b>";
}

std::string tiles(const CampaignSummary& summary) {
  const u64 wall_ns = summary.wall_us * 1000;
  std::string html = "<div class=\"tiles\">\n";
  html += tile("runs", large(summary.runs),
               "seeds " + std::to_string(summary.first_seed) + " … " + std::to_string(summary.last_seed));
  html += tile("failed", large(summary.failures()), percent(summary.failures(), summary.runs));
  html += tile("virtual time", length_of(summary.virtual_ns),
               wall_ns == 0 ? "" : fixed(share(summary.virtual_ns, wall_ns), 2) + " × the host's");
  html +=
      tile("events", large(summary.events), grouped(summary.runs == 0 ? 0 : summary.events / summary.runs) + " a run");
  html += tile("speed", fixed(share(summary.runs * 1'000'000, summary.wall_us), 0) + "/s", "runs a worker");
  if (const u64 declared = summary.declared("sometimes"); declared > 0) {
    html += tile("sometimes", grouped(summary.hit("sometimes")) + " / " + grouped(declared), "were seen at least once");
  }
  if (summary.features > 0) html += tile("features", large(summary.features), "kinds of behaviour seen");
  html += tile("canaries", grouped(summary.canaries),
               summary.wrong_canaries == 0 ? "all as their seeds say" : grouped(summary.wrong_canaries) + " wrong");
  return html + "</div>\n";
}

std::string verdicts(const CampaignSummary& summary) {
  std::string bar = "<div class=\"stack\" role=\"img\" aria-label=\"verdicts\">";
  std::string legend = "<ul class=\"legend\">";
  for (const char* name : {"held", "excused", "limit", "failed", "liveness-failed", "stalled", "silent", "broken"}) {
    const auto found = summary.verdicts.find(name);
    if (found == summary.verdicts.end()) continue;
    bar += "<b class=\"v-" + std::string(name) + "\" style=\"flex:" + std::to_string(found->second) + "\" title=\"" +
           name + " " + grouped(found->second) + "\"></b>";
    legend += "<li><i class=\"v-" + std::string(name) + "\"></i>" + name + " " + grouped(found->second) + "</li>";
  }
  return bar + "</div>\n" + legend + "</ul>\n";
}

/// `a b | c` as a → b → c, without the parts that are empty; anything else as it is.
std::string chain(std::string_view signature) {
  if (signature.find(',') != std::string_view::npos) return escaped(signature);
  std::string html;
  while (!signature.empty()) {
    const std::string_view word = signature.substr(0, signature.find(' '));
    signature.remove_prefix(std::min(word.size() + 1, signature.size()));
    if (!word.empty() && word != "|") html += (html.empty() ? "" : "<i>→</i>") + escaped(word);
  }
  return html;
}

std::string minimal(const ClusterSummary& cluster) {
  if (cluster.minimal.empty()) return {};
  const Needed needed = needed_of(cluster.minimal);
  std::string html = "<p style=\"margin-top:14px\"><b>After shrinking</b> <span class=\"soft\">";
  html += needed.lines.empty()
              ? "no choice of the schedule and no fault is needed"
              : counted(needed.lines.size(), "choice or fault is", "choices and faults are") + " needed";
  if (needed.spared > 0)
    html += "; " + counted(needed.spared, "operation or fault", "operations and faults") + " can go";
  html += cluster.state == "minimal" ? "; nothing else can go." : "; the budget was spent.";
  html += "</span></p>\n<ul class=\"needed mono\">\n";
  for (u64 i = 0; i < needed.lines.size() && i < kNeededShown; ++i)
    html += "<li>" + escaped(needed.lines[i]) + "</li>\n";
  if (needed.lines.size() > kNeededShown) {
    html += "<li class=\"soft\">and " + grouped(needed.lines.size() - kNeededShown) + " more</li>\n";
  }
  return html + "</ul>\n";
}

std::string failures(const CampaignSummary& summary) {
  if (summary.clusters.empty()) return {};
  std::string html = "<h2>What failed</h2>\n";
  for (const ClusterSummary& cluster : summary.clusters) {
    html += "<section class=\"card failure\" id=\"" + cluster.id + "\">\n<div class=\"head\"><h3>" +
            escaped(cluster.property) + "</h3><span><span class=\"pill bad\">" + escaped(cluster.verdict) +
            "</span> <span class=\"pill\">" + counted(cluster.runs, "run", "runs") + " · " +
            percent(cluster.runs, summary.runs) + "</span></span></div>\n";
    html += "<p class=\"soft\">" + escaped(cluster.kind);
    if (!cluster.role.empty()) html += " in <b>" + escaped(cluster.role) + "</b>";
    html += ", first with seed <b>" + std::to_string(cluster.first_seed) + "</b> after " + seconds(cluster.virtual_ns) +
            " and " + grouped(cluster.events) + " events</p>\n";
    if (!cluster.signature.empty()) html += "<p class=\"chain mono\">" + chain(cluster.signature) + "</p>\n";
    html += command(cluster.reproduction) + minimal(cluster) + "</section>\n";
  }
  return html;
}

/// Runs by seed: what held below, what failed above it in red.
std::string timeline(const CampaignSummary& summary) {
  if (summary.bands.empty()) return {};
  constexpr double kWidth = 1000;
  constexpr double kHeight = 120;
  u64 most = 1;
  for (const SeedBand& band : summary.bands) most = std::max(most, band.runs);
  const double step = kWidth / static_cast<double>(summary.bands.size());
  std::string html =
      "<h2>Where in the seeds</h2>\n<div class=\"card\"><svg viewBox=\"0 0 1000 142\" role=\"img\" "
      "aria-label=\"runs and failures by seed\">\n";
  for (u64 i = 0; i < summary.bands.size(); ++i) {
    const SeedBand& band = summary.bands[i];
    const double x = step * static_cast<double>(i);
    const auto bar = [&](const char* kind, u64 from, u64 count) {
      if (count == 0) return std::string();
      const double height = std::max(share(count, most) * kHeight, 1.5);
      const double top = kHeight - share(from, most) * kHeight - height;
      return "<rect class=\"" + std::string(kind) + "\" x=\"" + fixed(x, 1) + "\" y=\"" + fixed(std::max(top, 0.0), 1) +
             "\" width=\"" + fixed(std::max(step - 1.5, 1.0), 1) + "\" height=\"" + fixed(height, 1) + "\" rx=\"1\"/>";
    };
    const u64 held = band.runs - band.failures - band.limits;
    html += "<g><title>seeds " + std::to_string(band.first_seed) + " … " + std::to_string(band.last_seed) + ": " +
            counted(band.runs, "run", "runs") + ", " + grouped(band.failures) + " failed</title>" + bar("ok", 0, held) +
            bar("li", held, band.limits) + bar("ko", held + band.limits, band.failures) + "</g>\n";
  }
  html += "<text x=\"0\" y=\"138\">seed " + std::to_string(summary.first_seed) +
          "</text><text x=\"1000\" y=\"138\" text-anchor=\"end\">" + std::to_string(summary.last_seed) +
          "</text></svg></div>\n";
  return html;
}

std::string strategies(const CampaignSummary& summary) {
  if (summary.strategies.empty()) return {};
  double worst = 0;
  for (const StrategyRow& row : summary.strategies) worst = std::max(worst, share(row.failures, row.runs));
  std::string html =
      "<h2>Which schedules found it</h2>\n<div class=\"card scroll\"><table><tr><th>strategy</th><th "
      "class=\"n\">runs</th>"
      "<th class=\"n\">failed</th><th class=\"n\">share</th><th></th><th class=\"n\">kinds</th><th class=\"n\">events/s"
      "</th></tr>\n";
  for (const StrategyRow& row : summary.strategies) {
    html += "<tr><td class=\"name mono\">" + escaped(row.name) + "</td><td class=\"n\">" + grouped(row.runs) +
            "</td><td class=\"n\">" + grouped(row.failures) + "</td><td class=\"n\">" +
            percent(row.failures, row.runs) + "</td><td>" +
            meter(worst == 0 ? 0 : share(row.failures, row.runs) / worst, "bad") + "</td><td class=\"n\">" +
            grouped(row.clusters) + "</td><td class=\"n\">" +
            large(row.wall_us == 0 ? 0 : row.events * 1000 / std::max<u64>(row.wall_us / 1000, 1)) + "</td></tr>\n";
  }
  return html + "</table></div>\n";
}

std::string faults(const CampaignSummary& summary) {
  if (summary.faults.empty()) return {};
  std::string html =
      "<h2>Faults</h2>\n<div class=\"card scroll\"><table><tr><th>class</th><th class=\"n\">runs</th><th "
      "class=\"n\">fired"
      "</th><th class=\"n\">withheld</th><th class=\"n\">lessened</th></tr>\n";
  for (const FaultRow& row : summary.faults) {
    html += "<tr><td class=\"name mono\">" + escaped(row.fault_class) + "</td><td class=\"n\">" + grouped(row.runs) +
            "</td><td class=\"n\">" + grouped(row.fired) + "</td><td class=\"n\">" + grouped(row.withheld) +
            "</td><td class=\"n\">" + grouped(row.lessened) + "</td></tr>\n";
  }
  return html + "</table></div>\n";
}

std::string coverage(const CampaignSummary& summary) {
  if (summary.coverage.empty()) return {};
  const u64 never = static_cast<u64>(std::count_if(summary.coverage.begin(), summary.coverage.end(),
                                                   [](const CoverageRow& row) { return row.hits == 0; }));
  u64 most = 1;
  for (const CoverageRow& row : summary.coverage) most = std::max(most, row.hits);
  std::string html = "<h2>What was covered</h2>\n<p class=\"soft\">" +
                     counted(summary.coverage.size(), "name", "names") + " declared; " +
                     (never == 0 ? "all were reached" : "<b class=\"bad\">" + grouped(never) + " never</b>") +
                     ".</p>\n<div class=\"card scroll\"><table><tr><th>form</th><th>name</th>"
                     "<th class=\"n\">hits</th><th></th><th class=\"n\">runs</th><th class=\"n\">first seed</th>"
                     "<th class=\"n\">extremes</th></tr>\n";
  u64 shown = 0;
  for (const CoverageRow& row : summary.coverage) {
    if (++shown > kCoverageShown) break;
    const double level = std::log1p(static_cast<double>(row.hits)) / std::log1p(static_cast<double>(most));
    html += std::string(row.hits == 0 ? "<tr class=\"never\">" : "<tr>") + "<td class=\"soft\">" + escaped(row.form) +
            "</td><td class=\"name mono\">" + escaped(row.name) + "</td><td class=\"n\">" +
            (row.hits == 0 ? "never" : grouped(row.hits)) + "</td><td>" + meter(level) + "</td><td class=\"n\">" +
            grouped(row.seeds) + "</td><td class=\"n\">" + (row.hits == 0 ? "" : std::to_string(row.first_seed)) +
            "</td><td class=\"n\">" +
            (row.form == "watermark" ? std::to_string(row.low) + " … " + std::to_string(row.high) : "") +
            "</td></tr>\n";
  }
  html += "</table></div>\n";
  if (summary.coverage.size() > kCoverageShown) {
    html += "<p class=\"soft\">and " + grouped(summary.coverage.size() - kCoverageShown) +
            " more, all with more hits.</p>\n";
  }
  return html;
}

std::string article(const CampaignSummary& summary) {
  std::string html = "<article>\n<p class=\"eyebrow\">Orrery campaign</p>\n<h1>" + escaped(summary.scenario) +
                     "</h1>\n<p class=\"lede\">" + headline(summary) + "</p>\n";
  html += tiles(summary) + verdicts(summary) + failures(summary) + timeline(summary) + strategies(summary) +
          faults(summary) + coverage(summary);
  if (!summary.statements.empty()) {
    html += "<h2>What the figures say</h2>\n<div class=\"card\"><ul class=\"says\">\n";
    for (const std::string& statement : summary.statements) html += "<li>" + escaped(statement) + "</li>\n";
    html += "</ul></div>\n";
  }
  html += "<h2>What it was</h2>\n<dl class=\"ids\">";
  const std::pair<const char*, const std::string*> ids[] = {{"campaign", &summary.id},
                                                            {"options", &summary.options},
                                                            {"model", &summary.model},
                                                            {"plan", &summary.plan},
                                                            {"build", &summary.build}};
  for (const auto& [name, value] : ids) {
    html += "<dt>" + std::string(name) + "</dt><dd class=\"mono\">" + escaped(*value) + "</dd>";
  }
  return html + "</dl>\n</article>\n";
}

}  // namespace

std::string html_of(const std::vector<CampaignSummary>& summaries) {
  std::string title = "Orrery campaign";
  if (summaries.size() == 1) title += ": " + summaries.front().scenario;
  std::string html =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n<title>" +
      escaped(title) + "</title>\n<style>" + std::string(kPageStyle) + "</style>\n</head>\n<body>\n<main>\n";
  for (const CampaignSummary& summary : summaries) html += article(summary);
  if (summaries.empty()) html += "<p class=\"lede\">There is no campaign in this file.</p>\n";
  return html + "</main>\n<script>" + std::string(kPageScript) + "</script>\n</body>\n</html>\n";
}

}  // namespace sim::host::campaign
