// kernel-model/boot.cpp — what a node's memory holds before its first entry: the kernel region, the root task with all
// of its capabilities, boot information, boot image, and every other byte of RAM as Untyped.
#include "kernel-model/cspace.h"
#include "kernel-model/sched.h"
#include "kernel-model/untyped.h"
#include "kernel-model/vspace.h"

#include "base/enforce.h"

namespace kernel {

namespace {

constexpr u8 kRootPriority = 255;
constexpr u64 kRootSliceNs = 5'000'000;
constexpr u32 kRootGuardBits = 64 - kRootCNodeRadix;
constexpr u32 kStackPointerWord = 2;  // x2 among pc, x1, x2…
constexpr u32 kLargeFrameBits = 21;
constexpr u32 kSmallFrameBits = 13;
constexpr u64 kSmallFramesMax = 16;  // a longer rest of the image takes one more large frame
constexpr u64 kImageBytesMax = u64{256} << 20;
constexpr u32 kBootVersion = 1;
constexpr u32 kReservationsMax = 4;

/// The image lies in large frames, and what is left in small ones.
struct ImageLayout {
  u64 large_count = 0;
  u64 small_count = 0;
  u64 bytes() const { return (large_count << kLargeFrameBits) + (small_count << kSmallFrameBits); }
};
ImageLayout layout_image(u64 bytes) {
  ImageLayout layout{.large_count = bytes >> kLargeFrameBits};
  const u64 rest = bytes & ((u64{1} << kLargeFrameBits) - 1);
  layout.small_count = base::align_up(rest, u64{1} << kSmallFrameBits) >> kSmallFrameBits;
  if (layout.small_count > kSmallFramesMax) {
    layout.small_count = 0;
    layout.large_count += 1;
  }
  return layout;
}

/// Where everything goes. Ranges in ascending order, so that the gaps between them are the Untypeds.
struct Range {
  u64 start = 0;
  u64 end = 0;
};
struct Layout {
  u32 region_end = 0;
  u32 tcb = 0;
  u32 sched_context = 0;
  u32 reply = 0;
  u32 boot_info = 0;
  u32 asid_pool = 0;
  u32 buffer = 0;
  u32 vspace = 0;
  u32 tables[3] = {};  // level 1; level 0 of the first 2 MiB; level 0 of the image's small frames
  u32 table_count = 2;
  u32 cnode = 0;
  u64 image = 0;
  ImageLayout image_layout;
  Range used[kReservationsMax];
  u32 used_count = 0;
};

/// Gives out aligned memory upwards; a gap ends one used range and begins the next.
class Bump {
 public:
  explicit Bump(Layout& layout, u64 start) : layout_(layout), at_(start), start_(0) {}
  u32 take(u64 bytes, u64 alignment) {
    const u64 aligned = base::align_up(at_, alignment);
    if (aligned != at_) {
      close();
      start_ = aligned;
    }
    at_ = aligned + bytes;
    return static_cast<u32>(aligned);
  }
  void close() {
    ASSERT(layout_.used_count < kReservationsMax);
    layout_.used[layout_.used_count++] = {start_, at_};
  }
  u64 end() const { return at_; }

 private:
  Layout& layout_;
  u64 at_;
  u64 start_;
};

Layout plan_layout(const BootConfig& config) {
  Layout layout;
  layout.region_end = kCoreStatesOffset + config.core_count * static_cast<u32>(sizeof(CoreState));
  layout.image_layout = layout_image(config.image.size());
  layout.table_count = layout.image_layout.small_count > 0 ? 3 : 2;
  Bump bump{layout, layout.region_end};
  // 4 KiB objects first, so that the 8 KiB ones after them need at most one gap.
  layout.boot_info = bump.take(4096, 4096);
  layout.asid_pool = bump.take(sizeof(AsidPool), sizeof(AsidPool));
  // One page for the small objects: 2048 TCB, 256 SchedContext, 64 Reply; the rest of the page becomes Untypeds.
  layout.tcb = bump.take(sizeof(Tcb), 4096);
  layout.sched_context = bump.take(u64{1} << kSchedContextMinBits, u64{1} << kSchedContextMinBits);
  layout.reply = bump.take(sizeof(Reply), sizeof(Reply));
  layout.buffer = bump.take(sizeof(IpcBuffer), sizeof(IpcBuffer));
  layout.vspace = bump.take(sizeof(VSpace), sizeof(VSpace));
  for (u32 i = 0; i < layout.table_count; ++i) layout.tables[i] = bump.take(sizeof(PageTable), sizeof(PageTable));
  constexpr u64 kRootCNodeBytes = u64{1} << (kRootCNodeRadix + kSlotBits);
  layout.cnode = bump.take(kRootCNodeBytes, kRootCNodeBytes);
  if (layout.image_layout.bytes() > 0) {
    const u32 bits = layout.image_layout.large_count > 0 ? kLargeFrameBits : kSmallFrameBits;
    layout.image = bump.take(layout.image_layout.bytes(), u64{1} << bits);
  }
  bump.close();
  return layout;
}

base::Result<void, BootError> check_config(u64 ram_bytes, const BootConfig& config, const Layout& layout) {
  using Code = BootError::Code;
  if (ram_bytes < kRamBytesMin || ram_bytes > kRamBytesMax || ram_bytes % kRamBytesMultiple != 0) {
    return BootError{Code::RamSize, ram_bytes};
  }
  if (config.core_count < 1 || config.core_count > kCoresMax) return BootError{Code::CoreCount, config.core_count};
  if (config.devices.size() > kBootDevicesMax) return BootError{Code::TooManyDevices, config.devices.size()};
  for (std::size_t i = 0; i < config.devices.size(); ++i) {
    const DeviceConfig& device = config.devices[i];
    const bool size_ok = device.window_bits >= 12 && device.window_bits < 29;
    if (!size_ok || device.window_offset < kDeviceWindowsStart) return BootError{Code::DeviceWindow, i};
    const u64 bytes = u64{1} << device.window_bits;
    if (!base::is_aligned(device.window_offset, bytes)) return BootError{Code::DeviceWindow, i};
    if (device.irq != kNoIrq && device.irq >= kIrqMax) return BootError{Code::DeviceWindow, i};
    for (std::size_t j = 0; j < i; ++j) {
      const DeviceConfig& other = config.devices[j];
      const u64 other_end = other.window_offset + (u64{1} << other.window_bits);
      if (device.window_offset < other_end && other.window_offset < device.window_offset + bytes) {
        return BootError{Code::DeviceWindow, i};
      }
    }
  }
  const u64 end = layout.used[layout.used_count - 1].end;
  if (config.image.size() > kImageBytesMax || end > ram_bytes) {
    return BootError{Code::ImageTooLarge, config.image.size()};
  }
  return {};
}

/// Builds the root task in a node's memory. Each step uses only what earlier ones made.
class Builder {
 public:
  Builder(Kernel& kernel, const BootConfig& config, const Layout& layout)
      : kernel_(kernel), config_(config), layout_(layout), anchor_(kernel.ref_of(kernel.header().anchor)) {}

  void build() {
    write_region();
    make_root_objects();
    make_frames();
    make_device_untypeds();
    make_ram_untypeds();
    make_address_space();
    info().empty = {next_slot_, 1u << kRootCNodeRadix};
    start_root_thread();
  }

 private:
  Ref<Slot> slot(u32 index) const { return Ref<Slot>{layout_.cnode + (index << kSlotBits)}; }
  BootInfo& info() { return kernel_.at(Ref<BootInfo>{layout_.boot_info}); }
  Tcb& root() { return kernel_.at(Ref<Tcb>{layout_.tcb}); }

  void insert(u32 index, const Cap& cap) { cspace::insert_child(kernel_, anchor_, slot(index), cap); }
  u32 append(const Cap& cap) {
    insert(next_slot_, cap);
    return next_slot_++;
  }
  void make(u32 index, ObjectType type, u32 size_bits, u32 offset) {
    untyped::initialise_object(kernel_, type, size_bits, offset);
    insert(index, untyped::full_cap(type, size_bits, offset, false));
  }

  void write_region() {
    KernelHeader& header = kernel_.header();
    header.magic = kKernelMagic;
    header.version = kKernelFormatVersion;
    header.core_count = config_.core_count;
    header.ram_bytes = kernel_.ram_bytes();
    header.region_end = layout_.region_end;
    header.node_id = config_.node_id;
    header.stealing = config_.stealing ? 1 : 0;
    header.one_level = config_.one_level ? kRootPriority : 0;
    header.anchor.cap.type = CapType::Anchor;
  }

  void make_root_objects() {
    // The CNode first: the slots of all others lie in it. Its cap resolves a slot's number as its address.
    insert(kRootCNode,
           Cap{.type = CapType::CNode, .bits = kRootCNodeRadix, .flags = kRootGuardBits, .object = layout_.cnode});
    make(kRootTcb, ObjectType::Tcb, 0, layout_.tcb);
    make(kRootVSpace, ObjectType::VSpace, 0, layout_.vspace);
    insert(kRootIrqControl, Cap{.type = CapType::IrqControl});
    insert(kRootAsidControl, Cap{.type = CapType::AsidControl});
    vspace::initialise_pool(kernel_, Ref<AsidPool>{layout_.asid_pool}, 0);
    insert(kRootAsidPool, Cap{.type = CapType::AsidPool, .object = layout_.asid_pool});
    insert(kRootSchedControl, Cap{.type = CapType::SchedControl, .data = u64{config_.core_count} << 16});
    make(kRootSchedContext, ObjectType::SchedContext, kSchedContextMinBits, layout_.sched_context);
    make(kRootBootInfo, ObjectType::Frame, 12, layout_.boot_info);
    make(kRootIpcBuffer, ObjectType::Frame, kIpcBufferBits, layout_.buffer);
    make(kRootReply, ObjectType::Reply, 0, layout_.reply);
  }

  void make_frames() {
    BootInfo& boot = info();
    boot.magic = kBootInfoMagic;
    boot.version = kBootVersion;
    boot.node_id = config_.node_id;
    boot.core_count = config_.core_count;
    boot.ram_bytes = kernel_.ram_bytes();
    boot.ipc_buffer_address = kRootBufferAddress;
    boot.image_bytes = static_cast<u32>(config_.image.size());
    if (!config_.image.empty())
      __builtin_memcpy(kernel_.ram() + layout_.image, config_.image.data(), config_.image.size());
    boot.image_frames.first = next_slot_;
    const ImageLayout& image = layout_.image_layout;
    u64 at = layout_.image;
    for (u64 i = 0; i < image.large_count + image.small_count; ++i) {
      const u32 bits = i < image.large_count ? kLargeFrameBits : kSmallFrameBits;
      append(untyped::full_cap(ObjectType::Frame, bits, static_cast<u32>(at), false));
      at += u64{1} << bits;
    }
    boot.image_frames.end = next_slot_;
  }

  void make_device_untypeds() {
    BootInfo& boot = info();
    boot.device_untypeds.first = next_slot_;
    for (const DeviceConfig& device : config_.devices) {
      add_untyped(device.window_offset, device.window_bits, true);
      boot.devices[boot.device_count++] = BootDevice{.kind = static_cast<u32>(device.kind),
                                                     .irq = device.irq,
                                                     .slot = next_slot_ - 1,
                                                     .window_offset = device.window_offset,
                                                     .window_bytes = 1u << device.window_bits,
                                                     .reserved = 0};
    }
    boot.device_untypeds.end = next_slot_;
  }

  void add_untyped(u64 offset, u32 bits, bool device) {
    BootInfo& boot = info();
    ASSERT(boot.untyped_count < kBootUntypedsMax);
    append(untyped::full_cap(ObjectType::Untyped, bits, static_cast<u32>(offset), device));
    boot.untypeds[boot.untyped_count++] =
        BootUntyped{static_cast<u32>(offset), static_cast<u8>(bits), static_cast<u8>(device ? 1 : 0), 0};
  }

  /// The fewest aligned power-of-two blocks of a range, ascending.
  void add_range(u64 start, u64 end) {
    while (start < end) {  // each block at least doubles until the largest, then halves: ≤ 2 × 31 rounds
      u32 bits = start == 0 ? kMaxUntypedBits : static_cast<u32>(__builtin_ctzll(start));
      if (bits > kMaxUntypedBits) bits = kMaxUntypedBits;
      while (start + (u64{1} << bits) > end) bits -= 1;
      ASSERT(bits >= kMinUntypedBits);
      add_untyped(start, bits, false);
      start += u64{1} << bits;
    }
  }

  void make_ram_untypeds() {
    info().ram_untypeds.first = next_slot_;
    for (u32 i = 0; i < layout_.used_count; ++i) {
      const u64 gap_end = i + 1 < layout_.used_count ? layout_.used[i + 1].start : kernel_.ram_bytes();
      add_range(layout_.used[i].end, gap_end);
    }
    info().ram_untypeds.end = next_slot_;
  }

  /// Maps boot information, IPC buffer and image; the tables' caps follow the Untypeds.
  void make_address_space() {
    const Ref<VSpace> space{layout_.vspace};
    const bool assigned = vspace::assign_asid(kernel_, Ref<AsidPool>{layout_.asid_pool}, space, 1);
    ASSERT(assigned);
    const ImageLayout& image = layout_.image_layout;
    const u64 small_address = kBootImageAddress + (image.large_count << kLargeFrameBits);
    const u64 addresses[3] = {0, 0, small_address};
    for (u32 i = 0; i < layout_.table_count; ++i) {
      const u32 index = next_slot_++;
      make(index, ObjectType::PageTable, 0, layout_.tables[i]);
      // The small frames may lie in the first 2 MiB after the image's start, whose table is none of the others'.
      MUST(vspace::map_table(kernel_, slot(index), space, addresses[i]));
    }
    MUST(vspace::map_frame(kernel_, slot(kRootBootInfo), space, kBootInfoAddress, kRightRead, 0));
    MUST(vspace::map_frame(kernel_, slot(kRootIpcBuffer), space, kRootBufferAddress, kRightRead | kRightWrite, 0));
    u64 address = kBootImageAddress;
    const SlotRange frames = info().image_frames;
    for (u32 i = frames.first; i < frames.end; ++i) {
      MUST(vspace::map_frame(kernel_, slot(i), space, address, kRightRead, kMapExecute));
      address += u64{1} << kernel_.at(slot(i)).cap.bits;
    }
  }

  void give_thread(TcbSlot place, u32 index) {
    const Ref<Slot> source = slot(index);
    const Cap cap = MUST(cspace::derive(kernel_, source, kRightsAll));
    cspace::insert_child(kernel_, source, kernel_.ref_of(root().slots[place]), cap);
  }

  void start_root_thread() {
    give_thread(kTcbCSpace, kRootCNode);
    give_thread(kTcbVSpace, kRootVSpace);
    give_thread(kTcbBuffer, kRootIpcBuffer);
    Tcb& thread = root();
    thread.priority = kRootPriority;
    thread.mcp = kRootPriority;
    thread.engine = static_cast<u8>(EngineKind::Native);
    thread.buffer_vaddr = kRootBufferAddress;
    thread.context[kStackPointerWord] = config_.root_stack_bytes;
    __builtin_memcpy(thread.name, "root", 4);
    SchedContext& sc = kernel_.at(Ref<SchedContext>{layout_.sched_context});
    sc.period = kRootSliceNs;  // equal to the budget: round robin
    sc.budget = kRootSliceNs;
    sc.slice_left = kRootSliceNs;
    sc.refill_max = kRefillsMin;
    sc.core_count = 1;  // core 0 only
    sc.depth = 1;
    const Ref<Tcb> ref{layout_.tcb};
    kernel_.machine().thread_reset(ref);
    thread.state = ThreadState::Running;
    sched::bind_tcb(kernel_, Ref<SchedContext>{layout_.sched_context}, ref);
  }

  Kernel& kernel_;
  const BootConfig& config_;
  const Layout& layout_;
  Ref<Slot> anchor_;
  u32 next_slot_ = kRootFirstFree;
};

}  // namespace

Kernel::Kernel(base::MutableBytes ram, const CostTable& costs, base::EventSink events, MachinePort& machine)
    : ram_(ram.data()), ram_bytes_(ram.size()), costs_(costs), events_(events), machine_(machine) {
  if (header().magic == kKernelMagic) log_ = events_.log;  // over memory that was booted before
}

base::Result<void, BootError> Kernel::check(const BootConfig& config) const {
  if (config.core_count > kCoresMax) return BootError{BootError::Code::CoreCount, config.core_count};
  if (config.image.size() > kImageBytesMax) return BootError{BootError::Code::ImageTooLarge, config.image.size()};
  return check_config(ram_bytes_, config, plan_layout(config));
}

base::Result<void, BootError> Kernel::boot(const BootConfig& config) {
  TRY(check(config));
  const Layout layout = plan_layout(config);
  ASSERT(header().magic == 0);  // once, on zeroed memory
  entry_ = EntryState{};
  log_ = nullptr;
  Builder{*this, config, layout}.build();
  log_ = events_.log;
  return {};
}

void Kernel::emit_record(const base::EventRecord& record) { events_(record); }

}  // namespace kernel
