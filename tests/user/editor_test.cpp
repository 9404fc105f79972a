// Line editing on a small terminal model: what stands on the screen and where the cursor is, key by key.
#include "user/lib/editor.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/prng.h"
#include "base/utf8.h"
#include "tests/user/test_heap.h"

using namespace user;

namespace {

/// Understands just what the editor may send: text, CR, LF, BEL, CSI A C J H.
class Screen {
 public:
  explicit Screen(u32 columns) : columns_(columns), rows_(1) {}
  void feed(std::string_view bytes) {
    for (u64 i = 0; i < bytes.size();) {
      const char c = bytes[i];
      if (c == '\x1B') {
        u64 end = i + 2;
        u32 number = 0;
        while (bytes[end] >= '0' && bytes[end] <= '9') number = number * 10 + static_cast<u32>(bytes[end++] - '0');
        if (number == 0) number = 1;
        if (bytes[end] == 'A') row -= std::min<u64>(row, number);
        if (bytes[end] == 'C') column += number;
        if (bytes[end] == 'H') row = column = 0;  // and `m` changes nothing that is looked at
        if (bytes[end] == 'J') {
          rows_.resize(row + 1);
          rows_[row].resize(std::min<u64>(rows_[row].size(), column));
        }
        i = end + 1;
        continue;
      }
      if (c == '\a') {
        i += 1;
        continue;
      }
      if (c == '\r') {
        column = 0;
        i += 1;
        continue;
      }
      if (c == '\n') {
        row += 1;
        if (rows_.size() <= row) rows_.resize(row + 1);
        i += 1;
        continue;
      }
      const base::DecodedCharacter character = base::decode_utf8(bytes, i);
      const u32 width = base::display_width(character.code_point);
      if (column + width > columns_) {
        row += 1;
        column = 0;
        if (rows_.size() <= row) rows_.resize(row + 1);
      }
      std::vector<std::string>& line = rows_[row];
      if (width == 0) {  // combines with the character before it, in whose cell it is drawn
        if (column > 0 && column <= line.size()) line[column - 1] += bytes.substr(i, character.length);
        i += character.length;
        continue;
      }
      if (line.size() < column + width) line.resize(column + width, " ");
      line[column] = std::string(bytes.substr(i, character.length));
      for (u32 n = 1; n < width; ++n) line[column + n] = "";
      column += width;
      i += character.length;
    }
  }
  std::string line(u64 index) const {
    std::string text;
    for (const std::string& cell : rows_[index]) text += cell;
    return text;
  }
  /// All rows without the blanks at their ends, and where the cursor is.
  std::string picture() const {
    std::string text;
    for (u64 i = 0; i < rows_.size(); ++i) {
      std::string shown = line(i);
      shown.erase(shown.find_last_not_of(' ') + 1);
      text += shown + "\n";
    }
    text.erase(text.find_last_not_of('\n') + 1);
    return text + "\n" + std::to_string(row) + " " + std::to_string(column);
  }
  u64 row = 0;
  u64 column = 0;

 private:
  u32 columns_;
  std::vector<std::vector<std::string>> rows_;
};

class Words final : public EditorClient {
 public:
  explicit Words(TestHeap& heap) : heap_(heap) {}
  Completion complete(std::string_view before) override {
    Completion completion(heap_);
    const u64 blank = before.rfind(' ');
    completion.start = blank == std::string_view::npos ? 0 : blank + 1;
    for (const char* word : {"echo", "etc/", "env", "passwd"}) {
      if (std::string_view(word).starts_with(before.substr(completion.start))) {
        completion.matches.push_back(base::String(heap_, word));
      }
    }
    return completion;
  }

 private:
  TestHeap& heap_;
};

struct Session {
  TestHeap heap;
  base::Vector<base::String> history{heap};
  Words words{heap};
  Editor editor{heap, history, words};
  Screen screen;
  Editor::Outcome outcome = Editor::Outcome::More;

  explicit Session(u32 columns = 80, std::vector<std::string> lines = {}) : screen(columns) {
    for (const std::string& line : lines) history.push_back(base::String(heap, line));
    base::String out(heap);
    editor.begin("$ ", columns, out);
    screen.feed(out);
  }
  void type(std::string_view keys) {
    for (const char key : keys) {
      base::String out(heap);
      outcome = editor.byte(static_cast<u8>(key), out);
      screen.feed(out);
    }
  }
};

}  // namespace

TEST_CASE("typed text is shown and edited in place", "[editor]") {
  Session s;
  s.type("hello");
  CHECK(s.screen.line(0) == "$ hello");
  s.type("\x1B[D\x1B[D!");
  CHECK(s.screen.line(0) == "$ hel!lo");
  CHECK(s.screen.column == 6);
  s.type("\x7F\x01>\x05<");
  CHECK(s.editor.text() == ">hello<");
  s.type("\x1B[H\x1B[3~\r");
  CHECK(s.outcome == Editor::Outcome::Line);
  CHECK(s.editor.text() == "hello<");
}

TEST_CASE("output that did not end its row stays above the prompt", "[editor]") {
  for (const u32 columns : {4u, 9u, 80u}) {
    for (const std::string before : {"", "abc", "a row and the beginning of another"}) {
      CAPTURE(columns, before);
      TestHeap heap;
      base::Vector<base::String> history{heap};
      Words words{heap};
      Editor editor{heap, history, words};
      Screen screen{columns};
      screen.feed(before);
      const u64 last = screen.row;
      base::String out(heap);
      editor.begin("$ ", columns, out);
      screen.feed(out);
      const u64 row = before.empty() ? 0 : last + 1;
      CHECK(screen.row == row);
      CHECK(screen.column == 2);
      CHECK(screen.line(row) == "$ ");
      if (!before.empty()) CHECK(screen.line(last).starts_with(before.substr(last * columns) + "%"));
    }
  }
}

TEST_CASE("words and line ends can be taken and put back", "[editor]") {
  Session s;
  s.type("one two three\x17");
  CHECK(s.editor.text() == "one two ");
  s.type("\x19");
  CHECK(s.editor.text() == "one two three");
  s.type(
      "\x1B"
      "b\x1B"
      "b\x0B");
  CHECK(s.editor.text() == "one ");
  s.type(
      "\x15\x19\x1B"
      "b\x1B"
      "d");
  CHECK(s.editor.text() == " ");
  Session swap;
  swap.type("ab\x14");
  CHECK(swap.editor.text() == "ba");
}

TEST_CASE("history goes back and forth and keeps the new line", "[editor]") {
  Session s(80, {"first", "second"});
  s.type("new\x1B[A");
  CHECK(s.editor.text() == "second");
  s.type("\x1B[A");
  CHECK(s.editor.text() == "first");
  s.type("\x1B[A\x1B[B\x1B[B");
  CHECK(s.editor.text() == "new");
}

TEST_CASE("Ctrl-R finds the newest line that has the text, and again an older one", "[editor]") {
  Session s(80, {"make all", "echo make", "ls"});
  s.type("\x12mak");
  CHECK(s.editor.text() == "echo make");
  s.type("\x12");
  CHECK(s.editor.text() == "make all");
  s.type("\r");
  CHECK(s.outcome == Editor::Outcome::Line);
  CHECK(s.editor.text() == "make all");
}

TEST_CASE("Tab inserts the one match, or what all share, and then lists them", "[editor]") {
  Session s;
  s.type("ec\tpa\t");
  CHECK(s.editor.text() == "echo passwd ");
  Session many;
  many.type("e\t");
  CHECK(many.editor.text() == "e");
  many.type("\t");
  CHECK(many.screen.line(1) == "echo  etc/  env  ");
  many.type("t\t");
  CHECK(many.editor.text() == "etc/");
}

TEST_CASE("Ctrl-C drops the line, Ctrl-D ends only an empty one", "[editor]") {
  Session s;
  s.type("lost\x03");
  CHECK(s.outcome == Editor::Outcome::Interrupted);
  Session other;
  other.type("ab\x1B[D\x04");
  CHECK(other.editor.text() == "a");
  other.type("\x7F\x04");
  CHECK(other.outcome == Editor::Outcome::End);
}

TEST_CASE("a long line wraps and the cursor finds its place in it", "[editor]") {
  Session s(10);
  s.type("abcdefghijklmno");
  CHECK(s.screen.line(0) == "$ abcdefgh");
  CHECK(s.screen.line(1) == "ijklmno");
  s.type("\x01X");
  CHECK(s.screen.line(0) == "$ Xabcdefg");
  CHECK(s.screen.line(1) == "hijklmno");
  CHECK(s.screen.row == 0);
  CHECK(s.screen.column == 3);
  s.type("\x05\x7F\x7F\x7F\x7F\x7F\x7F\x7F\x7F");
  CHECK(s.screen.line(0) == "$ Xabcdefg");
  CHECK(s.screen.row == 1);
  CHECK(s.screen.column == 0);
}

namespace {

/// Input ends when its brackets are closed; each that is open indents by two.
class Brackets final : public EditorClient {
 public:
  explicit Brackets(TestHeap& heap) : heap_(heap) {}
  Completion complete(std::string_view) override { return Completion(heap_); }
  bool is_complete(std::string_view text) override { return indentation(text) == 0; }
  u64 indentation(std::string_view text) override {
    u64 open = 0;
    for (const char c : text) open += c == '(' ? 2 : c == ')' && open > 0 ? ~u64{1} : 0;
    return open;
  }
  u64 partner(std::string_view text, u64 cursor) override {
    return cursor > 0 && text[cursor - 1] == ')' ? text.find('(') : kNoPartner;
  }

 private:
  TestHeap& heap_;
};

struct Lines {
  TestHeap heap;
  base::Vector<base::String> history{heap};
  Brackets brackets{heap};
  Editor editor{heap, history, brackets};
  Screen screen{40};
  std::string sent;
  Editor::Outcome outcome = Editor::Outcome::More;
  Lines() {
    history.push_back(base::String(heap, "(old\n  1)"));
    base::String out(heap);
    editor.begin("> ", 40, out);
    screen.feed(out);
  }
  void type(std::string_view keys) {
    for (const char key : keys) {
      base::String out(heap);
      outcome = editor.byte(static_cast<u8>(key), out);
      sent = std::string(out.view());
      screen.feed(out);
    }
  }
};

}  // namespace

TEST_CASE("Enter goes on while the text is not complete, below the text and indented", "[editor][multi-line-edit]") {
  Lines s;
  s.type("(a\rb\r(c");
  CHECK(s.outcome == Editor::Outcome::More);
  CHECK(s.screen.line(0) == "> (a");
  CHECK(s.screen.line(1) == "    b");
  CHECK(s.screen.line(2) == "    (c");
  CHECK(s.screen.row == 2);
  CHECK(s.screen.column == 6);
  s.type("))\r");
  CHECK(s.outcome == Editor::Outcome::Line);
  CHECK(s.editor.text() == "(a\n  b\n  (c))");
}

TEST_CASE("arrows move over all lines and then through the history", "[editor][multi-line-edit]") {
  Lines s;
  s.type("(abc\rd\x1B[A");
  CHECK(s.screen.row == 0);
  CHECK(s.screen.column == 2 + 3);
  s.type("X\x1B[B");
  CHECK(s.editor.text() == "(abXc\n  d");
  CHECK(s.screen.row == 1);
  CHECK(s.screen.column == 2 + 3);  // the line is shorter
  s.type("\x01\x0B");
  CHECK(s.editor.text() == "(abXc\n");
  s.type("\x1B[A\x1B[A");
  CHECK(s.editor.text() == "(old\n  1)");
  CHECK(s.screen.line(1) == "    1)");
  s.type("\x1B[B");
  CHECK(s.editor.text() == "(abXc\n");
}

TEST_CASE("Meta-Enter breaks the line even where the text is complete", "[editor][multi-line-edit]") {
  Lines s;
  s.type("a\x1B\rb");
  CHECK(s.editor.text() == "a\nb");
  CHECK(s.screen.line(1) == "  b");
  s.type("\r");
  CHECK(s.outcome == Editor::Outcome::Line);
}

TEST_CASE("the partner of a bracket is marked while the cursor is behind it", "[editor]") {
  Lines s;
  s.type("(a)");
  CHECK(s.sent.find("\x1B[7m(\x1B[0m") != std::string::npos);
  s.type("b");
  CHECK(s.sent.find("\x1B[7m") == std::string::npos);
  s.type("\x7F\r");
  CHECK(s.sent.find("\x1B[7m") == std::string::npos);
  CHECK(s.screen.line(0) == "> (a)");
}

TEST_CASE("a key paints what it changes, however long the text is", "[editor]") {
  // 8000 characters pasted: in one line, in lines of 60, and with brackets whose partner is marked.
  constexpr u64 kBytes = 8000;
  for (const std::string piece :
       {"some words to paste ", "a line of sixty characters or so, which ends like this here\x1B\r", "(f x) "}) {
    CAPTURE(piece);
    Lines s;
    u64 sent = 0;
    for (u64 typed = 0; typed < kBytes; typed += piece.size()) {
      for (const char key : piece) {
        base::String out(s.heap);
        s.editor.byte(static_cast<u8>(key), out);
        s.screen.feed(out);
        sent += out.size();
      }
    }
    CHECK(sent < kBytes * 50);  // a mark far above takes some bytes to get there
    // In the middle and at the start what follows has to move, and nothing before it.
    s.type("\x1B[D\x1B[D");
    s.type("x");
    CHECK(s.sent.size() < 100);
    s.type("\x01");
    CHECK(s.sent.size() < 20);
  }
}

TEST_CASE("wide and combining characters keep the cursor right", "[editor]") {
  Session s;
  s.type(
      "\xE4\xB8\xAD"
      "e\xCC\x81x");  // 中, é as e and accent, x
  CHECK(s.screen.column == 2 + 2 + 1 + 1);
  s.type("\x1B[D\x1B[D");
  CHECK(s.screen.column == 4);
  s.type("\x7F");
  CHECK(s.editor.text() == "e\xCC\x81x");
  CHECK(s.screen.column == 2);
}

TEST_CASE("whatever is typed, the screen shows the text and the cursor stays inside", "[editor][fuzz]") {
  for (u64 seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.editor"};
    Session s(static_cast<u32>(4 + prng.below(20)), {"alpha", "beta gamma", std::string(50, 'h')});
    for (int i = 0; i < 120 && s.outcome == Editor::Outcome::More; ++i) {
      static const char* kKeys[] = {"a",
                                    "b",
                                    " ",
                                    "xyz",
                                    "\x1B[A",
                                    "\x1B[B",
                                    "\x1B[C",
                                    "\x1B[D",
                                    "\x7F",
                                    "\x01",
                                    "\x05",
                                    "\x17",
                                    "\x0B",
                                    "\x19",
                                    "\x14",
                                    "\t",
                                    "\x12",
                                    "\x1B"
                                    "b",
                                    "\x1B[3~",
                                    "\xC3\xA4",
                                    "\xFF",
                                    "\x1B",
                                    "\x07"};
      s.type(kKeys[prng.below(std::size(kKeys))]);
    }
    if (s.outcome != Editor::Outcome::More) continue;
    s.type("\x07\x05");
    std::string shown;
    for (u64 row = 0; row <= s.screen.row; ++row) shown += s.screen.line(row);
    const std::string wanted(s.editor.text());
    REQUIRE(shown.size() >= wanted.size());
    REQUIRE(shown.substr(shown.size() - wanted.size()) == wanted);
  }
}

TEST_CASE("what was painted key by key is what painting all at once shows", "[editor][fuzz]") {
  static const char* kKeys[] = {"a",        "b ",           "xyz",    "(",      ")",    "\r",     "\x1B\r",
                                "\x1B[A",   "\x1B[B",       "\x1B[C", "\x1B[D", "\x7F", "\x01",   "\x05",
                                "\x17",     "\x0B",         "\x19",   "\x14",   "\x12", "\x1B[D", "\xC3\xA4",
                                "\xCC\x81", "\xE4\xB8\xAD", "\x07",   "\t\t",   "\x0C", "\x15",   "\xF0\x9F\x98\x80"};
  for (u64 seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.editor"};
    const u32 columns = static_cast<u32>(4 + prng.below(20));
    TestHeap heap;
    base::Vector<base::String> history{heap};
    for (const char* line : {"alpha", "(beta\n  gamma)", "0123456789012345678901234567890"}) {
      history.push_back(base::String(heap, line));
    }
    Brackets brackets{heap};
    Editor editor{heap, history, brackets};
    Screen screen{columns};
    base::String first(heap);
    editor.begin("> ", columns, first);
    screen.feed(first);
    for (int i = 0; i < 80; ++i) {
      const std::string_view key = kKeys[prng.below(std::size(kKeys))];
      base::String out(heap);
      bool more = true;
      for (const char byte : key) more = more && editor.byte(static_cast<u8>(byte), out) == Editor::Outcome::More;
      if (!more) break;
      screen.feed(out);
      if (prng.below(4) != 0) continue;
      Screen whole = screen;
      base::String again(heap);
      editor.hide(again);
      editor.show(again);
      whole.feed(again);
      CAPTURE(i, std::string(editor.text()), columns);
      REQUIRE(screen.picture() == whole.picture());
      screen = whole;
    }
  }
}
