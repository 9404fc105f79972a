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

Probe* own_probe() {
  if (!machine::is_native_thread() || machine::self().checks == nullptr) return nullptr;
  Probe* const probe = static_cast<Probe*>(machine::self().checks);
  return probe->window == 0 ? nullptr : probe;
}

/// It may stand between the words of a message and the call that sends them, or behind a call whose answer is still to be
/// read: both are left as they were.
void call_world(Probe& probe, port::World operation, const u64 (&words)[4]) {
  const kernel::UserFrame kept = sys::frame();
  for (u32 i = 0; i < 4; ++i) sys::frame().mr[i] = words[i];
  if (!port::call(probe.window, operation).ok()) probe.window = 0;
  kernel::UserFrame& frame = sys::frame();
  for (u32 i = 0; i < kernel::kMessageRegisters; ++i) frame.mr[i] = kept.mr[i];
  frame.cap = kept.cap;
  frame.info = kept.info;
}

void report(Probe& probe, u32 property, base::CheckSays says, u64 value) {
  call_world(probe, port::World::Report, {u64{property} | static_cast<u64>(says) << 32, value, 0, 0});
}

}  // namespace

u32 declare_property(std::string_view name, base::CheckForm form) {
  Probe* const probe = own_probe();
  if (probe == nullptr || name.size() > base::kPropertyNameMax) return kNoProperty;
  __builtin_memcpy(sys::buffer().msg, name.data(), name.size());
  sys::frame().mr[0] = static_cast<u64>(form);
  sys::frame().mr[1] = name.size();
  const sys::Answer answer = port::call(probe->window, port::World::Declare);
  return answer.ok() ? static_cast<u32>(sys::frame().mr[0]) : kNoProperty;
}

void report_declared(u32 property, base::CheckSays says, u64 value) {
  Probe* const probe = own_probe();
  if (probe != nullptr && property != kNoProperty) report(*probe, property, says, value);
}

}  // namespace user

namespace base {

void report_check(u32 property, CheckSays says, u64 value) {
  user::Probe* const probe = user::own_probe();
  if (probe != nullptr && !user::is_old(*probe, property, says, value)) user::report(*probe, property, says, value);
}

void report_event(EventKind kind, u16 flags, const Operands& operands) {
  user::Probe* const probe = user::own_probe();
  if (probe == nullptr) return;
  user::call_world(*probe, port::World::Emit,
                   {static_cast<u64>(kind) | u64{flags} << 16, operands.a, operands.b, operands.c});
}

}  // namespace base
