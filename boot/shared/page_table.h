// boot/shared/page_table.h — page tables of four levels with 512 entries of 64 bits: x86_64 (Intel SDM vol. 3 §4.5),
// Sv48 (RISC-V privileged architecture §4.5) and AArch64 with 4 KiB pages and 48 bits (Arm ARM D8.2.8) differ in the bits of
// an entry only, which `Format` knows:
//   static u64 table(u64 page)        an entry that points to the next table
//   static bool is_valid(u64 entry)   it maps or points to something
//   static bool is_table(u64 entry)   above level 0: it points to the next table
//   static u64 address(u64 entry)     physical
// Tables are pages of page_take and are reached at their own address. They are never given back: a window that was used
// once is used again.
#pragma once
#include "base/bytes.h"
#include "boot/arch.h"

namespace boot {

constexpr u32 kPageBits = 12;
constexpr u32 kTableBits = 9;
constexpr u32 kTableLevels = 4;

/// Bytes mapped by one entry of a level: 4 KiB, 2 MiB, 1 GiB, 512 GiB.
constexpr u64 bytes_of_level(u32 level) { return u64{1} << (kPageBits + kTableBits * level); }

/// The pages that `range` touches.
inline Range pages_of(Range range) {
  const u64 start = base::align_down(range.base, kPageBytes);
  return {start, base::align_up(range.base + range.bytes, kPageBytes) - start};
}

template <class Format>
class PageTable {
 public:
  explicit PageTable(u64 root) : root_(root) {}

  /// The entry of `level` for `vaddr`; the tables above it are made. Null: no page left for one.
  u64* entry_at(u64 vaddr, u32 level) {
    u64 table = root_;
    for (u32 at = kTableLevels - 1; at > level; --at) {
      u64& entry = entry_of(table, vaddr, at);
      if (!Format::is_valid(entry)) {
        const u64 page = page_take();
        if (page == 0) return nullptr;
        entry = Format::table(page);
      }
      ASSERT(Format::is_table(entry));
      table = Format::address(entry);
    }
    return &entry_of(table, vaddr, level);
  }

  /// The entry of the first page that is mapped in [vaddr, end), `vaddr` then being its address; null: there is none.
  u64* next_page(u64& vaddr, u64 end) const {
    while (vaddr < end) {
      u64 table = root_;
      u32 level = kTableLevels - 1;
      for (; level > 0; --level) {
        const u64 entry = entry_of(table, vaddr, level);
        if (!Format::is_valid(entry)) break;
        ASSERT(Format::is_table(entry));
        table = Format::address(entry);
      }
      const u64 span = bytes_of_level(level == 0 ? 1 : level);  // of the last table, or of the entry that is missing
      const u64 span_end = base::align_down(vaddr, span) + span;
      if (level > 0) {
        vaddr = span_end;
        continue;
      }
      for (const u64 stop = span_end < end ? span_end : end; vaddr < stop; vaddr += kPageBytes) {
        u64& entry = entry_of(table, vaddr, 0);
        if (Format::is_valid(entry)) return &entry;
      }
    }
    return nullptr;
  }

  /// Maps [range) where it lies, in the largest steps that fit; `leaf(physical, level)` makes the entries. `range` is whole
  /// pages and nothing of it is mapped yet.
  template <class Leaf>
  void map_in_place(Range range, Leaf leaf) {
    const u64 end = range.base + range.bytes;
    for (u64 at = range.base; at < end;) {
      u32 level = 2;
      while (level > 0 && (at % bytes_of_level(level) != 0 || end - at < bytes_of_level(level))) level -= 1;
      u64* entry = entry_at(at, level);
      ASSERT(entry != nullptr && !Format::is_valid(*entry));
      *entry = leaf(at, level);
      at += bytes_of_level(level);
    }
  }

  /// Maps every page that `window` touches where it lies, by `entry`'s attributes; windows may share pages.
  template <class Leaf>
  void map_device(Range window, Leaf leaf) {
    const Range pages = pages_of(window);
    for (u64 at = pages.base; at < pages.base + pages.bytes; at += kPageBytes) {
      u64* entry = entry_at(at, 0);
      ASSERT(entry != nullptr);
      *entry = leaf(at);
    }
  }

 private:
  static u64& entry_of(u64 table, u64 vaddr, u32 level) {
    const u64 index = (vaddr >> (kPageBits + kTableBits * level)) % (u64{1} << kTableBits);
    return reinterpret_cast<u64*>(table)[index];
  }

  u64 root_;
};

}  // namespace boot
