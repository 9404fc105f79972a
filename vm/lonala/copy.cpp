// vm/lonala/copy.cpp — copies of terms in which sharing cannot matter. In a chain, where every object refers to at most one
// other that is copied, none can be met twice; and what is small may be copied twice.
#include "vm/lonala/copy.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kPlainWordsMax = 64;
constexpr u64 kPendingMax = kPlainWordsMax;  // a branch adds at most one for each of its words

/// Whether a copy of it must be entered somewhere, or may be refused.
bool is_tracked(Type type) { return type == Type::Shared || type == Type::Bytebuf; }

/// Where terms lie, in registers: what is written through pointers might otherwise have changed it.
struct Memory {
  u8* base;
  u64 literal_low;
  explicit Memory(const Vm& vm) : base(vm.base), literal_low(vm.root->literal_low) {}
  bool copied(Term term) const {  // as is_copied
    static_assert(static_cast<u32>(Tag::Pair) == 1 && static_cast<u32>(Tag::Boxed) == 3);
    return ((term - 1) & 7) < 3 && term < literal_low;
  }
  /// How many pairs from this one on lie side by side, each the rest of the one before, and hold nothing that is copied. Addresses
  /// are counted, not read, so that the processor does not wait for one word to find the next.
  u64 run(Term list) const {
    const u64* words = pair(list);
    u64 count = 0;
    for (Term beside = list + 16; words[1] == beside && !copied(words[0]); beside += 16) {
      words += 2;
      count += 1;
    }
    return count;
  }
  u64* pair(Term term) const { return reinterpret_cast<u64*>(base + (term - static_cast<u64>(Tag::Pair))); }
  u64* object(Term term) const { return reinterpret_cast<u64*>(base + offset_of(term)); }
};

}  // namespace

u64 plain_words(const Vm& vm, Term term) {
  const Memory memory(vm);
  Term pending[kPendingMax];
  u64 count = 0;
  u64 total = 0;
  bool branches = false;
  for (;;) {
    Term next = kNone;
    while (is_pair(term)) {
      const u64 run = memory.run(term);
      total += 2 * run + 2;
      term += 16 * run;
      const u64* words = memory.pair(term);
      if (memory.copied(words[0])) {
        if (memory.copied(words[1])) {
          branches = true;
          if (count == kPendingMax) return 0;
          pending[count] = words[0];
          count += 1;
          next = words[1];
        } else {
          next = words[0];
        }
        break;
      }
      if (!memory.copied(words[1])) break;
      next = words[1];
      if (!is_pair(next)) break;
      term = next;
      next = kNone;
    }
    if (!is_pair(term)) {
      const u64* words = memory.object(term);
      if (is_tracked(type_of_header(words[0]))) return 0;
      const Inside in = inside(tag_of(term), words[0]);
      total += in.words;
      for (u64 i = in.from; i < in.from + in.count; ++i) {
        if (!memory.copied(words[i])) continue;
        if (next != kNone) {
          branches = true;
          if (count == kPendingMax) return 0;
          pending[count] = next;
          count += 1;
        }
        next = words[i];
      }
    }
    if (branches && total > kPlainWordsMax) return 0;
    if (next == kNone) {
      if (count == 0) return total;
      count -= 1;
      next = pending[count];
    }
    term = next;
  }
}

Term plain_copy(const Vm& vm, Term term, u64 to) {
  const Memory memory(vm);
  Term result = term;
  u64* pending[kPendingMax + 1];  // words of the copy that still name an original
  u64 count = 1;
  pending[0] = &result;
  u64* out = vm.words(to);
  while (count != 0) {
    count -= 1;
    u64* slot = pending[count];
    if (!is_pair(*slot)) {
      const u64* words = memory.object(*slot);
      const Inside in = inside(tag_of(*slot), words[0]);
      *slot = refer(vm.offset(out), tag_of(*slot));
      memcpy(out, words, in.words * 8);
      for (u64 i = in.from; i < in.from + in.count; ++i) {
        if (!memory.copied(out[i])) continue;
        pending[count] = &out[i];
        count += 1;
      }
      out += in.words;
      continue;
    }
    Term pair = *slot;
    *slot = refer(vm.offset(out), Tag::Pair);
    for (;;) {  // along a list
      const u64* words = memory.pair(pair);
      const u64 run = memory.run(pair);
      Term rest_copy = refer(vm.offset(out), Tag::Pair);
      for (const u64* end = words + 2 * run; words != end; words += 2) {
        rest_copy += 16;
        out[0] = words[0];
        out[1] = rest_copy;
        out += 2;
      }
      const Term first = words[0];
      const Term rest = words[1];
      out[0] = first;
      if (memory.copied(first)) {
        pending[count] = out;
        count += 1;
      }
      out += 2;
      if (!is_pair(rest) || !memory.copied(rest)) {
        out[-1] = rest;
        if (memory.copied(rest)) {
          pending[count] = out - 1;
          count += 1;
        }
        break;
      }
      out[-1] = refer(vm.offset(out), Tag::Pair);
      pair = rest;
    }
  }
  return result;
}

}  // namespace lonala
