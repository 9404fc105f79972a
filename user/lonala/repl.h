// user/lonala/repl.h — Lonala for a person: a prompt, forms of several lines, completion, history. It knows a terminal and the machine
// only, so the program inside the system and the command on the host are the same.
#pragma once
#include "user/lib/editor.h"
#include "vm/lonala/session.h"

namespace user::lonala_program {

/// The machine's ports while somebody is at a prompt.
class PromptPorts : public lonala::Ports {
 public:
  bool interrupted() override {
    const bool was = interrupted_;
    interrupted_ = false;
    return was;
  }
  void interrupt() { interrupted_ = true; }
  /// Writes what is buffered; false when something could not be written, now or before.
  virtual bool flush() = 0;
  /// From now on output is put there instead; null: it is written again.
  void hold(base::String* into) { held_ = into; }

 protected:
  ~PromptPorts() = default;
  /// True: the output was taken for later.
  bool holds(base::Bytes bytes) {
    if (held_ != nullptr) held_->append(base::text_of(bytes));
    return held_ != nullptr;
  }

 private:
  bool interrupted_ = false;
  base::String* held_ = nullptr;
};

/// Who sits there.
class Terminal {
 public:
  enum class Got : u8 { Bytes, Nothing, Closed };
  virtual u32 columns() = 0;
  /// While a form is typed keys come one by one; while it runs the terminal is as it was, and Ctrl-C interrupts.
  virtual void edit(bool on) = 0;
  /// What was typed, at most `out`; waits for it until the moment `until_ns` of the machine's clock, ~0 for ever. Nothing:
  /// the moment came, or something else did.
  virtual Got read(base::MutableBytes out, u64 until_ns, u64& count) = 0;
  virtual void write(std::string_view text) = 0;
  /// All that was typed in earlier sessions, as `remember` was given it; and one more piece.
  virtual base::String history(base::Allocator& heap) = 0;
  virtual void remember(std::string_view piece) = 0;
  /// The names in a directory, a directory's with a slash at its end.
  virtual void list(std::string_view directory, base::Vector<base::String>& names) = 0;

 protected:
  ~Terminal() = default;
};

class Repl final : public EditorClient {
 public:
  Repl(base::Allocator& heap, lonala::Vm& vm, PromptPorts& ports, Terminal& terminal);
  enum class Welcome : u8 { Shown, Hidden };
  /// Reads and answers until the person leaves.
  void run(Welcome welcome = Welcome::Shown);

  Completion complete(std::string_view before_cursor) override;
  bool is_complete(std::string_view text) override;
  u64 indentation(std::string_view before_cursor) override;
  u64 partner(std::string_view text, u64 cursor) override;

 private:
  static constexpr u64 kHistoryMax = 1000;

  Editor::Outcome edit();
  /// Fills `pending_`, letting the machine's other processes work meanwhile; false: the terminal is gone.
  bool wait_for_keys(base::String& out);
  void load_history();
  void remember(std::string_view text);
  void complete_path(std::string_view typed, Completion& completion);

  base::Allocator& heap_;
  lonala::Vm& vm_;
  PromptPorts& ports_;
  Terminal& terminal_;
  base::Vector<base::String> history_;
  Editor editor_;
  base::String background_;  // what other processes wrote while a form is typed
  u8 pending_[256] = {};
  u64 pending_start_ = 0;
  u64 pending_end_ = 0;
  u64 line_ = 1;
};

}  // namespace user::lonala_program
