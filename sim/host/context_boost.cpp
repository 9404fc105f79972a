// sim/host/context_boost.cpp — switching stacks with Boost.Context's fcontext, the bare assembly layer: no signal mask is
// saved and nothing is allocated. For processors without a switch of our own.
#include <boost/context/detail/fcontext.hpp>

#include <bit>
#include <cstddef>

#include "kernel-model/machine.h"

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

}  // namespace machine
