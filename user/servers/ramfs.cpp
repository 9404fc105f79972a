// user/servers/ramfs.cpp — a file system in memory as a server. `ramfs [--image BYTES] [--post NAME] [--memory SIZE]
// [--mode OCTAL] [--clock GRANT]`: filled from the boot image it was granted, posted in /srv, with at most SIZE bytes of
// data. With the timer's window as its grant of that number it needs no timer server to know the time.
#include "fs/ram.h"

#include "base/parse.h"
#include "user/runtime/layout.h"
#include "user/runtime/shared.h"
#include "user/servers/serve.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u64 kBytesMax = 64 << 20;  // unless the arguments say otherwise; the realm's quota is the real bound

/// Fills the file system from the boot image mapped at kImageAddress.
fs::Result<void> fill_from_image(fs::RamFs& files, std::string_view size_text) {
  const auto size = base::parse_u64(size_text);
  if (!size.ok()) return fs::fail(ErrorCode::BadArgument, size_text);
  if (*size == 0) return {};
  const void* const image = machine::pointer(kImageAddress, *size, false);
  if (image == nullptr) return fs::fail(ErrorCode::BadAddress, "boot image");
  return files.fill({static_cast<const u8*>(image), *size});
}

}  // namespace

i32 ramfs_main(Process& process) {
  const std::string_view clock_grant = option(process, "--clock");
  const auto grant = base::parse_u64(clock_grant);
  if (!clock_grant.empty() && (!grant.ok() || *grant >= kSlotGrantsEnd - kSlotGrants)) {
    report(process, clock_grant, ErrorCode::BadArgument);
    return 1;
  }
  ServerClock clock(process, clock_grant.empty() ? 0 : device_address(static_cast<u32>(*grant)));
  fs::RamOptions options{.bytes_max = kBytesMax};
  const std::string_view memory = option(process, "--memory");
  if (!memory.empty()) {
    const auto bytes = base::parse_size(memory);
    if (!bytes.ok()) {
      report(process, memory, ErrorCode::BadArgument);
      return 1;
    }
    options.bytes_max = *bytes;
  }
  const std::string_view mode = option(process, "--mode");
  if (!mode.empty()) {
    const auto bits = base::parse_u64(mode, 8);
    if (!bits.ok() || *bits > fs::kModeMask) {
      report(process, mode, ErrorCode::BadArgument);
      return 1;
    }
    options.root_mode = static_cast<u16>(*bits);
  }
  fs::RamFs files(process.heap(), clock, options);
  const std::string_view image = option(process, "--image");
  if (!image.empty()) {
    const fs::Result<void> filled = fill_from_image(files, image);
    if (!filled.ok()) {
      report(process, "boot image", filled.error());
      return 1;
    }
  }
  struct Events final : fs::LoopEvents {
  } events;
  return serve(process, files, events, clock, {.post = option(process, "--post")});
}

}  // namespace user
