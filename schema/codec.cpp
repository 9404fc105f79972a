// schema/codec.cpp — pointers of the wire format: what is the same for every type.
#include "schema/codec.h"

#include "base/enforce.h"

namespace schema {
namespace {

// A pointer is a 64-bit word; its low two bits are the kind. https://capnproto.org/encoding.html
enum PointerKind : u32 { kStructPointer = 0, kListPointer = 1, kFarPointer = 2, kOtherPointer = 3 };
enum ElementSize : u32 {
  kVoid = 0,
  kBit = 1,
  kByte = 2,
  kTwo = 3,
  kFour = 4,
  kEight = 5,
  kPointer = 6,
  kComposite = 7
};

constexpr u32 kElementDataBits[8] = {0, 1, 8, 16, 32, 64, 0, 0};
constexpr u64 kElementCountMax = (u64{1} << 29) - 1;  // 29 bits of a list pointer
constexpr u64 kZeroSizeStructPointer = 0xffff'fffc;   // offset −1: points at itself, so that it is not null

u32 kind_of(u64 pointer) { return static_cast<u32>(pointer & 3); }
/// Signed, in words, from the word after the pointer.
i64 offset_of(u64 pointer) { return static_cast<i32>(static_cast<u32>(pointer)) >> 2; }
u32 data_words_of(u64 pointer) { return static_cast<u32>(pointer >> 32 & 0xffff); }
u32 pointer_words_of(u64 pointer) { return static_cast<u32>(pointer >> 48); }
u32 element_size_of(u64 pointer) { return static_cast<u32>(pointer >> 32 & 7); }
u32 element_count_of(u64 pointer) { return static_cast<u32>(pointer >> 35); }

u64 words_of_bits(u64 bits) { return (bits + 63) / 64; }

}  // namespace

std::string_view name_of(DecodeCode code) {
  switch (code) {
    case DecodeCode::None: return "no error";
    case DecodeCode::BadLength: return "bad length";
    case DecodeCode::OutOfBounds: return "pointer out of bounds";
    case DecodeCode::WrongPointerKind: return "wrong kind of pointer";
    case DecodeCode::FarPointer: return "far pointer";
    case DecodeCode::BadElementSize: return "bad element size";
    case DecodeCode::BadListTag: return "bad list tag";
    case DecodeCode::TextNotTerminated: return "text not terminated";
    case DecodeCode::BadCapability: return "bad capability index";
    case DecodeCode::TooDeep: return "nested too deeply";
    case DecodeCode::TooMuchTraversal: return "larger than its words";
  }
  return "unknown";
}

std::string_view name_of(EncodeCode code) {
  switch (code) {
    case EncodeCode::None: return "no error";
    case EncodeCode::NoSpace: return "message too large";
    case EncodeCode::TooLong: return "list too long";
    case EncodeCode::BadCapability: return "bad capability index";
    case EncodeCode::TooDeep: return "nested too deeply";
    case EncodeCode::Overlap: return "value lies in the output";
  }
  return "unknown";
}

// ── Decoder ──────────────────────────────────────────────────────────────────────────────────────────────────

Decoder::Decoder(base::Bytes message) : bytes_(message.data()) {
  const u64 words = message.size() / kWordBytes;
  if (message.size() % kWordBytes != 0 || words == 0 || words > kSegmentWordsMax) {
    fail(DecodeCode::BadLength, 0);
    return;
  }
  words_ = static_cast<u32>(words);
  visited_ = 1;  // the root pointer
}

void Decoder::fail(DecodeCode code, u32 word) {
  if (!failed()) error_ = {code, word};
}

void Decoder::charge(u64 words, u32 pointer_word) {
  const u64 limit = u64{words_} + kTraversalSlackWords;
  ASSERT(visited_ <= limit);
  if (words > limit - visited_) return fail(DecodeCode::TooMuchTraversal, pointer_word);
  visited_ += static_cast<u32>(words);
}

bool Decoder::target_of(u32 pointer_word, u64 words, u32* target) {
  const i64 first = i64{pointer_word} + 1 + offset_of(load(pointer_word));
  if (first < 0 || first > i64{words_} || words > words_ - static_cast<u64>(first)) {
    fail(DecodeCode::OutOfBounds, pointer_word);
    return false;
  }
  *target = static_cast<u32>(first);
  return true;
}

StructView Decoder::struct_at(u32 pointer_word) {
  if (failed()) return {};
  const u64 pointer = load(pointer_word);
  if (pointer == 0) return {};
  if (kind_of(pointer) != kStructPointer) {
    fail(kind_of(pointer) == kFarPointer ? DecodeCode::FarPointer : DecodeCode::WrongPointerKind, pointer_word);
    return {};
  }
  const u32 data_words = data_words_of(pointer);
  const u32 pointer_words = pointer_words_of(pointer);
  u32 target = 0;
  if (!target_of(pointer_word, u64{data_words} + pointer_words, &target)) return {};
  charge(u64{data_words} + pointer_words, pointer_word);
  if (failed()) return {};
  return {target * kWordBytes, data_words * kWordBytes, target + data_words, pointer_words};
}

ListView Decoder::list_at(u32 pointer_word, u32 data_bits, u32 pointer_count) {
  if (failed()) return {};
  const u64 pointer = load(pointer_word);
  if (pointer == 0) return {};
  if (kind_of(pointer) != kListPointer) {
    fail(kind_of(pointer) == kFarPointer ? DecodeCode::FarPointer : DecodeCode::WrongPointerKind, pointer_word);
    return {};
  }
  const u32 size = element_size_of(pointer);
  ListView view;
  u32 target = 0;
  if (size == kComposite) {
    const u64 content_words = element_count_of(pointer);
    if (!target_of(pointer_word, content_words + 1, &target)) return {};
    const u64 tag = load(target);
    const u32 count = static_cast<u32>(tag) >> 2;
    const u64 element_words = u64{data_words_of(tag)} + pointer_words_of(tag);
    if (kind_of(tag) != kStructPointer || count * element_words > content_words) {  // < 2^30 × 2^17
      fail(DecodeCode::BadListTag, target);
      return {};
    }
    charge(content_words + 1, pointer_word);
    if (element_words == 0) charge(count, pointer_word);
    view = {(target + 1) * kWordBytes, count, static_cast<u32>(element_words) * 64, data_words_of(tag) * 64,
            pointer_words_of(tag)};
    if (data_bits == 1) fail(DecodeCode::BadElementSize, pointer_word);  // structs where bits are expected
  } else {
    const u32 pointers = size == kPointer ? 1 : 0;
    const u32 step_bits = kElementDataBits[size] + pointers * 64;
    const u32 count = element_count_of(pointer);
    const u64 words = words_of_bits(u64{count} * step_bits);
    if (!target_of(pointer_word, words, &target)) return {};
    charge(words, pointer_word);
    if (step_bits == 0) charge(count, pointer_word);
    view = {target * kWordBytes, count, step_bits, kElementDataBits[size], pointers};
    // Bits are the one kind that is not also a struct with one field: neither side of a list may turn into them.
    if ((size == kBit) != (data_bits == 1)) fail(DecodeCode::BadElementSize, pointer_word);
  }
  if (view.data_bits < data_bits || view.pointer_count < pointer_count) fail(DecodeCode::BadElementSize, pointer_word);
  if (failed()) return {};
  return view;
}

base::Bytes Decoder::data_at(u32 pointer_word) {
  if (failed()) return {};
  const u64 pointer = load(pointer_word);
  if (pointer == 0) return {};
  if (kind_of(pointer) == kListPointer && element_size_of(pointer) != kByte) {
    fail(DecodeCode::BadElementSize, pointer_word);
    return {};
  }
  const ListView view = list_at(pointer_word, 8, 0);
  if (failed()) return {};
  return {bytes_ + view.first_byte, view.count};
}

std::string_view Decoder::text_at(u32 pointer_word) {
  if (failed() || load(pointer_word) == 0) return {};
  const base::Bytes bytes = data_at(pointer_word);
  if (failed()) return {};
  if (bytes.empty() || bytes.back() != 0) {
    fail(DecodeCode::TextNotTerminated, pointer_word);
    return {};
  }
  return base::text_of(bytes.first(bytes.size() - 1));
}

CapIndex Decoder::capability_at(u32 pointer_word) {
  if (failed()) return {};
  const u64 pointer = load(pointer_word);
  if (pointer == 0) return {};
  if (kind_of(pointer) != kOtherPointer) {
    fail(kind_of(pointer) == kFarPointer ? DecodeCode::FarPointer : DecodeCode::WrongPointerKind, pointer_word);
    return {};
  }
  const u32 index = static_cast<u32>(pointer >> 32);
  if (static_cast<u32>(pointer) != kOtherPointer || index >= kernel::kMessageCapsMax) {
    fail(DecodeCode::BadCapability, pointer_word);
    return {};
  }
  return CapIndex::of(index);
}

// ── Encoder ──────────────────────────────────────────────────────────────────────────────────────────────────

Encoder::Encoder(base::MutableBytes out) : bytes_(out.data()) {
  const u64 words = out.size() / kWordBytes;
  words_ = static_cast<u32>(words < kSegmentWordsMax ? words : kSegmentWordsMax);
}

void Encoder::fail(EncodeCode code) {
  if (!failed()) error_ = {code, used_};
}

bool Encoder::allocate(u64 words, u32* first) {
  if (failed()) return false;
  if (words > words_ - used_) {
    fail(EncodeCode::NoSpace);
    return false;
  }
  if (first != nullptr) *first = used_;
  if (words > 0) __builtin_memset(at(used_), 0, words * kWordBytes);  // M3
  used_ += static_cast<u32>(words);
  return true;
}

/// Low 32 bits of a pointer: kind and the distance from the word after it. Objects follow their pointers.
static u64 pointer_to(u32 pointer_word, u32 target, u32 kind) {
  ASSERT(target > pointer_word);
  return u64{target - pointer_word - 1} << 2 | kind;
}

bool Encoder::allocate_struct(u32 pointer_word, u32 data_words, u32 pointer_words, StructSlot* slot) {
  u32 first = 0;
  if (!allocate(u64{data_words} + pointer_words, &first)) return false;
  u64 pointer = kZeroSizeStructPointer;
  if (data_words + pointer_words > 0) {
    pointer = pointer_to(pointer_word, first, kStructPointer) | u64{data_words} << 32 | u64{pointer_words} << 48;
  }
  base::store_le64(at(pointer_word), pointer);
  *slot = {first, first + data_words};
  return true;
}

bool Encoder::allocate_list(u32 pointer_word, u32 element_bits, bool pointers, u64 count, u32* first) {
  if (count > kElementCountMax) {
    fail(EncodeCode::TooLong);
    return false;
  }
  if (!allocate(words_of_bits(count * element_bits), first)) return false;
  u32 size = kVoid;
  switch (element_bits) {
    case 1: size = kBit; break;
    case 8: size = kByte; break;
    case 16: size = kTwo; break;
    case 32: size = kFour; break;
    case 64: size = pointers ? kPointer : kEight; break;
    default: UNREACHABLE("elements have one of the sizes of the format");
  }
  base::store_le64(at(pointer_word), pointer_to(pointer_word, *first, kListPointer) | u64{size} << 32 | count << 35);
  return true;
}

bool Encoder::allocate_struct_list(u32 pointer_word, u32 data_words, u32 pointer_words, u64 count, u32* first) {
  const u64 content_words = count * (u64{data_words} + pointer_words);  // < 2^32 × 2^17
  if (count > kElementCountMax || content_words > kElementCountMax) {
    fail(EncodeCode::TooLong);
    return false;
  }
  u32 tag = 0;
  if (!allocate(content_words + 1, &tag)) return false;
  const u64 list = pointer_to(pointer_word, tag, kListPointer) | u64{kComposite} << 32 | content_words << 35;
  base::store_le64(at(pointer_word), list);
  base::store_le64(at(tag), count << 2 | u64{data_words} << 32 | u64{pointer_words} << 48);
  *first = tag + 1;
  return true;
}

void Encoder::text_at(u32 pointer_word, std::string_view value) {
  if (failed() || value.empty()) return;  // empty is null: shorter, and reads the same
  const base::Bytes bytes = base::bytes_of(value);
  if (overlaps(bytes)) return fail(EncodeCode::Overlap);
  u32 first = 0;
  if (!allocate_list(pointer_word, 8, false, u64{bytes.size()} + 1, &first)) return;  // the NUL counts; it is zeroed
  __builtin_memcpy(at(first), bytes.data(), bytes.size());
}

void Encoder::data_at(u32 pointer_word, base::Bytes value) {
  if (failed() || value.empty()) return;
  if (overlaps(value)) return fail(EncodeCode::Overlap);
  u32 first = 0;
  if (!allocate_list(pointer_word, 8, false, value.size(), &first)) return;
  __builtin_memcpy(at(first), value.data(), value.size());
}

void Encoder::capability_at(u32 pointer_word, CapIndex value) {
  if (failed() || !value.present) return;
  if (value.index >= kernel::kMessageCapsMax) return fail(EncodeCode::BadCapability);
  base::store_le64(at(pointer_word), u64{value.index} << 32 | kOtherPointer);
}

bool Encoder::overlaps(base::Bytes bytes) const {
  const u64 begin = reinterpret_cast<u64>(bytes.data());  // det-ok: whether it lies inside
  const u64 out = reinterpret_cast<u64>(bytes_);          // det-ok: whether it lies inside
  return begin < out + u64{words_} * kWordBytes && out < begin + bytes.size();
}

}  // namespace schema
