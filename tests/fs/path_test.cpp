#include "fs/path.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "tests/fs/harness.h"

using namespace fs;
using fs::test::TestAllocator;

namespace {

std::string normal(std::string_view directory, std::string_view path) {
  TestAllocator memory;
  base::String out(memory);
  const Result<void> result = normalise(directory, path, out);
  if (!result.ok()) return "!" + std::string(text_of(result.error().code));
  return std::string(out.view());
}

/// The naive twin: names on a stack.
std::string model(std::string_view directory, std::string_view path) {
  std::vector<std::string> names;
  const auto add = [&](std::string_view text) {
    std::string name;
    for (u64 i = 0; i <= text.size(); ++i) {
      if (i < text.size() && text[i] != '/') {
        name += text[i];
        continue;
      }
      if (name == "..") {
        if (!names.empty()) names.pop_back();
      } else if (!name.empty() && name != ".") {
        names.push_back(name);
      }
      name.clear();
    }
  };
  if (path[0] != '/') add(directory);
  add(path);
  std::string out;
  for (const std::string& name : names) out += "/" + name;
  return out.empty() ? "/" : out;
}

}  // namespace

TEST_CASE("normalisation is lexical: dot-dot removes the name before it and stops at the root", "[fs][path]") {
  REQUIRE(normal("/", "/etc/../tmp/./d") == "/tmp/d");
  REQUIRE(normal("/tmp/d", "../../..") == "/");
  REQUIRE(normal("/a", "b//c/") == "/a/b/c");
  REQUIRE(normal("/a", ".") == "/a");
  REQUIRE(normal("/a", "") == "!bad file name");
  REQUIRE(normal("/", std::string_view("a\0b", 3)) == "!bad file name");
  REQUIRE(normal("/", std::string(255, 'n')) == "/" + std::string(255, 'n'));
  REQUIRE(normal("/", std::string(256, 'n')) == "!name too long");
  std::string deep;
  for (u32 i = 0; i < 1500; ++i) deep += "/abc";
  REQUIRE(normal("/", deep) == "!name too long");
  REQUIRE(normal("/", deep + "/../../x").starts_with("!"));
}

TEST_CASE("normalisation agrees with a stack of names, and once is enough", "[fs][path][property]") {
  const char* const parts[] = {"a", "bc", ".", "..", "", "...", "d"};
  u64 state = 1;
  for (u32 round = 0; round < 20'000; ++round) {
    CAPTURE(round);
    std::string path;
    state = state * 6364136223846793005u + 1442695040888963407u;
    const u32 count = static_cast<u32>(state >> 60) + 1;
    if ((state >> 59 & 1) != 0) path = "/";
    for (u32 i = 0; i < count; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      path += parts[(state >> 33) % 7];
      if (i + 1 < count) path += "/";
    }
    if (path.empty()) continue;
    CAPTURE(path);
    const std::string whole = normal("/x/y", path);
    REQUIRE(whole == model("/x/y", path));
    REQUIRE(normal("/", whole) == whole);
  }
}

TEST_CASE("prefixes end at name boundaries", "[fs][path]") {
  REQUIRE(is_within("/a/b", "/a"));
  REQUIRE(is_within("/a", "/a"));
  REQUIRE(!is_within("/ab", "/a"));
  REQUIRE(is_within("/ab", "/"));
  REQUIRE(below("/a/b/c", "/a") == "b/c");
  REQUIRE(below("/a", "/a") == "");
  REQUIRE(below("/a/b", "/") == "a/b");
  REQUIRE(below("/", "/") == "");
}

TEST_CASE("last names, parents and demands for a directory", "[fs][path]") {
  REQUIRE(last_name("/a/b") == "b");
  REQUIRE(last_name("/") == "");
  REQUIRE(last_name("x") == "x");
  REQUIRE(parent_path("/a/b") == "/a");
  REQUIRE(parent_path("/a") == "/");
  REQUIRE(parent_path("a/b") == "a");
  REQUIRE(parent_path("a") == "");
  for (const char* path : {"a/", "/", ".", "..", "a/.", "a/.."}) {
    CAPTURE(path);
    REQUIRE(demands_directory(path));
  }
  for (const char* path : {"a", "/a", "a.", "...", ""}) {
    CAPTURE(path);
    REQUIRE(!demands_directory(path));
  }
}

TEST_CASE("a legal name has 1 to 255 bytes, no slash, no NUL, and is no dots", "[fs][path]") {
  REQUIRE(check_name("a").ok());
  REQUIRE(check_name("...").ok());
  REQUIRE(check_name("\xff\x01").ok());
  REQUIRE(check_name(std::string(255, 'x')).ok());
  REQUIRE(check_name(std::string(256, 'x')).error() == ErrorCode::NameTooLong);
  for (const std::string_view bad : {std::string_view(""), std::string_view("."), std::string_view(".."),
                                     std::string_view("a/b"), std::string_view("a\0", 2)}) {
    REQUIRE(check_name(bad).error() == ErrorCode::BadFileName);
  }
}
