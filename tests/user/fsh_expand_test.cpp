// The shell's expansions over a table of variables: POSIX's rules, one example each, and hostile words.
#include "user/fsh/expand.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/user/test_heap.h"

using namespace user::fsh;

namespace {

class TestParameters final : public Parameters {
 public:
  TestHeap heap;
  std::map<std::string, std::string> variables{{"HOME", "/root"}};
  std::map<std::string, std::vector<std::string>> directories;
  base::Vector<base::String> arguments{heap};
  bool nounset = false;
  bool noglob = false;

  std::string_view variable(std::string_view name) const override {
    const auto found = variables.find(std::string(name));
    return found == variables.end() ? std::string_view() : std::string_view(found->second);
  }
  ShellResult<void> assign(std::string_view name, std::string_view value) override {
    if (name == "ro") return ShellError(1, "ro: is read only");
    variables[std::string(name)] = value;
    return {};
  }
  bool special(char name, base::String& out) const override {
    if (name == '!') return false;
    out.append(name == '?' ? "7" : name == '$' ? "42" : name == '0' ? "fsh" : "");
    return true;
  }
  std::span<const base::String> positional() const override { return arguments.span(); }
  ShellResult<base::String> substitute(std::string_view program) override {
    base::String out(heap, "<");
    out.append(program).append(">\n\n");
    return out;
  }
  base::Vector<base::String> names_in(std::string_view directory) override {
    base::Vector<base::String> names(heap);
    for (const std::string& name : directories[std::string(directory)]) names.push_back(base::String(heap, name));
    return names;
  }
  bool exists(std::string_view path) override { return path == "a/x.c" || path == "b/x.c"; }
  std::string_view home_of(std::string_view user) override {
    return user == "ann" ? std::string_view("/home/ann") : std::string_view();
  }
  bool option_nounset() const override { return nounset; }
  bool option_noglob() const override { return noglob; }

  void set_arguments(std::vector<std::string> list) {
    arguments.clear();
    for (const std::string& argument : list) arguments.push_back(base::String(heap, argument));
  }
  /// The fields of one word as [a][b], or the error.
  std::string fields(std::string_view raw) {
    const Word word{raw, {}};
    const auto result = expand_words(*this, heap, {&word, 1});
    if (!result.ok()) return std::string("! ") + std::string(result.error().text());
    std::string out;
    for (const base::String& field : *result) out += "[" + std::string(field.view()) + "]";
    return out;
  }
  std::string arithmetic(std::string_view text) {
    const auto result = evaluate(*this, text);
    return result.ok() ? std::to_string(*result) : std::string(result.error().text());
  }
};

}  // namespace

TEST_CASE("arithmetic follows C's precedence on 64 wrapping bits", "[fsh][arithmetic]") {
  TestParameters p;
  CHECK(p.arithmetic("1+2*3") == "7");
  CHECK(p.arithmetic("(1+2)*3 - -4") == "13");
  CHECK(p.arithmetic("7/2") == "3");
  CHECK(p.arithmetic("-7%3") == "-1");
  CHECK(p.arithmetic("1<<4|1") == "17");
  CHECK(p.arithmetic("5>3?10:20") == "10");
  CHECK(p.arithmetic("0 ? 1 : 0 ? 2 : 3") == "3");
  CHECK(p.arithmetic("!0 + ~0") == "0");
  CHECK(p.arithmetic("1,2,3") == "3");
  CHECK(p.arithmetic("0x1F + 010") == "39");
  CHECK(p.arithmetic("9223372036854775807 + 1") == "-9223372036854775808");
  CHECK(p.arithmetic("-9223372036854775807 - 1") == "-9223372036854775808");
  CHECK(p.arithmetic("(-9223372036854775807 - 1) / -1") == "-9223372036854775808");
  CHECK(p.arithmetic("3 == 3 && 2 != 2 || 1") == "1");
  CHECK(p.arithmetic("--5") == "5");
  CHECK(p.arithmetic("") == "0");
}

TEST_CASE("arithmetic assigns, steps and skips what does not count", "[fsh][arithmetic]") {
  TestParameters p;
  p.variables["i"] = "5";
  CHECK(p.arithmetic("i+=2") == "7");
  CHECK(p.variables["i"] == "7");
  CHECK(p.arithmetic("i++ + ++i") == "16");
  CHECK(p.variables["i"] == "9");
  CHECK(p.arithmetic("0 && (i = 1)") == "0");
  CHECK(p.arithmetic("1 || 1/0") == "1");
  CHECK(p.arithmetic("1 ? 2 : (i = 3)") == "2");
  CHECK(p.variables["i"] == "9");
  CHECK(p.arithmetic("x = y = 4") == "4");
  CHECK(p.arithmetic("x * y << 1") == "32");
  CHECK(p.arithmetic("i <<= 2") == "36");
  CHECK(p.arithmetic("ro = 1") == "ro: is read only");
}

TEST_CASE("arithmetic mistakes are errors, never crashes", "[fsh][arithmetic][hostile]") {
  TestParameters p;
  CHECK(p.arithmetic("1/0") == "division by zero");
  CHECK(p.arithmetic("1%0") == "division by zero");
  CHECK(p.arithmetic("08") == "bad number: 08");
  CHECK(p.arithmetic("12abc") == "bad number: 12abc");
  CHECK(p.arithmetic("99999999999999999999") == "bad number: 99999999999999999999");
  CHECK(p.arithmetic("1 +") == "bad expression: 1 +");
  CHECK(p.arithmetic("(1") == "bad expression: (1");
  CHECK(p.arithmetic("1 2") == "bad expression: 1 2");
  CHECK(p.arithmetic(std::string(100000, '(')) == "nesting too deep");
  CHECK(p.arithmetic(std::string(100000, '-') + "1") == "nesting too deep");
  for (u64 seed = 0; seed < 5000; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.arithmetic"};
    std::string text;
    for (u64 i = prng.below(16); i > 0; --i) text += "1209xa()+-*/%<>=!&|^?:,~ "[prng.below(25)];
    p.arithmetic(text);
  }
}

TEST_CASE("parameters expand by name, number and special character", "[fsh][expand]") {
  TestParameters p;
  p.variables["v"] = "val";
  p.variables["empty"] = "";
  p.set_arguments({"one", "two"});
  CHECK(p.fields("$v-${v}x$vx") == "[val-valx]");
  CHECK(p.fields("$1$2$3.${1}0$10") == "[onetwo.one0one0]");
  CHECK(p.fields("$#$?$$") == "[2742]");
  CHECK(p.fields("a$") == "[a$]");
  CHECK(p.fields("$!x") == "[x]");
  CHECK(p.fields("$unset") == "");
  CHECK(p.fields("\"$unset\"") == "[]");
  CHECK(p.fields("'$v'\\$v") == "[$v$v]");
}

TEST_CASE("the parameter operators do as POSIX's table says", "[fsh][expand]") {
  TestParameters p;
  p.variables["v"] = "val";
  p.variables["e"] = "";
  CHECK(p.fields("${u-d}${u:-d}${e-d}${e:-d}${v-d}") == "[dddval]");
  CHECK(p.fields("${u+d}${e+E}${e:+d}${v:+V}") == "[EV]");
  CHECK(p.fields("${n:=5}$n") == "[55]");
  CHECK(p.variables["n"] == "5");
  CHECK(p.fields("${u?}") == "! u: not set");
  CHECK(p.fields("${e:?is empty}") == "! e: is empty");
  CHECK(p.fields("${v:?never}") == "[val]");
  CHECK(p.fields("${#v}${#u}") == "[30]");
  CHECK(p.fields("${u:-$v${v}}") == "[valval]");
  CHECK(p.fields("${u-a b}") == "[a][b]");
  CHECK(p.fields("\"${u-a b}\"") == "[a b]");
  CHECK(p.fields("${u-'a b'}") == "[a b]");
  p.variables["p"] = "/a/b.tar.gz";
  CHECK(p.fields("${p##*/}|${p#*/}|${p%.*}|${p%%.*}|${#p}") == "[b.tar.gz|a/b.tar.gz|/a/b.tar|/a/b|11]");
  p.variables["q"] = "a*b";
  CHECK(p.fields("${q%'*'b}${q#\\a}") == "[a*b]");
  p.variables["utf"] = "\xC3\xA4\xC3\xB6";
  CHECK(p.fields("${#utf}") == "[2]");
  CHECK(p.fields("${v!x}").substr(0, 18) == "! bad substitution");
  p.nounset = true;
  CHECK(p.fields("$nope") == "! nope: not set");
  CHECK(p.fields("${nope-ok}$*") == "[ok]");
}

TEST_CASE("positional parameters keep their boundaries in quotes", "[fsh][expand]") {
  TestParameters p;
  p.set_arguments({"a b", "c", ""});
  CHECK(p.fields("\"$@\"") == "[a b][c][]");
  CHECK(p.fields("x\"$@\"y") == "[xa b][c][y]");
  CHECK(p.fields("$@") == "[a][b][c]");
  CHECK(p.fields("\"$*\"") == "[a b c ]");
  p.variables["IFS"] = ":";
  CHECK(p.fields("\"$*\"") == "[a b:c:]");
  p.set_arguments({});
  CHECK(p.fields("\"$@\"") == "");
  CHECK(p.fields("\"\"") == "[]");
  CHECK(p.fields("\"x$@\"") == "[x]");
}

TEST_CASE("unquoted values are split by IFS, literal text is not", "[fsh][expand]") {
  TestParameters p;
  p.variables["s"] = "  a  b\tc\n";
  CHECK(p.fields("$s") == "[a][b][c]");
  CHECK(p.fields("x${s}y") == "[x][a][b][c][y]");
  CHECK(p.fields("\"$s\"") == "[  a  b\tc\n]");
  p.variables["IFS"] = ":";
  p.variables["t"] = "a::b:";
  CHECK(p.fields("$t") == "[a][][b]");
  CHECK(p.fields("c:d") == "[c:d]");
  p.variables["IFS"] = ": ";
  p.variables["t"] = " a : b  c";
  CHECK(p.fields("$t") == "[a][b][c]");
  p.variables["IFS"] = "";
  CHECK(p.fields("$s") == "[  a  b\tc\n]");
}

TEST_CASE("commands and arithmetic are substituted without trailing newlines", "[fsh][expand]") {
  TestParameters p;
  CHECK(p.fields("$(a b)`c \\`d\\``") == "[<a][b><c][`d`>]");
  CHECK(p.fields("\"$(a \"b c\")\"") == "[<a \"b c\">]");
  CHECK(p.fields("$((1 + (2 * 3)))") == "[7]");
  p.variables["i"] = "4";
  CHECK(p.fields("$(($i * i))x") == "[16x]");
  CHECK(p.fields("$((a); b)") == "[<(a);][b>]");
  CHECK(p.fields("$((1/0))") == "! division by zero");
}

TEST_CASE("tilde stands for homes where a word or an assignment's part begins", "[fsh][expand]") {
  TestParameters p;
  CHECK(p.fields("~") == "[/root]");
  CHECK(p.fields("~/x") == "[/root/x]");
  CHECK(p.fields("~ann/y") == "[/home/ann/y]");
  CHECK(p.fields("~nobody") == "[~nobody]");
  CHECK(p.fields("a~") == "[a~]");
  CHECK(p.fields("'~'") == "[~]");
  CHECK(p.fields("\\~") == "[~]");
  const auto value = expand_text(p, p.heap, "~/a:~ann:b~", TildeRule::Assignment);
  REQUIRE(value.ok());
  CHECK(*value == "/root/a:/home/ann:b~");
}

TEST_CASE("pathnames expand sorted, component by component", "[fsh][expand][glob]") {
  TestParameters p;
  p.directories[""] = {".h", "a", "a1", "a2", "b"};
  p.directories["a/"] = {"x.c", "y.h"};
  p.directories["b/"] = {"x.c"};
  CHECK(p.fields("*") == "[a][a1][a2][b]");
  CHECK(p.fields("a?") == "[a1][a2]");
  CHECK(p.fields("[!a]*") == "[b]");
  CHECK(p.fields(".*") == "[.h]");
  CHECK(p.fields("z*") == "[z*]");
  CHECK(p.fields("'*'\\*\"?\"") == "[**?]");
  CHECK(p.fields("*/*.c") == "[a/x.c][b/x.c]");
  CHECK(p.fields("*/x.c") == "[a/x.c][b/x.c]");
  p.variables["g"] = "a?";
  CHECK(p.fields("$g") == "[a1][a2]");
  CHECK(p.fields("\"$g\"") == "[a?]");
  p.noglob = true;
  CHECK(p.fields("*") == "[*]");
}

TEST_CASE("a redirection's target names one file or is refused", "[fsh][expand]") {
  TestParameters p;
  p.directories[""] = {"a1", "a2", "b"};
  CHECK(*expand_target(p, p.heap, "b*") == "b");
  CHECK(expand_target(p, p.heap, "a*").error().text() == "a*: ambiguous redirect");
  CHECK(*expand_target(p, p.heap, "z*") == "z*");
}

TEST_CASE("patterns keep what was quoted literal", "[fsh][expand]") {
  TestParameters p;
  p.variables["v"] = "*.c";
  CHECK(*expand_pattern(p, p.heap, "a'*'[b]") == "a\\*[b]");
  CHECK(*expand_pattern(p, p.heap, "$v") == "*.c");
  CHECK(*expand_pattern(p, p.heap, "\"$v\"") == "\\*.c");
}

TEST_CASE("here-documents expand dollars and keep quotes", "[fsh][expand]") {
  TestParameters p;
  p.variables["v"] = "x y";
  CHECK(*expand_here(p, p.heap, "a \"$v\" 'b' \\$v \\\\ $((1+1)) ~ *\n") == "a \"x y\" 'b' $v \\ 2 ~ *\n");
}

TEST_CASE("dollar quotes know their escapes", "[fsh][expand]") {
  TestParameters p;
  CHECK(p.fields("$'a\\tb\\n\\x41\\101\\u00e4\\'\\q'") == "[a\tb\nAA\xC3\xA4'\\q]");
}

TEST_CASE("quote_word gives text that expands to itself", "[fsh][expand][property]") {
  TestParameters p;
  for (u64 seed = 0; seed < 500; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.quote"};
    std::string text;
    for (u64 i = prng.below(12); i > 0; --i) text += static_cast<char>(prng.below(255) + 1);
    base::String quoted(p.heap);
    quote_word(text, quoted);
    REQUIRE(p.fields(quoted) == "[" + text + "]");
  }
}

TEST_CASE("no word crashes the expander", "[fsh][expand][fuzz]") {
  TestParameters p;
  p.set_arguments({"1", "2 3"});
  for (u64 seed = 0; seed < 20000; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.expand"};
    std::string text;
    for (u64 i = prng.below(14); i > 0; --i) text += "$(){}[]'\"`\\~*?:-+=#%@!a1/ "[prng.below(27)];
    p.fields(text);
    (void)expand_here(p, p.heap, text).ok();
    (void)expand_pattern(p, p.heap, text).ok();
  }
}
