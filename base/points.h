// base/points.h — places in the code where a run may go another legal way than usual:
//
//   if (NUDGE("fsh.here-in-file")) …                         takes a rare but legal path
//   const u32 piece = TUNABLE("file.read-bytes", 4096, 64);  picks a legal extreme; the first is the usual value
//
// Each is named once in base/names.def. A nudge must never make correct code wrong. Two coins: a point is armed once per
// run, an armed nudge fires now and then; a tunable keeps its value for the run. Unarmed it costs a load and a branch.
// Only programs have points: the kernel is a function of its entries.
#pragma once
#include <initializer_list>
#include <string_view>
#include <type_traits>

#include "base/types.h"

namespace base {

enum class PointForm : u8 { Nudge, Tunable };

struct Point {
  std::string_view name;
  PointForm form;
  std::string_view about;
};

inline constexpr Point kPoints[] = {
#define NUDGE_NAME(name, about) {name, PointForm::Nudge, about},
#define TUNABLE_NAME(name, about) {name, PointForm::Tunable, about},
#include "base/names.def"
};
constexpr u32 kPointCount = sizeof kPoints / sizeof kPoints[0];
static_assert(kPointCount <= 64);

/// Who answers armed points: the deterministic machine, while it runs a program. Of a tunable it says 0, or which of its
/// extremes, from 1; of a nudge 0 or 1.
struct PointPort {
  u64 armed = 0;  // bit i: kPoints[i]
  u32 (*ask)(void* context, u32 point, u32 choices) = nullptr;
  void* context = nullptr;
};
inline constinit PointPort points;  // det-ok: set by a world for as long as it runs, empty otherwise

/// Not defined: a call of it is no constant, so what reaches it does not compile.
void point_is_not_listed_with_this_form();

consteval u32 point_number(std::string_view name, PointForm form) {
  for (u32 i = 0; i < kPointCount; ++i) {
    if (kPoints[i].name == name && kPoints[i].form == form) return i;
  }
  point_is_not_listed_with_this_form();
  return 0;
}

inline bool nudge(u32 point) { return (points.armed >> point & 1) != 0 && points.ask(points.context, point, 1) != 0; }
template <class T>
T tunable(u32 point, T usual, std::initializer_list<T> extremes) {
  if ((points.armed >> point & 1) == 0) return usual;
  const u32 choice = points.ask(points.context, point, static_cast<u32>(extremes.size()));
  return choice == 0 ? usual : extremes.begin()[choice - 1];
}

}  // namespace base

#ifdef ORRERY_POINTS_OUT  // for the one executable that shows what unarmed points cost (bench/points_bench.cpp)
#define NUDGE(name) (static_cast<void>(::base::point_number(name, ::base::PointForm::Nudge)), false)
#define TUNABLE(name, usual, ...)                                             \
  (static_cast<void>(::base::point_number(name, ::base::PointForm::Tunable)), \
   std::remove_cvref_t<decltype(usual)>{usual})
#else
#define NUDGE(name) (::base::nudge(::base::point_number(name, ::base::PointForm::Nudge)))
#define TUNABLE(name, usual, ...)                                                                                \
  (::base::tunable<std::remove_cvref_t<decltype(usual)>>(::base::point_number(name, ::base::PointForm::Tunable), \
                                                         usual, {__VA_ARGS__}))
#endif
