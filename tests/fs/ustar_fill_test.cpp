#include <cstdio>
#include <cstring>

#include "tests/fs/world.h"

using namespace fs;
using namespace fs::test;
using namespace schema::file;
using fs::test::D;

namespace {

struct Member {
  std::string name;
  char type = '0';
  u32 mode = 0644;
  std::string data;
  std::string link;
};

std::vector<u8> archive_of(const std::vector<Member>& members) {
  std::vector<u8> archive;
  for (const Member& member : members) {
    char header[512] = {};
    std::snprintf(header, 100, "%s", member.name.c_str());
    std::snprintf(header + 100, 8, "%07o", member.mode);
    std::snprintf(header + 108, 8, "%07o", 3u);
    std::snprintf(header + 116, 8, "%07o", 4u);
    std::snprintf(header + 124, 12, "%011zo", member.data.size());
    std::snprintf(header + 136, 12, "%011o", 1000u);
    header[156] = member.type;
    std::snprintf(header + 157, 100, "%s", member.link.c_str());
    std::memcpy(header + 257, "ustar\00000", 8);
    std::memset(header + 148, ' ', 8);
    u32 sum = 0;
    for (const char c : header) sum += static_cast<u8>(c);
    std::snprintf(header + 148, 8, "%06o", sum);
    archive.insert(archive.end(), header, header + 512);
    archive.insert(archive.end(), member.data.begin(), member.data.end());
    archive.resize((archive.size() + 511) / 512 * 512);
  }
  archive.resize(archive.size() + 1024);
  return archive;
}

}  // namespace

TEST_CASE("a boot image fills the tree: directories, files, links, modes, owners", "[fs][ram][ustar]") {
  World world;
  const std::string big(10'000, 'B');
  const std::vector<u8> archive = archive_of({{"bin/", '5', 0711, "", ""},
                                              {"bin/tool", '0', 0755, "#!orrery tool\n", ""},
                                              {"etc/deep/big", '0', 0600, big, ""},
                                              {"sh", '2', 0777, "", "bin/tool"},
                                              {"./hard", '1', 0644, "", "bin/tool"},
                                              {"/abs", '0', 04711, "x", ""}});
  REQUIRE(world.files.fill(archive).ok());
  world.files.check_invariants();
  REQUIRE(world.read(world.must_open("bin/tool", kOpenRead)) == "#!orrery tool\n");
  const auto bin = world.client.call<D::Stat>(world.root, {.path = "bin"}).value().stat;
  REQUIRE(bin.mode == 0711);
  REQUIRE(bin.uid == 3);
  REQUIRE(bin.gid == 4);
  const auto tool = world.client.call<D::Stat>(world.root, {.path = "bin/tool"}).value().stat;
  REQUIRE(tool.mode == 0755);
  REQUIRE(tool.links == 2);
  REQUIRE(tool.modified == i64{1000} * 1'000'000'000);
  REQUIRE(world.client.call<D::Stat>(world.root, {.path = "hard"}).value().stat.id == tool.id);
  REQUIRE(world.client.call<D::Readlink>(world.root, {.path = "sh"}).value().target == "bin/tool");
  REQUIRE(world.client.call<D::Stat>(world.root, {.path = "abs"}).value().stat.mode == 04711);
  REQUIRE(world.read(world.must_open("etc/deep/big", kOpenRead), 4096, 9'000) == std::string(1'000, 'B'));
}

TEST_CASE("a damaged boot image is refused with the place of the damage", "[fs][ram][ustar][hostile]") {
  const std::vector<u8> good = archive_of({{"a", '0', 0644, "data", ""}, {"b", '0', 0644, "more", ""}});
  for (u64 at = 0; at < 1024; at += 7) {
    CAPTURE(at);
    World world;
    std::vector<u8> bad = good;
    bad[at] ^= 0x55;
    const Result<void> filled = world.files.fill(bad);
    if (!filled.ok()) REQUIRE(filled.error().detail().starts_with("archive, byte "));
    world.files.check_invariants();
  }
  World world;
  const Result<void> cut = world.files.fill(base::Bytes(good).first(700));
  REQUIRE(cut.error() == ErrorCode::DataCorrupted);
}

TEST_CASE("an archive cannot put a file through a file or in place of one", "[fs][ram][ustar][hostile]") {
  World world;
  REQUIRE(world.files.fill(archive_of({{"a", '0', 0644, "", ""}, {"a/b", '0', 0644, "", ""}})).error() ==
          ErrorCode::NotADirectory);
  World other;
  REQUIRE(other.files.fill(archive_of({{"a", '0', 0644, "", ""}, {"a", '0', 0644, "", ""}})).error() ==
          ErrorCode::AlreadyExists);
  World outside;
  REQUIRE(outside.files.fill(archive_of({{"../../x", '0', 0644, "y", ""}})).ok());
  REQUIRE(outside.open_error(outside.root, "x", kOpenRead) == ErrorCode::None);  // `..` stops at the root
}
