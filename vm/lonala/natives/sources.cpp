// vm/lonala/natives/sources.cpp — where forms come from, and what a person at the machine asks about its processes.
#include "vm/lonala/collections/map.h"
#include "vm/lonala/compile/compiler.h"
#include "vm/lonala/library.h"
#include "vm/lonala/namespaces.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"
#include "vm/lonala/process.h"
#include "vm/lonala/reader.h"

#include "base/enforce.h"

namespace lonala {
namespace {

bool place_of(Vm& vm, Term term, TextPlace& out) {
  if (!is_tuple(term) || tuple_count(vm, term) != 3) return false;
  u64 numbers[3] = {};
  for (u32 i = 0; i < 3; ++i) {
    const Term part = tuple_at(vm, term, i);
    if (!is_small(part) || small_value(part) < 0) return false;
    numbers[i] = static_cast<u64>(small_value(part));
  }
  out = {numbers[0], numbers[1], numbers[2], true};
  return true;
}

/// An error that names no place gets the file, and the line if there is one.
Term raised_in_file(Vm& vm, Term file, u64 line) {
  const Term reason = vm.process->pending;
  if ((vm.process->flags & kExiting) != 0 || !is_tuple(reason) || tuple_count(vm, reason) != 3) return kRaised;
  Term info = tuple_at(vm, reason, 2);
  if (!is_map(vm, info) || map_get(vm, info, keyword(vm, Atom::File)) != kNone) return kRaised;
  info = map_put(vm, info, keyword(vm, Atom::File), file);
  if (line != 0 && info != kRaised) info = map_put(vm, info, keyword(vm, Atom::Line), small(static_cast<i64>(line)));
  if (info == kRaised) return kRaised;
  vm.process->pending = make_tuple(vm, {tuple_at(vm, reason, 0), tuple_at(vm, reason, 1), info});
  return kRaised;
}

}  // namespace

/// (compile* form [file line text]).
Term native_CompileForm(Vm& vm, Args args) {
  if (args.count == 1) return compile_form(vm, args[0]);
  if (args.count != 4 || !is_string(vm, args[1]) || !is_small(args[2]) || !is_string(vm, args[3])) {
    return raise_args(vm, Atom::Badarg, args);
  }
  const Unit unit{string_text(vm, args[1]), static_cast<u64>(small_value(args[2])), string_text(vm, args[3])};
  const Term function = compile_form(vm, args[0], unit);
  return function == kRaised ? raised_in_file(vm, args[1], unit.line) : function;
}

/// The size of a file in bytes, nil if it cannot be read.
Term native_FileSize(Vm& vm, Args args) {
  if (!is_string(vm, args[0])) return raise_type(vm, args, Atom::String);
  const i64 size = vm.ports == nullptr ? -1 : vm.ports->file_size(string_text(vm, args[0]));
  return size < 0 ? kNil : small(size);
}

/// Forgets a namespace: after its first load has failed. It stays in the list of all, for whoever still has it.
Term native_NsRemove(Vm& vm, Args args) {
  if (!is_symbol(vm, args[0])) return raise_type(vm, args, Atom::Symbol);
  const Term name = plain_symbol(vm, args[0]);
  const Term space = namespace_find(vm, name);
  if (space == kNone) return kNil;
  return table_put(vm, vm.root->namespaces, name, kNone) ? kNil : raise_oom(vm, 8);
}

/// The process's end is no news: somebody waits for its reason.
Term native_Quiet(Vm& vm, Args) {
  vm.process->marks |= kQuiet;
  return keyword(vm, Atom::Ok);
}

/// (read-form* text [offset line column] file) => [form line text place] or nil at the end.
Term native_ReadForm(Vm& vm, Args args) {
  TextPlace start;
  if (!is_string(vm, args[0])) return raise_type(vm, args, Atom::String);
  if (!place_of(vm, args[1], start) || start.offset > string_text(vm, args[0]).size()) {
    return raise_args(vm, Atom::Badarg, args);
  }
  Reader reader(vm, string_text(vm, args[0]).substr(start.offset), start);
  Term form = kNil;
  switch (reader.next(form)) {
    case Reader::Outcome::Error: return raised_in_file(vm, args[2], 0);
    case Reader::Outcome::End: return kNil;
    case Reader::Outcome::Form: break;
  }
  const TextPlace next = reader.place();
  const Term place = make_tuple(vm, {small(static_cast<i64>(start.offset + next.offset)),
                                     small(static_cast<i64>(next.line)), small(static_cast<i64>(next.column))});
  const Term text = make_string(vm, reader.form_text());
  return make_tuple(vm, {form, small(static_cast<i64>(reader.line())), text, place});
}

/// (library-text* file line): the form of the library that begins in that line, as it was written; nil if there is none.
Term native_LibraryText(Vm& vm, Args args) {
  if (!is_string(vm, args[0])) return raise_type(vm, args, Atom::String);
  if (!is_small(args[1])) return raise_type(vm, args, Atom::Integer);
  for (const LibrarySource& source : library_sources()) {
    if (source.name != string_text(vm, args[0])) continue;
    std::string_view text = source.text;
    for (i64 line = 1; line < small_value(args[1]) && !text.empty(); ++line) {
      const u64 end = text.find('\n');
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    Reader reader(vm, text, {.valid = true});
    Term form = kNil;
    return reader.next(form) == Reader::Outcome::Form ? make_string(vm, reader.form_text()) : kNil;
  }
  return kNil;
}

/// What lona.random draws from.
Term native_MachineSeed(Vm& vm, Args) { return number::make_unsigned(vm, vm.root->seed); }

Term native_Processes(Vm& vm, Args) {
  Term list = kEmptyList;
  for (u64 slot = vm.root->process_high; slot > 0; --slot) {
    const u64 word = vm.words(vm.root->processes)[slot - 1];
    if (word != 0 && (word & 1) == 0) list = make_pair(vm, vm.at<Process>(word)->pid, list);
  }
  return list;
}

Term native_Registered(Vm& vm, Args) {
  Term map = kEmptyMap;
  table_each(vm, vm.root->names, [&](Term name, Term pid) {
    if (process_of(vm, pid) != nullptr) map = map_put(vm, map, name, pid);
  });
  return map;
}

/// [ns reductions collections bytes]: what the running process has done so far, as `time` compares it.
Term native_WorkDone(Vm& vm, Args) {
  const Process& process = *vm.process;
  const i64 slice = static_cast<i64>(kSliceReductions) - process.fuel - process.fuel_held;
  const u64 reductions = process.reductions + static_cast<u64>(slice > 0 ? slice : 0);
  const RareRecord record = process.rare == 0 ? RareRecord{} : *vm.at<RareRecord>(process.rare);
  const u64 words = process.fragment_words + process.reclaimed_words;
  const u64 bytes = process.hp - process.heap_low + record.old_top - record.old_low + words * 8;
  const u64 now_ns = vm.root->now_ns + static_cast<u64>(slice > 0 ? slice : 0) * vm.root->reduction_ns;
  return make_tuple(vm, {small(static_cast<i64>(now_ns)), small(static_cast<i64>(reductions)),
                         small(static_cast<i64>(vm.root->collections)), small(static_cast<i64>(bytes))});
}

}  // namespace lonala
