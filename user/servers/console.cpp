// user/servers/console.cpp — the console server: driver of a console device, and the files `cons` and `consctl` of the
// session that has it. Grant 0 is the device. What is typed goes through the line discipline; what is written goes to
// the device, with the returns that a terminal wants.
// Bounds      one console; kOutputHeldMax bytes of echo wait while Ctrl-S holds the output.
#include "fs/server.h"
#include "base/points.h"
#include "kernel-model/ports.h"
#include "schema/process.capnp.h"
#include "user/runtime/call.h"
#include "user/runtime/shared.h"
#include "user/servers/line_discipline.h"
#include "user/servers/serve.h"

#include "base/enforce.h"

namespace user {
namespace {

using fs::Attributes;
using fs::Caller;
using fs::ErrorCode;
using fs::Kind;
using fs::NodeId;

constexpr NodeId kRoot = 1;
constexpr NodeId kCons = 2;
constexpr NodeId kTty = 3;  // the same console under its other name
constexpr NodeId kConsctl = 4;
constexpr u64 kInterruptSignal = kSignalFree;
constexpr u32 kOutputHeldMax = 64 << 10;
constexpr u64 kDeviceTerminal = 1;
constexpr u64 kDevicePipe = 2;

struct Entry {
  NodeId node;
  std::string_view name;
};
constexpr Entry kEntries[] = {{kCons, "cons"}, {kTty, "tty"}, {kConsctl, "consctl"}};

u64 device_kind() {
  port::call(device_address(0), port::Console::Kind, 0);
  return sys::frame().mr[0];
}

class ConsoleFiles final : public fs::FileSystem, public fs::LoopEvents {
 public:
  explicit ConsoleFiles(Process& process)
      : process_(process),
        discipline_(process.heap(), device_kind() == kDevicePipe ? ConsoleSource::Pipe : ConsoleSource::Terminal),
        unread_(process.heap()),
        held_(process.heap()) {
    port::call(device_address(0), port::Console::Kind, 0);
    terminal_ = sys::frame().mr[0] == kDeviceTerminal;
  }

  void start();

  // ── LoopEvents ──
  void serving(fs::Server& server) override { server_ = &server; }
  void signalled(u64 bits) override;

  // ── FileSystem ──
  fs::Result<NodeId> root(std::string_view, const Caller&) override { return kRoot; }
  fs::Result<Attributes> stat(NodeId node, const Caller& caller) override;
  fs::Result<NodeId> lookup(NodeId directory, std::string_view name, const Caller& caller) override;
  fs::Result<void> list(fs::OpenFile& open, u64 cookie, fs::RecordWriter& out) override;
  fs::Result<void> open(fs::OpenFile& open) override;
  void close(fs::OpenFile& open) override;
  fs::Result<fs::ReadReply> read(fs::OpenFile& open, const fs::ReadRequest& request) override;
  fs::Result<fs::WriteReply> write(fs::OpenFile& open, const fs::WriteRequest& request) override;
  u8 ready(fs::OpenFile& open) override;

 private:
  static bool is_console(NodeId node) { return node == kCons || node == kTty; }
  void take_input();
  void feed(base::Bytes bytes);
  void print(std::string_view text);
  void device_write(std::string_view bytes);
  void post(u32 note);
  fs::Result<void> check_reader(Pid reader);
  void wake_readers();
  fs::Result<void> control(std::string_view line);
  base::String control_text();
  void tell_hidden();

  Process& process_;
  fs::Server* server_ = nullptr;  // told when a reader may go on
  LineDiscipline discipline_;
  base::String unread_;  // from the device, the discipline being full
  base::String held_;    // output while Ctrl-S holds it: echo only, writers wait
  bool terminal_ = false;
  bool hung_up_ = false;
  Pid foreground_ = 0;
  Pid foreground_before_ = 0;  // whoever gave the console to that group
  u64 columns_ = 0;            // as set by `winsize`; 0: the device's own
  u64 rows_ = 0;
};

void ConsoleFiles::start() {
  // The line signals with a bit of its own, beside those of notes and timers.
  const sys::Answer minted = sys::invoke(
      kSlotCNode, sys::Invoke::CNodeMint,
      {kSlotScratch, kSlotDepth, kSlotNotification, kSlotDepth, kernel::kRightWrite, kInterruptSignal}, {kSlotCNode});
  ASSERT(minted.ok());
  const sys::Answer set = sys::invoke(kSlotGrants, sys::Invoke::IrqHandlerSetNotification, {}, {kSlotScratch});
  ASSERT(set.ok());
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotScratch, kSlotDepth});
  // The device may have told an earlier server what it will not tell again: that it has bytes, or no more.
  take_input();
}

void ConsoleFiles::signalled(u64 bits) {
  if ((bits & kInterruptSignal) == 0) return;
  take_input();
}

/// Reads the device until it has nothing more, or the readers are too far behind. The line stays masked then, so that
/// the device waits with us; the next read goes on here.
void ConsoleFiles::take_input() {
  if (!unread_.empty()) {
    base::String rest = std::move(unread_);
    unread_ = base::String(process_.heap());
    feed(base::bytes_of(rest.view()));
  }
  while (unread_.empty() && !hung_up_) {
    sys::frame().mr[0] = TUNABLE("console.read-bytes", port::kBytesMax, 1, 7, 64);
    port::call(device_address(0), port::Console::Read, 1);
    const u64 count = sys::frame().mr[0];
    const bool ended = sys::frame().mr[1] != 0;
    if (count != 0) {
      base::String bytes(process_.heap(), {reinterpret_cast<const char*>(sys::buffer().msg), count});
      feed(base::bytes_of(bytes.view()));
    } else if (ended) {
      hung_up_ = true;
      discipline_.input_ended();
      if (terminal_) post(note_number("hangup"));
    } else {
      break;
    }
  }
  if (unread_.empty()) sys::invoke(kSlotGrants, sys::Invoke::IrqHandlerAck, {});
  wake_readers();
}

void ConsoleFiles::feed(base::Bytes bytes) {
  base::String echo(process_.heap());
  base::Vector<u32> notes(process_.heap());
  process_.work(bytes.size() / 16 + 1);
  const bool was_held = discipline_.output_held();
  const std::size_t taken = discipline_.input(bytes, echo, notes);
  unread_.append(base::text_of(bytes.subspan(taken)));
  if (was_held && !discipline_.output_held()) {
    device_write(held_);
    held_.clear();
  }
  print(echo);
  for (const u32 note : notes) post(note);
}

void ConsoleFiles::wake_readers() {
  if (server_ == nullptr) return;
  server_->wake(kCons);
  server_->wake(kTty);
}

void ConsoleFiles::post(u32 note) {
  if (foreground_ == 0) return;
  // Between a job's end and the moment its shell takes the console back, the shell is meant.
  if (process_.post_group(foreground_, note_name(note)).ok()) return;
  (void)process_.post_group(foreground_before_, note_name(note)).ok();  // nobody there either: nobody to tell
}

/// Text for the screen: a terminal needs a return before each line feed.
void ConsoleFiles::print(std::string_view text) {
  if (text.empty()) return;
  if (!terminal_) return device_write(text);
  base::String lines(process_.heap());
  for (const char c : text) {
    if (c == '\n') lines.push('\r');
    lines.push(c);
  }
  if (!discipline_.output_held()) return device_write(lines);
  if (held_.size() + lines.size() <= kOutputHeldMax) held_.append(lines);
}

void ConsoleFiles::device_write(std::string_view bytes) {
  while (!bytes.empty()) {
    const u64 count = std::min<u64>(bytes.size(), port::kBytesMax);
    if (count > 0) __builtin_memcpy(sys::buffer().msg, bytes.data(), count);
    sys::frame().mr[0] = count;
    port::call(device_address(0), port::Console::Write, 1);
    bytes.remove_prefix(count);
  }
}

// ── The files ──────────────────────────────────────────────────────────────────────────────────────────────────

fs::Result<Attributes> ConsoleFiles::stat(NodeId node, const Caller&) {
  Attributes attributes{.id = node};
  attributes.kind = node == kRoot ? Kind::Directory : node == kConsctl ? Kind::Control : Kind::Device;
  attributes.mode = node == kRoot ? 0555 : 0600;
  return attributes;
}

fs::Result<NodeId> ConsoleFiles::lookup(NodeId directory, std::string_view name, const Caller&) {
  if (directory != kRoot) return fs::fail(ErrorCode::NotADirectory);
  for (const Entry& entry : kEntries) {
    if (entry.name == name) return entry.node;
  }
  return fs::fail(ErrorCode::NotFound);
}

fs::Result<void> ConsoleFiles::list(fs::OpenFile& open, u64 cookie, fs::RecordWriter& out) {
  for (u64 i = cookie; i < std::size(kEntries); ++i) {
    const Attributes attributes = TRY(stat(kEntries[i].node, open.caller));
    if (!out.add(kEntries[i].name, attributes, i + 1)) return {};
  }
  return {};
}

fs::Result<void> ConsoleFiles::open(fs::OpenFile&) { return {}; }
void ConsoleFiles::close(fs::OpenFile&) {}

fs::Result<fs::ReadReply> ConsoleFiles::read(fs::OpenFile& open, const fs::ReadRequest& request) {
  if (open.node == kConsctl) {
    const base::String text = control_text();
    if (request.offset_bytes >= text.size()) return fs::ReadReply{};
    const u64 count = std::min<u64>(text.size() - request.offset_bytes, request.room.size());
    if (count > 0) __builtin_memcpy(request.room.data(), text.data() + request.offset_bytes, count);
    return fs::ReadReply{.data = request.room.first(count)};
  }
  TRY(check_reader(request.tag));
  if (!discipline_.can_read()) return fs::fail(ErrorCode::WouldBlock);
  const std::size_t count = discipline_.read(request.room);
  if (!unread_.empty()) take_input();  // there is room again for what the device had
  return fs::ReadReply{.data = request.room.first(count)};
}

/// Only the foreground group reads; others get `ttyin`, which stops them unless they want it otherwise. They ask again
/// when they go on. Errors: Interrupted (stopped), IoError (not to be stopped).
fs::Result<void> ConsoleFiles::check_reader(Pid reader) {
  using Facts = schema::process::Process::Facts;
  if (foreground_ == 0) return {};
  const auto facts = call<Facts>(kSlotRoot, {.pid = reader});
  if (!facts.ok()) return fs::fail(ErrorCode::Interrupted);  // it has ended
  if (facts->group == foreground_) return {};
  (void)process_.post_group(facts->group, "ttyin").ok();  // it may have ended by now
  const auto after = call<Facts>(kSlotRoot, {.pid = reader});
  return fs::fail(after.ok() && !after->stopped ? ErrorCode::IoError : ErrorCode::Interrupted);
}

fs::Result<fs::WriteReply> ConsoleFiles::write(fs::OpenFile& open, const fs::WriteRequest& request) {
  const std::string_view text = base::text_of(request.data);
  const u32 count = static_cast<u32>(text.size());
  if (open.node != kConsctl) {
    if (discipline_.output_held()) return fs::fail(ErrorCode::WouldBlock);
    process_.work(text.size() / 16 + 1);
    print(text);
    return fs::WriteReply{.count = count};
  }
  // Lines run in order; the first bad one ends the write with its error.
  std::string_view rest = text;
  while (!rest.empty()) {
    const u64 end = std::min<u64>(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.empty() && line[0] != '#') TRY(control(line));
  }
  wake_readers();
  return fs::WriteReply{.count = count};
}

u8 ConsoleFiles::ready(fs::OpenFile& open) {
  u8 ready = fs::kReadyWrite;
  if (!is_console(open.node) || discipline_.can_read()) ready |= fs::kReadyRead;
  if (hung_up_) ready |= fs::kReadyHungUp;
  return ready;
}

/// Whole lines without echo are passwords; a raw mode without echo is an editor, which shows what it wants itself.
void ConsoleFiles::tell_hidden() {
  const LineDiscipline::Modes& modes = discipline_.modes();
  sys::frame().mr[0] = !modes.echo && !modes.raw ? 1 : 0;
  port::call(device_address(0), port::Console::Hide, 1);
}

base::String ConsoleFiles::control_text() {
  u64 columns = columns_;
  u64 rows = rows_;
  if (columns == 0 && terminal_) {
    port::call(device_address(0), port::Console::Size, 0);
    columns = sys::frame().mr[0];
    rows = sys::frame().mr[1];
  }
  const LineDiscipline::Modes& modes = discipline_.modes();
  base::String text(process_.heap());
  text.append_format("raw {} echo {} signals {} foreground {} size {} {}\n", modes.raw ? "on" : "off",
                     modes.echo ? "on" : "off", modes.signals ? "on" : "off", foreground_, columns, rows);
  return text;
}

fs::Result<void> ConsoleFiles::control(std::string_view line) {
  const auto word = [&line] {
    const u64 end = std::min<u64>(line.find(' '), line.size());
    const std::string_view taken = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return taken;
  };
  const std::string_view whole = line;
  const std::string_view verb = word();
  const bool terminal = discipline_.source() == ConsoleSource::Terminal;
  if (verb == "rawon" || verb == "rawoff") {
    if (terminal) discipline_.set_raw(verb == "rawon");
    tell_hidden();
  } else if (verb == "echo" || verb == "signals") {
    const std::string_view state = word();
    if (state != "on" && state != "off") return fs::fail(ErrorCode::BadArgument, whole);
    if (terminal && verb == "echo") discipline_.set_echo(state == "on");
    tell_hidden();
    if (terminal && verb == "signals") discipline_.set_signals(state == "on");
  } else if (verb == "size") {
    const base::String text = control_text();
    const u64 at = text.view().find("size ") + 5;
    discipline_.inject(text.view().substr(at));
  } else if (verb == "winsize") {
    const auto columns = base::parse_u64(word());
    const auto rows = base::parse_u64(word());
    constexpr u64 kSizeMax = 4096;
    if (!columns.ok() || !rows.ok() || *columns > kSizeMax || *rows > kSizeMax)
      return fs::fail(ErrorCode::BadArgument, whole);
    columns_ = *columns;
    rows_ = *rows;
    post(note_number("resize"));
  } else if (verb == "foreground") {
    const auto group = base::parse_u64(word());
    if (!group.ok() || *group > 0xFFFF'FFFF) return fs::fail(ErrorCode::BadArgument, whole);
    if (*group != foreground_) foreground_before_ = foreground_;
    foreground_ = static_cast<Pid>(*group);
  } else if (verb == "clear") {
    print("\x1B[H\x1B[2J");
  } else {
    return fs::fail(ErrorCode::UnknownControl, whole);
  }
  if (!line.empty()) return fs::fail(ErrorCode::BadArgument, whole);
  return {};
}

}  // namespace

i32 console_main(Process& process) {
  ServerClock clock(process);
  ConsoleFiles files(process);
  files.start();
  return serve(process, files, files, clock, {.post = option(process, "--post")});
}

}  // namespace user
