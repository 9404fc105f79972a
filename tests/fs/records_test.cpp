#include "fs/records.h"

#include <catch2/catch.hpp>

#include <array>
#include <vector>

#include "fs/permission.h"
#include "fs/token.h"

using namespace fs;

TEST_CASE("records come out as they went in and fill no more than the room", "[fs][records]") {
  std::vector<u8> room(200);
  RecordWriter writer(room);
  const Attributes facts{.id = 7,
                         .size = 9,
                         .modified_ns = -3,
                         .version = 4,
                         .uid = 1,
                         .gid = 2,
                         .links = 3,
                         .kind = Kind::Fifo,
                         .mode = 0644,
                         .flags = 16};
  REQUIRE(writer.add("abc", facts, 11));
  REQUIRE(writer.add(std::string(60, 'n'), facts, 12));
  REQUIRE(!writer.add("one more", facts, 13));
  REQUIRE(writer.size() % 8 == 0);
  REQUIRE(writer.next_cookie(0) == 12);
  RecordReader reader(writer.bytes());
  const Record first = MUST(reader.next());
  REQUIRE(first.name == "abc");
  REQUIRE(first.cookie == 11);
  REQUIRE(first.attributes.id == 7);
  REQUIRE(first.attributes.size == 9);
  REQUIRE(first.attributes.modified_ns == -3);
  REQUIRE(first.attributes.version == 4);
  REQUIRE(first.attributes.uid == 1);
  REQUIRE(first.attributes.gid == 2);
  REQUIRE(first.attributes.links == 3);
  REQUIRE(first.attributes.kind == Kind::Fifo);
  REQUIRE(first.attributes.mode == 0644);
  REQUIRE(first.attributes.flags == 16);
  REQUIRE(MUST(reader.next()).name.size() == 60);
  REQUIRE(reader.done());
}

TEST_CASE("a reader of records from a hostile server never leaves them", "[fs][records][hostile]") {
  std::vector<u8> good(128);
  RecordWriter writer(good);
  REQUIRE(writer.add("name", Attributes{}, 1));
  REQUIRE(writer.add("other", Attributes{}, 2));
  for (u64 size = 0; size <= writer.size(); ++size) {
    for (u64 at = 0; at < 4 && at < size; ++at) {
      for (u32 value = 0; value < 256; ++value) {
        std::vector<u8> bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
        bytes[at] = static_cast<u8>(value);
        RecordReader reader(bytes);
        u32 rounds = 0;
        while (!reader.done()) {
          REQUIRE(++rounds <= 3);
          const auto record = reader.next();
          if (!record.ok()) break;
          const u8* name = reinterpret_cast<const u8*>(record->name.data());
          const bool inside = name >= bytes.data() && name + record->name.size() <= bytes.data() + bytes.size();
          REQUIRE(inside);
        }
      }
    }
  }
}

TEST_CASE("SipHash-2-4 gives the values of its reference", "[fs][token]") {
  // Aumasson, Bernstein, "SipHash", appendix A, and the first of the reference implementation's vectors.
  const TokenKey key{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  std::array<u8, 15> message{};
  for (u8 i = 0; i < 15; ++i) message[i] = i;
  REQUIRE(siphash(key, message) == 0xa129ca6149be45e5u);
  REQUIRE(siphash(key, {}) == 0x726fdb47dd0e0e31u);
  REQUIRE(siphash(key, base::Bytes(message).first(1)) == 0x74f839c593dc67fdu);
  REQUIRE(siphash(key, base::Bytes(message).first(8)) == 0x93f5f5799a932462u);
}

TEST_CASE("a token tells session, file and flags apart, and needs the key", "[fs][token]") {
  const u64 token = token_of({1, 2}, 3, 4, 5);
  REQUIRE(token == token_of({1, 2}, 3, 4, 5));
  REQUIRE(token != token_of({1, 3}, 3, 4, 5));
  REQUIRE(token != token_of({1, 2}, 4, 4, 5));
  REQUIRE(token != token_of({1, 2}, 3, 5, 5));
  REQUIRE(token != token_of({1, 2}, 3, 4, 4));
}

TEST_CASE("only one class counts: owner, else group, else other", "[fs][permission]") {
  const Attributes file{.uid = 10, .gid = 20, .kind = Kind::File, .mode = 0047};
  const Identity owner{.uid = 10, .gid = 20};
  const Identity member{.uid = 11, .gid = 1, .group_count = 1, .groups = {20}};
  const Identity other{.uid = 12, .gid = 1};
  REQUIRE(!may_access(owner, file, kAccessRead));  // though others may
  REQUIRE(may_access(member, file, kAccessRead));
  REQUIRE(!may_access(member, file, kAccessWrite));
  REQUIRE(may_access(other, file, kAccessRead | kAccessWrite | kAccessExecute));
}

TEST_CASE("uid 0 reads and writes anything but runs only what somebody may run", "[fs][permission]") {
  const Identity root;
  const Attributes locked{.uid = 10, .kind = Kind::File, .mode = 0};
  REQUIRE(may_access(root, locked, kAccessRead | kAccessWrite));
  REQUIRE(!may_access(root, locked, kAccessExecute));
  const Attributes program{.uid = 10, .kind = Kind::File, .mode = 0001};
  REQUIRE(may_access(root, program, kAccessExecute));
  const Attributes closed{.uid = 10, .kind = Kind::Directory, .mode = 0};
  REQUIRE(may_access(root, closed, kAccessExecute));
}

TEST_CASE("who may change mode, group and owner", "[fs][permission]") {
  const Attributes file{.uid = 10, .gid = 20, .kind = Kind::File, .mode = 0644};
  const Identity owner{.uid = 10, .gid = 20, .group_count = 1, .groups = {30}};
  const Identity other{.uid = 11, .gid = 20};
  const auto allowed = [&](const Identity& who, const Change& change) { return check_change(who, file, change).ok(); };
  REQUIRE(allowed(owner, {.mask = kChangeMode, .mode = 07777}));
  REQUIRE(!allowed(owner, {.mask = kChangeMode, .mode = 010000}));
  REQUIRE(!allowed(other, {.mask = kChangeMode, .mode = 0600}));
  REQUIRE(allowed(owner, {.mask = kChangeGid, .gid = 30}));
  REQUIRE(!allowed(owner, {.mask = kChangeGid, .gid = 31}));
  REQUIRE(!allowed(owner, {.mask = kChangeUid, .uid = 11}));
  REQUIRE(allowed(Identity{}, {.mask = kChangeUid | kChangeGid, .uid = 11, .gid = 31}));
  REQUIRE(check_change(Identity{}, file, {.mask = 128}).error() == ErrorCode::BadArgument);
}
