// vm/lonala/natives/files.cpp — lona.os: files and commands of the system the machine runs in, [:ok value] or [:error text].
#include "vm/lonala/files.h"

#include "vm/lonala/binaries.h"
#include "vm/lonala/natives/natives.h"
#include "vm/lonala/number/number.h"

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
Term no_files(Vm& vm) { return failed(vm, "this machine has no files"); }
Term answer(Vm& vm, const Files& files, i64 result) {
  return result == kFileFailed ? failed(vm, files.problem()) : ok_with(vm, small(result));
}

bool is_count(Term term) { return is_small(term) && small_value(term) >= 0; }

/// A call that takes one path.
template <class Call>
Term with_path(Vm& vm, Args args, const Call& call) {
  if (!is_string(vm, args[0])) return raise_type(vm, args, Atom::String);
  Files* files = files_of(vm);
  return files == nullptr ? no_files(vm) : call(*files, string_text(vm, args[0]));
}
template <class Call>
Term with_two_paths(Vm& vm, Args args, const Call& call) {
  if (!is_string(vm, args[1])) return raise_type(vm, args, Atom::String);
  return with_path(vm, args, [&](Files& files, std::string_view path) {
    return answer(vm, files, call(files, path, string_text(vm, args[1])));
  });
}
/// A call on an open file.
template <class Call>
Term with_file(Vm& vm, Args args, const Call& call) {
  if (!is_count(args[0])) return raise_type(vm, args, Atom::Integer);
  Files* files = files_of(vm);
  return files == nullptr ? no_files(vm) : call(*files, static_cast<u64>(small_value(args[0])));
}

}  // namespace

/// (open* path how): bits of Files::How.
Term native_FileOpen(Vm& vm, Args args) {
  if (!is_count(args[1])) return raise_type(vm, args, Atom::Integer);
  return with_path(vm, args, [&](Files& files, std::string_view path) {
    return answer(vm, files, files.open(path, static_cast<u32>(small_value(args[1]))));
  });
}
Term native_FileRead(Vm& vm, Args args) {
  if (!is_count(args[1])) return raise_type(vm, args, Atom::Integer);
  const u64 wanted = static_cast<u64>(small_value(args[1]));
  if (wanted > kReadBytesMax) return raise_args(vm, Atom::Badarg, args);
  return with_file(vm, args, [&](Files& files, u64 file) {
    const Term space = make_binary_space(vm, wanted);
    if (space == kRaised) return space;
    const i64 count = files.read(file, {binary_space(vm, space), wanted});
    if (count == kFileFailed) return failed(vm, files.problem());
    if (static_cast<u64>(count) == wanted) return ok_with(vm, space);
    return ok_with(vm, make_binary(vm, base::Bytes(binary_space(vm, space), static_cast<u64>(count))));
  });
}
Term native_FileWrite(Vm& vm, Args args) {
  const bool text = is_string(vm, args[1]);
  if (!text && !is_binary(vm, args[1])) return raise_type(vm, args, Atom::Binary);
  return with_file(vm, args, [&](Files& files, u64 file) {
    const base::Bytes data = text ? base::bytes_of(string_text(vm, args[1])) : binary_bytes(vm, args[1]);
    return answer(vm, files, files.write(file, data));
  });
}
/// (seek* file offset from): 0 start, 1 current, 2 end.
Term native_FileSeek(Vm& vm, Args args) {
  if (!is_small(args[1])) return raise_type(vm, args, Atom::Integer);
  if (!is_count(args[2]) || small_value(args[2]) > 2) return raise_args(vm, Atom::Badarg, args);
  return with_file(vm, args, [&](Files& files, u64 file) {
    return answer(vm, files, files.seek(file, small_value(args[1]), static_cast<Files::From>(small_value(args[2]))));
  });
}
Term native_FileClose(Vm& vm, Args args) {
  return with_file(vm, args, [&](Files& files, u64 file) { return answer(vm, files, files.close(file)); });
}
/// [size directory? mode modified-ns].
Term native_FileStat(Vm& vm, Args args) {
  return with_path(vm, args, [&](Files& files, std::string_view path) {
    FileFacts facts;
    if (files.stat(path, facts) == kFileFailed) return failed(vm, files.problem());
    return ok_with(vm,
                   make_tuple(vm, {number::make_unsigned(vm, facts.size), boolean(facts.directory), small(facts.mode),
                                   number::make_unsigned(vm, static_cast<u64>(facts.modified_ns))}));
  });
}
Term native_FileList(Vm& vm, Args args) {
  return with_path(vm, args, [&](Files& files, std::string_view path) {
    struct Names {
      Vm& vm;
      Term list;
    } names{vm, kEmptyList};
    const auto add = [](void* context, std::string_view name) {
      Names& all = *static_cast<Names*>(context);
      all.list = make_pair(all.vm, make_string(all.vm, name), all.list);
    };
    if (files.list(path, add, &names) == kFileFailed) return failed(vm, files.problem());
    return ok_with(vm, reverse_list(vm, names.list));
  });
}
Term native_FileMakeDirectory(Vm& vm, Args args) {
  return with_path(vm, args,
                   [&](Files& files, std::string_view path) { return answer(vm, files, files.make_directory(path)); });
}
Term native_FileRemove(Vm& vm, Args args) {
  return with_path(vm, args,
                   [&](Files& files, std::string_view path) { return answer(vm, files, files.remove(path)); });
}
Term native_FileBind(Vm& vm, Args args) {
  return with_two_paths(vm, args,
                        [](Files& files, std::string_view from, std::string_view to) { return files.bind(from, to); });
}
Term native_FileMount(Vm& vm, Args args) {
  return with_two_paths(
      vm, args, [](Files& files, std::string_view service, std::string_view at) { return files.mount(service, at); });
}
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
  Files* files = files_of(vm);
  return files == nullptr ? no_files(vm) : answer(vm, *files, files->execute({words, count}));
}

}  // namespace lonala
