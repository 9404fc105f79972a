// sim/host/scenario/program.cpp — running a scenario file: objects, mistakes, other files.
#include "sim/host/nearest.h"
#include "sim/host/scenario/program.h"

#include <algorithm>
#include <filesystem>

#include "base/glob.h"
#include "sim/host/text.h"
#include "sim/host/faults.h"
#include "sim/host/filter.h"
#include "sim/host/scenario/source_check.h"

namespace sim::host::scenario {
namespace {

constexpr const char* kObject = "orrery.object";
const char kObjectsKey = 0;  // registry: identity of objects
const char kMethodsKey = 0;  // registry: type → name → function
const char kUnknownKey = 0;  // registry: the object that absorbs what follows a mistake

struct TypeName {
  ObjectType type;
  const char* handle;  // in the reference
  const char* text;    // in messages
};
constexpr TypeName kTypes[] = {
    {ObjectType::Global, "", "global"},
    {ObjectType::Scenario, "s", "scenario"},
    {ObjectType::Node, "n", "node"},
    {ObjectType::Link, "link", "link"},
    {ObjectType::Disk, "d", "disk"},
    {ObjectType::Rack, "rack", "rack"},
    {ObjectType::Client, "me", "client"},
    {ObjectType::World, "w", "world"},
    {ObjectType::Console, "console", "console"},
    {ObjectType::Process, "process", "process"},
    {ObjectType::Service, "service", "service"},
    {ObjectType::File, "file", "open file"},
    {ObjectType::History, "h", "history"},
};
const char* text_of(ObjectType type) {
  for (const TypeName& name : kTypes) {
    if (name.type == type) return name.text;
  }
  return "unknown";
}

const char* name_of(Phase phase) {
  switch (phase) {
    case Phase::Declare: return "the file itself, before the run";
    case Phase::Act: return "a callback that acts (s:at, s:every, s:when)";
    case Phase::Look: return "a judging callback, which only looks";
    case Phase::Client: return "a client";
  }
  return "";
}

/// Every function of the API is called through this: upvalue 1 is its Call.
int dispatch(lua_State* state) {
  const Call& call = *static_cast<const Call*>(lua_touserdata(state, lua_upvalueindex(1)));
  Program& program = Program::of(state);
  const std::string full =
      call.type == ObjectType::Global ? call.name : std::string(handle_of(call.type)) + ":" + call.name;
  if ((call.phases & static_cast<u8>(program.phase)) == 0) {
    const std::string text = full + " cannot be called from " + name_of(program.phase);
    if (program.phase == Phase::Declare) {
      program.mistake(state, text);
      lua_rawgetp(state, LUA_REGISTRYINDEX, &kUnknownKey);
      return 1;
    }
    return luaL_error(state, "%s", text.c_str());
  }
  if (call.type != ObjectType::Global) {
    const Object* self = Program::object_at(state, 1);
    if (self == nullptr || self->type != call.type) {
      return luaL_error(state, "%s: call it with a colon on a %s", full.c_str(), text_of(call.type));
    }
  }
  for (int i = 2; program.phase == Phase::Declare && i <= lua_gettop(state); ++i) {
    const Object* object = Program::object_at(state, i);
    if (object == nullptr || object->type != ObjectType::Unknown) continue;
    lua_rawgetp(state, LUA_REGISTRYINDEX, &kUnknownKey);  // what follows a mistake is none
    return 1;
  }
  program.tell_call(call);
  return call.function(state);
}

int absorb(lua_State* state) {
  lua_rawgetp(state, LUA_REGISTRYINDEX, &kUnknownKey);
  return 1;
}

/// `object.name`: a function, a field, or a name that is not there.
int index_object(lua_State* state) {
  const Object& object = *static_cast<const Object*>(lua_touserdata(state, 1));
  if (object.type == ObjectType::Unknown) return absorb(state);
  lua_rawgetp(state, LUA_REGISTRYINDEX, &kMethodsKey);
  lua_rawgeti(state, -1, static_cast<lua_Integer>(object.type));
  lua_pushvalue(state, 2);
  if (lua_rawget(state, -2) == LUA_TFUNCTION) return 1;
  if (lua_type(state, -1) == LUA_TLIGHTUSERDATA) {  // a field: its function is called at once
    const Call& call = *static_cast<const Call*>(lua_touserdata(state, -1));
    lua_settop(state, 1);
    Program::of(state).tell_call(call);
    return call.function(state);
  }
  std::vector<std::string> names;
  for (const Call& call : all_calls()) {
    if (call.type == object.type) names.emplace_back(call.name);
  }
  Program& program = Program::of(state);
  const std::string wanted = lua_isstring(state, 2) != 0 ? lua_tostring(state, 2) : "?";
  const std::string text =
      std::string("a ") + text_of(object.type) + " has no '" + wanted + "'" + did_you_mean(wanted, names);
  if (program.phase != Phase::Declare) return luaL_error(state, "%s", text.c_str());
  program.mistake(state, text);
  return absorb(state);
}

int assign_object(lua_State* state) {
  const Object& object = *static_cast<const Object*>(lua_touserdata(state, 1));
  return luaL_error(state, "a %s cannot be changed by assignment; declare its fields in the call that makes it",
                    text_of(object.type));
}

int text_of_object(lua_State* state) {
  const Object& object = *static_cast<const Object*>(lua_touserdata(state, 1));
  const Plan& plan = Program::of(state).plan;
  std::string text = text_of(object.type);
  if (object.type == ObjectType::Node) text += " " + plan.nodes[object.index].name;
  if (object.type == ObjectType::Link) text += " " + plan.links[object.index].name;
  if (object.type == ObjectType::Disk) text += " " + plan.disks[object.index].name;
  if (object.type == ObjectType::Client) text += " " + plan.clients[object.index].name;
  if (object.type == ObjectType::History) text += " " + plan.histories[object.index].name;
  lua_pushlstring(state, text.data(), text.size());
  return 1;
}

int open_objects(lua_State* state) {
  luaL_newmetatable(state, kObject);
  constexpr luaL_Reg kMeta[] = {{"__index", index_object},
                                {"__newindex", assign_object},
                                {"__tostring", text_of_object},
                                {"__call", absorb},
                                {nullptr, nullptr}};
  luaL_setfuncs(state, kMeta, 0);
  lua_pushboolean(state, 0);
  lua_setfield(state, -2, "__metatable");
  lua_settop(state, 0);
  lua_newtable(state);
  lua_rawsetp(state, LUA_REGISTRYINDEX, &kObjectsKey);
  new (lua_newuserdatauv(state, sizeof(Object), 0)) Object{};
  luaL_setmetatable(state, kObject);
  lua_rawsetp(state, LUA_REGISTRYINDEX, &kUnknownKey);

  lua_newtable(state);
  lua_rawsetp(state, LUA_REGISTRYINDEX, &kMethodsKey);
  for (const auto calls : {scenario_calls(), judge_calls(), world_calls(), client_calls()}) {
    for (const Call& call : calls) {
      if (call.type == ObjectType::Global) {
        lua_pushglobaltable(state);
      } else {
        lua_rawgetp(state, LUA_REGISTRYINDEX, &kMethodsKey);
        if (lua_rawgeti(state, -1, static_cast<lua_Integer>(call.type)) != LUA_TTABLE) {
          lua_pop(state, 1);
          lua_newtable(state);
          lua_pushvalue(state, -1);
          lua_rawseti(state, -3, static_cast<lua_Integer>(call.type));
        }
      }
      lua_pushlightuserdata(state, const_cast<Call*>(&call));
      if (call.arguments[0] != '.') lua_pushcclosure(state, dispatch, 1);
      lua_setfield(state, -2, call.name);
      lua_settop(state, 0);
    }
  }
  return 0;
}

}  // namespace

const char* handle_of(ObjectType type) {
  for (const TypeName& name : kTypes) {
    if (name.type == type) return name.handle;
  }
  return "";
}

std::vector<Call> all_calls() {
  std::vector<Call> calls;
  for (const auto part : {scenario_calls(), judge_calls(), world_calls(), client_calls()}) {
    calls.insert(calls.end(), part.begin(), part.end());
  }
  return calls;
}

std::string text_of(const Mistake& mistake) { return text_of(mistake.where) + ": " + mistake.text; }

const Sources::File* Sources::find(std::string_view name) const {
  for (const File& file : files) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

std::string open_sources(const std::string& path, Sources& out) {
  const std::filesystem::path full(path);
  out.folder = full.has_parent_path() ? full.parent_path().string() : ".";
  Sources::File file{full.filename().string(), {}};
  if (!read_file(path, file.text)) return path + ": cannot be read";
  if (file.text.size() > kSourceBytesMax) return path + ": larger than 1 MiB";
  out.files = {std::move(file)};
  return {};
}

// ── Program ──────────────────────────────────────────────────────────────────────────────────────────────────

std::string add_source(Sources& sources, const std::string& name, u64 bytes_max) {
  const std::filesystem::path path(name);
  const std::string subject = "'" + name + "'";
  const bool outside = path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end();
  if (outside) return subject + ": only files below the scenario's folder can be used";
  if (sources.find(name) != nullptr) return {};
  if (sources.is_whole) return subject + " is not in the recording";
  Sources::File file{name, {}};
  if (!read_file((std::filesystem::path(sources.folder) / path).string(), file.text)) {
    return subject + " cannot be read";
  }
  if (file.text.size() > bytes_max || sources.files.size() >= 64) {
    return subject + ": a scenario has at most 64 files of " + std::to_string(bytes_max >> 20) + " MiB";
  }
  sources.files.push_back(std::move(file));
  return {};
}

int use_file(lua_State* state) {
  Program& program = Program::of(state);
  const std::string name = luaL_checkstring(state, 1);
  Sources& sources = program.sources_;
  if (const std::string wrong = add_source(sources, name, kSourceBytesMax); !wrong.empty())
    return luaL_error(state, "use: %s", wrong.c_str());
  const std::string text = sources.find(name)->text;
  if (const std::string error = program.box_.load(text, name); !error.empty())
    return luaL_error(state, "%s", error.c_str());
  lua_call(state, 0, LUA_MULTRET);
  return lua_gettop(state) - 1;
}

Program::Program(Sources& sources, u64 seed, std::function<void(const Call&)> called)
    : sources_(sources), called_(std::move(called)), box_(seed, sources.files[0].name) {
  box_.owner = this;
  plan.nodes.reserve(64);
  lua_State* state = box_.state();
  for (const lua_CFunction open : {open_values, open_objects}) {
    lua_pushcfunction(state, open);
    lua_pcall(state, 0, 0, 0);
  }
  run_file();
}

/// "file:12: text" as Lua says it.
void Program::add_error(const std::string& text) {
  const u64 colon = text.find(':');
  u64 end = colon;
  int line = 0;
  if (colon != std::string::npos) {
    for (end = colon + 1; end < text.size() && text[end] >= '0' && text[end] <= '9'; ++end)
      line = line * 10 + (text[end] - '0');
  }
  if (colon != std::string::npos && end > colon + 1 && text.substr(end).starts_with(": ")) {
    mistakes.push_back({{text.substr(0, colon), line}, text.substr(end + 2)});
  } else {
    mistakes.push_back({{sources_.files[0].name, 0}, text});
  }
}

/// Names that do not exist, in all files that were used: those in functions nobody called too.
void Program::check_texts() {
  std::vector<std::string> globals;
  for (const std::string_view name : sandbox_globals()) globals.emplace_back(name);
  for (const char* name : {"range", "one_of", "ratio"}) globals.emplace_back(name);
  for (const Call& call : all_calls()) {
    if (call.type == ObjectType::Global) globals.emplace_back(call.name);
  }
  std::vector<SourceNames> texts;
  std::set<std::string> assigned;
  for (const Sources::File& file : sources_.files) {
    const bool is_image = std::any_of(plan.disks.begin(), plan.disks.end(),
                                      [&file](const DiskPlan& disk) { return disk.from == file.name; });
    if (is_image) {
      texts.emplace_back();
      continue;
    }
    const bool compiles = box_.load(file.text, file.name).empty();
    if (compiles) lua_pop(box_.state(), 1);
    texts.push_back(compiles ? read_names(file.text) : SourceNames{});
    assigned.insert(texts.back().assigned.begin(), texts.back().assigned.end());
  }
  for (u64 i = 0; i < texts.size(); ++i) {
    for (const SourceIssue& issue : check_source(texts[i], globals, assigned)) {
      const Where place{sources_.files[i].name, static_cast<int>(issue.line)};
      const bool known = std::any_of(mistakes.begin(), mistakes.end(), [&](const Mistake& mistake) {
        return mistake.where.file == place.file && mistake.where.line == place.line;
      });
      if (!known) mistakes.push_back({place, issue.text});
    }
  }
}

/// Patterns of events and of fault classes: only now are all nodes known.
void Program::check_patterns() {
  FilterNames known;
  for (const NodePlan& node : plan.nodes) known.nodes.push_back(node.name);
  known.thread = [](u32, u32) { return std::string_view{}; };
  const auto check = [&](const std::string& subject, const std::string& pattern, const Where& place) {
    if (pattern.empty()) return;
    Filter filter;
    const std::string wrong = parse_filter(pattern, known, filter);
    if (!wrong.empty()) mistake(place, subject + ": " + wrong);
  };
  for (const TriggerPlan& trigger : plan.triggers) check("when", trigger.pattern, trigger.where);
  for (const GoldenPlan& golden : plan.goldens) check("golden \"" + golden.file + "\"", golden.events, golden.where);
  for (const PropertyPlan& property : plan.properties) {
    const std::string subject = property.form + " \"" + property.name + "\"";
    check(subject, property.pattern, property.where);
    check(subject, property.second, property.where);
  }
  std::vector<std::string> classes;
  for (u32 i = 0; i < kFaultClasses; ++i) classes.emplace_back(sim::name_of(static_cast<FaultClass>(i)));
  for (const auto& [field, list] : {std::pair{"allow", &plan.faults.allow}, std::pair{"forbid", &plan.faults.forbid}}) {
    for (const std::string& entry : *list) {
      const std::string pattern = entry.substr(0, entry.find_first_of(" :"));
      const bool any = std::any_of(classes.begin(), classes.end(),
                                   [&](const std::string& name) { return base::glob_matches(pattern, name); });
      FaultSetup setup;
      const std::string subject = std::string("faults: ") + field + ": ";
      if (!any) {
        mistake(plan.faults.where, subject + "no class of faults is '" + pattern + "'" +
                                       did_you_mean(pattern, classes) +
                                       (base::is_glob(pattern) ? " in this version" : ""));
      } else if (const std::string wrong = parse_rule(entry, setup); !wrong.empty()) {
        mistake(plan.faults.where, subject + wrong);
      }
    }
  }
}

/// Which node a history's data is in, where that was not said: the only one with disks, or the only one at all.
void Program::find_keepers() {
  std::vector<u32> with_disks;
  for (u32 i = 0; i < plan.nodes.size(); ++i) {
    if (!plan.nodes[i].disks.empty()) with_disks.push_back(i);
  }
  for (HistoryPlan& history : plan.histories) {
    if (history.node != ~u32{0}) continue;
    if (with_disks.size() == 1) {
      history.node = with_disks[0];
    } else if (with_disks.empty() && plan.nodes.size() == 1) {
      history.node = 0;
    } else if (history.buffered) {
      mistake(history.where, "history \"" + history.name + "\": buffered: " + kWhoKeeps);
    }
  }
}

void Program::run_file() {
  const Sources::File first = sources_.files[0];
  std::string error = box_.load(first.text, first.name);
  if (error.empty()) error = box_.call(0, 0);
  if (!error.empty() && mistakes.size() < kMistakesMax) add_error(error);
  check_patterns();
  if (!plan.nodes.empty()) find_keepers();
  check_texts();
  if (mistakes.empty() && plan.name.empty()) {
    mistakes.push_back({{first.name, 1}, "nothing is declared: a file begins with local s = scenario(\"name\", {…})"});
  }
  for (const DiskPlan& disk : plan.disks) {
    if (disk.node != ~u32{0} || mistakes.size() >= kMistakesMax) continue;
    mistake(disk.where, "disk \"" + disk.name + "\": no node has it: s:node(name, { disks = { … } })");
  }
  if (mistakes.empty() && plan.nodes.empty()) {
    mistakes.push_back({plan.where, "scenario \"" + plan.name + "\": no node is declared: s:node(\"a\", {…})"});
  }
  std::stable_sort(mistakes.begin(), mistakes.end(), [](const Mistake& left, const Mistake& right) {
    return left.where.file == right.where.file && left.where.line < right.where.line;
  });
  if (mistakes.size() > kMistakesMax) mistakes.resize(kMistakesMax);
}

int Program::keep(lua_State* state, int index) {
  lua_pushvalue(state, index);
  return luaL_ref(state, LUA_REGISTRYINDEX);
}

void Program::push_object(lua_State* state, Object object) {
  const u64 key = static_cast<u64>(object.type) << 56 | static_cast<u64>(object.extra & 0xFF'FFFF) << 32 | object.index;
  lua_rawgetp(state, LUA_REGISTRYINDEX, &kObjectsKey);
  if (lua_rawgeti(state, -1, static_cast<lua_Integer>(key)) == LUA_TNIL) {
    lua_pop(state, 1);
    new (lua_newuserdatauv(state, sizeof(Object), 0)) Object(object);
    luaL_setmetatable(state, kObject);
    lua_pushvalue(state, -1);
    lua_rawseti(state, -3, static_cast<lua_Integer>(key));
  }
  lua_remove(state, -2);
}

const Object* Program::object_at(lua_State* state, int index) {
  return static_cast<const Object*>(luaL_testudata(state, index, kObject));
}

const Object& Program::expect(lua_State* state, int index, ObjectType type) {
  const Object* object = object_at(state, index);
  if (object == nullptr || object->type != type) {
    const std::string text = std::string("a ") + text_of(type) + " is needed, not a " +
                             (object != nullptr ? text_of(object->type) : luaL_typename(state, index));
    luaL_argerror(state, index, text.c_str());
  }
  return *object;
}

Where Program::where(lua_State* state) {
  for (int level = 1; level < 8; ++level) {
    lua_Debug debug;
    if (lua_getstack(state, level, &debug) == 0) break;
    lua_getinfo(state, "Sl", &debug);
    if (debug.currentline > 0) return {debug.short_src, debug.currentline};
  }
  return {sources_.files[0].name, 0};
}

void Program::mistake(lua_State* state, const std::string& text) {
  mistake(where(state), text);
  if (mistakes.size() >= kMistakesMax) luaL_error(state, "%d mistakes", static_cast<int>(kMistakesMax));
}

void Program::mistake(const Where& place, const std::string& text) { mistakes.push_back({place, text}); }

u32 Program::name_number(const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<u32>(found - names.begin());
  names.push_back(name);
  return static_cast<u32>(names.size() - 1);
}

// ── Fields ───────────────────────────────────────────────────────────────────────────────────────────────────

Fields::Fields(lua_State* state, int index, std::string subject)
    : state_(state),
      program_(Program::of(state)),
      index_(index),
      is_table_(lua_istable(state, index)),
      subject_(std::move(subject)) {
  if (!is_table_ && !lua_isnoneornil(state, index)) {
    program_.mistake(state, subject_ + ": a table of fields is needed, not a " + luaL_typename(state, index));
  }
}

void Fields::mistake(const char* name, const std::string& text) {
  program_.mistake(state_, subject_ + ": " + name + ": " + text);
}

bool Fields::push(const char* name) {
  known_.emplace_back(name);
  if (!is_table_) return false;
  lua_pushstring(state_, name);
  if (lua_rawget(state_, index_) != LUA_TNIL) return true;
  lua_pop(state_, 1);
  return false;
}

bool Fields::has(const char* name) {
  if (!push(name)) return false;
  lua_pop(state_, 1);
  return true;
}

void Fields::quantity(const char* name, Unit unit, i64 least, i64 most, Quantity& out) {
  if (!push(name)) return;
  const std::string wrong = parse_quantity(state_, -1, unit, least, most, out);
  lua_pop(state_, 1);
  if (!wrong.empty()) mistake(name, wrong);
}

void Fields::duration(const char* name, u64& out) {
  Quantity value = Quantity::fixed(Unit::Duration, static_cast<i64>(out));
  quantity(name, Unit::Duration, 0, i64{1} << 60, value);
  if (!value.is_fixed()) return mistake(name, "one time is needed, not a range");
  out = static_cast<u64>(value.values[0]);
}

void Fields::count(const char* name, i64 least, i64 most, u64& out) {
  Quantity value = Quantity::fixed(Unit::Count, static_cast<i64>(out));
  quantity(name, Unit::Count, least, most, value);
  if (!value.is_fixed()) return mistake(name, "one number is needed, not a range");
  out = static_cast<u64>(value.values[0]);
}

void Fields::text(const char* name, std::string& out) {
  if (!push(name)) return;
  if (lua_type(state_, -1) == LUA_TSTRING) {
    size_t bytes = 0;
    const char* data = lua_tolstring(state_, -1, &bytes);
    out.assign(data, bytes);
  } else {
    mistake(name, std::string("a text is needed, not a ") + luaL_typename(state_, -1));
  }
  lua_pop(state_, 1);
}

void Fields::flag(const char* name, bool& out) {
  if (!push(name)) return;
  if (lua_isboolean(state_, -1)) {
    out = lua_toboolean(state_, -1) != 0;
  } else {
    mistake(name, std::string("true or false is needed, not a ") + luaL_typename(state_, -1));
  }
  lua_pop(state_, 1);
}

void Fields::texts(const char* name, std::vector<std::string>& out) {
  if (!push(name)) return;
  const int at = lua_gettop(state_);
  if (!lua_istable(state_, at)) {
    mistake(name, std::string("a list of texts is needed, not a ") + luaL_typename(state_, at));
  } else {
    const lua_Integer count = static_cast<lua_Integer>(lua_rawlen(state_, at));
    for (lua_Integer i = 1; i <= count; ++i) {
      if (lua_rawgeti(state_, at, i) == LUA_TSTRING) {
        out.emplace_back(lua_tostring(state_, -1));
      } else {
        mistake(name, "number " + std::to_string(i) + " is a " + luaL_typename(state_, -1) + ", not a text");
      }
      lua_pop(state_, 1);
    }
  }
  lua_settop(state_, at - 1);
}

void Fields::function(const char* name, int& out) {
  if (!push(name)) return;
  if (lua_isfunction(state_, -1)) {
    out = program_.keep(state_, -1);
  } else {
    mistake(name, std::string("a function is needed, not a ") + luaL_typename(state_, -1));
  }
  lua_pop(state_, 1);
}

void Fields::objects(const char* name, ObjectType type, std::vector<u32>& out) {
  if (!push(name)) return;
  const int at = lua_gettop(state_);
  if (!lua_istable(state_, at)) {
    mistake(name, std::string("a list of ") + text_of(type) + "s is needed, not a " + luaL_typename(state_, at));
  } else {
    const lua_Integer count = static_cast<lua_Integer>(lua_rawlen(state_, at));
    for (lua_Integer i = 1; i <= count; ++i) {
      lua_rawgeti(state_, at, i);
      const Object* object = Program::object_at(state_, -1);
      if (object != nullptr && object->type == type) {
        out.push_back(object->index);
      } else if (object == nullptr || object->type != ObjectType::Unknown) {
        mistake(name, "number " + std::to_string(i) + " is a " +
                          (object != nullptr ? text_of(object->type) : luaL_typename(state_, -1)) + ", not a " +
                          text_of(type));
      }
      lua_pop(state_, 1);
    }
  }
  lua_settop(state_, at - 1);
}

void Fields::refuse(const char* name, const char* why) {
  if (has(name)) mistake(name, why);
}

void Fields::finish() {
  if (!is_table_) return;
  std::vector<std::string> unknown;
  lua_pushnil(state_);
  while (lua_next(state_, index_) != 0) {
    lua_pop(state_, 1);
    if (lua_type(state_, -1) != LUA_TSTRING) {
      unknown.emplace_back("[" + std::to_string(lua_tointeger(state_, -1)) + "]");
      continue;
    }
    const std::string key = lua_tostring(state_, -1);
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) unknown.push_back(key);
  }
  std::sort(unknown.begin(), unknown.end());
  for (const std::string& key : unknown) {
    program_.mistake(state_, subject_ + ": unknown field '" + key + "'" + did_you_mean(key, known_));
  }
}

bool is_function(lua_State* state, int index, const char* what) {
  if (lua_isfunction(state, index)) return true;
  Program::of(state).mistake(state, std::string(what) + ": a function is needed, not a " + luaL_typename(state, index));
  return false;
}

}  // namespace sim::host::scenario
