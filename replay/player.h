// replay/player.h — runs a recording again: the same world, each input at its stamp, and every digest checked on the way.
#pragma once
#include "replay/plan.h"
#include "replay/recorder.h"

namespace replay {

/// Where a replay left the recording: the events in (after, upto] hold the first difference.
struct Divergence {
  u64 after = 0;
  u64 upto = 0;
  base::Digest recorded;
  base::Digest found;
  std::string what;
};
/// "diverged in #(24576, 30720]: root … recorded, … now".
std::string describe(const Divergence& divergence);

struct Replayed {
  sim::Outcome outcome = sim::Outcome::Running;
  base::Digest root;
  u64 milestones = 0;  // that were equal
  u64 inputs = 0;
  bool ended = false;  // the recording has an end, and it was reached
  std::optional<Divergence> divergence;
  std::string error;  // an input that no machine can have had
};

/// Holds a run against a recording: its digests on the way, and how it ended. The first difference is kept.
class Checker {
 public:
  /// Both outlive the checker.
  Checker(const Recording& recording, sim::host::Machine& machine)
      : recording_(recording), machine_(machine), milestones_(recording.all<Milestone>()) {}

  /// To be called as each epoch of the run closes.
  void epoch_closed(base::Digest root);
  /// The run is over, where the recording has its end: its digest and the state of its world.
  void ended(base::Digest root);
  /// The first difference, which lies before event `upto`, is this one, unless one was found before.
  void diverge(u64 upto, base::Digest recorded, base::Digest found, std::string what);

  const std::optional<Divergence>& divergence() const { return divergence_; }
  /// Milestones that were equal.
  u64 equal() const { return equal_; }
  const std::vector<const Milestone*>& milestones() const { return milestones_; }

 private:
  const Recording& recording_;
  sim::host::Machine& machine_;
  std::vector<const Milestone*> milestones_;
  u64 next_ = 0;
  u64 last_equal_ = 0;  // events
  u64 equal_ = 0;
  std::optional<Divergence> divergence_;
};

class Player {
 public:
  struct Options {
    u64 until = sim::kNever;         // virtual ns; stops there, without an end to compare
    bool stop_at_divergence = true;  // off: goes on to the end, as redaction needs
    bool open_end = false;           // a recording without an end runs on until nothing more happens
  };
  /// Both outlive the player. To be made before Machine::start, which the caller calls.
  Player(const Recording& recording, sim::host::Machine& machine, Options options);

  /// Called between pieces of the run, at most `kPieceNs` of virtual time apart: for syncing, pacing, interrupts. True
  /// goes on.
  std::function<bool()> between;
  /// Called before the trace is closed, which makes one more epoch.
  std::function<void()> before_finish;
  /// Runs it all. Closes the trace.
  Replayed play();

 private:
  static constexpr u64 kPieceNs = 100'000'000;
  void input_seen(const sim::InputRecord& record);
  void run_all();
  bool run_to(u64 until);
  bool feed(const Input& input);
  void expect_next_silence();
  bool stopped() const { return interrupted_ || (checker_.divergence() && options_.stop_at_divergence); }

  const Recording& recording_;
  sim::host::Machine& machine_;
  Options options_;
  Checker checker_;
  std::vector<const Input*> silences_;
  u64 next_silence_ = 0;
  u64 fed_until_ = 0;  // time of the last input fed
  bool interrupted_ = false;
  Replayed result_;
};

/// What one input frame says, checked; the record's bytes lie in `input`. Empty error when it is sound.
std::string read_input(const Input& input, u32 nodes, sim::InputRecord& record);

}  // namespace replay
