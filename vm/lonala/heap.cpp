#include "vm/lonala/heap.h"

#include <algorithm>
#include <cstring>

#include "base/utf8.h"
#include "vm/lonala/code_memory.h"
#include "vm/lonala/copy.h"
#include "vm/lonala/errors.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kFragmentBytesMin = 1024;
constexpr u64 kAdoptedBytesMin = 16 << 10;
constexpr u64 kFragmentBytesMax = u64{4} << 20;

/// A fragment with room for `bytes`; 0 when memory is exhausted.
u64 fragment_acquire(Vm& vm, u64 bytes) {
  const u64 size = block_capacity(bytes + sizeof(Fragment));
  const u64 offset = heap_acquire(vm, size, PageUse::Fragment);
  if (offset == 0) return 0;
  *vm.at<Fragment>(offset) = {0, size, offset + sizeof(Fragment), 0};
  return offset;
}

bool fragment_has(const Vm& vm, u64 fragment, u64 bytes) {
  if (fragment == 0) return false;
  const Fragment& head = *vm.at<Fragment>(fragment);
  return bytes <= fragment + head.bytes - head.hp;
}

}  // namespace

bool heap_room(Vm& vm, u64 words) {
  Process& process = *vm.process;
  if (words > vm.root->grant_bytes / 8) {
    process.flags |= kOutOfMemory;
    return false;
  }
  const u64 bytes = words * 8;
  if (bytes <= process.limit - process.hp || fragment_has(vm, process.fragments, bytes)) return true;
  // Twice the last one, so that n words take O(log n) fragments.
  const u64 last = process.fragments == 0 ? 0 : vm.at<Fragment>(process.fragments)->bytes;
  const u64 wanted = std::max(bytes, std::min(std::max(2 * last, kFragmentBytesMin), kFragmentBytesMax));
  u64 fragment = fragment_acquire(vm, wanted - (wanted > bytes + sizeof(Fragment) ? sizeof(Fragment) : 0));
  if (fragment == 0) fragment = fragment_acquire(vm, bytes);
  if (fragment == 0) {
    process.flags |= kOutOfMemory;
    return false;
  }
  hold_fuel(process);  // the next function entry shall collect
  Fragment& head = *vm.at<Fragment>(fragment);
  head.next = process.fragments;
  process.fragments = fragment;
  return true;
}

u64* heap_take_slow(Vm& vm, u64 words) {
  Process& process = *vm.process;
  if (!heap_room(vm, words)) {
    ASSERT(words <= kSmallWordsMax);  // larger objects ask for room first
    return vm.root->sink;
  }
  if (words * 8 <= process.limit - process.hp) {
    const u64 at = process.hp;
    process.hp += words * 8;
    return vm.words(at);
  }
  Fragment& fragment = *vm.at<Fragment>(process.fragments);
  const u64 at = fragment.hp;
  fragment.hp += words * 8;
  process.fragment_words += words;
  return vm.words(at);
}

Term make_object(Vm& vm, Type type, u64 words, u64 flags, u64 aux) {
  if (words + 1 > kSmallWordsMax && !heap_room(vm, words + 1)) return raise_oom(vm, words);
  u64* object = heap_take(vm, words + 1);
  object[0] = header(type, words, flags, aux);
  return refer(vm.offset(object), type == Type::Tuple ? Tag::Tuple : Tag::Boxed);
}

Term make_tuple(Vm& vm, std::initializer_list<Term> elements) {
  u64* object = heap_take(vm, elements.size() + 1);
  object[0] = header(Type::Tuple, elements.size());
  std::copy(elements.begin(), elements.end(), object + 1);
  return refer(vm.offset(object), Tag::Tuple);
}

Term make_string_space(Vm& vm, u64 byte_count, u64 character_count, bool ascii) {
  charge(vm, byte_count / kBytesPerReduction);
  const Term string = make_object(vm, Type::String, 2 + words_for(byte_count), ascii ? kAscii : 0);
  if (string == kRaised) return string;
  u64* object = vm.object(string);
  object[1] = byte_count;
  object[2] = character_count;
  if (byte_count != 0) object[2 + words_for(byte_count)] = 0;  // what follows the text in its last word
  return string;
}

Term make_string(Vm& vm, std::string_view text) {
  u64 characters = 0;
  for (const char c : text) characters += (static_cast<u8>(c) & 0xC0) != 0x80;
  const Term string = make_string_space(vm, text.size(), characters, characters == text.size());
  if (string != kRaised && !text.empty()) memcpy(string_bytes(vm, string), text.data(), text.size());
  return string;
}

Term make_list(Vm& vm, std::initializer_list<Term> elements) {
  Term list = kEmptyList;
  for (auto it = elements.end(); it != elements.begin();) {
    --it;
    list = make_pair(vm, *it, list);
  }
  return list;
}

Term reverse_list(Vm& vm, Term list, Term onto) {
  for (; is_pair(list) && !heap_failed(vm); list = tail(vm, list)) onto = make_pair(vm, head(vm, list), onto);
  return onto;
}

u64 list_length(const Vm& vm, Term list) {
  u64 count = 0;
  for (; is_pair(list); list = tail(vm, list)) count += 1;
  return count;
}

Term copy_to_literals(Vm& vm, Term term) {
  u64 shared = 0;  // what literals refer to is never freed
  return copy_term(vm, term, Bytebufs::Copied, shared,
                   [&](u64 words) { return code_acquire(vm, words * 8, PieceKind::Constant); });
}

Term copy_to_fragment(Vm& vm, Term term, u64& fragments, Bytebufs bytebufs, Process* block_of) {
  fragments = 0;
  const auto acquire = [&](u64 words) -> u64 {
    fragments = fragment_acquire(vm, words * 8);
    if (fragments == 0) return 0;
    Fragment& fragment = *vm.at<Fragment>(fragments);
    const u64 at = fragment.hp;
    fragment.hp += words * 8;
    return at;
  };
  const u64 plain = block_of != nullptr && is_copied(vm, term) ? plain_words(vm, term) : 0;
  if (plain != 0) {
    u64 at = block_of->hp;
    if (plain * 8 <= block_of->limit - at) {
      block_of->hp += plain * 8;
    } else {
      at = acquire(plain);
    }
    return at == 0 ? kNone : plain_copy(vm, term, at);
  }
  u64 shared = 0;
  const Term copy = copy_term(vm, term, bytebufs, shared, acquire);
  if (fragments != 0) vm.at<Fragment>(fragments)->shared = shared;
  return copy;
}

void fragments_release(Vm& vm, u64 first) {
  while (first != 0) {
    const Fragment fragment = *vm.at<Fragment>(first);
    shared_release(vm, fragment.shared);
    block_release(vm, first, fragment.bytes, PageUse::Fragment);
    first = fragment.next;
  }
}

void fragments_adopt(Vm& vm, Process& process, u64 first) {
  if (first == 0) return;
  Fragment& fragment = *vm.at<Fragment>(first);
  process.fragment_words += (fragment.hp - first) / 8;
  shared_adopt(vm, process, fragment.shared);
  fragment.shared = 0;
  const u64 own = process.fragments;
  if (own != 0) {  // behind the first one, which may still have room
    fragment.next = vm.at<Fragment>(own)->next;
    vm.at<Fragment>(own)->next = first;
  } else {
    process.fragments = first;
  }
  // What was received counts like what the process made: a collection when there is more of it than was kept last time.
  if (process.fragment_words * 8 > std::max(process.live_bytes, kAdoptedBytesMin)) hold_fuel(process);
}

RareRecord* rare_record(Vm& vm, Process& process) {
  if (process.rare != 0) return vm.at<RareRecord>(process.rare);
  process.rare = block_acquire(vm, sizeof(RareRecord), PageUse::Table);
  if (process.rare == 0) return nullptr;
  RareRecord& record = *vm.at<RareRecord>(process.rare);
  record = {};
  record.fullsweep_after = kFullsweepAfter;
  record.spaces = record.expected = kEmptyList;
  record.staged = record.made = kEmptyMap;
  return &record;
}

void Text::add_number(u64 value) {
  char digits[20];
  u32 count = 0;
  do {
    digits[count] = static_cast<char>('0' + value % 10);
    count += 1;
    value /= 10;
  } while (value != 0);
  while (count > 0) {
    count -= 1;
    add(digits[count]);
  }
}

void Text::add_code_point(u32 code_point) {
  char out[4];
  const u32 length = base::encode_utf8(code_point, out);
  add(std::string_view(out, length));
}

}  // namespace lonala
