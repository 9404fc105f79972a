// user/commands/lines.cpp — head, tail, wc, uniq, seq, cksum, tee, yes: text and bytes, a line or a block at a time.
#include "base/bytes.h"
#include "user/commands/operands.h"
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u64 kBlockBytes = 4096;

/// A count as head and tail take it: digits, with an optional sign.
struct Count {
  bool from_start = false;  // "+N": from that line or byte on
  bool bytes = false;
  u64 value = 10;
};
/// `-N` for `-n N`, as before POSIX.1-2001: the first argument only.
bool old_count(Tool& tool, Count& count) {
  if (tool.args().size() < 2 || tool.args()[1].size() < 2 || tool.args()[1][0] != '-') return false;
  const auto value = base::parse_u64(tool.args()[1].substr(1));
  if (value.ok()) count.value = *value;
  return value.ok();
}
bool parse_count(Tool& tool, std::string_view text, bool bytes, Count& count) {
  std::string_view digits = text;
  count.from_start = digits.starts_with("+");
  if (count.from_start || digits.starts_with("-")) digits.remove_prefix(1);
  const auto value = base::parse_size(digits);
  if (!value.ok()) {
    tool.bad_use("bad number: {}", text);
    return false;
  }
  count.bytes = bytes;
  count.value = *value;
  return true;
}

}  // namespace

// ── head ───────────────────────────────────────────────────────────────────────────────────────────────────────

i32 head_main(Process& process) {
  Tool tool(process,
            "usage: head [-q] [-n LINES | -c BYTES] [FILE…]\n  -n  lines to copy (10)\n  -c  bytes to copy\n  -q  no "
            "headers");
  Count count;
  bool quiet = false;
  Options options(tool, "n:c:q");
  if (old_count(tool, count)) options.skip();
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    if (option == 'q') quiet = true;
    if (option != 'q' && !parse_count(tool, options.value(), option == 'c', count)) return kUsageStatus;
  }
  Operands files(tool, options.operands());
  while (files.next()) {
    if (files.several() && !quiet) tool.out().format("{}==> {} <==\n", files.first() ? "" : "\n", files.name());
    u64 left = count.value;
    u8 block[kBlockBytes];
    while (left > 0) {
      // Lines are counted in what was read: a pipe's or console's other readers lose what stood behind them.
      const u64 wanted = count.bytes ? std::min<u64>(left, sizeof block) : sizeof block;
      const auto got = process.read(files.fd(), {block, wanted});
      if (!got.ok()) {
        tool.error(files.name(), got.error());
        break;
      }
      if (*got == 0) break;
      const std::string_view text = base::text_of({block, *got});
      u64 end = text.size();
      if (count.bytes) {
        left -= end;
      } else {
        for (u64 i = 0; i < text.size() && left > 0; ++i) {
          if (text[i] == '\n') left -= 1;
          if (left == 0) end = i + 1;
        }
        process.work(text.size() / 16 + 1);
      }
      tool.out().text(text.substr(0, end));
    }
    if (tool.out().failed()) break;
  }
  return tool.finish();
}

// ── tail ───────────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

/// Copies what is left of a file.
void copy_rest(Tool& tool, Fd fd, std::string_view name) {
  u8 block[kBlockBytes];
  for (;;) {
    const auto got = tool.process().read(fd, block);
    if (!got.ok()) return tool.error(name, got.error());
    if (*got == 0) return;
    tool.out().text(base::text_of({block, *got}));
  }
}

/// "+N": skips N − 1 lines or bytes and copies the rest.
void tail_from(Tool& tool, Fd fd, std::string_view name, const Count& count) {
  u64 skip = count.value == 0 ? 0 : count.value - 1;
  u8 block[kBlockBytes];
  while (skip > 0) {
    const auto got = tool.process().read(fd, block);
    if (!got.ok()) return tool.error(name, got.error());
    if (*got == 0) return;
    u64 at = 0;
    for (; at < *got && skip > 0; ++at) {
      if (count.bytes || block[at] == '\n') skip -= 1;
    }
    if (skip == 0) tool.out().text(base::text_of({block + at, *got - at}));
  }
  copy_rest(tool, fd, name);
}

/// The last N: keeps no more than those in memory.
void tail_last(Tool& tool, Fd fd, std::string_view name, const Count& count) {
  base::String kept(tool.heap());
  u64 lines = 0;  // complete ones in `kept`
  u8 block[kBlockBytes];
  for (;;) {
    const auto got = tool.process().read(fd, block);
    if (!got.ok()) return tool.error(name, got.error());
    if (*got == 0) break;
    const std::string_view text = base::text_of({block, *got});
    kept.append(text);
    tool.process().work(text.size() / 16 + 1);
    if (count.bytes) {
      if (kept.size() > 2 * count.value + kBlockBytes) kept.erase(0, kept.size() - count.value);
      continue;
    }
    for (const char c : text) lines += c == '\n' ? 1 : 0;
    if (lines <= 2 * count.value + kBlockBytes) continue;
    u64 at = 0;
    for (; lines > count.value + 1; ++at) lines -= kept[at] == '\n' ? 1 : 0;
    kept.erase(0, at);
  }
  u64 start = kept.size();
  if (count.bytes) {
    start = kept.size() - std::min(kept.size(), count.value);
  } else {
    u64 wanted = count.value;
    if (start > 0 && kept[start - 1] == '\n') start -= 1;  // the last line's own end
    while (start > 0) {
      if (kept[start - 1] == '\n') {
        wanted -= wanted > 0 ? 1 : 0;
        if (wanted == 0) break;
      }
      start -= 1;
    }
    if (count.value == 0) start = kept.size();
  }
  tool.out().text(kept.view().substr(start));
}

/// `-f`: what is appended is shown as it comes, a file that was cut is shown anew.
void follow(Tool& tool, Fd fd, std::string_view name) {
  constexpr u64 kPollNs = 250'000'000;
  u64 size = 0;
  for (;;) {
    tool.out().flush();
    if (tool.out().failed()) return;
    const auto slept = tool.process().sleep(kPollNs);
    if (!slept.ok()) return;
    const auto stat = tool.process().stat_fd(fd);
    if (!stat.ok()) return tool.error(name, stat.error());
    if (stat->size < size) (void)tool.process().seek(fd, 0, Whence::Start).ok();
    size = stat->size;
    copy_rest(tool, fd, name);
  }
}

}  // namespace

i32 tail_main(Process& process) {
  Tool tool(process,
            "usage: tail [-fq] [-n [+]LINES | -c [+]BYTES] [FILE…]\n  -n  last lines (10); +N: from line N on\n  -c  "
            "the same in "
            "bytes\n  -f  wait for more\n  -q  no headers");
  Count count;
  bool quiet = false;
  bool following = false;
  Options options(tool, "n:c:fq");
  if (old_count(tool, count)) options.skip();
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    if (option == 'q') quiet = true;
    if (option == 'f') following = true;
    if ((option == 'n' || option == 'c') && !parse_count(tool, options.value(), option == 'c', count))
      return kUsageStatus;
  }
  Operands files(tool, options.operands());
  while (files.next()) {
    if (files.several() && !quiet) tool.out().format("{}==> {} <==\n", files.first() ? "" : "\n", files.name());
    if (count.from_start) {
      tail_from(tool, files.fd(), files.name(), count);
    } else {
      tail_last(tool, files.fd(), files.name(), count);
    }
    if (following && files.last()) follow(tool, files.fd(), files.name());
  }
  return tool.finish();
}

// ── wc ─────────────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

/// Newlines, eight bytes at a time: a byte of x is zero where there was one, and then its high bit stays clear below.
u64 count_newlines(std::span<const u8> bytes) {
  constexpr u64 kOnes = 0x0101'0101'0101'0101;
  constexpr u64 kLow = 0x7F * kOnes;
  u64 count = 0;
  u64 at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    const u64 x = base::load_le64(bytes.data() + at) ^ '\n' * kOnes;
    const u64 not_zero = (((x & kLow) + kLow) | x) & ~kLow;
    // Eight flags of one bit each are summed into the top byte by the multiplication.
    count += 8 - ((not_zero >> 7) * kOnes >> 56);
  }
  for (; at < bytes.size(); ++at) count += bytes[at] == '\n' ? 1 : 0;
  return count;
}

}  // namespace

i32 wc_main(Process& process) {
  Tool tool(process, "usage: wc [-lwcm] [FILE…]\n  -l  lines\n  -w  words\n  -c  bytes\n  -m  characters");
  bool show_lines = false;
  bool show_words = false;
  bool show_bytes = false;
  bool show_characters = false;
  Options options(tool, "lwcm");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'l': show_lines = true; break;
      case 'w': show_words = true; break;
      case 'c': show_bytes = true; break;
      default: show_characters = true; break;
    }
  }
  if (!show_lines && !show_words && !show_bytes && !show_characters) show_lines = show_words = show_bytes = true;
  struct Counts {
    u64 lines = 0;
    u64 words = 0;
    u64 characters = 0;
    u64 bytes = 0;
  };
  const auto print = [&](const Counts& counts, std::string_view name) {
    const struct {
      bool shown;
      u64 value;
    } columns[] = {{show_lines, counts.lines},
                   {show_words, counts.words},
                   {show_characters, counts.characters},
                   {show_bytes, counts.bytes}};
    bool first = true;
    for (const auto& column : columns) {
      if (!column.shown) continue;
      tool.out().format("{}{}", first ? "" : " ", column.value);
      first = false;
    }
    if (!name.empty()) tool.out().format(" {}", name);
    tool.out().character('\n');
  };
  Counts total;
  Operands files(tool, options.operands());
  while (files.next()) {
    Counts counts;
    bool in_word = false;
    u8 block[kBlockBytes];
    for (;;) {
      const auto got = process.read(files.fd(), block);
      if (!got.ok()) {
        tool.error(files.name(), got.error());
        break;
      }
      if (*got == 0) break;
      counts.bytes += *got;
      process.work(*got / 8 + 1);
      const std::span<const u8> bytes(block, *got);
      if (!show_words && !show_characters) {
        if (show_lines) counts.lines += count_newlines(bytes);
        continue;
      }
      for (const u8 c : bytes) {
        counts.lines += c == '\n' ? 1 : 0;
        counts.characters += (c & 0xC0) != 0x80 ? 1 : 0;
        const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
        counts.words += !blank && !in_word ? 1 : 0;
        in_word = !blank;
      }
    }
    print(counts, files.is_standard_input() && !files.several() ? std::string_view() : files.name());
    total.lines += counts.lines;
    total.words += counts.words;
    total.characters += counts.characters;
    total.bytes += counts.bytes;
  }
  if (files.several()) print(total, "total");
  return tool.finish();
}

// ── uniq ───────────────────────────────────────────────────────────────────────────────────────────────────────

i32 uniq_main(Process& process) {
  Tool tool(process,
            "usage: uniq [-cdui] [FILE]\n  -c  count before each line\n  -d  only repeated lines\n  -u  only lines "
            "that are not "
            "repeated\n  -i  letters alike in both cases");
  bool counts = false;
  bool only_repeated = false;
  bool only_single = false;
  bool fold = false;
  Options options(tool, "cdui");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'c': counts = true; break;
      case 'd': only_repeated = true; break;
      case 'u': only_single = true; break;
      default: fold = true; break;
    }
  }
  if (options.operands().size() > 1) return tool.bad_use("extra operand: {}", options.operands()[1]);
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  const auto same = [&](std::string_view a, std::string_view b) {
    if (!fold) return a == b;
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
  };
  Operands files(tool, options.operands());
  while (files.next()) {
    Input input(process, files.fd());
    base::String held(process.heap());
    base::String line(process.heap());
    u64 times = 0;
    const auto print = [&] {
      if (times == 0 || (only_repeated && times == 1) || (only_single && times > 1)) return;
      if (counts) tool.out().format("{} ", times);
      tool.out().text(held);
      tool.out().character('\n');
    };
    for (;;) {
      const auto got = input.next(line);
      if (!got.ok()) tool.error(files.name(), got.error());
      if (!got.ok() || !*got) break;
      if (times > 0 && same(line, held)) {
        times += 1;
        continue;
      }
      print();
      held = line.clone();
      times = 1;
    }
    print();
  }
  return tool.finish();
}

// ── seq, yes ───────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

/// Numbers as decimal digits. The next one after another is found by counting up in place: most change one digit only.
class DecimalCounter {
 public:
  std::string_view show(u64 value) {
    if (value == shown_ + 1 && size_ != 0) {
      u64 at = sizeof digits_;
      while (at > sizeof digits_ - size_ && digits_[at - 1] == '9') digits_[--at] = '0';
      if (at == sizeof digits_ - size_) {
        size_ += 1;
        digits_[at - 1] = '1';
      } else {
        digits_[at - 1] += 1;
      }
    } else {
      size_ = 0;
      for (u64 rest = value; rest != 0 || size_ == 0; rest /= 10) {
        size_ += 1;
        digits_[sizeof digits_ - size_] = static_cast<char>('0' + rest % 10);
      }
    }
    shown_ = value;
    return {digits_ + sizeof digits_ - size_, size_};
  }

 private:
  u64 shown_ = 0;
  u64 size_ = 0;
  char digits_[20];  // of 2⁶⁴ − 1
};

}  // namespace

i32 seq_main(Process& process) {
  Tool tool(process,
            "usage: seq [-w] [-s SEPARATOR] [FIRST [STEP]] LAST\n  -w  equal width, padded with zeros\n  -s  between "
            "numbers (a newline)");
  bool equal_width = false;
  std::string_view separator = "\n";
  // A negative number is an operand, not an option.
  base::Vector<std::string_view> numbers(process.heap());
  const auto args = tool.args();
  for (u64 i = 1; i < args.size(); ++i) {
    const std::string_view word = args[i];
    if (word == "-w") {
      equal_width = true;
    } else if (word == "-s" || (word.starts_with("-s") && word.size() > 2)) {
      if (word.size() == 2 && i + 1 == args.size()) return tool.bad_use("missing value: -s");
      separator = word.size() > 2 ? word.substr(2) : args[++i];
    } else if (word == "--help") {
      tool.out().format("{}\n", tool.usage());
      return tool.finish();
    } else if (word.starts_with("-") && !base::parse_i64(word).ok() && word != "--") {
      return tool.bad_use("unknown option: {}", word);
    } else if (word != "--") {
      numbers.push_back(word);
    }
  }
  if (numbers.empty()) return tool.bad_use("missing operand");
  if (numbers.size() > 3) return tool.bad_use("extra operand: {}", numbers[3]);
  i64 values[3] = {1, 1, 1};
  for (u64 i = 0; i < numbers.size(); ++i) {
    const auto value = base::parse_i64(numbers[i]);
    if (!value.ok()) return tool.bad_use("bad number: {}", numbers[i]);
    values[i] = *value;
  }
  const i64 first = numbers.size() > 1 ? values[0] : 1;
  const i64 step = numbers.size() > 2 ? values[1] : 1;
  const i64 last = values[numbers.size() - 1];
  if (step == 0) return tool.bad_use("bad number: 0");
  char text[24];
  const u64 width = equal_width ? std::max(base::format(std::span<char>(text), "{}", first).size(),
                                           base::format(std::span<char>(text), "{}", last).size())
                                : 0;
  const auto past_last = [&](i64 value) { return step > 0 ? value > last : value < last; };
  base::String line(process.heap());
  DecimalCounter counter;
  for (i64 value = first; !past_last(value);) {
    const bool negative = value < 0;
    const u64 magnitude = negative ? 0 - static_cast<u64>(value) : static_cast<u64>(value);
    const std::string_view digits = counter.show(magnitude);
    line.clear();
    if (negative) line.push('-');
    for (u64 i = digits.size() + (negative ? 1 : 0); i < width; ++i) line.push('0');
    line.append(digits);
    const bool ends = __builtin_add_overflow(value, step, &value) || past_last(value);
    line.append(ends ? std::string_view("\n") : separator);
    tool.out().text(line);
    process.work(4);
    if (ends || tool.out().failed()) break;
  }
  return tool.finish();
}

i32 yes_main(Process& process) {
  Tool tool(process, "usage: yes [TEXT…]");
  base::String line(process.heap());
  for (const std::string_view word : tool.args().subspan(1)) {
    if (!line.empty()) line.push(' ');
    line.append(word);
  }
  if (tool.args().size() == 1) line.append("y");
  line.push('\n');
  while (!tool.out().failed()) {
    tool.out().text(line);
    process.work(1);
  }
  return tool.finish();
}

// ── cksum, tee ─────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

/// The CRC of POSIX.1-2017 `cksum`: polynomial 0x04C11DB7, most significant bit first, the length folded in at the end.
class PosixCrc {
 public:
  PosixCrc() {
    for (u32 i = 0; i < 256; ++i) {
      u32 value = i << 24;
      for (u32 bit = 0; bit < 8; ++bit) value = (value & 0x8000'0000) != 0 ? value << 1 ^ 0x04C1'1DB7 : value << 1;
      table_[i] = value;
    }
  }
  void byte(u8 value) { crc_ = crc_ << 8 ^ table_[(crc_ >> 24 ^ value) & 0xFF]; }
  u32 finish(u64 length) {
    for (; length != 0; length >>= 8) byte(static_cast<u8>(length));
    return ~crc_;
  }

 private:
  u32 crc_ = 0;
  u32 table_[256];
};

}  // namespace

i32 cksum_main(Process& process) {
  Tool tool(process, "usage: cksum [FILE…]");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  Operands files(tool, options.operands());
  while (files.next()) {
    PosixCrc crc;
    u64 length = 0;
    bool good = true;
    u8 block[kBlockBytes];
    for (;;) {
      const auto got = process.read(files.fd(), block);
      if (!got.ok()) {
        tool.error(files.name(), got.error());
        good = false;
      }
      if (!got.ok() || *got == 0) break;
      for (const u8 value : std::span<const u8>(block, *got)) crc.byte(value);
      length += *got;
      process.work(*got / 4 + 1);
    }
    if (!good) continue;
    tool.out().format("{} {}", crc.finish(length), length);
    if (!files.is_standard_input()) tool.out().format(" {}", files.name());
    tool.out().character('\n');
  }
  return tool.finish();
}

i32 tee_main(Process& process) {
  Tool tool(process, "usage: tee [-ai] [FILE…]\n  -a  append\n  -i  ignore interrupts");
  bool append = false;
  Options options(tool, "ai");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    if (option == 'a') append = true;
    if (option == 'i') (void)process.on_note(note_number("interrupt"), NoteAction::Ignore).ok();
  }
  struct Target {
    std::string_view name;
    Fd fd;
    bool good;
  };
  base::Vector<Target> targets(process.heap());
  targets.push_back({"-", kStdout, true});
  for (const std::string_view name : options.operands()) {
    const u16 flags = schema::file::kOpenWrite | schema::file::kOpenCreate |
                      (append ? schema::file::kOpenAppend : schema::file::kOpenTruncate);
    const auto opened = process.open(name, flags);
    if (opened.ok()) {
      targets.push_back({name, *opened, true});
    } else {
      tool.error(name, opened.error());
    }
  }
  u8 block[kBlockBytes];
  for (;;) {
    const auto got = process.read(kStdin, block);
    if (!got.ok()) tool.error("-", got.error());
    if (!got.ok() || *got == 0) break;
    for (Target& target : targets) {
      if (!target.good) continue;
      const auto written = process.write(target.fd, {block, *got});
      if (written.ok()) continue;
      target.good = false;
      tool.error(target.name, written.error());
    }
  }
  return tool.finish();
}

}  // namespace user
