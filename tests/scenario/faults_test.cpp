// tests/scenario/faults_test.cpp — scenarios under faults: what excuses a failure, and a protocol that has to bear a bad link.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "sim/host/excuse.h"
#include "sim/host/scenario/case.h"
#include "user/image.h"
#include "user/native.h"

using namespace sim::host;
using scenario::ScenarioCase;

namespace {

std::string image() { return std::string(base::text_of(user::boot_image())); }

/// Runs a text, and looks for an excuse if it failed.
RunReport judged(const std::string& text, u64 seed = 1) {
  const std::string path = "/tmp/orrery-faults-" + std::to_string(getpid()) + ".lua";
  std::ofstream(path) << text;
  ScenarioCase made(path, user::native_entries(), image());
  std::remove(path.c_str());
  for (const std::string& mistake : made.mistakes()) UNSCOPED_INFO(mistake);
  REQUIRE(made.mistakes().empty());
  const RunSetup setup{.seed = seed};
  RunReport report = made.run(setup);
  look_for_excuse(made, setup, report);
  if (report.finding) UNSCOPED_INFO(report.finding->property + ": " + report.finding->details);
  return report;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Two nodes that count; in the end both must still do so.
std::string counting(const std::string& faults, const std::string& property) {
  return R"(local s = scenario("counting", { lasts = "300ms", warmup = "300ms", liveness = "2s" })
    local nodes, counts = { s:node("a"), s:node("b") }, { 0, 0 }
    )" + faults +
         R"(
    for i = 1, 2 do
      s:client("count-" .. i, nodes[i], function(me)
        me:write("/tmp/here", "kept")
        while me:running() do
          counts[i] = counts[i] + 1
          me:sleep("10ms")
        end
      end)
    end
    )" + property;
}

const std::string kBothCount = R"(
    local before
    s:eventually("both-count", function()
      before = before or { counts[1], counts[2] }
      return counts[1] > before[1] and counts[2] > before[2]
    end, { within = "1s" }))";

}  // namespace

TEST_CASE("a plan that nothing can survive ends as excused, with its proof", "[scenario][faults][simulation.T40]") {
  const std::string lost = "s:faults { allow = { 'node.lost target=b per-minute=600 at-most=1' }, swarm = false, ";
  const RunReport excused = judged(counting(lost + "budget = { nodes_down = 1 } }", kBothCount));
  REQUIRE(excused.verdict == Verdict::Excused);
  CHECK(static_cast<int>(excused.verdict) == 6);
  // What cannot hold together, and the run that shows it.
  const std::string& proof = excused.finding->details;
  CHECK(excused.finding->property == "both-count");
  CHECK(contains(proof, "arm node.lost target=b per-minute=600"));
  CHECK(contains(proof, "with budget nodes-down=1"));
  CHECK(contains(proof, "node.lost b @0 at 0."));
  CHECK(contains(proof, "it never returns, and a node may be down"));
  CHECK(contains(proof, "proof: without it the run holds, digest "));
  // The ledger would not have let it happen.
  CHECK(judged(counting(lost + "budget = { nodes_down = 0 } }", kBothCount)).verdict == Verdict::Held);

  // It is no excuse for what fails without it too,
  const std::string wrong = "s:eventually('never', function() return false end, { within = '1s' })";
  CHECK(judged(counting(lost + "budget = { nodes_down = 1 } }", wrong)).verdict == Verdict::LivenessFailed);
  // nor is a fault that the system has to mask.
  const std::string masked = "s:faults { allow = { 'cpu.steal ratio=1/2' }, swarm = false }";
  CHECK(judged(counting(masked, wrong)).verdict == Verdict::LivenessFailed);
}

TEST_CASE("additions over a link that does all that links do count exactly once", "[scenario][faults][links]") {
  ScenarioCase lossy(ORRERY_SOURCE_DIR "/scenarios/lossy-links.lua", user::native_entries(), image());
  for (const std::string& mistake : lossy.mistakes()) UNSCOPED_INFO(mistake);
  REQUIRE(lossy.mistakes().empty());
  u64 lost = 0;
  u64 again = 0;
  u64 damaged = 0;
  for (u64 seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    const RunReport report = lossy.run({.seed = seed});
    if (report.finding) UNSCOPED_INFO(report.finding->property + ": " + report.finding->details);
    CHECK(report.verdict == Verdict::Held);
    for (const Hit& hit : report.hits) {
      if (hit.name == "lost") lost += hit.count;
      if (hit.name == "sent-again") again += hit.count;
      if (hit.name == "damaged") damaged += hit.count;
    }
  }
  CHECK(lost > 0);
  CHECK(again > 0);
  CHECK(damaged > 0);
}
