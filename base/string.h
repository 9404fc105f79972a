// base/string.h — a growing text on a named allocator. Bytes, not characters: what is stored is what was appended, and
// base/utf8.h says what it means. There is no terminator; use view().
// Tested by   tests/base/containers_test.cpp (model: std::string)
#pragma once
#include <compare>
#include <string_view>

#include "base/format.h"
#include "base/vector.h"

namespace base {

class String {
 public:
  explicit String(Allocator& allocator) : bytes_(allocator) {}
  String(Allocator& allocator, std::string_view text) : bytes_(allocator) { append(text); }
  String(String&&) noexcept = default;
  String& operator=(String&&) noexcept = default;

  String clone() const { return clone_into(allocator()); }
  String clone_into(Allocator& allocator) const { return String(allocator, view()); }

  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }
  operator std::string_view() const { return view(); }
  u64 size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  char* data() { return bytes_.data(); }
  const char* data() const { return bytes_.data(); }
  char* begin() { return bytes_.begin(); }
  char* end() { return bytes_.end(); }
  const char* begin() const { return bytes_.begin(); }
  const char* end() const { return bytes_.end(); }
  char& operator[](u64 index) { return bytes_[index]; }
  char operator[](u64 index) const { return bytes_[index]; }
  char back() const { return bytes_.back(); }
  Allocator& allocator() const { return bytes_.allocator(); }

  /// `text` does not lie in this string; the same holds for insert and assign.
  String& append(std::string_view text) {
    bytes_.append(std::span<const char>(text.data(), text.size()));
    return *this;
  }
  String& append(u64 count, char character) {
    bytes_.resize(size() + count, character);
    return *this;
  }
  /// Appends a pattern of base/format.h, however long it becomes.
  template <class... A>
  String& append_format(std::string_view pattern, const A&... arguments) {
    const u64 old_size = size();
    for (u64 room = pattern.size() + 32;; room *= 2) {
      bytes_.resize(old_size + room);
      Writer writer(std::span<char>(bytes_.data() + old_size, room));
      format_to(writer, pattern, arguments...);
      bytes_.truncate(old_size + writer.size());
      if (!writer.truncated()) return *this;
      ASSERT(room < (u64{1} << 40));
    }
  }
  void push(char character) { bytes_.push_back(character); }
  void push_back(char character) { bytes_.push_back(character); }
  void pop_back() { bytes_.pop_back(); }
  void insert(u64 index, std::string_view text) {
    bytes_.insert(index, std::span<const char>(text.data(), text.size()));
  }
  void erase(u64 index, u64 count = 1) { bytes_.erase(index, count); }
  void truncate(u64 size) { bytes_.truncate(size); }
  void reserve(u64 bytes) { bytes_.reserve(bytes); }
  void clear() { bytes_.clear(); }
  void assign(std::string_view text) {
    ASSERT(text.empty() || !overlaps(text));
    clear();
    append(text);
  }

  /// Negative, zero or positive, byte by byte as unsigned.
  int compare(std::string_view other) const { return view().compare(other); }
  bool starts_with(std::string_view prefix) const { return view().starts_with(prefix); }
  bool ends_with(std::string_view suffix) const { return view().ends_with(suffix); }

  friend bool operator==(const String& a, const String& b) { return a.view() == b.view(); }
  friend bool operator==(const String& a, std::string_view b) { return a.view() == b; }
  friend bool operator==(const String& a, const char* b) { return a.view() == b; }
  friend std::strong_ordering operator<=>(const String& a, const String& b) { return a.view() <=> b.view(); }
  friend std::strong_ordering operator<=>(const String& a, std::string_view b) { return a.view() <=> b; }
  friend std::strong_ordering operator<=>(const String& a, const char* b) { return a.view() <=> std::string_view(b); }

 private:
  bool overlaps(std::string_view text) const {
    const auto at = reinterpret_cast<std::uintptr_t>(text.data());       // det-ok: whether it lies inside
    const auto start = reinterpret_cast<std::uintptr_t>(bytes_.data());  // det-ok: whether it lies inside
    return at >= start && at < start + bytes_.size();
  }
  Vector<char> bytes_;
};

}  // namespace base
