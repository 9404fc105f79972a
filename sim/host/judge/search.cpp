// sim/host/judge/search.cpp — the search for an order; see checker.h.
#include <algorithm>
#include <set>

#include "base/digest.h"
#include "sim/host/judge/checker.h"

namespace sim::host::judge {
namespace {

/// 128-bit keys in open addressing; grows to the limit of states and no further.
class SeenStates {
 public:
  explicit SeenStates() : slots_(1024) {}
  u64 size() const { return size_; }
  /// False when it was there.
  bool insert(base::Digest key) {
    if (key == base::Digest{}) key.low = 1;  // the empty slot
    if (size_ * 3 >= slots_.size() * 2) grow();
    base::Digest& slot = find(slots_, key);
    if (slot == key) return false;
    slot = key;
    size_ += 1;
    return true;
  }

 private:
  static base::Digest& find(std::vector<base::Digest>& slots, const base::Digest& key) {
    u64 at = key.low & (slots.size() - 1);
    while (!(slots[at] == key) && !(slots[at] == base::Digest{})) at = (at + 1) & (slots.size() - 1);
    return slots[at];
  }
  void grow() {
    std::vector<base::Digest> larger(slots_.size() * 2);
    for (const base::Digest& key : slots_) {
      if (!(key == base::Digest{})) find(larger, key) = key;
    }
    slots_ = std::move(larger);
  }
  std::vector<base::Digest> slots_;
  u64 size_ = 0;
};

void fold_text(base::D128& digest, std::string_view text) {
  digest.fold(base::digest_of({reinterpret_cast<const u8*>(text.data()), text.size()}));
}

class Search {
 public:
  Search(const std::vector<Operation>& operations, const std::vector<u64>& crashes, const Model& model, u64 states_max)
      : operations_(operations), model_(model), states_max_(states_max), state_(model.initial()) {
    lay_out(crashes);
    chain_.push_back({kNone, state_});
  }

  /// Every end of every order; false when the states were spent.
  bool run_all(std::set<std::string>& ends) {
    Cursor cursor;
    for (;;) {
      if (seen_.size() >= states_max_) return false;
      if (open_count_ == 0) ends.insert(state_);
      if (open_count_ > 0 && advance(cursor)) {
        cursor = {};
      } else if (!retreat(cursor)) {
        return true;
      }
    }
  }

  Searched run() {
    Cursor cursor;
    while (open_count_ > 0) {
      if (seen_.size() >= states_max_) return {Judgement::Unknown, seen_.size()};
      if (advance(cursor)) {
        cursor = {};
      } else if (!retreat(cursor)) {
        return {Judgement::Violated, seen_.size()};
      }
    }
    return {Judgement::Ok, seen_.size()};
  }

 private:
  static constexpr u32 kNone = ~u32{0};
  enum class What : u8 { Call, Return, Crash };
  struct Entry {
    u64 place = 0;
    What what = What::Call;
    u32 operation = 0;
  };
  /// Where the choice among what may come next stands.
  struct Cursor {
    u32 entry = kNone;  // of complete operations; kNone: at `start_`
    u32 pending = 0;    // of incomplete ones
    u32 cuts = 0;       // of the ways a crash can go
  };
  /// A state the object was in since everything before was durable, and the operation that led to it.
  struct Point {
    u32 operation = kNone;
    std::string state;
  };
  struct Frame {
    Cursor cursor;
    u32 operation = kNone;  // placed; kNone: a crash
    u32 start = 0;
    std::string state;
    std::vector<Point> chain;  // as it was, where it was replaced
    bool chain_replaced = false;
    bool chain_grew = false;
    std::vector<u32> taken_back;  // by the crash, and open again
  };

  void lay_out(const std::vector<u64>& crashes) {
    for (u32 i = 0; i < operations_.size(); ++i) {
      const Operation& operation = operations_[i];
      if (operation.ending == Ending::Fail) continue;
      if (!operation.is_complete()) {
        pending_.push_back(i);
        continue;
      }
      entries_.push_back({operation.called, What::Call, i});
      entries_.push_back({operation.returned, What::Return, i});
      open_count_ += 1;
    }
    for (const u64 place : crashes) entries_.push_back({place, What::Crash, 0});
    std::sort(entries_.begin(), entries_.end(), [](const Entry& left, const Entry& right) {
      return left.place < right.place;  // total: a place is one call, return or crash
    });
    placed_.resize(operations_.size());
    call_index_.resize(operations_.size());
    for (u32 i = 0; i < entries_.size(); ++i) {
      if (entries_[i].what == What::Call) call_index_[entries_[i].operation] = i;
    }
    crashes_ = crashes;
    for (u32 i = 0; i < operations_.size(); ++i) {
      base::D128 name;
      name.fold(i);
      names_.push_back(name.out());
    }
  }

  /// Tries what comes next behind the cursor; false when nothing is left to try.
  bool advance(Cursor& cursor) {
    while (start_ < entries_.size() && is_over(entries_[start_])) ++start_;
    if (cursor.entry == kNone) cursor.entry = start_;
    for (; cursor.entry < entries_.size(); ++cursor.entry) {
      const Entry& entry = entries_[cursor.entry];
      if (is_over(entry)) continue;
      if (entry.what != What::Call) break;
      if (place(entry.operation, cursor)) return true;
    }
    const u64 barrier = cursor.entry < entries_.size() ? entries_[cursor.entry].place : kNotReturned;
    for (; cursor.pending < pending_.size(); ++cursor.pending) {
      const u32 operation = pending_[cursor.pending];
      if (operations_[operation].called > barrier) break;
      // Without an effect it constrains nothing.
      if (placed_[operation] || model_.is_read(operations_[operation])) continue;
      if (place(operation, cursor)) return true;
    }
    if (cursor.entry == entries_.size() || entries_[cursor.entry].what != What::Crash) return false;
    for (; cursor.cuts < chain_.size(); ++cursor.cuts) {
      if (cut(static_cast<u32>(chain_.size()) - 1 - cursor.cuts, cursor)) return true;
    }
    return false;
  }

  bool is_over(const Entry& entry) const {
    if (entry.what == What::Crash) return entry.place < next_crash();
    return placed_[entry.operation] != 0;
  }
  u64 next_crash() const { return crashes_taken_ < crashes_.size() ? crashes_[crashes_taken_] : kNotReturned; }
  /// Answered as durable before the next crash, which cannot take it back then.
  bool is_kept(u32 index) const {
    const Operation& operation = operations_[index];
    return operation.is_complete() && operation.request.durable && operation.returned < next_crash() &&
           !model_.is_read(operation);
  }

  bool place(u32 index, Cursor& cursor) {
    std::string state = state_;
    if (!model_.apply(state, operations_[index])) return false;
    placed_[index] = 1;
    toggle(index);
    Frame frame;
    frame.cursor = cursor;
    frame.operation = index;
    frame.start = start_;
    frame.state = std::move(state_);
    state_ = std::move(state);
    if (crashes_taken_ < crashes_.size()) {
      if (is_kept(index)) {
        frame.chain = std::move(chain_);
        frame.chain_replaced = true;
        chain_ = {{kNone, state_}};
      } else if (!model_.is_read(operations_[index])) {
        chain_.push_back({index, state_});
        frame.chain_grew = true;
      }
    }
    open_count_ -= operations_[index].is_complete() ? 1 : 0;
    frames_.push_back(std::move(frame));
    if (!seen_.insert(key())) return undo_last();
    return true;
  }

  /// A crash leaves what was so after point `at` of the chain.
  bool cut(u32 at, Cursor& cursor) {
    Frame frame;
    frame.cursor = cursor;
    frame.start = start_;
    frame.state = std::move(state_);
    const u64 crash = next_crash();
    for (u32 i = at + 1; i < chain_.size(); ++i) {
      const u32 index = chain_[i].operation;
      if (operations_[index].is_complete() && operations_[index].returned < crash) continue;  // gone for good
      placed_[index] = 0;  // whoever asked may still be served later
      toggle(index);
      frame.taken_back.push_back(index);
      if (!operations_[index].is_complete()) continue;
      open_count_ += 1;
      start_ = std::min(start_, call_index_[index]);
    }
    state_ = chain_[at].state;
    frame.chain = std::move(chain_);
    frame.chain_replaced = true;
    chain_ = {{kNone, state_}};
    crashes_taken_ += 1;
    frames_.push_back(std::move(frame));
    if (!seen_.insert(key())) return undo_last();
    return true;
  }

  /// Takes the last step back; always false, as what `place` and `cut` then answer.
  bool undo_last() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    undo(frame);
    return false;
  }
  bool retreat(Cursor& cursor) {
    if (frames_.empty()) return false;
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    cursor = frame.cursor;
    const bool was_crash = frame.operation == kNone;
    if (was_crash) {
      cursor.cuts += 1;
    } else if (operations_[frame.operation].is_complete()) {
      cursor.entry += 1;
    } else {
      cursor.pending += 1;
    }
    undo(frame);
    return true;
  }
  void undo(Frame& frame) {
    if (frame.operation != kNone) {
      placed_[frame.operation] = 0;
      toggle(frame.operation);
      open_count_ += operations_[frame.operation].is_complete() ? 1 : 0;
      if (frame.chain_grew) chain_.pop_back();
    } else {
      crashes_taken_ -= 1;
      for (const u32 index : frame.taken_back) {
        placed_[index] = 1;
        toggle(index);
        open_count_ -= operations_[index].is_complete() ? 1 : 0;
      }
    }
    if (frame.chain_replaced) chain_ = std::move(frame.chain);
    start_ = frame.start;
    state_ = std::move(frame.state);
  }

  void toggle(u32 index) {
    set_.high ^= names_[index].high;
    set_.low ^= names_[index].low;
  }
  base::Digest key() const {
    base::D128 digest;
    digest.fold(set_);
    digest.fold(crashes_taken_);
    fold_text(digest, state_);
    if (crashes_taken_ < crashes_.size()) {
      for (const Point& point : chain_) {
        digest.fold(point.operation);
        fold_text(digest, point.state);
      }
    }
    return digest.out();
  }

  const std::vector<Operation>& operations_;
  const Model& model_;
  const u64 states_max_;
  std::vector<Entry> entries_;  // calls and returns of complete operations, and crashes
  std::vector<u32> pending_;    // incomplete operations: may come any time after their call, or never
  std::vector<u64> crashes_;
  std::vector<u8> placed_;
  std::vector<u32> call_index_;
  std::vector<base::Digest> names_;  // of operations; a set of them is the exclusive or of these
  u32 start_ = 0;                    // all entries before it are over
  u64 open_count_ = 0;               // complete operations not placed yet
  u64 crashes_taken_ = 0;
  base::Digest set_;
  std::string state_;
  std::vector<Point> chain_;
  std::vector<Frame> frames_;
  SeenStates seen_;
};

}  // namespace

Searched search(const std::vector<Operation>& operations, const std::vector<u64>& crashes, const Model& model,
                u64 states_max) {
  return Search(operations, crashes, model, states_max).run();
}

std::vector<std::string> end_states(const std::vector<Operation>& operations, const Model& model, u64 states_max) {
  std::set<std::string> ends;
  if (!Search(operations, {}, model, states_max).run_all(ends)) return {};
  return {ends.begin(), ends.end()};
}

}  // namespace sim::host::judge
