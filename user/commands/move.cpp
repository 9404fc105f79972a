// user/commands/move.cpp — cp, mv, rm: trees of files.
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

using schema::file::Kind;
using schema::file::kOpenCreate;
using schema::file::kOpenRead;
using schema::file::kOpenTruncate;
using schema::file::kOpenWrite;

constexpr u64 kBlockBytes = 4096;
constexpr u32 kDepthMax = 128;  // of a tree: recursion is bounded by a number

std::string_view last_name(std::string_view path) {
  while (path.size() > 1 && path.ends_with("/")) path.remove_suffix(1);
  const u64 slash = path.rfind('/');
  return slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1);
}

base::String join(base::Allocator& heap, std::string_view directory, std::string_view name) {
  base::String path(heap, directory);
  if (!path.ends_with("/")) path.push('/');
  path.append(name);
  return path;
}

struct CopyFlags {
  bool force = false;
  bool ask = false;
  bool preserve = false;
  bool recursive = false;
  bool verbose = false;
};

/// Whether a person says yes on the console.
bool confirmed(Tool& tool, std::string_view question, std::string_view path) {
  base::String text(tool.heap());
  text.append_format("{}: {} {}? ", tool.name(), question, path);
  (void)tool.process().write(tool.streams().err, base::bytes_of(text.view())).ok();
  Input input(tool.process(), tool.streams().in);
  base::String answer(tool.heap());
  const auto got = input.next(answer);
  return got.ok() && *got && (answer.starts_with("y") || answer.starts_with("Y"));
}

/// Removes a file or a tree; failures are told, the rest goes on.
bool remove_tree(Tool& tool, std::string_view path, u32 depth) {
  if (depth > kDepthMax) {
    tool.error(path, ErrorCode::NameTooLong);
    return false;
  }
  auto entries = tool.process().list(path);
  if (!entries.ok()) {
    tool.error(path, entries.error());
    return false;
  }
  bool all = true;
  for (const DirectoryEntry& entry : *entries) {
    const base::String child = join(tool.heap(), path, entry.name);
    if (entry.stat.kind == Kind::Directory) {
      all = remove_tree(tool, child, depth + 1) && all;
      continue;
    }
    const auto removed = tool.process().remove(child);
    if (removed.ok()) continue;
    tool.error(child, removed.error());
    all = false;
  }
  if (!all) return false;
  const auto removed = tool.process().remove_directory(path);
  if (!removed.ok()) tool.error(path, removed.error());
  return removed.ok();
}

bool copy_file(Tool& tool, std::string_view from, std::string_view to, const FileStat& stat, const CopyFlags& flags) {
  Process& process = tool.process();
  const auto source = process.open(from, kOpenRead);
  if (!source.ok()) {
    tool.error(from, source.error());
    return false;
  }
  auto target = process.open(to, kOpenWrite | kOpenCreate | kOpenTruncate, stat.mode & 0777);
  if (!target.ok() && flags.force) {
    (void)process.remove(to).ok();
    target = process.open(to, kOpenWrite | kOpenCreate | kOpenTruncate, stat.mode & 0777);
  }
  bool good = target.ok();
  if (!good) tool.error(to, target.error());
  u8 block[kBlockBytes];
  while (good) {
    const auto got = process.read(*source, block);
    if (!got.ok()) {
      tool.error(from, got.error());
      good = false;
    }
    if (!got.ok() || *got == 0) break;
    const auto written = process.write(*target, {block, *got});
    if (!written.ok()) {
      tool.error(to, written.error());
      good = false;
    }
  }
  (void)process.close(*source).ok();
  if (target.ok()) (void)process.close(*target).ok();
  return good;
}

bool copy(Tool& tool, std::string_view from, std::string_view to, const CopyFlags& flags, u32 depth) {
  Process& process = tool.process();
  if (depth > kDepthMax) {
    tool.error(from, ErrorCode::NameTooLong);
    return false;
  }
  const auto stat = process.stat(from, flags.recursive ? FollowLinks::No : FollowLinks::Yes);
  if (!stat.ok()) {
    tool.error(from, stat.error());
    return false;
  }
  const auto there = process.stat(to);
  if (there.ok() && there->id == stat->id && there->device == stat->device) {
    tool.complain("{}: same file as {}", from, to);
    return false;
  }
  if (there.ok() && flags.ask && there->kind != Kind::Directory && !confirmed(tool, "overwrite", to)) return false;
  bool good = true;
  if (stat->kind == Kind::Directory) {
    if (!flags.recursive) {
      tool.error(from, ErrorCode::IsADirectory);
      return false;
    }
    const base::String inside = process.absolute(to);
    const base::String outside = process.absolute(from);
    if (inside.view().starts_with(outside.view()) && inside.size() > outside.size() && inside[outside.size()] == '/') {
      tool.error(from, ErrorCode::InsideItself);
      return false;
    }
    if (!there.ok()) {
      const auto made = process.make_directory(to, static_cast<u16>((stat->mode & 0777) | 0700));
      if (!made.ok()) {
        tool.error(to, made.error());
        return false;
      }
    }
    auto entries = process.list(from);
    if (!entries.ok()) {
      tool.error(from, entries.error());
      return false;
    }
    for (const DirectoryEntry& entry : *entries) {
      good =
          copy(tool, join(tool.heap(), from, entry.name), join(tool.heap(), to, entry.name), flags, depth + 1) && good;
    }
  } else if (stat->kind == Kind::Link) {
    const auto target = process.read_link(from);
    const auto made = target.ok() ? process.symlink(*target, to) : Result<void>(target.error());
    if (!made.ok()) tool.error(to, made.error());
    good = made.ok();
  } else {
    good = copy_file(tool, from, to, *stat, flags);
  }
  if (good && flags.preserve && stat->kind != Kind::Link) {
    constexpr u16 kModeOwnerTimes = 1 | 8 | 16;
    const auto changed = process.change(
        to,
        {.mask = kModeOwnerTimes, .mode = stat->mode, .modified = stat->modified_ns, .accessed = stat->accessed_ns});
    if (!changed.ok()) tool.error(to, changed.error());
  }
  if (good && flags.verbose) tool.out().format("{} -> {}\n", from, to);
  return good;
}

/// The target of one source: inside the last operand where that is a directory.
struct Targets {
  std::span<const std::string_view> sources;
  std::string_view last;
  bool into_directory = false;
};
bool targets_of(Tool& tool, std::span<const std::string_view> operands, Targets& targets) {
  if (operands.size() < 2) {
    tool.bad_use("missing operand");
    return false;
  }
  targets.sources = operands.first(operands.size() - 1);
  targets.last = operands.back();
  const auto stat = tool.process().stat(targets.last);
  targets.into_directory = stat.ok() && stat->kind == Kind::Directory;
  if (targets.sources.size() > 1 && !targets.into_directory) {
    tool.error(targets.last, stat.ok() ? ErrorCode::NotADirectory : stat.error().code);
    return false;
  }
  return true;
}

}  // namespace

i32 cp_main(Process& process) {
  Tool tool(process,
            "usage: cp [-afiprv] SOURCE… TARGET\n  -r  directories with all in them\n  -p  mode and times too\n  -a  "
            "as -rp\n  -f  replace "
            "what cannot be opened\n  -i  ask before overwriting\n  -v  say what is copied");
  CopyFlags flags;
  Options options(tool, "afiprvR");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'a': flags.recursive = flags.preserve = true; break;
      case 'f': flags.force = true; break;
      case 'i': flags.ask = true; break;
      case 'p': flags.preserve = true; break;
      case 'v': flags.verbose = true; break;
      default: flags.recursive = true; break;
    }
  }
  Targets targets;
  if (!targets_of(tool, options.operands(), targets)) return tool.finish();
  for (const std::string_view source : targets.sources) {
    const base::String target = targets.into_directory ? join(process.heap(), targets.last, last_name(source))
                                                       : base::String(process.heap(), targets.last);
    copy(tool, source, target, flags, 0);
  }
  return tool.finish();
}

i32 mv_main(Process& process) {
  Tool tool(process,
            "usage: mv [-finv] SOURCE… TARGET\n  -f  never ask\n  -i  ask before overwriting\n  -n  never overwrite\n  "
            "-v  say what is moved");
  bool ask = false;
  bool never = false;
  bool verbose = false;
  Options options(tool, "finv");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'f': ask = never = false; break;
      case 'i': ask = true; break;
      case 'n': never = true; break;
      default: verbose = true; break;
    }
  }
  Targets targets;
  if (!targets_of(tool, options.operands(), targets)) return tool.finish();
  for (const std::string_view source : targets.sources) {
    const base::String target = targets.into_directory ? join(process.heap(), targets.last, last_name(source))
                                                       : base::String(process.heap(), targets.last);
    const bool there = (ask || never) && process.stat(target, FollowLinks::No).ok();
    if (there && (never || !confirmed(tool, "overwrite", target))) continue;
    auto moved = process.rename(source, target);
    if (!moved.ok() && moved.error().code == ErrorCode::DifferentServers) {
      const CopyFlags flags{.force = true, .preserve = true, .recursive = true};
      if (!copy(tool, source, target, flags, 0)) continue;
      const auto stat = process.stat(source, FollowLinks::No);
      if (stat.ok() && stat->kind == Kind::Directory) {
        remove_tree(tool, source, 0);
        continue;
      }
      moved = process.remove(source);
    }
    if (!moved.ok()) {
      tool.error(source, moved.error());
    } else if (verbose) {
      tool.out().format("{} -> {}\n", source, target);
    }
  }
  return tool.finish();
}

i32 rm_main(Process& process) {
  Tool tool(process,
            "usage: rm [-firRv] FILE…\n  -f  no complaint about what is missing\n  -i  ask before each\n  -r  "
            "directories with all in them\n  -v  say what is removed");
  bool force = false;
  bool ask = false;
  bool recursive = false;
  bool verbose = false;
  Options options(tool, "firRv");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'f': force = true; break;
      case 'i': ask = true; break;
      case 'v': verbose = true; break;
      default: recursive = true; break;
    }
  }
  if (options.operands().empty() && !force) return tool.bad_use("missing operand");
  for (const std::string_view name : options.operands()) {
    const std::string_view last = last_name(name);
    if (last == "." || last == ".." || process.absolute(name) == "/") {
      tool.error(name, ErrorCode::OperationNotPermitted);
      continue;
    }
    const auto stat = process.stat(name, FollowLinks::No);
    if (!stat.ok()) {
      if (!(force && stat.error().code == ErrorCode::NotFound)) tool.error(name, stat.error());
      continue;
    }
    if (stat->kind == Kind::Directory && !recursive) {
      tool.error(name, ErrorCode::IsADirectory);
      continue;
    }
    const bool guarded = !force && (stat->mode & 0200) == 0 && process.is_console(kStdin);
    if ((ask || guarded) && !confirmed(tool, "remove", name)) continue;
    bool done = true;
    if (stat->kind == Kind::Directory) {
      done = remove_tree(tool, name, 0);
    } else {
      const auto removed = process.remove(name);
      done = removed.ok();
      if (!done) tool.error(name, removed.error());
    }
    if (done && verbose) tool.out().format("removed {}\n", name);
  }
  return tool.finish();
}

}  // namespace user
