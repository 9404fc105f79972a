// user/lib/deflate.h — the DEFLATE format (RFC 1951): packing and unpacking, a stream at a time. The last 32 KiB are kept,
// so that files of any size pass.
// Bounds      kBlockBytes of input make one block of output; codes are at most 15 bits long.
// Tested by   tests/user/deflate_test.cpp (round trips; what the host's zlib made; damage)
#pragma once
#include "base/string.h"
#include "base/vector.h"

namespace user {

/// Where packed bytes come from; −1 at the end.
struct ByteSource {
  virtual i32 next() = 0;

 protected:
  ~ByteSource() = default;
};

struct ByteSink {
  virtual void put(base::Bytes bytes) = 0;

 protected:
  ~ByteSink() = default;
};

/// Unpacks one stream. False: it is damaged, or ends too early. What was good before has been put out.
bool inflate(base::Allocator& heap, ByteSource& in, ByteSink& out);

/// Packs what it is given, in blocks. `level` 1 to 9: how long it looks for a match.
class Deflater {
 public:
  static constexpr u64 kBlockBytes = 64 << 10;
  Deflater(base::Allocator& heap, ByteSink& out, u32 level);
  void add(base::Bytes data);
  void finish();
  /// Native work units since the last call.
  u64 take_work();

 private:
  struct Symbol {
    u16 literal_or_length;  // 0–255, or a length 3–258 when `distance` is not 0
    u16 distance;
  };
  void block(bool last);
  void find_symbols();
  u32 longest_match(u64 at, u32& distance);
  void insert(u64 at);
  void write_codes(std::span<const u8> lengths, std::span<const u8> distances);
  void bits(u32 value, u32 count);

  ByteSink& out_;
  u32 chain_max_;
  base::Vector<u8> data_;  // up to 32 KiB of what is packed already, then the block
  u64 start_ = 0;          // of the block in data_
  base::Vector<i32> head_;
  base::Vector<i32> previous_;
  base::Vector<Symbol> symbols_;
  u32 held_ = 0;
  u32 held_bits_ = 0;
  u64 work_ = 0;
  base::Vector<u8> packed_;
};

}  // namespace user
