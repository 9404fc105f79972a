// sim/host/scenario/source_check.h — what can be told about a scenario's text before it runs: names that do not exist, and
// what is not the same on every machine. A reader of Lua's grammar (Lua 5.4 manual, §9) that knows scopes and no values.
#pragma once
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace sim::host::scenario {

struct SourceIssue {
  u32 line = 0;
  std::string text;
};

/// What a chunk does with names that are not local. `text` must have compiled.
struct SourceNames {
  struct Use {
    std::string name;
    std::string field;  // of `string.rep`: "rep"; empty when none follows directly
    u32 line = 0;
  };
  std::vector<Use> reads;
  std::set<std::string> assigned;
  std::vector<SourceIssue> issues;
};
SourceNames read_names(std::string_view text);

/// Issues of one file: names that are neither in `globals` nor assigned in it or by `others`. By line.
std::vector<SourceIssue> check_source(const SourceNames& names, const std::vector<std::string>& globals,
                                      const std::set<std::string>& others);

}  // namespace sim::host::scenario
