// sim/host/cli/script_case.h — a console script in a world of one node, as a Case: it holds when the guest ends with
// status 0.
#pragma once
#include "sim/host/case.h"
#include "sim/host/cli/cli.h"

namespace sim::host::cli {

class ScriptCase final : public Case {
 public:
  /// `run` is prepared (flags checked, script read); `guest` is what it boots.
  ScriptCase(ScriptRun run, Guest guest) : run_(std::move(run)), guest_(std::move(guest)) {}

  std::string name() const override;
  std::string plan_id() const override;
  std::string reproduction(const RunSetup& setup) const override;
  RunReport run(const RunSetup& setup) override;

 private:
  MachineOptions options(const RunSetup& setup, std::string& wrong) const;

  ScriptRun run_;
  Guest guest_;
};

}  // namespace sim::host::cli
