// user/lib/tool.h — what every command shares, as a program of its own and as a built-in of the shell: its words, its three
// descriptors, buffered output, options by the POSIX guidelines, and the one way errors are told.
#pragma once
#include "user/runtime/process.h"

namespace user {

/// Buffered bytes on the way to a descriptor. Flush before anything else writes there; the first failure is kept.
class Output {
 public:
  Output(Process& process, Fd fd) : process_(process), fd_(fd) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void text(std::string_view text);
  void character(char c) { text({&c, 1}); }
  template <class... A>
  void format(std::string_view pattern, const A&... arguments) {
    char line[512];
    base::Writer writer{std::span<char>(line)};
    base::format_to(writer, pattern, arguments...);
    if (!writer.truncated()) return text(writer.view());
    base::String whole(process_.heap());
    whole.append_format(pattern, arguments...);
    text(whole);
  }
  /// False when something could not be written, now or before.
  bool flush();
  bool failed() const { return failed_; }
  const Error& error() const { return error_; }
  /// What was buffered is dropped; the owner has given up.
  void discard() { size_ = 0; }

 private:
  void write(std::string_view bytes);
  Process& process_;
  Fd fd_;
  bool failed_ = false;
  Error error_;
  u32 size_ = 0;
  char buffer_[4096];
};

/// Lines (or other pieces) of a descriptor, of any length.
class Input {
 public:
  Input(Process& process, Fd fd) : process_(process), fd_(fd), buffer_(process.heap()) {}
  /// The next piece up to and without `delimiter`; false at the end. `ended_with_delimiter()` tells how it ended.
  Result<bool> next(base::String& line, char delimiter = '\n');
  bool ended_with_delimiter() const { return delimited_; }
  /// Begins anew with another descriptor.
  void start(Fd fd) {
    fd_ = fd;
    start_ = end_ = 0;
    ended_ = false;
  }
  /// Raw bytes, as many as come; 0 at the end.
  Result<u64> read(base::MutableBytes out);

 private:
  Result<bool> refill();
  Process& process_;
  Fd fd_;
  base::Vector<char> buffer_;
  u64 start_ = 0;
  u64 end_ = 0;
  bool ended_ = false;
  bool delimited_ = false;
};

constexpr i32 kUsageStatus = 2;

/// One run of a command.
class Tool {
 public:
  struct Streams {
    Fd in = kStdin;
    Fd out = kStdout;
    Fd err = kStderr;
  };
  /// `usage`: "usage: head [-n N] [FILE…]", then a line an option.
  Tool(Process& process, std::span<const std::string_view> args, std::string_view usage, Streams streams)
      : process_(process), args_(args), usage_(usage), streams_(streams), out_(process, streams.out) {}
  Tool(Process& process, std::string_view usage) : Tool(process, process.args(), usage, {}) {}

  Process& process() { return process_; }
  base::Allocator& heap() { return process_.heap(); }
  std::string_view name() const;
  std::span<const std::string_view> args() const { return args_; }
  const Streams& streams() const { return streams_; }
  Output& out() { return out_; }
  std::string_view usage() const { return usage_; }

  /// `name: subject: reason` on the error stream; the status becomes at least 1 (`status` to say otherwise).
  void error(std::string_view subject, const Error& error);
  template <class... A>
  void complain(std::string_view pattern, const A&... arguments) {
    base::String line(heap());
    line.append(name()).append(": ").append_format(pattern, arguments...).push('\n');
    write_error(line);
    if (status_ == 0) status_ = 1;
  }
  /// `name: what` and the usage line on the error stream. Returns kUsageStatus, for `return tool.bad_use(…)`.
  template <class... A>
  i32 bad_use(std::string_view pattern, const A&... arguments) {
    complain(pattern, arguments...);
    write_error(usage_.substr(0, usage_.find('\n')));
    write_error("\n");
    status_ = kUsageStatus;
    return kUsageStatus;
  }
  void set_status(i32 status) { status_ = status; }
  i32 status() const { return status_; }
  /// Flushes the output and gives the exit status: `write error` makes it 1.
  i32 finish();

 private:
  void write_error(std::string_view text);
  Process& process_;
  std::span<const std::string_view> args_;
  std::string_view usage_;
  Streams streams_;
  Output out_;
  i32 status_ = 0;
};

/// Options by the POSIX Utility Syntax Guidelines: `-abc`, `-o value`, `-ovalue`, `--` ends them, `-` is an operand.
class Options {
 public:
  static constexpr char kEnd = '\0';
  static constexpr char kBad = '?';  // told already: return kUsageStatus
  /// `spec`: letters, a colon behind those with a value: "abn:".
  Options(Tool& tool, std::string_view spec) : tool_(tool), spec_(spec) {}
  /// The next option's letter, kEnd, or kBad. `--help` prints the usage on the output and gives kBad with status 0.
  char next();
  /// Passes over the first word: the command has read it itself.
  void skip() { index_ += 1; }
  std::string_view value() const { return value_; }
  std::span<const std::string_view> operands() const { return tool_.args().subspan(index_); }
  /// What the command returns when next() gave kBad.
  i32 bad_status() const { return help_ ? 0 : kUsageStatus; }

 private:
  Tool& tool_;
  std::string_view spec_;
  u64 index_ = 1;
  u64 place_ = 0;
  std::string_view value_;
  bool help_ = false;
};

}  // namespace user
