// Frames and contents: what is written is read, and what is damaged is named.
#include <catch2/catch.hpp>

#include "replay/crc32c.h"
#include "tests/replay/session.h"

using namespace replay;

namespace {

/// One of every kind of content, small.
std::vector<Content> sample() {
  sim::host::MachineOptions options = session::machine_options({});
  const Buffer plan = plan_of(options);
  return {Header{.model = model_id(),
                 .build = build_id(),
                 .plan = sha256_of(plan),
                 .seed = 5,
                 .created = "2026-01-01T00:00:00Z",
                 .sources = {"a", "b"},
                 .redacted = {"console:1@1"}},
          PlanFrame{plan},
          Attachment{"image", sha256_of(base::bytes_of("abc")), {'a', 'b', 'c'}, false},
          Input{1'000'000, "console:1", 1, {'h', 'i'}, true},
          Input{2'000'000, "hangup:1", 1, {}, false},
          Overrides{"tie world @40 2\n"},
          Milestone{65536, 3'000'000, {1, 2}, {3, 4}},
          Bookmark{12, "here", "ann"},
          Verdict{"halted with status 0", "fs.ack", 13, "s"},
          End{70'000, {5, 6}, {7, 8}, sim::kNever}};
}

}  // namespace

TEST_CASE("CRC-32C gives its published answers", "[replay][crc]") {
  CHECK(crc32c({}) == 0);
  CHECK(crc32c(base::bytes_of("123456789")) == 0xE306'9283);  // RFC 3720, B.4 uses the same check value
  const u8 zeros[32] = {};
  CHECK(crc32c(zeros) == 0x8A91'36AA);  // RFC 3720, B.4
  const auto text = base::bytes_of("123456789");
  CHECK(crc32c(text.subspan(4), crc32c(text.first(4))) == 0xE306'9283);
}

TEST_CASE("every kind of content is read as it was written", "[replay][recording]") {
  const std::vector<Content> contents = sample();
  const Recording recording = parse(file_of(contents));
  REQUIRE(!recording.problem);
  REQUIRE(recording.frames.size() == contents.size());
  CHECK(recording.good_bytes == recording.bytes);
  for (u64 i = 0; i < contents.size(); ++i) {
    CAPTURE(i);
    CHECK(recording.frames[i].content.index() == contents[i].index());
    CHECK(encode(recording.frames[i].content) == encode(contents[i]));
  }
  CHECK(recording.header().sources == std::vector<std::string>{"a", "b"});
  CHECK(recording.all<Input>()[0]->secret);
  CHECK(recording.all<Milestone>()[0]->lanes == std::vector<u32>{3, 4});
  CHECK(recording.end()->until == sim::kNever);
}

TEST_CASE("a file cut at any byte opens up to its last whole frame", "[replay][recording][simulation.T74]") {
  const Buffer file = file_of(sample());
  const Recording whole = parse(file);
  for (u64 length = 0; length < file.size(); ++length) {
    CAPTURE(length);
    const Recording cut = parse(base::Bytes(file).first(length));
    u64 expected = 0;
    u64 good = length < kFileHeadBytes ? 0 : kFileHeadBytes;
    for (u64 i = 0; i < whole.frames.size(); ++i) {
      const u64 end = i + 1 < whole.frames.size() ? whole.frames[i + 1].offset : file.size();
      if (end > length) break;
      expected = i + 1;
      good = end;
    }
    REQUIRE(cut.frames.size() == expected);
    REQUIRE(cut.good_bytes == good);
    if (length == good && length >= kFileHeadBytes) {
      REQUIRE(!cut.problem);  // between two frames nothing shows that there were more; the end frame is missing
      REQUIRE(cut.end() == nullptr);
      continue;
    }
    REQUIRE(cut.problem);
    REQUIRE(cut.problem->is_cut());
    REQUIRE(cut.problem->frame == expected);
    if (length >= kFileHeadBytes) REQUIRE(cut.problem->offset == good);
  }
}

TEST_CASE("no flipped bit crashes the reader or passes unseen", "[replay][recording][simulation.T75]") {
  const Buffer file = file_of(sample());
  const Recording whole = parse(file);
  for (u64 at = 0; at < file.size(); ++at) {
    u64 damaged = 0;  // the frame that holds the byte
    while (damaged + 1 < whole.frames.size() && whole.frames[damaged + 1].offset <= at) damaged += 1;
    for (u32 bit = 0; bit < 8; ++bit) {
      CAPTURE(at, bit);
      Buffer flipped = file;
      flipped[at] = static_cast<u8>(flipped[at] ^ 1u << bit);
      const Recording read = parse(flipped);
      REQUIRE(read.problem);
      REQUIRE(!describe(*read.problem).empty());
      if (at < kFileHeadBytes) {
        REQUIRE(read.frames.empty());
        continue;
      }
      REQUIRE(read.frames.size() == damaged);
      REQUIRE(read.problem->frame == damaged);
      REQUIRE(read.problem->offset == whole.frames[damaged].offset);
    }
  }
}

TEST_CASE("frames moved, doubled or taken from another file are refused by their link", "[replay][recording]") {
  const Buffer file = file_of(sample());
  const Recording whole = parse(file);
  const auto frame_bytes = [&](u64 index) {
    const u64 end = index + 1 < whole.frames.size() ? whole.frames[index + 1].offset : file.size();
    return base::Bytes(file).subspan(whole.frames[index].offset, end - whole.frames[index].offset);
  };
  Buffer doubled(file.begin(), file.begin() + static_cast<long>(whole.frames[4].offset));
  for (const u8 byte : frame_bytes(3)) doubled.push_back(byte);
  const Recording read = parse(doubled);
  REQUIRE(read.problem);
  CHECK(read.problem->code == Problem::Code::Link);
  CHECK(read.problem->frame == 4);
}

TEST_CASE("a length or a message that lies allocates nothing large", "[replay][recording][hostile]") {
  Buffer file = file_of(sample());
  base::store_le32(&file[kFileHeadBytes], 0xFFFF'FFFF);
  CHECK(parse(file).problem->code == Problem::Code::Length);
  base::store_le32(&file[kFileHeadBytes], 0);
  CHECK(parse(file).problem->code == Problem::Code::Length);
  // Payloads that are sound as frames and nonsense as messages: random ones, and heads of messages that promise a lot.
  for (u64 seed = 0; seed < 2000; ++seed) {
    CAPTURE(seed);
    base::Prng prng{seed, "test.payload"};
    Buffer payload(1 + prng.below(64));
    for (u8& byte : payload) byte = static_cast<u8>(prng.below(prng.chance({1, 2}) ? 4 : 256));
    std::string error;
    const auto content = decode(payload, error);
    CHECK((content.has_value() || !error.empty()));
  }
  const Buffer promise = {0xF0, 0xFF, 0xFF, 0xFF, 0x7F};  // one segment of 2³¹ words
  std::string error;
  CHECK(!decode(promise, error));
}

TEST_CASE("a recording begins with a header and a plan, and nothing follows its end", "[replay][recording]") {
  std::vector<Content> contents = sample();
  std::swap(contents[0], contents[1]);
  CHECK(parse(file_of(contents)).problem->what == "the first frame is not a header");
  contents = sample();
  std::swap(contents[1], contents[2]);
  CHECK(parse(file_of(contents)).problem->what == "the second frame is not a plan");
  contents = sample();
  contents.push_back(Overrides{"x"});
  const Recording late = parse(file_of(contents));
  CHECK(late.problem->what == "a frame after the end of the run");
  CHECK(late.end() != nullptr);  // what is before it is used
}

TEST_CASE("repair keeps the good prefix, which is a recording", "[replay][recording]") {
  Buffer file = file_of(sample());
  const Recording whole = parse(file);
  file[whole.frames[6].offset + 20] ^= 0x10;
  const Buffer repaired = good_prefix(file);
  const Recording read = parse(repaired);
  CHECK(!read.problem);
  CHECK(read.frames.size() == 6);
}

TEST_CASE("an attached file can be kept as a hash and put back", "[replay][recording]") {
  const Recording whole = parse(file_of(sample()));
  const Reattached without = detach(whole);
  CHECK(without.changed == 1);
  const Recording bare = parse(without.file);
  CHECK(bare.all<Attachment>()[0]->external);
  CHECK(bare.all<Attachment>()[0]->bytes.empty());
  CHECK(!attach(bare, "other", base::bytes_of("abd")).error.empty());
  const Reattached with = attach(bare, "image", base::bytes_of("abc"));
  CHECK(with.changed == 1);
  CHECK(with.file == file_of(sample()));
}
