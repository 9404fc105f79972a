// user/runtime/call.h — one request over a capability, laid out in the IPC buffer and read back from it.
#pragma once
#include "fs/error.h"
#include "kernel-model/sys.h"
#include "schema/codec.h"
#include "schema/file.capnp.h"

namespace user {

inline base::MutableBytes message_room() {
  return {reinterpret_cast<u8*>(sys::buffer().msg), sizeof sys::buffer().msg};
}
inline base::Bytes message_body(kernel::MessageInfo info) {
  return {reinterpret_cast<const u8*>(sys::buffer().msg), u64{info.length()} * schema::kWordBytes};
}

/// A reply that the kernel made: nobody is left to answer, or the capability names nothing any more.
inline fs::ErrorCode error_of_kernel(kernel::MessageInfo info) {
  switch (static_cast<kernel::ResultLabel>(info.label())) {
    case kernel::ResultLabel::ReplyLost: return fs::ErrorCode::ServerRestarted;
    case kernel::ResultLabel::InvalidCapability:
    case kernel::ResultLabel::FailedLookup: return fs::ErrorCode::AccessRevoked;
    default: return fs::ErrorCode::ProtocolError;
  }
}

/// The error a server answered with: the label, and the detail in the body if there is one.
inline fs::Error error_of_reply(kernel::MessageInfo info) {
  const fs::ErrorCode code = static_cast<fs::ErrorCode>(info.label());
  const auto body = schema::decode<schema::file::Failure>(message_body(info));
  return body.ok() ? fs::Error(code, body.value().detail) : fs::Error(code);
}

/// Sends `request` with the capabilities in `caps` (slots, as the request's CapIndex fields number them) and waits for
/// the reply. Its texts and data lie in the IPC buffer: they are good until the next system call.
/// Errors: what the server answers; ServerRestarted, AccessRevoked; ProtocolError; BadArgument for a request that does
/// not fit into a message.
template <class Method>
fs::Result<typename Method::Reply> call(u64 slot, const typename Method::Request& request,
                                        std::initializer_list<u64> caps = {}) {
  const auto encoded = schema::encode(request, message_room());
  if (!encoded.ok()) return fs::fail(fs::ErrorCode::BadArgument);
  u32 cap_count = 0;
  for (const u64 cap : caps) sys::buffer().caps_or_badges[cap_count++] = cap;
  const kernel::MessageInfo info = kernel::MessageInfo::make(
      schema::label_of<Method>(), encoded.value() / schema::kWordBytes, cap_count, kernel::MessageInfo::kInBuffer);
  const sys::Received received = sys::call(slot, info);
  if (received.info.from_kernel()) return fs::fail(error_of_kernel(received.info));
  if (received.info.label() != 0) return error_of_reply(received.info);
  const auto reply = schema::decode<typename Method::Reply>(message_body(received.info));
  if (!reply.ok()) return fs::fail(fs::ErrorCode::ProtocolError);
  return reply.value();
}

/// The same for a request that changes nothing the second time: it is made again when it or its answer is lost.
template <class Method>
fs::Result<typename Method::Reply> call_again(u64 slot, const typename Method::Request& request) {
  constexpr u32 kRepeatsMax = 16;
  for (u32 attempt = 0;; ++attempt) {
    auto reply = call<Method>(slot, request);
    const bool is_lost = !reply.ok() && (reply.error() == fs::ErrorCode::ServerRestarted ||
                                         reply.error() == fs::ErrorCode::AccessRevoked);
    if (!is_lost || attempt == kRepeatsMax) return reply;
  }
}

}  // namespace user
