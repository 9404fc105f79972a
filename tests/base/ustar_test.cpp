// The ustar reader: archives made here field by field, one made by tar, and damaged ones.
#include <catch2/catch.hpp>

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/prng.h"
#include "base/ustar.h"

using namespace base;

namespace {

using Code = UstarError::Code;

struct Member {
  std::string name;
  std::string prefix{};
  char type = '0';
  std::string data{};
  std::string link{};
};

void put(std::string& block, u64 offset, const std::string& text) { block.replace(offset, text.size(), text); }

std::string octal(u64 value, u32 digits) {
  std::string text(digits, '0');
  for (u32 i = digits; i > 0; --i, value /= 8) text[i - 1] = static_cast<char>('0' + value % 8);
  return text;
}

std::string sealed(std::string block) {
  put(block, 148, std::string(8, ' '));
  u64 sum = 0;
  for (const char byte : block) sum += static_cast<u8>(byte);
  put(block, 148, octal(sum, 6) + std::string("\0 ", 2));
  return block;
}

std::string header(const Member& member) {
  std::string block(512, '\0');
  put(block, 0, member.name);
  put(block, 100, octal(0640, 7));
  put(block, 108, octal(7, 7));
  put(block, 116, octal(8, 7));
  put(block, 124, octal(member.data.size(), 11));
  put(block, 136, octal(1'700'000'000, 11));
  block[156] = member.type;
  put(block, 157, member.link);
  put(block, 257, std::string("ustar\00000", 8));
  put(block, 345, member.prefix);
  return sealed(block);
}

std::string archive(const std::vector<Member>& members) {
  std::string bytes;
  for (const Member& member : members) {
    bytes += header(member) + member.data;
    bytes.resize((bytes.size() + 511) / 512 * 512);
  }
  return bytes + std::string(1024, '\0');
}

/// Reads to the end or to the first error.
struct Reading {
  std::vector<UstarEntry> entries;
  std::optional<UstarError> error;
};
Reading read_all(std::string_view bytes) {
  Reading reading;
  UstarReader reader(bytes_of(bytes));
  for (;;) {
    const auto next = reader.next();
    if (!next.ok()) {
      reading.error = next.error();
      return reading;
    }
    if (!next.value()) return reading;
    reading.entries.push_back(*next.value());
  }
}

}  // namespace

TEST_CASE("members come in order with all their fields", "[base][ustar]") {
  const std::string bytes = archive({{.name = "bin/", .type = '5'},
                                     {.name = "bin/fsh", .data = std::string(513, 'x')},
                                     {.name = "empty", .type = '\0'},
                                     {.name = std::string(100, 'n'), .prefix = std::string(155, 'p'), .data = "deep"},
                                     {.name = "link", .type = '2', .link = "bin/fsh"}});
  const Reading reading = read_all(bytes);
  REQUIRE_FALSE(reading.error);
  REQUIRE(reading.entries.size() == 5);
  CHECK(reading.entries[0].name() == "bin/");
  CHECK(reading.entries[0].type == UstarType::Directory);
  CHECK(reading.entries[1].name() == "bin/fsh");
  CHECK(text_of(reading.entries[1].data) == std::string(513, 'x'));
  CHECK(reading.entries[1].mode == 0640);
  CHECK(reading.entries[1].user_id == 7);
  CHECK(reading.entries[1].group_id == 8);
  CHECK(reading.entries[1].modified_s == 1'700'000'000);
  CHECK(reading.entries[1].header_offset == 512);
  CHECK(reading.entries[2].type == UstarType::Regular);
  CHECK(reading.entries[2].data.empty());
  CHECK(reading.entries[3].name() == std::string(155, 'p') + "/" + std::string(100, 'n'));
  CHECK(text_of(reading.entries[3].data) == "deep");
  CHECK(reading.entries[4].type == UstarType::SymbolicLink);
  CHECK(reading.entries[4].link_name == "bin/fsh");
}

TEST_CASE("an archive written by tar is read back", "[base][ustar]") {
  namespace fs = std::filesystem;
  const fs::path directory = fs::temp_directory_path() / ("ustar-test-" + std::to_string(::getpid()));
  fs::create_directories(directory / "etc");
  std::ofstream(directory / "etc" / "motd") << "hello\n";
  fs::create_symlink("motd", directory / "etc" / "today");
  const fs::path file = directory / "image.tar";
  const std::string command =
      "tar --format=ustar --sort=name -C '" + directory.string() + "' -cf '" + file.string() + "' etc";
  REQUIRE(std::system(command.c_str()) == 0);
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  fs::remove_all(directory);
  const Reading reading = read_all(bytes);
  REQUIRE_FALSE(reading.error);
  REQUIRE(reading.entries.size() == 3);
  CHECK(reading.entries[0].name() == "etc/");
  CHECK(reading.entries[1].name() == "etc/motd");
  CHECK(text_of(reading.entries[1].data) == "hello\n");
  CHECK(reading.entries[2].link_name == "motd");
}

TEST_CASE("damage is reported with what and where", "[base][ustar]") {
  const std::string good = archive({{.name = "first", .data = "12345"}, {.name = "second", .data = "6"}});
  const auto error_of = [](const std::string& bytes) {
    const Reading reading = read_all(bytes);
    REQUIRE(reading.error);
    return *reading.error;
  };
  const auto with = [&good](u64 offset, const std::string& text) {
    std::string bytes = good;
    put(bytes, offset, text);
    put(bytes, 0, sealed(bytes.substr(0, 512)));
    return bytes;
  };
  std::string flipped = good;
  flipped[1024] ^= 1;
  CHECK(error_of(flipped) == UstarError{Code::BadChecksum, 1024 + 148});
  CHECK(error_of(with(257, "tar")) == UstarError{Code::BadMagic, 257});
  CHECK(error_of(with(263, "  ")) == UstarError{Code::BadMagic, 263});  // the old GNU magic
  CHECK(error_of(with(156, "x")) == UstarError{Code::UnsupportedType, 156});
  CHECK(error_of(with(124, "0000000009")) == UstarError{Code::BadNumber, 124});
  CHECK(error_of(with(124, "\x80")) == UstarError{Code::BadNumber, 124});  // GNU base-256
  CHECK(error_of(with(124, "77777777777")) == UstarError{Code::Truncated, 512});
  CHECK(error_of(with(156, "5")) == UstarError{Code::BadNumber, 124});
  CHECK(error_of(with(0, std::string(5, '\0'))) == UstarError{Code::EmptyName, 0});
  CHECK(error_of("") == UstarError{Code::Truncated, 0});
  CHECK(error_of(good.substr(0, 1024)) == UstarError{Code::Truncated, 1024});
  CHECK(error_of(good.substr(0, good.size() - 1)) == UstarError{Code::Truncated, good.size() - 512});
  CHECK(error_of(good.substr(0, good.size() - 512) + std::string(512, 'x')) ==
        UstarError{Code::Trailing, good.size() - 512});
}

TEST_CASE("no bytes make the reader leave the archive", "[base][ustar][property]") {
  const std::string good =
      archive({{.name = "first", .data = "12345"}, {.name = "second", .data = std::string(900, 'z')}});
  for (u64 seed = 0; seed < 3000; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.ustar"};
    std::string bytes = good.substr(0, prng.below(3) == 0 ? prng.below(good.size() + 1) : good.size());
    for (u64 i = prng.below(4); i > 0 && !bytes.empty(); --i) {
      const u64 at = prng.below(std::min<u64>(bytes.size(), 512));
      bytes[at] = static_cast<char>(prng.next());
    }
    if (bytes.size() >= 512 && prng.below(2) == 0) put(bytes, 0, sealed(bytes.substr(0, 512)));
    const std::vector<char> exact(bytes.begin(), bytes.end());  // so that AddressSanitizer sees the end
    const Reading reading = read_all({exact.data(), exact.size()});
    for (const UstarEntry& entry : reading.entries) {
      if (entry.data.empty()) continue;
      REQUIRE(reinterpret_cast<const char*>(entry.data.data()) >= exact.data());
      REQUIRE(reinterpret_cast<const char*>(entry.data.data() + entry.data.size()) <= exact.data() + exact.size());
    }
    REQUIRE(reading.entries.size() <= 2);
  }
}
