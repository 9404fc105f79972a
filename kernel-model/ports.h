// kernel-model/ports.h — port calls: how a native driver talks to a device whose window it has mapped. A mapped device
// frame is the authority: the call names an address inside it. A port call is a trap of zero cost, answered by the
// machine; words in `mr`, bytes in the IPC buffer from `msg[0]`. An address that maps no device, or an operation the
// device does not know, completes with label InvalidCapability or IllegalOperation and the kernel bit set.
#pragma once
#include "kernel-model/sys.h"

namespace port {

/// Longest run of bytes one call moves: the whole message area of the IPC buffer.
constexpr u64 kBytesMax = kernel::kMessageWordsMax * 8;

/// Console: one channel per line of the machine. Input raises the line's interrupt while bytes or a hang-up wait.
enum class Console : u64 {
  Write = 1,  // mr0 = bytes in msg; all are taken
  Read = 2,   // mr0 = most bytes wanted → mr0 = bytes in msg, mr1 = 1 when the input has ended for good
  Size = 3,   // → mr0 columns, mr1 rows (0, 0: not a terminal)
  Kind = 4,   // → mr0: 0 absent, 1 terminal, 2 pipe or script (no echo, no prompt, no banner)
  Hide = 5,   // mr0 = 1 while what is typed is not shown, as a password: a recording of it is marked secret
};
enum class Timer : u64 {
  Now = 1,  // → mr0 uptime ns (node-monotonic), mr1 wall ns since 1970
  Arm = 2,  // mr0 = uptime ns at which the line is raised, once; replaces the last
  Cancel = 3,
  SetWall = 4,  // mr0 = wall ns
};
enum class World : u64 {
  Emit = 1,   // mr0 = kind | flags << 16, mr1–mr3 = a, b, c; lanes 10, 11 and 14 only
  Text = 2,   // → mr0 = bytes in msg: the lines of /dev/world
  Stats = 3,  // mr0 = core → mr0.. in msg words: switches, interrupts, syscalls, idle ns, ipis, steals, busy ns
  /// A program that a plan drives: mr0 = its client id, mr1 = bytes of its last order's result in msg → mr0 = bytes of the
  /// next order in msg, mr1 = 1 when there are no more orders.
  Puppet = 4,
  Report = 5,   // mr0 = number of a property | base::CheckSays << 32, mr1 = value; base/check.h
  Declare = 6,  // a property of a program: mr0 = base::CheckForm, mr1 = bytes of its name in msg → mr0 = its number
};
/// Network: one end of a link. A frame begins with the address it is for, its sender's (6 bytes each) and 2 bytes of type,
/// as IEEE 802.3 has it; it raises the interrupt of every end it reaches while it waits there.
enum class Network : u64 {
  Send = 1,     // mr0 = bytes in msg; RangeError beyond header and MTU, or below a header. Taking it promises nothing
  Receive = 2,  // → mr0 = bytes in msg, mr1 = frames still waiting; 0 bytes: none waits
  Info =
      3,  // → mr0 = own address, mr1 = MTU | 1 << 32 when the link is up, mr2 = bits/s, mr3 = bytes of its name in msg
};
constexpr u64 kNetworkHeaderBytes = 14;
/// Block: one disk of a node. A request names an address in the node's memory, as a driver's frames have it for devices. A call
/// that is malformed is refused at once and changes nothing; whatever else is wrong with a request is the status of its
/// completion. What is written is taken at Submit; what is read lies in memory when it is complete. The interrupt holds while
/// a completion waits. The contract: docs/disks.md.
enum class Block : u64 {
  /// mr0 = BlockOp | flags << 8 | tag << 32, mr1 = sector, mr2 = sectors, mr3 = address in the node's memory (Read and Write).
  /// RangeError: no such operation or flag, no memory there, more than kTransferBytesMax; NotEnoughMemory: the queue is full, until a completion is taken.
  Submit = 1,
  Complete = 2,  // → mr0 = tag | status << 32, mr1 = sectors done, mr2 = completions still waiting; 0 words: none waits
  /// → mr0 = sectors, mr1 = sector bytes | atomic bytes << 32, mr2 = cache (0 none, 1 ordered, 2 volatile) | flags << 8 |
  /// queue depth << 32, mr3 = bytes of its name in msg; flags: 1 read only, 2 present. Behind the name, from the next multiple
  /// of 8 on, a word: the media epoch, which is another when the disk was gone meanwhile.
  Info = 3,
  Reset = 4,  // all that is in flight is completed as Aborted, and nothing submitted before touches the medium any more
};
enum class BlockOp : u8 { Read = 0, Write = 1, Flush = 2, Discard = 3, WriteZeroes = 4 };
enum class BlockStatus : u8 {
  Ok = 0,
  IoError = 1,
  MediaError = 2,
  Timeout = 3,  // it may still take effect, until Reset
  NoSpace = 4,
  ReadOnly = 5,
  OutOfRange = 6,
  Misaligned = 7,  // the address is no multiple of 8
  Overlap = 8,     // with a request in flight, and one of them writes
  Unsupported = 9,
  Gone = 10,
  Aborted = 11,
};
constexpr u64 kBlockFua = 1;       // durable when it is complete
constexpr u64 kBlockPreflush = 2;  // a Flush goes before
constexpr u64 kBlockBarrier = 4;   // starts after all that was submitted before, and before all that comes after
constexpr u64 kTransferBytesMax = u64{1} << 20;
constexpr u64 kBlockReadOnly = 1;
constexpr u64 kBlockPresent = 2;
/// Registers of a real device, on a bare machine in live mode; a driver process does the rest.
enum class Registers : u64 {
  Read = 1,    // mr0 = offset, mr1 = width in bytes (1, 2, 4, 8; aligned) → mr0 value
  Write = 2,   // mr0 = offset, mr1 = width, mr2 = value
  Memory = 3,  // → mr0 = what the device adds to an offset in the node's memory to reach it
};
enum class Entropy : u64 { Read = 1 };                       // mr0 = bytes wanted → mr0 = bytes in msg
enum class Power : u64 { Halt = 1, Reboot = 2, Panic = 3 };  // mr0 = status 0–255

/// One port call. `mr` holds arguments before and results after it.
template <class Operation>
inline sys::Answer call(u64 window_address, Operation operation, u32 length = 4) {
  const sys::Received received =
      sys::enter(kernel::Syscall::Port, window_address, kernel::MessageInfo::make(static_cast<u64>(operation), length));
  return {static_cast<kernel::ResultLabel>(received.info.label()), received.info};
}

}  // namespace port
