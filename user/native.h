// user/native.h — the native entry points of an image: what a native thread's pc may name.
#pragma once
#include <span>

#include "kernel-model/machine.h"

namespace user {

/// Entry 0 is the root task; the others are started by the root manager.
std::span<const machine::NativeEntry> native_entries();

}  // namespace user
