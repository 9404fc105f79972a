// vm/lonala/term.h — the representation of values: 64-bit words with a tag in the low three bits.
// A reference is a byte offset (a multiple of 8) into the machine's memory, never a host address, so that memory can be
// hashed, moved and mapped anywhere. Immediates hold their value in the word.
// Invariants  T1 equal atoms of one machine are equal words.  T2 a small integer that fits is never boxed.
//             T3 the first word of every boxed object and tuple is a header; a pair has none.
#pragma once
#include "base/assert.h"
#include "base/types.h"

namespace lonala {

using Term = u64;

enum class Tag : u8 { Small, Pair, Tuple, Boxed, Pid, Forward, Immediate, Header };
constexpr Tag tag_of(Term term) { return static_cast<Tag>(term & 7); }
/// The byte offset a pair, tuple, boxed or forwarding term refers to.
constexpr u64 offset_of(Term term) { return term & ~u64{7}; }
constexpr Term refer(u64 offset, Tag tag) { return offset | static_cast<u64>(tag); }

// ── Small integers: 61 bits ──────────────────────────────────────────────────────────────────────────────────
constexpr i64 kSmallMax = (i64{1} << 60) - 1;
constexpr i64 kSmallMin = -(i64{1} << 60);
constexpr bool is_small(Term term) { return (term & 7) == 0; }
constexpr i64 small_value(Term term) { return static_cast<i64>(term) >> 3; }
constexpr bool fits_small(i64 value) { return value >= kSmallMin && value <= kSmallMax; }
constexpr Term small(i64 value) { return static_cast<u64>(value) << 3; }

// ── Immediates: payload << 8 | kind << 3 | 6 ─────────────────────────────────────────────────────────────────
enum class Immediate : u8 {
  Special,
  Empty,
  Char,
  F32,
  Fixed,
  Native,
  Symbol,
  Keyword,
  Link,
  Var,
  Namespace,
  Ref,
  Timer
};
constexpr Term immediate(Immediate kind, u64 payload) {
  return payload << 8 | static_cast<u64>(kind) << 3 | static_cast<u64>(Tag::Immediate);
}
constexpr bool is_immediate(Term term, Immediate kind) { return (term & 0xFF) == (static_cast<u64>(kind) << 3 | 6); }
constexpr u64 payload_of(Term term) { return term >> 8; }

constexpr Term kFalse = immediate(Immediate::Special, 0);
constexpr Term kNil = immediate(Immediate::Special, 1);
constexpr Term kTrue = immediate(Immediate::Special, 2);
constexpr Term kUnbound = immediate(Immediate::Special, 3);
/// Returned by a function that has raised an error, which is in `Process::pending`. Never stored in a value.
constexpr Term kRaised = immediate(Immediate::Special, 4);
/// An absent value inside the machine; never seen by a program.
constexpr Term kNone = immediate(Immediate::Special, 5);
/// false and nil are the two words below `true` of their kind: one subtraction and one comparison.
constexpr bool is_falsy(Term term) { return (term | 0x100) == kNil; }
constexpr Term boolean(bool value) { return value ? kTrue : kFalse; }
static_assert((kFalse | 0x100) == kNil && (kTrue | 0x100) != kNil);

enum class EmptyOf : u8 { List, Map, Set };
constexpr Term empty_of(EmptyOf kind) { return immediate(Immediate::Empty, static_cast<u64>(kind)); }
constexpr Term kEmptyList = empty_of(EmptyOf::List);
constexpr Term kEmptyMap = empty_of(EmptyOf::Map);
constexpr Term kEmptySet = empty_of(EmptyOf::Set);

constexpr Term character(u32 code_point) { return immediate(Immediate::Char, code_point); }
constexpr bool is_char(Term term) { return is_immediate(term, Immediate::Char); }

/// The fixed widths, in the order of their names; signed ones from 4 on.
enum class Width : u8 { U8, U16, U32, U64, I8, I16, I32, I64 };
constexpr u32 bits_of(Width width) { return 8u << (static_cast<u32>(width) & 3); }
constexpr bool is_signed(Width width) { return static_cast<u8>(width) >= 4; }

// ── Boxed objects: size of what follows << 24 | aux << 16 | type << 8 | flags << 3 | 7 ───────────────────────
enum class Type : u8 {
  // Contents are bytes, not terms.
  Bignum,   // magnitude limbs, least significant first; kNegative in the flags
  F64,      // one word
  Fixed,    // one word, sign- or zero-extended; aux: Width
  String,   // byte count, character count, bytes; kAscii in the flags
  Binary,   // byte count, bytes: shorter than kSharedBytesMin
  Shared,   // block, first byte, byte count, next object of its list: bytes shared by all processes
  Paddr,    // one word
  Vaddr,    // one word
  Bytebuf,  // owner pid, byte count, bytes
  LastRaw = Bytebuf,
  // Contents are terms.
  Tuple,       // elements
  Ratio,       // numerator, denominator
  Slice,       // parent binary, first byte, byte count
  Vector,      // up to 32 elements
  Trie,        // a longer vector: count, shift, root, tail
  Rope,        // two vectors one after the other: count, height, left, right
  View,        // part of a trie: count, first, trie
  VectorNode,  // children
  Map,         // flat: key, value …, in iteration order
  HashMap,     // count, root node
  MapNode,     // bitmap, children: pairs are entries, boxed ones nodes
  Collision,   // entries with equal hashes, sorted by `compare`
  Set,         // as Map, values nil
  HashSet,     // as HashMap
  Symbol,      // the plain symbol; metadata
  Function,    // code offset, captures
  Pid,         // realm-id, number
  RealmId,     // ordinals
};
constexpr bool is_raw(Type type) { return type <= Type::LastRaw; }

constexpr u64 kHasMeta = 1;  // the last word is a metadata map
constexpr u64 kMarked = 2;   // a bignum, or a small integer in one limb, with the big mark
constexpr u64 kNegative = 4;
constexpr u64 kAscii = 8;

constexpr u64 header(Type type, u64 words, u64 flags = 0, u64 aux = 0) {
  return words << 24 | aux << 16 | static_cast<u64>(type) << 8 | flags << 3 | 7;
}
constexpr Type type_of_header(u64 word) { return static_cast<Type>(word >> 8 & 0xFF); }
constexpr u64 words_of_header(u64 word) { return word >> 24; }
constexpr u64 flags_of_header(u64 word) { return word >> 3 & 31; }
constexpr u64 aux_of_header(u64 word) { return word >> 16 & 0xFF; }

constexpr u64 words_for(u64 bytes) { return (bytes + 7) / 8; }

// ── Local pids: generation 31 bits, slot 30 bits ─────────────────────────────────────────────────────────────
constexpr Term local_pid(u32 slot, u32 generation) {
  return u64{generation} << 33 | u64{slot} << 3 | static_cast<u64>(Tag::Pid);
}
constexpr u32 slot_of(Term pid) { return static_cast<u32>(pid >> 3) & 0x3FFFFFFF; }
constexpr u32 generation_of(Term pid) { return static_cast<u32>(pid >> 33); }

}  // namespace lonala
