// user/commands/compare.cpp — cmp and comm: how two files differ, byte by byte and line by line (POSIX.1-2017 XCU).
#include "user/commands/operands.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr i32 kDiffer = 1;
constexpr i32 kTrouble = 2;

/// Opens an operand, `-` being standard input. Told when it cannot be.
Result<Fd> open_operand(Tool& tool, std::string_view name) {
  if (name == "-") return tool.streams().in;
  auto opened = tool.process().open(name, schema::file::kOpenRead);
  if (!opened.ok()) tool.error(name, opened.error());
  return opened;
}

/// Bytes of a descriptor, one at a time; −1 at the end.
class Bytes {
 public:
  Bytes(Process& process, Fd fd) : process_(process), fd_(fd) {}
  Result<i32> next() {
    if (at_ == size_) {
      size_ = TRY(process_.read(fd_, block_));
      at_ = 0;
      process_.work(size_ / 8 + 1);
      if (size_ == 0) return -1;
    }
    return i32{block_[at_++]};
  }

 private:
  Process& process_;
  Fd fd_;
  u64 at_ = 0;
  u64 size_ = 0;
  u8 block_[4096];
};

}  // namespace

i32 cmp_main(Process& process) {
  Tool tool(process,
            "usage: cmp [-ls] FILE [FILE]\n  -l  every byte that differs: its number, and both, in octal\n"
            "  -s  only the status");
  bool silent = false;
  bool all = false;
  Options options(tool, "ls");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    (option == 's' ? silent : all) = true;
  }
  const auto operands = options.operands();
  if (operands.empty()) return tool.bad_use("missing operand");
  if (operands.size() > 2) return tool.bad_use("extra operand: {}", operands[2]);
  const std::string_view names[] = {operands[0], operands.size() == 2 ? operands[1] : std::string_view("-")};
  const auto first = open_operand(tool, names[0]);
  const auto second = open_operand(tool, names[1]);
  if (!first.ok() || !second.ok()) return kTrouble;
  Bytes a(process, *first);
  Bytes b(process, *second);
  u64 lines = 1;
  bool differ = false;
  for (u64 number = 1;; ++number) {
    const auto x = a.next();
    const auto y = b.next();
    if (!x.ok() || !y.ok()) {
      tool.error(names[x.ok() ? 1 : 0], x.ok() ? y.error() : x.error());
      return kTrouble;
    }
    if (*x < 0 && *y < 0) break;
    if (*x < 0 || *y < 0) {
      if (!silent) tool.complain("EOF on {} after byte {}, in line {}", names[*x < 0 ? 0 : 1], number - 1, lines);
      differ = true;
      break;
    }
    if (*x != *y) {
      differ = true;
      if (all) {
        tool.out().format("{} {}{}{} {}{}{}\n", number, *x >> 6, *x >> 3 & 7, *x & 7, *y >> 6, *y >> 3 & 7, *y & 7);
        continue;
      }
      if (!silent) tool.out().format("{} {} differ: char {}, line {}\n", names[0], names[1], number, lines);
      break;
    }
    lines += *x == '\n' ? 1 : 0;
  }
  tool.set_status(differ ? kDiffer : 0);
  return tool.finish();
}

i32 comm_main(Process& process) {
  Tool tool(process,
            "usage: comm [-123] FILE FILE\n  -1  without the lines only the first has\n"
            "  -2  without those only the second has\n  -3  without those that both have");
  bool shown[3] = {true, true, true};
  Options options(tool, "123");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    shown[option - '1'] = false;
  }
  const auto operands = options.operands();
  if (operands.size() < 2) return tool.bad_use("missing operand");
  if (operands.size() > 2) return tool.bad_use("extra operand: {}", operands[2]);
  const auto first = open_operand(tool, operands[0]);
  const auto second = open_operand(tool, operands[1]);
  if (!first.ok() || !second.ok()) return tool.finish();
  Input inputs[] = {Input(process, *first), Input(process, *second)};
  base::String lines[] = {base::String(process.heap()), base::String(process.heap())};
  bool more[2];
  const auto advance = [&](u32 which) {
    const auto got = inputs[which].next(lines[which]);
    if (!got.ok()) tool.error(operands[which], got.error());
    more[which] = got.ok() && *got;
  };
  const auto print = [&](u32 column, std::string_view line) {
    if (!shown[column]) return;
    for (u32 i = 0; i < column; ++i) {
      if (shown[i]) tool.out().character('\t');
    }
    tool.out().format("{}\n", line);
  };
  advance(0);
  advance(1);
  while ((more[0] || more[1]) && !tool.out().failed()) {
    const int order = !more[0] ? 1 : !more[1] ? -1 : lines[0].compare(lines[1]);
    print(order < 0 ? 0 : order > 0 ? 1 : 2, lines[order <= 0 ? 0 : 1]);
    if (order <= 0) advance(0);
    if (order >= 0) advance(1);
  }
  return tool.finish();
}

}  // namespace user
