// user/commands/list.cpp — ls.
#include <algorithm>

#include "base/utf8.h"
#include "user/lib/accounts.h"
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

using schema::file::Kind;

constexpr std::string_view kUsage =
    "usage: ls [-aACdFhilnprRSt1] [FILE…]\n  -a  names that begin with a dot too, . and ..\n  -A  those without . and "
    "..\n"
    "  -C  in columns\n  -d  a directory itself, not what is in it\n  -F  mark / @ * |\n  -h  sizes in K, M, G\n  -i  "
    "file ids\n"
    "  -l  long lines\n  -n  long, owners as numbers\n  -p  mark directories\n  -r  backwards\n  -R  directories below "
    "too\n"
    "  -S  by size\n  -t  by time\n  -1  one a line";
constexpr u32 kDepthMax = 128;

struct Flags {
  bool all = false;
  bool almost_all = false;
  bool columns = false;
  bool directory_itself = false;
  bool mark = false;
  bool mark_directories = false;
  bool human = false;
  bool ids = false;
  bool long_lines = false;
  bool numeric = false;
  bool reverse = false;
  bool recursive = false;
  bool by_size = false;
  bool by_time = false;
};

struct Item {
  base::String name;  // as shown
  base::String path;
  FileStat stat;
};

class Lister {
 public:
  Lister(Tool& tool, const Flags& flags) : tool_(tool), flags_(flags), accounts_(tool.process()) {}

  void operands(std::span<const std::string_view> names);

 private:
  void sort(base::Vector<Item>& items) const;
  void directory(std::string_view path, bool titled, u32 depth);
  void print(base::Vector<Item>& items);
  void print_long(base::Vector<Item>& items);
  void print_columns(base::Vector<Item>& items);
  void print_name(const Item& item);
  base::String shown_size(const FileStat& stat);

  Tool& tool_;
  Flags flags_;
  Accounts accounts_;
  bool printed_ = false;
  i64 now_ns_ = 0;
};

char letter_of(Kind kind) {
  switch (kind) {
    case Kind::Directory: return 'd';
    case Kind::Link: return 'l';
    case Kind::Stream:
    case Kind::Fifo: return 'p';
    case Kind::Socket: return 's';
    case Kind::BlockNode: return 'b';
    case Kind::Control:
    case Kind::Service:
    case Kind::Device:
    case Kind::CharNode: return 'c';
    default: return '-';
  }
}

void Lister::sort(base::Vector<Item>& items) const {
  // total: equal names are one file
  std::sort(items.begin(), items.end(), [this](const Item& a, const Item& b) {
    if (flags_.by_size && a.stat.size != b.stat.size) return (a.stat.size > b.stat.size) != flags_.reverse;
    if (flags_.by_time && a.stat.modified_ns != b.stat.modified_ns)
      return (a.stat.modified_ns > b.stat.modified_ns) != flags_.reverse;
    const int order = a.name.view().compare(b.name.view());
    return flags_.reverse ? order > 0 : order < 0;
  });
}

void Lister::operands(std::span<const std::string_view> names) {
  now_ns_ = tool_.process().wall_ns();
  base::Vector<Item> files(tool_.heap());
  base::Vector<Item> directories(tool_.heap());
  for (const std::string_view name : names) {
    auto stat = tool_.process().stat(name, flags_.long_lines || flags_.mark ? FollowLinks::No : FollowLinks::Yes);
    if (!stat.ok() && !flags_.long_lines) stat = tool_.process().stat(name, FollowLinks::No);
    if (!stat.ok()) {
      tool_.error(name, stat.error());
      continue;
    }
    Item item{base::String(tool_.heap(), name), base::String(tool_.heap(), name), *stat};
    const bool listed = stat->kind == Kind::Directory && !flags_.directory_itself;
    (listed ? directories : files).push_back(std::move(item));
  }
  sort(files);
  sort(directories);
  print(files);
  printed_ = !files.empty();
  for (const Item& item : directories) directory(item.path, names.size() > 1 || flags_.recursive, 0);
}

void Lister::directory(std::string_view path, bool titled, u32 depth) {
  auto entries = tool_.process().list(path);
  if (!entries.ok()) return tool_.error(path, entries.error());
  if (titled) {
    tool_.out().format("{}{}:\n", printed_ ? "\n" : "", path);
    printed_ = true;
  }
  base::Vector<Item> items(tool_.heap());
  const auto join = [&](std::string_view name) {
    base::String full(tool_.heap(), path);
    if (!full.ends_with("/")) full.push('/');
    full.append(name);
    return full;
  };
  if (flags_.all) {
    for (const std::string_view name : {std::string_view("."), std::string_view("..")}) {
      const auto stat = tool_.process().stat(join(name));
      if (stat.ok()) items.push_back({base::String(tool_.heap(), name), join(name), *stat});
    }
  }
  for (DirectoryEntry& entry : *entries) {
    if (entry.name.starts_with(".") && !flags_.all && !flags_.almost_all) continue;
    base::String full = join(entry.name);
    items.push_back({std::move(entry.name), std::move(full), entry.stat});
  }
  tool_.process().work(items.size() * 4 + 1);
  sort(items);
  if (flags_.long_lines) {
    u64 kib = 0;
    for (const Item& item : items) kib += (item.stat.allocated + 1023) / 1024;
    tool_.out().format("total {}\n", kib);
  }
  print(items);
  printed_ = true;
  if (!flags_.recursive) return;
  if (depth >= kDepthMax) return tool_.error(path, ErrorCode::NameTooLong);
  for (const Item& item : items) {
    if (item.stat.kind == Kind::Directory && item.name != "." && item.name != "..")
      directory(item.path, true, depth + 1);
  }
}

base::String Lister::shown_size(const FileStat& stat) {
  base::String text(tool_.heap());
  if (!flags_.human || stat.size < 1024) {
    text.append_format("{}", stat.size);
    return text;
  }
  static constexpr char kUnits[] = {'K', 'M', 'G', 'T'};
  u64 tenths = stat.size * 10;
  u32 unit = 0;
  for (tenths = (tenths + 1023) / 1024; tenths >= 10240 && unit + 1 < std::size(kUnits); ++unit)
    tenths = (tenths + 1023) / 1024;
  if (tenths < 100) {
    text.append_format("{}.{}{}", tenths / 10, tenths % 10, kUnits[unit]);
  } else {
    text.append_format("{}{}", (tenths + 9) / 10, kUnits[unit]);
  }
  return text;
}

void Lister::print_name(const Item& item) {
  tool_.out().text(item.name);
  const Kind kind = item.stat.kind;
  if (kind == Kind::Directory && (flags_.mark || flags_.mark_directories)) tool_.out().character('/');
  if (!flags_.mark) return;
  if (kind == Kind::Link && !flags_.long_lines) tool_.out().character('@');
  if (kind == Kind::Fifo || kind == Kind::Stream) tool_.out().character('|');
  if (kind == Kind::File && (item.stat.mode & 0111) != 0) tool_.out().character('*');
}

void Lister::print(base::Vector<Item>& items) {
  if (flags_.long_lines) return print_long(items);
  if (flags_.columns) return print_columns(items);
  for (const Item& item : items) {
    if (flags_.ids) tool_.out().format("{} ", item.stat.id);
    print_name(item);
    tool_.out().character('\n');
  }
}

void Lister::print_long(base::Vector<Item>& items) {
  constexpr i64 kHalfYearNs = i64{182} * 86'400 * 1'000'000'000;
  base::Vector<base::String> owners(tool_.heap());
  base::Vector<base::String> groups(tool_.heap());
  u64 widths[4] = {};
  char digits[24];
  for (const Item& item : items) {
    owners.push_back(flags_.numeric ? base::String(tool_.heap()) : accounts_.user_name(item.stat.uid));
    groups.push_back(flags_.numeric ? base::String(tool_.heap()) : accounts_.group_name(item.stat.gid));
    if (owners.back().empty()) owners.back().append_format("{}", item.stat.uid);
    if (groups.back().empty()) groups.back().append_format("{}", item.stat.gid);
    widths[0] = std::max<u64>(widths[0], base::format(std::span<char>(digits), "{}", item.stat.links).size());
    widths[1] = std::max(widths[1], owners.back().size());
    widths[2] = std::max(widths[2], groups.back().size());
    widths[3] = std::max(widths[3], shown_size(item.stat).size());
  }
  const auto pad = [this](u64 have, u64 width) {
    for (; have < width; ++have) tool_.out().character(' ');
  };
  for (u64 i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    if (flags_.ids) tool_.out().format("{} ", item.stat.id);
    tool_.out().character(letter_of(item.stat.kind));
    tool_.out().text(mode_text(item.stat.mode));
    const std::string_view links = base::format(std::span<char>(digits), "{}", item.stat.links);
    tool_.out().character(' ');
    pad(links.size(), widths[0]);
    tool_.out().format("{} {}", links, owners[i]);
    pad(owners[i].size(), widths[1]);
    tool_.out().format(" {}", groups[i]);
    pad(groups[i].size(), widths[2]);
    const base::String size = shown_size(item.stat);
    tool_.out().character(' ');
    pad(size.size(), widths[3]);
    const CivilTime time = civil_time(item.stat.modified_ns);
    tool_.out().format("{} {} {:>2} ", size, month_name(time.month), time.day);
    const bool recent = item.stat.modified_ns > now_ns_ - kHalfYearNs && item.stat.modified_ns <= now_ns_ + kHalfYearNs;
    if (recent) {
      tool_.out().format("{:02}:{:02} ", time.hour, time.minute);
    } else {
      tool_.out().format(" {} ", time.year);
    }
    print_name(item);
    if (item.stat.kind == Kind::Link) {
      const auto target = tool_.process().read_link(item.path);
      if (target.ok()) tool_.out().format(" -> {}", *target);
    }
    tool_.out().character('\n');
  }
}

void Lister::print_columns(base::Vector<Item>& items) {
  constexpr u64 kScreenColumns = 80;
  u64 widest = 1;
  for (const Item& item : items) widest = std::max(widest, base::display_width(item.name.view()) + 1);
  const u64 columns = std::max<u64>(1, kScreenColumns / (widest + 1));
  const u64 rows = (items.size() + columns - 1) / columns;
  for (u64 row = 0; row < rows; ++row) {
    for (u64 i = row; i < items.size(); i += rows) {
      print_name(items[i]);
      if (i + rows >= items.size()) break;
      for (u64 width = base::display_width(items[i].name.view()); width < widest + 1; ++width)
        tool_.out().character(' ');
    }
    tool_.out().character('\n');
  }
}

}  // namespace

i32 ls_main(Process& process) {
  Tool tool(process, kUsage);
  Flags flags;
  Options options(tool, "aACdFhilnprRSt1");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'a': flags.all = true; break;
      case 'A': flags.almost_all = true; break;
      case 'C': flags.columns = true; break;
      case 'd': flags.directory_itself = true; break;
      case 'F': flags.mark = true; break;
      case 'h': flags.human = true; break;
      case 'i': flags.ids = true; break;
      case 'n':
        flags.numeric = true;
        flags.long_lines = true;
        break;
      case 'l': flags.long_lines = true; break;
      case 'p': flags.mark_directories = true; break;
      case 'r': flags.reverse = true; break;
      case 'R': flags.recursive = true; break;
      case 'S': flags.by_size = true; break;
      case 't': flags.by_time = true; break;
      default: flags.columns = false; break;
    }
  }
  static constexpr std::string_view kHere[] = {"."};
  std::span<const std::string_view> names = options.operands();
  if (names.empty()) names = kHere;
  Lister(tool, flags).operands(names);
  return tool.finish();
}

}  // namespace user
