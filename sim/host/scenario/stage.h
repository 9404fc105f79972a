// sim/host/scenario/stage.h — what functions of a scenario ask of a run in progress. Nodes, links and clients go by their
// index in the plan. What can fail answers with a text; empty means done.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/events.h"
#include "base/prng.h"
#include "sim/host/scenario/lua.h"

namespace sim::host::scenario {

class Stage {
 public:
  virtual ~Stage() = default;

  // ── Looking ────────────────────────────────────────────────────────────────────────────────────────────────
  virtual u64 now_ns() = 0;
  virtual std::string_view phase_name() = 0;  // warmup safety healing liveness end
  virtual u64 seed() = 0;
  virtual u64 events() = 0;
  /// Hits of a declared property so far.
  virtual u64 count(std::string_view property) = 0;
  virtual bool is_up(u32 node) = 0;
  virtual std::vector<std::string> threads(u32 node) = 0;
  virtual i64 clock_error_ns(u32 node) = 0;
  /// How often a program of this name was started on the node since it booted; 0: never.
  virtual u64 starts(u32 node, const std::string& name) = 0;
  /// Programs of its services that run now, sorted.
  virtual std::vector<std::string> services(u32 node) = 0;
  virtual bool link_is_up(u32 link) = 0;
  struct LinkState {
    bool is_up = true;
    u64 latency_ns = 0;
    u64 jitter_ns = 0;
    u64 bits_per_second = 0;
    u64 queue_bytes = 0;
    u64 mtu = 0;
  };
  virtual LinkState link_state(u32 link) = 0;
  struct DiskState {
    bool is_plugged = true;
    bool is_read_only = false;
    u64 epoch = 0;
    u64 latency_ns = 0;
    u64 bits_per_second = 0;
    u64 cached = 0;     // units that a power cut may lose
    u64 in_flight = 0;  // requests, as are those below
    u64 reads = 0;
    u64 writes = 0;
    u64 flushes = 0;
  };
  virtual DiskState disk_state(u32 disk) = 0;
  /// The newest event that the filter passes, of the last 65 536; none: nothing. What is wrong with the filter otherwise.
  virtual void push_event(lua_State* state, const base::Event& event) = 0;
  virtual std::string last_event(const std::string& filter, std::optional<base::Event>& out) = 0;
  virtual std::string console_text(u32 node) = 0;

  // ── Acting ─────────────────────────────────────────────────────────────────────────────────────────────────
  virtual std::string crash(u32 node) = 0;
  virtual std::string boot(u32 node) = 0;
  virtual std::string pause(u32 node, u64 ns) = 0;
  virtual std::string steal(u32 node, u32 core, u64 ns) = 0;
  virtual std::string kill(u32 node, const std::string& name) = 0;
  virtual std::string step_clock(u32 node, i64 ns) = 0;
  virtual std::string drift(u32 node, i64 ppm) = 0;
  virtual std::string set_link(u32 link, bool up) = 0;
  virtual std::string set_latency(u32 link, u64 ns) = 0;
  virtual std::string set_plugged(u32 disk, bool plugged) = 0;
  virtual std::string slow_disk(u32 disk, std::optional<u64> latency_ns, std::optional<u64> bits_per_second) = 0;
  virtual std::string partition(const std::vector<std::vector<u32>>& groups) = 0;
  virtual std::string heal() = 0;
  /// Faults pause, or go on; in the safety phase only.
  virtual std::string quiet(bool on) = 0;
  /// A fault of this class on a target as faults name it ("a/dev"), with knobs as text.
  virtual std::string inject(const std::string& fault, const std::string& target,
                             const std::vector<std::pair<std::string, std::string>>& knobs) = 0;
  virtual std::string type(u32 node, std::string_view text) = 0;
  virtual std::string end_input(u32 node) = 0;
  virtual void note(std::string_view text) = 0;

  // ── Clients ────────────────────────────────────────────────────────────────────────────────────────────────
  virtual bool client_running(u32 client) = 0;
  virtual base::Prng& client_random(u32 client) = 0;
  virtual u64 next_unique(u32 client) = 0;
  /// What the client's process is to do next, in the bytes of orders.h; its coroutine yields then.
  virtual void order(u32 client, std::string bytes) = 0;
  /// What came of it, when the coroutine goes on.
  virtual std::string_view result(u32 client) = 0;
  /// It was a sync, and it is done: the operation in progress is durable unless it changes more.
  virtual void synced(u32 client) = 0;
  /// Waiting for console output: the callback's coroutine yields until it came or the time is over.
  virtual void expect(u32 node, const std::string& text, u64 within_ns) = 0;
  virtual std::string_view expected() = 0;  // what was seen; nothing: the time was over

  // ── Histories ──────────────────────────────────────────────────────────────────────────────────────────────
  struct HistoryCheck {
    bool linearizable = true;
    bool durable = false;
    bool buffered = false;
    bool read_your_writes = false;
    bool monotonic_reads = false;
  };
  virtual u64 begin_operation(u32 history, u32 client, const std::string& name, const std::string& key,
                              const std::vector<std::string>& arguments) = 0;
  /// `ending`: ok fail unknown. `client` is whose operation it is.
  virtual void end_operation(u32 history, u32 client, u64 operation, std::string_view ending,
                             const std::string* result) = 0;
  virtual u64 count_operations(u32 history, std::string_view client, std::string_view ending, bool in_liveness) = 0;
  virtual void check_history(u32 history, const HistoryCheck& check) = 0;
};

}  // namespace sim::host::scenario
