// sim/host/scenario/lua_model.h — a model of a history that the scenario itself gives: `init`, and `apply`, which says for a
// state and an operation whether the answer can be, and what the state is then.
//
// The checker keeps states as bytes and tries them in an order of its own, so each call of `apply` gets a fresh copy of its
// state: whatever it does to it is seen by nobody. Equal states are equal bytes.
#pragma once
#include "sim/host/judge/models.h"
#include "sim/host/scenario/program.h"

namespace sim::host::scenario {

/// States tried a key: a call into Lua takes microseconds, one of a model in C++ a tenth of one.
constexpr u64 kLuaStatesMax = 200'000;
constexpr u32 kStateDepthMax = 32;
constexpr u64 kStateBytesMax = u64{1} << 20;

/// The value at `index` as bytes: nil, booleans, numbers, texts and tables of them. Empty, or why it cannot be.
std::string encode_value(lua_State* state, int index, std::string& out);
/// Pushes what the bytes say, which encode_value has made.
void push_value(lua_State* state, std::string_view bytes);

class LuaModel final : public judge::Model {
 public:
  LuaModel(Program& program, const HistoryPlan& plan);

  std::string initial() const override { return initial_; }
  bool apply(std::string& state, const judge::Operation& operation) const override;
  std::string refuses(const judge::Operation&) const override { return {}; }
  bool is_read(const judge::Operation& operation) const override;

  /// The first thing that went wrong in the file's functions, "file:line: what"; nothing more was asked since.
  const std::string& error() const { return error_; }

 private:
  void take_initial();
  bool ask(std::string& state, const judge::Operation& operation) const;

  Program& program_;
  const HistoryPlan& plan_;
  std::string initial_;
  mutable std::string error_;
};

}  // namespace sim::host::scenario
