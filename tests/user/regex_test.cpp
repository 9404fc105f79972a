// Regular expressions against a naive twin: the set of ends a pattern's tree can reach from a place, computed by the
// definition, gives the leftmost match and the longest of those.
#include "user/lib/regex.h"

#include <catch2/catch.hpp>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/user/test_heap.h"

using namespace user;

namespace {

TestHeap heap;

Regex compiled(std::string_view pattern, const RegexOptions& options = {.extended = true}) {
  auto regex = Regex::compile(heap, pattern, options);
  if (!regex.ok()) INFO(std::string(regex.error().text));
  REQUIRE(regex.ok());
  return std::move(regex).take();
}

std::string error_of(std::string_view pattern, bool extended = true) {
  const auto regex = Regex::compile(heap, pattern, {.extended = extended});
  if (regex.ok()) return "fine";
  return std::string(regex.error().text) + " at " + std::to_string(regex.error().offset);
}

/// "0-3 1-2 -": the match and its groups, "no" without one.
std::string found(std::string_view pattern, std::string_view text, const RegexOptions& options = {.extended = true},
                  u64 from = 0) {
  Regex regex = compiled(pattern, options);
  std::vector<RegexSpan> groups(regex.group_count() + 1);
  const Regex::Found result = regex.search(text, from, groups);
  if (result == Regex::Found::TooComplex) return "too complex";
  if (result == Regex::Found::No) return "no";
  std::string out;
  for (const RegexSpan& group : groups) {
    if (!out.empty()) out += ' ';
    out += group.set() ? std::to_string(group.start) + "-" + std::to_string(group.end) : "-";
  }
  return out;
}
std::string found_basic(std::string_view pattern, std::string_view text) { return found(pattern, text, {}); }

/// A pattern as a tree, and all that can be asked of it by the definition.
struct Node {
  enum class Kind { Character, Any, Set, Start, End, Sequence, Choice, Repeat } kind;
  char character = 'a';
  bool negated = false;
  u32 low = 0;
  u32 high = 0;  // 0: no limit
  std::vector<std::unique_ptr<Node>> parts;
};

std::unique_ptr<Node> grow(base::Prng& prng, u32 depth) {
  auto node = std::make_unique<Node>();
  const u64 kind = prng.below(depth == 0 ? 5 : 9);
  node->character = static_cast<char>('a' + prng.below(3));
  if (kind < 3) {
    node->kind = Node::Kind::Character;
  } else if (kind == 3) {
    node->kind = prng.below(2) == 0 ? Node::Kind::Any : Node::Kind::Set;
    node->negated = prng.below(2) == 0;
  } else if (kind == 4) {
    node->kind = prng.below(8) == 0 ? Node::Kind::Start : prng.below(8) == 0 ? Node::Kind::End : Node::Kind::Character;
  } else {
    node->kind = kind < 7 ? Node::Kind::Sequence : kind == 7 ? Node::Kind::Choice : Node::Kind::Repeat;
    const u64 count = node->kind == Node::Kind::Repeat ? 1 : 1 + prng.below(3);
    for (u64 i = 0; i < count; ++i) node->parts.push_back(grow(prng, depth - 1));
    node->low = static_cast<u32>(prng.below(3));
    node->high = prng.below(2) == 0 ? 0 : node->low + static_cast<u32>(prng.below(3));
  }
  return node;
}

std::string written(const Node& node, bool extended) {
  const std::string open = extended ? "(" : "\\(";
  const std::string close = extended ? ")" : "\\)";
  switch (node.kind) {
    case Node::Kind::Character: return std::string(1, node.character);
    case Node::Kind::Any: return ".";
    case Node::Kind::Set: return std::string(node.negated ? "[^a" : "[a") + node.character + "]";
    case Node::Kind::Start: return open + "^" + close;
    case Node::Kind::End: return open + "$" + close;
    case Node::Kind::Sequence: {
      std::string out = open;
      for (const auto& part : node.parts) out += written(*part, extended);
      return out + close;
    }
    case Node::Kind::Choice: {
      std::string out = open;
      for (const auto& part : node.parts)
        out += (&part == &node.parts[0] ? "" : extended ? "|" : "\\|") + written(*part, extended);
      return out + close;
    }
    case Node::Kind::Repeat: {
      std::string out = open + written(*node.parts[0], extended) + close;
      if (node.low == 0 && node.high == 0) return out + "*";
      return out + (extended ? "{" : "\\{") + std::to_string(node.low) + "," +
             (node.high == 0 ? "" : std::to_string(node.high)) + (extended ? "}" : "\\}");
    }
  }
  return {};
}

std::set<u64> ends(const Node& node, std::string_view text, u64 at) {
  std::set<u64> out;
  switch (node.kind) {
    case Node::Kind::Character:
      if (at < text.size() && text[at] == node.character) out.insert(at + 1);
      return out;
    case Node::Kind::Any:
      if (at < text.size()) out.insert(at + 1);
      return out;
    case Node::Kind::Set:
      if (at < text.size() && (text[at] == 'a' || text[at] == node.character) != node.negated) out.insert(at + 1);
      return out;
    case Node::Kind::Start:
      if (at == 0) out.insert(at);
      return out;
    case Node::Kind::End:
      if (at == text.size()) out.insert(at);
      return out;
    case Node::Kind::Sequence:
      out.insert(at);
      for (const auto& part : node.parts) {
        std::set<u64> next;
        for (const u64 place : out) {
          for (const u64 end : ends(*part, text, place)) next.insert(end);
        }
        out = next;
      }
      return out;
    case Node::Kind::Choice:
      for (const auto& part : node.parts) {
        for (const u64 end : ends(*part, text, at)) out.insert(end);
      }
      return out;
    case Node::Kind::Repeat: {
      std::set<u64> here{at};
      const u64 rounds = node.high == 0 ? node.low + text.size() + 1 : node.high;
      for (u64 round = 0;; ++round) {
        if (round >= node.low) out.insert(here.begin(), here.end());
        if (round == rounds) return out;
        std::set<u64> next;
        for (const u64 place : here) {
          for (const u64 end : ends(*node.parts[0], text, place)) next.insert(end);
        }
        here = next;
      }
    }
  }
  return out;
}

std::string model(const Node& node, std::string_view text, u64 from) {
  for (u64 start = from; start <= text.size(); ++start) {
    const std::set<u64> all = ends(node, text, start);
    if (!all.empty()) return std::to_string(start) + "-" + std::to_string(*all.rbegin());
  }
  return "no";
}

}  // namespace

TEST_CASE("a random pattern finds what its definition says, basic and extended", "[user][regex][property]") {
  for (u64 seed = 0; seed < 4000; ++seed) {
    base::Prng prng{seed, "test.regex"};
    const auto tree = grow(prng, 3);
    std::string text;
    for (u64 left = prng.below(9); left > 0; --left) text += static_cast<char>('a' + prng.below(3));
    const u64 from = prng.below(text.size() + 1);
    const std::string expected = model(*tree, text, from);
    for (const bool extended : {true, false}) {
      const std::string pattern = written(*tree, extended);
      CAPTURE(seed, pattern, text, from);
      const std::string got = found(pattern, text, {.extended = extended}, from);
      REQUIRE(got.substr(0, got.find(' ')) == expected);
      REQUIRE((compiled(pattern, {.extended = extended}).search(text, from, {}) == Regex::Found::Yes) ==
              (expected != "no"));
    }
  }
}

TEST_CASE("captures follow the leftmost-longest rule", "[user][regex]") {
  CHECK(found("(a|ab)(c|bcd)(d*)", "abcd") == "0-4 0-2 2-3 3-4");
  CHECK(found("(a*)(ab)*(b*)", "abb") == "0-3 0-1 - 1-3");
  CHECK(found("(a*)(a*)", "aa") == "0-2 0-2 2-2");
  CHECK(found("(a*)*", "b") == "0-0 0-0");
  CHECK(found("(a*)+", "aa") == "0-2 0-2");
  CHECK(found("(a|b)*", "ab") == "0-2 1-2");
  CHECK(found("x(y)?z", "xz") == "0-2 -");
  CHECK(found("([0-9]+)-([0-9]+)-([0-9]+)", "on 2026-02-22") == "3-13 3-7 8-10 11-13");
  CHECK(found_basic("a\\(.*\\)", "abc") == "0-3 1-3");
  CHECK(found("foo|foobar", "a foobar") == "2-8");
  CHECK(found("(wee|week)(knights|night)", "weeknights") == "0-10 0-3 3-10");
}

TEST_CASE("anchors, words, classes and escapes", "[user][regex]") {
  CHECK(found("^b", "ab") == "no");
  CHECK(found("^", "ab", {.extended = true}, 1) == "no");
  CHECK(found("b$", "ab") == "1-2");
  CHECK(found_basic("a^b$c", "a^b$c") == "0-5");
  CHECK(found_basic("*a", "b*a") == "1-3");
  CHECK(found_basic("\\(*a\\)", "*a") == "0-2 0-2");
  CHECK(found_basic("^*", "a*") == "no");
  CHECK(found_basic("a\\+b\\?", "caab") == "1-4");
  CHECK(found_basic("a+", "a+") == "0-2");
  CHECK(found_basic("b\\*", "b*") == "0-2");
  CHECK(found_basic("ab\\{2,3\\}c", "abbbbc abbc") == "7-11");
  CHECK(found("\\bcat\\b", "concat cat") == "7-10");
  CHECK(found("\\Bcat", "cat concat") == "7-10");
  CHECK(found("\\<c.\\>", "ccc ct") == "4-6");
  CHECK(found("\\w+\\s\\W", "ab_1 +") == "0-6");
  CHECK(found("[[:digit:]]+[[:upper:]]", "a12B") == "1-4");
  CHECK(found("[]a]+[^]]", "x]a]b") == "1-5");
  CHECK(found("[a-]+", "b-a") == "1-3");
  CHECK(found("[[.-.]x]", "-") == "0-1");
  CHECK(found("[\\n]", "\\") == "0-1");
  CHECK(found("a\\tb\\nc", "a\tb\nc") == "0-5");
  CHECK(found("a.c", "a\nc") == "0-3");
  CHECK(found("", "abc") == "0-0");
  CHECK(found("a||b", "b") == "0-1");
  CHECK(found("()b", "ab") == "1-2 1-1");
}

TEST_CASE("a character is one of UTF-8, and a stray byte stands for itself", "[user][regex]") {
  CHECK(found("^.$", "é") == "0-2");
  CHECK(found("[ä-ü]+", "xéö") == "1-5");
  CHECK(found("[^é]", "éa") == "2-3");
  CHECK(found("^.\xFF$", "a\xFF") == "0-2");
  CHECK(found("^..$", "\xC3\xC3") == "0-2");
}

TEST_CASE("case can be ignored, and a match bound to words or to the whole text", "[user][regex]") {
  CHECK(found("hElLo[x-z]", "HELLOY", {.extended = true, .ignore_case = true}) == "0-6");
  CHECK(found("[^a]", "Ab", {.ignore_case = true}) == "1-2");
  CHECK(found("cat", "concat cat", {.whole_words = true}) == "7-10");
  CHECK(found("a|ab", "ab a", {.extended = true, .whole_words = true}) == "0-2");
  CHECK(found("-", "a-b", {.whole_words = true}) == "no");
  CHECK(found("a|ab", "ab", {.extended = true, .whole_text = true}) == "0-2");
  CHECK(found("a", "ab", {.whole_text = true}) == "no");
}

TEST_CASE("what is no pattern is told with its place", "[user][regex]") {
  CHECK(error_of("(a") == "unmatched ( at 2");
  CHECK(error_of("a)") == "unmatched ) at 1");
  CHECK(error_of("\\(a", false) == "unmatched \\( at 3");
  CHECK(error_of("a\\)", false) == "unmatched \\) at 1");
  CHECK(error_of("[a") == "unmatched [ at 2");
  CHECK(error_of("[[:alpha]") == "unmatched [ at 1");
  CHECK(error_of("[[:nope:]]") == "unknown character class at 1");
  CHECK(error_of("[b-a]") == "bad range at 4");
  CHECK(error_of("a{2,1}") == "bad interval at 6");
  CHECK(error_of("a{256}") == "bad interval at 6");
  CHECK(error_of("a{") == "bad interval at 2");
  CHECK(error_of("*a") == "nothing to repeat at 0");
  CHECK(error_of("a\\") == "trailing backslash at 2");
  CHECK(error_of("(a)\\2") == "back-reference to no group at 4");
  CHECK(error_of("((((a{255}){255}){255}){255})").starts_with("pattern too complex"));
  CHECK(error_of(std::string(1000, '(')).starts_with("pattern too complex"));
  CHECK(error_of(std::string(20'000, 'a')).starts_with("pattern too complex"));
}

TEST_CASE("hostile patterns take time that grows with the text, not worse", "[user][regex][property]") {
  for (const std::string_view pattern :
       {"(a*)*b", "(a|aa)*b", "(a?){50}a{50}b", "(.*)(.*)(.*)(.*)(.*)b", "((a*)*)*b"}) {
    CAPTURE(std::string(pattern));
    u64 work[2] = {};
    for (const u32 round : {0, 1}) {
      Regex regex = compiled(pattern);
      std::vector<RegexSpan> groups(regex.group_count() + 1);
      REQUIRE(regex.search(std::string(round == 0 ? 500 : 1000, 'a'), 0, groups) == Regex::Found::No);
      work[round] = regex.take_work();
    }
    CHECK(work[1] < work[0] * 3);
  }
}

TEST_CASE("back-references match what their group did, and give up after a bound", "[user][regex]") {
  CHECK(found("(a)\\1", "baa") == "1-3 1-2");
  CHECK(found("(a*)b\\1", "aaabaa") == "1-6 1-3");
  CHECK(found_basic("\\(.\\)\\(.\\)\\2\\1", "xabbay") == "1-5 1-2 2-3");
  CHECK(found("(a*)+\\1", "b") == "0-0 0-0");
  CHECK(found("(a|ab)(c|bcd)\\2*", "abcd") == "0-4 0-1 1-4");
  CHECK(found("(a)|b\\1", "b") == "no");
  CHECK(found("(a*)*(a*)*(a*)*\\1b", std::string(100, 'a')) == "too complex");
}
