// tests/schema/codec_test.cpp — the codec by itself: what goes in comes out, and what does not fit is refused.
#include <catch2/catch.hpp>

#include <vector>

#include "schema/file.capnp.h"
#include "schema/kernel.capnp.h"

using schema::CapIndex;
using schema::DecodeCode;
using schema::EncodeCode;
namespace file = schema::file;

namespace {

template <class T>
std::vector<u8> encoded(const T& value) {
  std::vector<u8> bytes(schema::kMessageBytesMax, 0xee);
  const auto used = schema::encode(value, bytes);
  REQUIRE(used.ok());
  bytes.resize(*used);
  return bytes;
}

}  // namespace

TEST_CASE("every kind of field comes back as it was encoded", "[schema][codec][unit]") {
  file::Directory::Open::Request open{.path = "usr/glenda", .flags = file::kOpenRead | file::kOpenCreate, .mode = 0644};
  const std::vector<u8> request_bytes = encoded(open);
  const auto request = schema::decode<file::Directory::Open::Request>(request_bytes);
  REQUIRE(request.ok());
  CHECK(request->path == "usr/glenda");
  CHECK(request->flags == 33);
  CHECK(request->mode == 0644);
  CHECK(request->tag == 0);

  file::File::Stat::Reply stat;
  stat.stat = {.id = ~u64{0}, .kind = file::Kind::Fifo, .modified = -1, .name = "fifo"};
  const std::vector<u8> stat_bytes = encoded(stat);
  const auto reply = schema::decode<file::File::Stat::Reply>(stat_bytes);
  REQUIRE(reply.ok());
  CHECK(reply->stat.id == ~u64{0});
  CHECK(reply->stat.kind == file::Kind::Fifo);
  CHECK(reply->stat.modified == -1);
  CHECK(reply->stat.name == "fifo");

  const std::string_view names[] = {"a", "", "long enough for two words"};
  file::File::ListAttributes::Reply list{.names = names, .next = 7};
  const std::vector<u8> list_bytes = encoded(list);
  const auto listed = schema::decode<file::File::ListAttributes::Reply>(list_bytes);
  REQUIRE(listed.ok());
  REQUIRE(listed->names.size() == 3);
  u32 i = 0;
  for (const std::string_view name : listed->names) CHECK(name == names[i++]);
  CHECK(listed->next == 7);
  // A decoded list can be encoded again.
  CHECK(encoded(*listed) == list_bytes);

  const u8 payload[] = {1, 2, 3};
  file::File::Write::Request write{.offset = 5, .window = CapIndex::of(2), .data = payload};
  const std::vector<u8> write_bytes = encoded(write);
  const auto written = schema::decode<file::File::Write::Request>(write_bytes);
  REQUIRE(written.ok());
  CHECK(written->window == CapIndex::of(2));
  CHECK(std::vector<u8>(written->data.begin(), written->data.end()) == std::vector<u8>{1, 2, 3});
}

TEST_CASE("a number no enumerator has is kept", "[schema][codec][unit]") {
  const std::vector<u8> bytes = encoded(file::File::Lock::Request{.kind = static_cast<file::LockKind>(777)});
  const auto lock = schema::decode<file::File::Lock::Request>(bytes);
  REQUIRE(lock.ok());
  CHECK(static_cast<u16>(lock->kind) == 777);
}

TEST_CASE("a message that does not fit is refused at every size but its own", "[schema][codec][exhaustive]") {
  const std::string_view names[] = {"one", "two", "three and a bit more"};
  const file::File::ListAttributes::Reply value{.names = names, .next = 9};
  const size_t needed = encoded(value).size();
  for (size_t size = 0; size < needed; ++size) {
    CAPTURE(size);
    std::vector<u8> out(size + 1, 0xaa);
    const auto result = schema::encode(value, base::MutableBytes(out.data(), size));
    REQUIRE(!result.ok());
    CHECK(result.error().code == EncodeCode::NoSpace);
    CHECK(out[size] == 0xaa);
  }
}

TEST_CASE("a value that lies in the output is refused", "[schema][codec][unit]") {
  std::vector<u8> buffer = encoded(file::Directory::Readlink::Reply{.target = "/boot/init"});
  buffer.resize(256);
  const auto request = schema::decode<file::Directory::Readlink::Reply>(base::Bytes(buffer).first(256));
  REQUIRE(request.ok());
  const auto again = schema::encode(*request, buffer);
  REQUIRE(!again.ok());
  CHECK(again.error().code == EncodeCode::Overlap);
}

TEST_CASE("a capability beyond those a message can carry is refused both ways", "[schema][codec][unit]") {
  std::vector<u8> out(64);
  const auto refused = schema::encode(file::File::Map::Reply{.frames = CapIndex::of(3)}, out);
  REQUIRE(!refused.ok());
  CHECK(refused.error().code == EncodeCode::BadCapability);

  std::vector<u8> bytes = encoded(file::File::Map::Reply{.frames = CapIndex::of(2)});
  REQUIRE(bytes.size() == 16);
  bytes[12] = 3;
  const auto decoded = schema::decode<file::File::Map::Reply>(bytes);
  REQUIRE(!decoded.ok());
  CHECK(decoded.error() == schema::DecodeError{DecodeCode::BadCapability, 1});
}

TEST_CASE("interfaces tell id, ordinals, names, labels and what may be retried", "[schema][generator][unit]") {
  CHECK(file::File::Read::kOrdinal == 0);
  CHECK(file::File::ListAttributes::kOrdinal == 18);
  CHECK(file::File::method_name(9) == "poll");
  CHECK(file::File::method_name(19).empty());
  CHECK(file::File::Read::kRetry == schema::Retry::ExplicitOffset);
  CHECK(file::Directory::Open::kRetry == schema::Retry::UnlessExclusive);
  CHECK(file::Directory::Remove::kRetry == schema::Retry::Never);
  CHECK(file::Service::Attach::kRetry == schema::Retry::Always);
  CHECK(schema::label_of<file::File::Write>() == (1 | (file::File::kInterfaceId & 0xffffffff) << 16));
  CHECK(schema::label_of<file::File::Write>() < u64{1} << 48);
  CHECK(schema::ordinal_of_label(schema::label_of<file::File::Punch>()) == 15);
  CHECK(schema::interface_of_label(schema::label_of<file::File::Punch>()) ==
        static_cast<u32>(file::File::kInterfaceId));
  CHECK(schema::kernel::Frames::Methods::kCount == 0);
  CHECK(file::kAtPosition == ~u64{0});
}
