// user/commands/grep.cpp — grep (POSIX.1-2017 XCU), with -r, -o, -w, -m and lines around a match.
#include "user/commands/operands.h"
#include "user/lib/regex.h"
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

using schema::file::Kind;

constexpr std::string_view kUsage =
    "usage: grep [-EFHchilnoqrsvwx] [-A N] [-B N] [-C N] [-m N] [-e PATTERN | -f FILE]… [PATTERN] [FILE…]\n"
    "  -E  extended patterns\n  -F  fixed texts\n  -H  name the file before each line, -h never\n"
    "  -c  count the lines\n  -i  letters alike in both cases\n  -l  names of the files with a match\n"
    "  -n  number the lines\n  -o  only what matched\n  -q  only the status\n  -r  directories, with all below\n"
    "  -s  no word of files that cannot be read\n  -v  the lines without a match\n  -w  whole words\n  -x  whole "
    "lines\n"
    "  -A -B -C  lines behind, before, around a match\n  -m  stop after N lines\n  -e  a pattern\n  -f  patterns, one "
    "a line";
constexpr i32 kNotFound = 1;
constexpr i32 kTrouble = 2;
constexpr u32 kDepthMax = 128;
constexpr u64 kContextLinesMax = 1'000'000;

struct Flags {
  bool extended = false;
  bool fixed = false;
  bool with_name = false;
  bool without_name = false;
  bool count = false;
  bool ignore_case = false;
  bool names_only = false;
  bool number = false;
  bool only_matching = false;
  bool quiet = false;
  bool recursive = false;
  bool silent = false;
  bool invert = false;
  bool words = false;
  bool whole_lines = false;
  u64 before = 0;
  u64 behind = 0;
  u64 lines_max = ~u64{0};
};

class Searcher {
 public:
  Searcher(Tool& tool, const Flags& flags)
      : tool_(tool), flags_(flags), patterns_(tool.heap()), texts_(tool.heap()), held_(tool.heap()) {}

  /// Each line of `text` is a pattern. False, and told, when one is none.
  bool add_patterns(std::string_view text);
  bool any_pattern() const { return !patterns_.empty() || !texts_.empty(); }
  /// A file, or with -r a directory and all below.
  void operand(std::string_view path, u32 depth);
  void stream(std::string_view name, Fd fd);
  void show_names(bool on) { show_names_ = on; }
  bool done() const { return flags_.quiet && found_; }
  i32 status() const { return flags_.quiet && found_ ? 0 : trouble_ ? kTrouble : found_ ? 0 : kNotFound; }
  void trouble(std::string_view path, const Error& error) {
    if (!flags_.silent) tool_.error(path, error);
    trouble_ = true;
  }

 private:
  struct Held {
    base::String line;
    u64 number;
  };
  /// The first match at `from` or later; false when there is none.
  bool find(std::string_view line, u64 from, RegexSpan* where);
  bool find_fixed(std::string_view line, u64 from, RegexSpan& best) const;
  void print_prefix(std::string_view name, u64 number, char mark);
  void print_line(std::string_view name, u64 number, char mark, std::string_view line);
  void print_matches(std::string_view name, u64 number, std::string_view line);
  void print_held(std::string_view name);

  Tool& tool_;
  const Flags& flags_;
  base::Vector<Regex> patterns_;
  base::Vector<base::String> texts_;  // with -F alone
  base::Vector<Held> held_;           // lines before, not printed yet
  bool show_names_ = false;
  bool found_ = false;
  bool trouble_ = false;
  bool any_shown_ = false;  // a group of lines has been printed: the next one is set off
};

bool Searcher::add_patterns(std::string_view text) {
  for (;;) {
    const u64 end = std::min<u64>(text.find('\n'), text.size());
    const std::string_view pattern = text.substr(0, end);
    if (flags_.fixed && !flags_.ignore_case && !flags_.words && !flags_.whole_lines) {
      texts_.emplace_back(tool_.heap(), pattern);
    } else {
      base::String escaped(tool_.heap());
      for (const char c : flags_.fixed ? pattern : std::string_view()) {
        if (std::string_view("\\[]().*+?{}|^$").find(c) != std::string_view::npos) escaped.push('\\');
        escaped.push(c);
      }
      auto regex = Regex::compile(tool_.heap(), flags_.fixed ? escaped.view() : pattern,
                                  {.extended = flags_.extended || flags_.fixed,
                                   .ignore_case = flags_.ignore_case,
                                   .whole_words = flags_.words,
                                   .whole_text = flags_.whole_lines});
      if (!regex.ok()) {
        tool_.complain("{}: {}", pattern, regex.error().text);
        return false;
      }
      patterns_.push_back(std::move(*regex));
    }
    if (end == text.size()) return true;
    text.remove_prefix(end + 1);
  }
}

bool Searcher::find_fixed(std::string_view line, u64 from, RegexSpan& best) const {
  for (const base::String& text : texts_) {
    const u64 at = line.find(text.view(), from);
    if (at == std::string_view::npos) continue;
    const RegexSpan span{at, at + text.size()};
    if (!best.set() || span.start < best.start || (span.start == best.start && span.end > best.end)) best = span;
  }
  return best.set();
}

bool Searcher::find(std::string_view line, u64 from, RegexSpan* where) {
  RegexSpan best;
  find_fixed(line, from, best);
  for (Regex& pattern : patterns_) {
    if (best.set() && where == nullptr) break;
    RegexSpan span[1];
    const Regex::Found found = pattern.search(line, from, where == nullptr ? std::span<RegexSpan>() : std::span(span));
    tool_.process().work(pattern.take_work());
    if (found == Regex::Found::TooComplex) {
      if (!trouble_) tool_.complain("pattern too complex");
      trouble_ = true;
    }
    if (found != Regex::Found::Yes) continue;
    if (where == nullptr) return true;
    if (!best.set() || span[0].start < best.start || (span[0].start == best.start && span[0].end > best.end))
      best = span[0];
  }
  tool_.process().work(line.size() / 16 + 1);
  if (where != nullptr) *where = best;
  return best.set();
}

void Searcher::print_prefix(std::string_view name, u64 number, char mark) {
  if (show_names_) {
    tool_.out().text(name);
    tool_.out().character(mark);
  }
  if (flags_.number) tool_.out().format("{}{}", number, mark);
}

void Searcher::print_line(std::string_view name, u64 number, char mark, std::string_view line) {
  print_prefix(name, number, mark);
  tool_.out().text(line);
  tool_.out().character('\n');
}

void Searcher::print_matches(std::string_view name, u64 number, std::string_view line) {
  RegexSpan span;
  for (u64 from = 0; from <= line.size() && find(line, from, &span);) {
    if (span.start < span.end) print_line(name, number, ':', span.of(line));
    from = span.end > span.start ? span.end : span.end + 1;
  }
}

void Searcher::print_held(std::string_view name) {
  for (const Held& held : held_) print_line(name, held.number, '-', held.line);
  held_.clear();
}

void Searcher::stream(std::string_view name, Fd fd) {
  Input input(tool_.process(), fd);
  base::String line(tool_.heap());
  u64 number = 0;
  u64 selected = 0;
  u64 last_shown = 0;   // line number
  u64 behind_left = 0;  // lines still to be shown after a match
  bool binary = false;
  const bool shows_lines = !flags_.quiet && !flags_.count && !flags_.names_only;
  const bool context = (flags_.before > 0 || flags_.behind > 0) && shows_lines && !flags_.only_matching;
  held_.clear();
  while (selected < flags_.lines_max || behind_left > 0) {
    const auto got = input.next(line);
    if (!got.ok()) trouble(name, got.error());
    if (!got.ok() || !*got) break;
    number += 1;
    binary = binary || line.view().find('\0') != std::string_view::npos;
    const bool matches = selected < flags_.lines_max && find(line, 0, nullptr) != flags_.invert;
    if (!matches) {
      if (context && behind_left > 0) {
        print_line(name, number, '-', line);
        behind_left -= 1;
        last_shown = number;
      } else if (context && flags_.before > 0) {
        if (held_.size() == flags_.before) held_.erase(0);
        held_.push_back({line.clone(), number});
      }
      continue;
    }
    selected += 1;
    found_ = true;
    if (flags_.quiet || flags_.names_only) break;
    if (flags_.count) continue;
    if (binary) {
      tool_.out().format("Binary file {} matches\n", name);
      break;
    }
    if (context) {
      const u64 first = held_.empty() ? number : held_.front().number;
      if (any_shown_ && first != last_shown + 1) tool_.out().text("--\n");
      print_held(name);
      any_shown_ = true;
      behind_left = flags_.behind;
    }
    if (flags_.only_matching) {
      if (!flags_.invert) print_matches(name, number, line);
    } else {
      print_line(name, number, ':', line);
    }
    last_shown = number;
    if (tool_.out().failed()) return;
  }
  if (flags_.quiet) return;
  if (flags_.count && !flags_.names_only) {
    if (show_names_) tool_.out().format("{}:", name);
    tool_.out().format("{}\n", selected);
  }
  if (flags_.names_only && selected > 0) tool_.out().format("{}\n", name);
}

void Searcher::operand(std::string_view path, u32 depth) {
  Process& process = tool_.process();
  if (path == "-" && depth == 0) return stream("(standard input)", tool_.streams().in);
  const auto stat = flags_.recursive ? process.stat(path, depth == 0 ? FollowLinks::Yes : FollowLinks::No)
                                     : Result<FileStat>(FileStat{});
  if (!stat.ok()) return trouble(path, stat.error());
  if (stat->kind == Kind::Link) return;  // below an operand links are not followed: they may lead in circles
  if (stat->kind == Kind::Directory) {
    if (depth >= kDepthMax) return trouble(path, ErrorCode::NameTooLong);
    const auto entries = process.list(path);
    if (!entries.ok()) return trouble(path, entries.error());
    for (const DirectoryEntry& entry : *entries) {
      if (done() || tool_.out().failed()) return;
      base::String below(tool_.heap(), path);
      if (!path.ends_with("/")) below.push('/');
      below.append(entry.name);
      operand(below, depth + 1);
    }
    return;
  }
  const auto opened = process.open(path, schema::file::kOpenRead);
  if (!opened.ok()) return trouble(path, opened.error());
  stream(path, *opened);
  (void)process.close(*opened).ok();
}

bool parse_count(Tool& tool, std::string_view text, u64& value, u64 value_max) {
  const auto number = base::parse_u64(text);
  if (number.ok()) value = std::min(*number, value_max);
  if (!number.ok()) tool.bad_use("bad number: {}", text);
  return number.ok();
}

bool set_flag(Flags& flags, char option) {
  switch (option) {
    case 'E': flags.extended = true; return true;
    case 'F': flags.fixed = true; return true;
    case 'H': flags.with_name = true; return true;
    case 'c': flags.count = true; return true;
    case 'h': flags.without_name = true; return true;
    case 'i': flags.ignore_case = true; return true;
    case 'l': flags.names_only = true; return true;
    case 'n': flags.number = true; return true;
    case 'o': flags.only_matching = true; return true;
    case 'q': flags.quiet = true; return true;
    case 'r': flags.recursive = true; return true;
    case 's': flags.silent = true; return true;
    case 'v': flags.invert = true; return true;
    case 'w': flags.words = true; return true;
    case 'x': flags.whole_lines = true; return true;
    default: return false;
  }
}

}  // namespace

i32 grep_main(Process& process) {
  Tool tool(process, kUsage);
  Flags flags;
  base::String patterns(process.heap());
  bool has_patterns = false;
  bool all_empty = true;  // -f with an empty file: no pattern at all
  const auto add = [&](std::string_view text) {
    if (has_patterns && !all_empty) patterns.push('\n');
    patterns.append(text);
    has_patterns = true;
    all_empty = false;
  };
  Options options(tool, "EFHchilnoqrsvwxA:B:C:m:e:f:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (set_flag(flags, option)) continue;
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'A':
        if (!parse_count(tool, options.value(), flags.behind, kContextLinesMax)) return kTrouble;
        break;
      case 'B':
        if (!parse_count(tool, options.value(), flags.before, kContextLinesMax)) return kTrouble;
        break;
      case 'C':
        if (!parse_count(tool, options.value(), flags.before, kContextLinesMax)) return kTrouble;
        flags.behind = flags.before;
        break;
      case 'm':
        if (!parse_count(tool, options.value(), flags.lines_max, ~u64{0})) return kTrouble;
        break;
      case 'e': add(options.value()); break;
      default: {
        const auto text = process.read_file(options.value());
        if (!text.ok()) {
          tool.error(options.value(), text.error());
          return kTrouble;
        }
        std::string_view lines = text->view();
        if (lines.ends_with("\n")) lines.remove_suffix(1);
        if (!text->empty()) add(lines);
        has_patterns = true;
        break;
      }
    }
  }
  std::span<const std::string_view> operands = options.operands();
  if (!has_patterns) {
    if (operands.empty()) return tool.bad_use("missing operand");
    add(operands[0]);
    operands = operands.subspan(1);
  }
  Searcher searcher(tool, flags);
  if (!all_empty && !searcher.add_patterns(patterns)) return kTrouble;
  static constexpr std::string_view kInput[] = {"-"};
  static constexpr std::string_view kHere[] = {"."};
  if (operands.empty()) operands = flags.recursive ? std::span(kHere) : std::span(kInput);
  searcher.show_names((operands.size() > 1 || flags.recursive || flags.with_name) && !flags.without_name);
  for (const std::string_view name : operands) {
    if (searcher.done() || tool.out().failed()) break;
    searcher.operand(name, 0);
  }
  const i32 status = searcher.status();
  tool.set_status(0);
  return tool.finish() == 0 ? status : kTrouble;
}

}  // namespace user
