// vm/lonala/number/number.h — the numeric tower: unbounded integers with and without the big mark, fixed widths, ratios,
// binary64 and binary32. Every function that may fail returns kRaised.
#pragma once
#include "vm/lonala/errors.h"
#include "vm/lonala/heap.h"
#include "vm/lonala/number/magnitude.h"

namespace lonala::number {

enum class Kind : u8 { None, Integer, Fixed, Ratio, F32, F64 };
Kind kind_of(const Vm& vm, Term term);
inline bool is_number(const Vm& vm, Term term) { return is_small(term) || kind_of(vm, term) != Kind::None; }
inline bool is_integer_like(const Vm& vm, Term term) {
  return is_small(term) || kind_of(vm, term) == Kind::Integer || kind_of(vm, term) == Kind::Fixed;
}

/// An integer of any kind, opened: sign and magnitude. Small ones keep their limb in `own`, so it is not copied.
struct Integer {
  u64 own = 0;
  const u64* limbs = nullptr;
  u64 count = 0;
  bool negative = false;
  bool marked = false;
  bool fixed = false;
  Width width = Width::U8;

  Integer() = default;
  Integer(const Vm& vm, Term term) { open(vm, term); }
  Integer(const Integer&) = delete;
  Integer& operator=(const Integer&) = delete;
  void open(const Vm& vm, Term term);
  Limbs magnitude() const { return {limbs, count}; }
  /// Value modulo 2^64.
  u64 low() const {
    const u64 word = count == 0 ? 0 : limbs[0];
    return negative ? ~word + 1 : word;
  }
  bool fits_i64() const {
    return count == 0 || (count == 1 && (limbs[0] < u64{1} << 63 || (negative && limbs[0] == u64{1} << 63)));
  }
};

Term make_integer(Vm& vm, i64 value);
Term make_unsigned(Vm& vm, u64 value);
/// An integer from limbs, which need not be trimmed and may not lie in a heap object under construction.
Term make_integer(Vm& vm, Limbs limbs, bool negative, bool marked);
/// A fixed-width number from the low bits of `value`.
Term make_fixed(Vm& vm, Width width, u64 value);
Term make_f64(Vm& vm, u64 bits);
Term make_f32(u32 bits);
u64 f64_bits(const Vm& vm, Term term);
/// Numerator and denominator > 0, integers; reduces. A whole result is an integer.
Term make_ratio(Vm& vm, Term numerator, Term denominator);

enum class Operation : u8 { Add, Subtract, Multiply };
Term arithmetic(Vm& vm, Operation operation, Term a, Term b, Args args);
/// The same, stopping when the slice is over (work.h).
Term arithmetic_in_steps(Vm& vm, Operation operation, Term a, Term b, Args args);
Term divide(Vm& vm, Term a, Term b, Args args);
enum class Division : u8 { Quotient, Remainder, Modulo };
Term integer_divide(Vm& vm, Division division, Term a, Term b, Args args);
/// The same, stopping when the slice is over (work.h).
Term integer_divide_in_steps(Vm& vm, Division division, Term a, Term b, Args args);

/// Exact order of two numbers; 2 when one is NaN.
int compare(Vm& vm, Term a, Term b);
/// `=` of two numbers: exact with exact by value, floats by value, never across.
bool equal(Vm& vm, Term a, Term b);
u64 hash(Vm& vm, Term number);

/// Truncation to an integer without width or mark; NaN and infinities raise `:badarg`.
Term truncate(Vm& vm, Term number, Args args);
/// A finite float as an integer or ratio of the same value.
Term exact_of_float(Vm& vm, Term number);
Term to_f64(Vm& vm, Term number);
/// binary64 bits of any number, correctly rounded.
u64 to_f64_bits(Vm& vm, Term number);
u32 to_f32_bits(Vm& vm, Term number);

// Bits (integers only; the caller has checked the kinds).
enum class Bitwise : u8 { And, Or, Xor };
Term bitwise(Vm& vm, Bitwise operation, Term a, Term b, Args args);
Term shift_left(Vm& vm, Term a, u64 bits);
/// Arithmetic shift: floor division by a power of two.
Term shift_right(Vm& vm, Term a, u64 bits);
/// Reduces an unfixed integer into a width.
Term wrap(Vm& vm, Width width, Term integer);
/// The integer without width and mark.
Term plain(Vm& vm, Term integer);

// Text (decimal.cpp).
void print(Vm& vm, Text& out, Term number);
/// Digits of a natural number in a base from 2 to 36, lower case.
void print_magnitude(Vm& vm, Text& out, Limbs limbs, u32 base, bool upper = false);
/// Digits, underscores already removed, valid in the base.
Term read_integer(Vm& vm, std::string_view digits, u32 base, bool negative, bool marked);
/// Decimal digits × 10^exponent, correctly rounded.
u64 read_f64(Vm& vm, std::string_view digits, i64 exponent, bool negative);
u32 read_f32(Vm& vm, std::string_view digits, i64 exponent, bool negative);
void print_f64(Vm& vm, Text& out, u64 bits);
void print_f32(Vm& vm, Text& out, u32 bits);

}  // namespace lonala::number
