// sim/host/cli/boot_machine.h — the bare machines under QEMU: how each is started, and the frames it answers in.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/events.h"
#include "sim/model/plan.h"
#include "sim/model/world.h"

namespace sim::host::cli {

/// One machine as QEMU knows it.
struct BootMachine {
  std::string_view name;
  std::string_view qemu;     // program
  std::string_view package;  // of Debian that has it, with its firmware
  std::string_view image;    // boot/<image> is its code
  std::string_view suffix;   // of the image file: orrery-IMAGE SUFFIX
  u64 plan_address = 0;      // as boot/<image> has it; 0: the plan goes where QEMU puts an initial RAM disk
  std::vector<std::string> arguments;
  bool has_virtio = false;  // over memory-mapped registers: what the image has drivers for
  /// What QEMU's own exit status says about the machine's.
  int (*status_of)(int qemu_status) = nullptr;
};
std::span<const BootMachine> boot_machines();
const BootMachine* find_boot_machine(std::string_view name);

/// The image for `machine` that belongs to this executable: beside it, or in the build folder of its own beside that.
/// Empty when there is none.
std::string boot_image_path(const BootMachine& machine);
/// Where a program is on the PATH; empty: nowhere.
std::string find_program(std::string_view name);

/// A machine with a node of `ram_bytes` and `disk_bytes` of disks: memory QEMU is to give it, in MiB.
u64 machine_memory_mib(u64 ram_bytes, u64 disk_bytes);

/// One line of progress, and the end of a run.
struct BareRoot {
  u64 epoch = 0;
  u64 events = 0;
  base::Digest root;
};
struct BareEnd {
  Outcome outcome = Outcome::Ended;
  u64 status = 0;
  u64 events = 0;
  u64 virtual_ns = 0;
  bool tainted = false;
  base::Digest root;
};

/// What to do with the frames as they come. False from `root` or `leaves`: seen enough, the machine is stopped.
struct FrameHandlers {
  std::function<void(base::Bytes)> console;
  std::function<void(std::string_view)> text;
  std::function<bool(const BareRoot&)> root;
  std::function<void(const base::Event&)> event;
  std::function<bool(std::vector<base::Digest>)> leaves;
};

/// Takes a machine's serial output apart. Bytes before the first frame are kept as `preamble`.
class FrameReader {
 public:
  explicit FrameReader(const FrameHandlers& handlers) : handlers_(handlers) {}
  /// False: a handler has seen enough, or what came is no frame (`broken`).
  bool take(base::Bytes bytes);

  bool begun() const { return begun_; }
  bool broken() const { return broken_; }
  bool ended() const { return ended_; }
  int failed_status() const { return failed_status_; }  // −1: it did not give up
  const BareEnd& end() const { return end_; }
  const std::string& preamble() const { return preamble_; }

 private:
  bool frame(FrameKind kind, base::Bytes payload);
  const FrameHandlers& handlers_;
  std::string preamble_;
  std::string pending_;
  BareEnd end_;
  bool begun_ = false;
  bool broken_ = false;
  bool ended_ = false;
  int failed_status_ = -1;
};

enum class QemuEnd : u8 { Exited, Stopped, Limit, Interrupted, NotStarted };
struct QemuResult {
  QemuEnd how = QemuEnd::Exited;
  int machine_status = -1;  // Exited: what the machine told; −1: it did not
};

/// How to start it.
struct QemuStart {
  const BootMachine* machine = nullptr;
  std::string program;
  std::string image;
  u64 memory_mib = 256;
  std::string plan;  // bytes; empty: none, the machine is live
  std::string disk;  // live: an image file, raw; empty: none
  u64 limit_s = 600;
};

/// Runs a machine and hands over what it writes; `output` returning false stops it. SIGINT and SIGTERM stop it too.
QemuResult run_qemu(const QemuStart& start, const std::function<bool(base::Bytes)>& output);
/// Runs a machine at this terminal, raw; Ctrl-] q leaves.
QemuResult attach_qemu(const QemuStart& start);

}  // namespace sim::host::cli
