// sim/host/campaign/wire.h — bytes between the processes of a campaign, and the host's clock.
#pragma once
#include <string>

#include "base/types.h"

namespace sim::host::campaign {

u64 now_us();  // of the host; monotonic

/// All of `bytes`; false when the other end is gone.
bool write_all(int to, std::string_view bytes);
/// Appends what is there, waiting for something; false at the end.
bool read_some(int from, std::string& bytes);

/// A message with its length before it.
bool send_message(int to, std::string_view bytes);
/// Takes the first whole message out of `received`; false when there is none yet.
bool take_message(std::string& received, std::string& message);

}  // namespace sim::host::campaign
