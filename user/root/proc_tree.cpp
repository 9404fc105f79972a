// user/root/proc_tree.cpp — /proc/N: what the manager knows of a process, and what may be done to it.
// Node ids    pid << 8 | place in kFiles + 1; 0 in the low bits is the process's directory, pid 0 the root.
#include "base/format.h"
#include "base/parse.h"
#include "user/root/manager.h"
#include "user/root/trees.h"
#include "user/runtime/notes.h"

#include "base/enforce.h"

namespace user::root {
namespace {

using fs::Attributes;
using fs::Caller;
using fs::Kind;
using fs::NodeId;

enum class ProcFile : u8 { Args, Caps, Ctl, Cwd, Env, Fd, Maps, Note, Notepg, Ns, Regs, Status, Wait };
struct Entry {
  std::string_view name;
  ProcFile file;
  Kind kind;
  u16 mode;
};
constexpr Entry kFiles[] = {
    {"args", ProcFile::Args, Kind::File, 0444},    {"ctl", ProcFile::Ctl, Kind::Control, 0600},
    {"cwd", ProcFile::Cwd, Kind::File, 0444},      {"env", ProcFile::Env, Kind::File, 0400},
    {"note", ProcFile::Note, Kind::Control, 0600}, {"notepg", ProcFile::Notepg, Kind::Control, 0600},
    {"ns", ProcFile::Ns, Kind::File, 0400},        {"status", ProcFile::Status, Kind::File, 0444},
    {"caps", ProcFile::Caps, Kind::File, 0400},    {"fd", ProcFile::Fd, Kind::File, 0400},
    {"maps", ProcFile::Maps, Kind::File, 0400},    {"regs", ProcFile::Regs, Kind::File, 0400},
    {"wait", ProcFile::Wait, Kind::Stream, 0400},
};
constexpr u32 kFileCount = std::size(kFiles);
constexpr NodeId kRootId = 0x100'0000'0000;  // pid 0 is nobody
constexpr NodeId kMeminfo = kRootId | 1;
constexpr NodeId kSelf = kRootId | 2;  // a place to mount @self on
constexpr NodeId kLoadavg = kRootId | 3;
constexpr u64 kPageBytes = 4096;

constexpr u32 pid_of(NodeId node) { return static_cast<u32>(node >> 8); }
constexpr NodeId node_of(u32 pid, u32 place) { return u64{pid} << 8 | place; }

std::string_view state_text(ProcessState state, const ThreadFacts& thread, bool asks) {
  switch (state) {
    case ProcessState::Held: return "ready";
    case ProcessState::Running: break;
    case ProcessState::Stopped: return "stopped";
    case ProcessState::Ending:
    case ProcessState::Zombie: return "zombie";
  }
  switch (static_cast<kernel::ThreadPlace>(thread.place)) {
    case kernel::ThreadPlace::Current: return "running";
    case kernel::ThreadPlace::Queued:
    case kernel::ThreadPlace::WaitsForBudget: return "ready";
    case kernel::ThreadPlace::Nowhere: return asks ? "running" : "blocked";
  }
  return {};
}

std::string_view wait_text(const ThreadFacts& thread) {
  if (static_cast<kernel::ThreadPlace>(thread.place) == kernel::ThreadPlace::WaitsForBudget) return "budget";
  switch (static_cast<kernel::ThreadState>(thread.state)) {
    case kernel::ThreadState::BlockedOnReceive: return "request";
    case kernel::ThreadState::BlockedOnSend: return "server";
    case kernel::ThreadState::BlockedOnReply: return "answer";
    case kernel::ThreadState::BlockedOnNotification: return "signal";
    case kernel::ThreadState::Inactive:
    case kernel::ThreadState::Running:
    case kernel::ThreadState::Restart: break;
  }
  return "-";
}

constexpr NodeId place_of(ProcFile file) {
  for (u32 i = 0; i < kFileCount; ++i) {
    if (kFiles[i].file == file) return i + 1;
  }
  return 0;
}

}  // namespace

fs::Result<NodeId> ProcTree::root(std::string_view tree, const Caller& caller) {
  if (tree.empty()) return kRootId;
  if (tree == "self" && caller.owner != 0) return node_of(static_cast<u32>(caller.owner), 0);
  return fs::fail(ErrorCode::NotFound, tree);
}

ProcessRecord* ProcTree::find(u32 pid, const Caller& caller) {
  ProcessRecord* const record = manager_.find(pid);
  if (record == nullptr || caller.owner == 0) return record;
  const ProcessRecord* const viewer = manager_.find(static_cast<u32>(caller.owner));
  return viewer != nullptr && manager_.sees(*viewer, *record) ? record : nullptr;
}

fs::Result<Attributes> ProcTree::stat(NodeId node, const Caller& caller) {
  Attributes attributes{.id = node};
  if (node == kRootId || node == kSelf) {
    attributes.kind = Kind::Directory;
    attributes.mode = 0555;
    return attributes;
  }
  if (node == kMeminfo || node == kLoadavg) {
    attributes.mode = 0444;
    return attributes;
  }
  const ProcessRecord* const record = find(pid_of(node), caller);
  const u32 place = node & 0xFF;
  if (record == nullptr || place > kFileCount) return fs::fail(ErrorCode::NotFound);
  attributes.uid = record->uid;
  attributes.gid = record->gid;
  attributes.kind = place == 0 ? Kind::Directory : kFiles[place - 1].kind;
  attributes.mode = place == 0 ? u16{0555} : kFiles[place - 1].mode;
  return attributes;
}

fs::Result<NodeId> ProcTree::lookup(NodeId directory, std::string_view name, const Caller& caller) {
  if (directory == kRootId) {
    if (name == "meminfo") return kMeminfo;
    if (name == "loadavg") return kLoadavg;
    if (name == "self") return kSelf;
    const auto pid = base::parse_u64(name);
    if (!pid.ok() || pid.value() > ~u32{0} || name.starts_with("0")) return fs::fail(ErrorCode::NotFound);
    if (find(static_cast<u32>(pid.value()), caller) == nullptr) return fs::fail(ErrorCode::NotFound);
    return node_of(static_cast<u32>(pid.value()), 0);
  }
  for (u32 i = 0; i < kFileCount && directory != kSelf; ++i) {
    if (kFiles[i].name == name) return directory | (i + 1);
  }
  return fs::fail(ErrorCode::NotFound);
}

fs::Result<void> ProcTree::list(fs::OpenFile& open, u64 cookie, fs::RecordWriter& out) {
  if (open.node == kSelf) return {};
  if (open.node != kRootId) {
    for (u64 i = cookie; i < kFileCount; ++i) {
      const Attributes attributes = TRY(stat(open.node | (i + 1), open.caller));
      if (!out.add(kFiles[i].name, attributes, i + 1)) return {};
    }
    return {};
  }
  // Processes first, by pid: a cookie is the pid listed last, plus one; then come meminfo
  // and loadavg.
  constexpr u64 kEnd = u64{1} << 33;
  if (cookie < kEnd - 1) {
    for (ProcessRecord* at = manager_.processes().lower_bound(static_cast<u32>(cookie)); at != nullptr;
         at = manager_.processes().next(*at)) {
      if (find(at->pid, open.caller) == nullptr) continue;
      char name[16];
      const Attributes attributes = TRY(stat(node_of(at->pid, 0), open.caller));
      if (!out.add(base::format(name, "{}", at->pid), attributes, u64{at->pid} + 1)) return {};
    }
  }
  if (cookie < kEnd && !out.add("meminfo", TRY(stat(kMeminfo, open.caller)), kEnd)) return {};
  if (cookie <= kEnd) out.add("loadavg", TRY(stat(kLoadavg, open.caller)), kEnd + 1);
  return {};
}

void ProcTree::close(fs::OpenFile& open) { snapshots_.forget(open); }

NodeId ProcTree::wait_node(u32 pid) { return node_of(pid, static_cast<u32>(place_of(ProcFile::Wait))); }

fs::Result<fs::ReadReply> ProcTree::read(fs::OpenFile& open, const fs::ReadRequest& request) {
  if (open.node < kRootId && open.node == wait_node(pid_of(open.node))) {
    ProcessRecord* const record = manager_.find(pid_of(open.node));
    if (record == nullptr) return fs::ReadReply{};
    base::String line(memory_);
    TRY(ended_child(*record, line));
    const u64 bytes = std::min<u64>(line.size(), request.room.size());
    if (bytes > 0) __builtin_memcpy(request.room.data(), line.data(), bytes);
    return fs::ReadReply{.data = request.room.first(bytes)};
  }
  return snapshots_.read(memory_, open, request, [&](base::String& out) { return text(open.node, out); });
}

fs::Result<void> ProcTree::status(ProcessRecord& record, base::String& out) {
  u64 cpu_ns = record.end.user_ns;
  ThreadFacts thread{.core = record.home_core};
  if (record.state != ProcessState::Ending && record.state != ProcessState::Zombie) {
    cpu_ns = manager_.consumed(record);
    thread = inspect_thread(record.objects.slots + kObjectTcb);
  }
  const ProcessRecord* const leader = manager_.find(record.session_id);
  out.append_format("pid {}\nppid {}\nstate {}\n", record.pid, record.parent == nullptr ? 0 : record.parent->pid,
                    state_text(record.state, thread, manager_.asks_now(thread)));
  out.append_format("pages {}\nuid {}\ngid {}\n", record.objects.charged_bytes / kPageBytes, record.uid, record.gid);
  if (record.wired_core < 0) {
    out.append_format("core {}\naffinity any\n", thread.core);
  } else {
    out.append_format("core {}\naffinity {}\n", record.wired_core, record.wired_core);
  }
  if (leader == nullptr || leader->console < 0) {
    out.append("vt -\n");
  } else {
    out.append_format("vt {}\n", leader->console);
  }
  out.append_format("name {}\npgid {}\nsid {}\nrealm ", record.name.view(), record.group_id, record.session_id);
  if (record.realm == nullptr) {
    out.push('-');
  } else {
    manager_.append_realm_path(*record.realm, out);
  }
  out.append_format("\nthreads {}\npriority {}\ncpu_us {}\nstart_ms {}\n", 1 + record.objects.threads.size(),
                    record.priority, cpu_ns / 1000, record.start_ns / 1'000'000);
  out.append_format("waiting {}\n", wait_text(thread));
  return {};
}

fs::Result<void> ProcTree::text(NodeId node, base::String& out) {
  if (node == kMeminfo) {
    const u64 total = manager_.untyped().bytes_total();
    const u64 free = manager_.untyped().bytes_free();
    out.append_format("total_pages {}\nfree_pages {}\npage_size {}\n", total / kPageBytes, free / kPageBytes,
                      kPageBytes);
    out.append_format("total_bytes {}\nfree_bytes {}\nused_pages {}\n", total, free, (total - free) / kPageBytes);
    return {};
  }
  if (node == kLoadavg) {
    load(out);
    return {};
  }
  ProcessRecord* const record = manager_.find(pid_of(node));
  if (record == nullptr) return fs::fail(ErrorCode::NotFound);
  switch (kFiles[(node & 0xFF) - 1].file) {
    case ProcFile::Status: return status(*record, out);
    case ProcFile::Args: {
      std::string_view rest = record->arguments.view();
      bool first = true;
      while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\0'), rest.size());
        if (!first) out.push(' ');
        append_word(out, rest.substr(0, end));
        first = false;
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
      out.push('\n');
      return {};
    }
    case ProcFile::Cwd: out.append(record->cwd.view()).push('\n'); return {};
    case ProcFile::Ns:
      if (record->names != nullptr) manager_.append_namespace_text(*record, out);
      return {};
    case ProcFile::Env:
      if (record->environment == nullptr) return {};
      for (const auto& entry : record->environment->values) {
        out.append_format("{}={}\n", entry.key.view(), entry.value.view());
      }
      return {};
    case ProcFile::Fd: descriptors(*record, out); return {};
    case ProcFile::Caps: capabilities(*record, out); return {};
    case ProcFile::Maps: maps(*record, out); return {};
    case ProcFile::Regs: registers(*record, out); return {};
    case ProcFile::Ctl:
    case ProcFile::Note:
    case ProcFile::Notepg:
    case ProcFile::Wait: return {};
  }
  return {};
}

fs::Result<void> ProcTree::control(ProcessRecord& record, std::string_view line, const Caller& caller) {
  std::string_view rest = line;
  const std::string_view verb = fs::take_word(rest);
  if (verb == "kill") {
    if (record.pid == 1) return fs::fail(ErrorCode::OperationNotPermitted);
    manager_.post_number(record, kNoteKill);
    return {};
  }
  if (verb == "stop") {
    manager_.post_number(record, kNoteStop);
    return {};
  }
  if (verb == "start") {
    manager_.resume(record);
    return {};
  }
  if (verb == "fault" || verb == "hang" || verb == "leak") {  // for tests of what watches it
    if (caller.identity.uid != 0 || record.pid == 1) return fs::fail(ErrorCode::OperationNotPermitted);
    if (record.state != ProcessState::Running) return fs::fail(ErrorCode::NoSuchProcess);
    if (verb == "hang") {
      manager_.hang(record);
    } else if (verb == "fault") {
      manager_.terminate(record, 139, 139 - 128, "fault", false);
    } else {
      const auto bytes = base::parse_size(fs::take_word(rest));
      if (!bytes.ok()) return fs::fail(ErrorCode::BadArgument, line);
      TRY(manager_.grow_arena(record, bytes.value()));
    }
    return {};
  }
  if (verb == "killgrp") return manager_.post_group(record.group_id, "kill");
  if (verb == "pri" || verb == "wired") {
    const std::string_view word = fs::take_word(rest);
    const auto number = base::parse_u64(word);
    if (verb == "wired" && word == "any") return manager_.wire(record, -1);
    if (!number.ok()) return fs::fail(ErrorCode::BadArgument, word);
    if (verb == "pri") return manager_.set_priority(record, number.value());
    char detail[32];
    if (number.value() >= manager_.core_count()) {
      return fs::fail(ErrorCode::BadArgument, base::format(detail, "core {}", number.value()));
    }
    return manager_.wire(record, static_cast<i32>(number.value()));
  }
  return fs::fail(ErrorCode::UnknownControl, verb);
}

fs::Result<fs::WriteReply> ProcTree::write(fs::OpenFile& open, const fs::WriteRequest& request) {
  const fs::WriteReply done{.count = static_cast<u32>(request.data.size())};
  const u32 place = open.node & 0xFF;
  if (open.node >= kRootId || place == 0) return fs::fail(ErrorCode::NotSupported);
  const ProcFile file = kFiles[place - 1].file;
  const u32 pid = pid_of(open.node);
  TRY(fs::for_each_command(request.data, [&](std::string_view line) -> fs::Result<void> {
    ProcessRecord* const record = manager_.find(pid);
    if (record == nullptr) return fs::fail(ErrorCode::NoSuchProcess);
    if (file == ProcFile::Ctl) return control(*record, line, open.caller);
    if (line.size() > kNoteBytesMax) return fs::fail(ErrorCode::BadArgument);
    if (file == ProcFile::Notepg) return manager_.post_group(record->group_id, line);
    if (file != ProcFile::Note) return fs::fail(ErrorCode::NotSupported);
    if (record->pid == 1 && note_number(line) == kNoteKill) return fs::fail(ErrorCode::OperationNotPermitted);
    manager_.post(*record, line);
    return {};
  }));
  return done;
}

}  // namespace user::root
