// sim/host/cli/open_case.cpp — see open_case.h.
#include "sim/host/cli/open_case.h"

#include "sim/host/cli/script_case.h"

namespace sim::host::cli {

OpenedCase open_case(const std::string& path, const MachineFlags& flags, const Guest& guest, const Verb& verb) {
  ScriptRun run;
  run.flags = flags;
  run.script_name = path;
  Guest own = guest;
  if (const int code = prepare(run, own, verb); code >= 0) return {nullptr, code};
  return {std::make_unique<ScriptCase>(std::move(run), std::move(own)), kHeld};
}

}  // namespace sim::host::cli
