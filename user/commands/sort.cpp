// user/commands/sort.cpp — sort (POSIX.1-2017 XCU): keys, and the whole line as the last resort so that the order is total.
#include <algorithm>

#include "user/commands/operands.h"
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

struct Ordering {
  bool skip_blanks = false;
  bool fold = false;
  bool numeric = false;
  bool human = false;
  bool reverse = false;
  bool any() const { return skip_blanks || fold || numeric || human || reverse; }
};
struct Key {
  u64 first_field = 1;
  u64 first_character = 1;
  u64 last_field = 0;      // 0: to the end of the line
  u64 last_character = 0;  // 0: to the end of the field
  Ordering ordering;
};

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A decimal number at the start of a text: sign, digits before the point without leading zeros, digits behind it.
struct Decimal {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  u32 scale = 0;  // of a unit letter: K = 1, M = 2 …
};
Decimal decimal_of(std::string_view text, bool with_unit) {
  Decimal out;
  while (!text.empty() && is_blank(text[0])) text.remove_prefix(1);
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    out.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  while (!text.empty() && text[0] == '0') text.remove_prefix(1);
  u64 end = 0;
  while (end < text.size() && is_digit(text[end])) end += 1;
  out.whole = text.substr(0, end);
  text.remove_prefix(end);
  if (!text.empty() && text[0] == '.') {
    end = 1;
    while (end < text.size() && is_digit(text[end])) end += 1;
    out.fraction = text.substr(1, end - 1);
    text.remove_prefix(end);
  }
  while (!out.fraction.empty() && out.fraction.back() == '0') out.fraction.remove_suffix(1);
  const u64 unit = with_unit && !text.empty() ? std::string_view("KMGTPE").find(text[0]) : std::string_view::npos;
  if (unit != std::string_view::npos) out.scale = static_cast<u32>(unit + 1);
  if (out.whole.empty() && out.fraction.empty()) out.negative = false;  // −0 is 0
  return out;
}
int compare_decimals(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int order = 0;
  if (a.scale != b.scale)
    order = a.scale < b.scale ? -1 : 1;
  else if (a.whole.size() != b.whole.size())
    order = a.whole.size() < b.whole.size() ? -1 : 1;
  else if (a.whole != b.whole)
    order = a.whole < b.whole ? -1 : 1;
  else if (a.fraction != b.fraction)
    order = a.fraction < b.fraction ? -1 : 1;
  return a.negative ? -order : order;
}

int compare_texts(std::string_view a, std::string_view b, const Ordering& ordering) {
  if (ordering.skip_blanks) {
    while (!a.empty() && is_blank(a[0])) a.remove_prefix(1);
    while (!b.empty() && is_blank(b[0])) b.remove_prefix(1);
  }
  int order = 0;
  if (ordering.numeric || ordering.human) {
    order = compare_decimals(decimal_of(a, ordering.human), decimal_of(b, ordering.human));
  } else if (ordering.fold) {
    const auto upper = [](char c) { return static_cast<u8>(c >= 'a' && c <= 'z' ? c - 32 : c); };
    const u64 common = std::min(a.size(), b.size());
    for (u64 i = 0; i < common && order == 0; ++i) order = int{upper(a[i])} - int{upper(b[i])};
    if (order == 0 && a.size() != b.size()) order = a.size() < b.size() ? -1 : 1;
  } else {
    order = a.compare(b);
  }
  return ordering.reverse ? -order : order;
}

class Sorter {
 public:
  Sorter(Tool& tool) : tool_(tool), keys(tool.heap()), lines(tool.heap()) {}

  /// `F[.C][OPTS][,F[.C][OPTS]]`
  bool add_key(std::string_view text);
  int compare(std::string_view a, std::string_view b) const;
  bool less(std::string_view a, std::string_view b) const { return compare(a, b) < 0; }

  Ordering global;
  bool has_separator = false;
  char separator = '\t';
  bool stable = false;
  bool unique = false;

 private:
  std::string_view part(std::string_view line, const Key& key) const;
  u64 field_start(std::string_view line, u64 field) const;
  u64 field_end(std::string_view line, u64 start) const;
  static bool parse_number(std::string_view& text, u64& value);

  Tool& tool_;

 public:
  base::Vector<Key> keys;
  base::Vector<base::String> lines;
};

bool Sorter::parse_number(std::string_view& text, u64& value) {
  u64 end = 0;
  while (end < text.size() && is_digit(text[end])) end += 1;
  const auto number = base::parse_u64(text.substr(0, end));
  text.remove_prefix(end);
  if (number.ok()) value = *number;
  return number.ok();
}

bool set_ordering(Ordering& ordering, char letter) {
  switch (letter) {
    case 'b': ordering.skip_blanks = true; return true;
    case 'f': ordering.fold = true; return true;
    case 'n': ordering.numeric = true; return true;
    case 'h': ordering.human = true; return true;
    case 'r': ordering.reverse = true; return true;
    default: return false;
  }
}

bool Sorter::add_key(std::string_view text) {
  const std::string_view whole = text;
  Key key;
  const auto bad = [&] {
    tool_.bad_use("bad key: {}", whole);
    return false;
  };
  if (!parse_number(text, key.first_field) || key.first_field == 0) return bad();
  if (text.starts_with(".")) {
    text.remove_prefix(1);
    if (!parse_number(text, key.first_character) || key.first_character == 0) return bad();
  }
  while (!text.empty() && text[0] != ',') {
    if (!set_ordering(key.ordering, text[0])) return bad();
    text.remove_prefix(1);
  }
  if (text.starts_with(",")) {
    text.remove_prefix(1);
    if (!parse_number(text, key.last_field) || key.last_field == 0) return bad();
    if (text.starts_with(".")) {
      text.remove_prefix(1);
      if (!parse_number(text, key.last_character)) return bad();
    }
    for (const char letter : text) {
      if (!set_ordering(key.ordering, letter)) return bad();
    }
  }
  keys.push_back(key);
  return true;
}

/// Where a field begins: behind its separator, or with the blanks before it.
u64 Sorter::field_start(std::string_view line, u64 field) const {
  u64 at = 0;
  for (u64 n = 1; n < field && at < line.size(); ++n) {
    at = field_end(line, at);
    if (has_separator && at < line.size()) at += 1;
  }
  return at;
}

u64 Sorter::field_end(std::string_view line, u64 start) const {
  u64 at = start;
  if (has_separator) {
    while (at < line.size() && line[at] != separator) at += 1;
    return at;
  }
  while (at < line.size() && is_blank(line[at])) at += 1;
  while (at < line.size() && !is_blank(line[at])) at += 1;
  return at;
}

std::string_view Sorter::part(std::string_view line, const Key& key) const {
  u64 start = field_start(line, key.first_field);
  if (key.ordering.skip_blanks) {
    while (start < line.size() && is_blank(line[start])) start += 1;
  }
  start = std::min<u64>(start + key.first_character - 1, line.size());
  u64 end = line.size();
  if (key.last_field != 0) {
    const u64 last = field_start(line, key.last_field);
    end = key.last_character == 0 ? field_end(line, last) : std::min<u64>(last + key.last_character, line.size());
  }
  return line.substr(start, end > start ? end - start : 0);
}

int Sorter::compare(std::string_view a, std::string_view b) const {
  for (const Key& key : keys) {
    const Ordering& ordering = key.ordering.any() ? key.ordering : global;
    const int order = compare_texts(part(a, key), part(b, key), ordering);
    if (order != 0) return order;
  }
  if (keys.empty()) {
    const int order = compare_texts(a, b, global);
    if (order != 0) return order;
  }
  if (stable || unique) return 0;
  const int order = a.compare(b);
  return global.reverse ? -order : order;
}

}  // namespace

i32 sort_main(Process& process) {
  Tool tool(process,
            "usage: sort [-bcfhnrsu] [-k KEY]… [-t CHARACTER] [-o FILE] [FILE…]\n  -b  skip blanks before a key\n  -c  "
            "only check\n  -f  "
            "letters alike in both cases\n  -h  numbers with K, M, G\n  -n  numbers\n  -r  backwards\n  -s  stable\n  "
            "-u  one of equal "
            "lines\n  -k  F[.C][OPTIONS][,F[.C][OPTIONS]]\n  -t  what separates fields (blanks)\n  -o  write there");
  Sorter sorter(tool);
  bool check = false;
  std::string_view output;
  Options options(tool, "bcfhmnrsuk:t:o:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'c': check = true; break;
      case 's': sorter.stable = true; break;
      case 'u': sorter.unique = true; break;
      case 'm': break;  // merging sorted files is sorting them
      case 'o': output = options.value(); break;
      case 'k':
        if (!sorter.add_key(options.value())) return kUsageStatus;
        break;
      case 't':
        if (options.value().size() != 1) return tool.bad_use("bad separator: {}", options.value());
        sorter.has_separator = true;
        sorter.separator = options.value()[0];
        break;
      default: set_ordering(sorter.global, option); break;
    }
  }
  Operands files(tool, options.operands());
  while (files.next()) {
    Input input(process, files.fd());
    base::String line(process.heap());
    for (;;) {
      const auto got = input.next(line);
      if (!got.ok()) tool.error(files.name(), got.error());
      if (!got.ok() || !*got) break;
      if (check && !sorter.lines.empty()) {
        const int order = sorter.compare(sorter.lines.back(), line);
        if (order > 0 || (sorter.unique && order == 0)) {
          tool.complain("{}: out of order: {}", files.name(), line);
          return tool.finish();
        }
      }
      if (check) sorter.lines.clear();
      sorter.lines.push_back(std::move(line));
      line = base::String(process.heap());
    }
  }
  if (check) return tool.finish();
  u64 bits = 1;
  while (sorter.lines.size() >> bits != 0) bits += 1;
  process.work(sorter.lines.size() * bits + 1);
  // A stable sort on indices: std::stable_sort would want memory of its own.
  base::Vector<u32> order(process.heap());
  for (u32 i = 0; i < sorter.lines.size(); ++i) order.push_back(i);
  // total: the index decides
  std::sort(order.begin(), order.end(), [&](u32 a, u32 b) {
    const int compared = sorter.compare(sorter.lines[a], sorter.lines[b]);
    return compared != 0 ? compared < 0 : a < b;
  });
  Fd fd = kStdout;
  if (!output.empty()) {
    const auto opened =
        process.open(output, schema::file::kOpenWrite | schema::file::kOpenCreate | schema::file::kOpenTruncate);
    if (!opened.ok()) {
      tool.error(output, opened.error());
      return tool.finish();
    }
    fd = *opened;
  }
  Output out(process, fd);
  for (u64 i = 0; i < order.size(); ++i) {
    if (sorter.unique && i > 0 && sorter.compare(sorter.lines[order[i - 1]], sorter.lines[order[i]]) == 0) continue;
    out.text(sorter.lines[order[i]]);
    out.character('\n');
  }
  if (!out.flush() && out.error().code != ErrorCode::BrokenPipe) tool.error("write error", out.error());
  return tool.finish();
}

}  // namespace user
