// boot/aarch64/mmu.cpp — page tables: 4 KiB granule, 48-bit addresses, TTBR0. Source: Arm ARM D8.2, D8.3.
#include "boot/aarch64/machine.h"
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
constexpr u64 kTableOrPage = 1 << 1;
constexpr u64 kAddressMask = ((u64{1} << 48) - 1) & ~(kPageBytes - 1);
constexpr u64 kReadOnly = u64{1} << 7;
constexpr u64 kUsed = u64{1} << 10;  // the access flag
constexpr u64 kInnerShareable = u64{3} << 8;
constexpr u64 kNeverExecute = (u64{1} << 53) | (u64{1} << 54);  // at EL1, at EL0
constexpr u64 kNormalIndex = 0;
constexpr u64 kDeviceIndex = u64{1} << 2;
constexpr u64 kAttributes = 0x04FF;  // MAIR: 0 normal, write-back; 1 device nGnRE

constexpr u64 kMemory = kNormalIndex | kInnerShareable | kNeverExecute;
constexpr u64 kText = kNormalIndex | kInnerShareable | kReadOnly;
constexpr u64 kConstants = kMemory | kReadOnly;
constexpr u64 kDevice = kDeviceIndex | kNeverExecute;

constexpr u64 kTcr = 16                                         // T0SZ: 48-bit addresses
                     | (1 << 8)                                 // IRGN0: write-back
                     | (1 << 10)                                // ORGN0: write-back
                     | (3 << 12)                                // SH0: inner shareable; TG0 = 0: 4 KiB
                     | (1 << 23);                               // EPD1: no walks by TTBR1
constexpr u64 kMmuAndCaches = (1 << 0) | (1 << 2) | (1 << 12);  // SCTLR: M, C, I
constexpr u64 kAlignmentCheck = 1 << 1;

struct Granule4K {
  static u64 table(u64 page) { return page | kValid | kTableOrPage; }
  static bool is_valid(u64 entry) { return (entry & kValid) != 0; }
  static bool is_table(u64 entry) { return (entry & kTableOrPage) != 0; }
  static u64 address(u64 entry) { return entry & kAddressMask; }
};

u64 leaf(u64 physical, u32 level, u64 attributes) {
  return physical | kValid | kUsed | attributes | (level == 0 ? kTableOrPage : 0);
}

u64 root = 0;  // physical page of the topmost table

void map(Range range, u64 attributes) {
  PageTable<Granule4K>(root).map_in_place(
      range, [attributes](u64 physical, u32 level) { return leaf(physical, level, attributes); });
}

void map_device(Range window) {
  if (window.base == 0) return;
  PageTable<Granule4K>(root).map_device(window, [](u64 physical) { return leaf(physical, 0, kDevice); });
}

Range between(const u8* start, const u8* end) {
  const u64 from = reinterpret_cast<std::uintptr_t>(start);
  return pages_of({from, reinterpret_cast<std::uintptr_t>(end) - from});
}

void enter(u64 table) {
  const u64 physical_range = BOOT_REGISTER_READ(id_aa64mmfr0_el1) & 0x7;
  asm volatile("dsb sy" : : : "memory");
  BOOT_REGISTER_WRITE(mair_el1, kAttributes);
  BOOT_REGISTER_WRITE(tcr_el1, kTcr | (physical_range << 32));
  BOOT_REGISTER_WRITE(ttbr0_el1, table);
  asm volatile("isb; tlbi vmalle1; dsb sy; isb" : : : "memory");
  BOOT_REGISTER_WRITE(sctlr_el1, (BOOT_REGISTER_READ(sctlr_el1) | kMmuAndCaches) & ~kAlignmentCheck);
  asm volatile("isb" : : : "memory");
}

constexpr u64 kTableEntries = u64{1} << kTableBits;
struct alignas(kPageBytes) FirstTables {
  u64 top[kTableEntries];
  u64 low[kTableEntries];
};
constinit FirstTables first{};

}  // namespace

void aarch64::mmu_first() {
  const u64 image = reinterpret_cast<std::uintptr_t>(boot_image_start);
  first.top[0] = Granule4K::table(reinterpret_cast<std::uintptr_t>(first.low));
  for (u64 i = 0; i < kTableEntries; ++i) {
    const u64 base = i * bytes_of_level(2);
    const bool is_memory = base >= base::align_down(image, bytes_of_level(2));  // devices lie below RAM, as on `virt`
    first.low[i] = leaf(base, 2, is_memory ? kNormalIndex | kInnerShareable : kDevice);
  }
  enter(reinterpret_cast<std::uintptr_t>(first.top));
}

void arch::mmu_start(const MachineInfo& info) {
  root = page_take();
  ASSERT(root != 0);
  for (u32 i = 0; i < info.ram_count; ++i) map(info.ram[i], kMemory);
  map(between(boot_image_start, boot_constants_start), kText);
  map(between(boot_constants_start, boot_data_start), kConstants);
  map(between(boot_data_start, boot_image_end), kMemory);
  using aarch64::hardware;
  for (const Range window : {hardware.serial, hardware.distributor, hardware.cpu_interface, hardware.redistributor})
    map_device(window);
  for (u32 i = 0; i < info.virtio_count; ++i) map_device({info.virtio[i].registers, info.virtio[i].bytes});
  enter(root);
}

bool arch::map_page(u64 vaddr, u64 page) {
  ASSERT(vaddr >= kWindowsBase && vaddr < kWindowsEnd);
  u64* entry = PageTable<Granule4K>(root).entry_at(vaddr, 0);
  if (entry == nullptr) return false;
  ASSERT(!Granule4K::is_valid(*entry));
  *entry = leaf(page, 0, kMemory);
  asm volatile("dsb ishst; isb" : : : "memory");  // an entry that was not valid is never cached, D8.13
  return true;
}

u64 arch::unmap_next(u64& vaddr, u64 end) {
  ASSERT(vaddr >= kWindowsBase && end <= kWindowsEnd);
  u64* entry = PageTable<Granule4K>(root).next_page(vaddr, end);
  if (entry == nullptr) return 0;
  const u64 page = Granule4K::address(*entry);
  *entry = 0;
  asm volatile("dsb ishst; tlbi vaae1is, %0; dsb ish; isb" : : "r"(vaddr >> kPageBits) : "memory");
  vaddr += kPageBytes;
  return page;
}

}  // namespace boot
