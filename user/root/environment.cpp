// user/root/environment.cpp — groups of environment variables: copied at spawn, or shared by rfork.
#include "user/root/manager.h"

#include "base/enforce.h"

namespace user::root {
namespace {

bool is_variable_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

}  // namespace

Environment& Manager::new_environment() {
  return *new (memory_.allocate(sizeof(Environment), alignof(Environment))) Environment(memory_);
}

Environment& Manager::copy_environment(const Environment& environment) {
  Environment& copy = new_environment();
  for (const auto& entry : environment.values) copy.values.insert(entry.key.clone(), entry.value.clone());
  copy.bytes = environment.bytes;
  return copy;
}

void Manager::drop_environment(ProcessRecord& record) {
  Environment* const environment = record.environment;
  if (environment == nullptr) return;
  record.environment = nullptr;
  environment->references -= 1;
  if (environment->references != 0) return;
  environment->~Environment();
  memory_.release(environment, sizeof *environment);
}

Result<void> Manager::set_env(Environment& environment, std::string_view name, u32 offset, base::Bytes value,
                              bool remove_it) {
  if (!is_variable_name(name)) return fs::fail(ErrorCode::BadFileName, name);
  base::String* const known = environment.values.find(name);
  if (remove_it) {
    if (known == nullptr) return fs::fail(ErrorCode::NotFound, name);
    environment.bytes -= name.size() + known->size();
    environment.values.erase(name);
    return {};
  }
  const u64 before = known == nullptr ? 0 : known->size();
  if (offset != 0 && offset != before) return fs::fail(ErrorCode::BadArgument);
  const u64 after = offset + value.size();
  const u64 bytes = environment.bytes - before + after + (known == nullptr ? name.size() : 0);
  if (bytes > kEnvironmentBytesMax) return fs::fail(ErrorCode::NoSpaceLeft);
  environment.bytes = bytes;
  if (known == nullptr) {
    environment.values.insert(base::String(memory_, name), base::String(memory_, base::text_of(value)));
    return {};
  }
  known->truncate(offset);
  known->append(base::text_of(value));
  return {};
}

void Manager::apply_settings(Environment& environment, std::string_view settings) {
  while (!settings.empty()) {
    const std::size_t end = std::min(settings.find('\0'), settings.size());
    const std::string_view setting = settings.substr(0, end);
    settings.remove_prefix(std::min(end + 1, settings.size()));
    const std::size_t equals = setting.find('=');
    const bool removes = equals == std::string_view::npos;
    // A name that is none, or one too many, is left out: the program starts without it.
    static_cast<void>(set_env(environment, setting.substr(0, equals), 0,
                              removes ? base::Bytes{} : base::bytes_of(setting.substr(equals + 1)), removes));
  }
}

}  // namespace user::root
