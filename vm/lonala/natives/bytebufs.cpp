// vm/lonala/natives/bytebufs.cpp — mutable bytes that belong to one process.
#include <algorithm>
#include <cstring>

#include "vm/lonala/binaries.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"

#include "base/enforce.h"

namespace lonala {
namespace {

/// The words of a bytebuf: header, owner, byte count; the bytes follow.
constexpr u64 kOwnerWord = 1;
constexpr u64 kCountWord = 2;
constexpr u64 kBytesWord = 3;

enum class Endian : u8 { Little, Big };

u8* bytes_of_buffer(const Vm& vm, Term buffer) { return reinterpret_cast<u8*>(vm.object(buffer) + kBytesWord); }
u64 count_of_buffer(const Vm& vm, Term buffer) { return vm.object(buffer)[kCountWord]; }

/// The argument is a bytebuf of the running process; else raised.
bool buffer_argument(Vm& vm, Args args, u32 i) {
  if (!is_boxed(vm, args[i], Type::Bytebuf)) {
    raise_type(vm, args, Atom::Bytebuf);
    return false;
  }
  const Term owner = vm.object(args[i])[kOwnerWord];
  if (owner == vm.process->pid) return true;
  raise(vm, Atom::NotOwner, {{Atom::Owner, owner}});
  return false;
}

/// A place and a length within a bytebuf; else raised.
bool range_arguments(Vm& vm, Args args, u32 buffer, u32 at, u64 length, u32 length_argument, u64& out) {
  if (!index_argument(vm, args, at, out)) return false;
  const u64 size = count_of_buffer(vm, args[buffer]);
  if (out <= size && length <= size - out) return true;
  out_of_bounds(vm, args[out <= size ? length_argument : at], size);
  return false;
}

Term allocate(Vm& vm, Args args) {
  u64 count = 0;
  if (!index_argument(vm, args, 0, count)) return kRaised;
  if (number::Integer(vm, args[0]).negative) return raise_args(vm, Atom::Badarg, args);
  if (count > vm.root->grant_bytes) return raise_oom(vm, words_for(count));
  const Term buffer = make_object(vm, Type::Bytebuf, kBytesWord - 1 + words_for(count));
  if (buffer == kRaised) return buffer;
  vm.object(buffer)[kOwnerWord] = vm.process->pid;
  vm.object(buffer)[kCountWord] = count;
  memset(bytes_of_buffer(vm, buffer), 0, words_for(count) * 8);
  return buffer;
}

template <u32 kBytes, Endian kEndian>
u64 load(const u8* at) {
  u64 value = 0;
  for (u32 i = 0; i < kBytes; ++i) value = value << 8 | at[kEndian == Endian::Big ? i : kBytes - 1 - i];
  return value;
}

template <u32 kBytes, Endian kEndian>
bool load_argument(Vm& vm, Args args, u64& out) {
  u64 at = 0;
  if (!buffer_argument(vm, args, 0) || !range_arguments(vm, args, 0, 1, kBytes, 1, at)) return false;
  out = load<kBytes, kEndian>(bytes_of_buffer(vm, args[0]) + at);
  return true;
}

/// A plain integer.
template <u32 kBytes>
Term read_plain(Vm& vm, Args args) {
  u64 value = 0;
  return load_argument<kBytes, Endian::Little>(vm, args, value) ? number::make_unsigned(vm, value) : kRaised;
}
/// An integer of that width.
template <Width kWidth, Endian kEndian>
Term read_fixed(Vm& vm, Args args) {
  u64 value = 0;
  return load_argument<bits_of(kWidth) / 8, kEndian>(vm, args, value) ? number::make_fixed(vm, kWidth, value) : kRaised;
}

template <Width kWidth, Endian kEndian>
Term write(Vm& vm, Args args) {
  constexpr u32 kBytes = bits_of(kWidth) / 8;
  u64 at = 0;
  if (!buffer_argument(vm, args, 0) || !range_arguments(vm, args, 0, 1, kBytes, 1, at)) return kRaised;
  const Term whole = number::truncate(vm, args[2], args);
  const Term wrapped = whole == kRaised ? whole : number::wrap(vm, kWidth, whole);
  if (wrapped == kRaised) return kRaised;
  const u64 value = number::Integer(vm, wrapped).low();
  u8* out = bytes_of_buffer(vm, args[0]) + at;
  for (u32 i = 0; i < kBytes; ++i)
    out[kEndian == Endian::Little ? i : kBytes - 1 - i] = static_cast<u8>(value >> 8 * i);
  return keyword(vm, Atom::Ok);
}

}  // namespace

Term native_BytebufAlloc(Vm& vm, Args args) { return allocate(vm, args); }
/// Zeroed all the same: what a program sees may not depend on what was in memory.
Term native_BytebufAllocUnsafe(Vm& vm, Args args) { return allocate(vm, args); }
Term native_BytebufSize(Vm& vm, Args args) {
  return buffer_argument(vm, args, 0) ? small(static_cast<i64>(count_of_buffer(vm, args[0]))) : kRaised;
}
Term native_BytebufToBinary(Vm& vm, Args args) {
  if (args.count == 2) return raise_args(vm, Atom::ArityMismatch, args);
  if (!buffer_argument(vm, args, 0)) return kRaised;
  u64 at = 0;
  u64 count = count_of_buffer(vm, args[0]);
  if (args.count == 3) {
    if (!index_argument(vm, args, 2, count) || !range_arguments(vm, args, 0, 1, count, 2, at)) return kRaised;
  }
  return make_binary(vm, {bytes_of_buffer(vm, args[0]) + at, count});
}

#define READ_PLAIN(bits) \
  Term native_BytebufRead##bits(Vm& vm, Args args) { return read_plain<bits / 8>(vm, args); }
READ_PLAIN(8)
READ_PLAIN(16)
READ_PLAIN(32)
READ_PLAIN(64)
#define READ_FIXED(name, width, endian) \
  Term native_BytebufRead##name(Vm& vm, Args args) { return read_fixed<Width::width, Endian::endian>(vm, args); }
READ_FIXED(I8, I8, Little)
READ_FIXED(I16, I16, Little)
READ_FIXED(I32, I32, Little)
READ_FIXED(I64, I64, Little)
READ_FIXED(16Le, U16, Little)
READ_FIXED(32Le, U32, Little)
READ_FIXED(64Le, U64, Little)
READ_FIXED(16Be, U16, Big)
READ_FIXED(32Be, U32, Big)
READ_FIXED(64Be, U64, Big)
READ_FIXED(I16Le, I16, Little)
READ_FIXED(I32Le, I32, Little)
READ_FIXED(I64Le, I64, Little)
READ_FIXED(I16Be, I16, Big)
READ_FIXED(I32Be, I32, Big)
READ_FIXED(I64Be, I64, Big)
#define WRITE(name, width, endian) \
  Term native_BytebufWrite##name(Vm& vm, Args args) { return write<Width::width, Endian::endian>(vm, args); }
WRITE(8, U8, Little)
WRITE(16, U16, Little)
WRITE(32, U32, Little)
WRITE(64, U64, Little)
WRITE(16Be, U16, Big)
WRITE(32Be, U32, Big)
WRITE(64Be, U64, Big)
WRITE(16Le, U16, Little)
WRITE(32Le, U32, Little)
WRITE(64Le, U64, Little)

/// (bytebuf-copy! d i s j n): s may be a binary or the same buffer.
Term native_BytebufCopy(Vm& vm, Args args) {
  u64 count = 0;
  u64 to = 0;
  u64 from = 0;
  if (!buffer_argument(vm, args, 0) || !index_argument(vm, args, 4, count)) return kRaised;
  if (!range_arguments(vm, args, 0, 1, count, 4, to)) return kRaised;
  if (is_binary(vm, args[2])) {
    const base::Bytes bytes = binary_bytes(vm, args[2]);
    if (!index_argument(vm, args, 3, from)) return kRaised;
    if (from > bytes.size() || count > bytes.size() - from) {
      return out_of_bounds(vm, args[from > bytes.size() ? 3 : 4], bytes.size());
    }
    if (count != 0) memcpy(bytes_of_buffer(vm, args[0]) + to, bytes.data() + from, count);
    return keyword(vm, Atom::Ok);
  }
  if (!buffer_argument(vm, args, 2) || !range_arguments(vm, args, 2, 3, count, 4, from)) return kRaised;
  memmove(bytes_of_buffer(vm, args[0]) + to, bytes_of_buffer(vm, args[2]) + from, count);
  return keyword(vm, Atom::Ok);
}
/// (bytebuf-fill! b i n v)
Term native_BytebufFill(Vm& vm, Args args) {
  u64 at = 0;
  u64 count = 0;
  if (!buffer_argument(vm, args, 0) || !index_argument(vm, args, 2, count)) return kRaised;
  if (!range_arguments(vm, args, 0, 1, count, 2, at)) return kRaised;
  const Term whole = number::truncate(vm, args[3], args);
  const Term wrapped = whole == kRaised ? whole : number::wrap(vm, Width::U8, whole);
  if (wrapped == kRaised) return kRaised;
  memset(bytes_of_buffer(vm, args[0]) + at, static_cast<int>(number::Integer(vm, wrapped).low()), count);
  return keyword(vm, Atom::Ok);
}

}  // namespace lonala
