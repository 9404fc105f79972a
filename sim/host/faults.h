// sim/host/faults.h — faults as text: rules that let classes strike, the budget of what may be damaged, and single
// opportunities set otherwise. They stand in an overrides file (schedule.h) and after `--fault`.
//
//     arm    process.kill  target=1/dev intensity=2 at-most=2
//     arm    cpu.*         from=1s to=9s time=10us..50us
//     budget copies-lost=1
//     fault  process.kill  1/dev  @17  spare
//     fault  cpu.steal     1/core0 @3  fire time=5us
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "sim/model/faults/plan.h"

namespace sim::host {

struct ArmedFault {
  FaultRule rule;  // its target is unset
  std::string target = "*";
};
struct ForcedFault {
  FaultOverride entry;  // its target is unset
  std::string target;
};

struct FaultSetup {
  std::vector<ArmedFault> rules;
  FaultBudget budget;
  std::vector<ForcedFault> forced;
  bool injects = false;  // a plan's own code may inject more
  bool empty() const { return rules.empty() && forced.empty() && !injects; }
};

/// `CLASS[:knob=value,…] [knob=value]…`; CLASS may be a pattern, which arms all that match. Knobs of every class: target,
/// intensity, ratio or per-minute, from, to, at-most. A value of a class's own knob may be a range, `10us..50us`. Without
/// intensity it is 2. Empty, or what is wrong with what is allowed.
std::string parse_rule(std::string_view text, FaultSetup& setup);
/// `copies-lost=1 nodes-down=1 …`
std::string parse_budget(std::string_view text, FaultSetup& setup);
/// Sets one opportunity so that it does not fire, whatever was set before.
void spare(FaultClass fault, const std::string& target, u64 opportunity, FaultSetup& setup);
/// `CLASS TARGET @ORDINAL spare`, or `… fire [knob=value]…`.
std::string parse_forced(std::string_view text, FaultSetup& setup);

std::string text_of(const ArmedFault& rule);
std::string text_of(const ForcedFault& forced);
/// All of it as lines of an overrides file.
std::string text_of(const FaultSetup& setup);
/// The knobs of a class as text, `time=5000ns bytes=3`.
std::string text_of_values(FaultClass fault, const u64 (&values)[kFaultKnobs]);
/// Whether an opportunity is set twice; which one as text.
std::string find_doubled(const FaultSetup& setup);

/// Arms what the seed draws (sim/model/faults/swarm.h) of the classes that match one of the patterns `allow` and none of
/// `forbid`. Empty, or the pattern that no class matches. Rules there are already come first.
std::string add_swarm(u64 seed, const std::vector<std::string>& allow, const std::vector<std::string>& forbid,
                      FaultSetup& setup);
/// What a run has of every class, for headers: "cpu.steal=3 cpu.offline=off …"; numbers are intensities.
std::string text_of_swarm(u64 seed, const std::vector<std::string>& allow, const std::vector<std::string>& forbid);

/// What a run had of every class and point, for headers: " cpu.steal=1/1000 node.crash=3/min … heap.dirty=off", each with
/// a blank before it; empty without rules. `armed_points`: bit i for base::kPoints[i].
std::string text_of_drawn(const FaultSetup& setup, u64 armed_points);

/// The services that boot images have a supervisor bring back, by their own names and their programs'; what init starts behind
/// them; and who brings them back.
constexpr std::string_view kVitalProcesses[] = {"root", "init"};
constexpr std::string_view kLastStarted = "fsh";
struct ServiceNames {
  std::vector<std::string> names;
  std::vector<FaultService> services;
};
ServiceNames services_of(const std::vector<std::string_view>& images);

}  // namespace sim::host
