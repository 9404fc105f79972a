// vm/lonala/number/magnitude.h — natural numbers as limbs of 64 bits, least significant first. Counts are without leading
// zero limbs unless said; a result may alias an operand only where said.
#pragma once
#include "base/types.h"

namespace lonala::number {

using Limbs = std::span<const u64>;

/// Without leading zero limbs.
u64 trimmed(const u64* limbs, u64 count);
int compare(Limbs a, Limbs b);
/// out has max(a, b) + 1 limbs and may be a; returns nothing to carry.
void add(u64* out, Limbs a, Limbs b);
/// a ≥ b; out has a.size() limbs and may be a.
void subtract(u64* out, Limbs a, Limbs b);
/// out has a.size() + b.size() limbs and is neither; scratch for large operands comes from `scratch`, of
/// `multiply_scratch(a.size(), b.size())` limbs.
void multiply(u64* out, Limbs a, Limbs b, u64* scratch);
u64 multiply_scratch(u64 a, u64 b);
/// b not empty. quotient: a.size() - b.size() + 1 limbs (a ≥ b in size) or null; remainder: b.size() limbs.
/// `work`: a.size() + b.size() + 1 limbs.
void divide(u64* quotient, u64* remainder, Limbs a, Limbs b, u64* work);
/// Divides in place by one limb and returns the remainder.
u64 divide_small(u64* limbs, u64 count, u64 divisor);
/// limbs = limbs × factor + addend; returns the limb carried out.
u64 multiply_small(u64* limbs, u64 count, u64 factor, u64 addend);
/// out has a.size() + bits / 64 + 1 limbs.
void shift_left(u64* out, Limbs a, u64 bits);
/// out has a.size() limbs (what is shifted out at the top becomes zero) and may be a.
void shift_right(u64* out, Limbs a, u64 bits);
u64 bit_length(Limbs a);

}  // namespace lonala::number
