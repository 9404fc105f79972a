// replay/frame.h — the frames of a recording file: chained, checksummed, appended whole. A reader uses every frame before
// the first bad one and says where that is and what is wrong with it.
//
// File: "ORRERY\r\n", u16 major, u16 minor, u32 zero. Frame: u32 payload bytes, u32 CRC-32C (of length, link and padded
// payload), u64 link (first word of the D128 of the whole file before), payload, zeros up to a multiple of 8.
//
// Invariants  F1 a frame that was written whole is read whole, whatever follows it.
//             F2 no length in a file makes the reader allocate more than kPayloadBytesMax, or read past the file.
//             F3 one flipped bit anywhere is reported: the CRC covers the frame, the next link the file's first bytes.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"

namespace replay {

constexpr u16 kMajor = 1;
constexpr u16 kMinor = 0;
constexpr u64 kFileHeadBytes = 16;
constexpr u64 kFrameHeadBytes = 16;
constexpr u64 kPayloadBytesMax = u64{16} << 20;

/// What is wrong with a file, and where.
struct Problem {
  enum class Code : u8 {
    Unreadable,  // the host refuses the file
    NoHead,      // shorter than its head, or not a recording
    Version,     // another major version
    CutHead,     // the file ends within a frame's head
    Length,      // no frame is that long
    CutPayload,  // the file ends within a frame's payload
    Checksum,
    Link,       // a whole frame, but not after these bytes
    Malformed,  // the payload is no message of the schema
    Order,      // a frame where none of its kind may be
    Value,      // a field outside its range
  } code = Code::Unreadable;
  u64 frame = 0;   // index, from 0
  u64 offset = 0;  // byte in the file
  std::string what;

  /// The end was not reached when the file was written last: what a crash or a full disk leaves.
  bool is_cut() const { return code == Code::CutHead || code == Code::CutPayload || code == Code::NoHead; }
};
/// "frame 12 at byte 4096: checksum does not match (…)".
std::string describe(const Problem& problem);

/// Makes frames one after the other; the bytes are the caller's to write.
class FrameChain {
 public:
  /// The first 16 bytes of a file.
  std::vector<u8> head();
  /// The next frame.
  std::vector<u8> frame(base::Bytes payload);

 private:
  void fold(base::Bytes bytes);
  base::D128 before_;
  u64 bytes_ = 0;
};

struct FrameAt {
  u64 offset = 0;
  base::Bytes payload;
};

/// Walks a file's bytes. `next` returns nothing at the end, or at the first bad frame: then `problem` says why.
class FrameWalk {
 public:
  explicit FrameWalk(base::Bytes file);
  std::optional<FrameAt> next();
  const std::optional<Problem>& problem() const { return problem_; }
  /// Where the whole frames seen so far end.
  u64 good_bytes() const { return at_; }
  u64 frames() const { return frames_; }
  u16 minor() const { return minor_; }

 private:
  void read_head();
  void fail(Problem::Code code, u64 offset, std::string what);
  base::Bytes file_;
  u64 at_ = 0;
  u64 frames_ = 0;
  u16 minor_ = 0;
  base::D128 before_;
  std::optional<Problem> problem_;
};

}  // namespace replay
