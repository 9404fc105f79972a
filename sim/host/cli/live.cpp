// sim/host/cli/live.cpp — `orrery live`: the machine at the user's terminal, paced by the wall clock. What is typed enters
// as recorded input at the next millisecond no core has reached; between two things to do the process sleeps.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "sim/host/cli/cli.h"
#include "sim/host/cli/record.h"
#include "sim/host/cli/terminal.h"
#include "sim/host/contain.h"

namespace sim::host::cli {
namespace {

constexpr u64 kSliceNs = 20'000'000;         // virtual time between two looks at the terminal when there is much to do
constexpr u64 kLagNs = 200'000'000;          // further behind the wall clock than this is forgotten, not caught up
constexpr u64 kFarewellNs = 10'000'000'000;  // virtual time a guest has left after its terminal went away
constexpr u8 kEscapeKey = 0x1D;              // Ctrl-]
constexpr u32 kNode = 1;

class Live {
 public:
  Live(Machine& machine, replay::Recorder& recorder, u32 speed_permille)
      : machine_(machine), recorder_(recorder), speed_permille_(speed_permille) {}

  int run();
  Outcome outcome() const { return outcome_; }
  void output(base::Bytes bytes);

 private:
  World& world() { return machine_.world(); }
  /// Virtual time that corresponds to now.
  u64 paced_now() const { return base_virtual_ + (uv_hrtime() - base_wall_) / 1000 * speed_permille_; }
  void advance();
  u64 arrival();
  /// The stamp of what enters at `time`: never before that of what entered already, or no replay could repeat it.
  u64 stamp(u64 time) { return stamped_ = std::max(stamped_, world().input_time(time)); }
  void sleep_until(u64 virtual_ns);
  void on_input();
  void type(base::Bytes bytes);
  void hang_up();
  void on_signal(int signal);
  void stop(int code) {
    code_ = code;
    uv_stop(&loop_);
  }
  void watch(uv_signal_t& handle, int signal);

  Machine& machine_;
  replay::Recorder& recorder_;
  u64 speed_permille_;
  u64 base_wall_ = 0;
  u64 base_virtual_ = 0;
  u64 stamped_ = 0;
  uv_loop_t loop_ = {};
  uv_timer_t timer_ = {};
  uv_idle_t behind_ = {};
  uv_poll_t input_ = {};
  uv_signal_t signals_[7] = {};
  bool escape_ = false;
  bool gone_ = false;  // the terminal
  bool hung_up_ = false;
  Outcome outcome_ = Outcome::Running;
  int code_ = -1;
};

void Live::output(base::Bytes bytes) {
  while (!bytes.empty() && !gone_) {
    const ssize_t written = write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written > 0) {
      bytes = bytes.subspan(static_cast<u64>(written));
    } else if (errno == EAGAIN) {
      usleep(1000);
    } else if (errno != EINTR) {
      gone_ = true;  // EIO, EPIPE: nobody reads any more; `advance` acts on it
    }
  }
}

void Live::advance() {
  if (gone_) return hang_up();
  u64 target = paced_now();
  if (target > world().now() + kLagNs && world().next_time() < target - kLagNs) {
    base_wall_ = uv_hrtime();  // the machine is too slow for this speed: go on from here
    base_virtual_ = world().now();
    target = base_virtual_ + kSliceNs;
  }
  const u64 next = world().next_time();
  const u64 from = next > world().now() && next != kNever ? next : world().now();
  if (target > from + kSliceNs) target = from + kSliceNs;
  outcome_ = machine_.run(target);
  recorder_.sync();
  switch (outcome_) {
    case Outcome::Ended: return stop(static_cast<int>(world().status()));
    case Outcome::Stalled:
      restore_terminal();
      list_blocked(world());
      return stop(kStalled);
    case Outcome::Waiting:
      uv_timer_stop(&timer_);
      uv_idle_stop(&behind_);
      return;
    case Outcome::Running: return sleep_until(world().next_time());
  }
}

void Live::sleep_until(u64 virtual_ns) {
  const u64 now = paced_now();
  const u64 ahead_ns = virtual_ns > now ? (virtual_ns - now) * 1000 / speed_permille_ : 0;
  u64 delay_ms = (ahead_ns + 999'999) / 1'000'000;
  if (delay_ms > 3'600'000) delay_ms = 3'600'000;
  if (delay_ms == 0) {
    // Behind the wall: go on at once, but look at the terminal first. A timer of no delay would be due again before that.
    uv_timer_stop(&timer_);
    uv_idle_start(&behind_, [](uv_idle_t* idle) {
      uv_idle_stop(idle);
      static_cast<Live*>(idle->data)->advance();
    });
    return;
  }
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<Live*>(timer->data)->advance(); }, delay_ms, 0);
}

/// When what happens outside now enters: by the wall, or at once where the machine is behind it.
u64 Live::arrival() {
  const u64 now = paced_now();
  return world().next_time() < now ? world().now() : now;
}

void Live::type(base::Bytes bytes) {
  const u64 time = stamp(arrival());
  while (!bytes.empty()) {
    const u64 taken = world().console_input(kNode, bytes, time);
    if (taken == 0) break;  // 64 KiB typed ahead and not yet read: as a terminal line would, drop the rest
    bytes = bytes.subspan(taken);
  }
  advance();
}

void Live::on_input() {
  u8 bytes[4096];
  const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (count <= 0) return hang_up();
  u8 typed[4096];
  u64 length = 0;
  for (ssize_t i = 0; i < count; ++i) {
    const u8 byte = bytes[i];
    if (escape_) {
      escape_ = false;
      if (byte == 'q') return stop(kHeld);
    } else if (byte == kEscapeKey) {
      escape_ = true;  // Ctrl-] q leaves; Ctrl-] Ctrl-] types one
      continue;
    }
    typed[length++] = byte;
  }
  if (length > 0) type({typed, length});
}

void Live::hang_up() {
  gone_ = true;
  if (hung_up_) return;
  hung_up_ = true;
  uv_poll_stop(&input_);
  world().console_hangup(kNode, stamp(world().now()));
  outcome_ = machine_.run(world().now() + kFarewellNs);
  stop(outcome_ == Outcome::Ended ? static_cast<int>(world().status()) : kTerminated);
}

void Live::on_signal(int signal) {
  switch (signal) {
    case SIGWINCH: {
      const TerminalSize size = terminal_size();
      world().console_size(kNode, size.columns, size.rows, stamp(arrival()));
      return advance();
    }
    case SIGHUP: return hang_up();
    case SIGTSTP:
      restore_terminal();
      raise(SIGSTOP);
      return;
    case SIGCONT:
      if (!make_terminal_raw()) return hang_up();
      base_wall_ = uv_hrtime();  // the time while it was stopped did not pass for the guest
      base_virtual_ = world().now();
      return advance();
    case SIGINT:
    case SIGQUIT: return stop(kInterrupted);
    default: return stop(kTerminated);
  }
}

void Live::watch(uv_signal_t& handle, int signal) {
  uv_signal_init(&loop_, &handle);
  handle.data = this;
  uv_signal_start(
      &handle, [](uv_signal_t* h, int number) { static_cast<Live*>(h->data)->on_signal(number); }, signal);
}

int Live::run() {
  uv_loop_init(&loop_);
  uv_timer_init(&loop_, &timer_);
  timer_.data = this;
  uv_idle_init(&loop_, &behind_);
  behind_.data = this;
  uv_poll_init(&loop_, &input_, STDIN_FILENO);
  input_.data = this;
  uv_poll_start(&input_, UV_READABLE | UV_DISCONNECT, [](uv_poll_t* poll, int status, int) {
    auto* live = static_cast<Live*>(poll->data);
    if (status < 0) {
      live->hang_up();
    } else {
      live->on_input();
    }
  });
  const int watched[] = {SIGWINCH, SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGTSTP, SIGCONT};
  for (u32 i = 0; i < std::size(watched); ++i) watch(signals_[i], watched[i]);
  base_wall_ = uv_hrtime();
  base_virtual_ = world().now();
  sleep_until(0);
  while (code_ < 0) uv_run(&loop_, UV_RUN_DEFAULT);
  return code_;
}

/// Piped input: the whole of it is the script, read before anything runs, so that the run is a function of it.
int run_piped(ScriptRun& run, const Guest& guest, const RecordFlags& record) {
  run.script_name = "-";
  if (!read_script("-", run.script)) return kUnreadable;
  Machine machine(options_of(run, guest));
  machine.on_output = [](u32, base::Bytes bytes) {
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
    std::fflush(stdout);
  };
  replay::Recorder recorder;
  if (const int code = start_recording(recorder, machine, record, run); code >= 0) return code;
  if (const std::string error = machine.start(); !error.empty()) return usage_error(kLiveVerb, error);
  contain(machine.world(), {.silence = Silence::FaultThread});
  const Outcome outcome = machine.run(kNever);
  release_containment();
  const int code = exit_code(outcome, machine.world());
  finish_recording(recorder, outcome, machine.world(), machine.world().finish());
  const int failed = finish_disks(machine, run.flags.disks.writes_back());
  return failed >= 0 ? failed : code;
}

}  // namespace

const Verb kLiveVerb = {
    "live", "the machine at this terminal; piped input is run as a script",
    "usage: orrery live [--seed N] [--cores N] [--memory SIZE] [--speed X] [--record FILE]\n"
    "                   [--disk NAME=SIZE[,...]]... [--write-back exit]\n"
    "  --seed N        decimal, 0x..., or any text, hashed (default 1)\n"
    "  --cores N       virtual cores, 1 to 128 (default 1)\n"
    "  --memory SIZE   memory of the node, 16M to 3584M (default 64M)\n"
    "  --image FILE    another boot image, a ustar archive (default: built in)\n" ORRERY_DISK_HELP
    "  --write-back exit  at the end the images of disks hold what the disks do (default: a run changes no file)\n"
    "  --speed X       virtual seconds a second, 0.01 to 1000 (default 1)\n"
    "  --record FILE   where the session is recorded (default: the state folder, kept for 7 days)\n"
    "  --embed         the recording holds the images of disks whatever their size (default: up to 1M, else a hash)\n"
    "  --state DIR     the state folder (default: $XDG_STATE_HOME/orrery or ~/.local/state/orrery)\n"
    "Ctrl-] q leaves without asking the guest.\n"
    "example: echo 'ls /bin' | orrery live\n"
    "exit:    the guest's status   2 usage   5 Orrery's own failure   8 unreadable file   10 stalled\n"
    "         11 the host failed: a disk's image   130, 143 interrupted\n",
    live_verb};

int live_verb(Context& context) {
  CLI::App app;
  ScriptRun run;
  double speed = 1;
  run.flags.add_to(app);
  app.add_option("--write-back", run.flags.disks.write_back);
  RecordFlags record;
  record.add_to(app);
  record.add_state_to(app);
  record.always = true;
  app.add_option("--speed", speed);
  if (const int code = parse_flags(app, context, kLiveVerb); code >= 0) return code;
  if (const std::string mistake = run.flags.check(); !mistake.empty()) return usage_error(kLiveVerb, mistake);
  if (const std::string mistake = record.check(); !mistake.empty()) return usage_error(kLiveVerb, mistake);
  if (!(speed >= 0.01 && speed <= 1000)) return usage_error(kLiveVerb, "--speed: allowed is 0.01 to 1000");
  Guest guest = context.guest;
  if (const int code = load_image(run.flags.image, guest.image); code >= 0) return code;
  if (const int code = run.flags.disks.open(); code >= 0) return code;
  std::signal(SIGPIPE, SIG_IGN);
  if (!stdin_is_terminal()) return run_piped(run, guest, record);

  MachineOptions options = options_of(run, guest);
  const TerminalSize size = terminal_size();
  options.console = ConsoleKind::Terminal;
  options.columns = size.columns;
  options.rows = size.rows;
  Machine machine(std::move(options));
  Live* sink = nullptr;
  machine.on_output = [&sink](u32, base::Bytes bytes) {
    if (sink != nullptr) sink->output(bytes);
  };
  replay::Recorder recorder;
  if (const int code = start_recording(recorder, machine, record, run); code >= 0) return code;
  if (const std::string error = machine.start(); !error.empty()) return usage_error(kLiveVerb, error);
  Live live(machine, recorder, static_cast<u32>(speed * 1000));
  sink = &live;
  if (!make_terminal_raw()) {
    std::fprintf(stderr, "orrery: the terminal cannot be set to raw mode\n");
    return kUnsupported;
  }
  contain(machine.world(), {.silence = Silence::FaultThread, .report_assertions = false});
  const int code = live.run();
  release_containment();
  restore_terminal();
  finish_recording(recorder, live.outcome(), machine.world(), machine.world().finish());
  if (recorder.is_open()) {
    std::fprintf(stderr, "orrery: recorded; replay with: orrery replay %s\n", quote(recorder.path()).c_str());
  }
  const int failed = finish_disks(machine, run.flags.disks.writes_back());
  return failed >= 0 ? failed : code;
}

}  // namespace sim::host::cli
