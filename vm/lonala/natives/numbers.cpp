// vm/lonala/natives/numbers.cpp — arithmetic, comparison, conversion, bits.
#include "vm/lonala/number/number.h"

#include <algorithm>
#include <bit>

#include "vm/lonala/equality.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/binary_float.h"
#include "vm/lonala/printer.h"

#include "base/enforce.h"

namespace lonala {
namespace {

using number::Integer;
using number::Kind;
using number::Operation;

constexpr u64 kShiftMax = u64{1} << 40;  // beyond that no integer fits any machine

bool is_float_kind(Kind kind) { return kind == Kind::F32 || kind == Kind::F64; }

Term fold(Vm& vm, Operation operation, Term start, Args args) {
  Term value = start;
  for (u32 i = 0; i < args.count; ++i) {
    if (i == 0 && number::is_number(vm, args[0])) {
      value = args[0];
      continue;
    }
    value = args.count == 2 ? number::arithmetic_in_steps(vm, operation, value, args[i], args)
                            : number::arithmetic(vm, operation, value, args[i], args);
    if (value == kRaised) return value;
  }
  return value;
}

template <class Holds>
Term chain(Vm& vm, Args args, Holds holds) {
  for (u32 i = 0; i < args.count; ++i) {
    if (!number::is_number(vm, args[i])) return raise_type(vm, args, Atom::Integer);
  }
  for (u32 i = 0; i + 1 < args.count; ++i) {
    const int order = number::compare(vm, args[i], args[i + 1]);
    if (order == 2 || !holds(order)) return kFalse;
  }
  return kTrue;
}

/// The argument as a count of bits or a position: kRaised unless a non-negative integer.
bool count_argument(Vm& vm, Args args, u32 i, u64& out) {
  if (!number::is_integer_like(vm, args[i])) {
    raise_type(vm, args, Atom::Integer);
    return false;
  }
  const Integer value(vm, args[i]);
  if (value.negative) {
    raise_args(vm, Atom::Badarg, args);
    return false;
  }
  out = value.count > 1 ? ~u64{0} : value.low();
  return true;
}

bool integer_argument(Vm& vm, Args args, u32 i) {
  if (number::is_integer_like(vm, args[i])) return true;
  raise_type(vm, args, Atom::Integer);
  return false;
}

Term convert(Vm& vm, Width width, Args args) {
  const Term whole = number::truncate(vm, args[0], args);
  return whole == kRaised ? whole : number::wrap(vm, width, whole);
}

Term checked(Vm& vm, Operation operation, Args args) {
  const Term value = number::arithmetic(vm, operation, args[0], args[1], args);
  if (value == kRaised) return value;
  const Kind kind = number::kind_of(vm, value);
  if (kind == Kind::Fixed) {
    const Term exact = number::arithmetic(vm, operation, number::plain(vm, args[0]), number::plain(vm, args[1]), args);
    if (exact == kRaised) return exact;
    if (number::compare(vm, exact, value) != 0) {
      return make_tuple(vm, {keyword(vm, Atom::Error), keyword(vm, Atom::Overflow)});
    }
  }
  return make_tuple(vm, {keyword(vm, Atom::Ok), value});
}

Term saturating(Vm& vm, Operation operation, Args args) {
  const Term value = number::arithmetic(vm, operation, args[0], args[1], args);
  if (value == kRaised || number::kind_of(vm, value) != Kind::Fixed) return value;
  const Term exact = number::arithmetic(vm, operation, number::plain(vm, args[0]), number::plain(vm, args[1]), args);
  if (exact == kRaised) return exact;
  const int order = number::compare(vm, exact, value);
  if (order == 0) return value;
  const Width width = Integer(vm, value).width;
  const u32 bits = bits_of(width);
  const bool negative = Integer(vm, exact).negative;
  const u64 most = is_signed(width) ? (u64{1} << (bits - 1)) - 1 : ~u64{0};
  const u64 least = is_signed(width) ? u64{1} << (bits - 1) : 0;
  return number::make_fixed(vm, width, negative ? least : most);
}

/// Keeps the kind of `like`: a fixed width wraps.
Term like(Vm& vm, Term value, Term like_term) {
  if (value == kRaised) return value;
  const Integer model(vm, like_term);
  return model.fixed ? number::wrap(vm, model.width, value) : value;
}

Term rotate(Vm& vm, Args args, bool left) {
  u64 by = 0;
  u64 width = 0;
  if (!integer_argument(vm, args, 0) || !count_argument(vm, args, 1, by) || !count_argument(vm, args, 2, width))
    return kRaised;
  const Integer value(vm, args[0]);
  const u64 most = value.fixed ? bits_of(value.width) : 64;
  if (width == 0 || width > most) return raise_args(vm, Atom::Badarg, args);
  const u64 mask = width == 64 ? ~u64{0} : (u64{1} << width) - 1;
  const u64 bits = value.low() & mask;
  by %= width;
  if (!left) by = (width - by) % width;
  const u64 turned = by == 0 ? bits : ((bits << by) | (bits >> (width - by))) & mask;
  return value.fixed ? number::make_fixed(vm, value.width, turned) : number::make_unsigned(vm, turned);
}

Term one_shifted(Vm& vm, u64 bits) { return number::shift_left(vm, small(1), bits); }

}  // namespace

Term native_Add(Vm& vm, Args args) { return fold(vm, Operation::Add, small(0), args); }
Term native_Multiply(Vm& vm, Args args) { return fold(vm, Operation::Multiply, small(1), args); }
Term native_Subtract(Vm& vm, Args args) {
  if (args.count == 1) {
    if (is_float_kind(number::kind_of(vm, args[0]))) {  // 0 - 0.0 would lose the sign
      return number::arithmetic(vm, Operation::Multiply, args[0], small(-1), args);
    }
    return number::arithmetic(vm, Operation::Subtract, small(0), args[0], args);
  }
  return fold(vm, Operation::Subtract, small(0), args);
}
Term native_Divide(Vm& vm, Args args) {
  if (args.count == 1) return number::divide(vm, small(1), args[0], args);
  Term value = args[0];
  for (u32 i = 1; i < args.count && value != kRaised; ++i) value = number::divide(vm, value, args[i], args);
  return value;
}
#define COMPARISON(name, holds)                                      \
  Term native_##name(Vm& vm, Args args) {                            \
    return chain(vm, args, [](int order) { return order holds 0; }); \
  }
COMPARISON(Less, <)
COMPARISON(LessEqual, <=)
COMPARISON(Greater, >)
COMPARISON(GreaterEqual, >=)
COMPARISON(NumberEqual, ==)
Term native_Equal(Vm& vm, Args args) {
  if (args.count == 2) return equal_in_steps(vm, args[0], args[1]);
  for (u32 i = 0; i + 1 < args.count; ++i) {
    if (!equal(vm, args[i], args[i + 1])) return kFalse;
  }
  return kTrue;
}
Term native_NotEqual(Vm& vm, Args args) {
  if (args.count == 2) return equal_in_steps(vm, args[0], args[1], Wanted::Different);
  return boolean(native_Equal(vm, args) == kFalse);
}
Term native_Not(Vm&, Args args) { return boolean(is_falsy(args[0])); }
#define DIVISION(name, division)                                                                    \
  Term native_##name(Vm& vm, Args args) {                                                           \
    return number::integer_divide_in_steps(vm, number::Division::division, args[0], args[1], args); \
  }
DIVISION(Quot, Quotient)
DIVISION(Rem, Remainder)
DIVISION(Mod, Modulo)
Term native_CheckedAdd(Vm& vm, Args args) { return checked(vm, Operation::Add, args); }
Term native_CheckedSub(Vm& vm, Args args) { return checked(vm, Operation::Subtract, args); }
Term native_CheckedMul(Vm& vm, Args args) { return checked(vm, Operation::Multiply, args); }
Term native_SaturatingAdd(Vm& vm, Args args) { return saturating(vm, Operation::Add, args); }
Term native_SaturatingSub(Vm& vm, Args args) { return saturating(vm, Operation::Subtract, args); }

Term native_Numerator(Vm& vm, Args args) {
  if (is_boxed(vm, args[0], Type::Ratio)) return vm.object(args[0])[1];
  return integer_argument(vm, args, 0) ? args[0] : kRaised;
}
Term native_Denominator(Vm& vm, Args args) {
  if (is_boxed(vm, args[0], Type::Ratio)) return vm.object(args[0])[2];
  return integer_argument(vm, args, 0) ? small(1) : kRaised;
}
Term native_Abs(Vm& vm, Args args) {
  const Kind kind = number::kind_of(vm, args[0]);
  if (kind == Kind::None) return raise_type(vm, args, Atom::Integer);
  if (kind == Kind::F64) return number::make_f64(vm, number::f64_bits(vm, args[0]) & ~(u64{1} << 63));
  if (kind == Kind::F32) return number::make_f32(static_cast<u32>(payload_of(args[0])) & 0x7FFFFFFF);
  if (number::compare(vm, args[0], small(0)) >= 0) return args[0];
  return number::arithmetic(vm, Operation::Subtract, small(0), args[0], args);
}
Term native_ToInteger(Vm& vm, Args args) { return number::truncate(vm, args[0], args); }
Term native_ToFloat(Vm& vm, Args args) {
  if (!number::is_number(vm, args[0])) return raise_type(vm, args, Atom::Integer);
  return number::to_f64(vm, args[0]);
}
Term native_ToF32(Vm& vm, Args args) {
  if (!number::is_number(vm, args[0])) return raise_type(vm, args, Atom::Integer);
  return number::make_f32(number::to_f32_bits(vm, args[0]));
}
Term native_ToBig(Vm& vm, Args args) {
  const Term whole = number::truncate(vm, args[0], args);
  if (whole == kRaised) return whole;
  const Integer value(vm, whole);
  return number::make_integer(vm, value.magnitude(), value.negative, true);
}
#define CONVERSION(width) \
  Term native_To##width(Vm& vm, Args args) { return convert(vm, Width::width, args); }
CONVERSION(U8)
CONVERSION(U16)
CONVERSION(U32)
CONVERSION(U64)
CONVERSION(I8)
CONVERSION(I16)
CONVERSION(I32)
CONVERSION(I64)

namespace {
Term fold_bits(Vm& vm, number::Bitwise operation, Args args) {
  for (u32 i = 0; i < args.count; ++i) {
    if (!integer_argument(vm, args, i)) return kRaised;
  }
  Term value = args[0];
  for (u32 i = 1; i < args.count && value != kRaised; ++i) value = number::bitwise(vm, operation, value, args[i], args);
  return value;
}
}  // namespace

Term native_BitAnd(Vm& vm, Args args) { return fold_bits(vm, number::Bitwise::And, args); }
Term native_BitOr(Vm& vm, Args args) { return fold_bits(vm, number::Bitwise::Or, args); }
Term native_BitXor(Vm& vm, Args args) { return fold_bits(vm, number::Bitwise::Xor, args); }
Term native_BitNot(Vm& vm, Args args) {
  if (!integer_argument(vm, args, 0)) return kRaised;
  return number::bitwise(vm, number::Bitwise::Xor, args[0], small(-1), args);
}
Term native_BitShl(Vm& vm, Args args) {
  u64 by = 0;
  if (!integer_argument(vm, args, 0) || !count_argument(vm, args, 1, by)) return kRaised;
  const Integer value(vm, args[0]);
  if (value.fixed) {
    return number::make_fixed(vm, value.width, by >= bits_of(value.width) ? 0 : value.low() << by);
  }
  if (value.count != 0 && by > kShiftMax) return raise_oom(vm, by / 64);
  return number::shift_left(vm, args[0], by);
}
Term native_BitShr(Vm& vm, Args args) {
  u64 by = 0;
  if (!integer_argument(vm, args, 0) || !count_argument(vm, args, 1, by)) return kRaised;
  const Integer value(vm, args[0]);
  if (value.fixed) {
    const u32 width = bits_of(value.width);
    const u64 bits = width == 64 ? value.low() : value.low() & ((u64{1} << width) - 1);
    return number::make_fixed(vm, value.width, by >= width ? 0 : bits >> by);
  }
  if (value.negative) return raise_args(vm, Atom::Badarg, args);
  return number::shift_right(vm, args[0], by);
}
Term native_BitSar(Vm& vm, Args args) {
  u64 by = 0;
  if (!integer_argument(vm, args, 0) || !count_argument(vm, args, 1, by)) return kRaised;
  const Integer value(vm, args[0]);
  if (value.fixed) {
    const u32 width = bits_of(value.width);
    u64 bits = width == 64 ? value.low() : value.low() & ((u64{1} << width) - 1);
    if (width < 64 && (bits >> (width - 1)) != 0) bits |= ~u64{0} << width;
    return number::make_fixed(vm, value.width, static_cast<u64>(static_cast<i64>(bits) >> std::min<u64>(by, 63)));
  }
  return number::shift_right(vm, args[0], by);
}
Term native_BitRol(Vm& vm, Args args) { return rotate(vm, args, true); }
Term native_BitRor(Vm& vm, Args args) { return rotate(vm, args, false); }

Term native_BitTest(Vm& vm, Args args) {
  u64 at = 0;
  if (!integer_argument(vm, args, 0) || !count_argument(vm, args, 1, at)) return kRaised;
  const Integer value(vm, args[0]);
  if (at / 64 >= value.count) return boolean(value.negative);
  const Term shifted = number::shift_right(vm, number::plain(vm, args[0]), at);
  return shifted == kRaised ? shifted : boolean((Integer(vm, shifted).low() & 1) != 0);
}

namespace {
Term change_bit(Vm& vm, Args args, number::Bitwise operation, bool inverted) {
  u64 at = 0;
  if (!integer_argument(vm, args, 0) || !count_argument(vm, args, 1, at)) return kRaised;
  if (at > kShiftMax) return raise_oom(vm, at / 64);
  Term bit = one_shifted(vm, at);
  if (bit != kRaised && inverted) bit = number::bitwise(vm, number::Bitwise::Xor, bit, small(-1), args);
  return bit == kRaised ? bit : number::bitwise(vm, operation, args[0], bit, args);
}
}  // namespace

Term native_BitSet(Vm& vm, Args args) { return change_bit(vm, args, number::Bitwise::Or, false); }
Term native_BitClear(Vm& vm, Args args) { return change_bit(vm, args, number::Bitwise::And, true); }
Term native_BitFlip(Vm& vm, Args args) { return change_bit(vm, args, number::Bitwise::Xor, false); }

Term native_BitField(Vm& vm, Args args) {
  u64 at = 0;
  u64 length = 0;
  if (!integer_argument(vm, args, 0) || !count_argument(vm, args, 1, at) || !count_argument(vm, args, 2, length))
    return kRaised;
  if (length > kShiftMax) return raise_oom(vm, length / 64);
  const Term shifted = number::shift_right(vm, number::plain(vm, args[0]), at);
  const Term limit = shifted == kRaised ? kRaised : one_shifted(vm, length);
  if (limit == kRaised) return kRaised;
  const Term mask = number::arithmetic(vm, Operation::Subtract, limit, small(1), args);
  return mask == kRaised ? mask : like(vm, number::bitwise(vm, number::Bitwise::And, shifted, mask, args), args[0]);
}
Term native_BitFieldSet(Vm& vm, Args args) {
  u64 at = 0;
  u64 length = 0;
  if (!integer_argument(vm, args, 0) || !count_argument(vm, args, 1, at) || !count_argument(vm, args, 2, length) ||
      !integer_argument(vm, args, 3)) {
    return kRaised;
  }
  if (length > kShiftMax || at > kShiftMax) return raise_oom(vm, length / 64);
  const Term limit = one_shifted(vm, length);
  if (limit == kRaised) return kRaised;
  const Term mask = number::arithmetic(vm, Operation::Subtract, limit, small(1), args);
  if (mask == kRaised) return kRaised;
  const Term field = number::bitwise(vm, number::Bitwise::And, number::plain(vm, args[3]), mask, args);
  const Term placed = field == kRaised ? kRaised : number::shift_left(vm, field, at);
  const Term hole = placed == kRaised ? kRaised : number::shift_left(vm, mask, at);
  if (hole == kRaised) return kRaised;
  const Term keep = number::bitwise(vm, number::Bitwise::Xor, hole, small(-1), args);
  const Term rest =
      keep == kRaised ? kRaised : number::bitwise(vm, number::Bitwise::And, number::plain(vm, args[0]), keep, args);
  return rest == kRaised ? rest : like(vm, number::bitwise(vm, number::Bitwise::Or, rest, placed, args), args[0]);
}
Term native_BitCount(Vm& vm, Args args) {
  if (!integer_argument(vm, args, 0)) return kRaised;
  const Integer value(vm, args[0]);
  if (value.negative && !value.fixed) return raise_args(vm, Atom::Badarg, args);
  u64 count = 0;
  if (value.fixed) {
    const u32 width = bits_of(value.width);
    count = static_cast<u64>(std::popcount(width == 64 ? value.low() : value.low() & ((u64{1} << width) - 1)));
  } else {
    for (const u64 limb : value.magnitude()) count += static_cast<u64>(std::popcount(limb));
  }
  return small(static_cast<i64>(count));
}
Term native_LeadingZeros(Vm& vm, Args args) {
  if (!integer_argument(vm, args, 0)) return kRaised;
  const Integer value(vm, args[0]);
  u64 width = value.fixed ? bits_of(value.width) : 0;
  if (args.count == 2 && !count_argument(vm, args, 1, width)) return kRaised;
  if ((!value.fixed && (args.count == 1 || value.negative)) || width > 64) return raise_args(vm, Atom::Badarg, args);
  const u64 bits = width == 64 ? value.low() : value.low() & ((u64{1} << width) - 1);
  if (!value.fixed && number::bit_length(value.magnitude()) > width) return raise_args(vm, Atom::Badarg, args);
  return small(static_cast<i64>(width) - (64 - std::countl_zero(bits)));
}
Term native_TrailingZeros(Vm& vm, Args args) {
  if (!integer_argument(vm, args, 0)) return kRaised;
  const Integer value(vm, args[0]);
  u64 width = value.fixed ? bits_of(value.width) : 0;
  if (args.count == 2 && !count_argument(vm, args, 1, width)) return kRaised;
  if (!value.fixed && (value.negative || (value.count == 0 && args.count == 1)))
    return raise_args(vm, Atom::Badarg, args);
  if (value.count == 0) return small(static_cast<i64>(width));
  u64 zeros = 0;
  u64 at = 0;
  for (; value.limbs[at] == 0; ++at) zeros += 64;
  zeros += static_cast<u64>(std::countr_zero(value.limbs[at]));
  return small(static_cast<i64>(zeros));
}
Term native_MaskBits(Vm& vm, Args args) {
  u64 count = 0;
  if (!count_argument(vm, args, 0, count)) return kRaised;
  if (count > kShiftMax) return raise_oom(vm, count / 64);
  const Term limit = one_shifted(vm, count);
  return limit == kRaised ? limit : number::arithmetic(vm, Operation::Subtract, limit, small(1), args);
}
Term native_MaskRange(Vm& vm, Args args) {
  u64 from = 0;
  u64 to = 0;
  if (!count_argument(vm, args, 0, from) || !count_argument(vm, args, 1, to)) return kRaised;
  if (from > to) return raise_args(vm, Atom::Badarg, args);
  if (to > kShiftMax) return raise_oom(vm, to / 64);
  const Term high = one_shifted(vm, to);
  const Term low = high == kRaised ? kRaised : one_shifted(vm, from);
  return low == kRaised ? low : number::arithmetic(vm, Operation::Subtract, high, low, args);
}
/// (digits* n base): the digits of a natural number as a string.
Term native_DigitsOf(Vm& vm, Args args) {
  u64 base = 0;
  if (!integer_argument(vm, args, 0) || !count_argument(vm, args, 1, base)) return kRaised;
  const Integer value(vm, args[0]);
  if (value.negative || base < 2 || base > 36) return raise_args(vm, Atom::Badarg, args);
  return digits_string(vm, args[0], static_cast<u32>(base));
}
/// (exact* x): the same value without a float; NaN and infinities are refused.
Term native_ExactOf(Vm& vm, Args args) {
  const Kind kind = number::kind_of(vm, args[0]);
  if (kind == Kind::None) return raise_type(vm, args, Atom::Integer);
  if (!is_float_kind(kind)) return args[0];
  if ((number::to_f64_bits(vm, args[0]) & number::kInfinity64) == number::kInfinity64) {
    return raise_args(vm, Atom::Badarg, args);
  }
  return number::exact_of_float(vm, args[0]);
}
Term native_NativeEndian(Vm& vm, Args) { return keyword(vm, Atom::Little); }
Term native_Compare(Vm& vm, Args args) { return compare_in_steps(vm, args[0], args[1]); }
Term native_Hash(Vm& vm, Args args) { return number::make_unsigned(vm, hash(vm, args[0])); }
Term native_Identical(Vm&, Args args) { return boolean(args[0] == args[1]); }

}  // namespace lonala
