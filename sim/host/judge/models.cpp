// sim/host/judge/models.cpp — see models.h.
#include "sim/host/judge/models.h"

#include <algorithm>

#include "base/parse.h"

namespace sim::host::judge {
namespace {

constexpr char kNothing = '0';  // first byte of the state of a register: no value yet
constexpr char kValue = '1';

const std::string& argument(const Operation& operation, u64 index) { return operation.request.arguments[index]; }

/// Whether a complete operation's result is `wanted`; an incomplete one may have had any.
bool answers(const Operation& operation, const std::optional<std::string>& wanted) {
  return !operation.is_complete() || operation.result == wanted;
}
/// The same where the result may also have been left out.
bool may_answer(const Operation& operation, const std::string& wanted) {
  return !operation.is_complete() || !operation.result || *operation.result == wanted;
}
std::string text_of(bool value) { return value ? "true" : "false"; }

enum class Argument : u8 { Text, Number, SignedNumber };
struct Form {
  std::string_view name;
  std::vector<Argument> arguments;
  bool is_read = false;
};

/// Checks names and arguments against a list of forms.
class FormModel : public Model {
 public:
  FormModel(std::string_view name, std::vector<Form> forms) : name_(name), forms_(std::move(forms)) {
    forms_.push_back({"sync", {}});
  }

  std::string refuses(const Operation& operation) const override {
    const Form* form = form_of(operation);
    const std::string& name = operation.request.name;
    if (form == nullptr) {
      std::string known;
      for (const Form& candidate : forms_) known += (known.empty() ? "" : " ") + std::string(candidate.name);
      return "a " + std::string(name_) + " has no operation '" + name + "'; it has: " + known;
    }
    if (operation.request.arguments.size() != form->arguments.size()) {
      return name + " of a " + std::string(name_) + " takes " + std::to_string(form->arguments.size()) +
             " arguments, not " + std::to_string(operation.request.arguments.size());
    }
    for (u64 i = 0; i < form->arguments.size(); ++i) {
      const std::string& given = argument(operation, i);
      const bool is_number =
          form->arguments[i] == Argument::Number ? base::parse_u64(given).ok() : base::parse_i64(given).ok();
      if (form->arguments[i] != Argument::Text && !is_number) {
        return name + " of a " + std::string(name_) + ": '" + given + "' is not a number";
      }
      const bool is_size = form->arguments[i] == Argument::Number;
      if (is_size && *base::parse_u64(given) > kFileBytesMax) {
        return name + ": " + given + " is more than " + std::to_string(kFileBytesMax);
      }
    }
    return {};
  }
  bool is_read(const Operation& operation) const override {
    const Form* form = form_of(operation);
    return form != nullptr && form->is_read;
  }

 protected:
  const Form* form_of(const Operation& operation) const {
    for (const Form& form : forms_) {
      if (form.name == operation.request.name) return &form;
    }
    return nullptr;
  }

 private:
  std::string_view name_;
  std::vector<Form> forms_;
};

class Register final : public FormModel {
 public:
  explicit Register(bool is_kv)
      : FormModel(is_kv ? "kv" : "register", is_kv ? std::vector<Form>{{"put", {Argument::Text}},
                                                                       {"get", {}, true},
                                                                       {"remove", {}},
                                                                       {"append", {Argument::Text}},
                                                                       {"cas", {Argument::Text, Argument::Text}}}
                                                   : std::vector<Form>{{"write", {Argument::Text}},
                                                                       {"read", {}, true},
                                                                       {"cas", {Argument::Text, Argument::Text}}}) {}

  std::string initial() const override { return {kNothing}; }
  bool apply(std::string& state, const Operation& operation) const override {
    const std::string& name = operation.request.name;
    if (name == "write" || name == "put") {
      state = kValue + argument(operation, 0);
    } else if (name == "read" || name == "get") {
      if (!operation.is_complete()) return true;
      if (!operation.result) return state[0] == kNothing;
      return state[0] == kValue && std::string_view(state).substr(1) == *operation.result;
    } else if (name == "remove") {
      state = kNothing;
    } else if (name == "append") {
      state = (state[0] == kValue ? state : std::string(1, kValue)) + argument(operation, 0);
    } else if (name == "cas") {
      const bool equal = state[0] == kValue && std::string_view(state).substr(1) == argument(operation, 0);
      if (!answers(operation, text_of(equal))) return false;
      if (equal) state = kValue + argument(operation, 1);
    }
    return true;
  }
  bool values(const Operation& operation, std::vector<std::string>& out) const override {
    const std::string& name = operation.request.name;
    if (name == "append" || name == "sync") return false;
    for (const std::string& value : operation.request.arguments) out.push_back(value);
    if (is_read(operation) && operation.result) out.push_back(*operation.result);
    // Nothing is there after a remove, and before the first write: leaving a value out could show it.
    if (name == "remove") return false;
    return true;
  }
};

class Counter final : public FormModel {
 public:
  Counter() : FormModel("counter", {{"add", {Argument::SignedNumber}}, {"read", {}, true}}) {}
  std::string initial() const override { return "0"; }
  bool apply(std::string& state, const Operation& operation) const override {
    if (operation.request.name == "read") return answers(operation, state);
    if (operation.request.name != "add") return true;
    const u64 sum =
        static_cast<u64>(*base::parse_i64(state)) + static_cast<u64>(*base::parse_i64(argument(operation, 0)));
    state = std::to_string(static_cast<i64>(sum));
    return may_answer(operation, state);
  }
};

/// A list of strings as bytes: each with its length in front.
std::vector<std::string> list_of(std::string_view state) {
  std::vector<std::string> list;
  while (!state.empty()) {
    const auto colon = state.find(':');
    const u64 length = *base::parse_u64(state.substr(0, colon));
    list.emplace_back(state.substr(colon + 1, length));
    state.remove_prefix(colon + 1 + length);
  }
  return list;
}
std::string bytes_of(const std::vector<std::string>& list) {
  std::string state;
  for (const std::string& item : list) state += std::to_string(item.size()) + ":" + item;
  return state;
}

class Set final : public FormModel {
 public:
  Set()
      : FormModel("set", {{"add", {Argument::Text}},
                          {"remove", {Argument::Text}},
                          {"contains", {Argument::Text}, true},
                          {"read", {}, true}}) {}
  std::string initial() const override { return {}; }
  bool apply(std::string& state, const Operation& operation) const override {
    const std::string& name = operation.request.name;
    if (name == "sync") return true;
    std::vector<std::string> list = list_of(state);
    if (name == "read") {
      if (!operation.is_complete()) return true;
      std::vector<std::string> seen;
      std::string_view text = operation.result ? std::string_view(*operation.result) : std::string_view();
      while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        seen.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
      }
      std::sort(seen.begin(), seen.end());
      return seen == list;
    }
    const std::string& item = argument(operation, 0);
    const auto at = std::lower_bound(list.begin(), list.end(), item);
    const bool is_there = at != list.end() && *at == item;
    if (name == "contains") return answers(operation, text_of(is_there));
    if (name == "add" && !is_there) list.insert(at, item);
    if (name == "remove" && is_there) list.erase(at);
    state = bytes_of(list);
    return may_answer(operation, text_of(name == "add" ? !is_there : is_there));
  }
  bool values(const Operation& operation, std::vector<std::string>& out) const override {
    if (operation.request.arguments.empty()) return false;
    out.push_back(argument(operation, 0));
    return true;
  }
};

class Queue final : public FormModel {
 public:
  Queue() : FormModel("queue", {{"enqueue", {Argument::Text}}, {"dequeue", {}}, {"peek", {}, true}}) {}
  std::string initial() const override { return {}; }
  bool apply(std::string& state, const Operation& operation) const override {
    const std::string& name = operation.request.name;
    if (name == "sync") return true;
    if (name == "enqueue") {
      state += std::to_string(argument(operation, 0).size()) + ":" + argument(operation, 0);
      return true;
    }
    if (state.empty()) return answers(operation, std::nullopt);
    const auto colon = state.find(':');
    const u64 length = *base::parse_u64(std::string_view(state).substr(0, colon));
    if (!answers(operation, state.substr(colon + 1, length))) return false;
    if (name == "dequeue") state.erase(0, colon + 1 + length);
    return true;
  }
  bool is_read(const Operation& operation) const override {
    return FormModel::is_read(operation) ||
           (operation.request.name == "dequeue" && operation.is_complete() && !operation.result);
  }
  bool values(const Operation& operation, std::vector<std::string>& out) const override {
    if (operation.request.name == "enqueue") {
      out.push_back(argument(operation, 0));
    } else if (operation.is_complete() && operation.result) {
      out.push_back(*operation.result);
    }
    return operation.request.name == "enqueue" || operation.is_complete();
  }
};

class Lock final : public FormModel {
 public:
  Lock() : FormModel("lock", {{"acquire", {}}, {"try", {}}, {"release", {}}}) {}
  std::string initial() const override { return {kNothing}; }
  bool apply(std::string& state, const Operation& operation) const override {
    const std::string& name = operation.request.name;
    const std::string mine = kValue + operation.request.client;
    const bool is_free = state[0] == kNothing;
    if (name == "try" && !answers(operation, text_of(is_free))) return false;
    if (name == "acquire" && !is_free) return false;
    if (name == "release" && state != mine) return false;
    if (name == "release") state = kNothing;
    if (is_free && (name == "acquire" || name == "try")) state = mine;
    return true;
  }
  bool is_read(const Operation& operation) const override {
    return operation.request.name == "try" && operation.is_complete() && operation.result == "false";
  }
};

class File final : public FormModel {
 public:
  File()
      : FormModel("file", {{"write", {Argument::Number, Argument::Text}},
                           {"append", {Argument::Text}},
                           {"truncate", {Argument::Number}},
                           {"read", {Argument::Number, Argument::Number}, true},
                           {"size", {}, true}}) {}
  std::string initial() const override { return {}; }
  bool apply(std::string& state, const Operation& operation) const override {
    const std::string& name = operation.request.name;
    if (name == "size") return answers(operation, std::to_string(state.size()));
    if (name == "truncate") {
      state.resize(*base::parse_u64(argument(operation, 0)), '\0');
    } else if (name == "append") {
      if (!may_answer(operation, std::to_string(state.size()))) return false;
      state += argument(operation, 0);
    } else if (name == "write") {
      const u64 offset = *base::parse_u64(argument(operation, 0));
      const std::string& bytes = argument(operation, 1);
      if (bytes.empty()) return true;
      if (offset + bytes.size() > state.size()) state.resize(offset + bytes.size(), '\0');
      state.replace(offset, bytes.size(), bytes);
    } else if (name == "read") {
      const u64 offset = std::min<u64>(*base::parse_u64(argument(operation, 0)), state.size());
      const std::string_view part = std::string_view(state).substr(offset, *base::parse_u64(argument(operation, 1)));
      if (!operation.is_complete()) return true;
      return operation.result.value_or("") == part;
    }
    return true;
  }
};

constexpr std::string_view kNames[] = {"register", "kv", "counter", "set", "queue", "lock", "file"};

}  // namespace

std::unique_ptr<Model> model_named(std::string_view name) {
  if (name == "register") return std::make_unique<Register>(false);
  if (name == "kv") return std::make_unique<Register>(true);
  if (name == "counter") return std::make_unique<Counter>();
  if (name == "set") return std::make_unique<Set>();
  if (name == "queue") return std::make_unique<Queue>();
  if (name == "lock") return std::make_unique<Lock>();
  if (name == "file") return std::make_unique<File>();
  return nullptr;
}

std::string model_names() {
  std::string names;
  for (const std::string_view name : kNames) names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

}  // namespace sim::host::judge
