// user/commands/names.cpp — mount, bind, unmount, ns: the namespace as commands see it.
#include "user/lib/run.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u8 kReplace = 1;
constexpr u8 kBefore = 2;
constexpr u8 kAfter = 4;
constexpr u8 kCreate = 8;
constexpr u8 kReadOnly = 16;

/// The words of `mount` and `bind`: -a, -b, -c, -r (without -a and -b the old entry is replaced), then two operands or
/// more. False: the command ends with `status`.
struct Binding {
  u8 flags = 0;
  std::span<const std::string_view> operands;
  i32 status = 0;

  bool take(Tool& tool, u64 operands_max) {
    Options options(tool, "abcr");
    for (char option = options.next(); option != Options::kEnd; option = options.next()) {
      switch (option) {
        case Options::kBad: status = options.bad_status(); return false;
        case 'a': flags |= kAfter; break;
        case 'b': flags |= kBefore; break;
        case 'c': flags |= kCreate; break;
        default: flags |= kReadOnly; break;
      }
    }
    if ((flags & (kAfter | kBefore)) == 0) flags |= kReplace;
    operands = options.operands();
    if (operands.size() < 2) status = tool.bad_use("missing operand");
    if (operands.size() > operands_max) status = tool.bad_use("extra operand: {}", operands[operands_max]);
    return status == 0;
  }
};

bool exists(Process& process, std::string_view path) { return process.stat(path).ok(); }

}  // namespace

i32 mount_main(Process& process) {
  Tool tool(
      process,
      "usage: mount [-abcr] SERVICE OLD [TREE]\n  -a  behind what is there, -b before it\n  -c  new files may land "
      "here\n  -r  read only");
  Binding binding;
  if (!binding.take(tool, 3)) return binding.status;
  const auto operands = binding.operands;
  const auto mounted = process.mount(operands[0], operands[1], binding.flags, operands.size() == 3 ? operands[2] : "");
  if (!mounted.ok()) {
    // The place is told unless it is there and the service is not.
    const bool service = mounted.error().code == ErrorCode::NotFound && exists(process, operands[1]);
    tool.error(service ? operands[0] : operands[1], mounted.error());
  }
  return tool.finish();
}

i32 bind_main(Process& process) {
  Tool tool(
      process,
      "usage: bind [-abcr] NEW OLD\n  -a  behind what is there, -b before it\n  -c  new files may land here\n  -r  "
      "read only");
  Binding binding;
  if (!binding.take(tool, 2)) return binding.status;
  const auto operands = binding.operands;
  const auto bound = process.bind(operands[0], operands[1], binding.flags);
  if (!bound.ok()) {
    const bool old = bound.error().code == ErrorCode::NotFound && exists(process, operands[0]);
    tool.error(operands[old ? 1 : 0], bound.error().code);
  }
  return tool.finish();
}

i32 unmount_main(Process& process) {
  Tool tool(process, "usage: unmount [NEW] OLD");
  Options options(tool, "");
  if (options.next() != Options::kEnd) return options.bad_status();
  const auto operands = options.operands();
  if (operands.empty()) return tool.bad_use("missing operand");
  if (operands.size() > 2) return tool.bad_use("extra operand: {}", operands[2]);
  const std::string_view new_name = operands.size() == 2 ? operands[0] : std::string_view();
  const auto unmounted = process.unmount(new_name, operands.back());
  if (!unmounted.ok()) tool.error(operands.back(), unmounted.error());
  return tool.finish();
}

i32 ns_main(Process& process) {
  Tool tool(
      process,
      "usage: ns [PID]\n       ns -n COMMAND [ARGUMENT…]\n       ns -f FILE COMMAND [ARGUMENT…]\n  -n  run COMMAND "
      "in a copy of the namespace\n  -f  in one built by the commands in FILE");
  bool copy = false;
  std::string_view file;
  Options options(tool, "nf:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    if (option == Options::kBad) return options.bad_status();
    if (option == 'n') copy = true;
    if (option == 'f') file = options.value();
  }
  const auto operands = options.operands();
  if (copy || !file.empty()) {
    if (operands.empty()) return tool.bad_use("missing operand");
    const auto forked = process.rfork(kRfNameg);
    if (!forked.ok()) {
      tool.error("namespace", forked.error());
      return tool.finish();
    }
    if (!file.empty()) {
      // The file is a script of mount, bind, unmount and cd: the shell runs it, in the namespace that is ours now.
      const std::string_view shell[] = {"fsh", file};
      const i32 status = run_command(tool, {.args = shell});
      if (status != 0) return status;
    }
    return run_command(tool, {.args = operands});
  }
  if (operands.size() > 1) return tool.bad_use("extra operand: {}", operands[1]);
  u64 pid = 0;
  if (operands.size() == 1) {
    const auto number = base::parse_u64(operands[0]);
    if (!number.ok() || *number > 0xFFFF'FFFF) return tool.bad_use("bad number: {}", operands[0]);
    pid = *number;
  }
  const auto text = process.namespace_text(static_cast<Pid>(pid));
  if (text.ok()) {
    tool.out().text(*text);
  } else {
    tool.error(operands.empty() ? std::string_view("/proc/self/ns") : operands[0], text.error());
  }
  return tool.finish();
}

}  // namespace user
