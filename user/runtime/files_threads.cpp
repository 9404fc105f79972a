// user/runtime/files_threads.cpp — open files between the threads of a process. The descriptors of the process are the first thread's;
// another thread takes a copy of the capability for one request, so that both may wait at the same file.
#include "user/runtime/files.h"

#include "base/enforce.h"

namespace user {

using schema::file::File;

FileTable& FileTable::process_table() { return state_.first == nullptr ? *this : files_of(*state_.first); }

Result<void> FileTable::borrow(Fd fd) {
  FileTable& first = process_table();
  TRY(first.in_use(fd));
  const u32 slot = slot_of_descriptor(fd);
  const sys::Answer copied = sys::invoke(kSlotCNode, sys::Invoke::CNodeCopy,
                                         {slot, kSlotDepth, slot, kCNodeRadix, kernel::kRightsAll}, {kSlotFirst});
  if (!copied.ok()) return fs::fail(ErrorCode::BadFileDescriptor);  // closed meanwhile
  descriptors_[fd] = first.descriptors_[fd];
  descriptors_[fd].in_use = true;
  descriptors_[fd].signals = false;
  return {};
}

void FileTable::give_back(Fd fd) {
  const u32 slot = slot_of_descriptor(fd);
  Descriptor& mine = descriptors_[fd];
  Descriptor& open = process_table().descriptors_[fd];
  if (open.in_use && open.id == mine.id && open.token == mine.token) {
    open.position = mine.position;
    open.change = mine.change;
    open.lost = open.lost || mine.lost;
    if (open.reopened != mine.reopened) {  // its server was restarted: the capability that is good is here
      open.reopened = mine.reopened;
      sys::invoke(kSlotFirst, sys::Invoke::CNodeDelete, {slot, kCNodeRadix});
      sys::invoke(kSlotFirst, sys::Invoke::CNodeCopy, {slot, kCNodeRadix, slot, kSlotDepth, kernel::kRightsAll},
                  {kSlotCNode});
    }
  }
  Names::remove_slot(slot);
  mine = {};
}

Result<void> FileTable::close_borrowed(Fd fd) {
  sys::buffer().reserved[kSharedClosing] = slot_of_descriptor(fd);
  const Result<void> closed = close(fd);
  sys::invoke(kSlotFirst, sys::Invoke::CNodeDelete, {slot_of_descriptor(fd), kCNodeRadix});
  sys::buffer().reserved[kSharedClosing] = 0;
  process_table().descriptors_[fd] = {};
  return closed;
}

Result<Fd> FileTable::hand_over(Fd fd) {
  FileTable& first = process_table();
  // From above: the first thread, which may be opening something now, takes the lowest.
  Fd target = first.end_of_table();
  while (target > 0 && first.descriptors_[target - 1].in_use) target -= 1;
  if (target > 0) {
    target -= 1;
    first.descriptors_[target] = descriptors_[fd];
    const sys::Answer moved =
        sys::invoke(kSlotFirst, sys::Invoke::CNodeMove,
                    {slot_of_descriptor(target), kCNodeRadix, slot_of_descriptor(fd), kSlotDepth}, {kSlotCNode});
    if (moved.ok()) {
      descriptors_[fd] = {};
      return target;
    }
    first.descriptors_[target] = {};
  }
  static_cast<void>(close(fd));  // the error that is told is the table's
  return fs::fail(ErrorCode::TooManyOpenFiles);
}

void FileTable::flush(Fd fd) {
  if (!in_use(fd).ok()) return;
  // A server that has ended has answered everybody.
  static_cast<void>(call<File::Flush>(slot_of_descriptor(fd), {.tag = tag()}));
}

}  // namespace user
