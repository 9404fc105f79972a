// sim/host/scenario/sandbox_library.cpp — what a scenario finds in its globals: the parts of Lua's library that say the
// same everywhere, and ours in place of the others.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "sim/host/nearest.h"
#include "sim/host/scenario/sandbox.h"

namespace sim::host::scenario {
namespace {

constexpr AbsentName kAbsent[] = {
    {"collectgarbage", "memory is counted by itself, to 64 MiB"},
    {"coroutine", "clients are coroutines already: s:client(name, node, function(me) … end)"},
    {"debug", "print(…) makes a note"},
    {"dofile", "use \"file.lua\" runs another file of this folder"},
    {"io", "files are those of a node: me:read(path), me:write(path, text)"},
    {"load", "a scenario is what stands in its files"},
    {"loadfile", "use \"file.lua\" runs another file of this folder"},
    {"loadstring", "a scenario is what stands in its files"},
    {"next", "pairs(t) visits keys in a fixed order"},
    {"os", "the time is me:now(), randomness is me:below(n)"},
    {"package", "use \"file.lua\" runs another file of this folder"},
    {"rawset", "t[key] = value"},
    {"require", "use \"file.lua\" runs another file of this folder"},
    {"warn", "print(…) makes a note"},
};

// Sorted; the API adds its own.
constexpr std::string_view kGlobals[] = {"_G",       "_VERSION", "assert",       "error",  "getmetatable", "ipairs",
                                         "math",     "pairs",    "pcall",        "print",  "rawequal",     "rawget",
                                         "rawlen",   "select",   "setmetatable", "string", "table",        "tonumber",
                                         "tostring", "type",     "utf8",         "xpcall"};

constexpr std::string_view kMath[] = {"abs",        "ceil",      "floor",      "fmod", "huge", "max",
                                      "maxinteger", "min",       "mininteger", "modf", "pi",   "random",
                                      "sqrt",       "tointeger", "type",       "ult"};
constexpr std::string_view kString[] = {"byte",  "char", "find",     "format", "gmatch",  "gsub", "len",    "lower",
                                        "match", "pack", "packsize", "rep",    "reverse", "sub",  "unpack", "upper"};
constexpr std::string_view kTable[] = {"concat", "insert", "move", "pack", "remove", "sort", "unpack"};
constexpr std::string_view kUtf8[] = {"char", "charpattern", "codepoint", "codes", "len", "offset"};

// ── tostring, print, format ──────────────────────────────────────────────────────────────────────────────────

const char kNumbersKey = 0;  // registry: object → its number, in the order in which they were first shown

int to_text(lua_State* state) {
  luaL_checkany(state, 1);
  Sandbox::of(state).push_text(state, 1);
  return 1;
}

int print(lua_State* state) {
  Sandbox& box = Sandbox::of(state);
  std::string line;
  const int count = lua_gettop(state);
  for (int i = 1; i <= count; ++i) {
    box.push_text(state, i);
    size_t bytes = 0;
    const char* data = lua_tolstring(state, -1, &bytes);
    if (i > 1) line += '\t';
    line.append(data, bytes);
    lua_pop(state, 1);
  }
  if (box.on_print) box.on_print(line);
  return 0;
}

/// string.format with our text for %s, and without what shows addresses or the C library's taste. Upvalue: Lua's own.
int format(lua_State* state) {
  size_t bytes = 0;
  const char* text = luaL_checklstring(state, 1, &bytes);
  int argument = 1;
  for (size_t i = 0; i < bytes; ++i) {
    if (text[i] != '%') continue;
    i += 1;
    if (i < bytes && text[i] == '%') continue;
    while (i < bytes && std::strchr("-+ #0123456789.", text[i]) != nullptr) i += 1;
    if (i >= bytes) break;
    argument += 1;
    if (text[i] == 'p' || text[i] == 'a' || text[i] == 'A') {
      return luaL_error(state, "string.format: '%%%c' does not exist in scenarios", text[i]);
    }
    if (text[i] == 's' && argument <= lua_gettop(state)) {
      Sandbox::of(state).push_text(state, argument);
      lua_replace(state, argument);
    }
  }
  const int count = lua_gettop(state);
  lua_pushvalue(state, lua_upvalueindex(1));
  lua_insert(state, 1);
  lua_call(state, count, 1);
  return 1;
}

/// string.rep, whose loop over nothing Lua would make for ever. Upvalue: Lua's own.
int repeat(lua_State* state) {
  const u64 bytes = static_cast<u64>(luaL_len(state, 1)) + (lua_isnoneornil(state, 3) ? 0 : luaL_len(state, 3));
  if (bytes == 0) {
    lua_pushliteral(state, "");
    return 1;
  }
  const int count = lua_gettop(state);
  lua_pushvalue(state, lua_upvalueindex(1));
  lua_insert(state, 1);
  lua_call(state, count, 1);
  return 1;
}

// ── pairs, sort ──────────────────────────────────────────────────────────────────────────────────────────────

struct Keys {
  std::vector<lua_Integer> integers;
  std::vector<std::string> texts;
  bool has_false = false;
  bool has_true = false;
};

Keys keys_of(lua_State* state, int table) {
  Keys keys;
  lua_pushnil(state);
  while (lua_next(state, table) != 0) {
    lua_pop(state, 1);
    Sandbox::of(state).charge(state, 1);
    const int type = lua_type(state, -1);
    if (type == LUA_TNUMBER && lua_isinteger(state, -1) != 0) {
      keys.integers.push_back(lua_tointeger(state, -1));
    } else if (type == LUA_TSTRING) {
      size_t bytes = 0;
      const char* data = lua_tolstring(state, -1, &bytes);
      keys.texts.emplace_back(data, bytes);
    } else if (type == LUA_TBOOLEAN) {
      (lua_toboolean(state, -1) != 0 ? keys.has_true : keys.has_false) = true;
    } else {
      luaL_error(state, "pairs: a key is a %s; keys with an order are integers, strings and booleans",
                 type == LUA_TNUMBER ? "fraction" : lua_typename(state, type));
    }
  }
  std::sort(keys.integers.begin(), keys.integers.end());
  std::sort(keys.texts.begin(), keys.texts.end());
  return keys;
}

/// Upvalues: the table, its keys in order, how many were visited.
int next_pair(lua_State* state) {
  lua_Integer at = lua_tointeger(state, lua_upvalueindex(3));
  for (;;) {  // ends with the list of keys
    at += 1;
    if (lua_geti(state, lua_upvalueindex(2), at) == LUA_TNIL) return 1;
    lua_pushvalue(state, -1);
    if (lua_rawget(state, lua_upvalueindex(1)) != LUA_TNIL) break;  // else removed meanwhile
    lua_pop(state, 2);
  }
  lua_pushinteger(state, at);
  lua_replace(state, lua_upvalueindex(3));
  return 2;
}

int pairs(lua_State* state) {
  luaL_checkany(state, 1);
  if (luaL_getmetafield(state, 1, "__pairs") != LUA_TNIL) {
    lua_pushvalue(state, 1);
    lua_call(state, 1, 3);
    return 3;
  }
  luaL_checktype(state, 1, LUA_TTABLE);
  const Keys keys = keys_of(state, 1);
  lua_pushvalue(state, 1);
  lua_createtable(state, static_cast<int>(keys.integers.size() + keys.texts.size() + 2), 0);
  lua_Integer at = 0;
  for (const lua_Integer key : keys.integers) {
    lua_pushinteger(state, key);
    lua_rawseti(state, -2, ++at);
  }
  for (const std::string& key : keys.texts) {
    lua_pushlstring(state, key.data(), key.size());
    lua_rawseti(state, -2, ++at);
  }
  for (const bool key : {false, true}) {
    if (!(key ? keys.has_true : keys.has_false)) continue;
    lua_pushboolean(state, key ? 1 : 0);
    lua_rawseti(state, -2, ++at);
  }
  lua_pushinteger(state, 0);
  lua_pushcclosure(state, next_pair, 3);
  return 1;
}

/// Stable merge sort of 1…#t: the same comparisons in the same order on every machine.
class Sorter {
 public:
  Sorter(lua_State* state, bool has_function) : state_(state), has_function_(has_function) {}
  /// Whether t[left] goes before t[right]; the table is argument 1, the function argument 2.
  bool less(lua_Integer left, lua_Integer right) {
    Sandbox::of(state_).charge(state_, 1);
    if (has_function_) lua_pushvalue(state_, 2);
    lua_geti(state_, 1, left);
    lua_geti(state_, 1, right);
    bool result = false;
    if (has_function_) {
      lua_call(state_, 2, 1);
      result = lua_toboolean(state_, -1) != 0;
      lua_pop(state_, 1);
    } else {
      result = lua_compare(state_, -2, -1, LUA_OPLT) != 0;
      lua_pop(state_, 2);
    }
    return result;
  }
  void sort(std::vector<lua_Integer>& order, u64 from, u64 to) {
    if (to - from < 2) return;
    const u64 middle = from + (to - from) / 2;
    sort(order, from, middle);
    sort(order, middle, to);
    std::vector<lua_Integer> merged;
    u64 left = from;
    u64 right = middle;
    while (left < middle && right < to) {
      const bool take_right = less(order[right], order[left]);
      merged.push_back(take_right ? order[right++] : order[left++]);
    }
    merged.insert(merged.end(), order.begin() + static_cast<i64>(left), order.begin() + static_cast<i64>(middle));
    merged.insert(merged.end(), order.begin() + static_cast<i64>(right), order.begin() + static_cast<i64>(to));
    std::copy(merged.begin(), merged.end(), order.begin() + static_cast<i64>(from));
  }

 private:
  lua_State* state_;
  bool has_function_;
};

int sort(lua_State* state) {
  luaL_checktype(state, 1, LUA_TTABLE);
  const bool has_function = !lua_isnoneornil(state, 2);
  if (has_function) luaL_checktype(state, 2, LUA_TFUNCTION);
  lua_settop(state, 2);
  const lua_Integer count = luaL_len(state, 1);
  if (count < 0) return luaL_error(state, "table.sort: the length is negative");
  Sandbox::of(state).charge(state, static_cast<u64>(count));
  std::vector<lua_Integer> order(static_cast<u64>(count));
  for (u64 i = 0; i < order.size(); ++i) order[i] = static_cast<lua_Integer>(i + 1);
  Sorter(state, has_function).sort(order, 0, order.size());
  lua_createtable(state, static_cast<int>(count), 0);
  for (u64 i = 0; i < order.size(); ++i) {
    lua_geti(state, 1, order[i]);
    lua_rawseti(state, 3, static_cast<lua_Integer>(i + 1));
  }
  for (lua_Integer i = 1; i <= count; ++i) {
    lua_rawgeti(state, 3, i);
    lua_seti(state, 1, i);
  }
  return 0;
}

/// Functions of `table` that loop over a length or a range they are told: both are charged first. Upvalue: Lua's own.
int charged(lua_State* state) {
  u64 elements = 0;
  if (lua_istable(state, 1)) elements = static_cast<u64>(luaL_len(state, 1));
  const int count = lua_gettop(state);
  if (count >= 4 && lua_isinteger(state, 2) != 0 && lua_isinteger(state, 3) != 0) {  // table.move
    const lua_Integer from = lua_tointeger(state, 2);
    const lua_Integer to = lua_tointeger(state, 3);
    if (to > from) elements = std::max(elements, static_cast<u64>(to) - static_cast<u64>(from));
  }
  Sandbox::of(state).charge(state, elements);
  lua_pushvalue(state, lua_upvalueindex(1));
  lua_insert(state, 1);
  lua_call(state, count, LUA_MULTRET);
  return lua_gettop(state);
}

// ── metatables, pcall, random ────────────────────────────────────────────────────────────────────────────────

/// setmetatable, for tables whose metatable neither runs code at a collection nor forgets entries by one.
int set_metatable(lua_State* state) {
  const int type = lua_type(state, 2);
  luaL_checktype(state, 1, LUA_TTABLE);
  luaL_argexpected(state, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  if (luaL_getmetafield(state, 1, "__metatable") != LUA_TNIL) {
    return luaL_error(state, "cannot change a protected metatable");
  }
  if (type == LUA_TTABLE) {
    for (const char* field : {"__gc", "__mode"}) {
      lua_pushstring(state, field);
      if (lua_rawget(state, 2) != LUA_TNIL) {
        return luaL_error(
            state, "setmetatable: '%s' does not exist in scenarios: when memory is collected is no part of a run",
            field);
      }
      lua_pop(state, 1);
    }
  }
  lua_settop(state, 2);
  lua_setmetatable(state, 1);
  return 1;
}

/// The handler of xpcall, upvalue 1. It runs before the stack is unwound, in the hook of a limit too, where no hook counts.
int handle_error(lua_State* state) {
  if (Sandbox::of(state).failed()) return 1;
  lua_pushvalue(state, lua_upvalueindex(1));
  lua_insert(state, 1);
  lua_call(state, 1, 1);
  return 1;
}

int protected_call_with_handler(lua_State* state) {
  const lua_KFunction finish = [](lua_State* inner, int status, lua_KContext) -> int {
    Sandbox& box = Sandbox::of(inner);
    if (box.failed()) return box.fail(inner, {});
    if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(inner) - 2;
    if (status == LUA_ERRMEM) {
      return box.fail(inner, "more than " + std::to_string(box.limits().memory_bytes >> 20) + " MiB of memory");
    }
    lua_pushboolean(inner, 0);
    lua_insert(inner, -2);
    return 2;
  };
  const int count = lua_gettop(state);
  luaL_checktype(state, 2, LUA_TFUNCTION);
  lua_pushvalue(state, 2);
  lua_pushcclosure(state, handle_error, 1);
  lua_replace(state, 2);
  lua_pushboolean(state, 1);
  lua_pushvalue(state, 1);
  lua_rotate(state, 3, 2);
  return finish(state, lua_pcallk(state, count - 2, LUA_MULTRET, 2, 2, finish), 2);
}

int random(lua_State* state) {
  base::Prng& prng = Sandbox::of(state).random();
  const int count = lua_gettop(state);
  if (count == 0) {
    lua_pushnumber(state, std::ldexp(static_cast<double>(prng.next() >> 11), -53));
    return 1;
  }
  const lua_Integer low = count == 1 ? 1 : luaL_checkinteger(state, 1);
  const lua_Integer high = luaL_checkinteger(state, count == 1 ? 1 : 2);
  if (count == 1 && high == 0) {
    lua_pushinteger(state, static_cast<lua_Integer>(prng.next()));
    return 1;
  }
  luaL_argcheck(state, low <= high, count, "the range is empty");
  const u64 span = static_cast<u64>(high) - static_cast<u64>(low);
  const u64 value = span == ~u64{0} ? prng.next() : prng.below(span + 1);
  lua_pushinteger(state, static_cast<lua_Integer>(static_cast<u64>(low) + value));
  return 1;
}

// ── Putting it together ──────────────────────────────────────────────────────────────────────────────────────

/// A name that is not there: of the globals (upvalue nil) or of a library (upvalue its name).
int missing(lua_State* state) {
  if (lua_type(state, 2) != LUA_TSTRING) return 0;
  const std::string name = lua_tostring(state, 2);
  const char* library = lua_tostring(state, lua_upvalueindex(1));
  if (library != nullptr) {
    return luaL_error(state, "'%s.%s' does not exist in scenarios", library, name.c_str());
  }
  for (const AbsentName& absent : kAbsent) {
    if (absent.name != name) continue;
    const std::string instead(absent.instead);
    return luaL_error(state, "'%s' does not exist in scenarios; %s", name.c_str(), instead.c_str());
  }
  std::vector<std::string> known;
  lua_pushnil(state);
  while (lua_next(state, 1) != 0) {
    lua_pop(state, 1);
    if (lua_type(state, -1) == LUA_TSTRING) known.emplace_back(lua_tostring(state, -1));
  }
  std::sort(known.begin(), known.end());
  return luaL_error(state, "there is no '%s'%s", name.c_str(), did_you_mean(name, known).c_str());
}

void guard_names(lua_State* state, const char* library) {
  lua_createtable(state, 0, 2);
  if (library == nullptr) {
    lua_pushnil(state);
  } else {
    lua_pushstring(state, library);
  }
  lua_pushcclosure(state, missing, 1);
  lua_setfield(state, -2, "__index");
  lua_pushboolean(state, 0);
  lua_setfield(state, -2, "__metatable");
  lua_setmetatable(state, -2);
}

/// Keeps of the table on top only the names of the list.
void keep_only(lua_State* state, std::span<const std::string_view> names) {
  std::vector<std::string> dropped;
  lua_pushnil(state);
  while (lua_next(state, -2) != 0) {
    lua_pop(state, 1);
    const std::string name = lua_tostring(state, -1);
    if (std::find(names.begin(), names.end(), name) == names.end()) dropped.push_back(name);
  }
  for (const std::string& name : dropped) {
    lua_pushnil(state);
    lua_setfield(state, -2, name.c_str());
  }
}

/// Replaces a function of the table on top by one of ours that has Lua's as upvalue.
void wrap(lua_State* state, const char* name, lua_CFunction function) {
  lua_getfield(state, -1, name);
  lua_pushcclosure(state, function, 1);
  lua_setfield(state, -2, name);
}

void replace(lua_State* state, const char* name, lua_CFunction function) {
  lua_pushcfunction(state, function);
  lua_setfield(state, -2, name);
}

}  // namespace

std::span<const AbsentName> absent_names() { return kAbsent; }
std::span<const std::string_view> sandbox_globals() { return kGlobals; }

std::span<const std::string_view> library_names(std::string_view library) {
  if (library == "math") return kMath;
  if (library == "string") return kString;
  if (library == "table") return kTable;
  if (library == "utf8") return kUtf8;
  return {};
}

void Sandbox::push_text(lua_State* state, int index) {
  index = lua_absindex(state, index);
  if (luaL_getmetafield(state, index, "__tostring") != LUA_TNIL) {
    lua_pushvalue(state, index);
    lua_call(state, 1, 1);
    if (lua_isstring(state, -1) == 0) luaL_error(state, "'__tostring' must return a string");
    return;
  }
  switch (lua_type(state, index)) {
    case LUA_TNIL: lua_pushliteral(state, "nil"); return;
    case LUA_TBOOLEAN: lua_pushstring(state, lua_toboolean(state, index) != 0 ? "true" : "false"); return;
    case LUA_TSTRING: lua_pushvalue(state, index); return;
    case LUA_TNUMBER:
      if (lua_isinteger(state, index) == 0 && std::isnan(lua_tonumber(state, index))) {
        lua_pushliteral(state, "nan");  // its sign is the processor's choice
        return;
      }
      lua_pushvalue(state, index);
      lua_tolstring(state, -1, nullptr);
      return;
    default: break;
  }
  lua_rawgetp(state, LUA_REGISTRYINDEX, &kNumbersKey);
  lua_pushvalue(state, index);
  if (lua_rawget(state, -2) == LUA_TNIL) {
    lua_pop(state, 1);
    const lua_Integer number = luaL_len(state, -1) + 1;
    lua_pushvalue(state, index);
    lua_rawseti(state, -2, number);
    lua_pushvalue(state, index);
    lua_pushinteger(state, number);
    lua_rawset(state, -3);
    lua_pushinteger(state, number);
  }
  lua_pushfstring(state, "%s#%I", luaL_typename(state, index), lua_tointeger(state, -1));
  lua_replace(state, -3);
  lua_pop(state, 1);
}

int open_library(lua_State* state) {
  lua_newtable(state);
  lua_rawsetp(state, LUA_REGISTRYINDEX, &kNumbersKey);

  luaL_requiref(state, "math", luaopen_math, 1);
  replace(state, "random", random);
  keep_only(state, kMath);
  guard_names(state, "math");
  luaL_requiref(state, "string", luaopen_string, 1);
  wrap(state, "format", format);
  wrap(state, "rep", repeat);
  keep_only(state, kString);
  guard_names(state, "string");
  luaL_requiref(state, "table", luaopen_table, 1);
  replace(state, "sort", sort);
  for (const char* name : {"concat", "insert", "move", "remove"}) wrap(state, name, charged);
  keep_only(state, kTable);
  guard_names(state, "table");
  luaL_requiref(state, "utf8", luaopen_utf8, 1);
  keep_only(state, kUtf8);
  guard_names(state, "utf8");
  lua_settop(state, 0);

  luaL_requiref(state, "_G", luaopen_base, 1);
  replace(state, "pairs", pairs);
  replace(state, "tostring", to_text);
  replace(state, "print", print);
  replace(state, "pcall", protected_call);
  replace(state, "xpcall", protected_call_with_handler);
  replace(state, "setmetatable", set_metatable);
  keep_only(state, kGlobals);
  guard_names(state, nullptr);
  lua_settop(state, 0);
  return 0;
}

}  // namespace sim::host::scenario
