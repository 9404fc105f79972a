// user/root/names.cpp — namespaces: ordered entries of path → union of directories, shared or copied between processes,
// and the table of published services.
#include "base/emit.h"
#include "base/parse.h"
#include "user/root/manager.h"

#include "base/enforce.h"

namespace user::root {
namespace {

constexpr u8 kKeptFlags = kMountCreate | kMountReadOnly | kMountNotDirectory;

constexpr u8 kRightsToLook = schema::file::kRightRead | schema::file::kRightWalk;

bool is_special(MemberKind kind) { return kind != MemberKind::Mounted && kind != MemberKind::Bound; }

std::string_view special_name(MemberKind kind) {
  switch (kind) {
    case MemberKind::Environment: return "@env";
    case MemberKind::Descriptors: return "@fd";
    case MemberKind::Self: return "@self";
    case MemberKind::Mounted:
    case MemberKind::Bound: break;
  }
  return {};
}

bool needs_quotes(std::string_view word) {
  for (const char c : word) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("/._-+:,%@!").find(c) != std::string_view::npos;
    if (!plain) return true;
  }
  return word.empty();
}

}  // namespace

void append_word(base::String& out, std::string_view word) {
  if (!needs_quotes(word)) {
    out.append(word);
    return;
  }
  out.push('\'');
  for (const char c : word) {
    if (c == '\'') {
      out.append("'\\''");
    } else {
      out.push(c);
    }
  }
  out.push('\'');
}

Namespace& Manager::new_namespace() {
  return *new (memory_.allocate(sizeof(Namespace), alignof(Namespace))) Namespace(memory_);
}

Namespace& Manager::copy_namespace(const Namespace& names) {
  Namespace& copy = new_namespace();
  for (const MountEntry& entry : names.entries) {
    MountEntry& added = copy.entries.push_back({entry.path.clone(), entry.members.clone()});
    for (const MemberUse& use : added.members) use.member->references += 1;
  }
  return copy;
}

void Manager::join_namespace(ProcessRecord& record, Namespace& names) {
  leave_namespace(record);
  names.users.push_back(record);
  record.names = &names;
  buffer_of(record).reserved[kSharedNamespaceVersion] = names.version;
}

void Manager::leave_namespace(ProcessRecord& record) {
  Namespace* const names = record.names;
  if (names == nullptr) return;
  names->users.remove(record);
  record.names = nullptr;
  if (!names->users.empty()) return;
  for (MountEntry& entry : names->entries) {
    for (const MemberUse& use : entry.members) drop_member(*use.member);
  }
  names->~Namespace();
  memory_.release(names, sizeof *names);
  tell_unused();
}

void Manager::drop_member(Member& member) {
  member.references -= 1;
  if (member.references != 0) return;
  bool any_private = false;
  for (const Service& service : services_) any_private = any_private || service.is_private();
  const u64 endpoint = any_private && member.slot != 0 ? inspect_slot(own(member.slot)).object : 0;
  if (member.slot != 0) {
    remove(own(member.slot));
    slots_.give(member.slot);
  }
  member.~Member();
  memory_.release(&member, sizeof member);
  if (endpoint != 0) dropped_.push_back(endpoint);
}

/// What has been dropped is mounted somewhere less. If that was the last place of a private server, it is told, and ends
/// once nothing is open any more. Called when no namespace holds a dropped member any more.
void Manager::tell_unused() {
  for (const u64 endpoint : dropped_) tell_unused(endpoint);
  dropped_.clear();
}

void Manager::tell_unused(u64 endpoint) {
  for (const Service& service : services_) {
    if (!service.is_private() || inspect_slot(own(service.slot)).object != endpoint) continue;
    ProcessRecord* const server = find(service.pid);
    const bool runs = server != nullptr && server->state == ProcessState::Running;
    if (runs && !is_mounted(endpoint)) signal(*server, kSignalUnused);
    return;
  }
}

/// Whether a directory served on this endpoint stands in the namespace of any process.
bool Manager::is_mounted(u64 endpoint) {
  for (const ProcessRecord& at : by_pid_) {
    if (at.names == nullptr) continue;
    for (const MountEntry& entry : at.names->entries) {
      for (const MemberUse& use : entry.members) {
        if (use.member->slot != 0 && inspect_slot(own(use.member->slot)).object == endpoint) return true;
      }
    }
  }
  return false;
}

/// What a process served is served no more. Of a private server that is still mounted the endpoint stays with a stand-in,
/// which answers `server stopped` until the last mount goes: nobody is to wait there for ever.
void Manager::withdraw_all(const ProcessRecord& record) {
  for (u64 i = services_.size(); i-- > 0;) {
    Service& service = services_[i];
    if (service.pid != record.pid) continue;
    if (service.is_private() && is_mounted(inspect_slot(own(service.slot)).object)) {
      constexpr std::string_view kArguments{"stopped\0", 8};
      const auto stand_in = spawn(nullptr, {.program = "stopped", .arguments = kArguments, .served = service.slot});
      if (stand_in.ok()) {
        services_[i].pid = (*stand_in)->pid;
        continue;
      }
    }
    if (service.is_private()) {
      drop_private_endpoint({service.block, service.slot});
    } else {
      remove(own(service.slot));
      slots_.give(service.slot);
    }
    services_.erase(i);
  }
}

/// In the manager's memory, for the server may outlive whoever has it started; in a block of its own, so that it comes
/// back whole.
Result<Manager::PrivateEndpoint> Manager::make_private_endpoint() {
  const BlockId block = untyped_.take(UntypedPool::kBlockBitsMin, slots_);
  if (block == kNoBlock) return fs::fail(ErrorCode::OutOfMemory);
  const u32 slot = slots_.take();
  if (slot != 0 && retype(untyped_.slot_of(block), kernel::ObjectType::Endpoint, kSmallObjectBits, own(slot))) {
    return PrivateEndpoint{block, slot};
  }
  if (slot != 0) slots_.give(slot);
  untyped_.give(block);
  return fs::fail(ErrorCode::OutOfMemory);
}

/// Whoever still has a file open there finds its access revoked; who waits to be served is told so now.
void Manager::drop_private_endpoint(const PrivateEndpoint& endpoint) {
  revoke(own(untyped_.slot_of(endpoint.block)));
  untyped_.give(endpoint.block);
  slots_.give(endpoint.slot);
}

void Manager::changed(Namespace& names) {
  names.version += 1;
  for (ProcessRecord& user : names.users) buffer_of(user).reserved[kSharedNamespaceVersion] = names.version;
}

Result<u32> Manager::mount(ProcessRecord& record, const MountRequest& request) {
  if (record.no_mount) return fs::fail(ErrorCode::OperationNotPermitted);
  const u8 how = request.flags & (kMountReplace | kMountBefore | kMountAfter);
  if (request.source.size() > 2048 || request.tree.size() > 1024) return fs::fail(ErrorCode::NameTooLong);
  if (how == (kMountBefore | kMountAfter) || request.path.empty() || request.path[0] != '/') {
    return fs::fail(ErrorCode::BadArgument);
  }
  if ((request.flags & kMountNotDirectory) != 0 && (how & (kMountBefore | kMountAfter)) != 0) {
    return fs::fail(ErrorCode::BadArgument);
  }
  Namespace& names = *record.names;
  u64 index = 0;
  while (index < names.entries.size() && names.entries[index].path != request.path) index += 1;
  const bool is_new = index == names.entries.size();
  if (is_new && index == kMountEntriesMax) return fs::fail(ErrorCode::NoSpaceLeft);
  const bool replaces = (how & (kMountBefore | kMountAfter)) == 0;
  if (!is_new && !replaces && names.entries[index].members.size() == kUnionMembersMax) {
    return fs::fail(ErrorCode::NoSpaceLeft);
  }
  u64 members_now = 0;
  for (const MountEntry& entry : names.entries) members_now += entry.members.size();
  if (members_now >= bound_of(*record.realm, &Realm::mounts_max)) return fs::fail(ErrorCode::QuotaExceeded, "mounts");
  u32 slot = 0;
  if (!is_special(request.kind)) slot = TRY(keep_received());
  // ── point of no return ──
  Member& member = *new (memory_.allocate(sizeof(Member), alignof(Member))) Member(memory_);
  member.id = next_member_++;
  member.references = 1;
  member.slot = slot;
  member.kind = request.kind;
  member.source.assign(is_special(request.kind) ? special_name(request.kind) : request.source);
  member.tree.assign(request.tree);
  if (is_new) names.entries.push_back({base::String(memory_, request.path), base::Vector<MemberUse>(memory_)});
  base::Vector<MemberUse>& members = names.entries[index].members;
  if (replaces) {
    for (const MemberUse& use : members) drop_member(*use.member);
    members.clear();
  } else {
    for (u64 i = members.size(); i-- > 0;) {  // bound again: it moves and takes the new flags
      if (members[i].member->source != member.source || members[i].member->tree != member.tree) continue;
      drop_member(*members[i].member);
      members.erase(i);
    }
  }
  const MemberUse use{&member, static_cast<u8>(request.flags & kKeptFlags)};
  members.insert(how == kMountBefore ? 0 : members.size(), use);
  changed(names);
  tell_unused();
  base::tell_event(base::EventKind::FsMount, {record.pid, base::short_name(request.path)});
  return member.id;
}

Result<void> Manager::unmount(ProcessRecord& record, std::string_view path, u32 id) {
  if (record.no_mount) return fs::fail(ErrorCode::OperationNotPermitted);
  Namespace& names = *record.names;
  for (u64 i = 0; i < names.entries.size(); ++i) {
    MountEntry& entry = names.entries[i];
    if (entry.path != path) continue;
    bool found = id == 0;
    for (u64 m = entry.members.size(); m-- > 0;) {
      if (id != 0 && entry.members[m].member->id != id) continue;
      found = true;
      drop_member(*entry.members[m].member);
      entry.members.erase(m);
    }
    if (!found) break;
    if (entry.members.empty()) names.entries.erase(i);
    changed(names);
    tell_unused();
    base::tell_event(base::EventKind::FsUnmount, {record.pid, base::short_name(path)});
    return {};
  }
  return fs::fail(ErrorCode::NotMounted);
}

Result<u32> Manager::directory(ProcessRecord& record, u32 id) {
  for (const MountEntry& entry : record.names->entries) {
    for (const MemberUse& use : entry.members) {
      if (use.member->id != id) continue;
      if (const u8 instance = view_of(record, *use.member); instance != 0) {
        const bool read_only = (use.flags & kMountReadOnly) != 0;
        return view_directory(record, instance, read_only ? kRightsToLook : kRightsToLook | schema::file::kRightWrite);
      }
      if (use.member->slot != 0) return use.member->slot;
      if (use.member->kind == MemberKind::Descriptors) return fs::fail(ErrorCode::NotSupported);
      return own_directory(record, use.member->kind);
    }
  }
  return fs::fail(ErrorCode::NotMounted);
}

/// A capability to the process's own directory in /proc, or to its /env, made for this one answer.
Result<u32> Manager::own_directory(ProcessRecord& record, MemberKind kind) {
  const bool env = kind == MemberKind::Environment;
  u64& badge = env ? record.env_badge : record.self_badge;
  if (badge == 0) badge = env ? TRY(trees_->env_root(record)) : TRY(trees_->self_root(record));
  return minted_directory(badge);
}

/// Who lives in a realm below the root's finds its own realm in /realm, and only what it may know of in /proc, whoever
/// mounted them: a view of its own, 0 for everything else.
u8 Manager::view_of(const ProcessRecord& record, const Member& member) {
  if (record.realm == root_realm_ || member.kind != MemberKind::Mounted || !member.tree.empty()) return 0;
  const Service* const service = find_service(member.source.view());
  return service == nullptr || service->pid != 0 ? 0 : service->instance;
}

Result<u32> Manager::view_directory(ProcessRecord& record, u8 instance, u8 rights) {
  return minted_directory(TRY(trees_->view_root(record, instance, rights)));
}

Result<u32> Manager::minted_directory(u64 badge) {
  const u32 slot = TRY(take_slot());
  MUST_OK(mint(own(slot), own(endpoint_), kernel::kRightWrite | kernel::kRightGrant | kernel::kRightGrantReply, badge));
  send_temporary_ = true;
  return slot;
}

void Manager::append_namespace_text(const ProcessRecord& record, base::String& out) {
  for (const MountEntry& entry : record.names->entries) {
    bool first = true;
    for (const MemberUse& use : entry.members) {
      const Member& member = *use.member;
      const bool bound = member.kind == MemberKind::Bound;
      const bool create = (use.flags & kMountCreate) != 0;
      const bool read_only = (use.flags & kMountReadOnly) != 0;
      out.append(bound ? "bind" : "mount");
      if (!first || create || read_only) out.append(" -");
      if (!first) out.push('a');
      if (create) out.push('c');
      if (read_only) out.push('r');
      out.push(' ');
      append_word(out, member.source.view());
      out.push(' ');
      append_word(out, entry.path.view());
      if (!member.tree.empty()) {
        out.push(' ');
        append_word(out, member.tree.view());
      }
      out.push('\n');
      first = false;
    }
  }
  out.append("cd ");
  append_word(out, record.cwd.view());
  out.push('\n');
}

// ── Services ─────────────────────────────────────────────────────────────────────────────────────────────────

Service* Manager::find_service(std::string_view name) {
  u64 pid = 0;
  const auto number = base::parse_u64(name);
  if (number.ok()) pid = number.value();
  for (Service& service : services_) {
    if (service.name == name || (pid != 0 && service.pid == pid)) return &service;
  }
  return nullptr;
}

Result<void> Manager::publish(ProcessRecord& record, std::string_view name, bool per_client) {
  if (name.empty() || name.size() > 255 || name.find('/') != std::string_view::npos) {
    return fs::fail(ErrorCode::BadFileName, name);
  }
  if (find_service(name) != nullptr) return fs::fail(ErrorCode::AlreadyExists, name);
  const u32 slot = TRY(keep_received());
  services_.push_back({.name = base::String(memory_, name), .slot = slot, .pid = record.pid, .per_client = per_client});
  return {};
}

Result<void> Manager::withdraw(ProcessRecord& record, std::string_view name) {
  for (u64 i = 0; i < services_.size(); ++i) {
    if (services_[i].name != name) continue;
    if (services_[i].pid != record.pid) return fs::fail(ErrorCode::OperationNotPermitted);
    remove(own(services_[i].slot));
    slots_.give(services_[i].slot);
    services_.erase(i);
    return {};
  }
  return fs::fail(ErrorCode::NotFound, name);
}

}  // namespace user::root
