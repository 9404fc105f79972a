// user/lib/regex.h — POSIX regular expressions (POSIX.1-2017 XBD §9), basic and extended: what grep, sed, expr, pgrep and
// the editors search with. Also known in both: \w \W \s \S \b \B \< \> \n \t, and \+ \? \| in basic ones.
// Characters are those of UTF-8; a byte that is part of none is a character of its own. Case is ignored for ASCII.
// Algorithm   a program of small instructions, all its threads run side by side over the text (K. Thompson, CACM 11(6),
//             1968; R. Pike's captures): time is bounded by text × program. Only a pattern with back-references is
//             searched by backtracking, kBacktrackStepsMax steps and no further.
// Invariants  X1 offsets in instructions are relative, so that a piece of program can be moved and copied.  X2 the threads
//             of a step are ordered by where their match began; what is met first began first.
// Tested by   tests/user/regex_test.cpp (model: sets of end positions over the pattern's tree)
#pragma once
#include "base/result.h"
#include "base/vector.h"

namespace user {

/// `text` is a literal; `offset` the byte of the pattern where it was noticed.
struct RegexError {
  std::string_view text;
  u32 offset = 0;
};

struct RegexOptions {
  bool extended = false;
  bool ignore_case = false;
  bool whole_words = false;  // no word character just before or just behind the match
  bool whole_text = false;   // the match is all of the text
};

struct RegexSpan {
  static constexpr u64 kUnset = ~u64{0};
  u64 start = kUnset;
  u64 end = kUnset;
  bool set() const { return end != kUnset; }
  std::string_view of(std::string_view text) const {
    return set() ? text.substr(start, end - start) : std::string_view();
  }
};

class Regex {
 public:
  static constexpr u32 kInstructionsMax = 16'384;
  static constexpr u32 kDepthMax = 100;
  static constexpr u32 kRepeatMax = 255;  // RE_DUP_MAX of POSIX
  static constexpr u64 kBacktrackStepsMax = 1'000'000;

  /// Errors: what is wrong with the pattern; "pattern too complex" beyond the bounds above.
  static base::Result<Regex, RegexError> compile(base::Allocator& heap, std::string_view pattern,
                                                 const RegexOptions& options = {});

  /// TooComplex: back-references, and the steps were used up.
  enum class Found : u8 { No, Yes, TooComplex };
  /// The leftmost match that begins at `from` or later, and of those the longest. groups[0] is the match, groups[n] the
  /// n-th pair of parentheses, as many as there is room for; without room only whether there is a match. `^` is the start
  /// of `text`, not of `from`.
  Found search(std::string_view text, u64 from, std::span<RegexSpan> groups);
  bool matches(std::string_view text) { return search(text, 0, {}) == Found::Yes; }

  u32 group_count() const { return group_count_; }
  bool has_back_references() const { return back_references_; }
  /// Work done since the last call, in native work units, for Process::work.
  u64 take_work();

 private:
  friend class RegexCompiler;
  enum class Op : u8 {
    Character,  // x: code point
    Any,
    Set,            // x: index into sets_
    Split,          // x: first, y: second; relative
    Jump,           // x: relative
    Save,           // x: slot; even slots open a group, odd ones close it
    BackReference,  // x: group
    LoopEnter,      // x: register; notes where an iteration began (backtracking only)
    LoopCheck,      // x: register; an iteration over nothing is the last
    TextStart,
    TextEnd,
    WordEdge,
    NotWordEdge,
    WordStart,
    WordEnd,
    NotWordBefore,
    NotWordBehind,
    Match,
  };
  struct Instruction {
    Op op;
    i32 x = 0;
    i32 y = 0;
  };
  struct Range {
    u32 low;
    u32 high;
  };
  struct Set {
    u64 ascii[2] = {};    // negation is in it already
    u32 range_first = 0;  // of code points from 128 on
    u32 range_count = 0;
    bool negated = false;
  };
  /// The threads at one position: sparse set of instructions, each with its captures.
  struct Threads {
    explicit Threads(base::Allocator& heap) : order(heap), place(heap), visits(heap), slots(heap) {}
    bool has(u32 pc) const { return place[pc] < order.size() && order[place[pc]] == pc; }
    base::Vector<u32> order;
    base::Vector<u32> place;
    base::Vector<u8> visits;
    base::Vector<u64> slots;  // slot_count_ per instruction
  };
  struct Pending {
    i32 pc;  // < 0: not a thread, slot −1 − pc gets `value` back
    u64 value;
  };
  struct Character {
    u32 code;
    u32 length;
  };

  explicit Regex(base::Allocator& heap)
      : program_(heap), sets_(heap), ranges_(heap), now_(heap), next_(heap), pending_(heap), work_slots_(heap) {}
  static Character character_at(std::string_view text, u64 at);
  bool consumes(const Instruction& instruction, u32 code) const;
  bool set_has(const Set& set, u32 code) const;
  static bool holds(Op op, std::string_view text, u64 at);
  void find_first_bytes();
  void prepare(u32 slot_count);
  bool better(const u64* a, const u64* b) const;
  void add(Threads& threads, u32 pc, std::string_view text, u64 at);
  void save(u32 slot, u64 at);
  void visit_save(u32 slot, u64 at);
  Found search_threads(std::string_view text, u64 from, std::span<RegexSpan> groups);
  Found search_backtracking(std::string_view text, u64 from, std::span<RegexSpan> groups);
  Found backtrack(std::string_view text, u64 start, u64& steps, base::Vector<u64>& best);
  void tell(const u64* slots, u64 end, std::span<RegexSpan> groups) const;

  base::Vector<Instruction> program_;
  base::Vector<Set> sets_;
  base::Vector<Range> ranges_;
  u32 group_count_ = 0;
  u32 register_count_ = 0;
  bool back_references_ = false;
  bool ignore_case_ = false;
  bool can_skip_ = false;  // a match begins with one of first_bytes_
  u64 first_bytes_[4] = {};
  u64 steps_ = 0;
  // Room for searching, kept from one to the next.
  u32 slot_count_ = 0;
  Threads now_;
  Threads next_;
  base::Vector<Pending> pending_;
  base::Vector<u64> work_slots_;
};

}  // namespace user
