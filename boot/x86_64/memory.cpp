// boot/x86_64/memory.cpp — page tables of four levels (Intel SDM vol. 3, §4.5). Memory below the end of RAM, and the first
// 4 GiB in any case, where the devices are, is mapped as it lies in pages of 2 MiB; the part with the image in pages of
// 4 KiB, so that code is not writable, data not executable, and page 0 not there.
#include "base/bytes.h"
#include "boot/arch.h"
#include "boot/shared/page_table.h"
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

constinit u64 root = 0;

struct LongMode {
  static u64 table(u64 page) { return page | kPresent | kWritable; }
  static bool is_valid(u64 entry) { return (entry & kPresent) != 0; }
  static bool is_table(u64 entry) { return (entry & kLarge) == 0; }
  static u64 address(u64 entry) { return entry & kAddressMask; }
};

/// `level` 0: a page of 4 KiB; 1: of 2 MiB.
void map(u64 vaddr, u64 entry, u32 level) {
  u64* at = PageTable<LongMode>(root).entry_at(vaddr, level);
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
  for (u64 at = kPageBytes; at < small_end; at += kPageBytes) map(at, at | kPresent | rights_of(at), 0);
  for (u64 at = small_end; at < end; at += kLargeBytes) map(at, at | kPresent | kWritable | kLarge | kNoExecute, 1);
  asm volatile("mov %0, %%cr3" : : "r"(root) : "memory");
  x86_64::traps_start();
}

bool arch::map_page(u64 vaddr, u64 page) {
  u64* entry = PageTable<LongMode>(root).entry_at(vaddr, 0);
  if (entry == nullptr) return false;
  ASSERT(*entry == 0);
  *entry = page | kPresent | kWritable | kNoExecute;
  return true;
}

u64 arch::unmap_next(u64& vaddr, u64 end) {
  u64* entry = PageTable<LongMode>(root).next_page(vaddr, end);
  if (entry == nullptr) return 0;
  const u64 page = LongMode::address(*entry);
  *entry = 0;
  asm volatile("invlpg (%0)" : : "r"(vaddr) : "memory");
  vaddr += kPageBytes;
  return page;
}

}  // namespace boot
