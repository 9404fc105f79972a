// kernel-model/abi.h — what a thread and its kernel agree on: system calls, message info, IPC buffer, invocation
// labels, results, faults, boot information and every named bound. The same bytes on every machine.
#pragma once
#include "base/types.h"

namespace kernel {

// ── Bounds ───────────────────────────────────────────────────────────────────────────────────────────────────
constexpr u32 kSlotBits = 5;
constexpr u32 kMinUntypedBits = 6;
constexpr u32 kMaxUntypedBits = 31;
constexpr u32 kRetypeFanOutMax = 256;
constexpr u32 kResetChunkBytes = 4096;
constexpr u32 kPriorityMax = 255;
constexpr u32 kCoresMax = 128;
constexpr u32 kIrqMax = 256;
constexpr u32 kMessageRegisters = 4;
constexpr u32 kMessageWordsMax = 1008;
constexpr u32 kMessageCapsMax = 3;
constexpr u32 kIpcBufferBits = 13;
constexpr u32 kBudgetDepthMax = 16;
constexpr u64 kMinBudget = 20'000;             // ns; twice the reference's 10 µs kernel worst case
constexpr u64 kPeriodMax = 3'600'000'000'000;  // ns; 1 h
constexpr u64 kSharedGrant = 1'000'000;        // ns
constexpr u32 kStealMax = 64;
constexpr u32 kStealScanMax = 128;
constexpr u32 kRefillsMin = 2;
constexpr u32 kReleaseBatch = 128;
constexpr u32 kAsidMax = 32767;
constexpr u64 kUserAddressEnd = u64{1} << 38;
constexpr u64 kRamBytesMin = u64{16} << 20;
constexpr u64 kRamBytesMax = 0xE000'0000;
constexpr u64 kRamBytesMultiple = u64{2} << 20;
constexpr u32 kDeviceWindowsStart = 0xE000'0000;
constexpr u32 kRegisterCount = 66;  // pc, x1–x31, f0–f31, fcsr, flags

// ── System calls ─────────────────────────────────────────────────────────────────────────────────────────────
enum class Syscall : i32 {
  Call = -1,
  ReplyRecv = -2,
  NBSendRecv = -3,
  NBSendWait = -4,
  Send = -5,
  NBSend = -6,
  Recv = -7,
  NBRecv = -8,
  Wait = -9,
  NBWait = -10,
  Yield = -11,
  Signal = -12,
  Poll = -13,
  PutChar = -32,
  CapIdentify = -33,
  Halt = -34,  // debug builds only
  Port = -64,  // a device's port call; answered by the machine, not the kernel
};

/// A thread's registers as the kernel sees them: arguments before a trap, results after it. 128 bytes, in the TCB.
/// Results overwrite `cap` (badge), `info` and `mr` only when the call completes.
struct UserFrame {
  i32 call = 0;
  u8 phase = 0;    // 1: the send phase of a two-phase call is done, only the receive is repeated
  u8 pending = 0;  // 1: a trap is stored here and not completed; set by the engine, cleared by the kernel
  u8 padding[2] = {};
  u64 cap = 0;
  u64 info = 0;
  u64 reply = 0;
  u64 dest = 0;
  u64 mr[4] = {};
  u64 reserved[7] = {};
};
static_assert(sizeof(UserFrame) == 128);

// ── Rights ───────────────────────────────────────────────────────────────────────────────────────────────────
constexpr u8 kRightWrite = 1;
constexpr u8 kRightRead = 2;
constexpr u8 kRightGrant = 4;
constexpr u8 kRightGrantReply = 8;
constexpr u8 kRightsAll = 15;

// ── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────
/// bits 0–9 length in words · 10–11 extra caps · 12 in_buffer · 13 kernel · 16–63 label.
class MessageInfo {
 public:
  static constexpr u64 kInBuffer = u64{1} << 12;
  static constexpr u64 kKernel = u64{1} << 13;

  constexpr MessageInfo() = default;
  constexpr explicit MessageInfo(u64 word) : word_(word) {}
  static constexpr MessageInfo make(u64 label, u32 length, u32 extra_caps = 0, u64 flags = 0) {
    return MessageInfo{label << 16 | flags | u64{extra_caps} << 10 | length};
  }
  constexpr u64 word() const { return word_; }
  constexpr u64 label() const { return word_ >> 16; }
  /// In words; more than 1008 counts as 1008.
  constexpr u32 length() const {
    const u32 length = static_cast<u32>(word_ & 0x3FF);
    return length > kMessageWordsMax ? kMessageWordsMax : length;
  }
  constexpr u32 extra_caps() const { return static_cast<u32>(word_ >> 10 & 3); }
  constexpr bool in_buffer() const { return (word_ & kInBuffer) != 0; }
  /// Set by the kernel in every message it makes itself; no thread can forge it.
  constexpr bool from_kernel() const { return (word_ & kKernel) != 0; }

 private:
  u64 word_ = 0;
};

/// The 8 KiB IPC buffer. Words 0–15 are the envelope, the message follows.
struct IpcBuffer {
  u64 info_copy;
  u64 user_data;
  u64 caps_or_badges[3];  // slots to send; badges of unwrapped caps received
  u64 receive_root;
  u64 receive_index;
  u64 receive_depth;
  u64 caps_unwrapped;
  u64 reserved[7];
  u64 msg[kMessageWordsMax];
};
static_assert(sizeof(IpcBuffer) == u64{1} << kIpcBufferBits);

/// Labels of kernel-made replies (the kernel bit is set).
enum class ResultLabel : u16 {
  None = 0,
  InvalidArgument = 1,
  InvalidCapability = 2,
  IllegalOperation = 3,
  RangeError = 4,
  AlignmentError = 5,
  FailedLookup = 6,
  TruncatedMessage = 7,
  DeleteFirst = 8,
  RevokeFirst = 9,
  NotEnoughMemory = 10,
  ReplyLost = 11,
  Nothing = 12,
  Signal = 13,
};
enum class LookupFailure : u16 {
  None = 0,
  InvalidRoot = 1,
  MissingCapability = 2,
  DepthMismatch = 3,
  GuardMismatch = 4
};

/// Labels of fault messages.
enum class FaultType : u16 { None = 0, Cap = 1, UnknownSyscall = 2, UserException = 3, Timeout = 5, Vm = 6 };
/// UserException numbers of native crashes are 0x100 plus this.
enum class CrashKind : u16 {
  NullAccess = 0,
  Segment = 1,
  Bus = 2,
  Arithmetic = 3,
  IllegalInstruction = 4,
  StackOverflow = 5,
  Assertion = 6,
  ArenaSpent = 7,
  Watchdog = 8,
  Killed = 9,  // from outside: by a plan or a fault of the simulated machine
};
constexpr u64 kCrashNumberBase = 0x100;

/// Invocation labels.
enum class Invoke : u64 {
  UntypedRetype = 0x10,
  TcbReadRegisters = 0x20,
  TcbWriteRegisters = 0x21,
  TcbCopyRegisters = 0x22,
  TcbConfigure = 0x23,
  TcbSetPriority = 0x24,
  TcbSetMcp = 0x25,
  TcbSetSchedParams = 0x26,
  TcbSetTimeoutEndpoint = 0x27,
  TcbSetIpcBuffer = 0x28,
  TcbSetSpace = 0x29,
  TcbSuspend = 0x2A,
  TcbResume = 0x2B,
  TcbBindNotification = 0x2C,
  TcbUnbindNotification = 0x2D,
  TcbSetTls = 0x2E,
  TcbSetEngine = 0x2F,
  TcbSetName = 0x30,
  TcbInspect = 0x31,
  CNodeRevoke = 0x40,
  CNodeDelete = 0x41,
  CNodeCancelBadgedSends = 0x42,
  CNodeCopy = 0x43,
  CNodeMint = 0x44,
  CNodeMove = 0x45,
  CNodeMutate = 0x46,
  CNodeRotate = 0x47,
  CNodeInspect = 0x48,
  IrqControlGet = 0x60,
  IrqHandlerAck = 0x68,
  IrqHandlerSetNotification = 0x69,
  IrqHandlerClear = 0x6A,
  SchedControlConfigure = 0x70,
  SchedContextBind = 0x78,
  SchedContextUnbind = 0x79,
  SchedContextUnbindObject = 0x7A,
  SchedContextConsumed = 0x7B,
  SchedContextYieldTo = 0x7C,
  SchedContextConfigureChild = 0x7D,
  FrameMap = 0x90,
  FrameUnmap = 0x91,
  FrameGetAddress = 0x92,
  PageTableMap = 0x98,
  PageTableUnmap = 0x99,
  AsidControlMakePool = 0xA8,
  AsidPoolAssign = 0xB0,
};

/// Object numbers for Untyped_Retype; a cap's type is the number + 1.
enum class ObjectType : u8 {
  Untyped = 0,
  Tcb = 1,
  Endpoint = 2,
  Notification = 3,
  CNode = 4,
  SchedContext = 5,
  Reply = 6,
  Frame = 7,
  PageTable = 8,
  VSpace = 9,
  AsidPool = 10,
};

/// SchedContext configuration flags.
constexpr u64 kSchedSporadic = 1;
constexpr u64 kSchedPinned = 2;
constexpr u64 kSchedInner = 4;

/// What TcbInspect says of where a thread is: its place in the scheduler.
enum class ThreadPlace : u8 { Nowhere = 0, Current = 1, Queued = 2, WaitsForBudget = 3 };

enum class EngineKind : u8 { None = 0, Native = 1, Rv64 = 2, Lonala = 3 };

/// Frame_Map attributes.
constexpr u64 kMapExecute = 1;
constexpr u64 kMapDevice = 2;
constexpr u64 kMapArena = 4;  // Native address spaces only: accounted here, backed by the engine

// ── Boot ─────────────────────────────────────────────────────────────────────────────────────────────────────
/// The root task's CNode: radix 12, 52 zero guard bits, so a slot's number is its address.
constexpr u32 kRootCNodeRadix = 12;
enum RootSlot : u32 {
  kRootTcb = 1,
  kRootCNode = 2,
  kRootVSpace = 3,
  kRootIrqControl = 4,
  kRootAsidControl = 5,
  kRootAsidPool = 6,
  kRootSchedControl = 7,
  kRootSchedContext = 8,
  kRootBootInfo = 9,
  kRootIpcBuffer = 10,
  kRootReply = 11,
  kRootFirstFree = 16,
};

enum class DeviceKind : u32 {
  Console = 1,
  Timer = 2,
  World = 3,
  Entropy = 4,
  Block = 5,
  Network = 6,
  Power = 7,
  Registers = 8
};
constexpr u32 kNoIrq = 0xFFFF'FFFF;
struct BootDevice {
  u32 kind;
  u32 irq;            // kNoIrq: the device has no line
  u32 slot;           // its device Untyped in the root CNode
  u32 window_offset;  // ≥ kDeviceWindowsStart
  u32 window_bytes;   // a power of two ≥ 4096
  u32 reserved;
};
struct BootUntyped {
  u32 offset;
  u8 bits;
  u8 device;
  u16 reserved;
};
struct SlotRange {
  u32 first;
  u32 end;
};
constexpr u64 kBootInfoMagic = 0x4F464E49'544F4F42;  // "BOOTINFO"
constexpr u32 kBootDevicesMax = 32;
constexpr u32 kBootUntypedsMax = 230;
struct BootInfo {
  u64 magic;
  u32 version;
  u32 node_id;
  u32 core_count;
  u32 device_count;
  u64 ram_bytes;
  u64 ipc_buffer_address;
  SlotRange empty;
  SlotRange image_frames;
  SlotRange device_untypeds;
  SlotRange ram_untypeds;
  u32 untyped_count;
  u32 image_bytes;  // size of the boot image (ustar) inside the image frames
  BootDevice devices[kBootDevicesMax];
  BootUntyped untypeds[kBootUntypedsMax];
};
static_assert(sizeof(BootInfo) <= 4096);
/// Virtual addresses in the root task: where the boot information, the IPC buffer and the boot image are mapped.
constexpr u64 kBootInfoAddress = 0x1000;
constexpr u64 kRootBufferAddress = 0x2000;
constexpr u64 kBootImageAddress = 0x20'0000;  // 2 MiB: the image lies in 2 MiB frames

}  // namespace kernel
