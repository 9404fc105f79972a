// What shrinking leaves of long runs that a planted bug makes fail: scripts of more than two hundred operations of which
// few are needed, under several strategies, with faults and without.
#include <catch2/catch.hpp>

#include <algorithm>
#include <iterator>
#include <span>
#include <sstream>

#include "tests/sim/cli_lab.h"

using namespace cli_lab;

namespace {

constexpr u64 kFiller = 110;  // lines before what fails, and as many behind it

#ifdef __SANITIZE_ADDRESS__
constexpr u64 kShrunk = 2;  // of the cases: each is some hundred runs, ten times as long here
#else
constexpr u64 kShrunk = 6;
#endif

/// Ordinary work whose results are right under every schedule.
std::string filler(u64 from) {
  std::ostringstream text;
  for (u64 i = 0; i < kFiller; ++i) {
    switch ((from + i) % 8) {
      case 0: text << "echo " << i << " > /tmp/f" << i % 7; break;
      case 1: text << "cat /tmp/f" << i % 7 << " > /tmp/g" << i << " 2> /dev/null"; break;
      case 2: text << "count=$((count+" << i << "))"; break;
      case 3: text << "mkdir -p /tmp/d" << i % 5; break;
      case 4: text << "test -d /tmp || exit 99"; break;
      case 5: text << "ls /tmp > /tmp/list" << i % 3; break;
      case 6: text << "true && echo more > /dev/null"; break;
      default: text << "sleep 0.01";
    }
    text << "\n";
  }
  return text.str();
}

struct Counts {
  u64 faults = 0;
  u64 operations = 0;
  u64 choices = 0;
};
struct Shrunk {
  bool failed = false;
  bool is_minimal = false;
  Counts before;
  Counts after;
};

u64 number_after(const std::string& text, const std::string& key, std::size_t from) {
  const auto at = text.find("\"" + key + "\":", from);
  return at == std::string::npos ? ~u64{0} : std::strtoull(text.c_str() + at + key.size() + 3, nullptr, 10);
}

Counts counts_at(const std::string& json, const std::string& key) {
  const auto at = json.find("\"" + key + "\":{");
  return {number_after(json, "faults", at), number_after(json, "operations", at), number_after(json, "choices", at)};
}

Shrunk shrink(const std::string& bug, const std::string& script, const std::string& flags) {
  std::string core = read_file(std::string(ORRERY_SOURCE_DIR) + "/tests/planted/" + script + ".fsh");
  if (!core.ends_with('\n')) core += '\n';
  const std::string path = script_file(filler(0) + core + filler(3));
  const std::string least = temporary("least.orrery");
  const Finished finished = shell("ORRERY_BUG=" + bug + " " + kOrrery + " minimise " + path +
                                  " -q --json --jobs 1 --time 600s --out " + least + " " + flags + " 2>/dev/null");
  for (const std::string& file : {path, least}) std::remove(file.c_str());
  if (finished.code != 0) return {};
  return {.failed = true,
          .is_minimal = contains(finished.out, "\"is_minimal\":true"),
          .before = counts_at(finished.out, "before"),
          .after = counts_at(finished.out, "after")};
}

u64 median(std::vector<u64> values) {
  std::sort(values.begin(), values.end());
  return values.at(values.size() / 2);
}

}  // namespace

TEST_CASE("long failing runs shrink to a tenth of their operations, and to few faults and choices",
          "[planted][minimise][simulation.T67]") {
  struct Long {
    const char* bug;
    const char* script;
    const char* flags;
  };
  constexpr Long cases[] = {
      {"supervisor.orphan-call", "readers", "--sched random"},
      {"notification.lost-wakeup", "services", "--cores 2 --sched random"},
      {"cdt.revoke-skips", "end", "--cores 2 --sched random --seed 3"},
      {"pipe.close-race", "pipes", "--cores 2 --sched pct"},
      {"lonala.down-overtakes", "lonala", "--cores 2 --sched random"},
      {"supervisor.orphan-call", "readers", "--fault 'process.kill target=1/dev from=2ms at-most=2 intensity=4'"},
  };
  std::vector<u64> faults;
  std::vector<u64> choices;
  std::vector<u64> percent_left;
  static_assert(std::size(cases) >= kShrunk);
  for (const Long& one : std::span(cases).first(kShrunk)) {
    CAPTURE(one.bug, one.script);
    const Shrunk shrunk = shrink(one.bug, one.script, one.flags);
    REQUIRE(shrunk.failed);
    CHECK(shrunk.is_minimal);  // within its budget of 500 runs, so no operation could go any more
    CHECK(shrunk.before.operations >= 200);
    faults.push_back(shrunk.after.faults);
    choices.push_back(shrunk.after.choices);
    percent_left.push_back(shrunk.after.operations * 100 / shrunk.before.operations);
  }
  CHECK(median(faults) <= 3);
  CHECK(median(choices) <= 3);
  CHECK(median(percent_left) <= 10);
}
