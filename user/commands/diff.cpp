// user/commands/diff.cpp — diff (POSIX.1-2017 XCU): what changes one file into another, as commands or in unified form.
#include <algorithm>

#include "user/commands/operands.h"
#include "user/lib/dates.h"
#include "user/lib/edit_script.h"

#include "base/enforce.h"

namespace user {
namespace {

using schema::file::Kind;

constexpr i32 kDiffer = 1;
constexpr i32 kTrouble = 2;
constexpr u64 kContextMax = 1'000'000;
constexpr u32 kDepthMax = 128;

struct Flags {
  bool unified = false;
  bool brief = false;
  bool recursive = false;
  bool new_files = false;
  u64 context = 3;
};

struct Side {
  std::string_view name;
  base::String text;
  base::Vector<std::string_view> lines;
  bool ends_with_newline = true;
  explicit Side(base::Allocator& heap) : text(heap), lines(heap) {}
};

/// A place where the files differ: lines [a_from, a_to) become [b_from, b_to).
struct Change {
  u64 a_from, a_to, b_from, b_to;
};

class Diff {
 public:
  Diff(Tool& tool, const Flags& flags, u64 operand_count) : tool_(tool), flags_(flags), command_(tool.heap(), "diff") {
    for (const std::string_view word : tool.args().subspan(1, tool.args().size() - 1 - operand_count)) {
      command_.append(" ").append(word);
    }
  }
  i32 compare(std::string_view a, std::string_view b, u32 depth);

 private:
  i32 compare_directories(std::string_view a, std::string_view b, u32 depth);
  i32 compare_files(std::string_view a, std::string_view b);
  bool load(std::string_view name, Side& side);
  void number_lines(const Side& a, const Side& b, base::Vector<u32>& a_numbers, base::Vector<u32>& b_numbers);
  base::Vector<Change> changes_of(const Side& a, const Side& b);
  void print_normal(const Side& a, const Side& b, std::span<const Change> changes);
  void print_unified(const Side& a, const Side& b, std::span<const Change> changes);
  void print_line(std::string_view prefix, const Side& side, u64 line);
  void print_header(std::string_view mark, std::string_view name);

  Tool& tool_;
  const Flags& flags_;
  base::String command_;  // what is said before the changes of files found in directories
  bool in_directories_ = false;
};

bool Diff::load(std::string_view name, Side& side) {
  side.name = name;
  Process& process = tool_.process();
  Fd fd = tool_.streams().in;
  if (name != "-") {
    const auto opened = process.open(name, schema::file::kOpenRead);
    if (!opened.ok() && opened.error() == ErrorCode::NotFound && flags_.new_files) return true;
    if (!opened.ok()) {
      tool_.error(name, opened.error());
      return false;
    }
    fd = *opened;
  }
  u8 block[4096];
  Result<u64> count = u64{0};
  while ((count = process.read(fd, block)).ok() && *count != 0) side.text.append(base::text_of({block, *count}));
  if (name != "-") (void)process.close(fd).ok();
  if (!count.ok()) {
    tool_.error(name, count.error());
    return false;
  }
  std::string_view rest = side.text.view();
  side.ends_with_newline = rest.empty() || rest.ends_with("\n");
  process.work(rest.size() / 8 + 1);
  while (!rest.empty()) {
    const u64 end = std::min<u64>(rest.find('\n'), rest.size());
    side.lines.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return true;
}

/// Equal lines get equal numbers. A last line without a newline is equal to none that has one.
void Diff::number_lines(const Side& a, const Side& b, base::Vector<u32>& a_numbers, base::Vector<u32>& b_numbers) {
  struct Line {
    std::string_view text;
    bool whole;
    u32* number;
  };
  base::Vector<Line> all(tool_.heap());
  const auto add = [&all](const Side& side, base::Vector<u32>& numbers) {
    numbers.resize(side.lines.size());
    for (u64 i = 0; i < side.lines.size(); ++i) {
      all.push_back({side.lines[i], i + 1 < side.lines.size() || side.ends_with_newline, &numbers[i]});
    }
  };
  add(a, a_numbers);
  add(b, b_numbers);
  // total: lines that are equal get one number, so their order does not matter
  std::sort(all.begin(), all.end(), [](const Line& x, const Line& y) {
    if (x.text != y.text) return x.text < y.text;
    return !x.whole && y.whole;
  });
  tool_.process().work(all.size() * 16 + 1);
  u32 number = 0;
  for (u64 i = 0; i < all.size(); ++i) {
    if (i > 0 && (all[i].text != all[i - 1].text || all[i].whole != all[i - 1].whole)) number += 1;
    *all[i].number = number;
  }
}

base::Vector<Change> Diff::changes_of(const Side& a, const Side& b) {
  base::Vector<u32> a_numbers(tool_.heap());
  base::Vector<u32> b_numbers(tool_.heap());
  number_lines(a, b, a_numbers, b_numbers);
  base::Vector<u8> dropped(tool_.heap());
  base::Vector<u8> added(tool_.heap());
  tool_.process().work(shortest_edit(tool_.heap(), a_numbers.span(), b_numbers.span(), dropped, added));
  base::Vector<Change> changes(tool_.heap());
  for (u64 x = 0, y = 0; x < dropped.size() || y < added.size();) {
    Change change{x, x, y, y};
    while (change.a_to < dropped.size() && dropped[change.a_to] != 0) change.a_to += 1;
    while (change.b_to < added.size() && added[change.b_to] != 0) change.b_to += 1;
    if (change.a_to == x && change.b_to == y) {
      x += 1;
      y += 1;
      continue;
    }
    changes.push_back(change);
    x = change.a_to;
    y = change.b_to;
  }
  return changes;
}

void Diff::print_line(std::string_view prefix, const Side& side, u64 line) {
  tool_.out().text(prefix);
  tool_.out().text(side.lines[line]);
  tool_.out().character('\n');
  if (line + 1 == side.lines.size() && !side.ends_with_newline) tool_.out().text("\\ No newline at end of file\n");
}

void Diff::print_normal(const Side& a, const Side& b, std::span<const Change> changes) {
  const auto range = [this](u64 from, u64 to) {
    if (to <= from + 1) return tool_.out().format("{}", to == from ? from : from + 1);
    tool_.out().format("{},{}", from + 1, to);
  };
  for (const Change& change : changes) {
    const bool drops = change.a_to > change.a_from;
    const bool adds = change.b_to > change.b_from;
    range(change.a_from, change.a_to);
    tool_.out().character(!drops ? 'a' : adds ? 'c' : 'd');
    range(change.b_from, change.b_to);
    tool_.out().character('\n');
    for (u64 i = change.a_from; i < change.a_to; ++i) print_line("< ", a, i);
    if (drops && adds) tool_.out().text("---\n");
    for (u64 i = change.b_from; i < change.b_to; ++i) print_line("> ", b, i);
  }
}

void Diff::print_header(std::string_view mark, std::string_view name) {
  i64 modified_ns = 0;
  const auto facts = tool_.process().stat(name);
  if (facts.ok()) modified_ns = facts->modified_ns;
  base::String line(tool_.heap());
  line.append_format("{} {}\t", mark, name);
  append_date(line, "%Y-%m-%d %H:%M:%S", modified_ns / 1'000'000'000, zone_of(tool_.process()));
  line.append_format(".{:09} ", modified_ns % 1'000'000'000);
  append_date(line, "%z", modified_ns / 1'000'000'000, zone_of(tool_.process()));
  line.push('\n');
  tool_.out().text(line);
}

void Diff::print_unified(const Side& a, const Side& b, std::span<const Change> changes) {
  print_header("---", a.name);
  print_header("+++", b.name);
  const auto range = [this](char mark, u64 from, u64 count) {
    tool_.out().format("{}{}", std::string_view(&mark, 1), count == 0 ? from : from + 1);
    if (count != 1) tool_.out().format(",{}", count);
  };
  for (u64 first = 0; first < changes.size();) {
    // Changes whose surroundings touch make one hunk.
    u64 last = first;
    while (last + 1 < changes.size() && changes[last + 1].a_from - changes[last].a_to <= 2 * flags_.context) last += 1;
    const u64 lead = std::min(flags_.context, changes[first].a_from);
    const u64 tail = std::min<u64>(flags_.context, a.lines.size() - changes[last].a_to);
    const u64 a_from = changes[first].a_from - lead;
    const u64 b_from = changes[first].b_from - lead;
    const u64 a_to = changes[last].a_to + tail;
    tool_.out().text("@@ ");
    range('-', a_from, a_to - a_from);
    tool_.out().character(' ');
    range('+', b_from, changes[last].b_to + tail - b_from);
    tool_.out().text(" @@\n");
    u64 x = a_from;
    for (u64 i = first; i <= last; ++i) {
      for (; x < changes[i].a_from; ++x) print_line(" ", a, x);
      for (; x < changes[i].a_to; ++x) print_line("-", a, x);
      for (u64 y = changes[i].b_from; y < changes[i].b_to; ++y) print_line("+", b, y);
    }
    for (; x < a_to; ++x) print_line(" ", a, x);
    first = last + 1;
  }
}

i32 Diff::compare_files(std::string_view a_name, std::string_view b_name) {
  Side a(tool_.heap());
  Side b(tool_.heap());
  if (!load(a_name, a) || !load(b_name, b)) return kTrouble;
  if (a.text == b.text) return 0;
  const bool binary =
      a.text.view().find('\0') != std::string_view::npos || b.text.view().find('\0') != std::string_view::npos;
  if (flags_.brief || binary) {
    tool_.out().format("{} {} and {} differ\n", flags_.brief ? "Files" : "Binary files", a_name, b_name);
    return kDiffer;
  }
  const base::Vector<Change> changes = changes_of(a, b);
  if (in_directories_) tool_.out().format("{} {} {}\n", command_, a_name, b_name);
  if (flags_.unified) {
    print_unified(a, b, changes.span());
  } else {
    print_normal(a, b, changes.span());
  }
  return kDiffer;
}

i32 Diff::compare_directories(std::string_view a, std::string_view b, u32 depth) {
  auto left = tool_.process().list(a);
  auto right = tool_.process().list(b);
  const bool trouble = !left.ok() || !right.ok() || depth == kDepthMax;
  if (trouble) {
    tool_.error(left.ok() ? b : a, !left.ok()    ? left.error()
                                   : !right.ok() ? right.error()
                                                 : Error(ErrorCode::NameTooLong));
    return kTrouble;
  }
  i32 status = 0;
  for (u64 i = 0, j = 0; i < left->size() || j < right->size();) {
    const int order = i == left->size()    ? 1
                      : j == right->size() ? -1
                                           : (*left)[i].name.compare((*right)[j].name.view());
    const base::String& name = order <= 0 ? (*left)[i].name : (*right)[j].name;
    base::String x(tool_.heap(), a);
    x.append("/").append(name.view());
    base::String y(tool_.heap(), b);
    y.append("/").append(name.view());
    if (order != 0 && !flags_.new_files) {
      tool_.out().format("Only in {}: {}\n", order < 0 ? a : b, name);
      status = std::max(status, kDiffer);
    } else {
      status = std::max(status, compare(x, y, depth + 1));
    }
    i += order <= 0 ? 1 : 0;
    j += order >= 0 ? 1 : 0;
  }
  return status;
}

i32 Diff::compare(std::string_view a, std::string_view b, u32 depth) {
  const auto is_directory = [this](std::string_view name) {
    const auto facts = tool_.process().stat(name);
    return name != "-" && facts.ok() && facts->kind == Kind::Directory;
  };
  const bool a_directory = is_directory(a);
  const bool b_directory = is_directory(b);
  if (a_directory && b_directory) {
    if (depth > 0 && !flags_.recursive) {
      tool_.out().format("Common subdirectories: {} and {}\n", a, b);
      return 0;
    }
    in_directories_ = true;
    return compare_directories(a, b, depth);
  }
  if (a_directory == b_directory) return compare_files(a, b);
  if (depth > 0) {
    tool_.out().format("File {} is a {} while file {} is a {}\n", a, a_directory ? "directory" : "regular file", b,
                       b_directory ? "directory" : "regular file");
    return kDiffer;
  }
  // A file and a directory: the file of that name in it.
  const std::string_view file = a_directory ? b : a;
  base::String inside(tool_.heap(), a_directory ? a : b);
  inside.append("/").append(file.substr(file.rfind('/') + 1));
  return a_directory ? compare_files(inside, b) : compare_files(a, inside);
}

}  // namespace

i32 diff_main(Process& process) {
  Tool tool(process,
            "usage: diff [-uqrN] [-U N] A B\n  -u  unified, with three lines around; -U with N\n  -q  only whether\n"
            "  -r  directories, with all below\n  -N  a file that is not there is an empty one");
  Flags flags;
  Options options(tool, "uqrNU:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'u': flags.unified = true; break;
      case 'q': flags.brief = true; break;
      case 'r': flags.recursive = true; break;
      case 'N': flags.new_files = true; break;
      default: {
        const auto value = base::parse_u64(options.value());
        if (!value.ok() || *value > kContextMax) return tool.bad_use("bad number: {}", options.value());
        flags.unified = true;
        flags.context = *value;
      }
    }
  }
  const auto operands = options.operands();
  if (operands.size() < 2) return tool.bad_use("missing operand");
  if (operands.size() > 2) return tool.bad_use("extra operand: {}", operands[2]);
  const i32 status = Diff(tool, flags, operands.size()).compare(operands[0], operands[1], 0);
  const i32 finished = tool.finish();
  return finished != 0 && status != kTrouble && tool.out().failed() ? kTrouble : status;
}

}  // namespace user
