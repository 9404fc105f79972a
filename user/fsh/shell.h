// user/fsh/shell.h — the shell: its state, and what runs a parsed line. One object per fsh process; subshells are new
// processes that are told this state as a program (subshell.cpp).
#pragma once
#include "base/map.h"
#include "user/fsh/expand.h"
#include "user/fsh/jobs.h"
#include "user/fsh/syntax.h"
#include "user/lib/tool.h"
#include "user/runtime/process.h"

namespace user::fsh {

constexpr i32 kStatusNotFound = 127;
constexpr i32 kStatusNotRunnable = 126;
constexpr i32 kStatusSyntax = 2;
constexpr u32 kServerRestartsMax = 16;           // of the input's server, while one line is read
constexpr u32 kShellFdsMax = 64;                 // descriptors a script can name
constexpr u64 kSubshellArgumentsMax = 64 << 10;  // of state and program; more goes through a file
constexpr Fd kSubshellFd = kShellFdsMax;         // where the subshell finds that
constexpr u32 kCallDepthMax = 64;                // functions, `.`, eval and traps inside one another

struct Variable {
  base::String value;
  bool set = false;
  bool exported = false;
  bool read_only = false;
};

/// Which of the process's descriptors each number of the script stands for. Redirections change this map and nothing
/// else, so undoing one is putting the old map back.
struct FdMap {
  static constexpr i32 kClosed = -1;
  i32 actual[kShellFdsMax];
};

struct ShellOptions {
  bool errexit = false;    // -e
  bool noglob = false;     // -f
  bool noexec = false;     // -n
  bool nounset = false;    // -u
  bool verbose = false;    // -v
  bool xtrace = false;     // -x
  bool noclobber = false;  // -C
  bool monitor = false;    // -m: jobs in groups of their own
  bool pipefail = false;
  bool interactive = false;
};

class Shell final : public Parameters {
 public:
  explicit Shell(Process& process);
  ~Shell();
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  Process& process() { return process_; }
  base::Allocator& heap() { return process_.heap(); }

  // ── Running ────────────────────────────────────────────────────────────────────────────────────────────────
  /// All complete commands of a text. `source` names it in messages: a path, `-c`, `-`.
  i32 run_text(std::string_view text, std::string_view source);
  i32 run_lines(class LineSource& lines, std::string_view source);
  i32 run(const Node& node);
  i32 status() const { return status_; }
  void set_status(i32 status) { status_ = status; }
  bool exiting() const { return exiting_; }
  void request_exit(i32 status) {
    exiting_ = true;
    status_ = status;
  }
  /// The EXIT trap, hang-ups for jobs; the status the process ends with.
  i32 leave();

  // ── Parameters ─────────────────────────────────────────────────────────────────────────────────────────────
  std::string_view variable(std::string_view name) const override;
  ShellResult<void> assign(std::string_view name, std::string_view value) override;
  bool special(char name, base::String& out) const override;
  std::span<const base::String> positional() const override { return positional_.span(); }
  ShellResult<base::String> substitute(std::string_view program) override;
  base::Vector<base::String> names_in(std::string_view directory) override;
  bool exists(std::string_view path) override;
  std::string_view home_of(std::string_view user) override;
  bool option_nounset() const override { return options.nounset; }
  bool option_noglob() const override { return options.noglob; }

  ShellResult<void> unset(std::string_view name);
  ShellResult<void> export_variable(std::string_view name);
  void set_read_only(std::string_view name);
  base::SortedMap<base::String, Variable>& variables() { return variables_; }
  void set_positional(std::span<const std::string_view> values);
  /// Local variables of a function: restored when it returns.
  ShellResult<void> make_local(std::string_view name);

  // ── Descriptors ────────────────────────────────────────────────────────────────────────────────────────────
  Fd actual_fd(u32 number) const;  // kFdsMax when closed: writing there is `bad file descriptor`
  Tool::Streams streams() const { return {actual_fd(0), actual_fd(1), actual_fd(2)}; }
  void print_error(std::string_view text);
  /// `fsh: …`, with file and line in scripts.
  template <class... A>
  void complain(std::string_view pattern, const A&... arguments) {
    base::String line(heap());
    begin_message(line);
    line.append_format(pattern, arguments...).push('\n');
    print_error(line);
  }

  // ── Tables of the built-ins ────────────────────────────────────────────────────────────────────────────────
  struct Function {
    base::String text;  // as it is printed and given to subshells
    Pool* pool;         // owns `body`
    const Node* body;
    u32 running = 0;  // calls under way; a replaced function lives until they end
    bool replaced = false;
  };
  Function* find_function(std::string_view name);
  void define_function(std::string_view name, const Node& node);
  void undefine_function(std::string_view name);
  base::SortedMap<base::String, base::String>& aliases() { return aliases_; }
  base::SortedMap<base::String, Function*>& functions() { return functions_; }
  /// Traps by note number; 0 is EXIT. An empty text ignores.
  base::SortedMap<u32, base::String>& traps() { return traps_; }
  ShellResult<void> set_trap(u32 note, std::string_view text);
  void reset_trap(u32 note);
  void run_pending_traps();

  Jobs& jobs() { return jobs_; }
  ShellOptions options;
  base::String name;               // $0
  u16 arguments_done = 0;          // getopts: place inside a word
  bool warned_about_jobs = false;  // `exit` with stopped jobs asks once
  base::Vector<base::String> history;

  // Control flow on its way out of nested commands.
  struct Flow {
    u32 break_levels = 0;
    u32 continue_levels = 0;
    bool returning = false;
    bool interrupted = false;  // Ctrl-C in front of an interactive shell: the whole line is given up
    bool any() const { return break_levels != 0 || continue_levels != 0 || returning || interrupted; }
  };
  Flow flow;
  u32 loop_depth = 0;
  u32 function_depth = 0;
  u32 call_depth = 0;

  /// Looks a command up along PATH; empty when there is none. A word with `/` is itself.
  base::String find_in_path(std::string_view command);
  struct Launch {
    std::span<const std::string_view> words;  // words[0] names the command
    std::span<const EnvSetting> environment;
    Pid group = 0;  // 0 with own_group: lead one
    bool own_group = false;
    bool foreground = false;
  };
  /// Starts a program with this shell's descriptors; complains itself. 0: failed, and status says how.
  Pid launch(const Launch& launch, i32& status);
  /// Starts a copy of this shell that runs `node`.
  Pid launch_subshell(const Node& node, const Launch& launch, i32& status);
  Pid launch_subshell_text(std::string_view program, const Launch& launch, i32& status);
  Result<Fd> unnamed_file(std::string_view text);
  /// Waits for the processes of a job in the foreground; the status of the last (or by pipefail).
  i32 wait_foreground(u32 job);
  /// The state of this shell as a program: what a subshell runs first.
  void write_state(base::String& out);
  void set_depth_of_subshell(Pid main_shell, Pid last_background) {
    main_shell_ = main_shell;
    last_background_ = last_background;
  }
  /// Processor time of the children waited for.
  u64 children_user_ns() const { return children_user_ns_; }
  u64 children_system_ns() const { return children_system_ns_; }
  Pid main_shell() const { return main_shell_; }

  /// The scope of redirections: the map as it was is put back, what was opened for it is closed.
  class RedirectScope {
   public:
    explicit RedirectScope(Shell& shell);
    ~RedirectScope();
    RedirectScope(const RedirectScope&) = delete;
    RedirectScope& operator=(const RedirectScope&) = delete;
    /// Left to right; the first failure is told and leaves false.
    bool apply(std::span<const Redirect> redirects);
    /// `exec`: the changes stay.
    void keep() { kept_ = true; }

   private:
    bool apply_one(const Redirect& redirect);
    bool open_file(const Redirect& redirect, u32 number);
    bool open_here(const Redirect& redirect, u32 number);
    bool duplicate(const Redirect& redirect, u32 number);
    void put(u32 number, i32 actual);
    Shell& shell_;
    FdMap before_;
    bool kept_ = false;
  };
  void point_fd(u32 number, i32 actual) { fds_.actual[number] = actual; }
  void close_unreferenced(const FdMap& before);

 private:
  friend class RedirectScope;
  i32 run_simple(const Node& node);
  i32 run_words(const Node& node, base::Vector<base::String>& words);
  i32 run_pipeline(const Node& node);
  i32 run_pipeline_stages(const Node& node);
  i32 run_and_or(const Node& node);
  i32 run_list(const Node& node);
  i32 run_background(const Node& node);
  i32 run_loop(const Node& node);
  i32 run_for(const Node& node);
  i32 run_case(const Node& node);
  i32 run_if(const Node& node);
  i32 run_subshell(const Node& node);
  i32 call_function(Function& function, std::span<const base::String> words);
  i32 run_external(std::span<const base::String> words, std::span<const EnvSetting> environment);
  Pid launch_stage(const Node& node, const Launch& launch, i32& status);
  ShellResult<void> assign_all(std::span<const Assignment> assignments);
  void trace_words(std::span<const base::String> words);
  /// Errexit asks after a command that failed where failing counts.
  void check_errexit(i32 status);
  void begin_message(base::String& line);
  void report_syntax(const SyntaxError& error, std::string_view source);
  void import_environment();
  void export_to_environment(std::string_view name, const Variable& variable);
  base::Vector<FdMapping> child_descriptors();
  static void on_note(Process& process, u32 number, void* context);

  Process& process_;
  base::SortedMap<base::String, Variable> variables_;
  base::Vector<base::String> positional_;
  base::SortedMap<base::String, base::String> aliases_;
  base::SortedMap<base::String, Function*> functions_;
  base::SortedMap<u32, base::String> traps_;
  struct SavedLocal {
    base::String name;
    Variable variable;
    bool existed;
    u32 depth;
  };
  base::Vector<SavedLocal> locals_;
  Jobs jobs_;
  FdMap fds_;
  u64 owned_fds_[kFdsMax / 64] = {};  // process descriptors this shell opened for its map
  base::String source_;               // for messages; empty: typed or -c
  u32 line_ = 0;
  bool script_file_ = false;
  i32 status_ = 0;
  bool exiting_ = false;
  bool in_exit_trap_ = false;
  u32 conditions_ = 0;     // inside a condition, `!`, or left of && and ||: errexit does not act
  u64 pending_notes_ = 0;  // bit per note number, set by on_note
  Pid main_shell_ = 0;
  Pid last_background_ = 0;
  u64 jobs_user_ns_ = 0;  // of what this pipeline waited for, for `time`
  u64 jobs_system_ns_ = 0;
  u64 children_user_ns_ = 0;
  u64 children_system_ns_ = 0;
  base::String home_buffer_;
};

/// Where lines come from. `first` asks for the first line of a command (PS1), else its continuation (PS2).
class LineSource {
 public:
  enum class Got : u8 { Line, End, Interrupted };
  virtual Got next_line(base::String& line, bool first) = 0;

 protected:
  ~LineSource() = default;
};

}  // namespace user::fsh
