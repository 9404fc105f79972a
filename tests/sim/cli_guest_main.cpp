// tests/sim/cli_guest_main.cpp — the `orrery` command with one small program as its guest: it reads lines from the console
// and does what the first word says. Tests of the command run this executable.
#include "sim/host/cli/cli.h"
#include "tests/sim/guest.h"

using namespace guest;

namespace {

constexpr u64 kDisk = 0x15000;
constexpr u64 kDiskData = 0x20000;
constexpr u64 kShared = 0x30000;
u64* shared_word() { return static_cast<u64*>(machine::pointer(kShared, 4096, true)); }

struct Shell {
  Root root;
  u64 notification = root.make(ObjectType::Notification);
  u64 timer_notification = root.make(ObjectType::Notification);
  u64 console_line = line(DeviceKind::Console, notification);
  u64 timer_line = line(DeviceKind::Timer, timer_notification);
  char text[256] = {};
  u64 length = 0;

  u64 line(DeviceKind kind, u64 to) {
    const u64 handler = root.next_slot++;
    ASSERT(sys::invoke(kRootIrqControl, Invoke::IrqControlGet, {root.device(kind).irq, 0, handler, 64}, {kRootCNode})
               .ok());
    ASSERT(sys::invoke(handler, Invoke::IrqHandlerSetNotification, {}, {to}).ok());
    ASSERT(sys::invoke(handler, Invoke::IrqHandlerAck, {}).ok());
    return handler;
  }
  /// The next byte of input; −1 at the end.
  i32 next() {
    for (;;) {
      sys::frame().mr[0] = 1;
      port::call(kConsole, port::Console::Read);
      if (sys::frame().mr[0] == 1) return *reinterpret_cast<const u8*>(sys::buffer().msg);
      if (sys::frame().mr[1] != 0) return -1;
      sys::invoke(console_line, Invoke::IrqHandlerAck, {});
      sys::wait(notification);
    }
  }
  bool read_line() {
    length = 0;
    for (;;) {
      const i32 byte = next();
      if (byte < 0) return length > 0;
      if (byte == '\n' || byte == '\r') return true;
      if (length < sizeof text) text[length++] = static_cast<char>(byte);
    }
  }
  u64 data_address = 0;  // of the disk's page, in the node's memory
  /// One sector of the first disk, to or from kDiskData.
  void transfer(port::BlockOp op) {
    if (data_address == 0) {
      root.map_device(DeviceKind::Block, kDisk);
      const u64 frame = root.make(ObjectType::Frame, 12);
      root.map(frame, kDiskData);
      ASSERT(sys::invoke(frame, Invoke::FrameGetAddress, {}).ok());
      data_address = sys::frame().mr[0];
    }
    sys::frame().mr[0] = static_cast<u64>(op);
    sys::frame().mr[1] = 0;
    sys::frame().mr[2] = 1;
    sys::frame().mr[3] = data_address;
    ASSERT(port::call(kDisk, port::Block::Submit).ok());
    while (port::call(kDisk, port::Block::Complete).info.length() == 0) sleep(100'000);
    ASSERT(sys::frame().mr[0] >> 32 == static_cast<u64>(port::BlockStatus::Ok));
  }
  char* data() { return static_cast<char*>(machine::pointer(kDiskData, 512, true)); }
  void sleep(u64 ns) {
    sys::frame().mr[0] = now() + ns;
    port::call(kTimer, port::Timer::Arm);
    sys::invoke(timer_line, Invoke::IrqHandlerAck, {});
    sys::wait(timer_notification);
  }
};

void shell(const u64 (&)[8]) {
  Shell shell;
  while (shell.read_line()) {
    const std::string_view line{shell.text, shell.length};
    const std::string_view word = line.substr(0, line.find(' '));
    const std::string_view rest = word.size() < line.size() ? line.substr(word.size() + 1) : std::string_view{};
    if (word == "echo") {
      print(rest);
      print("\n");
    } else if (word == "exit") {
      halt(static_cast<u64>(rest.empty() ? 0 : rest[0] - '0'));
    } else if (word == "spin") {
      for (volatile u64 zero = 0;;) zero = zero + 1;
    } else if (word == "work") {
      for (u32 i = 0; i < 20'000; ++i) {
        machine::charge(1000);
        if (i % 10 == 0) sys::yield();
      }
    } else if (word == "sleep") {
      shell.sleep(1'000'000'000);
    } else if (word == "time") {
      print_number(now());
      print("\n");
    } else if (word == "store") {  // on the first disk, not made durable
      shell.transfer(port::BlockOp::Read);
      __builtin_memset(shell.data(), 0, 256);
      __builtin_memcpy(shell.data(), rest.data(), rest.size());
      shell.transfer(port::BlockOp::Write);
    } else if (word == "load") {
      shell.transfer(port::BlockOp::Read);
      print(shell.data());
      print("\n");
    } else if (word == "random") {
      sys::frame().mr[0] = 8;
      port::call(kEntropy, port::Entropy::Read);
      print_number(10'000 + sys::buffer().msg[0] % 10'000);  // always five digits
      print("\n");
    } else if (word == "roll") {  // ends with a status from 0 to 3 that the seed draws
      sys::frame().mr[0] = 8;
      port::call(kEntropy, port::Entropy::Read);
      halt(sys::buffer().msg[0] % 4);
    } else if (word == "embrace") {  // calls a thread that sends back before it answers
      const u64 there = shell.root.make(ObjectType::Endpoint);
      const u64 back = shell.root.make(ObjectType::Endpoint);
      const u64 reply = shell.root.make(ObjectType::Reply);
      shell.root.spawn(1, {there, back, shell.root.make(ObjectType::Reply)});
      sys::recv(back, reply);
      sys::call(there, MessageInfo::make(0, 1));
    } else if (word == "rank") {  // right as long as the writer, which is above the reader, comes first
      shell.root.map(shell.root.make(ObjectType::Frame, 12), kShared);
      const u64 done = shell.root.make(ObjectType::Endpoint);
      shell.root.spawn(2, {done}, 100);
      shell.root.spawn(3, {done}, 101);
      const u64 reply = shell.root.make(ObjectType::Reply);
      for (u32 i = 0; i < 2; ++i) sys::recv(done, reply);
    } else if (word == "hang") {
      sys::wait(shell.root.make(ObjectType::Notification));
    } else {
      print("?\n");
    }
  }
  halt(0);
}

/// Says that it is there, takes a call, and sends to its caller, who waits for the reply.
void embracing(const u64 (&arguments)[8]) {
  sys::send(arguments[1], MessageInfo::make(0, 1));
  sys::recv(arguments[0], arguments[2]);
  sys::send(arguments[1], MessageInfo::make(0, 1));
}

void reading(const u64 (&arguments)[8]) {
  if (*shared_word() == 0) halt(6);
  sys::send(arguments[0], MessageInfo::make(0, 0));
}

void writing(const u64 (&arguments)[8]) {
  machine::charge(5000);
  *shared_word() = 1;
  sys::send(arguments[0], MessageInfo::make(0, 0));
}

constexpr machine::NativeEntry kEntries[] = {
    {"shell", shell}, {"embracing", embracing}, {"reading", reading}, {"writing", writing}};

}  // namespace

int main(int argc, char** argv) {
  const sim::host::cli::Guest guest{kEntries, {}};
  return sim::host::cli::command(guest, argc, argv);
}
