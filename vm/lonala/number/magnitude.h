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
/// out has a.size() + b.size() limbs and is neither; limb by limb.
void multiply_school(u64* out, Limbs a, Limbs b);
// Below this many limbs schoolbook multiplication wins (GMP's own bound is in the same region).
constexpr u64 kKaratsubaLimbsMin = 32;
/// Limbs that a Product needs as scratch.
u64 multiply_scratch(u64 a, u64 b);

constexpr u64 kStepProducts = 1024;  // limb products of a step, or one row of the shorter number
/// Limbs somewhere: bytes from a base that each step is told, so that all of it may be moved in between.
struct Place {
  u64 at;
  u64 count;
};
/// A product in steps: plain data.
struct Product {
  static constexpr u32 kDepthMax = 40;  // a half of at least 32 limbs each
  struct Frame {
    u64 out;
    u64 a;
    u64 b;
    u64 count;
    u64 scratch;
    u64 stage;
  };
  u64 out;
  Place a;  // not shorter than b
  Place b;
  u64 scratch;    // multiply_scratch limbs
  u64 next;       // limbs of a that are done
  u64 part_made;  // the product of the next ones lies in the scratch
  u64 depth;
  Frame frames[kDepthMax];

  void begin(u8* base, u64 to, Place x, Place y, u64 scratch_at);
  /// The limb products that the step took; 0: all is done.
  u64 step(u8* base);

 private:
  u64 part(u8* base);
};
/// `divide` in steps: plain data. b has at least two limbs.
struct Quotient {
  u64 quotient;
  u64 remainder;
  Place a;
  Place b;
  u64 work;
  u64 rows;  // still to do

  void begin(u8* base);
  /// The limb products that the step took; 0: all is done.
  u64 step(u8* base);
};
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
