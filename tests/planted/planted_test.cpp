// Planted bugs (base/planted.def) and what reports them: the command with its real guest, and the defect that ORRERY_BUG
// names. What is measured over the whole corpus is in tools/planted.py; here are those that show in few runs.
#include <catch2/catch.hpp>

#include "sim/host/campaign/database.h"
#include "tests/sim/cli_lab.h"

using namespace cli_lab;
using sim::host::campaign::Database;
using sim::host::campaign::Statement;

namespace {

const std::string kCases = std::string(ORRERY_SOURCE_DIR) + "/";
const std::string kScripts = "tests/planted/";

/// A campaign over a script or a scenario with the bug of this name; empty: without any.
Finished campaign(const std::string& bug, const std::string& script, const std::string& flags) {
  return shell("ORRERY_BUG=" + bug + " " + kOrrery + " campaign " + kCases + script + " -q --jobs 1 " + flags +
               " 2>&1");
}

/// Reported by a campaign of few runs, as `shows`, with the line that repeats it; without the bug nothing is.
void check(const std::string& bug, const std::string& script, const std::string& flags, const std::string& shows) {
  CAPTURE(bug);
  const Finished found = campaign(bug, script, flags + " --until-failure");
  CHECK(found.code == 1);
  CHECK(contains(found.out, "FAILED  " + shows));
  CHECK(contains(found.out, "\n  ORRERY_BUG=" + bug + " orrery run "));
  const Finished clean = campaign("", script, flags);
  CHECK(clean.code == 0);
}

}  // namespace

TEST_CASE("a signal lost between poll and wait is reported", "[planted][simulation.B1]") {
  check("notification.lost-wakeup", kScripts + "services.fsh", "--cores 2 --seeds 1..4", "status");
}

TEST_CASE("a revoke that skips a child is reported", "[planted][simulation.B2]") {
  check("cdt.revoke-skips", kScripts + "end.fsh", "--cores 2 --seeds 1..4", "status");
}

TEST_CASE("a refill that is merged and kept is reported", "[planted][simulation.B3]") {
  check("budget.refill-twice", "scenarios/free-kernel.lua", "--seeds 1..2", "invariant kernel.budgets");
}

TEST_CASE("an idle core that never takes the only thread that waits shows as a property never hit",
          "[planted][simulation.B4]") {
  const auto hits = [](const std::string& bug) {
    const std::string path = temporary("hits.db");
    std::remove(path.c_str());
    campaign(bug, kScripts + "pipes.fsh", "--cores 2 --seeds 1..3 --out " + path);
    u64 count = 0;
    {
      Database database(path, Database::Open::Existing);
      Statement query(database, "SELECT sum(count) FROM hit WHERE name LIKE '% sched.pulled-last'");
      if (query.step()) count = query.number(0);
    }
    std::remove(path.c_str());
    return count;
  };
  CHECK(hits("pull.half-of-one") == 0);
  CHECK(hits("") > 0);
}

TEST_CASE("a refused retype that moves the watermark is reported", "[planted][simulation.B5]") {
  check("untyped.failed-retype", kScripts + "crowd.fsh", "--cores 2 --seeds 1..1 --sched fair --checks 'every 500'",
        "invariant kernel.untyped");
}

TEST_CASE("an end of file lost to a waiting reader is reported", "[planted][simulation.B13]") {
  check("pipe.close-race", kScripts + "pipes.fsh", "--cores 2 --seeds 1..4", "stalled");
}

TEST_CASE("a frame that is sent again to the next server is reported", "[planted][simulation.B14]") {
  check("client.retry-append", "scenarios/frames-once.lua", "--seeds 1..5 --sched fair", "always once");
}

TEST_CASE("a crash loop that is never reported is found", "[planted][simulation.B15]") {
  check("supervisor.backoff-reset", kScripts + "services.fsh", "--seeds 1..2 --sched fair", "status");
}

TEST_CASE("a dead server's open request that is never answered is reported", "[planted][simulation.B16]") {
  check("supervisor.orphan-call", kScripts + "readers.fsh", "--seeds 1..2 --sched fair", "stalled");
}

TEST_CASE("a DOWN that overtakes its sender's last message is reported", "[planted][simulation.B23]") {
  check("lonala.down-overtakes", kScripts + "lonala.fsh", "--cores 2 --seeds 1..2", "status");
}

TEST_CASE("an invariant that is looked at now and then is filed under the event that broke it", "[planted][campaign]") {
  const std::string flags = " --cores 2 --seeds 1..4 --checks 'every 500'";
  const Finished found = campaign("untyped.failed-retype", kScripts + "crowd.fsh", flags);
  CAPTURE(found.out);
  CHECK(contains(found.out, "4 runs   failed 4"));
  // One cluster, whatever ran when the invariant was looked at: the thread that retypes did it.
  CHECK(contains(found.out, "FAILED  invariant kernel.untyped   root   seed 1 (+3)"));
  const Finished once = shell("ORRERY_BUG=untyped.failed-retype " + kOrrery + " run " + kCases + kScripts +
                              "crowd.fsh --seed 1 --sched fair --checks 'every 500' 2>&1 >/dev/null");
  CHECK(once.code == 1);
  CHECK(contains(once.out, "FAILED  invariant kernel.untyped  root  at "));
}

TEST_CASE("a driver that acknowledges, keeps or leaves out what it should not is reported", "[planted][disk]") {
  const std::string shows = "always nothing-wrong";
  for (const char* bug : {"disk.ahead-kept", "disk.edges-unread", "disk.last-sector", "disk.retry-unread",
                          "disk.sync-unflushed", "disk.write-unawaited"}) {
    check(bug, "scenarios/disk-log.lua", "--seeds 1..2 --sched fair", shows);
  }
}

TEST_CASE("a synced write that a power cut takes is reported by a buffered history", "[planted][disk]") {
  check("disk.sync-unflushed", kScripts + "disk-register.lua", "--seeds 1..12 --sched fair", "history h.linearizable");
}

TEST_CASE("results of a build with a bug are of another model, which says so", "[planted][campaign]") {
  const std::string clean = temporary("clean.db");
  const std::string bugged = temporary("bugged.db");
  for (const std::string& path : {clean, bugged}) std::remove(path.c_str());
  const std::string seeds = "--seeds 1..1 --sched fair --out ";
  CHECK(campaign("", kScripts + "end.fsh", seeds + clean).code == 0);
  CHECK(campaign("pipe.close-race", kScripts + "end.fsh", seeds + bugged).code != 2);
  const Finished into = campaign("pipe.close-race", kScripts + "end.fsh", seeds + clean);
  CHECK(into.code == 8);
  CHECK(contains(into.out, "with the planted bug pipe.close-race"));
  const Finished merged = shell(kOrrery + " campaign merge " + clean + " " + bugged + " 2>&1");
  CHECK(merged.code == 8);
  CHECK(contains(merged.out, "with the planted bug pipe.close-race"));
  const auto id = [](const std::string& bug) { return shell("ORRERY_BUG=" + bug + " " + kOrrery + " version").out; };
  CHECK(id("") != id("pipe.close-race"));
  CHECK(id("pipe.close-race") != id("cdt.revoke-skips"));
  CHECK(shell("ORRERY_BUG=pipe.closerace " + kOrrery + " version 2>&1").code == 2);
  for (const std::string& path : {clean, bugged}) std::remove(path.c_str());
}
