// boot/shared/status.h — the machine's exit statuses, as the `orrery` command has them (docs/commands of the host).
#pragma once
#include "base/types.h"

namespace boot {

constexpr u32 kStatusHeld = 0;
constexpr u32 kStatusOwnFailure = 5;
constexpr u32 kStatusWatchdog = 7;
constexpr u32 kStatusUnreadable = 8;
constexpr u32 kStatusStalled = 10;
constexpr u32 kStatusUnsupported = 12;

}  // namespace boot
