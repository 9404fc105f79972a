// tests/scenario/reference_test.cpp — the functions of the reference, all of them used by examples that hold; models of
// one's own, golden files.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

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
  for (const char* name : {"files.lua", "actions.lua", "judges.lua"}) {
    CAPTURE(name);
    ScenarioCase made(kExamples + name, user::native_entries(), image());
    made.observer.called = [&](const scenario::Call& call) { called.insert(name_of_call(call)); };
    CHECK(found(run(made)) == "held");
  }
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
