// tests/sessions/session.cpp — booting the node, typing, and reading the screen.
#include "session.h"

#include <catch2/catch.hpp>

#include "sim/host/contain.h"
#include "user/image.h"
#include "user/native.h"

namespace session {
namespace {

constexpr u64 kMillisecond = 1'000'000;
constexpr u64 kLimitNs = 600'000 * kMillisecond;
constexpr u64 kBootNs = 1000 * kMillisecond;  // a node is at its prompt well before
constexpr u64 kKeyNs = 20 * kMillisecond;
constexpr u64 kPauseNs = 300 * kMillisecond;  // after a line or a control key
constexpr u32 kNode = 1;
constexpr u16 kColumns = 80;
constexpr u16 kRows = 25;

sim::host::MachineOptions options(u32 cores) {
  return {.seed = 1,
          .cores = cores,
          .image = std::string(base::text_of(user::boot_image())),
          .columns = kColumns,
          .rows = kRows,
          .entries = user::native_entries()};
}

struct Key {
  std::string_view name;
  std::string_view bytes;
};
constexpr Key kKeys[] = {{"Enter", "\r"},    {"Esc", "\x1B"},    {"Tab", "\t"},       {"Space", " "},
                         {"Up", "\x1B[A"},   {"Down", "\x1B[B"}, {"Right", "\x1B[C"}, {"Left", "\x1B[D"},
                         {"Home", "\x1B[H"}, {"End", "\x1B[F"},  {"Del", "\x1B[3~"},  {"Backspace", "\x7F"}};

/// The bytes of the key that `name` names; empty: it names none.
std::string bytes_of_key(std::string_view name) {
  if (name.size() == 3 && name.starts_with("C-")) return std::string(1, static_cast<char>(name[2] & 0x1F));
  if (name.size() == 3 && name.starts_with("A-")) return {'\x1B', name[2]};
  for (const Key& key : kKeys) {
    if (key.name == name) return std::string(key.bytes);
  }
  return {};
}

}  // namespace

Ended run_script(std::string_view script, u32 cores, std::string image) {
  Ended ended;
  sim::host::MachineOptions what = options(cores);
  if (!image.empty()) what.image = std::move(image);
  what.console = sim::ConsoleKind::Script;
  what.script = std::string(script);
  sim::host::Machine machine(std::move(what));
  machine.on_output = [&](u32, base::Bytes bytes) { ended.output += base::text_of(bytes); };
  REQUIRE(machine.start() == "");
  sim::host::contain(machine.world(), {.report_assertions = false});
  ended.outcome = machine.world().run(kLimitNs);
  sim::host::release_containment();
  ended.status = machine.world().status();
  ended.now_ns = machine.world().now();
  ended.tainted = machine.world().tainted();
  return ended;
}

Terminal::Terminal(u32 cores)
    : machine_([cores] {
        sim::host::MachineOptions what = options(cores);
        what.console = sim::ConsoleKind::Terminal;
        return what;
      }()) {
  machine_.on_output = [this](u32, base::Bytes bytes) { output_ += base::text_of(bytes); };
  REQUIRE(machine_.start() == "");
  sim::host::contain(machine_.world(), {.report_assertions = false});
  wait(kBootNs);
}

Terminal::~Terminal() { sim::host::release_containment(); }

void Terminal::wait(u64 nanoseconds) {
  if (!ended()) outcome_ = machine_.world().run(machine_.world().now() + nanoseconds);
}

void Terminal::type(std::string_view bytes) {
  sim::World& world = machine_.world();
  while (!bytes.empty() && !ended()) {
    const u64 taken = world.console_input(kNode, base::bytes_of(bytes), world.input_time(world.now()));
    bytes.remove_prefix(taken);
    wait(kKeyNs);
  }
}

void Terminal::keys(std::string_view text) {
  while (!text.empty()) {
    std::string bytes(text.substr(0, 1));
    std::size_t length = 1;
    if (const std::size_t end = text.find('>'); text.front() == '<' && end != std::string_view::npos) {
      if (const std::string key = bytes_of_key(text.substr(1, end - 1)); !key.empty()) {
        bytes = key;
        length = end + 1;
      }
    }
    text.remove_prefix(length);
    type(bytes);
    if (length > 1) wait(kPauseNs);
  }
  wait(kPauseNs);
}

void Terminal::hang_up() {
  sim::World& world = machine_.world();
  world.console_hangup(kNode, world.input_time(world.now()));
}

std::vector<std::string> Terminal::screen() const { return rendered(output_, kColumns); }

std::vector<std::string> rendered(std::string_view output, std::size_t columns) {
  std::vector<std::string> lines(1);
  std::size_t row = 0;
  std::size_t column = 0;
  const auto line = [&]() -> std::string& {
    if (row >= lines.size()) lines.resize(row + 1);
    return lines[row];
  };
  for (std::size_t i = 0; i < output.size(); ++i) {
    const char c = output[i];
    if (c == '\r') {
      column = 0;
    } else if (c == '\n') {
      ++row;
      static_cast<void>(line());
    } else if (c == '\b') {
      column -= column > 0 ? 1 : 0;
    } else if (c == '\t') {
      column = column / 8 * 8 + 8;
    } else if (c == '\x1B' && i + 1 < output.size() && output[i + 1] == '[') {
      const std::size_t end = output.find_first_of("ABCDEFGHJKLMPrmhlnsu@", i + 2);
      if (end == std::string_view::npos) break;
      const std::string parameters(output.substr(i + 2, end - i - 2));
      const std::size_t count = parameters.empty() ? 0 : std::strtoul(parameters.c_str(), nullptr, 10);
      const std::size_t moved = count == 0 ? 1 : count;
      switch (output[end]) {
        case 'A': row -= std::min(row, moved); break;
        case 'B': row += moved; break;
        case 'C': column = std::min(columns - 1, column + moved); break;
        case 'D': column -= std::min(column, moved); break;
        case 'G': column = moved - 1; break;
        case 'H':  // a new page: what was on the screen before stays readable
          row = lines.size();
          column = 0;
          break;
        case 'K':
          if (count == 0 && column < line().size()) line().resize(column);
          break;
        case 'J':
          if (count == 0) lines.resize(std::min(lines.size(), row + 1));
          if (count == 0 && column < line().size()) line().resize(column);
          break;
        default: break;
      }
      i = end;
    } else if (static_cast<u8>(c) >= ' ' && c != '\x7F') {
      if (column >= columns) {
        ++row;
        column = 0;
      }
      std::string& text = line();
      if (text.size() <= column) text.resize(column + 1, ' ');
      text[column++] = c;
    }
  }
  for (std::string& text : lines) text.resize(text.find_last_not_of(' ') + 1);
  return lines;
}

}  // namespace session
