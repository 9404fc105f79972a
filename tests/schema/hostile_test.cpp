// tests/schema/hostile_test.cpp — messages made by an adversary: each way to be malformed by hand, then mutations of
// valid messages and random bytes, between pages that cannot be touched and next to libcapnp.
#include <catch2/catch.hpp>

#include <sys/mman.h>

#include "tests/rounds.h"
#include "tests/schema/messages.h"

using schema::DecodeCode;
using schema::DecodeError;
namespace file = schema::file;
namespace everything = schema::everything;

namespace {

// ── Messages by hand ─────────────────────────────────────────────────────────────────────────────────────────

u64 struct_pointer(i32 offset, u64 data_words, u64 pointer_words) {
  return (static_cast<u32>(offset) << 2) | data_words << 32 | pointer_words << 48;
}
u64 list_pointer(i32 offset, u64 element_size, u64 count) {
  return (static_cast<u32>(offset) << 2 | 1) | element_size << 32 | count << 35;
}
u64 list_tag(u32 count, u64 data_words, u64 pointer_words) {
  return (count << 2) | data_words << 32 | pointer_words << 48;
}

template <class T>
DecodeError refusal(const std::vector<u64>& words) {
  const auto result = schema::decode<T>({reinterpret_cast<const u8*>(words.data()), words.size() * 8});
  REQUIRE(!result.ok());
  CHECK(!schema::name_of(result.error().code).empty());
  return result.error();
}

template <class T>
T accepted(const std::vector<u64>& words) {
  const auto result = schema::decode<T>({reinterpret_cast<const u8*>(words.data()), words.size() * 8});
  REQUIRE(result.ok());
  return *result;
}

using Path = file::Directory::Readlink::Request;       // (path :Text)
using StatReply = file::File::Stat::Reply;             // (stat :Stat)
using NamesReply = file::File::ListAttributes::Reply;  // (names :List(Text), next :UInt64)
using FramesReply = file::File::Map::Reply;            // (frames :Frames)

// ── A message between two pages that cannot be touched ───────────────────────────────────────────────────────

class GuardedPages {
 public:
  static constexpr size_t kPage = 4096;
  static constexpr size_t kRoom = 3 * kPage;

  GuardedPages() {
    base_ = static_cast<u8*>(mmap(nullptr, kRoom + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(base_ != MAP_FAILED);
    REQUIRE(mprotect(base_ + kPage, kRoom, PROT_READ | PROT_WRITE) == 0);
  }
  ~GuardedPages() { munmap(base_, kRoom + 2 * kPage); }
  GuardedPages(const GuardedPages&) = delete;

  base::Bytes at_start(const std::vector<u8>& message) {
    std::memcpy(base_ + kPage, message.data(), message.size());
    return {base_ + kPage, message.size()};
  }
  base::Bytes at_end(const std::vector<u8>& message) {
    u8* const start = base_ + kPage + kRoom - message.size();
    std::memcpy(start, message.data(), message.size());
    return {start, message.size()};
  }

 private:
  u8* base_ = nullptr;
};

/// What a message decodes to, as text; errors by code and place. Checks M2 and the bound on words visited.
template <class T>
std::string outcome(base::Bytes message) {
  schema::Decoder decoder(message);
  T value{};
  decoder.root(value);
  REQUIRE(decoder.words_visited() <= message.size() / 8 + schema::kTraversalSlackWords);
  const auto result = schema::decode<T>(message);
  REQUIRE(result.ok() == !decoder.failed());
  if (!result.ok()) {
    return std::string(schema::name_of(result.error().code)) + " at " + std::to_string(result.error().word_offset);
  }
  return oracle::printed(*result);  // touches every byte of every text, data and list
}

/// Damage as links and disks do it and as an adversary would: bits, bytes, whole pointers, and pointers to elsewhere.
void mutate(std::vector<u8>& message, base::Prng& prng) {
  const u64 changes = 1 + prng.below(4);
  for (u64 i = 0; i < changes; ++i) {
    const u64 words = message.size() / 8;
    u8* const word = message.data() + prng.below(words) * 8;
    const u64 kind = prng.below(7);
    const u64 value = prng.next();
    const u64 small = prng.below(2 * words);
    const i32 offset = static_cast<i32>(prng.below(2 * words)) - static_cast<i32>(words);
    switch (kind) {
      case 0: word[small % 8] = static_cast<u8>(value); break;
      case 1: word[small % 8] ^= static_cast<u8>(1u << value % 8); break;
      case 2: base::store_le64(word, value); break;
      case 3: base::store_le64(word, struct_pointer(offset, value % 4, value / 4 % 4)); break;
      case 4: base::store_le64(word, list_pointer(offset, value % 8, small)); break;
      case 5: base::store_le64(word, base::load_le64(message.data() + small / 2 * 8)); break;
      case 6: message.resize((1 + small / 2) * 8); break;
    }
  }
}

template <class T>
std::vector<u8> random_message(base::Prng& prng) {
  oracle::Filler filler(prng);
  T value{};
  filler.fill(value);
  std::vector<u8> message(1 << 16);
  const auto used = schema::encode(value, message);
  REQUIRE(used.ok());
  message.resize(*used);
  return message;
}

/// Whether a pointer is to an object without size, which libcapnp lets lie anywhere and we do not.
bool leads_to_nothing(u64 pointer) {
  const u64 count = pointer >> 35;
  const u64 element_size = pointer >> 32 & 7;
  return (pointer & 3) == 0 ? pointer >> 32 == 0 : element_size == 0 || (count == 0 && element_size != 7);
}

/// Whether a pointer is to a list of 8 to 64 bits; libcapnp reads those as List(Bool), a bit after the other.
bool is_wider_than_bits(u64 pointer) { return (pointer >> 32 & 7) >= 2 && (pointer >> 32 & 7) <= 5; }

std::vector<u8> random_bytes(base::Prng& prng) {
  std::vector<u8> message((1 + prng.below(24)) * 8);
  for (u8& byte : message) byte = static_cast<u8>(prng.below(3) == 0 ? prng.next() : prng.below(6));
  return message;
}

}  // namespace

TEST_CASE("a message has whole words and at least one", "[schema][codec][hostile]") {
  const std::vector<u8> bytes(64, 0);
  for (const size_t size : {0, 1, 7, 9, 63}) {
    const auto result = schema::decode<Path>(base::Bytes(bytes).first(size));
    REQUIRE(!result.ok());
    CHECK(result.error().code == DecodeCode::BadLength);
  }
}

TEST_CASE("pointers out of the message are refused", "[schema][codec][hostile]") {
  const DecodeError outside_root{DecodeCode::OutOfBounds, 0};
  CHECK(refusal<Path>({struct_pointer(0, 0, 1)}) == outside_root);
  CHECK(refusal<Path>({struct_pointer(1, 0, 1), 0}) == outside_root);
  CHECK(refusal<Path>({struct_pointer(-2, 0, 1), 0}) == outside_root);
  CHECK(refusal<Path>({struct_pointer((1 << 29) - 1, 0xffff, 0xffff), 0}) == outside_root);
  CHECK(refusal<Path>({struct_pointer(-(1 << 29), 0xffff, 0xffff), 0}) == outside_root);
  CHECK(refusal<Path>({struct_pointer(0, 0xffff, 0xffff), 0}) == outside_root);
  // Fields of the struct we do not know count too.
  CHECK(refusal<Path>({struct_pointer(0, 0, 2), 0}) == outside_root);

  const DecodeError outside_text{DecodeCode::OutOfBounds, 1};
  CHECK(refusal<Path>({struct_pointer(0, 0, 1), list_pointer(0, 2, 1)}) == outside_text);
  CHECK(refusal<Path>({struct_pointer(0, 0, 1), list_pointer(0, 2, 9), 0}) == outside_text);
  CHECK(refusal<Path>({struct_pointer(0, 0, 1), list_pointer(0, 2, (1 << 29) - 1), 0}) == outside_text);
  CHECK(refusal<Path>({struct_pointer(0, 0, 1), list_pointer(-3, 2, 1), 0}) == outside_text);
  CHECK(refusal<NamesReply>({struct_pointer(0, 0, 1), list_pointer(0, 6, (1 << 29) - 1), 0}) == outside_text);
  // A struct list whose words fit but whose tag would lie behind the end.
  CHECK(refusal<NamesReply>({struct_pointer(0, 0, 1), list_pointer(0, 7, 0)}) == outside_text);
}

TEST_CASE("a struct without size may lie at the end, or at its own pointer", "[schema][codec][hostile]") {
  CHECK(accepted<Path>({struct_pointer(-1, 0, 0)}).path.empty());
  CHECK(accepted<Path>({struct_pointer(0, 0, 0)}).path.empty());
  CHECK(refusal<Path>({struct_pointer(1, 0, 0)}) == DecodeError{DecodeCode::OutOfBounds, 0});
}

TEST_CASE("kinds of pointers are not mixed up", "[schema][codec][hostile]") {
  CHECK(refusal<Path>({list_pointer(0, 6, 1), 0}) == DecodeError{DecodeCode::WrongPointerKind, 0});
  CHECK(refusal<Path>({3}) == DecodeError{DecodeCode::WrongPointerKind, 0});
  CHECK(refusal<Path>({struct_pointer(0, 0, 1), struct_pointer(0, 1, 0), 0}) ==
        DecodeError{DecodeCode::WrongPointerKind, 1});
  CHECK(refusal<StatReply>({struct_pointer(0, 0, 1), list_pointer(0, 5, 1), 0}) ==
        DecodeError{DecodeCode::WrongPointerKind, 1});
  CHECK(refusal<FramesReply>({struct_pointer(0, 0, 1), struct_pointer(-1, 0, 0)}) ==
        DecodeError{DecodeCode::WrongPointerKind, 1});
}

TEST_CASE("far pointers are refused wherever they are", "[schema][codec][hostile]") {
  for (const u64 far : {u64{2}, u64{2 | 4}, u64{2 | 1 << 3}}) {  // landing pads of one and two words
    CHECK(refusal<Path>({far, 0, 0}).code == DecodeCode::FarPointer);
    CHECK(refusal<Path>({struct_pointer(0, 0, 1), far, 0}) == DecodeError{DecodeCode::FarPointer, 1});
    CHECK(refusal<StatReply>({struct_pointer(0, 0, 1), far, 0}) == DecodeError{DecodeCode::FarPointer, 1});
    CHECK(refusal<FramesReply>({struct_pointer(0, 0, 1), far, 0}) == DecodeError{DecodeCode::FarPointer, 1});
    CHECK(refusal<NamesReply>({struct_pointer(0, 0, 1), list_pointer(0, 6, 1), far}) ==
          DecodeError{DecodeCode::FarPointer, 2});
  }
}

TEST_CASE("texts end in NUL inside their list", "[schema][codec][hostile]") {
  const DecodeError unterminated{DecodeCode::TextNotTerminated, 1};
  CHECK(refusal<Path>({struct_pointer(0, 0, 1), list_pointer(0, 2, 3), 0x00636261'00616161}) == unterminated);
  CHECK(refusal<Path>({struct_pointer(0, 0, 1), list_pointer(0, 2, 0)}) == unterminated);
  CHECK(accepted<Path>({struct_pointer(0, 0, 1), list_pointer(0, 2, 4), 0x00636261}).path == "abc");
  CHECK(accepted<Path>({struct_pointer(0, 0, 1), list_pointer(0, 2, 1), 0}).path.empty());
  // A text is a list of bytes and nothing else.
  CHECK(refusal<Path>({struct_pointer(0, 0, 1), list_pointer(0, 3, 4), 0}) ==
        DecodeError{DecodeCode::BadElementSize, 1});
  CHECK(refusal<Path>({struct_pointer(0, 0, 1), list_pointer(0, 7, 1), list_tag(1, 1, 0), 0}) ==
        DecodeError{DecodeCode::BadElementSize, 1});
}

TEST_CASE("capability pointers hold an index and nothing else", "[schema][codec][hostile]") {
  for (u64 index = 0; index < kernel::kMessageCapsMax; ++index) {
    CHECK(accepted<FramesReply>({struct_pointer(0, 0, 1), index << 32 | 3}).frames ==
          schema::CapIndex::of(static_cast<u32>(index)));
  }
  CHECK(!accepted<FramesReply>({struct_pointer(0, 0, 1), 0}).frames.present);
  const DecodeError bad{DecodeCode::BadCapability, 1};
  CHECK(refusal<FramesReply>({struct_pointer(0, 0, 1), u64{3} << 32 | 3}) == bad);
  CHECK(refusal<FramesReply>({struct_pointer(0, 0, 1), u64{0xffffffff} << 32 | 3}) == bad);
  CHECK(refusal<FramesReply>({struct_pointer(0, 0, 1), 7}) == bad);
}

TEST_CASE("tags of struct lists are struct pointers and count what is there", "[schema][codec][hostile]") {
  const u64 root = struct_pointer(0, 0, 2);  // Tree: children, label; children are structs of 1 + 2 words
  const DecodeError bad{DecodeCode::BadListTag, 3};
  const std::vector<u64> one_child = {root, list_pointer(1, 7, 3), 0, list_tag(1, 1, 2), 42, 0, 0};
  CHECK(accepted<everything::Tree>(one_child).children[0].value == 42);
  const auto with_tag = [&](u64 tag) {
    std::vector<u64> words = one_child;
    words[3] = tag;
    return words;
  };
  CHECK(refusal<everything::Tree>(with_tag(list_tag(2, 1, 2))) == bad);
  CHECK(refusal<everything::Tree>(with_tag(list_tag(1, 2, 2))) == bad);
  CHECK(refusal<everything::Tree>(with_tag(list_tag((1u << 30) - 1, 0xffff, 0xffff))) == bad);
  CHECK(refusal<everything::Tree>(with_tag(list_tag((1u << 30) - 1, 1, 0))) == bad);
  // 2^16 elements of 2^16 words: the product is 0 in 32 bits.
  CHECK(refusal<everything::Tree>(with_tag(list_tag(1u << 16, 0xffff, 1))) == bad);
  CHECK(refusal<everything::Tree>(with_tag(list_tag(1, 1, 2) | 1)) == bad);
  CHECK(accepted<everything::Tree>(with_tag(list_tag(0, 1, 2))).children.empty());
}

TEST_CASE("elements without size cannot be counted for free", "[schema][codec][hostile]") {
  // List(Tree) as a list of 2^29 − 1 nothings, and as 2^30 − 1 structs without size.
  const DecodeError too_much{DecodeCode::TooMuchTraversal, 1};
  CHECK(refusal<everything::Tree>({struct_pointer(0, 0, 1), list_pointer(0, 0, (1 << 29) - 1)}) == too_much);
  CHECK(refusal<everything::Tree>({struct_pointer(0, 0, 1), list_pointer(0, 7, 0), list_tag((1u << 30) - 1, 0, 0)}) ==
        too_much);
  CHECK(accepted<everything::Tree>({struct_pointer(0, 0, 1), list_pointer(0, 0, 60)}).children.size() == 60);
}

TEST_CASE("objects that overlap cannot make a message larger than it is", "[schema][codec][hostile]") {
  // 100 texts that are the same 100 words: 10 000 words in a message of 202.
  std::vector<u64> words = {struct_pointer(0, 0, 1), list_pointer(0, 6, 100)};
  for (i32 i = 0; i < 100; ++i) words.push_back(list_pointer(99 - i, 2, 800));
  words.resize(words.size() + 100, 0);
  CHECK(refusal<NamesReply>(words).code == DecodeCode::TooMuchTraversal);
  // A list that contains itself.
  CHECK(refusal<everything::Tree>({struct_pointer(-1, 0, 1)}).code == DecodeCode::WrongPointerKind);
  CHECK(refusal<everything::Tree>({struct_pointer(0, 0, 1), list_pointer(-1, 6, 1)}).code == DecodeCode::TooDeep);
}

TEST_CASE("nesting is bounded the same way when writing and when reading", "[schema][codec][hostile]") {
  for (u32 levels = 1; levels <= schema::kNestingMax + 2; ++levels) {
    CAPTURE(levels);
    std::vector<everything::Tree> nodes(levels);
    for (u32 i = 0; i < levels; ++i) nodes[i].value = i;
    for (u32 i = 0; i + 1 < levels; ++i) nodes[i].children = std::span(&nodes[i + 1], 1);
    std::vector<u8> out(4096);
    const auto used = schema::encode(nodes[0], out);
    REQUIRE(used.ok() == (levels <= schema::kNestingMax));
    if (used.ok()) {
      CHECK(schema::decode<everything::Tree>(base::Bytes(out).first(*used)).ok());
    } else {
      CHECK(used.error().code == schema::EncodeCode::TooDeep);
    }
    // The same by hand: each node is a struct of one pointer to a list of one node.
    std::vector<u64> words = {struct_pointer(0, 0, 1)};
    for (u32 i = 0; i + 1 < levels; ++i) words.push_back(list_pointer(0, 6, 1));
    words.push_back(0);
    const auto decoded =
        schema::decode<everything::Tree>({reinterpret_cast<const u8*>(words.data()), words.size() * 8});
    REQUIRE(decoded.ok() == (levels <= schema::kNestingMax));
    if (!decoded.ok()) CHECK(decoded.error().code == DecodeCode::TooDeep);
  }
}

TEST_CASE("a list whose message changes under it never reads outside", "[schema][codec][hostile]") {
  GuardedPages pages;
  base::Prng prng(7, "test.codec-race");
  for (u32 round = 0; round < 800; ++round) {
    const std::vector<u8> message = random_message<everything::Lists>(prng);
    const base::Bytes placed = round % 2 == 0 ? pages.at_end(message) : pages.at_start(message);
    const auto decoded = schema::decode<everything::Lists>(placed);
    REQUIRE(decoded.ok());
    u8* const bytes = const_cast<u8*>(placed.data());
    for (size_t i = 0; i < placed.size(); ++i) bytes[i] = static_cast<u8>(prng.below(3) == 0 ? prng.next() : bytes[i]);
    CHECK(!oracle::printed(*decoded).empty());
  }
}

TEST_CASE("damaged messages and random bytes never make it read outside or without end", "[schema][codec][fuzz]") {
  constexpr u32 kRounds = rounds(2500);  // of each type of message; more than 200 000 in all, which is checked below
  GuardedPages pages;
  oracle::Schemas schemas;
  u64 messages = 0;
  u64 refused = 0;
  oracle::for_each_message_under_test(schemas, [&]<class T>(capnp::StructSchema type) {
    base::Prng prng(1, "test.codec-mutation", type.getProto().getId());
    for (u32 round = 0; round < kRounds; ++round) {
      CAPTURE(type.getShortDisplayName().cStr(), round);
      std::vector<u8> message;
      if (round % 8 == 0) {
        message = random_bytes(prng);
      } else {
        message = random_message<T>(prng);
        mutate(message, prng);
      }
      if (message.size() > GuardedPages::kRoom) message.resize(GuardedPages::kRoom);
      const std::string first = outcome<T>(pages.at_end(message));
      const std::string second = outcome<T>(pages.at_start(message));
      REQUIRE(first == second);
      messages += 1;
      refused += first.front() != '{';
    }
  });
  CHECK(messages >= rounds(200'000));
  CHECK(refused > messages / 10);  // the damage does reach what is checked
  CHECK(refused < messages * 9 / 10);
}

TEST_CASE("of damaged messages it accepts what libcapnp accepts, with the same value", "[schema][codec][model]") {
  oracle::Schemas schemas;
  u64 agreed = 0;
  oracle::for_each_message_under_test(schemas, [&]<class T>(capnp::StructSchema type) {
    base::Prng prng(2, "test.codec-twin", type.getProto().getId());
    for (u32 round = 0; round < rounds(800); ++round) {
      CAPTURE(type.getShortDisplayName().cStr(), round);
      std::vector<u8> message = round % 8 == 0 ? random_bytes(prng) : random_message<T>(prng);
      if (round % 8 != 0) mutate(message, prng);
      const auto ours = schema::decode<T>(message);
      const oracle::Reading theirs = oracle::read_twin<T>(message, type);
      if (ours.ok()) {
        INFO(theirs.text);
        REQUIRE(theirs.ok);
        REQUIRE(oracle::printed(*ours) == theirs.text);
        agreed += 1;
      } else if (theirs.ok) {
        // Only our own bounds may be tighter.
        const DecodeCode code = ours.error().code;
        CAPTURE(schema::name_of(code), ours.error().word_offset);
        const u64 word = base::load_le64(message.data() + u64{ours.error().word_offset} * 8);
        const bool tighter =
            code == DecodeCode::FarPointer || code == DecodeCode::TooDeep || code == DecodeCode::TooMuchTraversal ||
            (code == DecodeCode::OutOfBounds && leads_to_nothing(word)) ||
            (code == DecodeCode::BadElementSize && is_wider_than_bits(word)) ||
            (code == DecodeCode::BadListTag && (word & 0x8000'0000) != 0);  // libcapnp counts in 29 bits
        REQUIRE(tighter);
      }
    }
  });
  CHECK(agreed > 500);
}
