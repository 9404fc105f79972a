// user/runtime/probe.h — how a native program's properties (base/check.h) reach the world device. The manager maps its
// window into the services of the image; whoever has none reports nothing.
#pragma once
#include "base/check.h"
#include "user/runtime/shared.h"

namespace user {

constexpr u64 kProbeAddress = device_address(kProbeGrant);

/// What this program has told. Lives as long as the program; `start_probe` makes it known.
struct Probe {
  u64 window = kProbeAddress;  // 0: there is none
  u64 told[base::kPropertyCount / 64 + 1] = {};
  u64 highest[base::kPropertyCount] = {};  // of watermarks: only what is higher is told again
};
void start_probe(Probe& probe);

/// A property that base/names.def does not list: programs that interpret other programs declare what those claim.
constexpr u32 kNoProperty = ~u32{0};
/// Its number; kNoProperty without authority to report, or if the world does not take the name or the form.
u32 declare_property(std::string_view name, base::CheckForm form);
/// What one evaluation of it said; every one is told.
void report_declared(u32 property, base::CheckSays says, u64 value);

}  // namespace user
