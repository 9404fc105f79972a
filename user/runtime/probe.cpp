// user/runtime/probe.cpp — see probe.h.
#include "user/runtime/probe.h"

#include "base/emit.h"
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
namespace {

/// The program's probe; null where there is none.
user::Probe* probe_of_self() {
  if (!machine::is_native_thread() || machine::self().checks == nullptr) return nullptr;
  user::Probe* const probe = static_cast<user::Probe*>(machine::self().checks);
  return probe->window == 0 ? nullptr : probe;
}

/// It may stand between the words of a message and the call that sends them, or behind a call whose answer is still to be
/// read: both are left as they were.
void call_world(user::Probe& probe, port::World operation, const u64 (&words)[4]) {
  const kernel::UserFrame kept = sys::frame();
  for (u32 i = 0; i < 4; ++i) sys::frame().mr[i] = words[i];
  if (!port::call(probe.window, operation).ok()) probe.window = 0;
  kernel::UserFrame& frame = sys::frame();
  for (u32 i = 0; i < kernel::kMessageRegisters; ++i) frame.mr[i] = kept.mr[i];
  frame.cap = kept.cap;
  frame.info = kept.info;
}

}  // namespace

void report_check(u32 property, CheckSays says, u64 value) {
  user::Probe* const probe = probe_of_self();
  if (probe == nullptr || user::is_old(*probe, property, says, value)) return;
  call_world(*probe, port::World::Report, {u64{property} | static_cast<u64>(says) << 32, value, 0, 0});
}

void report_event(EventKind kind, u16 flags, const Operands& operands) {
  user::Probe* const probe = probe_of_self();
  if (probe == nullptr) return;
  call_world(*probe, port::World::Emit,
             {static_cast<u64>(kind) | u64{flags} << 16, operands.a, operands.b, operands.c});
}

}  // namespace base
