// The console's line editing: what a person types, what a reader gets, what the screen shows.
#include "user/servers/line_discipline.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/prng.h"
#include "tests/user/test_heap.h"

using namespace user;

namespace {

struct Console {
  TestHeap heap;
  LineDiscipline discipline;
  std::string screen;
  std::vector<u32> notes;

  explicit Console(ConsoleSource source = ConsoleSource::Terminal) : discipline(heap, source) {}
  std::size_t type(std::string_view keys) {
    base::String output(heap);
    base::Vector<u32> posted(heap);
    const std::size_t taken = discipline.input(base::bytes_of(keys), output, posted);
    screen.append(output.view());
    notes.insert(notes.end(), posted.begin(), posted.end());
    return taken;
  }
  std::string read(std::size_t bytes_max = 4096) {
    std::vector<u8> buffer(bytes_max);
    const std::size_t count = discipline.read(buffer);
    return {reinterpret_cast<char*>(buffer.data()), count};
  }
};

}  // namespace

TEST_CASE("a cooked line is delivered whole at Enter and echoed", "[user][console]") {
  Console console;
  console.type("hel");
  CHECK_FALSE(console.discipline.can_read());
  console.type("lo\r");
  REQUIRE(console.discipline.can_read());
  CHECK(console.read() == "hello\n");
  CHECK(console.screen == "hello\n");
  CHECK_FALSE(console.discipline.can_read());
}

TEST_CASE("a read never crosses a line, and a short read leaves the rest", "[user][console]") {
  Console console;
  console.type("one\ntwo\n");
  CHECK(console.read(2) == "on");
  CHECK(console.read() == "e\n");
  CHECK(console.read() == "two\n");
}

TEST_CASE("Backspace, Ctrl-W and Ctrl-U erase a character, a word and the line", "[user][console]") {
  Console console;
  console.type(
      "ab\x7F"
      "c\b\bx\n");
  CHECK(console.read() == "x\n");
  console.type("one two  \x17three\n");
  CHECK(console.read() == "one three\n");
  console.type("gone\x15kept\n");
  CHECK(console.read() == "kept\n");
  console.type("\x7F\x17\x15ok\n");
  CHECK(console.read() == "ok\n");
}

TEST_CASE("erasing takes a whole UTF-8 character and its columns", "[user][console]") {
  Console console;
  console.type("a\xC3\xA4\x7F\n");  // ä is one column
  CHECK(console.read() == "a\n");
  CHECK(console.screen == "a\xC3\xA4\b \b\n");
  console.screen.clear();
  console.type("\xE4\xB8\xAD\x7F\n");  // 中 is two columns
  CHECK(console.screen == "\xE4\xB8\xAD\b \b\b \b\n");
}

TEST_CASE("Ctrl-D delivers a half line, and on an empty line is end of file once", "[user][console]") {
  Console console;
  console.type("half\x04");
  CHECK(console.read() == "half");
  console.type("\x04");
  REQUIRE(console.discipline.can_read());
  CHECK(console.read().empty());
  CHECK_FALSE(console.discipline.can_read());
  console.type(
      "a\n\x04"
      "b\n");
  CHECK(console.read() == "a\n");
  CHECK(console.read().empty());
  CHECK(console.read() == "b\n");
}

TEST_CASE("Ctrl-V takes the next key as it is", "[user][console]") {
  Console console;
  console.type(
      "a\x16\x03"
      "b\n");
  CHECK(console.notes.empty());
  CHECK(console.read() ==
        "a\x03"
        "b\n");
  CHECK(console.screen == "a^Cb\n");
}

TEST_CASE("Ctrl-C, Ctrl-\\ and Ctrl-Z drop the line, show themselves and post their notes", "[user][console]") {
  Console console;
  console.type(
      "lost\x03next\x1C"
      "more\x1A"
      "ok\n");
  CHECK(console.notes == std::vector<u32>{2, 3, 20});
  CHECK(console.read() == "ok\n");
  CHECK(console.screen == "lost^C\nnext^\\\nmore^Z\nok\n");
}

TEST_CASE("raw mode passes bytes as they come, keys that post included", "[user][console]") {
  Console console;
  console.type("typed");
  console.discipline.set_raw(true);
  console.discipline.set_echo(false);
  CHECK(console.read() == "typed");
  console.type("\x1B[A\x03");
  CHECK(console.notes.empty());
  CHECK(console.read() == "\x1B[A\x03");
}

TEST_CASE("a line stops growing at its bound, with a bell, and is still delivered", "[user][console]") {
  Console console;
  console.type(std::string(5000, 'x'));
  console.type("\n");
  CHECK(console.read(8192) == std::string(kLineBytesMax, 'x') + "\n");
  CHECK(console.screen.find('\a') != std::string::npos);
}

TEST_CASE("a pipe passes every byte, a line a read, and ends", "[user][console]") {
  Console console{ConsoleSource::Pipe};
  const std::string script =
      "a\x03\x04"
      "b\nlast";
  CHECK(console.type(script) == script.size());
  console.discipline.input_ended();
  CHECK(console.read() ==
        "a\x03\x04"
        "b\n");
  CHECK(console.read() == "last");
  CHECK(console.read().empty());
  CHECK(console.read().empty());
  CHECK(console.screen.empty());
}

TEST_CASE("a reader that lags stops the input, and nothing is lost", "[user][console][property]") {
  for (u64 seed = 0; seed < 30; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.console"};
    Console console{ConsoleSource::Pipe};
    std::string sent;
    std::string offered;
    std::string got;
    for (int round = 0; round < 400; ++round) {
      if (prng.chance({2, 3})) {
        for (u64 i = prng.below(2000); i > 0; --i)
          offered.push_back(prng.chance({1, 60}) ? '\n' : static_cast<char>(prng.next()));
        const std::size_t taken = console.type(offered);
        REQUIRE(taken <= offered.size());
        sent.append(offered, 0, taken);
        offered.erase(0, taken);
      } else if (console.discipline.can_read()) {
        got += console.read(1 + prng.below(3000));
      }
    }
    sent += offered;
    while (!offered.empty()) {
      offered.erase(0, console.type(offered));
      while (console.discipline.can_read()) got += console.read();
    }
    console.discipline.input_ended();
    for (std::string part = console.read(); !part.empty(); part = console.read()) got += part;
    REQUIRE(got == sent);
  }
}

TEST_CASE("no sequence of keys breaks the line discipline", "[user][console][fuzz]") {
  for (u64 seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.console-fuzz"};
    Console console;
    for (int i = 0; i < 500; ++i) {
      const char key = static_cast<char>(prng.chance({1, 2}) ? prng.below(32) : prng.below(256));
      console.type({&key, 1});
      if (prng.chance({1, 20})) console.discipline.set_raw(prng.chance({1, 2}));
      if (prng.chance({1, 10}) && console.discipline.can_read()) console.read(1 + prng.below(64));
    }
  }
}
