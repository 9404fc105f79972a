#include "vm/lonala/equality.h"

#include <algorithm>
#include <cstring>

#include "vm/lonala/atoms.h"
#include "vm/lonala/binaries.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/collections/vector.h"
#include "vm/lonala/number/number.h"

#include "base/enforce.h"

namespace lonala {
namespace {

// Deeper parts of a value do not enter its hash: equal values still have equal hashes.
constexpr u32 kHashDepthMax = 200;

/// Kinds in the order of `compare`.
enum class Rank : u8 {
  Nil,
  False,
  True,
  Number,
  Char,
  String,
  Symbol,
  Keyword,
  List,
  Tuple,
  Vector,
  Map,
  Set,
  Binary,
  Paddr,
  Vaddr,
  RealmId,
  Pid,
  Ref,
  Handle,
  Namespace,
  Var,
  Function,
};

Rank rank_of(const Vm& vm, Term term) {
  switch (tag_of(term)) {
    case Tag::Small: return Rank::Number;
    case Tag::Pair: return Rank::List;
    case Tag::Tuple: return Rank::Tuple;
    case Tag::Pid: return Rank::Pid;
    case Tag::Immediate:
      switch (static_cast<Immediate>(term >> 3 & 31)) {
        case Immediate::Special: return term == kTrue ? Rank::True : term == kFalse ? Rank::False : Rank::Nil;
        case Immediate::Empty: return term == kEmptyList ? Rank::List : term == kEmptyMap ? Rank::Map : Rank::Set;
        case Immediate::Char: return Rank::Char;
        case Immediate::F32:
        case Immediate::Fixed: return Rank::Number;
        case Immediate::Native: return Rank::Function;
        case Immediate::Symbol: return Rank::Symbol;
        case Immediate::Keyword: return Rank::Keyword;
        case Immediate::Var: return Rank::Var;
        case Immediate::Namespace: return Rank::Namespace;
        case Immediate::Ref: return Rank::Ref;
        case Immediate::Link:
        case Immediate::Timer: return Rank::Handle;
      }
      return Rank::Handle;
    case Tag::Boxed: break;
    case Tag::Forward:
    case Tag::Header: UNREACHABLE("a value is neither a forwarding word nor a header");
  }
  switch (type_of_header(vm.object(term)[0])) {
    case Type::Bignum:
    case Type::F64:
    case Type::Fixed:
    case Type::Ratio: return Rank::Number;
    case Type::String: return Rank::String;
    case Type::Binary:
    case Type::Shared:
    case Type::Slice: return Rank::Binary;
    case Type::Paddr: return Rank::Paddr;
    case Type::Vaddr: return Rank::Vaddr;
    case Type::Vector:
    case Type::Trie:
    case Type::Rope:
    case Type::View: return Rank::Vector;
    case Type::Map:
    case Type::HashMap: return Rank::Map;
    case Type::Set:
    case Type::HashSet: return Rank::Set;
    case Type::Symbol: return Rank::Symbol;
    case Type::Function: return Rank::Function;
    case Type::Pid: return Rank::Pid;
    case Type::RealmId: return Rank::RealmId;
    default: return Rank::Handle;
  }
}

int sign_of(int order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }
template <class T>
int order_of(T a, T b) {
  return a == b ? 0 : a < b ? -1 : 1;
}
int compare_bytes(const void* a, u64 a_size, const void* b, u64 b_size) {
  const int order = memcmp(a, b, std::min(a_size, b_size));
  return order != 0 ? sign_of(order) : order_of(a_size, b_size);
}

/// A comparison of two terms still to be done; or, with a rank, a result that applies if all before it were equal.
struct Work {
  Term a;
  Term b;
};

bool is_nan(Vm& vm, Term term) { return number::compare(vm, term, term) == 2; }

/// Exact before float of the same value, NaN last.
int compare_numbers(Vm& vm, Term a, Term b) {
  const int order = number::compare(vm, a, b);
  if (order == 2) return order_of(is_nan(vm, a), is_nan(vm, b));
  if (order != 0) return order;
  const auto inexact = [&](Term term) {
    const number::Kind kind = number::kind_of(vm, term);
    return kind == number::Kind::F32 || kind == number::Kind::F64;
  };
  return order_of(inexact(a), inexact(b));
}

}  // namespace

bool equal(Vm& vm, Term first, Term second, NaN nan) {
  if (first == second && tag_of(first) != Tag::Boxed && tag_of(first) != Tag::Tuple && tag_of(first) != Tag::Pair &&
      !is_immediate(first, Immediate::F32)) {
    return true;
  }
  Scratch<Work> work(vm);
  Visited visited(vm);
  Term a = first;
  Term b = second;
  for (;;) {
    visited.words += 1;
    const Rank rank = rank_of(vm, a);
    if (rank != rank_of(vm, b)) return false;
    switch (rank) {
      case Rank::Nil:
      case Rank::False:
      case Rank::True: break;
      case Rank::Number:
        if (!number::equal(vm, a, b)) {
          if (nan == NaN::EqualsNothing || !is_nan(vm, a) || !is_nan(vm, b)) return false;
        }
        break;
      case Rank::String:
        if (string_text(vm, a) != string_text(vm, b)) return false;
        break;
      case Rank::Symbol:
        if (plain_symbol(vm, a) != plain_symbol(vm, b)) return false;
        break;
      case Rank::List:
        if (a == b && nan == NaN::EqualsItself) break;
        if (is_pair(a) != is_pair(b)) return false;
        if (!is_pair(a)) break;
        work.push({tail(vm, a), tail(vm, b)});
        work.push({head(vm, a), head(vm, b)});
        break;
      case Rank::Tuple: {
        const u64 count = tuple_count(vm, a);
        if (count != tuple_count(vm, b)) return false;
        for (u64 i = count; i > 0; --i) work.push({tuple_at(vm, a, i - 1), tuple_at(vm, b, i - 1)});
        break;
      }
      case Rank::Vector: {
        const u64 count = vector_count(vm, a);
        if (count != vector_count(vm, b)) return false;
        for (u64 i = count; i > 0; --i) work.push({vector_at(vm, a, i - 1), vector_at(vm, b, i - 1)});
        break;
      }
      case Rank::Map:
      case Rank::Set: {
        if (map_count(vm, a) != map_count(vm, b)) return false;
        bool same = true;
        map_each(vm, a, [&](Term key, Term value) {
          const Term other = same ? map_get(vm, b, key) : kNone;
          same = same && other != kNone && work.push({value, other});
          // `=` of the whole follows `=` of its keys, so a NaN inside a key still equals nothing.
        });
        if (!same) return false;
        break;
      }
      case Rank::Binary: {
        const base::Bytes x = binary_bytes(vm, a);
        const base::Bytes y = binary_bytes(vm, b);
        if (x.size() != y.size() || (!x.empty() && memcmp(x.data(), y.data(), x.size()) != 0)) return false;
        break;
      }
      case Rank::Paddr:
      case Rank::Vaddr:
        if (vm.object(a)[1] != vm.object(b)[1]) return false;
        break;
      case Rank::Function:
      case Rank::RealmId:
        if (a == b) break;
        if (tag_of(a) != Tag::Boxed || tag_of(b) != Tag::Boxed) return false;
        {
          const u64* x = vm.object(a);
          const u64* y = vm.object(b);
          const u64 count = words_of_header(x[0]) - (flags_of_header(x[0]) & kHasMeta);
          if (count != words_of_header(y[0]) - (flags_of_header(y[0]) & kHasMeta) || x[1] != y[1]) return false;
          for (u64 i = 2; i <= count; ++i) work.push({x[i], y[i]});
        }
        break;
      case Rank::Char:
      case Rank::Keyword:
      case Rank::Pid:
      case Rank::Ref:
      case Rank::Handle:
      case Rank::Namespace:
      case Rank::Var:
        if (a != b) return false;
        break;
    }
    if (work.failed()) return false;  // the process is out of memory
    if (work.empty()) return true;
    a = work.back().a;
    b = work.back().b;
    work.pop();
  }
}

int compare(Vm& vm, Term first, Term second) {
  Scratch<Work> work(vm);
  Visited visited(vm);
  Term a = first;
  Term b = second;
  for (;;) {
    visited.words += 1;
    const Rank rank = rank_of(vm, a);
    const Rank other = rank_of(vm, b);
    if (rank != other) return rank < other ? -1 : 1;
    int order = 0;
    switch (rank) {
      case Rank::Nil:
      case Rank::False:
      case Rank::True: break;
      case Rank::Number: order = compare_numbers(vm, a, b); break;
      case Rank::String: {
        const std::string_view x = string_text(vm, a);
        const std::string_view y = string_text(vm, b);
        order = compare_bytes(x.data(), x.size(), y.data(), y.size());  // UTF-8 keeps the order of code points
        break;
      }
      case Rank::Symbol:
      case Rank::Keyword: {
        const NameRecord& x = name_record(vm, rank == Rank::Symbol ? plain_symbol(vm, a) : a);
        const NameRecord& y = name_record(vm, rank == Rank::Symbol ? plain_symbol(vm, b) : b);
        order = sign_of(x.space().compare(y.space()));
        if (order == 0) order = sign_of(x.name().compare(y.name()));
        break;
      }
      case Rank::List:
        if (!is_pair(a) || !is_pair(b)) {
          order = order_of(is_pair(a), is_pair(b));
        } else {
          work.push({tail(vm, a), tail(vm, b)});
          work.push({head(vm, a), head(vm, b)});
        }
        break;
      case Rank::Tuple:
      case Rank::Vector: {
        const bool tuple = rank == Rank::Tuple;
        const u64 x = tuple ? tuple_count(vm, a) : vector_count(vm, a);
        const u64 y = tuple ? tuple_count(vm, b) : vector_count(vm, b);
        work.push({small(static_cast<i64>(x)), small(static_cast<i64>(y))});
        for (u64 i = std::min(x, y); i > 0; --i) {
          if (tuple) {
            work.push({tuple_at(vm, a, i - 1), tuple_at(vm, b, i - 1)});
          } else {
            work.push({vector_at(vm, a, i - 1), vector_at(vm, b, i - 1)});
          }
        }
        break;
      }
      case Rank::Map:
      case Rank::Set: {
        order = order_of(map_count(vm, a), map_count(vm, b));
        if (order != 0) break;
        // The smallest key in which they differ decides, then the value of the smallest key with another value.
        Term key_a = kNone;
        Term key_b = kNone;
        map_each(vm, a, [&](Term key, Term) {
          if (map_get(vm, b, key) == kNone && (key_a == kNone || compare(vm, key, key_a) < 0)) key_a = key;
        });
        map_each(vm, b, [&](Term key, Term) {
          if (map_get(vm, a, key) == kNone && (key_b == kNone || compare(vm, key, key_b) < 0)) key_b = key;
        });
        if (key_a != kNone && key_b != kNone) {
          order = compare(vm, key_a, key_b);
          break;
        }
        Term least = kNone;
        map_each(vm, a, [&](Term key, Term value) {
          if (least != kNone && compare(vm, key, least) > 0) return;
          const int here = compare(vm, value, map_get(vm, b, key));
          if (here == 0) return;
          least = key;
          order = here;
        });
        break;
      }
      case Rank::Binary: {
        const base::Bytes x = binary_bytes(vm, a);
        const base::Bytes y = binary_bytes(vm, b);
        order = compare_bytes(x.data(), x.size(), y.data(), y.size());
        break;
      }
      case Rank::Paddr:
      case Rank::Vaddr: order = order_of(vm.object(a)[1], vm.object(b)[1]); break;
      case Rank::Function:
      case Rank::RealmId:
        if (a == b) break;
        if (tag_of(a) != Tag::Boxed || tag_of(b) != Tag::Boxed) {
          order = order_of(tag_of(a), tag_of(b)) != 0 ? order_of(tag_of(a), tag_of(b)) : order_of(a, b);
        } else {
          const u64* x = vm.object(a);
          const u64* y = vm.object(b);
          order = order_of(x[1], y[1]);
          const u64 count = words_of_header(x[0]) - (flags_of_header(x[0]) & kHasMeta);
          if (order == 0) order = order_of(count, words_of_header(y[0]) - (flags_of_header(y[0]) & kHasMeta));
          for (u64 i = count; order == 0 && i >= 2; --i) work.push({x[i], y[i]});
        }
        break;
      case Rank::Char:
      case Rank::Pid:
      case Rank::Ref:
      case Rank::Handle:
      case Rank::Namespace:
      case Rank::Var: order = order_of(a, b); break;
    }
    if (order != 0) return order;
    if (work.empty() || work.failed()) return 0;
    a = work.back().a;
    b = work.back().b;
    work.pop();
  }
}

namespace {

u64 hash_at(Vm& vm, Term term, u32 depth);

u64 hash_bytes(Vm& vm, base::Bytes bytes) {
  charge(vm, bytes.size() / kBytesPerReduction);
  return siphash13(bytes);
}

u64 mix(u64 seed, u64 value) { return splitmix(seed * 0x9E3779B97F4A7C15u + value); }

u64 hash_at(Vm& vm, Term term, u32 depth) {
  const Rank rank = rank_of(vm, term);
  const u64 seed = 0x100 + static_cast<u64>(rank);
  switch (rank) {
    case Rank::Number: return number::hash(vm, term);
    case Rank::Keyword: return mix(seed, name_record(vm, term).hash);
    case Rank::Symbol: return mix(seed, name_record(vm, plain_symbol(vm, term)).hash);
    case Rank::String: return mix(seed, hash_bytes(vm, base::bytes_of(string_text(vm, term))));
    case Rank::Binary: return mix(seed, hash_bytes(vm, binary_bytes(vm, term)));
    case Rank::Nil:
    case Rank::False:
    case Rank::True: return splitmix(seed);
    case Rank::Char: return mix(seed, payload_of(term));
    case Rank::Paddr:
    case Rank::Vaddr: return mix(seed, vm.object(term)[1]);
    default: break;
  }
  u64 state = seed;
  if (depth == 0) return splitmix(state);
  Visited visited(vm);
  switch (rank) {
    case Rank::List:
      for (; is_pair(term); term = tail(vm, term), visited.words += 2)
        state = mix(state, hash_at(vm, head(vm, term), depth - 1));
      return state;
    case Rank::Tuple:
      visited.words = tuple_count(vm, term);
      for (u64 i = 0; i < tuple_count(vm, term); ++i) state = mix(state, hash_at(vm, tuple_at(vm, term, i), depth - 1));
      return mix(state, tuple_count(vm, term));
    case Rank::Vector:
      visited.words = vector_count(vm, term);
      vector_each(vm, term, [&](Term element) { state = mix(state, hash_at(vm, element, depth - 1)); });
      return mix(state, vector_count(vm, term));
    case Rank::Map:
    case Rank::Set: {
      u64 sum = 0;
      visited.words = 2 * map_count(vm, term);
      map_each(vm, term,
               [&](Term key, Term value) { sum += mix(hash_at(vm, key, depth - 1), hash_at(vm, value, depth - 1)); });
      return mix(state, sum);
    }
    case Rank::Function:
    case Rank::RealmId:
      if (tag_of(term) != Tag::Boxed) return mix(state, payload_of(term));
      for (u64 i = 1; i <= words_of_header(vm.object(term)[0]) - (flags_of_header(vm.object(term)[0]) & kHasMeta);
           ++i) {
        state = mix(state, i == 1 ? vm.object(term)[1] : hash_at(vm, vm.object(term)[i], depth - 1));
      }
      return state;
    default: return mix(state, term);
  }
}

}  // namespace

u64 hash(Vm& vm, Term term) { return hash_at(vm, term, kHashDepthMax); }

}  // namespace lonala
