// user/fsh/builtins_more.h — the built-ins that builtins.cpp lists and other files define.
#pragma once
#include "user/fsh/shell.h"

namespace user::fsh {

// builtins_jobs.cpp
i32 list_jobs(Shell& shell, Tool& tool);
i32 resume_foreground(Shell& shell, Tool& tool);
i32 resume_background(Shell& shell, Tool& tool);
i32 wait_builtin(Shell& shell, Tool& tool);
i32 kill_builtin(Shell& shell, Tool& tool);
i32 times(Shell& shell, Tool& tool);

// builtins_names.cpp
i32 alias_names(Shell& shell, Tool& tool);
i32 unalias_names(Shell& shell, Tool& tool);
i32 change_directory(Shell& shell, Tool& tool);
i32 command_builtin(Shell& shell, Tool& tool);
i32 type_of(Shell& shell, Tool& tool);
i32 hash(Shell& shell, Tool& tool);
i32 help(Shell& shell, Tool& tool);
i32 history(Shell& shell, Tool& tool);
i32 rfork_builtin(Shell& shell, Tool& tool);
i32 ulimit(Shell& shell, Tool& tool);
i32 umask_builtin(Shell& shell, Tool& tool);

// builtins_read.cpp
i32 getopts(Shell& shell, Tool& tool);
i32 read_builtin(Shell& shell, Tool& tool);

}  // namespace user::fsh
