// vm/lonala/copy.h — the deep copy behind messages, `def` and `spawn`, without recursion. What cannot hold shared parts, or is
// small, is measured and then copied as it is (copy.cpp). The rest takes three passes: the first gives every object its place
// in the copy, leaving a forwarding word in it; the second writes the copies; the third restores.
#pragma once
#include <cstring>

#include "vm/lonala/binaries.h"
#include "vm/lonala/heap.h"

namespace lonala {

struct CopyEntry {
  Term object;  // the reference, with its tag
  u64 first;    // its first word, which is forwarded meanwhile
};

/// Whether a copy must contain the object a term refers to.
inline bool is_copied(const Vm& vm, Term term) {
  const Tag tag = tag_of(term);
  return (tag == Tag::Pair || tag == Tag::Tuple || tag == Tag::Boxed) && !is_literal(vm, offset_of(term));
}

/// The terms inside an object whose first word was `first`: their first index and how many there are.
struct Inside {
  u64 from;
  u64 count;
  u64 words;  // of the whole object
};
inline Inside inside(Tag tag, u64 first) {
  if (tag == Tag::Pair) return {0, 2, 2};
  const u64 words = words_of_header(first);
  return {1, is_raw(type_of_header(first)) ? 0 : words, words + 1};
}

/// Words of a copy that repeats shared parts, for a term without branches (a list of immediates, say) or of at most 64 words;
/// 0 for any other, and for one with a shared binary or a bytebuf, which need more than copying.
u64 plain_words(const Vm& vm, Term term);
/// Writes that copy to `to`; its reference.
Term plain_copy(const Vm& vm, Term term, u64 to);

/// The copy; kNone when there is no memory, kUnbound when it would contain a bytebuf that is refused. References to shared binaries
/// are counted and enter `shared`.
template <class Acquire>
Term copy_term(Vm& vm, Term term, Bytebufs bytebufs, u64& shared, Acquire acquire) {
  const auto refused = [&](Term part) { return bytebufs == Bytebufs::Refused && is_boxed(vm, part, Type::Bytebuf); };
  if (!is_copied(vm, term)) return refused(term) ? kUnbound : term;
  if (const u64 words = plain_words(vm, term); words != 0) {
    const u64 to = acquire(words);
    return to == 0 ? kNone : plain_copy(vm, term, to);
  }
  bool found_bytebuf = false;
  Scratch<CopyEntry> log(vm);
  u64 total = 0;
  const auto place = [&](Term object) {
    u64* words = vm.object(object);
    if (tag_of(words[0]) == Tag::Forward) return;
    found_bytebuf = found_bytebuf || refused(object);
    if (!log.push({object, words[0]})) return;
    const u64 size = inside(tag_of(object), words[0]).words;
    words[0] = refer(total * 8, Tag::Forward);
    total += size;
  };
  place(term);
  for (u64 i = 0; i < log.size(); ++i) {
    const CopyEntry entry = log[i];
    const Inside in = inside(tag_of(entry.object), entry.first);
    const u64* words = vm.object(entry.object);
    for (u64 j = 0; j < in.count; ++j) {
      const Term part = in.from + j == 0 ? entry.first : words[in.from + j];
      if (is_copied(vm, part)) place(part);
    }
  }
  const u64 start = log.failed() || found_bytebuf ? 0 : acquire(total);
  if (start != 0) {
    for (u64 i = 0; i < log.size(); ++i) {
      const CopyEntry entry = log[i];
      const u64* words = vm.object(entry.object);
      u64* out = vm.words(start + offset_of(words[0]));
      const Inside in = inside(tag_of(entry.object), entry.first);
      out[0] = entry.first;
      if (in.words > 1) memcpy(out + 1, words + 1, (in.words - 1) * 8);
      for (u64 j = in.from; j < in.from + in.count; ++j) {
        if (!is_copied(vm, out[j])) continue;
        out[j] = refer(start + offset_of(vm.object(out[j])[0]), tag_of(out[j]));
      }
      if (tag_of(entry.object) == Tag::Boxed && type_of_header(entry.first) == Type::Shared) {
        shared_enter(vm, vm.offset(out), shared);
      }
    }
  }
  const Term copy = start == 0 ? kNone : refer(start + offset_of(vm.object(term)[0]), tag_of(term));
  for (u64 i = 0; i < log.size(); ++i) vm.object(log[i].object)[0] = log[i].first;
  return found_bytebuf ? kUnbound : copy;
}

}  // namespace lonala
