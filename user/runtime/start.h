// user/runtime/start.h — the first and the last thing a native process does.
#pragma once
#include "base/types.h"

namespace user {

/// Native entry 1: argument 0 is the number of the program in `programs()`. Never returns.
void program_main(const u64 (&arguments)[8]);

}  // namespace user
