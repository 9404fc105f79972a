// tests/scenario/record_test.cpp — recordings of scenarios: what they hold is enough to make the run again, anywhere.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sim/host/scenario/recorded.h"
#include "tests/sim/cli_lab.h"
#include "user/image.h"
#include "user/native.h"

using namespace sim::host;
namespace fs = std::filesystem;
using cli_lab::contains;
using cli_lab::Finished;
using cli_lab::shell;

namespace {

const std::string kImage(base::text_of(user::boot_image()));

/// A folder that goes with the test.
struct Folder {
  fs::path path;
  explicit Folder(const std::string& name = cli_lab::temporary("scenarios")) : path(name) {
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
    return (path / name).string();
  }
};

/// Two clients, faults, a file that is used, a choice of the seed, and a property that fails under some seeds.
const std::string kMain = R"(
  local pauses = use("pauses.lua")
  local s = scenario("kept", { about = "recorded", lasts = "200ms", warmup = "200ms" })
  local a = s:node("a", { cores = range(1, 3) })
  s:faults { allow = { "process.kill", "cpu.*" }, intensity = 3 }
  s:client("c", a, function(me)
    while me:running() do
      me:write("/home/f" .. me:below(3), me:unique())
      me:sleep(pauses)
    end
  end, { count = 2 })
  s:at("100ms", function(w) if w:seed() == 5 then a:crash() end end)
  s:never("has-power", "world.node-down")
)";
const std::string kPauses = "return range('1ms', '9ms')\n";

struct Made {
  RunReport report;
  replay::Recording recording;
};

/// The run of `setup`, recorded; the files are gone afterwards.
Made record(RunSetup setup, const std::string& text = kMain) {
  const Folder folder;
  folder.write("pauses.lua", kPauses);
  folder.write("kept.golden", "another\n");
  const std::string path = folder.write("kept.lua", text);
  scenario::ScenarioCase made(path, user::native_entries(), kImage);
  for (const std::string& mistake : made.mistakes()) UNSCOPED_INFO(mistake);
  REQUIRE(made.mistakes().empty());
  made.digests = replay::Digests::Dense;
  setup.record = (folder.path / "run.orrery").string();
  Made result{made.run(setup), replay::load(setup.record)};
  CHECK(!result.recording.problem);
  REQUIRE(result.recording.scenario() != nullptr);
  return result;
}

scenario::Recorded case_of(const replay::Recording& recording) {
  return scenario::case_of(recording, user::native_entries(), kImage);
}

/// The recording with one of its frames changed.
template <class T, class Change>
replay::Recording changed(const replay::Recording& recording, const Change& change) {
  std::vector<replay::Content> contents;
  bool done = false;
  for (const replay::Frame& frame : recording.frames) {
    contents.push_back(frame.content);
    T* content = std::get_if<T>(&contents.back());
    if (content == nullptr || done) continue;
    change(*content);
    done = true;
  }
  REQUIRE(done);
  return replay::parse(replay::file_of(contents));
}

void set_text(replay::Attachment& file, const std::string& text) {
  file.bytes.assign(text.begin(), text.end());
  file.sha256 = replay::sha256_of(file.bytes);
}

}  // namespace

TEST_CASE("a scenario's run replays from its recording alone", "[scenario][replay]") {
  const RunSetup setups[] = {
      {.seed = 2},
      {.seed = 5},  // fails
      {.seed = 4, .sched = "random"},
      {.seed = 6, .checks = "every 5ms"},
      {.seed = 8, .overrides = "orrery-overrides 1 seed=8 sched=fair\narm cpu.steal target=* intensity=4\n"},
      {.seed = 2, .until = 250'000'000},
  };
  for (const RunSetup& setup : setups) {
    CAPTURE(setup.seed, setup.sched, setup.overrides, setup.until);
    const Made made = record(setup);
    CHECK(made.report.verdict == (setup.seed == 5              ? Verdict::Failed
                                  : setup.until != sim::kNever ? Verdict::Limit
                                                               : Verdict::Held));
    scenario::Recorded recorded = case_of(made.recording);
    REQUIRE(recorded.error == "");
    const scenario::Rerun again = scenario::run_again(recorded, made.recording);
    CHECK(again.replayed.error == "");
    if (again.replayed.divergence) UNSCOPED_INFO(replay::describe(*again.replayed.divergence));
    CHECK(!again.replayed.divergence);
    CHECK(again.replayed.ended);
    CHECK(again.replayed.milestones == made.recording.all<replay::Milestone>().size());
    CHECK(text_of(again.report.root) == text_of(made.report.root));
    CHECK(again.report.drawn == made.report.drawn);
    CHECK(again.report.events == made.report.events);
  }
}

TEST_CASE("a recording holds the golden files that its run was held against", "[scenario][replay]") {
  const std::string text = kMain + R"(
  s:golden("kept.golden")
  )";
  const Made made = record({.seed = 2}, text);
  CHECK(made.report.verdict == Verdict::Failed);
  scenario::Recorded recorded = case_of(made.recording);
  REQUIRE(recorded.error == "");
  const scenario::Rerun again = scenario::run_again(recorded, made.recording);
  if (again.replayed.divergence) UNSCOPED_INFO(replay::describe(*again.replayed.divergence));
  CHECK(!again.replayed.divergence);
  REQUIRE(again.report.finding);
  CHECK(again.report.finding->details == made.report.finding->details);
  CHECK(contains(again.report.finding->details, "the file says \"another\""));
}

TEST_CASE("a recording holds what the disks of its scenario held at the start, and replays power cuts",
          "[scenario][replay][disk]") {
  const std::string text = R"(
    local s = scenario("kept", { lasts = "300ms", warmup = "200ms" })
    local d = s:disk("d", { from = "kept.golden", size = "64KiB", latency = range("20us", "90us") })
    local a = s:node("a", { disks = { d } })
    local begun = false
    s:client("c", a, function(me)
      local file = me:open("/dev/disk/d/data", "rw")
      local text = file:read(8)
      print(text)
      assert(begun or text == "another\n")
      begun = true
      while me:running() do
        file:seek(me:below(60000))
        file:write(me:unique())
        me:sleep("1ms")
      end
    end)
    s:every("90ms", function(w) a:crash() w:sleep("5ms") a:boot() end)
    s:every("70ms", function(w) d:unplug() w:sleep("5ms") d:plug() end)
  )";
  const Made made = record({.seed = 2}, text);
  CAPTURE(made.report.finding ? made.report.finding->details : "");
  CHECK(made.report.verdict == Verdict::Held);
  scenario::Recorded recorded = case_of(made.recording);
  REQUIRE(recorded.error == "");
  const scenario::Rerun again = scenario::run_again(recorded, made.recording);
  if (again.replayed.divergence) UNSCOPED_INFO(replay::describe(*again.replayed.divergence));
  CHECK(!again.replayed.divergence);
  CHECK(again.replayed.ended);
  CHECK(text_of(again.report.root) == text_of(made.report.root));
}

TEST_CASE("a buffered history has the same verdict when its recording is replayed", "[scenario][replay][history]") {
  const std::string held = cli_lab::read_file(ORRERY_SOURCE_DIR "/tests/planted/disk-register.lua");
  std::string failed = held;
  failed.replace(failed.find(", buffered = true"), 17, "");
  for (const std::string& text : {held, failed}) {
    Made made = record({.seed = 1}, text);
    for (u64 seed = 2; text == failed && made.report.verdict == Verdict::Held && seed < 16; ++seed) {
      made = record({.seed = seed}, text);
    }
    CHECK(made.report.verdict == (text == held ? Verdict::Held : Verdict::Failed));
    scenario::Recorded recorded = case_of(made.recording);
    REQUIRE(recorded.error == "");
    const scenario::Rerun again = scenario::run_again(recorded, made.recording);
    CHECK(!again.replayed.divergence);
    CHECK(again.replayed.ended);
    CHECK(text_of(again.report.root) == text_of(made.report.root));
    REQUIRE(again.report.finding.has_value() == made.report.finding.has_value());
    if (again.report.finding) CHECK(again.report.finding->details == made.report.finding->details);
  }
}

TEST_CASE("a scenario's recording is small and holds no path of the host", "[scenario][replay][privacy]") {
  const Folder folder;
  folder.write("pauses.lua", kPauses);
  scenario::ScenarioCase made(folder.write("kept.lua", kMain), user::native_entries(), kImage);
  const std::string file = (folder.path / "run.orrery").string();
  CHECK(made.run({.seed = 2, .record = file}).verdict == Verdict::Held);
  CHECK(!contains(cli_lab::read_file(file), "/tmp"));
  // Header, plan, verdict and end; 4 KiB is what a run without input may take beside its scenario.
  CHECK(fs::file_size(file) <= (u64{4} << 10) + kMain.size() + kPauses.size());
}

TEST_CASE("a recorded scenario that is not what it was is refused by name", "[scenario][replay]") {
  const Made made = record({.seed = 2});
  const auto error_of = [](const replay::Recording& recording) { return case_of(recording).error; };
  CHECK(error_of(made.recording) == "");
  const auto detached = changed<replay::Attachment>(made.recording, [](replay::Attachment& file) {
    file.external = true;
    file.bytes.clear();
  });
  CHECK(error_of(detached) ==
        "the file kept.lua of its scenario is kept as a hash only: `orrery recording attach` puts "
        "the one with SHA-256 " +
            replay::hex(replay::sha256_of(base::bytes_of(kMain))) + " back");
  const auto other_bytes =
      changed<replay::Attachment>(made.recording, [](replay::Attachment& file) { file.bytes[0] ^= 1; });
  CHECK(contains(error_of(other_bytes), "the file kept.lua of its scenario does not have the hash it is kept under"));
  const auto broken = changed<replay::Attachment>(
      made.recording, [](replay::Attachment& file) { set_text(file, "local s = scenario('x', { lasts = 5 })\n"); });
  CHECK(error_of(broken).starts_with("its scenario has mistakes: kept.lua:1: "));
  const auto lacking = changed<replay::Attachment>(
      made.recording, [](replay::Attachment& file) { set_text(file, "use('other.lua')\n" + kMain); });
  CHECK(contains(error_of(lacking), "kept.lua:1: use: 'other.lua' is not in the recording"));
  const auto other = changed<replay::Attachment>(
      made.recording, [](replay::Attachment& file) { set_text(file, kMain + "-- another text\n"); });
  CHECK(contains(error_of(other), "its scenario makes the plan "));
  const auto without = [&] {
    std::vector<replay::Content> contents;
    for (const replay::Frame& frame : made.recording.frames) {
      if (!std::holds_alternative<replay::Attachment>(frame.content)) contents.push_back(frame.content);
    }
    return replay::parse(replay::file_of(contents));
  }();
  CHECK(error_of(without) == "it names the scenario kept and holds none of its files");
}

TEST_CASE("a scenario's run that leaves its recording is told with the interval", "[scenario][replay]") {
  const Made made = record({.seed = 2});
  const auto divergence = [](const replay::Recording& recording) {
    scenario::Recorded recorded = case_of(recording);
    REQUIRE(recorded.error == "");
    const auto found = scenario::run_again(recorded, recording).replayed.divergence;
    return found ? replay::describe(*found) : std::string();
  };
  const auto milestone =
      changed<replay::Milestone>(made.recording, [](replay::Milestone& first) { first.root.high ^= 1; });
  CHECK(divergence(milestone).starts_with("diverged in #(0, 4096]: root "));
  const auto end = changed<replay::End>(made.recording, [](replay::End& last) { last.root.low ^= 1; });
  CHECK(contains(divergence(end), ", " + std::to_string(made.recording.end()->sequence) + "]: root "));
  const auto state = changed<replay::End>(made.recording, [](replay::End& last) { last.state.low ^= 1; });
  CHECK(contains(divergence(state), "another state of memory at the end"));
  const auto verdict = changed<replay::Verdict>(made.recording, [](replay::Verdict& last) {
    last.result = "failed";
    last.property = "has-power";
  });
  CHECK(contains(divergence(verdict),
                 "the verdict was failed, has-power at event " + std::to_string(made.report.events) + " and is held"));
  const auto seed = changed<replay::Header>(made.recording, [](replay::Header& head) { head.seed = 4; });
  CHECK(divergence(seed).starts_with("diverged in #(0, 4096]: root "));
}

TEST_CASE("the choices of a scenario's run are written, and repeat it", "[scenario][cli][explore]") {
  const Folder folder;
  folder.write("pauses.lua", kPauses);
  const std::string line = cli_lab::kOrrery + " run " + folder.write("kept.lua", kMain) + " --seed 5 --digest ";
  const std::string choices = (folder.path / "choices").string();
  const std::string made = shell(line + "--sched random --choices " + choices + " 2>/dev/null").out;
  REQUIRE(made.starts_with("digest "));
  CHECK(contains(cli_lab::read_file(choices), "seed=5"));
  CHECK(contains(cli_lab::read_file(choices), "\ncut "));
  CHECK(shell(line + "--overrides " + choices + " 2>/dev/null").out == made);
  CHECK(shell(line + "2>/dev/null").out != made);
  CHECK(contains(shell(line + "--choices /nonexistent/file 2>&1 >/dev/null").out, "orrery: /nonexistent/file"));
}

TEST_CASE("the verbs take a scenario's recording where its files no longer are", "[scenario][cli][replay]") {
  const Folder folder;
  const std::string file = (folder.path / "out.orrery").string();
  const std::string& orrery = cli_lab::kOrrery;
  std::string run;
  std::string table;
  {
    const Folder gone{(folder.path / "gone").string()};
    gone.write("pauses.lua", kPauses);
    const std::string path = gone.write("kept.lua", kMain);
    run = shell(orrery + " run " + path + " --seed 5 --sched random --record " + file + " --digest 2>/dev/null").out;
    table = shell(orrery + " digest " + path + " --seed 5").out;
    CHECK(shell(orrery + " run " + path + " --record /nonexistent/x.orrery 2>&1").code == 8);
    CHECK(shell(orrery + " run " + path + " --seed 5 --record " + file + ".plain 2>/dev/null").code == 1);
  }
  REQUIRE(run.starts_with("digest "));
  const Finished again = shell(orrery + " replay " + file + " --digest 2>/dev/null");
  CHECK(again.code == 0);
  CHECK(again.out == run);
  const Finished said = shell(orrery + " replay " + file + " 2>&1");
  CHECK(contains(said.out, "FAILED  never has-power"));
  CHECK(contains(said.out, "end, state and verdict: failed"));
  CHECK(shell(orrery + " replay " + file + " --json 2>/dev/null | python3 -m json.tool").code == 0);
  CHECK(contains(shell(orrery + " replay " + file + " --until 100ms 2>&1").out, "stopped before its end"));
  CHECK(contains(shell(orrery + " replay " + file + " --trace inject.armed 2>&1").out, "inject.armed"));
  CHECK(shell(orrery + " replay " + file + " --speed 2 2>&1").code == 2);
  CHECK(shell(orrery + " digest " + file + ".plain").out == table);
  const Finished info = shell(orrery + " recording info " + file);
  CHECK(contains(info.out, "scenario  kept  plan "));
  CHECK(contains(info.out, "attached  kept.lua  "));
  CHECK(contains(info.out, "attached  pauses.lua  "));
  CHECK(contains(info.out, "end       failed after "));
  CHECK(shell(orrery + " recording info " + file + " --json | python3 -m json.tool").code == 0);
  CHECK(shell(orrery + " recording check " + file).code == 0);
  CHECK(contains(shell(orrery + " verify " + file + " 2>&1").out, "equal     "));
  const std::string shorter = (folder.path / "cut.orrery").string();
  CHECK(contains(shell(orrery + " recording cut " + file + " " + shorter + " --until 100ms").out, "limit after "));
  CHECK(contains(shell(orrery + " replay " + shorter + " 2>&1").out, "end, state and verdict: limit"));
  CHECK(contains(shell(orrery + " recording redact " + file + " " + shorter + " 2>&1").out, "nothing to redact"));
  const std::string bare = (folder.path / "bare.orrery").string();
  CHECK(shell(orrery + " recording detach " + file + " " + bare).code == 0);
  const Finished refused = shell(orrery + " replay " + bare + " 2>&1");
  CHECK(refused.code == 8);
  CHECK(contains(refused.out, "the file kept.lua of its scenario is kept as a hash only"));
  const Finished minimised = shell(orrery + " minimise " + file + " --runs 20 --jobs 1 -q --out " + shorter + " 2>&1");
  CAPTURE(minimised.out);
  CHECK(minimised.code == 0);
  CHECK(contains(shell(orrery + " replay " + shorter + " 2>&1").out, "end, state and verdict: failed"));
}
