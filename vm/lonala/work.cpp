#include "vm/lonala/work.h"

#include <cstring>

#include "vm/lonala/equality.h"
#include "vm/lonala/natives/elements.h"
#include "vm/lonala/natives/sort.h"
#include "vm/lonala/number/long_work.h"
#include "vm/lonala/printer.h"
#include "vm/lonala/reader.h"

#include "base/enforce.h"

namespace lonala {
namespace {

WorkBlock& work_of(const Vm& vm, const Process& process) {
  return *vm.at<WorkBlock>(vm.at<RareRecord>(process.rare)->work);
}
Kept* kept_of(WorkBlock& block) { return reinterpret_cast<Kept*>(&block + 1); }

template <class Work>
Term go_on(Vm& vm, WorkBlock& block) {
  return reinterpret_cast<Work*>(&block + 1)->run(vm, true);
}

/// Forgets the block, whose arrays are free.
void forget(Vm& vm, Process& process) {
  RareRecord& rare = *vm.at<RareRecord>(process.rare);
  const u64 offset = rare.work;
  rare.work = 0;
  process.marks &= static_cast<u16>(~kAtWork);
  process.gc_off -= 1;
  block_release(vm, offset, vm.at<WorkBlock>(offset)->bytes, PageUse::Table);
}

}  // namespace

bool work_keep(Vm& vm, WorkKind kind, const void* work, u64 bytes, u64 kept_count) {
  Process& process = *vm.process;
  RareRecord* rare = rare_record(vm, process);
  const u64 all = sizeof(WorkBlock) + bytes;
  const u64 offset = rare == nullptr ? 0 : block_acquire(vm, all, PageUse::Table);
  if (offset == 0) return false;
  *vm.at<WorkBlock>(offset) = {kind, vm.native, all, kept_count, 0, 0};
  memcpy(vm.at<WorkBlock>(offset) + 1, work, bytes);
  rare->work = offset;
  process.marks |= kAtWork;
  process.gc_off += 1;
  return true;
}

void work_release(Vm& vm, Kept* kept, u64 count) {
  for (u64 i = 0; i < count; ++i) {
    if (kept[i].offset != 0) block_release(vm, kept[i].offset, kept[i].bytes, PageUse::Table);
    kept[i] = {};
  }
}

Term work_go_on(Vm& vm) {
  Process& process = *vm.process;
  WorkBlock& block = work_of(vm, process);
  vm.native = block.native;
  if (block.charges != 0) made_begin(vm, block.made);
  Term value = kNone;
  switch (block.kind) {
#define WORK(name) \
  case WorkKind::name: value = go_on<name>(vm, block); break;
    LONALA_WORKS(WORK)
#undef WORK
  }
  if (block.charges != 0) made_end(vm);
  vm.made = {};
  if (value == kNone) return kRaised;
  work_release(vm, kept_of(block), block.kept_count);
  forget(vm, process);
  return value;
}

void work_drop(Vm& vm, Process& process) {
  if ((process.marks & kAtWork) == 0) return;
  WorkBlock& block = work_of(vm, process);
  work_release(vm, kept_of(block), block.kept_count);
  forget(vm, process);
  process.marks &= static_cast<u16>(~kInCall);
}

u64 work_bytes(const Vm& vm, const Process& process) {
  if ((process.marks & kAtWork) == 0) return 0;
  WorkBlock& block = work_of(vm, process);
  u64 bytes = block_capacity(block.bytes);
  for (u64 i = 0; i < block.kept_count; ++i) {
    if (kept_of(block)[i].offset != 0) bytes += block_capacity(kept_of(block)[i].bytes);
  }
  return bytes;
}

namespace {
u64 words_made(const Process& process) { return process.hp / 8 + process.fragment_words; }
}  // namespace

void made_begin(Vm& vm, u64 left) { vm.made = {vm.process->heap_low, words_made(*vm.process), left}; }

void charge_made(Vm& vm) {
  const Process& process = *vm.process;
  if (process.heap_low != vm.made.block) return;
  const u64 words = vm.made.left + words_made(process) - vm.made.words;
  charge(vm, words / kWordsPerReduction);
  made_begin(vm, words % kWordsPerReduction);
}

void made_end(Vm& vm) {
  charge_made(vm);
  if ((vm.process->marks & kAtWork) == 0) return;
  WorkBlock& block = work_of(vm, *vm.process);
  block.charges = 1;
  block.made = vm.made.left;
}

}  // namespace lonala
