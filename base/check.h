// base/check.h — properties in the code they are about: what must always, never, sometimes, eventually be. Each is named
// once in base/names.def, so that one that is never reached is visible; the macros do not compile for other names.
//
//   ALWAYS("fs.reply-fits", x)        x must be true whenever it is evaluated; what goes on is up to the caller
//   NEVER("tcp.dup-syn-accepted")     is not reached
//   SOMETIMES("fs.retry", x)          x is true in some run of a campaign
//   MARK("cdt.revoke-cut")            the same, of a place; used once
//   AT_MOST_ONCE("cron.job", key)     not twice with one key
//   EVENTUALLY("fs.clean", x)         x is true within the scenario's time once faults have ended
//   HOT("fs.dirty", key)  COLD(...)   while faults are over, not hot for longer than that time
//   WATERMARK("ipc.depth", n)         the extremes are kept
//
// A program's report goes to the world device it was handed (user/runtime/probe.h); without one nothing is reported. The
// kernel names itself: MARK_IN(kernel, "…"). A hit of a program is reported once in its life. Only a failure and the first
// hit in a world are events; all else is told to whoever judges the run, who cannot change it.
#pragma once
#include <string_view>

#include "base/types.h"

namespace base {

enum class CheckForm : u8 { Always, Never, Sometimes, AtMostOnce, Eventually, Hot, Watermark, Mark };

/// What one evaluation said. The value of a Failed is for a person; of a Key, Hot and Cold the key; of a Level the level.
enum class CheckSays : u8 { Hit, Failed, Key, Hot, Cold, Level };

struct Property {
  std::string_view name;
  CheckForm form;
  std::string_view about;
};

inline constexpr Property kProperties[] = {
#define PROPERTY(name, form, about) {name, CheckForm::form, about},
#define MARK_NAME(name, about) {name, CheckForm::Mark, about},
#include "base/names.def"
};
constexpr u32 kPropertyCount = sizeof kProperties / sizeof kProperties[0];
/// Programs that are not compiled with the core declare properties of their own: numbers from kPropertyCount on.
constexpr u32 kDeclaredPropertiesMax = 128;
constexpr u32 kPropertyNameMax = 62;  // bytes

constexpr std::string_view name_of(CheckForm form) {
  switch (form) {
    case CheckForm::Always: return "always";
    case CheckForm::Never: return "never";
    case CheckForm::Sometimes: return "sometimes";
    case CheckForm::AtMostOnce: return "at-most-once";
    case CheckForm::Eventually: return "eventually";
    case CheckForm::Hot: return "hot";
    case CheckForm::Watermark: return "watermark";
    case CheckForm::Mark: return "mark";
  }
  return "?";
}

/// Whether a property of this form can say that.
constexpr bool fits(CheckForm form, CheckSays says) {
  switch (form) {
    case CheckForm::Always: return says == CheckSays::Hit || says == CheckSays::Failed;
    case CheckForm::Never: return says == CheckSays::Failed;
    case CheckForm::Sometimes:
    case CheckForm::Eventually:
    case CheckForm::Mark: return says == CheckSays::Hit;
    case CheckForm::AtMostOnce: return says == CheckSays::Key;
    case CheckForm::Hot: return says == CheckSays::Hot || says == CheckSays::Cold;
    case CheckForm::Watermark: return says == CheckSays::Level;
  }
  return false;
}

/// Not defined: a call of it is no constant, so what reaches it does not compile.
void name_is_not_listed_with_this_form();

/// Index in kProperties. A name that base/names.def does not list with this form does not compile.
consteval u32 property_number(std::string_view name, CheckForm form) {
  for (u32 i = 0; i < kPropertyCount; ++i) {
    if (kProperties[i].name == name && kProperties[i].form == form) return i;
  }
  name_is_not_listed_with_this_form();
  return 0;
}

/// Defined where programs run (user/runtime/probe.cpp); where it is not linked nothing is reported.
[[gnu::weak]] void report_check(u32 property, CheckSays says, u64 value);

inline void tell_check(u32 property, CheckSays says, u64 value = 0) {
  if (report_check != nullptr) report_check(property, says, value);
}

}  // namespace base

#define CHECK_NUMBER(name, form) (::base::property_number(name, ::base::CheckForm::form))

#define ALWAYS(name, condition, ...)             \
  ::base::tell_check(CHECK_NUMBER(name, Always), \
                     (condition) ? ::base::CheckSays::Hit : ::base::CheckSays::Failed __VA_OPT__(, ) __VA_ARGS__)
#define NEVER(name, ...) \
  ::base::tell_check(CHECK_NUMBER(name, Never), ::base::CheckSays::Failed __VA_OPT__(, ) __VA_ARGS__)
#define SOMETIMES(name, condition) \
  ((condition) ? ::base::tell_check(CHECK_NUMBER(name, Sometimes), ::base::CheckSays::Hit) : static_cast<void>(0))
#define EVENTUALLY(name, condition) \
  ((condition) ? ::base::tell_check(CHECK_NUMBER(name, Eventually), ::base::CheckSays::Hit) : static_cast<void>(0))
#define MARK(name) ::base::tell_check(CHECK_NUMBER(name, Mark), ::base::CheckSays::Hit)
#define AT_MOST_ONCE(name, key) ::base::tell_check(CHECK_NUMBER(name, AtMostOnce), ::base::CheckSays::Key, key)
#define HOT(name, key) ::base::tell_check(CHECK_NUMBER(name, Hot), ::base::CheckSays::Hot, key)
#define COLD(name, key) ::base::tell_check(CHECK_NUMBER(name, Hot), ::base::CheckSays::Cold, key)
#define WATERMARK(name, level) ::base::tell_check(CHECK_NUMBER(name, Watermark), ::base::CheckSays::Level, level)

// The same of something that tells of itself: the kernel has no thread, so `teller.tell_check` is asked.
#define ALWAYS_IN(teller, name, condition, ...)   \
  (teller).tell_check(CHECK_NUMBER(name, Always), \
                      (condition) ? ::base::CheckSays::Hit : ::base::CheckSays::Failed __VA_OPT__(, ) __VA_ARGS__)
#define SOMETIMES_IN(teller, name, condition) \
  ((condition) ? (teller).tell_check(CHECK_NUMBER(name, Sometimes), ::base::CheckSays::Hit) : static_cast<void>(0))
#define MARK_IN(teller, name) (teller).tell_check(CHECK_NUMBER(name, Mark), ::base::CheckSays::Hit)
#define WATERMARK_IN(teller, name, level) \
  (teller).tell_check(CHECK_NUMBER(name, Watermark), ::base::CheckSays::Level, level)
