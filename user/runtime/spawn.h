// user/runtime/spawn.h — starting a native program with more than `Process::spawn` gives: what init and the supervisor
// start servers with.
#pragma once
#include "user/runtime/process.h"
#include "user/runtime/state.h"

namespace user {

struct StartRequest {
  std::string_view program{};                // native name, as in programs.def
  std::span<const std::string_view> args{};  // args[0] is the name
  std::span<const FdMapping> descriptors{};
  std::span<const EnvSetting> environment{};
  std::span<const std::string_view> devices{};  // granted in this order, user/runtime/shared.h
  std::string_view realm{};
  u32 flags = 0;
  Pid group = 0;
  u32 served = 0;     // slot of the endpoint it serves, 0: none
  u8 priority = 0;    // 0: the caller's
  bool hold = false;  // made, but not yet let run
};
Result<Pid> start_program(ProcessState& state, const StartRequest& request);
Result<void> release_program(Pid pid);

}  // namespace user
