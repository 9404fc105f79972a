// user/program.h — the table of native programs compiled into the image. To add one: write its main, declare it in a
// file under user/, list it in user/programs.def; the boot image then holds /bin/NAME.
#pragma once
#include "user/runtime/process.h"

namespace user {

/// All programs, sorted by name.
std::span<const Program> programs();
/// Null when there is none of that name.
const Program* find_program(std::string_view name);

}  // namespace user
