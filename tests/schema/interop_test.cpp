// tests/schema/interop_test.cpp — libcapnp reads what we write and we read what it writes, byte for byte the same.
#include <catch2/catch.hpp>

#include "tests/schema/messages.h"

namespace {

template <class T>
void exchange(capnp::StructSchema schema, u64 seed) {
  CAPTURE(seed, schema.getShortDisplayName().cStr());
  base::Prng prng(seed, "test.codec-value");
  oracle::Filler filler(prng);
  T value{};
  filler.fill(value);
  const std::string expected = oracle::printed(value);

  std::vector<u8> ours(1 << 16, 0xcc);
  const auto used = schema::encode(value, ours);
  REQUIRE(used.ok());
  ours.resize(*used);
  const std::vector<u8> theirs = oracle::encode_twin(value, schema);
  REQUIRE(ours == theirs);

  const auto decoded = schema::decode<T>(theirs);
  REQUIRE(decoded.ok());
  REQUIRE(oracle::printed(*decoded) == expected);
  const oracle::Reading reading = oracle::read_twin<T>(ours, schema);
  REQUIRE(reading.text == expected);
  REQUIRE(reading.ok);
}

}  // namespace

TEST_CASE("every message is the same bytes and the same value in libcapnp", "[schema][codec][model]") {
  oracle::Schemas schemas;
  oracle::for_each_message_under_test(schemas, [&]<class T>(capnp::StructSchema schema) {
    for (u64 seed = 0; seed < 150; ++seed) exchange<T>(schema, seed);
  });
}

TEST_CASE("a value left alone is encoded as libcapnp's defaults", "[schema][codec][model]") {
  oracle::Schemas schemas;
  oracle::for_each_message_under_test(schemas, [&]<class T>(capnp::StructSchema schema) {
    CAPTURE(schema.getShortDisplayName().cStr());
    std::vector<u8> null_root(8, 0);
    const auto decoded = schema::decode<T>(null_root);
    REQUIRE(decoded.ok());
    CHECK(oracle::printed(*decoded) == oracle::printed(T{}));
    CHECK(oracle::read_twin<T>(null_root, schema).text == oracle::printed(T{}));
  });
}

TEST_CASE("texts, data and lists that are empty but there read as empty", "[schema][codec][model]") {
  capnp::MallocMessageBuilder message(1024, capnp::AllocationStrategy::FIXED_SIZE);
  oracle::Schemas schemas;
  const auto schema = schemas.file("tests/schema/everything.capnp").getNested("Lists").asStruct();
  auto lists = message.initRoot<capnp::DynamicStruct>(schema);
  lists.init("flags", 0);
  lists.init("texts", 2).as<capnp::DynamicList>().set(1, "");
  lists.init("points", 0);
  lists.init("blobs", 1).as<capnp::DynamicList>().set(0, capnp::Data::Reader());
  lists.init("data", 0);
  const auto bytes = message.getSegmentsForOutput()[0].asBytes();
  const auto decoded = schema::decode<schema::everything::Lists>(base::Bytes(bytes.begin(), bytes.size()));
  REQUIRE(decoded.ok());
  CHECK(decoded->flags.empty());
  REQUIRE(decoded->texts.size() == 2);
  CHECK(decoded->texts[1].empty());
  CHECK(decoded->points.empty());
  REQUIRE(decoded->blobs.size() == 1);
  CHECK(decoded->blobs[0].empty());
  CHECK(decoded->data.empty());
}

TEST_CASE("interface ids and constants are those of the schema compiler", "[schema][generator][model]") {
  oracle::Schemas schemas;
  const auto file = schemas.file("schema/file.capnp");
  CHECK(schema::file::Service::kInterfaceId == file.getNested("Service").getProto().getId());
  CHECK(schema::file::Directory::kInterfaceId == file.getNested("Directory").getProto().getId());
  CHECK(schema::file::File::kInterfaceId == file.getNested("File").getProto().getId());
  CHECK(schema::file::kOpenNonBlock == file.getNested("openNonBlock").asConst().as<u16>());
  CHECK(schema::file::kAtPosition == file.getNested("atPosition").asConst().as<u64>());

  const auto everything = schemas.file("tests/schema/everything.capnp");
  CHECK(schema::everything::kSmallest == everything.getNested("smallest").asConst().as<i64>());
  CHECK(schema::everything::kNegative == everything.getNested("negative").asConst().as<i16>());
  CHECK(schema::everything::kYes == everything.getNested("yes").asConst().as<bool>());
  CHECK(static_cast<u16>(schema::everything::kFavourite) ==
        everything.getNested("favourite").asConst().as<capnp::DynamicEnum>().getRaw());
}
