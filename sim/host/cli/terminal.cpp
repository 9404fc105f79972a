// sim/host/cli/terminal.cpp — termios.
#include "sim/host/cli/terminal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>

#include "sim/host/machine.h"

namespace sim::host::cli {
namespace {

termios saved;
volatile sig_atomic_t raw = 0;

void on_abort(int) { run_last_will(); }  // returning lets abort() go on

}  // namespace

bool stdin_is_terminal() { return isatty(STDIN_FILENO) == 1; }

bool make_terminal_raw() {
  if (raw == 0 && tcgetattr(STDIN_FILENO, &saved) != 0) return false;
  termios mode = saved;
  cfmakeraw(&mode);
  if (tcsetattr(STDIN_FILENO, TCSANOW, &mode) != 0) return false;
  if (raw == 0) {
    std::atexit(restore_terminal);
    signal(SIGABRT, on_abort);
  }
  raw = 1;
  set_last_will(restore_terminal);
  return true;
}

void restore_terminal() {
  if (raw == 0) return;
  raw = 0;
  tcsetattr(STDIN_FILENO, TCSANOW, &saved);
  // Attributes off, cursor shown, main screen: whatever the guest left set.
  constexpr char kReset[] = "\033[0m\033[?25h\033[?1049l\r";
  if (write(STDOUT_FILENO, kReset, sizeof kReset - 1) < 0) return;
}

TerminalSize terminal_size() {
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

}  // namespace sim::host::cli
