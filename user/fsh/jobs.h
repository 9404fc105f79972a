// user/fsh/jobs.h — what runs behind the shell, or was stopped in front of it.
#pragma once
#include "base/string.h"
#include "base/vector.h"
#include "user/runtime/process.h"

namespace user::fsh {

class Shell;

struct JobProcess {
  Pid pid = 0;
  bool ended = false;
  bool stopped = false;
  i32 status = 0;
  u32 note = 0;  // that ended or stopped it
};
struct Job {
  u32 number = 0;
  Pid group = 0;
  base::String text;
  base::Vector<JobProcess> processes;
  bool background = false;
  bool told = false;  // its last change has been shown
  bool ended() const {
    for (const JobProcess& process : processes) {
      if (!process.ended) return false;
    }
    return true;
  }
  bool stopped() const {
    bool any = false;
    for (const JobProcess& process : processes) {
      if (!process.ended && !process.stopped) return false;
      any = any || process.stopped;
    }
    return any;
  }
};

class Jobs {
 public:
  explicit Jobs(Shell& shell, base::Allocator& heap) : shell_(shell), heap_(heap), jobs_(heap) {}

  /// Registers a job and returns its number, the lowest free one.
  u32 add(Pid group, std::string_view text, bool background);
  void add_process(u32 number, Pid pid);
  Job* find(u32 number);
  Job* find_by_pid(Pid pid);
  /// `%n %% %+ %- %str`; 0: no such job.
  u32 resolve(std::string_view text);
  void remove(u32 number);
  /// A job becomes the current one (`%+`): the last stopped, or else the last started.
  void make_current(u32 number);
  /// Takes in what has ended or stopped, without waiting.
  void collect();
  void note_change(const WaitStatus& change);
  /// Lines for the changes since the last prompt, on the error stream.
  void tell_changes();
  void print(const Job& job, base::String& out) const;
  base::Vector<Job>& all() { return jobs_; }
  bool any_stopped() const;

 private:
  u32 current() const { return current_; }
  u32 previous() const;
  Shell& shell_;
  base::Allocator& heap_;
  base::Vector<Job> jobs_;
  u32 current_ = 0;
};

}  // namespace user::fsh
