// kernel-model/objects.h — the kernel's objects as they lie in node memory. Every reference is a 32-bit byte offset
// into that memory (0 = null), so a node's memory can be copied, hashed and compared: fixed-width fields, natural
// alignment, explicit padding that stays zero.
#pragma once
#include <type_traits>

#include "base/types.h"
#include "kernel-model/abi.h"

namespace kernel {

/// A typed 32-bit offset into node memory; 0 is null.
template <class T>
struct Ref {
  u32 offset = 0;
  constexpr explicit operator bool() const { return offset != 0; }
  friend constexpr bool operator==(Ref, Ref) = default;
};

enum class CapType : u8 {
  Null = 0,
  Untyped = 1,
  Tcb = 2,
  Endpoint = 3,
  Notification = 4,
  CNode = 5,
  SchedContext = 6,
  Reply = 7,
  Frame = 8,
  PageTable = 9,
  VSpace = 10,
  AsidPool = 11,
  IrqHandler = 12,
  SchedControl = 13,
  IrqControl = 14,
  AsidControl = 15,
  Zombie = 16,
  Anchor = 17,
};

/// 16 bytes. What `bits`, `flags` and `data` mean is the type's own:
/// Untyped bits = size, data = watermark in bytes, flags bit 0 device · Endpoint, Notification data = badge ·
/// CNode bits = radix, flags = guard size, data = guard · Frame bits = size, flags bit 0 device,
/// data = asid 16 | generation 16 << 16 | page number 26 << 32 (asid 0 = not mapped) · IrqHandler object = line ·
/// SchedControl data = first core | count << 16 · Zombie object = slots left, data = reap next | reap prev << 32.
struct Cap {
  CapType type = CapType::Null;
  u8 rights = 0;
  u8 bits = 0;
  u8 flags = 0;
  u32 object = 0;
  u64 data = 0;
  friend constexpr bool operator==(const Cap&, const Cap&) = default;
  bool is_null() const { return type == CapType::Null; }
};
static_assert(sizeof(Cap) == 16);

/// A capability's place and its links in the one derivation tree. `prev` of a first child is the last child; `next`
/// of a last child is the parent with bit 0 set.
struct Slot {
  Cap cap;
  u32 next = 0;
  u32 prev = 0;
  u32 first_child = 0;
  u32 aux = 0;
};
static_assert(sizeof(Slot) == 1u << kSlotBits);

constexpr u16 kObjectDying = 1;
struct ObjectHeader {
  u8 type = 0;  // ObjectType
  u8 size_bits = 0;
  u16 flags = 0;  // kObjectDying
  u32 cap_count = 0;
};
static_assert(sizeof(ObjectHeader) == 8);

struct Tcb;
struct Endpoint;
struct Notification;
struct SchedContext;
struct Reply;
struct PageTable;
struct VSpace;
struct AsidPool;

enum class ThreadState : u8 {
  Inactive = 0,
  Running = 1,
  Restart = 2,
  BlockedOnReceive = 3,
  BlockedOnSend = 4,
  BlockedOnReply = 5,
  BlockedOnNotification = 6,
};

struct FaultRecord {
  u16 type = 0;  // FaultType
  u16 reserved = 0;
  u32 reserved1 = 0;
  u64 words[4] = {};
};

enum TcbSlot : u32 {
  kTcbSelf,
  kTcbCSpace,
  kTcbVSpace,
  kTcbBuffer,
  kTcbFaultEndpoint,
  kTcbTimeoutEndpoint,
  kTcbTrash,
  kTcbSlotCount
};

constexpr u32 kTcbBits = 11;
constexpr u32 kThreadSlotMask = (1u << 21) - 1;  // of a thread_id: the TCB's offset >> kTcbBits
struct Tcb {
  ObjectHeader header;
  ThreadState state = ThreadState::Inactive;
  u8 priority = 0;
  u8 mcp = 0;
  u8 core = 0;
  u8 engine = 0;          // EngineKind
  u8 queue_kind = 0;      // 0 none, 1 run queue, 2 release tree (through its SC)
  u8 blocked_rights = 0;  // rights of the endpoint cap used, while BlockedOnSend
  u8 blocked_is_call = 0;
  u32 thread_id = 0;
  u32 blocked_on = 0;  // Endpoint or Notification
  u64 blocked_badge = 0;
  Ref<Tcb> queue_next;
  Ref<Tcb> queue_prev;
  Ref<SchedContext> sc;
  Ref<SchedContext> yield_to;
  Ref<Notification> bound_notification;
  Ref<Reply> reply;
  Ref<Slot> reap_head;
  u32 padding0 = 0;
  FaultRecord fault;
  u64 buffer_vaddr = 0;
  u64 tls_base = 0;
  u64 padding1[17] = {};
  Slot slots[kTcbSlotCount];  // at 256
  u64 padding2[4] = {};
  UserFrame frame;     // at 512
  char name[32] = {};  // at 640
  u64 padding3[44] = {};
  u64 context[128] = {};  // at 1024: pc, x1–x31, f0–f31, fcsr, flags, then the engine's own
};
static_assert(offsetof(Tcb, slots) == 256);
static_assert(offsetof(Tcb, frame) == 512);
static_assert(offsetof(Tcb, name) == 640);
static_assert(offsetof(Tcb, context) == 1024);
static_assert(sizeof(Tcb) == 1u << kTcbBits);

enum class EndpointState : u8 { Idle = 0, Send = 1, Recv = 2 };
struct Endpoint {
  ObjectHeader header;
  EndpointState state = EndpointState::Idle;
  u8 padding0[3] = {};
  Ref<Tcb> head;
  Ref<Tcb> tail;
  Ref<Tcb> cancel_cursor;
  u64 cancel_badge = 0;
  u64 padding1[4] = {};
};
static_assert(sizeof(Endpoint) == 64);

enum class NotificationState : u8 { Idle = 0, Waiting = 1, Active = 2 };
struct Notification {
  ObjectHeader header;
  NotificationState state = NotificationState::Idle;
  u8 padding0[3] = {};
  Ref<Tcb> head;
  Ref<Tcb> tail;
  Ref<Tcb> bound_tcb;
  Ref<SchedContext> sc;
  u32 padding1 = 0;
  u64 word = 0;
  u64 padding2[3] = {};
};
static_assert(sizeof(Notification) == 64);

struct Reply {
  ObjectHeader header;
  Ref<Tcb> tcb;
  Ref<Reply> prev;  // towards the first call
  u32 next = 0;     // towards the last call; bit 0 set: the SchedContext whose stack this heads
  u32 padding0 = 0;
  u64 padding1[5] = {};
};
static_assert(sizeof(Reply) == 64);

struct Refill {
  u64 time = 0;
  u64 amount = 0;
};
constexpr u32 kSchedContextMinBits = 8;
constexpr u32 kSchedContextMaxBits = 14;
struct SchedContext {
  ObjectHeader header;
  u64 period = 0;
  u64 budget = 0;
  u64 consumed = 0;
  u64 badge = 0;
  u64 reserved = 0;
  u64 slice_left = 0;
  u64 last_dispatch = 0;
  u64 wait_until = 0;
  Ref<Tcb> tcb;
  Ref<Reply> reply;
  Ref<Notification> notification;
  Ref<Tcb> yield_from;
  Ref<SchedContext> parent;
  Ref<SchedContext> first_child;
  Ref<SchedContext> sibling_next;
  Ref<SchedContext> sibling_prev;
  Ref<SchedContext> tree_left;  // release tree; balance in tree_level
  Ref<SchedContext> tree_right;
  u16 refill_max = 0;  // 0 = unconfigured
  u16 refill_count = 0;
  u16 refill_head = 0;
  u8 first_core = 0;
  u8 core_count = 0;  // 1–128
  u8 home = 0;
  u8 depth = 0;         // a root node is 1
  u8 config_flags = 0;  // kSchedSporadic, kSchedPinned, kSchedInner
  u8 in_tree = 0;
  u8 tree_level = 0;
  u8 padding0[3] = {};
  u64 owed = 0;              // used beyond all refills of a shared node, ns
  Ref<SchedContext> waking;  // node of the subtree where waking its threads stopped (sched::wake_below); 0: it is not
  u32 padding1 = 0;
  Refill refills[1];  // at 144: room for 7, 23, 55, 119… ((2^bits − 144) / 16)
};
static_assert(offsetof(SchedContext, refills) == 144);

constexpr u32 kTableBits = 13;
struct PageTable {
  ObjectHeader header;
  u8 level = 0;  // 1 or 0 while mapped
  u8 padding0 = 0;
  u16 asid = 0;  // 0 = not mapped
  u16 generation = 0;
  u16 padding1 = 0;
  u64 vaddr = 0;
  u64 padding2[253] = {};
  u32 entries[512] = {};   // at 2048
  u8 hardware[4096] = {};  // the machine's own table
};
static_assert(offsetof(PageTable, entries) == 2048);
static_assert(sizeof(PageTable) == 1u << kTableBits);

struct VSpace {
  ObjectHeader header;
  u16 asid = 0;
  u8 kind = 0;  // 0 Paged, 1 Native
  u8 padding0 = 0;
  u32 padding1 = 0;
  u64 tlb_generation = 0;
  u64 cores[2] = {};
  u64 padding2[251] = {};
  u32 entries[512] = {};
  u8 hardware[4096] = {};
};
static_assert(offsetof(VSpace, entries) == 2048);
static_assert(sizeof(VSpace) == 1u << kTableBits);

struct AsidEntry {
  Ref<VSpace> vspace;
  u16 generation = 0;
  u16 reserved = 0;
};
constexpr u32 kAsidPoolBits = 12;
struct AsidPool {
  ObjectHeader header;
  u32 base = 0;
  u32 padding0 = 0;
  u64 padding1[254] = {};
  AsidEntry entries[256];
};
static_assert(offsetof(AsidPool, entries) == 2048);
static_assert(sizeof(AsidPool) == 1u << kAsidPoolBits);

// Page-table entry bits (both levels of tables and the root).
constexpr u32 kEntryValid = 1u << 0;
constexpr u32 kEntryTable = 1u << 1;
constexpr u32 kEntryRead = 1u << 2;
constexpr u32 kEntryWrite = 1u << 3;
constexpr u32 kEntryExecute = 1u << 4;
constexpr u32 kEntryDevice = 1u << 5;
constexpr u32 kEntryArena = 1u << 6;
constexpr u32 kEntryHalf = 1u << 7;  // half of an 8 KiB frame
constexpr u32 kEntryPageMask = 0xFFFF'F000;

// ── Kernel region, from offset 4096 ──────────────────────────────────────────────────────────────────────────
constexpr u32 kKernelRegionOffset = 4096;
constexpr u64 kKernelMagic = 0x31594552'52524F4B;  // "KORRERY1"
constexpr u32 kKernelFormatVersion = 1;
struct KernelHeader {
  u64 magic = 0;
  u32 version = 0;
  u32 core_count = 0;
  u64 ram_bytes = 0;
  u32 region_end = 0;
  u32 node_id = 0;
  u64 dispatch_counter = 0;
  u64 tcb_counter = 0;
  Slot anchor;        // the root of the derivation tree
  Slot scratch;       // Null between operations; the third place of an exchange of two slots
  u8 stealing = 0;    // 1: idle cores steal
  u8 idle_count = 0;  // cores whose last exit was idle
  u8 one_level = 0;   // the priority of all threads; 0: each has its own
  u8 padding0[5] = {};
  u64 padding1 = 0;
};
static_assert(sizeof(KernelHeader) == 128);

enum class IrqState : u8 { Free = 0, Armed = 1, Masked = 2 };
struct IrqLine {
  Slot notification;  // the cap set by IRQHandler_SetNotification
  IrqState state = IrqState::Free;
  u8 core = 0;
  u16 padding0 = 0;
  u32 cap_count = 0;
  u64 padding1[3] = {};
};
static_assert(sizeof(IrqLine) == 64);

constexpr u32 kAsidPoolCount = 128;
struct AsidTable {
  Ref<AsidPool> pools[kAsidPoolCount];
  u16 generations[kAsidPoolCount] = {};  // what the entries of a new pool in this place start with
  u64 padding[160] = {};
};
static_assert(sizeof(AsidTable) == 2048);

struct Level {
  Ref<Tcb> head;
  Ref<Tcb> tail;
};
struct CoreState {
  u64 local_time = 0;
  Ref<Tcb> current;
  Ref<SchedContext> grant_sc;
  u64 grant_start = 0;
  u64 grant_amount = 0;
  u64 level_map[4] = {};
  u32 queued_count = 0;
  Ref<SchedContext> release_root;
  u64 switches = 0;
  u64 interrupts = 0;
  u64 syscalls = 0;
  u64 idle_ns = 0;
  u64 ipis = 0;
  u64 steals = 0;
  u64 idle_since = 0;
  u8 idle = 0;  // 1: the last exit of this core was idle
  u8 padding0[7] = {};
  u64 padding1[239] = {};
  Level levels[256];  // at 2048
};
static_assert(offsetof(CoreState, levels) == 2048);
static_assert(sizeof(CoreState) == 4096);

// Layout of the region: header and ASID table in its first page, then the IRQ table, then one page per core.
constexpr u32 kAsidTableOffset = kKernelRegionOffset + 2048;
constexpr u32 kIrqTableOffset = kKernelRegionOffset + 4096;
constexpr u32 kCoreStatesOffset = kIrqTableOffset + kIrqMax * sizeof(IrqLine);
static_assert(kCoreStatesOffset % 4096 == 0);

}  // namespace kernel
