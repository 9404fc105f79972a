// vm/lonala/memory.h — memory of the grant: a buddy allocator of pages, slabs of small blocks, and the literal area.
// Invariants  A1 a block of n bytes is released with the same n and use.  A2 what is free is in exactly one list.
#pragma once
#include "vm/lonala/machine.h"

namespace lonala {

/// Lays the root out at the start of `grant` and opens a handle; `bytes` within [kGrantBytesMin, kGrantBytesMax], zeroed.
Vm memory_create(u8* grant, u64 bytes);

/// A block for `bytes` > 0 at a multiple of 16 (of 8 below 16), or 0 when the grant is exhausted. Contents unspecified.
u64 block_acquire(Vm& vm, u64 bytes, PageUse use);
void block_release(Vm& vm, u64 offset, u64 bytes, PageUse use);
/// Gives the end of a block of more than a slab's size back; `kept` is no slab's size either.
void block_trim(Vm& vm, u64 offset, u64 bytes, u64 kept);
/// How many bytes an acquired block of `bytes` really has.
u64 block_capacity(u64 bytes);

/// `bytes` of the literal area, 8-aligned, or 0 when it is full.
u64 literal_acquire(Vm& vm, u64 bytes);

inline bool is_literal(const Vm& vm, u64 offset) { return offset >= vm.root->literal_low; }
inline PageUse page_use(const Vm& vm, u64 offset) {
  return static_cast<PageUse>(vm.base[vm.root->page_states + offset / kPageBytes] & 7);
}
/// Whether a page is part of no block.
inline bool page_is_free(const Vm& vm, u64 page) {
  const u8 state = vm.base[vm.root->page_states + page];
  return state == 0 || (state & 0x80) != 0;
}
/// Gives the pages of a block of more than a slab's size another use.
void page_block_reuse(Vm& vm, u64 offset, u64 bytes, PageUse use);
/// Where every byte of the grant is, by the states of its pages.
struct Tally {
  u64 used[kSlabUses + 1] = {};  // in acquired blocks, by PageUse
  u64 kept = 0;                  // in slabs: objects nobody has
  u64 free = 0;                  // pages nobody has
  u64 literals = 0;
  u64 literals_free = 0;
  u64 fixed = 0;  // the root and the page states
};
Tally tally_pages(const Vm& vm);
constexpr u64 kSlabBytesMax = 4096;
/// The start of the slab object, in pages of PageUse::Value, that an offset lies in; 0 in a block of its own pages.
u64 slab_object(const Vm& vm, u64 offset);

}  // namespace lonala
