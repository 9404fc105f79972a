// schema/codec.h — Cap'n Proto messages as plain values: one bare segment, word 0 is the root pointer, as it lies in the
// IPC buffer. `decode` checks a whole message and gives a struct of scalars and views into it; `encode` lays a struct
// out in preorder. The per-type halves, `read_fields` and `write_fields`, are generated from *.capnp.
// Source      https://capnproto.org/encoding.html; libcapnp 0.9.2 accepts and refuses the same messages, but for our
//             bounds and for far pointers, which a single segment never needs.
// Bounds      kNestingMax levels; words visited ≤ words of the message + kTraversalSlackWords.
// Invariants  M1 no byte outside the message is read, whatever it contains.  M2 a view handed out lies in the message.
//             M3 every word of an encoded message is written: padding is zero.
// Tested by   tests/schema/ (twin: libcapnp; mutations between guard pages).
#pragma once
#include <span>
#include <string_view>
#include <type_traits>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/types.h"
#include "kernel-model/abi.h"

namespace schema {

constexpr u32 kWordBytes = 8;
constexpr u32 kMessageBytesMax = kernel::kMessageWordsMax * kWordBytes;  // 8064, what one kernel message carries
constexpr u32 kSegmentWordsMax = u32{1} << 28;  // so that byte offsets fit u32; offsets on the wire reach 2^29 words
constexpr u32 kNestingMax = 16;                 // structs in lists in structs…; bounds the stack of both directions
constexpr u32 kTraversalSlackWords = 64;        // elements of no size cost a word each and may come on top

/// What the client runtime may repeat after a server restart: `$retry("…")` of a method.
enum class Retry : u8 { Never, Always, UnlessExclusive, ExplicitOffset };

/// A field of interface type: the index of one of the capabilities transferred with the message.
struct CapIndex {
  u32 index = 0;         // < kernel::kMessageCapsMax
  bool present = false;  // false: the pointer is null

  static constexpr CapIndex of(u32 index) { return {index, true}; }
  friend bool operator==(const CapIndex&, const CapIndex&) = default;
};

enum class DecodeCode : u8 {
  None,
  BadLength,          // no whole words, no word at all, or more than kSegmentWordsMax
  OutOfBounds,        // a pointer leads out of the message
  WrongPointerKind,   // struct, list and capability pointers mixed up
  FarPointer,         // only messages of several segments have them
  BadElementSize,     // elements too small for the type, or bits against anything else
  BadListTag,         // the tag of a struct list is no struct pointer, or counts more elements than there are words
  TextNotTerminated,  // no NUL at the end
  BadCapability,      // index beyond kernel::kMessageCapsMax, or an unknown kind of pointer
  TooDeep,            // more than kNestingMax
  TooMuchTraversal,   // overlapping objects, or elements without size, that pretend to be a larger message
};
/// Why a message was refused. `word_offset` is the word of the offending pointer, or 0.
struct DecodeError {
  DecodeCode code = DecodeCode::None;
  u32 word_offset = 0;
  friend bool operator==(const DecodeError&, const DecodeError&) = default;
};

enum class EncodeCode : u8 {
  None,
  NoSpace,        // the output is too small; its content is undefined
  TooLong,        // a list of more than 2^29 − 1 elements or words
  BadCapability,  // index beyond kernel::kMessageCapsMax
  TooDeep,        // more than kNestingMax: we would refuse to read it back
  Overlap,        // a text, data or list of the value lies in the output: it would be overwritten while it is copied
};
/// Why a value was not encoded. `word_offset` is how far the message had grown.
struct EncodeError {
  EncodeCode code = EncodeCode::None;
  u32 word_offset = 0;
  friend bool operator==(const EncodeError&, const EncodeError&) = default;
};

std::string_view name_of(DecodeCode code);
std::string_view name_of(EncodeCode code);

/// Where a struct lies in a message: its data section, then its pointers. Missing sections have size 0 and every field
/// in them its default; that is how older and newer versions of a schema understand each other.
struct StructView {
  u32 data_byte = 0;
  u32 data_bytes = 0;
  u32 pointer_word = 0;
  u32 pointer_count = 0;
};

/// Where a list lies in a message. Elements have a data part and pointers, like structs.
struct ListView {
  u32 first_byte = 0;
  u32 count = 0;
  u32 step_bits = 0;
  u32 data_bits = 0;
  u32 pointer_count = 0;
};

/// A struct being encoded: the words of its two sections.
struct StructSlot {
  u32 data_word = 0;
  u32 pointer_word = 0;
};

template <class T>
concept Scalar = std::is_integral_v<T> || std::is_enum_v<T>;
template <class T>
concept PointerElement =
    std::is_same_v<T, std::string_view> || std::is_same_v<T, base::Bytes> || std::is_same_v<T, CapIndex>;
/// A generated struct.
template <class T>
concept Message = requires {
  T::kDataWords;
  T::kPointerWords;
};

/// A generated enum as the number on the wire, an integer as itself.
template <Scalar T>
struct WireOf {
  using Type = T;
};
template <Scalar T>
  requires std::is_enum_v<T>
struct WireOf<T> {
  using Type = std::underlying_type_t<T>;
};

template <class T>
class List;

/// Reads one message. The first error sticks; after it every read gives a default, and the caller asks once at the end.
class Decoder {
 public:
  /// `message` must stay where it is as long as any view of it is used.
  explicit Decoder(base::Bytes message);

  bool failed() const { return error_.code != DecodeCode::None; }
  DecodeError error() const { return error_; }
  /// Words charged so far: at most the message's plus kTraversalSlackWords.
  u32 words_visited() const { return visited_; }

  /// The root struct; a null root reads as the defaults.
  template <class T>
  void root(T& out) {
    StructView view;
    if (!failed()) view = struct_at(0);
    read_nested(view, out);
  }

  /// The integer or enum at `byte_offset` of the data section; `mask` is its default, with which the wire is XORed.
  template <Scalar T>
  T scalar(const StructView& view, u32 byte_offset, T mask = {}) const {
    using Wire = typename WireOf<T>::Type;
    if (u64{byte_offset} + sizeof(Wire) > view.data_bytes) return mask;
    const Wire wire = base::load_le<Wire>(bytes_ + view.data_byte + byte_offset);
    return static_cast<T>(static_cast<Wire>(wire ^ static_cast<Wire>(mask)));
  }
  bool flag(const StructView& view, u32 bit_offset, bool mask = false) const {
    if (bit_offset / 8 >= view.data_bytes) return mask;
    return ((bytes_[view.data_byte + bit_offset / 8] >> (bit_offset % 8) & 1) != 0) != mask;
  }
  std::string_view text(const StructView& view, u32 pointer) {
    return pointer < view.pointer_count ? text_at(view.pointer_word + pointer) : std::string_view{};
  }
  base::Bytes data(const StructView& view, u32 pointer) {
    return pointer < view.pointer_count ? data_at(view.pointer_word + pointer) : base::Bytes{};
  }
  CapIndex capability(const StructView& view, u32 pointer) {
    return pointer < view.pointer_count ? capability_at(view.pointer_word + pointer) : CapIndex{};
  }
  template <class T>
  void structure(const StructView& view, u32 pointer, T& out) {
    StructView inner;
    if (pointer < view.pointer_count) inner = struct_at(view.pointer_word + pointer);
    read_nested(inner, out);
  }
  /// The list, every element of it checked.
  template <class T>
  List<T> list(const StructView& view, u32 pointer);

  /// Element `i` (< view.count) of a list whose shape was checked.
  template <class T>
  T element(const ListView& view, u32 i) {
    const u64 bit = u64{view.first_byte} * 8 + u64{i} * view.step_bits;
    if constexpr (std::is_same_v<T, bool>) {
      return (bytes_[bit / 8] >> (bit % 8) & 1) != 0;
    } else if constexpr (Scalar<T>) {
      return scalar<T>({static_cast<u32>(bit / 8), view.data_bits / 8, 0, 0}, 0);
    } else {
      const u32 byte = static_cast<u32>(bit / 8);
      const StructView inner{byte, view.data_bits / 8, (byte + view.data_bits / 8) / kWordBytes, view.pointer_count};
      if constexpr (std::is_same_v<T, std::string_view>) {
        return text(inner, 0);
      } else if constexpr (std::is_same_v<T, base::Bytes>) {
        return data(inner, 0);
      } else if constexpr (std::is_same_v<T, CapIndex>) {
        return capability(inner, 0);
      } else {
        T out{};
        read_nested(inner, out);
        return out;
      }
    }
  }

 private:
  void fail(DecodeCode code, u32 word);
  void charge(u64 words, u32 pointer_word);
  StructView struct_at(u32 pointer_word);
  std::string_view text_at(u32 pointer_word);
  base::Bytes data_at(u32 pointer_word);
  CapIndex capability_at(u32 pointer_word);
  /// `data_bits` and `pointer_count`: what an element must have at least; both 0 for structs.
  ListView list_at(u32 pointer_word, u32 data_bits, u32 pointer_count);
  u64 load(u32 word) const { return base::load_le64(bytes_ + u64{word} * kWordBytes); }
  /// The first of the `words` a struct or list pointer leads to; false, with the error set, if they are not all there.
  bool target_of(u32 pointer_word, u64 words, u32* target);

  template <class T>
  void read_nested(const StructView& view, T& out) {
    if (failed()) return;
    if (depth_ == kNestingMax) return fail(DecodeCode::TooDeep, view.pointer_word);
    depth_ += 1;
    read_fields(*this, view, out);
    depth_ -= 1;
  }

  const u8* bytes_ = nullptr;
  u32 words_ = 0;
  u32 visited_ = 0;
  u32 depth_ = 0;
  DecodeError error_;
};

/// A list field. After `decode` it is a view of the message, and reading an element cannot fail; for `encode` it is
/// made from a span. Elements come by value. A message changed under a view never makes it read outside: an element that
/// no longer holds up reads as the default.
template <class T>
class List {
 public:
  List() = default;
  /// A list for `encode`: whatever a std::span<const T> can be made from. The elements must outlive the list.
  template <class Range>
    requires(!std::is_same_v<std::remove_cvref_t<Range>, List> && std::is_convertible_v<Range&&, std::span<const T>>)
  List(Range&& range) {  // NOLINT: implicit on purpose, the field takes a span
    const std::span<const T> values = range;
    ASSERT(values.size() <= ~u32{0});
    values_ = values.data();
    count_ = static_cast<u32>(values.size());
  }
  List(base::Bytes message, const ListView& view) : message_(message), view_(view), count_(view.count) {}

  u32 size() const { return count_; }
  bool empty() const { return count_ == 0; }
  T operator[](u32 i) const {
    ASSERT(i < count_);
    if (values_ != nullptr) return values_[i];
    Decoder decoder(message_);
    return decoder.template element<T>(view_, i);
  }

  class Iterator {
   public:
    Iterator(const List* list, u32 i) : list_(list), i_(i) {}
    T operator*() const { return (*list_)[i_]; }
    Iterator& operator++() {
      i_ += 1;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const List* list_;
    u32 i_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, count_}; }

  /// Where the elements or their descriptors lie; the encoder refuses to write over them.
  base::Bytes storage() const {
    if (values_ == nullptr) return message_;
    return {reinterpret_cast<const u8*>(values_), count_ * sizeof(T)};
  }

 private:
  const T* values_ = nullptr;
  base::Bytes message_;
  ListView view_;
  u32 count_ = 0;
};

template <class T>
List<T> Decoder::list(const StructView& view, u32 pointer) {
  if (failed() || pointer >= view.pointer_count) return {};
  u32 data_bits = 0;
  if constexpr (std::is_same_v<T, bool>) {
    data_bits = 1;
  } else if constexpr (Scalar<T>) {
    data_bits = sizeof(T) * 8;
  }
  const ListView found = list_at(view.pointer_word + pointer, data_bits, PointerElement<T> ? 1 : 0);
  if constexpr (!Scalar<T>) {
    for (u32 i = 0; i < found.count && !failed(); ++i) static_cast<void>(element<T>(found, i));  // charged: bounded
  }
  if (failed() || found.count == 0) return {};
  return List<T>(base::Bytes{bytes_, u64{words_} * kWordBytes}, found);
}

/// Writes one message, objects in preorder. The first error sticks.
class Encoder {
 public:
  /// Only whole words of `out` are used.
  explicit Encoder(base::MutableBytes out);

  bool failed() const { return error_.code != EncodeCode::None; }
  EncodeError error() const { return error_; }
  u32 words_used() const { return used_; }

  template <Message T>
  void root(const T& value) {
    if (allocate(1, nullptr)) structure_at(0, value);
  }

  template <Scalar T>
  void scalar(const StructSlot& slot, u32 byte_offset, T value, T mask = {}) {
    using Wire = typename WireOf<T>::Type;
    const Wire wire = static_cast<Wire>(static_cast<Wire>(value) ^ static_cast<Wire>(mask));
    base::store_le<Wire>(at(slot.data_word) + byte_offset, wire);
  }
  void flag(const StructSlot& slot, u32 bit_offset, bool value, bool mask = false) {
    if (value != mask) set_bit(slot.data_word, bit_offset);
  }
  void text(const StructSlot& slot, u32 pointer, std::string_view value) {
    text_at(slot.pointer_word + pointer, value);
  }
  void data(const StructSlot& slot, u32 pointer, base::Bytes value) { data_at(slot.pointer_word + pointer, value); }
  void capability(const StructSlot& slot, u32 pointer, CapIndex value) {
    capability_at(slot.pointer_word + pointer, value);
  }
  template <class T>
  void structure(const StructSlot& slot, u32 pointer, const T& value) {
    structure_at(slot.pointer_word + pointer, value);
  }
  template <class T>
  void list(const StructSlot& slot, u32 pointer, const List<T>& value) {
    if (failed() || value.empty()) return;  // empty is null: shorter, and reads the same
    const u32 pointer_word = slot.pointer_word + pointer;
    if (overlaps(value.storage())) return fail(EncodeCode::Overlap);
    if constexpr (Message<T>) {
      struct_list_at(pointer_word, value);
    } else {
      constexpr u32 kElementBits = element_bits<T>();
      u32 first = 0;
      if (!allocate_list(pointer_word, kElementBits, PointerElement<T>, value.size(), &first)) return;
      for (u32 i = 0; i < value.size() && !failed(); ++i) {
        const T element = value[i];
        if constexpr (std::is_same_v<T, bool>) {
          if (element) set_bit(first, i);
        } else if constexpr (Scalar<T>) {
          base::store_le(at(first) + u64{i} * sizeof(T), element);
        } else if constexpr (std::is_same_v<T, std::string_view>) {
          text_at(first + i, element);
        } else if constexpr (std::is_same_v<T, base::Bytes>) {
          data_at(first + i, element);
        } else {
          capability_at(first + i, element);
        }
      }
    }
  }

 private:
  template <class T>
  static constexpr u32 element_bits() {
    if constexpr (std::is_same_v<T, bool>) {
      return 1;
    } else if constexpr (PointerElement<T>) {
      return 64;
    } else {
      return sizeof(T) * 8;
    }
  }
  void fail(EncodeCode code);
  /// Takes `words` zeroed words; `first` may be null.
  bool allocate(u64 words, u32* first);
  bool allocate_struct(u32 pointer_word, u32 data_words, u32 pointer_words, StructSlot* slot);
  bool allocate_list(u32 pointer_word, u32 element_bits, bool pointers, u64 count, u32* first);
  bool allocate_struct_list(u32 pointer_word, u32 data_words, u32 pointer_words, u64 count, u32* first);
  void text_at(u32 pointer_word, std::string_view value);
  void data_at(u32 pointer_word, base::Bytes value);
  void capability_at(u32 pointer_word, CapIndex value);
  bool overlaps(base::Bytes bytes) const;
  u8* at(u32 word) { return bytes_ + u64{word} * kWordBytes; }
  void set_bit(u32 word, u32 bit) {
    u8* const byte = at(word) + bit / 8;
    *byte = static_cast<u8>(*byte | u32{1} << (bit % 8));
  }

  template <class T>
  void write_nested(const StructSlot& slot, const T& value) {
    if (depth_ == kNestingMax) return fail(EncodeCode::TooDeep);
    depth_ += 1;
    write_fields(*this, slot, value);
    depth_ -= 1;
  }
  template <class T>
  void structure_at(u32 pointer_word, const T& value) {
    StructSlot slot;
    if (allocate_struct(pointer_word, T::kDataWords, T::kPointerWords, &slot)) write_nested(slot, value);
  }
  template <class T>
  void struct_list_at(u32 pointer_word, const List<T>& value) {
    u32 first = 0;
    if (!allocate_struct_list(pointer_word, T::kDataWords, T::kPointerWords, value.size(), &first)) return;
    for (u32 i = 0; i < value.size() && !failed(); ++i) {
      const u32 word = first + i * (T::kDataWords + T::kPointerWords);
      write_nested({word, word + T::kDataWords}, value[i]);
    }
  }

  u8* bytes_ = nullptr;
  u32 words_ = 0;
  u32 used_ = 0;
  u32 depth_ = 0;
  EncodeError error_;
};

/// The message as a value; texts, data and lists in it are views of `message`. Everything in the message that the
/// schema knows is checked here. A null root gives the defaults.
/// Errors: see DecodeCode. Never reads outside `message`; visits at most its words plus kTraversalSlackWords.
template <Message T>
base::Result<T, DecodeError> decode(base::Bytes message) {
  Decoder decoder(message);
  T value{};
  decoder.root(value);
  if (decoder.failed()) return decoder.error();
  return value;
}

/// Lays `value` out in `out` and gives the bytes used, a multiple of 8. Nothing `value` refers to may lie in `out`.
/// Errors: see EncodeCode; then the content of `out` is undefined and must not be sent.
template <Message T>
base::Result<u32, EncodeError> encode(const T& value, base::MutableBytes out) {
  Encoder encoder(out);
  encoder.root(value);
  if (encoder.failed()) return encoder.error();
  return encoder.words_used() * kWordBytes;
}

/// The message label of a request: method ordinal in bits 0–15, low 32 bits of the interface id above.
template <class Method>
constexpr u64 label_of() {
  return u64{Method::kOrdinal} | (Method::kInterfaceId & 0xffff'ffffu) << 16;
}
/// The two halves of a label.
constexpr u16 ordinal_of_label(u64 label) { return static_cast<u16>(label); }
constexpr u32 interface_of_label(u64 label) { return static_cast<u32>(label >> 16); }

/// The methods of an interface by ordinal, for code that is generic over them.
template <class... M>
struct MethodList {
  static constexpr u32 kCount = sizeof...(M);
};

}  // namespace schema
