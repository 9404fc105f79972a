// user/root/trees.cpp — see trees.h: the gate between the file-server framework and the manager's capabilities.
#include "user/root/trees.h"

#include "kernel-model/machine.h"
#include "user/root/manager.h"

#include "base/enforce.h"

namespace user::root {
namespace {

constexpr u64 kWorkUnitNs = 10;
constexpr u8 kRightsOfFiles = kernel::kRightWrite | kernel::kRightGrant | kernel::kRightGrantReply;
constexpr u32 kSessionsMax = 256;  // one for each mount, and one for each process that looks at itself

}  // namespace

fs::Result<void> ManagerGate::open_session(u32 session) {
  if (sessions_.size() <= session) sessions_.resize(session + 1, 0);
  sessions_[session] = TRY(manager_.copy_endpoint());
  return {};
}

void ManagerGate::close_session(u32 session) {
  revoke(own(sessions_[session]));
  manager_.drop_slot(sessions_[session]);
  sessions_[session] = 0;
}

fs::Result<u64> ManagerGate::mint(u32 session, u64 badge) {
  const u32 slot = TRY(manager_.take_slot());
  if (root::mint(own(slot), own(sessions_[session]), kRightsOfFiles, badge)) return u64{slot};
  manager_.drop_slot(slot);
  return fs::fail(ErrorCode::IoError);
}

fs::Result<fs::Identity> ManagerGate::identify(const fs::Request&) { return fs::fail(ErrorCode::PermissionDenied); }

fs::Result<u32> ManagerGate::keep_signal() { return manager_.keep_received(); }

void ManagerGate::signal(u32 kept) {
  sys::signal(kept);
  manager_.drop_slot(kept);
}

void ManagerGate::drop_signal(u32 kept) { manager_.drop_slot(kept); }

void ManagerGate::complete(u32 reply, u64 label, base::Bytes message) {
  manager_.complete_parked(reply, label, message);
}

void ManagerGate::work(u64 units) { machine::charge(units * kWorkUnitNs); }

Trees::Trees(Manager& manager, base::Allocator& memory)
    : proc_gate_(manager, memory),
      proc_(manager, memory),
      proc_server_(proc_, proc_gate_, memory,
                   {.instance = kInstanceProc, .device = kInstanceProc, .sessions_max = kSessionsMax}),
      realm_gate_(manager, memory),
      realm_(manager, memory),
      realm_server_(realm_, realm_gate_, memory,
                    {.instance = kInstanceRealm, .device = kInstanceRealm, .sessions_max = kSessionsMax}),
      env_gate_(manager, memory),
      env_(manager, memory),
      env_server_(env_, env_gate_, memory,
                  {.instance = kInstanceEnv, .device = kInstanceEnv, .sessions_max = kSessionsMax}),
      nowhere_gate_(manager, memory),
      nowhere_server_(nowhere_, nowhere_gate_, memory, {.instance = kInstanceNowhere, .device = kInstanceNowhere}) {}

fs::Outcome Trees::handle(const fs::Request& request, base::MutableBytes out) {
  if (realm_server_.owns(request.badge)) return realm_server_.handle(request, out);
  if (nowhere_server_.owns(request.badge)) return nowhere_server_.handle(request, out);
  if (env_server_.owns(request.badge)) return env_server_.handle(request, out);
  in_proc_ = true;
  const fs::Outcome outcome = proc_server_.handle(request, out);
  in_proc_ = false;
  return outcome;
}

fs::Result<u64> Trees::self_root(const ProcessRecord& record) {
  return proc_server_.make_session({.uid = record.uid, .gid = record.gid}, "self", record.pid);
}

fs::Result<u64> Trees::env_root(const ProcessRecord& record) {
  return env_server_.make_session({.uid = record.uid, .gid = record.gid}, "", record.pid);
}

fs::Result<u64> Trees::view_root(const ProcessRecord& record, u8 instance, u8 rights) {
  fs::Server& server = instance == kInstanceRealm ? realm_server_ : proc_server_;
  return server.make_session({.uid = record.uid, .gid = record.gid}, {}, record.pid, rights);
}

void Trees::child_ended(u32 pid) {
  proc_server_.wake(ProcTree::wait_node(pid));
  if (!in_proc_) proc_server_.pump();
}

void Trees::process_gone(u32 pid) {
  proc_server_.end_sessions_of(pid);
  env_server_.end_sessions_of(pid);
  env_.forget(pid);
  realm_server_.end_sessions_of(pid);
}

fs::Result<fs::NodeId> Nowhere::root(std::string_view tree, const fs::Caller&) {
  if (!tree.empty()) return fs::fail(ErrorCode::NotFound, tree);
  return fs::NodeId{1};
}

fs::Result<fs::Attributes> Nowhere::stat(fs::NodeId node, const fs::Caller&) {
  return fs::Attributes{.id = node, .kind = fs::Kind::Directory, .mode = 0555};
}

fs::Result<fs::NodeId> Nowhere::lookup(fs::NodeId, std::string_view, const fs::Caller&) {
  return fs::fail(ErrorCode::NotFound);
}

}  // namespace user::root
