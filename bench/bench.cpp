// bench/bench.cpp — rounds, medians and rows; see bench.h.
#include "bench/bench.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace bench {

namespace {

bool meets(double value, double bar, Better better) {
  if (std::isnan(bar)) return true;
  return better == Better::Lower ? value <= bar : value >= bar;
}

double read_clock(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

}  // namespace

bool Row::holds() const { return meets(value, bar, better) && meets(ratio, ratio_bar, better); }

bool Session::group(const std::string& name) {
  group_ = name;
  if (name.rfind(options_.only, 0) != 0) return false;
  std::fprintf(stderr, "measuring %s ...\n", name.c_str());
  return true;
}

void Session::measure(const Subject& subject, const std::vector<Peer>& peers) {
  std::vector<double> samples;
  std::vector<std::vector<double>> peer_samples(peers.size());
  const u32 rounds = options_.quick ? 1 : subject.rounds;
  for (u32 round = 0; round < rounds; ++round) {
    samples.push_back(subject.run());
    for (std::size_t i = 0; i < peers.size(); ++i) peer_samples[i].push_back(peers[i].run());
  }
  Row row{.group = group_,
          .name = subject.name,
          .unit = subject.unit,
          .better = subject.better,
          .bar = subject.bar,
          .value = median(samples),
          .samples = samples};
  if (peers.empty()) rows_.push_back(row);
  for (std::size_t i = 0; i < peers.size(); ++i) {
    row.peer = peers[i].name;
    row.peer_value = median(peer_samples[i]);
    row.peer_samples = peer_samples[i];
    row.ratio = row.value / row.peer_value;
    row.ratio_bar = peers[i].ratio_bar;
    rows_.push_back(row);
    row.bar = kNoBar;  // stands once
  }
}

double now_ns() { return read_clock(CLOCK_MONOTONIC); }
double used_ns() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace bench
