// sim/host/scenario/lua_model.cpp — see lua_model.h.
#include "sim/host/scenario/lua_model.h"

#include <algorithm>
#include <cstring>

namespace sim::host::scenario {
namespace {

/// One of the program's functions is asked as a judge is: it may look and not act.
class Asking {
 public:
  explicit Asking(Program& program)
      : program_(program), before_(program.phase), top_(lua_gettop(program.box().state())) {
    program.phase = Phase::Look;
  }
  ~Asking() {
    program_.phase = before_;
    lua_settop(program_.box().state(), top_);
  }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

 private:
  Program& program_;
  Phase before_;
  int top_;
};

template <class T>
void add_word(std::string& out, T value) {
  u64 word = 0;
  static_assert(sizeof value == sizeof word);
  std::memcpy(&word, &value, sizeof word);
  for (u32 i = 0; i < 8; ++i) out += static_cast<char>(word >> (8 * i));
}

u64 word_at(std::string_view bytes, u64 at) {
  u64 word = 0;
  for (u32 i = 0; i < 8; ++i) word |= u64{static_cast<u8>(bytes[at + i])} << (8 * i);
  return word;
}

std::string encode(lua_State* state, int index, u32 depth, std::string& out);

/// The pairs of a table in the order of their keys' bytes, so that equal tables are equal bytes.
std::string encode_table(lua_State* state, int index, u32 depth, std::string& out) {
  if (depth == kStateDepthMax) return "tables are nested more than " + std::to_string(kStateDepthMax) + " deep";
  std::vector<std::pair<std::string, std::string>> pairs;
  lua_pushnil(state);
  while (lua_next(state, index) != 0) {
    const int key_type = lua_type(state, -2);
    if (key_type != LUA_TSTRING && key_type != LUA_TNUMBER && key_type != LUA_TBOOLEAN) {
      return std::string("a table has a ") + lua_typename(state, key_type) + " as a key";
    }
    pairs.emplace_back();
    const int top = lua_gettop(state);
    std::string wrong = encode(state, top - 1, depth + 1, pairs.back().first);
    if (wrong.empty()) wrong = encode(state, top, depth + 1, pairs.back().second);
    if (!wrong.empty()) return wrong;
    lua_pop(state, 1);
  }
  std::sort(pairs.begin(), pairs.end());  // total: keys of one table differ
  out += '{';
  add_word(out, u64{pairs.size()});
  for (const auto& [key, value] : pairs) out += key + value;
  return {};
}

std::string encode(lua_State* state, int index, u32 depth, std::string& out) {
  if (out.size() > kStateBytesMax) return "a state is larger than 1 MiB";
  luaL_checkstack(state, 8, "a state is nested too deep");
  switch (lua_type(state, index)) {
    case LUA_TNIL: out += 'n'; return {};
    case LUA_TBOOLEAN: out += lua_toboolean(state, index) != 0 ? 't' : 'f'; return {};
    case LUA_TNUMBER:
      if (lua_isinteger(state, index) != 0) {
        out += 'i';
        add_word(out, static_cast<u64>(lua_tointeger(state, index)));
      } else {
        out += 'd';
        add_word(out, lua_tonumber(state, index));
      }
      return {};
    case LUA_TSTRING: {
      size_t bytes = 0;
      const char* data = lua_tolstring(state, index, &bytes);
      out += 's';
      add_word(out, u64{bytes});
      out.append(data, bytes);
      return {};
    }
    case LUA_TTABLE: return encode_table(state, index, depth, out);
    default: return std::string("a ") + luaL_typename(state, index) + " cannot be kept";
  }
}

void push(lua_State* state, std::string_view bytes, u64& at) {
  luaL_checkstack(state, 8, "a state is nested too deep");
  const char tag = bytes[at++];
  if (tag == 'n') return lua_pushnil(state);
  if (tag == 't' || tag == 'f') return lua_pushboolean(state, tag == 't' ? 1 : 0);
  const u64 word = word_at(bytes, at);
  at += 8;
  if (tag == 'i') return lua_pushinteger(state, static_cast<lua_Integer>(word));
  if (tag == 'd') {
    lua_Number number = 0;
    std::memcpy(&number, &word, sizeof number);
    return lua_pushnumber(state, number);
  }
  if (tag == 's') {
    lua_pushlstring(state, bytes.data() + at, word);
    at += word;
    return;
  }
  lua_newtable(state);
  for (u64 i = 0; i < word; ++i) {
    push(state, bytes, at);
    push(state, bytes, at);
    lua_rawset(state, -3);
  }
}

void set_text(lua_State* state, const char* field, const std::string& text) {
  lua_pushlstring(state, text.data(), text.size());
  lua_setfield(state, -2, field);
}

/// What `apply` is told of an operation.
void push_operation(lua_State* state, const judge::Operation& operation) {
  lua_createtable(state, 0, 6);
  set_text(state, "client", operation.request.client);
  set_text(state, "name", operation.request.name);
  set_text(state, "key", operation.request.key);
  lua_newtable(state);
  for (u64 i = 0; i < operation.request.arguments.size(); ++i) {
    const std::string& argument = operation.request.arguments[i];
    lua_pushlstring(state, argument.data(), argument.size());
    lua_rawseti(state, -2, static_cast<lua_Integer>(i + 1));
  }
  lua_setfield(state, -2, "args");
  const bool known = operation.is_complete();
  lua_pushboolean(state, known ? 1 : 0);
  lua_setfield(state, -2, "known");
  if (known && operation.result) set_text(state, "result", *operation.result);
}

}  // namespace

std::string encode_value(lua_State* state, int index, std::string& out) {
  const int top = lua_gettop(state);
  std::string wrong = encode(state, lua_absindex(state, index), 0, out);
  lua_settop(state, top);
  return wrong;
}

void push_value(lua_State* state, std::string_view bytes) {
  u64 at = 0;
  push(state, bytes, at);
}

LuaModel::LuaModel(Program& program, const HistoryPlan& plan) : program_(program), plan_(plan) { take_initial(); }

void LuaModel::take_initial() {
  lua_State* state = program_.box().state();
  const Asking asking(program_);
  program_.push(state, plan_.initial);
  if (lua_isfunction(state, -1)) error_ = program_.box().call(0, 1);
  if (!error_.empty()) return;
  if (const std::string wrong = encode_value(state, -1, initial_); !wrong.empty())
    error_ = text_of(plan_.where) + ": init: " + wrong;
}

bool LuaModel::apply(std::string& state, const judge::Operation& operation) const {
  return error_.empty() && ask(state, operation);
}

bool LuaModel::ask(std::string& bytes, const judge::Operation& operation) const {
  lua_State* state = program_.box().state();
  const Asking asking(program_);
  program_.push(state, plan_.apply);
  push_value(state, bytes);
  push_operation(state, operation);
  error_ = program_.box().call(2, 2);
  if (!error_.empty()) return false;
  if (lua_toboolean(state, -2) == 0) return false;
  if (lua_isnil(state, -1)) return true;  // it is as it was
  std::string next;
  if (const std::string wrong = encode_value(state, -1, next); !wrong.empty()) {
    error_ = text_of(plan_.where) + ": apply: the new state: " + wrong;
    return false;
  }
  bytes = std::move(next);
  return true;
}

bool LuaModel::is_read(const judge::Operation& operation) const {
  return std::find(plan_.reads.begin(), plan_.reads.end(), operation.request.name) != plan_.reads.end();
}

}  // namespace sim::host::scenario
