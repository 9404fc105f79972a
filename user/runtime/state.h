// user/runtime/state.h — what the runtime of one native process keeps; it lies at the start of the process's heap. Shared
// by the two halves of the runtime: processes, notes, time and memory (process.cpp), and files and names (files.cpp).
#pragma once
#include "base/heap.h"
#include "base/string.h"
#include "base/vector.h"
#include "kernel-model/machine.h"
#include "schema/process.capnp.h"
#include "user/runtime/notes.h"
#include "user/runtime/probe.h"
#include "user/runtime/process.h"
#include "user/runtime/shared.h"

namespace user {

/// The file half as the process half sees it. The file half puts itself into `State::files` at the start.
class FileHalf {
 public:
  /// For a child that gets `descriptors`: what its own file half needs to know of them, appended to `text`, and the
  /// capabilities to copy. Every file that goes has been told of its new holder (`File.share`).
  virtual Result<void> pass(std::span<const FdMapping> descriptors, base::String& text,
                            base::Vector<schema::process::Copy>& copies) = 0;
  /// Takes `share` back after a spawn that failed.
  virtual void take_back(std::span<const schema::process::Copy> copies) = 0;
  /// Closes everything at the end of the process.
  virtual void close_all() = 0;

 protected:
  ~FileHalf() = default;
};

/// The heap of a native process: when the arena cannot grow any more, `allocate` is the end of the thread, a fault that
/// says so; `try_allocate` is an ordinary question.
class ProcessHeap final : public base::Allocator {
 public:
  ProcessHeap(void* region, u64 bytes, base::Heap::Grow grow, void* context)
      : heap_(region, bytes, grow, context), shared_(heap_) {}
  /// Of another thread: the process has one heap.
  explicit ProcessHeap(ProcessHeap& first) : heap_(nullptr, 0), shared_(first.heap_) {}
  void* allocate(u64 bytes, u64 align) override {
    void* block = shared_.try_allocate(bytes, align);
    if (block == nullptr) machine::crash(kernel::CrashKind::ArenaSpent);
    return block;
  }
  void* try_allocate(u64 bytes, u64 align) override { return shared_.try_allocate(bytes, align); }
  void release(void* block, u64 bytes) override { shared_.release(block, bytes); }

 private:
  base::Heap heap_;
  base::Heap& shared_;
};

struct NoteHandler {
  void (*run)(Process& process, u32 number, void* context) = nullptr;
  void* context = nullptr;
};

struct Process::State {
  State(void* region, u64 bytes);
  /// Of a further thread (thread.h).
  explicit State(State& first_thread);

  ProcessHeap heap;
  Process process{*this};
  u32 pid = 0;
  u32 parent = 0;
  Identity identity;
  u16 umask = 022;
  bool has_timer = false;  // kSlotTimer is filled
  u64 kept_signals = 0;    // kSignalReady, kSignalThread came while nobody waited for it
  bool in_handler = false;
  bool has_work = false;                // kSlotWork is filled
  u32 grows = 0;                        // how often the heap has asked for more
  u32 threads_made = 0;                 // further threads, of the first one's state
  u32 spawns = 0;                       // by this thread
  u32 waits = 0;                        // by this thread
  u32 number = 0;                       // of this thread in its process; the first is 0
  bool cancelled = false;               // of a further thread: what it does is not wanted any more
  State* first = nullptr;               // the state of the process's first thread; null: this is it
  kernel::IpcBuffer* shared = nullptr;  // the first thread's buffer, with the words of shared.h
  kernel::IpcBuffer* buffer = nullptr;  // this thread's
  base::String argument_text;           // each ended by 0
  base::Vector<std::string_view> args;
  base::String cwd;
  base::String inherited;  // what the parent's file half left for ours
  FileHalf* files = nullptr;
  NoteHandler handlers[kNotesMax];
  Probe probe;
};

/// For the parts of the runtime: a process's state. Programs have no business with it.
class ProcessAccess {
 public:
  using State = Process::State;
  static State& state(Process& process) { return process.state_; }
};
using ProcessState = ProcessAccess::State;

/// The state of the calling thread's process.
inline ProcessState& current_state() { return *static_cast<ProcessState*>(machine::self().runtime); }

/// Waits in the kernel until one of the bits `wanted` is signalled, or for the moment `until_ns` (~0: there is none). Which of them it
/// was, kSignalTimer for the moment. Errors: Interrupted when a note came first; those of the timer server.
Result<u64> wait_for_signal(ProcessState& state, u64 wanted, u64 until_ns);
/// The process's notification with this badge, in kSlotScratch until `unmint_signal`.
Result<void> mint_signal(u64 badge);
void unmint_signal();

/// Runs the handlers of pending notes; true if there was one. Called where a system call has ended.
bool run_pending_notes(ProcessState& state);

}  // namespace user
