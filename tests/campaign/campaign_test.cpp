// `orrery campaign` as a user meets it: reproduction lines, shards, kills, exit codes. The guest is the small one of
// tests/sim, whose word `roll` ends the run with a status that the seed draws.
#include <catch2/catch.hpp>

#include <signal.h>

#include <set>

#include "sim/host/campaign/database.h"
#include "tests/sim/cli_lab.h"

using namespace cli_lab;
using sim::host::campaign::Database;
using sim::host::campaign::Statement;

namespace {

/// A file that goes with the test.
class Scratch {
 public:
  explicit Scratch(const std::string& name, const std::string& text = {}) : path_(temporary(name)) {
    std::remove(path_.c_str());
    if (!text.empty()) std::ofstream(path_) << text;
  }
  ~Scratch() {
    std::remove(path_.c_str());
    std::remove((path_ + "-journal").c_str());
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// All rows of a query, columns joined by blanks.
std::vector<std::string> rows(const std::string& path, const std::string& sql, int columns) {
  Database database(path, Database::Open::Existing);
  Statement query(database, sql);
  std::vector<std::string> found;
  while (query.step()) {
    std::string row;
    for (int i = 0; i < columns; ++i) row += (i == 0 ? "" : " ") + query.text(i);
    found.push_back(row);
  }
  return found;
}

const std::string kColumns =
    "SELECT campaign, seed, overrides, arm, verdict, root, events, virtual_ns, strategy, drawn, cluster FROM run ";
const std::string kRunRows = kColumns + "WHERE arm = 'uniform' ORDER BY campaign, seed, overrides";
const std::string kAllRows = kColumns + "ORDER BY campaign, seed, overrides";  // with canaries
const std::string kClusterRows =
    "SELECT id, property, kind, role, signature, first_seed, state FROM cluster ORDER BY id";

Finished campaign(const std::string& arguments) { return shell(kOrrery + " campaign " + arguments); }

}  // namespace

TEST_CASE("each failure of a campaign is repeated by its printed line in a fresh process",
          "[campaign][cli][simulation.T61]") {
  const Scratch script("roll", "echo go\nroll\n");
  const Scratch results("roll.db");
  const Finished finished =
      campaign(script.path() + " --seeds 1..40 --jobs 2 -q --cores 2 --out " + results.path() + " 2>/dev/null");
  CHECK(finished.code == 1);
  const auto lines = rows(results.path(),
                          "SELECT scenario, seed, strategy, root FROM run JOIN campaign ON campaign = id WHERE arm = "
                          "'uniform' AND verdict = "
                          "'failed' ORDER BY seed LIMIT 20",
                          4);
  REQUIRE(lines.size() == 20);
  for (const std::string& line : lines) {
    CAPTURE(line);
    const auto root = line.rfind(' ');
    const auto strategy = line.rfind(' ', root - 1);
    const auto seed = line.rfind(' ', strategy - 1);
    const Finished again =
        shell(kOrrery + " run " + line.substr(0, seed) + " --seed " + line.substr(seed + 1, strategy - seed - 1) +
              " --sched " + line.substr(strategy + 1, root - strategy - 1) + " --digest 2>/dev/null");
    CHECK(again.code == 1);
    CHECK(contains(again.out, "digest " + line.substr(root + 1)));
  }
  // And as the report prints it, with this command's name before it.
  u32 printed = 0;
  for (auto at = finished.out.find("\n  orrery run "); at != std::string::npos;
       at = finished.out.find("\n  orrery run ", at + 1)) {
    const auto start = at + std::string("\n  orrery").size();
    const std::string line = finished.out.substr(start, finished.out.find('\n', start) - start);
    CAPTURE(line);
    CHECK(shell(kOrrery + line + " 2>/dev/null").code == 1);
    printed += 1;
  }
  CHECK(printed == 3);  // one line a cluster: the statuses 1, 2 and 3
}

TEST_CASE("shards that are merged equal the campaign that was not split", "[campaign][simulation.T62]") {
  const Scratch script("shards", "roll\n");
  const Scratch whole("whole.db");
  const Scratch merged("merged.db");
  CHECK(campaign(script.path() + " --seeds 5..52 --jobs 2 -q --out " + whole.path() + " >/dev/null 2>&1").code == 1);
  std::string parts;
  for (u32 shard = 1; shard <= 3; ++shard) {
    const std::string path = merged.path() + "." + std::to_string(shard);
    std::remove(path.c_str());
    campaign(script.path() + " --seeds 5..52 --jobs 1 -q --shard " + std::to_string(shard) + "/3 --out " + path +
             " >/dev/null 2>&1");
    CHECK(rows(path, kRunRows, 11).size() == 16);
    parts += " " + path;
  }
  CHECK(campaign("merge " + merged.path() + parts + " 2>/dev/null").code == 0);
  CHECK(rows(merged.path(), kAllRows, 11) == rows(whole.path(), kAllRows, 11));
  CHECK(rows(merged.path(), kClusterRows, 7) == rows(whole.path(), kClusterRows, 7));
  CHECK(rows(merged.path(), "SELECT * FROM campaign", 6) == rows(whole.path(), "SELECT * FROM campaign", 6));
  for (u32 shard = 1; shard <= 3; ++shard) std::remove((merged.path() + "." + std::to_string(shard)).c_str());
}

TEST_CASE("a campaign that is killed keeps what it committed and goes on from there", "[campaign][simulation.T63]") {
  const Scratch script("kill", "work\nroll\n");
  const Scratch results("kill.db");
  const std::string arguments =
      script.path() + " --seeds 1..150 --jobs 2 -q --sched fair --out " + results.path() + " >/dev/null 2>&1";
  const pid_t process = fork();
  if (process == 0) {
    setpgid(0, 0);
    const std::string line = "exec " + kOrrery + " campaign " + arguments;
    execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
    _exit(99);
  }
  std::vector<std::string> before;
  for (u32 wait = 0; wait < 400 && before.empty(); ++wait) {
    usleep(10'000);
    if (std::ifstream(results.path()).good()) {
      before = rows(results.path(), "SELECT name FROM sqlite_schema WHERE name = 'run'", 1);
      if (!before.empty()) before = rows(results.path(), kRunRows, 11);
    }
  }
  kill(process, SIGKILL);
  int status = 0;
  waitpid(process, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(before.size() >= 1);
  const auto after = rows(results.path(), kRunRows, 11);
  CHECK(after.size() >= before.size());
  CHECK(after.size() < 150);
  CHECK(campaign(arguments).code == 1);
  const auto all = rows(results.path(), kRunRows, 11);
  CHECK(all.size() == 150);
  const std::set<std::string> kept(all.begin(), all.end());
  for (const std::string& row : after) CHECK(kept.contains(row));
}

TEST_CASE("merging twice changes nothing, and one run with two roots is exit 4", "[campaign][simulation.T64]") {
  const Scratch script("twice", "roll\n");
  const Scratch results("twice.db");
  const Scratch into("into.db");
  campaign(script.path() + " --seeds 1..12 -q --out " + results.path() + " >/dev/null 2>&1");
  const std::string merge = "merge " + into.path() + " " + results.path() + " 2>&1";
  CHECK(campaign(merge).out == results.path() + ": 12 new runs\n");
  const auto once = rows(into.path(), kRunRows, 11);
  CHECK(campaign(merge).out == results.path() + ": 0 new runs\n");
  CHECK(rows(into.path(), kRunRows, 11) == once);
  {
    Database database(results.path(), Database::Open::Existing);
    database.execute(
        "UPDATE run SET root = '00000000000000000000000000000001' WHERE seed = 7; DELETE FROM run WHERE "
        "seed = 3; INSERT INTO run SELECT campaign, 99, overrides, arm, verdict, root, events, virtual_ns, "
        "wall_us, strategy, drawn, cluster FROM run WHERE seed = 1");
  }
  const Finished split = campaign(merge);
  CHECK(split.code == 4);
  CHECK(contains(split.out, "seed 7 has two roots"));
  CHECK(rows(into.path(), kRunRows, 11) == once);
}

TEST_CASE("a results file takes one model, and other files are refused with a reason", "[campaign][hostile]") {
  const Scratch script("model", "roll\n");
  const Scratch results("model.db");
  const Scratch other("other.db");
  campaign(script.path() + " --seeds 1..4 -q --out " + results.path() + " >/dev/null 2>&1");
  CHECK(shell("cp " + results.path() + " " + other.path()).code == 0);
  {
    Database database(other.path(), Database::Open::Existing);
    database.execute("UPDATE campaign SET model = 'of another build'");
  }
  const Finished refused = campaign(script.path() + " --seeds 1..8 -q --out " + other.path() + " 2>&1");
  CHECK(refused.code == 8);
  CHECK(contains(refused.out, "of another build"));
  const Finished merged = campaign("merge " + results.path() + " " + other.path() + " 2>&1");
  CHECK(merged.code == 8);
  CHECK(contains(merged.out, "of another model"));
  CHECK(campaign("merge " + results.path() + " " + script.path() + " 2>&1").code == 8);
  CHECK(campaign("merge " + results.path() + " /nonexistent.db 2>&1").code == 8);
  CHECK(campaign("report " + script.path() + " 2>&1").code == 8);
  CHECK(campaign("report /nonexistent.db 2>&1").code == 8);
  CHECK(rows(results.path(), kRunRows, 11).size() == 4);
}

TEST_CASE("stalls, silent loops and limits are results of a campaign", "[campaign][cli]") {
  const Scratch hang("hang", "hang\n");
  const Finished stalled = campaign(hang.path() + " --seeds 1..2 -q --json 2>/dev/null");
  CHECK(stalled.code == 1);
  CHECK(contains(stalled.out, "\"verdicts\":{\"stalled\":2}"));
  const Scratch spin("spin", "spin\n");
  const Finished silent = campaign(spin.path() + " --seeds 1..1 --sched fair -q 2>/dev/null");
  CHECK(silent.code == 1);
  CHECK(contains(silent.out, "FAILED  silent a thread neither charges nor traps   root   seed 1"));
  const Scratch sleep("sleep", "sleep\nsleep\n");
  const Finished limit = campaign(sleep.path() + " --seeds 1..3 --until 500ms -q 2>/dev/null");
  CHECK(limit.code == 11);
  CHECK(contains(limit.out, "limit 3"));
  const Finished first = campaign(hang.path() + " --seeds 1..500 --jobs 1 --until-failure -q 2>/dev/null");
  CHECK(first.code == 1);
  CHECK(contains(first.out, "  1 runs"));
}

TEST_CASE("wrong flags of a campaign are refused with what is allowed", "[campaign][cli][simulation.T95]") {
  const Scratch script("flags", "roll\n");
  for (const char* flags :
       {"--seeds 9..2", "--seeds x", "--shard 3/2", "--shard 0/2", "--jobs 0", "--time soon", "--sched psychic",
        "--memory-max lots", "--checks often", "--corpus /dev/null", "--seed 1", "--clusters-max 0"}) {
    CAPTURE(flags);
    const Finished finished = campaign(script.path() + " " + flags + " 2>&1");
    CHECK(finished.code == 2);
    CHECK(contains(finished.out, "orrery campaign: "));
  }
  CHECK(contains(campaign("--seed 1 " + script.path() + " 2>&1").out, "did you mean '--seeds'?"));
  CHECK(campaign(" 2>&1").code == 2);
  CHECK(campaign("merge one.db 2>&1").code == 2);
  CHECK(campaign("/nonexistent.fsh 2>&1").code == 8);
  const Finished help = campaign("--help");
  CHECK(help.code == 0);
  CHECK(contains(help.out, "example: orrery campaign"));
  CHECK(contains(help.out, "exit: "));
}

TEST_CASE("a shard is what the job engine of a cluster says", "[campaign][cli]") {
  const Scratch script("auto", "roll\n");
  const auto runs = [&](const std::string& environment, const std::string& seeds) {
    const Scratch results("auto.db");
    shell("env -i " + environment + " " + kOrrery + " campaign " + script.path() + " --seeds " + seeds +
          " --jobs 1 -q --shard auto --out " + results.path() + " >/dev/null 2>&1");
    return rows(results.path(), "SELECT seed FROM run WHERE arm = 'uniform'", 1);
  };
  CHECK(runs("SLURM_ARRAY_TASK_ID=12 SLURM_ARRAY_TASK_MIN=10 SLURM_ARRAY_TASK_COUNT=4", "1..8") ==
        std::vector<std::string>{"3", "7"});
  CHECK(runs("JOB_COMPLETION_INDEX=0 ORRERY_SHARDS=5", "1..8") == std::vector<std::string>{"1", "6"});
  const Finished none = shell("env -i " + kOrrery + " campaign " + script.path() + " --shard auto 2>&1");
  CHECK(none.code == 2);
  CHECK(contains(none.out, "SLURM_ARRAY_TASK_ID"));
}

TEST_CASE("the JSON of a report is that of the campaign, and the same each time", "[campaign][cli][simulation.T96]") {
  const Scratch script("json", "roll\n");
  const Scratch results("json.db");
  const std::string line = script.path() + " --seeds 1..20 -q --json --out " + results.path() + " 2>/dev/null";
  const Finished live = campaign(line);
  CHECK(live.code == 1);
  CHECK(live.out.starts_with("{\"campaigns\":[{\"build\":"));
  CHECK(live.out.ends_with(",\"schema\":\"orrery.campaign/1\"}\n"));
  CHECK(campaign("report " + results.path() + " --json").out == live.out);
  CHECK(campaign(line).out == live.out);  // nothing is left to run
  const Scratch junit("junit.xml");
  CHECK(campaign("report " + results.path() + " --junit " + junit.path() + " >/dev/null").code == 1);
  const std::string xml = read_file(junit.path());
  CHECK(contains(xml, "runs held"));
  CHECK(contains(xml, "<failure type=\"failed\" message=\"exit 2 in "));
}
