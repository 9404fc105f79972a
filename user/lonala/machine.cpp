#include "user/lonala/machine.h"

#include <algorithm>

#include "kernel-model/machine.h"

#include "base/enforce.h"

namespace user::lonala_program {
namespace {

constexpr u64 kFileBytesMax = u64{16} << 20;
// The machine counts its own work; what others do meanwhile it learns when it looks at the clock.
constexpr u64 kLookEveryNs = 1'000'000;

}  // namespace

void SystemPorts::write(u32 stream, base::Bytes bytes) {
  if (holds(bytes)) return;
  if (stream == 1) return out_.text(base::text_of(bytes));
  out_.flush();
  // Nobody is left to be told that errors cannot be told.
  static_cast<void>(process_.write(kStderr, bytes));
}

i64 SystemPorts::file_size(std::string_view path) {
  auto text = process_.read_file(path, kFileBytesMax);
  if (!text.ok()) return -1;
  file_ = std::move(text).take();
  return static_cast<i64>(file_.size());
}

bool SystemPorts::read_file(std::string_view, base::MutableBytes out) {
  const bool whole = out.size() == file_.size();
  if (whole && !out.empty()) __builtin_memcpy(out.data(), file_.view().data(), out.size());
  file_ = base::String(process_.heap());
  return whole;
}

lonala::Files* SystemPorts::files() {
  out_.flush();  // what was written before comes before what a file or a command writes
  return &files_;
}

i64 SystemPorts::wall_ns(u64 now_ns) {
  return own_wall_ ? static_cast<i64>(now_ns) + wall_offset_ns_ : process_.wall_ns();
}

void SystemPorts::set_wall(i64 wall_ns, u64 now_ns) {
  own_wall_ = true;
  wall_offset_ns_ = wall_ns - static_cast<i64>(now_ns);
}

u64 SystemPorts::start() {
  paid_ns_ = looked_ns_ = process_.uptime_ns();
  return paid_ns_;
}

u64 SystemPorts::worked(u64 now_ns) {
  if (now_ns > paid_ns_) machine::charge(now_ns - paid_ns_);
  process_.work(0);  // notes are met here
  paid_ns_ = now_ns;
  if (now_ns - looked_ns_ < kLookEveryNs) return now_ns;
  paid_ns_ = looked_ns_ = std::max(now_ns, process_.uptime_ns());
  return paid_ns_;
}

u64 SystemPorts::wait(u64 until_ns) {
  out_.flush();
  const u64 now_ns = process_.uptime_ns();
  // A note ends the sleep early; the machine then waits again.
  if (now_ns < until_ns) static_cast<void>(process_.sleep(until_ns - now_ns));
  paid_ns_ = looked_ns_ = process_.uptime_ns();
  return paid_ns_;
}

lonala::Vm make_machine(Process& process, SystemPorts& ports, u64 bytes, lonala::MachineOptions options) {
  void* grant = process.heap().try_allocate(bytes, alignof(lonala::Root));
  if (grant == nullptr) {
    report(process, {}, Error(ErrorCode::OutOfMemory));
    return {};
  }
  options.now_ns = ports.start();
  lonala::Vm vm = lonala::machine_create(static_cast<u8*>(grant), bytes, ports, options);
  if (vm.root != nullptr) vm.root->now_ns = ports.worked(vm.root->now_ns);
  return vm;
}

}  // namespace user::lonala_program
