// sim/host/leaks.h — the planted leaks that only another compiler or other flags show; each in a file of its own, so that
// a test can build that one differently.
#pragma once
#include "base/types.h"

namespace sim::leaks {

/// The bits of a sum of doubles whose order -ffast-math may change.
u64 sum_of_round_trips();
/// f(draw(), draw()): the order of evaluation is the compiler's.
u64 two_draws();

}  // namespace sim::leaks
