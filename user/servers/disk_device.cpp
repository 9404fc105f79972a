// user/servers/disk_device.cpp — see disk_device.h.
#include "user/servers/disk_device.h"

#include <algorithm>

#include "base/format.h"
#include "base/planted.h"
#include "schema/process.capnp.h"
#include "user/runtime/call.h"
#include "user/runtime/layout.h"
#include "user/runtime/shared.h"
#include "user/runtime/state.h"

#include "base/enforce.h"

namespace user {

using port::Block;
using port::BlockOp;
using port::BlockStatus;

namespace {

static_assert(DiskDevice::kInterrupt == kSignalFree);
constexpr u32 kFrameBits = 13;
static_assert(1u << kFrameBits == DiskDevice::kFrameBytes);
constexpr u64 kRequestNs = 30'000'000'000;
constexpr u64 kRetriesNs[] = {1'000'000, 10'000'000, 100'000'000};
constexpr u32 kStatusesMax = static_cast<u32>(BlockStatus::Aborted);

}  // namespace

// ── Start ────────────────────────────────────────────────────────────────────────────────────────────────────

DiskFacts DiskDevice::facts() const {
  if (!port::call(device_address(0), Block::Info, 0).ok()) return {};
  const u64* const words = sys::frame().mr;
  const u64 name_bytes = words[3];
  DiskFacts facts{.sectors = words[0],
                  .sector_bytes = static_cast<u32>(words[1]),
                  .atomic_bytes = static_cast<u32>(words[1] >> 32),
                  .queue_depth = static_cast<u32>(words[2] >> 32),
                  .cache = static_cast<u8>(words[2]),
                  .is_read_only = (words[2] >> 8 & port::kBlockReadOnly) != 0,
                  .is_present = (words[2] >> 8 & port::kBlockPresent) != 0};
  facts.epoch = sys::buffer().msg[base::align_up(name_bytes, sizeof(u64)) / sizeof(u64)];
  return facts;
}

DiskFacts DiskDevice::facts_beside_message() const {
  constexpr u32 kAnswerWords = 9;  // a name of at most 63 bytes, and the epoch
  kernel::UserFrame& frame = sys::frame();
  u64* const buffer = sys::buffer().msg;
  const kernel::UserFrame kept = frame;
  u64 message[kAnswerWords];
  __builtin_memcpy(message, buffer, sizeof message);
  const DiskFacts now = facts();
  __builtin_memcpy(buffer, message, sizeof message);
  __builtin_memcpy(frame.mr, kept.mr, sizeof frame.mr);
  frame.info = kept.info;
  return now;
}

Result<void> DiskDevice::start() {
  const DiskFacts now = facts();
  if (now.sector_bytes == 0) return fs::fail(ErrorCode::NoSuchDevice);
  if (now.sector_bytes > kFrameBytes / 2) return fs::fail(ErrorCode::NotSupported, "sectors of this size");
  name_bytes_ = static_cast<u32>(std::min<u64>(sys::frame().mr[3], sizeof name_));
  __builtin_memcpy(name_, sys::buffer().msg, name_bytes_);
  for (u32 i = 0; i < kFrames; ++i) {
    const u32 slot = kSlotPrivate + i;
    const auto made = call<schema::process::Process::Frame>(
        kSlotRoot, {.slot = static_cast<u16>(slot), .bits = static_cast<u8>(kFrameBits)});
    if (!made.ok()) return fs::fail(ErrorCode::OutOfMemory);
    memory_[i] = made->address;
    if (!sys::invoke(slot, sys::Invoke::FrameGetAddress, {}).ok()) return fs::fail(ErrorCode::OutOfMemory);
    physical_[i] = sys::frame().mr[0];
  }
  TRY(start_interrupt());
  reset();  // D3
  return {};
}

Result<void> DiskDevice::start_interrupt() {
  TRY(mint_signal(kInterrupt));
  const sys::Answer set = sys::invoke(kSlotGrants, sys::Invoke::IrqHandlerSetNotification, {}, {kSlotScratch});
  unmint_signal();
  if (!set.ok()) return fs::fail(ErrorCode::NotSupported);
  return {};
}

u8* DiskDevice::room(u32 offset) const {
  ASSERT(offset < kRoomBytes);
  const u32 in_frame = offset % kFrameBytes;
  void* const at = machine::pointer(memory_[offset / kFrameBytes] + in_frame, kFrameBytes - in_frame, true);
  ASSERT(at != nullptr);
  return static_cast<u8*>(at);
}

// ── Requests ─────────────────────────────────────────────────────────────────────────────────────────────────

bool DiskDevice::submit(const DiskRequest& request, u32 tag) {
  const bool has_data = request.op == BlockOp::Read || request.op == BlockOp::Write;
  u64* const words = sys::frame().mr;
  words[0] = static_cast<u64>(request.op) | u64{tag} << 32;
  words[1] = request.sector;
  words[2] = request.sectors;
  words[3] = has_data ? physical_[request.room / kFrameBytes] + request.room % kFrameBytes : 0;
  return port::call(device_address(0), Block::Submit, 4).ok();
}

/// Takes the completions that wait and lets the line speak again. Returns how many of `requests` they end.
u32 DiskDevice::take_completions(std::span<DiskRequest> requests) {
  u32 ended = 0;
  for (;;) {  // at most as many as were submitted
    const sys::Answer answer = port::call(device_address(0), Block::Complete, 0);
    if (!answer.ok() || answer.info.length() == 0) break;
    const u32 place = static_cast<u32>(sys::frame().mr[0]) - first_tag_;
    const u64 status = sys::frame().mr[0] >> 32;
    if (place >= requests.size() || requests[place].is_done) continue;  // of a request that was given up
    requests[place].is_done = true;
    requests[place].status = status <= kStatusesMax ? static_cast<BlockStatus>(status) : BlockStatus::IoError;
    ended += 1;
  }
  sys::invoke(kSlotGrants, sys::Invoke::IrqHandlerAck, {});
  return ended;
}

/// False: the time has come first. Without a timer server there is no such time.
bool DiskDevice::wait_for_interrupt(u64 until_ns) {
  const Result<u64> came = wait_for_signal(ProcessAccess::state(process_), kInterrupt, until_ns);
  if (came.ok()) return (*came & kInterrupt) != 0;
  if (!(came.error() == ErrorCode::Interrupted)) sys::wait(kSlotNotification);
  return true;
}

/// Each of them once. False: the disk did not answer in time.
bool DiskDevice::attempt(std::span<DiskRequest> requests) {
  const u64 deadline_ns = process_.uptime_ns() + kRequestNs;
  const u32 depth = std::max<u32>(1, std::min(facts().queue_depth, kRequestsMax));
  first_tag_ = next_tag_;
  next_tag_ += static_cast<u32>(requests.size());
  u64 submitted = 0;
  u64 ended = 0;
  while (ended < requests.size()) {
    for (; submitted < requests.size() && submitted - ended < depth; ++submitted) {
      DiskRequest& request = requests[submitted];
      if (request.is_done) {
        ended += 1;
      } else if (!submit(request, first_tag_ + static_cast<u32>(submitted))) {
        request.is_done = true;
        request.status = BlockStatus::IoError;
        ended += 1;
      }
    }
    const u32 taken = take_completions(requests);
    ended += taken;
    // With a place free there may be more to submit.
    if (taken > 0 || ended == requests.size() || wait_for_interrupt(deadline_ns)) continue;
    reset();  // D2
    for (DiskRequest& request : requests) {
      if (!request.is_done) request.status = BlockStatus::Timeout;
      request.is_done = true;
    }
    return false;
  }
  return true;
}

void DiskDevice::carry_out(std::span<DiskRequest> requests) {
  ASSERT(!requests.empty() && requests.size() <= kRequestsMax);
  for (DiskRequest& request : requests) {
    request.is_done = false;
    if (request.op == BlockOp::Read) counts_.reads += 1;
    if (request.op == BlockOp::Flush) counts_.flushes += 1;
    if (request.op != BlockOp::Read && request.op != BlockOp::Flush) counts_.writes += 1;
  }
  bool has_answered = attempt(requests);
  for (const u64 pause_ns : kRetriesNs) {
    u32 again = 0;
    bool is_late = false;
    for (DiskRequest& request : requests) {
      const bool is_told_late = request.status == BlockStatus::Timeout && has_answered;
      const bool is_read = request.op == BlockOp::Read;
      const bool is_retried = request.op != BlockOp::Flush && (request.status == BlockStatus::IoError || is_told_late ||
                                                               (is_read && request.status == BlockStatus::MediaError));
      is_late = is_late || is_told_late;
      if (!is_retried) continue;
      if (PLANTED("disk.retry-unread") && is_read) {
        request.status = BlockStatus::Ok;
        continue;
      }
      request.is_done = false;
      counts_.retries += 1;
      again += 1;
    }
    if (again == 0) break;
    if (is_late) reset();                         // D2
    static_cast<void>(process_.sleep(pause_ns));  // a note that cuts it short does no harm
    has_answered = attempt(requests);
  }
  bool may_move = false;
  for (const DiskRequest& request : requests) {
    if (request.status != BlockStatus::Ok) counts_.errors += 1;
    may_move = may_move || (request.status == BlockStatus::Timeout && has_answered);
  }
  if (may_move) reset();  // D2
}

BlockStatus DiskDevice::carry_out(const DiskRequest& request) {
  DiskRequest one = request;
  if (PLANTED("disk.write-unawaited") && one.op == BlockOp::Write) {
    counts_.writes += 1;
    first_tag_ = next_tag_++;
    return submit(one, first_tag_) ? BlockStatus::Ok : BlockStatus::IoError;
  }
  carry_out({&one, 1});
  return one.status;
}

void DiskDevice::reset() {
  port::call(device_address(0), Block::Reset, 0);
  counts_.resets += 1;
  take_completions({});
}

void DiskDevice::look() { take_completions({}); }

fs::Error disk_error(BlockStatus status, u64 sector) {
  char text[48];
  const std::string_view where = base::format(text, "sector {}", sector);
  switch (status) {
    case BlockStatus::Ok: return ErrorCode::None;
    case BlockStatus::MediaError: return {ErrorCode::DataCorrupted, where};
    case BlockStatus::Timeout: return {ErrorCode::TimedOut, where};
    case BlockStatus::NoSpace: return {ErrorCode::NoSpaceLeft, where};
    case BlockStatus::ReadOnly: return ErrorCode::ReadOnly;
    case BlockStatus::OutOfRange: return {ErrorCode::BadArgument, where};
    case BlockStatus::Unsupported: return ErrorCode::NotSupported;
    case BlockStatus::Gone: return ErrorCode::NoSuchDevice;
    case BlockStatus::IoError:
    case BlockStatus::Misaligned:
    case BlockStatus::Overlap:
    case BlockStatus::Aborted: return {ErrorCode::IoError, where};
  }
  return ErrorCode::IoError;
}

}  // namespace user
