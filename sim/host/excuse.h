// sim/host/excuse.h — whether a run failed only because of faults that no promise covers: the ledger admits some that the
// plan asks for by name or by budget though nothing can survive them. That is proved by a second run without these.
#pragma once
#include "sim/host/case.h"
#include "sim/host/machine_host.h"

namespace sim::host {

/// Further faults that the runs without the first ones met are left out too, so often.
constexpr u32 kExcuseRounds = 4;
/// Most faults of one run that are kept as excuses.
constexpr u64 kExcusesMax = 1000;

/// Keeps a fault for which the ledger has an excuse, with the rule and the budget that let it happen.
void note_excuse(const Machine& machine, const InjectRecord& record, std::vector<Excuse>& excuses);

/// If the run failed after faults that no promise covers, makes it again without them. If it holds then, it becomes
/// Excused; its finding's details say which faults these were, by which rules and budget, and name the run that held.
void look_for_excuse(Case& which, const RunSetup& setup, RunReport& report);

}  // namespace sim::host
