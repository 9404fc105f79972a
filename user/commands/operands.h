// user/commands/operands.h — the files a command is given, one after the other: `-` and none at all are standard input,
// one that cannot be opened is told and passed over.
#pragma once
#include "user/lib/tool.h"

namespace user {

class Operands {
 public:
  Operands(Tool& tool, std::span<const std::string_view> names) : tool_(tool), names_(names) {}
  ~Operands() { close(); }
  Operands(const Operands&) = delete;
  Operands& operator=(const Operands&) = delete;

  /// Opens the next one; false behind the last.
  bool next() {
    for (;;) {
      close();
      const u64 count = names_.empty() ? 1 : names_.size();
      if (at_ == count) return false;
      name_ = names_.empty() ? std::string_view("-") : names_[at_];
      at_ += 1;
      if (name_ == "-") {
        fd_ = tool_.streams().in;
        seen_ += 1;
        return true;
      }
      const auto opened = tool_.process().open(name_, schema::file::kOpenRead);
      if (opened.ok()) {
        fd_ = *opened;
        opened_ = true;
        seen_ += 1;
        return true;
      }
      tool_.error(name_, opened.error());
    }
  }
  std::string_view name() const { return name_; }
  Fd fd() const { return fd_; }
  bool is_standard_input() const { return name_ == "-"; }
  bool several() const { return names_.size() > 1; }
  bool first() const { return seen_ == 1; }
  bool last() const { return at_ >= names_.size(); }

 private:
  void close() {
    if (opened_) (void)tool_.process().close(fd_).ok();
    opened_ = false;
  }
  Tool& tool_;
  std::span<const std::string_view> names_;
  std::string_view name_;
  u64 at_ = 0;
  u64 seen_ = 0;
  Fd fd_ = 0;
  bool opened_ = false;
};

/// Reads all lines of all operands, handing each to `each(line)`; false from it stops.
template <class Each>
void for_each_line(Tool& tool, std::span<const std::string_view> names, Each each) {
  Operands files(tool, names);
  while (files.next()) {
    Input input(tool.process(), files.fd());
    base::String line(tool.heap());
    for (;;) {
      const auto got = input.next(line);
      if (!got.ok()) tool.error(files.name(), got.error());
      if (!got.ok() || !*got) break;
      each(line);
      if (tool.out().failed()) return;
    }
  }
}

}  // namespace user
