// vm/lonala/collect.cpp — the collector: Cheney's copying algorithm over one process (Cheney, CACM 13(11), 1970). Roots are
// the stack and a few words of the control block.
#include <algorithm>
#include <cstring>

#include "vm/lonala/heap.h"

#include "base/enforce.h"

namespace lonala {
namespace {

/// One collection: where objects come from and where they go.
struct Collection {
  Vm& vm;
  Process& process;
  u64 to;  // next free byte of the new block

  bool moves(u64 offset) const {
    if (offset >= process.heap_low && offset < process.heap_end) return true;
    if (offset >= process.extra_low && offset < process.extra_end) return true;
    if (is_literal(vm, offset)) return false;
    return page_use(vm, offset) == PageUse::Fragment;
  }

  void forward(Term& term) {
    const Tag tag = tag_of(term);
    if (tag != Tag::Pair && tag != Tag::Tuple && tag != Tag::Boxed) return;
    const u64 offset = offset_of(term);
    if (!moves(offset)) return;
    u64* from = vm.words(offset);
    if (tag_of(from[0]) == Tag::Forward) {
      term = refer(offset_of(from[0]), tag);
      return;
    }
    const u64 words = tag == Tag::Pair ? 2 : words_of_header(from[0]) + 1;
    u64* out = vm.words(to);
    if (words == 2) {
      out[0] = from[0];
      out[1] = from[1];
    } else {
      memcpy(out, from, words * 8);
    }
    from[0] = refer(to, Tag::Forward);
    term = refer(to, tag);
    to += words * 8;
  }

  void scan(u64 from) {
    while (from < to) {
      u64* words = vm.words(from);
      if (tag_of(words[0]) == Tag::Header) {
        const u64 count = words_of_header(words[0]);
        if (!is_raw(type_of_header(words[0]))) {
          for (u64 i = 1; i <= count; ++i) forward(words[i]);
        }
        from += (count + 1) * 8;
      } else {  // a pair: it begins with a term, which no header is
        forward(words[0]);
        forward(words[1]);
        from += 16;
      }
    }
  }
};

u64 stack_low(const Process& process) { return process.frame - u64{process.live} * 8; }

/// Copies everything live into a block of `bytes`; false when there is none.
bool move_to(Vm& vm, u64 bytes) {
  Process& process = *vm.process;
  const u64 block = block_acquire(vm, bytes, PageUse::Heap);
  if (block == 0) return false;
  const u64 low = stack_low(process);
  const u64 stack_bytes = process.heap_end - low;
  const u64 end = block + bytes;
  memcpy(vm.words(end - stack_bytes), vm.words(low), stack_bytes);
  Collection collection{vm, process, block};
  for (u64 at = end - stack_bytes; at < end; at += 8) collection.forward(*vm.words(at));
  collection.forward(process.pending);
  collection.forward(process.bindings);
  collection.forward(process.names);
  collection.scan(block);
  ASSERT(collection.to <= end - stack_bytes);
  const u64 used = (process.hp - process.heap_low) / 8 + process.fragment_words;
  const u64 kept = (collection.to - block) / 8;
  vm.root->reclaimed_words += used > kept ? used - kept : 0;
  block_release(vm, process.heap_low - process.block_prefix, process.heap_end - process.heap_low + process.block_prefix,
                process.block_prefix != 0 ? PageUse::Fragment : PageUse::Heap);
  process.block_prefix = 0;
  if (process.extra_low != 0) {
    block_release(vm, process.extra_low, process.extra_end - process.extra_low, PageUse::Heap);
    process.extra_low = process.extra_end = 0;
  }
  fragments_release(vm, process.fragments);
  process.fragments = 0;
  process.fragment_words = 0;
  process.frame = end - (process.heap_end - process.frame);
  process.heap_low = block;
  process.heap_end = end;
  process.hp = collection.to;
  return true;
}

}  // namespace

u64 heap_block_bytes(u64 bytes) { return block_capacity(std::max<u64>(bytes, 256)); }

bool collect(Vm& vm, u64 need_bytes) {
  Process& process = *vm.process;
  ASSERT(process.gc_off == 0);
  const u64 stack_bytes = process.heap_end - stack_low(process);
  const u64 extra = process.extra_end - process.extra_low;
  const u64 most = process.hp - process.heap_low + extra + process.fragment_words * 8;
  // Room for all that may be live, and for twice what was live last time, so that the work is O(1) a word allocated.
  u64 bytes = std::max(most, 2 * process.live_bytes) + stack_bytes + need_bytes;
  if (!move_to(vm, heap_block_bytes(bytes))) return false;
  process.gc_count += 1;
  vm.root->collections += 1;
  process.live_bytes = process.hp - process.heap_low;
  bytes = heap_block_bytes(2 * (process.live_bytes + stack_bytes) + need_bytes);
  if (bytes * 4 <= process.heap_end - process.heap_low) {
    if (!move_to(vm, bytes)) return true;  // the larger block does as well
  }
  process.limit = stack_low(process);
  return true;
}

bool grow_in_place(Vm& vm, u64 need_bytes) {
  Process& process = *vm.process;
  const u64 low = stack_low(process);
  const u64 stack_bytes = process.heap_end - low;
  const u64 old_bytes = process.heap_end - process.heap_low;
  const u64 bytes = heap_block_bytes(std::max(u64{64} << 10, std::max(2 * old_bytes, 2 * (stack_bytes + need_bytes))));
  const u64 block = block_acquire(vm, bytes, PageUse::Fragment);
  if (block == 0) return false;
  memcpy(vm.words(block + bytes - stack_bytes), vm.words(low), stack_bytes);
  *vm.at<Fragment>(block) = {0, bytes, block + bytes, 0};
  if (process.block_prefix == 0) {
    ASSERT(process.extra_low == 0);
    process.extra_low = process.heap_low;
    process.extra_end = process.heap_end;
  } else {  // grown in place before: now it is a fragment like others
    const u64 left = process.heap_low - process.block_prefix;
    process.fragment_words += (process.hp - process.heap_low) / 8;
    vm.at<Fragment>(left)->next = process.fragments;
    process.fragments = left;
  }
  process.frame = block + bytes - (process.heap_end - process.frame);
  process.heap_low = block + sizeof(Fragment);
  process.heap_end = block + bytes;
  process.hp = process.heap_low;
  process.block_prefix = sizeof(Fragment);
  process.limit = stack_low(process);
  return true;
}

}  // namespace lonala
