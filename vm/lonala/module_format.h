// vm/lonala/module_format.h — what writing and reading modules share. u8, u32, u64: numbers of that width; object: u32, the index of an
// earlier one; text: u32 length, then UTF-8.
#pragma once
#include "vm/lonala/code.h"
#include "vm/lonala/natives/natives.h"

namespace lonala::module {

enum class Kind : u8 {
  Special,    // u8: false, nil, true, the empty list
  Char,       // u32
  Integer,    // u8: kNegative, kMarked; u32 limbs; u64 each, least significant first
  Fixed,      // u8 width; u64
  F32,        // u32
  F64,        // u64
  Ratio,      // numerator, denominator: objects, integers
  String,     // text
  Binary,     // u32 length; bytes
  Symbol,     // text of the namespace, text of the name
  Keyword,    // the same
  Native,     // u32
  Var,        // namespace, name: objects, symbols
  Namespace,  // name: object, symbol
  Paddr,      // u64
  Vaddr,      // u64
  List,       // u32 count > 0; objects; the rest: object
  Tuple,      // u32 count; objects
  Vector,     // u32 count; objects
  Map,        // u32 count of entries; key, value: objects
  Set,        // u32 count; objects
  Meta,       // value, map: objects
  Function,   // below
  End,
};

// A function: u8 frame, parameters, variadic, captures, self; u32 line; objects: name (symbol), parameter names (tuple, or nil), file (symbol, or
// nil); u32 words of code, guards; the words; four u32 for each guard. In the words the operands c (the second word is 0), v and f
// are objects.
constexpr u32 kGuardBytes = 16;

constexpr u32 kSpecialEmptyList = 3;
constexpr u8 kIntegerNegative = 1;
constexpr u8 kIntegerMarked = 2;

constexpr u32 kMagicBytes = 16;
constexpr u8 kMagic[kMagicBytes + 1] = "#!/bin/lonala\n\x1A\x7F";
constexpr u32 kVersionAt = 16;
constexpr u32 kSizeAt = 24;
constexpr u32 kSourceDigestAt = 32;
constexpr u32 kDigestAt = 64;
constexpr u32 kDigestBytes = 32;
constexpr u32 kUnitCountAt = 96;
constexpr u32 kUnitsAt = 100;

/// To be raised when an instruction or a native means something else than before, or the format changes.
constexpr u64 kFormat = 1;
constexpr u64 mixed(u64 hash, const char* text) {
  for (; *text != 0; ++text) hash = (hash ^ static_cast<u8>(*text)) * 0x100000001B3u;  // FNV-1a, 64 bits
  return (hash ^ 0xFF) * 0x100000001B3u;
}
/// Follows from the instructions and natives that code names by number, so that their lists cannot change unnoticed.
constexpr u64 version() {
  u64 hash = 0xCBF29CE484222325u ^ kFormat;
#define MIX(name, operands, words) hash = mixed(mixed(mixed(hash, #name), operands), words);
  LONALA_INSTRUCTIONS(MIX, MIX)
#undef MIX
#define MIX(identifier, space, name, fewest, most) hash = mixed(mixed(hash, space), name);
  LONALA_NATIVES(MIX)
#undef MIX
  return hash;
}
constexpr u64 kVersion = version();

/// Where the operands of an instruction lie that name something: calls visit('v' | 'f' | 'c' | 't', index of the word); of a switch for each
/// entry's constant.
template <class Visit>
void each_name(const u32* code, u32 at, Visit visit) {
  const InstructionShape& shape = instruction_shape(static_cast<Op>(code[at] & 0xFF));
  u32 operand = at + 1;
  for (const char* word = shape.words; *word != 0; ++word) {
    if (*word == 't') {
      for (u32 entry = 0; entry < code[at] >> 16; ++entry, operand += kSwitchEntryWords) visit('t', operand);
      continue;
    }
    if (*word == 'v' || *word == 'f' || *word == 'c') visit(*word, operand);
    operand += *word == 'c' ? 2 : 1;
  }
}

}  // namespace lonala::module
