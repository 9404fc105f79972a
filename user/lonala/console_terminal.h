// user/lonala/console_terminal.h — the console of the system as the terminal of a prompt.
#pragma once
#include "user/lib/console.h"
#include "user/lonala/repl.h"

namespace user::lonala_program {

class ConsoleTerminal final : public Terminal {
 public:
  explicit ConsoleTerminal(Process& process) : process_(process) {}
  u32 columns() override;
  void edit(bool on) override;
  Got read(base::MutableBytes out, u64 until_ns, u64& count) override;
  void write(std::string_view text) override;
  base::String history(base::Allocator& heap) override;
  void remember(std::string_view piece) override;
  void list(std::string_view directory, base::Vector<base::String>& names) override;

 private:
  base::String history_path();
  Process& process_;
  ConsoleState before_;
};

}  // namespace user::lonala_program
