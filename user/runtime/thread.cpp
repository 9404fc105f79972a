// user/runtime/thread.cpp — see thread.h.
#include "user/runtime/thread.h"

#include "user/runtime/call.h"
#include "user/runtime/files.h"

#include "base/enforce.h"

namespace user {
namespace {

using Manager = schema::process::Process;

struct ThreadStart {
  ProcessState* first;
  ThreadBody body;
  void* context;
};

FileTable& files_of(Process& thread) { return user::files_of(ProcessAccess::state(thread)); }

}  // namespace

Process::State::State(State& first_thread)
    : heap(first_thread.heap),
      pid(first_thread.pid),
      parent(first_thread.parent),
      identity(first_thread.identity),
      umask(first_thread.umask),
      number(++first_thread.threads_made),
      first(&first_thread),
      shared(first_thread.shared),
      argument_text(heap),
      args(heap),
      cwd(heap, first_thread.cwd.view()),
      inherited(heap) {
  for (const std::string_view argument : first_thread.args) args.push_back(argument);
}

Result<void> start_thread(Process& first, ThreadBody body, void* context) {
  ProcessState& state = ProcessAccess::state(first);
  ASSERT(state.first == nullptr);
  if (!state.has_work) {
    TRY(call<Manager::Make>(kSlotRoot,
                            {.kind = schema::process::ObjectKind::Notification, .slot = kSlotWork, .count = 1}));
    state.has_work = true;
  }
  void* place = state.heap.try_allocate(sizeof(ThreadStart), alignof(ThreadStart));
  if (place == nullptr) return fs::fail(ErrorCode::OutOfMemory);
  ThreadStart* start = new (place) ThreadStart{&state, body, context};
  const u64 argument = static_cast<u64>(reinterpret_cast<u8*>(start) - machine::arena_base());
  const auto made = call<Manager::Thread>(kSlotRoot, {.argument = argument});
  if (made.ok()) return {};
  state.heap.release(start, sizeof(ThreadStart));
  return made.take_failure();
}

void thread_main(const u64 (&arguments)[8]) {
  ThreadStart* place = reinterpret_cast<ThreadStart*>(machine::arena_base() + arguments[0]);
  const ThreadStart start = *place;
  base::Allocator& heap = start.first->heap;
  heap.release(place, sizeof(ThreadStart));
  ProcessState& state = *new (heap.allocate(sizeof(ProcessState), alignof(ProcessState))) ProcessState(*start.first);
  machine::self().runtime = &state;
  state.buffer = machine::self().buffer;
  start_files(state);
  sys::invoke(kSlotCNode, sys::Invoke::CNodeCopy, {kSlotWork, kSlotDepth, kSlotWork, kCNodeRadix, kernel::kRightsAll},
              {kSlotFirst});
  start.body(state.process, start.context);
}

void wake_thread() { sys::signal(kSlotWork); }

void wait_for_work() { sys::wait(kSlotWork); }

void tell_first() { sys::signal(kSlotTell); }

void cancel_thread(Process& first, Process& thread) {
  ProcessState& state = ProcessAccess::state(thread);
  state.cancelled = true;
  const u64 slot = state.buffer->user_data;
  if (slot >= kSlotDescriptors && slot < kSlotDescriptorsEnd)
    files_of(first).flush(static_cast<Fd>(slot - kSlotDescriptors));
}

void go_on(Process& thread) { ProcessAccess::state(thread).cancelled = false; }

Result<void> borrow_file(Process& thread, Fd fd) { return files_of(thread).borrow(fd); }
void give_back_file(Process& thread, Fd fd) { files_of(thread).give_back(fd); }
Result<void> close_borrowed_file(Process& thread, Fd fd) { return files_of(thread).close_borrowed(fd); }
Result<Fd> hand_over_file(Process& thread, Fd fd) { return files_of(thread).hand_over(fd); }

}  // namespace user
