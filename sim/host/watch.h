// sim/host/watch.h — what a judge keeps of a run's events as they come: which role (thread name without its number) did
// what last, for signatures, and which short sequences of kinds each role went through, for guided campaigns.
// It sees a run and never changes one.
#pragma once
#include <array>
#include <map>
#include <string>
#include <vector>

#include "sim/host/machine_host.h"

namespace sim::host {

constexpr u32 kFeatureBits = 22;

/// `fxfs.2`, `writer-1` → `fxfs`, `writer`: threads that do the same work have one role.
std::string role_of(std::string_view thread_name);

class Watch {
 public:
  /// Observes `machine`, which is not started yet; its own observer is called too. `features`: count sequences as well.
  void attach(Machine& machine, bool features);

  /// The role of the thread that ran last; empty before there was one.
  const std::string& last_role() const { return names_[last_]; }
  /// Kinds of the last three events of a role, oldest first: `sched.run ipc.call sched.block`.
  std::string last_kinds(std::string_view role) const;
  /// Sequences of one, two and three kinds of each role with the magnitude of their count, each hashed below
  /// 2^kFeatureBits; sorted, no two equal. Only when asked for.
  std::vector<u32> features() const;

 private:
  struct Last {
    std::array<u16, 3> kinds = {};  // newest first
  };
  struct Thread {
    u32 id = 0;
    u16 role = 0;
  };
  void see(World& world, const base::Event& event);
  u16 role_of_thread(World& world, const base::Event& event);
  void count(u64 sequence);

  bool features_ = false;
  u16 last_ = 0;
  std::vector<std::string> names_ = {""};  // roles by number
  std::vector<u64> name_hashes_ = {0};
  std::map<std::string, u16, std::less<>> numbers_;
  std::vector<Last> lasts_ = {{}};
  std::vector<std::vector<Thread>> threads_;  // by node and TCB slot
  std::vector<u16> running_;                  // role by node and core
  struct Counted {
    u64 sequence = 0;
    u32 count = 0;
  };
  std::vector<Counted> table_;  // open addressing; a power of two
  u64 counted_ = 0;
};

}  // namespace sim::host
