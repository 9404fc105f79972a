// tests/kernel/cap_model.h — a naive twin of the capability space: a list of caps with parent ids, deletion by recursion
// on ids, containers found by searching. It shares nothing with the kernel but the numbers of types and rights.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "kernel-model/objects.h"

namespace cap_model {

using kernel::CapType;
using kernel::ObjectType;

constexpr u64 kWorld = 0;  // the container that is never destroyed

struct Where {
  u64 container = kWorld;  // base of a CNode
  u32 index = 0;
  friend bool operator==(const Where&, const Where&) = default;
};

struct ModelCap {
  bool alive = true;
  Where where;
  CapType type = CapType::Null;
  u64 base = 0;
  u32 bits = 0;  // Untyped: size; CNode: radix
  u32 rights = 0;
  u64 badge = 0;
  u32 guard_size = 0;
  u64 guard = 0;
  u64 watermark = 0;
  int parent = -1;
  std::vector<int> children;  // youngest first
};

/// A slot and how a CNode operation names it: the CNode cap in world slot `through` (−1: the world itself).
struct Named {
  Where where;
  int through = -1;
  u64 index = 0;
  u64 depth = 64;
};

class Model {
 public:
  explicit Model(u32 world_slots) : world_slots_(world_slots) {}

  u32 world_slots() const { return world_slots_; }
  int at(Where where) const {
    for (int id = 0; id < static_cast<int>(caps_.size()); ++id) {
      if (caps_[id].alive && caps_[id].where == where) return id;
    }
    return -1;
  }
  const ModelCap& cap(int id) const { return caps_[id]; }
  /// The world's own memory; its parent is outside.
  void plant(Where where, CapType type, u64 base, u32 bits) {
    ModelCap cap;
    cap.where = where;
    cap.type = type;
    cap.base = base;
    cap.bits = bits;
    add(cap, -1);
  }
  std::vector<u64> containers() const {
    std::vector<u64> found{kWorld};
    for (const ModelCap& cap : caps_) {
      if (cap.alive && cap.type == CapType::CNode && std::find(found.begin(), found.end(), cap.base) == found.end()) {
        found.push_back(cap.base);
      }
    }
    return found;
  }
  u32 slot_count(u64 container) const {
    if (container == kWorld) return world_slots_;
    for (const ModelCap& cap : caps_) {
      if (cap.alive && cap.type == CapType::CNode && cap.base == container) return 1u << cap.bits;
    }
    return 0;
  }
  u32 live_caps() const {
    return static_cast<u32>(std::count_if(caps_.begin(), caps_.end(), [](const ModelCap& cap) { return cap.alive; }));
  }
  u32 cap_count(const ModelCap& of) const {
    return static_cast<u32>(std::count_if(caps_.begin(), caps_.end(), [&](const ModelCap& cap) {
      return cap.alive && cap.type == of.type && cap.base == of.base;
    }));
  }
  bool is_descendant(int id, int of) const {
    for (int at = caps_[id].parent; at >= 0; at = caps_[at].parent) {
      if (at == of) return true;
    }
    return false;
  }

  // ── Operations; each returns what the caller is told ────────────────────────────────────────────────────────
  std::string retype(int untyped, ObjectType type, u32 size_bits, Where first, u32 count) {
    const u32 slots = slot_count(first.container);
    if (count > slots - first.index) return ranged(1, slots - first.index);
    for (u32 i = 0; i < count; ++i) {
      if (at({first.container, first.index + i}) >= 0) return "DeleteFirst";
    }
    const u32 bits = object_bits(type, size_bits);
    const u64 size = u64{1} << caps_[untyped].bits;
    u64 start = caps_[untyped].children.empty() ? 0 : caps_[untyped].watermark;
    if ((size - start) >> bits < count) return "NotEnoughMemory(" + std::to_string(size - start) + ")";
    const u64 object = u64{1} << bits;
    start = (start + object - 1) / object * object;
    caps_[untyped].watermark = start + count * object;
    for (u32 i = 0; i < count; ++i) {
      ModelCap cap;
      cap.where = {first.container, first.index + i};
      cap.type = static_cast<CapType>(static_cast<u32>(type) + 1);
      cap.base = caps_[untyped].base + start + i * object;
      if (type == ObjectType::Untyped || type == ObjectType::CNode) cap.bits = size_bits;
      cap.rights = type == ObjectType::Endpoint       ? 15
                   : type == ObjectType::Notification ? 3
                   : type == ObjectType::Reply        ? 4
                                                      : 0;
      add(cap, untyped);
    }
    return "ok";
  }

  enum class Kind { Copy, Mint, Move, Mutate };
  std::string put(Kind kind, Where to, Where from, u64 from_depth, u32 rights, u64 data) {
    if (at(to) >= 0) return "DeleteFirst";
    const int source = at(from);
    if (source < 0) return missing(true, from_depth);
    if (kind == Kind::Move) {
      caps_[source].where = to;
      return "ok";
    }
    if (kind == Kind::Mutate) {
      const auto changed = mutated(caps_[source], data);
      if (!changed) return "IllegalOperation";
      caps_[source] = *changed;
      caps_[source].where = to;
      return "ok";
    }
    ModelCap copy = caps_[source];
    if (copy.type == CapType::Untyped && !copy.children.empty()) return "RevokeFirst";
    copy.rights &= rights;
    if (kind == Kind::Mint) {
      const bool badged_type = copy.type == CapType::Endpoint || copy.type == CapType::Notification;
      if (badged_type) {
        if (copy.badge != 0) return "IllegalOperation";
        copy.badge = data;
      } else {
        const auto changed = mutated(copy, data);
        if (!changed) return "IllegalOperation";
        copy = *changed;
      }
    }
    copy.where = to;
    copy.children.clear();
    if (copy.type == CapType::Untyped) caps_[source].watermark = u64{1} << copy.bits;
    add(copy, source);
    return "ok";
  }

  std::string rotate(Where to, Where pivot, u64 pivot_depth, Where from, u64 from_depth, u64 pivot_data,
                     u64 source_data) {
    if (pivot == from || pivot == to) return "IllegalOperation";
    if (!(to == from) && at(to) >= 0) return "DeleteFirst";
    const int source = at(from);
    if (source < 0) return missing(true, from_depth);
    const int middle = at(pivot);
    if (middle < 0) return missing(false, pivot_depth);
    const auto new_source = mutated(caps_[source], source_data);
    const auto new_middle = mutated(caps_[middle], pivot_data);
    if (!new_source || !new_middle) return "IllegalOperation";
    caps_[source] = *new_source;
    caps_[middle] = *new_middle;
    caps_[source].where = pivot;
    caps_[middle].where = to;
    return "ok";
  }

  std::string remove(Where where) {
    const int id = at(where);
    if (id >= 0) destroy(id);
    return "ok";
  }

  std::string revoke(Where where) {
    const int id = at(where);
    while (id >= 0 && caps_[id].alive && !caps_[id].children.empty()) destroy(caps_[id].children.front());
    return "ok";
  }

  /// A transfer by IPC: a copy without mask, or nothing.
  void transfer(Where to, Where from) {
    const int source = at(from);
    if (source >= 0 && at(to) < 0) put(Kind::Copy, to, from, 64, 15, 0);
  }

  static u32 object_bits(ObjectType type, u32 size_bits) {
    switch (type) {
      case ObjectType::CNode: return size_bits + 5;
      case ObjectType::Tcb: return 11;
      case ObjectType::Endpoint:
      case ObjectType::Notification:
      case ObjectType::Reply: return 6;
      default: return size_bits;
    }
  }

 private:
  static std::string ranged(u64 low, u64 high) {
    return "RangeError(" + std::to_string(low) + ", " + std::to_string(high) + ")";
  }
  static std::string missing(bool was_source, u64 depth) {
    return std::string("FailedLookup(") + (was_source ? "1" : "0") + ", 2, " + std::to_string(depth) + ")";
  }
  static std::optional<ModelCap> mutated(ModelCap cap, u64 data) {
    if (cap.type == CapType::Endpoint || cap.type == CapType::Notification) return {};
    if (cap.type == CapType::CNode) {
      const u32 size = data % 64;
      if (size + cap.bits > 64) return {};
      cap.guard_size = size;
      cap.guard = (data / 64) % (u64{1} << size);
    }
    return cap;
  }
  std::vector<int>& siblings_of(int id) { return caps_[id].parent < 0 ? roots_ : caps_[caps_[id].parent].children; }
  void add(const ModelCap& cap, int parent) {
    caps_.push_back(cap);
    const int id = static_cast<int>(caps_.size()) - 1;
    caps_[id].parent = parent;
    std::vector<int>& siblings = siblings_of(id);
    siblings.insert(siblings.begin(), id);
  }
  void destroy(int id) {
    // Its children take its place among its siblings; then what only it held together goes as well.
    std::vector<int>& siblings = siblings_of(id);
    auto place = siblings.erase(std::find(siblings.begin(), siblings.end(), id));
    siblings.insert(place, caps_[id].children.begin(), caps_[id].children.end());
    for (const int child : caps_[id].children) caps_[child].parent = caps_[id].parent;
    caps_[id].children.clear();
    caps_[id].alive = false;
    const ModelCap gone = caps_[id];
    if (gone.type != CapType::CNode || cap_count(gone) > 0) return;
    for (u32 i = 1u << gone.bits; i-- > 0;) {  // from last to first
      const int inside = at({gone.base, i});
      if (inside >= 0) destroy(inside);
    }
  }

  u32 world_slots_;
  std::vector<ModelCap> caps_;
  std::vector<int> roots_;
};

}  // namespace cap_model
