// user/init/supervisor_tree.cpp — see supervisor_tree.h.
#include "user/init/supervisor_tree.h"

#include "kernel-model/sys.h"
#include "user/runtime/layout.h"

#include "base/enforce.h"

namespace user {

using fs::Kind;
using fs::NodeId;

namespace {

constexpr NodeId kRootNode = 1;
constexpr NodeId kTable = 2;
constexpr NodeId kLog = 4;
constexpr NodeId kLoad = 5;  // where the loader of a reload writes
constexpr NodeId kFirstService = 16;

}  // namespace

fs::Result<NodeId> SupervisorTree::root(std::string_view tree, const fs::Caller&) {
  if (!tree.empty()) return fs::fail(ErrorCode::NotFound, tree);
  return kRootNode;
}

fs::Result<fs::Attributes> SupervisorTree::stat(NodeId node, const fs::Caller&) {
  fs::Attributes attributes{.id = node, .mode = 0444};
  if (node == kRootNode) {
    attributes.kind = Kind::Directory;
    attributes.mode = 0555;
  } else if (node == kTable) {
    attributes.has_names = true;
  } else if (node == kControl || node == kLoad) {
    attributes.kind = Kind::Control;
    attributes.mode = 0600;
  } else if (node != kLog && node - kFirstService >= services_.records().size()) {
    return fs::fail(ErrorCode::NotFound);
  }
  return attributes;
}

fs::Result<NodeId> SupervisorTree::lookup(NodeId directory, std::string_view name, const fs::Caller&) {
  if (directory == kRootNode && name == "supervisor") return kTable;
  if (directory != kTable) return fs::fail(ErrorCode::NotFound);
  if (name == "ctl") return kControl;
  if (name == "log") return kLog;
  if (name == "load") return kLoad;
  ServiceRecord* const record = services_.find(name);
  if (record == nullptr) return fs::fail(ErrorCode::NotFound);
  return kFirstService + static_cast<u64>(record - services_.records().data());
}

fs::Result<void> SupervisorTree::list(fs::OpenFile& open, u64 cookie, fs::RecordWriter& out) {
  if (open.node != kRootNode || cookie != 0) return {};
  const fs::Attributes attributes = TRY(stat(kTable, open.caller));
  out.add("supervisor", attributes, 1);
  return {};
}

void SupervisorTree::close(fs::OpenFile& open) { snapshots_.forget(open); }

fs::Result<fs::ReadReply> SupervisorTree::read(fs::OpenFile& open, const fs::ReadRequest& request) {
  return snapshots_.read(memory_, open, request, [&](base::String& out) -> fs::Result<void> {
    if (open.node == kTable) {
      services_.append_table(out);
    } else if (open.node == kLog) {
      services_.append_log(out);
    } else if (open.node >= kFirstService) {
      services_.append_facts(services_.records()[open.node - kFirstService], out);
    }
    return {};
  });
}

fs::Result<fs::WriteReply> SupervisorTree::write(fs::OpenFile& open, const fs::WriteRequest& request) {
  const u32 all = static_cast<u32>(request.data.size());
  if (open.node == kLoad) {
    TRY(services_.stage(base::text_of(request.data)));
    return fs::WriteReply{.count = all};
  }
  if (open.node != kControl) return fs::fail(ErrorCode::NotSupported);
  const fs::Result<void> done =
      fs::for_each_command(request.data, [&](std::string_view line) { return services_.control(line); });
  sys::signal(kSlotNotification);  // what a command asked for is done when it has been answered
  if (!done.ok()) return done.take_failure();
  return fs::WriteReply{.count = all};
}

}  // namespace user
