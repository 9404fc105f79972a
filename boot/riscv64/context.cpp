// boot/riscv64/context.cpp — makes a context as context.S enters one.
#include "base/assert.h"
#include "base/bytes.h"
#include "kernel-model/machine.h"

#include "base/enforce.h"

extern "C" void boot_context_start();

machine::Context machine::context_make(Stack stack, void (*entry)()) {
  constexpr u64 kStackAlign = 16;  // calling conventions §1.2
  constexpr u64 kSavedWords = 14;  // ra s0 … s11, padding
  constexpr u64 kReturnWord = 0;
  constexpr u64 kEntryWord = 2;  // s1
  ASSERT(stack.base != nullptr && stack.bytes >= 1024);
  const u64 top = base::align_down(reinterpret_cast<std::uintptr_t>(stack.base) + stack.bytes, kStackAlign);
  u64* saved = reinterpret_cast<u64*>(top) - kSavedWords;
  for (u64 i = 0; i < kSavedWords; ++i) saved[i] = 0;
  saved[kReturnWord] = reinterpret_cast<std::uintptr_t>(&boot_context_start);
  saved[kEntryWord] = reinterpret_cast<std::uintptr_t>(entry);
  return saved;
}
