#include "vm/lonala/usage.h"

#include "vm/lonala/namespaces.h"
#include "vm/lonala/transactions.h"
#include "vm/lonala/work.h"

#include "base/enforce.h"

namespace lonala {
namespace {

/// What an owner has, by the use it was asked for.
struct Held {
  u64 heap = 0;
  u64 fragments = 0;
  u64 tables = 0;
  u64 all() const { return heap + fragments + tables; }
  void add(const Held& other) {
    heap += other.heap;
    fragments += other.fragments;
    tables += other.tables;
  }
};

u64 fragment_bytes(const Vm& vm, u64 first) {
  u64 bytes = 0;
  for (u64 at = first; at != 0; at = vm.at<Fragment>(at)->next) bytes += block_capacity(vm.at<Fragment>(at)->bytes);
  return bytes;
}

Held process_held(const Vm& vm, const Process& process) {
  Held held{.heap = block_capacity(sizeof(Process)), .fragments = fragment_bytes(vm, process.fragments)};
  const u64 block = block_capacity(process.heap_end - process.heap_low + process.block_prefix);
  (process.block_prefix == 0 ? held.heap : held.fragments) += block;
  if (process.extra_low != 0) held.heap += block_capacity(process.extra_end - process.extra_low);
  for (u64 at = process.relations_first; at != 0; at = vm.at<Relation>(at)->next) {
    held.tables += block_capacity(sizeof(Relation));
  }
  for (u64 at = process.names; at != 0; at = vm.at<NameHeld>(at)->next) held.tables += block_capacity(sizeof(NameHeld));
  if (process.rare == 0) return held;
  const RareRecord& rare = *vm.at<RareRecord>(process.rare);
  held.tables += block_capacity(sizeof(RareRecord)) + work_bytes(vm, process);
  if (rare.old_low != 0) held.heap += block_capacity(rare.old_end - rare.old_low);
  return held;
}

Held messages_held(const Vm& vm, const Process& process) {
  Held held;
  for (u64 at = process.mailbox_first; at != 0; at = vm.at<Message>(at)->next) {
    held.tables += block_capacity(sizeof(Message));
    held.fragments += fragment_bytes(vm, vm.at<Message>(at)->fragments);
  }
  return held;
}

template <class Visit>
void each_process(const Vm& vm, Visit visit) {
  for (u64 slot = 0; slot < vm.root->process_high; ++slot) {
    const u64 word = vm.words(vm.root->processes)[slot];
    if (word != 0 && (word & 1) == 0) visit(*vm.at<Process>(word));
  }
}

u64 name_table_bytes(const NameTable& table) { return table.capacity == 0 ? 0 : block_capacity(table.capacity * 16); }

struct Walked {
  Held processes;
  Held messages;
  u64 tables = 0;
};

Walked walk(const Vm& vm) {
  const Root& root = *vm.root;
  Walked walked;
  each_process(vm, [&](const Process& process) {
    walked.processes.add(process_held(vm, process));
    walked.messages.add(messages_held(vm, process));
  });
  const auto words = [](u64 capacity) { return capacity == 0 ? 0 : block_capacity(capacity * 8); };
  walked.tables = words(root.process_capacity) + words(root.timer_capacity) + words(root.timer_index_capacity) +
                  words(root.relation_index_capacity) + words(root.function_capacity) +
                  words(root.atoms_by_name.capacity) + name_table_bytes(root.namespaces) + name_table_bytes(root.names);
  for (u64 i = 0; i < root.timer_count; ++i) {
    const Timer& timer = *vm.at<Timer>(vm.words(root.timers)[i]);
    walked.processes.tables += block_capacity(sizeof(Timer));
    walked.messages.fragments += fragment_bytes(vm, timer.fragments);
  }
  for (u64 at = root.first_namespace; at != 0; at = vm.at<NamespaceRecord>(at)->next) {
    const NamespaceRecord& space = *vm.at<NamespaceRecord>(at);
    for (const u64 table : {space.vars, space.refers, space.aliases}) {
      walked.tables += name_table_bytes(*vm.at<NameTable>(table));
    }
    walked.tables += replaced_bytes(vm, immediate(Immediate::Namespace, at >> 3));
  }
  return walked;
}

u64 used(const Tally& tally, PageUse use) { return tally.used[static_cast<u32>(use)]; }

}  // namespace

u64 process_bytes(const Vm& vm, const Process& process) {
  return process_held(vm, process).all() + messages_held(vm, process).all();
}

Usage usage_of(const Vm& vm) {
  const Tally tally = tally_pages(vm);
  const Walked walked = walk(vm);
  return {.processes = walked.processes.all(),
          .messages = walked.messages.all(),
          .binaries = vm.root->binary_bytes,
          .values = vm.root->value_bytes,
          .tables = walked.tables,
          .literals = tally.literals,
          .fixed = tally.fixed,
          .free = tally.free + tally.kept + tally.literals_free};
}

std::string_view usage_problem(const Vm& vm) {
  const Tally tally = tally_pages(vm);
  const Walked walked = walk(vm);
  u64 used_bytes = 0;
  for (const u64 bytes : tally.used) used_bytes += bytes;
  if (used_bytes != vm.root->bytes_used) return "blocks: the pages in use are not what was given out";
  if (used_bytes + tally.kept + tally.free + tally.fixed + tally.literals + tally.literals_free !=
      vm.root->grant_bytes) {
    return "grant: its pages do not add up to it";
  }
  if (used(tally, PageUse::Heap) != walked.processes.heap) return "heaps: some belong to no process";
  if (used(tally, PageUse::Fragment) != walked.processes.fragments + walked.messages.fragments) {
    return "fragments: some belong to no process, message or timer";
  }
  if (used(tally, PageUse::Table) !=
      walked.tables + walked.processes.tables + walked.messages.tables + vm.root->binary_bytes) {
    return "tables: some belong to nobody";
  }
  if (used(tally, PageUse::Value) + used(tally, PageUse::Retired) != vm.root->value_bytes) {
    return "values: some belong to no variable";
  }
  return usage_of(vm).total() == vm.root->grant_bytes ? "" : "accounts: they do not add up to the grant";
}

}  // namespace lonala
