// user/root/notes.cpp — posting: what a note does to its target, here and now or at its next system call's end.
#include "base/planted.h"
#include "user/root/manager.h"

#include "user/runtime/notes.h"

#include "base/enforce.h"

namespace user::root {
namespace {

constexpr u32 kUnnamedNoteCode = 128;  // the exit code of a process ended by a note without a number

}  // namespace

void Manager::post(ProcessRecord& record, std::string_view note) {
  const u32 number = note_number(note);
  if (number != 0) return post_number(record, number);
  terminate(record, kUnnamedNoteCode, 0, {}, false);
}

void Manager::post_number(ProcessRecord& record, u32 number) {
  ASSERT(number > 0 && number < kNotesMax);
  if (record.state == ProcessState::Ending || record.state == ProcessState::Zombie) return;
  if (number == kNoteKill) return terminate(record, 128 + kNoteKill, kNoteKill, {}, false);
  if (number == kNoteStop) return stop(record, kNoteStop);
  if (number == kNoteContinue) resume(record);
  const u64 bit = u64{1} << number;
  if ((record.handled_notes & bit) != 0) {
    if (PLANTED("root.note-replaced")) buffer_of(record).reserved[kSharedPending] = 0;
    buffer_of(record).reserved[kSharedPending] |= bit;
    return interrupt(record);
  }
  if ((record.ignored_notes & bit) != 0) return;
  switch (default_of_note(number)) {
    case NoteDefault::Exit: return terminate(record, 128 + number, number, {}, false);
    case NoteDefault::Stop: return stop(record, number);
    case NoteDefault::Continue:
    case NoteDefault::Ignore: return;
  }
}

Result<void> Manager::post_group(u32 id, std::string_view note) {
  Group* group = groups_.find(id);
  bool any_lives = false;
  if (group != nullptr) {
    for (const ProcessRecord& member : group->members) {
      any_lives = any_lives || (member.state != ProcessState::Ending && member.state != ProcessState::Zombie);
    }
  }
  if (!any_lives) return fs::fail(ErrorCode::NoSuchProcess);
  // The list changes while members end; pids only grow, so that each is met once.
  u32 next_pid = 0;
  for (;;) {
    ProcessRecord* next = nullptr;
    group = groups_.find(id);
    if (group == nullptr) return {};
    for (ProcessRecord& member : group->members) {
      if (member.pid >= next_pid && (next == nullptr || member.pid < next->pid)) next = &member;
    }
    if (next == nullptr) return {};
    next_pid = next->pid + 1;
    post(*next, note);
  }
}

/// Makes the server answer the request the process waits for on a File, if there is one.
void Manager::flush_request(ProcessRecord& record) {
  flush_request(record, static_cast<u32>(buffer_of(record).user_data));
}

void Manager::flush_request(ProcessRecord& record, u32 slot) {
  if (slot < kSlotDescriptors || slot >= kSlotDescriptorsEnd) return;
  enqueue({.kind = schema::process::JobKind::Flush,
           .pid = record.pid,
           .index = record.index,
           .slot = static_cast<u16>(slot),
           .tag = record.pid});
}

void Manager::interrupt(ProcessRecord& record) {
  const bool waits = !record.waits.empty();
  while (!record.waits.empty()) complete(record.waits.take_back().reply, failure(ErrorCode::Interrupted));
  if (waits && record.objects.threads.empty()) return;
  flush_request(record);
  wake(record);
}

/// Ends a wait on the process's notification; whoever waits there looks why.
void Manager::wake(ProcessRecord& record) { signal(record, kSignalNote); }

void Manager::signal(ProcessRecord& record, u64 badge) {
  const u32 signal = slots_.take();
  if (signal == 0) return;  // the note stays pending: it is met at the next system call
  MUST_OK(mint(own(signal), own(record.objects.slots + kObjectNotification), kernel::kRightWrite, badge));
  sys::signal(signal);
  remove(own(signal));
  slots_.give(signal);
}

}  // namespace user::root
