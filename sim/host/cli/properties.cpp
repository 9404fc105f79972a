// sim/host/cli/properties.cpp — `orrery properties`: what is judged, and how often a run reached it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <cstdio>

#include "base/parse.h"
#include "sim/host/campaign/database.h"
#include "sim/host/cli/open_case.h"
#include "sim/host/judge/judge.h"

namespace sim::host::cli {
namespace {

std::string about_of(const std::string& name) {
  for (const base::Property& property : base::kProperties) {
    if (property.name == name) return std::string(property.about);
  }
  return {};
}

/// Properties that no run of a campaign reached. Empty, or what is wrong with the file.
std::string read_never_hit(const std::string& path, std::vector<Hit>& hits) {
  try {
    campaign::Database database(path, campaign::Database::Open::Existing);
    campaign::Statement names(database, "SELECT name FROM coverage WHERE hits = 0 ORDER BY name");
    while (names.step()) {
      const std::string name = names.text(0);  // "mark cdt.revoke-cut"
      const auto space = std::min(name.find(' '), name.size() - 1);
      hits.push_back({.name = name.substr(space + 1), .form = name.substr(0, space)});
    }
  } catch (const campaign::DatabaseError& error) {
    return error.what();
  }
  return {};
}

void print_text(const std::vector<Hit>& hits, bool was_run) {
  if (was_run)
    std::printf("%-26s %-13s %9s  %s\n", "PROPERTY", "FORM", "HITS", "ABOUT");
  else
    std::printf("%-26s %-13s %s\n", "PROPERTY", "FORM", "ABOUT");
  for (const Hit& hit : hits) {
    if (!was_run) {
      std::printf("%-26s %-13s %s\n", hit.name.c_str(), hit.form.c_str(), about_of(hit.name).c_str());
      continue;
    }
    std::string about = about_of(hit.name);
    if (hit.form == "watermark" && hit.count != 0) {
      about += ": " + std::to_string(hit.low) + " to " + std::to_string(hit.high);
    }
    std::printf("%-26s %-13s %9llu  %s\n", hit.name.c_str(), hit.form.c_str(),
                static_cast<unsigned long long>(hit.count), about.c_str());
  }
}

void print_json(const std::vector<Hit>& hits) {
  std::printf("{\"properties\":[");
  for (const Hit& hit : hits) {
    std::printf("%s{\"about\":%s,\"count\":%llu,\"form\":%s,\"high\":%lld,\"low\":%lld,\"name\":%s}",
                &hit == hits.data() ? "" : ",", json_string(about_of(hit.name)).c_str(),
                static_cast<unsigned long long>(hit.count), json_string(hit.form).c_str(),
                static_cast<long long>(hit.high), static_cast<long long>(hit.low), json_string(hit.name).c_str());
  }
  std::printf("],\"schema\":\"orrery.properties/1\"}\n");
}

}  // namespace

const Verb kPropertiesVerb = {
    "properties", "what is judged: the properties and marks in the code, the invariants",
    "usage: orrery properties [CASE] [--seed N] [--cores N] [--memory SIZE] [--until TIME] [--never-hit DB] [--json]\n"
    "  CASE            a script, - or another case: also runs it and tells how often each was reached; those that "
    "never\n"
    "                  were come first. A program tells each of its hits once, so they count programs; the kernel's\n"
    "                  count places passed\n"
    "  --seed --cores --memory --image --disk   as for `orrery run`\n"
    "  --until TIME    stop at this virtual time\n"
    "  --never-hit DB  what no run of a campaign reached, from its results\n"
    "  --json          one document, schema orrery.properties/1\n"
    "example: orrery properties script.fsh --cores 4\n"
    "exit:    0   1 a property failed   2 usage   3 liveness failed   8 unreadable file\n",
    properties_verb};

int properties_verb(Context& context) {
  CLI::App app;
  MachineFlags flags;
  std::string path;
  std::string until;
  std::string results;
  bool json = false;
  flags.add_to(app);
  app.add_option("case", path);
  app.add_option("--until", until);
  app.add_option("--never-hit", results);
  app.add_flag("--json", json);
  if (const int code = parse_flags(app, context, kPropertiesVerb); code >= 0) return code;
  if (const std::string mistake = flags.check(); !mistake.empty()) return usage_error(kPropertiesVerb, mistake);
  RunSetup setup;
  if (!until.empty()) {
    const auto limit = base::parse_duration_ns(until);
    if (!limit.ok()) return usage_error(kPropertiesVerb, "--until " + until + ": not a time, for example 30s or 250ms");
    setup.until = *limit;
  }
  if (!path.empty() && !results.empty()) {
    return usage_error(kPropertiesVerb, "a case is run, or results are read: not both");
  }
  RunReport report;
  if (!results.empty()) {
    if (const std::string wrong = read_never_hit(results, report.hits); !wrong.empty()) {
      std::fprintf(stderr, "orrery properties: %s\n", wrong.c_str());
      return kUnreadable;
    }
  } else if (!path.empty()) {
    OpenedCase opened = open_case(path, flags, context.guest, kPropertiesVerb);
    if (opened.which == nullptr) return opened.code;
    setup.overrides = opened.setup.overrides;
    setup.seed = opened.setup.overrides.empty() ? flags.seed_value : opened.setup.seed;
    report = opened.which->run(setup);
  } else {
    report.hits = judge::Judge().hits();
  }
  const bool was_run = !path.empty() || !results.empty();
  std::stable_sort(report.hits.begin(), report.hits.end(),
                   [](const Hit& left, const Hit& right) { return (left.count == 0) > (right.count == 0); });
  if (json) {
    print_json(report.hits);
  } else {
    print_text(report.hits, was_run);
    if (!was_run) {
      for (const judge::InvariantInfo& info : judge::invariants()) {
        std::printf("%-26s %-13s %s\n", std::string(info.name).c_str(), "invariant", std::string(info.about).c_str());
      }
    }
  }
  // How else a run went is not this verb's business.
  const bool is_judged = report.verdict == Verdict::Failed || report.verdict == Verdict::LivenessFailed;
  return report.finding && is_judged && report.finding->kind != "status" ? print_finding(*report.finding) : kHeld;
}

int print_finding(const Finding& found) {
  std::fprintf(stderr, "FAILED  %s %s  %s  at %s #%llu  %s\n", found.kind.c_str(), found.property.c_str(),
               found.role.c_str(), seconds(found.time_ns).c_str(), static_cast<unsigned long long>(found.moment),
               found.details.c_str());
  return found.is_liveness ? kLivenessFailed : kPropertyFailed;
}

}  // namespace sim::host::cli
