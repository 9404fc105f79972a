// base/planted.h — defects on purpose, to see what finds them. `PLANTED("pipe.close-race")` is false, a constant, in every
// build but one made with -DORRERY_PLANTED=ON; there it is true of the one bug that the host chose at its start by the
// environment variable ORRERY_BUG. Every name is in base/planted.def once; another does not compile.
#pragma once
#include <string_view>

#include "base/types.h"

namespace base {

struct PlantedBug {
  std::string_view name;
  std::string_view shows_as;
};

inline constexpr PlantedBug kPlantedBugs[] = {
#define PLANTED_BUG(name, shows_as) {name, shows_as},
#include "base/planted.def"
};
constexpr u32 kPlantedCount = sizeof kPlantedBugs / sizeof kPlantedBugs[0];

/// The number of the bug of this name; 0: there is none.
constexpr u32 planted_named(std::string_view name) {
  for (u32 i = 0; i < kPlantedCount; ++i) {
    if (kPlantedBugs[i].name == name) return i + 1;
  }
  return 0;
}

/// Not defined: a call of it is no constant, so what reaches it does not compile.
void bug_is_not_listed();

/// Index in kPlantedBugs, and 1: 0 is no bug.
consteval u32 planted_number(std::string_view name) {
  const u32 number = planted_named(name);
  if (number == 0) bug_is_not_listed();
  return number;
}

#ifdef ORRERY_PLANTED  // det-ok: chosen before the first world, in builds made for this only
inline constinit u32 planted_bug = 0;
#define PLANTED(name) (::base::planted_bug == ::base::planted_number(name))
#else
#define PLANTED(name) (::base::planted_number(name) == 0)
#endif

}  // namespace base
