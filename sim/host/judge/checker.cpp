// sim/host/judge/checker.cpp — splits by key, asks the judges, shows a violation as its smallest window.
#include "sim/host/judge/checker.h"

#include <algorithm>
#include <map>

namespace sim::host::judge {
namespace {

using Operations = std::vector<Operation>;

constexpr u64 kWindowStatesMax = 200'000;  // of one search while a window is made smaller
constexpr u32 kWindowSearchesMax = 2000;
constexpr u64 kWindowEnough = 10;  // operations that a person can read
constexpr u64 kStartsMax = 64;

/// What the operations before a window left, as the model writes it.
std::string text_of(const std::vector<std::string>& starts) {
  constexpr u64 kShownMax = 3;
  constexpr u64 kBytesMax = 40;
  if (starts.empty()) return {};
  std::string text = ", after others that left";
  for (u64 i = 0; i < std::min<u64>(starts.size(), kShownMax); ++i) {
    text += (i == 0 ? " '" : " or '") + starts[i].substr(0, kBytesMax) + (starts[i].size() > kBytesMax ? "…'" : "'");
  }
  return text + (starts.size() > kShownMax ? " or one of " + std::to_string(starts.size() - kShownMax) + " more" : "");
}

/// A model that begins in another state.
class Continued final : public Model {
 public:
  Continued(const Model& model, std::string state) : model_(model), state_(std::move(state)) {}
  std::string initial() const override { return state_; }
  bool apply(std::string& state, const Operation& operation) const override { return model_.apply(state, operation); }
  std::string refuses(const Operation& operation) const override { return model_.refuses(operation); }
  bool is_read(const Operation& operation) const override { return model_.is_read(operation); }

 private:
  const Model& model_;
  std::string state_;
};

/// The history up to place `end` of its order: what had not returned by then is open.
Operations prefix_of(const Operations& operations, u64 end) {
  Operations prefix;
  for (const Operation& operation : operations) {
    if (operation.called > end) break;
    prefix.push_back(operation);
    if (operation.returned <= end) continue;
    prefix.back().returned = kNotReturned;
    prefix.back().ending = Ending::Unknown;
    prefix.back().result.reset();
  }
  return prefix;
}

std::vector<u64> up_to(const std::vector<u64>& places, u64 end) {
  std::vector<u64> kept;
  for (const u64 place : places) {
    if (place <= end) kept.push_back(place);
  }
  return kept;
}

/// Makes a history that is wrong smaller while it stays wrong. Only what cannot make a right history wrong is left out.
class Window {
 public:
  Window(Operations operations, std::vector<u64> crashes, const Model& model, u64 states_max)
      : operations_(std::move(operations)), crashes_(std::move(crashes)), model_(model), states_max_(states_max) {}

  Operations smallest() {
    shorten();
    states_max_ = std::min(states_max_, kWindowStatesMax);
    std::erase_if(operations_, [&](const Operation& operation) {
      return operation.ending == Ending::Fail || (!operation.is_complete() && model_.is_read(operation));
    });
    drop_groups(reads());
    drop_groups(by_value());
    drop_groups(reads());
    if (operations_.size() > kWindowEnough) cut_front();
    return std::move(operations_);
  }
  /// What the window begins from, where operations before it were replaced by all states they could have left.
  std::vector<std::string> take_starts() { return std::move(starts_); }

 private:
  using Group = std::vector<u64>;  // calls: they name operations while others are dropped

  bool is_wrong(const Operations& operations, const std::vector<u64>& crashes) {
    searches_ += 1;
    return search(operations, crashes, model_, states_max_).judgement == Judgement::Violated;
  }

  /// To the first return at which it is wrong: wrong prefixes stay wrong when they grow.
  void shorten() {
    std::vector<u64> ends;
    for (const Operation& operation : operations_) {
      if (operation.is_complete()) ends.push_back(operation.returned);
    }
    std::sort(ends.begin(), ends.end());
    u64 right = 0;  // prefixes up to ends[i] with i < right are not known to be wrong
    u64 wrong = ends.size() - 1;
    while (right < wrong) {
      const u64 middle = (right + wrong) / 2;
      if (is_wrong(prefix_of(operations_, ends[middle]), up_to(crashes_, ends[middle]))) {
        wrong = middle;
      } else {
        right = middle + 1;
      }
    }
    operations_ = prefix_of(operations_, ends[wrong]);
    crashes_ = up_to(crashes_, ends[wrong]);
  }

  /// Where nothing was under way, all that was before is one of the states it could have left: if the rest is wrong from
  /// each of them, it is wrong by itself. The shortest such rest, by trying ever longer ones.
  void cut_front() {
    if (!crashes_.empty()) return;
    std::vector<u64> quiet;  // operations before it are over
    u64 last = 0;
    for (u64 i = 0; i < operations_.size(); ++i) {
      if (i > 0 && last < operations_[i].called) quiet.push_back(i);
      last = std::max(last, operations_[i].is_complete() ? operations_[i].returned : kNotReturned);
    }
    for (u64 step = 1; step <= quiet.size(); step *= 2) {
      const u64 at = quiet[quiet.size() - step];
      const auto middle = operations_.begin() + static_cast<std::ptrdiff_t>(at);
      const Operations rest(middle, operations_.end());
      std::vector<std::string> starts = end_states({operations_.begin(), middle}, model_, states_max_);
      bool wrong = !starts.empty() && starts.size() <= kStartsMax;
      for (u64 i = 0; wrong && i < starts.size(); ++i) {
        const Continued from(model_, starts[i]);
        wrong = search(rest, {}, from, states_max_).judgement == Judgement::Violated;
      }
      if (!wrong) continue;
      operations_ = rest;
      starts_ = std::move(starts);
      return;
    }
  }

  std::vector<Group> reads() const {
    std::vector<Group> groups;
    for (const Operation& operation : operations_) {
      if (model_.is_read(operation)) groups.push_back({operation.called});
    }
    return groups;
  }

  /// All operations about one value, where they are about no other.
  std::vector<Group> by_value() const {
    struct About {
      Group operations;
      bool shared = false;
    };
    std::map<std::string, About> about;
    for (const Operation& operation : operations_) {
      std::vector<std::string> values;
      if (!model_.values(operation, values)) return {};
      for (const std::string& value : values) {
        About& group = about[value];
        group.operations.push_back(operation.called);
        for (const std::string& other : values) group.shared = group.shared || other != value;
      }
    }
    std::vector<Group> groups;
    for (auto& [value, group] : about) {
      if (!group.shared) groups.push_back(std::move(group.operations));
    }
    std::sort(groups.begin(), groups.end());  // total: no operation is in two groups
    return groups;
  }

  /// Halves, quarters, … and at last each group alone.
  void drop_groups(std::vector<Group> groups) {
    for (u64 size = groups.size(); size > 0; size /= 2) {
      for (u64 at = 0; at < groups.size() && searches_ < kWindowSearchesMax;) {
        const u64 end = std::min(at + size, groups.size());
        std::vector<u64> dropped;
        for (u64 i = at; i < end; ++i) dropped.insert(dropped.end(), groups[i].begin(), groups[i].end());
        Operations rest;
        for (const Operation& operation : operations_) {
          const bool is_dropped = std::find(dropped.begin(), dropped.end(), operation.called) != dropped.end();
          if (!is_dropped) rest.push_back(operation);
        }
        if (!rest.empty() && is_wrong(rest, crashes_)) {
          operations_ = std::move(rest);
          groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(at),
                       groups.begin() + static_cast<std::ptrdiff_t>(end));
        } else {
          at = end;
        }
      }
    }
  }

  Operations operations_;
  std::vector<u64> crashes_;
  std::vector<std::string> starts_;
  const Model& model_;
  u64 states_max_;
  u32 searches_ = 0;
};

/// One client's view of one register. The writer of what a read saw must not be over before the call of what the client
/// already knew of.
class Session {
 public:
  Session(const Operations& operations, const std::vector<u64>& crashes, bool buffered)
      : operations_(operations), crashes_(buffered ? crashes : std::vector<u64>{}) {
    for (u64 i = 0; i < operations.size(); ++i) {
      const Operation& operation = operations[i];
      if (operation.ending == Ending::Fail) continue;
      if (const auto value = written(operation)) writers_[*value].push_back(i);
    }
  }

  /// The operations that show the violation; empty if there is none.
  Operations stale(bool own_writes) const {
    std::map<std::string, std::vector<u64>> known;  // by client: what it knew of, in order of calls
    for (u64 i = 0; i < operations_.size(); ++i) {
      const Operation& operation = operations_[i];
      if (!operation.is_complete()) continue;
      const bool is_read = reads(operation);
      if (is_read) {
        for (const u64 earlier : known[operation.request.client]) {
          if (operations_[earlier].returned > operation.called || !is_older(operation, operations_[earlier])) continue;
          return shown(operations_[earlier], operation);
        }
      }
      if (own_writes ? written(operation).has_value() : is_read) remember(known[operation.request.client], i);
    }
    return {};
  }

 private:
  using Value = std::optional<std::string>;  // nothing is a value too

  static bool reads(const Operation& operation) {
    return operation.request.name == "read" || operation.request.name == "get";
  }
  static std::optional<Value> written(const Operation& operation) {
    const Request& request = operation.request;
    if (request.name == "write" || request.name == "put") return Value(request.arguments[0]);
    if (request.name == "remove") return Value();
    const bool swapped = request.name == "cas" && (!operation.is_complete() || operation.result == "true");
    return swapped ? std::optional<Value>(Value(request.arguments[1])) : std::nullopt;
  }

  /// The earliest call among the writers of what the client knew of: all that is over before it is older.
  u64 floor_of(const Operation& known) const {
    if (!reads(known)) return known.called;
    const auto writers = writers_.find(known.result);
    if (!known.result || writers == writers_.end()) return 0;
    u64 floor = kNotReturned;
    for (const u64 writer : writers->second) floor = std::min(floor, operations_[writer].called);
    return floor;
  }
  u64 newest_end(const Value& value) const {
    u64 newest = 0;  // of what was there at the beginning
    const auto writers = writers_.find(value);
    if (writers == writers_.end()) return newest;
    for (const u64 writer : writers->second) {
      newest = std::max(newest, operations_[writer].is_complete() ? operations_[writer].returned : kNotReturned);
    }
    return newest;
  }
  bool is_older(const Operation& read, const Operation& known) const {
    if (newest_end(read.result) >= floor_of(known)) return false;
    for (const u64 crash : crashes_) {
      // A crash between the two took it back, unless it had been acknowledged as durable.
      const bool between = crash > known.called && crash < read.returned;
      const bool kept = !reads(known) && known.request.durable && known.returned < crash;
      if (between && !kept) return false;
    }
    return true;
  }
  /// Only what raises the floor is worth comparing with, unless crashes decide.
  void remember(std::vector<u64>& known, u64 index) const {
    if (!crashes_.empty() || known.empty()) {
      known.push_back(index);
    } else if (floor_of(operations_[index]) > floor_of(operations_[known.back()])) {
      known.back() = index;
    }
  }
  Operations shown(const Operation& known, const Operation& read) const {
    std::map<u64, Operation> chosen;  // by call
    chosen[known.called] = known;
    chosen[read.called] = read;
    for (const Operation* seen : {&known, &read}) {
      const auto writers = writers_.find(seen->result);
      if (!reads(*seen) || writers == writers_.end()) continue;
      chosen[operations_[writers->second.front()].called] = operations_[writers->second.front()];
    }
    Operations window;
    for (auto& [called, operation] : chosen) window.push_back(std::move(operation));
    return window;
  }

  const Operations& operations_;
  std::vector<u64> crashes_;
  std::map<Value, std::vector<u64>> writers_;
};

class Checker {
 public:
  Checker(const History& history, const Model& model, const CheckOptions& options)
      : history_(history), model_(model), options_(options) {}

  Checked run() {
    for (const Operation& operation : history_.operations()) {
      if (operation.ending == Ending::Fail) continue;
      std::string refused = model_.refuses(operation);
      if (refused.empty() && wants_sessions()) refused = refused_by_sessions(operation);
      if (!refused.empty()) {
        checked_.refused = history_.name() + ": " + refused;
        return std::move(checked_);
      }
      by_key_[operation.request.key].push_back(operation);
    }
    if (options_.durable && history_.healed() == kNotReturned) {
      checked_.refused = history_.name() + ": durability is judged by what is read after healing, and there was none";
      return std::move(checked_);
    }
    for (const auto& [key, operations] : by_key_) judge(key, operations);
    checked_.keys = by_key_.size();
    if (!checked_.violations.empty()) {
      checked_.judgement = Judgement::Violated;
    } else if (checked_.keys_unknown > 0) {
      checked_.judgement = Judgement::Unknown;
    }
    return std::move(checked_);
  }

 private:
  bool wants_sessions() const { return options_.read_your_writes || options_.monotonic_reads; }
  static std::string refused_by_sessions(const Operation& operation) {
    static constexpr std::string_view kKnown[] = {"write", "read", "put", "get", "remove", "cas", "sync"};
    const std::string& name = operation.request.name;
    if (std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown)) return {};
    return "read-your-writes and monotonic-reads know registers, whose values tell who wrote them; not '" + name + "'";
  }

  void judge(const std::string& key, const Operations& operations) {
    const std::vector<u64> crashes = options_.buffered ? history_.crashes() : std::vector<u64>{};
    bool unknown = false;
    if (options_.linearizable) unknown = !by_search("linearizable", key, operations, crashes) || unknown;
    if (options_.durable) unknown = !by_search("durable", key, durable_part(operations), {}) || unknown;
    if (wants_sessions()) {
      const Session session(operations, history_.crashes(), options_.buffered);
      if (options_.read_your_writes) by_session("read-your-writes", key, session.stale(true));
      if (options_.monotonic_reads) by_session("monotonic-reads", key, session.stale(false));
    }
    checked_.keys_unknown += unknown ? 1 : 0;
  }

  /// All effects, and what was read at the end: the effects that were acknowledged must show.
  Operations durable_part(const Operations& operations) const {
    Operations part;
    for (const Operation& operation : operations) {
      const bool is_late = operation.called > history_.healed();
      if (model_.is_read(operation) && !is_late) continue;
      part.push_back(operation);
      if (operation.request.durable || is_late) continue;
      part.back().ending = Ending::Unknown;  // may have been lost
      part.back().result.reset();
    }
    return part;
  }

  /// False when the states were spent.
  bool by_search(std::string_view judge, const std::string& key, const Operations& operations,
                 const std::vector<u64>& crashes) {
    const Searched searched = search(operations, crashes, model_, options_.states_max);
    checked_.states += searched.states;
    if (searched.judgement == Judgement::Violated) {
      Window window(operations, crashes, model_, options_.states_max);
      Operations smallest = window.smallest();
      report(judge, key, std::move(smallest), window.take_starts());
    }
    return searched.judgement != Judgement::Unknown;
  }
  void by_session(std::string_view judge, const std::string& key, Operations window) {
    if (!window.empty()) report(judge, key, std::move(window), {});
  }

  void report(std::string_view judge, const std::string& key, Operations window, std::vector<std::string> starts) {
    Violation violation;
    violation.judge = judge;
    violation.key = key;
    u64 last = 0;
    for (const Operation& operation : window) {
      if (!operation.is_complete() || operation.returned < last) continue;
      last = operation.returned;
      violation.moment = operation.return_moment;
      violation.client = operation.request.client;
    }
    violation.text = history_.name() + (key.empty() ? "" : " " + key) + ": not " + std::string(judge) + ", by " +
                     std::to_string(window.size()) + " of " + std::to_string(by_key_[key].size()) + " operations" +
                     text_of(starts) + ":";
    for (const Operation& operation : window) violation.text += "\n  " + describe(operation);
    violation.window = std::move(window);
    violation.starts = std::move(starts);
    checked_.violations.push_back(std::move(violation));
  }

  const History& history_;
  const Model& model_;
  const CheckOptions& options_;
  std::map<std::string, Operations> by_key_;
  Checked checked_;
};

}  // namespace

Checked check(const History& history, const Model& model, const CheckOptions& options) {
  return Checker(history, model, options).run();
}

}  // namespace sim::host::judge
