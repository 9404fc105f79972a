#include "vm/lonala/transactions.h"

#include "vm/lonala/collections/map.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/literal_text.h"
#include "vm/lonala/namespaces.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"
#include "vm/lonala/values.h"

#include "base/enforce.h"

namespace lonala {
namespace {

/// What a commit replaced, for `ns-rollback`; a chain per namespace.
struct Replaced {
  u64 next;
  Term var;
  Term value;   // kNone: the variable's own, which stays
  Term meta;    // alike
  u64 present;  // whether the namespace had the variable
};

RareRecord* transaction_of(const Vm& vm, const Process& process) {
  if (process.rare == 0) return nullptr;
  RareRecord* record = vm.at<RareRecord>(process.rare);
  return record->transaction == 0 ? nullptr : record;
}

/// A staged entry: [value meta undefined?]. What is not staged is kNone: it is the variable's own, whatever that becomes meanwhile.
Term entry_of(Vm& vm, Term value, Term meta, bool undefined) {
  return make_tuple(vm, {value, meta, boolean(undefined)});
}

void count_staged(Vm& vm, Term var, i32 change) {
  VarRecord& record = var_record(vm, var);
  record.staged = static_cast<u32>(static_cast<i32>(record.staged) + change);
  if (record.staged != 0) {
    record.flags |= kVarStaged;
  } else {
    record.flags &= ~kVarStaged;
  }
  var_update_entry(vm, var);
}

/// The entry of a variable as it lies in the transaction.
Staged own_entry(Vm& vm, Term var) {
  const RareRecord* record = vm.process == nullptr ? nullptr : transaction_of(vm, *vm.process);
  const Term entry = record == nullptr ? kNone : map_get(vm, record->staged, var);
  if (entry == kNone) return {false, kNone, kNone, false};
  return {true, tuple_at(vm, entry, 0), tuple_at(vm, entry, 1), tuple_at(vm, entry, 2) == kTrue};
}

/// Puts an entry; the value and metadata it replaces are retired unless they stay.
Term put_entry(Vm& vm, Term var, Term value, Term meta, bool undefined) {
  RareRecord& record = *transaction_of(vm, *vm.process);
  const Staged before = own_entry(vm, var);
  const Term map = map_put(vm, record.staged, var, entry_of(vm, value, meta, undefined));
  if (map == kRaised) return kRaised;
  record.staged = map;
  if (!before.found) {
    count_staged(vm, var, 1);
  } else {
    if (before.value != value) value_retire(vm, before.value);
    if (before.meta != meta) value_retire(vm, before.meta);
  }
  return var;
}

void clear(RareRecord& record) {
  record.transaction = 0;
  record.spaces = kEmptyList;
  record.staged = kEmptyMap;
  record.made = kEmptyMap;
  record.expected = kEmptyList;
}

void forget_replaced(Vm& vm, NamespaceRecord& space) {
  while (space.replaced != 0) {
    const u64 offset = space.replaced;
    const Replaced replaced = *vm.at<Replaced>(offset);
    value_retire(vm, replaced.value);
    value_retire(vm, replaced.meta);
    space.replaced = replaced.next;
    block_release(vm, offset, sizeof(Replaced), PageUse::Table);
  }
}

/// Exchanges the state of a variable with what a record holds.
void exchange(Vm& vm, Replaced& record) {
  VarRecord& var = var_record(vm, record.var);
  NameTable& table = *vm.at<NameTable>(namespace_record(vm, var.space).vars);
  const bool present = table_get(vm, table, var.name) != kNone;
  if (present != (record.present != 0)) table_put(vm, table, var.name, present ? kNone : record.var);
  record.present = present;
  const Term meta = var.meta;
  const Term value = var_replace(vm, record.var, record.value == kNone ? var.value : record.value);
  if (record.value != kNone) record.value = value;
  if (record.meta == kNone) return;
  var_set_meta(vm, record.var, record.meta, Superseded::Kept);
  record.meta = meta;
}

/// The transaction of the running process that `tx` names; null: raised.
RareRecord* transaction_argument(Vm& vm, Args args) {
  RareRecord* record = transaction_of(vm, *vm.process);
  if (record != nullptr && record->transaction == args[0]) return record;
  raise_args(vm, Atom::Badarg, args);
  return nullptr;
}

/// (tx … sym …) or (tx … ns sym …): the namespace and the name, and where the rest of the arguments begins.
bool place_argument(Vm& vm, const RareRecord& record, Args args, u32 fewest, Term& space, Term& name, u32& rest) {
  const bool named = args.count == fewest + 1;
  if (!named && is_pair(tail(vm, record.spaces))) {  // several namespaces: the call says which
    raise_args(vm, Atom::Badarg, args);
    return false;
  }
  rest = named ? 3 : 2;
  space = head(vm, record.spaces);
  if (named) space = is_symbol(vm, args[1]) ? namespace_find(vm, plain_symbol(vm, args[1])) : args[1];
  if (!is_symbol(vm, args[rest - 1])) {
    raise_type(vm, args, Atom::Symbol);
    return false;
  }
  name = plain_symbol(vm, args[rest - 1]);
  if (is_namespace(space) && stages_in(vm, space)) return true;
  raise_args(vm, Atom::Badarg, args);
  return false;
}

bool expectations_hold(Vm& vm, const RareRecord& record, Term& wrong) {
  for (Term list = record.expected; is_pair(list); list = tail(vm, list)) {
    const Term expected = head(vm, list);
    const NameTable& table = *vm.at<NameTable>(namespace_record(vm, tuple_at(vm, expected, 0)).vars);
    const Term var = table_get(vm, table, tuple_at(vm, expected, 1));
    const u64 version = var == kNone ? 0 : var_record(vm, var).version;
    if (tuple_at(vm, expected, 2) == small(static_cast<i64>(version))) continue;
    wrong = tuple_at(vm, expected, 1);
    return false;
  }
  return true;
}

/// All staged changes at one instant; false, with nothing changed, when memory is exhausted.
bool commit(Vm& vm, RareRecord& record) {
  u64 first = 0;
  bool room = true;
  map_each(vm, record.staged, [&](Term var, Term entry) {
    const u64 offset = room ? block_acquire(vm, sizeof(Replaced), PageUse::Table) : 0;
    room = room && offset != 0;
    if (!room) return;
    const u64 present = tuple_at(vm, entry, 2) == kFalse;
    *vm.at<Replaced>(offset) = {first, var, tuple_at(vm, entry, 0), tuple_at(vm, entry, 1), present};
    first = offset;
  });
  if (!room) {
    while (first != 0) {
      const u64 next = vm.at<Replaced>(first)->next;
      block_release(vm, first, sizeof(Replaced), PageUse::Table);
      first = next;
    }
    return false;
  }
  for (Term list = record.spaces; is_pair(list); list = tail(vm, list)) {
    forget_replaced(vm, namespace_record(vm, head(vm, list)));
  }
  while (first != 0) {
    Replaced& change = *vm.at<Replaced>(first);
    const u64 offset = first;
    first = change.next;
    count_staged(vm, change.var, -1);
    exchange(vm, change);
    NamespaceRecord& space = namespace_record(vm, var_record(vm, change.var).space);
    change.next = space.replaced;
    space.replaced = offset;
  }
  return true;
}

}  // namespace

Staged staged_of(Vm& vm, Term var) {
  Staged entry = own_entry(vm, var);
  if (!entry.found) return {};
  if (entry.value == kNone) entry.value = var_record(vm, var).value;
  if (entry.meta == kNone) entry.meta = var_record(vm, var).meta;
  return entry;
}

bool stages_in(Vm& vm, Term space) {
  const RareRecord* record = vm.process == nullptr ? nullptr : transaction_of(vm, *vm.process);
  if (record == nullptr) return false;
  Term list = record->spaces;
  while (is_pair(list) && head(vm, list) != space) list = tail(vm, list);
  return is_pair(list);
}

Term staged_new(Vm& vm, Term space, Term name) {
  const RareRecord* record = vm.process == nullptr ? nullptr : transaction_of(vm, *vm.process);
  return record == nullptr ? kNone : map_get(vm, record->made, make_tuple(vm, {space, name}));
}

bool stage_new(Vm& vm, Term space, Term name, Term var) {
  RareRecord& record = *transaction_of(vm, *vm.process);
  const Term map = map_put(vm, record.made, make_tuple(vm, {space, name}), var);
  if (map == kRaised) return false;
  record.made = map;
  return true;
}

Term stage_value(Vm& vm, Term var, Term value) {
  const Term copy = copy_to_value(vm, value);
  if (copy == kNone) return raise_oom(vm, 8);
  return put_entry(vm, var, copy, own_entry(vm, var).meta, false);
}

Term stage_meta(Vm& vm, Term var, Term meta) {
  const Term copy = copy_to_value(vm, meta);
  if (copy == kNone) return raise_oom(vm, 8);
  const Staged before = own_entry(vm, var);
  return put_entry(vm, var, before.value, copy, before.undefined);
}

void transaction_abandon(Vm& vm, Process& process) {
  RareRecord* record = transaction_of(vm, process);
  if (record == nullptr) return;
  map_each(vm, record->staged, [&](Term var, Term entry) {
    value_retire(vm, tuple_at(vm, entry, 0));
    value_retire(vm, tuple_at(vm, entry, 1));
    count_staged(vm, var, -1);
  });
  clear(*record);
}

/// (tx-begin* namespaces): the transaction, a ref.
Term native_TxBegin(Vm& vm, Args args) {
  RareRecord* record = rare_record(vm, *vm.process);
  if (record == nullptr) return raise_oom(vm, sizeof(RareRecord) / 8);
  const Term list = list_of_collection(vm, args[0]);
  if (record->transaction != 0 || list == kNone || !is_pair(list)) return raise_args(vm, Atom::Badarg, args);
  Term spaces = kEmptyList;
  for (Term rest = list; is_pair(rest); rest = tail(vm, rest)) {
    Term space = head(vm, rest);
    if (is_symbol(vm, space)) space = namespace_find(vm, plain_symbol(vm, space));
    if (!is_namespace(space)) return raise_args(vm, Atom::Badarg, args);
    spaces = make_pair(vm, space, spaces);
  }
  clear(*record);
  record->spaces = reverse_list(vm, spaces);
  record->transaction = native_MakeRef(vm, Args{});
  return record->transaction;
}

Term native_TxDef(Vm& vm, Args args) {
  Term space = kNil;
  Term name = kNil;
  u32 rest = 0;
  const RareRecord* record = transaction_argument(vm, args);
  if (record == nullptr || !place_argument(vm, *record, args, 3, space, name, rest)) return kRaised;
  const Term var = var_intern(vm, space, name);
  if (var == kRaised || stage_value(vm, var, args[rest]) == kRaised) return kRaised;
  const Term meta = metadata_of(vm, args[rest - 1]);
  if (meta != kNil && stage_meta(vm, var, meta) == kRaised) return kRaised;
  return keyword(vm, Atom::Ok);
}

Term native_TxUndef(Vm& vm, Args args) {
  Term space = kNil;
  Term name = kNil;
  u32 rest = 0;
  const RareRecord* record = transaction_argument(vm, args);
  if (record == nullptr || !place_argument(vm, *record, args, 2, space, name, rest)) return kRaised;
  const Term var = var_find(vm, space, name);
  if (var == kNone) return keyword(vm, Atom::Ok);
  const Staged before = own_entry(vm, var);
  const Term done = put_entry(vm, var, before.value, before.meta, true);
  return done == kRaised ? done : keyword(vm, Atom::Ok);
}

Term native_TxExpect(Vm& vm, Args args) {
  Term space = kNil;
  Term name = kNil;
  u32 rest = 0;
  RareRecord* record = transaction_argument(vm, args);
  if (record == nullptr || !place_argument(vm, *record, args, 3, space, name, rest)) return kRaised;
  if (!number::is_integer_like(vm, args[rest])) return raise_type(vm, args, Atom::Integer);
  const Term version = number::plain(vm, args[rest]);
  record->expected = make_pair(vm, make_tuple(vm, {space, name, version}), record->expected);
  return keyword(vm, Atom::Ok);
}

/// (tx-end* tx commit?): :ok, or [:error [:conflict name]].
Term native_TxEnd(Vm& vm, Args args) {
  RareRecord* record = transaction_argument(vm, args);
  if (record == nullptr) return kRaised;
  Term wrong = kNone;
  if (is_falsy(args[1])) {
    transaction_abandon(vm, *vm.process);
  } else if (!expectations_hold(vm, *record, wrong)) {
    transaction_abandon(vm, *vm.process);
    return make_tuple(vm, {keyword(vm, Atom::Error), make_tuple(vm, {keyword(vm, Atom::Conflict), wrong})});
  } else {
    if (!commit(vm, *record)) {
      transaction_abandon(vm, *vm.process);
      return raise_oom(vm, sizeof(Replaced) / 8);
    }
    clear(*record);
  }
  return keyword(vm, Atom::Ok);
}

Term native_NsSnapshot(Vm& vm, Args args) {
  const Term space = is_symbol(vm, args[0]) ? namespace_find(vm, plain_symbol(vm, args[0])) : args[0];
  if (space == kNone) return raise_args(vm, Atom::Badarg, args);
  if (!is_namespace(space)) return raise_type(vm, args, Atom::Namespace);
  Term map = kEmptyMap;
  table_each(vm, *vm.at<NameTable>(namespace_record(vm, space).vars), [&](Term name, Term var) {
    const Term value = staged_of(vm, var).undefined ? kUnbound : var_value(vm, var);
    if (value != kUnbound) map = map_put(vm, map, name, value);
  });
  return map;
}

/// Takes the last commit in a namespace back; once more does it again.
Term native_NsRollback(Vm& vm, Args args) {
  const Term space = is_symbol(vm, args[0]) ? namespace_find(vm, plain_symbol(vm, args[0])) : args[0];
  if (space == kNone) return raise_args(vm, Atom::Badarg, args);
  if (!is_namespace(space)) return raise_type(vm, args, Atom::Namespace);
  for (u64 at = namespace_record(vm, space).replaced; at != 0; at = vm.at<Replaced>(at)->next) {
    exchange(vm, *vm.at<Replaced>(at));
  }
  return keyword(vm, Atom::Ok);
}

u64 replaced_bytes(const Vm& vm, Term space) {
  u64 bytes = 0;
  for (u64 at = namespace_record(vm, space).replaced; at != 0; at = vm.at<Replaced>(at)->next) {
    bytes += block_capacity(sizeof(Replaced));
  }
  return bytes;
}

}  // namespace lonala
