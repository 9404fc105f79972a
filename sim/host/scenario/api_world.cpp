// sim/host/scenario/api_world.cpp — what callbacks do to the world, and what they see of it.
#include <algorithm>
#include <optional>

#include "base/glob.h"
#include "sim/host/nearest.h"
#include "sim/host/scenario/program.h"
#include "sim/model/disk.h"

namespace sim::host::scenario {
namespace {

constexpr u8 kAct = static_cast<u8>(Phase::Act);
constexpr u8 kSee = kAct | static_cast<u8>(Phase::Look);
constexpr u8 kSeeOrClient = kSee | static_cast<u8>(Phase::Client);
constexpr i64 kDayNs = 86'400'000'000'000;
constexpr u64 kLastCharge = 1000;  // elements that a look at all events kept counts for

Stage& stage_of(lua_State* state) { return *Program::of(state).stage; }
u32 self_index(lua_State* state) { return Program::object_at(state, 1)->index; }

/// The end of an action: nothing, or its refusal as an error of the script.
int done(lua_State* state, const std::string& refusal) {
  if (!refusal.empty()) return luaL_error(state, "%s", refusal.c_str());
  return 0;
}

i64 time_argument(lua_State* state, int index, i64 least, i64 most, Unit unit = Unit::Duration) {
  Quantity value;
  const std::string wrong = parse_quantity(state, index, unit, least, most, value);
  if (!wrong.empty()) luaL_argerror(state, index, wrong.c_str());
  return value.draw(Sandbox::of(state).random());
}

// ── Node ─────────────────────────────────────────────────────────────────────────────────────────────────────

int node_crash(lua_State* state) { return done(state, stage_of(state).crash(self_index(state))); }
int node_boot(lua_State* state) { return done(state, stage_of(state).boot(self_index(state))); }
int node_pause(lua_State* state) {
  const i64 ns = time_argument(state, 2, 1, kDayNs);
  return done(state, stage_of(state).pause(self_index(state), static_cast<u64>(ns)));
}
int node_steal(lua_State* state) {
  const lua_Integer core = luaL_checkinteger(state, 2);
  const i64 ns = time_argument(state, 3, 1, kDayNs);
  return done(state, stage_of(state).steal(self_index(state), static_cast<u32>(core), static_cast<u64>(ns)));
}
int node_step_clock(lua_State* state) {
  const i64 ns = time_argument(state, 2, -365 * kDayNs, 365 * kDayNs);
  return done(state, stage_of(state).step_clock(self_index(state), ns));
}
int node_drift(lua_State* state) {
  const i64 ppm = time_argument(state, 2, -1'000'000, 1'000'000, Unit::Number);
  return done(state, stage_of(state).drift(self_index(state), ppm));
}
int node_kill(lua_State* state) {
  return done(state, stage_of(state).kill(self_index(state), luaL_checkstring(state, 2)));
}
int node_is_up(lua_State* state) {
  lua_pushboolean(state, stage_of(state).is_up(self_index(state)) ? 1 : 0);
  return 1;
}
int node_threads(lua_State* state) {
  lua_newtable(state);
  lua_Integer at = 0;
  for (const std::string& name : stage_of(state).threads(self_index(state))) {
    lua_pushlstring(state, name.data(), name.size());
    lua_rawseti(state, -2, ++at);
  }
  return 1;
}
int node_clock_error(lua_State* state) {
  lua_pushinteger(state, stage_of(state).clock_error_ns(self_index(state)));
  return 1;
}
int node_process(lua_State* state) {
  Program& program = Program::of(state);
  const std::string name = luaL_checkstring(state, 2);
  program.push_object(state, ObjectType::Process, self_index(state), program.name_number(name));
  return 1;
}
int node_service(lua_State* state) {
  Program& program = Program::of(state);
  const std::string name = luaL_checkstring(state, 2);
  if (program.phase != Phase::Declare && program.stage->starts(self_index(state), name) == 0) {
    const std::string text = "node " + program.plan.nodes[self_index(state)].name + " has no service '" + name +
                             "' at " + text_of(static_cast<i64>(program.stage->now_ns()), Unit::Duration) +
                             "; its threads are: ";
    std::string names;
    for (const std::string& thread : program.stage->threads(self_index(state)))
      names += (names.empty() ? "" : " ") + thread;
    return luaL_error(state, "%s%s", text.c_str(), names.c_str());
  }
  program.push_object(state, ObjectType::Service, self_index(state), program.name_number(name));
  return 1;
}

int node_services(lua_State* state) {
  lua_newtable(state);
  lua_Integer at = 0;
  for (const std::string& name : stage_of(state).services(self_index(state))) {
    lua_pushlstring(state, name.data(), name.size());
    lua_rawseti(state, -2, ++at);
  }
  return 1;
}

const std::string& name_of_self(lua_State* state) {
  return Program::of(state).names[Program::object_at(state, 1)->extra];
}
int process_kill(lua_State* state) { return done(state, stage_of(state).kill(self_index(state), name_of_self(state))); }
int service_restarts(lua_State* state) {
  const u64 starts = stage_of(state).starts(self_index(state), name_of_self(state));
  lua_pushinteger(state, starts == 0 ? 0 : static_cast<lua_Integer>(starts - 1));
  return 1;
}

// ── World ────────────────────────────────────────────────────────────────────────────────────────────────────

int world_now(lua_State* state) {
  lua_pushinteger(state, static_cast<lua_Integer>(stage_of(state).now_ns()));
  return 1;
}
int world_phase(lua_State* state) {
  const std::string name(stage_of(state).phase_name());
  lua_pushstring(state, name.c_str());
  return 1;
}
int world_seed(lua_State* state) {
  lua_pushinteger(state, static_cast<lua_Integer>(stage_of(state).seed()));
  return 1;
}
int world_events(lua_State* state) {
  lua_pushinteger(state, static_cast<lua_Integer>(stage_of(state).events()));
  return 1;
}
int world_count(lua_State* state) {
  Program& program = Program::of(state);
  const std::string name = luaL_checkstring(state, 2);
  std::vector<std::string> names;
  for (const PropertyPlan& property : program.plan.properties) names.push_back(property.name);
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    return luaL_error(state, "count: there is no property '%s'%s", name.c_str(), did_you_mean(name, names).c_str());
  }
  lua_pushinteger(state, static_cast<lua_Integer>(program.stage->count(name)));
  return 1;
}
int world_partition(lua_State* state) {
  std::vector<std::vector<u32>> groups;
  for (int i = 2; i <= lua_gettop(state); ++i) {
    luaL_checktype(state, i, LUA_TTABLE);
    groups.emplace_back();
    const lua_Integer count = static_cast<lua_Integer>(lua_rawlen(state, i));
    for (lua_Integer k = 1; k <= count; ++k) {
      lua_rawgeti(state, i, k);
      groups.back().push_back(Program::expect(state, lua_gettop(state), ObjectType::Node).index);
      lua_pop(state, 1);
    }
  }
  if (groups.empty()) return luaL_error(state, "partition: lists of nodes are needed: w:partition({ a }, { b, c })");
  return done(state, stage_of(state).partition(groups));
}
int world_heal(lua_State* state) {
  const std::string_view what = luaL_optstring(state, 2, "net.partition");
  if (!base::glob_matches(what, "net.partition"))
    return luaL_error(state, "heal: '%s' is nothing that an action does; net.partition is", std::string(what).c_str());
  return done(state, stage_of(state).heal());
}
int world_quiet(lua_State* state) {
  luaL_checktype(state, 2, LUA_TBOOLEAN);
  return done(state, stage_of(state).quiet(lua_toboolean(state, 2) != 0));
}
int world_last(lua_State* state) {
  const std::string filter = luaL_checkstring(state, 2);
  Sandbox::of(state).charge(state, kLastCharge);
  std::optional<base::Event> event;
  const std::string wrong = stage_of(state).last_event(filter, event);
  if (!wrong.empty()) return luaL_error(state, "last: %s", wrong.c_str());
  if (!event) return 0;
  stage_of(state).push_event(state, *event);
  return 1;
}

// ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────

/// What faults call an object: "a", "a/dev", "lan".
std::string target_of(lua_State* state, int index) {
  const Program& program = Program::of(state);
  const Object* object = Program::object_at(state, index);
  if (object == nullptr) {
    const std::string text = luaL_checkstring(state, index);
    const bool is_word = !text.empty() && text.find_first_of(" \t\n") == std::string::npos;
    luaL_argcheck(state, is_word, index, "a target is one word, as in \"a/dev\"");
    return text;
  }
  switch (object->type) {
    case ObjectType::Node: return program.plan.nodes[object->index].name;
    case ObjectType::Link: return program.plan.links[object->index].name;
    case ObjectType::Disk: return program.plan.disks[object->index].name;
    case ObjectType::Process:
    case ObjectType::Service: return program.plan.nodes[object->index].name + "/" + program.names[object->extra];
    default: luaL_argerror(state, index, "a node, a process, a link, a disk or the text of a target is needed");
  }
  return {};
}

using Knobs = std::vector<std::pair<std::string, std::string>>;

int world_inject(lua_State* state) {
  const std::string fault = luaL_checkstring(state, 2);
  const std::string target = target_of(state, 3);
  Knobs knobs;
  if (!lua_isnoneornil(state, 4)) {
    luaL_checktype(state, 4, LUA_TTABLE);
    lua_pushnil(state);
    while (lua_next(state, 4) != 0) {
      if (lua_type(state, -2) != LUA_TSTRING) return luaL_argerror(state, 4, "knobs go by name");
      Sandbox::of(state).push_text(state, -1);
      knobs.emplace_back(lua_tostring(state, -3), lua_tostring(state, -1));
      lua_pop(state, 2);
    }
    std::sort(knobs.begin(), knobs.end());  // total: keys of a table differ
  }
  return done(state, stage_of(state).inject(fault, target, knobs));
}
int node_slow(lua_State* state) {
  const lua_Integer factor = luaL_checkinteger(state, 2);
  const i64 ns = time_argument(state, 3, 1, kDayNs);
  const Knobs knobs = {{"factor", std::to_string(factor)}, {"length", std::to_string(ns) + "ns"}};
  return done(state, stage_of(state).inject("node.slow", target_of(state, 1), knobs));
}
int process_hang(lua_State* state) {
  return done(state, stage_of(state).inject("process.hang", target_of(state, 1), {}));
}
int process_trap(lua_State* state) {
  return done(state, stage_of(state).inject("process.trap", target_of(state, 1), {}));
}

/// `w:crash(a)` is `a:crash()`.
int forward(lua_State* state, const char* name) {
  const Object* object = Program::object_at(state, 2);
  if (object == nullptr || object->type == ObjectType::World)
    return luaL_error(state, "%s: what it is done to is needed first, for example w:%s(a)", name, name);
  lua_remove(state, 1);
  lua_getfield(state, 1, name);
  lua_insert(state, 1);
  lua_call(state, lua_gettop(state) - 1, LUA_MULTRET);
  return lua_gettop(state);
}
int world_crash(lua_State* state) { return forward(state, "crash"); }
int world_boot(lua_State* state) { return forward(state, "boot"); }
int world_pause(lua_State* state) { return forward(state, "pause"); }
int world_steal(lua_State* state) { return forward(state, "steal"); }
int world_step_clock(lua_State* state) { return forward(state, "step_clock"); }
int world_drift(lua_State* state) { return forward(state, "drift"); }
int world_kill(lua_State* state) { return forward(state, "kill"); }
int world_slow(lua_State* state) { return forward(state, "slow"); }
int world_hang(lua_State* state) { return forward(state, "hang"); }
int world_trap(lua_State* state) { return forward(state, "trap"); }
int world_plug(lua_State* state) { return forward(state, "plug"); }
int world_unplug(lua_State* state) { return forward(state, "unplug"); }
int world_note(lua_State* state) {
  Sandbox::of(state).push_text(state, 2);
  stage_of(state).note(lua_tostring(state, -1));
  return 0;
}

int after_wait(lua_State*, int, lua_KContext) { return 0; }
int world_sleep(lua_State* state) {
  const i64 ns = time_argument(state, 2, 0, 100 * kDayNs);
  stage_of(state).expect(~u32{0}, {}, static_cast<u64>(ns));
  return lua_yieldk(state, 0, 0, after_wait);
}

// ── Links ────────────────────────────────────────────────────────────────────────────────────────────────────

int link_name(lua_State* state) {
  lua_pushstring(state, Program::of(state).plan.links[self_index(state)].name.c_str());
  return 1;
}
int link_up(lua_State* state) { return done(state, stage_of(state).set_link(self_index(state), true)); }
int link_down(lua_State* state) { return done(state, stage_of(state).set_link(self_index(state), false)); }
int link_is_up(lua_State* state) {
  lua_pushboolean(state, stage_of(state).link_is_up(self_index(state)) ? 1 : 0);
  return 1;
}
int link_state(lua_State* state) {
  const Stage::LinkState now = stage_of(state).link_state(self_index(state));
  lua_createtable(state, 0, 6);
  lua_pushboolean(state, now.is_up ? 1 : 0);
  lua_setfield(state, -2, "up");
  struct Number {
    const char* name;
    u64 value;
  };
  for (const Number& number :
       {Number{"latency", now.latency_ns}, Number{"jitter", now.jitter_ns}, Number{"bandwidth", now.bits_per_second},
        Number{"queue", now.queue_bytes}, Number{"mtu", now.mtu}}) {
    lua_pushinteger(state, static_cast<lua_Integer>(number.value));
    lua_setfield(state, -2, number.name);
  }
  return 1;
}
int link_slow(lua_State* state) {
  const i64 ns = time_argument(state, 2, 0, 60'000'000'000);
  return done(state, stage_of(state).set_latency(self_index(state), static_cast<u64>(ns)));
}

// ── Disks ────────────────────────────────────────────────────────────────────────────────────────────────────

int disk_name(lua_State* state) {
  lua_pushstring(state, Program::of(state).plan.disks[self_index(state)].name.c_str());
  return 1;
}
int disk_plug(lua_State* state) { return done(state, stage_of(state).set_plugged(self_index(state), true)); }
int disk_unplug(lua_State* state) { return done(state, stage_of(state).set_plugged(self_index(state), false)); }
int disk_is_plugged(lua_State* state) {
  lua_pushboolean(state, stage_of(state).disk_state(self_index(state)).is_plugged ? 1 : 0);
  return 1;
}
int disk_state(lua_State* state) {
  const Stage::DiskState now = stage_of(state).disk_state(self_index(state));
  lua_createtable(state, 0, 8);
  struct Flag {
    const char* name;
    bool value;
  };
  for (const Flag& flag : {Flag{"plugged", now.is_plugged}, Flag{"read_only", now.is_read_only}}) {
    lua_pushboolean(state, flag.value ? 1 : 0);
    lua_setfield(state, -2, flag.name);
  }
  struct Number {
    const char* name;
    u64 value;
  };
  for (const Number& number :
       {Number{"epoch", now.epoch}, Number{"latency", now.latency_ns}, Number{"bandwidth", now.bits_per_second},
        Number{"cached", now.cached}, Number{"in_flight", now.in_flight}, Number{"reads", now.reads},
        Number{"writes", now.writes}, Number{"flushes", now.flushes}}) {
    lua_pushinteger(state, static_cast<lua_Integer>(number.value));
    lua_setfield(state, -2, number.name);
  }
  return 1;
}
/// The quantity behind a key of the table at 2, if it is there.
std::optional<u64> setting(lua_State* state, const char* key, Unit unit, i64 least, i64 most) {
  std::optional<u64> value;
  if (lua_getfield(state, 2, key) != LUA_TNIL) {
    Quantity quantity;
    const std::string wrong = parse_quantity(state, -1, unit, least, most, quantity);
    if (!wrong.empty()) luaL_error(state, "slow: %s: %s", key, wrong.c_str());
    value = static_cast<u64>(quantity.draw(Sandbox::of(state).random()));
  }
  lua_pop(state, 1);
  return value;
}
int disk_slow(lua_State* state) {
  luaL_checktype(state, 2, LUA_TTABLE);
  lua_pushnil(state);
  while (lua_next(state, 2) != 0) {
    lua_pop(state, 1);
    const std::string_view key = lua_type(state, -1) == LUA_TSTRING ? lua_tostring(state, -1) : "?";
    if (key != "latency" && key != "bandwidth") {
      const std::string name(key);
      return luaL_error(state, "slow: a disk has no '%s' to slow; latency and bandwidth are", name.c_str());
    }
  }
  const auto latency = setting(state, "latency", Unit::Duration, 0, static_cast<i64>(kDiskLatencyNsMax));
  const auto bandwidth = setting(state, "bandwidth", Unit::Rate, 8000, static_cast<i64>(kDiskBytesPerSecondMax) * 8);
  return done(state, stage_of(state).slow_disk(self_index(state), latency, bandwidth));
}

int rack_crash(lua_State* state) {
  for (const u32 node : Program::of(state).plan.racks[self_index(state)].nodes) {
    if (!stage_of(state).is_up(node)) continue;
    if (const std::string refusal = stage_of(state).crash(node); !refusal.empty()) return done(state, refusal);
  }
  return 0;
}
int rack_boot(lua_State* state) {
  for (const u32 node : Program::of(state).plan.racks[self_index(state)].nodes) {
    if (stage_of(state).is_up(node)) continue;
    if (const std::string refusal = stage_of(state).boot(node); !refusal.empty()) return done(state, refusal);
  }
  return 0;
}

// ── Console ──────────────────────────────────────────────────────────────────────────────────────────────────

int console_type(lua_State* state) {
  size_t bytes = 0;
  const char* text = luaL_checklstring(state, 2, &bytes);
  return done(state, stage_of(state).type(self_index(state), {text, bytes}));
}
int console_end(lua_State* state) { return done(state, stage_of(state).end_input(self_index(state))); }
int console_text(lua_State* state) {
  const std::string text = stage_of(state).console_text(self_index(state));
  lua_pushlstring(state, text.data(), text.size());
  return 1;
}
int expected(lua_State* state, int, lua_KContext) {
  const std::string_view seen = stage_of(state).expected();
  if (seen.empty()) return 0;
  lua_pushlstring(state, seen.data(), seen.size());
  return 1;
}
int console_expect(lua_State* state) {
  const std::string text = luaL_checkstring(state, 2);
  luaL_argcheck(state, !text.empty(), 2, "a text is needed");
  i64 within = 5'000'000'000;
  if (lua_istable(state, 3)) {
    if (lua_getfield(state, 3, "within") != LUA_TNIL) within = time_argument(state, lua_gettop(state), 0, kDayNs);
    lua_pop(state, 1);
  }
  stage_of(state).expect(self_index(state), text, static_cast<u64>(within));
  return lua_yieldk(state, 0, 0, expected);
}

constexpr Call kCalls[] = {
    {ObjectType::Node, "crash", "", "cuts the power: what is not on a disk is gone", kAct, node_crash},
    {ObjectType::Node, "boot", "", "switches it on", kAct, node_boot},
    {ObjectType::Node, "pause", "time", "its cores stop, the world goes on", kAct, node_pause},
    {ObjectType::Node, "steal", "core, time", "one core stops", kAct, node_steal},
    {ObjectType::Node, "slow", "factor, time", "programs on it take so many times as long, for this long", kAct,
     node_slow},
    {ObjectType::Node, "step_clock", "time", "its wall clock jumps by this, to the past with '-'", kAct,
     node_step_clock},
    {ObjectType::Node, "drift", "ppm", "its clocks run faster by this many millionths", kAct, node_drift},
    {ObjectType::Node, "kill", "thread", "a program dies at its next entry into the kernel", kAct, node_kill},
    {ObjectType::Node, "is_up", "", "whether it has power", kSee, node_is_up},
    {ObjectType::Node, "threads", "", "names of its threads, sorted", kSee, node_threads},
    {ObjectType::Node, "services", "", "names of its services that run, sorted", kSee, node_services},
    {ObjectType::Node, "clock_error", "", "wall clock minus true time, ns", kSee, node_clock_error},
    {ObjectType::Node, "process", "name", "a program by name, now or later", kSeeOrClient, node_process},
    {ObjectType::Node, "service", "name", "a service that has run", kSee, node_service},
    {ObjectType::Process, "kill", "", "dies at its next entry into the kernel", kAct, process_kill},
    {ObjectType::Process, "trap", "", "its next entry into the kernel becomes a fault, if the ledger admits it", kAct,
     process_trap},
    {ObjectType::Process, "hang", "", "never answers again, if the ledger admits it", kAct, process_hang},
    {ObjectType::Service, "kill", "", "dies at its next entry into the kernel", kAct, process_kill},
    {ObjectType::Service, "restarts", ".", "how often it was started again", kSee, service_restarts},
    {ObjectType::Link, "name", ".", "the link's name", kSeeOrClient, link_name},
    {ObjectType::Link, "up", "", "carries frames again", kAct, link_up},
    {ObjectType::Link, "down", "", "loses its carrier", kAct, link_down},
    {ObjectType::Link, "slow", "time", "takes this long from now on", kAct, link_slow},
    {ObjectType::Link, "plug", "", "the same as up", kAct, link_up},
    {ObjectType::Link, "unplug", "", "the same as down", kAct, link_down},
    {ObjectType::Link, "state", "", "{up, latency, jitter, bandwidth, queue, mtu}: ns, bits a second, bytes", kSee,
     link_state},
    {ObjectType::Link, "is_up", "", "whether it has a carrier", kSee, link_is_up},
    {ObjectType::Disk, "name", ".", "the disk's name", kSeeOrClient, disk_name},
    {ObjectType::Disk, "unplug", "", "pulls it out, in the middle of what it does", kAct, disk_unplug},
    {ObjectType::Disk, "plug", "", "puts it back; what was open on it stays closed", kAct, disk_plug},
    {ObjectType::Disk, "slow", "{latency, bandwidth}", "has these from now on", kAct, disk_slow},
    {ObjectType::Disk, "state", "",
     "{plugged, read_only, epoch, latency, bandwidth, cached, in_flight, reads, writes, flushes}: ns, bits a second, "
     "units",
     kSee, disk_state},
    {ObjectType::Disk, "is_plugged", "", "whether it is there", kSee, disk_is_plugged},
    {ObjectType::Rack, "crash", "", "cuts the power of all its nodes", kAct, rack_crash},
    {ObjectType::Rack, "boot", "", "switches all its nodes on", kAct, rack_boot},
    {ObjectType::World, "now", "", "virtual time since the start, ns", kSeeOrClient, world_now},
    {ObjectType::World, "phase", "", "warmup, safety, healing, liveness or end", kSee, world_phase},
    {ObjectType::World, "seed", "", "the run's seed", kSee, world_seed},
    {ObjectType::World, "events", "", "how many events there were", kSee, world_events},
    {ObjectType::World, "last", "pattern", "the newest event that matches, of the last 65 536; nil when there is none",
     kSee, world_last},
    {ObjectType::World, "count", "property", "how often a declared property was hit", kSee, world_count},
    {ObjectType::World, "partition", "{nodes}, {nodes}, …", "frames between the groups are lost", kAct,
     world_partition},
    {ObjectType::World, "heal", "[\"net.partition\"]", "undoes partitions", kAct, world_heal},
    {ObjectType::World, "quiet", "true or false", "faults pause, or go on", kAct, world_quiet},
    {ObjectType::World, "inject", "class, target, {knob=value}",
     "a fault now, or at the target's next opportunity, if the ledger admits it; `orrery faults` lists them", kAct,
     world_inject},
    {ObjectType::World, "crash", "node or rack", "the same as node:crash()", kAct, world_crash},
    {ObjectType::World, "boot", "node or rack", "the same as node:boot()", kAct, world_boot},
    {ObjectType::World, "pause", "node, time", "the same as node:pause(time)", kAct, world_pause},
    {ObjectType::World, "steal", "node, core, time", "the same as node:steal(core, time)", kAct, world_steal},
    {ObjectType::World, "step_clock", "node, time", "the same as node:step_clock(time)", kAct, world_step_clock},
    {ObjectType::World, "drift", "node, ppm", "the same as node:drift(ppm)", kAct, world_drift},
    {ObjectType::World, "kill", "process, or node, thread", "the same as process:kill()", kAct, world_kill},
    {ObjectType::World, "hang", "process", "the same as process:hang()", kAct, world_hang},
    {ObjectType::World, "trap", "process", "the same as process:trap()", kAct, world_trap},
    {ObjectType::World, "slow", "link, time, or node, factor, time, or disk, {…}",
     "the same as link:slow(time), node:slow(…), disk:slow({…})", kAct, world_slow},
    {ObjectType::World, "plug", "link or disk", "the same as link:up(), disk:plug()", kAct, world_plug},
    {ObjectType::World, "unplug", "link or disk", "the same as link:down(), disk:unplug()", kAct, world_unplug},
    {ObjectType::World, "sleep", "time", "goes on with the callback later", kAct, world_sleep},
    {ObjectType::World, "note", "text", "a note beside the run", kSee, world_note},
    {ObjectType::Console, "type", "text", "keys; \"\\3\" is Ctrl-C", kAct, console_type},
    {ObjectType::Console, "end_input", "", "the line hangs up behind what was typed", kAct, console_end},
    {ObjectType::Console, "expect", "text, {within}",
     "waits until the output holds the text (5s), and returns what came up to it; nil when it did not", kAct,
     console_expect},
    {ObjectType::Console, "text", "", "the last 64 KiB of output", kSee, console_text},
};

}  // namespace

std::span<const Call> world_calls() { return kCalls; }

}  // namespace sim::host::scenario
