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

/// The smallest key in which they differ decides, then the value of the smallest key with another value.
int compare_maps(Vm& vm, Term a, Term b) {
  int order = order_of(map_count(vm, a), map_count(vm, b));
  if (order != 0) return order;
  Term key_a = kNone;
  Term key_b = kNone;
  map_each(vm, a, [&](Term key, Term) {
    if (map_get(vm, b, key) == kNone && (key_a == kNone || compare(vm, key, key_a) < 0)) key_a = key;
  });
  map_each(vm, b, [&](Term key, Term) {
    if (map_get(vm, a, key) == kNone && (key_b == kNone || compare(vm, key, key_b) < 0)) key_b = key;
  });
  if (key_a != kNone && key_b != kNone) return compare(vm, key_a, key_b);
  Term least = kNone;
  map_each(vm, a, [&](Term key, Term value) {
    if (least != kNone && compare(vm, key, least) > 0) return;
    const int here = compare(vm, value, map_get(vm, b, key));
    if (here == 0) return;
    least = key;
    order = here;
  });
  return order;
}

/// Of the header of a map or set: whether it is a hash trie.
bool is_trie(u64 word) { return type_of_header(word) == Type::HashMap || type_of_header(word) == Type::HashSet; }

// Flags of two terms.
constexpr u64 kItself = 1;  // a NaN equals itself
constexpr u64 kNodes = 2;   // they are nodes of maps
constexpr u64 kBytesPerStep = 4096;
constexpr u64 kWordsAtOnce = 256;
static_assert(kBytesPerStep / kBytesPerReduction <= kStepReductions);

/// The part of a text of `size` bytes that is compared now, of those that two have in common.
base::Bytes part_of(base::Bytes bytes, u64 common, u64 part) {
  const u64 from = std::min(part * kBytesPerStep, common);
  return bytes.subspan(from, std::min(kBytesPerStep, common - from));
}

/// Whether their words say that two terms are equal.
bool equal_words(Term a, Term b) {
  const Tag tag = tag_of(a);
  return a == b && tag != Tag::Boxed && tag != Tag::Tuple && tag != Tag::Pair && !is_immediate(a, Immediate::F32);
}

/// How far the elements from `from` on, up to `count`, are equal by their words; it looks no further when `words` gets large.
template <class At>
u64 equal_elements(Term a, Term b, u64 from, u64 count, u64& words, At at) {
  u64 i = from;
  for (; i < count && words < kWordsAtOnce && equal_words(at(a, i), at(b, i)); ++i) words += 1;
  return i;
}

base::Bytes bytes_of(const Vm& vm, Rank rank, Term term) {
  return rank == Rank::String ? base::bytes_of(string_text(vm, term)) : binary_bytes(vm, term);
}

}  // namespace

Term EqualWork::run(Vm& vm, bool stops) {
  const Term different = same == kTrue ? kFalse : kTrue;
  Scratch<TwoTerms> later(vm, kept[0]);
  for (;;) {
    const Term a = now.a;
    const Term b = now.b;
    const u64 part = now.part;
    const u64 flags = now.flags;
    bool ready = false;
    const auto next = [&](Term x, Term y, u64 with) {
      now = {x, y, 0, with};
      ready = true;
    };
    // Behind this part of `count` others follow.
    const auto parts = [&](u64 count) {
      if (part + 1 < count) later.push({a, b, part + 1, flags});
    };
    // The elements from this part on.
    const auto elements = [&](u64 count, auto at) {
      const u64 i = equal_elements(a, b, part, count, words, at);
      if (i == count) return;
      if (words >= kWordsAtOnce) {
        later.push({a, b, i, flags});
        return;
      }
      if (i + 1 < count) later.push({a, b, i + 1, flags});
      next(at(a, i), at(b, i), flags);
    };
    // `=` of the whole does not ask for `=` of its keys: a NaN inside a key equals itself.
    const auto entry = [&](Term x_key, Term x, Term y_key, Term y) {
      if (x_key == y_key) return next(x, y, flags & ~kNodes);
      later.push({x, y, 0, flags & ~kNodes});
      next(x_key, y_key, kItself);
    };
    if ((flags & kNodes) != 0) {
      const u64* x = vm.object(a);
      const u64* y = vm.object(b);
      const u64 from = type_of_header(x[0]) == Type::MapNode ? 2 : 1;
      // Equal maps have equal shapes, whatever their history.
      if (x[0] != y[0] || (from == 2 && x[1] != y[1])) return different;
      const Term left = x[from + part];
      const Term right = y[from + part];
      if (is_pair(left) != is_pair(right)) return different;
      parts(words_of_header(x[0]) + 1 - from);
      if (is_pair(left)) {
        entry(head(vm, left), tail(vm, left), head(vm, right), tail(vm, right));
      } else {
        next(left, right, flags);
      }
    } else {
      const Rank rank = rank_of(vm, a);
      if (rank != rank_of(vm, b)) return different;
      switch (rank) {
        case Rank::Nil:
        case Rank::False:
        case Rank::True: break;
        case Rank::Number:
          if (!number::equal(vm, a, b)) {
            if ((flags & kItself) == 0 || !is_nan(vm, a) || !is_nan(vm, b)) return different;
          }
          break;
        case Rank::Symbol:
          if (plain_symbol(vm, a) != plain_symbol(vm, b)) return different;
          break;
        case Rank::List:
          if (a == b && (flags & kItself) != 0) break;
          {
            Term x = a;
            Term y = b;
            while (is_pair(x) && is_pair(y) && words < kWordsAtOnce && equal_words(head(vm, x), head(vm, y))) {
              words += 2;  // this head, and the pair behind it
              x = tail(vm, x);
              y = tail(vm, y);
            }
            if (is_pair(x) != is_pair(y)) return different;
            if (!is_pair(x)) break;
            if (words >= kWordsAtOnce) {
              words -= 1;  // it counts when it is taken up again
              later.push({x, y, 0, flags});
              break;
            }
            later.push({tail(vm, x), tail(vm, y), 0, flags});
            next(head(vm, x), head(vm, y), flags);
          }
          break;
        case Rank::Tuple: {
          const u64 count = tuple_count(vm, a);
          if (count != tuple_count(vm, b)) return different;
          elements(count, [&](Term tuple, u64 i) { return tuple_at(vm, tuple, i); });
          break;
        }
        case Rank::Vector: {
          const u64 count = vector_count(vm, a);
          if (count != vector_count(vm, b)) return different;
          elements(count, [&](Term vector, u64 i) { return vector_at(vm, vector, i); });
          break;
        }
        case Rank::Map:
        case Rank::Set: {
          const u64 count = map_count(vm, a);
          if (count != map_count(vm, b)) return different;
          if (count == 0) break;
          const u64* x = vm.object(a);
          const u64* y = vm.object(b);
          if (is_trie(x[0]) != is_trie(y[0])) return different;
          if (is_trie(x[0])) {
            next(x[2], y[2], flags | kNodes);
            break;
          }
          parts(count);
          entry(x[1 + 2 * part], x[2 + 2 * part], y[1 + 2 * part], y[2 + 2 * part]);
          break;
        }
        case Rank::String:
        case Rank::Binary: {
          const base::Bytes x = bytes_of(vm, rank, a);
          const base::Bytes y = bytes_of(vm, rank, b);
          if (x.size() != y.size()) return different;
          const base::Bytes piece = part_of(x, x.size(), part);
          if (!piece.empty() && memcmp(piece.data(), part_of(y, y.size(), part).data(), piece.size()) != 0)
            return different;
          words += piece.size() / kBytesPerReduction * kWordsPerReduction;
          parts((x.size() + kBytesPerStep - 1) / kBytesPerStep);
          break;
        }
        case Rank::Paddr:
        case Rank::Vaddr:
          if (vm.object(a)[1] != vm.object(b)[1]) return different;
          break;
        case Rank::Function:
        case Rank::RealmId:
          if (a == b) break;
          if (tag_of(a) != Tag::Boxed || tag_of(b) != Tag::Boxed) return different;
          {
            const u64* x = vm.object(a);
            const u64* y = vm.object(b);
            const u64 count = words_of_header(x[0]) - (flags_of_header(x[0]) & kHasMeta);
            if (count != words_of_header(y[0]) - (flags_of_header(y[0]) & kHasMeta) || x[1] != y[1]) return different;
            for (u64 i = 2; i <= count; ++i) later.push({x[i], y[i], 0, flags});
          }
          break;
        case Rank::Char:
        case Rank::Keyword:
        case Rank::Pid:
        case Rank::Ref:
        case Rank::Handle:
        case Rank::Namespace:
        case Rank::Var:
          if (a != b) return different;
          break;
      }
    }
    if (later.failed()) return different;  // the process is out of memory
    if (!ready) {
      if (later.empty()) {
        goes_on(vm, words, false);
        return same;
      }
      now = later.back();
      later.pop();
    }
    words += now.part == 0;
    if (!goes_on(vm, words, stops)) return kNone;
  }
}

bool equal(Vm& vm, Term a, Term b, NaN nan) {
  if (equal_words(a, b)) return true;
  EqualWork work{{}, {a, b, 0, nan == NaN::EqualsItself ? kItself : 0}, 1, kTrue};
  return work_do_at_once(vm, work) == kTrue;
}

Term equal_in_steps(Vm& vm, Term a, Term b, Wanted wanted) {
  const Term same = boolean(wanted == Wanted::Equal);
  if (equal_words(a, b)) return same;
  EqualWork work{{}, {a, b, 0, 0}, 1, same};
  return work_do(vm, work);
}

Term Comparison::run(Vm& vm, Kept& kept, bool stops) {
  Scratch<TwoTerms> later(vm, kept);
  for (;;) {
    const Term a = now.a;
    const Term b = now.b;
    const u64 part = now.part;
    bool ready = false;
    // The elements from this part on of two that have x and y of them; when one has no more, that decides.
    const auto elements = [&](u64 x, u64 y, auto at) {
      const u64 i = equal_elements(a, b, part, std::min(x, y), words, at);
      if (i == std::min(x, y)) return order_of(x, y);
      if (words >= kWordsAtOnce) {
        later.push({a, b, i, 0});
        return 0;
      }
      const Term left = at(a, i);
      const Term right = at(b, i);
      if (is_small(left) && is_small(right)) {
        words += 1;
        return order_of(small_value(left), small_value(right));
      }
      later.push({a, b, i + 1, 0});
      now = {left, right, 0, 0};
      ready = true;
      return 0;
    };
    const Rank rank = rank_of(vm, a);
    const Rank other = rank_of(vm, b);
    if (rank != other) {
      later.shrink(0);
      return small(rank < other ? -1 : 1);
    }
    int order = 0;
    switch (rank) {
      case Rank::Nil:
      case Rank::False:
      case Rank::True: break;
      case Rank::Number: order = compare_numbers(vm, a, b); break;
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
          later.push({tail(vm, a), tail(vm, b), 0, 0});
          now = {head(vm, a), head(vm, b), 0, 0};
          ready = true;
        }
        break;
      case Rank::Tuple:
        order =
            elements(tuple_count(vm, a), tuple_count(vm, b), [&](Term tuple, u64 n) { return tuple_at(vm, tuple, n); });
        break;
      case Rank::Vector:
        order = elements(vector_count(vm, a), vector_count(vm, b),
                         [&](Term vector, u64 n) { return vector_at(vm, vector, n); });
        break;
      case Rank::Map:
      case Rank::Set: order = compare_maps(vm, a, b); break;
      case Rank::String:
      case Rank::Binary: {
        const base::Bytes x = bytes_of(vm, rank, a);
        const base::Bytes y = bytes_of(vm, rank, b);
        const u64 common = std::min(x.size(), y.size());
        const base::Bytes piece = part_of(x, common, part);
        // UTF-8 keeps the order of code points.
        if (!piece.empty()) order = sign_of(memcmp(piece.data(), part_of(y, common, part).data(), piece.size()));
        words += piece.size() / kBytesPerReduction * kWordsPerReduction;
        if (order != 0) break;
        if ((part + 1) * kBytesPerStep < common) {
          later.push({a, b, part + 1, 0});
        } else {
          order = order_of(x.size(), y.size());
        }
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
          for (u64 i = count; order == 0 && i >= 2; --i) later.push({x[i], y[i], 0, 0});
        }
        break;
      case Rank::Char:
      case Rank::Pid:
      case Rank::Ref:
      case Rank::Handle:
      case Rank::Namespace:
      case Rank::Var: order = order_of(a, b); break;
    }
    if (order != 0 || later.failed() || (!ready && later.empty())) {
      goes_on(vm, words, false);
      later.shrink(0);
      return small(order);
    }
    if (!ready) {
      now = later.back();
      later.pop();
    }
    words += now.part == 0;
    if (!goes_on(vm, words, stops)) return kNone;
  }
}

int compare(Vm& vm, Term a, Term b) {
  CompareWork work{{}, {{a, b, 0, 0}, 1}};
  return static_cast<int>(small_value(work_do_at_once(vm, work)));
}

Term compare_in_steps(Vm& vm, Term a, Term b) {
  CompareWork work{{}, {{a, b, 0, 0}, 1}};
  return work_do(vm, work);
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
