// user/init/supervisor_tree.h — the supervisor as files: `supervisor`, the table of services, which has names below it:
// `ctl`, `log` and one for each service.
// Node ids    1 the root, 2 the table, 3 ctl, 4 log, 5 load, kFirstService + place in the list of services.
#pragma once
#include "fs/file_system.h"
#include "fs/text_tree.h"
#include "user/init/services.h"

namespace user {

class SupervisorTree final : public fs::FileSystem {
 public:
  static constexpr fs::NodeId kControl = 3;

  SupervisorTree(Services& services, base::Allocator& memory)
      : services_(services), memory_(memory), snapshots_(memory) {}

  fs::Result<fs::NodeId> root(std::string_view tree, const fs::Caller& caller) override;
  fs::Result<fs::Attributes> stat(fs::NodeId node, const fs::Caller& caller) override;
  fs::Result<fs::NodeId> lookup(fs::NodeId directory, std::string_view name, const fs::Caller& caller) override;
  fs::Result<void> list(fs::OpenFile& open, u64 cookie, fs::RecordWriter& out) override;
  void close(fs::OpenFile& open) override;
  fs::Result<fs::ReadReply> read(fs::OpenFile& open, const fs::ReadRequest& request) override;
  fs::Result<fs::WriteReply> write(fs::OpenFile& open, const fs::WriteRequest& request) override;

 private:
  Services& services_;
  base::Allocator& memory_;
  fs::Snapshots snapshots_;
};

}  // namespace user
