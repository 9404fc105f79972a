// tests/schema/evolution_test.cpp — programs of different versions understand each other: the legal changes of a schema
// and what each side sees. https://capnproto.org/language.html#evolving-your-protocol
#include <catch2/catch.hpp>

#include <vector>

#include "tests/schema/everything.capnp.h"

using schema::DecodeCode;
namespace everything = schema::everything;

namespace {

std::vector<u8> buffer(4096);

template <class To, class From>
base::Result<To, schema::DecodeError> reread(const From& value) {
  const auto used = schema::encode(value, buffer);
  REQUIRE(used.ok());
  return schema::decode<To>(base::Bytes(buffer).first(*used));
}

}  // namespace

TEST_CASE("fields an older program did not send have their defaults", "[schema][codec][evolution]") {
  const auto newer = reread<everything::Newer>(everything::Older{.number = 5, .name = "old"});
  REQUIRE(newer.ok());
  CHECK(newer->number == 5);
  CHECK(newer->name == "old");
  CHECK(newer->added == 77);
  CHECK(newer->more.empty());
  CHECK(newer->limit == 9);
  CHECK(newer->points.empty());
}

TEST_CASE("fields a newer program sent are ignored", "[schema][codec][evolution]") {
  const everything::Point points[] = {{.x = 1}};
  const auto older = reread<everything::Older>(
      everything::Newer{.number = 6, .name = "new", .added = 1, .more = "more", .limit = 2, .points = points});
  REQUIRE(older.ok());
  CHECK(older->number == 6);
  CHECK(older->name == "new");
}

TEST_CASE("a list of numbers or texts and a list of structs that begin with one read as each other",
          "[schema][codec][evolution]") {
  const u16 numbers[] = {1, 2, 65535};
  const std::string_view names[] = {"a", "", "ccc"};
  const everything::Older rows[] = {{.number = 8, .name = "eight"}, {.number = 9, .name = "nine"}};
  const auto newer =
      reread<everything::NewerList>(everything::OlderList{.numbers = numbers, .names = names, .rows = rows});
  REQUIRE(newer.ok());
  REQUIRE(newer->numbers.size() == 3);
  CHECK(newer->numbers[2].number == 65535);
  CHECK(newer->numbers[2].added == 77);
  REQUIRE(newer->names.size() == 3);
  CHECK(newer->names[0].name == "a");
  CHECK(newer->names[1].name.empty());
  CHECK(newer->names[2].name == "ccc");
  CHECK(newer->names[2].added == 77);
  REQUIRE(newer->rows.size() == 2);
  CHECK(newer->rows[1].number == 9);
  CHECK(newer->rows[1].name == "nine");
  CHECK(newer->rows[1].limit == 9);

  const everything::NumberRow number_rows[] = {{.number = 3, .added = 1}, {.number = 4, .added = 2}};
  const everything::NameRow name_rows[] = {{.name = "x", .added = 1}, {.name = "yy", .added = 2}};
  const everything::Newer newer_rows[] = {{.number = 8, .name = "eight", .more = "m"}, {.number = 9, .name = "nine"}};
  const auto older = reread<everything::OlderList>(
      everything::NewerList{.numbers = number_rows, .names = name_rows, .rows = newer_rows});
  REQUIRE(older.ok());
  REQUIRE(older->numbers.size() == 2);
  CHECK(older->numbers[0] == 3);
  CHECK(older->numbers[1] == 4);
  REQUIRE(older->names.size() == 2);
  CHECK(older->names[1] == "yy");
  REQUIRE(older->rows.size() == 2);
  CHECK(older->rows[1].number == 9);
  CHECK(older->rows[1].name == "nine");
}

TEST_CASE("bits and structs are never taken for each other", "[schema][codec][evolution]") {
  const bool bits[] = {true, false, true};
  const auto newer = reread<everything::NewerList>(everything::OlderList{.bits = bits});
  REQUIRE(!newer.ok());
  CHECK(newer.error().code == DecodeCode::BadElementSize);
  const everything::NumberRow rows[] = {{.number = 3}};
  const auto older = reread<everything::OlderList>(everything::NewerList{.bits = rows});
  REQUIRE(!older.ok());
  CHECK(older.error().code == DecodeCode::BadElementSize);
}

TEST_CASE("numbers may have been written wider, never narrower", "[schema][codec][evolution]") {
  // OlderList.numbers is List(UInt16): root with four pointers, then the list.
  const auto read = [](u64 element_size, u64 count, std::vector<u64> content) {
    std::vector<u64> words = {u64{4} << 48, u64{3} << 2 | 1 | element_size << 32 | count << 35, 0, 0, 0};
    words.insert(words.end(), content.begin(), content.end());
    const auto result =
        schema::decode<everything::OlderList>({reinterpret_cast<const u8*>(words.data()), words.size() * 8});
    std::vector<u16> numbers;
    if (!result.ok()) {
      CHECK(result.error().code == DecodeCode::BadElementSize);
    } else {
      for (const u16 number : result->numbers) numbers.push_back(number);
    }
    return numbers;
  };
  CHECK(read(3, 4, {0x0004'0003'0002'0001}) == std::vector<u16>{1, 2, 3, 4});
  CHECK(read(4, 2, {0x0000'0002'0000'0001}) == std::vector<u16>{1, 2});
  CHECK(read(5, 2, {1, 2}) == std::vector<u16>{1, 2});
  CHECK(read(2, 2, {0x0201}).empty());
  CHECK(read(1, 2, {3}).empty());
  CHECK(read(0, 2, {}).empty());
  CHECK(read(6, 2, {0, 0}).empty());
}

TEST_CASE("an encoded default is zero on the wire", "[schema][codec][evolution]") {
  std::vector<u8> out(256);
  const auto used = schema::encode(everything::Defaults{}, out);
  REQUIRE(used.ok());
  for (u32 i = 8; i < *used; ++i) CHECK(out[i] == 0);
  const auto back = schema::decode<everything::Defaults>(base::Bytes(out).first(*used));
  REQUIRE(back.ok());
  CHECK(back->yes);
  CHECK(back->small == -300);
  CHECK(back->large == INT64_MIN);
  CHECK(back->colour == everything::Colour::Blue);
}
