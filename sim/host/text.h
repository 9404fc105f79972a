// sim/host/text.h — texts that the command and its reports read and write.
#pragma once
#include <string>
#include <string_view>

#include "base/events.h"

namespace sim::host {

std::string quote(std::string_view text);        // for a shell
std::string json_string(std::string_view text);  // with its quotes
std::string seconds(u64 ns);                     // "12.400318007s"

/// A file's bytes; false when it cannot be read.
bool read_file(const std::string& path, std::string& out);
/// Makes the file hold these bytes; false when it cannot be written.
bool write_file(const std::string& path, std::string_view bytes);

/// An event as one line, its words in hexadecimal.
std::string describe(const base::Event& event);

}  // namespace sim::host
