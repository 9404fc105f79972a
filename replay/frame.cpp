// replay/frame.cpp — making and walking frames.
#include "replay/frame.h"

#include "replay/crc32c.h"

namespace replay {
namespace {

constexpr u8 kMagic[8] = {'O', 'R', 'R', 'E', 'R', 'Y', '\r', '\n'};

/// Files are whole words, so the digest of a prefix is the fold of its words and then of its length.
void fold_words(base::D128& digest, base::Bytes bytes) {
  ASSERT(bytes.size() % 8 == 0);
  for (u64 at = 0; at < bytes.size(); at += 8) digest.fold(base::load_le64(bytes.data() + at));
}
u64 link_after(base::D128 before, u64 bytes) {
  before.fold(bytes);
  return before.out().high;
}
u32 checksum(base::Bytes frame) {
  const u32 length = crc32c(frame.first(4));
  return crc32c(frame.subspan(8), length);  // bytes 4 to 7 are the checksum itself
}

}  // namespace

std::string describe(const Problem& problem) {
  if (problem.code == Problem::Code::Unreadable || problem.code == Problem::Code::NoHead ||
      problem.code == Problem::Code::Version) {
    return problem.what;
  }
  return "frame " + std::to_string(problem.frame) + " at byte " + std::to_string(problem.offset) + ": " + problem.what;
}

void FrameChain::fold(base::Bytes bytes) {
  fold_words(before_, bytes);
  bytes_ += bytes.size();
}

std::vector<u8> FrameChain::head() {
  std::vector<u8> bytes(kFileHeadBytes);
  std::copy(std::begin(kMagic), std::end(kMagic), bytes.begin());
  base::store_le16(&bytes[8], kMajor);
  base::store_le16(&bytes[10], kMinor);
  fold(bytes);
  return bytes;
}

std::vector<u8> FrameChain::frame(base::Bytes payload) {
  ASSERT(bytes_ >= kFileHeadBytes);
  ASSERT(payload.size() >= 1 && payload.size() <= kPayloadBytesMax);
  std::vector<u8> bytes(kFrameHeadBytes + base::align_up(payload.size(), 8));
  base::store_le32(bytes.data(), static_cast<u32>(payload.size()));
  base::store_le64(&bytes[8], link_after(before_, bytes_));
  std::copy(payload.begin(), payload.end(), bytes.begin() + kFrameHeadBytes);
  base::store_le32(&bytes[4], checksum(bytes));
  fold(bytes);
  return bytes;
}

FrameWalk::FrameWalk(base::Bytes file) : file_(file) { read_head(); }

void FrameWalk::read_head() {
  const u64 compared = file_.size() < sizeof kMagic ? file_.size() : sizeof kMagic;
  if (__builtin_memcmp(file_.data(), kMagic, compared) != 0) {
    return fail(Problem::Code::NoHead, 0, "not a recording: it does not begin with \"ORRERY\"");
  }
  if (file_.size() < kFileHeadBytes) {
    return fail(Problem::Code::NoHead, file_.size(), "not a recording: it ends within its first 16 bytes");
  }
  const u16 major = base::load_le16(&file_[8]);
  if (major != kMajor) {
    return fail(Problem::Code::Version, 8,
                "recording format " + std::to_string(major) + ", this build reads " + std::to_string(kMajor));
  }
  if (base::load_le32(&file_[12]) != 0) {
    return fail(Problem::Code::NoHead, 12, "not a recording: bytes 12 to 15 are not zero");
  }
  minor_ = base::load_le16(&file_[10]);
  at_ = kFileHeadBytes;
  fold_words(before_, file_.first(kFileHeadBytes));
}

void FrameWalk::fail(Problem::Code code, u64 offset, std::string what) {
  problem_ = Problem{code, frames_, offset, std::move(what)};
}

std::optional<FrameAt> FrameWalk::next() {
  using enum Problem::Code;
  if (problem_ || at_ == file_.size()) return std::nullopt;
  const base::Bytes rest = file_.subspan(at_);
  if (rest.size() < kFrameHeadBytes) {
    fail(CutHead, at_, "the file ends within the frame's head");
    return std::nullopt;
  }
  const u64 length = base::load_le32(rest.data());
  if (length == 0 || length > kPayloadBytesMax) {
    fail(Length, at_,
         "a payload of " + std::to_string(length) + " bytes; allowed is 1 to " + std::to_string(kPayloadBytesMax));
    return std::nullopt;
  }
  const u64 whole = kFrameHeadBytes + base::align_up(length, 8);
  if (rest.size() < whole) {
    fail(CutPayload, at_,
         "the file ends within the payload: " + std::to_string(rest.size()) + " of " + std::to_string(whole) +
             " bytes are there");
    return std::nullopt;
  }
  const base::Bytes frame = rest.first(whole);
  if (checksum(frame) != base::load_le32(&frame[4])) {
    fail(Checksum, at_, "the checksum does not match");
    return std::nullopt;
  }
  if (link_after(before_, at_) != base::load_le64(&frame[8])) {
    fail(Link, at_, "whole, but not written after these bytes (the link does not match)");
    return std::nullopt;
  }
  const FrameAt found{at_, frame.subspan(kFrameHeadBytes, length)};
  fold_words(before_, frame);
  at_ += whole;
  frames_ += 1;
  return found;
}

}  // namespace replay
