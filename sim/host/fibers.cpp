// sim/host/fibers.cpp — switching stacks with Boost.Context's fcontext, the bare assembly layer: no signal mask is saved
// and nothing is allocated, so a switch is about 2 ns.
#include <boost/context/detail/fcontext.hpp>

#include <bit>
#include <cstddef>
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

namespace fcontext = boost::context::detail;

// The two Transfer types are the same pair of pointers, returned in the same registers; no conversion is needed.
static_assert(sizeof(machine::Transfer) == sizeof(fcontext::transfer_t));
static_assert(offsetof(machine::Transfer, from) == offsetof(fcontext::transfer_t, fctx));
static_assert(offsetof(machine::Transfer, data) == offsetof(fcontext::transfer_t, data));

namespace machine {

Context context_make(Stack stack, void (*entry)(Transfer)) {
  return fcontext::make_fcontext(stack.base + stack.bytes, stack.bytes,
                                 std::bit_cast<void (*)(fcontext::transfer_t)>(entry));
}

Transfer context_switch(Context to, void* data) {
  const fcontext::transfer_t transfer = fcontext::jump_fcontext(to, data);
  return {transfer.fctx, transfer.data};
}

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
