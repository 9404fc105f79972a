// fs/badge.h — what the badge of a capability to a file server says. Badges are made by the server alone (they come only
// from its unbadged endpoint), so a badge that arrives is true; its number may still be one that has ended.
//   bits 63–60 kind · 59–56 instance (several servers may share one endpoint) · 55–44 generation · 43–0 number
// A badge whose kind is 0 belongs to whoever owns the endpoint; badge 0 itself is the unbadged endpoint.
#pragma once
#include "base/assert.h"
#include "base/types.h"

namespace fs {

enum class BadgeKind : u8 {
  Foreign = 0,    // not the framework's: the embedder's own
  Service = 1,    // attach only; number = for whom, see service_badge
  Root = 2,       // Directory got by attach; number = session; outlives a restart
  Directory = 3,  // Directory got by walk; number = handle
  File = 4,       // number = open
  Window = 5,     // number = window
};

struct Badge {
  static constexpr u32 kNumberBits = 44;
  static constexpr u64 kNumberMax = (u64{1} << kNumberBits) - 1;
  static constexpr u32 kGenerationMax = 4095;
  static constexpr u8 kInstanceMax = 15;

  BadgeKind kind = BadgeKind::Foreign;
  u8 instance = 0;
  u32 generation = 0;  // modulo kGenerationMax + 1
  u64 number = 0;

  static constexpr Badge of(u64 word) {
    return {static_cast<BadgeKind>(word >> 60), static_cast<u8>(word >> 56 & 15), static_cast<u32>(word >> 44 & 4095),
            word & kNumberMax};
  }
  constexpr u64 word() const {
    return static_cast<u64>(kind) << 60 | static_cast<u64>(instance & 15) << 56 |
           static_cast<u64>(generation & 4095) << 44 | (number & kNumberMax);
  }
};

/// The badge of a Service capability that lets its holder attach as this user. Whoever holds the unbadged endpoint (the
/// root manager, of what was published to it) mints one for each process that asks, so no client can claim to be another.
/// uid and gid are below 2²².
constexpr u64 service_badge(u8 instance, u32 uid, u32 gid) {
  return Badge{BadgeKind::Service, instance, 0, u64{gid & 0x3F'FFFF} << 22 | (uid & 0x3F'FFFF)}.word();
}

}  // namespace fs
