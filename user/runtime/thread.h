// user/runtime/thread.h — further kernel threads of a native program. They share its memory and its open files; each has a file half
// of its own to ask with, and none meets notes. Threads change places only in system calls and where work is charged, so
// what lies between two of these needs no lock.
#pragma once
#include "user/runtime/process.h"

namespace user {

using ThreadBody = void (*)(Process& thread, void* context);

/// Starts a thread that runs `body` with a Process of its own, until the program ends. Errors: TooManyProcesses, OutOfMemory.
Result<void> start_thread(Process& first, ThreadBody body, void* context);
/// One thread that waits for work goes on, or the next that would wait; there must be one. Told twice before anybody waits is told once.
void wake_thread();
/// Waits until it is woken.
void wait_for_work();
/// Ends what the first thread waits for: a sleep, or `wait_readable`, with Interrupted.
void tell_first();
/// Whatever the thread waits for at a file server is answered with Interrupted, now and until `go_on`.
void cancel_thread(Process& first, Process& thread);
void go_on(Process& thread);

// Open files of the program, for one request of a thread; see FileTable.
Result<void> borrow_file(Process& thread, Fd fd);
void give_back_file(Process& thread, Fd fd);
Result<void> close_borrowed_file(Process& thread, Fd fd);
Result<Fd> hand_over_file(Process& thread, Fd fd);

/// The native entry of threads. Argument 0: where in the arena it is told what to run.
void thread_main(const u64 (&arguments)[8]);

}  // namespace user
