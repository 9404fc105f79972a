// user/init/reload.cpp — manifests read while the node runs: a process of its own (`loader`) reads them and hands them to
// init, which looks at all of them before it takes any.
#include <algorithm>

#include "base/format.h"
#include "user/init/services.h"
#include "user/runtime/call.h"
#include "user/runtime/files.h"
#include "user/runtime/spawn.h"

#include "fs/badge.h"
#include "user/runtime/state.h"

#include "base/enforce.h"

namespace user {

using Manager = schema::process::Process;

namespace {

constexpr std::string_view kFolders[] = {"=/boot/service", "/etc/service"};
constexpr std::string_view kBootService = "boot";
constexpr std::string_view kLoadFile = "/proc/supervisor/load";
constexpr u64 kManifestBytesMax = 4000;  // with its name in one write
constexpr u8 kLoaderPriority = 200;
constexpr std::size_t kNameBytesMax = 63;

}  // namespace

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────

/// `loader FOLDER…`: hands each manifest in the folders to the supervisor; `=FOLDER`, only of known services.
i32 loader_main(Process& process) {
  for (std::string_view folder : process.args().subspan(1)) {
    const bool known_only = folder.starts_with("=");
    if (known_only) folder.remove_prefix(1);
    const auto entries = process.list(folder);
    if (!entries.ok()) continue;  // a folder that is not there has none
    for (const DirectoryEntry& entry : *entries) {
      base::String path(process.heap(), folder);
      path.append("/").append(entry.name);
      const auto text = process.read_file(path.view(), kManifestBytesMax);
      if (!text.ok()) {
        report(process, path.view(), text.error());
        continue;
      }
      base::String data(process.heap(), known_only ? "=" : "");
      data.append(entry.name).append("\n").append(*text);
      if (!process.write_file(kLoadFile, data.view()).ok()) return 1;
    }
  }
  return 0;
}

Result<void> Services::reload() {
  if (loaded_) {
    loaded_ = false;
    return load_result_;
  }
  if (loader_ == 0) {
    const std::string_view args[] = {"loader", kFolders[0], kFolders[1]};
    loader_ = TRY(start_program(ProcessAccess::state(process_),
                                {.program = "loader", .args = args, .flags = kRfSession, .priority = kLoaderPriority}));
  }
  return fs::fail(ErrorCode::WouldBlock);
}

Result<void> Services::stage(std::string_view data) {
  const std::size_t end = std::min(data.find('\n'), data.size());
  std::string_view name = data.substr(0, end);
  if (loader_ == 0) return fs::fail(ErrorCode::OperationNotPermitted);
  if (name.starts_with("=")) {
    name.remove_prefix(1);
    if (find(name) == nullptr) return {};
  }
  if (name.empty() || name.size() > kNameBytesMax) return fs::fail(ErrorCode::BadFileName, name);
  if (staged_.size() == 2 * kServicesMax) return fs::fail(ErrorCode::NoSpaceLeft);
  staged_.push_back({base::String(process_.heap(), name),
                     base::String(process_.heap(), data.substr(std::min(end + 1, data.size()))), Manifest{}, false});
  return {};
}

Result<void> Services::start_all(std::string_view folder) {
  const auto entries = process_.list(folder);
  if (!entries.ok()) return entries.take_failure();
  for (const DirectoryEntry& entry : *entries) {
    base::String path(process_.heap(), folder);
    path.append("/").append(entry.name);
    base::String text = TRY(process_.read_file(path.view(), kManifestBytesMax));
    staged_.push_back({base::String(process_.heap(), entry.name), std::move(text), Manifest{}, false});
  }
  const Result<void> done = apply_staged();
  staged_.clear();
  return done;
}

// ── Checking ─────────────────────────────────────────────────────────────────────────────────────────────────

Services::Staged* Services::find_staged(std::string_view name) {
  for (Staged& staged : staged_) {
    if (staged.name == name && !staged.refused) return &staged;
  }
  return nullptr;
}

/// As it would be with all that is staged; null: there is no such service.
const Manifest* Services::manifest_of(std::string_view name) {
  if (const Staged* const staged = find_staged(name)) return &staged->manifest;
  const ServiceRecord* const record = find(name);
  return record == nullptr ? nullptr : &record->manifest;
}

/// Whether needs lead from one service to another; the way there, its end left out. Each service is looked at once.
bool Services::path_back(std::string_view from, std::string_view to, base::Vector<std::string_view>& path,
                         base::Vector<std::string_view>& seen) {
  if (std::find(seen.begin(), seen.end(), from) != seen.end()) return false;
  seen.push_back(from);
  path.push_back(from);
  const Manifest* const manifest = manifest_of(from);
  for (u32 i = 0; manifest != nullptr && i < manifest->need_count; ++i) {
    if (manifest->needs[i] == to || path_back(manifest->needs[i], to, path, seen)) return true;
  }
  path.pop_back();
  return false;
}

Result<void> Services::check_needs(Staged& staged) {
  char text[fs::kDetailBytesMax];
  for (u32 i = 0; i < staged.manifest.need_count; ++i) {
    const std::string_view needed = staged.manifest.needs[i];
    if (manifest_of(needed) != nullptr) continue;
    staged.refused = true;
    return fs::Error{ErrorCode::BadArgument, base::format(text, "{}: needs {}: not found", staged.name.view(), needed)};
  }
  base::Vector<std::string_view> path(process_.heap());
  base::Vector<std::string_view> seen(process_.heap());
  if (!path_back(staged.name.view(), staged.name.view(), path, seen)) return {};
  base::String cycle(process_.heap(), "dependency cycle: ");
  for (const std::string_view name : path) {
    cycle.append(name).append(" -> ");
    for (Staged& other : staged_) other.refused = other.refused || other.name == name;
  }
  cycle.append(staged.name.view());
  return fs::Error{ErrorCode::BadArgument, cycle.view()};
}

/// All that can be read is read and checked, then what is good is taken. The first error is the answer, each is logged.
Result<void> Services::apply_staged() {
  Result<void> first{};
  const auto failed = [&](const fs::Error& error) {
    base::String line(process_.heap(), "init: ");
    line.append(error.detail());
    log_line(line.view());
    if (first.ok()) first = error;
  };
  for (Staged& staged : staged_) {
    const auto manifest = parse_manifest(staged.text.view());
    if (manifest.ok()) {
      staged.manifest = *manifest;
      continue;
    }
    staged.refused = true;
    char text[fs::kDetailBytesMax];
    failed({ErrorCode::BadArgument, base::format(text, "{}:{}", staged.name.view(), manifest.error().detail())});
  }
  for (Staged& staged : staged_) {
    if (staged.refused) continue;
    const Result<void> checked = check_needs(staged);
    if (!checked.ok()) failed(checked.error());
  }
  for (Staged& staged : staged_) {
    if (staged.refused) continue;
    const Result<void> taken = take(staged);
    if (!taken.ok()) failed(taken.error());
  }
  return first;
}

// ── Taking ───────────────────────────────────────────────────────────────────────────────────────────────────

/// A service that is there keeps its server and has the new manifest from its next start on; a new one waits for what it
/// needs, and its clients for it.
Result<void> Services::take(Staged& staged) {
  if (ServiceRecord* const known = find(staged.name.view())) {
    if (known->text == staged.text.view()) return {};
    known->text = std::move(staged.text);
    known->manifest = TRY(parse_manifest(known->text.view()));
    note(*known, "reload");
    return {};
  }
  ServiceRecord record(process_.heap());
  record.name.assign(staged.name.view());
  record.text = std::move(staged.text);
  record.manifest = TRY(parse_manifest(record.text.view()));
  record.state = ServiceState::Waiting;
  TRY(add(std::move(record)));
  ServiceRecord& kept = records_.back();
  note(kept, "waiting");
  TRY(publish(kept));
  return mount_unattached(kept, kept.manifest.mount);
}

/// Whether what stands at `path` until now is of the boot image, whose server is always there.
bool Services::is_of_boot_image(std::string_view path) {
  const auto mounts = files_of(ProcessAccess::state(process_)).names().mounts();
  const auto covered = mounts.ok() ? find_covering(*mounts, path) : Result<Covered>(mounts.error());
  if (!covered.ok()) return false;
  for (u64 i = covered->first; i < covered->end; ++i) {
    if ((*mounts)[i].source != kBootService) return false;
  }
  return true;
}

/// The first session of a server is the system's, so init makes the root of its tree itself and waits for nobody.
Result<void> Services::mount_unattached(const ServiceRecord& record, const MountPlace& mount) {
  if (mount.path.empty() || record.manifest.service.empty()) return {};
  // A union begins with the directory that is there. In another server's tree it is only a place to mount at.
  if ((mount.flags & (kMountBefore | kMountAfter)) != 0 && is_of_boot_image(mount.path)) {
    TRY(process_.bind(mount.path, mount.path, kMountReplace | kMountCreate));
  }
  const u64 root = fs::Badge{fs::BadgeKind::Root, 0, 0, 0}.word();
  constexpr u64 kRights = kernel::kRightWrite | kernel::kRightGrant | kernel::kRightGrantReply;
  const sys::Answer minted =
      sys::invoke(kSlotCNode, sys::Invoke::CNodeMint,
                  {kSlotMountRoot, kSlotDepth, record.endpoint, kSlotDepth, kRights, root}, {kSlotCNode});
  if (!minted.ok()) return fs::fail(ErrorCode::IoError, record.name.view());
  const auto mounted = call<Manager::Mount>(kSlotRoot,
                                            {.path = mount.path,
                                             .flags = mount.flags,
                                             .source = record.manifest.service,
                                             .directory = schema::CapIndex::of(0)},
                                            {kSlotMountRoot});
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotMountRoot, kSlotDepth});
  if (!mounted.ok()) return mounted.take_failure();
  return {};
}

}  // namespace user
