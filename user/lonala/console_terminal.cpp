#include "user/lonala/console_terminal.h"

#include "base/enforce.h"

namespace user::lonala_program {
namespace {

constexpr u64 kHistoryBytesMax = 1 << 20;

}  // namespace

u32 ConsoleTerminal::columns() { return before_.columns == 0 ? kColumnsDefault : before_.columns; }

void ConsoleTerminal::edit(bool on) {
  if (on) {
    before_ = console_state(process_);
    begin_editing(process_);
  } else {
    end_editing(process_, before_);
  }
}

Terminal::Got ConsoleTerminal::read(base::MutableBytes out, u64 until_ns, u64& count) {
  if (until_ns != ~u64{0}) {
    const u64 now_ns = process_.uptime_ns();
    const auto ready = process_.wait_readable(kStdin, until_ns > now_ns ? until_ns - now_ns : 0);
    if (!ready.ok() && !(ready.error() == ErrorCode::Interrupted)) return Got::Closed;
    if (!ready.ok() || !*ready) return Got::Nothing;
  }
  const auto got = process_.read(kStdin, out);
  if (!got.ok()) {
    if (got.error() == ErrorCode::Interrupted) return Got::Nothing;
    if (!(got.error() == ErrorCode::ServerRestarted)) return Got::Closed;
    begin_editing(process_);  // a new console server knows nothing of it
    return Got::Nothing;
  }
  count = *got;
  return count == 0 ? Got::Closed : Got::Bytes;
}

void ConsoleTerminal::write(std::string_view text) {
  // A console that is gone tells so at the next read.
  static_cast<void>(process_.write(kStdout, base::bytes_of(text)));
}

base::String ConsoleTerminal::history_path() {
  auto home = process_.env("HOME");
  base::String path(process_.heap());
  if (!home.ok() || home->empty()) return path;
  path.append(home->view()).append("/.lonala_history");
  return path;
}

base::String ConsoleTerminal::history(base::Allocator& heap) {
  const base::String path = history_path();
  if (path.empty()) return base::String(heap);
  auto text = process_.read_file(path, kHistoryBytesMax);
  return text.ok() ? std::move(text).take() : base::String(heap);
}

void ConsoleTerminal::remember(std::string_view piece) {
  const base::String path = history_path();
  if (path.empty()) return;
  const auto file =
      process_.open(path, schema::file::kOpenWrite | schema::file::kOpenAppend | schema::file::kOpenCreate, 0600);
  if (!file.ok()) return;  // a home that cannot be written keeps no history
  static_cast<void>(process_.write(*file, base::bytes_of(piece)));
  static_cast<void>(process_.close(*file));
}

void ConsoleTerminal::list(std::string_view directory, base::Vector<base::String>& names) {
  auto entries = process_.list(directory);
  if (!entries.ok()) return;
  for (DirectoryEntry& entry : *entries) {
    if (entry.stat.kind == schema::file::Kind::Directory) entry.name.push('/');
    names.push_back(std::move(entry.name));
  }
}

}  // namespace user::lonala_program
