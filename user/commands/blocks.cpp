// user/commands/blocks.cpp — dd, split, fold, base64: data cut into pieces (POSIX.1-2017 XCU; base64: RFC 4648).
#include "base/utf8.h"
#include "user/commands/operands.h"

#include "base/enforce.h"

namespace user {
namespace {

using schema::file::kOpenCreate;
using schema::file::kOpenRead;
using schema::file::kOpenTruncate;
using schema::file::kOpenWrite;

// ── dd ───────────────────────────────────────────────────────────────────────────────────────────────────────

struct Copy {
  std::string_view input;
  std::string_view output;
  u64 block_bytes = 512;
  u64 count = ~u64{0};
  u64 skip = 0;
  u64 seek = 0;
  bool keep = false;   // conv=notrunc
  bool pad = false;    // conv=sync
  bool go_on = false;  // conv=noerror
  bool lasts = false;  // conv=fsync
};

bool take_conversions(Tool& tool, std::string_view list, Copy& copy) {
  while (!list.empty()) {
    const u64 end = std::min<u64>(list.find(','), list.size());
    const std::string_view word = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    if (word == "notrunc") {
      copy.keep = true;
    } else if (word == "sync") {
      copy.pad = true;
    } else if (word == "noerror") {
      copy.go_on = true;
    } else if (word == "fsync") {
      copy.lasts = true;
    } else {
      tool.bad_use("unknown conversion: {}", word);
      return false;
    }
  }
  return true;
}

bool take_operands(Tool& tool, Copy& copy) {
  constexpr u64 kBlockBytesMax = 16 << 20;
  for (const std::string_view word : tool.args().subspan(1)) {
    const u64 equals = word.find('=');
    if (equals == std::string_view::npos) {
      tool.bad_use("unknown operand: {}", word);
      return false;
    }
    const std::string_view name = word.substr(0, equals);
    const std::string_view value = word.substr(equals + 1);
    if (name == "if") {
      copy.input = value;
    } else if (name == "of") {
      copy.output = value;
    } else if (name == "conv") {
      if (!take_conversions(tool, value, copy)) return false;
    } else if (name == "bs" || name == "count" || name == "skip" || name == "seek") {
      const auto number = base::parse_size(value);
      const bool is_block = name == "bs";
      if (!number.ok() || (is_block && (*number == 0 || *number > kBlockBytesMax))) {
        tool.bad_use("bad number: {}", value);
        return false;
      }
      (is_block ? copy.block_bytes : name == "count" ? copy.count : name == "skip" ? copy.skip : copy.seek) = *number;
    } else {
      tool.bad_use("unknown operand: {}", word);
      return false;
    }
  }
  return true;
}

}  // namespace

i32 dd_main(Process& process) {
  Tool tool(process,
            "usage: dd [if=FILE] [of=FILE] [bs=SIZE] [count=N] [skip=N] [seek=N] [conv=notrunc,sync,noerror,fsync]\n"
            "  skip, seek  blocks of the input, of the output, passed over\n"
            "  conv=fsync  at the end, waits until what was written survives a power cut");
  Copy copy;
  const auto words = tool.args();
  if (words.size() == 2 && words[1] == "--help") {
    tool.out().format("{}\n", tool.usage());
    return tool.finish();
  }
  if (!take_operands(tool, copy)) return kUsageStatus;
  Fd in = kStdin;
  Fd out = kStdout;
  if (!copy.input.empty()) {
    const auto opened = process.open(copy.input, kOpenRead);
    if (!opened.ok()) {
      tool.error(copy.input, opened.error());
      return tool.finish();
    }
    in = *opened;
  }
  const std::string_view in_name = copy.input.empty() ? std::string_view("-") : copy.input;
  const std::string_view out_name = copy.output.empty() ? std::string_view("-") : copy.output;
  if (!copy.output.empty()) {
    const bool cut = !copy.keep && copy.seek == 0;
    const auto opened =
        process.open(copy.output, static_cast<u16>(kOpenWrite | kOpenCreate | (cut ? kOpenTruncate : u16{0})));
    if (!opened.ok()) {
      tool.error(copy.output, opened.error());
      return tool.finish();
    }
    out = *opened;
    if (!copy.keep && copy.seek != 0) (void)process.truncate(out, copy.seek * copy.block_bytes).ok();
  }
  base::Vector<u8> block(process.heap());
  block.resize(copy.block_bytes);
  // What cannot seek is read.
  if (copy.skip != 0 && !process.seek(in, static_cast<i64>(copy.skip * copy.block_bytes), Whence::Current).ok()) {
    for (u64 i = 0; i < copy.skip; ++i) {
      const auto got = process.read(in, block.span());
      if (!got.ok() || *got == 0) break;
    }
  }
  if (copy.seek != 0) {
    const auto sought = process.seek(out, static_cast<i64>(copy.seek * copy.block_bytes), Whence::Start);
    if (!sought.ok()) {
      tool.error(out_name, sought.error());
      return tool.finish();
    }
  }
  u64 whole_in = 0, part_in = 0, whole_out = 0, part_out = 0, bytes = 0;
  const u64 start_ns = process.uptime_ns();
  for (u64 i = 0; i < copy.count; ++i) {
    // A read gives what is there; of a file that is all of the block but at its end.
    auto got = process.read(in, block.span());
    if (!got.ok()) {
      tool.error(in_name, got.error());
      if (!copy.go_on || !process.seek(in, static_cast<i64>(copy.block_bytes), Whence::Current).ok()) break;
      got = u64{0};
      if (!copy.pad) continue;
    } else if (*got == 0) {
      break;
    }
    (*got == copy.block_bytes ? whole_in : part_in) += 1;
    u64 size = *got;
    if (copy.pad && size < copy.block_bytes) {
      __builtin_memset(block.data() + size, 0, copy.block_bytes - size);
      size = copy.block_bytes;
    }
    const auto written = process.write(out, block.span().first(size));
    if (!written.ok()) {
      if (!(written.error() == ErrorCode::BrokenPipe)) tool.error(out_name, written.error());
      break;
    }
    (size == copy.block_bytes ? whole_out : part_out) += 1;
    bytes += size;
    process.work(size / 64 + 1);
  }
  if (copy.lasts) {
    const auto synced = process.sync(out);
    if (!synced.ok()) tool.error(out_name, synced.error());
  }
  const u64 elapsed_ms = (process.uptime_ns() - start_ns) / 1'000'000;
  Output err(process, kStderr);
  err.format("{}+{} records in\n{}+{} records out\n{} bytes copied, {}.{:03} s\n", whole_in, part_in, whole_out,
             part_out, bytes, elapsed_ms / 1000, elapsed_ms % 1000);
  err.flush();
  return tool.finish();
}

// ── split ────────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

/// PREFIXaa, PREFIXab … PREFIXzz.
class Pieces {
 public:
  Pieces(Tool& tool, std::string_view prefix) : tool_(tool), prefix_(prefix) {}
  ~Pieces() { close(); }
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

  bool begin() {
    constexpr u32 kLetters = 26;
    close();
    if (number_ == kLetters * kLetters) {
      tool_.complain("too many pieces");
      return false;
    }
    base::String name(tool_.heap(), prefix_);
    name.push(static_cast<char>('a' + number_ / kLetters));
    name.push(static_cast<char>('a' + number_ % kLetters));
    const auto opened = tool_.process().open(name, kOpenWrite | kOpenCreate | kOpenTruncate);
    if (!opened.ok()) {
      tool_.error(name, opened.error());
      return false;
    }
    number_ += 1;
    fd_ = *opened;
    open_ = true;
    return true;
  }
  bool write(std::string_view text) {
    const auto written = tool_.process().write(fd_, base::bytes_of(text));
    if (!written.ok()) tool_.error("write error", written.error());
    return written.ok();
  }
  bool is_open() const { return open_; }
  void close() {
    if (open_) (void)tool_.process().close(fd_).ok();
    open_ = false;
  }

 private:
  Tool& tool_;
  std::string_view prefix_;
  u32 number_ = 0;
  Fd fd_ = 0;
  bool open_ = false;
};

}  // namespace

i32 split_main(Process& process) {
  Tool tool(process,
            "usage: split [-l LINES | -b SIZE] [FILE [PREFIX]]\n  -l  lines of a piece (1000)\n  -b  bytes of a piece");
  u64 lines_max = 1000;
  u64 bytes_max = 0;
  Options options(tool, "l:b:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    const auto value = option == 'l' ? base::parse_u64(options.value()) : base::parse_size(options.value());
    if (!value.ok() || *value == 0) return tool.bad_use("bad number: {}", options.value());
    (option == 'l' ? lines_max : bytes_max) = *value;
  }
  const auto operands = options.operands();
  if (operands.size() > 2) return tool.bad_use("extra operand: {}", operands[2]);
  Pieces pieces(tool, operands.size() == 2 ? operands[1] : std::string_view("x"));
  Operands files(tool, operands.first(std::min<u64>(operands.size(), 1)));
  while (files.next()) {
    u64 left = 0;
    u8 block[4096];
    for (;;) {
      const auto got = process.read(files.fd(), block);
      if (!got.ok()) tool.error(files.name(), got.error());
      if (!got.ok() || *got == 0) break;
      process.work(*got / 8 + 1);
      std::string_view rest = base::text_of({block, *got});
      while (!rest.empty()) {
        if (left == 0) {
          if (!pieces.begin()) return tool.finish();
          left = bytes_max != 0 ? bytes_max : lines_max;
        }
        u64 size = std::min<u64>(rest.size(), left);
        if (bytes_max == 0) {
          const u64 end = rest.find('\n');
          size = end == std::string_view::npos ? rest.size() : end + 1;
          left -= end == std::string_view::npos ? 0 : 1;
        } else {
          left -= size;
        }
        if (!pieces.write(rest.substr(0, size))) return tool.finish();
        rest.remove_prefix(size);
      }
    }
  }
  return tool.finish();
}

// ── fold ─────────────────────────────────────────────────────────────────────────────────────────────────────

i32 fold_main(Process& process) {
  Tool tool(process,
            "usage: fold [-bs] [-w WIDTH] [FILE…]\n  -b  count bytes, not columns\n  -s  break at blanks\n"
            "  -w  columns of a line (80)");
  bool bytes = false;
  bool at_blanks = false;
  u64 width = 80;
  Options options(tool, "bsw:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'b': bytes = true; break;
      case 's': at_blanks = true; break;
      default: {
        const auto value = base::parse_u64(options.value());
        if (!value.ok() || *value == 0) return tool.bad_use("bad number: {}", options.value());
        width = *value;
      }
    }
  }
  constexpr u64 kTab = 8;
  for_each_line(tool, options.operands(), [&](const base::String& line) {
    std::string_view rest = line.view();
    process.work(rest.size() + 1);
    for (;;) {
      u64 column = 0;
      u64 at = 0;
      u64 blank = 0;  // behind the last blank that fits
      while (at < rest.size()) {
        const u64 length = bytes ? 1 : base::decode_utf8(rest.substr(at)).length;
        const char c = rest[at];
        u64 next = column + 1;
        if (!bytes && c == '\t') next = (column / kTab + 1) * kTab;
        if (!bytes && c == '\b') next = column == 0 ? 0 : column - 1;
        if (!bytes && c == '\r') next = 0;
        if (next > width && at > 0) break;
        column = next;
        at += length;
        if (c == ' ' || c == '\t') blank = at;
      }
      if (at == rest.size()) break;
      if (at_blanks && blank > 0) at = blank;
      tool.out().text(rest.substr(0, at));
      tool.out().character('\n');
      rest.remove_prefix(at);
    }
    tool.out().text(rest);
    tool.out().character('\n');
  });
  return tool.finish();
}

// ── base64 ───────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr u32 kColumns = 76;

void encode(Tool& tool, Fd fd, std::string_view name) {
  u8 block[4096];
  u32 bits = 0;
  u32 held = 0;  // bytes in `bits`
  u32 column = 0;
  const auto put = [&](u32 count) {
    for (u32 i = 0; i < 4; ++i) {
      tool.out().character(i <= count ? kDigits[bits >> (18 - 6 * i) & 63] : '=');
      column += 1;
      if (column == kColumns) {
        tool.out().character('\n');
        column = 0;
      }
    }
    bits = held = 0;
  };
  for (;;) {
    const auto got = tool.process().read(fd, block);
    if (!got.ok()) tool.error(name, got.error());
    if (!got.ok() || *got == 0) break;
    tool.process().work(*got / 2 + 1);
    for (const u8 byte : std::span<const u8>(block, *got)) {
      bits |= u32{byte} << (16 - 8 * held);
      held += 1;
      if (held == 3) put(3);
    }
  }
  if (held > 0) put(held);
  if (column > 0) tool.out().character('\n');
}

bool decode(Tool& tool, Fd fd, std::string_view name) {
  u8 block[4096];
  u32 bits = 0;
  u32 digits = 0;
  u32 padding = 0;
  for (;;) {
    const auto got = tool.process().read(fd, block);
    if (!got.ok()) tool.error(name, got.error());
    if (!got.ok() || *got == 0) break;
    tool.process().work(*got / 2 + 1);
    for (const char c : base::text_of({block, *got})) {
      if (c == '\n' || c == '\r') continue;
      const u64 digit = kDigits.find(c);
      const bool pad = c == '=' && digits + padding >= 2;
      if ((digit == std::string_view::npos && !pad) || (!pad && padding > 0)) return false;
      if (pad) {
        padding += 1;
      } else {
        bits = bits << 6 | static_cast<u32>(digit);
        digits += 1;
      }
      if (digits + padding < 4) continue;
      bits <<= 6 * padding;
      for (u32 i = 0; i + padding < 3; ++i) tool.out().character(static_cast<char>(bits >> (16 - 8 * i) & 0xFF));
      bits = digits = 0;
      if (padding > 2) return false;
    }
  }
  return digits == 0;
}

}  // namespace

i32 base64_main(Process& process) {
  Tool tool(process, "usage: base64 [-d] [FILE]\n  -d  back to bytes");
  bool back = false;
  Options options(tool, "d");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    back = true;
  }
  if (options.operands().size() > 1) return tool.bad_use("extra operand: {}", options.operands()[1]);
  Operands files(tool, options.operands());
  while (files.next()) {
    if (!back) {
      encode(tool, files.fd(), files.name());
    } else if (!decode(tool, files.fd(), files.name())) {
      tool.error(files.name(), ErrorCode::DataCorrupted);
    }
  }
  return tool.finish();
}

}  // namespace user
