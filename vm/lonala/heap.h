// vm/lonala/heap.h — making values in the heap of the running process, deep copies, and the collector.
// Nothing moves while C++ code runs: what no longer fits the block goes to fragments, and objects move only at a function
// entry, where the registers of the stack are all the roots there are.
// Invariants  H1 every word of the stack between the running frame and the block's end is a valid term.
//             H2 an object of a process refers to that process's heap, to literals, or to immediates only.
#pragma once
#include <initializer_list>
#include <string_view>

#include "vm/lonala/atoms.h"
#include "vm/lonala/machine.h"
#include "vm/lonala/memory.h"

namespace lonala {

/// Objects of at most this many words may be taken without asking for room before.
constexpr u64 kSmallWordsMax = 64;

u64* heap_take_slow(Vm& vm, u64 words);
/// Space for an object. Asking for more than kSmallWordsMax words needs `heap_room` before. When memory is exhausted the
/// object lands in a place where it does no harm, and the process is ended at its next safepoint.
inline u64* heap_take(Vm& vm, u64 words) {
  Process& process = *vm.process;
  const u64 at = process.hp;
  if (words * 8 <= process.limit - at) {
    process.hp = at + words * 8;
    return vm.words(at);
  }
  return heap_take_slow(vm, words);
}
/// Makes sure that `words` can be taken at once; false when they cannot be had.
bool heap_room(Vm& vm, u64 words);
/// Whether an allocation failed since the last safepoint: loops that allocate give up then.
inline bool heap_failed(const Vm& vm) { return (vm.process->flags & kOutOfMemory) != 0; }

inline Term make_pair(Vm& vm, Term first, Term rest) {
  u64* pair = heap_take(vm, 2);
  pair[0] = first;
  pair[1] = rest;
  return refer(vm.offset(pair), Tag::Pair);
}
/// An object of `words` terms or bytes after its header, contents unset; kRaised (`:oom`) when there is no room.
Term make_object(Vm& vm, Type type, u64 words, u64 flags = 0, u64 aux = 0);
Term make_tuple(Vm& vm, std::initializer_list<Term> elements);
/// A string of valid UTF-8.
Term make_string(Vm& vm, std::string_view text);
/// A string whose bytes are still to be written: pointer by `string_bytes`.
Term make_string_space(Vm& vm, u64 byte_count, u64 character_count, bool ascii);
inline char* string_bytes(const Vm& vm, Term string) { return reinterpret_cast<char*>(vm.object(string) + 3); }
inline std::string_view string_text(const Vm& vm, Term string) {
  return {string_bytes(vm, string), vm.object(string)[1]};
}
inline u64 string_count(const Vm& vm, Term string) { return vm.object(string)[2]; }
inline bool string_is_ascii(const Vm& vm, Term string) { return (flags_of_header(vm.object(string)[0]) & kAscii) != 0; }
Term make_list(Vm& vm, std::initializer_list<Term> elements);
/// Reverses a list onto `onto`.
Term reverse_list(Vm& vm, Term list, Term onto = kEmptyList);
/// Elements of a proper list.
u64 list_length(const Vm& vm, Term list);

/// Whether bytebufs may be copied, which belong to one process.
enum class Bytebufs : u8 { Copied, Refused };
/// The copy into the literal area, for constants. kNone when memory is exhausted.
Term copy_to_literals(Vm& vm, Term term);
/// The copy into fragments of its own, for messages: the first fragment is stored in `fragments` (0: none was needed). kNone when memory
/// is exhausted, kUnbound when it contains a bytebuf that is refused.
/// With `block_of`, a process that waits: what is plain (copy.h) goes to the free part of its block if it fits there, at its `hp`.
Term copy_to_fragment(Vm& vm, Term term, u64& fragments, Bytebufs bytebufs = Bytebufs::Copied,
                      Process* block_of = nullptr);

void fragments_release(Vm& vm, u64 first);
/// A process takes over the fragments of a message.
void fragments_adopt(Vm& vm, Process& process, u64 first);
/// Collects the running process so that its block has room for `need_bytes` more. False: memory is exhausted, or the limit of the
/// process is passed (kOutOfMemory is set then).
bool collect(Vm& vm, u64 need_bytes);
/// A full collection of a process that does not run. False if it cannot be collected now, or there is no memory to do so.
bool collect_waiting(Vm& vm, Process& process);
/// Gives the process a larger block without moving any object; for the time that C++ code holds terms.
bool grow_in_place(Vm& vm, u64 need_bytes);
/// A block for the heap of a process, if need be by collecting others; 0 when memory is exhausted.
u64 heap_acquire(Vm& vm, u64 bytes, PageUse use);
/// The block size, in bytes, that a process of that many bytes gets.
u64 heap_block_bytes(u64 bytes);
/// Frees the heap of a process that ends.
void heap_release(Vm& vm, Process& process);
/// What few processes need, made if need be; null when memory is exhausted.
RareRecord* rare_record(Vm& vm, Process& process);
/// Charges the running process: beyond its slice the work is paid for before it goes on, a slice at a time.
inline void charge(Vm& vm, u64 reductions) {
  if (vm.process != nullptr) vm.process->fuel -= static_cast<i64>(reductions);
}
constexpr u64 kWordsPerReduction = 16;  // visited or copied
constexpr u64 kBytesPerReduction = 64;  // of text and binaries
constexpr u64 kLimbProductsPerReduction = 8;
constexpr u64 kCharactersPerReduction = 4;    // read
constexpr u64 kInstructionsPerReduction = 2;  // compiled
/// Counts the words that a piece of work looks at, and charges them at its end.
class Visited {
 public:
  explicit Visited(Vm& vm) : vm_(vm) {}
  Visited(const Visited&) = delete;
  ~Visited() { charge(vm_, words / kWordsPerReduction); }
  u64 words = 0;

 private:
  Vm& vm_;
};
/// The next function entry shall look at the process.
inline void hold_fuel(Process& process) {
  if (process.fuel <= 0) return;
  process.fuel_held += process.fuel;
  process.fuel = 0;
}

// ── Work lists of C++ code, outside the heap ─────────────────────────────────────────────────────────────────

/// The memory of an array between two calls that work with it (work.h); zeroes: none yet.
struct Kept {
  u64 offset;
  u64 count;
  u64 bytes;
};

/// A growing array for the duration of one call. `failed()` once memory ran out; later pushes are dropped.
template <class T>
class Scratch {
 public:
  explicit Scratch(Vm& vm) : vm_(vm) {}
  /// Goes on with what was kept, and keeps it again at the end.
  Scratch(Vm& vm, Kept& kept)
      : vm_(vm),
        kept_(&kept),
        data_(kept.offset == 0 ? nullptr : vm.at<T>(kept.offset)),
        offset_(kept.offset),
        count_(kept.count),
        capacity_(kept.bytes / sizeof(T)) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (kept_ != nullptr) {
      *kept_ = {offset_, count_, capacity_ * sizeof(T)};
    } else if (offset_ != 0) {
      block_release(vm_, offset_, capacity_ * sizeof(T), PageUse::Table);
    }
  }
  bool push(const T& value) {
    if (count_ == capacity_ && !grow()) return false;
    data_[count_] = value;
    count_ += 1;
    return true;
  }
  /// Pushes all of an array, or nothing.
  void push_all(const T* from, u64 count) {
    while (capacity_ - count_ < count) {
      if (!grow()) return;
    }
    for (u64 i = 0; i < count; ++i) data_[count_ + i] = from[i];
    count_ += count;
  }
  T& back() { return data_[count_ - 1]; }
  void pop() { count_ -= 1; }
  void shrink(u64 count) { count_ = count; }
  /// Room for exactly `count`, whose contents are still to be written; only while it is empty. False: no memory.
  bool make_room(u64 count) {
    const u64 bytes = block_capacity(count * sizeof(T));
    offset_ = block_acquire(vm_, bytes, PageUse::Table);
    failed_ = offset_ == 0;
    if (failed_) return false;
    data_ = vm_.at<T>(offset_);
    count_ = count;
    capacity_ = bytes / sizeof(T);
    return true;
  }
  T& operator[](u64 i) { return data_[i]; }
  const T& operator[](u64 i) const { return data_[i]; }
  u64 size() const { return count_; }
  bool empty() const { return count_ == 0; }
  bool failed() const { return failed_; }
  T* data() { return data_; }

 private:
  bool grow() {
    if (failed_) return false;  // what is dropped costs nothing
    const u64 bytes = block_capacity(capacity_ == 0 ? 16 * sizeof(T) : capacity_ * 2 * sizeof(T));
    const u64 offset = block_acquire(vm_, bytes, PageUse::Table);
    if (offset == 0) {
      failed_ = true;
      return false;
    }
    T* data = vm_.at<T>(offset);
    for (u64 i = 0; i < count_; ++i) data[i] = data_[i];
    if (offset_ != 0) block_release(vm_, offset_, capacity_ * sizeof(T), PageUse::Table);
    offset_ = offset;
    data_ = data;
    capacity_ = bytes / sizeof(T);
    return true;
  }
  Vm& vm_;
  Kept* kept_ = nullptr;
  T* data_ = nullptr;
  u64 offset_ = 0;
  u64 count_ = 0;
  u64 capacity_ = 0;
  bool failed_ = false;
};

/// Text under construction.
class Text {
 public:
  explicit Text(Vm& vm) : bytes_(vm) {}
  Text(Vm& vm, Kept& kept) : bytes_(vm, kept) {}
  void add(std::string_view text) { bytes_.push_all(text.data(), text.size()); }
  void add(char c) { bytes_.push(c); }
  void add_number(u64 value);
  void add_code_point(u32 code_point);
  std::string_view view() { return {bytes_.data(), bytes_.size()}; }
  u64 size() const { return bytes_.size(); }
  void shrink(u64 size) { bytes_.shrink(size); }
  bool failed() const { return bytes_.failed(); }

 private:
  Scratch<char> bytes_;
};

}  // namespace lonala
