// sim/host/contain.h — crashes of native programs become faults of their threads; silent loops are named; a crash of the
// world itself ends the process with its place. Nothing here can change a run: a signal either ends a program that had
// ended itself, or the process.
#pragma once
#include "sim/host/machine.h"
#include "sim/model/world.h"

namespace sim::host {

enum class Silence : u8 {
  EndRun,      // print the silent thread and its host stack, exit 7
  FaultThread  // the thread gets UserException watchdog; the world goes on, tainted
};

struct ContainOptions {
  Silence silence = Silence::EndRun;
  u32 silence_ms = 1000;          // processor time of this process without a charge or a trap
  bool report_assertions = true;  // a program's failed assertion is also printed on stderr
};

/// Installs the handlers and the watchdog of this process. `world` is what reports look at.
void contain(World& world, const ContainOptions& options);
/// Takes them away again (before the world goes).
void release_containment();

/// Name of a crash kind, as reports print it.
const char* name_of(kernel::CrashKind kind);

}  // namespace sim::host
