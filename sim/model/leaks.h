// sim/model/leaks.h — where planted defects of determinism sit. Only a build with ORRERY_LEAK has them: `verify` must
// locate each. What they do needs the host, so they are defined in sim/host/leaks.cpp.
#pragma once
#ifdef ORRERY_LEAK
#include "base/types.h"

namespace sim::leaks {

/// Operand `c` of a console write. `unset` is a byte of a queue that nobody has written.
u64 console_operand(const void* buffer, u8 unset);
/// When a timer that was armed for `time` goes off.
u64 timer_time(u64 time);
/// A word of the entropy device.
u64 entropy_word(u64 word);

}  // namespace sim::leaks
#endif
