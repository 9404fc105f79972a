// tests/sessions/sessions_test.cpp — sessions at the console, one a line in files.txt, shell.txt and lonala.txt:
//   ID INPUT ⇒ OUTPUT
// ` ⏎ ` separates lines on both sides; in the output `…` is any text within a line and `{n}` a decimal number; an ID that
// ends in `~` ignores how many blanks there are. Root runs `fsh -c INPUT` on a node just booted, both outputs are captured
// in order and compared line by line. An input with named keys is typed at a terminal: the lines of the output must
// appear on its screen in this order, others may stand between. A line that starts with `#` is a comment.
#include <catch2/catch.hpp>

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "session.h"

namespace {

struct Check {
  std::string id;
  std::string input;
  std::vector<std::string> output;
  bool blanks_alike = false;
  bool keyed = false;
};

std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "  | " + line + "\n";
  return text;
}

std::vector<Check> checks_of(const std::string& name) {
  std::ifstream file(std::string(ORRERY_SESSIONS_DIR) + "/" + name);
  REQUIRE(file.is_open());
  std::vector<Check> checks;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    CAPTURE(line);
    constexpr std::string_view kYields = " ⇒ ";
    constexpr std::string_view kNewLine = " ⏎ ";
    const std::size_t blank = line.find(' ');
    const std::size_t yields = line.find(kYields);
    REQUIRE(blank < yields);
    REQUIRE(yields != std::string::npos);
    Check check{.id = line.substr(0, blank)};
    check.blanks_alike = check.id.ends_with("~");
    if (check.blanks_alike) check.id.pop_back();
    for (const std::string& part : split(std::string_view(line).substr(blank + 1, yields - blank - 1), kNewLine)) {
      check.input += check.input.empty() ? part : "\n" + part;
    }
    check.output = split(std::string_view(line).substr(yields + kYields.size()), kNewLine);
    check.keyed = check.input.find("<Enter>") != std::string::npos;
    checks.push_back(std::move(check));
  }
  REQUIRE_FALSE(checks.empty());
  return checks;
}

std::string one_blank(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  }
  return out;
}

/// Whether `line` is what `pattern` says, `…` and `{n}` being what they stand for.
bool matches(std::string_view pattern, std::string_view line) {
  constexpr std::string_view kAny = "…";
  constexpr std::string_view kNumber = "{n}";
  if (pattern.empty()) return line.empty();
  if (pattern.starts_with(kAny)) {
    for (std::size_t skipped = 0; skipped <= line.size(); ++skipped) {
      if (matches(pattern.substr(kAny.size()), line.substr(skipped))) return true;
    }
    return false;
  }
  if (pattern.starts_with(kNumber)) {
    for (std::size_t digits = 0; digits < line.size() && line[digits] >= '0' && line[digits] <= '9';) {
      ++digits;
      if (matches(pattern.substr(kNumber.size()), line.substr(digits))) return true;
    }
    return false;
  }
  return !line.empty() && pattern.front() == line.front() && matches(pattern.substr(1), line.substr(1));
}

bool line_matches(const Check& check, std::string_view pattern, std::string_view line) {
  return check.blanks_alike ? matches(one_blank(pattern), one_blank(line)) : matches(pattern, line);
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

bool holds_in_order(const Check& check, const std::vector<std::string>& lines) {
  std::size_t found = 0;
  for (const std::string& line : lines) {
    if (found < check.output.size() && line_matches(check, check.output[found], line)) ++found;
  }
  return found == check.output.size();
}

bool is_exactly(const Check& check, const std::vector<std::string>& lines) {
  if (lines.size() != check.output.size()) return false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!line_matches(check, check.output[i], lines[i])) return false;
  }
  return true;
}

void run(const Check& check) {
  INFO(check.id << "\n" << check.input);
  INFO("expected\n" << join(check.output));
  if (check.keyed) {
    session::Terminal terminal;
    terminal.keys(check.input);
    INFO("on the screen\n" << join(terminal.screen()));
    CHECK(holds_in_order(check, terminal.screen()));
    CHECK_FALSE(terminal.ended());
    CHECK_FALSE(terminal.tainted());
    return;
  }
  const session::Ended ended = session::run_script("fsh -c " + quoted(check.input) + "\n");
  std::vector<std::string> lines = split(ended.output, "\n");
  if (lines.back().empty()) lines.pop_back();
  INFO("output\n" << join(lines));
  CHECK(is_exactly(check, lines));
  CHECK(ended.outcome == sim::Outcome::Ended);
  CHECK_FALSE(ended.tainted);
}

void run_all(const std::string& name) {
  for (const Check& check : checks_of(name)) {
    DYNAMIC_SECTION(check.id) { run(check); }
  }
}

}  // namespace

TEST_CASE("files, names and processes behave in a session as written", "[user][session][files]") {
  run_all("files.txt");
}

TEST_CASE("the shell and the commands behave in a session as written", "[user][session][shell]") {
  run_all("shell.txt");
}

TEST_CASE("Lonala programs behave in a session as written", "[user][session][lonala]") { run_all("lonala.txt"); }
