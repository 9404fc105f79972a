// sim/host/text.cpp — see text.h.
#include "sim/host/text.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sim::host {

std::string quote(std::string_view text) {
  const bool plain = !text.empty() && text.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                          "_-./:,+=@%") == std::string_view::npos;
  if (plain) return std::string(text);
  std::string quoted = "'";
  for (const char character : text) {
    if (character == '\'') {
      quoted += "'\\''";
    } else {
      quoted += character;
    }
  }
  return quoted + "'";
}

std::string json_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char character : text) {
    const u8 byte = static_cast<u8>(character);
    if (byte == '"' || byte == '\\') {
      quoted += '\\';
      quoted += character;
    } else if (byte < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      quoted += escape;
    } else {
      quoted += character;
    }
  }
  return quoted + "\"";
}

std::string seconds(u64 ns) {
  char text[40];
  std::snprintf(text, sizeof text, "%llu.%09llus", static_cast<unsigned long long>(ns / 1'000'000'000),
                static_cast<unsigned long long>(ns % 1'000'000'000));
  return text;
}

bool read_file(const std::string& path, std::string& out) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return false;  // which opens, and reads as nothing
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  std::ostringstream content;
  content << file.rdbuf();
  if (file.bad() || content.bad()) return false;
  out = content.str();
  return true;
}

bool write_file(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  file.close();
  return !file.fail();
}

std::string describe(const base::Event& event) {
  const auto kind = static_cast<base::EventKind>(event.kind);
  char text[256];
  std::snprintf(text, sizeof text, "#%-8llu %s  %u/%u  thread=%x  %-16s object=%x a=%llx b=%llx c=%llx flags=%x",
                static_cast<unsigned long long>(event.sequence), seconds(event.time_ns).c_str(), event.node, event.core,
                event.thread, std::string(base::name_of(kind)).c_str(), event.object,
                static_cast<unsigned long long>(event.a), static_cast<unsigned long long>(event.b),
                static_cast<unsigned long long>(event.c), event.flags);
  return text;
}

}  // namespace sim::host
