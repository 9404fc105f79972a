// user/commands/xargs.cpp — xargs (POSIX.1-2017 XCU): arguments from the input.
#include "user/lib/run.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u64 kArgumentBytesMax = 64 << 10;  // half of what spawn takes, the environment has the rest
constexpr i32 kFailedStatus = 123;
constexpr i32 kStoppedStatus = 124;

class Builder {
 public:
  Builder(Tool& tool, std::span<const std::string_view> command)
      : tool_(tool), command_(command), items_(tool.heap()) {}

  u64 items_max = ~u64{0};
  std::string_view replace;  // -I
  bool tell = false;         // -t

  bool stopped() const { return stopped_; }
  bool ran() const { return ran_; }

  void add(const base::String& item) {
    if (!items_.empty() && (items_.size() >= items_max || bytes_ + item.size() > kArgumentBytesMax)) run();
    items_.push_back(item.clone());
    bytes_ += item.size() + 1;
    if (items_.size() >= items_max || !replace.empty()) run();
  }
  /// What is left. `once`: even without items.
  void finish(bool once) {
    if (!stopped_ && (!items_.empty() || (once && !ran_))) run();
  }

 private:
  base::String replaced(std::string_view word) const {
    base::String out(tool_.heap());
    for (;;) {
      const u64 at = word.find(replace);
      out.append(word.substr(0, std::min<u64>(at, word.size())));
      if (at == std::string_view::npos) return out;
      out.append(items_[0]);
      word.remove_prefix(at + replace.size());
    }
  }
  void run() {
    base::Vector<base::String> words(tool_.heap());
    for (const std::string_view word : command_) {
      words.push_back(replace.empty() ? base::String(tool_.heap(), word) : replaced(word));
    }
    for (u64 i = 0; replace.empty() && i < items_.size(); ++i) words.push_back(items_[i].clone());
    items_.clear();
    bytes_ = 0;
    if (stopped_) return;
    base::Vector<std::string_view> args(tool_.heap());
    for (const base::String& word : words) args.push_back(word.view());
    if (tell) {
      base::String line(tool_.heap());
      for (const std::string_view arg : args) {
        if (!line.empty()) line.push(' ');
        line.append(arg);
      }
      line.push('\n');
      (void)tool_.process().write(kStderr, base::bytes_of(line)).ok();
    }
    ran_ = true;
    WaitStatus end;
    const i32 status = run_command(tool_, {.args = args.span()}, &end);
    constexpr i32 kStopStatus = 255;
    if (end.pid == 0) {
      stopped_ = true;  // it could not be started: 126 or 127
      tool_.set_status(status);
    } else if (status == kStopStatus || end.note != 0) {
      stopped_ = true;
      tool_.set_status(kStoppedStatus);
    } else if (status != 0) {
      tool_.set_status(kFailedStatus);
    }
  }

  Tool& tool_;
  std::span<const std::string_view> command_;
  base::Vector<base::String> items_;
  u64 bytes_ = 0;
  bool stopped_ = false;
  bool ran_ = false;
};

/// Takes the next word off `line`: quotes and backslashes protect blanks. False: none is left, or (told) a quote is open.
bool take_item(Tool& tool, std::string_view& line, base::String& item, bool& bad) {
  item.clear();
  while (!line.empty() && (line[0] == ' ' || line[0] == '\t')) line.remove_prefix(1);
  if (line.empty()) return false;
  char quote = '\0';
  for (; !line.empty(); line.remove_prefix(1)) {
    const char c = line[0];
    if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else {
        item.push(c);
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '\\' && line.size() > 1) {
      line.remove_prefix(1);
      item.push(line[0]);
    } else if (c == ' ' || c == '\t') {
      break;
    } else {
      item.push(c);
    }
  }
  bad = quote != '\0';
  if (bad) tool.complain("missing closing {}", quote);
  return !bad;
}

}  // namespace

i32 xargs_main(Process& process) {
  Tool tool(
      process,
      "usage: xargs [-0rt] [-n N | -L N | -I TEXT] [COMMAND [ARGUMENT…]]\n  -0  items end in a NUL byte\n  -r  nothing "
      "without items\n  -t  show each command\n  -n  items a command\n  -L  lines a command\n  -I  a line in place of "
      "TEXT in the arguments");
  bool by_zero = false;
  bool none_without = false;
  bool tell = false;
  bool by_line = false;
  u64 items_max = ~u64{0};
  std::string_view replace;
  Options options(tool, "0rtn:L:I:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    const auto number = base::parse_u64(options.value());
    switch (option) {
      case Options::kBad: return options.bad_status();
      case '0': by_zero = true; break;
      case 'r': none_without = true; break;
      case 't': tell = true; break;
      case 'I': replace = options.value(); break;
      default:
        if (!number.ok() || *number == 0) return tool.bad_use("bad number: {}", options.value());
        items_max = *number;
        by_line = option == 'L';
        break;
    }
  }
  static constexpr std::string_view kEcho[] = {"echo"};
  Builder builder(tool, options.operands().empty() ? std::span<const std::string_view>(kEcho) : options.operands());
  builder.items_max = by_line ? ~u64{0} : items_max;
  builder.replace = replace;
  builder.tell = tell;
  Input input(process, kStdin);
  base::String line(process.heap());
  base::String item(process.heap());
  u64 lines = 0;
  while (!builder.stopped()) {
    const auto got = input.next(line, by_zero ? '\0' : '\n');
    if (!got.ok()) tool.error("-", got.error());
    if (!got.ok() || !*got) break;
    if (by_zero) {
      builder.add(line);
      continue;
    }
    std::string_view rest = line.view();
    if (!replace.empty()) {
      while (!rest.empty() && (rest[0] == ' ' || rest[0] == '\t')) rest.remove_prefix(1);
      if (rest.empty()) continue;
      base::String whole(process.heap(), rest);
      builder.add(whole);
      continue;
    }
    bool bad = false;
    while (!builder.stopped() && take_item(tool, rest, item, bad)) builder.add(item);
    if (bad) return tool.finish();
    if (line.empty()) continue;
    lines += 1;
    if (by_line && lines % items_max == 0) builder.finish(false);
  }
  builder.finish(!none_without && replace.empty());
  return tool.finish();
}

}  // namespace user
