// sim/host/scenario/golden.h — what a run said, line by line, against a file beside the scenario.
#pragma once
#include <map>
#include <string>

#include "sim/host/filter.h"
#include "sim/host/scenario/plan.h"

namespace sim::host::scenario {

constexpr u64 kGoldenBytesMax = u64{4} << 20;

/// What one golden file is held against, as the run goes on.
class Golden {
 public:
  /// `nodes`: their names; with more than one each line of a console begins with its node's.
  Golden(const GoldenPlan& plan, std::vector<std::string> nodes) : plan_(plan), nodes_(std::move(nodes)) {}

  const GoldenPlan& plan() const { return plan_; }
  /// A console's output; returns do not count.
  void add_output(u32 node, std::string_view text);
  void add_event(const base::Event& event);
  /// All of it; lines of consoles that have no end are ended.
  std::string text() const;

  Filter filter;  // of its events

 private:
  void add_line(std::string_view line);

  const GoldenPlan& plan_;
  std::vector<std::string> nodes_;
  std::map<u32, std::string> open_;  // lines of consoles that have no end yet
  std::string lines_;
  bool is_cut_ = false;
};

/// Empty, or the first line that differs: `line 3: the file says "…", the run "…"`.
std::string first_difference(std::string_view expected, std::string_view actual);

}  // namespace sim::host::scenario
