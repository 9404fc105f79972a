// kernel-model/fast_path.h — entries that are done in one go (fast_path.cpp).
#pragma once
#include "kernel-model/kernel.h"

namespace kernel {

/// The entry of a system call, if it is of the simple kind: fills `exit` and returns true. False: nothing has changed, and
/// the general code does it. Needs a log with room for the entry's events.
bool take_fast_path(Kernel& kernel, CoreState& core, const Entry& entry, Exit& exit);

}  // namespace kernel
