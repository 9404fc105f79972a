// sim/host/scenario/values.cpp — see values.h.
#include "sim/host/scenario/values.h"

#include <algorithm>
#include <iterator>

#include "base/parse.h"

namespace sim::host::scenario {
namespace {

constexpr const char* kRange = "orrery.range";
constexpr const char* kOneOf = "orrery.one_of";
constexpr const char* kRatio = "orrery.ratio";

struct Step {
  u64 factor;
  std::string_view name;
};
constexpr Step kDurations[] = {{86'400'000'000'000, "d"},
                               {3'600'000'000'000, "h"},
                               {60'000'000'000, "m"},
                               {1'000'000'000, "s"},
                               {1'000'000, "ms"},
                               {1000, "us"},
                               {1, "ns"}};
constexpr Step kSizes[] = {
    {u64{1} << 40, "TiB"}, {u64{1} << 30, "GiB"}, {u64{1} << 20, "MiB"}, {u64{1} << 10, "KiB"}, {1, "B"}};
constexpr Step kRates[] = {
    {1'000'000'000'000, "Tbit"}, {1'000'000'000, "Gbit"}, {1'000'000, "Mbit"}, {1000, "kbit"}, {1, "bit"}};

std::span<const Step> steps_of(Unit unit) {
  switch (unit) {
    case Unit::Duration: return kDurations;
    case Unit::Size: return kSizes;
    case Unit::Rate: return kRates;
    case Unit::Count:
    case Unit::Number: break;
  }
  return {};
}

bool parse_rate(std::string_view text, i64& out) {
  for (const Step& step : kRates) {
    if (!text.ends_with(step.name)) continue;
    const auto number = base::parse_u64(text.substr(0, text.size() - step.name.size()));
    if (!number.ok()) continue;  // "5Mbit" ends with "bit" too
    if (*number > u64{1} << 50 || *number * step.factor > u64{1} << 62) return false;
    out = static_cast<i64>(*number * step.factor);
    return true;
  }
  return false;
}

std::string shown(lua_State* state, int index) {
  if (lua_type(state, index) == LUA_TSTRING) return "'" + std::string(lua_tostring(state, index)) + "'";
  if (lua_type(state, index) == LUA_TNUMBER) {
    lua_pushvalue(state, index);
    const std::string text = lua_tostring(state, -1);
    lua_pop(state, 1);
    return text;
  }
  return std::string("a ") + luaL_typename(state, index);
}

bool has_metatable(lua_State* state, int index, const char* name) {
  if (lua_getmetatable(state, index) == 0) return false;
  luaL_getmetatable(state, name);
  const bool same = lua_rawequal(state, -1, -2) != 0;
  lua_pop(state, 2);
  return same;
}

int make(lua_State* state, const char* kind) {
  luaL_setmetatable(state, kind);
  return 1;
}

int range(lua_State* state) {
  luaL_checkany(state, 1);
  luaL_checkany(state, 2);
  lua_createtable(state, 2, 0);
  for (int i = 1; i <= 2; ++i) {
    lua_pushvalue(state, i);
    lua_rawseti(state, -2, i);
  }
  return make(state, kRange);
}

int one_of(lua_State* state) {
  luaL_checktype(state, 1, LUA_TTABLE);
  const lua_Integer count = luaL_len(state, 1);
  luaL_argcheck(state, count > 0, 1, "a list of at least one value is needed");
  lua_createtable(state, static_cast<int>(count), 0);
  for (lua_Integer i = 1; i <= count; ++i) {
    lua_geti(state, 1, i);
    lua_rawseti(state, -2, i);
  }
  return make(state, kOneOf);
}

int ratio(lua_State* state) {
  const lua_Integer numerator = luaL_checkinteger(state, 1);
  const lua_Integer denominator = luaL_checkinteger(state, 2);
  luaL_argcheck(state, denominator > 0, 2, "above 0 is needed");
  luaL_argcheck(state, numerator >= 0 && numerator <= denominator, 1, "0 to the denominator is needed");
  lua_createtable(state, 2, 0);
  lua_pushinteger(state, numerator);
  lua_rawseti(state, -2, 1);
  lua_pushinteger(state, denominator);
  lua_rawseti(state, -2, 2);
  return make(state, kRatio);
}

}  // namespace

u64 stream_instance(std::string_view name) {
  base::D128 digest;
  digest.fold_bytes(base::bytes_of(name));
  return digest.out().low;
}

i64 Quantity::draw(base::Prng& prng) const {
  switch (kind) {
    case Kind::Fixed: return values[0];
    case Kind::Range: {
      const u64 span = static_cast<u64>(values[1]) - static_cast<u64>(values[0]);
      const u64 offset = span == ~u64{0} ? prng.next() : prng.below(span + 1);
      return static_cast<i64>(static_cast<u64>(values[0]) + offset);
    }
    case Kind::OneOf: return values[prng.below(values.size())];
  }
  return values[0];
}

i64 Quantity::draw(u64 seed, std::string_view key) const {
  base::Prng prng(seed, "scenario.draw", stream_instance(key));
  return draw(prng);
}

std::string text_of(i64 value, Unit unit) {
  const u64 size = value < 0 ? u64{0} - static_cast<u64>(value) : static_cast<u64>(value);
  const std::string sign = value < 0 ? "-" : "";
  for (const Step& step : steps_of(unit)) {
    if (size >= step.factor && size % step.factor == 0) {
      return sign + std::to_string(size / step.factor) + std::string(step.name);
    }
  }
  return sign + std::to_string(size);
}

std::string Quantity::text() const {
  if (kind == Kind::Fixed) return text_of(values[0], unit);
  std::string text = kind == Kind::Range ? "range(" : "one_of(";
  for (const i64 value : values) text += (text.back() == '(' ? "" : ", ") + text_of(value, unit);
  return text + ")";
}

std::string parse_value(lua_State* state, int index, Unit unit, i64& out) {
  const int type = lua_type(state, index);
  if (type == LUA_TNUMBER && unit != Unit::Duration && unit != Unit::Rate) {
    int exact = 0;
    out = lua_tointegerx(state, index, &exact);
    if (exact != 0) return {};
    return shown(state, index) + " is not a whole number";
  }
  const std::string text = type == LUA_TSTRING ? lua_tostring(state, index) : "";
  switch (unit) {
    case Unit::Duration: {
      const bool bare = text.empty() || (text.back() >= '0' && text.back() <= '9');
      const bool minus = text.starts_with("-");
      const auto value = base::parse_duration_ns(std::string_view(text).substr(minus ? 1 : 0));
      if (bare || !value.ok() || *value > u64{1} << 62)
        return shown(state, index) + " is not a time, for example \"5ms\"";
      out = minus ? -static_cast<i64>(*value) : static_cast<i64>(*value);
      return {};
    }
    case Unit::Size: {
      const auto value = base::parse_size(text);
      if (!value.ok() || *value > u64{1} << 62) return shown(state, index) + " is not a size, for example \"64MiB\"";
      out = static_cast<i64>(*value);
      return {};
    }
    case Unit::Rate:
      return parse_rate(text, out) ? "" : shown(state, index) + " is not a rate, for example \"100Mbit\"";
    case Unit::Count:
    case Unit::Number: break;
  }
  return shown(state, index) + " is not a number";
}

std::string parse_quantity(lua_State* state, int index, Unit unit, i64 least, i64 most, Quantity& out) {
  index = lua_absindex(state, index);
  Quantity made{.unit = unit};
  if (has_metatable(state, index, kRange)) made.kind = Quantity::Kind::Range;
  if (has_metatable(state, index, kOneOf)) made.kind = Quantity::Kind::OneOf;
  if (has_metatable(state, index, kRatio)) return "a ratio is not asked for here";
  const lua_Integer count = made.is_fixed() ? 1 : static_cast<lua_Integer>(lua_rawlen(state, index));
  for (lua_Integer i = 1; i <= count; ++i) {
    if (made.is_fixed()) {
      lua_pushvalue(state, index);
    } else {
      lua_rawgeti(state, index, i);
    }
    i64 value = 0;
    const std::string mistake = parse_value(state, lua_gettop(state), unit, value);
    lua_pop(state, 1);
    if (!mistake.empty()) return mistake;
    if (value < least || value > most) {
      return text_of(value, unit) + " is not in " + text_of(least, unit) + " … " + text_of(most, unit);
    }
    made.values.push_back(value);
  }
  if (made.kind == Quantity::Kind::Range && made.values[0] > made.values[1]) {
    return "range is reversed (" + text_of(made.values[0], unit) + " … " + text_of(made.values[1], unit) + ")";
  }
  out = std::move(made);
  return {};
}

std::string parse_ratio(lua_State* state, int index, base::Ratio& out) {
  index = lua_absindex(state, index);
  if (!has_metatable(state, index, kRatio)) return shown(state, index) + " is not a ratio, for example ratio(1, 100)";
  lua_rawgeti(state, index, 1);
  lua_rawgeti(state, index, 2);
  const u64 numerator = static_cast<u64>(lua_tointeger(state, -2));
  const u64 denominator = static_cast<u64>(lua_tointeger(state, -1));
  lua_pop(state, 2);
  out = {static_cast<decltype(out.numerator)>(numerator), static_cast<decltype(out.denominator)>(denominator)};
  return {};
}

int open_values(lua_State* state) {
  for (const char* kind : {kRange, kOneOf, kRatio}) {
    luaL_newmetatable(state, kind);
    lua_pushboolean(state, 0);
    lua_setfield(state, -2, "__metatable");
  }
  lua_settop(state, 0);
  lua_pushglobaltable(state);
  constexpr luaL_Reg kFunctions[] = {{"range", range}, {"one_of", one_of}, {"ratio", ratio}, {nullptr, nullptr}};
  luaL_setfuncs(state, kFunctions, 0);
  return 0;
}

}  // namespace sim::host::scenario
