#include "fs/text_tree.h"

#include <catch2/catch.hpp>

#include "tests/fs/harness.h"

using namespace fs;
using namespace fs::test;
using namespace schema::file;
using D = schema::file::Directory;
using F = schema::file::File;

namespace {

/// One text file that changes with every look at it, and one control file.
class Sample final : public TextTree {
 public:
  u32 looks = 0;
  std::vector<std::string> commands;
  explicit Sample(base::Allocator& memory) : TextTree(memory, 0755) {
    count_ = add(kRootId, "count", Kind::Control, 0444);
    const NodeId directory = add(kRootId, "dir", Kind::Directory, 0755);
    ctl_ = add(directory, "ctl", Kind::Control, 0600);
    add(kRootId, "link", Kind::Link, 0777, "/dir/ctl");
  }

 protected:
  Result<void> text(NodeId node, const Caller&, base::String& out) override {
    looks += 1;
    if (node == count_) out.append_format("look {} at a long enough line\n", looks);
    return {};
  }
  Result<void> command(NodeId node, const Caller&, std::string_view line) override {
    REQUIRE(node == ctl_);
    if (line.starts_with("frob")) return fail(ErrorCode::UnknownControl, "frob");
    commands.emplace_back(line);
    return {};
  }

 private:
  NodeId count_ = 0;
  NodeId ctl_ = 0;
};

struct Texts {
  TestAllocator memory;
  TestGate gate;
  Sample files{memory};
  Server server{files, gate, memory, {}};
  TestClient client{server, gate};
  u64 root = client.attach();
  u64 open(std::string_view path, u16 flags) {
    const auto answer = client.call<D::Open>(root, {.path = path, .flags = flags});
    REQUIRE(answer.ok());
    return answer.cap;
  }
  std::string read(u64 file, u32 count, u64 offset = kAtPosition) {
    return text(client.call<F::Read>(file, {.offset = offset, .count = count}).value().data);
  }
  Answer<F::Write> write(u64 file, std::string_view data) {
    return client.call<F::Write>(
        file, {.offset = kAtPosition, .count = static_cast<u32>(data.size()), .data = base::bytes_of(data)});
  }
};

}  // namespace

TEST_CASE("a read at offset 0 takes a new snapshot and later offsets continue it", "[fs][text]") {
  Texts texts;
  const u64 one = texts.open("count", kOpenRead);
  const u64 other = texts.open("count", kOpenRead);
  REQUIRE(texts.read(one, 7) == "look 1 ");
  REQUIRE(texts.read(other, 7) == "look 2 ");
  REQUIRE(texts.read(one, 4096) == "at a long enough line\n");
  REQUIRE(texts.read(one, 4096) == "");
  REQUIRE(texts.read(one, 6, 0) == "look 3");
  REQUIRE(texts.files.looks == 3);
}

TEST_CASE("a control file runs lines in order, the first bad one ends the write and earlier ones stand", "[fs][text]") {
  Texts texts;
  const u64 ctl = texts.open("dir/ctl", kOpenWrite);
  const auto answer = texts.write(ctl, "  one two \n# comment\n\nfrob it\nthree\n");
  REQUIRE(answer.error == ErrorCode::UnknownControl);
  REQUIRE(answer.detail == "frob");
  REQUIRE(texts.files.commands == std::vector<std::string>{"one two"});
  REQUIRE(texts.write(ctl, "four").value().count == 4);
  REQUIRE(texts.files.commands.back() == "four");
}

TEST_CASE("truncation and creation are ignored on a control file that exists", "[fs][text]") {
  Texts texts;
  const u64 ctl = texts.open("dir/ctl", kOpenWrite | kOpenCreate | kOpenTruncate);
  REQUIRE(texts.write(ctl, "x\n").ok());
  REQUIRE(texts.client.call<D::Open>(texts.root, {.path = "new", .flags = kOpenWrite | kOpenCreate}).error ==
          ErrorCode::NotSupported);
  REQUIRE(texts.client.call<D::Open>(texts.root, {.path = "link", .flags = kOpenWrite}).target == "/dir/ctl");
}

TEST_CASE("words of a command line are separated by blanks", "[fs][text]") {
  std::string_view line = "  set \t a  b";
  REQUIRE(take_word(line) == "set");
  REQUIRE(take_word(line) == "a");
  REQUIRE(line == "b");
  REQUIRE(take_word(line) == "b");
  REQUIRE(take_word(line) == "");
}
