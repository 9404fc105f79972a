// user/fsh/interactive.h — a person at the console: prompt, editing, history, completion, news of jobs.
#pragma once
#include "user/fsh/shell.h"
#include "user/lib/console.h"
#include "user/lib/editor.h"

namespace user::fsh {

constexpr u64 kHistoryMax = 1000;

class InteractiveLines final : public LineSource, public EditorClient {
 public:
  explicit InteractiveLines(Shell& shell);
  Got next_line(base::String& line, bool first) override;
  Completion complete(std::string_view before_cursor) override;
  void load_history();

 private:
  void remember(std::string_view line);
  base::String prompt(bool first);
  void complete_commands(std::string_view word, Completion& completion);
  void complete_paths(std::string_view word, bool directories_only, Completion& completion);

  Shell& shell_;
  Editor editor_;
  u8 pending_[256] = {};  // typed ahead: read from the console, not yet edited
  u64 pending_start_ = 0;
  u64 pending_end_ = 0;
  bool warned_ = false;
};

}  // namespace user::fsh
