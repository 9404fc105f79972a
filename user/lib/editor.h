// user/lib/editor.h — editing on a console in raw mode: emacs keys, several lines, history, search, completion, matching
// brackets. Pure: bytes in, terminal output and an outcome out. The shell and the prompt of Lonala use it.
// Tested by   tests/user/editor_test.cpp
#pragma once
#include "base/string.h"
#include "base/vector.h"

namespace user {

/// What completion offers for the text before the cursor.
struct Completion {
  u64 start = 0;                       // where the word that is completed begins
  base::Vector<base::String> matches;  // whole words, sorted; a directory's ends in '/'
  std::string_view tail = " ";         // goes behind the one match, unless that ends in '/'
  base::Vector<base::String> notes;    // none, or one a match: shown behind it where the matches are listed
  explicit Completion(base::Allocator& heap) : matches(heap), notes(heap) {}
};

/// What the editor does not know: the language of the text.
class EditorClient {
 public:
  virtual Completion complete(std::string_view before_cursor) = 0;
  /// Whether Enter ends the input; else it begins another line.
  virtual bool is_complete(std::string_view) { return true; }
  /// How many blanks a line that begins behind this text starts with.
  virtual u64 indentation(std::string_view) { return 0; }
  /// Where the bracket lies that belongs to the one before the cursor; kNoPartner: there is none.
  virtual u64 partner(std::string_view, u64) { return kNoPartner; }
  static constexpr u64 kNoPartner = ~u64{0};

 protected:
  ~EditorClient() = default;
};

class Editor {
 public:
  enum class Outcome : u8 { More, Line, Interrupted, End };

  Editor(base::Allocator& heap, const base::Vector<base::String>& history, EditorClient& client)
      : history_(history),
        client_(client),
        prompt_(heap),
        text_(heap),
        kept_(heap),
        stash_(heap),
        pattern_(heap),
        sequence_(heap),
        shown_(heap),
        pens_(heap) {}

  /// A new line: draws the prompt, in a row of its own. `columns` ≥ 2 is the terminal's width.
  void begin(std::string_view prompt, u32 columns, base::String& out);
  /// One byte from the terminal.
  Outcome byte(u8 byte, base::String& out);
  std::string_view text() const { return text_; }
  /// Takes the prompt and the text off the screen, for other output, and puts them there again.
  void hide(base::String& out);
  void show(base::String& out) { redraw(out); }

 private:
  Outcome control(u8 byte, base::String& out);
  void escape_sequence(std::string_view sequence, base::String& out);
  void insert(std::string_view text, base::String& out);
  void erase(u64 start, u64 end, bool keep, base::String& out);
  void move_to(u64 place, base::String& out);
  void replace(std::string_view text, base::String& out);
  void history_step(bool older, base::String& out);
  void step(bool up, base::String& out);
  void new_line(base::String& out);
  void complete(base::String& out);
  void search_step(bool again, base::String& out);
  bool search_key(u8 byte, base::String& out);
  /// Where the terminal writes next, counted from the prompt's first row. At the margin `column` is the terminal's width: what
  /// comes next is written in the next row.
  struct Pen {
    u32 row = 0;
    u32 column = 0;
  };
  void take_row(base::String& out) const;
  void redraw(base::String& out);
  void paint_prompt(base::String& out);
  void paint_text(u64 from, u64 partner, base::String& out);
  void paint_character(u64 at, u64 partner, base::String& out);
  u64 unchanged() const;
  Pen place_of(u64 index) const;
  void go_to(Pen place, base::String& out);
  void finish_line(base::String& out);
  u64 word_left(u64 from) const;
  u64 word_right(u64 from) const;
  u64 line_start(u64 from) const;
  u64 line_end(u64 from) const;
  u64 shown_prompt_width() const;

  const base::Vector<base::String>& history_;
  EditorClient& client_;
  base::String prompt_;
  base::String text_;
  u64 cursor_ = 0;
  base::String kept_;   // what Ctrl-K, -U, -W took, for Ctrl-Y
  u64 history_at_ = 0;  // = size: the new line
  base::String stash_;  // the new line while history is shown
  bool searching_ = false;
  base::String pattern_;
  u64 found_at_ = 0;
  base::String sequence_;  // of an escape sequence or a UTF-8 character, so far
  bool last_was_tab_ = false;
  bool finished_ = false;  // no bracket is marked any more
  u32 columns_ = 80;
  // What stands on the screen.
  bool painted_ = false;       // the prompt, and the text behind it:
  bool shown_search_ = false;  // the prompt is the search's
  base::String shown_;
  base::Vector<Pen> pens_;                 // before each byte of it, and behind the last
  u64 marked_ = EditorClient::kNoPartner;  // the bracket that is marked
  u64 aligned_ = 0;                        // the column in which further lines begin
  Pen at_;                                 // of the terminal
};

}  // namespace user
