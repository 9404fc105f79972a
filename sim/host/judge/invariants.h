// sim/host/judge/invariants.h — invariants of a node's memory by name, and when they are checked.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/events.h"
#include "base/types.h"
#include "sim/host/filter.h"

namespace sim {
class World;
}

namespace sim::host::judge {

/// `off`, `kernel-exit`, `every 1000` (events), `every 10ms`, `event FILTER`, `phase`, `end`; behind it `from #4711`.
struct Cadence {
  enum class Kind : u8 { Off, KernelExit, Events, Time, Pattern, Phase, End } kind = Kind::Off;
  u64 every = 0;  // events or ns
  Filter pattern;
  u64 from = 0;  // nothing is checked before this event
};
/// Empty, or what is wrong.
std::string parse_cadence(std::string_view text, Cadence& out);

struct InvariantInfo {
  std::string_view name;
  std::string_view about;
};
std::span<const InvariantInfo> invariants();

struct Broken {
  std::string name;     // kernel.cdt
  std::string details;  // "T3 at object 0x4000"
  u64 held_at = 0;      // the last event after which a sparse check found nothing wrong; 0: this is the first bad one
};

class Invariants {
 public:
  /// Which (empty: all) and when. Empty, or what is wrong.
  std::string set(const std::vector<std::string>& names, std::string_view cadence);
  bool on() const { return cadence_.kind != Cadence::Kind::Off || ledger_; }

  /// Each event: counts, patterns, and the ledger of arenas, which needs no memory.
  std::optional<Broken> event(const base::Event& event);
  /// Between two entries of `node`'s kernel: checks what is due.
  std::optional<Broken> entered(World& world, u32 node);
  std::optional<Broken> phase(World& world);
  std::optional<Broken> end(World& world);
  /// Checks all nodes now.
  std::optional<Broken> check(World& world);
  u64 checks() const { return checks_; }

 private:
  std::optional<Broken> check_node(World& world, u32 node);
  bool wants(std::string_view name) const;

  std::vector<std::string> names_;
  Cadence cadence_;
  bool ledger_ = false;
  std::vector<u8> scratch_;
  std::vector<std::map<u32, u64>> arenas_;  // bytes by node and address space
  u64 events_ = 0;                          // since the last check
  u64 next_ns_ = 0;
  u64 held_at_ = 0;
  u64 sequence_ = 0;
  u64 time_ns_ = 0;
  bool due_ = false;
  u64 checks_ = 0;
};

}  // namespace sim::host::judge
