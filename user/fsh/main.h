// user/fsh/main.h — the shell as a program.
#pragma once
#include "user/runtime/process.h"

namespace user::fsh {

i32 main(Process& process);

}  // namespace user::fsh
