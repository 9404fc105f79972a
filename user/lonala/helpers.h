// user/lonala/helpers.h — threads that make the machine's calls outside: each call holds up the Lonala process that makes it, and
// nobody else. A helper never touches the machine's memory: what a call needs is copied to its job, what came of it is taken from there.
// Bounds      kHelpersMax threads; further calls wait for one that is free, in the order they were made.
// Tested by   tests/sessions/lonala.txt, tests/determinism/lonala_calls.fsh
#pragma once
#include "base/list.h"
#include "user/lonala/system_files.h"

namespace user::lonala_program {

class Helpers {
 public:
  static constexpr u32 kHelpersMax = 64;

  /// Lives as long as the process does: its threads know it.
  static Helpers& make(Process& process);

  /// As of lonala::Files.
  Result<void> begin(u64 caller, const lonala::FileCall& call);
  u64 ended(lonala::FileAnswer& answer);
  void cancel(u64 caller);

 private:
  struct Job {
    explicit Job(base::Allocator& heap) : text(heap), data(heap), words(heap), problem(heap) {}
    u64 caller = 0;
    bool cancelled = false;
    lonala::FileCall call;  // its views are of what follows
    base::String text;      // all paths and words, one behind the other
    base::Vector<u8> data;  // to write; what was read
    base::Vector<std::string_view> words;
    lonala::FileAnswer answer;
    base::String problem;
    base::ListHook hook;
  };
  using Jobs = base::List<Job, &Job::hook>;
  struct Helper {
    Helpers* pool = nullptr;
    Process* thread = nullptr;  // once it runs
    Job* job = nullptr;
    base::ListHook hook;
  };

  explicit Helpers(Process& process) : process_(process) {}
  static void help(Process& thread, void* context);
  static void perform(Process& thread, SystemFiles& files, Job& job);
  static void perform_open_file(Process& thread, SystemFiles& files, Job& job);
  Job* new_job(u64 caller, const lonala::FileCall& call);
  void free_job(Job& job);
  /// Wakes or makes a helper for the newest job, unless there are as many as may be.
  Result<void> call_helper();

  Process& process_;
  Jobs waiting_;
  Jobs ended_;
  Job* told_ = nullptr;  // whose answer was given last
  base::List<Helper, &Helper::hook> helpers_;
  u32 helper_count_ = 0;
  u32 idle_count_ = 0;  // that wait, and nobody has woken
};

}  // namespace user::lonala_program
