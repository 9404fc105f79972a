// sim/host/cli/lonala_terminal.h — this terminal as the terminal of a Lonala prompt, and the machine's ports on the host.
#pragma once
#include <string>

#include "user/lonala/repl.h"

namespace sim::host::cli {

/// Standard output and error, and files of the host by their path. The machine's clock runs as fast as it can, until `live`.
class LonalaPorts final : public user::lonala_program::PromptPorts {
 public:
  void write(u32 stream, base::Bytes bytes) override;
  bool flush() override;
  i64 file_size(std::string_view path) override;
  bool read_file(std::string_view path, base::MutableBytes out) override;
  u64 wait(u64 until_ns) override;
  bool interrupted() override;
  i64 wall_ns(u64 now_ns) override { return start_wall_ns_ + static_cast<i64>(now_ns); }

  /// The wall clock shows this time when the machine's own shows 0.
  void start_wall(i64 wall_ns) { start_wall_ns_ = wall_ns; }

  /// From now on the machine's clock does not run ahead of the host's, and Ctrl-C interrupts a form.
  void live();
  /// What the machine's clock would show if it were read from the host's.
  u64 now_ns() const;

 private:
  i64 start_wall_ns_ = lonala::kStartWallNs;
  bool live_ = false;
  u64 started_ns_ = 0;  // of the host's clock
};

/// A terminal on standard input and output. It is as it was when this is gone.
class HostTerminal final : public user::lonala_program::Terminal {
 public:
  explicit HostTerminal(const LonalaPorts& ports);
  ~HostTerminal();
  HostTerminal(const HostTerminal&) = delete;
  HostTerminal& operator=(const HostTerminal&) = delete;

  u32 columns() override;
  void edit(bool on) override;
  Got read(base::MutableBytes out, u64 until_ns, u64& count) override;
  void write(std::string_view text) override;
  base::String history(base::Allocator& heap) override;
  void remember(std::string_view piece) override;
  void list(std::string_view directory, base::Vector<base::String>& names) override;

 private:
  const LonalaPorts& ports_;
};

}  // namespace sim::host::cli
