#include "vm/lonala/hints.h"

#include <algorithm>

#include "vm/lonala/atoms.h"
#include "vm/lonala/namespaces.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kNameBytesMax = 64;  // of names that are compared; longer ones are nobody's slip of the finger

bool is_private(const Vm& vm, Term var) { return (var_record(vm, var).flags & kVarPrivate) != 0; }

/// Calls visit(name, var) for what a plain symbol can mean in `space`. A name may come twice.
template <class Visit>
void each_visible(Vm& vm, Term space, Visit visit) {
  const NamespaceRecord& record = namespace_record(vm, space);
  for (const u64 table : {record.vars, record.refers}) {
    table_each(vm, *vm.at<NameTable>(table), visit);
  }
}

/// Names like `list-of*` are for the library's own use.
bool is_internal(std::string_view name) { return name.size() > 1 && name.back() == '*' && name.front() != '*'; }

/// The namespace that a qualified name's first part means, or kNone.
Term space_named(Vm& vm, Term from, std::string_view text) {
  const Term name = symbol_named(vm, text);
  if (name == kNone) return kNone;
  const Term aliased = table_get(vm, *vm.at<NameTable>(namespace_record(vm, from).aliases), name);
  return aliased != kNone ? aliased : namespace_find(vm, name);
}

/// How many letters must be added, dropped, changed or swapped with the next one (Damerau's restricted distance), at most `bound` + 1.
u32 distance(std::string_view a, std::string_view b, u32 bound) {
  const u64 difference = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (difference > bound || a.size() > kNameBytesMax || b.size() > kNameBytesMax) return bound + 1;
  u8 rows[3][kNameBytesMax + 1];
  for (u64 j = 0; j <= b.size(); ++j) rows[0][j] = static_cast<u8>(j);
  for (u64 i = 1; i <= a.size(); ++i) {
    u8* row = rows[i % 3];
    const u8* before = rows[(i - 1) % 3];
    const u8* earlier = rows[(i + 1) % 3];
    row[0] = static_cast<u8>(i);
    for (u64 j = 1; j <= b.size(); ++j) {
      const u8 changed = static_cast<u8>(before[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
      row[j] = std::min({static_cast<u8>(before[j] + 1), static_cast<u8>(row[j - 1] + 1), changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], static_cast<u8>(earlier[j - 2] + 1));
      }
    }
  }
  return rows[a.size() % 3][b.size()];
}

}  // namespace

void names_beginning_with(Vm& vm, std::string_view prefix, NameVisitor& visitor) {
  if (prefix.starts_with(":")) {
    const std::string_view wanted = prefix.substr(1);
    const NameTable& atoms = vm.root->atoms_by_name;  // a word a slot: the record's offset
    for (u64 i = 0; i < atoms.capacity; ++i) {
      if (vm.words(atoms.slots)[i] == 0) continue;
      const NameRecord& record = *vm.at<NameRecord>(vm.words(atoms.slots)[i]);
      if (record.keyword_used == 0 || record.space_bytes != 0 || !record.name().starts_with(wanted)) continue;
      Text text(vm);
      text.add(':');
      text.add(record.name());
      visitor.name(text.view(), kNone);
    }
    return;
  }
  const Term current = current_namespace(vm);
  const u64 slash = prefix.find('/');
  if (slash != std::string_view::npos && slash > 0) {
    const Term space = space_named(vm, current, prefix.substr(0, slash));
    if (space == kNone) return;
    table_each(vm, *vm.at<NameTable>(namespace_record(vm, space).vars), [&](Term name, Term var) {
      const std::string_view wanted = prefix.substr(slash + 1);
      const std::string_view own = name_record(vm, name).name();
      if (!own.starts_with(wanted) || is_internal(own) || (is_private(vm, var) && space != current)) return;
      Text text(vm);
      text.add(prefix.substr(0, slash + 1));
      text.add(own);
      visitor.name(text.view(), var);
    });
    return;
  }
  for (const std::string_view special : {"def", "fn*", "match", "do", "quote", "var", "receive"}) {
    if (special.starts_with(prefix)) visitor.name(special, kNone);
  }
  each_visible(vm, current, [&](Term name, Term var) {
    const std::string_view text = name_record(vm, name).name();
    if (text.starts_with(prefix) && !is_internal(text)) visitor.name(text, var);
  });
  const auto with_slash = [&](Term name, Term) {
    const NameRecord& record = name_record(vm, name);
    if (record.space_bytes != 0 || !record.name().starts_with(prefix)) return;
    Text text(vm);
    text.add(record.name());
    text.add('/');
    visitor.name(text.view(), kNone);
  };
  table_each(vm, *vm.at<NameTable>(namespace_record(vm, current).aliases), with_slash);
  table_each(vm, vm.root->namespaces, with_slash);
}

void nearest_names(Vm& vm, Text& out, Term symbol) {
  const NameRecord& unknown = name_record(vm, symbol);
  const std::string_view wanted = unknown.name();
  const u32 bound = wanted.size() <= 3 ? 1 : wanted.size() <= 6 ? 2 : 3;
  struct Near {
    std::string_view name;
    u32 distance;
  };
  Near nearest[kNearestMax];
  u32 count = 0;
  const auto consider = [&](std::string_view name) {
    const u32 far = distance(wanted, name, bound);
    // What shares no letter is not meant.
    if (far > bound || far >= wanted.size() || is_internal(name)) return;
    u32 at = count;
    for (u32 i = 0; i < count; ++i) {
      if (nearest[i].name == name) return;
    }
    const auto before = [&](const Near& other) {
      return far != other.distance ? far < other.distance : name < other.name;
    };
    while (at > 0 && before(nearest[at - 1])) at -= 1;
    if (at == kNearestMax) return;
    for (u32 i = std::min(count, kNearestMax - 1); i > at; --i) nearest[i] = nearest[i - 1];
    nearest[at] = {name, far};
    count = std::min(count + 1, kNearestMax);
  };
  const Term current = current_namespace(vm);
  if (unknown.space_bytes != 0) {
    const Term space = space_named(vm, current, unknown.space());
    if (space == kNone) return;
    table_each(vm, *vm.at<NameTable>(namespace_record(vm, space).vars), [&](Term name, Term var) {
      if (!is_private(vm, var) || space == current) consider(name_record(vm, name).name());
    });
  } else {
    each_visible(vm, current, [&](Term name, Term) { consider(name_record(vm, name).name()); });
  }
  for (u32 i = 0; i < count; ++i) {
    if (i > 0) out.add(", ");
    if (unknown.space_bytes != 0) {
      out.add(unknown.space());
      out.add('/');
    }
    out.add(nearest[i].name);
  }
}

}  // namespace lonala
