// user/commands/test.cpp — test and [ (POSIX.1-2017 XCU), with -nt, -ot, -ef, -a, -o and parentheses.
#include "user/commands/shared.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr i32 kBadUse = 2;
constexpr u32 kDepthMax = 100;

class Tester {
 public:
  Tester(Tool& tool, std::span<const std::string_view> words) : tool_(tool), words_(words) {}

  i32 run() {
    if (words_.empty()) return 1;
    const bool value = any();
    if (!bad_ && at_ < words_.size()) bad_use("unexpected '{}'", words_[at_]);
    return bad_ ? kBadUse : value ? 0 : 1;
  }

 private:
  template <class... A>
  bool bad_use(std::string_view pattern, const A&... arguments) {
    if (!bad_) tool_.complain(pattern, arguments...);
    bad_ = true;
    return false;
  }
  bool more(u64 count = 1) const { return at_ + count <= words_.size(); }
  bool next_is(std::string_view word) const { return more() && words_[at_] == word; }

  bool any() {
    bool value = all();
    while (!bad_ && next_is("-o")) {
      at_ += 1;
      const bool right = all();
      value = value || right;
    }
    return value;
  }
  bool all() {
    bool value = negation();
    while (!bad_ && next_is("-a")) {
      at_ += 1;
      const bool right = negation();
      value = value && right;
    }
    return value;
  }
  bool negation() {
    depth_ += 1;
    if (depth_ > kDepthMax) return bad_use("nesting too deep");
    // A lone `!` and `! = x` are text, as POSIX's table by number of words says.
    if (next_is("!") && more(2) && !(more(3) && is_binary(words_[at_ + 1]))) {
      at_ += 1;
      return !negation();
    }
    return primary();
  }
  static bool is_binary(std::string_view word) {
    static constexpr std::string_view kBinary[] = {"=",   "!=",  "<",   ">",   "==",  "-eq", "-ne",
                                                   "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"};
    for (const std::string_view each : kBinary) {
      if (each == word) return true;
    }
    return false;
  }
  bool primary() {
    if (!more()) return bad_use("missing operand");
    if (more(3) && is_binary(words_[at_ + 1])) return binary();
    if (next_is("(") && more(2)) {
      at_ += 1;
      const bool value = any();
      if (!bad_ && !next_is(")")) return bad_use("missing ')'");
      at_ += 1;
      return value;
    }
    if (more(2) && words_[at_].size() == 2 && words_[at_][0] == '-' &&
        !(words_[at_ + 1] == "-a" || words_[at_ + 1] == "-o")) {
      return unary();
    }
    const bool value = !words_[at_].empty();
    at_ += 1;
    return value;
  }

  bool unary() {
    const char kind = words_[at_][1];
    const std::string_view operand = words_[at_ + 1];
    at_ += 2;
    switch (kind) {
      case 'n': return !operand.empty();
      case 'z': return operand.empty();
      case 't': {
        const auto fd = base::parse_u64(operand);
        return fd.ok() ? *fd < kFdsMax && tool_.process().is_console(static_cast<Fd>(*fd))
                       : bad_use("bad number: {}", operand);
      }
      case 'h':
      case 'L': {
        const auto stat = tool_.process().stat(operand, FollowLinks::No);
        return stat.ok() && stat->kind == schema::file::Kind::Link;
      }
      default: break;
    }
    const auto stat = tool_.process().stat(operand);
    switch (kind) {
      case 'e': return stat.ok();
      case 'f': return stat.ok() && stat->kind == schema::file::Kind::File;
      case 'd': return stat.ok() && stat->kind == schema::file::Kind::Directory;
      case 'p': return stat.ok() && stat->kind == schema::file::Kind::Fifo;
      case 's': return stat.ok() && stat->size > 0;
      case 'r': return stat.ok() && permits(*stat, 4);
      case 'w': return stat.ok() && permits(*stat, 2);
      case 'x': return stat.ok() && permits(*stat, 1);
      default: return bad_use("unknown operator: -{}", kind);
    }
  }
  /// The one class of the mode that counts; uid 0 passes but for x without any x bit.
  bool permits(const FileStat& stat, u16 wanted) {
    const Identity identity = tool_.process().identity();
    if (identity.uid == 0) return wanted != 1 || (stat.mode & 0111) != 0;
    const u32 shift = stat.uid == identity.uid ? 6 : stat.gid == identity.gid ? 3 : 0;
    return (stat.mode >> shift & wanted) == wanted;
  }

  i64 number(std::string_view text) {
    while (!text.empty() && text[0] == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    const auto value = base::parse_i64(text);
    if (!value.ok()) bad_use("bad number: {}", text);
    return value.ok() ? *value : 0;
  }
  bool binary() {
    const std::string_view left = words_[at_];
    const std::string_view op = words_[at_ + 1];
    const std::string_view right = words_[at_ + 2];
    at_ += 3;
    if (op == "=" || op == "==") return left == right;
    if (op == "!=") return left != right;
    if (op == "<") return left < right;
    if (op == ">") return left > right;
    if (op == "-nt" || op == "-ot" || op == "-ef") return compare_files(left, op, right);
    const i64 a = number(left);
    const i64 b = number(right);
    if (op == "-eq") return a == b;
    if (op == "-ne") return a != b;
    if (op == "-lt") return a < b;
    if (op == "-le") return a <= b;
    if (op == "-gt") return a > b;
    return a >= b;
  }
  bool compare_files(std::string_view left, std::string_view op, std::string_view right) {
    const auto a = tool_.process().stat(left);
    const auto b = tool_.process().stat(right);
    if (op == "-ef") return a.ok() && b.ok() && a->id == b->id && a->device == b->device;
    if (op == "-nt") return a.ok() && (!b.ok() || a->modified_ns > b->modified_ns);
    return b.ok() && (!a.ok() || a->modified_ns < b->modified_ns);
  }

  Tool& tool_;
  std::span<const std::string_view> words_;
  u64 at_ = 0;
  u32 depth_ = 0;
  bool bad_ = false;
};

}  // namespace

i32 test_command(Tool& tool) {
  std::span<const std::string_view> words = tool.args().subspan(1);
  if (tool.name() == "[") {
    if (words.empty() || words.back() != "]") {
      tool.complain("missing ']'");
      return kBadUse;
    }
    words = words.first(words.size() - 1);
  }
  return Tester(tool, words).run();
}

}  // namespace user
