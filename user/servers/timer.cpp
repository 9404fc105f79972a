// user/servers/timer.cpp — the timer server: driver of the node's timer device. Whoever waits for a moment leaves a
// notification; the device is armed for the earliest of them. Grant 0 is the timer device.
// Bounds      kStoresMax × 1024 alarms; one per client.
// Invariants  T1 every alarm is in both trees, its notification in its place of a store.  T2 the device is armed for the
//             first alarm whenever there is one.
#include "base/check.h"
#include "base/planted.h"
#include "base/points.h"
#include "base/tree.h"
#include "kernel-model/ports.h"
#include "schema/process.capnp.h"
#include "schema/timer.capnp.h"
#include "user/runtime/call.h"
#include "user/runtime/process.h"
#include "user/runtime/shared.h"

#include "base/enforce.h"

namespace user {
namespace {

using Timer = schema::timer::Timer;

constexpr u32 kStoreRadix = 10;
constexpr u32 kStoreSlots = 1u << kStoreRadix;
constexpr u32 kStoresMax = 16;  // CNodes in kSlotPrivate…, each for 1024 notifications
constexpr u64 kInterrupt = kSignalFree;
constexpr u32 kSlotLine = kSlotSignals;  // our notification, badged as the line's

struct Alarm {
  u64 time = 0;
  u64 client = 0;
  u32 place = 0;  // store × 1024 + slot
  base::TreeHook by_time;
  base::TreeHook by_client;
};
struct ByTime {
  bool operator()(const Alarm& a, const Alarm& b) const {
    return a.time != b.time ? a.time < b.time : a.client < b.client;
  }
};
struct ByClient {
  bool operator()(const Alarm& a, const Alarm& b) const { return a.client < b.client; }
  bool operator()(const Alarm& a, u64 client) const { return a.client < client; }
  bool operator()(u64 client, const Alarm& a) const { return client < a.client; }
};

class TimerServer {
 public:
  explicit TimerServer(Process& process) : memory_(process.heap()), free_places_(process.heap()) {}

  void start();
  [[noreturn]] void serve();

 private:
  struct Now {
    u64 uptime;
    i64 wall;
  };
  Now now();
  void take_line();
  void fire();
  void drop(Alarm& alarm);
  fs::Result<u32> take_place();
  fs::Result<void> arm(u64 client, u64 time, bool has_signal);
  kernel::MessageInfo handle(const sys::Received& received);
  template <class Reply>
  kernel::MessageInfo answer(const Reply& reply);
  static kernel::MessageInfo failure(fs::ErrorCode code) {
    return kernel::MessageInfo::make(static_cast<u64>(code), 0);
  }
  static sys::Answer signal_op(sys::Invoke operation, u32 place);

  base::Allocator& memory_;
  base::Tree<Alarm, &Alarm::by_time, ByTime> by_time_;
  base::Tree<Alarm, &Alarm::by_client, ByClient> by_client_;
  base::Vector<u32> free_places_;
  u32 stores_ = 0;
};

void TimerServer::start() {
  sys::set_receive_slot(kSlotCNode, kSlotReceive, kSlotDepth);
  // The line signals with a bit of its own.
  const sys::Answer minted = sys::invoke(
      kSlotCNode, sys::Invoke::CNodeMint,
      {kSlotLine, kSlotDepth, kSlotNotification, kSlotDepth, kernel::kRightWrite, kInterrupt}, {kSlotCNode});
  ASSERT(minted.ok());
  take_line();
  sys::invoke(kSlotGrants, sys::Invoke::IrqHandlerAck, {});
}

/// The line is taken with each alarm: until this server had said that it serves, init may have taken it.
void TimerServer::take_line() {
  const sys::Answer set = sys::invoke(kSlotGrants, sys::Invoke::IrqHandlerSetNotification, {}, {kSlotLine});
  ASSERT(set.ok());
}

TimerServer::Now TimerServer::now() {
  port::call(device_address(0), port::Timer::Now, 0);
  return {sys::frame().mr[0], static_cast<i64>(sys::frame().mr[1])};
}

/// Copies the notification of a place into the scratch slot, or deletes it from its place.
sys::Answer TimerServer::signal_op(sys::Invoke operation, u32 place) {
  const u32 store = kSlotPrivate + place / kStoreSlots;
  if (operation == sys::Invoke::CNodeDelete) {
    return sys::invoke(store, operation, {place % kStoreSlots, kStoreRadix});
  }
  return sys::invoke(kSlotCNode, operation,
                     {kSlotScratch, kSlotDepth, place % kStoreSlots, kStoreRadix, kernel::kRightWrite}, {store});
}

void TimerServer::fire() {
  for (u32 fired = 0;; ++fired) {
    Alarm* const first = by_time_.first();
    if (first == nullptr) {
      port::call(device_address(0), port::Timer::Cancel, 0);
      return;
    }
    if (first->time > now().uptime) {
      if (PLANTED("timer.not-rearmed") && fired != 0) return;
      sys::frame().mr[0] = first->time;
      port::call(device_address(0), port::Timer::Arm, 1);
      return;  // T2
    }
    if (signal_op(sys::Invoke::CNodeCopy, first->place).ok()) {
      sys::signal(kSlotScratch);
      sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotScratch, kSlotDepth});
    }
    drop(*first);
  }
}

void TimerServer::drop(Alarm& alarm) {
  signal_op(sys::Invoke::CNodeDelete, alarm.place);
  free_places_.push_back(alarm.place);
  by_time_.remove(alarm);
  by_client_.remove(alarm);
  alarm.~Alarm();
  memory_.release(&alarm, sizeof alarm);
}

fs::Result<u32> TimerServer::take_place() {
  if (free_places_.empty()) {
    if (stores_ == kStoresMax) return fs::fail(fs::ErrorCode::NoSpaceLeft);
    TRY(call<schema::process::Process::Make>(kSlotRoot, {.kind = schema::process::ObjectKind::Cnode,
                                                         .slot = static_cast<u16>(kSlotPrivate + stores_),
                                                         .count = kStoreRadix}));
    for (u32 i = kStoreSlots; i-- > 0;) free_places_.push_back(stores_ * kStoreSlots + i);
    stores_ += 1;
  }
  return free_places_.take_back();
}

fs::Result<void> TimerServer::arm(u64 client, u64 time, bool has_signal) {
  if (!has_signal) return fs::fail(fs::ErrorCode::BadArgument);
  if (Alarm* const old = by_client_.find(client)) drop(*old);
  const u32 place = TRY(take_place());
  const sys::Answer moved = sys::invoke(kSlotPrivate + place / kStoreSlots, sys::Invoke::CNodeMove,
                                        {place % kStoreSlots, kStoreRadix, kSlotReceive, kSlotDepth}, {kSlotCNode});
  ASSERT(moved.ok());
  Alarm& alarm = *new (memory_.allocate(sizeof(Alarm), alignof(Alarm))) Alarm();
  alarm.time = time;
  alarm.client = client;
  alarm.place = place;
  by_time_.insert(alarm);
  by_client_.insert(alarm);
  take_line();
  fire();
  return {};
}

template <class Reply>
kernel::MessageInfo TimerServer::answer(const Reply& reply) {
  const auto encoded = schema::encode(reply, message_room());
  ASSERT(encoded.ok());
  return kernel::MessageInfo::make(0, encoded.value() / schema::kWordBytes, 0, kernel::MessageInfo::kInBuffer);
}

kernel::MessageInfo TimerServer::handle(const sys::Received& received) {
  const u64 label = received.info.label();
  const bool has_signal = received.info.extra_caps() != 0 && sys::buffer().caps_unwrapped == 0;
  const base::Bytes body = message_body(received.info);
  kernel::MessageInfo info = failure(fs::ErrorCode::ProtocolError);
  if (label == schema::label_of<Timer::Now>()) {
    const Now time = now();
    info = answer(Timer::Now::Reply{.uptime = time.uptime, .wall = time.wall});
  } else if (label == schema::label_of<Timer::Arm>()) {
    const auto request = schema::decode<Timer::Arm::Request>(body);
    if (request.ok()) {
      const auto armed = arm(received.badge, request.value().uptime, has_signal);
      info = armed.ok() ? answer(Timer::Arm::Reply{}) : failure(armed.error().code);
    }
  } else if (label == schema::label_of<Timer::Cancel>()) {
    if (Alarm* const alarm = by_client_.find(received.badge)) drop(*alarm);
    fire();
    info = answer(Timer::Cancel::Reply{});
  } else if (label == schema::label_of<Timer::SetWall>()) {
    const auto request = schema::decode<Timer::SetWall::Request>(body);
    if (request.ok()) {
      sys::frame().mr[0] = static_cast<u64>(request.value().wall);
      port::call(device_address(0), port::Timer::SetWall, 1);
      info = answer(Timer::SetWall::Reply{});
    }
  }
  // What was not kept must not block the next capability.
  if (received.info.extra_caps() != 0) sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotReceive, kSlotDepth});
  return info;
}

void TimerServer::serve() {
  sys::Received received = sys::recv(kSlotServed, kSlotReply);
  for (;;) {
    if (received.info.from_kernel()) {
      WATERMARK("timer.alarms", by_time_.size());
      fire();
      sys::invoke(kSlotGrants, sys::Invoke::IrqHandlerAck, {});
      received = sys::recv(kSlotServed, kSlotReply);
      continue;
    }
    const kernel::MessageInfo info = handle(received);
    if (NUDGE("timer.look-early")) fire();
    received = sys::reply_recv(kSlotServed, kSlotReply, info);
  }
}

}  // namespace

i32 timer_main(Process& process) {
  TimerServer server(process);
  server.start();
  static_cast<void>(call<schema::process::Process::Ready>(kSlotRoot, {}));  // nobody may be interested
  server.serve();
}

}  // namespace user
