// tests/rounds.h — how often a test of random programs repeats. Under sanitizers everything takes some six times as long, and
// what they look for shows in any of the programs, so they get a part of those that the optimised build runs whole.
#pragma once

#include "base/types.h"

#if defined(__SANITIZE_ADDRESS__)
constexpr u64 kRoundsDivisor = 4;
#else
constexpr u64 kRoundsDivisor = 1;
#endif

/// `full` rounds, or a quarter of them (at least one) under sanitizers.
constexpr u64 rounds(u64 full) { return full < kRoundsDivisor ? 1 : full / kRoundsDivisor; }
