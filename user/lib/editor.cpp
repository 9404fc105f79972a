// user/lib/editor.cpp — after each key the screen is made to show the text: what follows the first change is painted anew,
// marks are set where they have moved to, and the cursor goes to its place.
#include "user/lib/editor.h"

#include <algorithm>

#include "base/utf8.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u8 control_key(char letter) { return static_cast<u8>(letter - '@'); }
constexpr u8 kEscape = 0x1B;
constexpr u8 kDelete = 0x7F;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<u8>(c) >= 0x80;
}

/// How many bytes a UTF-8 character has, told by its first one.
u32 utf8_length(u8 first) { return first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 1; }

/// Whether what stands at `at` belongs to the cell before it: the rest of a character, or one that combines.
bool goes_on_at(const base::String& text, u64 at) {
  if (at == text.size()) return false;
  if ((static_cast<u8>(text[at]) & 0xC0) == 0x80) return true;
  const u32 code = base::decode_utf8(text, at).code_point;
  return code >= ' ' && base::display_width(code) == 0;
}

}  // namespace

void Editor::begin(std::string_view prompt, u32 columns, base::String& out) {
  prompt_.assign(prompt);
  text_.clear();
  cursor_ = 0;
  history_at_ = history_.size();
  stash_.clear();
  searching_ = false;
  sequence_.clear();
  last_was_tab_ = false;
  finished_ = false;
  columns_ = std::max(columns, 2u);
  at_ = {};
  painted_ = false;
  take_row(out);
  redraw(out);
}

/// What a program wrote last may not have ended its row, and where it left the cursor only the terminal knows. A mark and
/// blanks that fill one row wrap into the next behind such output, and are painted over where the row was empty.
void Editor::take_row(base::String& out) const {
  out.append("\x1B[7m%\x1B[0m");
  for (u32 i = 1; i < columns_; ++i) out.push(' ');
}

/// Columns of the prompt's last line, escape sequences not counted.
u64 Editor::shown_prompt_width() const {
  std::string_view prompt = prompt_.view();
  const u64 newline = prompt.rfind('\n');
  if (newline != std::string_view::npos) prompt.remove_prefix(newline + 1);
  u64 width = 0;
  for (u64 at = 0; at < prompt.size();) {
    if (prompt[at] == '\x1B') {
      at += 1;
      if (at < prompt.size() && prompt[at] == '[') at += 1;
      while (at < prompt.size() && !(prompt[at] >= '@' && prompt[at] <= '~')) at += 1;
      at += 1;
      continue;
    }
    const base::DecodedCharacter character = base::decode_utf8(prompt, at);
    width += base::display_width(character.code_point);
    at += character.length;
  }
  return width;
}

void Editor::hide(base::String& out) {
  if (at_.row > 0) out.append_format("\x1B[{}A", at_.row);
  out.append("\r\x1B[J");
  at_ = {};
  painted_ = false;
}

void Editor::paint_prompt(base::String& out) {
  hide(out);
  std::string_view prompt = prompt_.view();
  base::String search(prompt_.allocator());
  u64 column = shown_prompt_width();
  if (searching_) {
    search.append_format("(search)`{}': ", pattern_);
    prompt = search;
    column = base::display_width(search.view());
  }
  out.append(prompt);
  if (column > 0 && column % columns_ == 0) out.append("\n\r");  // a terminal waits at the margin: make it wrap now
  aligned_ = std::min<u64>(column, columns_ - 1);
  at_ = {static_cast<u32>(column / columns_), static_cast<u32>(column % columns_)};
  shown_.clear();
  pens_.clear();
  pens_.push_back(at_);
  marked_ = EditorClient::kNoPartner;
  painted_ = true;
}

/// How much of what stands there is the text's beginning, cut where painting can go on: before a character that takes a
/// cell of its own, and not at the margin, where terminals differ.
u64 Editor::unchanged() const {
  const u64 both = std::min(shown_.size(), text_.size());
  u64 same = both;
  if (both != 0 && __builtin_memcmp(shown_.data(), text_.data(), both) != 0) {
    same = 0;
    while (shown_[same] == text_[same]) same += 1;
  }
  if (same == shown_.size() && same == text_.size()) return same;
  while (same > 0 && (goes_on_at(shown_, same) || goes_on_at(text_, same) || pens_[same].column == columns_)) {
    same = base::previous_cursor_stop(text_, same);
  }
  return same;
}

/// Where the character at `index` is written, or the next one would be.
Editor::Pen Editor::place_of(u64 index) const {
  Pen pen = pens_[index];
  if (index < shown_.size() && shown_[index] == '\n') {
    pen.column = std::min(pen.column, columns_ - 1);
    return pen;
  }
  u32 width = 1;
  if (index < shown_.size()) {
    const u32 code = base::decode_utf8(shown_, index).code_point;
    width = code < ' ' ? 2 : base::display_width(code);
  }
  if (pen.column + width > columns_) pen = {pen.row + 1, 0};
  return pen;
}

void Editor::go_to(Pen place, base::String& out) {
  const auto start_of_row = [&] {
    out.push('\r');
    at_.column = 0;
  };
  if (at_.column >= columns_ && (at_.row != place.row || at_.column != place.column)) start_of_row();
  if (place.row < at_.row) out.append_format("\x1B[{}A", at_.row - place.row);
  for (u32 row = at_.row; row < place.row; ++row) out.push('\n');
  if (place.row > at_.row) start_of_row();
  at_.row = place.row;
  if (place.column < at_.column) start_of_row();
  if (place.column > at_.column) out.append_format("\x1B[{}C", place.column - at_.column);
  at_.column = place.column;
}

/// The character of the text at `at`, where the terminal writes.
void Editor::paint_character(u64 at, u64 partner, base::String& out) {
  if (text_[at] == '\n') {
    out.append("\r\n");
    for (u64 i = 0; i < aligned_; ++i) out.push(' ');
    at_ = {at_.row + 1, static_cast<u32>(aligned_)};
    return;
  }
  const base::DecodedCharacter character = base::decode_utf8(text_, at);
  const bool shown_as_caret = character.code_point < 0x20;
  const u32 width = shown_as_caret ? 2 : base::display_width(character.code_point);
  if (at_.column + width > columns_) at_ = {at_.row + 1, 0};
  if (shown_as_caret) {
    out.push('^');
    out.push(static_cast<char>(character.code_point + '@'));
  } else if (at == partner) {
    out.append("\x1B[7m").append(text_.view().substr(at, character.length)).append("\x1B[0m");
  } else {
    out.append(text_.view().substr(at, character.length));
  }
  at_.column += width;
}

void Editor::paint_text(u64 from, u64 partner, base::String& out) {
  go_to(pens_[from], out);
  if (from < shown_.size()) out.append("\x1B[J");
  if (marked_ != EditorClient::kNoPartner && marked_ >= from) marked_ = EditorClient::kNoPartner;
  if (partner != EditorClient::kNoPartner && partner >= from) marked_ = partner;
  shown_.truncate(from);
  shown_.append(text_.view().substr(from));
  pens_.truncate(from + 1);
  for (u64 at = from; at < text_.size();) {
    const u64 end = text_[at] == '\n' ? at + 1 : at + base::decode_utf8(text_, at).length;
    paint_character(at, partner, out);
    for (at += 1; at < end; ++at) pens_.push_back(pens_.back());
    pens_.push_back(at_);
  }
  if (at_.column == columns_) {  // a terminal waits at the margin: make it wrap now
    out.append("\n\r");
    at_ = {at_.row + 1, 0};
  }
}

void Editor::redraw(base::String& out) {
  // While searching the prompt changes with each key.
  if (!painted_ || searching_ || shown_search_) paint_prompt(out);
  shown_search_ = searching_;
  const u64 partner = finished_ || searching_ ? EditorClient::kNoPartner : client_.partner(text_, cursor_);
  const u64 same = unchanged();
  const bool is_changed = same != shown_.size() || same != text_.size();
  if (is_changed && same == 0 && (goes_on_at(shown_, 0) || goes_on_at(text_, 0)))
    paint_prompt(out);  // it is in the prompt's last cell
  if (is_changed) paint_text(same, partner, out);
  if (marked_ != partner) {
    for (const u64 bracket : {marked_, partner}) {
      if (bracket == EditorClient::kNoPartner) continue;
      go_to(place_of(bracket), out);
      paint_character(bracket, partner, out);
      // What combines with it lies in the same cell.
      const u64 end = base::next_cursor_stop(text_, bracket);
      for (u64 at = bracket + 1; at < end; at += base::decode_utf8(text_, at).length) paint_character(at, partner, out);
    }
    marked_ = partner;
  }
  go_to(place_of(cursor_), out);
}

void Editor::insert(std::string_view text, base::String& out) {
  text_.insert(cursor_, text);
  cursor_ += text.size();
  redraw(out);
}

void Editor::erase(u64 start, u64 end, bool keep, base::String& out) {
  if (start == end) return;
  if (keep) kept_.assign(text_.view().substr(start, end - start));
  text_.erase(start, end - start);
  cursor_ = start;
  redraw(out);
}

void Editor::move_to(u64 place, base::String& out) {
  cursor_ = place;
  redraw(out);
}

void Editor::replace(std::string_view text, base::String& out) {
  base::String copy(text_.allocator(), text);
  text_ = std::move(copy);
  cursor_ = text_.size();
  redraw(out);
}

u64 Editor::word_left(u64 from) const {
  while (from > 0 && !is_word(text_[from - 1])) from -= 1;
  while (from > 0 && is_word(text_[from - 1])) from -= 1;
  return from;
}

u64 Editor::word_right(u64 from) const {
  while (from < text_.size() && !is_word(text_[from])) from += 1;
  while (from < text_.size() && is_word(text_[from])) from += 1;
  return from;
}

u64 Editor::line_start(u64 from) const {
  while (from > 0 && text_[from - 1] != '\n') from -= 1;
  return from;
}

u64 Editor::line_end(u64 from) const {
  while (from < text_.size() && text_[from] != '\n') from += 1;
  return from;
}

/// To the line above or below, as far from its start; beyond the first and the last one through the history.
void Editor::step(bool up, base::String& out) {
  const u64 start = line_start(cursor_);
  const u64 end = line_end(cursor_);
  if (up ? start == 0 : end == text_.size()) return history_step(up, out);
  u64 stops = 0;  // between the start of the line and the cursor
  for (u64 at = start; at < cursor_; at = base::next_cursor_stop(text_, at)) stops += 1;
  u64 at = up ? line_start(start - 1) : end + 1;
  const u64 last = line_end(at);
  for (; stops > 0 && at < last; --stops) at = base::next_cursor_stop(text_, at);
  move_to(std::min(at, last), out);
}

void Editor::new_line(base::String& out) {
  base::String line(text_.allocator(), "\n");
  for (u64 blanks = client_.indentation(text_.view().substr(0, cursor_)); blanks > 0; --blanks) line.push(' ');
  insert(line, out);
}

void Editor::history_step(bool older, base::String& out) {
  if (older ? history_at_ == 0 : history_at_ == history_.size()) {
    out.push('\a');
    return;
  }
  if (history_at_ == history_.size()) stash_.assign(text_.view());
  history_at_ = older ? history_at_ - 1 : history_at_ + 1;
  replace(history_at_ == history_.size() ? stash_.view() : history_[history_at_].view(), out);
}

void Editor::search_step(bool again, base::String& out) {
  u64 at = again && found_at_ > 0 ? found_at_ : history_.size();
  if (!again) at = std::min<u64>(found_at_ + 1, history_.size());
  while (at > 0) {
    at -= 1;
    const u64 place = history_[at].view().find(pattern_.view());
    if (place == std::string_view::npos) continue;
    found_at_ = at;
    text_.assign(history_[at].view());
    cursor_ = place;
    return redraw(out);
  }
  out.push('\a');
  redraw(out);
}

/// A key while searching: true when it was the search's; else the search is over and the key counts as usual.
bool Editor::search_key(u8 byte, base::String& out) {
  if (byte == control_key('R')) {
    search_step(true, out);
    return true;
  }
  if (byte == control_key('H') || byte == kDelete) {
    if (!pattern_.empty()) pattern_.truncate(base::previous_cursor_stop(pattern_, pattern_.size()));
    redraw(out);
    return true;
  }
  if (byte >= ' ') {
    pattern_.push(static_cast<char>(byte));
    search_step(false, out);
    return true;
  }
  searching_ = false;
  redraw(out);
  return byte == control_key('G');
}

void Editor::complete(base::String& out) {
  Completion completion = client_.complete(text_.view().substr(0, cursor_));
  if (completion.matches.empty()) {
    out.push('\a');
    return;
  }
  std::string_view common = completion.matches[0].view();
  for (const base::String& match : completion.matches) {
    u64 same = 0;
    while (same < common.size() && same < match.size() && common[same] == match[same]) same += 1;
    common = common.substr(0, same);
  }
  const std::string_view typed = text_.view().substr(completion.start, cursor_ - completion.start);
  const bool single = completion.matches.size() == 1;
  base::String added(text_.allocator(), common);
  if (single && !common.ends_with("/")) added.append(completion.tail);
  if (added.view() != typed) {
    text_.erase(completion.start, cursor_ - completion.start);
    cursor_ = completion.start;
    text_.insert(cursor_, added);
    cursor_ += added.size();
    redraw(out);
    return;
  }
  if (!last_was_tab_) {
    out.push('\a');
    return;
  }
  move_to(text_.size(), out);
  out.append("\r\n");
  for (u64 i = 0; i < completion.matches.size(); ++i) {
    out.append(completion.matches[i].view());
    if (i < completion.notes.size()) {
      out.append("  ").append(completion.notes[i].view()).append("\r\n");
    } else {
      out.append("  ");
    }
  }
  if (completion.notes.empty()) out.append("\r\n");
  at_ = {};
  painted_ = false;
  redraw(out);
}

void Editor::finish_line(base::String& out) {
  searching_ = false;
  finished_ = true;
  cursor_ = text_.size();
  redraw(out);
  out.append("\r\n");
}

Editor::Outcome Editor::control(u8 byte, base::String& out) {
  switch (byte) {
    case control_key('A'): move_to(line_start(cursor_), out); break;
    case control_key('E'): move_to(line_end(cursor_), out); break;
    case control_key('B'): move_to(base::previous_cursor_stop(text_, cursor_), out); break;
    case control_key('F'): move_to(base::next_cursor_stop(text_, cursor_), out); break;
    case control_key('P'): step(true, out); break;
    case control_key('N'): step(false, out); break;
    case control_key('H'):
    case kDelete: erase(base::previous_cursor_stop(text_, cursor_), cursor_, false, out); break;
    case control_key('W'): {
      u64 start = cursor_;
      while (start > 0 && text_[start - 1] == ' ') start -= 1;
      while (start > 0 && text_[start - 1] != ' ') start -= 1;
      erase(start, cursor_, true, out);
      break;
    }
    case control_key('U'): erase(line_start(cursor_), cursor_, true, out); break;
    case control_key('K'): {
      const u64 end = line_end(cursor_);
      erase(cursor_, end == cursor_ && end < text_.size() ? end + 1 : end, true, out);
      break;
    }
    case control_key('Y'): insert(kept_, out); break;
    case control_key('T'):
      if (cursor_ > 0 && text_.size() > 1) {
        const u64 right = cursor_ == text_.size() ? base::previous_cursor_stop(text_, cursor_) : cursor_;
        const u64 left = base::previous_cursor_stop(text_, right);
        const u64 end = base::next_cursor_stop(text_, right);
        if (left < right) {
          std::rotate(text_.begin() + left, text_.begin() + right, text_.begin() + end);
          cursor_ = end;
        }
        redraw(out);
      }
      break;
    case control_key('L'):
      out.append("\x1B[H\x1B[J");
      at_ = {};
      painted_ = false;
      redraw(out);
      break;
    case control_key('R'):
      searching_ = true;
      pattern_.clear();
      found_at_ = history_.size();
      redraw(out);
      break;
    case '\t': complete(out); break;
    case control_key('C'):
      finish_line(out);
      text_.clear();
      return Outcome::Interrupted;
    case control_key('D'):
      if (text_.empty()) {
        out.append("\r\n");
        return Outcome::End;
      }
      erase(cursor_, base::next_cursor_stop(text_, cursor_), false, out);
      break;
    case '\r':
    case '\n':
      if (client_.is_complete(text_)) {
        finish_line(out);
        return Outcome::Line;
      }
      // In the middle of what is not complete a line is broken where the cursor is, else one is added.
      new_line(out);
      break;
    default: break;  // other control keys mean nothing here
  }
  last_was_tab_ = byte == '\t';
  return Outcome::More;
}

void Editor::escape_sequence(std::string_view sequence, base::String& out) {
  if (sequence == "[A" || sequence == "OA") return step(true, out);
  if (sequence == "[B" || sequence == "OB") return step(false, out);
  if (sequence == "[C" || sequence == "OC") return move_to(base::next_cursor_stop(text_, cursor_), out);
  if (sequence == "[D" || sequence == "OD") return move_to(base::previous_cursor_stop(text_, cursor_), out);
  if (sequence == "[H" || sequence == "OH" || sequence == "[1~" || sequence == "[7~")
    return move_to(line_start(cursor_), out);
  if (sequence == "[F" || sequence == "OF" || sequence == "[4~" || sequence == "[8~")
    return move_to(line_end(cursor_), out);
  if (sequence == "[3~") return erase(cursor_, base::next_cursor_stop(text_, cursor_), false, out);
  if (sequence == "\r" || sequence == "\n") return new_line(out);
  if (sequence == "b" || sequence == "[1;5D") return move_to(word_left(cursor_), out);
  if (sequence == "f" || sequence == "[1;5C") return move_to(word_right(cursor_), out);
  if (sequence == "d") return erase(cursor_, word_right(cursor_), true, out);
}

Editor::Outcome Editor::byte(u8 byte, base::String& out) {
  constexpr u64 kSequenceMax = 16;
  if (!sequence_.empty() && sequence_[0] == static_cast<char>(kEscape)) {
    sequence_.push(static_cast<char>(byte));
    const std::string_view body = sequence_.view().substr(1);
    const bool introduced = body[0] == '[' || body[0] == 'O';
    const bool complete = introduced ? body.size() > 1 && byte >= '@' && byte <= '~' : true;
    if (complete) {
      const base::String whole = sequence_.clone();
      sequence_.clear();
      escape_sequence(whole.view().substr(1), out);
    } else if (sequence_.size() > kSequenceMax) {
      sequence_.clear();
    }
    last_was_tab_ = false;
    return Outcome::More;
  }
  if (!sequence_.empty()) {  // a UTF-8 character under way
    if ((byte & 0xC0) == 0x80) {
      sequence_.push(static_cast<char>(byte));
      if (sequence_.size() < utf8_length(static_cast<u8>(sequence_[0]))) return Outcome::More;
      const base::String whole = sequence_.clone();
      sequence_.clear();
      if (searching_) {
        pattern_.append(whole);
        search_step(false, out);
      } else {
        insert(whole, out);
      }
      return Outcome::More;
    }
    sequence_.clear();  // cut short: what was there is dropped, this byte counts
  }
  if (byte == kEscape) {
    if (searching_) search_key(byte, out);
    sequence_.push(static_cast<char>(byte));
    return Outcome::More;
  }
  if (byte >= 0xC2 && utf8_length(byte) > 1) {
    sequence_.push(static_cast<char>(byte));
    return Outcome::More;
  }
  if (searching_ && search_key(byte, out)) return Outcome::More;
  if (byte < ' ' || byte == kDelete) return control(byte, out);
  if (byte < 0x80) insert({reinterpret_cast<const char*>(&byte), 1}, out);
  last_was_tab_ = false;
  return Outcome::More;
}

}  // namespace user
