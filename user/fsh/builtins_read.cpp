// user/fsh/builtins_read.cpp — read and getopts (POSIX.1-2017 XCU), read with -s, -p and -n.
#include "user/fsh/builtins_more.h"

#include "base/enforce.h"

namespace user::fsh {
namespace {

constexpr u64 kNever = ~u64{0};
constexpr i32 kTimedOutStatus = 142;  // 128 + alarm

struct ReadLine {
  base::String text;
  base::String escaped;  // 'e' where a backslash made the byte ordinary
  bool ended = false;    // by the end of the file
};

/// One line, a byte a time: what follows it belongs to whoever reads next.
Result<ReadLine> read_line(Shell& shell, Fd fd, bool raw, u64 bytes_max, u64 until_ns) {
  ReadLine line{base::String(shell.heap()), base::String(shell.heap())};
  bool escape = false;
  while (line.text.size() < bytes_max) {
    u8 byte = 0;
    if (until_ns != kNever) {
      const u64 now_ns = shell.process().uptime_ns();
      const bool ready = TRY(shell.process().wait_readable(fd, until_ns > now_ns ? until_ns - now_ns : 0));
      if (!ready) return fs::fail(ErrorCode::TimedOut);
    }
    const u64 count = TRY(shell.process().read(fd, {&byte, 1}));
    if (count == 0) {
      line.ended = true;
      break;
    }
    const char c = static_cast<char>(byte);
    if (escape) {
      escape = false;
      if (c != '\n') {
        line.text.push(c);
        line.escaped.push('e');
      }
      continue;
    }
    if (c == '\n') break;
    if (c == '\\' && !raw) {
      escape = true;
      continue;
    }
    if (c == '\0') continue;
    line.text.push(c);
    line.escaped.push(' ');
  }
  return line;
}

/// Cuts the line into fields for `names`; the last gets the rest, its outer separators trimmed.
void assign_fields(Shell& shell, const ReadLine& line, std::span<const std::string_view> names, Tool& tool) {
  const std::string_view set = shell.variable("IFS");
  const std::string_view ifs = set.data() == nullptr ? std::string_view(" \t\n") : set;
  const auto separates = [&](u64 i) {
    return line.escaped[i] != 'e' && ifs.find(line.text[i]) != std::string_view::npos;
  };
  const auto blank = [&](u64 i) {
    return separates(i) && (line.text[i] == ' ' || line.text[i] == '\t' || line.text[i] == '\n');
  };
  const u64 size = line.text.size();
  u64 at = 0;
  while (at < size && blank(at)) at += 1;
  for (u64 n = 0; n < names.size(); ++n) {
    u64 end = at;
    if (n + 1 < names.size()) {
      while (end < size && !separates(end)) end += 1;
    } else {
      end = size;
      while (end > at && blank(end - 1)) end -= 1;
      // A lone separator behind the last field ends it and is no text of it.
      u64 first = at;
      while (first < end && !separates(first)) first += 1;
      if (first + 1 == end && !blank(first)) end = first;
    }
    const auto assigned = shell.assign(names[n], line.text.view().substr(at, end - at));
    if (!assigned.ok()) {
      shell.complain("{}", assigned.error().text());
      tool.set_status(1);
    }
    at = end;
    while (at < size && blank(at)) at += 1;
    if (at < size && separates(at) && !blank(at)) at += 1;
    while (at < size && blank(at)) at += 1;
  }
}

}  // namespace

i32 read_builtin(Shell& shell, Tool& tool) {
  bool raw = false;
  bool silent = false;
  std::string_view prompt;
  u64 bytes_max = u64{1} << 32;
  Options options(tool, "rsp:n:t:");
  u64 timeout_ns = 0;
  bool timed = false;
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'r': raw = true; break;
      case 's': silent = true; break;
      case 'p': prompt = options.value(); break;
      case 't': {
        const auto value = base::parse_duration_ns(options.value());
        if (!value.ok()) return tool.bad_use("bad number: {}", options.value());
        timeout_ns = *value;
        timed = true;
        break;
      }
      case 'n': {
        const auto value = base::parse_u64(options.value());
        if (!value.ok()) return tool.bad_use("bad number: {}", options.value());
        bytes_max = *value;
        break;
      }
      default: break;
    }
  }
  static constexpr std::string_view kReply[] = {"REPLY"};
  std::span<const std::string_view> names = options.operands();
  if (names.empty()) names = kReply;
  for (const std::string_view name : names) {
    if (!is_name(name)) {
      tool.complain("{}: bad name", name);
      return kStatusSyntax;
    }
  }
  const Fd fd = tool.streams().in;
  const bool console = shell.process().is_console(fd);
  if (!prompt.empty() && console) shell.print_error(prompt);
  if (silent && console) (void)shell.process().write_file("/dev/consctl", "echo off\n").ok();
  const auto line = read_line(shell, fd, raw, bytes_max, timed ? shell.process().uptime_ns() + timeout_ns : kNever);
  if (silent && console) {
    (void)shell.process().write_file("/dev/consctl", "echo on\n").ok();
    shell.print_error("\n");
  }
  if (!line.ok()) {
    if (line.error().code == ErrorCode::Interrupted) return 130;
    if (line.error().code == ErrorCode::TimedOut) return kTimedOutStatus;
    tool.error("read", line.error());
    return 1;
  }
  assign_fields(shell, *line, names, tool);
  return line->ended ? 1 : tool.status();
}

i32 getopts(Shell& shell, Tool& tool) {
  const auto words = tool.args().subspan(1);
  if (words.size() < 2) return tool.bad_use("missing operand");
  std::string_view letters = words[0];
  const bool quiet = letters.starts_with(":");
  if (quiet) letters.remove_prefix(1);
  base::Vector<std::string_view> arguments(shell.heap());
  if (words.size() > 2) {
    for (const std::string_view word : words.subspan(2)) arguments.push_back(word);
  } else {
    for (const base::String& value : shell.positional()) arguments.push_back(value.view());
  }
  const auto index_text = base::parse_u64(shell.variable("OPTIND"));
  u64 index = index_text.ok() && *index_text >= 1 ? *index_text : 1;  // 1-based: the next word to look at
  u64 place = shell.arguments_done;
  const auto put = [&](std::string_view name, std::string_view value) { (void)shell.assign(name, value).ok(); };
  const auto put_index = [&](u64 value) {
    char digits[24];
    put("OPTIND", base::format(std::span<char>(digits), "{}", value));
  };
  const auto done = [&] {
    shell.arguments_done = 0;
    put_index(index);
    put(words[1], "?");
    return 1;
  };
  if (place == 0) {
    if (index > arguments.size()) return done();
    const std::string_view word = arguments[index - 1];
    if (word == "--") {
      index += 1;
      return done();
    }
    if (word.size() < 2 || word[0] != '-') return done();
    place = 1;
  }
  if (index > arguments.size() || place >= arguments[index - 1].size()) return done();
  const std::string_view word = arguments[index - 1];
  const char letter = word[place];
  place += 1;
  const u64 known = letter == ':' ? std::string_view::npos : letters.find(letter);
  const bool takes_value = known != std::string_view::npos && known + 1 < letters.size() && letters[known + 1] == ':';
  std::string_view result{&word[place - 1], 1};
  (void)shell.unset("OPTARG").ok();
  if (known == std::string_view::npos) {
    result = "?";
    if (quiet) {
      put("OPTARG", {&letter, 1});
    } else {
      shell.complain("unknown option: -{}", letter);
    }
  } else if (takes_value) {
    if (place < word.size()) {
      put("OPTARG", word.substr(place));
      place = word.size();
    } else if (index < arguments.size()) {
      put("OPTARG", arguments[index]);
      index += 1;
    } else {
      result = quiet ? ":" : "?";
      if (quiet) {
        put("OPTARG", {&letter, 1});
      } else {
        shell.complain("missing value: -{}", letter);
      }
    }
  }
  if (place >= word.size()) {
    index += 1;
    place = 0;
  }
  shell.arguments_done = static_cast<u16>(place);
  put_index(index);
  put(words[1], result);
  return 0;
}

}  // namespace user::fsh
