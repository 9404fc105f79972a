#include "vm/lonala/session.h"

#include "vm/lonala/code_memory.h"
#include "vm/lonala/collections/map.h"
#include "vm/lonala/compile/compiler.h"
#include "vm/lonala/errors.h"
#include "vm/lonala/hints.h"
#include "vm/lonala/interpreter.h"
#include "vm/lonala/library.h"
#include "vm/lonala/namespaces.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/printer.h"
#include "vm/lonala/process.h"
#include "vm/lonala/mailbox.h"
#include "vm/lonala/reader.h"
#include "vm/lonala/scheduler.h"
#include "vm/lonala/timers.h"
#include "vm/lonala/transactions.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u8 kSessionPriority = kPriorityDefault;
constexpr i64 kPrintLength = 200;
constexpr i64 kPrintDepth = 12;
constexpr u64 kTurnReductions = 10'000;  // 80 µs: how long somebody who interrupts a form waits at least

/// Natives that a guard may use: they have no effect and always end.
bool guard_native(NativeId native) {
  if (native >= NativeId::TypeOf && native <= NativeId::IsVaddr) return true;
  if (native >= NativeId::Add && native <= NativeId::Rest) return true;
  if (native >= NativeId::Quot && native <= NativeId::Compare) return true;
  switch (native) {
    case NativeId::Nth:
    case NativeId::Get:
    case NativeId::Count:
    case NativeId::IsEmpty:
    case NativeId::Contains:
    case NativeId::SetHas:
    case NativeId::BinarySize:
    case NativeId::IsBytebuf:
    case NativeId::NameOf:
    case NativeId::NamespaceOf: return true;
    default: return false;
  }
}

bool intern_natives(Vm& vm) {
  for (u32 i = 0; i < static_cast<u32>(NativeId::End); ++i) {
    if (native_space(i).empty()) continue;
    const Term space_name = symbol_named(vm, native_space(i));
    const Term name = symbol_named(vm, native_name(i));
    if (space_name == kNone || name == kNone) return false;
    const Term space = namespace_intern(vm, space_name);
    const Term var = space == kRaised ? kRaised : var_intern(vm, space, name);
    if (var == kRaised) return false;
    const NativeId native = static_cast<NativeId>(i);
    Term meta = make_info(vm, {{Atom::Native, kTrue}, {Atom::Name, name}, {Atom::Ns, space_name}});
    if (guard_native(native)) meta = map_put(vm, meta, keyword(vm, Atom::Guard), kTrue);
    const Term copy = copy_to_literals(vm, meta);
    if (copy == kNone) return false;
    var_set_meta(vm, var, copy);
    var_set(vm, var, immediate(Immediate::Native, i));
    if (native_is_inline(native)) var_record(vm, var).flags |= kVarInline;
  }
  return true;
}

Term make_bound_var(Vm& vm, std::string_view name, Term value) {
  const Term core = namespace_find(vm, symbol(vm, Atom::LonaCore));
  const Term var = var_intern(vm, core, symbol_named(vm, name));
  if (var == kRaised) return kNone;
  var_set(vm, var, value);
  const Term meta = copy_to_literals(vm, make_info(vm, {{Atom::ProcessBound, kTrue}}));
  if (meta == kNone) return kNone;
  var_set_meta(vm, var, meta);
  return var;
}

bool load_library(Vm& vm) {
  for (const LibrarySource& source : library_sources()) {
    Reader reader(vm, source.text);
    for (;;) {
      session_reset(vm);
      Term form = kNil;
      const Reader::Outcome outcome = reader.next(form);
      if (outcome == Reader::Outcome::End) break;
      Evaluation evaluation{false, session_process(vm).pending};
      if (outcome == Reader::Outcome::Form) evaluation = session_evaluate(vm, form, {source.name, reader.line(), {}});
      if (evaluation.ok) continue;
      Text out(vm);
      out.add("library ");
      out.add(source.name);
      out.add(':');
      out.add_number(reader.line());
      out.add(": ");
      describe_error(vm, out, evaluation.value);
      out.add('\n');
      vm.ports->write(2, base::bytes_of(out.view()));
      return false;
    }
  }
  return true;
}

void enter_user(Vm& vm) {
  const Term user = namespace_intern(vm, symbol(vm, Atom::User));
  for (const std::string_view name :
       {"lona.process", "lona.server", "lona.io", "lona.kernel", "lona.time", "lona.supervisor", "lona.repl"}) {
    const Term space = namespace_find(vm, symbol_named(vm, name));
    if (space != kNone) refer_all(vm, user, space);
  }
  Process& process = session_process(vm);
  process.bindings = map_put(vm, process.bindings == kNil ? kEmptyMap : process.bindings, vm.root->var_ns, user);
}

}  // namespace

void session_reset(Vm& vm) {
  Process& process = session_process(vm);
  process.frame = process.heap_end - 8;
  process.limit = process.frame;
  process.live = 0;
  process.nested = 0;
  process.gc_off = 0;
  process.fuel = 0;
  process.fuel_held = 0;
  process.flags &= static_cast<u8>(~(kExiting | kSignalled | kAtReceive | kOutOfMemory));
  process.marks &= static_cast<u16>(~(kFormFailed | kOverLimit));
  vm.process = &process;
  transaction_abandon(vm, process);
}

Process& session_process(const Vm& vm) { return *process_of(vm, vm.root->session); }

Vm machine_create(u8* grant, u64 bytes, Ports& ports, MachineOptions options) {
  Vm vm = memory_create(grant, bytes);
  vm.ports = &ports;
  vm.root->reduction_ns = options.reduction_ns;
  vm.root->column_zero = 1;
  vm.root->now_ns = options.now_ns;
  vm.root->seed = options.seed;
  Vm failed = vm;
  failed.root = nullptr;
  if (!atoms_create(vm) || !processes_create(vm) || !interpreter_create(vm)) return failed;
  // A process to build the first values in; it becomes the session.
  Process bootstrap{};
  vm.process = &bootstrap;
  const u64 block = block_acquire(vm, 4096, PageUse::Heap);
  if (block == 0) return failed;
  bootstrap.heap_low = bootstrap.hp = block;
  bootstrap.heap_end = bootstrap.limit = bootstrap.frame = block + 4096;
  bootstrap.pending = bootstrap.bindings = kNil;
  const Term session = process_spawn(vm, kNil, {.priority = kSessionPriority});
  block_release(vm, block, 4096, PageUse::Heap);
  if (session == kRaised) return failed;
  vm.root->session = session;
  Process& process = session_process(vm);
  run_queue_clear(vm);
  process.status = Status::Suspended;
  session_reset(vm);
  if (namespace_intern(vm, symbol(vm, Atom::LonaCore)) == kRaised) return failed;
  if (!intern_natives(vm)) return failed;
  vm.root->var_ns = make_bound_var(vm, "*ns*", namespace_find(vm, symbol(vm, Atom::LonaCore)));
  if (vm.root->var_ns == kNone) return failed;
  for (const std::string_view name : {"*1", "*2", "*3", "*e"}) {
    if (make_bound_var(vm, name, kNil) == kNone) return failed;
  }
  if (make_bound_var(vm, "*print-length*", small(kPrintLength)) == kNone) return failed;
  if (make_bound_var(vm, "*print-depth*", small(kPrintDepth)) == kNone) return failed;
  if (!load_library(vm)) return failed;
  session_reset(vm);
  enter_user(vm);
  code_memory_begin(vm);
  vm.root->gc_stress = options.gc_stress;
  vm.root->early_seed = options.preempt_early;
  vm.root->order_seed = options.steal_order;
  vm.root->trace = options.trace;
  return vm;
}

Evaluation session_evaluate(Vm& vm, Term form, const Unit& unit) {
  Process& process = session_process(vm);
  vm.process = &process;
  const Term function = compile_form(vm, form, unit);
  if (function == kRaised) return {false, process.pending};
  process_start(vm, process, function);
  process.fuel = 0;  // compiling is not charged to the form
  enqueue(vm, process);
  for (;;) {
    const Pause pause = run(vm, kTurnReductions);
    advance_clock(vm, vm.ports->worked(vm.root->now_ns));
    if (pause == Pause::SessionDone) break;
    if (vm.ports->interrupted()) {
      // An exit signal that the form cannot trap.
      process.pending = keyword(vm, Atom::Interrupt);
      process.flags |= kExiting | kSignalled;
      call_cancel(vm, process);
      process_wake(vm, process);
      continue;
    }
    if (pause == Pause::Budget) continue;
    const u64 next = next_timer_ns(vm);
    if (next == ~u64{0} && vm.root->parked == 0) {  // nothing can ever wake it
      process_stop_waiting(vm, process);
      process.status = Status::Suspended;
      vm.process = &process;
      process.pending = make_tuple(vm, {keyword(vm, Atom::Error), keyword(vm, Atom::Stalled), kEmptyMap});
      return {false, process.pending};
    }
    advance_clock(vm, vm.ports->wait(next));
  }
  vm.process = &process;
  return {(process.marks & kFormFailed) == 0, process.pending};
}

void describe_error(Vm& vm, Text& out, Term reason, PrintLimits limits) {
  const bool error = is_tuple(reason) && tuple_count(vm, reason) == 3 &&
                     tuple_at(vm, reason, 0) == keyword(vm, Atom::Error) && is_keyword(tuple_at(vm, reason, 1));
  if (!error) {
    out.add(":exit ");
    return print(vm, out, reason, limits);
  }
  print(vm, out, tuple_at(vm, reason, 1));
  out.add(' ');
  print(vm, out, tuple_at(vm, reason, 2), limits);
}

/// Whether the reader stopped because the text did.
bool is_incomplete(const Vm& vm, Term reason) {
  return is_tuple(reason) && tuple_count(vm, reason) == 3 &&
         tuple_at(vm, reason, 1) == keyword(vm, Atom::UnexpectedEof);
}

void session_print(Vm& vm, const Evaluation& evaluation) {
  Text out(vm);
  if (vm.root->column_zero == 0) out.add('\n');
  if (evaluation.ok) {
    out.add("=> ");
    print(vm, out, evaluation.value);
  } else {
    out.add("!! ");
    describe_error(vm, out, evaluation.value);
  }
  out.add('\n');
  vm.root->column_zero = 1;
  vm.ports->write(1, base::bytes_of(out.view()));
}

TextPlace session_forms(Vm& vm, std::string_view text, Piece piece, TextPlace start) {
  // A word that reaches the end of the piece may go on behind it: what is read ends with a line.
  start.valid = false;  // what was said of the piece before
  if (piece == Piece::GoesOn) text = text.substr(0, text.rfind('\n') + 1);
  Reader reader(vm, text, start);
  for (;;) {
    session_reset(vm);
    const TextPlace before = reader.place();
    Term form = kNil;
    const Reader::Outcome outcome = reader.next(form);
    if (outcome == Reader::Outcome::End) return reader.place();
    if (outcome == Reader::Outcome::Error) {
      if (piece == Piece::GoesOn && is_incomplete(vm, vm.process->pending)) return before;
      session_print(vm, {false, vm.process->pending});
      reader.skip_line();
      continue;
    }
    session_print(vm, session_evaluate(vm, form, {kInputName, reader.line(), reader.form_text()}));
  }
}

namespace {

void tell_error(Vm& vm, Term reason) {
  Text out(vm);
  out.add("!! ");
  describe_error(vm, out, reason);
  out.add('\n');
  vm.ports->write(2, base::bytes_of(out.view()));
}

Term stack_of(Vm& vm);
void describe_frame(Vm& vm, Text& out, Term frame);

/// An error of a program: with the function it happened in, unless the reason names its place itself.
void tell_failure(Vm& vm, Term reason) {
  const bool ran = (session_process(vm).marks & kFormFailed) != 0;
  Term stack = ran ? stack_of(vm) : kEmptyList;
  const auto library = [&](Term frame) {
    const Term name = tuple_at(vm, frame, 0);
    return tuple_at(vm, frame, 1) == kNil || name_record(vm, plain_symbol(vm, name)).space().starts_with("lona.");
  };
  while (is_pair(stack) && library(head(vm, stack))) stack = tail(vm, stack);
  tell_error(vm, reason);
  const bool error = is_tuple(reason) && tuple_count(vm, reason) == 3 && is_map(vm, tuple_at(vm, reason, 2));
  if (!error || !is_pair(stack)) return;
  if (map_get(vm, tuple_at(vm, reason, 2), keyword(vm, Atom::File)) != kNone) return;
  Text out(vm);
  out.add("   ");
  describe_frame(vm, out, head(vm, stack));
  out.add('\n');
  vm.ports->write(2, base::bytes_of(out.view()));
}

/// All forms of a text; the last one's value, kNone if there is none. After an error, which is told, the rest is not read.
Evaluation evaluate_all(Vm& vm, std::string_view file, std::string_view text) {
  Reader reader(vm, text);
  Evaluation last{true, kNone};
  for (;;) {
    session_reset(vm);
    Term form = kNil;
    const Reader::Outcome outcome = reader.next(form);
    if (outcome == Reader::Outcome::End) return last;
    last = outcome == Reader::Outcome::Error ? Evaluation{false, vm.process->pending}
                                             : session_evaluate(vm, form, {file, reader.line(), reader.form_text()});
    if (last.ok) continue;
    tell_error(vm, last.value);
    return last;
  }
}

Term quoted(Vm& vm, Term term) { return make_list(vm, {symbol(vm, Atom::Quote), term}); }

/// Calls a function of the library with one argument; an error is told.
Evaluation call_core_for(Vm& vm, std::string_view name, Term argument) {
  const u64 full = name_intern(vm, "lona.core", name);
  if (full == 0 || argument == kRaised) return {};
  const Evaluation result = session_evaluate(vm, make_list(vm, {symbol_term(vm, full), argument}));
  if (!result.ok) tell_failure(vm, result.value);
  return result;
}
bool call_core(Vm& vm, std::string_view name, Term argument) { return call_core_for(vm, name, argument).ok; }

/// Calls `main` of a namespace if there is one: the exit status.
u32 run_main(Vm& vm, Term space, std::span<const std::string_view> arguments) {
  session_reset(vm);
  const Term name = symbol_named(vm, "main");
  const Term main = name == kNone ? kNone : var_find(vm, space, name);
  if (main == kNone || var_value(vm, main) == kUnbound) return 0;
  Term list = kEmptyList;
  for (u64 i = arguments.size(); i > 0; --i) list = make_pair(vm, make_string(vm, arguments[i - 1]), list);
  const NameRecord& space_name = name_record(vm, namespace_record(vm, space).name);
  const u64 full = name_intern(vm, space_name.name(), "main");
  if (full == 0) return 1;
  const Evaluation result = session_evaluate(vm, make_list(vm, {symbol_term(vm, full), quoted(vm, list)}));
  if (!result.ok) {
    tell_failure(vm, result.value);
    return 1;
  }
  const bool is_status = is_small(result.value) && small_value(result.value) >= 0 && small_value(result.value) <= 255;
  return is_status ? static_cast<u32>(small_value(result.value)) : 0;
}

}  // namespace

bool session_last_value(Vm& vm, std::string_view text) {
  const Evaluation last = evaluate_all(vm, kInputName, text);
  if (!last.ok) return false;
  if (last.value == kNone) return true;
  Text out(vm);
  if (vm.root->column_zero == 0) out.add('\n');
  print(vm, out, last.value);
  out.add('\n');
  vm.root->column_zero = 1;
  vm.ports->write(1, base::bytes_of(out.view()));
  return true;
}

u32 session_program(Vm& vm, std::string_view path, std::span<const std::string_view> arguments) {
  session_reset(vm);
  if (!call_core(vm, "load-file", make_string(vm, path))) return 1;
  return run_main(vm, current_namespace(vm), arguments);
}

u32 session_module(Vm& vm, std::string_view name, std::span<const std::string_view> arguments) {
  session_reset(vm);
  const Term symbol_ = symbol_named(vm, name);
  if (symbol_ == kNone || !call_core(vm, "require", quoted(vm, symbol_))) return 1;
  const Term space = namespace_find(vm, symbol_);
  return space == kNone ? 1 : run_main(vm, space, arguments);
}

bool session_check(Vm& vm, std::string_view path) {
  session_reset(vm);
  return call_core(vm, "check-file", make_string(vm, path));
}

Term session_compile(Vm& vm, std::string_view path) {
  session_reset(vm);
  const Evaluation compiled = call_core_for(vm, "compile-file", make_string(vm, path));
  return compiled.ok ? compiled.value : kNone;
}

bool session_load_path(Vm& vm, std::string_view folders) {
  session_reset(vm);
  Term list = kEmptyList;
  for (u64 end = folders.size(); !folders.empty() && end != std::string_view::npos;) {
    const u64 colon = folders.substr(0, end).rfind(':');
    const u64 start = colon == std::string_view::npos ? 0 : colon + 1;
    if (end > start) list = make_pair(vm, make_string(vm, folders.substr(start, end - start)), list);
    end = colon;
  }
  return call_core(vm, "set-load-path*", quoted(vm, list));
}

// ── For a person at a prompt ─────────────────────────────────────────────────────────────────────────────────

bool session_idle(Vm& vm, u64& next_ns) {
  advance_clock(vm, vm.ports->wait(vm.root->now_ns));  // nobody has told the machine how long nothing happened
  calls_deliver(vm);
  next_ns = next_timer_ns(vm);
  if (vm.root->ready_count == 0 && next_ns > vm.root->now_ns) return false;
  static_cast<void>(run(vm, kTurnReductions));  // whatever it says, there is another turn
  advance_clock(vm, vm.ports->worked(vm.root->now_ns));
  return true;
}

void session_wait(Vm& vm) {
  session_reset(vm);
  vm.process = nullptr;
  while (!vm.ports->interrupted()) {
    u64 next_ns = 0;
    if (session_idle(vm, next_ns)) continue;
    if (next_ns == ~u64{0}) return;
    advance_clock(vm, vm.ports->wait(next_ns));
  }
}

namespace {

constexpr u32 kFramesMax = 64;

Term core_var(Vm& vm, std::string_view name) {
  const Term symbol_ = symbol_named(vm, name);
  return symbol_ == kNone ? kNone : var_find(vm, namespace_find(vm, symbol(vm, Atom::LonaCore)), symbol_);
}

u64 limit_of(Vm& vm, std::string_view name) {
  const Term var = core_var(vm, name);
  const Term value = var == kNone ? kNil : var_value(vm, var);
  return is_small(value) && small_value(value) >= 0 ? static_cast<u64>(small_value(value)) : ~u64{0};
}

void bind(Vm& vm, std::string_view name, Term value) {
  Process& process = session_process(vm);
  const Term var = core_var(vm, name);
  if (var == kNone) return;
  const Term bound = map_put(vm, process.bindings == kNil ? kEmptyMap : process.bindings, var, value);
  if (bound != kRaised) process.bindings = bound;
}

/// Where the session's form failed, innermost first: [name file line] for each function on the stack.
Term stack_of(Vm& vm) {
  const Process& process = session_process(vm);
  Term list = kEmptyList;
  u64 frame = process.frame;
  u64 code = process.code;
  for (u32 count = 0; count < kFramesMax; ++count) {
    const u64 at = function_at(vm, code);
    if (at != 0) {
      const FunctionHeader& function = *vm.at<FunctionHeader>(at);
      const Term file = function.file == 0 ? kNil : symbol_term(vm, u64{function.file} << 3);
      list = make_pair(vm, make_tuple(vm, {function.name, file, small(function.line)}), list);
    }
    const Term link = *vm.words(frame);
    if (!is_immediate(link, Immediate::Link) || link_words(link) == 0) break;
    code = link_code(link) - 4;  // inside the call
    frame += link_words(link) * 8;
  }
  return reverse_list(vm, list);
}

void add_name(Vm& vm, Text& out, Term atom) { out.add(name_record(vm, atom).name()); }

/// `user/area  (repl:1)`.
void describe_frame(Vm& vm, Text& out, Term frame) {
  print(vm, out, tuple_at(vm, frame, 0));
  out.add("  (");
  if (tuple_at(vm, frame, 1) != kNil) {
    add_name(vm, out, tuple_at(vm, frame, 1));
    out.add(':');
  }
  print(vm, out, tuple_at(vm, frame, 2));
  out.add(')');
}

/// `   user/area  (repl:1)`, and that there is more.
void describe_place(Vm& vm, Text& out, Term stack, const Unit& unit) {
  out.add("   ");
  const u64 start = out.size();
  if (is_pair(stack)) {
    describe_frame(vm, out, head(vm, stack));
    if (is_pair(tail(vm, stack))) {
      constexpr u64 kHintColumn = 44;
      for (u64 width = out.size() - start; width < kHintColumn; ++width) out.add(' ');
      out.add(" ; (bt) shows the whole stack");
    }
  } else {
    out.add(unit.file);
    out.add(':');
    out.add_number(unit.line);
  }
}

}  // namespace

void session_answer(Vm& vm, const Evaluation& evaluation, const Unit& unit) {
  const PrintLimits limits{limit_of(vm, "*print-length*"), limit_of(vm, "*print-depth*")};
  Text out(vm);
  if (vm.root->column_zero == 0) out.add('\n');
  if (evaluation.ok) {
    out.add("=> ");
    print(vm, out, evaluation.value, limits);
    out.add('\n');
    for (const auto& [to, from] : {std::pair{"*3", "*2"}, std::pair{"*2", "*1"}}) {
      bind(vm, to, var_value(vm, core_var(vm, from)));
    }
    bind(vm, "*1", evaluation.value);
  } else {
    const Term reason = evaluation.value;
    const Term stack = (session_process(vm).marks & kFormFailed) != 0 ? stack_of(vm) : kEmptyList;
    out.add("!! ");
    describe_error(vm, out, reason, limits);
    out.add('\n');
    const bool error = is_tuple(reason) && tuple_count(vm, reason) == 3 && is_map(vm, tuple_at(vm, reason, 2));
    const Term info = error ? tuple_at(vm, reason, 2) : kEmptyMap;
    if (error && map_get(vm, info, keyword(vm, Atom::Column)) == kNone) {  // the reader tells the place by itself
      describe_place(vm, out, stack, unit);
      const Term unknown = map_get(vm, info, keyword(vm, Atom::Symbol));
      if (tuple_at(vm, reason, 1) == keyword(vm, Atom::Undefined) && unknown != kNone && is_symbol(vm, unknown)) {
        Text near(vm);
        nearest_names(vm, near, plain_symbol(vm, unknown));
        if (near.size() != 0) {
          out.add("  nearest: ");
          out.add(near.view());
        }
      }
      out.add('\n');
    }
    bind(vm, "*e", make_info(vm, {{Atom::Reason, reason}, {Atom::Stack, stack}}));
  }
  vm.root->column_zero = 1;
  vm.ports->write(1, base::bytes_of(out.view()));
}

bool session_incomplete(Vm& vm, std::string_view text) {
  Reader reader(vm, text);
  for (;;) {
    session_reset(vm);
    Term form = kNil;
    switch (reader.next(form)) {
      case Reader::Outcome::End: return false;
      case Reader::Outcome::Error: return is_incomplete(vm, vm.process->pending);
      case Reader::Outcome::Form: break;
    }
  }
}

u64 session_input(Vm& vm, std::string_view text, u64 line) {
  Reader reader(vm, text, {.line = line});
  for (;;) {
    session_reset(vm);
    Term form = kNil;
    const Reader::Outcome outcome = reader.next(form);
    if (outcome == Reader::Outcome::End) break;
    const Unit unit{kInputName, reader.line(), reader.form_text()};
    if (outcome == Reader::Outcome::Error) {
      session_answer(vm, {false, vm.process->pending}, unit);
      reader.skip_line();
      continue;
    }
    session_answer(vm, session_evaluate(vm, form, unit), unit);
  }
  return reader.place().line - line + 1;
}

}  // namespace lonala
