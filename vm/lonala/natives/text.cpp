// vm/lonala/natives/text.cpp — strings, names, binaries and bit syntax.
#include <cstring>

#include "base/utf8.h"
#include "vm/lonala/binaries.h"
#include "vm/lonala/literal_text.h"
#include "vm/lonala/natives/elements.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"
#include "vm/lonala/printer.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kBitsMax = u64{1} << 56;

Term finish_text(Vm& vm, Text& out) {
  return out.failed() ? raise_oom(vm, out.size() / 8) : make_string(vm, out.view());
}

/// Byte offset of character `index` ≤ count.
u64 byte_offset(const Vm& vm, Term string, u64 index) {
  if (string_is_ascii(vm, string)) return index;
  const std::string_view text = string_text(vm, string);
  u64 at = 0;
  for (; index > 0; --index) at += base::decode_utf8(text, at).length;
  return at;
}
u64 character_index(const Vm& vm, Term string, u64 bytes) {
  if (string_is_ascii(vm, string)) return bytes;
  u64 count = 0;
  for (const char c : string_text(vm, string).substr(0, bytes)) count += (static_cast<u8>(c) & 0xC0) != 0x80;
  return count;
}

/// A string, which will be looked through.
bool text_argument(Vm& vm, Args args, u32 i) {
  if (is_string(vm, args[i])) {
    charge(vm, string_text(vm, args[i]).size() / kBytesPerReduction);
    return true;
  }
  raise_type(vm, args, Atom::String);
  return false;
}
bool binary_argument(Vm& vm, Args args, u32 i) {
  if (is_binary(vm, args[i])) return true;
  raise_type(vm, args, Atom::Binary);
  return false;
}
Term map_ascii(Vm& vm, Args args, bool up) {
  if (!text_argument(vm, args, 0)) return kRaised;
  Text out(vm);
  for (const char c : string_text(vm, args[0])) {
    const bool change = up ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z';
    out.add(change ? static_cast<char>(c ^ 0x20) : c);
  }
  return finish_text(vm, out);
}

}  // namespace

Term native_Str(Vm& vm, Args args) { return display_string(vm, args); }
Term native_PrintString(Vm& vm, Args args) { return print_string(vm, args[0]); }
Term native_Subs(Vm& vm, Args args) {
  if (!text_argument(vm, args, 0)) return kRaised;
  const u64 count = string_count(vm, args[0]);
  u64 from = 0;
  u64 to = count;
  if (!index_argument(vm, args, 1, from) || (args.count == 3 && !index_argument(vm, args, 2, to))) return kRaised;
  if (from > count) return out_of_bounds(vm, args[1], count);
  if (to > count || to < from) return out_of_bounds(vm, args[args.count - 1], count);
  const u64 start = byte_offset(vm, args[0], from);
  const u64 end = byte_offset(vm, args[0], to);
  const Term made = make_string_space(vm, end - start, to - from, end - start == to - from);
  if (made != kRaised && end > start) memcpy(string_bytes(vm, made), string_bytes(vm, args[0]) + start, end - start);
  return made;
}
Term native_Join(Vm& vm, Args args) {
  if (!text_argument(vm, args, 0)) return kRaised;
  const Term list = list_of_collection(vm, args[1]);
  return list == kNone ? raise_type(vm, args, Atom::List) : join_string(vm, args[0], list);
}
Term native_FindString(Vm& vm, Args args) {
  if (!text_argument(vm, args, 0) || !text_argument(vm, args, 1)) return kRaised;
  u64 from = 0;
  if (args.count == 3 && !index_argument(vm, args, 2, from)) return kRaised;
  const u64 count = string_count(vm, args[0]);
  if (from > count) return out_of_bounds(vm, args[2], count);
  const u64 at = string_text(vm, args[0]).find(string_text(vm, args[1]), byte_offset(vm, args[0], from));
  return at == std::string_view::npos ? kNil : small(static_cast<i64>(character_index(vm, args[0], at)));
}
Term native_Split(Vm& vm, Args args) {
  if (!text_argument(vm, args, 0) || !text_argument(vm, args, 1)) return kRaised;
  const std::string_view text = string_text(vm, args[0]);
  const std::string_view by = string_text(vm, args[1]);
  if (by.empty()) return raise_args(vm, Atom::Badarg, args);
  Term list = kEmptyList;
  for (u64 at = 0;;) {
    const u64 next = text.find(by, at);
    list = make_pair(vm, make_string(vm, text.substr(at, next == std::string_view::npos ? next : next - at)), list);
    if (next == std::string_view::npos || heap_failed(vm)) break;
    at = next + by.size();
  }
  const Term window[1] = {reverse_list(vm, list)};
  return native_ToVector(vm, Args{window, 1});
}
Term native_Upper(Vm& vm, Args args) { return map_ascii(vm, args, true); }
Term native_Lower(Vm& vm, Args args) { return map_ascii(vm, args, false); }
Term native_Trim(Vm& vm, Args args) {
  if (!text_argument(vm, args, 0)) return kRaised;
  std::string_view text = string_text(vm, args[0]);
  const auto blank = [](char c) { return c == ' ' || (c >= 9 && c <= 13); };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return make_string(vm, text);
}
Term native_ParseNumber(Vm& vm, Args args) {
  if (!text_argument(vm, args, 0)) return kRaised;
  const std::string_view text = string_text(vm, args[0]);
  const u64 digit = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  Atom problem = Atom::InvalidNumber;
  Term value = kNone;
  if (digit < text.size() && text[digit] >= '0' && text[digit] <= '9') value = parse_number(vm, text, problem);
  if (value == kRaised) return value;
  if (value == kNone) return make_tuple(vm, {keyword(vm, Atom::Error), keyword(vm, Atom::InvalidNumber)});
  return make_tuple(vm, {keyword(vm, Atom::Ok), value});
}

namespace {
Term make_atom(Vm& vm, Args args, Immediate kind) {
  std::string_view space;
  if (args.count == 2 && args[0] != kNil) {
    if (!text_argument(vm, args, 0)) return kRaised;
    space = string_text(vm, args[0]);
  }
  const Term last = args[args.count - 1];
  if (args.count == 1 && (is_symbol(vm, last) || is_keyword(last))) {
    const Term plain = is_keyword(last) ? last : plain_symbol(vm, last);
    const u64 record = (payload_of(plain) & 0xFFFFFFFFFF) << 3;
    return kind == Immediate::Symbol ? symbol_term(vm, record) : keyword_term(vm, record);
  }
  if (!text_argument(vm, args, args.count - 1)) return kRaised;
  std::string_view name = string_text(vm, last);
  if (args.count == 1) {
    const u64 slash = name.rfind('/');
    if (slash != std::string_view::npos && slash > 0 && slash + 1 < name.size()) {
      space = name.substr(0, slash);
      name = name.substr(slash + 1);
    }
  }
  const u64 record = name_intern(vm, space, name);
  if (record == 0) return raise_oom(vm, 8);
  return kind == Immediate::Symbol ? symbol_term(vm, record) : keyword_term(vm, record);
}
}  // namespace

Term native_MakeSymbol(Vm& vm, Args args) { return make_atom(vm, args, Immediate::Symbol); }
Term native_MakeKeyword(Vm& vm, Args args) { return make_atom(vm, args, Immediate::Keyword); }
Term native_FindKeyword(Vm& vm, Args args) {
  if (!text_argument(vm, args, 0)) return kRaised;
  std::string_view name = string_text(vm, args[0]);
  std::string_view space;
  const u64 slash = name.rfind('/');
  if (slash != std::string_view::npos && slash > 0 && slash + 1 < name.size()) {
    space = name.substr(0, slash);
    name = name.substr(slash + 1);
  }
  const u64 record = name_find(vm, space, name);
  return record == 0 || vm.at<NameRecord>(record)->keyword_used == 0 ? kNil : keyword_term(vm, record);
}
Term native_NameOf(Vm& vm, Args args) {
  if (is_string(vm, args[0])) return args[0];
  if (!is_symbol(vm, args[0]) && !is_keyword(args[0])) return raise_type(vm, args, Atom::Symbol);
  return make_string(vm, name_record(vm, is_keyword(args[0]) ? args[0] : plain_symbol(vm, args[0])).name());
}
Term native_NamespaceOf(Vm& vm, Args args) {
  if (!is_symbol(vm, args[0]) && !is_keyword(args[0])) return raise_type(vm, args, Atom::Symbol);
  const NameRecord& record = name_record(vm, is_keyword(args[0]) ? args[0] : plain_symbol(vm, args[0]));
  return record.space_bytes == 0 ? kNil : make_string(vm, record.space());
}
Term native_MakeChar(Vm& vm, Args args) {
  u64 code = 0;
  if (!index_argument(vm, args, 0, code)) return kRaised;
  if (code > base::kCodePointMax || (code >= 0xD800 && code < 0xE000)) return raise_args(vm, Atom::Badarg, args);
  return character(static_cast<u32>(code));
}
Term native_CodeOf(Vm& vm, Args args) {
  if (!is_char(args[0])) return raise_type(vm, args, Atom::Char);
  return small(static_cast<i64>(payload_of(args[0])));
}

// ── Binaries ─────────────────────────────────────────────────────────────────────────────────────────────────

Term native_BinaryFrom(Vm& vm, Args args) {
  if (is_binary(vm, args[0])) return args[0];
  if (!is_string(vm, args[0]) && is_long(vm, args[0])) {
    return convert_in_steps(vm, args[0], Making::Kind::Binary);
  }
  const Term list = is_string(vm, args[0]) ? kNone : list_of_collection(vm, args[0]);
  if (list == kNone) return raise_type(vm, args, Atom::List);
  const Term binary = make_binary_space(vm, list_length(vm, list));
  if (binary == kRaised) return binary;
  u8* out = binary_space(vm, binary);
  for (Term rest = list; is_pair(rest); rest = tail(vm, rest)) {
    const Term element = head(vm, rest);
    if (!number::is_integer_like(vm, element)) return raise_type(vm, args, Atom::Integer);
    const number::Integer byte(vm, element);
    if (byte.negative || byte.count > 1 || byte.low() > 255) return raise_args(vm, Atom::Badarg, args);
    *out++ = static_cast<u8>(byte.low());
  }
  return binary;
}
Term native_BinarySize(Vm& vm, Args args) {
  return binary_argument(vm, args, 0) ? small(static_cast<i64>(binary_bytes(vm, args[0]).size())) : kRaised;
}
Term native_BinaryRef(Vm& vm, Args args) {
  u64 index = 0;
  if (!binary_argument(vm, args, 0) || !index_argument(vm, args, 1, index)) return kRaised;
  const base::Bytes bytes = binary_bytes(vm, args[0]);
  return index < bytes.size() ? small(bytes[index]) : out_of_bounds(vm, args[1], bytes.size());
}
Term native_BinarySlice(Vm& vm, Args args) {
  u64 from = 0;
  u64 count = 0;
  if (!binary_argument(vm, args, 0) || !index_argument(vm, args, 1, from) || !index_argument(vm, args, 2, count))
    return kRaised;
  const u64 size = binary_bytes(vm, args[0]).size();
  if (from > size) return out_of_bounds(vm, args[1], size);
  if (count > size - from) return out_of_bounds(vm, args[2], size);
  return make_slice(vm, args[0], from, count);
}
Term native_BinaryConcat(Vm& vm, Args args) {
  for (u32 i = 0; i < args.count; ++i) {
    if (!binary_argument(vm, args, i)) return kRaised;
  }
  return binary_append(vm, args[0], args);
}

namespace {
/// 0 UTF-8, 1 ASCII, 2 Latin-1; -1 raised.
i32 encoding_argument(Vm& vm, Args args) {
  if (args.count < 2 || args[1] == keyword(vm, Atom::Utf8)) return 0;
  if (args[1] == keyword(vm, Atom::Ascii)) return 1;
  if (args[1] == keyword(vm, Atom::Latin1)) return 2;
  raise_args(vm, Atom::Badarg, args);
  return -1;
}
}  // namespace

Term native_BinaryToString(Vm& vm, Args args) {
  if (!binary_argument(vm, args, 0)) return kRaised;
  const i32 encoding = encoding_argument(vm, args);
  if (encoding < 0) return kRaised;
  const base::Bytes bytes = binary_bytes(vm, args[0]);
  if (encoding == 2) {
    Text out(vm);
    for (const u8 byte : bytes) out.add_code_point(byte);
    return finish_text(vm, out);
  }
  for (u64 at = 0; at < bytes.size();) {
    const base::DecodedCharacter c = base::decode_utf8(base::text_of(bytes), at);
    if (!c.valid || (encoding == 1 && c.code_point > 127)) {
      return raise(vm, Atom::InvalidUtf8, {{Atom::Offset, small(static_cast<i64>(at))}});
    }
    at += c.length;
  }
  return make_string(vm, base::text_of(bytes));
}
Term native_StringToBinary(Vm& vm, Args args) {
  if (!text_argument(vm, args, 0)) return kRaised;
  const i32 encoding = encoding_argument(vm, args);
  if (encoding < 0) return kRaised;
  const std::string_view text = string_text(vm, args[0]);
  if (encoding == 0) return make_binary(vm, base::bytes_of(text));
  const Term binary = make_binary_space(vm, string_count(vm, args[0]));
  if (binary == kRaised) return binary;
  u8* out = binary_space(vm, binary);
  for (u64 at = 0; at < text.size();) {
    const base::DecodedCharacter c = base::decode_utf8(text, at);
    if (c.code_point > (encoding == 1 ? 127u : 255u)) return raise_args(vm, Atom::Badarg, args);
    *out++ = static_cast<u8>(c.code_point);
    at += c.length;
  }
  return binary;
}

namespace {
Term make_address(Vm& vm, Args args, Type type) {
  if (!number::is_integer_like(vm, args[0])) return raise_type(vm, args, Atom::Integer);
  const number::Integer value(vm, args[0]);
  if (value.negative || value.count > 1) return raise_args(vm, Atom::Badarg, args);
  const Term made = make_object(vm, type, 1);
  if (made != kRaised) vm.object(made)[1] = value.low();
  return made;
}
}  // namespace
Term native_MakePaddr(Vm& vm, Args args) { return make_address(vm, args, Type::Paddr); }
Term native_MakeVaddr(Vm& vm, Args args) { return make_address(vm, args, Type::Vaddr); }

// ── Bit syntax ───────────────────────────────────────────────────────────────────────────────────────────────

Term bits_flags(Vm& vm, Term segment) {
  i64 flags = 0;
  for (Term list = tuple_at(vm, segment, 2); is_pair(list); list = tail(vm, list)) {
    const Term modifier = head(vm, list);
    if (modifier == keyword(vm, Atom::Le) || modifier == keyword(vm, Atom::Native)) {
      flags |= kBitsLittle;
    } else if (modifier == keyword(vm, Atom::Signed)) {
      flags |= kBitsSigned;
    } else if (modifier == keyword(vm, Atom::Bytes)) {
      flags |= kBitsBytes;
    } else if (modifier != keyword(vm, Atom::Be) && modifier != keyword(vm, Atom::Unsigned)) {
      return raise_syntax(vm, modifier, "an unknown modifier of a segment");
    }
  }
  const Term size = tuple_at(vm, segment, 1);
  if ((flags & kBitsLittle) != 0 && is_small(size) && small_value(size) % 8 != 0) {
    return raise_syntax(vm, size, "a little-endian segment is whole bytes");
  }
  return small(flags);
}

namespace {

/// Size in bits of a segment; false when it cannot be (negative, no integer, too large).
bool segment_bits(Vm& vm, Term size, i64 flags, u64 bits_left, u64& out) {
  if (size == kNil) {
    out = (flags & kBitsBytes) != 0 ? bits_left : 8;
    return true;
  }
  if (!number::is_integer_like(vm, size)) return false;
  const number::Integer value(vm, size);
  if (value.negative || value.count > 1 || value.low() > kBitsMax) return false;
  out = (flags & kBitsBytes) != 0 ? value.low() * 8 : value.low();
  return true;
}

bool bit_at(base::Bytes bytes, u64 at) { return (bytes[at / 8] >> (7 - at % 8) & 1) != 0; }

}  // namespace

namespace {
/// A binary and a place in it, in bits; what the compiler emits always has them.
bool bits_arguments(Vm& vm, Args args) {
  const bool ok = is_binary(vm, args[0]) && is_small(args[1]) && small_value(args[1]) >= 0 &&
                  static_cast<u64>(small_value(args[1])) <= binary_bytes(vm, args[0]).size() * 8 &&
                  (args.count < 4 || is_small(args[3]));
  if (!ok) raise_args(vm, Atom::Badarg, args);
  return ok;
}
}  // namespace

bool bits_small(base::Bytes bytes, u64 at, u32 bits, u32 flags, i64& out) {
  const u64 all = bytes.size() * 8;
  if (at > all || bits > all - at) return false;
  u64 value = 0;
  if (at % 8 == 0 && bits == 32) {
    const u8* from = bytes.data() + at / 8;
    value = u64{from[0]} << 24 | u64{from[1]} << 16 | u64{from[2]} << 8 | from[3];
  } else if (bits > 0) {
    const u64 last = (at + bits - 1) / 8;
    for (u64 i = at / 8; i <= last; ++i) value = value << 8 | bytes[i];  // ≤ 8 bytes
    value = value >> (7 - (at + bits - 1) % 8) & ((u64{1} << bits) - 1);
  }
  if ((flags & kBitsLittle) != 0) {  // whole bytes
    u64 reversed = 0;
    for (u32 i = 0; i < bits; i += 8) reversed = reversed << 8 | (value >> i & 0xFF);
    value = reversed;
  }
  out = static_cast<i64>(value);
  if ((flags & kBitsSigned) != 0 && bits > 0 && (value >> (bits - 1)) != 0) out -= i64{1} << bits;
  return true;
}

/// Registers: binary, position, size, flags. The field's value, or nil if it does not fit.
Term native_BitsTake(Vm& vm, Args args) {
  if (!bits_arguments(vm, args)) return kRaised;
  const base::Bytes bytes = binary_bytes(vm, args[0]);
  const u64 at = static_cast<u64>(small_value(args[1]));
  const i64 flags = small_value(args[3]);
  const u64 left = bytes.size() * 8 - at;
  u64 bits = 0;
  if (!segment_bits(vm, args[2], flags, left, bits) || bits > left) return kNil;
  if ((flags & kBitsBytes) != 0) {
    if (bits % 8 != 0) return kNil;
    if (at % 8 == 0) return make_slice(vm, args[0], at / 8, bits / 8);
    const Term binary = make_binary_space(vm, bits / 8);
    if (binary == kRaised) return binary;
    for (u64 i = 0; i < bits; ++i) {
      if (bit_at(bytes, at + i))
        binary_space(vm, binary)[i / 8] |= static_cast<u8>(0x80 >> i % 8);
      else
        binary_space(vm, binary)[i / 8] &= static_cast<u8>(~(0x80 >> i % 8));
    }
    return binary;
  }
  if ((flags & kBitsLittle) != 0 && bits % 8 != 0) return kNil;
  const u64 limbs = (bits + 63) / 64;
  Scratch<u64> value(vm);
  for (u64 i = 0; i < limbs; ++i) value.push(0);
  if (value.failed()) return raise_oom(vm, limbs);
  for (u64 i = 0; i < bits; ++i) {  // bit i counts from the most significant one of a big-endian field
    if (!bit_at(bytes, at + i)) continue;
    const u64 weight = (flags & kBitsLittle) != 0 ? i / 8 * 8 + (7 - i % 8) : bits - 1 - i;
    value[weight / 64] |= u64{1} << weight % 64;
  }
  const bool negative =
      (flags & kBitsSigned) != 0 && bits > 0 && (value[(bits - 1) / 64] >> ((bits - 1) % 64) & 1) != 0;
  if (negative) {  // magnitude = 2^bits - value
    u64 carry = 1;
    for (u64 i = 0; i < limbs; ++i) {
      u64 limb = ~value[i];
      if (i + 1 == limbs && bits % 64 != 0) limb &= (u64{1} << bits % 64) - 1;
      value[i] = limb + carry;
      carry = carry != 0 && value[i] == 0;
    }
    if (carry != 0) value.push(1);
  }
  return number::make_integer(vm, number::Limbs(value.data(), value.size()), negative, false);
}
Term native_BitsAdvance(Vm& vm, Args args) {
  if (!bits_arguments(vm, args)) return kRaised;
  const u64 at = static_cast<u64>(small_value(args[1]));
  const u64 left = binary_bytes(vm, args[0]).size() * 8 - at;
  u64 bits = 0;
  if (!segment_bits(vm, args[2], small_value(args[3]), left, bits) || bits > left) {
    return raise_args(vm, Atom::Badarg, args);
  }
  return small(static_cast<i64>(at + bits));
}
Term native_BitsAtEnd(Vm& vm, Args args) {
  if (!bits_arguments(vm, args)) return kRaised;
  return boolean(static_cast<u64>(small_value(args[1])) == binary_bytes(vm, args[0]).size() * 8);
}

/// Triples of value, size, flags.
Term native_BitsBuild(Vm& vm, Args args) {
  u64 total = 0;
  if (args.count % 3 != 0) return raise_args(vm, Atom::Badarg, args);
  for (u32 i = 0; i < args.count; i += 3) {
    if (!is_small(args[i + 2])) return raise_args(vm, Atom::Badarg, args);
    const i64 flags = small_value(args[i + 2]);
    u64 bits = 0;
    u64 whole = 0;
    if ((flags & kBitsBytes) != 0) {
      if (!is_binary(vm, args[i])) return raise_args(vm, Atom::Badarg, args);
      whole = binary_bytes(vm, args[i]).size() * 8;
    } else if (!number::is_integer_like(vm, args[i])) {
      return raise_args(vm, Atom::Badarg, args);
    }
    if (!segment_bits(vm, args[i + 1], flags, whole, bits)) return raise_args(vm, Atom::Badarg, args);
    if ((flags & kBitsBytes) != 0 && bits > whole) return raise_args(vm, Atom::Badarg, args);
    if ((flags & kBitsLittle) != 0 && bits % 8 != 0) return raise_args(vm, Atom::Badarg, args);
    total += bits;
  }
  if (total % 8 != 0) return raise_args(vm, Atom::Badarg, args);
  if (total / 8 > vm.root->grant_bytes) return raise_oom(vm, total / 64);
  const Term binary = make_binary_space(vm, total / 8);
  if (binary == kRaised) return binary;
  u8* out = binary_space(vm, binary);
  memset(out, 0, total / 8);
  u64 at = 0;
  for (u32 i = 0; i < args.count; i += 3) {
    const i64 flags = small_value(args[i + 2]);
    u64 bits = 0;
    if ((flags & kBitsBytes) != 0) {
      const base::Bytes bytes = binary_bytes(vm, args[i]);
      segment_bits(vm, args[i + 1], flags, bytes.size() * 8, bits);
      for (u64 j = 0; j < bits; ++j) {
        if (bit_at(bytes, j)) out[(at + j) / 8] |= static_cast<u8>(0x80 >> (at + j) % 8);
      }
    } else {
      segment_bits(vm, args[i + 1], flags, 0, bits);
      const number::Integer value(vm, args[i]);
      bool borrow = value.negative;  // two's complement: ~(magnitude - 1)
      for (u64 j = 0, limb_at = 0; limb_at * 64 < bits; ++limb_at) {
        u64 limb = limb_at < value.count ? value.limbs[limb_at] : 0;
        if (value.negative) {
          const u64 before = limb;
          limb = ~(limb - borrow);
          borrow = borrow && before == 0;
        }
        for (u64 bit = 0; bit < 64 && j < bits; ++bit, ++j) {
          if ((limb >> bit & 1) == 0) continue;
          const u64 place = (flags & kBitsLittle) != 0 ? j / 8 * 8 + (7 - j % 8) : bits - 1 - j;
          out[(at + place) / 8] |= static_cast<u8>(0x80 >> (at + place) % 8);
        }
      }
    }
    at += bits;
  }
  return binary;
}

/// Bytes, then a binary to append or nil.
Term native_BytesBuild(Vm& vm, Args args) {
  const Term last = args[args.count - 1];
  if (last != kNil && !is_binary(vm, last)) return raise_args(vm, Atom::Badarg, args);
  const base::Bytes tail_bytes = last == kNil ? base::Bytes{} : binary_bytes(vm, last);
  const u64 count = args.count - 1;
  const Term binary = make_binary_space(vm, count + tail_bytes.size());
  if (binary == kRaised) return binary;
  for (u32 i = 0; i < count; ++i) {
    if (!number::is_integer_like(vm, args[i])) return raise_args(vm, Atom::Badarg, args);
    const number::Integer byte(vm, args[i]);
    if (byte.negative || byte.count > 1 || byte.low() > 255) return raise_args(vm, Atom::Badarg, args);
    binary_space(vm, binary)[i] = static_cast<u8>(byte.low());
  }
  if (!tail_bytes.empty()) memcpy(binary_space(vm, binary) + count, tail_bytes.data(), tail_bytes.size());
  return binary;
}

}  // namespace lonala
