// sim/host/campaign/report_bytes.h — setups and reports as bytes, for the pipes between the processes of a campaign. Both
// ends are the same program, so there is no version; a message that does not decode means its writer died in the middle.
#pragma once
#include <optional>
#include <string>

#include "sim/host/case.h"

namespace sim::host::campaign {

std::string bytes_of(const RunReport& report);
std::optional<RunReport> report_of(std::string_view bytes);

std::string bytes_of(const RunSetup& setup);
std::optional<RunSetup> setup_of(std::string_view bytes);

}  // namespace sim::host::campaign
