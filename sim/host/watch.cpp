// sim/host/watch.cpp — see watch.h.
#include "sim/host/watch.h"

#include <algorithm>
#include <bit>

namespace sim::host {
namespace {

constexpr u64 kTableStart = 4096;
constexpr u64 kMix = 0x9e3779b97f4a7c15;  // 2^64 ÷ golden ratio: spreads neighbouring numbers

u64 scatter(u64 value) {
  value = (value ^ value >> 31) * kMix;
  return value ^ value >> 29;
}

}  // namespace

std::string role_of(std::string_view thread_name) {
  const auto end = thread_name.find_last_not_of("0123456789");
  if (end == std::string_view::npos) return std::string(thread_name);  // only a number: that is its name
  if (end + 1 == thread_name.size()) return std::string(thread_name);
  const auto stem = thread_name.find_last_not_of(".-_#/", end);
  return std::string(thread_name.substr(0, stem == std::string_view::npos ? end + 1 : stem + 1));
}

void Watch::attach(Machine& machine, bool features) {
  features_ = features;
  if (features_) table_.resize(kTableStart);
  machine.on_event = [this, &machine, before = machine.on_event](const base::Event& event) {
    if (machine.started()) see(machine.world(), event);
    if (before) before(event);
  };
}

/// The role of an event: of its thread, else of the one that has its core.
u16 Watch::role_of_thread(World& world, const base::Event& event) {
  if (event.node == 0 || event.node > world.nodes().size()) return 0;
  Node& node = world.nodes()[event.node - 1];
  const u64 place = u64{event.node} * kCoresMax + event.core;
  if (running_.size() <= place) running_.resize(place + 1);
  if (event.thread == 0) return running_[place];
  if (threads_.size() < event.node) threads_.resize(event.node);
  std::vector<Thread>& threads = threads_[event.node - 1];
  if (threads.empty()) threads.resize(node.fibers().size());
  const u32 slot = event.thread & kernel::kThreadSlotMask;
  if (slot >= threads.size()) return 0;
  Thread& thread = threads[slot];
  const bool runs = event.kind == static_cast<u16>(base::EventKind::SchedRun);
  if (thread.id != event.thread) {
    if (!node.is_up()) return 0;
    const ThreadInfo info = world.thread_info(node, kernel::Ref<kernel::Tcb>{slot << kernel::kTcbBits});
    if (info.thread_id != event.thread) return 0;
    const std::string role = role_of(info.name);
    const auto [at, is_new] = numbers_.try_emplace(role, static_cast<u16>(names_.size()));
    if (is_new) {
      names_.push_back(role);
      name_hashes_.push_back(base::digest_of(base::bytes_of(role)).high);
      lasts_.emplace_back();
    }
    // A thread is named before it runs for the first time, not before it is made.
    if (!runs) return at->second;
    thread = {event.thread, at->second};
  }
  if (runs) {
    running_[place] = thread.role;
    last_ = thread.role;
  }
  return thread.role;
}

void Watch::see(World& world, const base::Event& event) {
  const u16 role = role_of_thread(world, event);
  std::array<u16, 3>& kinds = lasts_[role].kinds;
  kinds[2] = kinds[1];
  kinds[1] = kinds[0];
  kinds[0] = event.kind;
  if (!features_) return;
  // Roles are numbered as they come up, which differs from run to run: the name takes part, not the number.
  const u64 name = name_hashes_[role];
  count(scatter(name ^ u64{kinds[0]} << 1));
  if (kinds[1] != 0) count(scatter(name ^ u64{kinds[0]} << 1 ^ u64{kinds[1]} << 17));
  if (kinds[2] != 0) count(scatter(name ^ u64{kinds[0]} << 1 ^ u64{kinds[1]} << 17 ^ u64{kinds[2]} << 33));
}

void Watch::count(u64 sequence) {
  sequence |= 1;  // 0 is an empty place
  const u64 mask = table_.size() - 1;
  u64 at = sequence >> 20 & mask;
  while (table_[at].sequence != 0 && table_[at].sequence != sequence) at = (at + 1) & mask;
  if (table_[at].sequence == 0) {
    table_[at].sequence = sequence;
    counted_ += 1;
  }
  table_[at].count += 1;
  if (counted_ * 2 < table_.size()) return;
  std::vector<Counted> old(table_.size() * 2);
  old.swap(table_);
  const u64 wider = table_.size() - 1;
  for (const Counted& entry : old) {
    if (entry.sequence == 0) continue;
    u64 place = entry.sequence >> 20 & wider;
    while (table_[place].sequence != 0) place = (place + 1) & wider;
    table_[place] = entry;
  }
}

std::string Watch::last_kinds(std::string_view role) const {
  const auto at = numbers_.find(role);
  const Last& last = lasts_[at == numbers_.end() ? 0 : at->second];
  std::string text;
  for (u32 i = 3; i-- > 0;) {
    if (last.kinds[i] == 0) continue;
    if (!text.empty()) text += ' ';
    text += base::name_of(static_cast<base::EventKind>(last.kinds[i]));
  }
  return text;
}

std::vector<u32> Watch::features() const {
  std::vector<u32> features;
  for (const Counted& entry : table_) {
    if (entry.sequence == 0) continue;
    const u64 magnitude = static_cast<u64>(std::bit_width(entry.count));
    features.push_back(static_cast<u32>(scatter(entry.sequence + magnitude * kMix) >> (64 - kFeatureBits)));
  }
  std::sort(features.begin(), features.end());
  features.erase(std::unique(features.begin(), features.end()), features.end());
  return features;
}

}  // namespace sim::host
