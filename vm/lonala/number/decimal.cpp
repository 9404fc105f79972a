// vm/lonala/number/decimal.cpp — numbers as text, both ways. Floats print the fewest digits that read back to the same bits
// (Steele and White; Burger and Dybvig, "Printing Floating-Point Numbers Quickly and Accurately", 1996) and are read by
// exact integer arithmetic, whatever the number of digits.
#include <algorithm>
#include <bit>
#include <cstring>

#include "vm/lonala/number/binary_float.h"
#include "vm/lonala/number/number.h"

#include "base/enforce.h"

namespace lonala::number {
namespace {

/// A natural number with room for the largest float decision: 2^1074 · 10^17 and 10^(324 + 800) stay below 4096 bits.
struct Wide {
  static constexpr u64 kLimbsMax = 72;
  u64 limbs[kLimbsMax] = {};
  u64 count = 0;

  explicit Wide(u64 value = 0) {
    limbs[0] = value;
    count = value != 0;
  }
  void multiply(u64 factor) {
    const u64 carry = multiply_small(limbs, count, factor, 0);
    if (carry != 0) push(carry);
  }
  void push(u64 limb) {
    ASSERT(count < kLimbsMax);
    limbs[count] = limb;
    count += 1;
  }
  void shift(u64 bits) {
    if (count == 0) return;
    ASSERT(count + bits / 64 + 1 <= kLimbsMax);
    u64 out[kLimbsMax];
    shift_left(out, {limbs, count}, bits);
    count = trimmed(out, count + bits / 64 + 1);
    memcpy(limbs, out, count * 8);
  }
  void power_of_ten(u64 exponent) {
    for (; exponent >= 19; exponent -= 19) multiply(10'000'000'000'000'000'000u);
    for (; exponent > 0; --exponent) multiply(10);
  }
  Limbs view() const { return {limbs, count}; }
};

int compare_sum(const Wide& a, const Wide& b, const Wide& c) {  // a + b against c
  u64 sum[Wide::kLimbsMax + 1];
  add(sum, a.view(), b.view());
  return compare({sum, trimmed(sum, std::max(a.count, b.count) + 1)}, c.view());
}

struct Digits {
  char text[20];
  u32 count = 0;
  i32 point = 0;  // value = 0.text × 10^point
};

/// Free-format printing of mantissa × 2^exponent, > 0. `boundary`: the gap below is half the gap above.
Digits shortest(u64 mantissa, i32 exponent, bool boundary) {
  const bool even = (mantissa & 1) == 0;
  // r / s = value; m_up and m_down: half the gaps, all over s.
  Wide r(mantissa);
  Wide s(1);
  Wide up(1);
  Wide down(1);
  if (exponent >= 0) {
    r.shift(static_cast<u64>(exponent) + 1 + boundary);
    s.shift(1 + boundary);
    up.shift(static_cast<u64>(exponent) + boundary);
    down.shift(static_cast<u64>(exponent));
  } else {
    r.shift(1 + boundary);
    s.shift(static_cast<u64>(-exponent) + 1 + boundary);
    up.shift(boundary);
  }
  // An estimate of the decimal exponent that is right or one too small: log10(2) ≈ 1233 / 4096.
  const i32 binary = exponent + 63 - std::countl_zero(mantissa);
  i32 point = static_cast<i32>((i64{binary} * 1233 - (binary < 0 ? 4095 : 0)) / 4096);
  if (point >= 0) {
    s.power_of_ten(static_cast<u64>(point));
  } else {
    r.power_of_ten(static_cast<u64>(-point));
    up.power_of_ten(static_cast<u64>(-point));
    down.power_of_ten(static_cast<u64>(-point));
  }
  for (;;) {  // at most twice
    const int order = compare_sum(r, up, s);
    if (order < 0 || (order == 0 && !even)) break;
    s.multiply(10);
    point += 1;
  }
  Digits digits;
  digits.point = point;
  for (;;) {
    r.multiply(10);
    up.multiply(10);
    down.multiply(10);
    u32 digit = 0;
    while (compare(r.view(), s.view()) >= 0) {
      subtract(r.limbs, r.view(), s.view());
      r.count = trimmed(r.limbs, r.count);
      digit += 1;
    }
    const int low = compare(r.view(), down.view());
    const int high = compare_sum(r, up, s);
    const bool can_stop_low = low < 0 || (low == 0 && even);
    const bool can_stop_high = high > 0 || (high == 0 && even);
    if (can_stop_low || can_stop_high) {
      if (can_stop_high &&
          (!can_stop_low || compare_sum(r, r, s) > 0 || (compare_sum(r, r, s) == 0 && digit % 2 != 0))) {
        digit += 1;
      }
      if (digit == 10) {  // the digits so far end in a carry
        u32 at = digits.count;
        while (at > 0 && digits.text[at - 1] == '9') at -= 1;
        digits.count = at;
        if (at == 0) {
          digits.text[0] = '1';
          digits.count = 1;
          digits.point += 1;
        } else {
          digits.text[at - 1] = static_cast<char>(digits.text[at - 1] + 1);
        }
        return digits;
      }
      digits.text[digits.count] = static_cast<char>('0' + digit);
      digits.count += 1;
      return digits;
    }
    digits.text[digits.count] = static_cast<char>('0' + digit);
    digits.count += 1;
  }
}

/// Positional with decimal exponent -5 to 15, else scientific.
void print_digits(Text& out, const Digits& digits) {
  const i32 exponent = digits.point - 1;
  const std::string_view text(digits.text, digits.count);
  if (exponent < -5 || exponent > 15) {
    out.add(text.substr(0, 1));
    if (text.size() > 1) {
      out.add('.');
      out.add(text.substr(1));
    }
    out.add('e');
    if (exponent < 0) out.add('-');
    out.add_number(static_cast<u64>(exponent < 0 ? -exponent : exponent));
    return;
  }
  if (digits.point <= 0) {
    out.add("0.");
    for (i32 i = digits.point; i < 0; ++i) out.add('0');
    out.add(text);
    return;
  }
  const u32 whole = static_cast<u32>(digits.point);
  for (u32 i = 0; i < whole; ++i) out.add(i < digits.count ? digits.text[i] : '0');
  out.add('.');
  if (digits.count <= whole) {
    out.add('0');
  } else {
    out.add(text.substr(whole));
  }
}

/// The exact decimal value digits × 10^exponent by way of `round`, of a format whose finite values lie well within
/// 10^-400 … 10^400.
template <class Round>
auto read_decimal(std::string_view digits, i64 exponent, bool negative, Round round) {
  while (!digits.empty() && digits.front() == '0') digits.remove_prefix(1);
  while (!digits.empty() && digits.back() == '0') {
    digits.remove_suffix(1);
    exponent += 1;
  }
  const Wide none(0);
  if (digits.empty()) return round(negative, none.view(), 0, false);
  const i64 magnitude = exponent + static_cast<i64>(digits.size());
  const u64 one[1] = {1};
  if (magnitude > 400) return round(negative, Limbs(one, 1), 100'000, false);
  if (magnitude < -400) return round(negative, Limbs(one, 1), -100'000, false);
  // No midpoint between two binary64 values has more than 767 digits: beyond 780 only "there is more" matters.
  bool more = false;
  if (digits.size() > 780) {
    exponent += static_cast<i64>(digits.size()) - 780;
    digits = digits.substr(0, 780);
    more = true;
  }
  Wide top(0);
  for (const char c : digits) {
    const u64 carry = multiply_small(top.limbs, top.count, 10, static_cast<u64>(c - '0'));
    if (carry != 0) top.push(carry);
  }
  if (exponent >= 0) {
    top.power_of_ten(static_cast<u64>(exponent));
    return round(negative, top.view(), 0, more);
  }
  Wide bottom(1);
  bottom.power_of_ten(static_cast<u64>(-exponent));
  // Scaled so that the quotient has at least 66 bits more than it needs.
  const i64 lack = static_cast<i64>(bit_length(bottom.view())) - static_cast<i64>(bit_length(top.view())) + 130;
  const u64 shift = lack > 0 ? static_cast<u64>(lack) : 0;
  top.shift(shift);
  u64 quotient[Wide::kLimbsMax + 1];
  u64 rest[Wide::kLimbsMax];
  u64 work[2 * Wide::kLimbsMax + 2];
  divide(quotient, rest, top.view(), bottom.view(), work);
  const u64 count = top.count - bottom.count + 1;
  more = more || trimmed(rest, bottom.count) != 0;
  return round(negative, Limbs(quotient, count), -static_cast<i64>(shift), more);
}

constexpr char kLower[] = "0123456789abcdefghijklmnopqrstuvwxyz";
constexpr char kUpper[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

}  // namespace

void print_magnitude(Vm& vm, Text& out, Limbs limbs, u32 base, bool upper) {
  const char* names = upper ? kUpper : kLower;
  if (limbs.empty()) return out.add('0');
  Scratch<u64> rest(vm);
  for (const u64 limb : limbs) rest.push(limb);
  if (rest.failed()) return;
  // Chunks of the largest power of the base that fits a limb.
  u64 chunk = base;
  u32 chunk_digits = 1;
  while (chunk <= ~u64{0} / base) {
    chunk *= base;
    chunk_digits += 1;
  }
  Scratch<char> digits(vm);
  u64 count = rest.size();
  while (count > 0) {
    u64 value = divide_small(rest.data(), count, chunk);
    count = trimmed(rest.data(), count);
    for (u32 i = 0; i < chunk_digits && (count > 0 || value != 0); ++i) {
      digits.push(names[value % base]);
      value /= base;
    }
  }
  for (u64 i = digits.size(); i > 0; --i) out.add(digits[i - 1]);
}

void print(Vm& vm, Text& out, Term number) {
  static constexpr std::string_view kSuffix[] = {"u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"};
  switch (kind_of(vm, number)) {
    case Kind::Integer:
    case Kind::Fixed: {
      const Integer x(vm, number);
      if (x.negative) out.add('-');
      if (x.count <= 1) {
        out.add_number(x.count == 0 ? 0 : x.limbs[0]);
      } else {
        print_magnitude(vm, out, x.magnitude(), 10);
      }
      if (x.marked) out.add('N');
      if (x.fixed) out.add(kSuffix[static_cast<u8>(x.width)]);
      return;
    }
    case Kind::Ratio:
      print(vm, out, vm.object(number)[1]);
      out.add('/');
      return print(vm, out, vm.object(number)[2]);
    case Kind::F64: return print_f64(vm, out, f64_bits(vm, number));
    case Kind::F32: return print_f32(vm, out, static_cast<u32>(payload_of(number)));
    case Kind::None: return;
  }
}

void print_f64(Vm&, Text& out, u64 bits) {
  if (f64_is_nan(bits)) return out.add("##NaN");
  if (f64_is_infinite(bits)) return out.add((bits >> 63) != 0 ? "##-Inf" : "##Inf");
  if ((bits >> 63) != 0) out.add('-');
  if (f64_is_zero(bits)) return out.add("0.0");
  const Opened x = f64_open(bits);
  print_digits(out, shortest(x.mantissa, x.exponent, x.mantissa == u64{1} << 52 && (bits >> 52 & 0x7FF) > 1));
}

void print_f32(Vm&, Text& out, u32 bits) {
  if ((bits & 0x7FFFFFFF) > kInfinity32) return out.add("##NaN");
  if ((bits & 0x7FFFFFFF) == kInfinity32) return out.add((bits >> 31) != 0 ? "##-Inf" : "##Inf");
  if ((bits >> 31) != 0) out.add('-');
  if ((bits & 0x7FFFFFFF) == 0) return out.add("0.0f32");
  const Opened x = f32_open(bits);
  print_digits(out, shortest(x.mantissa, x.exponent, x.mantissa == u64{1} << 23 && (bits >> 23 & 0xFF) > 1));
  out.add("f32");
}

Term read_integer(Vm& vm, std::string_view digits, u32 base, bool negative, bool marked) {
  const auto digit_of = [](char c) -> u64 { return static_cast<u64>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10); };
  if (digits.size() <= 11) {  // 36^11 < 2^57
    u64 value = 0;
    for (const char c : digits) value = value * base + digit_of(c);
    const u64 limb[1] = {value};
    return make_integer(vm, Limbs(limb, 1), negative, marked);
  }
  Scratch<u64> limbs(vm);
  u64 at = 0;
  while (at < digits.size()) {
    u64 factor = 1;
    u64 value = 0;
    for (; at < digits.size() && factor <= ~u64{0} / base; ++at) {
      factor *= base;
      value = value * base + digit_of(digits[at]);
    }
    const u64 carry = multiply_small(limbs.data(), limbs.size(), factor, value);
    if (carry != 0) limbs.push(carry);
    if (limbs.failed()) return raise_oom(vm, digits.size() / 8);
  }
  return make_integer(vm, Limbs(limbs.data(), limbs.size()), negative, marked);
}

u64 read_f64(Vm&, std::string_view digits, i64 exponent, bool negative) {
  return read_decimal(digits, exponent, negative, f64_round);
}
u32 read_f32(Vm&, std::string_view digits, i64 exponent, bool negative) {
  return read_decimal(digits, exponent, negative, f32_round);
}

}  // namespace lonala::number
