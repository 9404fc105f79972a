// user/runtime/probe.cpp — see probe.h.
#include "user/runtime/probe.h"

#include "kernel-model/ports.h"

#include "base/enforce.h"

namespace user {

void start_probe(Probe& probe) { machine::self().checks = &probe; }

namespace {

/// Whether the world knows this already.
bool is_old(Probe& probe, u32 property, base::CheckSays says, u64 value) {
  u64& word = probe.told[property / 64];
  const u64 bit = u64{1} << property % 64;
  const bool was_told = (word & bit) != 0;
  if (says == base::CheckSays::Level) {
    if (was_told && value <= probe.highest[property]) return true;
    probe.highest[property] = value;
  } else if (says != base::CheckSays::Hit) {
    return false;
  }
  word |= bit;
  return was_told && says == base::CheckSays::Hit;
}

}  // namespace
}  // namespace user

namespace base {

void report_check(u32 property, CheckSays says, u64 value) {
  if (!machine::is_native_thread() || machine::self().checks == nullptr) return;
  user::Probe& probe = *static_cast<user::Probe*>(machine::self().checks);
  if (probe.window == 0 || user::is_old(probe, property, says, value)) return;
  // A property may stand between the words of a message and the call that sends them, or behind a call whose answer is
  // still to be read.
  const kernel::UserFrame kept = sys::frame();
  sys::frame().mr[0] = u64{property} | static_cast<u64>(says) << 32;
  sys::frame().mr[1] = value;
  if (!port::call(probe.window, port::World::Report).ok()) probe.window = 0;
  kernel::UserFrame& frame = sys::frame();
  for (u32 i = 0; i < kernel::kMessageRegisters; ++i) frame.mr[i] = kept.mr[i];
  frame.cap = kept.cap;
  frame.info = kept.info;
}

}  // namespace base
