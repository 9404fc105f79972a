// sim/host/scenario/sandbox.cpp — the state itself: memory, limits, calls and their errors.
#include "sim/host/scenario/sandbox.h"

#include <cstdlib>

namespace sim::host::scenario {
namespace {

u64 instance_of(std::string_view text) {
  base::D128 digest;
  digest.fold_bytes(base::bytes_of(text));
  return digest.out().low;
}

base::Prng random_of(u64 seed, u64 instance) { return {seed, "scenario.lua", instance}; }

}  // namespace

void Sandbox::rekey(u64 seed) { random_ = random_of(seed, instance_); }

Sandbox::Sandbox(u64 seed, std::string_view file, Limits limits)
    : limits_(limits), instance_(instance_of(file)), random_(random_of(seed, instance_)) {
  state_ = lua_newstate(allocate, this);
  *static_cast<Sandbox**>(lua_getextraspace(state_)) = this;
  lua_pushcfunction(state_, open_library);
  if (lua_pcall(state_, 0, 0, 0) != LUA_OK) std::abort();  // 64 MiB always hold the library
}

Sandbox::~Sandbox() { lua_close(state_); }

void* Sandbox::allocate(void* self, void* old, size_t old_bytes, size_t bytes) {
  Sandbox& box = *static_cast<Sandbox*>(self);
  const size_t held = old == nullptr ? 0 : old_bytes;
  if (bytes == 0) {
    box.allocated_ -= held;
    std::free(old);
    return nullptr;
  }
  if (bytes > held && box.allocated_ + (bytes - held) > box.limits_.memory_bytes) return nullptr;
  void* block = std::realloc(old, bytes);
  if (block == nullptr) std::abort();  // the host's memory is no part of a run
  box.allocated_ = box.allocated_ - held + bytes;
  return block;
}

void Sandbox::hook(lua_State* state, lua_Debug* debug) {
  Sandbox& box = of(state);
  if (debug->event == LUA_HOOKCOUNT) {
    box.fail(state, "more than " + std::to_string(box.limits_.instructions) + " instructions in one callback");
  }
  lua_Debug deepest;
  if (lua_getstack(state, box.limits_.depth, &deepest) != 0) {
    box.fail(state, "calls are nested deeper than " + std::to_string(box.limits_.depth));
  }
}

void Sandbox::arm(lua_State* state) {
  charged_ = 0;
  lua_sethook(state, hook, LUA_MASKCOUNT | LUA_MASKCALL, static_cast<int>(limits_.instructions));
}

int Sandbox::fail(lua_State* state, const std::string& text) {
  if (fatal_.empty()) {
    luaL_where(state, 0);
    std::string where = lua_tostring(state, -1);
    for (int level = 1; where.empty() && level < 20; ++level) {
      luaL_where(state, level);
      where = lua_tostring(state, -1);
    }
    fatal_ = where + text;
  }
  lua_sethook(state, hook, LUA_MASKCOUNT, 1);  // what a program does while the error passes ends at once
  lua_pushlstring(state, fatal_.data(), fatal_.size());
  return lua_error(state);
}

void Sandbox::charge(lua_State* state, u64 elements) {
  charged_ += elements;
  if (charged_ > limits_.instructions) {
    fail(state, "more than " + std::to_string(limits_.instructions) + " elements handled in one callback");
  }
}

std::string Sandbox::take_error(lua_State* state, int status) {
  std::string text;
  if (!fatal_.empty()) {
    text = fatal_;
  } else if (status == LUA_ERRMEM) {
    fatal_ = "more than " + std::to_string(limits_.memory_bytes >> 20) + " MiB of memory";
    text = fatal_;
  } else if (lua_type(state, -1) == LUA_TSTRING) {
    size_t bytes = 0;
    const char* data = lua_tolstring(state, -1, &bytes);
    text.assign(data, bytes);
  } else {
    text = std::string("an error that is a ") + luaL_typename(state, -1);
  }
  lua_pop(state, 1);
  return text;
}

std::string Sandbox::load(const std::string& text, const std::string& chunk_name) {
  const int status = luaL_loadbufferx(state_, text.data(), text.size(), ("@" + chunk_name).c_str(), "t");
  return status == LUA_OK ? std::string{} : take_error(state_, status);
}

std::string Sandbox::call(int arguments, int results) {
  // A callback may ask for another (a judge for its model): that one has limits of its own, then the outer's hold again.
  const u64 charged = charged_;
  const bool is_nested = lua_gethook(state_) != nullptr;
  arm(state_);
  const int status = lua_pcall(state_, arguments, results, 0);
  charged_ = charged;
  if (is_nested) {
    lua_sethook(state_, hook, LUA_MASKCOUNT | LUA_MASKCALL, static_cast<int>(limits_.instructions));
  } else {
    lua_sethook(state_, nullptr, 0, 0);
  }
  if (status != LUA_OK) return take_error(state_, status);
  return {};
}

Sandbox::Turn Sandbox::resume(lua_State* thread, int arguments, int* results, std::string& error) {
  arm(thread);
  const int status = lua_resume(thread, state_, arguments, results);
  if (status == LUA_YIELD) return Turn::Yielded;
  if (status == LUA_OK) return Turn::Returned;
  error = take_error(thread, status);
  return Turn::Failed;
}

int protected_call(lua_State* state) {
  const lua_KFunction finish = [](lua_State* inner, int status, lua_KContext) -> int {
    Sandbox& box = Sandbox::of(inner);
    if (box.failed()) return box.fail(inner, {});
    if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(inner);
    if (status == LUA_ERRMEM) {
      return box.fail(inner, "more than " + std::to_string(box.limits().memory_bytes >> 20) + " MiB of memory");
    }
    lua_pushboolean(inner, 0);
    lua_insert(inner, -2);
    return 2;
  };
  luaL_checkany(state, 1);
  lua_pushboolean(state, 1);
  lua_insert(state, 1);
  return finish(state, lua_pcallk(state, lua_gettop(state) - 2, LUA_MULTRET, 0, 0, finish), 0);
}

}  // namespace sim::host::scenario
