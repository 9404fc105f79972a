// tests/scenario/reference_test.cpp — the functions of the reference, all of them used by examples that hold; models of
// one's own, golden files.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "sim/host/excuse.h"
#include "sim/host/scenario/case.h"
#include "sim/host/scenario/lua_model.h"
#include "sim/host/text.h"
#include "user/image.h"
#include "user/native.h"

using namespace sim::host;
using scenario::ScenarioCase;

namespace {

const std::string kExamples = ORRERY_SOURCE_DIR "/tests/scenario/examples/";

std::string image() { return std::string(base::text_of(user::boot_image())); }

RunReport run(ScenarioCase& made, u64 seed = 1) {
  for (const std::string& mistake : made.mistakes()) UNSCOPED_INFO(mistake);
  REQUIRE(made.mistakes().empty());
  RunReport report = made.run({.seed = seed});
  if (report.finding) UNSCOPED_INFO(report.finding->property + ": " + report.finding->details);
  return report;
}

/// A scenario of a text, in a folder of its own.
class Written {
 public:
  explicit Written(const std::string& text) : folder_("/tmp/orrery-reference-" + std::to_string(getpid()) + "/") {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ + "x.lua") << text;
  }
  ~Written() { std::filesystem::remove_all(folder_); }
  Written(const Written&) = delete;
  Written& operator=(const Written&) = delete;
  ScenarioCase open() const { return ScenarioCase(folder_ + "x.lua", user::native_entries(), image()); }
  std::string file(const std::string& name) const { return folder_ + name; }

 private:
  std::string folder_;
};

RunReport run(const std::string& text, u64 seed = 1) {
  const Written written(text);
  ScenarioCase made = written.open();
  return run(made, seed);
}

std::string found(const RunReport& report) {
  if (!report.finding) return std::string(name_of(report.verdict));
  return report.finding->kind + " " + report.finding->property + ": " + report.finding->details;
}

const std::string kHead = "local s = scenario('t', { lasts = '100ms', warmup = '200ms' }) local a = s:node('a')\n";

/// One operation of each name in `operations`, under a model of the file.
std::string with_model(const std::string& model, const std::string& operations) {
  return kHead + "local h = s:history('h', { model = " + model + " })\n" + "s:client('c', a, function(me)\n" +
         operations + "\nend)\ns:finally(function(w) h:check() end)\n";
}

}  // namespace

TEST_CASE("every function of the reference is used in an example that holds", "[scenario][docs][simulation.T55]") {
  std::set<std::string> called;
  const auto name_of_call = [](const scenario::Call& call) {
    const std::string handle = scenario::handle_of(call.type);
    return (handle.empty() ? "" : handle + ":") + call.name;
  };
  for (const char* name : {"files.lua", "actions.lua", "disks.lua", "judges.lua"}) {
    CAPTURE(name);
    ScenarioCase made(kExamples + name, user::native_entries(), image());
    made.observer.called = [&](const scenario::Call& call) { called.insert(name_of_call(call)); };
    CHECK(found(run(made)) == "held");
  }
  ScenarioCase lost(kExamples + "lost.lua", user::native_entries(), image());
  lost.observer.called = [&](const scenario::Call& call) { called.insert(name_of_call(call)); };
  RunReport excused = run(lost);
  look_for_excuse(lost, {.seed = 1}, excused);
  CHECK(excused.verdict == Verdict::Excused);
  for (const scenario::Call& call : scenario::all_calls()) {
    if (std::string_view(call.about).starts_with("refused:")) continue;  // tests/scenario/mistakes_test.cpp
    CAPTURE(name_of_call(call));
    CHECK(called.contains(name_of_call(call)));
  }
}

TEST_CASE("a model of the file's own judges a history", "[scenario][history]") {
  const std::string queue = R"({ init = { first = 1 }, reads = { "peek" }, apply = function(state, op)
    if op.name == "put" then
      state[#state + 1] = op.args[1]
      return true, state
    end
    if not op.known then return true end
    if op.name == "peek" then return op.result == state[1] end
    return op.result == table.remove(state, 1), state
  end })";
  const auto operations = [](const char* result) {
    return "h:call(me, 'put', 'x', function() return true end) h:call(me, 'put', 'y', function() return true end)\n"
           "h:call(me, 'peek', function() return 'x' end) h:call(me, 'take', function() return '" +
           std::string(result) + "' end)";
  };
  CHECK(found(run(with_model(queue, operations("x")))) == "held");
  const std::string wrong = found(run(with_model(queue, operations("y"))));
  CHECK(wrong.find("history h.linearizable: ") == 0);
  CHECK(wrong.find("take → ok \"y\"") != std::string::npos);
}

TEST_CASE("a model that errs is told by name and line", "[scenario][history]") {
  const std::string one = "h:call(me, 'put', 1, function() return true end)";
  const auto said = [&](const std::string& model) { return found(run(with_model(model, one))); };
  CHECK(said("{ init = 0, apply = function(state, op) return true, state.x.y end }")
            .find("script script: history h: its model failed: x.lua:2: attempt to index a") == 0);
  CHECK(said("{ init = 0, apply = function(state, op) return true, print end }") ==
        "script script: history h: its model failed: x.lua:2: apply: the new state: a function cannot be kept");
  CHECK(said("{ init = function() error('no') end, apply = function() return true end }") ==
        "script script: history h: its model failed: x.lua:2: no");
  CHECK(said("{ init = 0, apply = function() a:crash() end }")
            .find("n:crash cannot be called from a judging callback, which only looks") != std::string::npos);
  CHECK(said("{ init = 0, apply = function() while true do end end }")
            .find("more than 1000000 instructions in one callback") != std::string::npos);
}

TEST_CASE("a state of a model is its own copy, and equal states are equal bytes", "[scenario][history]") {
  scenario::Sandbox box(1, "x");
  lua_State* state = box.state();
  const auto bytes = [&](const std::string& expression) {
    REQUIRE(box.load("return " + expression, "x").empty());
    REQUIRE(box.call(0, 1).empty());
    std::string out;
    const std::string wrong = scenario::encode_value(state, -1, out);
    lua_settop(state, 0);
    return wrong.empty() ? out : "wrong: " + wrong;
  };
  CHECK(bytes("{ a = 1, b = { 2, true, 'x', 0.5 } }") == bytes("{ b = { 2, true, 'x', 0.5 }, a = 1 }"));
  CHECK(bytes("{ 1 }") != bytes("{ '1' }"));
  CHECK(bytes("1") != bytes("1.0"));
  CHECK(bytes("{ [print] = 1 }") == "wrong: a table has a function as a key");
  CHECK(bytes("(function() local t = {} t.t = t return t end)()") == "wrong: tables are nested more than 32 deep");
  for (const char* expression :
       {"nil", "true", "-7", "0.25", "'\\0\\255'", "{ a = { b = { false, 'c' } }, [2] = 1 }"}) {
    CAPTURE(expression);
    const std::string once = bytes(expression);
    scenario::push_value(state, once);
    std::string twice;
    CHECK(scenario::encode_value(state, -1, twice).empty());
    lua_settop(state, 0);
    CHECK(once == twice);
  }
}

TEST_CASE("a run is held against golden files, and writes them when told to", "[scenario][golden]") {
  const Written written(R"(
    local s = scenario("g", { lasts = "1s", warmup = "200ms" })
    local a = s:node("a")
    local console = a:console()
    s:golden("console.txt")
    s:golden("events.txt", { events = "world.node-up or world.phase", seed = 2 })
    s:at("0s", function(w) console:type("echo seed-" .. (w:seed() < 3 and "low" or "high") .. "\n") end))");
  ScenarioCase made = written.open();
  CHECK(found(run(made)) == "golden console.txt: the file is not there; `orrery run SCENARIO --bless` writes it");
  made.blesses = true;
  CHECK(found(run(made, 2)) == "held");
  REQUIRE(made.notes().size() == 2);
  made.blesses = false;
  CHECK(found(run(made, 2)) == "held");
  CHECK(found(run(made, 1)) == "held");  // its events are another's, and not looked at
  const std::string other = found(run(made, 3));
  CHECK(other.find("golden console.txt: line ") == 0);
  CHECK(other.find("seed-high") != std::string::npos);
  std::string events;
  REQUIRE(read_file(written.file("events.txt"), events));
  REQUIRE(write_file(written.file("events.txt"), events + "one more\n"));
  CHECK(found(run(made, 2)).find(": the file says \"one more\", the run has ended") != std::string::npos);
  REQUIRE(write_file(written.file("events.txt"), events.substr(0, events.find('\n') + 1)));
  CHECK(found(run(made, 2)).find("golden events.txt: line 2: the file has ended, the run says \"#") == 0);
}

TEST_CASE("an excuse that is expected and does not come fails the run", "[scenario][faults]") {
  const auto judged = [](const std::string& more) {
    const Written written(
        "local s = scenario('t', { lasts = '3s', warmup = '200ms' }) local a, b = s:node('a'), s:node('b')\n"
        "s:faults { allow = { 'node.lost:target=b per-minute=60 at-most=1' }, swarm = false, "
        "budget = { nodes_down = 1 } }\n"
        "s:client('c', a, function(me) while me:running() do me:sleep('20ms') end end)\n" +
        more);
    ScenarioCase made = written.open();
    RunReport report = run(made);
    look_for_excuse(made, {.seed = 1}, report);
    return found(report);
  };
  const std::string up = "s:always('b-is-up', function(w) return b:is_up() end)\n";
  CHECK(judged("s:expect_excuse('node.lost')") == "expect expect_excuse: no excuse with \"node.lost\": the run held");
  CHECK(judged(up + "s:expect_excuse('node.lost b @0')").find("always b-is-up: ") == 0);
  CHECK(judged(up + "s:expect_excuse('disk')").find("expect expect_excuse: no excuse with \"disk\"") == 0);
}

TEST_CASE("a callback injects faults, which the ledger judges as any other", "[scenario][faults]") {
  const std::string text = kHead + R"lua(
    s:sometimes("fired", "inject.fired")
    s:sometimes("withheld", "inject.withheld")
    s:sometimes("died", "vm.process-exit name=dev")
    s:client("c", a, function(me) while me:running() do me:read("/dev/sysname") me:sleep("5ms") end end)
  )lua";
  const auto counts = [&](const std::string& action) {
    const Written written(text + "s:at('10ms', function(w) " + action + " end)\n" +
                          "s:finally(function(w) print(w:count('fired'), w:count('withheld'), w:count('died')) end)");
    ScenarioCase made = written.open();
    const RunReport report = run(made);
    if (report.finding) return report.finding->details;
    const std::string note = made.notes().back();
    return note.substr(note.find(' ') + 1);
  };
  CHECK(counts("") == "0\t0\t0");
  CHECK(counts("w:inject('process.kill', 'a/dev')") == "1\t0\t1");
  CHECK(counts("w:trap(a:process('dev'))") == "1\t0\t1");
  CHECK(counts("w:inject('clock.step', a, { time = '1s' })") == "1\t0\t0");
  CHECK(counts("a:slow(4, '1ms')") == "1\t0\t0");
  CHECK(counts("w:inject('node.crash', a)") == "0\t1\t0");  // the budget has no node that may be down
  CHECK(counts("a:process('dev'):hang()") == "0\t1\t0");    // nobody would notice
  CHECK(counts("w:quiet(true) w:inject('clock.step', a)") == "0\t0\t0");
  CHECK(counts("w:inject('clock.stp', a)").find("inject: there is no fault class 'clock.stp'; there are clock.") !=
        std::string::npos);
  CHECK(counts("w:inject('clock.step', a, { tim = '1s' })").find("has no knob 'tim'") != std::string::npos);
  CHECK(counts("w:inject('clock.step', 'b')").find("the class strikes no such target") != std::string::npos);
}
