// sim/host/cli/image.h — the boot image inside the executable.
#pragma once
#include <string>

namespace sim::host::cli {

/// A ustar archive: the files of user/image, and /bin/NAME (`#!orrery NAME`) for every native program. The same bytes in
/// every build of the same sources: sorted, owned by root, dated as a world's start.
std::string boot_image();

}  // namespace sim::host::cli
