#include "fs/loop.h"

#include "schema/codec.h"

#include "base/enforce.h"

namespace fs {
namespace {

using kernel::Invoke;
using kernel::MessageInfo;

constexpr u64 kDepth = 64;
// A client sends to the server and is answered; it may send capabilities along, and never receives.
constexpr u64 kClientRights = kernel::kRightWrite | kernel::kRightGrant | kernel::kRightGrantReply;
constexpr u64 kWorkUnitNs = 10;

}  // namespace

void LoopEvents::serving(Server&) {}
void LoopEvents::started() {}
bool LoopEvents::ends(const Server&) { return false; }
void LoopEvents::signalled(u64) {}
Result<Identity> LoopEvents::identify(u64) { return fail(ErrorCode::PermissionDenied); }
Outcome LoopEvents::foreign(const Request&, base::MutableBytes out) {
  const schema::file::Failure body{.error = static_cast<u16>(ErrorCode::ProtocolError)};
  return Outcome{.label = static_cast<u64>(ErrorCode::ProtocolError), .bytes = MUST(schema::encode(body, out))};
}

Loop::Loop(base::Allocator& memory, const LoopSlots& slots, LoopEvents& events)
    : slots_(slots), events_(events), free_replies_(memory), free_signals_(memory), body_(memory) {
  ASSERT(slots.reply_count >= 2);
  for (u32 i = slots.reply_count; i-- > 0;) free_replies_.push_back(slots.replies + i);
  for (u32 i = slots.signal_count; i-- > 0;) free_signals_.push_back(slots.signals + i);
  body_.resize(schema::kMessageBytesMax);
}

base::MutableBytes Loop::message_room() { return {reinterpret_cast<u8*>(sys::buffer().msg), sizeof sys::buffer().msg}; }

void Loop::run(Server& server) {
  events_.serving(server);
  sys::set_receive_slot(slots_.cnode, slots_.receive, kDepth);
  u32 reply = free_replies_.take_back();
  sys::Received received = sys::recv(slots_.endpoint, reply);
  for (;;) {
    events_.started();
    if (received.info.from_kernel()) {
      events_.signalled(received.badge);
      server.pump();
      if (events_.ends(server)) return;
      received = sys::recv(slots_.endpoint, reply);
      continue;
    }
    Request request = take_request(received);
    request.reply = reply;
    const Outcome outcome =
        server.owns(request.badge) ? server.handle(request, message_room()) : events_.foreign(request, message_room());
    if (outcome.parked) {
      drop_received();
      ASSERT(!free_replies_.empty());  // L1
      reply = free_replies_.take_back();
      received = sys::recv(slots_.endpoint, reply);
      continue;
    }
    // The answer lies in the IPC buffer; deleting takes two words, which travel in registers.
    drop_received();
    sys::buffer().caps_or_badges[0] = outcome.cap_slot;
    const auto info =
        MessageInfo::make(outcome.label, outcome.bytes / 8, outcome.cap_slot != 0 ? 1 : 0, MessageInfo::kInBuffer);
    if (events_.ends(server)) {
      sys::send(reply, info);
      return;
    }
    received = sys::reply_recv(slots_.endpoint, reply, info);
  }
}

/// Copies the message out of the IPC buffer, which every kernel call in between uses.
Request Loop::take_request(const sys::Received& received) {
  Request request{.badge = received.badge, .label = received.info.label()};
  const kernel::IpcBuffer& buffer = sys::buffer();
  request.cap_count = received.info.extra_caps();
  request.unwrapped = static_cast<u32>(buffer.caps_unwrapped);
  for (u32 i = 0; i < request.cap_count; ++i) {
    if ((request.unwrapped >> i & 1) != 0) {
      request.cap_badges[i] = buffer.caps_or_badges[i];
    } else {
      request.received_cap = true;
    }
  }
  const u32 bytes = received.info.length() * schema::kWordBytes;
  if (received.info.in_buffer()) {
    if (bytes > 0) __builtin_memcpy(body_.data(), buffer.msg, bytes);
  } else {
    // Short messages travel in registers; the rest follows in the buffer.
    const u32 in_registers = std::min<u32>(bytes, sizeof sys::frame().mr);
    if (in_registers > 0) __builtin_memcpy(body_.data(), sys::frame().mr, in_registers);
    __builtin_memcpy(body_.data() + in_registers, reinterpret_cast<const u8*>(buffer.msg) + in_registers,
                     bytes - in_registers);
  }
  request.body = body_.span().first(bytes);
  received_cap_ = request.received_cap;
  if (mint_used_) {  // the answer it went with has been sent
    remove(slots_.mint);
    mint_used_ = false;
  }
  return request;
}

/// A capability that nobody kept would keep the next one out.
void Loop::drop_received() {
  if (!received_cap_) return;
  remove(slots_.receive);
  received_cap_ = false;
}

void Loop::remove(u32 slot) {
  const sys::Answer answer = sys::invoke(slots_.cnode, Invoke::CNodeDelete, {slot, kDepth});
  ASSERT(answer.ok());
}

// ── Gate ─────────────────────────────────────────────────────────────────────────────────────────────────────

Result<void> Loop::open_session(u32 session) {
  if (session >= slots_.session_count) return fail(ErrorCode::TooManyOpenFiles, "too many sessions");
  const sys::Answer answer =
      sys::invoke(slots_.cnode, Invoke::CNodeCopy,
                  {slots_.sessions + session, kDepth, slots_.endpoint, kDepth, kernel::kRightsAll}, {slots_.cnode});
  if (!answer.ok()) return fail(ErrorCode::OutOfMemory);
  return {};
}

void Loop::close_session(u32 session) {
  const sys::Answer revoked = sys::invoke(slots_.cnode, Invoke::CNodeRevoke, {slots_.sessions + session, kDepth});
  ASSERT(revoked.ok());
  remove(slots_.sessions + session);
}

Result<u64> Loop::mint(u32 session, u64 badge) {
  ASSERT(!mint_used_);  // one capability per answer
  const sys::Answer answer =
      sys::invoke(slots_.cnode, Invoke::CNodeMint,
                  {slots_.mint, kDepth, slots_.sessions + session, kDepth, kClientRights, badge}, {slots_.cnode});
  if (!answer.ok()) return fail(ErrorCode::AccessRevoked);
  mint_used_ = true;
  return slots_.mint;
}

Result<Identity> Loop::identify(const Request& request) {
  if (!request.received_cap) return fail(ErrorCode::PermissionDenied);
  return events_.identify(slots_.receive);
}

Result<u32> Loop::keep_signal() {
  ASSERT(received_cap_);
  if (free_signals_.empty()) return fail(ErrorCode::OutOfMemory, "too many polls");
  const u32 slot = free_signals_.back();
  const sys::Answer answer =
      sys::invoke(slots_.cnode, Invoke::CNodeMove, {slot, kDepth, slots_.receive, kDepth}, {slots_.cnode});
  if (!answer.ok()) return fail(ErrorCode::ProtocolError);
  free_signals_.pop_back();
  received_cap_ = false;
  return slot;
}

void Loop::signal(u32 kept) {
  sys::signal(kept);  // of a client that is gone: nothing happens
  drop_signal(kept);
}

void Loop::drop_signal(u32 kept) {
  remove(kept);
  free_signals_.push_back(kept);
}

void Loop::complete(u32 reply, u64 label, base::Bytes message) {
  if (message.size() > 0) __builtin_memcpy(message_room().data(), message.data(), message.size());
  sys::send(reply,
            MessageInfo::make(label, static_cast<u32>(message.size() / schema::kWordBytes), 0, MessageInfo::kInBuffer));
  free_replies_.push_back(reply);
}

void Loop::work(u64 units) { machine::charge(units * kWorkUnitNs); }

}  // namespace fs
