#include "user/runtime/namespace_client.h"

#include "user/runtime/shared.h"
#include "user/runtime/state.h"

#include "base/enforce.h"

namespace user {

using Manager = schema::process::Process;
using schema::file::Directory;

Names::Names(base::Allocator& memory) : memory_(memory), mounts_(memory), services_(memory) {}

// ── The table ────────────────────────────────────────────────────────────────────────────────────────────────

Result<std::span<const Mount>> Names::mounts() {
  if (current_state().shared->reserved[kSharedNamespaceVersion] != version_) TRY(fetch());
  return std::span<const Mount>(mounts_.span());
}

Result<void> Names::fetch() {
  constexpr u32 kRoundsMax = 8;  // the table may change while it is read
  base::Vector<u8> message(memory_);
  for (u32 round = 0; round < kRoundsMax; ++round) {
    mounts_.clear();
    u64 version = 0;
    bool changed = false;
    for (u32 total = 1; mounts_.size() < total && !changed;) {
      const auto reply = call_again<Manager::Mounts>(kSlotRoot, {.from = static_cast<u32>(mounts_.size())});
      if (!reply.ok()) return reply.take_failure();
      const u32 count = reply->mounts.size();
      changed = !mounts_.empty() && reply->version != version;
      version = reply->version;
      total = reply->total;
      if (count == 0) break;
      // The list lies in the IPC buffer, which the heap may use when it grows.
      message.clear();
      message.append(message_body(kernel::MessageInfo{sys::frame().info}));
      const auto copy = schema::decode<Manager::Mounts::Reply>(message.span());
      if (!copy.ok()) return fs::fail(ErrorCode::ProtocolError);
      for (const schema::process::Mount mount : copy->mounts) {
        Mount& added = mounts_.emplace_back(memory_);
        added.member = mount.member;
        added.flags = mount.flags;
        added.kind = mount.kind;
        added.path.assign(mount.path);
        added.source.assign(mount.source);
        added.tree.assign(mount.tree);
      }
    }
    if (changed) continue;
    version_ = version;
    return {};
  }
  return fs::fail(ErrorCode::InUse);
}

// ── Directories ──────────────────────────────────────────────────────────────────────────────────────────────

void Names::remove_slot(u32 slot) {
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {slot, kSlotDepth});  // an empty slot is no error
}

/// A slot for this member: the one it has, an empty one, or that of the least recently used.
Result<u32> Names::slot_for(u32 member, bool* is_new) {
  u32 place = 0;
  for (u32 i = 0; i < std::size(cached_); ++i) {
    if (cached_[i].member == member) {
      cached_[i].last_use = ++uses_;
      *is_new = false;
      return kSlotDirectories + i;
    }
    if (cached_[i].last_use < cached_[place].last_use) place = i;
  }
  if (cached_[place].member != 0) remove_slot(kSlotDirectories + place);
  cached_[place] = {member, ++uses_};
  *is_new = true;
  return kSlotDirectories + place;
}

Result<u32> Names::directory_of(u32 member) {
  bool is_new = false;
  const u32 slot = TRY(slot_for(member, &is_new));
  if (!is_new) return slot;
  sys::set_receive_slot(kSlotCNode, slot, kSlotDepth);
  const auto reply = call_again<Manager::Directory>(kSlotRoot, {.member = member});
  if (reply.ok()) return slot;
  cached_[slot - kSlotDirectories] = {};
  return reply.take_failure();
}

Result<u32> Names::directory_of_service(std::string_view name) {
  u64 index = 0;
  while (index < services_.size() && services_[index] != name) index += 1;
  if (index == services_.size()) services_.emplace_back(memory_, name);
  bool is_new = false;
  const u32 slot = TRY(slot_for(kServiceMember + static_cast<u32>(index), &is_new));
  if (!is_new) return slot;
  cached_[slot - kSlotDirectories] = {};
  sys::set_receive_slot(kSlotCNode, kSlotScratch, kSlotDepth);
  TRY(call_again<Manager::Service>(kSlotRoot, {.name = name}));
  sys::set_receive_slot(kSlotCNode, slot, kSlotDepth);
  const auto root = call<schema::file::Service::Attach>(kSlotScratch, {});
  remove_slot(kSlotScratch);
  if (!root.ok()) return root.take_failure();
  cached_[slot - kSlotDirectories] = {kServiceMember + static_cast<u32>(index), ++uses_};
  return slot;
}

void Names::forget_directories() {
  for (u32 i = 0; i < std::size(cached_); ++i) {
    if (cached_[i].member != 0) remove_slot(kSlotDirectories + i);
    cached_[i] = {};
  }
}

/// A Directory of a server that was restarted: one got by attach is still good, one got by walk is walked again.
Result<void> Names::refresh(u32 member) {
  constexpr u32 kNestingMax = 4;  // what was bound may lie below something bound
  for (const Mount& mount : mounts_) {
    if (mount.member != member || mount.kind != MemberKind::Bound) continue;
    if (refreshing_ == kNestingMax) return fs::fail(ErrorCode::ServerRestarted);
    base::String source(memory_, mount.source.view());
    const bool read_only = (mount.flags & kMountReadOnly) != 0;
    refreshing_ += 1;
    const auto walked = ask<Directory::Walk>(source, Want::Existing, kSlotReceive, [&](std::string_view rest) {
      const u8 rights = schema::file::kRightRead | schema::file::kRightWalk;
      return Directory::Walk::Request{
          .path = rest, .rights = static_cast<u8>(read_only ? rights : rights | schema::file::kRightWrite)};
    });
    refreshing_ -= 1;
    if (!walked.ok()) return walked.take_failure();
    bool is_new = false;
    const u32 slot = TRY(slot_for(member, &is_new));
    if (!is_new) remove_slot(slot);
    sys::invoke(kSlotCNode, sys::Invoke::CNodeMove, {slot, kSlotDepth, kSlotReceive, kSlotDepth}, {kSlotCNode});
    return {};
  }
  return {};
}

// ── Paths ────────────────────────────────────────────────────────────────────────────────────────────────────

Result<Names::Target> Names::choose(std::string_view path, Want want) {
  const std::span<const Mount> table = TRY(mounts());
  const Covered covered = TRY(find_covering(table, path));
  const std::string_view entry = table[covered.first].path.view();
  const auto target_of = [&](const Mount& mount) -> Result<Target> {
    Target target{.member = mount.member, .kind = mount.kind, .rest = covered.rest, .entry = entry};
    if (mount.kind != MemberKind::Descriptors) target.slot = TRY(directory_of(mount.member));
    return target;
  };
  if (covered.end - covered.first == 1 || covered.rest.empty()) return target_of(table[covered.first]);
  // A union: the first member that has the first remaining name decides.
  fs::NameCursor names(covered.rest);
  const std::string_view first_name = names.next();
  fs::Error first_error;
  for (u64 i = covered.first; i < covered.end; ++i) {
    const Result<Target> target = target_of(table[i]);
    if (!target.ok()) {
      if (first_error.code == ErrorCode::None) first_error = target.error();
      continue;
    }
    const auto found = call<Directory::Stat>(target->slot, {.path = first_name, .no_follow = true});
    if (found.ok()) return target;
    if (!(found.error() == ErrorCode::NotFound) && first_error.code == ErrorCode::None) first_error = found.error();
  }
  if (want == Want::Create && names.done()) {
    for (u64 i = covered.first; i < covered.end; ++i) {
      if ((table[i].flags & kMountCreate) != 0) return target_of(table[i]);
    }
    if (first_error.code == ErrorCode::None) return fs::fail(ErrorCode::OperationNotPermitted);
  }
  if (first_error.code != ErrorCode::None) return first_error;
  return fs::fail(ErrorCode::NotFound);
}

/// The failure with the link's place is still in the IPC buffer.
Result<void> Names::go_on_at_link(const Target& target, base::String& path) {
  const auto failure = schema::decode<schema::file::Failure>(message_body(kernel::MessageInfo{sys::frame().info}));
  if (!failure.ok() || failure->target.size() > fs::kPathBytesMax) return fs::fail(ErrorCode::ProtocolError);
  const u32 consumed = failure->consumed;
  const base::String link(memory_, failure->target);
  base::String next(memory_);
  TRY(follow_link(target.entry, target.rest, consumed, link.view(), next));
  path = std::move(next);
  return {};
}

Result<void> Names::walk_to_parent(base::String& path, Want want, u32 receive_slot) {
  const std::span<const Mount> table = TRY(mounts());
  for (const Mount& mount : table) {
    if (mount.path == path) return fs::fail(ErrorCode::InUse);
  }
  const auto walked = ask<Directory::Walk>(path, want, receive_slot, [](std::string_view rest) {
    return Directory::Walk::Request{
        .path = fs::parent_path(rest),
        .rights = schema::file::kRightRead | schema::file::kRightWrite | schema::file::kRightWalk};
  });
  if (!walked.ok()) return walked.take_failure();
  return {};
}

}  // namespace user
