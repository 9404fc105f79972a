// sim/host/cli/properties.cpp — `orrery properties`: what is judged, and how often a run reached it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <cstdio>

#include "base/parse.h"
#include "sim/host/cli/cli.h"
#include "sim/host/contain.h"
#include "sim/host/judge/judge.h"

namespace sim::host::cli {
namespace {

std::string about_of(const std::string& name) {
  for (const base::Property& property : base::kProperties) {
    if (property.name == name) return std::string(property.about);
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
    "usage: orrery properties [SCRIPT|-] [--seed N] [--cores N] [--memory SIZE] [--until TIME] [--json]\n"
    "  SCRIPT          also runs it and tells how often each was reached; those that never were come first. A program\n"
    "                  tells each of its hits once, so they count programs; the kernel's count places passed\n"
    "  --seed --cores --memory --image   as for `orrery run`\n"
    "  --until TIME    stop at this virtual time\n"
    "  --json          one document, schema orrery.properties/1\n"
    "example: orrery properties script.fsh --cores 4\n"
    "exit:    0   1 a property failed   2 usage   5 Orrery's own failure   7 watchdog   8 unreadable file\n",
    properties_verb};

int properties_verb(Context& context) {
  CLI::App app;
  ScriptRun run;
  std::string until;
  bool json = false;
  run.flags.add_to(app);
  app.add_option("script", run.script_name);
  app.add_option("--until", until);
  app.add_flag("--json", json);
  if (const int code = parse_flags(app, context, kPropertiesVerb); code >= 0) return code;
  if (!until.empty()) {
    const auto limit = base::parse_duration_ns(until);
    if (!limit.ok()) return usage_error(kPropertiesVerb, "--until " + until + ": not a time, for example 30s or 250ms");
    run.until = *limit;
  }
  judge::Judge judge;
  const bool was_run = !run.script_name.empty();
  if (was_run) {
    Guest guest = context.guest;
    if (const int code = prepare(run, guest, kPropertiesVerb); code >= 0) return code;
    Machine machine(options_of(run, guest));
    judge.attach(machine);
    if (const std::string error = machine.start(); !error.empty()) return usage_error(kPropertiesVerb, error);
    contain(machine.world(), {});
    machine.run(run.until);
    release_containment();
    judge.finish(machine.world(), machine.world().now());
  }
  std::vector<Hit> hits = judge.hits();
  std::stable_sort(hits.begin(), hits.end(),
                   [](const Hit& left, const Hit& right) { return (left.count == 0) > (right.count == 0); });
  if (json) {
    print_json(hits);
  } else {
    print_text(hits, was_run);
    if (!was_run) {
      for (const judge::InvariantInfo& info : judge::invariants()) {
        std::printf("%-26s %-13s %s\n", std::string(info.name).c_str(), "invariant", std::string(info.about).c_str());
      }
    }
  }
  return print_finding(judge, kHeld);
}

int print_finding(const judge::Judge& judge, int code) {
  if (!judge.finding()) return code;
  const Finding& found = *judge.finding();
  std::fprintf(stderr, "FAILED  %s %s  %s  at %s #%llu  %s\n", found.kind.c_str(), found.property.c_str(),
               found.role.c_str(), seconds(found.time_ns).c_str(), static_cast<unsigned long long>(found.moment),
               found.details.c_str());
  return found.is_liveness ? kLivenessFailed : kPropertyFailed;
}

}  // namespace sim::host::cli
