// tests/kernel/lab.cpp — the world around the kernel under test: cores with local times, outside events, threads that
// follow their scripts; and how it is looked at.
#include "tests/kernel/lab.h"

#include <algorithm>
#include <cstring>
#include <sstream>

namespace lab {
namespace {

constexpr u64 kPatience = ms(200);  // `settle` ends when nothing new happened for so long

}  // namespace

// ── The world ────────────────────────────────────────────────────────────────────────────────────────────────
Thread* Lab::thread_of(Ref<Tcb> ref) {
  if (!ref) return nullptr;
  const auto found = by_ref_.find(ref.offset);
  if (found != by_ref_.end()) return found->second;
  threads_.emplace_back();  // made by the test without telling: it spins
  Thread& thread = threads_.back();
  thread.lab_ = this;
  thread.ref = ref;
  thread.name = "t" + std::to_string(threads_.size() - 1);
  thread.parks_ = false;
  by_ref_[ref.offset] = &thread;
  return &thread;
}
void Lab::thread_gone(Ref<Tcb> ref) {
  threads_gone.push_back(ref.offset);
  const auto found = by_ref_.find(ref.offset);
  if (found == by_ref_.end()) return;
  found->second->gone = true;
  by_ref_.erase(found);
}

void Lab::check(const std::string& after) {
  const Violation broken = check_invariants(*kernel_, {scratch_.data(), scratch_.size()});
  if (broken) {
    std::ostringstream text;
    text << "invariant " << broken.name << " is broken at object 0x" << std::hex << broken.object << " (detail 0x"
         << broken.detail << ") after " << after;
    FAIL(text.str());
  }
}

void Lab::drain() {
  for (const base::Event* event = log_.places; event < log_.next; ++event) {
    if (!keep_events) break;
    events.push_back({.kind = static_cast<base::EventKind>(event->kind),
                      .core = event->core,
                      .flags = event->flags,
                      .thread = event->thread,
                      .object = event->object,
                      .a = event->a,
                      .b = event->b,
                      .c = event->c});
  }
  log_.next = log_.places;
}

void Lab::enter(const Entry& entry, const std::string& what) {
  Core& core = cores_[entry.core];
  const Exit exit = kernel_->enter(entry);
  drain();
  entries += 1;
  core.time = entry.now + exit.cost;
  now_ = std::max(now_, core.time);
  const u64 horizon_then = std::max(entry.horizon, entry.now);
  if (core.time > horizon_then) longest_overrun = std::max(longest_overrun, core.time - horizon_then);
  core.thread = thread_of(exit.next);
  core.run_end = exit.run_for > kNever - core.time ? kNever : core.time + exit.run_for;
  core.timer = exit.timer;
  core.again = exit.run_for == 0 && core.thread != nullptr;
  core.restart = exit.restart;
  for (u32 target = 0; target < options_.cores; ++target) {
    if (!exit.poke.test(target)) continue;
    REQUIRE(target != entry.core);
    outside_.push_back({core.time + options_.costs.ipi_latency, sequence_++, target, EntryKind::Poke, 0});
  }
  if (Thread* thread = core.thread; thread != nullptr) {
    INFO("after " << what << " thread " << thread->name << " runs on core " << entry.core);
    const bool pending = thread->object().frame.pending != 0;
    REQUIRE(pending == exit.restart);
    for (u32 other = 0; other < options_.cores; ++other) {
      if (other != entry.core) REQUIRE((cores_[other].thread != thread || thread->object().core == entry.core));
    }
    if (!pending && thread->parking_) {
      thread->parking_ = thread->issued_ = false;
    } else if (!pending && thread->issued_) {
      thread->capture();
      thread->script_.pop_front();
      thread->issued_ = false;
    }
  }
  if (check_every != 0 && entries % check_every == 0) check(what);
  if (after_entry) after_entry();
}

void Lab::pass_user_time(u32 index, u64 until) {
  Core& core = cores_[index];
  if (until <= core.time) return;
  if (core.thread != nullptr) {
    Thread& thread = *core.thread;
    const u64 ns = until - core.time;
    thread.ran_ns += ns;
    if (!stretches.empty() && stretches.back().thread == thread.ref && stretches.back().core == index &&
        stretches.back().to == core.time) {
      stretches.back().to = until;
    } else if (keep_stretches) {
      stretches.push_back({thread.ref, index, core.time, until});
    }
    if (!thread.gone && !core.restart && !thread.issued_ && !thread.script_.empty() &&
        thread.script_.front().kind == Action::Kind::Compute) {
      Action& action = thread.script_.front();
      REQUIRE(ns <= action.ns);
      action.ns -= ns;
    }
  }
  core.time = until;
}

Lab::Next Lab::next_entry() {
  Next best;
  const auto offer = [&best](const Next& next) {
    if (next.time < best.time || (next.time == best.time && next.outside >= 0 && best.outside < 0)) best = next;
  };
  for (std::size_t i = 0; i < outside_.size(); ++i) {
    const Outside& event = outside_[i];
    const Next next{std::max(event.time, cores_[event.core].time), event.core, static_cast<int>(i), event.kind};
    if (best.outside < 0 || next.time < best.time ||
        (next.time == best.time && event.sequence < outside_[static_cast<std::size_t>(best.outside)].sequence)) {
      if (next.time <= best.time) best = next;
    }
  }
  for (u32 index = 0; index < options_.cores; ++index) {
    const Core& core = cores_[index];
    Next next{kNever, index, -1, EntryKind::Expiry};
    if (core.thread == nullptr) {
      if (core.timer != 0) next.time = std::max(core.timer, core.time);
    } else if (Thread& thread = *core.thread; core.again || core.time >= core.run_end) {
      next.time = core.time;
    } else if (thread.gone) {
      next.time = core.run_end;
    } else if (core.restart) {
      next = {core.time, index, -1, EntryKind::Syscall};
    } else if (thread.script_.empty()) {
      const bool holds = index == 0 && root_holds_ && &thread == &threads_.front();
      if (holds) {
        next.time = kNever;
      } else if (thread.park != 0 && thread.parks_) {
        next = {core.time, index, -1, EntryKind::Syscall};
      } else {
        next.time = core.run_end;
      }
    } else {
      const Action& action = thread.script_.front();
      switch (action.kind) {
        case Action::Kind::Call: next = {core.time, index, -1, EntryKind::Syscall}; break;
        case Action::Kind::Fault: next = {core.time, index, -1, EntryKind::Fault}; break;
        case Action::Kind::Spin: next.time = core.run_end; break;
        case Action::Kind::Compute:
          next.time = core.run_end;
          if (action.ns <= core.run_end - core.time) next = {core.time + action.ns, index, -1, EntryKind::Boot};
          break;
      }
    }
    offer(next);
  }
  return best;
}

void Lab::issue(Thread& thread) {
  UserFrame& frame = thread.object().frame;
  if (thread.script_.empty()) {
    frame = wait(thread.park).frame;
    frame.pending = 1;
    thread.parking_ = thread.issued_ = true;
    return;
  }
  const Action& action = thread.script_.front();
  const Message& body = action.message;
  frame = action.frame;
  IpcBuffer* buffer = thread.buffer();
  const u32 length = static_cast<u32>(body.words.size());
  frame.info = MessageInfo::make(body.label, length, static_cast<u32>(body.caps.size()),
                                 body.in_buffer ? MessageInfo::kInBuffer : 0)
                   .word() |
               body.raw_info;
  for (u32 i = 0; i < length; ++i) {
    if (i < kMessageRegisters && !body.in_buffer) frame.mr[i] = body.words[i];
    if (buffer != nullptr && (i >= kMessageRegisters || body.in_buffer) && i < kMessageWordsMax) {
      buffer->msg[i] = body.words[i];
    }
  }
  for (std::size_t i = 0; i < body.caps.size() && i < 3 && buffer != nullptr; ++i) {
    buffer->caps_or_badges[i] = body.caps[i];
  }
  frame.pending = 1;
  thread.issued_ = true;
  thread.parking_ = false;
  thread.last_ = {};
}

void Lab::perform(const Next& next) {
  Core& core = cores_[next.core];
  pass_user_time(next.core, next.time);
  now_ = std::max(now_, core.time);
  Entry entry;
  entry.core = static_cast<u16>(next.core);
  entry.kind = next.kind;
  entry.now = core.time;
  std::string what;
  if (next.outside >= 0) {
    const Outside event = outside_[static_cast<std::size_t>(next.outside)];
    outside_.erase(outside_.begin() + next.outside);
    entry.irq = event.irq;
    what = event.kind == EntryKind::Irq ? "an interrupt" : "a poke";
    progress_ = true;
  } else if (next.kind == EntryKind::Boot) {  // the end of a computation is no entry
    core.thread->script_.pop_front();
    progress_ = true;
    return;
  } else if (next.kind == EntryKind::Expiry) {
    what = "an expiry";
  } else {
    Thread& thread = *core.thread;
    progress_ = true;
    if (next.kind == EntryKind::Fault) {
      entry.fault = thread.script_.front().fault;
      thread.script_.pop_front();
      what = "a fault of " + thread.name;
    } else {
      if (!core.restart) issue(thread);
      what = "call " + std::to_string(thread.object().frame.call) + " label " +
             std::to_string(MessageInfo{thread.object().frame.info}.label()) + " of " + thread.name +
             (core.restart ? " (repeated)" : "");
    }
  }
  entry.horizon = kNever;
  for (const Outside& event : outside_) {
    if (event.core == next.core) entry.horizon = std::min(entry.horizon, event.time);
  }
  if (horizon) entry.horizon = horizon(next.core, entry.now);
  enter(entry, what);
}

void Lab::raise_irq_at(u32 line, u64 time) {
  outside_.push_back({time, sequence_++, kernel_->irq(line).core, EntryKind::Irq, line});
}

void Lab::wake_root() {
  if (root_holds_) return;
  Thread& root = threads_.front();
  raise_irq_at(kRootLine, now_);
  u64 rounds = 0;
  while (!(cores_[0].thread == &root && !root.parking_)) {
    const Next next = next_entry();
    REQUIRE(next.time != kNever);
    REQUIRE(++rounds < 1'000'000);
    perform(next);
  }
  root_holds_ = true;
  const auto saved = horizon;  // the lab's own calls are not what a test wants to interrupt
  horizon = nullptr;
  REQUIRE(root_does(lab::invoke(root_irq_, Invoke::IrqHandlerAck)) == "ok");
  horizon = saved;
}
void Lab::unpark_all() {
  while (!to_unpark_.empty()) {
    Thread& thread = *to_unpark_.front();
    to_unpark_.erase(to_unpark_.begin());
    if (!thread.parked()) continue;
    const auto waiting = std::count(to_unpark_.begin(), to_unpark_.end(), &thread);
    if (waiting > 0) continue;
    wake_root();
    root_does(signal(thread.park));
  }
  root_holds_ = false;
}

void Lab::settle() {
  unpark_all();
  u64 patience_end = now_ + kPatience;
  for (;;) {
    const Next next = next_entry();
    if (next.time == kNever || next.time > patience_end) break;
    progress_ = false;
    perform(next);
    if (progress_) patience_end = now_ + kPatience;
  }
}

void Lab::run_until(u64 time) {
  unpark_all();
  for (;;) {
    const Next next = next_entry();
    if (next.time > time) break;
    perform(next);
  }
  for (u32 index = 0; index < options_.cores; ++index) {
    if (cores_[index].thread != nullptr) pass_user_time(index, time);
  }
  now_ = std::max(now_, time);
}

Outcome settled(Lab& lab, Outcome outcome) {
  lab.settle();
  return outcome;
}

// ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────
const BootInfo& Lab::boot_info() const {
  const Slot* slots = reinterpret_cast<const Slot*>(ram_ + root_cnode_);
  return *reinterpret_cast<const BootInfo*>(ram_ + slots[kRootBootInfo].cap.object);
}
Slot& Lab::slot_of(Cptr at) { return reinterpret_cast<Slot*>(ram_ + root_cnode_)[at]; }
Slot& Lab::slot_in(Cptr cnode, u64 index) { return reinterpret_cast<Slot*>(ram_ + cap(cnode).object)[index]; }
u32 Lab::parent_of(Cptr at) {
  const Slot* slot = &slot_of(at);
  REQUIRE(!slot->cap.is_null());
  while ((slot->next & 1) == 0) {
    REQUIRE(slot->next != 0);
    slot = reinterpret_cast<const Slot*>(ram_ + slot->next);
  }
  return slot->next & ~1u;
}
std::vector<u32> Lab::children_of(u32 offset) const {
  std::vector<u32> found;
  for (u32 at = reinterpret_cast<const Slot*>(ram_ + offset)->first_child; at != 0;) {
    found.push_back(at);
    const u32 next = reinterpret_cast<const Slot*>(ram_ + at)->next;
    at = (next & 1) != 0 ? 0 : next;
  }
  return found;
}
bool Lab::SeenSlot::operator==(const SeenSlot& other) const {
  return offset == other.offset && std::memcmp(&slot, &other.slot, sizeof slot) == 0;
}
std::vector<Lab::SeenSlot> Lab::caps() const {
  std::vector<SeenSlot> seen;
  const u32 anchor = kKernelRegionOffset + static_cast<u32>(offsetof(KernelHeader, anchor));
  for (u32 at = anchor; at != 0;) {
    const Slot* slot = reinterpret_cast<const Slot*>(ram_ + at);
    seen.push_back({at, *slot});
    if (slot->first_child != 0) {
      at = slot->first_child;
      continue;
    }
    while (at != anchor && (slot->next & 1) != 0) {
      at = slot->next & ~1u;
      slot = reinterpret_cast<const Slot*>(ram_ + at);
    }
    at = at == anchor ? 0 : slot->next;
  }
  return seen;
}
std::string Lab::refills(Cptr at, u64 start, u64 unit) {
  const SchedContext& sc = object<SchedContext>(at);
  std::string text;
  for (u32 i = 0; i < sc.refill_count; ++i) {
    const Refill& refill = sc.refills[(sc.refill_head + i) % sc.refill_max];
    const u64 time = refill.time < start ? 0 : (refill.time - start) / unit;
    text += (i == 0 ? "(" : " (") + std::to_string(time) + "," + std::to_string(refill.amount / unit) + ")";
  }
  return text;
}
u32 Lab::zombies() const {
  u32 count = 0;
  for (const SeenSlot& seen : caps()) count += seen.slot.cap.type == CapType::Zombie ? 1 : 0;
  return count;
}
u64 Lab::bytes_left(Cptr untyped) {
  const Cap& memory = cap(untyped);
  return (u64{1} << memory.bits) - (slot_of(untyped).first_child == 0 ? 0 : memory.data);
}
bool Lab::all_zero(u64 offset, u64 bytes) const {
  return bytes == 0 || (ram_[offset] == 0 && std::memcmp(ram_ + offset, ram_ + offset + 1, bytes - 1) == 0);
}
Thread* Lab::running_on(u32 core) { return cores_[core].thread; }
std::vector<base::EventRecord> Lab::events_of(base::EventKind kind) const {
  std::vector<base::EventRecord> found;
  for (const base::EventRecord& event : events) {
    if (event.kind == kind) found.push_back(event);
  }
  return found;
}
u64 Lab::ran(const Thread& thread, u64 from, u64 to) const {
  u64 total = 0;
  for (const Stretch& stretch : stretches) {
    if (!(stretch.thread == thread.ref)) continue;
    const u64 first = std::max(from, stretch.from);
    const u64 last = std::min(to, stretch.to);
    if (first < last) total += last - first;
  }
  return total;
}
u64 Lab::most_in_window(const std::vector<const Thread*>& threads, u64 window) const {
  const auto chosen = [&threads](Ref<Tcb> ref) {
    return std::any_of(threads.begin(), threads.end(), [ref](const Thread* thread) { return thread->ref == ref; });
  };
  std::vector<Stretch> mine;
  for (const Stretch& stretch : stretches) {
    if (chosen(stretch.thread)) mine.push_back(stretch);
  }
  std::sort(mine.begin(), mine.end(), [](const Stretch& a, const Stretch& b) { return a.from < b.from; });
  u64 most = 0;
  for (std::size_t i = 0; i < mine.size();
       ++i) {  // a fullest window begins where a stretch begins, or ends where one ends
    for (const bool begins : {true, false}) {
      if (!begins && mine[i].to < window) continue;
      const u64 from = begins ? mine[i].from : mine[i].to - window;
      u64 total = 0;
      for (const Stretch& stretch : mine) {
        const u64 first = std::max(from, stretch.from);
        const u64 last = std::min(from + window, stretch.to);
        if (first < last) total += last - first;
      }
      most = std::max(most, total);
    }
  }
  return most;
}

}  // namespace lab
