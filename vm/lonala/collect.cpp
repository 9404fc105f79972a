// vm/lonala/collect.cpp — the collector: Cheney's copying algorithm over one process (Cheney, CACM 13(11), 1970), with two
// generations once its block is large. Roots are the stack and a few words of the control block. All objects are immutable, so an
// object refers to older ones only and the old generation never to the young one: no write barrier is needed.
// Invariants  G1 what lies below the high-water mark has survived a collection; the next one moves it to the old generation.
//             G2 a collection is charged a reduction for each 16 words copied.
#include <algorithm>
#include <cstring>

#include "vm/lonala/binaries.h"
#include "vm/lonala/code.h"
#include "vm/lonala/copy.h"
#include "vm/lonala/heap.h"
#include "vm/lonala/heap_check.h"
#include "vm/lonala/values.h"
#include "vm/lonala/tracing.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kGenerationsBytesMin = u64{256} << 10;  // smaller blocks are collected as a whole
constexpr u64 kYoungShareBytesMax = u64{4} << 20;
constexpr u64 kBlockBytesMin = 256;
constexpr u64 kBusyDoublingsMax = 6;  // of it, up to 16 KiB
constexpr u64 kOldGrowth = 3;  // times the old generation that a new block of it has room for: fewer full collections
constexpr int kPoison = 0xEB;

/// The old generation of a process that has none.
constexpr RareRecord kNoRecord{};

/// One collection: where objects come from and where they go.
struct Collection {
  Vm& vm;
  Process& process;
  u64 young;       // next free byte of the new block
  u64 old;         // next free byte of the old generation
  u64 mature_end;  // objects of the block below it go to the old generation
  u64 block_bytes;
  u64 old_low;  // the old generation, which a full collection leaves
  u64 old_bytes;
  bool full;
  bool all_mature;       // what lies elsewhere goes to the old generation too
  bool scattered;        // there are objects elsewhere: in fragments, in a block grown out of, in values
  bool frees_values;     // parts of retired values are copied
  u64 adopted = 0;       // references to shared binaries that came from values
  u64 shared_bytes = 0;  // that the process refers to
  bool complete = true;
  Scratch<CopyEntry> borrowed;  // first words of objects of retired values, which others may still refer to

  /// Where an object goes: a next free byte, or null if it stays.
  u64* destination(u64 offset, bool& from_value) {
    if (offset - process.heap_low < block_bytes) return offset < mature_end ? &old : &young;
    if (is_literal(vm, offset)) return nullptr;
    if (offset - old_low < old_bytes) return full ? &old : nullptr;
    return scattered ? destination_scattered(offset, from_value) : nullptr;
  }

  /// The same for what lies neither in the block nor in the old generation.
  u64* destination_scattered(u64 offset, bool& from_value) {
    const bool moves =
        (offset >= process.extra_low && offset < process.extra_end) || page_use(vm, offset) == PageUse::Fragment;
    if (!moves) from_value = frees_values && value_is_retired(vm, offset);
    return !moves && !from_value ? nullptr : all_mature ? &old : &young;
  }

  void forward(Term& term) {
    const Tag tag = tag_of(term);
    if (tag != Tag::Pair && tag != Tag::Tuple && tag != Tag::Boxed) return;
    const u64 offset = offset_of(term);
    bool from_value = false;
    u64* to = destination(offset, from_value);
    if (to == nullptr) return;
    u64* from = vm.words(offset);
    if (tag_of(from[0]) == Tag::Forward) {
      term = refer(offset_of(from[0]), tag);
      return;
    }
    if (from_value && !borrowed.push({term, from[0]})) {
      complete = false;
      return;
    }
    const u64 words = tag == Tag::Pair ? 2 : words_of_header(from[0]) + 1;
    u64* out = vm.words(*to);
    if (words == 2) {
      out[0] = from[0];
      out[1] = from[1];
    } else {
      memcpy(out, from, words * 8);
    }
    if (from_value && tag == Tag::Boxed && type_of_header(from[0]) == Type::Shared) shared_enter(vm, *to, adopted);
    from[0] = refer(*to, Tag::Forward);
    term = refer(*to, tag);
    *to += words * 8;
  }

  void scan(u64& from, const u64& to) {
    while (from < to) {
      u64* words = vm.words(from);
      if (tag_of(words[0]) == Tag::Header) {
        const u64 count = words_of_header(words[0]);
        from += (count + 1) * 8;
        if (is_raw(type_of_header(words[0]))) continue;
        for (u64 i = 1; i <= count; ++i) forward(words[i]);
      } else {  // a pair: it begins with a term, which no header is
        from += 16;
        forward(words[0]);
        forward(words[1]);
      }
    }
  }

  /// Objects that died let their shared binaries go. The list ends with those of an old generation that stays.
  void sweep_shared() {
    u64* link = &process.shared_first;
    while (*link != 0) {
      bool from_value = false;
      const u64 at = *link;
      if (destination(at, from_value) == nullptr) break;
      const SharedObject& object = *vm.at<SharedObject>(at);
      const u64 first = object.header;
      if (tag_of(first) == Tag::Forward) {
        *link = offset_of(first);
        shared_bytes += vm.at<SharedObject>(*link)->count;
        link = &vm.at<SharedObject>(*link)->next;
      } else {
        const u64 next = object.next;
        shared_release_one(vm, object);
        *link = next;
      }
    }
    shared_adopt(vm, process, adopted);
  }
};

u64 stack_low(const Process& process) { return process.frame - u64{process.live} * 8; }

const RareRecord& record_of(const Vm& vm, const Process& process) {
  return process.rare == 0 ? kNoRecord : *vm.at<RareRecord>(process.rare);
}

bool has_generations(const Vm& vm, const Process& process) {
  if (record_of(vm, process).old_low != 0) return true;
  return process.heap_end - process.heap_low >= (vm.root->gc_stress != 0 ? 512 : kGenerationsBytesMin);
}

void release_poisoned(Vm& vm, u64 offset, u64 bytes, PageUse use) {
  if (vm.root->gc_stress != 0) memset(vm.words(offset), kPoison, bytes);
  block_release(vm, offset, bytes, use);
}

/// Frees the young block and what belongs to it.
void release_young(Vm& vm, Process& process) {
  release_poisoned(vm, process.heap_low - process.block_prefix,
                   process.heap_end - process.heap_low + process.block_prefix,
                   process.block_prefix != 0 ? PageUse::Fragment : PageUse::Heap);
  process.block_prefix = 0;
  if (process.extra_low != 0) {
    release_poisoned(vm, process.extra_low, process.extra_end - process.extra_low, PageUse::Heap);
    process.extra_low = process.extra_end = 0;
  }
  if (vm.root->gc_stress != 0) {
    for (u64 at = process.fragments; at != 0; at = vm.at<Fragment>(at)->next) {
      memset(vm.words(at + sizeof(Fragment)), kPoison, vm.at<Fragment>(at)->bytes - sizeof(Fragment));
    }
  }
  fragments_release(vm, process.fragments);
  process.fragments = 0;
  process.fragment_words = 0;
}

/// What goes to the old generation: nothing, objects below the high-water mark, or all.
enum class Promotes : u8 { None, Mature, All };

struct Plan {
  bool full;
  bool frees_values;
  Promotes promotes;
  u64 young_bytes;  // of the new block
  u64 old_bytes;    // of a new old generation; 0: the present one stays, or none is needed
};

/// Copies everything live; false, with nothing changed, when there is no memory.
bool move_to(Vm& vm, Process& process, const Plan& plan) {
  const u64 block = block_acquire(vm, plan.young_bytes, PageUse::Heap);
  if (block == 0) return false;
  u64 old_block = 0;
  if (plan.old_bytes != 0) {
    old_block = block_acquire(vm, plan.old_bytes, PageUse::Heap);
    if (old_block == 0 || rare_record(vm, process) == nullptr) {
      if (old_block != 0) block_release(vm, old_block, plan.old_bytes, PageUse::Heap);
      block_release(vm, block, plan.young_bytes, PageUse::Heap);
      return false;
    }
  }
  const RareRecord before = record_of(vm, process);
  const u64 low = stack_low(process);
  const u64 stack_bytes = process.heap_end - low;
  const u64 end = block + plan.young_bytes;
  memcpy(vm.words(end - stack_bytes), vm.words(low), stack_bytes);
  const u64 old_start = old_block != 0 ? old_block : before.old_top;
  const bool leaves_old = plan.full && before.old_low != 0;
  Collection collection{.vm = vm,
                        .process = process,
                        .young = block,
                        .old = old_start,
                        .mature_end = plan.promotes == Promotes::None  ? process.heap_low
                                      : plan.promotes == Promotes::All ? process.heap_end
                                                                       : std::max(before.high_water, process.heap_low),
                        .block_bytes = process.heap_end - process.heap_low,
                        .old_low = before.old_low,
                        .old_bytes = before.old_top - before.old_low,
                        .full = plan.full,
                        .all_mature = plan.promotes == Promotes::All,
                        .scattered = plan.frees_values || process.fragments != 0 || process.extra_low != 0,
                        .frees_values = plan.frees_values,
                        .borrowed = Scratch<CopyEntry>(vm)};
  for (u64 at = end - stack_bytes; at < end; at += 8) collection.forward(*vm.words(at));
  collection.forward(process.pending);
  collection.forward(process.bindings);
  if (process.rare != 0) {
    RareRecord& record = *vm.at<RareRecord>(process.rare);
    for (Term* term : {&record.spaces, &record.staged, &record.made, &record.expected}) collection.forward(*term);
  }
  u64 message = process.mailbox_first;
  for (u64 i = 0; i < kMessagesInBlockMax && message != 0; ++i) {
    Message& waiting = *vm.at<Message>(message);
    if (waiting.fragments == 0) collection.forward(waiting.term);
    message = waiting.next;
  }
  u64 young_scanned = block;
  u64 old_scanned = old_start;
  while (young_scanned < collection.young || old_scanned < collection.old) {
    collection.scan(young_scanned, collection.young);
    collection.scan(old_scanned, collection.old);
  }
  ASSERT(collection.young <= end - stack_bytes);
  collection.sweep_shared();
  for (u64 i = 0; i < collection.borrowed.size(); ++i) {
    vm.object(collection.borrowed[i].object)[0] = collection.borrowed[i].first;
  }
  const u64 used = (process.hp - process.heap_low) / 8 + process.fragment_words +
                   (leaves_old ? (before.old_top - before.old_low) / 8 : 0);
  const u64 kept = (collection.young - block + collection.old - old_start) / 8;
  process.reclaimed_words += used > kept ? used - kept : 0;
  process.fuel -= static_cast<i64>(kept / kWordsPerReduction);
  release_young(vm, process);
  if (leaves_old) release_poisoned(vm, before.old_low, before.old_end - before.old_low, PageUse::Heap);
  process.frame = end - (process.heap_end - process.frame);
  process.heap_low = block;
  process.heap_end = end;
  process.hp = collection.young;
  if (process.rare != 0) {
    RareRecord& record = *vm.at<RareRecord>(process.rare);
    if (old_block != 0) {
      record.old_low = old_block;
      record.old_end = old_block + plan.old_bytes;
    } else if (leaves_old) {
      record.old_low = record.old_end = 0;
    }
    record.old_top = collection.old;
    ASSERT(record.old_top <= record.old_end || record.old_low == 0);
    if (record.old_low == 0) record.old_top = 0;
    record.high_water = process.heap_low;
  }
  if (plan.frees_values && collection.complete) process.swept_epoch = vm.root->value_epoch;
  if (plan.full && process.rare != 0) {
    vm.at<RareRecord>(process.rare)->binary_bytes = collection.shared_bytes;
    vm.at<RareRecord>(process.rare)->binary_limit = 2 * collection.shared_bytes;
  }
  return true;
}

/// Bytes that a collection may have to put into the new block.
u64 young_most(const Process& process) {
  return process.hp - process.heap_low + (process.extra_end - process.extra_low) + process.fragment_words * 8;
}

Promotes promotion(const Vm& vm, const Process& process, const RareRecord& record) {
  if (!has_generations(vm, process)) return Promotes::None;
  return record.grows != 0 ? Promotes::All : Promotes::Mature;
}

/// Bytes that a collection may have to put into the old generation, and into the new block.
struct Most {
  u64 old;
  u64 young;
};
Most most_of(const Process& process, const RareRecord& record, Promotes promotes) {
  const u64 all = young_most(process);
  u64 mature = promotes == Promotes::All ? all : 0;
  if (promotes == Promotes::Mature && record.high_water > process.heap_low) {
    mature = std::min(record.high_water, process.hp) - process.heap_low;
  }
  return {mature, all - mature};
}

/// A young block in proportion to the old generation: what dies soon is not promoted. And one that is collected again and again
/// within a slice doubles, so that a process pays for small blocks only while it allocates little.
u64 young_share(const Vm& vm, const Process& process, const RareRecord& record) {
  const u64 share = std::min(record.old_top - record.old_low, kYoungShareBytesMax);
  if (&process != vm.process || vm.root->gc_stress != 0) return share;
  return std::max(share, kBlockBytesMin << std::min(vm.root->slice_collections, kBusyDoublingsMax));
}

bool collect_full(Vm& vm, Process& process, u64 need_bytes, bool frees_values) {
  const RareRecord before = record_of(vm, process);
  const u64 stack_bytes = process.heap_end - stack_low(process);
  const Promotes promotes = promotion(vm, process, before);
  const Most most = most_of(process, before, promotes);
  const u64 old_most = before.old_top - before.old_low + most.old;
  // Room for all that may be live, and for twice what was live last time, so that the work is O(1) a word allocated.
  const u64 values = frees_values ? vm.root->retired_bytes : 0;
  const u64 room =
      std::max({most.young, promotes == Promotes::All ? 0 : 2 * process.live_bytes, young_share(vm, process, before)});
  Plan plan{.full = true,
            .frees_values = frees_values,
            .promotes = promotes,
            .young_bytes = heap_block_bytes(room + stack_bytes + need_bytes + values),
            .old_bytes = old_most == 0 ? 0 : heap_block_bytes(kOldGrowth * old_most + values)};
  if (!move_to(vm, process, plan)) {  // perhaps without room to grow
    if (old_most == 0) return false;
    plan.old_bytes = heap_block_bytes(old_most + values);
    if (!move_to(vm, process, plan)) return false;
  }
  process.gc_count += 1;
  process.live_bytes = process.hp - process.heap_low;
  if (process.rare == 0) return true;
  RareRecord& record = *vm.at<RareRecord>(process.rare);
  record.minors = 0;
  record.grows = 0;
  // It was made for all that might have been live. What lies behind the room to grow was never touched: give it back.
  const u64 old_bytes = record.old_end - record.old_low;
  const u64 kept = std::max(heap_block_bytes(kOldGrowth * (record.old_top - record.old_low)), 2 * kSlabBytesMax);
  if (record.old_low != 0 && kept < old_bytes) {
    block_trim(vm, record.old_low, old_bytes, kept);
    record.old_end = record.old_low + kept;
  }
  return true;
}

bool collect_minor(Vm& vm, Process& process, u64 need_bytes) {
  const RareRecord before = record_of(vm, process);
  const u64 stack_bytes = process.heap_end - stack_low(process);
  const Promotes promotes = promotion(vm, process, before);
  const Most most = most_of(process, before, promotes);
  if (before.old_low != 0 && most.old > before.old_end - before.old_top) {
    return collect_full(vm, process, need_bytes, true);
  }
  const u64 room =
      std::max({most.young, promotes == Promotes::All ? 0 : 2 * process.live_bytes, young_share(vm, process, before)});
  const Plan plan{.full = false,
                  .frees_values = false,
                  .promotes = promotes,
                  .young_bytes = heap_block_bytes(room + stack_bytes + need_bytes),
                  .old_bytes = before.old_low == 0 && most.old != 0 ? heap_block_bytes(2 * most.old) : 0};
  if (!move_to(vm, process, plan)) return false;
  RareRecord* record = rare_record(vm, process);
  if (record != nullptr) {
    record->minors += 1;
    record->minor_count += 1;
    // When most survived, a heap is being built up: then aging would only copy it once more.
    const u64 old_start = plan.old_bytes != 0 ? record->old_low : before.old_top;
    const u64 kept = process.hp - process.heap_low + (record->old_top - old_start);
    record->grows = kept > (most.young + most.old) / 2;
  }
  process.live_bytes = process.hp - process.heap_low;
  return true;
}

/// Gives the block back that is four times too large.
void shrink(Vm& vm, Process& process, u64 need_bytes) {
  const u64 stack_bytes = process.heap_end - stack_low(process);
  const RareRecord& record = record_of(vm, process);
  const u64 room = std::max(2 * (process.live_bytes + stack_bytes), young_share(vm, process, record));
  const u64 bytes = heap_block_bytes(room + need_bytes);
  if (bytes * 4 > process.heap_end - process.heap_low) return;
  move_to(vm, process,
          {.full = false, .frees_values = false, .promotes = Promotes::None, .young_bytes = bytes, .old_bytes = 0});
}

/// Whether it is at a safepoint: a suspended session may compile.
bool can_collect(const Process& process) {
  return process.gc_off == 0 &&
         (process.status == Status::Waiting || process.status == Status::Parked || process.status == Status::Runnable);
}

u64 heap_bytes(const Vm& vm, const Process& process) {
  const RareRecord& record = record_of(vm, process);
  return process.hp - process.heap_low + process.fragment_words * 8 + record.old_top - record.old_low;
}

enum class How : u8 { Minor, Full, FullButValues };

bool collect_process(Vm& vm, Process& process, u64 need_bytes, How how) {
  ASSERT(process.gc_off == 0);
  const RareRecord& before = record_of(vm, process);
  const bool full = how != How::Minor || !has_generations(vm, process) ||
                    (process.rare != 0 && before.minors >= before.fullsweep_after);
  const bool values = how != How::FullButValues;
  if (!(full ? collect_full(vm, process, need_bytes, values) : collect_minor(vm, process, need_bytes))) return false;
  vm.root->collections += 1;
  trace(vm, kTraceGc, process.pid, keyword(vm, full ? Atom::Full : Atom::Minor));
  if (&process == vm.process) vm.root->slice_collections += 1;
  const u64 limit = record_of(vm, process).max_heap_bytes;
  if (limit != 0 && heap_bytes(vm, process) > limit) {
    if (full || (collect_full(vm, process, need_bytes, values) && heap_bytes(vm, process) > limit)) {
      process.marks |= kOverLimit;
    }
  }
  shrink(vm, process, need_bytes);
  if (process.rare != 0) vm.at<RareRecord>(process.rare)->high_water = process.hp;
  process.limit = stack_low(process);
  if (vm.root->gc_stress != 0) ASSERT(heap_problem(vm, process).empty());
  return (process.marks & kOverLimit) == 0;
}

bool collect_idle(Vm& vm, Process& process, How how) {
  if (!can_collect(process)) return false;
  // One inside a `receive` goes on with its whole frame.
  const bool receiving = process.status == Status::Waiting || (process.flags & kAtReceive) != 0;
  const i32 call = (process.marks & kAtReturn) != 0 ? -2 : 0;  // where the instruction with the size of the frame is
  const u64 window = receiving ? (256 - u64{vm.at<u32>(process.code)[call] >> 24}) * 8 : 64;
  Process* running = vm.process;
  vm.process = &process;
  const i64 fuel = process.fuel;
  process.fuel = 0;
  const bool done = collect_process(vm, process, window, how);
  const u64 cost = static_cast<u64>(-process.fuel);
  process.fuel = fuel;
  process.reductions += cost;
  vm.root->now_ns += cost * vm.root->reduction_ns;
  if (receiving) process.limit = process.frame - (window - 8);
  vm.process = running;
  return done;
}

/// Collects the process that has the most garbage by estimate and does not run (ties: the lowest slot). False when none has much.
bool relieve_once(Vm& vm) {
  constexpr u64 kWorthBytes = 4096;
  Process* most = nullptr;
  u64 most_bytes = kWorthBytes;
  for (u64 slot = 0; slot < vm.root->process_high; ++slot) {
    const u64 word = vm.words(vm.root->processes)[slot];
    if (word == 0 || (word & 1) != 0) continue;
    Process& process = *vm.at<Process>(word);
    const u64 used = heap_bytes(vm, process);
    if (!can_collect(process) || used < process.live_bytes + most_bytes) continue;
    most = &process;
    most_bytes = used - process.live_bytes + 1;
  }
  if (most == nullptr || !collect_idle(vm, *most, How::FullButValues)) return false;
  most->live_bytes = heap_bytes(vm, *most);
  return true;
}

}  // namespace

u64 heap_acquire(Vm& vm, u64 bytes, PageUse use) {
  u64 block = block_acquire(vm, bytes, use);
  while (block == 0 && bytes <= vm.root->grant_bytes && relieve_once(vm)) block = block_acquire(vm, bytes, use);
  return block;
}

u64 heap_block_bytes(u64 bytes) { return block_capacity(std::max<u64>(bytes, 256)); }

bool collect(Vm& vm, u64 need_bytes) {
  Process& process = *vm.process;
  bool full = (process.flags & kCollectFull) != 0;
  if (vm.root->gc_stress != 0) full = full || (vm.root->collections & 1) == 0;
  process.flags &= static_cast<u8>(~(kCollect | kCollectFull));
  while (!collect_process(vm, process, need_bytes, full ? How::Full : How::Minor)) {
    if ((process.marks & kOverLimit) != 0 || !relieve_once(vm)) return false;
  }
  return true;
}

bool collect_waiting(Vm& vm, Process& process) { return collect_idle(vm, process, How::Full); }

bool grow_in_place(Vm& vm, u64 need_bytes) {
  Process& process = *vm.process;
  const u64 low = stack_low(process);
  const u64 stack_bytes = process.heap_end - low;
  const u64 old_bytes = process.heap_end - process.heap_low;
  const u64 bytes = heap_block_bytes(std::max(u64{64} << 10, std::max(2 * old_bytes, 2 * (stack_bytes + need_bytes))));
  const u64 block = block_acquire(vm, bytes, PageUse::Fragment);
  if (block == 0) return false;
  memcpy(vm.words(block + bytes - stack_bytes), vm.words(low), stack_bytes);
  *vm.at<Fragment>(block) = {0, bytes, block + bytes, 0};
  if (process.block_prefix == 0) {
    ASSERT(process.extra_low == 0);
    process.extra_low = process.heap_low;
    process.extra_end = process.heap_end;
  } else {  // grown in place before: now it is a fragment like others
    const u64 left = process.heap_low - process.block_prefix;
    process.fragment_words += (process.hp - process.heap_low) / 8;
    vm.at<Fragment>(left)->next = process.fragments;
    process.fragments = left;
  }
  process.frame = block + bytes - (process.heap_end - process.frame);
  process.heap_low = block + sizeof(Fragment);
  process.heap_end = block + bytes;
  process.hp = process.heap_low;
  process.block_prefix = sizeof(Fragment);
  process.limit = stack_low(process);
  if (process.rare != 0) vm.at<RareRecord>(process.rare)->high_water = process.heap_low;
  return true;
}

void heap_release(Vm& vm, Process& process) {
  shared_release(vm, process.shared_first);
  process.shared_first = 0;
  release_young(vm, process);
  if (process.rare == 0) return;
  const RareRecord& record = *vm.at<RareRecord>(process.rare);
  if (record.old_low != 0) release_poisoned(vm, record.old_low, record.old_end - record.old_low, PageUse::Heap);
  block_release(vm, process.rare, sizeof(RareRecord), PageUse::Table);
  process.rare = 0;
}

}  // namespace lonala
