// sim/host/cli/boot_machine.cpp — see boot_machine.h.
#include "sim/host/cli/boot_machine.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/bytes.h"
#include "sim/host/cli/terminal.h"
#include "sim/host/machine.h"

namespace sim::host::cli {
namespace {

constexpr u8 kEscapeKey = 0x1D;  // Ctrl-]
constexpr int kPlanFd = 196;     // how QEMU finds the plan: /proc/self/fd/196

int same_status(int status) { return status; }
/// isa-debug-exit: QEMU ends with 2 × status + 1; an even one is not from the device.
int debug_exit_status(int status) { return status % 2 == 1 ? status / 2 : -1; }

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int signal) { interrupted = signal; }

u64 now_ns() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<u64>(time.tv_sec) * 1'000'000'000 + static_cast<u64>(time.tv_nsec);
}

struct Pipes {
  int input = -1;   // the machine's serial input; −1: none
  int output = -1;  // its serial output
  pid_t pid = -1;
};

/// As QEMU takes a comma inside an option's value.
std::string doubled_commas(const std::string& text) {
  std::string out;
  for (const char character : text) out.append(character == ',' ? 2 : 1, character);
  return out;
}

void become_qemu(const QemuStart& start, int input, int output, int plan) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  std::vector<std::string> words = {start.program};
  words.insert(words.end(), start.machine->arguments.begin(), start.machine->arguments.end());
  for (const char* word : {"-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot", "-chardev",
                           "stdio,id=line,signal=off", "-serial", "chardev:line", "-m"}) {
    words.emplace_back(word);
  }
  words.push_back(std::to_string(start.memory_mib) + "M");
  words.emplace_back("-kernel");
  words.push_back(start.image);
  if (plan >= 0) {
    dup2(plan, kPlanFd);
    char where[96];
    if (start.machine->plan_address != 0) {
      std::snprintf(where, sizeof where, "loader,file=/proc/self/fd/%d,addr=0x%llx,force-raw=on", kPlanFd,
                    static_cast<unsigned long long>(start.machine->plan_address));
      words.emplace_back("-device");
    } else {
      std::snprintf(where, sizeof where, "/proc/self/fd/%d", kPlanFd);
      words.emplace_back("-initrd");
    }
    words.emplace_back(where);
  }
  if (start.plan.empty() && start.machine->has_virtio) {
    for (const char* word : {"-global", "virtio-mmio.force-legacy=false", "-device", "virtio-rng-device"}) {
      words.emplace_back(word);
    }
    if (!start.disk.empty()) {
      words.emplace_back("-drive");
      words.push_back("if=none,id=disk,format=raw,file=" + doubled_commas(start.disk));
      words.emplace_back("-device");
      words.emplace_back("virtio-blk-device,drive=disk");
    }
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execv(arguments[0], arguments.data());
  std::fprintf(stderr, "orrery: %s cannot be run: %s\n", arguments[0], std::strerror(errno));
  _exit(127);
}

/// Starts QEMU; false: no pipes, no process or no memory file.
bool start_qemu(const QemuStart& start, bool with_input, Pipes& pipes) {
  int plan = -1;
  if (!start.plan.empty()) {
    plan = memfd_create("plan", MFD_CLOEXEC);
    if (plan < 0 || write(plan, start.plan.data(), start.plan.size()) != static_cast<ssize_t>(start.plan.size())) {
      return false;
    }
  }
  int output[2];
  int input[2] = {-1, -1};
  if (pipe2(output, O_CLOEXEC) != 0) return false;
  if (with_input) {
    if (pipe2(input, O_CLOEXEC) != 0) return false;
  } else {
    input[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  pipes.pid = fork();
  if (pipes.pid < 0) return false;
  if (pipes.pid == 0) become_qemu(start, input[0], output[1], plan);
  close(input[0]);
  close(output[1]);
  if (plan >= 0) close(plan);
  pipes.input = input[1];
  pipes.output = output[0];
  return true;
}

QemuResult finish_qemu(const QemuStart& start, Pipes& pipes, QemuEnd how) {
  close(pipes.output);
  if (pipes.input >= 0) close(pipes.input);
  if (how != QemuEnd::Exited) kill(pipes.pid, SIGKILL);
  int status = 0;
  while (waitpid(pipes.pid, &status, 0) < 0 && errno == EINTR) continue;
  QemuResult result{how, -1};
  if (how == QemuEnd::Exited && WIFEXITED(status)) {
    if (WEXITSTATUS(status) == 127) result.how = QemuEnd::NotStarted;
    result.machine_status = start.machine->status_of(WEXITSTATUS(status));
  }
  return result;
}

/// Passes typed bytes on; false: the user asked to leave.
bool forward_input(int to, bool& escape, bool& at_end) {
  u8 bytes[256];
  const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (count <= 0) {
    at_end = true;
    return true;
  }
  for (ssize_t i = 0; i < count; ++i) {
    if (escape) {
      escape = false;
      if (bytes[i] == 'q') return false;
    } else if (bytes[i] == kEscapeKey) {
      escape = true;
      continue;
    }
    if (write(to, &bytes[i], 1) != 1) at_end = true;
  }
  return true;
}

}  // namespace

std::span<const BootMachine> boot_machines() {
  static const std::vector<BootMachine> machines = {
      {"x86_64",
       "qemu-system-x86_64",
       "qemu-system-x86",
       "x86_64",
       ".elf",
       0x0400'0000,
       {"-machine", "q35,accel=tcg", "-cpu", "max", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"},
       false,
       debug_exit_status},
      {"x86_64-microvm",
       "qemu-system-x86_64",
       "qemu-system-x86",
       "x86_64",
       ".elf",
       0x0400'0000,
       {"-machine", "microvm,accel=tcg,acpi=off", "-cpu", "max", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"},
       true,
       debug_exit_status},
      {"riscv64",
       "qemu-system-riscv64",
       "qemu-system-misc",
       "riscv64",
       ".elf",
       0,
       {"-machine", "virt", "-bios", "default"},
       true,
       same_status},
      {"aarch64",
       "qemu-system-aarch64",
       "qemu-system-arm",
       "aarch64",
       ".bin",
       0,
       {"-machine", "virt", "-cpu", "cortex-a57", "-semihosting-config", "enable=on,target=native"},
       true,
       same_status}};
  return machines;
}

const BootMachine* find_boot_machine(std::string_view name) {
  for (const BootMachine& machine : boot_machines()) {
    if (machine.name == name) return &machine;
  }
  return nullptr;
}

std::string boot_image_path(const BootMachine& machine) {
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self);
  if (length <= 0) return {};
  std::string folder(self, static_cast<u64>(length));
  folder.resize(folder.rfind('/'));
  const std::string name(machine.image);
  const std::string file = "orrery-" + name + std::string(machine.suffix);
  for (const std::string& path : {folder + "/" + file, folder + "/../bare-" + name + "/" + file}) {
    if (access(path.c_str(), R_OK) == 0) return path;
  }
  return {};
}

std::string find_program(std::string_view name) {
  const char* list = std::getenv("PATH");
  std::string_view rest = list == nullptr ? "/usr/bin:/bin" : list;
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string path = std::string(rest.substr(0, colon)) + "/" + std::string(name);
    if (access(path.c_str(), X_OK) == 0) return path;
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  return {};
}

u64 machine_memory_mib(u64 ram_bytes, u64 disk_bytes) {
  constexpr u64 kBesides = u64{128} << 20;  // image, tables of the world, stacks, firmware: boot/shared/world.h
  return (2 * ram_bytes + ram_bytes / 8 + disk_bytes + disk_bytes / 8 + kBesides) >> 20;
}

// ── Frames ───────────────────────────────────────────────────────────────────────────────────────────────────

bool FrameReader::take(base::Bytes bytes) {
  pending_ += base::text_of(bytes);
  if (!begun_) {
    const std::size_t at = pending_.find(kFramesBegin);
    if (at == std::string::npos) return true;
    preamble_ = pending_.substr(0, at);
    pending_.erase(0, at + kFramesBegin.size());
    begun_ = true;
  }
  std::size_t at = 0;
  bool go_on = true;
  while (go_on && pending_.size() - at >= kFrameHeaderBytes) {
    const u8* header = reinterpret_cast<const u8*>(pending_.data()) + at;
    const u64 length = base::load_le16(header + 1);
    if (pending_.size() - at < kFrameHeaderBytes + length) break;
    go_on = frame(static_cast<FrameKind>(header[0]), {header + kFrameHeaderBytes, length});
    at += kFrameHeaderBytes + length;
  }
  pending_.erase(0, at);
  return go_on;
}

bool FrameReader::frame(FrameKind kind, base::Bytes payload) {
  u64 words[8] = {};
  const u64 word_count = std::min<u64>(payload.size() / 8, std::size(words));
  for (u64 i = 0; i < word_count; ++i) words[i] = base::load_le64(payload.data() + 8 * i);
  switch (kind) {
    case FrameKind::Console:
      if (handlers_.console) handlers_.console(payload);
      return true;
    case FrameKind::Text:
      if (handlers_.text) handlers_.text(base::text_of(payload));
      return true;
    case FrameKind::Root: return !handlers_.root || handlers_.root({words[0], words[1], {words[2], words[3]}});
    case FrameKind::Event: {
      base::Event event;
      broken_ = payload.size() != sizeof event;
      if (broken_) return false;
      std::memcpy(&event, payload.data(), sizeof event);
      if (handlers_.event) handlers_.event(event);
      return true;
    }
    case FrameKind::Leaves: {
      std::vector<base::Digest> leaves;
      for (u64 i = 0; i + 16 <= payload.size(); i += 16) {
        leaves.push_back({base::load_le64(payload.data() + i), base::load_le64(payload.data() + i + 8)});
      }
      return !handlers_.leaves || handlers_.leaves(std::move(leaves));
    }
    case FrameKind::End:
      end_ = {static_cast<Outcome>(words[0]), words[1], words[2], words[3], words[4] != 0, {words[5], words[6]}};
      ended_ = true;
      return true;
    case FrameKind::Failed: failed_status_ = static_cast<int>(words[0]); return true;
  }
  broken_ = true;
  return false;
}

// ── Processes ────────────────────────────────────────────────────────────────────────────────────────────────

QemuResult run_qemu(const QemuStart& start, const std::function<bool(base::Bytes)>& output) {
  Pipes pipes;
  if (!start_qemu(start, false, pipes)) return {QemuEnd::NotStarted, -1};
  interrupted = 0;
  const auto old_int = std::signal(SIGINT, on_interrupt);
  const auto old_term = std::signal(SIGTERM, on_interrupt);
  const u64 limit = now_ns() + start.limit_s * 1'000'000'000;
  QemuEnd how = QemuEnd::Exited;
  for (;;) {
    pollfd ready{pipes.output, POLLIN, 0};
    const int count = poll(&ready, 1, 200);
    if (interrupted != 0) {
      how = QemuEnd::Interrupted;
      break;
    }
    if (now_ns() > limit) {
      how = QemuEnd::Limit;
      break;
    }
    if (count <= 0) continue;
    u8 bytes[65536];
    const ssize_t length = read(pipes.output, bytes, sizeof bytes);
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) break;
    if (!output({bytes, static_cast<u64>(length)})) {
      how = QemuEnd::Stopped;
      break;
    }
  }
  std::signal(SIGINT, old_int);
  std::signal(SIGTERM, old_term);
  return finish_qemu(start, pipes, how);
}

QemuResult attach_qemu(const QemuStart& start) {
  Pipes pipes;
  if (!start_qemu(start, true, pipes)) return {QemuEnd::NotStarted, -1};
  if (stdin_is_terminal()) make_terminal_raw();
  interrupted = 0;
  std::signal(SIGPIPE, SIG_IGN);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) std::signal(signal, on_interrupt);
  QemuEnd how = QemuEnd::Exited;
  bool escape = false;
  bool input_ended = false;
  for (;;) {
    pollfd ready[2] = {{pipes.output, POLLIN, 0}, {input_ended ? -1 : STDIN_FILENO, POLLIN, 0}};
    const int count = poll(ready, 2, 200);
    if (interrupted != 0) {
      how = QemuEnd::Interrupted;
      break;
    }
    if (count <= 0) continue;
    if ((ready[1].revents & (POLLIN | POLLHUP)) != 0 && !forward_input(pipes.input, escape, input_ended)) {
      how = QemuEnd::Stopped;
      break;
    }
    if ((ready[0].revents & (POLLIN | POLLHUP)) == 0) continue;
    char bytes[4096];
    const ssize_t length = read(pipes.output, bytes, sizeof bytes);
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) break;
    for (ssize_t at = 0; at < length;) {
      const ssize_t written = write(STDOUT_FILENO, bytes + at, static_cast<u64>(length - at));
      if (written <= 0) break;
      at += written;
    }
  }
  restore_terminal();
  return finish_qemu(start, pipes, how);
}

}  // namespace sim::host::cli
