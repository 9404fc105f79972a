// sim/host/stacks.cpp — stacks of native threads: slots of one reservation per size, each with a guard page below.
//
// A hundred thousand idle threads must fit, and Linux bounds mappings (vm.max_map_count, 65 530 by default). Guard
// pages made by mprotect cost two mappings each, so the guard is a marker in the page tables where the kernel offers one
// (MADV_GUARD_INSTALL, Linux 6.13), which costs none. Elsewhere the first kProtectedMax stacks get a real guard page, and
// those beyond have only the gap: an overflow there reaches the neighbour's lowest page unnoticed.
#include <sys/mman.h>

#include <cstring>
#include <vector>

#include "kernel-model/machine.h"
#include "sim/host/machine.h"
#include "sim/host/shuffle.h"

namespace sim::host {
namespace {

constexpr int kMadvGuardInstall = 102;  // <linux/mman.h> of Linux 6.13
constexpr u64 kGuardBytes = 4096;
constexpr u64 kReservationBytes = u64{1} << 38;  // 256 GiB of addresses for each size; pages come when touched
constexpr u32 kProtectedMax = 20'000;            // two mappings each stay well below vm.max_map_count
constexpr u32 kWarmMax = 256;                    // released stacks of a size that keep their pages
constexpr u64 kSmallestBytes = u64{16} << 10;
constexpr u32 kSizeCount = 10;  // 16 KiB … 8 MiB

struct SizeClass {
  u8* base = nullptr;
  u64 used = 0;           // slots ever handed out
  std::vector<u32> warm;  // free slots that keep their pages
  std::vector<u32> cold;
};

SizeClass size_classes[kSizeCount];
u32 protected_count = 0;
bool markers_work = true;

u32 class_of(u64 bytes) {
  u32 index = 0;
  while (kSmallestBytes << index < bytes) ++index;
  return index;
}

u64 stack_bytes(u32 size_class) { return kSmallestBytes << size_class; }
u64 slot_bytes(u32 size_class) { return stack_bytes(size_class) + kGuardBytes; }

void install_guard(u8* at) {
  if (markers_work) {
    if (madvise(at, kGuardBytes, kMadvGuardInstall) == 0) return;
    markers_work = false;
  }
  if (protected_count >= kProtectedMax) return;
  if (mprotect(at, kGuardBytes, PROT_NONE) == 0) protected_count += 1;
}

}  // namespace

StackUse stack_use(const void* address) {
  const u8* at = static_cast<const u8*>(address);
  for (u32 i = 0; i < kSizeCount; ++i) {
    const SizeClass& size_class = size_classes[i];
    if (size_class.base == nullptr || at < size_class.base) continue;
    const u64 offset = static_cast<u64>(at - size_class.base);
    if (offset >= size_class.used * slot_bytes(i)) continue;
    return offset % slot_bytes(i) < kGuardBytes ? StackUse::Guard : StackUse::Stack;
  }
  return StackUse::None;
}

}  // namespace sim::host

namespace machine {

using namespace sim::host;

Stack stack_acquire(u64 bytes) {
  const u32 index = class_of(bytes);
  if (index >= kSizeCount) return {};
  SizeClass& size_class = size_classes[index];
  if (size_class.base == nullptr) {
    void* region =
        mmap(nullptr, kReservationBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) return {};
    madvise(region, kReservationBytes, MADV_NOHUGEPAGE);  // a touched stack should cost pages, not 2 MiB
    size_class.base = static_cast<u8*>(region);
  }
  if (shuffle().on && size_class.warm.empty() && size_class.cold.empty()) {
    constexpr u32 kShuffled = 8;
    for (u32 i = 0; i < kShuffled && (size_class.used + 1) * slot_bytes(index) <= kReservationBytes; ++i) {
      install_guard(size_class.base + size_class.used * slot_bytes(index));
      const u64 place = shuffle().below(size_class.cold.size() + 1);
      size_class.cold.insert(size_class.cold.begin() + static_cast<std::ptrdiff_t>(place),
                             static_cast<u32>(size_class.used));
      size_class.used += 1;
    }
  }
  u64 slot = 0;
  if (!size_class.warm.empty()) {
    slot = size_class.warm.back();
    size_class.warm.pop_back();
  } else if (!size_class.cold.empty()) {
    slot = size_class.cold.back();
    size_class.cold.pop_back();
  } else {
    slot = size_class.used;
    if ((slot + 1) * slot_bytes(index) > kReservationBytes) return {};
    size_class.used += 1;
    install_guard(size_class.base + slot * slot_bytes(index));
  }
  u8* base = size_class.base + slot * slot_bytes(index) + kGuardBytes;
  forget_stack_shadow(base, stack_bytes(index));
  if (poison().on) std::memset(base, poison().fill, stack_bytes(index));
  return {base, stack_bytes(index)};
}

void stack_release(Stack stack) {
  const u32 index = class_of(stack.bytes);
  SizeClass& size_class = size_classes[index];
  const u32 slot = static_cast<u32>(static_cast<u64>(stack.base - size_class.base) / slot_bytes(index));
  if (size_class.warm.size() < kWarmMax) {
    size_class.warm.push_back(slot);
    return;
  }
  madvise(stack.base, stack.bytes, MADV_DONTNEED);
  size_class.cold.push_back(slot);
}

}  // namespace machine
