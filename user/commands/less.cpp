// user/commands/less.cpp — less: text a screen at a time. Keys come from /dev/tty, so that it works at the end of a
// pipeline; only as much of the text is read as must be shown.
#include "base/utf8.h"
#include "user/commands/operands.h"
#include "user/lib/regex.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr std::string_view kUsage =
    "usage: less [-NSiX] [+G | +N] [FILE…]\n  -N  number the lines\n  -S  cut long lines off, do not wrap\n"
    "  -i  search letters alike in both cases\n  -X  stay, even if the text fits on the screen\n"
    "  +G  begin at the end; +N at line N";
constexpr std::string_view kKeys =
    "Space f PgDn  a screen on        b PgUp  a screen back\nd u           half a screen      Enter j Down, k Up  a "
    "line\ng G NG        start, end, line N\n/RE ?RE n N   search on, back, again\nF             follow what is added "
    "(Ctrl-C ends)\n-N -S         numbers, wrapping    :n :p  files    q  quit\n";
constexpr u64 kFollowNs = 300'000'000;  // between two looks at the file
constexpr u64 kTab = 8;

/// The part of the text that has been read, by lines.
class Text {
 public:
  Text(Process& process, Fd fd) : input_(process, fd), lines_(process.heap()), process_(process), fd_(fd) {}

  /// Reads until line `index` is there; false: the text ends before.
  bool have(u64 index) {
    while (lines_.size() <= index && !ended_) {
      base::String line(process_.heap());
      const auto got = input_.next(line);
      if (!got.ok()) error_ = got.error();
      ended_ = !got.ok() || !*got;
      if (!ended_) lines_.push_back(std::move(line));
    }
    return index < lines_.size();
  }
  void read_all() { static_cast<void>(have(~u64{0} - 1)); }
  /// Looks again for what was added behind the end.
  bool grow() {
    const u64 before = lines_.size();
    ended_ = false;
    input_.start(fd_);
    read_all();
    return lines_.size() != before;
  }
  const base::String& line(u64 index) const { return lines_[index]; }
  u64 known() const { return lines_.size(); }
  bool ended() const { return ended_; }
  bool failed() const { return error_.code != ErrorCode::None; }
  const Error& error() const { return error_; }

 private:
  Input input_;
  base::Vector<base::String> lines_;
  Process& process_;
  Fd fd_;
  bool ended_ = false;
  Error error_;
};

/// A row of the screen: a line of the text, and which of the rows it takes.
struct Place {
  u64 line = 0;
  u64 part = 0;
};

class Less {
 public:
  explicit Less(Tool& tool) : tool_(tool), process_(tool.process()), pattern_(tool.heap()) {}

  bool numbers = false;
  bool chop = false;
  bool ignore_case = false;
  bool stay = false;
  u64 first_line = 0;
  bool from_end = false;

  /// What ended the display of one file.
  enum class End : u8 { Quit, Next, Previous };
  bool open_keys();
  void close_keys();
  End show(std::string_view name, Text& text);
  static void take_keys(Process& process) {
    (void)process.write_file("/dev/consctl", "rawon\necho off\nsignals on\n").ok();
  }

 private:
  u64 rows() const { return rows_ - 1; }  // the last one is for the status
  void measure();
  base::String shown_text(u64 line) const;
  std::string_view row_of(std::string_view shown, u64 part, u64& count) const;
  u64 parts(u64 line) const;
  bool forward(Place& place);
  bool back(Place& place) const;
  void scroll(i64 by);
  void to_end();
  Place bottom();
  void draw();
  void say(std::string_view message);
  bool fits();
  i32 byte();
  i32 key();
  base::String ask(char mark);
  void search(bool on);
  void follow();

  Tool& tool_;
  Process& process_;
  Text* text_ = nullptr;
  std::string_view name_;
  Fd keys_ = 0;
  bool drawn_ = false;
  bool asked_ = false;  // a key has been read: the user is there
  u8 pending_[64];
  u64 pending_at_ = 0;
  u64 pending_size_ = 0;
  u64 columns_ = 80;
  u64 rows_ = 25;
  Place top_;
  base::String pattern_;
  bool searching_on_ = true;
};

bool Less::open_keys() {
  const auto opened = process_.open("/dev/tty", schema::file::kOpenRead);
  if (!opened.ok()) {
    tool_.error("/dev/tty", opened.error());
    return false;
  }
  keys_ = *opened;
  take_keys(process_);
  const auto again = [](Process& process, u32, void*) { take_keys(process); };
  (void)process_.on_note(note_number("continue"), NoteAction::Handle, again).ok();
  (void)process_.on_note(note_number("interrupt"), NoteAction::Handle, [](Process&, u32, void*) {}).ok();
  (void)process_.on_note(note_number("resize"), NoteAction::Handle, [](Process&, u32, void*) {}).ok();
  return true;
}

void Less::close_keys() {
  if (drawn_) tool_.out().text("\r\x1B[K");
  tool_.out().flush();
  (void)process_.write_file("/dev/consctl", "rawoff\necho on\n").ok();
  (void)process_.close(keys_).ok();
}

void Less::measure() {
  const auto state = process_.read_file("/dev/consctl", 4096);
  if (!state.ok()) return;
  const u64 at = state->view().find("size ");
  if (at == std::string_view::npos) return;
  std::string_view rest = state->view().substr(at + 5);
  const u64 blank = std::min<u64>(rest.find(' '), rest.size());
  const auto wide = base::parse_u64(rest.substr(0, blank));
  rest.remove_prefix(std::min(blank + 1, rest.size()));
  const auto high = base::parse_u64(rest.substr(0, rest.find_first_not_of("0123456789")));
  if (wide.ok() && *wide >= 8) columns_ = *wide;
  if (high.ok() && *high >= 2) rows_ = *high;
}

/// A line as it is shown: tabs to multiples of eight, control characters as ^X, bytes that are no text as <XX>.
base::String Less::shown_text(u64 line) const {
  base::String out(tool_.heap());
  if (numbers) out.append_format("{:>7} ", line + 1);
  u64 column = 0;
  for (std::string_view rest = text_->line(line).view(); !rest.empty();) {
    const auto decoded = base::decode_utf8(rest);
    const u8 byte = static_cast<u8>(rest[0]);
    if (byte == '\t') {
      out.append(kTab - column % kTab, ' ');
      column += kTab - column % kTab;
    } else if (byte < ' ' || byte == 0x7F) {
      out.push('^');
      out.push(static_cast<char>(byte ^ 0x40));
      column += 2;
    } else if (!decoded.valid) {
      out.append_format("<{:02X}>", byte);
      column += 4;
    } else {
      out.append(rest.substr(0, decoded.length));
      column += base::display_width(decoded.code_point);
    }
    rest.remove_prefix(decoded.length);
  }
  return out;
}

/// The row of the screen that `part` of a shown line is; `count` gets how many it has.
std::string_view Less::row_of(std::string_view shown, u64 part, u64& count) const {
  std::string_view row;
  count = 0;
  do {
    u64 at = 0;
    for (u64 column = 0; at < shown.size();) {
      const auto decoded = base::decode_utf8(shown, at);
      column += base::display_width(decoded.code_point);
      if (column > columns_) break;
      at += decoded.length;
    }
    if (count == part) row = shown.substr(0, at);
    count += 1;
    shown.remove_prefix(at);
  } while (!shown.empty() && !chop);
  return row;
}

u64 Less::parts(u64 line) const {
  u64 count = 0;
  const base::String shown = shown_text(line);
  row_of(shown, 0, count);
  return count;
}

bool Less::forward(Place& place) {
  if (place.part + 1 < parts(place.line)) {
    place.part += 1;
    return true;
  }
  if (!text_->have(place.line + 1)) return false;
  place = {place.line + 1, 0};
  return true;
}

bool Less::back(Place& place) const {
  if (place.part > 0) {
    place.part -= 1;
    return true;
  }
  if (place.line == 0) return false;
  place = {place.line - 1, parts(place.line - 1) - 1};
  return true;
}

/// The last row on the screen.
Place Less::bottom() {
  Place place = top_;
  for (u64 i = 1; i < rows() && forward(place); ++i) {
  }
  return place;
}

/// Moves the text by rows, so far that its end stays at the foot of the screen.
void Less::scroll(i64 by) {
  for (; by < 0 && back(top_); ++by) {
  }
  Place last = bottom();
  for (; by > 0 && forward(last); --by) forward(top_);
}

void Less::to_end() {
  text_->read_all();
  if (text_->known() == 0) return;
  top_ = {text_->known() - 1, parts(text_->known() - 1) - 1};
  for (u64 i = 1; i < rows() && back(top_); ++i) {
  }
}

void Less::draw() {
  drawn_ = true;
  tool_.out().text("\x1B[H\x1B[J");
  Place place = top_;
  Place last = top_;
  u64 row = 0;
  for (bool more = text_->have(top_.line); more && row < rows(); ++row) {
    u64 count = 0;
    const base::String shown = shown_text(place.line);
    tool_.out().text(row_of(shown, place.part, count));
    tool_.out().character('\n');
    last = place;
    more = forward(place);
  }
  for (; row < rows(); ++row) tool_.out().text("~\n");
  Place next = last;
  const bool at_end = text_->known() == 0 || !forward(next);
  tool_.out().text("\x1B[7m");
  tool_.out().format(" {} {}-{}", name_, text_->known() == 0 ? 0 : top_.line + 1,
                     text_->known() == 0 ? 0 : last.line + 1);
  if (text_->ended()) {
    const u64 known = text_->known();
    tool_.out().format("/{} {}%", known, known == 0 ? 100 : (last.line + 1) * 100 / known);
  }
  tool_.out().text(at_end ? " (END) " : " ");
  tool_.out().text("\x1B[m");
  tool_.out().flush();
}

void Less::say(std::string_view message) {
  tool_.out().format("\r\x1B[K\x1B[7m {} \x1B[m", message);
  tool_.out().flush();
}

/// The next byte from the keyboard; −1: there is none any more, −2: a note came instead.
i32 Less::byte() {
  if (pending_at_ == pending_size_) {
    const auto got = process_.read(keys_, pending_);
    if (!got.ok() && got.error() == ErrorCode::Interrupted) return -2;
    if (!got.ok() || *got == 0) return -1;
    pending_at_ = 0;
    pending_size_ = *got;
  }
  return pending_[pending_at_++];
}

/// A key as the letter that does the same: arrows and their like have one.
i32 Less::key() {
  const i32 first = byte();
  if (first != '\x1B' || pending_at_ == pending_size_) return first;
  if (pending_[pending_at_] != '[') return first;
  pending_at_ += 1;
  const i32 letter = byte();
  if (letter == '5' || letter == '6') {
    byte();  // the tilde
    return letter == '5' ? 'b' : 'f';
  }
  return letter == 'A' ? 'k' : letter == 'B' ? 'j' : letter == 'H' ? 'g' : letter == 'F' ? 'G' : 0;
}

/// A line typed at the foot of the screen; empty when it was given up.
base::String Less::ask(char mark) {
  base::String answer(tool_.heap());
  for (;;) {
    tool_.out().format("\r\x1B[K{}{}", std::string_view(&mark, 1), answer);
    tool_.out().flush();
    const i32 c = byte();
    if (c == '\r' || c == '\n') return answer;
    if (c < 0 || c == '\x1B' || ((c == '\b' || c == 0x7F) && answer.empty())) {
      answer.clear();
      return answer;
    }
    if (c == '\b' || c == 0x7F) {
      answer.truncate(base::previous_cursor_stop(answer, answer.size()));
    } else {
      answer.push(static_cast<char>(c));
    }
  }
}

/// The next line with the pattern, on or back from the first line shown.
void Less::search(bool on) {
  if (pattern_.empty()) return say("no pattern");
  auto regex = Regex::compile(tool_.heap(), pattern_, {.extended = true, .ignore_case = ignore_case});
  if (!regex.ok()) return say(regex.error().text);
  u64 line = top_.line;
  while (on ? text_->have(line + 1) : line > 0) {
    line += on ? 1 : ~u64{0};
    const bool found = regex->matches(text_->line(line));
    process_.work(regex->take_work());
    if (!found) continue;
    top_ = {line, 0};
    return draw();
  }
  say("pattern not found");
}

/// Shows what is added to the file until a key or Ctrl-C comes.
void Less::follow() {
  to_end();
  draw();
  say("waiting for more: Ctrl-C ends");
  for (;;) {
    const auto ready = process_.wait_readable(keys_, kFollowNs);
    if (!ready.ok() || *ready) break;
    if (!text_->grow()) continue;
    to_end();
    draw();
    say("waiting for more: Ctrl-C ends");
  }
  draw();
}

/// Whether all of the text has room on the screen.
bool Less::fits() {
  if (text_->have(rows())) return false;
  u64 count = 0;
  for (u64 i = 0; i < text_->known() && count <= rows(); ++i) count += parts(i);
  return count < rows();
}

Less::End Less::show(std::string_view name, Text& text) {
  text_ = &text;
  name_ = name;
  top_ = {};
  measure();
  if (!stay && !asked_ && !from_end && first_line == 0 && fits()) {
    for (u64 i = 0; i < text.known(); ++i) tool_.out().format("{}\n", text.line(i));
    return End::Next;
  }
  if (from_end) to_end();
  if (first_line > 0 && text.have(first_line - 1)) top_ = {first_line - 1, 0};
  draw();
  u64 number = 0;
  bool has_number = false;
  for (;;) {
    const i32 pressed = key();
    asked_ = true;
    const i64 page = static_cast<i64>(rows());
    const i64 times = has_number ? static_cast<i64>(std::min<u64>(number, 1 << 30)) : 1;
    if (pressed >= '0' && pressed <= '9') {
      number = std::min<u64>(number * 10 + static_cast<u64>(pressed - '0'), u64{1} << 40);
      has_number = true;
      continue;
    }
    switch (pressed) {
      case -1:
      case 'q': return End::Quit;
      case -2: measure(); break;
      case ' ':
      case 'f': scroll(page * times); break;
      case 'b': scroll(-page * times); break;
      case 'd': scroll(page / 2); break;
      case 'u': scroll(-page / 2); break;
      case '\r':
      case '\n':
      case 'j': scroll(times); break;
      case 'k': scroll(-times); break;
      case 'g': top_ = {}; break;
      case 'G':
        if (has_number && number > 0 && text.have(number - 1)) {
          top_ = {number - 1, 0};
        } else {
          to_end();
        }
        break;
      case '/':
      case '?': {
        base::String typed = ask(static_cast<char>(pressed));
        if (!typed.empty()) pattern_ = std::move(typed);
        searching_on_ = pressed == '/';
        search(searching_on_);
        number = 0;
        has_number = false;
        continue;
      }
      case 'n':
      case 'N':
        search(searching_on_ == (pressed == 'n'));
        number = 0;
        has_number = false;
        continue;
      case 'F': follow(); break;
      case '-': {
        const i32 option = key();
        if (option == 'N') numbers = !numbers;
        if (option == 'S') chop = !chop;
        if (option == 'i') ignore_case = !ignore_case;
        top_.part = 0;
        break;
      }
      case ':': {
        const i32 command = key();
        if (command == 'n') return End::Next;
        if (command == 'p') return End::Previous;
        if (command == 'q') return End::Quit;
        break;
      }
      case 'h':
        tool_.out().text("\x1B[H\x1B[J");
        tool_.out().text(kKeys);
        say("a key goes on");
        static_cast<void>(key());
        break;
      default: break;
    }
    number = 0;
    has_number = false;
    draw();
  }
}

}  // namespace

i32 less_main(Process& process) {
  Tool tool(process, kUsage);
  Less less(tool);
  base::Vector<std::string_view> names(process.heap());
  for (const std::string_view word : tool.args().subspan(1)) {
    if (word == "--help") {
      tool.out().format("{}\n", tool.usage());
      return tool.finish();
    }
    if (word.size() > 1 && word[0] == '+') {
      const auto line = base::parse_u64(word.substr(1));
      less.from_end = word == "+G";
      if (!less.from_end && !line.ok()) return tool.bad_use("bad number: {}", word);
      if (line.ok()) less.first_line = *line;
    } else if (word.size() > 1 && word[0] == '-') {
      for (const char letter : word.substr(1)) {
        switch (letter) {
          case 'N': less.numbers = true; break;
          case 'S': less.chop = true; break;
          case 'i': less.ignore_case = true; break;
          case 'X': less.stay = true; break;
          default: return tool.bad_use("unknown option: -{}", std::string_view(&letter, 1));
        }
      }
    } else {
      names.push_back(word);
    }
  }
  if (names.empty() && process.is_console(kStdin)) return tool.bad_use("missing operand");
  if (!process.is_console(kStdout)) {
    Operands files(tool, names.span());
    while (files.next()) {
      u8 block[4096];
      Result<u64> count = u64{0};
      while ((count = process.read(files.fd(), block)).ok() && *count != 0 && !tool.out().failed()) {
        tool.out().text(base::text_of({block, *count}));
      }
      if (!count.ok()) tool.error(files.name(), count.error());
    }
    return tool.finish();
  }
  if (names.empty()) names.push_back("-");
  if (!less.open_keys()) return tool.finish();
  for (u64 at = 0; at < names.size();) {
    const bool standard = names[at] == "-";
    const auto opened = standard ? Result<Fd>(kStdin) : process.open(names[at], schema::file::kOpenRead);
    Less::End end = Less::End::Next;
    if (opened.ok()) {
      Text text(process, *opened);
      static_cast<void>(text.have(0));
      if (text.failed()) {
        tool.error(names[at], text.error());
      } else {
        end = less.show(names[at], text);
      }
      if (!standard) (void)process.close(*opened).ok();
    } else {
      tool.error(names[at], opened.error());
    }
    if (end == Less::End::Quit) break;
    // Behind the last file, and before the first, there is nothing to go to.
    if (end == Less::End::Next) at += 1;
    if (end == Less::End::Previous && at > 0) at -= 1;
  }
  less.close_keys();
  return tool.finish();
}

}  // namespace user
