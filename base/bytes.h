// base/bytes.h — unaligned loads and stores with a named byte order. Wire and disk formats go through these; there
// are no struct casts and no bit-fields anywhere.
#pragma once
#include <bit>
#include <cstring>

#include "base/assert.h"
#include "base/types.h"

namespace base {

static_assert(std::endian::native == std::endian::little, "all four machines are little-endian");

template <class T>
T load_le(const u8* at) {
  T value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}
template <class T>
void store_le(u8* at, T value) {
  __builtin_memcpy(at, &value, sizeof value);
}

inline u16 load_le16(const u8* at) { return load_le<u16>(at); }
inline u32 load_le32(const u8* at) { return load_le<u32>(at); }
inline u64 load_le64(const u8* at) { return load_le<u64>(at); }
inline void store_le16(u8* at, u16 value) { store_le(at, value); }
inline void store_le32(u8* at, u32 value) { store_le(at, value); }
inline void store_le64(u8* at, u64 value) { store_le(at, value); }

inline u16 load_be16(const u8* at) { return __builtin_bswap16(load_le16(at)); }
inline u32 load_be32(const u8* at) { return __builtin_bswap32(load_le32(at)); }
inline u64 load_be64(const u8* at) { return __builtin_bswap64(load_le64(at)); }
inline void store_be16(u8* at, u16 value) { store_le16(at, __builtin_bswap16(value)); }
inline void store_be32(u8* at, u32 value) { store_le32(at, __builtin_bswap32(value)); }
inline void store_be64(u8* at, u64 value) { store_le64(at, __builtin_bswap64(value)); }

/// The smallest multiple of `alignment` (a power of two) that is ≥ value. The caller rules out overflow.
constexpr u64 align_up(u64 value, u64 alignment) { return (value + alignment - 1) & ~(alignment - 1); }
constexpr u64 align_down(u64 value, u64 alignment) { return value & ~(alignment - 1); }
constexpr bool is_aligned(u64 value, u64 alignment) { return (value & (alignment - 1)) == 0; }

}  // namespace base
