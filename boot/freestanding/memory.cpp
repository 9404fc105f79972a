// boot/freestanding/memory.cpp — the C functions that inline code calls on its own: memcpy, memmove, memset and memcmp
// are what a freestanding GCC expects (GCC manual, "Standards"); memchr and strlen come from std::char_traits<char>.
// Built without the compiler's habit of recognising such loops and turning them into calls of themselves.
#include <cstddef>
#include <cstdint>

#include "base/enforce.h"

namespace {

// No header that declares these functions is included, not even base/types.h: in C++ memchr has two declarations, in C,
// and in an object file, one.
using u8 = std::uint8_t;
using u64 = std::uint64_t;

/// A word at any address, whatever the type of what lies there.
struct [[gnu::packed, gnu::may_alias]] Word {
  u64 value;
};
constexpr std::size_t kWord = sizeof(Word);

u64 load(const u8* at) { return reinterpret_cast<const Word*>(at)->value; }
void store(u8* at, u64 value) { reinterpret_cast<Word*>(at)->value = value; }

}  // namespace

extern "C" {

void* memcpy(void* to, const void* from, std::size_t bytes) {
  u8* out = static_cast<u8*>(to);
  const u8* in = static_cast<const u8*>(from);
  for (; bytes >= kWord; bytes -= kWord, out += kWord, in += kWord) store(out, load(in));
  for (; bytes > 0; --bytes) *out++ = *in++;
  return to;
}

void* memmove(void* to, const void* from, std::size_t bytes) {
  u8* out = static_cast<u8*>(to);
  const u8* in = static_cast<const u8*>(from);
  if (out <= in || out >= in + bytes) return memcpy(to, from, bytes);
  out += bytes;
  in += bytes;
  for (; bytes >= kWord; bytes -= kWord) {
    out -= kWord;
    in -= kWord;
    store(out, load(in));
  }
  for (; bytes > 0; --bytes) *--out = *--in;
  return to;
}

void* memset(void* to, int value, std::size_t bytes) {
  u8* out = static_cast<u8*>(to);
  const u64 word = 0x0101'0101'0101'0101u * static_cast<u8>(value);
  for (; bytes >= kWord; bytes -= kWord, out += kWord) store(out, word);
  for (; bytes > 0; --bytes) *out++ = static_cast<u8>(value);
  return to;
}

int memcmp(const void* left, const void* right, std::size_t bytes) {
  const u8* a = static_cast<const u8*>(left);
  const u8* b = static_cast<const u8*>(right);
  for (; bytes >= kWord; bytes -= kWord, a += kWord, b += kWord) {
    if (load(a) != load(b)) break;  // which byte it is, the loop below finds
  }
  for (; bytes > 0; --bytes, ++a, ++b) {
    if (*a != *b) return *a < *b ? -1 : 1;
  }
  return 0;
}

void* memchr(const void* in, int value, std::size_t bytes) {
  const u8* at = static_cast<const u8*>(in);
  for (; bytes > 0; --bytes, ++at) {
    if (*at == static_cast<u8>(value)) return const_cast<u8*>(at);
  }
  return nullptr;
}

std::size_t strlen(const char* text) {
  std::size_t length = 0;
  while (text[length] != '\0') length += 1;
  return length;
}

}  // extern "C"
