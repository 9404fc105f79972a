// sim/host/filter.h — one language for picking events, on the command line and in scenarios:
//
//   filter  = all { ("or" | ",") all }           all = one { ["and"] one }
//   one     = "not" one | "(" filter ")" | test, each with "within 5ms after ( filter )" behind it
//   test    = kinds | field (= != < <= > >= ~) value
//   kinds   = all | ipc | ipc.* | ipc.transfer | fs.re*
//   field   = node thread object core flags a b c time seq cause kind lane, or an operand's name in base/events.def
//
// The operand `name` is a text, of which events keep the first eight bytes.
// `=` and `!=` on names take `*` and `?`; `~` is "contains" of names and "has all these bits" of numbers. Times have
// units. A test on an operand that an event's kind does not have is false. Fields and values are plain words or "quoted".
//
// A filter is asked about every event of a run: what it says of each kind is worked out when it is read, so that most
// events cost a look into a table.
// Bounds      kFilterBytesMax of text, kFilterDepthMax nested parentheses.
// Tested by   tests/sim/filter_test.cpp
#pragma once
#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/events.h"

namespace sim {
class World;
}

namespace sim::host {

constexpr u64 kFilterBytesMax = 4096;
constexpr u32 kFilterDepthMax = 32;

/// How what a filter calls by name is called in the run.
struct FilterNames {
  std::vector<std::string> nodes;  // name of node i + 1; numbers are always known
  /// Name of a thread, empty when there is none of this id (any more). Asked only for filters with `thread`.
  std::function<std::string_view(u32 node, u32 thread_id)> thread;
};

/// The words a, b, c of a kind by their names in base/events.def: lower case, spaces as hyphens; empty where they have none.
std::array<std::string, 3> operand_names(base::EventKind kind);

/// The name of a thread in a running world; empty when it is gone.
std::string_view thread_name(World& world, u32 node, u32 thread_id);
/// Name of a lane as filters write it.
std::string_view name_of(base::Lane lane);

class Filter {
 public:
  /// Passes nothing.
  Filter();

  /// Whether the event passes. Events are shown in order, each once: `within` remembers when something last was.
  bool matches(const base::Event& event) {
    const Answer known = verdicts_[event.kind % kKinds];
    const bool answer = known == Answer::Ask ? ask(root_, event) : known == Answer::Yes;
    if (!watches_.empty()) watch(event);
    return answer;
  }
  const std::string& text() const { return text_; }

 private:
  friend class FilterParser;
  static constexpr u32 kKinds = base::LaneTable::kKindsMax;
  static constexpr u64 kNeverSeen = ~u64{0};

  enum class Answer : u8 { No, Yes, Ask };
  enum class Form : u8 { Kinds, Word, Node, Thread, Lane, Kind, After, And, Or, Not };
  enum class Relation : u8 { Equal, Unequal, Less, AtMost, Greater, AtLeast, Contains };
  enum class Place : u8 { None, Time, Sequence, Cause, Core, Flags, ThreadId, Object, A, B, C };
  struct Part {
    Form form = Form::Kinds;
    Relation relation = Relation::Equal;
    u64 number = 0;
    std::string name;
    bool by_name = false;
    std::array<Answer, kKinds> kinds{};  // Kinds: the set. Afterwards of every part: what is known by the kind alone
    std::array<Place, kKinds> places{};  // Word: where the value is, by kind
    u32 left = 0;
    u32 right = 0;
  };
  struct Watch {
    u32 part = 0;  // After
    u32 what = 0;  // root of its filter
    u64 last_ns = kNeverSeen;
  };

  void watch(const base::Event& event);
  bool ask(u32 index, const base::Event& event) const;
  bool compare_name(const Part& part, std::string_view name) const;

  std::string text_;
  FilterNames names_;
  std::vector<Part> parts_;
  std::vector<Watch> watches_;
  u32 root_ = 0;
  std::array<Answer, kKinds> verdicts_{};
};

/// Reads `text` into `out`. Empty, or what is wrong: "column 14: there is no kind 'ipc.trasnfer'; did you mean …?".
std::string parse_filter(std::string_view text, FilterNames names, Filter& out);

}  // namespace sim::host
