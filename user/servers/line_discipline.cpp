// user/servers/line_discipline.cpp — the console's line editing; keys as POSIX.1-2017 §11.1.9 and Plan 9's cons(3).
#include "user/servers/line_discipline.h"

#include "base/planted.h"
#include "base/utf8.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u8 control(char letter) { return static_cast<u8>(letter - '@'); }
constexpr u8 kDelete = 0x7F;
constexpr u32 kNoteInterrupt = 2;
constexpr u32 kNoteQuit = 3;
constexpr u32 kNoteSuspend = 20;

bool is_continuation(char byte) { return (static_cast<u8>(byte) & 0xC0) == 0x80; }

}  // namespace

LineDiscipline::LineDiscipline(base::Allocator& heap, ConsoleSource source)
    : source_(source), line_(heap), ready_(heap), marks_(heap) {
  if (source == ConsoleSource::Pipe) modes_ = {.raw = false, .echo = false, .signals = false};
}

std::size_t LineDiscipline::input(base::Bytes bytes, base::String& output, base::Vector<u32>& notes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && ready_.size() - ready_start_ < kReadyBytesMax) {
    const u8 byte = bytes[taken];
    taken += 1;
    if (source_ == ConsoleSource::Pipe) {
      // The line's end is the only byte with a meaning: a read stops there, so that no reader takes its successor's.
      line_.push(static_cast<char>(byte));
      if (byte == '\n' || line_.size() >= kLineBytesMax) deliver(line_);
    } else if (modes_.raw) {
      if (modes_.signals && posts_note(byte, output, notes)) continue;
      ready_.push(static_cast<char>(byte));
      if (modes_.echo) output.push(static_cast<char>(byte));
    } else {
      cooked_byte(byte, output, notes);
    }
  }
  return taken;
}

void LineDiscipline::input_ended() {
  if (!line_.empty()) {
    deliver(line_);
    if (PLANTED("console.end-forgotten")) return;
  }
  ended_ = true;
}

std::size_t LineDiscipline::read(base::MutableBytes out) {
  if (modes_.raw) marks_.clear();
  u64 end = ready_.size();
  if (!marks_.empty()) end = marks_.front();
  const u64 count = std::min<u64>(end - ready_start_, out.size());
  if (count != 0) __builtin_memcpy(out.data(), ready_.data() + ready_start_, count);
  ready_start_ += count;
  if (ready_start_ == end && !marks_.empty()) marks_.erase(0);
  if (ready_start_ == ready_.size() || ready_start_ >= kReadyBytesMax / 2) {
    ready_.erase(0, ready_start_);
    for (u64& mark : marks_) mark -= ready_start_;
    ready_start_ = 0;
  }
  return count;
}

void LineDiscipline::inject(std::string_view text) {
  ready_.append(text);
  marks_.push_back(ready_.size());
}

void LineDiscipline::set_raw(bool raw) {
  if (raw == modes_.raw) return;
  if (raw && !line_.empty()) deliver(line_);
  modes_.raw = raw;
  modes_.signals = !raw;
  held_ = false;
  literal_next_ = false;
}

void LineDiscipline::deliver(std::string_view text) {
  ready_.append(text);
  marks_.push_back(ready_.size());
  line_.clear();
}

bool LineDiscipline::posts_note(u8 byte, base::String& output, base::Vector<u32>& notes) {
  u32 note = 0;
  if (byte == control('C')) note = kNoteInterrupt;
  if (byte == control('\\')) note = kNoteQuit;
  if (byte == control('Z')) note = kNoteSuspend;
  if (note == 0) return false;
  line_.clear();
  held_ = false;
  if (modes_.echo) {
    output.push('^');
    output.push(static_cast<char>(byte + '@'));
    output.push('\n');
  }
  notes.push_back(note);
  return true;
}

void LineDiscipline::cooked_byte(u8 byte, base::String& output, base::Vector<u32>& notes) {
  if (literal_next_) {
    literal_next_ = false;
    return add_to_line(byte, output);
  }
  if (modes_.signals && posts_note(byte, output, notes)) return;
  switch (byte) {
    case control('V'): literal_next_ = true; return;
    case control('S'): held_ = true; return;
    case control('Q'): held_ = false; return;
    case control('H'):
    case kDelete: return erase_character(output);
    case control('W'):
      while (!line_.empty() && line_.back() == ' ') erase_character(output);
      while (!line_.empty() && line_.back() != ' ') erase_character(output);
      return;
    case control('U'):
      while (!line_.empty()) erase_character(output);
      return;
    case control('D'): return deliver(line_);  // of an empty line: end of file, once
    case '\r':
    case '\n':
      line_.push('\n');
      if (modes_.echo) output.push('\n');
      return deliver(line_);
    default: return add_to_line(byte, output);
  }
}

void LineDiscipline::add_to_line(u8 byte, base::String& output) {
  if (line_.size() >= kLineBytesMax) {
    output.push('\a');
    return;
  }
  line_.push(static_cast<char>(byte));
  if (!modes_.echo) return;
  if (byte < 0x20 && byte != '\t') {
    output.push('^');
    output.push(static_cast<char>(byte + '@'));
  } else {
    output.push(static_cast<char>(byte));
  }
}

void LineDiscipline::erase_character(base::String& output) {
  if (line_.empty()) return;
  u64 start = line_.size() - 1;
  while (start > 0 && line_.size() - start < 4 && is_continuation(line_[start])) start -= 1;
  const std::string_view character = line_.view().substr(start);
  const bool shown_as_two = static_cast<u8>(character[0]) < 0x20 && character[0] != '\t';
  const u32 width = shown_as_two ? 2 : base::display_width(character);
  line_.truncate(start);
  if (!modes_.echo) return;
  for (u32 column = 0; column < width; ++column) output.append("\b \b");
}

}  // namespace user
