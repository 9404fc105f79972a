#include "user/runtime/mount_table.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "tests/user/test_heap.h"

using namespace user;

namespace {

struct Table {
  TestHeap heap;
  base::Vector<Mount> mounts{heap};
  explicit Table(std::initializer_list<std::string_view> paths) {
    for (const std::string_view path : paths) {
      Mount& mount = mounts.emplace_back(heap);
      mount.member = static_cast<u32>(mounts.size());
      mount.path.assign(path);
    }
  }
  /// "first-end rest", or the error.
  std::string covering(std::string_view path) {
    const Result<Covered> covered = find_covering(mounts.span(), path);
    if (!covered.ok()) return std::string(fs::text_of(covered.error().code));
    return std::to_string(covered->first) + "-" + std::to_string(covered->end) + " " + std::string(covered->rest);
  }
};

std::string after_link(std::string_view entry, std::string_view rest, u32 consumed, std::string_view target) {
  TestHeap heap;
  base::String out(heap);
  const Result<void> result = follow_link(entry, rest, consumed, target, out);
  return std::string(result.ok() ? out.view() : fs::text_of(result.error().code));
}

}  // namespace

TEST_CASE("the longest entry that ends at a name boundary decides, with all members of its union", "[user][names]") {
  Table table{"/", "/", "/tmp", "/dev", "/dev", "/dev", "/dev/vt"};
  REQUIRE(table.covering("/etc/passwd") == "0-2 etc/passwd");
  REQUIRE(table.covering("/") == "0-2 ");
  REQUIRE(table.covering("/tmp") == "2-3 ");
  REQUIRE(table.covering("/tmpx") == "0-2 tmpx");
  REQUIRE(table.covering("/dev/cons") == "3-6 cons");
  REQUIRE(table.covering("/dev/vt/0/cons") == "6-7 0/cons");
  Table bare{"/tmp"};
  REQUIRE(bare.covering("/etc") == "not found");
}

TEST_CASE("a relative link goes on at the directory that holds it, an absolute one at the root", "[user][names]") {
  REQUIRE(after_link("/", "l", 1, "/etc/passwd") == "/etc/passwd");
  REQUIRE(after_link("/", "d/l/x/y", 2, "/etc") == "/etc/x/y");
  REQUIRE(after_link("/", "d/l/x/y", 2, "e") == "/d/e/x/y");
  REQUIRE(after_link("/mnt", "d/l", 2, "../f") == "/mnt/f");
  REQUIRE(after_link("/mnt", "l", 1, "../f") == "/f");
  REQUIRE(after_link("/mnt", "l", 1, "../../../f") == "/f");
  REQUIRE(after_link("/mnt", "l/x", 1, "/") == "/x");
}

TEST_CASE("a server that tells of more names than there are is not believed", "[user][names][hostile]") {
  REQUIRE(after_link("/", "a/b", 3, "x") == "protocol error");
  REQUIRE(after_link("/", "a/b", 0, "x") == "protocol error");
  REQUIRE(after_link("/", "a", 1, "") == "protocol error");
  REQUIRE(after_link("/", "a", 1, std::string(300, 'n')) == "name too long");
}
