// user/commands/columns.cpp — cut, paste, rev, tac, nl: pieces of lines, and their order (POSIX.1-2017 XCU).
#include "base/utf8.h"
#include "user/commands/operands.h"
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

// ── cut ──────────────────────────────────────────────────────────────────────────────────────────────────────

struct Range {
  u64 first;
  u64 last;
};

/// "1,3-5,7-": from 1 on.
bool parse_list(std::string_view text, base::Vector<Range>& ranges) {
  for (;;) {
    const u64 end = std::min<u64>(text.find_first_of(", "), text.size());
    const std::string_view item = text.substr(0, end);
    const u64 dash = item.find('-');
    Range range{1, ~u64{0}};
    if (dash == std::string_view::npos) {
      const auto number = base::parse_u64(item);
      if (!number.ok()) return false;
      range = {*number, *number};
    } else {
      if (item == "-") return false;
      const auto first = base::parse_u64(dash == 0 ? std::string_view("1") : item.substr(0, dash));
      if (!first.ok()) return false;
      range.first = *first;
      if (dash + 1 < item.size()) {
        const auto last = base::parse_u64(item.substr(dash + 1));
        if (!last.ok()) return false;
        range.last = *last;
      }
    }
    if (range.first == 0 || range.last < range.first) return false;
    ranges.push_back(range);
    if (end == text.size()) return true;
    text.remove_prefix(end + 1);
  }
}

bool selected(std::span<const Range> ranges, u64 number) {
  for (const Range& range : ranges) {
    if (number >= range.first && number <= range.last) return true;
  }
  return false;
}

}  // namespace

i32 cut_main(Process& process) {
  Tool tool(
      process,
      "usage: cut {-b LIST | -c LIST | -f LIST} [-d CHARACTER] [-s] [FILE…]\n  -b  bytes\n  -c  characters\n  -f  "
      "fields\n  -d  what separates fields (tab)\n  -s  only lines with a separator");
  char kind = '\0';
  std::string_view list;
  std::string_view delimiter = "\t";
  bool only_separated = false;
  Options options(tool, "b:c:f:d:sn");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'd': delimiter = options.value(); break;
      case 's': only_separated = true; break;
      case 'n': break;  // characters are never cut apart
      default:
        if (kind != '\0') return tool.bad_use("only one list");
        kind = option;
        list = options.value();
        break;
    }
  }
  if (kind == '\0') return tool.bad_use("missing list: -b, -c or -f");
  if (delimiter.empty() || (delimiter.size() > 1 && base::decode_utf8(delimiter).length != delimiter.size())) {
    return tool.bad_use("bad separator: {}", delimiter);
  }
  base::Vector<Range> ranges(process.heap());
  if (!parse_list(list, ranges)) return tool.bad_use("bad list: {}", list);
  for_each_line(tool, options.operands(), [&](const base::String& line) {
    std::string_view rest = line.view();
    if (kind == 'f') {
      if (rest.find(delimiter) == std::string_view::npos) {
        if (!only_separated) tool.out().format("{}\n", rest);
        return;
      }
      bool any = false;
      for (u64 field = 1;; ++field) {
        const u64 end = std::min<u64>(rest.find(delimiter), rest.size());
        if (selected(ranges.span(), field)) {
          if (any) tool.out().text(delimiter);
          tool.out().text(rest.substr(0, end));
          any = true;
        }
        if (end == rest.size()) break;
        rest.remove_prefix(end + delimiter.size());
      }
    } else {
      for (u64 number = 1; !rest.empty(); ++number) {
        const u64 length = kind == 'b' ? 1 : base::decode_utf8(rest).length;
        if (selected(ranges.span(), number)) tool.out().text(rest.substr(0, length));
        rest.remove_prefix(length);
      }
    }
    tool.out().character('\n');
    process.work(line.size() / 4 + 1);
  });
  return tool.finish();
}

// ── paste ────────────────────────────────────────────────────────────────────────────────────────────────────

namespace {

/// The separators of `-d`, with \n \t \\ \0 (none).
struct Separators {
  std::string_view at(u64 index) const {
    const u64 place = index % count;
    return {texts + place, none[place] ? u64{0} : u64{1}};
  }
  char texts[64];
  bool none[64] = {};
  u64 count = 0;
};

bool parse_separators(std::string_view text, Separators& out) {
  for (u64 i = 0; i < text.size(); ++i) {
    if (out.count == sizeof out.texts) return false;
    char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      i += 1;
      c = text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i];
      out.none[out.count] = text[i] == '0';
    }
    out.texts[out.count++] = c;
  }
  return out.count > 0;
}

}  // namespace

i32 paste_main(Process& process) {
  Tool tool(
      process,
      "usage: paste [-s] [-d LIST] [FILE…]\n  -s  the lines of one file after another\n  -d  what stands between");
  bool serial = false;
  std::string_view list = "\t";
  Options options(tool, "sd:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    if (option == 's') serial = true;
    if (option == 'd') list = options.value();
  }
  Separators separators;
  if (!parse_separators(list, separators)) return tool.bad_use("bad list: {}", list);
  if (serial) {
    Operands files(tool, options.operands());
    while (files.next()) {
      Input input(process, files.fd());
      base::String line(process.heap());
      for (u64 number = 0;; ++number) {
        const auto got = input.next(line);
        if (!got.ok()) tool.error(files.name(), got.error());
        if (!got.ok() || !*got) break;
        if (number > 0) tool.out().text(separators.at(number - 1));
        tool.out().text(line);
      }
      tool.out().character('\n');
    }
    return tool.finish();
  }
  static constexpr std::string_view kInput[] = {"-"};
  std::span<const std::string_view> names = options.operands();
  if (names.empty()) names = kInput;
  // All standard inputs are one: they take turns at its lines.
  Input standard(process, kStdin);
  base::Vector<Fd> fds(process.heap());
  for (const std::string_view name : names) {
    const auto fd = name == "-" ? Result<Fd>(kStdin) : process.open(name, schema::file::kOpenRead);
    if (!fd.ok()) {
      tool.error(name, fd.error());
      return tool.finish();
    }
    fds.push_back(*fd);
  }
  base::Vector<Input*> inputs(process.heap());
  for (const Fd fd : fds) {
    void* const room = fd == kStdin ? nullptr : process.heap().allocate(sizeof(Input), alignof(Input));
    inputs.push_back(room == nullptr ? &standard : new (room) Input(process, fd));
  }
  base::String row(process.heap());
  base::String line(process.heap());
  for (;;) {
    row.clear();
    bool any = false;
    for (u64 i = 0; i < inputs.size(); ++i) {
      const auto got = inputs[i]->next(line);
      if (!got.ok()) tool.error(names[i], got.error());
      if (got.ok() && *got) {
        row.append(line);
        any = true;
      }
      if (i + 1 < inputs.size()) row.append(separators.at(i));
    }
    if (!any || tool.out().failed()) break;
    tool.out().format("{}\n", row);
  }
  for (Input* const input : inputs) {
    if (input == &standard) continue;
    input->~Input();
    process.heap().release(input, sizeof(Input));
  }
  return tool.finish();
}

// ── rev, tac, nl ─────────────────────────────────────────────────────────────────────────────────────────────

i32 rev_main(Process& process) {
  Tool tool(process, "usage: rev [FILE…]");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  for_each_line(tool, options.operands(), [&](const base::String& line) {
    for (u64 at = line.size(); at > 0;) {
      const u64 before = base::previous_cursor_stop(line, at);
      tool.out().text(line.view().substr(before, at - before));
      at = before;
    }
    tool.out().character('\n');
    process.work(line.size() / 2 + 1);
  });
  return tool.finish();
}

i32 tac_main(Process& process) {
  Tool tool(process, "usage: tac [FILE…]");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  Operands files(tool, options.operands());
  while (files.next()) {
    Input input(process, files.fd());
    base::Vector<base::String> lines(process.heap());
    base::String line(process.heap());
    for (;;) {
      const auto got = input.next(line);
      if (!got.ok()) tool.error(files.name(), got.error());
      if (!got.ok() || !*got) break;
      lines.push_back(line.clone());
    }
    for (u64 i = lines.size(); i > 0; --i) {
      tool.out().format("{}\n", lines[i - 1]);
    }
    process.work(lines.size() + 1);
  }
  return tool.finish();
}

i32 nl_main(Process& process) {
  Tool tool(
      process,
      "usage: nl [-b a|t|n] [-v N] [-i N] [-w N] [-s TEXT] [FILE…]\n  -b  which lines: all, with text (default), none\n"
      "  -v  the first number\n  -i  the step\n  -w  the width (6)\n  -s  what stands behind the number (tab)");
  char which = 't';
  i64 number = 1;
  i64 step = 1;
  u64 width = 6;
  std::string_view separator = "\t";
  constexpr u64 kWidthMax = 100;
  Options options(tool, "b:v:i:w:s:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    const auto value = base::parse_i64(options.value());
    if (option != 'b' && option != 's' && !value.ok()) return tool.bad_use("bad number: {}", options.value());
    if (option == 'b') {
      which = options.value().size() == 1 ? options.value()[0] : '\0';
      if (which != 'a' && which != 't' && which != 'n') return tool.bad_use("unknown style: {}", options.value());
    } else if (option == 's') {
      separator = options.value();
    } else if (option == 'v') {
      number = *value;
    } else if (option == 'i') {
      step = *value;
    } else {
      if (*value < 1 || *value > static_cast<i64>(kWidthMax)) return tool.bad_use("bad number: {}", options.value());
      width = static_cast<u64>(*value);
    }
  }
  for_each_line(tool, options.operands(), [&](const base::String& line) {
    char digits[24];
    const bool counts = which == 'a' || (which == 't' && !line.empty());
    const std::string_view shown = counts ? base::format(digits, "{}", number) : std::string_view();
    for (u64 i = shown.size(); i < width + (counts ? 0 : separator.size()); ++i) tool.out().character(' ');
    if (counts) tool.out().format("{}{}", shown, separator);
    tool.out().format("{}\n", line);
    if (counts) number = static_cast<i64>(static_cast<u64>(number) + static_cast<u64>(step));
  });
  return tool.finish();
}

}  // namespace user
