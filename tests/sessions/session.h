// tests/sessions/session.h — one node with the programs of this build, and somebody at its console: a script that is read
// to its end, or keys typed at a terminal of 80 by 25 whose screen is read back.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sim/host/machine_host.h"

namespace session {

struct Ended {
  sim::Outcome outcome = sim::Outcome::Running;
  u32 status = 0;
  u64 now_ns = 0;
  bool tainted = false;
  std::string output;
};

/// Boots a node whose console reads `script`, runs it until the node halts (at most ten virtual minutes). `image`: what
/// it boots, empty for that of this build.
Ended run_script(std::string_view script, u32 cores = 4, std::string image = {});

/// A person at a terminal, who waits after each line and each control key, as a person does.
class Terminal {
 public:
  explicit Terminal(u32 cores = 4);
  ~Terminal();

  /// Types bytes as they are.
  void type(std::string_view bytes);
  /// Types text in which keys have names: `ls<Enter>`, `<C-c>`, `<Up>`, `<Tab>`. Any other `<` is itself.
  void keys(std::string_view text);
  /// Lets virtual time pass.
  void wait(u64 nanoseconds);
  void hang_up();

  bool ended() const { return outcome_ == sim::Outcome::Ended; }
  sim::Outcome outcome() const { return outcome_; }
  u32 status() { return machine_.world().status(); }
  bool tainted() { return machine_.world().tainted(); }
  const std::string& output() const { return output_; }
  /// What the screen has shown so far, line by line, blanks at their ends cut.
  std::vector<std::string> screen() const;

 private:
  sim::host::Machine machine_;
  sim::Outcome outcome_ = sim::Outcome::Running;
  std::string output_;
};

/// A terminal's bytes as lines on a screen of `columns` and any number of rows.
std::vector<std::string> rendered(std::string_view output, std::size_t columns);

}  // namespace session
