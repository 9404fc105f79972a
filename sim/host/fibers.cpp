// sim/host/fibers.cpp — how the process ends, and what AddressSanitizer has to know of stacks that are dropped.
#include <cstdlib>

#include "kernel-model/machine.h"
#include "sim/host/machine.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define ORRERY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define ORRERY_ASAN 1
#endif
#endif

namespace machine {

void halt(u32 code) {
  sim::host::run_last_will();
  std::exit(static_cast<int>(code));
}

}  // namespace machine

namespace sim::host {

void forget_stack_shadow([[maybe_unused]] u8* base, [[maybe_unused]] u64 bytes) {
#ifdef ORRERY_ASAN
  __asan_unpoison_memory_region(base, bytes);
#endif
}

}  // namespace sim::host

#ifdef ORRERY_ASAN
// Native programs fault on purpose and are contained, so our handlers take precedence; frames dropped without return
// make fake stacks unusable.
extern "C" const char* __asan_default_options() {
  return "allow_user_segv_handler=1:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:"
         "detect_stack_use_after_return=0:use_sigaltstack=0:detect_leaks=0";
}
#endif
