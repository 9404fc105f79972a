// user/servers/hello.cpp — `helloserver`: the smallest file server there is, one file that can be read. It posts its service
// under the number of its process: `helloserver & mount $! /hi; cat /hi/greeting`.
#include "base/format.h"
#include "fs/text_tree.h"
#include "user/servers/serve.h"

#include "base/enforce.h"

namespace user {
namespace {

class HelloFs final : public fs::TextTree {
 public:
  explicit HelloFs(base::Allocator& memory) : TextTree(memory, 0555) {
    add(kRootId, "greeting", fs::Kind::Control, 0444);
  }

 private:
  fs::Result<void> text(fs::NodeId, const fs::Caller&, base::String& out) override {
    out.append("hello, world\n");
    return {};
  }
  fs::Result<void> command(fs::NodeId, const fs::Caller&, std::string_view) override {
    return fs::fail(ErrorCode::NotSupported);
  }
};

}  // namespace

i32 helloserver_main(Process& process) {
  ServerClock clock(process);
  HelloFs files(process.heap());
  struct Events final : fs::LoopEvents {
  } events;
  char name[16];
  return serve(process, files, events, clock, {.post = base::format(name, "{}", process.pid())});
}

}  // namespace user
