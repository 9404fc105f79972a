// bench/bench.h — measuring beside a peer: every figure is the median of interleaved rounds (subject, peers, subject,
// peers, …) in one process, so that a slow minute of the host hits both sides, and the ratio outlives the machine.
// What runs in this process alone is measured in processor time, what other processes take part in by the wall clock.
#pragma once
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/types.h"

namespace bench {

constexpr double kNoBar = std::numeric_limits<double>::quiet_NaN();

/// What a figure should be. Rates have a least value, costs a most.
enum class Better : u8 { Lower, Higher };

struct Options {
  bool quick = false;  // one small round of each: shows that all of it runs, measures nothing
  std::string only;    // groups whose name begins with this
};

/// One line of the table.
struct Row {
  std::string group;
  std::string name;
  std::string unit;
  Better better = Better::Lower;
  double bar = kNoBar;
  double value = 0;  // median
  std::vector<double> samples;
  std::string peer;  // empty: this figure has none
  double peer_value = 0;
  std::vector<double> peer_samples;
  double ratio = 0;  // value ÷ peer_value
  double ratio_bar = kNoBar;
  /// False when a bar is missed.
  bool holds() const;
};

/// Runs once and returns one figure in the unit of its row.
using Measure = std::function<double()>;

struct Subject {
  std::string name;
  std::string unit;
  Measure run;
  Better better = Better::Lower;
  double bar = kNoBar;
  u32 rounds = 11;
};
struct Peer {
  std::string name;
  Measure run;
  double ratio_bar = kNoBar;
};

/// Collects the rows of one invocation.
class Session {
 public:
  explicit Session(Options options) : options_(std::move(options)) {}

  const Options& options() const { return options_; }
  /// `full`, or `quick` when only the running itself is tried.
  u64 scaled(u64 full, u64 quick) const { return options_.quick ? quick : full; }
  /// Starts a group; false when it was not asked for.
  bool group(const std::string& name);
  /// One row for each peer, or one without a ratio when there is none.
  void measure(const Subject& subject, const std::vector<Peer>& peers = {});
  const std::vector<Row>& rows() const { return rows_; }

 private:
  Options options_;
  std::string group_;
  std::vector<Row> rows_;
};

/// Nanoseconds of the host's monotonic clock; for what other processes or the kernel of the host take part in.
double now_ns();
/// Nanoseconds of processor time of this process; for what happens in it alone. Other work on the host adds nothing to it.
double used_ns();
double median(std::vector<double> values);

void ipc_group(Session& session);
void sched_group(Session& session);
void process_group(Session& session);
void revoke_group(Session& session);
void scale_group(Session& session);
void world_group(Session& session);
void shell_group(Session& session);
void campaign_group(Session& session);
void record_group(Session& session);
void points_group(Session& session);

}  // namespace bench
