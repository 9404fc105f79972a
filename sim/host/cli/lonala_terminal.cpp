#include "sim/host/cli/lonala_terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace sim::host::cli {
namespace {

volatile std::sig_atomic_t interrupt_came = 0;
termios modes_before;

void on_interrupt(int) { interrupt_came = 1; }

u64 host_now_ns() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<u64>(std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
}

/// Waits for a key or a moment; true: there is a key, or the terminal is gone.
bool wait_for_input(int fd, u64 ns) {
  constexpr u64 kWaitMaxNs = u64{1'000'000'000} * 86'400;
  const u64 bounded = std::min(ns, kWaitMaxNs);
  const timespec time{static_cast<time_t>(bounded / 1'000'000'000), static_cast<long>(bounded % 1'000'000'000)};
  pollfd wanted{fd, POLLIN, 0};
  return ppoll(&wanted, fd < 0 ? 0 : 1, &time, nullptr) > 0;
}

std::string history_path() {
  const char* home = std::getenv("HOME");
  return home == nullptr ? std::string() : std::string(home) + "/.lonala_history";
}

}  // namespace

// ── The machine's ports ──────────────────────────────────────────────────────────────────────────────────────

void LonalaPorts::write(u32 stream, base::Bytes bytes) {
  if (holds(bytes)) return;
  if (stream != 1) std::fflush(stdout);
  std::fwrite(bytes.data(), 1, bytes.size(), stream == 1 ? stdout : stderr);
}

bool LonalaPorts::flush() { return std::fflush(stdout) == 0; }

i64 LonalaPorts::file_size(std::string_view path) {
  std::ifstream file{std::string(path), std::ios::binary | std::ios::ate};
  return file ? static_cast<i64>(file.tellg()) : -1;
}

bool LonalaPorts::read_file(std::string_view path, base::MutableBytes out) {
  std::ifstream file{std::string(path), std::ios::binary};
  file.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
  return static_cast<u64>(file.gcount()) == out.size();
}

u64 LonalaPorts::wait(u64 until_ns) {
  if (!live_) return until_ns;
  flush();
  if (const u64 now = now_ns(); now < until_ns) wait_for_input(-1, until_ns - now);
  return now_ns();
}

void LonalaPorts::live() {
  live_ = true;
  started_ns_ = host_now_ns();
}

u64 LonalaPorts::now_ns() const { return host_now_ns() - started_ns_; }

bool LonalaPorts::interrupted() {
  const bool was = interrupt_came != 0;
  interrupt_came = 0;
  if (was) std::fputs("\n", stdout);  // the terminal has shown ^C
  return was;
}

// ── The terminal ─────────────────────────────────────────────────────────────────────────────────────────────

HostTerminal::HostTerminal(const LonalaPorts& ports) : ports_(ports) {
  tcgetattr(STDIN_FILENO, &modes_before);
  struct sigaction action {};
  action.sa_handler = on_interrupt;  // without SA_RESTART: a wait ends
  sigaction(SIGINT, &action, nullptr);
}

HostTerminal::~HostTerminal() {
  edit(false);
  std::signal(SIGINT, SIG_DFL);
}

u32 HostTerminal::columns() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 2 ? size.ws_col : 80;
}

void HostTerminal::edit(bool on) {
  termios modes = modes_before;
  if (on) {
    modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
    modes.c_iflag &= ~static_cast<tcflag_t>(ICRNL | IXON);
    modes.c_cc[VMIN] = 1;
    modes.c_cc[VTIME] = 0;
  }
  tcsetattr(STDIN_FILENO, TCSADRAIN, &modes);
}

user::lonala_program::Terminal::Got HostTerminal::read(base::MutableBytes out, u64 until_ns, u64& count) {
  if (until_ns != ~u64{0}) {
    const u64 now = ports_.now_ns();
    if (!wait_for_input(STDIN_FILENO, until_ns > now ? until_ns - now : 0)) return Got::Nothing;
  }
  const ssize_t got = ::read(STDIN_FILENO, out.data(), out.size());
  if (got < 0 && errno == EINTR) return Got::Nothing;
  if (got <= 0) return Got::Closed;
  count = static_cast<u64>(got);
  return Got::Bytes;
}

void HostTerminal::write(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

base::String HostTerminal::history(base::Allocator& heap) {
  std::ifstream file(history_path(), std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return base::String(heap, text);
}

void HostTerminal::remember(std::string_view piece) {
  std::ofstream file(history_path(), std::ios::binary | std::ios::app);
  file.write(piece.data(), static_cast<std::streamsize>(piece.size()));
}

void HostTerminal::list(std::string_view directory, base::Vector<base::String>& names) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(directory), error)) {
    std::string name = entry.path().filename().string();
    if (entry.is_directory(error)) name += '/';
    names.push_back(base::String(names.allocator(), name));
  }
}

}  // namespace sim::host::cli
