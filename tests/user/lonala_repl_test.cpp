// The prompt of Lonala with a terminal that is a script: what is typed, and all that is written.
#include <sys/mman.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/user/test_heap.h"
#include "user/lonala/repl.h"

using namespace user::lonala_program;

namespace {

constexpr u64 kMemory = u64{64} << 20;

/// Each piece is typed at once; between two of them a second passes.
struct Script final : Terminal {
  std::vector<std::string> pieces;
  std::string shown;
  std::string kept;
  u64 next = 0;
  u64* now_ns = nullptr;
  bool editing = false;

  u32 columns() override { return 100; }
  void edit(bool on) override { editing = on; }
  Got read(base::MutableBytes out, u64 until_ns, u64& count) override {
    CHECK(editing);
    constexpr u64 kSecond = 1'000'000'000;
    if (until_ns < *now_ns + kSecond) {
      *now_ns = std::max(*now_ns, until_ns);
      return Got::Nothing;
    }
    *now_ns += kSecond;
    if (next == pieces.size()) return Got::Closed;
    count = std::min<u64>(pieces[next].size(), out.size());
    __builtin_memcpy(out.data(), pieces[next].data(), count);
    next += 1;
    return Got::Bytes;
  }
  void write(std::string_view text) override { shown += text; }
  base::String history(base::Allocator& heap) override { return base::String(heap, kept); }
  void remember(std::string_view piece) override { kept += piece; }
  void list(std::string_view directory, base::Vector<base::String>& names) override {
    if (directory != "/lib/") return;
    names.push_back(base::String(names.allocator(), "lonala/"));
    names.push_back(base::String(names.allocator(), "other.lona"));
  }
};

struct Ports final : PromptPorts {
  explicit Ports(Script& terminal) : terminal_(terminal) {}
  void write(u32, base::Bytes bytes) override {
    if (!holds(bytes)) terminal_.shown += base::text_of(bytes);
  }
  bool flush() override { return true; }
  i64 file_size(std::string_view) override { return -1; }
  bool read_file(std::string_view, base::MutableBytes) override { return false; }
  u64 wait(u64 until_ns) override { return now_ns = std::max(now_ns, until_ns); }
  u64 now_ns = 0;

 private:
  Script& terminal_;
};

/// What is shown while these pieces are typed; `kept` is the history before and after.
std::string typed(std::vector<std::string> pieces, std::string* kept = nullptr) {
  void* grant = mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  Script terminal;
  Ports ports(terminal);
  terminal.pieces = std::move(pieces);
  terminal.now_ns = &ports.now_ns;
  if (kept != nullptr) terminal.kept = *kept;
  lonala::Vm vm = lonala::machine_create(static_cast<u8*>(grant), kMemory, ports);
  REQUIRE(vm.root != nullptr);
  TestHeap heap;
  Repl(heap, vm, ports, terminal).run();
  CHECK_FALSE(terminal.editing);
  if (kept != nullptr) *kept = terminal.kept;
  munmap(grant, kMemory);
  return terminal.shown;
}

bool has(const std::string& shown, std::string_view text) { return shown.find(text) != std::string::npos; }

}  // namespace

TEST_CASE("the last values and the last error have names at the prompt", "[user][lonala][star-vars]") {
  const std::string shown = typed({"(+ 40 2)\r", "(inc *1)\r", "[*1 *2]\r", "(exit :left)\r", "(:reason *e)\r"});
  CHECK(has(shown, "=> 42\n"));
  CHECK(has(shown, "=> 43\n"));
  CHECK(has(shown, "=> [43 42]\n"));
  CHECK(has(shown, "!! :exit :left\n"));
  CHECK(has(shown, "=> :left\n"));
}

TEST_CASE("a form may be typed in several lines, and history keeps them", "[user][lonala][multi-line-edit]") {
  std::string kept = "\"a\\\\\\\\b\"\n";  // the string "a\\b", encoded
  const std::string shown = typed({"\x1B[A\r", "(list 1\r2\r3)\r", "\x1B[A\x1B[A\x1B[A\x1B[A\r"}, &kept);
  CHECK(has(shown, "=> \"a\\\\b\"\n"));
  CHECK(has(shown, "=> (1 2 3)\n"));
  CHECK(kept == "\"a\\\\\\\\b\"\n(list 1\\n      2\\n      3)\n\"a\\\\\\\\b\"\n");
}

TEST_CASE("symbols, keywords in use and paths are completed", "[user][lonala][completion]") {
  CHECK(has(typed({"(group-\t odd? '(1 2 3))\r"}), "{1 3}"));
  CHECK(has(typed({":striped-horse\r", ":striped\t\r"}), "=> :striped-horse\n"));
  CHECK(has(typed({"(count \"/lib/o\t\")\r"}), "=> 15\n"));
  CHECK(has(typed({"(lona.math-that-is-not/\t\x03"}), "\a"));
  const std::string listed = typed({"(defn wander [from to] to)\r", "(defn wandering [x] x)\r", "(wand\t\t\t\x03"});
  CHECK(has(listed, "wander  ([from to])\r\n"));
  CHECK(has(listed, "wandering  ([x])\r\n"));
}

TEST_CASE("what other processes write stands above the line being typed", "[user][lonala]") {
  const std::string shown = typed({"(spawn (fn [] (sleep 1500) (println \"late\")))\r", "(* 6", " 7)\r", "(+ 1 1)\r"});
  CHECK(has(shown, "late\r\n"));
  CHECK(has(shown, "=> 42\n"));
  CHECK(shown.find("late\r\n") < shown.find("=> 42\n"));
}

TEST_CASE("an error says where it was and what may have been meant", "[user][lonala]") {
  const std::string shown = typed({"(defn area [[:circle r]] r)\r", "(defn twice [s] (+ 1 (area s)))\r",
                                   "(twice [:square 2])\r", "(bt)\r", "(aera 1)\r", "(lona.core/redcue 1)\r"});
  CHECK(has(shown, "!! :badmatch %{:value [[:square 2]]}\n   user/area  (repl:1)"));
  CHECK(has(shown, "; (bt) shows the whole stack\n"));
  CHECK(has(shown, "   user/area  (repl:1)\n   user/twice  (repl:2)\n"));
  CHECK(has(shown, "   repl:5  nearest: area"));
  CHECK(has(shown, "   repl:6  nearest: lona.core/reduce\n"));
}

TEST_CASE("values are cut by the two limits, at the prompt only", "[user][lonala]") {
  const std::string shown = typed({"(range 300)\r", "(def *print-length* 2)\r", "[1 2 3]\r", "%{:a 1 :b 2 :c 3}\r",
                                   "(def *print-depth* 1)\r", "[[1]]\r", "(print-string [1 2 3])\r"});
  CHECK(has(shown, " 199 …)\n"));
  CHECK(has(shown, "=> [1 2 …]\n"));
  CHECK(has(shown, " …}\n"));
  CHECK(has(shown, "=> [[…]]\n"));
  CHECK(has(shown, "=> \"[1 2 3]\"\n"));
}
