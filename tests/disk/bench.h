// tests/disk/bench.h — a disk's model with memory of its own, which holds rubbish at first.
#pragma once
#include <memory>
#include <vector>

#include "sim/model/disk_model.h"

namespace disk_bench {

struct Bench {
  std::vector<u8> medium;
  std::vector<sim::DiskValue> values;
  std::vector<u32> table;
  std::vector<u8> bytes;
  std::vector<u64> touched;
  std::vector<sim::DiskDamage> damages;
  std::vector<u8> shadows;
  std::vector<u64> history;
  std::vector<u8> past;
  std::unique_ptr<sim::DiskModel> model;

  explicit Bench(const sim::DiskModel::Shape& shape) {
    const sim::DiskModel::Need need(shape);
    const u64 unit = shape.atomic_bytes;
    constexpr u8 kRubbish = 0xA5;
    medium.assign(shape.bytes, 0);
    values.assign(need.values, {.unit = kRubbish, .order = kRubbish});
    table.assign(need.table, kRubbish);
    bytes.assign(need.values * unit, kRubbish);
    touched.assign(need.touched, kRubbish);
    damages.assign(need.damages, {.unit = kRubbish});
    shadows.assign(need.damages * unit, kRubbish);
    history.assign(need.history, kRubbish);
    past.assign(need.history * unit, kRubbish);
    model = std::make_unique<sim::DiskModel>(shape, sim::DiskModel::Memory{.medium = medium,
                                                                           .values = values,
                                                                           .table = table,
                                                                           .bytes = bytes,
                                                                           .touched = touched,
                                                                           .damages = damages,
                                                                           .shadows = shadows,
                                                                           .history = history,
                                                                           .past = past});
  }
};

}  // namespace disk_bench
