// sim/host/judge/history.cpp — see history.h.
#include "sim/host/judge/history.h"

#include <cstdio>

#include "base/assert.h"

namespace sim::host::judge {
namespace {

constexpr u64 kShownBytesMax = 40;

std::string shown(std::string_view value) {
  std::string text = "\"";
  for (const char c : value.substr(0, kShownBytesMax)) {
    const u8 byte = static_cast<u8>(c);
    if (byte < 0x20 || byte == 0x7F) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", byte);
      text += escape;
    } else {
      text += c;
    }
  }
  text += value.size() > kShownBytesMax ? "…\"" : "\"";
  return text;
}

}  // namespace

std::string_view name_of(Ending ending) {
  switch (ending) {
    case Ending::Ok: return "ok";
    case Ending::Fail: return "fail";
    case Ending::Unknown: return "unknown";
  }
  return "?";
}

u64 History::begin(Request request, Moment moment) {
  order_ += 1;
  Operation operation;
  operation.request = std::move(request);
  operation.called = order_;
  operation.call_moment = moment;
  operations_.push_back(std::move(operation));
  return operations_.size() - 1;
}

void History::end(u64 operation, Ending ending, std::optional<std::string> result, Moment moment) {
  ASSERT(operation < operations_.size());
  Operation& ended = operations_[operation];
  ASSERT(ended.returned == kNotReturned);
  order_ += 1;
  ended.ending = ending;
  ended.result = std::move(result);
  ended.returned = order_;
  ended.return_moment = moment;
}

void History::make_durable(u64 operation) {
  ASSERT(operation < operations_.size());
  ASSERT(operations_[operation].returned == kNotReturned);
  operations_[operation].request.durable = true;
}

void History::crash() {
  if (!crashes_.empty() && crashes_.back() == order_) return;
  order_ += 1;
  crashes_.push_back(order_);
}

void History::heal() {
  order_ += 1;
  healed_ = order_;
}

u64 History::count(std::string_view client, Ending ending, bool after_heal) const {
  u64 count = 0;
  for (const Operation& operation : operations_) {
    const bool counts = operation.ending == ending && (client.empty() || operation.request.client == client) &&
                        (!after_heal || (healed_ != kNotReturned && operation.called > healed_));
    count += counts ? 1 : 0;
  }
  return count;
}

std::string describe(const Operation& operation) {
  const Moment& moment = operation.return_moment.sequence != 0 ? operation.return_moment : operation.call_moment;
  char when[64] = "";
  if (moment.sequence != 0) {
    std::snprintf(when, sizeof when, "%llu.%09llus #%llu  ",
                  static_cast<unsigned long long>(moment.time_ns / 1'000'000'000),
                  static_cast<unsigned long long>(moment.time_ns % 1'000'000'000),
                  static_cast<unsigned long long>(moment.sequence));
  }
  const Request& request = operation.request;
  std::string text = when + request.client + "  " + request.name;
  if (!request.key.empty()) text += " " + request.key;
  for (const std::string& argument : request.arguments) text += " " + shown(argument);
  text += " → " + std::string(name_of(operation.ending));
  if (operation.result) text += " " + shown(*operation.result);
  return text;
}

}  // namespace sim::host::judge
