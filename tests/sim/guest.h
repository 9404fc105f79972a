// tests/sim/guest.h — what the test programs inside a world are written with: device ports, objects and threads straight
// from system calls. Everything lies in the root task's address space, below 2 MiB where tables exist.
#pragma once
#include <string_view>

#include "base/assert.h"
#include "kernel-model/ports.h"

namespace guest {

using namespace kernel;

constexpr u64 kConsole = 0x10000;
constexpr u64 kTimer = 0x11000;
constexpr u64 kWorld = 0x12000;
constexpr u64 kEntropy = 0x13000;
constexpr u64 kPower = 0x14000;
constexpr u64 kBuffers = 0x40000;  // IPC buffers of further threads, 8 KiB each

inline const BootInfo& boot_info() {
  return *static_cast<const BootInfo*>(machine::pointer(kBootInfoAddress, sizeof(BootInfo), false));
}

/// The root task's bookkeeping; lives on its stack.
struct Root {
  u64 next_slot = boot_info().empty.first;
  u64 next_buffer = 0;
  u64 untyped = 0;

  Root() {
    const BootInfo& info = boot_info();
    u8 best = 0;
    u32 index = 0;
    for (u32 i = 0; i < info.untyped_count; ++i) {
      if (info.untypeds[i].device != 0) continue;
      if (info.untypeds[i].bits > best) {
        best = info.untypeds[i].bits;
        untyped = info.ram_untypeds.first + index;
      }
      index += 1;
    }
    map_device(DeviceKind::Console, kConsole);
    map_device(DeviceKind::Timer, kTimer);
    map_device(DeviceKind::World, kWorld);
    map_device(DeviceKind::Entropy, kEntropy);
    map_device(DeviceKind::Power, kPower);
  }

  u64 retype_from(u64 source, ObjectType type, u64 size_bits) {
    const u64 slot = next_slot;
    next_slot += 1;
    const sys::Answer answer =
        sys::invoke(source, Invoke::UntypedRetype, {static_cast<u64>(type), size_bits, 0, 0, slot, 1}, {kRootCNode});
    ASSERT(answer.ok());
    return slot;
  }
  u64 make(ObjectType type, u64 size_bits = 0) { return retype_from(untyped, type, size_bits); }

  void map(u64 frame, u64 address) {
    const sys::Answer answer =
        sys::invoke(frame, Invoke::FrameMap, {address, kRightRead | kRightWrite, 0}, {kRootVSpace});
    ASSERT(answer.ok());
  }

  const BootDevice& device(DeviceKind kind) {
    const BootInfo& info = boot_info();
    for (u32 i = 0; i < info.device_count; ++i) {
      if (info.devices[i].kind == static_cast<u32>(kind)) return info.devices[i];
    }
    UNREACHABLE("every node has all devices");
  }
  void map_device(DeviceKind kind, u64 address) { map(retype_from(device(kind).slot, ObjectType::Frame, 12), address); }

  /// A started thread with its own scheduling context and IPC buffer. Returns its TCB's slot.
  u64 spawn(u64 entry, std::initializer_list<u64> arguments, u64 priority = 100, u64 fault_endpoint = 0, u64 home = 0,
            u64 stack_bytes = 64 << 10) {
    const u64 tcb = make(ObjectType::Tcb);
    const u64 sc = make(ObjectType::SchedContext, 8);
    const u64 frame = make(ObjectType::Frame, 13);
    const u64 buffer = kBuffers + next_buffer * 0x2000;
    next_buffer += 1;
    map(frame, buffer);
    ASSERT(sys::invoke(kRootSchedControl, Invoke::SchedControlConfigure, {5'000'000, 5'000'000, 0, 0, 0, home}, {sc})
               .ok());
    ASSERT(sys::invoke(tcb, Invoke::TcbConfigure, {0, buffer}, {kRootCNode, kRootVSpace, frame}).ok());
    ASSERT(sys::invoke(tcb, Invoke::TcbSetEngine, {static_cast<u64>(EngineKind::Native)}).ok());
    ASSERT(sys::invoke(tcb, Invoke::TcbSetSchedParams, {255, priority}, {kRootTcb, sc, fault_endpoint}).ok());
    u64 registers[18] = {};
    registers[0] = entry;
    registers[2] = stack_bytes;
    u32 index = 10;
    for (const u64 argument : arguments) registers[index++] = argument;
    ASSERT(sys::invoke(tcb, Invoke::TcbWriteRegisters,
                       {1,
                        18,
                        registers[0],
                        registers[1],
                        registers[2],
                        registers[3],
                        registers[4],
                        registers[5],
                        registers[6],
                        registers[7],
                        registers[8],
                        registers[9],
                        registers[10],
                        registers[11],
                        registers[12],
                        registers[13],
                        registers[14],
                        registers[15],
                        registers[16],
                        registers[17]})
               .ok());
    return tcb;
  }
};

inline void print(std::string_view text) {
  __builtin_memcpy(sys::buffer().msg, text.data(), text.size());
  sys::frame().mr[0] = text.size();
  port::call(kConsole, port::Console::Write);
}
inline void print_number(u64 value) {
  char text[24];
  u32 at = sizeof text;
  do {
    at -= 1;
    text[at] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  print({text + at, sizeof text - at});
}
inline void halt(u64 status) {
  sys::frame().mr[0] = status;
  port::call(kPower, port::Power::Halt);
}
inline u64 now() {
  port::call(kTimer, port::Timer::Now);
  return sys::frame().mr[0];
}

}  // namespace guest
