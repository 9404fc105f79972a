// user/root/proc_texts.cpp — the longer texts of /proc: descriptors, capabilities, memory and registers of a process, its
// ended children, the load of the node.
#include "base/format.h"
#include "fs/badge.h"
#include "kernel-model/objects.h"
#include "user/root/manager.h"
#include "user/root/trees.h"

#include "base/enforce.h"

namespace user::root {
namespace {

constexpr std::string_view kTypeNames[] = {"null",  "untyped", "thread", "endpoint", "notification", "cnode",
                                           "sched", "reply",   "frame",  "table",    "vspace"};

std::string_view type_name(u64 type) {
  return type < std::size(kTypeNames) ? kTypeNames[type] : std::string_view("control");
}

void append_rights(base::String& out, u64 rights) {
  out.push((rights & kernel::kRightRead) != 0 ? 'r' : '-');
  out.push((rights & kernel::kRightWrite) != 0 ? 'w' : '-');
  out.push((rights & kernel::kRightGrant) != 0 ? 'g' : '-');
  out.push((rights & kernel::kRightGrantReply) != 0 ? 'p' : '-');
}

bool has_objects(const ProcessRecord& record) { return record.objects.block != kNoBlock; }

}  // namespace

/// Which descriptors there are, and the open each of them is at its server; mode, position and path are known to the
/// process alone.
void ProcTree::descriptors(const ProcessRecord& record, base::String& out) {
  out.append(record.cwd.view()).push('\n');
  for (u32 slot = kSlotDescriptors; has_objects(record) && slot < kSlotDescriptorsEnd; ++slot) {
    const SlotFacts facts = inspect_slot(manager_.slot_in(record, slot));
    if (facts.type == 0) continue;
    const fs::Badge badge = fs::Badge::of(facts.badge);
    const bool is_file = badge.kind == fs::BadgeKind::File;
    out.append_format("{} - {} {}.{}.{} - -\n", slot - kSlotDescriptors, std::string_view(is_file ? "file" : "service"),
                      facts.object, badge.number, badge.generation);
  }
}

void ProcTree::capabilities(const ProcessRecord& record, base::String& out) {
  for (u32 slot = 0; has_objects(record) && slot < kCNodeSlots; ++slot) {
    const SlotFacts facts = inspect_slot(manager_.slot_in(record, slot));
    if (facts.type == 0) continue;
    out.append_format("{} {} ", slot, type_name(facts.type));
    append_rights(out, facts.rights);
    out.append_format(" {:x} {:x}\n", facts.badge, facts.object);
  }
}

void ProcTree::maps(const ProcessRecord& record, base::String& out) {
  if (!has_objects(record)) return;
  const auto line = [&](u64 start, u64 end, std::string_view rest) {
    out.append_format("{:x}-{:x} {}\n", start, end, rest);
  };
  if (record.objects.frames_end > kFramesAddress) line(kFramesAddress, record.objects.frames_end, "rw- frame -");
  line(machine::kArenaAddress, machine::kArenaAddress + record.objects.arena_bytes, "rw- arena heap");
  const u64 buffer = kBuffersAddress + record.objects.buffer * sizeof(kernel::IpcBuffer);
  line(buffer, buffer + sizeof(kernel::IpcBuffer), "rw- buffer ipc");
}

void ProcTree::registers(const ProcessRecord& record, base::String& out) {
  constexpr u32 kCount = 32;  // pc and x1 to x31
  if (!has_objects(record)) return;
  const sys::Answer answer = sys::invoke(record.objects.slots + kObjectTcb, sys::Invoke::TcbReadRegisters, {0, kCount});
  if (!answer.ok()) return;
  u64 words[kCount];
  for (u32 i = 0; i < kCount; ++i) {
    words[i] = i < kernel::kMessageRegisters ? sys::frame().mr[i] : sys::buffer().msg[i];
  }
  out.append_format("pc {:x}\n", words[0]);
  for (u32 i = 1; i < kCount; ++i) out.append_format("x{} {:x}\n", i, words[i]);
}

/// A line for a child that has ended, which is forgotten by it. WouldBlock while there are children but none has.
fs::Result<void> ProcTree::ended_child(ProcessRecord& record, base::String& out) {
  constexpr u64 kNsPerUs = 1'000;
  ProcessRecord* const child = record.zombies.front();
  if (child == nullptr) {
    for (const ProcessRecord& at : record.children) {
      if (!at.no_wait_record) return fs::fail(ErrorCode::WouldBlock);
    }
    return {};
  }
  out.append_format("{} {} 0 {} {} ", child->pid, child->end.user_ns / kNsPerUs, child->end.real_ns / kNsPerUs,
                    child->end.code);
  out.push('\'');
  out.append(std::string_view(child->end.cause)).append("'\n");
  record.zombies.remove(*child);
  child->parent = nullptr;
  manager_.reap(*child);
  return {};
}

void ProcTree::load(base::String& out) {
  const Manager::Load load = manager_.load();
  u32 runnable = 0;
  u32 total = 0;
  for (const ProcessRecord& at : manager_.processes()) {
    total += 1;
    if (at.state != ProcessState::Running || !has_objects(at)) continue;
    const ThreadFacts thread = inspect_thread(at.objects.slots + kObjectTcb);
    const bool runs = static_cast<kernel::ThreadPlace>(thread.place) != kernel::ThreadPlace::Nowhere;
    runnable += runs || manager_.asks_now(thread) ? 1 : 0;
  }
  for (const u64 average : load.average) {
    const u64 hundredths = (average * 100 + 1024) / 2048;
    out.append_format("{}.{:02} ", hundredths / 100, hundredths % 100);
  }
  out.append_format("{}/{}\n", runnable, total);
}

}  // namespace user::root
