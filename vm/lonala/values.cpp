#include "vm/lonala/values.h"

#include <algorithm>

#include "vm/lonala/binaries.h"
#include "vm/lonala/copy.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kRetiredBytesMin = u64{256} << 10;  // below that much no process is collected for it
constexpr u32 kSweepSlots = 16;                   // processes looked at in a step

ValueBlock& block_at(const Vm& vm, u64 offset) { return *vm.at<ValueBlock>(offset); }

void free_retired(Vm& vm, u64 epoch) {
  Root& root = *vm.root;
  while (root.retired_first != 0 && block_at(vm, root.retired_first).epoch <= epoch) {
    const u64 offset = root.retired_first;
    const ValueBlock block = block_at(vm, offset);
    root.retired_first = block.next;
    if (block.next == 0) root.retired_last = 0;
    root.retired_bytes -= block_capacity(block.bytes);
    root.retired_kept = std::min(root.retired_kept, root.retired_bytes);
    root.value_bytes -= block_capacity(block.bytes);
    shared_release(vm, block.shared);
    const bool large = block.bytes > kSlabBytesMax;
    block_release(vm, offset, block.bytes, large ? PageUse::Retired : PageUse::Value);
  }
}

}  // namespace

Term copy_to_value(Vm& vm, Term term) {
  u64 block = 0;
  u64 shared = 0;
  const Term copy = copy_term(vm, term, Bytebufs::Copied, shared, [&](u64 words) -> u64 {
    const u64 bytes = sizeof(ValueBlock) + words * 8;
    charge(vm, words / kWordsPerReduction);
    block = block_acquire(vm, bytes, PageUse::Value);
    if (block == 0) return 0;
    block_at(vm, block) = {0, 0, bytes, 0};
    vm.root->value_bytes += block_capacity(bytes);
    return block + sizeof(ValueBlock);
  });
  if (block != 0) block_at(vm, block).shared = shared;
  return copy;
}

void value_retire(Vm& vm, Term value) {
  const Tag tag = tag_of(value);
  if (tag != Tag::Pair && tag != Tag::Tuple && tag != Tag::Boxed) return;
  Root& root = *vm.root;
  if (is_literal(vm, offset_of(value)) || page_use(vm, offset_of(value)) != PageUse::Value) return;
  const u64 offset = offset_of(value) - sizeof(ValueBlock);  // the copy's first object is the value itself
  ValueBlock& block = block_at(vm, offset);
  root.value_epoch += 1;
  block.epoch = root.value_epoch;
  block.next = 0;
  if (root.retired_last != 0) {
    block_at(vm, root.retired_last).next = offset;
  } else {
    root.retired_first = offset;
  }
  root.retired_last = offset;
  root.retired_bytes += block_capacity(block.bytes);
  if (block.bytes > kSlabBytesMax) page_block_reuse(vm, offset, block.bytes, PageUse::Retired);
  const u64 held = root.value_bytes - root.retired_bytes;
  if (root.sweep_target == 0 && root.retired_bytes - root.retired_kept > std::max(kRetiredBytesMin, held / 2)) {
    root.sweep_target = root.value_epoch;
    root.sweep_slot = 0;
    if (vm.process != nullptr) {  // the slice ends, so that it begins
      vm.process->flags |= kYield;
      hold_fuel(*vm.process);
    }
  }
}

bool value_is_retired(const Vm& vm, u64 offset) {
  switch (page_use(vm, offset)) {
    case PageUse::Retired: return true;
    case PageUse::Value: {
      const u64 object = slab_object(vm, offset);
      return object != 0 && block_at(vm, object).epoch != 0;
    }
    default: return false;
  }
}

void sweep_step(Vm& vm) {
  Root& root = *vm.root;
  for (u32 i = 0; i < kSweepSlots && root.sweep_slot < root.process_high; ++i, ++root.sweep_slot) {
    const u64 word = vm.words(root.processes)[root.sweep_slot];
    if (word == 0 || (word & 1) != 0) continue;
    Process& process = *vm.at<Process>(word);
    if (process.swept_epoch >= root.sweep_target) continue;
    // One that cannot be collected now, or has no memory for it, keeps the values until a later sweep.
    if (!collect_waiting(vm, process)) root.sweep_target = std::min(root.sweep_target, process.swept_epoch);
  }
  if (root.sweep_slot < root.process_high) return;
  free_retired(vm, root.sweep_target);
  root.sweep_target = 0;
  root.retired_kept = root.retired_bytes;
}

}  // namespace lonala
