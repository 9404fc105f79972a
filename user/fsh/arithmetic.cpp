// user/fsh/arithmetic.cpp — C's integer expressions, as POSIX.1-2017 §2.6.4 asks; 64 bits, wrapping. Precedence climbing:
// depth is bounded, `&&`, `||` and `?:` do not evaluate what they skip.
#include "base/parse.h"
#include "user/fsh/syntax.h"
#include "user/fsh/variables.h"

#include "base/enforce.h"

namespace user::fsh {
namespace {

constexpr u32 kDepthMax = 200;
constexpr u8 kStatusBad = 2;

i64 wrap(u64 value) { return static_cast<i64>(value); }
u64 bits(i64 value) { return static_cast<u64>(value); }

struct BinaryOperator {
  std::string_view text;
  u8 precedence;  // higher binds tighter
};
// Longest first, so that `<<` is not read as `<`.
constexpr BinaryOperator kBinary[] = {{"<<", 8}, {">>", 8}, {"<=", 7}, {">=", 7}, {"==", 6}, {"!=", 6},
                                      {"&&", 2}, {"||", 1}, {"*", 10}, {"/", 10}, {"%", 10}, {"+", 9},
                                      {"-", 9},  {"<", 7},  {">", 7},  {"&", 5},  {"^", 4},  {"|", 3}};
constexpr std::string_view kAssign[] = {"<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "^=", "|=", "="};

class Evaluator {
 public:
  Evaluator(Parameters& parameters, std::string_view text) : parameters_(parameters), text_(text) {}

  ShellResult<i64> all() {
    skip_blanks();
    if (at_ == text_.size()) return i64{0};
    const i64 value = TRY(comma());
    skip_blanks();
    if (at_ != text_.size()) return bad();
    return value;
  }

 private:
  ShellError bad() const { return ShellError::format(kStatusBad, "bad expression: {}", text_); }
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) at_ += 1;
  }
  bool next_is(std::string_view token) {
    skip_blanks();
    return text_.substr(at_).starts_with(token);
  }
  bool take(std::string_view token) {
    if (!next_is(token)) return false;
    at_ += token.size();
    return true;
  }
  std::string_view take_name() {
    skip_blanks();
    u64 end = at_;
    while (end < text_.size() && is_name(text_.substr(at_, end - at_ + 1))) end += 1;
    const std::string_view name = text_.substr(at_, end - at_);
    at_ = end;
    return name;
  }

  ShellResult<i64> number_of(std::string_view text) const {
    const bool octal = text.size() > 1 && text[0] == '0' && text[1] != 'x' && text[1] != 'X';
    const bool hex = text.size() > 1 && !octal && text[0] == '0';
    const auto value = base::parse_u64(hex ? text.substr(2) : text, octal ? 8 : hex ? 16 : 10);
    if (!value.ok()) return ShellError::format(kStatusBad, "bad number: {}", text);
    return wrap(*value);
  }
  ShellResult<i64> value_of(std::string_view name) {
    std::string_view text = parameters_.variable(name);
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t' || text.front() == '\n'))
      text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\n')) text.remove_suffix(1);
    if (text.empty()) return i64{0};
    const bool negative = text.front() == '-';
    if (negative || text.front() == '+') text.remove_prefix(1);
    const i64 value = TRY(number_of(text));
    return negative ? wrap(0 - bits(value)) : value;
  }
  ShellResult<i64> store(std::string_view name, i64 value) {
    if (skip_ > 0) return value;
    char digits[24];
    TRY(parameters_.assign(name, base::format(std::span<char>(digits), "{}", value)));
    return value;
  }

  ShellResult<i64> apply(std::string_view op, i64 left, i64 right) const {
    const u64 a = bits(left);
    const u64 b = bits(right);
    if (op == "+") return wrap(a + b);
    if (op == "-") return wrap(a - b);
    if (op == "*") return wrap(a * b);
    if (op == "/" || op == "%") {
      if (right == 0) {
        if (skip_ > 0) return i64{0};
        return ShellError(kStatusBad, "division by zero");
      }
      if (right == -1) return op == "/" ? wrap(0 - a) : i64{0};  // INT64_MIN / −1 wraps
      return op == "/" ? left / right : left % right;
    }
    if (op == "<<") return wrap(a << (b & 63));
    if (op == ">>") return left >> (b & 63);
    if (op == "<") return i64{left < right};
    if (op == ">") return i64{left > right};
    if (op == "<=") return i64{left <= right};
    if (op == ">=") return i64{left >= right};
    if (op == "==") return i64{left == right};
    if (op == "!=") return i64{left != right};
    if (op == "&") return wrap(a & b);
    if (op == "^") return wrap(a ^ b);
    return wrap(a | b);
  }

  ShellResult<i64> comma() {
    i64 value = TRY(assignment());
    while (take(",")) value = TRY(assignment());
    return value;
  }

  ShellResult<i64> assignment() {
    Depth depth{depth_};
    if (depth_ > kDepthMax) return ShellError(kStatusBad, "nesting too deep");
    const u64 start = at_;
    const std::string_view name = take_name();
    if (!name.empty()) {
      for (const std::string_view op : kAssign) {
        if (!next_is(op) || (op == "=" && next_is("=="))) continue;
        at_ += op.size();
        const i64 right = TRY(assignment());
        if (op == "=") return store(name, right);
        const i64 left = TRY(value_of(name));
        const i64 result = TRY(apply(op.substr(0, op.size() - 1), left, right));
        return store(name, result);
      }
    }
    at_ = start;
    return conditional();
  }

  ShellResult<i64> conditional() {
    const i64 condition = TRY(binary(1));
    if (!take("?")) return condition;
    skip_ += condition == 0 ? 1 : 0;
    const i64 yes = TRY(comma());
    skip_ -= condition == 0 ? 1 : 0;
    if (!take(":")) return bad();
    skip_ += condition != 0 ? 1 : 0;
    const i64 no = TRY(assignment());
    skip_ -= condition != 0 ? 1 : 0;
    return condition != 0 ? yes : no;
  }

  const BinaryOperator* next_binary() {
    for (const BinaryOperator& op : kBinary) {
      if (!next_is(op.text)) continue;
      // `a += 1` is not `a + (= 1)`; `a & &b` stays an error of the operand.
      const std::string_view rest = text_.substr(at_ + op.text.size());
      if (rest.starts_with("=") && op.text != "<=" && op.text != ">=" && op.text != "==" && op.text != "!=")
        return nullptr;
      return &op;
    }
    return nullptr;
  }

  ShellResult<i64> binary(u8 precedence_min) {
    i64 left = TRY(unary());
    for (const BinaryOperator* op = next_binary(); op != nullptr && op->precedence >= precedence_min;
         op = next_binary()) {
      at_ += op->text.size();
      const bool lazy = (op->text == "&&" && left == 0) || (op->text == "||" && left != 0);
      skip_ += lazy ? 1 : 0;
      const i64 right = TRY(binary(static_cast<u8>(op->precedence + 1)));
      skip_ -= lazy ? 1 : 0;
      if (op->text == "&&") {
        left = i64{left != 0 && right != 0};
      } else if (op->text == "||") {
        left = i64{left != 0 || right != 0};
      } else {
        left = TRY(apply(op->text, left, right));
      }
    }
    return left;
  }

  ShellResult<i64> unary() {
    Depth depth{depth_};
    if (depth_ > kDepthMax) return ShellError(kStatusBad, "nesting too deep");
    for (const std::string_view step : {std::string_view("++"), std::string_view("--")}) {
      const u64 start = at_;
      if (!take(step)) continue;
      const std::string_view name = take_name();
      if (name.empty()) {  // `--5` is −(−5)
        at_ = start;
        break;
      }
      const i64 value = TRY(value_of(name));
      return store(name, wrap(bits(value) + (step == "++" ? 1 : ~u64{0})));
    }
    if (take("+")) return unary();
    if (take("-")) {
      const i64 value = TRY(unary());
      return wrap(0 - bits(value));
    }
    if (take("~")) {
      const i64 value = TRY(unary());
      return ~value;
    }
    if (next_is("!") && !next_is("!=")) {
      at_ += 1;
      const i64 value = TRY(unary());
      return i64{value == 0};
    }
    return primary();
  }

  ShellResult<i64> primary() {
    if (take("(")) {
      const i64 value = TRY(comma());
      if (!take(")")) return bad();
      return value;
    }
    const std::string_view name = take_name();
    if (!name.empty()) {
      const i64 value = TRY(value_of(name));
      for (const std::string_view step : {std::string_view("++"), std::string_view("--")}) {
        if (!take(step)) continue;
        TRY(store(name, wrap(bits(value) + (step == "++" ? 1 : ~u64{0}))));
        break;
      }
      return value;
    }
    u64 end = at_;
    while (end < text_.size() && (is_name(text_.substr(end, 1)) || (text_[end] >= '0' && text_[end] <= '9'))) end += 1;
    if (end == at_) return bad();
    const std::string_view digits = text_.substr(at_, end - at_);
    at_ = end;
    return number_of(digits);
  }

  struct Depth {
    explicit Depth(u32& depth) : depth_(depth) { depth_ += 1; }
    ~Depth() { depth_ -= 1; }
    u32& depth_;
  };

  Parameters& parameters_;
  std::string_view text_;
  u64 at_ = 0;
  u32 depth_ = 0;
  u32 skip_ = 0;  // inside an operand that does not count: no assignment, no division error
};

}  // namespace

ShellResult<i64> evaluate(Parameters& parameters, std::string_view expression) {
  return Evaluator(parameters, expression).all();
}

}  // namespace user::fsh
