// vm/lonala/natives/files.cpp — lona.os: files and commands of the system the machine runs in, [:ok value] or [:error text].
#include "vm/lonala/files.h"

#include "vm/lonala/binaries.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"
#include "vm/lonala/process.h"
#include "vm/lonala/scheduler.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kReadBytesMax = u64{16} << 20;  // of one read!
constexpr u64 kWordsMax = 64;

Files* files_of(const Vm& vm) { return vm.ports == nullptr ? nullptr : vm.ports->files(); }

Term ok_with(Vm& vm, Term value) { return value == kRaised ? kRaised : make_tuple(vm, {keyword(vm, Atom::Ok), value}); }
Term failed(Vm& vm, std::string_view problem) {
  return make_tuple(vm, {keyword(vm, Atom::Error), make_string(vm, problem)});
}
bool is_count(Term term) { return is_small(term) && small_value(term) >= 0; }

/// [size directory? mode modified-ns].
Term facts_term(Vm& vm, const FileFacts& facts) {
  return make_tuple(vm, {number::make_unsigned(vm, facts.size), boolean(facts.directory), small(facts.mode),
                         number::make_unsigned(vm, static_cast<u64>(facts.modified_ns))});
}

Term read_now(Vm& vm, Files& files, const FileCall& call) {
  const u64 wanted = static_cast<u64>(call.number);
  const Term space = make_binary_space(vm, wanted);
  if (space == kRaised) return space;
  const i64 count = files.read(call.file, {binary_space(vm, space), wanted});
  if (count == kFileFailed) return failed(vm, files.problem());
  if (static_cast<u64>(count) == wanted) return ok_with(vm, space);
  return ok_with(vm, make_binary(vm, base::Bytes(binary_space(vm, space), static_cast<u64>(count))));
}

Term list_now(Vm& vm, Files& files, const FileCall& call) {
  struct Names {
    Vm& vm;
    Term list;
  } names{vm, kEmptyList};
  const auto add = [](void* context, std::string_view name) {
    Names& all = *static_cast<Names*>(context);
    all.list = make_pair(all.vm, make_string(all.vm, name), all.list);
  };
  if (files.list(call.path, add, &names) == kFileFailed) return failed(vm, files.problem());
  return ok_with(vm, reverse_list(vm, names.list));
}

/// Makes the call while the whole machine waits.
Term call_now(Vm& vm, Files& files, const FileCall& call) {
  using enum FileCall::What;
  FileFacts facts;
  i64 result = kFileFailed;
  switch (call.what) {
    case Read: return read_now(vm, files, call);
    case List: return list_now(vm, files, call);
    case Open: result = files.open(call.path, static_cast<u32>(call.number)); break;
    case Write: result = files.write(call.file, call.data); break;
    case Seek: result = files.seek(call.file, call.number, static_cast<Files::From>(call.from)); break;
    case Close: result = files.close(call.file); break;
    case Stat: result = files.stat(call.path, facts); break;
    case MakeDirectory: result = files.make_directory(call.path); break;
    case Remove: result = files.remove(call.path); break;
    case Bind: result = files.bind(call.path, call.second); break;
    case Mount: result = files.mount(call.path, call.second); break;
    case Execute: result = files.execute(call.words); break;
  }
  if (result == kFileFailed) return failed(vm, files.problem());
  return ok_with(vm, call.what == Stat ? facts_term(vm, facts) : small(result));
}

/// The value of a call that was begun.
Term answer_term(Vm& vm, const FileAnswer& answer) {
  if (answer.result == kFileFailed) return failed(vm, answer.problem);
  switch (answer.what) {
    case FileCall::What::Read: return ok_with(vm, make_binary(vm, answer.data));
    case FileCall::What::Stat: return ok_with(vm, facts_term(vm, answer.facts));
    case FileCall::What::List: {
      Term list = kEmptyList;
      for (std::string_view rest = base::text_of(answer.data); !rest.empty();) {
        const std::string_view name = rest.substr(0, rest.find('\0'));
        list = make_pair(vm, make_string(vm, name), list);
        rest.remove_prefix(name.size() + 1);
      }
      return ok_with(vm, reverse_list(vm, list));
    }
    default: return ok_with(vm, small(answer.result));
  }
}

/// Makes a call, or begins it: then its value comes when the process goes on. C++ code that called us cannot wait.
Term make_call(Vm& vm, const FileCall& call) {
  Files* files = files_of(vm);
  if (files == nullptr) return failed(vm, "this machine has no files");
  if (!files->begins() || vm.process->nested != 0) return call_now(vm, *files, call);
  if (!files->begin(vm.process->pid, call)) return failed(vm, files->problem());
  process_park(vm);
  return kNil;
}

Term call_with_path(Vm& vm, Args args, FileCall call) {
  if (!is_string(vm, args[0])) return raise_type(vm, args, Atom::String);
  call.path = string_text(vm, args[0]);
  return make_call(vm, call);
}
Term call_with_two_paths(Vm& vm, Args args, FileCall call) {
  if (!is_string(vm, args[1])) return raise_type(vm, args, Atom::String);
  call.second = string_text(vm, args[1]);
  return call_with_path(vm, args, call);
}
/// A call on an open file.
Term call_with_file(Vm& vm, Args args, FileCall call) {
  if (!is_count(args[0])) return raise_type(vm, args, Atom::Integer);
  call.file = static_cast<u64>(small_value(args[0]));
  return make_call(vm, call);
}

}  // namespace

void calls_deliver(Vm& vm) {
  Files* files = vm.root->parked == 0 ? nullptr : files_of(vm);
  if (files == nullptr) return;
  FileAnswer answer;
  for (Term caller = files->ended(answer); caller != 0; caller = files->ended(answer)) {
    Process* process = process_of(vm, caller);
    ASSERT(process != nullptr && (process->marks & kParked) != 0);  // who ends cancels
    Process* running = vm.process;
    vm.process = process;
    const Term value = answer_term(vm, answer);
    vm.process = running;
    // Behind the call the last live register is the one that takes its value; in a frame without any, the bottom one.
    *vm.words(process->frame - u64{process->live} * 8) = value == kRaised ? kNil : value;
    if (value == kRaised) process->flags |= kSignalled;  // the reason is pending
    process_unpark(vm, *process);
  }
}

/// (open* path how): bits of Files::How.
Term native_FileOpen(Vm& vm, Args args) {
  if (!is_count(args[1])) return raise_type(vm, args, Atom::Integer);
  return call_with_path(vm, args, {.what = FileCall::What::Open, .number = small_value(args[1])});
}
Term native_FileRead(Vm& vm, Args args) {
  if (!is_count(args[1])) return raise_type(vm, args, Atom::Integer);
  if (static_cast<u64>(small_value(args[1])) > kReadBytesMax) return raise_args(vm, Atom::Badarg, args);
  return call_with_file(vm, args, {.what = FileCall::What::Read, .number = small_value(args[1])});
}
Term native_FileWrite(Vm& vm, Args args) {
  const bool text = is_string(vm, args[1]);
  if (!text && !is_binary(vm, args[1])) return raise_type(vm, args, Atom::Binary);
  const base::Bytes data = text ? base::bytes_of(string_text(vm, args[1])) : binary_bytes(vm, args[1]);
  return call_with_file(vm, args, {.what = FileCall::What::Write, .data = data});
}
/// (seek* file offset from): 0 start, 1 current, 2 end.
Term native_FileSeek(Vm& vm, Args args) {
  if (!is_small(args[1])) return raise_type(vm, args, Atom::Integer);
  if (!is_count(args[2]) || small_value(args[2]) > 2) return raise_args(vm, Atom::Badarg, args);
  return call_with_file(
      vm, args,
      {.what = FileCall::What::Seek, .from = static_cast<u8>(small_value(args[2])), .number = small_value(args[1])});
}
Term native_FileClose(Vm& vm, Args args) { return call_with_file(vm, args, {.what = FileCall::What::Close}); }
Term native_FileStat(Vm& vm, Args args) { return call_with_path(vm, args, {.what = FileCall::What::Stat}); }
Term native_FileList(Vm& vm, Args args) { return call_with_path(vm, args, {.what = FileCall::What::List}); }
Term native_FileMakeDirectory(Vm& vm, Args args) {
  return call_with_path(vm, args, {.what = FileCall::What::MakeDirectory});
}
Term native_FileRemove(Vm& vm, Args args) { return call_with_path(vm, args, {.what = FileCall::What::Remove}); }
Term native_FileBind(Vm& vm, Args args) { return call_with_two_paths(vm, args, {.what = FileCall::What::Bind}); }
Term native_FileMount(Vm& vm, Args args) { return call_with_two_paths(vm, args, {.what = FileCall::What::Mount}); }
/// Nanoseconds since 1970; it may jump.
Term native_SystemTime(Vm& vm, Args) {
  const u64 now_ns = vm.root->now_ns;
  const i64 wall_ns = vm.ports == nullptr ? kStartWallNs + static_cast<i64>(now_ns) : vm.ports->wall_ns(now_ns);
  return number::make_unsigned(vm, static_cast<u64>(wall_ns));
}
/// (exec* list-of-strings).
Term native_Execute(Vm& vm, Args args) {
  std::string_view words[kWordsMax];
  u64 count = 0;
  for (Term list = args[0]; is_pair(list); list = tail(vm, list)) {
    if (!is_string(vm, head(vm, list)) || count == kWordsMax) return raise_args(vm, Atom::Badarg, args);
    words[count] = string_text(vm, head(vm, list));
    count += 1;
  }
  if (count == 0) return raise_args(vm, Atom::Badarg, args);
  return make_call(vm, {.what = FileCall::What::Execute, .words = {words, count}});
}

}  // namespace lonala
