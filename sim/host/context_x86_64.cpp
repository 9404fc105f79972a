// sim/host/context_x86_64.cpp — makes a context as context_x86_64.S enters one.
#include "base/assert.h"
#include "base/bytes.h"
#include "kernel-model/machine.h"

extern "C" void sim_host_context_start();

machine::Context machine::context_make(Stack stack, void (*entry)()) {
  constexpr u64 kStackAlign = 16;  // ABI §3.2.2: the stack is aligned before a call
  constexpr u64 kSavedWords = 7;   // r15 r14 r13 r12 rbx rbp, return address
  constexpr u64 kEntryWord = 4;    // rbx
  ASSERT(stack.base != nullptr && stack.bytes >= 1024);
  const u64 top = base::align_down(reinterpret_cast<std::uintptr_t>(stack.base) + stack.bytes, kStackAlign);
  u64* saved = reinterpret_cast<u64*>(top) - kSavedWords;
  for (u64 i = 0; i < kSavedWords; ++i) saved[i] = 0;
  saved[kEntryWord] = reinterpret_cast<std::uintptr_t>(entry);
  saved[kSavedWords - 1] = reinterpret_cast<std::uintptr_t>(&sim_host_context_start);
  return saved;
}
