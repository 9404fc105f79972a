// user/runtime/shared.h — what the root manager and a process agree on beside messages: addresses in every process, and
// the words of the IPC buffer's envelope that both see (the manager has the frame of every buffer mapped).
// Invariants  S1 the kernel neither reads nor writes these words.  S2 each word has one writer, but for `pending`, which
//             the manager sets bits of and the runtime clears.
#pragma once
#include "kernel-model/abi.h"
#include "user/runtime/layout.h"

namespace user {

// ── Addresses ────────────────────────────────────────────────────────────────────────────────────────────────
/// Device i of the start request: its window is mapped here, in its own 64 KiB; the IRQ handler of its line, if it has
/// one, is in slot kSlotGrants + i. The world device of whoever has kSlotProbe is behind the last grant.
constexpr u64 kDeviceAddress = 0xC000'0000;
constexpr u64 kDeviceStride = 0x1'0000;
constexpr u64 device_address(u32 grant) { return kDeviceAddress + grant * kDeviceStride; }
constexpr u32 kProbeGrant = kSlotGrantsEnd - kSlotGrants;
/// The boot image, read-only, in the server that was granted the device "image"; its size is the last argument.
constexpr u64 kImageAddress = 0x8000'0000;
/// Frames made or mapped by request lie here, each aligned to its size.
constexpr u64 kFramesAddress = 0x4000'0000;

// ── Shared words of the IPC buffer ───────────────────────────────────────────────────────────────────────────
/// `user_data`: the slot of the File a request is under way on, 0 when none. The manager flushes it when a note comes;
/// the request's tag is the process's pid.
/// `reserved[kSharedPending]`: bit n: note n is to be handled at the next system call's end.
constexpr u32 kSharedPending = 0;
/// `reserved[kSharedNamespaceVersion]`: changes whenever the namespace does.
constexpr u32 kSharedNamespaceVersion = 1;
/// `reserved[kSharedFilesMax]`: descriptors are smaller than this; 0: as many as a process may have.
constexpr u32 kSharedFilesMax = 2;
/// `reserved[kSharedClosing]`: the slot of the File that is being closed, from before the request until the slot is empty;
/// 0: none. Of a thread that is ended meanwhile the manager closes the File only if its server has no request to do so.
constexpr u32 kSharedClosing = 3;

// ── Badges of a process's own notification (kSlotNotification) ───────────────────────────────────────────────
constexpr u64 kSignalNote = 1;               // look at kSharedPending
constexpr u64 kSignalTimer = 2;              // what sleep waits for
constexpr u64 kSignalThread = u64{1} << 60;  // another thread of the process has something to say
constexpr u64 kSignalReady = u64{1} << 61;   // a file that was asked about can be read
constexpr u64 kSignalUnused = u64{1} << 62;  // of a private server: its last mount is gone
constexpr u64 kSignalFree = 4;               // this and higher bits are the program's own: interrupts, polls

}  // namespace user
