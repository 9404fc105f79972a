// sim/host/scenario/golden.cpp — see golden.h.
#include "sim/host/scenario/golden.h"

#include "sim/host/text.h"

namespace sim::host::scenario {
namespace {

constexpr u64 kShownMax = 120;  // bytes of a line in a message

std::string shown(std::string_view line) {
  std::string text = "\"";
  for (const char c : line.substr(0, kShownMax)) {
    const bool is_plain = static_cast<u8>(c) >= 0x20 && c != '"' && c != '\\';
    static constexpr char kDigits[] = "0123456789abcdef";
    if (is_plain) {
      text += c;
    } else {
      text += std::string("\\x") + kDigits[static_cast<u8>(c) >> 4] + kDigits[static_cast<u8>(c) & 15];
    }
  }
  return text + (line.size() > kShownMax ? "\" …" : "\"");
}

/// The next line of `text`, which loses it and its end.
std::string_view take_line(std::string_view& text) {
  const u64 end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

void Golden::add_line(std::string_view line) {
  if (is_cut_) return;
  is_cut_ = lines_.size() + line.size() > kGoldenBytesMax;
  lines_ += is_cut_ ? "(more than 4 MiB)" : line;
  lines_ += '\n';
}

void Golden::add_output(u32 node, std::string_view text) {
  std::string& open = open_[node];
  for (const char c : text) {
    if (c == '\r') continue;
    if (c != '\n' && open.size() < kGoldenBytesMax) {
      open += c;
      continue;
    }
    add_line(nodes_.size() > 1 ? nodes_[node] + ": " + open : open);
    open.clear();
  }
}

void Golden::add_event(const base::Event& event) { add_line(describe(event)); }

std::string Golden::text() const {
  std::string text = lines_;
  for (const auto& [node, open] : open_) {
    if (!open.empty()) text += (nodes_.size() > 1 ? nodes_[node] + ": " : "") + open + "\n";
  }
  return text;
}

std::string first_difference(std::string_view expected, std::string_view actual) {
  for (u64 number = 1; !expected.empty() || !actual.empty(); ++number) {
    const bool has_expected = !expected.empty();
    const bool has_actual = !actual.empty();
    const std::string_view wanted = take_line(expected);
    const std::string_view said = take_line(actual);
    if (has_expected && has_actual && wanted == said) continue;
    return "line " + std::to_string(number) + ": the file " +
           (has_expected ? "says " + shown(wanted) : std::string("has ended")) + ", the run " +
           (has_actual ? "says " + shown(said) : std::string("has ended"));
  }
  return {};
}

}  // namespace sim::host::scenario
