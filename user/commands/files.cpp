// user/commands/files.cpp — cat, mkdir, rmdir, touch, ln, readlink, truncate.
#include "user/commands/operands.h"
#include "user/lib/accounts.h"
#include "user/lib/dates.h"
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

using schema::file::kOpenCreate;
using schema::file::kOpenWrite;

constexpr u64 kBlockBytes = 4096;
// Bits of schema::file::Change::mask.
constexpr u16 kMaskMode = 1;
constexpr u16 kMaskModified = 8;
constexpr u16 kMaskAccessed = 16;
constexpr u16 kMaskBothNow = 64;

}  // namespace

i32 cat_main(Process& process) {
  Tool tool(process, "usage: cat [-n] [FILE…]\n  -n  number the lines");
  bool number = false;
  Options options(tool, "nu");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    number = number || option == 'n';
  }
  u64 line = 1;
  bool at_start = true;
  Operands files(tool, options.operands());
  while (files.next()) {
    u8 block[kBlockBytes];
    for (;;) {
      const auto got = process.read(files.fd(), block);
      if (!got.ok()) tool.error(files.name(), got.error());
      if (!got.ok() || *got == 0) break;
      const std::string_view text = base::text_of({block, *got});
      if (!number) {
        tool.out().text(text);
        // What came is shown at once: the next read may wait for a person.
        if (files.is_standard_input()) tool.out().flush();
        if (tool.out().failed()) return tool.finish();
        continue;
      }
      for (const char c : text) {
        if (at_start) tool.out().format("{:>6}\t", line++);
        at_start = c == '\n';
        tool.out().character(c);
      }
    }
  }
  return tool.finish();
}

i32 mkdir_main(Process& process) {
  Tool tool(process,
            "usage: mkdir [-pv] [-m MODE] DIRECTORY…\n  -p  parents too, and no complaint when it is there\n  -v  say "
            "what is made\n  -m  its mode");
  bool parents = false;
  bool verbose = false;
  u16 mode = 0777;
  bool has_mode = false;
  Options options(tool, "pvm:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'p': parents = true; break;
      case 'v': verbose = true; break;
      default:
        if (!parse_mode(options.value(), 0777, mode))
          return tool.bad_use("{}: {}", options.value(), fs::text_of(ErrorCode::BadArgument));
        has_mode = true;
        break;
    }
  }
  if (options.operands().empty()) return tool.bad_use("missing operand");
  for (const std::string_view name : options.operands()) {
    for (u64 at = parents ? name.find('/', 1) : std::string_view::npos; at != std::string_view::npos;
         at = name.find('/', at + 1)) {
      const auto made = process.make_directory(name.substr(0, at));
      if (made.ok() && verbose) tool.out().format("mkdir: made {}\n", name.substr(0, at));
    }
    const auto made = process.make_directory(name, mode);
    if (made.ok()) {
      if (verbose) tool.out().format("mkdir: made {}\n", name);
      if (has_mode) (void)process.change(name, {.mask = kMaskMode, .mode = mode}).ok();
      continue;
    }
    const auto stat = process.stat(name);
    const bool there =
        made.error().code == ErrorCode::AlreadyExists && stat.ok() && stat->kind == schema::file::Kind::Directory;
    if (!(parents && there)) tool.error(name, made.error());
  }
  return tool.finish();
}

i32 rmdir_main(Process& process) {
  Tool tool(process, "usage: rmdir [-p] DIRECTORY…\n  -p  its parents too, as far as they are empty");
  bool parents = false;
  Options options(tool, "p");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    parents = true;
  }
  if (options.operands().empty()) return tool.bad_use("missing operand");
  for (const std::string_view operand : options.operands()) {
    std::string_view name = operand;
    for (;;) {
      while (name.size() > 1 && name.ends_with("/")) name.remove_suffix(1);
      const auto removed = process.remove_directory(name);
      if (!removed.ok()) {
        tool.error(name, removed.error());
        break;
      }
      const u64 slash = name.rfind('/');
      if (!parents || slash == std::string_view::npos || slash == 0) break;
      name = name.substr(0, slash);
    }
  }
  return tool.finish();
}

i32 touch_main(Process& process) {
  Tool tool(
      process,
      "usage: touch [-acm] [-d TIME | -r FILE] FILE…\n  -a  the time of access\n  -m  the time of change\n  -c  make "
      "no file\n  -d  that time, 'YYYY-MM-DD HH:MM:SS' or @SECONDS\n  -r  the times of that file");
  bool access = false;
  bool modify = false;
  bool no_create = false;
  std::string_view reference;
  std::string_view moment;
  Options options(tool, "acmd:r:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'a': access = true; break;
      case 'm': modify = true; break;
      case 'c': no_create = true; break;
      case 'd': moment = options.value(); break;
      default: reference = options.value(); break;
    }
  }
  if (options.operands().empty()) return tool.bad_use("missing operand");
  schema::file::Change change{.mask = kMaskBothNow};
  if (access != modify || !reference.empty() || !moment.empty()) {
    change.mask = static_cast<u16>((modify || !access ? kMaskModified : 0) | (access || !modify ? kMaskAccessed : 0));
    change.modified = change.accessed = process.wall_ns();
    if (!moment.empty()) {
      i64 seconds = 0;
      if (!parse_moment(moment, zone_of(process), seconds)) return tool.bad_use("bad time: {}", moment);
      change.modified = change.accessed = seconds * 1'000'000'000;
    }
    if (!reference.empty()) {
      const auto stat = process.stat(reference);
      if (!stat.ok()) {
        tool.error(reference, stat.error());
        return tool.finish();
      }
      change.modified = stat->modified_ns;
      change.accessed = stat->accessed_ns;
    }
  }
  for (const std::string_view name : options.operands()) {
    auto changed = process.change(name, change);
    if (!changed.ok() && changed.error().code == ErrorCode::NotFound) {
      if (no_create) continue;
      const auto made = process.open(name, kOpenWrite | kOpenCreate);
      if (!made.ok()) {
        tool.error(name, made.error());
        continue;
      }
      (void)process.close(*made).ok();
      if (reference.empty() && moment.empty()) continue;
      changed = process.change(name, change);
    }
    if (!changed.ok()) tool.error(name, changed.error());
  }
  return tool.finish();
}

i32 truncate_main(Process& process) {
  Tool tool(process,
            "usage: truncate -s [+-]SIZE FILE…\n       truncate FILE SIZE\n  -s  the new size; + and - change the "
            "present one");
  std::string_view size;
  Options options(tool, "s:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    size = options.value();
  }
  auto operands = options.operands();
  if (size.empty() && operands.size() == 2 && base::parse_size(operands[1]).ok()) {
    size = operands[1];
    operands = operands.first(1);
  }
  const bool grow = size.starts_with("+");
  const bool shrink = size.starts_with("-");
  const auto value = base::parse_size(grow || shrink ? size.substr(1) : size);
  if (size.empty()) return tool.bad_use("missing value: -s");
  if (!value.ok()) return tool.bad_use("bad number: {}", size);
  if (operands.empty()) return tool.bad_use("missing operand");
  for (const std::string_view name : operands) {
    const auto file = process.open(name, kOpenWrite | kOpenCreate);
    if (!file.ok()) {
      tool.error(name, file.error());
      continue;
    }
    u64 wanted = *value;
    const auto stat = process.stat_fd(*file);
    if (stat.ok() && grow) wanted = stat->size + *value;
    if (stat.ok() && shrink) wanted = stat->size - std::min(stat->size, *value);
    const auto cut = process.truncate(*file, wanted);
    if (!cut.ok()) tool.error(name, cut.error());
    (void)process.close(*file).ok();
  }
  return tool.finish();
}

i32 ln_main(Process& process) {
  Tool tool(
      process,
      "usage: ln [-fsv] TARGET [NAME]\n  -s  a symbolic link\n  -f  replace what is there\n  -v  say what is made");
  bool symbolic = false;
  bool force = false;
  bool verbose = false;
  Options options(tool, "fsv");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 's': symbolic = true; break;
      case 'f': force = true; break;
      default: verbose = true; break;
    }
  }
  const auto operands = options.operands();
  if (operands.empty()) return tool.bad_use("missing operand");
  if (operands.size() > 2) return tool.bad_use("extra operand: {}", operands[2]);
  const std::string_view target = operands[0];
  const std::string_view last = target.substr(target.rfind('/') == std::string_view::npos ? 0 : target.rfind('/') + 1);
  base::String name(process.heap(), operands.size() == 2 ? operands[1] : last);
  const auto stat = process.stat(name);
  if (stat.ok() && stat->kind == schema::file::Kind::Directory) name.append("/").append(last);
  if (force) (void)process.remove(name).ok();
  const auto made = symbolic ? process.symlink(target, name) : process.link(target, name);
  if (!made.ok()) {
    tool.error(name, made.error());
  } else if (verbose) {
    tool.out().format("{} -> {}\n", name, target);
  }
  return tool.finish();
}

i32 readlink_main(Process& process) {
  Tool tool(process, "usage: readlink FILE…");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  if (options.operands().empty()) return tool.bad_use("missing operand");
  for (const std::string_view name : options.operands()) {
    const auto target = process.read_link(name);
    if (target.ok()) {
      tool.out().format("{}\n", *target);
    } else {
      tool.error(name, target.error());
    }
  }
  return tool.finish();
}

}  // namespace user
