// user/lib/regex_search.cpp — running the program of a regular expression over a text; see regex.h.
#include "user/lib/regex.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u8 kVisitsMax = 8;  // times one instruction's captures are improved within one step: keeps a step linear

bool is_word(u32 code) {
  return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') || (code >= '0' && code <= '9') || code == '_';
}

}  // namespace

u64 Regex::take_work() {
  const u64 units = steps_ / 4 + 1;  // an instruction of ours is some 2.5 ns of the machine modelled, a unit is 10 ns
  steps_ = 0;
  return units;
}

bool Regex::set_has(const Set& set, u32 code) const {
  if (code < 128) return (set.ascii[code / 64] >> code % 64 & 1) != 0;
  bool inside = false;
  for (u32 i = 0; i < set.range_count && !inside; ++i) {
    const Range& range = ranges_[set.range_first + i];
    inside = code >= range.low && code <= range.high;
  }
  return inside != set.negated;
}

bool Regex::consumes(const Instruction& instruction, u32 code) const {
  switch (instruction.op) {
    case Op::Any: return true;
    case Op::Set: return set_has(sets_[static_cast<u32>(instruction.x)], code);
    case Op::Character:
      if (ignore_case_ && code >= 'A' && code <= 'Z') code += 32;
      return code == static_cast<u32>(instruction.x);
    default: return false;
  }
}

bool Regex::holds(Op op, std::string_view text, u64 at) {
  // Word characters are ASCII: the byte before is one exactly if the character before is.
  const bool before = at > 0 && is_word(static_cast<u8>(text[at - 1]));
  const bool behind = at < text.size() && is_word(static_cast<u8>(text[at]));
  switch (op) {
    case Op::TextStart: return at == 0;
    case Op::TextEnd: return at == text.size();
    case Op::WordEdge: return before != behind;
    case Op::NotWordEdge: return before == behind;
    case Op::WordStart: return !before && behind;
    case Op::WordEnd: return before && !behind;
    case Op::NotWordBefore: return !before;
    case Op::NotWordBehind: return !behind;
    default: UNREACHABLE("only assertions are asked");
  }
}

/// Which bytes a match can begin with, unless it may be empty.
void Regex::find_first_bytes() {
  const auto mark = [&](u32 byte) { first_bytes_[byte / 64] |= u64{1} << byte % 64; };
  prepare(0);
  can_skip_ = true;
  now_.order.clear();
  pending_.push_back({0, 0});
  while (!pending_.empty()) {
    const u32 pc = static_cast<u32>(pending_.take_back().pc);
    if (now_.has(pc)) continue;
    now_.place[pc] = static_cast<u32>(now_.order.size());
    now_.order.push_back(pc);
    const Instruction& instruction = program_[pc];
    switch (instruction.op) {
      case Op::Match:
      case Op::BackReference: can_skip_ = false; break;
      case Op::Character:
      case Op::Any:
      case Op::Set:
        for (u32 code = 0; code < 128; ++code) {
          if (consumes(instruction, code)) mark(code);
        }
        // Beyond ASCII all lead bytes are let through: the search itself decides.
        if (instruction.op != Op::Character || instruction.x >= 128) first_bytes_[2] = first_bytes_[3] = ~u64{0};
        break;
      case Op::Split: pending_.push_back({static_cast<i32>(pc) + instruction.y, 0}); [[fallthrough]];
      case Op::Jump: pending_.push_back({static_cast<i32>(pc) + instruction.x, 0}); break;
      default: pending_.push_back({static_cast<i32>(pc) + 1, 0}); break;
    }
  }
}

void Regex::prepare(u32 slot_count) {
  slot_count_ = slot_count;
  for (Threads* threads : {&now_, &next_}) {
    threads->order.clear();
    if (threads->place.size() < program_.size()) {
      threads->place.resize(program_.size());
      threads->visits.resize(program_.size());
      threads->order.reserve(program_.size());
    }
    threads->slots.resize(program_.size() * slot_count);
  }
  work_slots_.resize(slot_count);
}

/// Whether captures `a` are preferred to `b`: group by group from the left, begun earlier, then ended later. (POSIX asks
/// for this of every subpattern; of a group in a loop we compare the last round only.)
bool Regex::better(const u64* a, const u64* b) const {
  for (u32 i = 0; i < slot_count_; ++i) {
    if (a[i] == b[i]) continue;
    return i % 2 == 0 ? a[i] < b[i] : a[i] > b[i];
  }
  return false;
}

/// Adds the thread at `pc` with the captures in work_slots_, and all it leads to without consuming a character.
void Regex::add(Threads& threads, u32 first, std::string_view text, u64 at) {
  ASSERT(pending_.empty());
  pending_.push_back({static_cast<i32>(first), 0});
  while (!pending_.empty()) {
    const Pending todo = pending_.take_back();
    if (todo.pc < 0) {
      work_slots_[static_cast<u32>(-1 - todo.pc)] = todo.value;
      continue;
    }
    for (i32 pc = todo.pc;;) {
      steps_ += 1;
      const u32 place = static_cast<u32>(pc);
      u64* const kept = threads.slots.data() + u64{place} * slot_count_;
      if (!threads.has(place)) {
        threads.place[place] = static_cast<u32>(threads.order.size());
        threads.visits[place] = 0;
        threads.order.push_back(place);
      } else if (threads.visits[place] >= kVisitsMax || !better(work_slots_.data(), kept)) {
        break;
      } else {
        threads.visits[place] += 1;
      }
      for (u32 i = 0; i < slot_count_; ++i) kept[i] = work_slots_[i];
      const Instruction& instruction = program_[place];
      if (instruction.op == Op::Jump) {
        pc += instruction.x;
        continue;
      }
      if (instruction.op == Op::Split) {
        pending_.push_back({pc + instruction.y, 0});
        pc += instruction.x;
        continue;
      }
      if (instruction.op == Op::Save) {
        const u32 slot = static_cast<u32>(instruction.x);
        visit_save(slot, at);
      } else if (instruction.op >= Op::TextStart && instruction.op < Op::Match) {
        if (!holds(instruction.op, text, at)) break;
      } else if (instruction.op != Op::LoopEnter && instruction.op != Op::LoopCheck) {
        break;  // it consumes a character, or is the match
      }
      pc += 1;
    }
  }
}

/// Sets a slot for the rest of this path; what it held comes back with the alternatives still to be followed.
void Regex::visit_save(u32 slot, u64 at) {
  if (slot % 2 == 0) save(slot + 1, RegexSpan::kUnset);  // a group begun anew has no end yet
  save(slot, at);
}

void Regex::save(u32 slot, u64 at) {
  if (slot >= slot_count_) return;
  // Restoring lies below what this path pushes later, above the alternatives from before it: exactly their scope.
  pending_.push_back({-1 - static_cast<i32>(slot), work_slots_[slot]});
  work_slots_[slot] = at;
}

Regex::Found Regex::search(std::string_view text, u64 from, std::span<RegexSpan> groups) {
  ASSERT(from <= text.size());
  return back_references_ ? search_backtracking(text, from, groups) : search_threads(text, from, groups);
}

void Regex::tell(const u64* slots, u64 end, std::span<RegexSpan> groups) const {
  for (u32 i = 0; i < groups.size(); ++i) {
    const bool known = 2 * i + 1 < slot_count_ && i <= group_count_;
    groups[i] =
        known && slots[2 * i + 1] != RegexSpan::kUnset ? RegexSpan{slots[2 * i], slots[2 * i + 1]} : RegexSpan{};
  }
  if (!groups.empty()) groups[0] = {slots[0], end};
}

Regex::Found Regex::search_threads(std::string_view text, u64 from, std::span<RegexSpan> groups) {
  // Slot 0 is where the match began. Only what is asked for is tracked.
  const u32 wanted = static_cast<u32>(std::min<u64>(groups.size(), u64{group_count_} + 1));
  prepare(groups.size() <= 1 ? 1 : 2 * wanted);
  const u32 match = static_cast<u32>(program_.size() - 1);
  bool found = false;
  u64 best_start = 0;
  for (u64 at = from;;) {
    if (!found) {
      if (can_skip_ && now_.order.empty()) {
        const u64 before = at;
        while (at < text.size()) {
          const u8 byte = static_cast<u8>(text[at]);
          if ((first_bytes_[byte / 64] >> byte % 64 & 1) != 0) break;
          at += 1;
        }
        steps_ += (at - before) / 4;
        if (at == text.size()) break;
      }
      for (u64& slot : work_slots_) slot = RegexSpan::kUnset;
      work_slots_[0] = at;
      add(now_, 0, text, at);
    }
    if (now_.has(match)) {
      const u64* const slots = now_.slots.data() + u64{match} * slot_count_;
      if (groups.empty()) return Found::Yes;
      if (!found || slots[0] <= best_start) tell(slots, at, groups);
      if (!found || slots[0] < best_start) best_start = slots[0];
      found = true;
    }
    if (at == text.size() || (found && now_.order.empty())) break;
    const Character read = character_at(text, at);
    next_.order.clear();
    for (const u32 pc : now_.order) {
      const u64* const slots = now_.slots.data() + u64{pc} * slot_count_;
      if (found && slots[0] > best_start) break;  // X2
      if (!consumes(program_[pc], read.code)) continue;
      for (u32 i = 0; i < slot_count_; ++i) work_slots_[i] = slots[i];
      add(next_, pc + 1, text, at + read.length);
    }
    steps_ += now_.order.size();
    std::swap(now_, next_);
    at += read.length;
  }
  return found ? Found::Yes : Found::No;
}

Regex::Found Regex::search_backtracking(std::string_view text, u64 from, std::span<RegexSpan> groups) {
  prepare(2 * (group_count_ + 1));
  base::Vector<u64> best(program_.allocator());
  u64 steps = 0;
  for (u64 start = from;;) {
    const Found found = backtrack(text, start, steps, best);
    if (found == Found::Yes) tell(best.data(), best[1], groups);
    if (found != Found::No) return found;
    if (start == text.size()) return Found::No;
    start += character_at(text, start).length;
  }
}

/// All ways to match from `start`, the longest kept in `best` (slot 1 is its end).
Regex::Found Regex::backtrack(std::string_view text, u64 start, u64& steps, base::Vector<u64>& best) {
  struct Choice {
    i32 pc;  // < 0: slot −1 − pc gets `value` back; else `value` is the position in the text
    u64 value;
  };
  best.clear();
  base::Vector<Choice> choices(program_.allocator());
  base::Vector<u64> slots(program_.allocator());
  slots.resize(slot_count_ + register_count_, RegexSpan::kUnset);
  slots[0] = start;
  const auto set = [&](u32 slot, u64 value) {
    choices.push_back({-1 - static_cast<i32>(slot), slots[slot]});
    slots[slot] = value;
  };
  choices.push_back({0, start});
  while (!choices.empty()) {
    const Choice choice = choices.take_back();
    if (choice.pc < 0) {
      slots[static_cast<u32>(-1 - choice.pc)] = choice.value;
      continue;
    }
    u64 at = choice.value;
    for (i32 pc = choice.pc;;) {
      steps += 1;
      steps_ += 1;
      if (steps > kBacktrackStepsMax) return Found::TooComplex;
      const Instruction& instruction = program_[static_cast<u32>(pc)];
      const u32 x = static_cast<u32>(instruction.x);
      if (instruction.op == Op::Jump) {
        pc += instruction.x;
        continue;
      }
      if (instruction.op == Op::Split) {
        choices.push_back({pc + instruction.y, at});
        pc += instruction.x;
        continue;
      }
      if (instruction.op == Op::Match) {
        if (best.empty() || at > best[1]) {
          best.clear();
          best.append(slots.span());
          best[1] = at;
        }
        break;
      }
      if (instruction.op == Op::Save) {
        if (x % 2 == 0) set(x + 1, RegexSpan::kUnset);
        set(x, at);
      } else if (instruction.op == Op::LoopEnter) {
        set(slot_count_ + x, at);
      } else if (instruction.op == Op::LoopCheck) {
        if (slots[slot_count_ + x] == at) break;
      } else if (instruction.op == Op::BackReference) {
        const RegexSpan group{slots[2 * x], slots[2 * x + 1]};
        if (!group.set()) break;
        const std::string_view copy = group.of(text);
        if (!text.substr(at).starts_with(copy)) break;
        at += copy.size();
      } else if (instruction.op >= Op::TextStart) {
        if (!holds(instruction.op, text, at)) break;
      } else {
        if (at == text.size()) break;
        const Character read = character_at(text, at);
        if (!consumes(instruction, read.code)) break;
        at += read.length;
      }
      pc += 1;
    }
  }
  return best.empty() ? Found::No : Found::Yes;
}

}  // namespace user
