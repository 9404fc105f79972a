// vm/lonala/binaries.h — the bytes of binaries: short ones lie in the heap, longer ones in blocks that all processes share.
// A block counts the objects that refer to it; each such object is in the list of its process, of its message or of its value, so
// that the count falls when the object dies.
// Invariants  B1 a block is freed when its last object is.  B2 the list of a process has its younger objects first.
#pragma once
#include "vm/lonala/errors.h"
#include "vm/lonala/heap.h"

namespace lonala {

constexpr u64 kSharedBytesMin = 64;

/// Before the bytes of a block.
struct SharedBlock {
  u64 references;
  u64 used;      // bytes that some object shows; what lies behind them may be appended to in place
  u64 capacity;  // bytes it has room for
  u64 unused;
};
/// The words of a shared object behind its header.
struct SharedObject {
  u64 header;
  u64 block;
  u64 first;
  u64 count;
  u64 next;
};

/// A binary whose bytes are still to be written: pointer by `binary_space`. kRaised when memory is exhausted.
Term make_binary_space(Vm& vm, u64 byte_count);
Term make_binary(Vm& vm, base::Bytes bytes);
inline base::Bytes binary_bytes(const Vm& vm, Term binary) {
  const u64* words = vm.object(binary);
  u64 first = 0;
  u64 count = 0;
  const bool slice = type_of_header(words[0]) == Type::Slice;
  if (slice) {
    first = static_cast<u64>(small_value(words[2]));
    count = static_cast<u64>(small_value(words[3]));
    words = vm.object(words[1]);  // a slice's parent is never a slice
  }
  if (type_of_header(words[0]) == Type::Binary) {
    return {reinterpret_cast<const u8*>(words + 2) + first, slice ? count : words[1]};
  }
  const SharedObject& object = *reinterpret_cast<const SharedObject*>(words);
  return {vm.base + object.block + sizeof(SharedBlock) + object.first + first, slice ? count : object.count};
}
/// The bytes of a binary just made, for writing.
u8* binary_space(const Vm& vm, Term binary);
/// The binary followed by others; in place when its last byte is the last one used of its block and there is room.
Term binary_append(Vm& vm, Term first, const Args& args);

/// Enters a copy of a shared object into a list.
void shared_enter(Vm& vm, u64 object, u64& list);
/// Lets the objects of a list go.
void shared_release(Vm& vm, u64 list);
void shared_release_one(Vm& vm, const SharedObject& object);
/// Puts a list before that of a process, which refers to it from now on.
void shared_adopt(Vm& vm, Process& process, u64 list);

}  // namespace lonala
