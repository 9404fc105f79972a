// The shape of Lonala text while it is typed: indentation, brackets that belong together, words, strings.
#include "user/lonala/layout.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/user/test_heap.h"

using namespace user::lonala_program;

namespace {

u64 indentation(std::string_view text) {
  TestHeap heap;
  return Layout(heap, text).indentation();
}

}  // namespace

TEST_CASE("a new line of Lonala is indented by what is open", "[user][lonala][multi-line-edit]") {
  CHECK(indentation("") == 0);
  CHECK(indentation("(+ 1 2)") == 0);
  CHECK(indentation("(+ 1") == 3);
  CHECK(indentation("(foo") == 1);
  CHECK(indentation("(defn f [x]") == 2);
  CHECK(indentation("(let [a 1") == 6);
  CHECK(indentation("(let [a 1]\n  (if a") == 4);
  CHECK(indentation("(list \"(\" \\( ; (\n") == 6);
  CHECK(indentation("%{:a 1") == 2);
  CHECK(indentation("(\xC3\xA4 1") == 3);
  CHECK(indentation("((f) x") == 1);
  CHECK(indentation("(f \"two\nlines") == 0);
}

TEST_CASE("a closing bracket knows its partner, one in a string or a character has none", "[user][lonala]") {
  TestHeap heap;
  const std::string_view text = "(a [b \")\"] \\) %{c d})";
  const Layout layout(heap, text);
  CHECK(layout.opener_of(text.size() - 1) == 0);
  CHECK(layout.opener_of(text.find(']')) == text.find('['));
  CHECK(layout.opener_of(text.find('}')) == text.find('{'));
  CHECK(layout.opener_of(text.find(")\"")) == kNowhere);
  CHECK(layout.opener_of(text.find("\\)") + 1) == kNowhere);
  CHECK(Layout(heap, "(]").opener_of(1) == kNowhere);
}

TEST_CASE("words end where the reader ends them, and open strings are found", "[user][lonala]") {
  TestHeap heap;
  CHECK(word_start("(map lona.core/fir") == 5);
  CHECK(word_start("[:ke") == 1);
  CHECK(word_start("(x ") == 3);
  CHECK(word_start("'a") == 1);
  CHECK(Layout(heap, "(open \"/et").open_string() == 6);
  CHECK(Layout(heap, "(open \"/etc\"").open_string() == kNowhere);
  CHECK(Layout(heap, "\"a\\\"b").open_string() == 0);
}
