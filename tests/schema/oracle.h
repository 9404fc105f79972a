// tests/schema/oracle.h — libcapnp as the twin of our codec. A value is filled at random, written by libcapnp in the
// same order, and both sides' readings are printed in one form: comparing two values is comparing two texts.
#pragma once
#include <capnp/capability.h>
#include <capnp/dynamic.h>
#include <capnp/message.h>
#include <capnp/schema-parser.h>
#include <capnp/schema.h>
#include <kj/exception.h>
#include <kj/filesystem.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "schema/codec.h"

namespace oracle {

using base::Prng;
using schema::CapIndex;

template <class T>
struct ElementOf;
template <class T>
struct ElementOf<schema::List<T>> {
  using Type = T;
};
template <class T>
constexpr bool kIsList = false;
template <class T>
constexpr bool kIsList<schema::List<T>> = true;

// ── Random values ────────────────────────────────────────────────────────────────────────────────────────────

/// Owns what the views of random values refer to.
class Filler {
 public:
  explicit Filler(Prng& prng) : prng_(prng) {}

  template <class T>
  void fill(T& field) {
    if constexpr (std::is_same_v<T, bool>) {
      field = prng_.below(2) == 1;
    } else if constexpr (schema::Scalar<T>) {
      field = static_cast<T>(prng_.below(4) == 0 ? prng_.below(3) : prng_.next());
    } else if constexpr (std::is_same_v<T, std::string_view>) {
      field = base::text_of(random_bytes());
    } else if constexpr (std::is_same_v<T, base::Bytes>) {
      field = random_bytes();
    } else if constexpr (std::is_same_v<T, CapIndex>) {
      // libcapnp numbers capabilities in the order they are set.
      field = CapIndex{};
      if (caps_ < kernel::kMessageCapsMax && prng_.below(3) > 0) {
        field = CapIndex::of(caps_);
        caps_ += 1;
      }
    } else if constexpr (kIsList<T>) {
      using Element = typename ElementOf<T>::Type;
      const size_t count = depth_ > 3 ? 0 : prng_.below(5);
      depth_ += 1;
      std::shared_ptr<Element[]> elements(new Element[count + 1]{});
      for (size_t i = 0; i < count; ++i) fill(elements[i]);
      depth_ -= 1;
      keep_.push_back(elements);
      field = std::span<const Element>(elements.get(), count);
    } else {
      visit_fields(field, [&](std::string_view, auto& inner) { fill(inner); });
    }
  }

 private:
  base::Bytes random_bytes() {
    const size_t size = prng_.below(4) == 0 ? 0 : prng_.below(40);
    std::shared_ptr<u8[]> bytes(new u8[size + 1]{});
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<u8>(prng_.next());
    keep_.push_back(bytes);
    return {bytes.get(), size};
  }

  Prng& prng_;
  u32 caps_ = 0;
  u32 depth_ = 0;
  std::vector<std::shared_ptr<void>> keep_;
};

// ── One form for both readings ───────────────────────────────────────────────────────────────────────────────

inline void print_bytes(std::string& out, base::Bytes bytes) {
  static const char* const kDigits = "0123456789abcdef";
  out += '"';
  for (const u8 byte : bytes) (out += kDigits[byte >> 4]) += kDigits[byte & 15];
  out += '"';
}

/// Our reading.
template <class T>
void print(std::string& out, const T& value) {
  if constexpr (schema::Scalar<T>) {
    out += std::to_string(static_cast<typename schema::WireOf<T>::Type>(value));
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    print_bytes(out, base::bytes_of(value));
  } else if constexpr (std::is_same_v<T, base::Bytes>) {
    print_bytes(out, value);
  } else if constexpr (std::is_same_v<T, CapIndex>) {
    out += value.present ? "cap " + std::to_string(value.index) : "no cap";
  } else if constexpr (kIsList<T>) {
    out += '[';
    for (u32 i = 0; i < value.size(); ++i) {
      print(out, value[i]);
      out += ' ';
    }
    out += ']';
  } else {
    out += '{';
    visit_fields(value, [&](std::string_view name, const auto& field) {
      (out += name) += ": ";
      print(out, field);
      out += ", ";
    });
    out += '}';
  }
}

template <class T>
std::string printed(const T& value) {
  std::string out;
  print(out, value);
  return out;
}

/// Three capabilities that can be told apart.
class Capabilities {
 public:
  Capabilities() {
    for (auto& hook : hooks_) hook = capnp::newBrokenCap("a capability of the test");
  }
  capnp::DynamicCapability::Client client(u32 i, capnp::InterfaceSchema type) {
    return capnp::Capability::Client(hooks_[i]->addRef()).castAs<capnp::DynamicCapability>(type);
  }
  kj::Array<kj::Maybe<kj::Own<capnp::ClientHook>>> table() {
    auto table = kj::heapArrayBuilder<kj::Maybe<kj::Own<capnp::ClientHook>>>(kernel::kMessageCapsMax);
    for (auto& hook : hooks_) table.add(hook->addRef());
    return table.finish();
  }
  std::string name_of(capnp::Capability::Client client) {
    const kj::Own<capnp::ClientHook> hook = capnp::ClientHook::from(kj::mv(client));
    if (const_cast<capnp::ClientHook*>(hook.get())->isNull()) return "no cap";
    for (u32 i = 0; i < kernel::kMessageCapsMax; ++i) {
      if (hook.get() == hooks_[i].get()) return "cap " + std::to_string(i);
    }
    return "foreign cap";
  }

 private:
  kj::Own<capnp::ClientHook> hooks_[kernel::kMessageCapsMax];
};

/// libcapnp's reading of a field of our type T.
template <class T>
void print_twin(std::string& out, const capnp::DynamicValue::Reader& value, Capabilities& caps) {
  if constexpr (std::is_same_v<T, bool>) {
    out += std::to_string(value.as<bool>());
  } else if constexpr (std::is_enum_v<T>) {
    out += std::to_string(value.as<capnp::DynamicEnum>().getRaw());
  } else if constexpr (schema::Scalar<T>) {
    out += std::to_string(value.as<T>());
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    const auto text = value.as<capnp::Text>();
    print_bytes(out, base::bytes_of({text.begin(), text.size()}));
  } else if constexpr (std::is_same_v<T, base::Bytes>) {
    const auto data = value.as<capnp::Data>();
    print_bytes(out, {data.begin(), data.size()});
  } else if constexpr (std::is_same_v<T, CapIndex>) {
    out += caps.name_of(value.as<capnp::DynamicCapability>());
  } else if constexpr (kIsList<T>) {
    out += '[';
    const auto list = value.as<capnp::DynamicList>();
    for (u32 i = 0; i < list.size(); ++i) {
      print_twin<typename ElementOf<T>::Type>(out, list[i], caps);
      out += ' ';
    }
    out += ']';
  } else {
    out += '{';
    const auto structure = value.as<capnp::DynamicStruct>();
    T shape{};
    visit_fields(shape, [&](std::string_view name, auto& field) {
      (out += name) += ": ";
      print_twin<std::remove_cvref_t<decltype(field)>>(out, structure.get(std::string(name).c_str()), caps);
      out += ", ";
    });
    out += '}';
  }
}

struct Reading {
  bool ok = false;
  std::string text;  // the value, or what libcapnp complained about
};

/// Everything libcapnp sees in a message, or its refusal.
template <class T>
Reading read_twin(base::Bytes message, capnp::StructSchema schema) {
  Reading reading;
  Capabilities caps;
  // Words of their own: libcapnp wants them aligned.
  kj::Array<capnp::word> words = kj::heapArray<capnp::word>(message.size() / sizeof(capnp::word));
  std::memcpy(words.begin(), message.data(), message.size());
  const auto exception = kj::runCatchingExceptions([&] {
    const kj::ArrayPtr<const capnp::word> segments[] = {words};
    capnp::SegmentArrayMessageReader reader{segments};
    capnp::ReaderCapabilityTable table(caps.table());
    const auto root = table.imbue(reader.getRoot<capnp::AnyPointer>());
    print_twin<T>(reading.text, root.getAs<capnp::DynamicStruct>(schema), caps);
    reading.ok = true;
  });
  KJ_IF_MAYBE (e, exception) reading.text = e->getDescription().cStr();
  return reading;
}

// ── Writing by libcapnp, fields in the order of ours ─────────────────────────────────────────────────────────

template <class T>
capnp::DynamicValue::Reader scalar_of(const T& value, capnp::Type type) {
  if constexpr (std::is_enum_v<T>) {
    return capnp::DynamicEnum(type.asEnum(), static_cast<u16>(value));
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    // The texts of Filler are followed by a NUL.
    return capnp::Text::Reader(value.data(), value.size());
  } else if constexpr (std::is_same_v<T, base::Bytes>) {
    return capnp::Data::Reader(value.data(), value.size());
  } else {
    return value;
  }
}

template <class T>
bool is_null(const T& value) {
  if constexpr (std::is_same_v<T, CapIndex>) {
    return !value.present;
  } else if constexpr (std::is_same_v<T, std::string_view> || std::is_same_v<T, base::Bytes> || kIsList<T>) {
    return value.empty();
  } else {
    return false;
  }
}

template <class T>
void write_twin(const T& value, capnp::DynamicStruct::Builder out, Capabilities& caps);

template <class T>
void write_list_twin(const schema::List<T>& list, capnp::DynamicList::Builder out, Capabilities& caps) {
  for (u32 i = 0; i < list.size(); ++i) {
    const T element = list[i];
    if (is_null(element)) continue;
    if constexpr (schema::Message<T>) {
      write_twin(element, out[i].template as<capnp::DynamicStruct>(), caps);
    } else if constexpr (std::is_same_v<T, CapIndex>) {
      out.set(i, caps.client(element.index, out.getSchema().getInterfaceElementType()));
    } else {
      out.set(i, scalar_of(element, out.getSchema().getElementType()));
    }
  }
}

template <class T>
void write_twin(const T& value, capnp::DynamicStruct::Builder out, Capabilities& caps) {
  visit_fields(value, [&](std::string_view name, const auto& field) {
    using F = std::remove_cvref_t<decltype(field)>;
    const capnp::StructSchema::Field target = out.getSchema().getFieldByName(std::string(name).c_str());
    if (is_null(field)) return;
    if constexpr (schema::Message<F>) {
      write_twin(field, out.init(target).template as<capnp::DynamicStruct>(), caps);
    } else if constexpr (kIsList<F>) {
      write_list_twin(field, out.init(target, field.size()).template as<capnp::DynamicList>(), caps);
    } else if constexpr (std::is_same_v<F, CapIndex>) {
      out.set(target, caps.client(field.index, target.getType().asInterface()));
    } else {
      out.set(target, scalar_of(field, target.getType()));
    }
  });
}

/// The message libcapnp makes of `value`.
template <class T>
std::vector<u8> encode_twin(const T& value, capnp::StructSchema schema) {
  Capabilities caps;
  capnp::MallocMessageBuilder message(1 << 16, capnp::AllocationStrategy::FIXED_SIZE);
  capnp::BuilderCapabilityTable table;
  auto root = table.imbue(message.getRoot<capnp::AnyPointer>());
  write_twin(value, root.initAs<capnp::DynamicStruct>(schema), caps);
  const auto segments = message.getSegmentsForOutput();
  KJ_REQUIRE(segments.size() == 1);
  const auto bytes = segments[0].asBytes();
  return {bytes.begin(), bytes.end()};
}

// ── Every message of an interface ────────────────────────────────────────────────────────────────────────────

/// Calls `visit.template operator()<T>(schema)` for requests and replies of all methods.
template <class... M, class Visit>
void for_each_method(schema::MethodList<M...>, capnp::InterfaceSchema interface, Visit&& visit) {
  const auto both = [&]<class Method>(capnp::InterfaceSchema::Method method) {
    visit.template operator()<typename Method::Request>(method.getParamType());
    visit.template operator()<typename Method::Reply>(method.getResultType());
  };
  (both.template operator()<M>(interface.getMethodByName(std::string(M::kName).c_str())), ...);
}

/// The schemas as libcapnp's own parser reads them from the source tree.
class Schemas {
 public:
  Schemas()
      : file_system_(kj::newDiskFilesystem()),
        source_(file_system_->getRoot().openSubdir(file_system_->getCurrentPath().evalNative(ORRERY_SOURCE_DIR))) {}

  capnp::ParsedSchema file(const char* path) {
    return parser_.parseFromDirectory(*source_, kj::Path::parse(path), nullptr);
  }

 private:
  kj::Own<kj::Filesystem> file_system_;
  kj::Own<const kj::ReadableDirectory> source_;
  capnp::SchemaParser parser_;
};

/// The same for an interface of ours, by its name.
template <class Interface, class Visit>
void for_each_message(capnp::ParsedSchema file, Visit&& visit) {
  const auto interface = file.getNested(std::string(Interface::kInterfaceName).c_str()).asInterface();
  for_each_method(typename Interface::Methods{}, interface, visit);
}

}  // namespace oracle
