// replay/crc32c.cpp — a table of 256 entries; recordings are small.
#include "replay/crc32c.h"

namespace replay {
namespace {

struct Table {
  u32 entries[256];
};

constexpr Table make_table() {
  Table table = {};
  for (u32 i = 0; i < 256; ++i) {
    u32 value = i;
    for (u32 bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0x82F6'3B78u : 0u);
    table.entries[i] = value;
  }
  return table;
}
constexpr Table kTable = make_table();

}  // namespace

u32 crc32c(base::Bytes bytes, u32 crc) {
  u32 value = ~crc;
  for (const u8 byte : bytes) value = kTable.entries[(value ^ byte) & 0xFF] ^ value >> 8;
  return ~value;
}

}  // namespace replay
