// user/commands/top.cpp — top: what the cores, the memory and the processes do, drawn again and again.
#include <algorithm>

#include "user/lib/accounts.h"
#include "user/lib/process_table.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr u32 kCoresMax = 128;
constexpr u64 kKeyPollNs = 100'000'000;  // how often keys are looked for while waiting

struct Sample {
  u64 time_ns = 0;
  u64 core_count = 0;
  u64 busy_ms[kCoresMax] = {};
  base::Vector<ProcessRow> rows;
  explicit Sample(base::Allocator& heap) : rows(heap) {}
};

/// Keys one by one, but Ctrl-C and Ctrl-Z remain what they are.
void take_keys(Process& process) { (void)process.write_file("/dev/consctl", "rawon\necho off\nsignals on\n").ok(); }

enum class Order : u8 { Processor, Memory };

class Top {
 public:
  explicit Top(Tool& tool) : tool_(tool), process_(tool.process()), accounts_(process_), before_(tool.heap()) {}

  Order order = Order::Processor;
  u64 interval_ns = 2'000'000'000;
  bool batch = false;

  /// Draws `rounds` times (0: until `q`).
  i32 run(u64 rounds);

 private:
  Result<Sample> take_sample();
  void draw(const Sample& now);
  void print_processes(const Sample& now);
  /// Per mille of one core that a process used since the last sample.
  u64 share_of(const ProcessRow& row, u64 elapsed_ns) const;
  bool wait_for_key(Fd keys);
  bool key(u8 byte);
  base::String ask(std::string_view question);

  Tool& tool_;
  Process& process_;
  Accounts accounts_;
  Sample before_;
};

/// The n-th blank-separated number of a line; 0 when it is missing.
u64 number_at(std::string_view line, u32 index) {
  for (u32 at = 0;; ++at) {
    while (line.starts_with(" ")) line.remove_prefix(1);
    const u64 end = std::min<u64>(line.find(' '), line.size());
    if (at == index) {
      const auto value = base::parse_u64(line.substr(0, end));
      return value.ok() ? *value : 0;
    }
    if (end == line.size()) return 0;
    line.remove_prefix(end);
  }
}

Result<Sample> Top::take_sample() {
  Sample sample(tool_.heap());
  sample.time_ns = process_.uptime_ns();
  const base::String text = TRY(process_.read_file("/dev/sysstat"));
  std::string_view rest = text.view();
  while (!rest.empty() && sample.core_count < kCoresMax) {
    const u64 end = std::min<u64>(rest.find('\n'), rest.size());
    sample.busy_ms[sample.core_count] = number_at(rest.substr(0, end), 7);  // CORE SWITCHES … STEALS BUSY_MS
    sample.core_count += 1;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  sample.rows = TRY(read_processes(process_));
  return sample;
}

u64 Top::share_of(const ProcessRow& row, u64 elapsed_ns) const {
  if (elapsed_ns == 0) return 0;
  u64 before_us = 0;
  for (const ProcessRow& other : before_.rows) {
    if (other.pid == row.pid) before_us = other.cpu_us;
  }
  return row.cpu_us < before_us ? 0 : (row.cpu_us - before_us) * 1'000'000 / elapsed_ns;
}

void Top::draw(const Sample& now) {
  Output& out = tool_.out();
  const u64 elapsed_ns = now.time_ns - before_.time_ns;
  if (!batch) out.text("\x1B[H\x1B[J");
  base::String uptime(tool_.heap());
  append_uptime(uptime, now.time_ns / 1'000'000'000);
  u64 running = 0;
  for (const ProcessRow& row : now.rows) running += row.state == "running" || row.state == "ready" ? 1 : 0;
  out.format("up {}, {} processes, {} running\n", uptime, now.rows.size(), running);
  out.text("Cores:");
  for (u64 core = 0; core < now.core_count; ++core) {
    const u64 busy_ns = (now.busy_ms[core] - std::min(now.busy_ms[core], before_.busy_ms[core])) * 1'000'000;
    out.format(" {} {}%", core, elapsed_ns == 0 ? 0 : std::min<u64>(100, busy_ns * 100 / elapsed_ns));
  }
  const auto memory = process_.read_file("/proc/meminfo");
  const auto kib = [&](std::string_view name) {
    const auto value = memory.ok() ? base::parse_u64(value_of(memory->view(), name)) : base::parse_u64("0");
    return value.ok() ? *value / 1024 : 0;
  };
  out.format("\nMem: {}K used, {}K free, {}K total\n\n", kib("total_bytes") - kib("free_bytes"), kib("free_bytes"),
             kib("total_bytes"));
  print_processes(now);
  out.flush();
}

void Top::print_processes(const Sample& now) {
  struct Line {
    const ProcessRow* row;
    u64 share;
  };
  const u64 elapsed_ns = now.time_ns - before_.time_ns;
  base::Vector<Line> lines(tool_.heap());
  for (const ProcessRow& row : now.rows) lines.push_back({&row, share_of(row, elapsed_ns)});
  // total: pids differ
  std::sort(lines.begin(), lines.end(), [this](const Line& a, const Line& b) {
    const u64 left = order == Order::Memory ? a.row->pages : a.share;
    const u64 right = order == Order::Memory ? b.row->pages : b.share;
    return left != right ? left > right : a.row->pid < b.row->pid;
  });
  tool_.out().text("  PID  PPID USER     STATE     PAGES CORE  %CPU      TIME NAME\n");
  for (const Line& line : lines) {
    const ProcessRow& row = *line.row;
    base::String owner = accounts_.user_name(static_cast<u32>(row.uid));
    if (owner.empty()) owner.append_format("{}", row.uid);
    char share[24];
    char time[40];
    tool_.out().format("{:>5} {:>5} {:8} {:8} {:>6} {:>4} {:>5} {:>9} {}\n", row.pid, row.parent, owner, row.state,
                       row.pages, row.core, base::format(share, "{}.{}", line.share / 10, line.share % 10),
                       base::format(time, "{}.{:03}", row.cpu_us / 1'000'000, row.cpu_us / 1000 % 1000), row.name);
  }
}

/// A line from the console, in cooked mode.
base::String Top::ask(std::string_view question) {
  base::String answer(tool_.heap());
  tool_.out().text(question);
  tool_.out().flush();
  (void)process_.write_file("/dev/consctl", "rawoff\necho on\n").ok();
  Input input(process_, kStdin);
  (void)input.next(answer).ok();
  take_keys(process_);
  return answer;
}

/// False for `q`.
bool Top::key(u8 byte) {
  switch (byte) {
    case 'q': return false;
    case 'M': order = Order::Memory; break;
    case 'P': order = Order::Processor; break;
    case 'k': {
      const auto pid = base::parse_u64(ask("kill: pid? "));
      if (pid.ok()) (void)process_.post(static_cast<Pid>(*pid), "terminate").ok();
      break;
    }
    case 'r': {
      const auto pid = base::parse_u64(ask("priority: pid? "));
      const base::String priority = ask("new priority? ");
      if (!pid.ok()) break;
      base::String path(tool_.heap());
      path.append_format("/proc/{}/ctl", *pid);
      base::String command(tool_.heap(), "pri ");
      command.append(priority.view()).push('\n');
      (void)process_.write_file(path, command).ok();
      break;
    }
    default: break;
  }
  return true;
}

/// Waits for the interval or a key; false to end.
bool Top::wait_for_key(Fd keys) {
  for (u64 waited = 0; waited < interval_ns; waited += kKeyPollNs) {
    const auto slept = process_.sleep(std::min(kKeyPollNs, interval_ns - waited));
    if (!slept.ok()) return slept.error().code == ErrorCode::Interrupted;  // continued: drawn at once
    u8 byte = 0;
    const auto got = process_.read(keys, {&byte, 1});
    if (got.ok() && *got == 0) return false;
    if (got.ok()) return key(byte);
  }
  return true;
}

i32 Top::run(u64 rounds) {
  const bool keys_wanted = !batch && process_.is_console(kStdin);
  Result<Fd> keys = fs::fail(ErrorCode::NotSupported);
  if (keys_wanted) keys = process_.open("/dev/cons", schema::file::kOpenRead | schema::file::kOpenNonBlock);
  if (keys.ok()) {
    take_keys(process_);
    const auto again = [](Process& process, u32, void*) { take_keys(process); };
    (void)process_.on_note(note_number("continue"), NoteAction::Handle, again).ok();
  }
  for (u64 round = 1;; ++round) {
    auto now = take_sample();
    if (!now.ok()) {
      tool_.error("/proc", now.error());
      break;
    }
    draw(*now);
    before_ = std::move(*now);
    if (tool_.out().failed() || round == rounds) break;
    if (keys.ok() ? !wait_for_key(*keys) : !process_.sleep(interval_ns).ok()) break;
    if (batch) tool_.out().character('\n');
  }
  if (keys.ok()) (void)process_.write_file("/dev/consctl", "rawoff\necho on\n").ok();
  return tool_.finish();
}

}  // namespace

i32 top_main(Process& process) {
  Tool tool(
      process,
      "usage: top [-b] [-n ROUNDS] [-d SECONDS]\n  -b  one text after the other, no keys\n  -n  end after so many\n"
      "  -d  between two (2)\nkeys: q quit, M by memory, P by processor, k kill, r priority, space now");
  Top top(tool);
  u64 rounds = 0;
  Options options(tool, "bn:d:");
  for (char option = options.next(); option != Options::kEnd; option = options.next()) {
    switch (option) {
      case Options::kBad: return options.bad_status();
      case 'b': top.batch = true; break;
      case 'n': {
        const auto value = base::parse_u64(options.value());
        if (!value.ok() || *value == 0) return tool.bad_use("bad number: {}", options.value());
        rounds = *value;
        break;
      }
      default: {
        const auto value = base::parse_duration_ns(options.value());
        if (!value.ok() || *value == 0) return tool.bad_use("bad number: {}", options.value());
        top.interval_ns = *value;
        break;
      }
    }
  }
  if (!options.operands().empty()) return tool.bad_use("extra operand: {}", options.operands()[0]);
  return top.run(rounds);
}

}  // namespace user
