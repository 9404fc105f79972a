// replay/player.cpp — feeding inputs, checking milestones.
#include "replay/player.h"

namespace replay {

using sim::InputRecord;
using sim::Outcome;

std::string describe(const Divergence& divergence) {
  std::string text =
      "diverged in #(" + std::to_string(divergence.after) + ", " + std::to_string(divergence.upto) + "]: ";
  if (!divergence.what.empty()) return text + divergence.what;
  return text + "root " + sim::host::text_of(divergence.recorded) + " recorded, " +
         sim::host::text_of(divergence.found) + " now";
}

std::string read_input(const Input& input, u32 nodes, InputRecord& record) {
  const auto colon = input.source.find(':');
  const std::string name = input.source.substr(0, colon);
  u64 node = 0;
  for (u64 at = colon == std::string::npos ? input.source.size() : colon + 1; at < input.source.size(); ++at) {
    const char digit = input.source[at];
    if (digit < '0' || digit > '9' || node > nodes) return "input of no node: " + input.source;
    node = node * 10 + static_cast<u64>(digit - '0');
  }
  if (node < 1 || node > nodes) return "input of no node: " + input.source;
  record = {.node = static_cast<u32>(node), .time = input.time};
  const u64 size = input.data.size();
  if (name == "console" && size > 0) {
    record.bytes = input.data;
    return {};
  }
  if (name == "hangup" && size == 0) {
    record.kind = InputRecord::Kind::ConsoleHangup;
    return {};
  }
  if (name == "size" && size == 4) {
    record.kind = InputRecord::Kind::ConsoleSize;
    record.value = u64{base::load_le16(input.data.data())} << 16 | base::load_le16(&input.data[2]);
    return {};
  }
  if (name == "watchdog" && size == 16) {
    record.kind = InputRecord::Kind::WatchdogFault;
    record.value = base::load_le64(input.data.data());
    record.heartbeat = base::load_le64(&input.data[8]);
    return {};
  }
  return "no such input: " + input.source + " of " + std::to_string(size) + " bytes";
}

void Checker::diverge(u64 upto, base::Digest recorded, base::Digest found, std::string what) {
  if (!divergence_) divergence_ = Divergence{last_equal_, upto, recorded, found, std::move(what)};
}

void Checker::epoch_closed(base::Digest root) {
  if (!machine_.started() || next_ == milestones_.size()) return;
  const Milestone& milestone = *milestones_[next_];
  const u64 count = machine_.world().trace().count();
  if (count < milestone.sequence) return;
  next_ += 1;
  if (count != milestone.sequence || root != milestone.root)
    return diverge(milestone.sequence, milestone.root, root, {});
  if (divergence_) return;
  equal_ += 1;
  last_equal_ = milestone.sequence;
}

void Checker::ended(base::Digest root) {
  const End& end = *recording_.end();
  sim::World& world = machine_.world();
  const u64 count = world.trace().count();
  if (next_ < milestones_.size()) {
    const Milestone& missed = *milestones_[next_];
    diverge(missed.sequence, missed.root, root,
            "the run ended after " + std::to_string(count) + " events, before this milestone");
  }
  if (count != end.sequence || root != end.root) diverge(end.sequence, end.root, root, {});
  if (!divergence_ && state_of(world) != end.state) {
    diverge(end.sequence, end.state, state_of(world), "equal events, but another state of memory at the end");
  }
}

Player::Player(const Recording& recording, sim::host::Machine& machine, Options options)
    : recording_(recording), machine_(machine), options_(options), checker_(recording, machine) {
  for (const Input* input : recording.all<Input>()) {
    if (input->source.starts_with("watchdog:")) silences_.push_back(input);
  }
  machine.on_epoch = [this, before = machine.on_epoch](u64 epoch, base::Digest root) {
    checker_.epoch_closed(root);
    if (before) before(epoch, root);
  };
  machine.on_input = [this, before = machine.on_input](const InputRecord& record) {
    input_seen(record);
    if (before) before(record);
  };
}

void Player::input_seen(const InputRecord& record) {
  if (record.kind != InputRecord::Kind::WatchdogFault) return;
  next_silence_ += 1;
  expect_next_silence();
}

void Player::expect_next_silence() {
  InputRecord record;
  machine_.world().expect_silence(sim::kNever, 0);
  if (next_silence_ == silences_.size()) return;
  result_.error = read_input(*silences_[next_silence_], machine_.options().node_count(), record);
  if (result_.error.empty()) machine_.world().expect_silence(record.heartbeat, static_cast<u32>(record.value));
}

/// False when the run is over, or must not go on.
bool Player::run_to(u64 until) {
  sim::World& world = machine_.world();
  for (;;) {
    const u64 next = world.next_time();
    const u64 from = next == sim::kNever || next < world.now() ? world.now() : next;
    const u64 piece = until > from && until - from > kPieceNs ? from + kPieceNs : until;
    result_.outcome = machine_.run(piece);
    if (between && !between()) interrupted_ = true;
    if (stopped() || !result_.error.empty()) return false;
    if (result_.outcome == Outcome::Ended) return false;
    if (result_.outcome != Outcome::Running || piece == until) return true;
  }
}

bool Player::feed(const Input& input) {
  sim::World& world = machine_.world();
  InputRecord record;
  result_.error = read_input(input, machine_.options().node_count(), record);
  if (!result_.error.empty()) return false;
  if (record.kind == InputRecord::Kind::WatchdogFault) return true;  // it comes when its thread is there
  if (record.time < fed_until_ || record.time < world.now()) {
    result_.error =
        "input " + input.source + " at " + std::to_string(record.time) + " ns is earlier than one before it";
    return false;
  }
  fed_until_ = record.time;
  const u64 upto = world.trace().count();
  switch (record.kind) {
    case InputRecord::Kind::ConsoleBytes:
      if (world.console_input(record.node, record.bytes, record.time) != record.bytes.size()) {
        checker_.diverge(upto, {}, {}, "the console did not take input that it took when it was recorded");
        return !stopped();
      }
      break;
    case InputRecord::Kind::ConsoleHangup: world.console_hangup(record.node, record.time); break;
    case InputRecord::Kind::ConsoleSize:
      world.console_size(record.node, static_cast<u16>(record.value >> 16), static_cast<u16>(record.value),
                         record.time);
      break;
    case InputRecord::Kind::WatchdogFault: break;
  }
  result_.inputs += 1;
  return true;
}

Replayed Player::play() {
  run_all();
  result_.divergence = checker_.divergence();
  result_.milestones = checker_.equal();
  return result_;
}

void Player::run_all() {
  sim::World& world = machine_.world();
  expect_next_silence();
  bool going = result_.error.empty();
  for (const Input* input : recording_.all<Input>()) {
    if (!going || input->time >= options_.until) break;
    const bool silence = input->source.starts_with("watchdog:");
    going = (silence || run_to(input->time)) && feed(*input);
  }
  const End* end = recording_.end();
  u64 until = options_.until;
  if (end != nullptr && end->until <= until) {
    until = end->until;
    result_.ended = true;
  } else if (end == nullptr && !options_.open_end) {
    // A cut recording: as far as its last frame, no further than it can vouch for.
    u64 known = 0;
    for (const Input* input : recording_.all<Input>()) known = input->time > known ? input->time : known;
    for (const Milestone* milestone : checker_.milestones()) known = milestone->time > known ? milestone->time : known;
    if (known + 1 < until) until = known + 1;
  }
  if (going && result_.outcome != Outcome::Ended) run_to(until);
  if (!result_.error.empty()) return;
  if (before_finish) before_finish();
  result_.root = world.finish();
  if (!result_.ended || stopped()) return;
  checker_.ended(result_.root);
  if (next_silence_ < silences_.size()) {
    checker_.diverge(world.trace().count(), end->root, result_.root, "a recorded watchdog fault never came");
  }
}

}  // namespace replay
