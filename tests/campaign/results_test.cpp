// What a results file keeps: rows of properties that were never hit, extremes, faults, and how files fold together.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <cstdio>

#include "sim/host/campaign/refuse.h"
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

TEST_CASE("a `sometimes` that a thousand runs never hit fails the campaign by name",
          "[campaign][results][simulation.T47]") {
  const auto campaign_of = [](u64 runs) {
    Results results(":memory:");
    REQUIRE(results.begin(kKey) == "");
    for (u64 seed = 1; seed <= runs; ++seed) {
      results.add(run_of(seed, {{"fs.retry", "sometimes", 0}, {"fs.split", "sometimes", seed == 7 ? 1u : 0u}}),
                  "uniform");
    }
    results.commit();
    return summarize(results.database()).at(0);
  };
  const CampaignSummary few = campaign_of(999);
  CHECK(exit_code(few) == 0);
  CHECK(text_of(few).find("never hit") == std::string::npos);
  const CampaignSummary many = campaign_of(1000);
  CHECK(exit_code(many) == 9);
  CHECK(text_of(many).find("sometimes 1/2\n  never hit: fs.retry\n") != std::string::npos);
  CHECK(text_of(many).find("never hit: fs.split") == std::string::npos);
}

TEST_CASE("what was shrunk to fault classes leaves its cluster with the runs that had them; equal lists are one",
          "[campaign][results]") {
  Results results(":memory:");
  REQUIRE(results.begin(kKey) == "");
  const auto add = [&](u64 seed, std::vector<std::string> classes) {
    Done done = run_of(seed, {}, Verdict::Failed, "fs.ack");
    for (std::string& name : classes) done.report.faults.push_back({std::move(name), "lan", 1, 0, 0});
    results.add(done, "uniform");
  };
  add(1, {"net.loss", "disk.slow"});
  add(2, {"net.loss"});
  add(3, {"disk.slow"});
  add(4, {});
  results.commit();
  const auto first = results.not_minimised();
  REQUIRE(first.size() == 1);
  const std::string whole = first[0].first;
  CHECK(results.split(whole, first[0].second, {}) == whole);
  const std::string loss = results.split(whole, first[0].second, {"net.loss"});
  CHECK(loss != whole);
  results.set_minimal(loss, "least", "minimal");
  const auto rest = results.not_minimised();
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].first == whole);
  CHECK(rest[0].second.seed == 3);
  const std::string slow = results.split(whole, rest[0].second, {"disk.slow"});
  CHECK(slow != loss);
  // A run that is found later and shrinks to the same list is of the same cluster, and what is known of it stays.
  add(5, {"net.loss", "net.delay"});
  CHECK(results.split(whole, {5, ""}, {"net.loss"}) == loss);
  results.set_minimal(loss, "other", "budget-spent");
  results.commit();
  const auto clusters = summarize(results.database()).at(0).clusters;
  REQUIRE(clusters.size() == 3);
  CHECK(clusters[0].id == loss);
  CHECK(clusters[0].runs == 3);
  CHECK(clusters[0].minimal == "least");
  CHECK(clusters[0].signature.ends_with(" | faults net.loss"));
  for (const ClusterSummary& cluster : clusters) {
    if (cluster.id == slow) CHECK(cluster.first_seed == 3);
    if (cluster.id == whole) CHECK(cluster.first_seed == 4);
  }
  // A cluster whose last run goes is gone.
  results.split(whole, {4, ""}, {"net.delay"});
  results.commit();
  CHECK(summarize(results.database()).at(0).clusters.size() == 3);
  for (const auto& [id, failing] : results.not_minimised()) CHECK(id != whole);
}

TEST_CASE("campaigns that would say nothing, or never end, are refused", "[campaign][refuse]") {
  const BuildTraits good;
  CHECK(traits_of_this_build().has_assertions);
  CHECK(refusal(good, 1'000'000, false) == "");
  CHECK(refusal({.has_assertions = false}, 1, true).find("assertions") != std::string::npos);
  const BuildTraits slow{.is_optimised = false};
  CHECK(refusal(slow, 1000, false) == "");
  CHECK(refusal(slow, 1001, false).find("--slow") != std::string::npos);
  CHECK(refusal(slow, 1001, true) == "");
  RunReport pilot;
  CHECK(refusal(pilot) == "");  // it declares nothing
  pilot.hits = {{"retry", "sometimes", 0}, {"cap.copy-narrows", "always", 12}, {"mine", "always", 0}};
  CHECK(refusal(pilot).find(": mine.") != std::string::npos);  // the system's own do not count
  pilot.hits.push_back({"other", "always", 1});
  CHECK(refusal(pilot) == "");
  pilot.hits.pop_back();
  pilot.verdict = Verdict::Failed;
  CHECK(refusal(pilot) == "");
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
