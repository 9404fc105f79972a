// base/types.h — the integer vocabulary of the core. Bytes are `u8`: plain `char` is signed on x86_64 and
// unsigned on riscv64 and aarch64.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

namespace base {

using Bytes = std::span<const u8>;
using MutableBytes = std::span<u8>;

/// A probability as a fraction, so that no float enters the core. `denominator` is never 0.
struct Ratio {
  u32 numerator = 0;
  u32 denominator = 1;
};

/// The bytes of a text, without a terminator.
inline Bytes bytes_of(std::string_view text) { return {reinterpret_cast<const u8*>(text.data()), text.size()}; }
/// A byte span seen as text; no encoding is checked.
inline std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace base
