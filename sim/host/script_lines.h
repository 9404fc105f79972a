// sim/host/script_lines.h — a console script without some of its lines, named as overrides name them:
//     input  console:1  @3  spare          # the fourth line of the script
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace sim::host {

class SparedLines {
 public:
  /// Takes the line of an overrides file if it spares a line of a script; false when it is about something else.
  bool take(std::string_view line);
  /// The same for each line of a whole file: those it takes become empty, so that the others keep their numbers.
  std::string take_all(std::string_view overrides);

  bool empty() const { return lines_.empty(); }
  /// The script without these lines. `unused` gets those that it does not have.
  std::string apply(std::string_view script, std::vector<std::string>& unused) const;

 private:
  std::vector<u64> lines_;  // from 0
};

/// The lines of a script that do something, as overrides name them: `input console:1 @3`.
std::vector<std::string> operations_of(std::string_view script);

}  // namespace sim::host
