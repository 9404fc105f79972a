// sim/host/scenario/api_judges.cpp — faults that may strike, properties that must hold, histories.
#include <algorithm>

#include "sim/host/nearest.h"
#include "sim/host/scenario/program.h"

namespace sim::host::scenario {
namespace {

constexpr u8 kDeclare = static_cast<u8>(Phase::Declare);
constexpr u8 kLook = static_cast<u8>(Phase::Look);
constexpr u8 kAct = static_cast<u8>(Phase::Act);
constexpr u8 kClient = static_cast<u8>(Phase::Client);
constexpr i64 kHourNs = 3'600'000'000'000;
constexpr u64 kCheckCharge = 1000;  // elements that judging a history counts for: a thousand a callback

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

// ── Properties ───────────────────────────────────────────────────────────────────────────────────────────────

/// A property with its name (argument 2), or nothing and a mistake.
bool start_property(lua_State* state, const char* form, PropertyPlan& out) {
  Program& program = Program::of(state);
  out.form = form;
  out.where = program.where(state);
  if (lua_type(state, 2) != LUA_TSTRING || lua_rawlen(state, 2) == 0) {
    program.mistake(state, std::string(form) + ": a name is needed first, not a " + luaL_typename(state, 2));
    return false;
  }
  out.name = lua_tostring(state, 2);
  for (const PropertyPlan& known : program.plan.properties) {
    if (known.name != out.name) continue;
    program.mistake(state,
                    std::string(form) + " " + quoted(out.name) + ": declared already at " + text_of(known.where));
    return false;
  }
  return true;
}

void finish_property(lua_State* state, PropertyPlan property) {
  Program::of(state).plan.properties.push_back(std::move(property));
}

std::string subject_of(const PropertyPlan& property) { return property.form + " " + quoted(property.name); }

bool take_pattern(lua_State* state, int index, const std::string& subject, std::string& out) {
  if (lua_type(state, index) == LUA_TSTRING) {
    out = lua_tostring(state, index);
    return true;
  }
  Program::of(state).mistake(state, subject + ": a pattern of events is needed, not a " + luaL_typename(state, index));
  return false;
}

int declare_always(lua_State* state) {
  PropertyPlan property;
  if (!start_property(state, "always", property)) return 0;
  if (!is_function(state, 3, subject_of(property).c_str())) return 0;
  property.function = Program::of(state).keep(state, 3);
  Fields fields(state, 4, subject_of(property));
  fields.text("on", property.pattern);
  fields.finish();
  finish_property(state, std::move(property));
  return 0;
}

int declare_never(lua_State* state) {
  PropertyPlan property;
  if (!start_property(state, "never", property)) return 0;
  if (take_pattern(state, 3, subject_of(property), property.pattern)) finish_property(state, std::move(property));
  return 0;
}

int declare_sometimes(lua_State* state) {
  PropertyPlan property;
  if (!start_property(state, "sometimes", property)) return 0;
  if (lua_isfunction(state, 3)) {
    property.function = Program::of(state).keep(state, 3);
    finish_property(state, std::move(property));
  } else if (take_pattern(state, 3, subject_of(property), property.pattern)) {
    finish_property(state, std::move(property));
  }
  return 0;
}

int declare_at_most_once(lua_State* state) {
  PropertyPlan property;
  if (!start_property(state, "at-most-once", property)) return 0;
  if (!take_pattern(state, 3, subject_of(property), property.pattern)) return 0;
  if (!is_function(state, 4, (subject_of(property) + ": key").c_str())) return 0;
  property.key = Program::of(state).keep(state, 4);
  finish_property(state, std::move(property));
  return 0;
}

int declare_eventually(lua_State* state) {
  PropertyPlan property;
  if (!start_property(state, "eventually", property)) return 0;
  if (!is_function(state, 3, subject_of(property).c_str())) return 0;
  property.function = Program::of(state).keep(state, 3);
  Fields fields(state, 4, subject_of(property));
  fields.quantity("within", Unit::Duration, 1, kHourNs, property.within);
  fields.finish();
  finish_property(state, std::move(property));
  return 0;
}

int declare_leads_to(lua_State* state) {
  PropertyPlan property;
  if (!start_property(state, "leads-to", property)) return 0;
  if (!take_pattern(state, 3, subject_of(property), property.pattern)) return 0;
  if (!take_pattern(state, 4, subject_of(property), property.second)) return 0;
  Fields fields(state, 5, subject_of(property));
  fields.quantity("within", Unit::Duration, 1, kHourNs, property.within);
  fields.finish();
  finish_property(state, std::move(property));
  return 0;
}

int declare_monitor(lua_State* state) {
  PropertyPlan property;
  if (!start_property(state, "hot", property)) return 0;
  Fields fields(state, 3, "monitor " + quoted(property.name));
  fields.text("hot", property.pattern);
  fields.text("cold", property.second);
  fields.quantity("within", Unit::Duration, 1, kHourNs, property.within);
  fields.finish();
  if (property.pattern.empty() || property.second.empty()) {
    Program::of(state).mistake(state, "monitor " + quoted(property.name) + ": patterns hot and cold are needed");
    return 0;
  }
  finish_property(state, std::move(property));
  return 0;
}

int declare_watermark(lua_State* state) {
  PropertyPlan property;
  if (!start_property(state, "watermark", property)) return 0;
  if (!is_function(state, 3, subject_of(property).c_str())) return 0;
  property.function = Program::of(state).keep(state, 3);
  finish_property(state, std::move(property));
  return 0;
}

// ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────

int declare_faults(lua_State* state) {
  Program& program = Program::of(state);
  Fields fields(state, 2, "faults");
  FaultsPlan& faults = program.plan.faults;
  if (faults.declared) program.mistake(state, "faults: declared already at " + text_of(faults.where));
  faults.declared = true;
  faults.where = program.where(state);
  fields.texts("allow", faults.allow);
  fields.texts("forbid", faults.forbid);
  fields.quantity("intensity", Unit::Count, 0, 4, faults.intensity);
  fields.flag("swarm", faults.swarm);
  fields.refuse("byzantine", "byzantine nodes come with the network: not in this version");
  if (fields.push("budget")) {
    Fields budget(state, lua_gettop(state), "faults: budget");
    budget.count("nodes_down", 0, 64, faults.nodes_down);
    budget.count("copies_lost", 0, 1000, faults.copies_lost);
    budget.duration("clock_error", faults.clock_error_ns);
    budget.refuse("disks_lost", "comes with storage: not in this version");
    budget.finish();
    lua_settop(state, 2);
  }
  fields.finish();
  return 0;
}

int declare_invariants(lua_State* state) {
  Program& program = Program::of(state);
  Fields fields(state, 2, "invariants");
  fields.texts("names", program.plan.invariants);
  fields.text("cadence", program.plan.cadence);
  fields.finish();
  return 0;
}

int declare_excuse(lua_State* state) {
  Program& program = Program::of(state);
  if (lua_type(state, 2) != LUA_TSTRING || lua_rawlen(state, 2) == 0) {
    program.mistake(state, "expect_excuse: a text of the excuse is needed, for example \"node.lost b\"");
  } else if (!program.plan.excuse.empty()) {
    program.mistake(state, "expect_excuse: declared already");
  } else {
    program.plan.excuse = lua_tostring(state, 2);
  }
  return 0;
}

int declare_golden(lua_State* state) {
  Program& program = Program::of(state);
  GoldenPlan golden;
  golden.where = program.where(state);
  golden.file = lua_type(state, 2) == LUA_TSTRING ? lua_tostring(state, 2) : "";
  const bool is_inside = !golden.file.empty() && golden.file[0] != '/' && golden.file.find("..") == std::string::npos;
  if (!is_inside) {
    program.mistake(state, "golden: the name of a file in the scenario's folder is needed");
    return 0;
  }
  for (const GoldenPlan& known : program.plan.goldens) {
    if (known.file == golden.file) program.mistake(state, "golden " + quoted(golden.file) + ": declared already");
  }
  Fields fields(state, 3, "golden " + quoted(golden.file));
  fields.text("events", golden.events);
  golden.has_seed = fields.has("seed");
  fields.count("seed", 0, i64{1} << 62, golden.seed);
  fields.finish();
  program.plan.goldens.push_back(std::move(golden));
  return 0;
}

// ── Histories ────────────────────────────────────────────────────────────────────────────────────────────────

int declare_history(lua_State* state) {
  Program& program = Program::of(state);
  HistoryPlan history;
  if (lua_type(state, 2) != LUA_TSTRING) {
    program.mistake(state, "history: a name is needed first");
    program.push_object(state, ObjectType::Unknown, 0);
    return 1;
  }
  history.name = lua_tostring(state, 2);
  history.where = program.where(state);
  Fields fields(state, 3, "history " + quoted(history.name));
  if (fields.push("model")) {
    if (lua_istable(state, -1)) {
      history.model = kOwnModel;
      Fields model(state, lua_gettop(state), "history " + quoted(history.name) + ": model");
      if (model.push("init")) history.initial = luaL_ref(state, LUA_REGISTRYINDEX);
      model.function("apply", history.apply);
      model.texts("reads", history.reads);
      model.finish();
      if (history.initial == kNoFunction)
        fields.mistake("model", "init is needed: the state before the first operation");
      if (history.apply == kNoFunction)
        fields.mistake("model", "apply is needed: function(state, op) … return ok, state end");
    } else if (lua_type(state, -1) == LUA_TSTRING) {
      history.model = lua_tostring(state, -1);
    }
    lua_pop(state, 1);
  }
  static const std::vector<std::string> kModels = {"counter", "file", "kv", "lock", "queue", "register", "set"};
  if (history.model != kOwnModel && std::find(kModels.begin(), kModels.end(), history.model) == kModels.end()) {
    fields.mistake(
        "model",
        "there is no model '" + history.model + "'" + did_you_mean(history.model, kModels) +
            " There are: register kv counter set queue lock file, or { init = …, apply = function(state, op) … end }");
  }
  std::string per;
  fields.text("per", per);
  fields.flag("buffered", history.buffered);
  if (fields.push("node")) {
    const Object* node = Program::object_at(state, -1);
    if (node != nullptr && node->type == ObjectType::Node) {
      history.node = node->index;
    } else if (node == nullptr || node->type != ObjectType::Unknown) {
      fields.mistake("node", "a node is needed, for example node = a");
    }
    lua_pop(state, 1);
  }
  fields.finish();
  history.per_key = !per.empty();
  program.plan.histories.push_back(std::move(history));
  program.push_object(state, ObjectType::History, static_cast<u32>(program.plan.histories.size() - 1));
  return 1;
}

std::string text_argument(lua_State* state, int index) {
  Sandbox::of(state).push_text(state, index);
  const std::string text = lua_tostring(state, -1);
  lua_pop(state, 1);
  return text;
}

/// What an operation's function returned decides how it ended: a value is `ok`, `nil, err` is `fail`, or `unknown` when
/// the error says so. Called when the function is done; the context is the operation's number.
int operation_done(lua_State* state, int, lua_KContext context) {
  Program& program = Program::of(state);
  const u32 history = Program::object_at(state, 1)->index;
  const u32 client = Program::object_at(state, 2)->index;
  const int base = static_cast<int>(context >> 48);  // of the results
  const u64 operation = static_cast<u64>(context) & 0xFFFF'FFFF'FFFF;
  const int results = lua_gettop(state) - base;
  std::string_view ending = "ok";
  std::string value;
  bool has_value = false;
  if (results == 0 || lua_isnil(state, base + 1)) {
    if (results >= 2 && !lua_isnil(state, base + 2)) {
      ending = "fail";
      if (lua_istable(state, base + 2)) {
        lua_getfield(state, base + 2, "unknown");
        if (lua_toboolean(state, -1) != 0) ending = "unknown";
        lua_pop(state, 1);
      }
    }
  } else {
    has_value = true;
    value = text_argument(state, base + 1);
  }
  program.stage->end_operation(history, client, operation, ending, has_value ? &value : nullptr);
  return results;
}

/// h:call(me, name, key, arguments…, function): records an operation around a function that does it.
int record(lua_State* state, const std::string& name, int first_argument) {
  Program& program = Program::of(state);
  const u32 history = Program::object_at(state, 1)->index;
  const u32 client = Program::expect(state, 2, ObjectType::Client).index;
  const int count = lua_gettop(state);
  luaL_checktype(state, count, LUA_TFUNCTION);
  const HistoryPlan& plan = program.plan.histories[history];
  std::string key;
  int at = first_argument;
  if (plan.per_key) {
    if (at >= count) return luaL_error(state, "history %s: a key is needed first", plan.name.c_str());
    key = text_argument(state, at);
    at += 1;
  }
  std::vector<std::string> arguments;
  for (; at < count; ++at) arguments.push_back(text_argument(state, at));
  const u64 operation = program.stage->begin_operation(history, client, name, key, arguments);
  const lua_KContext context = static_cast<lua_KContext>(static_cast<u64>(count - 1) << 48 | operation);
  lua_callk(state, 0, LUA_MULTRET, context, operation_done);
  return operation_done(state, LUA_OK, context);
}

int history_write(lua_State* state) { return record(state, "write", 3); }
int history_read(lua_State* state) { return record(state, "read", 3); }
int history_call(lua_State* state) {
  const std::string name = luaL_checkstring(state, 3);
  return record(state, name, 4);
}

int history_count(lua_State* state) {
  Program& program = Program::of(state);
  const std::string client = luaL_optstring(state, 2, "");
  const std::string ending = luaL_optstring(state, 3, "ok");
  const std::string phase = luaL_optstring(state, 4, "");
  const u64 count =
      program.stage->count_operations(Program::object_at(state, 1)->index, client, ending, phase == "liveness");
  lua_pushinteger(state, static_cast<lua_Integer>(count));
  return 1;
}

int history_check(lua_State* state) {
  Stage::HistoryCheck check;
  struct Flag {
    const char* name;
    bool* value;
  };
  if (lua_istable(state, 2)) {
    check.linearizable = false;
    for (const Flag& flag :
         {Flag{"linearizable", &check.linearizable}, Flag{"durable", &check.durable}, Flag{"buffered", &check.buffered},
          Flag{"read_your_writes", &check.read_your_writes}, Flag{"monotonic_reads", &check.monotonic_reads}}) {
      lua_getfield(state, 2, flag.name);
      *flag.value = lua_toboolean(state, -1) != 0;
      lua_pop(state, 1);
    }
  }
  Sandbox::of(state).charge(state, kCheckCharge);
  Program::of(state).stage->check_history(Program::object_at(state, 1)->index, check);
  return 0;
}

constexpr Call kCalls[] = {
    {ObjectType::Scenario, "faults", "{allow, forbid, intensity, budget={nodes_down, copies_lost, clock_error}, swarm}",
     "which faults may strike; `orrery faults` lists the classes", kDeclare, declare_faults},
    {ObjectType::Scenario, "always", "name, function(w) … end, {on=pattern}",
     "is true whenever it is asked: after each event of the pattern, else every 10 ms", kDeclare, declare_always},
    {ObjectType::Scenario, "never", "name, pattern", "no event matches", kDeclare, declare_never},
    {ObjectType::Scenario, "sometimes", "name, pattern or function", "happens in at least one run of a campaign",
     kDeclare, declare_sometimes},
    {ObjectType::Scenario, "at_most_once", "name, pattern, function(event) … end",
     "no two events that match have one key", kDeclare, declare_at_most_once},
    {ObjectType::Scenario, "eventually", "name, function(w) … end, {within}",
     "is true at some time after the faults have ended", kDeclare, declare_eventually},
    {ObjectType::Scenario, "leads_to", "name, pattern, pattern, {within}",
     "each event of the first is followed by one of the second", kDeclare, declare_leads_to},
    {ObjectType::Scenario, "monitor", "name, {hot=pattern, cold=pattern, within}", "what got hot cools again", kDeclare,
     declare_monitor},
    {ObjectType::Scenario, "watermark", "name, function(w) … end", "keeps the extremes of a number, for the report",
     kDeclare, declare_watermark},
    {ObjectType::Scenario, "invariants", "{names, cadence}", "which invariants are checked, and how often", kDeclare,
     declare_invariants},
    {ObjectType::Scenario, "expect_excuse", "text",
     "each run fails by a fault that nothing survives, and its excuse holds the text", kDeclare, declare_excuse},
    {ObjectType::Scenario, "golden", "file, {events=pattern, seed}",
     "what consoles say, or the events of a pattern, is in the file; `orrery run --bless` writes it", kDeclare,
     declare_golden},
    {ObjectType::Scenario, "history", "name, {model=name or {init, apply, reads}, per, buffered, node}",
     "records operations of clients, judged by a model; with buffered a power cut of the node may take back what no "
     "sync kept",
     kDeclare, declare_history},
    {ObjectType::History, "write", "me, [key,] value, function() … end", "records a write that the function does",
     kClient, history_write},
    {ObjectType::History, "read", "me, [key,] function() … end", "records a read that the function does", kClient,
     history_read},
    {ObjectType::History, "call", "me, name, [key,] arguments…, function() … end",
     "records another operation of the model", kClient, history_call},
    {ObjectType::History, "count", "[client, [ending, [phase]]]",
     "operations that ended `ok`, `fail` or `unknown`; with \"liveness\" those called since the faults ended",
     static_cast<u8>(kLook | kAct | kClient), history_count},
    {ObjectType::History, "check", "{linearizable, durable, buffered, read_your_writes, monotonic_reads}",
     "judges what was recorded", kLook, history_check},
};

}  // namespace

std::span<const Call> judge_calls() { return kCalls; }

}  // namespace sim::host::scenario
