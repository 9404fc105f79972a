// user/init/manifest.h — the text of a service manifest: `key value` lines, `#` comments.
// Tested by   tests/user/manifest_test.cpp
#pragma once
#include "base/string.h"
#include "base/vector.h"
#include "fs/error.h"

namespace user {

enum class Restart : u8 { Always, OnFailure, Never };

struct MountPlace {
  std::string_view path{};
  u8 flags = 0;  // of mount
};

/// Views of the manifest's text.
struct Manifest {
  static constexpr u32 kNeedsMax = 16;
  static constexpr u32 kDevicesMax = 6;
  static constexpr u32 kArgsMax = 16;

  std::string_view program{};
  std::string_view service{};  // `srv`: its name in /srv
  MountPlace mount;
  Restart restart = Restart::Always;
  u32 restart_max = 0;  // 0: no limit
  u64 backoff_ns = 100'000'000;
  u64 backoff_max_ns = 30'000'000'000;
  u64 settle_ns = 60'000'000'000;
  u64 start_timeout_ns = 10'000'000'000;  // until it says that it serves
  std::string_view probe{};               // read now and then to see whether it answers; empty: never
  u64 probe_interval_ns = 10'000'000'000;
  u64 probe_timeout_ns = 2'000'000'000;
  u8 priority = 200;
  bool restart_on_need = false;  // `restart-on-dep yes`
  bool per_client = false;       // `clients each`: every client has a badge of its own
  u32 arg_count = 0;
  u32 need_count = 0;
  u32 device_count = 0;
  std::string_view args[kArgsMax];
  std::string_view needs[kNeedsMax];
  std::string_view devices[kDevicesMax];
};

/// Errors: BadArgument with the detail `LINE: reason`.
fs::Result<Manifest> parse_manifest(std::string_view text);

}  // namespace user
