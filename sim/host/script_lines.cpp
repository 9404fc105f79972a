// sim/host/script_lines.cpp — see script_lines.h.
#include "sim/host/script_lines.h"

#include <algorithm>

#include "base/parse.h"

namespace sim::host {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kName = "input console:1 @";

std::string_view next_line(std::string_view& rest) {
  const auto end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

/// Words with one blank between them, without a comment.
std::string plain(std::string_view line) {
  std::string words;
  line = line.substr(0, line.find('#'));
  while (true) {
    const auto start = line.find_first_not_of(kBlanks);
    if (start == std::string_view::npos) return words;
    const auto end = std::min(line.find_first_of(kBlanks, start), line.size());
    words += (words.empty() ? "" : " ") + std::string(line.substr(start, end - start));
    line.remove_prefix(end);
  }
}

}  // namespace

bool SparedLines::take(std::string_view line) {
  const std::string words = plain(line);
  constexpr std::string_view kEnd = " spare";
  if (!words.starts_with(kName) || !words.ends_with(kEnd) || words.size() < kName.size() + kEnd.size()) return false;
  const auto number = base::parse_u64(words.substr(kName.size(), words.size() - kName.size() - kEnd.size()));
  if (!number.ok()) return false;
  lines_.push_back(*number);
  return true;
}

std::string SparedLines::take_all(std::string_view overrides) {
  std::string rest_of_it;
  while (!overrides.empty()) {
    const std::string_view line = next_line(overrides);
    if (!take(line)) rest_of_it += line;
    rest_of_it += '\n';
  }
  return rest_of_it;
}

std::string SparedLines::apply(std::string_view script, std::vector<std::string>& unused) const {
  std::string kept;
  u64 number = 0;
  for (; !script.empty(); ++number) {
    const std::string_view line = next_line(script);
    if (std::find(lines_.begin(), lines_.end(), number) != lines_.end()) continue;
    kept += line;
    kept += '\n';
  }
  for (const u64 line : lines_) {
    if (line >= number) unused.push_back(std::string(kName) + std::to_string(line) + " spare");
  }
  return kept;
}

std::vector<std::string> operations_of(std::string_view script) {
  std::vector<std::string> operations;
  for (u64 number = 0; !script.empty(); ++number) {
    const std::string_view line = next_line(script);
    const auto start = line.find_first_not_of(kBlanks);
    if (start == std::string_view::npos || line[start] == '#') continue;
    operations.push_back(std::string(kName) + std::to_string(number));
  }
  return operations;
}

}  // namespace sim::host
