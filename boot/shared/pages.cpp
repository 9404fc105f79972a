// boot/shared/pages.cpp — see pages.h. Free RAM is the ranges the machine was found with, used up from below by pages and
// from above by regions; pages that come back are kept in a list that runs through themselves.
#include "boot/shared/pages.h"

#include "base/assert.h"
#include "base/bytes.h"

#include "base/enforce.h"

namespace boot {
namespace {

constexpr u64 kRegionAlign = u64{2} << 20;

struct Pool {
  Range ranges[kRangesMax];
  u32 range_count = 0;
  u64 returned = 0;  // first page of the list; its first word is the next one
  u64 free_bytes = 0;
};
constinit Pool pool;

}  // namespace

// ── What a machine fills MachineInfo with ────────────────────────────────────────────────────────────────────

void ram_add(MachineInfo& info, u64 base, u64 bytes) {
  u64 begin = base::align_up(base, kPageBytes);
  const u64 end = base::align_down(base + bytes, kPageBytes);
  if (begin == 0) begin = kPageBytes;  // A3: page 0 is never mapped
  if (end <= begin) return;
  ASSERT(info.ram_count < kRangesMax);
  ASSERT(info.ram_count == 0 || info.ram[info.ram_count - 1].base + info.ram[info.ram_count - 1].bytes <= begin);
  info.ram[info.ram_count++] = {begin, end - begin};
}

void ram_cut(MachineInfo& info, u64 base, u64 bytes) {
  const u64 from = base::align_down(base, kPageBytes);
  const u64 to = base::align_up(base + bytes, kPageBytes);
  MachineInfo left = info;
  left.ram_count = 0;
  for (u32 i = 0; i < info.ram_count; ++i) {
    const u64 begin = info.ram[i].base;
    const u64 end = begin + info.ram[i].bytes;
    if (to <= begin || end <= from) {
      ram_add(left, begin, end - begin);
      continue;
    }
    if (begin < from) ram_add(left, begin, from - begin);
    if (to < end) ram_add(left, to, end - to);
  }
  info = left;
}

// ── The pool ─────────────────────────────────────────────────────────────────────────────────────────────────

void pages_start(const MachineInfo& info) {
  ASSERT(pool.range_count == 0 && info.ram_count > 0);
  for (u32 i = 0; i < info.ram_count; ++i) {
    pool.ranges[i] = info.ram[i];
    pool.free_bytes += info.ram[i].bytes;
  }
  pool.range_count = info.ram_count;
}

u64 pages_free_bytes() { return pool.free_bytes; }

u64 page_take() {
  u64 page = pool.returned;
  if (page != 0) {
    pool.returned = *reinterpret_cast<const u64*>(page);
  } else {
    for (u32 i = 0; i < pool.range_count && page == 0; ++i) {
      Range& range = pool.ranges[i];
      if (range.bytes == 0) continue;
      page = range.base;
      range.base += kPageBytes;
      range.bytes -= kPageBytes;
    }
    if (page == 0) return 0;
  }
  pool.free_bytes -= kPageBytes;
  __builtin_memset(reinterpret_cast<void*>(page), 0, kPageBytes);
  return page;
}

void page_return(u64 page) {
  ASSERT(page != 0 && base::is_aligned(page, kPageBytes));
  *reinterpret_cast<u64*>(page) = pool.returned;
  pool.returned = page;
  pool.free_bytes += kPageBytes;
}

u8* region_take(u64 bytes) {
  for (u32 i = pool.range_count; i > 0; --i) {
    Range& range = pool.ranges[i - 1];
    if (range.bytes < bytes) continue;
    const u64 at = base::align_down(range.base + range.bytes - bytes, kRegionAlign);
    if (at < range.base) continue;
    pool.free_bytes -= range.base + range.bytes - at;
    range.bytes = at - range.base;
    __builtin_memset(reinterpret_cast<void*>(at), 0, bytes);
    return reinterpret_cast<u8*>(at);
  }
  return nullptr;
}

}  // namespace boot
