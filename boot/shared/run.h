// boot/shared/run.h — the two ways a machine runs its world. Neither returns: they end in power-off.
#pragma once
#include "boot/arch.h"
#include "sim/model/plan.h"

namespace boot {

/// The world of `plan`, as fast as it goes; its trace digest is told at the end.
[[noreturn]] void run_plan(const sim::Plan& plan);

/// A world at the serial line, in real time.
[[noreturn]] void run_live(const MachineInfo& info);

}  // namespace boot
