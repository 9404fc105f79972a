#include "user/lonala/properties.h"

#include "base/bytes.h"
#include "base/parse.h"
#include "vm/lonala/atoms.h"

#include "base/enforce.h"

namespace user::lonala_program {
namespace {

using base::CheckForm;
using base::CheckSays;

constexpr CheckForm kForms[] = {CheckForm::Always,     CheckForm::Never, CheckForm::Sometimes, CheckForm::AtMostOnce,
                                CheckForm::Eventually, CheckForm::Hot,   CheckForm::Watermark};

/// Keys and levels are numbers.
u64 value_of(std::string_view detail) {
  const bool negative = detail.starts_with('-');
  const auto number = base::parse_u64(negative ? detail.substr(1) : detail);
  if (number.ok()) return negative ? ~*number + 1 : *number;
  return detail == "nil" ? 0 : lonala::siphash13(base::bytes_of(detail));
}

}  // namespace

Properties::Known* Properties::find(std::string_view name) {
  for (Known& known : known_) {
    if (known.name.view() == name) return &known;
  }
  return nullptr;
}

void Properties::declare(std::string_view kind, std::string_view name) {
  if (find(name) != nullptr) return;
  for (const CheckForm form : kForms) {
    if (base::name_of(form) != kind) continue;
    const u32 number = declare_property(name, form);
    if (number != kNoProperty) known_.push_back({.name = base::String(known_.allocator(), name), .number = number});
    return;
  }
}

void Properties::report(std::string_view kind, std::string_view name, bool holds, std::string_view detail) {
  Known* const known = find(name);
  if (known == nullptr) return;
  const auto tell = [&](CheckSays says) { report_declared(known->number, says, value_of(detail)); };
  if (kind == "never") return tell(CheckSays::Failed);
  if (kind == "at-most-once") return tell(CheckSays::Key);
  if (kind == "hot") return tell(CheckSays::Hot);
  if (kind == "cold") return tell(CheckSays::Cold);
  if (kind == "watermark") return tell(CheckSays::Level);
  if (!holds && kind == "always") return tell(CheckSays::Failed);
  // `eventually` counts from the moment that faults have ended, so it is told again and again.
  if (!holds || (known->told && kind != "eventually")) return;
  known->told = true;
  tell(CheckSays::Hit);
}

}  // namespace user::lonala_program
