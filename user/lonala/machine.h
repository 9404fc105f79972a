// user/lonala/machine.h — the LISP machine in a native process: its memory out of the process's arena, its output on the
// process's descriptors, its clock the node's. What it works is charged; when it has nothing to do, the process sleeps in
// the kernel until the machine's next timer.
#pragma once
#include "user/lib/tool.h"
#include "user/lonala/helpers.h"
#include "user/lonala/properties.h"
#include "user/lonala/repl.h"

namespace user::lonala_program {

constexpr u64 kMemoryDefault = u64{16} << 20;

class SystemPorts final : public PromptPorts {
 public:
  explicit SystemPorts(Process& process)
      : process_(process),
        out_(process, kStdout),
        files_(process, &Helpers::make(process)),
        file_(process.heap()),
        properties_(process.heap()) {}

  void write(u32 stream, base::Bytes bytes) override;
  i64 file_size(std::string_view path) override;
  bool read_file(std::string_view path, base::MutableBytes out) override;
  u64 worked(u64 now_ns) override;
  u64 wait(u64 until_ns) override;

  lonala::Files* files() override;
  i64 wall_ns(u64 now_ns) override;
  void property_declared(std::string_view kind, std::string_view name) override { properties_.declare(kind, name); }
  void property_reported(std::string_view kind, std::string_view name, bool holds, std::string_view detail) override {
    properties_.report(kind, name, holds, detail);
  }

  /// The machine's wall clock shows `wall_ns` when its own shows `now_ns`.
  void set_wall(i64 wall_ns, u64 now_ns);
  /// The time now, for the machine to begin with.
  u64 start();
  bool flush() override { return out_.flush(); }

 private:
  Process& process_;
  Output out_;
  SystemFiles files_;
  base::String file_;  // what file_size found
  Properties properties_;
  u64 paid_ns_ = 0;    // the machine's time up to which it was charged
  u64 looked_ns_ = 0;  // when the node's clock was looked at
  bool own_wall_ = false;
  i64 wall_offset_ns_ = 0;  // of an own wall clock: what is added to the machine's
};

/// A machine with its library, or a null root: the reason has been told.
lonala::Vm make_machine(Process& process, SystemPorts& ports, u64 bytes, lonala::MachineOptions options);

}  // namespace user::lonala_program
