// base/emit.h — programs of the system tell of what they do, as events of the lanes fs and vm. It costs no virtual time, and
// is part of the run and its digest; a program without the world device's window tells nothing.
#pragma once
#include <string_view>

#include "base/events.h"

namespace base {

/// The first eight bytes of a name as an operand, "dev" as 0x766564: what filters compare `name=dev` with.
constexpr u64 short_name(std::string_view name) {
  u64 word = 0;
  for (u64 i = 0; i < name.size() && i < 8; ++i) word |= u64{static_cast<u8>(name[i])} << (8 * i);
  return word;
}

struct Operands {
  u64 a = 0;
  u64 b = 0;
  u64 c = 0;
};

/// Defined where programs run (user/runtime/probe.cpp); where it is not linked nothing is told.
[[gnu::weak]] void report_event(EventKind kind, u16 flags, const Operands& operands);

inline void tell_event(EventKind kind, const Operands& operands, u16 flags = 0) {
  if (report_event != nullptr) report_event(kind, flags, operands);
}

}  // namespace base
