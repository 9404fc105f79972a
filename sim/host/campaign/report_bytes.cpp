// sim/host/campaign/report_bytes.cpp — one list of members a type, walked by a writer and by a reader.
#include "sim/host/campaign/report_bytes.h"

#include <concepts>
#include <cstring>
#include <type_traits>

namespace sim::host::campaign {
namespace {

template <class T>
concept Plain = std::integral<T> || std::is_enum_v<T>;

class Writer {
 public:
  template <Plain T>
  void operator()(const T& value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void operator()(const std::string& text) {
    (*this)(static_cast<u64>(text.size()));
    out += text;
  }
  template <class T>
  void operator()(const std::vector<T>& list) {
    (*this)(static_cast<u64>(list.size()));
    for (const T& item : list) walk(*this, item);
  }
  template <class T>
  void operator()(const std::optional<T>& item) {
    (*this)(item.has_value());
    if (item) walk(*this, *item);
  }
  std::string out;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  template <Plain T>
  void operator()(T& value) {
    if (rest_.size() < sizeof value) return fail();
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
  }
  void operator()(std::string& text) {
    u64 size = 0;
    (*this)(size);
    if (size > rest_.size()) return fail();
    text.assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
  }
  template <class T>
  void operator()(std::vector<T>& list) {
    u64 size = 0;
    (*this)(size);
    if (size > rest_.size()) return fail();  // each item has a byte at least
    list.resize(size);
    for (T& item : list) walk(*this, item);
  }
  template <class T>
  void operator()(std::optional<T>& item) {
    bool is_there = false;
    (*this)(is_there);
    item.reset();
    if (is_there && ok_) walk(*this, item.emplace());
  }
  bool is_whole() const { return ok_ && rest_.empty(); }

 private:
  void fail() {
    ok_ = false;
    rest_ = {};
  }
  std::string_view rest_;
  bool ok_ = true;
};

/// The members of `item`, in order; `visit` is a Writer with const items, or a Reader.
template <class Visit, class T>
void walk(Visit& visit, T& item) {
  using Type = std::remove_const_t<T>;
  const auto all = [&visit](auto&... members) { (visit(members), ...); };
  if constexpr (std::same_as<Type, RunSetup>) {
    all(item.seed, item.sched, item.overrides, item.checks, item.record, item.until, item.events_max, item.blind,
        item.keep_console, item.keep_lists, item.keep_features);
  } else if constexpr (std::same_as<Type, RunReport>) {
    all(item.verdict, item.finding, item.root.high, item.root.low, item.events, item.virtual_ns, item.status,
        item.tainted, item.strategy, item.drawn, item.hits, item.faults, item.features, item.choices, item.fired,
        item.operations, item.unused, item.console);
  } else if constexpr (std::same_as<Type, Finding>) {
    all(item.property, item.kind, item.role, item.details, item.signature, item.moment, item.time_ns, item.held_at,
        item.is_liveness);
  } else if constexpr (std::same_as<Type, Hit>) {
    all(item.name, item.form, item.count, item.low, item.high);
  } else if constexpr (std::same_as<Type, FaultTally>) {
    all(item.fault_class, item.target, item.fired, item.withheld, item.lessened);
  } else if constexpr (std::same_as<Type, FiredFault>) {
    all(item.fault_class, item.target, item.opportunity, item.time_ns, item.arguments);
  } else if constexpr (std::same_as<Type, ForcedChoice>) {
    all(item.kind, item.actor, item.ordinal, item.answer);
  } else {
    visit(item);
  }
}

template <class T>
std::string written(const T& item) {
  Writer writer;
  walk(writer, item);
  return std::move(writer.out);
}

template <class T>
std::optional<T> read(std::string_view bytes) {
  Reader reader(bytes);
  T item;
  walk(reader, item);
  if (!reader.is_whole()) return {};
  return item;
}

}  // namespace

std::string bytes_of(const RunReport& report) { return written(report); }
std::optional<RunReport> report_of(std::string_view bytes) { return read<RunReport>(bytes); }
std::string bytes_of(const RunSetup& setup) { return written(setup); }
std::optional<RunSetup> setup_of(std::string_view bytes) { return read<RunSetup>(bytes); }

}  // namespace sim::host::campaign
