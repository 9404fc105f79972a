// user/servers/probe.cpp — asks a service whether it serves: `probe SERVICE [PATH]` attaches and reads a byte of the file.
// Without a path any answer will do, also of a service that has no files. Exit 0: it serves.
#include "kernel-model/sys.h"
#include "schema/process.capnp.h"
#include "user/runtime/call.h"
#include "user/runtime/layout.h"
#include "user/runtime/process.h"

#include "base/enforce.h"

namespace user {
namespace {

using schema::file::Directory;
using schema::file::File;

constexpr u32 kServiceSlot = kSlotPrivate;
constexpr u32 kRootSlot = kSlotPrivate + 1;
constexpr u32 kFileSlot = kSlotPrivate + 2;

Result<void> read_byte(u32 tag, std::string_view path) {
  sys::set_receive_slot(kSlotCNode, kFileSlot, kSlotDepth);
  TRY(call<Directory::Open>(kRootSlot, {.path = path, .flags = schema::file::kOpenRead, .tag = tag}));
  const auto read = call<File::Read>(kFileSlot, {.offset = 0, .count = 1, .tag = tag});
  if (!read.ok()) return read.take_failure();
  const u32 count = read->count;
  static_cast<void>(call<File::Close>(kFileSlot, {}));  // what it says to that is not what was asked
  if (count == 0) return fs::fail(ErrorCode::IoError);
  return {};
}

}  // namespace

i32 probe_main(Process& process) {
  const std::span<const std::string_view> args = process.args();
  if (args.size() < 2) return 2;
  sys::set_receive_slot(kSlotCNode, kServiceSlot, kSlotDepth);
  const auto service = call<schema::process::Process::Service>(kSlotRoot, {.name = args[1]});
  if (!service.ok()) return 1;
  sys::set_receive_slot(kSlotCNode, kRootSlot, kSlotDepth);
  const auto root = call<schema::file::Service::Attach>(kServiceSlot, {});
  const bool answered = !kernel::MessageInfo{sys::frame().info}.from_kernel();
  const std::string_view path = args.size() > 2 ? args[2] : std::string_view{};
  if (path.empty()) return answered ? 0 : 1;
  return root.ok() && read_byte(process.pid(), path).ok() ? 0 : 1;
}

}  // namespace user
