// user/runtime/notes.h — notes by name and number, and what each does to a process that has not asked otherwise.
// Numbers are POSIX signal numbers.
#pragma once
#include "base/types.h"

namespace user {

constexpr u32 kNoteHangup = 1;
constexpr u32 kNoteInterrupt = 2;
constexpr u32 kNoteKill = 9;
constexpr u32 kNotePipe = 13;
constexpr u32 kNoteTerminate = 15;
constexpr u32 kNoteChild = 17;
constexpr u32 kNoteContinue = 18;
constexpr u32 kNoteStop = 19;
constexpr u32 kNotesMax = 64;
constexpr u32 kNoteBytesMax = 127;

enum class NoteDefault : u8 { Exit, Stop, Continue, Ignore };
/// What note `number` does unless the process handles or ignores it.
NoteDefault default_of_note(u32 number);

}  // namespace user
