// user/lib/console.h — the console that a program talks to a person at: its size and modes, and taking keys one by one.
#pragma once
#include "user/runtime/process.h"

namespace user {

constexpr u32 kColumnsDefault = 80;

/// What the console is, from /dev/consctl; columns 0: no terminal behind it.
struct ConsoleState {
  u32 columns = 0;
  u32 rows = 0;
  bool raw = false;
  bool echo = true;
};
ConsoleState console_state(Process& process);

/// From now on each key comes as it is pressed and is not shown.
void begin_editing(Process& process);
/// The console as it was before: what `stty` set stays.
void end_editing(Process& process, const ConsoleState& before);

}  // namespace user
