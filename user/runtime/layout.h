// user/runtime/layout.h — where things lie in the capability space of every native process. The root manager fills it
// when it makes the process; the runtime and the servers only name the slots.
// Invariants  L1 the ranges below tile the node, no slot has two uses.  L2 a slot's number is its address (cptr).
#pragma once
#include "base/types.h"

namespace user {

/// One CNode of 512 slots whose guard takes the other 55 bits, all zero, so that a slot's number is its cptr.
constexpr u32 kCNodeRadix = 9;
constexpr u32 kCNodeGuardBits = 55;  // 64 − kCNodeRadix
constexpr u32 kCNodeSlots = 1u << kCNodeRadix;
/// The data word of CNode_Mint, CNode_Mutate and TCB_Configure for such a CNode: bits 0–5 guard size, 6–63 guard.
constexpr u64 kCNodeGuardData = kCNodeGuardBits;
/// `depth` of a slot in CNode operations and of the receive slot: all 64 bits.
constexpr u64 kSlotDepth = 64;
static_assert(kCNodeRadix + kCNodeGuardBits == 64);

enum Slot : u32 {
  kSlotNull = 0,            // never filled: an address that names nothing
  kSlotRoot = 1,            // endpoint of the root manager, badged with this process
  kSlotReply = 2,           // a Reply object, for a program that receives now and then
  kSlotReceive = 3,         // takes an incoming capability whose place is decided afterwards
  kSlotCNode = 4,           // this CNode
  kSlotNotification = 5,    // own notification, bound to the first thread
  kSlotProbe = 6,           // frame of the world device, or Null
  kSlotServed = 7,          // servers: the endpoint they serve, unbadged, all rights
  kSlotTell = kSlotServed,  // further threads: the first one's notification, with kSignalThread
  kSlotScratch = 8,         // for the length of one library call
  kSlotGrants = 9,          // servers: what they were started with, in the order of the start request
  kSlotGrantsEnd = 15,
  kSlotFirst =
      kSlotGrants,  // further threads: the CNode of the process's first one; its guard is 0, its depth kCNodeRadix
  kSlotTimer = 15,  // the timer server, looked up at the first need
  kSlotDirectories = 16,  // Directory capabilities of the namespace, a cache
  kSlotDirectoriesEnd = 48,
  kSlotWindows = 48,  // windows to servers: Frames and the server's Window capability, two slots each
  kSlotWindowsEnd = 64,
  kSlotDescriptors = 64,  // File capability of descriptor n at kSlotDescriptors + n
  kSlotDescriptorsEnd = 320,
  kSlotReplies = 320,  // servers: Reply objects; their keeper has copies
  kSlotRepliesEnd = 384,
  kSlotSessions = 384,  // servers: one copy of the served endpoint per session
  kSlotSessionsEnd = 448,
  kSlotSignals = 448,  // servers: notifications kept by polls
  kSlotSignalsEnd = 479,
  kSlotWork = 479,     // the notification that further threads wait at for work
  kSlotPrivate = 480,  // servers: their own
  kSlotPrivateEnd = 512,
};
static_assert(kSlotDescriptorsEnd - kSlotDescriptors == 256);  // kFdsMax of user/runtime/process.h
static_assert(kSlotPrivateEnd == kCNodeSlots);

constexpr u32 slot_of_descriptor(u32 fd) { return kSlotDescriptors + fd; }

}  // namespace user
