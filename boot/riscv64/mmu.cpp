// boot/riscv64/mmu.cpp — page tables: Sv48. Source: RISC-V privileged architecture §4.3–4.5.
#include "boot/riscv64/machine.h"
#include "boot/shared/page_table.h"

#include "base/enforce.h"

extern "C" {
extern u8 boot_image_start[];
extern u8 boot_constants_start[];
extern u8 boot_data_start[];
extern u8 boot_image_end[];
}

namespace boot {
namespace {

constexpr u64 kValid = 1 << 0;
constexpr u64 kRead = 1 << 1;
constexpr u64 kWrite = 1 << 2;
constexpr u64 kExecute = 1 << 3;
constexpr u64 kGlobal = 1 << 5;
constexpr u64 kUsed = (1 << 6) | (1 << 7);  // accessed and dirty, so that no access has to set them
constexpr u64 kNumberShift = 10;            // of the physical page number
constexpr u64 kNumberMask = (u64{1} << 44) - 1;
constexpr u64 kModeSv48 = u64{9} << 60;  // satp

struct Sv48 {
  static u64 table(u64 page) { return ((page >> kPageBits) << kNumberShift) | kValid; }
  static bool is_valid(u64 entry) { return (entry & kValid) != 0; }
  static bool is_table(u64 entry) { return (entry & (kRead | kWrite | kExecute)) == 0; }
  static u64 address(u64 entry) { return ((entry >> kNumberShift) & kNumberMask) << kPageBits; }
};

u64 leaf(u64 physical, u64 rights) {
  return ((physical >> kPageBits) << kNumberShift) | kValid | kGlobal | kUsed | rights;
}

u64 root = 0;  // physical page of the topmost table

void map(Range range, u64 rights) {
  PageTable<Sv48>(root).map_in_place(range, [rights](u64 physical, u32) { return leaf(physical, rights); });
}

void map_device(Range window) {
  if (window.base == 0) return;
  PageTable<Sv48>(root).map_device(window, [](u64 physical) { return leaf(physical, kRead | kWrite); });
}

Range between(const u8* start, const u8* end) {
  const u64 from = reinterpret_cast<std::uintptr_t>(start);
  return pages_of({from, reinterpret_cast<std::uintptr_t>(end) - from});
}

}  // namespace

void arch::mmu_start(const MachineInfo& info) {
  root = page_take();
  ASSERT(root != 0);
  for (u32 i = 0; i < info.ram_count; ++i) map(info.ram[i], kRead | kWrite);
  map(between(boot_image_start, boot_constants_start), kRead | kExecute);
  map(between(boot_constants_start, boot_data_start), kRead);
  map(between(boot_data_start, boot_image_end), kRead | kWrite);
  using riscv64::hardware;
  for (const Range window : {hardware.serial, hardware.interrupt_controller, hardware.finisher}) map_device(window);
  for (u32 i = 0; i < info.virtio_count; ++i) map_device({info.virtio[i].registers, info.virtio[i].bytes});
  BOOT_CSR_WRITE(satp, kModeSv48 | (root >> kPageBits));
  asm volatile("sfence.vma" : : : "memory");
  ASSERT(BOOT_CSR_READ(satp) != 0);  // a write with a mode the hart does not have is ignored, §4.1.11
}

bool arch::map_page(u64 vaddr, u64 page) {
  ASSERT(vaddr >= kWindowsBase && vaddr < kWindowsEnd);
  u64* entry = PageTable<Sv48>(root).entry_at(vaddr, 0);
  if (entry == nullptr) return false;
  ASSERT(!Sv48::is_valid(*entry));
  *entry = leaf(page, kRead | kWrite);
  asm volatile("sfence.vma %0" : : "r"(vaddr) : "memory");  // an entry that was not valid may be cached, too: §4.2.1
  return true;
}

u64 arch::unmap_next(u64& vaddr, u64 end) {
  ASSERT(vaddr >= kWindowsBase && end <= kWindowsEnd);
  u64* entry = PageTable<Sv48>(root).next_page(vaddr, end);
  if (entry == nullptr) return 0;
  const u64 page = Sv48::address(*entry);
  *entry = 0;
  asm volatile("sfence.vma %0" : : "r"(vaddr) : "memory");
  vaddr += kPageBytes;
  return page;
}

}  // namespace boot
