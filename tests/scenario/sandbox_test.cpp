// tests/scenario/sandbox_test.cpp — the Lua of scenarios: the same answers whatever the state's hash seed, limits that nothing
// catches, and nothing in it that is not listed.
#include <catch2/catch.hpp>

#include <memory>
#include <set>

#include "sim/host/scenario/sandbox.h"
#include "sim/host/scenario/source_check.h"

using namespace sim::host::scenario;

namespace {

/// What a text printed, or the error that ended it.
std::string printed(Sandbox& box, const std::string& text) {
  std::string out;
  box.on_print = [&out](std::string_view line) { out += std::string(line) + "\n"; };
  if (const std::string error = box.load(text, "t.lua"); !error.empty()) return "load: " + error;
  if (const std::string error = box.call(0, 0); !error.empty()) return out + "error: " + error;
  return out;
}

std::string printed(const std::string& text, Limits limits = {}) {
  Sandbox box(7, "t.lua", limits);
  return printed(box, text);
}

constexpr const char* kMixed = R"(
local t = {}
for i = 1, 40 do t["key" .. (i * 7919 % 101)] = i end
for _, i in ipairs { -3, 9, 1 << 40, 2, 5 } do t[i] = "n" .. i end
t[true] = 1 t[false] = 0
for key, value in pairs(t) do print(key, value) end
local words = {}
for i = 1, 60 do words[i] = { name = "w" .. i % 7, order = i } end
table.sort(words, function(a, b) return a.name < b.name end)
for _, word in ipairs(words) do print(word.name, word.order) end
print(tostring({}), tostring(print), tostring(words[1]))
)";

}  // namespace

TEST_CASE("pairs, table.sort and tostring agree over a hundred hash layouts", "[scenario][sandbox][simulation.T56]") {
  // Lua's hash seed mixes the address of its state: states that live side by side have different ones.
  std::vector<std::unique_ptr<Sandbox>> boxes;
  std::set<std::string> seen;
  for (u64 i = 0; i < 100; ++i) {
    boxes.push_back(std::make_unique<Sandbox>(7, "t.lua"));
    seen.insert(printed(*boxes.back(), kMixed));
  }
  REQUIRE(seen.size() == 1);
  const std::string text = *seen.begin();
  CHECK(text.find("error") == std::string::npos);
  CHECK(text.starts_with("-3\tn-3\n2\tn2\n5\tn5\n9\tn9\n1099511627776\t"));
  CHECK(text.find("true\t1\nw0\t7\nw0\t14\nw0\t21\n") !=
        std::string::npos);  // booleans last; equal names keep their order
  CHECK(text.ends_with("table#1\tfunction#2\ttable#3\n"));
}

TEST_CASE("pairs visits what is there and skips what was removed meanwhile", "[scenario][sandbox]") {
  CHECK(printed("local t = {1, 2, 3, x = 4} for k in pairs(t) do t[k] = nil t.x = nil print(k) end") == "1\n2\n3\n");
  CHECK(printed("for k in pairs { [1.5] = 1 } do end").find("t.lua:1: pairs: a key is a fraction") !=
        std::string::npos);
  CHECK(printed("local t = { [{}] = 1 } pairs(t)").find("a key is a table") != std::string::npos);
}

TEST_CASE("an endless callback stops at one instruction, whatever catches errors",
          "[scenario][sandbox][simulation.T57]") {
  const std::string plain = "local n = 0 while true do n = n + 1 if n % 1000 == 0 then print(n) end end";
  const std::string first = printed(plain, {.instructions = 100'000});
  for (int i = 0; i < 5; ++i) CHECK(printed(plain, {.instructions = 100'000}) == first);
  CHECK(first.find("error: t.lua:1: more than 100000 instructions in one callback") != std::string::npos);
  // pcall, xpcall with a handler that loops, a closing variable, a comparison function, a pattern's callback.
  const std::string more = "more than 1000 instructions";
  for (const char* text :
       {"while true do pcall(function() while true do end end) print('caught') end",
        "xpcall(function() while true do end end, function() while true do end end) print('caught')",
        "local c <close> = setmetatable({}, {__close = function() while true do end end}) while true do end",
        "pcall(table.sort, {3, 1, 2}, function() while true do end end) print('caught')",
        "pcall(string.gsub, 'abc', '.', function() while true do end end) print('caught')"}) {
    CAPTURE(text);
    const std::string out = printed(text, {.instructions = 1000});
    CHECK(out.find(more) != std::string::npos);
    CHECK(out.find("caught") == std::string::npos);
  }
}

TEST_CASE("depth and memory have limits that pcall cannot catch", "[scenario][sandbox][simulation.T57]") {
  const std::string deep = "local function f(n) return 1 + f(n + 1) end print(pcall(f, 1)) print('caught')";
  CHECK(printed(deep).find("error: t.lua:1: calls are nested deeper than 190") != std::string::npos);
  CHECK(printed(deep).find("caught") == std::string::npos);
  CHECK(printed("local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end print(f(180))") == "180\n");
  const std::string big =
      "local t = {} print(pcall(function() for i = 1, 100 do t[i] = ('x'):rep(1 << 20) .. i end end)) print('caught')";
  const std::string out = printed(big);
  CHECK(out.find("more than 64 MiB of memory") != std::string::npos);
  CHECK(out.find("caught") == std::string::npos);
  // Loops inside library functions are charged too.
  for (const char* text : {"table.move({}, 1, 1 << 50, 2)",
                           "table.insert(setmetatable({}, {__len = function() return 1 << 50 end}), 1, 0)",
                           "table.concat(setmetatable({}, {__len = function() return 1 << 50 end}))",
                           "table.sort(setmetatable({}, {__len = function() return 1 << 50 end}))"}) {
    CAPTURE(text);
    CHECK(printed(std::string("pcall(function() ") + text + " end) print('caught')").find("elements handled") !=
          std::string::npos);
  }
  CHECK(printed("print(#(''):rep(1 << 60))") == "0\n");
}

TEST_CASE("after a limit a state runs nothing more", "[scenario][sandbox]") {
  Sandbox box(1, "t.lua", {.instructions = 1000});
  CHECK(printed(box, "while true do end").find("more than 1000") != std::string::npos);
  CHECK(box.failed());
}

TEST_CASE("the sandbox has exactly the listed names", "[scenario][sandbox][simulation.T59]") {
  const std::string out = printed(R"(
    for key in pairs(_G) do print(key) end
    for _, library in ipairs { "math", "string", "table", "utf8" } do
      for key in pairs(_G[library]) do print(library .. "." .. key) end
    end)");
  std::string expected;
  for (const std::string_view name : sandbox_globals()) expected += std::string(name) + "\n";
  for (const char* library : {"math", "string", "table", "utf8"}) {
    for (const std::string_view name : library_names(library))
      expected += std::string(library) + "." + std::string(name) + "\n";
  }
  CHECK(out == expected);
  for (const AbsentName& absent : absent_names()) {
    const std::string name(absent.name);
    CAPTURE(name);
    CHECK(printed("print(" + name + ")").find("'" + name + "' does not exist in scenarios; ") != std::string::npos);
  }
  CHECK(printed("prnt(1)") == "error: t.lua:1: there is no 'prnt'; did you mean 'print'?");
  CHECK(printed("('x').dump()").find("'string.dump' does not exist") != std::string::npos);
  CHECK(printed("print(getmetatable(_G))") == "false\n");
}

TEST_CASE("what would show an address or run at a collection is refused", "[scenario][sandbox]") {
  CHECK(printed("print(string.format('%s %d %s', {}, 3, true))") == "table#1 3 true\n");
  CHECK(printed("print(string.format('%p', {}))").find("'%p' does not exist") != std::string::npos);
  CHECK(printed("print(('%a'):format(1.5))").find("'%a' does not exist") != std::string::npos);
  CHECK(printed("setmetatable({}, {__gc = print})").find("'__gc' does not exist") != std::string::npos);
  CHECK(printed("setmetatable({}, {['__mo' .. 'de'] = 'k'})").find("'__mode' does not exist") != std::string::npos);
  CHECK(printed("print(setmetatable({}, {__tostring = function() return 'me' end}), 0/0)") == "me\tnan\n");
  CHECK(printed("print(pcall(error, 'x')) print(pcall(function(...) return ... end, 1, 2)) print(xpcall(error, "
                "function(e) return e .. '!' end, 'y'))") == "false\tx\ntrue\t1\t2\nfalse\ty!\n");
}

TEST_CASE("math.random is a stream of the seed and the file", "[scenario][sandbox]") {
  const auto draws = [](u64 seed, const char* file) {
    Sandbox box(seed, file);
    return printed(box,
                   "for i = 1, 8 do print(math.random(6), math.random(-2, 2), math.random() < 1, math.random(0)) end");
  };
  CHECK(draws(1, "a") == draws(1, "a"));
  CHECK(draws(1, "a") != draws(2, "a"));
  CHECK(draws(1, "a") != draws(1, "b"));
}

TEST_CASE("a text tells its wrong names before it runs, with lines", "[scenario][source]") {
  const std::string text = R"(
local a, b = 1, os.time()
function helper(x) return x + a + nodee end
for i, v in pairs({ os = 1, [b] = io }) do print(i, v.os, self) end
local function f(me) local os = os return os, me.io, string.dump, math.tan end
repeat local done = helper(2 ^ 3) until done
goto out ::out:: t = { __mode = "k" } -- os
print([==[ os ]==], "io", t, a.io, unknown)
function a.m(q) return q end function a:n() return self end
)";
  const SourceNames names = read_names(text);
  std::vector<std::string> globals;
  for (const std::string_view name : sandbox_globals()) globals.emplace_back(name);
  globals.emplace_back("node");
  std::string out;
  for (const SourceIssue& issue : check_source(names, globals, {}))
    out += std::to_string(issue.line) + ": " + issue.text + "\n";
  CHECK(out ==
        "2: 'os' does not exist in scenarios; the time is me:now(), randomness is me:below(n)\n"
        "3: there is no 'nodee'; did you mean 'node'?\n"
        "4: 'io' does not exist in scenarios; files are those of a node: me:read(path), me:write(path, text)\n"
        "4: there is no 'self'; did you mean 'select'?\n"
        "5: 'os' does not exist in scenarios; the time is me:now(), randomness is me:below(n)\n"
        "5: 'string.dump' does not exist in scenarios; did you mean 'rep'?\n"
        "5: 'math.tan' does not exist in scenarios; did you mean 'max'?\n"
        "6: '^' does not exist in scenarios: its last digit is the C library's choice; multiply\n"
        "7: '__mode' does not exist in scenarios: when memory is collected is no part of a run\n"
        "8: there is no 'unknown'\n");
}
