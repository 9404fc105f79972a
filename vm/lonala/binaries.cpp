#include "vm/lonala/binaries.h"

#include <algorithm>
#include <cstring>

#include "vm/lonala/errors.h"
#include "vm/lonala/process.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kObjectWords = sizeof(SharedObject) / 8;

SharedObject& object_at(const Vm& vm, u64 offset) { return *vm.at<SharedObject>(offset); }
u8* block_bytes(const Vm& vm, u64 block) { return vm.base + block + sizeof(SharedBlock); }

/// The process refers to so many bytes more: beyond its limit it shall collect, so that dead ones are freed.
void count_bytes(Vm& vm, Process& process, u64 bytes) {
  RareRecord* rare = rare_record(vm, process);
  if (rare == nullptr) return;  // it is about to run out of memory anyway
  rare->binary_bytes += bytes;
  if (rare->binary_bytes <= std::max(rare->binary_limit, kBinaryLimitBytes)) return;
  process.flags |= kCollect | kCollectFull;
  hold_fuel(process);
}

/// A new object for `count` bytes of a block from `first` on, `held` of which the process did not hold before; the block's count has
/// been raised.
Term make_shared(Vm& vm, u64 block, u64 first, u64 count, u64 held) {
  u64* words = heap_take(vm, kObjectWords);
  SharedObject& object = *reinterpret_cast<SharedObject*>(words);
  object = {header(Type::Shared, kObjectWords - 1), block, first, count, 0};
  if (heap_failed(vm)) {  // the object lies in the sink: it must be in no list
    shared_release_one(vm, object);
    return raise_oom(vm, kObjectWords);
  }
  object.next = vm.process->shared_first;
  vm.process->shared_first = vm.offset(words);
  count_bytes(vm, *vm.process, held);
  return refer(vm.offset(words), Tag::Boxed);
}

/// A block with one reference, or 0.
u64 block_create(Vm& vm, u64 used, u64 capacity) {
  const u64 block = block_acquire(vm, sizeof(SharedBlock) + capacity, PageUse::Table);
  if (block == 0) return 0;
  *vm.at<SharedBlock>(block) = {1, used, capacity, 0};
  vm.root->binary_bytes += block_capacity(sizeof(SharedBlock) + capacity);
  return block;
}

}  // namespace

void shared_enter(Vm& vm, u64 object, u64& list) {
  vm.at<SharedBlock>(object_at(vm, object).block)->references += 1;
  object_at(vm, object).next = list;
  list = object;
}

void shared_release_one(Vm& vm, const SharedObject& object) {
  SharedBlock& block = *vm.at<SharedBlock>(object.block);
  ASSERT(block.references > 0);
  block.references -= 1;
  if (block.references > 0) return;
  vm.root->binary_bytes -= block_capacity(sizeof(SharedBlock) + block.capacity);
  block_release(vm, object.block, sizeof(SharedBlock) + block.capacity, PageUse::Table);
}

void shared_release(Vm& vm, u64 list) {
  while (list != 0) {
    const SharedObject object = object_at(vm, list);
    shared_release_one(vm, object);
    list = object.next;
  }
}

void shared_adopt(Vm& vm, Process& process, u64 list) {
  if (list == 0) return;
  u64 last = list;
  u64 bytes = object_at(vm, last).count;
  while (object_at(vm, last).next != 0) {
    last = object_at(vm, last).next;
    bytes += object_at(vm, last).count;
  }
  object_at(vm, last).next = process.shared_first;
  process.shared_first = list;
  count_bytes(vm, process, bytes);
}

Term make_binary_space(Vm& vm, u64 byte_count) {
  charge(vm, byte_count / kBytesPerReduction);
  if (byte_count < kSharedBytesMin) {
    const Term binary = make_object(vm, Type::Binary, 1 + words_for(byte_count));
    if (binary == kRaised) return binary;
    u64* object = vm.object(binary);
    object[1] = byte_count;
    if (byte_count != 0) object[1 + words_for(byte_count)] = 0;
    return binary;
  }
  const u64 block = byte_count > vm.root->grant_bytes ? 0 : block_create(vm, byte_count, byte_count);
  if (block == 0) return raise_oom(vm, words_for(byte_count));
  return make_shared(vm, block, 0, byte_count, byte_count);
}

Term make_binary(Vm& vm, base::Bytes bytes) {
  const Term binary = make_binary_space(vm, bytes.size());
  if (binary != kRaised && !bytes.empty()) memcpy(binary_space(vm, binary), bytes.data(), bytes.size());
  return binary;
}

u8* binary_space(const Vm& vm, Term binary) {
  const u64* words = vm.object(binary);
  if (type_of_header(words[0]) == Type::Binary) return reinterpret_cast<u8*>(vm.object(binary) + 2);
  const SharedObject& object = object_at(vm, offset_of(binary));
  return block_bytes(vm, object.block) + object.first;
}

Term binary_append(Vm& vm, Term first, const Args& args) {
  const u64 before = binary_bytes(vm, first).size();
  u64 added = 0;
  for (u32 i = 1; i < args.count; ++i) added += binary_bytes(vm, args[i]).size();
  const auto write = [&](u8* out) {
    for (u32 i = 1; i < args.count; ++i) {
      const base::Bytes bytes = binary_bytes(vm, args[i]);
      if (!bytes.empty()) memmove(out, bytes.data(), bytes.size());
      out += bytes.size();
    }
  };
  // The object that shows the last bytes in use of a block is being built up: it grows in place, or into a block twice as large.
  const Term parent = is_boxed(vm, first, Type::Slice) ? vm.object(first)[1] : first;
  bool grows = false;
  if (is_boxed(vm, parent, Type::Shared) && added != 0) {
    const SharedObject object = object_at(vm, offset_of(parent));
    SharedBlock& block = *vm.at<SharedBlock>(object.block);
    const u8* end = binary_bytes(vm, first).data() + before;
    grows = end == block_bytes(vm, object.block) + block.used;
    if (grows && added <= block.capacity - block.used) {
      charge(vm, added / kBytesPerReduction);
      write(block_bytes(vm, object.block) + block.used);
      block.used += added;
      block.references += 1;
      return make_shared(vm, object.block, block.used - added - before, before + added, added);
    }
  }
  if (!grows) {
    const Term binary = make_binary_space(vm, before + added);
    if (binary == kRaised) return binary;
    if (before != 0) memcpy(binary_space(vm, binary), binary_bytes(vm, first).data(), before);
    write(binary_space(vm, binary) + before);
    return binary;
  }
  charge(vm, (before + added) / kBytesPerReduction);
  u64 block = block_create(vm, before + added, 2 * (before + added));
  if (block == 0) block = block_create(vm, before + added, before + added);
  if (block == 0) return raise_oom(vm, words_for(before + added));
  memcpy(block_bytes(vm, block), binary_bytes(vm, first).data(), before);
  write(block_bytes(vm, block) + before);
  return make_shared(vm, block, 0, before + added, before + added);
}

}  // namespace lonala
