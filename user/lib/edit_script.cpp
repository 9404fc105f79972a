// user/lib/edit_script.cpp — see the header.
#include "user/lib/edit_script.h"

#include <algorithm>

#include "base/enforce.h"

namespace user {
namespace {

struct Box {
  i64 a_from, a_to, b_from, b_to;
};

class Differ {
 public:
  Differ(base::Allocator& heap, std::span<const u32> a, std::span<const u32> b, base::Vector<u8>& dropped,
         base::Vector<u8>& added)
      : a_(a), b_(b), dropped_(dropped), added_(added), down_(heap), up_(heap), boxes_(heap) {
    const u64 diagonals = a.size() + b.size() + 3;
    down_.resize(diagonals);
    up_.resize(diagonals);
    offset_ = static_cast<i64>(b.size()) + 1;
  }

  /// Boxes still to be done lie on a stack: each is smaller than the one it came from.
  u64 run() {
    boxes_.push_back({0, static_cast<i64>(a_.size()), 0, static_cast<i64>(b_.size())});
    while (!boxes_.empty()) {
      Box box = boxes_.take_back();
      while (box.a_from < box.a_to && box.b_from < box.b_to && same(box.a_from, box.b_from)) {
        box.a_from += 1;
        box.b_from += 1;
      }
      while (box.a_from < box.a_to && box.b_from < box.b_to && same(box.a_to - 1, box.b_to - 1)) {
        box.a_to -= 1;
        box.b_to -= 1;
      }
      if (box.a_from == box.a_to) {
        for (i64 y = box.b_from; y < box.b_to; ++y) added_[static_cast<u64>(y)] = 1;
      } else if (box.b_from == box.b_to) {
        for (i64 x = box.a_from; x < box.a_to; ++x) dropped_[static_cast<u64>(x)] = 1;
      } else {
        split(box);
      }
    }
    return work_;
  }

 private:
  bool same(i64 x, i64 y) {
    work_ += 1;
    return a_[static_cast<u64>(x)] == b_[static_cast<u64>(y)];
  }

  /// Paths from both corners, one step longer each round, until two of them meet: there the box is cut in two.
  /// Diagonal k is where x − y = k. Only diagonals inside the box are walked: when one of the outermost leaves it, the
  /// range shrinks again, so that no path runs past an edge.
  void split(const Box& box) {
    constexpr i64 kBehind = -1;            // not reached from above
    constexpr i64 kBeyond = i64{1} << 62;  // not reached from below
    const auto down = [this](i64 k) -> i64& { return down_[static_cast<u64>(k + offset_)]; };
    const auto up = [this](i64 k) -> i64& { return up_[static_cast<u64>(k + offset_)]; };
    const i64 lowest = box.a_from - box.b_to;
    const i64 highest = box.a_to - box.b_from;
    const i64 first = box.a_from - box.b_from;
    const i64 last = box.a_to - box.b_to;
    const bool odd = ((first - last) & 1) != 0;
    i64 down_low = first;
    i64 down_high = first;
    i64 up_low = last;
    i64 up_high = last;
    down(first) = box.a_from;
    up(last) = box.a_to;
    const i64 rounds_max = highest - lowest + 1;
    for (i64 round = 0; round < rounds_max; ++round) {
      down_low += down_low > lowest ? -1 : 1;
      if (down_low < first && down_low >= lowest) down(down_low - 1) = kBehind;
      down_high += down_high < highest ? 1 : -1;
      if (down_high > first && down_high <= highest) down(down_high + 1) = kBehind;
      for (i64 k = down_high; k >= down_low; k -= 2) {
        i64 x = down(k - 1) < down(k + 1) ? down(k + 1) : down(k - 1) + 1;
        while (x < box.a_to && x - k < box.b_to && same(x, x - k)) x += 1;
        down(k) = x;
        if (odd && k >= up_low && k <= up_high && up(k) <= x) return cut(box, x, x - k);
      }
      up_low += up_low > lowest ? -1 : 1;
      if (up_low < last && up_low >= lowest) up(up_low - 1) = kBeyond;
      up_high += up_high < highest ? 1 : -1;
      if (up_high > last && up_high <= highest) up(up_high + 1) = kBeyond;
      for (i64 k = up_high; k >= up_low; k -= 2) {
        i64 x = up(k - 1) < up(k + 1) ? up(k - 1) : up(k + 1) - 1;
        while (x > box.a_from && x - k > box.b_from && same(x - 1, x - k - 1)) x -= 1;
        up(k) = x;
        if (!odd && k >= down_low && k <= down_high && x <= down(k)) return cut(box, x, x - k);
      }
    }
    UNREACHABLE("two paths through one box meet");
  }

  void cut(const Box& box, i64 x, i64 y) {
    ASSERT(x >= box.a_from && x <= box.a_to && y >= box.b_from && y <= box.b_to);
    ASSERT(x - box.a_from + y - box.b_from > 0 && box.a_to - x + box.b_to - y > 0);  // both parts are smaller
    boxes_.push_back({x, box.a_to, y, box.b_to});
    boxes_.push_back({box.a_from, x, box.b_from, y});
  }

  std::span<const u32> a_;
  std::span<const u32> b_;
  base::Vector<u8>& dropped_;
  base::Vector<u8>& added_;
  base::Vector<i64> down_;  // by diagonal: how far the path from the upper corner has come
  base::Vector<i64> up_;
  base::Vector<Box> boxes_;
  i64 offset_ = 0;
  u64 work_ = 0;
};

}  // namespace

u64 shortest_edit(base::Allocator& heap, std::span<const u32> a, std::span<const u32> b, base::Vector<u8>& dropped,
                  base::Vector<u8>& added) {
  dropped.clear();
  dropped.resize(a.size(), 0);
  added.clear();
  added.resize(b.size(), 0);
  return Differ(heap, a, b, dropped, added).run();
}

}  // namespace user
