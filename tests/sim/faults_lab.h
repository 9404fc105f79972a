// tests/sim/faults_lab.h — runs under one fault: the guests that show it, what is read off a run, and the cases, one for each
// class of the catalogue.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "tests/sim/guest.h"
#include "tests/sim/lab.h"

namespace faulty {

constexpr u64 kMs = 1'000'000;

// ── Guests (faults_guests.cpp) ───────────────────────────────────────────────────────────────────────────────
extern const machine::NativeEntry kWorker[1];
extern const machine::NativeEntry kWaker[2];
extern const machine::NativeEntry kTimerGuest[1];
extern const machine::NativeEntry kConsoleGuest[1];
extern const machine::NativeEntry kMaker[1];
extern const machine::NativeEntry kRevoker[1];
extern const machine::NativeEntry kLimited[2];
extern const machine::NativeEntry kPoints[1];
extern const machine::NativeEntry kNetworkGuest[1];
extern const machine::NativeEntry kClockGuest[1];
extern const machine::NativeEntry kSupervised[3];

/// A run to its end, with these lines of an overrides file.
lab::Result run(std::span<const machine::NativeEntry> entries, const std::string& lines, u64 seed = 1);

// ── What a run shows (faults_lab.cpp) ────────────────────────────────────────────────────────────────────────
struct Delivery {
  u64 time = 0;
  u64 bytes = 0;
  u64 digest = 0;
  friend bool operator==(const Delivery&, const Delivery&) = default;
};
u64 count(const lab::Result& result, base::EventKind kind);
u64 number_in(const std::string& text, u32 index = 0);
std::string differs(const char* what, u64 found, u64 wanted);
std::string later_by(const lab::Result& plain, const lab::Result& struck, u64 ns, u64 slack = 0);
u64 raises(const lab::Result& result);
std::string output_is(const lab::Result& struck, const std::string& wanted);
/// Times at which nodes went down and up, in ms after the first boot.
std::vector<u64> times_of(const lab::Result& result, base::EventKind kind);
/// How far the wall was stepped at each of the steps.
std::vector<i64> steps_of(const lab::Result& result);
std::string wall_is_off(const lab::Result& struck, i64 ns);
std::vector<Delivery> deliveries(const lab::Result& result);
u64 drops(const lab::Result& result, sim::Drop why);
/// The most frames that arrived at one moment.
u64 at_once(const lab::Result& result);
std::string holds(bool as_wanted, const char* what);

// ── Cases (faults_cases.cpp) ─────────────────────────────────────────────────────────────────────────────────
struct Case {
  const char* fault;
  std::span<const machine::NativeEntry> guest;
  const char* lines;
  /// What is wrong, given the run without and the run with the fault; empty when all is as the catalogue says.
  std::string (*check)(const lab::Result& plain, const lab::Result& struck);
};
std::span<const Case> cases();

}  // namespace faulty
