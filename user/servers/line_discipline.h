// user/servers/line_discipline.h — between the keys of a console and what its readers get: line editing, echo, the keys
// that post notes, end of file. Pure: bytes in, bytes and notes out.
// Bounds      a line has at most kLineBytesMax bytes before its end; kReadyBytesMax delivered bytes wait for a reader.
// Invariants  L1 ready_ holds only delivered bytes.  L2 marks_ are ascending ends of deliveries inside ready_; two
//             equal ones are an empty delivery: end of file, once.
// Tested by   tests/user/line_discipline_test.cpp
#pragma once
#include "base/string.h"
#include "base/types.h"
#include "base/vector.h"

namespace user {

constexpr u32 kLineBytesMax = 4095;
constexpr u32 kReadyBytesMax = 16 << 10;

/// What the source of the bytes is. A pipe or script has no editing, no echo and no keys with a meaning: its bytes
/// arrive as they are, a line a read, and end once.
enum class ConsoleSource : u8 { Terminal, Pipe };

class LineDiscipline {
 public:
  struct Modes {
    bool raw = false;
    bool echo = true;
    bool signals = true;  // the keys that post notes
  };

  LineDiscipline(base::Allocator& heap, ConsoleSource source);

  /// Takes input as it comes. Echo is appended to `output`, the POSIX numbers of notes the keys ask for to `notes`.
  /// Returns how many bytes were taken; fewer than given means that the readers are kReadyBytesMax behind: offer the
  /// rest again after a read.
  std::size_t input(base::Bytes bytes, base::String& output, base::Vector<u32>& notes);
  /// The input ended for good (a hang-up, or the end of a script): after what is ready, every read gives 0 bytes.
  void input_ended();

  bool can_read() const { return ready_start_ < ready_.size() || !marks_.empty() || ended_; }
  /// What a reader gets: one line at most in cooked mode and from pipes, all there is in raw mode; 0 at end of file.
  std::size_t read(base::MutableBytes out);

  /// Puts text into the input as if it had been typed and delivered (the answer to `size`).
  void inject(std::string_view text);

  const Modes& modes() const { return modes_; }
  /// Entering raw mode delivers a half-typed line as it is.
  void set_raw(bool raw);
  void set_echo(bool echo) { modes_.echo = echo; }
  void set_signals(bool on) { modes_.signals = on; }
  ConsoleSource source() const { return source_; }
  /// Ctrl-S holds output until Ctrl-Q, in cooked mode.
  bool output_held() const { return held_; }

 private:
  void cooked_byte(u8 byte, base::String& output, base::Vector<u32>& notes);
  bool posts_note(u8 byte, base::String& output, base::Vector<u32>& notes);
  void erase_character(base::String& output);
  void add_to_line(u8 byte, base::String& output);
  void deliver(std::string_view text);

  ConsoleSource source_;
  Modes modes_;
  base::String line_;        // being edited
  base::String ready_;       // delivered, not yet read from ready_start_ on
  base::Vector<u64> marks_;  // ends of deliveries in ready_; a cooked read does not cross one
  u64 ready_start_ = 0;
  bool ended_ = false;
  bool literal_next_ = false;  // Ctrl-V
  bool held_ = false;
};

}  // namespace user
