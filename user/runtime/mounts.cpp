// user/runtime/mounts.cpp — see files.h: mount, bind and unmount. The table is the root manager's; what stands in it is
// found and attached here.
#include "fs/badge.h"
#include "user/runtime/files.h"

#include "base/enforce.h"

namespace user {

using Manager = schema::process::Process;
using schema::file::Directory;
using schema::file::Kind;
using schema::file::Service;

namespace {

constexpr u8 kRightsAll = schema::file::kRightRead | schema::file::kRightWrite | schema::file::kRightWalk;
constexpr u8 kRightsReadOnly = schema::file::kRightRead | schema::file::kRightWalk;

/// `@env`, `@fd`, `@self`: members that mean "of the process that asks".
bool special_kind(std::string_view service, MemberKind* kind) {
  if (service == "@env") {
    *kind = MemberKind::Environment;
  } else if (service == "@fd") {
    *kind = MemberKind::Descriptors;
  } else if (service == "@self") {
    *kind = MemberKind::Self;
  } else {
    return false;
  }
  return true;
}

Result<void> check_flags(u8 flags) {
  constexpr u8 kKnown = kMountReplace | kMountBefore | kMountAfter | kMountCreate | kMountReadOnly;
  if ((flags & ~kKnown) != 0) return fs::fail(ErrorCode::BadArgument);
  const u8 how = flags & (kMountReplace | kMountBefore | kMountAfter);
  if ((how & (how - 1)) != 0) return fs::fail(ErrorCode::BadArgument);  // more than one of them
  return {};
}

}  // namespace

/// Adds a member to the entry at `path`; its Directory is in `slot`, 0 for a special one.
Result<void> FileTable::add_member(std::string_view path, u8 flags, MemberKind kind, std::string_view source,
                                   std::string_view tree, u32 slot) {
  const Manager::Mount::Request request{.path = path,
                                        .flags = flags,
                                        .kind = kind,
                                        .source = source,
                                        .tree = tree,
                                        .directory = slot != 0 ? schema::CapIndex::of(0) : schema::CapIndex{}};
  const auto reply =
      slot != 0 ? call<Manager::Mount>(kSlotRoot, request, {slot}) : call<Manager::Mount>(kSlotRoot, request);
  if (!reply.ok()) return reply.take_failure();
  return {};
}

/// A union begun on a plain directory starts with that directory, and creation stays there.
Result<void> FileTable::begin_union(std::string_view old, u8 flags) {
  if ((flags & (kMountBefore | kMountAfter)) == 0) return {};
  const fs::Result<std::span<const Mount>> table = names_.mounts();
  if (!table.ok()) return table.take_failure();
  for (const Mount& mount : *table) {
    if (mount.path == old) return {};
  }
  TRY(walk(old, kRightsAll, kSlotScratch));
  const Result<void> added = add_member(old, kMountReplace | kMountCreate, MemberKind::Bound, old, "", kSlotScratch);
  Names::remove_slot(kSlotScratch);
  return added;
}

Result<void> FileTable::walk(std::string_view path, u8 rights, u32 slot) {
  base::String whole(memory_, path);
  TRY(names_.ask<Directory::Walk>(whole, Names::Want::Existing, slot, [&](std::string_view rest) {
    return Directory::Walk::Request{.path = rest, .rights = rights};
  }));
  return {};
}

/// Starts `/bin/NAME` as a server of its own; gives its pid, by which its service is found.
/// Without names of its own: it is not to keep alive what it stands in.
Result<u32> FileTable::start_private_server(std::string_view name) {
  base::String program(memory_, "/bin/");
  program.append(name);
  const Result<FileStat> facts = stat(program.view(), FollowLinks::Yes);
  if (!facts.ok()) return fs::fail(ErrorCode::NotFound, name);
  base::String arguments(memory_, name);
  arguments.push('\0');
  const auto spawned = call<Manager::Spawn>(kSlotRoot, {.program = name,
                                                        .flags = kRfNoWait | kRfNoteg | kRfCNameg,
                                                        .cwd = "/",
                                                        .umask = 022,
                                                        .arguments = base::bytes_of(arguments.view()),
                                                        .serve = true});
  if (!spawned.ok()) return spawned.take_failure();
  return spawned->pid;
}

/// Attaches to a service by what `mount` takes; the root Directory comes to `slot`.
Result<u32> FileTable::attach(std::string_view service, std::string_view tree, u32 slot) {
  constexpr std::string_view kPosted = "/srv/";
  const std::string_view name = service.starts_with(kPosted) ? service.substr(kPosted.size()) : service;
  if (name.empty() || name.find('/') != std::string_view::npos) return fs::fail(ErrorCode::NotFound, service);
  if (name.starts_with("tcp!")) return fs::fail(ErrorCode::NotSupported, service);
  sys::set_receive_slot(kSlotCNode, kSlotScratch, kSlotDepth);
  const auto posted = call_again<Manager::Service>(kSlotRoot, {.name = name});
  if (!posted.ok()) {
    if (!(posted.error() == ErrorCode::NotFound) || name.size() != service.size()) return posted.take_failure();
    char pid[16];
    const std::string_view number = base::format(pid, "{}", TRY(start_private_server(name)));
    sys::set_receive_slot(kSlotCNode, kSlotScratch, kSlotDepth);  // starting it may have fetched a Directory
    TRY(call_again<Manager::Service>(kSlotRoot, {.name = number}));
  }
  sys::set_receive_slot(kSlotCNode, slot, kSlotDepth);
  const auto root = call<Service::Attach>(kSlotScratch, {.tree = tree});
  Names::remove_slot(kSlotScratch);
  if (!root.ok()) return root.take_failure();
  return slot;
}

Result<void> FileTable::mount(std::string_view service, std::string_view old, u8 flags, std::string_view tree) {
  TRY(check_flags(flags));
  const base::String at = TRY(absolute(old));
  const FileStat facts = TRY(stat(at.view(), FollowLinks::Yes));
  if (facts.kind != Kind::Directory) return fs::fail(ErrorCode::NotADirectory);
  MemberKind kind = MemberKind::Mounted;
  if (special_kind(service, &kind)) {
    TRY(begin_union(at.view(), flags));
    return add_member(at.view(), flags, kind, service, tree, 0);
  }
  TRY(attach(service, tree, kSlotReceive));
  Result<void> result = begin_union(at.view(), flags);
  if (result.ok() && (flags & kMountReadOnly) != 0) {
    sys::set_receive_slot(kSlotCNode, kSlotScratch, kSlotDepth);
    const auto weaker = call<Directory::Walk>(kSlotReceive, {.rights = kRightsReadOnly});
    if (weaker.ok()) {
      result = add_member(at.view(), flags, kind, service, tree, kSlotScratch);
      Names::remove_slot(kSlotScratch);
    } else {
      result = weaker.error();
    }
  } else if (result.ok()) {
    result = add_member(at.view(), flags, kind, service, tree, kSlotReceive);
  }
  Names::remove_slot(kSlotReceive);
  return result;
}

Result<void> FileTable::bind(std::string_view new_name, std::string_view old, u8 flags) {
  TRY(check_flags(flags));
  const base::String from = TRY(absolute(new_name));
  const base::String at = TRY(absolute(old));
  const FileStat from_facts = TRY(stat(from.view(), FollowLinks::Yes));
  const FileStat at_facts = TRY(stat(at.view(), FollowLinks::Yes));
  const bool is_directory = from_facts.kind == Kind::Directory;
  if (is_directory != (at_facts.kind == Kind::Directory)) return fs::fail(ErrorCode::NotADirectory);
  if (!is_directory) {
    if ((flags & (kMountBefore | kMountAfter)) != 0) return fs::fail(ErrorCode::BadArgument);
    flags |= kMountNotDirectory;
  }
  const u8 rights = (flags & kMountReadOnly) != 0 ? kRightsReadOnly : kRightsAll;
  TRY(walk(from.view(), rights, kSlotReceive));
  Result<void> result = begin_union(at.view(), flags);
  if (result.ok()) result = add_member(at.view(), flags, MemberKind::Bound, from.view(), "", kSlotReceive);
  Names::remove_slot(kSlotReceive);
  if (!result.ok() || !is_directory || from == at) return result;
  // Entries below the new name are carried along; what is below the old one by now was put there by this bind.
  struct Carried {
    base::String path;
    base::String source;
    base::String tree;
    u32 member;
    u8 flags;
    MemberKind kind;
  };
  base::Vector<Carried> carried(memory_);
  const fs::Result<std::span<const Mount>> table = names_.mounts();
  if (!table.ok()) return table.take_failure();
  std::string_view last_path;
  for (const Mount& mount : *table) {
    if (mount.path == from || !fs::is_within(mount.path.view(), from.view())) continue;
    if (fs::is_within(mount.path.view(), at.view()) && fs::is_within(at.view(), from.view())) continue;
    base::String path(memory_, at.view() == "/" ? std::string_view{} : at.view());
    path.push('/');
    path.append(fs::below(mount.path.view(), from.view()));
    const u8 how = mount.path == last_path ? kMountAfter : kMountReplace;
    last_path = mount.path.view();
    const u8 read_only = flags & kMountReadOnly;
    carried.push_back({std::move(path), mount.source.clone(), mount.tree.clone(), mount.member,
                       static_cast<u8>((mount.flags & ~u8{7}) | how | read_only), mount.kind});
  }
  for (const Carried& one : carried) {
    const bool special = one.kind != MemberKind::Mounted && one.kind != MemberKind::Bound;
    u32 slot = 0;
    if (!special) slot = TRY(names_.directory_of(one.member));
    TRY(add_member(one.path.view(), one.flags, one.kind, one.source.view(), one.tree.view(), slot));
  }
  return {};
}

Result<void> FileTable::unmount(std::string_view new_name, std::string_view old) {
  const base::String at = TRY(absolute(old));
  u32 member = 0;
  if (!new_name.empty()) {
    const Result<base::String> as_path = absolute(new_name);
    const fs::Result<std::span<const Mount>> table = names_.mounts();
    if (!table.ok()) return table.take_failure();
    for (const Mount& mount : *table) {
      if (mount.path != at) continue;
      if (mount.source == new_name || (as_path.ok() && mount.source == as_path->view())) member = mount.member;
    }
    if (member == 0) return fs::fail(ErrorCode::NotMounted);
  }
  TRY(call<Manager::Unmount>(kSlotRoot, {.path = at.view(), .member = member}));
  return {};
}

}  // namespace user
