// sim/host/scenario/images.h — boot images with files of a scenario in them.
#pragma once
#include <map>
#include <string>

namespace sim::host::scenario {

/// `image`, a ustar archive, with these files in it (path without a leading slash → text); files of the same path are
/// replaced. Entries are in the order of the image, then the new ones by path.
std::string with_files(const std::string& image, const std::map<std::string, std::string>& files);
/// A file of the image; empty when there is none.
std::string file_of(const std::string& image, const std::string& path);

}  // namespace sim::host::scenario
