#include "vm/lonala/number/number.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "vm/lonala/number/binary_float.h"
#include "vm/lonala/number/long_work.h"

#include "base/enforce.h"

namespace lonala::number {

Term finish_integer(Vm& vm, Term object, u64 count, bool negative, bool marked) {
  u64* words = vm.object(object);
  count = trimmed(words + 1, count);
  if (!marked) {
    if (count == 0) return small(0);
    if (count == 1) {
      const u64 limb = words[1];
      if (limb <= static_cast<u64>(kSmallMax))
        return small(negative ? -static_cast<i64>(limb) : static_cast<i64>(limb));
      if (negative && limb == u64{1} << 60) return small(kSmallMin);
    }
  }
  words[0] = header(Type::Bignum, count, (marked ? kMarked : 0) | (negative && count != 0 ? kNegative : 0));
  return object;
}

namespace {

bool is_float(Kind kind) { return kind == Kind::F32 || kind == Kind::F64; }

Term add_signed(Vm& vm, const Integer& a, const Integer& b, bool flip) {
  const bool b_negative = b.negative != flip;
  const bool marked = a.marked || b.marked;
  const u64 count = std::max(a.count, b.count) + 1;
  const Term object = make_object(vm, Type::Bignum, count);
  if (object == kRaised) return object;
  u64* out = vm.object(object) + 1;
  if (a.negative == b_negative) {
    add(out, a.magnitude(), b.magnitude());
    return finish_integer(vm, object, count, a.negative, marked);
  }
  out[count - 1] = 0;
  if (compare(a.magnitude(), b.magnitude()) >= 0) {
    memset(out, 0, count * 8);
    subtract(out, a.magnitude(), b.magnitude());
    return finish_integer(vm, object, count, a.negative, marked);
  }
  memset(out, 0, count * 8);
  subtract(out, b.magnitude(), a.magnitude());
  return finish_integer(vm, object, count, b_negative, marked);
}

Term multiply_signed(Vm& vm, const Integer& a, const Integer& b) {
  if (std::min(a.count, b.count) >= kKaratsubaLimbsMin) return multiply_long(vm, a, b, Steps::AtOnce);
  const Term object = make_object(vm, Type::Bignum, a.count + b.count);
  if (object == kRaised) return object;
  charge(vm, a.count * b.count / kLimbProductsPerReduction);
  multiply_school(vm.object(object) + 1, a.magnitude(), b.magnitude());
  return finish_integer(vm, object, a.count + b.count, a.negative != b.negative, a.marked || b.marked);
}

/// Truncating division of integers; b is not zero. Either result may be unwanted.
bool divide_signed(Vm& vm, const Integer& a, const Integer& b, Term* quotient, Term* remainder) {
  const bool marked = a.marked || b.marked;
  if (compare(a.magnitude(), b.magnitude()) < 0) {
    if (quotient != nullptr) *quotient = make_integer(vm, Limbs{}, false, marked);
    if (remainder != nullptr) *remainder = make_integer(vm, a.magnitude(), a.negative, marked);
    return true;
  }
  const u64 work_limbs = a.count + b.count + 2;
  const u64 work = block_acquire(vm, work_limbs * 8, PageUse::Table);
  const Term q = make_object(vm, Type::Bignum, a.count - b.count + 1);
  const Term r = make_object(vm, Type::Bignum, b.count);
  if (work == 0 || q == kRaised || r == kRaised) {
    raise_oom(vm, work_limbs);
    return false;
  }
  charge(vm, (a.count - b.count + 1) * b.count / kLimbProductsPerReduction);
  divide(vm.object(q) + 1, vm.object(r) + 1, a.magnitude(), b.magnitude(), vm.words(work));
  block_release(vm, work, work_limbs * 8, PageUse::Table);
  if (quotient != nullptr) *quotient = finish_integer(vm, q, a.count - b.count + 1, a.negative != b.negative, marked);
  if (remainder != nullptr) *remainder = finish_integer(vm, r, b.count, a.negative, marked);
  return true;
}

/// What is wanted of a truncating division by b.
Term choose(Vm& vm, Division wanted, const Integer& b, Term quotient, Term rest) {
  if (wanted == Division::Quotient) return quotient;
  const Integer r(vm, rest);
  const bool turns = wanted == Division::Modulo && r.count != 0 && r.negative != b.negative;
  return turns ? add_signed(vm, r, b, false) : rest;
}

/// Greatest common divisor of two natural numbers, both not zero, as a term. Euclid on limbs, then on words.
Term gcd(Vm& vm, Term a, Term b) {
  while (!(is_small(b) && small_value(b) == 0)) {
    if (is_small(a) && is_small(b)) {
      u64 x = static_cast<u64>(small_value(a));
      u64 y = static_cast<u64>(small_value(b));
      while (y != 0) {
        const u64 rest = x % y;
        x = y;
        y = rest;
      }
      return make_unsigned(vm, x);
    }
    Term rest = kRaised;
    if (!divide_signed(vm, Integer(vm, a), Integer(vm, b), nullptr, &rest)) return kRaised;
    a = b;
    b = rest;
    if (heap_failed(vm)) return raise_oom(vm, 2);
  }
  return a;
}

Term numerator_of(const Vm& vm, Term exact) { return is_boxed(vm, exact, Type::Ratio) ? vm.object(exact)[1] : exact; }
Term denominator_of(const Vm& vm, Term exact) {
  return is_boxed(vm, exact, Type::Ratio) ? vm.object(exact)[2] : small(1);
}

Term negate(Vm& vm, Term integer) {
  Integer x(vm, integer);
  return make_integer(vm, x.magnitude(), !x.negative, false);
}
Term absolute(Vm& vm, Term integer) {
  Integer x(vm, integer);
  return make_integer(vm, x.magnitude(), false, false);
}

Term times(Vm& vm, Term a, Term b) { return multiply_signed(vm, Integer(vm, a), Integer(vm, b)); }

#define CHECKED(name, expression) \
  const Term name = (expression); \
  if (name == kRaised) return kRaised

Term ratio_arithmetic(Vm& vm, Operation operation, Term a, Term b) {
  const Term an = plain(vm, numerator_of(vm, a));
  const Term bn = plain(vm, numerator_of(vm, b));
  const Term ad = denominator_of(vm, a);
  const Term bd = denominator_of(vm, b);
  if (operation == Operation::Multiply) {
    CHECKED(top, times(vm, an, bn));
    CHECKED(bottom, times(vm, ad, bd));
    return make_ratio(vm, top, bottom);
  }
  CHECKED(left, times(vm, an, bd));
  CHECKED(right, times(vm, bn, ad));
  CHECKED(top, add_signed(vm, Integer(vm, left), Integer(vm, right), operation == Operation::Subtract));
  CHECKED(bottom, times(vm, ad, bd));
  return make_ratio(vm, top, bottom);
}

u64 float_arithmetic(Operation operation, u64 a, u64 b) {
  switch (operation) {
    case Operation::Add: return f64_add(a, b);
    case Operation::Subtract: return f64_subtract(a, b);
    case Operation::Multiply: return f64_multiply(a, b);
  }
  UNREACHABLE("an operation");
}
u32 float_arithmetic(Operation operation, u32 a, u32 b) {
  switch (operation) {
    case Operation::Add: return f32_add(a, b);
    case Operation::Subtract: return f32_subtract(a, b);
    case Operation::Multiply: return f32_multiply(a, b);
  }
  UNREACHABLE("an operation");
}

int compare_exact(Vm& vm, Term a, Term b) {
  if (!is_boxed(vm, a, Type::Ratio) && !is_boxed(vm, b, Type::Ratio)) {
    const Integer x(vm, a);
    const Integer y(vm, b);
    if (x.negative != y.negative) return x.negative ? -1 : 1;
    const int order = number::compare(x.magnitude(), y.magnitude());
    return x.negative ? -order : order;
  }
  const Term left = times(vm, plain(vm, numerator_of(vm, a)), denominator_of(vm, b));
  const Term right = times(vm, plain(vm, numerator_of(vm, b)), denominator_of(vm, a));
  if (left == kRaised || right == kRaised) return 0;  // the process is out of memory and ends
  return compare_exact(vm, left, right);
}

bool special_float(const Vm& vm, Term number, Kind kind) {
  const u64 bits = kind == Kind::F32 ? f64_of_f32(static_cast<u32>(payload_of(number))) : f64_bits(vm, number);
  return (bits & kInfinity64) == kInfinity64;
}

}  // namespace

void Integer::open(const Vm& vm, Term term) {
  i64 value = 0;
  if (is_small(term)) {
    value = small_value(term);
  } else if (is_immediate(term, Immediate::Fixed)) {
    fixed = true;
    width = static_cast<Width>(payload_of(term) >> 32);
    const u32 bits = static_cast<u32>(payload_of(term));
    value = is_signed(width) ? static_cast<i64>(static_cast<i32>(bits)) : static_cast<i64>(bits);
  } else {
    const u64* object = vm.object(term);
    if (type_of_header(object[0]) == Type::Bignum) {
      limbs = object + 1;
      count = words_of_header(object[0]);
      negative = (flags_of_header(object[0]) & kNegative) != 0;
      marked = (flags_of_header(object[0]) & kMarked) != 0;
      return;
    }
    fixed = true;
    width = static_cast<Width>(aux_of_header(object[0]));
    negative = is_signed(width) && static_cast<i64>(object[1]) < 0;
    own = negative ? ~object[1] + 1 : object[1];
    limbs = &own;
    count = own != 0;
    return;
  }
  negative = value < 0;
  own = negative ? ~static_cast<u64>(value) + 1 : static_cast<u64>(value);
  limbs = &own;
  count = own != 0;
}

Kind kind_of(const Vm& vm, Term term) {
  if (is_small(term)) return Kind::Integer;
  if (tag_of(term) == Tag::Immediate) {
    if (is_immediate(term, Immediate::Fixed)) return Kind::Fixed;
    if (is_immediate(term, Immediate::F32)) return Kind::F32;
    return Kind::None;
  }
  if (tag_of(term) != Tag::Boxed) return Kind::None;
  switch (type_of_header(vm.object(term)[0])) {
    case Type::Bignum: return Kind::Integer;
    case Type::Fixed: return Kind::Fixed;
    case Type::Ratio: return Kind::Ratio;
    case Type::F64: return Kind::F64;
    default: return Kind::None;
  }
}

Term make_integer(Vm& vm, Limbs limbs, bool negative, bool marked) {
  const Term object = make_object(vm, Type::Bignum, limbs.size());
  if (object == kRaised) return object;
  if (!limbs.empty()) memcpy(vm.object(object) + 1, limbs.data(), limbs.size() * 8);
  return finish_integer(vm, object, limbs.size(), negative, marked);
}

Term make_integer(Vm& vm, i64 value) {
  if (fits_small(value)) return small(value);
  const u64 limb[1] = {value < 0 ? ~static_cast<u64>(value) + 1 : static_cast<u64>(value)};
  return make_integer(vm, Limbs(limb, 1), value < 0, false);
}

Term make_unsigned(Vm& vm, u64 value) {
  if (value <= static_cast<u64>(kSmallMax)) return small(static_cast<i64>(value));
  const u64 limb[1] = {value};
  return make_integer(vm, Limbs(limb, 1), false, false);
}

Term make_fixed(Vm& vm, Width width, u64 value) {
  const u32 bits = bits_of(width);
  if (bits < 64) value &= (u64{1} << bits) - 1;
  if (is_signed(width) && bits < 64 && (value >> (bits - 1)) != 0) value |= ~u64{0} << bits;
  const bool fits = is_signed(width) ? static_cast<i64>(value) == static_cast<i32>(value) : value >> 32 == 0;
  if (fits) return immediate(Immediate::Fixed, u64{static_cast<u8>(width)} << 32 | static_cast<u32>(value));
  const Term object = make_object(vm, Type::Fixed, 1, 0, static_cast<u64>(width));
  if (object != kRaised) vm.object(object)[1] = value;
  return object;
}

Term make_f64(Vm& vm, u64 bits) {
  u64* object = heap_take(vm, 2);
  object[0] = header(Type::F64, 1);
  object[1] = bits;
  return refer(vm.offset(object), Tag::Boxed);
}
Term make_f32(u32 bits) { return immediate(Immediate::F32, bits); }
u64 f64_bits(const Vm& vm, Term term) { return vm.object(term)[1]; }

Term make_ratio(Vm& vm, Term numerator, Term denominator) {
  CHECKED(top, absolute(vm, numerator));
  if (top == small(0)) return top;
  CHECKED(common, gcd(vm, top, denominator));
  if (common != small(1)) {
    Term reduced = kRaised;
    if (!divide_signed(vm, Integer(vm, numerator), Integer(vm, common), &reduced, nullptr)) return kRaised;
    numerator = reduced;
    if (!divide_signed(vm, Integer(vm, denominator), Integer(vm, common), &reduced, nullptr)) return kRaised;
    denominator = reduced;
  }
  if (denominator == small(1)) return plain(vm, numerator);
  u64* object = heap_take(vm, 3);
  object[0] = header(Type::Ratio, 2);
  object[1] = plain(vm, numerator);
  object[2] = denominator;
  return refer(vm.offset(object), Tag::Boxed);
}

Term arithmetic(Vm& vm, Operation operation, Term a, Term b, Args args) {
  const Kind x = kind_of(vm, a);
  const Kind y = kind_of(vm, b);
  if (x == Kind::None || y == Kind::None) return raise_type(vm, args, Atom::Integer);
  if (x == Kind::F64 || y == Kind::F64) {
    return make_f64(vm, float_arithmetic(operation, to_f64_bits(vm, a), to_f64_bits(vm, b)));
  }
  if (x == Kind::F32 || y == Kind::F32) {
    return make_f32(float_arithmetic(operation, to_f32_bits(vm, a), to_f32_bits(vm, b)));
  }
  if (x == Kind::Ratio || y == Kind::Ratio) return ratio_arithmetic(vm, operation, a, b);
  const Integer i(vm, a);
  const Integer j(vm, b);
  if (i.fixed && j.fixed && i.width != j.width) return raise_type(vm, args, Atom::Integer);
  if (i.fixed || j.fixed) {
    const u64 left = i.low();
    const u64 right = j.low();
    const u64 value = operation == Operation::Add        ? left + right
                      : operation == Operation::Subtract ? left - right
                                                         : left * right;
    return make_fixed(vm, i.fixed ? i.width : j.width, value);
  }
  if (operation == Operation::Multiply) return multiply_signed(vm, i, j);
  return add_signed(vm, i, j, operation == Operation::Subtract);
}

Term divide(Vm& vm, Term a, Term b, Args args) {
  const Kind x = kind_of(vm, a);
  const Kind y = kind_of(vm, b);
  if (x == Kind::None || y == Kind::None) return raise_type(vm, args, Atom::Integer);
  if (!is_float(y) && y != Kind::Ratio && Integer(vm, b).count == 0) return raise_args(vm, Atom::DivisionByZero, args);
  if (x == Kind::F64 || y == Kind::F64) return make_f64(vm, f64_divide(to_f64_bits(vm, a), to_f64_bits(vm, b)));
  if (x == Kind::F32 || y == Kind::F32) return make_f32(f32_divide(to_f32_bits(vm, a), to_f32_bits(vm, b)));
  Width width{};
  bool fixed = false;
  bool marked = false;
  if (x != Kind::Ratio && y != Kind::Ratio) {
    const Integer i(vm, a);
    const Integer j(vm, b);
    if (i.fixed && j.fixed && i.width != j.width) return raise_type(vm, args, Atom::Integer);
    fixed = i.fixed || j.fixed;
    width = i.fixed ? i.width : j.width;
    marked = i.marked || j.marked;
  }
  CHECKED(top, times(vm, plain(vm, numerator_of(vm, a)), denominator_of(vm, b)));
  CHECKED(bottom, times(vm, plain(vm, numerator_of(vm, b)), denominator_of(vm, a)));
  const bool flip = Integer(vm, bottom).negative;
  CHECKED(positive_top, flip ? negate(vm, top) : top);
  CHECKED(positive_bottom, flip ? negate(vm, bottom) : bottom);
  CHECKED(value, make_ratio(vm, positive_top, positive_bottom));
  if (is_boxed(vm, value, Type::Ratio)) return value;
  if (fixed) return wrap(vm, width, value);
  if (!marked) return value;
  const Integer whole(vm, value);
  return make_integer(vm, whole.magnitude(), whole.negative, true);
}

Term integer_divide(Vm& vm, Division division, Term a, Term b, Args args) {
  const Kind x = kind_of(vm, a);
  const Kind y = kind_of(vm, b);
  if (x == Kind::None || y == Kind::None) return raise_type(vm, args, Atom::Integer);
  if (!is_float(y) && y != Kind::Ratio && Integer(vm, b).count == 0) return raise_args(vm, Atom::DivisionByZero, args);
  if (is_float(x) || is_float(y)) {
    const bool wide = x == Kind::F64 || y == Kind::F64;
    const u64 left = wide ? to_f64_bits(vm, a) : f64_of_f32(to_f32_bits(vm, a));
    const u64 right = wide ? to_f64_bits(vm, b) : f64_of_f32(to_f32_bits(vm, b));
    u64 value;
    if (division == Division::Quotient) {
      value = f64_truncate(wide ? f64_divide(left, right) : f64_of_f32(f32_of_f64(f64_divide(left, right))));
    } else {
      value = f64_remainder(left, right);
      const bool opposite = ((value ^ right) >> 63) != 0;
      if (division == Division::Modulo && !f64_is_zero(value) && !f64_is_nan(value) && opposite) {
        value = f64_add(value, right);
      }
    }
    return wide ? make_f64(vm, value) : make_f32(f32_of_f64(value));
  }
  if (x == Kind::Ratio || y == Kind::Ratio) {
    const Term left = numerator_of(vm, a);
    const Term right = numerator_of(vm, b);
    CHECKED(top, times(vm, plain(vm, left), denominator_of(vm, b)));
    CHECKED(bottom, times(vm, plain(vm, right), denominator_of(vm, a)));
    Term quotient = kRaised;
    if (!divide_signed(vm, Integer(vm, top), Integer(vm, bottom), &quotient, nullptr)) return kRaised;
    if (division == Division::Quotient) return quotient;
    CHECKED(taken, ratio_arithmetic(vm, Operation::Multiply, b, quotient));
    CHECKED(rest, ratio_arithmetic(vm, Operation::Subtract, a, taken));
    if (division == Division::Remainder || rest == small(0)) return rest;
    const bool rest_negative = Integer(vm, numerator_of(vm, rest)).negative;
    const bool divisor_negative = Integer(vm, right).negative;
    return rest_negative == divisor_negative ? rest : ratio_arithmetic(vm, Operation::Add, rest, b);
  }
  const Integer i(vm, a);
  const Integer j(vm, b);
  if (i.fixed && j.fixed && i.width != j.width) return raise_type(vm, args, Atom::Integer);
  Term quotient = kRaised;
  Term rest = kRaised;
  if (!divide_signed(vm, i, j, &quotient, &rest)) return kRaised;
  const Term value = choose(vm, division, j, quotient, rest);
  if (value == kRaised) return value;
  if (i.fixed || j.fixed) return wrap(vm, i.fixed ? i.width : j.width, value);
  return value;
}

Term finish_division(Vm& vm, Division wanted, const Integer& a, const Integer& b, Term quotient, Term rest) {
  const bool marked = a.marked || b.marked;
  const Term whole = finish_integer(vm, quotient, a.count - b.count + 1, a.negative != b.negative, marked);
  return choose(vm, wanted, b, whole, finish_integer(vm, rest, b.count, a.negative, marked));
}

int compare(Vm& vm, Term a, Term b) {
  if (is_small(a) && is_small(b)) return a == b ? 0 : small_value(a) < small_value(b) ? -1 : 1;
  const Kind x = kind_of(vm, a);
  const Kind y = kind_of(vm, b);
  if (is_float(x) && is_float(y)) {
    return f64_compare(to_f64_bits(vm, a), to_f64_bits(vm, b));
  }
  if (!is_float(x) && !is_float(y)) return compare_exact(vm, a, b);
  if (is_float(x)) {
    const int order = compare(vm, b, a);
    return order == 2 ? 2 : -order;
  }
  if (special_float(vm, b, y)) {
    const u64 bits = to_f64_bits(vm, b);
    return f64_is_nan(bits) ? 2 : (bits >> 63) != 0 ? 1 : -1;
  }
  const Term exact = exact_of_float(vm, b);
  return exact == kRaised ? 0 : compare_exact(vm, a, exact);
}

bool equal(Vm& vm, Term a, Term b) {
  const bool left = is_float(kind_of(vm, a));
  const bool right = is_float(kind_of(vm, b));
  return left == right && compare(vm, a, b) == 0;
}

u64 hash(Vm& vm, Term number) {
  const Kind kind = kind_of(vm, number);
  if (is_float(kind)) {
    const u64 bits = to_f64_bits(vm, number);
    return splitmix((f64_is_zero(bits) ? 0 : bits) ^ 0x9E3779B97F4A7C15u);
  }
  if (kind == Kind::Ratio) {
    return splitmix(hash(vm, vm.object(number)[1]) * 31 + hash(vm, vm.object(number)[2]));
  }
  const Integer x(vm, number);
  if (x.fits_i64()) return splitmix(x.low());
  return splitmix(siphash13({reinterpret_cast<const u8*>(x.limbs), x.count * 8}) + x.negative);
}

Term plain(Vm& vm, Term integer) {
  if (is_small(integer)) return integer;
  const Integer x(vm, integer);
  if (!x.fixed && !x.marked) return integer;
  return make_integer(vm, x.magnitude(), x.negative, false);
}

Term wrap(Vm& vm, Width width, Term integer) { return make_fixed(vm, width, Integer(vm, integer).low()); }

Term truncate(Vm& vm, Term number, Args args) {
  switch (kind_of(vm, number)) {
    case Kind::None: return raise_type(vm, args, Atom::Integer);
    case Kind::Integer:
    case Kind::Fixed: return plain(vm, number);
    case Kind::Ratio: {
      Term quotient = kRaised;
      divide_signed(vm, Integer(vm, vm.object(number)[1]), Integer(vm, vm.object(number)[2]), &quotient, nullptr);
      return quotient;
    }
    case Kind::F32:
    case Kind::F64: break;
  }
  const u64 bits = f64_truncate(to_f64_bits(vm, number));
  if ((bits & kInfinity64) == kInfinity64) return raise_args(vm, Atom::Badarg, args);
  const Opened x = f64_open(bits);
  const u64 limb[1] = {x.exponent < 0 ? (x.exponent <= -64 ? 0 : x.mantissa >> -x.exponent) : x.mantissa};
  CHECKED(mantissa, make_integer(vm, Limbs(limb, 1), x.negative, false));
  return x.exponent <= 0 ? mantissa : shift_left(vm, mantissa, static_cast<u64>(x.exponent));
}

Term exact_of_float(Vm& vm, Term number) {
  const Opened x = kind_of(vm, number) == Kind::F32 ? f32_open(static_cast<u32>(payload_of(number)))
                                                    : f64_open(f64_bits(vm, number));
  const u64 limb[1] = {x.mantissa};
  CHECKED(mantissa, make_integer(vm, Limbs(limb, 1), x.negative, false));
  if (x.exponent >= 0) return shift_left(vm, mantissa, static_cast<u64>(x.exponent));
  CHECKED(bottom, shift_left(vm, small(1), static_cast<u64>(-x.exponent)));
  return make_ratio(vm, mantissa, bottom);
}

Term to_f64(Vm& vm, Term number) { return make_f64(vm, to_f64_bits(vm, number)); }

namespace {

/// A ratio to a float: enough bits of the quotient, the rest sticky.
template <class Round>
auto round_ratio(Vm& vm, Term ratio, Round round) {
  const Integer top(vm, vm.object(ratio)[1]);
  const Integer bottom(vm, vm.object(ratio)[2]);
  const i64 up = static_cast<i64>(bit_length(bottom.magnitude())) - static_cast<i64>(bit_length(top.magnitude())) + 130;
  Term numerator = make_integer(vm, top.magnitude(), false, false);
  Term denominator = vm.object(ratio)[2];
  if (up > 0) numerator = shift_left(vm, numerator, static_cast<u64>(up));
  if (up < 0) denominator = shift_left(vm, denominator, static_cast<u64>(-up));
  Term quotient = kRaised;
  Term rest = kRaised;
  if (numerator == kRaised || denominator == kRaised ||
      !divide_signed(vm, Integer(vm, numerator), Integer(vm, denominator), &quotient, &rest)) {
    return round(false, Limbs{}, 0, false);
  }
  const Integer whole(vm, quotient);
  return round(top.negative, whole.magnitude(), -up, rest != small(0));
}

}  // namespace

u64 to_f64_bits(Vm& vm, Term number) {
  switch (kind_of(vm, number)) {
    case Kind::F64: return f64_bits(vm, number);
    case Kind::F32: return f64_of_f32(static_cast<u32>(payload_of(number)));
    case Kind::Ratio: return round_ratio(vm, number, f64_round);
    case Kind::Integer:
    case Kind::Fixed: {
      const Integer x(vm, number);
      return f64_round(x.negative, x.magnitude(), 0, false);
    }
    case Kind::None: break;
  }
  return kNaN64;
}

u32 to_f32_bits(Vm& vm, Term number) {
  switch (kind_of(vm, number)) {
    case Kind::F64: return f32_of_f64(f64_bits(vm, number));
    case Kind::F32: return static_cast<u32>(payload_of(number));
    case Kind::Ratio: return round_ratio(vm, number, f32_round);
    case Kind::Integer:
    case Kind::Fixed: {
      const Integer x(vm, number);
      return f32_round(x.negative, x.magnitude(), 0, false);
    }
    case Kind::None: break;
  }
  return kNaN32;
}

Term shift_left(Vm& vm, Term a, u64 bits) {
  const Integer x(vm, a);
  if (x.count == 0) return make_integer(vm, Limbs{}, false, x.marked);
  if (bits / 64 > vm.root->grant_bytes / 8) return raise_oom(vm, bits / 64);
  const u64 count = x.count + bits / 64 + 1;
  const Term object = make_object(vm, Type::Bignum, count);
  if (object == kRaised) return object;
  shift_left(vm.object(object) + 1, x.magnitude(), bits);
  return finish_integer(vm, object, count, x.negative, x.marked);
}

Term shift_right(Vm& vm, Term a, u64 bits) {
  const Integer x(vm, a);
  const u64 count = x.count + 1;
  const Term object = make_object(vm, Type::Bignum, count);
  if (object == kRaised) return object;
  u64* out = vm.object(object) + 1;
  memset(out, 0, count * 8);
  bool lost = false;
  for (u64 i = 0; i < x.count; ++i) {
    if ((i + 1) * 64 <= bits) {
      lost = lost || x.limbs[i] != 0;
    } else if (i * 64 < bits) {
      lost = lost || (x.limbs[i] << (64 - (bits - i * 64))) != 0;
    }
  }
  if (bits / 64 < x.count) shift_right(out, x.magnitude(), bits);
  if (x.negative && lost) {  // toward negative infinity
    for (u64 i = 0; i < count; ++i) {
      out[i] += 1;
      if (out[i] != 0) break;
    }
  }
  return finish_integer(vm, object, count, x.negative, x.marked);
}

Term bitwise(Vm& vm, Bitwise operation, Term a, Term b, Args args) {
  const Integer x(vm, a);
  const Integer y(vm, b);
  if (x.fixed && y.fixed && x.width != y.width) return raise_type(vm, args, Atom::Integer);
  const auto apply = [operation](u64 p, u64 q) {
    return operation == Bitwise::And ? p & q : operation == Bitwise::Or ? p | q : p ^ q;
  };
  if (x.fixed || y.fixed) return make_fixed(vm, x.fixed ? x.width : y.width, apply(x.low(), y.low()));
  // Infinite two's complement: limb by limb with the sign's fill, then back to a magnitude.
  const u64 count = std::max(x.count, y.count) + 1;
  const Term object = make_object(vm, Type::Bignum, count);
  if (object == kRaised) return object;
  u64* out = vm.object(object) + 1;
  u64 x_carry = 1;
  u64 y_carry = 1;
  for (u64 i = 0; i < count; ++i) {
    u64 p = i < x.count ? x.limbs[i] : 0;
    u64 q = i < y.count ? y.limbs[i] : 0;
    if (x.negative) {
      p = ~p + x_carry;
      x_carry = x_carry != 0 && p == 0;
    }
    if (y.negative) {
      q = ~q + y_carry;
      y_carry = y_carry != 0 && q == 0;
    }
    out[i] = apply(p, q);
  }
  const bool negative = apply(x.negative ? ~u64{0} : 0, y.negative ? ~u64{0} : 0) != 0;
  if (negative) {
    u64 carry = 1;
    for (u64 i = 0; i < count; ++i) {
      out[i] = ~out[i] + carry;
      carry = carry != 0 && out[i] == 0;
    }
  }
  return finish_integer(vm, object, count, negative, x.marked || y.marked);
}

}  // namespace lonala::number
