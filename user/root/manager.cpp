// user/root/manager.cpp — the start of the root manager, its loop, its clock and its log.
#include "user/root/manager.h"

#include "base/format.h"
#include "fs/badge.h"
#include "kernel-model/ports.h"

#include "base/enforce.h"

namespace user::root {
namespace {

constexpr u32 kSmallBlockBits = 12;
constexpr u64 kLogBytesMax = 256 << 10;
constexpr u8 kRightsWithoutRead = kernel::kRightWrite | kernel::kRightGrant | kernel::kRightGrantReply;

/// Where a frame lies in node memory.
u64 frame_offset(u32 frame) {
  return sys::invoke(frame, sys::Invoke::FrameGetAddress, {}).ok() ? sys::frame().mr[0] : 0;
}

}  // namespace

Manager::Manager(base::Heap& memory, SlotPool slots, UntypedPool untyped, const kernel::BootInfo& boot, Reserve reserve)
    : memory_(memory),
      slots_(std::move(slots)),
      untyped_(std::move(untyped)),
      reserve_(reserve),
      core_count_(boot.core_count),
      node_id_(boot.node_id),
      request_(memory),
      mounts_(memory),
      table_(memory),
      free_indices_(memory),
      free_replies_(memory),
      free_object_slots_(memory),
      buffer_frames_(memory),
      free_buffers_(memory),
      asid_pools_(memory),
      devices_(memory),
      image_frames_(memory),
      services_(memory),
      dropped_(memory),
      workers_(memory),
      jobs_(memory),
      log_(memory),
      tree_answer_(memory) {
  workers_.reserve(kWorkersMax);  // they are referred to while others are added
}

void Manager::start(const kernel::BootInfo& boot) {
  table_.push_back(nullptr);                          // place 0: badge 0 is the unbadged endpoint
  asid_pools_.push_back({kernel::kRootAsidPool, 2});  // number 0 is never given, and there is our own
  const BlockId block = untyped_.take(kSmallBlockBits, slots_);
  ASSERT(block != kNoBlock);
  small_objects_ = untyped_.slot_of(block);
  endpoint_ = slots_.take();
  MUST_OK(retype(small_objects_, kernel::ObjectType::Endpoint, kSmallObjectBits, own(endpoint_)));
  receive_slot_ = slots_.take();
  sys::set_receive_slot(kernel::kRootCNode, receive_slot_, 64);
  current_reply_ = take_reply();
  root_realm_ = MUST(new_realm(nullptr, ""));
  root_realm_->memory.limit = kNoLimit;
  for (u32 slot = boot.image_frames.first; slot < boot.image_frames.end; ++slot) image_frames_.push_back(slot);
  image_bytes_ = boot.image_bytes;
  find_devices(boot);
  trees_ = new (memory_.allocate(sizeof(Trees), alignof(Trees))) Trees(*this, memory_);
  tree_answer_.resize(schema::kMessageBytesMax);
  services_.push_back({.name = base::String(memory_, "proc"), .slot = endpoint_, .instance = kInstanceProc});
  services_.push_back({.name = base::String(memory_, "realm"), .slot = endpoint_, .instance = kInstanceRealm});
  MUST_OK(make_worker());
  log("root: memory and devices are ready");
  const Result<void> started = start_servers(boot);
  if (!started.ok()) log("root: init could not be started");
}

Result<void> Manager::start_servers(const kernel::BootInfo& boot) {
  ProcessRecord& init =
      *TRY(spawn(nullptr, {.program = "init", .arguments = std::string_view("init\0", 5), .hold = true}));
  init_ = &init;
  init.may_grant = true;
  const std::string_view devices[] = {"power", "timer0", "vt0"};  // in the order of user/init/services.h
  TRY(grant_devices(init, devices));
  TRY(grant_probe(init));
  ASSERT(init.pid == 1);
  if (find_program("ramfs") != nullptr) {
    // The first file server, which holds the boot image: init finds it as the service `boot`.
    // Its endpoint goes with it: nobody else can serve what it held, and whoever waits there is told so.
    const PrivateEndpoint endpoint = TRY(make_private_endpoint());
    const u32 served = endpoint.slot;
    char arguments[64];
    base::Writer text(arguments);
    text.text({"ramfs\0--image\0", 14});
    text.number(boot.image_bytes);
    text.character('\0');
    // Init reads there while the timer server may be down, which it is to start again.
    if (timer_address_ != 0)
      text.text(
          {"--clock\0"
           "1\0",
           10});
    ProcessRecord& files = *TRY(spawn(&init, {.program = "ramfs",
                                              .arguments = text.view(),
                                              .flags = kRfNoWait | kRfSession,
                                              .priority = kPriorityServerMax,
                                              .hold = true,
                                              .served = served}));
    const std::string_view grants[] = {"image", "clock"};
    TRY(grant_devices(files, grants));
    TRY(grant_probe(files));
    services_.push_back(
        {.name = base::String(memory_, "boot"), .slot = served, .pid = files.pid, .block = endpoint.block});
    release(files);
  }
  release(init);
  return {};
}

// ── Devices ──────────────────────────────────────────────────────────────────────────────────────────────────

Result<void> Manager::map_own(u32 frame, u64 address) {
  const FrameMapping mapping{.frame = frame, .vspace = kernel::kRootVSpace, .address = address};
  for (u32 levels = 0; levels < 3; ++levels) {
    const kernel::ResultLabel label = map_frame(mapping);
    if (label == kernel::ResultLabel::None) return {};
    if (label != kernel::ResultLabel::FailedLookup) return fs::fail(ErrorCode::BadAddress);
    const BlockId block = untyped_.take(kernel::kTableBits, slots_);
    const u32 table = slots_.take();
    if (block == kNoBlock || table == 0) return fs::fail(ErrorCode::OutOfMemory);
    MUST_OK(retype(untyped_.slot_of(block), kernel::ObjectType::PageTable, kernel::kTableBits, own(table)));
    MUST_OK(map_table(table, kernel::kRootVSpace, address));
  }
  return fs::fail(ErrorCode::BadAddress);
}

void Manager::find_devices(const kernel::BootInfo& boot) {
  for (u32 i = 0; i < boot.device_count; ++i) {
    const kernel::BootDevice& found = boot.devices[i];
    Device device{.kind = static_cast<kernel::DeviceKind>(found.kind), .irq = found.irq};
    for (const Device& other : devices_) device.number += other.kind == device.kind ? 1 : 0;
    device.frame = slots_.take();
    MUST_OK(retype(found.slot, kernel::ObjectType::Frame, 12, own(device.frame)));
    if (found.irq != kernel::kNoIrq) {
      device.handler = slots_.take();
      MUST_OK(sys::invoke(kernel::kRootIrqControl, sys::Invoke::IrqControlGet, {found.irq, 0, device.handler, 64},
                          {kernel::kRootCNode})
                  .ok());
    }
    if (device.kind == kernel::DeviceKind::Timer && device.number == 0) {
      // Only asked for the time; the timer server is its driver.
      const u32 copied = slots_.take();
      MUST_OK(copy(own(copied), own(device.frame), kernel::kRightsAll));
      if (map_own(copied, kOwnDevicesAddress).ok()) timer_address_ = kOwnDevicesAddress;
    }
    if (device.kind == kernel::DeviceKind::World && probe_.window == 0) {
      const u32 copied = slots_.take();
      MUST_OK(copy(own(copied), own(device.frame), kernel::kRightsAll));
      if (map_own(copied, kOwnWorldAddress).ok()) probe_.window = kOwnWorldAddress;
      start_probe(probe_);
    }
    devices_.push_back(device);
  }
}

bool Manager::is_grant_without_device(std::string_view name) {
  return name == "devices" || name == "image" || name == "clock";
}

Result<void> Manager::check_devices(std::span<const std::string_view> names) const {
  for (const std::string_view name : names) {
    if (is_grant_without_device(name) || find_device(name) != nullptr) continue;
    return fs::fail(ErrorCode::NoSuchDevice, name);
  }
  return {};
}

Result<void> Manager::grant_devices(ProcessRecord& record, std::span<const std::string_view> names) {
  constexpr u32 kGrantsMax = kSlotGrantsEnd - kSlotGrants;
  if (names.size() > kGrantsMax) return fs::fail(ErrorCode::BadArgument);
  for (u32 i = 0; i < names.size(); ++i) {
    if (names[i] == "devices") {
      record.may_grant = true;
      continue;
    }
    if (names[i] == "image") {
      // Frames of several sizes, one after the other in memory.
      const u64 first = frame_offset(image_frames_.empty() ? 0 : image_frames_[0]);
      for (const u32 frame : image_frames_) {
        const u32 copied = slots_.take();
        if (copied == 0) return fs::fail(ErrorCode::OutOfMemory);
        const u64 address = kImageAddress + (frame_offset(frame) - first);
        MUST_OK(copy(own(copied), own(frame), kernel::kRightRead));
        record.objects.copies.push_back(copied);
        TRY(map_for(record, copied, address, kernel::kRightRead, 0));
      }
      continue;
    }
    const bool only_clock = names[i] == "clock";  // the timer to ask, not to drive
    const Device* const device = find_device(only_clock ? "timer0" : names[i]);
    if (device == nullptr && only_clock) continue;
    if (device == nullptr) return fs::fail(ErrorCode::NoSuchDevice, names[i]);
    const u32 copied = slots_.take();
    if (copied == 0) return fs::fail(ErrorCode::OutOfMemory);
    MUST_OK(copy(own(copied), own(device->frame), kernel::kRightsAll));
    record.objects.copies.push_back(copied);
    TRY(map_for(record, copied, device_address(i), kernel::kRightRead | kernel::kRightWrite, kernel::kMapDevice));
    if (only_clock) continue;
    record.keeps_time = record.keeps_time || device->kind == kernel::DeviceKind::Timer;
    if (device->handler != 0) {
      MUST_OK(copy(slot_in(record, kSlotGrants + i), own(device->handler), kernel::kRightsAll));
    }
    if (device->kind == kernel::DeviceKind::World) {
      MUST_OK(copy(slot_in(record, kSlotProbe), own(device->frame), kernel::kRightsAll));
    }
  }
  return {};
}

Result<void> Manager::grant_probe(ProcessRecord& record) {
  const Device* const world = find_device("world");
  if (world == nullptr) return {};
  const u32 copied = slots_.take();
  if (copied == 0) return fs::fail(ErrorCode::OutOfMemory);
  MUST_OK(copy(own(copied), own(world->frame), kernel::kRightsAll));
  record.objects.copies.push_back(copied);
  TRY(map_for(record, copied, kProbeAddress, kernel::kRightRead | kernel::kRightWrite, kernel::kMapDevice));
  copy(slot_in(record, kSlotProbe), own(world->frame), kernel::kRightsAll);  // refused to who was granted the device
  return {};
}

const Device* Manager::find_device(std::string_view name) const {
  struct Name {
    std::string_view name;
    kernel::DeviceKind kind;
  };
  constexpr Name kNames[] = {{"vt", kernel::DeviceKind::Console},  {"timer", kernel::DeviceKind::Timer},
                             {"world", kernel::DeviceKind::World}, {"entropy", kernel::DeviceKind::Entropy},
                             {"blk", kernel::DeviceKind::Block},   {"ether", kernel::DeviceKind::Network},
                             {"power", kernel::DeviceKind::Power}, {"virtio", kernel::DeviceKind::Registers}};
  for (const Name& known : kNames) {
    if (!name.starts_with(known.name)) continue;
    const std::string_view digits = name.substr(known.name.size());
    const auto number = base::parse_u64(digits);
    if (!digits.empty() && !number.ok()) continue;
    for (const Device& device : devices_) {
      if (device.kind == known.kind && device.number == (digits.empty() ? 0 : number.value())) return &device;
    }
  }
  return nullptr;
}

// ── The loop ─────────────────────────────────────────────────────────────────────────────────────────────────

u32 Manager::take_reply() {
  if (!free_replies_.empty()) return free_replies_.take_back();
  const u32 slot = slots_.take();
  ASSERT(slot != 0);
  if (retype(small_objects_, kernel::ObjectType::Reply, kSmallObjectBits, own(slot))) return slot;
  const BlockId block = untyped_.take(kSmallBlockBits, slots_);
  ASSERT(block != kNoBlock);  // `spawn` refuses long before the last 4 KiB are gone
  small_objects_ = untyped_.slot_of(block);
  // The block has room. Who waits was promised an answer, so a kernel that refuses for reasons of its own is asked again.
  constexpr u32 kTriesMax = 1000;
  for (u32 tries = 0; !retype(small_objects_, kernel::ObjectType::Reply, kSmallObjectBits, own(slot)); ++tries) {
    ASSERT(tries < kTriesMax);
  }
  return slot;
}

void Manager::serve() {
  Answer answer = Answer::gone();
  for (;;) {
    memory_short_ = !reserve_.keep_ahead(memory_, slots_, untyped_);
    sys::Received received;
    if (answer.ending == Ending::Answered && send_slot_ == 0) {
      received = sys::reply_recv(endpoint_, current_reply_, answer.info);
    } else {
      if (answer.ending == Ending::Answered) {
        complete_with_capability(answer);
      } else if (answer.ending == Ending::Deferred) {
        current_reply_ = take_reply();
      }
      received = sys::recv(endpoint_, current_reply_);
    }
    answer = handle(received);
    if (received_cap_) {
      remove(own(receive_slot_));  // nobody wanted it
      received_cap_ = false;
    }
  }
}

void Manager::complete_with_capability(const Answer& answer) {
  sys::buffer().caps_or_badges[0] = send_slot_;
  sys::send(current_reply_, kernel::MessageInfo{answer.info.word() | u64{1} << 10});
  if (send_temporary_) {
    remove(own(send_slot_));
    slots_.give(send_slot_);
  }
  send_slot_ = 0;
  send_temporary_ = false;
}

void Manager::complete(u32 reply, const Answer& answer) {
  ASSERT(answer.ending == Ending::Answered && reply != current_reply_);
  sys::send(reply, answer.info);
  free_replies_.push_back(reply);
}

Result<u32> Manager::take_slot() {
  const u32 slot = slots_.take();
  if (slot == 0) return fs::fail(ErrorCode::OutOfMemory);
  return slot;
}

void Manager::drop_slot(u32 slot) {
  remove(own(slot));
  slots_.give(slot);
}

Result<u32> Manager::copy_endpoint() {
  const u32 slot = TRY(take_slot());
  MUST_OK(copy(own(slot), own(endpoint_), kRightsWithoutRead));
  return slot;
}

void Manager::complete_parked(u32 reply, u64 label, base::Bytes message) {
  if (message.size() > 0) __builtin_memcpy(sys::buffer().msg, message.data(), message.size());
  const u32 words = static_cast<u32>(message.size() / schema::kWordBytes);
  complete(reply, {Ending::Answered, kernel::MessageInfo::make(label, words, 0, kernel::MessageInfo::kInBuffer)});
}

Result<u32> Manager::keep_received() {
  const u32 slot = slots_.take();
  if (slot == 0) return fs::fail(ErrorCode::OutOfMemory);
  bool kept = false;
  if (received_unwrapped_) {
    kept = mint(own(slot), own(endpoint_), kRightsWithoutRead, received_badge_);
  } else if (received_cap_) {
    kept = move(own(slot), own(receive_slot_));
    received_cap_ = !kept;
  }
  if (kept) return slot;
  slots_.give(slot);
  return fs::fail(ErrorCode::BadArgument);
}

bool Manager::asks_now(const ThreadFacts& thread) const {
  return static_cast<kernel::ThreadState>(thread.state) == kernel::ThreadState::BlockedOnReply &&
         thread.waits_at == inspect_slot(own(current_reply_)).object;
}

/// The manager samples nothing: what the processors did since the last question is spread over the time, in steps of five
/// seconds, each of which fades by e^(−5 s / 1, 5, 15 min), in 1/2048 as everybody's load average does.
Manager::Load Manager::load() {
  constexpr u64 kStepNs = 5'000'000'000;
  constexpr u64 kOne = 2048;
  constexpr u64 kFade[3] = {1884, 2014, 2037};
  constexpr u64 kStepsMax = 4096;  // more than five hours: nothing older is left
  root_realm_->consumed_ns += take_consumed(root_realm_->node_max);
  const u64 steps = (uptime_ns() - load_until_ns_) / kStepNs;
  if (steps == 0) return load_;
  const u64 used = root_realm_->consumed_ns - load_consumed_ns_;
  const u64 busy = used / (kStepNs / kOne) / steps;  // processors busy, in 1/2048, of each step
  for (u64 step = 0; step < std::min(steps, kStepsMax); ++step) {
    for (u32 i = 0; i < 3; ++i) {
      load_.average[i] = (load_.average[i] * kFade[i] + busy * (kOne - kFade[i])) / kOne;
    }
  }
  load_until_ns_ += steps * kStepNs;
  load_consumed_ns_ = root_realm_->consumed_ns;
  return load_;
}

// ── Clock and log ────────────────────────────────────────────────────────────────────────────────────────────

u64 Manager::uptime_ns() {
  if (timer_address_ == 0) return 0;
  return port::call(timer_address_, port::Timer::Now, 0).ok() ? sys::frame().mr[0] : 0;
}

void Manager::log(std::string_view text) {
  char line[320];
  const u64 now_us = uptime_ns() / 1000;
  base::Writer writer(line);
  base::format_to(writer, "[{:5}.{:06}] {}", now_us / 1'000'000, now_us % 1'000'000, text);
  writer.mark_truncation();
  const std::string_view whole = writer.view();
  if (log_.size() + whole.size() + 1 > kLogBytesMax) {
    const u64 dropped = kLogBytesMax / 4;
    log_.erase(0, dropped);
    log_start_ += dropped;
  }
  log_.append({reinterpret_cast<const u8*>(whole.data()), whole.size()});
  log_.push_back('\n');
}

}  // namespace user::root
