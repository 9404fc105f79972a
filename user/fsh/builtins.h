// user/fsh/builtins.h — commands that run inside the shell. A special built-in keeps assignments before it and ends a
// script when it is misused (POSIX.1-2017 §2.14).
#pragma once
#include "user/fsh/shell.h"

namespace user::fsh {

struct Builtin {
  std::string_view name;
  i32 (*run)(Shell& shell, Tool& tool);
  std::string_view usage;
  bool special = false;
  bool also_program = false;  // /bin has it too, and it changes nothing of the shell
};

const Builtin* find_builtin(std::string_view name);
std::span<const Builtin> builtins();  // sorted by name
i32 run_builtin(Shell& shell, const Builtin& builtin, std::span<const base::String> words);

}  // namespace user::fsh
