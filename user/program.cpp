// user/program.cpp — see program.h.
#include "user/program.h"

namespace user {

#define PROGRAM(name, function, ...) i32 function(Process& process);
#include "user/programs.def"
#undef PROGRAM

namespace {

constexpr Program kPrograms[] = {
#define PROGRAM(name, function, ...) {name, function __VA_OPT__(, ) __VA_ARGS__},
#include "user/programs.def"
#undef PROGRAM
};

}  // namespace
}  // namespace user

#include "base/enforce.h"

namespace user {
namespace {

constexpr bool sorted() {
  for (u64 i = 1; i < std::size(kPrograms); ++i) {
    if (kPrograms[i - 1].name >= kPrograms[i].name) return false;
  }
  return true;
}
static_assert(sorted(), "programs.def is sorted by name, bytewise, without doubles");

}  // namespace

std::span<const Program> programs() { return kPrograms; }

const Program* find_program(std::string_view name) {
  u64 low = 0;
  u64 high = std::size(kPrograms);
  while (low < high) {
    const u64 middle = low + (high - low) / 2;
    if (kPrograms[middle].name < name) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < std::size(kPrograms) && kPrograms[low].name == name ? &kPrograms[low] : nullptr;
}

}  // namespace user
