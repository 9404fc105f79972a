// Seeded fuzzing of what takes text and forms from outside: reader, printer, bit syntax, compiler. An error is an answer; the
// machine must go on and give the same answers as before.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/lonala/test_machine.h"

namespace {

using lonala_tests::Machine;

const std::vector<std::string> kPieces = {
    "(",     ")",         "[",    "]",        "{",     "}",    "%{",   "#{",  "#bytes[", "#bits[",
    "'",     "`",         "~",    "~@",       "^",     "#_",   "#(",   "#'",  "\"",      "\\",
    "\\a",   "\\newline", ":k",   ":",        "::x",   "nil",  "true", "x",   "a/b",     "/",
    "+",     "-1",        "0xFF", "1u8",      "256u8", "1/2",  "1/0",  "1e5", "3.14f32", "##NaN",
    "##Inf", "36rZZ",     "1_0",  "1__0",     ";c\n",  ",",    " ",    "\n",  "\"s\"",   "\\u{1F600}",
    "42N",   "%1",        "%&",   "\xC3\xA9", "\xFF",  "\xC0", "#<x>", "#q",  "@x",      "&"};

std::string random_text(base::Prng& prng, u64 pieces) {
  std::string text;
  for (u64 i = 0; i < pieces; ++i) text += kPieces[prng.below(kPieces.size())] + (prng.below(3) == 0 ? " " : "");
  return text;
}

/// The text as a string literal.
std::string literal(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string answer(Machine& machine, const std::string& source) {
  std::string early;
  const lonala::Evaluation result = machine.run(source, early);
  return result.ok ? machine.text(result.value) : "!! " + machine.error(result.value);
}

/// A value of every kind that has a literal, as a form that makes it.
std::string random_value(base::Prng& prng, u32 depth) {
  const auto many = [&](const std::string& open, const std::string& close, u32 each) {
    std::string text = open;
    const u64 count = prng.below(5) * each;
    for (u64 i = 0; i < count; ++i) text += random_value(prng, depth - 1) + " ";
    return text + close;
  };
  switch (prng.below(depth == 0 ? 14 : 20)) {
    case 0: return std::to_string(static_cast<i64>(prng.next()));
    case 1: return std::to_string(prng.below(100)) + "N";
    case 2: return std::to_string(prng.below(256)) + "u8";
    case 3: return "-" + std::to_string(prng.below(30000)) + "i16";
    case 4: return std::to_string(prng.below(1000)) + "/" + std::to_string(1 + prng.below(1000));
    case 5: return "(float " + std::to_string(prng.below(1u << 30)) + "/" + std::to_string(1 + prng.below(1000)) + ")";
    case 6: return "(f32 " + std::to_string(prng.below(1u << 20)) + "/" + std::to_string(1 + prng.below(1000)) + ")";
    case 7: return prng.below(2) == 0 ? "##-Inf" : "-0.0";
    case 8: return "(char " + std::to_string(prng.below(0xD800)) + ")";
    case 9: return "(str (char " + std::to_string(prng.below(0xD800)) + ") " + literal("t\"\\\n") + ")";
    case 10: return ":k" + std::to_string(prng.below(20));
    case 11: return "'ns/s" + std::to_string(prng.below(20));
    case 12: return "#bytes[" + std::to_string(prng.below(256)) + " 0xAB]";
    case 13: return prng.below(2) == 0 ? "nil" : "true";
    case 14: return many("(list ", ")", 1);
    case 15: return many("[", "]", 1);
    case 16: return many("{", "}", 1);
    case 17: return many("(hash-map ", ")", 2);
    case 18: return many("(hash-set ", ")", 1);
    default: return "(bit-shl " + std::to_string(1 + prng.below(1000)) + " " + std::to_string(prng.below(300)) + ")";
  }
}

}  // namespace

TEST_CASE("the reader answers every text, and the machine goes on", "[vm][lonala][reader][fuzz]") {
  Machine machine({}, lonala_tests::kMemoryDefault);
  u32 read = 0;
  for (u64 seed = 0; seed < 1500; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.lonala-reader"};
    const std::string text = random_text(prng, 1 + prng.below(24));
    lonala::session_reset(machine.vm);
    lonala::Reader reader(machine.vm, text);
    lonala::Term form = lonala::kNil;
    for (u32 i = 0; i < 100; ++i) {
      const auto outcome = reader.next(form);
      if (outcome != lonala::Reader::Outcome::Form) break;
      // What was read is printed, and reads again to what prints alike.
      read += 1;
      const std::string printed = machine.text(form);
      lonala::Reader again(machine.vm, printed);
      lonala::Term second = lonala::kNil;
      CAPTURE(text, printed);
      REQUIRE(again.next(second) == lonala::Reader::Outcome::Form);
      REQUIRE(machine.text(second) == printed);
    }
  }
  CHECK(read > 500);
  CHECK(answer(machine, "(+ 1 2)") == "3");
}

TEST_CASE("a printed value reads back to an equal one", "[vm][lonala][printer][property]") {
  Machine machine({}, lonala_tests::kMemoryDefault);
  std::string early;
  machine.run("(def back (fn [v] (= v (read-string (print-string v)))))", early);
  for (u64 seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.lonala-printer"};
    const std::string value = random_value(prng, 3);
    CAPTURE(value);
    REQUIRE(answer(machine, "(back " + value + ")") == "true");
  }
}

TEST_CASE("bit patterns answer every binary, and what is built is taken apart again", "[vm][lonala][bits][fuzz]") {
  Machine machine({}, lonala_tests::kMemoryDefault);
  for (u64 seed = 0; seed < 250; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.lonala-bits"};
    std::string build = "#bits[";
    std::string take = "#bits[";
    std::string names;
    std::string values;
    u64 bits = 0;
    const u64 fields = 1 + prng.below(5);
    for (u64 i = 0; i < fields; ++i) {
      const std::string name = "f" + std::to_string(i);
      const bool little = prng.below(3) == 0;
      u64 size = little ? 8 * (1 + prng.below(9)) : 1 + prng.below(80);
      if (i + 1 == fields && (bits + size) % 8 != 0) size += 8 - (bits + size) % 8;
      const bool whole = size % 8 == 0;
      const std::string segment = ":" + std::to_string(size) + (little && whole ? "/le " : " ");
      build += "(bit-shr 0x" + std::to_string(1 + prng.below(9)) + "23456789ABCDEF0123456789 " +
               std::to_string(prng.below(40)) + ")" + segment;
      take += name + segment;
      names += name + " ";
      values += name + segment;
      bits += size;
    }
    const std::string program = "(let [b " + build + "]] (match b " + take + "] (= b #bits[" + values + "]) _ :no))";
    CAPTURE(program);
    REQUIRE(answer(machine, program) == "true");
    // Any pattern against any binary: it matches or not.
    std::string pattern = "#bits[";
    for (u64 i = 0; i < fields; ++i) {
      pattern += (prng.below(4) == 0 ? std::to_string(prng.below(300)) : "g" + std::to_string(i));
      const u64 kind = prng.below(4);
      pattern += kind == 0   ? " "
                 : kind == 1 ? ":" + std::to_string(prng.below(40)) + " "
                 : kind == 2 ? ":8/signed "
                             : ":2/bytes ";
    }
    pattern += prng.below(2) == 0 ? "& r]" : "]";
    std::string binary = "#bytes[";
    for (u64 i = prng.below(12); i > 0; --i) binary += std::to_string(prng.below(256)) + " ";
    const std::string found = answer(machine, "(match " + binary + "] " + pattern + " :yes _ :no)");
    CAPTURE(pattern, binary);
    REQUIRE((found == ":yes" || found == ":no"));
  }
}

TEST_CASE("the compiler answers every form, and the machine goes on", "[vm][lonala][compiler][fuzz]") {
  Machine machine({}, lonala_tests::kMemoryDefault);
  const std::vector<std::string> words = {
      "def",   "fn*", "match", "do", "quote", "var",  "receive", "let",    "fn",  "defn", "if",   "cond",   "x",
      "y",     "+",   "first", "_",  "&",     "when", "=",       "as",     "1",   "2",    "nil",  ":after", ":k",
      "\"s\"", "[]",  "()",    "{}", "%{}",   "#{}",  "bits*",   "bytes*", "and", "or",   "case", "loop",   "apply"};
  u32 compiled = 0;
  for (u64 seed = 0; seed < 1500; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.lonala-compiler"};
    std::string text;
    u32 open = 0;
    std::string closing;
    for (u64 i = 2 + prng.below(20); i > 0; --i) {
      switch (prng.below(5)) {
        case 0: text += "(", closing += ")", open += 1; break;
        case 1: text += "[", closing += "]", open += 1; break;
        case 2:
          if (open > 0) text += closing.back(), closing.pop_back(), open -= 1;
          break;
        default: text += words[prng.below(words.size())] + " ";
      }
    }
    while (!closing.empty()) text += closing.back(), closing.pop_back();
    CAPTURE(text);
    lonala::session_reset(machine.vm);
    const std::string function = "(fn* [] " + text + ")";
    lonala::Reader reader(machine.vm, function);
    lonala::Term form = lonala::kNil;
    if (reader.next(form) != lonala::Reader::Outcome::Form) continue;
    compiled += lonala::session_evaluate(machine.vm, form).ok;
  }
  CHECK(compiled > 50);
  CHECK(answer(machine, "(let [[a b] [1 2]] (+ a b))") == "3");
}
