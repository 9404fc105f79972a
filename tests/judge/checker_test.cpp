// tests/judge/checker_test.cpp — the checker of histories: against all orders tried one by one with naive models, its
// limit, its windows, and the weaker judges.
#include "sim/host/judge/checker.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "base/prng.h"

namespace {

using namespace sim::host::judge;

// ── The twin: models in plain containers, and every order ────────────────────────────────────────────────────

struct Twin {
  std::optional<std::string> value;  // register, kv
  i64 sum = 0;
  std::set<std::string> set;
  std::deque<std::string> queue;
  std::string holder;
  std::string bytes;

  bool apply(const std::string& model, const Operation& op) {
    const std::string& name = op.request.name;
    const auto& arg = op.request.arguments;
    const bool known = op.is_complete();
    const auto is = [&](const std::optional<std::string>& result) { return !known || op.result == result; };
    const auto says = [](bool truth) { return std::optional<std::string>(truth ? "true" : "false"); };
    if (name == "sync") return true;
    if (model == "register" || model == "kv") {
      if (name == "write" || name == "put") value = arg[0];
      if (name == "remove") value.reset();
      if (name == "append") value = value.value_or("") + arg[0];
      if (name == "read" || name == "get") return is(value);
      if (name == "cas") {
        const bool equal = value == arg[0];
        if (!is(says(equal))) return false;
        if (equal) value = arg[1];
      }
      return true;
    }
    if (model == "counter") {
      if (name == "add") sum += std::stoll(arg[0]);
      return (name == "add" && !op.result) || is(std::to_string(sum));
    }
    if (model == "set") {
      if (name == "add") return is(says(set.insert(arg[0]).second));
      if (name == "remove") return is(says(set.erase(arg[0]) == 1));
      if (name == "contains") return is(says(set.count(arg[0]) == 1));
      std::string all;
      for (const std::string& item : set) all += (all.empty() ? "" : "\n") + item;
      return is(all);
    }
    if (model == "queue") {
      if (name == "enqueue") {
        queue.push_back(arg[0]);
        return true;
      }
      if (queue.empty()) return is(std::nullopt);
      if (!is(queue.front())) return false;
      if (name == "dequeue") queue.pop_front();
      return true;
    }
    if (model == "lock") {
      const bool free = holder.empty();
      if (name == "release") {
        if (holder != op.request.client) return false;
        holder.clear();
        return true;
      }
      if (name == "try" && !is(says(free))) return false;
      if (name == "acquire" && !free) return false;
      if (free) holder = op.request.client;
      return true;
    }
    REQUIRE(model == "file");
    if (name == "size") return is(std::to_string(bytes.size()));
    if (name == "truncate") bytes.resize(std::stoull(arg[0]));
    if (name == "append") {
      if (op.result && !is(std::to_string(bytes.size()))) return false;
      bytes += arg[0];
    }
    if (name == "write" && !arg[1].empty()) {
      const u64 offset = std::stoull(arg[0]);
      bytes.resize(std::max<u64>(bytes.size(), offset + arg[1].size()));
      for (u64 i = 0; i < arg[1].size(); ++i) bytes[offset + i] = arg[1][i];
    }
    if (name == "read") {
      const u64 offset = std::min<u64>(std::stoull(arg[0]), bytes.size());
      return is(bytes.substr(offset, std::stoull(arg[1])));
    }
    return true;
  }
};

/// Every order of every subset that holds all complete operations; with crashes every suffix that each may take back.
class BruteForce {
 public:
  BruteForce(std::string model, const std::vector<Operation>& operations, std::vector<u64> crashes)
      : model_(std::move(model)), operations_(operations), crashes_(std::move(crashes)) {}
  bool holds() { return place(Twin{}, {}, std::vector<bool>(operations_.size()), 0); }

 private:
  struct Done {
    u64 index;
    Twin before;
  };

  bool place(const Twin& state, std::vector<Done> era, const std::vector<bool>& placed, u64 crashes_taken) {
    const u64 crash = crashes_taken < crashes_.size() ? crashes_[crashes_taken] : kNotReturned;
    u64 first_return = kNotReturned;
    bool all = true;
    for (u64 i = 0; i < operations_.size(); ++i) {
      if (placed[i] || !operations_[i].is_complete()) continue;
      all = false;
      first_return = std::min(first_return, operations_[i].returned);
    }
    if (all) return true;
    for (u64 i = 0; i < operations_.size(); ++i) {
      const Operation& op = operations_[i];
      if (placed[i] || op.ending == Ending::Fail || op.called > first_return || op.called > crash) continue;
      Twin next = state;
      if (!next.apply(model_, op)) continue;
      auto now_placed = placed;
      now_placed[i] = true;
      auto longer = era;
      longer.push_back({i, state});
      if (place(next, longer, now_placed, crashes_taken)) return true;
    }
    if (crash > first_return || crash == kNotReturned) return false;
    // The crash: the last operations of this era may be gone, none of them acknowledged as durable.
    Twin after = state;
    auto left = placed;
    for (;;) {
      if (place(after, {}, left, crashes_taken + 1)) return true;
      if (era.empty()) return false;
      const Operation& op = operations_[era.back().index];
      if (op.is_complete() && op.returned < crash && op.request.durable && !changes_nothing(op)) return false;
      if (!op.is_complete() || op.returned > crash) left[era.back().index] = false;
      after = era.back().before;
      era.pop_back();
    }
  }

  static bool changes_nothing(const Operation& op) {
    static const std::set<std::string> kReads = {"read", "get", "peek", "contains", "size"};
    const bool refused = (op.request.name == "try" && op.result == "false") ||
                         (op.request.name == "dequeue" && op.is_complete() && !op.result);
    return refused || kReads.count(op.request.name) == 1;
  }

  std::string model_;
  const std::vector<Operation>& operations_;
  std::vector<u64> crashes_;
};

// ── Random histories ─────────────────────────────────────────────────────────────────────────────────────────

std::string letter(base::Prng& prng, u64 count) { return std::string(1, static_cast<char>('a' + prng.below(count))); }

Request random_request(base::Prng& prng, const std::string& model) {
  Request request;
  const u64 which = prng.below(6);
  if (model == "register" || model == "kv") {
    const bool kv = model == "kv";
    if (which < 2) {
      request.name = kv ? "put" : "write";
      request.arguments = {letter(prng, 3)};
    } else if (which < 4) {
      request.name = kv ? "get" : "read";
    } else if (which == 4 && kv) {
      request.name = prng.below(2) == 0 ? "remove" : "append";
      if (request.name == "append") request.arguments = {letter(prng, 2)};
    } else {
      request.name = "cas";
      request.arguments = {letter(prng, 3)};
      request.arguments.push_back(letter(prng, 3));
    }
  } else if (model == "counter") {
    request.name = which < 3 ? "add" : "read";
    if (which < 3) request.arguments = {std::to_string(static_cast<i64>(prng.below(4)) - 1)};
  } else if (model == "set") {
    request.name = which < 2 ? "add" : which == 2 ? "remove" : which < 5 ? "contains" : "read";
    if (which < 5) request.arguments = {letter(prng, 2)};
  } else if (model == "queue") {
    request.name = which < 3 ? "enqueue" : which < 5 ? "dequeue" : "peek";
    if (which < 3) request.arguments = {letter(prng, 3)};
  } else if (model == "lock") {
    request.name = which < 2 ? "acquire" : which < 4 ? "try" : "release";
  } else {
    request.name = which < 2 ? "write" : which == 2 ? "append" : which == 3 ? "truncate" : which == 4 ? "read" : "size";
    if (which < 2) request.arguments = {std::to_string(prng.below(3))};
    if (which < 2) request.arguments.push_back(letter(prng, 2) + letter(prng, 2));
    if (which == 2) request.arguments = {letter(prng, 2)};
    if (which == 3) request.arguments = {std::to_string(prng.below(4))};
    if (which == 4) request.arguments = {std::to_string(prng.below(3)), "3"};
  }
  return request;
}

/// Mostly what a correct object would have answered at the return, sometimes something else.
std::optional<std::string> plausible(base::Prng& prng, const std::string& model, Twin& object, Operation op) {
  const std::string& name = op.request.name;
  std::vector<std::optional<std::string>> tries = {std::nullopt,  "true", "false", "a", "b", "c",  "ab",   "aa", "ba",
                                                   std::string(), "0",    "1",     "2", "3", "-1", "a\nb", "bb"};
  const u64 shift = prng.below(tries.size());
  std::rotate(tries.begin(), tries.begin() + static_cast<std::ptrdiff_t>(shift), tries.end());
  op.ending = Ending::Ok;
  op.returned = 1;
  const bool lies = prng.below(8) == 0;
  for (const auto& result : tries) {
    Twin next = object;
    op.result = result;
    if (!next.apply(model, op)) continue;
    object = next;
    if (lies && (name == "read" || name == "get" || name == "dequeue")) return letter(prng, 3);
    return result;
  }
  return letter(prng, 3);
}

struct Shape {
  u64 operations_max;
  bool crashes;
};

History random_history(base::Prng& prng, const std::string& model, Shape shape) {
  History history("random");
  Twin object;
  std::vector<std::optional<u64>> open(3);
  const u64 target = 2 + prng.below(shape.operations_max - 1);
  for (u64 step = 0; step < 60; ++step) {
    const u64 client = prng.below(open.size());
    if (shape.crashes && prng.below(8) == 0 && history.crashes().size() < 2) history.crash();
    if (!open[client]) {
      if (history.operations().size() == target) continue;
      Request request = random_request(prng, model);
      request.client = "client" + std::to_string(client);
      request.durable = !shape.crashes || prng.below(2) == 0;
      open[client] = history.begin(std::move(request));
    } else {
      const u64 ending = prng.below(8);
      const Operation op = history.operations()[*open[client]];
      if (ending == 0) {
        history.end(*open[client], Ending::Unknown, {});
      } else if (ending == 1) {
        history.end(*open[client], Ending::Fail, {});
      } else {
        const auto result = plausible(prng, model, object, op);
        history.end(*open[client], Ending::Ok, result);
      }
      open[client].reset();
    }
  }
  return history;
}

void compare(u64 first_seed, u64 count, Shape shape) {
  u64 wrong = 0;
  const char* const models[] = {"register", "kv", "counter", "set", "queue", "lock", "file"};
  for (u64 seed = first_seed; seed < first_seed + count; ++seed) {
    base::Prng prng{seed, "test.history"};
    const std::string name = models[seed % std::size(models)];
    const auto model = model_named(name);
    const History history = random_history(prng, name, shape);
    const std::vector<u64> crashes = shape.crashes ? history.crashes() : std::vector<u64>{};
    const bool expected = BruteForce(name, history.operations(), crashes).holds();
    const Checked checked = check(history, *model, {.buffered = shape.crashes});
    wrong += expected ? 0 : 1;
    if (checked.refused.empty() && (checked.judgement == Judgement::Ok) == expected) continue;
    CAPTURE(seed, name, checked.refused);
    for (const Operation& op : history.operations())
      UNSCOPED_INFO(describe(op) << "  " << op.called << " " << op.returned);
    REQUIRE((checked.judgement == Judgement::Ok) == expected);
    FAIL("refused");
  }
  // Neither answer is rare, or the comparison would say little.
  CHECK(wrong > count / 10);
  CHECK(wrong < count - count / 10);
}

u64 done(History& history, const char* client, const char* name, std::vector<std::string> arguments,
         std::optional<std::string> result = {}, const char* key = "x") {
  const u64 number = history.begin({client, name, key, std::move(arguments)});
  history.end(number, Ending::Ok, std::move(result));
  return number;
}

}  // namespace

TEST_CASE("the checker agrees with trying all orders on 10 000 small histories", "[judge][model][simulation.T49]") {
  compare(0, 10'000, {6, false});
}

TEST_CASE("with buffered, a crash takes back what brute force says it may", "[judge][model]") {
  compare(0, 3000, {5, true});
}

TEST_CASE("a spent budget of states says unknown", "[judge][simulation.T50]") {
  // Twelve writers at once and a value nobody wrote: all orders are wrong, and there are many.
  History history("spent");
  std::vector<u64> open;
  for (u32 i = 0; i < 12; ++i) {
    open.push_back(history.begin({"w" + std::to_string(i), "write", "x", {"v" + std::to_string(i)}}));
  }
  const u64 read = history.begin({"reader", "read", "x", {}});
  for (const u64 number : open) history.end(number, Ending::Ok, {});
  history.end(read, Ending::Ok, "never");
  done(history, "w0", "write", {"fine"}, {}, "y");
  const auto model = model_named("register");
  const Checked spent = check(history, *model, {.states_max = 1000});
  CHECK(spent.judgement == Judgement::Unknown);
  CHECK(spent.keys == 2);
  CHECK(spent.keys_unknown == 1);
  CHECK(spent.states >= 1000);
  CHECK(spent.states < 1100);
  CHECK(spent.violations.empty());
  CHECK(check(history, *model).judgement == Judgement::Violated);
}

TEST_CASE("a planted stale read among thousands of operations is shown in at most ten",
          "[judge][property][simulation.T53]") {
  for (u64 seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.stale"};
    History history("notes");
    std::string value;
    std::vector<std::string> past;
    struct Open {
      u64 number;
      std::optional<std::string> result;
    };
    std::vector<std::optional<Open>> open(4);
    u64 moment = 0;
    const u64 planted_at = 500 + prng.below(1000);
    u64 planted_call = 0;
    for (u64 step = 0; step < 2000 || planted_call == 0; ++step) {
      const u64 who = prng.below(open.size());
      moment += 1;
      if (open[who]) {
        history.end(open[who]->number, Ending::Ok, open[who]->result, {moment, moment * 1000});
        open[who].reset();
        continue;
      }
      const std::string client = "c" + std::to_string(who);
      if (prng.below(2) == 0) {
        const std::string text = "v" + std::to_string(step);
        open[who] = Open{history.begin({client, "write", "x", {text}}, {moment, moment * 1000}), {}};
        past.push_back(value);
        value = text;
      } else {
        std::optional<std::string> seen;
        if (!value.empty()) seen = value;
        const u64 number = history.begin({client, "read", "x", {}}, {moment, moment * 1000});
        if (step >= planted_at && planted_call == 0 && past.size() > 20) {
          seen = past[past.size() - 15];
          planted_call = history.operations()[number].called;
        }
        open[who] = Open{number, seen};
      }
    }
    const Checked checked = check(history, *model_named("register"));
    REQUIRE(checked.judgement == Judgement::Violated);
    REQUIRE(checked.violations.size() == 1);
    const Violation& violation = checked.violations[0];
    INFO(violation.text);
    CHECK(violation.window.size() <= 10);
    const bool shows = std::any_of(violation.window.begin(), violation.window.end(),
                                   [&](const Operation& op) { return op.called == planted_call; });
    CHECK(shows);
    CHECK(violation.moment.sequence != 0);
    // The window is wrong by itself.
    CHECK(search(violation.window, {}, *model_named("register"), kStatesMax).judgement == Judgement::Violated);
  }
}

TEST_CASE("an unknown write may take effect later, once, or never", "[judge]") {
  const auto model = model_named("register");
  for (const bool seen_after : {true, false}) {
    History history("late");
    const u64 lost = history.begin({"a", "write", "x", {"lost"}});
    history.end(lost, Ending::Unknown, {});
    done(history, "b", "write", {"kept"});
    done(history, "b", "read", {}, "kept");
    if (seen_after) done(history, "b", "read", {}, "lost");
    CHECK(check(history, *model).judgement == Judgement::Ok);
    if (!seen_after) continue;
    done(history, "b", "read", {}, "kept");  // it cannot come and go
    CHECK(check(history, *model).judgement == Judgement::Violated);
  }
  History failed("failed");
  const u64 number = failed.begin({"a", "write", "x", {"never"}});
  failed.end(number, Ending::Fail, {});
  done(failed, "b", "read", {}, "never");
  CHECK(check(failed, *model).judgement == Judgement::Violated);
}

TEST_CASE("an append that was sent twice is seen", "[judge]") {
  History history("log");
  done(history, "a", "append", {"one "}, {}, "f");
  done(history, "a", "append", {"two "}, {}, "f");
  done(history, "b", "read", {"0", "100"}, "one two two ", "f");
  const Checked checked = check(history, *model_named("file"));
  CHECK(checked.judgement == Judgement::Violated);
  CHECK(checked.violations[0].text.find("read f \"0\" \"100\" → ok \"one two two \"") != std::string::npos);
}

TEST_CASE("a sync keeps what was answered before it, and a crash takes the rest", "[judge]") {
  const auto model = model_named("register");
  for (const bool synced : {true, false}) {
    History history("store");
    history.end(history.begin({"a", "write", "x", {"new"}, false}), Ending::Ok, {});
    const u64 sync = history.begin({"a", "sync", "x", {}, false});
    if (synced) history.make_durable(sync);
    history.end(sync, Ending::Ok, {});
    history.crash();
    history.crash();  // a node and its disks: nothing was asked between
    CHECK(history.crashes().size() == 1);
    done(history, "b", "read", {}, {});
    CHECK(check(history, *model, {.buffered = true}).judgement == (synced ? Judgement::Violated : Judgement::Ok));
    CHECK(check(history, *model).judgement == Judgement::Violated);
  }
}

TEST_CASE("what was acknowledged as durable is there after healing", "[judge]") {
  const auto model = model_named("kv");
  for (const bool durable : {true, false}) {
    History history("store");
    done(history, "a", "put", {"old"});
    const u64 number = history.begin({"a", "put", "x", {"new"}, durable});
    history.end(number, Ending::Ok, {});
    done(history, "b", "get", {}, "never written");  // durability does not judge it
    history.crash();
    CHECK(check(history, *model, {.linearizable = false, .durable = true}).refused ==
          "store: durability is judged by what is read after healing, and there was none");
    history.heal();
    done(history, "b", "get", {}, "old");
    CHECK(history.count("b", Ending::Ok, true) == 1);
    CHECK(history.count("", Ending::Ok) == 4);
    const Checked checked = check(history, *model, {.linearizable = false, .durable = true});
    CHECK(checked.judgement == (durable ? Judgement::Violated : Judgement::Ok));
  }
}

TEST_CASE("a client sees its own writes, and loses nothing it has read", "[judge]") {
  const auto model = model_named("register");
  const CheckOptions own{.linearizable = false, .read_your_writes = true};
  const CheckOptions monotonic{.linearizable = false, .monotonic_reads = true};
  History stale("stale");
  done(stale, "a", "write", {"1"});
  done(stale, "b", "write", {"2"});
  done(stale, "b", "read", {}, "1");
  CHECK(check(stale, *model, own).violations.size() == 1);
  CHECK(check(stale, *model, monotonic).judgement == Judgement::Ok);

  History back("back");
  done(back, "a", "write", {"1"});
  done(back, "a", "write", {"2"});
  done(back, "c", "read", {}, "2");
  done(back, "c", "read", {}, "1");
  const Checked checked = check(back, *model, monotonic);
  REQUIRE(checked.violations.size() == 1);
  CHECK(checked.violations[0].judge == "monotonic-reads");
  CHECK(checked.violations[0].client == "c");
  CHECK(checked.violations[0].window.size() == 4);
  CHECK(check(back, *model, own).judgement == Judgement::Ok);

  History other("other");  // two clients may see different ages: only linearizability forbids it
  done(other, "a", "write", {"1"});
  done(other, "a", "write", {"2"});
  done(other, "c", "read", {}, "2");
  done(other, "d", "read", {}, "1");
  CHECK(check(other, *model, monotonic).judgement == Judgement::Ok);
  CHECK(check(other, *model).judgement == Judgement::Violated);
}

TEST_CASE("operations a model does not have are refused with what it has", "[judge]") {
  History history("h");
  done(history, "a", "incr", {"1"});
  CHECK(check(history, *model_named("counter")).refused ==
        "h: a counter has no operation 'incr'; it has: add read sync");
  History number("h");
  done(number, "a", "add", {"one"});
  CHECK(check(number, *model_named("counter")).refused == "h: add of a counter: 'one' is not a number");
  History count("h");
  done(count, "a", "write", {});
  CHECK(check(count, *model_named("register")).refused == "h: write of a register takes 1 arguments, not 0");
  CHECK(model_named("stack") == nullptr);
  CHECK(model_names() == "register, kv, counter, set, queue, lock, file");
}

TEST_CASE("a model may be two functions", "[judge]") {
  // A stack of one.
  const CallbackModel model("", [](std::string& state, const Operation& op) {
    if (op.request.name == "push") {
      if (!state.empty()) return false;
      state = op.request.arguments[0];
      return true;
    }
    const bool right = !op.is_complete() || op.result == state;
    state.clear();
    return right;
  });
  History history("slot");
  done(history, "a", "push", {"1"});
  done(history, "b", "pop", {}, "1");
  CHECK(check(history, model).judgement == Judgement::Ok);
  done(history, "b", "pop", {}, "1");
  CHECK(check(history, model).judgement == Judgement::Violated);
}

TEST_CASE("what was before a wrong answer of a counter is replaced by what it left", "[judge]") {
  History history("sum");
  i64 sum = 0;
  for (u32 i = 0; i < 300; ++i) {
    const u64 first = history.begin({"a", "add", "n", {"1"}});
    const u64 second = history.begin({"b", "add", "n", {"2"}});
    history.end(first, Ending::Ok, {});
    history.end(second, Ending::Ok, {});
    sum += 3;
    const bool wrong = i == 250;
    done(history, "c", "read", {}, std::to_string(wrong ? sum - 2 : sum), "n");
  }
  const Checked checked = check(history, *model_named("counter"));
  REQUIRE(checked.violations.size() == 1);
  const Violation& violation = checked.violations[0];
  INFO(violation.text);
  CHECK(violation.window.size() <= 10);
  CHECK(violation.client == "c");
  REQUIRE(violation.starts.size() == 1);
  CHECK(violation.starts[0] == std::to_string(3 * 251));
  CHECK(violation.text.find("by 1 of 900 operations, after others that left '753':") != std::string::npos);
}

TEST_CASE("a hundred thousand operations on a hundred keys are judged one state each", "[judge]") {
  History history("many");
  base::Prng prng{1, "test.many"};
  std::map<std::string, std::optional<std::string>> values;
  for (u64 i = 0; i < 50'000; ++i) {
    const std::string key = "k" + std::to_string(prng.below(100));
    const std::string text = std::to_string(i);
    const u64 write = history.begin({"w", "write", key, {text}});
    const auto before = values[key];
    const u64 read = history.begin({"r", "read", key, {}});
    history.end(write, Ending::Ok, {});
    const bool is_new = prng.below(2) == 0;
    history.end(read, Ending::Ok, is_new ? text : before);
    values[key] = text;
  }
  const Checked checked = check(history, *model_named("register"));
  CHECK(checked.judgement == Judgement::Ok);
  CHECK(checked.keys == 100);
  CHECK(checked.states < 200'000);
}
