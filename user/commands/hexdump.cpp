// user/commands/hexdump.cpp — hexdump: bytes in hexadecimal and as text.
#include "user/commands/operands.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u64 kRowBytes = 16;

/// All operands as one stream of rows: `row(offset, bytes)` for each, a run of equal ones told once by `same()`.
struct RowReader {
  Tool& tool;
  u64 skip = 0;
  u64 limit = ~u64{0};
  bool all = false;  // rows that repeat too

  template <class Row, class Same>
  u64 run(std::span<const std::string_view> names, Row row, Same same) {
    u8 now[kRowBytes];
    u8 before[kRowBytes];
    u64 held = 0;
    u64 offset = skip;
    u64 left_to_skip = skip;
    bool has_before = false;
    bool told = false;
    const auto emit = [&] {
      const bool equal = !all && has_before && held == kRowBytes && __builtin_memcmp(now, before, kRowBytes) == 0;
      if (equal) {
        if (!told) same();
        told = true;
      } else {
        row(offset, base::Bytes(now, held));
        told = false;
      }
      __builtin_memcpy(before, now, held);
      has_before = held == kRowBytes;
      offset += held;
      held = 0;
    };
    Operands files(tool, names);
    while (limit > 0 && files.next()) {
      u8 block[4096];
      for (;;) {
        const auto got = tool.process().read(files.fd(), block);
        if (!got.ok()) tool.error(files.name(), got.error());
        if (!got.ok() || *got == 0 || tool.out().failed()) break;
        tool.process().work(*got);
        base::Bytes bytes{block, *got};
        const u64 skipped = std::min<u64>(left_to_skip, bytes.size());
        left_to_skip -= skipped;
        bytes = bytes.subspan(skipped);
        bytes = bytes.first(std::min<u64>(bytes.size(), limit));
        limit -= bytes.size();
        for (const u8 byte : bytes) {
          now[held++] = byte;
          if (held == kRowBytes) emit();
        }
        if (limit == 0) break;
      }
    }
    if (held > 0) emit();
    return offset;
  }
};

}  // namespace

i32 hexdump_main(Process& process) {
  Tool tool(process,
            "usage: hexdump [-C] [-v] [-n N] [-s OFFSET] [FILE…]\n  -C  this form, the only one\n"
            "  -v  rows that repeat too\n  -n  N bytes\n  -s  from OFFSET on");
  RowReader reader{tool};
  Options options(tool, "Cvn:s:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    if (option == 'v') reader.all = true;
    if (option != 'n' && option != 's') continue;
    const auto value = options.value().starts_with("0x") ? base::parse_u64(options.value().substr(2), 16)
                                                         : base::parse_size(options.value());
    if (!value.ok()) return tool.bad_use("bad number: {}", options.value());
    (option == 'n' ? reader.limit : reader.skip) = *value;
  }
  const auto row = [&](u64 offset, base::Bytes bytes) {
    base::String line(tool.heap());
    line.append_format("{:08x} ", offset);
    for (u64 i = 0; i < kRowBytes; ++i) {
      if (i % 8 == 0) line.push(' ');
      if (i < bytes.size()) {
        line.append_format("{:02x} ", bytes[i]);
      } else {
        line.append("   ");
      }
    }
    line.append(" |");
    for (const u8 byte : bytes) line.push(byte >= ' ' && byte < 0x7F ? static_cast<char>(byte) : '.');
    line.append("|\n");
    tool.out().text(line);
  };
  const u64 end = reader.run(options.operands(), row, [&] { tool.out().text("*\n"); });
  if (end > 0) tool.out().format("{:08x}\n", end);
  return tool.finish();
}

}  // namespace user
