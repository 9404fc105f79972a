// sim/host/cli/scenario.cpp — `orrery scenario`: reading a scenario file without running it, beginning a new one, and what
// a file can call.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "sim/host/cli/cli.h"
#include "sim/host/scenario/case.h"

namespace sim::host::cli {
namespace {

constexpr std::string_view kTemplate =
    R"(-- NAME.lua: two writers share a file on a node whose servers are killed.
local s = scenario("NAME", { about = "what was written is read back", lasts = "2s" })

local a = s:node("a", { cores = range(1, 2) })
s:faults { allow = { "process.kill" }, intensity = 2 }

local notes = s:history("notes", { model = "register" })
for i = 1, 2 do
  s:client("writer-" .. i, a, function(me)       -- a process on node a; each call is a real one
    while me:running() do
      local text, mine = me:unique(), "/home/note-" .. i
      notes:write(me, text, function()            -- a rename is seen whole; a write is a truncation first
        local ok, err = me:write(mine, text)
        if not ok then return nil, err end
        return me:rename(mine, "/home/note")
      end)
      notes:read(me, function() return me:read("/home/note") end)
      me:sleep(range("1ms", "50ms"))
    end
  end)
end

s:sometimes("struck", "inject.fired")
s:eventually("goes-on", function(w) return notes:count("writer-1", "ok", "liveness") > 0 end)
s:finally(function(w) notes:check { linearizable = true } end)
)";

int check(const std::string& path, const Guest& guest, bool show_plan) {
  const scenario::ScenarioCase opened(path, guest.entries, guest.image);
  for (const std::string& line : opened.mistakes()) std::fprintf(stderr, "%s\n", line.c_str());
  if (!opened.mistakes().empty()) return kUnreadable;
  if (show_plan) {
    std::printf("%s", opened.plan_text().c_str());
    std::printf("plan %s\n", opened.plan_id().c_str());
  } else {
    std::printf("%s: fine\n", path.c_str());
  }
  return kHeld;
}

int make_new(const Verb& verb, std::string path) {
  if (!path.ends_with(".lua")) path += ".lua";
  if (std::filesystem::exists(path)) return usage_error(verb, path + " is there already");
  const std::string name = std::filesystem::path(path).stem().string();
  std::string text(kTemplate);
  for (u64 at = text.find("NAME"); at != std::string::npos; at = text.find("NAME", at)) text.replace(at, 4, name);
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) {
    std::fprintf(stderr, "orrery: %s: cannot be written\n", path.c_str());
    return kUnreadable;
  }
  std::printf("%s: written; orrery run %s\n", path.c_str(), path.c_str());
  return kHeld;
}

}  // namespace

const Verb kScenarioVerb = {"scenario", "check a scenario file, show its plan, begin one, or list what it can call",
                            "usage: orrery scenario check FILE... | plan FILE | new NAME | doc [NAME]\n"
                            "  check FILE...   all mistakes of each file, with lines\n"
                            "  plan FILE       what it declares, as text, and the plan's id\n"
                            "  new NAME        a small scenario to begin with, as NAME.lua\n"
                            "  doc [NAME]      the functions a scenario can call, or those whose name has NAME in it\n"
                            "example: orrery scenario check shared-notes.lua\n"
                            "exit:    0   2 usage   8 the file has mistakes or cannot be read\n",
                            scenario_verb};

int scenario_verb(Context& context) {
  CLI::App app;
  std::vector<std::string> words;
  app.add_option("words", words);
  if (const int code = parse_flags(app, context, kScenarioVerb); code >= 0) return code;
  const std::string action = words.empty() ? "" : words[0];
  if (action == "doc") {
    if (words.size() > 2) return usage_error(kScenarioVerb, "doc takes one name");
    const std::string text = scenario::reference(words.size() == 2 ? words[1] : "");
    if (text.empty()) return usage_error(kScenarioVerb, "no function has '" + words[1] + "' in its name");
    std::printf("%s", text.c_str());
    return kHeld;
  }
  if (action != "check" && action != "plan" && action != "new") {
    return usage_error(kScenarioVerb, action.empty() ? "check, plan, new or doc is needed"
                                                     : "there is no '" + action + "': check, plan, new or doc");
  }
  if (words.size() < 2) return usage_error(kScenarioVerb, "a file is needed");
  if (action == "new") return make_new(kScenarioVerb, words[1]);
  if (action == "plan" && words.size() > 2) return usage_error(kScenarioVerb, "plan takes one file");
  int code = kHeld;
  for (u64 i = 1; i < words.size(); ++i) {
    if (const int one = check(words[i], context.guest, action == "plan"); one != kHeld) code = one;
  }
  return code;
}

}  // namespace sim::host::cli
