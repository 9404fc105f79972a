// sim/host/text.h — texts that the command and its reports read and write.
#pragma once
#include <string>
#include <string_view>

#include "base/types.h"

namespace sim::host {

std::string quote(std::string_view text);        // for a shell
std::string json_string(std::string_view text);  // with its quotes
std::string seconds(u64 ns);                     // "12.400318007s"

/// A file's bytes; false when it cannot be read.
bool read_file(const std::string& path, std::string& out);

}  // namespace sim::host
