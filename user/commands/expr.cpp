// user/commands/expr.cpp — expr (POSIX.1-2017 XCU): signed 64 bit arithmetic, comparisons, and `:` with basic patterns.
#include "user/lib/regex.h"
#include "user/lib/tool.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr i32 kBadUse = 2;
constexpr u32 kDepthMax = 100;

class Evaluator {
 public:
  Evaluator(Tool& tool, std::span<const std::string_view> words) : tool_(tool), words_(words) {}

  /// 0: neither empty nor zero, 1: it is, 2: no expression.
  i32 run() {
    const base::String value = level(0);
    if (!bad_ && at_ < words_.size()) fail("unexpected '{}'", words_[at_]);
    if (bad_) return kBadUse;
    tool_.out().format("{}\n", value);
    return is_null(value) ? 1 : 0;
  }

 private:
  template <class... A>
  void fail(std::string_view pattern, const A&... arguments) {
    if (!bad_) tool_.complain(pattern, arguments...);
    bad_ = true;
  }
  base::String text(std::string_view from) { return base::String(tool_.heap(), from); }
  base::String number(i64 value) {
    base::String out(tool_.heap());
    out.append_format("{}", value);
    return out;
  }
  static bool is_null(std::string_view value) {
    const auto parsed = base::parse_i64(value);
    return value.empty() || (parsed.ok() && *parsed == 0);
  }
  i64 integer(std::string_view value) {
    const auto parsed = base::parse_i64(value);
    if (!parsed.ok()) fail("bad number: {}", value);
    return parsed.ok() ? *parsed : 0;
  }

  /// Which of the operators of a level stands here, empty if none. Weakest binding first.
  std::string_view operator_here(u32 at_level) const {
    static constexpr std::string_view kLevels[][6] = {{"|"},      {"&"},           {"=", "!=", "<", "<=", ">", ">="},
                                                      {"+", "-"}, {"*", "/", "%"}, {":"}};
    if (at_ >= words_.size()) return {};
    for (const std::string_view each : kLevels[at_level]) {
      if (!each.empty() && words_[at_] == each) return each;
    }
    return {};
  }

  base::String level(u32 at_level) {
    constexpr u32 kLevels = 6;
    if (at_level == kLevels) return primary();
    base::String left = level(at_level + 1);
    while (!bad_) {
      const std::string_view op = operator_here(at_level);
      if (op.empty()) break;
      at_ += 1;
      const base::String right = level(at_level + 1);
      if (!bad_) left = apply(op, left, right);
    }
    return left;
  }

  base::String primary() {
    if (at_ >= words_.size()) {
      fail("missing operand");
      return text({});
    }
    const std::string_view word = words_[at_];
    at_ += 1;
    if (word != "(") return text(word);
    depth_ += 1;
    if (depth_ > kDepthMax) {
      fail("nesting too deep");
      return text({});
    }
    base::String value = level(0);
    depth_ -= 1;
    if (!bad_ && (at_ >= words_.size() || words_[at_] != ")")) fail("missing ')'");
    at_ += 1;
    return value;
  }

  base::String apply(std::string_view op, const base::String& left, const base::String& right) {
    if (op == "|") return !is_null(left) ? left.clone() : is_null(right) && right.empty() ? text("0") : right.clone();
    if (op == "&") return is_null(left) || is_null(right) ? text("0") : left.clone();
    if (op == ":") return match(left, right);
    if (std::string_view("=!<>").find(op[0]) != std::string_view::npos) return number(compare(op, left, right) ? 1 : 0);
    return arithmetic(op[0], integer(left), integer(right));
  }

  static bool compare(std::string_view op, const base::String& left, const base::String& right) {
    const auto a = base::parse_i64(left);
    const auto b = base::parse_i64(right);
    const int order = a.ok() && b.ok() ? (*a < *b ? -1 : *a > *b ? 1 : 0) : left.compare(right);
    if (op == "=") return order == 0;
    if (op == "!=") return order != 0;
    if (op == "<") return order < 0;
    if (op == "<=") return order <= 0;
    return op == ">" ? order > 0 : order >= 0;
  }

  base::String arithmetic(char op, i64 left, i64 right) {
    const u64 a = static_cast<u64>(left);
    const u64 b = static_cast<u64>(right);
    if ((op == '/' || op == '%') && right == 0) {
      fail("division by zero");
      return text({});
    }
    switch (op) {  // wrapping, as the shell's arithmetic
      case '+': return number(static_cast<i64>(a + b));
      case '-': return number(static_cast<i64>(a - b));
      case '*': return number(static_cast<i64>(a * b));
      case '/': return number(right == -1 ? static_cast<i64>(0 - a) : left / right);
      default: return number(right == -1 ? 0 : left % right);
    }
  }

  /// Anchored at the start: what the first group matched, or without one how many characters matched.
  base::String match(const base::String& subject, const base::String& pattern) {
    auto regex = Regex::compile(tool_.heap(), pattern);
    if (!regex.ok()) {
      fail("{}: {}", pattern, regex.error().text);
      return text({});
    }
    RegexSpan groups[2];
    const Regex::Found found = regex->search(subject, 0, groups);
    tool_.process().work(regex->take_work());
    if (found == Regex::Found::TooComplex) fail("pattern too complex");
    const bool matches = found == Regex::Found::Yes && groups[0].start == 0;
    if (regex->group_count() > 0) return text(matches ? groups[1].of(subject) : std::string_view());
    return number(matches ? static_cast<i64>(groups[0].end) : 0);
  }

  Tool& tool_;
  std::span<const std::string_view> words_;
  u64 at_ = 0;
  u32 depth_ = 0;
  bool bad_ = false;
};

}  // namespace

i32 expr_main(Process& process) {
  Tool tool(process, "usage: expr EXPRESSION\n  | & = != < <= > >= + - * / % : and parentheses, weakest first");
  std::span<const std::string_view> words = tool.args().subspan(1);
  if (words.size() == 1 && words[0] == "--help") {
    tool.out().format("{}\n", tool.usage());
    return tool.finish();
  }
  if (!words.empty() && words[0] == "--") words = words.subspan(1);
  if (words.empty()) return tool.bad_use("missing operand");
  const i32 status = Evaluator(tool, words).run();
  tool.set_status(status);
  return tool.finish();
}

}  // namespace user
