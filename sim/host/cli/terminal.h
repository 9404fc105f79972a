// sim/host/cli/terminal.h — the user's terminal in raw mode, given back on every way out.
#pragma once
#include "base/types.h"

namespace sim::host::cli {

struct TerminalSize {
  u16 columns = 80;
  u16 rows = 25;
};

bool stdin_is_terminal();
/// Raw mode: every key goes to the guest. Registered as the process's last will. False when the terminal refuses.
bool make_terminal_raw();
/// As it was before; harmless when called twice or never made raw. Safe in a signal handler.
void restore_terminal();
TerminalSize terminal_size();

}  // namespace sim::host::cli
