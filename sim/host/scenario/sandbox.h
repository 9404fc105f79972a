// sim/host/scenario/sandbox.h — a Lua state that answers the same on every machine and in every process. What in Lua
// depends on its hash seed, on addresses or on clocks is replaced or absent.
//
// Invariants
//   B1 no value a program can see depends on an address, a clock, the locale or the order of a hash table; the length of
//      a table with holes is Lua's own business and promised to nobody.
//   B2 a callback ends after at most Limits::instructions instructions of the virtual machine and as many elements handled
//      by library functions; what reaches a limit cannot be caught by `pcall` and fails the state for good.
// Tested by   tests/scenario/sandbox_test.cpp
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "sim/host/scenario/lua.h"

namespace sim::host::scenario {

struct Limits {
  u64 instructions = 1'000'000;  // of one callback
  u64 memory_bytes = u64{64} << 20;
  int depth = 190;  // of calls, below Lua's own 200
};

/// A global that is absent on purpose, and what to use instead.
struct AbsentName {
  std::string_view name;
  std::string_view instead;
};
std::span<const AbsentName> absent_names();
/// Globals of a fresh sandbox, sorted; and what a library of it holds.
std::span<const std::string_view> sandbox_globals();
std::span<const std::string_view> library_names(std::string_view library);

class Sandbox {
 public:
  /// `seed` and `file` name the stream of math.random.
  Sandbox(u64 seed, std::string_view file, Limits limits = {});
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;
  static Sandbox& of(lua_State* state) { return **static_cast<Sandbox**>(lua_getextraspace(state)); }

  lua_State* state() { return state_; }
  void* owner = nullptr;  // for functions added to it
  /// Where `print` goes; nowhere unless set.
  std::function<void(std::string_view line)> on_print;

  /// Compiles text and leaves the function on the stack, or says why not.
  std::string load(const std::string& text, const std::string& chunk_name);
  /// Calls what lies under `arguments` arguments, as one callback. Empty, or "file:line: what" with nothing left on the
  /// stack.
  std::string call(int arguments, int results);
  /// One turn of a coroutine, as one callback.
  enum class Turn : u8 { Yielded, Returned, Failed };
  Turn resume(lua_State* thread, int arguments, int* results, std::string& error);

  /// Ends everything: no `pcall` can catch it. Does not return.
  int fail(lua_State* state, const std::string& text);
  bool failed() const { return !fatal_.empty(); }
  /// Counts elements that a library function handles against the callback's limit.
  void charge(lua_State* state, u64 elements);
  /// Pushes the text of a value as `tostring` gives it: `table#7`, never an address.
  void push_text(lua_State* state, int index);
  u64 allocated_bytes() const { return allocated_; }
  const Limits& limits() const { return limits_; }
  base::Prng& random() { return random_; }
  /// The stream of math.random begins anew.
  void rekey(u64 seed);

 private:
  static void* allocate(void* self, void* old, size_t old_bytes, size_t bytes);
  static void hook(lua_State* state, lua_Debug* debug);
  void arm(lua_State* state);
  std::string take_error(lua_State* state, int status);

  Limits limits_;
  u64 instance_;  // of the stream
  base::Prng random_;
  lua_State* state_ = nullptr;
  u64 allocated_ = 0;
  u64 charged_ = 0;
  std::string fatal_;
};

/// Puts the functions of the sandbox into a fresh state, under a protected call.
int open_library(lua_State* state);
/// `pcall`, which lets a limit through; shared with those who wrap it.
int protected_call(lua_State* state);

}  // namespace sim::host::scenario
