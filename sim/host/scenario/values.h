// sim/host/scenario/values.h — values with units, and values the seed chooses: `"5ms"`, `range("1ms", "5ms")`,
// `one_of { 1, 2, 4 }`.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "sim/host/scenario/lua.h"

namespace sim::host::scenario {

enum class Unit : u8 { Count, Duration, Size, Rate, Number };  // Number: signed, without a unit

/// A value, or what the seed chooses it from. Durations in ns, sizes in bytes, rates in bits a second.
struct Quantity {
  enum class Kind : u8 { Fixed, Range, OneOf } kind = Kind::Fixed;
  Unit unit = Unit::Count;
  std::vector<i64> values;  // one; two, both included; any number

  static Quantity fixed(Unit unit, i64 value) { return {Kind::Fixed, unit, {value}}; }
  bool is_fixed() const { return kind == Kind::Fixed; }
  i64 draw(base::Prng& prng) const;
  /// The value of `key` ("node a cores") under a seed.
  i64 draw(u64 seed, std::string_view key) const;
  /// As it is written: `range(1ms, 5ms)`.
  std::string text() const;
};

/// As it is written in a file: 5000000 → "5ms".
std::string text_of(i64 value, Unit unit);
/// Instance number of a stream for something with a name.
u64 stream_instance(std::string_view name);

/// Text or number as one value. Empty, or what is wrong: "'5 apples' is not a time, for example \"5ms\"".
std::string parse_value(lua_State* state, int index, Unit unit, i64& out);
/// The same, or `range(…)`, or `one_of { … }`; each value within least … most.
std::string parse_quantity(lua_State* state, int index, Unit unit, i64 least, i64 most, Quantity& out);
/// `ratio(n, d)`.
std::string parse_ratio(lua_State* state, int index, base::Ratio& out);

/// Puts range, one_of and ratio into the globals, under a protected call.
int open_values(lua_State* state);

}  // namespace sim::host::scenario
