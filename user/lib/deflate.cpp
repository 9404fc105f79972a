// user/lib/deflate.cpp — see the header. Section numbers are those of RFC 1951.
#include "user/lib/deflate.h"

#include <algorithm>

#include "base/enforce.h"

namespace user {
namespace {

constexpr u32 kCodeBitsMax = 15;
constexpr u32 kLiterals = 288;
constexpr u32 kDistances = 30;
constexpr u32 kEndOfBlock = 256;
constexpr u32 kWindow = 32 << 10;
constexpr u32 kMatchMin = 3;
constexpr u32 kMatchMax = 258;
constexpr u32 kHashBits = 15;

// §3.2.5
constexpr u16 kLengthBase[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr u8 kLengthExtra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr u16 kDistanceBase[30] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                   33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                   1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
constexpr u8 kDistanceExtra[30] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                   6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
constexpr u8 kCodeOrder[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};  // §3.2.7

// ── Unpacking ────────────────────────────────────────────────────────────────────────────────────────────────

/// A canonical code: how many codes there are of each length, and the symbols in the order of their codes (§3.2.2).
struct Code {
  u16 count[kCodeBitsMax + 1] = {};
  u16 symbol[kLiterals] = {};

  /// False: there are more codes of some length than there can be.
  bool set(std::span<const u8> lengths) {
    for (u16& each : count) each = 0;
    for (const u8 length : lengths) count[length] += 1;
    count[0] = 0;
    i32 left = 1;
    for (u32 length = 1; length <= kCodeBitsMax; ++length) {
      left = left * 2 - count[length];
      if (left < 0) return false;
    }
    u16 next[kCodeBitsMax + 2] = {};
    for (u32 length = 1; length <= kCodeBitsMax; ++length)
      next[length + 1] = static_cast<u16>(next[length] + count[length]);
    for (u32 i = 0; i < lengths.size(); ++i) {
      if (lengths[i] != 0) symbol[next[lengths[i]]++] = static_cast<u16>(i);
    }
    return true;
  }
};

class Inflater {
 public:
  Inflater(base::Allocator& heap, ByteSource& in, ByteSink& out) : in_(in), out_(out), window_(heap) {
    window_.resize(kWindow);
  }

  bool run() {
    for (bool last = false; !last;) {
      last = bits(1) == 1;
      switch (bits(2)) {
        case 0: stored(); break;
        case 1: fixed(); break;
        case 2: dynamic(); break;
        default: bad_ = true; break;
      }
      if (bad_) break;
    }
    flush();
    return !bad_;
  }

 private:
  u32 bits(u32 count) {
    while (held_bits_ < count) {
      const i32 byte = in_.next();
      if (byte < 0) {
        bad_ = true;
        return 0;
      }
      held_ |= static_cast<u32>(byte) << held_bits_;
      held_bits_ += 8;
    }
    const u32 value = held_ & ((u32{1} << count) - 1);
    held_ >>= count;
    held_bits_ -= count;
    return value;
  }
  void put(u8 byte) {
    window_[at_ % kWindow] = byte;
    at_ += 1;
    if (at_ % kWindow == 0) {
      out_.put(window_.span());
      told_ = at_;
    }
  }
  void flush() {
    out_.put(window_.span().subspan(told_ % kWindow, at_ - told_));
    told_ = at_;
  }
  u32 symbol(const Code& code) {
    i32 value = 0;  // of the bits so far
    i32 first = 0;  // the first code of this length
    u32 index = 0;  // of its symbol
    for (u32 length = 1; length <= kCodeBitsMax; ++length) {
      value |= static_cast<i32>(bits(1));
      if (bad_) return 0;
      const i32 count = code.count[length];
      if (value - count < first) return code.symbol[index + static_cast<u32>(value - first)];
      index += static_cast<u32>(count);
      first = (first + count) * 2;
      value *= 2;
    }
    bad_ = true;
    return 0;
  }
  void stored() {
    held_ = held_bits_ = 0;
    const u32 size = bits(16);
    const u32 check = bits(16);
    if (bad_ || size != (~check & 0xFFFF)) {
      bad_ = true;
      return;
    }
    for (u32 i = 0; i < size; ++i) {
      const i32 byte = in_.next();
      if (byte < 0) {
        bad_ = true;
        return;
      }
      put(static_cast<u8>(byte));
    }
  }
  void fixed() {
    u8 lengths[kLiterals];
    for (u32 i = 0; i < kLiterals; ++i) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    u8 distances[kDistances];
    for (u8& each : distances) each = 5;
    static_cast<void>(literals_.set(lengths));
    static_cast<void>(distances_.set(distances));
    compressed();
  }
  void dynamic() {
    const u32 literal_count = bits(5) + 257;
    const u32 distance_count = bits(5) + 1;
    const u32 order_count = bits(4) + 4;
    u8 lengths[kLiterals + 32] = {};
    for (u32 i = 0; i < order_count; ++i) lengths[kCodeOrder[i]] = static_cast<u8>(bits(3));
    if (bad_ || literal_count > 286 || distance_count > kDistances || !literals_.set({lengths, 19})) {
      bad_ = true;
      return;
    }
    for (u8& each : lengths) each = 0;
    for (u32 i = 0; i < literal_count + distance_count;) {
      const u32 code = symbol(literals_);
      if (bad_) return;
      if (code < 16) {
        lengths[i++] = static_cast<u8>(code);
        continue;
      }
      const u8 repeated = code == 16 && i > 0 ? lengths[i - 1] : u8{0};
      u32 times = code == 16 ? 3 + bits(2) : code == 17 ? 3 + bits(3) : 11 + bits(7);
      if (bad_ || (code == 16 && i == 0) || i + times > literal_count + distance_count) {
        bad_ = true;
        return;
      }
      for (; times > 0; --times) lengths[i++] = repeated;
    }
    if (lengths[kEndOfBlock] == 0 || !literals_.set({lengths, literal_count}) ||
        !distances_.set({lengths + literal_count, distance_count})) {
      bad_ = true;
      return;
    }
    compressed();
  }
  void compressed() {
    for (;;) {
      const u32 code = symbol(literals_);
      if (bad_ || code == kEndOfBlock) return;
      if (code < kEndOfBlock) {
        put(static_cast<u8>(code));
        continue;
      }
      if (code - 257 >= std::size(kLengthBase)) break;
      const u32 length = kLengthBase[code - 257] + bits(kLengthExtra[code - 257]);
      const u32 far = symbol(distances_);
      if (bad_ || far >= kDistances) break;
      const u32 distance = kDistanceBase[far] + bits(kDistanceExtra[far]);
      if (bad_ || distance > at_) break;  // before the start
      for (u32 i = 0; i < length; ++i) put(window_[(at_ - distance) % kWindow]);
    }
    bad_ = true;
  }

  ByteSource& in_;
  ByteSink& out_;
  base::Vector<u8> window_;
  u64 at_ = 0;
  u64 told_ = 0;
  u32 held_ = 0;
  u32 held_bits_ = 0;
  bool bad_ = false;
  Code literals_;
  Code distances_;
};

// ── Packing ──────────────────────────────────────────────────────────────────────────────────────────────────

/// Lengths of a prefix code for these frequencies, none longer than `limit`: Huffman's tree, then codes that are too long
/// are shortened at the cost of the rarest shorter ones until the sum of 2^−length is one.
void code_lengths(std::span<const u32> frequency, u32 limit, std::span<u8> lengths) {
  struct Leaf {
    u32 weight;
    u16 symbol;
  };
  Leaf leaves[kLiterals];
  u32 count = 0;
  for (u32 i = 0; i < frequency.size(); ++i) {
    lengths[i] = 0;
    if (frequency[i] != 0) leaves[count++] = {frequency[i], static_cast<u16>(i)};
  }
  if (count == 0) return;
  if (count == 1) {
    lengths[leaves[0].symbol] = 1;
    return;
  }
  std::sort(leaves, leaves + count, [](const Leaf& a, const Leaf& b) {
    return a.weight != b.weight ? a.weight < b.weight : a.symbol < b.symbol;
  });
  // Two queues, both in order of weight: the leaves, and the inner nodes as they are made.
  u64 weight[kLiterals];
  u32 parent_of_leaf[kLiterals];
  u32 parent_of_node[kLiterals] = {};
  u32 leaf = 0;
  u32 node = 0;
  for (u32 made = 0; made + 1 < count; ++made) {
    weight[made] = 0;
    for (u32 i = 0; i < 2; ++i) {
      if (leaf < count && (node >= made || leaves[leaf].weight <= weight[node])) {
        weight[made] += leaves[leaf].weight;
        parent_of_leaf[leaf++] = made;
      } else {
        weight[made] += weight[node];
        parent_of_node[node++] = made;
      }
    }
  }
  u32 depth[kLiterals];
  depth[count - 2] = 0;
  for (u32 i = count - 2; i-- > 0;) depth[i] = depth[parent_of_node[i]] + 1;
  u32 of_length[kLiterals + 1] = {};
  for (u32 i = 0; i < count; ++i) of_length[std::min(depth[parent_of_leaf[i]] + 1, limit)] += 1;
  u64 sum = 0;  // of 2^(limit − length)
  for (u32 length = 1; length <= limit; ++length) sum += u64{of_length[length]} << (limit - length);
  while (sum > u64{1} << limit) {
    of_length[limit] -= 1;
    u32 length = limit - 1;
    while (of_length[length] == 0) length -= 1;
    of_length[length] -= 1;
    of_length[length + 1] += 2;
    sum -= 1;
  }
  u32 next = 0;
  for (u32 length = limit; length > 0; --length) {
    for (u32 i = 0; i < of_length[length]; ++i) lengths[leaves[next++].symbol] = static_cast<u8>(length);
  }
}

/// The codes of canonical lengths, their bits turned round: the stream has the first bit lowest (§3.1.1).
void canonical(std::span<const u8> lengths, std::span<u16> codes) {
  u32 count[kCodeBitsMax + 1] = {};
  for (const u8 length : lengths) count[length] += 1;
  count[0] = 0;
  u32 next[kCodeBitsMax + 1] = {};
  for (u32 length = 1; length <= kCodeBitsMax; ++length) next[length] = (next[length - 1] + count[length - 1]) << 1;
  for (u32 i = 0; i < lengths.size(); ++i) {
    u32 code = lengths[i] == 0 ? 0 : next[lengths[i]]++;
    u32 turned = 0;
    for (u32 bit = 0; bit < lengths[i]; ++bit, code >>= 1) turned = turned << 1 | (code & 1);
    codes[i] = static_cast<u16>(turned);
  }
}

u32 length_code(u32 length) {
  u32 code = 0;
  while (code + 1 < std::size(kLengthBase) && kLengthBase[code + 1] <= length) code += 1;
  return code;
}

u32 distance_code(u32 distance) {
  u32 code = 0;
  while (code + 1 < std::size(kDistanceBase) && kDistanceBase[code + 1] <= distance) code += 1;
  return code;
}

u32 hash_of(const u8* bytes) {
  const u32 value = u32{bytes[0]} | u32{bytes[1]} << 8 | u32{bytes[2]} << 16;
  return value * 0x9E37'79B1u >> (32 - kHashBits);
}

}  // namespace

bool inflate(base::Allocator& heap, ByteSource& in, ByteSink& out) { return Inflater(heap, in, out).run(); }

Deflater::Deflater(base::Allocator& heap, ByteSink& out, u32 level)
    : out_(out),
      chain_max_(u32{1} << std::min(level, u32{9})),
      data_(heap),
      head_(heap),
      previous_(heap),
      symbols_(heap),
      packed_(heap) {
  head_.resize(u64{1} << kHashBits);
}

u64 Deflater::take_work() {
  const u64 work = work_;
  work_ = 0;
  return work;
}

void Deflater::bits(u32 value, u32 count) {
  held_ |= value << held_bits_;
  held_bits_ += count;
  while (held_bits_ >= 8) {
    packed_.push_back(static_cast<u8>(held_));
    held_ >>= 8;
    held_bits_ -= 8;
  }
}

void Deflater::add(base::Bytes data) {
  while (!data.empty()) {
    const u64 count = std::min<u64>(data.size(), kBlockBytes - (data_.size() - start_));
    data_.append(data.first(count));
    data = data.subspan(count);
    if (data_.size() - start_ == kBlockBytes) block(false);
  }
}

void Deflater::finish() {
  block(true);
  if (held_bits_ > 0) bits(0, 8 - held_bits_);
  out_.put(packed_.span());
  packed_.clear();
}

void Deflater::insert(u64 at) {
  if (at + kMatchMin > data_.size()) return;
  i32& head = head_[hash_of(data_.data() + at)];
  previous_[at] = head;
  head = static_cast<i32>(at) + 1;  // 0: none
}

/// The longest earlier text that is the same as that at `at`; 0 when there is none of three bytes.
u32 Deflater::longest_match(u64 at, u32& distance) {
  const u64 room = std::min<u64>(data_.size() - at, kMatchMax);
  if (room < kMatchMin) return 0;
  u32 best = kMatchMin - 1;
  i32 place = head_[hash_of(data_.data() + at)];
  for (u32 tries = 0; place != 0 && tries < chain_max_; ++tries) {
    const u64 from = static_cast<u64>(place) - 1;
    if (at - from > kWindow) break;
    u32 length = 0;
    while (length < room && data_[from + length] == data_[at + length]) length += 1;
    work_ += length / 4 + 1;
    if (length > best) {
      best = length;
      distance = static_cast<u32>(at - from);
      if (length == room) break;
    }
    place = previous_[from];
  }
  return best >= kMatchMin ? best : 0;
}

void Deflater::find_symbols() {
  symbols_.clear();
  for (i32& each : head_) each = 0;
  previous_.clear();
  previous_.resize(data_.size());
  for (u64 at = 0; at < start_; ++at) insert(at);
  for (u64 at = start_; at < data_.size();) {
    u32 distance = 0;
    const u32 length = longest_match(at, distance);
    const u32 step = length == 0 ? 1 : length;
    symbols_.push_back({static_cast<u16>(length == 0 ? data_[at] : length), static_cast<u16>(distance)});
    for (u32 i = 0; i < step; ++i) insert(at + i);
    at += step;
  }
  work_ += data_.size();
}

/// The two codes' lengths, themselves in a code (§3.2.7); runs of zeros are shortened.
void Deflater::write_codes(std::span<const u8> literals, std::span<const u8> distances) {
  struct Run {
    u8 code;
    u8 extra;
    u8 extra_bits;
  };
  Run runs[kLiterals + kDistances];
  u32 run_count = 0;
  u32 frequency[19] = {};
  const auto length_at = [&](u32 i) { return i < literals.size() ? literals[i] : distances[i - literals.size()]; };
  const u32 total = static_cast<u32>(literals.size() + distances.size());
  for (u32 i = 0; i < total;) {
    u32 zeros = 0;
    while (i + zeros < total && length_at(i + zeros) == 0 && zeros < 138) zeros += 1;
    Run run{length_at(i), 0, 0};
    if (zeros >= 11) {
      run = {18, static_cast<u8>(zeros - 11), 7};
    } else if (zeros >= 3) {
      run = {17, static_cast<u8>(zeros - 3), 3};
    }
    i += zeros >= 3 ? zeros : 1;
    frequency[run.code] += 1;
    runs[run_count++] = run;
  }
  u8 lengths[19];
  u16 codes[19];
  code_lengths(frequency, 7, lengths);
  canonical(lengths, codes);
  u32 order_count = 19;
  while (order_count > 4 && lengths[kCodeOrder[order_count - 1]] == 0) order_count -= 1;
  bits(static_cast<u32>(literals.size()) - 257, 5);
  bits(static_cast<u32>(distances.size()) - 1, 5);
  bits(order_count - 4, 4);
  for (u32 i = 0; i < order_count; ++i) bits(lengths[kCodeOrder[i]], 3);
  for (u32 i = 0; i < run_count; ++i) {
    bits(codes[runs[i].code], lengths[runs[i].code]);
    if (runs[i].extra_bits != 0) bits(runs[i].extra, runs[i].extra_bits);
  }
}

void Deflater::block(bool last) {
  find_symbols();
  u32 literal_frequency[286] = {};
  u32 distance_frequency[kDistances] = {};
  literal_frequency[kEndOfBlock] = 1;
  for (const Symbol& symbol : symbols_) {
    if (symbol.distance == 0) {
      literal_frequency[symbol.literal_or_length] += 1;
    } else {
      literal_frequency[257 + length_code(symbol.literal_or_length)] += 1;
      distance_frequency[distance_code(symbol.distance)] += 1;
    }
  }
  u8 literals[286];
  u8 distances[kDistances];
  code_lengths(literal_frequency, kCodeBitsMax, literals);
  code_lengths(distance_frequency, kCodeBitsMax, distances);
  u32 distance_count = kDistances;
  while (distance_count > 1 && distances[distance_count - 1] == 0) distance_count -= 1;
  if (distances[0] == 0 && distance_count == 1) distances[0] = 1;  // one code at least, used or not
  u16 literal_codes[286];
  u16 distance_codes[kDistances];
  canonical(literals, literal_codes);
  canonical({distances, distance_count}, distance_codes);
  bits(last ? 1 : 0, 1);
  bits(2, 2);
  write_codes(literals, {distances, distance_count});
  for (const Symbol& symbol : symbols_) {
    if (symbol.distance == 0) {
      bits(literal_codes[symbol.literal_or_length], literals[symbol.literal_or_length]);
      continue;
    }
    const u32 length = length_code(symbol.literal_or_length);
    bits(literal_codes[257 + length], literals[257 + length]);
    bits(symbol.literal_or_length - u32{kLengthBase[length]}, kLengthExtra[length]);
    const u32 far = distance_code(symbol.distance);
    bits(distance_codes[far], distances[far]);
    bits(symbol.distance - u32{kDistanceBase[far]}, kDistanceExtra[far]);
  }
  bits(literal_codes[kEndOfBlock], literals[kEndOfBlock]);
  work_ += symbols_.size() * 2;
  out_.put(packed_.span());
  packed_.clear();
  // What the next block may refer to stays.
  const u64 keep = std::min<u64>(data_.size(), kWindow);
  data_.erase(0, data_.size() - keep);
  start_ = keep;
}

}  // namespace user
