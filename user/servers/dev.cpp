// user/servers/dev.cpp — the small devices of a node: `/dev` without consoles and disks. `dev [--post NAME] [--world N]
// [--entropy N] [--power N] [--drivers A,B,…]`: N is the number of the grant (user/runtime/shared.h) with that device;
// without one its files say so or answer `no such device`.
#include "base/parse.h"
#include "fs/text_tree.h"
#include "kernel-model/ports.h"
#include "schema/process.capnp.h"
#include "schema/timer.capnp.h"
#include "user/runtime/call.h"
#include "user/runtime/layout.h"
#include "user/runtime/shared.h"
#include "user/servers/serve.h"

#include "base/enforce.h"

namespace user {
namespace {

using fs::Caller;
using fs::Kind;
using fs::NodeId;

constexpr u32 kSysnameBytesMax = 63;
constexpr u32 kLogBytesMax = 256 << 10;
constexpr u32 kStatWords = 7;  // per core: switches, interrupts, system calls, idle ns, IPIs, steals, busy ns
constexpr i64 kNsPerSecond = 1'000'000'000;

/// Addresses of the granted windows, 0: none.
struct Windows {
  u64 world = 0;
  u64 entropy = 0;
  u64 power = 0;
};

class DevFs final : public fs::TextTree {
 public:
  DevFs(Process& process, const Windows& windows, std::string_view drivers);

  fs::Result<fs::ReadReply> read(fs::OpenFile& open, const fs::ReadRequest& request) override;
  fs::Result<fs::WriteReply> write(fs::OpenFile& open, const fs::WriteRequest& request) override;

 protected:
  fs::Result<void> text(NodeId node, const Caller& caller, base::String& out) override;
  fs::Result<void> command(NodeId node, const Caller& caller, std::string_view line) override;

 private:
  void world_text(base::String& out);
  void statistics(base::String& out);
  u32 core_count();
  bool core_statistics(u32 core, u64 (&words)[kStatWords]);
  fs::Result<void> kernel_log(base::String& out);
  fs::Result<void> set_wall(i64 wall_ns);
  fs::Result<void> set_sysname(std::string_view name);
  fs::Result<void> power(std::string_view line);

  Process& process_;
  Windows windows_;
  std::string_view drivers_;
  base::String sysname_;
  bool stopping_ = false;
  NodeId null_, zero_, random_, urandom_, sysname_node_, osversion_, world_, time_, clock_, kmesg_, drivers_node_,
      sysstat_, cpu_, reboot_;
};

DevFs::DevFs(Process& process, const Windows& windows, std::string_view drivers)
    : TextTree(process.heap(), 0755),
      process_(process),
      windows_(windows),
      drivers_(drivers),
      sysname_(process.heap(), "orrery") {
  null_ = add(kRootId, "null", Kind::Device, 0666);
  zero_ = add(kRootId, "zero", Kind::Device, 0666);
  random_ = add(kRootId, "random", Kind::Device, 0666);
  urandom_ = add(kRootId, "urandom", Kind::Device, 0666);
  sysname_node_ = add(kRootId, "sysname", Kind::Control, 0664);
  osversion_ = add(kRootId, "osversion", Kind::Control, 0444);
  world_ = add(kRootId, "world", Kind::Control, 0444);
  time_ = add(kRootId, "time", Kind::Control, 0644);
  clock_ = add(kRootId, "clock", Kind::Control, 0644);
  kmesg_ = add(kRootId, "kmesg", Kind::Control, 0444);
  drivers_node_ = add(kRootId, "drivers", Kind::Control, 0444);
  sysstat_ = add(kRootId, "sysstat", Kind::Control, 0444);
  cpu_ = add(kRootId, "cpu", Kind::Control, 0444);
  reboot_ = add(kRootId, "reboot", Kind::Control, 0200);
  add(kRootId, "disk", Kind::Directory, 0755);  // where the drivers of disks and of links are mounted
  add(kRootId, "link", Kind::Directory, 0755);
  add(kRootId, "fd", Kind::Link, 0777, "/fd");
  add(kRootId, "stdin", Kind::Link, 0777, "/fd/0");
  add(kRootId, "stdout", Kind::Link, 0777, "/fd/1");
  add(kRootId, "stderr", Kind::Link, 0777, "/fd/2");
}

// ── Bytes ────────────────────────────────────────────────────────────────────────────────────────────────────

fs::Result<fs::ReadReply> DevFs::read(fs::OpenFile& open, const fs::ReadRequest& request) {
  if (open.node == null_) return fs::ReadReply{};
  if (open.node == zero_) {
    __builtin_memset(request.room.data(), 0, request.room.size());
    return fs::ReadReply{.data = request.room};
  }
  if (open.node == random_ || open.node == urandom_) {
    if (windows_.entropy == 0) return fs::fail(ErrorCode::NoSuchDevice);
    sys::frame().mr[0] = request.room.size();
    if (!port::call(windows_.entropy, port::Entropy::Read).ok()) return fs::fail(ErrorCode::IoError);
    const u64 bytes = std::min<u64>(sys::frame().mr[0], request.room.size());
    if (bytes > 0) __builtin_memcpy(request.room.data(), sys::buffer().msg, bytes);
    return fs::ReadReply{.data = request.room.first(bytes)};
  }
  return TextTree::read(open, request);
}

fs::Result<fs::WriteReply> DevFs::write(fs::OpenFile& open, const fs::WriteRequest& request) {
  const bool takes_anything = open.node == null_ || open.node == zero_ || open.node == random_ || open.node == urandom_;
  if (!takes_anything) return TextTree::write(open, request);
  return fs::WriteReply{.count = static_cast<u32>(request.data.size()),
                        .end_offset = request.offset_bytes + request.data.size()};
}

// ── Text ─────────────────────────────────────────────────────────────────────────────────────────────────────

fs::Result<void> DevFs::text(NodeId node, const Caller&, base::String& out) {
  if (node == sysname_node_) {
    out.append(sysname_.view()).push('\n');
  } else if (node == osversion_) {
    out.append("Orrery 0.1\n");
  } else if (node == world_) {
    world_text(out);
  } else if (node == time_) {
    out.append_format("{} {}\n", process_.wall_ns() / kNsPerSecond, process_.uptime_ns() / kNsPerSecond);
  } else if (node == clock_) {
    out.append_format("{} {}\n", process_.wall_ns(), process_.uptime_ns());
  } else if (node == kmesg_) {
    TRY(kernel_log(out));
  } else if (node == drivers_node_) {
    for (const char c : drivers_) out.push(c == ',' ? '\n' : c);
    if (!drivers_.empty()) out.push('\n');
  } else if (node == sysstat_) {
    statistics(out);
  } else if (node == cpu_) {
    // What programs of the node see, not the machine below: the same on every host.
    out.append_format("arch riscv64\ncores {}\nvendor orrery\nmodel virtual\nmhz 100\nisa rv64gc\n", core_count());
  }
  return {};
}

void DevFs::world_text(base::String& out) {
  if (windows_.world != 0 && port::call(windows_.world, port::World::Text).ok()) {
    const u64 bytes = std::min<u64>(sys::frame().mr[0], port::kBytesMax);
    u8 copy[port::kBytesMax];  // appending may use the IPC buffer
    __builtin_memcpy(copy, sys::buffer().msg, bytes);
    out.append(base::text_of({copy, bytes}));
    return;
  }
  out.append("seed -\nentropy device\n");
}

bool DevFs::core_statistics(u32 core, u64 (&words)[kStatWords]) {
  if (windows_.world == 0 || core >= kernel::kCoresMax) return false;
  sys::frame().mr[0] = core;
  if (!port::call(windows_.world, port::World::Stats).ok()) return false;
  for (u32 i = 0; i < kStatWords; ++i) words[i] = sys::buffer().msg[i];
  return true;
}

u32 DevFs::core_count() {
  u64 words[kStatWords];
  u32 count = 0;
  while (core_statistics(count, words)) count += 1;
  return std::max(count, 1u);
}

void DevFs::statistics(base::String& out) {
  constexpr u64 kNsPerMs = 1'000'000;
  u64 words[kStatWords];
  for (u32 core = 0; core_statistics(core, words); ++core) {
    out.append_format("{} {} {} {} {} {} {} {}\n", core, words[0], words[1], words[2], words[3] / kNsPerMs, words[4],
                      words[5], words[6] / kNsPerMs);
  }
}

fs::Result<void> DevFs::kernel_log(base::String& out) {
  u8 part[fs::kInlineBytesMax];
  for (u64 offset = 0; out.size() < kLogBytesMax;) {
    const auto reply = call<schema::process::Process::ReadLog>(kSlotRoot, {.offset = offset});
    if (!reply.ok()) return reply.take_failure();
    const u64 bytes = std::min<u64>(reply->data.size(), sizeof part);
    if (bytes == 0) break;
    offset = reply->offset + bytes;
    if (bytes > 0) __builtin_memcpy(part, reply->data.data(), bytes);
    out.append(base::text_of({part, bytes}));
  }
  return {};
}

// ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────

fs::Result<void> DevFs::set_wall(i64 wall_ns) {
  sys::set_receive_slot(kSlotCNode, kSlotPrivate, kSlotDepth);
  const auto found = call<schema::process::Process::Service>(kSlotRoot, {.name = "timer"});
  sys::set_receive_slot(kSlotCNode, kSlotReceive, kSlotDepth);
  if (!found.ok()) return fs::fail(ErrorCode::NoSuchDevice);
  const auto set = call<schema::timer::Timer::SetWall>(kSlotPrivate, {.wall = wall_ns});
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotPrivate, kSlotDepth});
  if (!set.ok()) return set.take_failure();
  return {};
}

fs::Result<void> DevFs::set_sysname(std::string_view name) {
  if (name.size() > kSysnameBytesMax) return fs::fail(ErrorCode::BadArgument, name);
  for (const char c : name) {
    const bool legal = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    if (!legal) return fs::fail(ErrorCode::BadArgument, name);
  }
  sysname_.clear();
  sysname_.append(name);
  return {};
}

fs::Result<void> DevFs::power(std::string_view line) {
  std::string_view rest = line;
  const std::string_view verb = fs::take_word(rest);
  port::Power operation = port::Power::Halt;
  if (verb == "reboot") {
    operation = port::Power::Reboot;
  } else if (verb == "panic") {
    operation = port::Power::Panic;
  } else if (verb != "halt") {
    return fs::fail(ErrorCode::UnknownControl, verb);
  }
  const auto status = base::parse_u64(rest.empty() ? "0" : rest);
  if (!status.ok() || *status > 255) return fs::fail(ErrorCode::BadArgument, rest);
  if (stopping_) return fs::fail(ErrorCode::AlreadyInProgress);
  if (windows_.power == 0) return fs::fail(ErrorCode::NoSuchDevice);
  stopping_ = true;
  sys::frame().mr[0] = *status;
  if (port::call(windows_.power, operation).ok()) return {};
  stopping_ = false;
  return fs::fail(ErrorCode::IoError);
}

fs::Result<void> DevFs::command(NodeId node, const Caller&, std::string_view line) {
  if (node == sysname_node_) return set_sysname(line);
  if (node == reboot_) return power(line);
  std::string_view rest = line;
  if (node == time_) {
    const auto seconds = base::parse_u64(rest);
    if (!seconds.ok() || *seconds > u64{1} << 33) return fs::fail(ErrorCode::BadArgument, rest);
    return set_wall(static_cast<i64>(*seconds) * kNsPerSecond);
  }
  if (node == clock_) {
    const std::string_view verb = fs::take_word(rest);
    if (verb != "set") return fs::fail(ErrorCode::UnknownControl, verb);
    const auto wall = base::parse_u64(rest);
    if (!wall.ok() || *wall > u64{1} << 62) return fs::fail(ErrorCode::BadArgument, rest);
    return set_wall(static_cast<i64>(*wall));
  }
  return fs::fail(ErrorCode::UnknownControl, fs::take_word(rest));
}

/// The window of the grant an option names; 0 without the option or with a bad number.
u64 window_of(Process& process, std::string_view name) {
  const auto grant = base::parse_u64(option(process, name));
  return grant.ok() && *grant < kSlotGrantsEnd - kSlotGrants ? device_address(static_cast<u32>(*grant)) : 0;
}

}  // namespace

i32 dev_main(Process& process) {
  ServerClock clock(process);
  const Windows windows{.world = window_of(process, "--world"),
                        .entropy = window_of(process, "--entropy"),
                        .power = window_of(process, "--power")};
  DevFs files(process, windows, option(process, "--drivers"));
  struct Events final : fs::LoopEvents {
  } events;
  return serve(process, files, events, clock, {.post = option(process, "--post")});
}

}  // namespace user
