// kernel-model/sys.h — system calls of a native thread, one inline function each. Words are in `mr` and the IPC buffer.
#pragma once
#include "kernel-model/abi.h"
#include "kernel-model/machine.h"

namespace sys {

using kernel::Invoke;
using kernel::MessageInfo;
using kernel::Syscall;

/// What a completed call left: the sender's badge (0 for replies) and the message info.
struct Received {
  u64 badge = 0;
  MessageInfo info;
};

inline kernel::UserFrame& frame() { return *machine::self().frame; }
inline kernel::IpcBuffer& buffer() { return *machine::self().buffer; }

inline Received enter(Syscall call, u64 cap, MessageInfo info, u64 reply = 0, u64 dest = 0) {
  kernel::UserFrame& f = frame();
  f.call = static_cast<i32>(call);
  f.phase = 0;
  f.cap = cap;
  f.info = info.word();
  f.reply = reply;
  f.dest = dest;
  machine::trap();
  return {f.cap, MessageInfo{f.info}};
}

inline Received call(u64 cap, MessageInfo info) { return enter(Syscall::Call, cap, info); }
inline void send(u64 cap, MessageInfo info) { enter(Syscall::Send, cap, info); }
inline void nb_send(u64 cap, MessageInfo info) { enter(Syscall::NBSend, cap, info); }
inline Received recv(u64 cap, u64 reply) { return enter(Syscall::Recv, cap, MessageInfo{}, reply); }
inline Received nb_recv(u64 cap, u64 reply) { return enter(Syscall::NBRecv, cap, MessageInfo{}, reply); }
inline Received reply_recv(u64 cap, u64 reply, MessageInfo info) { return enter(Syscall::ReplyRecv, cap, info, reply); }
inline Received wait(u64 notification) { return enter(Syscall::Wait, notification, MessageInfo{}); }
inline Received poll(u64 notification) { return enter(Syscall::Poll, notification, MessageInfo{}); }
inline void signal(u64 notification) { enter(Syscall::Signal, notification, MessageInfo{}); }
inline void yield() { enter(Syscall::Yield, 0, MessageInfo{}); }

/// The result of an invocation: label None on success.
struct Answer {
  kernel::ResultLabel label = kernel::ResultLabel::None;
  MessageInfo info;
  bool ok() const { return label == kernel::ResultLabel::None; }
};

/// Invokes `cap` with `words` and `caps` (slots looked up in the caller's cspace). Words beyond four go to the buffer.
inline Answer invoke(u64 cap, Invoke label, std::initializer_list<u64> words, std::initializer_list<u64> caps = {}) {
  kernel::UserFrame& f = frame();
  u32 count = 0;
  for (const u64 word : words) {
    if (count < kernel::kMessageRegisters) {
      f.mr[count] = word;
    } else {
      buffer().msg[count] = word;
    }
    count += 1;
  }
  u32 cap_count = 0;
  for (const u64 extra : caps) {
    buffer().caps_or_badges[cap_count] = extra;
    cap_count += 1;
  }
  const Received received = call(cap, MessageInfo::make(static_cast<u64>(label), count, cap_count));
  return {static_cast<kernel::ResultLabel>(received.info.label()), received.info};
}

/// Names the slot that takes the next incoming capability (root CNode cptr, index, depth).
inline void set_receive_slot(u64 root, u64 index, u64 depth) {
  buffer().receive_root = root;
  buffer().receive_index = index;
  buffer().receive_depth = depth;
}

}  // namespace sys
