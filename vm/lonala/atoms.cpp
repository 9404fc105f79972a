#include "vm/lonala/atoms.h"

#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "vm/lonala/memory.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr std::string_view kAtomTexts[] = {
#define ATOM(identifier, text) text,
    LONALA_ATOMS(ATOM)
#undef ATOM
};

struct SipState {
  u64 v0 = 0x736f6d6570736575u;
  u64 v1 = 0x646f72616e646f6du;
  u64 v2 = 0x6c7967656e657261u;
  u64 v3 = 0x7465646279746573u;
  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
};

u64 hash_of(std::string_view space, std::string_view name) {
  const u64 plain = siphash13(base::bytes_of(name));
  return space.empty() ? splitmix(plain + 1) : splitmix(plain + 3 * siphash13(base::bytes_of(space)) + 2);
}

/// The slot that holds the name, or the free one where it belongs.
u64* atom_slot(const Vm& vm, u64 hash, std::string_view space, std::string_view name) {
  const NameTable& table = vm.root->atoms_by_name;
  u64* slots = vm.words(table.slots);
  for (u64 i = hash & (table.capacity - 1);; i = (i + 1) & (table.capacity - 1)) {
    if (slots[i] == 0) return &slots[i];
    const NameRecord& record = *vm.at<NameRecord>(slots[i]);
    if (record.hash == hash && record.space() == space && record.name() == name) return &slots[i];
  }
}

bool grow_atoms(Vm& vm) {
  NameTable& table = vm.root->atoms_by_name;
  const u64 capacity = table.capacity == 0 ? 2048 : table.capacity * 2;
  const u64 slots = block_acquire(vm, capacity * 8, PageUse::Table);
  if (slots == 0) return false;
  memset(vm.words(slots), 0, capacity * 8);
  for (u64 i = 0; i < table.capacity; ++i) {
    const u64 record = vm.words(table.slots)[i];
    if (record == 0) continue;
    u64 at = vm.at<NameRecord>(record)->hash & (capacity - 1);
    while (vm.words(slots)[at] != 0) at = (at + 1) & (capacity - 1);
    vm.words(slots)[at] = record;
  }
  if (table.slots != 0) block_release(vm, table.slots, table.capacity * 8, PageUse::Table);
  table.slots = slots;
  table.capacity = capacity;
  return true;
}

u64 key_hash(Term key) { return splitmix(key); }

u64 table_slot(const Vm& vm, u64 slots, u64 capacity, Term key) {
  u64 at = key_hash(key) & (capacity - 1);
  while (vm.words(slots)[2 * at] != 0 && vm.words(slots)[2 * at] != key) at = (at + 1) & (capacity - 1);
  return at;
}

}  // namespace

u64 siphash13(base::Bytes bytes) {
  SipState s;
  u64 at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    const u64 word = base::load_le64(bytes.data() + at);
    s.v3 ^= word;
    s.round();
    s.v0 ^= word;
  }
  u64 last = static_cast<u64>(bytes.size()) << 56;
  for (u64 i = at; i < bytes.size(); ++i) last |= u64{bytes[i]} << 8 * (i - at);
  s.v3 ^= last;
  s.round();
  s.v0 ^= last;
  s.v2 ^= 0xFF;
  s.round();
  s.round();
  s.round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

bool atoms_create(Vm& vm) {
  for (u32 i = 0; i < static_cast<u32>(Atom::Count); ++i) {
    const u64 record = name_intern(vm, {}, kAtomTexts[i]);
    if (record == 0) return false;
    vm.root->atoms[i] = record;
  }
  return true;
}

u64 name_intern(Vm& vm, std::string_view space, std::string_view name) {
  NameTable& table = vm.root->atoms_by_name;
  if (table.count * 2 >= table.capacity && !grow_atoms(vm)) return 0;
  const u64 hash = hash_of(space, name);
  u64* slot = atom_slot(vm, hash, space, name);
  if (*slot != 0) return *slot;
  const u64 offset = literal_acquire(vm, sizeof(NameRecord) + space.size() + name.size());
  if (offset == 0) return 0;
  NameRecord& record = *vm.at<NameRecord>(offset);
  record = {hash, static_cast<u32>(space.size()), static_cast<u32>(name.size()), 0};
  if (!space.empty()) memcpy(record.characters(), space.data(), space.size());
  if (!name.empty()) memcpy(record.characters() + space.size(), name.data(), name.size());
  *slot = offset;
  table.count += 1;
  return offset;
}

u64 name_find(const Vm& vm, std::string_view space, std::string_view name) {
  return *atom_slot(vm, hash_of(space, name), space, name);
}

Term symbol_named(Vm& vm, std::string_view name) {
  const u64 record = name_intern(vm, {}, name);
  return record == 0 ? kNone : symbol_term(vm, record);
}

Term table_get(const Vm& vm, const NameTable& table, Term key) {
  if (table.capacity == 0) return kNone;
  const u64 at = table_slot(vm, table.slots, table.capacity, key);
  const u64* slots = vm.words(table.slots);
  return slots[2 * at] == key ? slots[2 * at + 1] : kNone;
}

bool table_put(Vm& vm, NameTable& table, Term key, Term value) {
  if (table.count * 2 >= table.capacity) {
    const u64 capacity = table.capacity == 0 ? 8 : table.capacity * 2;
    const u64 slots = block_acquire(vm, capacity * 16, PageUse::Table);
    if (slots == 0) return false;
    memset(vm.words(slots), 0, capacity * 16);
    u64 count = 0;
    for (u64 i = 0; i < table.capacity; ++i) {
      const u64* old = vm.words(table.slots) + 2 * i;
      if (old[0] == 0 || old[1] == kNone) continue;  // removed entries end here
      u64* slot = vm.words(slots) + 2 * table_slot(vm, slots, capacity, old[0]);
      slot[0] = old[0];
      slot[1] = old[1];
      count += 1;
    }
    if (table.slots != 0) block_release(vm, table.slots, table.capacity * 16, PageUse::Table);
    table = {capacity, count, slots};
  }
  u64* slot = vm.words(table.slots) + 2 * table_slot(vm, table.slots, table.capacity, key);
  if (slot[0] == 0) table.count += 1;
  slot[0] = key;
  slot[1] = value;
  return true;
}

}  // namespace lonala
