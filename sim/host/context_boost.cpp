// sim/host/context_boost.cpp — switching stacks with Boost.Context's fcontext, the bare assembly layer: no signal mask is
// saved and nothing is allocated. For processors without a switch of our own.
#include <boost/context/detail/fcontext.hpp>

#include <bit>

#include "kernel-model/machine.h"

namespace fcontext = boost::context::detail;

namespace machine {
namespace {

// Who is entered finds where the context of who left it is to be kept.
void keep(fcontext::transfer_t left) { *static_cast<Context*>(left.data) = left.fctx; }

void begin(fcontext::transfer_t left) {
  const auto entry = std::bit_cast<void (*)()>(left.data);  // from context_make
  left = fcontext::jump_fcontext(left.fctx, nullptr);
  keep(left);
  entry();
}

}  // namespace

Context context_make(Stack stack, void (*entry)()) {
  const fcontext::fcontext_t fresh = fcontext::make_fcontext(stack.base + stack.bytes, stack.bytes, begin);
  return fcontext::jump_fcontext(fresh, std::bit_cast<void*>(entry)).fctx;
}

void context_switch(Context& from, Context to) { keep(fcontext::jump_fcontext(to, &from)); }

}  // namespace machine
