// Recordings as a user of the command meets them: live sessions in a pseudo-terminal, files cut by a kill, other models.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include <filesystem>

#include "replay/recording.h"
#include "tests/sim/cli_lab.h"

using namespace cli_lab;

namespace {

/// `orrery live` at a pseudo-terminal.
class Session {
 public:
  explicit Session(const std::string& record) {
    terminal_ = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    REQUIRE(terminal_ >= 0);
    REQUIRE(grantpt(terminal_) == 0);
    REQUIRE(unlockpt(terminal_) == 0);
    const std::string name = ptsname(terminal_);
    resize(80, 25);
    termios quiet = {};
    REQUIRE(tcgetattr(terminal_, &quiet) == 0);
    cfmakeraw(&quiet);  // without its own echo, what is shown is the guest's answer
    REQUIRE(tcsetattr(terminal_, TCSANOW, &quiet) == 0);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      setsid();
      const int side = open(name.c_str(), O_RDWR);
      for (int fd = 0; fd < 3; ++fd) dup2(side, fd);
      execl(kOrrery.c_str(), kOrrery.c_str(), "live", "--record", record.c_str(), nullptr);
      _exit(99);
    }
  }
  ~Session() {
    if (pid_ > 0) end(SIGKILL);
    close(terminal_);
  }
  void type(const std::string& text) { REQUIRE(write(terminal_, text.data(), text.size()) == long(text.size())); }
  void resize(u16 columns, u16 rows) {
    const winsize size{rows, columns, 0, 0};
    REQUIRE(ioctl(terminal_, TIOCSWINSZ, &size) == 0);
  }
  /// Reads output until it holds `text`; false after ten seconds without it.
  bool shows(const std::string& text) {
    for (u32 wait = 0; wait < 100; ++wait) {
      if (contains(output_, text)) return true;
      pollfd ready{terminal_, POLLIN, 0};
      if (poll(&ready, 1, 100) <= 0) continue;
      char buffer[4096];
      const ssize_t count = read(terminal_, buffer, sizeof buffer);
      if (count <= 0) break;
      output_.append(buffer, static_cast<std::size_t>(count));
    }
    return contains(output_, text);
  }
  /// Waits for its end, after `signal` if there is one.
  int end(int signal = 0) {
    if (signal != 0) kill(pid_, signal);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  int terminal_ = -1;
  pid_t pid_ = -1;
  std::string output_;
};

std::string change_model(const std::string& path) {
  const replay::Recording recording = replay::load(path);
  std::vector<replay::Content> contents;
  for (const replay::Frame& frame : recording.frames) contents.push_back(frame.content);
  std::get<replay::Header>(contents[0]).model[0] ^= 1;
  const std::string out = temporary("other.orrery");
  const replay::Buffer file = replay::file_of(contents);
  std::ofstream(out, std::ios::binary).write(reinterpret_cast<const char*>(file.data()), long(file.size()));
  return out;
}

}  // namespace

TEST_CASE("a recorded script replays to the digest it had", "[sim][cli][replay]") {
  const std::string script = script_file("echo a\nwork\nsleep\ntime\nexit 3\n");
  const std::string file = temporary("run.orrery");
  const Finished run =
      shell(kOrrery + " run " + script + " --seed 7 --cores 2 --record " + file + " --digest 2>/dev/null");
  CHECK(run.code == 1);  // the script ends with status 3
  const Finished again = shell(kOrrery + " replay " + file + " --digest 2>/dev/null");
  CHECK(again.code == 0);
  CHECK(again.out == run.out);
  CHECK(shell(kOrrery + " run " + script + " --seed 7 --cores 2 --digest 2>/dev/null").out == run.out);
  const Finished info = shell(kOrrery + " recording info " + file);
  CHECK(info.code == 0);
  CHECK(contains(info.out, "seed      7"));
  CHECK(contains(info.out, "1 node, 2 cores"));
  CHECK(contains(info.out, "halted with status 3"));
  CHECK(shell(kOrrery + " recording check " + file).code == 0);
  CHECK(shell(kOrrery + " recording info " + file + " --json | python3 -m json.tool").code == 0);
  CHECK(shell(kOrrery + " replay " + file + " --json 2>/dev/null | python3 -m json.tool").code == 0);
  CHECK(!contains(read_file(file), "/tmp"));  // no path of the host
}

TEST_CASE("the table of digests of a recording is that of its run", "[sim][cli][replay]") {
  const std::string script = script_file("echo a\nwork\nexit 0\n");
  const std::string file = temporary("table.orrery");
  REQUIRE(shell(kOrrery + " run " + script + " --seed 7 --record " + file + " 2>/dev/null").code == 0);
  const Finished recorded = shell(kOrrery + " digest " + file + " --lanes");
  CHECK(recorded.code == 0);
  CHECK(recorded.out == shell(kOrrery + " digest " + script + " --seed 7 --lanes").out);
  CHECK(contains(recorded.out, "node 1 lane"));
  CHECK(shell(kOrrery + " digest " + file + " --seed 8 2>&1").code == 2);
}

TEST_CASE("a session typed at a terminal, resized and with a silent loop, replays", "[sim][cli][replay][watchdog]") {
  const std::string file = temporary("live.orrery");
  Session session(file);
  session.type("echo hello\r");
  REQUIRE(session.shows("hello"));
  session.resize(132, 50);
  session.type("work\recho again\r");
  REQUIRE(session.shows("again"));
  session.type("spin\r");  // the guest has nobody who hears of its fault, so the world stalls or waits from then on
  usleep(2'500'000);
  session.type("\x1Dq");
  CHECK(session.end() == 0);
  const Finished info = shell(kOrrery + " recording info --inputs " + file);
  CAPTURE(info.out);
  CHECK(contains(info.out, "echo hello\\x0d"));
  CHECK(contains(info.out, "size:1@1  84003200"));
  CHECK(contains(info.out, "watchdog:1@1"));
  const Finished again = shell(kOrrery + " replay " + file + " 2>&1");
  CAPTURE(again.out);
  CHECK(again.code == 0);
  CHECK(contains(again.out, "hello\nagain\n"));
  CHECK(contains(again.out, "orrery: equal: "));
}

TEST_CASE("killing a session loses nothing that had an effect", "[sim][cli][replay]") {
  const std::string file = temporary("killed.orrery");
  for (u32 lines = 1; lines <= 4; ++lines) {
    Session session(file);
    for (u32 line = 0; line < lines; ++line) {
      session.type("echo line" + std::to_string(line) + "\r");
      REQUIRE(session.shows("line" + std::to_string(line)));
    }
    session.end(SIGKILL);
    const Finished again = shell(kOrrery + " replay " + file + " 2>&1");
    CAPTURE(lines, again.out);
    CHECK(again.code == 0);
    CHECK(contains(again.out, "the recording has no end"));
    CHECK(contains(again.out, std::to_string(lines) + " inputs"));
    CHECK(shell(kOrrery + " recording check " + file).code == 0);
  }
}

TEST_CASE("a damaged recording is named with frame and byte, and repaired", "[sim][cli][replay]") {
  const std::string script = script_file("echo a\n");
  const std::string file = temporary("damaged.orrery");
  shell(kOrrery + " run " + script + " --record " + file + " 2>/dev/null");
  std::string bytes = read_file(file);
  bytes[bytes.size() - 9] ^= 4;
  std::ofstream(file, std::ios::binary) << bytes;
  const Finished check = shell(kOrrery + " recording check " + file + " 2>&1");
  CHECK(check.code == 8);
  CHECK(contains(check.out, "frame 3 at byte "));
  CHECK(contains(check.out, "the checksum does not match"));
  const std::string mended = temporary("mended.orrery");
  CHECK(shell(kOrrery + " recording repair " + file + " " + mended).code == 0);
  CHECK(shell(kOrrery + " recording check " + mended).code == 0);
  CHECK(shell(kOrrery + " replay " + mended + " 2>/dev/null").code == 0);
  std::ofstream(file, std::ios::binary) << "not a recording";
  CHECK(shell(kOrrery + " replay " + file + " 2>/dev/null").code == 8);
  CHECK(shell(kOrrery + " replay /nonexistent 2>/dev/null").code == 8);
}

TEST_CASE("another model id or format is refused with both ids", "[sim][cli][replay][simulation.T77]") {
  const std::string script = script_file("echo a\n");
  const std::string file = temporary("model.orrery");
  shell(kOrrery + " run " + script + " --record " + file + " 2>/dev/null");
  const std::string other = change_model(file);
  const Finished refused = shell(kOrrery + " replay " + other + " 2>&1");
  CHECK(refused.code == 12);
  const std::string own = replay::hex(replay::model_id());
  CHECK(contains(refused.out, "this is     " + own));
  CHECK(contains(refused.out, "recorded by " + replay::hex(replay::load(other).header().model)));
  CHECK(contains(shell(kOrrery + " version").out, "model    " + own));
  std::string bytes = read_file(file);
  bytes[8] = 9;
  std::ofstream(other, std::ios::binary) << bytes;
  const Finished format = shell(kOrrery + " replay " + other + " 2>&1");
  CHECK(format.code == 12);
  CHECK(contains(format.out, "recording format 9"));
}

TEST_CASE("live records into the state folder, privately, and forgets what is a week old",
          "[sim][cli][replay][privacy]") {
  namespace fs = std::filesystem;
  const std::string state = temporary("sessions");
  const std::string line = "echo 'echo kept' | " + kOrrery + " live --state " + state + " 2>&1";
  CHECK(shell(line).out == "kept\n");
  const fs::path folder = fs::path(state) / "sessions";
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  REQUIRE(files.size() == 1);
  struct stat status = {};
  REQUIRE(stat(files[0].c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(shell(kOrrery + " replay " + files[0].string() + " 2>/dev/null").out == "kept\n");
  fs::last_write_time(files[0], fs::file_time_type::clock::now() - std::chrono::hours(24 * 8));
  CHECK(shell(line).code == 0);
  CHECK(!fs::exists(files[0]));
  fs::remove_all(state);
}

TEST_CASE("a blind run is labelled, recorded and shrunk as what it is", "[sim][cli][blind]") {
  const std::string script = script_file("echo a\nrank\necho b\n");
  const std::string file = temporary("blind.orrery");
  const std::string least = temporary("least.orrery");
  CHECK(shell(kOrrery + " campaign " + script + " --seeds 1..6 --jobs 1 -q 2>&1").code == 0);
  const Finished found = shell(kOrrery + " campaign " + script + " --blind --sched fair --seeds 1..3 --jobs 1 -q 2>&1");
  CHECK(found.code == 1);
  CHECK(contains(found.out, "FAILED  status exit 6"));
  CHECK(contains(found.out, "orrery run " + script + " --seed 1 --blind --sched fair"));
  const Finished run = shell(kOrrery + " run " + script + " --seed 1 --blind --digest --record " + file + " 2>&1");
  CHECK(run.code == 1);
  CHECK(contains(run.out, "blind: with one priority for all threads\n"));
  CHECK(contains(run.out, "--seed 1 --blind\n"));
  const std::string digest = run.out.substr(run.out.find("digest "), 39);
  CHECK(contains(shell(kOrrery + " replay " + file + " --digest 2>/dev/null").out, digest));
  CHECK(contains(shell(kOrrery + " verify " + file + " --quick 2>&1").out, "equal "));
  const Finished shrunk = shell(kOrrery + " minimise " + file + " -q --jobs 1 --out " + least + " 2>&1");
  CHECK(shrunk.code == 0);
  CHECK(contains(shrunk.out, "    rank\n"));
  CHECK(contains(shrunk.out, "of 3 operations left"));
  CHECK(shell(kOrrery + " run " + script + " --override blind 2>/dev/null").code == 1);
  CHECK(contains(shell(kOrrery + " run " + script + " --override 'blind all' 2>&1").out,
                 "nothing stands behind `blind`"));
  for (const std::string& path : {script, file, least}) std::remove(path.c_str());
}
