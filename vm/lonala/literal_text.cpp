#include "vm/lonala/literal_text.h"

#include <algorithm>

#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/number/number.h"

#include "base/enforce.h"

namespace lonala {
namespace {

struct CharacterName {
  std::string_view name;
  u32 code;
};
constexpr CharacterName kCharacterNames[] = {{"newline", 10},  {"space", 32},    {"tab", 9}, {"return", 13},
                                             {"formfeed", 12}, {"backspace", 8}, {"nul", 0}, {"delete", 127}};

constexpr std::string_view kWidths[] = {"u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"};

u32 digit_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<u32>(c - '0');
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'z' ? static_cast<u32>(lower - 'a') + 10 : 99;
}

/// Appends the digits without underscores; false unless they are digits with underscores only between them.
bool take_digits(Text& out, std::string_view digits, u32 base) {
  bool after_digit = false;
  for (const char c : digits) {
    if (c == '_') {
      if (!after_digit) return false;
      after_digit = false;
      continue;
    }
    if (digit_value(c) >= base) return false;
    out.add(c);
    after_digit = true;
  }
  return after_digit;
}

bool in_range(Vm& vm, Term integer, Width width) {
  const number::Integer x(vm, integer);
  const u32 bits = bits_of(width);
  if (!is_signed(width)) return !x.negative && number::bit_length(x.magnitude()) <= bits;
  if (!x.negative) return number::bit_length(x.magnitude()) < bits;
  return x.count == 0 || (x.count == 1 && x.limbs[0] <= u64{1} << (bits - 1));
}

/// digits [. digits] [e [sign] digits], already known not to be a plain integer.
Term parse_decimal(Vm& vm, std::string_view text, bool negative, bool narrow) {
  Text digits(vm);
  i64 exponent = 0;
  u64 whole_end = text.find_first_of(".eE");
  if (whole_end == std::string_view::npos) whole_end = text.size();
  if (!take_digits(digits, text.substr(0, whole_end), 10)) return kNone;
  text.remove_prefix(whole_end);
  if (text.starts_with('.')) {
    u64 end = text.find_first_of("eE");
    if (end == std::string_view::npos) end = text.size();
    const u64 before = digits.size();
    if (!take_digits(digits, text.substr(1, end - 1), 10)) return kNone;
    exponent = -static_cast<i64>(digits.size() - before);
    text.remove_prefix(end);
  }
  if (!text.empty()) {
    text.remove_prefix(1);
    const bool down = text.starts_with('-');
    if (down || text.starts_with('+')) text.remove_prefix(1);
    Text power(vm);
    if (!take_digits(power, text, 10)) return kNone;
    i64 value = 0;
    for (const char c : power.view()) value = std::min<i64>(value * 10 + (c - '0'), 1'000'000'000);
    exponent += down ? -value : value;
  }
  if (digits.failed()) return raise_oom(vm, digits.size());
  if (narrow) return number::make_f32(number::read_f32(vm, digits.view(), exponent, negative));
  return number::make_f64(vm, number::read_f64(vm, digits.view(), exponent, negative));
}

}  // namespace

u32 character_named(std::string_view name) {
  for (const CharacterName& known : kCharacterNames) {
    if (known.name == name) return known.code;
  }
  return kNoCharacter;
}

std::string_view name_of_character(u32 code_point) {
  for (const CharacterName& known : kCharacterNames) {
    if (known.code == code_point) return known.name;
  }
  return {};
}

Term parse_number(Vm& vm, std::string_view token, Atom& problem) {
  problem = Atom::InvalidNumber;
  std::string_view text = token;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  u32 base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) base = 16;
  if (text.starts_with("0o")) base = 8;
  if (text.starts_with("0b")) base = 2;
  const bool prefixed = base != 10;
  if (prefixed) text.remove_prefix(2);
  const u64 r = text.find('r');
  if (!prefixed && r != std::string_view::npos && r > 0) {
    u32 radix = 0;
    for (const char c : text.substr(0, r)) {
      if (c < '0' || c > '9') return kNone;
      radix = std::min<u32>(radix * 10 + static_cast<u32>(c - '0'), 1000);
    }
    if (radix < 2 || radix > 36) {
      problem = Atom::InvalidRadix;
      return kNone;
    }
    base = radix;
    text.remove_prefix(r + 1);
  }
  bool marked = false;
  bool narrow = false;
  bool real = false;
  u32 width = 8;
  if (base <= 16) {  // beyond that the suffixes are digits
    if (text.ends_with('N')) {
      marked = true;
      text.remove_suffix(1);
    }
    for (u32 i = 0; i < 8 && !marked; ++i) {
      if (!text.ends_with(kWidths[i])) continue;
      width = i;
      text.remove_suffix(kWidths[i].size());
      break;
    }
    if (base == 10 && width == 8 && !marked && (text.ends_with("f32") || text.ends_with("f64"))) {
      narrow = text.ends_with("f32");
      real = true;
      text.remove_suffix(3);
    }
  }
  const bool decimal_point = base == 10 && text.find_first_of(".eE") != std::string_view::npos;
  if (real || decimal_point) {
    return marked || width < 8 ? kNone : parse_decimal(vm, text, negative, narrow);
  }
  const u64 slash = text.find('/');
  Text digits(vm);
  if (base == 10 && slash != std::string_view::npos) {
    Text below(vm);
    if (marked || width < 8 || !take_digits(digits, text.substr(0, slash), 10) ||
        !take_digits(below, text.substr(slash + 1), 10)) {
      return kNone;
    }
    const Term top = number::read_integer(vm, digits.view(), 10, negative, false);
    const Term bottom = number::read_integer(vm, below.view(), 10, false, false);
    if (top == kRaised || bottom == kRaised) return kRaised;
    return bottom == small(0) ? kNone : number::make_ratio(vm, top, bottom);
  }
  if (!take_digits(digits, text, base)) return kNone;
  if (digits.failed()) return raise_oom(vm, digits.size());
  const Term value = number::read_integer(vm, digits.view(), base, negative, marked);
  if (width == 8 || value == kRaised) return value;
  if (!in_range(vm, value, static_cast<Width>(width))) {
    problem = Atom::OutOfRange;
    return kNone;
  }
  return number::wrap(vm, static_cast<Width>(width), value);
}

Term metadata_of(const Vm& vm, Term term) {
  if (is_var(term)) return var_record(vm, term).meta;
  if (tag_of(term) != Tag::Boxed && tag_of(term) != Tag::Tuple) return kNil;
  const u64* words = vm.object(term);
  if (type_of_header(words[0]) == Type::Symbol) return words[2];
  return !is_raw(type_of_header(words[0])) && (flags_of_header(words[0]) & kHasMeta) != 0
             ? words[words_of_header(words[0])]
             : kNil;
}

Term with_metadata(Vm& vm, Term term, Term meta) {
  if (is_symbol(vm, term)) {
    if (meta == kNil) return plain_symbol(vm, term);
    u64* object = heap_take(vm, 3);
    object[0] = header(Type::Symbol, 2);
    object[1] = plain_symbol(vm, term);
    object[2] = meta;
    return refer(vm.offset(object), Tag::Boxed);
  }
  if (is_map(vm, term) || is_set(vm, term)) return map_with_meta(vm, term, meta);
  if (is_vector(vm, term)) return vector_with_meta(vm, term, meta);
  const bool function = is_boxed(vm, term, Type::Function);
  if (!is_tuple(term) && !function) return kNone;
  const u64* words = vm.object(term);
  const u64 count = words_of_header(words[0]) - (flags_of_header(words[0]) & kHasMeta);
  if (count + 2 > kSmallWordsMax && !heap_room(vm, count + 2)) return raise_oom(vm, count);
  u64* object = heap_take(vm, count + 1 + (meta != kNil));
  object[0] = header(function ? Type::Function : Type::Tuple, count + (meta != kNil), meta != kNil ? kHasMeta : 0,
                     aux_of_header(words[0]));
  std::copy(words + 1, words + 1 + count, object + 1);
  if (meta != kNil) object[1 + count] = meta;
  return refer(vm.offset(object), function ? Tag::Boxed : Tag::Tuple);
}

}  // namespace lonala
