// sim/host/arenas.cpp — memory of native processes: slots of one address reservation, committed and returned by pages.
#include <sys/mman.h>

#include <vector>

#include "kernel-model/machine.h"
#include "sim/host/machine.h"
#include "sim/host/shuffle.h"

namespace sim::host {
namespace {

constexpr u64 kArenasMax = 16'384;  // 16 TiB of addresses; at most three mappings each stay below vm.max_map_count
u8* arenas_base = nullptr;
u64 arenas_used = 0;
std::vector<u32> arenas_free;

}  // namespace

bool in_arenas(const void* address) {
  const u8* at = static_cast<const u8*>(address);
  return arenas_base != nullptr && at >= arenas_base && at < arenas_base + arenas_used * machine::kArenaBytesMax;
}

bool& large_pages() {
  static bool wanted = false;
  return wanted;
}

u8* map_pages(u64 bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<u8*>(memory);
}

u8* map_memory(u64 bytes) {
  u8* memory = map_pages(bytes);
  if (memory != nullptr && large_pages())
    madvise(memory, bytes, MADV_HUGEPAGE);  // where the host has none, small ones serve
  return memory;
}

void unmap_memory(u8* base, u64 bytes) { munmap(base, bytes); }

Shuffle& shuffle() {
  static Shuffle settings;
  return settings;
}

Poison& poison() {
  static Poison settings;
  return settings;
}

}  // namespace sim::host

namespace machine {

using namespace sim::host;

u8* arena_reserve(u64 bytes) {
  if (bytes > kArenaBytesMax) return nullptr;
  if (arenas_base == nullptr) {
    void* region =
        mmap(nullptr, kArenasMax * kArenaBytesMax, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) return nullptr;
    arenas_base = static_cast<u8*>(region);
  }
  if (shuffle().on && arenas_free.empty()) {
    constexpr u32 kShuffled = 8;
    for (u32 i = 0; i < kShuffled && arenas_used < kArenasMax; ++i, ++arenas_used) {
      const u64 place = shuffle().below(arenas_free.size() + 1);
      arenas_free.insert(arenas_free.begin() + static_cast<std::ptrdiff_t>(place), static_cast<u32>(arenas_used));
    }
  }
  u64 slot = arenas_used;
  if (!arenas_free.empty()) {
    slot = arenas_free.back();
    arenas_free.pop_back();
  } else {
    if (arenas_used == kArenasMax) return nullptr;
    arenas_used += 1;
  }
  return arenas_base + slot * kArenaBytesMax;
}

bool arena_commit(u8* at, u64 bytes) { return mprotect(at, bytes, PROT_READ | PROT_WRITE) == 0; }

void arena_decommit(u8* at, u64 bytes) {
  madvise(at, bytes, MADV_DONTNEED);  // the pages read as zero when they come back
  mprotect(at, bytes, PROT_NONE);
}

void arena_release(u8* base, u64 bytes) {
  arena_decommit(base, bytes);
  arenas_free.push_back(static_cast<u32>(static_cast<u64>(base - arenas_base) / kArenaBytesMax));
}

}  // namespace machine
