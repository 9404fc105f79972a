// user/runtime/notes.cpp — see notes.h.
#include "user/runtime/notes.h"

#include "base/parse.h"
#include "user/runtime/process.h"

#include "base/enforce.h"

namespace user {
namespace {

struct Note {
  u32 number;
  std::string_view name;   // Plan 9's word, as it is posted
  std::string_view posix;  // without SIG
  NoteDefault action;
};
constexpr Note kNotes[] = {
    {1, "hangup", "HUP", NoteDefault::Exit},
    {2, "interrupt", "INT", NoteDefault::Exit},
    {3, "quit", "QUIT", NoteDefault::Exit},
    {4, "illegal", "ILL", NoteDefault::Exit},
    {5, "trap", "TRAP", NoteDefault::Exit},
    {6, "abort", "ABRT", NoteDefault::Exit},
    {7, "bus", "BUS", NoteDefault::Exit},
    {8, "arithmetic", "FPE", NoteDefault::Exit},
    {9, "kill", "KILL", NoteDefault::Exit},
    {10, "user1", "USR1", NoteDefault::Exit},
    {11, "memory", "SEGV", NoteDefault::Exit},
    {12, "user2", "USR2", NoteDefault::Exit},
    {13, "pipe", "PIPE", NoteDefault::Exit},
    {14, "alarm", "ALRM", NoteDefault::Exit},
    {15, "terminate", "TERM", NoteDefault::Exit},
    {17, "child", "CHLD", NoteDefault::Ignore},
    {18, "continue", "CONT", NoteDefault::Continue},
    {19, "stop", "STOP", NoteDefault::Stop},
    {20, "suspend", "TSTP", NoteDefault::Stop},
    {21, "ttyin", "TTIN", NoteDefault::Stop},
    {22, "ttyout", "TTOU", NoteDefault::Stop},
    {28, "resize", "WINCH", NoteDefault::Ignore},
};

bool same_letters(std::string_view text, std::string_view upper) {
  if (text.size() != upper.size()) return false;
  for (u64 i = 0; i < text.size(); ++i) {
    const char letter = text[i] >= 'a' && text[i] <= 'z' ? static_cast<char>(text[i] - 32) : text[i];
    if (letter != upper[i]) return false;
  }
  return true;
}

}  // namespace

NoteDefault default_of_note(u32 number) {
  for (const Note& note : kNotes) {
    if (note.number == number) return note.action;
  }
  return NoteDefault::Exit;
}

std::string_view note_name(u32 number) {
  for (const Note& note : kNotes) {
    if (note.number == number) return note.name;
  }
  return {};
}

u32 note_number(std::string_view text) {
  const auto number = base::parse_u64(text);
  if (number.ok()) return note_name(static_cast<u32>(number.value())).empty() ? 0 : static_cast<u32>(number.value());
  const std::string_view posix = text.size() > 3 && same_letters(text.substr(0, 3), "SIG") ? text.substr(3) : text;
  for (const Note& note : kNotes) {
    if (text == note.name || same_letters(posix, note.posix)) return note.number;
  }
  return 0;
}

}  // namespace user
