// sim/host/campaign/wire.cpp — see wire.h.
#include "sim/host/campaign/wire.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sim::host::campaign {

u64 now_us() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<u64>(now.tv_sec) * 1'000'000 + static_cast<u64>(now.tv_nsec) / 1000;
}

bool write_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == ENOTSOCK) count = write(to, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<u64>(count));
  }
  return true;
}

bool read_some(int from, std::string& bytes) {
  char buffer[16 << 10];
  for (;;) {
    const ssize_t count = read(from, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.append(buffer, static_cast<u64>(count));
    return true;
  }
}

bool send_message(int to, std::string_view bytes) {
  const u64 size = bytes.size();
  std::string framed(reinterpret_cast<const char*>(&size), sizeof size);
  framed += bytes;
  return write_all(to, framed);
}

bool take_message(std::string& received, std::string& message) {
  u64 size = 0;
  if (received.size() < sizeof size) return false;
  std::memcpy(&size, received.data(), sizeof size);
  if (received.size() - sizeof size < size) return false;
  message = received.substr(sizeof size, size);
  received.erase(0, sizeof size + size);
  return true;
}

}  // namespace sim::host::campaign
