#include "vm/lonala/code.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "vm/lonala/memory.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr InstructionShape kShapes[] = {
#define INSTRUCTION(name, operands, words) {#name, operands, words},
    LONALA_INSTRUCTIONS(INSTRUCTION, INSTRUCTION)
#undef INSTRUCTION
};

}  // namespace

const InstructionShape& instruction_shape(Op op) { return kShapes[static_cast<u32>(op)]; }

u32 instruction_words(u32 first) {
  u32 words = 1;
  for (const char* word = kShapes[first & 0xFF].words; *word != 0; ++word) {
    words += *word == 't' ? kSwitchEntryWords * (first >> 16) : *word == 'c' ? 2 : 1;
  }
  return words;
}

bool function_register(Vm& vm, u64 function) {
  Root& root = *vm.root;
  if (root.function_count == root.function_capacity) {
    const u64 capacity = root.function_capacity == 0 ? 1024 : root.function_capacity * 2;
    const u64 table = block_acquire(vm, capacity * 8, PageUse::Table);
    if (table == 0) return false;
    if (root.functions != 0) {
      memcpy(vm.words(table), vm.words(root.functions), root.function_count * 8);
      block_release(vm, root.functions, root.function_capacity * 8, PageUse::Table);
    }
    root.functions = table;
    root.function_capacity = capacity;
  }
  // By falling address. The literal area grows down, so the end is the place unless memory is used again.
  u64* table = vm.words(root.functions);
  u64* const end = table + root.function_count;
  u64* const place =
      root.function_count == 0 || function < end[-1] ? end : std::lower_bound(table, end, function, std::greater<>());
  memmove(place + 1, place, static_cast<u64>(end - place) * 8);
  *place = function;
  root.function_count += 1;
  return true;
}

u64 function_at(const Vm& vm, u64 code) {
  const u64* table = vm.words(vm.root->functions);
  u64 low = 0;
  u64 high = vm.root->function_count;
  while (low < high) {  // the first one at or below the address
    const u64 middle = (low + high) / 2;
    if (table[middle] > code) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == vm.root->function_count) return 0;
  const FunctionHeader& function = *vm.at<FunctionHeader>(table[low]);
  const u64 end = table[low] + sizeof(FunctionHeader) + u64{function.code_words} * 4;
  return code < end ? table[low] : 0;
}

}  // namespace lonala
