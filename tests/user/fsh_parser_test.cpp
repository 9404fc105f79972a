// The shell's grammar: what is accepted, what is refused and where, and that a node's text parses to the same node.
#include <catch2/catch.hpp>
#include <string>

#include "base/prng.h"
#include "tests/user/test_heap.h"
#include "user/fsh/syntax.h"

using namespace user::fsh;

namespace {

/// Every line of a text, printed back; or the first error as "line:column: text".
std::string parsed(std::string_view source) {
  TestHeap heap;
  Pool pool(heap);
  std::string out;
  u64 offset = 0;
  u32 line = 1;
  while (offset < source.size()) {
    const auto result = parse_line(pool, source, offset, line);
    if (!result.ok()) {
      const SyntaxError error = result.error();
      const base::String text = text_of(heap, error);
      return std::to_string(error.at.line) + ":" + std::to_string(error.at.column) + ": " + std::string(text.view());
    }
    if (result->list != nullptr) {
      base::String text(heap);
      unparse(*result->list, text);
      if (!out.empty() && out.back() != '\n') out += '\n';
      out += std::string(text.view());
    }
    offset = result->next;
    line = result->next_line;
  }
  return out;
}

bool incomplete(std::string_view source) {
  TestHeap heap;
  Pool pool(heap);
  const auto result = parse_line(pool, source, 0, 1);
  return !result.ok() && result.error().incomplete;
}

}  // namespace

TEST_CASE("simple commands keep their words raw and their redirections apart", "[fsh][parser]") {
  CHECK(parsed("echo a  b\t'c d' # rest") == "echo a b 'c d'");
  CHECK(parsed("A=1 B='x y' cmd 2>&1 >out <in word") == "A=1 B='x y' cmd word 2>&1 >out <in");
  CHECK(parsed("echo 2 > f") == "echo 2 >f");
  CHECK(parsed("echo 2> f") == "echo 2>f");
  CHECK(parsed("> f") == " >f");
  CHECK(parsed("a\\\nb c") == "a\\\nb c");
}

TEST_CASE("lists, pipelines and conditions nest as the grammar says", "[fsh][parser]") {
  CHECK(parsed("a && b || ! c | d & e; f") == "a && b || ! c | d & e; f");
  CHECK(parsed("time a | b") == "time a | b");
  CHECK(parsed("a |\n\n b &&\n c") == "a | b && c");
  CHECK(parsed("{ a; b; } > f; ( c; d ) | e") == "{ a; b; } >f; (c; d) | e");
  CHECK(parsed("if a\nthen b\nelif c; then d; else e; fi < f") == "if a; then b; elif c; then d; else e; fi <f");
  CHECK(parsed("while a; do b & done; until c; do d; done") == "while a; do b & done; until c; do d; done");
  CHECK(parsed("for x; do a; done") == "for x; do a; done");
  CHECK(parsed("for x in 1 \"$@\" *.c\ndo a; done") == "for x in 1 \"$@\" *.c; do a; done");
  CHECK(parsed("case $x in a|b) c;; (d) e;& *) esac") == "case $x in (a|b) c ;; (d) e ;& (*) ;; esac");
  CHECK(parsed("f() { a; }\nf () ( b )") == "f() { a; }\nf() (b)");
}

TEST_CASE("an operator inside quotes, braces and substitutions is text", "[fsh][parser]") {
  CHECK(parsed("echo 'a;b' \"c|d\" e\\;f $'g\\';h'") == "echo 'a;b' \"c|d\" e\\;f $'g\\';h'");
  CHECK(parsed("echo $(case x in a) echo ')';; esac) ${x:-;} `a;b`") ==
        "echo $(case x in a) echo ')';; esac) ${x:-;} `a;b`");
  CHECK(parsed("echo $((1+(2<<3))) $((echo a); echo b)") == "echo $((1+(2<<3))) $((echo a); echo b)");
  CHECK(parsed("echo \"$(echo \"in; ner\")\"") == "echo \"$(echo \"in; ner\")\"");
}

TEST_CASE("reserved words count only where a command may start", "[fsh][parser]") {
  CHECK(parsed("echo if then fi done { }") == "echo if then fi done { }");
  CHECK(parsed("for for in in do; do done=1; done") == "for for in in do; do done=1; done");
}

TEST_CASE("here-documents are read behind their line, in order", "[fsh][parser]") {
  CHECK(parsed("cat <<E; cat <<'F'\none\nE\n$two\nF\nnext") == "cat <<E\none\nE\ncat <<'F'\n$two\nF\nnext");
  CHECK(parsed("cat <<-E\n\t\ttab\n\tE\n") == "cat <<E\ntab\nE\n");
  CHECK(parsed("if a; then cat <<E; fi\nbody\nE\nb") == "if a; then cat <<E\nbody\nE\nfi\nb");
}

TEST_CASE("syntax errors name what is missing, for what and where", "[fsh][parser][shell.B32]") {
  CHECK(parsed("if true; then echo x") == "1:21: missing 'fi' for 'if' at 1:1");
  CHECK(parsed("echo a\n)") == "2:1: unexpected ')'");
  CHECK(parsed("echo \"abc\n\ndef") == "3:4: missing closing '\"' from 1:6");
  CHECK(parsed("a | | b") == "1:5: unexpected '|'");
  CHECK(parsed("a &&") == "1:5: unexpected end of file");
  CHECK(parsed("for 1x in a; do b; done") == "1:5: '1x' is not a name");
  CHECK(parsed("echo >") == "1:7: missing word after '>'");
  CHECK(parsed("while a; do b; fi") == "1:16: missing 'done' for 'while' at 1:1");
  CHECK(parsed("case x in a) b; c") == "1:18: missing 'esac' for 'case' at 1:1");
  CHECK(parsed("done") == "1:1: unexpected 'done'");
  CHECK(parsed("echo $(a; b") == "1:12: missing closing ')' from 1:8");
  CHECK(parsed("cat <<E\nbody\n") == "3:1: missing closing 'E' from 1:7");
}

TEST_CASE("a command that more lines could complete is told apart from a wrong one", "[fsh][parser]") {
  for (const char* text : {"if a", "if a; then", "{ b", "( c", "echo 'x", "a |", "a &&", "echo \"$(b", "cat <<E\n",
                           "case x in", "for x in a b", "while a; do", "f() {"}) {
    CAPTURE(text);
    CHECK(incomplete(text));
  }
  for (const char* text : {"a | | b", ")", "fi", "for 1 in", "a ;; b"}) {
    CAPTURE(text);
    CHECK_FALSE(incomplete(text));
  }
}

TEST_CASE("nesting is bounded, in every construct", "[fsh][parser][hostile]") {
  for (const char* opener :
       {"(", "{ ", "if a; then ", "while ", "echo $(", "echo \"$(", "echo ${x:-", "! ( ", "f() { "}) {
    CAPTURE(opener);
    std::string text;
    for (int i = 0; i < 5000; ++i) text += opener;
    CHECK(parsed(text).find("nesting too deep") != std::string::npos);
  }
}

TEST_CASE("what is printed parses to what is printed again", "[fsh][parser][property]") {
  static const char* kPieces[] = {"a",       " ",        "b=1",    "'q;'",  "\"$x\"", "|",         "&&",         "||",
                                  ";",       "&",        "\n",     "(",     ")",      "{ ",        " }",         "if ",
                                  "; then ", "; fi",     "while ", "; do ", "; done", "for i in ", "case x in ", ") ",
                                  ";;",      " esac",    ">f",     "2>&1",  "<<E\n",  "\nE\n",     "$(",         "`",
                                  "${y-z}",  "$((1+1))", "#c",     "\\",    "!",      "time "};
  u32 accepted = 0;
  for (u64 seed = 0; seed < 20000; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.fsh"};
    std::string text;
    for (u64 i = prng.below(12) + 1; i > 0; --i) text += kPieces[prng.below(std::size(kPieces))];
    CAPTURE(text);
    const std::string once = parsed(text);
    if (once.empty() || (once[0] >= '0' && once[0] <= '9' && once.find(": ") != std::string::npos)) continue;
    accepted += 1;
    REQUIRE(parsed(once) == once);
  }
  CHECK(accepted > 500);
}
