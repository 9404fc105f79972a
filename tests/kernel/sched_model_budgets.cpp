// tests/kernel/sched_model_budgets.cpp — see sched_model.h: refills and grants.
#include <algorithm>

#include "tests/kernel/sched_model.h"

namespace sched_model {

// ── Refills ──────────────────────────────────────────────────────────────────────────────────────────────────────────

void Model::give_back(Node& n, u64 time, u64 amount) {
  if (n.refills.empty()) {
    n.refills.push_back({time, amount});
    return;
  }
  Piece& last = n.refills.back();
  if (time <= last.time + last.amount) {
    last.amount += amount;
  } else if (n.refills.size() < n.refill_max) {
    n.refills.push_back({time, amount});
  } else {
    last = {time - last.amount, last.amount + amount};
  }
}

u64 Model::begin_of(const Piece& piece) { return minus(piece.time, piece.amount); }

void Model::put_in_order(Node& n, Piece piece) {
  const auto later = [](const Piece& a, const Piece& b) { return a.time < b.time; };
  n.refills.insert(std::upper_bound(n.refills.begin(), n.refills.end(), piece, later), piece);
}

void Model::put_back(Node& n, Piece piece) {
  for (std::size_t i = 0; i < n.refills.size();) {
    const Piece other = n.refills[i];
    const bool whole = std::max(other.time, piece.time) <= now_;
    if (whole || other.time == begin_of(piece) || begin_of(other) == piece.time) {
      piece = {std::max(other.time, piece.time), other.amount + piece.amount};
      n.refills.erase(n.refills.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  put_in_order(n, piece);
  if (n.refills.size() <= n.refill_max) return;
  const auto gap = [&](std::size_t k) { return n.refills[k + 1].time - n.refills[k].time; };
  std::size_t best = 0;
  for (std::size_t i = 1; i + 1 < n.refills.size(); ++i) {
    if (gap(i) < gap(best)) best = i;
  }
  const Piece a = n.refills[best];
  const Piece b = n.refills[best + 1];
  const auto at = n.refills.begin() + static_cast<std::ptrdiff_t>(best);
  n.refills.erase(at, at + 2);
  const u64 sum = a.amount + b.amount;
  put_in_order(n, {std::max({a.time, b.time, std::min(begin_of(a), begin_of(b)) + sum}), sum});
}

void Model::put_back_late(Node& n, Piece piece) {
  const u64 late = std::min(n.owed, piece.amount);
  n.owed -= late;
  piece.amount -= late;
  if (late > 0) put_back(n, {piece.time - piece.amount + n.period, late});
  if (piece.amount > 0) put_back(n, piece);
}

void Model::charge_shared(Node& n, u64 used, u64 start, u64 granted, bool keeps_rest) {
  const u64 from_grant = std::min(used, granted);
  if (from_grant > 0) put_back_late(n, {start + from_grant + n.period, from_grant});
  if (granted > from_grant && !keeps_rest) put_back_late(n, {start + granted, granted - from_grant});
  u64 over = used - from_grant;
  for (u64 end = start + from_grant; over > 0;) {
    if (n.refills.empty()) {
      n.owed += over;
      return;
    }
    const Piece first = n.refills.front();
    n.refills.erase(n.refills.begin());
    const u64 part = std::min(over, first.amount);
    if (part < first.amount) n.refills.insert(n.refills.begin(), {first.time, first.amount - part});
    end += part;
    put_back_late(n, {std::max(end, minus(first.time, first.amount - part)) + n.period, part});
    over -= part;
  }
}

u64 Model::reach(const Node& n, u64 head_start) const {
  u64 had = head_start;
  for (const Piece& piece : n.refills) {
    if (had < kSharedGrant && begin_of(piece) <= now_ + had) had += piece.amount;
  }
  return std::min(had, kSharedGrant);
}

void Model::take(Node& n, u64 amount) {
  u64 taken = 0;
  for (Piece& piece : n.refills) {
    if (begin_of(piece) > now_ + taken) continue;
    const u64 part = std::min(piece.amount, amount - taken);
    piece.amount -= part;
    taken += part;
  }
  std::erase_if(n.refills, [](const Piece& piece) { return piece.amount == 0; });
}

void Model::charge(Node& n, u64 used, u64 at) {
  while (used > 0) {
    Piece& first = n.refills.front();
    const u64 part = std::min(used, first.amount);
    const u64 base = n.measured_from_wake() ? first.time : std::max(at, first.time);
    first.amount -= part;
    if (n.measured_from_wake()) first.time += part;
    const bool spent = first.amount == 0;
    if (spent) n.refills.erase(n.refills.begin());
    while (!spent && n.measured_from_wake() && n.refills.size() > 1 && n.refills[1].time < n.refills[0].time) {
      n.refills[0].amount += n.refills[1].amount;
      n.refills.erase(n.refills.begin() + 1);
    }
    give_back(n, base + n.period, part);
    used -= part;
    at += part;
  }
}

void Model::advance(Node& n) {
  u64 sum = 0;
  for (const Piece& piece : n.refills) sum += piece.time <= now_ ? piece.amount : 0;
  if (sum == 0) return;
  std::erase_if(n.refills, [this](const Piece& piece) { return piece.time <= now_; });
  n.refills.insert(n.refills.begin(), {now_, sum});
}

// ── Grants ───────────────────────────────────────────────────────────────────────────────────────────────────────────

void Model::settle(Core& c, bool keep_rest) {
  const u64 used = minus(now_, c.start);
  const u64 back = keep_rest ? std::min(used, c.amount) : c.amount;
  for (const int i : chain(c.grant)) {
    Node& n = nodes[i];
    n.consumed += used;
    if (used > 0) n.used.emplace_back(c.start, c.start + used);
    if (n.limited()) {
      n.reserved -= back;
      if (n.shared()) {
        charge_shared(n, used, c.start, c.amount, keep_rest);
      } else {
        charge(n, used, c.start);
      }
    } else if (!n.inner) {
      n.slice = minus(n.slice, used);
    }
  }
  c.amount -= back;
  c.start += used;
}

void Model::end_grant(Core& c) {
  if (c.grant < 0) return;
  settle(c, false);
  c.grant = -1;
}

void Model::commit(int node) {
  for (u32 i = 0; i < cores.size(); ++i) {
    if (cores[i].grant < 0 || !in_chain(cores[i].grant, node)) continue;
    settle(cores[i], false);
    poke(i);
  }
}

u64 Model::available(int node, const Core& home) const {
  const Node& n = nodes[node];
  if (n.shared()) {
    const bool below = home.grant >= 0 && in_chain(home.grant, node);
    return reach(n, below ? minus(home.amount, minus(now_, home.start)) : 0);
  }
  u64 amount = ready(n);
  u64 reserved = n.reserved;
  if (home.grant >= 0 && in_chain(home.grant, node) && reserved > 0) {
    amount = minus(amount, minus(now_, home.start));
    reserved = minus(reserved, home.amount);
  }
  return minus(amount, reserved);
}

bool Model::eligible(int leaf) const {
  const Core& home = cores[nodes[leaf].home];
  if (home.grant == leaf && left(home) >= kMinBudget) return true;
  for (const int i : chain(leaf)) {
    if (nodes[i].limited() && available(i, home) < kMinBudget) return false;
  }
  return true;
}

u64 Model::wait_time(int leaf) const {
  u64 latest = now_;
  for (const int i : chain(leaf)) {
    const Node& n = nodes[i];
    if (!n.limited() || available(i, cores[nodes[leaf].home]) >= kMinBudget) continue;
    u64 time = now_ + kSharedGrant;
    if (n.shared()) {
      if (n.reserved == 0 && !n.refills.empty()) time = ~u64{0};
      u64 sum = 0;
      for (const Piece& piece : n.refills) {
        sum += piece.amount;
        if (piece.amount >= kMinBudget) {
          time = std::min(time, begin_of(piece));
        } else if (sum >= kMinBudget) {
          time = std::min(time, piece.time);
        }
      }
    } else if (ready(n) < kMinBudget) {
      u64 sum = 0;
      u64 without = 0;
      u64 with = 0;
      for (const Piece& piece : n.refills) {
        sum += piece.amount;
        if (without == 0 && sum >= kMinBudget) without = piece.time;
        if (with == 0 && minus(sum, n.reserved) >= kMinBudget) with = piece.time;
      }
      time = with != 0 ? with : without;
    }
    latest = std::max(latest, time);
  }
  return latest;
}

}  // namespace sched_model
