// What a results file keeps: rows of properties that were never hit, extremes, faults, and how files fold together.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <cstdio>

#include "sim/host/campaign/summary.h"

using namespace sim::host;
using namespace sim::host::campaign;

namespace {

const CampaignKey kKey{"model", "plan", "notes.lua", "sched=mix", "build"};

Done run_of(u64 seed, std::vector<Hit> hits, Verdict verdict = Verdict::Held, const std::string& property = {}) {
  Done done;
  done.job.setup.seed = seed;
  done.job.setup.sched = "pct:steps=9";
  done.report.verdict = verdict;
  done.report.root = {seed, 1};
  done.report.hits = std::move(hits);
  if (!property.empty()) done.report.finding = Finding{.property = property, .kind = "always", .role = "fxfs"};
  return done;
}

std::vector<std::string> hit_rows(Results& results) {
  Statement query(results.database(), "SELECT name, seed, count, low, high FROM hit ORDER BY name, seed");
  std::vector<std::string> found;
  while (query.step()) {
    found.push_back(query.text(0) + "|" + query.text(1) + "|" + query.text(2) + "|" + query.text(3) + "|" +
                    query.text(4));
  }
  return found;
}

struct TwoFiles {
  std::string path = "/tmp/orrery-results-test-" + std::to_string(getpid()) + ".db";
  TwoFiles() { std::remove(path.c_str()); }
  ~TwoFiles() { std::remove(path.c_str()); }
};

}  // namespace

TEST_CASE("a property that is never hit keeps one row, until the first hit, in whatever order runs end",
          "[campaign][results]") {
  Results results(":memory:");
  REQUIRE(results.begin(kKey) == "");
  const Hit miss{"retry", "sometimes", 0, 0, 0};
  results.add(run_of(7, {miss}), "uniform");
  results.add(run_of(3, {miss}), "uniform");
  results.add(run_of(5, {miss}), "uniform");
  CHECK(hit_rows(results) == std::vector<std::string>{"sometimes retry|3|0|0|0"});
  results.add(run_of(8, {{"retry", "sometimes", 2, 0, 0}, {"depth", "watermark", 1, -4, 9}}), "uniform");
  results.add(run_of(1, {miss}), "uniform");
  CHECK(hit_rows(results) == std::vector<std::string>{"sometimes retry|8|2|0|0", "watermark depth|8|1|-4|9"});
}

TEST_CASE("files of shards fold into the rows of one process, also for what one of them never hit",
          "[campaign][results][simulation.T62]") {
  const TwoFiles file;
  Results into(":memory:");
  REQUIRE(into.begin(kKey) == "");
  into.add(run_of(2, {{"retry", "sometimes", 0}, {"never", "sometimes", 0}}, Verdict::Failed, "fs.ack"), "uniform");
  into.commit();
  {
    Results other(file.path);
    REQUIRE(other.begin(kKey) == "");
    other.add(run_of(1, {{"retry", "sometimes", 4}, {"never", "sometimes", 0}}, Verdict::Failed, "fs.ack"), "uniform");
  }
  const Merged merged = merge(into, file.path);
  CHECK(merged.error == "");
  CHECK(merged.split == "");
  CHECK(merged.runs == 1);
  CHECK(hit_rows(into) == std::vector<std::string>{"sometimes never|1|0|0|0", "sometimes retry|1|4|0|0"});
  const auto summaries = summarize(into.database());
  REQUIRE(summaries.size() == 1);
  REQUIRE(summaries[0].clusters.size() == 1);
  CHECK(summaries[0].clusters[0].first_seed == 1);
  CHECK(summaries[0].clusters[0].runs == 2);
  CHECK(summaries[0].clusters[0].reproduction == "orrery run notes.lua --seed 1 --sched pct:steps=9");
  CHECK(summaries[0].declared("sometimes") == 2);
  CHECK(summaries[0].hit("sometimes") == 1);
  REQUIRE(summaries[0].coverage.size() == 2);
  CHECK(summaries[0].coverage[0].name == "never");  // never-hit first
}

TEST_CASE("no number takes part in what a failure is called", "[campaign][results]") {
  Finding finding{.property = "fs.ack", .kind = "always", .role = "fxfs", .details = "block 7", .signature = "a b c"};
  const std::string id = cluster_id(finding);
  finding.moment = 99;
  finding.time_ns = 12;
  finding.details = "block 8";
  CHECK(cluster_id(finding) == id);
  finding.role = "netd";
  CHECK(cluster_id(finding) != id);
}

TEST_CASE("a campaign's exit code is that of the worst in it", "[campaign][results]") {
  const auto code_of = [](std::map<std::string, u64> verdicts, u64 runs = 10) {
    CampaignSummary summary;
    summary.runs = runs;
    summary.verdicts = std::move(verdicts);
    summary.coverage = {{"sometimes", "retry", 0, 0, 0, 0, 0}};
    return exit_code(summary);
  };
  CHECK(code_of({{"held", 10}}) == 0);
  CHECK(code_of({{"held", 1000}}, 1000) == 9);  // a `sometimes` without a hit
  CHECK(code_of({{"held", 9}, {"limit", 1}}) == 11);
  CHECK(code_of({{"excused", 10}}) == 0);
  CHECK(code_of({{"liveness-failed", 1}}) == 3);
  CHECK(code_of({{"liveness-failed", 1}, {"stalled", 1}}) == 1);
  CHECK(code_of({{"silent", 1}}) == 1);
  CHECK(code_of({{"failed", 1}, {"broken", 1}}) == 5);
}
