// vm/lonala/library.h — the library's sources, packed into the machine by the build, in the order they are loaded.
#pragma once
#include <span>
#include <string_view>

namespace lonala {

struct LibrarySource {
  std::string_view name;
  std::string_view text;
};
std::span<const LibrarySource> library_sources();

}  // namespace lonala
