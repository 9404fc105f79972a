// What the documents say: every example of the tour gives what stands below it, and the reference is what the library says of itself.
#include <catch2/catch.hpp>
#include <sys/mman.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "vm/lonala/session.h"

namespace {

constexpr u64 kMemory = u64{256} << 20;

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.is_open());
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Ports final : lonala::Ports {
  void write(u32 stream, base::Bytes bytes) override {
    if (stream == 1) output += base::text_of(bytes);
  }
  i64 file_size(std::string_view path) override { return static_cast<i64>(content(std::string(path)).size()); }
  bool read_file(std::string_view path, base::MutableBytes out) override {
    const std::string text = content(std::string(path));
    if (text.size() != out.size()) return false;
    text.copy(reinterpret_cast<char*>(out.data()), text.size());
    return true;
  }
  std::string output;
};

struct Machine {
  Machine() {
    grant = mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    vm = lonala::machine_create(static_cast<u8*>(grant), kMemory, ports);
    REQUIRE(vm.root != nullptr);
  }
  Machine(const Machine&) = delete;
  ~Machine() { munmap(grant, kMemory); }
  void* grant;
  Ports ports;
  lonala::Vm vm;
};

struct Example {
  std::string form;
  std::string shown;
};

/// The examples of all blocks marked as Lonala: a prompt with a form, its further lines below it, then what is shown.
std::vector<Example> examples(const std::string& text) {
  constexpr std::string_view kPrompt = "user=> ";
  const std::string aligned(kPrompt.size(), ' ');
  std::vector<Example> found;
  bool inside = false;
  bool typing = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("```")) {
      inside = line == "```lonala";
    } else if (inside && line.starts_with(kPrompt)) {
      found.push_back({line.substr(kPrompt.size()) + "\n", {}});
      typing = true;
    } else if (inside && typing && line.starts_with(aligned)) {
      found.back().form += line.substr(kPrompt.size()) + "\n";
    } else if (inside) {
      REQUIRE_FALSE(found.empty());
      found.back().shown += line + "\n";
      typing = false;
    }
  }
  return found;
}

}  // namespace

TEST_CASE("every example of the tour shows what it says", "[lonala][documents]") {
  Machine machine;
  const std::vector<Example> all = examples(content(ORRERY_LONALA_DOCS "/tour.md"));
  REQUIRE(all.size() > 50);
  for (const Example& example : all) {
    INFO(example.form);
    machine.ports.output.clear();
    lonala::session_forms(machine.vm, example.form);
    CHECK(machine.ports.output == example.shown);
  }
}

TEST_CASE("the reference is what the library says of itself", "[lonala][documents]") {
  Machine machine;
  REQUIRE(lonala::session_program(machine.vm, ORRERY_LONALA_DOCS "/../../tools/lonala_reference.lona", {}) == 0);
  // If not: orrery lonala tools/lonala_reference.lona > docs/lonala/reference.md
  CHECK((machine.ports.output == content(ORRERY_LONALA_DOCS "/reference.md")));
}
