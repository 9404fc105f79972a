// boot/x86_64/memory.cpp — page tables of four levels (Intel SDM vol. 3, §4.5). Memory below the end of RAM, and the first
// 4 GiB in any case, where the devices are, is mapped as it lies in pages of 2 MiB; the part with the image in pages of
// 4 KiB, so that code is not writable, data not executable, and page 0 not there.
#include "base/assert.h"
#include "base/bytes.h"
#include "boot/arch.h"
#include "boot/x86_64/machine.h"

#include "base/enforce.h"

extern "C" const u8 text_begin[];
extern "C" const u8 text_end[];
extern "C" const u8 rodata_end[];
extern "C" const u8 image_end[];

namespace boot {
namespace {

constexpr u64 kPresent = 1;
constexpr u64 kWritable = 2;
constexpr u64 kLarge = 0x80;
constexpr u64 kNoExecute = u64{1} << 63;
constexpr u64 kAddressMask = 0x000F'FFFF'FFFF'F000;
constexpr u64 kLargeBytes = u64{2} << 20;
constexpr u64 kLowBytes = u64{4} << 30;
constexpr u32 kLevels = 4;

constinit u64 root = 0;

u32 index_of(u64 vaddr, u32 level) { return static_cast<u32>(vaddr >> (12 + 9 * (level - 1)) & 511); }
u64* table_at(u64 address) { return reinterpret_cast<u64*>(address); }

/// The entry for `vaddr` in the table of `level` (1 the last); null: a table on the way is missing and cannot be made.
u64* entry_of(u64 vaddr, u32 level, bool make) {
  u64* table = table_at(root);
  for (u32 at = kLevels; at > level; --at) {
    u64& entry = table[index_of(vaddr, at)];
    if ((entry & kPresent) == 0) {
      if (!make) return nullptr;
      const u64 page = page_take();
      if (page == 0) return nullptr;
      entry = page | kPresent | kWritable;
    }
    ASSERT((entry & kLarge) == 0);
    table = table_at(entry & kAddressMask);
  }
  return &table[index_of(vaddr, level)];
}

void map(u64 vaddr, u64 entry, u32 level) {
  u64* at = entry_of(vaddr, level, true);
  ASSERT(at != nullptr);  // at start: RAM for tables was counted by nobody, but without it there is no machine
  *at = entry;
}

u64 rights_of(u64 address) {
  if (address >= reinterpret_cast<u64>(text_begin) && address < reinterpret_cast<u64>(text_end)) return 0;
  if (address >= reinterpret_cast<u64>(text_end) && address < reinterpret_cast<u64>(rodata_end)) return kNoExecute;
  return kWritable | kNoExecute;
}

}  // namespace

void arch::mmu_start(const MachineInfo& info) {
  root = page_take();
  ASSERT(root != 0);
  u64 end = kLowBytes;
  for (u32 i = 0; i < info.ram_count; ++i) {
    const u64 range_end = info.ram[i].base + info.ram[i].bytes;
    if (range_end > end) end = range_end;
  }
  const u64 small_end = base::align_up(reinterpret_cast<u64>(image_end), kLargeBytes);
  for (u64 at = kPageBytes; at < small_end; at += kPageBytes) map(at, at | kPresent | rights_of(at), 1);
  for (u64 at = small_end; at < end; at += kLargeBytes) map(at, at | kPresent | kWritable | kLarge | kNoExecute, 2);
  asm volatile("mov %0, %%cr3" : : "r"(root) : "memory");
  x86_64::traps_start();
}

bool arch::map_page(u64 vaddr, u64 page) {
  u64* entry = entry_of(vaddr, 1, true);
  if (entry == nullptr) return false;
  ASSERT(*entry == 0);
  *entry = page | kPresent | kWritable | kNoExecute;
  return true;
}

u64 arch::unmap_page(u64 vaddr) {
  u64* entry = entry_of(vaddr, 1, false);
  if (entry == nullptr || *entry == 0) return 0;
  const u64 page = *entry & kAddressMask;
  *entry = 0;
  asm volatile("invlpg (%0)" : : "r"(vaddr) : "memory");
  return page;
}

}  // namespace boot
