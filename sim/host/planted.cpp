// sim/host/planted.cpp — see planted.h.
#include "sim/host/planted.h"

#include "base/planted.h"
#include "sim/model/plan.h"

namespace sim::host {
namespace {
constexpr std::string_view kWith = " with the planted bug ";
}

#ifdef ORRERY_PLANTED
bool has_planted_bugs() { return true; }

std::string planted_bug() {
  return base::planted_bug == 0 ? std::string() : std::string(base::kPlantedBugs[base::planted_bug - 1].name);
}

bool choose_planted_bug(const std::string& name) {
  base::planted_bug = base::planted_named(name);
  return name.empty() || base::planted_bug != 0;
}
#else
bool has_planted_bugs() { return false; }
std::string planted_bug() { return {}; }
bool choose_planted_bug(const std::string& name) { return name.empty(); }
#endif

std::string model_text() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const u8 byte : sim::model_id()) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  const std::string bug = planted_bug();
  return bug.empty() ? text : text + std::string(kWith) + bug;
}

std::string bug_of(const std::string& model_text) {
  const auto at = model_text.find(kWith);
  return at == std::string::npos ? std::string() : model_text.substr(at + kWith.size());
}

}  // namespace sim::host
